"""Placed values of one strap gathered for its file: samples on the disk, so that a day of them needs no memory."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from allostat.live.updates import GapDeclared, Placed, PlacedIntervals, PlacedSamples, SegmentBegun
from allostat.live.usable_intervals import usable_intervals
from allostat.recording import SampleKind
from allostat.sampling import ClockBlock

_CHUNK = 1 << 20


@dataclass
class SpooledSignal:
    """Samples of one stream: one file per channel, and the blocks of their common clock."""

    kind: SampleKind
    labels: tuple[str, ...]
    unit: str
    scale: float
    files: tuple[BinaryIO, ...]
    paths: tuple[Path, ...]
    blocks: list[ClockBlock] = field(default_factory=list)
    count: int = 0
    least: int = 0
    most: int = 0

    def add(self, placed: PlacedSamples) -> None:
        """Append samples."""
        if not self.blocks or self.blocks[-1] is not placed.block:
            self.blocks.append(placed.block)
        raw = placed.raw
        for channel, file in enumerate(self.files):
            file.write(np.ascontiguousarray(raw[:, channel], dtype="<i4").tobytes())
        self.least, self.most = min(self.least, int(raw.min())), max(self.most, int(raw.max()))
        self.count += len(raw)

    def channels(self) -> Iterator[tuple[str, NDArray[np.int16] | NDArray[np.int32]]]:
        """Label and samples of each channel, mapped from the disk; 16 bit where all channels fit."""
        short = np.iinfo(np.int16).min <= self.least and self.most <= np.iinfo(np.int16).max
        for label, file, path in zip(self.labels, self.files, self.paths, strict=True):
            file.close()
            yield label, np.memmap(_shortened(path), "<i2", "r") if short else np.memmap(path, "<i4", "r")


def _shortened(path: Path) -> Path:
    """The same samples in a file of 16 bit."""
    short = path.with_suffix(".i2")
    with path.open("rb") as wide, short.open("wb") as narrow:
        while block := wide.read(_CHUNK):
            narrow.write(np.frombuffer(block, "<i4").astype("<i2").tobytes())
    path.unlink()
    return short


@dataclass
class SpooledBeats:
    """Beats of one stream."""

    times_ns: array[int] = field(default_factory=lambda: array("q"))
    intervals_ms: array[float] = field(default_factory=lambda: array("d"))
    flags: array[int] = field(default_factory=lambda: array("b"))
    rate_times_ns: array[int] = field(default_factory=lambda: array("q"))
    rates_bpm: array[float] = field(default_factory=lambda: array("d"))

    def add(self, placed: PlacedIntervals) -> None:
        """Append beats, with the flags that the live analysis gave them."""
        intervals_ms, flags = usable_intervals(placed.intervals_ms, not self.times_ns)
        self.times_ns.frombytes(placed.times_ns.astype("=i8").tobytes())
        self.intervals_ms.frombytes(intervals_ms.astype("=f8").tobytes())
        self.flags.frombytes(flags.tobytes())
        if np.isfinite(placed.heart_rate_bpm):
            self.rate_times_ns.append(int(placed.times_ns[-1]))
            self.rates_bpm.append(placed.heart_rate_bpm)


@dataclass
class SpooledGaps:
    """Gaps of one stream."""

    starts_ns: array[int] = field(default_factory=lambda: array("q"))
    ends_ns: array[int] = field(default_factory=lambda: array("q"))
    missing: array[int] = field(default_factory=lambda: array("q"))
    reasons: list[str] = field(default_factory=list)

    def add(self, gap: GapDeclared) -> None:
        """Append a gap; one that begins where the last one began lengthens it."""
        if self.starts_ns and gap.start_ns <= self.starts_ns[-1]:
            self.ends_ns[-1] = max(self.ends_ns[-1], gap.end_ns)
            self.missing[-1] += gap.missing
            return
        self.starts_ns.append(gap.start_ns)
        self.ends_ns.append(gap.end_ns)
        self.missing.append(gap.missing)
        self.reasons.append(gap.reason)


class StrapSpool:
    """Everything placed of one strap.

    Parameters
    ----------
    folder
        For the samples; exists.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.signals: dict[str, SpooledSignal] = {}
        self.beats: dict[str, SpooledBeats] = {}
        self.gaps: dict[str, SpooledGaps] = {}

    def add(self, placed: Placed) -> None:
        """Keep one value."""
        match placed:
            case PlacedSamples():
                self._signal(placed).add(placed)
            case PlacedIntervals():
                self.beats.setdefault(placed.stream, SpooledBeats()).add(placed)
            case GapDeclared():
                self.gaps.setdefault(placed.stream, SpooledGaps()).add(placed)
            case SegmentBegun():
                pass

    def _signal(self, placed: PlacedSamples) -> SpooledSignal:
        found = self.signals.get(placed.stream)
        if found is None:
            paths = tuple(self._folder / f"{placed.strap}.{placed.stream}.{i}.i4" for i in range(len(placed.labels)))
            files = tuple(path.open("xb") for path in paths)
            found = SpooledSignal(placed.kind, placed.labels, placed.unit, placed.scale, files, paths)
            self.signals[placed.stream] = found
        return found

    def close(self) -> None:
        """Close the files; harmless when closed."""
        for signal in self.signals.values():
            for file in signal.files:
                file.close()
