"""What warms workers goes all the ways that participants go, or each of them would compile what was left out."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from allostat.beats import correct_beats
from allostat.reading import read
from allostat.recording import BeatFlag
from allostat.study.warm import _intervals


def test_the_made_up_intervals_hold_artefacts_that_are_corrected_in_place(tmp_path: Path) -> None:
    export = tmp_path / "warm_rr.csv"
    export.write_text(_intervals(hours=25))
    recording = read(export)
    (beats,) = recording.beats.values()
    corrected = correct_beats(beats)
    assert len(corrected) == len(beats)
    assert np.count_nonzero(corrected.flags == BeatFlag.ECTOPIC) > 5
    assert np.count_nonzero(corrected.flags == BeatFlag.NORMAL) > 0.99 * len(beats)
