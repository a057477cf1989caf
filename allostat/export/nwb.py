"""Neurodata Without Borders files, one per participant: signals, beats, and measures of HRV."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from allostat import __version__
from allostat.errors import InputError
from allostat.export.naming import identifier
from allostat.export.stretches import first_instant, signal_stretches
from allostat.store.durable import replace_file
from allostat.study.layout import folder_name

if TYPE_CHECKING:
    from allostat.store import ParticipantResult
    from allostat.study.opened import StudyResults


def write(results: StudyResults, participants: Sequence[str], folder: Path) -> list[Path]:
    """Write a file per participant. NWB gives each object a random identifier, so the bytes differ from run to run.

    Raises
    ------
    InputError
        pynwb is not installed.
    """
    try:
        from pynwb import NWBHDF5IO
    except ImportError as error:
        raise InputError("NWB needs pynwb", expected="pip install 'allostat-load[nwb]'") from error

    written = []
    for who in participants:
        content = _content(results.result(who))
        path = folder / f"{folder_name(who)}.nwb"

        def save(temporary: Path, content: Any = content) -> None:
            # pynwb wants its own ending.
            named = temporary.with_name(f"{temporary.name}.nwb")
            try:
                with NWBHDF5IO(str(named), "w") as file:
                    file.write(content)
                named.replace(temporary)
            finally:
                named.unlink(missing_ok=True)

        replace_file(path, save, _check)
        written.append(path)
    return written


def _check(path: Path) -> None:
    from pynwb import NWBHDF5IO

    with NWBHDF5IO(str(path), "r", load_namespaces=True) as file:
        file.read()


def _content(result: ParticipantResult) -> Any:
    from pynwb import NWBFile, TimeSeries
    from pynwb.file import Subject

    start = first_instant(result)
    person = result.person
    file = NWBFile(
        session_description="physiological recordings and beats, exported by allostat",
        identifier=f"allostat {result.participant}",
        session_start_time=dt.datetime.fromtimestamp(start / 1e9, tz=dt.UTC),
        source_script_file_name="allostat export",
        source_script=f"allostat {__version__}",
        subject=Subject(
            subject_id=result.participant,
            sex=person.sex or "U",
            species="Homo sapiens",
            **({} if person.age_years is None else {"age": f"P{int(person.age_years)}Y"}),
        ),
    )
    taken: set[str] = set()
    for key, recording in result.recordings.items():
        for name, signal in recording.signals.items():
            for stretch in signal_stretches(signal):
                file.add_acquisition(
                    TimeSeries(
                        name=identifier(f"{key}_{name}", taken),
                        data=signal.physical(stretch.first, stretch.stop).astype(np.float32),
                        unit=signal.unit or "1",
                        rate=stretch.rate_hz,
                        starting_time=(stretch.t0_ns - start) / 1e9,
                        description=f"{signal.kind} of {key}, one stretch without gaps",
                    )
                )
    module = file.create_processing_module(name="beats", description="beats and the interval that ends at each")
    for key, beats in result.beats.items():
        if len(beats):
            module.add(
                TimeSeries(
                    name=identifier(key, taken),
                    data=beats.intervals_ms,
                    unit="ms",
                    timestamps=(beats.times_ns - start) / 1e9,
                    description=f"{beats.method}; NaN where an interval would cross a gap",
                )
            )
    return file
