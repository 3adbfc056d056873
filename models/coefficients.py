"""Networks for JPEG's coefficients: a frozen configuration and its layers. Nothing here imports torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

from pixelzip.models.layers import FEATURES, Layer

NUM_VALUES: Final = 28
"""Features that differ from coefficient to coefficient: ``pixelzip.jpeg.contexts``."""

NUM_FREQUENCIES: Final = 64
NUM_COMPONENTS: Final = 3
NUM_FEATURES: Final = NUM_VALUES + NUM_FREQUENCIES + NUM_COMPONENTS + 1
"""The others say which frequency it is, of which component, and whether its four neighbours are known."""

NUM_TOKENS: Final = 19
"""Zero, and nine bins of magnitudes of either sign: ``pixelzip.jpeg.tokens``."""


@dataclass(frozen=True)
class CoefficientConfig:
    """A network of a few layers that maps what is known around a coefficient to the logits of its tokens."""

    table_names: ClassVar[tuple[str, ...]] = ("exponential",)

    hidden: tuple[int, ...] = (96, 64)
    """Channels of the layers before the head."""

    def __post_init__(self) -> None:
        """Raise ValueError unless there is a layer before the head."""
        if not self.hidden or min(self.hidden) < 1:
            raise ValueError(f"every entry of hidden must be positive, and there must be one: {self}")

    @property
    def multiplications_per_pixel(self) -> float:
        """Multiply-accumulates per pixel where chroma is halved: three coefficients for every two pixels.

        Inputs that many coefficients share are multiplied once for all of them, and do not count.
        """
        shared = (NUM_FEATURES - NUM_VALUES) * self.hidden[0]
        return 1.5 * (sum(layer.num_weights for layer in self.plan()) - shared)

    def plan(self) -> tuple[Layer, ...]:
        """List the layers in the order they are computed."""
        sizes = NUM_FEATURES, *self.hidden
        names = FEATURES, *(f"hidden{index}" for index in range(len(self.hidden)))
        layers = [
            Layer(name, source, num_inputs, num_outputs)
            for source, name, num_inputs, num_outputs in zip(names, names[1:], sizes, sizes[1:], strict=False)
        ]
        return *layers, Layer("head", names[-1], sizes[-1], NUM_TOKENS, output="parameters")
