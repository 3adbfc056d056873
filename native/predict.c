/* Stage 4 of 7: pixels so far -> mixture parameters, one wavefront at a time. Mirrors pixelzip/predict.py.

   A layer's output is kept by wavefront, row and tile: position (row, column) of wavefront t = column + 2 * row lies at
   [t % num_waves][1 + row][tile]. Wavefronts of a tile hold one position of consecutive rows, so every tap of all of them
   is one run of memory, of all tiles, which have one size. Row -1 and the columns -1 and `width` are zero, as positions
   outside the tile must be. */

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
    const Tile *tiles;
    int num_tiles;
    uint8_t **outputs;   /* of each layer: (num_waves, 1 + height, tiles, num_outputs) */
    uint8_t *inputs;     /* (height, tiles, num_inputs) */
    int32_t *parameters; /* (height + MOST_LANES, tiles, num_parameters) */
    int32_t *addends;    /* the same: what one head adds to them */
    int32_t (*guesses)[3]; /* (tiles, height + MOST_LANES) */
};

static uint8_t *output_at(const Predictor *predictor, int layer, int wave, int row)
{
    const Layer *of = predictor->network->layers + layer;
    const int slot = (wave + NUM_WAVES) % of->num_waves;
    const ptrdiff_t place = (ptrdiff_t)slot * (1 + predictor->tiles->height) + 1 + row;
    return predictor->outputs[layer] + place * predictor->num_tiles * of->num_outputs;
}

Predictor *predictor_new(const Network *network, const Tile *tiles, int num_tiles)
{
    Predictor *predictor = calloc(1, sizeof *predictor);
    if (!predictor)
        return NULL;
    const size_t height = (size_t)tiles->height, rows = height * (size_t)num_tiles;
    const size_t read = (height + MOST_LANES) * (size_t)num_tiles;
    const int last = network->num_layers - 1;
    predictor->network = network;
    predictor->tiles = tiles;
    predictor->num_tiles = num_tiles;
    predictor->outputs = calloc((size_t)network->num_layers, sizeof *predictor->outputs);
    predictor->inputs = calloc(rows, (size_t)network->num_inputs);
    predictor->parameters = calloc(read, sizeof(int32_t) * (size_t)network->layers[last].num_outputs);
    predictor->addends = calloc(read, sizeof(int32_t) * (size_t)network->layers[last].num_outputs);
    predictor->guesses = calloc(read, sizeof *predictor->guesses);
    int is_whole = predictor->outputs && predictor->inputs && predictor->parameters && predictor->addends &&
                   predictor->guesses;
    for (int layer = 0; is_whole && layer < last; layer++) {
        const Layer *of = network->layers + layer;
        if (of->is_head)
            continue;
        const size_t positions = (size_t)of->num_waves * (rows + (size_t)num_tiles);
        predictor->outputs[layer] = calloc(positions, (size_t)of->num_outputs);
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
    free(predictor->addends);
    free(predictor->guesses);
    free(predictor);
}

static void add(const int32_t *restrict addends, size_t count, int32_t *restrict parameters)
{
    for (size_t i = 0; i < count; i++) {
        const int32_t sum = parameters[i] + addends[i];
        parameters[i] = sum > LARGEST_PARAMETER ? LARGEST_PARAMETER : sum < -LARGEST_PARAMETER ? -LARGEST_PARAMETER : sum;
    }
}

static void compute_layer(Predictor *predictor, int index, int step, int first_row, int lanes)
{
    const Network *network = predictor->network;
    const Layer *layer = network->layers + index;
    const uint8_t *taps[MAX_TAPS] = {predictor->inputs};
    for (int tap = 0; layer->source >= 0 && tap < layer->num_taps; tap++) {
        const int row = layer->num_taps > 1 ? cone[tap].row : 0, back = layer->num_taps > 1 ? cone[tap].wave : 0;
        taps[tap] = output_at(predictor, layer->source, step + back, first_row + row);
    }
    const int is_added = layer->residual >= 0;
    Target target = {NULL, NULL, layer->is_head && is_added ? predictor->addends : predictor->parameters};
    if (!layer->is_head)
        target.activations = output_at(predictor, index, step, first_row);
    if (!layer->is_head && is_added)
        target.residual = output_at(predictor, layer->residual, step, first_row);
    lanes *= predictor->num_tiles;
    (layer->is_depthwise ? network->depthwise : network->product)(layer, taps, lanes, target);
    if (layer->is_head && is_added)
        add(predictor->addends, (size_t)lanes * (size_t)layer->num_outputs, predictor->parameters);
}

/* Make the column after a row's last one zero: the row below reads it. */
static void close_row(Predictor *predictor, int step)
{
    const int beyond = step - predictor->tiles->width;
    if (beyond < 0 || beyond % 2 || beyond / 2 >= predictor->tiles->height)
        return;
    for (int layer = 0; layer < predictor->network->num_layers - 1; layer++) {
        const Layer *of = predictor->network->layers + layer;
        if (of->num_waves > 1)
            memset(output_at(predictor, layer, step, beyond / 2), 0, (size_t)predictor->num_tiles * (size_t)of->num_outputs);
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

void predict(Predictor *predictor, int step, Wave *waves, Times *times)
{
    const Network *network = predictor->network;
    const Tile *tiles = predictor->tiles;
    const int late = step - (tiles->width - 1), num_tiles = predictor->num_tiles;
    const int first_row = late > 0 ? (late + 1) / 2 : 0;
    const int last_row = step / 2 < tiles->height - 1 ? step / 2 : tiles->height - 1;
    const int lanes = last_row < first_row ? 0 : last_row - first_row + 1;
    const int num_parameters = network->layers[network->num_layers - 1].num_outputs;
    const uint64_t start = now();
    close_row(predictor, step);
    for (int i = 0; i < num_tiles; i++)
        waves[i] = (Wave){step, first_row, lanes, predictor->parameters + i * num_parameters,
                          (ptrdiff_t)num_tiles * num_parameters,
                          predictor->guesses + (ptrdiff_t)i * (tiles->height + MOST_LANES)};
    uint8_t *inputs = predictor->inputs;
    for (int lane = 0; lane < lanes; lane++)
        for (int i = 0; i < num_tiles; i++, inputs += network->num_inputs) {
            const int row = first_row + lane;
            make_inputs(tiles + i, network->period, row, step - 2 * row, inputs, waves[i].guesses[lane]);
        }
    const uint64_t middle = now();
    for (int layer = 0; lanes && layer < network->num_layers; layer++)
        compute_layer(predictor, layer, step, first_row, lanes);
    times->inputs += middle - start;
    times->layers += now() - middle;
}
