"""A host with bumble's own Bluetooth stack, as backends for bleak: real ATT and L2CAP to straps of this process or of
another one.

    async with BumbleRadio.with_straps([polar_h10()]) as radio: ...
    async with BumbleRadio.over_tcp("127.0.0.1", port) as radio:
        device = await BleakScanner.find_device_by_name("…", backend=radio.scanner)
        async with BleakClient(device, backend=radio.client) as client: ...
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from bleak.backends.client import BaseBleakClient
from bleak.backends.scanner import BaseBleakScanner
from bumble import hci
from bumble.device import Device
from bumble.host import Host
from bumble.transport.common import AsyncPipeSink, TransportSink, TransportSource
from bumble.transport.tcp_client import open_tcp_client_transport

from allostat_devices.virtual.bumble_backends import BumbleClient, BumbleScanner
from allostat_devices.virtual.bumble_link import HostController
from allostat_devices.virtual.bumble_peripheral import StrapStand
from allostat_devices.virtual.strap import VirtualStrap


class BumbleRadio:
    """A host on bumble's stack.

    Parameters
    ----------
    device
        Powered on.
    largest_mtu_bytes
        What the host asks for.

    Attributes
    ----------
    scanner, client
        Backends for bleak.
    connecting
        Held while a connection is made: the stack can have one pending connection only.
    """

    def __init__(self, device: Device, largest_mtu_bytes: int = 517) -> None:
        self.device = device
        self.largest_mtu_bytes = largest_mtu_bytes
        self.connecting = asyncio.Lock()
        bound = self

        class Scanner(BumbleScanner):
            """Scanner bound to this radio."""

            radio = bound

        class Client(BumbleClient):
            """Client bound to this radio."""

            radio = bound

        self.scanner: type[BaseBleakScanner] = Scanner
        self.client: type[BaseBleakClient] = Client

    @classmethod
    @asynccontextmanager
    async def with_straps(
        cls,
        straps: Sequence[VirtualStrap],
        *,
        largest_mtu_bytes: int = 517,
        wall_ns: Callable[[], int] = time.time_ns,
    ) -> AsyncIterator[BumbleRadio]:
        """Straps and host in this process; parameters as `StrapStand` and the class."""
        async with StrapStand(straps, wall_ns=wall_ns) as stand:
            controller = HostController(stand.link, 0)
            async with _powered(controller, AsyncPipeSink(controller), largest_mtu_bytes) as radio:
                yield radio

    @classmethod
    @asynccontextmanager
    async def over_tcp(cls, host: str, port: int, *, largest_mtu_bytes: int = 517) -> AsyncIterator[BumbleRadio]:
        """Straps of a `StrapServer`, which may be another process."""
        transport = await open_tcp_client_transport(f"{host}:{port}")
        async with transport, _powered(transport.source, transport.sink, largest_mtu_bytes) as radio:
            yield radio


@asynccontextmanager
async def _powered(source: TransportSource, sink: TransportSink, largest_mtu_bytes: int) -> AsyncIterator[BumbleRadio]:
    # several hosts may share a radio, so that each has an address of its own
    address = hci.Address(secrets.token_bytes(5) + b"\xc1", hci.Address.RANDOM_DEVICE_ADDRESS)
    device = Device(name="allostat", address=address, host=Host(source, sink))
    await device.power_on()
    try:
        yield BumbleRadio(device, largest_mtu_bytes)
    finally:
        for connection in list(device.connections.values()):
            await device.disconnect(connection, hci.HCI_ErrorCode.REMOTE_USER_TERMINATED_CONNECTION_ERROR)
        await device.power_off()
