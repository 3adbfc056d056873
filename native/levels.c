/* A component's levels in the order of their stream. Mirrors pixelzip/jpeg/coder.py. */

#include "levels.h"

#include <stdlib.h>
#include <string.h>

enum { COEFFICIENT_LIMIT = 1 << 12, NUM_PHASES = 4 };

static const int phases[NUM_PHASES][2] = {{0, 0}, {1, 1}, {0, 1}, {1, 0}}; /* row and column of a block, modulo 2 */

/* What is coded together: places, and what is done with them. */
typedef struct {
    int64_t *places;
    int8_t *features;
    int32_t *expected, *values, *bias;
    size_t count, rows; /* so many places each row */
} Step;

/* Return the first layer's bias with what all share. */
static const int32_t *biased(const Component *component, int phase, int32_t *bias)
{
    const Group *group = component->groups + component->known.number;
    int8_t shared[NUM_SHARED];
    component_share(component, phase, shared);
    for (int output = 0; output < group->network->layers[0].num_outputs; output++) {
        bias[output] = group->bias[output];
        for (int i = 0; i < NUM_SHARED; i++)
            bias[output] += group->shared_weight[output * NUM_SHARED + i] * shared[i];
    }
    return bias;
}

static void describe(const Known *known, const Step *step)
{
    if (known->number == 0) {
        describe_means(known, step->places, step->count, step->features, step->expected);
        return;
    }
    const size_t each = step->count / step->rows;
    for (size_t first = 0; first < step->count; first += each)
        describe_waves(known, step->places[first], (int)each, step->features + first * NUM_VALUES);
    memset(step->expected, 0, step->count * sizeof *step->expected);
}

static WalkResult code(Component *component, const Step *step, int phase, LevelCoder *coder)
{
    const Known *known = &component->known;
    int16_t *levels = component->levels + known->number * known->size;
    describe(known, step);
    for (size_t i = 0; i < step->count; i++)
        step->values[i] = levels[step->places[i]] - step->expected[i];
    const TokenCall call = {component->groups[known->number].network, biased(component, phase, step->bias), step->features,
                            NUM_VALUES, NUM_LEVEL_TOKENS, step->count};
    if (!exchange(coder, &call, component->num_bits + (known->number ? NUM_BINS : 0), step->values))
        return WALK_NO_MEMORY;
    for (size_t i = 0; i < step->count; i++) {
        const int32_t level = step->expected[i] + step->values[i];
        if (abs(level * known->steps[known->number]) > COEFFICIENT_LIMIT)
            return WALK_IMPOSSIBLE;
        levels[step->places[i]] = (int16_t)level;
    }
    component_learn(component, step->places, step->count, step->expected);
    return WALK_DONE;
}

/* Find the places of a wavefront of means, or of a phase of any other frequency. */
static void find_wave(const Component *component, int number, Step *step)
{
    const int rows = component->rows, columns = component->columns;
    step->count = 0;
    for (int row = number < columns ? 0 : (number - columns + 2) / 2; row < rows && 2 * row <= number; row++)
        step->places[step->count++] = (row + 1) * (int64_t)(columns + 2) + number - 2 * row + 1;
}

static void find_phase(const Component *component, int phase, Step *step)
{
    step->count = step->rows = 0;
    for (int row = phases[phase][0]; row < component->rows; row += 2, step->rows++)
        for (int column = phases[phase][1]; column < component->columns; column += 2)
            step->places[step->count++] = (row + 1) * (int64_t)(component->columns + 2) + column + 1;
}

static WalkResult walk(Component *component, Step *step, LevelCoder *coder)
{
    WalkResult result = WALK_DONE;
    component_begin(component, 0);
    for (int number = 0; result == WALK_DONE && number < component->columns + 2 * (component->rows - 1); number++) {
        find_wave(component, number, step);
        result = code(component, step, 0, coder);
    }
    for (int number = 1; result == WALK_DONE && number <= component->last; number++) {
        component_begin(component, number);
        for (int phase = 0; result == WALK_DONE && phase < NUM_PHASES; phase++) {
            find_phase(component, phase, step);
            if (step->count)
                result = code(component, step, phase, coder);
        }
    }
    return result;
}

/* Code a component's levels, or fill them in. */
WalkResult walk_levels(Component *component, LevelCoder *coder)
{
    const Network *network = component->groups[0].network;
    const size_t most = (size_t)component->rows * (size_t)component->columns, outputs = (size_t)network->layers[0].num_outputs;
    Step step = {malloc(most * sizeof *step.places), malloc((most + BLOCKS) * NUM_VALUES), malloc(most * sizeof *step.expected),
                 malloc(most * sizeof *step.values), malloc(outputs * sizeof *step.bias), 0, 0};
    WalkResult result = WALK_NO_MEMORY;
    if (step.places && step.features && step.expected && step.values && step.bias && level_coder_open(coder, network, most))
        result = walk(component, &step, coder);
    free(step.places);
    free(step.features);
    free(step.expected);
    free(step.values);
    free(step.bias);
    return result;
}
