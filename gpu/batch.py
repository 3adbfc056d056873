"""A batch of tiles on a GPU: where each one's rows, levels and symbols lie, and the levels."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Final

import numpy as np
import torch
from torch import Tensor

from pixelzip.streams import Pixels

LANES: Final = (16, 64, 256, 1024)
"""Lanes that the kernel for symbols is compiled for. No tile has more."""


def most_lanes(shape: Sequence[int]) -> int:
    """Return the most pixels of a tile (h, w, ...) that belong to one step."""
    return min(shape[0], (shape[1] + 1) // 2)


def lanes_for(shapes: Sequence[tuple[int, ...]]) -> int:
    """Return the least of LANES that holds every step of these tiles."""
    most = max(map(most_lanes, set(shapes)))
    return next(lanes for lanes in LANES if lanes >= most)


class Batch:
    """Tiles of ``shapes`` (h, w, channels), with as many channels in all.

    Args:
        shapes: the tiles'.
        origins: at which row and column of the network's period each starts.
        is_short: whether each one's stream is read as one of ``pixelzip.short_stream``.
        device: where ``table``, (tiles, 7) int64, see ``pixelzip.gpu.waves``, and ``levels``, (3 * pixels,) uint8, are.
    """

    def __init__(
        self,
        shapes: Sequence[tuple[int, ...]],
        origins: Sequence[tuple[int, int]],
        is_short: Sequence[bool],
        device: torch.device,
    ) -> None:
        self._shapes = shapes
        heights, widths, channels = np.array(shapes, dtype=np.int64).T
        rows, columns = np.array(origins, dtype=np.int64).T
        levels, symbols = 3 * heights * widths, 2 * heights * widths * channels
        self._first_levels, self.first_symbols = np.cumsum(levels) - levels, np.cumsum(symbols) - symbols
        self.num_symbols, self.num_rows = int(symbols.sum()), int(heights.sum())
        self.num_channels, self.most_rows = int(channels[0]), int(heights.max())
        self.num_steps = int((widths + 2 * (heights - 1)).max())
        self.most_lanes = max(map(most_lanes, set(shapes)))
        first_rows, short = np.cumsum(heights) - heights, np.array(is_short, dtype=np.int64)
        fields = (heights, widths, first_rows, self._first_levels, rows, columns, short)
        self.table = torch.from_numpy(np.stack(fields, axis=1)).to(device)
        self.levels = torch.zeros(int(levels.sum()), dtype=torch.uint8, device=device)

    def __len__(self) -> int:
        return len(self._shapes)

    @property
    def device(self) -> torch.device:
        """Where the levels are."""
        return self.levels.device

    def load(self, tiles: Sequence[Pixels]) -> None:
        """Give all pixels."""
        if self.num_channels == 1:
            tiles = [np.broadcast_to(tile, (*tile.shape[:2], 3)) for tile in tiles]
        levels = [tile.reshape(-1) for tile in tiles]
        self.levels.copy_(torch.from_numpy(np.concatenate(levels)))

    def tiles(self) -> list[Pixels]:
        """Return all pixels."""
        levels, bounds = self.levels.cpu().numpy(), [*self._first_levels.tolist(), len(self.levels)]
        parts = zip(itertools.pairwise(bounds), self._shapes, strict=True)
        shaped = (levels[first:end].reshape(*shape[:2], 3) for (first, end), shape in parts)
        return [np.ascontiguousarray(tile[..., : self.num_channels]) for tile in shaped]

    def integers(self, *shape: int, value: int = 0) -> Tensor:
        """Return new int32 memory on the device."""
        return torch.full(shape, value, dtype=torch.int32, device=self.device)
