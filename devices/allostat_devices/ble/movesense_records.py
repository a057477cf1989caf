"""Streams of one Movesense sensor: from commands and notifications to values.

The time of a packet is that of its first sample (convention of the vendor's recordings; the protocol does not say it).
Microvolt per count depend on the firmware: samples stay counts until a `SETTINGS` record says their scale.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from allostat.strap import Decoded, Malformation, SampleBlock, StreamStarted, StreamStopped
from allostat_devices.ble.malformed import Malformed, faults_of
from allostat_devices.ble.movesense_gatt import CommandResult, SensorData, decode_ecg, decode_reply
from allostat_devices.ble.strap_records import number_of

UNASKED = "data_unasked"
"""Data with a reference that no subscription has."""
SECOND_PART_ALONE = "second_part_alone"
"""The continuation of a notification that did not arrive."""
REFUSED = "subscription_refused"

_SUBSCRIBE, _UNSUBSCRIBE = 1, 2
_ECG = re.compile(rb"/Meas/ECG/(\d{1,4})\Z")
_WRAP_MS = 1 << 32


@dataclass
class _Subscription:
    rate_hz: float
    running: bool = False
    last_ms: int = 0
    turns: int = 0
    rest: bytes | None = None
    """Bytes of a sample that the second part completes; None when no second part may follow."""
    samples: int = 0
    first_ms: int = 0

    def since_boot_ms(self, boot_ms: int) -> int:
        """Milliseconds since the sensor started, past the wrap after 49.7 days."""
        if boot_ms < self.last_ms - _WRAP_MS // 2:
            self.turns += 1
        self.last_ms = boot_ms
        return boot_ms + self.turns * _WRAP_MS


class MovesenseRecords:
    """State of the subscriptions of one connection; a sensor forgets them when the link drops."""

    def __init__(self) -> None:
        self._asked: dict[int, float] = {}
        self._streams: dict[int, _Subscription] = {}
        self._scale, self._unit = 1.0, "1"

    def forget(self) -> None:
        """A connection begins or ends."""
        self._asked.clear()
        self._streams.clear()

    def settings(self, facts: Mapping[str, Any]) -> None:
        """Learn ``uv_per_count``, which holds until another says otherwise."""
        scale = number_of(facts, "uv_per_count")
        if scale is not None:
            self._scale, self._unit = scale, "uV"

    def sent(self, command: bytes) -> list[Decoded]:
        """Learn from a command."""
        if len(command) < 2:
            return []
        code, reference = command[0], command[1]
        found = _ECG.match(command, 2)
        if code == _SUBSCRIBE and found and int(found[1]) > 0:
            self._asked[reference] = float(found[1])
        return []

    def push(self, data: bytes) -> list[Decoded]:
        """Values of a notification of the sensor."""
        reply = decode_reply(data)
        out: list[Decoded] = [Malformation(fault.value) for fault in faults_of(reply)]
        match reply:
            case CommandResult():
                out.extend(self._answered(reply))
            case SensorData():
                out.extend(self._data(reply))
        return out

    def unsubscribed(self, command: bytes) -> list[Decoded]:
        """A subscription that we end."""
        if len(command) < 2 or command[0] != _UNSUBSCRIBE:
            return []
        self._asked.pop(command[1], None)
        ended = self._streams.pop(command[1], None)
        return [] if ended is None else [StreamStopped("ecg", asked=True)]

    def _answered(self, result: CommandResult) -> list[Decoded]:
        rate = self._asked.pop(result.reference, None)
        if rate is None:
            return []
        if not result.done:
            return [Malformation(REFUSED)]
        if result.reference in self._streams:
            return []
        return [self._begin(result.reference, rate)]

    def _begin(self, reference: int, rate_hz: float) -> StreamStarted:
        self._streams[reference] = _Subscription(rate_hz)
        return StreamStarted("ecg", rate_hz, {"sample_rate_hz": rate_hz, "scale": self._scale, "unit": self._unit})

    def _data(self, data: SensorData) -> list[Decoded]:
        out: list[Decoded] = []
        if data.reference not in self._streams:
            rate = self._asked.get(data.reference)
            if rate is None:
                return [Malformation(UNASKED)]
            # the answer to the subscription is late or lost
            out.append(self._begin(data.reference, rate))
        stream = self._streams[data.reference]
        if data.second_part:
            out.extend(self._second_part(stream, data.payload))
            return out
        ecg = decode_ecg(data.payload)
        if isinstance(ecg, Malformed):
            stream.rest = None
            out.extend(Malformation(fault.value) for fault in ecg.faults)
            return out
        stream.rest = data.payload[4 + 4 * len(ecg.raw) :]
        stream.samples, stream.first_ms = len(ecg.raw), stream.since_boot_ms(ecg.boot_ms)
        out.append(self._block(stream, ecg.raw, len(ecg.raw)))
        return out

    def _second_part(self, stream: _Subscription, payload: bytes) -> list[Decoded]:
        if stream.rest is None:
            return [Malformation(SECOND_PART_ALONE)]
        whole = stream.rest + payload
        stream.rest = None
        count = len(whole) // 4
        out: list[Decoded] = []
        if len(whole) % 4:
            out.append(Malformation("trailing_bytes"))
        if count:
            raw = np.frombuffer(whole, dtype="<i4", count=count).astype(np.int32)
            out.append(self._block(stream, raw, stream.samples + count))
        return out

    def _block(self, stream: _Subscription, raw: Any, behind_first: int) -> SampleBlock:
        last_ns = stream.first_ms * 1_000_000 + round((behind_first - 1) * 1e9 / stream.rate_hz)
        return SampleBlock(
            stream="ecg",
            kind="ecg",
            labels=("ecg",),
            raw=raw.reshape(-1, 1),
            scale=self._scale,
            unit=self._unit,
            nominal_hz=stream.rate_hz,
            last_sample_ns=last_ns,
        )
