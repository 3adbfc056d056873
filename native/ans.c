/* A part of stage 6: symbols -> bytes. Mirrors pixelzip/ans_integer.py.

   Duda, "Asymmetric numeral systems" (2013), in its range variant: a 64-bit state over a stack of 32-bit words. */

#include "pixelzip.h"

enum { WORD_BITS = 32 };

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
