"""Stage 6: the streams of all coders equal the Python oracle, and damage is reported."""

from __future__ import annotations

import numpy as np
import pytest
import reference_ans
from hypothesis import given, settings
from hypothesis import strategies as st

from pixelzip import ans, ans_integer
from pixelzip.errors import CorruptFile

TOTAL = 2**24


def random_tables(seed: int, num_symbols: int) -> tuple[np.ndarray, np.ndarray]:
    """Return (n, 16) counts and n symbols drawn from them, both edges included."""
    generator = np.random.default_rng(seed)
    shares = generator.dirichlet(np.full(16, generator.choice([0.02, 0.3, 5])), num_symbols)
    counts = np.floor(shares * (TOTAL - 16)).astype(np.int64) + 1
    counts[:, generator.integers(16)] += TOTAL - counts.sum(axis=1)
    symbols = np.array([generator.choice(16, p=row / TOTAL) for row in counts])
    return counts, symbols


@settings(max_examples=30)
@given(seed=st.integers(0, 10**6), num_symbols=st.integers(1, 60), seal=st.integers(0, 2**32 - 1))
def test_round_trip_and_oracle(seed: int, num_symbols: int, seal: int) -> None:
    counts, symbols = random_tables(seed, num_symbols)
    lanes = np.arange(num_symbols)
    left = (np.cumsum(counts, axis=1) - counts)[lanes, symbols].astype(np.int32)
    chosen = counts[lanes, symbols].astype(np.int32)
    stream = ans.encode(left, chosen, seal)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pixelzip.native.INSTRUCTION_SETS", ())
        assert stream == ans.encode(left, chosen, seal)
    assert stream == reference_ans.encode(list(zip(left.tolist(), chosen.tolist(), strict=True)), seal)
    assert stream == ans_integer.encode(left, chosen, seal)
    words = ans.words(stream)
    for decoder in (ans.Decoder(words), ans_integer.Decoder(words)):
        assert np.array_equal(decoder.decode((counts - 1).astype(np.float32)), symbols)
        ans_integer.check(decoder.rest(), seal)
    ideal = float((24 - np.log2(chosen)).sum()) / 8
    assert len(stream) - ideal < 6


def test_golden_words() -> None:
    left = np.array([0, 8388608, 16777215, 5], dtype=np.int32)
    counts = np.array([8388608, 4194304, 1, 77], dtype=np.int32)
    assert ans.encode(left, counts, 0x12345678).hex() == "15000008ffff3f277d1c"


@pytest.mark.parametrize("data", [b"", b"\0", b"ab\0"])
def test_impossible_streams(data: bytes) -> None:
    with pytest.raises(CorruptFile):
        ans.open_stream(data)


def test_damage_is_reported() -> None:
    counts, symbols = random_tables(3, 200)
    lanes = np.arange(200)
    left = (np.cumsum(counts, axis=1) - counts)[lanes, symbols].astype(np.int32)
    stream = ans.encode(left, counts[lanes, symbols].astype(np.int32), 77)
    weights = (counts - 1).astype(np.float32)
    for position in range(len(stream)):
        damaged = bytearray(stream)
        damaged[position] ^= 1 << position % 8
        if damaged[-1] == 0:
            continue
        words = ans.words(bytes(damaged))
        for decoder in (ans.Decoder(words), ans_integer.Decoder(words)):
            if np.array_equal(decoder.decode(weights), symbols):
                with pytest.raises(CorruptFile):
                    ans_integer.check(decoder.rest(), 77)


def test_transposed_weights_are_refused() -> None:
    decoder = ans.Decoder(b"abcdefgh")
    with pytest.raises(ValueError, match="C-contiguous"):
        decoder.decode(np.asfortranarray(np.ones((4, 16), dtype=np.float32)))
