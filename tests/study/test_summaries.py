"""Days of heart rate from a watch alone still give a circadian course, and nothing pretends to be beats."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from allostat.recording import Recording, ValueSeries
from allostat.simulate import EXPORTS, simulate_participant, simulate_worn
from allostat.store import read_participant
from allostat.study import Study
from allostat.study.summaries import WINDOW_NS, heart_rate_windows


def series(hours: float, step_s: int = 60, name: str = "hr") -> ValueSeries:
    times = np.arange(0, int(hours * 3600), step_s, dtype=np.int64) * 10**9 + 7 * WINDOW_NS
    return ValueSeries(name, "hr", times, np.linspace(50.0, 70.0, len(times)), "/min")


def test_windows_hold_the_mean_of_the_values_inside() -> None:
    found = heart_rate_windows([("watch", Recording("watch", series={"hr": series(30)}))])
    assert found is not None and found.attrs["series"] == "watch/hr" and found.sizes["window"] == 360
    assert found.values[0] == pytest.approx(np.mean(series(30).values[:5]), rel=1e-12)
    assert int(found["time"][0]) == 7 * WINDOW_NS


def test_less_than_a_day_or_nothing_at_all_gives_nothing() -> None:
    assert heart_rate_windows([("a", Recording("a", series={"hr": series(20)})), ("b", Recording("b"))]) is None


def test_a_watch_that_gives_only_heart_rate_has_a_circadian_course(tmp_path: Path) -> None:
    own = tmp_path / "study" / "raw" / "W1"
    own.mkdir(parents=True)
    worn = simulate_worn(simulate_participant("W1", 3), datetime(2024, 3, 4, 20, 0), 49, "Europe/Vienna")  # noqa: DTZ001
    EXPORTS["withings"](worn, own)
    (tmp_path / "study" / "participants.tsv").write_text(
        "participant_id\tsex\tage\ttimezone\nW1\tF\t40\tEurope/Vienna\n"
    )
    layout = Study(tmp_path / "study").run(tmp_path / "out", jobs=1).layout
    result = read_participant(layout.store("W1"))
    assert result.circadian is not None and not result.beats
    assert result.circadian.attrs["series"].endswith("/hr")
    assert 40 < float(result.circadian["mesor"]) < 100 and float(result.circadian["amplitude"]) > 2
    assert next(iter(result.recordings.values())).series["hr"].values.size > 2000
