/* A part of stage 4: native/product.c with AMX, which multiplies 16 pixels by 16 outputs, 64 or 32 inputs of each, at once. */

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
    DEPTH = 64, /* inputs, or half as many */
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

INLINE void configure(int lanes, int depth)
{
    Shapes shapes = {.palette = 1};
    for (int tile = 0; tile < NUM_TILES; tile++) {
        shapes.row_bytes[tile] = (uint16_t)(tile == INPUTS ? depth : ROW);
        shapes.rows[tile] = (uint8_t)(tile <= INPUTS ? lanes : depth / QUAD);
    }
    __asm__ volatile("" : : "r"(&shapes) : "memory"); /* the intrinsic does not say that it reads all of them */
    _tile_loadconfig(&shapes);
}

/* Sums of a block, until they are finished: not before the next block is on its way, since the tiles are slow to store. */
typedef struct {
    _Alignas(64) int32_t sums[GROUPS][LANES][GROUP];
    int first_lane, lanes, first_group, groups;
} Block;

INLINE void finish_block(const Layer *layer, const Block *block, Target target)
{
    const int output = block->first_group * GROUP, are_four = block->groups == GROUPS && target.activations;
    for (int lane = 0; lane < block->lanes; lane++) {
        const ptrdiff_t place = (ptrdiff_t)(block->first_lane + lane) * layer->num_outputs + output;
        __m512i sums[GROUPS];
        for (int group = 0; group < block->groups; group++)
            sums[group] = _mm512_load_si512(block->sums[group][lane]);
        if (are_four)
            finish_four(layer, sums, output, place, target);
        for (int group = 0; !are_four && group < block->groups; group++)
            finish(layer, sums[group], output + group * GROUP, place + group * GROUP, target);
    }
}

/* Tiles have numbers that are known when this is compiled. */
#define MULTIPLY(group, tile)                                      \
    if (block->groups > (group)) {                                 \
        _tile_loadd(tile, weight + (group) * group_size, ROW);     \
        _tile_dpbusd(group, INPUTS, tile);                         \
    }

#define STORE(group)              \
    if (block->groups > (group))  \
        _tile_stored(group, block->sums[group], ROW);

INLINE void sum_block(const Layer *layer, const uint8_t *const taps[], int depth, Block *block)
{
    const ptrdiff_t group_size = (ptrdiff_t)layer->num_taps * layer->num_inputs * GROUP;
    const int8_t *weight = layer->weight + block->first_group * group_size;
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    for (int tap = 0; tap < layer->num_taps; tap++) {
        const uint8_t *inputs = taps[tap] + (ptrdiff_t)block->first_lane * layer->num_inputs;
        for (int first = 0; first < layer->num_inputs; first += depth, weight += depth * GROUP) {
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
}

__attribute__((target(TARGET))) void product_amxint8(const Layer *layer, const uint8_t *const taps[], int lanes,
                                                     Target target)
{
    const int depth = layer->num_inputs % DEPTH ? DEPTH / 2 : DEPTH;
    if (lanes <= FEW || layer->num_inputs % depth) {
        product_avx512vnni(layer, taps, lanes, target);
        return;
    }
    const int num_groups = layer->num_outputs / GROUP, whole = lanes - lanes % LANES;
    Block blocks[2];
    blocks[1].lanes = 0;
    int turn = 0;
    for (int first = 0, end; first < lanes; first = end) { /* whole blocks of lanes, then the rest */
        const int in_block = first < whole ? LANES : lanes - first;
        end = first < whole ? whole : lanes;
        configure(in_block, depth);
        for (int group = 0; group < num_groups; group += GROUPS)
            for (int lane = first; lane < end; lane += in_block, turn ^= 1) { /* of the same weights, in the nearest cache */
                Block *block = blocks + turn, *before = blocks + (turn ^ 1);
                block->first_lane = lane;
                block->lanes = in_block;
                block->first_group = group;
                block->groups = num_groups - group < GROUPS ? num_groups - group : GROUPS;
                sum_block(layer, taps, depth, block);
                finish_block(layer, before, target);
            }
    }
    finish_block(layer, blocks + (turn ^ 1), target);
    _tile_release();
}

#endif
