/* What networks with surroundings are told of all frequencies but the means. Mirrors _of_waves of
   pixelzip/jpeg/descriptions.py. */

#include "surroundings.h"

#include <stdlib.h>

enum { EVERY = 2 };

#define INLINE __attribute__((always_inline)) static inline

/* Every second block of a row, from a place on, and their values. */
typedef struct {
    const Known *known;
    ptrdiff_t place;
    int32_t values[NUM_VALUES][BLOCKS];
} Blocks;

/* What is divided by again and again, inverted: a frequency's step, and that times what edges and slopes are scaled by. */
typedef struct {
    double step, edge_across_rows, edge_across_columns, slope;
} Inverses;

INLINE const int32_t *plane(const Blocks *blocks, int row, ptrdiff_t offset)
{
    return blocks->known->planes + row * blocks->known->size + blocks->place + offset;
}

/* Take what a plane holds at the blocks, or so far away. */
INLINE void take(Blocks *blocks, int count, int feature, int row, ptrdiff_t offset)
{
    const int32_t *from = plane(blocks, row, offset);
    for (int i = 0; i < count; i++)
        blocks->values[feature][i] = from[EVERY * i];
}

INLINE void add(Blocks *blocks, int count, int feature, int row, int first, int last)
{
    for (int near = first; near < last; near++) {
        const int32_t *from = plane(blocks, row, blocks->known->near[near]);
        for (int i = 0; i < count; i++)
            blocks->values[feature][i] += from[EVERY * i];
    }
}

/* Add coefficients of another frequency, in quarters of this one's step, or subtract them. */
INLINE void scale(Blocks *blocks, int count, int feature, int number, ptrdiff_t offset, double inverse, int32_t sign)
{
    const Known *known = blocks->known;
    const int16_t *levels = known->levels + number * known->size + blocks->place + offset;
    const int32_t factor = UNIT * known->steps[number];
    for (int i = 0; i < count; i++)
        blocks->values[feature][i] += sign * quotient(factor * levels[EVERY * i], inverse);
}

/* The edge that blocks have in common with neighbours: above, below, left, right. */
INLINE void describe_side(Blocks *blocks, int count, int side, const Inverses *inverses)
{
    const Known *known = blocks->known;
    const int is_row = side < 2, along = is_row ? known->column : known->row, across = is_row ? known->row : known->column;
    const int before = is_row ? known->above : known->left, first = SIDE * (side ^ 1) + along;
    const int32_t sign = side % 2 && across % 2 ? -UNIT : UNIT;
    const double edge = is_row ? inverses->edge_across_rows : inverses->edge_across_columns;
    const ptrdiff_t near = known->near[side];
    const int32_t *theirs = plane(blocks, EDGES + first, near), *ours = plane(blocks, EDGES + SIDE * side + along, 0);
    const int32_t *are_inside = plane(blocks, INSIDE, near), *slopes = plane(blocks, SLOPES + first, near);
    for (int i = 0; i < count; i++) {
        const int32_t gap = theirs[EVERY * i] - ours[EVERY * i];
        blocks->values[19 + side][i] = quotient(sign * gap * are_inside[EVERY * i], edge);
        blocks->values[26 + side][i] = quotient(sign * slopes[EVERY * i], inverses->slope);
    }
    if (before != NONE)
        scale(blocks, count, 30 + side, before, near, inverses->step, 1);
    if (before == 0)
        scale(blocks, count, 30 + side, 0, 0, inverses->step, -1);
}

/* The same frequency of the blocks around, where it is known. */
INLINE void describe_same(Blocks *blocks, int count)
{
    const Known *known = blocks->known;
    for (int near = 0; near < NUM_NEAR; near++) {
        const int16_t *levels = known->levels + known->number * known->size + blocks->place + known->near[near];
        const int32_t *are_known = plane(blocks, KNOWN, known->near[near]);
        for (int i = 0; i < count; i++) {
            const int32_t same = UNIT * levels[EVERY * i] * are_known[EVERY * i];
            blocks->values[NUM_OWN + near][i] = same;
            blocks->values[34][i] += abs(same);
            blocks->values[35][i] += near < 4 ? same : 0;
        }
    }
}

INLINE int32_t floor_halved(int32_t value) { return (value - (value & 1)) / 2; }

INLINE void halve(Blocks *blocks, int count, int feature, int one, int other)
{
    for (int i = 0; i < count; i++)
        blocks->values[feature][i] = floor_halved(blocks->values[one][i] + blocks->values[other][i]);
}

INLINE void put(Blocks *blocks, int8_t *features)
{
    const int8_t *companded = blocks->known->companded + LARGEST;
    for (int feature = 0; feature < NUM_VALUES; feature++)
        for (int i = 0; i < BLOCKS; i++) {
            const int32_t value = blocks->values[feature][i];
            blocks->values[feature][i] = value < -LARGEST ? -LARGEST : value > LARGEST ? LARGEST : value;
        }
    for (ptrdiff_t feature = 0; feature < NUM_VALUES; feature++)
        for (ptrdiff_t i = 0; i < BLOCKS; i++)
            features[NUM_VALUES * i + feature] = companded[blocks->values[feature][i]];
}

INLINE void describe_run(Blocks *blocks, int count, const Inverses *inverses)
{
    const Known *known = blocks->known;
    for (int i = 0; i < NUM_OWN; i++)
        if (known->own[i] != NONE)
            scale(blocks, count, i, known->own[i], 0, inverses->step, 1);
    describe_same(blocks, count);
    for (int side = 0; side < 4; side++) {
        describe_side(blocks, count, side, inverses);
        take(blocks, count, 36 + side, BUSY, known->near[side]);
        take(blocks, count, 40 + side, RECENT, known->near[side]);
    }
    halve(blocks, count, 23, 19, 20);
    halve(blocks, count, 24, 21, 22);
    halve(blocks, count, 25, 23, 24);
    for (int i = 0; i < count; i++)
        blocks->values[35][i] = floor_halved(blocks->values[35][i]);
    add(blocks, count, 44, BUSY, 4, NUM_NEAR);
    add(blocks, count, 45, RECENT, 4, NUM_NEAR);
    add(blocks, count, 46, TOTAL, 0, 4);
    add(blocks, count, 47, EARLIER + 1, 0, 4);
    add(blocks, count, 48, LUMA + 1, 0, 4);
    for (int row = 0; row < KNOWN; row++)
        take(blocks, count, 49 + row, row, 0);
}

FOR_WIDER_TOO void describe_waves(const Known *known, int64_t place, int count, int8_t *features)
{
    const double step = known->steps[known->number];
    const Inverses inverses = {1 / step, 1 / (edge_of[known->row] * step), 1 / (edge_of[known->column] * step), 1 / (256 * step)};
    for (int done = 0, first; done < count; done += BLOCKS) {
        first = done + BLOCKS > count && count > BLOCKS ? count - BLOCKS : done; /* some twice, so that runs are whole */
        Blocks blocks = {known, (ptrdiff_t)place + EVERY * first, {{0}}};
        if (count < BLOCKS)
            describe_run(&blocks, count, &inverses);
        else
            describe_run(&blocks, BLOCKS, &inverses); /* a number that is known when this is compiled */
        put(&blocks, features + (ptrdiff_t)first * NUM_VALUES);
    }
}
