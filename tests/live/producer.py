"""Straps that know the truth: what they made, when, and what of it was delivered, with faults drawn from a seed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from allostat.strap import IntervalBatch, SampleBlock

HOST_START_NS = 1_760_000_000_000_000_000


@dataclass
class Frames:
    """A stream of notifications of equal length, with the true instant of each sample.

    Attributes
    ----------
    rate_error, drift_ppm
        The true rate in device seconds over the nominal one; how much the device clock runs too slow.
    latency_s, jitter_s, stall_share, stall_s
        Least latency, mean of the exponential part on top; share of notifications that begin a stall.
    device_jitter_ns
        Rounding and noise of the device's own times.
    """

    nominal_hz: float = 130.0
    count: int = 73
    rate_error: float = 0.0
    drift_ppm: float = 0.0
    latency_s: float = 0.03
    jitter_s: float = 0.004
    stall_share: float = 0.0
    stall_s: float = 0.8
    device_jitter_ns: int = 0
    device_start_ns: int = 800_000_000_000_000_000
    seed: int = 0
    made: int = 0
    arrival_floor_ns: int = field(default=0, repr=False)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    @property
    def period_ns(self) -> float:
        return 1e9 / (self.nominal_hz * (1 + self.rate_error))

    def device_ns(self, sample: int) -> int:
        """True device time of a sample."""
        return self.device_start_ns + round((sample + 1) * self.period_ns)

    def host_ns(self, device_ns: int) -> int:
        """True host instant of a device time."""
        return HOST_START_NS + round((device_ns - self.device_start_ns) * (1 + self.drift_ppm * 1e-6))

    def next(self) -> tuple[SampleBlock, int]:
        """The next notification and the instant of its arrival; a stall holds up those behind it as well."""
        first, self.made = self.made, self.made + self.count
        device_ns = self.device_ns(self.made - 1)
        delay = self.latency_s + self._random.expovariate(1.0) * self.jitter_s
        if self._random.random() < self.stall_share:
            delay += self._random.random() * self.stall_s
        arrival = max(self.host_ns(device_ns) + round(delay * 1e9), self.arrival_floor_ns + 1)
        self.arrival_floor_ns = arrival
        stamped = device_ns
        if self.device_jitter_ns:
            stamped += self._random.randint(-self.device_jitter_ns, self.device_jitter_ns)
        return sample_block(first, self.count, self.nominal_hz, stamped), arrival


def sample_block(first: int, count: int, nominal_hz: float, device_ns: int | None, missing: int = 0) -> SampleBlock:
    """Samples whose values are their true numbers."""
    raw = np.arange(first, first + count, dtype=np.int32)[:, None]
    return SampleBlock("ecg", "ecg", ("ecg",), raw, 1.0, "uV", nominal_hz, device_ns, missing)


def heart(seed: int, beats: int, mean_ms: float) -> NDArray[np.int64]:
    """RR intervals in 1/1024 s."""
    rng = np.random.default_rng(seed)
    at = np.arange(beats)
    rr = mean_ms * (1 + 0.04 * np.sin(at * 0.9) + 0.03 * np.sin(at * 0.11) + 0.01 * rng.standard_normal(beats))
    return np.rint(rr * 1.024).astype(np.int64)


def heart_rate_notifications(
    raw: NDArray[np.int64], *, seed: int = 0, latency_s: float = 0.03, jitter_s: float = 0.01, stall_share: float = 0.0
) -> Iterator[tuple[IntervalBatch, int, NDArray[np.int64]]]:
    """One notification per second with the beats since the last one, its arrival, and their true instants."""
    rng = random.Random(seed)
    ends = HOST_START_NS + np.cumsum(raw / 1.024 * 1e6).astype(np.int64)
    at, second, floor = 0, HOST_START_NS + rng.randrange(10**9), 0
    while at < len(raw):
        second += 10**9
        if second > ends[-1]:
            # The heart does not stop: the last notification is one that further beats would follow.
            return
        stop = int(np.searchsorted(ends, second, side="right"))
        delay = latency_s + rng.expovariate(1.0) * jitter_s
        if rng.random() < stall_share:
            delay += rng.random() * 3.0
        floor = max(second + round(delay * 1e9), floor + 1)
        yield interval_batch(raw[at:stop]), floor, ends[at:stop]
        at = stop


def interval_batch(raw: NDArray[np.int64], contact: bool | None = True) -> IntervalBatch:
    intervals = np.where(raw > 0, raw * (1000 / 1024), np.nan)
    rate = float(60_000 / np.nanmean(intervals)) if len(raw) and np.isfinite(intervals).any() else float("nan")
    return IntervalBatch("rr", raw.astype(np.int64), intervals, rate, contact)
