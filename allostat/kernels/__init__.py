"""Numerical kernels: NumPy arrays in, NumPy arrays out. Compiled by numba once into the user's cache."""

from __future__ import annotations

from allostat.kernels.peaks import PeakBatch
from allostat.kernels.r_peak import RPeakDetector, r_peaks
from allostat.kernels.systolic_peak import SystolicPeakDetector, systolic_peaks

__all__ = ["PeakBatch", "RPeakDetector", "SystolicPeakDetector", "r_peaks", "systolic_peaks"]
