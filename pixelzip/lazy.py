"""One file -> an image whose parts are decoded when they are asked for."""

from __future__ import annotations

import os
from pathlib import Path

from PIL import Image

from pixelzip import codec, container, file_info
from pixelzip.codec import Crop
from pixelzip.file_info import Info
from pixelzip.image import Samples


class LazyImage:
    """An image of which only the header has been read. ``crop`` decodes the tiles that it touches, every time anew.

    Args:
        data: a whole file.
        model: name or path of the model if it is not a shipped one.
        device: as for ``pixelzip.compress``.
        num_threads: as for ``pixelzip.compress``.
        max_pixels: refuse larger images, whatever part is asked for.

    Raises:
        CorruptFile, UnsupportedVersion, ImageTooLarge: see ``pixelzip.errors``.
    """

    def __init__(
        self,
        data: bytes,
        *,
        model: str | None = None,
        device: str = "cpu",
        num_threads: int | None = None,
        max_pixels: int = container.DEFAULT_MAX_PIXELS,
    ) -> None:
        self.info: Info = file_info.info(data, max_pixels)
        self._data = data
        self._model, self._device, self._num_threads, self._max_pixels = model, device, num_threads, max_pixels

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.info.width, self.info.height

    @property
    def mode(self) -> str:
        """The mode's name, as Pillow calls it; LA;16, RGB;16 and RGBA;16 for 16-bit colour or alpha."""
        return self.info.mode

    def crop(self, box: Crop) -> Image.Image:
        """Decode the part (left, top, right, bottom) as a Pillow image; raises as ``pixelzip.decompress`` does."""
        return codec.decompress(
            self._data,
            crop=box,
            model=self._model,
            device=self._device,
            num_threads=self._num_threads,
            max_pixels=self._max_pixels,
        )

    def crop_array(self, box: Crop) -> Samples:
        """Decode the part (left, top, right, bottom) as samples (h, w) or (h, w, C); otherwise as ``crop``."""
        return codec.decompress_array(
            self._data,
            crop=box,
            model=self._model,
            device=self._device,
            num_threads=self._num_threads,
            max_pixels=self._max_pixels,
        )


def open(  # noqa: A001
    path: str | os.PathLike[str],
    *,
    model: str | None = None,
    device: str = "cpu",
    num_threads: int | None = None,
    max_pixels: int = container.DEFAULT_MAX_PIXELS,
) -> LazyImage:
    """Open a .pxz file without decoding it; raises OSError, and as ``LazyImage`` does."""
    data = Path(path).read_bytes()
    return LazyImage(data, model=model, device=device, num_threads=num_threads, max_pixels=max_pixels)
