"""The code in documents runs, and their links lead somewhere."""

from __future__ import annotations

import importlib.util
import re
import runpy
import shlex
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from conftest import smooth_image
from PIL import Image

from pixelzip import cli

ROOT = Path(__file__).parent.parent
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]

SHORT = "--steps 2 --batch-size 1 --crop-size 16 --held-out 2"
"""Ends every training, so that it takes seconds: the last of several equal options counts."""

SMALL = "--channels 8 --blocks 1 --mixtures 2"
"""The same, where a network is not that of a model."""

OPTIONAL = ("ray",)
"""Blocks that import these run where they are installed; everything else is in the development group."""


def blocks(document: Path) -> list[tuple[str, str]]:
    """Return language and text of every block that can run: Python, and commands in ``sh``."""
    return re.findall(r"^```(python|sh)\n(.*?)^```", document.read_text(), re.DOTALL | re.MULTILINE)


RUNNING = [document for document in DOCUMENTS if blocks(document)]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with what documents take for granted: photo.png and folders of images."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["document"])
    Image.fromarray(smooth_image(90, 100)).save("photo.png")
    for folder in ("photos", "FOLDER", "PHOTOS"):
        Path(folder, "cats").mkdir(parents=True)
        for index, name in enumerate(("0.png", "1.png", "2.png", "cats/0.png", "cats/1.png")):
            Image.fromarray(smooth_image(20, 20, seed=index)).save(Path(folder, name))
    return tmp_path


def run_command(line: str) -> None:
    arguments = shlex.split(line, comments=True)[1:]
    if arguments[0] == "train":
        arguments += SHORT.split() if "--initial" in arguments else f"{SHORT} {SMALL}".split()
    result = CliRunner().invoke(cli.main, arguments)
    assert result.exit_code == 0, (line, result.output, result.exception)


def is_installed(code: str) -> bool:
    needed = [name for name in OPTIONAL if re.search(rf"^(import|from) {name}\b", code, re.MULTILINE)]
    return all(importlib.util.find_spec(name) for name in needed)


@pytest.mark.parametrize("document", RUNNING, ids=lambda document: document.name)
def test_blocks_run(document: Path, place: Path) -> None:
    scope: dict[str, object] = {"__name__": "document"}
    for language, code in blocks(document):
        if language == "python" and is_installed(code):
            exec(compile(code, document.name, "exec"), scope)
        elif language == "sh":
            for line in code.splitlines():
                if line.startswith("pixelzip "):
                    run_command(line)


def test_what_runs() -> None:
    """Otherwise a typing error in a block's fence would hide it."""
    names = {document.name for document in RUNNING}
    assert names >= {"README.md", "tutorial.md", "how-it-works.md", "many-machines.md", "packs.md", "networks.md"}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.name)
def test_links_lead_somewhere(document: Path) -> None:
    text = re.sub(r"^```.*?^```", "", document.read_text(), flags=re.DOTALL | re.MULTILINE)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if not target.startswith("https://"):
            assert (document.parent / target.partition("#")[0]).exists(), target


def test_reference_is_what_the_docstrings_say() -> None:
    path = ROOT / "docs" / "write_api.py"
    written = runpy.run_path(str(path))["reference"]()
    assert (ROOT / "docs" / "api.md").read_text() == written, "python docs/write_api.py docs/api.md"
