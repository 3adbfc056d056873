"""The same bytes everywhere: the SHA-256 of the streams of fixed images, under every setting that this machine offers.

    python tests/exactness.py                 # all settings, one after the other
    python tests/exactness.py --model photo   # with one model, as when a new one is shipped
    python tests/exactness.py --digest        # as it is here, to compare machines and versions

Images are made by integers alone, so that no library's random numbers come in. The exit code is 1 when a digest is not
the one below.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from unittest import mock

import numpy as np
import torch
from numpy.typing import NDArray

from pixelzip import components, decompress_array, native
from pixelzip import image as images
from pixelzip.drawing import body as drawing
from pixelzip.jpeg import coder
from pixelzip.jpeg.levels import Component, empty
from pixelzip.jpeg.quantisation import standard
from pixelzip.models import find, load_coefficients
from pixelzip.models.conversion import JFIF
from pixelzip.networks import find_networks
from pixelzip.pack import Pack, pack
from pixelzip.product import int8_products_are_exact

JPEG, DRAWINGS = "photo-jpeg", "drawings"

DIGESTS = {
    "photo": "531dab3ac27afffab7fff8f193bc7db42146e1f319f18b25a5f92391d918076f",
    "photo-fast": "f1351bbeb6bba98b0167b65cf4fa149f0cb71a57f4c1241fd2c41e8aadd70a46",
    "photo-max": "d21d5f147754e855a768970a6544b41cf7e64619440939064235d0b3a3f54f87",
    "cifar10": "2ee9d39f7cfc2f587ad10535a0bd064508e7eed8b2ed69ee26d97fd762c7c10a",
    DRAWINGS: "ac38fb7847b51417281909a53f512d0fafd19a23650ad2719b2f83e4ecb36d46",
    JPEG: "62e7fc31d94990df9c9a041c9926ec958bee08a2b3670afb03621352183b5609",
}
"""By what new files are made with; the digests of photo models cover photo-planes, which codes the last picture."""

_TORCH = ["--extension", "none"]

SETTINGS: dict[str, tuple[dict[str, str], list[str]]] = {
    "default": ({}, []),
    "1 thread": ({}, ["--threads", "1"]),
    "2 threads": ({}, ["--threads", "2"]),
    **{f"extension, {name}": ({}, ["--extension", name]) for name in native.INSTRUCTION_SETS},
    "torch": ({}, _TORCH),
    "torch, 1 thread": ({"OMP_NUM_THREADS": "1"}, [*_TORCH, "--threads", "1"]),
    "torch, 2 threads": ({"OMP_NUM_THREADS": "2"}, [*_TORCH, "--threads", "2"]),
    **{f"torch, oneDNN {isa}": ({"ONEDNN_MAX_CPU_ISA": isa}, _TORCH) for isa in
       ("SSE41", "AVX", "AVX2", "AVX2_VNNI", "AVX512_CORE", "AVX512_CORE_VNNI", "AVX512_CORE_AMX")},
    **{f"torch, ATen {level}": ({"ATEN_CPU_CAPABILITY": level}, _TORCH) for level in ("default", "avx2", "avx512")},
    "torch, oneDNN SSE41, ATen default": ({"ONEDNN_MAX_CPU_ISA": "SSE41", "ATEN_CPU_CAPABILITY": "default"}, _TORCH),
    "torch, float32 products": ({}, [*_TORCH, "--float32"]),
    "torch, float32 products, oneDNN AVX2": ({"ONEDNN_MAX_CPU_ISA": "AVX2"}, [*_TORCH, "--float32"]),
    "torch, Python coder": ({}, [*_TORCH, "--python-coder"]),
}  # fmt: skip


def pictures() -> Iterator[NDArray[np.generic]]:
    """Yield images of every kind of component: slopes with texture, at the extremes, on a lattice, noise."""
    rows, columns, channels = np.ogrid[0:40, 0:50, 0:4]
    texture = (7 * rows**2 + 5 * rows * columns + 13 * columns**2 + channels) >> 3 & 7
    slope = (40 + 3 * rows + 2 * columns + 9 * channels + texture).astype(np.uint8)
    mixed = (rows * 73856093 ^ columns * 19349663 ^ channels * 83492791) * 2654435761 >> 16
    noise = (mixed & 255).astype(np.uint8)
    yield from (slope[..., 0], slope[..., :3], slope, slope[..., [0, 3]])
    yield (slope[..., :3] // 128 * 255).astype(np.uint8)
    yield noise[:20, :20, :3]
    yield slope[:16, :16, :3].astype(np.uint16) * 256 + noise[:16, :16, :3]
    yield JFIF.to_rgb(slope[..., :3])
    yield np.tile(slope[..., :3], (3, 2, 1))  # of several bands, also with rows and columns exchanged


def digest(model: str, threads: int | None = None, device: str = "cpu") -> str:
    """Return the SHA-256 of what a model makes of the pictures and of a pack; every image is decoded and compared."""
    if model in (JPEG, DRAWINGS):
        return _digest_of_levels() if model == JPEG else _digest_of_drawings(threads)
    result = hashlib.sha256()
    for picture in pictures():
        data = _coded(picture, model, threads, device)
        decoded = decompress_array(data, num_threads=threads, device=device)
        assert np.array_equal(decoded, picture[..., 0] if picture.shape[2:] == (1,) else picture)
        result.update(data)
    slope = list(pictures())[1].astype(np.uint8)
    small = [slope[start : start + 32, 4 * start : 4 * start + 32] for start in range(4)]
    data = pack(small, model=model, num_threads=threads, device=device)
    assert all(map(np.array_equal, Pack(data, num_threads=threads, device=device), small))
    result.update(data)
    return result.hexdigest()


def _coded(picture: NDArray[np.generic], model: str, threads: int | None, device: str) -> bytes:
    """Return the network's file, also where PNG or WebP would be smaller."""
    file = components.compress(find_networks(model), [images.read(picture)], device, threads)[0]
    assert file is not None
    return file


def levels() -> Iterator[Component]:
    """Yield luma and chroma of a JPEG whose chroma is halved."""
    for kind in range(3):
        component = empty(kind, standard(kind == 0, 90), (40, 56) if kind else (72, 104), 50)
        numbers, rows, columns = np.ogrid[0:51, 0 : component.shape[0], 0 : component.shape[1]]
        mixed = (numbers * 7385609 ^ rows * 19349663 ^ columns * 83492791 ^ kind) * 40503 >> 8 & 255
        component.inner[:51] = (mixed - 128) >> 1 + numbers // 8
        component.inner[0] += (5 * rows + 3 * columns)[0]
        yield component


def _digest_of_levels() -> str:
    network = load_coefficients(find(JPEG).identifier)
    given = list(levels())
    stream = coder.encode(network, given, 7)
    again = [empty(one.kind, one.steps, (8 * one.shape[0], 8 * one.shape[1]), one.last) for one in given]
    assert coder.decode(network, again, stream) == 1 << 32 | 7
    assert all(np.array_equal(one.levels, other.levels) for one, other in zip(given, again, strict=True))
    return hashlib.sha256(stream).hexdigest()


def drawings() -> Iterator[NDArray[np.uint8]]:
    """Yield letters with soft edges on two grounds beside a gradient, of one to four channels; slopes; two colours."""
    rows, columns, channels = np.ogrid[0:56, 0:80, 0:4]
    letter = (rows // 14 * 5 + columns // 7 * 3) % 8
    shade = ((rows % 14 * 7 + columns % 7) * (letter + 3) * 40503 >> 7) % 5 * (rows % 14 < 9) * (columns % 7 < 6)
    ground, ink = np.where(columns < 40, 250, 40 + 20 * channels), 30 + 50 * channels
    pixels = (ground + (ink - ground) * shade // 4).astype(np.uint8)
    pixels[:, 70:] = (rows + 3 * channels) & 255
    yield from (pixels[..., :number] for number in range(1, 5))
    yield from (picture[:20, :24].astype(np.uint8) for picture in list(pictures())[1:4])
    yield (shade > 1).astype(np.uint8)


def _digest_of_drawings(threads: int | None) -> str:
    result = hashlib.sha256()
    for pixels in drawings():
        file = drawing.compress(images.read(pixels), 2**20, threads)
        assert file is not None
        decoded = decompress_array(file, num_threads=threads)
        assert np.array_equal(decoded, pixels[..., 0] if pixels.shape[2] == 1 else pixels)
        result.update(file)
    return result.hexdigest()


def _everywhere(chosen: list[str]) -> int:
    versions = f"Python {platform.python_version()}, torch {torch.__version__}, NumPy {np.__version__}"
    print(f"{versions}, {platform.machine()}, {torch.backends.cpu.get_cpu_capability()}: {', '.join(chosen)}")
    num_wrong = 0
    for name, (variables, options) in SETTINGS.items():
        command = [sys.executable, __file__, "--digest", *options, *(f"--model={model}" for model in chosen)]
        run = subprocess.run(command, env=os.environ | variables, capture_output=True, text=True, check=False)
        num_wrong += run.returncode != 0
        result = run.stderr.strip() or run.stdout.splitlines()[-1]
        print(f"{'WRONG' if run.returncode else 'same '}  {name}: {result}", flush=True)
    return num_wrong


def _products(options: argparse.Namespace) -> str:
    is_exact = not options.float32 and int8_products_are_exact(torch.device(options.device))
    return "int8 products" if is_exact else "float32 products"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--digest", action="store_true")
    parser.add_argument("--model", action="append", choices=DIGESTS, help="may be given more than once; all")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--extension", help="an instruction set that the extension is to use; none: torch")
    parser.add_argument("--float32", action="store_true", help="as where int8 products are not exact")
    parser.add_argument("--python-coder", action="store_true", help="as where there is no constriction")
    options = parser.parse_args()
    chosen = options.model or list(DIGESTS)
    if not options.digest:
        sys.exit(min(1, _everywhere(chosen)))
    if options.extension:
        names = () if options.extension == "none" else (options.extension, native.INSTRUCTION_SETS[-1])
        mock.patch("pixelzip.native.INSTRUCTION_SETS", tuple(dict.fromkeys(names))).start()
    if options.float32:
        mock.patch("pixelzip.product.int8_products_are_exact", return_value=False).start()
    if options.python_coder:
        mock.patch("pixelzip.ans.HAS_CONSTRICTION", False).start()
    found = {model: digest(model, options.threads, options.device) for model in chosen}
    for model, result in found.items():
        print(result, model)
    print(native.INSTRUCTION_SETS[0] if native.INSTRUCTION_SETS else _products(options))
    sys.exit(any(result != DIGESTS[model] for model, result in found.items()))


if __name__ == "__main__":
    main()
