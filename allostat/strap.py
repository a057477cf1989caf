"""The contract of a strap: how sensors that stream are found, followed and decoded.

A link (entry-point group ``allostat.straps``) knows the radio and the vendors. What it hands over is of two kinds:
the bytes as they arrived (`RecordKind`), which a session journals before anything else happens to them, and what a
decoder makes of them (`Decoded`). A decoder needs nothing but the journalled records, in their order: a session that
is replayed gives what it gave live. Nothing here places a sample in time or bridges a hole.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

import numpy as np

from allostat.recording import Device, SampleKind

if TYPE_CHECKING:
    from numpy.typing import NDArray

GROUP = "allostat.straps"
"""Entry points of links."""
SIMULATED_GROUP = "allostat.simulated_straps"
"""Entry points of functions that take a number of straps and give a ``backend`` with so many virtual ones in reach;
each has the name of the link that takes it."""

StrapService = Literal["heart_rate", "polar_pmd", "movesense", "advertised_heart_rate"]


class RecordKind(IntEnum):
    """What a journalled record holds."""

    HEART_RATE = 1
    """Notification of the Heart Rate Service."""
    PMD_DATA = 2
    """Notification of Polar Measurement Data."""
    CONTROL_POINT = 3
    """Control-point traffic: ``>`` (sent) or ``<`` (received), then the bytes."""
    CONNECT = 4
    """JSON: what is known of the strap and the link (`model`, `firmware`, `mtu`, `services` …)."""
    DISCONNECT = 5
    """JSON: ``reason``."""
    GAP = 6
    """JSON: what a session declared lost that no later record tells."""
    MARKER = 7
    """JSON: ``label``, ``source``."""
    SETTINGS = 8
    """JSON: ``stream`` and its settings as the strap confirmed them."""
    NOTE = 9
    """JSON: ``code``, ``message``."""
    BATTERY = 10
    """One byte, percent."""
    ADVERTISEMENT = 11
    """Manufacturer data of a strap that is not connected: the company's number in two bytes, then its bytes."""
    SENSOR_DATA = 12
    """Notification of another vendor's sensor service."""


@dataclass(frozen=True, slots=True)
class FoundStrap:
    """A strap that a scan saw.

    Attributes
    ----------
    identity
        Key of the strap, the same at every scan on this computer. Personal: written to files only as a keyed hash.
    name
        As it advertises itself.
    services
        What it can give, as far as its advertisement tells.
    rssi_dbm, battery_percent
        Signal strength and charge; None when unknown.
    connectable
        False while it advertises but takes no connection (held by a phone, or advertising its heart rate only).
    handle
        The link's own object, passed back to `StrapLink.follow`.
    """

    identity: str
    name: str
    services: frozenset[StrapService]
    rssi_dbm: int | None = None
    battery_percent: int | None = None
    device: Device = field(default_factory=Device)
    connectable: bool = True
    handle: Any = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True, eq=False)
class SampleBlock:
    """Evenly sampled values of one notification.

    Attributes
    ----------
    stream
        ``ecg``, ``ppg``, ``acc`` …
    labels
        Name of each channel (``ecg``; ``acc_x``, ``acc_y``, ``acc_z``).
    raw
        int32 (samples, channels); ``raw * scale`` is in ``unit`` (UCUM).
    nominal_hz
        Rate that the strap confirmed.
    last_sample_ns
        Device time of the last sample that the strap put into the notification; None when it told none.
    missing
        Samples promised behind the last one here.
    """

    stream: str
    kind: SampleKind
    labels: tuple[str, ...]
    raw: NDArray[np.int32]
    scale: float
    unit: str
    nominal_hz: float
    last_sample_ns: int | None
    missing: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class IntervalBatch:
    """Beat-to-beat intervals of one notification, oldest first.

    Attributes
    ----------
    stream
        ``rr`` (electrical) or ``ppi`` (pulse).
    raw
        int64, as sent.
    intervals_ms
        float64; NaN where the strap sent 0 or declared the interval unusable. NaN keeps its place.
    heart_rate_bpm
        The strap's own value; NaN when it had none.
    contact
        None when the strap does not tell.
    last_beat_ns
        Device time of the last beat; None when the strap tells none.
    error_ms
        float64, the strap's own estimate of the error; None when it gives none.
    full
        The notification held as many intervals as fit: older ones may have been dropped by the strap.
    """

    stream: Literal["rr", "ppi"]
    raw: NDArray[np.int64]
    intervals_ms: NDArray[np.float64]
    heart_rate_bpm: float = float("nan")
    contact: bool | None = None
    last_beat_ns: int | None = None
    error_ms: NDArray[np.float64] | None = None
    energy_kj: int | None = None
    full: bool = False


@dataclass(frozen=True, slots=True)
class UnitVerdict:
    """What the strap's RR intervals count in, as far as it is known by now."""

    ms_per_unit: float
    decided: bool
    message: str | None = None


@dataclass(frozen=True, slots=True)
class StreamStarted:
    """The strap confirmed a stream; samples that follow belong to a new clock segment."""

    stream: str
    nominal_hz: float
    settings: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class StreamStopped:
    """A stream ended: ``asked`` by us, or by the strap."""

    stream: str
    asked: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Connected:
    """A connection began: no interval and no sample clock crosses it."""

    device: Device
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Disconnected:
    """A connection ended."""

    reason: str


@dataclass(frozen=True, slots=True)
class BatteryLevel:
    """Charge in percent."""

    percent: int


@dataclass(frozen=True, slots=True)
class AdvertisedHeartRate:
    """Heart rate that a strap advertised without a connection; NaN when it had none."""

    bpm: float
    contact: bool | None = None


@dataclass(frozen=True, slots=True)
class Malformation:
    """Bytes that could not be read, wholly or in part: counted by ``code``."""

    code: str
    count: int = 1


Decoded = (
    SampleBlock
    | IntervalBatch
    | UnitVerdict
    | StreamStarted
    | StreamStopped
    | Connected
    | Disconnected
    | BatteryLevel
    | AdvertisedHeartRate
    | Malformation
)

EventSink = Callable[[RecordKind, bytes], None]
"""Takes bytes the moment they arrive. Never blocks, never raises."""


class StrapDecoder(Protocol):
    """Turns the records of one strap into values. Never raises on input."""

    def push(self, kind: int, data: bytes, monotonic_ns: int) -> list[Decoded]:
        """Values of one record that arrived at ``monotonic_ns`` on the host's monotonic clock."""
        ...


@dataclass(frozen=True, slots=True)
class FollowOptions:
    """What is asked of a strap.

    Attributes
    ----------
    streams
        Streams to start when the strap has them, besides its RR intervals: ``ecg``, ``acc``, ``ppg``, ``ppi``.
    low_latency
        Ask for short notifications (73 samples of ECG wait 0.56 s in the strap).
    """

    streams: tuple[str, ...] = ("ecg", "ppg", "ppi")
    low_latency: bool = False


@runtime_checkable
class StrapLink(Protocol):
    """One way to reach straps. Registered under the entry-point group ``allostat.straps``."""

    name: str
    title: str

    async def scan(
        self, seconds: float, *, backend: Any = None, found: Callable[[FoundStrap], None] | None = None
    ) -> list[FoundStrap]:
        """Straps in reach, strongest first; ``found`` is called for each as it is first seen or learned more of.

        Raises
        ------
        DeviceError
            No adapter, no permission, no service of the system: one sentence with the next step.
        """
        ...

    async def follow(self, strap: FoundStrap, sink: EventSink, options: FollowOptions, *, backend: Any = None) -> None:
        """Connect, stream and reconnect for ever; ends only by cancellation, and then stops the strap's streams."""
        ...

    def decoder(self) -> StrapDecoder:
        """A decoder for the records of one strap."""
        ...
