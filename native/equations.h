/* A part of stage 5: the sums of a least-squares problem in whole numbers, and its solution in weights.

   Sums are exact in any order. The equations are solved in doubles in a fixed order, one IEEE operation after another:
   nothing may fuse, hence -ffp-contract=off. */

#ifndef PIXELZIP_EQUATIONS_H
#define PIXELZIP_EQUATIONS_H

#include "lanes.h"

#include <float.h>

_Static_assert(FLT_EVAL_METHOD == 0, "doubles must be computed as doubles");

enum {
    NUM_NEIGHBOURS = 9,
    NUM_NEAREST = 6,             /* the first of them, whose levels count and not only their errors */
    SHARED = 3 * NUM_NEIGHBOURS, /* regressors that all channels of a pixel have, the first ones */
    MOST = SHARED + NUM_NEAREST + 2 * (1 + NUM_NEAREST),
    FOUR = 4,                    /* columns whose products with another are added together */
    REGRESSION_WEIGHT_BITS = 12,
    LARGEST_WEIGHT = 32767,
    RIDGE = 1 << 18,
    FORGET_SHIFT = 3, /* of the sums, at each solution */
};

#define SHARE_OF_ALL 0.125 /* of the sums of all bands, in the equations of each */

/* Normal equations of one channel, upper triangle; the products of shared regressors are in those of the first. */
typedef struct {
    int64_t products[MOST][MOST + FOUR]; /* with regressors, then with the error; what follows means nothing */
    int32_t weights[MOST];
} Equations;

static int num_regressors(int channel)
{
    return SHARED + NUM_NEAREST + channel * (1 + NUM_NEAREST);
}

/* Add the sums of a column's products with four others, which lie one pitch apart. */
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

/* Add the products of some pixels' regressors, which lie one pitch apart, with one another and with the error after them. */
static void learn(Equations *equations, const int16_t *columns, ptrdiff_t pitch, ptrdiff_t lanes, int channel)
{
    const int count = num_regressors(channel), first_own = channel ? SHARED : 0;
    for (int i = 0; i < count; i++)
        for (int j = i > first_own ? i : first_own; j <= count; j += FOUR)
            add_products(columns + i * pitch, columns + j * pitch, pitch, lanes, equations->products[i] + j);
}

/* Gaussian elimination in the upper triangle, without exchanges: no pivot is below the ridge, but for rounding. */
static void eliminate(double matrix[MOST][MOST + 1], double *solution, int count)
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

/* Find the weights of a channel. `all` are the sums of all bands, or nothing but zeros. */
static void solve(Equations equations[3], const Equations all[3], int channel)
{
    const int count = num_regressors(channel);
    double matrix[MOST][MOST + 1], solution[MOST];
    for (int i = 0; i < count; i++) {
        for (int j = i; j <= count; j++) {
            const int holder = j < SHARED ? 0 : channel;
            const double share = SHARE_OF_ALL * (double)all[holder].products[i][j];
            matrix[i][j] = (double)equations[holder].products[i][j] + share;
        }
        matrix[i][i] += RIDGE;
        solution[i] = matrix[i][count];
    }
    eliminate(matrix, solution, count);
    for (int i = 0; i < count; i++)
        equations[channel].weights[i] = rounded_weight(solution[i]);
}

static void add_equations(Equations *sum, const Equations *equations, int channel)
{
    const int count = num_regressors(channel);
    for (int i = 0; i < count; i++)
        for (int j = i; j <= count; j++)
            sum->products[i][j] += equations->products[i][j];
}

static void forget(Equations *equations)
{
    for (int i = 0; i < MOST; i++)
        for (int j = i; j < MOST + FOUR; j++)
            equations->products[i][j] -= equations->products[i][j] >> FORGET_SHIFT;
}

#endif
