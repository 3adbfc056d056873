"""The README's code runs."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner
from conftest import smooth_image
from PIL import Image

from pixelzip import cli

README = Path(__file__).parent.parent / "README.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README.read_text(), re.DOTALL)


def test_python_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert blocks("python")
    for block in blocks("python"):
        exec(compile(block, "README.md", "exec"), {})


def test_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Image.fromarray(smooth_image(90, 100)).save("photo.png")
    Path("FOLDER").mkdir()
    for index in range(80):
        Image.fromarray(smooth_image(80, 80, seed=index)).save(f"FOLDER/{index}.png")
    lines = [line for block in blocks("sh") for line in block.splitlines() if line.startswith("pixelzip ")]
    assert len(lines) == 6
    for line in lines:
        short = line.replace("--steps 6000", "--steps 2 --batch-size 1").replace(
            "--channels 80 --blocks 6", "--channels 8 --blocks 1"
        )
        force = ["-f"] if "--model" in line else []
        result = CliRunner().invoke(cli.main, [*shlex.split(short)[1:], *force])
        assert result.exit_code == 0, (line, result.output)


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)]+)\)", README.read_text()):
        assert (README.parent / target).exists(), target
