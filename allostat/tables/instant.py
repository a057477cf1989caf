"""Instants of samples and diary entries: an ISO time with its offset, or a naive local time that says it is one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Literal, Self

from allostat.errors import InputError, TimeZoneError
from allostat.recording import NS_PER_S
from allostat.zones import zone_info as zone_info

_YEARS = range(1900, 2201)
"""Years that a clock in a study can show; others are typing errors and would overflow the nanoseconds."""
_UNIX_START = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Instant:
    """A point in time.

    Parameters
    ----------
    time_ns
        Since 1970-01-01 UTC when ``epoch`` is ``utc``; on the naive wall clock when it is ``local``.
    utc_offset_s
        Local time minus UTC in s, when it is known; it tells the wall clock of a ``utc`` instant.
    """

    time_ns: int
    epoch: Literal["utc", "local"]
    utc_offset_s: int | None = None

    @classmethod
    def of(cls, moment: datetime) -> Self:
        """The instant of a datetime; one without zone is a naive local time.

        Raises
        ------
        InputError
            A year before 1900 or after 2200.
        """
        _refuse_year(moment.year, moment.isoformat(), None)
        offset = moment.utcoffset()
        span = moment.replace(tzinfo=UTC) - _UNIX_START
        wall_ns = (span.days * 86_400 + span.seconds) * NS_PER_S + span.microseconds * 1_000
        if offset is None:
            return cls(wall_ns, "local")
        offset_s = round(offset.total_seconds())
        return cls(wall_ns - offset_s * NS_PER_S, "utc", offset_s)

    @property
    def wall_ns(self) -> int | None:
        """The local wall clock as ns since 1970-01-01 00:00 of that clock; None when the offset is not known."""
        if self.epoch == "local":
            return self.time_ns
        return None if self.utc_offset_s is None else self.time_ns + self.utc_offset_s * NS_PER_S

    @property
    def wall_date(self) -> date | None:
        """The local calendar date."""
        wall = self.wall_ns
        return None if wall is None else (_UNIX_START + timedelta(microseconds=wall // 1000)).date()

    @property
    def wall_hour(self) -> float:
        """Hours since local midnight, 0 to 24; NaN when the local clock is not known."""
        wall = self.wall_ns
        return float("nan") if wall is None else wall % (86_400 * NS_PER_S) / (3_600 * NS_PER_S)

    def in_zone(self, zone: str, *, where: str | None = None) -> Instant:
        """This instant as UTC with the offset that ``zone`` has then.

        A local time that occurs twice (autumn) is taken as the first; one that does not occur (spring) is an error.

        Raises
        ------
        TimeZoneError
            Unknown zone, or a wall clock time that the zone skips.
        """
        info = zone_info(zone, where=where)
        moment = _UNIX_START + timedelta(microseconds=self.time_ns // 1000)
        if self.epoch == "utc":
            offset = moment.astimezone(info).utcoffset()
            return Instant(self.time_ns, "utc", round(offset.total_seconds()) if offset else 0)
        placed = moment.replace(tzinfo=info)
        back = placed.astimezone(UTC).astimezone(info)
        if back.replace(tzinfo=None) != placed.replace(tzinfo=None):
            raise TimeZoneError(
                f"this local time does not occur in {zone} (clocks go forward)",
                where=where,
                found=placed.replace(tzinfo=None).isoformat(),
            )
        return Instant.of(placed)


def parse_instant(text: str, *, where: str | None = None) -> Instant:
    """An ISO 8601 date and time, with UTC offset or ``Z``, or without (naive local).

    Raises
    ------
    InputError
        When it is no ISO date and time, or has no time of day.
    """
    stripped = text.strip()
    try:
        moment = datetime.fromisoformat(stripped)
    except ValueError as error:
        raise InputError(
            "not a date and time", where=where, found=stripped, expected="ISO 8601, for example 2024-03-01T07:05"
        ) from error
    if len(stripped) <= 10 and ":" not in stripped:
        raise InputError("date without a time of day", where=where, found=stripped, expected="2024-03-01T07:05")
    _refuse_year(moment.year, stripped, where)
    return Instant.of(moment)


def parse_date(text: str, *, where: str | None = None) -> date:
    """An ISO 8601 calendar date."""
    try:
        day = date.fromisoformat(text.strip())
    except ValueError as error:
        raise InputError("not a date", where=where, found=text.strip(), expected="ISO 8601, 2024-03-01") from error
    _refuse_year(day.year, text.strip(), where)
    return day


def _refuse_year(year: int, text: str, where: str | None) -> None:
    if year not in _YEARS:
        raise InputError("implausible year", where=where, found=text, expected="1900 to 2200")


def parse_clock(text: str, day: date, *, where: str | None = None) -> Instant:
    """A date and time as `parse_instant`, or a clock time such as ``07:05`` on ``day`` (naive local)."""
    stripped = text.strip()
    if re.fullmatch(r"\d{1,2}:\d{2}(:\d{2})?", stripped):
        try:
            clock = datetime.strptime(stripped if stripped.count(":") == 2 else stripped + ":00", "%H:%M:%S").time()  # noqa: DTZ007 (a wall clock has no zone)
        except ValueError as error:
            raise InputError("not a clock time", where=where, found=stripped, expected="00:00 to 23:59") from error
        return Instant.of(datetime.combine(day, clock))
    return parse_instant(stripped, where=where)
