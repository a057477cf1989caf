"""statsmodels' MixedLM continues from a maximum of the likelihood and says whether it is one."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from allostat.labs.cortisol_mixed_model import Variances

if TYPE_CHECKING:
    from statsmodels.regression.mixed_linear_model import VCSpec

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

AGREES_AT = 1e-3
"""Difference in log likelihood from which on two maxima are not the same."""


class Confirmation(NamedTuple):
    """What MixedLM found when it started at a maximum.

    Parameters
    ----------
    agrees
        It converged at the same log likelihood.
    log_likelihood, variances
        Its own; NaN when it could not compute.
    said
        Its warnings, or the error that stopped it.
    """

    agrees: bool
    log_likelihood: float
    variances: Variances
    said: str


def confirm(
    x: Floats, y: Floats, person: Ints, day: Ints, start: Variances, log_likelihood: float, *,
    restricted: bool, with_day: bool,
) -> Confirmation:  # fmt: skip
    """Fit the same model with `statsmodels` from given variances on.

    Parameters
    ----------
    x, y, person, day
        As for `allostat.labs.cortisol_mixed_model.cross_products`.
    start, log_likelihood
        The maximum to be confirmed.
    """
    from statsmodels.regression.mixed_linear_model import MixedLM, MixedLMParams

    scale = start.residual
    covariance = np.array([[start.intercept, start.covariance], [start.covariance, start.slope]]) / scale
    spec = _days(person, day) if with_day else None
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            model = MixedLM(y, x, groups=person, exog_re=x[:, :2], exog_vc=spec)
            parameters = MixedLMParams.from_components(
                fe_params=np.zeros(x.shape[1]),
                cov_re=covariance,
                vcomp=np.array([start.day / scale]) if with_day else np.empty(0),
            )
            found = model.fit(start_params=parameters, reml=restricted, method=["lbfgs"])
        except (np.linalg.LinAlgError, ValueError, FloatingPointError) as error:
            nothing = Variances(*[math.nan] * 5)
            return Confirmation(False, math.nan, nothing, f"{type(error).__name__}: {error}")
    value = float(found.llf)
    cov = np.asarray(found.cov_re, dtype=np.float64)
    variances = Variances(
        float(cov[0, 0]), float(cov[0, 1]), float(cov[1, 1]), float(found.vcomp[0]) if with_day else 0.0,
        float(found.scale),
    )  # fmt: skip
    said = "; ".join(dict.fromkeys(str(w.message) for w in caught))
    return Confirmation(bool(found.converged) and abs(value - log_likelihood) < AGREES_AT, value, variances, said)


def _days(person: Ints, day: Ints) -> VCSpec:
    """Day intercepts as a variance component: an indicator matrix of days for each person."""
    from statsmodels.regression.mixed_linear_model import VCSpec

    starts = np.flatnonzero(np.diff(person, prepend=-1))
    matrices, names = [], []
    for rows in np.split(day, starts[1:]):
        days = np.unique(rows)
        matrices.append((rows[:, None] == days).astype(np.float64))
        names.append([f"day {i}" for i in range(len(days))])
    return VCSpec(["day"], [names], [matrices])
