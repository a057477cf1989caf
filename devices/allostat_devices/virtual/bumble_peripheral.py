"""Virtual straps as peripherals of bumble: the same models over real ATT and L2CAP, in this process or over TCP.

    async with StrapServer([polar_h10()], port=0) as server: ...   # then BumbleRadio.over_tcp("127.0.0.1", server.port)

A server is a radio of its own: each TCP connection gets a controller (HCI, type 4 packets of a UART), so that any
Bluetooth host can be put on the other end. It listens on the loopback interface alone.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from bumble import att, gatt, hci
from bumble.controller import Controller
from bumble.core import UUID, AdvertisingData
from bumble.device import Connection, Device, DeviceConfiguration
from bumble.host import Host
from bumble.transport.common import AsyncPipeSink, StreamPacketSink, StreamPacketSource

from allostat.errors import ConfigError
from allostat_devices.virtual.bumble_link import HostController, StrapController, StrapLink, leave
from allostat_devices.virtual.gatt import AttError, Characteristic, uuid16
from allostat_devices.virtual.strap import Advertisement, VirtualStrap

LOOPBACK = "127.0.0.1"
_ADVERTISEMENT_BYTES = 31
_ASSIGNED = uuid16(0)[8:]
_PROPERTIES = {
    "read": gatt.Characteristic.Properties.READ,
    "write": gatt.Characteristic.Properties.WRITE,
    "write-without-response": gatt.Characteristic.Properties.WRITE_WITHOUT_RESPONSE,
    "notify": gatt.Characteristic.Properties.NOTIFY,
    "indicate": gatt.Characteristic.Properties.INDICATE,
}


class BumblePeripheral:
    """One strap on a link.

    Parameters
    ----------
    strap
        The model; it must have begun.
    link
        The radio.
    """

    def __init__(self, strap: VirtualStrap, link: StrapLink) -> None:
        self.strap = strap
        self._tasks: set[asyncio.Task[Any]] = set()
        self._connection: Connection | None = None
        self.controller = StrapController(strap, link)
        config = DeviceConfiguration()
        config.name = strap.advertisement.name
        config.address = hci.Address(strap.address, hci.Address.RANDOM_DEVICE_ADDRESS)
        self._device = Device(config=config, host=Host(self.controller, AsyncPipeSink(self.controller)))
        self._characteristics: dict[str, gatt.Characteristic[bytes]] = {}
        for service in strap.services:
            made = [self._made(found) for found in service.characteristics]
            self._device.add_service(gatt.Service(_uuid(service.uuid), made))
        self._device.on(Device.EVENT_CONNECTION, self._connected)

    async def start(self) -> None:
        """Power on and advertise; after a connection advertise again."""
        await self._device.power_on()
        interval_ms = self.strap.advertising_interval_s * 1000
        await self._device.start_advertising(
            auto_restart=True,
            advertising_data=advertising_bytes(self.strap.advertisement),
            # the virtual controller reads units of 0.625 ms as milliseconds
            advertising_interval_min=interval_ms * 0.625,
            advertising_interval_max=interval_ms * 0.625,
        )

    async def stop(self) -> None:
        """End the connection, stop advertising and power off."""
        self.strap.link_down()
        await self._device.stop_advertising()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=1.0)
        for task in self._tasks:
            task.cancel()
        await self._device.power_off()
        leave(self.controller)

    # --- GATT

    def _made(self, found: Characteristic) -> gatt.Characteristic[bytes]:
        properties = gatt.Characteristic.Properties(0)
        for name in found.properties:
            properties |= _PROPERTIES[name]
        permissions = att.Attribute.Permissions(0)
        if "read" in found.properties:
            permissions |= att.Attribute.Permissions.READABLE
        if any(name.startswith("write") for name in found.properties):
            permissions |= att.Attribute.Permissions.WRITEABLE
        value = gatt.CharacteristicValue[bytes](
            read=lambda _: self._refusing(lambda: self.strap.read(found.uuid)),
            write=lambda _, data: self._refusing(lambda: self.strap.write(found.uuid, bytes(data))),
        )
        made = gatt.Characteristic[bytes](_uuid(found.uuid), properties, permissions, value)
        if found.pushes:
            made.on(
                made.EVENT_SUBSCRIPTION, lambda _, notify, indicate: self._subscribed(found.uuid, notify or indicate)
            )
        self._characteristics[found.uuid] = made
        return made

    def _refusing(self, ask: Callable[[], Any]) -> Any:
        try:
            return ask()
        except AttError as error:
            raise att.ATT_Error(att.ErrorCode(error.code)) from error

    def _subscribed(self, uuid: str, on: bool) -> None:
        if self.strap.connected:
            self.strap.subscribe(uuid, on)

    # --- the connection

    def _connected(self, connection: Connection) -> None:
        strap = self.strap
        if strap.connected:
            return
        self._connection = connection
        self._device.gatt_server.max_mtu = strap.small_mtus.popleft() if strap.small_mtus else strap.largest_mtu_bytes
        connection.on(connection.EVENT_DISCONNECTION, lambda _: self._lost(connection))
        connection.on(connection.EVENT_CONNECTION_ATT_MTU_UPDATE, lambda: self._mtu_agreed(connection))
        strap.link_up(connection.att_mtu, self._deliver, self._hang_up)

    def _mtu_agreed(self, connection: Connection) -> None:
        self.strap.mtu_bytes = connection.att_mtu
        if self.controller.fails_in_discovery:
            self.strap.link_down()

    def _lost(self, connection: Connection) -> None:
        if connection is self._connection:
            self._connection = None
            self.strap.link_down()

    def _hang_up(self) -> None:
        connection, self._connection = self._connection, None
        if connection is None:
            return
        gone = not self.strap.in_range
        reason = (
            hci.HCI_ErrorCode.CONNECTION_TIMEOUT_ERROR
            if gone
            else hci.HCI_ErrorCode.REMOTE_USER_TERMINATED_CONNECTION_ERROR
        )
        self._spawn(self._device.disconnect(connection, int(reason)))

    def _deliver(self, uuid: str, value: bytes) -> None:
        connection = self._connection
        if connection is None:
            return
        attribute = self._characteristics[uuid]
        if "indicate" in self.strap.characteristic(uuid).properties:
            self._spawn(self._device.indicate_subscriber(connection, attribute, value))
            return
        # what bumble's own notify does, without a task for each frame
        pdu = att.ATT_Handle_Value_Notification(
            attribute_handle=attribute.handle, attribute_value=value[: connection.att_mtu - 3]
        )
        self._device.gatt_server.send_gatt_pdu(connection, bytes(pdu))

    def _spawn(self, work: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        # an indication whose connection ended before its confirmation is no error of the strap
        if error is not None and self._connection is not None:
            asyncio.get_running_loop().call_exception_handler({"message": repr(self.strap), "exception": error})


def _uuid(text: str) -> UUID:
    """A UUID as short as it can be sent."""
    return UUID.from_16_bits(int(text[4:8], 16)) if text.endswith(_ASSIGNED) else UUID(text)


def advertising_bytes(advertisement: Advertisement) -> bytes:
    """Advertising data of 31 bytes at most: flags, UUIDs of 16 bit, the name, and the maker's data if they fit.

    All stands in the advertisement itself, because the virtual controller repeats it as its scan response.
    """
    kinds = AdvertisingData.Type
    uuids = [_uuid(text).to_pdu_bytes() for text in advertisement.services]
    short = b"".join(uuid for uuid in uuids if len(uuid) == 2)
    parts: list[tuple[AdvertisingData.Type, bytes]] = [(kinds.FLAGS, b"\x06")]
    if short:
        parts.append((kinds.COMPLETE_LIST_OF_16_BIT_SERVICE_CLASS_UUIDS, short))
    name = advertisement.name.encode()
    room = _ADVERTISEMENT_BYTES - sum(2 + len(data) for _, data in parts) - 2
    parts.append((kinds.COMPLETE_LOCAL_NAME if len(name) <= room else kinds.SHORTENED_LOCAL_NAME, name[:room]))
    for company, data in advertisement.manufacturer_data.items():
        part = (kinds.MANUFACTURER_SPECIFIC_DATA, company.to_bytes(2, "little") + data)
        if sum(2 + len(data) for _, data in [*parts, part]) <= _ADVERTISEMENT_BYTES:
            parts.append(part)
    return bytes(AdvertisingData(parts))


class StrapStand:
    """Straps on a link of bumble, advertising while the stand is entered.

    Parameters
    ----------
    straps
        The models.
    wall_ns
        Unix time in ns; sets the straps' clocks.
    """

    def __init__(self, straps: Sequence[VirtualStrap], *, wall_ns: Callable[[], int] = time.time_ns) -> None:
        self.straps = tuple(straps)
        self._wall_ns = wall_ns
        self._peripherals: list[BumblePeripheral] = []

    async def __aenter__(self) -> StrapStand:
        loop, now_ns = asyncio.get_running_loop(), self._wall_ns()
        self.link = StrapLink()
        for strap in self.straps:
            strap.begin(loop, now_ns)
            peripheral = BumblePeripheral(strap, self.link)
            self._peripherals.append(peripheral)
            await peripheral.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        while self._peripherals:
            await self._peripherals.pop().stop()


class StrapServer:
    """A stand of straps for other processes: HCI over TCP on the loopback interface.

    Parameters
    ----------
    straps, wall_ns
        As in `StrapStand`.
    port
        0 = any free one; see `port` after entering.
    host
        An address of the loopback interface.
    """

    def __init__(
        self,
        straps: Sequence[VirtualStrap],
        *,
        port: int = 0,
        host: str = LOOPBACK,
        wall_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        if host not in (LOOPBACK, "::1", "localhost"):
            raise ConfigError("straps are served on the loopback interface alone", found=host, expected=LOOPBACK)
        self.stand = StrapStand(straps, wall_ns=wall_ns)
        self.port = port
        self._host = host
        self._hosts: set[_HostConnection] = set()
        self._met = 0

    async def __aenter__(self) -> StrapServer:
        await self.stand.__aenter__()
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(self._meet, self._host, self.port)
        except BaseException:
            await self.stand.__aexit__()
            raise
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for host in list(self._hosts):
            host.close()
        await self.stand.__aexit__()

    def _meet(self) -> _HostConnection:
        self._met += 1
        return _HostConnection(self.stand.link, self._met, self._hosts)


class _HostConnection(StreamPacketSource):
    """One TCP connection: a controller for the host at its other end."""

    def __init__(self, link: StrapLink, number: int, hosts: set[_HostConnection]) -> None:
        super().__init__()
        self._link, self._number, self._hosts = link, number, hosts
        self._controller: Controller | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The host is there."""
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport
        self._controller = HostController(self._link, self._number, StreamPacketSink(transport))
        self.set_packet_sink(self._controller)
        self._hosts.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """The host is gone; its straps see their links time out."""
        self._hosts.discard(self)
        if self._controller is not None:
            leave(self._controller)
            self._controller = None

    def close(self) -> None:
        """End the connection."""
        self._transport.close()
