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
    PAIR = 2,   /* of lanes and of groups: what two loads of each give four products of */
    FEW = 2,    /* lanes that are not worth the tiles */
    ROW = 64,   /* bytes of a row of a tile */
    NUM_TILES = 8,
};

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

/* Tiles 0 and 1 are sums of the first lanes, 2 and 3 of the others; 4 and 5 are the inputs of both, 6 and 7 weights. */
INLINE void configure(int lanes, int depth)
{
    const int first = lanes < LANES ? lanes : LANES, others = lanes > LANES ? lanes - LANES : 1;
    const int rows[NUM_TILES] = {first, first, others, others, first, others, depth / QUAD, depth / QUAD};
    const int row_bytes[NUM_TILES] = {ROW, ROW, ROW, ROW, depth, depth, ROW, ROW};
    Shapes shapes = {.palette = 1};
    for (int tile = 0; tile < NUM_TILES; tile++) {
        shapes.row_bytes[tile] = (uint16_t)row_bytes[tile];
        shapes.rows[tile] = (uint8_t)rows[tile];
    }
    __asm__ volatile("" : : "r"(&shapes) : "memory"); /* the intrinsic does not say that it reads all of them */
    _tile_loadconfig(&shapes);
}

/* Sums of a block, until they are finished: not before the next block is on its way, since the tiles are slow to store. */
typedef struct {
    _Alignas(64) int32_t sums[PAIR][PAIR][LANES][GROUP]; /* of lanes, of groups */
    int first_lane, lanes, first_group, groups;
} Block;

INLINE void finish_block(const Layer *layer, const Block *block, Target target)
{
    const int output = block->first_group * GROUP, are_two = block->groups == PAIR && target.activations;
    for (int lane = 0; lane < block->lanes; lane++) {
        const ptrdiff_t place = (ptrdiff_t)(block->first_lane + lane) * layer->num_outputs + output;
        __m512i sums[PAIR];
        for (int group = 0; group < block->groups; group++)
            sums[group] = _mm512_load_si512(block->sums[lane / LANES][group][lane % LANES]);
        if (are_two)
            finish_two(layer, sums, output, place, target);
        for (int group = 0; !are_two && group < block->groups; group++)
            finish(layer, sums[group], output + group * GROUP, place + group * GROUP, target);
    }
}

/* Add products of `depth` inputs to the sums. Tiles have numbers that are known when this is compiled. */
INLINE void multiply(const Layer *layer, const uint8_t *inputs, const int8_t *weight, ptrdiff_t group_size,
                     const Block *block)
{
    const int are_two = block->groups == PAIR, are_more = block->lanes > LANES;
    _tile_loadd(4, inputs, layer->num_inputs);
    _tile_loadd(6, weight, ROW);
    _tile_dpbusd(0, 4, 6);
    if (are_two) {
        _tile_loadd(7, weight + group_size, ROW);
        _tile_dpbusd(1, 4, 7);
    }
    if (are_more) {
        _tile_loadd(5, inputs + LANES * layer->num_inputs, layer->num_inputs);
        _tile_dpbusd(2, 5, 6);
    }
    if (are_more && are_two)
        _tile_dpbusd(3, 5, 7);
}

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
        for (int first = 0; first < layer->num_inputs; first += depth, weight += depth * GROUP)
            multiply(layer, inputs + first, weight, group_size, block);
    }
    _tile_stored(0, block->sums[0][0], ROW);
    _tile_stored(1, block->sums[0][1], ROW);
    if (block->lanes > LANES) {
        _tile_stored(2, block->sums[1][0], ROW);
        _tile_stored(3, block->sums[1][1], ROW);
    }
}

__attribute__((target(TARGET))) void product_amxint8(const Layer *layer, const uint8_t *const taps[], int lanes,
                                                     Target target)
{
    const int depth = layer->num_inputs % DEPTH ? DEPTH / 2 : DEPTH;
    if (lanes <= FEW || layer->num_inputs % depth) {
        product_avx512vnni(layer, taps, lanes, target);
        return;
    }
    const int num_groups = layer->num_outputs / GROUP, whole = lanes - lanes % (PAIR * LANES);
    Block blocks[2];
    blocks[1].lanes = 0;
    int turn = 0;
    for (int first = 0, end; first < lanes; first = end) { /* whole blocks of lanes, then the rest */
        const int in_block = first < whole ? PAIR * LANES : lanes - first;
        end = first < whole ? whole : lanes;
        configure(in_block, depth);
        for (int group = 0; group < num_groups; group += PAIR)
            for (int lane = first; lane < end; lane += in_block, turn ^= 1) { /* of the same weights, in the nearest cache */
                Block *block = blocks + turn, *before = blocks + (turn ^ 1);
                block->first_lane = lane;
                block->lanes = in_block;
                block->first_group = group;
                block->groups = num_groups - group < PAIR ? num_groups - group : PAIR;
                sum_block(layer, taps, depth, block);
                finish_block(layer, before, target);
            }
    }
    finish_block(layer, blocks + (turn ^ 1), target);
    _tile_release();
}

#endif
