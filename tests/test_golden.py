"""Files and packs that must decode for ever, and files that must fail."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from golden_files import ALL_METADATA
from write_golden import ERRORS, GOLDEN, digest

import pixelzip
from pixelzip import container, models, pack_container
from pixelzip.container import BODY_JPEG, BODY_JPEG_FILE, BODY_PNG, BODY_WEBP, CODED, CONSTANT, STORED
from pixelzip.image import MODES
from pixelzip.models.conversion import CONVERSIONS
from pixelzip.models.integer import load_network
from pixelzip.pack import Pack, pack
from pixelzip.pack_container import FILE, STREAM

GOOD = sorted(GOLDEN.glob("*.pxz*"))
BROKEN = sorted(ERRORS.glob("*.pxz*"))


def test_corpora_are_complete() -> None:
    assert len(GOOD) >= 85
    assert len(BROKEN) >= 28
    assert sorted(json.loads((GOLDEN / "sha256.json").read_text())) == [path.name for path in GOOD]


def test_there_is_a_file_for_every_field() -> None:
    headers = [container.read(path.read_bytes())[0] for path in GOOD if path.suffix == ".pxz"]
    shipped = [entry for entry in models.MODELS if not models.is_companion(entry.name)]
    newest = {entry.name: entry.identifier for entry in shipped}
    networks = {load_network(path).identifier for path in GOLDEN.glob("*.safetensors")} | {*newest.values()}
    coded = {mode.name for mode in MODES} - {"1", "P"}
    there = {(header.model, header.mode.name) for header in headers if header.model and not header.lattice}
    assert there >= {(network, mode) for network in networks for mode in coded}
    came_later = {"LA;16", "CMYK"}
    assert there >= {(entry.identifier, mode) for entry in shipped for mode in coded - came_later}
    bodies = {(header.body, header.mode.name) for header in headers}
    assert bodies >= {(BODY_PNG, mode) for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")}
    assert bodies >= {(BODY_WEBP, mode) for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK")}
    for body in (BODY_JPEG, BODY_JPEG_FILE):
        assert {header.mode.name for header in headers if header.body == body} == {"L", "RGB"}
    lattices = [header for header in headers if header.lattice]
    assert {header.lattice.conversion for header in lattices if header.lattice} == set(CONVERSIONS)
    assert {header.mode.name for header in lattices} == {"RGB", "RGBA"}
    assert any(header.tiling and not header.tiling.is_single for header in lattices)
    assert {component.coding for header in headers for component in header.components} == {CODED, CONSTANT, STORED}
    assert {kind for header in headers for kind, _ in header.blocks} == {*range(1, 9), 77}
    assert len({header.tiling.code for header in headers if header.tiling and not header.tiling.is_single}) == 3


def test_there_is_a_pack_for_every_field() -> None:
    packs = [pack_container.read(path.read_bytes(), 2**20) for path in GOOD if path.suffix == ".pxzp"]
    described = {(contents.names is not None, contents.labels is not None) for contents in packs}
    assert described == {(False, False), (False, True), (True, False), (True, True)}
    assert {shape.coding for contents in packs for shape in contents.shapes} == {STREAM, FILE}
    assert max(len(contents.shapes) for contents in packs) > pack_container.BLOCK_IMAGES
    assert min(len(contents.shapes) for contents in packs) == 0


def test_metadata_come_back() -> None:
    decoded = pixelzip.decompress((GOLDEN / "photo-1-metadata-all.pxz").read_bytes())
    assert decoded.info == ALL_METADATA
    palette = pixelzip.decompress((GOLDEN / "png-palette-RGBA.pxz").read_bytes())
    assert palette.info["transparency"] == bytes(range(0, 130, 10))
    assert palette.getpalette() == pixelzip.decompress((GOLDEN / "webp-P.pxz").read_bytes()).getpalette()


SLOW = ("lattice", "drawing-bands")
"""Minutes in Python."""


@pytest.mark.parametrize(
    "path",
    [path for path in GOOD if path.stat().st_size < 2000 and not any(name in path.name for name in SLOW)],
    ids=lambda path: path.name,
)
@pytest.mark.no_cover
def test_golden_file_decodes_with_the_other_coder(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pixelzip.native.INSTRUCTION_SETS", ())
    monkeypatch.setattr("pixelzip.ans.HAS_CONSTRICTION", False)
    test_golden_file_decodes(path)


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.name)
def test_golden_file_decodes(path: Path) -> None:
    assert digest(path.read_bytes(), path.name) == json.loads((GOLDEN / "sha256.json").read_text())[path.name]


@pytest.mark.parametrize("path", BROKEN, ids=lambda path: path.name)
def test_broken_file_fails(path: Path) -> None:
    error = getattr(pixelzip, path.stem.split("-")[0])
    with pytest.raises(error):
        digest(path.read_bytes(), path.name) if path.suffix == ".pxzp" else pixelzip.decompress(path.read_bytes())


def example(first: str, last: str | None) -> bytes:
    """Return the bytes in the first column of the tables between two headings of the format description."""
    text = (Path(__file__).parent.parent / "docs" / "format.md").read_text()
    section = text[text.index(first) : text.index(last) if last else None]
    fields = [row.split("|")[1] for row in section.splitlines() if row.startswith("| `")]
    return bytes.fromhex("".join(fields).replace("`", ""))


def test_the_example_of_a_pack() -> None:
    data = example("### 11.5 Example", None)
    assert len(data) == 45
    packed = Pack(data)
    assert packed["a"].tolist() == [[10, 20]]
    assert packed["b"].tolist() == [[200, 200]]
    assert pack(list(packed), names=["a", "b"], model=str(models.MODELS[0].path)) == data


def test_the_example_of_the_format_description() -> None:
    data = example("## 9. Example", "## 10.")
    assert len(data) == 27
    wanted = [[[10, 20, 30], [12, 22, 32]], [[11, 21, 31], [200, 100, 50]]]
    assert pixelzip.decompress_array(data).tolist() == wanted
    assert pixelzip.compress(pixelzip.decompress(data), str(models.MODELS[0].path)) == data
