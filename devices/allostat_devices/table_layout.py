"""What the first lines of a table of samples tell: separator, header, units, the column of time and how it counts."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from allostat.errors import InputError
from allostat.recording import SampleKind
from allostat_devices.file_names import without_device_id
from allostat_devices.signal_labels import distinct_name, kind_of_label, stream_name, unit_code
from allostat_devices.table_sidecar import Sidecar

TimeUnit = Literal["s", "ms", "us", "ns", "iso"]
NO_VALUE = frozenset({"", "n/a", "na", "nan", "null", "none", "-", ".", '""'})
"""What stands in a cell without a number; case does not count."""
LOWEST_RATE_HZ = 20.0
"""Below it no wave of the heart can be told: such tables hold values and not waves."""
CARDIAC = ("ecg", "ppg")

SECONDS: dict[TimeUnit, float] = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
TIME_UNITS: dict[str, TimeUnit] = {
    "s": "s", "sec": "s", "secs": "s", "second": "s", "seconds": "s", "ms": "ms", "msec": "ms", "millis": "ms",
    "millisecond": "ms", "milliseconds": "ms", "us": "us", "µs": "us", "μs": "us", "usec": "us", "microsecond": "us",
    "microseconds": "us", "ns": "ns", "nsec": "ns", "nanosecond": "ns", "nanoseconds": "ns",
}  # fmt: skip
_TIMES = frozenset(
    {
        "time", "times", "timestamp", "timestamps", "time stamp", "t", "elapsed", "elapsed time", "timer", "datetime",
        "date time", "unix", "unix time", "unix timestamp", "epoch", "epoch time", "utc", "utc time", "system time",
        "sensor time", "sensor timestamp", "phone timestamp", "local time", "relative time",
        *(word for word in TIME_UNITS if len(word) > 2),
    }
)  # fmt: skip
_BRACKETS = re.compile(r"^(?P<name>.*?)\s*[\[(](?P<unit>[^\])]*)[\])]\s*$")
_TIME_SUFFIX = re.compile(
    r"^(?P<name>.+?)[ _.-](?P<unit>" + "|".join(sorted(TIME_UNITS, key=len, reverse=True)) + r")$", re.I
)
_VOLT_SUFFIX = re.compile(r"^(?P<name>.+?)[ _.-](?P<unit>mv|uv|µv|μv|nv)$", re.I)
_STAMP = re.compile(r"\d{4}-\d\d-\d\d(?P<between>[T ])\d\d:\d\d:\d\d(?:\.\d{1,9})?(?P<offset>Z|[+-]\d\d:?\d\d)?")
_VITALS: dict[str, tuple[str, str]] = {
    "hr": ("hr", "/min"), "heart rate": ("hr", "/min"), "heartrate": ("hr", "/min"), "pulse": ("pulse", "/min"),
    "pulse rate": ("pulse", "/min"), "pr": ("pulse", "/min"), "resp": ("respiration_rate", "/min"),
    "respiration rate": ("respiration_rate", "/min"),
    "respiratory rate": ("respiration_rate", "/min"), "spo2": ("spo2", "%"), "sao2": ("spo2", "%"),
}  # fmt: skip
"""Columns of numbers that a monitor shows about once a second."""


@dataclass(frozen=True, slots=True)
class Track:
    """One column of samples."""

    column: int
    name: str
    kind: SampleKind
    unit: str


@dataclass(frozen=True, slots=True)
class TimeColumn:
    """The column of time, and what its numbers count."""

    column: int
    unit: TimeUnit
    whole: bool = False
    """Whether its numbers are integers, read without a float between."""
    absolute: bool = False
    """Whether it counts from 1970 or is a date."""
    offset: str | None = None
    """Offset from UTC that follows each stamp."""
    stated: bool = True
    """Whether the unit is named; else its size alone tells it."""
    slack: float = 0.0
    """By how much the usual step of the first rows may be wrong, where stamps are coarse."""


@dataclass(frozen=True, slots=True)
class TableLayout:
    """How the rows of a table are read."""

    separator: str
    skip: int
    """Lines above the first row."""
    width: int
    tracks: tuple[Track, ...]
    time: TimeColumn | None
    rate_hz: float = math.nan
    """Stated rate; NaN when only the times tell it."""
    step_s: float = math.nan
    """Usual step of the times in the first rows."""
    decimal_comma: bool = False
    quote: str = ""
    blanks: bool = False
    """Whether blanks stand around the cells of a row."""
    wrapped: bool = False
    """Whether the one column runs on from line to line, many samples in each."""
    vitals: bool = False
    """Whether the columns are a monitor's numbers and no waves."""
    text_columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Grid:
    """The first lines as cells."""

    separator: str
    rows: list[list[str]]
    names: list[str]
    units: list[str]
    skip: int
    decimal_comma: bool
    quote: str
    blanks: bool

    @property
    def width(self) -> int:
        return len(self.names) if self.names else len(self.rows[0])

    def cells(self, column: int) -> list[str]:
        return [row[column] for row in self.rows if column < len(row)]

    def numbers(self, column: int) -> list[float]:
        return [v for cell in self.cells(column) if math.isfinite(v := number(cell))]


def number(cell: str) -> float:
    """A cell as a number; NaN when it is none."""
    try:
        value = float(cell) if "_" not in cell else math.nan
    except ValueError:
        return math.nan
    return value if abs(value) <= 1e19 else math.nan


def grid_of(lines: Sequence[str], where: str) -> _Grid:
    """The first lines of a table as cells.

    Raises
    ------
    InputError
        When there is no row of numbers.
    """
    filled = [(i, line) for i, line in enumerate(lines) if line.strip()]
    sample = filled[min(len(filled) - 1, 3)][1] if filled else ""
    separator = next((s for s in "\t;," if s in sample), " " if " " in sample.strip() else ",")
    quote = next((q for q in "\"'" if filled and filled[0][1].lstrip().startswith(q)), "")
    split = [(i, _cells(line, separator, quote)) for i, line in filled]
    comma = separator in "\t; " and any(re.fullmatch(r"-?\d*,\d+", c) for _, row in split[:8] for c in row)
    if comma:
        split = [(i, [c.replace(",", ".") for c in row]) for i, row in split]
    first = next((k for k, (_, row) in enumerate(split) if _is_row(row)), None)
    if first is None or first > 8:
        raise InputError("holds no rows of numbers", where=where)
    header = [row for _, row in split[:first]]
    names = next((row for row in header if len(row) > 1 or len(split[first][1]) == 1), [])
    below = header[header.index(names) + 1 :] if names else []
    units = next((row for row in below if len(row) == len(names)), [])
    names = names[: max((k + 1 for k, name in enumerate(names) if name), default=0)]
    if names and len(names) > 1 and all(len(row) == len(names) + 1 and row[-1] for _, row in split[first:][:20]):
        # R writes the names of rows without a name above them
        names, units = ["", *names], ["", *units] if units else []
    first_row = lines[split[first][0]]
    blanks = separator != " " and " " in _STAMP.sub("", first_row).strip()
    return _Grid(
        separator, [row for _, row in split[first:]], names, units, split[first][0], comma, quote, blanks,
    )  # fmt: skip


def _cells(line: str, separator: str, quote: str) -> list[str]:
    text = line.strip() if separator == " " else line
    cells = text.split() if separator == " " else text.split(separator)
    cells = [c.strip() for c in cells]
    return [c.strip(quote) for c in cells] if quote else cells


def _is_row(row: Sequence[str]) -> bool:
    """Whether cells are a row and no header: most that are filled are numbers or stamps."""
    filled = [c for c in row if c.casefold() not in NO_VALUE]
    good = sum(1 for c in filled if math.isfinite(number(c)) or _STAMP.fullmatch(c))
    return good > 0 and 2 * good > len(filled)


def layout_of(grid: _Grid, sidecar: Sidecar | None, where: str) -> TableLayout:
    """How a table is read.

    Raises
    ------
    InputError
        When rate, time or columns are not told, or sidecar and table contradict each other.
    """
    names, wrapped = _names(grid, sidecar, where)
    labels = [label_of(name) for name in names]
    units = [
        (sidecar.unit(name) if sidecar else "") or unit or (grid.units[i] if i < len(grid.units) else "")
        for i, (name, (_, unit)) in enumerate(zip(names, labels, strict=True))
    ]
    rate = sidecar.rate_hz if sidecar else math.nan
    time, step = (None, math.nan) if wrapped else _time(grid, names, units, rate, sidecar is not None)
    plain = [base for base, _ in labels]
    vitals = sidecar is None and _are_vitals(plain, time, step)
    tracks, texts = _tracks(grid, names, plain, units, time, sidecar, vitals, wrapped)
    made = TableLayout(
        grid.separator, grid.skip, 1 if wrapped else len(names), tracks, time, rate, step, grid.decimal_comma,
        grid.quote, grid.blanks, wrapped, vitals, texts,
    )  # fmt: skip
    _refuse_unusable(made, where)
    return made


def _names(grid: _Grid, sidecar: Sidecar | None, where: str) -> tuple[list[str], bool]:
    """Names of the columns, and whether the one column runs on from line to line."""
    told = list(sidecar.columns) if sidecar else []
    width = max(len(row) for row in grid.rows[:50]) if not grid.names else grid.width
    if not told:
        if grid.names:
            return list(grid.names), False
        raise InputError("names no columns", where=where, expected='Columns, such as ["ecg"], in the JSON beside it')
    if len(told) == 1 and not grid.names and width > 8:
        return told, True
    if width != len(told):
        raise InputError(
            "table and sidecar differ in columns", where=where, found=width, expected=f"{len(told)}: {', '.join(told)}"
        )
    if grid.names and told != grid.names and sorted(told) == sorted(grid.names):
        raise InputError(
            "header and sidecar name the columns in another order", where=where, found=", ".join(grid.names),
            expected=", ".join(told),
        )  # fmt: skip
    return told, False


def label_of(name: str) -> tuple[str, str]:
    """Name of a column without its unit, and the unit that stands behind it."""
    for pattern in (_BRACKETS, _VOLT_SUFFIX):
        found = pattern.match(name)
        if found:
            return found["name"].strip(), found["unit"].strip()
    return name.strip(), ""


def _time(
    grid: _Grid, names: Sequence[str], units: Sequence[str], rate_hz: float, told: bool
) -> tuple[TimeColumn | None, float]:
    """The column of time, when it is one of which it is known what it counts, and its usual step in s."""
    for i, name in enumerate(names):
        base, suffix = name, units[i]
        found = _BRACKETS.match(name) or _TIME_SUFFIX.match(name)
        if found:
            base, suffix = found["name"], suffix or found["unit"]
        if re.sub(r"[^a-zµμ]+", " ", base.casefold()).strip() not in _TIMES:
            continue
        cells = grid.cells(i)
        stamps = [m for cell in cells if (m := _STAMP.fullmatch(cell))]
        if stamps and 2 * len(stamps) > len(cells):
            stamp_steps = _stamp_steps(stamps)
            usual = float(np.mean(stamp_steps)) if stamp_steps.any() else math.nan
            return TimeColumn(i, "iso", True, True, stamps[0]["offset"], True, _slack(stamp_steps)), usual
        values = grid.numbers(i)
        stated = TIME_UNITS.get(suffix.strip().casefold()) or TIME_UNITS.get(base.strip().casefold())
        unit = stated or _unit_by_size(values, rate_hz, told)
        if unit is None or len(values) < 2:
            continue
        steps = np.diff(np.array(values))
        onward = steps[steps > 0]
        step = float(np.mean(steps[(steps >= 0) & (steps <= 3 * np.median(onward))])) if len(onward) else math.nan
        whole = unit in ("us", "ns") and all(v == math.floor(v) for v in values)
        absolute = abs(values[0]) * SECONDS[unit] >= 6.3e8
        found_time = TimeColumn(i, unit, whole, absolute, None, stated is not None, _slack(steps))
        return found_time, step * SECONDS[unit]
    return None, math.nan


def _unit_by_size(values: Sequence[float], rate_hz: float, told: bool) -> TimeUnit | None:
    """The unit of times that name none, where only one makes sense: Unix time by its size, else by the step."""
    if len(values) < 3:
        return None
    size = abs(values[0])
    for unit, scale in SECONDS.items():
        # 2001 to 2096 in one of the units is no such year in another
        if 1e9 <= size * scale < 4e9:
            return unit
    steps = np.diff(np.array(values))
    onward = steps[steps > 0]
    step = float(np.median(onward)) if len(onward) else 0.0
    if rate_hz > 0:
        return next(
            (u for u, scale in SECONDS.items() if 0.95 < step * scale * rate_hz < 1.05),
            None,
        )
    if 0.0004 <= step <= 0.05:
        return "s"
    # a step of 1 counts samples as often as ms
    return "ms" if 1.5 <= step <= 50 and not told else None


def _stamp_steps(stamps: Sequence[re.Match[str]]) -> NDArray[np.float64]:
    """Steps of dates in s, without those backwards and the longest ones."""
    texts = [m[0][: len(m[0]) - len(m["offset"] or "")].replace(" ", "T") for m in stamps]
    try:
        stamped = np.array(texts, "datetime64[ns]").astype(np.int64)
    except ValueError:
        return np.empty(0)
    steps = np.diff(stamped) / 1e9
    near: NDArray[np.float64] = np.asarray(steps[(steps >= 0) & (steps < 60)], np.float64)
    return near


def _slack(steps: NDArray[np.float64]) -> float:
    return 2.0 / max(int((steps > 0).sum()), 1) if (steps == 0).any() else 0.0


def _are_vitals(names: Sequence[str], time: TimeColumn | None, step_s: float) -> bool:
    """Whether the columns are a monitor's numbers: a time of stated unit, a heart rate, and a step of seconds."""
    if time is None or not time.stated or not 0.2 <= step_s <= 600:
        return False
    others = [_plain(name) for i, name in enumerate(names) if i != time.column]
    known = [_VITALS[name][0] for name in others if name in _VITALS]
    return len(known) == len(others) and bool({"hr", "pulse"} & set(known))


def _plain(name: str) -> str:
    return re.sub(r"[ _]+", " ", name).strip().casefold()


def _tracks(
    grid: _Grid, names: Sequence[str], plain: Sequence[str], units: Sequence[str], time: TimeColumn | None,
    sidecar: Sidecar | None, vitals: bool, wrapped: bool,
) -> tuple[tuple[Track, ...], tuple[str, ...]]:  # fmt: skip
    tracks: list[Track] = []
    texts: list[str] = []
    for i, name in enumerate(names):
        base = without_device_id(plain[i])
        is_time = time is not None and i == time.column
        if is_time or not base or base.casefold().startswith("unnamed:"):
            continue
        taken = [t.name for t in tracks]
        if vitals:
            series, unit = _VITALS[_plain(base)]
            tracks.append(Track(i, distinct_name(series, taken), "hr", unit))
            continue
        kind: SampleKind = sidecar.kind(name) if sidecar else kind_of_label(base)
        cells = [c for c in grid.cells(i) if c.casefold() not in NO_VALUE]
        good = sum(1 for c in cells if math.isfinite(number(c)))
        if cells and not wrapped and 2 * good <= len(cells):
            texts.append(base[:40])
            continue
        if kind == "other" and re.sub(r"[^a-z]+", " ", base.casefold()).strip() in _TIMES:
            continue
        tracks.append(Track(i, distinct_name(stream_name(base, kind), taken), kind, unit_code(units[i])))
    return tuple(tracks), tuple(texts)


def _refuse_unusable(layout: TableLayout, where: str) -> None:
    if not layout.tracks:
        raise InputError("holds no column of samples", where=where, found=", ".join(layout.text_columns) or None)
    stated, measured = layout.rate_hz, 1 / layout.step_s if layout.step_s > 0 else math.nan
    if layout.vitals:
        return
    if math.isnan(stated) and layout.time is None:
        raise InputError("tells no sampling rate", where=where)
    slack = 0.1 + (layout.time.slack if layout.time else 0.0)
    if stated > 0 and measured > 0 and abs(measured / stated - 1) > slack:
        raise InputError(
            "times and stated sampling rate contradict each other", where=where,
            found=f"{measured:.6g} Hz by the times", expected=f"{stated:.6g} Hz",
        )  # fmt: skip
    rate = measured if math.isnan(stated) else stated
    if rate < LOWEST_RATE_HZ and any(t.kind in CARDIAC for t in layout.tracks):
        raise InputError(
            "is sampled too slowly for a wave of the heart", where=where, found=f"{rate:.4g} Hz",
            expected=f"at least {LOWEST_RATE_HZ:g} Hz",
        )  # fmt: skip
