"""A Movesense sensor's GATT sensor-data service: commands, results, ECG and heart rate.

Source: Movesense GATT SensorData protocol (Movesense device library, sample application). The time of an ECG packet is
that of its first sample here; the protocol does not state it.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from allostat_devices.virtual.gatt import CCCD_WRONG, WRONG_LENGTH, AttError, Characteristic
from allostat_devices.virtual.truth import StreamRun

if TYPE_CHECKING:
    from allostat_devices.virtual.heart import Heart, Signal
    from allostat_devices.virtual.strap import VirtualStrap

SERVICE = "34802252-7185-4d5d-b431-630e7050e8f0"
WRITE = "34800001-7185-4d5d-b431-630e7050e8f0"
NOTIFY = "34800002-7185-4d5d-b431-630e7050e8f0"

MOVESENSE_ECG, MOVESENSE_HEART_RATE = -1, -2
"""Numbers of the streams in the truth: the protocol gives them none."""
_HELLO, _SUBSCRIBE, _UNSUBSCRIBE, _FETCH_LOG = range(4)
_RESULT, _DATA, _DATA_PART2 = 1, 2, 3
_OK, _BAD_REQUEST, _NOT_FOUND = 200, 400, 404
_RATES_HZ = (125, 128, 200, 250, 256, 500, 512)
_SAMPLES = 16
_BLOCK_FRAMES = 64


class SensorData:
    """The service. A sensor forgets every subscription when the link ends.

    Parameters
    ----------
    heart
        Beats, for the heart rate.
    ecg
        ECG in the sensor's counts.
    rate_ratio
        True samples per second of the sensor's clock, over the nominal rate.
    answer_delay_s
        From a command to its result.
    """

    uuid = SERVICE

    def __init__(self, heart: Heart, ecg: Signal, *, rate_ratio: float = 1.0, answer_delay_s: float = 0.02) -> None:
        self.characteristics = (Characteristic(WRITE, ("write",)), Characteristic(NOTIFY, ("notify",)))
        self._heart = heart
        self._ecg = ecg
        self._rate_ratio = rate_ratio
        self._answer_delay_s = answer_delay_s
        self._ends: dict[int, Callable[[], None]] = {}

    def attach(self, strap: VirtualStrap) -> None:
        """Called once by the strap."""
        self._strap = strap

    def read(self, uuid: str) -> bytes:
        """Not offered."""
        return b""

    def write(self, uuid: str, data: bytes) -> None:
        """A command; its result is notified later."""
        if len(data) < 2:
            raise AttError(WRONG_LENGTH)
        if not self._strap.is_subscribed(NOTIFY):
            raise AttError(CCCD_WRONG)
        reference = data[1]
        status, payload = self._obey(data[0], reference, data[2:])
        result = struct.pack("<BBH", _RESULT, reference, status) + payload
        self._strap.loop.call_later(self._answer_delay_s, self._strap.push, NOTIFY, result)

    def subscribed(self, uuid: str, on: bool) -> None:
        """Subscriptions of paths go on whether or not their data are wanted."""

    def unlinked(self) -> None:
        """All subscriptions are forgotten."""
        for end in self._ends.values():
            end()
        self._ends.clear()

    def _obey(self, command: int, reference: int, rest: bytes) -> tuple[int, bytes]:
        if command == _HELLO:
            return _OK, b"virtual"
        if command == _UNSUBSCRIBE:
            end = self._ends.pop(reference, None)
            if end is None:
                return _NOT_FOUND, b""
            end()
            return _OK, b""
        if command == _FETCH_LOG:
            return _NOT_FOUND, b""
        if command != _SUBSCRIBE or reference == 0 or reference in self._ends:
            return _BAD_REQUEST, b""
        path = rest.decode("ascii", "replace").rstrip("\0")
        rates = {f"/Meas/ECG/{rate}": rate for rate in _RATES_HZ}
        if path in rates:
            self._ends[reference] = _EcgPackets(self._strap, reference, self._ecg, rates[path] * self._rate_ratio).end
        elif path == "/Meas/HR":
            self._ends[reference] = _HeartRatePackets(self._strap, reference, self._heart).end
        else:
            return _NOT_FOUND, b""
        return _OK, b""


def _push(strap: VirtualStrap, reference: int, payload: bytes, run: StreamRun, count: int) -> None:
    """One packet, in two notifications when it does not fit into one."""
    room = strap.mtu_bytes - 3 - 2
    if len(payload) <= room:
        strap.push(NOTIFY, bytes([_DATA, reference]) + payload, run, count)
        return
    strap.push(NOTIFY, bytes([_DATA, reference]) + payload[:room])
    strap.push(NOTIFY, bytes([_DATA_PART2, reference]) + payload[room:], run, count)


class _EcgPackets:
    def __init__(self, strap: VirtualStrap, reference: int, signal: Signal, rate_hz: float) -> None:
        self._strap, self._reference, self._signal = strap, reference, signal
        self._rate_hz = rate_hz * (1 + strap.clock.drift_ppm * 1e-6)
        self._started_s = strap.now()
        self._block: bytes = b""
        # a packet is at most two notifications long
        self._samples = min(_SAMPLES, (2 * (strap.mtu_bytes - 5) - 4) // 4)
        self.run = StreamRun(MOVESENSE_ECG, strap.truth.connections, self._started_s, self._rate_hz)
        strap.truth.runs.append(self.run)
        self._wait()

    def end(self) -> None:
        self._timer.cancel()
        now = self._strap.now()
        self.run.ended_s = now
        self.run.taken = max(self.run.framed, int((now - self._started_s) * self._rate_hz + 1e-6))

    def _wait(self) -> None:
        due = self._started_s + (self.run.framed + self._samples) / self._rate_hz
        self._timer: asyncio.TimerHandle = self._strap.loop.call_at(due, self._send)

    def _send(self) -> None:
        strap, run = self._strap, self.run
        if not self._block:
            count = self._samples * _BLOCK_FRAMES
            times = self._started_s + np.arange(run.framed + 1, run.framed + 1 + count) / self._rate_hz
            self._block = self._signal.block(run.framed, times - strap.origin_s).astype("<i4").tobytes()
        samples, self._block = self._block[: 4 * self._samples], self._block[4 * self._samples :]
        first_s = self._started_s + (run.framed + 1) / self._rate_hz
        boot_ms = round((first_s - strap.origin_s) * (1 + strap.clock.drift_ppm * 1e-6) * 1000) % 2**32
        run.framed += self._samples
        run.taken = run.framed
        run.frames += 1
        if strap.truth.keep:
            run.device_ns.append(boot_ms * 1_000_000)
        _push(strap, self._reference, boot_ms.to_bytes(4, "little") + samples, run, self._samples)
        self._wait()


class _HeartRatePackets:
    """Average heart rate (float32) and RR intervals in ms, at each beat."""

    def __init__(self, strap: VirtualStrap, reference: int, heart: Heart) -> None:
        self._strap, self._reference, self._heart = strap, reference, heart
        self._seen_until_s = strap.now()
        self._last_beat_s: float | None = None
        self.run = StreamRun(MOVESENSE_HEART_RATE, strap.truth.connections, strap.now(), float("nan"))
        strap.truth.runs.append(self.run)
        self._timer: asyncio.TimerHandle = strap.loop.call_later(1.0, self._send)

    def end(self) -> None:
        self._timer.cancel()
        self.run.ended_s = self._strap.now()

    def _send(self) -> None:
        strap, run = self._strap, self.run
        now = strap.now()
        self._timer = strap.loop.call_later(1.0, self._send)
        after, self._seen_until_s = self._seen_until_s, now
        rr: list[int] = []
        for beat in self._heart.beats_between(after - strap.origin_s, now - strap.origin_s):
            if self._last_beat_s is not None:
                rr.append(round((beat - self._last_beat_s) * 1000))
            self._last_beat_s = beat
        if not rr:
            return
        run.taken += len(rr)
        run.framed += len(rr)
        run.frames += 1
        payload = struct.pack(f"<f{len(rr)}H", 60_000 * len(rr) / sum(rr), *rr)
        _push(strap, self._reference, payload, run, len(rr))
