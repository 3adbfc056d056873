"""Use an installed pixelzip as a user does, from a folder that is not the project."""

import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

import pixelzip
import pixelzip.native

command = Path(sys.executable).with_name("pixelzip")
clouds = np.random.default_rng(0).integers(0, 256, (200, 300, 3), dtype=np.uint8)
image = Image.fromarray(clouds).filter(ImageFilter.GaussianBlur(3))
image.save("photo.png")
subprocess.run([command, "compress", "photo.png", "-o", "photo.pxz"], check=True)
subprocess.run([command, "decompress", "photo.pxz", "-o", "back.png"], check=True)
with Image.open("back.png") as back:
    assert np.array_equal(np.asarray(back), np.asarray(image))
image.save("clouds.jpg")
subprocess.run([command, "compress", "clouds.jpg", "-o", "clouds.pxz", "--quiet"], check=True)
subprocess.run([command, "decompress", "clouds.pxz", "-o", "back.png", "--force"], check=True)
with Image.open("back.png") as back, Image.open("clouds.jpg") as jpeg:
    assert np.array_equal(np.asarray(back), np.asarray(jpeg))
assert pixelzip.info(Path("clouds.pxz").read_bytes()).model == "photo-jpeg"
assert Path(pixelzip.__file__).is_relative_to(sys.prefix)
assert pixelzip.info(Path("photo.pxz").read_bytes()).model == "photo"
print(f"{Path('photo.png').stat().st_size} -> {Path('photo.pxz').stat().st_size} bytes")
print(f"extension: {pixelzip.native.INSTRUCTION_SETS or 'not built'}")
