"""Beat instants as text, one a line with a label, as Holter analysis programs write them: ``98.643    N``.

Times are seconds since the start of the recording. A label other than ``N`` is an ectopic beat, except ``X``, which
stands for a stretch that cannot be analysed: no interval leads into, across or out of it.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from allostat.adapter import Manifest, ReadOptions, Sniff, stream_summaries
from allostat.errors import InputError
from allostat.recording import BeatFlag, Beats, Device, Notice, Provenance, Recording
from allostat.source import Source
from allostat_devices.beat_stamps import plausible
from allostat_devices.file_names import has_device_id, input_file, recording_id, without_device_id
from allostat_devices.members import claimed_members, participant_of, shown_name, sniff_members, with_distinct_id
from allostat_devices.skipped_rows import SkippedRows
from allostat_devices.text_lines import head_lines, line_blocks, open_text, readable_lines, why_not_text
from allostat_devices.zone_inference import zone_of_options

_ROW = re.compile(r"\s*(\d{1,7}\.\d{1,6})[ \t]+([A-Za-z])\s*")
_LEAST_ROWS = 10
_UNUSABLE = "X"


class BeatInstants:
    """Adapter of labelled beat instants."""

    name = "beat_instants"
    title = "Beat instants with labels as text (Holter analysis)"
    version = "1"
    verified = True
    streams: tuple[str, ...] = ("beats",)
    folder_is_session: bool = False

    def sniff(self, source: Source) -> Sniff:
        """Recognise rising seconds with a letter behind each."""
        return sniff_members(source, _look)

    def inspect(self, source: Source) -> Manifest:
        """Beats and their span, by reading: such files are small."""
        found = list(self.read(source, ReadOptions()))
        streams = [
            replace(s, name=s.name if len(found) == 1 else f"{r.id}/{s.name}")
            for r in found
            for s in stream_summaries(r)
        ]
        return Manifest(
            source=without_device_id(source.name),
            adapter=self.name,
            confidence=self.sniff(source).confidence,
            verified=self.verified,
            streams=tuple(streams),
            epoch="relative",
            identifiers=("device id in file name",) if has_device_id(source.name) else (),
            participant_hint=found[0].participant,
            notices=found[0].notices,
        )

    def read(self, source: Source, options: ReadOptions) -> Iterator[Recording]:
        """One recording for each file, with the beats ``rr`` on a clock that begins with the file.

        Raises
        ------
        InputError
            When a file holds no two beats.
        """
        taken: set[str] = set()
        for member in claimed_members(source, _look):
            name = shown_name(source, member)
            skipped = SkippedRows(without_device_id(name))
            beats, notices = _beats(source, member, skipped)
            recording = Recording(
                id=recording_id(name, "rr"),
                beats={"rr": beats},
                participant=options.participant or participant_of(source, member),
                timezone=zone_of_options(options),
                device=Device(kind="holter"),
                provenance=Provenance((input_file(source, member),), self.name, self.version, self.verified),
                notices=(*skipped.notices(), *notices),
            )
            yield with_distinct_id(recording, taken)


def _look(source: Source, member: str) -> Sniff:
    reason = why_not_text(source.head(member))
    if reason:
        return Sniff(0.0, reason)
    rows = [_ROW.fullmatch(line) for line in head_lines(source, member) if line.strip()]
    found = [row for row in rows if row is not None]
    if len(found) < _LEAST_ROWS or len(found) < 0.9 * (len(rows) - 1):
        return Sniff(0.0, "no seconds with a label in each line")
    times = [float(row[1]) for row in found]
    if any(b <= a for a, b in itertools.pairwise(times)):
        return Sniff(0.2, "seconds with labels, but they do not rise")
    return Sniff(0.9, "rising seconds with a label in each line")


def _beats(source: Source, member: str, skipped: SkippedRows) -> tuple[Beats, list[Notice]]:
    times: list[float] = []
    labels: list[str] = []
    broken: list[bool] = []
    lost = False
    with open_text(source, member) as text:
        for first, lines in line_blocks(text):
            for line, content in enumerate(readable_lines(lines), first):
                if not content.strip() or (line == 1 and _ROW.fullmatch(content) is None):
                    continue  # the first line may name a patient's number
                skipped.rows += 1
                row = _ROW.fullmatch(content)
                if row is None:
                    skipped.add("bad_number", line)
                    lost = True
                elif times and float(row[1]) <= times[-1]:
                    skipped.add("bad_time", line)
                    lost = True
                else:
                    times.append(float(row[1]))
                    labels.append(row[2].upper())
                    broken.append(lost)
                    lost = False
    label = np.array(labels, "U1")
    usable = label != _UNUSABLE
    if usable.sum() < 2:
        raise InputError("holds no two beats", where=shown_name(source, member), found=f"{len(times)} rows")
    ns = np.rint(np.array(times) * 1e9).astype(np.int64)
    breaks = np.array(broken)
    breaks[1:] |= ~usable[:-1]
    breaks |= ~usable
    intervals = np.concatenate([[math.nan], np.diff(ns) / 1e6])
    intervals[breaks] = math.nan
    out = np.isfinite(intervals) & ~plausible(intervals)
    if out.any():
        skipped.add("out_of_range", int(np.flatnonzero(out)[0]) + 1, int(out.sum()))
    flags = np.where(label == "N", BeatFlag.NORMAL, BeatFlag.ECTOPIC).astype(np.int8)
    flags[out] = BeatFlag.OUT_OF_RANGE
    intervals[out] = math.nan
    beats = Beats(ns[usable], intervals[usable], flags[usable], "ecg", "relative", "Holter analysis")
    notices = []
    if (~usable).any():
        message = "stretches marked X as not analysable: no interval leads across them"
        notices.append(Notice("unusable", message, "info", int((~usable).sum())))
    return beats, notices


ADAPTER = BeatInstants()
