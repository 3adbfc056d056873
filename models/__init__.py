"""Networks: configurations, training, export, and the shipped weights. Importing this does not import torch."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pixelzip.models.integer import IntegerCoefficientNetwork, IntegerNetwork

if __name__ != "pixelzip.models":
    raise ImportError("import pixelzip.models, not models")


@dataclass(frozen=True)
class Model:
    """A shipped model: the file in ``weights`` and the SHA-256 that it must have."""

    name: str
    file_name: str
    sha256: str

    @property
    def identifier(self) -> bytes:
        """The two bytes that stand for the model in image files."""
        return bytes.fromhex(self.sha256)[:2]

    @property
    def path(self) -> Path:
        """Where the weights lie."""
        return Path(str(resources.files("pixelzip.models.weights") / self.file_name))

    @property
    def card(self) -> dict[str, str]:
        """The table of the model card beside the weights, row by row."""
        lines = self.path.with_suffix(".md").read_text(encoding="utf-8").splitlines()
        rows = [line.strip("| ").split(" | ") for line in lines if line.startswith("| ")]
        return {row[0]: row[1] for row in rows if len(row) == 2}


MODELS: Final = (
    Model("photo", "photo-1.safetensors", "025c563c185bb5c6b18a0ad68448e740bd45b66e39a41eab9a15d0b88cdf7e7f"),
    Model(
        "photo-planes", "photo-planes-1.safetensors", "b17148508b79b848ca1dbf1b05e7bf3b378b0e79f4101a7a8dab07fc64244814"
    ),
    Model("cifar10", "cifar10-1.safetensors", "6c6676ef10b825c6016a57893a9affe5781636d4ad61f038786609d1ad6533f6"),
    Model(
        "photo-planes", "photo-planes-2.safetensors", "d847a6956aacb0bf4eb53aebe039aedd85aa9e8fd2fdd5738bc979b9c6eff4ea"
    ),
    Model("photo-fast", "photo-fast-1.safetensors", "7e2d0d1215dcd13a49c60c4fe6725313b6ddbd100096bc89a2abb31229f77489"),
    Model("photo", "photo-2.safetensors", "b13fc2fa61f362ce2f68d14c177647a7436542d1fcfac068bd21d5869a8488a4"),
    Model("photo", "photo-3.safetensors", "d1518bbb0ffa50dfd5d87941a119d78aec83a5c382025b47088228346e443922"),
    Model("photo-max", "photo-max-1.safetensors", "5f59f8d2d7d649707d6caa190dd7c844ac49c76abb09a2b8d2972955e34aaa89"),
    Model("photo", "photo-4.safetensors", "592228af630b93e2cf9f6b668fde1228d1fbd348409250576d7f18f962cee5ca"),
    Model("photo-fast", "photo-fast-2.safetensors", "fffce2419153b0235b4495e948100227844467676e0f77720a1c1c47da34ac33"),
    Model("photo-fast", "photo-fast-3.safetensors", "fd46067a42688fd3049f3683b6d25572b505c74defd9852ae531b534caff56e7"),
    Model(
        "photo-planes", "photo-planes-3.safetensors", "56913ffa13fc2e7125f546f860af42c64cf6aaebfd2f8dfecd15b3bfa8b75ff0"
    ),
    Model("photo-max", "photo-max-2.safetensors", "656ecb0e5625fc8bec935813e71a8dfcbdcd75af5802035eb37a1ab7729fae45"),
    Model("cifar10", "cifar10-2.safetensors", "5da73a5d62c8af742a09052e61d5b4c5c897569435bbb67273acd6d827563429"),
    Model("photo", "photo-5.safetensors", "c5667287f322ee3fa2cc554774fa404a39862ad4f536ea285d16adafe6f3bb37"),
    Model(
        "photo-planes", "photo-planes-4.safetensors", "b83f89fc504b7268ffcebfbfc3653de863f9908cf66d2c00084fde1651ed7f52"
    ),
    Model("cifar10", "cifar10-3.safetensors", "89f60373feba381bf8fbf995137e8b3937d9b88c5483cb41346d80ef317a1e34"),
    Model("cifar10", "cifar10-4.safetensors", "21c5a289e9e226be95690cf8703cae53ac6275fd5f8f4b5814f842ee80d0fe0d"),
    Model("photo-max", "photo-max-3.safetensors", "01869041be97130efb335b54c4ff439ec91ed5cd9d5c8e68b4d6ae542cc4856a"),
    Model("photo", "photo-6.safetensors", "475bf6a178497c512398de461c827ca7ca1939b3b9561e49217232aaaf413437"),
    Model("photo-max", "photo-max-4.safetensors", "e3019952e0d3ff959a04691415aa1df01c826eadcb87523b60160aeefaa7c6c7"),
    Model("cifar10", "cifar10-5.safetensors", "78c01783117761b4b045cbdf27c1cdd637794e9c3f4d2683a60f92b0f8b344d2"),
    Model("photo-fast", "photo-fast-4.safetensors", "4eed8c99a0d5f7b30236e1902e617abc18f2c050cb164a8c27211dbebc8e6be3"),
    Model("photo-max", "photo-max-5.safetensors", "5d7ee680435a1fe6e8579da02a77c4dc95e31cfedfa5201b68463f8ad0d9ca76"),
    Model("photo", "photo-7.safetensors", "f85deef663db21514886ed89d6442043a4d2eaf771d50e1a981bac2344e8fe25"),
    Model("photo-fast", "photo-fast-5.safetensors", "90e4bc916582b8f1cd3f8bc897ede5377f82e527dc255a60c9b081d4ee0fcfec"),
    Model("photo-max", "photo-max-6.safetensors", "6bfacc7ea898707b003cc635145c0e490594531c574ffdd0fed30cf338c6c1d0"),
    Model(
        "photo-planes", "photo-planes-5.safetensors", "2c637f1836e4c1cccba18f86d2f1416020259df79bf793422c52b405f607ef04"
    ),
    Model("cifar10", "cifar10-6.safetensors", "6c3eb5d48f59ba253f4a694749e26799aa0cce5011ca007233b6c0e49062637a"),
    Model(
        "photo-planes", "photo-planes-6.safetensors", "2571db571f045364c3dee6faf60c50577bfd7a6a67d2103fb272671c42c87d64"
    ),
    Model("photo-jpeg", "photo-jpeg-1.safetensors", "98761ee0a8bc4f13fec7a2b8610ce1609f1a68bc220596318f18aacde4bd18ab"),
    Model("cifar10", "cifar10-7.safetensors", "dc0b34c4642655f0d52ed90ec1573f9786573034bed91ef8e2ec93e2ad1e9614"),
    Model("photo-jpeg", "photo-jpeg-2.safetensors", "0b2aaad88a9b67d96aca414624ba2dce32b132234e883573d43d82b6d04e4442"),
    Model("cifar10", "cifar10-8.safetensors", "e2cd561b8001271001c7f0151bee1ec42d85df0175038c5a3db0b9b973342a4b"),
    Model("cifar10", "cifar10-9.safetensors", "be632bcfee564f0526668054f54baaea73de84ef71d9a2d7ffbb7343be3e58e9"),
    Model(
        "photo-planes", "photo-planes-7.safetensors", "b64ec4b9114880c1be473dbbd3a82ce9ffd2b919f508f4c79608ab76c4a8534e"
    ),
)
"""Append-only: what has shipped stays readable. Of entries with one name the last is what new files are made with."""

DEFAULT_MODEL: Final = "photo"

PLANES: Final = "planes"
JPEG: Final = "jpeg"
COMPANIONS: Final = (PLANES, JPEG)
"""What a family's companions are for, and what their names end in: photo-planes and photo-jpeg serve all photo-*."""

_GUIDES: Final = {"photo-max": "photo-fast"}
"""Models for which bytes count more than time, and the fast ones that find out which way round tiles cost least."""

_MIRRORS: Final = ("cifar10", "photo-max")
"""Models for which bytes count more than time: in packs small images are tried as they are and mirrored."""


def load(model: str) -> IntegerNetwork:
    """Load a shipped model by name, or any model file by a path that ends in ``.safetensors``.

    Raises:
        KeyError: no shipped model has this name.
        ValueError: the file is not a valid model for pixels, or not the one that was shipped.
        OSError: the file cannot be read.
    """
    from pixelzip.models.integer import for_pixels  # as in load_file

    if model.endswith(".safetensors"):
        return for_pixels(load_file(Path(model), None), Path(model).name)
    entry = find(model)
    return for_pixels(load_file(entry.path, entry.sha256), entry.file_name)


def find(name: str) -> Model:
    """Return the entry that new files of this name are made with; raises KeyError when there is none."""
    return {entry.name: entry for entry in MODELS}[name]


def companion(name: str, purpose: str) -> str | None:
    """Return the name of the model for one of COMPANIONS that goes with a shipped model, None when there is none."""
    names = {entry.name for entry in MODELS}
    wanted = f"{name.partition('-')[0]}-{purpose}"
    return wanted if wanted in names and name in names and not is_companion(name) else None


def is_companion(name: str) -> bool:
    """Return whether a shipped model serves others, for what they are not for."""
    return name.partition("-")[2] in COMPANIONS


def guide(model: str) -> str | None:
    """Return the name of the model that turns tiles for a shipped one, given by name or path; None: nothing."""
    return next((fast for slow, fast in _GUIDES.items() if _is(model, slow)), None)


def tries_mirrors(model: str) -> bool:
    """Return whether packs by a model, of this name or path, hold the shorter of a small image and its mirror image."""
    return any(_is(model, name) for name in _MIRRORS)


def _is(model: str, name: str) -> bool:
    """Return whether a name or path is that of the shipped model that new files of this name are made with."""
    return model in (name, str(find(name).path))


def load_identified(identifier: bytes) -> IntegerNetwork:
    """Load the shipped model that image files name by ``identifier``; raises as ``load``."""
    from pixelzip.models.integer import for_pixels  # as in load_file

    entry = _identified(identifier)
    return for_pixels(load_file(entry.path, entry.sha256), entry.file_name)


def load_coefficients(identifier: bytes) -> IntegerCoefficientNetwork:
    """Load the shipped model for coefficients of JPEGs that image files name by ``identifier``; raises as ``load``."""
    from pixelzip.models.integer import IntegerCoefficientNetwork  # as in load_file

    entry = _identified(identifier)
    model = load_file(entry.path, entry.sha256)
    if not isinstance(model, IntegerCoefficientNetwork):
        raise ValueError(f"{entry.file_name}: a network for pixels, not for the coefficients of JPEGs")
    return model


def _identified(identifier: bytes) -> Model:
    return {entry.identifier: entry for entry in MODELS}[identifier]


@functools.lru_cache(maxsize=8)
def load_file(path: Path, sha256: str | None) -> IntegerNetwork | IntegerCoefficientNetwork:
    """Load any model file, once; raises ValueError, also unless it has this SHA-256, and OSError."""
    from pixelzip.models.integer import load_model  # safetensors is not needed to list models

    model = load_model(path)
    if sha256 not in (None, model.sha256):
        raise ValueError(f"{path.name}: SHA-256 is {model.sha256}, expected {sha256}")
    return model
