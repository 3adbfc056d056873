/* What a WebP of a small image would take at best, in parts. Mirrors _counted of pixelzip/estimate.py. */

#include "module.h"

#include <string.h>

enum {
    CHANNELS = 3,
    MOST_PIXELS = 64 * 64,
    MOST_PLACES = 2 * MOST_PIXELS,
    NUM_RESULTS = 4,
};

typedef struct {
    int height, width;
    const int64_t *bits_of_counts; /* (MOST_PIXELS + 1,) n * log2(n), in 2^-16 bits */
} Kind;

static uint8_t mean(uint8_t above, uint8_t left)
{
    return (uint8_t)((above & left) + ((above ^ left) >> 1));
}

/* Whether a pixel differs from its left and its upper neighbour, as those without both do. */
static int is_new(const Kind *kind, const uint8_t *pixels, int row, int column)
{
    const uint8_t *pixel = pixels + ((ptrdiff_t)row * kind->width + column) * CHANNELS;
    return row == 0 || column == 0 ||
           (memcmp(pixel, pixel - CHANNELS, CHANNELS) && memcmp(pixel, pixel - CHANNELS * kind->width, CHANNELS));
}

/* Green is subtracted from red and blue, then from each new pixel the mean of the left and the upper one. */
static int64_t bits_of_residuals(const Kind *kind, const uint8_t *pixels, const uint8_t *are_new, int num_new)
{
    uint16_t counts[CHANNELS][LEVELS] = {{0}};
    uint8_t rows[2][CHANNELS][MOST_PIXELS];
    for (int row = 0; row < kind->height; row++, are_new += kind->width)
        for (int channel = 0; channel < CHANNELS; channel++) {
            const uint8_t *above = rows[(row + 1) % 2][channel];
            uint8_t *here = rows[row % 2][channel];
            const uint8_t *levels = pixels + (ptrdiff_t)row * kind->width * CHANNELS;
            for (int column = 0; column < kind->width; column++, levels += CHANNELS)
                here[column] = (uint8_t)(levels[channel] - (channel == 1 ? 0 : levels[1]));
            for (int column = 1; row && column < kind->width; column++)
                counts[channel][(uint8_t)(here[column] - mean(above[column], here[column - 1]))] += are_new[column];
        }
    int64_t bits = CHANNELS * kind->bits_of_counts[num_new];
    for (int channel = 0; channel < CHANNELS; channel++)
        for (int level = 0; level < LEVELS; level++)
            bits -= kind->bits_of_counts[counts[channel][level]];
    return bits;
}

/* Of new pixels. Open addressing; Knuth's multiplicative hash. */
static int64_t num_colours(const uint8_t *pixels, const uint8_t *are_new, int num_pixels)
{
    uint32_t places[MOST_PLACES], bits = 1;
    while (1 << bits < 2 * num_pixels)
        bits++;
    memset(places, 0, sizeof *places << bits);
    int64_t count = 0;
    for (int i = 0; i < num_pixels; i++, pixels += CHANNELS) {
        if (!are_new[i])
            continue;
        const uint32_t colour = 1 + (pixels[0] | (uint32_t)pixels[1] << 8 | (uint32_t)pixels[2] << 16);
        uint32_t place = (colour * 0x9E3779B1u) >> (32 - bits);
        while (places[place] && places[place] != colour)
            place = (place + 1) & ((1u << bits) - 1);
        count += places[place] == 0;
        places[place] = colour;
    }
    return count;
}

/* Write bits of residuals, bits that tell which pixels are new, how many these are, and of how many colours. */
static void estimate(const Kind *kind, const uint8_t *pixels, int64_t *place)
{
    uint8_t are_new[MOST_PIXELS];
    const int num_pixels = kind->height * kind->width, num_inside = (kind->height - 1) * (kind->width - 1);
    int num_new = 0;
    for (int row = 0; row < kind->height; row++)
        for (int column = 0; column < kind->width; column++)
            num_new += are_new[row * kind->width + column] = (uint8_t)is_new(kind, pixels, row, column);
    const int num_new_inside = num_new - (num_pixels - num_inside);
    const int64_t *bits_of_counts = kind->bits_of_counts;
    place[0] = bits_of_residuals(kind, pixels, are_new, num_new_inside);
    place[1] = bits_of_counts[num_inside] - bits_of_counts[num_new_inside] - bits_of_counts[num_inside - num_new_inside];
    place[2] = num_new;
    place[3] = num_colours(pixels, are_new, num_pixels);
}

/* Arguments: images (n, height, width, 3), height, width, the table, and (n, 4) int64 for the results. */
PyObject *write_estimates(PyObject *self, PyObject *arguments)
{
    Kind kind;
    Py_buffer images, table, found;
    if (!PyArg_ParseTuple(arguments, "y*iiy*w*", &images, &kind.height, &kind.width, &table, &found))
        return NULL;
    const Py_ssize_t num_images = found.len / (NUM_RESULTS * (Py_ssize_t)sizeof(int64_t));
    const int is_valid = kind.height > 1 && kind.width > 1 && kind.height <= MOST_PIXELS / kind.width &&
                         table.len == (MOST_PIXELS + 1) * (Py_ssize_t)sizeof(int64_t) &&
                         images.len == num_images * CHANNELS * kind.height * kind.width;
    kind.bits_of_counts = table.buf;
    const uint8_t *pixels = images.buf;
    int64_t *place = found.buf;
    if (is_valid) {
        Py_BEGIN_ALLOW_THREADS
        for (Py_ssize_t i = 0; i < num_images; i++, pixels += CHANNELS * kind.height * kind.width)
            estimate(&kind, pixels, place + i * NUM_RESULTS);
        Py_END_ALLOW_THREADS
    } else
        PyErr_SetString(PyExc_ValueError, "images, their size, the table and the results do not fit one another");
    PyBuffer_Release(&images);
    PyBuffer_Release(&table);
    PyBuffer_Release(&found);
    return is_valid ? Py_NewRef(Py_None) : NULL;
}
