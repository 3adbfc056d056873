"""Files that must decode for ever, and files that must fail."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from write_golden import ERRORS, GOLDEN, digest

import pixelzip

GOOD = sorted(GOLDEN.glob("*.pxz"))
BROKEN = sorted(ERRORS.glob("*.pxz"))


def test_corpora_are_complete() -> None:
    assert len(GOOD) >= 24
    assert len(BROKEN) >= 12
    assert sorted(json.loads((GOLDEN / "sha256.json").read_text())) == [path.name for path in GOOD]


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_golden_file_decodes(path: Path) -> None:
    assert digest(path.read_bytes()) == json.loads((GOLDEN / "sha256.json").read_text())[path.name]


@pytest.mark.parametrize("path", BROKEN, ids=lambda path: path.stem)
def test_broken_file_fails(path: Path) -> None:
    error = getattr(pixelzip, path.stem.split("-")[0])
    with pytest.raises(error):
        pixelzip.decompress(path.read_bytes())


def test_the_example_of_the_format_description() -> None:
    text = (Path(__file__).parent.parent / "docs" / "format.md").read_text()
    example = text[text.index("## 9. Example") : text.index("## 10.")]
    fields = [row.split("|")[1] for row in example.splitlines() if row.startswith("| `")]
    data = bytes.fromhex("".join(fields).replace("`", ""))
    assert len(data) == 27
    wanted = [[[10, 20, 30], [12, 22, 32]], [[11, 21, 31], [200, 100, 50]]]
    assert pixelzip.decompress_array(data).tolist() == wanted
    assert pixelzip.compress(pixelzip.decompress(data)) == data
