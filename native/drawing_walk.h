/* Drawings while they are coded: what the files that walk through them share. */

#ifndef PIXELZIP_DRAWING_WALK_H
#define PIXELZIP_DRAWING_WALK_H

#include "drawing.h"

enum {
    NUM_PLACES = 24,
    NUM_LENGTHS = 6,
    MOST_CANDIDATES = 18,
    LEVEL_CONTEXTS = 8,
    LEVEL_BUCKETS = 8,
    LEVEL_SETS = 4,
    NUM_DISTANCES = 36,
    NUM_ACTIVITIES = 8,
    NUM_BUCKETS = MOST_CHANNELS * 8 * NUM_DISTANCES * NUM_ACTIVITIES,
};

/* Where the places that have names are in PLACES. */
enum { WEST, NORTH, NORTH_WEST, NORTH_EAST, WEST_2, NORTH_2, NORTH_2_EAST, NORTH_EAST_2, NORTH_WEST_2, WEST_3 = 10,
       NORTH_3 = 13, NORTH_EAST_3, WEST_4 = 18, NORTH_EAST_4 = 20 };

/* Two colours that came last after some pixels, how often the last one has come in a row, and the pixels' hash. */
typedef struct {
    uint32_t check, last, before, run;
} Follower;

typedef struct {
    uint32_t colours[MOST_CANDIDATES], sources[MOST_CANDIDATES];
    int count, order, run;
} Candidates;

typedef struct {
    Mixer flat, choice, level;
    Follower *followers[NUM_LENGTHS];
    uint32_t mask, *image;
    uint8_t *ranks, *unchanged; /* of each pixel; rows since a column's pixels last changed */
    ptrdiff_t offsets[NUM_PLACES], stride;
    int num_channels, since_change; /* pixels, in this row */
} Walk;

/* What is around a pixel. */
typedef struct {
    const uint32_t *here;
    uint32_t pixels[NUM_PLACES], hashes[NUM_LENGTHS];
    int column, is_flat;
} Around;

static inline int at_most(int value, int most)
{
    return value < most ? value : most;
}

/* drawing_levels.c: code a colour that was no candidate, channel by channel. */
uint32_t code_colour(Walk *walk, const Around *around, const Candidates *candidates, uint32_t colour);

#endif
