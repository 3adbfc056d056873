/* CRC-32 as zlib has it, of many rows of bytes. */

#ifndef PIXELZIP_CHECKSUM_H
#define PIXELZIP_CHECKSUM_H

#include "pixelzip.h"

enum { SLICES = 4 /* bytes that are taken at once */ };

/* Of a byte that is followed by 0 to SLICES - 1 others. */
typedef struct {
    uint32_t of[SLICES][256];
} Remainders;

void fill_remainders(Remainders *remainders);

/* Of bytes that follow others, whose checksum is `seal`. */
uint32_t checksum_of(const Remainders *remainders, const uint8_t *bytes, size_t num_bytes, uint32_t seal);

#endif
