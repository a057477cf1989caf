"""What a strap itself can do wrong: answers of its control point, streams that end, its clock, its heart rate packets.

Each is struck at a moment of one's own (`VirtualStrap.inflict`) or by a script (`fault_script`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from allostat.errors import ConfigError
from allostat_devices.virtual.heart_rate import Battery, HeartRate
from allostat_devices.virtual.polar_measurement import PolarMeasurement

if TYPE_CHECKING:
    from allostat_devices.virtual.strap import VirtualStrap

SETTINGS, START, STOP = 1, 2, 3
"""Operations of Polar's control point."""


def _control(strap: VirtualStrap) -> PolarMeasurement:
    service = strap.service(PolarMeasurement)
    if service is None:
        raise ConfigError("this strap has no control point for measurements", found=strap.advertisement.name)
    return service


@dataclass(frozen=True, slots=True)
class AnswerStatus:
    """The next requests are refused with a status, and not carried out.

    Attributes
    ----------
    status
        0 to 14, or any other byte.
    operation, stream
        Only requests with these; None = any.
    times
        How many.
    """

    status: int
    operation: int | None = None
    stream: int | None = None
    times: int = 1

    def strike(self, strap: VirtualStrap) -> None:
        """See `fault_script.Fault.strike`."""
        _control(strap).refuse(self.status, self.operation, self.stream, self.times)


@dataclass(frozen=True, slots=True)
class AnswerLate:
    """The next answers come so many seconds after the request, which is carried out at once."""

    seconds: float
    times: int = 1

    def strike(self, strap: VirtualStrap) -> None:
        """See `fault_script.Fault.strike`."""
        _control(strap).delays_s.extend([self.seconds] * self.times)


@dataclass(frozen=True, slots=True)
class AnswerMissing:
    """The next requests are carried out and never answered."""

    times: int = 1

    def strike(self, strap: VirtualStrap) -> None:
        """See `fault_script.Fault.strike`."""
        _control(strap).delays_s.extend([math.inf] * self.times)


@dataclass(frozen=True, slots=True)
class AnswerSplit:
    """The next answers come in indications with at most so many bytes of parameters each."""

    piece_bytes: int = 4
    times: int = 1

    def strike(self, strap: VirtualStrap) -> None:
        """See `fault_script.Fault.strike`."""
        _control(strap).pieces_bytes.extend([self.piece_bytes] * self.times)


@dataclass(frozen=True, slots=True)
class StrayAnswer:
    """An answer that nobody asked for."""

    value: bytes = bytes.fromhex("f003020000")

    def strike(self, strap: VirtualStrap) -> None:
        """See `fault_script.Fault.strike`."""
        _control(strap).stray(self.value)


@dataclass(frozen=True, slots=True)
class StopStreams:
    """The device ends streams by itself and says so (``[01 …]``); none named = all that run."""

    streams: tuple[int, ...] = ()

    def strike(self, strap: VirtualStrap) -> None:
        """See `fault_script.Fault.strike`."""
        service = _control(strap)
        service.stop_by_itself(self.streams or tuple(sorted(service.streaming)))


@dataclass(frozen=True, slots=True)
class SilentStreams:
    """Streams go on by the device's state but send nothing for some seconds (a watchdog's case)."""

    seconds: float

    def strike(self, strap: VirtualStrap) -> None:
        """See `fault_script.Fault.strike`."""
        _control(strap).silent_until_s = strap.now() + self.seconds


# --- clock, heart rate, battery


@dataclass(frozen=True, slots=True)
class ClockReset:
    """The strap's clock falls back to 2019-01-01."""

    def strike(self, strap: VirtualStrap) -> None:
        """See `fault_script.Fault.strike`."""
        strap.clock.reset(strap.now())


@dataclass(frozen=True, slots=True)
class ClockStep:
    """The strap's clock is moved by so many seconds (the host sets its time)."""

    seconds: float

    def strike(self, strap: VirtualStrap) -> None:
        """See `fault_script.Fault.strike`."""
        strap.clock.step(self.seconds)


@dataclass(frozen=True, slots=True)
class ClockDrift:
    """The strap's clock runs so much faster than true time; streams that run keep their sampling."""

    ppm: float

    def strike(self, strap: VirtualStrap) -> None:
        """See `fault_script.Fault.strike`."""
        strap.clock.drift(strap.now(), self.ppm)


def _heart_rate(strap: VirtualStrap) -> HeartRate:
    service = strap.service(HeartRate)
    if service is None:
        raise ConfigError("this strap has no heart rate service", found=strap.advertisement.name)
    return service


def _for_a_while(strap: VirtualStrap, seconds: float, switch: Callable[[bool], None]) -> None:
    switch(True)
    if math.isfinite(seconds):
        strap.loop.call_later(seconds, switch, False)


@dataclass(frozen=True, slots=True)
class ContactOff:
    """No skin contact for some seconds: no beats, heart rate 0."""

    seconds: float = math.inf

    def strike(self, strap: VirtualStrap) -> None:
        """See `fault_script.Fault.strike`."""
        service = _heart_rate(strap)

        def switch(off: bool) -> None:
            service.contact = not off

        _for_a_while(strap, self.seconds, switch)


@dataclass(frozen=True, slots=True)
class WideHeartRate:
    """Heart rate in two bytes for some seconds."""

    seconds: float = math.inf

    def strike(self, strap: VirtualStrap) -> None:
        """See `fault_script.Fault.strike`."""
        service = _heart_rate(strap)

        def switch(on: bool) -> None:
            service.wide = on

        _for_a_while(strap, self.seconds, switch)


@dataclass(frozen=True, slots=True)
class RrFlagOff:
    """Packets without intervals for some seconds; intervals that end meanwhile are lost."""

    seconds: float = math.inf

    def strike(self, strap: VirtualStrap) -> None:
        """See `fault_script.Fault.strike`."""
        service = _heart_rate(strap)

        def switch(off: bool) -> None:
            service.rr_flag = not off

        _for_a_while(strap, self.seconds, switch)


@dataclass(frozen=True, slots=True)
class RrHeld:
    """No heart rate packets for some seconds; intervals wait, and the oldest fall out when the buffer is full."""

    seconds: float

    def strike(self, strap: VirtualStrap) -> None:
        """See `fault_script.Fault.strike`."""
        _heart_rate(strap).held_until_s = strap.now() + self.seconds


@dataclass(frozen=True, slots=True)
class Energy:
    """The energy counter is switched on and stands at so many kJ; 65535 = full."""

    kilojoules: int

    def strike(self, strap: VirtualStrap) -> None:
        """See `fault_script.Fault.strike`."""
        service = _heart_rate(strap)
        service.supports_energy = True
        service.energy_kj = float(self.kilojoules)


@dataclass(frozen=True, slots=True)
class BatteryLevel:
    """The battery stands at so many percent, and the host is told."""

    percent: int

    def strike(self, strap: VirtualStrap) -> None:
        """See `fault_script.Fault.strike`."""
        service = strap.service(Battery)
        if service is None:
            raise ConfigError("this strap has no battery service", found=strap.advertisement.name)
        service.set(self.percent)
