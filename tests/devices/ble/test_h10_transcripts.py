"""Bytes that a Polar H10 sent."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from allostat_devices.ble.polar_frames import SampleFrame, decode_frame
from allostat_devices.ble.polar_pmd import (
    ControlReply,
    Features,
    Reaction,
    Setting,
    Stream,
    decode_control,
    parse_settings,
    status_of,
)


@pytest.fixture
def folder(recordings: Callable[[str], Path]) -> Path:
    return recordings("polar_h10_transcripts")


def logged(folder: Path, kind: str) -> list[bytes]:
    lines = (folder / "ecg2_demo.txt").read_text().splitlines()
    return [bytes.fromhex("".join(re.findall(r"'(..)'", line))) for line in lines if line.startswith(kind)]


def typed(folder: Path, pattern: str) -> list[bytes]:
    return [bytes.fromhex(text) for text in re.findall(pattern, (folder / "gatttool.md").read_text())]


def test_52_notifications_of_ecg_have_73_samples_each_and_their_time_advances(folder: Path) -> None:
    notifications = logged(folder, "DATA")
    assert [len(data) for data in notifications] == [229] * 52
    frames = [decode_frame(data) for data in notifications]
    times = []
    for data, frame in zip(notifications, frames, strict=True):
        assert isinstance(frame, SampleFrame)
        assert (frame.stream, frame.faults, frame.missing) == (Stream.ECG, (), 0)
        assert frame.last_sample_ns is not None
        plain = [[int.from_bytes(data[at : at + 3], "little", signed=True)] for at in range(10, 229, 3)]
        assert frame.raw.tolist() == plain and len(plain) == 73
        times.append(frame.last_sample_ns)
    steps_s = np.diff(times) / 1e9
    assert (steps_s > 0).all()
    # no frame is lost in this capture, so that every step is one frame
    np.testing.assert_allclose(73 / steps_s, 130, rtol=0.02)
    assert str(np.datetime64(times[0], "ns")).startswith("2019-")


def test_control_point_of_that_session(folder: Path) -> None:
    started, stopped = (decode_control(data) for data in logged(folder, "CTRL"))
    assert isinstance(started, ControlReply) and isinstance(stopped, ControlReply)
    assert (started.operation, started.stream, started.status, started.more) == (2, Stream.ECG, 0, False)
    assert (stopped.operation, stopped.stream, stopped.status, stopped.more) == (3, Stream.ECG, 0, False)


def test_features_of_an_h10(folder: Path) -> None:
    (features,) = typed(folder, r"handle: 0x0047 \t value: ((?:[0-9a-f]{2} )+)")
    assert decode_control(features) == Features(frozenset([Stream.ECG, Stream.ACC]))


def test_answers_of_an_h10(folder: Path) -> None:
    replies = [
        decode_control(data) for data in typed(folder, r"Indication +handle = 0x0047 value: ((?:[0-9a-f]{2} ?)+)")
    ]
    assert len(replies) == 4
    statuses = []
    for reply in replies:
        assert isinstance(reply, ControlReply) and not reply.more
        statuses.append(reply.status)
    assert statuses == [10, 0, 5, 0]
    assert status_of(10).reaction is Reaction.RECONNECT
    offered = replies[1]
    assert isinstance(offered, ControlReply)
    read = parse_settings(offered.parameters)
    assert dict(read.offered) == {Setting.SAMPLE_RATE_HZ: (130,), Setting.RESOLUTION_BITS: (14,)}
    assert read.faults == ()
    started = replies[3]
    assert isinstance(started, ControlReply)
    assert parse_settings(started.parameters).faults == ()


def test_ecg_notifications_of_the_typed_session(folder: Path) -> None:
    frames = [decode_frame(data) for data in typed(folder, r"handle = 0x004a value: ((?:[0-9a-f]{2} ?)+)")]
    assert len(frames) == 6
    for frame in frames:
        assert isinstance(frame, SampleFrame) and frame.raw.shape == (73, 1) and frame.faults == ()
    last = frames[-1]
    assert isinstance(last, SampleFrame)
    assert last.raw[[0, 1, 14], 0].tolist() == [117, 115, -4]
