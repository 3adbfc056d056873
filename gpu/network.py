"""A network's integers on a GPU, padded for the kernels of ``pixelzip.gpu.layers``, and the activations of a batch."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pixelzip.gpu import layers
from pixelzip.gpu.batch import Batch
from pixelzip.models.config import CONTEXT, ConeConfig
from pixelzip.models.integer import IntegerLayer, IntegerNetwork
from pixelzip.models.layers import FEATURES, ZERO_POINT

LANES: Final = 16
"""Lanes that a program computes: as many as an image of 32 x 32 has, and a matrix product on a GPU wants."""

_MOST_OUTPUTS: Final = 256
"""Channels of a block that a program computes."""

_NUM_WARPS: Final = 4
"""Groups of 32 threads that do so."""

_BLOCK: Final[int] = layers.CHANNEL_BLOCK.value
_LEAST_INPUTS: Final = 64


@dataclass(frozen=True, eq=False)
class _Integers:
    """Of a layer: weight (channels, inputs) int8 or, depthwise, (taps, channels); bias int32, multiplier float32."""

    weight: Tensor
    bias: Tensor
    multiplier: Tensor


@dataclass(frozen=True, eq=False)
class Ported:
    """A network on a device: the layers of each member, from stem to head, and tables."""

    config: ConeConfig
    members: tuple[tuple[_Integers, ...], ...]
    tables: dict[str, Tensor]
    taps: Tensor

    @property
    def num_parameters(self) -> int:
        """Outputs of a head, padded."""
        return self.members[-1][-1].bias.shape[0]


@functools.lru_cache(maxsize=8)
def port(network: IntegerNetwork, device: torch.device) -> Ported:
    """Copy a network to a device."""
    assert isinstance(network.config, ConeConfig)
    num_inputs = max(_LEAST_INPUTS, 1 << (network.config.num_features - 1).bit_length())
    taps = np.zeros((2, num_inputs), dtype=np.int32)
    taps[:, : 3 * len(CONTEXT)] = np.repeat(np.array(CONTEXT).T, 3, axis=1)
    layers = [_ported(integers, num_inputs, device) for integers in network.layers]
    return Ported(
        network.config,
        tuple(zip(*[iter(layers)] * (len(layers) // (1 + len(network.config.members))), strict=True)),
        {name: torch.from_numpy(table).to(device) for name, table in network.tables.items()},
        torch.from_numpy(taps).to(device),
    )


def _ported(integers: IntegerLayer, num_inputs: int, device: torch.device) -> _Integers:
    layer, weight = integers.layer, integers.weight  # (channels, inputs)
    inputs = (
        num_inputs if layer.source == FEATURES else weight.shape[1] if layer.depthwise else _padded(weight.shape[1])
    )
    missing = (0, _padded(len(weight)) - len(weight))
    padded = np.pad(weight, (missing, (0, inputs - weight.shape[1])))
    parts: tuple[NDArray[Any], ...] = (
        padded.T if layer.depthwise else padded,
        np.pad(integers.bias, missing),
        np.pad(integers.multiplier, missing),
    )
    return _Integers(*(torch.from_numpy(np.ascontiguousarray(part)).to(device) for part in parts))


def _padded(channels: int) -> int:
    return -(-channels // _BLOCK) * _BLOCK


class Activations:
    """What a network has made of the last wavefronts of a batch of tiles with ``num_rows`` rows in all."""

    def __init__(self, ported: Ported, num_rows: int, device: torch.device) -> None:
        self._ported = ported
        self._kept = [_kept(member, num_rows, device) for member in ported.members]
        self.parameters = torch.zeros((num_rows, ported.num_parameters), dtype=torch.int32, device=device)
        self.guesses = torch.zeros((num_rows, 3), dtype=torch.int32, device=device)

    def compute(self, batch: Batch, counter: Tensor) -> None:
        """Compute all layers at the lanes of a step, which ``counter`` () int32 is."""
        place = {"tiles": batch.table, "num_rows": batch.num_rows, "counter": counter, "LANES": LANES}
        place["enable_fp_fusion"] = False
        tiles_and_lanes = (len(batch), -(-batch.most_lanes // LANES))
        for index, (kept, member) in enumerate(zip(self._kept, self._ported.members, strict=True)):
            self._compute_blocks(kept, member, batch.levels, tiles_and_lanes, place)
            head = member[-1]
            layers.head[*tiles_and_lanes, self._ported.num_parameters // _BLOCK](
                self.parameters, kept[-1], head.weight, head.bias, head.multiplier, IS_ADDED=index > 0,
                NUM_CHANNELS=kept.shape[-1], NUM_PARAMETERS=self._ported.num_parameters, **place,
            )  # fmt: skip

    def _compute_blocks(
        self,
        kept: Tensor,  # as _kept makes it
        member: tuple[_Integers, ...],
        levels: Tensor,
        tiles_and_lanes: tuple[int, int],
        place: dict[str, Any],
    ) -> None:
        """Compute all layers of a member but its head."""
        ported, channels = self._ported, kept.shape[-1]
        stem, *blocks, _ = member
        layers.stem[*tiles_and_lanes, channels // _BLOCK](
            kept[0], levels, ported.taps, self.guesses, stem.weight, stem.bias, stem.multiplier,
            PERIOD=ported.config.period, NUM_INPUTS=stem.weight.shape[1], NUM_CHANNELS=channels, **place,
        )  # fmt: skip
        outputs = min(_MOST_OUTPUTS, 1 << (channels - 1).bit_length())
        for index in range(len(blocks) // 2):
            mix, add = blocks[2 * index : 2 * index + 2]
            layers.block[*tiles_and_lanes, -(-channels // outputs)](
                kept[index + 1], kept[index], mix.weight, mix.bias, mix.multiplier,
                add.weight, add.bias, add.multiplier,
                NUM_CHANNELS=channels, OUTPUTS=outputs, num_warps=_NUM_WARPS, **place,
            )  # fmt: skip


def _kept(member: tuple[_Integers, ...], num_rows: int, device: torch.device) -> Tensor:
    """Make room for the activations of a member's stem and blocks, (1 + blocks, waves, rows, channels) int8."""
    num_kept, num_channels = 1 + (len(member) - 2) // 2, len(member[0].bias)
    shape = (num_kept, layers.NUM_WAVES.value, num_rows, num_channels)
    return torch.full(shape, ZERO_POINT, dtype=torch.int8, device=device)
