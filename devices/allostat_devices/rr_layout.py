"""How a text file of beat intervals is laid out: separator, decimal sign, header, which column holds what.

Found from the first lines; names decide where there is a header, the numbers themselves where there is none.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from allostat.errors import InputError

_NUMBER = re.compile(r"^[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?$")
_COMMA_NUMBER = re.compile(r"^[-+]?\d+,\d+$")
_DATE_LINE = re.compile(r"^\d{1,2} [A-Z][a-z]+ \d{4} \d{1,2}:\d{2}:\d{2}$")
_RR_NAMES = frozenset({
    "rr", "r-r", "rri", "rrinterval", "rr-interval", "rrintervals", "ibi", "nn", "nni", "nninterval", "bbi", "pp",
    "ppi", "pp-interval", "interbeatinterval", "interval", "intervals", "r-rinterval", "rr_ms", "rr_s", "ibi_ms",
    "ibi_s", "nn_ms", "rri_ms", "rrms", "ibims",
})  # fmt: skip
_TIME_NAMES = frozenset({
    "time", "timestamp", "date", "datetime", "t", "r-peaktime", "elapsed", "time_s", "time_ms", "unix", "unixtime",
    "since", "sincestart", "since_start",
})  # fmt: skip
_WAVEFORM_NAMES = frozenset({
    "ecg", "ekg", "ppg", "bvp", "hr", "heartrate", "pulse", "bpm", "signal", "eda", "gsr", "temp",
    "temperature", "resp",
})  # fmt: skip
_SAMPLED = re.compile(r"^#.*sampling[ _]?(rate|frequency)\b\D*\d", re.IGNORECASE)
_LONGEST_NAME = 200
"""Characters of a column's name or of a comment that are looked at."""
_OTHER_DEVICES = ("phone timestamp", "phone data rx timestamp")


@dataclass(frozen=True, slots=True)
class Layout:
    """Layout of one file."""

    dialect: str
    separator: str | None
    """None: blanks of any number."""
    decimal_comma: bool
    first_row: int
    """0-based index of the first line with data."""
    rr_column: int | None
    """None: every field of a row is an interval."""
    time_column: int | None
    unit: str | None
    """``ms`` or ``s`` when the header states it."""
    header: tuple[str, ...] = ()
    start_line: str | None = None
    """A line above the header that holds the start."""


@dataclass(frozen=True, slots=True)
class NoLayout:
    """Why lines are no beat intervals."""

    reason: str


def layout_of(lines: Sequence[str]) -> Layout | NoLayout:
    """Layout of a file from its first lines.

    Raises
    ------
    InputError
        When two readings of the file fit equally well.
    """
    content = [(i, line.strip()) for i, line in enumerate(lines) if line.strip() and not line.lstrip().startswith("#")]
    if not content:
        return NoLayout("holds no data lines")
    if any(_SAMPLED.match(line.strip()[:_LONGEST_NAME]) for line in lines[:50]):
        return NoLayout("its comments state a sampling rate: a waveform, not a list of intervals")
    first = content[0][1]
    if first == "[Params]":
        return _hrm(lines)
    if first.casefold().startswith(_OTHER_DEVICES):
        return NoLayout("is a file of the Polar Sensor Logger")
    if _DATE_LINE.match(first) and len(content) > 1:
        named = _named(content[1:], "selfloops")
        if isinstance(named, Layout):
            return Layout(**{**{f: getattr(named, f) for f in named.__slots__}, "start_line": first})
        return named
    if not _is_row(first):
        named = _named(content, "columns")
        title = _key(first)
        if isinstance(named, Layout) or not _mostly_rows([line for _, line in content]):
            return named
        # a title of one word above a plain list is no column name, unless it names something else
        if _separator(first) is not None or title in _WAVEFORM_NAMES:
            return named
    return _unnamed([line for _, line in content if _is_row(line)], content[0][0])


def _is_row(line: str) -> bool:
    fields = [f for f in re.split(r"[;,\t ]+", line.strip()) if f]
    return bool(fields) and all(_NUMBER.match(f) for f in fields)


def _mostly_rows(lines: Sequence[str]) -> bool:
    return sum(map(_is_row, lines)) >= 0.5 * len(lines)


def _hrm(lines: Sequence[str]) -> Layout | NoLayout:
    stripped = [line.strip() for line in lines]
    interval = next((line.partition("=")[2] for line in stripped if line.startswith("Interval=")), "")
    if interval != "238":
        return NoLayout(f"Polar .hrm of another recording mode (Interval={interval or '?'}; 238 means RR intervals)")
    if "[HRData]" not in stripped:
        return NoLayout("Polar .hrm without a section [HRData] in its first lines")
    return Layout("polar_hrm", None, False, stripped.index("[HRData]") + 1, 0, None, "ms", ("RR",))


def _key(name: str) -> str:
    # thousands of opening brackets would take the square of their number
    return re.sub(r"[\s\"]+", "", re.sub(r"[(\[].*?[)\]]", "", name[:_LONGEST_NAME])).casefold()


def _unit_in(name: str) -> str | None:
    found = re.search(r"[(\[]\s*(ms|msec|milliseconds?|s|sec|seconds?)\s*[)\]]|_(ms|s)$", name.strip().casefold())
    if not found:
        return None
    return "ms" if (found.group(1) or found.group(2)).startswith("m") else "s"


def _named(content: Sequence[tuple[int, str]], dialect: str) -> Layout | NoLayout:
    """Layout by column names, looked for in the first lines."""
    for index, line in content[:10]:
        separator = _separator(line)
        names = [n.strip() for n in _fields_of_names(line, separator)]
        keys = [_key(name) for name in names]
        if len(keys) == 2 and keys[1] == "ibi" and _NUMBER.match(keys[0]):
            return NoLayout("is IBI.csv of an Empatica E4: give the session's folder or zip")
        if "ecg" in keys:
            return NoLayout("has a column ecg: a waveform export, not a list of intervals")
        at = [i for i, key in enumerate(keys) if key in _RR_NAMES]
        if not at:
            continue
        times = [i for i, key in enumerate(keys) if key in _TIME_NAMES and i not in at]
        which = "hrv_logger" if keys[:3] in (["date", "rr", "sincestart"], ["date", "rr", "since_start"]) else dialect
        following = [text for i, text in content if i > index]
        comma = separator not in (",", None) and any("," in text for text in following)
        return Layout(
            which, separator, comma, index + 1, at[0], times[0] if times else None, _unit_in(names[at[0]]), tuple(names)
        )
    return NoLayout(f"no column of intervals (rr, ibi, nn …) in {content[0][1][:60]!r}")


def _fields_of_names(line: str, separator: str | None) -> list[str]:
    if separator is not None:
        return line.split(separator)
    # "RR (ms)" is one name
    return [line] if _key(line) in _RR_NAMES else line.split()


def _separator(line: str) -> str | None:
    for candidate in ("\t", ";", ","):
        if candidate in line:
            return candidate
    return None


def _unnamed(rows: Sequence[str], first_row: int) -> Layout | NoLayout:
    """Layout of rows of numbers without a header."""
    separator, comma = _separator_of_rows(rows)
    table = [[f for f in (r.split(separator) if separator else r.split()) if f.strip()] for r in rows]
    values = [[_value(f, comma) for f in row] for row in table]
    widths = {len(row) for row in values}
    plain = Layout("plain", separator, comma, first_row, None, None, None)
    if widths == {1}:
        return Layout("plain", separator, comma, first_row, 0, None, None)
    if widths == {2} and len(values) > 1:
        left, right = [row[0] for row in values], [row[1] for row in values]
        if left == right:
            return Layout("plain", separator, comma, first_row, 0, None, None)
        if all(b > a for a, b in itertools.pairwise(left)):
            return Layout("time_and_rr", separator, comma, first_row, 1, 0, None)
        return NoLayout("two columns of which neither is a rising time")
    if len(widths) == 1 and len(values) > 1 and widths.pop() <= 8:
        return NoLayout(f"{len(values[0])} columns without a header: name them")
    if len(values) > 1 and max(len(row) for row in values) > 64:
        return NoLayout("long rows of numbers: more like a waveform than like intervals")
    return plain


def _separator_of_rows(rows: Sequence[str]) -> tuple[str | None, bool]:
    sample = rows[:200]
    for candidate in (";", "\t"):
        if any(candidate in row for row in sample):
            return candidate, any("," in row for row in sample)
    if not any("," in row for row in sample):
        return None, False
    if not all(_COMMA_NUMBER.match(row.strip()) for row in sample):
        fields = [f for row in sample for f in row.split()]
        if all(_COMMA_NUMBER.match(f) or f.isdigit() for f in fields) and not any(", " in row for row in sample):
            return None, True
        return ",", False
    return _lone_commas([row.strip() for row in sample])


def _lone_commas(rows: Sequence[str]) -> tuple[str | None, bool]:
    """Whether ``812,5`` is a decimal comma or two columns, from rows with exactly one comma each."""
    left = [int(row.split(",")[0]) for row in rows]
    right = [row.split(",")[1] for row in rows]
    rising = all(b - a == 1 for a, b in itertools.pairwise(left)) and len(left) > 2
    if rising or left == [int(r) for r in right]:
        return ",", False
    if all(abs(value) <= 9 for value in left) or all(len(r) <= 2 for r in right):
        return None, True
    if all(b > a for a, b in itertools.pairwise(left)) and len(left) > 2:
        return ",", False
    raise InputError(
        "a comma in each row may be a decimal sign or separate two columns",
        found=rows[0],
        expected="a point as decimal sign, or a header that names the columns",
    )


def _value(field: str, comma: bool) -> float:
    try:
        return float(field.replace(",", ".") if comma else field)
    except ValueError:
        return float("nan")


_FORMATS = (
    "%d-%m-%y/%H:%M:%S.%f", "%d/%m/%Y %H:%M:%S", "%d/%m/%Y %H:%M:%S.%f", "%d.%m.%Y %H:%M:%S", "%d.%m.%Y %H:%M:%S.%f",
    "%Y/%m/%d %H:%M:%S", "%Y/%m/%d %H:%M:%S.%f", "%d %B %Y %H:%M:%S",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Stamp:
    """One date and time as written: ns since 1970, in UTC when an offset is stated and as wall clock otherwise."""

    ns: int
    offset_s: int | None


def parse_stamp(text: str) -> Stamp:
    """A date and time in the notations that exports of intervals use.

    Raises
    ------
    ValueError
        When the text is none of them.
    """
    clean = re.sub(r"\s*([+-]\d{2}):?(\d{2})$", r"\1:\2", text.strip()) if ":" in text else text.strip()
    parsed: datetime | None = None
    if len(clean) >= 16:
        try:
            parsed = datetime.fromisoformat(clean)
        except ValueError:
            parsed = None
    for pattern in _FORMATS if parsed is None else ():
        try:
            parsed = datetime.strptime(clean, pattern)  # noqa: DTZ007
            break
        except ValueError:
            continue
    if parsed is None:
        raise ValueError(f"not a date and time: {text[:40]!r}")
    offset = parsed.utcoffset()
    aware = parsed.replace(tzinfo=UTC) if offset is None else parsed.astimezone(UTC)
    since = aware - datetime(1970, 1, 1, tzinfo=UTC)
    ns = (since.days * 86_400 + since.seconds) * 1_000_000_000 + since.microseconds * 1000
    if not -(2**62) < ns < 2**63 - 2**60:
        raise ValueError(f"date outside the years that int64 ns hold: {text[:40]!r}")
    return Stamp(ns, None if offset is None else int(offset.total_seconds()))
