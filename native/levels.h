/* Levels of a component of a JPEG, walked through in the order of their stream. */

#ifndef PIXELZIP_LEVELS_H
#define PIXELZIP_LEVELS_H

#include "surroundings.h"
#include "tokens.h"

enum { NUM_SHARED = 17, NUM_BINS = 24, NUM_LEVEL_TOKENS = 2 * NUM_BINS - 1, NUM_OTHERS = 2 };

/* A network of one group of frequencies: the first layer's bias, and its weights for what is shared, (outputs, NUM_SHARED). */
typedef struct {
    const Network *network;
    const int32_t *bias, *shared_weight;
} Group;

/* Another component at the same blocks: (64, size) coefficients, NULL if there is none; sums of each frequency's magnitudes;
   and what earlier frequencies of it and of the coded one gave, block by block: products, and its squares. */
typedef struct {
    const int32_t *coefficients;
    const int64_t *sums;
    int64_t *products, *squares;
} Other;

/* A component while it is coded; `levels` and `planes` are those of `known`. */
typedef struct {
    Known known;
    int rows, columns, kind, last, num_covered;
    int16_t *levels;
    int32_t *planes;
    int64_t *sums, num_known;       /* of magnitudes of each frequency; coefficients of the coded one that are known */
    Other others[NUM_OTHERS];       /* the chroma before, luma */
    const int32_t *frequencies;     /* (64, NUM_NUMBERS): each one and those around it */
    const int32_t *before, *around; /* (64, 64): what earlier frequencies weigh, and what all do in another component */
    const int32_t *num_bits;        /* (2, NUM_BINS): what bins leave, of means and of other frequencies */
    const Group *groups;            /* of each frequency up to the last */
} Component;

/* Codes values: into intervals, or out of a stream. */
typedef struct {
    Decoder *decoder; /* NULL: values become intervals */
    int32_t *left, *counts;
    size_t num_symbols, capacity;
    int32_t *tokens, *rest; /* of one step */
    TokenBuffers *buffers;
} LevelCoder;

/* component.c */
void component_begin(Component *component, int number); /* a frequency */
void component_share(const Component *component, int phase, int8_t *shared);
void component_learn(Component *component, const int64_t *places, size_t count, const int32_t *expected);

/* level_coder.c; both return 0 without memory */
int level_coder_open(LevelCoder *coder, const Network *network, size_t most_values);
int exchange(LevelCoder *coder, const TokenCall *call, const int32_t *num_bits, int32_t *values);
void level_coder_close(LevelCoder *coder);

typedef enum { WALK_DONE, WALK_NO_MEMORY, WALK_IMPOSSIBLE } WalkResult;

/* levels.c */
WalkResult walk_levels(Component *component, LevelCoder *coder);

#endif
