/* The Python module pixelzip._native: checks sizes, lets other threads run, calls the stages. See pixelzip/native.py. */

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>

#include "pixelzip.h"

#include <stdlib.h>
#include <string.h>

static const char CAPSULE[] = "pixelzip.network";

static void network_free(Network *network)
{
    for (int i = 0; network->layers && i < network->num_layers; i++) {
        free(network->layers[i].weight);
        free(network->layers[i].bias);
        free(network->layers[i].multiplier);
    }
    free(network->layers);
    free(network->logistic);
    free(network->exponential);
    free(network->inverse_scale);
    free(network);
}

static void release(PyObject *capsule)
{
    network_free(PyCapsule_GetPointer(capsule, CAPSULE));
}

/* Copy a buffer that must have exactly `size` bytes. */
static void *copied(PyObject *object, size_t size)
{
    Py_buffer view;
    if (PyObject_GetBuffer(object, &view, PyBUF_C_CONTIGUOUS) < 0)
        return NULL;
    void *copy = (size_t)view.len == size ? malloc(size) : NULL;
    if (copy)
        memcpy(copy, view.buf, size);
    else if ((size_t)view.len != size)
        PyErr_Format(PyExc_ValueError, "a buffer has %zd bytes, not %zu", view.len, size);
    else
        PyErr_NoMemory();
    PyBuffer_Release(&view);
    return copy;
}

static int is_sound(const Network *network, int index)
{
    const Layer *layer = network->layers + index;
    const int inputs = index && layer->source >= 0 ? network->layers[layer->source].num_outputs : network->num_inputs;
    return layer->source < index && layer->residual < index && layer->source >= -1 && layer->residual >= -1 &&
           (layer->num_taps == 1 || (layer->num_taps == MAX_TAPS && layer->source >= 0)) &&
           layer->num_inputs == inputs && inputs % GROUP == 0 &&
           layer->num_outputs % GROUP == 0 && layer->num_outputs > 0 &&
           (layer->residual < 0 || network->layers[layer->residual].num_outputs == layer->num_outputs) &&
           layer->is_head == (index == network->num_layers - 1) &&
           (!layer->is_head || (layer->num_taps == 1 && 10 * network->mixtures <= layer->num_outputs));
}

static int add_layer(Network *network, int index, PyObject *description)
{
    Layer *layer = network->layers + index;
    PyObject *weight, *bias, *multiplier;
    if (!PyArg_ParseTuple(description, "iiiiiOOO", &layer->source, &layer->residual, &layer->num_taps,
                          &layer->num_inputs, &layer->num_outputs, &weight, &bias, &multiplier))
        return 0;
    layer->is_head = index == network->num_layers - 1;
    layer->num_waves = 1;
    if (!is_sound(network, index)) {
        PyErr_Format(PyExc_ValueError, "layer %d does not fit the network", index);
        return 0;
    }
    if (layer->num_taps > 1)
        network->layers[layer->source].num_waves = NUM_WAVES;
    const size_t outputs = (size_t)layer->num_outputs;
    layer->weight = copied(weight, outputs * (size_t)(layer->num_taps * layer->num_inputs));
    layer->bias = layer->weight ? copied(bias, outputs * sizeof *layer->bias) : NULL;
    layer->multiplier = layer->bias ? copied(multiplier, outputs * sizeof *layer->multiplier) : NULL;
    return layer->multiplier != NULL;
}

static int fill_network(Network *network, PyObject *layers, PyObject *tables[3])
{
    enum { LOGISTIC = 1 << 15, INVERSE_SCALE = 129, EXPONENTIAL = 385 };
    network->logistic_length = LOGISTIC;
    network->exponential_length = EXPONENTIAL;
    network->logistic = copied(tables[0], LOGISTIC * sizeof(int32_t));
    network->exponential = network->logistic ? copied(tables[1], EXPONENTIAL * sizeof(int32_t)) : NULL;
    network->inverse_scale = network->exponential ? copied(tables[2], INVERSE_SCALE * sizeof(int32_t)) : NULL;
    if (!network->inverse_scale)
        return 0;
    for (int i = 0; i < network->num_layers; i++)
        if (!add_layer(network, i, PyList_GetItem(layers, i)))
            return 0;
    return 1;
}

static PyObject *make_network(PyObject *self, PyObject *arguments)
{
    PyObject *layers, *tables[3];
    const char *name;
    Network *network = calloc(1, sizeof *network);
    if (!network)
        return PyErr_NoMemory();
    if (!PyArg_ParseTuple(arguments, "O!OOOiiips", &PyList_Type, &layers, &tables[0], &tables[1], &tables[2],
                          &network->mixtures, &network->period, &network->num_inputs, &network->is_adaptive, &name)) {
        network_free(network);
        return NULL;
    }
    network->product = instruction_set_product(name);
    network->num_layers = (int)PyList_Size(layers);
    if (!network->product || network->num_layers < 2 || network->mixtures < 1 || network->mixtures > MAX_MIXTURES ||
        network->period < 0 || network->num_inputs < 3 * (NUM_CONTEXT + 2) + 2 * network->period) {
        PyErr_SetString(PyExc_ValueError, "the network has a size, or the name an instruction set, that is not there");
        network_free(network);
        return NULL;
    }
    network->layers = calloc((size_t)network->num_layers, sizeof *network->layers);
    if (network->layers && fill_network(network, layers, tables))
        return PyCapsule_New(network, CAPSULE, release);
    network_free(network);
    return PyErr_Occurred() ? NULL : PyErr_NoMemory();
}

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
    job->network = PyCapsule_GetPointer(capsule, CAPSULE);
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
            is_done = tile_intervals(job.network, job.tile, job.num_channels, left.buf, counts.buf);
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
        is_done = tile_decode(job.network, job.tile, job.num_channels, is_short,
                              decoder_open(stream.buf, (size_t)stream.len), &rest, &is_complete);
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
    const Times so_far = tile_times();
    return Py_BuildValue("KKK", (unsigned long long)so_far.inputs, (unsigned long long)so_far.layers,
                         (unsigned long long)so_far.distribution);
}

static PyMethodDef methods[] = {
    {"instruction_sets", instruction_sets, METH_NOARGS, "List the instruction sets that this machine has, best first."},
    {"network", make_network, METH_VARARGS, "Copy a network's integers."},
    {"intervals", intervals, METH_VARARGS, "Write the intervals of a tile's symbols, in stream order."},
    {"decode", decode, METH_VARARGS, "Decode a tile; return whether all was read, and what is left as two halves."},
    {"push", push, METH_VARARGS, "Push intervals onto a state; return words and state."},
    {"times", times, METH_NOARGS, "Nanoseconds so far: inputs, layers, all else in tiles."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "pixelzip._native", NULL, 0, methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__native(void)
{
    return PyModuleDef_Init(&definition);
}
