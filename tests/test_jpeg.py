"""Images that came out of a JPEG: what is found in their pixels, coded, and comes back."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from conftest import smooth_image
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

import pixelzip
from pixelzip import cli, container, models, native, native_jpeg
from pixelzip.container import BODY_JPEG, Header
from pixelzip.errors import CorruptFile, PixelzipError, UnsupportedVersion
from pixelzip.image import MODES_BY_NAME, read
from pixelzip.jpeg import body, search
from pixelzip.jpeg.drawings import drawing
from pixelzip.jpeg.quantisation import QUALITIES, standard
from pixelzip.jpeg.recording import read_jpeg
from pixelzip.jpeg.sampling import SAMPLINGS, Sampling
from pixelzip.jpeg.tokens import ESCAPE_BITS, FINE_MEANS, FINE_WAVES, MEANS, WAVES, Bins
from pixelzip.jpeg.transform import ZIGZAG, forward, inverse
from pixelzip.models.integer import IntegerCoefficientNetwork, load_model
from pixelzip.pack import Pack, pack

SUBSAMPLINGS = {"4:4:4": 0, "4:2:2": 1, "4:2:0": 2}
"""Pillow's numbers."""


@pytest.fixture(scope="module")
def network() -> IntegerCoefficientNetwork:
    return models.load_coefficients(models.find("photo-jpeg").identifier)


needs_extension = pytest.mark.skipif(not native.INSTRUCTION_SETS, reason="the extension is not built")


def texture(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    """Return an RGB image with edges in all directions and some noise, none of it clamped."""
    rows, columns = np.mgrid[0:height, 0:width]
    waves = [
        np.sin(rows / (5 + seed) + columns / 11),
        np.cos(columns / 4 - rows / 17),
        np.sign(np.sin(rows * columns / 400)),
    ]
    base = 120 + 45 * np.stack(waves, axis=2) + smooth_image(height, width, seed=seed) / 8
    return base.clip(0, 255).astype(np.uint8)


def as_jpeg(pixels: NDArray[np.uint8], quality: int = 85, subsampling: str = "4:2:0", **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality, subsampling=SUBSAMPLINGS[subsampling], **options)
    return buffer.getvalue()


def decoded(jpeg: bytes) -> NDArray[np.uint8]:
    with Image.open(io.BytesIO(jpeg)) as image:
        return np.asarray(image)


@pytest.mark.parametrize("size", [(64, 80), (77, 91), (65, 66)], ids=str)
@pytest.mark.parametrize("sampling", SAMPLINGS[:3], ids=lambda sampling: sampling.name)
def test_planes_are_what_libjpeg_decodes(sampling: Sampling, size: tuple[int, int]) -> None:
    jpeg = as_jpeg(texture(*size), 80, sampling.name)
    with Image.open(io.BytesIO(jpeg)) as image:
        image.draft("YCbCr", image.size)
        planes = np.asarray(image)
    components = read_jpeg(jpeg)
    given = [SAMPLINGS[0].up(components[0].samples(), *size)]
    given += [sampling.up(component.samples(), *size) for component in components[1:]]
    whole = tuple(
        slice(0, length // 16 * 16 - 16 * (length % 16 > 0)) for length in size
    )  # hidden samples matter beyond
    assert np.array_equal(np.stack(given, axis=2)[whole], planes[whole])


@pytest.mark.parametrize("quality", QUALITIES)
def test_standard_tables_are_libjpeg_s(quality: int) -> None:
    with Image.open(io.BytesIO(as_jpeg(texture(16, 16), quality))) as image:
        tables = image.quantization  # type: ignore[attr-defined]
    for index in range(2):
        assert np.array_equal(standard(index == 0, quality), np.array(tables[index])[ZIGZAG])


@given(st.integers(0, 2**32 - 1))
def test_the_transform_is_undone_to_half_a_level(seed: int) -> None:
    plane = np.random.default_rng(seed).integers(8, 248, (16, 24)).astype(np.float32)
    coefficients = forward(plane)
    assert np.abs(inverse(np.rint(coefficients).astype(np.int64)) - plane).max() < 3
    assert np.allclose(np.square(coefficients).sum(), np.square(plane - 128).sum(), rtol=1e-4)


@given(st.integers(0, 2**32 - 1), st.integers(6, 40), st.integers(6, 40), st.sampled_from(SAMPLINGS[:4]))
def test_chroma_comes_down_again(seed: int, height: int, width: int, sampling: Sampling) -> None:
    samples = np.random.default_rng(seed).integers(0, 256, sampling.size(height, width)).astype(np.uint8)
    again = sampling.down(sampling.up(samples, height, width).astype(np.float32))
    assert again.shape == samples.shape
    inside = slice(0, -3), slice(0, -3)
    assert np.abs(again[inside] - samples[inside]).max(initial=0) <= 2


@needs_extension
@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(1, 4), st.sampled_from((3, 300, 4096, 2**40)))
def test_numpy_transforms_as_the_extension(seed: int, num_rows: int, num_columns: int, largest: int) -> None:
    generator = np.random.default_rng(seed)
    coefficients = generator.integers(-largest, largest + 1, (num_rows, num_columns, 8, 8))
    coefficients[generator.random(coefficients.shape) < 0.5] = 0
    given = inverse(coefficients)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pixelzip.native.INSTRUCTION_SETS", ())
        assert np.array_equal(inverse(coefficients), given)


@needs_extension
@given(st.integers(0, 2**32 - 1), st.integers(1, 33), st.integers(1, 33), st.sampled_from(SAMPLINGS))
def test_numpy_interpolates_as_the_extension(seed: int, height: int, width: int, sampling: Sampling) -> None:
    size = [length + more for length, more in zip(sampling.size(height, width), (3, 5), strict=True)]
    samples = np.random.default_rng(seed).integers(0, 256, size).astype(np.uint8)
    given = sampling.up(samples, height, width)
    assert given.shape == (height, width)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pixelzip.native.INSTRUCTION_SETS", ())
        assert np.array_equal(sampling.up(samples, height, width), given)


@needs_extension
def test_the_extension_refuses_wrong_planes() -> None:
    coefficients, samples = np.zeros((2, 3, 8, 8), dtype=np.int64), np.zeros((16, 24), dtype=np.uint8)
    native_jpeg._native.write_samples(coefficients, 2, 3, samples)
    for rows, columns in ((1, 3), (0, 3), (2, -3), (2**62, 3)):
        with pytest.raises(ValueError, match="size of the coefficients"):
            native_jpeg._native.write_samples(coefficients, rows, columns, samples)
    with pytest.raises(ValueError, match="size of the coefficients"):
        native_jpeg._native.write_samples(coefficients[:1], 2, 3, samples)
    for stride, sampling, size in (
        (24, (1, 1), (16, 24)),
        (24, (2, 3), (16, 24)),
        (11, (2, 2), (16, 24)),
        (24, (1, 2), (17, 24)),
        (0, (2, 2), (16, 24)),
    ):
        with pytest.raises(ValueError, match="do not cover"):
            native_jpeg._native.write_upsampled(samples, stride, sampling, size, np.zeros(16 * 24, dtype=np.uint8))


@pytest.mark.parametrize("bins", [MEANS, WAVES, FINE_MEANS, FINE_WAVES])
@given(st.lists(st.integers(-(2**ESCAPE_BITS), 2**ESCAPE_BITS)))
def test_tokens(bins: Bins, values: list[int]) -> None:
    numbers = np.array(values, dtype=np.int32)
    tokens, rest = bins.split(numbers)
    assert ((tokens >= 0) & (tokens < 2 * len(bins.num_bits) - 1)).all()
    assert ((rest >= 0) & (rest < 1 << bins.bits_left(tokens))).all()
    assert np.array_equal(bins.join(tokens, rest), numbers)


@pytest.mark.parametrize("size", [(96, 112), (93, 101)], ids=str)
@pytest.mark.parametrize("sampling", SUBSAMPLINGS)
@pytest.mark.parametrize("quality", [50, 75, 92])
def test_files_are_smaller_than_the_jpeg(quality: int, sampling: str, size: tuple[int, int]) -> None:
    jpeg = as_jpeg(texture(*size), quality, sampling, optimize=True)
    pixels = decoded(jpeg)
    data = pixelzip.compress(pixels)
    assert pixelzip.info(data).body == "jpeg"
    assert len(data) < len(jpeg)
    assert np.array_equal(pixelzip.decompress_array(data), pixels)
    assert np.array_equal(pixelzip.decompress_array(data, crop=(5, 9, 60, 70)), pixels[9:70, 5:60])


def test_grey_images_in_three_channels() -> None:
    jpeg = as_jpeg(np.repeat(texture(90, 110)[..., :1], 3, axis=2), 80)
    pixels = decoded(jpeg)
    assert (pixels == pixels[..., :1]).all()
    data = pixelzip.compress(pixels)
    assert pixelzip.info(data).body == "jpeg"
    assert len(data) < len(jpeg)
    assert np.array_equal(pixelzip.decompress_array(data), pixels)


def test_grey_images_and_metadata() -> None:
    jpeg = as_jpeg(texture(90, 110)[..., 0], 80)
    image = Image.fromarray(decoded(jpeg))
    image.info["dpi"] = (72.0, 72.0)
    data = pixelzip.compress(image)
    description = pixelzip.info(data)
    assert (description.body, description.mode, description.model, description.num_tiles) == (
        "jpeg",
        "L",
        "photo-jpeg",
        1,
    )
    assert len(data) < len(jpeg)
    restored = pixelzip.decompress(data)
    assert np.array_equal(np.asarray(restored), np.asarray(image))
    assert restored.info["dpi"] == (72.0, 72.0)
    assert np.array_equal(np.asarray(pixelzip.salvage(data).to_pillow()), np.asarray(image))


def test_colours_that_were_clamped() -> None:
    brighter = (texture(128, 144) / 2 + np.linspace(0, 190, 144)[:, None]).clip(0, 255).astype(np.uint8)
    pixels = decoded(as_jpeg(brighter, 80))
    assert (pixels == 255).any(axis=2).mean() > 0.05
    data = pixelzip.compress(pixels)
    assert pixelzip.info(data).body == "jpeg"
    assert np.array_equal(pixelzip.decompress_array(data), pixels)


@pytest.mark.parametrize(("quality", "is_sure"), [(92, True), (97, False)])
def test_where_little_was_rounded_the_smaller_file_is_taken(
    network: IntegerCoefficientNetwork, quality: int, is_sure: bool
) -> None:
    pixels = decoded(as_jpeg(np.repeat(texture(96, 96)[..., :1], 3, axis=2), quality, "4:4:4"))
    coded = body.compress(read(pixels), network)
    assert coded is not None
    assert coded.is_sure == is_sure
    data = pixelzip.compress(pixels)
    other = pixelzip.compress(pixels, str(models.find("photo").path))
    assert len(data) == (len(coded.file) if is_sure else min(len(coded.file), len(other)))
    assert np.array_equal(pixelzip.decompress_array(data), pixels)


def test_a_table_that_is_not_a_standard_one() -> None:
    tables = [[3 + (place // 8 + place % 8) * 2 for place in range(64)], [5 + place // 4 for place in range(64)]]
    pixels = decoded(as_jpeg(texture(160, 160), qtables=tables))
    data = pixelzip.compress(pixels)
    assert pixelzip.info(data).body == "jpeg"
    assert np.array_equal(pixelzip.decompress_array(data), pixels)


def test_retouched_pixels_are_corrected() -> None:
    pixels = decoded(as_jpeg(texture(96, 96))).copy()
    pixels[40:44, 50:54] = 17
    data = pixelzip.compress(pixels)
    assert pixelzip.info(data).body == "jpeg"
    assert np.array_equal(pixelzip.decompress_array(data), pixels)


@pytest.mark.parametrize("case", ["never", "cropped", "resized", "alpha", "small"])
def test_other_images_are_coded_as_ever(case: str) -> None:
    pixels = decoded(as_jpeg(texture(120, 130)))
    image = Image.fromarray(
        {
            "never": texture(120, 130),
            "cropped": pixels[3:, 5:],
            "resized": np.asarray(Image.fromarray(pixels).resize((90, 80))),
            "alpha": np.dstack((pixels, np.full(pixels.shape[:2], 200, np.uint8))),
            "small": pixels[:24, :24],
        }[case]
    )
    data = pixelzip.compress(image)
    assert pixelzip.info(data).body != "jpeg"
    assert np.array_equal(pixelzip.decompress_array(data), np.asarray(image))


def test_bytes_depend_on_nothing_else(network: IntegerCoefficientNetwork, monkeypatch: pytest.MonkeyPatch) -> None:
    images = [decoded(as_jpeg(texture(100, 120, seed), 70 + 10 * seed)) for seed in range(3)]
    together = pixelzip.compress(images, num_threads=2)
    assert [pixelzip.compress(image, num_threads=1) for image in images] == together
    monkeypatch.setattr("pixelzip.native.INSTRUCTION_SETS", ())
    assert [pixelzip.compress(image) for image in images] == together
    monkeypatch.setattr("pixelzip.ans.HAS_CONSTRICTION", False)
    for one, other in zip(pixelzip.decompress_array(together), images, strict=True):
        assert np.array_equal(one, other)


def test_bands_are_solved_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = decoded(as_jpeg(texture(160, 80), 80))
    whole = pixelzip.compress(pixels)
    monkeypatch.setattr(search, "_BAND_PIXELS", 80 * 32)
    assert pixelzip.compress(pixels) == whole


def test_the_model_is_for_nothing_else() -> None:
    with pytest.raises(PixelzipError, match="for the coefficients of JPEGs, not for pixels"):
        pixelzip.compress(texture(8, 8), "photo-jpeg")
    data = bytearray(pixelzip.compress(decoded(as_jpeg(texture(96, 96)))))
    data[8:10] = models.find("photo").identifier
    with pytest.raises(PixelzipError, match="for pixels, not for the coefficients of JPEGs"):
        pixelzip.decompress(bytes(data))


@pytest.mark.parametrize(
    ("fields", "error", "message"),
    [
        (b"\x06", UnsupportedVersion, "newer version"),
        (b"\x00\x66", UnsupportedVersion, "newer version"),
        (b"\x00\x00" + bytes(64), CorruptFile, "step of zero"),
        (b"\x00\x00" + bytes([1] * 20), CorruptFile, "quantisation table"),
        (b"\x00\x55\x55\x3f\x40\x00", CorruptFile, "no frequency 64"),
        (b"\x00\x55\x55\x00\x00\x00\x7f", CorruptFile, "corrections"),
        (b"\x00\x55\x55\x00\x00\x00\x00" + bytes(4), CorruptFile, "too short for its 1 streams"),
        (b"\x00\x55\x55\x00\x00\x00\x00" + bytes(4) + b"12345", CorruptFile, "checksum does not match"),
        (b"\x00\x55\x55\x00\x00\x00\x00" + bytes(9), CorruptFile, "empty or ends in a zero byte"),
    ],
)
def test_broken_fields(
    network: IntegerCoefficientNetwork, fields: bytes, error: type[PixelzipError], message: str
) -> None:
    header = Header(MODES_BY_NAME["RGB"], 16, 16, BODY_JPEG, model=network.identifier)
    with pytest.raises(error, match=message):
        pixelzip.decompress(container.write(header, [fields]))


def test_broken_corrections_and_pixels(network: IntegerCoefficientNetwork) -> None:
    data = pixelzip.compress(decoded(as_jpeg(texture(96, 96))))
    header, (fields,) = container.read(data)
    assert fields[:6] == bytes([2, 85, 85, *fields[3:6]])
    assert fields[6] == 0
    start = 7
    broken = container.write(header, [fields[:6], b"\x03abc", fields[start:]])
    with pytest.raises(CorruptFile, match="checksum does not match"):
        pixelzip.decompress(broken)
    other = container.write(header, [fields[:start], bytes([fields[start] ^ 1]), fields[start + 1 :]])
    with pytest.raises(CorruptFile, match="checksum does not match"):
        pixelzip.decompress(other)


def test_bands_are_streams_of_their_own() -> None:
    pixels = decoded(as_jpeg(texture(540, 64), 80))
    data = pixelzip.compress(pixels, num_threads=1)
    assert pixelzip.compress(pixels, num_threads=2) == data
    assert np.array_equal(pixelzip.decompress_array(data, num_threads=2), pixels)
    assert np.array_equal(pixelzip.decompress_array(data, num_threads=1), pixels)


def test_packs_hold_such_files() -> None:
    pixels = decoded(as_jpeg(texture(272, 272), 80))
    data = pack([pixels, smooth_image(9, 8)])
    assert len(data) < len(pixelzip.compress(pixels)) + 400
    assert np.array_equal(Pack(data)[0], pixels)


def test_modes_without_jpeg_are_refused(network: IntegerCoefficientNetwork) -> None:
    header = Header(MODES_BY_NAME["LA"], 16, 16, BODY_JPEG, model=network.identifier)
    with pytest.raises(CorruptFile, match="mode LA is no JPEG's"):
        pixelzip.decompress(container.write(header, [b"\0"]))


def test_every_byte_matters() -> None:
    data = pixelzip.compress(decoded(as_jpeg(texture(64, 64))))
    assert pixelzip.info(data).body == "jpeg"
    for index in range(5, len(data), 11):
        damaged = bytearray(data)
        damaged[index] ^= 1 << index % 8
        with pytest.raises(PixelzipError):
            pixelzip.decompress(bytes(damaged), max_pixels=2**20)
    for length in range(12, len(data), 37):
        with pytest.raises(PixelzipError):
            pixelzip.decompress(data[:length])


def test_bands_of_the_search_meet_where_colours_are_clamped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "_BAND_PIXELS", 144 * 16)
    brighter = (texture(160, 144) / 2 + np.linspace(0, 190, 144)[:, None]).clip(0, 255).astype(np.uint8)
    pixels = decoded(as_jpeg(brighter, 80))
    data = pixelzip.compress(pixels)
    assert pixelzip.info(data).body == "jpeg"
    assert np.array_equal(pixelzip.decompress_array(data), pixels)


@settings(max_examples=30)
@given(st.data())
def test_whatever_comes_out_of_a_jpeg_comes_back(data: st.DataObject) -> None:
    height, width = data.draw(st.integers(17, 150)), data.draw(st.integers(17, 150))
    contrast, light = data.draw(st.sampled_from((0.5, 1.0, 1.6))), data.draw(st.integers(-60, 90))
    pixels = (texture(height, width, data.draw(st.integers(0, 5))) * contrast + light).clip(0, 255).astype(np.uint8)
    jpeg = as_jpeg(pixels, data.draw(st.integers(1, 100)), data.draw(st.sampled_from(sorted(SUBSAMPLINGS))))
    image = decoded(jpeg)
    assert np.array_equal(pixelzip.decompress_array(pixelzip.compress(image)), image)


def test_drawings() -> None:
    photograph = texture(40, 30)
    sheet = [drawing(np.random.default_rng(seed), 50, 70, photograph) for seed in range(30)]
    assert {(one.shape, one.dtype.name) for one in sheet} == {((50, 70, 3), "uint8")}
    assert np.array_equal(sheet[3], drawing(np.random.default_rng(3), 50, 70, photograph))
    assert len({one.tobytes() for one in sheet}) == 30


def test_train_on_photographs(tmp_path: Path) -> None:
    for index in range(4):
        Image.fromarray(texture(80, 96, index)).save(tmp_path / f"{index}.png")
    path = tmp_path / "model.safetensors"
    command = [
        "train-jpeg",
        str(tmp_path),
        "-o",
        str(path),
        "--steps",
        "6",
        "--held-out",
        "2",
        "--hidden",
        "8",
        "-T",
        "1",
    ]
    result = CliRunner().invoke(cli.main, command)
    assert result.exit_code == 0, result.output
    model = load_model(path)
    assert isinstance(model, IntegerCoefficientNetwork)
    assert model.config.hidden == (8,)
    assert "held-out bits/sub-pixel" in path.with_suffix(".md").read_text()
    picture = read(decoded(as_jpeg(texture(96, 96))))
    coded = body.compress(picture, model)
    assert coded is not None
    header, (rest,) = container.read(coded.file)
    assert np.array_equal(body.decompress(header, rest, model).samples, picture.samples)
    for wrong, message in ((["--hidden", "0"], "must be positive"), (["--held-out", "9"], "cannot hold out")):
        result = CliRunner().invoke(cli.main, command + wrong)
        assert result.exit_code == 1
        assert message in result.stderr
