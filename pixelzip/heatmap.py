"""Where the bits go: an image -> the cost of every pixel, as numbers or as a picture."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pixelzip import components, models
from pixelzip import image as images
from pixelzip.errors import UnsupportedImage
from pixelzip.networks import find_networks
from pixelzip.streams import Tiles, measure_tiles

_STOPS: Final = np.array(
    [[0, 0, 4], [66, 10, 104], [147, 38, 103], [221, 81, 58], [252, 165, 10], [252, 255, 164]], dtype=np.float64
)
"""Colours from cheap to dear."""


def measure_bits(image: Image.Image | NDArray[Any], model: str = models.DEFAULT_MODEL) -> NDArray[np.float64]:
    """Return the bits that each pixel of the first component (colour or grey) costs, (H, W) float64.

    The image is coded as one tile. Raises as ``pixelzip.compress`` does.
    """
    networks = find_networks(model)
    picture = components.prepare(images.read(image), networks)
    network = networks.find(picture.header.model)
    if network is None:
        raise UnsupportedImage(f"no network codes images of mode {picture.header.mode.name}")
    tile = Tiles.one(picture.components[0], 0, picture.header.origin)
    return measure_tiles(network, [tile], "cpu", None)[0]


def draw(bits: NDArray[np.float64]) -> Image.Image:
    """Colour (H, W) bits from 0 to the 99th percentile, with a scale of the same range below."""
    height, width = bits.shape
    highest = max(float(np.percentile(bits, 99)), 1e-9)
    scale = np.repeat(np.linspace(0, highest, width)[None], max(8, height // 24), axis=0)
    shares = (np.concatenate((bits, scale)) / highest).clip(0, 1)
    positions = np.linspace(0, 1, len(_STOPS))
    channels = [np.interp(shares, positions, stops) for stops in _STOPS.T]
    return Image.fromarray(np.stack(channels, axis=2).round().astype(np.uint8))
