"""Encoders of the virtual straps against the vendor's vectors, and against the decoders."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allostat.errors import ConfigError
from allostat_devices.ble.polar_delta import DeltaSamples, decode_delta
from allostat_devices.ble.polar_frames import SampleFrame, decode_frame
from allostat_devices.virtual.device_clock import DeviceClock
from allostat_devices.virtual.pmd_frames import (
    DeltaLayout,
    PlainLayout,
    frame_header,
    pack_block,
    pack_whole,
    width_of,
)
from tests.devices.ble import test_polar_delta as vectors

FAST = settings(max_examples=50, deadline=None)


@pytest.mark.parametrize("width", range(1, 33))
def test_differences_of_every_width_come_back(width: int) -> None:
    rng = np.random.default_rng(width)
    low, high = -(2 ** (width - 1)), 2 ** (width - 1) - 1
    steps = rng.integers(low, high, (9, 3), endpoint=True)
    steps[0], steps[1] = low, high
    whole = [-5, 0, 7]
    decoded = decode_delta(pack_whole(whole, 24) + pack_block(steps, width), 3, 24)
    assert isinstance(decoded, DeltaSamples) and decoded.faults == ()
    expected = np.cumsum(np.vstack([[whole], steps]), axis=0).astype(np.int32)
    np.testing.assert_array_equal(decoded.raw, expected)
    assert width_of(steps) == width


@pytest.mark.parametrize(
    ("vector", "channels", "bits"),
    [(vectors.PPG_TYPE_0, 4, 24), (vectors.PPG_TYPE_7, 17, 24)],
)
def test_the_vendors_vectors_are_written_byte_by_byte(vector: bytes, channels: int, bits: int) -> None:
    decoded = decode_delta(vector, channels, bits)
    assert isinstance(decoded, DeltaSamples)
    rows = decoded.raw.astype(np.int64)
    written, at = pack_whole(rows[0].tolist(), bits), 1
    while len(written) < len(vector):
        width, count = vector[len(written)], vector[len(written) + 1]
        written += pack_block(np.diff(rows[at - 1 : at + count], axis=0), width)
        at += count
    assert written == vector and at == len(rows)


def test_a_clock_before_2000_is_refused() -> None:
    with pytest.raises(ConfigError):
        DeviceClock().start(0.0, 0)


def test_bits_are_written_least_significant_first() -> None:
    # 10 bits each: 178 = 0b0010110010, -68 = 0b1110111100
    assert pack_block(np.array([[178, -68]]), 10) == bytes([10, 1, 0b10110010, 0b11110000, 0b1110])


@FAST
@given(
    st.integers(1, 4),
    st.integers(1, 24),
    st.integers(60, 250),
    st.integers(0, 2**32 - 1),
)
def test_compressed_frames_hold_all_samples_and_fit_their_room(channels: int, bits: int, room: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    limit = 2 ** (bits - 1)
    samples = rng.integers(-limit, limit, (150, channels)).astype(np.int32)
    layout = DeltaLayout(0x80, bits, block_samples=4)
    frames = layout.cut(samples, room)
    at = 0
    for count, payload in frames:
        assert len(payload) <= room
        decoded = decode_delta(payload, channels, bits)
        assert isinstance(decoded, DeltaSamples) and decoded.faults == () and decoded.missing == 0
        np.testing.assert_array_equal(decoded.raw, samples[at : at + count])
        at += count
    assert 150 - at < 1 + layout.block_samples * layout.most_blocks


def test_a_plain_frame_is_the_vendors_layout() -> None:
    samples = np.array([[-1], [1], [-8_388_608], [8_388_607]], dtype=np.int32)
    ((count, payload),) = PlainLayout(0, 3, 73).cut(samples, 13)
    assert count == 4 and payload == bytes.fromhex("ffffff 010000 000080 ffff7f")
    frame = decode_frame(frame_header(0, 1_600_000_000_000_000_000, 0) + payload)
    assert isinstance(frame, SampleFrame) and frame.last_sample_ns == 1_600_000_000_000_000_000
    assert frame.raw.tolist() == samples.tolist()
    unknown = decode_frame(frame_header(0, None, 0) + payload)
    assert isinstance(unknown, SampleFrame) and unknown.last_sample_ns is None
