"""Uncertainty of an index from the standard errors of its components (independent unless said otherwise)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from allostat.biomarkers import biomarker_kinds
from allostat.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
Correlations: TypeAlias = "Mapping[tuple[str, str], float] | pd.DataFrame"

Z_95 = 1.959963984540054


def poisson_binomial(p: Floats) -> Floats:
    """Distribution of the number of successes of independent trials.

    Parameters
    ----------
    p
        (n,) probabilities without NaN.

    Returns
    -------
    (n + 1,) probabilities of 0, 1, ... n successes, by the exact recursion over trials.
    """
    pmf = np.zeros(len(p) + 1)
    pmf[0] = 1.0
    for i, one in enumerate(p):
        pmf[1 : i + 2] = pmf[1 : i + 2] * (1.0 - one) + pmf[: i + 1] * one
        pmf[0] *= 1.0 - one
    return pmf


def count_interval(p: Floats, level: float = 0.95) -> tuple[float, float]:
    """Equal-tailed interval of a count: smallest counts whose cumulative probability reaches both tails.

    ``p`` as in `poisson_binomial`.
    """
    low, high = count_intervals(p[None, :], np.ones((1, len(p)), dtype=np.bool_), level)
    return float(low[0]), float(high[0])


def count_intervals(p: Floats, counted: NDArray[np.bool_], level: float = 0.95) -> tuple[Floats, Floats]:
    """`count_interval` of many rows at once.

    Parameters
    ----------
    p
        (rows, components) probabilities; only those of ``counted`` are used.
    """
    rows, n = p.shape
    pmf = np.zeros((n + 1, rows))
    pmf[0] = 1.0
    for j in range(n):
        one = np.where(counted[:, j], p[:, j], 0.0)
        other = 1.0 - one
        for k in range(j + 1, 0, -1):
            pmf[k] = pmf[k] * other + pmf[k - 1] * one
        pmf[0] *= other
    cumulative = np.cumsum(pmf, axis=0)
    tail = (1.0 - level) / 2.0
    # Rounding in the sum must not push the upper end past the last possible count.
    last = counted.sum(axis=1)
    low = (cumulative < tail + 1e-12).sum(axis=0)
    high = (cumulative < 1.0 - tail - 1e-12).sum(axis=0)
    return np.minimum(low, last).astype(np.float64), np.minimum(high, last).astype(np.float64)


def standard_error(gradient: Floats, errors: Floats, covariance: Floats | None = None) -> Floats:
    """Delta-method standard error, rows at once: sqrt(sum g^2 se^2); components without error (NaN) add nothing.

    ``gradient`` and ``errors`` are (rows, components); errors of components are independent, or their covariances add
    ``covariance`` (rows,) to the variance of the index. NaN where no component has a standard error.
    """
    known = ~np.isnan(errors) & (gradient != 0)
    variance = np.zeros(len(gradient))
    # One component after the other, so that a person alone and inside a cohort get the same bits.
    for j in range(gradient.shape[1]):
        variance += np.where(known[:, j], (gradient[:, j] * np.where(known[:, j], errors[:, j], 0.0)) ** 2, 0.0)
    if covariance is not None:
        variance = np.maximum(variance + covariance, 0.0)
    result: Floats = np.where(known.any(axis=1), np.sqrt(variance), np.nan)
    return result


@dataclass(frozen=True)
class ErrorCorrelation:
    """Correlation of measurement errors between biomarkers, on the scale of their transforms.

    Systolic and diastolic pressure of one reading err together; two biomarkers that are not named are independent.

    Parameters
    ----------
    biomarkers
        Names of rows and columns.
    matrix
        (biomarkers, biomarkers), positive semidefinite with ones on the diagonal.
    """

    biomarkers: tuple[str, ...]
    matrix: Floats

    @classmethod
    def of(cls, given: Correlations) -> Self:
        """From pairs (``{("sbp", "dbp"): 0.6}``) or from a data frame named by biomarkers on both sides.

        Raises
        ------
        ConfigError
            An unknown biomarker, a pair given twice with different values, a matrix that is no correlation matrix.
        """
        pairs = dict(given) if isinstance(given, Mapping) else _pairs(given)
        names = tuple(sorted({b for pair in pairs for b in pair}))
        for name in names:
            if name not in biomarker_kinds():
                raise ConfigError("unknown biomarker in the error correlation", found=name, valid=biomarker_kinds())
        matrix = np.eye(len(names))
        for (a, b), rho in pairs.items():
            where = f"error correlation of {a} and {b}"
            if a == b:
                raise ConfigError("a biomarker is paired with itself", where=where)
            if not -1.0 <= rho <= 1.0:
                raise ConfigError("a correlation lies between -1 and 1", where=where, found=rho)
            if pairs.get((b, a), rho) != rho:
                raise ConfigError("a pair has two correlations", where=where, found=f"{rho:g}, {pairs[b, a]:g}")
            i, j = names.index(a), names.index(b)
            matrix[i, j] = matrix[j, i] = rho
        lowest = float(np.linalg.eigvalsh(matrix).min()) if names else 0.0
        if lowest < -1e-12:
            raise ConfigError(
                "errors cannot be correlated like this: no covariance matrix has these correlations",
                found=f"lowest eigenvalue {lowest:.3g}", expected="a positive semidefinite matrix",
            )  # fmt: skip
        return cls(names, matrix)

    def text(self) -> str:
        """The pairs that are not zero."""
        n = len(self.biomarkers)
        return ", ".join(
            f"{self.biomarkers[i]}-{self.biomarkers[j]} {self.matrix[i, j]:g}"
            for i in range(n)
            for j in range(i + 1, n)
            if self.matrix[i, j]
        )

    def among(self, biomarkers: Sequence[str]) -> Floats:
        """(n, n) correlations of the errors of these biomarkers in their order."""
        result = np.eye(len(biomarkers))
        there = [(k, self.biomarkers.index(b)) for k, b in enumerate(biomarkers) if b in self.biomarkers]
        for k, i in there:
            for m, j in there:
                result[k, m] = self.matrix[i, j]
        return result

    def factor(self, biomarkers: Sequence[str]) -> Floats:
        """(n, n) matrix A with A A' = `among`, so that A times independent errors is correlated like this."""
        values, vectors = np.linalg.eigh(self.among(biomarkers))
        root: Floats = vectors * np.sqrt(np.maximum(values, 0.0))
        return root


def _pairs(frame: pd.DataFrame) -> dict[tuple[str, str], float]:
    """The pairs of a square data frame."""
    names, columns = [str(i) for i in frame.index], [str(c) for c in frame.columns]
    if sorted(names) != sorted(columns):
        raise ConfigError(
            "an error correlation matrix has the same biomarkers on both sides", found=", ".join(columns),
            expected=", ".join(names),
        )  # fmt: skip
    matrix = np.asarray(frame, dtype=np.float64)
    pairs = {}
    for i, a in enumerate(names):
        for j, b in enumerate(columns):
            if a == b and matrix[i, j] != 1.0:
                raise ConfigError("the diagonal of a correlation matrix is 1", where=a, found=matrix[i, j])
            if a != b:
                pairs[a, b] = float(matrix[i, j])
    return pairs


def error_covariance(
    gradient: Floats, errors: Floats, used: NDArray[np.int8], signs: Floats, correlation: Floats
) -> Floats:
    """What correlated errors add to the variance of an index.

    Parameters
    ----------
    gradient, errors
        (rows, components) as `standard_error`.
    used
        (rows, components) number of the biomarker that stands for each component, -1 none.
    signs
        (components,) 1 where high is risk, -1 where low is: errors are turned with the risk.
    correlation
        (biomarkers, biomarkers) by those numbers.

    Returns
    -------
    (rows,) sum over pairs of ``2 g_i g_j s_i s_j rho se_i se_j``.
    """
    pull = np.where(np.isnan(errors), 0.0, gradient * np.nan_to_num(errors)) * signs
    total = np.zeros(len(gradient))
    for i in range(gradient.shape[1]):
        for j in range(i + 1, gradient.shape[1]):
            both = (used[:, i] >= 0) & (used[:, j] >= 0)
            rho = np.where(both, correlation[used[:, i], used[:, j]], 0.0)
            if rho.any():
                total += 2.0 * rho * pull[:, i] * pull[:, j]
    return total
