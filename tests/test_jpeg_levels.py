"""Levels of JPEGs: their order, what the network is told of them, and their streams, step by step and in C."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from reference_jpeg import Reader
from reference_surroundings import SurroundingsReader

from pixelzip import models, native, native_jpeg
from pixelzip.errors import CorruptFile
from pixelzip.jpeg import coder, whole
from pixelzip.jpeg.contexts import Known
from pixelzip.jpeg.levels import Component, empty, to_component
from pixelzip.jpeg.network import Predictor, Told, _layers
from pixelzip.jpeg.sampling import SAMPLINGS, Sampling
from pixelzip.jpeg.surroundings import Surroundings
from pixelzip.jpeg.tokens import Bins
from pixelzip.models.coefficients import NUM_FREQUENCIES
from pixelzip.models.integer import IntegerCoefficientNetwork
from pixelzip.models.layers import FEATURES
from pixelzip.native import ported_layer

needs_extension = pytest.mark.skipif(not native.INSTRUCTION_SETS, reason="the extension is not built")


@pytest.fixture(scope="module")
def network() -> IntegerCoefficientNetwork:
    return models.load_coefficients(models.find("photo-jpeg").identifier)


def load_named(name: str) -> IntegerCoefficientNetwork:
    entry = next(one for one in models.MODELS if one.file_name == f"{name}.safetensors")
    return models.load_coefficients(entry.identifier)


@pytest.fixture(scope="module", params=["photo-jpeg-1", "photo-jpeg-2"])
def any_network(request: pytest.FixtureRequest) -> IntegerCoefficientNetwork:
    """One of each kind."""
    return load_named(request.param)


def any_components(size: tuple[int, int], sampling: Sampling) -> list[Component]:
    """Return components of a JPEG of (height, width)."""
    generator = np.random.default_rng(sum(size))
    components = []
    for kind in range(3):
        shape = [-(-length // 8) for length in (sampling if kind else SAMPLINGS[0]).size(*size)]
        levels = generator.laplace(0, 6, (*shape, 8, 8)) / (1 + np.add.outer(np.arange(8), np.arange(8)))
        steps = generator.integers(1, 40, NUM_FREQUENCIES).astype(np.int32)
        levels[..., 6:, :] = 0
        components.append(to_component(kind, steps, np.rint(levels).astype(np.int64)))
    return components


@given(st.data())
def test_any_levels_come_back(any_network: IntegerCoefficientNetwork, data: st.DataObject) -> None:
    generator = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    sampling = data.draw(st.sampled_from(SAMPLINGS))
    height, width = data.draw(st.integers(1, 40)), data.draw(st.integers(1, 40))
    components = []
    for kind in range(data.draw(st.sampled_from((1, 3)))):
        steps = generator.integers(1, 256, NUM_FREQUENCIES).astype(np.int32)
        shape = [-(-length // 8) for length in (sampling if kind else SAMPLINGS[0]).size(height, width)]
        spread = data.draw(st.sampled_from((0.0, 0.5, 30.0, 2000.0)))
        values = generator.normal(0, 1, (*shape, 8, 8)) * spread / steps[0]
        components.append(to_component(kind, steps, values.clip(-16, 16).astype(np.int64)))
    stream = coder.encode(any_network, components, 7)
    others = [Component(one.kind, one.steps, np.zeros_like(one.levels), one.last) for one in components]
    assert coder.decode(any_network, others, stream) == 1 << 32 | 7
    for one, other in zip(components, others, strict=True):
        assert np.array_equal(one.levels, other.levels)


def without_levels(components: list[Component]) -> list[Component]:
    return [Component(one.kind, one.steps, np.zeros_like(one.levels), one.last) for one in components]


def with_instruction_sets(names: tuple[str, ...], call: Callable[[], Any]) -> Any:
    """Return what a call returns, or its CorruptFile's text, where the extension has only some instruction sets."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pixelzip.native.INSTRUCTION_SETS", names)
        try:
            return call()
        except CorruptFile as error:
            return str(error)


@needs_extension
@pytest.mark.parametrize("sampling", SAMPLINGS, ids=lambda sampling: sampling.name)
@pytest.mark.parametrize("size", [(9, 30), (8, 8), (90, 8), (24, 300), (136, 72)], ids=str)
def test_whole_components_have_the_streams_of_steps(
    network: IntegerCoefficientNetwork, sampling: Sampling, size: tuple[int, int]
) -> None:
    components = any_components(size, sampling)
    stream = with_instruction_sets((), lambda: coder.encode(network, components, 7))
    for name in native.INSTRUCTION_SETS:
        assert with_instruction_sets((name, "portable"), lambda: coder.encode(network, components, 7)) == stream
        others = without_levels(components)
        state = with_instruction_sets((name, "portable"), lambda others=others: coder.decode(network, others, stream))
        assert state == 1 << 32 | 7
        assert all(np.array_equal(one.levels, other.levels) for one, other in zip(components, others, strict=True))


@needs_extension
@settings(max_examples=30)
@given(st.binary(min_size=1, max_size=600), st.integers(0, 2))
def test_damaged_streams_are_read_alike(network: IntegerCoefficientNetwork, noise: bytes, which: int) -> None:
    components = any_components((17, 30), SAMPLINGS[which])
    one, other = without_levels(components), without_levels(components)
    stream = noise + b"\1"
    state = with_instruction_sets((), lambda: coder.decode(network, one, stream))
    assert with_instruction_sets(native.INSTRUCTION_SETS, lambda: coder.decode(network, other, stream)) == state
    if not isinstance(state, str):
        assert all(np.array_equal(ours.levels, theirs.levels) for ours, theirs in zip(one, other, strict=True))


def test_impossible_coefficients_are_refused(any_network: IntegerCoefficientNetwork) -> None:
    component = empty(0, np.full(NUM_FREQUENCIES, 255, dtype=np.int32), (8, 8), 0)
    component.levels[0, 1, 1] = 16
    stream = coder.encode(any_network, [component], 0)
    larger = empty(0, np.full(NUM_FREQUENCIES, 255, dtype=np.int32), (8, 8), 0)
    assert coder.decode(any_network, [larger], stream) == 1 << 32
    component.levels[0, 1, 1] = 17
    with pytest.raises(CorruptFile, match="larger than any"):
        coder.encode(any_network, [component], 0)


def test_numpy_gives_what_the_extension_gives(
    any_network: IntegerCoefficientNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator, config = np.random.default_rng(0), any_network.config
    values = generator.integers(-127, 128, (1003, config.num_values), dtype=np.int8)
    shared = generator.integers(-127, 128, config.num_features - config.num_values, dtype=np.int8)
    predictor = Predictor(any_network)
    all_told = [Told(values, shared, group) for group in (0, 1, 37, 63)]
    one = [predictor.weights(told) for told in all_told]
    monkeypatch.setattr("pixelzip.native.INSTRUCTION_SETS", ())
    for told, weights in zip(all_told, one, strict=True):
        assert np.array_equal(predictor.weights(told), weights)
        assert ((weights.astype(np.int64) + 1).sum(axis=1) == 2**24).all()
        assert weights.min() >= 0


@pytest.mark.parametrize("name", native.INSTRUCTION_SETS)
def test_every_instruction_set_gives_the_same(any_network: IntegerCoefficientNetwork, name: str) -> None:
    generator, config = np.random.default_rng(3), any_network.config
    for group in (0, 40, 70):
        layers, exponential = _layers(any_network, group), any_network.tables["exponential"]
        ported, plain = (native_jpeg.port_tokens(layers, exponential, one) for one in (name, "portable"))
        bias = layers[0].bias + generator.integers(-(2**15), 2**15, len(layers[0].bias), dtype=np.int32)
        for rows in (1, 4, 5, 16, 37, 200):
            values = generator.integers(-128, 128, (rows, config.num_values)).astype(np.int8)
            tokens = generator.integers(0, config.num_tokens, rows).astype(np.int32)
            wanted = native_jpeg.token_weights(plain, values, bias, config.num_tokens)
            assert np.array_equal(native_jpeg.token_weights(ported, values, bias, config.num_tokens), wanted)
            counts = wanted.astype(np.int32) + 1
            lanes = np.arange(rows)
            left, own = native_jpeg.token_intervals(ported, values, bias, config.num_tokens, tokens)
            assert np.array_equal(own, counts[lanes, tokens])
            assert np.array_equal(left + own, np.cumsum(counts, axis=1)[lanes, tokens])


def test_the_extension_refuses_wrong_sizes(any_network: IntegerCoefficientNetwork) -> None:
    _native = pytest.importorskip("pixelzip._native")
    config, layers, exponential = any_network.config, _layers(any_network, 0), any_network.tables["exponential"]
    values, tokens = np.zeros((3, config.num_values), dtype=np.int8), np.zeros(3, dtype=np.int32)
    ported, bias = native_jpeg.port_tokens(layers, exponential, "portable"), layers[0].bias
    assert native_jpeg.token_weights(ported, values, bias, config.num_tokens).shape == (3, config.num_tokens)
    places = {FEATURES: -1} | {integers.layer.name: index for index, integers in enumerate(layers)}
    good = [ported_layer(integers, places, 0) for integers in layers]
    for wrong in ([], [(-1, *good[1][1:])], [good[0], (0, *good[2][1:])], [good[0], (1, *good[1][1:])]):
        with pytest.raises(ValueError, match="layer"):
            _native.token_network(wrong, exponential, 64, "portable")
    with pytest.raises(ValueError, match="instruction set"):
        native_jpeg.port_tokens(layers, exponential, "none")
    with pytest.raises(ValueError, match="bytes"):
        native_jpeg.port_tokens(layers, exponential[1:], "portable")
    with pytest.raises(ValueError, match="PyCapsule"):
        native_jpeg.token_weights(ported._replace(ported=native._ported(models.load("photo"))), values, bias, 3)
    for num_tokens in (0, 65):
        with pytest.raises(ValueError, match="do not fit"):
            native_jpeg.token_weights(ported, values, bias, num_tokens)
    with pytest.raises(ValueError, match="do not fit"):
        _native.token_weights((ported.ported, bias[1:], values, values.shape[1], 3), np.empty((3, 3), np.float32))
    with pytest.raises(ValueError, match="the weights do not have"):
        _native.token_weights((ported.ported, bias, values, values.shape[1], 3), np.empty((3, 4), np.float32))
    for token in (-1, config.num_tokens):
        with pytest.raises(ValueError, match="a token for each row"):
            native_jpeg.token_intervals(ported, values, bias, config.num_tokens, tokens + np.int32(token))


class KeptFeatures(coder.StepCoder):
    """A coder that keeps what the network is told."""

    def __init__(self) -> None:
        self.told: list[Told] = []
        self.values: list[NDArray[np.int32]] = []

    def exchange(self, told: Told, bins: Bins, values: NDArray[np.int32]) -> NDArray[np.int32]:
        self.told.append(told)
        self.values.append(values)
        return values


@pytest.mark.parametrize("sampling", SAMPLINGS, ids=lambda sampling: sampling.name)
@pytest.mark.parametrize("size", [(9, 30), (40, 24), (24, 41)], ids=str)
@pytest.mark.no_cover
def test_features_are_those_of_the_format(sampling: Sampling, size: tuple[int, int]) -> None:
    components, given = any_components(size, sampling), KeptFeatures()
    coder.walk(components, given, Known)
    plain = [(one.steps.tolist(), one.inner.tolist()) for one in components]
    reader = Reader(plain, [one.last for one in components])
    told, values = iter(given.told), iter(given.values)
    for kind in range(3):
        for frequency, blocks, is_second in reader.steps(kind):
            wanted = [reader.features(kind, frequency, block, is_second) for block in blocks]
            found = next(told)
            assert found.features.tolist() == wanted
            assert np.flatnonzero(found.shared).tolist() == [frequency, 64 + kind, *[67] * is_second]
            expected = [0 if frequency else reader.expected(kind, block)[0] for block in blocks]
            levels = [reader.level(kind, frequency, block) for block in blocks]
            assert next(values).tolist() == [one - other for one, other in zip(levels, expected, strict=True)]
    assert next(told, None) is None


@pytest.mark.parametrize("sampling", SAMPLINGS, ids=lambda sampling: sampling.name)
@pytest.mark.parametrize("size", [(9, 30), (24, 34)], ids=str)
@pytest.mark.no_cover
def test_surroundings_are_those_of_the_format(sampling: Sampling, size: tuple[int, int]) -> None:
    components, given = any_components(size, sampling), KeptFeatures()
    coder.walk(components, given, Surroundings)
    plain = [(one.steps.tolist(), one.inner.tolist()) for one in components]
    reader = SurroundingsReader(plain, [one.last for one in components])
    for kind in range(3):
        for frequency, blocks, phase in reader.phases(kind):
            found, values = given.told.pop(0), given.values.pop(0)
            assert found.features.tolist() == [reader.told(kind, frequency, block, phase) for block in blocks]
            assert found.shared.tolist() == reader.shared(kind, frequency, phase)
            assert found.group == reader.group(kind, frequency)
            expected = [0 if frequency else reader.expected(kind, block)[0] for block in blocks]
            assert (values + expected).tolist() == [reader.level(kind, frequency, block) for block in blocks]
    assert not given.told


def changed(call: native_jpeg.ComponentCall, index: int, array: NDArray[Any]) -> native_jpeg.ComponentCall:
    return call._replace(arrays=(*call.arrays[:index], array, *call.arrays[index + 1 :]))


@needs_extension
def test_the_extension_refuses_wrong_components(network: IntegerCoefficientNetwork) -> None:
    component = empty(1, np.ones(NUM_FREQUENCIES, dtype=np.int32), (24, 24), 2)
    call = whole._call(Surroundings(component, None, None), network)
    good = native_jpeg.encode_levels(call)
    assert good is not None
    assert good[1].sum() > 0
    width, kind, last, covered = call.sizes
    of_width = [(wrong, kind, last, covered) for wrong in (2, 7, 25)]
    of_others = [(width, *rest) for rest in ((3, last, covered), (-1, last, covered), (kind, 64, covered))]
    for wrong in (*of_width, *of_others, (width, kind, 1, covered), (width, kind, last, 0), (width, kind, last, 5)):
        with pytest.raises(ValueError, match="do not have its size"):
            native_jpeg.encode_levels(call._replace(sizes=wrong))
    for index, array in enumerate(call.arrays):
        if array.size:
            with pytest.raises(ValueError, match="do not have its size"):
                native_jpeg.encode_levels(changed(call, index, array.reshape(-1)[1:].copy()))
    of_frequencies = ((0, 1), (1, 8), (2, -1), (3, 65), (21, -1))
    for index, place, number in ((4, 9, 0), *((9, *wrong) for wrong in of_frequencies), (11, 0, 13), (11, 1, -1)):
        array = call.arrays[index].copy()
        array.reshape(-1)[place] = number
        with pytest.raises(ValueError, match="do not have its size"):
            native_jpeg.encode_levels(changed(call, index, array))
    with pytest.raises(ValueError, match="read-only"):
        native_jpeg.encode_levels(changed(call, 0, np.frombuffer(call.arrays[0].tobytes(), dtype=np.int16)))


@needs_extension
def test_the_extension_refuses_wrong_groups(network: IntegerCoefficientNetwork) -> None:
    call = whole._call(Surroundings(empty(0, np.ones(NUM_FREQUENCIES, dtype=np.int32), (8, 8), 1), None, None), network)
    ported, bias, weight = call.groups[0]
    pixels = native._ported(models.load("photo"))
    older = load_named("photo-jpeg-1")
    other = native_jpeg.port_tokens(_layers(older, 0), older.tables["exponential"], "portable").ported
    of_sizes = [(ported, bias[1:], weight), (ported, bias, weight[1:])]
    for wrong in ((pixels, bias, weight), (other, bias, weight), *of_sizes):
        for groups in ([wrong, call.groups[1]], [call.groups[0], wrong]):
            with pytest.raises(ValueError, match=r"not for levels|PyCapsule"):
                native_jpeg.encode_levels(call._replace(groups=groups))
    with pytest.raises(ValueError, match="that many words"):
        native._native.decode_levels(*call, (b"1234", 2, 0))
