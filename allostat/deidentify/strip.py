"""One participant's data without what identifies: dates moved by whole weeks, texts and file names gone.

All instants of a participant move by the same number of weeks, so that the weekday, the clock time and every gap stay.
The shifted date has other rules for summer time, so a recording's zone becomes the fixed offset that held at its start.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from allostat.biomarkers import Person
from allostat.deidentify.key import StudyKey
from allostat.recording import (
    NS_PER_S,
    UNKNOWN_ZONE,
    Beats,
    Clock,
    Marker,
    Notice,
    Provenance,
    Recording,
    Signal,
    TimeZone,
    ValueSeries,
)
from allostat.tables import BloodPressureReading, DiaryDay, Instant, LabRow
from allostat.zones import zone_info

WEEK_NS = 7 * 86_400 * NS_PER_S
OLDEST = 90.0
"""Age given for everybody above 89."""
CLOCK_CHANGED = "CLOCK_CHANGE_INSIDE"
_NUMBER = re.compile(r"[+-]?\d{1,6}(\.\d{1,6})?")
_LONG_NUMBER = re.compile(r"\d{5,}|[A-Za-z]+[-_ ]?\d{4,}")


@dataclass(frozen=True)
class Identity:
    """Who a participant is outside, and what stands for them."""

    participant: str
    pseudonym: str
    shift_ns: int
    key: StudyKey

    @classmethod
    def of(cls, participant: str, key: StudyKey) -> Identity:
        """The identity under a key."""
        return cls(participant, key.pseudonym(participant), key.shift_weeks(participant) * WEEK_NS, key)


def strip_person(person: Person, who: Identity) -> Person:
    """Pseudonym in place of the identifier; age in whole years, 90 for all above 89."""
    age = person.age_years
    shown = None if age is None else OLDEST if age > OLDEST - 1 else float(np.floor(age))
    return replace(person, participant=who.pseudonym, age_years=shown)


def strip_recording(recording: Recording, who: Identity, number: int) -> Recording:
    """A recording under a number, with moved dates, a fixed offset, and no text of its source."""
    zone, changed = _fixed_zone(recording)
    notices = [Notice(n.code, "text removed", n.severity, n.count) for n in recording.notices]
    if changed:
        message = "the local clock changed during this recording: clock times after it are off by the change"
        notices.append(Notice(CLOCK_CHANGED, message))
    kept = recording.provenance
    return Recording(
        id=f"rec-{number}",
        signals={name: _signal(s, who) for name, s in recording.signals.items()},
        beats={name: _beats(b, who) for name, b in recording.beats.items()},
        participant=who.pseudonym,
        timezone=zone,
        device=recording.device,
        provenance=Provenance((), kept.adapter, kept.adapter_version, kept.verified),
        notices=tuple(notices),
        markers=tuple(Marker(_moved(m.time_ns, recording.epoch, who), "marker") for m in recording.markers),
        series={name: _series(s, who) for name, s in recording.series.items()},
        blood_pressure=tuple(strip_pressure(r, who) for r in recording.blood_pressure),
        labs=tuple(strip_lab(r, who) for r in recording.labs),
    )


def strip_lab(row: LabRow, who: Identity) -> LabRow:
    """A laboratory row without file, free text and numbers of samples."""
    return replace(
        row,
        participant=who.pseudonym,
        collected_at=_instant(row.collected_at, who),
        sample=_sample(row.sample, who),
        day=_sample(row.day, who),
        missing_reason="missing" if row.missing_reason else "",
        line=0,
        file="",
        extras={},
    )


def strip_pressure(row: BloodPressureReading, who: Identity) -> BloodPressureReading:
    """A cuff reading without file and free text; further columns stay where they are plain numbers."""
    return replace(
        row,
        participant=who.pseudonym,
        measured_at=_instant(row.measured_at, who),
        line=0,
        where="",
        extras={k: v for k, v in row.extras.items() if _NUMBER.fullmatch(v)},
    )


def strip_day(day: DiaryDay, who: Identity) -> DiaryDay:
    """A diary day with moved dates."""
    return replace(
        day,
        participant=who.pseudonym,
        date=day.date + timedelta(days=who.shift_ns // (86_400 * NS_PER_S)),
        wake=_instant(day.wake, who),
        bed=_instant(day.bed, who),
        line=0,
        extras={},
    )


def _instant(instant: Instant | None, who: Identity) -> Instant | None:
    return None if instant is None else replace(instant, time_ns=instant.time_ns + who.shift_ns)


def _sample(text: str, who: Identity) -> str:
    """Short names of samples stay; what could be a number of a record is replaced."""
    return who.key.label("sample", f"{who.participant}\0{text}") if _LONG_NUMBER.search(text) else text


def _moved(time_ns: int, epoch: str, who: Identity) -> int:
    return time_ns if epoch == "relative" else time_ns + who.shift_ns


def _signal(signal: Signal, who: Identity) -> Signal:
    clock: Clock = signal.clock
    shift = 0 if clock.epoch == "relative" else who.shift_ns
    return replace(signal, clock=clock.shifted(shift, clock.epoch))


def _beats(beats: Beats, who: Identity) -> Beats:
    shift = 0 if beats.epoch == "relative" else who.shift_ns
    return replace(
        beats,
        times_ns=beats.times_ns + shift,
        extras=_numbers(beats.extras),
        original=None if beats.original is None else _beats(beats.original, who),
    )


def _series(series: ValueSeries, who: Identity) -> ValueSeries:
    shift = 0 if series.epoch == "relative" else who.shift_ns
    return replace(
        series,
        times_ns=series.times_ns + shift,
        ends_ns=None if series.ends_ns is None else series.ends_ns + shift,
        extras=_numbers(series.extras),
    )


def _numbers(extras: Mapping[str, np.ndarray[Any, Any]]) -> dict[str, np.ndarray[Any, Any]]:
    return {name: values for name, values in extras.items() if values.dtype.kind in "iufb"}


def _fixed_zone(recording: Recording) -> tuple[TimeZone, bool]:
    """The offset that held at the start, and whether another one held at the end."""
    if not recording.timezone.known or recording.epoch != "utc":
        return UNKNOWN_ZONE, False
    assert recording.timezone.name is not None
    zone = zone_info(recording.timezone.name)
    offsets = [
        datetime.fromtimestamp(ns // NS_PER_S, UTC).astimezone(zone).utcoffset() or timedelta(0)
        for ns in recording.span_ns
    ]
    minutes = round(offsets[0].total_seconds() / 60)
    sign = "-" if minutes < 0 else "+"
    name = f"UTC{sign}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"
    return TimeZone(name, "file", recording.timezone.weak), offsets[0] != offsets[1]
