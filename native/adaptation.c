/* A part of stage 5: what a tile's symbols so far say about the network's distributions. Mirrors pixelzip/adaptation.py. */

#include "pixelzip.h"

#include <stdlib.h>
#include <string.h>

enum {
    NUM_SPREADS = 16,
    NUM_ERRORS = 3,
    NUM_PREVIOUS = 5,
    NUM_CONTEXTS = NUM_SPREADS * NUM_ERRORS * NUM_PREVIOUS,
    BIN_BITS = 20,      /* 16 bins of 2^20 counts */
    SYMBOL_MASS = 64,   /* what one symbol adds */
    FIRST_COUNT = 256,
    COUNT_LIMIT = 1 << 16,
    UNIFORM_SHIFT = 10, /* every bin has at least 2^-10 of the total more */
    ERROR_LIMIT = 120,
    MIDDLE = 128,
};

struct Adaptation {
    int width;
    uint8_t *quantiles; /* (height, width, 3): where in its distribution a symbol lay, in 1/256 */
    int32_t counts[3][NUM_CONTEXTS][NUM_BINS];
};

Adaptation *adaptation_new(const Tile *tile)
{
    Adaptation *adaptation = malloc(sizeof *adaptation);
    const size_t size = 3 * (size_t)tile->height * (size_t)tile->width;
    if (!adaptation || !(adaptation->quantiles = malloc(size))) {
        free(adaptation);
        return NULL;
    }
    adaptation->width = tile->width;
    memset(adaptation->quantiles, MIDDLE, size);
    for (int channel = 0; channel < 3; channel++)
        for (int i = 0; i < NUM_CONTEXTS * NUM_BINS; i++)
            adaptation->counts[channel][i / NUM_BINS][i % NUM_BINS] = FIRST_COUNT;
    return adaptation;
}

void adaptation_free(Adaptation *adaptation)
{
    free(adaptation->quantiles);
    free(adaptation);
}

static uint8_t *quantile_at(const Adaptation *adaptation, int row, int column, int channel)
{
    return adaptation->quantiles + 3 * ((ptrdiff_t)row * adaptation->width + column) + channel;
}

static int quantile_or_middle(const Adaptation *adaptation, int row, int column, int channel)
{
    const int is_inside = row >= 0 && column >= 0 && column < adaptation->width;
    return is_inside ? *quantile_at(adaptation, row, column, channel) : MIDDLE;
}

/* Whether the neighbours' levels were lower or higher than predicted. */
static int error_of(const Adaptation *adaptation, int row, int column, int channel)
{
    const int west = quantile_or_middle(adaptation, row, column - 1, channel);
    const int north = quantile_or_middle(adaptation, row - 1, column, channel);
    const int northeast = quantile_or_middle(adaptation, row - 1, column + 1, channel);
    const int northwest = quantile_or_middle(adaptation, row - 1, column - 1, channel);
    const int error = 2 * west + 2 * north + northeast + northwest - 6 * MIDDLE;
    return error < -ERROR_LIMIT ? 0 : error > ERROR_LIMIT ? 2 : 1;
}

static int previous_of(const Adaptation *adaptation, int row, int column, int channel)
{
    if (channel == 0)
        return 2;
    const int quantile = *quantile_at(adaptation, row, column, channel - 1);
    return (quantile >= 48) + (quantile >= 104) + (quantile >= 152) + (quantile >= 208);
}

int adaptation_context(const Adaptation *adaptation, int row, int column, int channel, int log_scale)
{
    const int level = (log_scale - 32) >> 3;
    const int spread = level < 0 ? 0 : level >= NUM_SPREADS ? NUM_SPREADS - 1 : level;
    return (spread * NUM_ERRORS + error_of(adaptation, row, column, channel)) * NUM_PREVIOUS +
           previous_of(adaptation, row, column, channel);
}

/* Dividends are below 2^53, so that the quotient in double precision, rounded down, is exact. */
void adaptation_ends(const Adaptation *adaptation, int channel, int context, int32_t ends[NUM_BINS + 1])
{
    const int32_t *counts = adaptation->counts[channel][context];
    int32_t total = 0, cumulative[NUM_BINS];
    for (int bin = 0; bin < NUM_BINS; bin++)
        total += counts[bin];
    for (int bin = 0, sum = 0; bin < NUM_BINS; bin++)
        cumulative[bin] = sum += counts[bin] + (total >> UNIFORM_SHIFT);
    ends[0] = 0;
    for (int bin = 0; bin < NUM_BINS; bin++)
        ends[bin + 1] = (int32_t)((double)cumulative[bin] * ADAPTED_TOTAL / cumulative[NUM_BINS - 1]);
}

int32_t adapted(const int32_t ends[NUM_BINS + 1], int32_t below)
{
    const int bin = below >> BIN_BITS;
    const int64_t within = below & ((1 << BIN_BITS) - 1);
    return ends[bin] + (int32_t)((ends[bin + 1] - ends[bin]) * within >> BIN_BITS);
}

/* Spread a symbol's mass over the bins that its interval, before adaptation, covers. */
void adaptation_add(Adaptation *adaptation, int row, int column, int channel, int context, int32_t left, int32_t right)
{
    int32_t *counts = adaptation->counts[channel][context];
    *quantile_at(adaptation, row, column, channel) = (uint8_t)((left + right) >> 17);
    for (int bin = left >> BIN_BITS; bin <= (right - 1) >> BIN_BITS; bin++) {
        const int32_t first = bin << BIN_BITS, last = (bin + 1) << BIN_BITS;
        const int32_t overlap = (right < last ? right : last) - (left > first ? left : first);
        counts[bin] += SYMBOL_MASS * overlap / (right - left);
    }
}

/* Forget half once there is much: after all symbols of a wavefront have been added. */
void adaptation_forget(Adaptation *adaptation, int channel, int context)
{
    int32_t *counts = adaptation->counts[channel][context], total = 0;
    for (int bin = 0; bin < NUM_BINS; bin++)
        total += counts[bin];
    for (int bin = 0; total >= COUNT_LIMIT && bin < NUM_BINS; bin++)
        counts[bin] >>= 1;
}
