/* A part of stage 4: a network's inputs, made from the pixels before one. Mirrors pixelzip/inputs.py. */

#include "pixelzip.h"

#include <string.h>

enum { POSITION_STEP = 16, ABOVE = 3, LEFT = 4, RIGHT = 3 };

/* The taps of models/config.py, which lie in runs: row, first column, number. */
static const struct {
    int row, column, count;
} runs[] = {{0, -4, 3}, {-1, -3, 5}, {-2, -3, 7}, {-3, -1, 4}};

enum { NUM_RUNS = sizeof runs / sizeof *runs, LONGEST_RUN = 7 };

static int clamped(int value, int low, int high)
{
    return value < low ? low : value > high ? high : value;
}

static uint8_t stored(int difference)
{
    return (uint8_t)(clamped(difference, -127, 127) + 128);
}

static int is_inside(const Tile *tile, int row, int column)
{
    return row >= 0 && column >= 0 && column < tile->width;
}

static const uint8_t *pixel_at(const Tile *tile, int row, int column)
{
    return tile->pixels + 3 * ((ptrdiff_t)row * tile->width + column);
}

/* West, else north, else 128. */
static const uint8_t *reference_of(const Tile *tile, int row, int column)
{
    static const uint8_t middle[3] = {128, 128, 128};
    return column ? pixel_at(tile, row, column - 1) : row ? pixel_at(tile, row - 1, 0) : middle;
}

static int difference(const Tile *tile, int row, int column, int channel, int reference)
{
    return is_inside(tile, row, column) ? pixel_at(tile, row, column)[channel] - reference : 0;
}

/* Far from the tile's borders runs of taps are runs of memory. */
static uint8_t *inner_differences(const Tile *tile, int row, int column, const uint8_t *reference, uint8_t *inputs)
{
    uint8_t references[3 * LONGEST_RUN];
    for (int i = 0; i < LONGEST_RUN; i++)
        memcpy(references + 3 * i, reference, 3);
    for (int run = 0; run < NUM_RUNS; run++) {
        const uint8_t *pixels = pixel_at(tile, row + runs[run].row, column + runs[run].column);
        for (int i = 0; i < 3 * runs[run].count; i++)
            *inputs++ = stored(pixels[i] - references[i]);
    }
    return inputs;
}

static uint8_t *border_differences(const Tile *tile, int row, int column, const uint8_t *reference, uint8_t *inputs)
{
    for (int run = 0; run < NUM_RUNS; run++)
        for (int i = 0; i < runs[run].count; i++)
            for (int channel = 0; channel < 3; channel++)
                *inputs++ = stored(difference(tile, row + runs[run].row, column + runs[run].column + i, channel,
                                              reference[channel]));
    return inputs;
}

/* Median edge prediction less west: Weinberger et al., LOCO-I (2000), section III-A. */
static int edge_of(int north, int northwest)
{
    return clamped(north - northwest, north < 0 ? north : 0, north > 0 ? north : 0);
}

void make_inputs(const Tile *tile, int period, int row, int column, uint8_t *inputs, int32_t guess[3])
{
    const uint8_t *reference = reference_of(tile, row, column);
    const int is_inner = row >= ABOVE && column >= LEFT && column + RIGHT < tile->width;
    inputs = (is_inner ? inner_differences : border_differences)(tile, row, column, reference, inputs);
    for (int channel = 0; channel < 3; channel++) {
        const int north = difference(tile, row - 1, column, channel, reference[channel]);
        const int northwest = difference(tile, row - 1, column - 1, channel, reference[channel]);
        const int edge = edge_of(north, northwest);
        guess[channel] = reference[channel] + edge;
        inputs[channel] = stored(edge);
        inputs[3 + channel] = stored(reference[channel] - 128);
    }
    if (period) {
        memset(inputs + 6, 128, (size_t)(2 * period));
        inputs[6 + (tile->origin_row + row) % period] += POSITION_STEP;
        inputs[6 + period + (tile->origin_column + column) % period] += POSITION_STEP;
    }
}
