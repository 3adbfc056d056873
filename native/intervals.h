/* A part of stage 5: levels of one channel -> the intervals of their nibbles, which decoder.h finds again. */

#ifndef PIXELZIP_INTERVALS_H
#define PIXELZIP_INTERVALS_H

#include "distribution.h"

/* Left cumulatives and counts, of COUNT_TOTAL. */
typedef struct {
    Lanes left, count;
} Interval;

INLINE Interval high_interval(const Distribution *distribution)
{
    const Lanes first_level = distribution->levels & -NIBBLE;
    const Lanes left = counts_below(distribution, first_level);
    return (Interval){left, counts_below(distribution, first_level + NIBBLE) - left};
}

/* Left cumulatives of low nibbles in 0..16 after certain high ones, given counts of all levels below. The quotients differ
   from whole numbers by more than doubles can tell, or not at all. */
INLINE Lanes low_ends(Lanes low, Lanes below, Interval high)
{
    const Lanes ends = whole(exact(below - high.left) * (COUNT_TOTAL - NIBBLE) / exact(high.count)) + low;
    return chosen(low == NIBBLE, all(COUNT_TOTAL), ends);
}

INLINE Interval low_interval(const Distribution *distribution, Interval high)
{
    const Lanes levels = distribution->levels, low = levels & (NIBBLE - 1);
    const Lanes below = with_adaptation(distribution, levels, distribution->below);
    const Lanes up_to = with_adaptation(distribution, levels + 1, distribution->up_to);
    const Lanes left = low_ends(low, below, high);
    return (Interval){left, low_ends(low + 1, up_to, high) - left};
}

#endif
