"""WFDB header files (``.hea``): record line, signal lines and comments, after the WFDB header(5) format."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import numpy as np

from allostat.errors import InputError

DEFAULT_GAIN = 200.0
_LARGEST_COUNT = 1 << 40

_RECORD = re.compile(
    r"^(?P<name>[-\w]+)(?:/(?P<segments>\d+))?\s+(?P<signals>\d+)"
    r"(?:\s+(?P<rate>[0-9.eE+]+)(?:/(?P<counter>[-0-9.eE+]+)(?:\([^)]*\))?)?"
    r"(?:\s+(?P<samples>\d+)(?:\s+(?P<time>\d{1,2}(?::\d{1,2}){0,2}(?:\.\d+)?)(?:\s+(?P<date>\d{1,2}/\d{1,2}/\d{4}))?)?)?)?\s*$"
)
_FORMAT = re.compile(r"^(?P<format>\d+)(?:x(?P<frame>\d+))?(?::(?P<skew>\d+))?(?:\+(?P<offset>\d+))?$")
_GAIN = re.compile(r"^(?P<gain>[-+0-9.eE]+)(?:\((?P<baseline>-?\d+)\))?(?:/(?P<unit>\S+))?$")


@dataclass(frozen=True, slots=True)
class SignalLine:
    """One signal of a record, as its line says."""

    file: str
    format: int
    samples_per_frame: int
    skew: int
    byte_offset: int
    gain: float
    """Raw units per physical unit; the default 200 when the line gives none."""
    calibrated: bool
    baseline: int
    unit: str
    resolution_bits: int
    adc_zero: int
    initial: int
    """Value before the first sample, for the format that stores differences."""
    checksum: int | None
    description: str


@dataclass(frozen=True, slots=True)
class SegmentLine:
    """One segment of a record: its name (``~`` for a stretch without signals) and its length in frames."""

    name: str
    n_frames: int

    @property
    def is_gap(self) -> bool:
        """Whether nothing was recorded."""
        return self.name == "~"


@dataclass(frozen=True, slots=True)
class Header:
    """One record."""

    name: str
    segments: int
    rate_hz: float
    """Frames per second."""
    n_frames: int | None
    start_local_ns: int | None
    """Wall-clock start in ns since 1970 as if it were UTC; None without a date."""
    signals: tuple[SignalLine, ...]
    has_comments: bool
    parts: tuple[SegmentLine, ...] = ()
    """Segments in their order; empty for a record of signals."""


def looks_like_header(lines: list[str]) -> str | None:
    """Why lines are no WFDB header; None when they begin like one."""
    body = [line for line in lines if line.strip() and not line.startswith("#")]
    if not body:
        return "no record line"
    record = _RECORD.match(body[0].strip())
    if not record:
        return f"the first line is no record line: {body[0][:60]!r}"
    if int(record["signals"]) and not record["segments"]:
        fields = body[1].split() if len(body) > 1 else []
        if len(fields) < 2 or not _FORMAT.match(fields[1]):
            return f"no signal line follows the record line: {(body[1] if len(body) > 1 else '')[:60]!r}"
    elif not record["segments"] and record["rate"] is None:
        return "a record line without signals and without a rate"
    return None


def parse_header(text: str, where: str) -> Header:
    """A header file as values.

    Raises
    ------
    InputError
        When a line does not follow the format; the message names the line.
    """
    numbered = [(i, line.strip()) for i, line in enumerate(text.splitlines(), start=1)]
    body = [(i, line) for i, line in numbered if line and not line.startswith("#")]
    if not body:
        raise InputError("holds no record line", where=where)
    number, line = body[0]
    record = _RECORD.match(line)
    if not record:
        raise InputError(
            "is no record line", where=f"{where}, line {number}", found=line[:80], expected="name signals rate samples"
        )
    n_signals, segments = int(record["signals"]), int(record["segments"] or 0)
    if not segments and len(body) - 1 < n_signals:
        raise InputError(
            "fewer signal lines than signals", where=where, found=len(body) - 1, expected=f"{n_signals} signal lines"
        )
    chosen = () if segments else tuple(_signal_line(text, f"{where}, line {i}") for i, text in body[1 : n_signals + 1])
    parts = tuple(_segment_line(text, f"{where}, line {i}") for i, text in body[1 : segments + 1]) if segments else ()
    if len(parts) < segments:
        raise InputError("fewer segment lines than segments", where=where, found=len(parts), expected=str(segments))
    n_frames = int(record["samples"]) if record["samples"] else None
    if n_frames is not None and n_frames > _LARGEST_COUNT:
        raise InputError("impossible number of samples", where=f"{where}, line {number}", found=n_frames)
    return Header(
        name=record["name"],
        segments=segments,
        rate_hz=_rate(record["rate"], f"{where}, line {number}"),
        n_frames=n_frames or None,
        start_local_ns=_start(record["time"], record["date"], f"{where}, line {number}"),
        signals=chosen,
        has_comments=any(line.startswith("#") for _, line in numbered),
        parts=parts,
    )


def _segment_line(line: str, where: str) -> SegmentLine:
    found = re.fullmatch(r"(~|[-\w]+)\s+(\d{1,12})", line)
    if not found:
        raise InputError("is no segment line", where=where, found=line[:80], expected="name samples")
    return SegmentLine(found[1], int(found[2]))


def _rate(text: str | None, where: str) -> float:
    if text is None:
        return 250.0
    try:
        rate = float(text)
    except ValueError:
        rate = math.nan
    if not (0 < rate < 1e9):
        raise InputError("sampling rate is no positive number", where=where, found=text)
    return rate


def _start(time: str | None, date: str | None, where: str) -> int | None:
    if time is None or date is None:
        return None
    day, month, year = date.split("/")
    clock, _, fraction = time.partition(".")
    parts = [int(part) for part in clock.split(":")]
    seconds = 0
    for part in parts:
        seconds = seconds * 60 + part
    try:
        midnight = int(np.datetime64(f"{year}-{int(month):02d}-{int(day):02d}", "s").astype(np.int64))
    except ValueError as error:
        raise InputError("start date does not exist", where=where, found=date, expected="day/month/year") from error
    start = (midnight + seconds) * 1_000_000_000 + int((fraction + "0" * 9)[:9])
    # dates of de-identified records lie centuries ahead; int64 ns end in 2262
    return start if abs(start) < 2**63 - 2**60 and seconds < 86_400 else None


def _signal_line(line: str, where: str) -> SignalLine:
    fields = line.split(None, 8)
    form = _FORMAT.match(fields[1]) if len(fields) > 1 else None
    if not form:
        raise InputError("is no signal line", where=where, found=line[:80], expected="file format gain …")
    gain = _GAIN.match(fields[2]) if len(fields) > 2 else None
    if len(fields) > 2 and not gain:
        raise InputError("gain cannot be read", where=where, found=fields[2], expected="200(1024)/mV or the like")
    try:
        stated = float(gain["gain"]) if gain else 0.0
        numbers = [int(field) for field in fields[3:8]]
    except ValueError as error:
        raise InputError(f"signal line holds a field that is no number ({error})", where=where) from error
    if not math.isfinite(stated):
        raise InputError("gain is no finite number", where=where, found=fields[2])
    resolution, zero, initial, checksum = [*numbers, *[0] * 4][:4]
    baseline = int(gain["baseline"]) if gain and gain["baseline"] else zero
    return SignalLine(
        file=fields[0],
        format=int(form["format"]),
        samples_per_frame=max(int(form["frame"] or 1), 1),
        skew=int(form["skew"] or 0),
        byte_offset=int(form["offset"] or 0),
        gain=stated or DEFAULT_GAIN,
        calibrated=stated != 0.0,
        baseline=baseline,
        unit=(gain["unit"] if gain and gain["unit"] else "mV"),
        resolution_bits=resolution,
        adc_zero=zero,
        initial=initial if len(numbers) >= 3 and abs(initial) < 1 << 40 else zero,
        checksum=checksum if len(numbers) >= 4 else None,
        description=fields[8].strip() if len(fields) > 8 else "",
    )
