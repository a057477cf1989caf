"""Polar wrist ECG: mV, Unix seconds beside an offset in minutes, the sampling rate out of the samples."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import allostat
from allostat.adapter import ReadOptions
from allostat.errors import InputError
from allostat.recording import Recording
from allostat.simulate import EXPORTS, simulate_participant, simulate_worn
from allostat.source import Source
from allostat_devices.polar_wrist_ecg import ADAPTER


def ecg_test(n: int = 40, **changes: Any) -> dict[str, Any]:
    samples = [{"recording_time_delta_ms": round(i * 1000 / 130), "amplitude_mv": i / 1000} for i in range(n)]
    return {"test_time": 1697787256, "time_zone_offset": 180, "samples": samples} | changes


def read(tmp_path: Path, document: Any, **options: str) -> list[Recording]:
    path = tmp_path / "ecg.json"
    path.write_text(json.dumps(document))
    return list(ADAPTER.read(Source(path), ReadOptions(**options)))


def codes(recording: Recording) -> set[str]:
    return {n.code for n in recording.notices}


def test_the_wave_written_is_the_wave_read(tmp_path: Path) -> None:
    start = datetime.fromisoformat("2024-03-04T22:00:00")
    worn = simulate_worn(simulate_participant("sub-001", 3), start, 0.02, "Europe/Vienna")
    path = EXPORTS["polar-wrist-ecg"](worn, tmp_path)
    recording = allostat.read(path)
    ecg = recording.ecg
    np.testing.assert_array_equal(ecg.samples, worn.ecg(130.0).samples[:3900])
    assert (ecg.unit, ecg.scale) == ("mV", 0.001)
    assert ecg.clock.rate_hz == pytest.approx(130.0, rel=1e-3)
    assert ecg.clock.start_ns == pytest.approx(worn.start_ns, abs=2_000_000) and not ecg.clock.gaps
    assert (recording.timezone.name, recording.timezone.source) == ("UTC+01:00", "file")
    assert recording.series["hrv"].metric == "vendor" and recording.series["hr"].context == "spot"
    assert recording.extras["quality_levels"].tolist() == [1, 2, 2, 2]
    assert "unverified" in codes(recording) and recording.participant == "sub-001"
    assert "A1B2C3D4" not in repr(recording) + repr(allostat.inspect(path))


@pytest.mark.parametrize("time", [1697787256, 1697787256000, "1697787256", "2023-10-20T10:34:16"])
def test_seconds_milliseconds_and_wall_clock_are_one_instant(tmp_path: Path, time: Any) -> None:
    (recording,) = read(tmp_path, ecg_test(test_time=time))
    assert recording.ecg.clock.start_ns == pytest.approx(1697787256_000_000_000, abs=2_000_000)
    assert recording.timezone.name == "UTC+03:00"


def test_the_callers_zone_wins_and_a_difference_is_told(tmp_path: Path) -> None:
    (recording,) = read(tmp_path, ecg_test(), timezone="Europe/Vienna")
    assert recording.timezone.name == "Europe/Vienna" and "zone_differs" in codes(recording)
    (recording,) = read(tmp_path, ecg_test(), timezone="Europe/Istanbul")
    assert "zone_differs" not in codes(recording)


@pytest.mark.parametrize("offset", [None, 99999, "x"])
def test_an_offset_that_is_none_leaves_the_zone_unknown(tmp_path: Path, offset: Any) -> None:
    (recording,) = read(tmp_path, ecg_test(time_zone_offset=offset))
    assert not recording.timezone.known and recording.epoch == "utc"


def test_each_test_of_a_list_is_a_recording_and_a_bad_one_is_counted(tmp_path: Path) -> None:
    found = read(tmp_path, {"tests": [ecg_test(), ecg_test(test_time=None), ecg_test(test_time=1697797256)]})
    assert len(found) == 2 and len({r.id for r in found}) == 2
    assert all("bad_time" in codes(r) for r in found)


def test_holes_are_gaps_and_empty_values_are_missing(tmp_path: Path) -> None:
    document = ecg_test(400)
    del document["samples"][200:300]
    document["samples"][10]["amplitude_mv"] = None
    document["samples"][20]["recording_time_delta_ms"] = None
    document["samples"][31]["recording_time_delta_ms"] = document["samples"][30]["recording_time_delta_ms"]
    (recording,) = read(tmp_path, document)
    assert len(recording.ecg.clock.gaps) >= 1 and len(recording.ecg) == 298
    assert np.isnan(recording.ecg.physical()[10])
    assert {"bad_time", "duplicate"} <= codes(recording)


@pytest.mark.parametrize("document", [[], {}, {"samples": []}, [ecg_test(1)], [ecg_test(samples=None)], [1, "x", None]])
def test_nothing_of_use_is_refused_with_a_reason(tmp_path: Path, document: Any) -> None:
    with pytest.raises(InputError, match="holds no test with a time and samples"):
        read(tmp_path, document)
