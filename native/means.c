/* What networks with surroundings are told of blocks' means. Mirrors _of_means of pixelzip/jpeg/descriptions.py. */

#include "surroundings.h"

#include <stdlib.h>

static inline int32_t at(const Known *known, int row, ptrdiff_t place) { return known->planes[row * known->size + place]; }

static inline int32_t level(const Known *known, ptrdiff_t place) { return known->levels[place]; }

/* Levels of blocks' means; places two rows above may be before the first. */
static inline int32_t mean_at(const Known *known, ptrdiff_t place, int32_t otherwise)
{
    return place >= 0 && at(known, INSIDE, place) ? level(known, place) : otherwise;
}

static int32_t describe_mean(const Known *known, ptrdiff_t place, double inverse, int8_t *features)
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
            values[16 + NUM_NEAR * which + i] = quotient(unit * gap, inverse);
        }
    }
    values[32] = at(known, ACTIVITY, place);
    values[33] = at(known, EARLIER_TOTAL, place);
    for (int i = 0; i < NUM_VALUES; i++)
        features[i] = known->companded[LARGEST + (values[i] < -LARGEST ? -LARGEST : values[i] > LARGEST ? LARGEST : values[i])];
    return expected;
}

void describe_means(const Known *known, const int64_t *places, size_t count, int8_t *features, int32_t *expected)
{
    for (size_t i = 0; i < count; i++)
        expected[i] = describe_mean(known, (ptrdiff_t)places[i], 1.0 / known->steps[0], features + i * NUM_VALUES);
}
