/* Stages 4 to 6 joined: one tile -> intervals, stream -> one tile. Mirrors pixelzip/wavefront.py.

   In a wavefront rows ascend channel by channel: first the high nibbles of all pixels, then the low ones. */

#include "decoder.h"

typedef struct {
    Adaptation *adaptation;      /* NULL: the network has none */
    Regression *regression;      /* the same */
    Distribution *distributions; /* of the pixels of one wavefront, VECTOR in each */
    Nibbles *nibbles;            /* the same */
} Walk;

/* Of tiles of one size, side by side. */
typedef struct {
    const Network *network;
    const Tile *tiles;
    int num_tiles, num_steps;
    Walk *each;
    Predictor *predictor;
    Wave *waves;
    uint64_t start;
    Times times;
} Walks;

static int walk_start(Walk *walk, const Network *network, const Tile *tile)
{
    const size_t num_parts = ((size_t)tile->height + VECTOR - 1) / VECTOR;
    walk->adaptation = network->is_adaptive ? adaptation_new(tile) : NULL;
    walk->regression = network->is_regressive ? regression_new(tile, network->regression_rows) : NULL;
    walk->distributions = aligned_alloc(_Alignof(Distribution), sizeof *walk->distributions * num_parts);
    walk->nibbles = aligned_alloc(_Alignof(Nibbles), sizeof *walk->nibbles * num_parts);
    return walk->distributions && walk->nibbles && (walk->adaptation || !network->is_adaptive) &&
           (walk->regression || !network->is_regressive);
}

static void walk_end(Walk *walk)
{
    if (walk->adaptation)
        adaptation_free(walk->adaptation);
    if (walk->regression)
        regression_free(walk->regression);
    free(walk->distributions);
    free(walk->nibbles);
}

static int walks_start(Walks *walks, const Network *network, const Tile *tiles, int num_tiles)
{
    const size_t count = (size_t)num_tiles;
    *walks = (Walks){.network = network, .tiles = tiles, .num_tiles = num_tiles, .start = now()};
    walks->num_steps = tiles->width + 2 * (tiles->height - 1);
    walks->each = calloc(count, sizeof *walks->each);
    walks->predictor = predictor_new(network, tiles, num_tiles);
    walks->waves = calloc(count, sizeof *walks->waves);
    int is_ready = walks->each && walks->predictor && walks->waves;
    for (int i = 0; is_ready && i < num_tiles; i++)
        is_ready = walk_start(walks->each + i, network, tiles + i);
    return is_ready;
}

static void walks_end(Walks *walks)
{
    walks->times.distribution = now() - walks->start - walks->times.inputs - walks->times.layers;
    times_add(walks->times);
    for (int i = 0; walks->each && i < walks->num_tiles; i++)
        walk_end(walks->each + i);
    if (walks->predictor)
        predictor_free(walks->predictor);
    free(walks->each);
    free(walks->waves);
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

static void start_distributions(Walk *walk, const Network *network, const Tile *tile, const Wave *wave)
{
    if (walk->adaptation)
        history_close_row(&walk->adaptation->quantiles, tile, wave->step);
    if (walk->regression)
        regression_begin(walk->regression, tile, wave->step, wave->first_row, wave->lanes);
    for (int i = 0; i < num_parts(wave); i++) {
        Distribution *distribution = walk->distributions + i;
        distribution->network = network;
        distribution->adaptation = walk->adaptation;
        distribution->regression = walk->regression;
        distribution->part = part_of(wave, i);
        distribution_start(distribution, wave);
    }
}

/* The one path from pixels so far to distributions. */
static void walk_step(Walks *walks, int step)
{
    predict(walks->predictor, step, walks->waves, &walks->times);
    for (int i = 0; i < walks->num_tiles; i++)
        start_distributions(walks->each + i, walks->network, walks->tiles + i, walks->waves + i);
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

int tile_intervals(const Network *network, const Tile *tiles, int num_tiles, int num_channels, int32_t *intervals)
{
    Walks walks;
    const int is_ready = walks_start(&walks, network, tiles, num_tiles);
    const ptrdiff_t num_symbols = (ptrdiff_t)2 * num_channels * tiles->height * tiles->width;
    for (int step = 0; is_ready && step < walks.num_steps; step++) {
        walk_step(&walks, step);
        const int lanes = walks.waves->lanes;
        for (int channel = 0; channel < num_channels; channel++, intervals += 2 * lanes)
            for (int i = 0; i < num_tiles; i++) {
                int32_t *left = intervals + 2 * i * num_symbols;
                see(walks.each + i, tiles + i, walks.waves + i, channel);
                channel_intervals(walks.each + i, walks.waves + i, left, left + num_symbols);
                observe(walks.each + i, tiles + i, walks.waves + i, channel, channel == num_channels - 1);
            }
    }
    walks_end(&walks);
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

static void decode_step(Walk *walk, const Tile *tile, const Wave *wave, int num_channels, Decoder *decoder, Rest *rest)
{
    for (int channel = 0; channel < num_channels; channel++) {
        decode_channel(walk, tile, wave, channel, decoder, rest);
        see(walk, tile, wave, channel);
        observe(walk, tile, wave, channel, channel == num_channels - 1);
    }
    if (num_channels == 1)
        repeat_grey(tile, wave);
}

int tile_decode(const Network *network, const Tile *tiles, int num_tiles, int num_channels, int is_short,
                const Stream *streams, Rest *rests, int *are_complete)
{
    Walks walks;
    Decoder *decoders = malloc(sizeof *decoders * (size_t)num_tiles);
    const int is_ready = walks_start(&walks, network, tiles, num_tiles) && decoders;
    for (int i = 0; is_ready && i < num_tiles; i++) {
        decoders[i] = decoder_open(streams[i]);
        are_complete[i] = 1;
    }
    for (int step = 0; is_ready && step < walks.num_steps; step++) {
        const int is_last = is_short && step == walks.num_steps - 1;
        walk_step(&walks, step);
        for (int i = 0; i < num_tiles; i++) {
            if (is_last)
                are_complete[i] = decoder_rest(decoders + i, rests + i);
            if (are_complete[i])
                decode_step(walks.each + i, tiles + i, walks.waves + i, num_channels, decoders + i,
                            is_last ? rests + i : NULL);
        }
    }
    for (int i = 0; is_ready && !is_short && i < num_tiles; i++)
        are_complete[i] = decoder_rest(decoders + i, rests + i);
    walks_end(&walks);
    free(decoders);
    return is_ready;
}
