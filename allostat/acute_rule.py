"""The rule of acute inflammation: hs-CRP above 10 mg/L speaks of an infection or injury, not of load.

Pearson 2003 (10.1161/01.CIR.0000052939.59093.45): disregard the value and repeat the draw. Leaving such values out
removes obese and chronically stressed persons too (O'Connor 2009, 10.1016/j.bbi.2009.02.005), so a study reports what
keeping them changes; the measured value stays in the table for that.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, get_args

from allostat.biomarkers import Biomarker, BiomarkerTable
from allostat.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

AcuteOption = Literal["exclude", "keep", "winsorise"]

ACUTE_MG_L = 10.0
"""A value above this is acute; 10 itself is not."""
ACUTE_BIOMARKER = "hs_crp"
ACUTE_CODES = {"exclude": "CRP_ACUTE", "keep": "CRP_ACUTE_KEPT", "winsorise": "CRP_ACUTE_WINSORISED"}
"""Quality code of a row with an acute value, by option."""


def apply_acute_rule(table: BiomarkerTable, option: AcuteOption = "exclude") -> BiomarkerTable:
    """A table with the rule applied to every hs-CRP value.

    Parameters
    ----------
    option
        ``exclude``: acute draws are left out of the geometric mean; a row without any other is NaN. ``keep``: they
        count. ``winsorise``: they count as 10 mg/L. The quality code says which (`ACUTE_CODES`).

    Returns
    -------
    BiomarkerTable
        Rows judge their single draws where these are known (`Biomarker.repeats`), else their value; ``raw_value`` keeps
        the geometric mean of all draws. ``table.rules["acute_crp"]`` names the option. Applying the rule again, with
        the same or another option, starts from the measured values.

    Raises
    ------
    ConfigError
        An unknown option.
    """
    _known(option)
    rows = (_ruled(row, option) if row.biomarker == ACUTE_BIOMARKER else row for row in table.rows)
    return table.with_rows(rows, acute_crp=option)


def acute_values(measured: NDArray[np.float64], option: AcuteOption = "exclude") -> NDArray[np.float64]:
    """The rule for an array of measured hs-CRP values of one draw each, in mg/L; NaN stays NaN."""
    _known(option)
    import numpy as np

    if option == "keep":
        return measured.copy()
    return np.where(measured > ACUTE_MG_L, math.nan if option == "exclude" else ACUTE_MG_L, measured)


def _known(option: str) -> None:
    if option not in get_args(AcuteOption):
        raise ConfigError("unknown option of the acute rule", found=option, valid=get_args(AcuteOption))


def _ruled(row: Biomarker, option: AcuteOption) -> Biomarker:
    quality = tuple(q for q in row.quality if q not in ACUTE_CODES.values())
    measured = row.measured
    if math.isnan(measured):
        return row
    draws = row.repeats or (measured,)
    acute = sum(d > ACUTE_MG_L for d in draws)
    if not acute:
        return row
    match option:
        case "exclude":
            counted = [d for d in draws if d <= ACUTE_MG_L]
            done = f"{acute} of {len(draws)} draws above {ACUTE_MG_L:g} mg/L left out"
        case "winsorise":
            counted = [min(d, ACUTE_MG_L) for d in draws]
            done = f"{acute} of {len(draws)} draws above {ACUTE_MG_L:g} mg/L taken as {ACUTE_MG_L:g}"
        case "keep":
            counted, done = list(draws), ""
    code = ACUTE_CODES[option]
    changed = dataclasses.replace(
        row,
        value=measured if option == "keep" else _geometric_mean(counted),
        raw_value=math.nan if option == "keep" else measured,
        # The reason why a value is missing stands first.
        quality=(*quality, code) if counted else (code, *quality),
        adjustment=done,
    )
    return _counted_draws(changed, row, counted) if row.repeats else changed


def _counted_draws(changed: Biomarker, row: Biomarker, counted: Sequence[float]) -> Biomarker:
    """The row with number, standard error and coverage of the draws that count."""
    wanted = row.n / row.coverage if row.n and row.coverage > 0 else len(row.repeats)
    coverage = math.nan if math.isnan(row.coverage) else len(counted) / wanted
    return dataclasses.replace(changed, n=len(counted), standard_error=_log_error(counted), coverage=coverage)


def _geometric_mean(values: Sequence[float]) -> float:
    if not values:
        return math.nan
    # exp(ln 10) is not 10, and a cut-off at 10 would tell them apart.
    return values[0] if min(values) == max(values) else math.exp(math.fsum(map(math.log, values)) / len(values))


def _log_error(values: Sequence[float]) -> float:
    if len(values) < 2:
        return math.nan
    logs = [math.log(v) for v in values]
    mean = math.fsum(logs) / len(logs)
    return math.sqrt(math.fsum((v - mean) ** 2 for v in logs) / (len(logs) - 1) / len(logs))
