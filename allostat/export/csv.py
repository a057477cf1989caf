"""Tables of the cohort as comma-separated text (RFC 4180), UTF-8; missing values are empty."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from allostat.export.frames import cohort_frames
from allostat.study.layout import write_atomic
from allostat.study.output_tables import defused

if TYPE_CHECKING:
    from allostat.study.opened import StudyResults


def write(results: StudyResults, participants: Sequence[str], folder: Path) -> list[Path]:
    """Write the tables; texts that a spreadsheet would execute are defused with an apostrophe."""
    written = []
    for name, frame in cohort_frames(results, participants).items():
        path = folder / f"{name}.csv"
        texts = [c for c in frame.columns if frame[c].dtype == object or str(frame[c].dtype) == "str"]
        safe = frame.assign(**{c: frame[c].map(_defused) for c in texts})
        write_atomic(path, safe.to_csv(index=False, lineterminator="\n"))
        written.append(path)
    return written


def _defused(value: Any) -> Any:
    return defused(value) if isinstance(value, str) else value
