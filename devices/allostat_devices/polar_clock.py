"""Both clocks of a Polar Sensor Logger recording, brought to one axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import TYPE_CHECKING

import numpy as np

from allostat.adapter import ReadOptions
from allostat.recording import Epoch, Notice, TimeZone
from allostat.zones import zone_info
from allostat_devices.clock_blocks import median_of
from allostat_devices.polar_files import FileRows
from allostat_devices.zone_inference import (
    fixed_offset_name,
    infer_offset,
    local_to_utc,
    utc_offset_ns,
    zone_of_options,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Placement:
    """How sensor times and phone times become instants of one epoch."""

    epoch: Epoch
    zone: TimeZone
    sensor_shift_ns: int = 0
    phone_shift_ns: int = 0
    phone_zone: tzinfo | None = None
    """Zone by which phone times become UTC before the shift, row by row."""
    notices: tuple[Notice, ...] = ()

    def of_sensor(self, sensor_ns: NDArray[np.int64]) -> NDArray[np.int64]:
        """Instants of sensor times."""
        return sensor_ns + self.sensor_shift_ns

    def of_phone(self, phone_ns: NDArray[np.int64]) -> NDArray[np.int64]:
        """Instants of phone times."""
        utc = phone_ns if self.phone_zone is None else local_to_utc(phone_ns, self.phone_zone)
        return utc + self.phone_shift_ns


def place_in_time(files: Sequence[FileRows], marker_ns: Sequence[int], options: ReadOptions) -> Placement:
    """Epoch, zone and shifts of a recording.

    The difference between phone and sensor clock is that of the stream which arrived with the least delay: its rest
    beside the zone offset is taken off phone times, so that what the phone stamped stands on the sensor clock.
    """
    zone = zone_of_options(options)
    named = None if zone.name is None else zone_info(zone.name)
    differences = [int(median_of(f.phone_ns - f.sensor_ns)) for f in files if f.sensor_ns is not None]
    phone_starts = [int(f.phone_ns[0]) for f in files] + list(marker_ns)
    if not differences:
        return Placement("local" if named is None else "utc", zone, phone_zone=named)
    difference = min(differences)
    inferred = infer_offset(difference)
    if inferred is None:
        return _unset(difference, zone, named, min(phone_starts))
    rest = difference - inferred.offset_ns
    if named is None:
        notice = Notice("zone_inferred", f"zone {inferred.zone.name} inferred from phone and sensor clock", "info")
        weak = Notice(
            "zone_weak",
            "phone and sensor clock agree: the participant is in UTC, or the sensor clock was set to local time",
        )
        notices = (notice, weak) if inferred.weak else (notice,)
        return Placement("utc", inferred.zone, 0, -difference, notices=notices)
    stated = utc_offset_ns(min(phone_starts), named)
    if stated == inferred.offset_ns:
        return Placement("utc", zone, 0, -rest, named)
    if inferred.weak:
        notice = Notice(
            "device_clock_local",
            f"phone and sensor clock agree although the zone is {zone.name}: the sensor clock is taken as local time",
        )
        return Placement("utc", zone, -stated, -rest, named, (notice,))
    notice = Notice(
        "zone_conflict",
        f"phone and sensor clock differ by {fixed_offset_name(inferred.offset_ns)}, the zone {zone.name} by "
        f"{fixed_offset_name(stated)}: instants follow the sensor clock",
    )
    return Placement("utc", zone, 0, -difference, notices=(notice,))


def _unset(difference_ns: int, zone: TimeZone, named: tzinfo | None, first_phone_ns: int) -> Placement:
    notice = Notice("clock_unset", "the sensor clock was never set: absolute time comes from the phone")
    if named is None:
        return Placement("local", zone, difference_ns, 0, notices=(notice,))
    offset = utc_offset_ns(first_phone_ns, named)
    return Placement("utc", zone, difference_ns - offset, 0, named, (notice,))
