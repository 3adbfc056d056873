"""What can go wrong, one class for each thing a caller may want to tell apart."""

from __future__ import annotations


def printable(text: str) -> str:
    """Return text from a file as it may stand in a message: one line, nothing that a terminal would obey."""
    return text if text.isprintable() else repr(text)


class PixelzipError(Exception):
    """Base of every error that pixelzip raises on purpose; its message is one line for a person."""


class CorruptFile(PixelzipError):
    """The bytes are not a pixelzip file, or are a damaged one."""


class UnsupportedVersion(PixelzipError):
    """The file needs a newer pixelzip."""


class UnknownModel(PixelzipError):
    """The file or the caller names a model that is not installed."""


class UnsupportedImage(PixelzipError):
    """The image has a mode, shape or dtype that the format cannot hold."""


class ImageTooLarge(PixelzipError):
    """The image has more pixels than the caller allows."""


class OutsideImage(PixelzipError, ValueError):
    """The caller asks for a part that the image does not have."""
