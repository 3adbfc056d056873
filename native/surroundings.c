/* What networks with surroundings are told of coefficients. Mirrors pixelzip/jpeg/descriptions.py. */

#include "surroundings.h"

#include <stdlib.h>

enum { UNIT = 4 };

static const int32_t edge_of[SIDE] = {128, 181, 181, 181, 181, 181, 181, 181};
static const int32_t slope_of[SIDE] = {0, 27, 98, 186, 256, 278, 236, 136};

/* What is divided by again and again, inverted: a frequency's step, and that times what edges and slopes are scaled by. */
typedef struct {
    double step, edge_across_rows, edge_across_columns, slope;
} Inverses;

/* Round a quotient down: a half more than a whole number is so far from all multiples that rounding does not matter. */
static inline int32_t quotient(int32_t value, double inverse)
{
    return (int32_t)((value + 0.5) * inverse) - (value < 0);
}

static inline int32_t half(int32_t value) { return value / 2 - (value % 2 < 0); }

static inline int32_t at(const Known *known, int row, ptrdiff_t place) { return known->planes[row * known->size + place]; }

static inline int32_t level(const Known *known, int number, ptrdiff_t place)
{
    return known->levels[number * known->size + place];
}

static inline int32_t scaled(const Known *known, int number, ptrdiff_t place, const Inverses *inverses)
{
    return quotient(UNIT * level(known, number, place) * known->steps[number], inverses->step);
}

static inline int32_t around(const Known *known, int row, ptrdiff_t place, int first, int last)
{
    int32_t sum = 0;
    for (int i = first; i < last; i++)
        sum += at(known, row, place + known->near[i]);
    return sum;
}

static void put(const Known *known, const int32_t *values, int8_t *features)
{
    const int8_t *companded = known->companded;
    int16_t entries[NUM_VALUES];
    for (int i = 0; i < NUM_VALUES; i++) {
        const int32_t value = values[i] < -LARGEST ? -LARGEST : values[i] > LARGEST ? LARGEST : values[i];
        entries[i] = (int16_t)(value + LARGEST);
    }
    for (int i = 0; i < NUM_VALUES; i++)
        features[i] = companded[entries[i]];
}

/* The edge that a block has in common with a neighbour: above, below, left, right. */
static void describe_side(const Known *known, ptrdiff_t place, int side, const Inverses *inverses, int32_t *values)
{
    const int is_row = side < 2, along = is_row ? known->column : known->row, across = is_row ? known->row : known->column;
    const int before = is_row ? known->above : known->left, first = SIDE * (side ^ 1) + along;
    const int32_t sign = side % 2 && across % 2 ? -1 : 1;
    const double edge = is_row ? inverses->edge_across_rows : inverses->edge_across_columns;
    const ptrdiff_t other = place + known->near[side];
    const int32_t gap = at(known, EDGES + first, other) - at(known, EDGES + SIDE * side + along, place);
    values[19 + side] = quotient(UNIT * sign * gap * at(known, INSIDE, other), edge);
    values[26 + side] = quotient(UNIT * sign * at(known, SLOPES + first, other), inverses->slope);
    if (before != NONE)
        values[30 + side] = scaled(known, before, other, inverses) - (before ? 0 : scaled(known, 0, place, inverses));
}

static void describe_wave(const Known *known, ptrdiff_t place, const Inverses *inverses, int8_t *features)
{
    int32_t values[NUM_VALUES] = {0}, *same = values + NUM_OWN;
    for (int i = 0; i < NUM_OWN; i++)
        values[i] = known->own[i] == NONE ? 0 : scaled(known, known->own[i], place, inverses);
    for (int i = 0; i < NUM_NEAR; i++) {
        const ptrdiff_t other = place + known->near[i];
        same[i] = UNIT * level(known, known->number, other) * at(known, KNOWN, other);
        values[34] += abs(same[i]);
    }
    for (int side = 0; side < 4; side++) {
        describe_side(known, place, side, inverses, values);
        values[35] += same[side];
        values[36 + side] = at(known, BUSY, place + known->near[side]);
        values[40 + side] = at(known, RECENT, place + known->near[side]);
    }
    values[23] = half(values[19] + values[20]);
    values[24] = half(values[21] + values[22]);
    values[25] = half(values[23] + values[24]);
    values[35] = half(values[35]);
    values[44] = around(known, BUSY, place, 4, NUM_NEAR);
    values[45] = around(known, RECENT, place, 4, NUM_NEAR);
    values[46] = around(known, TOTAL, place, 0, 4);
    values[47] = around(known, EARLIER + 1, place, 0, 4);
    values[48] = around(known, LUMA + 1, place, 0, 4);
    for (int row = 0; row < KNOWN; row++)
        values[49 + row] = at(known, row, place);
    put(known, values, features);
}

/* Levels of blocks' means; places two rows above may be before the first. */
static inline int32_t mean_at(const Known *known, ptrdiff_t place, int32_t otherwise)
{
    return place >= 0 && at(known, INSIDE, place) ? level(known, 0, place) : otherwise;
}

static int32_t describe_mean(const Known *known, ptrdiff_t place, const Inverses *inverses, int8_t *features)
{
    int32_t values[NUM_VALUES] = {0};
    const ptrdiff_t up = place + known->near[0], left = place - 1;
    const int is_top = !at(known, INSIDE, up), is_left = !at(known, INSIDE, left);
    const int32_t west = mean_at(known, left, mean_at(known, up, 0)), north = mean_at(known, up, west);
    const int32_t northwest = is_top ? west : is_left ? north : mean_at(known, up - 1, 0);
    const int32_t northeast = mean_at(known, up + 1, north);
    const int32_t low = west < north ? west : north, high = west < north ? north : west, sum = west + north - northwest;
    const int32_t expected = sum < low ? low : sum > high ? high : sum;
    const int32_t levels[] = {west, north, northwest, northeast, is_left ? west : mean_at(known, left - 1, west),
                              mean_at(known, up + known->near[0], north),
                              mean_at(known, up + known->near[0] + 1, northeast)};
    for (int i = 0; i < 7; i++)
        values[i] = UNIT * (levels[i] - expected);
    const ptrdiff_t before[] = {left, up, up - 1, up + 1};
    for (int i = 0; i < 4; i++) {
        const int32_t error = at(known, ERRORS, before[i]);
        values[7 + i] = abs(error);
        values[11 + i] = UNIT * error;
    }
    values[15] = at(known, EARLIER_ERRORS, place);
    for (int i = 0; i < NUM_NEAR; i++) {
        const ptrdiff_t other = place + known->near[i];
        const int32_t unit = UNIT * at(known, INSIDE, other);
        for (int which = 0; which < 2; which++) {
            const int32_t gap = at(known, EARLIER_MEANS + which, place) - at(known, EARLIER_MEANS + which, other);
            values[16 + NUM_NEAR * which + i] = quotient(unit * gap, inverses->step);
        }
    }
    values[32] = at(known, ACTIVITY, place);
    values[33] = at(known, EARLIER_TOTAL, place);
    put(known, values, features);
    return expected;
}

void describe_levels(const Known *known, const int64_t *places, size_t count, int8_t *features, int32_t *expected)
{
    const double step = known->steps[known->number];
    const Inverses inverses = {1 / step, 1 / (edge_of[known->row] * step), 1 / (edge_of[known->column] * step), 1 / (256 * step)};
    for (size_t i = 0; i < count; i++, features += NUM_VALUES) {
        expected[i] = 0;
        if (known->number)
            describe_wave(known, (ptrdiff_t)places[i], &inverses, features);
        else
            expected[i] = describe_mean(known, (ptrdiff_t)places[i], &inverses, features);
    }
}

/* Take note of levels that are known now: learn in descriptions.py. */
void learn_levels(const Known *known, const int64_t *places, size_t count, int32_t *planes)
{
    const ptrdiff_t size = known->size;
    for (size_t i = 0; i < count; i++) {
        int32_t *here = planes + places[i];
        const int32_t magnitude = abs(level(known, known->number, places[i]));
        const int32_t coefficient = level(known, known->number, places[i]) * known->steps[known->number];
        for (int side = 0; side < 4; side++) {
            const int along = side < 2 ? known->column : known->row, across = side < 2 ? known->row : known->column;
            const int32_t turned = side % 2 && across % 2 ? -coefficient : coefficient;
            here[(EDGES + SIDE * side + along) * size] += turned * edge_of[across];
            here[(SLOPES + SIDE * side + along) * size] += turned * slope_of[across];
        }
        if (known->number) {
            here[TOTAL * size] += magnitude;
            here[WINDOW * size] += magnitude;
            here[KNOWN * size] = 1;
        }
    }
}
