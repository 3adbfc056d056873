"""Commands killed at random moments: what has its final name is whole, and training goes on as if nothing had been.

    python tests/faults.py --kills 100

Every command runs in a forked process of this one, which has imported everything, and gets SIGKILL after a random time.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import torch
from conftest import CONFIGS, make_network, smooth_image
from PIL import Image

import pixelzip
from pixelzip import cli
from pixelzip.models.card import finish_run as _finish_run  # noqa: F401  what training would import
from pixelzip.models.export import export_network
from pixelzip.pack import pack

Prepare = Callable[[Path], None]


def start(arguments: list[str]) -> int:
    """Run a command in a forked process; return its id."""
    sys.stdout.flush()
    with warnings.catch_warnings(action="ignore"):  # of threads, which this process has none of that matter
        child = os.fork()
    if child:
        return child
    code = 1
    try:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.dup2(null, 2)
        sys.argv = ["pixelzip", *arguments]
        cli.main(arguments, standalone_mode=True)
    except SystemExit as error:
        code = int(error.code or 0)
    finally:
        os._exit(code)


def finish(child: int) -> int:
    """Return a process's exit code, or minus the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def kill_after(child: int, seconds: float) -> bool:
    """Kill a process after a time; return whether it was still running."""
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    return finish(child) == -signal.SIGKILL


def contents(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder but hidden ones, which are those being written."""
    files = (path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def kill_command(
    arguments: list[str], prepare: Prepare, work: Path, kills: int, chance: random.Random
) -> dict[str, int]:
    """Kill a command that writes files; each file that then exists must be that of an undisturbed run."""
    seconds = _time_undisturbed(arguments, prepare, work)
    whole = contents(work)
    counts = {"killed": 0, "had finished": 0, "outputs left": 0}
    for _ in range(kills):
        _prepare_anew(work, prepare)
        inputs = contents(work)
        was_running = kill_after(start(arguments), chance.uniform(0, 1.2 * seconds))
        counts["killed" if was_running else "had finished"] += 1
        found = contents(work)
        for name, data in found.items():
            assert data == whole[name], f"{arguments[0]}: {name} is not whole"
        assert found.keys() >= inputs.keys(), f"{arguments[0]}: an input is lost"
        counts["outputs left"] += len(found) - len(inputs)
        assert finish(start([*arguments, "-f"])) == 0, f"{arguments[0]}: cannot be repeated"
        assert contents(work) == whole
    return counts


def kill_training(
    arguments: list[str], prepare: Prepare, work: Path, kills: int, chance: random.Random
) -> dict[str, int]:
    """Kill a training run again and again until it ends; its curve and model must be those of an undisturbed run."""
    seconds = _time_undisturbed(arguments, prepare, work)
    curve, model = _curve(work), (work / "run/model.safetensors").read_bytes()
    counts = {"killed": 0, "runs finished": 0}
    while counts["killed"] < kills:
        _prepare_anew(work, prepare)
        while counts["killed"] < kills and kill_after(start(arguments), chance.uniform(0, 1.2 * seconds)):
            counts["killed"] += 1
            _check_run(work / "run", model)
        assert finish(start(arguments)) == 0
        counts["runs finished"] += 1
        assert _curve(work) == curve, "the curve is another"
        assert (work / "run/model.safetensors").read_bytes() == model, "the model is another"
    return counts


def _time_undisturbed(arguments: list[str], prepare: Prepare, work: Path) -> float:
    """Run a command twice and return the seconds of the second run; the first one reads files from the disk."""
    for _ in range(2):
        _prepare_anew(work, prepare)
        started = time.perf_counter()
        assert finish(start(arguments)) == 0, arguments
    return time.perf_counter() - started


def _check_run(run: Path, model: bytes) -> None:
    """Whatever a killed run has left under a final name can be read."""
    if (run / "config.json").exists():
        json.loads((run / "config.json").read_text())
    if (run / "curve.jsonl").exists():
        assert all(json.loads(line) for line in (run / "curve.jsonl").read_text().splitlines())
    if (run / "checkpoint.pt").exists():
        torch.load(run / "checkpoint.pt", weights_only=True)
    if (run / "model.safetensors").exists():
        assert (run / "model.safetensors").read_bytes() == model


def _curve(work: Path) -> list[tuple[object, ...]]:
    rows = [json.loads(line) for line in (work / "run/curve.jsonl").read_text().splitlines()]
    return [(row["step"], row["bits_per_subpixel"], row["held_out_bits_per_subpixel"]) for row in rows]


def _prepare_anew(work: Path, prepare: Prepare) -> None:
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    prepare(work)


def _images(work: Path) -> None:
    (work / "in").mkdir()
    for index in range(4):
        Image.fromarray(smooth_image(24, 30, seed=index)).save(work / "in" / f"{index}.png")


def run(kills: int, folder: Path, seed: int = 0) -> dict[str, dict[str, int]]:
    """Kill every command ``kills`` times; raises AssertionError when something is not whole."""
    torch.set_num_threads(1)
    model, work, chance = str(folder / "tiny.safetensors"), folder / "work", random.Random(seed)
    export_network(make_network(CONFIGS[0]), Path(model), {})
    images = [smooth_image(24, 30, seed=index) for index in range(4)]
    files, packed = pixelzip.compress(images, model), pack(images, model=model)

    def write_files(work: Path) -> None:
        (work / "in").mkdir()
        for index, data in enumerate(files):
            (work / "in" / f"{index}.pxz").write_bytes(data)

    def write_pack(work: Path) -> None:
        (work / "in.pxzp").write_bytes(packed)

    tree = [f"{work}/in", "-r", "--output-dir", f"{work}/out", "--model", model]
    sizes = "--channels 4 --blocks 1 --mixtures 1 --batch-size 2 --crop-size 16"
    lengths = "--steps 12 --checkpoint-every 2 --held-out 1"
    commands: dict[str, tuple[list[str], Prepare]] = {
        "compress": (["compress", *tree], _images),
        "decompress": (["decompress", *tree], write_files),
        "pack": (["pack", "-r", f"{work}/in", "-o", f"{work}/out.pxzp", "--model", model], _images),
        "unpack": (["unpack", f"{work}/in.pxzp", "--output-dir", f"{work}/out", "--model", model], write_pack),
    }
    results = {name: kill_command(*command, work, kills, chance) for name, command in commands.items()}
    training = ["train", f"{work}/in", "--output", f"{work}/run", *sizes.split(), *lengths.split(), "-T", "1"]
    return results | {"train": kill_training(training, _images, work, kills, chance)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100, help="of each command")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for name, counts in run(options.kills, Path(folder), options.seed).items():
            print(name, counts)


if __name__ == "__main__":
    main()
