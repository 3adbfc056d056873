"""Stage 6 in packs: streams with a short check equal in both coders, near the ideal, and damage is reported."""

from __future__ import annotations

import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_ans import random_tables

from pixelzip import native, short_stream
from pixelzip.errors import CorruptFile
from pixelzip.streams import MORE

LAST = 6


def last_pixel(symbols: np.ndarray) -> np.ndarray:
    high, low = symbols[-LAST:].reshape(-1, 2).T
    return (16 * high + low).astype(np.uint8).reshape(1, 1, -1)


def encoded(counts: np.ndarray, symbols: np.ndarray, seal: int) -> tuple[bytes, float]:
    """Return the stream and the bytes that the counts alone would take; of the image only the last pixel is there."""
    lanes = np.arange(len(symbols))
    left = (np.cumsum(counts, axis=1) - counts)[lanes, symbols].astype(np.int32)
    chosen = counts[lanes, symbols].astype(np.int32)
    [stream] = short_stream.encode(left[None], chosen[None], last_pixel(symbols)[None], np.uint32([seal]))
    return stream, float((24 - np.log2(chosen)).sum()) / 8


def checksum(symbols: np.ndarray, seal: int) -> int:
    return zlib.crc32(last_pixel(symbols), seal)


def decoded(stream: bytes, counts: np.ndarray, checksum: int) -> list[int]:
    weights = (counts - 1).astype(np.float32)
    decoder = short_stream.Decoder(stream, len(counts), LAST)
    parts = [weights[:-LAST], *np.split(weights[-LAST:], LAST)] if len(counts) > LAST else [weights]
    symbols = [symbol for part in parts for symbol in decoder.decode(part).tolist()]
    if not short_stream.are_intact(np.uint64([min(decoder.rest(), MORE)]), np.uint32([checksum]))[0]:
        raise CorruptFile("the checksum is another")
    return symbols


@settings(max_examples=30)
@given(seed=st.integers(0, 10**6), num_symbols=st.integers(LAST, 60), seal=st.integers(0, 2**32 - 1))
def test_round_trip_in_both_coders(seed: int, num_symbols: int, seal: int) -> None:
    counts, symbols = random_tables(seed, num_symbols)
    streams = {encoded(counts, symbols, seal)[0]}
    for has_constriction in (True, False):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("pixelzip.native.INSTRUCTION_SETS", ())
            patch.setattr("pixelzip.ans.HAS_CONSTRICTION", has_constriction)
            stream, _ = encoded(counts, symbols, seal)
            assert decoded(stream, counts, checksum(symbols, seal)) == symbols.tolist()
            streams.add(stream)
    assert len(streams) == 1


@pytest.mark.skipif(not native.INSTRUCTION_SETS, reason="the extension is not built")
@pytest.mark.parametrize("num_channels", [1, 3])
@pytest.mark.parametrize("num_bits", [1, 4, 24])
def test_many_streams_in_c(num_channels: int, num_bits: int, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(num_channels + num_bits)
    for length in [*range(LAST, 80), 1000, 3000]:
        counts = generator.integers(1, 1 << num_bits, (3, length)).astype(np.int32)
        left = generator.integers(0, 2**24 - counts + 1).astype(np.int32)
        pixels = generator.integers(0, 256, (3, 1, length, num_channels), dtype=np.uint8)
        many = left, counts, pixels, generator.integers(2**32, size=3, dtype=np.uint32)
        found = short_stream.encode(*many)
        assert short_stream.encode(*np.stack((left, counts), axis=1).swapaxes(0, 1), *many[2:]) == found
        with monkeypatch.context() as patch:
            patch.setattr("pixelzip.native.INSTRUCTION_SETS", ())
            assert short_stream.encode(*many) == found
    assert short_stream.encode(*(part[:0] for part in many)) == []


@pytest.mark.skipif(not native.INSTRUCTION_SETS, reason="the extension is not built")
def test_what_cannot_be_a_stream_is_refused_in_c() -> None:
    numbers, pixels, seals = np.ones((2, 8), np.int32), np.zeros((2, 1, 1, 3), np.uint8), np.zeros(2, np.uint32)
    good = {"left": numbers, "counts": numbers, "pixels": pixels, "seals": seals}
    short_stream.encode(**good)
    broken: list[tuple[str, np.ndarray]] = [
        ("counts", numbers[:1]), ("counts", numbers[:, 1:]), ("counts", numbers[:, ::2]), ("counts", numbers[0]),
        ("counts", numbers.astype(np.int64)), ("left", numbers.T), ("pixels", pixels[..., [0, 1, 2, 0]]),
        ("pixels", pixels[:, :, :0]), ("pixels", pixels[..., :0]), ("seals", seals[1:]),
    ]  # fmt: skip
    for name, array in broken:
        with pytest.raises(ValueError, match="as many counts"):
            short_stream.encode(**(good | {name: array}))
    with pytest.raises(ValueError, match="as many counts"):
        short_stream.encode(**(good | {"left": numbers[:, :5], "counts": numbers[:, :5]}))


@given(rest=st.one_of(st.integers(0, MORE), st.integers(0, 2**21), st.sampled_from([2**k for k in range(64)])))
def test_which_states_hold_a_checksum(rest: int) -> None:
    num_bits = rest.bit_length() - 1
    expected = num_bits in short_stream.CHECK_BITS
    other = rest ^ 1
    found = short_stream.are_intact(np.uint64([rest, other]), np.uint32([rest & 2**32 - 1] * 2))
    assert found.tolist() == [expected, False]


def test_improbable_last_symbols() -> None:
    counts = np.ones((20, 16), dtype=np.int64)
    counts[:, 0] = 2**24 - 15
    symbols = np.full(20, 15)
    stream, _ = encoded(counts, symbols, 123)
    assert decoded(stream, counts, checksum(symbols, 123)) == symbols.tolist()


def test_golden_bytes() -> None:
    counts = np.full((8, 16), 2**20)
    assert encoded(counts, np.arange(8), 0x12345678)[0].hex() == "8d32045176d9"


def test_cost_over_the_ideal() -> None:
    """2.2 bytes in all on photographs, docs/log.md; the check alone has 12 to 19 bits."""
    excess = []
    for seed in range(40):
        generator = np.random.default_rng(seed)
        shares = generator.dirichlet(np.full(16, 0.6), 400)
        counts = np.floor(shares * (2**24 - 16)).astype(np.int64) + 1
        counts[:, 0] += 2**24 - counts.sum(axis=1)
        symbols = (np.cumsum(counts, axis=1) <= generator.integers(0, 2**24, (400, 1))).sum(axis=1)
        stream, ideal = encoded(counts, symbols, int(generator.integers(2**32)))
        excess.append(len(stream) - ideal)
    assert np.mean(excess) < 2.3
    assert max(excess) < 4


def test_every_flipped_bit_is_reported() -> None:
    counts, symbols = random_tables(3, 100)
    stream, _ = encoded(counts, symbols, 77)
    for position in range(8 * len(stream)):
        damaged = bytearray(stream)
        damaged[position // 8] ^= 1 << position % 8
        with pytest.raises(CorruptFile):
            decoded(bytes(damaged), counts, checksum(symbols, 77))


@pytest.mark.parametrize("data", [b"", b"\0", b"\0" * 9, b"\x01"])
def test_impossible_streams(data: bytes) -> None:
    counts, _ = random_tables(1, 9)
    with pytest.raises(CorruptFile):
        decoded(data, counts, 0)
