/* A part of stage 5: what neighbours say about a sub-pixel's mean beyond the network. Mirrors pixelzip/regression.py.

   Regressors and errors are whole numbers in -127..127, so sums of their products are exact in any order. The equations
   are solved in doubles in a fixed order, one IEEE operation after another: nothing may fuse, hence -ffp-contract=off. */

#ifndef PIXELZIP_REGRESSION_H
#define PIXELZIP_REGRESSION_H

#include "history.h"

#include <float.h>

_Static_assert(FLT_EVAL_METHOD == 0, "doubles must be computed as doubles");

enum {
    NUM_NEIGHBOURS = 9,
    NUM_NEAREST = 6,             /* the first of them, whose levels count and not only their errors */
    SHARED = 3 * NUM_NEIGHBOURS, /* regressors that all channels of a pixel have, the first ones */
    MOST = SHARED + NUM_NEAREST + 2 * (1 + NUM_NEAREST),
    FOUR = 4,                    /* columns whose products with another are added together */
    ABSENT = -1,                 /* the level of a position outside the tile */
    LARGEST = 127,
    UNIT_SHIFT = 11,
    REGRESSION_WEIGHT_BITS = 12,
    LARGEST_WEIGHT = 32767,
    RIDGE = 1 << 18,
    STEPS_BETWEEN_SOLUTIONS = 8,
    FORGET_SHIFT = 3, /* of the sums, at each solution */
};

static const struct {
    int row, column;
} neighbours[NUM_NEIGHBOURS] = {{0, -1}, {-1, 0}, {-1, 1}, {-1, -1}, {0, -2}, {-2, 0}, {-1, -2}, {-2, -1}, {-2, 1}};

/* Normal equations of one channel, upper triangle; the products of shared regressors are in those of the first. */
typedef struct {
    int64_t products[MOST][MOST + FOUR]; /* those with the error come after those with regressors; what follows means nothing */
    int32_t weights[MOST];
} Equations;

typedef struct {
    History errors, levels;
    int16_t *columns; /* (MOST + FOUR, pitch): regressors, then errors of a wavefront, each with VECTOR zeros behind */
    ptrdiff_t pitch;
    Equations equations[3];
} Regression;

static void regression_free(Regression *regression)
{
    free(regression->errors.values);
    free(regression->levels.values);
    free(regression->columns);
    free(regression);
}

static Regression *regression_new(const Tile *tile)
{
    Regression *regression = calloc(1, sizeof *regression);
    if (!regression)
        return NULL;
    regression->pitch = tile->height + VECTOR;
    regression->columns = calloc((MOST + FOUR) * (size_t)regression->pitch, sizeof *regression->columns);
    if (regression->columns && history_open(&regression->errors, tile, 0) &&
        history_open(&regression->levels, tile, ABSENT))
        return regression;
    regression_free(regression);
    return NULL;
}

static int num_regressors(int channel)
{
    return SHARED + NUM_NEAREST + channel * (1 + NUM_NEAREST);
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

/* Return what to add to the means of a channel, in sixteenths of a level. */
INLINE Lanes regression_shift(const Regression *regression, const Part *part, int channel)
{
    const int32_t *weights = regression->equations[channel].weights;
    const int16_t *column = regression->columns + part->first_lane;
    const int count = num_regressors(channel);
    Lanes sum = {0};
    describe(regression, part, channel);
    for (int i = 0; i < count; i++, column += regression->pitch)
        sum += weights[i] * widened(column);
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

/* Add the sums of a column's products with four others, which lie one pitch apart; there is a multiple of VECTOR lanes. */
INLINE void add_products(const int16_t *one, const int16_t *others, ptrdiff_t pitch, ptrdiff_t lanes, int64_t totals[FOUR])
{
    enum { BLOCK = 1 << 16 }; /* lanes whose sum fits 32 bits */
    const int16_t *second = others + pitch, *third = second + pitch, *fourth = third + pitch;
    for (ptrdiff_t first = 0; first < lanes; first += BLOCK) {
        const ptrdiff_t last = lanes - first < BLOCK ? lanes : first + BLOCK;
        int32_t a = 0, b = 0, c = 0, d = 0;
        for (ptrdiff_t lane = first; lane < last; lane++) {
            a += one[lane] * others[lane];
            b += one[lane] * second[lane];
            c += one[lane] * third[lane];
            d += one[lane] * fourth[lane];
        }
        totals[0] += a;
        totals[1] += b;
        totals[2] += c;
        totals[3] += d;
    }
}

/* Learn from all pixels of a wavefront. */
static void regression_learn(Regression *regression, int channel, int num_lanes)
{
    const ptrdiff_t pitch = regression->pitch, lanes = (num_lanes + VECTOR - 1) / VECTOR * VECTOR;
    const int count = num_regressors(channel), first_own = channel ? SHARED : 0;
    const int16_t *columns = regression->columns;
    Equations *equations = regression->equations + channel;
    for (int i = 0; i < count; i++)
        for (int j = i > first_own ? i : first_own; j <= count; j += FOUR)
            add_products(columns + i * pitch, columns + j * pitch, pitch, lanes, equations->products[i] + j);
}

/* Gaussian elimination in the upper triangle, without exchanges: no pivot is below the ridge, but for rounding. */
static void eliminate(double matrix[MOST][MOST], double *solution, int count)
{
    for (int k = 0; k < count; k++)
        for (int i = k + 1; i < count; i++) {
            const double factor = matrix[k][i] / matrix[k][k];
            for (int j = i; j < count; j++)
                matrix[i][j] -= factor * matrix[k][j];
            solution[i] -= factor * solution[k];
        }
    for (int k = count - 1; k >= 0; k--) {
        solution[k] /= matrix[k][k];
        for (int i = 0; i < k; i++)
            solution[i] -= matrix[i][k] * solution[k];
    }
}

/* Round half up. */
static int16_t rounded_weight(double weight)
{
    const double units = weight * (1 << REGRESSION_WEIGHT_BITS) + 0.5;
    if (units <= -LARGEST_WEIGHT)
        return -LARGEST_WEIGHT;
    if (units >= LARGEST_WEIGHT)
        return LARGEST_WEIGHT;
    const int32_t towards_zero = (int32_t)units;
    return (int16_t)(towards_zero - (units < towards_zero));
}

static void solve(Regression *regression, int channel)
{
    Equations *equations = regression->equations + channel;
    const int count = num_regressors(channel);
    double matrix[MOST][MOST], solution[MOST];
    for (int i = 0; i < count; i++) {
        for (int j = i; j < count; j++)
            matrix[i][j] = (double)(j < SHARED ? regression->equations : equations)->products[i][j];
        matrix[i][i] += RIDGE;
        solution[i] = (double)equations->products[i][count];
    }
    eliminate(matrix, solution, count);
    for (int i = 0; i < count; i++)
        equations->weights[i] = rounded_weight(solution[i]);
}

static void forget(Equations *equations)
{
    for (int i = 0; i < MOST; i++)
        for (int j = i; j < MOST + FOUR; j++)
            equations->products[i][j] -= equations->products[i][j] >> FORGET_SHIFT;
}

static void regression_end_step(Regression *regression, int step, int num_channels)
{
    if (step % STEPS_BETWEEN_SOLUTIONS != STEPS_BETWEEN_SOLUTIONS - 1)
        return;
    for (int channel = 0; channel < num_channels; channel++)
        solve(regression, channel);
    for (int channel = 0; channel < num_channels; channel++)
        forget(regression->equations + channel);
}

#endif
