"""A radio that exists in this process alone: backends for bleak's scanner and client, with straps in reach.

    radio = VirtualRadio([polar_h10()])
    device = await BleakScanner.find_device_by_name("…", backend=radio.scanner)
    async with BleakClient(device, backend=radio.client) as client: ...

Everything runs on the time of the event loop; no thread, no socket.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

from bleak.backends.client import BaseBleakClient
from bleak.backends.scanner import BaseBleakScanner

from allostat.errors import ConfigError
from allostat_devices.virtual.radio_backends import RadioClient, RadioScanner
from allostat_devices.virtual.radio_trouble import RadioTrouble
from allostat_devices.virtual.strap import VirtualStrap


class VirtualRadio:
    """Straps in reach of one host.

    Parameters
    ----------
    straps
        Each with an address of its own.
    wall_ns
        Unix time in ns; asked once, when the radio is used first, and carried on by the loop's clock. It sets the
        clocks of the straps.
    largest_mtu_bytes
        What the host asks for.
    connecting_s
        From the strap's advertisement to the end of service discovery.
    request_s
        A read, write or subscription, there and back.
    connects_at_once
        When more are tried the adapter answers that it is busy.
    connects_while_scanning
        Some adapters cannot.

    Attributes
    ----------
    trouble
        What is wrong with the host, None when nothing is; see `switch`.
    connecting, most_connecting
        Attempts to connect that are under way, and the most that ever were at once.
    scanning
        Scanners that run.
    """

    def __init__(
        self,
        straps: Sequence[VirtualStrap],
        *,
        wall_ns: Callable[[], int] = time.time_ns,
        largest_mtu_bytes: int = 517,
        connecting_s: float = 0.15,
        request_s: float = 0.03,
        connects_at_once: int = 7,
        connects_while_scanning: bool = True,
    ) -> None:
        self._straps = {strap.address: strap for strap in straps}
        if len(self._straps) != len(straps):
            raise ConfigError("two straps have one address", valid=self._straps)
        self._wall_ns = wall_ns
        self.largest_mtu_bytes = largest_mtu_bytes
        self.connecting_s = connecting_s
        self.request_s = request_s
        self.connects_at_once = connects_at_once
        self.connects_while_scanning = connects_while_scanning
        self.trouble: RadioTrouble | None = None
        self.connecting = 0
        self.most_connecting = 0
        self.scanning = 0
        self._begun: tuple[float, int] | None = None
        bound = self

        class Scanner(RadioScanner):
            """Scanner bound to this radio."""

            radio = bound

        class Client(RadioClient):
            """Client bound to this radio."""

            radio = bound

        self.scanner: type[BaseBleakScanner] = Scanner
        self.client: type[BaseBleakClient] = Client

    @property
    def straps(self) -> tuple[VirtualStrap, ...]:
        """All straps, in reach or not."""
        return tuple(self._straps.values())

    def add(self, strap: VirtualStrap) -> None:
        """One more strap."""
        if strap.address in self._straps:
            raise ConfigError("two straps have one address", found=strap.address)
        self._straps[strap.address] = strap
        if self._begun is not None:
            self._begin_straps()

    def switch(self, trouble: RadioTrouble | None) -> None:
        """Let something be wrong with the host from now on, which ends all connections; None = all is well again."""
        self.trouble = trouble
        if trouble is not None:
            for strap in self.straps:
                strap.link_down()

    def begin(self) -> None:
        """Start the straps' clocks; called when a backend is used. Raises what is wrong with the host."""
        if self.trouble is not None:
            raise self.trouble.error()
        if self._begun is None:
            self._begun = (asyncio.get_running_loop().time(), self._wall_ns())
        self._begin_straps()

    def _begin_straps(self) -> None:
        assert self._begun is not None
        loop = asyncio.get_running_loop()
        began_s, wall_ns = self._begun
        now_ns = wall_ns + round((loop.time() - began_s) * 1e9)
        for strap in self._straps.values():
            strap.begin(loop, now_ns)

    def strap(self, address: str) -> VirtualStrap | None:
        """The strap with an address."""
        return self._straps.get(address.upper())
