"""The cone family: a frozen configuration and the list of layers that follows from it. Nothing here imports torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

from pixelzip.models.layers import FEATURES, PARAMETERS_PER_COMPONENT, POINT, Layer, Tap

CONE: Final[tuple[Tap, ...]] = ((-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 0))
BLOCK: Final[tuple[Tap, ...]] = ((-1, -1), (-1, 0), (0, -1), (0, 0))

CONTEXT: Final[tuple[Tap, ...]] = (
    *((0, column) for column in range(-4, -1)),
    *((-1, column) for column in range(-3, 2)),
    *((-2, column) for column in range(-3, 4)),
    *((-3, column) for column in range(-1, 3)),
)
"""Pixels the first layer sees, besides the reference pixel (west): 19 taps with ``column + 2 * row < 0``."""

NUM_FEATURES: Final = 3 * (len(CONTEXT) + 2)
"""Inputs that pixels give: differences at every tap, the predictor's difference, the reference's level."""

POSITION_STEP: Final = 16
"""The position input that stands for a pixel's place in the period has this value, the others are zero."""

PLANES_PERIOD: Final = 16
"""Networks for luma and chroma planes know their place in a 16x16 block: 8x8 transforms, chroma halved."""

LEAST_BAND_ROWS: Final = 8
"""Neighbouring pixels that the extension codes side by side are then of two bands at most."""

MAX_BAND_ROWS: Final = 2**14
"""No tile has more rows."""


@dataclass(frozen=True)
class ConeConfig:
    """A cone PixelCNN++: wavefront step ``t = column + 2 * row``.

    ``blocks[i]`` residual blocks run at resolution 1/2^i on the way down and, except at the coarsest, again on the
    way up, where a shortcut adds the activation of the way down. A ``down`` layer reads the 2x2 block that ends at its
    odd/odd pixel, an ``up`` layer the last coarse position that is complete at its pixel.
    """

    in_raster_order: ClassVar[bool] = False
    num_classes: ClassVar[int] = 0
    table_names: ClassVar[tuple[str, ...]] = ("logistic", "exponential", "inverse_scale")

    channels: int = 80
    blocks: tuple[int, ...] = (6,)
    mixtures: int = 5
    dropout: float = 0.0
    period: int = 0
    """Rows and columns after which position inputs repeat; 0: there are none; PLANES_PERIOD: a network for planes."""

    adaptive: bool = False
    """Whether each tile's symbols correct the distributions of those that follow: ``pixelzip.adaptation``."""

    regression: bool = False
    """Whether the errors of a tile's pixels move the means of those that follow: ``pixelzip.regression``."""

    regression_rows: int = 0
    """Rows of a tile that the regression learns from together, and a little from the others; 0: from all alike."""

    depthwise: bool = False
    """Whether the spatial layers of the blocks read one channel each."""

    members: tuple[int, ...] = ()
    """Channels of further members of an ensemble: networks as deep, which read the same. The parameters are the sums of
    what all heads say; Hansen and Salamon, "Neural network ensembles" (1990)."""

    def __post_init__(self) -> None:
        """Raise ValueError unless every field is in its range."""
        if min(self.channels, self.mixtures, *self.members, *self.blocks) < 1 or not self.blocks:
            raise ValueError(f"channels, mixtures and every entry of blocks and members must be positive: {self}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must be in [0, 1), not {self.dropout}")
        if self.period < 0:
            raise ValueError(f"period must not be negative: {self.period}")
        if self.regression_rows and not LEAST_BAND_ROWS <= self.regression_rows <= MAX_BAND_ROWS:
            raise ValueError(f"regression_rows must be 0 or from {LEAST_BAND_ROWS} to {MAX_BAND_ROWS}: {self}")
        if self.regression_rows and not self.regression:
            raise ValueError(f"regression_rows without regression: {self}")

    @property
    def is_for_planes(self) -> bool:
        """Whether the network predicts luma and chroma, not RGB."""
        return self.period == PLANES_PERIOD

    @property
    def num_features(self) -> int:
        """Input channels of the first layer: NUM_FEATURES, then the row's and the column's place in the period."""
        return NUM_FEATURES + 2 * self.period

    @property
    def num_parameters_per_pixel(self) -> int:
        """Channels of the head: ten mixture parameters for every component."""
        return PARAMETERS_PER_COMPONENT * self.mixtures

    @property
    def multiplications_per_pixel(self) -> float:
        """Multiply-accumulates per pixel, coarse layers counted by their share of positions."""
        return sum(layer.num_weights / layer.scale**2 for layer in self.plan())

    def plan(self) -> tuple[Layer, ...]:
        """List the layers in the order they are computed: those of further members first."""
        layers: list[Layer] = []
        for index, channels in enumerate(self.members):
            layers += self._member(f"member{index}.", channels, layers)
        return (*layers, *self._member("", self.channels, layers))

    def _member(self, name: str, channels: int, before: list[Layer]) -> list[Layer]:
        """List the layers of one member, whose head adds to that of the member before."""
        layers = [Layer(f"{name}stem", FEATURES, self.num_features, channels)]
        shortcuts: list[str] = []
        for level, num_blocks in enumerate(self.blocks):
            scale = 2**level
            if level:
                shortcuts.append(layers[-1].name)
                layers.append(
                    Layer(f"{name}down{scale}", layers[-1].name, channels, channels, BLOCK, scale, scale // 2)
                )
            layers += self._blocks(f"{name}down{scale}", layers[-1], num_blocks)
        for level in reversed(range(len(self.blocks) - 1)):
            scale, source = 2**level, layers[-1].name
            shortcut = shortcuts.pop()
            layers.append(Layer(f"{name}up{scale}", source, channels, channels, POINT, scale, 2 * scale, shortcut))
            layers += self._blocks(f"{name}up{scale}", layers[-1], self.blocks[level])
        size, added = (channels, self.num_parameters_per_pixel), before[-1].name if before else None
        return [*layers, Layer(f"{name}head", layers[-1].name, *size, residual=added, output="parameters")]

    def _blocks(self, prefix: str, before: Layer, num_blocks: int) -> list[Layer]:
        layers: list[Layer] = []
        source, scale, size = before.name, before.scale, (before.out_channels, before.out_channels)
        for index in range(num_blocks):
            mix, add = f"{prefix}.{index}.mix", f"{prefix}.{index}.add"
            layers.append(Layer(mix, source, *size, CONE, scale, scale, depthwise=self.depthwise))
            layers.append(Layer(add, mix, *size, POINT, scale, scale, residual=source))
            source = add
        return layers
