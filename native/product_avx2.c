/* A part of stage 4: native/product.c with AVX2. Weights are within +-64, so that the sum of two products always fits
   the 16 signed bits that AVX2 would saturate it to; how many more fit native/runs.c finds out. */

#include "pixelzip.h"

#if defined(__x86_64__)

#include <immintrin.h>
#include <string.h>

#define TARGET "avx2"
#define INLINE __attribute__((target(TARGET), always_inline)) static inline

enum { LANES = 32, HALF = GROUP / 2 }; /* pixels for which a run's weights stay in registers */

int has_avx2(void)
{
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx2");
}

typedef struct {
    __m256i low, high;
} Halves; /* of a group of outputs, 32 bits each */

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
        finish(layer, sums[lane].low, output, place, target);
        finish(layer, sums[lane].high, output + HALF, place + HALF, target);
    }
}

__attribute__((target(TARGET))) void product_avx2(const Layer *layer, const uint8_t *const taps[], int lanes,
                                                  Target target)
{
    for (int output = 0; output < layer->num_outputs; output += GROUP)
        for (int lane = 0; lane < lanes; lane += LANES)
            block(layer, taps, lane, lanes - lane < LANES ? lanes - lane : LANES, output, target);
}

/* The bytes of four taps side by side, for each channel of a group. */
INLINE Halves side_by_side(const void *first, const void *second, const void *third, const void *fourth)
{
    const __m128i one = _mm_loadu_si128(first), two = _mm_loadu_si128(second);
    const __m128i three = _mm_loadu_si128(third), four = _mm_loadu_si128(fourth);
    const __m128i low_one = _mm_unpacklo_epi8(one, two), low_three = _mm_unpacklo_epi8(three, four);
    const __m128i high_one = _mm_unpackhi_epi8(one, two), high_three = _mm_unpackhi_epi8(three, four);
    return (Halves){
        _mm256_set_m128i(_mm_unpackhi_epi16(low_one, low_three), _mm_unpacklo_epi16(low_one, low_three)),
        _mm256_set_m128i(_mm_unpackhi_epi16(high_one, high_three), _mm_unpacklo_epi16(high_one, high_three)),
    };
}

/* `four`: inputs of the first taps. The fifth's are widened, so that each is multiplied alone. */
INLINE __m256i depthwise_sums(__m256i four, __m256i four_weights, const uint8_t *fifth, __m256i fifth_weights)
{
    const __m256i pairs = _mm256_maddubs_epi16(four, four_weights);
    const __m256i last = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)fifth));
    return _mm256_add_epi32(_mm256_madd_epi16(pairs, _mm256_set1_epi16(1)), _mm256_madd_epi16(last, fifth_weights));
}

/* 32 bits for each channel of a group. */
INLINE Halves widened(const int8_t *weight)
{
    return (Halves){_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)weight)),
                    _mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)(weight + HALF)))};
}

__attribute__((target(TARGET))) void depthwise_avx2(const Layer *layer, const uint8_t *const taps[], int lanes,
                                                    Target target)
{
    const ptrdiff_t stride = layer->num_outputs;
    for (int output = 0; output < layer->num_outputs; output += GROUP) {
        const int8_t *weight = layer->weight + output;
        const Halves weights = side_by_side(weight, weight + stride, weight + 2 * stride, weight + 3 * stride);
        const Halves last = widened(weight + 4 * stride);
        for (ptrdiff_t place = output; place < lanes * stride; place += stride) {
            const Halves four = side_by_side(taps[0] + place, taps[1] + place, taps[2] + place, taps[3] + place);
            const uint8_t *fifth = taps[4] + place;
            finish(layer, depthwise_sums(four.low, weights.low, fifth, last.low), output, place, target);
            finish(layer, depthwise_sums(four.high, weights.high, fifth + HALF, last.high), output + HALF, place + HALF,
                   target);
        }
    }
}

#endif
