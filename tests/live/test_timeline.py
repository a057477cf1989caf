"""Samples of a strap in time: what did not come is declared, and what came lies where it was taken."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allostat.live.timeline import StrapTimeline
from allostat.live.updates import GapDeclared, Placed, PlacedSamples, SegmentBegun
from allostat.recording import Device
from allostat.sampling import Clock
from allostat.strap import Connected, Disconnected, StreamStarted, StreamStopped
from tests.live.producer import HOST_START_NS, Frames, sample_block

CONNECTED = Connected(Device(), {})
STARTED = StreamStarted("ecg", 130.0, {})


def samples_of(placed: list[Placed]) -> list[PlacedSamples]:
    return [p for p in placed if isinstance(p, PlacedSamples)]


def gaps_of(placed: list[Placed], *reasons: str) -> list[GapDeclared]:
    return [p for p in placed if isinstance(p, GapDeclared) and (not reasons or p.reason in reasons)]


def clock_of(placed: list[Placed]) -> Clock:
    """The clock as the recorded file will hold it."""
    blocks, n = [], 0
    for p in samples_of(placed):
        assert p.first_index == n
        n += len(p.raw)
        if not blocks or p.block is not blocks[-1]:
            assert p.block.start_index == p.first_index
            blocks.append(p.block)
    return Clock(tuple(blocks), n)


def placement_error_ms(frames: Frames, placed: list[Placed]) -> np.ndarray:
    """Distance of each placed sample from its true device time, less the segment's one offset."""
    clock = clock_of(placed)
    numbers = np.concatenate([p.raw[:, 0] for p in samples_of(placed)])
    times = clock.times_ns(np.arange(clock.n_samples))
    true = np.array([frames.device_ns(int(i)) for i in numbers])
    difference = (times - true).astype(np.float64)
    return (difference - np.median(difference)) / 1e6


def connected(strap: int = 0) -> StrapTimeline:
    timeline = StrapTimeline(strap)
    timeline.push([CONNECTED, STARTED], HOST_START_NS, 0)
    return timeline


def test_one_notification_in_seven_lost_at_a_rate_error_of_a_quarter_percent() -> None:
    frames = Frames(rate_error=0.0025, seed=3)
    timeline, rng, placed, lost = connected(), random.Random(5), [], 0
    for i in range(2000):
        block, arrival = frames.next()
        if 0 < i < 1999 and rng.random() < 1 / 7:
            lost += len(block.raw)
            continue
        placed += timeline.push([block], arrival, 0)
    assert sum(g.missing for g in gaps_of(placed, "lost")) == lost > 20_000
    assert timeline.received["ecg"] + timeline.declared_missing["ecg"] == frames.made
    assert np.abs(placement_error_ms(frames, placed)).max() <= 1.0
    gaps = len(gaps_of(placed, "lost"))
    assert len(clock_of(placed).blocks) <= gaps + 40


@pytest.mark.parametrize(("jitter_ns", "blocks"), [(0, 3), (30_000, 40), (500_000, 120)])
def test_a_clean_half_hour_has_few_blocks(jitter_ns: int, blocks: int) -> None:
    frames = Frames(rate_error=0.0011, seed=1, device_jitter_ns=jitter_ns)
    timeline, placed = connected(), []
    for _ in range(3200):
        block, arrival = frames.next()
        placed += timeline.push([block], arrival, 0)
    assert not gaps_of(placed)
    assert np.abs(placement_error_ms(frames, placed)).max() <= 1.0
    assert len(clock_of(placed).blocks) <= blocks


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    rate_error=st.floats(-0.004, 0.004),
    drift_ppm=st.floats(-50, 50),
    loss=st.floats(0.0, 0.5),
    stall=st.floats(0.0, 0.1),
    count=st.sampled_from([19, 36, 73]),
)
def test_produced_less_received_less_declared_is_nothing(
    seed: int, rate_error: float, drift_ppm: float, loss: float, stall: float, count: int
) -> None:
    frames = Frames(
        rate_error=rate_error, drift_ppm=drift_ppm, count=count, seed=seed, stall_share=stall, jitter_s=0.002
    )
    timeline, rng, placed = connected(), random.Random(seed), []
    for i in range(150):
        block, arrival = frames.next()
        if i < 2 or rng.random() > loss:
            placed += timeline.push([block], arrival, 0)
            if rng.random() < 0.05:
                placed += timeline.push([block], arrival + 1, 0)
    # The stop comes when the last notification, if it was lost, would have been there for long.
    end = max(frames.host_ns(frames.device_ns(frames.made - 1)) + round(0.5 * count * frames.period_ns), arrival)
    if end < frames.host_ns(frames.device_ns(frames.made + count - 1)):
        placed += timeline.push([StreamStopped("ecg", True)], end, 0)
        assert frames.made == timeline.received["ecg"] + timeline.declared_missing["ecg"]
    numbers = np.concatenate([p.raw[:, 0] for p in samples_of(placed)])
    assert len(numbers) == len(set(numbers.tolist())) == timeline.received["ecg"]
    times = clock_of(placed).times_ns(np.arange(len(numbers)))
    assert (np.diff(times) > 0).all()


def test_books_are_closed_at_the_stop() -> None:
    frames = Frames()
    timeline, placed = connected(), []
    for i in range(20):
        block, arrival = frames.next()
        if i < 17:
            placed += timeline.push([block], arrival, 0)
    placed += timeline.push([StreamStopped("ecg", True)], arrival + 100_000_000, 0)
    assert [(g.missing, g.reason) for g in gaps_of(placed)] == [(3 * 73, "stopped")]
    assert not gaps_of(timeline.close(arrival + 110_000_000))


def test_exact_repeats_and_late_notifications_are_dropped_and_counted() -> None:
    frames = Frames()
    timeline, placed = connected(), []
    blocks = [frames.next() for _ in range(10)]
    for i in (0, 1, 2, 2, 3, 5, 4, 6, 7, 8, 9):
        placed += timeline.push([blocks[i][0]], blocks[i][1], 0)
    assert timeline.malformed == {"repeated_notification": 1, "late_notification": 1}
    assert timeline.received["ecg"] + timeline.declared_missing["ecg"] == frames.made
    assert len([p for p in placed if isinstance(p, SegmentBegun)]) == 1


def test_the_first_notification_waits_for_the_rate() -> None:
    frames = Frames(rate_error=0.01)
    timeline = connected()
    first, second = frames.next(), frames.next()
    assert not samples_of(timeline.push([first[0]], first[1], 0))
    placed = timeline.push([second[0]], second[1], 0)
    assert len(samples_of(placed)) == 2
    assert np.abs(placement_error_ms(frames, placed)).max() < 0.01
    lonely = connected()
    lonely.push([first[0]], first[1], 0)
    assert len(samples_of(lonely.close(first[1] + 100_000_000))) == 1


def test_a_reset_of_the_device_clock_begins_a_segment() -> None:
    frames = Frames()
    timeline, placed = connected(), []
    for i in range(12):
        block, arrival = frames.next()
        if i >= 6:
            back = frames.device_ns(i * 73 + 72) - 200_000_000_000_000_000
            block = sample_block(i * 73, 73, 130.0, back)
        placed += timeline.push([block], arrival, 0)
    segments = [p for p in placed if isinstance(p, SegmentBegun)]
    assert [s.reason for s in segments] == ["connected", "clock_step"]
    clock = clock_of(placed)
    assert len({p.segment for p in samples_of(placed)}) == 2
    assert (np.diff(clock.times_ns(np.arange(clock.n_samples))) > 0).all()
    assert len(clock.gaps) == 1 and clock.gaps[0].end_ns - clock.gaps[0].start_ns >= 1e9 / 130


def test_a_forward_jump_is_a_gap_when_the_host_saw_it_and_a_segment_when_not() -> None:
    for host_saw_it, reasons in ((True, ["connected"]), (False, ["connected", "clock_step"])):
        frames = Frames()
        timeline, placed = connected(), []
        for _ in range(6):
            block, arrival = frames.next()
            placed += timeline.push([block], arrival, 0)
        frames.made += 73 * 40
        block, later = frames.next()
        placed += timeline.push([block], later if host_saw_it else arrival + 560_000_000, 0)
        assert [p.reason for p in placed if isinstance(p, SegmentBegun)] == reasons
        missing = sum(g.missing for g in gaps_of(placed))
        assert missing == 73 * 40 if host_saw_it else missing <= 1


def test_a_reconnect_counts_what_is_missing_by_the_device_clock_that_ran_on() -> None:
    frames = Frames(drift_ppm=20.0, stall_share=0.02)
    timeline, placed = connected(), []
    for i in range(900):
        block, arrival = frames.next()
        if 400 <= i < 500:
            if i == 400:
                timeline.push([Disconnected("lost")], arrival, 0)
            if i == 499:
                timeline.push([CONNECTED, STARTED], arrival, 0)
            continue
        placed += timeline.push([block], arrival, 0)
    assert [p.reason for p in placed if isinstance(p, SegmentBegun)] == ["connected", "reconnected"]
    assert [(g.reason, g.missing) for g in gaps_of(placed)] == [("reconnected", 7300)]
    assert timeline.received["ecg"] + timeline.declared_missing["ecg"] == frames.made
    assert len({s.fit.drift_ppm for s in timeline.segments if s.fit}) == 1


def test_a_wall_clock_step_moves_no_sample() -> None:
    placed = []
    for step in (0, 3_600_000_000_000):
        frames, timeline, found = Frames(), connected(), []
        for i in range(30):
            block, arrival = frames.next()
            found += timeline.push([block], arrival, step if i > 10 else 0)
        placed.append([(p.block, p.first_index) for p in samples_of(found)])
    assert placed[0] == placed[1]


def test_a_truncated_notification_declares_what_it_promised() -> None:
    timeline, placed = connected(), []
    period = 1e9 / 130
    first = 0
    for i in range(6):
        missing = 20 if i == 3 else 0
        block = sample_block(first, 73 - missing, 130.0, 10**18 + round((first + 73) * period), missing)
        placed += timeline.push([block], HOST_START_NS + round((first + 73) * period), 0)
        first += 73
    assert [(g.reason, g.missing) for g in gaps_of(placed)] == [("truncated", 20)]
    assert timeline.received["ecg"] + timeline.declared_missing["ecg"] == first


def test_a_stream_without_device_times_is_placed_by_the_host() -> None:
    timeline, placed = connected(), []
    arrival = HOST_START_NS
    for i in range(20):
        arrival += 561_538_462 + (30_000_000_000 if i == 10 else 0)
        placed += timeline.push([sample_block(i * 73, 73, 130.0, None)], arrival, 0)
    assert [g.missing for g in gaps_of(placed)] == [pytest.approx(3900, abs=2)]
    clock = clock_of(placed)
    assert len(clock.blocks) == 2


@pytest.mark.parametrize("lost_before", [0, 2])
def test_a_notification_that_was_cut_is_placed_by_its_first_sample(lost_before: int) -> None:
    timeline, placed, frames = connected(), [], Frames(rate_error=0.001)
    for i in range(20):
        block, arrival = frames.next()
        if 10 - lost_before <= i < 10:
            continue
        if i == 10:
            block = sample_block(i * 73, 40, 130.0, block.last_sample_ns)
        placed += timeline.push([block], arrival, 0)
    assert np.abs(placement_error_ms(frames, placed)).max() < 0.1
    assert [(g.reason, g.missing) for g in gaps_of(placed)] == [("lost", 146)] * (lost_before > 0) + [("truncated", 33)]
    assert timeline.received["ecg"] + timeline.declared_missing["ecg"] == frames.made
