"""Files -> damaged files: bytes changed anywhere, and fields changed with the checksums over them repaired."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Sequence
from random import Random

from pixelzip import pack_container
from pixelzip.container import PACK_SIGNATURE, SIGNATURE
from pixelzip.fields import Reader, write_varint

VARINTS = (0, 1, 2, 127, 128, 255, 2**14, 2**16 + 1, 2**26 + 1, 2**31 - 1, 2**31, 2**32, 2**35 - 1)
TEXTS = (b"", b"\0", b"Title\0hills", b"\xff\xfe", b"k\0" + b"v" * 300, "ключ\0значение".encode(), b"a\0\x1b[31m\n")
NUMBERS = tuple(struct.pack("<d", value) for value in (0.0, -1.0, 72.0, 1e300, float("nan"), float("inf")))
BEGINNINGS = (b"RGB\0", b"RGBA\0", b"\1", b"\3", b"\0", b"Exif\0\0MM\0*\0\0\0\x08")
HEADER_BYTES = 24

Damage = Callable[[Random, bytes], bytes]


def any_bytes(random: Random, data: bytes) -> bytes:
    """Change one to four places anywhere."""
    return _changed(random, data, len(data))


def first_bytes(random: Random, data: bytes) -> bytes:
    """Change one to four places near the beginning, where the fields are."""
    return _changed(random, data, min(len(data), HEADER_BYTES))


def one_bit(random: Random, data: bytes) -> bytes:
    """Flip one bit."""
    damaged = bytearray(data)
    damaged[random.randrange(len(data))] ^= 1 << random.randrange(8)
    return bytes(damaged)


def cut(random: Random, data: bytes) -> bytes:
    """Lose the end, or gain one."""
    return (
        data[: random.randrange(len(data))] if random.random() < 0.7 else data + random.randbytes(random.randint(1, 9))
    )


def fields(random: Random, data: bytes) -> bytes:
    """Change fields that a checksum guards, and repair it; raises ValueError for what has none."""
    if data.startswith(PACK_SIGNATURE):
        return _pack_index(random, data)
    if data.startswith(SIGNATURE):
        return _metadata(random, data)
    raise ValueError("neither an image nor a pack")


def chunks(random: Random, data: bytes) -> bytes:
    """Change a chunk of an embedded PNG and repair the chunk's checksum; other files change anywhere."""
    start = data.find(b"\x89PNG\r\n")
    if start < 0:
        return any_bytes(random, data)
    places, place = [], start + 8
    while place + 12 <= len(data):
        places.append(place)
        place += 12 + int.from_bytes(data[place : place + 4], "big")
    place = random.choice(places)
    length = int.from_bytes(data[place : place + 4], "big")
    content = _changed(random, data[place + 4 : place + 8 + length], 4 + length)
    repaired = struct.pack(">I", max(0, len(content) - 4)) + content + struct.pack(">I", zlib.crc32(content))
    return data[:place] + repaired + data[place + 12 + length :]


def splice(random: Random, data: bytes, other: bytes) -> bytes:
    """Begin with one file and end with another."""
    return data[: random.randrange(len(data) + 1)] + other[random.randrange(len(other) + 1) :]


REPAIRED: Sequence[Damage] = (fields, fields, chunks)
PLAIN: Sequence[Damage] = (any_bytes, any_bytes, first_bytes, first_bytes, one_bit, one_bit, cut)


def _changed(random: Random, data: bytes, end: int) -> bytes:
    damaged = bytearray(data)
    for _ in range(random.randint(1, 4)):
        place = random.randrange(max(1, min(end, len(damaged))))
        width = random.choice((0, 1, 1, 1, 2, 4))
        new = random.choice(
            (random.randbytes(width), write_varint(random.choice(VARINTS)), b"\0" * width, b"\xff" * width)
        )
        kind = random.randrange(4)
        if kind == 0:
            damaged[place : place + len(new)] = new
        elif kind == 1:
            damaged[place:place] = new
        elif kind == 2:
            del damaged[place : place + random.choice((1, 1, 2, 4, 16))]
        elif damaged:
            damaged[place % len(damaged)] ^= 1 << random.randrange(8)
    return bytes(damaged)


def _metadata(random: Random, data: bytes) -> bytes:
    """Give an image other metadata."""
    header, start = _after_metadata(data)
    section = b"".join(_block(random) for _ in range(random.randint(0, 4)))
    first = SIGNATURE + bytes([header[5] | 0x40]) + header[6:]
    return first + write_varint(len(section)) + struct.pack("<I", zlib.crc32(section)) + section + data[start:]


def _pack_index(random: Random, data: bytes) -> bytes:
    """Change the header or index of a pack."""
    start = int(pack_container.read(data, 2**20).offsets[0])
    header = _changed(random, data[: start - 4], start - 4)
    return header + struct.pack("<I", zlib.crc32(header)) + data[start:]


def _after_metadata(data: bytes) -> tuple[bytes, int]:
    """Return signature, mode, width and height, and where the body starts."""
    reader = Reader(data)
    first = reader.take(6, "mode")[5]
    for field in ("width", "height"):
        reader.varint(field)
    header = reader.done
    if first & 0x40:
        length = reader.varint("length")
        reader.take(4 + length, "metadata")
    return header, len(reader.done)


def _block(random: Random) -> bytes:
    content = random.choice((*TEXTS, *NUMBERS, b"".join(random.sample(NUMBERS, 2)), random.randbytes(40)))
    if random.random() < 0.2:
        content = random.choice(BEGINNINGS) + content
    if random.random() < 0.05:
        content = content * random.randint(2, 2000)
    deflated = random.random() < 0.3
    stored = zlib.compress(content) if deflated else content
    length = len(stored) if random.random() < 0.95 else random.choice(VARINTS)
    kind = random.choice((*range(1, 9), *range(1, 9), 0, 77, 2**33))
    return write_varint(kind << 1 | deflated) + write_varint(length) + stored
