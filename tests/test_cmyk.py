"""Images of mode CMYK: back as they were, in TIFF files, never as a PNG or as RGBA."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from conftest import smooth_image
from PIL import Image
from test_cli import run

import pixelzip
import pixelzip.pillow
from pixelzip import fallback
from pixelzip.image import read


def cmyk(height: int, width: int, kind: str = "smooth") -> Image.Image:
    samples = smooth_image(height, width, 4)
    if kind == "drawing":
        samples = samples // 200 * 200
    elif kind == "constant":
        samples[:] = (0, 12, 255, 3)
    elif kind == "noise":
        samples = np.random.default_rng(0).integers(0, 256, samples.shape).astype(np.uint8)
    elif kind == "levels":
        samples = samples // 9 * 9
    return Image.frombytes("CMYK", (width, height), samples.tobytes())


@pytest.mark.parametrize("kind", ["smooth", "drawing", "constant", "noise", "levels"])
@pytest.mark.parametrize("size", [(1, 1), (7, 9), (90, 110), (270, 260)])
def test_there_and_back(size: tuple[int, int], kind: str) -> None:
    image = cmyk(*size, kind)
    data = pixelzip.compress(image)
    restored = pixelzip.decompress(data)
    assert (restored.mode, restored.size) == ("CMYK", image.size)
    assert restored.tobytes() == image.tobytes()
    assert np.array_equal(pixelzip.decompress_array(data), np.asarray(image))
    assert (pixelzip.info(data).mode, pixelzip.info(data).body == "png") == ("CMYK", False)
    assert pixelzip.salvage(data).to_pillow().tobytes() == image.tobytes()


def test_without_a_network_it_is_a_drawing_or_webp() -> None:
    picture = read(cmyk(20, 30))
    data = fallback.smallest(picture, None)
    assert pixelzip.info(data).body in ("drawing", "webp")
    assert pixelzip.decompress(data).tobytes() == cmyk(20, 30).tobytes()


def test_in_pillow(tmp_path: Path) -> None:
    image = cmyk(30, 20)
    image.save(tmp_path / "a.pxz")
    with Image.open(tmp_path / "a.pxz") as opened:
        assert opened.mode == "CMYK"
        assert opened.tobytes() == image.tobytes()


@pytest.mark.parametrize("with_exif", [False, True])
def test_tiff_files(with_exif: bool, tmp_path: Path) -> None:
    source, packed, image = tmp_path / "a.tif", tmp_path / "a.pxz", cmyk(40, 50)
    exif = Image.Exif()
    exif[0x010F] = "a maker"
    profile = bytes(range(100))
    if with_exif:
        image.save(source, dpi=(300, 300), icc_profile=profile, exif=exif)
    else:
        image.save(source, dpi=(300, 300), icc_profile=profile, compression="tiff_lzw")
    assert run("compress", source, "--rm").exit_code == 0
    assert not source.exists()
    assert "50x40 CMYK" in run("info", packed).stdout
    assert run("decompress", packed).exit_code == run("test", packed).exit_code == 0
    with Image.open(source) as back:
        assert (back.mode, back.info["dpi"], back.info["icc_profile"]) == ("CMYK", (300, 300), profile)
        assert back.tobytes() == image.tobytes()
        assert back.getexif().get(0x010F) == ("a maker" if with_exif else None)
    assert run("decompress", packed, "-o", "-").stdout_bytes == source.read_bytes()
    assert run("decompress", packed, "-o", tmp_path / "a.npy").exit_code == 0
    assert np.array_equal(np.load(tmp_path / "a.npy"), np.asarray(image))


def test_no_png_holds_it(tmp_path: Path) -> None:
    packed = tmp_path / "a.pxz"
    packed.write_bytes(pixelzip.compress(cmyk(4, 5)))
    result = run("decompress", packed, "-o", tmp_path / "a.png")
    assert result.exit_code == 1
    assert result.stderr == f"pixelzip: {packed}: PNG files have no CMYK: use .tif, or .npy for the pixels alone\n"
    assert not (tmp_path / "a.png").exists()


def test_jpeg_files_are_kept_as_pixels(tmp_path: Path) -> None:
    path, buffer = tmp_path / "a.jpg", io.BytesIO()
    cmyk(40, 50).save(buffer, "JPEG", quality=90)
    path.write_bytes(buffer.getvalue())
    result = run("compress", path)
    assert result.exit_code == 0
    assert "warning: pixels are kept: the JPEG file cannot be kept" in result.stderr
    with Image.open(path) as image:
        assert pixelzip.decompress(path.with_suffix(".pxz").read_bytes()).tobytes() == image.tobytes()
