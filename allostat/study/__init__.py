"""Studies: exports and tables in, a folder of results out. Resumable; one bad file costs one participant."""

from __future__ import annotations

from allostat.study.study import Outcome, RunResult, Study

__all__ = ["Outcome", "RunResult", "Study"]
