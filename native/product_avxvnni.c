/* A part of stage 4: native/product.c with AVX-VNNI, four products and their sum in each of eight lanes at once, for processors
   that have it without AVX-512. */

#include "finish_avx2.h"

#ifdef COMPILES_AVXVNNI

#include <cpuid.h>
#include <string.h>

#define TARGET "avx2,avxvnni"
#define INLINE __attribute__((target(TARGET), always_inline)) static inline

enum {
    LANES = 6, /* twelve registers of sums, two of weights and one of inputs, of sixteen */
    FEATURES = 7,
    MORE_FEATURES = 1,
    AVX_VNNI = 1 << 4,
};

int has_avxvnni(void)
{
    unsigned features, unused;
    return has_avx2() && __get_cpuid_count(FEATURES, MORE_FEATURES, &features, &unused, &unused, &unused) &&
           (features & AVX_VNNI);
}

INLINE __m256i dot(__m256i sums, __m256i inputs, __m256i weights)
{
    return _mm256_dpbusd_avx_epi32(sums, inputs, weights);
}

/* A constant number of lanes keeps every sum in a register. */
INLINE void block(const Layer *layer, const uint8_t *const taps[], int first_lane, int output, Target target,
                  const int lanes)
{
    const int num_quads = layer->num_inputs / QUAD;
    const int8_t *weight = layer->weight + (ptrdiff_t)output * layer->num_taps * layer->num_inputs;
    Halves sums[LANES];
#pragma GCC unroll 6
    for (int lane = 0; lane < lanes; lane++)
        sums[lane].low = sums[lane].high = _mm256_setzero_si256();
    for (int tap = 0; tap < layer->num_taps; tap++) {
        const uint8_t *inputs = taps[tap] + (ptrdiff_t)first_lane * layer->num_inputs;
        for (int quad = 0; quad < num_quads; quad++, inputs += QUAD, weight += GROUP * QUAD) {
            const __m256i low_weight = _mm256_loadu_si256((const __m256i *)weight);
            const __m256i high_weight = _mm256_loadu_si256((const __m256i *)(weight + HALF * QUAD));
#pragma GCC unroll 6
            for (int lane = 0; lane < lanes; lane++) {
                int32_t four;
                memcpy(&four, inputs + lane * layer->num_inputs, QUAD);
                sums[lane].low = dot(sums[lane].low, _mm256_set1_epi32(four), low_weight);
                sums[lane].high = dot(sums[lane].high, _mm256_set1_epi32(four), high_weight);
            }
        }
    }
#pragma GCC unroll 6
    for (int lane = 0; lane < lanes; lane++) {
        const ptrdiff_t place = (ptrdiff_t)(first_lane + lane) * layer->num_outputs + output;
        finish(layer, sums[lane], output, place, target);
    }
}

__attribute__((target(TARGET))) void product_avxvnni(const Layer *layer, const uint8_t *const taps[], int lanes,
                                                     Target target)
{
    for (int output = 0; output < layer->num_outputs; output += GROUP)
        for (int lane = 0; lane < lanes; lane += LANES)
            switch (lanes - lane) {
            case 1: block(layer, taps, lane, output, target, 1); break;
            case 2: block(layer, taps, lane, output, target, 2); break;
            case 3: block(layer, taps, lane, output, target, 3); break;
            case 4: block(layer, taps, lane, output, target, 4); break;
            case 5: block(layer, taps, lane, output, target, 5); break;
            default: block(layer, taps, lane, output, target, LANES);
            }
}

#include "depthwise_avx.h"

__attribute__((target(TARGET))) void depthwise_avxvnni(const Layer *layer, const uint8_t *const taps[], int lanes,
                                                       Target target)
{
    depthwise(layer, taps, lanes, target);
}

#endif
