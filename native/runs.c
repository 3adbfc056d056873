/* A part of stage 4, for instruction sets that sum in 16 bits: a layer's weights -> runs of quads whose sums cannot leave them.

   Most weights are small, so most runs are full. */

#include "pixelzip.h"

#include <stdlib.h>
#include <string.h>

typedef int8_t Quad[GROUP][QUAD];

static void add_weights(const int8_t weights[2], int *positive, int *negative)
{
    for (int i = 0; i < 2; i++)
        *(weights[i] > 0 ? positive : negative) += weights[i];
}

/* Whether a run has room for a quad, and no inputs from 0 to 255 could take a sum of products out of 16 bits. A sum has two
   inputs of each quad, and those of one quad fit, whatever they are. */
static int takes(const Run *run, const Quad quad)
{
    if (run->num_quads == 0 || run->num_quads == RUN)
        return run->num_quads == 0;
    for (int output = 0; output < GROUP; output++)
        for (int first = 0; first < QUAD; first += 2) {
            int positive = 0, negative = 0;
            add_weights(quad[output] + first, &positive, &negative);
            for (int i = 0; i < run->num_quads; i++)
                add_weights(run->weight[i][output] + first, &positive, &negative);
            if (positive * UINT8_MAX > INT16_MAX || negative * UINT8_MAX < INT16_MIN)
                return 0;
        }
    return 1;
}

/* Put each quad of one tap into the first run that takes it; an empty one takes all. Return the number of runs. */
static int pack(Run *runs, const Quad *quads, int num_quads)
{
    int num_runs = 0;
    for (int quad = 0; quad < num_quads; quad++) {
        int index = 0;
        while (!takes(runs + index, quads[quad]))
            index++;
        Run *run = runs + index;
        run->inputs[run->num_quads] = quad * QUAD;
        memcpy(run->weight[run->num_quads++], quads[quad], sizeof quads[quad]);
        num_runs = index < num_runs ? num_runs : index + 1;
    }
    return num_runs;
}

int make_runs(Layer *layer)
{
    const int num_parts = layer->num_outputs / GROUP * layer->num_taps, num_quads = layer->num_inputs / QUAD;
    const Quad *quads = (const void *)layer->weight;
    layer->runs = calloc((size_t)(num_parts * num_quads), sizeof *layer->runs);
    layer->first_runs = calloc((size_t)num_parts + 1, sizeof *layer->first_runs);
    if (!layer->runs || !layer->first_runs)
        return 0;
    for (int part = 0; part < num_parts; part++, quads += num_quads)
        layer->first_runs[part + 1] =
            layer->first_runs[part] + pack(layer->runs + layer->first_runs[part], quads, num_quads);
    return 1;
}
