"""Whether the kernels run a network on a device, and give there, here and now, what the CPU gives.

They are made for the cone family at one resolution with depthwise layers and for the paper's without classes. Other
networks and devices are left to ``pixelzip.wavefront``.
"""

from __future__ import annotations

import functools
import importlib.util
import logging
import threading
from collections.abc import Sequence
from typing import Final

import numpy as np

from pixelzip import streams
from pixelzip.errors import CorruptFile
from pixelzip.gpu.batch import lanes_for
from pixelzip.models.integer import IntegerNetwork
from pixelzip.models.paper import PaperConfig
from pixelzip.streams import Tiles

logger = logging.getLogger(__name__)

Shapes = tuple[tuple[int, int, int], ...]

_PROVING: Final = threading.Lock()
"""Threads that ask for a network at once wait for one of them to compile its kernels and try them."""

_SHAPES: Final[dict[int, Shapes]] = {
    16: ((16, 40, 3), (9, 5, 3)),
    64: ((41, 66, 3), (9, 5, 3)),
    256: ((67, 140, 3), (9, 5, 3)),
    1024: ((257, 513, 3), (9, 5, 3)),
}
"""Of the tiles that are tried, for each of ``batch.LANES``: several lanes, neighbours outside, some solutions of the
regression."""

_SHAPES_IN_RASTER_ORDER: Final[Shapes] = ((5, 6, 3), (5, 6, 3), (2, 3, 1))
"""The same of networks in raster order: all three resolutions, and what lies outside of each."""


def runs(network: IntegerNetwork, device: str, shapes: Sequence[tuple[int, ...]]) -> bool:
    """Return whether the kernels can run a network on a device, and are exact there, for tiles (h, w, channels)."""
    config = network.config
    if not device.startswith("cuda"):
        return False
    if isinstance(config, PaperConfig):
        is_supported, tried = not config.num_classes, _SHAPES_IN_RASTER_ORDER
    else:
        is_supported, tried = config.depthwise and len(config.blocks) == 1, _SHAPES[lanes_for(shapes)]
    with _PROVING:
        return is_supported and _is_exact(network, device, tried)


@functools.lru_cache(maxsize=8)
def _is_exact(network: IntegerNetwork, device: str, shapes: Shapes) -> bool:
    """Try both ways what the CPU does; kernels that cannot be compiled are none."""
    if importlib.util.find_spec("triton") is None:
        return False
    try:
        is_exact = _does_as_the_cpu(network, device, shapes)
    except Exception as error:  # a compiler's errors are of its own kinds
        logger.warning("without kernels of its own, which do not run on %s: %s", device, error)
        return False
    if not is_exact:
        logger.warning("without kernels of its own, which are not exact on %s", device)
    return is_exact


def _does_as_the_cpu(network: IntegerNetwork, device: str, shapes: Shapes) -> bool:
    from pixelzip.gpu import tiles as kernels

    generator = np.random.default_rng(0)
    tiles = [Tiles.one(generator.integers(0, 256, shape, dtype=np.uint8), 0, (1, 2), is_short=True) for shape in shapes]
    written = streams.encode_tiles(network, tiles, "cpu", None)
    coded = [some.coded([stream]) for some, stream in zip(tiles, written, strict=True)]
    decoded = kernels.decode_tiles(network, coded, device, None)
    return kernels.encode_tiles(network, tiles, device, None) == written and all(
        not isinstance(pixels, CorruptFile) and np.array_equal(pixels, some.pixels[0])
        for pixels, some in zip(decoded, tiles, strict=True)
    )
