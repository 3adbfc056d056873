/* A part of stage 4: native/product.c with AVX2. Weights are within +-64, so that the sum of two products always fits
   the 16 signed bits that AVX2 would saturate it to; how many more fit native/runs.c finds out. */

#include "finish_avx2.h"

#if defined(__x86_64__)

#include <string.h>

#define TARGET "avx2"
#define INLINE __attribute__((target(TARGET), always_inline)) static inline

enum { LANES = 32 }; /* pixels for which a run's weights stay in registers */

int has_avx2(void)
{
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx2");
}

/* Four inputs times the weights of half a group of outputs, two products to a sum. */
INLINE __m256i pairs(const uint8_t *inputs, __m256i weight)
{
    int32_t four;
    memcpy(&four, inputs, QUAD);
    return _mm256_maddubs_epi16(_mm256_set1_epi32(four), weight);
}

INLINE void add_run(const Run *run, const uint8_t *inputs, ptrdiff_t stride, int lanes, Halves *sums)
{
    __m256i weight[RUN][2];
#pragma GCC unroll 4
    for (int quad = 0; quad < RUN; quad++)
        for (int half = 0; half < 2; half++)
            weight[quad][half] = _mm256_loadu_si256((const __m256i *)run->weight[quad][half * HALF]);
    for (int lane = 0; lane < lanes; lane++, inputs += stride) {
        __m256i low = pairs(inputs + run->inputs[0], weight[0][0]), high = pairs(inputs + run->inputs[0], weight[0][1]);
#pragma GCC unroll 4
        for (int quad = 1; quad < RUN; quad++) {
            low = _mm256_add_epi16(low, pairs(inputs + run->inputs[quad], weight[quad][0]));
            high = _mm256_add_epi16(high, pairs(inputs + run->inputs[quad], weight[quad][1]));
        }
        sums[lane].low = _mm256_add_epi32(sums[lane].low, _mm256_madd_epi16(low, _mm256_set1_epi16(1)));
        sums[lane].high = _mm256_add_epi32(sums[lane].high, _mm256_madd_epi16(high, _mm256_set1_epi16(1)));
    }
}

INLINE void block(const Layer *layer, const uint8_t *const taps[], int first_lane, int lanes, int output, Target target)
{
    Halves sums[LANES];
    for (int lane = 0; lane < lanes; lane++)
        sums[lane].low = sums[lane].high = _mm256_setzero_si256();
    const int *first_run = layer->first_runs + output / GROUP * layer->num_taps;
    for (int tap = 0; tap < layer->num_taps; tap++, first_run++) {
        const uint8_t *inputs = taps[tap] + (ptrdiff_t)first_lane * layer->num_inputs;
        for (int run = first_run[0]; run < first_run[1]; run++)
            add_run(layer->runs + run, inputs, layer->num_inputs, lanes, sums);
    }
    for (int lane = 0; lane < lanes; lane++) {
        const ptrdiff_t place = (ptrdiff_t)(first_lane + lane) * layer->num_outputs + output;
        finish(layer, sums[lane], output, place, target);
    }
}

__attribute__((target(TARGET))) void product_avx2(const Layer *layer, const uint8_t *const taps[], int lanes,
                                                  Target target)
{
    for (int output = 0; output < layer->num_outputs; output += GROUP)
        for (int lane = 0; lane < lanes; lane += LANES)
            block(layer, taps, lane, lanes - lane < LANES ? lanes - lane : LANES, output, target);
}

INLINE __m256i dot(__m256i sums, __m256i inputs, __m256i weights)
{
    const __m256i sums_of_two = _mm256_maddubs_epi16(inputs, weights);
    return _mm256_add_epi32(sums, _mm256_madd_epi16(sums_of_two, _mm256_set1_epi16(1)));
}

#include "depthwise_avx.h"

__attribute__((target(TARGET))) void depthwise_avx2(const Layer *layer, const uint8_t *const taps[], int lanes,
                                                    Target target)
{
    depthwise(layer, taps, lanes, target);
}

#endif
