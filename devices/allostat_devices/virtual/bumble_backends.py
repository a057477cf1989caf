"""bleak's scanner and client over bumble; `BumbleRadio` binds them to itself."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

from bleak.args import SizedBuffer
from bleak.assigned_numbers import gatt_char_props_to_strs
from bleak.backends.characteristic import BleakGATTCharacteristic
from bleak.backends.client import NotifyCallback
from bleak.backends.descriptor import BleakGATTDescriptor
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData, AdvertisementDataCallback, BaseBleakScanner
from bleak.backends.service import BleakGATTService, BleakGATTServiceCollection
from bleak.exc import BleakError, BleakGATTProtocolError
from bleak.uuids import normalize_uuid_str
from bumble import core, hci
from bumble.att import ATT_Error
from bumble.core import UUID, AdvertisingData
from bumble.device import Advertisement, Connection, Device, Peer

from allostat_devices.virtual.radio_trouble import connect_aborted
from allostat_devices.virtual.virtual_client import VirtualClient, connected

if TYPE_CHECKING:
    from allostat_devices.virtual.bumble_radio import BumbleRadio

_T = TypeVar("_T")


def _uuid_text(uuid: UUID) -> str:
    """A UUID in full, as bleak has it."""
    return normalize_uuid_str(uuid.to_hex_str("-"))


class BumbleScanner(BaseBleakScanner):
    """Reports advertisements that the host's controller hears."""

    radio: BumbleRadio

    def __init__(
        self,
        detection_callback: AdvertisementDataCallback | None,
        service_uuids: list[str] | None,
        scanning_mode: str,
        **kwargs: Any,
    ) -> None:
        super().__init__(detection_callback, service_uuids)
        self._active = scanning_mode != "passive"

    async def start(self) -> None:
        """Report from now on what is heard."""
        self.seen_devices = {}
        self.radio.device.on(Device.EVENT_ADVERTISEMENT, self._heard)
        await self.radio.device.start_scanning(active=self._active)

    async def stop(self) -> None:
        """Hear nothing more."""
        self.radio.device.remove_listener(Device.EVENT_ADVERTISEMENT, self._heard)
        await self.radio.device.stop_scanning()

    def _heard(self, heard: Advertisement) -> None:
        kinds = AdvertisingData.Type
        name = heard.data.get(kinds.COMPLETE_LOCAL_NAME) or heard.data.get(kinds.SHORTENED_LOCAL_NAME)
        maker: dict[int, bytes] = {}
        uuids: list[str] = []
        for kind, value in heard.data.ad_structures:
            if kind == kinds.MANUFACTURER_SPECIFIC_DATA and len(value) >= 2:
                maker[int.from_bytes(value[:2], "little")] = value[2:]
            elif kind == kinds.COMPLETE_LIST_OF_16_BIT_SERVICE_CLASS_UUIDS:
                uuids += [_uuid_text(UUID.from_bytes(value[at : at + 2])) for at in range(0, len(value) - 1, 2)]
        advertisement = AdvertisementData(
            local_name=str(name) if name else None,
            manufacturer_data=maker,
            service_data={},
            # the scan response repeats them
            service_uuids=list(dict.fromkeys(uuids)),
            tx_power=None,
            rssi=heard.rssi,
            platform_data=(),
        )
        if not self.is_allowed_uuid(uuids):
            return
        address = heard.address.to_string(False)
        device = self.create_or_update_device(address, address, advertisement.local_name, heard.address, advertisement)
        self.call_detection_callbacks(device, advertisement)


class BumbleClient(VirtualClient):
    """A connection through bumble's host."""

    radio: BumbleRadio

    def __init__(self, address_or_ble_device: BLEDevice | str, **kwargs: Any) -> None:
        super().__init__(address_or_ble_device, **kwargs)
        self._name = address_or_ble_device.name if isinstance(address_or_ble_device, BLEDevice) else None
        self._peer: Peer | None = None
        self._established = False
        # done when the link is lost
        self._link_lost: asyncio.Future[None]

    @property
    def name(self) -> str:
        """Name that the strap advertised, else its address."""
        return self._name or self.address.replace(":", "-")

    @property
    def mtu_size(self) -> int:
        """ATT MTU in bytes; 23 before a connection."""
        return 23 if self._peer is None else int(self._peer.connection.att_mtu)

    @property
    def is_connected(self) -> bool:
        """Whether the link is up."""
        return self._peer is not None

    async def connect(self, pair: bool, **kwargs: Any) -> None:
        """Connect, agree on an MTU, discover the services."""
        if self.is_connected:
            raise BleakError("Client is already connected")
        timeout_s = kwargs.get("timeout", self._timeout)
        address = hci.Address(self.address, hci.Address.RANDOM_DEVICE_ADDRESS)
        async with asyncio.timeout(None) as limit, self.radio.connecting:
            try:
                connection = await self.radio.device.connect(address, timeout=timeout_s)
            except core.TimeoutError as error:
                raise TimeoutError from error
            except core.ConnectionError as error:
                raise connect_aborted() from error
            except asyncio.CancelledError:
                # the controller would go on connecting
                await self.radio.device.send_sync_command(hci.HCI_LE_Create_Connection_Cancel_Command())
                raise
            limit.reschedule(asyncio.get_running_loop().time() + timeout_s)
            if connection not in self.radio.device.connections.values():
                # it failed before anybody could listen for its end
                raise connect_aborted()
            peer = self._peer = Peer(connection)
            self._link_lost = asyncio.get_running_loop().create_future()
            connection.on(Connection.EVENT_DISCONNECTION, self._lost)
            try:
                await self._asked(peer.request_mtu(self.radio.largest_mtu_bytes))
                self.services = await self._asked(self._discover(peer))
                self._established = True
            except BaseException:
                await self.disconnect()
                raise

    async def _discover(self, peer: Peer) -> BleakGATTServiceCollection:
        await peer.discover_all()  # type: ignore[no-untyped-call]
        collection = BleakGATTServiceCollection()
        for service in peer.services:
            uuid = _uuid_text(service.uuid)
            if self._wanted is not None and uuid not in self._wanted:
                continue
            made = BleakGATTService(service, service.handle, uuid)
            collection.add_service(made)
            for found in service.characteristics:
                characteristic = BleakGATTCharacteristic(
                    found,
                    found.handle,
                    _uuid_text(found.uuid),
                    list(gatt_char_props_to_strs(int(found.properties))),
                    lambda: self.mtu_size - 3,
                    made,
                )
                collection.add_characteristic(characteristic)
                for descriptor in found.descriptors:
                    collection.add_descriptor(
                        BleakGATTDescriptor(descriptor, descriptor.handle, _uuid_text(descriptor.type), characteristic)
                    )
        return collection

    def _lost(self, _: int) -> None:
        if self._peer is None:
            return
        self._peer = None
        self._link_lost.set_result(None)
        self.services = None
        established, self._established = self._established, False
        if established and self._disconnected_callback is not None:
            asyncio.get_running_loop().call_soon(self._disconnected_callback)

    async def disconnect(self) -> None:
        """End the link."""
        peer = self._peer
        if peer is not None:
            reason = hci.HCI_ErrorCode.REMOTE_USER_TERMINATED_CONNECTION_ERROR
            await self.radio.device.disconnect(peer.connection, reason)

    def _connected(self) -> Peer:
        return connected(self._peer)

    async def _asked(self, asking: Coroutine[Any, Any, _T]) -> _T:
        """Wait for the strap, and say a loss of the link or a refusal in bleak's words."""
        asked, lost = asyncio.ensure_future(asking), self._link_lost
        try:
            either: list[asyncio.Future[Any]] = [asked, lost]
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        finally:
            # bumble cancels what waits for an answer when the link is lost; no such cancellation is this task's own
            if not asked.done():
                asked.cancel()
        if asked.cancelled() or not asked.done():
            raise BleakError("Not connected")
        try:
            return asked.result()
        except ATT_Error as error:
            raise BleakGATTProtocolError(int(error.error_code)) from error

    async def read_gatt_char(
        self, characteristic: BleakGATTCharacteristic, *, use_cached: bool = False, **kwargs: Any
    ) -> bytearray:
        """Read a value; nothing is cached."""
        return bytearray(await self._asked(self._connected().read_value(characteristic.obj)))

    async def write_gatt_char(self, characteristic: BleakGATTCharacteristic, data: SizedBuffer, response: bool) -> None:
        """Write; what the strap refuses is told with ``response`` only."""
        await self._asked(self._connected().write_value(characteristic.obj, bytes(data), with_response=response))

    async def read_gatt_descriptor(
        self, descriptor: BleakGATTDescriptor, *, use_cached: bool = False, **kwargs: Any
    ) -> bytearray:
        """Read a descriptor."""
        return bytearray(await self._asked(self._connected().read_value(descriptor.obj)))

    async def write_gatt_descriptor(self, descriptor: BleakGATTDescriptor, data: SizedBuffer) -> None:
        """Write a descriptor."""
        await self._asked(self._connected().write_value(descriptor.obj, bytes(data), with_response=True))

    async def start_notify(
        self, characteristic: BleakGATTCharacteristic, callback: NotifyCallback, **kwargs: Any
    ) -> None:
        """Switch notifications or indications on."""
        await self._asked(self._connected().subscribe(characteristic.obj, lambda value: callback(bytearray(value))))

    async def stop_notify(self, characteristic: BleakGATTCharacteristic) -> None:
        """End the notifications of a characteristic."""
        await self._asked(self._connected().unsubscribe(characteristic.obj))
