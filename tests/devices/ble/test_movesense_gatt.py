"""Movesense sensors over GATT."""

from __future__ import annotations

import struct

import pytest

from allostat.errors import ConfigError
from allostat_devices.ble import movesense_gatt as movesense
from allostat_devices.ble.malformed import Fault, Malformed, faults_of


def test_commands_are_the_bytes_of_the_protocol() -> None:
    assert movesense.hello_command(1) == b"\x00\x01"
    assert movesense.subscribe_command(99, movesense.ecg_path(200)) == b"\x01\x63/Meas/ECG/200"
    assert movesense.unsubscribe_command(99) == b"\x02\x63"
    assert movesense.fetch_log_command(5, 2) == b"\x03\x05\x02\x00\x00\x00"


def test_a_command_that_the_sensor_cannot_take_is_an_error() -> None:
    for reference in (0, 256):
        with pytest.raises(ConfigError, match="reference"):
            movesense.hello_command(reference)
    with pytest.raises(ConfigError, match="ECG rate"):
        movesense.ecg_path(130)
    with pytest.raises(ConfigError, match="ASCII"):
        movesense.subscribe_command(1, "/Meas/É")
    with pytest.raises(ConfigError, match="log"):
        movesense.fetch_log_command(1, -1)


def test_replies() -> None:
    result = movesense.decode_reply(b"\x01\x63\xc8\x00")
    assert result == movesense.CommandResult(99, 200, b"") and result.done
    refused = movesense.decode_reply(b"\x01\x63\x94\x01")
    assert isinstance(refused, movesense.CommandResult) and refused.status == 404 and not refused.done
    assert movesense.decode_reply(b"\x02\x63abc") == movesense.SensorData(99, False, b"abc")
    assert movesense.decode_reply(b"\x03\x63abc") == movesense.SensorData(99, True, b"abc")


def test_ecg_of_sixteen_samples() -> None:
    values = [-(2**31), 2**31 - 1, 0, -1, *range(12)]
    read = movesense.decode_ecg(struct.pack("<I16i", 4_000_000_000, *values))
    assert isinstance(read, movesense.MovesenseEcg)
    assert (read.boot_ms, read.raw.tolist(), read.faults) == (4_000_000_000, values, ())


def test_broken_notifications() -> None:
    assert faults_of(movesense.decode_reply(b"")) == (Fault.EMPTY,)
    assert faults_of(movesense.decode_reply(b"\x01\x63\xc8")) == (Fault.TOO_SHORT,)
    assert faults_of(movesense.decode_reply(b"\x09\x63\xc8")) == (Fault.UNKNOWN_TYPE,)
    assert faults_of(movesense.decode_ecg(b"")) == (Fault.EMPTY,)
    assert isinstance(movesense.decode_ecg(bytes(7)), Malformed)
    assert isinstance(movesense.decode_ecg(bytes(1025)), Malformed)
    read = movesense.decode_ecg(struct.pack("<Iih", 1, 2, 3))
    assert isinstance(read, movesense.MovesenseEcg)
    assert (read.raw.tolist(), read.faults) == ([2], (Fault.TRAILING_BYTES,))
