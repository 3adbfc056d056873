"""What the extension does for JPEGs: counts of coefficients' tokens, levels of components, planes, and scans."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pixelzip.models.integer import IntegerLayer
from pixelzip.models.layers import FEATURES
from pixelzip.native import SIGNED, Intervals, padded, ported_layer

with contextlib.suppress(ImportError):  # then there are no instruction sets
    from pixelzip import _native


class TokenNetwork(NamedTuple):
    """A network for coefficients as the extension stores it, and what its first layer's bias must make good for."""

    ported: Any
    correction: Intervals


def port_tokens(layers: Sequence[IntegerLayer], exponential: NDArray[np.int32], instruction_set: str) -> TokenNetwork:
    """Return a copy of a network's layers, each of which reads the one before, for one of INSTRUCTION_SETS."""
    stored_zero = 0 if instruction_set in SIGNED else 128
    places = {FEATURES: -1} | {integers.layer.name: index for index, integers in enumerate(layers)}
    ported = [ported_layer(integers, places, stored_zero) for integers in layers]
    first = layers[0]
    correction = stored_zero * first.weight.sum(axis=1, dtype=np.int32)
    sizes = padded(first.layer.num_inputs), instruction_set
    return TokenNetwork(_native.token_network(ported, exponential, *sizes), _lengthened(correction))


def token_weights(
    network: TokenNetwork, features: NDArray[np.int8], bias: Intervals, num_tokens: int
) -> NDArray[np.float32]:
    """Return each token's count less one, (n, num_tokens), of (n, inputs) features; ``bias`` is the first layer's."""
    weights = np.empty((len(features), num_tokens), dtype=np.float32)
    _native.token_weights(_token_call(network, features, bias, num_tokens), weights)
    return weights


def token_intervals(
    network: TokenNetwork, features: NDArray[np.int8], bias: Intervals, num_tokens: int, tokens: Intervals
) -> tuple[Intervals, Intervals]:
    """Return left cumulative and count of one token, (n,), for each row; else as ``token_weights``."""
    left, counts = np.empty(len(features), dtype=np.int32), np.empty(len(features), dtype=np.int32)
    call = _token_call(network, features, bias, num_tokens)
    _native.token_intervals(call, np.ascontiguousarray(tokens, dtype=np.int32), left, counts)
    return left, counts


def _token_call(network: TokenNetwork, features: NDArray[np.int8], bias: Intervals, num_tokens: int) -> tuple[Any, ...]:
    stored_bias = _lengthened(bias) - network.correction
    return network.ported, stored_bias, np.ascontiguousarray(features), features.shape[1], num_tokens


def _lengthened(vector: Intervals) -> Intervals:
    result = np.zeros(padded(len(vector)), dtype=np.int32)
    result[: len(vector)] = vector
    return result


def whole_group(network: TokenNetwork, bias: Intervals, shared_weight: Intervals) -> tuple[Any, ...]:
    """Return a network for a ComponentCall, with its first layer's bias and its weights for what steps share."""
    padding = padded(len(bias)) - len(bias)
    return network.ported, _lengthened(bias) - network.correction, np.pad(shared_weight, ((0, padding), (0, 0)))


class ComponentCall(NamedTuple):
    """A component whose levels are walked through: see native/levels_module.c for its ``arrays``.

    ``sizes`` are the border's width, the component's kind and last frequency, and how many blocks of luma one covers;
    ``groups`` are the networks of frequencies, up to the last.
    """

    sizes: tuple[int, int, int, int]
    arrays: tuple[NDArray[Any], ...]
    groups: list[tuple[Any, ...]]


def encode_levels(call: ComponentCall) -> tuple[Intervals, Intervals] | None:
    """Return left cumulatives and counts of a component's symbols; None: a coefficient is impossible."""
    both = _native.encode_levels(*call)
    return both and (np.frombuffer(both[0], dtype=np.int32), np.frombuffer(both[1], dtype=np.int32))


class Stream:
    """A stream of words, at least one, as ``pixelzip.ans_integer`` reads it."""

    def __init__(self, words: bytes) -> None:
        self._words, self._num_words, self._state = words, len(words) // 4, 0
        for _ in range(min(2, self._num_words)):
            self._num_words -= 1
            self._state = self._state << 32 | int.from_bytes(words[4 * self._num_words :][:4], "little")

    def decode_levels(self, call: ComponentCall) -> bool:
        """Fill in a component's levels; return False where a coefficient is impossible."""
        left = _native.decode_levels(*call, (self._words, self._num_words, self._state))
        if left is not None:
            self._num_words, self._state = left
        return left is not None

    def rest(self) -> int:
        """Return the state with all words that are left, as one number."""
        return self._state << 32 * self._num_words | int.from_bytes(self._words[: 4 * self._num_words], "little")


class Scan(NamedTuple):
    """A scan of a JPEG: what ``pixelzip.jpeg.scan`` reads and writes.

    ``levels`` are (blocks, 64), ``order`` the blocks' numbers, ``places`` whose component's each of a unit's blocks is.
    ``tables`` are bytes, ``fields`` first and last frequency, high and low bit, restart interval, longest run.
    """

    levels: NDArray[np.int16]
    order: NDArray[np.int32]
    places: NDArray[np.uint8]
    tables: list[bytes]
    fields: tuple[int, ...]


def read_scan(data: bytes, scan: Scan) -> bool:
    """Add to the levels what a scan's coded data say of them; return whether these are whole."""
    return _native.read_scan(data, tuple(scan))


def count_scan(scan: Scan) -> NDArray[np.int64] | None:
    """Return how often each symbol of each table is needed, (tables, 256); None: the levels are impossible."""
    counts = np.zeros((len(scan.tables), 256), dtype=np.int64)
    return counts if _native.count_scan(counts, tuple(scan)) else None


def write_scan(scan: Scan, filling: int) -> bytes | None:
    """Write a scan's coded data; None: a code is missing."""
    return _native.write_scan(filling, tuple(scan))


def inverse(coefficients: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Return the (8 R, 8 C) samples of coefficients (R, C, 8, 8)."""
    num_rows, num_columns = coefficients.shape[:2]
    samples = np.empty((8 * num_rows, 8 * num_columns), dtype=np.uint8)
    _native.write_samples(np.ascontiguousarray(coefficients), num_rows, num_columns, samples)
    return samples


def upsample(samples: NDArray[np.uint8], sampling: tuple[int, int], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Interpolate samples that cover ``size`` pixels, each some rows and columns of these, which are 1 or 2."""
    pixels = np.empty(size, dtype=np.uint8)
    _native.write_upsampled(np.ascontiguousarray(samples), samples.shape[1], sampling, size, pixels)
    return pixels
