"""The days of a cortisol result as the page draws them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from allostat.report.course_figures import CortisolDay
from allostat.report.local_time import DAY_NS, day_text
from allostat.report.series import mask_words

if TYPE_CHECKING:
    import xarray as xr


def cortisol_days(labs: xr.Dataset | None) -> list[CortisolDay]:
    """Each day's samples with slope, awakening rise and area; an empty list when there is no cortisol.

    Parameters
    ----------
    labs
        A result of `allostat.cortisol`, or a dataset that holds one.
    """
    if labs is None or "concentration" not in labs or "day" not in labs.dims:
        return []
    of_day = np.asarray(labs["sample_day"].values, dtype=np.int64)
    hours = np.asarray(labs["hours_since_waking"].values, dtype=np.float64)
    nmol_l = np.asarray(labs["concentration"].values, dtype=np.float64)
    found = []
    for i, number in enumerate(np.asarray(labs["day"].values, dtype=np.int64)):
        mine = of_day == number
        found.append(
            CortisolDay(
                day=_name(labs, i, int(number)),
                hours=hours[mine],
                nmol_l=nmol_l[mine],
                slope=_at(labs, "slope_ln", i),
                intercept=_at(labs, "intercept_ln", i),
                increase=_at(labs, "car_peak_inc", i),
                aucg=_at(labs, "aucg", i),
                reason=", ".join(mask_words(labs["reasons"], int(labs["reasons"].values[i])))
                if "reasons" in labs
                else "",
            )
        )
    return found


def _at(labs: xr.Dataset, name: str, i: int) -> float:
    if name not in labs:
        return float("nan")
    column: NDArray[np.float64] = np.asarray(labs[name].values, dtype=np.float64)
    return float(column[i])


def _name(labs: xr.Dataset, i: int, number: int) -> str:
    days = int(labs["date"].values[i]) if "date" in labs.coords or "date" in labs else -1
    return day_text(days * DAY_NS) if days >= 0 else f"day {number}"
