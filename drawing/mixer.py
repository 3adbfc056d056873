"""Bits predicted from contexts, and their predictions mixed by weights that are learned with every bit.

(Mahoney: Adaptive weighing of context models for lossless data compression, 2005.) All in integers; native/mixer.h
does the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pixelzip.drawing.bits import BitCoder
from pixelzip.drawing.tables import LOGIT_HIGH, MOST_COUNTED, SHARE_BITS, curves

Integers = NDArray[np.int64]

_PROBABILITY_BITS: Final = 22
_MOST_CONFIDENT: Final = 30
_CONFIDENCE_SHIFT: Final = 7
_WEIGHT_BITS: Final = 14
_ERROR_BITS: Final = 10
_BIT_ONE: Final = 2**16 - 1
_LEAST_WEIGHT, _MOST_WEIGHT = -(2**15), 2**15 - 1
_WORD: Final = 2**32 - 1


def mixed(one: int, other: int) -> int:
    """Return a hash of two numbers of 32 bits."""
    mixture = (one ^ other * 0x85EBCA6B) * 0x9E3779B1 & _WORD
    return mixture ^ mixture >> 15


class Mixer:
    """A family of decisions that have kinds of contexts in common.

    Of what has been seen in a context a slot holds the probability of a one, 22 bits, and a count. A context gives two
    inputs, its logit and how confident it is; a bucket, which is a context that is not hashed, gives its logit. Each of
    a few sets of weights, selected by what else is known, makes one logit of them; their mean predicts the bit.
    """

    def __init__(
        self,
        coder: BitCoder,
        slots: tuple[int, int],
        buckets: tuple[int, int],
        sets: Sequence[int],
        weight: int,
        rate: int,
    ) -> None:
        """``slots`` and ``buckets`` are how many kinds of contexts there are, and of slots of each; ``sets`` are sizes.

        ``weight`` is that with which all inputs begin, 16384 for one; ``rate`` is how fast weights learn.
        """
        self._coder, self._rate = coder, rate
        self._num_contexts, self._mask = slots[0], slots[1] - 1
        sizes = [slots[1]] * slots[0] + [buckets[1]] * buckets[0]
        self._first = np.cumsum([0, *sizes[:-1]])
        self._probabilities = np.full(sum(sizes), 2 ** (_PROBABILITY_BITS - 1), dtype=np.int64)
        self._counts = np.zeros(sum(sizes), dtype=np.int64)
        self._first_set = np.cumsum([0, *sets[:-1]])
        self._weights = np.full((sum(sets), 2 * slots[0] + buckets[0]), weight, dtype=np.int64)

    def decide(self, contexts: Integers, buckets: Sequence[int], selected: Sequence[int], bit: int) -> int:
        """Code a bit and learn from it.

        Args:
            contexts: hashes of 32 bits, one of each kind.
            buckets: numbers of slots of the kinds that are not hashed.
            selected: which weights of each set to use.
            bit: what to write; a reader finds it out.
        """
        places = self._first + np.array([*self._slots(contexts), *buckets])
        inputs = self._inputs(places)
        rows = self._first_set + np.array(selected)
        logits = np.clip(self._weights[rows] @ inputs >> _WEIGHT_BITS, -LOGIT_HIGH, LOGIT_HIGH)
        mean = int(logits.sum()) // len(logits)
        bit = self._coder.code(int(curves().logistic[mean + LOGIT_HIGH]), bit)
        self._learn(places, rows, inputs, logits, bit)
        return bit

    def _slots(self, contexts: Integers) -> Integers:
        hashes = (contexts ^ contexts >> 16) * 0x2C1B3C6D & _WORD
        return (hashes ^ hashes >> 13) & self._mask

    def _inputs(self, places: Integers) -> Integers:
        counts = self._counts[places]
        shares = self._probabilities[places] >> (_PROBABILITY_BITS - SHARE_BITS)
        logits = np.where(counts > 0, curves().logit[shares], 0)
        num = self._num_contexts
        trust = np.minimum(counts[:num], _MOST_CONFIDENT)
        confidence = (shares[:num] - 2 ** (SHARE_BITS - 1)) * trust >> _CONFIDENCE_SHIFT
        return np.concatenate([logits[:num], confidence, logits[num:]])

    def _learn(self, places: Integers, rows: Integers, inputs: Integers, logits: Integers, bit: int) -> None:
        errors = (bit * _BIT_ONE - curves().logistic[logits + LOGIT_HIGH].astype(np.int64)) * self._rate >> _ERROR_BITS
        steps = (errors[:, None] * inputs + 2 ** (_ERROR_BITS - 1)) >> _ERROR_BITS  # (sets, inputs)
        self._weights[rows] = np.clip(self._weights[rows] + steps, _LEAST_WEIGHT, _MOST_WEIGHT)
        probabilities, counts = self._probabilities[places], self._counts[places]
        distances = bit * (2**_PROBABILITY_BITS - 1) - probabilities
        self._probabilities[places] = probabilities + (distances * curves().rates[counts] >> 16)
        self._counts[places] = np.minimum(counts + 1, MOST_COUNTED)
