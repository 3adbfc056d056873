"""Sampling: chance in the place of a stream, the same images in any batch."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from conftest import CONFIGS, PAPER_CONFIGS, make_network
from PIL import Image

from pixelzip import cli, models
from pixelzip.models.export import export_network
from pixelzip.models.integer import IntegerNetwork, load_network
from pixelzip.sample import Chance, arrange, draw


@pytest.fixture(params=[CONFIGS[0], replace(PAPER_CONFIGS[0], num_classes=2)], ids=str)
def network(request: pytest.FixtureRequest, tmp_path: Path) -> IntegerNetwork:
    export_network(make_network(request.param), tmp_path / "x.safetensors", {})
    return load_network(tmp_path / "x.safetensors")


def label_of(network: IntegerNetwork) -> int | None:
    return 1 if network.config.num_classes else None


def test_images_do_not_depend_on_the_batch(network: IntegerNetwork) -> None:
    label = label_of(network)
    three = draw(network, 3, (7, 9), label=label, seed=5)
    assert [image.shape for image in three] == [(7, 9, 3)] * 3
    assert np.array_equal(draw(network, 1, (7, 9), label=label, seed=5)[0], three[0])
    assert not np.array_equal(three[0], three[1])
    assert not np.array_equal(draw(network, 1, (7, 9), label=label, seed=6)[0], three[0])


def test_labels_are_checked(network: IntegerNetwork) -> None:
    wrong = (None, 2) if network.config.num_classes else (0,)
    for label in wrong:
        with pytest.raises(ValueError, match="0 to 1" if network.config.num_classes else "knows no classes"):
            draw(network, 1, (4, 4), label=label)


def test_planes_are_no_pictures() -> None:
    with pytest.raises(ValueError, match="luma and chroma planes"):
        draw(models.load("photo-planes"), 1, (4, 4))


def test_chance_draws_in_proportion() -> None:
    counts = np.ones(16, dtype=np.float32)
    counts[3], counts[7] = 2**23 - 14, 2**23
    drawn = Chance([0]).decode(np.tile(counts - 1, (4000, 1)))
    assert set(drawn.tolist()) == {3, 7}
    assert abs(int((drawn == 7).sum()) - 2000) < 200


def test_grid() -> None:
    images = [np.full((2, 3, 3), level, dtype=np.uint8) for level in range(1, 6)]
    grid = arrange(images)
    assert grid.shape == (5, 11, 3)
    assert grid[:, :, 0].tolist() == [
        [1, 1, 1, 0, 2, 2, 2, 0, 3, 3, 3],
        [1, 1, 1, 0, 2, 2, 2, 0, 3, 3, 3],
        [0] * 11,
        [4, 4, 4, 0, 5, 5, 5, 0, 0, 0, 0],
        [4, 4, 4, 0, 5, 5, 5, 0, 0, 0, 0],
    ]


def test_command(tmp_path: Path, model_path: str) -> None:
    output = tmp_path / "grid.png"
    arguments = ["sample", "--model", model_path, "-n", "4", "-o", str(output), "--size", "5", "6"]
    assert CliRunner().invoke(cli.main, arguments).exit_code == 0
    with Image.open(output) as grid:
        assert grid.size == (13, 11)
    again = CliRunner().invoke(cli.main, arguments)
    assert (again.exit_code, again.stderr) == (1, f"Error: {output} exists; use -f to overwrite it\n")
    wrong = CliRunner().invoke(cli.main, [*arguments, "-f", "--class", "3"])
    assert (wrong.exit_code, wrong.stderr) == (1, "Error: the model knows no classes\n")
    unknown = CliRunner().invoke(cli.main, ["sample", "--model", "nothing", "-o", str(tmp_path / "x.png")])
    assert unknown.exit_code == 1
    assert unknown.stderr.startswith("Error: there is no model 'nothing' (known: ")
