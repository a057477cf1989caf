"""Writers of EDF files: plain EDF, EDF+ with holes, BDF, and the EDF of a Bittium Faros."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from allostat.recording import NS_PER_S
from allostat.simulate.exports.archive import local_offset_s
from allostat.simulate.exports.worn import Worn
from allostat.simulate.seeds import random_stream

Ints = NDArray[np.int64]
EdfVariant = Literal["EDF", "EDF+C", "EDF+D", "BDF"]

_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_STAMP_BYTES = 60
"""Bytes of the annotation signal in each record."""


@dataclass(frozen=True)
class EdfTrack:
    """One signal to write.

    Parameters
    ----------
    digital
        Integers as they go into the file.
    per_record
        Samples in one record.
    physical_limits, digital_limits
        The scale: the first physical limit stands for the first digital one.
    """

    label: str
    digital: NDArray[np.integer[Any]]
    per_record: int
    unit: str
    physical_limits: tuple[str, str]
    digital_limits: tuple[int, int]


def write_edf(
    path: Path,
    tracks: Sequence[EdfTrack],
    start_local: datetime,
    *,
    variant: EdfVariant = "EDF",
    record_s: int = 1,
    patient: str = "X X X X",
    recording: str | None = None,
    onsets_s: Sequence[float] | None = None,
    annotations: Sequence[tuple[float, str]] = (),
) -> None:
    """An EDF or BDF file.

    Parameters
    ----------
    start_local
        Naive wall-clock start.
    recording
        Recording text; None writes the start date as EDF+ has it.
    onsets_s
        Start of each record in s since the start, for ``EDF+D``; None puts them one behind the other.
    annotations
        Onset in s and text; each goes into the record of its time.
    """
    count = min(len(track.digital) // track.per_record for track in tracks)
    width = 3 if variant == "BDF" else 2
    onsets = [i * record_s for i in range(count)] if onsets_s is None else list(onsets_s)
    columns = [_as_bytes(track.digital[: count * track.per_record], count, width) for track in tracks]
    plus = variant.startswith("EDF+")
    if plus:
        columns.append(_stamps(onsets, annotations, record_s))
    head = _head(tracks, start_local, variant, record_s, count, patient, recording)
    with path.open("wb") as file:
        file.write(head)
        file.write(np.ascontiguousarray(np.concatenate(columns, axis=1)).data)


def _as_bytes(digital: NDArray[np.integer[Any]], count: int, width: int) -> NDArray[np.uint8]:
    if width == 2:
        return digital.astype("<i2").reshape(count, -1).view(np.uint8)
    whole = digital.astype("<i4").view(np.uint8).reshape(-1, 4)[:, :3]
    return np.ascontiguousarray(whole).reshape(count, -1)


def _stamps(onsets: Sequence[float], annotations: Sequence[tuple[float, str]], record_s: int) -> NDArray[np.uint8]:
    rows = [f"+{onset:.6f}".rstrip("0").rstrip(".").encode() + b"\x14\x14\x00" for onset in onsets]
    starts = np.asarray(onsets)
    for at, text in annotations:
        row = int(np.clip(np.searchsorted(starts, at, side="right") - 1, 0, len(rows) - 1))
        rows[row] += f"+{at:g}".encode() + b"\x14" + text.encode() + b"\x14\x00"
    return np.array([list(row.ljust(_STAMP_BYTES, b"\0")[:_STAMP_BYTES]) for row in rows], np.uint8)


def _head(
    tracks: Sequence[EdfTrack],
    start: datetime,
    variant: EdfVariant,
    record_s: int,
    count: int,
    patient: str,
    recording: str | None,
) -> bytes:
    plus = variant.startswith("EDF+")
    if recording is None:
        recording = f"Startdate {start.day:02d}-{_MONTHS[start.month - 1]}-{start.year} X X X"
    n = len(tracks) + plus
    version = b"\xffBIOSEMI" if variant == "BDF" else b"0".ljust(8)
    fixed = [
        (patient, 80), (recording, 80), (start.strftime("%d.%m.%y"), 8), (start.strftime("%H.%M.%S"), 8),
        (str(256 * (n + 1)), 8), ({"BDF": "24BIT", "EDF": ""}.get(variant, variant), 44), (str(count), 8),
        (str(record_s), 8), (str(n), 4),
    ]  # fmt: skip
    stamp = EdfTrack("EDF Annotations", np.empty(0, np.int64), _STAMP_BYTES // 2, "", ("-1", "1"), (-32768, 32767))
    all_tracks = [*tracks, stamp] if plus else list(tracks)
    columns = [
        ([t.label for t in all_tracks], 16), ([""] * n, 80), ([t.unit for t in all_tracks], 8),
        ([t.physical_limits[0] for t in all_tracks], 8), ([t.physical_limits[1] for t in all_tracks], 8),
        ([str(t.digital_limits[0]) for t in all_tracks], 8), ([str(t.digital_limits[1]) for t in all_tracks], 8),
        ([""] * n, 80), ([str(t.per_record) for t in all_tracks], 8), ([""] * n, 32),
    ]  # fmt: skip
    fields = fixed + [(text, width) for texts, width in columns for text in texts]
    return version + b"".join(text.encode().ljust(width)[:width] for text, width in fields)


def _ecg_track(worn: Worn, rate: int, label: str, *, bits: int = 16) -> EdfTrack:
    """ECG with one unit for each uV."""
    half = 1 << (bits - 1)
    limits = (-half, half - 1)
    digital = np.clip(worn.ecg(float(rate)).samples, *limits)
    return EdfTrack(label, digital, rate, "uV", (str(limits[0]), str(limits[1])), limits)


def _local_start(worn: Worn) -> datetime:
    seconds = worn.start_ns // NS_PER_S + local_offset_s(worn.start_ns, worn.timezone)
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)


def write_edf_export(worn: Worn, folder: Path) -> Path:
    """Plain EDF: two leads at 256 Hz."""
    path = folder / f"{worn.person.id}.edf"
    lead = _ecg_track(worn, 256, "ECG I")
    second = EdfTrack("ECG II", lead.digital // 2, 256, "uV", lead.physical_limits, lead.digital_limits)
    write_edf(path, [lead, second], _local_start(worn))
    return path


def write_edf_with_holes_export(worn: Worn, folder: Path) -> Path:
    """EDF+D: ECG at 256 Hz whose middle tenth is missing, with the onset of each record."""
    path = folder / f"{worn.person.id}_holes.edf"
    track = _ecg_track(worn, 256, "ECG")
    seconds = len(track.digital) // 256
    hole = range(int(seconds * 0.45), int(seconds * 0.55))
    kept = np.array([i for i in range(seconds) if i not in hole])
    digital = track.digital[: seconds * 256].reshape(seconds, 256)[kept].reshape(-1)
    held = EdfTrack(track.label, digital, 256, track.unit, track.physical_limits, track.digital_limits)
    marks = [(2.5, "Lights off")]
    write_edf(path, [held], _local_start(worn), variant="EDF+D", onsets_s=list(map(float, kept)), annotations=marks)
    return path


def write_bdf_export(worn: Worn, folder: Path) -> Path:
    """BDF: ECG at 512 Hz in 24 bits, 32 units for each uV."""
    path = folder / f"{worn.person.id}.bdf"
    digital = worn.ecg(512.0).samples.astype(np.int64) * 32
    limits = (-(1 << 23), (1 << 23) - 1)
    track = EdfTrack("EKG", digital, 512, "uV", ("-262144", "262143.9"), limits)
    write_edf(path, [track], _local_start(worn), variant="BDF")
    return path


def write_faros_export(worn: Worn, folder: Path) -> Path:
    """EDF of a Bittium Faros 180: ECG (250 Hz), acceleration (25 Hz), marker (1 Hz), RR intervals (5 Hz)."""
    path = folder / f"{worn.person.id}_faros.EDF"
    rng = random_stream(worn.seed, worn.person.id, "faros")
    seconds = int(worn.duration_s)
    rest = np.array([[30, -20, 990]]) + np.rint(rng.normal(0, 6, (seconds * 25, 3)))
    marker = np.zeros(seconds, np.int64)
    marker[seconds // 3] = 1
    limits = (-32768, 32767)
    tracks = [
        _ecg_track(worn, 250, "ECG"),
        *(
            EdfTrack(f"Accelerometer_{axis}", rest[:, k].astype(np.int64), 25, "mg", ("-32768", "32767"), limits)
            for k, axis in enumerate("XYZ")
        ),
        EdfTrack("Marker", marker, 1, "", ("-32768", "32767"), limits),
        EdfTrack("HRV", _held_intervals(worn, seconds), 5, "ms", ("-32768", "32767"), limits),
    ]
    start = _local_start(worn)
    sign = "-" if (offset := local_offset_s(worn.start_ns, worn.timezone)) < 0 else "+"
    zone = f"{sign}{abs(offset) // 3600:02d}{abs(offset) % 3600 // 60:02d}"
    day = f"{start.day:02d}-{_MONTHS[start.month - 1]}-{start.year}"
    recording = f"Startdate {day} X X SW=3.5.1_SER=000000000000_DEVTYPE=Faros180_TZ={zone}"
    write_edf(path, tracks, start, recording=recording)
    return path


def _held_intervals(worn: Worn, seconds: int) -> Ints:
    """The last RR interval in whole ms, five times a second; 0 before the first."""
    at = np.searchsorted(worn.beat_times_s[1:], np.arange(seconds * 5) / 5, side="right")
    lengths = np.concatenate([[0], np.rint(np.diff(worn.beats_ns) / 1e6).astype(np.int64)])
    return np.asarray(lengths[at])
