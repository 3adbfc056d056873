"""Write golden files for models and features that have none yet; existing ones are never touched.

    python tests/write_golden.py

``golden/`` must decode for ever to the pixels whose SHA-256 stands in ``sha256.json``; ``golden-errors/`` must fail
with the class that the name starts with. Both hold single images (.pxz) and packs (.pxzp).
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
import golden_derived
import golden_drawings
import golden_files
import golden_parts
from conftest import smooth_image
from golden_files import GOLDEN, other_models
from test_codec import MODES, make_image
from test_lattice import photograph

import pixelzip
from pixelzip import models
from pixelzip.container import PACK_SIGNATURE
from pixelzip.models.conversion import CONVERSIONS
from pixelzip.pack import Pack, pack

ERRORS = Path(__file__).parent / "golden-errors"


def digest(data: bytes, name: str) -> str:
    """Return the SHA-256 of a file's mode, shape, samples and JPEG, or of those of a pack's images, names and labels.

    Files whose ``name`` begins with that of a model in GOLDEN need that model.
    """
    if data.startswith(PACK_SIGNATURE):
        packed = Pack(data, model=_other_model(name))
        texts = [f"{image.shape} {image.dtype} {digest_of_samples(image)}" for image in packed]
        return hashlib.sha256(f"{texts} {packed.names} {packed.labels}".encode()).hexdigest()
    samples = pixelzip.decompress_array(data, model=_other_model(name))
    text = f"{pixelzip.info(data).mode} {samples.shape} {samples.dtype}".encode()
    if pixelzip.info(data).body == "jpeg-file":
        text += pixelzip.decompress_jpeg(data)
    return hashlib.sha256(text + samples.astype(samples.dtype.newbyteorder("<")).tobytes()).hexdigest()


def _other_model(name: str) -> str | None:
    return next((str(path) for path in GOLDEN.glob("*.safetensors") if name.startswith(path.stem)), None)


def digest_of_samples(samples: np.ndarray) -> str:
    return hashlib.sha256(samples.astype(samples.dtype.newbyteorder("<")).tobytes()).hexdigest()


def golden_packs() -> dict[str, bytes]:
    small = [smooth_image(5, 4, seed=seed) for seed in range(300)]
    grey = smooth_image(28, 28, 1)[..., 0]
    icon = np.kron(np.eye(12, dtype=np.uint8) * np.uint8(200), np.ones((4, 4), dtype=np.uint8))
    others = [
        small[0],
        grey,
        icon,
        smooth_image(9, 9, 4),
        smooth_image(5, 5).astype(np.uint16) * 257,
        smooth_image(1, 1),
    ]
    return {
        "pack-blocks": pack(small, labels=[index % 10 for index in range(300)]),
        "pack-mixed": pack(others, names=["a", "b/c.png", "ü", "d", "e", "f"], labels=[2**31 - 1, 0, 1, 2, 3, 300]),
        "pack-empty": pack([]),
    }


def broken_packs(good: bytes) -> dict[str, bytes]:
    flipped = bytearray(good)
    flipped[-9] ^= 4
    return {
        "CorruptFile-pack-flipped": bytes(flipped),
        "CorruptFile-pack-truncated": good[:-1],
        "CorruptFile-pack-header-only": good[:10],
        "CorruptFile-pack-index": good[:20] + bytes([good[20] ^ 1]) + good[21:],
        "UnsupportedVersion-pack": good[:6] + bytes([good[6] | 0x80]) + good[7:],
    }


def golden_images() -> dict[str, object]:
    images: dict[str, object] = {f"{mode.replace(';', '')}-{kind}": make_image(mode, 24, 30, kind)
                                 for mode in MODES for kind in ("smooth", "constant")}  # fmt: skip
    images["tiles"] = smooth_image(270, 300)
    images["RGB16"] = smooth_image(11, 13).astype(np.uint16) * 257
    images["RGBA16"] = smooth_image(9, 5, 4).astype(np.uint16) * 255
    described = make_image("RGB", 20, 20, "smooth")
    described.info.update({"icc_profile": b"profile" * 30, "Title": "hills", "dpi": (72.0, 72.0), "gamma": 0.45455})
    images["metadata"] = described
    for conversion in CONVERSIONS:
        pixels = photograph(70, 90, conversion)[3:, 5:]
        pixels[20, 30] ^= 85
        images[f"lattice-{conversion.name.replace(' ', '-')}"] = pixels
    return images


def broken_files(good: bytes) -> dict[str, bytes]:
    flipped = bytearray(good)
    flipped[len(good) // 2] ^= 16
    return {
        "CorruptFile-empty": b"",
        "CorruptFile-png": b"\x89PNG\r\n\x1a\n" + good,
        "CorruptFile-newlines": good.replace(b"\r\n", b"\n"),
        "CorruptFile-truncated": good[: len(good) // 2],
        "CorruptFile-header-only": good[:10],
        "CorruptFile-flipped": bytes(flipped),
        "CorruptFile-appended": good + b"more",
        "CorruptFile-wider": good[:6] + bytes([good[6] + 1]) + good[7:],
        "UnsupportedVersion-version": good[:5] + bytes([good[5] | 0x80]) + good[6:],
        "UnsupportedVersion-conversion": good[:5] + bytes([good[5] | 0x30]) + good[6:],
        "UnknownModel-model": good[:8] + bytes([good[8] ^ 0x55, good[9]]) + good[10:],
        "ImageTooLarge-huge": good[:6] + b"\xff\xff\xff\x07\xff\xff\xff\x07" + good[8:],
    }


def main() -> None:
    GOLDEN.mkdir(exist_ok=True)
    ERRORS.mkdir(exist_ok=True)
    table_path = GOLDEN / "sha256.json"
    table = json.loads(table_path.read_text()) if table_path.exists() else {}
    names = {entry.name: entry.file_name.removesuffix(".safetensors") for entry in models.MODELS}
    default = names[models.DEFAULT_MODEL]
    made = {f"{default}-{key}.pxzp": data for key, data in golden_packs().items()}
    for key, image in golden_images().items():
        data = pixelzip.compress(image)  # type: ignore[call-overload]
        made[f"{names.get(pixelzip.info(data).model or '', default)}-{key}.pxz"] = data
    small = [smooth_image(32, 32, seed=seed) for seed in range(3)]
    made |= {f"{names['cifar10']}-RGB.pxz": pixelzip.compress(small[0], "cifar10")}
    made |= {f"{names['cifar10']}-pack.pxzp": pack(small, model="cifar10")}
    made |= {"paper-raster.pxz": pixelzip.compress(smooth_image(13, 18), other_models()["paper"])}
    made |= golden_files.files_of_networks() | golden_files.files_of_bodies()
    made |= golden_files.files_of_features(default, names["photo-planes"], names["photo-max"])
    made |= golden_files.files_of_jpegs(names["photo-jpeg"])
    made |= golden_files.files_of_jpeg_files(names["photo-jpeg"])
    made |= golden_parts.files_of_parts(default) | golden_drawings.files_of_drawings()
    made |= golden_derived.files_of_derived()
    for name, data in made.items():
        if not (GOLDEN / name).exists():
            (GOLDEN / name).write_bytes(data)
            table[name] = digest(data, name)
    table_path.write_text(json.dumps(table, indent=1, sort_keys=True) + "\n")
    image, packed = f"{default}-RGB-smooth.pxz", f"{default}-pack-mixed.pxzp"
    broken = {f"{key}.pxz": data for key, data in broken_files((GOLDEN / image).read_bytes()).items()}
    broken |= {f"{key}.pxzp": data for key, data in broken_packs((GOLDEN / packed).read_bytes()).items()}
    broken |= golden_parts.broken_parts(default, names["photo-jpeg"]) | golden_drawings.broken_drawings()
    broken |= golden_derived.broken_derived(default, names["photo-jpeg"])
    broken |= golden_files.broken_features(default, names["photo-planes"])
    broken |= golden_files.broken_jpegs(names["photo-jpeg"])
    broken |= golden_files.broken_jpeg_files(names["photo-jpeg"])
    for name, data in broken.items():
        if not (ERRORS / name).exists():
            (ERRORS / name).write_bytes(data)


if __name__ == "__main__":
    main()
