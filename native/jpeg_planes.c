/* Coefficients of JPEGs -> samples -> samples of every pixel, as libjpeg computes them. Mirrors inverse() of
   pixelzip/jpeg/transform.py and Sampling.up() of pixelzip/jpeg/sampling.py, which name the sources. */

#include "jpeg_planes.h"

#include <stdlib.h>

enum { CONSTANT_BITS = 13, FIRST_PASS_BITS = 2, CENTRE = 128 };

typedef int64_t Block[BLOCK_SIDE][BLOCK_SIDE];

/* Transform all columns, divide by 2^shift, rounded, and exchange rows and columns. */
static inline void transform_columns(const int64_t *in, Block out, int shift)
{
    for (int i = 0; i < BLOCK_SIDE; i++) {
        const int64_t turned = (in[16 + i] + in[48 + i]) * 4433;
        const int64_t low = turned - in[48 + i] * 15137, high = turned + in[16 + i] * 6270;
        const int64_t total = (in[i] + in[32 + i]) * (1 << CONSTANT_BITS), difference = (in[i] - in[32 + i]) * (1 << CONSTANT_BITS);
        const int64_t evens[] = {total + high, difference + low, difference - low, total - high};
        const int64_t seventh = in[56 + i], fifth = in[40 + i], third = in[24 + i], first = in[8 + i];
        const int64_t outer = (seventh + first) * -7373, inner = (fifth + third) * -20995;
        const int64_t both = (seventh + third + fifth + first) * 9633;
        const int64_t odd = (seventh + third) * -16069 + both, even = (fifth + first) * -3196 + both;
        const int64_t odds[] = {first * 12299 + outer + even, third * 25172 + inner + odd, fifth * 16819 + inner + even,
                                seventh * 2446 + outer + odd};
        const int64_t half = (int64_t)1 << (shift - 1);
        for (int k = 0; k < 4; k++) {
            out[i][k] = (evens[k] + odds[k] + half) >> shift;
            out[i][BLOCK_SIDE - 1 - k] = (evens[k] - odds[k] + half) >> shift;
        }
    }
}

FOR_WIDER_TOO void inverse_blocks(const int64_t *coefficients, size_t num_rows, size_t num_columns, uint8_t *samples)
{
    const size_t width = BLOCK_SIDE * num_columns;
    for (size_t row = 0; row < num_rows; row++)
        for (size_t column = 0; column < num_columns; column++, coefficients += BLOCK_SIDE * BLOCK_SIDE) {
            Block columns, rows;
            transform_columns(coefficients, columns, CONSTANT_BITS - FIRST_PASS_BITS);
            transform_columns(columns[0], rows, CONSTANT_BITS + FIRST_PASS_BITS + 3);
            uint8_t *to = samples + BLOCK_SIDE * (row * width + column);
            for (int y = 0; y < BLOCK_SIDE; y++)
                for (int x = 0; x < BLOCK_SIDE; x++) {
                    const int64_t value = rows[y][x] + CENTRE;
                    to[(size_t)y * width + (size_t)x] = (uint8_t)(value < 0 ? 0 : value > UINT8_MAX ? UINT8_MAX : value);
                }
        }
}

/* Write three times each sample of a row and once the sample above, for even rows of pixels, or below: in quarters. */
static void mix_rows(const Samples *samples, size_t pixel_row, int16_t *mixed)
{
    const size_t row = pixel_row / 2, last = samples->num_rows - 1;
    const size_t other = pixel_row % 2 ? (row < last ? row + 1 : last) : row ? row - 1 : 0;
    const uint8_t *here = samples->values + row * samples->stride, *there = samples->values + other * samples->stride;
    for (size_t i = 0; i < samples->num_columns; i++)
        mixed[i] = (int16_t)(3 * here[i] + there[i]);
}

/* Interpolate a row: each value gives two, three times it and once its neighbour at the left or right, over 2^shift. */
static void widen(const int16_t *values, size_t count, size_t width, const int offsets[2], int shift, uint8_t *pixels)
{
    for (size_t i = 0; i < count; i++) {
        const int left = values[i ? i - 1 : 0], right = values[i + 1 < count ? i + 1 : i];
        pixels[2 * i] = (uint8_t)((3 * values[i] + left + offsets[0]) >> shift);
        if (2 * i + 1 < width)
            pixels[2 * i + 1] = (uint8_t)((3 * values[i] + right + offsets[1]) >> shift);
    }
}

/* Interpolate samples of which each is for two rows, two columns or both; return 0 without memory. */
int upsample(const Samples *samples, int has_two_rows, int has_two_columns, size_t height, size_t width, uint8_t *pixels)
{
    static const int of_quarters[2] = {1, 2}, of_sixteenths[2] = {8, 7};
    int16_t *row = malloc(samples->num_columns * sizeof *row);
    for (size_t y = 0; row && y < height; y++, pixels += width) {
        if (has_two_rows)
            mix_rows(samples, y, row);
        for (size_t i = 0; !has_two_rows && i < samples->num_columns; i++)
            row[i] = samples->values[y * samples->stride + i];
        if (has_two_columns)
            widen(row, samples->num_columns, width, has_two_rows ? of_sixteenths : of_quarters, has_two_rows ? 4 : 2, pixels);
        for (size_t i = 0; !has_two_columns && i < width; i++)
            pixels[i] = (uint8_t)((row[i] + of_quarters[y % 2]) >> 2);
    }
    free(row);
    return row != NULL;
}
