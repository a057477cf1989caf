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


def multi_cosinor(t, y, periods):
    columns = [np.ones(len(t))]
    for period in periods:
        columns += [np.cos(2 * np.pi * t / period), np.sin(2 * np.pi * t / period)]
    design = np.column_stack(columns)
    found, covariance, variance, rss = _fit(design, y)
    rss0 = np.sum((y - y.mean()) ** 2)
    components = []
    for k, period in enumerate(periods):
        beta, gamma = found[1 + 2 * k], found[2 + 2 * k]
        others = np.delete(design, [1 + 2 * k, 2 + 2 * k], axis=1)
        without = _fit(others, y)[3]
        amplitude = np.hypot(beta, gamma)
        block = covariance[1 + 2 * k : 3 + 2 * k, 1 + 2 * k : 3 + 2 * k]
        cosine, sine = beta / amplitude, gamma / amplitude
        spread = cosine**2 * block[0, 0] + sine**2 * block[1, 1] + 2 * cosine * sine * block[0, 1]
        turn = sine**2 * block[0, 0] + cosine**2 * block[1, 1] - 2 * cosine * sine * block[0, 1]
        components.append(
            {
                "period_h": period,
                "amplitude": amplitude,
                "acrophase_h": np.arctan2(gamma, beta) * period / (2 * np.pi) % period,
                "amplitude_se": np.sqrt(spread),
                "acrophase_se_h": np.sqrt(turn) / amplitude * period / (2 * np.pi),
                "f": ((without - rss) / 2) / variance,
            }
        )
    return {
        "mesor": found[0],
        "mesor_se": np.sqrt(covariance[0, 0]),
        "percent_rhythm": 100 * (1 - rss / rss0),
        "f": ((rss0 - rss) / (2 * len(periods))) / variance,
        "residual_sd": np.sqrt(variance),
        "components": components,
    }
