"""Photographs -> JPEG files of many qualities -> tokens and what is known of them."""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from pixelzip.jpeg.coder import StepCoder, kind_for, walk
from pixelzip.jpeg.contexts import Integers
from pixelzip.jpeg.drawings import drawing
from pixelzip.jpeg.levels import Component, as_block, to_component
from pixelzip.jpeg.network import Told
from pixelzip.jpeg.sampling import SAMPLINGS
from pixelzip.jpeg.tokens import Bins
from pixelzip.jpeg.transform import ZIGZAG, forward, padded
from pixelzip.models.coefficients import NUM_GROUPS, CoefficientConfig
from pixelzip.models.data import load_rgb

_POOL: Final = 64
"""Files that batches are drawn from."""

_ROW: Final = 128
_NONE: Final = -100
"""What cross entropy does not count."""

_ROWS: Final = 160
"""A batch has about so many rows of so many coefficients; each row is of one group of frequencies."""

_SCALES: Final = (1.0, 1.0, 1.5, 2.0, 0.75)
_SHARE_OF_DRAWINGS: Final = 0.25
_SIDES: Final = (160, 400)
_QUALITIES: Final = (40, 99)
_SUBSAMPLINGS: Final = (2, 2, 2, 0, 0, 1)
"""Pillow's numbers: 4:2:0 for one in two, 4:4:4 for one in three, else 4:2:2."""


class Samples(NamedTuple):
    """Of each group of frequencies features (n, num_features) int8 and tokens (n,) uint8.

    ``num_bits_left`` are the bits that the tokens leave in all.
    """

    features: dict[int, NDArray[np.int8]]
    tokens: dict[int, NDArray[np.uint8]]
    num_bits_left: int


class _Recorder(StepCoder):
    """A coder that keeps what it is given."""

    def __init__(self) -> None:
        self.features: dict[int, list[NDArray[np.int8]]] = defaultdict(list)
        self.tokens: dict[int, list[NDArray[np.uint8]]] = defaultdict(list)
        self.num_bits_left = 0

    def exchange(self, told: Told, bins: Bins, values: Integers) -> Integers:
        tokens, _ = bins.split(values)
        shared = np.broadcast_to(told.shared, (len(tokens), len(told.shared)))
        self.features[told.group].append(np.hstack((told.features, shared)))
        self.tokens[told.group].append(tokens.astype(np.uint8))
        self.num_bits_left += int(bins.bits_left(tokens).sum())
        return values


def read_jpeg(data: bytes) -> list[Component]:
    """Return the components of a baseline JPEG file whose chroma has one of SAMPLINGS, as libjpeg decodes them."""
    with Image.open(io.BytesIO(data)) as image:
        tables, layers = image.quantization, image.layer  # type: ignore[attr-defined]
        image.draft(image.mode if image.mode == "L" else "YCbCr", image.size)
        planes = np.asarray(image).reshape(image.height, image.width, -1)
    found = next(one for one in SAMPLINGS if (one.columns, one.rows) == layers[0][1:3])
    samplings = SAMPLINGS[0], found, found
    components = []
    for index, (_, _, _, table) in enumerate(layers):
        even = np.pad(planes[..., index], [(0, length % 2) for length in planes.shape[:2]], mode="edge")
        samples = samplings[index].down(even.astype(np.float32))
        steps = np.array(tables[table], dtype=np.int32)[ZIGZAG]
        levels = np.rint(forward(padded(samples)) / as_block(steps)).astype(np.int64)
        components.append(to_component(index, steps, levels))
    return components


def record(components: Sequence[Component], config: CoefficientConfig) -> Samples:
    """Return what the network is told of every coefficient, and what it should say."""
    recorder = _Recorder()
    walk(components, recorder, kind_for(config))
    features = {group: np.concatenate(some) for group, some in recorder.features.items()}
    tokens = {group: np.concatenate(some) for group, some in recorder.tokens.items()}
    return Samples(features, tokens, recorder.num_bits_left)


def _random_file(images: Sequence[NDArray[np.uint8]], generator: np.random.Generator) -> bytes:
    """Write a part of a photograph or drawing, perhaps enlarged or reduced, as a JPEG of some quality."""
    photograph = images[int(generator.integers(len(images)))]
    image, scale = Image.fromarray(photograph), generator.choice(_SCALES)
    if generator.random() < _SHARE_OF_DRAWINGS:
        image = Image.fromarray(drawing(generator, image.height, image.width, photograph))
    if scale != 1:
        size = round(image.width * scale), round(image.height * scale)
        image = image.resize(size, Image.Resampling.LANCZOS if generator.random() < 0.5 else Image.Resampling.BICUBIC)
    width, height = (min(length, int(generator.integers(*_SIDES))) for length in image.size)
    left, top = int(generator.integers(image.width - width + 1)), int(generator.integers(image.height - height + 1))
    buffer = io.BytesIO()
    part = image.crop((left, top, left + width, top + height))
    part.save(
        buffer,
        "JPEG",
        quality=int(generator.integers(*_QUALITIES)),
        subsampling=int(generator.choice(_SUBSAMPLINGS)),
    )
    return buffer.getvalue()


class Pool:
    """Recorded files, from which batches are drawn; they change one by one."""

    def __init__(self, files: Sequence[Path], network: CoefficientConfig, seed: int) -> None:
        self._generator = np.random.default_rng(seed)
        self._images = [load_rgb(file) for file in files]
        self._config = network
        self._samples = [self._record() for _ in range(_POOL)]
        self._counts = np.zeros((_POOL, NUM_GROUPS), dtype=np.int64)
        for index in range(_POOL):
            self._count(index)
        self.groups, self.shares = self._plan()

    def _record(self) -> Samples:
        return record(read_jpeg(_random_file(self._images, self._generator)), self._config)

    def _count(self, index: int) -> None:
        self._counts[index] = 0
        for group, tokens in self._samples[index].tokens.items():
            self._counts[index, group] = len(tokens)

    def _plan(self) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
        """Return of each row of a batch its group, and its share of all coefficients.

        A group has the more rows the more bits it costs, by their root: where there is more to learn.
        """
        shares = self._counts.sum(axis=0) / self._counts.sum()
        costs = np.zeros(len(shares))
        for group in np.flatnonzero(shares).tolist():
            tokens = np.concatenate([one.tokens[group] for one in self._samples if group in one.tokens])
            found = np.bincount(tokens) / len(tokens)
            costs[group] = -shares[group] * (found * np.log2(found.clip(1e-12))).sum()
        roots = np.sqrt(costs)
        num_rows = np.where(shares > 0, np.rint(_ROWS * roots / roots.sum()).clip(1), 0).astype(np.intp)
        groups = np.repeat(np.arange(len(shares)), num_rows)
        return groups, (shares[groups] / num_rows[groups]).astype(np.float32)

    def change(self) -> None:
        """Record another file instead of one of the pool's."""
        index = int(self._generator.integers(_POOL))
        self._samples[index] = self._record()
        self._count(index)

    def batch(self) -> tuple[Tensor, Tensor]:
        """Return features (rows, _ROW, num_features) and tokens (rows, _ROW) of the rows' groups."""
        ends = np.cumsum(self._counts, axis=0)  # (_POOL, groups)
        features = np.zeros((len(self.groups), _ROW, self._config.num_features), dtype=np.int8)
        tokens = np.full((len(self.groups), _ROW), _NONE, dtype=np.int64)
        chances = self._generator.random(len(self.groups)) * ends[-1, self.groups]
        for row, (group, chance) in enumerate(zip(self.groups.tolist(), chances.tolist(), strict=True)):
            if ends[-1, group]:  # else none has it any more
                samples = self._samples[int(np.searchsorted(ends[:, group], chance, side="right"))]
                some = self._generator.integers(0, len(samples.tokens[group]), _ROW)
                features[row], tokens[row] = samples.features[group][some], samples.tokens[group][some]
        return torch.from_numpy(features), torch.from_numpy(tokens)
