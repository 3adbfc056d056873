/* A part of stage 4: native/depthwise.h with AVX-512's VNNI, for 64 channels at once.

   Bytes of four taps are interleaved, so that four of the five products and their sum are one instruction; interleaving
   works within 16 bytes, and packing the results into bytes undoes it. */

#include "pixelzip.h"

#if defined(__x86_64__)

#include <immintrin.h>

#define TARGET "avx512f,avx512bw,avx512vnni"
#define INLINE __attribute__((target(TARGET), always_inline)) static inline

enum { CHANNELS = 64, QUARTERS = 4 };

#define FAR 0x1p20f /* no integer that a float above it gives is needed; what is far below gives the least integer */

/* 64 channels; quarter q of each has channels 4 * q to 4 * q + 3 of every 16. */
typedef struct {
    __m512i four[QUARTERS], fifth[QUARTERS], bias[QUARTERS];
    __m512 multiplier[QUARTERS];
} Constants;

INLINE void interleave(__m512i first, __m512i second, __m512i third, __m512i fourth, __m512i quarters[QUARTERS])
{
    const __m512i low = _mm512_unpacklo_epi8(first, second), high = _mm512_unpackhi_epi8(first, second);
    const __m512i other_low = _mm512_unpacklo_epi8(third, fourth), other_high = _mm512_unpackhi_epi8(third, fourth);
    quarters[0] = _mm512_unpacklo_epi16(low, other_low);
    quarters[1] = _mm512_unpackhi_epi16(low, other_low);
    quarters[2] = _mm512_unpacklo_epi16(high, other_high);
    quarters[3] = _mm512_unpackhi_epi16(high, other_high);
}

/* Where in memory the four channels of each 16 are that a quarter has, of 32 bits each. */
INLINE __m512i quarter_of(const void *values, int first, int quarter, int num_channels)
{
    const __m512i places = _mm512_add_epi32(_mm512_setr_epi32(0, 1, 2, 3, 16, 17, 18, 19, 32, 33, 34, 35, 48, 49, 50, 51),
                                            _mm512_set1_epi32(first + 4 * quarter));
    const __mmask16 is_there = _mm512_cmplt_epi32_mask(places, _mm512_set1_epi32(num_channels));
    return _mm512_mask_i32gather_epi32(_mm512_setzero_si512(), is_there, places, values, sizeof(int32_t));
}

INLINE Constants constants_of(const Layer *layer, int first, __mmask64 is_there)
{
    Constants constants;
    const __m512i none = _mm512_setzero_si512();
    __m512i weights[MAX_TAPS];
    for (int tap = 0; tap < MAX_TAPS; tap++)
        weights[tap] = _mm512_maskz_loadu_epi8(is_there, layer->weight + (ptrdiff_t)tap * layer->num_outputs + first);
    interleave(weights[0], weights[1], weights[2], weights[3], constants.four);
    interleave(weights[4], none, none, none, constants.fifth);
    for (int quarter = 0; quarter < QUARTERS; quarter++) {
        constants.bias[quarter] = quarter_of(layer->bias, first, quarter, layer->num_outputs);
        constants.multiplier[quarter] =
            _mm512_castsi512_ps(quarter_of(layer->multiplier, first, quarter, layer->num_outputs));
    }
    return constants;
}

INLINE void position(const Constants *constants, const uint8_t *const taps[], ptrdiff_t place, __mmask64 is_there,
                     uint8_t *activations)
{
    const __m512i none = _mm512_setzero_si512();
    __m512i inputs[MAX_TAPS], four[QUARTERS], fifth[QUARTERS], rounded[QUARTERS];
#pragma GCC unroll 5
    for (int tap = 0; tap < MAX_TAPS; tap++)
        inputs[tap] = _mm512_maskz_loadu_epi8(is_there, taps[tap] + place);
    interleave(inputs[0], inputs[1], inputs[2], inputs[3], four);
    interleave(inputs[4], none, none, none, fifth);
#pragma GCC unroll 4
    for (int quarter = 0; quarter < QUARTERS; quarter++) {
        const __m512i first = _mm512_dpbusd_epi32(constants->bias[quarter], four[quarter], constants->four[quarter]);
        const __m512i sums = _mm512_dpbusd_epi32(first, fifth[quarter], constants->fifth[quarter]);
        const __m512 scaled = _mm512_mul_ps(_mm512_cvtepi32_ps(sums), constants->multiplier[quarter]);
        const __m512 bounded = _mm512_min_ps(scaled, _mm512_set1_ps(FAR));
        rounded[quarter] = _mm512_cvt_roundps_epi32(bounded, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    }
    const __m512i low = _mm512_packs_epi32(rounded[0], rounded[1]), high = _mm512_packs_epi32(rounded[2], rounded[3]);
    const __m512i zero = _mm512_set1_epi16(128);
    const __m512i stored = _mm512_packus_epi16(_mm512_adds_epi16(low, zero), _mm512_adds_epi16(high, zero));
    _mm512_mask_storeu_epi8(activations + place, is_there, stored);
}

__attribute__((target(TARGET))) void depthwise_avx512vnni(const Layer *layer, const uint8_t *const taps[], int lanes,
                                                          Target target)
{
    for (int first = 0; first < layer->num_outputs; first += CHANNELS) {
        const int left = layer->num_outputs - first;
        const __mmask64 is_there = left < CHANNELS ? ((__mmask64)1 << left) - 1 : ~(__mmask64)0;
        const Constants constants = constants_of(layer, first, is_there);
        for (int lane = 0; lane < lanes; lane++)
            position(&constants, taps, (ptrdiff_t)lane * layer->num_outputs + first, is_there, target.activations);
    }
}

#endif
