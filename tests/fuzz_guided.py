"""Hostile bytes led by coverage (atheris): every file must give pixels or an error of ours, whatever branches it finds.

    python tests/fuzz_guided.py -max_total_time=600

Options are libFuzzer's. It begins with the tiny files of ``fuzz_corpus`` and sees the values that Python compares, so
that it also writes right checksums. What those files hold is then anyone's choice, and pixels are not compared here as
they are in ``fuzz.py``: this one looks for crashes, hangs, large allocations and foreign exceptions.
"""

from __future__ import annotations

import sys
import tempfile
import warnings
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).parent))
with atheris.instrument_imports(include=["pixelzip"], enable_loader_override=False):
    import pixelzip
    from pixelzip.container import PACK_SIGNATURE
    from pixelzip.pack import Pack

import fuzz_corpus

LIMITS = ("-timeout=30", "-rss_limit_mb=1200", "-max_len=600")
"""Of one file: seconds, megabytes of the process in all, bytes."""

MAX_IMAGES = 600


def main() -> None:
    """Fuzz until libFuzzer's options say that it is enough; it ends the process."""
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        seeds, _ = fuzz_corpus.make(Path(folder), with_golden=False)
        corpus = Path(folder) / "corpus"
        corpus.mkdir()
        for seed in seeds:
            (corpus / seed.name).write_bytes(seed.data)
        model = next(seed.model for seed in seeds if seed.name == "RGB.pxz")
        atheris.Setup([sys.argv[0], *LIMITS, *sys.argv[1:], str(corpus)], lambda data: look(data, model))
        atheris.Fuzz()


def look(data: bytes, model: str | None) -> None:
    """Decode a file, salvage it and read what it says about itself."""
    if data.startswith(PACK_SIGNATURE):
        look_at_pack(data, model)
        return
    for attempt in (pixelzip.decompress, pixelzip.salvage):
        try:
            attempt(data, model=model, max_pixels=fuzz_corpus.TINY_MAX_PIXELS)
        except pixelzip.PixelzipError:
            continue
    try:
        pixelzip.info(data, fuzz_corpus.TINY_MAX_PIXELS)
    except pixelzip.PixelzipError:
        return


def look_at_pack(data: bytes, model: str | None) -> None:
    """Decode the images of a pack, one by one, and list them."""
    try:
        pack = Pack(data, model=model, max_pixels=fuzz_corpus.TINY_MAX_PIXELS)
        pack.salvage(range(min(len(pack), MAX_IMAGES)))
        list(pack.entries())
        pack.info()
    except pixelzip.PixelzipError:
        return


if __name__ == "__main__":
    main()
