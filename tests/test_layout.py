"""The project's own rules: imports point one way, names are listed, models do not change."""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib import resources
from pathlib import Path

import pytest

import pixelzip
from pixelzip import models

ROOT = Path(pixelzip.__file__).parent


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return {name for name in names if name.startswith("pixelzip")}


def test_imports_point_one_way() -> None:
    core = [path for path in ROOT.glob("*.py") if path.name not in ("__main__.py",)]
    network = list((ROOT / "models").glob("*.py"))
    assert core
    assert network
    assert not {name for path in core for name in imported(path) if name.startswith("pixelzip.cli")}
    assert not {name for path in network for name in imported(path) if not name.startswith("pixelzip.models")} - {
        "pixelzip"
    }


def test_files_and_functions_are_short() -> None:
    for path in [
        *ROOT.glob("*.py"),
        *(ROOT / "models").glob("*.py"),
        *(ROOT / "cli").glob("*.py"),
        *(ROOT / "gpu").glob("*.py"),
        *(ROOT / "jpeg").glob("*.py"),
    ]:
        tree = ast.parse(path.read_text())
        assert path.read_text().count("\n") <= 250, path
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef) and node.end_lineno:
                assert node.end_lineno - node.lineno <= 50, f"{path}: {node.name}"


def test_public_names() -> None:
    assert all(hasattr(pixelzip, name) for name in pixelzip.__all__)


def test_shipped_models_load_and_have_cards() -> None:
    identifiers = [entry.identifier for entry in models.MODELS]
    assert len(set(identifiers)) == len(identifiers)
    for entry in models.MODELS:
        network = models.load_file(entry.path, entry.sha256)
        assert network.sha256 == entry.sha256
        assert network.largest_sum < 2**24
        card = resources.files("pixelzip.models.weights") / entry.file_name.replace(".safetensors", ".md")
        assert entry.sha256 in card.read_text()


def test_companions() -> None:
    for purpose in models.COMPANIONS:
        assert models.companion("photo", purpose) == models.companion("photo-max", purpose) == f"photo-{purpose}"
        for name in ("photo-planes", "photo-jpeg", "cifar10", "photo-mine.safetensors", "photo-none"):
            assert models.companion(name, purpose) is None


@pytest.mark.parametrize("name", ["models", "cli", "gpu", "jpeg"])
def test_top_level_copies_refuse_to_be_imported(name: str) -> None:
    result = subprocess.run(
        [sys.executable, "-c", f"import {name}"], cwd=ROOT.parent, capture_output=True, text=True, check=False
    )
    if (ROOT.parent / name).exists():
        assert f"import pixelzip.{name}" in result.stderr
