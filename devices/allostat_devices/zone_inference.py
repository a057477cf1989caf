"""Time zones: named by the caller, read from an offset, or inferred from two clocks of one recording."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import TYPE_CHECKING

import numpy as np

from allostat.adapter import ReadOptions
from allostat.recording import UNKNOWN_ZONE, TimeZone, ZoneSource
from allostat.zones import zone_info

if TYPE_CHECKING:
    from numpy.typing import NDArray

QUARTER_NS = 15 * 60 * 1_000_000_000
LARGEST_OFFSET_NS = 14 * 3600 * 1_000_000_000
zone_named = zone_info
"""The zone of a name, as all of allostat reads names."""


def zone_of_options(options: ReadOptions) -> TimeZone:
    """The zone that the caller named, checked; unknown when none was named."""
    if options.timezone is None:
        return UNKNOWN_ZONE
    zone_info(options.timezone)
    source: ZoneSource = "user" if options.timezone_source == "unknown" else options.timezone_source
    return TimeZone(options.timezone, source)


def fixed_offset_name(offset_ns: int) -> str:
    """``UTC+02:00`` for an offset in ns."""
    minutes = round(offset_ns / 60e9)
    return f"UTC{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"


def utc_offset_ns(local_ns: int, zone: tzinfo, fold: int = 0) -> int:
    """Offset from UTC of a wall-clock time in a zone, both in ns."""
    wall = datetime(1970, 1, 1) + timedelta(microseconds=local_ns // 1000)  # noqa: DTZ001
    offset = wall.replace(tzinfo=zone, fold=fold).utcoffset()
    assert offset is not None
    return round(offset.total_seconds()) * 1_000_000_000


def local_to_utc(local_ns: NDArray[np.int64], zone: tzinfo) -> NDArray[np.int64]:
    """Wall-clock times of one recording as UTC.

    Clock changes inside the recording are followed; in the hour that occurs twice, rows after a step back of the
    clock belong to its second pass.
    """
    if not len(local_ns):
        return local_ns.astype(np.int64)
    stepped_back = np.concatenate([[False], np.diff(local_ns) < -QUARTER_NS])
    second_pass = np.logical_or.accumulate(stepped_back).astype(np.int64)
    keys = np.stack([local_ns // QUARTER_NS, second_pass])
    unique, which = np.unique(keys, axis=1, return_inverse=True)
    offsets = [utc_offset_ns(int(quarter) * QUARTER_NS, zone, int(fold)) for quarter, fold in unique.T]
    return np.asarray(local_ns - np.array(offsets, np.int64)[which.reshape(-1)], dtype=np.int64)


@dataclass(frozen=True, slots=True)
class InferredOffset:
    """Offset of the phone's wall clock from a device clock in UTC, rounded to a quarter of an hour."""

    offset_ns: int
    weak: bool
    """True for 0: a device clock set to local time looks the same as a participant in UTC."""

    @property
    def zone(self) -> TimeZone:
        """The zone that the offset stands for."""
        return TimeZone(fixed_offset_name(self.offset_ns), "inferred", self.weak)


def infer_offset(phone_minus_device_ns: int) -> InferredOffset | None:
    """The zone offset in the difference between a phone's wall clock and a device clock.

    Returns
    -------
    InferredOffset or None
        None when the difference exceeds 14 hours: the device clock was never set, and tells no absolute time.
    """
    if abs(phone_minus_device_ns) > LARGEST_OFFSET_NS:
        return None
    rounded = round(phone_minus_device_ns / QUARTER_NS) * QUARTER_NS
    return InferredOffset(rounded, rounded == 0)
