/* Stage 5 of 7: mixture parameters -> integer counts. Mirrors pixelzip/cdf.py, which says what everything means. */

#ifndef PIXELZIP_DISTRIBUTION_H
#define PIXELZIP_DISTRIBUTION_H

#include "adaptation.h"
#include "regression.h"

enum {
    WEIGHT_BITS = 14,
    MEAN_LOW = -4096,
    MEAN_HIGH = 8191,
    INVERSE_SCALE_BITS = 6,
    LOG_SCALE_LOW = -48,
    LOG_SCALE_HIGH = 80,
    COUPLING_HIGH = 768,
    COUPLING_SHIFT = 4,
    PROBABILITY_ONE = 1 << 16,
    COUNT_SHIFT = 6,
    FLOOR_SHIFT = 20,
};

/* Of neighbouring pixels of a wavefront, all in one channel. Lanes that are not used mean nothing. */
typedef struct {
    const Network *network;
    Adaptation *adaptation; /* NULL: none */
    Regression *regression; /* NULL: none */
    Part part;
    int channel;
    Lanes guess[3];                    /* levels */
    Lanes weights[MAX_MIXTURES];       /* sum to 2^14 */
    Lanes means[3][MAX_MIXTURES];      /* sixteenths of a level */
    Lanes log_scales[3][MAX_MIXTURES]; /* entries of the table of inverse scales */
    Lanes coupling[3][MAX_MIXTURES];   /* 1/256 of a level per level */
    Lanes origins[MAX_MIXTURES], slopes[MAX_MIXTURES]; /* of the channel */
    Lanes contexts[3];        /* of adaptation */
    Lanes ends[NUM_BINS + 1]; /* where adaptation puts the ends of the bins */
    Lanes levels;             /* of the channel, as soon as they are known; what follows is the network's view of them */
    Lanes below, up_to;       /* counts of the levels below them, and of these and them */
    Lanes probabilities[MAX_MIXTURES];
} Distribution;

/* Scale shares to weights that sum to 2^14 exactly. Dividends are below 2^45 and divisors below 2^31. */
INLINE void normalise(Lanes *weights, const Lanes *shares, int mixtures)
{
    Lanes total = {0}, cumulative = {0}, before = {0};
    for (int k = 0; k < mixtures; k++)
        total += shares[k];
    for (int k = 0; k < mixtures; k++) {
        cumulative += shares[k];
        const Lanes end = whole(exact(cumulative) * (1 << WEIGHT_BITS) / exact(total));
        weights[k] = end - before;
        before = end;
    }
}

/* Return the components' mean of a parameter, by their weights. */
INLINE Lanes weighted_mean(const Distribution *distribution, const Lanes *values)
{
    Lanes sum = {0};
    for (int k = 0; k < distribution->network->mixtures; k++)
        sum += distribution->weights[k] * values[k];
    return sum >> WEIGHT_BITS;
}

/* Ask what has been learned about distributions as wide as these. */
INLINE void start_adaptation(Distribution *distribution, Lanes log_scale)
{
    const int channel = distribution->channel;
    const Lanes contexts = adaptation_contexts(distribution->adaptation, &distribution->part, channel, log_scale);
    distribution->contexts[channel] = contexts;
    adaptation_ends(distribution->adaptation, channel, contexts, distribution->ends);
}

/* Move the means by what neighbours say. */
INLINE void start_regression(Distribution *distribution, Lanes log_scale)
{
    Lanes *means = distribution->means[distribution->channel];
    Part *part = &distribution->part;
    for (int k = 0; k < distribution->network->mixtures; k++)
        means[k] = clamped(means[k], MEAN_LOW, MEAN_HIGH);
    part->mean = weighted_mean(distribution, means);
    part->inverse_scale = look_up(distribution->network->inverse_scale, log_scale);
    const Lanes shift = regression_shift(distribution->regression, part, distribution->channel);
    for (int k = 0; k < distribution->network->mixtures; k++)
        means[k] += shift;
}

INLINE void start_channel(Distribution *distribution, int channel)
{
    const Network *network = distribution->network;
    const int origin = network->logistic_length / 2 << INVERSE_SCALE_BITS;
    distribution->channel = channel;
    const Lanes log_scale = weighted_mean(distribution, distribution->log_scales[channel]);
    if (distribution->regression)
        start_regression(distribution, log_scale);
    for (int k = 0; k < network->mixtures; k++) {
        const Lanes scale = look_up(network->inverse_scale, distribution->log_scales[channel][k]);
        const Lanes mean = clamped(distribution->means[channel][k], MEAN_LOW, MEAN_HIGH) + LEVEL_STEPS / 2;
        distribution->origins[k] = origin - mean * scale;
        distribution->slopes[k] = LEVEL_STEPS * scale;
    }
    if (distribution->adaptation)
        start_adaptation(distribution, log_scale);
}

/* Read one parameter of consecutive lanes. */
INLINE Lanes parameter(const Wave *wave, int first_lane, int index)
{
    const int32_t *parameters = wave->parameters + first_lane * wave->pitch + index;
    Lanes values;
    for (int lane = 0; lane < VECTOR; lane++)
        values[lane] = parameters[lane * wave->pitch];
    return values;
}

/* Network, part and what learns must have been set. */
static void distribution_start(Distribution *distribution, const Wave *wave)
{
    const Network *network = distribution->network;
    const int mixtures = network->mixtures, first_lane = distribution->part.first_lane;
    Lanes logits[MAX_MIXTURES], shares[MAX_MIXTURES], best = all(INT32_MIN);
    for (int k = 0; k < mixtures; k++) {
        logits[k] = parameter(wave, first_lane, k);
        best = chosen(logits[k] > best, logits[k], best);
    }
    for (int k = 0; k < mixtures; k++)
        shares[k] = look_up(network->exponential, clamped(best - logits[k], 0, network->exponential_length - 1));
    normalise(distribution->weights, shares, mixtures);
    for (int channel = 0; channel < 3; channel++) {
        for (int lane = 0; lane < VECTOR; lane++)
            distribution->guess[channel][lane] = wave->guesses[first_lane + lane][channel];
        for (int k = 0; k < mixtures; k++) {
            const int i = channel * mixtures + k;
            const Lanes log_scale = parameter(wave, first_lane, 4 * mixtures + i);
            const Lanes coupling = parameter(wave, first_lane, 7 * mixtures + i);
            distribution->means[channel][k] =
                parameter(wave, first_lane, mixtures + i) + LEVEL_STEPS * distribution->guess[channel];
            distribution->log_scales[channel][k] = clamped(log_scale, LOG_SCALE_LOW, LOG_SCALE_HIGH) - LOG_SCALE_LOW;
            distribution->coupling[channel][k] = clamped(coupling, -COUPLING_HIGH, COUPLING_HIGH);
        }
    }
    start_channel(distribution, 0);
}

/* Counts of the levels below a boundary, each with its floor, given the mixture's cumulative in 0..2^30. */
#define COUNTS(mixed, boundary) (((mixed) >> COUNT_SHIFT) - ((mixed) >> FLOOR_SHIFT) + LEVEL_FLOOR * (boundary))

/* Entry of the table of logistics. */
#define ENTRY(origin, boundary, slope) (((origin) + (boundary) * (slope)) >> INVERSE_SCALE_BITS)

/* One logistic below boundaries in 0..256; 0 to 2^16. */
INLINE Lanes component_below(const Distribution *distribution, int k, Lanes boundary)
{
    const Network *network = distribution->network;
    const Lanes entry = ENTRY(distribution->origins[k], boundary, distribution->slopes[k]);
    const Lanes found = look_up(network->logistic, clamped(entry, 0, network->logistic_length - 1));
    return chosen(boundary == LEVELS, all(PROBABILITY_ONE), found & (boundary != 0));
}

/* Counts of the levels below boundaries in 0..256 with what is learned, given those without; 0 to 2^24. */
INLINE Lanes with_adaptation(const Distribution *distribution, Lanes boundary, Lanes below)
{
    if (!distribution->adaptation)
        return below;
    const Lanes counts = adapted(distribution->ends, below & (COUNT_TOTAL - 1)) + LEVEL_FLOOR * boundary;
    return chosen(boundary == LEVELS, all(COUNT_TOTAL), counts);
}

/* Counts of the levels below boundaries in 0..256; 0 to 2^24. */
INLINE Lanes counts_below(const Distribution *distribution, Lanes boundary)
{
    Lanes mixed = {0};
    for (int k = 0; k < distribution->network->mixtures; k++)
        mixed += distribution->weights[k] * component_below(distribution, k, boundary);
    return with_adaptation(distribution, boundary, COUNTS(mixed, boundary));
}

/* Components become as probable as they made the level, and the means of later channels move with the residual. */
INLINE void go_on(Distribution *distribution)
{
    const int channel = distribution->channel, mixtures = distribution->network->mixtures;
    const Lanes residual = distribution->levels - distribution->guess[channel];
    Lanes shares[MAX_MIXTURES];
    for (int k = 0; k < mixtures; k++) {
        shares[k] = distribution->weights[k] * (distribution->probabilities[k] + 1);
        if (channel == 0) {
            distribution->means[1][k] += distribution->coupling[0][k] * residual >> COUPLING_SHIFT;
            distribution->means[2][k] += distribution->coupling[1][k] * residual >> COUPLING_SHIFT;
        } else
            distribution->means[2][k] += distribution->coupling[2][k] * residual >> COUPLING_SHIFT;
    }
    normalise(distribution->weights, shares, mixtures);
}

/* Note the levels of the channel. */
static void distribution_see(Distribution *distribution, Lanes levels)
{
    Lanes below = {0}, up_to = {0};
    for (int k = 0; k < distribution->network->mixtures; k++) {
        const Lanes left = component_below(distribution, k, levels), right = component_below(distribution, k, levels + 1);
        distribution->probabilities[k] = right - left;
        below += distribution->weights[k] * left;
        up_to += distribution->weights[k] * right;
    }
    distribution->levels = levels;
    distribution->below = COUNTS(below, levels);
    distribution->up_to = COUNTS(up_to, levels + 1);
}

/* Learn from the levels seen. The next channel starts when the whole wavefront has been learned from. */
static void distribution_observe(Distribution *distribution, int is_last)
{
    const Part *part = &distribution->part;
    const int channel = distribution->channel;
    if (distribution->adaptation)
        adaptation_add(distribution->adaptation, part, channel, distribution->contexts[channel], distribution->below,
                       distribution->up_to);
    if (distribution->regression)
        regression_see(distribution->regression, part, channel, distribution->levels);
    if (!is_last)
        go_on(distribution);
}

#endif
