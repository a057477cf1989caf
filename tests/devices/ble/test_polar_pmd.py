"""Control point of Polar Measurement Data: features, settings, requests and answers."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allostat.errors import ConfigError
from allostat_devices.ble import polar_pmd as pmd
from allostat_devices.ble.malformed import Fault, Malformed, faults_of
from allostat_devices.ble.polar_pmd import (
    ControlPoint,
    ControlReply,
    Features,
    Reaction,
    Setting,
    Stream,
    StreamsStopped,
    decode_control,
)

FAST = settings(max_examples=50, deadline=None)


def replied(text: str) -> ControlReply:
    read = decode_control(bytes.fromhex(text))
    assert isinstance(read, ControlReply)
    return read


def test_features_bit_by_bit() -> None:
    for stream in Stream:
        read = decode_control(b"\x0f" + (1 << stream).to_bytes(2, "little") + bytes(14))
        assert read == Features(frozenset([stream]))
    h10 = decode_control(bytes.fromhex("0f05") + bytes(15))
    assert h10 == Features(frozenset([Stream.ECG, Stream.ACC]))
    assert decode_control(bytes.fromhex("0f05")) == h10


def test_requests_are_the_bytes_of_the_protocol() -> None:
    assert pmd.settings_request(Stream.ECG) == bytes.fromhex("0100")
    chosen = {Setting.SAMPLE_RATE_HZ: 130, Setting.RESOLUTION_BITS: 14}
    assert pmd.start_request(Stream.ECG, chosen) == bytes.fromhex("02000001820001010e00")
    assert pmd.start_request(Stream.PPI, {}) == bytes.fromhex("0203")
    assert pmd.stop_request(Stream.ACC) == bytes.fromhex("0302")
    assert pmd.sdk_settings_request(Stream.PPG) == bytes.fromhex("0401")
    assert bytes.fromhex("0209") == pmd.SDK_MODE_ON
    assert bytes.fromhex("0309") == pmd.SDK_MODE_OFF


def test_a_setting_that_does_not_fit_is_an_error_that_names_it() -> None:
    with pytest.raises(ConfigError, match="sample_rate_hz"):
        pmd.build_settings({Setting.SAMPLE_RATE_HZ: 65536})
    with pytest.raises(ConfigError, match="channels"):
        pmd.build_settings({Setting.CHANNELS: -1})
    with pytest.raises(ConfigError, match="factor"):
        pmd.build_settings({Setting.FACTOR: 1})


@FAST
@given(
    st.fixed_dictionaries(
        {},
        optional={
            Setting.SAMPLE_RATE_HZ: st.integers(0, 2**16 - 1),
            Setting.RESOLUTION_BITS: st.integers(0, 2**16 - 1),
            Setting.RANGE: st.integers(0, 2**16 - 1),
            Setting.RANGE_MILLI: st.integers(0, 2**32 - 1),
            Setting.CHANNELS: st.integers(0, 255),
        },
    )
)
def test_built_settings_are_parsed_back(chosen: dict[Setting, int]) -> None:
    read = pmd.parse_settings(pmd.build_settings(chosen))
    assert dict(read.offered) == {setting: (value,) for setting, value in chosen.items()}
    assert (read.factor, read.faults) == (None, ())


def test_lists_of_values_and_a_factor() -> None:
    offered = bytes([0, 4]) + struct.pack("<4H", 25, 50, 100, 200) + bytes([2, 3]) + struct.pack("<3H", 2, 4, 8)
    read = pmd.parse_settings(offered + bytes([5, 1]) + struct.pack("<f", 2.44e-4) + bytes([4, 1, 3]))
    assert read.offered[Setting.SAMPLE_RATE_HZ] == (25, 50, 100, 200)
    assert read.offered[Setting.RANGE] == (2, 4, 8)
    assert read.offered[Setting.CHANNELS] == (3,)
    assert read.factor == pytest.approx(2.44e-4, rel=1e-7)
    assert read.faults == ()


@pytest.mark.parametrize("factor", [float("nan"), float("inf"), 0.0, -1.0])
def test_an_impossible_factor_is_counted_and_not_used(factor: float) -> None:
    read = pmd.parse_settings(bytes([5, 1]) + struct.pack("<f", factor))
    assert (read.factor, read.faults) == (None, (Fault.BAD_FACTOR,))


def test_settings_cut_short_keep_what_is_whole() -> None:
    whole = bytes([0, 2]) + struct.pack("<2H", 25, 50) + bytes([1, 1, 16, 0])
    read = pmd.parse_settings(whole[:-1])
    assert dict(read.offered) == {Setting.SAMPLE_RATE_HZ: (25, 50)}
    assert read.faults == (Fault.TOO_SHORT,)
    read = pmd.parse_settings(whole + bytes([99, 1, 2, 3]))
    assert read.offered[Setting.RESOLUTION_BITS] == (16,)
    assert read.faults == (Fault.UNKNOWN_SETTING,)


def test_every_status_has_a_sentence_and_a_reaction() -> None:
    assert sorted(pmd.STATUSES) == list(range(15))
    sentences = {pmd.status_of(code).sentence for code in range(256)}
    assert len(sentences) == 256
    assert all(sentence.endswith(".") for sentence in sentences)
    reactions = [pmd.status_of(code).reaction for code in range(15)]
    assert reactions[0] is Reaction.GO_ON
    assert reactions[6] is Reaction.STOP_THEN_START
    assert [code for code in range(15) if reactions[code] is Reaction.QUERY_SETTINGS] == [7, 8, 9, 11]
    assert reactions[10] is Reaction.RECONNECT
    assert reactions[12] is Reaction.LEAVE_SDK_MODE
    assert pmd.status_of(200).reaction is Reaction.REPORT
    for code in range(256):
        assert replied(f"f00200{code:02x}00").status == code


def test_a_reply_is_matched_to_its_request_by_operation_and_stream() -> None:
    reply = replied("f0020000000000")
    assert reply.answers(pmd.start_request(Stream.ECG, {}))
    assert not reply.answers(pmd.stop_request(Stream.ECG))
    assert not reply.answers(pmd.start_request(Stream.ACC, {}))
    assert not reply.answers(b"")
    assert replied("f006000000" + "01").answers(pmd.SDK_MODE_STATUS_REQUEST)


def test_an_offline_reply_keeps_its_stream() -> None:
    reply = replied("f002820000")
    assert (reply.stream, reply.offline) == (Stream.ACC, True)


def test_the_device_stops_streams_by_itself() -> None:
    assert decode_control(b"\x01\x00\x02") == StreamsStopped((Stream.ECG, Stream.ACC))
    assert isinstance(decode_control(b"\x01"), Malformed)


def test_a_reply_in_three_indications_is_joined() -> None:
    point = ControlPoint()
    assert point.push(bytes.fromhex("f0010200" + "01" + "00041900")) is None
    # the end of another stream comes in between
    assert point.push(b"\x01\x00") == StreamsStopped((0,))
    assert point.push(bytes.fromhex("f0010200" + "01" + "32006400c8")) is None
    reply = point.push(bytes.fromhex("f0010200" + "00" + "0001011000"))
    assert isinstance(reply, ControlReply)
    assert not reply.more and reply.faults == ()
    read = pmd.parse_settings(reply.parameters)
    assert dict(read.offered) == {Setting.SAMPLE_RATE_HZ: (25, 50, 100, 200), Setting.RESOLUTION_BITS: (16,)}
    assert read.faults == ()


def test_an_interrupted_reply_is_dropped_and_counted() -> None:
    point = ControlPoint()
    assert point.push(bytes.fromhex("f001020001000419")) is None
    reply = point.push(bytes.fromhex("f003000000"))
    assert isinstance(reply, ControlReply)
    assert (reply.parameters, reply.faults) == (b"", (Fault.REPLY_INTERRUPTED,))


def test_a_forgotten_reply_does_not_reach_the_next_request() -> None:
    point = ControlPoint()
    assert point.push(bytes.fromhex("f001020001000419")) is None
    point.forget()
    reply = point.push(bytes.fromhex("f001020000aa"))
    assert isinstance(reply, ControlReply) and reply.parameters == b"\xaa" and reply.faults == ()


def test_a_reply_without_end_does_not_grow_for_ever() -> None:
    point = ControlPoint()
    results = [point.push(bytes.fromhex("f001020001") + bytes(400)) for _ in range(50)]
    assert any(isinstance(result, Malformed) and result.fault is Fault.TOO_LONG for result in results)


def test_sdk_mode_and_running_streams() -> None:
    assert pmd.sdk_mode_is_on(replied("f00600000001")) is True
    assert pmd.sdk_mode_is_on(replied("f00600000000")) is False
    assert pmd.sdk_mode_is_on(replied("f0060003")) is None
    assert pmd.running_streams(replied("f005000000" + "404282c3")) == {Stream.ECG, Stream.ACC, Stream.PPI}
    assert pmd.running_streams(replied("f0060000")) is None


def test_other_bytes_are_malformed() -> None:
    assert faults_of(decode_control(b"")) == (Fault.EMPTY,)
    assert faults_of(decode_control(b"\xf0\x01\x00")) == (Fault.TOO_SHORT,)
    assert faults_of(decode_control(b"\x77\x01\x00")) == (Fault.UNKNOWN_TYPE,)
