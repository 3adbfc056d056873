/* Bits predicted from contexts, and predictions mixed by weights that are learned. Mirrors drawing/mixer.py. */

#ifndef PIXELZIP_MIXER_H
#define PIXELZIP_MIXER_H

#include <stdint.h>

#include "bit_coder.h"

enum {
    MOST_CONTEXTS = 8,
    MOST_BUCKETS = 8,
    MOST_SETS = 4,
    MOST_INPUTS = 2 * MOST_CONTEXTS + MOST_BUCKETS,
    LOGIT_HIGH = 1535, /* logits are in 1/128 */
    COUNTED_BITS = 10,
    MOST_COUNTED = 127,
    MOST_CONFIDENT = 30,
    WEIGHT_BITS = 14,
    ERROR_BITS = 10,
    HALF_AN_ERROR = 1 << (ERROR_BITS - 1),
};

/* Tables that drawing/tables.py makes. */
typedef struct {
    const uint16_t *logistic; /* of -LOGIT_HIGH..LOGIT_HIGH */
    const int16_t *logit;     /* of 4096ths */
    const int32_t *rates;     /* of counts 0..MOST_COUNTED */
} Curves;

/* A family of decisions. Of what has been seen in a context a slot holds the probability of a one, 22 bits, and a count. */
typedef struct {
    const Curves *curves;
    BitCoder *coder;
    int num_contexts, num_buckets, num_sets, rate;
    uint32_t mask; /* of slots of a context */
    uint32_t *slots[MOST_CONTEXTS + MOST_BUCKETS];
    int16_t *weights[MOST_SETS];
    uint32_t contexts[MOST_CONTEXTS], buckets[MOST_BUCKETS], selected[MOST_SETS]; /* of the next decision */
} Mixer;

/* Take memory for slots, num_buckets for each kind of buckets, and for sets of weights of those sizes. Return 0 if there is too
   little; to be closed in any case. */
int mixer_open(Mixer *mixer, int num_slot_bits, size_t num_buckets, int first_weight, const int *sizes);
void mixer_close(Mixer *mixer);

static inline uint32_t mixed(uint32_t one, uint32_t other)
{
    const uint32_t hash = (one ^ other * 0x85EBCA6Bu) * 0x9E3779B1u;
    return hash ^ hash >> 15;
}

static inline uint32_t slot_of(uint32_t context, uint32_t mask)
{
    const uint32_t hash = (context ^ context >> 16) * 0x2C1B3C6Du;
    return (hash ^ hash >> 13) & mask;
}

static inline int clamped(int value, int low, int high)
{
    return value < low ? low : value > high ? high : value;
}

static inline void learn(uint32_t *slot, int bit, const int32_t *rates)
{
    const int32_t probability = (int32_t)(*slot >> COUNTED_BITS), count = *slot & ((1 << COUNTED_BITS) - 1);
    const int64_t distance = (bit ? (1 << 22) - 1 : 0) - probability;
    const int32_t moved = probability + (int32_t)(distance * rates[count] >> 16);
    *slot = (uint32_t)moved << COUNTED_BITS | (uint32_t)(count + (count < MOST_COUNTED));
}

/* Code a bit; the numbers are those of the mixer, as constants. */
static inline __attribute__((always_inline)) int decide(Mixer *mixer, const int num_contexts, const int num_buckets,
                                                       const int num_sets, int bit)
{
    const Curves *curves = mixer->curves;
    const int num_inputs = 2 * num_contexts + num_buckets;
    uint32_t *found[MOST_CONTEXTS + MOST_BUCKETS];
    int16_t inputs[MOST_INPUTS];
    int logits[MOST_SETS], sum = 0;
    for (int i = 0; i < num_contexts; i++)
        found[i] = mixer->slots[i] + slot_of(mixer->contexts[i], mixer->mask);
    for (int i = 0; i < num_contexts; i++) {
        const int count = *found[i] & ((1 << COUNTED_BITS) - 1), share = (int)(*found[i] >> 20);
        inputs[i] = count ? curves->logit[share] : 0;
        inputs[num_contexts + i] = (int16_t)((share - 2048) * (count < MOST_CONFIDENT ? count : MOST_CONFIDENT) >> 7);
    }
    for (int i = 0; i < num_buckets; i++) {
        uint32_t *slot = found[num_contexts + i] = mixer->slots[num_contexts + i] + mixer->buckets[i];
        inputs[2 * num_contexts + i] = *slot & ((1 << COUNTED_BITS) - 1) ? curves->logit[*slot >> 20] : 0;
    }
    for (int set = 0; set < num_sets; set++) {
        const int16_t *weights = mixer->weights[set] + (uint32_t)num_inputs * mixer->selected[set];
        int32_t product = 0;
        for (int i = 0; i < num_inputs; i++)
            product += weights[i] * inputs[i];
        sum += logits[set] = clamped(product >> WEIGHT_BITS, -LOGIT_HIGH, LOGIT_HIGH);
    }
    bit = code_bit(mixer->coder, curves->logistic[(sum >> (num_sets == 4 ? 2 : 1)) + LOGIT_HIGH], bit);
    for (int set = 0; set < num_sets; set++) {
        int16_t *weights = mixer->weights[set] + (uint32_t)num_inputs * mixer->selected[set];
        const int error = ((bit ? 0xFFFF : 0) - curves->logistic[logits[set] + LOGIT_HIGH]) * mixer->rate >> ERROR_BITS;
        for (int i = 0; i < num_inputs; i++)
            weights[i] = (int16_t)clamped(weights[i] + ((inputs[i] * error + HALF_AN_ERROR) >> ERROR_BITS), INT16_MIN, INT16_MAX);
    }
    for (int i = 0; i < num_contexts + num_buckets; i++)
        learn(found[i], bit, curves->rates);
    return bit;
}

#endif
