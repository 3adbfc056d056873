"""CIFAR-10 in every form: the same images come out, and what is damaged is named."""

from __future__ import annotations

import pickle
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from pixelzip.models.batches import read_batch
from pixelzip.models.cifar10 import read_cifar10

Pixels = NDArray[np.uint8]
NUM_IMAGES = 3
TRAIN = tuple(f"data_batch_{number}" for number in range(1, 6))
DATA = Path(__file__).parent.parent.parent / "shared" / "data" / "cifar10"


def make_images(seed: int) -> tuple[Pixels, list[int]]:
    generator = np.random.default_rng(seed)
    images = generator.integers(1, 256, (NUM_IMAGES, 32, 32, 3), dtype=np.uint8)
    return images, generator.integers(0, 10, NUM_IMAGES).tolist()


def planes(images: Pixels) -> Pixels:
    return images.transpose(0, 3, 1, 2).reshape(len(images), -1)


def python_batch(images: Pixels, labels: list[int]) -> bytes:
    """Pickle as the authors did, by Python 2 and an old NumPy: byte strings, and NumPy's old module."""
    batch = {"data": np.asfortranarray(planes(images)), "labels": labels, "batch_label": "a batch"}
    return pickle.dumps(batch, 2).replace(b"numpy._core.multiarray", b"numpy.core.multiarray")


def binary_batch(images: Pixels, labels: list[int]) -> bytes:
    return np.concatenate((np.array(labels, np.uint8)[:, None], planes(images)), axis=1).tobytes()


def write_batches(folder: Path, encode: Callable[[Pixels, list[int]], bytes], suffix: str) -> Path:
    folder.mkdir(parents=True)
    for seed, name in enumerate((*TRAIN, "test_batch")):
        (folder / f"{name}{suffix}").write_bytes(encode(*make_images(seed)))
    return folder


def write_python(folder: Path) -> Path:
    return write_batches(folder / "cifar-10-batches-py", python_batch, "")


def write_binary(folder: Path) -> Path:
    return write_batches(folder / "cifar-10-batches-bin", binary_batch, ".bin")


def write_archive(folder: Path, batches: Path, kind: str) -> Path:
    path = folder / f"cifar-10-{kind}.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        archive.add(batches, batches.name)
    return path


def write_sheet(path: Path, images: Pixels) -> None:
    sheet = np.zeros((2, 2, 32, 32, 3), np.uint8)
    sheet.reshape(4, 32, 32, 3)[: len(images)] = images
    Image.fromarray(sheet.swapaxes(1, 2).reshape(64, 64, 3)).save(path, lossless=True)


@pytest.mark.parametrize("write", [write_python, write_binary])
@pytest.mark.parametrize("kind", ["folder", "parent", "archive", "archive in folder"])
def test_batches(write: Callable[[Path], Path], kind: str, tmp_path: Path) -> None:
    batches = write(tmp_path / "data")
    path = {"folder": batches, "parent": batches.parent}.get(kind)
    if path is None:
        archive = write_archive(tmp_path, batches, "python" if write is write_python else "binary")
        path = archive if kind == "archive" else tmp_path
    test = read_cifar10(path, "test")
    images, labels = make_images(5)
    assert test.labels is not None
    assert (test.images.tolist(), test.labels.tolist(), test.form) == (images.tolist(), labels, "batches")
    train = read_cifar10(path, "train")
    assert train.labels is not None
    assert np.array_equal(train.images, np.concatenate([make_images(seed)[0] for seed in range(5)]))
    assert train.labels.tolist() == [label for seed in range(5) for label in make_images(seed)[1]]
    assert (train.images.dtype, train.labels.dtype) == (np.uint8, np.uint8)


def test_sheets(tmp_path: Path) -> None:
    write_sheet(tmp_path / "eval-00.webp", make_images(0)[0])
    write_sheet(tmp_path / "eval-01.webp", make_images(1)[0])
    test = read_cifar10(tmp_path, "test")
    assert np.array_equal(test.images, np.concatenate((make_images(0)[0], make_images(1)[0])))
    assert (test.labels, test.form) == (None, "sheets")
    with pytest.raises(FileNotFoundError, match=r"no CIFAR-10 train images \(batches, train-\*\.webp or images\)"):
        read_cifar10(tmp_path / "none", "train")


@pytest.mark.parametrize("folder", [".", "test"])
def test_folder_of_images(folder: str, tmp_path: Path) -> None:
    (tmp_path / folder).mkdir(exist_ok=True)
    images = make_images(0)[0]
    for index, image in enumerate(images):
        Image.fromarray(image).save(tmp_path / folder / f"{index}.png")
    test = read_cifar10(tmp_path, "test")
    assert np.array_equal(test.images, images)
    assert (test.labels, test.form) == (None, "images")
    Image.fromarray(images[0][:31]).save(tmp_path / folder / "9.png")
    with pytest.raises(ValueError, match=r"9\.png: 32x31 pixels, expected 32x32$"):
        read_cifar10(tmp_path, "test")
    (tmp_path / folder / "9.png").write_bytes(b"nothing")
    with pytest.raises(ValueError, match=r"9\.png: cannot identify image file"):
        read_cifar10(tmp_path, "test")


def test_empty_folders_and_missing_batches(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no CIFAR-10 test images"):
        read_cifar10(tmp_path, "test")
    batches = write_python(tmp_path)
    archive = write_archive(tmp_path, batches, "whole")
    (batches / "data_batch_3").unlink()
    with pytest.raises(FileNotFoundError, match="data_batch_3"):
        read_cifar10(tmp_path, "train")
    assert len(read_cifar10(archive, "train").images) == 5 * NUM_IMAGES
    with pytest.raises(FileNotFoundError, match=r"part\.tar\.gz: data_batch_3 is missing$"):
        read_cifar10(write_archive(tmp_path, batches, "part"), "train")
    (batches / "test_batch").unlink()
    with pytest.raises(FileNotFoundError, match=r"less\.tar\.gz: the archive holds no CIFAR-10 test batches$"):
        read_cifar10(write_archive(tmp_path, batches, "less"), "test")


def test_damaged_archives(tmp_path: Path) -> None:
    path = write_archive(tmp_path, write_binary(tmp_path), "binary")
    whole = path.read_bytes()
    wrong_checksum = whole[:-8] + bytes([whole[-8] ^ 1]) + whole[-7:]
    for damaged in (whole[: len(whole) // 2], wrong_checksum, b"words", b""):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"cifar-10-binary\.tar\.gz: not a \.tar\.gz archive that can be read: "):
            read_cifar10(path, "test")


class Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return print, ("never",)


class Encoder:
    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        import codecs

        return codecs.encode, ("never", "rot13")


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        (pickle.dumps(Evil(), 2), r"not a batch that can be read: \w+\.print has no place in a batch"),
        (pickle.dumps(Encoder(), 2), "not a batch that can be read: the encoding 'rot13' has no place in a batch"),
        (python_batch(*make_images(0))[:-9], "not a batch that can be read: "),
        (b"", "not a batch that can be read: "),
        (pickle.dumps([1], 2), "the batch has no data and labels"),
        (
            pickle.dumps({"data": np.zeros((2, 3), np.uint8), "labels": [1, 2]}, 2),
            r"the data are not \(n, 3072\) uint8",
        ),
        (pickle.dumps({"data": np.zeros((1, 3072)), "labels": [1]}, 2), r"the data are not \(n, 3072\) uint8"),
        (python_batch(make_images(0)[0], [1]), "3 images have 1 labels"),
        (python_batch(make_images(0)[0], [1, 2, 10]), "a label is 10, expected 0 to 9"),
        (python_batch(make_images(0)[0], [1, 2, -1]), "the labels are not a list of small integers"),
    ],
)
def test_damaged_python_batches(batch: bytes, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match=f"^folder/test_batch: {message}"):
        read_batch(batch, "folder/test_batch")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        (binary_batch(*make_images(0))[:-1], "9218 bytes are not a whole number of rows of 3073 bytes"),
        (b"", "0 bytes are not a whole number of rows of 3073 bytes"),
        (binary_batch(make_images(0)[0], [1, 2, 77]), "a label is 77, expected 0 to 9"),
    ],
)
def test_damaged_binary_batches(batch: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=f"^test_batch.bin: {message}$"):
        read_batch(batch, "test_batch.bin")


@pytest.mark.data
@pytest.mark.skipif(not DATA.exists(), reason="no CIFAR-10 beside the project")
def test_the_sheets_at_hand() -> None:
    test = read_cifar10(DATA, "test")
    assert (test.images.shape, test.form) == ((8000, 32, 32, 3), "sheets")


@pytest.mark.data
@pytest.mark.skipif(not Path("../shared/data/cifar10").exists(), reason="the shared images are not here")
def test_no_image_for_evaluation_is_a_training_image() -> None:
    training, evaluation = (read_cifar10(Path("../shared/data/cifar10"), split).images for split in ("train", "test"))
    assert (len(training), len(evaluation)) == (49_022, 8_000)
    known = {image.tobytes() for image in training}
    assert not {view.tobytes() for image in evaluation for view in (image, image[:, ::-1])} & known
