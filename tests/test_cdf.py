"""Stage 4: the torch distribution equals the Python reference; both of its faces agree."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from reference_cdf import TOTAL, Lane

from pixelzip.cdf import Distribution
from pixelzip.models.config import ConeConfig
from pixelzip.models.tables import LOGISTIC_LENGTH, PROBABILITY_ONE, make_tables

TABLES = make_tables(ConeConfig.table_names)
TENSORS = {name: torch.from_numpy(table) for name, table in TABLES.items()}
LISTS = {name: table.tolist() for name, table in TABLES.items()}


def heads(num_lanes: int, mixtures: int, spread: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    head = generator.normal(0, spread, (num_lanes, 10 * mixtures)).clip(-32767, 32767).astype(np.int32)
    return head, generator.integers(0, 256, (num_lanes, 3)).astype(np.int32)


@pytest.mark.parametrize("spread", [5, 60, 900, 40000])
@pytest.mark.parametrize("mixtures", [1, 3, 5])
def test_equals_reference(spread: float, mixtures: int) -> None:
    head, guess = heads(24, mixtures, spread)
    levels = np.random.default_rng(1).choice([0, 1, 15, 16, 100, 128, 254, 255], (3, 24)).astype(np.int32)
    distribution = Distribution(torch.from_numpy(head), torch.from_numpy(guess), TENSORS)
    lanes = [Lane(h, g, LISTS) for h, g in zip(head.tolist(), guess.tolist(), strict=True)]
    for channel in range(3):
        symbols = torch.from_numpy(levels[channel])
        high = distribution.high_counts()
        low = distribution.low_counts(symbols // 16)
        left, counts = distribution.intervals(symbols)
        for index, lane in enumerate(lanes):
            level = int(levels[channel, index])
            wanted_high, wanted_low = lane.high_counts(channel), lane.low_counts(channel, level // 16)
            assert high[:, index].tolist() == wanted_high
            assert low[:, index].tolist() == wanted_low
            assert left[:, index].tolist() == [sum(wanted_high[: level // 16]), sum(wanted_low[: level % 16])]
            assert counts[:, index].tolist() == [wanted_high[level // 16], wanted_low[level % 16]]
            lane.observe(channel, level)
        if channel < 2:
            distribution.observe(symbols, is_last=False)


@pytest.mark.parametrize("spread", [10, 200, 3000, 40000])
def test_counts_are_positive_and_complete(spread: float) -> None:
    head, guess = heads(500, 5, spread)
    distribution = Distribution(torch.from_numpy(head), torch.from_numpy(guess), TENSORS)
    for channel in range(3):
        high = distribution.high_counts()
        assert int(high.min()) >= 64
        assert (high.sum(dim=0) == TOTAL).all()
        for nibble in range(16):
            low = distribution.low_counts(torch.full((500,), nibble, dtype=torch.int32))
            assert int(low.min()) >= 1
            assert (low.sum(dim=0) == TOTAL).all()
        if channel < 2:
            distribution.observe(torch.from_numpy(guess[:, channel].copy()), is_last=False)


def test_integers_are_close_to_the_float_mixture() -> None:
    from pixelzip.models.mixture import bits

    generator = torch.Generator().manual_seed(0)
    raw = torch.randn(400, 50, generator=generator)
    raw[:, 20:35] = raw[:, 20:35] * 0.8 + 1.5
    guess = torch.randint(20, 236, (400, 3), generator=generator)
    pixels = (guess + torch.randn(400, 3, generator=generator) * 6).round().clamp(0, 255).int()
    steps = torch.tensor([32.0, *[64.0] * 3, *[16.0] * 3, *[256.0] * 3]).repeat_interleave(5)
    distribution = Distribution((raw * steps).round().int(), guess.int(), TENSORS)
    total = 0.0
    for channel in range(3):
        symbols = pixels[:, channel].contiguous()
        counts = distribution.intervals(symbols)[1]
        total += float((24 - counts.double().log2()).sum())
        if channel < 2:
            distribution.observe(symbols, is_last=False)
    wanted = float(bits(raw[..., None, None], guess[..., None, None].float(), pixels[..., None, None].float()).sum())
    assert total == pytest.approx(wanted, rel=0.005)


def test_tables() -> None:
    logistic = TABLES["logistic"].astype(np.int64)
    assert logistic.shape == (LOGISTIC_LENGTH,)
    assert (np.diff(logistic) >= 0).all()
    assert np.array_equal(logistic + logistic[::-1], np.full(LOGISTIC_LENGTH, PROBABILITY_ONE))
    arguments = (np.arange(LOGISTIC_LENGTH) + 0.5 - LOGISTIC_LENGTH / 2) * 24 / LOGISTIC_LENGTH
    assert np.abs(logistic - 65536 / (1 + np.exp(-arguments))).max() <= 0.5001
    assert TABLES["exponential"][[0, 32, 384]].tolist() == [65536, 24109, 0]
    assert TABLES["inverse_scale"].shape == (129,)
    assert int(TABLES["inverse_scale"].max()) * 2**13 < 2**30
