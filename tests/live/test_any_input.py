"""Whatever a decoder gives, placing neither fails nor lets time run back, and the books stay whole."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from allostat.live.pipeline import SessionPipeline
from allostat.live.timeline import StrapTimeline
from allostat.live.updates import GapDeclared, Placed, PlacedIntervals, PlacedSamples
from allostat.recording import Device
from allostat.sampling import Clock
from allostat.store.journal import Record
from allostat.strap import Connected, Disconnected, IntervalBatch, SampleBlock, StreamStarted, StreamStopped
from tests.live.producer import HOST_START_NS

TIMES = st.one_of(
    st.none(),
    st.integers(-(2**62), 2**64),
    st.integers(0, 3000).map(lambda k: 8 * 10**17 + k * 561_538_462),
    st.integers(0, 10**12).map(lambda d: 8 * 10**17 + d),
)


@st.composite
def blocks(draw: st.DrawFn) -> SampleBlock:
    count = draw(st.sampled_from([0, 1, 19, 73, 73, 73]))
    rate = draw(st.sampled_from([130.0, 130.0, 130.0, 52.0, 0.0, float("nan"), float("inf"), 1e-9]))
    raw = np.arange(count, dtype=np.int32)[:, None]
    return SampleBlock("ecg", "ecg", ("ecg",), raw, 1.0, "uV", rate, draw(TIMES), draw(st.sampled_from([0, 0, 0, 5])))


@st.composite
def batches(draw: st.DrawFn) -> IntervalBatch:
    stream = draw(st.sampled_from(["rr", "ppi"]))
    raw = np.array(draw(st.lists(st.integers(0, 65_535) | st.integers(700, 900), max_size=6)), np.int64)
    ms = np.where(raw > 0, raw * 0.9765625, np.nan)
    last = draw(TIMES) if stream == "ppi" else None
    return IntervalBatch(stream, raw, ms, 60.0, draw(st.sampled_from([None, True, False])), last, None)


OTHERS = st.sampled_from(
    [
        Connected(Device(), {}),
        Disconnected(""),
        StreamStarted("ecg", 130.0, {}),
        StreamStopped("ecg", True),
        StreamStopped("ecg", False),
    ]
)


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(blocks() | batches() | OTHERS, st.integers(0, 2 * 10**9)), max_size=60))
def test_any_values_in_any_order(values: list[tuple[Any, int]]) -> None:
    timeline, host, placed = StrapTimeline(0), HOST_START_NS, list[Placed]()
    for value, passed in values:
        host += passed
        placed += timeline.push([value], host, 0)
    placed += timeline.close(host + 10**9)
    samples = [p for p in placed if isinstance(p, PlacedSamples)]
    assert sum(len(p.raw) for p in samples) == timeline.received.get("ecg", 0)
    if samples:
        clock_blocks = tuple(dict.fromkeys(p.block for p in samples))
        clock = Clock(clock_blocks, sum(len(p.raw) for p in samples))
        assert (np.diff(clock.times_ns(np.arange(clock.n_samples))) > 0).all()
    for stream in ("rr", "ppi"):
        times = [p.times_ns for p in placed if isinstance(p, PlacedIntervals) and p.stream == stream]
        assert not times or (np.diff(np.concatenate(times)) > 0).all()
    assert all(g.end_ns >= g.start_ns and g.missing >= 0 for g in placed if isinstance(g, GapDeclared))


class Raising:
    def push(self, kind: int, data: bytes, monotonic_ns: int) -> list[Any]:
        raise ZeroDivisionError


def test_a_record_that_cannot_be_placed_costs_itself_alone() -> None:
    pipeline = SessionPipeline(1, Raising)
    assert pipeline.push(Record(2, 0, 0, 0, b"")) == []
    assert pipeline.timelines[0].malformed == {"not_placed": 1}


def test_a_device_time_that_no_clock_has_is_no_time() -> None:
    def block(count: int, last_ns: int | None) -> SampleBlock:
        return SampleBlock("ecg", "ecg", ("ecg",), np.zeros((count, 1), np.int32), 1.0, "uV", 130.0, last_ns, 0)

    timeline, placed = StrapTimeline(0), list[Placed]()
    for value in (block(0, None), block(0, 10_983_372_036_854_775_809), block(1, 0), block(1, -(2**62))):
        placed += timeline.push([value], HOST_START_NS, 0)
    placed += timeline.push([block(1, None)], HOST_START_NS + 10**9, 0)
    assert timeline.malformed["impossible_time"] == 2
    times = [p.block.t0_ns for p in placed if isinstance(p, PlacedSamples)]
    assert all(-(2**63) <= t < 2**63 for t in times)
