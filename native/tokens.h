/* Counts of the tokens of JPEGs' coefficients. */

#ifndef PIXELZIP_TOKENS_H
#define PIXELZIP_TOKENS_H

#include "stream.h"

enum { MAX_TOKENS = 64 };

/* Coefficients whose tokens a network's counts are wanted for. */
typedef struct {
    const Network *network;
    const int32_t *bias;    /* of the first layer's outputs */
    const int8_t *features; /* (num_rows, num_values) */
    int num_values, num_tokens;
    size_t num_rows;
} TokenCall;

/* What is wanted: all counts less one, or the tokens that a stream holds, or the intervals of given ones. */
typedef struct {
    float *weights;         /* (num_rows, num_tokens), or NULL */
    Decoder *decoder;       /* or NULL */
    int32_t *tokens;        /* (num_rows,) */
    int32_t *left, *counts; /* the same: where intervals begin, and their counts */
} TokenTarget;

typedef struct TokenBuffers TokenBuffers;

/* tokens.c */
TokenBuffers *token_buffers_new(const Network *network); /* for all networks with as many channels; NULL: no memory */
void token_buffers_free(TokenBuffers *buffers);
void token_counts(const TokenCall *call, TokenBuffers *buffers, const TokenTarget *target);

#endif
