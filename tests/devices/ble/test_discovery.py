"""Straps in reach: kinds by advertisement, within 3 s; and what to do when there is no Bluetooth."""

from __future__ import annotations

import asyncio
import importlib.util
import platform

import pytest
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData
from bleak.exc import BleakDBusError, BleakError

from allostat.errors import DeviceError
from allostat.strap import FoundStrap, StrapLink
from allostat_devices.ble import discovery
from allostat_devices.ble import heart_rate_service as hrs
from allostat_devices.ble.discovery import found_strap, merged, radio_error
from allostat_devices.ble.link import LINK
from allostat_devices.ble.simulated import simulated_radio
from allostat_devices.virtual.jumping_loop import run_fast
from allostat_devices.virtual.models import heart_rate_strap, movesense_sensor, polar_h10, verity_sense
from allostat_devices.virtual.radio import VirtualRadio
from allostat_devices.virtual.radio_trouble import RadioTrouble
from tests.devices.ble.following import radio_with


def advertised(name: str | None, uuids: tuple[str, ...] = (), polar: bytes | None = None, rssi: int = -60,
               service_data: dict[str, bytes] | None = None) -> FoundStrap | None:  # fmt: skip
    data = AdvertisementData(
        name, {} if polar is None else {0x6B: polar}, service_data or {}, list(uuids), None, rssi, ()
    )
    return found_strap(BLEDevice("AA:BB:CC:DD:EE:FF", name, None), data)


def scanned(radio: VirtualRadio, seconds: float = 3.0) -> tuple[list[FoundStrap], list[FoundStrap], float]:
    told: list[FoundStrap] = []

    async def main() -> tuple[list[FoundStrap], float]:
        began = asyncio.get_running_loop().time()
        straps = await LINK.scan(seconds, backend=radio, found=told.append)
        assert radio.scanning == 0
        return straps, asyncio.get_running_loop().time() - began

    straps, took = run_fast(main())
    return straps, told, took


def test_the_link_is_a_link() -> None:
    assert isinstance(LINK, StrapLink)


def test_all_kinds_within_3_s_strongest_first_and_told_as_they_come() -> None:
    models = (polar_h10(1), verity_sense(2), heart_rate_strap(3), movesense_sensor(4))
    straps, told, took = scanned(radio_with(*models))
    assert took <= 3.1 and len(straps) == 4
    assert {strap.identity for strap in told} == {strap.address for strap in models}
    strengths = [strap.rssi_dbm or 0 for strap in straps]
    assert strengths == sorted(strengths, reverse=True)
    by_name = {strap.name.split()[0] + strap.name.split()[1]: strap for strap in straps}
    h10 = by_name["PolarH10"]
    assert h10.services == {"heart_rate", "polar_pmd", "advertised_heart_rate"} and h10.connectable
    assert (h10.device.model, h10.device.kind) == ("H10", "chest strap")
    assert by_name["PolarSense"].device.kind == "armband"
    assert "movesense" in by_name["Movesense000000000004"].services
    assert by_name["HRM0003"].services == {"heart_rate"}


def test_a_strap_is_told_of_again_only_when_more_is_known() -> None:
    _, told, _ = scanned(radio_with(polar_h10(1)), 20)
    assert len(told) == 1


def test_nothing_in_reach() -> None:
    assert scanned(radio_with())[0] == []


def test_other_devices_are_no_straps() -> None:
    assert advertised("Living room lamp", ("0000fe0f-0000-1000-8000-00805f9b34fb",)) is None
    assert advertised(None) is None


def test_a_watch_that_only_broadcasts_takes_no_connection() -> None:
    strap = advertised("Polar Vantage V3 1234", polar=bytes([0x32, 1, 70, 70]))
    assert strap is not None and strap.services == {"advertised_heart_rate"} and not strap.connectable


def test_battery_where_the_advertisement_tells_it() -> None:
    battery = "0000180f-0000-1000-8000-00805f9b34fb"
    strap = advertised("TICKR 1234", (hrs.SERVICE,), service_data={battery: b"\x4b"})
    assert strap is not None and strap.battery_percent == 75
    wrong = advertised("TICKR 1234", (hrs.SERVICE,), service_data={battery: b"\xff"})
    assert wrong is not None and wrong.battery_percent is None


def test_two_advertisements_tell_more_than_one() -> None:
    named, served = advertised("Polar H9 12345678"), advertised(None, (hrs.SERVICE,))
    assert named is not None and served is not None
    both = merged(named, served)
    assert (both.name, both.device.model, both.connectable) == ("Polar H9 12345678", "H9", True)
    assert merged(served, named).services == both.services == {"heart_rate"}


def test_a_strength_that_is_none_is_unknown() -> None:
    strap = advertised("HRM", (hrs.SERVICE,), rssi=127)
    assert strap is not None and strap.rssi_dbm is None


# --- no Bluetooth

NEXT_STEP = {
    RadioTrouble.NO_DBUS: "apt install",
    RadioTrouble.NO_BLUEZ: "systemctl start bluetooth",
    RadioTrouble.NO_ADAPTER: "plug one in",
    RadioTrouble.POWERED_OFF: "switch it on",
    RadioTrouble.DENIED_BY_USER: "privacy settings",
    RadioTrouble.DENIED_BY_SYSTEM: "group bluetooth",
    RadioTrouble.ACCESS_DENIED: "group bluetooth",
}


@pytest.mark.parametrize("trouble", list(RadioTrouble))
def test_no_bluetooth_is_one_sentence_with_the_next_step(trouble: RadioTrouble) -> None:
    radio = radio_with(polar_h10(1))
    radio.trouble = trouble
    with pytest.raises(DeviceError, match=NEXT_STEP[trouble]) as error:
        scanned(radio)
    assert "\n" not in str(error.value) and "Error" not in str(error.value).replace("D-Bus", "")


def test_an_unknown_failure_says_what_the_system_said() -> None:
    assert "some new failure" in str(radio_error(BleakError("some new failure")))
    assert "OSError" in str(radio_error(OSError()))
    assert "in time" in str(radio_error(TimeoutError()))
    assert "busy" in str(radio_error(BleakDBusError("org.bluez.Error.InProgress", [])))


def test_without_bleak_the_command_to_type_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("allostat_devices.ble.link.find_spec", lambda name: None)
    with pytest.raises(DeviceError, match=r"pip install 'allostat-load\[live\]'"):
        asyncio.run(LINK.scan(1))
    assert importlib.util.find_spec("bleak") is not None
    assert LINK.decoder().push(0, b"", 0)


@pytest.mark.parametrize(
    ("release", "needed"), [("12.1", True), ("12", True), ("12.3", False), ("14.2", False), ("", False)]
)
def test_macos_12_0_to_12_2_needs_a_filter(monkeypatch: pytest.MonkeyPatch, release: str, needed: bool) -> None:
    monkeypatch.setattr(platform, "mac_ver", lambda: (release, ("", "", ""), ""))
    assert discovery._needs_a_filter() is needed


def test_simulated_straps_are_of_all_models() -> None:
    straps, _, _ = scanned(simulated_radio(6))
    assert len(straps) == 6 and len({strap.services for strap in straps}) == 3
