"""Dask: the bytes of a local run, whatever dies in between."""

from __future__ import annotations

import importlib.util
import json
import logging
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click import ClickException
from click.testing import CliRunner, Result
from conftest import smooth_image
from PIL import Image

from pixelzip import cli, models
from pixelzip.cli import cluster
from pixelzip.cli.files import Job

distributed = pytest.importorskip("distributed")

NUM_IMAGES = 12


@pytest.fixture(scope="module")
def workers() -> Iterator[object]:
    """Two processes, each started again when it dies; a task that has killed two workers is given up."""
    options = {"allowed_failures": 1}
    with distributed.LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        dashboard_address=":0",
        scheduler_kwargs=options,
        silence_logs=logging.CRITICAL,
    ) as started:
        yield started


@pytest.fixture
def client(workers: object) -> Iterator[object]:
    with distributed.Client(workers, set_as_default=False) as connected:
        connected.wait_for_workers(2)
        yield connected


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "in"
    (path / "deep").mkdir(parents=True)
    for index in range(NUM_IMAGES):
        name = f"deep/{index}.png" if index % 2 else f"{index}.png"
        Image.fromarray(smooth_image(9, 10, seed=index)).save(path / name, dpi=(72, 72))
    return path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli.main, [str(argument) for argument in arguments])


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below, hidden ones too."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def identities(folder: Path) -> dict[str, tuple[int, int]]:
    """What changes when a file is written again."""
    files = [path for path in folder.rglob("*.pxz") if path.is_file()]
    return {str(path.relative_to(folder)): (path.stat().st_ino, path.stat().st_ctime_ns) for path in files}


def loads(client: object) -> list[int]:
    """How often each worker has read a model file."""
    return list(client.run(lambda: models.load_file.cache_info().misses).values())  # type: ignore[attr-defined]


def test_a_cluster_writes_what_one_process_writes(
    workers: object, client: object, folder: Path, tmp_path: Path, model_path: str
) -> None:
    (folder / "bad.png").write_bytes(b"no picture")
    address = workers.scheduler_address  # type: ignore[attr-defined]
    local = run("compress", "-r", folder, "--output-dir", tmp_path / "local", "--model", model_path, "--json")
    arguments = ("compress", "-r", folder, "--output-dir", tmp_path / "out", "--model", model_path)
    result = run(*arguments, "--dask", address, "--json")
    assert (local.exit_code, result.exit_code) == (1, 1)
    assert result.stderr == local.stderr
    assert result.stderr.splitlines()[0] == f"pixelzip: {folder}/bad.png: not an image that can be read"
    assert contents(tmp_path / "out") == contents(tmp_path / "local")
    assert len(contents(tmp_path / "out")) == NUM_IMAGES
    assert (tmp_path / "out/0.pxz").stat().st_mtime_ns == (folder / "0.png").stat().st_mtime_ns
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert sorted(row["input"] for row in rows) == sorted(map(str, folder.rglob("*.png")))
    assert loads(client) == [1, 1]


def test_what_is_there_and_good_is_skipped(workers: object, folder: Path, tmp_path: Path, model_path: str) -> None:
    out = tmp_path / "out"
    arguments = ["compress", "-r", folder, "--output-dir", out, "--model", model_path]
    assert run(*arguments).exit_code == 0
    arguments += ["--dask", workers.scheduler_address]  # type: ignore[attr-defined]
    before = identities(out)
    (out / "0.pxz").unlink()
    damaged = bytearray((out / "2.pxz").read_bytes())
    damaged[-1] ^= 1
    (out / "2.pxz").write_bytes(damaged)
    (out / "4.pxz").write_bytes((out / "6.pxz").read_bytes())
    assert run("compress", folder / "8.png", "--strip", "-f", "-o", out / "8.pxz").exit_code == 0
    result = run(*arguments, "--json")
    assert result.exit_code == 1
    rows = {Path(row["input"]).name: row for row in map(json.loads, result.stdout.splitlines())}
    errors = {name: row["error"] for name, row in rows.items() if "error" in row}
    assert errors == {f"{number}.png": f"{out}/{number}.pxz exists; use -f to overwrite it" for number in (2, 4, 8)}
    assert [name for name, row in rows.items() if "output_bytes" in row] == ["0.png"]
    assert sum(row.get("skipped", False) for row in rows.values()) == NUM_IMAGES - 4
    after = identities(out)
    assert {name for name in after if after[name] != before[name]} == {"0.pxz", "2.pxz", "4.pxz", "8.pxz"}
    assert run(*arguments, "--strip", "--rm", "--json").exit_code == 1
    assert [path.name for path in folder.rglob("*.png")].count("8.png") == 0


def test_a_killed_worker_loses_nothing(
    workers: object, client: object, folder: Path, tmp_path: Path, model_path: str
) -> None:
    out = tmp_path / "out"
    arguments = ("compress", "-r", folder, "--output-dir", out, "--model", model_path, "--rm", "--json")
    results = []
    address = workers.scheduler_address  # type: ignore[attr-defined]
    running = threading.Thread(target=lambda: results.append(run(*arguments, "--dask", address)))
    wanted = {str(path) for path in folder.rglob("*.png")}
    pids = client.run(os.getpid)  # type: ignore[attr-defined]
    running.start()
    while not (before := identities(out)):
        time.sleep(0.01)
    os.kill(next(iter(pids.values())), signal.SIGKILL)
    running.join()
    (result,) = results
    assert result.exit_code == 0, result.output
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert sorted(row["input"] for row in rows) == sorted(wanted)
    assert not contents(folder)
    after = identities(out)
    assert all(after[name][0] == before[name][0] for name in before)  # its time may not have been set yet
    assert len(after) == NUM_IMAGES
    restored = tmp_path / "back"
    assert run("decompress", "-r", out, "--output-dir", restored, "--model", model_path).exit_code == 0
    for index in range(NUM_IMAGES):
        with Image.open(restored / (f"deep/{index}.png" if index % 2 else f"{index}.png")) as image:
            assert image.tobytes() == smooth_image(9, 10, seed=index).tobytes()


def test_only_the_culprit_of_a_batch_fails(client: object) -> None:
    def work(job: Job) -> dict[str, object]:
        if job.name == "killer":
            os.kill(os.getpid(), signal.SIGKILL)
        if job.name == "strange":
            raise RuntimeError("something\nstrange")
        return {"output": job.name}

    names = ["a", "killer", "b", "strange", *map(str, range(12))]
    jobs = [Job(Path(name), Path(name)) for name in names]
    rows = {job.name: row for job, row in cluster.attempt_on(client, work, jobs)}  # type: ignore[arg-type]
    assert rows.pop("killer") == {"error": "every Dask worker that tried it died"}
    assert rows.pop("strange") == {"error": "something strange"}
    assert rows == {name: {"output": name} for name in names if name not in ("killer", "strange")}


def test_a_worker_that_lacks_the_weights(workers: object, client: object, folder: Path, tmp_path: Path) -> None:
    def set_hash(sha256: str) -> None:
        models.load_file.cache_clear()
        entry = models.find("photo")
        others = (other for other in models.MODELS if other != entry)
        models.MODELS = (*others, models.Model("photo", entry.file_name, sha256))  # type: ignore[misc]

    address = workers.scheduler_address  # type: ignore[attr-defined]
    arguments = ("compress", "-r", folder, "--output-dir", tmp_path / "out", "--dask", address)
    (worker, _) = client.scheduler_info()["workers"]  # type: ignore[attr-defined]
    entry = models.find("photo")
    good = entry.sha256
    client.run(set_hash, "0" * 64, workers=[worker])  # type: ignore[attr-defined]
    result = run(*arguments)
    assert result.exit_code == 1
    reason = f"the model cannot be loaded: {entry.file_name}: SHA-256 is {good}, expected {'0' * 64}"
    assert result.stderr == f"Error: the Dask worker {worker}: {reason}\n"
    client.run(set_hash, good, workers=[worker])  # type: ignore[attr-defined]
    client.run(lambda: setattr(cluster, "VERSION", "9.9"), workers=[worker])  # type: ignore[attr-defined]
    result = run(*arguments)
    client.run(lambda version: setattr(cluster, "VERSION", version), cluster.VERSION)  # type: ignore[attr-defined]
    here = cluster.describe("photo")
    there = here.replace(cluster.VERSION, "9.9")
    assert result.stderr == f"Error: the Dask worker {worker} has {there}; here it is {here}\n"
    assert not (tmp_path / "out").exists()
    assert "there is no model 'nonsense'" in run(*arguments, "--model", "nonsense").stderr


def test_decompress_on_processes_of_this_machine(folder: Path, tmp_path: Path, model_path: str) -> None:
    packed, local, out = tmp_path / "packed", tmp_path / "local", tmp_path / "out"
    assert run("compress", folder / "0.png", folder / "2.png", "--output-dir", packed).exit_code == 0
    assert run("decompress", "-r", packed, "--output-dir", local).exit_code == 0
    out.mkdir()
    (out / "0.png").write_bytes((local / "0.png").read_bytes())
    result = run("decompress", "-r", packed, "--output-dir", out, "--dask", "local", "-T", 1, "--json")
    assert result.exit_code == 0, result.output
    assert [json.loads(line).get("skipped", False) for line in result.stdout.splitlines()] == [True, False]
    assert contents(out) == contents(local)


def test_addresses_that_are_no_cluster(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "ANSWER_SECONDS", 0.5)
    arguments = ("compress", "-r", folder, "--output-dir", tmp_path / "out", "--dask")
    for address in ("nonsense", "http://host:80", "tcp://host"):
        result = run(*arguments, address)
        assert result.exit_code == 2
        assert f"{address!r} is not the address of a Dask scheduler, such as tcp://host:8786" in result.stderr
    result = run(*arguments, "127.0.0.1:9")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: no Dask scheduler answers at 127.0.0.1:9: ")
    assert result.stderr.count("\n") == 1
    with distributed.LocalCluster(n_workers=0, processes=True, dashboard_address=":0") as empty:
        result = run(*arguments, empty.scheduler_address)
    assert result.stderr == f"Error: the Dask scheduler at {empty.scheduler_address} has no workers\n"
    assert not (tmp_path / "out").exists()


def test_what_a_cluster_cannot_do(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for arguments, message in (
        (("-", "--dask", "local"), "--dask works on files, not on standard input and output"),
        ((folder / "0.png", "--dask", "tcp://a:1", "-T", 2), "-T counts the workers of --dask local"),
        (("-r", folder, "--output-dir", folder, "--dask", "local"), f"{folder} is the input folder, too"),
    ):
        result = run("compress", *arguments)
        assert result.exit_code == 2
        assert message in result.stderr
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ClickException, match=r"this needs distributed: pip install pixelzip\[dask\]"):
        cluster.connect("local", 0).__enter__()
