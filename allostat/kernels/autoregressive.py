"""Autoregressive spectrum of an even interval series.

The model predicts each sample from the ``order`` samples before it and, by the same coefficients, from those after it;
the coefficients are those of the least squares of both errors (forward-backward least squares, "modified covariance":
Marple 1987, Digital Spectral Analysis with Applications; for HRV: Tarvainen et al. 2014, 10.1016/j.cmpb.2013.07.024).
Burg's method constrains the same least squares step by step and is a few per cent away on resampled intervals.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from allostat.kernels.compiled import inner_kernel, kernel
from allostat.kernels.even_series import Stretches

Floats = NDArray[np.float64]


class Model(NamedTuple):
    """``sum_k coefficients[k] x[n - k] = e[n]``, ``coefficients[0]`` being 1, with the variance of e."""

    coefficients: Floats
    variance: float


class Models(NamedTuple):
    """The `Model` of each window: (w, order + 1) and (w,); NaN where there are too few samples."""

    coefficients: Floats
    variance: Floats


def autoregressive(series: NDArray[Any], order: int = 16) -> Model:
    """Autoregressive model of an even series, whose mean is taken out.

    Parameters
    ----------
    series
        (n,) finite samples.
    order
        Number of coefficients, 1 or more.

    Returns
    -------
    model
        NaN when there are fewer than ``2 order + 2`` samples or they do not determine a model.

    Raises
    ------
    ValueError
        When the order is not positive.
    """
    values = np.ascontiguousarray(series, dtype=np.float64)
    stretches = Stretches(values, np.array([0, len(values)]))
    found = windowed(stretches, np.zeros(1, np.int64), 1, order)
    return Model(found.coefficients[0], float(found.variance[0]))


def windowed(stretches: Stretches, window: NDArray[np.int64], count: int, order: int = 16) -> Models:
    """Model of each of ``count`` windows; ``window`` (ascending) says which one each stretch belongs to.

    The errors of all stretches of a window are minimised together; no prediction reaches across a gap.
    """
    if order < 1:
        raise ValueError(f"an autoregressive model needs a positive order, not {order}")
    coefficients, variance = np.full((count, order + 1), np.nan), np.full(count, np.nan)
    _fit(stretches.values, stretches.edges, np.ascontiguousarray(window, dtype=np.int64), coefficients, variance)
    return Models(coefficients, variance)


def densities(models: Models, rate_hz: float, n_fft: int) -> Floats:
    """One-sided power densities of models on the frequencies 0, rate / n_fft, ...: float64 (w, n_fft // 2 + 1)."""
    response = np.fft.rfft(models.coefficients, n_fft, axis=1)
    density: Floats = models.variance[:, None] / rate_hz / (response.real**2 + response.imag**2)
    density[:, 1 : None if n_fft % 2 else -1] *= 2.0
    return density


@kernel
def _fit(
    values: Floats, edges: NDArray[np.int64], window: NDArray[np.int64], coefficients: Floats, variance: Floats
) -> None:
    order = coefficients.shape[1] - 1
    k = 0
    for w in range(len(coefficients)):
        last = k
        while last < len(window) and window[last] == w:
            last += 1
        samples, mean = 0, 0.0
        for s in range(k, last):
            if edges[s + 1] - edges[s] > order:
                samples += edges[s + 1] - edges[s]
                for i in range(edges[s], edges[s + 1]):
                    mean += values[i]
        if samples >= 2 * order + 2:
            mean /= samples
            products = np.zeros((order + 1, order + 1))
            errors = 0
            for s in range(k, last):
                n = edges[s + 1] - edges[s]
                if n > order:
                    _add_products(values[edges[s] : edges[s + 1]] - mean, products)
                    errors += 2 * (n - order)
            variance[w] = _solve(products, coefficients[w]) / errors
        k = last


@inner_kernel
def _add_products(x: Floats, products: Floats) -> None:
    """Sums of the products of samples j and k before (and after) each sample that has ``order`` of them."""
    order, n = len(products) - 1, len(x)
    row = np.empty(order + 1)
    for k in range(order + 1):
        total = 0.0
        for i in range(order, n):
            total += x[i] * x[i - k]
        row[k] = total
    for shift in range(order + 1):
        # The sum at (j + 1, k + 1) is that at (j, k) with one product more and one less.
        total = row[shift]
        for j in range(order + 1 - shift):
            k = j + shift
            products[j, k] += total
            products[order - k, order - j] += total
            if k < order:
                total += x[order - 1 - j] * x[order - 1 - k] - x[n - 1 - j] * x[n - 1 - k]


@inner_kernel
def _solve(products: Floats, coefficients: Floats) -> float:
    """Coefficients from the upper triangle of the sums of products (Cholesky), and the sum of squared errors."""
    order = len(products) - 1
    lower = np.zeros((order, order))
    rhs = np.empty(order)
    for j in range(order):
        for k in range(j + 1):
            total = products[k + 1, j + 1]
            for i in range(k):
                total -= lower[j, i] * lower[k, i]
            if j == k:
                if not total > 1e-14 * products[j + 1, j + 1]:
                    return math.nan
                lower[j, j] = math.sqrt(total)
            else:
                lower[j, k] = total / lower[k, k]
        total = -products[0, j + 1]
        for i in range(j):
            total -= lower[j, i] * rhs[i]
        rhs[j] = total / lower[j, j]
    for j in range(order - 1, -1, -1):
        for i in range(j + 1, order):
            rhs[j] -= lower[i, j] * rhs[i]
        rhs[j] /= lower[j, j]
    coefficients[0] = 1.0
    squares = products[0, 0]
    for j in range(order):
        coefficients[j + 1] = rhs[j]
        squares += rhs[j] * products[0, j + 1]
    return float(max(squares, 0.0))
