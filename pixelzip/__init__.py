"""Lossless image compression: a PixelCNN++ in exact integers predicts, an ANS coder spends the bits.

image -> lattice -> tiles -> predict (network) -> integer CDF -> ANS -> container
image.py lattice.py tiles.py predict.py           cdf.py         ans.py container.py
"""

from pixelzip.codec import Info, compress, decompress, decompress_array, info
from pixelzip.errors import (
    CorruptFile,
    ImageTooLarge,
    PixelzipError,
    UnknownModel,
    UnsupportedImage,
    UnsupportedVersion,
)
from pixelzip.version import VERSION

__version__ = VERSION

__all__ = [
    "CorruptFile",
    "ImageTooLarge",
    "Info",
    "PixelzipError",
    "UnknownModel",
    "UnsupportedImage",
    "UnsupportedVersion",
    "__version__",
    "compress",
    "decompress",
    "decompress_array",
    "info",
]
