"""WFDB records of public databases: what the wfdb package gives, and the known numbers of beats."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from allostat.adapter import ReadOptions
from allostat.source import Source
from allostat_devices.wfdb import ADAPTER
from tests.devices.wfdb_files import read

MITDB_BEATS = 51_021


def test_real_mitdb(recordings: Callable[[str], Path]) -> None:
    source = Source(recordings("mitdb"))
    total = 0
    ids = []
    for recording in ADAPTER.read(source, ReadOptions()):
        ids.append(recording.id)
        total += len(recording.beats["beats_atr"])
        assert [len(s) for s in recording.signals.values()] == [650_000, 650_000]
        assert [n for n in recording.notices if n.severity != "info"] == []
        assert recording.ecg.clock.rate_hz == 360.0
    assert len(ids) == 22
    assert total == MITDB_BEATS


def test_real_flutter_of_record_207(recordings: Callable[[str], Path]) -> None:
    beats = read(recordings("mitdb") / "207.hea").beats["beats_atr"]
    assert len(beats.gaps) == 6
    assert not set(beats.extras["annotation_code"]) & {31, 32, 33}


def test_real_nstdb_format_16(recordings: Callable[[str], Path]) -> None:
    recording = read(recordings("nstdb") / "118e24.hea")
    assert len(recording.beats["beats_atr"]) == 2278
    assert (recording.ecg.offset, recording.ecg.samples.dtype) == (1024.0, np.dtype(np.int16))
    assert [n.code for n in recording.notices] == ["no_beat"]


def test_real_beats_without_signals(recordings: Callable[[str], Path]) -> None:
    recording = read(recordings("cst_reference") / "nsr001.hea")
    assert len(recording.beats["beats_ecg"]) == 106_460


@pytest.mark.parametrize("name", ["mitdb/101", "mitdb/208", "nstdb/118e24"])
def test_real_records_agree_with_the_wfdb_package(recordings: Callable[[str], Path], name: str) -> None:
    peer = pytest.importorskip("wfdb")
    folder, stem = name.split("/")
    path = recordings(folder) / stem
    recording = read(path.with_suffix(".hea"))
    theirs = peer.rdrecord(str(path), physical=False)
    for i, signal in enumerate(recording.signals.values()):
        np.testing.assert_array_equal(signal.samples, theirs.d_signal[:, i])
    physical = peer.rdrecord(str(path)).p_signal
    np.testing.assert_allclose(recording.ecg.physical(), physical[:, 0], rtol=0, atol=1e-12)
    marks = peer.rdann(str(path), "atr")
    is_beat = np.isin(marks.symbol, list("NLRBAaJSVrFejnE/fQ?"))
    beats = recording.beats["beats_atr"]
    np.testing.assert_array_equal(beats.times_ns, np.rint(marks.sample[is_beat] * 1e9 / 360))


@pytest.mark.parametrize(
    "name",
    [
        "test01_00s_frame", "a103l", "3000003_0003", "s0010_re", "multi-segment/041s/041s01", "310derive",
        "310derive_2", "310derive_3", "311derive", "311derive_2", "311derive_3", "311derive_4", "flacformats",
        "mixedsignals",
    ],
)  # fmt: skip
def test_real_samples_of_the_format_zoo_agree(recordings: Callable[[str], Path], name: str) -> None:
    peer = pytest.importorskip("wfdb")
    path = recordings("wfdb_samples") / name
    theirs = peer.rdrecord(str(path), physical=False, smooth_frames=False).e_d_signal
    recording = read(path.with_name(path.name + ".hea"))
    for signal, expected in zip(recording.signals.values(), theirs, strict=True):
        np.testing.assert_array_equal(signal.samples, expected)
    assert {n.code for n in recording.notices} <= {"uncalibrated"}


def test_real_binary_formats_agree(recordings: Callable[[str], Path]) -> None:
    peer = pytest.importorskip("wfdb")
    path = recordings("wfdb_samples") / "binformats"
    theirs = peer.rdrecord(str(path)).p_signal
    recording = read(path.with_name("binformats.hea"))
    for signal, expected in zip(recording.signals.values(), theirs.T, strict=True):
        np.testing.assert_allclose(signal.physical(), expected, atol=1e-12)


@pytest.mark.parametrize("name", ["041s/041s", "fixed1/v102s", "s25047/s25047-2704-05-04-10-44"])
def test_real_records_of_several_segments_agree(recordings: Callable[[str], Path], name: str) -> None:
    peer = pytest.importorskip("wfdb")
    path = recordings("wfdb_samples") / "multi-segment" / name
    theirs = peer.rdrecord(str(path), m2s=True, smooth_frames=False)
    recording = read(path.with_name(path.name + ".hea"))
    assert len(recording.signals) == theirs.n_sig
    begin = recording.span_ns[0] if recording.epoch != "relative" else 0
    columns = theirs.p_signal.T if theirs.e_p_signal is None else theirs.e_p_signal
    for signal, expected in zip(recording.signals.values(), columns, strict=True):
        whole = np.full(len(expected), np.nan)
        for first, stop, block in signal.clock.spans():
            at = round((block.t0_ns - begin) / 1e9 * block.rate_hz)
            whole[at : at + stop - first] = signal.physical(first, stop)
        np.testing.assert_allclose(whole, expected, atol=1e-9)
    assert ADAPTER.inspect(Source(path.with_name(path.name + ".hea"))).streams


def test_a_real_folder_of_segments_is_one_record(recordings: Callable[[str], Path]) -> None:
    source = Source(recordings("wfdb_samples") / "multi-segment" / "041s")
    assert set(ADAPTER.sniff(source).members) == set(source.members)
    (recording,) = ADAPTER.read(source, ReadOptions())
    assert recording.id == "041s" and {s.duration_s for s in recording.signals.values()} == {16.0}
