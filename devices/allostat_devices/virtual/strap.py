"""A strap as such: identity, services, connection, clock, truth. Which strap it is, its services say (`models`)."""

from __future__ import annotations

import asyncio
import math
import random
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeVar

from allostat.errors import ConfigError
from allostat_devices.virtual.air import Air
from allostat_devices.virtual.device_clock import DeviceClock
from allostat_devices.virtual.gatt import READ_NOT_PERMITTED, WRITE_NOT_PERMITTED, AttError, Characteristic, Service
from allostat_devices.virtual.heart_rate import HeartRate
from allostat_devices.virtual.truth import BeatTruth, StreamRun, Truth

if TYPE_CHECKING:
    from allostat_devices.virtual.fault_script import Fault, Script

_S = TypeVar("_S")


@dataclass(frozen=True, slots=True)
class Advertisement:
    """What a strap advertises.

    Attributes
    ----------
    name
        Local name.
    services
        UUIDs in lower case, 128 bit.
    manufacturer_data
        By company number.
    rssi_dbm
        Strength at the host.
    heart_rate_company
        Company number under which the present heart rate is advertised, as Polar devices do; None = it is not.
    """

    name: str
    services: tuple[str, ...]
    manufacturer_data: Mapping[int, bytes] = field(default_factory=lambda: MappingProxyType({}))
    rssi_dbm: int = -60
    heart_rate_company: int | None = None


class VirtualStrap:
    """One strap.

    Parameters
    ----------
    address
        Bluetooth address, ``"AA:BB:CC:DD:EE:FF"``.
    advertisement
        What it advertises.
    services
        GATT services in the order of their handles; `attach` is called on those that push values.
    largest_mtu_bytes
        What it agrees to.
    advertising_interval_s
        Between two advertisements.
    supervision_timeout_s
        After so many seconds out of range the link counts as lost.
    seed
        Of everything random about this strap.
    clock
        Its own clock.
    keep_truth
        `Truth.keep`.
    """

    def __init__(
        self,
        address: str,
        advertisement: Advertisement,
        services: Sequence[Service],
        *,
        largest_mtu_bytes: int = 232,
        advertising_interval_s: float = 1.0,
        supervision_timeout_s: float = 2.0,
        seed: int = 0,
        clock: DeviceClock | None = None,
        keep_truth: bool = True,
    ) -> None:
        if not advertising_interval_s > 0 or not supervision_timeout_s > 0 or largest_mtu_bytes < 23:
            raise ConfigError(
                "no such strap",
                found=f"{advertising_interval_s} s, {supervision_timeout_s} s, {largest_mtu_bytes} bytes",
                expected="an advertising interval and a timeout above 0 s, an MTU of 23 bytes or more",
            )
        self.address = address.upper()
        self.advertisement = advertisement
        self.services = tuple(services)
        self.largest_mtu_bytes = largest_mtu_bytes
        self.advertising_interval_s = advertising_interval_s
        self.supervision_timeout_s = supervision_timeout_s
        self.clock = clock or DeviceClock()
        self.truth = Truth(keep=keep_truth)
        self.random = random.Random(f"{seed} {self.address}")
        self.air = Air(self.random, self.truth)
        self.mtu_bytes = 23
        self.refusals: deque[bool] = deque()
        self.small_mtus: deque[int] = deque()
        self._away_until_s = -math.inf
        self._held_until_s = -math.inf
        self._scripts: list[Script] = []
        self._of = {found.uuid: service for service in self.services for found in service.characteristics}
        self._offered = {found.uuid: found for service in self.services for found in service.characteristics}
        self._subscriptions: set[str] = set()
        self._hang_up: Callable[[], None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        for service in self.services:
            attach = getattr(service, "attach", None)
            if attach is not None:
                attach(self)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.advertisement.name} {self.address}>"

    # --- time

    def begin(self, loop: asyncio.AbstractEventLoop, wall_ns: int) -> None:
        """Put the strap into the world: its clock is set and its body lives from here on. Later calls do nothing."""
        if self._loop is None:
            self._loop = loop
            self.origin_s = loop.time()
            self.clock.start(self.origin_s, wall_ns)
            scripts, self._scripts = self._scripts, []
            for script in scripts:
                self.follow(script)

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop it lives on."""
        if self._loop is None:
            raise ConfigError("this strap lives on no loop yet: use its radio first", found=self.advertisement.name)
        return self._loop

    def now(self) -> float:
        """Instant on the loop's clock."""
        return self.loop.time()

    # --- faults

    def inflict(self, fault: Fault) -> None:
        """Let something go wrong, now."""
        fault.strike(self)

    def follow(self, script: Script) -> None:
        """Let things go wrong at their times, counted from when the strap began; what is past is left out."""
        if self._loop is None:
            self._scripts.append(script)
            return
        for event in script.events:
            if self.origin_s + event.at_s >= self.now():
                self.loop.call_at(self.origin_s + event.at_s, event.fault.strike, self)

    def leave(self, seconds: float) -> None:
        """Go out of range for a while."""
        self._away_until_s = max(self._away_until_s, self.now() + seconds)
        if self.connected:
            self.air.stall(self._away_until_s)
            if self._away_until_s - self.now() >= self.supervision_timeout_s:
                self.loop.call_later(self.supervision_timeout_s, self.drop_link, self.truth.connections)

    def hold(self, seconds: float) -> None:
        """Belong to another host for a while."""
        self._held_until_s = max(self._held_until_s, self.now() + seconds)

    def drop_link(self, connection: int) -> None:
        """End a connection by its number, if it is still up."""
        if connection == self.truth.connections:
            self.link_down()

    # --- connection

    @property
    def advertising(self) -> bool:
        """Whether a host can hear and connect it: in range, not connected to this host or to another one."""
        return not self.connected and self.now() >= max(self._away_until_s, self._held_until_s)

    def manufacturer_data(self) -> dict[int, bytes]:
        """What the next advertisement holds, the present heart rate among it."""
        data = dict(self.advertisement.manufacturer_data)
        service = self.service(HeartRate)
        if self.advertisement.heart_rate_company is not None and service is not None:
            data[self.advertisement.heart_rate_company] = service.advertised()
        return data

    @property
    def in_range(self) -> bool:
        """Whether requests reach it."""
        return self.away_for_s <= 0

    @property
    def away_for_s(self) -> float:
        """Seconds until it is in range again; 0 when it is."""
        return max(0.0, self._away_until_s - self.now())

    @property
    def connected(self) -> bool:
        """Whether a host is connected."""
        return self._hang_up is not None

    def link_up(self, mtu_bytes: int, deliver: Callable[[str, bytes], None], hang_up: Callable[[], None]) -> None:
        """A host has connected.

        Parameters
        ----------
        mtu_bytes
            Agreed ATT MTU.
        deliver
            Called with the UUID and the value of each notification when it reaches the host.
        hang_up
            Called when the connection ends from this side or by loss.
        """
        if self.connected:
            raise ConfigError("this strap is connected already", found=self.advertisement.name)
        self.mtu_bytes = mtu_bytes
        self._hang_up = hang_up
        self.truth.connections += 1
        self.air.open(self.loop, deliver)

    def link_down(self) -> None:
        """The connection has ended, whoever ended it: streams stop, subscriptions are forgotten."""
        if not self.connected:
            return
        hang_up, self._hang_up = self._hang_up, None
        self.air.close()
        self._subscriptions.clear()
        for service in self.services:
            service.unlinked()
        self.mtu_bytes = 23
        if hang_up is not None:
            hang_up()

    # --- GATT

    def characteristic(self, uuid: str) -> Characteristic:
        """What is offered under a UUID."""
        return self._offered[uuid]

    def read(self, uuid: str) -> bytes:
        """Value of a characteristic; `AttError` when it cannot be read."""
        if "read" not in self._offered[uuid].properties:
            raise AttError(READ_NOT_PERMITTED)
        return self._of[uuid].read(uuid)

    def write(self, uuid: str, data: bytes) -> None:
        """Write a characteristic; `AttError` when the strap refuses."""
        if not any(name.startswith("write") for name in self._offered[uuid].properties):
            raise AttError(WRITE_NOT_PERMITTED)
        self._of[uuid].write(uuid, data)

    def subscribe(self, uuid: str, on: bool) -> None:
        """Switch notifications or indications of a characteristic."""
        if not self._offered[uuid].pushes:
            raise AttError(WRITE_NOT_PERMITTED)
        if on:
            self._subscriptions.add(uuid)
        else:
            self._subscriptions.discard(uuid)
        self._of[uuid].subscribed(uuid, on)

    @property
    def subscriptions(self) -> list[str]:
        """UUIDs of the characteristics that the host has switched on, in order."""
        return sorted(self._subscriptions)

    def service(self, kind: type[_S]) -> _S | None:
        """The strap's service of a class, None when it has none."""
        for service in self.services:
            if isinstance(service, kind):
                return service
        return None

    def is_subscribed(self, uuid: str) -> bool:
        """Whether the host has switched this characteristic on."""
        return uuid in self._subscriptions

    def push(self, uuid: str, value: bytes, run: StreamRun | BeatTruth | None = None, count: int = 0) -> None:
        """Notify or indicate a value if the host wants it; ``count`` samples (or RR intervals) of ``run`` are in it."""
        if uuid in self._subscriptions:
            self.air.send(uuid, value, run, count, "indicate" in self._offered[uuid].properties)
