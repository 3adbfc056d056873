/* A part of stage 4 that instruction sets without code of their own for it compile for themselves: layers whose outputs read
   one channel each. */

#ifndef PIXELZIP_DEPTHWISE_H
#define PIXELZIP_DEPTHWISE_H

#include "pixelzip.h"

/* One position: sums, one IEEE multiplication, round half to even, clamp. A loop without branches or calls becomes vectors
   if comparisons of floats may be taken out of order, for which there is -fno-trapping-math.

   Weights are within +-64, so the sum of two products fits 16 bits. */
__attribute__((always_inline)) static inline void
depthwise_position(const Layer *layer, const uint8_t *restrict first, const uint8_t *restrict second,
                   const uint8_t *restrict third, const uint8_t *restrict fourth, const uint8_t *restrict fifth,
                   uint8_t *restrict activations)
{
    const ptrdiff_t num_outputs = layer->num_outputs; /* and not int: with -fwrapv, which Python builds with, places could wrap */
    const int8_t *restrict weight = layer->weight;
    const int32_t *restrict bias = layer->bias;
    const float *restrict multiplier = layer->multiplier;
    const float far = 0x1p21f, whole = 0x1.8p23f; /* adding this leaves no bits for fractions of what is not far */
    for (ptrdiff_t i = 0; i < num_outputs; i++) {
        const int16_t one = (int16_t)(first[i] * weight[i] + second[i] * weight[num_outputs + i]);
        const int16_t other = (int16_t)(third[i] * weight[2 * num_outputs + i] + fourth[i] * weight[3 * num_outputs + i]);
        const int16_t last = (int16_t)(fifth[i] * weight[4 * num_outputs + i]);
        float scaled = (float)(one + other + last + bias[i]) * multiplier[i];
        scaled = scaled < -far ? -far : scaled;
        scaled = scaled > far ? far : scaled;
        int32_t rounded = (int32_t)(scaled + whole - whole);
        rounded = rounded < -128 ? -128 : rounded;
        rounded = rounded > 127 ? 127 : rounded;
        activations[i] = (uint8_t)(rounded + 128);
    }
}

__attribute__((always_inline)) static inline void depthwise_lanes(const Layer *layer, const uint8_t *const taps[],
                                                                  int lanes, Target target)
{
    for (int lane = 0; lane < lanes; lane++) {
        const ptrdiff_t place = (ptrdiff_t)lane * layer->num_outputs;
        depthwise_position(layer, taps[0] + place, taps[1] + place, taps[2] + place, taps[3] + place, taps[4] + place,
                           target.activations + place);
    }
}

#endif
