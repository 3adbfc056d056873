"""Stages 4 to 6 on a GPU: the steps of a batch of tiles, one after another. Mirrors the walk of pixelzip/wavefront.py.

Nothing is decided on the CPU: the launches of all steps follow one another without waiting for a result.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor

from pixelzip import adaptation, cdf, regression
from pixelzip.gpu import symbols
from pixelzip.gpu.adaptation import NUM_WAVES as QUANTILE_WAVES
from pixelzip.gpu.adaptation import Histograms
from pixelzip.gpu.batch import Batch
from pixelzip.gpu.coder import Nibbles, Streams, no_streams
from pixelzip.gpu.mixture import Parameters
from pixelzip.gpu.network import Activations, Ported, port
from pixelzip.gpu.regression import NUM_WAVES as ERROR_WAVES
from pixelzip.gpu.regression import REGRESSORS, Regressions, describe_columns, solve
from pixelzip.models.config import ConeConfig
from pixelzip.models.integer import IntegerNetwork
from pixelzip.streams import CodedTiles, Pixels, Tiles

_RECORDING: Final = threading.Lock()
"""While one thread records a graph, no other may load kernels or forget a graph: the process may end of that."""

_THREADS_PER_WARP: Final = 32
_MOST_REGISTERS: Final = {16: 255, 64: 255, 256: 128, 1024: 64}
"""Of a thread, by lanes: two programs or more are to share a multiprocessor's 2^16, except for those of 1024 lanes."""


@dataclass(frozen=True)
class Wavefronts:
    """The order of networks of the cone family. ``lanes``, one of ``batch.LANES``, are enough for every step."""

    network: IntegerNetwork
    lanes: int

    def intervals(self, tiles: Sequence[Tiles], device: torch.device) -> Tensor:
        """Return left cumulatives and counts, (2, symbols) int32, of one tile after another."""
        batch = Batch(tiles, False, device)  # how the last pixel is coded is for the coder on the CPU
        batch.load([some.pixels for some in tiles])
        intervals = batch.integers(2, batch.num_symbols)
        _walk(port(self.network, device), batch, intervals, no_streams(len(batch), device), self.lanes, False)
        return intervals

    def decode(self, tiles: Sequence[CodedTiles], streams: Streams) -> list[Pixels]:
        """Read the streams on their device, as far as symbols go; return (n, h, w, C) for each of ``tiles``."""
        device = streams.words.device
        batch = Batch(tiles, True, device)
        _walk(port(self.network, device), batch, batch.integers(1), streams, self.lanes, True)
        return batch.tiles()


def _walk(network: Ported, batch: Batch, intervals: Tensor, streams: Streams, lanes: int, is_decoding: bool) -> None:
    """Turn levels into ``intervals`` (2, symbols) int32, left cumulatives and counts, or ``streams`` into levels."""
    activations, regressions = Activations(network, batch.num_rows, batch.device), _regressions(network.config, batch)
    tables = (network.tables[name] for name in ("exponential", "inverse_scale", "logistic"))
    parameters = Parameters(activations.parameters, activations.guesses, *tables)
    sources = symbols.Sources(parameters, _histograms(network.config, batch), regressions)
    nibbles = Nibbles(batch.integers(batch.num_rows, cdf.NIBBLE), batch.integers(batch.num_rows))
    bands = _band_rows(network.config, batch), _num_bands(network.config, batch)
    first_symbols, settings = torch.tensor(batch.first_symbols, device=batch.device), _settings(network, lanes)
    counter = torch.zeros((), dtype=torch.int32, device=batch.device)

    def steps() -> None:
        for _ in range(regression.STEPS_BETWEEN_SOLUTIONS):
            activations.compute(batch, counter)
            symbols.code[len(batch),](
                sources, batch.levels, intervals, first_symbols, batch.num_symbols, streams, nibbles, batch.table,
                batch.num_channels, *bands, batch.num_rows, counter, DECODES=is_decoding, **settings,
            )  # fmt: skip
            counter.add_(1)
        if network.config.regression:
            _solve(regressions, bands[1] if network.config.regression_rows else 0)

    with launching_on(batch.device):
        _repeat(steps, -(-batch.num_steps // regression.STEPS_BETWEEN_SOLUTIONS), batch.device)


def _repeat(work: Callable[[], None], count: int, device: torch.device) -> None:
    """Launch the same kernels over and over; a GPU is told once which, which takes it a tenth of the time."""
    with _RECORDING:
        work()  # what it launches is loaded now: nothing may be while a graph is recorded
        again = _recorded(work, device) if device.type == "cuda" and count > 1 else work
    for _ in range(count - 1):
        again()
    with _RECORDING:
        del again


def _recorded(work: Callable[[], None], device: torch.device) -> Callable[[], None]:
    """Record what is launched, and return what launches it; just ``work`` if something else disturbs the recording."""
    graph, stream = torch.cuda.CUDAGraph(), _recording_stream(device)
    stream.wait_stream(torch.cuda.current_stream())
    try:
        with torch.cuda.stream(stream):
            graph.capture_begin(capture_error_mode="thread_local")
            try:
                work()
            finally:
                graph.capture_end()
    except RuntimeError:  # another thread has waited for the whole GPU
        return work
    return graph.replay


@functools.lru_cache(maxsize=8)
def _recording_stream(device: torch.device) -> torch.cuda.Stream:
    """Return a stream that is none of those that batches are computed on: of 33 with one priority, two are the same."""
    return torch.cuda.Stream(device, priority=-1)  # type: ignore[no-untyped-call]


def launching_on(device: torch.device) -> AbstractContextManager[Any]:
    """Triton launches on the current device, not on that of a kernel's arguments."""
    return torch.cuda.device(device) if device.type == "cuda" else nullcontext()


def _settings(network: Ported, lanes: int) -> dict[str, Any]:
    config, num_warps = network.config, max(1, lanes // _THREADS_PER_WARP)
    return {
        "MIXTURES": config.mixtures,
        "SLOTS": 1 << (config.mixtures - 1).bit_length(),
        "NUM_PARAMETERS": network.num_parameters,
        "ADAPTIVE": config.adaptive,
        "REGRESSIVE": config.regression,
        "LANES": lanes,
        "num_warps": num_warps,
        "maxnreg": _MOST_REGISTERS[lanes],
        "enable_fp_fusion": False,
    }


def _histograms(config: ConeConfig, batch: Batch) -> Histograms:
    num_contexts = 3 * len(batch) * adaptation.NUM_CONTEXTS if config.adaptive else 1
    return Histograms(
        counts=batch.integers(num_contexts, adaptation.NUM_BINS, value=adaptation.FIRST_COUNT),
        quantiles=batch.integers(3, QUANTILE_WAVES.value, batch.num_rows, value=adaptation.MIDDLE),
        ends=batch.integers(batch.num_rows, adaptation.NUM_BINS),
    )


def _band_rows(config: ConeConfig, batch: Batch) -> int:
    return config.regression_rows or batch.most_rows


def _num_bands(config: ConeConfig, batch: Batch) -> int:
    """Return the bands of each tile, as many as the highest has."""
    return -(-batch.most_rows // _band_rows(config, batch))


def _regressions(config: ConeConfig, batch: Batch) -> Regressions:
    num_bands = len(batch) * _num_bands(config, batch) if config.regression else 1
    size = REGRESSORS.value
    return Regressions(
        columns=describe_columns(batch.device),
        errors=batch.integers(3, ERROR_WAVES.value, batch.num_rows),
        noted=batch.integers(batch.num_rows, 3),
        regressors=batch.integers(batch.num_rows, size).to(torch.int8),
        products=batch.integers(num_bands, 3, size, size),
        matrices=torch.zeros((num_bands, 3, size, size), dtype=torch.float64, device=batch.device),
        weights=batch.integers(num_bands, 3, size),
    )


def _solve(regressions: Regressions, num_bands: int) -> None:
    """Find new weights, and forget; ``num_bands`` is how many bands of a tile learn from one another."""
    grid = (len(regressions.weights), 3)
    settings = {"num_warps": 1, "enable_fp_fusion": False}
    solve[grid](regressions.products, regressions.matrices, regressions.weights, num_bands=num_bands, **settings)
    regressions.products.sub_(regressions.products >> regression.FORGET_SHIFT)
