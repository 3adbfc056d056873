"""A machine -> checks of all that exact results depend on: versions, models, products, and a round trip by device."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from pixelzip import ans, components, models, native
from pixelzip import image as images
from pixelzip.codec import decompress_array
from pixelzip.errors import PixelzipError
from pixelzip.networks import find_networks
from pixelzip.product import int8_products_are_exact, require_exact_float32
from pixelzip.version import VERSION

_NEEDED: Final = ("torch", "numpy", "pillow", "safetensors", "click")

_FILE: Final = bytes.fromhex("89505a0d0a040202025c362089de73b58a90e634e3f699b80e0803")
_FILE_PIXELS: Final = [[[10, 20, 30], [12, 22, 32]], [[11, 21, 31], [200, 100, 50]]]
"""The example of ``docs/format.md``, section 9: what another machine wrote."""


@dataclass(frozen=True)
class Check:
    """What was looked at, what was found there, and whether pixelzip can work with it."""

    name: str
    found: str
    is_good: bool = True


def examine() -> Iterator[Check]:
    """Yield one check after the other; those of devices take about a second each."""
    yield Check("pixelzip", VERSION)
    yield Check("python", f"{platform.python_version()}, {platform.system()} {platform.machine()}")
    for package in _NEEDED:
        yield _checked(package, partial(version, package))
    yield Check("constriction", version("constriction") if ans.HAS_CONSTRICTION else "none")
    yield Check("extension", native.INSTRUCTION_SETS[0] if native.INSTRUCTION_SETS else "not built: much slower")
    for entry in models.MODELS:
        yield _checked(f"model {entry.name}", partial(_load, entry))
    for device in devices():
        yield _checked(f"{device} products", partial(_backend, device))
        yield _checked(f"{device} round trip", partial(_round_trip, device))


def devices() -> list[str]:
    """Return the devices that torch sees, as ``pixelzip.compress`` takes them."""
    gpus = [f"cuda:{index}" for index in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    return ["cpu", *gpus, *(["mps"] if torch.backends.mps.is_available() else [])]


def made_image() -> NDArray[np.uint8]:
    """Return a slope with some texture, (24, 32, 3) uint8, by integers alone."""
    rows, columns, channels = np.ogrid[0:24, 0:32, 0:3]
    texture = (7 * rows**2 + 5 * rows * columns + 13 * columns**2 + channels) >> 3 & 7
    image: NDArray[np.uint8] = (40 + 3 * rows + 2 * columns + 9 * channels + texture).astype(np.uint8)
    return image


def _checked(name: str, look: Callable[[], str]) -> Check:
    try:
        return Check(name, look())
    except PackageNotFoundError:
        return Check(name, "not installed", is_good=False)
    except Exception as error:  # whatever goes wrong is what is looked for
        return Check(name, " ".join(str(error).split()) or type(error).__name__, is_good=False)


def _load(entry: models.Model) -> str:
    models.load_file(entry.path, entry.sha256)
    return f"{entry.file_name}, SHA-256 as shipped"


def _backend(device: str) -> str:
    if int8_products_are_exact(torch.device(device)):
        return "int8 is exact and used"
    require_exact_float32(torch.device(device))
    return "int8 is not exact, float32 is and is used"


def _round_trip(device: str) -> str:
    image = made_image()
    data = _coded(image, device)
    if data != _coded(image, "cpu"):
        raise PixelzipError("the bytes are not those of the CPU")
    if not np.array_equal(decompress_array(data, device=device), image):
        raise PixelzipError("the decoded pixels differ from the image")
    if decompress_array(_FILE, device=device).tolist() != _FILE_PIXELS:
        raise PixelzipError("a file from another machine gives other pixels")
    return f"{image.shape[1]}x{image.shape[0]} image, {len(data)} bytes as on the CPU, same pixels"


def _coded(image: NDArray[np.uint8], device: str) -> bytes:
    """Return the network's file, also where PNG or WebP would be smaller."""
    networks = find_networks(models.DEFAULT_MODEL)
    file = components.encode(networks, [components.prepare(images.read(image), networks)], device, None)[0]
    assert file is not None
    return file
