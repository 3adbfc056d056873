/* A part of stage 6: a stream of words, read as a stack. Mirrors pixelzip/ans_integer.py. */

#ifndef PIXELZIP_STREAM_H
#define PIXELZIP_STREAM_H

#include "pixelzip.h"

enum { WORD_BITS = 32, WORD_BYTES = 4 };

typedef struct {
    const uint8_t *bytes;
    size_t num_words; /* words that are left on the stack */
    uint64_t state;
} Decoder;

static inline uint32_t pop_word(Decoder *decoder)
{
    const uint8_t *bytes = decoder->bytes + WORD_BYTES * --decoder->num_words;
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

static inline Decoder decoder_open(Stream stream)
{
    Decoder decoder = {stream.bytes, stream.num_bytes / WORD_BYTES, 0};
    decoder.state = pop_word(&decoder);
    if (decoder.num_words)
        decoder.state = decoder.state << WORD_BITS | pop_word(&decoder);
    return decoder;
}

/* What the next symbol's interval holds. */
static inline int32_t decoder_quantile(const Decoder *decoder)
{
    return (int32_t)(decoder->state & (COUNT_TOTAL - 1));
}

/* Take the symbol off whose interval holds the quantile: from `first` on, before `last`. */
static inline void decoder_take(Decoder *decoder, int32_t first, int32_t last)
{
    const uint64_t quantile = decoder->state & (COUNT_TOTAL - 1);
    decoder->state = (uint64_t)(last - first) * (decoder->state >> COUNT_BITS) + (quantile - (uint64_t)first);
    if (decoder->state >> WORD_BITS == 0 && decoder->num_words)
        decoder->state = decoder->state << WORD_BITS | pop_word(decoder);
}

#endif
