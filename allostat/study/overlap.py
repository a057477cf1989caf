"""Several devices on one person at once: at each time one of them counts, by a stated rule, and what was done is told.

Recordings stay apart in the store. Only what is computed for the person takes one source of beats at a time. Time is
cut into slots of five minutes; in each slot series with usable beats over enough of it win over those without (quality
first), and among equals the order of preference decides: beats found in an ECG, then in a PPG, then a device's own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from allostat.recording import NS_PER_S, BeatFlag, Beats, Notice, Recording
from allostat.study.config import OverlapSection

if TYPE_CHECKING:
    from numpy.typing import NDArray

SLOT_NS = 300 * NS_PER_S
"""Length of a slot."""
FAIR = 0.5
"""Share of a slot with usable beats from which a series is fair; `OverlapSection.usable` makes it good."""


@dataclass(frozen=True)
class Series:
    """Corrected beats of one stream of one recording."""

    id: str
    recording: Recording
    beats: Beats

    @property
    def duration_s(self) -> float:
        """From the first beat to the last, in s."""
        return float(self.beats.times_ns[-1] - self.beats.times_ns[0]) / NS_PER_S if len(self.beats) > 1 else 0.0


def same_files_once(recordings: Iterable[tuple[str, Recording]]) -> tuple[dict[str, Recording], list[Notice]]:
    """Recordings without those whose files hold what an earlier one's hold, and a notice for each that is left out."""
    kept: dict[str, Recording] = {}
    first_of: dict[tuple[object, ...], str] = {}
    notices = []
    for key, recording in recordings:
        files = tuple(f.sha256 for f in recording.provenance.inputs)
        content = (files, recording.span_ns, tuple(recording.signals), tuple(recording.beats), tuple(recording.series))
        if files and content in first_of:
            message = f"{key} is the same file as {first_of[content]}: counted once"
            notices.append(Notice("SAME_FILE_TWICE", message, file=recording.provenance.inputs[0].name))
            continue
        first_of.setdefault(content, key)
        kept[key] = recording
    return kept, notices


def ranked(series: Iterable[Series], section: OverlapSection) -> list[Series]:
    """The series, good ones before fair and poor ones, and in each class in order of preference."""
    return sorted(series, key=lambda s: (-_class(_usable_share(s.beats), section.usable), rank(s, section), s.id))


def rank(series: Series, section: OverlapSection) -> int:
    """Place in the order of preference, 0 the best; a source that is not named comes last."""
    order = section.prefer
    return order.index(series.beats.source) if series.beats.source in order else len(order)


def resolved(series: Sequence[Series], section: OverlapSection) -> tuple[list[Series], list[Notice]]:
    """Series of which no two cover the same time, in order of time, and a notice for each pair that did.

    Parameters
    ----------
    series
        Of one person, on one clock (epoch).
    section
        Order of preference and the share of a slot that makes a series good.

    Returns
    -------
    series, notices
        A series that overlaps with no other is given back as it is; of one that does, the beats of its slots.
    """
    order = sorted(series, key=lambda s: (rank(s, section), s.id))
    alone = [s for s in order if not any(_meet(s, other) for other in order if other is not s)]
    together = [s for s in order if not any(s is a for a in alone)]
    if not together:
        return sorted(alone, key=_start), []
    first = min(int(s.beats.times_ns[0]) for s in together) // SLOT_NS
    last = max(int(s.beats.times_ns[-1]) for s in together) // SLOT_NS
    share = np.stack([_slot_shares(s.beats, first, last) for s in together])
    quality = np.select([share >= section.usable, share >= FAIR, share > 0], [3, 2, 1], 0)
    # argmax takes the first of equals, and ``together`` stands in order of preference
    winner = np.where(quality.max(axis=0) > 0, quality.argmax(axis=0), -1)
    chosen = [_of_slots(s, winner == i, first) for i, s in enumerate(together)]
    notices = [
        _told(a, b, share[i] > 0, share[j] > 0, winner, i, j)
        for i, a in enumerate(together)
        for j, b in enumerate(together)
        if i < j and a.recording is not b.recording and np.any((share[i] > 0) & (share[j] > 0))
    ]
    return sorted([*alone, *(s for s in chosen if len(s.beats) > 1)], key=_start), notices


def _start(series: Series) -> tuple[int, str]:
    return int(series.beats.times_ns[0]), series.id


def _meet(a: Series, b: Series) -> bool:
    x, y = a.beats.times_ns, b.beats.times_ns
    return bool(x[0] < y[-1] and y[0] < x[-1])


def _usable(beats: Beats) -> NDArray[np.float64]:
    """Length in ns of the interval that ends at each beat; 0 where it is missing or had to be corrected."""
    usable = np.isfinite(beats.intervals_ms) & (beats.flags == BeatFlag.NORMAL)
    return np.where(usable, beats.intervals_ms * 1e6, 0.0)


def _usable_share(beats: Beats) -> float:
    span = float(beats.times_ns[-1] - beats.times_ns[0])
    return float(_usable(beats).sum()) / span if span > 0 else 0.0


def _class(share: float, usable: float) -> int:
    return 2 if share >= usable else int(share >= FAIR)


def _slot_shares(beats: Beats, first: int, last: int) -> NDArray[np.float64]:
    """Share of each slot that usable intervals cover."""
    slot = beats.times_ns // SLOT_NS - first
    return np.bincount(slot, _usable(beats), minlength=last - first + 1) / SLOT_NS


def _of_slots(series: Series, mine: NDArray[np.bool_], first: int) -> Series:
    """The beats of some slots; no interval leads from one stretch of slots into the next."""
    beats = series.beats
    slot = beats.times_ns // SLOT_NS - first
    keep = mine[slot]
    intervals = beats.intervals_ms[keep].copy()
    before = np.flatnonzero(keep)
    broken = np.concatenate([[True], np.diff(before) > 1]) if len(before) else np.zeros(0, bool)
    intervals[broken] = np.nan
    cut = replace(
        beats,
        times_ns=beats.times_ns[keep],
        intervals_ms=intervals,
        flags=beats.flags[keep],
        uncertainty_ms=None if beats.uncertainty_ms is None else beats.uncertainty_ms[keep],
        extras={name: values[keep] for name, values in beats.extras.items()},
        original=None,
    )
    return replace(series, beats=cut)


def _told(
    a: Series, b: Series, has_a: NDArray[np.bool_], has_b: NDArray[np.bool_], winner: NDArray[np.int64], i: int, j: int
) -> Notice:
    both = has_a & has_b
    hours = SLOT_NS / 3.6e12
    used = [f"{name} {hours * int((both & (winner == k)).sum()):.1f} h" for name, k in ((a.id, i), (b.id, j))]
    message = f"{a.id} and {b.id} cover the same {hours * int(both.sum()):.1f} h: used {used[0]}, {used[1]}"
    return Notice("OVERLAP", message, "info")
