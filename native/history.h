/* What the pixels of the last wavefronts gave, by row: position (row, column) of wavefront t = column + 2 * row lies at
   [t % WAVES][ROWS_ABOVE + row], so that neighbours of consecutive lanes are one run of memory. Positions outside the tile
   hold what `outside` says. */

#ifndef PIXELZIP_HISTORY_H
#define PIXELZIP_HISTORY_H

#include "lanes.h"

#include <stdlib.h>

enum { WAVES = 8, ROWS_ABOVE = 2 };

/* Up to VECTOR pixels of a wavefront: in consecutive rows, `row` the first one's. */
typedef struct {
    int step, row, first_lane, num_lanes;
    Lanes mean;          /* of the channel's mixture, in sixteenths of a level, before regression moves it */
    Lanes inverse_scale; /* at its mean log-scale, as in the table */
} Part;

typedef struct {
    int16_t *values; /* (3, WAVES, pitch) */
    ptrdiff_t pitch;
    int16_t outside;
} History;

INLINE int16_t *history_at(const History *history, int channel, int step, int row)
{
    const ptrdiff_t slot = channel * WAVES + (step + WAVES) % WAVES;
    return history->values + slot * history->pitch + ROWS_ABOVE + row;
}

/* Return 0 when there is no memory. */
static int history_open(History *history, const Tile *tile, int16_t outside)
{
    history->outside = outside;
    history->pitch = ROWS_ABOVE + tile->height + VECTOR;
    history->values = malloc(3 * WAVES * (size_t)history->pitch * sizeof *history->values);
    for (ptrdiff_t i = 0; history->values && i < 3 * WAVES * history->pitch; i++)
        history->values[i] = outside;
    return history->values != NULL;
}

/* Put the column after a row's last one outside: the rows below look at it. */
static void history_close_row(const History *history, const Tile *tile, int step)
{
    const int beyond = step - tile->width;
    if (beyond < 0 || beyond % 2 || beyond / 2 >= tile->height)
        return;
    for (int channel = 0; channel < 3; channel++)
        *history_at(history, channel, step, beyond / 2) = history->outside;
}

#endif
