"""Chunks of arrays: found by name in a fresh process, exact, described by JSON."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import smooth_image

import pixelzip
from pixelzip.pack import pack

zarr = pytest.importorskip("zarr", reason="zarr is not installed")
numcodecs = pytest.importorskip("numcodecs", reason="numcodecs is not installed")

SHAPES = [(9, 8), (9, 8, 1), (9, 8, 3), (3, 9, 8, 1), (3, 9, 8, 2), (1, 9, 8, 3), (3, 9, 8, 4)]
READ = """
import sys, numpy, zarr
assert "pixelzip" not in sys.modules
numpy.save(sys.argv[2], zarr.open_array(sys.argv[1], mode="r")[:])
"""


def samples(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    channels = shape[-1] if len(shape) > 2 else 1
    stack = [smooth_image(*shape[-3:-1] if len(shape) > 2 else shape, channels, seed + index) for index in range(7)]
    return np.stack(stack)[: shape[0] if len(shape) == 4 else 1].reshape(shape)


def numcodecs_codec(**configuration: Any) -> Any:
    return numcodecs.get_codec({"id": "pixelzip", **configuration})


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_numcodecs(shape: tuple[int, ...]) -> None:
    chunk = samples(shape)
    codec = numcodecs_codec()
    data = codec.encode(chunk)
    decoded = codec.decode(data)
    assert decoded.dtype == np.uint8
    assert decoded.tobytes() == chunk.tobytes()
    out = np.empty_like(chunk)
    codec.decode(np.frombuffer(data, dtype=np.uint8), out=out)
    assert np.array_equal(out, chunk)


def test_numcodecs_configuration(model_path: str) -> None:
    codec = numcodecs_codec(model=model_path)
    again = numcodecs.get_codec(json.loads(json.dumps(codec.get_config())))
    assert again == codec
    assert repr(again) == f"NumcodecsPixelzip(model={model_path!r})"
    chunk = samples((3, 30, 40, 3))
    assert np.array_equal(again.decode(codec.encode(chunk)), chunk)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_zarr(shape: tuple[int, ...], tmp_path: Path) -> None:
    wanted = samples(shape)
    array = zarr.create_array(
        tmp_path, shape=shape, chunks=shape, dtype="uint8", serializer=serializer(), compressors=None
    )
    array[:] = wanted
    assert np.array_equal(zarr.open_array(tmp_path, mode="r")[:], wanted)


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_a_fresh_process_finds_the_codec(zarr_format: int, tmp_path: Path) -> None:
    shape, chunks, path = (5, 20, 30, 3), (2, 20, 30, 3), tmp_path / "array"
    how = {"serializer": serializer(), "compressors": None} if zarr_format == 3 else {"compressors": numcodecs_codec()}
    array = zarr.create_array(path, shape=shape, chunks=chunks, dtype="uint8", zarr_format=zarr_format, **how)
    wanted = samples(shape)
    array[:] = wanted
    subprocess.run([sys.executable, "-c", READ, path, tmp_path / "read.npy"], check=True, timeout=60)
    assert np.array_equal(np.load(tmp_path / "read.npy"), wanted)


def test_zarr_configuration(tmp_path: Path, model_path: str) -> None:
    codec = serializer(model=model_path)
    assert type(codec).from_dict(json.loads(json.dumps(codec.to_dict()))) == codec
    assert type(codec).from_dict({"name": "pixelzip"}) == serializer()
    zarr.create_array(tmp_path, shape=(9, 8), dtype="uint8", serializer=codec, compressors=None)
    metadata = json.loads((tmp_path / "zarr.json").read_text())
    assert metadata["codecs"] == [{"name": "pixelzip", "configuration": {"model": model_path}}]


@pytest.mark.parametrize(("shape", "dtype"), [((4, 9, 8), "uint8"), ((9,), "uint8"), ((9, 8, 3), "uint16")])
def test_chunks_that_are_no_images(shape: tuple[int, ...], dtype: str, tmp_path: Path) -> None:
    with pytest.raises(pixelzip.UnsupportedImage, match="need uint8"):
        zarr.create_array(tmp_path, shape=shape, chunks=shape, dtype=dtype, serializer=serializer(), compressors=None)
    with pytest.raises(pixelzip.UnsupportedImage, match="need uint8"):
        numcodecs_codec().encode(np.zeros(shape, dtype))
    with pytest.raises(pixelzip.UnsupportedImage, match="C order"):
        numcodecs_codec().encode(np.zeros((5, 9, 8, 3), np.uint8, order="F"))


def test_chunks_that_hold_something_else(tmp_path: Path) -> None:
    for images in ([], [samples((9, 8)), samples((8, 9))], [samples((9, 8)).astype(np.uint16)]):
        with pytest.raises(pixelzip.CorruptFile, match="parts of one chunk"):
            numcodecs_codec().decode(pack(images))
    array = zarr.create_array(
        tmp_path, shape=(9, 8), chunks=(9, 8), dtype="uint8", serializer=serializer(), compressors=None
    )
    array[:] = samples((9, 8))
    (tmp_path / "c" / "0" / "0").write_bytes(pack([samples((9, 9))]))
    with pytest.raises(pixelzip.CorruptFile, match="not \\(9, 8\\)"):
        array[:]


def test_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "numcodecs.abc", None)
    monkeypatch.delitem(sys.modules, "pixelzip.zarr", raising=False)
    with pytest.raises(ImportError, match=r"pip install pixelzip\[zarr\]"):
        import pixelzip.zarr  # noqa: F401


def serializer(**configuration: Any) -> Any:
    from pixelzip.zarr import ZarrPixelzip

    return ZarrPixelzip(**configuration)
