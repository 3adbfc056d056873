/* What is known of a component of a JPEG while it is coded. */

#ifndef PIXELZIP_SURROUNDINGS_H
#define PIXELZIP_SURROUNDINGS_H

#include "pixelzip.h"

enum { SIDE = 8, NUM_FREQUENCIES = 64, NUM_OWN = 11, NUM_NUMBERS = 5 + NUM_OWN, NUM_NEAR = 8, NUM_VALUES = 62, COMPANDED = 511,
       LARGEST = 255, NONE = NUM_FREQUENCIES, UNIT = 4, BLOCKS = 16 }; /* the last as vectors want them */

/* Rows of the planes, as in descriptions.py. */
enum { BUSY, FAR, WINDOW, RECENT, TOTAL, EARLIER, LUMA = 8, ACTIVITY = 11, EARLIER_TOTAL, KNOWN, INSIDE, ERRORS, EARLIER_ERRORS,
       EARLIER_MEANS, LUMA_MEANS, EDGES, SLOPES = 51, NUM_PLANES = 83 };

/* A component: (64, size) levels, (NUM_PLANES, size) planes, 64 steps; COMPANDED companded numbers; where neighbours are;
   a frequency and those around it, 64 where there is none. */
typedef struct {
    const int16_t *levels;
    const int32_t *planes, *steps;
    const int8_t *companded;
    ptrdiff_t size, near[NUM_NEAR];
    int32_t number, row, column, above, left, own[NUM_OWN];
} Known;

/* The cosines at the edge of a block, times 128, relative to the mean, and what they change by to the next sample, times 181. */
static const int32_t edge_of[SIDE] = {128, 181, 181, 181, 181, 181, 181, 181};
static const int32_t slope_of[SIDE] = {0, 27, 98, 186, 256, 278, 236, 136};

static inline int64_t floor_divided(int64_t value, int64_t divisor)
{
    return value / divisor - (value % divisor < 0);
}

/* Round a quotient down: a half more than a whole number is so far from all multiples that rounding does not matter. */
static inline int32_t quotient(int32_t value, double inverse)
{
    return (int32_t)((value + 0.5) * inverse) - (value < 0);
}

/* means.c */
void describe_means(const Known *known, const int64_t *places, size_t count, int8_t *features, int32_t *expected);

/* waves.c: of every second block of a row, from a place on; room for features of BLOCKS more is written to, too */
void describe_waves(const Known *known, int64_t place, int count, int8_t *features);

#endif
