/* A part of stage 4: native/product.c with the dot products of 64-bit ARM, four products and their sum in each of 4 lanes
   at once. They take both factors signed, so inputs become q again, for which pixelzip/native.py gives another bias.
   Conversions and narrowings saturate: most of clamping is theirs. */

#include "depthwise.h"

#if defined(__aarch64__)

#include <arm_neon.h>
#if defined(__linux__)
#include <sys/auxv.h>
#endif

#if defined(__ARM_FEATURE_DOTPROD) /* as on all of Apple's; their compilers may not know the attribute */
#define TARGET
#else
#define TARGET __attribute__((target("arch=armv8.2-a+dotprod")))
#endif
#define INLINE TARGET __attribute__((always_inline)) static inline

enum { LANES = 4, WIDTH = 16, OUTPUTS = WIDTH / QUAD, VECTORS = GROUP / OUTPUTS, HALF = GROUP / 2 };

int has_neondotprod(void)
{
#if defined(__ARM_FEATURE_DOTPROD)
    return 1;
#elif defined(__linux__)
    return (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0;
#else
    return 0;
#endif
}

/* The instruction has the quad in its code: every case is a constant once loops are unrolled. */
INLINE int32x4_t products(int32x4_t sums, int8x16_t weight, int8x16_t inputs, const int quad)
{
    switch (quad) {
    case 0: return vdotq_laneq_s32(sums, weight, inputs, 0);
    case 1: return vdotq_laneq_s32(sums, weight, inputs, 1);
    case 2: return vdotq_laneq_s32(sums, weight, inputs, 2);
    default: return vdotq_laneq_s32(sums, weight, inputs, 3);
    }
}

INLINE int32x4_t rounded(const Layer *layer, int32x4_t sums, int output)
{
    const int32x4_t biased = vaddq_s32(sums, vld1q_s32(layer->bias + output));
    return vcvtnq_s32_f32(vmulq_f32(vcvtq_f32_s32(biased), vld1q_f32(layer->multiplier + output)));
}

INLINE void finish(const Layer *layer, const int32x4_t sums[], int output, ptrdiff_t place, Target target)
{
    const uint8x8_t zero = vdup_n_u8(128);
    int32x4_t low = rounded(layer, sums[0], output), high = rounded(layer, sums[1], output + OUTPUTS);
    if (target.residual) {
        const int16x8_t residual = vmovl_s8(vreinterpret_s8_u8(veor_u8(vld1_u8(target.residual + place), zero)));
        low = vqaddq_s32(low, vmovl_s16(vget_low_s16(residual)));
        high = vqaddq_s32(high, vmovl_s16(vget_high_s16(residual)));
    }
    const int16x8_t words = vcombine_s16(vqmovn_s32(low), vqmovn_s32(high));
    if (target.activations)
        vst1_u8(target.activations + place, veor_u8(vreinterpret_u8_s8(vqmovn_s16(words)), zero));
    else {
        const int16x8_t clamped = vmaxq_s16(words, vdupq_n_s16(-LARGEST_PARAMETER));
        vst1q_s32(target.parameters + place, vmovl_s16(vget_low_s16(clamped)));
        vst1q_s32(target.parameters + place + OUTPUTS, vmovl_s16(vget_high_s16(clamped)));
    }
}

/* A constant number of lanes keeps every sum in a register. */
INLINE void block(const Layer *layer, const uint8_t *const taps[], int first_lane, int output, Target target,
                  const int lanes)
{
    const int8_t *weight = layer->weight + (ptrdiff_t)output * layer->num_taps * layer->num_inputs;
    int32x4_t sums[LANES][VECTORS];
    int8x16_t sixteen[LANES];
#pragma GCC unroll 4
    for (int lane = 0; lane < lanes; lane++)
#pragma GCC unroll 4
        for (int vector = 0; vector < VECTORS; vector++)
            sums[lane][vector] = vdupq_n_s32(0);
    for (int tap = 0; tap < layer->num_taps; tap++) {
        const uint8_t *inputs = taps[tap] + (ptrdiff_t)first_lane * layer->num_inputs;
        for (int input = 0; input < layer->num_inputs; input += WIDTH, inputs += WIDTH) {
#pragma GCC unroll 4
            for (int lane = 0; lane < lanes; lane++) {
                const uint8x16_t stored = vld1q_u8(inputs + lane * layer->num_inputs);
                sixteen[lane] = vreinterpretq_s8_u8(veorq_u8(stored, vdupq_n_u8(128)));
            }
#pragma GCC unroll 4
            for (int quad = 0; quad < WIDTH / QUAD; quad++)
#pragma GCC unroll 4
                for (int vector = 0; vector < VECTORS; vector++, weight += WIDTH) {
                    const int8x16_t column = vld1q_s8(weight);
#pragma GCC unroll 4
                    for (int lane = 0; lane < lanes; lane++)
                        sums[lane][vector] = products(sums[lane][vector], column, sixteen[lane], quad);
                }
        }
    }
#pragma GCC unroll 4
    for (int lane = 0; lane < lanes; lane++) {
        const ptrdiff_t place = (ptrdiff_t)(first_lane + lane) * layer->num_outputs + output;
        finish(layer, sums[lane], output, place, target);
        finish(layer, sums[lane] + VECTORS / 2, output + HALF, place + HALF, target);
    }
}

TARGET void product_neondotprod(const Layer *layer, const uint8_t *const taps[], int lanes, Target target)
{
    for (int output = 0; output < layer->num_outputs; output += GROUP)
        for (int lane = 0; lane < lanes; lane += LANES)
            switch (lanes - lane) {
            case 1: block(layer, taps, lane, output, target, 1); break;
            case 2: block(layer, taps, lane, output, target, 2); break;
            case 3: block(layer, taps, lane, output, target, 3); break;
            default: block(layer, taps, lane, output, target, 4);
            }
}

TARGET void depthwise_neondotprod(const Layer *layer, const uint8_t *const taps[], int lanes, Target target)
{
    depthwise_lanes(layer, taps, lanes, target);
}

#endif
