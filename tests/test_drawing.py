"""Drawings: what is coded comes back, in C and in Python alike; what is damaged is refused; the smallest is taken."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from conftest import smooth_image
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import pixelzip
from pixelzip import container, fallback, image, layout, native, native_drawing
from pixelzip.cli import main
from pixelzip.container import BODY_DRAWING, Header
from pixelzip.drawing import band, bits, body
from pixelzip.drawing.bits import BitReader, BitWriter, TooLong
from pixelzip.drawing.tables import LOGIT_HIGH, MOST_COUNTED, curves
from pixelzip.errors import CorruptFile, UnsupportedVersion
from pixelzip.image import MODES_BY_NAME, Picture
from pixelzip.recovery import salvage
from pixelzip.tiles import Box

Pixels = NDArray[np.uint8]

UNLIMITED = 2**30
FORMAT = (Path(__file__).parent.parent / "docs" / "format.md").read_text()


def drawing(height: int = 60, width: int = 90, channels: int = 3, seed: int = 0) -> Pixels:
    """Return lines of letters with soft edges, each one of eight, on two grounds, beside a bar with a gradient."""
    generator = np.random.default_rng(seed)
    letters = generator.integers(0, 5, (8, 9, 6))
    pixels = np.full((height, width, channels), 250, dtype=np.uint8)
    pixels[:, width // 2 :] = np.array([40, 60, 90, 255])[:channels]
    for top in range(4, height - 12, 14):
        for left in range(3, width - 20, 7):
            letter = letters[generator.integers(8)][..., None]
            place = pixels[top : top + 9, left : left + 6].astype(np.int64)
            pixels[top : top + 9, left : left + 6] = (
                place + (np.array([20, 30, 160, 255])[:channels] - place) * letter // 4
            )
    pixels[:, -8:] = (np.arange(height)[:, None, None] + 3 * np.arange(channels)) % 256
    return pixels


def file_of(pixels: Pixels, **options: int) -> bytes:
    file = body.compress(image.read(pixels), UNLIMITED, **options)
    assert file is not None
    return file


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_a_drawing_comes_back(channels: int) -> None:
    pixels = drawing(channels=channels)
    file = file_of(pixels)
    assert np.array_equal(pixelzip.decompress_array(file), pixels[..., 0] if channels == 1 else pixels)
    described = pixelzip.info(file)
    assert (described.body, described.model, described.num_tiles) == ("drawing", None, 1)


@pytest.mark.parametrize("levels", [1, 2, 256])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("size", [(1, 1), (1, 9), (7, 1), (11, 13)], ids=str)
def test_both_engines_write_and_read_the_same(
    levels: int, channels: int, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    if not native.INSTRUCTION_SETS:
        pytest.skip("the extension is not built")
    pixels = np.random.default_rng(levels).integers(0, levels, (*size, channels), dtype=np.uint8)
    files = [file_of(pixels)]
    monkeypatch.setattr("pixelzip.native.INSTRUCTION_SETS", ())
    files.append(file_of(pixels))
    assert files[0] == files[1]
    for is_there in (True, False):
        monkeypatch.setattr(native_drawing, "is_there", lambda is_there=is_there: is_there)
        decoded = body.decompress(*split(files[0]), num_threads=1)
        assert np.array_equal(decoded.samples, pixels)


def split(file: bytes) -> tuple[Header, bytes]:
    header, (stream,) = container.read(file)
    return header, stream


@st.composite
def few_colours(draw: st.DrawFn) -> Pixels:
    height, width, channels = draw(st.integers(1, 40)), draw(st.integers(1, 40)), draw(st.integers(1, 4))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    colours = random.integers(0, 256, (draw(st.integers(1, 9)), channels), dtype=np.uint8)
    scale = draw(st.integers(1, 5))
    chosen = random.integers(0, len(colours), (-(-height // scale), -(-width // scale)))
    return colours[np.kron(chosen, np.ones((scale, scale), dtype=np.int64))[:height, :width]]


@given(pixels=few_colours())
@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
def test_any_drawing_comes_back(pixels: Pixels) -> None:
    decoded = body.decompress(*split(file_of(pixels)), num_threads=1)
    assert np.array_equal(decoded.samples, pixels)


@given(
    decisions=st.lists(st.tuples(st.sampled_from([1, 5, 2**15, 65000, 65535]), st.integers(0, 1)), max_size=300),
    limit=st.integers(0, 400),
)
@example([(1, 1)] * 100, 400)
@example([(65535, 0)] * 100, 100)
def test_any_bits_come_back(decisions: list[tuple[int, int]], limit: int) -> None:
    writer = BitWriter(limit)
    try:
        for probability, bit in decisions:
            writer.code(probability, bit)
        stream = writer.end()
    except TooLong:
        cost = sum(-np.log2((p if bit else 65536 - p) / 65536) for p, bit in decisions)
        assert cost / 8 > limit - 2
        return
    assert len(stream) <= limit
    reader = BitReader(stream)
    assert [reader.code(probability, 0) for probability, _ in decisions] == [bit for _, bit in decisions]
    assert reader.is_at_end()
    if stream:
        assert not bits.is_whole(stream + b"\1", 0, 0, 2**64 - 1)


def test_the_tables() -> None:
    logistic, logit, rates = curves()
    assert logistic[[0, LOGIT_HIGH - 128, LOGIT_HIGH, LOGIT_HIGH + 128, -1]].tolist() == [1, 17625, 32768, 47911, 65535]
    assert np.array_equal(logistic[LOGIT_HIGH:].astype(int) + logistic[LOGIT_HIGH::-1], np.full(LOGIT_HIGH + 1, 65536))
    assert np.all(np.diff(logit) >= 0)
    assert logit[[0, 1024, 2048, 4095]].tolist() == [-1161, -140, 1, 1146]
    assert rates[[0, 1, MOST_COUNTED]].tolist() == [40960, 25206, 509]


def test_the_tables_are_those_of_the_format() -> None:
    found = [hashlib.sha256(table.astype(table.dtype.newbyteorder("<")).tobytes()).hexdigest() for table in curves()]
    assert found == re.findall(r"\| (?:logistic|logit|rates) \| `(\w{64})` \|", FORMAT)


def test_the_examples_of_the_format() -> None:
    example = bytes.fromhex(re.findall(r"```\n(89 50 .*)\n```", FORMAT)[-1])
    pixels = pixelzip.decompress_array(example)
    assert file_of(pixels) == example
    rows, columns, channels = np.ogrid[0:48, 0:64, 0:4]
    level = 37 * (channels + 1) * ((rows >> 3) ^ (columns >> 3))
    level = level + ((rows >> 4) + (columns >> 4) & 1) * (rows * columns * (channels + 1) >> 6)
    file = file_of((level & 255).astype(np.uint8))
    assert f"takes {len(file)} bytes with the SHA-256 `{hashlib.sha256(file).hexdigest()}`" in FORMAT


def test_a_limit_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    picture = image.read(drawing())
    size = len(file_of(drawing()))
    for _ in range(2):
        assert len(body.compress(picture, size + 1) or b"") == size
        assert body.compress(picture, size) is None
        assert body.compress(picture, 0) is None
        assert body.compress(picture, -5) is None
        monkeypatch.setattr("pixelzip.native.INSTRUCTION_SETS", ())


@pytest.mark.parametrize("name", ["I;16", "RGB;16"])
def test_images_of_16_bits_are_no_drawings(name: str) -> None:
    mode = MODES_BY_NAME[name]
    picture = Picture(mode, np.zeros((4, 4, mode.num_channels), dtype=np.uint16))
    assert body.compress(picture, UNLIMITED) is None


def test_very_wide_images_are_no_drawings() -> None:
    assert body.compress(image.read(np.zeros((1, 2**16 + 1), dtype=np.uint8)), UNLIMITED) is None
    assert len(file_of(np.zeros((1, 2**16), dtype=np.uint8))) < 30


@pytest.fixture
def small_bands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body, "_BAND_PIXELS", 20 * 90)


@pytest.mark.usefixtures("small_bands")
def test_bands_do_not_depend_on_threads() -> None:
    pixels = drawing(70, 90)
    file = file_of(pixels, num_threads=1)
    assert file == file_of(pixels, num_threads=4)
    assert all(np.array_equal(pixelzip.decompress_array(file, num_threads=count), pixels) for count in (1, 3))
    assert np.array_equal(pixelzip.decompress_array(file, crop=(10, 15, 60, 45)), pixels[15:45, 10:60])
    assert body.compress(image.read(pixels), len(file)) is None


@pytest.mark.usefixtures("small_bands")
def test_intact_bands_are_salvaged() -> None:
    pixels = drawing(70, 90)
    file = bytearray(file_of(pixels))
    file[-3] ^= 1
    with pytest.raises(CorruptFile, match="band 3 of the drawing"):
        pixelzip.decompress(bytes(file))
    found = salvage(bytes(file))
    assert [(tile.number, tile.box, tile.part) for tile in found.tiles] == [(3, (0, 60, 90, 70), "colour")]
    assert np.array_equal(found.to_array()[:60], pixels[:60])
    assert np.all(found.to_array()[60:] == 128)
    cut = salvage(bytes(file[: len(file) // 2]))
    assert [tile.number for tile in cut.tiles] == [1, 2, 3]
    assert np.array_equal(cut.to_array()[:20], pixels[:20])


def test_nothing_is_salvaged_of_nothing() -> None:
    file = bytearray(file_of(drawing()))
    file[-9] ^= 16
    with pytest.raises(CorruptFile, match="nothing can be salvaged"):
        salvage(bytes(file))


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("shape", [(5, 6, 3), (3, 4, 1)], ids=str)
def test_every_flipped_bit_is_noticed(shape: tuple[int, ...]) -> None:
    file = file_of(drawing(*shape) if shape[2] == 3 else np.zeros(shape, dtype=np.uint8))
    for position in range(8 * len(file)):
        damaged = bytearray(file)
        damaged[position // 8] ^= 1 << position % 8
        with pytest.raises(pixelzip.PixelzipError):
            pixelzip.decompress(bytes(damaged), max_pixels=10_000)


def test_a_stream_that_no_encoder_writes_is_refused() -> None:
    file = file_of(drawing())
    for damaged in (file + b"\0", file + b"\1", file[:-1], file[: len(file) - len(split(file)[1]) + 4] + b"\0"):
        with pytest.raises(CorruptFile, match="band 0 of the drawing"):
            pixelzip.decompress(damaged)


def test_plain_images_take_a_byte() -> None:
    header, stream = split(file_of(np.zeros((30, 40, 3), dtype=np.uint8)))
    assert stream[4:] == b"\0"
    assert header.body == BODY_DRAWING


def test_a_drawing_that_names_a_model_is_newer() -> None:
    header, stream = split(file_of(drawing()))
    with pytest.raises(UnsupportedVersion, match="newer version"):
        body.decompress(Header(header.mode, header.width, header.height, BODY_DRAWING, model=b"\0\1"), stream, 1)


@pytest.mark.parametrize(("name", "width"), [("I;16", 4), ("RGB", 2**16 + 1)])
def test_impossible_drawings_are_refused(name: str, width: int) -> None:
    header = Header(MODES_BY_NAME[name], width, 1, BODY_DRAWING, model=b"\0\0")
    with pytest.raises(CorruptFile, match=f"a drawing of {width} columns in mode {name} is impossible"):
        body.decompress(header, b"\0" * 9, 1)


def test_drawings_are_taken_where_they_are_smallest() -> None:
    pixels = drawing(200, 300)
    file = pixelzip.compress(pixels)
    picture = image.read(pixels)
    assert file == file_of(pixels)
    assert len(file) < 0.8 * len(fallback._write_webp(picture, 6))
    assert np.array_equal(pixelzip.decompress_array(file), pixels)


def test_photographs_are_not_tried_as_drawings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(band, "encode", None)
    assert pixelzip.info(pixelzip.compress(smooth_image(120, 130))).body == "model"


def test_a_sample_says_that_a_drawing_would_lose() -> None:
    picture = image.read(drawing(400, 500))
    size = len(file_of(drawing(400, 500)))
    assert fallback._may_be_drawn(picture, 4 * size)
    assert not fallback._may_be_drawn(picture, size // 4)
    assert fallback._may_be_drawn(image.read(drawing(60, 60)), 1)


def test_webp_is_taken_where_it_is_smaller() -> None:
    pixels = np.full((256, 256, 3), 255, dtype=np.uint8)
    pixels[np.random.default_rng(1).random((256, 256)) < 0.25] = 20
    file = fallback.smallest(image.read(pixels), None)
    assert pixelzip.info(file).body == "webp"
    assert len(file) < len(file_of(pixels))


def test_a_whole_drawing_beats_its_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = drawing(200, 300)
    monkeypatch.setattr(layout, "find", lambda samples: [Box(8, 8, 60, 60)])
    assert pixelzip.info(pixelzip.compress(pixels)).body == "drawing"


def test_palettes_and_bits_are_drawings() -> None:
    indices = drawing(64, 80, 1)[..., 0] // 32
    for picture in (
        image.to_pillow(image.read(indices)).convert("P"),
        image.to_pillow(image.read(indices * 36)).convert("1"),
    ):
        large = picture.resize((250, 200), 0)
        file = pixelzip.compress(large)
        assert pixelzip.info(file).body == "drawing"
        restored = pixelzip.decompress(file)
        assert (restored.mode, restored.tobytes()) == (large.mode, large.tobytes())


def test_info_says_what_it_is(tmp_path: pytest.TempPathFactory) -> None:
    path = f"{tmp_path}/drawing.pxz"
    with open(path, "wb") as file:
        file.write(file_of(drawing()))
    result = CliRunner().invoke(main, ["info", path])
    assert result.exit_code == 0
    assert "bits/sub-pixel, a drawing, 1 tile(s)" in result.output
