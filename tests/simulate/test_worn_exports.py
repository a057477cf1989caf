"""Exports of a simulated person: every writer's file is recognised and gives the true beats back."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

import allostat
from allostat.simulate import EXPORTS, Worn, simulate_participant, simulate_worn

BEATS_WRITTEN = ("elite-hrv", "hrv-logger", "plain-rr", "selfloops")


@pytest.fixture(scope="module")
def worn() -> Worn:
    return simulate_worn(simulate_participant("sub-001", 3), datetime(2024, 3, 4, 22, 0), 0.1, "Europe/Vienna")  # noqa: DTZ001


@pytest.mark.parametrize("name", sorted(EXPORTS))
def test_an_export_written_twice_has_the_same_bytes_and_is_recognised(name: str, worn: Worn, tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    first.mkdir()
    second.mkdir()
    written, again = EXPORTS[name](worn, first), EXPORTS[name](worn, second)
    files = sorted(p.relative_to(first) for p in first.rglob("*") if p.is_file())
    assert files == sorted(p.relative_to(second) for p in second.rglob("*") if p.is_file())
    assert all((first / f).read_bytes() == (second / f).read_bytes() for f in files)
    assert again.name == written.name
    assert allostat.inspect(written).confidence > 0.5


@pytest.mark.parametrize("name", BEATS_WRITTEN)
def test_the_beats_written_are_the_beats_read(name: str, worn: Worn, tmp_path: Path) -> None:
    recording = allostat.read(EXPORTS[name](worn, tmp_path), timezone="Europe/Vienna")
    beats = next(iter(recording.beats.values()))
    truth = np.diff(worn.beats_ns) / 1e6
    np.testing.assert_allclose(beats.intervals_ms[1:], truth, atol=1.01)


def test_heart_rate_and_rmssd_of_what_was_worn_follow_from_its_beats(worn: Worn) -> None:
    times, rate = worn.heart_rate(60.0)
    assert len(times) == 6 and times[0] == worn.start_ns + 60_000_000_000
    inside = worn.beat_times_s[worn.beat_times_s < 60]
    assert rate[0] == pytest.approx(60 * (len(inside) - 1) / (inside[-1] - inside[0]), rel=1e-12)
    starts, rmssd = worn.rmssd(180.0)
    beats = worn.beat_times_s[worn.beat_times_s < 180]
    expected = 1000 * np.sqrt(np.mean(np.diff(np.diff(beats)) ** 2))
    assert starts[0] == worn.start_ns and rmssd[0] == pytest.approx(expected, rel=1e-12)


def test_the_verb_lists_formats_and_writes_what_was_asked(tmp_path: Path) -> None:
    from click.testing import CliRunner

    from allostat.cli import cli

    run = CliRunner().invoke(cli, ["simulate", "--list"])
    assert run.exit_code == 0 and "selfloops" in run.output
    run = CliRunner().invoke(cli, ["simulate", str(tmp_path / "t"), "--as", "selfloops", "--hours", "0.05"])
    assert run.exit_code == 0, run.output
    assert sorted(p.name for p in (tmp_path / "t").iterdir()) == ["selfloops_sub-001.txt", "truth_sub-001.tsv"]
    with pytest.raises(allostat.InputError, match="selfloops"):
        CliRunner().invoke(cli, ["simulate", str(tmp_path), "--as", "selfloop"], catch_exceptions=False)
