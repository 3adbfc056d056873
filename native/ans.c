/* Stage 6 of 7: symbols <-> bytes. Mirrors pixelzip/ans_integer.py and, for last nibbles, pixelzip/short_stream.py.

   Duda, "Asymmetric numeral systems" (2013), in its range variant: a 64-bit state over a stack of 32-bit words. */

#include "pixelzip.h"

enum { WORD_BITS = 32, WORD_BYTES = 4, LAST_BITS = 12, LAST_SCALE = (1 << LAST_BITS) - NIBBLE };

static uint32_t pop_word(Decoder *decoder)
{
    const uint8_t *bytes = decoder->bytes + WORD_BYTES * --decoder->num_words;
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

/* The bytes must stay where they are; there are whole words of them, at least one. */
Decoder decoder_open(const uint8_t *bytes, size_t num_bytes)
{
    Decoder decoder = {bytes, num_bytes / WORD_BYTES, 0};
    decoder.state = pop_word(&decoder);
    if (decoder.num_words)
        decoder.state = decoder.state << WORD_BITS | pop_word(&decoder);
    return decoder;
}

int decode_nibble(Decoder *decoder, const Nibble *nibble, int32_t *first, int32_t *last)
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

int decoder_rest(const Decoder *decoder, Rest *rest)
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
int decode_last_nibble(Rest *rest, const Nibble *nibble, int32_t *first, int32_t *last)
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

/* Push intervals, last first; `words` has room for one word a symbol. Return how many words there are. */
size_t encode(uint64_t *state, const int32_t *left, const int32_t *counts, size_t num_symbols, uint32_t *words)
{
    size_t num_words = 0;
    uint64_t x = *state;
    while (num_symbols--) {
        const uint64_t count = (uint64_t)counts[num_symbols];
        if (x >> (2 * WORD_BITS - COUNT_BITS) >= count) {
            words[num_words++] = (uint32_t)x;
            x >>= WORD_BITS;
        }
        x = (x / count << COUNT_BITS) + (uint64_t)left[num_symbols] + x % count;
    }
    *state = x;
    return num_words;
}
