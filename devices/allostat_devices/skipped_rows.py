"""Rows that a reader could not use: counted by reason, with the first line, and told as notices."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from allostat.recording import Notice, Severity

SkipCode = Literal["out_of_range", "bad_time", "bad_number", "duplicate", "clipped", "unsupported", "truncated"]

MANY = 0.05
"""Share of rows above which a notice is an error instead of a warning."""

_MESSAGES: dict[SkipCode, str] = {
    "out_of_range": "values outside the plausible range",
    "bad_time": "rows whose time cannot be read or runs backwards",
    "bad_number": "rows with a cell that is no number",
    "duplicate": "rows that repeat the time of the row before",
    "clipped": "samples at the limit of the converter",
    "unsupported": "rows of a kind that is not read",
    "truncated": "rows that end before their last column",
}


@dataclass
class SkippedRows:
    """Counter of one file's unusable rows."""

    file: str
    rows: int = 0
    """Rows seen, the base of the share."""
    counts: dict[SkipCode, int] = field(default_factory=dict)
    first_lines: dict[SkipCode, int] = field(default_factory=dict)

    def add(self, code: SkipCode, line: int, count: int = 1) -> None:
        """Count ``count`` rows, the first of them in ``line`` (1-based)."""
        if count <= 0:
            return
        self.counts[code] = self.counts.get(code, 0) + count
        self.first_lines[code] = min(line, self.first_lines.get(code, line))

    def notices(self) -> tuple[Notice, ...]:
        """One notice for each reason; above 5 % of the rows its severity is ``error``."""
        found = []
        for code in sorted(self.counts):
            count = self.counts[code]
            severity: Severity = "error" if count > MANY * max(self.rows, 1) else "warning"
            message = f"{count} of {self.rows} rows: {_MESSAGES[code]}"
            found.append(Notice(code, message, severity, count, self.file, self.first_lines[code]))
        return tuple(found)
