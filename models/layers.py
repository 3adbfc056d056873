"""A layer of a network, as the plan of a configuration lists it, and the integers that stand for its values.

The plan is the only description of a network. Training builds modules from it, export fills it with integers, and the
executor and the NumPy reference run it. Nothing here imports torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Tap = tuple[int, int]
"""(row offset, column offset) of an input position relative to the output position."""

POINT: Final[tuple[Tap, ...]] = ((0, 0),)

ACTIVATION_STEPS: Final = 32
"""Hidden activations are multiples of 1/32. Clamped ones lie in [0, 255/32]; an int8 ``q`` is ``(q + 128) / 32``."""

ZERO_POINT: Final = -128
"""The int8 value of a clamped activation of zero, and of every position outside the tile."""

ELU_ZERO_POINT: Final = -96
"""As ZERO_POINT, of ELU activations, which lie in [-1, 223/32]."""

SUM_STEPS: Final = 256
"""The int16 sums that gated blocks add to are multiples of 1/256."""

RAW_STEPS: Final = 16
"""Sums that a layer reads without a nonlinearity are rounded to multiples of 1/16 in [-8, 127/16]; zero is 0."""

GATE_ONE: Final = 2**14
"""The integer that stands for one in the table of the gate's sigmoid."""

WEIGHT_LIMIT: Final = 64
"""Largest magnitude of an integer weight: beyond it int8 GEMMs saturate on processors without VNNI."""

PARAMETERS_PER_COMPONENT: Final = 10
"""One logit, three means, three log-scales, three coupling coefficients."""

FEATURES: Final = "features"
"""The source of layers that read what is computed from pixels."""

Output = Literal["activation", "parameters", "sum", "gate"]
"""What a layer makes of its products: a clamped int8 activation; int16 mixture parameters; an int16 sum; or a sum that
grows by the first half of the products times the sigmoid of the second half."""

View = Literal["elu", "concat_elu", "raw"]
"""What can be read of a sum ``x``, as int8: ``elu(x)``; ``elu(x)`` and ``elu(-x)``; ``x`` itself, rounded.

A source is written ``name`` or, for a view of a sum, ``name.view``.
"""

VIEWS: Final[tuple[View, ...]] = ("elu", "concat_elu", "raw")


@dataclass(frozen=True)
class Layer:
    """One matrix product: positions of ``source`` at ``taps``, and ``auxiliary`` sources at the position itself, give
    ``out_channels`` at resolution 1/``scale``.

    Every source has ``in_channels``; auxiliary ones have the layer's scale. Where ``scale`` and ``source_scale``
    differ, the order (see ``pixelzip.lanes``) says which position of the source a tap is relative to. A ``residual``
    is a layer of the same shape and output that is added before the clamp, or that a gate adds to. ``parities`` are
    given for each tap or not at all: a tap reads zero unless the position's (row mod 2, column mod 2) is its parity,
    which makes a transposed convolution. A layer ``by_row`` sees no pixel of its own row, so whole rows are computed at
    once. In a ``depthwise`` layer every output reads its own channel only; it has no auxiliary sources.
    """

    name: str
    source: str
    in_channels: int
    out_channels: int
    taps: tuple[Tap, ...] = POINT
    scale: int = 1
    source_scale: int = 1
    residual: str | None = None
    output: Output = "activation"
    auxiliary: tuple[str, ...] = ()
    parities: tuple[Tap, ...] = ()
    by_row: bool = False
    depthwise: bool = False

    @property
    def num_inputs(self) -> int:
        """Inputs of one output: those of every tap, then those of every auxiliary source."""
        return (len(self.taps) + len(self.auxiliary)) * self.channels_read

    @property
    def channels_read(self) -> int:
        """Channels of a source that one output reads."""
        return 1 if self.depthwise else self.in_channels

    @property
    def num_products(self) -> int:
        """Products of one position: a gate needs two for each of its channels."""
        return self.out_channels * (2 if self.output == "gate" else 1)

    @property
    def num_weights(self) -> int:
        """Multiplications per output position."""
        return self.num_products * self.num_inputs


def split_source(source: str) -> tuple[str, str]:
    """Split a source into the layer's name and the view, which is empty where it is the output itself."""
    name, _, view = source.rpartition(".")
    return (name, view) if view in VIEWS else (source, "")


def zero_point(source: str) -> int:
    """Return the int8 value that stands for zero in a source."""
    if source == FEATURES:
        return 0
    return {"": ZERO_POINT, "raw": 0}.get(split_source(source)[1], ELU_ZERO_POINT)
