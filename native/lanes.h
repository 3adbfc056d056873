/* Neighbouring pixels of a wavefront at a time, as vectors of the target's size.

   What includes this is compiled once for any machine and once for AVX2; see tile_avx2.c. */

#ifndef PIXELZIP_LANES_H
#define PIXELZIP_LANES_H

#include "pixelzip.h"

#include <string.h>

#if defined(TARGET_HAS_AVX2)
enum { VECTOR = 8 };
#else
enum { VECTOR = 4 };
#endif
_Static_assert((int)VECTOR <= (int)MOST_LANES, "what is read past the last lane must be there");

typedef int32_t Lanes __attribute__((vector_size(4 * VECTOR)));
typedef int16_t Shorts __attribute__((vector_size(2 * VECTOR)));
typedef double Doubles __attribute__((vector_size(8 * VECTOR)));

#define INLINE __attribute__((always_inline)) static inline

INLINE Lanes all(int32_t value)
{
    return (Lanes){0} + value;
}

INLINE Lanes chosen(Lanes mask, Lanes yes, Lanes no)
{
    return (mask & yes) | (~mask & no);
}

INLINE Lanes clamped(Lanes values, int32_t low, int32_t high)
{
    values = chosen(values < low, all(low), values);
    return chosen(values > high, all(high), values);
}

/* Return the number of each lane. */
INLINE Lanes own_lane(void)
{
    Lanes lane;
    for (int i = 0; i < VECTOR; i++)
        lane[i] = i;
    return lane;
}

/* Read 16-bit values from any address. */
INLINE Lanes widened(const int16_t *from)
{
    Shorts values;
    memcpy(&values, from, sizeof values);
    return __builtin_convertvector(values, Lanes);
}

/* Write the first values to any address, as 16 bits. */
INLINE void narrow(Lanes values, int16_t *to, int count)
{
    const Shorts narrowed = __builtin_convertvector(values, Shorts);
    memcpy(to, &narrowed, (size_t)count * sizeof *to);
}

INLINE Lanes look_up(const int32_t *table, Lanes entries)
{
    int32_t places[VECTOR], values[VECTOR];
    memcpy(places, &entries, sizeof places);
    for (int lane = 0; lane < VECTOR; lane++)
        values[lane] = table[places[lane]];
    Lanes found;
    memcpy(&found, values, sizeof found);
    return found;
}

INLINE Doubles exact(Lanes values)
{
    return __builtin_convertvector(values, Doubles);
}

/* Round a quotient that is not negative down. It must not be nearer to a whole number above it than doubles can tell. */
INLINE Lanes whole(Doubles quotient)
{
    return __builtin_convertvector(quotient, Lanes);
}

/* Round any quotient of 32-bit numbers down: it differs from a whole number by more than 2^-31, or not at all. */
INLINE Lanes floor_quotient(Lanes dividend, Lanes divisor)
{
    const Doubles quotient = exact(dividend) / exact(divisor);
    const Lanes towards_zero = whole(quotient);
    return towards_zero + (whole((quotient - exact(towards_zero)) * 0x1p31) >> 31);
}

#endif
