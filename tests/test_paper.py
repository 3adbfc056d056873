"""The paper's network: size, causality, likelihoods, integers, classes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import PAPER_CONFIGS, make_network, smooth_image
from reference_network import reference_outputs

import pixelzip
from pixelzip.models.export import _output_steps, export_network, float_network
from pixelzip.models.integer import config_from_json, config_to_json, load_network
from pixelzip.models.mixture import bits, continuous_bits
from pixelzip.models.paper import PaperConfig
from pixelzip.models.tables import make_tables
from pixelzip.models.two_stream import PaperPixelCNN, parameters
from pixelzip.pack import Pack, pack
from pixelzip.predict import Predictor
from pixelzip.product import view
from pixelzip.streams import Tiles, measure_tiles

SMALL = PAPER_CONFIGS[0]
WITH_CLASSES = replace(SMALL, num_classes=3)
SOFTMAX = replace(SMALL, likelihood="softmax")


def as_pixels(image: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(image).permute(2, 0, 1)[None].float()


def test_the_paper_s_configuration_has_its_size() -> None:
    with torch.device("meta"):
        network = PaperPixelCNN(PaperConfig())
    assert sum(parameter.numel() for parameter in network.parameters()) == 53_659_080
    assert PaperConfig().multiplications_per_pixel == 24_039_040


def test_every_gate_comes_after_a_second_concat_elu() -> None:
    layers = {layer.name: layer for layer in PaperConfig().plan()}
    gates = [layer for layer in layers.values() if layer.output == "gate"]
    assert len(gates) == 2 * (15 + 17)
    assert all(gate.source == f"{gate.name}.hidden.concat_elu" for gate in gates)
    hidden = [layers[f"{gate.name}.hidden"] for gate in gates]
    assert all(layer.source == f"{gate.residual}.concat_elu" for gate, layer in zip(gates, hidden, strict=True))
    assert [len(layer.auxiliary) for layer in hidden] == [0, 1] * 15 + [1, 2] * 17


def test_without_shortcuts_or_downsampling() -> None:
    plan = replace(PaperConfig(), shortcuts=False).plan()
    assert {len(layer.auxiliary) for layer in plan} == {0, 1}
    assert {layer.scale for layer in replace(PaperConfig(), downsampling=False).plan()} == {1}
    assert {layer.scale for layer in PaperConfig().plan()} == {1, 2, 4}


@pytest.mark.parametrize("config", [*PAPER_CONFIGS, SOFTMAX], ids=str)
@pytest.mark.parametrize("place", [(0, 0), (3, 4), (4, 10), (8, 0), (7, 7)])
def test_a_pixel_changes_only_later_pixels(config: PaperConfig, place: tuple[int, int]) -> None:
    network, pixels = make_network(config), as_pixels(smooth_image(9, 11))
    changed = pixels.clone()
    changed[0, :, place[0], place[1]] = 255 - changed[0, :, place[0], place[1]]
    with torch.no_grad():
        differences = (network(changed)[0] - network(pixels)[0]).abs().amax(dim=(0, 1)).flatten()
    step = place[1] + 11 * place[0]
    assert not differences[: step + 1].any()
    assert differences[step + 1 :].any() or place[0] == 8


def test_initialisation_gives_every_product_mean_zero_and_its_deviation() -> None:
    torch.manual_seed(0)
    network, pixels = PaperPixelCNN(SMALL), torch.cat([as_pixels(smooth_image(16, 16, seed=seed)) for seed in range(8)])
    seen = {}
    for module in network.layers:
        module.register_forward_hook(lambda module, inputs, output: seen.update({module.layer.name: output}))
    network.initialise(pixels)
    with torch.no_grad():
        network(pixels)
    hidden = seen["up0.0.u.hidden"]
    assert torch.allclose(hidden.mean(dim=(0, 2, 3)), torch.zeros(8), atol=1e-4)
    assert torch.allclose(hidden.std(dim=(0, 2, 3)), torch.ones(8), atol=1e-3)


@pytest.mark.parametrize("config", [SMALL, PAPER_CONFIGS[2]], ids=str)
def test_fake_quantised_network_equals_the_integers(config: PaperConfig, tmp_path: Path) -> None:
    network = make_network(config)
    network.quantised = True
    export_network(network, tmp_path / "x.safetensors", {})
    image = smooth_image(9, 14)
    raws = []
    network.layers[-1].register_forward_hook(lambda module, inputs, output: raws.append(output))
    with torch.no_grad():
        network(as_pixels(image))
    steps, shifts = _output_steps(config.plan()[-1], config)
    wanted = raws[0][0].permute(1, 2, 0).numpy() * steps + shifts
    predictor = Predictor(load_network(tmp_path / "x.safetensors"), [(9, 14)], torch.device("cpu"))
    predictor.pixels.load([image])
    errors = []
    for predicted in filter(None, map(predictor.predict, range(predictor.num_steps))):
        lanes, head, guess = predicted
        assert (guess == 128).all()
        errors.append(np.abs(wanted[lanes.row, lanes.column] - head.numpy()).max(axis=0) / steps)
    assert len(errors) == 9 * 14
    assert float(np.mean(errors)) < 0.03  # in 43 layers, sums rounded to 1/256 are rounded again to 1/32


def test_integers_cost_what_the_float_network_says(tmp_path: Path) -> None:
    network = make_network(SMALL)
    network.layers[-1].main.g.data *= 0.05  # as wide as at the start of training
    export_network(network, tmp_path / "x.safetensors", {})
    image = smooth_image(12, 16)
    with torch.no_grad():
        wanted = float(network.bits(*network(as_pixels(image)), as_pixels(image)).sum())
    cost = measure_tiles(load_network(tmp_path / "x.safetensors"), [Tiles.one(image, 0)], "cpu", None)[0]
    assert float(cost.sum()) == pytest.approx(wanted, rel=0.01)


@pytest.mark.parametrize("config", PAPER_CONFIGS, ids=str)
@pytest.mark.no_cover
def test_files_in_raster_order(config: PaperConfig, tmp_path: Path) -> None:
    model = str(tmp_path / "x.safetensors")
    export_network(make_network(config), Path(model), {})
    images = [smooth_image(*shape, seed=index) for index, shape in enumerate([(9, 13), (1, 1), (7, 20), (20, 7)])]
    together = pixelzip.compress(images, model)
    assert together == [pixelzip.compress(image, model) for image in images]
    for image, data in zip(images, together, strict=True):
        assert np.array_equal(pixelzip.decompress_array(data, model=model), image)
    packed = Pack(pack(images, model=model), model=model)
    assert all(np.array_equal(one, other) for one, other in zip(packed, images, strict=True))


def test_classes(tmp_path: Path) -> None:
    model = str(tmp_path / "x.safetensors")
    network, image = make_network(WITH_CLASSES), smooth_image(6, 7)
    export_network(network, Path(model), {})
    integers = load_network(Path(model))
    heads = []
    for label in range(3):
        predictor = Predictor(integers, [(6, 7)] * 2, torch.device("cpu"), classes=[label, 1])
        predictor.pixels.load([image, image])
        head = np.zeros((2, 6, 7, 20), dtype=int)
        for predicted in filter(None, map(predictor.predict, range(predictor.num_steps))):
            lanes, outputs, _ = predicted
            head[lanes.tile, lanes.row, lanes.column] = outputs
        assert np.array_equal(head[0], reference_outputs(integers, image, label)[0])
        assert np.array_equal(head[1], reference_outputs(integers, image, 1)[0])
        heads.append(head[0])
    assert not np.array_equal(heads[0], heads[1])
    with pytest.raises(pixelzip.UnknownModel, match="needs to be told an image's class"):
        pixelzip.compress(image, model)
    with torch.no_grad():
        first, second = (network(as_pixels(image), torch.tensor([label]))[0] for label in (0, 1))
    assert not torch.equal(first, second)


def test_softmax_probabilities_sum_to_one() -> None:
    network = make_network(SOFTMAX).double()
    pixels = torch.full((256, 3, 1, 1), 100.0, dtype=torch.float64)
    pixels[:, 2, 0, 0] = torch.arange(256)
    raw = torch.randn(1, 768, 1, 1, dtype=torch.float64).expand(256, -1, -1, -1)
    with torch.no_grad():
        joint = torch.exp2(-network.bits(raw, pixels, pixels)).sum()
    red = float(raw.view(256, 3, 256)[0, 0].softmax(dim=0)[100])
    green = float((raw.view(256, 3, 256)[0, 1] + network.coupling[0].weight[100].detach()).softmax(dim=0)[100])
    assert float(joint) == pytest.approx(red * green, rel=1e-6)


def test_softmax_cannot_be_exported(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="a network with the softmax likelihood cannot be exported"):
        export_network(make_network(SOFTMAX), tmp_path / "x", {})


def test_continuous_likelihood_is_a_density() -> None:
    torch.manual_seed(0)
    raw, guess = torch.randn(1, 20, 1, 1).double(), torch.full((1, 3, 1, 1), 128.0).double()
    levels = torch.arange(-3000, 3000, 0.5, dtype=torch.float64)
    pixels = torch.full((len(levels), 3, 1, 1), 128.0, dtype=torch.float64)
    pixels[:, 2, 0, 0] = levels
    zero = torch.zeros_like(pixels)
    total = torch.exp2(-continuous_bits(raw.expand(len(levels), -1, -1, -1), guess, pixels, zero)).sum() / 2
    pixels[:, 1, 0, 0], pixels[:, 2, 0, 0] = levels, 128.0
    assert float(total) < 1
    wide = raw.clone()
    wide.view(10, 2)[4:7] = 4.0
    inner = pixels[:1].clone()
    inner[:, :, 0, 0] = 120.0
    discrete, continuous = bits(wide, guess, inner), continuous_bits(wide, guess, inner, zero[:1])
    assert float(discrete) == pytest.approx(float(continuous), abs=1e-3)


def test_parameters_are_in_levels() -> None:
    raw = torch.zeros(1, 10, 1, 1)
    raw[0, 1:4], raw[0, 4:7], raw[0, 7:] = 0.5, -9.0, 1.0
    turned = parameters(raw)[0, :, 0, 0]
    assert turned[1:4].tolist() == pytest.approx([0.5 * 127.5 / 4] * 3)
    assert turned[4:7].tolist() == pytest.approx([np.log(127.5) - 7] * 3)
    assert turned[7:].tolist() == pytest.approx([np.tanh(1)] * 3)


def test_tables_of_nonlinearities() -> None:
    tables = make_tables(("tanh", "elu", "sigmoid"))
    assert {name: (len(table), table.dtype) for name, table in tables.items()} == dict.fromkeys(tables, (513, np.int32))
    assert tables["elu"][[0, 224, 256, 288, 479, 480, 512]].tolist() == [-128, -116, -96, -64, 127, 127, 127]
    assert tables["sigmoid"][[0, 256, 288, 512]].tolist() == [5, 8192, 11978, 16379]
    assert tables["tanh"][[0, 256, 320, 512]].tolist() == [-256, 0, 195, 256]


def test_views_of_every_sum() -> None:
    tables = {"elu": torch.from_numpy(make_tables(("elu",))["elu"])}
    sums = torch.arange(-(2**15) + 1, 2**15, dtype=torch.int16)[:, None]
    wanted = sums[:, 0].long()
    entries = ((wanted + 4) >> 3).clamp(-256, 256) + 256
    assert torch.equal(view("raw", sums, tables)[:, 0].long(), ((wanted + 8) >> 4).clamp(-128, 127))
    assert torch.equal(view("elu", sums, tables)[:, 0].int(), tables["elu"][entries])
    assert torch.equal(
        view("concat_elu", sums, tables).int(), tables["elu"][torch.stack((entries, 512 - entries), dim=1)]
    )


def test_configurations_survive_their_files() -> None:
    for config in (PaperConfig(), WITH_CLASSES, SOFTMAX):
        assert config_from_json(config_to_json(config)) == config
    with pytest.raises(KeyError):
        config_from_json('{"family": "later"}')


def test_config_rejects_nonsense() -> None:
    for wrong in ({"channels": 0}, {"dropout": 1.0}, {"num_classes": -1}, {"likelihood": "gaussian"}):
        with pytest.raises(ValueError, match="must"):
            PaperConfig(**wrong)  # type: ignore[arg-type]


def test_only_the_cone_family_is_trained_on_from_files(tmp_path: Path) -> None:
    export_network(make_network(SMALL), tmp_path / "x.safetensors", {})
    with pytest.raises(ValueError, match="only models of the cone family"):
        float_network(load_network(tmp_path / "x.safetensors"))
