"""Straps ready to use, each with a person of its own."""

from __future__ import annotations

from allostat_devices.virtual.device_clock import DeviceClock
from allostat_devices.virtual.gatt import uuid16
from allostat_devices.virtual.heart import EcgSignal, Heart, MovementSignal, Signal, resting_heart
from allostat_devices.virtual.heart_rate import Battery, DeviceInformation, HeartRate
from allostat_devices.virtual.pmd_frames import PlainLayout
from allostat_devices.virtual.polar_measurement import ACC, ECG, PolarMeasurement
from allostat_devices.virtual.polar_streams import RANGE, RATE, RESOLUTION, SampledMeasurement
from allostat_devices.virtual.strap import Advertisement, VirtualStrap

_HEART_RATE = uuid16(0x180D)
_POLAR_ADVERTISED = uuid16(0xFEEE)


def address_of(number: int, first_byte: int) -> str:
    """An address that no maker owns: locally administered, by number."""
    return ":".join(f"{byte:02X}" for byte in (0xC0, first_byte, 0, *number.to_bytes(3, "big")))


def polar_h10(
    number: int = 1,
    *,
    seed: int | None = None,
    heart: Heart | None = None,
    ecg: Signal | None = None,
    rate_ratio: float = 1.0,
    drift_ppm: float = 0.0,
    advertising_interval_s: float = 1.0,
    keep_truth: bool = True,
) -> VirtualStrap:
    """A Polar H10: heart rate with RR, ECG at 130 Hz, acceleration.

    Parameters
    ----------
    number
        Names the strap: address, serial number and, when ``seed`` is None, the seed.
    seed
        Of the person and of all that is random.
    heart
        Beats; drawn from the seed when None.
    ecg
        ECG in microvolt; that of ``heart`` when None.
    rate_ratio
        True samples per second of the strap's clock over 130 (and over the rates of the acceleration).
    drift_ppm
        How much faster than true time the strap's clock runs.
    advertising_interval_s, keep_truth
        As in `VirtualStrap`.
    """
    seed = number if seed is None else seed
    heart = resting_heart(seed) if heart is None else heart
    measurements = {
        ECG: SampledMeasurement(
            EcgSignal(heart, seed) if ecg is None else ecg,
            PlainLayout(0, 3, 73),
            {RATE: (130,), RESOLUTION: (14,)},
            rate_ratio,
        ),
        ACC: SampledMeasurement(
            MovementSignal(heart, seed),
            PlainLayout(1, 2, 36),
            {RATE: (25, 50, 100, 200), RESOLUTION: (16,), RANGE: (2, 4, 8)},
            rate_ratio,
            factor=1.0,
        ),
    }
    serial = f"{0xA0000000 + number:08X}"
    return VirtualStrap(
        address_of(number, 0x10),
        Advertisement(f"Polar H10 {serial}", (_HEART_RATE, _POLAR_ADVERTISED), {0x006B: bytes([0x32, 0x01, 62, 62])}),
        (
            HeartRate(heart),
            PolarMeasurement(measurements),
            Battery(),
            DeviceInformation("Polar Electro Oy", "H10", serial, "3.1.1"),
        ),
        advertising_interval_s=advertising_interval_s,
        seed=seed,
        clock=DeviceClock(drift_ppm),
        keep_truth=keep_truth,
    )


def heart_rate_strap(
    number: int = 1,
    *,
    seed: int | None = None,
    heart: Heart | None = None,
    unit: str = "1/1024 s",
    drift_ppm: float = 0.0,
    advertising_interval_s: float = 1.0,
    keep_truth: bool = True,
) -> VirtualStrap:
    """A strap that has the heart rate service alone; parameters as `polar_h10`.

    Parameters
    ----------
    unit
        ``"1/1024 s"`` as the standard demands, or ``"ms"``.
    """
    seed = number if seed is None else seed
    heart = resting_heart(seed) if heart is None else heart
    service = HeartRate(heart, unit="ms" if unit == "ms" else "1/1024 s", supports_energy=True)
    return VirtualStrap(
        address_of(number, 0x20),
        Advertisement(f"HRM {number:04d}", (_HEART_RATE,)),
        (service, Battery(), DeviceInformation("allostat", "virtual strap", f"{number:08d}", "1.0")),
        largest_mtu_bytes=65,
        advertising_interval_s=advertising_interval_s,
        seed=seed,
        clock=DeviceClock(drift_ppm),
        keep_truth=keep_truth,
    )
