"""Stage 6 on a GPU: streams -> nibbles, of one after another or of many side by side. Mirrors native/decoder.h."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import torch
import triton
import triton.language as tl

from pixelzip import ans, cdf

NIBBLE: Final = tl.constexpr(cdf.NIBBLE)
_COUNT_TOTAL: Final = tl.constexpr(ans.COUNT_TOTAL)
_COUNT_BITS: Final = tl.constexpr(24)
_LAST_BITS: Final = tl.constexpr(12)
_LAST_SCALE: Final = tl.constexpr((1 << 12) - cdf.NIBBLE)


class Streams(NamedTuple):
    """``words`` int32 of all streams; of each tile four int64: the state, low and high 64 bits, words that are left,
    and where its words begin.
    """

    words: Any
    states: Any


def no_streams(num_tiles: int, device: torch.device) -> Streams:
    """Return the streams of tiles of which nothing is read."""
    words = torch.zeros(1, dtype=torch.int32, device=device)
    return Streams(words, torch.zeros((num_tiles, 4), dtype=torch.int64, device=device))


class Coder(NamedTuple):
    """The state of a stream, ``high << 64 | low`` (uint64), and how many words are left."""

    low: Any
    high: Any
    num_words: Any


class Nibbles(NamedTuple):
    """``ends`` (rows, 16), the symbols' left cumulatives, and ``found`` (rows,), the symbols; both int32."""

    ends: Any
    found: Any


@triton.jit
def words_of(streams, index):
    """Return where the words of a tile's stream begin; here and below, one tile or (lanes,) tiles."""
    return streams.words + tl.load(streams.states + index * 4 + 3)


@triton.jit
def open_coder(streams, index, is_last):
    """Go on reading a tile's stream; for the last pixel of a short one take in all words that are left, at most two."""
    fields = streams.states + index * 4
    low, high = tl.load(fields).to(tl.uint64, bitcast=True), tl.load(fields + 1).to(tl.uint64, bitcast=True)
    num_words, words = tl.load(fields + 2), words_of(streams, index)
    for _ in tl.static_range(2):
        takes = is_last & (num_words > 0)
        word = tl.load(words + num_words - 1, mask=takes, other=0).to(tl.uint32, bitcast=True).to(tl.uint64)
        high = tl.where(takes, (high << 32) | (low >> 32), high)
        low = tl.where(takes, (low << 32) | word, low)
        num_words -= takes.to(tl.int64)
    return Coder(low=low, high=high, num_words=num_words)


@triton.jit
def close_coder(streams, index, coder):
    """Note how far a stream has been read."""
    fields = streams.states + index * 4
    tl.store(fields, coder.low.to(tl.int64, bitcast=True))
    tl.store(fields + 1, coder.high.to(tl.int64, bitcast=True))
    tl.store(fields + 2, coder.num_words)


@triton.jit
def bits_of(is_last):
    """Return the bits of counts, uint64: of the last pixel of a short stream, or of any other."""
    return tl.where(is_last, _LAST_BITS, _COUNT_BITS).to(tl.uint64)


@triton.jit
def total_of(bits):
    """Return what counts of so many bits sum to, int32."""
    return (tl.full((), 1, tl.uint64) << bits).to(tl.int32)


@triton.jit
def few_end(end, symbol):
    """Return a symbol's left cumulative of 2^12 from that of 2^24."""
    return (end.to(tl.int64) * _LAST_SCALE >> _COUNT_BITS).to(tl.int32) + symbol


@triton.jit
def advanced(coder, words, first, last, quantile, bits, is_last):
    """Return the coder after a symbol of the counts ``first`` to ``last`` out of 2^bits, in which the quantile lies."""
    count = (last - first).to(tl.uint64)
    rest_low, rest_high = (coder.low >> bits) | ((coder.high << 1) << (63 - bits)), coder.high >> bits
    low = rest_low * count
    high = rest_high * count + tl.umulhi(rest_low, count)
    within = (quantile - first).to(tl.uint64)
    low += within
    high += (low < within).to(tl.uint64)
    takes = ((low >> 32) == 0) & (coder.num_words > 0) & (is_last == 0)
    word = tl.load(words + coder.num_words - 1, mask=takes, other=0).to(tl.uint32, bitcast=True).to(tl.uint64)
    low = tl.where(takes, (low << 32) | word, low)
    return Coder(low=low, high=high, num_words=coder.num_words - takes.to(tl.int64))


@triton.jit
def pop_nibbles(streams, coder, nibbles, tile, wave, is_last):
    """Take one nibble of every lane off the stream, with counts of 12 bits if ``is_last``; return the coder."""
    words = words_of(streams, tile.index)
    symbols = tl.arange(0, NIBBLE)
    first_place = tile.first_row + wave.first_row
    bits = bits_of(is_last)
    total = total_of(bits)
    place = nibbles.ends + first_place * NIBBLE + symbols
    coming = tl.load(place)  # read while the nibble before is found
    for lane in range(wave.num_lanes):
        whole_ends = coming
        place += NIBBLE
        coming = tl.load(place, mask=symbols + (lane + 1) * NIBBLE < wave.num_lanes * NIBBLE, other=0)
        ends = tl.where(is_last, few_end(whole_ends, symbols), whole_ends)
        quantile = coder.low.to(tl.int32) & (total - 1)
        is_below = ends <= quantile
        first = tl.max(tl.where(is_below, ends, 0), axis=0)
        last = tl.min(tl.where(is_below, total, ends), axis=0)
        tl.store(nibbles.found + first_place + lane, tl.sum(is_below.to(tl.int32), axis=0) - 1)
        coder = advanced(coder, words, first, last, quantile, bits, is_last)
    return coder


@triton.jit
def symbol_end(nibbles, wave, symbol):
    """Return left cumulatives of (lanes,) symbols in 0..16."""
    place = nibbles.ends + wave.place * NIBBLE + symbol
    return tl.load(place, mask=wave.is_lane & (symbol < NIBBLE), other=_COUNT_TOTAL)
