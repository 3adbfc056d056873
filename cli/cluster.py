"""Many machines: jobs -> rows on the workers of a Dask cluster, in the order in which they are done."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Final

import click

from pixelzip.cli.batch import Row, attempt, num_threads, require
from pixelzip.cli.files import Job, reason
from pixelzip.errors import PixelzipError
from pixelzip.networks import find_networks
from pixelzip.version import VERSION

if TYPE_CHECKING:
    from distributed import Client, Future

LOCAL: Final = "local"
"""Instead of an address: a cluster of processes on this machine, for this command only."""

NUM_BATCH_FILES: Final = 16
"""Most files of one task: a task costs the scheduler about a millisecond, and a killed worker its unfinished task."""

ANSWER_SECONDS: Final = 10
"""How long a scheduler may take to answer, and to have a worker."""

NUM_RETRIES: Final = 2
"""Of a task that raises what no file is to blame for. One that kills its worker is tried on three others by Dask."""

Work = Callable[[Job], Row]


@contextmanager
def connect(address: str, threads: int) -> Iterator[Client]:
    """Connect to a scheduler, or start a cluster of ``threads`` (0: all) processes with one thread each.

    Raises:
        click.ClickException: no scheduler answers, it has no workers, or the extra is not installed.
        click.UsageError: no address, or ``threads`` for a cluster whose workers run already.
    """
    require("distributed", "dask")
    from distributed import Client, LocalCluster

    scheduler: str | LocalCluster = _checked(address)
    if threads and address != LOCAL:
        raise click.UsageError("-T counts the workers of --dask local; those of a cluster have the threads they have")
    logging.getLogger("distributed.client").setLevel(logging.CRITICAL)  # errors are raised, too
    with ExitStack() as opened:
        if address == LOCAL:
            scheduler = LocalCluster(
                n_workers=num_threads(threads),
                threads_per_worker=1,
                dashboard_address=":0",  # of any port: another cluster may have the usual one
                silence_logs=logging.ERROR,  # killed workers are started again; it warns of that and of slow ends
            )
            opened.enter_context(scheduler)
        try:
            client = opened.enter_context(Client(scheduler, timeout=ANSWER_SECONDS, set_as_default=False))
        except (OSError, TypeError) as error:  # TypeError: TLS without certificates
            raise click.ClickException(f"no Dask scheduler answers at {address}: {reason(error)}") from error
        try:
            client.wait_for_workers(1, timeout=ANSWER_SECONDS)
        except TimeoutError as error:
            raise click.ClickException(f"the Dask scheduler at {address} has no workers") from error
        yield client


def check_workers(client: Client, model: str) -> None:
    """Let every worker load the weights, which stay loaded, and compare them with those of this machine.

    Raises:
        click.ClickException: a worker or this machine lacks the weights, or they differ.
    """
    try:
        wanted = describe(model)
    except PixelzipError as error:
        raise click.ClickException(reason(error)) from error
    for worker, found in client.run(describe, model, on_error="return").items():
        if isinstance(found, Exception):
            raise click.ClickException(f"the Dask worker {worker}: {reason(found)}")
        if found != wanted:
            raise click.ClickException(f"the Dask worker {worker} has {found}; here it is {wanted}")


def describe(model: str) -> str:
    """Return what the bytes of a file depend on: version and weights."""
    hashes = " and ".join(network.sha256[:16] for network in find_networks(model))
    return f"pixelzip {VERSION} with weights {hashes}"


def attempt_batch(work: Work, batch: Sequence[Job]) -> list[Row]:
    """What a worker does: one job after the other."""
    return [attempt(work, job) for job in batch]


def attempt_on(client: Client, work: Work, jobs: Sequence[Job]) -> Iterator[tuple[Job, Row]]:
    """Yield jobs with their rows as they are done.

    The jobs of a batch that failed as a whole come last, one at a time: what kills a worker takes along what waits
    there, and only the culprit is to fail.

    Raises:
        click.ClickException: the scheduler is gone.
    """
    from distributed import KilledWorker, as_completed

    def submit(batch: Sequence[Job]) -> Future[list[Row]]:
        return client.submit(attempt_batch, work, batch, pure=False, retries=NUM_RETRIES)

    num_lanes = sum(client.nthreads().values())
    batch_size = max(1, min(NUM_BATCH_FILES, len(jobs) // (4 * num_lanes)))
    batches = [jobs[start : start + batch_size] for start in range(0, len(jobs), batch_size)]
    running = {submit(batch): batch for batch in batches}
    suspects: list[Job] = []
    for future in as_completed(list(running), loop=client.loop):
        batch = running.pop(future)
        try:
            yield from zip(batch, future.result(), strict=True)
        except Exception as error:  # whatever ended the task: the next attempt tells
            _check_connection(client, error)
            suspects += batch
    for job in suspects:
        try:
            (row,) = submit([job]).result()
        except Exception as error:
            _check_connection(client, error)
            died = isinstance(error, KilledWorker)
            row = {"error": "every Dask worker that tried it died" if died else reason(error)}
        yield job, row


def absolute(jobs: Sequence[Job]) -> list[Job]:
    """Name files as every worker finds them.

    Raises:
        click.UsageError: a job reads standard input or writes standard output.
    """
    if any(job.source is None or job.target is None for job in jobs):
        raise click.UsageError("--dask works on files, not on standard input and output")
    return [Job(job.source and job.source.absolute(), job.target and job.target.absolute()) for job in jobs]


def _check_connection(client: Client, error: Exception) -> None:
    if client.status != "running":
        raise click.ClickException(
            "the Dask scheduler is gone; run the command again: outputs that are there and good are skipped"
        ) from error


def _checked(address: str) -> str:
    from distributed.comm.addressing import get_address_host_port

    if address == LOCAL:
        return address
    full = address if "://" in address else f"tcp://{address}"
    try:
        get_address_host_port(full, strict=True)
    except ValueError as error:
        raise click.UsageError(
            f"{address!r} is not the address of a Dask scheduler, such as tcp://host:8786"
        ) from error
    return full
