"""Straps ready to use, each with a person of its own.

`MODELS` has them by name. Every model takes a number, which names the strap (address, serial number and, unless a seed
is given, the person), and `Body`, what it measures.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import isfinite
from types import MappingProxyType

from allostat.errors import ConfigError
from allostat_devices.virtual.device_clock import DeviceClock
from allostat_devices.virtual.gatt import Service, uuid16
from allostat_devices.virtual.heart import (
    EcgSignal,
    Heart,
    MovementSignal,
    PulseSignal,
    ScaledSignal,
    Signal,
    resting_heart,
)
from allostat_devices.virtual.heart_rate import Battery, DeviceInformation, HeartRate, RrUnit
from allostat_devices.virtual.movesense import SERVICE as SENSOR_DATA
from allostat_devices.virtual.movesense import SensorData
from allostat_devices.virtual.pmd_frames import DeltaLayout, PlainLayout
from allostat_devices.virtual.polar_measurement import ACC, ECG, PPG, PPI, PolarMeasurement
from allostat_devices.virtual.polar_streams import (
    CHANNELS,
    RANGE,
    RATE,
    RESOLUTION,
    Measurement,
    PulseIntervals,
    ReplayedFrames,
    SampledMeasurement,
)
from allostat_devices.virtual.strap import Advertisement, VirtualStrap

_HEART_RATE = uuid16(0x180D)
_POLAR_ADVERTISED = uuid16(0xFEEE)
_POLAR_COMPANY = 0x006B
_MOVESENSE_UV_PER_COUNT = 0.381
_VERITY_MILLI_G_PER_COUNT = 0.244


@dataclass(frozen=True, slots=True)
class Body:
    """What a strap measures, and how it keeps time.

    Attributes
    ----------
    seed
        Of the person and of all that is random; the strap's number when None.
    heart
        Beats; drawn from the seed when None.
    ecg
        ECG in microvolt; that of ``heart`` when None.
    ecg_frames
        Notifications of 73 samples that an H10 once sent, to be sent again byte by byte instead of ``ecg``.
    pulse
        PPG in counts, four channels; that of ``heart`` when None.
    movement
        Acceleration in thousandths of the standard gravity, three axes; breathing when None.
    rate_ratio
        True samples per second of the strap's own clock, over the nominal rate.
    drift_ppm
        How much faster than true time the strap's clock runs.
    clock_offset_s
        How far ahead of true time it is at first.
    """

    seed: int | None = None
    heart: Heart | None = None
    ecg: Signal | None = None
    ecg_frames: tuple[bytes, ...] = ()
    pulse: Signal | None = None
    movement: Signal | None = None
    rate_ratio: float = 1.0
    drift_ppm: float = 0.0
    clock_offset_s: float = 0.0

    def __post_init__(self) -> None:
        if not 0.1 <= self.rate_ratio <= 10 or not abs(self.drift_ppm) <= 100_000 or not isfinite(self.clock_offset_s):
            raise ConfigError(
                "no strap keeps time so",
                found=f"rate {self.rate_ratio}, {self.drift_ppm} ppm, {self.clock_offset_s} s ahead",
                expected="a rate ratio of 0.1 to 10, at most 100000 ppm",
            )


@dataclass(frozen=True, slots=True)
class _Whole:
    """A body with nothing left open."""

    seed: int
    heart: Heart
    ecg: Signal
    pulse: Signal
    movement: Signal
    rate_ratio: float
    clock: DeviceClock


def _whole(number: int, body: Body) -> _Whole:
    seed = number if body.seed is None else body.seed
    heart = resting_heart(seed) if body.heart is None else body.heart
    return _Whole(
        seed,
        heart,
        EcgSignal(heart, seed) if body.ecg is None else body.ecg,
        PulseSignal(heart, seed) if body.pulse is None else body.pulse,
        MovementSignal(heart, seed) if body.movement is None else body.movement,
        body.rate_ratio,
        DeviceClock(body.drift_ppm, body.clock_offset_s),
    )


def _address(model: int, number: int) -> str:
    """A static random address, by model and number; no maker owns it."""
    if not 0 <= number < 2**24:
        raise ConfigError("no number of a strap", found=number, expected=f"0 to {2**24 - 1}")
    return ":".join(f"{byte:02X}" for byte in (0xC0, model, 0, *number.to_bytes(3, "big")))


def _strap(
    model: int,
    number: int,
    name: str,
    advertised: tuple[str, ...],
    services: tuple[Service, ...],
    whole: _Whole,
    *,
    largest_mtu_bytes: int,
    advertising_interval_s: float,
    keep_truth: bool,
    heart_rate_company: int | None = None,
) -> VirtualStrap:
    return VirtualStrap(
        _address(model, number),
        Advertisement(name, advertised, heart_rate_company=heart_rate_company),
        services,
        largest_mtu_bytes=largest_mtu_bytes,
        advertising_interval_s=advertising_interval_s,
        seed=whole.seed,
        clock=whole.clock,
        keep_truth=keep_truth,
    )


def polar_h10(
    number: int = 1, body: Body = Body(), *, advertising_interval_s: float = 1.0, keep_truth: bool = True
) -> VirtualStrap:
    """A Polar H10: heart rate with RR, ECG at 130 Hz, acceleration.

    Parameters
    ----------
    number
        Names the strap.
    body
        What it measures.
    advertising_interval_s, keep_truth
        As in `VirtualStrap`.
    """
    whole = _whole(number, body)
    ecg_settings = {RATE: (130,), RESOLUTION: (14,)}
    measurements: dict[int, Measurement] = {
        ECG: SampledMeasurement(whole.ecg, PlainLayout(0, 3, 73), ecg_settings, whole.rate_ratio)
        if not body.ecg_frames
        else ReplayedFrames(body.ecg_frames, 73, ecg_settings),
        ACC: SampledMeasurement(
            whole.movement,
            PlainLayout(1, 2, 36),
            {RATE: (25, 50, 100, 200), RESOLUTION: (16,), RANGE: (2, 4, 8)},
            whole.rate_ratio,
            factor=1.0,
        ),
    }
    serial = f"{0xA0000000 + number:08X}"
    services = (
        HeartRate(whole.heart),
        PolarMeasurement(measurements),
        Battery(),
        DeviceInformation("Polar Electro Oy", "H10", serial, "3.1.1"),
    )
    return _strap(
        0x10, number, f"Polar H10 {serial}", (_HEART_RATE, _POLAR_ADVERTISED), services, whole,
        largest_mtu_bytes=232, advertising_interval_s=advertising_interval_s, keep_truth=keep_truth,
        heart_rate_company=_POLAR_COMPANY,
    )  # fmt: skip


def verity_sense(
    number: int = 1, body: Body = Body(), *, advertising_interval_s: float = 1.0, keep_truth: bool = True
) -> VirtualStrap:
    """A Polar Verity Sense: heart rate without RR, compressed PPG and acceleration, PPI, SDK mode.

    Parameters as `polar_h10`. Which steps its blocks have is the model's choice.
    """
    whole = _whole(number, body)
    measurements: dict[int, Measurement] = {
        PPG: SampledMeasurement(
            whole.pulse,
            DeltaLayout(0x80, 22),
            {RATE: (55,), RESOLUTION: (22,), CHANNELS: (4,)},
            whole.rate_ratio,
            factor=1.0,
            sdk_settings={RATE: (28, 44, 55, 135, 176), RESOLUTION: (22,), CHANNELS: (4,)},
        ),
        ACC: SampledMeasurement(
            ScaledSignal(whole.movement, 1 / _VERITY_MILLI_G_PER_COUNT),
            DeltaLayout(0x81, 16, block_samples=16),
            {RATE: (52,), RESOLUTION: (16,), RANGE: (8,)},
            whole.rate_ratio,
            factor=_VERITY_MILLI_G_PER_COUNT,
            sdk_settings={RATE: (26, 52, 104, 208, 416), RESOLUTION: (16,), RANGE: (2, 4, 8, 16)},
        ),
        PPI: PulseIntervals(whole.heart),
    }
    serial = f"{0xB0000000 + number:08X}"
    services = (
        HeartRate(whole.heart, sends_rr=False),
        PolarMeasurement(measurements, has_sdk_mode=True),
        Battery(),
        DeviceInformation("Polar Electro Oy", "Polar Sense", serial, "2.1.0"),
    )
    return _strap(
        0x11, number, f"Polar Sense {serial}", (_HEART_RATE, _POLAR_ADVERTISED), services, whole,
        largest_mtu_bytes=232, advertising_interval_s=advertising_interval_s, keep_truth=keep_truth,
        heart_rate_company=_POLAR_COMPANY,
    )  # fmt: skip


def heart_rate_strap(
    number: int = 1, body: Body = Body(), *, advertising_interval_s: float = 1.0, keep_truth: bool = True
) -> VirtualStrap:
    """A strap that has the heart rate service alone; parameters as `polar_h10`."""
    return _plain(0x20, "HRM", "1/1024 s", number, body, advertising_interval_s, keep_truth)


def millisecond_strap(
    number: int = 1, body: Body = Body(), *, advertising_interval_s: float = 1.0, keep_truth: bool = True
) -> VirtualStrap:
    """A strap that breaks the standard: its RR intervals are in ms. Parameters as `polar_h10`."""
    return _plain(0x21, "HRM ms", "ms", number, body, advertising_interval_s, keep_truth)


def _plain(
    model: int, name: str, unit: RrUnit, number: int, body: Body, advertising_interval_s: float, keep_truth: bool
) -> VirtualStrap:
    whole = _whole(number, body)
    services = (
        HeartRate(whole.heart, unit=unit, supports_energy=True),
        Battery(),
        DeviceInformation("allostat", f"virtual {name}", f"{number:08d}", "1.0"),
    )
    return _strap(
        model, number, f"{name} {number:04d}", (_HEART_RATE,), services, whole,
        largest_mtu_bytes=65, advertising_interval_s=advertising_interval_s, keep_truth=keep_truth,
    )  # fmt: skip


def movesense_sensor(
    number: int = 1, body: Body = Body(), *, advertising_interval_s: float = 1.0, keep_truth: bool = True
) -> VirtualStrap:
    """A Movesense sensor: heart rate with RR, and ECG by subscription. Parameters as `polar_h10`."""
    whole = _whole(number, body)
    counts = ScaledSignal(whole.ecg, 1 / _MOVESENSE_UV_PER_COUNT)
    serial = f"{number:012d}"
    services = (
        HeartRate(whole.heart, supports_contact=False),
        SensorData(whole.heart, counts, rate_ratio=whole.rate_ratio),
        Battery(),
        DeviceInformation("Movesense", "MD", serial, "2.3.1"),
    )
    return _strap(
        0x30, number, f"Movesense {serial}", (_HEART_RATE, SENSOR_DATA), services, whole,
        largest_mtu_bytes=161, advertising_interval_s=advertising_interval_s, keep_truth=keep_truth,
    )  # fmt: skip


MODELS: Mapping[str, Callable[..., VirtualStrap]] = MappingProxyType(
    {
        "h10": polar_h10,
        "verity": verity_sense,
        "hrs": heart_rate_strap,
        "hrs-ms": millisecond_strap,
        "movesense": movesense_sensor,
    }
)
"""Models by the name that `allostat simulate --strap` takes."""
