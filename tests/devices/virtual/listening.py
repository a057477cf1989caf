"""A host that writes down what it hears, for tests."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from bleak import BleakClient
from bleak.backends.characteristic import BleakGATTCharacteristic

from allostat_devices.ble import heart_rate_service as hrs
from allostat_devices.ble import polar_pmd as pmd
from allostat_devices.ble.heart_rate_service import HeartRateMeasurement
from allostat_devices.ble.malformed import Malformed
from allostat_devices.ble.polar_frames import PpiFrame, RawFrame, SampleFrame, decode_frame
from allostat_devices.virtual.jumping_loop import run_fast
from allostat_devices.virtual.radio import VirtualRadio
from allostat_devices.virtual.strap import VirtualStrap

START_NS = 1_750_000_000_000_000_000
ECG_START = pmd.start_request(pmd.Stream.ECG, {pmd.Setting.SAMPLE_RATE_HZ: 130, pmd.Setting.RESOLUTION_BITS: 14})
STOP_ECG = pmd.stop_request(pmd.Stream.ECG)


class Host:
    """A connected client and all that it was told, with the instants of arrival."""

    def __init__(self, client: BleakClient) -> None:
        self.client = client
        self.frames: list[tuple[float, SampleFrame | PpiFrame | RawFrame | Malformed]] = []
        self.heart_rate: list[tuple[float, HeartRateMeasurement | Malformed]] = []
        self.control: list[bytes] = []

    def frame(self, _: BleakGATTCharacteristic, data: bytearray) -> None:
        self.frames.append((asyncio.get_running_loop().time(), decode_frame(data)))

    def beat(self, _: BleakGATTCharacteristic, data: bytearray) -> None:
        self.heart_rate.append((asyncio.get_running_loop().time(), hrs.decode_measurement(data)))

    def answer(self, _: BleakGATTCharacteristic, data: bytearray) -> None:
        self.control.append(bytes(data))

    async def listen(self) -> None:
        services = self.client.services
        for uuid, callback in (
            (pmd.CONTROL_POINT, self.answer),
            (pmd.DATA, self.frame),
            (hrs.MEASUREMENT, self.beat),
        ):
            if services.get_characteristic(uuid) is not None:
                await self.client.start_notify(uuid, callback)

    async def ask(self, request: bytes, wait_s: float = 0.1) -> None:
        await self.client.write_gatt_char(pmd.CONTROL_POINT, request, response=True)
        await asyncio.sleep(wait_s)

    @property
    def samples(self) -> list[SampleFrame]:
        return [frame for _, frame in self.frames if isinstance(frame, SampleFrame)]

    @property
    def beats(self) -> list[HeartRateMeasurement]:
        return [packet for _, packet in self.heart_rate if isinstance(packet, HeartRateMeasurement)]

    @property
    def rr(self) -> list[int]:
        return [raw for packet in self.beats for raw in packet.rr_raw]


def radio_with(*straps: VirtualStrap) -> VirtualRadio:
    return VirtualRadio(straps, wall_ns=lambda: START_NS)


def connected(strap: VirtualStrap, story: Callable[[Host], Awaitable[None]]) -> Host:
    """Connect, listen, and do what the story says, on a loop whose time jumps."""
    radio = radio_with(strap)

    async def main() -> Host:
        async with BleakClient(strap.address, backend=radio.client) as client:
            host = Host(client)
            await host.listen()
            await story(host)
            return host

    return run_fast(main())
