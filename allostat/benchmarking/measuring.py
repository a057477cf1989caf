"""Contenders of a case in turn, again and again: a change of the machine's clock or load meets all of them.

What counts is the median of the CPU time. Every contender runs before the measurement, so that compilation does not
count. Beside the contenders runs the floor: NumPy's sum over the same arrays, which reads them once and does nothing
else; and, for detectors of beats, two serial biquads over the same samples (`yardstick`).
"""

from __future__ import annotations

import math
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from allostat.benchmarking.agreement import agreement
from allostat.benchmarking.cases import Case, Inputs
from allostat.benchmarking.worker import Offer, Worker, WorkerError

OWN = "allostat"
SHORTEST_RUN_S = 0.02
"""What is quicker is called several times per run, because the clock is no finer."""

SLOW_S, VERY_SLOW_S = 2.0, 10.0
"""Calls longer than these are measured three times at most, and once."""


@dataclass(frozen=True, slots=True)
class Result:
    """CPU time of one contender on one case; times of one call in s."""

    case: str
    contender: str
    median_s: float
    least_s: float
    items: int
    """Items of the call: fewer than the case has for a contender that would take minutes."""
    item: str
    ns_per_item: float
    repeats: int
    ratio: float
    """Time per item relative to allostat's; 1 for allostat."""
    floor_ratio: float
    """Time per item relative to NumPy's sum over the inputs."""
    difference: float
    """From allostat's answer, relative (`agreement.Agreement`); 0 for allostat."""
    agreement: str
    about: str
    failed: str = ""
    """Why there are no times, for a contender that failed."""
    floor_ns: float = math.nan
    """NumPy's sum over the inputs, per item."""
    biquads_ns: float = math.nan
    """Two serial biquads over the same samples, per sample; NaN for cases without this yardstick."""
    most_biquads: float = math.nan
    """Bar of the case, in times two biquads."""

    @property
    def biquads_ratio(self) -> float:
        """Time per item relative to two serial biquads; NaN for cases without this yardstick."""
        return self.ns_per_item / self.biquads_ns


@dataclass(frozen=True, slots=True)
class _Contender:
    name: str
    items: int
    seconds: Callable[[], float]
    repeats: int
    difference: float
    agreement: str


def measured(case: Case, repeats: int, workers: Sequence[Worker] = ()) -> list[Result]:
    """One result of allostat, and one per function of the workers for this case."""
    given = case.inputs()
    contenders = [_own(case, given, repeats)]
    failures = []
    with tempfile.TemporaryDirectory() as folder:
        for worker in workers:
            for offer in worker.offers(case.name):
                try:
                    contenders.append(_other(case, given, worker, offer, repeats, Path(folder)))
                except WorkerError as error:
                    failures.append(_failure(case, offer, str(error)))
        yardsticks, timings = _interleaved(_yardsticks(case, given), contenders, failures, case)
        for worker in workers:
            if worker.offers(case.name):
                worker.forget()
    own = statistics.median(timings[0]) / case.items
    floor, biquads = ((statistics.median(times) if times else math.nan) / case.items for times in yardsticks)
    results = [
        _result(case, contender, times, own, floor, biquads)
        for contender, times in zip(contenders, timings, strict=True)
        if times
    ]
    return results + failures


def _own(case: Case, given: Inputs, repeats: int) -> _Contender:
    return _Contender(OWN, case.items, _timed(lambda: case.call(**given)), repeats, 0.0, "")


def _other(case: Case, given: Inputs, worker: Worker, offer: Offer, repeats: int, folder: Path) -> _Contender:
    items = min(offer.items or case.items, case.items)
    inputs = case.shorter(given, items)
    path = folder / f"{items}.npz"
    if not path.exists():
        np.savez(path, **inputs)
    prepared = worker.prepare(offer, path)
    compared = agreement(case.answer(case.call(**inputs)), prepared.answer)
    once = prepared.seconds
    fewer = 1 if once > VERY_SLOW_S else min(3, repeats) if once > SLOW_S else repeats
    return _Contender(offer.name, items, lambda: worker.measure(offer), fewer, compared.difference, compared.text)


def _interleaved(
    yardsticks: Sequence[Callable[[], float] | None], contenders: list[_Contender], failures: list[Result], case: Case
) -> tuple[list[list[float]], list[list[float]]]:
    lengths: list[list[float]] = [[] for _ in yardsticks]
    timings: list[list[float]] = [[] for _ in contenders]
    failed: set[str] = set()
    for turn in range(max(contender.repeats for contender in contenders)):
        for taken, yardstick in zip(lengths, yardsticks, strict=True):
            if yardstick is not None:
                taken.append(yardstick())
        for times, contender in zip(timings, contenders, strict=True):
            if turn < contender.repeats and contender.name not in failed:
                try:
                    times.append(contender.seconds())
                except WorkerError as error:
                    failed.add(contender.name)
                    times.clear()
                    failures.append(_failure(case, Offer(case.name, contender.name, None), str(error)))
    return lengths, timings


def _timed(call: Callable[[], object]) -> Callable[[], float]:
    """A function that gives the CPU time of one call; calls once to compile and to see how long it takes."""
    call()
    start = time.process_time()
    call()
    once = time.process_time() - start
    times = max(1, int(SHORTEST_RUN_S / once)) if once > 1e-5 else 1000

    def seconds() -> float:
        begin = time.process_time()
        for _ in range(times):
            call()
        return (time.process_time() - begin) / times

    return seconds


def _yardsticks(case: Case, given: Inputs) -> tuple[Callable[[], float], Callable[[], float] | None]:
    """NumPy's sum, and two biquads where the case has a bar in terms of them."""
    arrays = [value for value in given.values() if isinstance(value, np.ndarray)]

    def read_once() -> None:
        for array in arrays:
            np.sum(array)

    if case.most_biquads is None:
        return _timed(read_once), None
    from allostat.benchmarking.yardstick import two_biquads  # what only asks how long kernels take to load needs none

    return _timed(read_once), _timed(two_biquads(arrays[0], given["rate_hz"]))


def _result(
    case: Case, contender: _Contender, times: Sequence[float], own: float, floor: float, biquads: float
) -> Result:
    median = statistics.median(times)
    each = median / contender.items
    return Result(
        case=case.name,
        contender=contender.name,
        median_s=median,
        least_s=min(times),
        items=contender.items,
        item=case.item,
        ns_per_item=each * 1e9,
        repeats=len(times),
        ratio=each / own if own > 0 else math.nan,
        floor_ratio=each / floor if floor > 0 else math.nan,
        difference=contender.difference,
        agreement=contender.agreement,
        about=case.about,
        floor_ns=floor * 1e9,
        biquads_ns=biquads * 1e9,
        most_biquads=math.nan if case.most_biquads is None else case.most_biquads,
    )


def _failure(case: Case, offer: Offer, reason: str) -> Result:
    nan = math.nan
    return Result(
        case.name, offer.name, nan, nan, case.items, case.item, nan, 0, nan, nan, nan, "", case.about, failed=reason
    )


def best_other(results: Iterable[Result]) -> Result | None:
    """The quickest of the other tools per item, None without any."""
    others = [r for r in results if r.contender != OWN and not r.failed]
    return min(others, key=lambda r: r.ns_per_item, default=None)
