/* Planes of JPEGs, called from Python: checks every size, lets other threads run. */

#include "module.h"
#include "jpeg_planes.h"

PyObject *write_samples(PyObject *self, PyObject *arguments)
{
    Py_buffer coefficients, samples;
    Py_ssize_t num_rows, num_columns;
    if (!PyArg_ParseTuple(arguments, "y*nnw*", &coefficients, &num_rows, &num_columns, &samples))
        return NULL;
    const int fits = num_rows > 0 && num_columns > 0 && samples.len / BLOCK_SIDE / BLOCK_SIDE / num_rows == num_columns &&
                     samples.len == BLOCK_SIDE * BLOCK_SIDE * num_rows * num_columns && coefficients.len == 8 * samples.len;
    if (fits) {
        Py_BEGIN_ALLOW_THREADS
        inverse_blocks(coefficients.buf, (size_t)num_rows, (size_t)num_columns, samples.buf);
        Py_END_ALLOW_THREADS
    } else
        PyErr_SetString(PyExc_ValueError, "the samples do not have the size of the coefficients");
    PyBuffer_Release(&coefficients);
    PyBuffer_Release(&samples);
    return fits ? Py_NewRef(Py_None) : NULL;
}

PyObject *write_upsampled(PyObject *self, PyObject *arguments)
{
    Py_buffer samples, pixels;
    Py_ssize_t stride, rows, columns, height, width;
    if (!PyArg_ParseTuple(arguments, "y*n(nn)(nn)w*", &samples, &stride, &rows, &columns, &height, &width, &pixels))
        return NULL;
    const int is_sampling = (rows == 1 || rows == 2) && (columns == 1 || columns == 2) && rows + columns > 2;
    const int fits = is_sampling && height > 0 && width > 0 && pixels.len / height == width && pixels.len == height * width &&
                     stride >= (width + columns - 1) / columns && samples.len / stride >= (height + rows - 1) / rows;
    int is_done = 0;
    if (fits) {
        const Samples some = {samples.buf, (size_t)((height + rows - 1) / rows), (size_t)((width + columns - 1) / columns),
                              (size_t)stride};
        Py_BEGIN_ALLOW_THREADS
        is_done = upsample(&some, rows == 2, columns == 2, (size_t)height, (size_t)width, pixels.buf);
        Py_END_ALLOW_THREADS
        if (!is_done)
            PyErr_NoMemory();
    } else
        PyErr_SetString(PyExc_ValueError, "the samples do not cover the pixels");
    PyBuffer_Release(&samples);
    PyBuffer_Release(&pixels);
    return is_done ? Py_NewRef(Py_None) : NULL;
}
