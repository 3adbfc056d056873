/* Stage 4 of 7: pixels so far -> mixture parameters, one wavefront at a time. Mirrors pixelzip/predict.py.

   A layer's output is kept by wavefront and row: position (row, column) of wavefront t = column + 2 * row lies at
   [t % num_waves][1 + row]. Wavefronts of a tile hold one position of consecutive rows, so every tap of all of them is
   one run of memory. Row -1 and the columns -1 and `width` are zero, as positions outside the tile must be. */

#include "pixelzip.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static atomic_uint_least64_t inputs_time, layers_time, distribution_time;

static const struct {
    int row, wave;
} cone[MAX_TAPS] = {{-1, -3}, {-1, -2}, {-1, -1}, {0, -1}, {0, 0}};

struct Predictor {
    const Network *network;
    const Tile *tile;
    uint8_t **outputs;   /* of each layer: (num_waves, 1 + height, num_outputs) */
    uint8_t *inputs;     /* (height, num_inputs) */
    int32_t *parameters; /* (height + MOST_LANES, num_parameters) */
    int32_t (*guesses)[3]; /* (height + MOST_LANES,) */
};

static uint8_t *output_at(const Predictor *predictor, int layer, int wave, int row)
{
    const Layer *of = predictor->network->layers + layer;
    const int slot = (wave + NUM_WAVES) % of->num_waves;
    const ptrdiff_t place = (ptrdiff_t)slot * (1 + predictor->tile->height) + 1 + row;
    return predictor->outputs[layer] + place * of->num_outputs;
}

Predictor *predictor_new(const Network *network, const Tile *tile)
{
    Predictor *predictor = calloc(1, sizeof *predictor);
    if (!predictor)
        return NULL;
    const size_t height = (size_t)tile->height;
    const int last = network->num_layers - 1;
    predictor->network = network;
    predictor->tile = tile;
    predictor->outputs = calloc((size_t)network->num_layers, sizeof *predictor->outputs);
    predictor->inputs = calloc(height, (size_t)network->num_inputs);
    predictor->parameters = calloc(height + MOST_LANES, sizeof(int32_t) * (size_t)network->layers[last].num_outputs);
    predictor->guesses = calloc(height + MOST_LANES, sizeof *predictor->guesses);
    int is_whole = predictor->outputs && predictor->inputs && predictor->parameters && predictor->guesses;
    for (int layer = 0; is_whole && layer < last; layer++) {
        const Layer *of = network->layers + layer;
        predictor->outputs[layer] = calloc((size_t)of->num_waves * (1 + height), (size_t)of->num_outputs);
        is_whole = predictor->outputs[layer] != NULL;
    }
    if (is_whole)
        return predictor;
    predictor_free(predictor);
    return NULL;
}

void predictor_free(Predictor *predictor)
{
    for (int layer = 0; predictor->outputs && layer < predictor->network->num_layers; layer++)
        free(predictor->outputs[layer]);
    free(predictor->outputs);
    free(predictor->inputs);
    free(predictor->parameters);
    free(predictor->guesses);
    free(predictor);
}

static void compute_layer(Predictor *predictor, int index, const Wave *wave)
{
    const Layer *layer = predictor->network->layers + index;
    const uint8_t *taps[MAX_TAPS] = {predictor->inputs};
    for (int tap = 0; layer->source >= 0 && tap < layer->num_taps; tap++) {
        const int row = layer->num_taps > 1 ? cone[tap].row : 0, back = layer->num_taps > 1 ? cone[tap].wave : 0;
        taps[tap] = output_at(predictor, layer->source, wave->step + back, wave->first_row + row);
    }
    Target target = {NULL, NULL, predictor->parameters};
    if (!layer->is_head)
        target.activations = output_at(predictor, index, wave->step, wave->first_row);
    if (layer->residual >= 0)
        target.residual = output_at(predictor, layer->residual, wave->step, wave->first_row);
    const Network *network = predictor->network;
    (layer->is_depthwise ? network->depthwise : network->product)(layer, taps, wave->lanes, target);
}

/* Make the column after a row's last one zero: the row below reads it. */
static void close_row(Predictor *predictor, int step)
{
    const int beyond = step - predictor->tile->width;
    if (beyond < 0 || beyond % 2 || beyond / 2 >= predictor->tile->height)
        return;
    for (int layer = 0; layer < predictor->network->num_layers - 1; layer++) {
        const Layer *of = predictor->network->layers + layer;
        if (of->num_waves > 1)
            memset(output_at(predictor, layer, step, beyond / 2), 0, (size_t)of->num_outputs);
    }
}

uint64_t now(void)
{
    struct timespec time;
    timespec_get(&time, TIME_UTC);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

void times_add(Times times)
{
    inputs_time += times.inputs;
    layers_time += times.layers;
    distribution_time += times.distribution;
}

Times times_so_far(void)
{
    return (Times){inputs_time, layers_time, distribution_time};
}

/* Compute the inputs of a step. */
static Wave begin_wave(Predictor *predictor, int step)
{
    const Tile *tile = predictor->tile;
    const int late = step - (tile->width - 1);
    const int first_row = late > 0 ? (late + 1) / 2 : 0;
    const int last_row = step / 2 < tile->height - 1 ? step / 2 : tile->height - 1;
    const int lanes = last_row < first_row ? 0 : last_row - first_row + 1;
    const Network *network = predictor->network;
    close_row(predictor, step);
    for (int lane = 0; lane < lanes; lane++) {
        const int row = first_row + lane;
        make_inputs(tile, network->period, row, step - 2 * row,
                    predictor->inputs + (ptrdiff_t)lane * network->num_inputs, predictor->guesses[lane]);
    }
    return (Wave){step, first_row, lanes, predictor->parameters, network->layers[network->num_layers - 1].num_outputs,
                  predictor->guesses};
}

void predict(Predictor *const *predictors, int count, int step, Wave *waves, Times *times)
{
    const uint64_t start = now();
    for (int i = 0; i < count; i++)
        waves[i] = begin_wave(predictors[i], step);
    const uint64_t middle = now();
    for (int layer = 0; layer < predictors[0]->network->num_layers; layer++)
        for (int i = 0; i < count; i++)
            if (waves[i].lanes)
                compute_layer(predictors[i], layer, waves + i);
    times->inputs += middle - start;
    times->layers += now() - middle;
}
