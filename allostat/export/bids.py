"""Signals and beats in the Brain Imaging Data Structure (BIDS 1.10): physiological recordings with sidecars."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from allostat import __version__
from allostat.errors import ConfigError
from allostat.export.naming import bids_label
from allostat.export.stretches import first_instant, signal_stretches
from allostat.recording import BeatFlag
from allostat.study.layout import write_atomic
from allostat.study.output_tables import cell

if TYPE_CHECKING:
    from allostat.recording import Beats, Recording, Signal
    from allostat.store import ParticipantResult
    from allostat.study.opened import StudyResults

TASK = "ambulatory"
_BLOCK = 1 << 18


def write(results: StudyResults, participants: Sequence[str], folder: Path) -> list[Path]:
    """Write one dataset: ``…_physio.tsv.gz`` per signal and stretch, ``…_events.tsv`` per series of beats.

    Samples are in physical units. A stretch is one run, for BIDS has no word for a gap; ``StartTime`` counts from the
    participant's first sample or beat. Instants are not shifted: `allostat deidentify` does that before a run.

    Raises
    ------
    ConfigError
        Two participants would share a label (BIDS allows letters and digits only).
    """
    labels = _labels(participants)
    written = [folder / "dataset_description.json", folder / "participants.tsv", folder / "participants.json"]
    description = {
        "Name": "Physiological recordings exported by allostat",
        "BIDSVersion": "1.10.0",
        "DatasetType": "derivative",
        "GeneratedBy": [{"Name": "allostat", "Version": __version__, "Description": "beats, heart rate variability"}],
    }
    write_atomic(written[0], _json(description))
    rows = ["participant_id\tsource_id\tsex\tage\tgroup"]
    for who in participants:
        result = results.result(who)
        person = result.person
        rows.append("\t".join(map(cell, (f"sub-{labels[who]}", who, person.sex, person.age_years, person.group))))
        written += _participant(result, labels[who], folder / f"sub-{labels[who]}" / "beh")
    write_atomic(written[1], "\n".join(rows) + "\n")
    columns = {"source_id": {"Description": "identifier of the participant in the study"}, "age": {"Units": "year"}}
    write_atomic(written[2], _json(columns))
    return written


def _labels(participants: Sequence[str]) -> dict[str, str]:
    labels: dict[str, str] = {}
    for who in participants:
        label = bids_label(who.removeprefix("sub-"))
        if label in labels.values():
            other = next(w for w, known in labels.items() if known == label)
            raise ConfigError("two participants would share a BIDS label", found=f"{other}, {who}")
        labels[who] = label
    return labels


def _participant(result: ParticipantResult, label: str, folder: Path) -> list[Path]:
    written: list[Path] = []
    start = first_instant(result)
    taken: dict[str, int] = {}
    for key, recording in result.recordings.items():
        for name, signal in recording.signals.items():
            stem = f"recording-{bids_label(f'{key} {name}')}"
            for stretch in signal_stretches(signal):
                run = taken[stem] = taken.get(stem, 0) + 1
                path = folder / f"sub-{label}_task-{TASK}_run-{run:02d}_{stem}_physio.tsv.gz"
                write_atomic(path, _samples(signal, stretch.first, stretch.stop))
                sidecar = _sidecar(recording, name, signal, stretch.rate_hz, (stretch.t0_ns - start) / 1e9)
                write_atomic(path.with_name(path.name.replace(".tsv.gz", ".json")), _json(sidecar))
                written += [path, path.with_name(path.name.replace(".tsv.gz", ".json"))]
    for key, beats in result.beats.items():
        path = folder / f"sub-{label}_task-{TASK}_desc-{bids_label(key)}_events.tsv"
        write_atomic(path, _events(beats, start))
        about = {
            "onset": {"Units": "s", "Description": "instant of the beat from the participant's first sample or beat"},
            "duration": {"Units": "s", "Description": "0: a beat is an instant"},
            "interval": {"Units": "ms", "Description": "from the beat before; n/a across a gap"},
            "trial_type": {"Description": "class of the beat", "Levels": {f.name.lower(): "" for f in BeatFlag}},
            "Method": beats.method,
            "GeneratedBy": {"Name": "allostat", "Version": __version__},
        }
        write_atomic(path.with_suffix(".json"), _json(about))
        written += [path, path.with_suffix(".json")]
    return written


def _samples(signal: Signal, first: int, stop: int) -> bytes:
    """Physical values, one a line, ``n/a`` where missing; compressed without a date."""
    buffer = io.BytesIO()
    with gzip.GzipFile(fileobj=buffer, mode="wb", mtime=0) as packed:
        for start in range(first, stop, _BLOCK):
            values = signal.physical(start, min(start + _BLOCK, stop))
            texts = [f"{v:.9g}" if v == v else "n/a" for v in values.tolist()]
            packed.write(("\n".join(texts) + "\n").encode())
    return buffer.getvalue()


def _sidecar(recording: Recording, name: str, signal: Signal, rate_hz: float, start_s: float) -> dict[str, Any]:
    device = recording.device
    about: dict[str, Any] = {
        "SamplingFrequency": rate_hz,
        "StartTime": start_s,
        "Columns": [bids_label(name).lower()],
        bids_label(name).lower(): {"Description": f"{signal.kind} samples", "Units": signal.unit},
        "TimeZone": recording.timezone.name or "n/a",
        "GeneratedBy": {"Name": "allostat", "Version": __version__},
    }
    for key, value in (("Manufacturer", device.manufacturer), ("ManufacturersModelName", device.model)):
        if value:
            about[key] = value
    return about


def _events(beats: Beats, start_ns: int) -> str:
    names = {int(f): f.name.lower() for f in BeatFlag}
    lines = ["onset\tduration\tinterval\ttrial_type"]
    onsets = ((beats.times_ns - start_ns) / 1e9).tolist()
    for onset, interval, flag in zip(onsets, beats.intervals_ms.tolist(), beats.flags.tolist(), strict=True):
        lines.append(f"{onset:.6f}\t0\t{cell(round(interval, 6) if np.isfinite(interval) else None)}\t{names[flag]}")
    return "\n".join(lines) + "\n"


def _json(content: object) -> str:
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"
