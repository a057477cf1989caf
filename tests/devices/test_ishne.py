"""ISHNE Holter files, trap by trap."""

from __future__ import annotations

import struct
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from allostat.adapter import ReadOptions
from allostat.errors import InputError
from allostat.recording import NS_PER_S, Recording
from allostat.simulate.exports.containers import write_ishne
from allostat.source import Source
from allostat_devices.ishne import ADAPTER

START = datetime(2024, 3, 30, 22, 15, 7)  # noqa: DTZ001
START_NS = int(START.replace(tzinfo=UTC).timestamp()) * NS_PER_S
LEADS = np.stack([np.arange(400) - 200, 300 - np.arange(400)], axis=1)


def written(tmp_path: Path, leads: np.ndarray = LEADS, **about: Any) -> Path:
    write_ishne(tmp_path / "x.ecg", leads, 200, 2500, START, **about)
    return tmp_path / "x.ecg"


def read(path: Path, **options: Any) -> Recording:
    (recording,) = ADAPTER.read(Source(path), ReadOptions(**options))
    return recording


def patched(path: Path, at: int, form: str, *values: int) -> Path:
    raw = bytearray(path.read_bytes())
    struct.pack_into(form, raw, at, *values)
    path.write_bytes(raw)
    return path


def codes(path: Path) -> set[str]:
    return {notice.code for notice in read(path).notices}


def test_leads_are_interleaved_and_their_steps_are_nanovolts(tmp_path: Path) -> None:
    recording = read(written(tmp_path))
    assert list(recording.signals) == ["ecg_i", "ecg_v1"]
    for k, signal in enumerate(recording.signals.values()):
        assert (signal.samples.dtype, signal.unit, signal.scale) == (np.dtype(np.int16), "uV", 2.5)
        np.testing.assert_array_equal(signal.samples, LEADS[:, k])
    assert [n.code for n in recording.notices] == ["unverified"] and not recording.provenance.verified


def test_the_start_is_wall_clock_time_until_the_caller_names_a_zone(tmp_path: Path) -> None:
    path = written(tmp_path)
    assert (read(path).epoch, read(path).ecg.clock.start_ns) == ("local", START_NS)
    assert read(path, timezone="Europe/Vienna").ecg.clock.start_ns == START_NS - 3600 * NS_PER_S


def test_a_night_with_a_clock_change_is_counted_in_elapsed_time(tmp_path: Path) -> None:
    leads = np.zeros((200 * 20, 1), np.int16)
    write_ishne(tmp_path / "x.ecg", leads, 200, 2500, datetime(2024, 3, 31, 1, 59, 50))  # noqa: DTZ001
    clock = read(tmp_path / "x.ecg", timezone="Europe/Vienna").ecg.clock
    assert clock.end_ns - clock.start_ns == 20 * NS_PER_S
    assert datetime.fromtimestamp(clock.end_ns / NS_PER_S, UTC).hour == 1


def test_the_stored_offset_is_not_trusted(tmp_path: Path) -> None:
    path = patched(written(tmp_path), 22, "<i", 700)
    np.testing.assert_array_equal(read(path).ecg.samples, LEADS[:, 0])
    assert codes(path) == {"unverified", "header", "checksum"}


def test_a_wrong_checksum_is_a_warning(tmp_path: Path) -> None:
    path = patched(written(tmp_path), 8, "<H", 1)
    assert codes(path) == {"unverified", "checksum"}


def test_a_truncated_file_is_told(tmp_path: Path) -> None:
    path = written(tmp_path)
    path.write_bytes(path.read_bytes()[:-101])
    recording = read(path)
    assert len(recording.ecg) == 374
    assert [(n.code, n.severity, n.count) for n in recording.notices][1:] == [("truncated", "error", 26)]


def test_the_number_of_samples_may_be_that_of_all_leads(tmp_path: Path) -> None:
    assert codes(patched(written(tmp_path), 14, "<i", 800)) == {"unverified", "checksum"}


def test_a_missing_resolution_leaves_raw_integers(tmp_path: Path) -> None:
    path = patched(written(tmp_path), 206, "<h", 0)
    assert read(path).signals["ecg_i"].unit == "1" and read(path).signals["ecg_v1"].unit == "uV"
    assert "no_scale" in codes(path)


@pytest.mark.parametrize(
    ("at", "form", "value"),
    [(156, "<h", 0), (156, "<h", 400), (272, "<h", 0), (272, "<h", -5), (10, "<i", -1), (10, "<i", 2**31 - 1)],
)
def test_impossible_headers_are_refused(tmp_path: Path, at: int, form: str, value: int) -> None:
    with pytest.raises(InputError):
        read(patched(written(tmp_path), at, form, value))


def test_a_text_block_longer_than_the_file_leaves_no_samples(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no complete sample"):
        read(patched(written(tmp_path), 10, "<i", 90_000))


def test_an_impossible_date_makes_time_relative(tmp_path: Path) -> None:
    assert read(patched(written(tmp_path), 138, "<3h", 31, 2, 2024)).epoch == "relative"


def test_no_identifier_comes_through(tmp_path: Path) -> None:
    path = written(tmp_path, names=("CANARY1", "CANARY2", "CANARY3"), born=(2, 5, 1951))
    recording, manifest = read(path), ADAPTER.inspect(Source(path))
    assert "CANARY" not in repr(recording) + repr(manifest) and "1951" not in repr(recording)
    assert recording.extras == {"age_years": 72, "sex": "F"}
    assert {"name in header", "patient id in header", "birth date in header"} <= set(manifest.identifiers)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(n=st.integers(1, 300), leads=st.integers(1, 12), seed=st.integers(0, 99))
def test_writing_and_reading_are_inverse(tmp_path: Path, n: int, leads: int, seed: int) -> None:
    values = np.random.default_rng(seed).integers(-32768, 32768, (n, leads))
    recording = read(written(tmp_path, values))
    np.testing.assert_array_equal(np.stack([s.samples for s in recording.signals.values()], axis=1), values)
