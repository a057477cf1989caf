"""Biomarkers that are computed from others: pulse pressure, TC/HDL, BMI, WHR, WtHR, HOMA-IR, nocturnal dip.

HOMA-IR: Matthews 1985 (10.1007/BF00280883).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from allostat.biomarkers import Biomarker, BiomarkerTable, biomarker_kind
from allostat.errors import InputError

DERIVED = "DERIVED"
"""Quality code of a derived row."""

_STEP = 1e-5


@dataclass(frozen=True, slots=True)
class _Formula:
    """Inputs in their own units, and the value in the unit of the derived biomarker.

    ``paired``: the repeats of the inputs belong together one by one, as both pressures of a reading do.
    """

    inputs: tuple[str, ...]
    compute: Callable[[Sequence[float]], float]
    paired: bool = False


def _homa_ir(x: Sequence[float]) -> float:
    return x[0] * x[1] / 22.5


def _bmi(x: Sequence[float]) -> float:
    return x[0] / (x[1] / 100.0) ** 2


def _ratio(x: Sequence[float]) -> float:
    return x[0] / x[1]


FORMULAS: Mapping[str, _Formula] = {
    "pulse_pressure": _Formula(("sbp", "dbp"), lambda x: x[0] - x[1], paired=True),
    "chol_hdl_ratio": _Formula(("chol_total", "hdl"), _ratio),
    "bmi": _Formula(("weight", "height"), _bmi),
    "whr": _Formula(("waist", "hip"), _ratio),
    "whtr": _Formula(("waist", "height"), _ratio),
    "homa_ir": _Formula(("glucose_fasting", "insulin"), _homa_ir),
    "sbp_dip": _Formula(("sbp_asleep", "sbp_awake"), lambda x: 1.0 - x[0] / x[1]),
}
"""The formula of each derived biomarker; ``biomarkers.toml`` says the same in words."""


def with_derived(table: BiomarkerTable) -> BiomarkerTable:
    """A table with every derived biomarker whose inputs are measured and that is not measured itself.

    Parameters
    ----------
    table
        As measured: rules of medication come after, they know what they do to derived biomarkers.

    Returns
    -------
    BiomarkerTable
        The rows of ``table``, then derived ones with quality ``DERIVED``, the inputs' quality codes and the inputs'
        values in the provenance. The standard error follows from those of the inputs (delta method, taken as
        independent; from the single readings where they come in pairs); it is NaN when one of them is not known.

    Raises
    ------
    InputError
        Rules were applied before; or a derived value is implausible (``UNIT_SUSPECT``): an input is not in its unit.
    """
    if table.rules:
        raise InputError(
            "biomarkers are derived before rules are applied", found=", ".join(table.rules), expected="measured values"
        )
    return table.with_rows((*table.rows, *_derived(table)))


def _derived(table: BiomarkerTable) -> Iterator[Biomarker]:
    by_key: dict[tuple[str, str], dict[str, Biomarker]] = {}
    for row in table.rows:
        by_key.setdefault((row.participant, row.occasion), {})[row.biomarker] = row
    for rows in by_key.values():
        for name, formula in FORMULAS.items():
            inputs = [rows.get(i) for i in formula.inputs]
            found = [r for r in inputs if r is not None and not r.missing]
            if name not in rows and len(found) == len(inputs):
                yield _row(name, formula, found)


def _row(name: str, formula: _Formula, inputs: Sequence[Biomarker]) -> Biomarker:
    kind = biomarker_kind(name)
    first = inputs[0]
    value = formula.compute([r.value for r in inputs])
    together = ", ".join(f"{r.biomarker} {r.value:.6g} {r.unit}" for r in inputs)
    repeats = tuple(formula.compute(x) for x in zip(*(r.repeats for r in inputs), strict=False))
    paired = formula.paired and len({len(r.repeats) for r in inputs}) == 1 and len(repeats) > 1
    codes = dict.fromkeys(code for r in inputs for code in r.quality)
    return Biomarker(
        participant=first.participant,
        biomarker=name,
        value=value,
        unit=kind.unit,
        occasion=first.occasion,
        standard_error=_error_of_mean(repeats) if paired else _delta(name, formula, inputs),
        n=min(r.n for r in inputs),
        quality=(DERIVED, *codes),
        context=kind.context,
        provenance=f"{kind.formula}: {together}",
        repeats=repeats if paired else (),
    )


def _error_of_mean(values: Sequence[float]) -> float:
    mean = math.fsum(values) / len(values)
    return math.sqrt(math.fsum((v - mean) ** 2 for v in values) / (len(values) - 1) / len(values))


def _delta(name: str, formula: _Formula, inputs: Sequence[Biomarker]) -> float:
    """Standard error on the scale of the derived biomarker's transform, from those of the inputs on theirs."""
    if any(math.isnan(r.standard_error) for r in inputs):
        return math.nan
    logs = [biomarker_kind(r.biomarker).transform == "ln" for r in inputs]
    at = [math.log(r.value) if log else r.value for r, log in zip(inputs, logs, strict=True)]
    out_log = biomarker_kind(name).transform == "ln"

    def moved(i: int, step: float) -> float:
        x = [u + (step if k == i else 0.0) for k, u in enumerate(at)]
        value = formula.compute([math.exp(u) if log else u for u, log in zip(x, logs, strict=True)])
        return math.log(value) if out_log else value

    total = 0.0
    for i, row in enumerate(inputs):
        step = _STEP * max(1.0, abs(at[i]))
        total += ((moved(i, step) - moved(i, -step)) / (2.0 * step) * row.standard_error) ** 2
    return math.sqrt(total)
