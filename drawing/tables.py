"""Tables of the logistic function and its inverse, and of rates: the same integers on every machine."""

from __future__ import annotations

import functools
from decimal import Decimal, localcontext
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

LOGIT_STEPS: Final = 128
"""Logits are in 1/128 of a natural unit,"""

LOGIT_HIGH: Final = 1535
"""and at most so many in magnitude."""

SHARE_BITS: Final = 12
"""Bits of a slot's probability that its logit depends on."""

MOST_COUNTED: Final = 127

_ONE: Final = 2**16


class Curves(NamedTuple):
    """``logistic`` (3071,) uint16: 65536ths, of logits from -1535; ``logit`` (4096,) int16; ``rates`` (128,) int32."""

    logistic: NDArray[np.uint16]
    logit: NDArray[np.int16]
    rates: NDArray[np.int32]


@functools.cache
def curves() -> Curves:
    """Return the tables.

    The logit of a share is the least whose logistic reaches its middle. A slot that has counted n bits moves
    1 / (n + 1.6) of the way to the next.
    """
    logistic = _logistic()
    middles = (2 * np.arange(2**SHARE_BITS) + 1) * (_ONE >> (SHARE_BITS + 1))
    logit = np.searchsorted(logistic, middles) - LOGIT_HIGH
    rates = 10 * _ONE // (10 * np.arange(MOST_COUNTED + 1) + 16)
    return Curves(logistic, logit.astype(np.int16), rates.astype(np.int32))


def _logistic() -> NDArray[np.uint16]:
    with localcontext() as context:
        context.prec = 40
        ratio, power = (Decimal(1) / LOGIT_STEPS).exp(), Decimal(1)
        upper = []
        for _ in range(LOGIT_HIGH + 1):
            upper.append(int((_ONE * power / (1 + power)).to_integral_value()))
            power *= ratio
    half = np.minimum(np.array(upper), _ONE - 1)
    return np.concatenate([_ONE - half[:0:-1], half]).astype(np.uint16)
