"""A strap is followed for ever: connected, watched, connected again. Ends only by cancellation."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData

from allostat.strap import EventSink, FollowOptions, FoundStrap, RecordKind
from allostat_devices.ble import polar_advertisement
from allostat_devices.ble.channels import sentence_of
from allostat_devices.ble.control_conversation import LinkLost
from allostat_devices.ble.discovery import radio_sentence
from allostat_devices.ble.endings import to_the_end
from allostat_devices.ble.shared_radio import OFTEN, Place, SharedRadio, shared_radio
from allostat_devices.ble.strap_connection import KnownStrap, StrapChoices, StrapConnection
from allostat_devices.ble.strap_records import to_json
from allostat_devices.ble.stream_plan import BackOff

TELL_ABSENT_S = 10.0
"""After so long a strap that is not found is told of."""
STOPPED = "stopped by the host"

_ABSENT = (
    "The strap does not advertise: it is out of reach, off the skin, or held by a phone, a watch or another computer. "
    "Wear it with wet electrodes, and close the application that holds it or switch that device's Bluetooth off."
)
_HELD = (
    "The strap advertises but takes no connection: a phone, a watch or another computer holds it. "
    "Close the application there or switch that device's Bluetooth off."
)


@dataclass
class _Follower:
    strap: FoundStrap
    sink: EventSink
    options: FollowOptions
    choices: StrapChoices
    radio: SharedRadio
    known: KnownStrap
    back_off: BackOff = field(default_factory=BackOff)
    told: set[str] = field(default_factory=set)

    def note(self, code: str, message: str) -> None:
        """Tell a sentence once between two good frames."""
        if code not in self.told:
            self.told.add(code)
            self.sink(RecordKind.NOTE, to_json({"code": code, "message": message}))

    def heard(self, device: BLEDevice, advertisement: AdvertisementData) -> None:
        """Keep the heart rate that a strap advertises while it is not connected."""
        data = advertisement.manufacturer_data.get(polar_advertisement.COMPANY)
        if data is not None:
            company = polar_advertisement.COMPANY.to_bytes(2, "little")
            self.sink(RecordKind.ADVERTISEMENT, company + bytes(data))

    async def forever(self) -> None:
        # one without a signal strength is connected by the system already, and would be waited for in vain
        kept = self.strap.handle is not None and self.strap.rssi_dbm is None
        place = Place(self.strap.identity, self.strap.handle, fresh=kept, heard=self.heard)
        while True:
            try:
                if self.strap.services == {"advertised_heart_rate"}:
                    await self.radio.listen(self.strap.identity, self.heard)
                await self._once(place)
            except LinkLost:
                pass
            except Exception as error:  # noqa: BLE001 - radios fail in any way, and a strap is followed for ever
                self._tell(error, place)
            await asyncio.sleep(self.back_off.delay_s())

    def _tell(self, error: Exception, place: Place) -> None:
        if place.failures >= OFTEN:
            self.note("held", _HELD)
        self.note("failed", radio_sentence(error) or sentence_of(error))

    async def _once(self, place: Place) -> None:
        """One connection from its search to its end."""
        absent = asyncio.get_running_loop().call_later(TELL_ABSENT_S, self.note, "absent", _ABSENT)
        try:
            connected = await self.radio.connect(place)
        finally:
            absent.cancel()
        connection = StrapConnection(connected, self.sink, self.options, self.known, self.choices)
        reason = STOPPED
        try:
            await connection.live()
        except Exception as error:
            reason = sentence_of(error)
            raise
        finally:
            if connection.good:
                self.back_off.reset()
                self.told.clear()
            await to_the_end(connection.close(reason))


async def follow_strap(
    strap: FoundStrap,
    sink: EventSink,
    options: FollowOptions,
    choices: StrapChoices,
    backend: object,
    adapter: str | None,
) -> None:
    """Follow one strap over the radio that all straps of this event loop share."""
    with shared_radio(backend, adapter) as radio:
        await _Follower(strap, sink, options, choices, radio, KnownStrap(strap.device)).forever()
