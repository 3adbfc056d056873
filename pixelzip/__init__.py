"""Lossless image compression: a PixelCNN++ in exact integers predicts, an ANS coder spends the bits.

image -> lattice -> tiles -> predict (network) -> integer CDF -> ANS -> container
image.py lattice.py tiles.py predict.py           cdf.py         ans.py container.py
"""

from pixelzip.codec import compress, decompress, decompress_array, decompress_jpeg
from pixelzip.errors import (
    CorruptFile,
    ImageTooLarge,
    OutsideImage,
    PixelzipError,
    UnknownModel,
    UnsupportedImage,
    UnsupportedVersion,
)
from pixelzip.file_info import Info, info
from pixelzip.lazy import LazyImage, open  # noqa: A004
from pixelzip.recovery import DamagedTile, Salvage, salvage
from pixelzip.version import VERSION

__version__ = VERSION

__all__ = [
    "CorruptFile",
    "DamagedTile",
    "ImageTooLarge",
    "Info",
    "LazyImage",
    "OutsideImage",
    "PixelzipError",
    "Salvage",
    "UnknownModel",
    "UnsupportedImage",
    "UnsupportedVersion",
    "__version__",
    "compress",
    "decompress",
    "decompress_array",
    "decompress_jpeg",
    "info",
    "open",
    "salvage",
]
