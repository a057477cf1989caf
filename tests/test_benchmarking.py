"""The benchmark engine: what it says of a run, without asserting any time."""

from __future__ import annotations

import json

import pytest

from allostat import benchmarking
from allostat.errors import ConfigError


def tiny(name: str = "tiny") -> benchmarking.Case:
    return benchmarking.Case(name, "sum of ten numbers", 10, "number", lambda: (list(range(10)),), sum)


@pytest.mark.parametrize("case", benchmarking.CASES, ids=lambda c: c.name)
def test_every_case_runs_and_works_through_what_it_says(case: benchmarking.Case) -> None:
    inputs = case.inputs()
    assert len(inputs[0]) == case.items
    case.call(*inputs)


def test_a_run_names_case_contender_and_unit_and_is_ready_for_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benchmarking, "CASES", (tiny(), tiny("other")))
    monkeypatch.setattr(benchmarking, "SHORTEST_RUN_S", 1e-4)
    results = benchmarking.run(["other"], repeats=3)
    (only,) = json.loads(json.dumps(results))
    assert (only["case"], only["contender"], only["item"], only["repeats"]) == ("other", "allostat", "number", 3)
    assert only["ratio"] == 1.0
    text = benchmarking.table(results)
    assert "other" in text
    assert "sum of ten numbers" in text


def test_contenders_run_in_turn_and_are_compared_with_our_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benchmarking, "SHORTEST_RUN_S", 1e-9)
    order: list[str] = []

    def named(name: str):  # type: ignore[no-untyped-def]
        return lambda numbers: order.append(name)

    case = benchmarking.Case("c", "", 1, "number", lambda: ([1],), named("own"))
    results = benchmarking.compare(case, {"peer": named("peer")}, repeats=2)
    assert [r["contender"] for r in results] == ["allostat", "peer"]
    steady = [name for name, before in zip(order[4:], [None, *order[4:]], strict=False) if name != before]
    assert steady == ["own", "peer", "own", "peer"]


def test_an_unknown_case_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="r_peaks"):
        benchmarking.run(["r_peak"])
