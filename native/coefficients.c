/* The network for coefficients, called from Python: checks every size, lets other threads run. */

#include "module.h"

typedef struct {
    TokenNetwork network;
    Py_buffer buffers[3 * MAX_TOKEN_LAYERS];
    int num_buffers;
} Call;

/* Take a buffer of so many numbers of four bytes; return NULL with an exception for any other. */
static const void *take(Call *call, PyObject *object, Py_ssize_t count)
{
    Py_buffer *buffer = &call->buffers[call->num_buffers];
    if (PyObject_GetBuffer(object, buffer, PyBUF_C_CONTIGUOUS) < 0)
        return NULL;
    call->num_buffers++;
    if (buffer->len == 4 * count)
        return buffer->buf;
    PyErr_SetString(PyExc_ValueError, "a layer's numbers do not have its size");
    return NULL;
}

static int take_layer(Call *call, PyObject *item)
{
    TokenLayer *layer = &call->network.layers[call->network.num_layers];
    PyObject *weight, *bias, *multiplier;
    if (!PyArg_ParseTuple(item, "iiOOO", &layer->num_inputs, &layer->num_outputs, &weight, &bias, &multiplier))
        return 0;
    const int before = call->network.num_layers ? layer[-1].num_outputs : layer->num_inputs;
    if (layer->num_inputs < 1 || layer->num_outputs < 1 || layer->num_inputs > 1 << 15 || layer->num_outputs > 1 << 15 ||
        layer->num_outputs % GROUP || layer->num_inputs != before) {
        PyErr_SetString(PyExc_ValueError, "a layer's size does not fit");
        return 0;
    }
    layer->weight = take(call, weight, (Py_ssize_t)layer->num_inputs * layer->num_outputs);
    layer->bias = layer->weight ? take(call, bias, layer->num_outputs) : NULL;
    layer->multiplier = layer->bias ? take(call, multiplier, layer->num_outputs) : NULL;
    call->network.num_layers++;
    return layer->multiplier != NULL;
}

static int take_layers(Call *call, PyObject *layers)
{
    const Py_ssize_t count = PyList_Size(layers);
    if (count < 1 || count > MAX_TOKEN_LAYERS) {
        PyErr_SetString(PyExc_ValueError, "too few or too many layers");
        return 0;
    }
    for (Py_ssize_t i = 0; i < count; i++)
        if (!take_layer(call, PyList_GetItem(layers, i)))
            return 0;
    return 1;
}

PyObject *write_token_weights(PyObject *self, PyObject *arguments)
{
    Call call = {0};
    PyObject *layers;
    Py_buffer exponential, features, weights;
    if (!PyArg_ParseTuple(arguments, "O!y*y*iw*", &PyList_Type, &layers, &exponential, &features,
                          &call.network.num_tokens, &weights))
        return NULL;
    int is_done = 0;
    if (take_layers(&call, layers)) {
        TokenNetwork *network = &call.network;
        network->exponential = exponential.buf;
        network->exponential_length = (int)(exponential.len / 4);
        const Py_ssize_t num_inputs = network->layers[0].num_inputs, num_rows = features.len / num_inputs;
        const int num_tokens = network->num_tokens, num_outputs = network->layers[network->num_layers - 1].num_outputs;
        if (num_tokens < 1 || num_tokens > MAX_TOKENS || num_tokens > num_outputs || exponential.len < 4 ||
            features.len % num_inputs || weights.len != 4 * num_rows * num_tokens)
            PyErr_SetString(PyExc_ValueError, "features and weights do not fit the network");
        else {
            Py_BEGIN_ALLOW_THREADS
            is_done = token_weights(network, features.buf, (size_t)num_rows, weights.buf);
            Py_END_ALLOW_THREADS
            if (!is_done)
                PyErr_NoMemory();
        }
    }
    while (call.num_buffers)
        PyBuffer_Release(&call.buffers[--call.num_buffers]);
    PyBuffer_Release(&exponential);
    PyBuffer_Release(&features);
    PyBuffer_Release(&weights);
    return is_done ? Py_NewRef(Py_None) : NULL;
}
