/* Drawings, called from Python: checks every size, lets other threads run. */

#include "module.h"
#include "drawing.h"

#include <stdlib.h>

typedef struct {
    Py_buffer pixels, logistic, logit, rates;
    Curves curves;
    int height, width, num_channels;
} Drawing;

static void drawing_close(Drawing *drawing)
{
    PyBuffer_Release(&drawing->pixels);
    PyBuffer_Release(&drawing->logistic);
    PyBuffer_Release(&drawing->logit);
    PyBuffer_Release(&drawing->rates);
}

/* Read pixels (height, width), uint32; (height, width, channels); and the curves. */
static int drawing_open(Drawing *drawing, PyObject *pixels, PyObject *shape, PyObject *curves)
{
    const int is_read = PyArg_ParseTuple(shape, "iii", &drawing->height, &drawing->width, &drawing->num_channels) &&
                        PyArg_ParseTuple(curves, "y*y*y*", &drawing->logistic, &drawing->logit, &drawing->rates);
    if (!is_read)
        return 0;
    const Py_ssize_t size = 4 * (Py_ssize_t)drawing->height * drawing->width;
    if (PyObject_GetBuffer(pixels, &drawing->pixels, PyBUF_C_CONTIGUOUS | PyBUF_WRITABLE) == 0) {
        drawing->curves = (Curves){drawing->logistic.buf, drawing->logit.buf, drawing->rates.buf};
        const int is_size = drawing->height > 0 && drawing->width > 0 && drawing->height < 1 << 24 && drawing->width < 1 << 24 &&
                            drawing->num_channels > 0 && drawing->num_channels <= MOST_CHANNELS && drawing->pixels.len == size;
        if (is_size && drawing->logistic.len == 2 * (2 * LOGIT_HIGH + 1) && drawing->logit.len == 2 * 4096 &&
            drawing->rates.len == 4 * (MOST_COUNTED + 1))
            return 1;
        PyErr_SetString(PyExc_ValueError, "numbers of a drawing do not have its size");
    }
    drawing_close(drawing);
    return 0;
}

static int walk(Drawing *drawing, BitCoder *coder)
{
    int is_done;
    Py_BEGIN_ALLOW_THREADS
    is_done = walk_drawing(coder, &drawing->curves, drawing->pixels.buf, drawing->height, drawing->width,
                           drawing->num_channels);
    Py_END_ALLOW_THREADS
    if (!is_done)
        PyErr_NoMemory();
    return is_done;
}

PyObject *encode_drawing(PyObject *self, PyObject *arguments)
{
    Drawing drawing;
    PyObject *pixels, *shape, *curves, *result = NULL;
    Py_ssize_t limit;
    if (!PyArg_ParseTuple(arguments, "OO!O!n", &pixels, &PyTuple_Type, &shape, &PyTuple_Type, &curves, &limit) ||
        !drawing_open(&drawing, pixels, shape, curves))
        return NULL;
    const size_t size = limit > 0 ? (size_t)limit : 0;
    BitCoder coder = {.high = UINT64_MAX, .size = size, .written = malloc(size + 1)};
    if (!coder.written)
        PyErr_NoMemory();
    else if (walk(&drawing, &coder)) {
        write_end(&coder);
        result = coder.is_too_long ? Py_NewRef(Py_None)
                                   : PyBytes_FromStringAndSize((char *)coder.written, (Py_ssize_t)coder.num_bytes);
    }
    free(coder.written);
    drawing_close(&drawing);
    return result;
}

PyObject *decode_drawing(PyObject *self, PyObject *arguments)
{
    Drawing drawing;
    PyObject *pixels, *shape, *curves, *result = NULL;
    const char *bytes;
    Py_ssize_t num_bytes;
    if (!PyArg_ParseTuple(arguments, "OO!O!y#", &pixels, &PyTuple_Type, &shape, &PyTuple_Type, &curves, &bytes, &num_bytes) ||
        !drawing_open(&drawing, pixels, shape, curves))
        return NULL;
    BitCoder coder = bit_reader((const uint8_t *)bytes, (size_t)num_bytes);
    if (walk(&drawing, &coder))
        result = Py_BuildValue("nKK", (Py_ssize_t)coder.num_shifted, (unsigned long long)coder.low,
                               (unsigned long long)coder.high);
    drawing_close(&drawing);
    return result;
}
