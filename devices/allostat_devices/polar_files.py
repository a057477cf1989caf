"""Files of the Polar Sensor Logger: which stream a header stands for, and its rows as arrays."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from allostat.errors import InputError
from allostat.kernels import text_columns
from allostat.source import Source
from allostat_devices.clock_blocks import usable_stamps
from allostat_devices.number_columns import Column, floats, integers, read_table
from allostat_devices.skipped_rows import SkippedRows
from allostat_devices.text_lines import open_table, readable

if TYPE_CHECKING:
    from numpy.typing import NDArray

FileKind = Literal["ecg", "ppg", "acc", "gyro", "magn", "rr", "ppi", "hr", "marker"]

SENSOR_EPOCH_NS = 946_684_800 * 1_000_000_000
"""2000-01-01 UTC, from which the sensor clock counts."""
PHONE = ("phone timestamp", "phone data rx timestamp")
SENSOR = "sensor timestamp [ns]"

NOMINAL_HZ: dict[str, tuple[float, ...]] = {
    "ecg": (130.0,),
    "ppg": (28.0, 44.0, 55.0, 135.0, 176.0),
    "acc": (25.0, 26.0, 50.0, 52.0, 100.0, 104.0, 200.0, 208.0, 416.0),
    "gyro": (26.0, 52.0, 104.0, 208.0, 416.0),
    "magn": (10.0, 20.0, 50.0, 100.0),
}
_AXES = {"acc": "[mg]", "gyro": "[dps]", "magn": "[g]"}
_CHANNEL = re.compile(r"^channel (\d+)$")
_PHONE_TIME = re.compile(r"\s*\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d{1,9})?\s*")


@dataclass(frozen=True, slots=True)
class FileHeader:
    """First line of a file."""

    kind: FileKind
    names: tuple[str, ...]
    """Column names in small letters, without blanks around them; a name may occur twice."""

    @property
    def has_sensor_time(self) -> bool:
        """Whether rows carry the sensor clock."""
        return SENSOR in self.names


@dataclass(frozen=True, slots=True)
class FileRows:
    """Rows of one file, in order of time."""

    header: FileHeader
    phone_ns: NDArray[np.int64]
    """Naive local time of the phone as if it were UTC."""
    sensor_ns: NDArray[np.int64] | None
    """Sensor clock in ns since 1970; None where the file has none or it stands at 0."""
    values: dict[str, NDArray[Any]] = field(default_factory=dict)
    lines: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))

    def __len__(self) -> int:
        return len(self.phone_ns)


def column_names(line: str) -> tuple[str, ...]:
    """Names of a header line, in small letters, without blanks and without empty ones at the end."""
    names = [name.strip().casefold().replace("µ", "u").replace("μ", "u") for name in line.split(";")]
    while names and not names[-1]:
        names.pop()
    return tuple(names)


def kind_of(names: Sequence[str]) -> FileKind | None:
    """Stream that column names stand for; None when they are of no file of this logger."""
    if not names or names[0] not in PHONE:
        return None
    if "marker start/stop" in names:
        return "marker"
    if "ecg [uv]" in names:
        return "ecg"
    if "pp-interval [ms]" in names:
        return "ppi"
    if "rr-interval [ms]" in names:
        return "rr"
    for kind in ("acc", "gyro", "magn"):
        if any(f"{axis} {_AXES[kind]}" in names for axis in "xyz"):
            return kind
    if any(_CHANNEL.match(name) for name in names):
        return "ppg"
    return "hr" if "hr [bpm]" in names else None


def value_columns(header: FileHeader, where: str) -> dict[str, int]:
    """Columns to read beside the time, by the name under which their values are kept.

    Raises
    ------
    InputError
        When a column that the stream needs is missing; the nearest name is offered.
    """
    names = header.names
    match header.kind:
        case "acc" | "gyro" | "magn":
            wanted = {axis: f"{axis} {_AXES[header.kind]}" for axis in "xyz"}
        case "ecg":
            wanted = {"ecg": "ecg [uv]"}
        case "ppg":
            wanted = {name.replace("channel ", ""): name for name in names if _CHANNEL.match(name)}
            wanted |= {"ambient": "ambient"} if "ambient" in names else {}
        case "rr":
            wanted = {"interval": "rr-interval [ms]"}
        case "ppi":
            wanted = {"interval": "pp-interval [ms]", "error": "error estimate [ms]", "blocker": "blocker"}
        case "hr":
            wanted = {"hr": "hr [bpm]"}
        case "marker":
            return {}
    if header.kind in NOMINAL_HZ:
        _require(names, SENSOR, where)
    for name in wanted.values():
        _require(names, name, where)
    columns = {key: names.index(name) for key, name in wanted.items()}
    if header.kind == "ppi":
        columns |= _contact_columns(names)
        columns |= {"hr": names.index("hr [bpm]")} if "hr [bpm]" in names else {}
    return columns


def _contact_columns(names: Sequence[str]) -> dict[str, int]:
    """Contact status and whether contact is supported, under either pair of names; variant B repeats ``contact``."""
    if "skin contact" in names and "skin contact supported" in names:
        return {"contact": names.index("skin contact"), "contact_supported": names.index("skin contact supported")}
    at = [i for i, name in enumerate(names) if name == "contact"]
    return {"contact": at[0], "contact_supported": at[1]} if len(at) == 2 else {}


def _require(names: Sequence[str], name: str, where: str) -> None:
    if name not in names:
        raise InputError("column is missing", where=f"{where}, line 1", found=name, valid=names)


def phone_times(cells: Sequence[str]) -> NDArray[np.int64]:
    """Naive ISO times as ns since 1970; ValueError when one is none."""
    if not all(map(_PHONE_TIME.fullmatch, cells)):
        raise ValueError("not a time of the phone")
    stamps = np.array([cell.strip() for cell in cells], dtype="datetime64[ns]")
    years = stamps.astype("datetime64[Y]").astype(np.int64) + 1970
    if len(cells) and not ((years >= 1990) & (years < 2200)).all():
        raise ValueError("year of a phone time is implausible")
    return stamps.astype(np.int64)


def read_header(line: str, where: str) -> FileHeader:
    """The header of a file.

    Raises
    ------
    InputError
        When no stream can be recognised.
    """
    names = column_names(readable(line))
    kind = kind_of(names)
    if kind is None:
        raise InputError(
            "header belongs to no stream of the Polar Sensor Logger",
            where=f"{where}, line 1",
            found=line.strip()[:80],
            expected="Phone timestamp;… with a column of ECG, RR, PP, HR, PPG, ACC, GYRO, MAGN or markers",
        )
    return FileHeader(kind, names)


def read_rows(source: Source, member: str | None, where: str, skipped: SkippedRows) -> FileRows:
    """All usable rows of a file; the time of the sensor is used where there is one, else that of the phone.

    Raises
    ------
    InputError
        When the header is not understood or a column is missing.
    """
    with open_table(source, member) as (first_line, blocks):
        header = read_header(first_line, where)
        wanted = value_columns(header, where)
        columns = [Column(0, phone_times, "bad_time", text_columns.STAMP_NS)]
        if header.has_sensor_time:
            columns.append(Column(header.names.index(SENSOR), integers, "bad_time"))
        columns += [Column(index, floats) for index in wanted.values()]
        (phone, *rest), lines = read_table(blocks, ";", len(header.names), columns, skipped)
    sensor = _sensor(rest.pop(0)) if header.has_sensor_time else None
    values = dict(zip(wanted, rest, strict=True))
    return _in_order(FileRows(header, phone, sensor, values, lines), skipped)


def _sensor(stamps: NDArray[np.int64]) -> NDArray[np.int64] | None:
    """Sensor clock since 1970; None when it stands still or cannot count from 2000."""
    if not len(stamps):
        return None
    least, most = int(stamps.min()), int(stamps.max())
    if least <= 0 or most > 2**62 or (least == most and len(stamps) > 1):
        return None
    stamps += SENSOR_EPOCH_NS  # in place: they were read for this
    return stamps


def _in_order(rows: FileRows, skipped: SkippedRows) -> FileRows:
    if rows.header.kind in ("rr", "ppi") and rows.sensor_ns is None:
        # stamps of arrival repeat and step back: placing the beats deals with them
        return rows
    keep = usable_stamps(rows.phone_ns if rows.sensor_ns is None else rows.sensor_ns, rows.lines, skipped)
    if keep is None:
        return rows
    return FileRows(
        rows.header,
        rows.phone_ns[keep],
        None if rows.sensor_ns is None else rows.sensor_ns[keep],
        {key: values[keep] for key, values in rows.values.items()},
        rows.lines[keep],
    )


def nominal_rate(kind: str, rate_hz: float) -> float:
    """The vendor's rate nearest to an effective one; NaN when none lies within 2 %."""
    near = [nominal for nominal in NOMINAL_HZ.get(kind, ()) if abs(nominal / rate_hz - 1.0) <= 0.02]
    return min(near, key=lambda nominal: abs(nominal - rate_hz)) if near else math.nan
