"""Pillow plugin: after ``import pixelzip.pillow``, ``Image.open`` reads .pxz files and ``Image.save`` writes them.

``save`` takes ``model``, ``device``, ``num_threads`` and ``strip`` as ``pixelzip.compress`` does.
"""

from __future__ import annotations

from typing import IO, Any

from PIL import Image, ImageFile

import pixelzip
from pixelzip.container import SIGNATURE
from pixelzip.errors import UnsupportedImage

FORMAT = "PXZ"
SUFFIX = ".pxz"
MIME_TYPE = "image/x-pixelzip"

_OPTIONS = ("model", "device", "num_threads", "strip")


class PxzImageFile(ImageFile.ImageFile):
    """A .pxz file: opening reads size, mode and metadata, ``load`` decodes."""

    format = FORMAT
    format_description = "pixelzip lossless image"

    def _open(self) -> None:
        assert self.fp is not None
        self._data = self.fp.read()
        info = pixelzip.info(self._data)
        if info.mode.endswith(";16") and info.mode != "I;16":
            raise UnsupportedImage("Pillow has no mode for 16-bit colour or alpha: use pixelzip.decompress_array")
        self._mode, self._size = info.mode, (info.width, info.height)
        self.info.update(info.metadata)
        self.tile = [ImageFile._Tile("pixelzip", (0, 0, *self._size), 0, ())]

    def load(self) -> Any:
        """Decode the pixels; raises as ``pixelzip.decompress`` does."""
        if self.tile:
            decoded = pixelzip.decompress(self._data)
            self.im, self.palette, self.tile, self._data = decoded.im, decoded.palette, [], b""
            if self.fp and self._exclusive_fp and self._close_exclusive_fp_after_loading:
                self.fp.close()
        return super().load()

    def verify(self) -> None:
        """Decode and check every checksum, keep nothing; raises as ``pixelzip.decompress`` does."""
        pixelzip.decompress(self._data)
        super().verify()


def register() -> None:
    """Make Pillow know the format; importing this module has done so."""
    Image.register_open(FORMAT, PxzImageFile, _accept)
    Image.register_save(FORMAT, _save)
    Image.register_extension(FORMAT, SUFFIX)
    Image.register_mime(FORMAT, MIME_TYPE)


def _accept(prefix: bytes) -> bool:
    return prefix.startswith(SIGNATURE)


def _save(image: Image.Image, file: IO[bytes], _name: str | bytes) -> None:
    options = {key: value for key, value in image.encoderinfo.items() if key in _OPTIONS}
    file.write(pixelzip.compress(image, **options))


register()
