"""Memory of the R-peak detector beyond its input, measured in a process of its own."""

from __future__ import annotations

import pytest

from allostat.benchmarking import Comparison, MemoryUse, markdown, r_peak_memory, table
from allostat.benchmarking.memory import BAR_MB
from allostat.errors import ConfigError


def test_a_day_of_ecg_takes_little_beyond_itself() -> None:
    use = r_peak_memory(24.0)
    assert use.input_mb == pytest.approx(43.2)
    # Peaks may lie in pages that the process had before, so they bound nothing from below.
    assert 0 < use.beyond_mb <= BAR_MB
    assert 0 < use.output_mb < 1.0
    assert "within the bar" in use.text


def test_what_cannot_be_measured_is_refused() -> None:
    for hours, rate in ((0.0, 250.0), (1.0, -1.0)):
        with pytest.raises(ConfigError, match="length and a rate"):
            r_peak_memory(hours, rate)
    with pytest.raises(ConfigError, match="could not be measured"):
        r_peak_memory(0.1, 1e4)


def test_memory_stands_below_the_tables() -> None:
    used = Comparison("x", {"allostat": "1"}, [], [], [MemoryUse("r_peaks", 96.0, 172.8, 24.4, 3.2)])
    for text in (table(used), markdown(used)):
        assert "r_peaks, 96 h: 24.4 MB beyond the input of 173 MB, 3.2 MB of which are peaks; beyond the bar" in text
