"""A session's journal turned into one file per participant, the same bytes whether after a stop or after a crash.

The journal is read, decoded and placed again, exactly as live; samples go to temporary files, so that a day of many
straps needs little memory. Each participant file is written under a temporary name, synced, read back and compared, and
only then takes its place. When all are there, a note of their hashes says that the session is finished. The journal
stays: it is what arrived, and a later version may read more in it.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from allostat.errors import StoreError
from allostat.live.pipeline import SessionPipeline
from allostat.live.session_file import SessionContent, participant_result
from allostat.live.session_straps import SessionHeader
from allostat.live.spool import StrapSpool
from allostat.live.timeline import STANDARD_MS_PER_UNIT
from allostat.live.updates import GapDeclared, MarkerSet, PlacedIntervals, PlacedSamples, SegmentBegun
from allostat.recording import InputFile, Marker, Notice, Severity
from allostat.store.durable import file_sha256, replace_file
from allostat.store.journal import JournalEnd, JournalReader, read_session, session_parts
from allostat.store.locks import FileLock
from allostat.strap import StrapDecoder

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]")


@dataclass(frozen=True, slots=True)
class FinishedSession:
    """What a finalised session consists of.

    Attributes
    ----------
    files
        By participant.
    sha256
        Of each file, by its name.
    """

    name: str
    files: dict[str, Path]
    sha256: dict[str, str]


def finalise_session(folder: Path, name: str, decoder: Callable[[], StrapDecoder] | None = None) -> FinishedSession:
    """Write a session's participant files, unless they are there.

    Parameters
    ----------
    folder, name
        Where its journal lies.
    decoder
        Makes a decoder for one strap; by default that of the link that the journal names.

    Raises
    ------
    StoreError
        The session is being recorded or finalised by somebody else, its journal is damaged from its first byte, or
        the disk refuses. The journal is as it was.
    ConfigError
        The journal is no session's, or its link is not installed.
    """
    lock = FileLock(folder / f"{name}.lock")
    if not lock.acquire():
        raise StoreError("the session is in use", where=name, found=lock.holder)
    try:
        done = finished_session(folder, name)
        return done if done is not None else _finalise(folder, name, decoder)
    finally:
        lock.release()


def finished_session(folder: Path, name: str) -> FinishedSession | None:
    """The files of a session that was finalised; None when it was not, or when one of them is missing."""
    try:
        told = json.loads(_note_path(folder, name).read_text("utf-8"))
        files = {str(p): folder / str(f) for p, f in told["files"].items()}
        if not all(path.is_file() for path in files.values()):
            return None
        parts = {p.name: p.stat().st_size for p in session_parts(folder, name)}
        if told["journal"] != parts:
            return None
        return FinishedSession(name, files, {str(k): str(v) for k, v in told["sha256"].items()})
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        # No note, or one that is none: the session is finalised, which is never wrong.
        return None


def _note_path(folder: Path, name: str) -> Path:
    return folder / f"{name}.finished.json"


def _finalise(folder: Path, name: str, decoder: Callable[[], StrapDecoder] | None) -> FinishedSession:
    header = session_header(folder, name)
    if decoder is None:
        from allostat.live.links import link_named

        decoder = link_named(header.link).decoder
    with _spool_folder(folder, name) as spool_folder:
        pipeline, spools, markers, ends = _placed(folder, name, header, decoder, {}, spool_folder / "1")
        units = {
            t.strap: t.rr_ms_per_unit for t in pipeline.timelines if t.rr_ms_per_unit != STANDARD_MS_PER_UNIT
        }  # fmt: skip
        if units:
            # What their intervals count in came out on the way: once more, with that known from the start.
            pipeline, spools, markers, ends = _placed(folder, name, header, decoder, units, spool_folder / "2")
        inputs = tuple(InputFile(p.name, file_sha256(p), p.stat().st_size) for p in session_parts(folder, name))
        content = SessionContent(name, header, inputs, tuple(markers), _notices(pipeline, ends))
        files, hashes = _write(folder, content, pipeline, spools)
    note = {
        "files": {p: path.name for p, path in files.items()},
        "sha256": hashes,
        "journal": {i.name: i.bytes for i in inputs},
    }
    text = json.dumps(note, ensure_ascii=False, indent=1)
    replace_file(_note_path(folder, name), lambda p: _write_text(p, text), lambda _: None)
    return FinishedSession(name, files, hashes)


def session_header(folder: Path, name: str) -> SessionHeader:
    """Header of the first part that has a whole one.

    Raises
    ------
    StoreError
        No part has.
    """
    error: StoreError | None = None
    for path in session_parts(folder, name):
        try:
            return SessionHeader.from_dict(JournalReader(path).header, path.name)
        except StoreError as problem:
            error = error or problem
    raise error or StoreError("no journal of this session", where=folder.name, found=name)


@contextlib.contextmanager
def _spool_folder(folder: Path, name: str) -> Iterator[Path]:
    place = folder / f".{name}.spool"
    # What a killed process left; nobody else is at work here, the lock says so.
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _placed(
    folder: Path, name: str, header: SessionHeader, decoder: Callable[[], StrapDecoder], units: dict[int, float],
    spool_folder: Path,
) -> tuple[SessionPipeline, list[StrapSpool], list[Marker], list[tuple[Path, JournalEnd]]]:  # fmt: skip
    spool_folder.mkdir()
    pipeline = SessionPipeline(len(header.straps), decoder, rr_ms_per_unit=units)
    spools = [StrapSpool(spool_folder) for _ in header.straps]
    markers: list[Marker] = []
    records, ends = read_session(folder, name)
    try:
        for record in records:
            for value in pipeline.push(record):
                if isinstance(value, MarkerSet):
                    markers.append(Marker(value.time_ns, value.label))
                elif isinstance(value, PlacedSamples | PlacedIntervals | GapDeclared | SegmentBegun):
                    spools[value.strap].add(value)
        for value in pipeline.close():
            if isinstance(value, PlacedSamples | PlacedIntervals | GapDeclared | SegmentBegun):
                spools[value.strap].add(value)
    finally:
        for spool in spools:
            spool.close()
    return pipeline, spools, sorted(markers, key=lambda m: m.time_ns), ends


def _notices(pipeline: SessionPipeline, ends: list[tuple[Path, JournalEnd]]) -> tuple[Notice, ...]:
    found = []
    if pipeline.disk_lost:
        found.append(Notice("live_disk_full", "records that the disk refused", "error", pipeline.disk_lost))
    if not pipeline.stopped_by_note:
        found.append(Notice("live_not_stopped", "the recording ended without being stopped", "info"))
    for path, end in ends:
        if end.dropped_bytes:
            what = (
                "the last record was cut off" if end.reason == "cut off" else f"the journal is damaged ({end.reason})"
            )
            severity: Severity = "info" if end.reason == "cut off" else "error"
            found.append(
                Notice("live_journal_tail", f"{what}: bytes left out", severity, end.dropped_bytes, path.name)
            )  # fmt: skip
    return tuple(found)


def _write(
    folder: Path, content: SessionContent, pipeline: SessionPipeline, spools: list[StrapSpool]
) -> tuple[dict[str, Path], dict[str, str]]:
    from allostat.store.participant import write_participant

    files: dict[str, Path] = {}
    hashes: dict[str, str] = {}
    participants = list(dict.fromkeys(s.participant for s in content.header.straps))
    for participant in participants:
        straps = [
            (about, timeline, spool)
            for about, timeline, spool in zip(content.header.straps, pipeline.timelines, spools, strict=True)
            if about.participant == participant
        ]
        result = participant_result(participant, content, straps)
        if not result.recordings:
            continue
        path = folder / _file_name(participant, content.name, files)
        hashes[path.name] = write_participant(result, path)
        files[participant] = path
    return files, hashes


def _file_name(participant: str, session: str, taken: dict[str, Path]) -> str:
    stem = f"{_UNSAFE.sub('_', participant)}_{_UNSAFE.sub('_', session)}"
    names = {path.name.casefold() for path in taken.values()}
    name, number = f"{stem}.h5", 1
    while name.casefold() in names:
        number += 1
        name = f"{stem}_{number}.h5"
    return name


def _write_text(path: Path, text: str) -> None:
    with path.open("x", encoding="utf-8", newline="\n") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
