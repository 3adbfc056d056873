"""What is damaged: golden files, and files of a few pixels each made with tiny networks, one of every kind."""

from __future__ import annotations

import hashlib
import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from conftest import make_network, smooth_image
from golden_parts import in_parts
from numpy.typing import NDArray
from PIL import Image

import pixelzip
from pixelzip import components, derived, fallback, image, layout, models
from pixelzip.components import Networks, Prepared
from pixelzip.container import PACK_SIGNATURE, SIGNATURE
from pixelzip.derived import Derivation
from pixelzip.enlargement import Repeats
from pixelzip.lattice import Lattice
from pixelzip.models.config import PLANES_PERIOD, ConeConfig
from pixelzip.models.conversion import CONVERSIONS, JFIF
from pixelzip.models.export import export_network
from pixelzip.networks import find_networks
from pixelzip.pack import Pack, pack
from pixelzip.tiles import Box
from pixelzip.tones import Table, Tones

TESTS = Path(__file__).parent
TINY_MAX_PIXELS = 24
GOLDEN_MAX_PIXELS = 2**17

INFO = {
    "icc_profile": b"profile",
    "exif": b"Exif\0\0MM\0*\0\0\0\x08\0\0",
    "xmp": b"<x/>",
    "Title": "hills",
    "dpi": (72.0, 72.0),
    "gamma": 0.45455,
}

KNOWN: set[bytes] = set()
"""Fingerprints of the pixels of every file of the corpus, and the JPEG files that some keep."""


@dataclass(frozen=True)
class Seed:
    """A file, the model that it needs if it is not a shipped one, and the limit on pixels it is read with."""

    name: str
    data: bytes
    model: str | None = None
    max_pixels: int = TINY_MAX_PIXELS


def fingerprint(samples: NDArray[np.generic]) -> bytes:
    """Return a hash of dtype, shape and samples."""
    return hashlib.sha256(f"{samples.dtype} {samples.shape}".encode() + samples.tobytes()).digest()


def make(folder: Path, with_golden: bool) -> tuple[list[Seed], list[Seed]]:
    """Return tiny files, the quickest several times, and golden ones, and fill KNOWN."""
    tiny, golden = list(_tiny(folder)), list(_golden()) if with_golden else []
    for seed in [*tiny, *golden]:
        for place in range(len(seed.data)):
            if place == 0 or seed.data.startswith(SIGNATURE, place):  # a file that others end with is one, too
                KNOWN.update(map(fingerprint, _decoded(replace(seed, data=seed.data[place:]))))
    slow = ("jpeg", "blocks", "lattice", "mixed", "RGBA", "RGB16", "RGB-2x2", "parts")
    return [seed for seed in tiny for _ in range(1 if seed.name.startswith(slow) else 6)], golden


def _decoded(seed: Seed) -> list[NDArray[np.generic]]:
    try:
        if seed.data.startswith(PACK_SIGNATURE):
            return list(Pack(seed.data, model=seed.model))
        if pixelzip.info(seed.data).body == "jpeg-file":
            KNOWN.add(pixelzip.decompress_jpeg(seed.data))
        return [pixelzip.decompress_array(seed.data, model=seed.model)]
    except pixelzip.PixelzipError:
        return []  # one of golden-errors


def _golden() -> Iterator[Seed]:
    for path in sorted([*TESTS.glob("golden/*.pxz*"), *TESTS.glob("golden-errors/*.pxz*")]):
        model = str(TESTS / "golden" / "paper.safetensors") if path.name.startswith("paper") else None
        yield Seed(path.name, path.read_bytes(), model, GOLDEN_MAX_PIXELS)


def _tiny(folder: Path) -> Iterator[Seed]:
    model = folder / "tiny.safetensors"
    export_network(make_network(ConeConfig(channels=8, blocks=(1,), mixtures=1)), model, {})
    for name, picture in _pictures():
        if not name.startswith(("1", "P")):
            with (
                mock.patch.object(fallback, "_may_lose", return_value=False),
                mock.patch.object(fallback, "is_drawing", return_value=False),
                mock.patch.object(layout, "find", return_value=[]),
            ):
                yield Seed(f"{name}.pxz", pixelzip.compress(picture, str(model)), str(model))
        if not name.startswith(("LA16", "RGB16", "RGBA16")):
            yield Seed(f"{name}-fallback.pxz", fallback.smallest(image.read(picture), None), str(model))
    for name, jpeg in _jpegs():
        yield Seed(f"jpeg-file-{name}.pxz", pixelzip.compress(jpeg))
    yield from _lattices(folder, str(model))
    yield from _turned(str(model))
    yield Seed("parts.pxz", in_parts(smooth_image(4, 5), [Box(0, 1, 2, 2), Box(2, 0, 2, 3)], str(model)), str(model))
    yield from _derived(str(model))
    yield from _packs(str(model))


def _derived(model: str) -> Iterator[Seed]:
    """Yield images that are made of others by a table for each channel, and one for all, and an enlarged one."""
    inner = smooth_image(2, 3)
    own = Tones(tuple(Table(0, np.arange(256, dtype=np.uint16)[:, None] * 257) for _ in range(3)))
    tints = Tones((Table(20, np.random.default_rng(0).integers(0, 256, (236, 3), dtype=np.uint8)),))
    for name, tones, samples in (("own", own, inner), ("tints", tints, inner[..., :1])):
        made = tones.apply(samples)
        file = pixelzip.compress(samples if name == "own" else samples[..., 0], model)
        yield Seed(f"derived-{name}.pxz", derived.write(image.read(made), Derivation(tones=tones), file), model)
    large = image.read(inner.repeat(3, axis=0).repeat(2, axis=1)[:, 1:])
    file = derived.write(large, Derivation(factors=(Repeats(3), Repeats(2, 1))), pixelzip.compress(inner, model))
    yield Seed("derived-enlarged.pxz", file, model)


def _pictures() -> Iterator[tuple[str, Image.Image | NDArray[np.generic]]]:
    """Yield one image for each mode, and for each coding of a component."""
    colour, alpha = smooth_image(1, 2, 4), np.random.default_rng(0).integers(0, 256, (1, 3, 4), dtype=np.uint8)
    yield "1", Image.fromarray(colour[..., 0]).convert("1")
    yield "L", colour[..., 0]
    yield "L-1x1", colour[:, :1, 0]
    yield "LA", colour[..., [0, 3]]
    yield "P", Image.fromarray(colour[..., :3].copy()).convert("P", palette=Image.Palette.ADAPTIVE, colors=3)
    yield "RGB", colour[..., :3]
    yield "RGB-1x1", colour[:, :1, :3]
    yield "RGB-2x2", smooth_image(2, 2)
    yield "RGBA", colour
    yield "RGBA-constant", np.dstack((colour[..., :3], np.full((1, 2, 1), 255, np.uint8)))
    yield "RGBA-stored", alpha
    yield "I16", colour[..., 0].astype(np.uint16) * 257
    yield "CMYK", Image.frombytes("CMYK", (colour.shape[1], colour.shape[0]), colour.tobytes())
    yield "LA16", colour[..., :2].astype(np.uint16) * 259
    yield "RGB16", colour[..., :3].astype(np.uint16) * 257
    yield "RGBA16", colour.astype(np.uint16) * 255
    for mode, channels in (("RGB", 3), ("L", 1)):
        described = Image.fromarray(colour[..., :channels].squeeze(-1 if channels == 1 else ())).convert(mode)
        described.info = INFO | {"transparency": 7 if mode == "L" else (1, 2, 3)}
        yield f"{mode}-metadata", described


def _jpegs() -> Iterator[tuple[str, bytes]]:
    """Yield JPEG files of a few pixels."""
    colour = Image.fromarray(smooth_image(4, 5))
    options: list[dict[str, Any]] = [
        {"subsampling": 2},
        {"subsampling": 0, "progressive": True, "icc_profile": b"a profile of a kind", "comment": b"hills"},
        {"optimize": True},
    ]
    jpegs = []
    for number, option in enumerate(options):
        buffer = io.BytesIO()
        (colour if number < 2 else colour.convert("L")).save(buffer, "JPEG", **option)
        jpegs.append(buffer.getvalue())
        yield str(number), jpegs[-1]
    yield "followed", b"".join(jpegs)


def _lattices(folder: Path, pixels_model: str) -> Iterator[Seed]:
    path = folder / "planes.safetensors"
    export_network(make_network(ConeConfig(channels=8, blocks=(1,), mixtures=1, period=PLANES_PERIOD)), path, {})
    pixels, planes = find_networks(pixels_model).pixels, find_networks(str(path)).planes
    assert planes is not None
    for conversion in (JFIF, CONVERSIONS[-1]):
        luma = smooth_image(4, 4)
        rgb = conversion.to_rgb(luma)
        correction = np.array([15, 0, 0, 0, 5, 250, 1], dtype=np.uint8)
        header = components.prepare(image.read(rgb), Networks(pixels)).header
        header = replace(
            header, model=planes.identifier, lattice=Lattice(conversion, (3, 5), zlib.compress(correction.tobytes()))
        )
        data = components.encode(Networks(pixels, planes), [Prepared(header, (luma,))], "cpu", None)[0]
        assert data is not None
        yield Seed(f"lattice-{conversion.name}.pxz", data, str(path))


def _turned(model: str) -> Iterator[Seed]:
    networks = find_networks(model)
    for orientation, channels in ((1, 3), (6, 4)):
        picture = components.prepare(image.read(smooth_image(1, 2, channels)), networks)
        header = replace(picture.header, orientations=bytes([orientation]))
        data = components.encode(networks, [replace(picture, header=header)], "cpu", None)[0]
        assert data is not None
        yield Seed(f"turned-{orientation}.pxz", data, model)


def _packs(model: str) -> Iterator[Seed]:
    small = [smooth_image(1, 1, seed=seed) for seed in range(300)]
    grey = smooth_image(2, 2, 1)[..., 0]
    others = [smooth_image(2, 1), grey, smooth_image(2, 2, 4), grey.astype(np.uint16) * 257, np.zeros((2, 3), np.uint8)]
    yield Seed("blocks.pxzp", pack(small, model=model, labels=list(range(300))), model)
    yield Seed("few.pxzp", pack(small[:3], model=model), model)
    with mock.patch.object(models, "tries_mirrors", return_value=True):
        wider = [smooth_image(2, 3, seed=seed) for seed in range(9)]
        yield Seed("mirrored.pxzp", pack(wider, model=model), model)
    yield Seed(
        "mixed.pxzp", pack(others, model=model, names=["a", "b/c.png", "ü", "d", "e"], labels=[0, 1, 2, 3, 300]), model
    )
    yield Seed("empty.pxzp", pack([], model=model), model)
