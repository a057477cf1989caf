"""What a connection can stream from: the Heart Rate Service and sensor services, behind one contract."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from bleak.exc import BleakError, BleakGATTProtocolError

from allostat.errors import DeviceError
from allostat.strap import EventSink, FollowOptions, RecordKind
from allostat_devices.ble import heart_rate_service as hrs
from allostat_devices.ble.strap_records import to_json
from allostat_devices.ble.stream_plan import StreamWatch

if TYPE_CHECKING:
    from bleak import BleakClient
    from bleak.backends.characteristic import BleakGATTCharacteristic

REQUEST_WITHIN_S = 5.0
"""For a read, a write or a subscription; a radio that takes longer is stuck."""
_NOT_AUTHORISED = (0x05, 0x08, 0x0C, 0x0F)


class Reconnect(DeviceError):
    """Only a new connection helps."""


class WrongMtu(Reconnect):
    """A stream does not fit into the MTU of this connection."""


@dataclass
class Link:
    """One connection as channels see it.

    Attributes
    ----------
    sink
        Gets records while the connection is open.
    wake
        Set when the supervisor has something to do.
    good
        Set with the first good frame.
    again
        Streams that ended and have to be started again, each with what ended it: a code of a note.
    subscribed
        What may notify or indicate, in the order of subscription.
    """

    client: BleakClient
    sink: EventSink
    options: FollowOptions
    sdk_mode: bool = False
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    good: asyncio.Event = field(default_factory=asyncio.Event)
    again: dict[str, str] = field(default_factory=dict)
    subscribed: list[BleakGATTCharacteristic] = field(default_factory=list)

    def now(self) -> float:
        """Instant on the loop's clock."""
        return asyncio.get_running_loop().time()

    def frame(self, watch: StreamWatch) -> None:
        """A good frame of a stream came."""
        if watch.frame(self.now()):
            # its deadline has come nearer
            self.wake.set()
        self.good.set()

    def note(self, code: str, message: str) -> None:
        """Tell the user a sentence, and the journal."""
        self.sink(RecordKind.NOTE, to_json({"code": code, "message": message}))

    def characteristic(self, service: str, uuid: str) -> BleakGATTCharacteristic | None:
        """A characteristic of the strap, None when it has none such."""
        found = self.client.services.get_service(service)
        return None if found is None else found.get_characteristic(uuid)

    async def notify(self, characteristic: BleakGATTCharacteristic, received: Callable[[bytes], None]) -> None:
        """Subscribe; ``received`` gets each value at once."""

        def callback(_: Any, data: bytearray) -> None:
            received(bytes(data))

        self.subscribed.append(characteristic)
        async with asyncio.timeout(REQUEST_WITHIN_S):
            await self.client.start_notify(characteristic, callback)

    async def silence(self, characteristic: BleakGATTCharacteristic) -> None:
        """Unsubscribe."""
        self.subscribed.remove(characteristic)
        async with asyncio.timeout(REQUEST_WITHIN_S):
            await self.client.stop_notify(characteristic)

    async def read(self, characteristic: BleakGATTCharacteristic) -> bytes:
        """Read a value."""
        async with asyncio.timeout(REQUEST_WITHIN_S):
            return bytes(await self.client.read_gatt_char(characteristic))


class Channel(Protocol):
    """A service of a strap and its streams."""

    watches: dict[str, StreamWatch]

    async def subscribe(self) -> None:
        """Subscribe to everything, before anything is asked."""
        ...

    async def begin(self) -> None:
        """Learn what the strap offers and start what is wanted."""
        ...

    async def restart(self, stream: str) -> None:
        """Stop and start one stream."""
        ...

    async def end(self) -> None:
        """Stop what may run, whatever is known of it."""
        ...

    def lose(self, reason: str) -> None:
        """The connection ended by itself."""
        ...


class HeartRateChannel:
    """Notifications of the Heart Rate Service: they flow when they are subscribed to.

    Parameters
    ----------
    others
        Channels that begin before this one. While a stream of theirs runs, it shows that the link is alive, and silence
        here means that the strap has nothing to say.
    """

    def __init__(self, link: Link, measurement: BleakGATTCharacteristic, others: Sequence[Channel] = ()) -> None:
        self._link = link
        self._measurement = measurement
        self._others = others
        self._watch = StreamWatch("heart_rate")
        self.watches = {"heart_rate": self._watch}

    async def subscribe(self) -> None:
        """Subscribe to measurements."""
        await self._link.notify(self._measurement, self._received)

    def _received(self, data: bytes) -> None:
        self._link.sink(RecordKind.HEART_RATE, data)
        if len(data) >= 2:
            self._link.frame(self._watch)

    async def begin(self) -> None:
        """Watch for silence, unless other streams run."""
        if all(watch.begun_s is None for channel in self._others for watch in channel.watches.values()):
            self._watch.begin(self._link.now())

    async def restart(self, stream: str) -> None:
        """Subscribe anew."""
        await self._link.silence(self._measurement)
        await self._link.notify(self._measurement, self._received)
        self._watch.begin(self._link.now())

    async def end(self) -> None:
        """Nothing runs in the strap but the notifications."""

    def lose(self, reason: str) -> None:
        """Nobody waits here."""


class BatteryChannel:
    """Charge: read once, then notified where the strap does so. It is no stream: silence means nothing."""

    def __init__(self, link: Link, level: BleakGATTCharacteristic) -> None:
        self._link = link
        self._level = level
        self.watches: dict[str, StreamWatch] = {}

    async def subscribe(self) -> None:
        """Wait until streams run."""

    def _received(self, data: bytes) -> None:
        self._link.sink(RecordKind.BATTERY, data)

    async def begin(self) -> None:
        """Read the charge; a strap that refuses is followed all the same."""
        try:
            if "read" in self._level.properties:
                self._received(await self._link.read(self._level))
            if "notify" in self._level.properties:
                await self._link.notify(self._level, self._received)
        except (BleakError, TimeoutError) as error:
            if not self._link.client.is_connected:
                raise
            self._link.note("battery_unknown", f"The strap does not tell its charge: {sentence_of(error)}")

    async def restart(self, stream: str) -> None:
        """There is no stream."""

    async def end(self) -> None:
        """There is no stream."""

    def lose(self, reason: str) -> None:
        """Nobody waits here."""


def sentence_of(error: BaseException) -> str:
    """One sentence for what the radio's software said."""
    if isinstance(error, BleakGATTProtocolError) and int(error.code) in _NOT_AUTHORISED:
        return "the strap demands pairing: pair it in the system's Bluetooth settings, then go on here"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return str(error) or type(error).__name__


def heart_rate_of(link: Link) -> BleakGATTCharacteristic | None:
    """The heart rate measurement of a strap."""
    return link.characteristic(hrs.SERVICE, hrs.MEASUREMENT)
