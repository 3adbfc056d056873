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

FINISH void finish(const Layer *layer, __m512i sums, int group, ptrdiff_t place, Target target)
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

#endif
#endif
