/* Stages 4 to 6 for networks of the cone family at one resolution, on the CPU: tile <-> intervals or stream.

   Mirrors pixelzip/predict.py, pixelzip/cdf.py and pixelzip/ans.py, integer for integer; docs/format.md, sections 6 to 8,
   defines what both compute. Activations are stored as q + 128, so that they are unsigned and zero is 0. */

#ifndef PIXELZIP_H
#define PIXELZIP_H

#include <stddef.h>
#include <stdint.h>

enum {
    GROUP = 16,         /* outputs that are computed together; channels are padded to multiples of it */
    QUAD = 4,           /* inputs that are multiplied together */
    RUN = 4,            /* quads whose products may be summed in 16 bits */
    MAX_TAPS = 5,
    MAX_MIXTURES = 16,
    LARGEST_PARAMETER = 32767,
    NUM_WAVES = 4,      /* the wavefront being computed and the three that a cone tap can reach back */
    NUM_CONTEXT = 19,   /* taps of the first layer, models/config.py */
    NIBBLE = 16,
    LEVELS = 256,
    LEVEL_STEPS = 16,   /* means are in sixteenths of a level */
    COUNT_BITS = 24,
    COUNT_TOTAL = 1 << COUNT_BITS,
    LEVEL_FLOOR = 4,    /* least count of a level */
    NUM_BINS = 16,      /* of the adaptive stage */
    ADAPTED_TOTAL = COUNT_TOTAL - LEVEL_FLOOR * LEVELS,
};

typedef struct Layer Layer;

/* Where a layer's results go: activations, to which a residual may be added, or, from the head, parameters.
   Each is (lanes, num_outputs). */
typedef struct {
    const uint8_t *residual; /* NULL: none */
    uint8_t *activations;    /* NULL: parameters are wanted */
    int32_t *parameters;
} Target;

/* Computes a layer for any number of lanes; a tap's inputs of lane i begin at taps[tap] + i * num_inputs. */
typedef void Product(const Layer *layer, const uint8_t *const taps[], int lanes, Target target);

/* Quads of one tap whose sums of products with a group of outputs fit 16 bits; those that are not used weigh nothing. */
typedef struct {
    int num_quads;
    int inputs[RUN]; /* where each begins in the tap's inputs */
    int8_t weight[RUN][GROUP][QUAD];
} Run;

/* One layer. Inputs and outputs are padded with zero weights; the bias makes good for the 128 in the inputs, unless the
   product takes it off them: see pixelzip/native.py. */
struct Layer {
    int source;      /* index of the layer that is read; -1: what is made from pixels */
    int residual;    /* index of the layer that is added; -1: none */
    int num_taps;    /* MAX_TAPS: a cone; 1: the position itself */
    int num_inputs;  /* of one tap */
    int num_outputs;
    int is_head;     /* mixture parameters, not activations */
    int is_depthwise; /* every output reads its own channel of a cone */
    int num_waves;   /* wavefronts kept of the output: NUM_WAVES if a cone reads it, else 1 */
    int8_t *weight;  /* (num_outputs / GROUP, num_taps * num_inputs / QUAD, GROUP, QUAD); depthwise (num_taps, num_outputs) */
    Run *runs;       /* the same weights, if they are summed in 16 bits */
    int *first_runs; /* (num_outputs / GROUP * num_taps + 1,): where those of each tap begin */
    int32_t *bias;   /* (num_outputs,) */
    float *multiplier;
};

typedef struct {
    int num_layers, mixtures, period, is_adaptive, is_regressive;
    int num_inputs; /* of the first layer */
    Layer *layers;  /* the last one is the head */
    int32_t *logistic, *exponential, *inverse_scale;
    int logistic_length, exponential_length;
    Product *product, *depthwise;
    int sums_in_16_bits; /* `product` reads runs */
} Network;

/* product.c */
const char *instruction_set_name(int index); /* best first, NULL after the last that this machine has */
int choose_instruction_set(const char *name, Network *network); /* 0: this machine does not have it */
int has_avx512vnni(void);
int has_avx2(void);
int has_neondotprod(void);
Product product_avx512vnni, product_avx2, product_neondotprod;
Product depthwise_avx512vnni, depthwise_avx2, depthwise_neondotprod;

/* runs.c */
int make_runs(Layer *layer); /* 0: out of memory */

/* inputs.c */
typedef struct {
    int height, width;
    int origin_row, origin_column; /* of the tile in the network's period */
    uint8_t *pixels;               /* (height, width, 3) */
} Tile;

void make_inputs(const Tile *tile, int period, int row, int column, uint8_t *inputs, int32_t guess[3]);

/* predict.c */
typedef struct Predictor Predictor;

/* The pixels of one step, one in each of consecutive rows: (row, step - 2 * row). */
typedef struct {
    int step, first_row, lanes;
    const int32_t *parameters; /* (lanes, num_parameters), padded */
    int num_parameters;
    int32_t (*guesses)[3];
} Wave;

/* Nanoseconds that all calls so far have taken in each stage. */
typedef struct {
    uint64_t inputs, layers, distribution;
} Times;

uint64_t now(void);

Predictor *predictor_new(const Network *network, const Tile *tile);
void predictor_free(Predictor *predictor);
Wave predict(Predictor *predictor, int step, Times *times);

/* adaptation.c */
typedef struct Adaptation Adaptation;

Adaptation *adaptation_new(const Tile *tile);
void adaptation_free(Adaptation *adaptation);
int adaptation_context(const Adaptation *adaptation, int row, int column, int channel, int log_scale);
void adaptation_ends(const Adaptation *adaptation, int channel, int context, int32_t ends[NUM_BINS + 1]);
int32_t adapted(const int32_t ends[NUM_BINS + 1], int32_t below);
void adaptation_add(Adaptation *adaptation, int row, int column, int channel, int context, int32_t left, int32_t right);
void adaptation_forget(Adaptation *adaptation, int channel, int context);

/* regression.c */
typedef struct Regression Regression;

Regression *regression_new(const Tile *tile);
void regression_free(Regression *regression);
/* For every pixel of a wavefront: begin; then for each channel shift and see; then learn, from all pixels. */
void regression_begin(Regression *regression, int lane, int row, int column);
/* What to add to the means, in sixteenths of a level; `mean` and `inverse_scale` are the mixture's. */
int32_t regression_shift(Regression *regression, int lane, int channel, int32_t mean, int32_t inverse_scale);
void regression_see(Regression *regression, int lane, int channel, int level);
void regression_learn(Regression *regression, int channel, int num_lanes);
void regression_end_step(Regression *regression, int step, int num_channels);

/* distribution.c */
typedef struct {
    const Network *network;
    Adaptation *adaptation; /* NULL: none */
    Regression *regression; /* NULL: none */
    int lane, row, column, channel;
    int32_t guess[3];
    int32_t weights[MAX_MIXTURES];
    int32_t means[3][MAX_MIXTURES];
    int32_t log_scales[3][MAX_MIXTURES]; /* entries of the table of inverse scales */
    int32_t inverse_scales[3][MAX_MIXTURES];
    int32_t coupling[3][MAX_MIXTURES];
    int32_t origins[MAX_MIXTURES], slopes[MAX_MIXTURES]; /* of the channel */
    int contexts[3];
    int32_t ends[NUM_BINS + 1]; /* where adaptation puts the ends of the bins */
} Distribution;

/* A nibble of a sub-pixel: the high one, or the low one after a certain high one. */
typedef struct {
    const Distribution *distribution;
    int high;            /* -1: this is the high nibble */
    int32_t first, last; /* the high nibble's interval */
} Nibble;

/* Place and adaptation must have been set. */
void distribution_start(Distribution *distribution, const Network *network, const int32_t *parameters,
                        const int32_t guess[3]);
void distribution_observe(Distribution *distribution, int level, int is_last); /* adapt, and go on unless it is the last */
Nibble high_nibble(const Distribution *distribution);
Nibble low_nibble(const Distribution *distribution, int high, int32_t first, int32_t last);
int32_t nibble_end(const Nibble *nibble, int symbol); /* left cumulative of a symbol, 0..16 */

/* ans.c */
typedef struct {
    const uint8_t *bytes;
    size_t num_words; /* words that are left on the stack */
    uint64_t state;
} Decoder;

typedef unsigned __int128 Rest;

Decoder decoder_open(const uint8_t *bytes, size_t num_bytes);
int decode_nibble(Decoder *decoder, const Nibble *nibble, int32_t *first, int32_t *last);
int decoder_rest(const Decoder *decoder, Rest *rest); /* 0: more is left than Rest can hold */
int decode_last_nibble(Rest *rest, const Nibble *nibble, int32_t *first, int32_t *last);
size_t encode(uint64_t *state, const int32_t *left, const int32_t *counts, size_t num_symbols, uint32_t *words);

/* tile.c: 0: out of memory */
Times tile_times(void);
int tile_intervals(const Network *network, Tile tile, int num_channels, int32_t *left, int32_t *counts);
int tile_decode(const Network *network, Tile tile, int num_channels, int is_short, Decoder decoder, Rest *rest,
                int *is_complete);

#endif
