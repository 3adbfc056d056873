"""Model files are input, too: the hash of a shipped one is checked, and what any of them may contain."""

from __future__ import annotations

import json
import re
import runpy
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import click
import mutations
import numpy as np
import pytest
from conftest import make_network, smooth_image
from reference_network import reference_outputs
from safetensors.numpy import load_file, save_file

import pixelzip
from pixelzip import models
from pixelzip.models import Model
from pixelzip.models.config import ConeConfig
from pixelzip.models.export import export_network
from pixelzip.models.integer import IntegerNetwork, load_network

Tensors = dict[str, np.ndarray]

ROOT = Path(__file__).parent.parent


def write_changed(
    source: str, target: Path, tensors: Callable[[Tensors], object] = list, config: dict[str, Any] | None = None
) -> Path:
    """Copy a model file with other tensors, or other fields in its configuration."""
    kept = load_file(source)
    tensors(kept)
    fields = {"channels": 16, "blocks": [2], "mixtures": 3, "dropout": 0.0, "period": 0, **(config or {})}
    save_file(kept, target, metadata={"pixelzip": json.dumps({"config": json.dumps(fields)})})
    return target


def set_level(name: str, place: int, level: int) -> Callable[[Tensors], object]:
    return lambda tensors: tensors[name].flat.__setitem__(place, level)


def test_an_unchanged_copy_loads(model_path: str, tmp_path: Path) -> None:
    assert load_network(write_changed(model_path, tmp_path / "x.safetensors")).config.channels == 16


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (set_level("stem.weight", 3, 65), "a weight exceeds 64"),
        (set_level("stem.bias", 3, 2**24), "not below 2\\^24"),
        (set_level("stem.multiplier", 3, np.nan), "not finite"),
        (set_level("table.logistic", 9, 2**15), "not those of a distribution"),
        (set_level("table.exponential", 0, 0), "not those of a distribution"),
        (set_level("table.inverse_scale", 0, 2**20), "table inverse_scale is not 129 numbers from 1 to 131072"),
        (set_level("table.logistic", 9, -1), "table logistic"),
        (lambda tensors: tensors.update({"table.logistic": np.zeros(7, np.int32)}), "table logistic"),
        (
            lambda tensors: tensors.update({"stem.weight": tensors["stem.weight"].astype(np.int16)}),
            "is int16, not int8",
        ),
        (lambda tensors: tensors.update({"stem.weight": tensors["stem.weight"][:, 1:].copy()}), "weight has shape"),
        (lambda tensors: tensors.pop("head.bias"), "head.bias"),
    ],
)
def test_tensors_that_no_export_writes(
    model_path: str, tmp_path: Path, change: Callable[[Tensors], object], message: str
) -> None:
    path = write_changed(model_path, tmp_path / "x.safetensors", change)
    with pytest.raises(ValueError, match=rf"^x\.safetensors: not a pixelzip model: .*{message}"):
        load_network(path)
    with pytest.raises(pixelzip.UnknownModel, match=r"the model cannot be loaded: x\.safetensors"):
        pixelzip.compress(smooth_image(4, 4), str(path))


@pytest.mark.parametrize(
    "fields",
    [
        {"blocks": [10**9]},
        {"blocks": 10**9},
        {"blocks": ["2"]},
        {"blocks": None},
        {"channels": "16"},
        {"family": "other"},
        {"family": []},
        {"strange": 1},
        {"mixtures": 0},
        {"members": [0]},
        {"members": ["8"]},
        {"members": 8},
        {"members": [8] * 1000},
    ],
    ids=str,
)
def test_configurations_that_are_none(model_path: str, tmp_path: Path, fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="not a pixelzip model"):
        load_network(write_changed(model_path, tmp_path / "x.safetensors", config=fields))


@pytest.mark.parametrize(
    "text", ["", "[]", '"text"', "[" * 100_000, '{"config": "[]"}', '{"config": "1"}', '{"config": 1}']
)
def test_metadata_that_are_none(model_path: str, tmp_path: Path, text: str) -> None:
    save_file(load_file(model_path), tmp_path / "x.safetensors", metadata={"pixelzip": text})
    with pytest.raises(ValueError, match="not a pixelzip model"):
        load_network(tmp_path / "x.safetensors")


def test_damaged_model_files(model_path: str, tmp_path: Path) -> None:
    """A flipped bit may give another model, which is then another model by name; it never gives another error."""
    data, path, num_loaded = Path(model_path).read_bytes(), tmp_path / "x.safetensors", 0
    header = int.from_bytes(data[:8], "little") + 8
    for index in range(300):
        random = Random(index)
        begin = mutations.any_bytes(random, data[:header]) if index % 2 else data[:header]
        path.write_bytes(begin + (data[header:] if index % 2 else mutations.one_bit(random, data[header:])))
        try:
            network = load_network(path)
        except ValueError:
            continue
        num_loaded += 1
        assert network.sha256 != load_network(Path(model_path)).sha256 or path.read_bytes() == data
    assert num_loaded >= 5


def test_weights_that_were_exchanged_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry, exchanged = models.find("photo"), models.find("photo-planes")
    other = tmp_path / entry.file_name
    shutil.copy(exchanged.path, other)
    monkeypatch.setattr(Model, "path", property(lambda self: other))
    message = f"{entry.file_name}: SHA-256 is {exchanged.sha256}, expected {entry.sha256}"
    for load in (lambda: models.load("photo"), lambda: models.load_identified(entry.identifier)):
        with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
            load()
    with pytest.raises(pixelzip.UnknownModel, match="SHA-256"):
        pixelzip.compress(smooth_image(4, 4))
    with pytest.raises(pixelzip.UnknownModel, match="SHA-256"):
        pixelzip.decompress((Path(__file__).parent / "golden" / "photo-1-RGB-smooth.pxz").read_bytes())


def join(output: Path, *members: str) -> IntegerNetwork:
    runpy.run_path(str(ROOT / "docs" / "join.py"))["main"].main([str(output), *members], standalone_mode=False)
    return load_network(output)


def test_the_file_of_an_ensemble_names_those_of_its_members(tmp_path: Path) -> None:
    config = ConeConfig(channels=6, blocks=(1,), mixtures=2, depthwise=True)
    metadata = {"licence": "MIT"}
    for name, channels in (("a.safetensors", 6), ("b.safetensors", 9)):
        export_network(make_network(replace(config, channels=channels)), tmp_path / name, metadata)
    ensemble = join(tmp_path / "c.safetensors", "a.safetensors", "3", "b.safetensors", "1")
    assert ensemble.config == replace(config, members=(9,))
    assert (tmp_path / "c.safetensors").stat().st_size < 2000
    first, second = load_network(tmp_path / "a.safetensors"), load_network(tmp_path / "b.safetensors")
    for layer, member in zip(ensemble.layers, (*second.layers, *first.layers), strict=True):
        assert np.array_equal(layer.weight, member.weight)
        assert np.array_equal(layer.bias, member.bias)
    heads = ensemble.layers[3], ensemble.layers[-1]
    assert np.array_equal(heads[0].multiplier, second.layers[-1].multiplier * np.float32(0.25))
    assert np.array_equal(heads[1].multiplier, first.layers[-1].multiplier * np.float32(0.75))
    pixels = smooth_image(9, 11)
    said = [reference_outputs(network, pixels)[0] for network in (ensemble, first, second)]
    assert np.abs(said[0] - 0.75 * said[1] - 0.25 * said[2]).max() <= 1.5
    shutil.copy(tmp_path / "a.safetensors", tmp_path / "b.safetensors")
    with pytest.raises(ValueError, match=r"^c\.safetensors: .*: b\.safetensors is not the member that it was"):
        load_network(tmp_path / "c.safetensors")
    (tmp_path / "b.safetensors").unlink()
    with pytest.raises(pixelzip.UnknownModel, match=r"the model cannot be loaded: .*b\.safetensors"):
        pixelzip.compress(pixels, str(tmp_path / "c.safetensors"))


def test_only_what_is_alike_becomes_an_ensemble(tmp_path: Path) -> None:
    for name, mixtures in (("a.safetensors", 2), ("b.safetensors", 3)):
        config = ConeConfig(channels=6, blocks=(1,), mixtures=mixtures)
        export_network(make_network(config), tmp_path / name, {"licence": "MIT"})
    with pytest.raises(click.ClickException, match="members of an ensemble must be alike but for their channels"):
        join(tmp_path / "c.safetensors", "a.safetensors", "1", "b.safetensors", "1")
    assert not (tmp_path / "c.safetensors").exists()


def test_pickles_are_not_models(tmp_path: Path) -> None:
    import torch

    torch.save({"weights": torch.zeros(3)}, tmp_path / "x.safetensors")
    with pytest.raises(ValueError, match="not a pixelzip model"):
        load_network(tmp_path / "x.safetensors")
