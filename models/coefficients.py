"""Networks for JPEG's coefficients: a frozen configuration and its layers. Nothing here imports torch."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, Final

from pixelzip.models.layers import FEATURES, Layer, Output

NUM_VALUES: Final = 28
"""Features that differ from coefficient to coefficient: ``pixelzip.jpeg.contexts``."""

NUM_FREQUENCIES: Final = 64
NUM_COMPONENTS: Final = 3
NUM_FEATURES: Final = NUM_VALUES + NUM_FREQUENCIES + NUM_COMPONENTS + 1
"""The others say which frequency it is, of which component, and whether its four neighbours are known."""

NUM_TOKENS: Final = 19
"""Zero, and nine bins of magnitudes of either sign: ``pixelzip.jpeg.tokens``."""

NUM_VALUES_MORE: Final = 62
"""As NUM_VALUES, of networks with ``surroundings``: ``pixelzip.jpeg.descriptions``."""

NUM_SHARED: Final = 17
"""Their other features, which say the same of all coefficients that are coded together."""

NUM_TOKENS_MORE: Final = 47
"""As NUM_TOKENS, of networks with ``surroundings``, in twenty-three bins."""

NUM_GROUPS: Final = NUM_FREQUENCIES + 15
"""Frequencies of luma, and diagonals of those of chroma."""


@dataclass(frozen=True)
class CoefficientConfig:
    """A network of a few layers that maps what is known around a coefficient to the logits of its tokens."""

    table_names: ClassVar[tuple[str, ...]] = ("exponential",)

    hidden: tuple[int, ...] = (96, 64)
    """Channels of the layers before the head."""

    surroundings: bool = False
    """Whether the network is told of ``pixelzip.jpeg.surroundings``, which have another order and finer tokens."""

    own_layers: int = 0
    """The first so many layers have weights of their own for each of NUM_GROUPS groups of frequencies."""

    def __post_init__(self) -> None:
        """Raise ValueError unless every field is in its range."""
        if not self.hidden or min(self.hidden) < 1:
            raise ValueError(f"every entry of hidden must be positive, and there must be one: {self}")
        if not 0 <= self.own_layers <= (len(self.hidden) + 1) * self.surroundings:
            raise ValueError(f"own_layers must be 0, or with surroundings one for each layer at most: {self}")

    @property
    def num_values(self) -> int:
        """Features that differ from coefficient to coefficient."""
        return NUM_VALUES_MORE if self.surroundings else NUM_VALUES

    @property
    def num_features(self) -> int:
        """All features."""
        return NUM_VALUES_MORE + NUM_SHARED if self.surroundings else NUM_FEATURES

    @property
    def num_tokens(self) -> int:
        """Logits of a coefficient."""
        return NUM_TOKENS_MORE if self.surroundings else NUM_TOKENS

    @property
    def multiplications_per_pixel(self) -> float:
        """Multiply-accumulates per pixel where chroma is halved: three coefficients for every two pixels.

        Inputs that many coefficients share are multiplied once for all of them, and do not count.
        """
        sizes = self.num_values, *self.hidden, self.num_tokens
        return 1.5 * sum(one * other for one, other in pairwise(sizes))

    def num_outputs(self, index: int) -> int:
        """Outputs of a layer that one coefficient has: of all groups there are more."""
        return (*self.hidden, self.num_tokens)[index]

    def num_groups(self, index: int) -> int:
        """Groups of frequencies for which a layer has weights of their own; their outputs stand one after the other."""
        return NUM_GROUPS if index < self.own_layers else 1

    def plan(self) -> tuple[Layer, ...]:
        """List the layers in the order they are computed."""
        layers, source, num_inputs = list[Layer](), FEATURES, self.num_features
        for index in range(len(self.hidden) + 1):
            is_head = index == len(self.hidden)
            name, num_outputs = "head" if is_head else f"hidden{index}", self.num_outputs(index)
            output: Output = "parameters" if is_head else "activation"
            layers.append(Layer(name, source, num_inputs, num_outputs * self.num_groups(index), output=output))
            source, num_inputs = name, num_outputs
        return tuple(layers)
