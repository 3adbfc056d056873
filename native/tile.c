/* Stages 4 to 6 joined: one tile -> intervals, stream -> one tile. Mirrors pixelzip/wavefront.py.

   In a wavefront rows ascend channel by channel: first the high nibbles of all pixels, then the low ones. */

#include "decoder.h"

typedef struct {
    Predictor *predictor;
    Adaptation *adaptation;      /* NULL: the network has none */
    Regression *regression;      /* the same */
    Distribution *distributions; /* of the pixels of one wavefront, VECTOR in each */
    Nibbles *nibbles;            /* the same */
    int num_steps;
    uint64_t start;
    Times times;
} Walk;

static int walk_start(Walk *walk, const Network *network, const Tile *tile)
{
    const size_t num_parts = ((size_t)tile->height + VECTOR - 1) / VECTOR;
    walk->start = now();
    walk->times = (Times){0};
    walk->num_steps = tile->width + 2 * (tile->height - 1);
    walk->predictor = predictor_new(network, tile);
    walk->adaptation = network->is_adaptive ? adaptation_new(tile) : NULL;
    walk->regression = network->is_regressive ? regression_new(tile, network->regression_rows) : NULL;
    walk->distributions = aligned_alloc(_Alignof(Distribution), sizeof *walk->distributions * num_parts);
    walk->nibbles = aligned_alloc(_Alignof(Nibbles), sizeof *walk->nibbles * num_parts);
    return walk->predictor && walk->distributions && walk->nibbles && (walk->adaptation || !network->is_adaptive) &&
           (walk->regression || !network->is_regressive);
}

static void walk_end(Walk *walk)
{
    walk->times.distribution = now() - walk->start - walk->times.inputs - walk->times.layers;
    times_add(walk->times);
    if (walk->predictor)
        predictor_free(walk->predictor);
    if (walk->adaptation)
        adaptation_free(walk->adaptation);
    if (walk->regression)
        regression_free(walk->regression);
    free(walk->distributions);
    free(walk->nibbles);
}

static int num_parts(const Wave *wave)
{
    return (wave->lanes + VECTOR - 1) / VECTOR;
}

static Part part_of(const Wave *wave, int index)
{
    const int first = index * VECTOR, left = wave->lanes - first;
    return (Part){wave->step, wave->first_row + first, first, left < VECTOR ? left : VECTOR, {0}, {0}};
}

/* The one path from pixels so far to distributions. */
static Wave walk_step(Walk *walk, const Network *network, const Tile *tile, int step)
{
    const Wave wave = predict(walk->predictor, step, &walk->times);
    if (walk->adaptation)
        history_close_row(&walk->adaptation->quantiles, tile, step);
    if (walk->regression)
        regression_begin(walk->regression, tile, step, wave.first_row, wave.lanes);
    for (int i = 0; i < num_parts(&wave); i++) {
        Distribution *distribution = walk->distributions + i;
        distribution->network = network;
        distribution->adaptation = walk->adaptation;
        distribution->regression = walk->regression;
        distribution->part = part_of(&wave, i);
        distribution_start(distribution, &wave);
    }
    return wave;
}

static uint8_t *pixel_of(const Tile *tile, const Wave *wave, int lane)
{
    const int row = wave->first_row + lane;
    return tile->pixels + 3 * ((ptrdiff_t)row * tile->width + wave->step - 2 * row);
}

static Lanes levels_of(const Tile *tile, const Wave *wave, const Part *part, int channel)
{
    int32_t values[VECTOR] = {0};
    Lanes levels;
    for (int lane = 0; lane < part->num_lanes; lane++)
        values[lane] = pixel_of(tile, wave, part->first_lane + lane)[channel];
    memcpy(&levels, values, sizeof levels);
    return levels;
}

/* Note one channel of a wavefront. */
static void see(Walk *walk, const Tile *tile, const Wave *wave, int channel)
{
    for (int i = 0; i < num_parts(wave); i++) {
        Distribution *distribution = walk->distributions + i;
        distribution_see(distribution, levels_of(tile, wave, &distribution->part, channel));
    }
}

static void write_intervals(Interval interval, int count, int32_t *left, int32_t *counts)
{
    memcpy(left, &interval.left, (size_t)count * sizeof *left);
    memcpy(counts, &interval.count, (size_t)count * sizeof *counts);
}

/* Write the 2 * lanes intervals of one channel of a wavefront. */
static void channel_intervals(Walk *walk, const Wave *wave, int32_t *left, int32_t *counts)
{
    for (int i = 0; i < num_parts(wave); i++) {
        const Distribution *distribution = walk->distributions + i;
        const Interval high = high_interval(distribution);
        const int first = distribution->part.first_lane, low = wave->lanes + first, count = distribution->part.num_lanes;
        write_intervals(high, count, left + first, counts + first);
        write_intervals(low_interval(distribution, high), count, left + low, counts + low);
    }
}

/* Learn from the channel seen, and go on to the next unless it was the last. */
static void observe(Walk *walk, const Tile *tile, const Wave *wave, int channel, int is_last)
{
    Distribution *const first = walk->distributions, *const end = first + num_parts(wave);
    for (Distribution *distribution = first; distribution < end; distribution++)
        distribution_observe(distribution, is_last);
    for (Distribution *distribution = first; walk->adaptation && distribution < end; distribution++)
        adaptation_forget(walk->adaptation, &distribution->part, channel, distribution->contexts[channel]);
    if (walk->regression)
        regression_learn(walk->regression, wave, channel);
    for (Distribution *distribution = first; !is_last && distribution < end; distribution++)
        start_channel(distribution, channel + 1);
    if (walk->regression && is_last)
        regression_end_step(walk->regression, tile, wave->step, channel + 1);
}

int tile_intervals(const Network *network, Tile tile, int num_channels, int32_t *left, int32_t *counts)
{
    Walk walk;
    const int is_ready = walk_start(&walk, network, &tile);
    for (int step = 0; is_ready && step < walk.num_steps; step++) {
        const Wave wave = walk_step(&walk, network, &tile, step);
        for (int channel = 0; channel < num_channels; channel++) {
            see(&walk, &tile, &wave, channel);
            channel_intervals(&walk, &wave, left, counts);
            left += 2 * wave.lanes;
            counts += 2 * wave.lanes;
            observe(&walk, &tile, &wave, channel, channel == num_channels - 1);
        }
    }
    walk_end(&walk);
    return is_ready;
}

/* `rest` is NULL except for the last pixel of a short stream. */
static Bracket next_nibble(Decoder *decoder, Rest *rest, const Nibbles *nibbles, int lane)
{
    return rest ? decode_last_nibble(rest, nibbles, lane) : decode_nibble(decoder, nibbles, lane);
}

static void decode_channel(Walk *walk, const Tile *tile, const Wave *wave, int channel, Decoder *decoder, Rest *rest)
{
    for (int i = 0; i < num_parts(wave); i++) {
        Nibbles *nibbles = walk->nibbles + i;
        *nibbles = high_nibbles(walk->distributions + i);
        for (int lane = 0; lane < part_of(wave, i).num_lanes; lane++) {
            const Bracket found = next_nibble(decoder, rest, nibbles, lane);
            nibbles->high[lane] = found.symbol;
            nibbles->interval.left[lane] = found.first;
            nibbles->interval.count[lane] = found.last - found.first;
        }
        low_nibbles(nibbles);
    }
    for (int lane = 0; lane < wave->lanes; lane++) {
        const Nibbles *nibbles = walk->nibbles + lane / VECTOR;
        const Bracket found = next_nibble(decoder, rest, nibbles, lane % VECTOR);
        pixel_of(tile, wave, lane)[channel] = (uint8_t)(NIBBLE * nibbles->high[lane % VECTOR] + found.symbol);
    }
}

static void repeat_grey(const Tile *tile, const Wave *wave)
{
    for (int lane = 0; lane < wave->lanes; lane++) {
        uint8_t *pixel = pixel_of(tile, wave, lane);
        pixel[1] = pixel[2] = pixel[0];
    }
}

int tile_decode(const Network *network, Tile tile, int num_channels, int is_short, Stream stream, Rest *rest,
                int *is_complete)
{
    Walk walk;
    Decoder decoder = decoder_open(stream);
    const int is_ready = walk_start(&walk, network, &tile);
    *is_complete = 1;
    for (int step = 0; is_ready && *is_complete && step < walk.num_steps; step++) {
        const int is_last = is_short && step == walk.num_steps - 1;
        if (is_last)
            *is_complete = decoder_rest(&decoder, rest);
        const Wave wave = walk_step(&walk, network, &tile, step);
        for (int channel = 0; *is_complete && channel < num_channels; channel++) {
            decode_channel(&walk, &tile, &wave, channel, &decoder, is_last ? rest : NULL);
            see(&walk, &tile, &wave, channel);
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
