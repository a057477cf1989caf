"""The labelled result of scoring."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from allostat.allostatic_load.components import Components, ComponentStatus, Note, biomarkers_of
from allostat.allostatic_load.definitions import Definition
from allostat.allostatic_load.options import OPTIONS
from allostat.allostatic_load.references import Reference

if TYPE_CHECKING:
    import xarray as xr

Floats = NDArray[np.float64]
_Variables: TypeAlias = dict[str, tuple[NDArray[Any], dict[str, Any]]]


class IndexStatus(IntEnum):
    """Why an index is there or not."""

    OK = 0
    INSUFFICIENT_INPUTS = 1
    INCOMPLETE_FOR_MODEL = 2
    """Enough by the missing-data rule, but the fitted model needs components that are not there."""


@dataclass(frozen=True)
class IndexArrays:
    """The index of each row (one participant on one occasion) and what it is made of."""

    index: Floats
    se: Floats
    ci_low: Floats
    ci_high: Floats
    index_status: NDArray[np.int8]
    count: Floats
    proportion: Floats
    n_inputs: NDArray[np.int32]
    n_systems: NDArray[np.int32]
    n_with_se: NDArray[np.int32]
    notes: NDArray[np.int16]
    status: NDArray[np.int8]
    system_score: Floats
    without: Floats


def as_dataset(
    arrays: IndexArrays, scored: Components, definition: Definition, reference: Reference, *, winsorise: bool
) -> xr.Dataset:
    """The result as an `xarray.Dataset`; layout as `allostatic_load` documents it."""
    import xarray as xr

    unit = "1"
    index_name = {"count": "number of high-risk biomarkers"}.get(definition.algorithm, definition.title)
    method = f"{definition.algorithm}, {definition.strata} reference {reference.name}"
    about = {"method": method, "references": definition.doi}
    row: _Variables = {
        "index": (arrays.index, {"long_name": index_name, "units": unit, **about}),
        "index_se": (arrays.se, {"long_name": "standard error of the index", "units": unit, **about}),
        "ci_low": (arrays.ci_low, {"long_name": "95 % interval of the index, lower end", "units": unit, **about}),
        "ci_high": (arrays.ci_high, {"long_name": "95 % interval of the index, upper end", "units": unit, **about}),
        "index_status": (
            arrays.index_status,
            _values(IndexStatus, "why the index is there or not"),
        ),
        "index_notes": (arrays.notes, _masks(Note, "what is known of the components that count")),
        "count": (arrays.count, {"long_name": "high-risk biomarkers among those that count", "units": "1"}),
        "proportion": (arrays.proportion, {"long_name": "count divided by flagged inputs", "units": "1"}),
        "n_inputs": (arrays.n_inputs, {"long_name": "components that count", "units": "1"}),
        "n_systems": (arrays.n_systems, {"long_name": "systems with enough markers", "units": "1"}),
        "n_with_se": (arrays.n_with_se, {"long_name": "components with a standard error", "units": "1"}),
        "loo_low": (_extreme(arrays.without, np.fmin), {"long_name": "lowest index without one input", "units": "1"}),
        "loo_high": (_extreme(arrays.without, np.fmax), {"long_name": "highest index without one input", "units": "1"}),
    }  # fmt: skip
    component: _Variables = {
        "value": (scored.value, {"long_name": "value used, in the unit of its biomarker"}),
        "r": (scored.r, {"long_name": "risk-oriented transformed value: high is risk"}),
        "z": (scored.z, {"long_name": "risk-oriented z score", "units": "1"}),
        "z_se": (scored.se_z, {"long_name": "standard error of z", "units": "1"}),
        "flag": (scored.flag, {"long_name": "high risk", **_flag_meanings([-1, 0, 1], "missing low_risk high_risk")}),
        "p_flag": (scored.p_flag, {"long_name": "probability of high risk given the standard error", "units": "1"}),
        "component_status": (arrays.status, _values(ComponentStatus, "why a component counts or not")),
        "component_notes": (scored.notes, _masks(Note, "what is known of a component")),
        "biomarker_used": (scored.used, _choice(definition)),
        "quality": (scored.quality, {"long_name": "quality codes of the biomarker"}),
        "index_without": (arrays.without, {"long_name": "index without this component", "units": "1"}),
    }
    system: _Variables = {
        "system_score": (arrays.system_score, {"long_name": "mean score inside the system", "units": "1"})
    }
    data: dict[str, xr.DataArray] = {}
    for variables, last in ((row, ()), (component, ("component",)), (system, ("system",))):
        for name, (values, attrs) in variables.items():
            spread, dims = _spread(values, scored, last)
            data[name] = xr.DataArray(spread, dims=dims, attrs=attrs)
    coords: dict[str, Any] = {
        "participant": list(scored.participants),
        "component": [m.name for m in definition.markers],
        "system": [s.name for s in definition.systems],
        "component_system": ("component", np.array(definition.system_of, dtype=np.int8)),
        "occasion": list(scored.occasions) if len(scored.occasions) > 1 else scored.occasions[0],
    }
    about_all = {
        "definition": definition.id,
        "definition_version": definition.version,
        "definition_sha256": definition.sha256,
        "reference": reference.name,
        "reference_sha256": reference.sha256,
        "reference_notes": "\n".join(reference.notes),
        "title": definition.title,
        "citation": definition.citation,
        "references": definition.doi,
        "algorithm": definition.algorithm,
        "options": ", ".join(f"{n}={definition.option(n)}" for n in OPTIONS[definition.algorithm]),
        "strata": definition.strata,
        "winsorised": int(winsorise),
        "missing_rule": _rule(definition),
    }
    return xr.Dataset(data, coords=coords, attrs=about_all)


def _spread(values: NDArray[Any], scored: Components, last: tuple[str, ...]) -> tuple[NDArray[Any], tuple[str, ...]]:
    """Rows on their dimensions: by participant, and by occasion when there are several."""
    if len(scored.occasions) == 1:
        return values, ("participant", *last)
    shape = (len(scored.participants), len(scored.occasions), *values.shape[1:])
    return values.reshape(shape), ("participant", "occasion", *last)


def _extreme(without: Floats, fold: np.ufunc) -> Floats:
    result: Floats = fold.reduce(without, axis=1)
    return result


def _values(kind: type[IntEnum], long_name: str) -> dict[str, Any]:
    return {"long_name": long_name, **_flag_meanings([int(k) for k in kind], " ".join(k.name for k in kind))}


def _flag_meanings(values: list[int], meanings: str) -> dict[str, Any]:
    return {"flag_values": np.array(values, dtype=np.int8), "flag_meanings": meanings}


def _masks(kind: type[IntFlag], long_name: str) -> dict[str, Any]:
    masks = np.array([int(k) for k in kind], dtype=np.int16)
    return {"long_name": long_name, "flag_masks": masks, "flag_meanings": " ".join(str(k.name) for k in kind)}


def _choice(definition: Definition) -> dict[str, Any]:
    names = biomarkers_of(definition)
    values = list(range(-1, len(names)))
    return {
        "long_name": "biomarker that stands for the component",
        **_flag_meanings(values, " ".join(("none", *names))),
    }


def _rule(definition: Definition) -> str:
    groups = "; ".join(" or ".join(g) for g in definition.require_one_of)
    rule = (
        f"a system needs {definition.min_share_in_system:.0%} of its markers, "
        f"the index {definition.min_share_of_systems:.0%} of its systems"
    )
    return f"{rule}, and one of each: {groups}" if groups else rule
