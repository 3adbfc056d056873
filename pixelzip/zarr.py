"""Codecs for chunks of arrays: ``NumcodecsPixelzip`` for numcodecs and Zarr 2, ``ZarrPixelzip`` serializes for Zarr 3.

Chunks are uint8 of shape (n, H, W, C), (H, W, C) or (H, W) with 1 <= C <= 4, and become packs of n images or of one.
Both are found by name, without importing this module.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from pixelzip import models
from pixelzip.errors import CorruptFile, UnsupportedImage
from pixelzip.pack import Pack, pack

try:
    from numcodecs.abc import Codec
    from numcodecs.compat import ensure_bytes, ndarray_copy
    from zarr.abc.codec import ArrayBytesCodec
except ImportError as error:
    raise ImportError("this needs zarr and numcodecs: pip install pixelzip[zarr]") from error

if TYPE_CHECKING:  # where these lie is not a part of Zarr's promises
    from zarr.core.array_spec import ArraySpec
    from zarr.core.buffer import Buffer, NDBuffer
    from zarr.core.chunk_grids import ChunkGrid
    from zarr.core.common import JSON
    from zarr.core.dtype import ZDType

NAME: Final = "pixelzip"
"""What arrays call both codecs; like the configuration it never changes its meaning."""

Pixels = NDArray[np.uint8]


class NumcodecsPixelzip(Codec):  # type: ignore[misc]
    """Codec of numcodecs. ``model`` is the name of a shipped model, or the path of a model file."""

    codec_id = NAME

    def __init__(self, model: str = models.DEFAULT_MODEL) -> None:
        self.model = model

    def encode(self, buf: Any) -> bytes:
        """Compress a chunk in C order; raises UnsupportedImage when its shape, dtype or order is another."""
        chunk = np.asarray(buf)
        if not chunk.flags.c_contiguous:
            raise UnsupportedImage("the chunk is not in C order")
        return _encoded(chunk, self.model)

    def decode(self, buf: Any, out: Any = None) -> Any:
        """Return the samples, (n, H, W, C) or without axes of length 1; with ``out`` they are copied there.

        Raises:
            CorruptFile, UnsupportedVersion, UnknownModel, ImageTooLarge: see ``pixelzip.errors``.
        """
        return ndarray_copy(_decoded(ensure_bytes(buf), self.model), out)

    def get_config(self) -> dict[str, str]:
        """Return what ``numcodecs.get_codec`` makes the same codec of."""
        return {"id": NAME, "model": self.model}


@dataclass(frozen=True)
class ZarrPixelzip(ArrayBytesCodec):
    """Serializer of Zarr 3. ``model`` is the name of a shipped model, or the path of a model file."""

    model: str = models.DEFAULT_MODEL

    is_fixed_size = False

    @classmethod
    def from_dict(cls, data: dict[str, JSON]) -> Self:
        """Read the codec from an array's metadata."""
        return cls(**data.get("configuration", {}))  # type: ignore[arg-type]

    def to_dict(self) -> dict[str, JSON]:
        """Return what stands in an array's metadata."""
        return {"name": NAME, "configuration": {"model": self.model}}

    def validate(self, *, shape: tuple[int, ...], dtype: ZDType[Any, Any], chunk_grid: ChunkGrid) -> None:
        """Raise UnsupportedImage when an array's chunks cannot be coded."""
        _check(getattr(chunk_grid, "chunk_shape", shape), dtype.to_native_dtype())

    def compute_encoded_size(self, input_byte_length: int, chunk_spec: ArraySpec) -> int:
        """Raise NotImplementedError: what a chunk comes to is known when it is coded."""
        raise NotImplementedError

    async def _encode_single(self, chunk_data: NDBuffer, chunk_spec: ArraySpec) -> Buffer:
        data = await asyncio.to_thread(_encoded, chunk_data.as_numpy_array(), self.model)
        return chunk_spec.prototype.buffer.from_bytes(data)

    async def _decode_single(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> NDBuffer:
        samples = await asyncio.to_thread(_decoded, chunk_data.to_bytes(), self.model)
        if samples.size != np.prod(chunk_spec.shape):
            raise CorruptFile(f"the chunk holds samples of shape {samples.shape}, not {chunk_spec.shape}")
        return chunk_spec.prototype.nd_buffer.from_numpy_array(samples.reshape(chunk_spec.shape))


def _encoded(chunk: NDArray[Any], model: str) -> bytes:
    _check(chunk.shape, chunk.dtype)
    return pack(list(chunk) if chunk.ndim == 4 else [chunk], model=model)


def _decoded(data: bytes, model: str) -> Pixels:
    """Undo ``_encoded``, but for axes of length 1."""
    images = Pack(data, model=model)
    samples = images.read(range(len(images)))
    if len({image.shape for image in samples}) != 1 or samples[0].dtype != np.uint8:
        raise CorruptFile("the images are not the parts of one chunk of uint8")
    stacked: Pixels = np.stack(samples) if len(samples) > 1 else samples[0].astype(np.uint8)
    return stacked


def _check(shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    has_channels = len(shape) in (3, 4)
    if dtype != np.uint8 or not (len(shape) == 2 or (has_channels and 1 <= shape[-1] <= 4)):
        needed = "uint8, (n, H, W, C), (H, W, C) or (H, W) with C from 1 to 4"
        raise UnsupportedImage(f"chunks of {dtype} with shape {shape}: need {needed}")
