/* A part of stage 4: one layer, products of unsigned activations and signed weights, exact in 32 bits, and their rounding.

   This is the definition in plain C and the choice of the instruction set; pixelzip/models/integer.py says the same. */

#include "depthwise.h"

#include <string.h>

enum { LANES = 32 }; /* pixels for which weights are unpacked once */

/* One IEEE multiplication, round half to even, one addition, clamp. Loops without branches or calls become vectors. */
static void finish(const Layer *layer, const int32_t *sums, int group, ptrdiff_t place, Target target)
{
    const float limit = target.activations ? 127.0f : LARGEST_PARAMETER, least = target.activations ? -128.0f : -limit;
    const float far = 0x1p21f, whole = 0x1.8p23f; /* adding this leaves no bits for fractions of what is not far */
    int32_t residual[GROUP] = {0}, rounded[GROUP];
    for (int i = 0; target.residual && i < GROUP; i++)
        residual[i] = target.residual[place + i] - 128;
    for (int i = 0; i < GROUP; i++) {
        float scaled = (float)(sums[i] + layer->bias[group + i]) * layer->multiplier[group + i];
        scaled = scaled < -far ? -far : scaled > far ? far : scaled;
        scaled = (scaled + whole - whole) + (float)residual[i];
        rounded[i] = (int32_t)(scaled < least ? least : scaled > limit ? limit : scaled);
    }
    for (int i = 0; i < GROUP; i++)
        if (target.activations)
            target.activations[place + i] = (uint8_t)(rounded[i] + 128);
        else
            target.parameters[place + i] = rounded[i];
}

/* Add the products of four inputs. Weights are within +-64, so the sum of two of them fits 16 bits. */
static void add_products(const uint8_t *inputs, const int16_t weight[QUAD][GROUP], int32_t *sums)
{
    for (int pair = 0; pair < QUAD; pair += 2) {
        const int16_t one = inputs[pair], other = inputs[pair + 1];
        for (int i = 0; i < GROUP; i++)
            sums[i] += (int16_t)(one * weight[pair][i] + other * weight[pair + 1][i]);
    }
}

static void block(const Layer *layer, const uint8_t *const taps[], int first_lane, int lanes, int group, Target target)
{
    int32_t sums[LANES][GROUP] = {{0}};
    const int num_quads = layer->num_inputs / QUAD;
    const int8_t *stored = layer->weight + (ptrdiff_t)group * layer->num_taps * layer->num_inputs;
    for (int tap = 0; tap < layer->num_taps; tap++) {
        const uint8_t *inputs = taps[tap] + (ptrdiff_t)first_lane * layer->num_inputs;
        for (int quad = 0; quad < num_quads; quad++, inputs += QUAD, stored += GROUP * QUAD) {
            int16_t weight[QUAD][GROUP];
            for (int i = 0; i < GROUP * QUAD; i++)
                weight[i % QUAD][i / QUAD] = stored[i];
            for (int lane = 0; lane < lanes; lane++)
                add_products(inputs + lane * layer->num_inputs, weight, sums[lane]);
        }
    }
    for (int lane = 0; lane < lanes; lane++)
        finish(layer, sums[lane], group, (ptrdiff_t)(first_lane + lane) * layer->num_outputs + group, target);
}

static void product_portable(const Layer *layer, const uint8_t *const taps[], int lanes, Target target)
{
    for (int lane = 0; lane < lanes; lane += LANES)
        for (int group = 0; group < layer->num_outputs; group += GROUP)
            block(layer, taps, lane, lanes - lane < LANES ? lanes - lane : LANES, group, target);
}

static void depthwise_portable(const Layer *layer, const uint8_t *const taps[], int lanes, Target target)
{
    depthwise_lanes(layer, taps, lanes, target);
}

static int always(void)
{
    return 1;
}

static const struct {
    const char *name;
    int (*is_there)(void);
    Product *product, *depthwise;
    int sums_in_16_bits;
    TileIntervals *intervals;
    TileDecode *decode;
} instruction_sets[] = {
#if defined(__x86_64__)
#ifdef COMPILES_AMX
    {"amxint8", has_amxint8, product_amxint8, depthwise_avx512vnni, 0, tile_intervals_avx2, tile_decode_avx2},
#endif
    {"avx512vnni", has_avx512vnni, product_avx512vnni, depthwise_avx512vnni, 0, tile_intervals_avx2, tile_decode_avx2},
#ifdef COMPILES_AVXVNNI
    {"avxvnni", has_avxvnni, product_avxvnni, depthwise_avxvnni, 0, tile_intervals_avx2, tile_decode_avx2},
#endif
    {"avx2", has_avx2, product_avx2, depthwise_avx2, 1, tile_intervals_avx2, tile_decode_avx2},
#elif defined(__aarch64__)
    {"neondotprod", has_neondotprod, product_neondotprod, depthwise_neondotprod, 0, tile_intervals, tile_decode},
#endif
    {"portable", always, product_portable, depthwise_portable, 0, tile_intervals, tile_decode},
};

enum { NUM_INSTRUCTION_SETS = sizeof instruction_sets / sizeof *instruction_sets };

const char *instruction_set_name(int index)
{
    for (int i = 0; i < NUM_INSTRUCTION_SETS; i++)
        if (instruction_sets[i].is_there() && index-- == 0)
            return instruction_sets[i].name;
    return NULL;
}

int choose_instruction_set(const char *name, Network *network)
{
    for (int i = 0; i < NUM_INSTRUCTION_SETS; i++)
        if (strcmp(name, instruction_sets[i].name) == 0 && instruction_sets[i].is_there()) {
            network->product = instruction_sets[i].product;
            network->depthwise = instruction_sets[i].depthwise;
            network->sums_in_16_bits = instruction_sets[i].sums_in_16_bits;
            network->intervals = instruction_sets[i].intervals;
            network->decode = instruction_sets[i].decode;
            return 1;
        }
    return 0;
}
