"""What other programs know of the formats and of the command: file(1), file managers, shells, imageio."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest
from conftest import smooth_image

import pixelzip.pillow
from pixelzip import container
from pixelzip.container import PACK_SIGNATURE, SIGNATURE

ROOT = Path(__file__).parent.parent
GOLDEN = ROOT / "tests" / "golden"
CHANGED = "lattice, JPEG, turned, few bits, parts or drawing"
NAMESPACE = "{http://www.freedesktop.org/standards/shared-mime-info}"
PACK_MIME_TYPE = "application/x-pixelzip-pack"

needs_file = pytest.mark.skipif(shutil.which("file") is None, reason="file(1) is not installed")
needs_bash = pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")


def ask_file(*arguments: str | Path) -> str:
    command = ["file", "--brief", "-m", ROOT / "docs" / "pixelzip.magic", *arguments]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert result.stderr == ""
    return result.stdout.rstrip("\n")


@needs_file
@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("photo-1-RGB-smooth.pxz", "RGB, coded by a network"),
        ("photo-1-tiles.pxz", "RGB, coded by a network"),
        ("photo-1-1-constant.pxz", "1-bit, embedded "),
        ("photo-1-L-smooth.pxz", "grey, coded by a network"),
        ("photo-1-LA-smooth.pxz", "grey with alpha, "),
        ("photo-1-P-smooth.pxz", "palette, embedded "),
        ("photo-1-RGBA-smooth.pxz", "RGBA, "),
        ("photo-1-I16-smooth.pxz", "16-bit grey, "),
        ("photo-1-RGB16.pxz", "16-bit RGB, "),
        ("photo-1-RGBA16.pxz", "16-bit RGBA, "),
        ("photo-planes-1-lattice-JFIF.pxz", f"RGB, {CHANGED}"),
        ("photo-6-turned-L.pxz", f"grey, {CHANGED}"),
    ],
)
def test_file_knows_images(name: str, wanted: str) -> None:
    description = ask_file(GOLDEN / name)
    assert description.startswith(f"pixelzip lossless image, version 1, {wanted}")
    assert ask_file("--mime-type", GOLDEN / name) == pixelzip.pillow.MIME_TYPE


@needs_file
def test_file_agrees_with_info() -> None:
    bodies = {"model": "coded by a network", "png": "embedded PNG", "webp": "embedded WebP"}
    for path in GOLDEN.glob("*.pxz"):
        info, description = pixelzip.info(path.read_bytes()), ask_file(path)
        header, _ = container.read(path.read_bytes())
        is_changed = header.lattice is not None or header.orientations != b"" or header.has_few_bits
        is_changed |= info.body not in bodies
        assert (CHANGED if is_changed else bodies[info.body]) in description
        if info.metadata:
            assert description.endswith(", with metadata")


@needs_file
def test_file_knows_packs_and_newer_versions(tmp_path: Path) -> None:
    pack = GOLDEN / "photo-1-pack-mixed.pxzp"
    assert ask_file(pack).startswith("pixelzip pack of images, version 1")
    assert ask_file("--mime-type", pack) == PACK_MIME_TYPE
    newer = tmp_path / "newer"
    for signature, flag in ((SIGNATURE, 0x80), (PACK_SIGNATURE, 0x04)):
        newer.write_bytes(signature + bytes([flag, 1, 1, 1, 1]))
        assert ask_file(newer).endswith(", newer than version 1")
    newer.write_bytes(SIGNATURE[:3] + b"\n\n")
    assert "pixelzip" not in ask_file(newer)


def test_mime_types() -> None:
    found = {}
    for kind in ElementTree.parse(ROOT / "docs" / "pixelzip-mime.xml").getroot():
        match, glob = kind.find(f"{NAMESPACE}magic/{NAMESPACE}match"), kind.find(f"{NAMESPACE}glob")
        assert match is not None
        assert glob is not None
        assert match.attrib["offset"] == "0"
        signature = match.attrib["value"].encode().decode("unicode_escape").encode("latin-1")
        found[kind.attrib["type"]] = (signature, glob.attrib["pattern"])
    assert found == {
        pixelzip.pillow.MIME_TYPE: (SIGNATURE, f"*{pixelzip.pillow.SUFFIX}"),
        PACK_MIME_TYPE: (PACK_SIGNATURE, "*.pxzp"),
    }


@needs_bash
@pytest.mark.skipif(
    not Path(sys.executable).with_name("pixelzip").exists(), reason="the command pixelzip is not beside Python"
)
@pytest.mark.parametrize(
    ("typed", "wanted"), [("comp", "compress"), ("decompress --cr", "--crop"), ("mod", "models")], ids=str
)
def test_bash_completes(typed: str, wanted: str) -> None:
    source = re.findall(r"```bash\n(eval .*)\n```", (ROOT / "docs" / "system.md").read_text())
    assert len(source) == 1
    words = ["pixelzip", *typed.split()]
    complete = f"COMP_WORDS=({' '.join(words)}); COMP_CWORD={len(words) - 1}; _pixelzip_completion pixelzip"
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    result = subprocess.run(
        ["bash", "--norc", "-c", f'{source[0]}\n{complete}\nprintf "%s\\n" "${{COMPREPLY[@]}}"'],
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout == f"{wanted}\n"
    assert result.stderr == ""


def test_imageio_reads_and_writes_through_pillow(tmp_path: Path) -> None:
    imageio = pytest.importorskip("imageio.v3", reason="imageio is not installed")
    for channels in (1, 3, 4):
        image = smooth_image(12, 17, channels)
        image = image[..., 0] if channels == 1 else image
        path = tmp_path / f"{channels}.pxz"
        imageio.imwrite(path, image)
        assert np.array_equal(pixelzip.decompress_array(path.read_bytes()), image)
        assert np.array_equal(imageio.imread(path), image)
        properties = imageio.improps(path)
        assert (properties.shape, properties.dtype) == (image.shape, np.uint8)
