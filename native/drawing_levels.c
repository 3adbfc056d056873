/* Colours of drawings that were no candidates. Mirrors drawing/channels.py. */

#include "drawing_walk.h"

#include <stdlib.h>
#include <string.h>

static int level(uint32_t pixel, int channel)
{
    return pixel >> 8 * channel & 0xFF;
}

/* Channels in the order in which they are coded: green first. */
static int channel_at(int place, int num_channels)
{
    return num_channels < 3 || place > 1 ? place : 1 - place;
}

/* Return the level that is as far from low to high as value is from start to end, rounded towards low. */
static int between(int start, int end, int low, int high, int value)
{
    return clamped(low + (high - low) * (value - start) / (end - start), 0, 255);
}

/* What is known of a channel of a pixel: channels coded before are in the pixel. */
typedef struct {
    int channel, first, previous, place;
    int predictions[LEVEL_BUCKETS], gradient, activity;
} Channel;

static void predict_first(const uint32_t *pixels, Channel *of)
{
    const int west = level(pixels[WEST], of->channel), north = level(pixels[NORTH], of->channel);
    const int north_east = level(pixels[NORTH_EAST], of->channel), gradient = of->gradient;
    const int predictions[LEVEL_BUCKETS] = {gradient, gradient, west, gradient, clamped(west + north_east - north, 0, 255),
                                            north_east, gradient, north};
    memcpy(of->predictions, predictions, sizeof predictions);
}

/* Predict from what another channel did: as much more, or as far between two colours. */
static void predict_next(const uint32_t *pixels, const Candidates *candidates, uint32_t colour, Channel *of)
{
    const int channel = of->channel, previous = of->previous, known = level(colour, previous);
    const int west = level(pixels[WEST], channel), north = level(pixels[NORTH], channel);
    const int north_east = level(pixels[NORTH_EAST], channel);
    const int west_before = level(pixels[WEST], previous), north_before = level(pixels[NORTH], previous);
    const int as_west = clamped(west + known - west_before, 0, 255);
    uint32_t low = candidates->colours[0], high = low;
    for (int i = 1; i < candidates->count; i++) {
        const int value = level(candidates->colours[i], previous);
        low = value < level(low, previous) ? candidates->colours[i] : low;
        high = value > level(high, previous) ? candidates->colours[i] : high;
    }
    const int start = level(low, previous), end = level(high, previous);
    const int turn = west + north_east - north;
    const int predictions[LEVEL_BUCKETS] = {
        as_west, clamped(north + known - north_before, 0, 255), known,
        west_before == north_before ? as_west : between(north_before, west_before, north, west, known),
        clamped(of->place > 1 ? west + level(colour, of->first) - level(pixels[WEST], of->first) : turn, 0, 255),
        clamped(north_east + known - level(pixels[NORTH_EAST], previous), 0, 255),
        start == end ? as_west : between(start, end, level(low, channel), level(high, channel), known), north};
    memcpy(of->predictions, predictions, sizeof predictions);
}

static void set_contexts(const Around *around, const Channel *of, uint32_t so_far, uint32_t *contexts)
{
    const uint32_t *pixels = around->pixels;
    uint32_t coarse = 0, coarser = 0;
    for (int i = 0; i < 10; i++) {
        if (i < 6)
            coarse |= (uint32_t)level(pixels[i], of->channel) >> 5 << 3 * i;
        coarser |= (uint32_t)level(pixels[i], of->channel) >> 6 << 2 * i;
    }
    contexts[0] = 0;
    contexts[1] = mixed(so_far, 0);
    contexts[2] = mixed(so_far, pixels[WEST]);
    contexts[3] = mixed(so_far, pixels[NORTH]);
    contexts[4] = mixed(so_far, around->hashes[NUM_LENGTHS - 1]);
    contexts[5] = mixed((uint32_t)of->predictions[0], (uint32_t)of->gradient);
    contexts[6] = mixed(coarse, of->place > 0);
    contexts[7] = mixed(coarser, of->place ? 1 + ((uint32_t)of->predictions[2] >> 6) : 0);
}

static int distance_of(int difference)
{
    static const uint8_t BOUNDS[] = {12, 16, 24, 32, 48, 64, 96, 128};
    const int magnitude = abs(difference);
    int distance = at_most(magnitude, 9);
    if (magnitude > 8)
        for (int i = 0; i < 8; i++)
            distance += magnitude >= BOUNDS[i];
    return difference < 0 ? distance + NUM_DISTANCES / 2 : distance;
}

static int activity_of(const uint32_t *pixels, int channel)
{
    static const uint8_t BOUNDS[] = {1, 4, 10, 24, 60, 120, 240};
    const int west = level(pixels[WEST], channel), north = level(pixels[NORTH], channel);
    const int north_west = level(pixels[NORTH_WEST], channel), north_east = level(pixels[NORTH_EAST], channel);
    const int sum = abs(west - north) + abs(west - north_west) + abs(north - north_east);
    int activity = 0;
    for (int i = 0; i < NUM_ACTIVITIES - 1; i++)
        activity += sum >= BOUNDS[i];
    return activity;
}

/* Code a channel's eight bits, from the highest. */
static int code_bits(Walk *walk, const Around *around, const Candidates *candidates, const Channel *of, uint32_t so_far,
                     int value)
{
    Mixer *mixer = &walk->level;
    uint32_t contexts[LEVEL_CONTEXTS], node = 1;
    set_contexts(around, of, so_far, contexts);
    const uint32_t place = (uint32_t)of->place, activity = (uint32_t)of->activity;
    mixer->selected[1] = (uint32_t)around->is_flat << 2 | place;
    mixer->selected[2] = activity << 2 | place;
    mixer->selected[3] = (uint32_t)candidates->order << 2 | place;
    for (int bit = 7; bit >= 0; bit--) {
        const uint32_t salt = (node | place << 8) * 0x9E3779B1u, first = (place << 3 | (uint32_t)bit) * NUM_DISTANCES;
        const int middle = (int)((node << 1 | 1) << bit & 0xFF);
        for (int i = 0; i < LEVEL_CONTEXTS; i++)
            mixer->contexts[i] = contexts[i] ^ salt;
        for (int i = 0; i < LEVEL_BUCKETS; i++) {
            const uint32_t distance = (uint32_t)distance_of(of->predictions[i] - middle);
            mixer->buckets[i] = (first + distance) * NUM_ACTIVITIES + activity;
        }
        mixer->selected[0] = place << 3 | (uint32_t)bit;
        node = node << 1 | (uint32_t)decide(mixer, LEVEL_CONTEXTS, LEVEL_BUCKETS, LEVEL_SETS, value >> bit & 1);
    }
    return node & 0xFF;
}

/* Code a colour that was no candidate, channel by channel. */
uint32_t code_colour(Walk *walk, const Around *around, const Candidates *candidates, uint32_t colour)
{
    const uint32_t *pixels = around->pixels;
    uint32_t found = 0, so_far = 0;
    for (int place = 0; place < walk->num_channels; place++) {
        const int channel = channel_at(place, walk->num_channels);
        const int sides = level(pixels[WEST], channel) + level(pixels[NORTH], channel);
        Channel of = {.channel = channel, .place = place, .first = channel_at(0, walk->num_channels),
                      .previous = channel_at(place ? place - 1 : 0, walk->num_channels),
                      .gradient = clamped(sides - level(pixels[NORTH_WEST], channel), 0, 255),
                      .activity = activity_of(pixels, channel)};
        if (place)
            predict_next(pixels, candidates, found, &of);
        else
            predict_first(pixels, &of);
        const int value = code_bits(walk, around, candidates, &of, so_far, level(colour, channel));
        found |= (uint32_t)value << 8 * channel;
        so_far = (so_far << 8) + (uint32_t)value + 1;
    }
    return found;
}
