"""Training: batches are repeatable, a paused run resumes as if it had not paused, the export works."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from conftest import smooth_image, write_images
from PIL import Image

import pixelzip
from pixelzip import cli, models
from pixelzip.models.config import ConeConfig
from pixelzip.models.data import (
    Alternating,
    Crops,
    SmallImages,
    chroma_halved,
    find_images,
    prefetched,
    softened,
    split_held_out,
)
from pixelzip.models.export import export_network, float_network
from pixelzip.models.integer import load_network
from pixelzip.models.paper import PaperConfig
from pixelzip.models.pixelcnn import ConePixelCNN
from pixelzip.models.start import TrainingConfig, build, initial_config, initial_weights, located, training_data
from pixelzip.models.train import Progress, Trainer, moving_average

NETWORK = ConeConfig(channels=8, blocks=(1,), mixtures=2)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_images(tmp_path / "images", 40, 50)


def config(folder: Path, **changes: object) -> TrainingConfig:
    settings = {"num_held_out": 2, "num_steps": 8, "quantise_from_step": 6, "num_warmup_steps": 2}
    sizes = {"batch_size": 2, "crop_size": 16, "num_steps_between_checkpoints": 4}
    return TrainingConfig(data=(str(folder),), **{**settings, **sizes, **changes})  # type: ignore[arg-type]


def weights(trainer: Trainer) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in trainer.network.parameters()])


def test_resuming_changes_nothing(folder: Path, tmp_path: Path) -> None:
    rows: list[Progress] = []
    straight = Trainer(NETWORK, config(folder), tmp_path / "straight")
    straight.run(rows.append)
    assert [row.step for row in rows] == [4, 8]
    paused = Trainer(NETWORK, config(folder), tmp_path / "paused")
    paused.run(rows.append, stop_at=4)
    resumed = Trainer(NETWORK, config(folder), tmp_path / "paused")
    assert resumed.step == 4
    resumed.run(rows.append)
    assert torch.equal(weights(straight), weights(resumed))
    assert rows[1].bits_per_subpixel == rows[3].bits_per_subpixel


def test_learning_lowers_the_bits(folder: Path, tmp_path: Path) -> None:
    rows: list[Progress] = []
    Trainer(NETWORK, config(folder, num_steps=60, learning_rate=1e-2), tmp_path / "run").run(rows.append)
    assert rows[-1].bits_per_subpixel < rows[0].bits_per_subpixel - 0.5


def test_start_from_another_run(folder: Path, tmp_path: Path) -> None:
    first = Trainer(NETWORK, config(folder), tmp_path / "first")
    first.run(lambda row: None)
    second = Trainer(NETWORK, config(folder, initial=(str(tmp_path / "first"),)), tmp_path / "second")
    averaged = torch.cat([parameter.detach().flatten() for parameter in first.averaged().parameters()])
    assert torch.equal(weights(second), averaged)


def test_a_shipped_model_to_start_from_has_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert located("photo-fast") == models.find("photo-fast").path
    assert initial_config("photo-fast") == load_network(models.find("photo-fast").path).config
    Path("photo-fast").mkdir()
    assert located("photo-fast") == Path("photo-fast")


def test_a_network_has_the_sizes_of_the_one_it_starts_from(folder: Path, cifar10: Path, tmp_path: Path) -> None:
    config = replace(NETWORK, depthwise=True, adaptive=True, regression=True, regression_rows=8)
    model = tmp_path / "model.safetensors"
    export_network(ConePixelCNN(config), model, {})
    common = ["--steps", "1", "--batch-size", "2", "--crop-size", "16", "--held-out", "2", "-T", "1"]
    for name, initial, wanted, more in (
        ("same", model, config, [str(folder)]),
        ("wider", model, replace(config, channels=12, blocks=(2,)), [str(folder), "--channels", "12", "--blocks", "2"]),
        ("run", tmp_path / "wider", replace(config, channels=12, blocks=(2,)), [str(folder)]),
        ("small", model, replace(NETWORK, depthwise=True, period=32), [str(cifar10), "--cifar10"]),
    ):
        arguments = ["train", "--output", str(tmp_path / name), "--initial", str(initial), *common, *more]
        result = CliRunner().invoke(cli.main, arguments)
        assert result.exit_code == 0, result.output
        assert load_network(tmp_path / name / "model.safetensors").config == wanted


@pytest.mark.parametrize(
    ("initial", "message"),
    [
        ("nothing", "No such file or directory"),
        ("photo-jpeg", "photo-jpeg-2.safetensors: a network for the coefficients of JPEGs, not for pixels"),
        ("paper.safetensors", "paper.safetensors: this network is not of the cone family"),
        ("images", "No such file or directory"),
        ("run", "run: not the folder of a run of the cone family"),
    ],
)
def test_start_from_what_is_none(
    initial: str, message: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    export_network(build(PaperConfig(channels=4, blocks=1, mixtures=1)), tmp_path / "paper.safetensors", {})
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.json").write_text('{"network": {"likelihood": "mixture"}}')
    result = CliRunner().invoke(cli.main, ["train", str(folder), "--output", "x", "--initial", initial])
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert message in result.stderr
    assert not (tmp_path / "x").exists()


def test_start_from_a_model_file_with_fewer_inputs(folder: Path, tmp_path: Path) -> None:
    trained = ConePixelCNN(NETWORK)
    export_network(trained, tmp_path / "model.safetensors", {})
    planes = replace(NETWORK, period=16)
    trainer = Trainer(planes, config(folder, initial=(str(tmp_path / "model.safetensors"),)), tmp_path / "run")
    stem, new_stem = trained.state_dict()["layers.0.weight"], trainer.network.state_dict()["layers.0.weight"]
    assert torch.allclose(stem, new_stem[..., :-32], atol=float(stem.abs().max()) / 100)
    assert not new_stem[..., -32:].any()
    rows: list[Progress] = []
    trainer.run(rows.append)
    assert rows[-1].held_out_bits_per_subpixel is not None


def test_crops(folder: Path) -> None:
    files = find_images([folder])
    first, second = (iter(Crops(files, 16, 3, seed=1)) for _ in range(2))
    batches = [next(first) for _ in range(3)]
    assert all(torch.equal(batch.pixels, next(second).pixels) for batch in batches)
    assert torch.equal(next(iter(Crops(files, 16, 3, seed=1, skip=2))).pixels, batches[2].pixels)
    assert batches[0].pixels.shape == (3, 3, 16, 16)
    assert batches[0].pixels.dtype == torch.uint8
    with pytest.raises(ValueError, match="as large as a crop"):
        Crops(files, 64, 3, seed=1)


def test_batches_made_by_other_processes_are_the_same(folder: Path) -> None:
    files, images = find_images([folder]), np.stack([smooth_image(8, 8)] * 9)
    mixed = Alternating(Crops(files, 16, 3, seed=1), SmallImages(images, None, 4, seed=1))
    mixed.position = 2
    wanted = [batch.pixels for batch, _ in zip(mixed, range(5), strict=False)]
    mixed.position = 2
    made = [batch.pixels for batch, _ in zip(prefetched(mixed, 1), range(5), strict=False)]
    assert all(map(torch.equal, made, wanted))


def test_degradations_keep_size() -> None:
    crop = smooth_image(10, 10)
    assert softened(crop, 16).shape == (16, 16, 3)
    assert chroma_halved(crop).shape == crop.shape
    assert np.abs(chroma_halved(crop).astype(int) - crop).mean() < 10


def test_held_out_files_are_not_trained_on(folder: Path) -> None:
    training, held_out = split_held_out(find_images([folder]), 2)
    assert len(held_out) == 2
    assert set(training) | set(held_out) == set(find_images([folder]))
    assert not set(training) & set(held_out)
    with pytest.raises(ValueError, match="cannot hold out"):
        split_held_out(training, 3)
    with pytest.raises(FileNotFoundError, match="no images"):
        find_images([folder.parent / "nothing"])


def test_command_exports_a_model_that_works(folder: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    options = "--channels 8 --blocks 1,1 --mixtures 2 --steps 4 --batch-size 2 --crop-size 16 --held-out 2"
    more = "--checkpoint-every 2 --regression-rows 8"
    arguments = ["train", str(folder), "--output", str(run), *options.split(), *more.split()]
    result = CliRunner().invoke(cli.main, arguments)
    assert result.exit_code == 0, result.output
    assert "held out" in result.stderr
    image = smooth_image(20, 30)
    model = str(run / "model.safetensors")
    data = pixelzip.compress(image, model)
    assert np.array_equal(pixelzip.decompress_array(data, model=model), image)
    assert "multiply-accumulates per pixel" in (run / "model.md").read_text()
    settings = json.loads((run / "config.json").read_text())
    assert (settings["network"]["channels"], settings["network"]["regression_rows"]) == (8, 8)
    assert settings["training"]["quantise_from_step"] == 5  # never
    pytest.importorskip("matplotlib")
    drawn = CliRunner().invoke(cli.main, ["curve", str(run), "-o", str(tmp_path / "curve.png")])
    assert drawn.exit_code == 0, drawn.output
    with Image.open(tmp_path / "curve.png") as curve:
        assert curve.size == (800, 450)
    wrong = CliRunner().invoke(cli.main, ["train", str(folder), "--output", str(tmp_path / "x"), "--blocks", "0"])
    assert wrong.exit_code == 1
    assert wrong.stderr.startswith("Error: ")


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "No such file or directory"), ("", "the file is empty"),
     ("{", "its curve.jsonl is not one that pixelzip train wrote"),
     ('{"step": 1}', "its curve.jsonl is not one that pixelzip train wrote")],
)  # fmt: skip
def test_what_is_no_run_has_no_curve(content: str | None, message: str, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    if content is not None:
        (tmp_path / "curve.jsonl").write_text(content)
    result = CliRunner().invoke(cli.main, ["curve", str(tmp_path), "-o", str(tmp_path / "curve.png")])
    assert (result.exit_code, result.stderr) == (1, f"Error: {tmp_path}: {message}\n")
    assert not (tmp_path / "curve.png").exists()


def test_two_processes(folder: Path, tmp_path: Path) -> None:
    options = "--channels 8 --blocks 1 --mixtures 2 --steps 2 --batch-size 2 --crop-size 16 --held-out 2 -T 1"
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    arguments = ["-m", "pixelzip", "train", str(folder), "--output", str(tmp_path / "run"), *options.split()]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    result = subprocess.run([*command, *arguments], capture_output=True, text=True, env=environment, check=False)
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "run" / "model.safetensors").exists()


@pytest.mark.data
@pytest.mark.skipif(not Path("../shared/data/kodak").exists(), reason="the shared photographs are not here")
def test_evaluation_images_are_not_training_images() -> None:
    """Compare thumbnails: no Kodak image, whole, is a training image or its mirror."""

    def thumbnail(path: Path) -> np.ndarray:
        with Image.open(path) as image:
            return np.asarray(image.convert("L").resize((16, 16)), dtype=np.float64)

    training = [Path("../shared/data/photos"), Path("../shared/data/jpeg-origin")]
    known = np.stack([thumbnail(path) for path in find_images(training)])
    for path in find_images([Path("../shared/data/kodak")]):
        for view in (thumbnail(path), thumbnail(path)[:, ::-1]):
            assert float(np.abs(known - view).mean(axis=(1, 2)).min()) > 4, path.name


@pytest.fixture
def cifar10(tmp_path: Path) -> Path:
    """Two sheets of 4 and 2 images in which every pixel of an image has one level."""
    folder = tmp_path / "cifar10"
    folder.mkdir()
    levels = np.arange(1, 9, dtype=np.uint8).reshape(2, 4)
    sheet = np.repeat(np.repeat(levels, 32, axis=0), 32, axis=1)[..., None].repeat(3, axis=2)
    Image.fromarray(sheet).save(folder / "train-00.webp", lossless=True)
    Image.fromarray(sheet[:32, :64]).save(folder / "eval-00.webp", lossless=True)
    return folder


def test_small_images_are_all_seen_once_an_epoch() -> None:
    images = np.stack([smooth_image(6, 8, seed=seed) for seed in range(7)])
    labels = np.arange(7, dtype=np.uint8)
    batches = iter(SmallImages(images, labels, 3, seed=1))
    epoch = [next(batches) for _ in range(2)]
    seen = [int(label) for batch in epoch for label in batch.classes]  # type: ignore[union-attr]
    assert len(set(seen)) == 6
    for batch in epoch:
        for pixels, label in zip(batch.pixels.permute(0, 2, 3, 1).numpy(), batch.classes.tolist(), strict=True):  # type: ignore[union-attr]
            assert any(np.array_equal(pixels, view) for view in (images[label], images[label][:, ::-1]))
    resumed = next(iter(SmallImages(images, labels, 3, seed=1, skip=1)))
    assert torch.equal(resumed.pixels, epoch[1].pixels)
    with pytest.raises(ValueError, match="7 images do not fill a batch of 8"):
        SmallImages(images, None, 8, seed=1)


def test_evaluation_images_of_cifar10_are_not_trained_on(cifar10: Path) -> None:
    settings = config(cifar10, cifar10=True, num_held_out=2)
    batches, held_out = training_data(NETWORK, settings, seed=0, skip=0)
    assert isinstance(batches, SmallImages)
    assert batches.images[:, 0, 0, 0].tolist() == [3, 4, 5, 6, 7, 8]
    assert [batch.pixels.shape for batch in held_out] == [(2, 3, 32, 32)]
    with pytest.raises(ValueError, match="these images have no classes"):
        training_data(PaperConfig(num_classes=10), settings, seed=0, skip=0)
    with pytest.raises(ValueError, match="photographs have no classes"):
        training_data(PaperConfig(num_classes=10), config(cifar10), seed=0, skip=0)


def test_a_network_grows_new_blocks_that_add_nothing(folder: Path, tmp_path: Path) -> None:
    trained = ConePixelCNN(NETWORK)
    export_network(trained, tmp_path / "model.safetensors", {})
    deeper = build(replace(NETWORK, blocks=(3,)))
    deeper.load_state_dict(initial_weights([str(tmp_path / "model.safetensors")], deeper))
    same = float_network(load_network(tmp_path / "model.safetensors"))
    pixels = torch.from_numpy(smooth_image(9, 12)).permute(2, 0, 1)[None].float()
    with torch.no_grad():
        assert torch.equal(deeper(pixels)[0], same(pixels)[0])


def test_an_ensemble_starts_as_the_mean_of_its_members(tmp_path: Path) -> None:
    widths = (8, 5, 12)
    for channels in widths:
        config = replace(NETWORK, channels=channels, period=4 * (channels == 8))
        export_network(ConePixelCNN(config), tmp_path / f"{channels}.safetensors", {})
    paths = [str(tmp_path / f"{channels}.safetensors") for channels in widths]
    ensemble = build(replace(NETWORK, channels=8, members=(5, 12), period=4))
    ensemble.load_state_dict(initial_weights(paths, ensemble))
    pixels = torch.from_numpy(smooth_image(9, 12)).permute(2, 0, 1)[None].float()
    with torch.no_grad():
        said = [float_network(load_network(Path(path)))(pixels)[0] for path in paths]
        torch.testing.assert_close(ensemble(pixels)[0], sum(said) / 3)
    export_network(ensemble, tmp_path / "ensemble.safetensors", {})
    same = initial_weights([str(tmp_path / "ensemble.safetensors")], ensemble)
    assert all(torch.allclose(same[name], tensor, atol=0.05) for name, tensor in ensemble.state_dict().items())


def test_a_network_without_places_takes_every_pixel_for_the_mean_one(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    export_network(ConePixelCNN(replace(NETWORK, period=4)), path, {})
    plain = build(NETWORK)
    assert isinstance(plain, ConePixelCNN)
    plain.load_state_dict(initial_weights([str(path)], plain))
    places = float_network(load_network(path)).state_dict()
    stem, count = places["layers.0.weight"], NETWORK.num_features
    assert torch.equal(plain.state_dict()["layers.0.weight"], stem[:, :, :count])
    means = stem[:, 0, count : count + 4].mean(dim=1) + stem[:, 0, count + 4 :].mean(dim=1)
    torch.testing.assert_close(plain.state_dict()["layers.0.bias"], places["layers.0.bias"] + means)


@pytest.mark.parametrize("depthwise", [False, True])
def test_a_wider_network_starts_as_the_narrow_one(depthwise: bool, tmp_path: Path) -> None:
    narrow = replace(NETWORK, depthwise=depthwise)
    path = tmp_path / "model.safetensors"
    export_network(ConePixelCNN(narrow), path, {})
    wide = ConePixelCNN(replace(narrow, channels=narrow.channels + 5, blocks=(2,)))
    wide.load_state_dict(initial_weights([str(path)], wide))
    pixels = torch.from_numpy(smooth_image(9, 12)).permute(2, 0, 1)[None].float()
    torch.testing.assert_close(wide(pixels)[0], float_network(load_network(path))(pixels)[0])
    head = wide.layers[-1].weight
    assert head[:, :, narrow.channels :].count_nonzero() == 0
    assert wide.layers[0].weight[narrow.channels :].count_nonzero() > 0


def test_weights_that_do_not_fit_are_refused(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    export_network(ConePixelCNN(NETWORK), path, {})
    for network, message in (
        (replace(NETWORK, blocks=(1, 1)), "only networks of one resolution can grow"),
        (replace(NETWORK, mixtures=3), "a network cannot change the number of its components"),
        (replace(NETWORK, channels=4), "a network can become wider, not narrower nor of another kind"),
        (replace(NETWORK, depthwise=True), "a network can become wider, not narrower nor of another kind"),
        (PaperConfig(channels=4, blocks=1, mixtures=1), "these weights are of another network"),
    ):
        with pytest.raises(ValueError, match=f"{path}: {message}"):
            Trainer(network, config(folder, initial=(str(path),)), tmp_path / "run")
    deeper = tmp_path / "deeper.safetensors"
    export_network(ConePixelCNN(replace(NETWORK, blocks=(2,))), deeper, {})
    for network in (NETWORK, replace(NETWORK, members=(NETWORK.channels,))):
        with pytest.raises(ValueError, match=f"{path}, {deeper}: these are not the members of such an ensemble"):
            Trainer(network, config(folder, initial=(str(path), str(deeper))), tmp_path / "run")


def test_small_images_take_every_third_turn(folder: Path, cifar10: Path, tmp_path: Path) -> None:
    mixed, held_out = training_data(NETWORK, config(folder, small_images=str(cifar10), crop_size=32), 0, 0)
    crops, _ = training_data(NETWORK, config(folder, crop_size=32), 0, 0)
    assert isinstance(mixed, Alternating)
    batches = [batch.pixels for batch, _ in zip(mixed, range(7), strict=False)]
    assert [tuple(batch.shape) for batch in batches] == 7 * [(2, 3, 32, 32)]
    assert len(held_out) == 2
    expected = [batch.pixels for batch, _ in zip(crops, range(5), strict=False)]
    assert all(map(torch.equal, (batches[index] for index in (0, 1, 3, 4, 6)), expected))
    trainer = Trainer(NETWORK, config(folder, small_images=str(cifar10), crop_size=40), tmp_path / "run")
    assert {tuple(pixels.shape[2:]) for pixels in trainer.some_pixels()} == {(40, 40), (32, 32)}
    for position in range(1, 5):
        mixed.position = position
        resumed = [batch.pixels for batch, _ in zip(mixed, range(7 - position), strict=False)]
        assert all(map(torch.equal, resumed, batches[position:]))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--small-images", ".", "--planes"], "--small-images goes with photographs, not with --planes or --cifar10"),
        (2 * ["--initial", "."], "--initial is given once, or for an ensemble once for each member"),
    ],
)
def test_options_that_exclude_each_other(folder: Path, tmp_path: Path, options: list[str], message: str) -> None:
    result = CliRunner().invoke(cli.main, ["train", str(folder), "--output", str(tmp_path / "run"), *options])
    assert result.exit_code == 1
    assert result.output == f"Error: {message}\n"


def test_the_paper_s_network_trains_and_resumes(cifar10: Path, tmp_path: Path) -> None:
    network = PaperConfig(channels=4, blocks=1, mixtures=1)
    settings = config(cifar10, cifar10=True, num_held_out=2, num_steps=4, num_steps_between_checkpoints=2)
    straight = Trainer(network, settings, tmp_path / "straight")
    straight.run(lambda row: None)
    Trainer(network, settings, tmp_path / "paused").run(lambda row: None, stop_at=2)
    resumed = Trainer(network, settings, tmp_path / "paused")
    resumed.run(lambda row: None)
    assert torch.equal(weights(straight), weights(resumed))
    onward = Trainer(network, replace(settings, initial=(str(tmp_path / "straight"),)), tmp_path / "onward")
    assert onward.step == 0


def test_families_from_the_command_line(cifar10: Path, tmp_path: Path) -> None:
    common = ["train", str(cifar10), "--cifar10", "--steps", "1", "--batch-size", "2", "--held-out", "2"]
    paper = [
        "--family",
        "paper",
        "--channels",
        "4",
        "--blocks",
        "1",
        "--mixtures",
        "1",
        "--output",
        str(tmp_path / "a"),
    ]
    result = CliRunner().invoke(cli.main, [*common, *paper])
    assert result.exit_code == 0, result.output
    assert "PaperConfig(channels=4" in (tmp_path / "a" / "model.md").read_text()
    assert json.loads((tmp_path / "a" / "config.json").read_text())["training"]["quantise_from_step"] == 1  # of 1: 0.75
    cone = ["--channels", "4", "--blocks", "1", "--mixtures", "1", "--depthwise", "--output", str(tmp_path / "c")]
    result = CliRunner().invoke(cli.main, [*common, *cone])
    assert result.exit_code == 0, result.output
    assert "depthwise=True" in (tmp_path / "c" / "model.md").read_text()
    for wrong, message in (
        (["--family", "paper", "--blocks", "1,2"], "have one number of blocks"),
        (["--family", "paper", "--planes"], "have one number of blocks, no planes, no regression"),
        (["--family", "paper", "--regression-rows", "64"], "have one number of blocks, no planes, no regression"),
        (["--family", "paper", "--depthwise"], "no regression, no members and no depthwise layers"),
        (["--regression-rows", "64"], "regression_rows without regression"),
        (["--class-conditional"], "cone family have no classes"),
        (["--family", "paper", "--class-conditional"], "these images have no classes"),
    ):
        result = CliRunner().invoke(cli.main, [*common, *wrong, "--output", str(tmp_path / "b")])
        assert result.exit_code == 1
        assert message in result.stderr


def test_the_average_forgets_where_a_short_run_began() -> None:
    """From 0 towards 1: a constant decay of 0.999 would leave 0.96 of the way."""
    average = torch.zeros(1)
    for num_averaged in range(1, 41):
        moving_average(0.999)((average,), (torch.ones(1),), torch.tensor(num_averaged))
    left = math.prod((1 + n) / (10 + n) for n in range(1, 41))
    assert left < 1e-6
    assert float(average) == pytest.approx(1 - left, abs=1e-6)
