"""Labelled beat instants: seconds become beats, X breaks the series, ectopic beats keep their flag."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import allostat
from allostat.adapter import ReadOptions
from allostat.errors import AllostatError, InputError
from allostat.source import Source
from allostat_devices.beat_instants import ADAPTER

TEXT = (
    "00000000\n" + "".join(f"{0.8 * i + 1:.3f}    N\n" for i in range(20)) + "17.000 X\n18.000 V\n18.700 N\n30.000 N\n"
)


def write(tmp_path: Path, text: str) -> Source:
    path = tmp_path / "beats.txt"
    path.write_text(text)
    return Source(path)


def test_seconds_are_beats_and_x_breaks_the_series(tmp_path: Path) -> None:
    (recording,) = ADAPTER.read(write(tmp_path, TEXT), ReadOptions())
    beats = recording.beats["rr"]
    assert len(beats) == 23 and beats.epoch == "relative" and beats.source == "ecg"
    np.testing.assert_allclose(beats.intervals_ms[1:20], 800.0)
    assert np.isnan(beats.intervals_ms[20]) and beats.flags[20] == 1
    assert beats.intervals_ms[21] == pytest.approx(700.0)
    assert np.isnan(beats.intervals_ms[22]) and beats.flags[22] == 6
    assert {n.code for n in recording.notices} == {"unusable", "out_of_range"}
    assert allostat.inspect(tmp_path / "beats.txt").adapter == "beat_instants"


def test_a_line_that_cannot_be_read_breaks_the_series(tmp_path: Path) -> None:
    (recording,) = ADAPTER.read(write(tmp_path, TEXT.replace("4.200    N\n", "4.2oo N\n")), ReadOptions())
    assert np.isnan(recording.beats["rr"].intervals_ms).sum() == 4
    assert "bad_number" in {n.code for n in recording.notices}


def test_intervals_and_waveforms_are_not_taken_for_instants(tmp_path: Path) -> None:
    for text in ("0.8\n" * 30, "1.0 N\n2.0 N\n", "0.800 N\n0.790 N\n" * 20, "1.0\tmV\n" * 30):
        assert ADAPTER.sniff(write(tmp_path, text)).confidence < 0.5
    with pytest.raises(InputError):
        list(ADAPTER.read(write(tmp_path, "1.000 X\n2.000 X\n"), ReadOptions()))


def test_a_real_holter_list(recordings: Callable[[str], Path]) -> None:
    path = recordings("empatica_e4") / "flirt_holter" / "holter.txt"
    (recording,) = ADAPTER.read(Source(path), ReadOptions())
    beats = recording.beats["rr"]
    assert len(beats) == 4768 and int((beats.flags == 1).sum()) == 1
    assert allostat.inspect(path).streams[0].n == 4768


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, len(TEXT) - 1), junk=st.binary(max_size=5), cut=st.integers(0, len(TEXT)))
def test_damaged_lists_give_beats_or_an_allostat_error(tmp_path: Path, at: int, junk: bytes, cut: int) -> None:
    data = TEXT.encode()
    path = tmp_path / "x.txt"
    path.write_bytes((data[:at] + junk + data[at + len(junk) :])[: len(data) - cut])
    try:
        list(ADAPTER.read(Source(path), ReadOptions()))
        ADAPTER.inspect(Source(path))
    except AllostatError:
        pass
