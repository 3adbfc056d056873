/* A part of stage 5: what a tile's symbols so far say about the network's distributions. Mirrors pixelzip/adaptation.py. */

#ifndef PIXELZIP_ADAPTATION_H
#define PIXELZIP_ADAPTATION_H

#include "history.h"

enum {
    NUM_BINS = 16,
    NUM_SPREADS = 16,
    NUM_ERRORS = 3,
    NUM_PREVIOUS = 5,
    NO_PREVIOUS = 2,
    NUM_CONTEXTS = NUM_SPREADS * NUM_ERRORS * NUM_PREVIOUS,
    SPREAD_LOW = 32,
    SPREAD_SHIFT = 3,
    BIN_BITS = 20,      /* 16 bins of 2^20 counts */
    SYMBOL_MASS = 64,   /* what one symbol adds */
    FIRST_COUNT = 256,
    COUNT_LIMIT = 1 << 16,
    UNIFORM_SHIFT = 10, /* every bin has at least 2^-10 of the total more */
    ERROR_LIMIT = 120,
    MIDDLE = 128,
    ADAPTED_TOTAL = COUNT_TOTAL - LEVEL_FLOOR * LEVELS,
};

typedef struct {
    History quantiles; /* where in its distribution a symbol lay, in 1/256 */
    int32_t counts[3][NUM_CONTEXTS][NUM_BINS];
} Adaptation;

static Adaptation *adaptation_new(const Tile *tile)
{
    Adaptation *adaptation = malloc(sizeof *adaptation);
    if (!adaptation || !history_open(&adaptation->quantiles, tile, MIDDLE)) {
        free(adaptation);
        return NULL;
    }
    for (int channel = 0; channel < 3; channel++)
        for (int i = 0; i < NUM_CONTEXTS * NUM_BINS; i++)
            adaptation->counts[channel][i / NUM_BINS][i % NUM_BINS] = FIRST_COUNT;
    return adaptation;
}

static void adaptation_free(Adaptation *adaptation)
{
    free(adaptation->quantiles.values);
    free(adaptation);
}

/* Return contexts, given entries of the table of inverse scales. */
INLINE Lanes adaptation_contexts(const Adaptation *adaptation, const Part *part, int channel, Lanes log_scale)
{
    const History *quantiles = &adaptation->quantiles;
    const int step = part->step, row = part->row;
    const Lanes west = widened(history_at(quantiles, channel, step - 1, row));
    const Lanes north = widened(history_at(quantiles, channel, step - 2, row - 1));
    const Lanes northeast = widened(history_at(quantiles, channel, step - 1, row - 1));
    const Lanes northwest = widened(history_at(quantiles, channel, step - 3, row - 1));
    const Lanes error = 2 * west + 2 * north + northeast + northwest - 6 * MIDDLE;
    const Lanes direction = 1 - (error > ERROR_LIMIT) + (error < -ERROR_LIMIT); /* true is -1 */
    const Lanes spread = clamped((log_scale - SPREAD_LOW) >> SPREAD_SHIFT, 0, NUM_SPREADS - 1);
    Lanes previous = all(NO_PREVIOUS);
    if (channel) {
        const Lanes quantile = widened(history_at(quantiles, channel - 1, step, row));
        previous = -(quantile >= 48) - (quantile >= 104) - (quantile >= 152) - (quantile >= 208);
    }
    return (spread * NUM_ERRORS + direction) * NUM_PREVIOUS + previous;
}

/* Write where the ends of the bins are mapped to. Dividends are below 2^53, so the quotient, rounded down, is exact. */
INLINE void adaptation_ends(const Adaptation *adaptation, int channel, Lanes contexts, Lanes ends[NUM_BINS + 1])
{
    const int32_t *counts[VECTOR];
    Lanes of_lanes[NUM_BINS], total = {0}, cumulative = {0};
    for (int lane = 0; lane < VECTOR; lane++)
        counts[lane] = adaptation->counts[channel][contexts[lane]];
    for (int bin = 0; bin < NUM_BINS; bin++) {
        int32_t values[VECTOR];
        for (int lane = 0; lane < VECTOR; lane++)
            values[lane] = counts[lane][bin];
        memcpy(of_lanes + bin, values, sizeof values);
        total += of_lanes[bin];
    }
    const Lanes more = total >> UNIFORM_SHIFT;
    const Doubles whole_total = exact(total + NUM_BINS * more);
    ends[0] = all(0);
    for (int bin = 0; bin < NUM_BINS; bin++) {
        cumulative += of_lanes[bin] + more;
        ends[bin + 1] = whole(exact(cumulative) * ADAPTED_TOTAL / whole_total);
    }
}

/* Map cumulative counts below 2^24. The products, below 2^44, are exact in doubles. */
INLINE Lanes adapted(const Lanes ends[NUM_BINS + 1], Lanes below)
{
    const Lanes bin = below >> BIN_BITS, within = below & ((1 << BIN_BITS) - 1);
    const Lanes lane = own_lane();
    const Lanes first = look_up((const int32_t *)ends, bin * VECTOR + lane);
    const Lanes last = look_up((const int32_t *)ends, (bin + 1) * VECTOR + lane);
    return first + whole(exact(last - first) * exact(within) / (1 << BIN_BITS));
}

/* The same of one lane. */
INLINE int32_t adapted_one(const Lanes ends[NUM_BINS + 1], int lane, int32_t below)
{
    const int bin = below >> BIN_BITS;
    const int64_t within = below & ((1 << BIN_BITS) - 1);
    const int32_t first = ends[bin][lane], last = ends[bin + 1][lane];
    return first + (int32_t)((last - first) * within >> BIN_BITS);
}

/* Spread a symbol's mass over the bins that its interval, before adaptation, covers. */
INLINE void add_symbol(int32_t counts[NUM_BINS], int32_t left, int32_t right)
{
    for (int bin = left >> BIN_BITS; bin <= (right - 1) >> BIN_BITS; bin++) {
        const int32_t first = bin << BIN_BITS, last = (bin + 1) << BIN_BITS;
        const int32_t overlap = (right < last ? right : last) - (left > first ? left : first);
        counts[bin] += SYMBOL_MASS * overlap / (right - left);
    }
}

/* Learn from symbols with the intervals that the network gave them. */
INLINE void adaptation_add(Adaptation *adaptation, const Part *part, int channel, Lanes contexts, Lanes left, Lanes right)
{
    narrow((left + right) >> 17, history_at(&adaptation->quantiles, channel, part->step, part->row), part->num_lanes);
    for (int lane = 0; lane < part->num_lanes; lane++)
        add_symbol(adaptation->counts[channel][contexts[lane]], left[lane], right[lane]);
}

/* Forget half where there is much: after all symbols of a wavefront have been added. */
INLINE void adaptation_forget(Adaptation *adaptation, const Part *part, int channel, Lanes contexts)
{
    for (int lane = 0; lane < part->num_lanes; lane++) {
        int32_t *counts = adaptation->counts[channel][contexts[lane]], total = 0;
        for (int bin = 0; bin < NUM_BINS; bin++)
            total += counts[bin];
        for (int bin = 0; total >= COUNT_LIMIT && bin < NUM_BINS; bin++)
            counts[bin] >>= 1;
    }
}

#endif
