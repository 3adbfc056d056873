/* A part of stage 4 that every instruction set compiles for itself: depthwise layers, and the rounding of sums in plain C.

   Loops without branches or calls, which compilers turn into vectors. */

#ifndef PIXELZIP_DEPTHWISE_H
#define PIXELZIP_DEPTHWISE_H

#include "pixelzip.h"

#define ALWAYS_INLINE __attribute__((always_inline)) static inline

/* One IEEE multiplication, round half to even, one addition, clamp. */
ALWAYS_INLINE void finish_group(const Layer *layer, const int32_t *sums, int group, ptrdiff_t place, Target target)
{
    const float limit = target.activations ? 127.0f : LARGEST_PARAMETER, least = target.activations ? -128.0f : -limit;
    const float far = 0x1p21f, whole = 0x1.8p23f; /* adding this leaves no bits for fractions of what is not far */
    int32_t residual[GROUP] = {0}, rounded[GROUP];
    for (int i = 0; target.residual && i < GROUP; i++)
        residual[i] = target.residual[place + i] - 128;
    for (int i = 0; i < GROUP; i++) {
        float scaled = (float)(sums[i] + layer->bias[group + i]) * layer->multiplier[group + i];
        scaled = scaled < -far ? -far : scaled > far ? far : scaled;
        scaled = (scaled + whole - whole) + (float)residual[i];
        rounded[i] = (int32_t)(scaled < least ? least : scaled > limit ? limit : scaled);
    }
    for (int i = 0; i < GROUP; i++)
        if (target.activations)
            target.activations[place + i] = (uint8_t)(rounded[i] + 128);
        else
            target.parameters[place + i] = rounded[i];
}

/* Weights are within +-64, so the sum of two products fits 16 bits. */
ALWAYS_INLINE void depthwise_group(const Layer *layer, const uint8_t *const taps[], int group, ptrdiff_t place,
                                   Target target)
{
    const int8_t *weight = layer->weight + group;
    int32_t sums[GROUP];
    for (int i = 0; i < GROUP; i++)
        sums[i] = (int16_t)(taps[MAX_TAPS - 1][place + i] * weight[(MAX_TAPS - 1) * layer->num_outputs + i]);
    for (int tap = 0; tap < MAX_TAPS - 1; tap += 2, weight += 2 * layer->num_outputs)
        for (int i = 0; i < GROUP; i++) {
            const int16_t one = (int16_t)(taps[tap][place + i] * weight[i]);
            const int16_t other = (int16_t)(taps[tap + 1][place + i] * weight[layer->num_outputs + i]);
            sums[i] += (int16_t)(one + other);
        }
    finish_group(layer, sums, group, place, target);
}

ALWAYS_INLINE void depthwise_lanes(const Layer *layer, const uint8_t *const taps[], int lanes, Target target)
{
    for (int lane = 0; lane < lanes; lane++)
        for (int group = 0; group < layer->num_outputs; group += GROUP)
            depthwise_group(layer, taps, group, (ptrdiff_t)lane * layer->num_outputs + group, target);
}

#endif
