"""How fast the kernels are on this machine, and how they compare with other tools."""

from __future__ import annotations

from allostat.benchmarking.cases import CASES, Case, chosen_cases
from allostat.benchmarking.comparison import Comparison, run
from allostat.benchmarking.measuring import OWN, Result
from allostat.benchmarking.tables import markdown, table, write_page

__all__ = ["CASES", "OWN", "Case", "Comparison", "Result", "chosen_cases", "markdown", "run", "table", "write_page"]
