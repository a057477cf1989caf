"""How fast the kernels are on this machine, and how they compare with other tools."""

from __future__ import annotations

from allostat.benchmarking.cases import CASES, Case, chosen_cases
from allostat.benchmarking.comparison import Comparison, run
from allostat.benchmarking.measuring import OWN, Result
from allostat.benchmarking.memory import MemoryUse, r_peak_memory
from allostat.benchmarking.tables import markdown, table, write_page

__all__ = [
    "CASES", "OWN", "Case", "Comparison", "MemoryUse", "Result", "chosen_cases", "markdown", "r_peak_memory", "run",
    "table", "write_page",
]  # fmt: skip
