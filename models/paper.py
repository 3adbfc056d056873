"""The network of the paper: a frozen configuration and the list of layers that follows from it.

Salimans, Karpathy, Chen, Kingma, "PixelCNN++" (2017), sections 2.3 to 2.5, as in the authors' code. Two streams: ``u``
sees the rows above, ``ul`` those and the pixels to the left. Nothing here imports torch.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Final, Literal

from pixelzip.models.layers import FEATURES, PARAMETERS_PER_COMPONENT, Layer, Tap

NUM_PIXEL_INPUTS: Final = 4
"""Inputs for each tap on pixels: R, G, B, and a constant that tells pixels from padding."""

PIXEL_CENTRE: Final = 128
"""A pixel's inputs are its levels less this, and PRESENT; outside the image all four are zero."""

PRESENT: Final = 127

PIXEL_STEPS: Final = 127.5
"""Levels of one unit of float input; also of one unit of a mean or scale, as in the paper."""

LEVELS: Final = 256

_ROW_STEM: Final[tuple[Tap, ...]] = tuple((row, column) for row in (-2, -1) for column in (-1, 0, 1))
_NORTH_STEM: Final[tuple[Tap, ...]] = ((-1, -1), (-1, 0), (-1, 1))
_WEST_STEM: Final[tuple[Tap, ...]] = ((-1, -1), (0, -1))

_TAPS: Final[dict[str, tuple[Tap, ...]]] = {
    "u": tuple((row, column) for row in (-1, 0) for column in (-1, 0, 1)),
    "ul": ((-1, -1), (-1, 0), (0, -1), (0, 0)),
}
"""Down-shifted 2x3 and down-right-shifted 2x2 convolutions."""

_TRANSPOSED: Final[dict[str, tuple[tuple[Tap, Tap], ...]]] = {
    "u": tuple(((row, column % 2), (0, int(column < 0))) for row in (0, 1) for column in (-1, 0, 1)),
    "ul": tuple(((row, column), (0, 0)) for row in (0, 1) for column in (0, 1)),
}
"""Transposed convolutions of the same sizes with stride 2: (parity of the output, tap)."""


@dataclass(frozen=True)
class PaperConfig:
    """A PixelCNN++ as published; the defaults are the paper's for CIFAR-10. Raster order.

    ``blocks`` gated residual blocks run in each stream at each of three resolutions on the way up, the same and one
    more for each shortcut on the way down. Without ``downsampling`` all layers run at full resolution. A network with
    ``num_classes`` adds a bias for the image's class to every gate; one with the softmax ``likelihood`` cannot be
    exported.
    """

    in_raster_order: ClassVar[bool] = True
    period: ClassVar[int] = 0
    is_for_planes: ClassVar[bool] = False
    members: ClassVar[tuple[int, ...]] = ()
    adaptive: ClassVar[bool] = False
    regression: ClassVar[bool] = False
    regression_rows: ClassVar[int] = 0
    table_names: ClassVar[tuple[str, ...]] = ("logistic", "exponential", "inverse_scale", "tanh", "elu", "sigmoid")

    channels: int = 160
    blocks: int = 5
    mixtures: int = 10
    dropout: float = 0.5
    downsampling: bool = True
    shortcuts: bool = True
    num_classes: int = 0
    likelihood: Literal["mixture", "softmax"] = "mixture"

    def __post_init__(self) -> None:
        """Raise ValueError unless every field is in its range."""
        if min(self.channels, self.blocks, self.mixtures) < 1:
            raise ValueError(f"channels, blocks and mixtures must be positive: {self}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must be in [0, 1), not {self.dropout}")
        if self.num_classes < 0 or self.likelihood not in ("mixture", "softmax"):
            raise ValueError(f"num_classes must not be negative, likelihood must be mixture or softmax: {self}")

    @property
    def num_parameters_per_pixel(self) -> int:
        """Channels of the head: ten for every component, or one for every level of every channel."""
        return PARAMETERS_PER_COMPONENT * self.mixtures if self.likelihood == "mixture" else 3 * LEVELS

    @property
    def multiplications_per_pixel(self) -> float:
        """Multiply-accumulates per pixel, coarse layers counted by their share of positions."""
        return sum(layer.num_weights / layer.scale**2 for layer in self.plan())

    def plan(self) -> tuple[Layer, ...]:
        """List the layers in the order they are computed."""
        return _Planner(self).layers()


class _Planner:
    """Walks up and down the resolutions, as the authors' ``model_spec`` does."""

    def __init__(self, config: PaperConfig) -> None:
        self._config = config
        self._layers: list[Layer] = []
        self._last: dict[str, str] = {}
        self._shortcuts: list[dict[str, str]] = []

    def layers(self) -> tuple[Layer, ...]:
        self._stem()
        for level in range(3):
            if level:
                self._resample(f"up{level}.down", level, level - 1)
                self._shortcuts.append(dict(self._last))
            for index in range(self._config.blocks):
                self._block(f"up{level}.{index}", level, {"u": (), "ul": (self._U,)})
                self._shortcuts.append(dict(self._last))
        self._shortcuts.pop()
        for level in (2, 1, 0):
            if level < 2:
                self._resample(f"down{level}.up", level, level + 1)
            for index in range(self._config.blocks + (level < 2)):
                above = self._shortcuts.pop()
                skips = {name: (source,) if self._config.shortcuts else () for name, source in above.items()}
                self._block(f"down{level}.{index}", level, {"u": skips["u"], "ul": (self._U, *skips["ul"])})
        width = self._config.num_parameters_per_pixel
        head = Layer("head", f"{self._last['ul']}.elu", self._config.channels, width, output="parameters")
        return (*self._layers, head)

    _U: Final = "u"
    """Stands for the other stream's latest sum."""

    def _stem(self) -> None:
        pixels = Layer("", FEATURES, NUM_PIXEL_INPUTS, self._config.channels, output="sum")
        self._layers += [
            replace(pixels, name="stem.u", taps=_ROW_STEM, by_row=True),
            replace(pixels, name="stem.north", taps=_NORTH_STEM),
            replace(pixels, name="stem.ul", taps=_WEST_STEM, residual="stem.north"),
        ]
        self._last = {"u": "stem.u", "ul": "stem.ul"}
        self._shortcuts.append(dict(self._last))

    def _block(self, name: str, level: int, auxiliary: dict[str, tuple[str, ...]]) -> None:
        """Add one gated residual block in each stream, section 2.5 and the authors' ``gated_resnet``."""
        scale, channels = self._scale(level), self._config.channels
        for stream, taps in _TAPS.items():
            sources = tuple(self._last["u"] if source == self._U else source for source in auxiliary[stream])
            hidden, gate = f"{name}.{stream}.hidden", f"{name}.{stream}"
            shape = (2 * channels, channels, taps, scale, scale)
            views = tuple(f"{source}.concat_elu" for source in sources)
            by_row, before = stream == "u", self._last[stream]
            self._layers += [
                Layer(hidden, f"{before}.concat_elu", *shape, output="sum", auxiliary=views, by_row=by_row),
                Layer(gate, f"{hidden}.concat_elu", *shape, residual=before, output="gate", by_row=by_row),
            ]
            self._last[stream] = gate

    def _resample(self, name: str, level: int, source_level: int) -> None:
        """Add a strided or transposed convolution in each stream."""
        channels, scale, source_scale = self._config.channels, self._scale(level), self._scale(source_level)
        for stream, taps in _TAPS.items():
            layer = Layer(
                f"{name}.{stream}", f"{self._last[stream]}.raw", channels, channels, taps, scale, source_scale
            )
            layer = replace(layer, output="sum", by_row=stream == "u")
            if scale < source_scale:
                parities, offsets = zip(*_TRANSPOSED[stream], strict=True)
                layer = replace(layer, taps=offsets, parities=parities)
            self._layers.append(layer)
            self._last[stream] = layer.name

    def _scale(self, level: int) -> int:
        return 2**level if self._config.downsampling else 1
