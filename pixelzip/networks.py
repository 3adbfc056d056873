"""Names and identifiers -> networks: the models that files and callers ask for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pixelzip import models
from pixelzip.components import Networks
from pixelzip.errors import UnknownModel
from pixelzip.models.integer import IntegerCoefficientNetwork, IntegerNetwork


def find_networks(model: str) -> Networks:
    """Load a model, its companions for planes and for coefficients, and its guide; raises UnknownModel.

    A model file for planes goes with the default model, one for pixels goes alone.
    """
    network = load_model(model)
    if network.config.num_classes:
        raise UnknownModel(f"the model {model} needs to be told an image's class, which files do not hold")
    if network.config.is_for_planes:
        return Networks(load_model(models.DEFAULT_MODEL), network)
    names = models.companion(model, models.PLANES), models.guide(model)
    planes, guide = (load_model(name) if name else None for name in names)
    from_jpeg = models.companion(model, models.JPEG)
    coefficients = find_coefficients(models.find(from_jpeg).identifier) if from_jpeg else None
    return Networks(network, planes, coefficients, guide)


def load_model(model: str) -> IntegerNetwork:
    """Load one model for pixels; raises UnknownModel."""
    with _loading():
        try:
            return models.load(model)
        except KeyError as error:
            known = ", ".join(sorted({entry.name for entry in models.MODELS}))
            raise UnknownModel(f"there is no model {model!r} (known: {known})") from error


def find_network(identifier: bytes, model: str | None) -> IntegerNetwork:
    """Return the network for pixels that a file needs: the caller's, if it is that, or a shipped one.

    Raises:
        UnknownModel: there is none, or it is for coefficients.
    """
    if model and (network := find_networks(model).find(identifier)):
        return network
    with _loading(identifier):
        return models.load_identified(identifier)


def find_coefficients(identifier: bytes) -> IntegerCoefficientNetwork:
    """Return the network for coefficients that a file needs; raises UnknownModel."""
    with _loading(identifier):
        return models.load_coefficients(identifier)


@contextmanager
def _loading(identifier: bytes = b"") -> Iterator[None]:
    try:
        yield
    except KeyError as error:
        raise UnknownModel(f"the file needs the model {identifier.hex()}, which is not installed") from error
    except (ValueError, OSError) as error:
        raise UnknownModel(f"the model cannot be loaded: {error}") from error
