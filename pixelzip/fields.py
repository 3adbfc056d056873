"""A part of stage 7: numbers of variable length, and reading fields without ever passing the end."""

from __future__ import annotations

import zlib

from pixelzip.errors import CorruptFile


def write_varint(value: int) -> bytes:
    """Little-endian groups of seven bits, the high bit set on all but the last."""
    encoded = bytearray()
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*encoded, value])


def inflate(data: bytes, limit: int, field: str, inflater: zlib._Decompress | None = None) -> bytes:
    """Inflate a zlib stream, or what else an inflater reads, to at most ``limit + 1`` bytes; raises CorruptFile."""
    inflater = inflater or zlib.decompressobj()
    try:
        inflated = inflater.decompress(data, limit + 1)
    except zlib.error as error:
        raise CorruptFile(f"{field} does not inflate") from error
    if not inflater.eof and len(inflated) <= limit:
        raise CorruptFile(f"{field} is cut short")
    return inflated


class Reader:
    """Reads fields in order and never past the end."""

    def __init__(self, data: bytes) -> None:
        self._data, self._offset = data, 0

    @property
    def num_left(self) -> int:
        """Bytes that have not been read."""
        return len(self._data) - self._offset

    @property
    def is_at_end(self) -> bool:
        """Whether every byte has been read."""
        return self.num_left == 0

    def take(self, num_bytes: int, field: str) -> bytes:
        """Read bytes; raises CorruptFile, naming the field, when there are fewer."""
        if num_bytes > self.num_left:
            raise CorruptFile(f"{field} at byte {self._offset}: {num_bytes} bytes expected, {self.num_left} left")
        start, self._offset = self._offset, self._offset + num_bytes
        return self._data[start : self._offset]

    def varint(self, field: str) -> int:
        """Read a number below 2^35; raises CorruptFile when it is longer than needed or larger."""
        value = 0
        for shift in range(0, 35, 7):
            byte = self.take(1, field)[0]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                if byte == 0 and shift:
                    raise CorruptFile(f"{field} before byte {self._offset}: a number with leading zeros")
                return value
        raise CorruptFile(f"{field} before byte {self._offset}: a number of more than 35 bits")

    @property
    def done(self) -> bytes:
        """Everything that has been read."""
        return self._data[: self._offset]

    def rest(self) -> bytes:
        """Read everything that is left."""
        return self.take(self.num_left, "rest")
