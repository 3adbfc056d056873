/* The parts of the Python module pixelzip._native. */

#ifndef PIXELZIP_MODULE_H
#define PIXELZIP_MODULE_H

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>

#include "pixelzip.h"

/* network.c */
PyObject *make_network(PyObject *self, PyObject *arguments);
PyObject *make_token_network(PyObject *self, PyObject *arguments);
Network *network_of(PyObject *capsule); /* NULL with an exception for anything else */
Network *token_network_of(PyObject *capsule);

/* short_stream.c */
PyObject *write_short_streams(PyObject *self, PyObject *arguments);
PyObject *write_checksums(PyObject *self, PyObject *arguments);

/* estimate.c */
PyObject *write_estimates(PyObject *self, PyObject *arguments);

/* jpeg_module.c */
PyObject *read_scan(PyObject *self, PyObject *arguments);
PyObject *count_scan(PyObject *self, PyObject *arguments);
PyObject *write_scan(PyObject *self, PyObject *arguments);

/* coefficients.c */
PyObject *write_token_weights(PyObject *self, PyObject *arguments);
PyObject *write_token_intervals(PyObject *self, PyObject *arguments);

/* planes_module.c */
PyObject *write_samples(PyObject *self, PyObject *arguments);
PyObject *write_upsampled(PyObject *self, PyObject *arguments);

/* levels_module.c */
PyObject *encode_levels(PyObject *self, PyObject *arguments);
PyObject *decode_levels(PyObject *self, PyObject *arguments);

/* drawing_module.c */
PyObject *encode_drawing(PyObject *self, PyObject *arguments);
PyObject *decode_drawing(PyObject *self, PyObject *arguments);

#endif
