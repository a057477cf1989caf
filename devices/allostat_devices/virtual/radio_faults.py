"""What can go wrong between a strap and the host: notifications lost, late, doubled or spoilt; the connection.

Each is struck at a moment of one's own (`VirtualStrap.inflict`) or by a script (`fault_script`). What the strap itself
does wrong is in `device_faults`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from allostat_devices.virtual.air import LossRates
from allostat_devices.virtual.polar_measurement import PolarMeasurement

if TYPE_CHECKING:
    from allostat_devices.virtual.strap import VirtualStrap


@dataclass(frozen=True, slots=True)
class Drop:
    """The next notifications never arrive.

    Attributes
    ----------
    count
        How many.
    characteristic
        UUID of those it happens to; None = any.
    """

    count: int = 1
    characteristic: str | None = None

    def strike(self, strap: VirtualStrap) -> None:
        """See `fault_script.Fault.strike`."""
        strap.air.befall("drop", self.count, self.characteristic)


@dataclass(frozen=True, slots=True)
class Duplicate:
    """The next notifications arrive twice; attributes as `Drop`."""

    count: int = 1
    characteristic: str | None = None

    def strike(self, strap: VirtualStrap) -> None:
        """See `fault_script.Fault.strike`."""
        strap.air.befall("duplicate", self.count, self.characteristic)


@dataclass(frozen=True, slots=True)
class Reorder:
    """The next notifications arrive late, after those that follow them; attributes as `Drop`."""

    count: int = 1
    characteristic: str | None = None

    def strike(self, strap: VirtualStrap) -> None:
        """See `fault_script.Fault.strike`."""
        strap.air.befall("reorder", self.count, self.characteristic)


@dataclass(frozen=True, slots=True)
class Truncate:
    """The next notifications lose their end; attributes as `Drop`."""

    count: int = 1
    characteristic: str | None = None

    def strike(self, strap: VirtualStrap) -> None:
        """See `fault_script.Fault.strike`."""
        strap.air.befall("truncate", self.count, self.characteristic)


@dataclass(frozen=True, slots=True)
class FlipBit:
    """The next notifications have one wrong bit; attributes as `Drop`."""

    count: int = 1
    characteristic: str | None = None

    def strike(self, strap: VirtualStrap) -> None:
        """See `fault_script.Fault.strike`."""
        strap.air.befall("flip", self.count, self.characteristic)


@dataclass(frozen=True, slots=True)
class Garbage:
    """Notifications of random bytes and lengths, beside the real ones.

    Attributes
    ----------
    characteristic
        UUID on which they come; None = any that the host listens to.
    """

    count: int = 1
    characteristic: str | None = None

    def strike(self, strap: VirtualStrap) -> None:
        """See `fault_script.Fault.strike`."""
        for _ in range(self.count):
            heard = [self.characteristic] if self.characteristic else strap.subscriptions
            if not heard:
                return
            length = strap.random.randint(0, strap.mtu_bytes - 3)
            strap.push(strap.random.choice(heard), strap.random.randbytes(length))


@dataclass(frozen=True, slots=True)
class Stall:
    """Nothing arrives for some seconds; then all at once."""

    seconds: float

    def strike(self, strap: VirtualStrap) -> None:
        """See `fault_script.Fault.strike`."""
        strap.air.stall(strap.now() + self.seconds)


@dataclass(frozen=True, slots=True)
class Losses:
    """From now on notifications are lost, doubled … by chance; None ends it."""

    rates: LossRates | None

    def strike(self, strap: VirtualStrap) -> None:
        """See `fault_script.Fault.strike`."""
        strap.air.lose(self.rates)


# --- the connection


@dataclass(frozen=True, slots=True)
class Disconnect:
    """The strap ends the connection.

    Attributes
    ----------
    mid_frame
        Wait for the moment when a frame is half full.
    """

    mid_frame: bool = False

    def strike(self, strap: VirtualStrap) -> None:
        """See `fault_script.Fault.strike`."""
        service = strap.service(PolarMeasurement)
        wait_s = service.until_mid_frame_s() if self.mid_frame and service is not None else 0.0
        connection = strap.truth.connections
        strap.loop.call_later(wait_s, strap.drop_link, connection)


@dataclass(frozen=True, slots=True)
class OutOfRange:
    """The strap is out of reach for some seconds.

    Shorter than its supervision timeout: the link layer repeats and all arrives at once. Longer: the link is lost with
    all that was on its way, and both sides notice at the timeout.
    """

    seconds: float

    def strike(self, strap: VirtualStrap) -> None:
        """See `fault_script.Fault.strike`."""
        strap.leave(self.seconds)


@dataclass(frozen=True, slots=True)
class HeldByPhone:
    """Another host has the strap: it ends this link, does not advertise and cannot be connected."""

    seconds: float = math.inf

    def strike(self, strap: VirtualStrap) -> None:
        """See `fault_script.Fault.strike`."""
        strap.drop_link(strap.truth.connections)
        strap.hold(self.seconds)


@dataclass(frozen=True, slots=True)
class RefuseConnects:
    """The next attempts to connect fail.

    Attributes
    ----------
    in_discovery
        The link comes up and is lost while services are discovered; else it does not come up.
    """

    times: int = 1
    in_discovery: bool = False

    def strike(self, strap: VirtualStrap) -> None:
        """See `fault_script.Fault.strike`."""
        strap.refusals.extend([self.in_discovery] * self.times)


@dataclass(frozen=True, slots=True)
class SmallMtu:
    """The next connections agree on this MTU."""

    mtu_bytes: int = 23
    connections: int = 1

    def strike(self, strap: VirtualStrap) -> None:
        """See `fault_script.Fault.strike`."""
        strap.small_mtus.extend([self.mtu_bytes] * self.connections)
