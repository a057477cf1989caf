"""Starts that a file gives as wall-clock time without a zone."""

from __future__ import annotations

from allostat.recording import Epoch, Notice, TimeZone
from allostat_devices.zone_inference import utc_offset_ns, zone_named

NS_PER_MINUTE = 60_000_000_000


def placed_start(local_ns: int | None, zone: TimeZone) -> tuple[int, Epoch]:
    """Start of a recording whose file tells wall-clock time.

    What follows the start is counted in elapsed time, so a change of the clock inside the recording moves nothing.

    Parameters
    ----------
    local_ns
        Wall-clock time in ns since 1970 as if it were UTC; None when the file tells no date.

    Returns
    -------
    start_ns, epoch
        UTC when the zone is known, else the wall-clock time as it is; 0 and ``relative`` without a date.
    """
    if local_ns is None:
        return 0, "relative"
    if zone.name is None:
        return local_ns, "local"
    return local_ns - utc_offset_ns(local_ns, zone_named(zone.name)), "utc"


def zone_to_use(named: TimeZone, told: TimeZone, local_ns: int | None) -> tuple[TimeZone, tuple[Notice, ...]]:
    """The caller's zone where one is named, else the file's; a notice when the two have different offsets.

    Parameters
    ----------
    named, told
        What the caller says, and what the file proves.
    local_ns
        Wall-clock start, at which the offsets are compared.
    """
    if not named.known:
        return told, ()
    if named.name is None or told.name is None or local_ns is None:
        return named, ()
    said = utc_offset_ns(local_ns, zone_named(named.name))
    proved = utc_offset_ns(local_ns, zone_named(told.name))
    if said == proved:
        return named, ()
    message = (
        f"the file states an offset of {proved / NS_PER_MINUTE:+.0f} min from UTC, "
        f"{named.name} has {said / NS_PER_MINUTE:+.0f} min at that time: {named.name} is used"
    )
    return named, (Notice("zone_differs", message),)
