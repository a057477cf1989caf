"""The main numbers of a participant, each against its reference where one is known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from allostat.biomarkers import Biomarker, Person
from allostat.norms import judge, load_norm, position_of
from allostat.report.blocks import State, Tile, band, number
from allostat.report.load_figures import Index
from allostat.report.series import Series, window_text

if TYPE_CHECKING:
    from allostat.store import ParticipantResult


def tiles(result: ParticipantResult, series: Sequence[Series], indices: Sequence[Index]) -> tuple[Tile, ...]:
    """The tiles in the order of the page."""
    return (
        _valid_hours(series),
        _heart_rate(result),
        _rmssd(result),
        _sdnn(result, series),
        _cortisol(result),
        _crp(result),
        _blood_pressure(result),
        _index(indices),
    )


def _valid_hours(series: Sequence[Series]) -> Tile:
    if not series:
        return Tile("Valid beat intervals", "–", "h", "no beats", "nothing recorded")
    hours = max(s.valid_hours for s in series)
    span = max(int(s.beats.times_ns[-1] - s.beats.times_ns[0]) / 3.6e12 for s in series if len(s.beats))
    share = f"{100 * hours / span:.0f} % of {span:.1f} h" if span > 0 else ""
    return Tile("Valid beat intervals", number(hours), "h", f"longest of {len(series)} series", share)


def _row(result: ParticipantResult, *names: str) -> Biomarker | None:
    """The first of some biomarkers that has a value, else the first that has a row."""
    rows = [r for name in names for r in result.biomarkers.rows if r.biomarker == name]
    return next((r for r in rows if not r.missing), rows[0] if rows else None)


def _note(row: Biomarker | None) -> str:
    if row is None:
        return "not measured"
    if row.missing:
        return "missing: " + (", ".join(row.quality) or "no reason recorded")
    parts = [row.context.replace("_", " ")] if row.context else []
    if row.n > 1:
        parts.append(f"{row.n} repeats")
    return ", ".join(parts + list(row.quality))


def _heart_rate(result: ParticipantResult) -> Tile:
    row = _row(result, "hr_night", "hr_rest")
    if row is None or row.missing:
        return Tile("Mean heart rate", "–", "/min", _note(row))
    at = band(row.value, 40, 109, (30, 120))
    state: State = "inside" if 40 <= row.value <= 109 else "outside"
    return Tile(
        "Mean heart rate",
        number(row.value),
        "/min",
        _note(row),
        "40 to 109, range of daily means in 92,457 adults (Quer 2020)",
        state,
        at,
    )


def _rmssd(result: ParticipantResult) -> Tile:
    row = _row(result, "rmssd_night", "rmssd_rest")
    label = "RMSSD" if row is None else ("Night RMSSD" if row.biomarker == "rmssd_night" else "Resting RMSSD")
    if row is None or row.missing:
        return Tile(label, "–", "ms", _note(row))
    return _night_rmssd(row) if row.biomarker == "rmssd_night" else _resting_rmssd(row, result.person)


def _night_rmssd(row: Biomarker) -> Tile:
    verdict = judge(row.value, row.biomarker, context=row.context)
    cut = verdict.cut
    return Tile(
        "Night RMSSD",
        number(row.value),
        "ms",
        _note(row),
        f"at least {cut.cut:.0f} ± {cut.margin:.0f} ms by night (Jarczok 2019)",
        "outside" if verdict.high_risk else "inside",
        band(row.value, cut.cut, math.inf, (0, 100)),
    )


def _resting_rmssd(row: Biomarker, person: Person) -> Tile:
    """Against people of the same sex and age at rest; the cut-offs of day and night do not hold at rest."""
    at = position_of(row, person)
    if at.cell is None or not math.isfinite(at.z):
        return Tile("Resting RMSSD", number(row.value), "ms", _note(row), "; ".join(at.notices))
    norm = load_norm(at.norm)
    low, high = (norm.quantile(row.biomarker, p, person.age_years, person.sex) for p in (0.05, 0.95))
    return Tile(
        "Resting RMSSD",
        number(row.value),
        "ms",
        _note(row),
        f"percentile {at.percentile:.0f} of {at.cell.group}; 90 % have {low:.0f} to {high:.0f} ms (Voss 2015)",
        "outside" if row.value < low else "inside",
        band(row.value, low, high, (0, 120)),
    )


def _sdnn(result: ParticipantResult, series: Sequence[Series]) -> Tile:
    import numpy as np

    windows = series[0].windows if series else None
    if windows is None or "sdnn" not in windows:
        return Tile("SDNN", "–", "ms", "no window of intervals")
    found = np.asarray(windows["sdnn"].values, dtype=np.float64)
    found = found[np.isfinite(found)]
    if not found.size:
        return Tile("SDNN", "–", "ms", "no window with enough valid intervals")
    length = window_text(windows)
    return Tile(
        "SDNN",
        number(float(np.median(found))),
        "ms",
        f"median of {found.size} windows of {length}",
        "published norms hold for rest or for 24 h, not for daily life",
    )


def _cortisol(result: ParticipantResult) -> Tile:
    row = _row(result, "cortisol_slope")
    value = "–" if row is None else number(row.value)
    at = None if row is None else band(row.value, -math.inf, math.inf, (-0.3, 0.1))
    reference = "no validated cut-off; steeper, that is more negative, is healthier (Adam 2017)"
    return Tile("Cortisol slope", value, "per h", f"of ln(nmol/L), {_note(row)}", reference, "unknown", at)


def _crp(result: ParticipantResult) -> Tile:
    row = _row(result, "hs_crp")
    if row is None or row.missing:
        return Tile("hs-CRP", "–", "mg/L", _note(row), "risk: below 1 low, 1 to 3 average, above 3 high (Pearson 2003)")
    state: State = "inside" if row.value <= 3 else "outside"
    words = "low" if row.value < 1 else ("average" if row.value <= 3 else "high")
    return Tile(
        "hs-CRP",
        number(row.value),
        "mg/L",
        _note(row),
        f"at most 3 mg/L; this risk class: {words} (Pearson 2003)",
        state,
        band(row.value, 0, 3, (0, 10)),
    )


def _blood_pressure(result: ParticipantResult) -> Tile:
    sbp, dbp = _row(result, "sbp"), _row(result, "dbp")
    if sbp is None or dbp is None or sbp.missing or dbp.missing:
        return Tile("Blood pressure", "–", "mmHg", _note(sbp if sbp is None or sbp.missing else dbp))
    state: State = "inside" if sbp.value < 130 and dbp.value < 80 else "outside"
    return Tile(
        "Blood pressure",
        f"{sbp.value:.0f} / {dbp.value:.0f}",
        "mmHg",
        _note(sbp),
        "below 130 and below 80 mmHg (Whelton 2018)",
        state,
        band(sbp.value, 0, 130, (80, 200)),
    )


def _index(indices: Sequence[Index]) -> Tile:
    if not indices:
        return Tile("Allostatic load index", "–", "", "no definition was scored")
    first = indices[0]
    if not math.isfinite(first.value):
        return Tile("Allostatic load index", "–", "", first.reason or "not computed", first.long_name)
    interval = (
        f"95 % interval {number(first.low)} to {number(first.high)}" if math.isfinite(first.low) else "no interval"
    )
    reference = "0 is the mean of the reference; higher is more load" if first.scale == "z" else "higher is more load"
    at = band(first.value, first.low, first.high, (-2, 2)) if first.scale == "z" and math.isfinite(first.low) else None
    return Tile(
        "Allostatic load index",
        number(first.value),
        "SD" if first.scale == "z" else "",
        interval,
        f"{reference} ({first.definition})",
        "unknown",
        at,
    )
