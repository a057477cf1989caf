"""The index of persons with missing markers: scored in every imputed data set and pooled by Rubin's rules."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from allostat.allostatic_load.components import Note, biomarkers_of
from allostat.allostatic_load.definitions import Definition, load_definition
from allostat.allostatic_load.imputation import ImputedPanels
from allostat.allostatic_load.references import Reference
from allostat.allostatic_load.rubin import pool
from allostat.allostatic_load.scoring import allostatic_load
from allostat.allostatic_load.uncertainty import Correlations

if TYPE_CHECKING:
    import xarray as xr


def imputed_allostatic_load(
    imputed: ImputedPanels,
    definition: str | Path | Definition = "system",
    reference: str | Path | Reference | None = None,
    *,
    winsorise: bool = True,
    error_correlation: Correlations | None = None,
    level: float = 0.95,
) -> xr.Dataset:
    """Allostatic load index over imputed data sets.

    Parameters
    ----------
    imputed
        What `impute` gives.
    definition, reference, winsorise, error_correlation
        As `allostatic_load`.

    Returns
    -------
    xr.Dataset
        ``index`` (mean over data sets), ``index_se`` (measurement error and imputation together), ``ci_low``,
        ``ci_high``, ``df``, ``missing_information``, ``n_inputs``, ``n_imputed`` (components whose value is imputed),
        ``index_status``, ``index_notes`` (with ``IMPUTED``); ``imputed_index`` and ``imputed_index_se`` with the
        dimension ``imputation``, for analyses of groups that are pooled afterwards (`pool`).

    Notes
    -----
    An index without imputed components keeps its delta-method error. Where no measured component has a standard error,
    ``index_se`` of an imputed index is that of the imputation alone (note ``PARTIAL_SE``).
    """
    import xarray as xr

    chosen = definition if isinstance(definition, Definition) else load_definition(definition)
    scores = [
        allostatic_load(p, chosen, reference, winsorise=winsorise, error_correlation=error_correlation)
        for p in imputed.panels
    ]
    first = scores[0]
    shape, dims = first["index"].shape, first["index"].dims
    index = np.stack([s["index"].to_numpy() for s in scores])
    se = np.stack([s["index_se"].to_numpy() for s in scores])
    n_imputed = _imputed_components(imputed, chosen, first["biomarker_used"].to_numpy()).reshape(shape)
    pooled = pool(index, np.nan_to_num(se) ** 2, level=level)
    nothing = np.isnan(se).any(axis=0) & (n_imputed == 0)
    notes = np.bitwise_or.reduce([s["index_notes"].to_numpy() for s in scores], axis=0)
    notes[n_imputed > 0] |= np.int16(Note.IMPUTED)
    notes[(n_imputed > 0) & np.isnan(se).any(axis=0)] |= np.int16(Note.PARTIAL_SE)

    def known(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.where(nothing, np.nan, values)

    about = {"units": "1", "method": f"{first['index'].attrs['method']}; Rubin's rules, {len(scores)} data sets"}
    data = {
        "index": (dims, pooled.estimate, {**first["index"].attrs, **about}),
        "index_se": (dims, known(pooled.se), {"long_name": "standard error of the index with imputation", **about}),
        "ci_low": (dims, known(pooled.low), {"long_name": f"{level:.0%} interval of the index, lower end", **about}),
        "ci_high": (dims, known(pooled.high), {"long_name": f"{level:.0%} interval of the index, upper end", **about}),
        "df": (dims, known(pooled.df), {"long_name": "degrees of freedom of the interval", **about}),
        "missing_information": (
            dims, known(pooled.missing_information), {"long_name": "share of missing information", **about}
        ),
        "index_status": first["index_status"],
        "index_notes": (dims, notes, first["index_notes"].attrs),
        "n_inputs": first["n_inputs"],
        "n_imputed": (dims, n_imputed, {"long_name": "components whose value is imputed", "units": "1"}),
        "imputed_index": (("imputation", *dims), index, {"long_name": "index of each imputed data set", **about}),
        "imputed_index_se": (("imputation", *dims), se, {"long_name": "its standard error", **about}),
    }  # fmt: skip
    coords = {n: first.coords[n] for n in ("participant", "occasion") if n in first.coords}
    attrs = {
        **first.attrs,
        "imputations": len(scores),
        "imputation_model": imputed.model.fitted_on,
        "imputation_sample_sha256": imputed.model.sample_sha256,
        "imputed_share": ", ".join(f"{b} {share:.3f}" for b, share in imputed.share.items() if share),
        "not_imputed": len(imputed.left),
    }
    return xr.Dataset(data, coords=coords, attrs=attrs)


def _imputed_components(imputed: ImputedPanels, definition: Definition, used: NDArray[np.int8]) -> NDArray[np.int32]:
    """(rows,) number of components whose value is imputed."""
    panel = imputed.panels[0]
    names = biomarkers_of(definition)
    column = np.array([panel.column_of.get(b, -1) for b in names] + [-1], dtype=np.int64)
    flat = used.reshape(len(panel.value), -1)
    at = column[flat]
    there = np.where(at >= 0, np.take_along_axis(imputed.imputed, np.maximum(at, 0), axis=1), False)
    count: NDArray[np.int32] = there.sum(axis=1).astype(np.int32)
    return count
