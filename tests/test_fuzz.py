"""Hostile bytes: a slice of ``make fuzz``, fields of every value, and what they may cost."""

from __future__ import annotations

import struct
import tracemalloc
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import fuzz
import fuzz_corpus
import numpy as np
import pytest
from click.testing import CliRunner
from conftest import smooth_image
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import pixelzip
from pixelzip import ans, cli, container, fallback, image, metadata, pack_container
from pixelzip.container import BODY_MODEL, BODY_PNG, BODY_WEBP, Component, Header
from pixelzip.fields import write_varint
from pixelzip.image import MODES, MODES_BY_NAME
from pixelzip.lattice import Lattice
from pixelzip.models.conversion import CONVERSIONS
from pixelzip.pack_container import FILE, FILE_MODES, STREAM, STREAM_MODES, Shape
from pixelzip.tiles import Tiling

SIDES = st.integers(1, 3000)
BLOCKS = st.lists(st.tuples(st.integers(0, 2**33), st.binary(max_size=60)), max_size=4).map(tuple)
WORDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=9)


def test_a_slice_of_the_million(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state = fuzz.run(1500, 1, tmp_path / "findings", tmp_path, with_golden=False)
    assert state.num_broken == 0, capsys.readouterr().err
    assert sum(state.outcomes.values()) == 1500
    assert {"CorruptFile", "ImageTooLarge", "UnknownModel", "UnsupportedVersion", "same pixels"} <= set(state.outcomes)


def test_the_fuzzer_notices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuzz_corpus, "KNOWN", set())
    monkeypatch.setattr(fuzz_corpus, "make", lambda folder, with_golden: ([SMALL], []))
    state = fuzz.run(100, 2, tmp_path / "findings", tmp_path)
    assert state.outcomes["BROKEN Broken"] == state.num_broken == len(list((tmp_path / "findings").iterdir())) > 5


@st.composite
def headers(draw: st.DrawFn) -> Header:
    mode, width, height = draw(st.sampled_from(MODES)), draw(SIDES), draw(SIDES)
    body = draw(st.sampled_from([BODY_MODEL, BODY_PNG, BODY_WEBP]))
    header = Header(mode, width, height, body, draw(BLOCKS))
    if body != BODY_MODEL:
        return header
    lattice = None
    if mode.name in container.LATTICE_MODES and draw(st.booleans()):
        origin = draw(st.tuples(st.integers(0, 15), st.integers(0, 15)))
        lattice = Lattice(draw(st.sampled_from(CONVERSIONS)), origin, draw(st.binary(max_size=40)))
    others = [draw(st.sampled_from([Component(), Component(1, b"xyz"[:channels]), Component(2)]))
              for channels in mode.component_channels[1:]]  # fmt: skip
    return replace(
        header,
        model=draw(st.binary(min_size=2, max_size=2)),
        tiling=Tiling(width, height),
        components=(Component(), *others),
        lattice=lattice,
    )


@given(header=headers(), data=st.data())
def test_every_header_comes_back(header: Header, data: st.DataObject) -> None:
    if header.body == BODY_MODEL:
        streams = [b"12345"] * (header.num_streams - 1) + [data.draw(st.binary(min_size=5, max_size=9))]
    else:
        streams = [b"abcd", data.draw(st.binary(max_size=9))]
    file = container.write(header, streams)
    assert container.read(file) == (header, streams)
    for cut in data.draw(st.lists(st.integers(0, len(file) - 1), max_size=5)):
        try:
            container.read(file[:cut])
        except pixelzip.PixelzipError:
            continue


@st.composite
def shapes(draw: st.DrawFn) -> Shape:
    coding = draw(st.sampled_from([STREAM, FILE]))
    mode = MODES_BY_NAME[draw(st.sampled_from(sorted(STREAM_MODES if coding == STREAM else FILE_MODES)))]
    side = st.integers(1, 256 if coding == STREAM else 2000)
    return Shape(mode, draw(side), draw(side), coding)


@given(data=st.data())
def test_every_pack_comes_back(data: st.DataObject) -> None:
    found = data.draw(st.lists(shapes(), max_size=8))
    payloads = [data.draw(st.binary(min_size=1, max_size=30)) for _ in found]
    words = st.lists(WORDS, min_size=len(found), max_size=len(found), unique=True)
    names = data.draw(st.none() | words)
    labels = data.draw(st.none() | st.lists(st.integers(0, 2**31 - 1), min_size=len(found), max_size=len(found)))
    are_mirrored = [shape.coding == STREAM and data.draw(st.booleans()) for shape in found]
    file = pack_container.write(b"ab", found, payloads, names, labels, are_mirrored)
    contents = pack_container.read(file, 2**22)
    assert list(contents.shapes) == found
    assert [contents.payload(index) for index in range(len(found))] == payloads
    assert contents.names == (None if names is None else tuple(names))
    assert contents.labels == (None if labels is None else tuple(labels))
    assert contents.are_mirrored.tolist() == are_mirrored


@given(blocks=BLOCKS, mode=st.sampled_from(["L", "RGB", "LA", "RGBA"]))
def test_any_metadata_leave_the_pixels(blocks: tuple[tuple[int, bytes], ...], mode: str) -> None:
    pixels = smooth_image(3, 4, MODES_BY_NAME[mode].num_channels)
    read = image.read(pixels[..., 0] if mode == "L" else pixels)
    data = fallback._embedded(replace(read, blocks=blocks), BODY_WEBP, fallback._write_webp(read, 6))
    assert np.array_equal(pixelzip.decompress_array(data), image.to_array(read))


SMALL = fuzz_corpus.Seed("small.pxz", pixelzip.compress(smooth_image(3, 4)[..., 0], "photo"))


def inflating(kind: int) -> bytes:
    """Return a file whose metadata are a bomb of 2^27 zeros."""
    deflater = zlib.compressobj(9)
    bomb = b"".join(deflater.compress(bytes(2**20)) for _ in range(2**7)) + deflater.flush()
    section = write_varint(kind << 1 | 1) + write_varint(len(bomb)) + bomb
    checksum = struct.pack("<I", zlib.crc32(section))
    return container.SIGNATURE + b"\x44\x20\x20" + write_varint(len(section)) + checksum + section + b"abcdefghijk"


def huge_pack() -> bytes:
    shape = Shape(MODES_BY_NAME["RGB"], 256, 256, STREAM)
    return pack_container.write(b"ab", [shape] * 5000, [b"a"] * 5000, None, None)


LIMIT = 2.5 * metadata.MAX_METADATA_BYTES


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: inflating(4), pixelzip.CorruptFile),
        (lambda: container.SIGNATURE + b"\x04\xff\xff\xff\xff\x07\xff\xff\xff\xff\x07ab", pixelzip.ImageTooLarge),
        (lambda: container.SIGNATURE + b"\x04\x80\x80\x01\x80\x20\x02\x5c\x42abcd", pixelzip.CorruptFile),
        (lambda: container.SIGNATURE + b"\x44\x20\x20\xff\xff\xff\xff\x7fabcd", pixelzip.CorruptFile),
    ],
)
def test_reading_costs_no_more_than_metadata_may_hold(make: Callable[[], bytes], error: type[Exception]) -> None:
    data = make()
    tracemalloc.start()
    try:
        with pytest.raises(error):
            pixelzip.decompress_array(data)
        assert tracemalloc.get_traced_memory()[1] < LIMIT
    finally:
        tracemalloc.stop()


def test_opening_a_pack_costs_no_more_than_its_index() -> None:
    data = huge_pack()
    tracemalloc.start()
    try:
        pack_container.read(data, 2**20)
        assert tracemalloc.get_traced_memory()[1] < 100 * len(data)
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "weights", [np.zeros((1, 16)), np.full((1, 16), np.nan), np.full((1, 16), -5), np.ones((1, 0))]
)
@pytest.mark.filterwarnings("ignore")
def test_panics_of_the_coder_are_errors_of_ours(weights: np.ndarray, capfd: pytest.CaptureFixture[str]) -> None:
    if not ans.HAS_CONSTRICTION:
        pytest.skip("constriction is not installed")
    with pytest.raises(pixelzip.CorruptFile, match="not a distribution"):
        ans.Decoder(b"12345678").decode(weights.astype(np.float32))


ESCAPE = "a\x1b[31m\nb"


@pytest.mark.parametrize(
    "info",
    [{"gamma": float("nan")}, {"gamma": -1.0}, {"dpi": (float("inf"), 1.0)}, {"ключ": "x"}, {"key": "\ud800"},
     {"transparency": b"xyz"}],
    ids=str,
)  # fmt: skip
def test_metadata_that_png_cannot_hold_are_one_line(info: dict[str, object], tmp_path: Path) -> None:
    picture = Image.fromarray(smooth_image(5, 6))
    picture.info = dict(info)
    source, target = tmp_path / "a.pxz", tmp_path / "a.png"
    source.write_bytes(pixelzip.compress(picture))
    result = CliRunner().invoke(cli.main, ["decompress", str(source)])
    assert result.exit_code == 1
    assert result.stderr.startswith(f"pixelzip: {source}: .png cannot hold the metadata: ")
    assert result.stderr.count("\n") == 1
    assert not target.exists()
    assert CliRunner().invoke(cli.main, ["decompress", str(source), "-o", str(tmp_path / "a.npy")]).exit_code == 0


def test_text_under_the_names_of_other_metadata(tmp_path: Path) -> None:
    picture = Image.fromarray(smooth_image(5, 6))
    picture.info = dict.fromkeys(("dpi", "gamma", "exif", "icc_profile", "xmp", "transparency"), "words")
    source = tmp_path / "a.pxz"
    source.write_bytes(pixelzip.compress(picture))
    for suffix in (".png", ".tif"):
        target = source.with_suffix(suffix)
        assert CliRunner().invoke(cli.main, ["decompress", str(source), "-o", str(target)]).exit_code == 0
        with Image.open(target) as restored:
            assert np.array_equal(np.asarray(restored), np.asarray(picture))


def test_text_from_files_does_not_reach_the_terminal(tmp_path: Path) -> None:
    from pixelzip.pack import pack

    picture = Image.fromarray(smooth_image(5, 6))
    picture.info = {"Title": ESCAPE}
    (tmp_path / "a.pxz").write_bytes(pixelzip.compress(picture))
    data = pack([smooth_image(5, 6), smooth_image(5, 6, seed=1)], names=[ESCAPE, "b"])
    (tmp_path / "a.pxzp").write_bytes(data[:-20] + bytes([data[-20] ^ 1]) + data[-19:])
    for arguments in (
        ["info", "a.pxz"],
        ["list", "a.pxzp"],
        ["unpack", "a.pxzp", "--output-dir", "out"],
        ["test", "a.pxzp"],
    ):
        arguments = [str(tmp_path / argument) if "a.pxz" in argument else argument for argument in arguments]
        arguments = [str(tmp_path / "out") if argument == "out" else argument for argument in arguments]
        assert "\x1b" not in CliRunner().invoke(cli.main, arguments).output
