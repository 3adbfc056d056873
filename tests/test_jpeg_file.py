"""JPEG files: taken apart, coded, and back byte for byte."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Sequence
from dataclasses import replace
from random import Random
from typing import Any
from unittest import mock

import mutations
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from test_jpeg import SUBSAMPLINGS, as_jpeg, decoded, texture

import pixelzip
from pixelzip import container, models, native, native_jpeg
from pixelzip.container import BODY_JPEG_FILE, Header
from pixelzip.errors import CorruptFile, PixelzipError, UnsupportedImage, UnsupportedVersion
from pixelzip.fields import Reader
from pixelzip.image import MODES_BY_NAME
from pixelzip.jpeg import fields, file, rest, segments, tables
from pixelzip.jpeg.file import JpegFile, Rest
from pixelzip.jpeg.levels import Component
from pixelzip.jpeg.transform import ZIGZAG
from pixelzip.jpeg.usual import usual
from pixelzip.pack import Pack, pack

OPTIONS: dict[str, dict[str, Any]] = {
    "sequential": {},
    "optimal": {"optimize": True},
    "progressive": {"progressive": True},
    "restarts": {"restart_marker_blocks": 3},
    "progressive restarts": {"progressive": True, "restart_marker_rows": 1},
}


def kept(data: bytes) -> bytes:
    """Return the packed rest of a file."""
    header, (body,) = container.read(data)
    found = fields.read(Reader(body), header).kept
    assert found is not None
    return found.rest


def check(jpeg: bytes) -> bytes:
    """Compress a JPEG file, compare what comes back, and return what lies between."""
    data = pixelzip.compress(jpeg)
    assert pixelzip.info(data).body == "jpeg-file"
    assert pixelzip.decompress_jpeg(data) == jpeg
    assert np.array_equal(pixelzip.decompress_array(data), decoded(jpeg))
    return data


def described(found: JpegFile) -> tuple[Any, ...]:
    outside = None if found.rest.outside is None else found.rest.outside.tolist()
    return found.rest.data, found.rest.filling, outside, [one.levels.tolist() for one in found.components]


def segment(jpeg: bytes, marker: int) -> int:
    """Return the place of the first segment of a kind, behind its marker."""
    return jpeg.index(bytes([0xFF, marker])) + 2


@settings(max_examples=25)
@given(st.data())
def test_there_and_back(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 70)), data.draw(st.integers(1, 70))
    pixels = texture(*size, seed=data.draw(st.integers(0, 9)))
    if data.draw(st.booleans()):
        pixels = pixels[..., 0]
    options = data.draw(st.sampled_from(sorted(OPTIONS)))
    quality, sampling = data.draw(st.integers(1, 100)), data.draw(st.sampled_from(sorted(SUBSAMPLINGS)))
    check(as_jpeg(pixels, quality, sampling, **OPTIONS[options]))


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("channels", [1, 3])
def test_without_the_extension_all_is_the_same(options: str, channels: int) -> None:
    pixels = texture(45, 61)[..., :channels].squeeze()
    jpeg = as_jpeg(pixels, 70, "4:2:2", **OPTIONS[options])
    fast = file.read(jpeg)
    with mock.patch.object(native, "INSTRUCTION_SETS", ()):
        slow = file.read(jpeg)
        assert file.write(fast.rest, fast.components) == jpeg
    assert described(slow) == described(fast)


@settings(max_examples=200)
@given(st.data())
def test_damaged_scans_are_the_same_with_and_without_the_extension(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(OPTIONS)))
    jpeg = bytearray(as_jpeg(texture(24, 40), 60, "4:2:0", **OPTIONS[name]))
    start = segment(jpeg, 0xDA)
    for _ in range(data.draw(st.integers(1, 3))):
        jpeg[data.draw(st.integers(start, len(jpeg) - 1))] = data.draw(st.integers(0, 255))
    outcomes = []
    for sets in (native.INSTRUCTION_SETS, ()):
        with mock.patch.object(native, "INSTRUCTION_SETS", sets):
            try:
                outcomes.append(described(file.read(bytes(jpeg))))
            except CorruptFile:
                outcomes.append(None)
    assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize("options", ["optimal", "progressive", "progressive restarts"])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_best_tables_are_left_out(options: str, channels: int) -> None:
    jpeg = as_jpeg(texture(120, 90)[..., :channels].squeeze(), 85, **OPTIONS[options])
    found = file.read(jpeg)
    steps = 67 * min(channels, 2) + 2 * min(channels, 2)
    assert len(found.rest.data) < steps + 240
    assert len(rest.pack(found.rest, (), usual(found.components, found.sampling, found.frame.size))) < 50


def test_what_libjpeg_writes_takes_few_bytes() -> None:
    for options in OPTIONS.values():
        assert len(kept(check(as_jpeg(texture(64, 64), 75, **options)))) < 50


def test_the_best_table_shortens_codes_of_more_than_16_bits() -> None:
    counts = np.zeros(256, dtype=np.int64)
    counts[:30] = 2 ** np.arange(30)
    table = tables.optimal(counts)
    assert sum(table[:16]) == 30 == len(table) - 16
    assert sum(count << (16 - length) for length, count in enumerate(table[:16], start=1)) < 1 << 16
    assert sorted(table[16:]) == list(range(30))
    assert table[16] == 29


def test_one_symbol_has_a_code_of_one_bit() -> None:
    counts = np.zeros(256, dtype=np.int64)
    counts[7] = 3
    assert tables.optimal(counts) == bytes([1, *bytes(15), 7])


def test_metadata_are_stored_once() -> None:
    noise = np.random.default_rng(0).integers(0, 256, 9000, dtype=np.uint8).tobytes()
    exif = Image.Exif()
    exif[0x010E] = "hills " * 30
    bare, buffer = as_jpeg(texture(64, 64)), io.BytesIO()
    Image.fromarray(decoded(bare)).save(
        buffer, "JPEG", icc_profile=noise, exif=exif, comment="a comment", xmp=b"<x:xmpmeta/>" * 9, dpi=(300, 300)
    )
    data = check(buffer.getvalue())
    assert len(kept(data)) < 200
    metadata = pixelzip.info(data).metadata
    assert metadata["icc_profile"] == noise
    assert metadata["exif"] == exif.tobytes()
    assert metadata["xmp"] == b"<x:xmpmeta/>" * 9
    assert metadata["dpi"] == (300, 300)
    stripped = pixelzip.compress(buffer.getvalue(), strip=True)
    assert pixelzip.info(stripped).body == "jpeg"
    assert pixelzip.info(stripped).metadata == {}
    assert np.array_equal(pixelzip.decompress_array(stripped), decoded(buffer.getvalue()))


@pytest.mark.parametrize("tail", [b"\0", b"\xff", b"more" * 999, b"\xff\xd8\xff"])
def test_what_comes_after_the_image_is_kept(tail: bytes) -> None:
    check(as_jpeg(texture(30, 50)) + tail)


OUTSIDE = np.arange(64 * 4, dtype=np.int16).reshape(4, 64) % 7 - 3


def with_other_blocks_outside(jpeg: bytes) -> bytes:
    """Give the blocks outside an image of 30 x 50, four of luma, levels of their own, and fill bytes with zeros."""
    found = file.read(jpeg)
    assert found.rest.outside is None
    return file.write(Rest(found.rest.data, 0, OUTSIDE), found.components)


def test_other_ways_to_write_are_kept() -> None:
    jpeg = as_jpeg(texture(30, 50), 80, restart_marker_blocks=4)
    other = with_other_blocks_outside(jpeg)
    assert other != jpeg
    found = file.read(other)
    assert found.rest.filling == 0
    assert found.rest.outside is not None
    assert np.array_equal(found.rest.outside, OUTSIDE)
    check(other)
    with pytest.raises(CorruptFile, match="another number of blocks"):
        file.write(Rest(found.rest.data, 0, OUTSIDE[:3]), found.components)


def test_bytes_that_fill_before_markers_are_kept() -> None:
    jpeg = as_jpeg(texture(30, 50), 80, optimize=True)
    for marker in (0xC4, 0xDA, 0xD9):
        place = segment(jpeg, marker) - 2
        check(jpeg[:place] + b"\xff\xff" + jpeg[place:])


def test_grey_with_sampling_factors() -> None:
    jpeg = bytearray(as_jpeg(texture(30, 50)[..., 0]))
    place = segment(jpeg, 0xC0) + 9
    for factors in (0x11, 0x22, 0x41):
        jpeg[place] = factors
        check(bytes(jpeg))


def transposed(component: Component) -> Component:
    """Exchange rows and columns of blocks, and of frequencies in them."""
    order = np.argsort(ZIGZAG)[8 * (ZIGZAG % 8) + ZIGZAG // 8]
    return Component(component.kind, component.steps[order], component.levels[order].swapaxes(1, 2), 63)


def chroma_halved_downwards() -> bytes:
    """Return a JPEG whose chroma has half the rows: one with half the columns, transposed."""
    found = file.read(as_jpeg(texture(48, 64), 80, "4:2:2"))
    data = bytearray(found.rest.data)
    place = segment(data, 0xC0)
    data[place + 3 : place + 7] = struct.pack(">HH", 64, 48)
    data[place + 9] = 0x12
    components = [transposed(component) for component in found.components]
    for index, place in enumerate((segment(data, 0xDB), data.rindex(b"\xff\xdb") + 2)):
        data[place + 3 : place + 67] = bytes(components[index].steps.tolist())
    return file.write(Rest(bytes(data), 1), components)


def test_chroma_halved_downwards() -> None:
    jpeg = chroma_halved_downwards()
    assert file.read(jpeg).sampling.name == "4:4:0"
    check(jpeg)


def changed(jpeg: bytes, marker: int, offset: int, value: int) -> bytes:
    data = bytearray(jpeg)
    data[segment(jpeg, marker) + offset] = value
    return bytes(data)


PLAIN = as_jpeg(texture(30, 50), 80)
PROGRESSIVE = as_jpeg(texture(30, 50), 80, progressive=True)


@pytest.mark.parametrize(
    ("jpeg", "message"),
    [
        (b"", "not a JPEG"),
        (PLAIN[:2], "no marker where one should be"),
        (PLAIN[:30], "cut short"),
        (PLAIN[: segment(PLAIN, 0xDA) - 2], "no marker where one should be"),
        (changed(PLAIN, 0xC0, -1, 0xC9), "a marker, C9, that is not supported"),
        (changed(PLAIN, 0xC0, 2, 12), "a frame that is not supported"),
        (changed(PLAIN, 0xC0, 7, 4), "a frame that is not supported"),
        (changed(PLAIN, 0xC0, 9, 0x05), "impossible sampling factors"),
        (changed(PLAIN, 0xC0, 9, 0x41), "a sampling of chroma that is not supported"),
        (changed(PLAIN, 0xC0, 10, 3), "no steps for a component"),
        (changed(PLAIN, 0xDB, 2, 0x10), "steps of 16 bits"),
        (changed(PLAIN, 0xDB, 5, 0), "no steps for a component"),
        (changed(PLAIN, 0xC4, 2, 0x05), "a damaged table of codes"),
        (changed(PLAIN, 0xC4, 2, 0x80), "a damaged table"),
        (changed(PLAIN, 0xC4, 3, 200), "a damaged table of codes"),
        (changed(PLAIN, 0xDA, 2, 4), "a damaged scan"),
        (changed(PLAIN, 0xDA, 3, 9), "a scan of a component that it has not"),
        (changed(PLAIN, 0xDA, 5, 1), "a scan of a component that it has not"),
        (changed(PLAIN, 0xDA, 9, 1), "an impossible scan"),
        (changed(PROGRESSIVE, 0xDA, 11, 0x31), "an impossible scan"),
        (changed(PLAIN, 0xC0, 3, 200), "too short for its size"),
        (changed(PLAIN, 0xC0, 4, 62), "a damaged scan"),
        (PLAIN[:-30], "a damaged scan"),
        (PLAIN[:-2] + b"\xff\xd0\xff\xd9", "a damaged scan"),
        (PLAIN[:-2] + b"\x55\xff\xd9", "written in a way that is not supported"),
    ],
)
def test_files_that_cannot_be_taken_apart(jpeg: bytes, message: str) -> None:
    with pytest.raises(CorruptFile, match=message):
        file.read(jpeg)


def test_tables_of_steps_for_either_chroma() -> None:
    two = as_jpeg(texture(30, 50), qtables=[[3] * 64, [4] * 64])
    at = segment(two, 0xC0) + 16
    assert two[at] == 1
    last = two.rindex(b"\xff\xdb")
    third = two[last : last + 4] + b"\x02" + bytes([5] * 64)
    three = two[:last] + third + two[last:at] + b"\x02" + two[at + 1 :]
    assert decoded(three).shape == (30, 50, 3)
    data = check(three)
    header, (body,) = container.read(data)
    found = fields.read(Reader(body), header)
    assert [table.tolist() for table in found.tables] == [[1] * 64, [1] * 64, [5] * 64]
    stripped = pixelzip.compress(three, strip=True)
    assert np.array_equal(pixelzip.decompress_array(stripped), decoded(three))


def test_levels_that_are_impossible() -> None:
    found = file.read(PLAIN)
    found.components[0].levels[0, 1, 1] = 2000
    jpeg = file.write(found.rest, found.components)
    with pytest.raises(CorruptFile, match="a level that is impossible"):
        file.read(jpeg)


def test_rgb_inside_a_jpeg_is_not_supported() -> None:
    buffer = io.BytesIO()
    Image.fromarray(texture(30, 50)).save(buffer, "JPEG", keep_rgb=True)
    with pytest.raises(UnsupportedImage, match="its pixels are not those of its coefficients"):
        pixelzip.compress(buffer.getvalue())


@pytest.mark.parametrize("data", [b"", b"GIF89a", b"\xff\xd8\xff", PLAIN[:200]])
def test_bytes_of_other_files_are_refused(data: bytes) -> None:
    with pytest.raises(UnsupportedImage, match="bytes must be those of a JPEG file"):
        pixelzip.compress(data)


def test_a_model_without_one_for_coefficients() -> None:
    with pytest.raises(UnsupportedImage, match="the model has none for coefficients beside it"):
        pixelzip.compress(PLAIN, "cifar10")
    assert pixelzip.info(pixelzip.compress(PLAIN, "cifar10", strip=True)).model == "cifar10"


def test_pixels_hold_no_file() -> None:
    for image in (texture(20, 20), decoded(as_jpeg(texture(96, 96)))):
        with pytest.raises(UnsupportedImage, match="the file holds pixels, not a JPEG file"):
            pixelzip.decompress_jpeg(pixelzip.compress(image))


def test_many_at_once() -> None:
    files: Sequence[Any] = [PLAIN, texture(9, 9), PROGRESSIVE, Image.fromarray(texture(7, 8))]
    coded = pixelzip.compress(files)
    assert coded == [pixelzip.compress(one) for one in files]
    assert pixelzip.decompress_jpeg(coded[2]) == PROGRESSIVE
    assert pixelzip.compress(as_jpeg(texture(530, 64)), num_threads=1) == pixelzip.compress(
        as_jpeg(texture(530, 64)), num_threads=2
    )


def test_packs_keep_jpeg_files() -> None:
    odd = PLAIN[:-2] + b"\x55\xff\xd9"
    images: Sequence[Any] = [PLAIN, texture(9, 9), PROGRESSIVE, odd, PLAIN]
    data = pack(images, names=["a", "b", "c", "d", "e"])
    packed = Pack(data)
    assert [packed.jpeg(index) for index in range(-5, 0)] == [PLAIN, None, PROGRESSIVE, None, PLAIN]
    assert packed.jpeg("c") == PROGRESSIVE
    expected = [decoded(PLAIN), texture(9, 9), decoded(PROGRESSIVE), decoded(odd), decoded(PLAIN)]
    assert all(np.array_equal(one, other) for one, other in zip(packed, expected, strict=True))
    assert pack(images, names=["a", "b", "c", "d", "e"], num_threads=2) == data
    with pytest.raises(IndexError):
        packed.jpeg(5)
    with pytest.raises(KeyError):
        packed.jpeg("f")
    assert Pack(pack([PLAIN], model="cifar10")).jpeg(0) is None


def rewritten(data: bytes, **changes: Any) -> bytes:
    """Change what keeps the JPEG, and leave the streams, whose seals do not fit then."""
    header, (body,) = container.read(data)
    reader = Reader(body)
    found = fields.read(reader, header)
    assert found.kept is not None
    return container.write(header, [fields.write(replace(found, kept=replace(found.kept, **changes))), reader.rest()])


def test_what_keeps_the_jpeg_is_sealed() -> None:
    data = pixelzip.compress(PLAIN)
    assert rewritten(data) == data
    for changes in ({"checksum": bytes(4)}, {"rest": kept(data) + b"\0"}):
        for decode in (pixelzip.decompress_jpeg, pixelzip.decompress_array):
            with pytest.raises(CorruptFile, match="checksum does not match"):
                decode(rewritten(data, **changes))


@pytest.mark.parametrize("place", range(0, 400, 7))
def test_flipped_bits_never_pass(place: int) -> None:
    data = bytearray(pixelzip.compress(as_jpeg(texture(20, 20), 60, optimize=True)))
    place %= len(data)
    data[place] ^= 1 << place % 8
    for decode in (pixelzip.decompress_jpeg, pixelzip.decompress_array):
        with pytest.raises(PixelzipError):
            decode(bytes(data))


def test_newer_samplings_are_refused() -> None:
    header = Header(MODES_BY_NAME["RGB"], 16, 16, BODY_JPEG_FILE, model=models.find("photo-jpeg").identifier)
    with pytest.raises(UnsupportedVersion, match="newer version"):
        pixelzip.decompress_jpeg(container.write(header, [b"\x09"]))


BLOCKS = ((1, b"an ICC profile, say"), (2, b"and EXIF data, say"))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x04\x00\x01x\x00", "the rest of the JPEG is damaged"),
        (b"\x02\x00\x00\x00", "the rest of the JPEG is damaged"),
        (b"\x02\x00\x02x", "what follows at byte 3: 2 bytes expected, 1 left"),
        (b"\x01\x02ab\x00", "the rest of the JPEG is damaged"),
        (b"\x01\x00\x03\x00\x00\x00\x01\x00\x02", "the rest of the JPEG is damaged"),
        (b"\x01\x00\x01\x00\x02", "refers to metadata 2"),
        (b"\x01\x00\x02\x00\x01\x00\x01", "the same metadata twice"),
        (b"\x01\x00\x01\x09\x01xy", "rest of the JPEG at byte 5: 9 bytes expected, 2 left"),
        (b"\x01\x09\x00", "blocks outside"),
    ],
)
def test_broken_rests(data: bytes, message: str) -> None:
    deflater = zlib.compressobj(9, wbits=-15)
    packed = deflater.compress(data) + deflater.flush()
    with pytest.raises(CorruptFile, match=message):
        rest.unpack(packed, BLOCKS, b"")
    with pytest.raises(CorruptFile, match=r"is cut short|does not inflate"):
        rest.unpack(packed[:-1], BLOCKS, b"")
    with pytest.raises(CorruptFile, match="impossible length"):
        rest.unpack(packed + b"?", BLOCKS, b"")


@given(st.binary(max_size=300), st.lists(st.integers(0, 1), max_size=3), st.integers(0, 1), st.binary(max_size=9))
def test_rests_there_and_back(data: bytes, references: list[int], filling: int, following: bytes) -> None:
    whole = b"".join([data, *(BLOCKS[number][1] for number in references), data[:5]])
    for outside in (None, np.arange(128, dtype=np.int16).reshape(2, 64) - 64):
        packed = rest.pack(Rest(whole, filling, outside, following), BLOCKS, b"known")
        found = rest.unpack(packed, BLOCKS, b"known")
        assert (found.data, found.filling, found.following) == (whole, filling, following)
        assert (found.outside is None) == (outside is None)
        assert outside is None or np.array_equal(found.outside, outside)


def test_rests_have_a_limit() -> None:
    with mock.patch.object(rest, "MAX_BYTES", 2**10):
        with pytest.raises(CorruptFile, match="more than 1024 bytes besides its image"):
            rest.pack(Rest(bytes(2**10), 1), (), b"")
        packed = rest.pack(Rest(bytes(2**10 - 3), 1), (), b"")
        assert rest.unpack(packed, (), b"").data == bytes(2**10 - 3)
    with mock.patch.object(rest, "MAX_BYTES", 2**9), pytest.raises(CorruptFile, match="impossible length"):
        rest.unpack(packed, (), b"")


def test_the_rest_of_another_image_is_refused() -> None:
    found, other = file.read(PLAIN), file.read(as_jpeg(texture(40, 50), 80))
    with pytest.raises(CorruptFile, match="another size than the image"):
        file.write(found.rest, other.components)
    grey = file.read(as_jpeg(texture(30, 50)[..., 0], 80))
    with pytest.raises(CorruptFile, match="another size than the image"):
        file.write(found.rest, grey.components)
    place = segment(found.rest.data, 0xDA) - 2
    comment = b"\xff\xfe\x00\x02"
    with pytest.raises(CorruptFile, match="more than 65536 segments"):
        file.read(PLAIN[:2] + comment * 2**16 + PLAIN[2:])
    with pytest.raises(CorruptFile, match="more than 64 scans"):
        file.write(Rest(found.rest.data[:place] + found.rest.data[place:-2] * 65, 1), found.components)


@settings(max_examples=300)
@given(st.sampled_from(sorted(OPTIONS)), st.integers(0, 2**32 - 1))
def test_hostile_rests_are_refused_or_written(options: str, seed: int) -> None:
    found = file.read(as_jpeg(texture(24, 40), 60, "4:2:0", **OPTIONS[options]))
    damage = Random(seed)
    data = damage.choice((mutations.any_bytes, mutations.one_bit, mutations.cut))(damage, found.rest.data)
    outcomes = []
    for sets in (native.INSTRUCTION_SETS, ()):
        with mock.patch.object(native, "INSTRUCTION_SETS", sets):
            try:
                outcomes.append(file.write(Rest(data, 1), found.components))
            except CorruptFile:
                outcomes.append(b"")
    assert outcomes[0] == outcomes[1]


def test_a_jpeg_larger_than_any_is_refused() -> None:
    found = file.read(as_jpeg(texture(64, 64), 95))
    place = segment(found.rest.data, 0xDA) - 2
    start, scan = found.rest.data[:place], found.rest.data[place:-2]
    with mock.patch.object(file, "_MOST_BYTES_PER_BLOCK", 16), pytest.raises(CorruptFile, match="larger than any"):
        file.write(Rest(start + 3 * scan, 1), found.components)
    assert len(file.write(Rest(start + 3 * scan, 1), found.components)) > 16 * 96


def test_levels_that_codes_cannot_express() -> None:
    best = file.read(as_jpeg(texture(16, 16), 40, optimize=True))
    plain = file.read(as_jpeg(texture(16, 16), 40))
    best.components[0].levels[63, 1, 1] = plain.components[0].levels[63, 1, 1] = 33
    jpeg = file.write(best.rest, best.components)
    assert file.read(jpeg).components[0].levels[63, 1, 1] == 33
    best.components[0].levels[63, 1, 1] = plain.components[0].levels[63, 1, 1] = 1024
    for sets in (native.INSTRUCTION_SETS, ()):
        with mock.patch.object(native, "INSTRUCTION_SETS", sets):
            assert file.write(best.rest, best.components) != jpeg
            with pytest.raises(CorruptFile, match="no code for a symbol that it needs"):
                file.write(plain.rest, plain.components)


def test_the_extension_checks_what_it_is_given() -> None:
    if not native.INSTRUCTION_SETS:
        pytest.skip("built without the extension")
    levels, order, places = np.zeros((2, 64), np.int16), np.array([0, 1], np.int32), np.zeros(1, np.uint8)
    table = bytes([0, 1, *bytes(14), 0])
    good = native_jpeg.Scan(levels, order, places, [table, table], (0, 63, 0, 0, 0, 1))
    assert native_jpeg.write_scan(good, 1) == b"\x00"
    assert native_jpeg.read_scan(b"\x00", good)
    assert not native_jpeg.read_scan(b"\xff\x00", good)
    for changes in (
        {"order": np.array([0, 2], np.int32)},
        {"order": np.array([0, -1], np.int32)},
        {"places": np.ones(1, np.uint8)},
        {"places": np.zeros(3, np.uint8)},
        {"tables": [table[:-1]] * 2},
        {"tables": [table] * 9},
        {"fields": (5, 4, 0, 0, 0, 1)},
        {"fields": (0, 64, 0, 0, 0, 1)},
        {"fields": (0, 63, 1, 0, 0, 1)},
        {"fields": (0, 63, 0, 0, 0, 0)},
    ):
        with pytest.raises(ValueError, match=r"scan|table"):
            native_jpeg.write_scan(good._replace(**changes), 1)
        with pytest.raises(ValueError, match=r"scan|table"):
            native_jpeg.read_scan(b"\x00", good._replace(**changes))


def test_segments_of_a_frame() -> None:
    frame = segments.Frame(30, 50, (segments.Part(1, 2, 2, 0), segments.Part(2, 1, 1, 1)), is_progressive=False)
    assert (frame.shape(0), frame.full_shape(0)) == ((4, 7), (4, 8))
    assert (frame.shape(1), frame.full_shape(1)) == ((2, 4), (2, 4))
    assert frame.num_blocks == 40
    assert frame.numbers(1).tolist() == [[32, 33, 34, 35], [36, 37, 38, 39]]
