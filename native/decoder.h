/* A part of stage 6: bytes -> symbols. Mirrors pixelzip/ans_integer.py and, for last nibbles, pixelzip/short_stream.py. */

#ifndef PIXELZIP_DECODER_H
#define PIXELZIP_DECODER_H

#include "distribution.h"

enum { WORD_BITS = 32, WORD_BYTES = 4, LAST_BITS = 12, LAST_SCALE = (1 << LAST_BITS) - NIBBLE };

typedef struct {
    const uint8_t *bytes;
    size_t num_words; /* words that are left on the stack */
    uint64_t state;
} Decoder;

static uint32_t pop_word(Decoder *decoder)
{
    const uint8_t *bytes = decoder->bytes + WORD_BYTES * --decoder->num_words;
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

static Decoder decoder_open(Stream stream)
{
    Decoder decoder = {stream.bytes, stream.num_bytes / WORD_BYTES, 0};
    decoder.state = pop_word(&decoder);
    if (decoder.num_words)
        decoder.state = decoder.state << WORD_BITS | pop_word(&decoder);
    return decoder;
}

static int decode_nibble(Decoder *decoder, const Nibble *nibble, int32_t *first, int32_t *last)
{
    const int32_t quantile = (int32_t)(decoder->state & (COUNT_TOTAL - 1));
    int symbol = 0;
    *first = 0;
    *last = COUNT_TOTAL;
    for (int half = NIBBLE / 2; half; half /= 2) {
        const int32_t end = nibble_end(nibble, symbol + half);
        if (end <= quantile) {
            symbol += half;
            *first = end;
        } else
            *last = end;
    }
    decoder->state = (uint64_t)(*last - *first) * (decoder->state >> COUNT_BITS) + (uint64_t)(quantile - *first);
    if (decoder->state >> WORD_BITS == 0 && decoder->num_words)
        decoder->state = decoder->state << WORD_BITS | pop_word(decoder);
    return symbol;
}

/* Return 0 when more is left than `rest` can hold. */
static int decoder_rest(const Decoder *decoder, Rest *rest)
{
    Decoder copy = *decoder;
    *rest = copy.state;
    while (copy.num_words) {
        if (*rest >> 3 * WORD_BITS)
            return 0;
        *rest = *rest << WORD_BITS | pop_word(&copy);
    }
    return 1;
}

/* The first pixel to be pushed is the last to be popped: counts of 12 bits, no words. */
static int decode_last_nibble(Rest *rest, const Nibble *nibble, int32_t *first, int32_t *last)
{
    const int32_t quantile = (int32_t)(*rest & ((1 << LAST_BITS) - 1));
    int32_t left = 0, right = 1 << LAST_BITS;
    int symbol = 0;
    *first = 0;
    *last = COUNT_TOTAL;
    for (int half = NIBBLE / 2; half; half /= 2) {
        const int32_t end = nibble_end(nibble, symbol + half);
        const int32_t scaled = (int32_t)((int64_t)end * LAST_SCALE >> COUNT_BITS) + symbol + half;
        if (scaled <= quantile) {
            symbol += half;
            *first = end;
            left = scaled;
        } else {
            *last = end;
            right = scaled;
        }
    }
    *rest = (Rest)(right - left) * (*rest >> LAST_BITS) + (Rest)(quantile - left);
    return symbol;
}

#endif
