/* Levels of a JPEG's component, called from Python: checks every size and number, lets other threads run. */

#include "module.h"
#include "levels.h"

#include <stdlib.h>

/* Those that are written come first. */
enum { OWN_LEVELS, OWN_PLANES, OWN_SUMS, OWN_PRODUCTS, NUM_WRITTEN, OWN_STEPS = NUM_WRITTEN, ALL_COMPANDED, EARLIER_ONES,
       EARLIER_SUMS, LUMA_ONES, FREQUENCIES, WEIGHTS, BITS_LEFT, NUM_ARRAYS };

enum { MOST_BITS = 12 };

typedef struct {
    Component component;
    Py_buffer arrays[NUM_ARRAYS];
    Group groups[NUM_FREQUENCIES];
    Py_buffer biases[NUM_FREQUENCIES], shared_weights[NUM_FREQUENCIES];
    int num_arrays, num_groups;
} Call;

static void call_close(Call *call)
{
    for (int i = 0; i < call->num_arrays; i++)
        PyBuffer_Release(call->arrays + i);
    for (int i = 0; i < call->num_groups; i++) {
        PyBuffer_Release(call->biases + i);
        PyBuffer_Release(call->shared_weights + i);
    }
    free(call);
}

static int are_numbers(const Py_buffer *numbers, int32_t least, int32_t most)
{
    const int32_t *each = numbers->buf;
    for (Py_ssize_t i = 0; i < numbers->len / 4; i++)
        if (each[i] < least || each[i] > most)
            return 0;
    return 1;
}

static int is_component(const Call *call, Py_ssize_t width)
{
    const Py_buffer *arrays = call->arrays;
    const Py_ssize_t size = arrays[OWN_LEVELS].len / (2 * NUM_FREQUENCIES), all = NUM_FREQUENCIES;
    const Py_ssize_t lengths[NUM_ARRAYS] = {2 * all * size, 4 * NUM_PLANES * size, 8 * all, 32 * size, 4 * all, COMPANDED,
                                            4 * all * size, 8 * all, 4 * all * size, 4 * all * NUM_NUMBERS, 8 * all * all,
                                            8 * NUM_BINS};
    for (int i = 0; i < NUM_ARRAYS; i++)
        if (arrays[i].len != lengths[i] && !((i == EARLIER_ONES || i == LUMA_ONES) && arrays[i].len == 0))
            return 0;
    return width > 2 && size % width == 0 && size / width > 2 && are_numbers(arrays + OWN_STEPS, 1, UINT16_MAX) &&
           are_numbers(arrays + FREQUENCIES, 0, NUM_FREQUENCIES) && are_numbers(arrays + BITS_LEFT, 0, MOST_BITS);
}

/* Say whether rows and columns of frequencies lie in a block; what lies around them is below NUM_FREQUENCIES or NONE. */
static int are_places(const Py_buffer *frequencies)
{
    const int32_t *numbers = frequencies->buf;
    for (int i = 0; i < NUM_FREQUENCIES; i++, numbers += NUM_NUMBERS)
        if (numbers[0] != i || numbers[1] >= SIDE || numbers[2] >= SIDE)
            return 0;
    return 1;
}

static void fill(Call *call, ptrdiff_t width)
{
    const Py_buffer *arrays = call->arrays;
    const ptrdiff_t size = arrays[OWN_LEVELS].len / (2 * NUM_FREQUENCIES);
    int64_t *products = arrays[OWN_PRODUCTS].buf;
    Component *component = &call->component;
    component->known = (Known){.levels = arrays[OWN_LEVELS].buf, .planes = arrays[OWN_PLANES].buf, .steps = arrays[OWN_STEPS].buf,
                               .companded = arrays[ALL_COMPANDED].buf, .size = size,
                               .near = {-width, width, -1, 1, -width - 1, -width + 1, width - 1, width + 1}};
    component->rows = (int)(size / width) - 2, component->columns = (int)width - 2;
    component->levels = arrays[OWN_LEVELS].buf, component->planes = arrays[OWN_PLANES].buf, component->sums = arrays[OWN_SUMS].buf;
    for (int i = 0; i < NUM_OTHERS; i++) {
        const Py_buffer *other = arrays + (i ? LUMA_ONES : EARLIER_ONES);
        component->others[i] = (Other){other->len ? other->buf : NULL, arrays[EARLIER_SUMS].buf, products + 2 * i * size,
                                       products + (2 * i + 1) * size};
    }
    component->frequencies = arrays[FREQUENCIES].buf, component->num_bits = arrays[BITS_LEFT].buf;
    component->before = arrays[WEIGHTS].buf, component->around = component->before + NUM_FREQUENCIES * NUM_FREQUENCIES;
    component->groups = call->groups;
}

/* Say whether a network has the channels of the first one. */
static int is_alike(const Network *network, const Network *first)
{
    int is_same = network->num_inputs == first->num_inputs && network->num_layers == first->num_layers;
    for (int i = 0; is_same && i < first->num_layers; i++)
        is_same = network->layers[i].num_outputs == first->layers[i].num_outputs;
    return is_same && network->num_inputs >= NUM_VALUES && network->layers[network->num_layers - 1].num_outputs >= NUM_LEVEL_TOKENS;
}

/* Read (network, bias, weights for what is shared). */
static int take_group(Call *call, PyObject *item)
{
    const int number = call->num_groups;
    PyObject *capsule;
    if (!PyArg_ParseTuple(item, "Oy*y*", &capsule, call->biases + number, call->shared_weights + number))
        return 0;
    call->num_groups++;
    const Network *network = token_network_of(capsule);
    if (!network)
        return 0;
    call->groups[number] = (Group){network, call->biases[number].buf, call->shared_weights[number].buf};
    const Py_ssize_t size = 4 * (Py_ssize_t)network->layers[0].num_outputs;
    if (is_alike(network, call->groups[0].network) && call->biases[number].len == size &&
        call->shared_weights[number].len == NUM_SHARED * size)
        return 1;
    PyErr_SetString(PyExc_ValueError, "the networks are not for levels");
    return 0;
}

/* Read ((width, kind, last, blocks covered), arrays, groups); return NULL with an exception for what does not fit. */
static Call *call_open(PyObject *sizes, PyObject *arrays, PyObject *groups)
{
    Py_ssize_t width;
    Call *call = calloc(1, sizeof *call);
    if (!call)
        return (Call *)PyErr_NoMemory();
    Component *component = &call->component;
    int is_right = PyArg_ParseTuple(sizes, "niii", &width, &component->kind, &component->last, &component->num_covered);
    for (; is_right && call->num_arrays < NUM_ARRAYS; call->num_arrays += is_right) {
        PyObject *array = PyTuple_GetItem(arrays, call->num_arrays);
        const int flags = PyBUF_C_CONTIGUOUS | (call->num_arrays < NUM_WRITTEN ? PyBUF_WRITABLE : 0);
        is_right = array && PyObject_GetBuffer(array, call->arrays + call->num_arrays, flags) == 0;
    }
    if (is_right && !(is_component(call, width) && are_places(call->arrays + FREQUENCIES) && component->kind >= 0 &&
                      component->kind < 3 && component->last >= 0 && component->last < NUM_FREQUENCIES &&
                      component->num_covered > 0 && component->num_covered <= 4 && PyList_Size(groups) == component->last + 1)) {
        PyErr_SetString(PyExc_ValueError, "numbers of a component do not have its size");
        is_right = 0;
    }
    for (int i = 0; is_right && i <= component->last; i++)
        is_right = take_group(call, PyList_GetItem(groups, i));
    if (is_right) {
        fill(call, width);
        return call;
    }
    call_close(call);
    return NULL;
}

/* Walk, let other threads run meanwhile; return 0 if there is an exception, or None to be returned. */
static int walk(Call *call, LevelCoder *coder)
{
    WalkResult result;
    Py_BEGIN_ALLOW_THREADS
    result = walk_levels(&call->component, coder);
    Py_END_ALLOW_THREADS
    if (result == WALK_NO_MEMORY)
        PyErr_NoMemory();
    return result == WALK_DONE;
}

static PyObject *nothing(void)
{
    return PyErr_Occurred() ? NULL : Py_NewRef(Py_None);
}

PyObject *encode_levels(PyObject *self, PyObject *arguments)
{
    PyObject *sizes, *arrays, *groups;
    if (!PyArg_ParseTuple(arguments, "O!O!O!", &PyTuple_Type, &sizes, &PyTuple_Type, &arrays, &PyList_Type, &groups))
        return NULL;
    Call *call = call_open(sizes, arrays, groups);
    if (!call)
        return NULL;
    LevelCoder coder = {0};
    PyObject *result = NULL;
    if (walk(call, &coder)) {
        const Py_ssize_t size = (Py_ssize_t)(coder.num_symbols * sizeof *coder.left);
        result = Py_BuildValue("y#y#", (char *)coder.left, size, (char *)coder.counts, size);
    } else
        result = nothing();
    level_coder_close(&coder);
    call_close(call);
    return result;
}

PyObject *decode_levels(PyObject *self, PyObject *arguments)
{
    PyObject *sizes, *arrays, *groups;
    const uint8_t *words;
    Py_ssize_t length, num_words;
    unsigned long long state;
    if (!PyArg_ParseTuple(arguments, "O!O!O!(y#nK)", &PyTuple_Type, &sizes, &PyTuple_Type, &arrays, &PyList_Type, &groups,
                          &words, &length, &num_words, &state))
        return NULL;
    if (num_words < 0 || num_words > length / WORD_BYTES) {
        PyErr_SetString(PyExc_ValueError, "a stream does not have that many words");
        return NULL;
    }
    Call *call = call_open(sizes, arrays, groups);
    if (!call)
        return NULL;
    Decoder decoder = {words, (size_t)num_words, state};
    LevelCoder coder = {.decoder = &decoder};
    PyObject *result = walk(call, &coder) ? Py_BuildValue("nK", (Py_ssize_t)decoder.num_words, (unsigned long long)decoder.state)
                                          : nothing();
    level_coder_close(&coder);
    call_close(call);
    return result;
}
