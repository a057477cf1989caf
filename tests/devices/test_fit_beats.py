"""Beats in FIT files, trap by trap."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from allostat.recording import BeatFlag
from allostat.simulate.exports.fit_file import FitField
from allostat.simulate.exports.garmin import packed_12
from allostat_devices.fit import ADAPTER
from tests.devices.fit_builder import STAMP, START, START_NS, Session, codes, read

FAST = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def finite(values: np.ndarray) -> list[float]:
    return values[np.isfinite(values)].tolist()


# message 78: RR behind the record they belong to


def test_rr_follow_the_records_and_not_their_own_sum(tmp_path: Path) -> None:
    # RR that add up to less than the time that passed: beats are lost every minute
    session = Session()
    for minute in range(10):
        for second in range(60):
            session.record(60 * minute + second)
            if second < 50:
                session.hrv(1000)
    beats = read(tmp_path, session.finished()).beats["rr"]
    assert np.isfinite(beats.intervals_ms).sum() == 500
    last_s = (beats.times_ns[-1] - START_NS) / 1e9
    assert 588 <= last_s <= 590
    assert len(beats.gaps) == 9


def test_rr_between_rare_records_add_up_from_the_record_before(tmp_path: Path) -> None:
    session = Session()
    for second in range(0, 90, 9):
        session.record(second)
        session.hrv(*[900] * 10)
    beats = read(tmp_path, session.finished()).beats["rr"]
    assert len(beats.gaps) == 0 and finite(beats.intervals_ms) == [900.0] * 100
    seconds = (beats.times_ns - START_NS) / 1e9
    np.testing.assert_allclose(np.diff(seconds), 0.9, atol=1e-6)
    # the first interval ended at any time within its length
    assert 0 <= seconds[1] <= 0.9


def test_beats_of_rare_records_that_are_lost_leave_a_gap(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    session, lost = Session(), 0
    ends = np.cumsum(rng.integers(880, 920, 700))
    for second in range(0, 600, 5):
        session.record(second)
        inside = np.flatnonzero(ends // 1000 // 5 == second // 5)
        if second == 300:
            lost, inside = 2, inside[:-2]
        session.hrv(*np.diff(ends, prepend=0)[inside].tolist())
    beats = read(tmp_path, session.finished()).beats["rr"]
    (gap,) = beats.gaps
    assert lost == 2 and abs((gap.start_ns - START_NS) / 1e9 - 303) < 30
    at = (beats.times_ns - START_NS) / 1e9
    assert abs(at[-1] - ends[ends < 600_000][-1] / 1000) < 0.3


def test_rr_out_of_range_become_a_gap_and_are_counted(tmp_path: Path) -> None:
    session = Session()
    rr = {10: 62_914, 20: 261, 30: 5000, 31: 5000}
    for second in range(40):
        session.record(second)
        session.hrv(rr.get(second, 1000))
    recording = read(tmp_path, session.finished())
    beats = recording.beats["rr"]
    (notice,) = [n for n in recording.notices if n.code == "out_of_range"]
    assert (notice.count, notice.first_line) == (3, 11)
    assert sorted(set(finite(beats.intervals_ms))) == [261.0, 1000.0]
    assert np.isfinite(beats.intervals_ms).sum() == 37
    assert len(beats.gaps) == 2
    assert (beats.times_ns[-1] - beats.times_ns[0]) / 1e9 < 45


def test_a_pause_of_the_timer_is_not_bridged(tmp_path: Path) -> None:
    session = Session()
    for second in range(30):
        if second == 15:
            session.timer(15, 4)
            session.timer(15, 0)
        session.record(second)
        session.hrv(1000)
    recording = read(tmp_path, session.finished())
    assert len(recording.beats["rr"].gaps) == 1
    assert np.isfinite(recording.beats["rr"].intervals_ms).sum() == 30
    assert [m.label for m in recording.markers] == ["timer stop", "timer start"]


def test_rr_without_any_record_have_no_date(tmp_path: Path) -> None:
    session = Session()
    session.file_id()
    session.hrv(800, 810, 820)
    recording = read(tmp_path, session.finished())
    assert recording.epoch == "relative"
    np.testing.assert_allclose(recording.beats["rr"].intervals_ms, [np.nan, 800, 810, 820])


def test_records_that_run_backwards_do_not_turn_beats_around(tmp_path: Path) -> None:
    session = Session()
    for second in [*range(20), *range(5, 25), *range(100, 110), *range(20)]:
        session.record(second)
        session.hrv(1000)
    beats = read(tmp_path, session.finished()).beats["rr"]
    assert (np.diff(beats.times_ns) > 0).all()
    assert np.isfinite(beats.intervals_ms).sum() == 70


# message 132: event times of a strap


def strap(session: Session, ticks: list[int], *, second: int = 0, fraction: int = 0) -> None:
    """Event times as a strap writes them: one whole, the rest in 12 bits."""
    session.message(
        132, (STAMP, FitField(0, "uint16"), FitField(9, "uint32")), {253: START + second, 0: fraction, 9: ticks[0]}
    )
    session.define(1, 132, (FitField(10, "byte", 12),))
    for first in range(1, len(ticks), 8):
        eight = ticks[first : first + 8]
        session.write(1, {10: packed_12(eight + [eight[-1]] * (8 - len(eight)))})


def test_two_numbers_of_twelve_bits_lie_in_three_bytes_little_end_first() -> None:
    assert packed_12([0xABC, 0xDEF]) == [0xBC, 0xFA, 0xDE]


@FAST
@given(
    st.lists(st.integers(205, 3071), min_size=1, max_size=60), st.integers(0, 2**32 - 200_000), st.integers(0, 32767)
)
def test_event_times_come_back_to_the_tick(tmp_path: Path, steps: list[int], first: int, fraction: int) -> None:
    ticks = np.cumsum([first, *steps]).tolist()
    session = Session()
    strap(session, ticks, fraction=fraction)
    beats = read(tmp_path, session.finished()).beats["strap"]
    expected = fraction / 32768 * 1e9 + (np.array(ticks) - first) * (1e9 / 1024)
    assert len(beats) == len(ticks)
    np.testing.assert_allclose(beats.times_ns - START_NS, expected, atol=3)
    np.testing.assert_allclose(beats.intervals_ms[1:], np.array(steps) / 1.024, atol=1e-5)


def test_beats_before_and_after_the_activity_are_clipped_and_counted(tmp_path: Path) -> None:
    session = Session()
    session.record(100)
    session.record(200)
    strap(session, list(range(0, 1024 * 297, 1024)))
    recording = read(tmp_path, session.finished())
    beats = recording.beats["strap"]
    assert (beats.times_ns[0], beats.times_ns[-1]) == (START_NS + 100 * 10**9, START_NS + 200 * 10**9)
    (notice,) = [n for n in recording.notices if n.code == "clipped"]
    assert notice.count == 297 - 101


def test_the_first_beats_of_a_strap_are_flagged(tmp_path: Path) -> None:
    session = Session()
    ticks = [1024 * i for i in range(40)] + [1024 * 3 * i for i in range(20, 21)]
    strap(session, ticks)
    strap(session, [1024 * (600 + i) for i in range(33)], second=600)
    beats = read(tmp_path, session.finished()).beats["strap"]
    unusable = beats.flags == BeatFlag.UNUSABLE
    seconds = (beats.times_ns - START_NS) // 10**9
    assert unusable[:20].all() and not unusable[20:40].any()
    assert unusable[seconds >= 600][:20].all() and not unusable[seconds >= 620].any()


def test_repeated_times_are_left_out_and_not_bridged(tmp_path: Path) -> None:
    session = Session()
    ticks = np.cumsum([0] + [1000] * 40).tolist()
    strap(session, [*ticks[:30], ticks[29], ticks[29], *ticks[30:39]])
    recording = read(tmp_path, session.finished())
    beats = recording.beats["strap"]
    assert len(beats) == 39
    assert [n.count for n in recording.notices if n.code == "duplicate"] == [2]
    assert np.isnan(beats.intervals_ms[30]) and len(beats.gaps) == 1
    assert beats.flags[29] == BeatFlag.UNUSABLE


def test_a_strap_goes_on_over_a_pause_of_the_timer_without_a_difference(tmp_path: Path) -> None:
    session = Session()
    for second, action in ((0, 0), (50, 4), (55, 0), (100, 4)):
        session.timer(second, action)
    strap(session, [1024 * i + 512 for i in range(100)], fraction=16384)
    beats = read(tmp_path, session.finished()).beats["strap"]
    seconds = (beats.times_ns - START_NS) / 1e9
    np.testing.assert_array_equal(seconds[np.isnan(beats.intervals_ms)], [0.5, 50.5, 55.5])


def test_the_memory_in_chained_files_belongs_to_the_activity_before(tmp_path: Path) -> None:
    activity, first, second = Session(), Session(), Session()
    activity.record(0)
    activity.record(100)
    strap(first, list(range(0, 1024 * 49, 1024)))
    strap(second, list(range(1024 * 49, 1024 * 98, 1024)), second=49)
    recording = read(tmp_path, activity.finished() + first.finished() + second.finished())
    assert len(recording.beats["strap"]) == 98 and len(recording.beats["strap"].gaps) == 0


# messages 290 and 372: stamped intervals


def bbi(words: list[list[int]], stamps_ms: list[int], number: int = 372) -> bytes:
    session = Session()
    rows = [{253: START + ms // 1000, 0: ms % 1000, 1: some} for some, ms in zip(words, stamps_ms, strict=True)]
    session.message(number, (STAMP, FitField(0, "uint16"), FitField(1, "uint16", 15)), *rows)
    return session.finished()


RR = np.rint(900 + 80 * np.sin(np.arange(60) / 2.1)).astype(int)


@pytest.mark.parametrize("number", [290, 372])
@pytest.mark.parametrize(("reading", "told"), [(0, "last beat"), (1, "beginning of the first"), (2, "first beat")])
def test_the_beat_of_a_stamp_is_found_by_continuity(tmp_path: Path, number: int, reading: int, told: str) -> None:
    ends = np.cumsum(RR)
    chunks = [slice(i, i + 12) for i in range(0, 60, 12)]
    begin, first, last = (ends - RR)[::12], ends[::12], ends[11::12]
    stamps = (last, begin, first)[reading]
    words = [[int(x) | (0x4000 if number == 372 else 0) for x in RR[c]] for c in chunks]
    recording = read(tmp_path, bbi(words, stamps.tolist(), number))
    beats = next(iter(recording.beats.values()))
    assert any(told in n.message for n in recording.notices)
    np.testing.assert_array_equal(beats.times_ns[1:], START_NS + ends * 10**6)
    np.testing.assert_array_equal(beats.intervals_ms[1:], RR)
    assert beats.uncertainty_ms is None
    assert not recording.provenance.verified and "unverified" in codes(recording)


def test_a_stamp_that_cannot_be_decided_is_told_and_the_instants_are_uncertain(tmp_path: Path) -> None:
    recording = read(tmp_path, bbi([[0x4000 | 900] * 10], [20_000]))
    beats = recording.beats["raw_bbi"]
    assert "stamp_undecided" in codes(recording)
    assert beats.uncertainty_ms is not None and (beats.uncertainty_ms >= 900).all()
    assert finite(beats.intervals_ms) == [900.0] * 10


def test_bits_of_quality_and_gap(tmp_path: Path) -> None:
    words = [0x4000 | 900, 900, 0x4000 | 900, 0x8000 | 4000, 0x4000 | 800, 0x4000 | 810]
    beats = read(tmp_path, bbi([words], [60_000])).beats["raw_bbi"]
    np.testing.assert_array_equal(beats.intervals_ms, [np.nan, 900, 900, 900, np.nan, 800, 810])
    assert beats.flags.tolist() == [0, 0, BeatFlag.UNUSABLE, 0, 0, 0, 0]
    (gap,) = beats.gaps
    assert gap.end_ns - gap.start_ns == 4000 * 10**6


def test_messages_that_do_not_go_on_are_a_gap(tmp_path: Path) -> None:
    ends = np.cumsum(RR)
    words = [[0x4000 | int(x) for x in RR[i : i + 12]] for i in range(0, 60, 12)]
    stamps = ends[11::12] + np.array([0, 0, 0, 60_000, 60_000])
    beats = read(tmp_path, bbi(words, stamps.tolist())).beats["raw_bbi"]
    (gap,) = beats.gaps
    assert gap.end_ns - gap.start_ns == 60 * 10**9


def test_messages_out_of_order_are_put_in_order(tmp_path: Path) -> None:
    ends = np.cumsum(RR)
    words = [[0x4000 | int(x) for x in RR[i : i + 12]] for i in range(0, 60, 12)]
    order = [1, 0, 2, 4, 3]
    beats = read(tmp_path, bbi([words[i] for i in order], [int(ends[11::12][i]) for i in order])).beats["raw_bbi"]
    np.testing.assert_array_equal(beats.intervals_ms[1:], RR)


# real recordings


@pytest.mark.parametrize(
    ("name", "stream", "intervals", "left_out"),
    [
        ("fit_garmin_sdk/fitparse_rs/hrv-activity.fit", "rr", 2705, {}),
        ("fit_garmin_sdk/garmin_py/tests/fits/HrmPluginTestActivity.fit", "rr", 106, {"out_of_range": 45}),
        ("fit_fitparse/garmin-edge-820-bike.fit", "rr", 126, {}),
        ("fit_fitparse/garmin-fenix-5-run.fit", "rr", 113, {}),
        ("fit_fitparse/garmin-fenix-5-walk.fit", "rr", 62, {}),
    ],
)
def test_rr_of_real_activities(
    recordings: Callable[[str], Path], name: str, stream: str, intervals: int, left_out: dict[str, int]
) -> None:
    from allostat.adapter import ReadOptions
    from allostat.source import Source

    (recording,) = ADAPTER.read(Source(recordings(name)), ReadOptions())
    beats = recording.beats[stream]
    assert np.isfinite(beats.intervals_ms).sum() == intervals
    assert {n.code: n.count for n in recording.notices if n.code == "out_of_range"} == left_out
    assert recording.provenance.verified


@pytest.mark.parametrize(
    ("name", "beats_in_file", "clipped", "span_s"),
    [
        ("fit_garmin_sdk/garmin_py/tests/fits/HrmPluginTestActivity.fit", 891, 517, 309),
        ("fit_garmin_sdk/muktihari/from_official_sdk/activity_poolswim_with_hr.fit", 7579, 1950, 3489),
        ("fit_fitparse/event_timestamp.fit", 11_292, 1103, 4443),
        ("fit_fitparse/sample_mulitple_header.fit", 9267, 1395, 9491),
    ],
)
def test_memories_of_real_straps(
    recordings: Callable[[str], Path], name: str, beats_in_file: int, clipped: int, span_s: int
) -> None:
    from allostat.adapter import ReadOptions
    from allostat.source import Source

    (recording,) = ADAPTER.read(Source(recordings(name)), ReadOptions())
    counts = {n.code: n.count for n in recording.notices}
    beats = recording.beats["strap"]
    assert counts["clipped"] == clipped
    assert len(beats) + clipped + counts.get("duplicate", 0) == beats_in_file
    assert (beats.times_ns[-1] - beats.times_ns[0]) / 1e9 <= span_s
