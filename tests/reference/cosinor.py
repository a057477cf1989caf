"""Cosinor and regression line by normal equations and a textbook covariance; the amplitude's error by a derivative."""

from __future__ import annotations

import numpy as np


def _fit(design, y):
    inverse = np.linalg.inv(design.T @ design)
    coefficients = inverse @ design.T @ y
    rest = y - design @ coefficients
    variance = rest @ rest / (len(y) - design.shape[1])
    return coefficients, variance * inverse, variance, rest @ rest


def cosinor(t, y, period=24.0):
    w = 2 * np.pi / period
    design = np.column_stack([np.ones(len(t)), np.cos(w * t), np.sin(w * t)])
    (mesor, beta, gamma), covariance, variance, rss = _fit(design, y)
    rss0 = np.sum((y - y.mean()) ** 2)

    def error_of(function):
        step = 1e-6
        gradient = np.array(
            [
                (function(beta + step, gamma) - function(beta - step, gamma)) / (2 * step),
                (function(beta, gamma + step) - function(beta, gamma - step)) / (2 * step),
            ]
        )
        return np.sqrt(gradient @ covariance[1:, 1:] @ gradient)

    return {
        "mesor": mesor,
        "amplitude": np.sqrt(beta**2 + gamma**2),
        "acrophase_h": np.arctan2(gamma, beta) / w % period,
        "mesor_se": np.sqrt(covariance[0, 0]),
        "amplitude_se": error_of(np.hypot),
        "acrophase_se_h": error_of(lambda b, g: np.arctan2(g, b) / w),
        "percent_rhythm": 100 * (1 - rss / rss0),
        "f": ((rss0 - rss) / 2) / (rss / (len(y) - 3)),
        "residual_sd": np.sqrt(variance),
    }


def line(x, y):
    (intercept, slope), covariance, variance, rss = _fit(np.column_stack([np.ones(len(x)), x]), y)
    return {
        "slope": slope,
        "intercept": intercept,
        "slope_se": np.sqrt(covariance[1, 1]),
        "intercept_se": np.sqrt(covariance[0, 0]),
        "residual_sd": np.sqrt(variance),
        "r_squared": 1 - rss / np.sum((y - y.mean()) ** 2),
    }
