"""Which straps are in reach, by what they advertise; and what a radio that fails means, in a sentence."""

from __future__ import annotations

import asyncio
import platform
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from bleak import BleakAdapter, BleakScanner
from bleak.args.bluez import BlueZScannerArgs
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData
from bleak.exc import (
    BleakBluetoothNotAvailableError,
    BleakBluetoothNotAvailableReason,
    BleakDBusError,
    BleakError,
)

from allostat.errors import DeviceError
from allostat.recording import Device
from allostat.strap import FoundStrap, StrapService
from allostat_devices.ble import heart_rate_service as hrs
from allostat_devices.ble import movesense_gatt, polar_advertisement, polar_pmd
from allostat_devices.ble.malformed import Malformed

_BATTERY_SERVICE = "0000180f-0000-1000-8000-00805f9b34fb"
_POLAR_ADVERTISED = "0000feee-0000-1000-8000-00805f9b34fb"
_MOVESENSE_ADVERTISED = "0000fdf3-0000-1000-8000-00805f9b34fb"
_ADVERTISED = [hrs.SERVICE, polar_pmd.SERVICE, _POLAR_ADVERTISED, movesense_gatt.SERVICE, _MOVESENSE_ADVERTISED]
_START_WITHIN_S = 10.0


@dataclass(frozen=True, slots=True)
class _Model:
    name: re.Pattern[str]
    device: Device
    services: frozenset[StrapService]


def _model(name: str, maker: str, model: str | None, kind: str, *services: StrapService) -> _Model:
    return _Model(re.compile(name, re.I), Device(maker, model, None, kind), frozenset(services))


_POLAR, _SUUNTO = "Polar Electro Oy", "Suunto"
# what straps call themselves, in the order of trial
_MODELS = (
    _model(r"Polar H10\b", _POLAR, "H10", "chest strap", "heart_rate", "polar_pmd"),
    _model(r"Polar H9\b", _POLAR, "H9", "chest strap", "heart_rate"),
    _model(r"Polar H7\b", _POLAR, "H7", "chest strap", "heart_rate"),
    _model(r"Polar (Verity )?Sense\b", _POLAR, "Verity Sense", "armband", "heart_rate", "polar_pmd"),
    _model(r"Polar OH1\b", _POLAR, "OH1", "armband", "heart_rate", "polar_pmd"),
    _model(r"Polar 360\b", _POLAR, "360", "wrist", "heart_rate", "polar_pmd"),
    _model(r"Polar Loop\b", _POLAR, "Loop", "wrist", "heart_rate", "polar_pmd"),
    _model(r"Polar (Vantage|Ignite|Grit|Pacer)\b", _POLAR, "watch", "wrist", "heart_rate", "polar_pmd"),
    _model(r"Movesense\b", "Movesense", None, "chest strap", "heart_rate", "movesense"),
    _model(r"Suunto Smart Sensor\b", _SUUNTO, "Smart Sensor", "chest strap", "heart_rate"),
    _model(r"HRM-?(Dual|Pro|Fit)", "Garmin", "HRM", "chest strap", "heart_rate"),
    _model(r"TICKR", "Wahoo Fitness", "TICKR", "chest strap", "heart_rate"),
)


def found_strap(device: BLEDevice, advertisement: AdvertisementData) -> FoundStrap | None:
    """What an advertisement tells of a strap; None when it is no strap's."""
    name = advertisement.local_name or device.name or ""
    known = next((model for model in _MODELS if model.name.match(name)), None)
    uuids = {uuid.lower() for uuid in advertisement.service_uuids}
    services: set[StrapService] = set(known.services if known else ())
    if hrs.SERVICE in uuids:
        services.add("heart_rate")
    if polar_pmd.SERVICE in uuids:
        services.add("polar_pmd")
    if movesense_gatt.SERVICE in uuids:
        services.add("movesense")
    # every Polar device that takes connections names a service; one that only broadcasts does not
    connectable = bool(uuids) or known is None or known.device.manufacturer != _POLAR
    polar = advertisement.manufacturer_data.get(polar_advertisement.COMPANY)
    if polar is not None:
        read = polar_advertisement.decode_advertisement(polar)
        if read is not None and not isinstance(read, Malformed):
            connectable = bool(uuids)
            services = services | {"advertised_heart_rate"} if connectable else {"advertised_heart_rate"}
    if not services:
        return None
    return FoundStrap(
        identity=device.address,
        name=name or "(no name)",
        services=frozenset(services),
        rssi_dbm=advertisement.rssi if -127 <= advertisement.rssi < 20 else None,
        battery_percent=_battery(advertisement),
        device=known.device if known else Device(),
        connectable=connectable,
        handle=device,
    )


def _battery(advertisement: AdvertisementData) -> int | None:
    data = advertisement.service_data.get(_BATTERY_SERVICE)
    read = None if data is None else hrs.decode_battery_percent(data)
    return None if isinstance(read, Malformed) else read


def merged(before: FoundStrap, now: FoundStrap) -> FoundStrap:
    """What two advertisements of one strap tell together: some tell the name, others the services."""
    named = now if now.name != "(no name)" else before
    services = before.services | now.services
    connectable = before.connectable or now.connectable
    return replace(
        now,
        name=named.name,
        services=services,
        battery_percent=now.battery_percent if now.battery_percent is not None else before.battery_percent,
        device=now.device if now.device != Device() else before.device,
        connectable=connectable,
    )


def _news(before: FoundStrap | None, now: FoundStrap) -> bool:
    """Whether more is known than before; signal strength alone is no news."""
    return before is None or replace(now, rssi_dbm=before.rssi_dbm) != before


async def scan_straps(
    seconds: float,
    *,
    backend: Any = None,
    found: Callable[[FoundStrap], None] | None = None,
    adapter: str | None = None,
) -> list[FoundStrap]:
    """As `allostat.strap.StrapLink.scan`, with one of several adapters."""
    straps: dict[str, FoundStrap] = {}

    def heard(device: BLEDevice, advertisement: AdvertisementData) -> None:
        strap = found_strap(device, advertisement)
        if strap is None:
            return
        before = straps.get(strap.identity)
        now = strap if before is None else merged(before, strap)
        straps[strap.identity] = now
        if found is not None and _news(before, now):
            found(now)

    try:
        scanner = BleakScanner(
            heard,
            _ADVERTISED if _needs_a_filter() else None,
            bluez=BlueZScannerArgs() if adapter is None else BlueZScannerArgs(adapter=adapter),
            backend=None if backend is None else backend.scanner,
        )
        async with asyncio.timeout(_START_WITHIN_S):
            await scanner.start()
        try:
            await asyncio.sleep(seconds)
        finally:
            await scanner.stop()
        if backend is None:
            for strap in await _connected_already():
                straps.setdefault(strap.identity, strap)
    except (BleakError, OSError, EOFError, TimeoutError, NotImplementedError) as error:
        raise radio_error(error) from error
    return sorted(straps.values(), key=lambda strap: (-(strap.rssi_dbm or -128), strap.identity))


def _needs_a_filter() -> bool:
    """macOS 12.0 to 12.2 reports nothing without a filter by service."""
    release = platform.mac_ver()[0].split(".")
    return release[0] == "12" and (len(release) < 2 or int(release[1]) < 3)


async def _connected_already() -> list[FoundStrap]:
    """Straps that the system is connected to, and which therefore do not advertise: after a program was killed."""
    try:
        adapter = await BleakAdapter.get()
        devices = await adapter.get_connected_devices([hrs.SERVICE])
    except NotImplementedError:
        return []
    nothing = AdvertisementData(None, {}, {}, [hrs.SERVICE], None, -128, ())
    straps = [found_strap(device, nothing) for device in devices]
    return [strap for strap in straps if strap is not None]


_REASONS = {
    BleakBluetoothNotAvailableReason.NO_BLUETOOTH: (
        "This computer has no Bluetooth adapter: plug one in, then scan again."
    ),
    BleakBluetoothNotAvailableReason.NO_BLE_CENTRAL_ROLE: (
        "The Bluetooth adapter of this computer knows no Low Energy: plug in one of Bluetooth 4.0 or later."
    ),
    BleakBluetoothNotAvailableReason.POWERED_OFF: (
        "Bluetooth is switched off: switch it on in the system's settings (on Linux: bluetoothctl power on)."
    ),
    BleakBluetoothNotAvailableReason.DENIED_BY_USER: (
        "The system denies this program Bluetooth: allow it for the terminal in the privacy settings, then start the "
        "terminal again."
    ),
    BleakBluetoothNotAvailableReason.DENIED_BY_SYSTEM: (
        "The system denies this user Bluetooth: on Linux add the user to the group bluetooth "
        "(sudo usermod -aG bluetooth $USER) and log in again; elsewhere ask whoever administers the computer."
    ),
}
_NO_DBUS = (
    "The system has no D-Bus, over which Linux reaches Bluetooth: install and start it with BlueZ "
    "(sudo apt install dbus bluez; sudo systemctl start dbus bluetooth). Containers need the host's system bus."
)
_NO_BLUEZ = "The Bluetooth service does not run: sudo systemctl start bluetooth (package bluez)."
_DBUS_ERRORS = {
    "org.freedesktop.DBus.Error.ServiceUnknown": _NO_BLUEZ,
    "org.freedesktop.DBus.Error.NameHasNoOwner": _NO_BLUEZ,
    "org.freedesktop.DBus.Error.AccessDenied": _REASONS[BleakBluetoothNotAvailableReason.DENIED_BY_SYSTEM],
    "org.bluez.Error.NotReady": _REASONS[BleakBluetoothNotAvailableReason.POWERED_OFF],
    "org.bluez.Error.InProgress": (
        "Bluetooth is busy with an earlier request, which a killed program may have left behind: end other programs "
        "that scan, or remove the strap (bluetoothctl remove ADDRESS), then go on."
    ),
}


def radio_sentence(error: BaseException) -> str | None:
    """What a failing radio means and what to do; None when it is not known."""
    match error:
        case BleakBluetoothNotAvailableError():
            return _REASONS.get(error.reason)
        case BleakDBusError():
            return _DBUS_ERRORS.get(error.dbus_error)
        case FileNotFoundError() | ConnectionRefusedError():
            return _NO_DBUS
        case PermissionError():
            return _REASONS[BleakBluetoothNotAvailableReason.DENIED_BY_SYSTEM]
    return None


def radio_error(error: BaseException) -> DeviceError:
    """A failing radio as one sentence with the next step."""
    sentence = radio_sentence(error)
    if isinstance(error, TimeoutError):
        sentence = "The radio did not answer in time: switch Bluetooth off and on, then scan again."
    if sentence is None:
        sentence = f"Bluetooth failed: {str(error) or type(error).__name__}; switch it off and on, then scan again."
    return DeviceError(sentence)
