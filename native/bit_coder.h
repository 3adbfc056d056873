/* Bits <-> bytes by arithmetic coding. Mirrors drawing/bits.py. */

#ifndef PIXELZIP_BIT_CODER_H
#define PIXELZIP_BIT_CODER_H

#include <stddef.h>
#include <stdint.h>

enum { PROBABILITY_BITS = 16, TOP_BYTE = 56 };

/* What is left of the interval of 64-bit numbers that spell the stream, and the stream. */
typedef struct {
    uint64_t low, high, value; /* value is what is being read */
    const uint8_t *read;       /* NULL: writing */
    uint8_t *written;
    size_t num_bytes, size, place, num_shifted; /* of bytes: the stream's, its limit's, read, and no longer in value */
    int is_too_long;
} BitCoder;

static inline uint8_t next_byte(BitCoder *coder)
{
    return coder->place < coder->num_bytes ? coder->read[coder->place++] : 0;
}

static inline void put_byte(BitCoder *coder, uint8_t byte)
{
    if (coder->num_bytes < coder->size)
        coder->written[coder->num_bytes++] = byte;
    else
        coder->is_too_long = 1;
}

static inline BitCoder bit_reader(const uint8_t *bytes, size_t num_bytes)
{
    BitCoder coder = {.high = UINT64_MAX, .read = bytes, .num_bytes = num_bytes};
    for (int i = 0; i < 8; i++)
        coder.value = coder.value << 8 | next_byte(&coder);
    return coder;
}

/* Code a bit that is one with that many 65536ths; when reading, bit is ignored. Return the bit. */
static inline int code_bit(BitCoder *coder, uint32_t probability, int bit)
{
    const uint64_t middle = coder->low + ((coder->high - coder->low) >> PROBABILITY_BITS) * probability;
    if (coder->read)
        bit = coder->value <= middle;
    if (bit)
        coder->high = middle;
    else
        coder->low = middle + 1;
    for (; !((coder->low ^ coder->high) >> TOP_BYTE); coder->low <<= 8, coder->high = coder->high << 8 | 0xFF) {
        if (coder->read) {
            coder->value = coder->value << 8 | next_byte(coder);
            coder->num_shifted++;
        } else
            put_byte(coder, (uint8_t)(coder->high >> TOP_BYTE));
    }
    return bit;
}

/* End a stream with the fewest bytes: a reader finds zeros behind its end. */
static inline void write_end(BitCoder *coder)
{
    uint64_t end = 0;
    for (int shift = 64; end < coder->low && shift > 0;) {
        shift -= 8;
        end = coder->high >> shift << shift;
    }
    for (; end; end <<= 8)
        put_byte(coder, (uint8_t)(end >> TOP_BYTE));
    while (coder->num_bytes && !coder->written[coder->num_bytes - 1])
        coder->num_bytes--;
}

#endif
