/* Values of coefficients <-> intervals or a stream. Mirrors Bins of pixelzip/jpeg/tokens.py and pixelzip/jpeg/coder.py. */

#include "levels.h"

#include <stdlib.h>

enum { HALF = COUNT_TOTAL / 2, ZERO = NUM_BINS - 1 }; /* of what a bit is; the token of 0 */

int level_coder_open(LevelCoder *coder, const Network *network, size_t most_values)
{
    coder->tokens = malloc(most_values * sizeof *coder->tokens);
    coder->rest = malloc(most_values * sizeof *coder->rest);
    coder->buffers = token_buffers_new(network);
    return coder->tokens && coder->rest && coder->buffers;
}

void level_coder_close(LevelCoder *coder)
{
    free(coder->left);
    free(coder->counts);
    free(coder->tokens);
    free(coder->rest);
    token_buffers_free(coder->buffers);
}

/* Make room for more intervals. */
static int reserve(LevelCoder *coder, size_t more)
{
    if (coder->num_symbols + more <= coder->capacity)
        return 1;
    const size_t capacity = 2 * coder->capacity + more;
    int32_t *left = realloc(coder->left, capacity * sizeof *left);
    coder->left = left ? left : coder->left;
    int32_t *counts = left ? realloc(coder->counts, capacity * sizeof *counts) : NULL;
    coder->counts = counts ? counts : coder->counts;
    coder->capacity = counts ? capacity : coder->capacity;
    return counts != NULL;
}

static inline int bin_of(int32_t token)
{
    return abs(token - ZERO);
}

/* Cut a value's magnitude into a token and what is left of it. */
static void split(int32_t value, const int32_t *num_bits, int32_t *token, int32_t *rest)
{
    int32_t left = abs(value), bin = 0;
    while (bin < NUM_BINS - 1 && left >= 1 << num_bits[bin])
        left -= 1 << num_bits[bin++];
    *token = value < 0 ? ZERO - bin : ZERO + bin;
    *rest = left;
}

static int32_t join(int32_t token, const int32_t *num_bits, int32_t rest)
{
    for (int bin = 0; bin < bin_of(token); bin++)
        rest += 1 << num_bits[bin];
    return token < ZERO ? -rest : rest;
}

static int most_bits(const int32_t *tokens, size_t count, const int32_t *num_bits)
{
    int most = 0;
    for (size_t i = 0; i < count; i++)
        most = num_bits[bin_of(tokens[i])] > most ? num_bits[bin_of(tokens[i])] : most;
    return most;
}

static int put(LevelCoder *coder, const TokenCall *call, const int32_t *num_bits, const int32_t *values)
{
    const size_t count = call->num_rows;
    if (!reserve(coder, count))
        return 0;
    for (size_t i = 0; i < count; i++)
        split(values[i], num_bits, coder->tokens + i, coder->rest + i);
    const TokenTarget target = {NULL, NULL, coder->tokens, coder->left + coder->num_symbols, coder->counts + coder->num_symbols};
    token_counts(call, coder->buffers, &target);
    coder->num_symbols += count;
    const int most = most_bits(coder->tokens, count, num_bits);
    for (int bit = 0; bit < most; bit++) {
        if (!reserve(coder, count))
            return 0;
        for (size_t i = 0; i < count; i++)
            if (num_bits[bin_of(coder->tokens[i])] > bit) {
                coder->left[coder->num_symbols] = HALF * (coder->rest[i] >> bit & 1);
                coder->counts[coder->num_symbols++] = HALF;
            }
    }
    return 1;
}

static void take(LevelCoder *coder, const TokenCall *call, const int32_t *num_bits, int32_t *values)
{
    const size_t count = call->num_rows;
    const TokenTarget target = {NULL, coder->decoder, coder->tokens, NULL, NULL};
    token_counts(call, coder->buffers, &target);
    for (size_t i = 0; i < count; i++)
        coder->rest[i] = 0;
    const int most = most_bits(coder->tokens, count, num_bits);
    for (int bit = 0; bit < most; bit++)
        for (size_t i = 0; i < count; i++)
            if (num_bits[bin_of(coder->tokens[i])] > bit) {
                const int32_t one = decoder_quantile(coder->decoder) >= HALF;
                decoder_take(coder->decoder, HALF * one, HALF * one + HALF);
                coder->rest[i] |= one << bit;
            }
    for (size_t i = 0; i < count; i++)
        values[i] = join(coder->tokens[i], num_bits, coder->rest[i]);
}

/* Code (num_rows,) values; a decoder fills them in. */
int exchange(LevelCoder *coder, const TokenCall *call, const int32_t *num_bits, int32_t *values)
{
    if (!coder->decoder)
        return put(coder, call, num_bits, values);
    take(coder, call, num_bits, values);
    return 1;
}
