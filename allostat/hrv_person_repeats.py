"""Repeats of a measure in one context (nights, days, resting recordings), and the person value that rests on them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from allostat.biomarkers import biomarker_kind
from allostat.recording import Beats

MEDIAN_EFFICIENCY = 1.2533141373155001
"""Standard error of a median relative to that of a mean, normal values: sqrt(pi / 2)."""

NAN = float("nan")
NO_REST = "NO_REST_RECORDING"

Variable: TypeAlias = "tuple[str | tuple[()], NDArray[np.generic] | float, dict[str, object]]"
Sensor = Literal["ecg", "device", "ppg"]
ELECTRICAL: tuple[Sensor, ...] = ("ecg", "device")
"""Everything but pulse waves. ``device``: intervals that a device gave without saying what they were found in."""


@dataclass(frozen=True, slots=True)
class Repeat:
    """One night, day or recording.

    Parameters
    ----------
    rmssd, hr, sdnn, hf
        ms, /min, ms, ms2; NaN when missing.
    accepted, wanted
        What was valid of what was asked for, in windows or as shares of the recording.
    irregular
        What has a heart rate but no variability, because its rhythm is irregular: not counted as ``accepted``.
    """

    rmssd: float = NAN
    hr: float = NAN
    sdnn: float = NAN
    hf: float = NAN
    accepted: float = 0.0
    wanted: float = 1.0
    codes: tuple[str, ...] = ()
    irregular: float = 0.0

    @property
    def any_value(self) -> bool:
        """Whether anything is known of it."""
        return bool(np.isfinite([self.rmssd, self.hr, self.sdnn]).any())


@dataclass(frozen=True, slots=True)
class Repeats:
    """All repeats of one context, from one kind of sensor."""

    items: tuple[Repeat, ...]
    sensor: Sensor
    codes: tuple[str, ...] = ()

    def column(self, measure: str) -> list[float]:
        """One measure of each repeat."""
        return [float(getattr(item, measure)) for item in self.items]


def sensor_of(recordings: Iterable[Beats]) -> Sensor:
    """What beats were found in; ``device`` as soon as one recording does not say."""
    sources = {b.source for b in recordings}
    if "ppg" in sources:
        return "ppg"
    return "device" if sources & {"device", "unknown"} else "ecg"


def one_sensor(electrical: Repeats, pulse: Repeats, *, only_pulse: bool) -> Repeats:
    """The repeats of one kind of sensor: pulse waves only where nothing else gave a value.

    Pulse rate variability is not heart rate variability: the varying delay of the pulse adds to it. The two are
    never condensed into one value; what is left out is told by a code. ``only_pulse``: there is nothing else, so that
    reasons why values are missing are those of the pulse waves.
    """
    has_electrical, has_pulse = (any(r.any_value for r in one.items) for one in (electrical, pulse))
    if (has_pulse or only_pulse) and not has_electrical:
        return _alone(pulse, electrical, ("SENSOR_PPG",))
    return _alone(electrical, pulse, ("PPG_LEFT_OUT",) if has_pulse else ())


def _alone(chosen: Repeats, other: Repeats, codes: tuple[str, ...]) -> Repeats:
    """Without the recordings at rest that only the other sensor has: they are not missing, they are left out."""
    items = chosen.items
    if len(items) == len(other.items):
        pairs = zip(items, other.items, strict=True)
        items = tuple(a for a, b in pairs if not (NO_REST in a.codes and NO_REST not in b.codes))
    return Repeats(items, chosen.sensor, codes)


def offer(name: str, values: Sequence[float], repeats: Repeats, codes: Sequence[str], how: str) -> Variable:
    """The median of repeats as a scalar offered to waist 2 (`allostat.biomarkers.rows_of`).

    The median and its standard error are taken on the scale of the kind's transform.
    """
    kind = biomarker_kind(name)
    found = dict.fromkeys((*codes, *repeats.codes))
    plausible = [v for v in values if kind.plausible_low <= v <= kind.plausible_high]
    if len(plausible) < sum(np.isfinite(values)):
        found["IMPLAUSIBLE"] = None
    scaled = np.log(plausible) if kind.transform == "ln" else np.array(plausible, dtype=np.float64)
    value = float(np.median(scaled)) if len(scaled) else NAN
    found |= dict.fromkeys(code for repeat in repeats.items for code in repeat.codes)
    wanted = sum(r.wanted for r in repeats.items)
    # A heart rate is one in any rhythm.
    accepted = sum(r.accepted + (r.irregular if name.startswith("hr") else 0.0) for r in repeats.items)
    pulse = "pulse rate variability: " if repeats.sensor == "ppg" and not name.startswith("hr") else ""
    attrs = {
        "biomarker": name,
        "units": kind.unit,
        "long_name": pulse + kind.long_name,
        "method": f"{how}; sensor: {repeats.sensor}",
        "references": " ".join(kind.references),
        "context": kind.context,
        "sensor": repeats.sensor,
        "standard_error": standard_error(scaled),
        "standard_error_scale": "ln" if kind.transform == "ln" else "value",
        "n": len(plausible),
        "coverage": accepted / wanted if wanted else NAN,
        "quality": " ".join(found),
    }
    return (), float(np.exp(value)) if kind.transform == "ln" else value, attrs


def standard_error(values: NDArray[np.float64]) -> float:
    """Of the median of the values; of two values it is their mean. NaN of one."""
    if len(values) < 2:
        return NAN
    efficiency = MEDIAN_EFFICIENCY if len(values) > 2 else 1.0
    return float(efficiency * np.std(values, ddof=1) / np.sqrt(len(values)))
