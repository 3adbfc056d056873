/* Planes of JPEGs. */

#ifndef PIXELZIP_JPEG_PLANES_H
#define PIXELZIP_JPEG_PLANES_H

#include "pixelzip.h"

enum { BLOCK_SIDE = 8 };

/* Some of the first rows and columns of a plane whose rows are `stride` apart. */
typedef struct {
    const uint8_t *values;
    size_t num_rows, num_columns, stride;
} Samples;

/* jpeg_planes.c */
void inverse_blocks(const int64_t *coefficients, size_t num_rows, size_t num_columns, uint8_t *samples);
int upsample(const Samples *samples, int has_two_rows, int has_two_columns, size_t height, size_t width, uint8_t *pixels);

#endif
