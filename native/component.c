/* What is known of a component while it is coded. Mirrors pixelzip/jpeg/surroundings.py. */

#include "levels.h"

#include <stdlib.h>
#include <string.h>

enum { WINDOW_LENGTH = 10, RECENT_LENGTH = 3, LARGEST_GUESS = 1000, ONE_HOT = 64 };

/* Write eight times the weighted mean of magnitudes of coefficients, in steps of the coded frequency; own ones if there are
   no others. */
static void measure(const Component *component, const int32_t *coefficients, const int32_t *weights, int32_t *result)
{
    const Known *known = &component->known;
    const ptrdiff_t size = known->size;
    int32_t total = 0;
    memset(result, 0, (size_t)size * sizeof *result);
    for (int number = 1; number < NUM_FREQUENCIES; number++) {
        const int32_t weight = weights[number], step = known->steps[number];
        total += weight;
        for (ptrdiff_t i = 0; weight && !coefficients && i < size; i++)
            result[i] += weight * abs(known->levels[number * size + i] * step);
        for (ptrdiff_t i = 0; weight && coefficients && i < size; i++)
            result[i] += weight * abs(coefficients[number * size + i]);
    }
    const double divisor = (double)(total ? total : 1) * known->steps[known->number];
    for (ptrdiff_t i = 0; i < size; i++)
        result[i] = (int32_t)(8 * result[i] / divisor); /* rounded right: numbers below 2^53, and neither is negative */
}

/* Return what stands at a row and column of a grid, 0 outside of it. */
static inline int64_t at(const int64_t *grid, const Component *component, int row, int column)
{
    const int is_there = row >= 0 && row < component->rows + 2 && column >= 0 && column < component->columns + 2;
    return is_there ? grid[row * (ptrdiff_t)(component->columns + 2) + column] : 0;
}

static int64_t blurred(const int64_t *grid, const Component *component, int row, int column)
{
    return 2 * at(grid, component, row, column) + at(grid, component, row, column - 1) + at(grid, component, row, column + 1) +
           at(grid, component, row - 1, column) + at(grid, component, row + 1, column);
}

/* Take note of another component's coefficients and, by what they and these were until now, of a guess. */
static void compare(const Component *component, const Other *other, const int32_t *around, int32_t *planes)
{
    const Known *known = &component->known;
    const ptrdiff_t size = known->size;
    const int32_t step = known->steps[known->number], *values = other->coefficients + known->number * size;
    measure(component, other->coefficients, around, planes + size);
    for (ptrdiff_t i = 0; i < size; i++) {
        planes[i] = (int32_t)floor_divided(4 * (int64_t)values[i], step);
        planes[2 * size + i] = 0;
        if (values[i]) {
            const int row = (int)(i / (component->columns + 2)), column = (int)(i % (component->columns + 2));
            const int64_t divisor = (blurred(other->squares, component, row, column) + 4 * (int64_t)step * step) * step;
            const int64_t guess = floor_divided(4 * blurred(other->products, component, row, column) * values[i], divisor);
            planes[2 * size + i] = (int32_t)(guess < -LARGEST_GUESS ? -LARGEST_GUESS : guess > LARGEST_GUESS ? LARGEST_GUESS : guess);
        }
    }
}

/* Sum what stands two rows or columns away. */
static void spread(const Component *component, const int32_t *busy, int32_t *far)
{
    const int rows = component->rows + 2, columns = component->columns + 2;
    for (int row = 0; row < rows; row++)
        for (int column = 0; column < columns; column++) {
            const int32_t *here = busy + row * (ptrdiff_t)columns + column;
            far[here - busy] = (row >= 2 ? here[-2 * columns] : 0) + (row + 2 < rows ? here[2 * columns] : 0) +
                               (column >= 2 ? here[-2] : 0) + (column + 2 < columns ? here[2] : 0);
        }
}

/* Add the magnitudes of a frequency's levels. */
static void add_magnitudes(const Component *component, int number, int sign, int32_t *sums)
{
    const int16_t *levels = component->levels + number * component->known.size;
    for (ptrdiff_t i = 0; i < component->known.size; i++)
        sums[i] += sign * abs(levels[i]);
}

/* Take note of all that the levels of earlier frequencies say about those of one. */
void component_begin(Component *component, int number)
{
    Known *known = &component->known;
    const ptrdiff_t size = known->size;
    const int32_t *numbers = component->frequencies + number * NUM_NUMBERS;
    known->number = number, known->row = numbers[1], known->column = numbers[2], known->above = numbers[3], known->left = numbers[4];
    memcpy(known->own, numbers + 5, sizeof known->own);
    component->num_known = 0;
    if (number == 0)
        return;
    int32_t *planes = component->planes;
    memset(planes + KNOWN * size, 0, (size_t)size * sizeof *planes);
    measure(component, NULL, component->before + number * NUM_FREQUENCIES, planes + BUSY * size);
    spread(component, planes + BUSY * size, planes + FAR * size);
    if (number > WINDOW_LENGTH + 1)
        add_magnitudes(component, number - WINDOW_LENGTH - 1, -1, planes + WINDOW * size);
    memset(planes + RECENT * size, 0, (size_t)size * sizeof *planes);
    for (int other = number > RECENT_LENGTH ? number - RECENT_LENGTH : 1; other < number; other++)
        add_magnitudes(component, other, 1, planes + RECENT * size);
    for (int i = 0; i < NUM_OTHERS; i++)
        if (component->others[i].coefficients)
            compare(component, component->others + i, component->around + number * NUM_FREQUENCIES,
                    planes + (i ? LUMA : EARLIER) * size);
}

/* Return four times the binary logarithm of one more than 4096 times a mean, rounded down: at most 127. */
static int8_t mean(int64_t total, int64_t count)
{
    static const uint64_t quarters[] = {5484249825272419511, 6521908912666391106, 7755900482342532474}; /* 2^(62 + k / 4) */
    const uint64_t value = 1 + (uint64_t)(4096 * total / count);
    int exponent = 0;
    while (exponent < 62 && value >> (exponent + 1))
        exponent++;
    int result = 4 * exponent;
    for (int k = 0; k < 3; k++)
        result += value << (62 - exponent) > quarters[k];
    return (int8_t)(result < 127 ? result : 127);
}

void component_share(const Component *component, int phase, int8_t *shared)
{
    const Known *known = &component->known;
    const int32_t *steps = known->steps, number = known->number, told[] = {steps[number], steps[0], steps[5]};
    memset(shared, 0, NUM_SHARED);
    shared[component->kind] = shared[3 + phase] = ONE_HOT;
    for (int i = 0; i < 3; i++)
        shared[7 + i] = known->companded[LARGEST + (told[i] < LARGEST ? told[i] : LARGEST)];
    shared[10] = (int8_t)(ONE_HOT * (component->num_covered - 1) / 3);
    if (number == 0)
        return;
    const int64_t count = (int64_t)component->rows * component->columns;
    const int32_t near[] = {known->above, known->left, number - 1};
    for (int i = 0; i < 3; i++)
        if (near[i] > 0 && near[i] < NONE)
            shared[11 + i] = mean(component->sums[near[i]] * steps[near[i]] / steps[number], count);
    if (component->num_known)
        shared[14] = mean(component->sums[number], component->num_known);
    if (component->others[0].coefficients)
        shared[15] = mean(component->others[0].sums[number] / steps[number], count);
    int64_t total = 0;
    for (int other = 0; other < number; other++)
        total += component->sums[other];
    shared[16] = mean(total, count);
}

/* Add a coefficient to what a block has at its edges and, without the mean, to sums of its levels. */
static void add_level(const Known *known, ptrdiff_t place, int32_t level, int32_t *planes)
{
    const ptrdiff_t size = known->size;
    int32_t *here = planes + place;
    for (int side = 0; side < 4; side++) {
        const int along = side < 2 ? known->column : known->row, across = side < 2 ? known->row : known->column;
        const int32_t coefficient = (side % 2 && across % 2 ? -level : level) * known->steps[known->number];
        here[(EDGES + SIDE * side + along) * size] += coefficient * edge_of[across];
        here[(SLOPES + SIDE * side + along) * size] += coefficient * slope_of[across];
    }
    if (known->number) {
        here[TOTAL * size] += abs(level);
        here[WINDOW * size] += abs(level);
        here[KNOWN * size] = 1;
    }
}

static void relate(const Other *other, ptrdiff_t place, ptrdiff_t theirs_at, int64_t coefficient)
{
    const int64_t theirs = other->coefficients[theirs_at];
    other->products[place] += coefficient * theirs;
    other->squares[place] += theirs * theirs;
}

/* Take note of levels that are known now. */
void component_learn(Component *component, const int64_t *places, size_t count, const int32_t *expected)
{
    const Known *known = &component->known;
    const ptrdiff_t first = known->number * known->size;
    for (size_t i = 0; i < count; i++) {
        const ptrdiff_t place = (ptrdiff_t)places[i];
        const int32_t level = component->levels[first + place];
        add_level(known, place, level, component->planes);
        if (known->number == 0) {
            component->planes[ERRORS * known->size + place] = level - expected[i];
            continue;
        }
        component->sums[known->number] += abs(level);
        for (int other = 0; other < NUM_OTHERS; other++)
            if (component->others[other].coefficients)
                relate(component->others + other, place, first + place, (int64_t)level * known->steps[known->number]);
    }
    component->num_known += (int64_t)count;
}
