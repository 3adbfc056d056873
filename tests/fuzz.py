"""Damaged files must give an error of ours or the very same pixels: no crash, hang, large allocation, wrong pixel.

    python tests/fuzz.py --files 1000000 --seed 0 --findings findings

The corpus is ``golden/``, ``golden-errors/`` and files of all kinds, of a few pixels each, made with tiny networks, so
that one file costs some milliseconds. Damage is that of ``mutations.py``. What breaks the promise is written to a
folder, and the exit code is 1.
"""

from __future__ import annotations

import argparse
import io
import json
import resource
import signal
import sys
import tempfile
import time
import warnings
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import numpy as np
from PIL import Image, UnidentifiedImageError

sys.path.insert(0, str(Path(__file__).parent))
import fuzz_corpus
import mutations
from fuzz_corpus import Seed

import pixelzip
import pixelzip.pillow
from pixelzip.cli.files import FileError
from pixelzip.cli.pictures import save_image
from pixelzip.container import PACK_SIGNATURE
from pixelzip.pack import Pack

SECONDS_PER_FILE = 30
"""More is a hang: limits on pixels keep the slowest files of the corpus below a second or two."""

MAX_GROWTH_BYTES = 400 * 2**20
"""More is a large allocation: metadata may inflate to 64 MiB, and is then held as bytes, as text and as a PNG chunk."""

SHARE_OPENED = 0.01
"""Share of files that are also salvaged and opened with Pillow."""

SHARE_GOLDEN = 0.001
"""Share of files taken from the golden ones, whose networks are full-sized."""


class Hang(BaseException):
    """A file took longer than SECONDS_PER_FILE."""


class Broken(Exception):
    """The promise is broken; the message says how."""


@dataclass
class Run:
    """What was tried and what came of it."""

    seed: int
    findings: Path
    tiny: list[Seed] = field(default_factory=list)
    golden: list[Seed] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)
    damages: Counter[str] = field(default_factory=Counter)
    slowest_seconds: float = 0.0

    def one(self, index: int) -> None:
        """Damage one file of the corpus and look at what becomes of it; ``index`` alone decides which and how."""
        random = Random(f"{self.seed} {index}")
        seed, repaired, damaged = self._damaged(random)
        started = time.perf_counter()
        signal.alarm(SECONDS_PER_FILE)
        try:
            with warnings.catch_warnings(action="ignore"):
                outcome = _look(seed, damaged, repaired, random.random() < SHARE_OPENED)
        except (Exception, Hang) as error:
            outcome = f"BROKEN {type(error).__name__}"
            self._keep(index, seed, damaged, error)
        except BaseException as error:
            if type(error).__name__ != "PanicException":
                raise
            outcome = "BROKEN PanicException"
            self._keep(index, seed, damaged, error)
        finally:
            signal.alarm(0)
        self.slowest_seconds = max(self.slowest_seconds, time.perf_counter() - started)
        self.outcomes[outcome] += 1

    @property
    def num_broken(self) -> int:
        """Files that broke the promise."""
        return sum(count for outcome, count in self.outcomes.items() if outcome.startswith("BROKEN"))

    def _damaged(self, random: Random) -> tuple[Seed, bool, bytes]:
        pool = self.golden if self.golden and random.random() < SHARE_GOLDEN else self.tiny
        seed = random.choice(pool)
        if random.random() < 0.05:
            self.damages["splice"] += 1
            return seed, False, mutations.splice(random, seed.data, random.choice(pool).data)
        repaired = random.random() < 0.3
        damage = random.choice(mutations.REPAIRED if repaired else mutations.PLAIN)
        try:
            damaged = damage(random, seed.data)
        except (pixelzip.PixelzipError, LookupError, ValueError):  # golden-errors have no fields to repair
            repaired, damage, damaged = False, mutations.splice, mutations.splice(random, seed.data + b"?", seed.data)
        self.damages[damage.__name__] += 1
        return seed, repaired, damaged

    def _keep(self, index: int, seed: Seed, damaged: bytes, error: BaseException) -> None:
        self.findings.mkdir(parents=True, exist_ok=True)
        (self.findings / f"{self.seed}-{index}-{seed.name}").write_bytes(damaged)
        print(f"{self.seed}-{index}-{seed.name}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)


def _look(seed: Seed, damaged: bytes, repaired: bool, opened: bool) -> str:
    if damaged.startswith(PACK_SIGNATURE):
        return _look_at_pack(seed, damaged, repaired)
    try:
        decoded = pixelzip.decompress_array(damaged, model=seed.model, max_pixels=seed.max_pixels)
    except pixelzip.PixelzipError as error:
        if opened:
            _salvage(seed, damaged)
            _open_with_pillow(damaged)
        return type(error).__name__
    _require_known(decoded)
    _write(seed, damaged)
    _restore_jpeg(seed, damaged)
    return "same file" if damaged == seed.data else "same pixels"


def _look_at_pack(seed: Seed, damaged: bytes, repaired: bool) -> str:
    try:
        pack = Pack(damaged, model=seed.model, max_pixels=seed.max_pixels)
        results = pack.salvage(range(min(len(pack), 600)))
        entries, about = list(pack.entries()), pack.info()
    except pixelzip.PixelzipError as error:
        return type(error).__name__
    if len(entries) != about.num_images:
        raise Broken("entries are missing")
    images = [result for result in results if not isinstance(result, pixelzip.PixelzipError)]
    # Whoever rewrites the index under a right checksum may say what he likes: the streams' own checks are short.
    if not repaired:
        for image in images:
            _require_known(image)
    return "pack, all images" if len(images) == len(results) else "pack, some images"


def _require_known(samples: np.ndarray) -> None:
    if fuzz_corpus.fingerprint(samples) not in fuzz_corpus.KNOWN:
        raise Broken(f"wrong pixels: {samples.dtype} {samples.shape}")


def _write(seed: Seed, damaged: bytes) -> None:
    """What the command line does: describe, decode with metadata, write as PNG and TIFF."""
    try:
        pixelzip.info(damaged, seed.max_pixels)
        image = pixelzip.decompress(damaged, model=seed.model, max_pixels=seed.max_pixels)
    except pixelzip.PixelzipError:
        return
    for suffix in (".png", ".tif"):
        try:
            save_image(image, Path(f"x{suffix}"))
        except FileError:
            continue


def _restore_jpeg(seed: Seed, damaged: bytes) -> None:
    try:
        restored = pixelzip.decompress_jpeg(damaged, max_pixels=seed.max_pixels)
    except pixelzip.PixelzipError:
        return
    if restored not in fuzz_corpus.KNOWN:
        raise Broken(f"a wrong JPEG of {len(restored)} bytes")


def _salvage(seed: Seed, damaged: bytes) -> None:
    try:
        pixelzip.salvage(damaged, model=seed.model, max_pixels=seed.max_pixels)
    except pixelzip.PixelzipError:
        return


def _open_with_pillow(damaged: bytes) -> None:
    try:
        with Image.open(io.BytesIO(damaged), formats=["PXZ"]) as image:
            if image.width * image.height < 2000:
                image.load()
    except (pixelzip.PixelzipError, UnidentifiedImageError):
        return


def _raise_hang(*_: object) -> None:
    raise Hang


def run(num_files: int, seed: int, findings: Path, folder: Path, *, first: int = 0, with_golden: bool = True) -> Run:
    """Damage ``num_files`` files, the same ones for one seed; ``folder`` takes the tiny networks."""
    state = Run(seed, findings, *fuzz_corpus.make(folder, with_golden))
    before = signal.signal(signal.SIGALRM, _raise_hang)
    state.one(first)  # what is loaded once is no allocation of a file
    start_bytes = _peak_bytes()
    try:
        for index in range(first + 1, first + num_files):
            state.one(index)
            if index % 10_000 == 0:
                print(json.dumps(report(state, start_bytes)), flush=True)
    finally:
        signal.signal(signal.SIGALRM, before)
    if _peak_bytes() - start_bytes > MAX_GROWTH_BYTES:
        state.outcomes[f"BROKEN memory grew by {(_peak_bytes() - start_bytes) >> 20} MiB"] += 1
    print(json.dumps(report(state, start_bytes)), flush=True)
    return state


def report(state: Run, start_bytes: int) -> dict[str, object]:
    """Describe a run so far."""
    return {
        "files": sum(state.outcomes.values()),
        "broken": state.num_broken,
        "outcomes": dict(state.outcomes.most_common()),
        "damages": dict(state.damages.most_common()),
        "slowest_seconds": round(state.slowest_seconds, 2),
        "memory_grew_mib": (_peak_bytes() - start_bytes) >> 20,
    }


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="index of the first file, to go on or to repeat one")
    parser.add_argument("--findings", type=Path, default=Path("findings"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        state = run(options.files, options.seed, options.findings, Path(folder), first=options.first)
    sys.exit(1 if state.num_broken else 0)


if __name__ == "__main__":
    main()
