"""The profile: time is counted once, every stage is found, nothing stays patched."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from click.testing import CliRunner
from conftest import smooth_image
from PIL import Image
from test_jpeg import as_jpeg, decoded, texture

from pixelzip import ans, cli, native, profile
from pixelzip.product import Product


def test_time_of_inner_stages_counts_there_only(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0]

    def spend(seconds: int) -> None:
        clock[0] += seconds

    monkeypatch.setattr(profile, "time", SimpleNamespace(perf_counter=lambda: clock[0]))
    watch = profile.Stopwatch()
    inner = watch.timed("inner", lambda: spend(20))
    outer = watch.timed("outer", lambda: (spend(10), inner(), inner()))
    outer()
    assert watch.seconds == {"inner": 40, "outer": 10}


@pytest.mark.usefixtures("always_modelled")
def test_every_stage_is_found_and_left_as_it_was(model_path: str, engine: str) -> None:
    before = ans.encode, Product._sums, native.decode
    compress, decompress = profile.run([smooth_image(40, 50)], model_path, "cpu")
    assert (ans.encode, Product._sums, native.decode) == before
    assert (compress.direction, decompress.direction) == ("compress", "decompress")
    network = {
        "native": {profile.LAYERS, profile.INPUTS},
        "torch": {profile.PRODUCTS, "network: inputs, gathering, rounding"},
    }
    shared = {profile.OTHER, "container", *network[engine]}
    assert shared <= compress.seconds_by_stage.keys()
    assert {"distribution", "ANS"} <= compress.seconds_by_stage.keys()
    assert shared <= decompress.seconds_by_stage.keys()
    assert list(compress.seconds_by_stage.values()) == sorted(compress.seconds_by_stage.values(), reverse=True)
    assert compress.num_pixels == 2000
    assert compress.giga_products_per_second > 0


@pytest.mark.skipif(not native.INSTRUCTION_SETS, reason="the extension is not built")
def test_levels_of_jpegs_are_a_stage() -> None:
    for direction in profile.run([decoded(as_jpeg(texture(64, 64)))], "photo", "cpu"):
        assert "JPEG: contexts, network, ANS" in direction.seconds_by_stage


def test_command(tmp_path: object, model_path: str) -> None:
    Image.fromarray(smooth_image(40, 50)).save(f"{tmp_path}/a.png")
    arguments = ["bench", f"{tmp_path}/a.png", "--model", model_path]
    result = CliRunner().invoke(cli.main, [*arguments, "--profile"])
    assert result.exit_code == 0, result.output
    assert "importing what compression needs: " in result.output
    assert "decompress: " in result.output
    wrong = CliRunner().invoke(cli.main, [*arguments, "--profile", "--json"])
    assert (wrong.exit_code, "exclude each other" in wrong.stderr) == (2, True)
