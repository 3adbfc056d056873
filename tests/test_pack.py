"""Packs: every image comes back alone and together, at next to no cost, and damage is never silent."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from conftest import smooth_image
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from pixelzip import models, pack_container, streams
from pixelzip.errors import CorruptFile, ImageTooLarge, UnknownModel, UnsupportedImage, UnsupportedVersion
from pixelzip.pack import Pack, pack
from pixelzip.pack_container import BLOCK_IMAGES, FILE, STREAM
from pixelzip.streams import Tiles

GOLDEN = Path(__file__).parent / "golden"


def small_images(number: int = 5, side: int = 6) -> list[np.ndarray]:
    return [smooth_image(side, side + 1, seed=seed) for seed in range(number)]


def shapes_and_codings(data: bytes) -> list[tuple[str, int, int, int]]:
    contents = pack_container.read(data, 2**28)
    return [(shape.mode.name, shape.width, shape.height, shape.coding) for shape in contents.shapes]


@st.composite
def arrays(draw: st.DrawFn) -> np.ndarray:
    height, width, channels = draw(st.integers(1, 9)), draw(st.integers(1, 9)), draw(st.sampled_from([0, 1, 2, 3, 4]))
    dtype = draw(st.sampled_from([np.uint8, np.uint8, np.uint16])) if channels != 2 else np.uint8
    generator = np.random.default_rng(draw(st.integers(0, 999)))
    high = draw(st.sampled_from([1, 30, 256]))
    return generator.integers(0, high, (height, width, channels) if channels else (height, width)).astype(dtype)


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(images=st.lists(arrays(), max_size=8), described=st.booleans(), order=st.randoms())
def test_round_trip(images: list[np.ndarray], described: bool, order: object, model_path: str) -> None:
    names = [f"folder/{index}.png" for index in range(len(images))] if described else None
    labels = list(range(len(images))) if described else None
    packed = Pack(pack(images, model=model_path, names=names, labels=labels), model=model_path)
    assert len(packed) == len(images)
    assert packed.names == (tuple(names) if names is not None else None)
    assert packed.labels == (tuple(labels) if labels is not None else None)
    indices = list(range(len(images)))
    order.shuffle(indices)  # type: ignore[attr-defined]
    for index, decoded in zip(indices, packed.read(indices), strict=True):
        original = images[index][..., 0] if images[index].shape[2:] == (1,) else images[index]
        assert decoded.dtype == original.dtype
        assert np.array_equal(decoded, original)
    assert packed.damaged() == []


def test_parts_of_many_images_give_the_same_bytes(model_path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    images = [*small_images(), np.tile(np.uint8([[0, 255, 9], [90, 0, 200]]), (40, 20, 1)), *small_images(4, 7)]
    whole = pack(images, model=model_path)
    monkeypatch.setattr("pixelzip.threads._NUM_TOGETHER", 3)
    assert pack(images, model=model_path, device="cpu:0") == whole  # as on a GPU: in parts, without the extension
    assert {coding for *_, coding in shapes_and_codings(whole)} == {STREAM, FILE}
    order = [*reversed(range(len(images))), 0, -1]
    found = Pack(whole, model=model_path, device="cpu:0").read(order)
    assert all(map(np.array_equal, found, [images[index] for index in order]))


def test_the_shorter_of_an_image_and_its_mirror_image(model_path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    images = [*small_images(12), smooth_image(9, 1), smooth_image(9, 12, 1)[..., 0], smooth_image(9, 300)]
    plain = pack(images, model=model_path)
    monkeypatch.setattr(models, "tries_mirrors", lambda model: model == model_path)
    both = pack(images, model=model_path)
    before, contents = (pack_container.read(data, 2**20) for data in (plain, both))
    lengths = [len(contents.payload(index)) - len(before.payload(index)) for index in range(len(images))]
    assert 0 < sum(contents.are_mirrored) < 13
    assert [length < 0 for length in lengths] == contents.are_mirrored.tolist()
    assert not before.are_mirrored.any()
    packed = Pack(both, model=model_path)
    assert all(map(np.array_equal, packed, images))
    assert all(np.array_equal(packed[index], image) for index, image in enumerate(images))
    payloads = [contents.payload(index) for index in range(len(images))]
    others = [is_mirrored != (index < 12) for index, is_mirrored in enumerate(contents.are_mirrored)]
    forged = Pack(pack_container.write(contents.model, contents.shapes, payloads, None, None, others), model=model_path)
    assert all(isinstance(result, CorruptFile) for result in forged.salvage(range(12)))


def test_models_that_try_mirror_images() -> None:
    names = {entry.name for entry in models.MODELS if models.tries_mirrors(entry.name)}
    assert names == {"cifar10", "photo-max"}
    assert models.tries_mirrors(str(models.find("cifar10").path))
    assert not models.tries_mirrors("cifar10.safetensors")


def test_each_image_alone_is_the_same(model_path: str) -> None:
    images = [*small_images(), smooth_image(3, 300), smooth_image(1, 1), smooth_image(9, 9, 1)[..., 0]]
    names = [f"image {index}" for index in range(len(images))]
    packed = Pack(pack(images, model=model_path, names=names), model=model_path)
    for index in reversed(range(len(images))):
        assert np.array_equal(packed[index], images[index])
        assert np.array_equal(packed[index - len(images)], images[index])
        assert np.array_equal(packed[names[index]], images[index])
    assert all(np.array_equal(*pair) for pair in zip(packed, images, strict=True))
    again = packed.read([2, 2, 0])
    assert np.array_equal(again[0], again[1])
    assert np.array_equal(pickle.loads(pickle.dumps(packed))[4], images[4])


def test_what_does_not_exist(model_path: str) -> None:
    packed = Pack(pack(small_images(2), model=model_path), model=model_path)
    for index in (2, -3):
        with pytest.raises(IndexError):
            packed[index]
    with pytest.raises(KeyError):
        packed["name"]
    with pytest.raises(UnknownModel):
        Pack(pack(small_images(1), model=model_path))[0]


def test_empty_pack() -> None:
    packed = Pack(pack([]))
    assert (len(packed), list(packed), packed.read([]), packed.damaged()) == (0, [], [], [])
    assert packed.info().bits_per_subpixel == 0


def test_cost_of_an_image() -> None:
    """Index, check and end of stream of 32x32 images cost 3.7 bytes over the network's bits, docs/log.md."""
    images = [smooth_image(32, 32, seed=seed) for seed in range(40)]
    network = models.load(models.DEFAULT_MODEL)
    costs = streams.measure_tiles(network, [Tiles.one(image, 0) for image in images[:8]], "cpu", None)
    bits = sum(float(cost.sum()) for cost in costs)
    data = pack(images[:8])
    contents = pack_container.read(data, 2**20)
    assert {shape.coding for shape in contents.shapes} == {STREAM}
    assert len(data) - int(contents.offsets[0]) - bits / 8 < 2.7 * 8
    assert int(contents.offsets[0]) <= 6 + 1 + 2 + 1 + 4 + 3 + 4 + 4 + 8 * 1


def test_lengths_of_full_blocks_take_their_bits(model_path: str) -> None:
    shape = pack_container.Shape(pack_container.MODES[4], 32, 32, STREAM)
    payloads = [bytes(1000 + index % 1024) for index in range(10 * BLOCK_IMAGES)]
    data = pack_container.write(b"ab", [shape] * len(payloads), payloads, None, None)
    contents = pack_container.read(data, 2**20)
    assert [len(contents.payload(index)) for index in (0, 1023, 1024)] == [1000, 2023, 1000]
    assert int(contents.offsets[0]) == 6 + 1 + 2 + 1 + 5 + 10 * (2 + 1 + BLOCK_IMAGES + 4) + 4
    assert all(contents.is_intact(block) for block in range(10))


def test_streams_and_files() -> None:
    icon = np.zeros((40, 40, 3), dtype=np.uint8)
    icon[::3] = icon[:, ::5] = (255, 0, 0)
    images = [smooth_image(20, 20), icon, smooth_image(20, 20, 4), np.zeros((257, 256), dtype=np.uint8)]
    data = pack(images, model="photo")
    assert shapes_and_codings(data) == [
        ("RGB", 20, 20, STREAM), ("RGB", 40, 40, FILE), ("RGBA", 20, 20, FILE), ("L", 256, 257, FILE)
    ]  # fmt: skip
    assert all(np.array_equal(*pair) for pair in zip(Pack(data), images, strict=True))


def test_entries_and_info(model_path: str) -> None:
    images = [*small_images(2), smooth_image(4, 4)]
    data = pack(images, model=model_path, names=["a", "b", "c"], labels=[7, 0, 7])
    packed = Pack(data)
    entries = list(packed.entries())
    assert [(entry.index, entry.name, entry.label) for entry in entries] == [(0, "a", 7), (1, "b", 0), (2, "c", 7)]
    assert (entries[2].mode, entries[2].width, entries[2].height) == ("RGB", 4, 4)
    about = packed.info()
    assert about.shapes == {("RGB", 7, 6): 2, ("RGB", 4, 4): 1}
    assert about.bits_per_subpixel == 8 * len(data) / (2 * 6 * 7 * 3 + 48)


def test_python_coder_gives_the_same_bytes(model_path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    images = small_images()
    data = pack(images, model=model_path)
    monkeypatch.setattr("pixelzip.native.INSTRUCTION_SETS", ())
    monkeypatch.setattr("pixelzip.ans.HAS_CONSTRICTION", False)
    assert pack(images, model=model_path) == data
    assert all(np.array_equal(*pair) for pair in zip(Pack(data, model=model_path), images, strict=True))


def test_every_flipped_byte_is_reported(model_path: str) -> None:
    """Header and index refuse the pack, a payload is the only image that does not come back."""
    images = [smooth_image(2, 3, seed=seed) for seed in range(3)] + [smooth_image(2, 2, 4)]
    data = pack(images, model=model_path, names=list("abcd"), labels=[1, 2, 3, 4])
    offsets = pack_container.read(data, 2**20).offsets
    for position in range(len(data)):
        damaged = bytearray(data)
        damaged[position] ^= 1 << position % 8
        if position < offsets[0]:
            with pytest.raises((CorruptFile, UnsupportedVersion)):
                Pack(bytes(damaged), model=model_path)
            continue
        packed = Pack(bytes(damaged), model=model_path)
        victim = int(np.searchsorted(offsets, position, side="right")) - 1
        assert packed.damaged() == [victim]
        for index, result in enumerate(packed.salvage(range(4))):
            if index == victim:
                assert str(result) == f"image {index} ({'abcd'[index]}) is damaged"
            else:
                assert np.array_equal(result, images[index])
        with pytest.raises(CorruptFile, match=f"image {victim}"):
            packed[victim]


def test_exchanged_images_are_reported(model_path: str) -> None:
    """A forged index, in which every checksum of bytes matches, is found out by the images' own checks."""
    contents = pack_container.read(pack(small_images(6), model=model_path), 2**20)
    payloads = [contents.payload(index) for index in (1, 0, 2, 3, 5, 4)]
    forged = pack_container.write(contents.model, contents.shapes, payloads, None, None)
    results = Pack(forged, model=model_path).salvage(range(6))
    assert [isinstance(result, CorruptFile) for result in results] == [True, True, False, False, True, True]


def test_nothing_is_trusted_when_no_check_fails(model_path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    images = [*small_images(2), smooth_image(4, 4, 4)]
    packed = Pack(pack(images, model=model_path), model=model_path)
    monkeypatch.setattr("pixelzip.pack_container.Contents.is_intact", lambda contents, block: False)
    assert packed.damaged() == [0, 1]
    assert np.array_equal(packed[2], images[2])


def test_damage_stays_in_its_block() -> None:
    data = bytearray((GOLDEN / "photo-1-pack-blocks.pxzp").read_bytes())
    data[pack_container.read(bytes(data), 2**20).offsets[280] + 1] ^= 1
    packed = Pack(bytes(data))
    assert packed.damaged() == [280]
    assert [isinstance(result, CorruptFile) for result in packed.salvage([0, 280, 299])] == [False, True, False]


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (Image.new("P", (3, 3)), "image 1: packs do not hold mode P"),
        (Image.new("1", (3, 3)), "image 1: packs do not hold mode 1"),
        (np.zeros((3, 3)), "image 1: array of float64"),
        (np.zeros((0, 3), dtype=np.uint8), "image 1: the image has no pixels"),
        (Image.new("HSV", (3, 3)), "image 1: mode HSV"),
        (Image.new("CMYK", (3, 3)), "packs do not hold mode CMYK; convert it to L or RGB"),
    ],
)
def test_unsupported_images(image: object, message: str) -> None:
    with pytest.raises(UnsupportedImage, match=message):
        pack([smooth_image(3, 3), image])  # type: ignore[list-item]


def test_transparent_colours_are_refused_and_metadata_dropped(model_path: str) -> None:
    image = Image.fromarray(smooth_image(5, 5))
    image.info.update({"icc_profile": b"profile", "Title": "hills"})
    assert pack([image], model=model_path) == pack([np.asarray(image)], model=model_path)
    image.info["transparency"] = (1, 2, 3)
    with pytest.raises(UnsupportedImage, match=r"image 0 \(hill\): packs do not hold a transparent colour"):
        pack([image], names=["hill"])


@pytest.mark.parametrize(
    ("described", "message"),
    [
        ({"names": ["a"]}, "1 names for 2 images"),
        ({"names": ["a", "a"]}, "two images have the name 'a'"),
        ({"names": ["a", ""]}, "empty"),
        ({"names": ["a", "b\0c"]}, "zero character"),
        ({"labels": [1]}, "1 labels for 2 images"),
        ({"labels": [1, -1]}, "0..2147483647"),
        ({"labels": [1, 2**31]}, "0..2147483647"),
    ],
)
def test_wrong_names_and_labels(described: dict[str, list[object]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        pack(small_images(2), **described)  # type: ignore[arg-type]


def test_max_pixels(model_path: str) -> None:
    data = pack(small_images(2), model=model_path)
    with pytest.raises(ImageTooLarge):
        Pack(data, max_pixels=41)
    assert len(Pack(data, max_pixels=42)) == 2
