/* A part of stage 6: bytes -> symbols. Mirrors pixelzip/ans_integer.py and, for last nibbles, pixelzip/short_stream.py. */

#ifndef PIXELZIP_DECODER_H
#define PIXELZIP_DECODER_H

#include "intervals.h"
#include "stream.h"

enum {
    LAST_BITS = 12,
    LAST_SCALE = (1 << LAST_BITS) - NIBBLE,
    LOW_DISTANCE = 2, /* from the mean to the symbols that are looked at next: the fastest of 1, 2 and 3 */
};

/* One nibble of neighbouring lanes: the high one, or the low one after certain high ones. */
typedef struct {
    const Distribution *distribution;
    int is_low;
    Lanes high;               /* the high nibbles, if these are the low ones */
    Interval interval;        /* theirs */
    Lanes places[3], ends[3]; /* three symbols around the mean and their left cumulatives: where most searches begin */
} Nibbles;

/* What is known of a nibble while it is looked for: symbol <= nibble < beyond, first <= quantile < last. */
typedef struct {
    int symbol, beyond;
    int32_t first, last;
} Bracket;

static const Bracket UNKNOWN = {0, NIBBLE, 0, COUNT_TOTAL};

/* Counts of one lane's levels below a boundary in 1..255: counts_below() and what it calls, for one lane, because what is
   asked next depends on the answer. */
static int32_t counts_below_one(const Distribution *distribution, int lane, int boundary)
{
    const Network *network = distribution->network;
    const int last = network->logistic_length - 1;
    int32_t mixed = 0;
    for (int k = 0; k < network->mixtures; k++) {
        const int32_t entry = ENTRY(distribution->origins[k][lane], boundary, distribution->slopes[k][lane]);
        mixed += distribution->weights[k][lane] * network->logistic[entry < 0 ? 0 : entry > last ? last : entry];
    }
    const int32_t below = COUNTS(mixed, boundary);
    return distribution->adaptation ? adapted_one(distribution->ends, lane, below) + LEVEL_FLOOR * boundary : below;
}

/* Left cumulative of one lane's symbol in 1..15. */
static int32_t nibble_end(const Nibbles *nibbles, int lane, int symbol)
{
    if (!nibbles->is_low)
        return counts_below_one(nibbles->distribution, lane, NIBBLE * symbol);
    const int32_t below = counts_below_one(nibbles->distribution, lane, NIBBLE * nibbles->high[lane] + symbol);
    const int64_t above_first = below - nibbles->interval.left[lane];
    return (int32_t)(above_first * (COUNT_TOTAL - NIBBLE) / nibbles->interval.count[lane]) + symbol;
}

static Bracket split(Bracket bracket, int place, int32_t end, int32_t quantile)
{
    if (end <= quantile)
        return (Bracket){place, bracket.beyond, end, bracket.last};
    return (Bracket){bracket.symbol, place, bracket.first, end};
}

static Lanes mean_level(const Distribution *distribution)
{
    const Lanes mean = weighted_mean(distribution, distribution->means[distribution->channel]);
    return (mean + LEVEL_STEPS / 2) / LEVEL_STEPS;
}

static Nibbles high_nibbles(const Distribution *distribution)
{
    Nibbles nibbles = {.distribution = distribution};
    const Lanes nearest = clamped((mean_level(distribution) + NIBBLE / 2) / NIBBLE, 1, NIBBLE - 1);
    for (int i = 0; i < 3; i++) {
        nibbles.places[i] = nearest + i - 1;
        nibbles.ends[i] = counts_below(distribution, NIBBLE * nibbles.places[i]);
    }
    return nibbles;
}

/* Go on to the low nibbles after the high ones that have been found. */
static void low_nibbles(Nibbles *nibbles)
{
    const Lanes first_level = NIBBLE * nibbles->high;
    const Lanes nearest = clamped(mean_level(nibbles->distribution) - first_level, 1, NIBBLE - 1);
    nibbles->is_low = 1;
    for (int i = 0; i < 3; i++) {
        nibbles->places[i] = clamped(nearest + LOW_DISTANCE * (i - 1), 0, NIBBLE);
        const Lanes below = counts_below(nibbles->distribution, first_level + nibbles->places[i]);
        nibbles->ends[i] = low_ends(nibbles->places[i], below, nibbles->interval);
    }
}

/* Start around the mean, halve what is left, and take the nibble off the stream. */
static Bracket decode_nibble(Decoder *decoder, const Nibbles *nibbles, int lane)
{
    const int32_t quantile = decoder_quantile(decoder);
    Bracket bracket = split(UNKNOWN, nibbles->places[1][lane], nibbles->ends[1][lane], quantile);
    const int side = bracket.symbol ? 2 : 0;
    bracket = split(bracket, nibbles->places[side][lane], nibbles->ends[side][lane], quantile);
    while (bracket.beyond - bracket.symbol > 1) {
        const int place = (bracket.symbol + bracket.beyond) / 2;
        bracket = split(bracket, place, nibble_end(nibbles, lane, place), quantile);
    }
    decoder_take(decoder, bracket.first, bracket.last);
    return bracket;
}

/* Return 0 when more is left than `rest` can hold. */
static int decoder_rest(const Decoder *decoder, Rest *rest)
{
    Decoder copy = *decoder;
    *rest = copy.state;
    while (copy.num_words) {
        if (*rest >> 3 * WORD_BITS)
            return 0;
        *rest = *rest << WORD_BITS | pop_word(&copy);
    }
    return 1;
}

/* The first pixel to be pushed is the last to be popped: counts of 12 bits, no words. */
static Bracket decode_last_nibble(Rest *rest, const Nibbles *nibbles, int lane)
{
    const int32_t quantile = (int32_t)(*rest & ((1 << LAST_BITS) - 1));
    Bracket scaled = {0, NIBBLE, 0, 1 << LAST_BITS};
    int32_t first = 0, last = COUNT_TOTAL;
    while (scaled.beyond - scaled.symbol > 1) {
        const int place = (scaled.symbol + scaled.beyond) / 2;
        const int32_t end = nibble_end(nibbles, lane, place);
        scaled = split(scaled, place, (int32_t)((int64_t)end * LAST_SCALE >> COUNT_BITS) + place, quantile);
        *(scaled.symbol == place ? &first : &last) = end;
    }
    *rest = (Rest)(scaled.last - scaled.first) * (*rest >> LAST_BITS) + (Rest)(quantile - scaled.first);
    return (Bracket){scaled.symbol, scaled.beyond, first, last};
}

#endif
