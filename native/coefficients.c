/* The network for coefficients, called from Python: checks every size and token, lets other threads run. */

#include "module.h"
#include "tokens.h"

typedef struct {
    TokenCall of;
    Py_buffer bias, features;
} Call;

static void call_close(Call *call)
{
    PyBuffer_Release(&call->bias);
    PyBuffer_Release(&call->features);
}

/* Read (network, bias, features, values of each row, tokens). */
static int call_open(Call *call, PyObject *arguments)
{
    PyObject *capsule;
    int num_values, num_tokens;
    if (!PyArg_ParseTuple(arguments, "Oy*y*ii", &capsule, &call->bias, &call->features, &num_values, &num_tokens))
        return 0;
    const Network *network = token_network_of(capsule);
    if (network) {
        const Layer *first = network->layers, *head = network->layers + network->num_layers - 1;
        if (num_values > 0 && num_values <= network->num_inputs && call->features.len % num_values == 0 &&
            call->bias.len == first->num_outputs * (Py_ssize_t)sizeof(int32_t) && num_tokens > 0 &&
            num_tokens <= MAX_TOKENS && num_tokens <= head->num_outputs) {
            call->of = (TokenCall){network, call->bias.buf, call->features.buf, num_values, num_tokens,
                                   (size_t)(call->features.len / num_values)};
            return 1;
        }
        PyErr_SetString(PyExc_ValueError, "features, bias and tokens do not fit the network");
    }
    call_close(call);
    return 0;
}

/* Return 0 with an exception when there is no memory. */
static int count_tokens(const TokenCall *call, TokenTarget target)
{
    TokenBuffers *buffers = token_buffers_new(call->network);
    if (!buffers) {
        PyErr_NoMemory();
        return 0;
    }
    Py_BEGIN_ALLOW_THREADS
    token_counts(call, buffers, &target);
    Py_END_ALLOW_THREADS
    token_buffers_free(buffers);
    return 1;
}

PyObject *write_token_weights(PyObject *self, PyObject *arguments)
{
    Call call;
    Py_buffer weights;
    PyObject *given;
    if (!PyArg_ParseTuple(arguments, "O!w*", &PyTuple_Type, &given, &weights))
        return NULL;
    int is_done = 0;
    if (call_open(&call, given)) {
        if ((size_t)weights.len == sizeof(float) * call.of.num_rows * (size_t)call.of.num_tokens)
            is_done = count_tokens(&call.of, (TokenTarget){weights.buf, NULL, NULL, NULL, NULL});
        else
            PyErr_SetString(PyExc_ValueError, "the weights do not have the features' size");
        call_close(&call);
    }
    PyBuffer_Release(&weights);
    return is_done ? Py_NewRef(Py_None) : NULL;
}

static int are_tokens(const TokenCall *call, const Py_buffer *tokens, const Py_buffer *left, const Py_buffer *counts)
{
    const size_t size = sizeof(int32_t) * call->num_rows;
    int are_there = (size_t)tokens->len == size && (size_t)left->len == size && (size_t)counts->len == size;
    for (size_t i = 0; are_there && i < call->num_rows; i++)
        are_there = ((int32_t *)tokens->buf)[i] >= 0 && ((int32_t *)tokens->buf)[i] < call->num_tokens;
    return are_there;
}

PyObject *write_token_intervals(PyObject *self, PyObject *arguments)
{
    Call call;
    Py_buffer tokens, left, counts;
    PyObject *given;
    if (!PyArg_ParseTuple(arguments, "O!y*w*w*", &PyTuple_Type, &given, &tokens, &left, &counts))
        return NULL;
    int is_done = 0;
    if (call_open(&call, given)) {
        if (are_tokens(&call.of, &tokens, &left, &counts))
            is_done = count_tokens(&call.of, (TokenTarget){NULL, NULL, tokens.buf, left.buf, counts.buf});
        else
            PyErr_SetString(PyExc_ValueError, "there must be a token for each row of features, one that there is");
        call_close(&call);
    }
    PyBuffer_Release(&tokens);
    PyBuffer_Release(&left);
    PyBuffer_Release(&counts);
    return is_done ? Py_NewRef(Py_None) : NULL;
}
