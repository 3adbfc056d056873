"""A network -> images drawn from it: decoding without a stream, where chance decides every symbol."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from pixelzip.models.integer import IntegerNetwork
from pixelzip.predict import Predictor
from pixelzip.wavefront import fill

Pixels = NDArray[np.uint8]


class Chance:
    """Draws symbols in proportion to their counts."""

    def __init__(self, seed: Sequence[int]) -> None:
        self._generator = np.random.default_rng(seed)

    def decode(self, weights: NDArray[np.float32]) -> NDArray[np.int32]:
        """Draw one symbol for each row of (n, 16) counts less one."""
        ends = (weights.astype(np.int64) + 1).cumsum(axis=1)
        quantiles = self._generator.integers(ends[:, -1])
        symbols: NDArray[np.int32] = (quantiles[:, None] >= ends).sum(axis=1).astype(np.int32)
        return symbols


def draw(
    network: IntegerNetwork,
    num_images: int,
    size: tuple[int, int],
    *,
    label: int | None = None,
    seed: int = 0,
    device: str = "cpu",
) -> list[Pixels]:
    """Draw RGB images of ``size`` (height, width) in one batch; image i depends on the seed, the label and i alone.

    Raises:
        ValueError: the network has classes and ``label`` is none of them, or it has none and there is a label; or it is
            for planes.
    """
    num_classes = network.config.num_classes
    if network.config.is_for_planes:
        raise ValueError("the model is for luma and chroma planes")
    if num_classes and (label is None or not 0 <= label < num_classes):
        raise ValueError(f"the model draws images of a class, 0 to {num_classes - 1}")
    if not num_classes and label is not None:
        raise ValueError("the model knows no classes")
    classes = None if label is None else [label] * num_images
    predictor = Predictor(network, [size] * num_images, torch.device(device), classes=classes)
    return fill(predictor, [Chance([seed, index]) for index in range(num_images)], [(*size, 3)] * num_images)


def arrange(images: Sequence[Pixels]) -> Pixels:
    """Put images of one size side by side in a square that the last may leave empty, one pixel apart."""
    height, width, num_channels = images[0].shape
    num_columns = math.ceil(math.sqrt(len(images)))
    num_rows = -(-len(images) // num_columns)
    grid = np.zeros((num_rows * (height + 1) - 1, num_columns * (width + 1) - 1, num_channels), dtype=np.uint8)
    for index, image in enumerate(images):
        row, column = divmod(index, num_columns)
        grid[row * (height + 1) :, column * (width + 1) :][:height, :width] = image
    return grid
