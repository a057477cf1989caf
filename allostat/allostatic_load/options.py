"""What a definition may set: the algorithms by id and the settings of each, with defaults and valid values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from allostat.errors import ConfigError

Algorithm = Literal[
    "count", "zsum", "zmean", "zpos", "tail_weighted", "system", "pscore_sum", "mahalanobis_thr", "dm", "pca", "cfa",
    "irt", "logit_weighted",
]  # fmt: skip
Strata = Literal["pooled", "sex", "sex_age"]
Comparison = Literal["inclusive", "strict"]
Value: TypeAlias = str | float | bool

COMMON_OPTIONS = ("strata", "operator", "quantile")
"""Settings that every definition has; the others are those of its algorithm."""


@dataclass(frozen=True, slots=True)
class Option:
    """A setting of an algorithm.

    ``valid`` holds the allowed texts; without it a number between ``low`` and ``high`` is wanted, a whole one when
    ``whole``; a true-or-false default wants true or false, a text default without ``valid`` any text.
    """

    default: Value
    meaning: str
    valid: tuple[str, ...] = ()
    low: float = 0.0
    high: float = float("inf")
    whole: bool = False


_ONE_SIDED = Option(False, "distances on the healthy side of the threshold count as 0")

OPTIONS: Mapping[Algorithm, Mapping[str, Option]] = {
    "count": {},
    "zsum": {},
    "zmean": {},
    "zpos": {},
    "tail_weighted": {"power": Option(2.0, "exponent of the normal probability of z", low=1e-9)},
    "system": {
        "score": Option("z", "what is averaged inside a system", ("z", "flag")),
        "total": Option("mean", "how the systems are joined", ("mean", "sum")),
    },
    "pscore_sum": {
        "distance": Option("square", "form of the distance from the threshold", ("square", "abs", "plain")),
        "total": Option("sum", "how distances are joined", ("sum", "mean")),
        "one_sided": _ONE_SIDED,
        "by_system": Option(False, "mean inside each system before systems are joined"),
    },
    "mahalanobis_thr": {
        "one_sided": _ONE_SIDED,
        "components": Option(0, "principal components of the correlation matrix used; 0: all", whole=True),
    },
    "dm": {
        "scale": Option("d", "the distance, its logarithm, or in units of its standard deviation", ("d", "ln", "sd")),
        "shrink": Option("auto", "Ledoit-Wolf shrinkage of the covariance", ("auto", "never", "always")),
        "incomplete": Option("refuse", "a missing marker: no index, or rescaled over the rest", ("refuse", "rescale")),
    },
    "pca": {"components": Option(1, "principal components added up", low=1, whole=True)},
    "cfa": {
        "structure": Option("one_factor", "factor model", ("one_factor", "second_order", "bifactor")),
        "scale": Option("factor", "unit of the score: the factor's, or the first marker's", ("factor", "first_marker")),
    },
    "irt": {},
    "logit_weighted": {
        "outcome": Option("", "name of the outcome that the weights were fitted for; empty: any"),
        "score": Option("z", "what is weighted", ("z", "flag")),
    },
}


def option_value(algorithm: Algorithm, name: str, value: object, where: str) -> Value:
    """A setting, checked; `ConfigError` with what is valid."""
    option = OPTIONS[algorithm][name]
    if isinstance(option.default, bool):
        if isinstance(value, bool):
            return value
        raise ConfigError(f"{name} is true or false", where=where, found=value, expected="true or false")
    if isinstance(option.default, str):
        if isinstance(value, str) and (not option.valid or value in option.valid):
            return value
        raise ConfigError(f"invalid {name}", where=where, found=value, valid=option.valid)
    if isinstance(value, int | float) and not isinstance(value, bool) and option.low <= value <= option.high:
        if not option.whole:
            return float(value)
        if value == int(value):
            return int(value)
    kind = "whole number" if option.whole else "number"
    raise ConfigError(f"{name} is a {kind}", where=where, found=value, expected=f"{option.low:g} to {option.high:g}")
