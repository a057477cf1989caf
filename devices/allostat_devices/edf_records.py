"""Data records of EDF and BDF files as one array of digital integers for each signal, and when each record began."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from allostat.recording import NS_PER_S, Clock, ClockBlock, Epoch
from allostat.samples import Samples, SampleWriter, SpooledSamples
from allostat_devices.byte_streams import fill, refuse_too_large
from allostat_devices.clock_blocks import usable_stamps
from allostat_devices.edf_annotations import record_onsets
from allostat_devices.edf_header import EdfHeader, EdfSignal
from allostat_devices.skipped_rows import SkippedRows

if TYPE_CHECKING:
    from numpy.typing import NDArray

Spool = Callable[[int], bool]
BLOCK_BYTES = 1 << 20
"""Records are read in blocks that stay in the processor's cache between reading and sorting."""


@dataclass(frozen=True, slots=True)
class Records:
    """Samples of all signals, in the order of the header."""

    count: int
    samples: tuple[Samples, ...]
    """int16 (records x samples per record,), int32 for BDF; annotation signals as uint8 (records x bytes,)."""


def complete_records(header: EdfHeader, file_bytes: int) -> tuple[int, int]:
    """Number of records to read, and bytes that follow them without making a whole record."""
    there, rest = divmod(max(file_bytes - header.bytes, 0), max(header.record_bytes, 1))
    if 0 <= header.stated_records <= there:
        return header.stated_records, 0
    return there, rest


def read_records(
    stream: IO[bytes], header: EdfHeader, count: int, where: str, spool: Spool = lambda sample_bytes: False
) -> Records:
    """Read ``count`` records from a stream that stands behind the header.

    Parameters
    ----------
    stream
        Fewer records in it than ``count`` make the result shorter.
    spool
        Says of a number of bytes whether samples that take them go to a temporary file.

    Raises
    ------
    InputError
        When the samples would not fit into memory.
    """
    width, total = header.sample_bytes, header.record_samples
    sample_bytes = count * total * (4 if width == 3 else width)
    refuse_too_large(sample_bytes, where)
    spooled = spool(sample_bytes)
    writers = [_writer(signal, count, width, spooled) for signal in header.signals]
    edges = np.cumsum([0, *(signal.samples_per_record for signal in header.signals)]) * width
    block = max(1, BLOCK_BYTES // max(header.record_bytes, 1))
    buffer = np.empty((min(block, max(count, 1)), header.record_bytes), np.uint8)
    done = 0
    while done < count:
        wanted = min(len(buffer), count - done)
        found = fill(stream, buffer[:wanted].data.cast("B")) // max(header.record_bytes, 1)
        for signal, writer, begin, end in zip(header.signals, writers, edges[:-1], edges[1:], strict=True):
            if begin < end:
                writer.append(_sorted_out(buffer[:found, begin:end], signal, width))
        done += found
        if found < wanted:
            break
    return Records(done, tuple(writer.finish() for writer in writers))


def _writer(signal: EdfSignal, count: int, width: int, spooled: bool) -> SampleWriter:
    n = count * signal.samples_per_record
    if signal.is_annotation:
        return SampleWriter(np.uint8, n * width, spooled=spooled)
    return SampleWriter(np.int32 if width == 3 else np.int16, n, spooled=spooled)


def _sorted_out(part: NDArray[np.uint8], signal: EdfSignal, width: int) -> NDArray[Any]:
    """The samples of one signal in a block of records, from its bytes."""
    if signal.is_annotation:
        return part.reshape(-1)
    if width == 2:
        return part.view("<i2").reshape(-1)
    # 24 bits into the upper three bytes of 32, then down again: the sign comes along
    padded = np.zeros((part.shape[0], part.shape[1] // 3, 4), np.uint8)
    padded[..., 1:] = part.reshape(*padded.shape[:2], 3)
    return np.asarray(padded.view("<i4").reshape(-1) >> 8)


def by_record(samples: Samples, count: int) -> Iterator[NDArray[Any]]:
    """The samples of one signal as successive arrays (records, samples per record)."""
    each = len(samples) // max(count, 1)
    step = max(1, BLOCK_BYTES // max(each, 1))
    for at in range(0, count, step):
        yield samples[at * each : min(at + step, count) * each].reshape(-1, each)


def kept_records(samples: Samples, count: int, keep: NDArray[np.bool_]) -> Samples:
    """The samples of the records that are kept."""
    n, at = int(keep.sum()) * (len(samples) // max(count, 1)), 0
    writer = SampleWriter(samples.dtype, n, spooled=isinstance(samples, SpooledSamples))
    for block in by_record(samples, count):
        writer.append(block[keep[at : at + len(block)]].reshape(-1))
        at += len(block)
    return writer.finish()


def onsets_of(records: Records, stamps: int) -> NDArray[np.float64]:
    """Onset of each record, from the annotation signal that holds the stamps."""
    blocks = by_record(records.samples[stamps], records.count)
    return np.concatenate([np.empty(0), *(record_onsets(block) for block in blocks)])


@dataclass(frozen=True, slots=True)
class Placement:
    """Which records are used, and where each begins in s since the stated start."""

    keep: NDArray[np.bool_] | None
    """None when all are."""
    first_s: float
    blocks: tuple[tuple[int, float], ...]
    """First record (among those kept) and onset in s of each stretch without a hole."""


def place_records(header: EdfHeader, records: Records, skipped: SkippedRows) -> Placement:
    """Where the records lie in time.

    In a continuous file the first record's stamp is the fraction of the second at which the file began. In one with
    holes (EDF+D) each record's stamp is its place; a record whose stamp cannot be read, or that begins before the one
    before has ended, is left out and counted.
    """
    stamps = next((i for i, signal in enumerate(header.signals) if signal.is_annotation), None)
    if not header.variant or stamps is None or not records.count:
        return Placement(None, 0.0, ((0, 0.0),))
    skipped.rows += records.count
    if header.variant == "C":
        first = float(record_onsets(next(by_record(records.samples[stamps], records.count))[:1])[0])
        first = first if 0 <= first < max(header.record_s, 1.0) + 60.0 else 0.0
        return Placement(None, first, ((0, first),))
    onsets = onsets_of(records, stamps)
    keep = _usable(onsets, header.record_s, _tolerance_s(header), skipped)
    kept = onsets[keep]
    if not len(kept):
        return Placement(keep, 0.0, ())
    return Placement(keep, float(kept[0]), tuple(_stretches(kept, header.record_s, _tolerance_s(header))))


def _tolerance_s(header: EdfHeader) -> float:
    """Half a sample of the fastest signal; stamps are rounded to at least a microsecond."""
    fastest = max((s.samples_per_record for s in header.signals if not s.is_annotation), default=1)
    return max(0.5 * header.record_s / max(fastest, 1), 1e-6)


def _usable(
    onsets: NDArray[np.float64], record_s: float, tolerance_s: float, skipped: SkippedRows
) -> NDArray[np.bool_]:
    keep = ~np.isnan(onsets)
    unread = np.flatnonzero(~keep)
    if len(unread):
        skipped.add("bad_time", int(unread[0]) + 1, len(unread))
    at = np.flatnonzero(keep)
    good = usable_stamps(np.rint(onsets[at] * NS_PER_S).astype(np.int64), at + 1, skipped)
    if good is not None:
        keep[at[~good]] = False
    end = -np.inf
    for i in np.flatnonzero(keep):
        if onsets[i] < end - tolerance_s:
            keep[i] = False
            skipped.add("bad_time", int(i) + 1)
        else:
            end = onsets[i] + record_s
    return keep


def _stretches(onsets: NDArray[np.float64], record_s: float, tolerance_s: float) -> list[tuple[int, float]]:
    found = [(0, float(onsets[0]))]
    for i in range(1, len(onsets)):
        first, begin = found[-1]
        if abs(onsets[i] - (begin + (i - first) * record_s)) > tolerance_s:
            found.append((i, float(onsets[i])))
    return found


def signal_clock(
    signal: EdfSignal, header: EdfHeader, placement: Placement, n: int, start_ns: int, epoch: Epoch
) -> Clock:
    """Clock of one signal of ``n`` samples whose file begins at ``start_ns``."""
    if not n:
        return Clock((), 0, epoch)
    rate = signal.samples_per_record / header.record_s
    blocks = tuple(
        ClockBlock(first * signal.samples_per_record, start_ns + round(onset * NS_PER_S), rate, rate)
        for first, onset in placement.blocks
    )
    return Clock(blocks, n, epoch)
