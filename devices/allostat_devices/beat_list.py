"""Lists of beat instants, one a line: as sample numbers or times, with a label or none.

What the numbers count is never guessed. The JSON beside the list says it (`table_sidecar`), or its header does by a
unit (``r_peak_ms``). A list that only looks like one is refused, and the refusal is the JSON to write.
"""

from __future__ import annotations

import json
import math
from collections.abc import Set
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from allostat.adapter import Sniff
from allostat.errors import InputError
from allostat.recording import Notice
from allostat.source import Source
from allostat_devices.beat_list_layout import (
    BeatListLayout,
    ListHead,
    beat_columns,
    cells_of,
    head_of,
    is_label,
    list_layout,
    rises,
)
from allostat_devices.beat_stamps import PLAUSIBLE_MS, MarkedBeats
from allostat_devices.clock_blocks import usable_stamps
from allostat_devices.file_names import without_device_id
from allostat_devices.members import shown_name
from allostat_devices.skipped_rows import SkippedRows
from allostat_devices.table_layout import SECONDS, number
from allostat_devices.table_sidecar import Sidecar, sidecar_name, sidecar_of
from allostat_devices.text_lines import head_lines, line_blocks, open_text, readable_lines
from allostat_devices.wfdb_annotations import BEAT_CODES, ECTOPIC_CODES, FLUTTER_CODES, SYMBOLS

if TYPE_CHECKING:
    from numpy.typing import NDArray

NEAR = 0.45
"""Confidence of a list that would be read with a sidecar: too little to claim it, enough to be heard."""
_UNUSABLE = "X"
_LOOKED_AT = 100
"""Lines at the start of a list from which it is judged."""
_FEW = 20
_SPACING = (15.0, 6000.0)
"""Samples between beats: from 0.2 s at 75 Hz to 3 s at 2000 Hz."""
_LATEST_NS = float(1 << 62)
_LONGEST_NS = float(1 << 59)
"""Eighteen years: what may be added to any start."""
_CODES = {symbol: code for code, symbol in SYMBOLS.items()}

Mark = Literal["beat", "ectopic", "unusable", "break", "no_beat", "unknown"]


def sniff_list(source: Source, member: str, members: Set[str] | None = None) -> Sniff | None:
    """How sure it is that a table is a list of beats by its sidecar or header; None when neither says so."""
    try:
        sidecar = sidecar_of(source, member, members)
    except InputError:
        return None  # the adapter of tables tells what is wrong with it
    head = _head(source, member, sidecar)
    columns = None if head is None else beat_columns(head, sidecar)
    if head is None or columns is None:
        return None
    if sidecar is not None:
        return Sniff(0.97, f"instants of beats, described by {sidecar.name}")
    try:
        layout = list_layout(head, columns, None, without_device_id(shown_name(source, member)))
    except InputError:
        return None
    steps = np.diff(_as_ns(np.array(head.numbers(layout.column)), layout)) / 1e6
    if not PLAUSIBLE_MS[0] <= float(np.median(steps)) <= PLAUSIBLE_MS[1]:
        return None
    return Sniff(0.9, f"instants of beats in {layout.unit}, by its header")


def described_list(source: Source, member: str) -> tuple[Sidecar | None, BeatListLayout] | None:
    """The sidecar of a list of beats, and how it is read; None for a file that is none.

    Raises
    ------
    InputError
        When sidecar and header do not tell enough, or contradict each other.
    """
    if sniff_list(source, member) is None:
        return None
    sidecar = sidecar_of(source, member)
    head = _head(source, member, sidecar)
    columns = None if head is None else beat_columns(head, sidecar)
    assert head is not None and columns is not None
    return sidecar, list_layout(head, columns, sidecar, without_device_id(shown_name(source, member)))


def wanted_json(source: Source, member: str, members: Set[str] | None = None) -> str | None:
    """Which JSON to write beside a list that looks like beats and tells too little; None when it looks like none."""
    name = without_device_id(shown_name(source, member))
    beside = sidecar_name(name)
    head = None if beside is None else _head(source, member, None)
    if head is None or head.width > 2:
        return None
    try:
        sidecar = sidecar_of(source, member, members)
    except InputError:
        return None
    known = beat_columns(head, None)
    for column in range(head.width):
        names = _names_for(head, column, known.names if known is not None else None)
        if names is None or not _spaced_like_beats(np.array(head.numbers(column))):
            continue
        values = head.numbers(column)
        whole = all(v == math.floor(v) for v in values)
        unit = None if whole else _unit_by_spacing(np.array(values))
        if not whole and unit is None:
            continue
        about: dict[str, Any] = {"Columns": names}
        if unit is not None:
            about[names[column]] = {"Units": unit}
            wanted = json.dumps(about)
            return f"looks like instants of beats without a unit: write {beside} beside it with {wanted} (s or ms)"
        rate = sidecar.rate_hz if sidecar is not None and sidecar.rate_hz > 0 else 250.0
        about = {"SamplingFrequency": int(rate) if rate == int(rate) else rate, **about}
        in_ms = {"Columns": names, names[column]: {"Units": "ms"}}
        return (
            f"looks like beats by sample number but tells no rate: write {beside} beside it with {json.dumps(about)} "
            f"(your rate in Hz), or, if the numbers are ms, with {json.dumps(in_ms)}"
        )
    return None


def _head(source: Source, member: str, sidecar: Sidecar | None) -> ListHead | None:
    return head_of(head_lines(source, member)[:_LOOKED_AT], 0 if sidecar is None else len(sidecar.columns))


def _names_for(head: ListHead, column: int, known: tuple[str, ...] | None) -> list[str] | None:
    """Names of the columns where ``column`` holds the beats; None when another one is no label and no count of rows."""
    if known is not None:
        return [name or "index" for name in known]
    names = ["r_peak"] * head.width
    for other in range(head.width):
        if other == column:
            continue
        cells = [row[other] for row in head.rows if other < len(row)]
        counts = head.numbers(other)
        if sum(map(is_label, cells)) >= 0.9 * len(cells):
            names[other] = "label"
        elif len(counts) == len(cells) and bool(np.all(np.diff(np.array(counts)) == 1)):
            names[other] = "index"
        else:
            return None
    return names


def _spaced_like_beats(values: NDArray[np.float64]) -> bool:
    """Whether numbers rise by steps that resemble each other and are not all the same."""
    if len(values) <= _FEW or not rises(values.tolist()):
        return False
    steps = np.diff(values)
    low, middle, high = np.percentile(steps, [10, 50, 90])
    return bool(0 < low < high < 3 * low) and (
        bool(np.any(values != np.floor(values))) or _SPACING[0] <= float(middle) <= _SPACING[1]
    )


def _unit_by_spacing(values: NDArray[np.float64]) -> Literal["s", "ms"] | None:
    step = float(np.median(np.diff(values)))
    for unit in ("s", "ms"):
        if PLAUSIBLE_MS[0] <= step * (1000.0 if unit == "s" else 1.0) <= PLAUSIBLE_MS[1]:
            return "s" if unit == "s" else "ms"
    return None


def mark_of(label: str) -> Mark:
    """What a label means: ``X`` as in Holter analyses, the symbols of WFDB annotations, other letters as ectopic."""
    if label == _UNUSABLE:
        return "unusable"
    code = _CODES.get(label)
    if code is None:
        return "ectopic" if label.isalpha() and len(label) == 1 else "unknown"
    if code in BEAT_CODES:
        return "ectopic" if code in ECTOPIC_CODES else "beat"
    return "break" if code in FLUTTER_CODES else "no_beat"


def read_list(
    source: Source, member: str, layout: BeatListLayout, start_ns: int, skipped: SkippedRows
) -> tuple[MarkedBeats, tuple[Notice, ...]]:
    """All beats of a list.

    Parameters
    ----------
    start_ns
        Instant of sample or time 0; of no account where the times count from 1970.
    skipped
        Counts rows that cannot be used: the series breaks there, except at instants that stand there twice.

    Raises
    ------
    InputError
        When there are no two beats, or they do not lie like those of a heart.
    """
    values: list[float] = []
    marks: list[Mark] = []
    lines: list[int] = []
    broken: list[bool] = []
    lost, others = False, 0
    head = layout.head
    with open_text(source, member) as text:
        for first, block in line_blocks(text):
            for line, content in enumerate(readable_lines(block), first):
                if line <= head.skip or not content.strip() or content.lstrip().startswith("#"):
                    continue
                skipped.rows += 1
                value, mark = _row(cells_of(content, head.separator, head.decimal_comma), layout)
                if mark == "unknown":
                    skipped.add("bad_number", line)
                    lost = True
                elif mark in ("no_beat", "break"):
                    others += 1
                    lost |= mark == "break"
                else:
                    values.append(value)
                    marks.append(mark)
                    lines.append(line)
                    broken.append(lost)
                    lost = False
    where = skipped.file
    times = _as_ns(np.array(values), layout)
    if len(times) and float(np.abs(times).max()) > (_LATEST_NS if layout.absolute else _LONGEST_NS):
        raise InputError("instants lie at impossible times", where=where, found=f"{max(values, key=abs):g}")
    ns = np.rint(times).astype(np.int64)
    kept, breaks = _ascending(ns, np.array(lines, np.int64), np.array(broken, bool), skipped)
    ns = ns[kept] + (0 if layout.absolute else start_ns)
    chosen = np.array(marks)[kept]
    usable = chosen != "unusable"
    if int(usable.sum()) < 2:
        raise InputError("holds no two beats", where=where, found=f"{skipped.rows} rows")
    _refuse_spacing(ns, layout, where)
    notices = []
    if others:
        notices.append(Notice("no_beat", f"{others} marks of rhythm, noise or comment are no beats", "info", others))
    if not usable.all():
        message = "stretches marked X as not analysable: no interval leads across them"
        notices.append(Notice("unusable", message, "info", int((~usable).sum())))
    return MarkedBeats(ns, usable, breaks, chosen == "ectopic"), tuple(notices)


def _row(cells: tuple[str, ...], layout: BeatListLayout) -> tuple[float, Mark]:
    value = number(cells[layout.column]) if layout.column < len(cells) else math.nan
    if not math.isfinite(value) or (layout.unit == "samples" and value != math.floor(value)):
        return math.nan, "unknown"
    if layout.label is None:
        return value, "beat"
    return value, mark_of(cells[layout.label]) if layout.label < len(cells) else "unknown"


def _as_ns(values: NDArray[np.float64], layout: BeatListLayout) -> NDArray[np.float64]:
    if layout.unit == "samples":
        return np.asarray(values * (1e9 / layout.rate_hz))
    return np.asarray(values * round(SECONDS[layout.unit] * 1e9))


def _ascending(
    times_ns: NDArray[np.int64], lines: NDArray[np.int64], broken: NDArray[np.bool_], skipped: SkippedRows
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Places of instants after all before them, and where the series breaks because one between them was left out."""
    keep = usable_stamps(times_ns, lines, skipped)
    if keep is None:
        return np.arange(len(times_ns)), broken
    latest = np.maximum.accumulate(np.where(keep, times_ns, np.iinfo(np.int64).min))
    breaking = broken | (~keep & (times_ns != latest))
    kept = np.flatnonzero(keep)
    so_far = np.cumsum(breaking)[kept]
    return kept, np.diff(so_far, prepend=0) > 0


def _refuse_spacing(times_ns: NDArray[np.int64], layout: BeatListLayout, where: str) -> None:
    usual_ms = float(np.median(np.diff(times_ns))) / 1e6
    if PLAUSIBLE_MS[0] <= usual_ms <= PLAUSIBLE_MS[1]:
        return
    told = f"SamplingFrequency {layout.rate_hz:g}" if layout.unit == "samples" else f"the unit {layout.unit}"
    raise InputError(
        f"instants do not lie like heart beats: {told} does not fit", where=where,
        found=f"{usual_ms / 1000:.4g} s between two beats (median)", expected="0.2 to 3 s",
    )  # fmt: skip
