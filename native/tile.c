/* Stages 4 to 6 joined: one tile -> intervals, stream -> one tile. Mirrors pixelzip/wavefront.py.

   In a wavefront rows ascend channel by channel: first the high nibbles of all pixels, then the low ones. */

#include "pixelzip.h"

#include <stdatomic.h>
#include <stdlib.h>

static atomic_uint_least64_t inputs_time, layers_time, distribution_time;

typedef struct {
    Predictor *predictor;
    Adaptation *adaptation;      /* NULL: the network has none */
    Regression *regression;      /* the same */
    Distribution *distributions; /* of the pixels of one wavefront */
    Nibble *low;                 /* their low nibbles, once the high ones are known */
    int num_steps;
    uint64_t start;
    Times times;
} Walk;

Times tile_times(void)
{
    return (Times){inputs_time, layers_time, distribution_time};
}

static int walk_start(Walk *walk, const Network *network, const Tile *tile)
{
    walk->start = now();
    walk->times = (Times){0};
    walk->num_steps = tile->width + 2 * (tile->height - 1);
    walk->predictor = predictor_new(network, tile);
    walk->adaptation = network->is_adaptive ? adaptation_new(tile) : NULL;
    walk->regression = network->is_regressive ? regression_new(tile) : NULL;
    walk->distributions = malloc(sizeof *walk->distributions * (size_t)tile->height);
    walk->low = malloc(sizeof *walk->low * (size_t)tile->height);
    return walk->predictor && walk->distributions && walk->low && (walk->adaptation || !network->is_adaptive) &&
           (walk->regression || !network->is_regressive);
}

static void walk_end(Walk *walk)
{
    inputs_time += walk->times.inputs;
    layers_time += walk->times.layers;
    distribution_time += now() - walk->start - walk->times.inputs - walk->times.layers;
    if (walk->predictor)
        predictor_free(walk->predictor);
    if (walk->adaptation)
        adaptation_free(walk->adaptation);
    if (walk->regression)
        regression_free(walk->regression);
    free(walk->distributions);
    free(walk->low);
}

/* The one path from pixels so far to distributions. */
static Wave walk_step(Walk *walk, const Network *network, int step)
{
    const Wave wave = predict(walk->predictor, step, &walk->times);
    for (int lane = 0; lane < wave.lanes; lane++) {
        Distribution *distribution = walk->distributions + lane;
        distribution->adaptation = walk->adaptation;
        distribution->regression = walk->regression;
        distribution->lane = lane;
        distribution->row = wave.first_row + lane;
        distribution->column = step - 2 * distribution->row;
        if (walk->regression)
            regression_begin(walk->regression, lane, distribution->row, distribution->column);
        distribution_start(distribution, network, wave.parameters + (ptrdiff_t)lane * wave.num_parameters,
                           wave.guesses[lane]);
    }
    return wave;
}

static uint8_t *pixel_of(const Tile *tile, const Wave *wave, int lane)
{
    const int row = wave->first_row + lane;
    return tile->pixels + 3 * ((ptrdiff_t)row * tile->width + wave->step - 2 * row);
}

static void write_interval(const Nibble *nibble, int symbol, int32_t *left, int32_t *count, int32_t *last)
{
    *left = nibble_end(nibble, symbol);
    *last = nibble_end(nibble, symbol + 1);
    *count = *last - *left;
}

/* Write the 2 * lanes intervals of one channel of a wavefront. */
static void channel_intervals(Walk *walk, const Tile *tile, const Wave *wave, int channel, int32_t *left,
                              int32_t *counts)
{
    for (int lane = 0; lane < wave->lanes; lane++) {
        const Distribution *distribution = walk->distributions + lane;
        const int level = pixel_of(tile, wave, lane)[channel];
        int32_t last;
        const Nibble high = high_nibble(distribution);
        write_interval(&high, level / NIBBLE, left + lane, counts + lane, &last);
        const Nibble low = low_nibble(distribution, level / NIBBLE, left[lane], last);
        write_interval(&low, level % NIBBLE, left + wave->lanes + lane, counts + wave->lanes + lane, &last);
    }
}

/* Learn from one channel of a wavefront, and go on to the next unless it was the last. */
static void observe(Walk *walk, const Tile *tile, const Wave *wave, int channel, int is_last)
{
    if (is_last && !walk->adaptation && !walk->regression)
        return;
    for (int lane = 0; lane < wave->lanes; lane++)
        distribution_observe(walk->distributions + lane, pixel_of(tile, wave, lane)[channel], is_last);
    for (int lane = 0; walk->adaptation && lane < wave->lanes; lane++)
        adaptation_forget(walk->adaptation, channel, walk->distributions[lane].contexts[channel]);
    if (walk->regression)
        regression_learn(walk->regression, channel, wave->lanes);
    if (walk->regression && is_last)
        regression_end_step(walk->regression, wave->step, channel + 1);
}

int tile_intervals(const Network *network, Tile tile, int num_channels, int32_t *left, int32_t *counts)
{
    Walk walk;
    const int is_ready = walk_start(&walk, network, &tile);
    for (int step = 0; is_ready && step < walk.num_steps; step++) {
        const Wave wave = walk_step(&walk, network, step);
        for (int channel = 0; channel < num_channels; channel++) {
            channel_intervals(&walk, &tile, &wave, channel, left, counts);
            left += 2 * wave.lanes;
            counts += 2 * wave.lanes;
            observe(&walk, &tile, &wave, channel, channel == num_channels - 1);
        }
    }
    walk_end(&walk);
    return is_ready;
}

/* `rest` is NULL except for the last pixel of a short stream. */
static int next_nibble(Decoder *decoder, Rest *rest, const Nibble *nibble, int32_t *first, int32_t *last)
{
    return rest ? decode_last_nibble(rest, nibble, first, last) : decode_nibble(decoder, nibble, first, last);
}

static void decode_channel(Walk *walk, const Tile *tile, const Wave *wave, int channel, Decoder *decoder, Rest *rest)
{
    for (int lane = 0; lane < wave->lanes; lane++) {
        const Nibble nibble = high_nibble(walk->distributions + lane);
        int32_t first, last;
        const int high = next_nibble(decoder, rest, &nibble, &first, &last);
        walk->low[lane] = low_nibble(walk->distributions + lane, high, first, last);
    }
    for (int lane = 0; lane < wave->lanes; lane++) {
        int32_t first, last;
        const int low = next_nibble(decoder, rest, walk->low + lane, &first, &last);
        pixel_of(tile, wave, lane)[channel] = (uint8_t)(NIBBLE * walk->low[lane].high + low);
    }
}

static void repeat_grey(const Tile *tile, const Wave *wave)
{
    for (int lane = 0; lane < wave->lanes; lane++) {
        uint8_t *pixel = pixel_of(tile, wave, lane);
        pixel[1] = pixel[2] = pixel[0];
    }
}

int tile_decode(const Network *network, Tile tile, int num_channels, int is_short, Decoder decoder, Rest *rest,
                int *is_complete)
{
    Walk walk;
    const int is_ready = walk_start(&walk, network, &tile);
    *is_complete = 1;
    for (int step = 0; is_ready && *is_complete && step < walk.num_steps; step++) {
        const int is_last = is_short && step == walk.num_steps - 1;
        if (is_last)
            *is_complete = decoder_rest(&decoder, rest);
        const Wave wave = walk_step(&walk, network, step);
        for (int channel = 0; *is_complete && channel < num_channels; channel++) {
            decode_channel(&walk, &tile, &wave, channel, &decoder, is_last ? rest : NULL);
            observe(&walk, &tile, &wave, channel, channel == num_channels - 1);
        }
        if (num_channels == 1)
            repeat_grey(&tile, &wave);
    }
    if (!is_short && is_ready)
        *is_complete = decoder_rest(&decoder, rest);
    walk_end(&walk);
    return is_ready;
}
