/* Stage 5 of 7: mixture parameters -> integer counts. Mirrors pixelzip/cdf.py, which says what everything means. */

#include "pixelzip.h"

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

static int32_t clamped(int32_t value, int32_t low, int32_t high)
{
    return value < low ? low : value > high ? high : value;
}

/* Scale shares to weights that sum to 2^14 exactly. */
static void normalise(int32_t *weights, const int64_t *shares, int mixtures)
{
    int64_t total = 0, cumulative = 0, before = 0;
    for (int k = 0; k < mixtures; k++)
        total += shares[k];
    for (int k = 0; k < mixtures; k++) {
        cumulative += shares[k];
        const int64_t end = (cumulative << WEIGHT_BITS) / total;
        weights[k] = (int32_t)(end - before);
        before = end;
    }
}

/* Return the components' mean of a parameter, by their weights. */
static int32_t weighted_mean(const Distribution *distribution, const int32_t *values)
{
    int32_t sum = 0;
    for (int k = 0; k < distribution->network->mixtures; k++)
        sum += distribution->weights[k] * values[k];
    return sum >> WEIGHT_BITS;
}

/* Ask what has been learned about distributions as wide as this one. */
static void start_adaptation(Distribution *distribution, int channel, int32_t log_scale)
{
    distribution->contexts[channel] =
        adaptation_context(distribution->adaptation, distribution->row, distribution->column, channel, log_scale);
    adaptation_ends(distribution->adaptation, channel, distribution->contexts[channel], distribution->ends);
}

/* Move the means by what neighbours say. */
static void start_regression(Distribution *distribution, int channel, int32_t log_scale)
{
    int32_t *means = distribution->means[channel];
    for (int k = 0; k < distribution->network->mixtures; k++)
        means[k] = clamped(means[k], MEAN_LOW, MEAN_HIGH);
    const int32_t shift = regression_shift(distribution->regression, distribution->lane, channel,
                                           weighted_mean(distribution, means), distribution->network->inverse_scale[log_scale]);
    for (int k = 0; k < distribution->network->mixtures; k++)
        means[k] += shift;
}

static void start_channel(Distribution *distribution, int channel)
{
    const int origin = distribution->network->logistic_length / 2 << INVERSE_SCALE_BITS;
    const int is_learning = distribution->regression || distribution->adaptation;
    const int32_t log_scale = is_learning ? weighted_mean(distribution, distribution->log_scales[channel]) : 0;
    distribution->channel = channel;
    if (distribution->regression)
        start_regression(distribution, channel, log_scale);
    for (int k = 0; k < distribution->network->mixtures; k++) {
        const int32_t scale = distribution->inverse_scales[channel][k];
        const int32_t mean = clamped(distribution->means[channel][k], MEAN_LOW, MEAN_HIGH) + LEVEL_STEPS / 2;
        distribution->origins[k] = origin - mean * scale;
        distribution->slopes[k] = LEVEL_STEPS * scale;
    }
    if (distribution->adaptation)
        start_adaptation(distribution, channel, log_scale);
}

void distribution_start(Distribution *distribution, const Network *network, const int32_t *parameters,
                        const int32_t guess[3])
{
    const int mixtures = network->mixtures;
    const int32_t *logits = parameters, *offsets = parameters + mixtures;
    const int32_t *log_scales = offsets + 3 * mixtures, *coupling = log_scales + 3 * mixtures;
    int32_t best = logits[0];
    int64_t shares[MAX_MIXTURES];
    distribution->network = network;
    for (int k = 1; k < mixtures; k++)
        best = logits[k] > best ? logits[k] : best;
    for (int k = 0; k < mixtures; k++)
        shares[k] = network->exponential[clamped(best - logits[k], 0, network->exponential_length - 1)];
    normalise(distribution->weights, shares, mixtures);
    for (int channel = 0; channel < 3; channel++) {
        distribution->guess[channel] = guess[channel];
        for (int k = 0; k < mixtures; k++) {
            const int i = channel * mixtures + k;
            const int32_t entry = clamped(log_scales[i], LOG_SCALE_LOW, LOG_SCALE_HIGH) - LOG_SCALE_LOW;
            distribution->log_scales[channel][k] = entry;
            distribution->inverse_scales[channel][k] = network->inverse_scale[entry];
            distribution->means[channel][k] = offsets[i] + LEVEL_STEPS * guess[channel];
            distribution->coupling[channel][k] = clamped(coupling[i], -COUPLING_HIGH, COUPLING_HIGH);
        }
    }
    start_channel(distribution, 0);
}

/* One logistic below a boundary, 0..2^16. */
static int32_t component_below(const Distribution *distribution, int k, int boundary)
{
    const Network *network = distribution->network;
    const int32_t entry = (distribution->origins[k] + boundary * distribution->slopes[k]) >> INVERSE_SCALE_BITS;
    return network->logistic[clamped(entry, 0, network->logistic_length - 1)];
}

/* Counts of the levels below a boundary, each with its floor, given the mixture's cumulative in 0..2^30. */
static int32_t counts_of(int32_t mixed, int boundary)
{
    return (mixed >> COUNT_SHIFT) - (mixed >> FLOOR_SHIFT) + LEVEL_FLOOR * boundary;
}

/* Counts of the levels below a boundary in 0..256, after adaptation if there is any; 0 to 2^24. */
static int32_t counts_below(const Distribution *distribution, int boundary)
{
    int32_t mixed = 0;
    if (boundary == 0 || boundary == LEVELS)
        return boundary ? COUNT_TOTAL : 0;
    for (int k = 0; k < distribution->network->mixtures; k++)
        mixed += distribution->weights[k] * component_below(distribution, k, boundary);
    const int32_t below = counts_of(mixed, boundary);
    return distribution->adaptation ? adapted(distribution->ends, below) + LEVEL_FLOOR * boundary : below;
}

/* Components become as probable as they made the level, and the means of later channels move with the residual. */
static void go_on(Distribution *distribution, int level, const int32_t *probabilities)
{
    const int channel = distribution->channel, mixtures = distribution->network->mixtures;
    const int32_t residual = level - distribution->guess[channel];
    int64_t shares[MAX_MIXTURES];
    for (int k = 0; k < mixtures; k++) {
        shares[k] = (int64_t)distribution->weights[k] * (probabilities[k] + 1);
        if (channel == 0) {
            distribution->means[1][k] += distribution->coupling[0][k] * residual >> COUPLING_SHIFT;
            distribution->means[2][k] += distribution->coupling[1][k] * residual >> COUPLING_SHIFT;
        } else
            distribution->means[2][k] += distribution->coupling[2][k] * residual >> COUPLING_SHIFT;
    }
    normalise(distribution->weights, shares, mixtures);
    start_channel(distribution, channel + 1);
}

void distribution_observe(Distribution *distribution, int level, int is_last)
{
    int32_t below = 0, up_to = 0, probabilities[MAX_MIXTURES];
    for (int k = 0; k < distribution->network->mixtures; k++) {
        const int32_t left = level ? component_below(distribution, k, level) : 0;
        const int32_t right = level < LEVELS - 1 ? component_below(distribution, k, level + 1) : PROBABILITY_ONE;
        probabilities[k] = right - left;
        below += distribution->weights[k] * left;
        up_to += distribution->weights[k] * right;
    }
    if (distribution->adaptation)
        adaptation_add(distribution->adaptation, distribution->row, distribution->column, distribution->channel,
                       distribution->contexts[distribution->channel], counts_of(below, level),
                       counts_of(up_to, level + 1));
    if (distribution->regression)
        regression_see(distribution->regression, distribution->lane, distribution->channel, level);
    if (!is_last)
        go_on(distribution, level, probabilities);
}

Nibble high_nibble(const Distribution *distribution)
{
    return (Nibble){distribution, -1, 0, COUNT_TOTAL};
}

Nibble low_nibble(const Distribution *distribution, int high, int32_t first, int32_t last)
{
    return (Nibble){distribution, high, first, last};
}

int32_t nibble_end(const Nibble *nibble, int symbol)
{
    if (nibble->high < 0)
        return counts_below(nibble->distribution, NIBBLE * symbol);
    if (symbol == 0 || symbol == NIBBLE)
        return symbol ? COUNT_TOTAL : 0;
    const int64_t below = counts_below(nibble->distribution, NIBBLE * nibble->high + symbol) - nibble->first;
    return (int32_t)(below * (COUNT_TOTAL - NIBBLE) / (nibble->last - nibble->first)) + symbol;
}
