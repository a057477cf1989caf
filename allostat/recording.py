"""Waist 1: what a recording is. Types and their invariants, no algorithms.

Everything to the left of this module knows vendors and nothing else; everything to the right knows
physiology and no vendor. Instants are int64 nanoseconds; samples keep their raw integers.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self, runtime_checkable

import numpy as np

from allostat.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from allostat.source import Source

NS_PER_S = 1_000_000_000

Epoch = Literal["utc", "local", "relative"]
"""What the nanoseconds of a clock count from.

``utc``: 1970-01-01 UTC. ``local``: 1970-01-01 as a wall clock whose zone is not known (the file gave naive
local times). ``relative``: the start of the recording, whose date the file does not tell.
"""

ZoneSource = Literal["file", "inferred", "device", "profile", "user", "unknown"]
SampleKind = Literal["ecg", "ppg", "acc", "gyro", "magn", "eda", "temp", "hr", "other"]
BeatSource = Literal["ecg", "ppg", "device", "simulated", "unknown"]
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
class ClockBlock:
    """One stretch of evenly spaced samples.

    Parameters
    ----------
    start_index
        Index of the block's first sample.
    t0_ns
        Instant of that sample.
    rate_hz
        Effective sampling rate, estimated from the file's own time stamps when it has any.
    nominal_hz
        The rate that the vendor states; NaN when it states none.
    """

    start_index: int
    t0_ns: int
    rate_hz: float
    nominal_hz: float = float("nan")

    def __post_init__(self) -> None:
        if not self.rate_hz > 0 or not np.isfinite(self.rate_hz):
            raise InputError("a sampling rate is a positive number of Hz", found=self.rate_hz)


@dataclass(frozen=True, slots=True)
class Gap:
    """A stretch without samples or beats, declared by the reader and never bridged."""

    start_ns: int
    end_ns: int
    reason: str = "missing"


@dataclass(frozen=True, slots=True)
class Clock:
    """When each sample was taken: blocks of evenly spaced samples, in order, and what they count from.

    Between the last sample of a block and the first of the next lies a gap, however short.
    """

    blocks: tuple[ClockBlock, ...]
    n_samples: int
    epoch: Epoch = "utc"
    host_offset_ns: int | None = None
    """Host clock minus device clock at the start, when both were recorded."""

    def __post_init__(self) -> None:
        starts = [b.start_index for b in self.blocks]
        if self.n_samples and (not starts or starts[0] != 0 or starts[-1] >= self.n_samples):
            raise InputError("clock blocks start at sample 0 and inside the recording", found=starts[:5])
        if any(b >= a for b, a in itertools.pairwise(starts)):
            raise InputError("clock blocks are in ascending order", found=starts[:5])

    @classmethod
    def regular(
        cls,
        n_samples: int,
        rate_hz: float,
        t0_ns: int = 0,
        *,
        nominal_hz: float = float("nan"),
        epoch: Epoch = "utc",
    ) -> Self:
        """A clock of one block."""
        blocks = (ClockBlock(0, int(t0_ns), float(rate_hz), float(nominal_hz)),) if n_samples else ()
        return cls(blocks, int(n_samples), epoch)

    def spans(self) -> Iterator[tuple[int, int, ClockBlock]]:
        """For each block its first sample, the sample after its last, and the block."""
        for i, block in enumerate(self.blocks):
            stop = self.blocks[i + 1].start_index if i + 1 < len(self.blocks) else self.n_samples
            yield block.start_index, stop, block

    def times_ns(self, samples: NDArray[np.integer[Any]] | NDArray[np.float64]) -> NDArray[np.int64]:
        """Instants of sample positions, which may be fractional; shape as ``samples``."""
        positions = np.asarray(samples)
        if not self.blocks:
            return np.empty(positions.shape, dtype=np.int64)
        starts = np.array([b.start_index for b in self.blocks], dtype=np.int64)
        which = np.clip(np.searchsorted(starts, positions, side="right") - 1, 0, len(starts) - 1)
        t0 = np.array([b.t0_ns for b in self.blocks], dtype=np.int64)[which]
        step = np.array([NS_PER_S / b.rate_hz for b in self.blocks])[which]
        offset: NDArray[np.int64] = np.rint((positions - starts[which]) * step).astype(np.int64)
        return t0 + offset

    def block_of(self, samples: NDArray[np.integer[Any]] | NDArray[np.float64]) -> NDArray[np.int64]:
        """Number of the block in which each sample lies."""
        starts = np.array([b.start_index for b in self.blocks], dtype=np.int64)
        return np.clip(np.searchsorted(starts, np.asarray(samples), side="right") - 1, 0, None).astype(np.int64)

    @property
    def gaps(self) -> tuple[Gap, ...]:
        """The gaps between blocks: from the end of the last sample's period to the next block's start."""
        found = []
        for (first, stop, block), after in zip(self.spans(), self.blocks[1:], strict=False):
            end = block.t0_ns + round((stop - first) * NS_PER_S / block.rate_hz)
            found.append(Gap(end, after.t0_ns))
        return tuple(found)

    @property
    def start_ns(self) -> int:
        """Instant of the first sample."""
        return self.blocks[0].t0_ns if self.blocks else 0

    @property
    def end_ns(self) -> int:
        """Instant at which the last sample's period ends."""
        if not self.blocks:
            return 0
        first, stop, block = list(self.spans())[-1]
        return block.t0_ns + round((stop - first) * NS_PER_S / block.rate_hz)

    @property
    def rate_hz(self) -> float:
        """Effective rate over all blocks, weighted by their length; NaN without samples."""
        if not self.n_samples:
            return float("nan")
        return self.n_samples / sum((stop - first) / block.rate_hz for first, stop, block in self.spans())

    def shifted(self, shift_ns: int, epoch: Epoch) -> Self:
        """The same clock moved by ``shift_ns`` and counted from another epoch."""
        blocks = tuple(replace(b, t0_ns=b.t0_ns + int(shift_ns)) for b in self.blocks)
        return replace(self, blocks=blocks, epoch=epoch)


@dataclass(frozen=True, slots=True)
class Signal:
    """One stream of evenly sampled values, kept as the integers that the file or device gave.

    ``physical = (raw - offset) * scale`` in ``unit`` (UCUM). Float samples occur only where the source itself
    is a float; missing samples are then NaN. For integer samples ``missing`` names the raw value that means
    "no sample".
    """

    name: str
    kind: SampleKind
    samples: NDArray[Any]
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
    signals, beats
        Streams by name (``ecg``, ``ppg``, ``acc_x`` …; beats by stream name ``rr``, ``ppi``, ``ibi`` …).
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
        epochs = {s.clock.epoch for s in self.signals.values()} | {b.epoch for b in self.beats.values()}
        return epochs.pop() if len(epochs) == 1 else "relative"

    @property
    def span_ns(self) -> tuple[int, int]:
        """First and last instant of all streams."""
        starts = [s.clock.start_ns for s in self.signals.values() if len(s)]
        ends = [s.clock.end_ns for s in self.signals.values() if len(s)]
        starts += [int(b.times_ns[0]) for b in self.beats.values() if len(b)]
        ends += [int(b.times_ns[-1]) for b in self.beats.values() if len(b)]
        return (min(starts), max(ends)) if starts else (0, 0)


@dataclass(frozen=True, slots=True)
class StreamSummary:
    """One stream as `inspect` sees it."""

    name: str
    kind: str
    n: int
    rate_hz: float
    unit: str
    start_ns: int
    end_ns: int
    gaps: int = 0


@dataclass(frozen=True)
class Manifest:
    """What an export holds, found without reading all of it."""

    source: str
    adapter: str
    confidence: float
    verified: bool
    streams: tuple[StreamSummary, ...] = ()
    device: Device = Device()
    timezone: TimeZone = UNKNOWN_ZONE
    epoch: Epoch = "utc"
    identifiers: tuple[str, ...] = ()
    """Kinds of identifying information present (``name in header``, ``device id in file name``), never the values."""
    participant_hint: str | None = None
    notices: tuple[Notice, ...] = ()


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """What a caller may say of an export that the file itself does not."""

    participant: str | None = None
    timezone: str | None = None
    timezone_source: ZoneSource = "user"
    unit: str | None = None


@dataclass(frozen=True, slots=True)
class Sniff:
    """How sure an adapter is (0 to 1) that a source is its own, and why.

    ``members`` names the members of a folder or archive that belong to it; empty means all of them.
    """

    confidence: float
    reason: str
    members: tuple[str, ...] = ()


@runtime_checkable
class Adapter(Protocol):
    """One family of exports. Registered under the entry-point group ``allostat.adapters``."""

    name: str
    """Short name, as the entry point."""
    title: str
    """What a person calls the format."""
    version: str
    verified: bool
    """Whether it was verified on a real recording."""
    streams: tuple[str, ...]
    """Kinds of streams it can give: ``ecg``, ``ppg``, ``beats`` …"""
    folder_is_session: bool
    """Whether the files that it claims in a folder are streams of one session (not one recording each)."""

    def sniff(self, source: Source) -> Sniff:
        """Look at the first 4 KiB and the member names; never trust the extension alone."""
        ...

    def inspect(self, source: Source) -> Manifest:
        """Cheap look at what is in the source."""
        ...

    def read(self, source: Source, options: ReadOptions) -> Iterator[Recording]:
        """Read all recordings of the source, in bounded memory beyond the arrays returned."""
        ...
