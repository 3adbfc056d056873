"""Images in parts: photographs among something else, or something else in a photograph."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from conftest import smooth_image
from golden_parts import in_parts
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from test_jpeg import as_jpeg, decoded, texture

import pixelzip
from pixelzip import cli, container, fallback, image, layout, mixed
from pixelzip.container import BODY_MIXED
from pixelzip.pack import Pack, pack
from pixelzip.tiles import Box

PHOTOGRAPH = Box(53, 71, 120, 140)
Pixels = NDArray[np.uint8]


def photograph(height: int, width: int, channels: int = 3) -> Pixels:
    """Return what differs from pixel to pixel."""
    noise = np.random.default_rng(height).integers(0, 24, (height, width, channels), dtype=np.uint8)
    return smooth_image(height, width, channels) // 2 + noise


def page(channels: int = 3, box: Box = PHOTOGRAPH) -> Pixels:
    """Return a white page with lines of something like text, and a photograph."""
    pixels = np.full((256, 320, channels), 255, dtype=np.uint8)
    text = np.random.default_rng(1).random((256, 320)) < 0.25
    text[np.arange(256) % 12 > 7] = text[:, :10] = text[:, -10:] = False
    text[max(0, box.top - 9) : box.top + box.height + 9, max(0, box.left - 9) : box.left + box.width + 9] = False
    pixels[text, :3] = 20
    pixels[box.slices] = photograph(box.height, box.width, channels)
    return pixels


def bodies(data: bytes) -> list[str]:
    """Return the bodies of a file's parts."""
    header, (body,) = container.read(data)
    return [pixelzip.info(file).body for _, file in mixed.take_apart(header, body)[1]]


def test_a_photograph_on_a_page_is_found() -> None:
    assert layout.find(page()) == [PHOTOGRAPH]


@pytest.mark.parametrize("corner", [(0, 0), (136, 180)])
def test_a_photograph_at_the_edge_is_found(corner: tuple[int, int]) -> None:
    box = Box(*corner, 120, 140)
    assert layout.find(page(box=box)) == [box]


def test_photographs_side_by_side_are_told_apart() -> None:
    boxes = [Box(16, 16, 100, 100), Box(16, 140, 100, 100), Box(160, 50, 120, 200)]
    pixels = np.full((320, 400, 3), 255, dtype=np.uint8)
    for box in boxes:
        pixels[box.slices] = photograph(box.height, box.width)
    assert sorted(layout.find(pixels), key=lambda box: (box.top, box.left)) == boxes


def test_photographs_in_one_shadow_are_told_apart() -> None:
    boxes = [Box(40, 40, 120, 120), Box(40, 200, 120, 120)]
    pixels = np.full((320, 400, 3), 240, dtype=np.uint8)
    pixels[[45, 60, 75], 8:352] = 230  # so that no column between the two is plain
    for box in boxes:
        pixels[box.slices] = photograph(box.height, box.width)
    assert sorted(layout.find(pixels), key=lambda box: box.left) == boxes


def test_pieces_that_reach_into_each_other_are_one() -> None:
    pixels = page()
    pixels[93:133, 71:211] = pixels[93:133, 71:72] + np.arange(40, dtype=np.uint8)[:, None, None] % 5  # a smooth band
    pixels[93:133, 71:211:7, 0] += 1
    assert layout.find(pixels) == [PHOTOGRAPH]


def test_a_window_in_a_photograph_is_found() -> None:
    pixels, window = photograph(320, 400), Box(40, 56, 136, 100)
    pixels[window.slices] = page()[:136, -100:]
    pixels[40:80, 56:156] = 200
    assert layout.find(pixels) == [window]


@pytest.mark.parametrize(
    "pixels",
    [
        photograph(320, 400),
        np.full((320, 400, 3), 7, dtype=np.uint8),
        page()[:, -100:],
        photograph(8, 400),
        page()[:31],
        page(box=Box(100, 100, 30, 30)),
        np.kron(photograph(40, 50), np.ones((8, 8, 1), dtype=np.uint8)),
    ],
    ids=["photograph", "plain", "text", "low", "lower", "small", "blocks"],
)
def test_images_of_one_kind_have_no_parts(pixels: Pixels) -> None:
    assert layout.find(pixels) == []


def test_there_are_never_too_many_parts() -> None:
    pixels = np.full((800, 1600, 1), 255, dtype=np.uint8)
    for top, left in np.ndindex(16, 32):
        pixels[50 * top : 50 * top + 34, 50 * left : 50 * left + 34] = photograph(34, 34, 1)
    assert len(layout.find(pixels)) < mixed.MOST_PARTS
    assert len(layout.find(pixels[:350])) == 7 * 32


def test_too_many_cuts_are_none() -> None:
    cells = np.zeros((80, 80), dtype=np.bool_)
    cells[::2, ::2] = True
    assert layout._cut(cells) == []


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_a_page_comes_back(channels: int) -> None:
    pixels = page(channels)
    pixels = pixels[..., 0] if channels == 1 else pixels
    data = pixelzip.compress(pixels)
    assert pixelzip.info(data).body == "mixed"
    assert bodies(data) == ["webp", "model"]
    assert np.array_equal(pixelzip.decompress_array(data), pixels)


def test_parts_are_smaller_than_any_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = page()
    data = pixelzip.compress(pixels)
    monkeypatch.setattr(layout, "find", lambda samples: [])
    whole = pixelzip.compress(pixels)
    assert pixelzip.info(whole).body in ("model", "drawing", "derived")
    assert len(data) < len(whole)


@pytest.mark.parametrize("boxes", [[Box(190, 20, 40, 40)], [Box(8, 8, 300, 380)]], ids=["text", "nearly all"])
def test_a_whole_that_is_smaller_is_taken(boxes: list[Box], monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = page()[176:] if boxes[0].top > 100 else np.repeat(photograph(320, 400, 1), 3, axis=2)
    boxes = [Box(box.top - 176, *(box.left, box.height, box.width)) if box.top > 100 else box for box in boxes]
    monkeypatch.setattr(layout, "find", lambda samples: boxes)
    data = pixelzip.compress(pixels)
    assert pixelzip.info(data).body != "mixed"
    assert np.array_equal(pixelzip.decompress_array(data), pixels)


def test_a_jpeg_on_a_page_is_found() -> None:
    pixels = page()
    pixels[PHOTOGRAPH.slices] = decoded(as_jpeg(texture(120, 140), 80))
    data = pixelzip.compress(pixels)
    assert bodies(data) == ["webp", "jpeg"]
    assert np.array_equal(pixelzip.decompress_array(data), pixels)


def test_metadata_stand_once() -> None:
    described = Image.fromarray(page())
    described.info |= {"Title": "a page", "transparency": (255, 255, 255)}
    data = pixelzip.compress(described)
    assert pixelzip.info(data).body == "mixed"
    assert pixelzip.decompress(data).info == described.info
    assert data.count(b"a page") == 1


def test_bytes_depend_on_the_image_alone() -> None:
    pages = [page(), photograph(64, 64), page(1)[..., 0]]
    files = pixelzip.compress(pages)
    assert files == [pixelzip.compress(one, num_threads=1) for one in pages]
    assert files == pixelzip.compress(pages[::-1], num_threads=2)[::-1]
    assert [pixelzip.info(file).body for file in files] == ["mixed", "model", "mixed"]
    for one, samples in zip(pages, pixelzip.decompress_array(files, num_threads=1), strict=True):
        assert np.array_equal(samples, one)


def test_a_crop_is_cut_out() -> None:
    pixels = page()
    samples = pixelzip.decompress_array(pixelzip.compress(pixels), crop=(60, 50, 100, 200))
    assert np.array_equal(samples, pixels[50:200, 60:100])


def test_packs_hold_pages() -> None:
    pages = [page(), photograph(32, 32)]
    packed = Pack(pack(pages))
    assert all(np.array_equal(samples, one) for samples, one in zip(packed, pages, strict=True))
    assert packed.damaged() == []


@given(st.data())
def test_parts_make_the_image_again(data: st.DataObject) -> None:
    height, width, channels = (data.draw(st.integers(1, most)) for most in (12, 12, 4))
    samples = np.random.default_rng(data.draw(st.integers(0, 99))).integers(0, 4, (height, width, channels), np.uint8)
    boxes: list[Box] = []
    for _ in range(data.draw(st.integers(0, 4))):
        top, left = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
        box = Box(top, left, data.draw(st.integers(1, height - top)), data.draw(st.integers(1, width - left)))
        boxes += [box] * (not any(box.meet(other) for other in boxes))
    picture = image.read(samples if channels > 1 else samples[..., 0])
    parts = mixed.split(picture, boxes)
    names = [b"some bytes" + bytes(number) for number in range(len(parts))]
    header, (body,) = container.read(mixed.write(picture, boxes, names, b"ab"))
    assert (header.body, header.box, header.model) == (BODY_MIXED, Box(0, 0, height, width), b"ab")
    checksum, found = mixed.take_apart(header, body)
    places = [header.box, *boxes]
    assert found == list(zip(places, names, strict=True))
    joined = mixed.joined(places, [part.samples for part in parts])
    assert np.array_equal(joined, picture.samples)
    assert mixed.checksum_of(header, joined) == checksum


def damaged(data: bytes, *parts: int) -> bytes:
    """Flip a bit in the middle of each of some parts."""
    header, (body,) = container.read(data)
    for number in parts:
        file = mixed.take_apart(header, body)[1][number][1]
        middle = len(file) // 2
        body = body.replace(file, file[:middle] + bytes([file[middle] ^ 4]) + file[middle + 1 :])
    return container.write(header, [body])


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_intact_parts_are_salvaged(channels: int) -> None:
    boxes = [Box(0, 4, 20, 30), Box(30, 0, 8, 9)]
    pixels = smooth_image(40, 50, channels)
    pixels = pixels[..., 0] if channels == 1 else pixels
    data = in_parts(pixels, boxes)
    intact = pixelzip.salvage(data)
    assert (intact.num_tiles, intact.tiles, intact.notes) == (3, (), ())
    assert np.array_equal(intact.to_array(), pixels)
    broken = damaged(data, 1)
    with pytest.raises(pixelzip.CorruptFile):
        pixelzip.decompress(broken)
    salvaged, expected = pixelzip.salvage(broken), pixels.copy()
    expected[boxes[0].slices] = 128 if channels < 4 else (128, 128, 128, 255)
    name = "grey" if channels == 1 else "colour"
    assert salvaged.tiles == (pixelzip.DamagedTile(1, (4, 0, 34, 20), name),)
    assert np.array_equal(salvaged.to_array(), expected)
    with pytest.raises(pixelzip.CorruptFile, match="no tile matches"):
        pixelzip.salvage(damaged(data, 0, 1, 2))


def test_tiles_of_a_part_are_salvaged() -> None:
    pixels, box = smooth_image(320, 330), Box(10, 20, 300, 300)
    header, (body,) = container.read(in_parts(pixels, [box]))
    salvaged = pixelzip.salvage(container.write(header, [body[:-9] + bytes([body[-9] ^ 4]) + body[-8:]]))
    assert salvaged.tiles == (pixelzip.DamagedTile(1, (20, 266, 320, 310), "colour"),)
    pixels[266:310, 20:320] = 128
    assert np.array_equal(salvaged.to_array(), pixels)


@pytest.mark.parametrize(("place", "bit"), [(0, 1), (5, 0x80), (9, 0x55)], ids=["signature", "version", "model"])
def test_a_part_with_a_damaged_header_is_salvaged(place: int, bit: int) -> None:
    pixels, box = smooth_image(40, 50), Box(0, 4, 20, 30)
    header, (body,) = container.read(in_parts(pixels, [box]))
    start = len(body) - len(mixed.take_apart(header, body)[1][1][1]) + place
    broken = container.write(header, [body[:start] + bytes([body[start] ^ bit]) + body[start + 1 :]])
    salvaged, expected = pixelzip.salvage(broken), pixels.copy()
    expected[box.slices] = 128
    assert salvaged.tiles == (pixelzip.DamagedTile(1, (4, 0, 34, 20), "colour"),)
    assert np.array_equal(salvaged.to_array(), expected)


def test_what_is_cut_off_is_salvaged() -> None:
    pixels = smooth_image(40, 50)
    data = in_parts(pixels, [Box(0, 4, 20, 30), Box(30, 0, 8, 9)])
    header, (body,) = container.read(data)
    last = mixed.take_apart(header, body)[1][-1][1]
    salvaged, expected = pixelzip.salvage(data[: -len(last) - 1]), pixels.copy()
    expected[0:20, 4:34] = expected[30:38, 0:9] = 128
    assert [tile.number for tile in salvaged.tiles] == [1, 2]
    assert np.array_equal(salvaged.to_array(), expected)


def test_a_part_in_the_wrong_place_is_told() -> None:
    data = in_parts(smooth_image(40, 50), [Box(0, 4, 20, 30)])
    header, (body,) = container.read(data)
    assert body[4:9] == bytes([1, 4, 0, 30, 20])
    moved = container.write(header, [body[:5] + b"\x05" + body[6:]])
    with pytest.raises(pixelzip.CorruptFile, match="checksum does not match the parts"):
        pixelzip.decompress(moved)
    assert pixelzip.salvage(moved).notes == ("the checksum does not match the parts of the image",)


def test_parts_in_parts_are_not_salvaged() -> None:
    data = in_parts(smooth_image(8, 9), [])
    header, _ = container.read(data)
    picture = image.read(smooth_image(8, 9))
    for _ in range(2000):
        data = mixed.write(picture, [], [data], header.model)
    for function in (pixelzip.decompress, pixelzip.salvage):
        with pytest.raises(pixelzip.CorruptFile):
            function(data)


def test_the_command_says_so(tmp_path: Path) -> None:
    path = tmp_path / "page.pxz"
    path.write_bytes(in_parts(page(), [PHOTOGRAPH]))
    described = CliRunner().invoke(cli.main, ["info", str(path)]).output
    assert ", model photo, in parts of different kinds, 1 tile(s)" in described
    assert CliRunner().invoke(cli.main, ["test", str(path)]).exit_code == 0


def test_webp_is_not_tried_in_full_where_levels_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    efforts: list[int] = []
    write = fallback._write_webp

    def note(picture: image.Picture, effort: int) -> bytes:
        efforts.append(effort)
        return write(picture, effort)

    monkeypatch.setattr(fallback, "_write_webp", note)
    pixels = decoded(as_jpeg(np.kron(texture(40, 40), np.ones((4, 4, 1), dtype=np.uint8)), 40))
    assert pixelzip.info(pixelzip.compress(pixels)).body == "jpeg"
    assert set(efforts) <= {0, 2}
