"""Where the time of one compress and one decompress goes: exclusive seconds by stage. Prints nothing."""

from __future__ import annotations

import functools
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

import pixelzip
from pixelzip import ans, components, container, fallback, lattice, native, native_jpeg
from pixelzip import image as images
from pixelzip.cdf import Distribution
from pixelzip.jpeg import coder, search
from pixelzip.networks import find_networks
from pixelzip.predict import Predictor
from pixelzip.product import Product, int8_products_are_exact

Pixels = NDArray[np.uint8]

PRODUCTS: Final = "network: matrix products"
LAYERS: Final = "network: matrix products and rounding"
INPUTS: Final = "network: inputs"
OTHER: Final = "everything else"

_STAGES: Final[tuple[tuple[str, Any, str], ...]] = (
    ("distribution", native, "intervals"),
    ("distribution and ANS", native, "decode"),
    (PRODUCTS, Product, "_sums"),
    ("network: inputs, gathering, rounding", Predictor, "predict"),
    ("distribution", Distribution, "__init__"),
    ("distribution", Distribution, "intervals"),
    ("distribution", Distribution, "observe"),
    ("distribution", Distribution, "high_counts"),
    ("distribution", Distribution, "low_counts"),
    ("ANS", ans, "encode"),
    ("ANS", ans.Decoder, "decode"),
    ("container", container, "read"),
    ("container", container, "write"),
    ("lattice", lattice, "find"),
    ("lattice", lattice, "to_rgb"),
    ("JPEG: search for levels", search, "find"),
    ("JPEG: contexts", coder, "walk"),
    ("JPEG: network", native_jpeg, "token_weights"),
    ("JPEG: network", native_jpeg, "token_intervals"),
    ("JPEG: contexts, network, ANS", native_jpeg, "encode_levels"),
    ("JPEG: contexts, network, ANS", native_jpeg.Stream, "decode_levels"),
    ("PNG and WebP", fallback, "smallest"),
    ("samples and components", images, "read"),
    ("samples and components", components, "prepare"),
)
"""Stage, where the function is looked up, its name. Time inside another of them counts there only."""

_CEILING_SHAPE: Final = (2048, 1024, 1024)
"""Rows, inputs and outputs of the products that show what the machine can do."""

_CEILING_RUNS: Final = 20


@dataclass(frozen=True)
class Profile:
    """Seconds of one direction by stage, greatest first; ``giga_products_per_second`` of the network's products."""

    direction: str
    num_pixels: int
    seconds_by_stage: dict[str, float]
    giga_products_per_second: float

    @property
    def seconds(self) -> float:
        """Seconds in all."""
        return sum(self.seconds_by_stage.values())


class Stopwatch:
    """Counts seconds by stage while stages call each other."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._inner = [0.0]

    def timed(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function that does the same and is counted; what the extension counts itself is counted there."""

        @functools.wraps(function)
        def measured(*arguments: Any, **options: Any) -> Any:
            self._inner.append(0.0)
            before = native.seconds()
            started = time.perf_counter()
            try:
                return function(*arguments, **options)
            finally:
                elapsed = time.perf_counter() - started
                inputs, layers, _ = (after - first for after, first in zip(native.seconds(), before, strict=True))
                spent = {stage: elapsed - self._inner.pop() - inputs - layers, INPUTS: inputs, LAYERS: layers}
                for name, seconds in spent.items():
                    if seconds:
                        self.seconds[name] += seconds
                self._inner[-1] += elapsed

        return measured

    @contextmanager
    def running(self) -> Iterator[None]:
        """Count what happens inside the block; all else is OTHER."""
        originals = [getattr(owner, name) for _, owner, name in _STAGES]
        for (stage, owner, name), original in zip(_STAGES, originals, strict=True):
            setattr(owner, name, self.timed(stage, original))
        started = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[OTHER] += time.perf_counter() - started - self._inner[0]
            for (_, owner, name), original in zip(_STAGES, originals, strict=True):
                setattr(owner, name, original)


def run(photographs: Sequence[Pixels], model: str, device: str) -> list[Profile]:
    """Compress and decompress images (H, W, 3) uint8 in one thread, after one that is not counted.

    Raises UnknownModel.
    """
    pixelzip.decompress_array(pixelzip.compress(photographs[0], model, device=device), model=model, device=device)
    networks = find_networks(model)
    num_pixels = sum(image.shape[0] * image.shape[1] for image in photographs)
    num_products = num_pixels * networks.pixels.config.multiplications_per_pixel
    forwards, backwards = Stopwatch(), Stopwatch()
    for image in photographs:
        with forwards.running():
            data = pixelzip.compress(image, model, device=device, num_threads=1)
        with backwards.running():
            pixelzip.decompress_array(data, model=model, device=device, num_threads=1)
    return [
        _profile("compress", forwards, num_pixels, num_products),
        _profile("decompress", backwards, num_pixels, num_products),
    ]


def _profile(direction: str, watch: Stopwatch, num_pixels: int, num_products: float) -> Profile:
    spent = watch.seconds
    seconds = spent.get(PRODUCTS, 0.0) + spent.get(LAYERS, 0.0)  # none where PNG or WebP won
    rate = num_products / seconds / 1e9 if seconds else 0.0
    return Profile(direction, num_pixels, dict(sorted(spent.items(), key=lambda item: -item[1])), rate)


def measure_ceiling(device: str) -> float:
    """Return the most products a second, in 10^9, that one thread was seen to do as torch does them."""
    rows, inputs, outputs = _CEILING_SHAPE
    kind = torch.int8 if int8_products_are_exact(torch.device(device)) else torch.float32
    left = torch.ones((rows, inputs), dtype=kind, device=device)
    right = torch.ones((outputs, inputs), dtype=kind, device=device).t()
    multiply = torch._int_mm if kind == torch.int8 else torch.mm
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    seconds = min(_seconds(lambda: multiply(left, right), device) for _ in range(_CEILING_RUNS))
    torch.set_num_threads(before)
    return rows * inputs * outputs / seconds / 1e9


def measure_import() -> float:
    """Return the seconds that a new Python takes to start and to import all that compression needs."""
    needed = "pixelzip.components" if native.INSTRUCTION_SETS else "pixelzip.wavefront"
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", f"import {needed}"], check=True)
    return time.perf_counter() - started


def _seconds(work: Callable[[], object], device: str) -> float:
    started = time.perf_counter()
    work()
    if device != "cpu":
        torch.cuda.synchronize()
    return time.perf_counter() - started
