"""Checksums of many rows are zlib's, in C and in Python, and pack each image to its place."""

from __future__ import annotations

import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixelzip import native
from pixelzip.checksum import checksums
from pixelzip.container import BODY_MODEL, Component, Header
from pixelzip.image import MODES_BY_NAME
from pixelzip.pack_container import STREAM, Shape
from pixelzip.pack_tiles import alike, seals
from pixelzip.tiles import MIRRORED, Tiling


@given(num_rows=st.integers(0, 5), num_bytes=st.one_of(st.integers(0, 40), st.just(20000)), seed=st.integers(0, 99))
def test_checksums_are_those_of_zlib(num_rows: int, num_bytes: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    rows = generator.integers(0, 256, (num_bytes, num_rows), dtype=np.uint8).T
    starts = generator.integers(0, 2**32, num_rows, dtype=np.uint32)
    expected = [zlib.crc32(row.tobytes(), int(start)) for row, start in zip(rows, starts, strict=True)]
    assert checksums(rows, starts).tolist() == expected
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pixelzip.native.INSTRUCTION_SETS", ())
        assert checksums(rows, starts).tolist() == expected


@pytest.mark.skipif(not native.INSTRUCTION_SETS, reason="the extension is not built")
def test_wrong_sizes_are_refused() -> None:
    rows, starts, found = np.zeros((2, 3), np.uint8), np.zeros(2, np.uint32), np.zeros(3, np.uint32)
    for arguments in ((rows, starts, found), (rows.ravel()[1:], starts, starts.copy())):
        with pytest.raises(ValueError, match="as many rows, seals and checksums"):
            native._native.checksums(*arguments)


def test_seals_of_images_in_a_pack_are_those_of_files() -> None:
    shape = Shape(MODES_BY_NAME["RGB"], 7, 5, STREAM)
    indices, are_mirrored = [3, 0, 2**31], np.array([True, False, True])
    headers = {
        orientations: Header(
            shape.mode, 7, 5, BODY_MODEL, model=b"ab", tiling=Tiling(7, 5), components=(Component(),),
            orientations=orientations,
        )
        for orientations in (b"", bytes([MIRRORED]))
    }  # fmt: skip
    upright, mirrored = ([header.seal(index) for index in indices] for header in headers.values())
    assert seals(b"ab", shape, indices).tolist() == upright
    assert seals(b"ab", shape, indices, True).tolist() == mirrored
    assert seals(b"ab", shape, indices, are_mirrored).tolist() == [mirrored[0], upright[1], mirrored[2]]


def test_images_of_one_shape_together() -> None:
    one, other, again = (Shape(MODES_BY_NAME["L"], width, 5, STREAM) for width in (7, 8, 7))
    assert alike([one, other, again, one], [3, 1, 2]) == [(one, [3, 2]), (other, [1])]
    assert alike({4: other}, []) == []
