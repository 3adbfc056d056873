/* Memory of mixers. */

#include "mixer.h"

#include <stdlib.h>

void mixer_close(Mixer *mixer)
{
    free(mixer->slots[0]);
    free(mixer->weights[0]);
}

int mixer_open(Mixer *mixer, int num_slot_bits, size_t num_buckets, int first_weight, const int *sizes)
{
    const size_t num_slots = (size_t)1 << num_slot_bits, num_hashed = num_slots * (size_t)mixer->num_contexts;
    const size_t num_all = num_hashed + (size_t)mixer->num_buckets * num_buckets;
    const size_t num_inputs = 2 * (size_t)mixer->num_contexts + (size_t)mixer->num_buckets;
    size_t num_weights = 0;
    for (int i = 0; i < mixer->num_sets; i++)
        num_weights += (size_t)sizes[i] * num_inputs;
    uint32_t *slots = malloc(num_all * sizeof *slots);
    int16_t *weights = malloc(num_weights * sizeof *weights);
    mixer->mask = (uint32_t)num_slots - 1;
    mixer->slots[0] = slots, mixer->weights[0] = weights;
    if (!slots || !weights)
        return 0;
    for (size_t i = 0; i < num_all; i++)
        slots[i] = 1u << 31;
    for (size_t i = 0; i < num_weights; i++)
        weights[i] = (int16_t)first_weight;
    for (int i = 1; i < mixer->num_contexts; i++)
        mixer->slots[i] = slots + num_slots * (size_t)i;
    for (int i = 0; i < mixer->num_buckets; i++)
        mixer->slots[mixer->num_contexts + i] = slots + num_hashed + (size_t)i * num_buckets;
    for (int i = 1; i < mixer->num_sets; i++)
        mixer->weights[i] = mixer->weights[i - 1] + (size_t)sizes[i - 1] * num_inputs;
    return 1;
}
