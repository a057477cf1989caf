"""The tables of a run: tab-separated text that any program reads and no spreadsheet executes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from allostat.biomarkers import BiomarkerTable, biomarker_kind, joined_numbers
from allostat.study.layout import write_atomic

if TYPE_CHECKING:
    import xarray as xr

MISSING = "n/a"
"""How a missing value is written, as in BIDS."""
_EXECUTED = ("=", "+", "-", "@", "\t", "\r")


def cell(value: Any) -> str:
    """One cell: numbers with all their digits, ``n/a`` when missing, text that a spreadsheet would execute defused."""
    if value is None:
        return MISSING
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else MISSING
    if isinstance(value, int):
        return str(value)
    text = str(value).replace("\t", " ").replace("\r", " ").replace("\n", " ")
    return ("'" + text if defused(str(value)) != str(value) else text) or MISSING


def defused(text: str) -> str:
    """A text that a spreadsheet would execute, with an apostrophe before it; any other as it is."""
    return f"'{text}" if text.startswith(_EXECUTED) else text


def write_tsv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a table whole or not at all."""
    write_tsv_lines(path, [tsv_line(columns), *map(tsv_line, rows)])


def tsv_line(cells: Iterable[Any]) -> str:
    """One line of a table, without its end."""
    return "\t".join(map(cell, cells))


def write_tsv_lines(path: Path, lines: Iterable[str]) -> None:
    """Write a table of such lines, whole or not at all."""
    write_atomic(path, "\n".join(lines) + "\n")


def long_rows(table: BiomarkerTable) -> tuple[list[str], list[list[Any]]]:
    """Columns and rows of biomarkers_long.tsv: one row per participant, occasion and biomarker."""
    columns = [
        "participant_id", "occasion", "biomarker", "value", "unit", "standard_error", "n", "coverage", "quality",
        "context", "provenance", "raw_value", "adjustment", "repeats",
    ]  # fmt: skip
    rows = [
        [
            r.participant, r.occasion, r.biomarker, r.value, r.unit, r.standard_error, r.n, r.coverage,
            ";".join(r.quality), r.context, r.provenance, r.raw_value, r.adjustment, joined_numbers(r.repeats),
        ]
        for r in sorted(table.rows, key=lambda r: (r.participant, r.occasion, r.biomarker))
    ]  # fmt: skip
    return columns, rows


def wide_rows(table: BiomarkerTable) -> tuple[list[str], list[list[Any]]]:
    """Columns and rows of biomarkers_wide.tsv: one row per participant and occasion."""
    names = sorted({r.biomarker for r in table.rows})
    values = {(r.participant, r.occasion, r.biomarker): r.value for r in table.rows}
    rows = []
    for participant, occasion in table.keys:
        person = table.persons.get(participant)
        about = [person.sex, person.age_years, person.group] if person else [None, None, None]
        rows.append([participant, occasion, *about, *(values.get((participant, occasion, n)) for n in names)])
    return ["participant_id", "occasion", "sex", "age", "group", *names], rows


def load_rows(load: Mapping[str, xr.Dataset]) -> tuple[list[str], list[list[Any]]]:
    """Columns and rows of allostatic_load.tsv: one row per participant, occasion and definition."""
    columns = [
        "participant_id", "occasion", "definition", "index", "index_se", "ci_low", "ci_high", "n_inputs", "n_systems",
        "reason", "definition_sha256", "reference", "reference_sha256",
    ]  # fmt: skip
    rows: list[list[Any]] = []
    for definition, result in load.items():
        attrs = [result.attrs.get(k) for k in ("definition_sha256", "reference", "reference_sha256")]
        by_occasion = result if "occasion" in result.dims else result.expand_dims("occasion", axis=1)
        # As lists: asking a dataset for one value after the other takes milliseconds each.
        asked = ("index", "index_se", "ci_low", "ci_high", "n_inputs", "n_systems", "index_status")
        columns_of = {name: by_occasion[name].transpose("participant", "occasion").values.tolist() for name in asked}
        status = by_occasion["index_status"]
        reasons = {v: meaning(v, status.attrs) for v in np.unique(status.values).tolist()}
        for i, who in enumerate(by_occasion["participant"].values):
            for j, occasion in enumerate(by_occasion["occasion"].values):
                *numbers, inputs, systems, reason = (columns_of[name][i][j] for name in asked)
                counts = [float(n) for n in numbers] + [int(inputs), int(systems)]
                rows.append([str(who), str(occasion), definition, *counts, reasons[reason], *attrs])
    return columns, sorted(rows, key=lambda row: row[:3])


def meaning(value: int, attrs: Mapping[Any, Any]) -> str:
    """What a flag value says, by its CF attributes: names of its set bits, or of the value."""
    names = str(attrs.get("flag_meanings", "")).split()
    if "flag_masks" in attrs:
        masks = [int(m) for m in np.atleast_1d(attrs["flag_masks"])]
        return ";".join(name for mask, name in zip(masks, names, strict=True) if value & mask)
    values = [int(v) for v in np.atleast_1d(attrs["flag_values"])]
    return dict(zip(values, names, strict=True))[value]


def dictionary_rows(table: BiomarkerTable) -> tuple[list[str], list[list[Any]]]:
    """Columns and rows of dictionary.tsv: what each column of the wide table and of the index table means."""
    rows: list[list[Any]] = []
    for name in sorted({r.biomarker for r in table.rows}):
        kind = biomarker_kind(name)
        sources = " ".join(f"https://doi.org/{doi}" for doi in kind.references)
        rows.append(
            ["biomarkers_wide.tsv", name, kind.long_name, kind.unit, kind.system, kind.direction, kind.loinc, sources]
        )
    rows += [[file, column, text, unit, None, None, None, None] for file, column, text, unit in _INDEX_COLUMNS]
    return ["file", "column", "meaning", "unit", "system", "risk_side", "loinc", "sources"], rows


_INDEX_COLUMNS = (
    ("allostatic_load.tsv", "index", "allostatic load by the definition; high is risk", "1"),
    ("allostatic_load.tsv", "index_se", "standard error from the repeats of each biomarker", "1"),
    ("allostatic_load.tsv", "ci_low", "lower end of the 95 % interval", "1"),
    ("allostatic_load.tsv", "ci_high", "upper end of the 95 % interval", "1"),
    ("allostatic_load.tsv", "n_inputs", "biomarkers that entered", "1"),
    ("allostatic_load.tsv", "n_systems", "systems that entered", "1"),
    ("allostatic_load.tsv", "reason", "why there is no index, when there is none", None),
    ("allostatic_load.tsv", "reference_sha256", "frozen reference: only scores with the same one compare", None),
    ("qc.tsv", "corrected_share", "beats classified as artefacts among all beats", "1"),
    ("qc.tsv", "beat_hours", "hours covered by valid beat intervals, all streams added", "h"),
)
