/* The Python module pixelzip._native: checks sizes, lets other threads run, calls the stages. See pixelzip/native.py. */

#include "module.h"

#include <stdlib.h>

static PyObject *instruction_sets(PyObject *self, PyObject *arguments)
{
    PyObject *names = PyList_New(0);
    const char *name;
    for (int i = 0; names && (name = instruction_set_name(i)) != NULL; i++) {
        PyObject *text = PyUnicode_FromString(name);
        if (!text || PyList_Append(names, text) < 0)
            Py_CLEAR(names);
        Py_XDECREF(text);
    }
    return names;
}

typedef struct {
    Network *network;
    Tile *tiles; /* of one size */
    int num_tiles, num_channels;
    Py_buffer pixels;
} Job;

static void job_close(Job *job)
{
    free(job->tiles);
    PyBuffer_Release(&job->pixels);
}

/* Read (network, pixels, (height, width, channels), (origin row, origin column)); pixels are (tiles, height, width, 3). */
static int job_open(Job *job, PyObject *capsule, PyObject *pixels, PyObject *shape, PyObject *origin)
{
    Tile tile;
    job->network = network_of(capsule);
    if (!job->network || !PyArg_ParseTuple(shape, "iii", &tile.height, &tile.width, &job->num_channels) ||
        !PyArg_ParseTuple(origin, "ii", &tile.origin_row, &tile.origin_column) ||
        PyObject_GetBuffer(pixels, &job->pixels, PyBUF_C_CONTIGUOUS | PyBUF_WRITABLE) < 0)
        return 0;
    const int is_tile = tile.height > 0 && tile.width > 0 && tile.height < 1 << 24 && tile.width < 1 << 24 &&
                        tile.origin_row >= 0 && tile.origin_column >= 0 &&
                        (job->num_channels == 1 || job->num_channels == 3);
    const int64_t size = is_tile ? 3 * (int64_t)tile.height * tile.width : 1;
    const int64_t num_tiles = (int64_t)job->pixels.len / size;
    const int fits = is_tile && num_tiles > 0 && num_tiles < 1 << 24 && (int64_t)job->pixels.len == num_tiles * size;
    job->num_tiles = (int)num_tiles;
    job->tiles = fits ? malloc((size_t)num_tiles * sizeof *job->tiles) : NULL;
    for (int i = 0; job->tiles && i < num_tiles; i++) {
        job->tiles[i] = tile;
        job->tiles[i].pixels = (uint8_t *)job->pixels.buf + i * size;
    }
    if (job->tiles)
        return 1;
    if (fits)
        PyErr_NoMemory();
    else
        PyErr_SetString(PyExc_ValueError, "the pixels do not have the tile's size");
    job_close(job);
    return 0;
}

static PyObject *intervals(PyObject *self, PyObject *arguments)
{
    Job job;
    Py_buffer both;
    PyObject *capsule, *pixels, *shape, *origin;
    if (!PyArg_ParseTuple(arguments, "OOO!O!w*", &capsule, &pixels, &PyTuple_Type, &shape, &PyTuple_Type, &origin, &both))
        return NULL;
    int is_done = 0;
    if (job_open(&job, capsule, pixels, shape, origin)) {
        if (both.len == job.pixels.len / 3 * 4 * job.num_channels * (Py_ssize_t)sizeof(int32_t)) {
            Py_BEGIN_ALLOW_THREADS
            is_done = job.network->intervals(job.network, job.tiles, job.num_tiles, job.num_channels, both.buf);
            Py_END_ALLOW_THREADS
            if (!is_done)
                PyErr_NoMemory();
        } else
            PyErr_SetString(PyExc_ValueError, "the intervals do not have the tiles' size");
        job_close(&job);
    }
    PyBuffer_Release(&both);
    return is_done ? Py_NewRef(Py_None) : NULL;
}

/* What is read of each tile's stream, and what is left of it. */
typedef struct {
    Py_buffer *buffers;
    Stream *streams;
    Rest *rests;
    int *are_complete;
    int num_open;
} Reading;

static void reading_close(Reading *reading)
{
    for (int i = 0; i < reading->num_open; i++)
        PyBuffer_Release(reading->buffers + i);
    free(reading->buffers);
    free(reading->streams);
    free(reading->rests);
    free(reading->are_complete);
}

static int reading_open(Reading *reading, PyObject *list, int num_tiles)
{
    const size_t count = (size_t)num_tiles;
    *reading = (Reading){calloc(count, sizeof(Py_buffer)), calloc(count, sizeof(Stream)), calloc(count, sizeof(Rest)),
                         calloc(count, sizeof(int)), 0};
    if (!reading->buffers || !reading->streams || !reading->rests || !reading->are_complete)
        PyErr_NoMemory();
    else if (PyList_Size(list) != num_tiles)
        PyErr_SetString(PyExc_ValueError, "there must be as many streams as tiles");
    for (int i = 0; !PyErr_Occurred() && i < num_tiles; i++) {
        Py_buffer *buffer = reading->buffers + i;
        if (PyObject_GetBuffer(PyList_GetItem(list, i), buffer, PyBUF_C_CONTIGUOUS) < 0)
            break;
        reading->num_open++;
        reading->streams[i] = (Stream){buffer->buf, (size_t)buffer->len};
        if (buffer->len == 0 || buffer->len % 4)
            PyErr_SetString(PyExc_ValueError, "a stream must be made of whole words, at least one");
    }
    if (!PyErr_Occurred())
        return 1;
    reading_close(reading);
    return 0;
}

/* Write what is left, UINT64_MAX for more. */
static void write_rests(const Reading *reading, uint64_t *rests)
{
    for (int i = 0; i < reading->num_open; i++)
        rests[i] = reading->are_complete[i] && reading->rests[i] < UINT64_MAX ? (uint64_t)reading->rests[i] : UINT64_MAX;
}

static PyObject *decode(PyObject *self, PyObject *arguments)
{
    Job job;
    Reading reading;
    Py_buffer rests;
    PyObject *capsule, *pixels, *shape, *origin, *streams;
    int is_short, is_done = 0;
    if (!PyArg_ParseTuple(arguments, "OOO!O!O!pw*", &capsule, &pixels, &PyTuple_Type, &shape, &PyTuple_Type, &origin,
                          &PyList_Type, &streams, &is_short, &rests))
        return NULL;
    if (job_open(&job, capsule, pixels, shape, origin)) {
        if (rests.len != job.num_tiles * (Py_ssize_t)sizeof(uint64_t))
            PyErr_SetString(PyExc_ValueError, "there must be as many rests as tiles");
        else if (reading_open(&reading, streams, job.num_tiles)) {
            Py_BEGIN_ALLOW_THREADS
            is_done = job.network->decode(job.network, job.tiles, job.num_tiles, job.num_channels, is_short,
                                          reading.streams, reading.rests, reading.are_complete);
            Py_END_ALLOW_THREADS
            if (is_done)
                write_rests(&reading, rests.buf);
            else
                PyErr_NoMemory();
            reading_close(&reading);
        }
        job_close(&job);
    }
    PyBuffer_Release(&rests);
    return is_done ? Py_NewRef(Py_None) : NULL;
}

static PyObject *push(PyObject *self, PyObject *arguments)
{
    unsigned long long state;
    Py_buffer left, counts;
    if (!PyArg_ParseTuple(arguments, "Ky*y*", &state, &left, &counts))
        return NULL;
    const size_t num_symbols = (size_t)left.len / sizeof(int32_t);
    uint32_t *words = left.len == counts.len ? malloc((num_symbols + 1) * sizeof *words) : NULL;
    PyObject *result = NULL;
    if (words) {
        uint64_t end = state;
        size_t num_words;
        Py_BEGIN_ALLOW_THREADS
        num_words = encode(&end, left.buf, counts.buf, num_symbols, words);
        Py_END_ALLOW_THREADS
        result = Py_BuildValue("y#K", (char *)words, (Py_ssize_t)(num_words * sizeof *words), (unsigned long long)end);
    } else if (left.len == counts.len)
        PyErr_NoMemory();
    else
        PyErr_SetString(PyExc_ValueError, "there must be as many counts as left cumulatives");
    free(words);
    PyBuffer_Release(&left);
    PyBuffer_Release(&counts);
    return result;
}

static PyObject *times(PyObject *self, PyObject *arguments)
{
    const Times so_far = times_so_far();
    return Py_BuildValue("KKK", (unsigned long long)so_far.inputs, (unsigned long long)so_far.layers,
                         (unsigned long long)so_far.distribution);
}

static PyMethodDef methods[] = {
    {"instruction_sets", instruction_sets, METH_NOARGS, "List the instruction sets that this machine has, best first."},
    {"network", make_network, METH_VARARGS, "Copy a network's integers."},
    {"intervals", intervals, METH_VARARGS, "Write the intervals of tiles' symbols, in stream order."},
    {"decode", decode, METH_VARARGS, "Decode tiles; write what is left of each stream, 2^64 - 1 for more."},
    {"push", push, METH_VARARGS, "Push intervals onto a state; return words and state."},
    {"short_streams", write_short_streams, METH_VARARGS, "Code many small images' intervals; return a list of streams."},
    {"checksums", write_checksums, METH_VARARGS, "Write the CRC32 of rows, each chained to a number."},
    {"estimates", write_estimates, METH_VARARGS, "Write bits of residuals and numbers of colours of small images."},
    {"token_network", make_token_network, METH_VARARGS, "Copy the integers of a network for coefficients."},
    {"token_weights", write_token_weights, METH_VARARGS, "Write counts less one of coefficients' tokens."},
    {"token_intervals", write_token_intervals, METH_VARARGS, "Write the intervals of coefficients' tokens."},
    {"read_scan", read_scan, METH_VARARGS, "Read levels of a JPEG's scan; return whether its data are whole."},
    {"count_scan", count_scan, METH_VARARGS, "Add how often a JPEG's scan needs each symbol; return whether it can be written."},
    {"write_scan", write_scan, METH_VARARGS, "Write a JPEG's scan; None: a code is missing."},
    {"encode_levels", encode_levels, METH_VARARGS, "Return left cumulatives and counts of a component's levels, or None."},
    {"decode_levels", decode_levels, METH_VARARGS, "Fill in a component's levels; return words and state that are left, or None."},
    {"write_samples", write_samples, METH_VARARGS, "Write the samples that a JPEG's coefficients give."},
    {"write_upsampled", write_upsampled, METH_VARARGS, "Write samples of every pixel, interpolated."},
    {"encode_drawing", encode_drawing, METH_VARARGS, "Return the bytes of a band of a drawing; None: more than a limit."},
    {"decode_drawing", decode_drawing, METH_VARARGS, "Write a band of a drawing; return how many bytes are done with and the interval that is left."},
    {"times", times, METH_NOARGS, "Nanoseconds so far: inputs, layers, all else in tiles."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "pixelzip._native", NULL, 0, methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__native(void)
{
    return PyModuleDef_Init(&definition);
}
