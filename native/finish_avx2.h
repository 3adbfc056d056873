/* A part of stage 4: from exact sums to a layer's results, for native/product_avx2.c and native/product_avxvnni.c. */

#ifndef PIXELZIP_FINISH_AVX2_H
#define PIXELZIP_FINISH_AVX2_H

#include "pixelzip.h"

#if defined(__x86_64__)

#include <immintrin.h>

#define FINISH __attribute__((target("avx2"), always_inline)) static inline

#define FAR 0x1p20f /* no integer that a float above it gives is needed; what is far below gives the least integer */

enum { HALF = GROUP / 2 };

typedef struct {
    __m256i low, high;
} Halves; /* of a group of outputs, 32 bits each */

FINISH __m256 scaled(const Layer *layer, __m256i sums, int output)
{
    const __m256i biased = _mm256_add_epi32(sums, _mm256_loadu_si256((const __m256i *)(layer->bias + output)));
    return _mm256_mul_ps(_mm256_cvtepi32_ps(biased), _mm256_loadu_ps(layer->multiplier + output));
}

FINISH __m256i rounded(__m256 bounded)
{
    return _mm256_cvttps_epi32(_mm256_round_ps(bounded, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}

FINISH __m256i parameters_of(__m256 values)
{
    const __m256 limit = _mm256_set1_ps(LARGEST_PARAMETER), least = _mm256_set1_ps(-LARGEST_PARAMETER);
    return rounded(_mm256_min_ps(_mm256_max_ps(values, least), limit));
}

/* 16 bits are enough: what does not fit them is clamped whatever is added. */
FINISH void store_activations(__m256i low, __m256i high, ptrdiff_t place, Target target)
{
    enum { IN_ORDER = 0xd8 }; /* packing works within 16 bytes */
    const __m256i packed = _mm256_permute4x64_epi64(_mm256_packs_epi32(low, high), IN_ORDER);
    const __m256i zero = target.residual
                             ? _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)(target.residual + place)))
                             : _mm256_set1_epi16(128);
    const __m256i stored = _mm256_adds_epi16(packed, zero);
    const __m128i bytes = _mm_packus_epi16(_mm256_castsi256_si128(stored), _mm256_extracti128_si256(stored, 1));
    _mm_storeu_si128((__m128i *)(target.activations + place), bytes);
}

FINISH void finish(const Layer *layer, Halves sums, int output, ptrdiff_t place, Target target)
{
    const __m256 low = scaled(layer, sums.low, output), high = scaled(layer, sums.high, output + HALF);
    if (target.activations) {
        const __m256 limit = _mm256_set1_ps(FAR);
        store_activations(rounded(_mm256_min_ps(low, limit)), rounded(_mm256_min_ps(high, limit)), place, target);
    } else {
        _mm256_storeu_si256((__m256i *)(target.parameters + place), parameters_of(low));
        _mm256_storeu_si256((__m256i *)(target.parameters + place + HALF), parameters_of(high));
    }
}

#endif

#endif
