"""qc.tsv during a run: each participant who has ended appears, and in the end it is what collating writes."""

from __future__ import annotations

import csv
import time
from pathlib import Path

import pytest

from allostat.errors import DiskError
from allostat.study import Outcome, Study, live_qc
from allostat.study.layout import OutputLayout
from allostat.study.live_qc import LiveQc
from tests.study.inline import stay_in_this_process


def rows(out: Path) -> dict[str, dict[str, str]]:
    with (out / "qc.tsv").open(encoding="utf-8", newline="") as file:
        return {row["participant_id"]: row for row in csv.DictReader(file, delimiter="\t")}


def test_each_finished_participant_appears_during_the_run(
    hand_made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stay_in_this_process(monkeypatch)
    monkeypatch.setattr(live_qc, "EVERY_S", 0.0)
    monkeypatch.setattr(live_qc, "SHARE", 1e9)
    out = tmp_path / "out"
    seen: list[dict[str, dict[str, str]]] = []

    def progress(who: str, outcome: Outcome | None) -> None:
        if outcome is not None:
            seen.append(rows(out))

    Study(hand_made).run(out, progress=progress)
    assert [list(found) for found in seen] == [["A1"], ["A1", "A2"]]
    assert seen[-1] == rows(out)
    assert float(rows(out)["A1"]["beats"]) > 100
    live = (out / "qc.tsv").read_bytes()
    Study(hand_made).run(out)
    assert (out / "qc.tsv").read_bytes() == live


def outcome(who: str, state: str = "done") -> Outcome:
    return Outcome(who, state, None, 1.0, {"beats": 3.0})  # type: ignore[arg-type]


def test_it_is_written_no_more_often_than_it_may(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    live = LiveQc(OutputLayout(tmp_path), ["a", "b", "c", "d"])
    live.stands(outcome("d", "unchanged"))
    live.ended(outcome("b"))
    assert list(rows(tmp_path)) == ["b", "d"]
    now[0] += live_qc.EVERY_S / 2
    live.ended(outcome("c"))
    assert list(rows(tmp_path)) == ["b", "d"]
    now[0] += live_qc.EVERY_S
    live.ended(outcome("a", "failed"))
    assert {who: row["status"] for who, row in rows(tmp_path).items()} == {
        "a": "failed", "b": "ok", "c": "ok", "d": "ok",
    }  # fmt: skip


def test_a_disk_that_refuses_it_stops_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def refuse(*about: object) -> None:
        calls.append(about)
        raise DiskError("cannot be written")

    monkeypatch.setattr(live_qc, "write_tsv_lines", refuse)
    live = LiveQc(OutputLayout(tmp_path), ["a", "b"])
    live.ended(outcome("a"))
    live.ended(outcome("b"))
    assert len(calls) == 1
