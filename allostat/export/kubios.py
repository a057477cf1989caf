"""Beat intervals as plain text, one value in ms a line: what Kubios and most other HRV programs read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from allostat.export.naming import file_label
from allostat.export.stretches import beat_stretches
from allostat.study.layout import folder_name, write_atomic

if TYPE_CHECKING:
    from allostat.study.opened import StudyResults

SHORTEST = 10
"""Runs of fewer intervals are left out: nothing can be computed from them."""


def write(results: StudyResults, participants: Sequence[str], folder: Path) -> list[Path]:
    """Write the corrected beats of each participant, one file per run without a gap (text has no way to say one).

    ``index.csv`` tells participant, series, start in ns since 1970 (UTC) and number of intervals of each file, and how
    many intervals were left out in runs of fewer than ten.
    """
    written: list[Path] = []
    lines = ["file,participant_id,series,epoch,start_ns,intervals"]
    for who in participants:
        for name, beats in results.result(who).beats.items():
            left = 0
            for n, (start, intervals) in enumerate(beat_stretches(beats), 1):
                if len(intervals) < SHORTEST:
                    left += len(intervals)
                    continue
                path = folder / f"{folder_name(who)}_{file_label(name)}_{n:03d}.txt"
                write_atomic(path, "".join(f"{ms:.6f}\n" for ms in np.asarray(intervals).tolist()))
                lines.append(f"{path.name},{who},{name},{beats.epoch},{start},{len(intervals)}")
                written.append(path)
            if left:
                lines.append(f",{who},{name},{beats.epoch},,{left}")
    write_atomic(folder / "index.csv", "\n".join(lines) + "\n")
    return [*written, folder / "index.csv"]
