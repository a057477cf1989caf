"""FIT sessions for tests, message by message."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from allostat.adapter import ReadOptions
from allostat.recording import Recording
from allostat.simulate.exports.fit_file import FIT_EPOCH_S, FitField, FitWriter
from allostat.source import Source
from allostat_devices.fit import ADAPTER

STAMP = FitField(253, "uint32")
START = 1_000_000_000
"""2021-09-08 01:46:40 UTC in FIT seconds."""
START_NS = (START + FIT_EPOCH_S) * 10**9


class Session(FitWriter):
    """A FIT file that defines every message where it is written."""

    def message(self, number: int, fields: Sequence[FitField], *rows: dict[int, int | bytes | Sequence[int]]) -> None:
        self.define(0, number, fields)
        for row in rows:
            self.write(0, row)

    def file_id(self, kind: int = 4, maker: int = 1) -> None:
        fields = (FitField(0, "enum"), FitField(1, "uint16"), FitField(2, "uint16"), FitField(3, "uint32z"))
        self.message(0, fields, {0: kind, 1: maker, 2: 4024, 3: 3_402_392_704})

    def record(self, second: int, rate: int | None = 60) -> None:
        self.message(20, (STAMP, FitField(3, "uint8")), {253: START + second} | ({} if rate is None else {3: rate}))

    def timer(self, second: int, action: int) -> None:
        self.message(21, (STAMP, FitField(0, "enum"), FitField(1, "enum")), {253: START + second, 0: 0, 1: action})

    def hrv(self, *intervals: int) -> None:
        for first in range(0, len(intervals), 5):
            self.message(78, (FitField(0, "uint16", 5),), {0: intervals[first : first + 5]})

    def activity(self, second: int, offset_s: int | None) -> None:
        local = {} if offset_s is None else {5: START + second + offset_s}
        self.message(34, (STAMP, FitField(5, "uint32")), {253: START + second} | local)


def read_all(folder: Path, data: bytes, name: str = "x.fit", **options: str) -> list[Recording]:
    """What the adapter reads of a FIT file with these bytes."""
    (folder / name).write_bytes(data)
    return list(ADAPTER.read(Source(folder / name), ReadOptions(**options)))  # type: ignore[arg-type]


def read(folder: Path, data: bytes, **options: str) -> Recording:
    """The one recording of a FIT file with these bytes."""
    (recording,) = read_all(folder, data, **options)
    return recording


def codes(recording: Recording) -> list[str]:
    """Codes of a recording's notices."""
    return [notice.code for notice in recording.notices]
