/* A part of stage 4: from exact sums to a layer's results, for native/product_avx512.c and native/product_amx.c. */

#ifndef PIXELZIP_FINISH_AVX512_H
#define PIXELZIP_FINISH_AVX512_H

#include "pixelzip.h"

#if defined(__x86_64__)

#include <immintrin.h>

#define FINISH __attribute__((target("avx512f,avx512bw,avx512dq"), always_inline)) static inline

/* Far from where integers end, and further than activations reach: what is beyond is clamped afterwards all the same. */
#define FAR 0x1p20f

enum { SMALLER_MAGNITUDE = 2 /* with the sign of the first, in _mm512_range_ps */ };

/* Multiply and round 16 sums; what is far from 0 comes nearer, but stays beyond what can be stored. */
FINISH __m512i rounded(const Layer *layer, __m512i sums, int output, float far)
{
    const __m512i biased = _mm512_add_epi32(sums, _mm512_loadu_si512(layer->bias + output));
    const __m512 product = _mm512_mul_ps(_mm512_cvtepi32_ps(biased), _mm512_loadu_ps(layer->multiplier + output));
    const __m512 bounded = _mm512_range_ps(product, _mm512_set1_ps(far), SMALLER_MAGNITUDE);
    return _mm512_cvt_roundps_epi32(bounded, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

FINISH void finish(const Layer *layer, __m512i sums, int output, ptrdiff_t place, Target target)
{
    if (target.activations) {
        const __m512i zero = target.residual
                                 ? _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(target.residual + place)))
                                 : _mm512_set1_epi32(128);
        const __m512i stored = _mm512_add_epi32(rounded(layer, sums, output, FAR), zero);
        _mm_storeu_si128((__m128i *)(target.activations + place),
                         _mm512_cvtusepi32_epi8(_mm512_max_epi32(stored, _mm512_setzero_si512())));
    } else
        _mm512_storeu_si512(target.parameters + place, rounded(layer, sums, output, LARGEST_PARAMETER));
}

/* Finish two groups of a pixel's activations: packed in quarters of a register, which are then put in order. */
FINISH void finish_two(const Layer *layer, const __m512i sums[2], int output, ptrdiff_t place, Target target)
{
    const __m256i apart = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    const __m512i together = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 0, 0, 0, 0, 0, 0, 0, 0);
    const __m512i first = rounded(layer, sums[0], output, FAR), second = rounded(layer, sums[1], output + GROUP, FAR);
    __m512i zero = _mm512_set1_epi16(128);
    if (target.residual) {
        const __m256i residual = _mm256_loadu_si256((const __m256i *)(target.residual + place));
        zero = _mm512_cvtepu8_epi16(_mm256_permutevar8x32_epi32(residual, apart));
    }
    const __m512i numbers = _mm512_adds_epi16(zero, _mm512_packs_epi32(first, second));
    const __m512i stored = _mm512_permutexvar_epi32(together, _mm512_packus_epi16(numbers, numbers));
    _mm256_storeu_si256((__m256i *)(target.activations + place), _mm512_castsi512_si256(stored));
}

/* Finish four groups of a pixel's activations: packed in quarters of a register, whose numbers are then put in order. */
FINISH void finish_four(const Layer *layer, const __m512i sums[4], int output, ptrdiff_t place, Target target)
{
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    __m512i numbers[4], low = _mm512_set1_epi16(128), high = low;
    for (int group = 0; group < 4; group++)
        numbers[group] = rounded(layer, sums[group], output + group * GROUP, FAR);
    if (target.residual) {
        const __m512i residual = _mm512_permutexvar_epi32(order, _mm512_loadu_si512(target.residual + place));
        low = _mm512_unpacklo_epi8(residual, _mm512_setzero_si512());
        high = _mm512_unpackhi_epi8(residual, _mm512_setzero_si512());
    }
    low = _mm512_adds_epi16(low, _mm512_packs_epi32(numbers[0], numbers[1]));
    high = _mm512_adds_epi16(high, _mm512_packs_epi32(numbers[2], numbers[3]));
    _mm512_storeu_si512(target.activations + place, _mm512_permutexvar_epi32(order, _mm512_packus_epi16(low, high)));
}

#endif
#endif
