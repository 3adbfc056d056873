/* A network's integers, copied out of NumPy's arrays and checked, as a capsule for Python. See pixelzip/native.py. */

#include "module.h"

#include <stdlib.h>
#include <string.h>

static const char CAPSULE[] = "pixelzip.network", TOKEN_CAPSULE[] = "pixelzip.token_network";

static void network_free(Network *network)
{
    for (int i = 0; network->layers && i < network->num_layers; i++) {
        free(network->layers[i].weight);
        free(network->layers[i].runs);
        free(network->layers[i].first_runs);
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
    network_free(PyCapsule_GetPointer(capsule, PyCapsule_GetName(capsule)));
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

/* A head adds to what the one before has said. */
static int is_sound_head(const Network *network, int index)
{
    const Layer *layer = network->layers + index;
    int before = index - 1;
    while (before >= 0 && !network->layers[before].is_head)
        before--;
    return layer->residual == before && layer->num_taps == 1 && 10 * network->mixtures <= layer->num_outputs;
}

static int is_sound(const Network *network, int index)
{
    const Layer *layer = network->layers + index;
    const int inputs = index && layer->source >= 0 ? network->layers[layer->source].num_outputs : network->num_inputs;
    return layer->source < index && layer->residual < index && layer->source >= -1 && layer->residual >= -1 &&
           (layer->source < 0 || !network->layers[layer->source].is_head) &&
           (layer->residual < 0 || network->layers[layer->residual].is_head == layer->is_head) &&
           (layer->num_taps == 1 || (layer->num_taps == MAX_TAPS && layer->source >= 0)) &&
           (!layer->is_depthwise ||
            (layer->num_taps == MAX_TAPS && inputs == layer->num_outputs && layer->residual < 0)) &&
           layer->num_inputs == inputs && inputs % GROUP == 0 &&
           layer->num_outputs % GROUP == 0 && layer->num_outputs > 0 &&
           (layer->residual < 0 || network->layers[layer->residual].num_outputs == layer->num_outputs) &&
           (layer->is_head ? is_sound_head(network, index) : index < network->num_layers - 1);
}

static int add_layer(Network *network, int index, PyObject *description)
{
    Layer *layer = network->layers + index;
    PyObject *weight, *bias, *multiplier;
    if (!PyArg_ParseTuple(description, "iiiiippOOO", &layer->source, &layer->residual, &layer->num_taps,
                          &layer->num_inputs, &layer->num_outputs, &layer->is_depthwise, &layer->is_head, &weight,
                          &bias, &multiplier))
        return 0;
    layer->num_waves = 1;
    if (!is_sound(network, index)) {
        PyErr_Format(PyExc_ValueError, "layer %d does not fit the network", index);
        return 0;
    }
    if (layer->num_taps > 1)
        network->layers[layer->source].num_waves = NUM_WAVES;
    const size_t outputs = (size_t)layer->num_outputs;
    layer->weight = copied(weight, outputs * (size_t)(layer->num_taps * (layer->is_depthwise ? 1 : layer->num_inputs)));
    layer->bias = layer->weight ? copied(bias, outputs * sizeof *layer->bias) : NULL;
    layer->multiplier = layer->bias ? copied(multiplier, outputs * sizeof *layer->multiplier) : NULL;
    const int has_runs = network->sums_in_16_bits && !layer->is_depthwise;
    return layer->multiplier != NULL && (!has_runs || make_runs(layer));
}

static int fill_layers(Network *network, PyObject *layers, PyObject *exponential)
{
    enum { EXPONENTIAL = 385 };
    network->exponential_length = EXPONENTIAL;
    network->exponential = copied(exponential, EXPONENTIAL * sizeof(int32_t));
    network->layers = network->exponential ? calloc((size_t)network->num_layers, sizeof *network->layers) : NULL;
    if (!network->layers)
        return 0;
    for (int i = 0; i < network->num_layers; i++)
        if (!add_layer(network, i, PyList_GetItem(layers, i)))
            return 0;
    return 1;
}

static int fill_network(Network *network, PyObject *layers, PyObject *tables[3])
{
    enum { LOGISTIC = 1 << 15, INVERSE_SCALE = 129 };
    network->logistic_length = LOGISTIC;
    network->logistic = copied(tables[0], LOGISTIC * sizeof(int32_t));
    network->inverse_scale = network->logistic ? copied(tables[2], INVERSE_SCALE * sizeof(int32_t)) : NULL;
    return network->inverse_scale && fill_layers(network, layers, tables[1]);
}

/* Neighbouring pixels that are coded side by side must not be of more than two bands. */
static int has_bad_bands(const Network *network)
{
    return network->regression_rows < 0 || (network->regression_rows > 0 && network->regression_rows < MOST_LANES);
}

PyObject *make_network(PyObject *self, PyObject *arguments)
{
    PyObject *layers, *tables[3];
    const char *name;
    Network *network = calloc(1, sizeof *network);
    if (!network)
        return PyErr_NoMemory();
    if (!PyArg_ParseTuple(arguments, "O!OOOiiippis", &PyList_Type, &layers, &tables[0], &tables[1], &tables[2],
                          &network->mixtures, &network->period, &network->num_inputs, &network->is_adaptive,
                          &network->is_regressive, &network->regression_rows, &name)) {
        network_free(network);
        return NULL;
    }
    const int is_there = choose_instruction_set(name, network);
    network->num_layers = (int)PyList_Size(layers);
    if (!is_there || network->num_layers < 2 || network->mixtures < 1 || network->mixtures > MAX_MIXTURES ||
        network->period < 0 || has_bad_bands(network) || network->num_inputs < 3 * (NUM_CONTEXT + 2) + 2 * network->period) {
        PyErr_SetString(PyExc_ValueError, "the network has a size, or the name an instruction set, that is not there");
        network_free(network);
        return NULL;
    }
    if (fill_network(network, layers, tables))
        return PyCapsule_New(network, CAPSULE, release);
    network_free(network);
    return PyErr_Occurred() ? NULL : PyErr_NoMemory();
}

PyObject *make_token_network(PyObject *self, PyObject *arguments)
{
    PyObject *layers, *exponential;
    const char *name;
    Network *network = calloc(1, sizeof *network);
    if (!network)
        return PyErr_NoMemory();
    if (PyArg_ParseTuple(arguments, "O!Ois", &PyList_Type, &layers, &exponential, &network->num_inputs, &name)) {
        network->num_layers = (int)PyList_Size(layers);
        if (!choose_instruction_set(name, network) || network->num_layers < 1 || network->num_inputs < 1)
            PyErr_SetString(PyExc_ValueError, "there are no layers or inputs, or no instruction set of that name");
        else if (fill_layers(network, layers, exponential))
            return PyCapsule_New(network, TOKEN_CAPSULE, release);
    }
    network_free(network);
    return PyErr_Occurred() ? NULL : PyErr_NoMemory();
}

Network *token_network_of(PyObject *capsule)
{
    return PyCapsule_GetPointer(capsule, TOKEN_CAPSULE);
}

Network *network_of(PyObject *capsule)
{
    return PyCapsule_GetPointer(capsule, CAPSULE);
}
