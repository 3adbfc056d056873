/* A part of stage 5: what neighbours say about a sub-pixel's mean beyond the network. Mirrors pixelzip/regression.py.

   Regressors and errors are whole numbers in -127..127. A tile may be cut into bands of rows that learn by themselves. */

#ifndef PIXELZIP_REGRESSION_H
#define PIXELZIP_REGRESSION_H

#include "equations.h"
#include "history.h"

enum {
    ABSENT = -1, /* the level of a position outside the tile */
    LARGEST = 127,
    UNIT_SHIFT = 11,
    STEPS_BETWEEN_SOLUTIONS = 8,
};

static const struct {
    int row, column;
} neighbours[NUM_NEIGHBOURS] = {{0, -1}, {-1, 0}, {-1, 1}, {-1, -1}, {0, -2}, {-2, 0}, {-1, -2}, {-2, -1}, {-2, 1}};

typedef struct {
    History errors, levels;
    int16_t *columns; /* (MOST + FOUR, pitch): regressors, then errors of a wavefront, each with VECTOR zeros behind */
    ptrdiff_t pitch;
    int has_bands, band_rows, num_bands;
    Equations (*bands)[3]; /* of each band's channels */
    Equations all[3];      /* their sums; zeros if there are no bands */
} Regression;

static void regression_free(Regression *regression)
{
    free(regression->errors.values);
    free(regression->levels.values);
    free(regression->columns);
    free(regression->bands);
    free(regression);
}

static Regression *regression_new(const Tile *tile, int band_rows)
{
    Regression *regression = calloc(1, sizeof *regression);
    if (!regression)
        return NULL;
    regression->pitch = tile->height + VECTOR;
    regression->columns = calloc((MOST + FOUR) * (size_t)regression->pitch, sizeof *regression->columns);
    regression->has_bands = band_rows > 0;
    regression->band_rows = band_rows ? band_rows : tile->height;
    regression->num_bands = (tile->height + regression->band_rows - 1) / regression->band_rows;
    regression->bands = calloc((size_t)regression->num_bands, sizeof *regression->bands);
    if (regression->columns && regression->bands && history_open(&regression->errors, tile, 0) &&
        history_open(&regression->levels, tile, ABSENT))
        return regression;
    regression_free(regression);
    return NULL;
}

static int band_of(const Regression *regression, int row)
{
    return row / regression->band_rows;
}

INLINE const int16_t *neighbour_at(const History *history, int channel, int neighbour, int step, int row)
{
    const int back = neighbours[neighbour].column + 2 * neighbours[neighbour].row;
    return history_at(history, channel, step + back, row + neighbours[neighbour].row);
}

/* Go on to the pixels of a wavefront, which lie in consecutive rows. */
static void regression_begin(Regression *regression, const Tile *tile, int step, int row, int num_lanes)
{
    history_close_row(&regression->errors, tile, step);
    history_close_row(&regression->levels, tile, step);
    for (int i = 0; i < SHARED; i++)
        memcpy(regression->columns + i * regression->pitch, neighbour_at(&regression->errors, i % 3, i / 3, step, row),
               (size_t)num_lanes * sizeof *regression->columns);
    for (int i = 0; i < MOST + FOUR; i++)
        memset(regression->columns + i * regression->pitch + num_lanes, 0, VECTOR * sizeof *regression->columns);
}

/* Differences in sixteenths of a level, in units of the distributions' scales. */
INLINE Lanes scaled(Lanes difference, Lanes inverse_scale)
{
    return clamped((difference * inverse_scale + (1 << (UNIT_SHIFT - 1))) >> UNIT_SHIFT, -LARGEST, LARGEST);
}

/* Write the levels of the nearest neighbours, less what the pixel's is or, in the channel being coded, may be. */
INLINE void describe(const Regression *regression, const Part *part, int channel)
{
    const History *levels = &regression->levels;
    int16_t *column = regression->columns + SHARED * regression->pitch + part->first_lane;
    for (int other = channel; other >= 0; other--) {
        const Lanes own = LEVEL_STEPS * widened(history_at(levels, other, part->step, part->row));
        const Lanes level = other == channel ? part->mean : own;
        for (int i = 0; i < NUM_NEAREST; i++, column += regression->pitch) {
            const Lanes around = widened(neighbour_at(levels, other, i, part->step, part->row));
            const Lanes difference = (LEVEL_STEPS * around - level) & (around != ABSENT);
            narrow(scaled(difference, part->inverse_scale), column, part->num_lanes);
        }
        if (other < channel) {
            memcpy(column, history_at(&regression->errors, other, part->step, part->row),
                   (size_t)part->num_lanes * sizeof *column);
            column += regression->pitch;
        }
    }
}

INLINE Lanes weighted_sum(const Regression *regression, const Part *part, int channel, int band)
{
    const int32_t *weights = regression->bands[band][channel].weights;
    const int16_t *column = regression->columns + part->first_lane;
    const int count = num_regressors(channel);
    Lanes sum = {0};
    for (int i = 0; i < count; i++, column += regression->pitch)
        sum += weights[i] * widened(column);
    return sum;
}

/* Return what to add to the means of a channel, in sixteenths of a level. Neighbouring pixels are of two bands at most. */
INLINE Lanes regression_shift(const Regression *regression, const Part *part, int channel)
{
    describe(regression, part, channel);
    const int band = band_of(regression, part->row), last = band_of(regression, part->row + part->num_lanes - 1);
    Lanes sum = weighted_sum(regression, part, channel, band);
    if (last != band) {
        const Lanes is_last = own_lane() >= last * regression->band_rows - part->row;
        sum = chosen(is_last, weighted_sum(regression, part, channel, last), sum);
    }
    return floor_quotient(sum >> (REGRESSION_WEIGHT_BITS - UNIT_SHIFT), part->inverse_scale);
}

/* Note the levels of the channel asked for last. */
INLINE void regression_see(Regression *regression, const Part *part, int channel, Lanes levels)
{
    const Lanes error = scaled(LEVEL_STEPS * levels - part->mean, part->inverse_scale);
    int16_t *column = regression->columns + num_regressors(channel) * regression->pitch + part->first_lane;
    narrow(levels, history_at(&regression->levels, channel, part->step, part->row), part->num_lanes);
    narrow(error, history_at(&regression->errors, channel, part->step, part->row), part->num_lanes);
    narrow(error, column, part->num_lanes);
}

/* Learn from all pixels of a wavefront. */
static void regression_learn(Regression *regression, const Wave *wave, int channel)
{
    for (int lane = 0; lane < wave->lanes;) {
        const int band = band_of(regression, wave->first_row + lane);
        const int next = (band + 1) * regression->band_rows - wave->first_row;
        const int is_last = next >= wave->lanes; /* zeros follow, and whole vectors are faster */
        const int end = is_last ? (wave->lanes + VECTOR - 1) / VECTOR * VECTOR : next;
        learn(regression->bands[band] + channel, regression->columns + lane, regression->pitch, end - lane, channel);
        lane = end;
    }
}

static void sum_bands(Regression *regression, int num_channels)
{
    memset(regression->all, 0, sizeof regression->all);
    for (int band = 0; band < regression->num_bands; band++)
        for (int channel = 0; channel < num_channels; channel++)
            add_equations(regression->all + channel, regression->bands[band] + channel, channel);
}

/* Solve for the bands that have pixels in the steps until this is done again. */
static void solve_bands(Regression *regression, const Tile *tile, int step, int num_channels)
{
    const int first = step + 2 - tile->width > 0 ? (step + 3 - tile->width) / 2 : 0;
    const int reached = (step + STEPS_BETWEEN_SOLUTIONS) / 2;
    const int last = reached < tile->height ? reached : tile->height - 1;
    for (int band = band_of(regression, first); band <= band_of(regression, last); band++)
        for (int channel = 0; channel < num_channels; channel++)
            solve(regression->bands[band], regression->all, channel);
}

static void regression_end_step(Regression *regression, const Tile *tile, int step, int num_channels)
{
    if (step % STEPS_BETWEEN_SOLUTIONS != STEPS_BETWEEN_SOLUTIONS - 1)
        return;
    if (regression->has_bands)
        sum_bands(regression, num_channels);
    solve_bands(regression, tile, step, num_channels);
    for (int band = 0; band < regression->num_bands; band++)
        for (int channel = 0; channel < num_channels; channel++)
            forget(regression->bands[band] + channel);
}

#endif
