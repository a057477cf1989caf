"""The benchmark engine: what it says of a run, without asserting any time."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from allostat import benchmarking
from allostat.benchmarking import cases, comparison, measuring
from allostat.benchmarking.cases import Case
from allostat.benchmarking.worker import Offer, Prepared, WorkerError
from allostat.errors import ConfigError


def tiny(name: str = "tiny", call: Callable[..., Any] = sum) -> Case:
    return Case(
        name,
        "sum of ten numbers",
        10,
        "number",
        lambda: {"numbers": np.arange(10.0)},
        lambda numbers: call(numbers),
        lambda total: {"total": float(total)},
    )


class Peer:
    """A worker of another tool that is not there: counts how often it is asked."""

    def __init__(self, order: list[str], *offers: Offer, fails: bool = False) -> None:
        self.order, self.given, self.fails = order, offers, fails
        self.lengths: list[int] = []
        self.versions = {"other": "1.0"}

    def offers(self, case: str) -> list[Offer]:
        return [offer for offer in self.given if offer.case == case]

    def prepare(self, offer: Offer, inputs: Path) -> Prepared:
        if self.fails:
            raise WorkerError("no such luck")
        with np.load(inputs) as stored:
            numbers = stored["numbers"]
        self.lengths.append(len(numbers))
        return Prepared({"total": float(numbers.sum())}, 0.01)

    def measure(self, offer: Offer) -> float:
        self.order.append(offer.name)
        return 0.5

    def forget(self) -> None:
        self.order.append("forget")


@pytest.mark.parametrize("case", [case for case in benchmarking.CASES if not case.long], ids=lambda case: case.name)
def test_every_case_works_through_what_it_says_and_answers(case: Case) -> None:
    inputs = case.inputs()
    assert case.items in {len(value) for value in inputs.values() if isinstance(value, np.ndarray)}
    shorter = case.shorter(inputs, max(3_000, case.items // 100))
    answer = case.answer(case.call(**shorter))
    values = list(answer.values()) if isinstance(answer, dict) else answer
    assert len(values)
    assert np.all(np.isfinite(np.asarray(values, dtype=float)))


def test_names_of_cases_are_unique() -> None:
    names = [case.name for case in benchmarking.CASES]
    assert len(set(names)) == len(names)


def test_a_run_names_case_contender_and_unit_and_is_ready_for_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cases, "CASES", (tiny(), tiny("other")))
    monkeypatch.setattr(measuring, "SHORTEST_RUN_S", 1e-4)
    found = benchmarking.run(["other"], repeats=3)
    (only,) = json.loads(json.dumps(found.as_dict()))["results"]
    assert (only["case"], only["contender"], only["item"], only["repeats"]) == ("other", "allostat", "number", 3)
    assert only["ratio"] == 1.0
    text = benchmarking.table(found)
    assert "other" in text
    assert "sum of ten numbers" in text


def test_cases_that_take_long_run_only_when_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = dataclasses.replace(tiny("slow"), long=True)
    monkeypatch.setattr(cases, "CASES", (tiny(), slow))
    assert [case.name for case in cases.chosen_cases(None)] == ["tiny"]
    assert [case.name for case in cases.chosen_cases(None, long=True)] == ["tiny", "slow"]
    assert [case.name for case in cases.chosen_cases(["slow"])] == ["slow"]


def test_contenders_run_in_turn_and_are_compared_with_our_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measuring, "SHORTEST_RUN_S", 1e-9)
    order: list[str] = []

    def own(numbers: Any) -> float:
        order.append("own")
        return float(np.sum(numbers))

    peer: Any = Peer(order, Offer("c", "peer", None))
    results = measuring.measured(tiny("c", own), 2, [peer])
    assert [r.contender for r in results] == ["allostat", "peer"]
    assert results[1].agreement == "equal to 1e-9: total"
    assert results[1].ratio == pytest.approx(0.5 / results[0].median_s)
    assert results[1].floor_ratio > 1
    steady = [name for name, before in zip(order, [None, *order], strict=False) if name != before]
    assert steady == ["own", "peer", "own", "peer", "forget"]


def test_a_slow_contender_gets_the_first_items_and_is_compared_per_item(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measuring, "SHORTEST_RUN_S", 1e-9)
    peer: Any = Peer([], Offer("c", "peer", 4))
    own, other = measuring.measured(tiny("c", np.sum), 1, [peer])
    assert peer.lengths == [4]
    assert other.items == 4
    assert other.agreement == "equal to 1e-9: total"
    assert other.ratio == pytest.approx((0.5 / 4) / (own.median_s / 10))
    assert "first 4 numbers only" in benchmarking.table(benchmarking.Comparison("machine", {}, [own, other]))


def test_a_contender_that_fails_is_named_with_its_reason() -> None:
    broken: Any = Peer([], Offer("c", "broken", None), fails=True)
    _, failure = measuring.measured(tiny("c"), 1, [broken])
    assert (failure.contender, failure.failed) == ("broken", "no such luck")
    text = benchmarking.table(benchmarking.Comparison("machine", {}, measuring.measured(tiny("c"), 1, [broken])))
    assert "failed: no such luck" in text
    assert json.loads(json.dumps(dataclasses.asdict(failure)))["failed"]


def test_an_unknown_case_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="r_peaks"):
        benchmarking.run(["r_peak"])


def test_the_machine_is_described_without_its_name() -> None:
    import platform

    text = comparison.machine_class()
    assert "core" in text and "Python" in text
    assert platform.node() not in text or not platform.node()
