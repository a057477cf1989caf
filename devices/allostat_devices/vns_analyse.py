"""VNS Analyse: text with German headings and two lists of RR intervals in seconds, as recorded and as corrected.

The list as recorded is read, because correction is done here and is told. Notes beside intervals are free text and
never read. The start stands in the file name (``12.03.2024 08.15 …``), as wall-clock time to the minute.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np

from allostat.adapter import Manifest, ReadOptions, Sniff, stream_summaries
from allostat.errors import InputError, UnitError
from allostat.recording import Device, Notice, Provenance, Recording
from allostat.source import Source
from allostat_devices.file_manifest import FileLook, manifest_of_files
from allostat_devices.file_names import input_file, recording_id, without_device_id
from allostat_devices.members import claimed_members, participant_of, shown_name, sniff_members, with_distinct_id
from allostat_devices.rr_beats import IntervalRows, Start, beats_of_rows
from allostat_devices.skipped_rows import SkippedRows
from allostat_devices.text_lines import head_lines, line_blocks, open_text, readable_lines, why_not_text
from allostat_devices.zone_inference import zone_of_options

_HEAD_BYTES = 1 << 14
_SECTION = re.compile(r"RR-Intervalle[^\S\n]*-[^\S\n]*(Rohwerte|Korrigierte Werte)", re.IGNORECASE)
_ROW = re.compile(r"(\d{1,3}[.,]\d+|\d{1,3})(?:\t(.*))?")
_START = re.compile(r"(?<!\d)(\d\d)\.(\d\d)\.(\d{4})[ _](\d\d)\.(\d\d)(?!\d)")
_RANGE_S = (0.2, 2.5)
_UNVERIFIED = Notice("unverified", "this kind of file was not verified on a real export", "info")
_DEVICE = Device(kind="app", model="VNS Analyse")


@dataclass
class _Lists:
    """Intervals of both lists, and the number of notes beside those that are used."""

    recorded: IntervalRows
    corrected: IntervalRows
    notes: int = 0


class VnsAnalyse:
    """Adapter of VNS Analyse."""

    name = "vns_analyse"
    title = "VNS Analyse (RR intervals with German headings)"
    version = "1"
    verified = False
    streams: tuple[str, ...] = ("beats",)
    folder_is_session: bool = False

    def sniff(self, source: Source) -> Sniff:
        """Recognise the headings of the lists."""
        return sniff_members(source, _look)

    def inspect(self, source: Source) -> Manifest:
        """Beats and their span, by reading: a day has a hundred thousand lines."""
        return manifest_of_files(self, source, claimed_members(source, _look), lambda m: _looked_at(source, m))

    def read(self, source: Source, options: ReadOptions) -> Iterator[Recording]:
        """One recording for each file, with the beats ``rr``.

        Raises
        ------
        InputError
            When neither list holds an interval.
        UnitError
            When the intervals are in no range that seconds have.
        """
        taken: set[str] = set()
        for member in claimed_members(source, _look):
            yield with_distinct_id(_recording(source, member, options), taken)


def _recording(source: Source, member: str, options: ReadOptions) -> Recording:
    zone = zone_of_options(options)
    name = shown_name(source, member)
    skipped = SkippedRows(without_device_id(name))
    lists = _lists(source, member, skipped)
    rows = lists.recorded if lists.recorded.values else lists.corrected
    if not rows.values:
        raise InputError("holds no RR intervals", where=without_device_id(name))
    median = float(np.median(rows.values))
    if not _RANGE_S[0] <= median <= _RANGE_S[1]:
        raise UnitError(
            "RR intervals of VNS Analyse are in seconds",
            where=without_device_id(name),
            found=f"median {median:g}",
            expected="0.2 to 2.5",
        )
    start_ns = _start(name)
    beats, told = beats_of_rows(rows, 1000.0, None, Start(start_ns, zone, name), skipped)
    notices = [_UNVERIFIED, *skipped.notices(), *told]
    if start_ns is not None:
        notices.append(Notice("start_in_name", "start taken from the file name, to the minute", "info"))
    if rows is lists.corrected:
        notices.append(Notice("corrected_by_app", "only the list that the app corrected is there"))
    if lists.notes:
        notices.append(Notice("notes_left_out", "notes beside intervals are not read", "info", lists.notes))
    return Recording(
        id=recording_id(name, "rr"),
        beats={"rr": beats},
        participant=options.participant or participant_of(source, member),
        timezone=zone,
        device=_DEVICE,
        provenance=Provenance((input_file(source, member),), ADAPTER.name, ADAPTER.version, ADAPTER.verified),
        notices=tuple(notices),
    )


def _looked_at(source: Source, member: str) -> FileLook:
    recording = _recording(source, member, ReadOptions())
    identifiers = ("parameters and notes in free text",)
    return FileLook(stream_summaries(recording), recording.epoch, (_UNVERIFIED,), identifiers, device=_DEVICE)


def _look(source: Source, member: str) -> Sniff:
    reason = why_not_text(source.head(member, _HEAD_BYTES))
    if reason:
        return Sniff(0.0, reason)
    head = "\n".join(head_lines(source, member, _HEAD_BYTES))
    # Looked for letter by letter only where the words are: every file of a study is asked.
    if "rr-intervalle" in head.lower() and _SECTION.search(head):
        return Sniff(0.95, "heading of a list of RR intervals")
    return Sniff(0.0, "no heading of a list of RR intervals")


def _lists(source: Source, member: str, skipped: SkippedRows) -> _Lists:
    """Both lists; a line that cannot be read breaks the series and is counted."""
    lists = _Lists(IntervalRows(), IntervalRows())
    current: IntervalRows | None = None
    broken = False
    with open_text(source, member) as text:
        for first, lines in line_blocks(text):
            for at, raw in enumerate(readable_lines(lines), start=first):
                line = raw.strip()
                heading = _SECTION.search(line)
                if heading:
                    current = lists.recorded if heading[1].casefold() == "rohwerte" else lists.corrected
                    broken = False
                elif line and current is not None:
                    broken = _take(line, at, current, broken, lists, skipped)
    return lists


def _take(line: str, at: int, rows: IntervalRows, broken: bool, lists: _Lists, skipped: SkippedRows) -> bool:
    """Add one line to a list; whether the next one begins a new series."""
    used = rows is lists.recorded or not lists.recorded.values
    skipped.rows += used
    found = _ROW.fullmatch(line)
    if not found:
        if used:
            skipped.add("bad_number", at)
        return True
    rows.values.append(float(found[1].replace(",", ".")))
    rows.times.append("")
    rows.lines.append(at)
    rows.broken.append(broken)
    lists.notes += bool(found[2] and found[2].strip() and used)
    return False


def _start(name: str) -> int | None:
    found = _START.search(PurePosixPath(name).name)
    if not found:
        return None
    day, month, year, hour, minute = found.groups()
    try:
        stamp = np.datetime64(f"{year}-{month}-{day}T{hour}:{minute}", "ns")
    except ValueError:
        return None
    return int(stamp.astype(np.int64)) if 1990 <= int(year) < 2200 else None


ADAPTER = VnsAnalyse()
