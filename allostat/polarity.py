"""Which way the pulses of a photoplethysmogram point."""

from __future__ import annotations

from allostat.kernels.systolic_peak import pulse_asymmetry
from allostat.recording import Signal

POLARITY_S = 30.0
"""Length of the stretches that tell the polarity of pulses,"""
POLARITY_STRETCHES = 48
"""and how many of them, at most, spread evenly over the signal: their number does not grow with its length."""


def signal_polarity(signal: Signal) -> int:
    """1 when the pulses of a photoplethysmogram point up, -1 when they point down: one answer for the whole signal.

    A sensor keeps its sign for as long as it records, so all of its signal decides together, and a stretch of noise
    cannot turn what was found around it upside down. Each of up to `POLARITY_STRETCHES` stretches of `POLARITY_S`
    counts by the square of its asymmetry (`allostat.kernels.systolic_peak.pulse_asymmetry`), which is near 0 in noise:
    a few stretches of pulses outweigh hours in which nobody wore the sensor.

    Parameters
    ----------
    signal
        Stream of kind ``ppg``.
    """
    stretches = [
        (at, min(at + round(POLARITY_S * block.rate_hz), stop), block.rate_hz)
        for start, stop, block in signal.clock.spans()
        for at in range(start, stop, max(1, round(POLARITY_S * block.rate_hz)))
    ]
    n = min(len(stretches), POLARITY_STRETCHES)
    total = 0.0
    for k in range(n):
        first, last, rate_hz = stretches[(2 * k + 1) * len(stretches) // (2 * n)]
        asymmetry = pulse_asymmetry(signal.physical(first, last), rate_hz)
        total += (last - first) / rate_hz * asymmetry * abs(asymmetry)
    return -1 if total < 0.0 else 1
