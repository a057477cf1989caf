"""Beat instants as text, one a line: of Holter analysis programs (``98.643    N``), and lists described by a JSON.

Holter analysis: times are seconds since the start of the recording. A label other than ``N`` is an ectopic beat, except
``X``, which stands for a stretch that cannot be analysed: no interval leads into, across or out of it. Lists of sample
numbers or times are those of `beat_list`.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Set
from dataclasses import replace

import numpy as np

from allostat.adapter import Manifest, ReadOptions, Sniff, stream_summaries
from allostat.errors import InputError
from allostat.recording import UNKNOWN_ZONE, BeatFlag, Beats, Device, Notice, Provenance, Recording
from allostat.source import Source
from allostat_devices.beat_list import NEAR, described_list, read_list, sniff_list, wanted_json
from allostat_devices.beat_list_layout import BeatListLayout
from allostat_devices.beat_stamps import MarkedBeats, beats_between
from allostat_devices.file_names import has_device_id, input_file, recording_id, without_device_id
from allostat_devices.members import CLAIM, is_single, participant_of, shown_name, with_distinct_id
from allostat_devices.skipped_rows import SkippedRows
from allostat_devices.table_sidecar import NO_SIDECAR, Sidecar, sidecar_place, sniff_with_sidecars, start_of
from allostat_devices.text_lines import head_lines, line_blocks, open_text, readable_lines, why_not_text
from allostat_devices.zone_inference import zone_of_options

_ROW = re.compile(r"\s*(\d{1,7}\.\d{1,6})[ \t]+([A-Za-z])\s*")
_LEAST_ROWS = 10
_UNUSABLE = "X"


class BeatInstants:
    """Adapter of lists of beat instants."""

    name = "beat_instants"
    title = "Beat instants as text (Holter analysis; R peaks as samples or times with their JSON)"
    version = "1"
    verified = True
    streams: tuple[str, ...] = ("beats",)
    folder_is_session: bool = False

    def sniff(self, source: Source) -> Sniff:
        """Recognise a list that a JSON or its header describes, or rising seconds with a letter behind each."""
        return sniff_with_sidecars(source, _look)

    def inspect(self, source: Source) -> Manifest:
        """Beats and their span, by reading: such files are small."""
        found = list(self.read(source, ReadOptions()))
        streams = [
            replace(s, name=s.name if len(found) == 1 else f"{r.id}/{s.name}")
            for r in found
            for s in stream_summaries(r)
        ]
        epochs = {r.epoch for r in found}
        described = (described_list(source, member) for member in _lists(source))
        sidecars = [told[0] for told in described if told is not None and told[0] is not None]
        identifiers = [kind for sidecar in sidecars for kind in sidecar.identifiers]
        identifiers += ["device id in file name"] if has_device_id(source.name) else []
        return Manifest(
            source=without_device_id(source.name),
            adapter=self.name,
            confidence=self.sniff(source).confidence,
            verified=self.verified,
            streams=tuple(streams),
            device=found[0].device if len(found) == 1 else Device(),
            timezone=found[0].timezone if len(found) == 1 else UNKNOWN_ZONE,
            epoch=epochs.pop() if len(epochs) == 1 else "relative",
            identifiers=tuple(dict.fromkeys(identifiers)),
            participant_hint=found[0].participant,
            notices=found[0].notices,
        )

    def read(self, source: Source, options: ReadOptions) -> Iterator[Recording]:
        """One recording for each file, with the beats ``rr``, on a clock that begins with the file or is told.

        Raises
        ------
        InputError
            When a file holds no two beats, or it is not told what a list's numbers count.
        """
        taken: set[str] = set()
        lists = _lists(source)
        if not lists:
            raise InputError("holds no list of beats", where=without_device_id(source.name))
        for member in lists:
            told = described_list(source, member)
            made = _holter(source, member, options) if told is None else _listed(source, member, *told, options)
            yield with_distinct_id(made, taken)


def _lists(source: Source) -> tuple[str, ...]:
    """Members to read: the claimed ones, or the only one of a single file, whatever it holds."""
    if is_single(source):
        return source.members
    members = set(source.members)
    return tuple(m for m in source.members if _look(source, m, members).confidence >= CLAIM)


def _holter(source: Source, member: str, options: ReadOptions) -> Recording:
    name = shown_name(source, member)
    if _look_at_labels(source, member).confidence < NEAR and (wanted := wanted_json(source, member)) is not None:
        raise InputError(wanted, where=without_device_id(name))
    skipped = SkippedRows(without_device_id(name))
    beats, notices = _beats(source, member, skipped)
    return Recording(
        id=recording_id(name, "rr"),
        beats={"rr": beats},
        participant=options.participant or participant_of(source, member),
        timezone=zone_of_options(options),
        device=Device(kind="holter"),
        provenance=Provenance((input_file(source, member),), ADAPTER.name, ADAPTER.version, ADAPTER.verified),
        notices=(*skipped.notices(), *notices),
    )


def _listed(
    source: Source, member: str, sidecar: Sidecar | None, layout: BeatListLayout, options: ReadOptions
) -> Recording:
    name = without_device_id(shown_name(source, member))
    skipped = SkippedRows(name)
    zone, epoch, start = start_of(sidecar or NO_SIDECAR, zone_of_options(options))
    marked, notices = read_list(source, member, layout, start, skipped)
    method = "sample numbers" if layout.unit == "samples" else f"instants in {layout.unit}"
    beats, implausible = beats_between(
        marked, source=layout.source, epoch="utc" if layout.absolute else epoch, method=f"list of {method}"
    )
    if implausible is not None:
        skipped.add(
            "out_of_range", implausible + layout.head.skip + 1, int((beats.flags == BeatFlag.OUT_OF_RANGE).sum())
        )
    inputs = [input_file(source, member)]
    place = sidecar_place(source, member)
    if sidecar is not None and place is not None:
        inputs.append(input_file(*place))
    settings = {"unit": layout.unit}
    return Recording(
        id=recording_id(name, "rr"),
        beats={"rr": beats},
        participant=options.participant or participant_of(source, member),
        timezone=zone,
        device=sidecar.device if sidecar is not None else Device(),
        provenance=Provenance(tuple(inputs), ADAPTER.name, ADAPTER.version, ADAPTER.verified, settings),
        notices=(*skipped.notices(), *notices),
    )


def _look(source: Source, member: str, members: Set[str] | None = None) -> Sniff:
    head = source.head(member)
    reason = why_not_text(head)
    if reason or head[:1] in (b"{", b"["):
        return Sniff(0.0, reason or "is JSON and no list")
    told = sniff_list(source, member, members)
    if told is not None:
        return told
    labelled = _look_at_labels(source, member)
    wanted = wanted_json(source, member, members) if labelled.confidence < NEAR else None
    return labelled if wanted is None else Sniff(NEAR, wanted)


def _look_at_labels(source: Source, member: str) -> Sniff:
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
    marked = MarkedBeats(ns, usable, np.array(broken), label != "N")
    beats, implausible = beats_between(marked, source="ecg", epoch="relative", method="Holter analysis")
    if implausible is not None:
        skipped.add("out_of_range", implausible + 1, int((beats.flags == BeatFlag.OUT_OF_RANGE).sum()))
    notices = []
    if (~usable).any():
        message = "stretches marked X as not analysable: no interval leads across them"
        notices.append(Notice("unusable", message, "info", int((~usable).sum())))
    return beats, notices


ADAPTER = BeatInstants()
