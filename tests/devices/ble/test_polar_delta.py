"""Delta-compressed frames: every width, several blocks, truncated blocks, the vendor's vectors."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allostat_devices.ble.malformed import Fault, Malformed
from allostat_devices.ble.polar_delta import DeltaSamples, decode_delta
from tests.reference import polar_delta as reference

FAST = settings(max_examples=50, deadline=None)


def decoded(payload: bytes, channels: int, resolution_bits: int) -> DeltaSamples:
    read = decode_delta(payload, channels, resolution_bits)
    assert isinstance(read, DeltaSamples)
    return read


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("width", range(1, 33))
def test_every_width_with_values_at_both_ends_of_its_range(width: int, channels: int) -> None:
    rng = np.random.default_rng(width)
    low, high = -(2 ** (width - 1)), 2 ** (width - 1) - 1
    steps = rng.integers(low, high, size=(11, channels), endpoint=True)
    steps[0], steps[1] = low, high
    first = [int(v) for v in rng.integers(-(2**23), 2**23, size=channels)]
    payload = reference.encode(first, 24, [(width, steps.tolist())])
    read = decoded(payload, channels, 24)
    expected = np.vstack([first, first + np.cumsum(steps, axis=0)])
    np.testing.assert_array_equal(read.raw, ((expected + 2**31) % 2**32 - 2**31))
    assert read.raw.dtype == np.int32
    assert (read.missing, read.faults) == (0, ())
    assert reference.decode(payload, channels, 24) == (read.raw.tolist(), 0)


def test_several_blocks_of_different_widths_go_on_from_each_other() -> None:
    rng = np.random.default_rng(3)
    blocks = [
        (width, rng.integers(-(2 ** (width - 1)), 2 ** (width - 1), size=(count, 3)).tolist())
        for width, count in [(3, 5), (17, 2), (1, 9), (10, 1), (24, 3)]
    ]
    payload = reference.encode([1, -2, 3], 16, blocks)
    read = decoded(payload, 3, 16)
    assert read.raw.shape == (21, 3)
    assert read.raw.tolist() == reference.decode(payload, 3, 16)[0]
    assert read.faults == ()


def test_a_truncated_block_keeps_its_complete_samples_and_counts_the_rest() -> None:
    steps = [[5, -6, 7]] * 20
    payload = reference.encode([100, 200, 300], 16, [(10, steps)])
    whole = decoded(payload, 3, 16)
    for cut in range(6, len(payload)):
        read = decoded(payload[:cut], 3, 16)
        np.testing.assert_array_equal(read.raw, whole.raw[: len(read.raw)])
        assert (read.raw.tolist(), read.missing) == reference.decode(payload[:cut], 3, 16)
        if cut >= 8:
            assert len(read.raw) + read.missing == 21
        assert read.faults == (() if cut == 6 else (Fault.TRAILING_BYTES,) if cut == 7 else (Fault.BLOCK_TRUNCATED,))


def test_width_zero_repeats_the_sample_and_is_counted() -> None:
    payload = bytes([7, 0, 249, 255]) + bytes([0, 3]) + bytes([8, 1, 1, 2])
    read = decoded(payload, 2, 16)
    assert read.raw.tolist() == [[7, -7]] * 4 + [[8, -5]]
    assert read.faults == (Fault.WIDTH_ZERO,)


def test_a_width_that_no_device_has_ends_the_frame() -> None:
    read = decoded(bytes([7, 0, 33, 4]) + bytes(40), 1, 16)
    assert (read.raw.tolist(), read.missing, read.faults) == ([[7]], 4, (Fault.WIDTH_IMPOSSIBLE,))


def test_a_payload_without_a_whole_sample_is_malformed() -> None:
    assert decode_delta(b"", 3, 16) == Malformed(Fault.EMPTY, "compressed frame", 0, "at least 6 bytes")
    assert isinstance(decode_delta(bytes(5), 3, 16), Malformed)
    assert isinstance(decode_delta(bytes(513), 3, 16), Malformed)


def test_the_factor_comes_at_the_end_and_in_floating_point() -> None:
    factor = 2.44e-4
    read = decoded(reference.encode([1905], 16, [(10, [[190], [-1], [-1]])]), 1, 16)
    np.testing.assert_allclose(read.scaled(factor)[:, 0], np.array([1905, 2095, 2094, 2093]) * factor, rtol=1e-12)


@FAST
@given(st.binary(max_size=300), st.integers(1, 17), st.sampled_from([8, 14, 16, 24, 32]))
def test_any_bytes_equal_the_bit_by_bit_twin(payload: bytes, channels: int, resolution_bits: int) -> None:
    read = decode_delta(payload, channels, resolution_bits)
    samples, missing = reference.decode(payload, channels, resolution_bits)
    if isinstance(read, Malformed):
        assert samples == []
    else:
        assert (read.raw.tolist(), read.missing) == (samples, missing)


# Byte values of the test vectors of the vendor's SDK (github.com/polarofficial/polar-ble-sdk): PpgDataTest.kt,
# AccDataTest.kt, BlePmdClientParsersTest.kt.

PPG_TYPE_0 = bytes.fromhex(
    "2C2D00C27700D3D2FF3D88FF0A29B2F0EE3411B2ECEE7411B1E8FEB411B1E8FEB411B1E0FE3412B0DC0E7512B0D80EB512AFD41EF512"
    "AFD01E3513AECC2E7513AEC82EB513ADC43EF513ADBC3E7514ADBC3E7514ACB84EB514ACB44EF514ABB05E3515AAAC6E7515AAA86EB5"
    "15AAA46EF515A9A07E3516A99C7E7516A8988EB516A7949EF516A7909E3517A78C9E7517A688AEB517A588BEB517A580BE3518A47CCE"
    "7518A478CEB518A378DEB518A270EE3519A26CEE7519A26CEE7519A168FEB519A0600E361A9F601E361A9F5C1E761A9F581EB61A9D54"
    "3EF61A"
)
PPG_TYPE_7 = bytes.fromhex(
    "09AE208A7C23583B1980B918DB2E22FA881DD7BB18C2B81F7A442648DF23A1F2173A371BFFFF007C080070F502FFFF0028C4111801"
    "87FEFFEC020001FEFFFB00008DF9FFB1FFFF0CFEFF26FEFFEEFEFF890200DF020051FEFF000000000000000000000000AEA68F"
)
ACC_TYPE_1 = bytes.fromhex("F1FF1400F00306017B0F08")
FLOATS_32_BIT = bytes.fromhex(
    "0000803F000020410000A0411C060000A001000008CDCCEC0D000008CDCCEC3D33331ACDCCEC3D33331A0000C03033331A0000C0A0"
    "9999DA0000C0A09999DA6666A6A19999DA6666A60100000E20036666A6010000E000426C450E0000E000426C450E2BF8ED21000060FD"
    "BE93BAF0939B4CCF"
)


def test_vector_of_four_channels_and_width_10() -> None:
    read = decoded(PPG_TYPE_0, 4, 24)
    assert read.raw.shape == (42, 4)
    assert read.raw[0].tolist() == [11564, 30658, -11565, -30659]
    assert np.diff(read.raw, axis=0)[0].tolist() == [178, -68, -178, 68]
    assert read.faults == ()
    assert read.raw.tolist() == reference.decode(PPG_TYPE_0, 4, 24)[0]


def test_vector_of_seventeen_channels_and_width_24() -> None:
    read = decoded(PPG_TYPE_7, 17, 24)
    assert read.raw.shape == (2, 17)
    assert read.raw[0, [0, 1, 15, 16]].tolist() == [2141705, 2325642, 65535, 1164328]
    assert (read.raw[1, :2] - read.raw[0, :2]).tolist() == [-377, 748]


def test_vector_of_acceleration_and_width_6() -> None:
    assert decoded(ACC_TYPE_1, 3, 16).raw.tolist() == [[-15, 20, 1008], [-20, 17, 1008]]


def test_vector_of_widths_28_and_32_wraps_at_32_bit() -> None:
    read = decoded(FLOATS_32_BIT, 3, 32)
    assert read.raw.shape == (1 + 6 + 3, 3)
    as_floats = read.raw.view(np.float32)
    assert as_floats[0].tolist() == [1.0, 10.0, 20.0]
    assert read.raw[1].tolist() == [0x3F800000 + 0x1A00000, 0x41200000 + 0x0800000, 0x41A00000 + 0xFDECCCCD - 2**32]
    assert read.raw.tolist() == reference.decode(FLOATS_32_BIT, 3, 32)[0]
