"""Photographs -> JPEG files of many qualities -> tokens and what is known of them -> the network that predicts them."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from pixelzip.jpeg.coder import walk
from pixelzip.jpeg.contexts import Integers
from pixelzip.jpeg.levels import Component, as_block, to_component
from pixelzip.jpeg.sampling import SAMPLINGS
from pixelzip.jpeg.tokens import Bins
from pixelzip.jpeg.transform import ZIGZAG, forward, padded
from pixelzip.models.card import write_card
from pixelzip.models.coefficient_network import CoefficientNetwork
from pixelzip.models.data import load_rgb
from pixelzip.models.export import export_network, replacing
from pixelzip.models.integer import load_model
from pixelzip.models.train import moving_average

_POOL: Final = 24
"""Files that batches are drawn from."""

_STEPS_PER_FILE: Final = 4
_FILES_PER_BATCH: Final = 4
_NUM_WARMUP_STEPS: Final = 100
_QUANTISE_FROM: Final = 0.75
"""Share of the steps before fake quantisation of weights."""

_SCALES: Final = (1.0, 1.0, 1.5, 2.0, 0.75)
_SIDES: Final = (160, 400)
_QUALITIES: Final = (40, 99)
_SUBSAMPLINGS: Final = (2, 2, 2, 0, 0, 1)
"""Pillow's numbers: 4:2:0 for one in two, 4:4:4 for one in three, else 4:2:2."""


class Samples(NamedTuple):
    """Features (n, NUM_FEATURES) int8, tokens (n,) uint8, and the bits that tokens leave in all."""

    features: NDArray[np.int8]
    tokens: NDArray[np.uint8]
    num_bits_left: int


@dataclass(frozen=True)
class CoefficientTraining:
    """Everything a run depends on besides the network."""

    num_steps: int = 6000
    batch_size: int = 32768
    learning_rate: float = 3e-3
    averaging: float = 0.998
    seed: int = 0


class _Recorder:
    """A coder that keeps what it is given."""

    def __init__(self) -> None:
        self.features, self.tokens = list[NDArray[np.int8]](), list[NDArray[np.uint8]]()
        self.num_bits_left = 0

    def exchange(self, features: NDArray[np.int8], shared: NDArray[np.int8], bins: Bins, values: Integers) -> Integers:
        tokens, _ = bins.split(values)
        self.features.append(np.hstack((features, np.broadcast_to(shared, (len(features), len(shared))))))
        self.tokens.append(tokens.astype(np.uint8))
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


def record(components: Sequence[Component]) -> Samples:
    """Return what the network is told of every coefficient, and what it should say."""
    recorder = _Recorder()
    walk(components, recorder)
    return Samples(np.concatenate(recorder.features), np.concatenate(recorder.tokens), recorder.num_bits_left)


def _random_file(images: Sequence[NDArray[np.uint8]], generator: np.random.Generator) -> bytes:
    """Write a part of a photograph, perhaps enlarged or reduced, as a JPEG of some quality."""
    image = Image.fromarray(images[int(generator.integers(len(images)))])
    scale = generator.choice(_SCALES)
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


def _batches(files: Sequence[Path], config: CoefficientTraining) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield features and tokens of some of a pool's coefficients; the pool changes file by file."""
    generator = np.random.default_rng(config.seed)
    images = [load_rgb(file) for file in files]
    pool = [record(read_jpeg(_random_file(images, generator))) for _ in range(_POOL)]
    step = 0
    while True:
        step += 1
        if step % _STEPS_PER_FILE == 0:
            pool[int(generator.integers(_POOL))] = record(read_jpeg(_random_file(images, generator)))
        chosen = [pool[int(index)] for index in generator.integers(0, _POOL, _FILES_PER_BATCH)]
        places = [generator.integers(0, len(one.tokens), config.batch_size // _FILES_PER_BATCH) for one in chosen]
        features = np.concatenate([one.features[some] for one, some in zip(chosen, places, strict=True)])
        tokens = np.concatenate([one.tokens[some] for one, some in zip(chosen, places, strict=True)])
        yield torch.from_numpy(features), torch.from_numpy(tokens.astype(np.int64))


def train(
    network: CoefficientNetwork,
    files: Sequence[Path],
    config: CoefficientTraining,
    report: Callable[[int, float], None],
) -> CoefficientNetwork:
    """Train to the end of the schedule and return the averaged network, quantised; ``report`` gets each step's bits."""
    average = AveragedModel(network, multi_avg_fn=moving_average(config.averaging))
    optimizer = torch.optim.AdamW(network.parameters(), betas=(0.9, 0.98), weight_decay=1e-4)
    for step, (features, tokens) in zip(range(config.num_steps), _batches(files, config), strict=False):
        network.quantised = step >= _QUANTISE_FROM * config.num_steps
        cosine = 0.01 + 0.99 * (1 + math.cos(math.pi * step / config.num_steps)) / 2
        for group in optimizer.param_groups:
            group["lr"] = config.learning_rate * min(1, (step + 1) / _NUM_WARMUP_STEPS) * cosine
        bits = network.bits(features, tokens)
        optimizer.zero_grad()
        bits.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        average.update_parameters(network)
        report(step + 1, float(bits.detach()))
    result = average.module
    assert isinstance(result, CoefficientNetwork)
    result.quantised = True
    return result


def finish(network: CoefficientNetwork, held_out: Sequence[Path], path: Path, command: str) -> float:
    """Write a model file and its card; return what held-out images cost at quality 90, in bits/sub-pixel."""
    bits = _held_out_bits(network, held_out)
    export_network(network, path, {"command": command})
    integers = load_model(path)
    with replacing(path.with_suffix(".md")) as temporary:
        temporary.write_text(write_card(integers, command, {"held-out bits/sub-pixel": f"{bits:.4f}"}))
    return bits


@torch.no_grad()
def _held_out_bits(network: CoefficientNetwork, files: Sequence[Path]) -> float:
    """Return the mean over images of what tokens and the bits that they leave cost."""
    costs = []
    for file in files:
        pixels, buffer = load_rgb(file), io.BytesIO()
        Image.fromarray(pixels).save(buffer, "JPEG", quality=90)
        samples = record(read_jpeg(buffer.getvalue()))
        tokens = torch.from_numpy(samples.tokens.astype(np.int64))
        bits = len(tokens) * float(network.bits(torch.from_numpy(samples.features), tokens))
        costs.append((bits + samples.num_bits_left) / pixels.size)
    return float(np.mean(costs))
