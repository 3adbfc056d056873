"""Stored components: what is packed comes back, and damage is reported."""

from __future__ import annotations

import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixelzip import stored
from pixelzip.errors import CorruptFile


@given(num_bits=st.integers(0, 8), height=st.integers(1, 9), width=st.integers(1, 9), channels=st.sampled_from([1, 3]))
def test_round_trip(num_bits: int, height: int, width: int, channels: int) -> None:
    pixels = np.random.default_rng(height).integers(0, 2**num_bits, (height, width, channels)).astype(np.uint8)
    stream = stored.write(pixels, 5, num_bits)
    assert np.array_equal(stored.read(stream, 5, pixels.shape, num_bits), pixels)
    assert len(zlib.decompress(stream[4:])) == -(-pixels.size * num_bits // 8)
    assert int.from_bytes(stream[:4], "little") == zlib.crc32(pixels.tobytes(), 5)


@pytest.mark.parametrize("num_bits", [3, 8])
def test_many_samples(num_bits: int, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = np.random.default_rng(1).integers(0, 2**num_bits, (50, 70, 3)).astype(np.uint8)
    stream = stored.write(pixels, 5, num_bits)
    monkeypatch.setattr(stored, "_CHUNK", 64)
    assert stored.write(pixels, 5, num_bits) == stream
    assert np.array_equal(stored.read(stream, 5, pixels.shape, num_bits), pixels)


def test_bytes_are_stored_as_they_are() -> None:
    pixels = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    assert zlib.decompress(stored.write(pixels, 0, 8)[4:]) == pixels.tobytes()


def test_the_highest_bit_comes_first() -> None:
    assert zlib.decompress(stored.write(np.array([[[1], [6], [2]]], np.uint8), 0, 3)[4:]) == bytes([0b00111001, 0])


def test_damage_is_reported() -> None:
    pixels = np.array([[[1], [6]], [[3], [2]]], np.uint8)
    stream = stored.write(pixels, 5, 3)
    with pytest.raises(CorruptFile, match="does not match a stored component"):
        stored.read(stream, 6, pixels.shape, 3)
    with pytest.raises(CorruptFile, match="does not inflate"):
        stored.read(stream[:4] + b"no" + stream[6:], 5, pixels.shape, 3)
    for shape in ((3, 3, 1), (1, 2, 1)):
        with pytest.raises(CorruptFile, match="another length"):
            stored.read(stream, 5, shape, 3)
