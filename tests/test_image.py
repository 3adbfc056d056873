"""Stage 1: modes, components and metadata survive unchanged."""

from __future__ import annotations

import io

import numpy as np
import pytest
from conftest import smooth_image
from PIL import Image, PngImagePlugin

from pixelzip import image as images
from pixelzip.errors import CorruptFile, UnsupportedImage
from pixelzip.image import MODES
from pixelzip.samples import join, significant_bits, split


def test_identifiers_never_change() -> None:
    assert [(mode.identifier, mode.name) for mode in MODES] == [
        (0, "1"), (1, "L"), (2, "LA"), (3, "P"), (4, "RGB"), (5, "RGBA"), (6, "I;16"), (7, "RGB;16"), (8, "RGBA;16"),
        (9, "LA;16"),
        (10, "CMYK"),
    ]  # fmt: skip
    kinds = [images.ICC, images.EXIF, images.XMP, images.TEXT, images.DPI, images.GAMMA, images.TRANSPARENCY]
    assert [*kinds, images.PALETTE] == [1, 2, 3, 4, 5, 6, 7, 8]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [None, 1, 2, 3, 4])
def test_arrays_split_and_join(dtype: type, channels: int | None) -> None:
    shape = (3, 5) if channels is None else (3, 5, channels)
    array = np.random.default_rng(0).integers(0, np.iinfo(dtype).max + 1, shape).astype(dtype)
    picture = images.read(array)
    parts = split(picture, 16)
    assert tuple(part.shape[2] for part in parts) == picture.mode.component_channels
    joined = join(picture.mode, parts, 16)
    assert joined.dtype == dtype
    assert np.array_equal(joined, picture.samples)


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("num_bits", range(8, 17))
def test_the_first_component_has_the_eight_highest_bits(num_bits: int, channels: int) -> None:
    array = np.random.default_rng(0).integers(0, 2**num_bits, (5, 4, channels)).astype(np.uint16)
    array[0, 0, 0] = 2**num_bits - 1
    array[..., 3:] |= 2**15
    picture = images.read(array)
    assert significant_bits(picture) == num_bits
    parts = split(picture, num_bits)
    colours = array[..., : min(channels, 3)]
    assert np.array_equal(parts[0], colours >> (num_bits - 8))
    assert np.array_equal(parts[len(parts) // 2], colours & (2 ** (num_bits - 8) - 1))
    if channels == 4:
        assert np.array_equal(parts[1], array[..., 3:] >> 8)
    assert np.array_equal(join(picture.mode, parts, num_bits), array)


@pytest.mark.parametrize(("largest", "num_bits"), [(0, 8), (255, 8), (256, 9), (4095, 12), (4096, 13), (65535, 16)])
def test_significant_bits_are_those_of_the_largest_sample(largest: int, num_bits: int) -> None:
    assert significant_bits(images.read(np.array([[0, largest]], np.uint16))) == num_bits


def test_samples_of_8_bits_have_no_other_bits() -> None:
    assert significant_bits(images.read(np.zeros((2, 2), np.uint8))) == 16


@pytest.mark.parametrize("mode", ["YCbCr", "HSV", "F", "I", "LAB", "RGBX", "PA"])
def test_other_modes_are_refused(mode: str) -> None:
    with pytest.raises(UnsupportedImage, match="not supported"):
        images.read(Image.new(mode, (2, 2)))


@pytest.mark.parametrize("array", [np.zeros((0, 4, 3), np.uint8), np.zeros((4, 0), np.uint16)])
def test_empty_images_are_refused(array: np.ndarray) -> None:
    with pytest.raises(UnsupportedImage, match="no pixels"):
        images.read(array)


@pytest.mark.parametrize("array", [np.zeros((2, 2), np.float32), np.zeros((2, 2, 5), np.uint8), np.zeros(4, np.uint8)])
def test_other_arrays_are_refused(array: np.ndarray) -> None:
    with pytest.raises(UnsupportedImage):
        images.read(array)


def test_metadata_round_trip() -> None:
    chunks = PngImagePlugin.PngInfo()
    chunks.add_text("Title", "a photograph")
    chunks.add_itxt("Author", "Zoë ✓")
    chunks.add_itxt("XML:com.adobe.xmp", "<x/>")
    exif = Image.Exif()
    exif[0x010E] = "described"
    buffer = io.BytesIO()
    source = Image.fromarray(smooth_image(4, 4))
    source.save(buffer, "PNG", pnginfo=chunks, exif=exif, dpi=(300, 72), icc_profile=b"profile", transparency=(1, 2, 3))
    with Image.open(buffer) as opened:
        picture = images.read(opened)
        restored = images.to_pillow(picture)
        for key in ("Title", "Author", "exif", "icc_profile", "dpi", "transparency", "xmp"):
            assert restored.info[key] == opened.info[key]


@pytest.mark.parametrize("transparency", [3, b"\x00\x80\xff"])
def test_palette_round_trip(transparency: int | bytes) -> None:
    image = Image.fromarray(smooth_image(9, 9)).convert("P", palette=Image.Palette.ADAPTIVE, colors=11)
    image.info["transparency"] = transparency
    restored = images.to_pillow(images.read(image))
    assert restored.mode == "P"
    assert restored.tobytes() == image.tobytes()
    assert restored.getpalette() == image.getpalette()
    assert restored.info["transparency"] == transparency
    assert restored.convert("RGBA").tobytes() == image.convert("RGBA").tobytes()


def test_rgba_palette_round_trip() -> None:
    image = Image.new("P", (2, 2), 1)
    image.putpalette([1, 2, 3, 4, 5, 6, 7, 8], "RGBA")
    assert images.to_pillow(images.read(image)).getpalette("RGBA") == image.getpalette("RGBA")


@pytest.mark.parametrize(
    "block",
    [
        (images.DPI, b"123"),
        (images.TRANSPARENCY, b"\x02\0\0\0\0"),
        (images.TEXT, b"\xff\xfe"),
        (images.PALETTE, b"X\0"),
    ],
)
def test_damaged_blocks_are_reported(block: images.Block) -> None:
    picture = images.Picture(images.MODES_BY_NAME["L"], np.zeros((1, 1, 1), np.uint8), (block,))
    with pytest.raises(CorruptFile):
        images.to_pillow(picture)
