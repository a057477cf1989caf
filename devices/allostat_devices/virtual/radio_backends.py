"""Backends of bleak for straps of this process; `VirtualRadio` binds them to itself."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from bleak.args import SizedBuffer
from bleak.backends.characteristic import BleakGATTCharacteristic
from bleak.backends.client import NotifyCallback
from bleak.backends.descriptor import BleakGATTDescriptor
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData, AdvertisementDataCallback, BaseBleakScanner
from bleak.backends.service import BleakGATTService, BleakGATTServiceCollection
from bleak.exc import BleakDeviceNotFoundError, BleakError, BleakGATTProtocolError

from allostat_devices.virtual.gatt import AttError, uuid16
from allostat_devices.virtual.radio_trouble import connect_aborted, in_progress
from allostat_devices.virtual.virtual_client import VirtualClient, connected

if TYPE_CHECKING:
    from allostat_devices.virtual.radio import VirtualRadio
    from allostat_devices.virtual.strap import VirtualStrap

_CCCD = uuid16(0x2902)
_WRITE_NOT_PERMITTED = 0x03


class RadioScanner(BaseBleakScanner):
    """Reports advertisements of straps that are in reach and not connected."""

    radio: VirtualRadio

    def __init__(
        self,
        detection_callback: AdvertisementDataCallback | None,
        service_uuids: list[str] | None,
        scanning_mode: str,
        **kwargs: Any,
    ) -> None:
        super().__init__(detection_callback, service_uuids)
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._scanning = False

    async def start(self) -> None:
        """Report from now on what is heard."""
        self.radio.begin()
        if self._scanning:
            raise BleakError("Scanner is already running")
        self._scanning = True
        self.seen_devices = {}
        self.radio.scanning += 1
        loop = asyncio.get_running_loop()
        for strap in self.radio.straps:
            first = strap.random.random() * strap.advertising_interval_s
            self._timers[strap.address] = loop.call_later(first, self._hear, loop, strap)

    async def stop(self) -> None:
        """Hear nothing more."""
        if self._scanning:
            self.radio.scanning -= 1
        self._scanning = False
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def _hear(self, loop: asyncio.AbstractEventLoop, strap: VirtualStrap) -> None:
        self._timers[strap.address] = loop.call_later(strap.advertising_interval_s, self._hear, loop, strap)
        if not strap.advertising:
            return
        sent = strap.advertisement
        advertisement = AdvertisementData(
            local_name=sent.name,
            manufacturer_data=strap.manufacturer_data(),
            service_data={},
            service_uuids=list(sent.services),
            tx_power=None,
            rssi=sent.rssi_dbm + strap.random.randint(-3, 3),
            platform_data=(),
        )
        if not self.is_allowed_uuid(advertisement.service_uuids):
            return
        device = self.create_or_update_device(strap.address, strap.address, sent.name, strap, advertisement)
        self.call_detection_callbacks(device, advertisement)


class RadioClient(VirtualClient):
    """A connection to one strap."""

    radio: VirtualRadio

    def __init__(self, address_or_ble_device: BLEDevice | str, **kwargs: Any) -> None:
        super().__init__(address_or_ble_device, **kwargs)
        self._strap: VirtualStrap | None = None
        self._callbacks: dict[str, NotifyCallback] = {}
        self._mtu_bytes = 23
        self._quiet = False

    @property
    def name(self) -> str:
        """Name that the strap advertises."""
        strap = self._strap or self.radio.strap(self.address)
        return strap.advertisement.name if strap is not None else self.address.replace(":", "-")

    @property
    def mtu_size(self) -> int:
        """ATT MTU in bytes; 23 before a connection."""
        return self._mtu_bytes

    @property
    def is_connected(self) -> bool:
        """Whether the link is up."""
        return self._strap is not None

    async def connect(self, pair: bool, **kwargs: Any) -> None:
        """Wait for the strap, link up, discover its services."""
        if self.is_connected:
            raise BleakError("Client is already connected")
        radio = self.radio
        radio.begin()
        strap = radio.strap(self.address)
        if strap is None:
            raise BleakDeviceNotFoundError(self.address, f"Device with address {self.address} was not found.")
        if (radio.scanning and not radio.connects_while_scanning) or radio.connecting >= radio.connects_at_once:
            raise in_progress()
        radio.connecting += 1
        radio.most_connecting = max(radio.most_connecting, radio.connecting)
        try:
            async with asyncio.timeout(kwargs.get("timeout", self._timeout)):
                await self._establish(strap)
        finally:
            radio.connecting -= 1
        self.services = _services_of(strap, self._wanted, self._mtu_bytes)

    async def _establish(self, strap: VirtualStrap) -> None:
        """Wait for the strap's next advertisement, link up, discover services."""
        radio = self.radio
        await asyncio.sleep(strap.random.random() * strap.advertising_interval_s)
        while not strap.advertising:
            await asyncio.sleep(strap.advertising_interval_s)
        fails_in_discovery = strap.refusals.popleft() if strap.refusals else None
        if fails_in_discovery is False:
            await asyncio.sleep(radio.request_s)
            raise connect_aborted()
        if radio.trouble is not None:
            raise radio.trouble.error()
        asked = strap.small_mtus.popleft() if strap.small_mtus else radio.largest_mtu_bytes
        self._mtu_bytes = min(asked, strap.largest_mtu_bytes)
        self._strap = strap
        strap.link_up(self._mtu_bytes, self._deliver, self._lost)
        try:
            await asyncio.sleep(radio.connecting_s)
            if fails_in_discovery:
                strap.link_down()
            if not self.is_connected:
                raise BleakError("failed to discover services, device disconnected")
        except BaseException:
            self._quiet = True
            strap.link_down()
            self._quiet = False
            raise

    def _deliver(self, uuid: str, value: bytes) -> None:
        callback = self._callbacks.get(uuid)
        if callback is not None:
            callback(bytearray(value))

    def _lost(self) -> None:
        if self._strap is None:
            return
        self._strap = None
        self.services = None
        self._callbacks.clear()
        if self._disconnected_callback is not None and not self._quiet:
            asyncio.get_running_loop().call_soon(self._disconnected_callback)

    async def disconnect(self) -> None:
        """End the link; the strap ends its streams."""
        if self._strap is not None:
            self._strap.link_down()
            await asyncio.sleep(self.radio.request_s)

    def _connected(self) -> VirtualStrap:
        return connected(self._strap)

    async def _there_and_back(self) -> VirtualStrap:
        strap = self._connected()
        await asyncio.sleep(self.radio.request_s)
        while not strap.in_range and self.is_connected:
            await asyncio.sleep(self.radio.request_s)
        return self._connected()

    async def read_gatt_char(
        self, characteristic: BleakGATTCharacteristic, *, use_cached: bool = False, **kwargs: Any
    ) -> bytearray:
        """Read a value; nothing is cached."""
        strap = await self._there_and_back()
        try:
            return bytearray(strap.read(characteristic.uuid)[: self._mtu_bytes - 1])
        except AttError as error:
            raise BleakGATTProtocolError(error.code) from error

    async def write_gatt_char(self, characteristic: BleakGATTCharacteristic, data: SizedBuffer, response: bool) -> None:
        """Write; what the strap refuses is told with ``response`` only."""
        strap = await self._there_and_back()
        try:
            strap.write(characteristic.uuid, bytes(data))
        except AttError as error:
            if response:
                raise BleakGATTProtocolError(error.code) from error

    async def read_gatt_descriptor(
        self, descriptor: BleakGATTDescriptor, *, use_cached: bool = False, **kwargs: Any
    ) -> bytearray:
        """Read whether a characteristic is switched on."""
        strap = await self._there_and_back()
        on = strap.is_subscribed(descriptor.characteristic_uuid)
        indicated = "indicate" in strap.characteristic(descriptor.characteristic_uuid).properties
        return bytearray([(2 if indicated else 1) if on else 0, 0])

    async def write_gatt_descriptor(self, descriptor: BleakGATTDescriptor, data: SizedBuffer) -> None:
        """The straps' only descriptor is the one that bleak itself writes."""
        await self._there_and_back()
        raise BleakGATTProtocolError(_WRITE_NOT_PERMITTED)

    async def start_notify(
        self, characteristic: BleakGATTCharacteristic, callback: NotifyCallback, **kwargs: Any
    ) -> None:
        """Switch notifications or indications on."""
        strap = await self._there_and_back()
        if characteristic.uuid in self._callbacks:
            raise BleakError("notifications of this characteristic are on already")
        self._callbacks[characteristic.uuid] = callback
        try:
            strap.subscribe(characteristic.uuid, True)
        except AttError as error:
            del self._callbacks[characteristic.uuid]
            raise BleakGATTProtocolError(error.code) from error

    async def stop_notify(self, characteristic: BleakGATTCharacteristic) -> None:
        """End the notifications of a characteristic."""
        strap = await self._there_and_back()
        if self._callbacks.pop(characteristic.uuid, None) is not None:
            strap.subscribe(characteristic.uuid, False)


def _services_of(strap: VirtualStrap, wanted: set[str] | None, mtu_bytes: int) -> BleakGATTServiceCollection:
    """Services with handles as a strap numbers them: service, declaration, value, configuration."""
    collection = BleakGATTServiceCollection()
    handle = 1
    for service in strap.services:
        if wanted is None or service.uuid in wanted:
            made = BleakGATTService(service, handle, service.uuid)
            collection.add_service(made)
        else:
            made = None
        handle += 1
        for found in service.characteristics:
            if made is not None:
                characteristic = BleakGATTCharacteristic(
                    found, handle, found.uuid, list(found.properties), lambda: mtu_bytes - 3, made
                )
                collection.add_characteristic(characteristic)
                if found.pushes:
                    collection.add_descriptor(BleakGATTDescriptor(None, handle + 2, _CCCD, characteristic))
            handle += 3 if found.pushes else 2
    return collection
