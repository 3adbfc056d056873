"""Stages 4 to 6 in C: the same integers as with torch, which equal the reference, on every instruction set."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import exported, loud, make_network, smooth_image
from hypothesis import given, settings
from hypothesis import strategies as st

from pixelzip import native, short_stream, streams, wavefront
from pixelzip.errors import CorruptFile
from pixelzip.models.config import ConeConfig
from pixelzip.models.export import export_network
from pixelzip.models.integer import IntegerNetwork, load_network
from pixelzip.models.paper import PaperConfig
from pixelzip.streams import MORE, CodedTiles, Tiles

pytestmark = pytest.mark.skipif(not native.INSTRUCTION_SETS, reason="the extension is not built")

CONFIGS = (
    ConeConfig(channels=16, blocks=(2,), mixtures=3),
    ConeConfig(channels=7, blocks=(1,), mixtures=1),
    ConeConfig(channels=80, blocks=(1,), mixtures=16),
    ConeConfig(channels=99, blocks=(3,), mixtures=5, period=4),
    ConeConfig(channels=24, blocks=(1,), mixtures=5, adaptive=True),
    ConeConfig(channels=37, blocks=(2,), mixtures=5, depthwise=True),
    ConeConfig(channels=20, blocks=(1,), mixtures=5, period=4, depthwise=True, members=(33, 16)),
    ConeConfig(channels=20, blocks=(1,), mixtures=5, adaptive=True, regression=True),
    ConeConfig(channels=20, blocks=(1,), mixtures=5, adaptive=True, regression=True, regression_rows=9),
)
SHAPES = ((9, 13), (1, 1), (1, 5), (6, 1), (8, 8), (17, 3), (2, 2), (30, 41))


@pytest.fixture(scope="module", params=CONFIGS, ids=str)
def network(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> IntegerNetwork:
    return exported(request.param, tmp_path_factory.mktemp("model") / "random.safetensors")


def tiles(num_channels: int = 3, is_short: bool = False) -> list[Tiles]:
    generator = np.random.default_rng(1)
    noise = [generator.integers(0, 256, (*shape, num_channels), dtype=np.uint8) for shape in SHAPES]
    smooth = [smooth_image(*shape, num_channels) for shape in SHAPES]
    flat = [np.full((6, 5, num_channels), level, np.uint8) for level in (0, 255)]
    return [Tiles.one(pixels, 99, (3, 2), is_short) for pixels in (*noise, *smooth, *flat)]


def coded(tile: Tiles, stream: bytes) -> CodedTiles:
    return tile.coded([stream])


def torch_intervals(network: IntegerNetwork, tile: Tiles) -> tuple[np.ndarray, np.ndarray]:
    with torch.inference_mode():
        waves = list(wavefront._intervals(network, [tile], torch.device("cpu")))
    left, counts = (np.concatenate([wave[index].ravel() for wave in waves]) for index in (1, 2))
    return left, counts


@pytest.mark.parametrize("num_channels", [1, 3])
@pytest.mark.no_cover
def test_intervals_equal_those_of_torch(
    network: IntegerNetwork, num_channels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for tile in tiles(num_channels):
        expected = torch_intervals(network, tile)
        for instruction_set in native.INSTRUCTION_SETS:
            ported = native.port(network, instruction_set)
            monkeypatch.setattr(native, "_ported", lambda network, ported=ported: ported)
            assert np.array_equal(native.intervals(network, tile.pixels, tile.origin)[0], expected), instruction_set


@pytest.mark.no_cover
def test_heads_that_are_clamped(network: IntegerNetwork, monkeypatch: pytest.MonkeyPatch) -> None:
    tile = tiles()[3]
    expected = torch_intervals(loud(network), tile)
    for instruction_set in native.INSTRUCTION_SETS:
        ported = native.port(loud(network), instruction_set)
        monkeypatch.setattr(native, "_ported", lambda network, ported=ported: ported)
        assert np.array_equal(native.intervals(network, tile.pixels, tile.origin)[0], expected), instruction_set


@pytest.mark.parametrize("is_short", [False, True])
@pytest.mark.parametrize("num_channels", [1, 3])
@pytest.mark.no_cover
def test_streams_equal_those_of_torch_and_are_read_by_both(
    network: IntegerNetwork, num_channels: int, is_short: bool
) -> None:
    some = tiles(num_channels, is_short)
    written = streams.encode_tiles(network, some, "cpu", 2)
    assert written == wavefront.encode_tiles(network, some, "cpu", 1)
    files = [coded(tile, stream) for tile, stream in zip(some, written, strict=True)]
    for decode in (streams.decode_tiles, wavefront.decode_tiles):
        for tile, pixels in zip(some, decode(network, files, "cpu", 2), strict=True):
            assert np.array_equal(pixels, tile.pixels[0])


@settings(max_examples=60)
@given(data=st.data())
@pytest.mark.parametrize("is_short", [False, True])
@pytest.mark.no_cover
def test_damaged_streams_are_read_as_torch_reads_them(
    network: IntegerNetwork, is_short: bool, data: st.DataObject
) -> None:
    tile = Tiles.one(smooth_image(6, 5, data.draw(st.sampled_from([1, 3]))), 5, is_short=is_short)
    stream = bytearray(streams.encode_tiles(network, [tile], "cpu", 1)[0])
    for _ in range(data.draw(st.integers(0, 3))):
        stream[data.draw(st.integers(0, len(stream) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    del stream[data.draw(st.integers(0, len(stream))) :]
    stream += data.draw(st.binary(max_size=30))
    file = coded(tile, bytes(stream))
    one, other = (decode(network, [file], "cpu", 1)[0] for decode in (streams.salvage_tiles, wavefront.decode_tiles))
    assert type(one) is type(other)
    if isinstance(one, CorruptFile):
        assert str(one) == str(other)
    else:
        assert np.array_equal(one, other)


def test_a_wrong_stream_gives_the_same_pixels_and_state(network: IntegerNetwork) -> None:
    """Every symbol of a stream of chance is decoded as torch decodes it, although no checksum fits."""
    words, shape = np.random.default_rng(4).bytes(400), (12, 11, 3)
    (pixels,), (rest,) = native.decode(network, [words], shape, (0, 0), False)
    (decoder,) = CodedTiles.one(words, shape, 0).open()
    predictor = wavefront.Predictor(network, [shape[:2]], torch.device("cpu"))
    assert np.array_equal(wavefront.fill(predictor, [decoder], [shape])[0], pixels)
    assert rest == min(decoder.rest(), MORE)


def test_what_is_left_is_the_checksum(network: IntegerNetwork) -> None:
    tile = tiles()[0]
    words = short_stream.words(streams.encode_tiles(network, [tile], "cpu", 1)[0])
    _, rests = native.decode(network, [words], tile.shape, tile.origin, False)
    assert rests.tolist() == [2**32 + zlib.crc32(tile.pixels, 99)]


def test_measured_bits_equal_those_of_torch(network: IntegerNetwork) -> None:
    some = tiles()
    for one, other in zip(
        streams.measure_tiles(network, some, "cpu", 2), wavefront.measure_tiles(network, some, "cpu", 1), strict=True
    ):
        assert np.array_equal(one, other)


@pytest.mark.parametrize("config", [ConeConfig(channels=8, blocks=(1, 2), mixtures=2), PaperConfig(8, 1, 2)], ids=str)
def test_other_networks_and_devices_run_with_torch(config: ConeConfig | PaperConfig, tmp_path: Path) -> None:
    export_network(make_network(config), tmp_path / "a.safetensors", {})
    assert not native.runs(load_network(tmp_path / "a.safetensors"), "cpu")


def test_gpus_run_with_torch(network: IntegerNetwork) -> None:
    assert native.runs(network, "cpu")
    assert not native.runs(network, "cuda")


@pytest.mark.parametrize("depthwise", [False, True])
@pytest.mark.parametrize("instruction_set", native.INSTRUCTION_SETS)
def test_sums_at_the_extremes(
    instruction_set: str, depthwise: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Weights of 64 everywhere and activations of 255, where saturating additions would be wrong."""
    module = make_network(ConeConfig(channels=16, blocks=(1,), mixtures=2, depthwise=depthwise))
    with torch.no_grad():
        for layer in module.layers:
            layer.weight.copy_(torch.where(torch.rand(layer.weight.shape[0], 1, 1) < 0.5, 1.0, -1.0))
            layer.bias.fill_(0.3)
    export_network(module, tmp_path / "extreme.safetensors", {})
    network = load_network(tmp_path / "extreme.safetensors")
    assert {abs(int(value)) for layer in network.layers for value in layer.weight.ravel()} == {64}
    monkeypatch.setattr(native, "_ported", lambda network: native.port(network, instruction_set))
    for tile in tiles():
        for one, other in zip(
            native.intervals(network, tile.pixels, (0, 0))[0],
            torch_intervals(network, Tiles.one(tile.pixels[0], 0)),
            strict=True,
        ):
            assert np.array_equal(one, other)


@pytest.mark.parametrize(("channels", "depthwise"), [(64, False), (192, True), (96, True)])
def test_many_channels_and_lanes(
    channels: int, depthwise: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Blocks of 64 or 32 inputs, 16 lanes and 64 outputs, and parts of them; several tiles side by side."""
    config = ConeConfig(channels=channels, blocks=(1,), mixtures=2, period=32, depthwise=depthwise)
    export_network(make_network(config), tmp_path / "wide.safetensors", {})
    network = load_network(tmp_path / "wide.safetensors")
    for shape in ((18, 36, 3), (17, 9, 1)):
        some = np.stack([smooth_image(*shape) ^ np.uint8(change) for change in (0, 1)])
        expected = [torch_intervals(network, Tiles.one(pixels, 0)) for pixels in some]
        for instruction_set in native.INSTRUCTION_SETS:
            ported = native.port(network, instruction_set)
            monkeypatch.setattr(native, "_ported", lambda network, ported=ported: ported)
            assert np.array_equal(native.intervals(network, some, (0, 0)), expected)


@pytest.mark.parametrize("is_short", [False, True])
def test_tiles_side_by_side_are_coded_as_each_alone(network: IntegerNetwork, is_short: bool) -> None:
    generator = np.random.default_rng(6)
    some = [
        Tiles.one(generator.integers(0, 256, shape, dtype=np.uint8), seal, is_short=is_short)
        for seal, shape in enumerate([(6, 5, 3)] * 20 + [(5, 6, 3)] * 3 + [(6, 5, 1)] * 2)
    ]
    written = streams.encode_tiles(network, some, "cpu", 2)
    assert written == [streams.encode_tiles(network, [tile], "cpu", 1)[0] for tile in some]
    files = list(map(coded, some, written))
    damaged = {3: b"", 9: written[9][:-2], 10: written[11], 21: b"\x01" * 90}
    for index, stream in damaged.items():
        files[index] = coded(some[index], stream)
    found = streams.salvage_tiles(network, files, "cpu", 2)
    assert {index for index, result in enumerate(found) if isinstance(result, CorruptFile)} == set(damaged)
    alone = {index: streams.salvage_tiles(network, [files[index]], "cpu", 1)[0] for index in damaged}
    for index, result in enumerate(found):
        if index in damaged:
            assert str(result) == str(alone[index])
        else:
            assert np.array_equal(result, some[index].pixels[0])


def test_an_instruction_set_with_wrong_results_is_not_used(
    network: IntegerNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial, chosen = native._trial, list[str]()

    def port(network: IntegerNetwork, instruction_set: str) -> str:
        return instruction_set

    def wrong_but_for_plain(instruction_set: str) -> np.ndarray:
        chosen.append(instruction_set)
        return trial(real_port(network, "portable")) + (instruction_set != "portable")

    real_port = native.port
    monkeypatch.setattr(native, "port", port)
    monkeypatch.setattr(native, "_trial", wrong_but_for_plain)
    assert native._ported.__wrapped__(network) == "portable"
    assert chosen == ["portable", *native.INSTRUCTION_SETS[:-1]]


def test_wrong_sizes_are_refused(network: IntegerNetwork) -> None:
    ported, pixels = native.port(network, native.INSTRUCTION_SETS[-1]), np.zeros((2, 3, 3), np.uint8)
    numbers = np.zeros(36, np.int32)
    with pytest.raises(ValueError, match="the pixels do not have the tile's size"):
        native._native.intervals(ported, pixels, (2, 4, 3), (0, 0), np.zeros((2, 36), np.int32))
    with pytest.raises(ValueError, match="the pixels do not have the tile's size"):
        native._native.intervals(ported, pixels[:0].copy(), (2, 3, 3), (0, 0), np.zeros((2, 36), np.int32))
    with pytest.raises(ValueError, match="the intervals do not have the tiles' size"):
        native._native.intervals(ported, pixels, (2, 3, 3), (0, 0), np.zeros(71, np.int32))
    with pytest.raises(ValueError, match="whole words"):
        native._native.decode(ported, pixels, (2, 3, 3), (0, 0), [b"abc"], False, np.zeros(1, np.uint64))
    with pytest.raises(ValueError, match="as many streams as tiles"):
        native._native.decode(ported, pixels, (2, 3, 3), (0, 0), [b"abcd", b"abcd"], False, np.zeros(1, np.uint64))
    with pytest.raises(ValueError, match="as many rests as tiles"):
        native._native.decode(ported, pixels, (2, 3, 3), (0, 0), [b"abcd"], False, np.zeros(2, np.uint64))
    with pytest.raises(TypeError):
        native._native.decode(ported, pixels, (2, 3, 3), (0, 0), [None], False, np.zeros(1, np.uint64))
    with pytest.raises(ValueError, match="as many counts"):
        native._native.push(1, numbers, numbers[1:].copy())
    with pytest.raises(ValueError, match="a size, or the name"):
        native.port(network, "none")
