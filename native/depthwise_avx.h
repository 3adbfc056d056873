/* A part of stage 4: native/depthwise.h for 32 channels at once. native/product_avx2.c and native/product_avxvnni.c compile
   it for themselves and say what TARGET is, INLINE, and `dot`, which adds four products to each of eight sums.

   Bytes of four taps are interleaved within 16 bytes, and packing the results into bytes undoes it. */

enum { CHANNELS = 32, QUARTERS = 4 };

/* 32 channels, or 16 and nothing; quarter q of each has channels 4 * q to 4 * q + 3 of every 16. */
typedef struct {
    __m256i four[QUARTERS], fifth[QUARTERS], bias[QUARTERS];
    __m256 multiplier[QUARTERS];
} Constants;

INLINE void interleave(const __m256i taps[], __m256i quarters[QUARTERS])
{
    const __m256i low = _mm256_unpacklo_epi8(taps[0], taps[1]), high = _mm256_unpackhi_epi8(taps[0], taps[1]);
    const __m256i other_low = _mm256_unpacklo_epi8(taps[2], taps[3]), other_high = _mm256_unpackhi_epi8(taps[2], taps[3]);
    quarters[0] = _mm256_unpacklo_epi16(low, other_low);
    quarters[1] = _mm256_unpackhi_epi16(low, other_low);
    quarters[2] = _mm256_unpacklo_epi16(high, other_high);
    quarters[3] = _mm256_unpackhi_epi16(high, other_high);
}

INLINE __m256i bytes_at(const void *first, int is_half)
{
    return is_half ? _mm256_set_m128i(_mm_setzero_si128(), _mm_loadu_si128(first)) : _mm256_loadu_si256(first);
}

/* Four numbers of 32 bits of each 16. */
INLINE __m256i fours_at(const int32_t *first, int is_half)
{
    const __m128i high = is_half ? _mm_setzero_si128() : _mm_loadu_si128((const __m128i *)(first + GROUP));
    return _mm256_set_m128i(high, _mm_loadu_si128((const __m128i *)first));
}

INLINE Constants constants_of(const Layer *layer, int first, int is_half)
{
    Constants constants;
    __m256i weights[MAX_TAPS];
    for (int tap = 0; tap < MAX_TAPS; tap++)
        weights[tap] = bytes_at(layer->weight + (ptrdiff_t)tap * layer->num_outputs + first, is_half);
    interleave(weights, constants.four);
    int32_t fifth[CHANNELS] = {0};
    for (int i = 0; i < (is_half ? GROUP : CHANNELS); i++)
        fifth[i] = layer->weight[(ptrdiff_t)4 * layer->num_outputs + first + i];
    for (int quarter = 0; quarter < QUARTERS; quarter++) {
        const int32_t *multiplier = (const int32_t *)(const void *)(layer->multiplier + first + 4 * quarter);
        constants.fifth[quarter] = fours_at(fifth + 4 * quarter, 0);
        constants.bias[quarter] = fours_at(layer->bias + first + 4 * quarter, is_half);
        constants.multiplier[quarter] = _mm256_castsi256_ps(fours_at(multiplier, is_half));
    }
    return constants;
}

INLINE void position(const Constants *constants, const uint8_t *const taps[], ptrdiff_t place, int is_half,
                     uint8_t *activations)
{
    const __m256i none = _mm256_setzero_si256();
    __m256i inputs[MAX_TAPS], four[QUARTERS], fifth[QUARTERS], whole[QUARTERS];
#pragma GCC unroll 5
    for (int tap = 0; tap < MAX_TAPS; tap++)
        inputs[tap] = bytes_at(taps[tap] + place, is_half);
    interleave(inputs, four);
    interleave((const __m256i[]){inputs[4], none, none, none}, fifth);
#pragma GCC unroll 4
    for (int quarter = 0; quarter < QUARTERS; quarter++) {
        const __m256i last = _mm256_madd_epi16(fifth[quarter], constants->fifth[quarter]);
        const __m256i sums = _mm256_add_epi32(dot(constants->bias[quarter], four[quarter], constants->four[quarter]), last);
        const __m256 product = _mm256_mul_ps(_mm256_cvtepi32_ps(sums), constants->multiplier[quarter]);
        whole[quarter] = rounded(_mm256_min_ps(product, _mm256_set1_ps(FAR)));
    }
    const __m256i low = _mm256_packs_epi32(whole[0], whole[1]), high = _mm256_packs_epi32(whole[2], whole[3]);
    const __m256i zero = _mm256_set1_epi16(128);
    const __m256i stored = _mm256_packus_epi16(_mm256_adds_epi16(low, zero), _mm256_adds_epi16(high, zero));
    if (is_half)
        _mm_storeu_si128((__m128i *)(activations + place), _mm256_castsi256_si128(stored));
    else
        _mm256_storeu_si256((__m256i *)(activations + place), stored);
}

INLINE void channels(const Layer *layer, const uint8_t *const taps[], int first, int lanes, int is_half,
                     uint8_t *activations)
{
    const Constants constants = constants_of(layer, first, is_half);
    for (int lane = 0; lane < lanes; lane++)
        position(&constants, taps, (ptrdiff_t)lane * layer->num_outputs + first, is_half, activations);
}

INLINE void depthwise(const Layer *layer, const uint8_t *const taps[], int lanes, Target target)
{
    int first = 0;
    for (; first + CHANNELS <= layer->num_outputs; first += CHANNELS)
        channels(layer, taps, first, lanes, 0, target.activations);
    if (first < layer->num_outputs)
        channels(layer, taps, first, lanes, 1, target.activations);
}
