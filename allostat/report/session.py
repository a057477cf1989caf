"""The page of a finished live session: what arrived, what did not and why, and how it went, for every strap."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from allostat.recording import NS_PER_S, Marker, Recording
from allostat.report.blocks import Section, Table, Tile, number
from allostat.report.local_time import LocalClock
from allostat.report.methods import device_name
from allostat.report.series import zone_of
from allostat.report.session_facts import LONG_WINDOW, StrapFacts, StreamFacts, session_span, strap_facts
from allostat.report.session_figures import coverage_timeline, strap_course
from allostat.report.template import render

if TYPE_CHECKING:
    from allostat.store import ParticipantResult

ALIGNED = "rr_alignment"
MOST_ROWS = 400
"""Gaps, segments and markers in one table; what is beyond is told as a number."""


def session_page(results: Sequence[ParticipantResult], *, name: str = "") -> str:
    """The page of one live session as HTML text.

    Parameters
    ----------
    results
        The participants' files of the session, as the session wrote them or the store read them back.
    name
        Of the session; by default the one that the files state.

    Returns
    -------
    str
        One self-contained document: no script, no network, figures as inline SVG. The same files give the same text.
    """
    recordings = [r for result in results for r in result.recordings.values() if r.signals or r.beats]
    straps = tuple(strap_facts(r) for r in recordings)
    markers = session_markers(recordings)
    span = session_span(straps)
    zone = zone_of(results[0]) if results else None
    from allostat.recording import UNKNOWN_ZONE

    clock = LocalClock("utc", zone or UNKNOWN_ZONE)
    title = name or next((str(r.provenance["session"]) for r in results if "session" in r.provenance), "session")
    sections = (
        _coverage(straps, markers, clock, span),
        _straps(straps),
        _courses(straps, markers, clock, span),
        _markers(markers, clock, span),
        _gaps(straps, clock),
        _segments(straps, clock),
        _settings(straps),
        _inputs(results),
        _notices(results, recordings),
    )
    return render(
        "session.html.j2",
        title=f"{title}: live session",
        session=title,
        facts=_facts(results, straps, clock, span),
        words=_words(straps),
        tiles=_tiles(straps, markers, span),
        sections=sections,
    )


def session_markers(recordings: Sequence[Recording]) -> tuple[Marker, ...]:
    """Markers of all recordings, each once, in order: every participant's file holds those of the whole session."""
    found = {(m.time_ns, m.label): m for r in recordings for m in r.markers}
    return tuple(found[key] for key in sorted(found))


def _facts(
    results: Sequence[ParticipantResult], straps: Sequence[StrapFacts], clock: LocalClock, span: tuple[int, int]
) -> list[tuple[str, str]]:
    versions = sorted({str(r.provenance["version"]) for r in results if "version" in r.provenance})
    devices = sorted({device_name(s.recording) for s in straps} - {""})
    return [
        ("Participants", ", ".join(r.participant for r in results) or "none"),
        ("From", clock.text(span[0], seconds=True) if span[1] else "no data"),
        ("To", clock.text(span[1], seconds=True) if span[1] else "no data"),
        ("Times", clock.axis_label),
        ("Devices", "; ".join(devices) or "not known"),
        ("Recorded by", ", ".join(versions) or "not recorded"),
    ]


def _words(straps: Sequence[StrapFacts]) -> str:
    if not straps:
        return "The session holds no data."
    missing = sum(s.missing for strap in straps for s in strap.streams)
    if not missing:
        return "Nothing that was expected is missing."
    gaps = sum(len(s.gaps) for strap in straps for s in strap.streams)
    return f"{_thousands(missing)} samples and beats did not arrive, in {gaps} declared gaps."


def _tiles(straps: Sequence[StrapFacts], markers: Sequence[Marker], span: tuple[int, int]) -> tuple[Tile, ...]:
    seconds = (span[1] - span[0]) / NS_PER_S
    worst = max(straps, key=_worst, default=None)
    links = sum(max(0, s.count("connections") - 1) for s in straps)
    malformed = sum(sum(s.malformed.values()) for s in straps)
    length = f"{seconds / 3600:.2f}", "h"
    if seconds < 2 * 3600:
        length = f"{seconds / 60:.1f}", "min"
    note = "" if worst is None or not _worst(worst) > 0 else f"most: {worst.title}"
    return (
        Tile("Length", *length),
        Tile("Straps", str(len(straps))),
        Tile("Worst stream, missing", number(0.0 if worst is None else _worst(worst)), "%", note=note),
        Tile("Reconnections", str(links)),
        Tile("Malformed notifications", str(malformed)),
        Tile("Markers", str(len(markers))),
    )


def _worst(strap: StrapFacts) -> float:
    shares = [s.missing_percent for s in strap.streams]
    return max((share for share in shares if math.isfinite(share)), default=0.0)


def _coverage(
    straps: Sequence[StrapFacts], markers: Sequence[Marker], clock: LocalClock, span: tuple[int, int]
) -> Section:
    picture = coverage_timeline(straps, markers, clock, span)
    if picture is None:
        return Section("coverage", "Coverage", missing=("No stream holds any data.",))
    return Section("coverage", "Coverage", pictures=(picture,))


def _straps(straps: Sequence[StrapFacts]) -> Section:
    rows = []
    for strap in straps:
        battery = _battery(strap.recording)
        for stream in strap.streams:
            if not stream.received and not stream.missing:
                continue
            rows.append(
                (
                    strap.title,
                    stream.name,
                    _thousands(stream.received),
                    _thousands(stream.missing),
                    _share(stream.missing_percent),
                    str(len(stream.gaps)),
                    str(strap.count("connections") or "–"),
                    _drift(strap, stream),
                    battery,
                    device_name(strap.recording) or "–",
                )
            )
    columns = (
        "strap", "stream", "received", "missing", "missing, %", "gaps", "links", "drift, ppm", "battery, %", "device",
    )  # fmt: skip
    tables = [Table("Link and streams", columns, tuple(rows), frozenset({2, 3, 4, 5, 6, 7}))] if rows else []
    malformed = tuple((s.title, code, str(n)) for s in straps for code, n in sorted(s.malformed.items()))
    if malformed:
        title = "Notifications that could not be read"
        tables.append(Table(title, ("strap", "reason", "notifications"), malformed, frozenset({2})))
    intro = (
        "Received and missing count samples of a signal and beats of a series of intervals. Drift: of the strap's "
        "clock against this computer's, ± the spread of the fit over the length of the stream."
    )
    missing = () if rows else ("No strap sent anything.",)
    return Section("straps", "Straps", intro if rows else "", tables=tuple(tables), missing=missing)


def _battery(recording: Recording) -> str:
    told = recording.extras.get("battery_percent")
    if not isinstance(told, Mapping) or told.get("last") is None:
        return "–"
    first, last = told.get("first"), told["last"]
    return str(last) if first in (None, last) else f"{first} → {last}"


def _drift(strap: StrapFacts, stream: StreamFacts) -> str:
    """Rate of the strap's clock against the host's: of the stream's own fit, else of its best clock segment."""
    fit = strap.recording.extras.get(f"{stream.name}_clock")
    drift_ppm = spread_ms = math.nan
    if isinstance(fit, Mapping):
        drift_ppm, spread_ms = float(fit.get("drift_ppm", math.nan)), float(fit.get("spread_ms", math.nan))
    elif stream.name not in strap.recording.beats:
        fitted = [s for s in strap.segments if math.isfinite(s.drift_ppm)]
        if fitted:
            best = min(fitted, key=lambda s: s.spread_ms)
            drift_ppm, spread_ms = best.drift_ppm, best.spread_ms
    seconds = sum(end - start for start, end in stream.spans) / NS_PER_S
    if not (math.isfinite(drift_ppm) and math.isfinite(spread_ms) and seconds):
        return "–"  # a fit without a spread has too few windows to tell a rate
    return f"{number(drift_ppm)} ± {number(1e3 * spread_ms / seconds, 2)}"


def _courses(
    straps: Sequence[StrapFacts], markers: Sequence[Marker], clock: LocalClock, span: tuple[int, int]
) -> Section:
    found = [(strap, strap_course(strap, markers, clock, span, i)) for i, strap in enumerate(straps)]
    pictures = tuple(p for _, p in found if p is not None)
    missing = tuple(f"{strap.title}: too few beats for a course." for strap, p in found if p is None)
    short = [s.title for s in straps if s.beats is not None and LONG_WINDOW not in s.windows]
    if short:
        missing += (f"Shorter than 5 minutes, hence without a 5-minute trend: {', '.join(short)}.",)
    return Section("courses", "Beats and heart rate variability", pictures=pictures, missing=missing)


def _markers(markers: Sequence[Marker], clock: LocalClock, span: tuple[int, int]) -> Section:
    if not markers:
        return Section("markers", "Markers", "None were set.")
    rows = tuple(
        (clock.text(m.time_ns, seconds=True), f"{(m.time_ns - span[0]) / NS_PER_S:.3f}", m.label, str(m.time_ns))
        for m in markers[:MOST_ROWS]
    )
    columns = ("time", "seconds since the start", "label", "ns, Unix time")
    table = Table("Markers", columns, rows, frozenset({1, 3}))
    return Section("markers", "Markers", tables=(table,), missing=_beyond(len(markers), "markers"))


def _gaps(straps: Sequence[StrapFacts], clock: LocalClock) -> Section:
    found = [(strap, stream, gap) for strap in straps for stream in strap.streams for gap in stream.gaps]
    if not found:
        return Section("gaps", "Gaps", "No gap was declared.")
    by_reason: dict[tuple[str, str, str], list[float]] = {}
    for strap, stream, gap in found:
        length, missing = (gap.end_ns - gap.start_ns) / NS_PER_S, gap.missing
        row = by_reason.setdefault((strap.title, stream.name, gap.reason), [0.0, 0.0, 0.0])
        row[0], row[1], row[2] = row[0] + 1, row[1] + missing, row[2] + length
    summary = tuple(
        (*key, _thousands(int(n)), _thousands(int(missing)), number(length))
        for key, (n, missing, length) in sorted(by_reason.items())
    )
    rows = tuple(
        (
            clock.text(gap.start_ns, seconds=True), strap.title, stream.name, gap.reason, str(gap.missing),
            number((gap.end_ns - gap.start_ns) / NS_PER_S),
        )
        for strap, stream, gap in sorted(found, key=lambda f: (f[2].start_ns, f[0].title, f[1].name))[:MOST_ROWS]
    )  # fmt: skip
    tables = (
        Table(
            "Gaps by reason", ("strap", "stream", "reason", "gaps", "missing", "seconds"), summary, frozenset({3, 4, 5})
        ),
        Table("Every gap", ("from", "strap", "stream", "reason", "missing", "seconds"), rows, frozenset({4, 5}), True),
    )
    return Section("gaps", "Gaps", tables=tables, missing=_beyond(len(found), "gaps"))


def _segments(straps: Sequence[StrapFacts], clock: LocalClock) -> Section:
    found = [(strap, segment) for strap in straps for segment in strap.segments]
    if not found:
        return Section("clocks", "Clock segments", missing=("No clock segment is recorded.",))
    rows = tuple(
        (
            strap.title,
            str(s.number),
            clock.text(s.start_ns, seconds=True),
            s.reason,
            number(s.drift_ppm if math.isfinite(s.spread_ms) else math.nan),
            number(s.spread_ms),
        )
        for strap, s in found[:MOST_ROWS]
    )
    columns = ("strap", "segment", "from", "begun because", "drift, ppm", "spread, ms")
    intro = (
        "No interval crosses from one clock segment to the next. Drift: of the strap's clock against this computer's, "
        "fitted beside the data and not applied to it; its spread is what the fit leaves."
    )
    tables = [Table("Clock segments", columns, rows, frozenset({1, 4, 5}))]
    if aligned := _aligned(straps, clock):
        tables.append(aligned)
    return Section("clocks", "Clock segments", intro, tables=tuple(tables), missing=_beyond(len(found), "segments"))


def _aligned(straps: Sequence[StrapFacts], clock: LocalClock) -> Table | None:
    """Where the strap's own beats lie on its ECG: a fact beside the data, which moves nothing."""
    rows: list[tuple[str, ...]] = []
    for strap in straps:
        series = strap.recording.series.get(ALIGNED)
        if series is None:
            continue
        nothing = np.full(len(series), np.nan)
        spread, matched = (np.asarray(series.extras.get(name, nothing)) for name in ("spread_ms", "matched"))
        for at, shift_ms, spread_ms, beats in zip(
            series.times_ns.tolist(), series.values.tolist(), spread.tolist(), matched.tolist(), strict=True
        ):
            rows.append((strap.title, clock.text(at, seconds=True), number(shift_ms), number(spread_ms), number(beats)))
    if not rows:
        return None
    columns = ("strap", "from", "shift, ms", "spread, ms", "beats compared")
    return Table(
        "The strap's own beats beside the R peaks of its ECG", columns, tuple(rows[:MOST_ROWS]), frozenset({2, 3, 4})
    )


def _settings(straps: Sequence[StrapFacts]) -> Section:
    rows: list[tuple[str, ...]] = []
    for strap in straps:
        confirmed = strap.recording.extras.get("stream_settings")
        for stream, settings in (confirmed if isinstance(confirmed, Mapping) else {}).items():
            words = (
                ", ".join(f"{k} {v}" for k, v in settings.items()) if isinstance(settings, Mapping) else str(settings)
            )
            rows.append((strap.title, str(stream), words or "–"))
        asked = {k: v for k, v in strap.recording.provenance.options.items() if k != "session"}
        rows.append((strap.title, "asked for", ", ".join(f"{k} {v}" for k, v in sorted(asked.items())) or "–"))
    if not rows:
        return Section("settings", "Settings", missing=("No settings are recorded.",))
    columns = ("strap", "stream", "settings")
    return Section("settings", "Settings", tables=(Table("As the straps confirmed them", columns, tuple(rows)),))


def _inputs(results: Sequence[ParticipantResult]) -> Section:
    found: dict[tuple[str, str], Any] = {}
    for result in results:
        for entry in result.provenance.get("inputs") or ():
            found[(str(entry.get("name", "")), str(entry.get("sha256", "")))] = entry.get("bytes", "–")
    rows = tuple((name, str(count), digest) for (name, digest), count in sorted(found.items()))
    if not rows:
        return Section("inputs", "Journal", missing=("No journal is recorded.",))
    intro = "Everything on this page was made from these bytes, as they arrived."
    return Section(
        "inputs", "Journal", intro, tables=(Table("Journal", ("file", "bytes", "sha256"), rows, frozenset({1})),)
    )


def _notices(results: Sequence[ParticipantResult], recordings: Sequence[Recording]) -> Section:
    found = [("session", n) for n in dict.fromkeys(n for r in results for n in r.notices)]
    found += [(f"{r.participant} {r.id}".strip(), n) for r in recordings for n in r.notices]
    rows = tuple((n.severity, whose, n.code, n.message, str(n.count)) for whose, n in found)
    columns = ("severity", "of", "code", "message", "count")
    table = (Table("Warnings and notices", columns, rows, frozenset({4})),) if rows else ()
    return Section("notices", "Warnings and notices", "" if rows else "None.", tables=table)


def _beyond(count: int, what: str) -> tuple[str, ...]:
    return (f"The first {MOST_ROWS} of {count} {what} are listed.",) if count > MOST_ROWS else ()


def _share(per_cent: float) -> str:
    """What is not 0 never reads as 0."""
    return "< 0.01" if 0 < per_cent < 0.005 else f"{per_cent:.2f}" if np.isfinite(per_cent) else "–"


def _thousands(count: int) -> str:
    return f"{count:,}".replace(",", "\u202f")
