"""Compress a real photograph, restore it, compare every pixel, show sizes, draw where the bits went.

    python docs/demo.py FOLDER

The photograph is scikit-image's "astronaut" (NASA, public domain).
"""

import io
import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image
from skimage import data

import pixelzip
from pixelzip.heatmap import draw, measure_bits


def size_of(image: Image.Image, name: str, **options: object) -> int:
    """Return the bytes of ``image`` in another format."""
    buffer = io.BytesIO()
    image.save(buffer, name, **options)
    return len(buffer.getvalue())


def main(folder: Path) -> None:
    """Write astronaut.png, .pxz, -restored.png and -bits.png into ``folder`` and print a table."""
    folder.mkdir(parents=True, exist_ok=True)
    photo = Image.fromarray(data.astronaut())
    photo.save(folder / "astronaut.png", optimize=True)
    started = time.perf_counter()
    packed = pixelzip.compress(photo)
    seconds_compress = time.perf_counter() - started
    (folder / "astronaut.pxz").write_bytes(packed)
    started = time.perf_counter()
    restored = pixelzip.decompress((folder / "astronaut.pxz").read_bytes())
    seconds_decompress = time.perf_counter() - started
    if not np.array_equal(np.asarray(restored), np.asarray(photo)):
        sys.exit("the restored photograph differs")
    restored.save(folder / "astronaut-restored.png")
    draw(measure_bits(photo)).save(folder / "astronaut-bits.png")
    sizes = {
        "PNG (optimised)": size_of(photo, "PNG", optimize=True),
        "WebP lossless": size_of(photo, "WEBP", lossless=True, quality=100, method=6),
        "pixelzip": len(packed),
    }
    subpixels = photo.width * photo.height * 3
    print(f"{'':16} {'bytes':>9} {'bits/sub-pixel':>15}")
    for name, num_bytes in sizes.items():
        print(f"{name:16} {num_bytes:9,} {8 * num_bytes / subpixels:15.3f}")
    print(f"every pixel is the same; compress {seconds_compress:.1f} s with imports,", end=" ")
    print(f"decompress {seconds_decompress:.1f} s")
    print(f"see {folder / 'astronaut-bits.png'} for where the bits went")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
