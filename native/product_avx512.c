/* A part of stage 4: native/product.c with AVX-512's VNNI, four products and their sum in each of 16 lanes at once. */

#include "finish_avx512.h"

#if defined(__x86_64__)

#include <string.h>

#define TARGET "avx512f,avx512bw,avx512dq,avx512vnni"
#define INLINE __attribute__((target(TARGET), always_inline)) static inline

enum { LANES = 5, GROUPS = 5 };

int has_avx512vnni(void)
{
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq");
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
    for (int lane = 0; lane < lanes; lane++) {
        const int output = first_group * GROUP, are_four = groups >= 4 && target.activations;
        const ptrdiff_t place = (ptrdiff_t)(first_lane + lane) * layer->num_outputs + output;
        if (are_four)
            finish_four(layer, sums[lane], output, place, target);
#pragma GCC unroll 5
        for (int group = 0; group < groups; group++)
            if (!are_four || group >= 4)
                finish(layer, sums[lane][group], output + group * GROUP, place + group * GROUP, target);
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
