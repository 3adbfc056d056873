/* A part of stage 4: native/product.c with AMX, which multiplies 16 pixels by 16 outputs, 64 inputs of each, at once. */

#define _DEFAULT_SOURCE /* syscall */

#include "finish_avx512.h"

#ifdef COMPILES_AMX

#include <cpuid.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define TARGET "avx512f,avx512bw,avx512dq,amx-tile,amx-int8"
#define INLINE __attribute__((target(TARGET), always_inline)) static inline

enum {
    LANES = 16,
    DEPTH = 64, /* inputs */
    GROUPS = 4, /* of outputs, whose sums are kept in the first four of eight tiles */
    FEW = 2,    /* lanes that are not worth the tiles */
    ROW = 64,   /* bytes of a row of a tile */
    NUM_TILES = 8,
};

#define INPUTS 4 /* the tile of activations, whose number must be a literal; weights take turns in the three after it */

/* Of the tiles: what LDTILECFG reads. */
typedef struct {
    uint8_t palette, first_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
} Shapes;

/* Linux keeps the tiles of processes that have asked for it. */
int has_amxint8(void)
{
    enum { FEATURES = 7, HAS_TILES = 1 << 24, HAS_INT8 = 1 << 25, ASK = 0x1023, TILE_DATA = 18 };
    unsigned a, b, c, d = 0;
    return has_avx512vnni() && __get_cpuid_count(FEATURES, 0, &a, &b, &c, &d) && (d & HAS_TILES) && (d & HAS_INT8) &&
           syscall(SYS_arch_prctl, ASK, TILE_DATA) == 0;
}

INLINE void configure(int lanes)
{
    Shapes shapes = {.palette = 1};
    for (int tile = 0; tile < NUM_TILES; tile++) {
        shapes.row_bytes[tile] = ROW;
        shapes.rows[tile] = (uint8_t)(tile <= INPUTS ? lanes : DEPTH / QUAD);
    }
    __asm__ volatile("" : : "r"(&shapes) : "memory"); /* the intrinsic does not say that it reads all of them */
    _tile_loadconfig(&shapes);
}

/* Tiles have numbers that are known when this is compiled. */
#define MULTIPLY(group, tile)                                                    \
    if (groups > (group)) {                                                      \
        _tile_loadd(tile, weight + (group) * group_size, ROW);                   \
        _tile_dpbusd(group, INPUTS, tile);                                       \
    }

#define STORE(group)          \
    if (groups > (group))     \
        _tile_stored(group, sums[group], ROW);

INLINE void block(const Layer *layer, const uint8_t *const taps[], int first_lane, int lanes, int first_group, int groups,
                  Target target)
{
    const ptrdiff_t group_size = (ptrdiff_t)layer->num_taps * layer->num_inputs * GROUP;
    const int8_t *weight = layer->weight + first_group * group_size;
    _Alignas(64) int32_t sums[GROUPS][LANES][GROUP];
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    for (int tap = 0; tap < layer->num_taps; tap++) {
        const uint8_t *inputs = taps[tap] + (ptrdiff_t)first_lane * layer->num_inputs;
        for (int first = 0; first < layer->num_inputs; first += DEPTH, weight += DEPTH * GROUP) {
            _tile_loadd(INPUTS, inputs + first, layer->num_inputs);
            MULTIPLY(0, 5)
            MULTIPLY(1, 6)
            MULTIPLY(2, 7)
            MULTIPLY(3, 5)
        }
    }
    STORE(0)
    STORE(1)
    STORE(2)
    STORE(3)
    for (int group = 0; group < groups; group++)
        for (int lane = 0; lane < lanes; lane++) {
            const int output = (first_group + group) * GROUP;
            const ptrdiff_t place = (ptrdiff_t)(first_lane + lane) * layer->num_outputs + output;
            finish(layer, _mm512_load_si512(sums[group][lane]), output, place, target);
        }
}

__attribute__((target(TARGET))) void product_amxint8(const Layer *layer, const uint8_t *const taps[], int lanes,
                                                     Target target)
{
    if (lanes <= FEW || layer->num_inputs % DEPTH) {
        product_avx512vnni(layer, taps, lanes, target);
        return;
    }
    const int num_groups = layer->num_outputs / GROUP;
    for (int lane = 0; lane < lanes; lane += LANES) {
        const int left = lanes - lane < LANES ? lanes - lane : LANES;
        if (lane == 0 || left < LANES)
            configure(left);
        for (int group = 0; group < num_groups; group += GROUPS)
            block(layer, taps, lane, left, group, num_groups - group < GROUPS ? num_groups - group : GROUPS, target);
    }
    _tile_release();
}

#endif
