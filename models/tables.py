"""The integer tables of the discretised logistic mixture, computed once at export and stored in the model file.

They are rounded from 40-digit decimals, so that every machine that exports writes the same integers. Decoders read
them from the file and never evaluate an exponential.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal, localcontext
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pixelzip.models.layers import ACTIVATION_STEPS, ELU_ZERO_POINT, GATE_ONE

MEAN_STEPS: Final = 16
"""Means are in sixteenths of a level."""

LOG_SCALE_STEPS: Final = 16
"""Log-scales are in sixteenths of a natural unit, from LOG_SCALE_LOW to LOG_SCALE_HIGH."""

LOG_SCALE_LOW: Final = -3 * LOG_SCALE_STEPS
LOG_SCALE_HIGH: Final = 5 * LOG_SCALE_STEPS

LOGIT_STEPS: Final = 32
"""Logits are in 1/32 of a natural unit."""

COUPLING_STEPS: Final = 256
"""Coupling coefficients are in 1/256 of a level per level, at most COUPLING_HIGH in magnitude."""

COUPLING_HIGH: Final = 3 * COUPLING_STEPS

LOGISTIC_LENGTH: Final = 2**15
"""Entries of the logistic table, which spans arguments from -12 to 12."""

LOGISTIC_SPAN: Final = 24

EXPONENTIAL_LENGTH: Final = 12 * LOGIT_STEPS + 1
"""Entries of the table of exponentials, of arguments from 0 to -12."""

INVERSE_SCALE_BITS: Final = 6
"""Fractional bits of an inverse scale, which maps sixteenths of a level to entries of the logistic table."""

PROBABILITY_ONE: Final = 2**16
"""The integer that stands for probability one in the tables."""


TANH_STEPS: Final = 64
"""Arguments of the table of tanh, which gives coupling coefficients, are in 1/64."""


def make_tables(names: Sequence[str]) -> dict[str, NDArray[np.int32]]:
    """Return the tables named, int32.

    ``logistic`` (2^15,), ``exponential`` (385,), ``inverse_scale`` (129,) of the mixture; ``tanh``, ``elu`` and
    ``sigmoid`` (513,) of the paper's network, from -256 to 256.
    """
    makers: dict[str, Callable[[], NDArray[np.int32]]] = {
        "logistic": _logistic,
        "exponential": _exponential,
        "inverse_scale": _inverse_scale,
        "tanh": lambda: _centred(lambda entry: COUPLING_STEPS * _tanh(Decimal(entry) / TANH_STEPS)),
        "elu": lambda: _centred(_elu),
        "sigmoid": lambda: _centred(lambda entry: GATE_ONE / (1 + (-Decimal(entry) / ACTIVATION_STEPS).exp())),
    }
    with localcontext() as context:
        context.prec = 40
        return {name: makers[name]() for name in names}


def _centred(function: Callable[[int], Decimal]) -> NDArray[np.int32]:
    return np.array([_rounded(function(entry)) for entry in range(-256, 257)], dtype=np.int32)


def _tanh(value: Decimal) -> Decimal:
    return 1 - 2 / ((2 * value).exp() + 1)


def _elu(entry: int) -> Decimal:
    value = Decimal(entry) / ACTIVATION_STEPS
    return min(Decimal(127), (value if entry >= 0 else value.exp() - 1) * ACTIVATION_STEPS + ELU_ZERO_POINT)


def _logistic() -> NDArray[np.int32]:
    step = Decimal(LOGISTIC_SPAN) / LOGISTIC_LENGTH
    ratio, power = step.exp(), (step / 2).exp()
    upper = []
    for _ in range(LOGISTIC_LENGTH // 2):
        upper.append(_rounded(PROBABILITY_ONE * power / (1 + power)))
        power *= ratio
    half = np.array(upper, dtype=np.int32)
    return np.concatenate([PROBABILITY_ONE - half[::-1], half]).astype(np.int32)


def _exponential() -> NDArray[np.int32]:
    values = [_rounded(PROBABILITY_ONE * (-Decimal(index) / LOGIT_STEPS).exp()) for index in range(EXPONENTIAL_LENGTH)]
    return np.array(values, dtype=np.int32)


def _inverse_scale() -> NDArray[np.int32]:
    entries_per_step = Decimal(LOGISTIC_LENGTH * 2**INVERSE_SCALE_BITS) / (LOGISTIC_SPAN * MEAN_STEPS)
    logs = range(LOG_SCALE_LOW, LOG_SCALE_HIGH + 1)
    return np.array(
        [_rounded(entries_per_step * (-Decimal(log) / LOG_SCALE_STEPS).exp()) for log in logs], dtype=np.int32
    )


def _rounded(value: Decimal) -> int:
    return int(value.to_integral_value())
