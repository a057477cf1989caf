"""Signal files of WFDB formats 508, 516 and 524: FLAC streams, one channel for each signal (extra ``wfdb``)."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from allostat.errors import InputError
from allostat.source import Source
from allostat_devices.byte_streams import refuse_too_large
from allostat_devices.wfdb_header import SignalLine

if TYPE_CHECKING:
    from numpy.typing import NDArray

FLAC_BITS: dict[int, int] = {508: 8, 516: 16, 524: 24}
"""Bits of one sample, for each format."""
FLAC_MISSING: dict[int, int] = {508: -(1 << 7), 516: -(1 << 15), 524: -(1 << 23)}
"""Raw value that means "no sample", for each format."""
_BLOCK_FRAMES = 1 << 16


def flac_frames(source: Source, member: str | None, lines: Sequence[SignalLine], where: str) -> NDArray[Any]:
    """Samples of a FLAC signal file in the order of an uncompressed one: frame by frame, signal by signal.

    Raises
    ------
    InputError
        When the file is damaged, its channels do not fit the header, or the package soundfile, which the extra
        ``wfdb`` brings, is not installed.
    """
    soundfile = _soundfile(where)
    bits, per_frame = FLAC_BITS[lines[0].format], lines[0].samples_per_frame
    if any(line.samples_per_frame != per_frame for line in lines):
        raise InputError("signals of one FLAC file have one number of samples in a frame", where=where)
    data = source.read_bytes(member)[lines[0].byte_offset :]
    parts: list[NDArray[Any]] = []
    count = 0
    try:
        with soundfile.SoundFile(io.BytesIO(data)) as sound:
            if sound.channels != len(lines):
                raise InputError(
                    "channels do not fit the header", where=where, found=sound.channels, expected=str(len(lines))
                )
            for block in sound.blocks(blocksize=_BLOCK_FRAMES, dtype="int32", always_2d=True):
                count += block.size
                refuse_too_large(count * 4, where)
                # samples stand in the upper bits
                parts.append((block >> (32 - bits)).astype(np.int32 if bits > 16 else np.int16))
    except (soundfile.SoundFileError, RuntimeError, ValueError, OSError) as error:
        raise InputError(f"is a damaged FLAC file ({str(error)[:120]})", where=where) from error
    if not parts:
        return np.empty(0, np.int16)
    samples = np.concatenate(parts)
    whole = len(samples) // per_frame * per_frame
    by_frame = samples[:whole].reshape(-1, per_frame, len(lines))
    ordered: NDArray[Any] = by_frame.transpose(0, 2, 1).reshape(-1)
    return ordered


def _soundfile(where: str) -> Any:
    try:
        import soundfile
    except (ImportError, OSError) as error:
        raise InputError(
            "reading FLAC signal files takes the package soundfile",
            where=where,
            expected="pip install 'allostat-load[wfdb]'",
        ) from error
    return soundfile
