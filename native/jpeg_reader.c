/* Coded data of a JPEG's scan -> levels (ITU-T T.81, annexes F and G). Mirrors pixelzip/jpeg/scan_reader.py. */

#include "jpeg_scan.h"

#include <stdlib.h>

enum { NUM_PREFIXES = 1 << LONGEST_CODE, LENGTH_SHIFT = 8 };

typedef struct {
    const Scan *scan;
    const uint8_t *next, *end;
    uint64_t bits; /* the next ones, from the highest on; zeros behind them */
    int num_bits, is_damaged;
    int means[MAX_COMPONENTS];
    int run; /* blocks that have ended already */
    uint16_t (*symbols)[NUM_PREFIXES]; /* for the next 16 bits: length of the code and symbol, or 0 */
} Reader;

static int fill_symbols(const Codes *codes, uint16_t symbols[NUM_PREFIXES])
{
    const uint8_t *symbol = codes->symbols;
    uint32_t code = 0;
    for (int length = 1; length <= LONGEST_CODE; length++) {
        const int shift = LONGEST_CODE - length;
        for (int i = 0; i < codes->counts[length - 1]; i++, code++, symbol++) {
            if (code >> length)
                return 0;
            for (uint32_t rest = 0; rest < 1u << shift; rest++)
                symbols[(code << shift) + rest] = (uint16_t)(length << LENGTH_SHIFT | *symbol);
        }
        code <<= 1;
    }
    return 1;
}

/* Take in bytes up to a marker. */
static void refill(Reader *reader)
{
    while (reader->num_bits <= 56 && reader->next < reader->end) {
        const uint64_t byte = *reader->next;
        const int is_escaped = byte == 0xFF && reader->next + 1 < reader->end;
        if (is_escaped && reader->next[1])
            return;
        reader->next += 1 + is_escaped;
        reader->bits |= byte << (56 - reader->num_bits);
        reader->num_bits += 8;
    }
}

static void skip(Reader *reader, int num_bits)
{
    reader->is_damaged |= num_bits > reader->num_bits;
    reader->bits <<= num_bits;
    reader->num_bits -= num_bits;
}

static int take(Reader *reader, int num_bits)
{
    if (num_bits == 0)
        return 0;
    if (reader->num_bits < num_bits)
        refill(reader);
    const int value = (int)(reader->bits >> (64 - num_bits));
    skip(reader, num_bits);
    return value;
}

static int take_symbol(Reader *reader, int table)
{
    if (reader->num_bits < LONGEST_CODE)
        refill(reader);
    const int found = reader->symbols[table][reader->bits >> (64 - LONGEST_CODE)];
    reader->is_damaged |= found == 0;
    skip(reader, found >> LENGTH_SHIFT);
    return found & 0xFF;
}

static int take_signed(Reader *reader, int num_bits)
{
    if (num_bits > MOST_BITS)
        reader->is_damaged = 1;
    if (num_bits == 0 || reader->is_damaged)
        return 0;
    const int value = take(reader, num_bits);
    return value >> (num_bits - 1) ? value : value - (1 << num_bits) + 1;
}

static void set(Reader *reader, int16_t *levels, int frequency, int64_t level)
{
    if (frequency > reader->scan->last || level < INT16_MIN || level > INT16_MAX)
        reader->is_damaged = 1;
    else
        levels[frequency] = (int16_t)level;
}

/* Read the next bit of a level that is not zero. */
static void correct(Reader *reader, int16_t *levels, int frequency)
{
    const int level = levels[frequency];
    if (level && take(reader, 1))
        set(reader, levels, frequency, level + (level > 0 ? 1 : -1) * (1 << reader->scan->low));
}

static void read_waves(Reader *reader, int16_t *levels, int table)
{
    const Scan *scan = reader->scan;
    int frequency = scan->first > 1 ? scan->first : 1;
    while (reader->run == 0 && frequency <= scan->last && !reader->is_damaged) {
        const int symbol = take_symbol(reader, table), zeros = symbol >> 4, num_bits = symbol & 15;
        if (num_bits) {
            frequency += zeros;
            set(reader, levels, frequency, (int64_t)take_signed(reader, num_bits) * (1 << scan->low));
            frequency++;
        } else if (zeros == ZEROS)
            frequency += zeros + 1;
        else
            reader->run = (1 << zeros) + take(reader, zeros);
    }
    reader->run -= reader->run > 0;
}

static void refine(Reader *reader, int16_t *levels)
{
    const Scan *scan = reader->scan;
    int frequency = scan->first;
    while (reader->run == 0 && frequency <= scan->last && !reader->is_damaged) {
        const int symbol = take_symbol(reader, 1), num_bits = symbol & 15;
        int zeros = symbol >> 4;
        if (num_bits == 0 && zeros != ZEROS) {
            reader->run = (1 << zeros) + take(reader, zeros);
            break;
        }
        const int sign = num_bits ? 2 * take(reader, 1) - 1 : 0;
        for (; frequency <= scan->last && (levels[frequency] || zeros); frequency++) {
            zeros -= !levels[frequency];
            correct(reader, levels, frequency);
        }
        if (sign)
            set(reader, levels, frequency, sign * (1 << scan->low));
        frequency++;
    }
    if (reader->run) {
        for (; frequency <= scan->last; frequency++)
            correct(reader, levels, frequency);
        reader->run--;
    }
}

static void read_block(Reader *reader, int16_t *levels, int place)
{
    const Scan *scan = reader->scan;
    if (scan->first == 0 && scan->high)
        levels[0] = (int16_t)(levels[0] | take(reader, 1) << scan->low);
    else if (scan->first == 0) {
        reader->means[place] += take_signed(reader, take_symbol(reader, 2 * place));
        const int64_t mean = (int64_t)reader->means[place] * (1 << scan->low);
        set(reader, levels, 0, mean);
    }
    if (scan->last && scan->high)
        refine(reader, levels);
    else if (scan->last)
        read_waves(reader, levels, 2 * place + 1);
}

/* Go on behind the next marker that restarts, if there is one. */
static int restart(Reader *reader)
{
    const uint8_t *next = reader->next;
    while (next + 1 < reader->end && !(next[0] == 0xFF && (next[1] & ~7) == FIRST_RESTART))
        next++;
    if (next + 1 >= reader->end)
        return 0;
    reader->next = next + 2;
    reader->bits = 0;
    reader->num_bits = reader->run = 0;
    for (int i = 0; i < MAX_COMPONENTS; i++)
        reader->means[i] = 0;
    return 1;
}

static int read_all(Reader *reader)
{
    const Scan *scan = reader->scan;
    const size_t num_units = scan->num_blocks / scan->num_per_unit;
    const int32_t *block = scan->order;
    for (size_t unit = 0; unit < num_units && !reader->is_damaged; unit++) {
        if (scan->restart_interval && unit && unit % (size_t)scan->restart_interval == 0 && !restart(reader))
            return 0;
        for (size_t i = 0; i < scan->num_per_unit; i++)
            read_block(reader, scan->levels + (size_t)FREQUENCIES * (size_t)*block++, scan->places[i]);
    }
    return !reader->is_damaged && !restart(reader);
}

int scan_read(const Scan *scan, const uint8_t *data, size_t num_bytes)
{
    Reader reader = {.scan = scan, .next = data, .end = data + num_bytes};
    reader.symbols = calloc((size_t)scan->num_tables, sizeof *reader.symbols);
    if (!reader.symbols)
        return SCAN_NO_MEMORY;
    int is_done = 1;
    for (int i = 0; i < scan->num_tables; i++)
        is_done &= fill_symbols(scan->tables + i, reader.symbols[i]);
    is_done = is_done && read_all(&reader);
    free(reader.symbols);
    return is_done ? SCAN_DONE : SCAN_DAMAGED;
}
