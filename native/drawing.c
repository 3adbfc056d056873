/* Drawings, pixel by pixel. Mirrors drawing/band.py, which says why. */

#include "drawing_walk.h"

#include <stdlib.h>
#include <string.h>

enum {
    NUM_FLAT = 10, /* the first places: around a pixel in a plain area */
    FLAT_CONTEXTS = 6,
    CHOICE_CONTEXTS = 8,
    FLAT_SETS = 2,
    CHOICE_SETS = 4,
    LEAST_SLOT_BITS = 12,
    MOST_SLOT_BITS = 18,
    LEVEL_SLOT_BITS = 2, /* more than the others */
    FIRST_WEIGHT = 1966,
    LEVEL_WEIGHT = 1475,
    CHOICE_RATE = 26,
    LEVEL_RATE = 22,
    MISSED = 4, /* the rank of a pixel that was no candidate */
};

static const signed char PLACES[NUM_PLACES][2] = { /* columns and rows */
    {-1, 0}, {0, -1}, {-1, -1}, {1, -1}, {-2, 0}, {0, -2}, {1, -2}, {2, -1}, {-2, -1}, {-1, -2}, {-3, 0}, {2, -2},
    {-2, -2}, {0, -3}, {3, -1}, {-3, -1}, {1, -3}, {-1, -3}, {-4, 0}, {-5, 0}, {4, -1}, {-4, -1}, {3, -2}, {-3, -2}};
static const int LENGTHS[NUM_LENGTHS] = {24, 16, 9, 6, 4, 2};

static void look_around(const Walk *walk, const uint32_t *here, int column, Around *around)
{
    around->here = here;
    around->column = column;
    around->is_flat = 1;
    for (int i = 0; i < NUM_FLAT; i++) {
        around->pixels[i] = here[walk->offsets[i]];
        around->is_flat &= around->pixels[i] == around->pixels[WEST];
    }
}

static void look_farther(const Walk *walk, Around *around)
{
    for (int i = NUM_FLAT; i < NUM_PLACES; i++)
        around->pixels[i] = around->here[walk->offsets[i]];
    uint32_t hash = around->pixels[WEST];
    for (int length = NUM_LENGTHS - 1, i = 1; length >= 0; length--) {
        for (; i < LENGTHS[length]; i++)
            hash = mixed(hash, around->pixels[i]);
        around->hashes[length] = hash;
    }
}

/* In a plain area: code whether it goes on. */
static int code_flat(Walk *walk, const Around *around, int is_same)
{
    const uint32_t *here = around->here, west = around->pixels[WEST];
    const uint32_t ahead = (here[walk->offsets[NORTH_EAST_3]] != west) + 2 * (here[walk->offsets[NORTH_EAST_4]] != west);
    const uint32_t rows = walk->unchanged[around->column], columns = (uint32_t)walk->since_change;
    const uint32_t shape = mixed(west, ahead);
    Mixer *mixer = &walk->flat;
    mixer->contexts[0] = shape;
    mixer->contexts[1] = mixed(shape, rows);
    mixer->contexts[2] = mixed(shape, columns);
    mixer->contexts[3] = mixed(mixed(west, rows), columns);
    mixer->contexts[4] = mixed((uint32_t)around->column, rows < 20 ? rows : 20);
    mixer->contexts[5] = mixed((uint32_t)walk->unchanged[around->column + 2] << 8 | rows, ahead);
    mixer->selected[0] = 0;
    mixer->selected[1] = (uint32_t)(at_most((int)rows, 15) * 16 + at_most((int)columns, 15));
    return decide(mixer, FLAT_CONTEXTS, 0, FLAT_SETS, is_same);
}

static void add_candidate(Candidates *candidates, uint32_t colour, int source)
{
    for (int i = 0; i < candidates->count; i++)
        if (candidates->colours[i] == colour) {
            candidates->sources[i] |= 1u << source;
            return;
        }
    candidates->colours[candidates->count] = colour;
    candidates->sources[candidates->count++] = 1u << source;
}

/* List colours that may come, likely ones first, but for those that cannot: that of a plain area, which has ended. */
static void list_candidates(const Around *around, Follower *const *found, Candidates *candidates)
{
    const uint32_t *pixels = around->pixels;
    Candidates all = {.order = NUM_LENGTHS};
    int is_known[NUM_LENGTHS];
    for (int i = 0; i < NUM_LENGTHS; i++) {
        is_known[i] = found[i]->run && found[i]->check == around->hashes[i];
        if (!is_known[i])
            continue;
        if (all.order == NUM_LENGTHS)
            all.order = i, all.run = (int)found[i]->run;
        add_candidate(&all, found[i]->last, i);
    }
    for (int i = 0; i < 4; i++)
        add_candidate(&all, pixels[i], NUM_LENGTHS + i);
    for (int i = 0; i < NUM_LENGTHS; i++)
        if (is_known[i] && found[i]->before != found[i]->last)
            add_candidate(&all, found[i]->before, NUM_LENGTHS + 4);
    add_candidate(&all, pixels[WEST_2], NUM_LENGTHS + 5);
    add_candidate(&all, pixels[NORTH_2], NUM_LENGTHS + 6);
    *candidates = (Candidates){.order = all.order, .run = all.run};
    for (int i = 0; i < all.count; i++)
        if (!around->is_flat || all.colours[i] != pixels[WEST]) {
            candidates->colours[candidates->count] = all.colours[i];
            candidates->sources[candidates->count++] = all.sources[i];
        }
}

static int equalities(const uint32_t *pixels)
{
    return (pixels[WEST] == pixels[NORTH]) | (pixels[NORTH] == pixels[NORTH_WEST]) << 1 |
           (pixels[NORTH] == pixels[NORTH_EAST]) << 2 | (pixels[WEST] == pixels[NORTH_WEST]) << 3 |
           (pixels[WEST_2] == pixels[WEST]) << 4 | (pixels[NORTH_2] == pixels[NORTH]) << 5 |
           (pixels[NORTH_EAST_2] == pixels[NORTH_EAST]) << 6 | (pixels[NORTH_2_EAST] == pixels[NORTH_EAST]) << 7;
}

/* Code which candidate a colour is; return its rank, or MISSED if it is none. */
static int code_choice(Walk *walk, const Around *around, const Candidates *candidates, const uint8_t *ranks,
                       uint32_t *colour)
{
    const uint32_t *pixels = around->pixels;
    Mixer *mixer = &walk->choice;
    const uint32_t equal = (uint32_t)equalities(pixels), order = (uint32_t)candidates->order;
    const uint32_t run = (uint32_t)at_most(candidates->run, 15);
    const uint32_t history = (uint32_t)(at_most(ranks[-1], 2) * 27 + at_most(ranks[-walk->stride], 2) * 9 +
                                        at_most(ranks[1 - walk->stride], 2) * 3 + at_most(ranks[-1 - walk->stride], 2));
    const uint32_t row = mixed(mixed(pixels[WEST], pixels[WEST_2]), mixed(pixels[WEST_3], pixels[WEST_4]));
    const uint32_t column = mixed(mixed(pixels[NORTH], pixels[NORTH_2]), pixels[NORTH_3]);
    const uint32_t above = mixed(pixels[NORTH_EAST], pixels[NORTH]);
    for (int i = 0; i < candidates->count; i++) {
        const uint32_t candidate = candidates->colours[i], source = candidates->sources[i], rank = (uint32_t)at_most(i, 7);
        const uint32_t contexts[CHOICE_CONTEXTS] = {
            mixed(source, rank), mixed(order << 4 | run, rank), mixed(equal | rank << 8, source),
            mixed(mixed(pixels[WEST], candidate), rank), mixed(history, rank | source << 4), mixed(candidate, above),
            mixed(row, candidate), mixed(column, candidate)};
        memcpy(mixer->contexts, contexts, sizeof contexts);
        mixer->selected[0] = rank << 6 | order << 3 | (run < 7 ? run : 7);
        mixer->selected[1] = equal;
        mixer->selected[2] = rank * 81 + history;
        mixer->selected[3] = source & 1023;
        if (decide(mixer, CHOICE_CONTEXTS, 0, CHOICE_SETS, candidate == *colour)) {
            *colour = candidate;
            return at_most(i, MISSED - 1);
        }
    }
    return MISSED;
}

static void learn_follower(Follower *follower, uint32_t check, uint32_t colour)
{
    if (!follower->run || follower->check != check)
        *follower = (Follower){check, colour, colour, 1};
    else if (follower->last == colour)
        follower->run += follower->run < 255;
    else
        *follower = (Follower){check, colour, follower->last, 1};
}

/* Code a pixel that is not known to be its left neighbour; return its rank. */
static int code_pixel(Walk *walk, Around *around, const uint8_t *ranks, uint32_t *colour)
{
    Follower *found[NUM_LENGTHS];
    Candidates candidates;
    look_farther(walk, around);
    for (int i = 0; i < NUM_LENGTHS; i++)
        found[i] = walk->followers[i] + (around->hashes[i] & walk->mask);
    list_candidates(around, found, &candidates);
    const int rank = code_choice(walk, around, &candidates, ranks, colour);
    if (rank == MISSED)
        *colour = code_colour(walk, around, &candidates, *colour);
    for (int i = 0; i < NUM_LENGTHS; i++)
        learn_follower(found[i], around->hashes[i], *colour);
    return rank;
}

static void walk_row(Walk *walk, uint32_t *pixels, uint32_t *row, uint8_t *ranks, int width)
{
    for (int i = 1; i <= MARGIN; i++)
        row[-i] = row[-walk->stride];
    walk->since_change = 0;
    for (int column = 0; column < width; column++) {
        uint32_t *here = row + column, colour = pixels[column];
        Around around;
        int rank = 0;
        look_around(walk, here, column, &around);
        const uint32_t west = around.pixels[WEST];
        if (around.is_flat && code_flat(walk, &around, colour == west))
            colour = west;
        else
            rank = code_pixel(walk, &around, ranks + column, &colour);
        pixels[column] = *here = colour;
        ranks[column] = (uint8_t)rank;
        uint8_t *unchanged = walk->unchanged + column;
        *unchanged = colour == around.pixels[NORTH] ? (uint8_t)at_most(*unchanged + 1, 255) : 0;
        walk->since_change = colour == west ? at_most(walk->since_change + 1, 255) : 0;
    }
    for (int i = 0; i < MARGIN; i++)
        row[width + i] = row[width - 1];
}

static void walk_close(Walk *walk)
{
    mixer_close(&walk->flat), mixer_close(&walk->choice), mixer_close(&walk->level);
    for (int i = 0; i < NUM_LENGTHS; i++)
        free(walk->followers[i]);
    free(walk->image), free(walk->ranks), free(walk->unchanged);
}

static int walk_open(Walk *walk, int height, int width)
{
    static const int FLAT_SIZES[] = {1, 256}, CHOICE_SIZES[] = {512, 256, 648, 1024}, LEVEL_SIZES[] = {32, 8, 32, 28};
    const size_t size = (size_t)(height + ROWS_ABOVE) * (size_t)(width + 2 * MARGIN);
    int num_bits = LEAST_SLOT_BITS;
    while (num_bits < MOST_SLOT_BITS && (size_t)1 << num_bits < 2 * (size_t)height * (size_t)width)
        num_bits++;
    walk->stride = width + 2 * MARGIN;
    walk->mask = (1u << num_bits) - 1;
    for (int i = 0; i < NUM_PLACES; i++)
        walk->offsets[i] = PLACES[i][1] * walk->stride + PLACES[i][0];
    int is_open = mixer_open(&walk->flat, num_bits, 0, FIRST_WEIGHT, FLAT_SIZES) &&
                  mixer_open(&walk->choice, num_bits, 0, FIRST_WEIGHT, CHOICE_SIZES) &&
                  mixer_open(&walk->level, num_bits + LEVEL_SLOT_BITS, NUM_BUCKETS, LEVEL_WEIGHT, LEVEL_SIZES);
    for (int i = 0; i < NUM_LENGTHS; i++)
        is_open &= (walk->followers[i] = calloc((size_t)1 << num_bits, sizeof(Follower))) != NULL;
    walk->image = calloc(size, sizeof *walk->image);
    walk->ranks = calloc(size, 1);
    walk->unchanged = calloc((size_t)walk->stride, 1);
    return is_open && walk->image && walk->ranks && walk->unchanged;
}

int walk_drawing(BitCoder *coder, const Curves *curves, uint32_t *pixels, int height, int width, int num_channels)
{
    Walk walk = {.flat = {.num_contexts = FLAT_CONTEXTS, .num_sets = FLAT_SETS, .rate = CHOICE_RATE},
                 .choice = {.num_contexts = CHOICE_CONTEXTS, .num_sets = CHOICE_SETS, .rate = CHOICE_RATE},
                 .level = {.num_contexts = LEVEL_CONTEXTS, .num_buckets = LEVEL_BUCKETS, .num_sets = LEVEL_SETS,
                           .rate = LEVEL_RATE},
                 .num_channels = num_channels};
    Mixer *mixers[] = {&walk.flat, &walk.choice, &walk.level};
    for (int i = 0; i < 3; i++)
        mixers[i]->coder = coder, mixers[i]->curves = curves;
    const int is_open = walk_open(&walk, height, width);
    for (int i = 0; is_open && i < height && !coder->is_too_long; i++) {
        const ptrdiff_t place = (i + ROWS_ABOVE) * walk.stride + MARGIN;
        walk_row(&walk, pixels + (ptrdiff_t)i * width, walk.image + place, walk.ranks + place, width);
    }
    walk_close(&walk);
    return is_open;
}
