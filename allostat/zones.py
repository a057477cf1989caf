"""Time zones by name, and wall clocks of many instants."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

import numpy as np
from numpy.typing import NDArray

from allostat.errors import TimeZoneError
from allostat.recording import NS_PER_S, Epoch, TimeZone

_FIXED = re.compile(r"UTC|GMT|Z|(?:UTC|GMT)?([+-])(\d{1,2})(?::?([0-5]\d))?", re.IGNORECASE)
_LARGEST_OFFSET = timedelta(hours=14)
_QUARTER_NS = 900 * NS_PER_S
"""Offsets change on quarters of an hour UTC."""


def zone_info(name: str, *, where: str | None = None) -> tzinfo:
    """The zone of an IANA name (``Europe/Vienna``) or a fixed offset (``UTC+02:00``, ``+0200``, ``UTC``, ``Z``).

    Raises
    ------
    TimeZoneError
        When there is no such zone; the message offers the nearest name.
    """
    text = name.strip()
    fixed = _FIXED.fullmatch(text)
    if fixed:
        offset = timedelta(hours=int(fixed[2] or 0), minutes=int(fixed[3] or 0))
        if offset <= _LARGEST_OFFSET:
            return timezone(-offset if fixed[1] == "-" else offset)
    try:
        return ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise TimeZoneError(
            "unknown time zone",
            where=where,
            found=name,
            expected="an IANA name or UTC+hh:mm",
            valid=available_timezones(),
        ) from error


def local_times(times_ns: NDArray[np.integer[Any]], zone: TimeZone | str, epoch: Epoch = "utc") -> NDArray[np.int64]:
    """Wall-clock instants: ns since 1970-01-01 00:00 of the local clock.

    Parameters
    ----------
    times_ns
        Instants, any shape.
    zone
        Zone of the participant: an IANA name or a fixed offset such as ``UTC+02:00``.
    epoch
        What the instants count from. ``local`` instants are wall-clock instants already.

    Returns
    -------
    wall_ns
        int64, shape of ``times_ns``. ``wall_ns % 86_400_000_000_000`` is the clock time.

    Raises
    ------
    TimeZoneError
        When the zone is unknown, or the instants count from the start of a recording whose date is not known.
    """
    times = np.asarray(times_ns, dtype=np.int64)
    if epoch == "local":
        return times
    if epoch == "relative":
        raise TimeZoneError("clock times need a date: the recording tells only the time since its start", found=epoch)
    name = zone.name if isinstance(zone, TimeZone) else zone
    if name is None:
        raise TimeZoneError(
            "clock times need the participant's time zone, which is not known", expected="a zone such as Europe/Vienna"
        )
    info = zone_info(name)
    quarters, which = np.unique(times // _QUARTER_NS, return_inverse=True)
    return times + np.array([_offset_ns(int(q), info) for q in quarters], dtype=np.int64)[which].reshape(times.shape)


def _offset_ns(quarter: int, info: tzinfo) -> int:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=900 * quarter)
    offset = moment.astimezone(info).utcoffset()
    return 0 if offset is None else round(offset.total_seconds()) * NS_PER_S
