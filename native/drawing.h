/* A band of rows of a drawing <-> bytes. */

#ifndef PIXELZIP_DRAWING_H
#define PIXELZIP_DRAWING_H

#include "mixer.h"

enum { MOST_CHANNELS = 4, MARGIN = 8, ROWS_ABOVE = 3 };

/* Walk through rows of pixels, channels in bytes from the lowest, which are written where the coder reads. Return 0 where
   memory does not suffice. */
int walk_drawing(BitCoder *coder, const Curves *curves, uint32_t *pixels, int height, int width, int num_channels);

#endif
