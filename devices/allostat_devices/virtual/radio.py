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
from typing import Any

from bleak.args import SizedBuffer
from bleak.backends.characteristic import BleakGATTCharacteristic
from bleak.backends.client import BaseBleakClient, NotifyCallback
from bleak.backends.descriptor import BleakGATTDescriptor
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData, AdvertisementDataCallback, BaseBleakScanner
from bleak.backends.service import BleakGATTService, BleakGATTServiceCollection
from bleak.exc import BleakDeviceNotFoundError, BleakError, BleakGATTProtocolError

from allostat.errors import ConfigError
from allostat_devices.virtual.gatt import AttError, uuid16
from allostat_devices.virtual.strap import VirtualStrap

_CCCD = uuid16(0x2902)


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
    """

    def __init__(
        self,
        straps: Sequence[VirtualStrap],
        *,
        wall_ns: Callable[[], int] = time.time_ns,
        largest_mtu_bytes: int = 517,
        connecting_s: float = 0.15,
        request_s: float = 0.03,
    ) -> None:
        self._straps = {strap.address: strap for strap in straps}
        if len(self._straps) != len(straps):
            raise ConfigError("two straps have one address", valid=self._straps)
        self._wall_ns = wall_ns
        self.largest_mtu_bytes = largest_mtu_bytes
        self.connecting_s = connecting_s
        self.request_s = request_s
        self._begun: tuple[float, int] | None = None
        radio = self

        class Scanner(_RadioScanner):
            """Scanner bound to this radio."""

            _radio = radio

        class Client(_RadioClient):
            """Client bound to this radio."""

            _radio = radio

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
            self.begin()

    def begin(self) -> None:
        """Start the straps' clocks; called when a backend is used."""
        loop = asyncio.get_running_loop()
        if self._begun is None:
            self._begun = (loop.time(), self._wall_ns())
        began_s, wall_ns = self._begun
        now_ns = wall_ns + round((loop.time() - began_s) * 1e9)
        for strap in self._straps.values():
            strap.begin(loop, now_ns)

    def strap(self, address: str) -> VirtualStrap | None:
        """The strap with an address."""
        return self._straps.get(address.upper())


class _RadioScanner(BaseBleakScanner):
    """Reports advertisements of straps that are in reach and not connected."""

    _radio: VirtualRadio

    def __init__(
        self,
        detection_callback: AdvertisementDataCallback | None,
        service_uuids: list[str] | None,
        scanning_mode: str,
        **kwargs: Any,
    ) -> None:
        super().__init__(detection_callback, service_uuids)
        self._timers: dict[str, asyncio.TimerHandle] = {}

    async def start(self) -> None:
        self._radio.begin()
        self.seen_devices = {}
        loop = asyncio.get_running_loop()
        for strap in self._radio.straps:
            first = strap.random.random() * strap.advertising_interval_s
            self._timers[strap.address] = loop.call_later(first, self._hear, loop, strap)

    async def stop(self) -> None:
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def _hear(self, loop: asyncio.AbstractEventLoop, strap: VirtualStrap) -> None:
        self._timers[strap.address] = loop.call_later(strap.advertising_interval_s, self._hear, loop, strap)
        if strap.connected:
            return
        sent = strap.advertisement
        advertisement = AdvertisementData(
            local_name=sent.name,
            manufacturer_data=dict(sent.manufacturer_data),
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


class _RadioClient(BaseBleakClient):
    """A connection to one strap."""

    _radio: VirtualRadio

    def __init__(self, address_or_ble_device: BLEDevice | str, **kwargs: Any) -> None:
        super().__init__(
            address_or_ble_device,
            disconnected_callback=kwargs.pop("disconnected_callback", None),
            timeout=kwargs.pop("timeout", 10.0),
            **kwargs,
        )
        self._wanted: set[str] | None = kwargs.get("services")
        self._strap: VirtualStrap | None = None
        self._callbacks: dict[str, NotifyCallback] = {}
        self._mtu_bytes = 23

    @property
    def name(self) -> str:
        strap = self._strap or self._radio.strap(self.address)
        return strap.advertisement.name if strap is not None else self.address.replace(":", "-")

    @property
    def mtu_size(self) -> int:
        return self._mtu_bytes

    @property
    def is_connected(self) -> bool:
        return self._strap is not None

    async def connect(self, pair: bool, **kwargs: Any) -> None:
        if self.is_connected:
            raise BleakError("Client is already connected")
        radio = self._radio
        radio.begin()
        strap = radio.strap(self.address)
        if strap is None:
            raise BleakDeviceNotFoundError(self.address, f"Device with address {self.address} was not found.")
        async with asyncio.timeout(kwargs.get("timeout", self._timeout)):
            await asyncio.sleep(strap.random.random() * strap.advertising_interval_s)
            while strap.connected:
                await asyncio.sleep(strap.advertising_interval_s)
            self._mtu_bytes = min(radio.largest_mtu_bytes, strap.largest_mtu_bytes)
            strap.link_up(self._mtu_bytes, self._deliver, self._lost)
            self._strap = strap
            try:
                await asyncio.sleep(radio.connecting_s)
            except BaseException:
                strap.link_down()
                raise
        if not self.is_connected:
            raise BleakError("failed to discover services, device disconnected")
        self.services = _services_of(strap, self._wanted, self._mtu_bytes)

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
        if self._disconnected_callback is not None:
            asyncio.get_running_loop().call_soon(self._disconnected_callback)

    async def disconnect(self) -> None:
        if self._strap is not None:
            self._strap.link_down()
            await asyncio.sleep(self._radio.request_s)

    async def pair(self, *args: Any, **kwargs: Any) -> None:
        """Straps do not ask for pairing."""
        self._connected()

    async def unpair(self) -> None:
        """Forget the strap, which also disconnects."""
        await self.disconnect()

    def _connected(self) -> VirtualStrap:
        if self._strap is None:
            raise BleakError("Not connected")
        return self._strap

    async def _there_and_back(self) -> VirtualStrap:
        self._connected()
        await asyncio.sleep(self._radio.request_s)
        return self._connected()

    async def read_gatt_char(
        self, characteristic: BleakGATTCharacteristic, *, use_cached: bool = False, **kwargs: Any
    ) -> bytearray:
        strap = await self._there_and_back()
        try:
            return bytearray(strap.read(characteristic.uuid)[: self._mtu_bytes - 1])
        except AttError as error:
            raise BleakGATTProtocolError(error.code) from error

    async def write_gatt_char(self, characteristic: BleakGATTCharacteristic, data: SizedBuffer, response: bool) -> None:
        strap = await self._there_and_back()
        try:
            strap.write(characteristic.uuid, bytes(data))
        except AttError as error:
            if response:
                raise BleakGATTProtocolError(error.code) from error

    async def read_gatt_descriptor(
        self, descriptor: BleakGATTDescriptor, *, use_cached: bool = False, **kwargs: Any
    ) -> bytearray:
        strap = await self._there_and_back()
        on = strap.is_subscribed(descriptor.characteristic_uuid)
        indicated = "indicate" in strap.characteristic(descriptor.characteristic_uuid).properties
        return bytearray([(2 if indicated else 1) if on else 0, 0])

    async def write_gatt_descriptor(self, descriptor: BleakGATTDescriptor, data: SizedBuffer) -> None:
        """The straps' only descriptor is the one that bleak itself writes."""
        await self._there_and_back()
        raise BleakGATTProtocolError(0x03)

    async def start_notify(
        self, characteristic: BleakGATTCharacteristic, callback: NotifyCallback, **kwargs: Any
    ) -> None:
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
