"""The person under a strap: beats, the ECG and the pulse wave that belong to them, and movement.

A `Heart` is a stretch of beats that repeats itself, so that a day costs no more memory than a minute and every value
can be computed again from its time. It is either drawn from a seed or given (RR intervals of a recording).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np

from allostat.errors import ConfigError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_STEP_S = 0.002
_WAVES_ECG = (
    # seconds from the R peak, width in s, microvolt
    (-0.17, 0.022, 110.0),
    (-0.032, 0.009, -130.0),
    (0.0, 0.011, 1150.0),
    (0.033, 0.011, -260.0),
    (0.27, 0.048, 270.0),
)
_WAVES_PULSE = ((0.30, 0.075, 1.0), (0.52, 0.09, 0.35), (0.70, 0.12, 0.12))


@dataclass(frozen=True, slots=True, eq=False)
class Heart:
    """Beats on a loop.

    Attributes
    ----------
    beats_s
        Instants of the beats of one turn, seconds, ascending, in [0, ``turn_s``).
    turn_s
        Length of one turn in seconds.
    breaths_per_min
        Rate of breathing, which moves the baseline and the chest.
    """

    beats_s: NDArray[np.float64]
    turn_s: float
    breaths_per_min: float = 15.0
    # the same beats, for the bisection that each notification needs
    _listed: list[float] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_listed", self.beats_s.tolist())

    def beats_between(self, after_s: float, until_s: float) -> list[float]:
        """Instants of the beats in (after, until], seconds."""
        listed, count = self._listed, len(self._listed)
        beats = range(self._beats_until(after_s), self._beats_until(until_s))
        return [beat // count * self.turn_s + listed[beat % count] for beat in beats]

    def _beats_until(self, until_s: float) -> int:
        turn, rest = divmod(until_s, self.turn_s)
        return int(turn) * len(self._listed) + bisect_right(self._listed, rest)

    def phases(self, times_s: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
        """Seconds since the beat before, seconds (below 0) to the beat after, and the interval between the two."""
        around = np.array(self.beats_between(float(times_s[0]) - 4.0, float(times_s[-1]) + 4.0))
        after = np.searchsorted(around, times_s, side="right")
        before = times_s - around[after - 1]
        ahead = times_s - around[after]
        return before, ahead, before - ahead


def resting_heart(seed: int, minutes: float = 10.0, heart_rate_per_min: float = 62.0) -> Heart:
    """A heart at rest: respiratory arrhythmia, slow waves, and jitter of single beats.

    Parameters
    ----------
    seed
        Same seed, same beats.
    minutes
        Length of one turn.
    heart_rate_per_min
        Mean.
    """
    if not 20 <= heart_rate_per_min <= 220 or not minutes > 0:
        raise ConfigError(
            "no such heart", found=f"{heart_rate_per_min} per min for {minutes} min", expected="20 to 220 per min"
        )
    rng = np.random.default_rng([seed, 1])
    mean_s = 60 / heart_rate_per_min
    breathing_hz = float(rng.uniform(0.2, 0.3))
    count = max(8, round(minutes * 60 / mean_s))
    at = np.arange(count) * mean_s
    rr = mean_s * (
        1
        + 0.035 * np.sin(2 * np.pi * breathing_hz * at)
        + 0.02 * np.sin(2 * np.pi * 0.1 * at + rng.uniform(0, 6))
        + 0.02 * np.sin(2 * np.pi * 0.013 * at + rng.uniform(0, 6))
        + 0.008 * rng.standard_normal(count)
    )
    return _from_intervals(rr, breathing_hz * 60)


def heart_from_rr(rr_ms: Sequence[float] | NDArray[np.float64]) -> Heart:
    """A heart with given RR intervals in ms, which repeat from the start after the last one.

    Raises
    ------
    ConfigError
        When there are fewer than two, or one is not between 150 and 3500 ms.
    """
    rr = np.asarray(rr_ms, dtype=np.float64) / 1000
    if rr.ndim != 1 or len(rr) < 2 or not ((rr >= 0.15) & (rr <= 3.5)).all():
        raise ConfigError("no RR intervals of a heart", found=f"{rr.size} values", expected="2 or more, 150 to 3500 ms")
    return _from_intervals(rr, 15.0)


def _from_intervals(rr_s: NDArray[np.float64], breaths_per_min: float) -> Heart:
    edges = np.cumsum(rr_s)
    return Heart(edges - rr_s[0] + rr_s[0] / 2, float(edges[-1]), breaths_per_min)


class Signal(Protocol):
    """What a sensor measures, sample by sample."""

    channels: int

    def block(self, first: int, times_s: NDArray[np.float64]) -> NDArray[np.int32]:
        """Samples ``first`` and on at these times: int32, (samples, channels)."""
        ...


class _Noise:
    """A table of noise that is read round and round: the same sample has the same noise whenever it is computed."""

    def __init__(self, seed: int, channels: int, spread: float) -> None:
        rng = np.random.default_rng([seed, 2, channels])
        self._table = rng.normal(0.0, spread, (8191, channels))

    def at(self, first: int, count: int) -> NDArray[np.float64]:
        rows: NDArray[np.float64] = self._table[np.arange(first, first + count) % len(self._table)]
        return rows


def _wave_table(waves: tuple[tuple[float, float, float], ...]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    at = np.arange(-0.4, 1.2, _STEP_S)
    return at, np.sum([height * np.exp(-0.5 * ((at - mid) / width) ** 2) for mid, width, height in waves], axis=0)


class EcgSignal:
    """ECG of a heart in microvolt: P, Q, R, S and T waves, baseline that breathes, noise."""

    channels = 1

    def __init__(self, heart: Heart, seed: int, noise_uv: float = 8.0) -> None:
        self._heart = heart
        self._noise = _Noise(seed, 1, noise_uv)
        self._at, self._waves = _wave_table(_WAVES_ECG)

    def block(self, first: int, times_s: NDArray[np.float64]) -> NDArray[np.int32]:
        """See `Signal.block`."""
        before, ahead, rr = self._heart.phases(times_s)
        # the T wave comes earlier when the heart is fast
        value = np.interp(before / np.sqrt(rr), self._at, self._waves, right=0.0)
        value += np.interp(ahead, self._at, self._waves, left=0.0)
        value += 60 * np.sin(times_s * (2 * np.pi * self._heart.breaths_per_min / 60))
        rounded: NDArray[np.int32] = np.rint(value + self._noise.at(first, len(value))[:, 0]).astype(np.int32)
        return rounded[:, None]


class PulseSignal:
    """Light of three photodiodes and the light of the surroundings, in counts; blood dims it with each pulse."""

    channels = 4

    def __init__(self, heart: Heart, seed: int) -> None:
        self._heart = heart
        self._noise = _Noise(seed, 4, 25.0)
        self._at, self._waves = _wave_table(_WAVES_PULSE)

    def block(self, first: int, times_s: NDArray[np.float64]) -> NDArray[np.int32]:
        """See `Signal.block`."""
        before, _, rr = self._heart.phases(times_s)
        late = np.interp(before, self._at, self._waves, right=0.0)
        late += np.interp(before + rr, self._at, self._waves, right=0.0)
        light = np.outer(late, (-2400.0, -2100.0, -1900.0, 0.0))
        light += np.array([210_000.0, 195_000.0, 188_000.0, 9_000.0])
        counts: NDArray[np.int32] = np.rint(light + self._noise.at(first, len(late))).astype(np.int32)
        return counts


class MovementSignal:
    """Acceleration of a chest that breathes, three axes, in thousandths of the standard gravity."""

    channels = 3

    def __init__(self, heart: Heart, seed: int) -> None:
        self._breath = 2 * np.pi * heart.breaths_per_min / 60
        self._noise = _Noise(seed, 3, 3.0)

    def block(self, first: int, times_s: NDArray[np.float64]) -> NDArray[np.int32]:
        """See `Signal.block`."""
        breath = np.sin(times_s * self._breath)
        tilt = np.outer(breath, (12.0, 20.0, 4.0))
        tilt += np.array([110.0, -60.0, 985.0])
        milli_g: NDArray[np.int32] = np.rint(tilt + self._noise.at(first, len(breath))).astype(np.int32)
        return milli_g


class ScaledSignal:
    """Another signal in other counts.

    Parameters
    ----------
    signal
        What is measured.
    counts
        Counts per unit of ``signal``.
    """

    def __init__(self, signal: Signal, counts: float) -> None:
        self._signal = signal
        self._counts = counts
        self.channels = signal.channels

    def block(self, first: int, times_s: NDArray[np.float64]) -> NDArray[np.int32]:
        """See `Signal.block`."""
        scaled: NDArray[np.int32] = np.rint(self._signal.block(first, times_s) * self._counts).astype(np.int32)
        return scaled


class SpoiltSignal:
    """Another signal with stretches in which the electrodes are off, or the person moves.

    Parameters
    ----------
    signal
        What is measured otherwise.
    spans_s
        Beginning and end of each stretch, in seconds since the strap began.
    how
        ``"flat"`` = it stands still at 0; ``"saturated"`` = at the limit of the converter; ``"noise"`` =
        noise as large as the limit's twentieth on top.
    limit
        Of the converter in counts; 20 mV of an H10 in microvolt.
    """

    def __init__(
        self,
        signal: Signal,
        spans_s: Sequence[tuple[float, float]],
        how: Literal["flat", "saturated", "noise"] = "flat",
        limit: int = 20_000,
    ) -> None:
        self._signal = signal
        self._spans_s = tuple(spans_s)
        self._how = how
        self._limit = limit
        self._noise = _Noise(0, signal.channels, limit / 20)
        self.channels = signal.channels

    def block(self, first: int, times_s: NDArray[np.float64]) -> NDArray[np.int32]:
        """See `Signal.block`."""
        samples = self._signal.block(first, times_s).copy()
        spoilt = np.zeros(len(times_s), dtype=bool)
        for begin, end in self._spans_s:
            spoilt |= (times_s >= begin) & (times_s < end)
        if self._how == "noise":
            noisy = samples + np.rint(self._noise.at(first, len(samples)))
            samples[spoilt] = np.clip(noisy, -self._limit, self._limit)[spoilt]
        else:
            samples[spoilt] = 0 if self._how == "flat" else self._limit
        return samples


class RecordedSignal:
    """Samples of a recording, one for each sample that the sensor takes, from the start again after the last one.

    Parameters
    ----------
    samples
        Whole numbers as the device counts them, (samples,) or (samples, channels).
    """

    def __init__(self, samples: NDArray[np.int32]) -> None:
        rows = np.atleast_2d(np.asarray(samples).T).T
        if rows.size == 0 or rows.ndim != 2 or not np.issubdtype(rows.dtype, np.integer):
            raise ConfigError(
                "no samples of a sensor", found=f"{rows.dtype} {rows.shape}", expected="whole numbers, by channel"
            )
        self._rows = rows.astype(np.int32)
        self.channels = int(rows.shape[1])

    def block(self, first: int, times_s: NDArray[np.float64]) -> NDArray[np.int32]:
        """The recording's samples; their time does not matter."""
        rows: NDArray[np.int32] = self._rows[np.arange(first, first + len(times_s)) % len(self._rows)]
        return rows
