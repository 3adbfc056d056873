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
    Tile tile;
    int num_channels;
    Py_buffer pixels;
} Job;

/* Read (network, pixels, (height, width, channels), (origin row, origin column)); pixels are (height, width, 3). */
static int job_open(Job *job, PyObject *capsule, PyObject *pixels, PyObject *shape, PyObject *origin)
{
    Tile *tile = &job->tile;
    job->network = network_of(capsule);
    if (!job->network || !PyArg_ParseTuple(shape, "iii", &tile->height, &tile->width, &job->num_channels) ||
        !PyArg_ParseTuple(origin, "ii", &tile->origin_row, &tile->origin_column) ||
        PyObject_GetBuffer(pixels, &job->pixels, PyBUF_C_CONTIGUOUS | PyBUF_WRITABLE) < 0)
        return 0;
    tile->pixels = job->pixels.buf;
    if (tile->height > 0 && tile->width > 0 && tile->height < 1 << 24 && tile->width < 1 << 24 &&
        tile->origin_row >= 0 && tile->origin_column >= 0 && (job->num_channels == 1 || job->num_channels == 3) &&
        (int64_t)job->pixels.len == 3 * (int64_t)tile->height * tile->width)
        return 1;
    PyBuffer_Release(&job->pixels);
    PyErr_SetString(PyExc_ValueError, "the pixels do not have the tile's size");
    return 0;
}

static PyObject *intervals(PyObject *self, PyObject *arguments)
{
    Job job;
    Py_buffer left, counts;
    PyObject *capsule, *pixels, *shape, *origin;
    if (!PyArg_ParseTuple(arguments, "OOO!O!w*w*", &capsule, &pixels, &PyTuple_Type, &shape, &PyTuple_Type, &origin,
                          &left, &counts))
        return NULL;
    int is_done = 0;
    if (job_open(&job, capsule, pixels, shape, origin)) {
        const Py_ssize_t needed = job.pixels.len / 3 * 2 * job.num_channels * (Py_ssize_t)sizeof(int32_t);
        if (left.len == needed && counts.len == needed) {
            Py_BEGIN_ALLOW_THREADS
            is_done = job.network->intervals(job.network, job.tile, job.num_channels, left.buf, counts.buf);
            Py_END_ALLOW_THREADS
            if (!is_done)
                PyErr_NoMemory();
        } else
            PyErr_SetString(PyExc_ValueError, "the intervals do not have the tile's size");
        PyBuffer_Release(&job.pixels);
    }
    PyBuffer_Release(&left);
    PyBuffer_Release(&counts);
    return is_done ? Py_NewRef(Py_None) : NULL;
}

static PyObject *decode(PyObject *self, PyObject *arguments)
{
    Job job;
    Py_buffer stream;
    PyObject *capsule, *pixels, *shape, *origin, *result = NULL;
    int is_short;
    if (!PyArg_ParseTuple(arguments, "OOO!O!y*p", &capsule, &pixels, &PyTuple_Type, &shape, &PyTuple_Type, &origin,
                          &stream, &is_short))
        return NULL;
    if (stream.len == 0 || stream.len % 4)
        PyErr_SetString(PyExc_ValueError, "a stream must be made of whole words, at least one");
    else if (job_open(&job, capsule, pixels, shape, origin)) {
        int is_done, is_complete;
        Rest rest = 0;
        Py_BEGIN_ALLOW_THREADS
        is_done = job.network->decode(job.network, job.tile, job.num_channels, is_short,
                                      (Stream){stream.buf, (size_t)stream.len}, &rest, &is_complete);
        Py_END_ALLOW_THREADS
        PyBuffer_Release(&job.pixels);
        const unsigned long long halves[2] = {(unsigned long long)rest, (unsigned long long)(rest >> 64)};
        result = !is_done ? PyErr_NoMemory() : Py_BuildValue("OKK", is_complete ? Py_True : Py_False, halves[0], halves[1]);
    }
    PyBuffer_Release(&stream);
    return result;
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
    {"intervals", intervals, METH_VARARGS, "Write the intervals of a tile's symbols, in stream order."},
    {"decode", decode, METH_VARARGS, "Decode a tile; return whether all was read, and what is left as two halves."},
    {"push", push, METH_VARARGS, "Push intervals onto a state; return words and state."},
    {"short_streams", write_short_streams, METH_VARARGS, "Code many small images' intervals; return a list of streams."},
    {"token_weights", write_token_weights, METH_VARARGS, "Write counts less one of coefficients' tokens."},
    {"times", times, METH_NOARGS, "Nanoseconds so far: inputs, layers, all else in tiles."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "pixelzip._native", NULL, 0, methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__native(void)
{
    return PyModuleDef_Init(&definition);
}
