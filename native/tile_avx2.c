/* tile.c once more, for processors with AVX2, which multiplies and looks up eight numbers at a time. */

#include "pixelzip.h"

#if defined(__x86_64__)

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2"))), apply_to = function)
#else
#pragma GCC target("avx2")
#endif

#define TARGET_HAS_AVX2
#define tile_intervals tile_intervals_avx2
#define tile_decode tile_decode_avx2
#include "tile.c"

#if defined(__clang__)
#pragma clang attribute pop
#endif

#endif
