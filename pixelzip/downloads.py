"""Files from the web into the user's cache, checked, and continued where an earlier download broke off."""

from __future__ import annotations

import http.client
import os
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final
from urllib.error import HTTPError

import pooch

Progress = Callable[[str, int, int], None]
"""Called with what is being worked on, the amount done and the amount in all, in bytes here."""

TIMEOUT_SECONDS: Final = 30
_CHUNK_BYTES: Final = 2**16
_PARTIAL_CONTENT: Final = 206
_RANGE_NOT_SATISFIABLE: Final = 416


def fetch(url: str, sha256: str | None, progress: Progress, folder: Path | None = None) -> Path:
    """Return the file in ``folder`` (default: pooch's cache for pixelzip), downloading it first if it is not there.

    Args:
        url: its last part is the name that the file gets.
        sha256: 64 hexadecimal digits; None: the caller checks.
        progress: called for every piece that arrives.
        folder: where the file is kept.

    Raises:
        OSError: the file cannot be downloaded; what has arrived is kept and continued the next time.
        ValueError: the file does not have this SHA-256; it is deleted.
    """
    name = url.rsplit("/", 1)[-1]
    pooch.get_logger().setLevel("WARNING")
    path = pooch.retrieve(
        url,
        known_hash=sha256 and f"sha256:{sha256}",
        fname=name,
        path=folder or pooch.os_cache("pixelzip"),
        downloader=ResumingDownloader(name, progress),
    )
    return Path(path)


class ResumingDownloader:
    """A downloader for pooch that keeps what has arrived in ``name.part`` and asks only for the rest."""

    def __init__(self, name: str, progress: Progress) -> None:
        self.name, self.progress = name, progress

    def __call__(self, url: str, output_file: str | os.PathLike[str], _pooch: Any) -> None:
        """Download to ``output_file``; raises OSError."""
        part = Path(output_file).with_name(f"{self.name}.part")
        try:
            self._continue(url, part)
        except HTTPError as error:
            error.close()
            if error.code != _RANGE_NOT_SATISFIABLE:
                raise
            part.unlink()  # it is as long as the file or longer: nothing can be continued
            self._continue(url, part)
        os.replace(part, output_file)

    def _continue(self, url: str, part: Path) -> None:
        num_bytes = part.stat().st_size if part.exists() else 0
        headers = {"Range": f"bytes={num_bytes}-"} if num_bytes else {}
        request = urllib.request.Request(url, headers=headers)
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:
            if response.status != _PARTIAL_CONTENT:
                num_bytes = 0  # the server sends everything again
            total = num_bytes + int(response.headers["Content-Length"] or 0)
            with part.open("ab" if num_bytes else "wb") as file:
                for chunk in _chunks(response):
                    file.write(chunk)
                    num_bytes += len(chunk)
                    self.progress(self.name, num_bytes, max(total, num_bytes))
        if num_bytes < total:
            raise OSError(f"{self.name}: the connection broke off after {num_bytes} of {total} bytes")


def _chunks(response: Any) -> Iterator[bytes]:
    try:
        while chunk := response.read(_CHUNK_BYTES):
            yield chunk
    except http.client.HTTPException as error:
        raise OSError(f"the connection broke off: {error!r}") from error
