"""One batch of CIFAR-10 as its authors distribute it: bytes -> images (n, 32, 32, 3) uint8 and labels (n,) uint8.

Pickled batches are read without running anything that a pickle could bring along.
"""

from __future__ import annotations

import io
import pickle
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

SIDE: Final = 32
"""Rows and columns of every image."""

NUM_CLASSES: Final = 10
BINARY_SUFFIX: Final = ".bin"

Images = NDArray[np.uint8]
Labels = NDArray[np.uint8]

_SAMPLES_PER_IMAGE: Final = 3 * SIDE * SIDE
_ROW_BYTES: Final = 1 + _SAMPLES_PER_IMAGE
"""A binary row: one label, then the red, the green and the blue plane."""


def read_batch(data: bytes, name: str) -> tuple[Images, Labels]:
    """Read a batch: rows of 3,073 bytes if ``name`` ends in .bin, else a pickle with ``data`` and ``labels``.

    Raises:
        ValueError: the batch is damaged or not one; the message begins with ``name``.
    """
    try:
        planes, labels = _read_binary(data) if name.endswith(BINARY_SUFFIX) else _read_pickle(data)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error
    if labels.size and int(labels.max()) >= NUM_CLASSES:
        raise ValueError(f"{name}: a label is {labels.max()}, expected 0 to {NUM_CLASSES - 1}")
    images = planes.reshape(-1, 3, SIDE, SIDE).transpose(0, 2, 3, 1)
    return np.ascontiguousarray(images), labels


def _read_binary(data: bytes) -> tuple[Images, Labels]:
    if not data or len(data) % _ROW_BYTES:
        raise ValueError(f"{len(data)} bytes are not a whole number of rows of {_ROW_BYTES} bytes")
    rows = np.frombuffer(data, dtype=np.uint8).reshape(-1, _ROW_BYTES)
    return rows[:, 1:], rows[:, 0].copy()


def _read_pickle(data: bytes) -> tuple[Images, Labels]:
    try:
        batch = _BatchUnpickler(io.BytesIO(data), encoding="latin1").load()
    except Exception as error:  # a damaged pickle raises anything: it is a program
        raise ValueError(f"not a batch that can be read: {error}") from error
    if not isinstance(batch, dict) or not {"data", "labels"} <= batch.keys():
        raise ValueError("the batch has no data and labels")
    planes, labels = batch["data"], batch["labels"]
    if not isinstance(planes, np.ndarray) or planes.dtype != np.uint8 or planes.shape[1:] != (_SAMPLES_PER_IMAGE,):
        raise ValueError(f"the data are not (n, {_SAMPLES_PER_IMAGE}) uint8")
    if not isinstance(labels, list) or not all(type(label) is int and 0 <= label < 256 for label in labels):
        raise ValueError("the labels are not a list of small integers")
    if not labels or len(labels) != len(planes):
        raise ValueError(f"{len(planes)} images have {len(labels)} labels")
    return planes, np.array(labels, dtype=np.uint8)


def _latin1(text: str, encoding: str) -> bytes:
    """Stand in for ``_codecs.encode``, which Python 3 writes into old pickles for every bytes object."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"the encoding {encoding!r} has no place in a batch")
    return text.encode("latin1")


_RECONSTRUCT: Final = np.empty(0).__reduce__()[0]
"""What NumPy pickles arrays with; its module has moved since the batches were made."""


class _BatchUnpickler(pickle.Unpickler):
    """Knows the four names that a batch needs and refuses every other."""

    _NAMES: Final[dict[tuple[str, str], Any]] = {
        ("numpy.core.multiarray", "_reconstruct"): _RECONSTRUCT,
        ("numpy._core.multiarray", "_reconstruct"): _RECONSTRUCT,
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
        ("_codecs", "encode"): _latin1,
    }

    def find_class(self, module_name: str, global_name: str) -> Any:
        """Return what a pickle may name; raises UnpicklingError for all else."""
        if (module_name, global_name) not in self._NAMES:
            raise pickle.UnpicklingError(f"{module_name}.{global_name} has no place in a batch")
        return self._NAMES[module_name, global_name]
