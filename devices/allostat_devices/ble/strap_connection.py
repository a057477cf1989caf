"""One connection to a strap: set up in its order, watched while it lives, and left with nothing running."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bleak.exc import BleakError

from allostat.recording import Device
from allostat.strap import EventSink, FollowOptions, RecordKind, StrapService
from allostat_devices.ble import heart_rate_service as hrs
from allostat_devices.ble import movesense_gatt, polar_pmd
from allostat_devices.ble.channels import (
    BatteryChannel,
    Channel,
    HeartRateChannel,
    Link,
    Reconnect,
    WrongMtu,
    heart_rate_of,
    sentence_of,
)
from allostat_devices.ble.control_conversation import LinkLost
from allostat_devices.ble.endings import first_of
from allostat_devices.ble.interval_records import SMALLEST_MTU
from allostat_devices.ble.movesense_channel import MovesenseChannel
from allostat_devices.ble.polar_channel import PolarChannel
from allostat_devices.ble.shared_radio import Connected, hang_up
from allostat_devices.ble.strap_records import to_json
from allostat_devices.ble.stream_plan import MOST_RESTARTS, BackOff

END_WITHIN_S = 8.0
"""For stopping and unsubscribing; then the connection is ended whatever runs."""
_ENDED = {"ended_by_strap": "was ended by the strap", "stopped_for_mode": "was stopped to free the strap's mode"}
_LOST = "the connection to the strap was lost"
_SERVICES: Mapping[StrapService, str] = {
    "heart_rate": hrs.SERVICE,
    "polar_pmd": polar_pmd.SERVICE,
    "movesense": movesense_gatt.SERVICE,
}
_BATTERY_SERVICE = "0000180f-0000-1000-8000-00805f9b34fb"
_INFORMATION_SERVICE = "0000180a-0000-1000-8000-00805f9b34fb"
# the serial number is personal and not read at all
_INFORMATION = (hrs.MAKER, hrs.MODEL, hrs.FIRMWARE, hrs.HARDWARE, hrs.SOFTWARE)


@dataclass
class KnownStrap:
    """What is known of a strap beyond one connection.

    Attributes
    ----------
    advertised
        What its advertisement told of the device.
    information
        What the strap says about itself; None until it was read.
    mtu_refusals
        Connections in a row that were given up for their MTU.
    """

    advertised: Device = field(default_factory=Device)
    information: Mapping[str, Any] | None = None
    mtu_refusals: int = 0


@dataclass(frozen=True)
class StrapChoices:
    """What is asked of straps by whoever owns the link, beside `FollowOptions`."""

    sdk_mode: bool = False
    movesense_uv_per_count: float | None = None


@dataclass
class _Restart:
    """When a stream that the strap ended is started again."""

    back_off: BackOff = field(default_factory=BackOff)
    due_s: float | None = None
    asked_s: float = float("-inf")


class StrapConnection:
    """One connection, from its first request to its end.

    Parameters
    ----------
    connected
        As the radio gave it.
    sink
        Gets records until the connection is closed.
    known
        What is known of the strap, and kept up to date.
    """

    def __init__(
        self,
        connected: Connected,
        sink: EventSink,
        options: FollowOptions,
        known: KnownStrap,
        choices: StrapChoices,
    ) -> None:
        client = connected.client
        self._client = client
        self._lost = connected.lost
        self._deliver = sink
        self._open = True
        self._told = False
        self._known = known
        self._choices = choices
        self._link = Link(client, self._sink, options, sdk_mode=choices.sdk_mode)
        self._channels: list[Channel] = []
        self._restarts: dict[str, _Restart] = {}

    @property
    def good(self) -> bool:
        """Whether a good frame came."""
        return self._link.good.is_set()

    def _sink(self, kind: RecordKind, data: bytes) -> None:
        if self._open:
            self._deliver(kind, data)

    # --- life

    async def live(self) -> None:
        """Set up and stream until the connection ends; never returns.

        Raises
        ------
        LinkLost
            The connection ended by itself.
        Reconnect
            Only a new one helps.
        BleakError, TimeoutError
            The strap or the radio refused something that is needed.
        """
        try:
            await first_of(self._stream(), self._lost)
        except (BleakError, OSError, EOFError, TimeoutError):
            if self._client.is_connected:
                raise
        for channel in self._channels:
            channel.lose(_LOST)
        raise LinkLost(_LOST)

    async def _stream(self) -> None:
        link = self._link
        await self._tell()
        self._channels = self._found_channels()
        if not self._channels:
            raise Reconnect("the strap offers none of the services that can be read")
        try:
            for channel in self._channels:
                await channel.subscribe()
            for channel in self._channels:
                await channel.begin()
        except WrongMtu:
            self._known.mtu_refusals += 1
            raise
        self._known.mtu_refusals = 0
        if link.options.low_latency:
            link.note(
                "no_short_notifications",
                "Bluetooth interfaces of operating systems do not let a program ask for a small MTU: "
                "notifications have their usual length.",
            )
        while True:
            await self._watch()

    async def _watch(self) -> None:
        """Restart what the strap ended and what is silent, then wait for the next of both."""
        link = self._link
        link.wake.clear()
        now = link.now()
        for name, ended_by in sorted(link.again.items()):
            self._schedule(name, now)
            link.note(ended_by, f"{name} {_ENDED[ended_by]}; it is started again.")
        link.again.clear()
        due: list[float] = []
        for channel in self._channels:
            for name, watch in channel.watches.items():
                restart = self._restarts.setdefault(name, _Restart())
                deadline = watch.deadline_s if restart.due_s is None else restart.due_s
                if deadline is not None and deadline <= link.now():
                    if restart.due_s is None and watch.begun_s is not None:
                        watch.restarts += 1
                        if watch.restarts > MOST_RESTARTS:
                            raise Reconnect(f"{name} stays silent")
                        link.note("silent", f"{name} is silent and is started again.")
                    restart.due_s, restart.asked_s = None, link.now()
                    await channel.restart(name)
                    return
                if deadline is not None:
                    due.append(deadline)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(min(due) if due else None):
                await link.wake.wait()

    def _schedule(self, name: str, now_s: float) -> None:
        """Plan the restart of a stream that ended: at once, and later when that did not help before."""
        restart = self._restarts.setdefault(name, _Restart())
        watch = next(channel.watches[name] for channel in self._channels if name in channel.watches)
        if watch.last_frame_s is not None and watch.last_frame_s >= restart.asked_s:
            restart.back_off.reset()
            restart.due_s = now_s
        else:
            restart.due_s = now_s + restart.back_off.delay_s()

    # --- set-up

    async def _tell(self) -> None:
        """Write down what is known of the strap and of the connection, before anything streams."""
        if self._known.information is None:
            self._known.information = await self._information()
        services = [name for name, uuid in _SERVICES.items() if self._client.services.get_service(uuid) is not None]
        facts = {**self._known.information, "mtu": self._mtu(), "services": services}
        self._told = True
        self._sink(RecordKind.CONNECT, to_json(facts))

    def _mtu(self) -> int:
        """ATT MTU. What a client calls its MTU is 23 on Linux, whatever was agreed; its characteristics know better."""
        found = self._client.services.characteristics.values()
        return max([SMALLEST_MTU, *(3 + characteristic.max_write_without_response_size for characteristic in found)])

    async def _information(self) -> dict[str, Any]:
        values: dict[str, bytes] = {}
        problem: BaseException | None = None
        for uuid in _INFORMATION:
            characteristic = self._link.characteristic(_INFORMATION_SERVICE, uuid)
            if characteristic is None:
                continue
            try:
                values[uuid] = await self._link.read(characteristic)
            except (BleakError, TimeoutError) as error:
                if not self._client.is_connected:
                    raise
                problem = error
        read = hrs.decode_device_information(values, None)
        told = self._known.advertised
        facts = {"maker": read.maker or told.manufacturer, "model": read.model or told.model, "kind": told.kind}
        facts |= {"firmware": read.firmware, "hardware": read.hardware, "software": read.software}
        if problem is not None:
            facts["unread"] = sentence_of(problem)
        return facts

    def _found_channels(self) -> list[Channel]:
        """Channels of the services that the strap has, in the order in which they are subscribed to."""
        link, channels = self._link, list[Channel]()
        control = link.characteristic(polar_pmd.SERVICE, polar_pmd.CONTROL_POINT)
        data = link.characteristic(polar_pmd.SERVICE, polar_pmd.DATA)
        if control is not None and data is not None:
            channels.append(PolarChannel(link, control, data, mtu_refusals=self._known.mtu_refusals))
        write = link.characteristic(movesense_gatt.SERVICE, movesense_gatt.WRITE)
        notify = link.characteristic(movesense_gatt.SERVICE, movesense_gatt.NOTIFY)
        if write is not None and notify is not None:
            scale = self._choices.movesense_uv_per_count
            channels.append(MovesenseChannel(link, write, notify, uv_per_count=scale))
        measurement = heart_rate_of(link)
        if measurement is not None:
            channels.append(HeartRateChannel(link, measurement, tuple(channels)))
        level = link.characteristic(_BATTERY_SERVICE, hrs.BATTERY_LEVEL)
        if channels and level is not None:
            channels.append(BatteryChannel(link, level))
        return channels

    # --- end

    async def close(self, reason: str) -> None:
        """Stop every stream, unsubscribe, disconnect; bounded, and without raising for what the strap refuses."""
        try:
            if self._client.is_connected and not self._lost.is_set():
                async with asyncio.timeout(END_WITHIN_S):
                    await first_of(self._leave(), self._lost)
        except (BleakError, OSError, EOFError, TimeoutError) as error:
            self._link.note("not_stopped", f"The strap may still stream: {sentence_of(error)}")
        finally:
            await hang_up(self._client)
            if self._told:
                self._sink(RecordKind.DISCONNECT, to_json({"reason": reason}))
            self._open = False

    async def _leave(self) -> None:
        for channel in self._channels:
            await channel.end()
        for characteristic in list(reversed(self._link.subscribed)):
            await self._link.silence(characteristic)
