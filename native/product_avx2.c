/* A part of stage 4: native/product.c with AVX2. Weights are within +-64, so that the sum of two products always fits
   the 16 signed bits that AVX2 would saturate it to. */

#include "depthwise.h"

#if defined(__x86_64__)

#include <immintrin.h>
#include <string.h>

#define TARGET "avx2"
#define INLINE __attribute__((target(TARGET), always_inline)) static inline

enum { LANES = 4, HALF = GROUP / 2 };

int has_avx2(void)
{
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx2");
}

INLINE __m256i products(__m256i four, const int8_t *weight)
{
    const __m256i pairs = _mm256_maddubs_epi16(four, _mm256_loadu_si256((const __m256i *)weight));
    return _mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
}

INLINE void finish(const Layer *layer, __m256i sums, int output, ptrdiff_t place, Target target)
{
    const __m256i biased = _mm256_add_epi32(sums, _mm256_loadu_si256((const __m256i *)(layer->bias + output)));
    const __m256 product = _mm256_mul_ps(_mm256_cvtepi32_ps(biased), _mm256_loadu_ps(layer->multiplier + output));
    __m256 scaled = _mm256_round_ps(product, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    if (target.residual) {
        const __m256i stored = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(target.residual + place)));
        scaled = _mm256_add_ps(scaled, _mm256_cvtepi32_ps(_mm256_sub_epi32(stored, _mm256_set1_epi32(128))));
    }
    const float limit = target.activations ? 127 : LARGEST_PARAMETER, least = target.activations ? -128 : -limit;
    const __m256 clamped = _mm256_min_ps(_mm256_max_ps(scaled, _mm256_set1_ps(least)), _mm256_set1_ps(limit));
    const __m256i rounded = _mm256_cvttps_epi32(clamped);
    if (target.activations) {
        const __m256i stored = _mm256_add_epi32(rounded, _mm256_set1_epi32(128));
        const __m128i words = _mm_packus_epi32(_mm256_castsi256_si128(stored), _mm256_extracti128_si256(stored, 1));
        _mm_storel_epi64((__m128i *)(target.activations + place), _mm_packus_epi16(words, words));
    } else
        _mm256_storeu_si256((__m256i *)(target.parameters + place), rounded);
}

/* A constant number of lanes keeps every sum in a register. */
INLINE void block(const Layer *layer, const uint8_t *const taps[], int first_lane, int output, Target target,
                  const int lanes)
{
    const int num_quads = layer->num_inputs / QUAD;
    const int8_t *weight = layer->weight + (ptrdiff_t)output * layer->num_taps * layer->num_inputs;
    __m256i low[LANES], high[LANES];
#pragma GCC unroll 4
    for (int lane = 0; lane < lanes; lane++)
        low[lane] = high[lane] = _mm256_setzero_si256();
    for (int tap = 0; tap < layer->num_taps; tap++) {
        const uint8_t *inputs = taps[tap] + (ptrdiff_t)first_lane * layer->num_inputs;
        for (int quad = 0; quad < num_quads; quad++, inputs += QUAD, weight += GROUP * QUAD)
#pragma GCC unroll 4
            for (int lane = 0; lane < lanes; lane++) {
                int32_t four;
                memcpy(&four, inputs + lane * layer->num_inputs, QUAD);
                low[lane] = _mm256_add_epi32(low[lane], products(_mm256_set1_epi32(four), weight));
                high[lane] = _mm256_add_epi32(high[lane], products(_mm256_set1_epi32(four), weight + HALF * QUAD));
            }
    }
#pragma GCC unroll 4
    for (int lane = 0; lane < lanes; lane++) {
        const ptrdiff_t place = (ptrdiff_t)(first_lane + lane) * layer->num_outputs + output;
        finish(layer, low[lane], output, place, target);
        finish(layer, high[lane], output + HALF, place + HALF, target);
    }
}

__attribute__((target(TARGET))) void product_avx2(const Layer *layer, const uint8_t *const taps[], int lanes,
                                                  Target target)
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

__attribute__((target(TARGET))) void depthwise_avx2(const Layer *layer, const uint8_t *const taps[], int lanes, Target target)
{
    depthwise_lanes(layer, taps, lanes, target);
}

#endif
