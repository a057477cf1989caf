"""Tables of the cohort in Parquet, columns with their types."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from allostat.errors import InputError
from allostat.export.frames import cohort_frames
from allostat.study.layout import write_atomic

if TYPE_CHECKING:
    from allostat.study.opened import StudyResults


def write(results: StudyResults, participants: Sequence[str], folder: Path) -> list[Path]:
    """Write the tables.

    Raises
    ------
    InputError
        pyarrow is not installed.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise InputError("Parquet needs pyarrow", expected="pip install 'allostat-load[parquet]'") from error
    written = []
    for name, frame in cohort_frames(results, participants).items():
        path = folder / f"{name}.parquet"
        sink = pa.BufferOutputStream()
        pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), sink)
        write_atomic(path, sink.getvalue().to_pybytes())
        written.append(path)
    return written
