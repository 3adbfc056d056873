/* A part of stage 5: what neighbours say about a sub-pixel's mean beyond the network. Mirrors pixelzip/regression.py.

   Regressors and errors are whole numbers in -127..127, so sums of their products are exact in any order. The equations
   are solved in doubles in a fixed order, one IEEE operation after another: nothing may fuse, hence -ffp-contract=off. */

#include "pixelzip.h"

#include <float.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(FLT_EVAL_METHOD == 0, "doubles must be computed as doubles");

enum {
    NUM_NEIGHBOURS = 9,
    NUM_NEAREST = 6,             /* the first of them, whose levels count and not only their errors */
    SHARED = 3 * NUM_NEIGHBOURS, /* regressors that all channels of a pixel have, the first ones */
    MOST = SHARED + NUM_NEAREST + 2 * (1 + NUM_NEAREST),
    PADDED = 48, /* what is more than MOST has a weight of zero */
    LARGEST = 127,
    UNIT_SHIFT = 11,
    WEIGHT_BITS = 12,
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
    int64_t products[MOST][MOST], with_error[MOST];
    int16_t weights[PADDED];
} Equations;

/* One pixel of a wavefront. */
typedef struct {
    ptrdiff_t place, neighbours[NUM_NEIGHBOURS]; /* index of their first channel; -1: outside the tile */
    int32_t mean, inverse_scale;                 /* of the channel's mixture, before it is moved */
    int16_t regressors[PADDED];                  /* of the channel */
} Place;

struct Regression {
    const Tile *tile;
    int8_t *errors;          /* (height, width, 3) */
    Place *places;           /* (height,) */
    int16_t *columns;        /* (MOST + 1, pitch): regressors and, last, errors of a wavefront, then at least GROUP zeros */
    ptrdiff_t pitch;
    Equations equations[3];
};

Regression *regression_new(const Tile *tile)
{
    Regression *regression = calloc(1, sizeof *regression);
    if (!regression)
        return NULL;
    const size_t height = (size_t)tile->height, pitch = height + GROUP;
    regression->tile = tile;
    regression->pitch = (ptrdiff_t)pitch;
    regression->errors = calloc(3 * height * (size_t)tile->width, sizeof *regression->errors);
    regression->places = calloc(height, sizeof *regression->places);
    regression->columns = calloc((MOST + 1) * pitch, sizeof *regression->columns);
    if (regression->errors && regression->places && regression->columns)
        return regression;
    regression_free(regression);
    return NULL;
}

void regression_free(Regression *regression)
{
    free(regression->errors);
    free(regression->places);
    free(regression->columns);
    free(regression);
}

static int num_regressors(int channel)
{
    return SHARED + NUM_NEAREST + channel * (1 + NUM_NEAREST);
}

void regression_begin(Regression *regression, int lane, int row, int column)
{
    const int width = regression->tile->width;
    Place *place = regression->places + lane;
    place->place = 3 * ((ptrdiff_t)row * width + column);
    for (int i = 0; i < NUM_NEIGHBOURS; i++) {
        const int other_row = row + neighbours[i].row, other_column = column + neighbours[i].column;
        const int is_inside = other_row >= 0 && other_column >= 0 && other_column < width;
        place->neighbours[i] = is_inside ? 3 * ((ptrdiff_t)other_row * width + other_column) : -1;
        for (int channel = 0; channel < 3; channel++)
            place->regressors[3 * i + channel] = is_inside ? regression->errors[place->neighbours[i] + channel] : 0;
    }
}

/* A difference in sixteenths of a level, in units of the distribution's scale. */
static int16_t scaled(int32_t difference, int32_t inverse_scale)
{
    const int32_t units = (difference * inverse_scale + (1 << (UNIT_SHIFT - 1))) >> UNIT_SHIFT;
    return (int16_t)(units < -LARGEST ? -LARGEST : units > LARGEST ? LARGEST : units);
}

/* Add the levels of the nearest neighbours, less what the pixel's is or, in the channel being coded, may be. */
static void describe(const Regression *regression, Place *place, int channel)
{
    const uint8_t *pixels = regression->tile->pixels;
    int16_t *regressor = place->regressors + SHARED;
    for (int other = channel; other >= 0; other--) {
        const int32_t level = other == channel ? place->mean : LEVEL_STEPS * pixels[place->place + other];
        for (int i = 0; i < NUM_NEAREST; i++) {
            const ptrdiff_t neighbour = place->neighbours[i];
            const int32_t difference = neighbour < 0 ? 0 : LEVEL_STEPS * pixels[neighbour + other] - level;
            *regressor++ = scaled(difference, place->inverse_scale);
        }
        if (other < channel)
            *regressor++ = regression->errors[place->place + other];
    }
}

static int32_t floor_quotient(int32_t dividend, int32_t divisor)
{
    return dividend / divisor - (dividend % divisor < 0);
}

int32_t regression_shift(Regression *regression, int lane, int channel, int32_t mean, int32_t inverse_scale)
{
    Place *place = regression->places + lane;
    const int16_t *weights = regression->equations[channel].weights;
    int32_t sum = 0;
    place->mean = mean;
    place->inverse_scale = inverse_scale;
    describe(regression, place, channel);
    for (int i = 0; i < PADDED; i++)
        sum += weights[i] * place->regressors[i];
    return floor_quotient(sum >> (WEIGHT_BITS - UNIT_SHIFT), inverse_scale);
}

void regression_see(Regression *regression, int lane, int channel, int level)
{
    const Place *place = regression->places + lane;
    const int count = num_regressors(channel);
    const int16_t error = scaled(LEVEL_STEPS * level - place->mean, place->inverse_scale);
    regression->errors[place->place + channel] = (int8_t)error;
    for (int i = 0; i < count; i++)
        regression->columns[i * regression->pitch + lane] = place->regressors[i];
    regression->columns[count * regression->pitch + lane] = error;
}

/* Lanes are a multiple of GROUP. */
static int64_t sum_of_products(const int16_t *one, const int16_t *other, ptrdiff_t lanes)
{
    enum { BLOCK = 1 << 16 }; /* lanes whose sum fits 32 bits */
    int64_t total = 0;
    for (ptrdiff_t first = 0; first < lanes; first += BLOCK) {
        const ptrdiff_t last = lanes - first < BLOCK ? lanes : first + BLOCK;
        int32_t sum = 0;
        for (ptrdiff_t lane = first; lane < last; lane++)
            sum += one[lane] * other[lane];
        total += sum;
    }
    return total;
}

void regression_learn(Regression *regression, int channel, int num_lanes)
{
    const ptrdiff_t pitch = regression->pitch, lanes = (num_lanes + GROUP - 1) / GROUP * GROUP;
    const int count = num_regressors(channel), first_own = channel ? SHARED : 0;
    const int16_t *columns = regression->columns, *errors = columns + count * pitch;
    Equations *equations = regression->equations + channel;
    for (int i = 0; i <= count; i++)
        memset(regression->columns + i * pitch + num_lanes, 0, GROUP * sizeof *columns);
    for (int i = 0; i < count; i++) {
        for (int j = i > first_own ? i : first_own; j < count; j++)
            equations->products[i][j] += sum_of_products(columns + i * pitch, columns + j * pitch, lanes);
        equations->with_error[i] += sum_of_products(columns + i * pitch, errors, lanes);
    }
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
    const double units = weight * (1 << WEIGHT_BITS) + 0.5;
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
        solution[i] = (double)equations->with_error[i];
    }
    eliminate(matrix, solution, count);
    for (int i = 0; i < count; i++)
        equations->weights[i] = rounded_weight(solution[i]);
}

static void forget(Equations *equations)
{
    for (int i = 0; i < MOST; i++) {
        for (int j = i; j < MOST; j++)
            equations->products[i][j] -= equations->products[i][j] >> FORGET_SHIFT;
        equations->with_error[i] -= equations->with_error[i] >> FORGET_SHIFT;
    }
}

void regression_end_step(Regression *regression, int step, int num_channels)
{
    if (step % STEPS_BETWEEN_SOLUTIONS != STEPS_BETWEEN_SOLUTIONS - 1)
        return;
    for (int channel = 0; channel < num_channels; channel++)
        solve(regression, channel);
    for (int channel = 0; channel < num_channels; channel++)
        forget(regression->equations + channel);
}
