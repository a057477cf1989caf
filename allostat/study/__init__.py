"""Studies: exports and tables in, a folder of results out. Resumable; one bad file costs one participant."""

from __future__ import annotations

from allostat.study.outcome import Outcome, RunResult
from allostat.study.study import Study

__all__ = ["Outcome", "RunResult", "Study"]
