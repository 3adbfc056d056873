/* The network for coefficients of JPEGs: features -> counts of tokens. Mirrors pixelzip/jpeg/network.py. */

#include "tokens.h"

#include <stdlib.h>

enum { ROWS = 160, ZERO = 128 }; /* coefficients whose activations stay in a cache; what stands for 0 in these */

/* Activations of ROWS coefficients before and after a layer, and the head's logits. */
struct TokenBuffers {
    uint8_t *before, *after;
    int32_t *logits;
};

static int widest(const Network *network)
{
    int most = network->num_inputs;
    for (int i = 0; i < network->num_layers; i++)
        most = network->layers[i].num_outputs > most ? network->layers[i].num_outputs : most;
    return most;
}

void token_buffers_free(TokenBuffers *buffers)
{
    if (!buffers)
        return;
    free(buffers->before);
    free(buffers->after);
    free(buffers->logits);
    free(buffers);
}

TokenBuffers *token_buffers_new(const Network *network)
{
    const size_t size = ROWS * (size_t)widest(network);
    TokenBuffers *buffers = malloc(sizeof *buffers);
    if (!buffers)
        return NULL;
    *buffers = (TokenBuffers){calloc(size, 1), calloc(size, 1), calloc(size, sizeof(int32_t))};
    if (buffers->before && buffers->after && buffers->logits)
        return buffers;
    token_buffers_free(buffers);
    return NULL;
}

static void shift(const int8_t *restrict features, int count, uint8_t *restrict inputs)
{
    for (int i = 0; i < count; i++)
        inputs[i] = (uint8_t)(features[i] + ZERO);
}

/* Compute the logits of some coefficients. The first layer's bias is the caller's: it has in it what all of them share. */
static void compute(const TokenCall *call, size_t first_row, int rows, TokenBuffers *buffers)
{
    const Network *network = call->network;
    for (int row = 0; row < rows; row++)
        shift(call->features + (first_row + (size_t)row) * (size_t)call->num_values, call->num_values,
              buffers->before + row * network->num_inputs);
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
FOR_WIDER_TOO static int32_t add_up(const int32_t *logits, int num_tokens, const int32_t *exponential, int length,
                                    int32_t *sums)
{
    int32_t largest = logits[0];
    for (int token = 1; token < num_tokens; token++)
        largest = logits[token] > largest ? logits[token] : largest;
    for (int token = 0; token < num_tokens; token++) {
        const int32_t below = largest - logits[token];
        sums[token] = below < length ? below : length - 1; /* so far an entry: vectors do that */
    }
    int32_t sum = 0;
    for (int token = 0; token < num_tokens; token++)
        sums[token] = sum += exponential[sums[token]];
    return sum;
}

/* Return where a token's interval ends, but for one count of each token. Quotients are below 2^24 and at least 2^-21 from
   the next whole number, so that rounding to double cannot reach it. */
static inline int32_t end_of(int32_t sum, int32_t all, int num_tokens)
{
    return (int32_t)((double)sum * ((1 << COUNT_BITS) - num_tokens) / (double)all);
}

FOR_WIDER_TOO static void distribute(const int32_t *sums, int32_t all, int num_tokens, float *weights)
{
    int32_t last = 0;
    for (int token = 0; token < num_tokens; token++) {
        const int32_t end = end_of(sums[token], all, num_tokens);
        weights[token] = (float)(end - last);
        last = end;
    }
}

/* Return which token's interval holds a quantile: how many end before it. Products are below 2^53. */
FOR_WIDER_TOO static int32_t find(const int32_t *sums, int32_t all, int num_tokens, int32_t quantile)
{
    int32_t found = 0;
    for (int token = 0; token < num_tokens - 1; token++)
        found += (double)sums[token] * ((1 << COUNT_BITS) - num_tokens) < (double)(quantile - token) * (double)all;
    return found;
}

/* Where a token's interval begins and ends. */
typedef struct {
    int32_t first, last;
} Ends;

static inline Ends ends_of(const int32_t *sums, int32_t all, int num_tokens, int32_t token)
{
    const int32_t first = token ? end_of(sums[token - 1], all, num_tokens) + token : 0;
    return (Ends){first, end_of(sums[token], all, num_tokens) + token + 1};
}

void token_counts(const TokenCall *call, TokenBuffers *buffers, const TokenTarget *target)
{
    const Network *network = call->network;
    const int num_tokens = call->num_tokens, num_logits = network->layers[network->num_layers - 1].num_outputs;
    for (size_t row = 0; row < call->num_rows; row++) {
        if (row % ROWS == 0)
            compute(call, row, call->num_rows - row < ROWS ? (int)(call->num_rows - row) : ROWS, buffers);
        int32_t sums[MAX_TOKENS];
        const int32_t all = add_up(buffers->logits + (ptrdiff_t)(row % ROWS) * num_logits, num_tokens, network->exponential,
                                   network->exponential_length, sums);
        if (target->weights) {
            distribute(sums, all, num_tokens, target->weights + row * (size_t)num_tokens);
            continue;
        }
        if (target->decoder)
            target->tokens[row] = find(sums, all, num_tokens, decoder_quantile(target->decoder));
        const Ends ends = ends_of(sums, all, num_tokens, target->tokens[row]);
        if (target->decoder)
            decoder_take(target->decoder, ends.first, ends.last);
        else
            target->left[row] = ends.first, target->counts[row] = ends.last - ends.first;
    }
}
