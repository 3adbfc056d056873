/* A part of the module: small images' intervals -> their short streams. See pixelzip/short_stream.py. */

#include "checksum.h"
#include "module.h"
#include "short_stream.h"

#include <stdlib.h>

enum { LEFT, COUNTS, PIXELS, SEALS, NUM_ARRAYS };

/* Small images of one size: (n, symbols) int32, rows perhaps apart, (n, ...) uint8 and (n,) uint32. */
typedef struct {
    Py_buffer arrays[NUM_ARRAYS];
    int num_open;
    size_t num_images, num_symbols, num_last, num_pixel_bytes;
} Images;

typedef struct {
    uint8_t *bytes;
    size_t num_bytes;
} Coded;

static void images_close(Images *images)
{
    for (int i = 0; i < images->num_open; i++)
        PyBuffer_Release(images->arrays + i);
}

static int is_rows_of_symbols(const Py_buffer *array)
{
    return array->ndim == 2 && array->itemsize == sizeof(int32_t) && array->strides[1] == sizeof(int32_t);
}

/* Leaves no buffer behind where it returns 0 with an exception. */
static int images_open(Images *images, PyObject *const objects[NUM_ARRAYS], int num_channels)
{
    const Py_buffer *arrays = images->arrays;
    while (images->num_open < NUM_ARRAYS) {
        const int flags = images->num_open <= COUNTS ? PyBUF_STRIDES : PyBUF_C_CONTIGUOUS;
        if (PyObject_GetBuffer(objects[images->num_open], images->arrays + images->num_open, flags) < 0) {
            images_close(images);
            return 0;
        }
        images->num_open++;
    }
    if (is_rows_of_symbols(arrays + LEFT) && is_rows_of_symbols(arrays + COUNTS)) {
        const Py_ssize_t *shape = arrays[LEFT].shape, num_images = shape[0];
        const Py_ssize_t num_pixel_bytes = num_images ? arrays[PIXELS].len / num_images : num_channels;
        images->num_images = (size_t)num_images;
        images->num_symbols = (size_t)shape[1];
        images->num_last = 2 * (size_t)num_channels;
        images->num_pixel_bytes = (size_t)num_pixel_bytes;
        const int is_pixel = num_channels > 0 && 2 * num_channels <= SHORT_MOST_LAST && num_channels <= num_pixel_bytes;
        if (is_pixel && 2 * num_channels <= shape[1] && arrays[COUNTS].shape[0] == num_images &&
            arrays[COUNTS].shape[1] == shape[1] && arrays[PIXELS].len == num_images * num_pixel_bytes &&
            arrays[SEALS].len == num_images * (Py_ssize_t)sizeof(uint32_t))
            return 1;
    }
    PyErr_SetString(PyExc_ValueError, "there must be as many counts as left cumulatives, and those of a whole pixel");
    images_close(images);
    return 0;
}

/* Return a stream without bytes where there is no memory. */
static Coded coded(const Images *images, size_t index, const Remainders *remainders)
{
    const Py_buffer *arrays = images->arrays;
    const size_t num_last = images->num_last;
    const uint8_t *pixels = (const uint8_t *)arrays[PIXELS].buf + index * images->num_pixel_bytes;
    Symbols symbols = {
        (const void *)((const char *)arrays[LEFT].buf + (Py_ssize_t)index * arrays[LEFT].strides[0]),
        (const void *)((const char *)arrays[COUNTS].buf + (Py_ssize_t)index * arrays[COUNTS].strides[0]),
        images->num_symbols,
        {0},
        num_last,
        checksum_of(remainders, pixels, images->num_pixel_bytes, ((const uint32_t *)arrays[SEALS].buf)[index]),
    };
    for (size_t i = 0; i < num_last; i++)
        symbols.last[i] = pixels[images->num_pixel_bytes - num_last / 2 + i / 2] >> (i % 2 ? 0 : 4) & (NIBBLES - 1);
    uint32_t *words = malloc((images->num_symbols + SHORT_MORE_WORDS) * sizeof *words);
    Coded stream = {NULL, words ? short_encode(&symbols, words) : 0};
    if (words)
        stream.bytes = malloc(stream.num_bytes);
    for (size_t i = 0; stream.bytes && i < stream.num_bytes; i++)
        stream.bytes[i] = (uint8_t)(words[i / 4] >> i % 4 * 8);
    free(words);
    return stream;
}

PyObject *write_short_streams(PyObject *self, PyObject *arguments)
{
    PyObject *objects[NUM_ARRAYS], *list = NULL;
    int num_channels;
    Images images = {0};
    if (!PyArg_ParseTuple(arguments, "OOOOi", objects + LEFT, objects + COUNTS, objects + PIXELS, objects + SEALS,
                          &num_channels) ||
        !images_open(&images, objects, num_channels))
        return NULL;
    Coded *streams = calloc(images.num_images + 1, sizeof *streams);
    size_t num_done = 0;
    if (streams) {
        Remainders remainders;
        Py_BEGIN_ALLOW_THREADS
        fill_remainders(&remainders);
        while (num_done < images.num_images && (streams[num_done] = coded(&images, num_done, &remainders)).bytes)
            num_done++;
        Py_END_ALLOW_THREADS
    }
    if (streams && num_done == images.num_images)
        list = PyList_New((Py_ssize_t)num_done);
    else
        PyErr_NoMemory();
    for (size_t i = 0; list && i < num_done; i++) {
        PyObject *stream = PyBytes_FromStringAndSize((char *)streams[i].bytes, (Py_ssize_t)streams[i].num_bytes);
        if (!stream || PyList_SetItem(list, (Py_ssize_t)i, stream) < 0)
            Py_CLEAR(list);
    }
    for (size_t i = 0; i < num_done; i++)
        free(streams[i].bytes);
    free(streams);
    images_close(&images);
    return list;
}
