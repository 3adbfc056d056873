/* A part of stage 6: streams of small images in packs. Mirrors pixelzip/short_stream.py.

   Here numbers of any length are limbs of 32 bits, the lowest first, as the words of a stream are. */

#include "short_stream.h"

#include <string.h>

enum {
    LIMB_BITS = 32,
    LEAST_CHECK_BITS = 12,
    NUM_STATES = 8,        /* initial states, with 12 to 19 bits of the checksum */
    SETTLING_SYMBOLS = 64, /* symbols after which the one to take is told */
    LAST_BITS = 12,
    TOP_LIMBS = 4,         /* of a stream, more than its rounding reaches */
    TOP_BYTES = 4 * TOP_LIMBS,
    MOST_LIMBS = SHORT_MORE_WORDS,
};

typedef unsigned __int128 State;

typedef struct {
    size_t num_limbs; /* the highest is not zero */
    uint32_t limbs[MOST_LIMBS];
} Number;

/* The boundary before a symbol, of 2^24, as one of 2^12. */
static uint32_t rescaled(int64_t end, int symbol)
{
    return (uint32_t)(end * ((1 << LAST_BITS) - NIBBLES) >> COUNT_BITS) + (uint32_t)symbol;
}

static State after_last_pixel(const Symbols *symbols, int check_bits)
{
    State state = (State)1 << check_bits | (symbols->checksum & ((1u << check_bits) - 1));
    for (size_t i = symbols->num_last; i-- > 0;) {
        const size_t place = symbols->num_symbols - symbols->num_last + i;
        const int64_t left = symbols->left[place];
        const uint32_t first = rescaled(left, symbols->last[i]);
        const uint32_t count = rescaled(left + symbols->counts[place], symbols->last[i] + 1) - first;
        state = (state / count << LAST_BITS) + first + state % count;
    }
    return state;
}

static void set_limbs(Number *number, size_t num_limbs)
{
    while (num_limbs && number->limbs[num_limbs - 1] == 0)
        num_limbs--;
    number->num_limbs = num_limbs;
}

/* Push intervals onto a number; `words` has room for its limbs and one word a symbol. Return how many words there are,
   the last two of them the state. */
static size_t encode_onto(const Number *number, const int32_t *left, const int32_t *counts, size_t num_symbols,
                          uint32_t *words)
{
    const size_t num_below = number->num_limbs > 2 ? number->num_limbs - 2 : 0;
    memcpy(words, number->limbs, num_below * sizeof *words);
    uint64_t state = number->limbs[num_below];
    if (number->num_limbs > 1)
        state |= (uint64_t)number->limbs[num_below + 1] << LIMB_BITS;
    const size_t num_words = num_below + encode(&state, left, counts, num_symbols, words + num_below);
    words[num_words] = (uint32_t)state;
    words[num_words + 1] = (uint32_t)(state >> LIMB_BITS);
    return num_words + 2;
}

/* Bytes of words without zero bytes at the end. */
static size_t byte_length(const uint32_t *words, size_t num_words)
{
    while (num_words && words[num_words - 1] == 0)
        num_words--;
    size_t num_bytes = 4 * num_words;
    if (num_words)
        for (uint32_t high = words[num_words - 1]; high >> 24 == 0; high <<= 8)
            num_bytes--;
    return num_bytes;
}

/* Whether top * state < last * 2^(8 * num_bytes), num_bytes <= TOP_BYTES. */
static int is_below(const uint32_t top[TOP_LIMBS], const Number *state, const Number *last, int num_bytes)
{
    uint32_t product[MOST_LIMBS + TOP_LIMBS + 1] = {0}, bound[MOST_LIMBS + TOP_LIMBS + 1] = {0};
    for (size_t i = 0; i < state->num_limbs; i++) {
        uint64_t carry = 0;
        for (int j = 0; j < TOP_LIMBS; j++) {
            carry += (uint64_t)state->limbs[i] * top[j] + product[i + j];
            product[i + j] = (uint32_t)carry;
            carry >>= LIMB_BITS;
        }
        product[i + TOP_LIMBS] = (uint32_t)carry;
    }
    const int whole = num_bytes / 4, bits = num_bytes % 4 * 8;
    for (size_t i = 0; i < last->num_limbs; i++) {
        const uint64_t shifted = (uint64_t)last->limbs[i] << bits;
        bound[whole + i] |= (uint32_t)shifted;
        bound[whole + i + 1] |= (uint32_t)(shifted >> LIMB_BITS);
    }
    for (size_t i = MOST_LIMBS + TOP_LIMBS + 1; i-- > 0;)
        if (product[i] != bound[i])
            return product[i] < bound[i];
    return 0;
}

/* Return the largest of rising states whose stream should be as short as that of the first, and its bytes;
   `longest` is the stream of the last. */
static const Number *most_for_least(const Number states[NUM_STATES], const uint32_t *longest, size_t num_bytes,
                                    size_t *least_bytes)
{
    uint32_t top[TOP_LIMBS] = {0};
    const size_t num_others = num_bytes > TOP_BYTES ? num_bytes - TOP_BYTES : 0;
    for (size_t i = num_others; i < num_bytes; i++)
        top[(i - num_others) / 4] |= (longest[i / 4] >> i % 4 * 8 & 255) << (i - num_others) % 4 * 8;
    const Number *last = states + NUM_STATES - 1, *most = last;
    int least = TOP_BYTES;
    while (least > 0 && is_below(top, states, last, least - 1))
        least--;
    while (most > states && !is_below(top, most, last, least))
        most--;
    *least_bytes = num_others + (size_t)least;
    return most;
}

size_t short_encode(const Symbols *symbols, uint32_t *words)
{
    const size_t num_others = symbols->num_symbols - symbols->num_last;
    const size_t num_few = num_others < SETTLING_SYMBOLS ? num_others : SETTLING_SYMBOLS, num_first = num_others - num_few;
    Number states[NUM_STATES];
    for (int i = 0; i < NUM_STATES; i++) {
        const State start = after_last_pixel(symbols, LEAST_CHECK_BITS + i);
        Number number = {0};
        for (int limb = 0; limb < 4; limb++)
            number.limbs[limb] = (uint32_t)(start >> limb * LIMB_BITS);
        set_limbs(&number, 4);
        set_limbs(states + i, encode_onto(&number, symbols->left + num_first, symbols->counts + num_first, num_few,
                                          states[i].limbs));
    }
    const Number *last = states + NUM_STATES - 1;
    size_t least_bytes, num_bytes =
        byte_length(words, encode_onto(last, symbols->left, symbols->counts, num_first, words));
    const Number *most = most_for_least(states, words, num_bytes, &least_bytes);
    if (most != last)
        num_bytes = byte_length(words, encode_onto(most, symbols->left, symbols->counts, num_first, words));
    if (num_bytes > least_bytes)
        num_bytes = byte_length(words, encode_onto(states, symbols->left, symbols->counts, num_first, words));
    return num_bytes;
}
