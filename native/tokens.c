/* The network for coefficients of JPEGs: features -> counts of tokens. Mirrors pixelzip/jpeg/network.py.

   Sums are whole numbers below 2^24, so float32 holds them exactly, in any order. */

#include "pixelzip.h"

#include <stdlib.h>
#include <string.h>

/* Where the C library can choose at start-up, also for wider instructions; everywhere the same numbers. */
#if defined(__GLIBC__) && defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define FOR_WIDER_TOO __attribute__((target_clones("default", "avx2", "avx512f")))
#else
#define FOR_WIDER_TOO
#endif

enum { ROWS = 8, LANES = 16, LOGIT_LIMIT = 32767 };

typedef float Lanes __attribute__((vector_size(4 * LANES)));

/* Round half to even: below 2^22 a float32 has no bits for less than a half once this is added. */
static inline float rounded(float value)
{
    const float shift = 12582912.0f; /* 1.5 * 2^23 */
    return value + shift - shift;
}

static inline float clamped(float value, float limit_low, float limit_high)
{
    return value < limit_low ? limit_low : value > limit_high ? limit_high : value;
}

/* Multiply ROWS rows of inputs with (inputs, outputs) weights, and requantise. */
FOR_WIDER_TOO static void multiply(const TokenLayer *layer, const float *inputs, float *outputs, float low, float high)
{
    for (int first = 0; first < layer->num_outputs; first += LANES) {
        Lanes sums[ROWS], weights;
        for (int row = 0; row < ROWS; row++)
            memcpy(&sums[row], layer->bias + first, sizeof *sums);
        for (int input = 0; input < layer->num_inputs; input++) {
            memcpy(&weights, layer->weight + (size_t)input * layer->num_outputs + first, sizeof weights);
            for (int row = 0; row < ROWS; row++)
                sums[row] += weights * inputs[row * layer->num_inputs + input];
        }
        for (int row = 0; row < ROWS; row++) {
            float *target = outputs + row * layer->num_outputs + first;
            memcpy(target, &sums[row], sizeof *sums);
            for (int lane = 0; lane < LANES; lane++)
                target[lane] = rounded(clamped(target[lane] * layer->multiplier[first + lane], low, high));
        }
    }
}

/* Turn logits into counts less one. Quotients are below 2^24 and at least 2^-21 from the next whole number, so that
   rounding to double cannot reach it. */
FOR_WIDER_TOO static void distribute(const float *logits, int num_tokens, const int32_t *exponential, int length,
                                     float *weights)
{
    float largest = logits[0];
    for (int token = 1; token < num_tokens; token++)
        largest = logits[token] > largest ? logits[token] : largest;
    double sums[MAX_TOKENS], sum = 0;
    for (int token = 0; token < num_tokens; token++) {
        const int below = (int)(largest - logits[token]);
        sum += exponential[below < length ? below : length - 1];
        sums[token] = sum;
    }
    int32_t last = 0;
    for (int token = 0; token < num_tokens; token++) {
        const int32_t end = (int32_t)(sums[token] * ((1 << COUNT_BITS) - num_tokens) / sum);
        weights[token] = (float)(end - last);
        last = end;
    }
}

/* Write (n, tokens) counts less one of (n, inputs) int8 features; return 0 when there is no memory. */
int token_weights(const TokenNetwork *network, const int8_t *features, size_t num_rows, float *weights)
{
    const TokenLayer *layers = network->layers, *head = &layers[network->num_layers - 1];
    int widest = layers[0].num_inputs;
    for (int i = 0; i < network->num_layers; i++)
        widest = layers[i].num_outputs > widest ? layers[i].num_outputs : widest;
    float *buffer = malloc(2 * sizeof(float) * ROWS * (size_t)widest);
    if (!buffer)
        return 0;
    float *inputs = buffer, *outputs = buffer + ROWS * (size_t)widest;
    for (size_t first = 0; first < num_rows; first += ROWS) {
        const size_t rows = num_rows - first < ROWS ? num_rows - first : ROWS;
        memset(inputs, 0, sizeof(float) * ROWS * (size_t)widest);
        for (size_t i = 0; i < rows * (size_t)layers[0].num_inputs; i++)
            inputs[i] = features[first * (size_t)layers[0].num_inputs + i];
        for (int i = 0; i < network->num_layers; i++) {
            const int is_head = &layers[i] == head;
            multiply(&layers[i], inputs, outputs, is_head ? -LOGIT_LIMIT : -128, is_head ? LOGIT_LIMIT : 127);
            float *swapped = inputs;
            inputs = outputs, outputs = swapped;
        }
        for (size_t row = 0; row < rows; row++)
            distribute(inputs + row * (size_t)head->num_outputs, network->num_tokens, network->exponential,
                       network->exponential_length, weights + (first + row) * (size_t)network->num_tokens);
    }
    free(buffer);
    return 1;
}
