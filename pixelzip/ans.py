"""Stage 6 of 7: symbols and counts <-> bytes, with our own coder in C where it is built, else constriction's.

A stream is sealed with a CRC32: the word lies at the bottom of the stack and must come back after the last symbol.
Weights are handed over as ``count - 1``, which makes constriction's own quantisation the identity.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from pixelzip import ans_integer, native
from pixelzip.errors import CorruptFile

COUNT_TOTAL: Final = 2**24

NO_STREAM: Final = "a tile's stream is empty or ends in a zero byte"

try:
    import constriction
except ImportError:  # no wheel for Linux on ARM
    HAS_CONSTRICTION = False
else:
    HAS_CONSTRICTION = True
    _FAMILY: Final = constriction.stream.model.Categorical(perfect=False)


def encode(left: NDArray[np.int32], counts: NDArray[np.int32], seal: int) -> bytes:
    """Code intervals so that a decoder gets them in the given order.

    Args:
        left: (n,) left cumulative of each symbol, ``0 <= left`` and ``left + counts <= 2^24``.
        counts: (n,) count of each symbol, ``1 <= counts``.
        seal: 32-bit checksum that ``ans_integer.check`` will ask for.

    Returns:
        Little-endian words without their trailing zero bytes.
    """
    return encode_onto(ans_integer.sealed(seal), left, counts)


def encode_onto(state: int, left: NDArray[np.int32], counts: NDArray[np.int32]) -> bytes:
    """Code intervals onto an initial state of any length, at least 1; see ``encode``."""
    if native.INSTRUCTION_SETS:
        return ans_integer.encode_onto(state, left, counts, native.push)
    if not HAS_CONSTRICTION:
        return ans_integer.encode_onto(state, left, counts)
    right = COUNT_TOTAL - left - counts
    columns = np.stack((left, counts, right), axis=1).astype(np.float32) - 1  # (n, 3)
    symbols = np.ones(len(left), dtype=np.int32)
    at_start, at_end = left == 0, right == 0
    columns[at_start] = np.stack((counts - 1, np.zeros_like(counts), right - 2), axis=1)[at_start]
    columns[at_end] = np.stack((left - 2, np.zeros_like(counts), counts - 1), axis=1)[at_end]
    symbols[at_start], symbols[at_end] = 0, 2
    coder = constriction.stream.stack.AnsCoder(_to_words(ans_integer.to_bytes(state)))
    if len(left):
        coder.encode_reverse(symbols, _FAMILY, np.ascontiguousarray(columns))
    return bytes(coder.get_compressed().astype("<u4").tobytes().rstrip(b"\0"))


def open_stream(data: bytes) -> Decoder | ans_integer.Decoder:
    """Start reading a stream; raises CorruptFile when it cannot be one."""
    return Decoder(words(data)) if HAS_CONSTRICTION else ans_integer.Decoder(words(data))


def words(data: bytes) -> bytes:
    """Return a stream as whole words; raises CorruptFile when it cannot be one."""
    if not is_stream(data):
        raise CorruptFile(NO_STREAM)
    return data + bytes(-len(data) % 4)


def is_stream(data: bytes) -> bool:
    """Return whether bytes can be a stream."""
    return bool(data) and data[-1] != 0


class Decoder:
    """Reads one stream. Damaged bytes give wrong symbols, which ``ans_integer.check`` reports of what is left."""

    def __init__(self, words: bytes) -> None:
        self._coder = constriction.stream.stack.AnsCoder(_to_words(words))

    def decode(self, weights: NDArray[np.float32]) -> NDArray[np.int32]:
        """Decode n symbols; ``weights`` is (n, m) C-contiguous, each count minus one, counts summing to 2^24.

        Raises CorruptFile for other counts where constriction notices them.
        """
        if not weights.flags.c_contiguous:
            raise ValueError("weights must be C-contiguous")
        try:
            symbols: NDArray[np.int32] = self._coder.decode(_FAMILY, weights)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # where constriction panics it raises what is no Exception
            raise CorruptFile(f"a tile's counts are not a distribution: {error}") from error
        return symbols

    def rest(self) -> int:
        """Return the state with all words that are left, as one number."""
        return int.from_bytes(self._coder.get_compressed().astype("<u4").tobytes(), "little")


def _to_words(data: bytes) -> NDArray[np.uint32]:
    return np.frombuffer(data + bytes(-len(data) % 4), dtype="<u4").astype(np.uint32)
