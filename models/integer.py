"""The integer network: what a model file holds and what every executor must compute exactly.

For every layer, with int8 inputs ``q`` gathered at the layer's taps, of one channel if it is ``depthwise``, and from
its auxiliary sources::

    sum      = weight @ q + bias                      exact, |sum| < 2^24
    scaled   = round_half_even(float32(sum) * multiplier)      one IEEE multiply

and then, for the layer's kind of output, with ``clamp`` to int8 for activations, int16 otherwise::

    activation, sum                clamp(scaled + residual)
    parameters                     clamp(clamp(scaled) + residual)
    gate                           clamp(residual + ((a * sigmoid[b] + 2^13) >> 14)), (a, b) the halves of clamp(scaled)

``b`` and what views look up are in 1/32 and clamped to -256..256, as an entry of a table of 513. The views of a sum
``x`` (1/256) are, with ``i = clamp((x + 4) >> 3)``, ``elu[i]``; ``elu[i]`` followed by ``elu[-i]``; and
``clamp((x + 8) >> 4)`` to int8. Positions outside a tile have the source's zero point (``models.layers.zero_point``).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from pixelzip.models.coefficients import CoefficientConfig
from pixelzip.models.config import ConeConfig
from pixelzip.models.layers import WEIGHT_LIMIT, Layer
from pixelzip.models.paper import PaperConfig

SUM_LIMIT: Final = 2**24
"""Below it every partial sum is exact in float32, in any order, so every backend gives the same integers."""

SHORT_LIMIT: Final = 2**15 - 1
"""Largest magnitude of a head output and of a sum."""

TABLE_CENTRE: Final = 256
"""Entry of zero in the tables of nonlinearities, which have 513: arguments are clamped to -256..256."""

IDENTIFIER_BYTES: Final = 2
"""Length of a model identifier: the first bytes of the SHA-256 of the model file."""

METADATA_KEY: Final = "pixelzip"
"""The one metadata entry of a model file: a JSON object of strings."""

MEMBERS_KEY: Final = "members"
"""Of the metadata of an ensemble whose members have files of their own: what their layers' names begin with, and their
files' names and SHA-256, ``{prefix: [name, sha256]}`` in JSON. It has the tensors that are not theirs."""

Config = ConeConfig | PaperConfig
"""Networks for pixels."""

_FAMILIES: Final[dict[str, type[Config | CoefficientConfig]]] = {
    "cone": ConeConfig,
    "paper": PaperConfig,
    "coefficients": CoefficientConfig,
}
"""Append-only. A model file of the cone family does not name it."""


@dataclass(frozen=True, eq=False)
class IntegerLayer:
    """Integers of a layer: weight (products, inputs) int8, bias (products,) int32, multiplier (products,) float32.

    The bias of a gate in a network with classes is (classes, products).
    """

    layer: Layer
    weight: NDArray[np.int8]
    bias: NDArray[np.int32]
    multiplier: NDArray[np.float32]

    def __post_init__(self) -> None:
        """Raise ValueError unless shapes fit the plan and the sums are proved to stay below 2^24."""
        name, num_products = self.layer.name, self.layer.num_products
        if self.weight.shape != (num_products, self.layer.num_inputs):
            raise ValueError(f"layer {name}: weight has shape {self.weight.shape}")
        if self.bias.shape[-1:] != (num_products,) or self.multiplier.shape != (num_products,):
            raise ValueError(f"layer {name}: bias or multiplier has the wrong shape")
        if max(int(self.weight.max()), -int(self.weight.min())) > WEIGHT_LIMIT:
            raise ValueError(f"layer {name}: a weight exceeds {WEIGHT_LIMIT}")
        if not np.isfinite(self.multiplier).all():
            raise ValueError(f"layer {name}: a multiplier is not finite")
        if self.largest_sum >= SUM_LIMIT:
            raise ValueError(f"layer {name}: sums may reach {self.largest_sum}, which is not below 2^24")

    @property
    def largest_sum(self) -> int:
        """Bound on ``|weight @ q + bias|`` over every int8 input: the proof of exactness."""
        magnitudes = np.abs(self.weight).sum(axis=1, dtype=np.int64)  # none is -128, whose int8 is its own
        return int((128 * magnitudes + np.abs(self.bias.astype(np.int64))).max())


_TABLES: Final = {
    "logistic": (2**15, 0, 2**16),
    "exponential": (385, 0, 2**16),
    "inverse_scale": (129, 1, 2**17),
    "tanh": (513, -768, 768),
    "elu": (513, -128, 127),
    "sigmoid": (513, 0, 2**14),
}
"""Length, least and largest entry of every table: within them no sum of the mixture exceeds 32 bits."""


@dataclass(frozen=True, eq=False)
class IntegerModel:
    """What a model file holds. ``tables`` maps the configuration's table names to int32 arrays."""

    layers: tuple[IntegerLayer, ...]
    tables: dict[str, NDArray[np.int32]]
    metadata: dict[str, str]
    sha256: str

    def __post_init__(self) -> None:
        """Raise ValueError unless the tables give every level a count."""
        for name, table in self.tables.items():
            length, least, largest = _TABLES[name]
            if table.shape != (length,) or table.min() < least or table.max() > largest:
                raise ValueError(f"table {name} is not {length} numbers from {least} to {largest}")
        falls = "logistic" in self.tables and (np.diff(self.tables["logistic"]) < 0).any()
        if falls or self.tables["exponential"][0] < 1:
            raise ValueError("the tables are not those of a distribution")

    @property
    def identifier(self) -> bytes:
        """First bytes of the SHA-256 of the model file, as written in image files."""
        return bytes.fromhex(self.sha256)[:IDENTIFIER_BYTES]

    @property
    def largest_sum(self) -> int:
        """The largest bound of any layer."""
        return max(layer.largest_sum for layer in self.layers)


@dataclass(frozen=True, eq=False)
class IntegerNetwork(IntegerModel):
    """A network for pixels, ready to run."""

    config: Config


@dataclass(frozen=True, eq=False)
class IntegerCoefficientNetwork(IntegerModel):
    """A network for the coefficients of JPEGs, ready to run."""

    config: CoefficientConfig


def load_network(path: Path) -> IntegerNetwork:
    """Read a model file of a network for pixels; raises as ``load_model``."""
    return for_pixels(load_model(path), path.name)


def for_pixels(model: IntegerModel, name: str) -> IntegerNetwork:
    """Return the model if it is a network for pixels; raises ValueError."""
    if not isinstance(model, IntegerNetwork):
        raise ValueError(f"{name}: a network for the coefficients of JPEGs, not for pixels")
    return model


def load_model(path: Path) -> IntegerNetwork | IntegerCoefficientNetwork:
    """Read a model file.

    Raises:
        ValueError: the file is not a valid model; the message says what is wrong.
        OSError: the file cannot be read.
    """
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    try:
        metadata, own = _opened(path)
        tensors = {**_of_members(path.parent, json.loads(metadata.get(MEMBERS_KEY, "{}"))), **own}
        config = config_from_json(metadata["config"])
        num_blocks = _num_blocks(config)
        if num_blocks > len(tensors):
            raise ValueError(f"{num_blocks} blocks have more than {len(tensors)} tensors")
        layers = tuple(
            IntegerLayer(
                layer,
                _typed(tensors, f"{layer.name}.weight", np.int8),
                _typed(tensors, f"{layer.name}.bias", np.int32),
                _typed(tensors, f"{layer.name}.multiplier", np.float32),
            )
            for layer in config.plan()
        )
        tables = {name: _typed(tensors, f"table.{name}", np.int32) for name in config.table_names}
        if isinstance(config, CoefficientConfig):
            return IntegerCoefficientNetwork(layers, tables, metadata, sha256, config)
        return IntegerNetwork(layers, tables, metadata, sha256, config)
    except (SafetensorError, LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise ValueError(f"{path.name}: not a pixelzip model: {error}") from error


def _opened(path: Path) -> tuple[dict[str, str], dict[str, Any]]:
    """Return the metadata and the tensors of a model file."""
    with safe_open(path, framework="numpy") as file:
        metadata = json.loads((file.metadata() or {})[METADATA_KEY])
        return metadata, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118


def _of_members(folder: Path, members: dict[str, list[str]]) -> dict[str, Any]:
    """Return the tensors of an ensemble's members, which lie in the same folder, as MEMBERS_KEY says."""
    tensors = dict[str, Any]()
    for prefix, (name, sha256) in members.items():
        path = folder / Path(name).name
        if hashlib.sha256(path.read_bytes()).hexdigest() != sha256:
            raise ValueError(f"{path.name} is not the member that it was when they were joined")
        tensors |= {prefix + tensor_name: tensor for tensor_name, tensor in _opened(path)[1].items()}
    return tensors


def _num_blocks(config: Config | CoefficientConfig) -> int:
    if isinstance(config, CoefficientConfig):
        return len(config.hidden)
    return int(np.sum(config.blocks)) * (1 + len(config.members))


def config_to_json(config: Config | CoefficientConfig) -> str:
    """Write a configuration as it stands in a model file."""
    name = next(name for name, family in _FAMILIES.items() if isinstance(config, family))
    return json.dumps({**asdict(config), **({} if name == "cone" else {"family": name})}, sort_keys=True)


def config_from_json(text: str) -> Config | CoefficientConfig:
    """Read a configuration; raises KeyError, ValueError or TypeError when it is not one."""
    fields: dict[str, Any] = json.loads(text)
    family = _FAMILIES[fields.pop("family", "cone")]
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()
    }
    return family(**values)


def _typed(tensors: dict[str, Any], name: str, dtype: type) -> Any:
    tensor = tensors[name]
    if tensor.dtype != dtype:
        raise ValueError(f"tensor {name} is {tensor.dtype}, not {np.dtype(dtype)}")
    return tensor
