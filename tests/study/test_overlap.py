"""Several devices at once: quality first, then ECG, PPG, device; nothing is merged, nothing is lost, all is told."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allostat.recording import Beats, BeatSource, InputFile, Provenance, Recording
from allostat.simulate import EXPORTS, simulate_participant, simulate_worn
from allostat.store import read_participant
from allostat.study import Study
from allostat.study.config import OverlapSection
from allostat.study.overlap import SLOT_NS, Series, ranked, resolved, same_files_once

HOUR = 3600
DEFAULT = OverlapSection()


def series(name: str, source: BeatSource, start_s: float, hours: float, rr_ms: float = 800.0) -> Series:
    n = int(hours * HOUR * 1000 / rr_ms)
    beats = Beats.from_intervals([rr_ms] * n, start_ns=int(start_s * 1e9), epoch="utc", source=source)
    return Series(name, Recording(name, beats={"rr": beats}), beats)


def with_hole(one: Series, start_s: float, end_s: float) -> Series:
    keep = (one.beats.times_ns < start_s * 1e9) | (one.beats.times_ns > end_s * 1e9)
    intervals = one.beats.intervals_ms[keep].copy()
    intervals[np.flatnonzero(np.diff(one.beats.times_ns[keep]) > 2e9) + 1] = np.nan
    beats = replace(one.beats, times_ns=one.beats.times_ns[keep], intervals_ms=intervals, flags=one.beats.flags[keep])
    return replace(one, beats=beats)


def slots(one: Series) -> set[int]:
    return set((one.beats.times_ns // SLOT_NS).tolist())


def test_ecg_wins_over_ppg_and_ppg_over_a_device_where_all_are_good() -> None:
    three = [series("c", "device", 0, 2), series("b", "ppg", 0, 2), series("a", "ecg", 0, 2)]
    (chosen,), notices = resolved(three, DEFAULT)
    assert chosen.id == "a" and np.array_equal(chosen.beats.times_ns, three[2].beats.times_ns)
    assert len(notices) == 3 and all(n.code == "OVERLAP" for n in notices)
    (chosen,), _ = resolved(three, OverlapSection(prefer=("device", "ecg")))
    assert chosen.id == "c"


def test_where_the_better_device_fails_the_other_counts_and_comes_back() -> None:
    ecg = with_hole(series("ecg", "ecg", 0, 4), HOUR, 2 * HOUR)
    ppg = series("ppg", "ppg", 0, 5.99)
    chosen, notices = resolved([ppg, ecg], DEFAULT)
    by_id = {s.id: slots(s) for s in chosen}
    assert by_id["ppg"] == set(range(12, 24)) | set(range(48, 72))
    assert by_id["ecg"] == set(range(12)) | set(range(24, 48))
    assert "used ecg 3.0 h" in notices[0].message


def test_quality_comes_before_preference() -> None:
    ecg = series("ecg", "ecg", 0, 2)
    noisy = ecg.beats.flags.copy()
    noisy[::2] = 3
    bad = replace(ecg, beats=replace(ecg.beats, flags=noisy))
    good = series("rr", "device", 0, 2)
    (chosen,), _ = resolved([bad, good], DEFAULT)
    assert chosen.id == "rr"
    assert [s.id for s in ranked([bad, good], DEFAULT)] == ["rr", "ecg"]


def test_series_that_never_meet_are_given_back_untouched() -> None:
    two = [series("b", "ppg", 3 * HOUR, 1), series("a", "ecg", 0, 1)]
    chosen, notices = resolved(two, DEFAULT)
    assert [s.id for s in chosen] == ["a", "b"] and chosen[0] is two[1] and chosen[1] is two[0] and not notices


def test_a_straps_own_intervals_beside_its_ecg_are_no_overlap_to_tell() -> None:
    ecg = series("ecg", "ecg", 0, 1)
    own = replace(series("rr", "device", 0, 1), recording=ecg.recording)
    (chosen,), notices = resolved([ecg, own], DEFAULT)
    assert chosen.id == "ecg" and not notices


@settings(max_examples=40, deadline=None)
@given(
    spans=st.lists(
        st.tuples(
            st.sampled_from(["ecg", "ppg", "device", "unknown"]),
            st.floats(0, 8),
            st.floats(0.2, 4),
            st.floats(0.1, 0.9),
        ),
        min_size=1,
        max_size=5,
    )
)
def test_each_slot_belongs_to_one_and_no_slot_with_usable_beats_is_lost(
    spans: list[tuple[BeatSource, float, float, float]],
) -> None:
    given_ = [
        with_hole(
            series(f"{i}", source, at * HOUR, hours), (at + hours * hole) * HOUR, (at + hours * hole) * HOUR + 400
        )
        for i, (source, at, hours, hole) in enumerate(spans)
    ]
    chosen, _ = resolved(given_, DEFAULT)
    overlapping = [s for s in chosen if not any(s is g for g in given_)]
    owners = [slot for s in overlapping for slot in slots(s)]
    assert len(owners) == len(set(owners))
    times = np.concatenate([s.beats.times_ns for s in chosen])
    covered = set((times // SLOT_NS).tolist())
    for one in given_:
        good = np.isfinite(one.beats.intervals_ms)
        counts = np.unique(one.beats.times_ns[good] // SLOT_NS, return_counts=True)
        assert {int(s) for s, n in zip(*counts, strict=True) if n > 3} <= covered
    for one in chosen:
        step = np.diff(one.beats.times_ns) / 1e6
        inside = np.isfinite(one.beats.intervals_ms[1:])
        np.testing.assert_allclose(one.beats.intervals_ms[1:][inside], step[inside], rtol=1e-9)


def test_the_same_file_twice_counts_once_and_is_told() -> None:
    one = Recording("a", provenance=Provenance((InputFile("x.txt", "ab", 3),)))
    other = Recording("b", provenance=Provenance((InputFile("y.txt", "cd", 3),)))
    kept, notices = same_files_once([("a", one), ("b", other), ("a-2", one)])
    assert list(kept) == ["a", "b"]
    assert [n.code for n in notices] == ["SAME_FILE_TWICE"] and "a-2" in notices[0].message


def test_a_run_tells_of_a_file_that_lies_there_twice(hand_made: Path, tmp_path: Path) -> None:
    raw = hand_made / "raw"
    (raw / "A1_copy.txt").write_bytes((raw / "A1_rest.txt").read_bytes())
    result = read_participant(Study(hand_made).run(tmp_path / "out", jobs=1).layout.store("A1"))
    assert len(result.recordings) == 1 and "SAME_FILE_TWICE" in {n.code for n in result.notices}


def test_a_run_uses_cuff_readings_and_laboratory_values_of_exports(hand_made: Path, tmp_path: Path) -> None:
    (hand_made / "labs.tsv").unlink()
    (hand_made / "study.toml").write_text('[study]\ntimezone = "Europe/Vienna"\n')
    folder = hand_made / "raw" / "A1"
    folder.mkdir()
    worn = simulate_worn(simulate_participant("A1", 2), datetime(2026, 3, 3, 6, 0), 0.1, "Europe/Vienna")  # noqa: DTZ001
    for name in ("omron", "hl7"):
        EXPORTS[name](worn, folder)
    layout = Study(hand_made).run(tmp_path / "out", jobs=1).layout
    rows = {r.biomarker: r.value for r in read_participant(layout.store("A1")).biomarkers.rows}
    readings = [float(r.value) for r in worn.blood_pressure()]
    assert rows["sbp"] == pytest.approx(np.mean(readings[2::2]))
    assert {"hs_crp", "cortisol_slope"} <= rows.keys()
