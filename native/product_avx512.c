/* A part of stage 4: native/product.c with AVX-512's VNNI, four products and their sum in each of 16 lanes at once. */

#include "pixelzip.h"

#if defined(__x86_64__)

#include <immintrin.h>
#include <string.h>

#define TARGET "avx512f,avx512bw,avx512dq,avx512vnni"
#define INLINE __attribute__((target(TARGET), always_inline)) static inline

enum { LANES = 5, GROUPS = 5, SMALLER_MAGNITUDE = 2 /* with the sign of the first, in _mm512_range_ps */ };

int has_avx512vnni(void)
{
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq");
}

/* Far from where integers end, and further than activations reach: what is beyond is clamped afterwards all the same. */
#define FAR 0x1p20f

INLINE void finish(const Layer *layer, __m512i sums, int group, ptrdiff_t place, Target target)
{
    const __m512i biased = _mm512_add_epi32(sums, _mm512_loadu_si512(layer->bias + group));
    const __m512 product = _mm512_mul_ps(_mm512_cvtepi32_ps(biased), _mm512_loadu_ps(layer->multiplier + group));
    const __m512 limit = _mm512_set1_ps(target.activations ? FAR : LARGEST_PARAMETER);
    const __m512 bounded = _mm512_range_ps(product, limit, SMALLER_MAGNITUDE);
    const __m512i rounded = _mm512_cvt_roundps_epi32(bounded, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    if (target.activations) {
        const __m512i zero = target.residual
                                 ? _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(target.residual + place)))
                                 : _mm512_set1_epi32(128);
        const __m512i stored = _mm512_max_epi32(_mm512_add_epi32(rounded, zero), _mm512_setzero_si512());
        _mm_storeu_si128((__m128i *)(target.activations + place), _mm512_cvtusepi32_epi8(stored));
    } else
        _mm512_storeu_si512(target.parameters + place, rounded);
}

/* Constant numbers of lanes and groups keep every sum in a register. */
INLINE void block(const Layer *layer, const uint8_t *const taps[], int first_lane, int first_group, Target target,
                  const int lanes, const int groups)
{
    const int num_quads = layer->num_inputs / QUAD;
    const ptrdiff_t group_size = (ptrdiff_t)layer->num_taps * num_quads * GROUP * QUAD;
    const int8_t *weight = layer->weight + first_group * group_size;
    __m512i sums[LANES][GROUPS];
#pragma GCC unroll 5
    for (int lane = 0; lane < lanes; lane++)
#pragma GCC unroll 5
        for (int group = 0; group < groups; group++)
            sums[lane][group] = _mm512_setzero_si512();
    for (int tap = 0; tap < layer->num_taps; tap++) {
        const uint8_t *inputs = taps[tap] + (ptrdiff_t)first_lane * layer->num_inputs;
        for (int quad = 0; quad < num_quads; quad++, inputs += QUAD, weight += GROUP * QUAD) {
            __m512i column[GROUPS];
#pragma GCC unroll 5
            for (int group = 0; group < groups; group++)
                column[group] = _mm512_loadu_si512(weight + group * group_size);
#pragma GCC unroll 5
            for (int lane = 0; lane < lanes; lane++) {
                int32_t four;
                memcpy(&four, inputs + lane * layer->num_inputs, QUAD);
#pragma GCC unroll 5
                for (int group = 0; group < groups; group++)
                    sums[lane][group] = _mm512_dpbusd_epi32(sums[lane][group], _mm512_set1_epi32(four), column[group]);
            }
        }
    }
#pragma GCC unroll 5
    for (int lane = 0; lane < lanes; lane++)
#pragma GCC unroll 5
        for (int group = 0; group < groups; group++) {
            const int output = (first_group + group) * GROUP;
            finish(layer, sums[lane][group], output, (ptrdiff_t)(first_lane + lane) * layer->num_outputs + output, target);
        }
}

INLINE void block_of_lanes(const Layer *layer, const uint8_t *const taps[], int lane, int group, Target target,
                           const int lanes, int groups)
{
    switch (groups) {
    case 5: block(layer, taps, lane, group, target, lanes, 5); break;
    case 4: block(layer, taps, lane, group, target, lanes, 4); break;
    case 3: block(layer, taps, lane, group, target, lanes, 3); break;
    case 2: block(layer, taps, lane, group, target, lanes, 2); break;
    default: block(layer, taps, lane, group, target, lanes, 1);
    }
}

__attribute__((target(TARGET))) void product_avx512vnni(const Layer *layer, const uint8_t *const taps[], int lanes,
                                                        Target target)
{
    const int num_groups = layer->num_outputs / GROUP;
    for (int lane = 0; lane < lanes; lane += LANES)
        for (int group = 0; group < num_groups; group += GROUPS) {
            const int groups = num_groups - group < GROUPS ? num_groups - group : GROUPS;
            switch (lanes - lane) {
            case 1: block_of_lanes(layer, taps, lane, group, target, 1, groups); break;
            case 2: block_of_lanes(layer, taps, lane, group, target, 2, groups); break;
            case 3: block_of_lanes(layer, taps, lane, group, target, 3, groups); break;
            case 4: block_of_lanes(layer, taps, lane, group, target, 4, groups); break;
            default: block_of_lanes(layer, taps, lane, group, target, 5, groups);
            }
        }
}

#endif
