"""Reason codes of cortisol days, samples and features."""

from __future__ import annotations

from enum import IntFlag


class DayReason(IntFlag):
    """What is known of a day or a sample; a feature that is NaN has its reason here."""

    CORTISOL_TIME_MISSING = 1
    """No awakening, or no time of the sample."""
    NO_WAKING_SAMPLE = 2
    NO_EVENING_SAMPLE = 4
    FEW_SAMPLES = 8
    CAR_NOT_SAMPLED = 16
    """Fewer than three samples of the awakening response."""
    CAR_START_DELAYED = 32
    """The first sample of the awakening response was taken more than 5 min after awakening (or before it)."""
    VALUE_MISSING = 64
    ABOVE_60_NMOL_L = 128
    BELOW_LOD = 256
    DUPLICATE_ASSAY = 512
    EARLY_AWAKENING = 1024
    SAMPLE_BEFORE_WAKING = 2048
    ABOVE_ASSAY_RANGE = 4096
    CAR_VALUE_MISSING = 8192
    """A sample of the awakening response has no value."""
    ABOVE_LIMIT = 16384
    """Above a limit that the settings give in place of 60 nmol/L."""
    WINSORISED = 32768
    GAP_BRIDGED = 65536
    """A missing sample inside the day was passed over by the trapezoid (`allow_gap`)."""
    AWAKENING_UNCERTAIN = 131072
    """The standard error of the awakening is too large to judge the first sample."""
    AWAKENING_SOURCES_DISAGREE = 262144
    """Diary and wearable tell awakenings more than 15 min apart."""
    NO_SAMPLE_AT_TIME = 524288
    """No sample within the tolerance of the fixed time."""
    CLOCK_UNKNOWN = 1048576
    """The local clock of the samples is not known."""
    NOT_FALLING = 2097152
    """The slope is not negative: there is no half-life."""
    CALIBRATED = 4194304
    CALIBRATED_BELOW_ZERO = 8388608
    ASSAY_UNNAMED = 16777216
    """No assay is named although other samples of the series name theirs."""
    AWAKENING_FROM_HEART_RATE = 33554432
    """The awakening was estimated from the wearable."""


OF_SLOPE = DayReason.NO_EVENING_SAMPLE | DayReason.FEW_SAMPLES | DayReason.NO_WAKING_SAMPLE
"""Reasons that say something of slopes only."""
OF_RESPONSE = (
    DayReason.CAR_NOT_SAMPLED
    | DayReason.CAR_START_DELAYED
    | DayReason.CAR_VALUE_MISSING
    | DayReason.AWAKENING_UNCERTAIN
)
"""Reasons that say something of the awakening response only."""


def names(mask: int) -> tuple[str, ...]:
    """The codes of a mask."""
    return tuple(str(r.name) for r in DayReason if r & mask)
