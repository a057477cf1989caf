"""A strap's Heart Rate Service, battery and device information: what they send, written from the standard.

Source: Bluetooth SIG, Heart Rate Service 1.0, Battery Service 1.0, Device Information Service 1.1.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from allostat_devices.virtual.gatt import WRONG_LENGTH, AttError, Characteristic, uuid16

if TYPE_CHECKING:
    import asyncio

    from allostat_devices.virtual.heart import Heart
    from allostat_devices.virtual.strap import VirtualStrap

MEASUREMENT, LOCATION, CONTROL = uuid16(0x2A37), uuid16(0x2A38), uuid16(0x2A39)
BATTERY_LEVEL = uuid16(0x2A19)
_MAKER, _MODEL, _SERIAL, _FIRMWARE = (uuid16(number) for number in (0x2A29, 0x2A24, 0x2A25, 0x2A26))
_RESET_REFUSED = 0x80

RrUnit = Literal["1/1024 s", "ms"]


def pack_measurement(
    heart_rate_per_min: int,
    rr_raw: Sequence[int],
    *,
    contact: bool | None = True,
    energy_kj: int | None = None,
    wide: bool = False,
    rr_flag: bool = True,
) -> bytes:
    """One value of 0x2A37.

    Parameters
    ----------
    heart_rate_per_min
        0 to 255, or to 65535 when ``wide``.
    rr_raw
        Intervals in sent units, oldest first.
    contact
        None = the strap does not say.
    energy_kj
        None = not in this packet.
    wide
        Heart rate in two bytes.
    rr_flag
        Whether the packet says that it has intervals; without it ``rr_raw`` is not sent.
    """
    flags = (1 if wide else 0) | (8 if energy_kj is not None else 0) | (16 if rr_flag and rr_raw else 0)
    if contact is not None:
        flags |= 6 if contact else 4
    parts = [struct.pack("<BH" if wide else "<BB", flags, heart_rate_per_min)]
    if energy_kj is not None:
        parts.append(struct.pack("<H", energy_kj))
    if rr_flag:
        parts.append(struct.pack(f"<{len(rr_raw)}H", *rr_raw))
    return b"".join(parts)


class HeartRate:
    """Heart rate and RR intervals about once a second.

    Parameters
    ----------
    heart
        Whose beats they are.
    unit
        Of the intervals; the standard's is 1/1024 s.
    interval_s
        Between two notifications.
    delay_s
        From a beat to the moment when the strap has found it.
    supports_contact
        Whether it knows of skin contact.
    supports_energy
        Whether every tenth packet has the energy, and the control point resets it.
    sends_rr
        Whether it knows of RR intervals.
    buffer
        How many intervals wait at most; when there are more the oldest is dropped, silently.
    """

    uuid = uuid16(0x180D)

    def __init__(
        self,
        heart: Heart,
        *,
        unit: RrUnit = "1/1024 s",
        interval_s: float = 1.0,
        delay_s: float = 0.25,
        supports_contact: bool = True,
        supports_energy: bool = False,
        sends_rr: bool = True,
        buffer: int = 30,
    ) -> None:
        self.characteristics = (
            Characteristic(MEASUREMENT, ("notify",)),
            Characteristic(LOCATION, ("read",)),
            Characteristic(CONTROL, ("write",)),
        )
        self.contact = True
        self.wide = False
        self.rr_flag = True
        self.silent = False
        self.energy_kj = 0.0
        self.held_until_s = 0.0
        self.supports_energy = supports_energy
        self._heart = heart
        self._per_s = 1024 if unit == "1/1024 s" else 1000
        self._interval_s = interval_s
        self._delay_s = delay_s
        self._supports_contact = supports_contact
        self._waiting: deque[int] = deque()
        self._buffer = buffer
        self._sends_rr = sends_rr
        self._seen_until_s = 0.0
        self._last_beat_s: float | None = None
        self._last_rr_s = 1.0
        self._next_s = 0.0
        self._packets = 0
        self._timer: asyncio.TimerHandle | None = None

    def attach(self, strap: VirtualStrap) -> None:
        """Called once by the strap."""
        self._strap = strap

    def read(self, uuid: str) -> bytes:
        """Body location: chest."""
        return b"\x01"

    def write(self, uuid: str, data: bytes) -> None:
        """Reset the energy."""
        if len(data) != 1:
            raise AttError(WRONG_LENGTH)
        if not self.supports_energy or data != b"\x01":
            raise AttError(_RESET_REFUSED)
        self.energy_kj = 0.0

    def subscribed(self, uuid: str, on: bool) -> None:
        """Begin or end the notifications."""
        self._end()
        if on:
            now = self._strap.now()
            self._seen_until_s = now - self._delay_s
            self._next_s = now + self._strap.random.uniform(0.1, 1.0) * self._interval_s
            self._timer = self._strap.loop.call_at(self._next_s, self._tick)

    def advertised(self) -> bytes:
        """Polar's advertised heart rate: contact, a counter of seconds, and the rate of the last 5 s twice."""
        now = self._strap.now() - self._strap.origin_s
        recent = self._heart.beats_between(now - 5, now)
        fast = round(60 * (len(recent) - 1) / (recent[-1] - recent[0])) if self.contact and len(recent) > 1 else 0
        return bytes([0x20 | self.contact << 1 | (int(now) & 7) << 2, 0, fast, fast])

    def unlinked(self) -> None:
        """Intervals that wait are lost."""
        self._end()

    def _end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        self._strap.truth.beats.discarded += len(self._waiting)
        self._waiting.clear()
        self._last_beat_s = None

    def _tick(self) -> None:
        strap, now = self._strap, self._strap.now()
        self._next_s += self._interval_s
        self._timer = strap.loop.call_at(self._next_s, self._tick)
        self._take_beats(now - self._delay_s)
        if self.silent or now < self.held_until_s:
            return
        self._packets += 1
        energy = None
        if self.supports_energy:
            self.energy_kj += 0.12 * self._interval_s
            energy = min(0xFFFF, int(self.energy_kj)) if self._packets % 10 == 0 else None
        room = (strap.mtu_bytes - 3 - 2 - self.wide - (2 if energy is not None else 0)) // 2
        rr = [self._waiting.popleft() for _ in range(min(room, len(self._waiting)))]
        beats = strap.truth.beats
        if self.rr_flag:
            beats.sent += len(rr)
        else:
            beats.discarded += len(rr)
        rate = round(60 / self._last_rr_s) if self.contact else 0
        contact = self.contact if self._supports_contact else None
        value = pack_measurement(
            rate, rr, contact=contact, energy_kj=energy, wide=self.wide, rr_flag=self.rr_flag
        )  # fmt: skip
        strap.push(MEASUREMENT, value, beats, len(rr) if self.rr_flag else 0)

    def _take_beats(self, until_s: float) -> None:
        strap, truth = self._strap, self._strap.truth
        after, self._seen_until_s = self._seen_until_s, max(until_s, self._seen_until_s)
        if not self.contact:
            self._last_beat_s = None
            return
        for beat in self._heart.beats_between(after - strap.origin_s, self._seen_until_s - strap.origin_s):
            last, self._last_beat_s = self._last_beat_s, beat
            if last is None:
                continue
            # the strap measures with its own clock
            rr_s = (beat - last) * (1 + strap.clock.drift_ppm * 1e-6)
            raw = min(0xFFFF, round(rr_s * self._per_s))
            self._last_rr_s = rr_s
            if not self._sends_rr:
                continue
            truth.beats.formed += 1
            if truth.keep:
                truth.beats.raw.append(raw)
                truth.beats.ended_s.append(beat + strap.origin_s)
            if len(self._waiting) >= self._buffer:
                self._waiting.popleft()
                truth.beats.overflowed += 1
            self._waiting.append(raw)


class Battery:
    """Battery level in percent; a change is notified."""

    uuid = uuid16(0x180F)

    def __init__(self, percent: int = 90) -> None:
        self.characteristics = (Characteristic(BATTERY_LEVEL, ("read", "notify")),)
        self._percent = percent

    def attach(self, strap: VirtualStrap) -> None:
        """Called once by the strap."""
        self._strap = strap

    def set(self, percent: int) -> None:
        """Charge the battery, or drain it."""
        self._percent = percent
        self._strap.push(BATTERY_LEVEL, bytes([percent]))

    def read(self, uuid: str) -> bytes:
        """Level in percent."""
        return bytes([self._percent])

    def write(self, uuid: str, data: bytes) -> None:
        """Not offered."""

    def subscribed(self, uuid: str, on: bool) -> None:
        """Nothing is sent before the level changes."""

    def unlinked(self) -> None:
        """Nothing to end."""


class DeviceInformation:
    """Maker, model, serial number and firmware."""

    uuid = uuid16(0x180A)

    def __init__(self, maker: str, model: str, serial: str, firmware: str) -> None:
        self._texts = {_MAKER: maker, _MODEL: model, _SERIAL: serial, _FIRMWARE: firmware}
        self.characteristics = tuple(Characteristic(uuid, ("read",)) for uuid in self._texts)

    def read(self, uuid: str) -> bytes:
        """The text."""
        return self._texts[uuid].encode()

    def write(self, uuid: str, data: bytes) -> None:
        """Not offered."""

    def subscribed(self, uuid: str, on: bool) -> None:
        """Not offered."""

    def unlinked(self) -> None:
        """Nothing to end."""
