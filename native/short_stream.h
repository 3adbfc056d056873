/* A part of stage 6: streams of small images in packs, one at a time. */

#ifndef PIXELZIP_SHORT_STREAM_H
#define PIXELZIP_SHORT_STREAM_H

#include "pixelzip.h"

enum {
    SHORT_MOST_LAST = 6,   /* nibbles of the last pixel */
    SHORT_MORE_WORDS = 68, /* than symbols, at most */
    NIBBLES = 16,
};

typedef struct {
    const int32_t *left, *counts;
    size_t num_symbols;
    uint8_t last[SHORT_MOST_LAST]; /* the last symbols themselves */
    size_t num_last;
    uint32_t checksum;
} Symbols;

/* Code as pixelzip.short_stream.encode does; `words` has room for SHORT_MORE_WORDS more than symbols. Return bytes. */
size_t short_encode(const Symbols *symbols, uint32_t *words);

#endif
