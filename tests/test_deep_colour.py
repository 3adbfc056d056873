"""16-bit colour in image files: every bit is read, in every layout, or the file is refused; every bit is written."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from numpy.typing import NDArray
from PIL import Image

import pixelzip
from pixelzip import cli
from pixelzip import image as images
from pixelzip.cli.files import FileError
from pixelzip.cli.pictures import load, open_image, save_image
from pixelzip.errors import PixelzipError, UnsupportedImage

ADAM7 = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))
"""First row and column of each pass, and the distances to the next."""


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli.main, [str(argument) for argument in arguments])


def deep(height: int, width: int, channels: int = 3, seed: int = 0) -> NDArray[np.uint16]:
    """Return a gradient with noise in the low bits, (height, width, channels) uint16."""
    rows, columns = np.mgrid[0:height, 0:width]
    slope = 900 * rows[..., None] + 700 * columns[..., None] + 5000 * np.arange(channels)
    noise = np.random.default_rng(seed).integers(0, 2048, (height, width, channels))
    return ((slope + noise) % 65536).astype(np.uint16)


def read(file: bytes) -> images.Picture:
    with Image.open(io.BytesIO(file)) as image:
        return images.read(image)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(samples: NDArray[np.uint16], *, interlaced: bool, colour_type: int | None = None) -> bytes:
    """Write a PNG whose rows go through all five filters in turn, by the book and sample by sample."""
    height, width, channels = samples.shape
    parts = [samples[top::down, left::right] for top, left, down, right in ADAM7] if interlaced else [samples]
    stream = b"".join(filtered(part) for part in parts if part.size)
    kind = {2: 4, 3: 2, 4: 6}[channels] if colour_type is None else colour_type
    header = struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, interlaced)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(stream)) + chunk(b"IEND", b"")


def filtered(samples: NDArray[np.uint16]) -> bytes:
    distance, above, stream = 2 * samples.shape[2], bytes(2 * samples[0].size), bytearray()
    for number, row in enumerate(samples):
        line = row.astype(">u2").tobytes()
        stream.append(number % 5)
        for index, value in enumerate(line):
            left = line[index - distance] if index >= distance else 0
            corner = above[index - distance] if index >= distance else 0
            stream.append((value - predicted(number % 5, left, above[index], corner)) & 255)
        above = line
    return bytes(stream)


def predicted(kind: int, left: int, up: int, corner: int) -> int:
    if kind < 4:
        return (0, left, up, (left + up) // 2)[kind]
    estimate = left + up - corner
    return min((left, up, corner), key=lambda value: abs(estimate - value))


def tiff(samples: NDArray[Any], **options: Any) -> bytes:
    tifffile = pytest.importorskip("tifffile")
    buffer = io.BytesIO()
    extra = ["unassalpha"] if samples.shape[2] == 4 else None
    options = {"photometric": "rgb", "planarconfig": "contig", "extrasamples": extra, "metadata": None} | options
    tifffile.imwrite(buffer, samples, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("channels", [2, 3, 4])
@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("size", [(1, 1), (2, 3), (13, 10)])
def test_png_files(channels: int, interlaced: bool, size: tuple[int, int]) -> None:
    samples = deep(*size, channels)
    picture = read(png(samples, interlaced=interlaced))
    assert picture.mode.name == {2: "LA;16", 3: "RGB;16", 4: "RGBA;16"}[channels]
    assert np.array_equal(picture.samples, samples)


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("layout", [{"rowsperstrip": 7}, {"tile": (16, 16)}], ids=str)
@pytest.mark.parametrize(
    "compression",
    [{}, {"compression": "lzw"}, {"compression": "zlib"}, {"compression": "zlib", "predictor": True},
     {"compression": "lzw", "predictor": True}],
    ids=str,
)  # fmt: skip
def test_tiff_files(channels: int, byteorder: str, layout: dict[str, Any], compression: dict[str, Any]) -> None:
    samples = deep(37, 41, channels)
    assert np.array_equal(read(tiff(samples, byteorder=byteorder, **layout, **compression)).samples, samples)


def test_ppm_files() -> None:
    samples = deep(9, 8)
    assert np.array_equal(read(b"P6\n8 9\n65535\n" + samples.astype(">u2").tobytes()).samples, samples)


def test_pgm_files() -> None:
    samples = deep(9, 8, 1)
    picture = read(b"P5\n8 9\n65535\n" + samples.astype(">u2").tobytes())
    assert picture.mode.name == "I;16"
    assert np.array_equal(picture.samples, samples)
    with pytest.raises(UnsupportedImage, match="mode I is not supported"):
        read(b"P5\n5 4\n4095\n" + bytes(40))  # which Pillow would scale


def test_an_image_stays_as_it_was(tmp_path: Path) -> None:
    """A second look at it must not find what Pillow has made of the first."""
    samples = deep(9, 8)
    (tmp_path / "a.png").write_bytes(png(samples, interlaced=False))
    with Image.open(tmp_path / "a.png") as image:
        files = [pixelzip.compress(image) for _ in range(2)]
        assert files[0] == files[1]
        assert np.array_equal(pixelzip.decompress_array(files[0]), samples)
        assert np.array_equal(np.asarray(image), samples >> 8)


def _jpeg_2000(samples: NDArray[Any]) -> bytes:
    data: bytes = pytest.importorskip("imagecodecs").jpeg2k_encode(samples, level=0, reversible=True)
    return data


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: tiff(deep(4, 5, 4), extrasamples=["unspecified"]), "not alpha"),
        (lambda: tiff(deep(4, 5, 4), extrasamples=["assocalpha"]), "multiplied by alpha"),
        (lambda: tiff(np.moveaxis(deep(4, 5), 2, 0), planarconfig="separate"), "separate planes"),
        (lambda: tiff(np.moveaxis(deep(4, 5), 2, 0), planarconfig="separate", compression="zlib"), "separate planes"),
        (lambda: b"P6\n5 4\n4095\n" + bytes(120), "largest value is not 65535"),
        (lambda: b"P3\n1 1\n65535\n 1 2 3\n", "largest value is not 65535"),
        (lambda: tiff(np.stack([deep(4, 5)] * 2)), "several frames"),
        (lambda: _jpeg_2000(deep(4, 5)), "JPEG2000"),
    ],
)
def test_what_would_lose_bits_is_refused(make: Any, message: str) -> None:
    with pytest.raises(UnsupportedImage, match=f"cut the file's 16-bit colour to 8 bits.*{message}"):
        read(make())


def test_what_loses_none_is_not_refused() -> None:
    flat = deep(4, 5).astype(np.uint8)
    assert np.array_equal(read(tiff(np.moveaxis(flat, 2, 0), planarconfig="separate")).samples, flat)
    assert read(b"P6\n2 1\n100\n" + bytes(range(6))).mode.name == "RGB"
    assert read(b"P5\n2 1\n100\n" + bytes(range(2))).mode.name == "L"
    assert read(b"P3\n1 1\n200\n 1 2 3\n").mode.name == "RGB"
    assert read(_jpeg_2000(flat)).mode.name == "RGB"


def test_a_pillow_that_keeps_other_bytes_is_not_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "frombytes", lambda mode, size, data, *_: Image.new(mode, size))
    with pytest.raises(UnsupportedImage, match="this version of Pillow"):
        read(png(deep(2, 2), interlaced=False))
    monkeypatch.setattr(
        Image.Image, "__array_interface__", property(lambda image: np.zeros((2, 2)).__array_interface__)
    )
    with pytest.raises(UnsupportedImage, match="this version of Pillow"):
        read(png(deep(2, 2, 2), interlaced=False))


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("shape", [(1, 1, 3), (5, 1, 4), (1, 9, 3), (37, 41, 4), (400, 800, 3), (30, 20, 2)])
def test_written_files_are_read_by_others(suffix: str, shape: tuple[int, int, int]) -> None:
    imagecodecs = pytest.importorskip("imagecodecs")
    samples = deep(*shape)
    file = save_image(samples, Path("a" + suffix))
    decode = imagecodecs.png_decode if suffix == ".png" else imagecodecs.tiff_decode
    assert np.array_equal(decode(file), samples)
    if suffix == ".png" or shape[2] > 2:  # Pillow reads no such TIFF file
        assert np.array_equal(read(file).samples, samples)
    assert len(file) < samples.nbytes + 1000


def metadata() -> dict[str, Any]:
    exif = Image.Exif()
    exif[0x010F] = "a maker"
    exif[0x8769] = {0x829A: 0.01}  # seconds of exposure
    return {
        "icc_profile": bytes(range(200)), "exif": exif.tobytes(), "xmp": b"<x:xmpmeta/>", "dpi": (300.0, 300.0),
        "gamma": 0.45455, "Title": "ein schönes Bild",
    }  # fmt: skip


@pytest.mark.parametrize(("channels", "mode"), [(2, "LA;16"), (3, "RGB;16"), (4, "RGBA;16")])
def test_png_there_and_back(channels: int, mode: str, tmp_path: Path) -> None:
    samples, source, packed = deep(30, 40, channels), tmp_path / "photo.png", tmp_path / "photo.pxz"
    source.write_bytes(save_image(samples, source, metadata()))
    assert run("compress", source, "--rm").exit_code == 0
    assert not source.exists()
    assert f"40x30 {mode}" in run("info", packed).stdout
    assert run("test", packed).exit_code == run("decompress", "-t", packed).exit_code == 0
    assert run("decompress", packed).exit_code == 0
    picture = read(source.read_bytes())
    assert np.array_equal(picture.samples, samples)
    described = images.describe(picture.blocks)
    assert described["dpi"] == pytest.approx((300, 300), abs=0.01)
    assert described == metadata() | {"dpi": described["dpi"]}
    again = tmp_path / "again.pxz"
    assert run("compress", source, "-o", again).exit_code == 0
    assert again.read_bytes() == packed.read_bytes()


@pytest.mark.parametrize("channels", [3, 4])
def test_tiff_there_and_back(channels: int, tmp_path: Path) -> None:
    samples, source, packed, back = (
        deep(30, 40, channels),
        *(tmp_path / f"photo.{end}" for end in ("tiff", "pxz", "tif")),
    )
    source.write_bytes(save_image(samples, source, metadata()))
    assert run("compress", source).exit_code == 0
    assert run("decompress", packed, "-o", back).exit_code == 0
    picture = read(back.read_bytes())
    assert np.array_equal(picture.samples, samples)
    described = images.describe(picture.blocks)
    assert {key: described[key] for key in ("icc_profile", "xmp", "dpi")} == {
        key: metadata()[key] for key in ("icc_profile", "xmp", "dpi")
    }
    assert run("compress", back, "--strip", "-f").exit_code == 0
    assert pixelzip.info(packed.read_bytes()).metadata == {}


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "I;16", "RGB;16", "1", "P"])
def test_exif_of_tiff_files_comes_back(mode: str, tmp_path: Path) -> None:
    samples: Any = deep(9, 12, 3)
    if mode != "RGB;16":
        flat = Image.fromarray((samples >> 8).astype(np.uint8)).convert("RGB")
        samples = Image.fromarray(samples[..., 0]) if mode == "I;16" else flat.convert(mode)
        samples.info = metadata()
    source, packed, back = (tmp_path / f"a.{end}" for end in ("tiff", "pxz", "tif"))
    source.write_bytes(save_image(samples, source, metadata()))
    assert run("compress", source).exit_code == 0
    exif = Image.Exif()
    exif.load(pixelzip.info(packed.read_bytes()).metadata["exif"])
    assert dict(exif) == {0x010F: "a maker", 0x8769: exif[0x8769]}
    assert exif.get_ifd(0x8769) == {0x829A: pytest.approx(0.01)}
    assert run("decompress", packed, "-o", back).exit_code == 0
    assert back.read_bytes() == source.read_bytes()
    assert run("compress", back, "--strip", "-f").exit_code == 0
    assert pixelzip.info(packed.read_bytes()).metadata == {}


def test_tags_that_pillow_cannot_write_are_left_out(tmp_path: Path) -> None:
    tags = [(65000, 12, 2, (0.5, 1.5), True), (65001, 2, 0, "own words", True), (65002, 16, 1, 2**40, True)]
    with Image.open(io.BytesIO(tiff(deep(4, 5), extratags=tags, software="a program"))) as image:
        exif = Image.Exif()
        exif.load(images.describe(images.read(image).blocks)["exif"])
    assert dict(exif) == {305: "a program", 65000: (0.5, 1.5), 65001: "own words"}


def test_exif_in_tiff_files_has_its_directories(tmp_path: Path) -> None:
    for name, samples in (("deep", deep(3, 4)), ("usual", deep(3, 4).astype(np.uint8))):
        image = samples if name == "deep" else Image.fromarray(samples)
        if isinstance(image, Image.Image):
            image.info = metadata()
        target = tmp_path / f"{name}.tif"
        target.write_bytes(save_image(image, target, metadata()))
        with Image.open(target) as restored:
            assert restored.getexif()[0x010F] == "a maker"
            assert restored.getexif().get_ifd(0x8769)[0x829A] == pytest.approx(0.01)
            assert restored.info["xmp"] == b"<x:xmpmeta/>"


def test_a_transparent_colour_comes_back(tmp_path: Path) -> None:
    samples = deep(5, 6)
    picture = read(save_image(samples, Path("a.png"), {"transparency": (1, 40000, 65535)}))
    (tmp_path / "a.pxz").write_bytes(pixelzip.compress(picture))
    assert run("decompress", tmp_path / "a.pxz").exit_code == 0
    with Image.open(tmp_path / "a.png") as image:
        assert image.info["transparency"] == (1, 40000, 65535)


def test_exif_does_not_change_what_the_pixels_are() -> None:
    """Tags that say how samples lie in a file, as in EXIF data that was copied with a whole directory."""
    exif = Image.Exif()
    for tag, value in ((256, 9), (258, (8, 8, 8)), (259, 5), (262, 6), (266, 2), (284, 2), (317, 3), (339, (3, 3, 3))):
        exif[tag] = value
    samples = deep(6, 7)
    assert np.array_equal(read(save_image(samples, Path("a.tif"), {"exif": exif.tobytes()})).samples, samples)


def test_salvage_and_crop(tmp_path: Path) -> None:
    samples = deep(30, 40)
    (tmp_path / "a.pxz").write_bytes(pixelzip.compress(samples))
    assert run("decompress", tmp_path / "a.pxz", "--crop", 3, 4, 5, 6, "-o", tmp_path / "crop.png").exit_code == 0
    assert np.array_equal(read((tmp_path / "crop.png").read_bytes()).samples, samples[4:10, 3:8])
    assert run("decompress", tmp_path / "a.pxz", "--salvage", "-o", tmp_path / "whole.tif").exit_code == 0
    assert np.array_equal(read((tmp_path / "whole.tif").read_bytes()).samples, samples)


def test_packs(tmp_path: Path) -> None:
    pictures = {"a.png": deep(8, 9), "b.tif": deep(7, 6, 4)}
    for name, samples in pictures.items():
        (tmp_path / name).write_bytes(save_image(samples, Path(name), metadata()))
    assert run("pack", *(tmp_path / name for name in pictures), "-o", tmp_path / "set.pxzp").exit_code == 0
    assert run("unpack", tmp_path / "set.pxzp", "--output-dir", tmp_path / "out").exit_code == 0
    for name, samples in pictures.items():
        assert np.array_equal(read((tmp_path / "out" / name).with_suffix(".png").read_bytes()).samples, samples)


def test_heatmap(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(save_image(deep(20, 20), Path("a.png")))
    assert run("heatmap", tmp_path / "a.png", "-o", tmp_path / "bits.png").exit_code == 0


def damaged(samples: NDArray[np.uint16], suffix: str) -> Sequence[bytes]:
    file = save_image(samples, Path("a" + suffix), metadata())
    generator = np.random.default_rng(0)
    cut = [file[: len(file) * part // 20] for part in range(1, 20)]
    flipped = []
    for _ in range(300):
        copy = bytearray(file)
        for place in generator.integers(0, len(file), generator.integers(1, 4)):
            copy[place] ^= 1 << generator.integers(0, 8)
        flipped.append(bytes(copy))
    return [*cut, *flipped]


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_damaged_files_are_errors_of_ours(suffix: str) -> None:
    samples, failures = deep(12, 15), 0
    for file in damaged(samples, suffix):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                load(open_image(file, 2**16)[0])
            except (FileError, PixelzipError):
                failures += 1
    assert failures > 30


@pytest.mark.parametrize(
    ("file", "message"),
    [
        (png(deep(9, 8), interlaced=False)[:-40], "the image is damaged: image file is truncated"),
        (png(deep(9, 8), interlaced=False).replace(b"\x10\x02\0\0\0", b"\x10\x02\0\0\1"), "not an image"),  # CRC
        (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 10**5, 10**5, 16, 2, 0, 0, 0))
         + chunk(b"IDAT", zlib.compress(bytes(10**5))), "100000x100000 pixels exceed --max-pixels"),
    ],
    ids=["truncated", "wrong CRC", "bomb"],
)  # fmt: skip
def test_a_bad_file_is_one_line(file: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(file)
    result = run("compress", path)
    assert result.exit_code == 1
    assert result.stderr.startswith(f"pixelzip: {path}: ")
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert not path.with_suffix(".pxz").exists()


def test_metadata_that_a_file_cannot_hold_are_one_line(tmp_path: Path) -> None:
    picture = images.Picture(images.MODES_BY_NAME["RGB;16"], deep(3, 3), ((images.GAMMA, struct.pack("<d", -1)),))
    (tmp_path / "a.pxz").write_bytes(pixelzip.compress(picture))
    result = run("decompress", tmp_path / "a.pxz")
    assert (result.exit_code, ".png cannot hold the metadata" in result.stderr) == (1, True)
    assert result.stderr.count("\n") == 1
