"""Whether the kernels run a network on a device: those of the cone family at one resolution with depthwise layers, and
where they give, here and now, what the CPU gives. Other networks and devices are left to ``pixelzip.wavefront``.
"""

from __future__ import annotations

import functools
import importlib.util
import logging
from collections.abc import Sequence
from typing import Final

import numpy as np

from pixelzip import streams
from pixelzip.errors import CorruptFile
from pixelzip.gpu.batch import lanes_for
from pixelzip.models.config import ConeConfig
from pixelzip.models.integer import IntegerNetwork
from pixelzip.streams import CodedTile, Tile

logger = logging.getLogger(__name__)

_SHAPES: Final = {
    32: ((19, 40, 3), (9, 5, 3)),
    256: ((41, 66, 3), (9, 5, 3)),
    1024: ((257, 513, 3), (9, 5, 3)),
}
"""Of the tiles that are tried, for each of ``batch.LANES``: several lanes, neighbours outside, some solutions of the
regression."""


def runs(network: IntegerNetwork, device: str, shapes: Sequence[Sequence[int]]) -> bool:
    """Return whether the kernels can run a network on a device, and are exact there, for tiles (h, w, channels)."""
    config = network.config
    is_supported = isinstance(config, ConeConfig) and config.depthwise and len(config.blocks) == 1
    return is_supported and device.startswith("cuda") and _is_exact(network, device, lanes_for(shapes))


@functools.lru_cache(maxsize=8)
def _is_exact(network: IntegerNetwork, device: str, lanes: int) -> bool:
    """Try both ways what the CPU does; kernels that cannot be compiled are none."""
    if importlib.util.find_spec("triton") is None:
        return False
    try:
        is_exact = _does_as_the_cpu(network, device, lanes)
    except Exception as error:  # a compiler's errors are of its own kinds
        logger.warning("without kernels of its own, which do not run on %s: %s", device, error)
        return False
    if not is_exact:
        logger.warning("without kernels of its own, which are not exact on %s", device)
    return is_exact


def _does_as_the_cpu(network: IntegerNetwork, device: str, lanes: int) -> bool:
    from pixelzip.gpu import tiles as kernels

    generator = np.random.default_rng(0)
    noise = [generator.integers(0, 256, shape, dtype=np.uint8) for shape in _SHAPES[lanes]]
    tiles = [Tile(pixels, 0, (1, 2), is_short=True) for pixels in noise]
    written = streams.encode_tiles(network, tiles, "cpu", None)
    coded = [CodedTile(stream, tile.pixels.shape, 0, (1, 2), True) for tile, stream in zip(tiles, written, strict=True)]
    decoded = kernels.decode_tiles(network, coded, device, None)
    return kernels.encode_tiles(network, tiles, device, None) == written and all(
        not isinstance(pixels, CorruptFile) and np.array_equal(pixels, tile.pixels)
        for pixels, tile in zip(decoded, tiles, strict=True)
    )
