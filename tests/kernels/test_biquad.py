"""Filter sections in closed form: those of a filter-design library."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import signal

from allostat.kernels import biquad


@pytest.mark.parametrize("rate", [25.0, 62.5, 120.0, 125.0, 187.5, 1000.0])
@pytest.mark.parametrize("corner", [0.5, 6.0, 11.0])
def test_butterworth_sections_are_those_of_scipy(rate: float, corner: float) -> None:
    for kind, section in (("low", biquad.lowpass(rate, corner)), ("high", biquad.highpass(rate, corner))):
        b, a = signal.butter(2, corner, kind, fs=rate)
        assert np.allclose(section, [*b, *a[1:]], rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("rate", [62.5, 125.0, 1000.0])
def test_a_critically_damped_section_is_a_first_order_one_twice(rate: float) -> None:
    b, a = signal.butter(1, 8.0, fs=rate)
    section = biquad.lowpass(rate, 8.0, biquad.CRITICAL)
    assert np.allclose(section, [*np.convolve(b, b), *np.convolve(a, a)[1:]], rtol=1e-10)


def test_gains_at_the_ends_and_at_the_corner() -> None:
    low, high = biquad.lowpass(100.0, 10.0), biquad.highpass(100.0, 10.0)
    for section, gains in ((low, (1.0, np.sqrt(0.5), 0.0)), (high, (0.0, np.sqrt(0.5), 1.0))):
        _, response = signal.freqz(section[:3], [1.0, *section[3:]], worN=[0.0, 10.0, 50.0], fs=100.0)
        assert np.allclose(np.abs(response), gains, atol=1e-12)


def test_a_corner_beyond_the_rate_is_moved_below_half_of_it() -> None:
    assert np.array_equal(biquad.lowpass(20.0, 18.0), biquad.lowpass(20.0, 9.0))
