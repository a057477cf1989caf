"""Waist 1: what a recording is. Types and their invariants, no algorithms.

Everything to the left of this module knows vendors and nothing else; everything to the right knows
physiology and no vendor. Instants are int64 nanoseconds; samples keep their raw integers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np

from allostat.errors import InputError
from allostat.samples import Samples
from allostat.sampling import NS_PER_S as NS_PER_S
from allostat.sampling import Clock as Clock
from allostat.sampling import ClockBlock as ClockBlock
from allostat.sampling import Epoch as Epoch
from allostat.sampling import Gap as Gap

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from allostat.tables import BloodPressureReading, LabRow

ZoneSource = Literal["file", "inferred", "device", "profile", "user", "unknown"]
SampleKind = Literal["ecg", "ppg", "acc", "gyro", "magn", "eda", "temp", "hr", "other"]
BeatSource = Literal["ecg", "ppg", "device", "simulated", "unknown"]
SeriesKind = Literal["hr", "resting_hr", "hrv", "respiration_rate", "sleep", "other"]
HrvMetric = Literal["rmssd", "sdnn", "ln_rmssd", "vendor"]
"""What a device's own HRV value is; ``vendor`` when it does not say by which formula it was found."""
Context = Literal["unknown", "night", "rest", "spot", "day"]
Severity = Literal["info", "warning", "error"]


@dataclass(frozen=True, slots=True)
class TimeZone:
    """The participant's time zone and where it is known from.

    Parameters
    ----------
    name
        IANA name (``Europe/Vienna``) or fixed offset (``UTC+02:00``); None when unknown.
    source
        How it is known. ``unknown`` stays unknown: circadian functions refuse it.
    weak
        True when the evidence fits more than one explanation (an inferred offset of 0 looks the same as a
        device clock set to local time).
    """

    name: str | None = None
    source: ZoneSource = "unknown"
    weak: bool = False

    def __post_init__(self) -> None:
        if (self.name is None) != (self.source == "unknown"):
            raise InputError(
                "a time zone has a name exactly when its source is known", found=f"{self.name}, {self.source}"
            )

    @property
    def known(self) -> bool:
        """Whether local clock times can be computed."""
        return self.name is not None


UNKNOWN_ZONE = TimeZone()


@dataclass(frozen=True, slots=True)
class Signal:
    """One stream of evenly sampled values, kept as the integers that the file or device gave.

    ``physical = (raw - offset) * scale`` in ``unit`` (UCUM). Float samples occur only where the source itself
    is a float; missing samples are then NaN. For integer samples ``missing`` names the raw value that means
    "no sample".
    """

    name: str
    kind: SampleKind
    samples: Samples
    """An array; of a recording too long to stand in memory, something whose slices are arrays (`allostat.samples`)."""
    clock: Clock
    unit: str
    scale: float = 1.0
    offset: float = 0.0
    missing: int | None = None
    saturation: tuple[int, int] | None = None
    """Raw values at which the converter clips, when known."""

    def __post_init__(self) -> None:
        if self.samples.ndim != 1 or self.samples.dtype.kind not in "iuf":
            raise InputError(
                f"samples of stream {self.name!r} are one-dimensional integers or floats",
                found=f"{self.samples.dtype}, {self.samples.ndim} dimensions",
            )
        if len(self.samples) != self.clock.n_samples:
            raise InputError(
                f"stream {self.name!r} and its clock differ in length",
                found=f"{len(self.samples)} samples, clock of {self.clock.n_samples}",
            )

    def __len__(self) -> int:
        return len(self.samples)

    def physical(self, start: int = 0, stop: int | None = None) -> NDArray[np.float64]:
        """Samples ``start:stop`` in ``unit`` as float64; missing samples are NaN."""
        raw = self.samples[start:stop]
        values: NDArray[np.float64] = (raw.astype(np.float64) - self.offset) * self.scale
        if self.missing is not None:
            values[raw == self.missing] = np.nan
        return values

    @property
    def duration_s(self) -> float:
        """Time covered by samples, gaps left out, in s."""
        return sum((stop - first) / block.rate_hz for first, stop, block in self.clock.spans())


class BeatFlag(IntEnum):
    """What is known of a beat or of the interval that ends at it."""

    NORMAL = 0
    ECTOPIC = 1
    MISSED = 2
    """Inserted where a beat was missed."""
    EXTRA = 3
    LONG_SHORT = 4
    UNUSABLE = 5
    """The device declared it unusable."""
    OUT_OF_RANGE = 6
    """The interval was outside the plausible range and is NaN."""


@dataclass(frozen=True, slots=True)
class Beats:
    """Beat instants and the interval that ends at each.

    Parameters
    ----------
    times_ns
        int64 (n,), strictly ascending.
    intervals_ms
        float64 (n,): the interval from the beat before to this one; NaN for the first beat and across a gap.
        Differences are never taken across a NaN.
    flags
        int8 (n,), values of `BeatFlag`.
    source
        What the beats were found in.
    unit-less intervals do not exist: they are ms.
    """

    times_ns: NDArray[np.int64]
    intervals_ms: NDArray[np.float64]
    flags: NDArray[np.int8]
    source: BeatSource = "unknown"
    epoch: Epoch = "utc"
    method: str = "as recorded"
    uncertainty_ms: NDArray[np.float32] | None = None
    """Standard error of each beat's instant in ms, when the detector or the device states one."""
    extras: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    original: Beats | None = None
    """The beats as they were before correction."""

    def __post_init__(self) -> None:
        n = len(self.times_ns)
        if self.times_ns.dtype != np.int64 or self.intervals_ms.dtype != np.float64 or self.flags.dtype != np.int8:
            raise InputError(
                "beats are int64 ns, float64 ms and int8 flags",
                found=f"{self.times_ns.dtype}, {self.intervals_ms.dtype}, {self.flags.dtype}",
            )
        if len(self.intervals_ms) != n or len(self.flags) != n:
            raise InputError(
                "beat instants, intervals and flags have one length",
                found=f"{n}, {len(self.intervals_ms)}, {len(self.flags)}",
            )
        if n > 1 and not bool(np.all(self.times_ns[1:] > self.times_ns[:-1])):
            at = int(np.flatnonzero(self.times_ns[1:] <= self.times_ns[:-1])[0]) + 1
            raise InputError("beat instants ascend", where=f"beat {at}", found=int(self.times_ns[at]))

    def __len__(self) -> int:
        return len(self.times_ns)

    @classmethod
    def from_intervals(
        cls,
        rr_ms: NDArray[np.floating[Any]] | NDArray[np.integer[Any]] | list[float],
        *,
        start_ns: int = 0,
        epoch: Epoch = "relative",
        source: BeatSource = "unknown",
    ) -> Self:
        """Beats of a plain series of n RR intervals in ms: n + 1 beats, the first at ``start_ns``.

        Raises
        ------
        InputError
            When an interval is not a positive finite number.
        """
        rr = np.asarray(rr_ms, dtype=np.float64)
        bad = np.flatnonzero(~(np.isfinite(rr) & (rr > 0)))
        if bad.size:
            raise InputError(
                "RR intervals are positive numbers of ms",
                where=f"interval {int(bad[0])}",
                found=float(rr[bad[0]]),
            )
        elapsed = np.concatenate([[0.0], np.cumsum(rr)])
        times = int(start_ns) + np.rint(elapsed * 1e6).astype(np.int64)
        intervals = np.concatenate([[np.nan], rr])
        return cls(times, intervals, np.zeros(len(times), np.int8), source, epoch)

    @classmethod
    def from_times(cls, times_ns: NDArray[np.int64], *, breaks: NDArray[np.bool_] | None = None, **about: Any) -> Self:
        """Beats of instants alone; ``breaks[i]`` says that the interval ending at beat i crosses a gap."""
        times = np.asarray(times_ns, dtype=np.int64)
        intervals = np.full(len(times), np.nan)
        intervals[1:] = np.diff(times) / 1e6
        if breaks is not None:
            intervals[np.asarray(breaks, dtype=bool)] = np.nan
        return cls(times, intervals, np.zeros(len(times), np.int8), **about)

    def between(self, start_ns: int, end_ns: int) -> Self:
        """Beats whose interval lies in [start, end): the first one kept loses its interval."""
        lo, hi = np.searchsorted(self.times_ns, [start_ns, end_ns])
        intervals = self.intervals_ms[lo:hi].copy()
        if len(intervals):
            intervals[0] = np.nan
        return replace(
            self,
            times_ns=self.times_ns[lo:hi],
            intervals_ms=intervals,
            flags=self.flags[lo:hi],
            uncertainty_ms=None if self.uncertainty_ms is None else self.uncertainty_ms[lo:hi],
            extras={k: v[lo:hi] for k, v in self.extras.items()},
            original=None,
        )

    @property
    def gaps(self) -> tuple[Gap, ...]:
        """Stretches between beats whose interval is NaN."""
        at = np.flatnonzero(np.isnan(self.intervals_ms[1:])) + 1
        return tuple(Gap(int(self.times_ns[i - 1]), int(self.times_ns[i])) for i in at)


class SleepStage(IntEnum):
    """Values of a series of kind ``sleep``, whichever device it comes from."""

    IN_BED = 0
    ASLEEP = 1
    """Of whichever stage."""
    AWAKE = 2
    LIGHT = 3
    DEEP = 4
    REM = 5


@dataclass(frozen=True, slots=True)
class ValueSeries:
    """Values that a device worked out itself, at instants of their own: heart rate, HRV summaries, sleep.

    They are no beats and never become beats: what the vendor left out or smoothed cannot be told from them.

    Parameters
    ----------
    times_ns
        int64 (n,), strictly ascending: the instant of the value, or the start of the stretch that it stands for.
    values
        float64 (n,) in ``unit`` (UCUM); NaN where the device had none. Those of sleep are of `SleepStage`.
    ends_ns
        int64 (n,): end of the stretch that each value stands for; None when it stands for an instant.
    metric, window_s
        For HRV: which measure it is, and over how many seconds each value was taken (NaN: not stated).
    context
        When it was taken: HRV of a night, at rest, of a spot check or over the day are never mixed.
    extras
        Further columns of n values: confidence, coverage, motion context …
    """

    name: str
    kind: SeriesKind
    times_ns: NDArray[np.int64]
    values: NDArray[np.float64]
    unit: str
    epoch: Epoch = "utc"
    ends_ns: NDArray[np.int64] | None = None
    metric: HrvMetric | None = None
    window_s: float = float("nan")
    context: Context = "unknown"
    extras: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        n = len(self.times_ns)
        if self.times_ns.dtype != np.int64 or self.values.dtype != np.float64:
            raise InputError(
                f"series {self.name!r} has int64 instants and float64 values",
                found=f"{self.times_ns.dtype}, {self.values.dtype}",
            )
        columns = {"values": self.values, **self.extras} | ({} if self.ends_ns is None else {"ends_ns": self.ends_ns})
        for column, found in columns.items():
            if found.shape != (n,):
                raise InputError(
                    f"series {self.name!r}: {column} has another length", found=found.shape, expected=str(n)
                )
        if n > 1 and not bool(np.all(self.times_ns[1:] > self.times_ns[:-1])):
            at = int(np.flatnonzero(self.times_ns[1:] <= self.times_ns[:-1])[0]) + 1
            raise InputError(f"instants of series {self.name!r} ascend", where=f"value {at}")
        if self.ends_ns is not None and bool(np.any(self.ends_ns < self.times_ns)):
            raise InputError(f"series {self.name!r}: a stretch ends before it begins")
        if (self.metric is not None) != (self.kind == "hrv"):
            raise InputError(f"series {self.name!r}: HRV and nothing else has a metric", found=self.metric)

    def __len__(self) -> int:
        return len(self.times_ns)


@dataclass(frozen=True, slots=True)
class Device:
    """What made the recording. Serial numbers and addresses are not kept."""

    manufacturer: str | None = None
    model: str | None = None
    firmware: str | None = None
    kind: str | None = None
    """``chest strap``, ``wrist``, ``holter``, ``app``, ``simulated`` …"""


@dataclass(frozen=True, slots=True)
class InputFile:
    """One file that a recording was read from: its name, not its path."""

    name: str
    sha256: str
    bytes: int
    member: str | None = None


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a recording came from: inputs with hashes, adapter with version, options."""

    inputs: tuple[InputFile, ...] = ()
    adapter: str = ""
    adapter_version: str = ""
    verified: bool = False
    """Whether the adapter was verified on a real recording of this kind."""
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that the reader wants known: a skipped row, an assumption, an oddity. Silence is a bug.

    ``count`` rows were affected, the first one in line ``first_line`` (1-based) of ``file``.
    """

    code: str
    message: str
    severity: Severity = "warning"
    count: int = 1
    file: str | None = None
    first_line: int | None = None


@dataclass(frozen=True, slots=True)
class Marker:
    """An event that the person or the device marked."""

    time_ns: int
    label: str


@dataclass(frozen=True)
class Recording:
    """One device on one person, one session: signals and beats on their clocks, with all that is known of them.

    Attributes
    ----------
    id
        Name of the recording inside its participant, made of letters, digits, ``-`` and ``_``.
    signals, beats, series
        Streams by name (``ecg``, ``ppg``, ``acc_x`` …; beats by stream name ``rr``, ``ppi``, ``ibi`` …; series ``hr``,
        ``rmssd`` …).
    blood_pressure, labs
        Cuff readings and laboratory values that the export holds beside the streams.
    timezone
        The participant's zone and how it is known.
    """

    id: str
    signals: Mapping[str, Signal] = field(default_factory=dict)
    beats: Mapping[str, Beats] = field(default_factory=dict)
    participant: str | None = None
    timezone: TimeZone = UNKNOWN_ZONE
    device: Device = Device()
    provenance: Provenance = Provenance()
    notices: tuple[Notice, ...] = ()
    markers: tuple[Marker, ...] = ()
    extras: Mapping[str, Any] = field(default_factory=dict)
    series: Mapping[str, ValueSeries] = field(default_factory=dict)
    blood_pressure: tuple[BloodPressureReading, ...] = ()
    labs: tuple[LabRow, ...] = ()

    def _first(self, kind: SampleKind) -> Signal:
        for signal in self.signals.values():
            if signal.kind == kind:
                return signal
        raise InputError(f"recording {self.id!r} holds no {kind.upper()}", expected=f"one of {sorted(self.signals)}")

    @property
    def ecg(self) -> Signal:
        """The first ECG stream; `InputError` when there is none."""
        return self._first("ecg")

    @property
    def ppg(self) -> Signal:
        """The first PPG stream; `InputError` when there is none."""
        return self._first("ppg")

    @property
    def epoch(self) -> Epoch:
        """The epoch that all streams share; ``relative`` when there is none or they differ."""
        epochs = {s.clock.epoch for s in self.signals.values()}
        epochs |= {b.epoch for b in self.beats.values()} | {s.epoch for s in self.series.values()}
        return epochs.pop() if len(epochs) == 1 else "relative"

    @property
    def span_ns(self) -> tuple[int, int]:
        """First and last instant of all streams."""
        starts = [s.clock.start_ns for s in self.signals.values() if len(s)]
        ends = [s.clock.end_ns for s in self.signals.values() if len(s)]
        starts += [int(b.times_ns[0]) for b in self.beats.values() if len(b)]
        ends += [int(b.times_ns[-1]) for b in self.beats.values() if len(b)]
        for series in self.series.values():
            if len(series):
                starts.append(int(series.times_ns[0]))
                ends.append(int(series.times_ns[-1] if series.ends_ns is None else series.ends_ns.max()))
        return (min(starts), max(ends)) if starts else (0, 0)
