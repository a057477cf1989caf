"""The tables of a cohort as data frames with plain column names, and the dictionary that explains them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from allostat.biomarkers import BiomarkerTable, biomarker_kind
from allostat.store import read_cohort
from allostat.study.output_tables import load_rows, long_rows

if TYPE_CHECKING:
    import xarray as xr

    from allostat.study.opened import StudyResults


def cohort_frames(results: StudyResults, participants: Sequence[str]) -> dict[str, pd.DataFrame]:
    """Tables by name: ``participants``, ``biomarkers_long``, ``biomarkers_wide``, ``allostatic_load``, ``hrv_windows``
    and ``dictionary``.

    A wide table names the unit of each biomarker in its column (``hs_crp[mg/L]``), as `allostat load` reads it.
    """
    cohort = read_cohort(results.root / "cohort.h5")
    keep = set(participants)
    table = BiomarkerTable(
        tuple(r for r in cohort.biomarkers.rows if r.participant in keep),
        {k: p for k, p in cohort.biomarkers.persons.items() if k in keep},
    )
    load = {n: d.isel(participant=np.isin(d["participant"].values, participants)) for n, d in
            cohort.allostatic_load.items()}  # fmt: skip
    columns, rows = load_rows(load)
    frames = {
        "participants": pd.DataFrame(
            [[p.participant, p.sex, p.age_years, p.group, ";".join(p.medications)] for p in table.persons.values()],
            columns=["participant_id", "sex", "age", "group", "medications"],
        ),
        "biomarkers_long": pd.DataFrame(long_rows(table)[1], columns=long_rows(table)[0]),
        "biomarkers_wide": _wide(table),
        "allostatic_load": pd.DataFrame(rows, columns=columns),
    }
    windows, meanings = _windows(results, participants)
    if len(windows):
        frames["hrv_windows"] = windows
    frames["dictionary"] = _dictionary(frames, meanings)
    return frames


def _wide(table: BiomarkerTable) -> pd.DataFrame:
    records: dict[tuple[str, str], dict[str, Any]] = {}
    for who, occasion in table.keys:
        person = table.persons.get(who)
        about = (person.sex, person.age_years, person.group) if person else (None, None, None)
        records[who, occasion] = {
            "participant_id": who, "occasion": occasion, **dict(zip(("sex", "age", "group"), about, strict=True)),
        }  # fmt: skip
    for row in sorted(table.rows, key=lambda r: r.biomarker):
        records[row.participant, row.occasion][f"{row.biomarker}[{row.unit}]"] = row.value
    for row in sorted(table.rows, key=lambda r: r.biomarker):
        if not np.isnan(row.standard_error):
            records[row.participant, row.occasion][f"standard_error[{row.biomarker}]"] = row.standard_error
    return pd.DataFrame(list(records.values()))


def _windows(results: StudyResults, participants: Sequence[str]) -> tuple[pd.DataFrame, dict[str, Mapping[str, Any]]]:
    """All windowed HRV: one row per participant, series and window, one column per measure."""
    parts: list[pd.DataFrame] = []
    meanings: dict[str, Mapping[str, Any]] = {}
    for who in participants:
        file = results[who]
        for group in file.groups:
            if not group.startswith("/hrv/"):
                continue
            dataset = file.dataset(group)
            if "window" not in dataset.dims:
                continue
            kept = [str(n) for n, v in dataset.variables.items() if v.dims == ("window",)]
            frame = pd.DataFrame({name: dataset[name].values for name in kept})
            frame.insert(0, "series", group.removeprefix("/hrv/"))
            frame.insert(0, "participant_id", who)
            parts.append(frame)
            meanings |= {name: dataset[name].attrs for name in kept}
    return (pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()), meanings


def _dictionary(frames: Mapping[str, pd.DataFrame], meanings: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """What each column of each table means: unit, meaning, method and sources."""
    rows = []
    for table, frame in frames.items():
        for column in map(str, frame.columns):
            name, _, unit = column.partition("[")
            if name == "standard_error" and unit:
                about = f"standard error of {unit.rstrip(']')} on the scale of its transform"
                rows.append((table, column, about, "", "", ""))
            elif unit:
                kind = biomarker_kind(name)
                rows.append((table, column, kind.long_name, kind.unit, "", _sources(kind.references)))
            elif table == "hrv_windows" and column in meanings:
                attrs = meanings[column]
                rows.append(
                    (table, column, str(attrs.get("long_name", "")), str(attrs.get("units", "")),
                     str(attrs.get("method", "")), _sources(str(attrs.get("references", "")).split()))
                )  # fmt: skip
            else:
                rows.append((table, column, _PLAIN.get(column, column.replace("_", " ")), "", "", ""))
    return pd.DataFrame(rows, columns=["table", "column", "meaning", "unit", "method", "sources"])


def _sources(dois: Sequence[str]) -> str:
    return " ".join(f"https://doi.org/{doi}" for doi in dois)


_PLAIN = {
    "participant_id": "pseudonymous identifier of the participant",
    "occasion": "occasion of measurement",
    "age": "age in years",
    "series": "recording and stream that the beats come from",
    "index": "allostatic load by the definition: high is risk",
    "index_se": "standard error of the index from the repeats of each biomarker",
    "ci_low": "lower end of the 95 % interval",
    "ci_high": "upper end of the 95 % interval",
    "reference_sha256": "hash of the frozen reference: only scores of one reference compare",
    "definition_sha256": "hash of the definition",
}


def plain_dataset(dataset: xr.Dataset) -> dict[str, Any]:
    """Numbers and texts of a dataset by name, without its labels."""
    return {str(name): np.asarray(variable.values) for name, variable in dataset.variables.items()}
