/* Scans of JPEGs, called from Python: checks every size and number, lets other threads run. */

#include "module.h"

#include <stdlib.h>
#include <string.h>

#include "jpeg_scan.h"

typedef struct {
    Scan scan;
    Py_buffer levels, order, places;
} Call;

static int take_table(Scan *scan, PyObject *item)
{
    char *data;
    Py_ssize_t length, num_symbols = 0;
    Codes *codes = &scan->tables[scan->num_tables++];
    if (PyBytes_AsStringAndSize(item, &data, &length) < 0)
        return 0;
    if (length == 0)
        return 1;
    for (int i = 0; length >= LONGEST_CODE && i < LONGEST_CODE; i++)
        num_symbols += (uint8_t)data[i];
    if (num_symbols > MAX_SYMBOLS || length != LONGEST_CODE + num_symbols) {
        PyErr_SetString(PyExc_ValueError, "a table of codes does not have its size");
        return 0;
    }
    memcpy(codes->counts, data, LONGEST_CODE);
    memcpy(codes->symbols, data + LONGEST_CODE, (size_t)num_symbols);
    return 1;
}

static int are_numbers_right(const Call *call)
{
    const Scan *scan = &call->scan;
    const Py_ssize_t num_blocks = call->levels.len / (FREQUENCIES * (Py_ssize_t)sizeof(int16_t));
    int is_right = scan->first >= 0 && scan->first <= scan->last && scan->last < FREQUENCIES && scan->low >= 0 &&
                   scan->low < MOST_BITS && scan->high >= 0 && scan->restart_interval >= 0 && scan->num_tables > 0 &&
                   (scan->high == 0 || scan->last == 0 || scan->first > 0) && scan->longest_run > 0 &&
                   scan->longest_run < 1 << MOST_BITS && call->order.len % (Py_ssize_t)sizeof(int32_t) == 0 &&
                   scan->num_per_unit > 0 && scan->num_blocks % scan->num_per_unit == 0;
    for (size_t i = 0; is_right && i < scan->num_blocks; i++)
        is_right = scan->order[i] >= 0 && scan->order[i] < num_blocks;
    for (size_t i = 0; is_right && i < scan->num_per_unit; i++)
        is_right = 2 * scan->places[i] + 1 < scan->num_tables;
    return is_right;
}

static void call_close(Call *call)
{
    PyBuffer_Release(&call->levels);
    PyBuffer_Release(&call->order);
    PyBuffer_Release(&call->places);
}

/* Read (levels, order, places, tables, (first, last, high, low, restart interval, longest run)). */
static int call_open(Call *call, PyObject *arguments)
{
    PyObject *levels, *tables, *fields;
    Scan *scan = &call->scan;
    memset(call, 0, sizeof *call);
    if (!PyArg_ParseTuple(arguments, "Oy*y*O!O!", &levels, &call->order, &call->places, &PyList_Type, &tables,
                          &PyTuple_Type, &fields))
        return 0;
    int is_open = PyObject_GetBuffer(levels, &call->levels, PyBUF_C_CONTIGUOUS | PyBUF_WRITABLE) == 0 &&
                  PyArg_ParseTuple(fields, "iiiiii", &scan->first, &scan->last, &scan->high, &scan->low,
                                   &scan->restart_interval, &scan->longest_run);
    if (is_open && PyList_Size(tables) > MAX_TABLES) {
        PyErr_SetString(PyExc_ValueError, "a scan has too many tables");
        is_open = 0;
    }
    for (Py_ssize_t i = 0; is_open && i < PyList_Size(tables); i++)
        is_open = take_table(scan, PyList_GetItem(tables, i));
    scan->levels = call->levels.buf;
    scan->order = call->order.buf;
    scan->places = call->places.buf;
    scan->num_blocks = (size_t)call->order.len / sizeof(int32_t);
    scan->num_per_unit = (size_t)call->places.len;
    if (is_open && !are_numbers_right(call)) {
        PyErr_SetString(PyExc_ValueError, "a scan's numbers do not fit");
        is_open = 0;
    }
    if (!is_open)
        call_close(call);
    return is_open;
}

PyObject *read_scan(PyObject *self, PyObject *arguments)
{
    Call call;
    Py_buffer data;
    PyObject *scan;
    if (!PyArg_ParseTuple(arguments, "y*O!", &data, &PyTuple_Type, &scan))
        return NULL;
    int result = SCAN_NO_MEMORY;
    const int is_open = call_open(&call, scan);
    if (is_open) {
        Py_BEGIN_ALLOW_THREADS
        result = scan_read(&call.scan, data.buf, (size_t)data.len);
        Py_END_ALLOW_THREADS
        call_close(&call);
    }
    PyBuffer_Release(&data);
    if (!is_open)
        return NULL;
    return result == SCAN_NO_MEMORY ? PyErr_NoMemory() : PyBool_FromLong(result == SCAN_DONE);
}

PyObject *count_scan(PyObject *self, PyObject *arguments)
{
    Call call;
    Py_buffer counts;
    PyObject *scan;
    if (!PyArg_ParseTuple(arguments, "w*O!", &counts, &PyTuple_Type, &scan))
        return NULL;
    int result = SCAN_DAMAGED;
    const int is_open = call_open(&call, scan);
    if (is_open) {
        if (counts.len == call.scan.num_tables * MAX_SYMBOLS * (Py_ssize_t)sizeof(int64_t)) {
            Py_BEGIN_ALLOW_THREADS
            result = scan_count(&call.scan, counts.buf);
            Py_END_ALLOW_THREADS
        } else
            PyErr_SetString(PyExc_ValueError, "the counts do not have the tables' size");
        call_close(&call);
    }
    PyBuffer_Release(&counts);
    if (PyErr_Occurred())
        return NULL;
    return result == SCAN_NO_MEMORY ? PyErr_NoMemory() : PyBool_FromLong(result == SCAN_DONE);
}

PyObject *write_scan(PyObject *self, PyObject *arguments)
{
    Call call;
    PyObject *scan, *bytes;
    int filling, result;
    if (!PyArg_ParseTuple(arguments, "iO!", &filling, &PyTuple_Type, &scan) || !call_open(&call, scan))
        return NULL;
    uint8_t *data = NULL;
    size_t num_bytes = 0;
    Py_BEGIN_ALLOW_THREADS
    result = scan_write(&call.scan, filling, &data, &num_bytes);
    Py_END_ALLOW_THREADS
    call_close(&call);
    if (result == SCAN_NO_MEMORY)
        return PyErr_NoMemory();
    bytes = result == SCAN_DONE ? PyBytes_FromStringAndSize((char *)data, (Py_ssize_t)num_bytes) : Py_NewRef(Py_None);
    free(data);
    return bytes;
}
