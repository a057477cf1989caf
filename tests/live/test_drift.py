"""Drift of a device's clock by the lower edge of its arrivals."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allostat.live.drift import MinimumEnvelope
from allostat.live.timeline import StrapTimeline
from allostat.recording import Device
from allostat.strap import Connected
from tests.live.producer import HOST_START_NS, Frames


@pytest.mark.parametrize("seed", range(3))
def test_eight_hours_at_20_ppm_with_jitter_and_stalls(seed: int) -> None:
    frames = Frames(drift_ppm=20.0, latency_s=0.03, jitter_s=0.01, stall_share=0.02, stall_s=0.8, seed=seed)
    envelope = MinimumEnvelope()
    while frames.made * frames.period_ns < 8 * 3600e9:
        frames.made += 73
        device_ns = frames.device_ns(frames.made - 1)
        delay = frames.latency_s + frames._random.expovariate(1.0) * frames.jitter_s
        if frames._random.random() < frames.stall_share:
            delay += frames._random.random() * frames.stall_s
        envelope.push(frames.host_ns(device_ns) + round(delay * 1e9), device_ns)
    fit = envelope.fit()
    assert fit is not None
    assert fit.drift_ppm == pytest.approx(20.0, abs=0.05)
    assert fit.spread_ms <= 0.2
    assert fit.windows == pytest.approx(480, abs=1)
    end = HOST_START_NS + 8 * 3600 * 10**9
    true = end - frames.device_start_ns - (end - HOST_START_NS) / (1 + 20e-6)
    assert (fit.offset_at(end) - true) / 1e6 == pytest.approx(30.1, abs=0.5)


def test_two_windows_give_no_drift() -> None:
    envelope = MinimumEnvelope()
    assert envelope.fit() is None and envelope.floor_ns is None
    for i in range(100):
        envelope.push(i * 10**9, i * 10**9 - 5_000_000 - (i % 7))
    fit = envelope.fit()
    assert fit is not None
    assert (fit.drift_ppm, fit.windows) == (0.0, 2) and math.isnan(fit.spread_ms)
    assert fit.offset_ns == 5_000_000 == envelope.floor_ns


@settings(max_examples=20, deadline=None)
@given(st.floats(-100, 100), st.integers(4, 5000))
def test_the_line_is_found_whatever_the_duration(ppm: float, minutes: int) -> None:
    envelope = MinimumEnvelope()
    for i in range(minutes * 4):
        host = HOST_START_NS + i * 15 * 10**9
        envelope.push(host, host - 123_456_789 - round((host - HOST_START_NS) * ppm * 1e-6))
    fit = envelope.fit()
    assert fit is not None and fit.windows <= 514
    assert fit.drift_ppm == pytest.approx(ppm, abs=1e-3)
    assert fit.spread_ms < 1e-3


def test_the_drift_stands_beside_the_samples_and_moves_none() -> None:
    frames = Frames(drift_ppm=-35.0, jitter_s=0.01, stall_share=0.02)
    timeline = StrapTimeline(0)
    timeline.push([Connected(Device(), {})], HOST_START_NS, 0)
    while frames.made < 130 * 1800:
        block, arrival = frames.next()
        timeline.push([block], arrival, 0)
    (segment,) = timeline.segments
    assert segment.fit is not None
    assert segment.fit.drift_ppm == pytest.approx(-35.0, abs=0.5)
    assert segment.fit.spread_ms < 0.5
