"""A batch of tiles on a GPU: where each one's rows, levels and symbols lie, and the levels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import torch
from torch import Tensor

from pixelzip.streams import CodedTiles, Pixels, Tiles

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
    """Tiles with as many channels in all.

    Args:
        tiles: their shapes and where they start.
        is_read: whether streams are read, and short ones among them as such.
        device: where ``table``, (tiles, 7) int64, see ``pixelzip.gpu.waves``, and ``levels``, (3 * pixels,) uint8, are.
    """

    def __init__(self, tiles: Sequence[Tiles] | Sequence[CodedTiles], is_read: bool, device: torch.device) -> None:
        self._shapes = [(len(some), *some.shape) for some in tiles]
        counts = [len(some) for some in tiles]
        each = [(*some.shape, *some.origin, is_read and some.is_short) for some in tiles]
        heights, widths, channels, rows, columns, short = np.repeat(np.array(each, dtype=np.int64), counts, axis=0).T
        levels, symbols = 3 * heights * widths, 2 * heights * widths * channels
        first_rows, first_levels = np.cumsum(heights) - heights, np.cumsum(levels) - levels
        self.first_symbols = np.cumsum(symbols) - symbols
        self.num_symbols, self.num_rows = int(symbols.sum()), int(heights.sum())
        self.num_channels, self.most_rows = int(channels[0]), int(heights.max())
        self.num_steps = int((widths + 2 * (heights - 1)).max())
        self.most_lanes = max(most_lanes(some.shape) for some in tiles)
        fields = (heights, widths, first_rows, first_levels, rows, columns, short)
        self.table = torch.from_numpy(np.stack(fields, axis=1)).to(device)
        self.levels = torch.zeros(int(levels.sum()), dtype=torch.uint8, device=device)

    def __len__(self) -> int:
        return len(self.table)

    @property
    def device(self) -> torch.device:
        """Where the levels are."""
        return self.levels.device

    def load(self, tiles: Sequence[Pixels]) -> None:
        """Give all pixels, (n, h, w, C) one after another."""
        levels = [np.broadcast_to(some, (*some.shape[:3], 3)).reshape(-1) for some in tiles]
        self.levels.copy_(torch.from_numpy(np.concatenate(levels)))

    def tiles(self) -> list[Pixels]:
        """Return all pixels, (n, h, w, C) one after another."""
        ends = np.cumsum([3 * count * height * width for count, height, width, _ in self._shapes])
        parts = zip(np.split(self.levels.cpu().numpy(), ends[:-1]), self._shapes, strict=True)
        shaped = (levels.reshape(*shape[:3], 3) for levels, shape in parts)
        return [np.ascontiguousarray(pixels[..., : self.num_channels]) for pixels in shaped]

    def integers(self, *shape: int, value: int = 0) -> Tensor:
        """Return new int32 memory on the device."""
        return torch.full(shape, value, dtype=torch.int32, device=self.device)
