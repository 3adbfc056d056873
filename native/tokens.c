/* The network for coefficients of JPEGs: features -> counts of tokens. Mirrors pixelzip/jpeg/network.py. */

#include "pixelzip.h"

#include <stdlib.h>
#include <string.h>

/* Where the C library can choose at start-up, also for wider instructions; everywhere the same numbers. */
#if defined(__GLIBC__) && defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define FOR_WIDER_TOO __attribute__((target_clones("default", "avx2", "avx512f")))
#else
#define FOR_WIDER_TOO
#endif

enum { ROWS = 80, ZERO = 128 }; /* coefficients whose activations stay in a cache; what stands for 0 in these */

/* Activations of ROWS coefficients before and after a layer, and the head's logits. */
typedef struct {
    uint8_t *before, *after;
    int32_t *logits;
} Buffers;

static int widest(const Network *network)
{
    int most = network->num_inputs;
    for (int i = 0; i < network->num_layers; i++)
        most = network->layers[i].num_outputs > most ? network->layers[i].num_outputs : most;
    return most;
}

static int buffers_new(Buffers *buffers, const Network *network)
{
    const size_t size = ROWS * (size_t)widest(network);
    *buffers = (Buffers){calloc(size, 1), calloc(size, 1), calloc(size, sizeof(int32_t))};
    return buffers->before && buffers->after && buffers->logits;
}

static void buffers_free(Buffers *buffers)
{
    free(buffers->before);
    free(buffers->after);
    free(buffers->logits);
}

/* Compute the logits of some coefficients. The first layer's bias is the caller's: it has in it what all of them share. */
static void compute(const TokenCall *call, size_t first_row, int rows, Buffers *buffers)
{
    const Network *network = call->network;
    const int8_t *features = call->features + first_row * (size_t)call->num_values;
    for (int row = 0; row < rows; row++)
        for (int i = 0; i < call->num_values; i++)
            buffers->before[row * network->num_inputs + i] = (uint8_t)(features[row * call->num_values + i] + ZERO);
    for (int i = 0; i < network->num_layers; i++) {
        Layer layer = network->layers[i];
        const uint8_t *const taps[MAX_TAPS] = {buffers->before};
        if (i == 0)
            layer.bias = (int32_t *)call->bias;
        network->product(&layer, taps, rows, (Target){NULL, layer.is_head ? NULL : buffers->after, buffers->logits});
        uint8_t *swapped = buffers->before;
        buffers->before = buffers->after, buffers->after = swapped;
    }
}

/* Sum the exponentials of logits up to each; return the sum of all. */
FOR_WIDER_TOO static double add_up(const int32_t *logits, int num_tokens, const int32_t *exponential, int length,
                                   double *sums)
{
    int32_t largest = logits[0];
    for (int token = 1; token < num_tokens; token++)
        largest = logits[token] > largest ? logits[token] : largest;
    double sum = 0;
    for (int token = 0; token < num_tokens; token++) {
        const int32_t below = largest - logits[token];
        sum += exponential[below < length ? below : length - 1];
        sums[token] = sum;
    }
    return sum;
}

/* Return where a token's interval ends, but for one count of each token. Quotients are below 2^24 and at least 2^-21 from
   the next whole number, so that rounding to double cannot reach it. */
static inline int32_t end_of(double sum, double all, int num_tokens)
{
    return (int32_t)(sum * ((1 << COUNT_BITS) - num_tokens) / all);
}

FOR_WIDER_TOO static void distribute(const double *sums, double all, int num_tokens, float *weights)
{
    int32_t last = 0;
    for (int token = 0; token < num_tokens; token++) {
        const int32_t end = end_of(sums[token], all, num_tokens);
        weights[token] = (float)(end - last);
        last = end;
    }
}

/* Write (n, tokens) counts less one, or the left cumulative and count of one token each; return 0 without memory. */
int token_counts(const TokenCall *call, float *weights, const int32_t *tokens, int32_t *left, int32_t *counts)
{
    const Network *network = call->network;
    const int num_tokens = call->num_tokens, num_logits = network->layers[network->num_layers - 1].num_outputs;
    Buffers buffers;
    const int is_there = buffers_new(&buffers, network);
    for (size_t first = 0; is_there && first < call->num_rows; first += ROWS) {
        const int rows = call->num_rows - first < ROWS ? (int)(call->num_rows - first) : ROWS;
        compute(call, first, rows, &buffers);
        for (int row = 0; row < rows; row++) {
            double sums[MAX_TOKENS];
            const double all = add_up(buffers.logits + (ptrdiff_t)row * num_logits, num_tokens, network->exponential,
                                      network->exponential_length, sums);
            const size_t place = first + (size_t)row;
            if (weights) {
                distribute(sums, all, num_tokens, weights + place * (size_t)num_tokens);
                continue;
            }
            const int32_t token = tokens[place], start = token ? end_of(sums[token - 1], all, num_tokens) : 0;
            left[place] = start + token;
            counts[place] = end_of(sums[token], all, num_tokens) - start + 1;
        }
    }
    buffers_free(&buffers);
    return is_there;
}
