"""What golden files there are: one for each mode, network, body, and field of the format, and ones broken in each."""

from __future__ import annotations

import io
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from conftest import CONFIGS, PAPER_CONFIGS, make_network, smooth_image
from PIL import Image
from test_codec import MODES, make_image
from test_jpeg import as_jpeg, decoded, texture
from test_jpeg_file import chroma_halved_downwards, with_other_blocks_outside
from test_lattice import photograph

import pixelzip
from pixelzip import components, container, fallback, image, layout, models, pack_container, tone_search
from pixelzip.container import BODY_PNG, BODY_WEBP, Component
from pixelzip.fields import Reader
from pixelzip.image import MODES_BY_NAME
from pixelzip.jpeg import fields as jpeg_fields
from pixelzip.models.export import export_network
from pixelzip.networks import find_networks
from pixelzip.pack import pack
from pixelzip.pack_container import FILE, STREAM, Shape
from pixelzip.tiles import Tiling

GOLDEN = Path(__file__).parent / "golden"

ALL_METADATA = {
    "icc_profile": bytes(range(200)),
    "exif": b"Exif\0\0MM\0*\0\0\0\x08\0\0",
    "xmp": b"<x:xmpmeta/>" * 9,
    "Title": "hills",
    "Автор": "name " * 30,
    "dpi": (300.0, 299.5),
    "gamma": 0.45455,
    "transparency": (1, 2, 3),
}


def other_models() -> dict[str, str]:
    """Return the paths of small networks with random weights: of the paper's family, and a cone of two resolutions."""
    paths = {name: GOLDEN / f"{name}.safetensors" for name in ("paper", "cone")}
    if not paths["paper"].exists():
        network = make_network(PAPER_CONFIGS[0])
        network.layers[-1].main.g.data *= 0.05  # as wide as at the start of training
        export_network(network, paths["paper"], {})
    if not paths["cone"].exists():
        export_network(make_network(CONFIGS[1]), paths["cone"], {})
    return {name: str(path) for name, path in paths.items()}


def files_of_networks() -> dict[str, bytes]:
    """Return one file for each mode that a network codes and each network, and packs of the networks not shipped."""
    newest = {entry.name: entry.file_name.removesuffix(".safetensors") for entry in models.MODELS}
    shipped = {prefix: name for name, prefix in newest.items()}
    networks = {prefix: name for prefix, name in shipped.items() if not models.is_companion(name)} | other_models()
    files = {
        f"{prefix}-network-{mode}.pxz": _coded(picture, name)
        for prefix, name in networks.items()
        for mode, picture in _pictures().items()
        if mode not in ("1", "P")
    }
    small = [smooth_image(7, 5, seed=seed) for seed in range(3)]
    return files | {f"{name}-pack.pxzp": pack(small, model=path) for name, path in other_models().items()}


def files_of_bodies() -> dict[str, bytes]:
    """Return one file for each mode that an embedded PNG or WebP holds."""
    files = {}
    for name, picture in _pictures().items():
        read = image.read(picture)
        if name not in ("CMYK", "LA16", "RGB16", "RGBA16"):
            files[f"png-{name}.pxz"] = fallback._embedded(read, BODY_PNG, fallback._write_png(read))
        if not name.endswith("16"):
            files[f"webp-{name}.pxz"] = fallback._embedded(read, BODY_WEBP, fallback._write_webp(read, 6))
    transparent = make_image("P", 12, 14, "smooth")
    transparent.info["transparency"] = bytes(range(0, 130, 10))
    read = image.read(transparent)
    return files | {"png-palette-RGBA.pxz": fallback._embedded(read, BODY_PNG, fallback._write_png(read))}


def files_of_features(pixels: str, planes: str, bands: str) -> dict[str, bytes]:
    """Return files with what no other has: stored components, all metadata, planes with alpha and in tiles, turning."""
    noise = np.random.default_rng(0).integers(0, 256, (9, 8, 1), dtype=np.uint8)
    deep = smooth_image(9, 8, 1).astype(np.uint16) * 256 + noise
    lattice, opaque = photograph(70, 90), np.full((70, 90, 1), 255, np.uint8)
    slope = (np.add.outer(np.arange(260), np.arange(270)) // 4).astype(np.uint8)
    with mock.patch.object(components, "Tiling", partial(Tiling, tile_width=64, tile_height=128)):
        tiles = _coded(slope)
    few_bits = np.concatenate((smooth_image(9, 8, 3), noise), axis=2).astype(np.uint16) * 4 + noise % 4
    few_bits[0, 0, 0], few_bits[..., 3] = 1023, few_bits[..., 3] | 2**15
    return {
        f"{pixels}-stored-RGBA.pxz": _coded(np.concatenate((smooth_image(9, 8), noise), axis=2)),
        f"{pixels}-stored-I16.pxz": _coded(deep[..., 0]),
        f"{pixels}-tiles-64x128.pxz": tiles,
        f"{pixels}-metadata-all.pxz": _file_with_all_metadata(),
        f"{pixels}-pack-names.pxzp": pack([smooth_image(5, 4, seed=seed) for seed in range(3)], names=["x", "y", "z"]),
        f"{planes}-RGBA.pxz": _coded(np.concatenate((lattice, opaque), axis=2)),
        f"{planes}-tiles.pxz": _coded(photograph(260, 270)[5:, 3:]),
        f"{bands}-bands.pxz": _coded(smooth_image(130, 140), "photo-max"),
        f"{pixels}-turned.pxz": _turned(smooth_image(257, 260), 3, 6),
        f"{pixels}-turned-L.pxz": _turned(smooth_image(9, 14, 1)[..., 0], 5),
        f"{pixels}-turned-RGBA.pxz": _turned(smooth_image(9, 14, 4), 7),
        f"{pixels}-8-bits-I16.pxz": _coded(deep[..., 0] >> 8),
        f"{pixels}-9-bits-turned-I16.pxz": _turned(deep[..., 0] >> 6, 5),
        f"{pixels}-10-bits-RGBA16.pxz": _coded(few_bits),
        f"{pixels}-13-bits-I16.pxz": _coded(deep[..., 0] >> 2),
    }


def files_of_jpegs(prefix: str) -> dict[str, bytes]:
    """Return files with levels of JPEGs: every sampling, both kinds of tables, grey, corrections, several bands."""
    own = [[2 + (place // 8 + place % 8) * 2 for place in range(64)], [5 + place // 4 for place in range(64)]]
    retouched = decoded(as_jpeg(texture(96, 80), 85)).copy()
    retouched[40:44, 50:53] = 17
    images = {
        "420": decoded(as_jpeg(texture(77, 91), 75)),
        "422": decoded(as_jpeg(texture(96, 112), 85, "4:2:2")),
        "444": decoded(as_jpeg(texture(96, 80), 92, "4:4:4")),
        "L": decoded(as_jpeg(texture(50, 66)[..., 0], 80)),
        "tables": decoded(as_jpeg(texture(112, 112), qtables=own)),
        "corrections": retouched,
        "bands": decoded(as_jpeg(texture(531, 64), 75)),
    }
    files = {f"{prefix}-{name}.pxz": _coded(pixels) for name, pixels in images.items()}
    assert {pixelzip.info(file).body for file in files.values()} == {"jpeg"}
    return files


def files_of_jpeg_files(prefix: str) -> dict[str, bytes]:
    """Return files that keep JPEG files: sequential and progressive, every sampling, restarts, metadata, tails."""
    narrow, grey = texture(40, 3), texture(50, 66)[..., 0]
    described = Image.fromarray(texture(64, 48))
    described.info["comment"] = b"a comment"
    exif = Image.Exif()
    exif[0x010E] = "a description of it"
    buffer = io.BytesIO()
    described.save(buffer, "JPEG", exif=exif, icc_profile=bytes(range(200)), dpi=(300, 300), progressive=True)
    jpegs = {
        "420": as_jpeg(texture(77, 91), 75),
        "422-optimal": as_jpeg(texture(96, 112), 85, "4:2:2", optimize=True),
        "444-progressive": as_jpeg(texture(96, 80), 92, "4:4:4", progressive=True),
        "440": chroma_halved_downwards(),
        "420-narrow": as_jpeg(narrow, 75),
        "422-narrow": as_jpeg(narrow, 75, "4:2:2"),
        "L-progressive": as_jpeg(grey, 80, progressive=True),
        "restarts": as_jpeg(texture(77, 91), 75, restart_marker_blocks=5),
        "metadata": buffer.getvalue(),
        "tail": as_jpeg(texture(30, 50)) + b"and more",
        "outside": with_other_blocks_outside(as_jpeg(texture(30, 50), 80)),
        "bands": as_jpeg(texture(531, 64), 75),
        "followed": as_jpeg(texture(48, 64), 90) + b"\0" + as_jpeg(texture(48, 64)[..., 0], 85) * 2 + b"and more",
    }
    files = {f"{prefix}-file-{name}.pxz": pixelzip.compress(jpeg) for name, jpeg in jpegs.items()}
    assert {pixelzip.info(file).body for file in files.values()} == {"jpeg-file"}
    return files


def broken_jpeg_files(prefix: str) -> dict[str, bytes]:
    """Return files that keep JPEG files, with what keeps them broken: sealed, and fitting no JPEG."""
    header, (body,) = container.read(files_of_jpeg_files(prefix)[f"{prefix}-file-tail.pxz"])
    reader = Reader(body)
    found = jpeg_fields.read(reader, header)
    assert found.kept is not None
    streams = reader.rest()
    kept = found.kept

    def changed(**changes: bytes) -> bytes:
        return container.write(header, [jpeg_fields.write(replace(found, kept=replace(kept, **changes))), streams])

    return {
        "CorruptFile-jpeg-file-checksum.pxz": changed(checksum=bytes(4)),
        "CorruptFile-jpeg-file-rest.pxz": changed(rest=kept.rest[:-1]),
        "CorruptFile-jpeg-file-no-rest.pxz": changed(rest=b""),
        "CorruptFile-jpeg-file-cut.pxz": container.write(header, [body[: len(body) - len(streams) - 2]]),
        "UnsupportedVersion-jpeg-file-sampling.pxz": container.write(header, [b"\xff" + body[1:]]),
    }


def broken_jpegs(prefix: str) -> dict[str, bytes]:
    """Return files with levels of JPEGs that are broken in each of their fields."""
    good = {name: (GOLDEN / f"{prefix}-{name}.pxz").read_bytes() for name in ("420", "L", "corrections", "tables")}
    parts = {name: container.read(data) for name, data in good.items()}
    header, (body,) = parts["420"]
    own, (own_body,) = parts["tables"]
    pixels = replace(header, model=models.find(models.DEFAULT_MODEL).identifier)
    return {
        "UnsupportedVersion-jpeg-sampling.pxz": container.write(header, [b"\xff" + body[1:]]),
        "CorruptFile-jpeg-other-sampling.pxz": container.write(header, [b"\x03" + body[1:]]),
        "UnsupportedVersion-jpeg-quality.pxz": container.write(header, [body[:1] + b"\xff" + body[2:]]),
        "CorruptFile-jpeg-step.pxz": container.write(own, [own_body[:5] + b"\0" + own_body[6:]]),
        "CorruptFile-jpeg-last.pxz": container.write(header, [body[:3] + b"\x40" + body[4:]]),
        "CorruptFile-jpeg-corrections.pxz": good["corrections"].replace(b"x\xda", b"x\xdb", 1),
        "CorruptFile-jpeg-checksum.pxz": container.write(header, [body[:7] + bytes([body[7] ^ 1]) + body[8:]]),
        "CorruptFile-jpeg-cut.pxz": good["420"][: len(good["420"]) // 2],
        "CorruptFile-jpeg-mode.pxz": container.write(replace(header, mode=MODES_BY_NAME["LA"]), [body]),
        "CorruptFile-jpeg-wider.pxz": container.write(replace(header, width=header.width + 1), [body]),
        "UnknownModel-jpeg-pixels.pxz": container.write(pixels, [body]),
    }


def broken_features(pixels: str, planes: str) -> dict[str, bytes]:
    """Return files that are broken in a field that few files have; names begin with the error's class."""
    good = {path.stem: path.read_bytes() for path in GOLDEN.glob("*.pxz")}
    header, streams = container.read(good[f"{pixels}-stored-RGBA"])
    lattice, planes_streams = container.read(good[f"{planes}-RGBA"])
    assert lattice.lattice is not None
    turned, turned_streams = container.read(good[f"{pixels}-turned-L"])
    few, few_streams = container.read(good[f"{pixels}-10-bits-RGBA16"])
    place = good[f"{planes}-RGBA"].index(lattice.model) + len(lattice.model)
    rgb, png, webp = MODES_BY_NAME["RGB"], good["png-RGB"], good["webp-RGB"]
    sides = webp.index(b"WEBPVP8L") + 13
    return {
        "CorruptFile-metadata.pxz": good[f"{pixels}-metadata-all"].replace(b"hills", b"hXlls"),
        "CorruptFile-bits.pxz": good[f"{pixels}-10-bits-RGBA16"].replace(b"\xfe\x0a", b"\xfe\x10", 1),
        "CorruptFile-stored-bits.pxz": container.write(replace(few, significant_bits=11), few_streams),
        "CorruptFile-stored.pxz": container.write(header, [streams[0], streams[1][:-9] + streams[1][-8:]]),
        "CorruptFile-corrections.pxz": container.write(
            replace(lattice, lattice=replace(lattice.lattice, corrections=b"no zlib")), planes_streams
        ),
        "CorruptFile-png-cut.pxz": png[: len(png) // 2],
        "CorruptFile-png-checksum.pxz": png[:8] + bytes([png[8] ^ 1]) + png[9:],
        "CorruptFile-webp-size.pxz": webp[:sides] + b"\xff\xff\xff\x0f" + webp[sides + 4 :],
        "CorruptFile-webp-extended.pxz": webp.replace(b"WEBPVP8L", b"WEBPVP8X"),
        "UnsupportedVersion-coding.pxz": container.write(
            replace(header, components=(Component(), Component(3))), streams
        ),
        "UnsupportedVersion-mode.pxz": png[:5] + b"\x09" + png[6:],
        "UnsupportedVersion-lattice.pxz": good[f"{planes}-RGBA"][:place]
        + b"\x0a"
        + good[f"{planes}-RGBA"][place + 1 :],
        "UnsupportedVersion-orientation.pxz": container.write(replace(turned, orientations=b"\x08"), turned_streams),
        "CorruptFile-orientation.pxz": container.write(replace(turned, orientations=b"\x04"), turned_streams),
        "UnknownModel-pack.pxzp": pack_container.write(b"zz", [Shape(rgb, 2, 2, STREAM)], [b"ab"], None, None),
        "ImageTooLarge-pack.pxzp": pack_container.write(
            header.model, [Shape(rgb, 2**16, 2**16, FILE)], [b"ab"], None, None
        ),
        "CorruptFile-pack-mirrors.pxzp": pack_container.write(
            header.model, [Shape(rgb, 2, 2, FILE)], [b"ab"], None, None, [True]
        ),
        "CorruptFile-pack-names.pxzp": pack_container.write(
            header.model, [Shape(rgb, 2, 2, STREAM)] * 2, [b"ab", b"cd"], ["x", "x"], None
        ),
    }


def _pictures() -> dict[str, Any]:
    """Return one image for each mode."""
    pictures: dict[str, Any] = {mode.replace(";", ""): make_image(mode, 12, 14, "smooth") for mode in MODES}
    pictures["CMYK"] = Image.frombytes("CMYK", (7, 6), smooth_image(6, 7, 4).tobytes())
    pictures["LA16"] = smooth_image(6, 7, 2).astype(np.uint16) * 259
    pictures["RGB16"] = smooth_image(6, 7).astype(np.uint16) * 257
    pictures["RGBA16"] = smooth_image(6, 7, 4).astype(np.uint16) * 255
    return pictures


def _coded(picture: Any, model: str = models.DEFAULT_MODEL) -> bytes:
    """Compress with the network even where PNG or WebP would be smaller."""
    with (
        mock.patch.object(fallback, "_may_lose", return_value=False),
        mock.patch.object(fallback, "is_drawing", return_value=False),
        mock.patch.object(layout, "find", return_value=[]),
        mock.patch.object(tone_search, "find", return_value=None),
    ):
        data: bytes = pixelzip.compress(picture, model)
    return data


def _turned(picture: Any, *orientations: int) -> bytes:
    networks = find_networks(models.DEFAULT_MODEL)
    prepared = components.prepare(image.read(picture), networks)
    header = replace(prepared.header, orientations=bytes(orientations))
    data = components.encode(networks, [replace(prepared, header=header)], "cpu", None)[0]
    assert data is not None
    return data


def _file_with_all_metadata() -> bytes:
    described = Image.fromarray(smooth_image(8, 8))
    described.info = dict(ALL_METADATA)
    header, streams = container.read(_coded(described))
    return container.write(replace(header, blocks=(*header.blocks, (77, b"of a later version"))), streams)
