"""What the commands say of the installation: models and doctor."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from pixelzip import cli, models


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli.main, arguments)


def test_models() -> None:
    result = run("models", "--json")
    assert result.exit_code == 0, result.output
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert [row["name"] for row in rows] == [entry.name for entry in models.MODELS]
    for row, entry in zip(rows, models.MODELS, strict=True):
        network = models.load_file(entry.path, entry.sha256)
        assert row["sha256"] == network.sha256
        assert row["mac_per_pixel"] == round(network.config.multiplications_per_pixel)
        assert row["bytes"] == len(Path(row["path"]).read_bytes())
        assert row["licence"] == entry.card["licence"]
    heading, *lines = run("models").stdout.splitlines()
    assert heading.split() == list(rows[0])
    assert [line.split()[:2] for line in lines] == [[row["name"], row["file"]] for row in rows]


def test_doctor_finds_nothing_wrong() -> None:
    result = run("doctor")
    assert result.exit_code == 0, result.output
    assert all(line.startswith("ok ") for line in result.stdout.splitlines())
    for name in (
        "python",
        "torch",
        "numpy",
        "pillow",
        "constriction",
        "extension",
        "model photo",
        "cpu products",
        "cpu round trip",
    ):
        assert f"  {name}: " in result.stdout


def test_doctor_names_the_product_that_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pixelzip.doctor.int8_products_are_exact", lambda device: False)
    assert "cpu products: int8 is not exact, float32 is and is used" in run("doctor").stdout


def test_doctor_finds_what_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pixelzip.doctor.devices", lambda: ["cpu", "nonsense"])
    monkeypatch.setattr("pixelzip.doctor._NEEDED", ("torch", "no-such-package"))
    monkeypatch.setattr("pixelzip.doctor.decompress_array", lambda data, device: np.zeros((24, 32, 3), np.uint8))
    result = run("doctor")
    assert result.exit_code == 1
    wrong = [line for line in result.stdout.splitlines() if line.startswith("WRONG")]
    assert wrong[:2] == [
        "WRONG  no-such-package: not installed",
        "WRONG  cpu round trip: the decoded pixels differ from the image",
    ]
    assert [line.split(":")[0] for line in wrong[2:]] == ["WRONG  nonsense products", "WRONG  nonsense round trip"]
    assert result.stderr == "pixelzip: 4 of the checks failed\n"


def test_doctor_compares_with_the_cpu_and_with_other_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pixelzip.doctor._FILE_PIXELS", [])
    assert "cpu round trip: a file from another machine gives other pixels" in run("doctor").stdout
    files = iter([b"one", b"other"])
    monkeypatch.setattr("pixelzip.doctor._coded", lambda image, device: next(files))
    assert "cpu round trip: the bytes are not those of the CPU\n" in run("doctor").stdout


def test_doctor_without_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pixelzip.doctor", None)
    result = run("doctor")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: a package that pixelzip needs cannot be imported: ")
