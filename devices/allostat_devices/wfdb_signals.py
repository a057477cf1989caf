"""Signals of WFDB records: signal files read by their headers' lines, and those of several segments joined."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from allostat.errors import InputError
from allostat.recording import Clock, ClockBlock, Epoch, InputFile, Notice, Signal
from allostat.samples import Samples, SampleWriter, blocks_of, extremes
from allostat.source import Source
from allostat_devices.byte_streams import byte_count, refuse_too_large
from allostat_devices.file_names import input_file
from allostat_devices.signal_labels import distinct_name, kind_of_label, stream_name, unit_code
from allostat_devices.wfdb_flac import FLAC_BITS, FLAC_MISSING, flac_frames
from allostat_devices.wfdb_header import Header, SignalLine
from allostat_devices.wfdb_samples import BITS, DIFFERENCES, MISSING, checksum, decode

if TYPE_CHECKING:
    from numpy.typing import NDArray

Files = Callable[[str], "tuple[Source, str | None] | None"]
"""Finds a file beside the header."""
Spool = Callable[[int], bool]
BLOCK_BYTES = 3 << 18
"""Bytes that are decoded at a time: whole words of every format (two, three or four bytes)."""
_NO_SAMPLE = {**MISSING, **FLAC_MISSING}


def signals_of(
    files: Files,
    header: Header,
    start_ns: int,
    epoch: Epoch,
    notices: list[Notice],
    inputs: list[InputFile],
    spool: Spool = lambda sample_bytes: False,
) -> dict[str, Signal]:
    """A signal for each signal line whose file is there; what is missing or odd becomes a notice.

    ``spool`` says of a number of bytes whether samples that take them go to a temporary file.

    Raises
    ------
    InputError
        When a signal file is of a format that is not read, or holds no samples.
    """
    signals: dict[str, Signal] = {}
    groups: dict[str, list[SignalLine]] = {}
    for line in header.signals:
        groups.setdefault(line.file, []).append(line)
    for name, lines in groups.items():
        found = files(name)
        if found is None:
            notices.append(Notice("missing_file", f"signal file {name} is not there", "error", len(lines), name))
            continue
        inputs.append(input_file(*found))
        for line, samples in zip(lines, _columns(found, header, lines, notices, spool), strict=True):
            signal = _signal(header, line, samples, start_ns, epoch, notices)
            signals[distinct_name(signal.name, signals)] = signal
    return {name: replace(signal, name=name) for name, signal in signals.items()}


def _columns(
    found: tuple[Source, str | None], header: Header, lines: list[SignalLine], notices: list[Notice], spool: Spool
) -> list[Samples]:
    """Samples of each signal of one signal file."""
    name, storage = lines[0].file, lines[0].format
    if any(line.format != storage for line in lines) or storage not in (*BITS, *FLAC_BITS):
        raise InputError(
            "storage format is not read",
            where=name,
            found=", ".join(str(line.format) for line in lines),
            expected="one of " + ", ".join(map(str, sorted((*BITS, *FLAC_BITS)))),
        )
    width = sum(line.samples_per_frame for line in lines)
    if storage in FLAC_BITS:
        whole = flac_frames(found[0], found[1], lines, name)
        most, blocks, dtype = len(whole) // width, iter([whole]), whole.dtype
    else:
        there = max(byte_count(found[0], found[1] or found[0].members[0]) - lines[0].byte_offset, 0)
        # one more where the last word is not whole
        most = (int(there * 8 / BITS[storage]) + 1) // width
        dtype = np.dtype(np.int32 if storage in (24, 32, DIFFERENCES) else np.int16)
        blocks = _decoded(found, lines[0].byte_offset, storage)
    wanted = most if header.n_frames is None else min(header.n_frames, most)
    refuse_too_large(wanted * width * dtype.itemsize, name)
    spooled = spool(wanted * width * dtype.itemsize)
    writers = [SampleWriter(dtype, wanted * line.samples_per_frame, spooled=spooled) for line in lines]
    available = _sorted_in(writers, blocks, lines, None if header.n_frames is None else wanted)
    # format 212 pads an odd number of samples, so one more than stated is no surplus
    stated = header.n_frames
    if stated is not None and stated > available:
        notices.append(
            Notice(
                "truncated",
                f"{name} holds {available} of the {stated} frames that the header states",
                "error" if available < 0.95 * stated else "warning",
                stated - available,
                name,
            )
        )
    if not available:
        raise InputError("signal file holds no samples", where=name)
    return [writer.finish() for writer in writers]


def _decoded(found: tuple[Source, str | None], offset: int, storage: int) -> Iterator[NDArray[Any]]:
    """All samples of a signal file in its order, part by part."""
    with found[0].open(found[1]) as stream:
        left = offset
        while left and (skipped := stream.read(min(left, BLOCK_BYTES))):
            left -= len(skipped)
        while data := stream.read(BLOCK_BYTES):
            yield decode(data, storage)


def _sorted_in(
    writers: Sequence[SampleWriter], blocks: Iterator[NDArray[Any]], lines: Sequence[SignalLine], most: int | None
) -> int:
    """Hand each signal its samples, ``most`` frames at most; how many whole frames there were."""
    width, count = sum(line.samples_per_frame for line in lines), 0
    rest: NDArray[Any] | None = None
    before = [line.initial for line in lines]
    for block in blocks:
        samples = block if rest is None or not len(rest) else np.concatenate([rest, block])
        n = len(samples) // width if most is None else min(len(samples) // width, most - count)
        frames, rest = samples[: n * width].reshape(n, width), samples[n * width :]
        if lines[0].format == DIFFERENCES and n:
            frames = from_differences(frames, lines, before)
            before = [int(frames[-1, stop - 1]) for stop in np.cumsum([line.samples_per_frame for line in lines])]
        column = 0
        for line, writer in zip(lines, writers, strict=True):
            writer.append(frames[:, column : column + line.samples_per_frame].reshape(-1))
            column += line.samples_per_frame
        count += n
        if count == most:
            break
    return count


def _signal(
    header: Header, line: SignalLine, samples: Samples, start_ns: int, epoch: Epoch, notices: list[Notice]
) -> Signal:
    whole = header.n_frames is not None and len(samples) == header.n_frames * line.samples_per_frame
    if whole and line.checksum is not None and checksum(samples) != line.checksum % 65536:
        message = f"checksum of {line.description or line.file} is {checksum(samples)}, the header states another"
        notices.append(Notice("checksum", message, "error", 1, line.file))
    if not line.calibrated:
        message = f"{line.description or line.file} states no gain: 200 units per {line.unit} assumed"
        notices.append(Notice("uncalibrated", message, "warning", 1, line.file))
    if line.gain < 0:
        message = f"{line.description or line.file} has a negative gain: the signal is turned over"
        notices.append(Notice("negative_gain", message, "info", 1, line.file))
    rate = header.rate_hz * line.samples_per_frame
    # a skewed signal was sampled that many frames before the frame it is stored in
    shifted = start_ns - round(line.skew / header.rate_hz * 1e9)
    clock = Clock.regular(len(samples), rate, shifted, nominal_hz=rate, epoch=epoch)
    kind = kind_of_label(line.description, line.unit)
    return Signal(
        stream_name(line.description, kind),
        kind,
        samples,
        clock,
        unit_code(line.unit),
        1.0 / line.gain,
        float(line.baseline),
        _NO_SAMPLE.get(line.format),
        _saturation(line, samples),
    )


def _saturation(line: SignalLine, samples: Samples) -> tuple[int, int] | None:
    if not 0 < line.resolution_bits <= 31:
        return None
    half = 1 << (line.resolution_bits - 1)
    low, high = line.adc_zero - half, line.adc_zero + half - 1
    found = extremes(samples, _NO_SAMPLE.get(line.format))
    # some headers copy resolution and zero from another record; their samples lie outside
    return (low, high) if found is not None and low <= found[0] and found[1] <= high else None


def from_differences(frames: NDArray[Any], lines: Sequence[SignalLine], before: Sequence[int]) -> NDArray[Any]:
    """Samples of format 8, where each is stored as its difference from the one before: of each line the one
    in ``before``, which at the start of the file is the header's."""
    summed = np.empty(frames.shape, np.int32)
    column = 0
    for line, last in zip(lines, before, strict=True):
        columns = slice(column, column + line.samples_per_frame)
        own = frames[:, columns]
        # 8-bit differences of a 32-bit count of samples fit into 40 bits
        total = np.cumsum(own.reshape(-1), dtype=np.int64) + last
        summed[:, columns] = total.astype(np.int32).reshape(own.shape)
        column += line.samples_per_frame
    return summed


@dataclass(frozen=True, slots=True)
class Segment:
    """Signals of one segment of a record, placed in time."""

    name: str
    signals: dict[str, Signal]


def joined_segments(segments: Sequence[Segment], notices: list[Notice]) -> dict[str, Signal]:
    """Signals of all segments, by name, in the order of their first occurrence.

    Segments that follow one another without a hole are one block of the clock. Where segments differ in scale, values
    are physical floats.
    """
    parts: dict[str, list[Signal]] = {}
    for segment in segments:
        for name, signal in segment.signals.items():
            parts.setdefault(name, []).append(signal)
    joined: dict[str, Signal] = {}
    for name, signals in parts.items():
        first = signals[0]
        if any(signal.unit != first.unit or signal.kind != first.kind for signal in signals):
            notices.append(
                Notice("unit_changes", f"{name}: segments differ in unit, those after the first are left out")
            )
            signals = [signal for signal in signals if (signal.unit, signal.kind) == (first.unit, first.kind)]
        clock = _joined_clock(signals)
        same = all((s.scale, s.offset, s.missing) == (first.scale, first.offset, first.missing) for s in signals)
        if same:
            samples = np.concatenate([block for signal in signals for block in blocks_of(signal.samples)])
            joined[name] = replace(first, samples=samples, clock=clock, saturation=_common_limits(signals))
        else:
            notices.append(Notice("scale", f"{name}: segments differ in scale, values are kept as floats", "info"))
            physical = np.concatenate([signal.physical() for signal in signals])
            joined[name] = Signal(name, first.kind, physical, clock, first.unit)
    return joined


def _common_limits(signals: Sequence[Signal]) -> tuple[int, int] | None:
    limits = {signal.saturation for signal in signals}
    return limits.pop() if len(limits) == 1 else None


def _joined_clock(signals: Sequence[Signal]) -> Clock:
    blocks: list[ClockBlock] = []
    n, end_ns = 0, 0
    for signal in signals:
        for block in signal.clock.blocks:
            half_ns = 0.5e9 / block.rate_hz
            follows = blocks and blocks[-1].rate_hz == block.rate_hz and abs(block.t0_ns - end_ns) < half_ns
            if not follows:
                blocks.append(replace(block, start_index=n + block.start_index))
        n += len(signal)
        end_ns = signal.clock.end_ns
    return Clock(tuple(blocks), n, signals[0].clock.epoch)
