/* A scan of a JPEG, both ways: levels <-> coded data. Mirrors pixelzip/jpeg/scan.py. */

#ifndef PIXELZIP_JPEG_SCAN_H
#define PIXELZIP_JPEG_SCAN_H

#include <stddef.h>
#include <stdint.h>

enum {
    FREQUENCIES = 64,
    MAX_COMPONENTS = 4,
    MAX_TABLES = 2 * MAX_COMPONENTS, /* for means and for other frequencies of each component */
    MAX_SYMBOLS = 256,
    LONGEST_CODE = 16,
    ZEROS = 15,             /* the run of 16 zeros that no level follows; other symbols without a level end blocks */
    MOST_BITS = 15,         /* of a level */
    FIRST_RESTART = 0xD0,   /* the first of eight markers */
};

/* Symbols by the length of their codes; a table that is not there has none. */
typedef struct {
    uint8_t counts[LONGEST_CODE], symbols[MAX_SYMBOLS];
} Codes;

typedef struct {
    int16_t *levels;        /* (blocks, FREQUENCIES), in zigzag */
    const int32_t *order;   /* blocks as they are coded */
    const uint8_t *places;  /* of a unit's blocks: whose component's they are */
    size_t num_blocks;      /* in the order */
    size_t num_per_unit;
    int num_tables;
    Codes tables[MAX_TABLES];
    int first, last, high, low; /* frequencies and bits */
    int restart_interval;   /* units; 0: none */
    int longest_run;        /* blocks that one symbol may end */
} Scan;

enum { SCAN_NO_MEMORY = -1, SCAN_DAMAGED = 0, SCAN_DONE = 1 };

/* jpeg_reader.c */
int scan_read(const Scan *scan, const uint8_t *data, size_t num_bytes);

/* jpeg_writer.c: the caller frees what *data points to. The last byte is filled with ones or zeros. */
int scan_write(const Scan *scan, int filling, uint8_t **data, size_t *num_bytes);

/* The same: how often each symbol of each table is written. */
int scan_count(const Scan *scan, int64_t *counts);

#endif
