"""The whole path: every image comes back, the bytes depend on nothing else, damage is reported."""

from __future__ import annotations

import io
import math

import numpy as np
import pytest
import torch
from conftest import smooth_image
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

import pixelzip
from pixelzip import batching, container, models, streams
from pixelzip.models.integer import IntegerNetwork

MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")


def make_image(mode: str, height: int, width: int, kind: str, seed: int = 0) -> Image.Image:
    generator = np.random.default_rng(seed)
    if kind == "noise":
        samples = generator.integers(0, 256, (height, width, 4), dtype=np.uint8)
    elif kind == "constant":
        samples = np.full((height, width, 4), generator.integers(0, 256, 4), dtype=np.uint8)
    else:
        samples = smooth_image(height, width, 4, seed)
    if mode == "I;16":
        return Image.fromarray(samples[..., 0].astype(np.uint16) * 256 + samples[..., 1])
    if mode == "LA":
        return Image.merge("LA", [Image.fromarray(samples[..., i].copy()) for i in range(2)])
    image = Image.fromarray(samples if mode == "RGBA" else samples[..., :3].copy())
    return image.convert("P", palette=Image.Palette.ADAPTIVE, colors=13) if mode == "P" else image.convert(mode)


def assert_same(one: Image.Image, other: Image.Image) -> None:
    assert (one.mode, one.size) == (other.mode, other.size)
    assert one.tobytes() == other.tobytes()
    assert one.getpalette() == other.getpalette()


def measured_bits(network: IntegerNetwork, image: np.ndarray) -> float:
    return float(streams.measure_tiles(network, [streams.Tiles.one(image, 0)], "cpu", None)[0].sum())


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("num_bits", range(8, 17))
def test_samples_of_few_bits(num_bits: int, channels: int, small_tiles: None) -> None:
    generator = np.random.default_rng(num_bits)
    smooth = smooth_image(70, 80, channels).astype(np.uint16) << (num_bits - 8)
    image = smooth | generator.integers(0, 2 ** (num_bits - 8), smooth.shape).astype(np.uint16)
    image[0, 0, 0] = 2**num_bits - 1
    data = pixelzip.compress(image)
    header, _ = container.read(data)
    assert (header.body, header.significant_bits) == (container.BODY_MODEL, num_bits)
    restored = pixelzip.decompress_array(data)
    assert np.array_equal(restored, image[..., 0] if channels == 1 else image)
    part = pixelzip.decompress_array(data, crop=(5, 60, 70, 69))
    assert np.array_equal(part, restored[60:69, 5:70])
    salvaged = pixelzip.salvage(data)
    assert np.array_equal(salvaged.to_array(), restored)


@pytest.mark.parametrize("kind", ["noise", "constant", "smooth"])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("size", [(1, 1), (1, 9), (7, 1), (13, 6), (40, 33)])
def test_round_trip(mode: str, kind: str, size: tuple[int, int], model_path: str) -> None:
    image = make_image(mode, *size, kind)
    assert_same(pixelzip.decompress(pixelzip.compress(image, model_path), model=model_path), image)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    channels=st.integers(1, 4),
    deep=st.booleans(),
    kind=st.sampled_from(["noise", "smooth"]),
    seed=st.integers(0, 1000),
)
def test_array_round_trip(
    model_path: str, height: int, width: int, channels: int, deep: bool, kind: str, seed: int
) -> None:
    array = np.asarray(make_image("RGBA", height, width, kind, seed))[..., :channels]
    array = array.astype(np.uint16) * 257 + (seed % 7) if deep else array
    array = array[..., 0] if channels == 1 else array
    decoded = pixelzip.decompress_array(pixelzip.compress(array, model_path), model=model_path)
    assert decoded.dtype == array.dtype
    assert np.array_equal(decoded, array)


@pytest.mark.usefixtures("always_modelled", "engine")
def test_several_tiles(model_path: str) -> None:
    image = smooth_image(300, 1100)
    data = pixelzip.compress(image, model_path)
    assert pixelzip.info(data).num_tiles == 6
    assert np.array_equal(pixelzip.decompress_array(data, model=model_path), image)


@pytest.mark.usefixtures("small_tiles")
def test_bytes_depend_on_the_image_alone(model_path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    images = [smooth_image(h, w, c, h) for h, w, c in ((80, 70, 3), (31, 17, 3), (9, 50, 1), (70, 80, 3))]
    wanted = [pixelzip.compress(image, model_path) for image in images]
    assert pixelzip.compress(images, model_path) == wanted
    assert pixelzip.compress(images[::-1], model_path, num_threads=1) == wanted[::-1]
    monkeypatch.setattr("pixelzip.native.INSTRUCTION_SETS", ())
    assert pixelzip.compress(images, model_path) == wanted
    assert pixelzip.compress(images[::-1], model_path, num_threads=1) == wanted[::-1]
    monkeypatch.setattr(batching, "MAX_BATCH_ROWS", 100)
    assert pixelzip.compress(images, model_path, num_threads=2) == wanted
    monkeypatch.setattr("pixelzip.product.int8_products_are_exact", lambda device: False)
    assert pixelzip.compress(images, model_path) == wanted
    monkeypatch.setattr("pixelzip.ans.HAS_CONSTRICTION", False)
    assert pixelzip.compress(images, model_path) == wanted
    decoded = [pixelzip.decompress_array(data, model=model_path, num_threads=1) for data in wanted]
    together = pixelzip.decompress_array(wanted, model=model_path)
    for one, other, image in zip(decoded, together, images, strict=True):
        assert np.array_equal(one, other)
        assert np.array_equal(one, image[..., 0] if image.shape[2] == 1 else image)


@pytest.mark.parametrize(("dtype", "channels"), [(np.uint8, 1), (np.uint8, 3), (np.uint16, 3)])
def test_a_stack_is_a_list(dtype: type[np.generic], channels: int, model_path: str) -> None:
    stack = np.stack([smooth_image(9, 12, channels, seed) for seed in range(3)]).astype(dtype)
    files = pixelzip.compress(stack, model_path)
    assert files == pixelzip.compress(list(stack), model_path)
    decoded = np.stack(pixelzip.decompress_array(files, model=model_path))
    assert np.array_equal(decoded.reshape(stack.shape), stack)
    assert pixelzip.compress(stack[:0], model_path) == []


def test_a_stack_of_stacks_is_refused(model_path: str) -> None:
    with pytest.raises(
        pixelzip.UnsupportedImage, match=r"array of uint8 with shape \(1, 8, 8, 3\): need uint8 or uint16"
    ):
        pixelzip.compress(np.zeros((1, 1, 8, 8, 3), dtype=np.uint8), model_path)


def test_a_list_of_files_of_every_kind(model_path: str) -> None:
    images = [make_image(mode, 20, 30, kind) for mode in MODES for kind in ("noise", "constant", "smooth")]
    files = [*pixelzip.compress(images, model_path), pixelzip.compress(smooth_image(40, 50))]
    assert {pixelzip.info(data).body for data in files} == {"model", "png", "webp", "drawing"}
    decoded = pixelzip.decompress_array(files, model=model_path)
    for data, samples in zip(files, decoded, strict=True):
        alone = pixelzip.decompress_array(data, model=model_path)
        assert samples.dtype == alone.dtype
        assert np.array_equal(samples, alone)
    assert pixelzip.decompress_array([]) == []
    with pytest.raises(pixelzip.CorruptFile):
        pixelzip.decompress_array([files[0], files[1][:-1]], model=model_path)


@pytest.mark.usefixtures("engine_of_network")
def test_many_tiles_are_measured_as_one(integer_network: IntegerNetwork) -> None:
    size = 12 if integer_network.config.in_raster_order else 32  # a step for every pixel
    tiles = [streams.Tiles.one(smooth_image(*shape), 0) for shape in ((9, size - 2, 3), (size, size, 1), (1, 1, 3))]
    bits = streams.measure_tiles(integer_network, tiles, "cpu", None)
    assert [part.shape for part in bits] == [(9, size - 2), (size, size), (1, 1)]
    for tile, part in zip(tiles, bits, strict=True):
        assert np.array_equal(part, streams.measure_tiles(integer_network, [tile], "cpu", 1)[0])


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cuda_writes_the_same_bytes(model_path: str) -> None:
    image = smooth_image(300, 260)
    data = pixelzip.compress(image, model_path)
    assert pixelzip.compress(image, model_path, device="cuda") == data
    assert np.array_equal(pixelzip.decompress_array(data, model=model_path, device="cuda"), image)


def test_coded_bits_are_the_models_own(integer_network: IntegerNetwork, engine_of_network: str) -> None:
    image = smooth_image(64, 80)
    if integer_network.config.in_raster_order:
        image = image[:12, :15].copy()  # a step for every pixel
    bits = measured_bits(integer_network, image)
    stream = streams.encode_tiles(integer_network, [streams.Tiles.one(image, 0)], "cpu", None)[0]
    assert 0 <= 8 * len(stream) - bits < 8 * 6
    if engine_of_network == "torch":
        return  # the coder is the same, and what follows takes long
    more = np.tile(image, (8, 4, 1))
    more_bits = measured_bits(integer_network, more)
    stream = streams.encode_tiles(integer_network, [streams.Tiles.one(more, 0)], "cpu", None)[0]
    assert (8 * len(stream) - more_bits) / more.size < 1e-4


@pytest.mark.usefixtures("always_modelled")
def test_overhead_is_at_most_16_bytes(model_path: str) -> None:
    image = smooth_image(50, 60)
    network = models.load(model_path)
    ideal = measured_bits(network, image) / 8
    header, streams = container.read(pixelzip.compress(image, model_path))
    coded = container.write(header, streams)
    assert header.body == container.BODY_MODEL
    assert len(coded) - math.ceil(ideal) <= 16


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", ["noise", "constant", "drawing"])
def test_never_larger_than_png_and_webp(mode: str, kind: str, model_path: str) -> None:
    image = make_image(mode, 70, 90, "noise" if kind == "noise" else "constant")
    if kind == "drawing":
        colour = Image.new("RGB", (90, 70), "white")
        colour.paste((255, 0, 0), (20, 10, 60, 50))
        colour.paste((0, 0, 255), (30, 20, 40, 60))
        image = colour.convert("L").convert(mode) if mode == "I;16" else colour.convert(mode)
    sizes = []
    for name, options in (("PNG", {"optimize": True}), ("WEBP", {"lossless": True, "exact": True, "method": 6})):
        if name == "WEBP" and mode in ("I;16", "P"):
            continue
        buffer = io.BytesIO()
        image.save(buffer, name, **options)
        sizes.append(len(buffer.getvalue()))
    assert len(pixelzip.compress(image, model_path)) <= min(sizes) + 14


def test_metadata_and_strip(model_path: str) -> None:
    image = Image.fromarray(smooth_image(20, 20))
    image.info.update({"icc_profile": b"profile" * 100, "Title": "hills", "dpi": (72.0, 72.0)})
    data = pixelzip.compress(image, model_path)
    assert pixelzip.info(data).metadata == {"icc_profile": b"profile" * 100, "Title": "hills", "dpi": (72.0, 72.0)}
    assert pixelzip.decompress(data, model=model_path).info["icc_profile"] == b"profile" * 100
    stripped = pixelzip.compress(image, model_path, strip=True)
    assert pixelzip.info(stripped).metadata == {}
    assert len(stripped) < len(data)


@pytest.mark.usefixtures("always_modelled")
def test_every_flipped_bit_is_reported(model_path: str) -> None:
    image = Image.fromarray(smooth_image(8, 8))
    image.info["Title"] = "hills"
    data = pixelzip.compress(image, model_path)
    for position in range(8 * len(data)):
        damaged = bytearray(data)
        damaged[position // 8] ^= 1 << position % 8
        with pytest.raises(pixelzip.PixelzipError):
            pixelzip.decompress(bytes(damaged), model=model_path)


@pytest.mark.parametrize("mode", ["1", "P", "RGB", "LA"])
def test_flipped_bits_of_embedded_files_never_change_pixels(mode: str, model_path: str) -> None:
    image = make_image(mode, 60, 60, "constant")
    data = pixelzip.compress(image, model_path)
    assert pixelzip.info(data).body != "model"
    for position in range(8 * len(data)):
        damaged = bytearray(data)
        damaged[position // 8] ^= 1 << position % 8
        try:
            decoded = pixelzip.decompress(bytes(damaged), model=model_path)
        except pixelzip.PixelzipError:
            continue
        assert decoded.tobytes() == image.tobytes()


@pytest.mark.usefixtures("always_modelled")
def test_swapped_tiles_are_reported(model_path: str) -> None:
    data = pixelzip.compress(smooth_image(100, 1024), model_path)
    header, streams = container.read(data)
    with pytest.raises(pixelzip.CorruptFile, match=r"checksum|end"):
        pixelzip.decompress(container.write(header, streams[::-1]), model=model_path)


@pytest.mark.usefixtures("always_modelled")
def test_unknown_models(model_path: str) -> None:
    with pytest.raises(pixelzip.UnknownModel, match="no model 'nope'"):
        pixelzip.compress(smooth_image(4, 4), "nope")
    with pytest.raises(pixelzip.UnknownModel, match="cannot be loaded"):
        pixelzip.compress(smooth_image(4, 4), "missing.safetensors")
    data = pixelzip.compress(smooth_image(40, 40), model_path)
    with pytest.raises(pixelzip.UnknownModel, match="not installed"):
        pixelzip.decompress(data)


def test_max_pixels(model_path: str) -> None:
    data = pixelzip.compress(smooth_image(10, 10), model_path)
    with pytest.raises(pixelzip.ImageTooLarge):
        pixelzip.decompress(data, max_pixels=99)


def test_heat_map_adds_up(model_path: str) -> None:
    from pixelzip.heatmap import draw, measure_bits

    bits = measure_bits(smooth_image(30, 40), model_path)
    assert bits.shape == (30, 40)
    assert bits.min() > 0
    assert draw(bits).size == (40, 38)


def test_16_bit_colour_has_no_pillow_mode(model_path: str) -> None:
    data = pixelzip.compress(np.zeros((2, 2, 3), np.uint16), model_path)
    with pytest.raises(pixelzip.UnsupportedImage, match="decompress_array"):
        pixelzip.decompress(data, model=model_path)
