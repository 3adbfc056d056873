/* What networks with surroundings are told of all frequencies but the means. Mirrors _of_waves of
   pixelzip/jpeg/descriptions.py. */

#include "surroundings.h"

#include <stdlib.h>

enum { BLOCKS = 16, EVERY = 2 }; /* as vectors want them */

#define INLINE __attribute__((always_inline)) static inline

/* Every second block of a row, from a place on, and their values. */
typedef struct {
    const Known *known;
    ptrdiff_t place;
    int count;
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
INLINE void take(Blocks *blocks, int feature, int row, ptrdiff_t offset)
{
    const int32_t *from = plane(blocks, row, offset);
    for (int i = 0; i < blocks->count; i++)
        blocks->values[feature][i] = from[EVERY * i];
}

INLINE void add(Blocks *blocks, int feature, int row, int first, int last)
{
    for (int near = first; near < last; near++) {
        const int32_t *from = plane(blocks, row, blocks->known->near[near]);
        for (int i = 0; i < blocks->count; i++)
            blocks->values[feature][i] += from[EVERY * i];
    }
}

/* Add coefficients of another frequency, in quarters of this one's step, or subtract them. */
INLINE void scale(Blocks *blocks, int feature, int number, ptrdiff_t offset, double inverse, int32_t sign)
{
    const Known *known = blocks->known;
    const int16_t *levels = known->levels + number * known->size + blocks->place + offset;
    const int32_t factor = UNIT * known->steps[number];
    for (int i = 0; i < blocks->count; i++)
        blocks->values[feature][i] += sign * quotient(factor * levels[EVERY * i], inverse);
}

/* The edge that blocks have in common with neighbours: above, below, left, right. */
INLINE void describe_side(Blocks *blocks, int side, const Inverses *inverses)
{
    const Known *known = blocks->known;
    const int is_row = side < 2, along = is_row ? known->column : known->row, across = is_row ? known->row : known->column;
    const int before = is_row ? known->above : known->left, first = SIDE * (side ^ 1) + along;
    const int32_t sign = side % 2 && across % 2 ? -UNIT : UNIT;
    const double edge = is_row ? inverses->edge_across_rows : inverses->edge_across_columns;
    const ptrdiff_t near = known->near[side];
    const int32_t *theirs = plane(blocks, EDGES + first, near), *ours = plane(blocks, EDGES + SIDE * side + along, 0);
    const int32_t *are_inside = plane(blocks, INSIDE, near), *slopes = plane(blocks, SLOPES + first, near);
    for (int i = 0; i < blocks->count; i++) {
        const int32_t gap = theirs[EVERY * i] - ours[EVERY * i];
        blocks->values[19 + side][i] = quotient(sign * gap * are_inside[EVERY * i], edge);
        blocks->values[26 + side][i] = quotient(sign * slopes[EVERY * i], inverses->slope);
    }
    if (before != NONE)
        scale(blocks, 30 + side, before, near, inverses->step, 1);
    if (before == 0)
        scale(blocks, 30 + side, 0, 0, inverses->step, -1);
}

/* The same frequency of the blocks around, where it is known. */
INLINE void describe_same(Blocks *blocks)
{
    const Known *known = blocks->known;
    for (int near = 0; near < NUM_NEAR; near++) {
        const int16_t *levels = known->levels + known->number * known->size + blocks->place + known->near[near];
        const int32_t *are_known = plane(blocks, KNOWN, known->near[near]);
        for (int i = 0; i < blocks->count; i++) {
            const int32_t same = UNIT * levels[EVERY * i] * are_known[EVERY * i];
            blocks->values[NUM_OWN + near][i] = same;
            blocks->values[34][i] += abs(same);
            blocks->values[35][i] += near < 4 ? same : 0;
        }
    }
}

INLINE void halve(Blocks *blocks, int feature, int one, int other)
{
    for (int i = 0; i < blocks->count; i++)
        blocks->values[feature][i] = (int32_t)floor_divided((int64_t)blocks->values[one][i] + blocks->values[other][i], 2);
}

INLINE void put(Blocks *blocks, int8_t *features)
{
    const int8_t *companded = blocks->known->companded + LARGEST;
    for (int feature = 0; feature < NUM_VALUES; feature++)
        for (int i = 0; i < BLOCKS; i++) {
            const int32_t value = blocks->values[feature][i];
            blocks->values[feature][i] = value < -LARGEST ? -LARGEST : value > LARGEST ? LARGEST : value;
        }
    for (ptrdiff_t i = 0; i < blocks->count; i++)
        for (ptrdiff_t feature = 0; feature < NUM_VALUES; feature++)
            features[NUM_VALUES * i + feature] = companded[blocks->values[feature][i]];
}

INLINE void describe_run(Blocks *blocks, const Inverses *inverses)
{
    const Known *known = blocks->known;
    for (int i = 0; i < NUM_OWN; i++)
        if (known->own[i] != NONE)
            scale(blocks, i, known->own[i], 0, inverses->step, 1);
    describe_same(blocks);
    for (int side = 0; side < 4; side++) {
        describe_side(blocks, side, inverses);
        take(blocks, 36 + side, BUSY, known->near[side]);
        take(blocks, 40 + side, RECENT, known->near[side]);
    }
    halve(blocks, 23, 19, 20);
    halve(blocks, 24, 21, 22);
    halve(blocks, 25, 23, 24);
    for (int i = 0; i < blocks->count; i++)
        blocks->values[35][i] = (int32_t)floor_divided(blocks->values[35][i], 2);
    add(blocks, 44, BUSY, 4, NUM_NEAR);
    add(blocks, 45, RECENT, 4, NUM_NEAR);
    add(blocks, 46, TOTAL, 0, 4);
    add(blocks, 47, EARLIER + 1, 0, 4);
    add(blocks, 48, LUMA + 1, 0, 4);
    for (int row = 0; row < KNOWN; row++)
        take(blocks, 49 + row, row, 0);
}

FOR_WIDER_TOO void describe_waves(const Known *known, int64_t place, int count, int8_t *features)
{
    const double step = known->steps[known->number];
    const Inverses inverses = {1 / step, 1 / (edge_of[known->row] * step), 1 / (edge_of[known->column] * step), 1 / (256 * step)};
    for (int done = 0; done < count; done += BLOCKS) {
        Blocks blocks = {known, (ptrdiff_t)place + EVERY * done, count - done < BLOCKS ? count - done : BLOCKS, {{0}}};
        describe_run(&blocks, &inverses);
        put(&blocks, features + (ptrdiff_t)done * NUM_VALUES);
    }
}
