"""The page of a live session: every promise of a page, and every gap, segment, marker and count of the session."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from allostat.biomarkers import Person
from allostat.recording import (
    NS_PER_S,
    Beats,
    Clock,
    Device,
    InputFile,
    Marker,
    Notice,
    Provenance,
    Recording,
    Signal,
    TimeZone,
    ValueSeries,
)
from allostat.report.session import session_markers, session_page
from allostat.report.session_facts import session_span, strap_facts
from allostat.sampling import ClockBlock
from allostat.store.result import ParticipantResult
from tests.report.test_pages import HOSTILE, outline

START = 1_760_000_000 * NS_PER_S
REASONS = ["lost", "disconnected", "other"]


def at(second: float) -> int:
    return START + round(second * NS_PER_S)


def series_of_gaps(stream: str, rows: list[tuple[float, float, int, int]]) -> ValueSeries:
    starts, ends, missing, reasons = zip(*rows, strict=True)
    return ValueSeries(
        f"{stream}_gaps",
        "other",
        np.array([at(s) for s in starts], np.int64),
        np.array(missing, np.float64),
        "1",
        ends_ns=np.array([at(e) for e in ends], np.int64),
        extras={"reason": np.array(reasons, np.int8)},
    )


def recording_of(participant: str, seconds: float = 900.0, *, hole: tuple[float, float] = (300.0, 360.0)) -> Recording:
    """A strap with ECG at 130 Hz and RR, a link loss in ``hole``, and one notification lost at 100 s."""
    rng = np.random.default_rng(len(participant))
    pieces = [(0.0, 100.0), (100.56, hole[0]), (hole[1], seconds)]
    blocks, count = [], 0
    for begin, end in pieces:
        blocks.append(ClockBlock(count, at(begin), 130.0, 130.0))
        count += round((end - begin) * 130.0)
    ecg = rng.normal(0, 20, count).astype(np.int32)
    times = np.cumsum(
        0.85 + 0.05 * np.sin(np.arange(int(seconds / 0.85)) / 5) + rng.normal(0, 0.01, int(seconds / 0.85))
    )
    intervals = np.diff(times, prepend=np.nan) * 1000
    times, intervals = times[times < seconds - 1], intervals[times < seconds - 1]
    kept = (times < hole[0]) | (times > hole[1])
    intervals[np.flatnonzero(times > hole[1])[0]] = np.nan
    rr = Beats(
        np.array([at(t) for t in times[kept]], np.int64),
        intervals[kept],
        np.zeros(int(kept.sum()), np.int8),
        "device",
        "utc",
        "RR intervals of the strap",
    )
    segments = ValueSeries(
        "clock_segments",
        "other",
        np.array([at(0), at(hole[1])], np.int64),
        np.array([0.0, 1.0]),
        "1",
        extras={
            "reason": np.array([2, 1], np.int8),
            "drift_ppm": np.array([12.5, np.nan]),
            "spread_ms": np.array([0.31, np.nan]),
        },
    )
    lost = round((hole[1] - hole[0]) * 130)
    return Recording(
        id="polar_h10",
        signals={"ecg": Signal("ecg", "ecg", ecg, Clock(tuple(blocks), count), "uV")},
        beats={"rr": rr},
        participant=participant,
        timezone=TimeZone("Europe/Vienna", "user"),
        device=Device("Polar", "H10", "3.1.1", "chest strap"),
        provenance=Provenance((), "live:ble", "1", False, {"session": "pilot", "streams": "('ecg',)"}),
        notices=(Notice("live_too_short", "notifications that could not be used", count=2),),
        markers=(Marker(at(120), "baseline"), Marker(at(480), "stress <b>")),
        series={
            "ecg_gaps": series_of_gaps("ecg", [(100.0, 100.56, 73, 0), (*hole, lost, 1)]),
            "rr_gaps": series_of_gaps("rr", [(*hole, 70, 1)]),
            "clock_segments": segments,
            "rr_alignment": ValueSeries(
                "rr_alignment",
                "other",
                np.array([at(0.0)]),
                np.array([-412.5]),
                "ms",
                ends_ns=np.array([at(hole[0])]),
                extras={"spread_ms": np.array([3.75]), "matched": np.array([321.0])},
            ),
        },
        extras={
            "label": f"strap of {participant}",
            "gap_reasons": REASONS,
            "received": {"ecg": count, "rr": int(kept.sum())},
            "declared_missing": {"ecg": 73 + lost, "rr": 70},
            "malformed": {"too_short": 2},
            "connections": 2,
            "battery_percent": {"first": 90, "last": 88},
            "stream_settings": {"ecg": {"rate_hz": 130, "resolution": 14}},
        },
    )


def result_of(participant: str, **options: float) -> ParticipantResult:
    provenance = {
        "session": "pilot",
        "version": "allostat 9.9",
        "inputs": [{"name": "pilot.1.journal", "sha256": "c3" * 32, "bytes": 12345}],
    }
    recordings = {"polar_h10": recording_of(participant, **options)}  # type: ignore[arg-type]
    return ParticipantResult(participant, Person(participant), recordings, provenance=provenance)


@pytest.fixture(scope="module")
def page() -> str:
    return session_page([result_of("sub-001"), result_of("sub-0002", seconds=200.0, hole=(150.0, 160.0))])


def test_it_is_a_page_of_the_house(page: str) -> None:
    parsed = outline(page)
    assert not parsed.faults and not parsed.open
    ids = [a["id"] for _, a in parsed.tags if "id" in a]
    assert len(ids) == len(set(ids))
    assert "<script" not in page and "http-equiv" in page and "default-src 'none'" in page
    assert "Not a diagnosis" in page and len(page.encode()) < 500_000
    for figure in re.findall(r"<figure.*?</figure>", page, re.DOTALL):
        assert 'role="img"' in figure and "<figcaption>" in figure and "<table>" in figure
    assert not re.search(r"\bnan\b", page, re.IGNORECASE)
    for svg in re.findall(r"<svg.*?</svg>", page, re.DOTALL):
        assert not re.findall(r"#[0-9a-f]{6}\b", svg)


@pytest.mark.parametrize(
    "section",
    ["Coverage", "Straps", "Beats and heart rate variability", "Markers", "Gaps", "Clock segments", "Settings",
     "Journal", "Warnings and notices"],
)  # fmt: skip
def test_every_section_is_there_with_and_without_data(page: str, section: str) -> None:
    for found in (page, session_page([])):
        assert re.search(rf"<h2[^>]*>{section}</h2>", found)


def test_it_says_who_when_with_what_and_from_which_bytes(page: str) -> None:
    for text in ("sub-001, sub-0002", "2025-10-09 10:53:20", "local time, Europe/Vienna", "Polar H10 (firmware 3.1.1)",
                 "allostat 9.9", "pilot.1.journal", "c3" * 32, "rate_hz 130, resolution 14"):  # fmt: skip
        assert text in page, text


def test_every_missing_sample_is_on_the_page_with_its_reason(page: str) -> None:
    facts = strap_facts(recording_of("sub-001"))
    ecg, rr = facts.streams
    assert (ecg.missing, rr.missing) == (73 + 7800, 70)
    assert sum(g.missing for g in ecg.gaps) == ecg.missing
    assert [g.reason for g in ecg.gaps] == ["lost", "disconnected"]
    for text in ("7\u202f873", "disconnected", "too_short", "begun because", "12.5", "90 → 88", "−412", "3.75", "321"):
        assert text in page, text
    total = sum(s.missing for p in ("sub-001",) for s in strap_facts(recording_of(p)).streams)
    assert total == 7943


def test_the_coverage_has_a_span_for_every_stretch_and_bridges_none() -> None:
    facts = strap_facts(recording_of("sub-001"))
    spans = [(round((a - START) / 1e9, 2), round((b - START) / 1e9, 2)) for a, b in facts.streams[0].spans]
    assert spans == [(0.0, 100.0), (100.56, 300.0), (360.0, 900.0)]
    assert len(facts.streams[1].spans) == 2
    assert session_span([facts]) == (START, at(900.0))


def test_blocks_that_join_are_one_stretch() -> None:
    recording = recording_of("sub-001")
    signal = recording.signals["ecg"]
    blocks = tuple(ClockBlock(i * 1300, at(i * 10) + i * 1000, 130.0) for i in range(5))
    joined = replace(
        recording, signals={"ecg": replace(signal, samples=signal.samples[:6500], clock=Clock(blocks, 6500))}
    )
    assert len(strap_facts(joined).streams[0].spans) == 1


def test_markers_of_a_session_stand_once_though_every_file_holds_them(page: str) -> None:
    recordings = [recording_of("sub-001"), recording_of("sub-002")]
    assert [m.label for m in session_markers(recordings)] == ["baseline", "stress <b>"]
    assert "stress &lt;b&gt;" in page and "stress <b>" not in page
    assert str(at(480)) in page and "480.000" in page


def test_short_session_says_that_it_has_no_five_minute_trend(page: str) -> None:
    assert "Shorter than 5 minutes" in page and "sub-0002" in page


def test_a_session_without_data_says_so() -> None:
    page = session_page([], name="empty")
    assert "The session holds no data." in page and "No stream holds any data." in page and "<figure" not in page


def test_a_strap_of_which_nothing_but_its_signal_is_known_still_has_a_page() -> None:
    bare = replace(
        recording_of("sub-001"), series={}, extras={}, beats={}, markers=(), timezone=TimeZone(None, "unknown")
    )
    result = replace(result_of("sub-001"), recordings={"polar_h10": bare}, provenance={})
    page = session_page([result])
    assert "UTC (local zone not known)" in page and "too few beats for a course" in page
    assert "No clock segment is recorded." in page and "None were set." in page


def test_thousands_of_gaps_stay_a_page() -> None:
    recording = recording_of("sub-001")
    rows = [(i * 0.2, i * 0.2 + 0.1, 13, 0) for i in range(4000)]
    many = replace(recording, series={**recording.series, "ecg_gaps": series_of_gaps("ecg", rows)})
    page = session_page([replace(result_of("sub-001"), recordings={"polar_h10": many})])
    assert "The first 400 of 4001 gaps are listed." in page and len(page.encode()) < 900_000


def test_hostile_texts_are_escaped() -> None:
    hostile = replace(
        recording_of(HOSTILE),
        markers=(Marker(at(1), HOSTILE),),
        extras={**recording_of("x").extras, "label": HOSTILE, "malformed": {HOSTILE: 1}, "gap_reasons": [HOSTILE] * 3},
        provenance=Provenance((InputFile(HOSTILE, "0", 1),), HOSTILE, "", False, {HOSTILE: HOSTILE}),
    )
    page = session_page([replace(result_of("sub-001"), recordings={"a": hostile})], name=HOSTILE)
    assert "<img" not in page and not outline(page).faults


def test_same_files_give_the_same_bytes(page: str) -> None:
    again = session_page([result_of("sub-001"), result_of("sub-0002", seconds=200.0, hole=(150.0, 160.0))])
    assert page == again


def test_a_whole_day_of_beats_stays_small(page: Callable[..., str]) -> None:
    result = result_of("sub-001", seconds=8 * 3600.0)
    assert len(session_page([result]).encode()) < 500_000
