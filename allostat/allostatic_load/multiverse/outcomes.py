"""The outcome and the covariates of a multiverse, from columns of a table of persons."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from allostat.allostatic_load.multiverse.curve import PERSONS_PER_TERM, Model, Outcome
from allostat.errors import InputError
from allostat.panel import Panel

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]

FROM_PANEL = ("age", "sex")
"""Covariates that the biomarker table itself holds."""


def outcome_of(
    panel: Panel,
    persons: pd.DataFrame | None,
    name: str,
    covariates: Sequence[str],
    model: Literal["auto", "linear", "logistic"],
) -> Outcome:
    """The outcome and the covariates of every participant of a panel.

    Parameters
    ----------
    persons
        One row per participant (column ``participant`` or ``participant_id``, or the index) with the columns that are
        named. ``age`` and ``sex`` come from the panel where ``persons`` has no such column.
    name
        A column of numbers; true and false, or two texts, count as 1 and 0 (the later text in the alphabet is 1).
    covariates
        Columns of numbers, or of texts: a text covariate becomes one term for each but its first value.
    model
        ``auto``: logistic when the outcome has two values.

    Raises
    ------
    InputError
        No such column (with the nearest one), a participant twice, text where numbers are wanted, an outcome without
        variance, or known for too few.
    """
    if persons is None:
        raise InputError("an outcome needs the persons that it belongs to", found=name, expected="persons=DataFrame")
    rows = _row_of(panel, persons)
    y, two = _outcome_values(_column(panel, persons, rows, name), name)
    known = y[~np.isnan(y)]
    if len(known) < PERSONS_PER_TERM:
        raise InputError(
            "the outcome is known for too few participants", where=f"column {name}", found=len(known),
            expected=f"{PERSONS_PER_TERM} or more of {len(panel.participants)}",
        )  # fmt: skip
    if np.ptp(known) == 0:
        raise InputError("the outcome is the same for everybody", where=f"column {name}", found=float(known[0]))
    chosen: Model = ("logistic" if two else "linear") if model == "auto" else model
    if chosen == "logistic" and not two:
        raise InputError("a logistic model needs an outcome of two values", where=f"column {name}")
    if chosen == "logistic":
        y = np.where(np.isnan(y), math.nan, (y == known.max()).astype(np.float64))
    columns: list[Floats] = []
    terms: list[str] = []
    for covariate in covariates:
        for term, values in _terms(_column(panel, persons, rows, covariate), covariate):
            terms.append(term)
            columns.append(values)
    matrix = np.stack(columns, axis=1) if columns else np.zeros((len(y), 0))
    return Outcome(name, chosen, y, matrix, tuple(terms))


def _row_of(panel: Panel, persons: pd.DataFrame) -> NDArray[np.int64]:
    """Row of each participant in the table of persons; -1 for those who are not in it."""
    named = next((c for c in ("participant", "participant_id") if c in persons.columns), None)
    who = [str(p) for p in (persons.index if named is None else persons[named])]
    at = {p: i for i, p in enumerate(who)}
    if len(at) < len(who):
        twice = next(p for i, p in enumerate(who) if at[p] != i)
        raise InputError("one participant twice among the persons of the outcome", found=twice)
    rows = np.array([at.get(p, -1) for p in panel.participants], dtype=np.int64)
    if (rows < 0).all():
        raise InputError("no participant of the biomarkers is among the persons of the outcome")
    return rows


def _column(panel: Panel, persons: pd.DataFrame, rows: NDArray[np.int64], name: str) -> NDArray[Any]:
    """Values of a column for every participant, None or NaN where unknown."""
    if name in persons.columns:
        values: NDArray[Any] = np.empty(len(persons) + 1, dtype=object)
        values[:-1] = persons[name].to_numpy(dtype=object)
        return values[rows]
    if name == "age":
        return panel.age_years.astype(object)
    if name == "sex":
        return np.array([None, "F", "M"], dtype=object)[panel.sex + 1]
    raise InputError("no such column among the persons", found=name, valid=[*map(str, persons.columns), *FROM_PANEL])


def _known(value: object) -> bool:
    return value is not None and value == value and value != ""


def _numbers(values: NDArray[Any]) -> Floats | None:
    """As numbers, or None when a value is a text."""
    found = np.full(len(values), math.nan)
    for i, value in enumerate(values):
        if not _known(value):
            continue
        try:
            found[i] = float(value)
        except (TypeError, ValueError):
            return None
    return found


def _texts(values: NDArray[Any]) -> list[str]:
    return sorted({str(v) for v in values if _known(v)})


def _outcome_values(values: NDArray[Any], name: str) -> tuple[Floats, bool]:
    """Numbers, and whether there are two values."""
    numbers = _numbers(values)
    if numbers is None:
        texts = _texts(values)
        if len(texts) != 2:
            raise InputError(
                "an outcome is a number, or one of two texts", where=f"column {name}", found=", ".join(texts[:5])
            )
        numbers = np.array([float(str(v) == texts[1]) if _known(v) else math.nan for v in values])
    if np.isinf(numbers).any():
        raise InputError("an outcome is finite", where=f"column {name}")
    return numbers, len(np.unique(numbers[~np.isnan(numbers)])) == 2


def _terms(values: NDArray[Any], name: str) -> list[tuple[str, Floats]]:
    """Terms of a covariate: itself, or one for each text but the first."""
    numbers = _numbers(values)
    if numbers is not None:
        if np.isinf(numbers).any():
            raise InputError("a covariate is finite", where=f"column {name}")
        return [(name, numbers)]
    return [
        (f"{name}={text}", np.array([float(str(v) == text) if _known(v) else math.nan for v in values]))
        for text in _texts(values)[1:]
    ]
