"""Rubin's rules: one answer with its uncertainty from the analyses of several imputed data sets.

Rubin 1987 (10.1002/9780470316696); degrees of freedom for small samples Barnard & Rubin 1999 (10.1093/biomet/86.4.948).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from allostat.errors import ConfigError, InputError

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Pooled:
    """Pooled estimates; all arrays have the shape of one data set's estimates.

    Parameters
    ----------
    estimate
        Mean of the estimates.
    within, between, total
        Mean variance inside data sets, variance of the estimates between them (divisor m - 1), and
        ``total = within + (1 + 1 / m) between``.
    df
        Degrees of freedom; infinite where the data sets agree.
    low, high
        Interval by Student's t.
    missing_information
        Share of the information about the estimate that is missing, 0 to 1; 0 where the data sets agree.
    m
        Data sets.
    """

    estimate: Floats
    within: Floats
    between: Floats
    total: Floats
    df: Floats
    low: Floats
    high: Floats
    missing_information: Floats
    m: int

    @property
    def se(self) -> Floats:
        """Standard error."""
        error: Floats = np.sqrt(self.total)
        return error


def pool(
    estimates: ArrayLike, variances: ArrayLike, *, level: float = 0.95, complete_df: float | None = None
) -> Pooled:
    """Pool the analyses of m imputed data sets.

    Parameters
    ----------
    estimates
        (m, ...) estimates: a person's index, a group mean, regression coefficients.
    variances
        (m, ...) their squared standard errors; 0 where nothing but the imputation is uncertain.
    level
        Coverage of the interval.
    complete_df
        Degrees of freedom of the analysis had nothing been missing; with it the degrees of freedom are those of Barnard
        and Rubin, else ``(m - 1)(1 + within / ((1 + 1 / m) between))^2``.

    Returns
    -------
    Pooled
        NaN where an estimate or variance is NaN in any data set.

    Raises
    ------
    InputError
        Fewer than two data sets, shapes that differ, a negative variance.
    """
    q, u = np.asarray(estimates, dtype=np.float64), np.asarray(variances, dtype=np.float64)
    if q.ndim == 0 or q.shape != u.shape:
        raise InputError("estimates and variances of other shape", found=u.shape, expected=str(q.shape))
    if len(q) < 2:
        raise InputError("pooling needs two data sets or more", found=len(q))
    if (u < 0).any():
        raise InputError("a variance is below zero", found=float(np.nanmin(u)))
    if not 0 < level < 1:
        raise ConfigError("a level lies between 0 and 1", found=level)
    from scipy.special import stdtrit

    m = len(q)
    # The mean of equal numbers may differ from them in the last bit: where data sets agree they are taken as they are.
    agree = np.asarray((q == q[0]).all(axis=0))
    estimate = np.where(agree, q[0], q.mean(axis=0))
    within = np.where((u == u[0]).all(axis=0), u[0], u.mean(axis=0))
    between = np.where(agree, 0.0, q.var(axis=0, ddof=1))
    extra = (1.0 + 1.0 / m) * between
    total = within + extra
    agree = agree | (extra <= 1e-30 * within)
    safe = np.where(agree, 1.0, extra)
    df = np.where(agree, np.inf, (m - 1) * (1.0 + within / safe) ** 2)
    if complete_df is not None:
        share = extra / np.where(total > 0, total, 1.0)
        observed = (complete_df + 1.0) / (complete_df + 3.0) * complete_df * (1.0 - share)
        df = np.where(observed > 0, 1.0 / (1.0 / df + 1.0 / np.where(observed > 0, observed, 1.0)), df)
    # (r + 2 / (df + 3)) / (r + 1) with r = extra / within, multiplied out so that within may be 0.
    information = np.where(
        agree, 0.0, (extra + within * 2.0 / (np.where(np.isinf(df), 0.0, df) + 3.0)) / np.where(agree, 1.0, total)
    )
    unknown = np.isnan(total)
    half = stdtrit(np.where(np.isinf(df) | unknown, 1e9, df), (1.0 + level) / 2.0) * np.sqrt(total)
    return Pooled(
        estimate,
        within,
        between,
        total,
        np.where(unknown, np.nan, df),
        estimate - half,
        estimate + half,
        np.where(unknown, np.nan, information),
        m,
    )
