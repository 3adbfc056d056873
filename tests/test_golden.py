"""Files and packs that must decode for ever, and files that must fail."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from write_golden import ERRORS, GOLDEN, digest

import pixelzip
from pixelzip.pack import Pack, pack

GOOD = sorted(GOLDEN.glob("*.pxz*"))
BROKEN = sorted(ERRORS.glob("*.pxz*"))


def test_corpora_are_complete() -> None:
    assert len(GOOD) >= 27
    assert len(BROKEN) >= 17
    assert sorted(json.loads((GOLDEN / "sha256.json").read_text())) == [path.name for path in GOOD]


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
    assert pack(list(packed), names=["a", "b"]) == data


def test_the_example_of_the_format_description() -> None:
    data = example("## 9. Example", "## 10.")
    assert len(data) == 27
    wanted = [[[10, 20, 30], [12, 22, 32]], [[11, 21, 31], [200, 100, 50]]]
    assert pixelzip.decompress_array(data).tolist() == wanted
    assert pixelzip.compress(pixelzip.decompress(data)) == data
