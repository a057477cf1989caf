"""The decoder of one strap's journalled records (`allostat.strap.StrapDecoder`). It answers any bytes, never raises."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from allostat.recording import Device
from allostat.strap import (
    AdvertisedHeartRate,
    BatteryLevel,
    Connected,
    Decoded,
    Disconnected,
    Malformation,
    RecordKind,
)
from allostat_devices.ble import heart_rate_service as hrs
from allostat_devices.ble import polar_advertisement
from allostat_devices.ble.interval_records import SMALLEST_MTU, HeartRateRecords
from allostat_devices.ble.malformed import Malformed, faults_of
from allostat_devices.ble.movesense_records import MovesenseRecords
from allostat_devices.ble.pmd_records import PmdRecords
from allostat_devices.ble.strap_records import from_json, number_of, text_of

SENT, RECEIVED = b">", b"<"
"""First byte of a record of control-point traffic."""
NOT_JSON, NO_DIRECTION, UNKNOWN_RECORD = "not_json", "no_direction", "unknown_record"


class BleDecoder:
    """Values of the records of one strap, in their order; the same records give the same values."""

    def __init__(self) -> None:
        self._heart_rate = HeartRateRecords()
        self._pmd = PmdRecords()
        self._movesense = MovesenseRecords()
        self._is_movesense = False
        self._advertised_counter: int | None = None
        self._readers: Mapping[int, Callable[[bytes], list[Decoded]]] = {
            RecordKind.PMD_DATA: self._pmd.frame,
            RecordKind.CONTROL_POINT: self._control_point,
            RecordKind.CONNECT: self._connect,
            RecordKind.DISCONNECT: self._disconnect,
            RecordKind.GAP: self._gap,
            RecordKind.MARKER: _nothing,
            RecordKind.SETTINGS: self._settings,
            RecordKind.NOTE: _nothing,
            RecordKind.BATTERY: _battery,
            RecordKind.ADVERTISEMENT: self._advertisement,
            RecordKind.SENSOR_DATA: self._movesense.push,
        }

    def push(self, kind: int, data: bytes, monotonic_ns: int) -> list[Decoded]:
        """Values of one record.

        Parameters
        ----------
        kind
            A `RecordKind`; another number gives one `Malformation`.
        data
            The record's bytes, any at all.
        monotonic_ns
            Arrival on the host's monotonic clock; the RR unit test needs it.
        """
        if kind == RecordKind.HEART_RATE:
            return self._heart_rate.push(data, monotonic_ns)
        reader = self._readers.get(kind)
        return [Malformation(UNKNOWN_RECORD)] if reader is None else reader(data)

    def _control_point(self, data: bytes) -> list[Decoded]:
        direction, rest = data[:1], data[1:]
        if direction not in (SENT, RECEIVED):
            return [Malformation(NO_DIRECTION)]
        if self._is_movesense:
            return self._movesense.sent(rest) + self._movesense.unsubscribed(rest) if direction == SENT else []
        return self._pmd.sent(rest) if direction == SENT else self._pmd.received(rest)

    def _connect(self, data: bytes) -> list[Decoded]:
        self._new_connection()
        facts = from_json(data)
        if facts is None:
            return [Malformation(NOT_JSON)]
        mtu = number_of(facts, "mtu")
        self._heart_rate.mtu_bytes = int(mtu) if mtu is not None else SMALLEST_MTU
        services = facts.get("services")
        named = services if isinstance(services, list) else []
        self._is_movesense = "movesense" in named and "polar_pmd" not in named
        device = Device(
            text_of(facts, "maker"), text_of(facts, "model"), text_of(facts, "firmware"), text_of(facts, "kind")
        )
        return [Connected(device, facts)]

    def _disconnect(self, data: bytes) -> list[Decoded]:
        self._new_connection()
        facts = from_json(data)
        ended = Disconnected(text_of(facts or {}, "reason") or "")
        return [ended] if facts is not None else [Malformation(NOT_JSON), ended]

    def _new_connection(self) -> None:
        self._heart_rate.interrupt()
        self._pmd.forget()
        self._movesense.forget()

    def _gap(self, data: bytes) -> list[Decoded]:
        self._heart_rate.interrupt()
        return []

    def _settings(self, data: bytes) -> list[Decoded]:
        facts = from_json(data)
        if facts is None:
            return [Malformation(NOT_JSON)]
        self._movesense.settings(facts)
        return []

    def _advertisement(self, data: bytes) -> list[Decoded]:
        if int.from_bytes(data[:2], "little") != polar_advertisement.COMPANY:
            return []
        read = polar_advertisement.decode_advertisement(data[2:])
        if read is None:
            return []
        out: list[Decoded] = [Malformation(fault.value) for fault in faults_of(read)]
        if isinstance(read, Malformed):
            return out
        if read.frame_counter == self._advertised_counter:
            return []
        self._advertised_counter = read.frame_counter
        # the slow average is what the vendor's own applications show
        rate = read.slow_heart_rate_per_min or read.fast_heart_rate_per_min
        out.append(AdvertisedHeartRate(float("nan") if rate is None else float(rate), read.contact))
        return out


def _nothing(data: bytes) -> list[Decoded]:
    return []


def _battery(data: bytes) -> list[Decoded]:
    read = hrs.decode_battery_percent(data)
    if isinstance(read, Malformed):
        return [Malformation(read.fault.value)]
    return [BatteryLevel(read)]
