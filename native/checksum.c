/* CRC-32 as zlib has it, of many rows of bytes: a call of zlib's takes longer than such a row. */

#include "checksum.h"
#include "module.h"

void fill_remainders(Remainders *remainders)
{
    uint32_t(*of)[256] = remainders->of;
    for (uint32_t byte = 0; byte < 256; byte++) {
        of[0][byte] = byte;
        for (int bit = 0; bit < 8; bit++)
            of[0][byte] = of[0][byte] >> 1 ^ (of[0][byte] & 1 ? 0xEDB88320 : 0);
    }
    for (int slice = 1; slice < SLICES; slice++)
        for (int byte = 0; byte < 256; byte++) {
            const uint32_t before = of[slice - 1][byte];
            of[slice][byte] = before >> 8 ^ of[0][before & 255];
        }
}

uint32_t checksum_of(const Remainders *remainders, const uint8_t *bytes, size_t num_bytes, uint32_t seal)
{
    const uint32_t(*of)[256] = remainders->of;
    uint32_t rest = ~seal;
    for (; num_bytes >= SLICES; num_bytes -= SLICES, bytes += SLICES) {
        rest ^= bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
        rest = of[3][rest & 255] ^ of[2][rest >> 8 & 255] ^ of[1][rest >> 16 & 255] ^ of[0][rest >> 24];
    }
    for (; num_bytes; num_bytes--, bytes++)
        rest = rest >> 8 ^ of[0][(rest ^ *bytes) & 255];
    return ~rest;
}

/* (n, bytes) uint8 and (n,) uint32 -> (n,) uint32. */
PyObject *write_checksums(PyObject *self, PyObject *arguments)
{
    Py_buffer rows, seals, checksums;
    if (!PyArg_ParseTuple(arguments, "y*y*w*", &rows, &seals, &checksums))
        return NULL;
    const size_t num_rows = (size_t)seals.len / sizeof(uint32_t), num_bytes = num_rows ? (size_t)rows.len / num_rows : 0;
    const int fits = checksums.len == seals.len && (size_t)rows.len == num_rows * num_bytes;
    if (fits) {
        Remainders remainders;
        Py_BEGIN_ALLOW_THREADS
        fill_remainders(&remainders);
        for (size_t i = 0; i < num_rows; i++)
            ((uint32_t *)checksums.buf)[i] = checksum_of(&remainders, (const uint8_t *)rows.buf + i * num_bytes, num_bytes,
                                                         ((const uint32_t *)seals.buf)[i]);
        Py_END_ALLOW_THREADS
    } else
        PyErr_SetString(PyExc_ValueError, "there must be as many rows, seals and checksums");
    PyBuffer_Release(&rows);
    PyBuffer_Release(&seals);
    PyBuffer_Release(&checksums);
    return fits ? Py_NewRef(Py_None) : NULL;
}
