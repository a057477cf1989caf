"""Empatica E4 sessions: a zip or folder with ``BVP.csv``, ``EDA.csv``, ``TEMP.csv``, ``ACC.csv``, ``IBI.csv`` …

Row 1 of a signal file is its start in Unix seconds UTC, row 2 its rate in Hz. In ``IBI.csv`` an interval ends at the
time of its row; where that time does not follow the one before by the interval, beats are missing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import numpy as np

from allostat.adapter import Manifest, ReadOptions, Sniff, StreamSummary
from allostat.errors import InputError
from allostat.recording import (
    Beats,
    Clock,
    Device,
    InputFile,
    Marker,
    Notice,
    Provenance,
    Recording,
    SampleKind,
    Signal,
)
from allostat.source import Source
from allostat_devices.beat_stamps import RecordedIntervals, joined_by_stamps, place, plausible
from allostat_devices.file_names import has_device_id, input_file, recording_id, without_device_id
from allostat_devices.members import is_single, participant_of, with_distinct_id
from allostat_devices.number_columns import Column, floats, lossless_integers, read_block, seconds_as_ns
from allostat_devices.skipped_rows import SkippedRows
from allostat_devices.text_lines import count_lines, head_lines, line_blocks, open_text, why_not_text
from allostat_devices.zone_inference import zone_of_options

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MISSING = int(np.iinfo(np.int32).min)
_TICK_MS = 1000.0 / 64.0
"""One period of the pulse signal: the resolution of IBI times."""
_DEVICE = Device(manufacturer="Empatica", model="E4", kind="wrist")
_OTHERS = ("IBI.csv", "tags.csv", "info.txt")


@dataclass(frozen=True, slots=True)
class _SignalFile:
    """What one signal file of a session holds."""

    names: tuple[str, ...]
    kind: SampleKind
    unit: str
    scale: float | None
    """Scale of integer samples; None when decimals are found from the text."""


_FILES = {
    "BVP.csv": _SignalFile(("ppg",), "ppg", "1", None),
    "EDA.csv": _SignalFile(("eda",), "eda", "uS", None),
    "TEMP.csv": _SignalFile(("temp",), "temp", "Cel", None),
    "HR.csv": _SignalFile(("hr",), "hr", "/min", None),
    "ACC.csv": _SignalFile(("acc_x", "acc_y", "acc_z"), "acc", "[g]", 1.0 / 64.0),
}


@dataclass(frozen=True, slots=True)
class _Start:
    """First two rows of a signal file."""

    start_ns: int
    rate_hz: float


class EmpaticaE4:
    """Adapter of E4 sessions; several sessions in one source are several recordings."""

    name = "empatica_e4"
    title = "Empatica E4 session (zip or folder)"
    version = "1"
    verified = True
    streams: tuple[str, ...] = ("ppg", "eda", "temp", "acc", "hr", "beats")
    folder_is_session: bool = True

    def sniff(self, source: Source) -> Sniff:
        """Recognise signal files by their names and by start and rate in their first two rows."""
        if is_single(source):
            return Sniff(0.0, "one file; an E4 session is a zip or folder with BVP.csv, IBI.csv …")
        sessions = _sessions(source)
        if not sessions:
            return Sniff(0.0, "holds none of " + ", ".join((*_FILES, "IBI.csv")))
        good: list[str] = []
        why = ""
        for folder, files in sessions.items():
            reason = _why_no_session(source, files)
            if reason:
                why = f"{folder or source.name}: {reason}"
            else:
                good += files.values()
        if not good:
            return Sniff(0.1, why)
        # the text is that of every session
        notes = tuple(sorted(m for m in good if PurePosixPath(m).name == "info.txt"))
        return Sniff(0.95, "E4 file names, start and rate in their first rows", tuple(sorted(good)), notes)

    def inspect(self, source: Source) -> Manifest:
        """Streams and span from first rows and numbers of lines."""
        streams: list[StreamSummary] = []
        notices: list[Notice] = []
        for files in _sessions(source).values():
            for name, member in files.items():
                if name in _FILES:
                    streams += _summaries(source, name, member, notices)
                elif name == "IBI.csv":
                    streams += _beat_summary(source, member)
        members = [m for files in _sessions(source).values() for m in files.values()]
        return Manifest(
            source=without_device_id(source.name),
            adapter=self.name,
            confidence=self.sniff(source).confidence,
            verified=self.verified,
            streams=tuple(streams),
            device=_DEVICE,
            identifiers=("device id in file name",) if any(map(has_device_id, [source.name, *members])) else (),
            participant_hint=participant_of(source, members[0]) if members else None,
            notices=tuple(notices),
        )

    def read(self, source: Source, options: ReadOptions) -> Iterator[Recording]:
        """One recording for each session folder: signals, the device's beats ``ibi`` and tags as markers.

        Raises
        ------
        InputError
            When the source holds no session, or a session holds no usable stream.
        """
        sessions = {} if is_single(source) else _sessions(source)
        if not sessions:
            raise InputError("holds no E4 session", where=source.name, expected=", ".join((*_FILES, "IBI.csv")))
        zone = zone_of_options(options)
        taken: set[str] = set()
        for folder, files in sessions.items():
            session = _Session(source)
            for name, member in files.items():
                session.read(name, member)
            if not session.signals and not session.beats:
                found = "; ".join(n.message for n in session.notices)
                raise InputError("holds no usable stream", where=folder or source.name, found=found or None)
            recording = Recording(
                id=recording_id(PurePosixPath(folder).name if len(sessions) > 1 else source.name, "session"),
                signals=session.signals,
                beats=session.beats,
                participant=options.participant or participant_of(source, next(iter(files.values()))),
                timezone=zone,
                device=_DEVICE,
                provenance=Provenance(tuple(session.inputs), self.name, self.version, self.verified),
                notices=tuple(session.notices),
                markers=tuple(session.markers),
            )
            yield with_distinct_id(recording, taken)


class _Session:
    """Streams of one session as they are read."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.signals: dict[str, Signal] = {}
        self.beats: dict[str, Beats] = {}
        self.markers: list[Marker] = []
        self.notices: list[Notice] = []
        self.inputs: list[InputFile] = []

    def read(self, name: str, member: str) -> None:
        if name == "info.txt":
            return
        self.inputs.append(input_file(self._source, member))
        skipped = SkippedRows(without_device_id(member))
        if self._source.size(member) == 0:
            if name != "tags.csv":
                self.notices.append(_empty(name, member))
            return
        if name == "tags.csv":
            self.markers += _tags(self._source, member, skipped)
        elif name == "IBI.csv":
            beats = _beats(self._source, member, skipped)
            self.beats |= {"ibi": beats} if len(beats) else {}
        else:
            found = _signals(self._source, member, _FILES[name], skipped)
            self.signals |= {s.name: s for s in found}
            if not found:
                self.notices.append(_empty(name, member))
        self.notices += skipped.notices()


def _empty(name: str, member: str) -> Notice:
    return Notice("empty", f"{name} holds no samples", "warning", 1, without_device_id(member))


def _sessions(source: Source) -> dict[str, dict[str, str]]:
    """Members of each session: folder → file name → member, for folders with at least one signal or beat file."""
    known = {name.casefold(): name for name in (*_FILES, *_OTHERS)}
    found: dict[str, dict[str, str]] = {}
    for member in source.members:
        path = PurePosixPath(member)
        name = known.get(path.name.removesuffix(".gz").casefold())
        if name:
            found.setdefault(path.parent.as_posix().removeprefix("."), {})[name] = member
    return {f: files for f, files in found.items() if set(files) - {"tags.csv", "info.txt"}}


def _why_no_session(source: Source, files: dict[str, str]) -> str | None:
    reasons = []
    for name, member in files.items():
        if name in ("tags.csv", "info.txt"):
            continue
        reason = why_not_text(source.head(member))
        if reason:
            reasons.append(f"{name}: {reason}")
            continue
        lines = head_lines(source, member)
        try:
            if name == "IBI.csv":
                _ibi_start(lines[0], member)
            else:
                _start(lines, _FILES[name], member)
        except InputError as error:
            reasons.append(str(error))
        else:
            return None
    return "; ".join(reasons) or "no signal file"


def _start(lines: list[str], file: _SignalFile, where: str) -> _Start:
    """Start and rate; every column of a row says the same."""
    rows = [[cell.strip() for cell in line.split(",")] for line in lines[:2]]
    width = len(file.names)
    if len(rows) < 2 or any(len(row) != width or not all(row) for row in rows):
        raise InputError(
            "does not begin with a start and a rate",
            where=f"{where}, lines 1 and 2",
            found=" / ".join(lines[:2])[:80],
            expected=f"{width} column{'s' if width > 1 else ''} of Unix seconds, then Hz",
        )
    try:
        start_ns, rate = seconds_as_ns(rows[0][0]), float(rows[1][0])
    except ValueError as error:
        raise InputError(f"start or rate is no number ({error})", where=f"{where}, lines 1 and 2") from error
    if not (start_ns > 10**17 and 0 < rate <= 4096):
        raise InputError(
            "start or rate is implausible",
            where=f"{where}, lines 1 and 2",
            found=" / ".join(lines[:2])[:80],
            expected="Unix seconds, then Hz",
        )
    return _Start(start_ns, rate)


def _ibi_start(line: str, where: str) -> int:
    cells = [cell.strip() for cell in line.split(",")]
    try:
        if len(cells) != 2 or cells[1].casefold() != "ibi":
            raise ValueError(f"found {line[:60]!r}")
        return seconds_as_ns(cells[0])
    except ValueError as error:
        raise InputError(
            f"does not begin with the start of the session ({error})",
            where=f"{where}, line 1",
            expected="Unix seconds, IBI",
        ) from error


def _signals(source: Source, member: str, file: _SignalFile, skipped: SkippedRows) -> list[Signal]:
    columns = [Column(i, floats) for i in range(len(file.names))]
    parts = []
    n = 0
    with open_text(source, member) as text:
        start = _start([text.readline().rstrip("\n"), text.readline().rstrip("\n")], file, member)
        for first, lines in line_blocks(text):
            values, numbers = read_block(lines, first + 2, ",", len(columns), columns, skipped)
            # a bad row is a missing sample, not a shift of all samples behind it
            parts.append((numbers - 3, values))
            n = first - 1 + len(lines) - _blank_end(lines)
    if not n or not any(len(index) for index, _ in parts):
        return []
    clock = Clock.regular(n, start.rate_hz, start.start_ns, nominal_hz=start.rate_hz)
    signals = []
    for i, name in enumerate(file.names):
        samples = np.full(n, np.nan)
        for index, values in parts:
            samples[index] = values[i]
        signals.append(_signal(name, file, samples, clock))
    return signals


def _blank_end(lines: list[str]) -> int:
    blank = 0
    for line in reversed(lines):
        if line.strip():
            break
        blank += 1
    return blank


def _signal(name: str, file: _SignalFile, samples: NDArray[np.float64], clock: Clock) -> Signal:
    whole = lossless_integers(samples, _MISSING)
    if whole is None:
        return Signal(name, file.kind, samples, clock, file.unit, file.scale or 1.0)
    integers, scale = whole
    saturation = None
    if file.kind == "acc" and scale == 1.0:
        scale, saturation = 1.0 / 64.0, (-128, 127)
    elif file.scale is not None:
        scale *= file.scale
    return Signal(name, file.kind, integers, clock, file.unit, scale, missing=_MISSING, saturation=saturation)


def _beats(source: Source, member: str, skipped: SkippedRows) -> Beats:
    columns = [Column(0, floats, "bad_time"), Column(1, floats)]
    ends: list[NDArray[np.float64]] = []
    lengths: list[NDArray[np.float64]] = []
    lines_of: list[NDArray[np.int64]] = []
    with open_text(source, member) as text:
        start_ns = _ibi_start(text.readline().rstrip("\n"), member)
        for first, lines in line_blocks(text):
            (end, length), numbers = read_block(lines, first + 1, ",", 2, columns, skipped)
            ends.append(end)
            lengths.append(length * 1000.0)
            lines_of.append(numbers)
    end_s, length_ms = np.concatenate([*ends, []]), np.concatenate([*lengths, []])
    numbers = np.concatenate([*lines_of, np.empty(0, np.int64)])
    usable = (length_ms > 0) & (length_ms < 86_400_000) & (np.abs(end_s) < 1e9)
    ascending = np.concatenate([[True], end_s[1:] > np.maximum.accumulate(end_s)[:-1]]) if len(end_s) else usable
    _count(skipped, "bad_time", numbers[~ascending])
    _count(skipped, "out_of_range", numbers[ascending & ~(usable & plausible(length_ms))])
    keep = usable & ascending
    end_ns = start_ns + np.rint(end_s[keep] * 1e9).astype(np.int64)
    recorded = RecordedIntervals(end_ns, length_ms[keep], joined_by_stamps(end_ns, length_ms[keep], _TICK_MS))
    return place(recorded, epoch="utc").beats


def _count(skipped: SkippedRows, code: str, lines: NDArray[np.int64]) -> None:
    if len(lines):
        skipped.add("bad_time" if code == "bad_time" else "out_of_range", int(lines[0]), len(lines))


def _tags(source: Source, member: str, skipped: SkippedRows) -> list[Marker]:
    markers = []
    if not source.head(member).strip():
        return []
    with open_text(source, member) as text:
        for number, line in enumerate(text, start=1):
            if not line.strip():
                continue
            skipped.rows += 1
            try:
                markers.append(Marker(seconds_as_ns(line), "tag"))
            except ValueError:
                skipped.add("bad_time", number)
    return markers


def _summaries(source: Source, name: str, member: str, notices: list[Notice]) -> list[StreamSummary]:
    file = _FILES[name]
    if why_not_text(source.head(member)):
        notices.append(_empty(name, member))
        return []
    start = _start(head_lines(source, member), file, member)
    n = max(count_lines(source, member)[0] - 2, 0)
    end_ns = start.start_ns + round(n / start.rate_hz * 1e9)
    return [StreamSummary(s, file.kind, n, start.rate_hz, file.unit, start.start_ns, end_ns) for s in file.names]


def _beat_summary(source: Source, member: str) -> list[StreamSummary]:
    if why_not_text(source.head(member)):
        return []
    start_ns = _ibi_start(head_lines(source, member)[0], member)
    count, last = count_lines(source, member)
    end_ns = start_ns
    for line in reversed(last):
        try:
            end_ns = start_ns + seconds_as_ns(line.split(",")[0])
            break
        except ValueError:
            continue
    return [StreamSummary("ibi", "beats", max(count - 1, 0), float("nan"), "ms", start_ns, end_ns)]


ADAPTER = EmpaticaE4()
