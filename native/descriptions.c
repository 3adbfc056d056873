/* What networks with surroundings are told, called from Python: checks every size, lets other threads run. */

#include "module.h"
#include "surroundings.h"

enum { NUM_INPUTS = 6, MAX_BUFFERS = 8, NUM_NUMBERS = 5 + NUM_OWN };

/* Levels, planes, steps, companded numbers, a frequency's numbers, places; then what is written. */
typedef struct {
    Py_buffer buffers[MAX_BUFFERS];
    Py_ssize_t width;
    size_t count;
    Known known;
} Call;

/* Say whether all numbers of a call are in their ranges. */
static int are_in_range(const Known *known, const int64_t *places, size_t count)
{
    const ptrdiff_t margin = known->near[NUM_NEAR - 1];
    for (size_t i = 0; i < count; i++)
        if (places[i] < margin || places[i] >= known->size - margin)
            return 0;
    for (int i = 0; i < NUM_FREQUENCIES; i++)
        if (known->steps[i] < 1)
            return 0;
    for (int i = 0; i < NUM_OWN; i++)
        if (known->own[i] < 0 || known->own[i] > NUM_FREQUENCIES)
            return 0;
    return known->number >= 0 && known->number < NUM_FREQUENCIES && known->row >= 0 && known->row < SIDE && known->column >= 0 &&
           known->column < SIDE && known->above >= 0 && known->above <= NUM_FREQUENCIES && known->left >= 0 && known->left <= NUM_FREQUENCIES;
}

/* Return 0 with an exception for numbers that do not fit. */
static int check(Call *call)
{
    const Py_buffer *levels = call->buffers, *planes = levels + 1, *steps = levels + 2, *companded = levels + 3;
    const Py_buffer *frequency = levels + 4, *places = levels + 5;
    const Py_ssize_t size = levels->len / (2 * NUM_FREQUENCIES), width = call->width;
    call->count = (size_t)places->len / 8;
    if (width > 2 && size > 2 * width && levels->len == 2 * NUM_FREQUENCIES * size && planes->len == 4 * NUM_PLANES * size &&
        steps->len == 4 * NUM_FREQUENCIES && companded->len == COMPANDED && frequency->len == 4 * NUM_NUMBERS &&
        places->len % 8 == 0) {
        const int32_t *numbers = frequency->buf;
        call->known = (Known){levels->buf, planes->buf, steps->buf, companded->buf, size,
                              {-width, width, -1, 1, -width - 1, -width + 1, width - 1, width + 1},
                              numbers[0], numbers[1], numbers[2], numbers[3], numbers[4], {0}};
        for (int i = 0; i < NUM_OWN; i++)
            call->known.own[i] = numbers[5 + i];
        if (are_in_range(&call->known, places->buf, call->count))
            return 1;
    }
    PyErr_SetString(PyExc_ValueError, "numbers of a component do not have its size");
    return 0;
}

static PyObject *finish(Call *call, int num_buffers, int is_done)
{
    for (int i = 0; i < num_buffers; i++)
        PyBuffer_Release(&call->buffers[i]);
    return is_done ? Py_NewRef(Py_None) : NULL;
}

PyObject *describe(PyObject *self, PyObject *arguments)
{
    Call call;
    Py_buffer *some = call.buffers, *features = some + NUM_INPUTS, *expected = features + 1;
    if (!PyArg_ParseTuple(arguments, "ny*y*y*y*y*y*w*w*", &call.width, some, some + 1, some + 2, some + 3, some + 4,
                          some + 5, features, expected))
        return NULL;
    int is_done = check(&call);
    if (is_done && (features->len != (Py_ssize_t)call.count * NUM_VALUES || expected->len != (Py_ssize_t)call.count * 4)) {
        PyErr_SetString(PyExc_ValueError, "what is written does not have its size");
        is_done = 0;
    }
    if (is_done) {
        Py_BEGIN_ALLOW_THREADS
        describe_levels(&call.known, some[5].buf, call.count, features->buf, expected->buf);
        Py_END_ALLOW_THREADS
    }
    return finish(&call, MAX_BUFFERS, is_done);
}

PyObject *learn(PyObject *self, PyObject *arguments)
{
    Call call;
    Py_buffer *some = call.buffers;
    if (!PyArg_ParseTuple(arguments, "ny*w*y*y*y*y*", &call.width, some, some + 1, some + 2, some + 3, some + 4, some + 5))
        return NULL;
    const int is_done = check(&call);
    if (is_done)
        learn_levels(&call.known, some[5].buf, call.count, some[1].buf);
    return finish(&call, NUM_INPUTS, is_done);
}
