/* Levels -> coded data of a JPEG's scan (ITU-T T.81, annexes F and G). Mirrors pixelzip/jpeg/scan_writer.py. */

#include "jpeg_scan.h"

#include <stdlib.h>

enum {
    MOST_CORRECTIONS = 937, /* bits that libjpeg keeps back while it waits for a level that a block ends after */
    MOST_KEPT = 1024,
    MOST_BLOCK_BYTES = 4096, /* of the bits that a block may add, escaped */
};

typedef struct {
    uint16_t code;
    uint8_t length; /* 0: none */
} Code;

typedef struct {
    const Scan *scan;
    uint8_t *data;
    size_t num_bytes, capacity;
    uint32_t bits; /* the last ones, which do not fill a byte */
    int num_bits, is_damaged;
    int means[MAX_COMPONENTS];
    int run, num_kept; /* blocks that have ended and are not written, and bits that belong to them */
    uint8_t kept[MOST_KEPT];
    Code codes[MAX_TABLES][MAX_SYMBOLS];
    int64_t *counts; /* (tables, MAX_SYMBOLS), of symbols, or NULL; then bits do not matter */
} Writer;

static int fill_codes(const Codes *codes, Code found[MAX_SYMBOLS])
{
    const uint8_t *symbol = codes->symbols;
    uint32_t code = 0;
    for (int length = 1; length <= LONGEST_CODE; length++) {
        for (int i = 0; i < codes->counts[length - 1]; i++, code++) {
            if (code >> length)
                return 0;
            found[*symbol++] = (Code){(uint16_t)code, (uint8_t)length};
        }
        code <<= 1;
    }
    return 1;
}

static void put_bits(Writer *writer, uint32_t value, int num_bits)
{
    writer->bits = writer->bits << num_bits | (value & ((1u << num_bits) - 1));
    writer->num_bits += num_bits;
    while (writer->num_bits >= 8) {
        writer->num_bits -= 8;
        const uint8_t byte = (uint8_t)(writer->bits >> writer->num_bits);
        writer->data[writer->num_bytes++] = byte;
        if (byte == 0xFF)
            writer->data[writer->num_bytes++] = 0;
    }
}

static void put_symbol(Writer *writer, int table, int symbol)
{
    const Code code = writer->codes[table][symbol & 0xFF];
    writer->is_damaged |= symbol >= MAX_SYMBOLS;
    if (writer->counts) {
        writer->counts[table * MAX_SYMBOLS + (symbol & 0xFF)]++;
        return;
    }
    writer->is_damaged |= code.length == 0;
    put_bits(writer, code.code, code.length);
}

static void put_value(Writer *writer, int table, int zeros, int value)
{
    int num_bits = 0;
    for (int rest = abs(value); rest; rest >>= 1)
        num_bits++;
    if (num_bits > MOST_BITS) {
        writer->is_damaged = 1;
        return;
    }
    put_symbol(writer, table, zeros << 4 | num_bits);
    put_bits(writer, (uint32_t)(value > 0 ? value : value - 1), num_bits);
}

/* Write that blocks have ended. */
static void end_run(Writer *writer, int table)
{
    if (writer->run == 0)
        return;
    int num_bits = 0;
    while (writer->run >> (num_bits + 1))
        num_bits++;
    put_symbol(writer, table, num_bits << 4);
    put_bits(writer, (uint32_t)writer->run, num_bits);
    for (int i = 0; i < writer->num_kept; i++)
        put_bits(writer, writer->kept[i], 1);
    writer->run = writer->num_kept = 0;
}

/* Return a level without its lowest bits, towards zero. */
static inline int scaled(int level, int low)
{
    return level < 0 ? -(-level >> low) : level >> low;
}

static void write_waves(Writer *writer, const int16_t *levels, int table)
{
    const Scan *scan = writer->scan;
    int zeros = 0;
    for (int frequency = scan->first > 1 ? scan->first : 1; frequency <= scan->last; frequency++) {
        const int value = scaled(levels[frequency], scan->low);
        if (value == 0) {
            zeros++;
            continue;
        }
        end_run(writer, table);
        for (; zeros > ZEROS; zeros -= 16)
            put_symbol(writer, table, ZEROS << 4);
        put_value(writer, table, zeros, value);
        zeros = 0;
    }
    if (zeros && ++writer->run == scan->longest_run)
        end_run(writer, table);
}

static int last_new(const Scan *scan, const int16_t *levels)
{
    int last = scan->last;
    while (last > 0 && abs(scaled(levels[last], scan->low)) != 1)
        last--;
    return last;
}

static void put_corrections(Writer *writer, const uint8_t *bits, int *num_bits)
{
    for (int i = 0; i < *num_bits; i++)
        put_bits(writer, bits[i], 1);
    *num_bits = 0;
}

static void refine(Writer *writer, const int16_t *levels)
{
    const Scan *scan = writer->scan;
    const int last = last_new(scan, levels);
    uint8_t bits[FREQUENCIES];
    int zeros = 0, num_bits = 0;
    for (int frequency = scan->first; frequency <= scan->last; frequency++) {
        const int value = scaled(levels[frequency], scan->low);
        if (value == 0) {
            zeros++;
            continue;
        }
        for (; zeros > ZEROS && frequency <= last; zeros -= 16) {
            end_run(writer, 1);
            put_symbol(writer, 1, ZEROS << 4);
            put_corrections(writer, bits, &num_bits);
        }
        if (abs(value) > 1) {
            bits[num_bits++] = abs(value) & 1;
            continue;
        }
        end_run(writer, 1);
        put_symbol(writer, 1, zeros << 4 | 1);
        put_bits(writer, value > 0, 1);
        put_corrections(writer, bits, &num_bits);
        zeros = 0;
    }
    if (zeros == 0 && num_bits == 0)
        return;
    for (int i = 0; i < num_bits; i++)
        writer->kept[writer->num_kept++] = bits[i];
    if (++writer->run == scan->longest_run || writer->num_kept > MOST_CORRECTIONS)
        end_run(writer, 1);
}

static void write_block(Writer *writer, const int16_t *levels, int place)
{
    const Scan *scan = writer->scan;
    const int mean = levels[0] >> scan->low;
    if (scan->first == 0 && scan->high)
        put_bits(writer, (uint32_t)mean & 1, 1);
    else if (scan->first == 0) {
        put_value(writer, 2 * place, 0, mean - writer->means[place]);
        writer->means[place] = mean;
    }
    if (scan->last && scan->high)
        refine(writer, levels);
    else if (scan->last)
        write_waves(writer, levels, 2 * place + 1);
}

static int reserve(Writer *writer)
{
    if (writer->capacity - writer->num_bytes >= MOST_BLOCK_BYTES)
        return 1;
    const size_t capacity = 2 * writer->capacity + 16 * MOST_BLOCK_BYTES;
    uint8_t *data = realloc(writer->data, capacity);
    if (!data)
        return 0;
    writer->data = data;
    writer->capacity = capacity;
    return 1;
}

static void finish_part(Writer *writer, int filling)
{
    end_run(writer, 1);
    const int num_bits = (8 - writer->num_bits) % 8;
    put_bits(writer, filling ? 0xFF : 0, num_bits);
    for (int i = 0; i < MAX_COMPONENTS; i++)
        writer->means[i] = 0;
}

static int write_all(Writer *writer, int filling)
{
    const Scan *scan = writer->scan;
    const size_t num_units = scan->num_blocks / scan->num_per_unit;
    const size_t num_per_part = scan->restart_interval ? (size_t)scan->restart_interval : num_units;
    const int32_t *block = scan->order;
    if (!reserve(writer))
        return SCAN_NO_MEMORY;
    for (size_t unit = 0; unit < num_units && !writer->is_damaged; unit++) {
        if (unit && unit % num_per_part == 0) {
            finish_part(writer, filling);
            writer->data[writer->num_bytes++] = 0xFF;
            writer->data[writer->num_bytes++] = (uint8_t)(FIRST_RESTART + (unit / num_per_part - 1) % 8);
        }
        for (size_t i = 0; i < scan->num_per_unit; i++) {
            if (!reserve(writer))
                return SCAN_NO_MEMORY;
            write_block(writer, scan->levels + (size_t)FREQUENCIES * (size_t)*block++, scan->places[i]);
        }
    }
    finish_part(writer, filling);
    return writer->is_damaged ? SCAN_DAMAGED : SCAN_DONE;
}

int scan_count(const Scan *scan, int64_t *counts)
{
    Writer *writer = calloc(1, sizeof *writer);
    if (!writer)
        return SCAN_NO_MEMORY;
    writer->scan = scan;
    writer->counts = counts;
    const int result = write_all(writer, 0);
    free(writer->data);
    free(writer);
    return result;
}

int scan_write(const Scan *scan, int filling, uint8_t **data, size_t *num_bytes)
{
    Writer *writer = calloc(1, sizeof *writer);
    if (!writer)
        return SCAN_NO_MEMORY;
    writer->scan = scan;
    int result = SCAN_DONE;
    for (int i = 0; i < scan->num_tables; i++)
        if (!fill_codes(scan->tables + i, writer->codes[i]))
            result = SCAN_DAMAGED;
    if (result == SCAN_DONE)
        result = write_all(writer, filling);
    if (result == SCAN_DONE) {
        *data = writer->data;
        *num_bytes = writer->num_bytes;
    } else
        free(writer->data);
    free(writer);
    return result;
}
