"""The picture of a session: what it holds, that it stays bounded, and what a slow reader loses."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from allostat.live.faces.board import INTERVALS, LOG_LINES, TRACE_CHUNKS, Board
from allostat.live.faces.braille import braille_strip, tachogram_strip
from allostat.live.faces.frames import Cursor, Frames
from allostat.live.faces.ring import Ring
from allostat.live.faces.wording import COLUMNS, at_rest, cell, fitting, heading, missing, printable
from allostat.live.updates import (
    BeatsFound,
    GapDeclared,
    HrvWindow,
    MarkerSet,
    PlacedIntervals,
    PlacedSamples,
    QualityWindow,
    SessionState,
    StrapState,
)
from allostat.sampling import NS_PER_S, ClockBlock
from tests.live.updates_of import START_NS, ns, updates_of


def board_of(straps: int = 3, seconds: float = 70.0, until: float = math.inf) -> Board:
    board = Board()
    for second, update in updates_of(straps, seconds):
        if second < until:
            board.offer(update)
    return board


def one_strap() -> Board:
    board = Board()
    board.offer(SessionState("s", START_NS, ns(0), 0, 0))
    board.offer(StrapState(0, "a", "a", "streaming"))
    board.log.items.clear()
    return board


def samples(raw: list[int], *, rate: float = 130.0, first: int = 0, stream: str = "ecg") -> PlacedSamples:
    return PlacedSamples(
        0,
        stream,
        stream[:3],
        (stream,),
        "uV",
        1.0,
        0,
        first,
        np.array(raw, np.int32)[:, None],
        ClockBlock(0, START_NS, rate),  # type: ignore[arg-type]
    )


def test_a_ring_tells_what_a_reader_missed() -> None:
    ring: Ring[int] = Ring(3)
    for item in range(5):
        ring.add(item)
    assert ring.since(0) == ([2, 3, 4], 2)
    assert ring.since(4) == ([4], 0)
    assert ring.since(5) == ([], 0)


def test_every_strap_shows_rate_hrv_contact_battery_and_what_is_missing() -> None:
    board = board_of(until=68)
    assert [p.label for p in board.ordered()] == ["sub-001", "sub-002", "sub-003"]
    for picture in board.ordered():
        assert picture.state is not None and picture.state.phase == "streaming"
        assert math.isfinite(picture.measure("rmssd", 60.0)) and math.isnan(picture.measure("rmssd", 120.0))
        assert picture.state.contact is True and picture.state.battery_percent is not None
    assert board.straps[1].missing_percent > 1 > board.straps[0].missing_percent > 0
    assert board.straps[1].gaps == 1
    kinds = {line.kind for line in board.log.items}
    assert {"phase", "gap", "segment", "marker", "malformed"} <= kinds


def test_memory_is_bounded_however_long_the_session() -> None:
    board = board_of(2, 600.0)
    for picture in board.ordered():
        assert len(picture.trace) == TRACE_CHUNKS and len(picture.intervals) == INTERVALS
        assert picture.trace.total > 900
    for number in range(LOG_LINES + 10):
        board.offer(MarkerSet(ns(number), "m", "key"))
    assert len(board.log) == LOG_LINES


def test_intervals_of_the_strap_itself_come_before_those_found_in_its_signal() -> None:
    board = Board()
    times, intervals = np.array([ns(1), ns(2)]), np.array([np.nan, 1000.0])
    board.offer(BeatsFound(0, "ecg", times, intervals, np.zeros(2, np.float32)))
    assert board.straps[0].interval_source == "ecg"
    board.offer(PlacedIntervals(0, "rr", 0, times, intervals, 60.0, True))
    board.offer(BeatsFound(0, "ecg", times, intervals + 1, np.zeros(2, np.float32)))
    assert board.straps[0].interval_source == "rr"
    assert list(board.straps[0].intervals.items) == [(ns(2), 1000.0)]


def test_a_missing_interval_is_not_drawn_as_a_number() -> None:
    board = Board()
    board.offer(PlacedIntervals(0, "rr", 0, np.array([ns(1)]), np.array([np.nan]), math.nan, None))
    assert len(board.straps[0].intervals) == 0


def test_a_signal_faster_than_can_be_drawn_keeps_its_peaks() -> None:
    board = Board()
    raw = [0] * 512
    raw[301] = 900
    board.offer(samples(raw, rate=512.0))
    (piece,) = board.straps[0].trace.items
    assert piece.rate_hz == pytest.approx(512 / 3) and piece.raw.max() == 900
    assert piece.t0_ns == START_NS


def test_acceleration_is_not_drawn_and_ecg_comes_before_ppg() -> None:
    board = Board()
    board.offer(samples([1, 2], stream="acc"))
    assert not board.straps
    board.offer(samples([1, 2], stream="ppg"))
    board.offer(samples([1, 2], stream="ecg"))
    board.offer(samples([1, 2], stream="ppg", first=2))
    assert board.straps[0].trace_stream == "ecg"


def test_hrv_of_the_first_stream_in_order_is_shown() -> None:
    board = Board()
    for stream, rmssd in (("ppi", 1.0), ("ecg", 2.0), ("rr", 3.0)):
        board.offer(HrvWindow(0, stream, ns(0), ns(60), 60.0, {"rmssd": rmssd}, 0.0))
    assert board.straps[0].measure("rmssd", 60.0) == 2.0


def test_a_final_window_of_minutes_ago_does_not_take_the_place_of_a_fresh_provisional_one() -> None:
    board = Board()
    for end, rmssd, provisional in ((60, 1.0, True), (65, 2.0, True), (60, 1.5, False), (65, 2.5, False)):
        board.offer(HrvWindow(0, "ecg", ns(end - 60), ns(end), 60.0, {"rmssd": rmssd}, 0.0, (), provisional))
        if end == 60 and not provisional:
            assert board.straps[0].measure("rmssd", 60.0) == 2.0
    assert board.straps[0].measure("rmssd", 60.0) == 2.5


def test_events_before_the_first_state_get_the_time_and_the_name_that_follow() -> None:
    board = Board()
    board.note("hello")
    board.offer(GapDeclared(0, "ecg", ns(0), ns(1), 3, "lost"))
    assert not len(board.log)
    board.offer(StrapState(0, "Polar H10", "sub-007", "streaming"))
    board.offer(SessionState("s", START_NS, ns(5), 0, 0))
    assert [(line.label, line.time_ns) for line in board.log.items][:2] == [("", ns(5)), ("sub-007", ns(1))]


def test_straps_are_named_by_wearer_and_told_apart_where_somebody_wears_two() -> None:
    board = Board()
    for strap, (label, who) in enumerate([("Polar H10", "a"), ("Polar H10", "b"), ("Verity", "b"), ("Strap", "")]):
        board.offer(StrapState(strap, label, who, "streaming"))
    assert [p.label for p in board.ordered()] == ["a", "b Polar H10", "b Verity", "Strap"]


def test_quality_is_told_when_it_changes_and_not_every_window() -> None:
    board = one_strap()
    for second, accepted in enumerate((True, True, False, False, True)):
        board.offer(QualityWindow(0, "ecg", ns(second), ns(second + 1), accepted, () if accepted else ("flat",)))
    assert [line.text for line in board.log.items] == ["ecg rejected: flat", "ecg accepted again"]


def test_what_is_at_risk_is_told_and_a_disk_that_refuses_is_loud() -> None:
    board = Board()
    board.offer(SessionState("s", START_NS, ns(0), 1000, 1000))
    assert board.unsynced_bytes == 0 and at_rest(board)[1] is False
    board.offer(SessionState("s", START_NS, ns(1), 3000, 1000))
    assert board.unsynced_bytes == 2000 and board.unsynced_s == 1.0
    board.offer(SessionState("s", START_NS, ns(9), 9000, 1000))
    assert at_rest(board)[1] is True
    board.offer(SessionState("s", START_NS, ns(10), 9000, 9000, journal_lost=3, message="disk full"))
    words, attention = at_rest(board)
    assert attention and "3 records" in words
    assert [line.text for line in board.log.items] == ["disk full", "the disk refused 3 records so far"]


def test_the_gap_of_a_stream_of_beats_counts_beats() -> None:
    board = one_strap()
    board.offer(GapDeclared(0, "rr", ns(0), ns(3), 3, "link lost"))
    assert board.log.items[0].text == "rr: 3 beats missing over 3.00 s, link lost"


@pytest.mark.parametrize("width", [20, 40, 78, 100, 158, 300])
def test_the_table_fits_every_width_and_every_cell_its_column(width: int) -> None:
    picture = board_of(1, 65.0, until=64).straps[0]
    columns = fitting(width)
    line = " ".join(cell(c, picture) for c in columns)
    assert len(line) == len(" ".join(heading(c) for c in columns)) <= max(width, 12)
    if width >= 78:
        titles = [c.title for c in columns]
        assert titles[:3] == ["strap", "phase", "HR"] and "miss%" in titles and "RMSSD60" in titles
    assert len(fitting(300)) == len(COLUMNS)


def test_a_loss_too_small_for_the_column_is_not_shown_as_none() -> None:
    board = Board()
    board.offer(StrapState(0, "a", "a", "streaming", received={"ecg": 1_000_000}, declared_missing={"ecg": 1}))
    assert missing(board.straps[0]) == "<0.01"


def test_control_characters_of_a_name_do_not_reach_the_terminal() -> None:
    assert printable("a\x1b[31mb\n") == "a?[31mb?"


def test_the_strip_joins_samples_and_leaves_a_gap_empty() -> None:
    board = Board()
    board.offer(samples([0, 100] * 65))
    board.offer(samples([0, 100] * 65, first=260))
    pieces = list(board.straps[0].trace.items)
    strip = braille_strip(pieces, START_NS, START_NS + 3 * NS_PER_S, 30, 4)
    assert len(strip.lines) == 4 and all(len(line) == 30 for line in strip.lines)
    assert (strip.low, strip.high) == (0.0, 100.0)
    for line in strip.lines:
        assert line[:10].strip() and not line[11:20].strip() and line[20:].strip()


def test_a_strip_of_nothing_is_blank_and_one_of_a_constant_is_a_line() -> None:
    assert braille_strip([], 0, NS_PER_S, 5, 2).lines == (" " * 5,) * 2
    board = Board()
    board.offer(samples([7] * 130))
    strip = braille_strip(list(board.straps[0].trace.items), START_NS, START_NS + NS_PER_S, 10, 2)
    assert strip.lines[0].strip() == "" and strip.lines[1].strip()


def test_the_tachogram_leaves_a_gap_between_beats_empty() -> None:
    intervals = [(ns(1), 800.0), (ns(1.8), 800.0), (ns(8), 1000.0)]
    strip = tachogram_strip(intervals, ns(0), ns(10), 20, 3)
    assert (strip.low, strip.high, strip.unit) == (800.0, 1000.0, "ms")
    columns = ["".join(column).strip() for column in zip(*strip.lines, strict=True)]
    assert columns[1] and columns[3] and not any(columns[4:13]) and columns[15]


def test_a_tachogram_of_nothing_is_blank() -> None:
    assert tachogram_strip([], 0, NS_PER_S, 5, 2).lines == (" " * 5,) * 2


def test_frames_hold_the_changes_and_nothing_twice() -> None:
    board, frames = Board(), None
    updates = list(updates_of(3, 70.0))
    frames = Frames(board, ("rest",))
    for second, update in updates:
        if second < 30:
            board.offer(update)
    first, cursor = frames.first()
    whole = json.loads(first)
    assert whole["full"] and whole["labels"] == ["rest"] and set(whole["straps"]) == {"0", "1", "2"}
    seen = {key: len(strap["trace"]) for key, strap in whole["straps"].items()}
    total = {key: len(strap["intervals"]) for key, strap in whole["straps"].items()}
    for tick, (second, update) in enumerate(updates):
        if second >= 30:
            board.offer(update)
            data, cursor, lost = frames.next(cursor, tick)
            assert lost == 0
            for key, strap in json.loads(data).get("straps", {}).items():
                seen[key] += len(strap.get("trace", ()))
                total[key] += len(strap.get("intervals", ()))
    for key, picture in ((str(p.strap), p) for p in board.ordered()):
        assert total[key] == picture.intervals.total
        assert 0 < seen[key] <= picture.trace.total
    data, after, _ = frames.next(cursor, 10**6)
    assert set(json.loads(data)) == {"now"} and after == cursor


def test_a_reader_that_comes_late_gets_what_is_left_and_the_number_of_what_is_not() -> None:
    board = board_of(2, 300.0)
    data, _, lost = Frames(board).next(Cursor(), 1)
    expected = sum(p.trace.total - len(p.trace) + p.intervals.total - len(p.intervals) for p in board.ordered())
    assert lost == expected == json.loads(data)["lost"] > 0


def test_readers_that_keep_pace_get_the_same_bytes() -> None:
    board = board_of(2, 30.0)
    frames = Frames(board)
    _, cursor = frames.first()
    board.offer(MarkerSet(ns(31), "m", "key"))
    a, b = frames.next(cursor, 5), frames.next(cursor, 5)
    assert a[0] is b[0]
