/* Stages 4 to 6 for networks of the cone family at one resolution, on the CPU: tile <-> intervals or stream.

   Mirrors pixelzip/predict.py, pixelzip/cdf.py and pixelzip/ans.py, integer for integer; docs/format.md, sections 6 to 8,
   defines what both compute. Activations are stored as q + 128, so that they are unsigned and zero is 0. */

#ifndef PIXELZIP_H
#define PIXELZIP_H

#include <stddef.h>
#include <stdint.h>

/* GCC 11 knows AVX-VNNI and AMX, but the assembler that often comes with it does not; Apple counts Clang's versions otherwise. */
#if defined(__x86_64__)
#if defined(__apple_build_version__) ? __clang_major__ >= 13 : defined(__clang__) ? __clang_major__ >= 12 : __GNUC__ >= 12
#define COMPILES_AVXVNNI
#ifdef __linux__
#define COMPILES_AMX
#endif
#endif
#endif

/* Where the C library can choose at start-up, also for wider instructions; everywhere the same numbers. */
#if defined(__GLIBC__) && defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define FOR_WIDER_TOO __attribute__((target_clones("default", "avx2", "avx512f")))
#else
#define FOR_WIDER_TOO
#endif

enum {
    MOST_LANES = 8,     /* pixels of a wavefront that are coded side by side, at most */
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
};

typedef struct Layer Layer;
typedef struct Network Network;

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
    int residual;    /* index of the layer, or of the head, that is added; -1: none */
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
    int height, width;
    int origin_row, origin_column; /* of the tile in the network's period */
    uint8_t *pixels;               /* (height, width, 3) */
} Tile;

typedef struct {
    const uint8_t *bytes; /* whole words, at least one */
    size_t num_bytes;
} Stream;

typedef unsigned __int128 Rest;

/* For tiles of one size, whose steps are computed together: weights that do not stay in a cache are read once for all.
   `intervals` is (num_tiles, 2, symbols): left cumulatives and counts. Both return 0 when there is no memory. */
typedef int TileIntervals(const Network *network, const Tile *tiles, int num_tiles, int num_channels, int32_t *intervals);
typedef int TileDecode(const Network *network, const Tile *tiles, int num_tiles, int num_channels, int is_short,
                       const Stream *streams, Rest *rests, int *are_complete);

struct Network {
    int num_layers, mixtures, period, is_adaptive, is_regressive;
    int regression_rows; /* of a band that learns by itself; 0: there are none */
    int num_inputs;      /* of the first layer */
    Layer *layers;  /* the last one is a head, and so is the last of each other member of an ensemble */
    int32_t *logistic, *exponential, *inverse_scale;
    int logistic_length, exponential_length;
    Product *product, *depthwise;
    int sums_in_16_bits; /* `product` reads runs */
    TileIntervals *intervals;
    TileDecode *decode;
};

/* product.c */
const char *instruction_set_name(int index); /* best first, NULL after the last that this machine has */
int choose_instruction_set(const char *name, Network *network); /* 0: this machine does not have it */
int has_amxint8(void);
int has_avx512vnni(void);
int has_avxvnni(void);
int has_avx2(void);
int has_neondotprod(void);
Product product_amxint8, product_avx512vnni, product_avxvnni, product_avx2, product_neondotprod;
Product depthwise_avx512vnni, depthwise_avxvnni, depthwise_avx2, depthwise_neondotprod;

/* runs.c */
int make_runs(Layer *layer); /* 0: out of memory */

/* inputs.c */
void make_inputs(const Tile *tile, int period, int row, int column, uint8_t *inputs, int32_t guess[3]);

/* predict.c */
typedef struct Predictor Predictor;

/* The pixels of one step, one in each of consecutive rows: (row, step - 2 * row). */
typedef struct {
    int step, first_row, lanes;
    const int32_t *parameters; /* of each lane; MOST_LANES more may be read */
    ptrdiff_t pitch;           /* from the parameters of one lane to those of the next */
    int32_t (*guesses)[3];     /* as many lanes */
} Wave;

/* Nanoseconds that all calls so far have taken in each stage. */
typedef struct {
    uint64_t inputs, layers, distribution;
} Times;

uint64_t now(void);
void times_add(Times times);
Times times_so_far(void);

Predictor *predictor_new(const Network *network, const Tile *tiles, int num_tiles); /* of one size */
void predictor_free(Predictor *predictor);
void predict(Predictor *predictor, int step, Wave *waves, Times *times); /* a wave for each tile */

/* ans.c */
size_t encode(uint64_t *state, const int32_t *left, const int32_t *counts, size_t num_symbols, uint32_t *words);

/* tile.c, tile_avx2.c */
TileIntervals tile_intervals, tile_intervals_avx2;
TileDecode tile_decode, tile_decode_avx2;

#endif
