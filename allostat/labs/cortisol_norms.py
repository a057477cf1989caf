"""Percentiles of cortisol by sex, age and time since waking, from a table that the user brings.

allostat ships no such numbers. The table of CIRCORT (Miller et al. 2016, 10.1016/j.psyneuen.2016.07.201) has this form.
"""

from __future__ import annotations

import csv
import math
import re
from dataclasses import dataclass
from enum import IntFlag
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from allostat.errors import InputError
from allostat.units import conversion_factor, ucum

if TYPE_CHECKING:
    import xarray as xr

Floats = NDArray[np.float64]

COLUMNS = ("sex", "age_low", "age_high", "hours_low", "hours_high", "unit", "specimen", "assay")
_PERCENTILE = re.compile(r"p(\d{1,2}(?:\.\d+)?)")


class NormReason(IntFlag):
    """Why a percentile is missing or only a bound."""

    VALUE_MISSING = 1
    OUTSIDE_TABLE = 2
    """No row of the table for this sex, age and time."""
    BELOW_LOWEST = 4
    """Below the lowest percentile of the table, which is given as an upper bound."""
    ABOVE_HIGHEST = 8
    """Above the highest percentile of the table, which is given as a lower bound."""


@dataclass(frozen=True)
class CortisolNorms:
    """A table of percentiles.

    Parameters
    ----------
    specimen, assay
        What the table is of; samples of another specimen or assay are refused.
    percentiles
        (p,) ascending, 0 to 100.
    sexes
        (rows,) ``F``, ``M`` or ``all``.
    low_high
        (rows, 4): age from and below, hours since waking from and below.
    nmol_l
        (rows, p) concentrations.
    source
        Name of the file.
    """

    specimen: str
    assay: str
    percentiles: Floats
    sexes: tuple[str, ...]
    low_high: Floats
    nmol_l: Floats
    source: str

    def percentile(
        self, nmol_l: ArrayLike, hours_since_waking: ArrayLike, *, sex: str, age_years: float, specimen: str, assay: str
    ) -> xr.Dataset:
        """Percentile of each sample of one person.

        Parameters
        ----------
        nmol_l, hours_since_waking
            (n,) concentrations and times.
        sex, age_years
            Of the person; rows of this sex go before those of ``all``.
        specimen, assay
            Of the samples; they must be the table's own.

        Returns
        -------
        Dataset(sample)
            ``percentile`` (0 to 100) and ``reasons`` (bit mask of `NormReason`). Between two percentiles ln
            concentration and the normal score are joined by a line; beyond the outermost the percentile is a bound.

        Raises
        ------
        InputError
            Another specimen or assay, a value that is not above zero, an unknown sex.
        """
        import xarray as xr
        from scipy.special import ndtr, ndtri

        for what, found, expected in (("specimen", specimen, self.specimen), ("assay", assay, self.assay)):
            if found != expected:
                raise InputError(f"cortisol norms of another {what}", where=self.source, found=found, expected=expected)
        if sex not in ("F", "M"):
            raise InputError("unknown sex", found=sex, valid=["F", "M"])
        values = np.asarray(nmol_l, dtype=np.float64).ravel()
        hours = np.asarray(hours_since_waking, dtype=np.float64).ravel()
        if values.shape != hours.shape:
            raise InputError("values and times are equally many", found=f"{len(values)} and {len(hours)}")
        if bool((values <= 0).any()):
            raise InputError("cortisol is above zero", found=float(values[values <= 0][0]))
        shares = np.full(len(values), math.nan)
        reasons = np.zeros(len(values), dtype=np.int8)
        scores = ndtri(self.percentiles / 100.0)
        for i, (value, hour) in enumerate(zip(values.tolist(), hours.tolist(), strict=True)):
            row = self._row(sex, age_years, hour)
            if math.isnan(value):
                reasons[i] = NormReason.VALUE_MISSING
            elif row < 0:
                reasons[i] = NormReason.OUTSIDE_TABLE
            else:
                limits = self.nmol_l[row]
                if value < limits[0] or value > limits[-1]:
                    reasons[i] = NormReason.BELOW_LOWEST if value < limits[0] else NormReason.ABOVE_HIGHEST
                shares[i] = 100.0 * float(ndtr(np.interp(math.log(value), np.log(limits), scores)))
        masks = np.array([int(r) for r in NormReason], dtype=np.int8)
        about = {"long_name": "why a percentile is missing or a bound", "flag_masks": masks,
                 "flag_meanings": " ".join(str(r.name) for r in NormReason)}  # fmt: skip
        return xr.Dataset(
            {
                "percentile": ("sample", shares, {
                    "units": "%", "long_name": "percentile of cortisol by sex, age and time since waking",
                    "method": f"table {self.source}", "references": "10.1016/j.psyneuen.2016.07.201"}),
                "reasons": ("sample", reasons, about),
            },
            attrs={"specimen": self.specimen, "assay": self.assay, "source": self.source},
        )  # fmt: skip

    def _row(self, sex: str, age: float, hour: float) -> int:
        """The row for a sex, age and time; -1 when there is none."""
        age_low, age_high, hours_low, hours_high = self.low_high.T
        inside = (age_low <= age) & (age < age_high) & (hours_low <= hour) & (hour < hours_high)
        for wanted in (sex, "all"):
            at = np.flatnonzero(inside & (np.array(self.sexes) == wanted))
            if at.size:
                return int(at[0])
        return -1


def read_cortisol_norms(path: str | PathLike[str]) -> CortisolNorms:
    """A user's own table of percentiles, separated by commas, semicolons or tabs.

    Columns: ``sex`` (``F``, ``M`` or ``all``); ``age_low`` and ``age_high`` in years, ``hours_low`` and ``hours_high``
    in h since waking (the upper limit is not included); ``unit``, ``specimen``, ``assay`` (specimen and assay
    the same in every row); and two or more percentiles ``p5``, ``p50``, ``p97.5`` …

    Raises
    ------
    InputError
        A column is missing, a cell is no number, rows overlap, or percentiles do not ascend.
    UnitError
        An unknown unit.
    """
    name = Path(path).name
    text = Path(path).read_text(encoding="utf-8-sig")
    header = text.splitlines()[0] if text.strip() else ""
    reader = csv.DictReader(text.splitlines(), delimiter=max(",;\t", key=header.count))
    columns = {(c or "").strip().casefold(): c for c in reader.fieldnames or ()}
    for wanted in COLUMNS:
        if wanted not in columns:
            raise InputError("a table of cortisol norms lacks a column", where=name, found=header, expected=wanted)
    shares = sorted((float(m[1]), c) for c in columns if (m := _PERCENTILE.fullmatch(c)))
    if len(shares) < 2 or not all(0 < p < 100 for p, _ in shares):
        raise InputError("a table of cortisol norms has two or more percentiles", where=name, expected="p5, p50, p95")
    sexes, limits, values, kinds = [], [], [], set()
    for line, cells in enumerate(reader, 2):
        row = {plain: (cells.get(c) or "").strip() for plain, c in columns.items()}
        where = f"{name}, line {line}"
        if row["sex"] not in ("F", "M", "all"):
            raise InputError("unknown sex", where=where, found=row["sex"], valid=["F", "M", "all"])
        sexes.append(row["sex"])
        limits.append([_number(row[c], f"{where}, column {c}") for c in COLUMNS[1:5]])
        factor = conversion_factor(ucum(row["unit"], where=where), "nmol/L", analyte="cortisol", where=where)
        values.append([factor * _number(row[c], f"{where}, column {c}") for _, c in shares])
        kinds.add((row["specimen"].casefold(), row["assay"]))
        if not values[-1][0] > 0 or bool((np.diff(values[-1]) <= 0).any()):
            raise InputError("percentiles are above zero and ascend", where=where)
        if limits[-1][0] >= limits[-1][1] or limits[-1][2] >= limits[-1][3]:
            raise InputError("a range ends after it begins", where=where)
    if len(kinds) != 1 or not all(next(iter(kinds))):
        raise InputError("cortisol norms are of one specimen and one assay", where=name, found=str(sorted(kinds)))
    _refuse_overlap(sexes, np.array(limits), name)
    specimen, assay = next(iter(kinds))
    shares_only = np.array([p for p, _ in shares])
    return CortisolNorms(specimen, assay, shares_only, tuple(sexes), np.array(limits), np.array(values), name)


def _number(text: str, where: str) -> float:
    try:
        value = float(text)
    except ValueError as error:
        raise InputError("not a number", where=where, found=text) from error
    if not math.isfinite(value):
        raise InputError("not a number", where=where, found=text)
    return value


def _refuse_overlap(sexes: list[str], limits: Floats, name: str) -> None:
    for i in range(len(sexes)):
        for j in range(i):
            ages = limits[i, 0] < limits[j, 1] and limits[j, 0] < limits[i, 1]
            hours = limits[i, 2] < limits[j, 3] and limits[j, 2] < limits[i, 3]
            if sexes[i] == sexes[j] and ages and hours:
                raise InputError("two rows of cortisol norms overlap", where=name, found=f"lines {j + 2} and {i + 2}")
