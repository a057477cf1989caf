"""Collating: the cohort file, the tables and the cohort page, rebuilt from what the participants left behind."""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from allostat import __version__
from allostat.report import CohortMember, CohortOverview, IndexValue, Used, cohort_page, methods_text, references_bib
from allostat.store import CohortTable, Share, gathered, write_cohort
from allostat.study.cortisol_reliability import FILE as CORTISOL_RELIABILITY
from allostat.study.cortisol_reliability import reliability_rows
from allostat.study.crate import write_crate
from allostat.study.layout import write_atomic
from allostat.study.live_qc import FILE as QC
from allostat.study.live_qc import WORDS, qc_table
from allostat.study.output_tables import dictionary_rows, load_rows, long_rows, wide_rows, write_tsv
from allostat.study.run_record import declared_changes, restored_notices, run_record, write_record
from allostat.study.stages import score
from allostat.study.summary import share, used_of

if TYPE_CHECKING:
    import xarray as xr

    from allostat.biomarkers import Person
    from allostat.recording import Notice
    from allostat.study.config import StudyConfig
    from allostat.study.inputs import StudyTables
    from allostat.study.layout import OutputLayout
    from allostat.study.outcome import Outcome, RunResult

_SHOWN = ("qc", "adherence", "device", "cortisol_days", "inputs", "store_sha256", "page_sha256")


def write_cohort_files(place: Path, config: StudyConfig, result: RunResult, tables: StudyTables) -> tuple[Notice, ...]:
    """Write everything in the output folder that speaks of all participants of the study at ``place``.

    Returns what is worth saying of the tables beside their own notices: changes of which no entry of the log tells.
    """
    declared = declared_changes(place, result.layout.root, tables)
    collate_again(config, result, run_record(place, result, tables, declared))
    return declared


def collate_again(config: StudyConfig, result: RunResult, record: Mapping[str, Any]) -> None:
    """Write the cohort files from what participants left behind and what a run found (`run_record`)."""
    place = Path(record["study"])
    layout = result.layout
    everybody = [p.participant for p in result.plan.participants]
    # What an earlier run left of one who failed in this one was made with other inputs or settings.
    failed = {o.participant for o in result.having("failed")}
    summaries: dict[str, dict[str, Any]] = {}
    shares: list[Share] = []
    used = Used()
    for who in everybody:
        status = None if who in failed else _results(layout, who)
        if status is not None:
            shares.append(share(status, layout.store(who)))
            used = used.merged(used_of(status))
            # Of thousands no more is kept than the tables, the page and the crate show.
            summaries[who] = {name: status[name] for name in _SHOWN if name in status}
    cohort = gathered(
        shares,
        provenance={"settings": config.toml(), "version": __version__, **_table_versions(record)},
        score=lambda table: score(table, config) if table.persons else {},
    )
    write_cohort(cohort, layout.root / "cohort.h5")
    methods = methods_text(config.toml(), used)
    bibliography = references_bib(used.dois)
    write_atomic(layout.root / "methods.md", methods)
    write_atomic(layout.root / "references.bib", bibliography)
    write_atomic(layout.root / "dataset_description.json", _description(config))
    outcomes = {o.participant: o for o in result.outcomes}
    _write_tables(layout, result, cohort, summaries, outcomes)
    # The page compares persons, so it shows one occasion of each: the first. The tables and the store have all.
    baseline = {n: d.isel(occasion=0) if "occasion" in d.dims else d for n, d in cohort.allostatic_load.items()}
    values: dict[str, dict[str, float]] = {}
    for row in cohort.biomarkers.rows:
        values.setdefault(row.participant, {})[row.biomarker] = row.value
    indices = _indices(baseline, everybody)
    overview = CohortOverview(
        title=config.study.name,
        members=[
            _member(
                place,
                layout,
                p,
                cohort.biomarkers.persons.get(p),
                values.get(p, {}),
                indices[p],
                summaries.get(p, {}),
                outcomes.get(p),
            )
            for p in everybody
        ],
        biomarkers=cohort.biomarkers,
        load=baseline,
        found=len(everybody),
        unmatched_exports=result.plan.unmatched_raw,
        unmatched_participants=[
            *(f"{p}: no recordings" for p in result.plan.without_raw),
            *(f"{table}: {name}" for table, names in result.plan.unmatched_tables.items() for name in names),
        ],
        methods=methods,
        bibliography=bibliography,
        settings=config.toml(),
        notices=restored_notices(record["notices"]),
        version=__version__,
    )
    write_atomic(layout.root / "index.html", cohort_page(overview))
    write_record(layout.root, record)
    write_crate(layout, config.study.name, list(summaries), summaries)


def _table_versions(record: Mapping[str, Any]) -> dict[str, Any]:
    return {name: record[name] for name in ("tables", "table_versions", "audit")}


def _results(layout: OutputLayout, participant: str) -> dict[str, Any] | None:
    """The summary of a participant who has results; None of one who has none."""
    status = layout.read_status(participant)
    done = status is not None and status.get("status") == "done" and layout.store(participant).is_file()
    return status if done else None


def _write_tables(
    layout: OutputLayout,
    result: RunResult,
    cohort: CohortTable,
    summaries: Mapping[str, Mapping[str, Any]],
    outcomes: Mapping[str, Outcome],
) -> None:
    root = layout.root
    write_tsv(root / "biomarkers_long.tsv", *long_rows(cohort.biomarkers))
    write_tsv(root / "biomarkers_wide.tsv", *wide_rows(cohort.biomarkers))
    write_tsv(root / "allostatic_load.tsv", *load_rows(cohort.allostatic_load))
    write_tsv(root / "dictionary.tsv", *dictionary_rows(cohort.biomarkers))
    reliability = reliability_rows(summaries)
    if reliability is None:
        # none of an earlier run with other participants stays behind
        (root / CORTISOL_RELIABILITY).unlink(missing_ok=True)
    else:
        write_tsv(root / CORTISOL_RELIABILITY, *reliability)
    people = [
        [p.participant, p.person.sex, p.person.age_years, p.person.group, p.timezone, ";".join(p.person.medications)]
        for p in result.plan.participants
    ]
    write_tsv(root / "participants.tsv", ["participant_id", "sex", "age", "group", "timezone", "medications"], people)
    quality = (
        (p.participant, *_state(p.participant, summaries, outcomes), summaries.get(p.participant, {}).get("qc", {}))
        for p in result.plan.participants
    )
    write_tsv(root / QC, *qc_table(quality))


def _state(who: str, summaries: Mapping[str, object], outcomes: Mapping[str, Outcome]) -> tuple[str, str]:
    """Status and reason of a participant, also of one that this run did not touch."""
    outcome = outcomes.get(who)
    if outcome is not None:
        return WORDS[outcome.state], outcome.reason or ""
    return ("ok", "") if who in summaries else ("excluded", "not processed yet")


def _member(
    place: Path,
    layout: OutputLayout,
    who: str,
    person: Person | None,
    biomarkers: Mapping[str, float],
    index: Mapping[str, IndexValue],
    summary: Mapping[str, Any],
    outcome: Outcome | None,
) -> CohortMember:
    status, reason = _state(who, {who: summary} if summary else {}, {who: outcome} if outcome else {})
    page = layout.page(who)
    rerun = ["allostat", "run", str(place), "-o", str(layout.root), "--only", who]
    return CohortMember(
        participant=who,
        status=status,  # type: ignore[arg-type]
        reason=reason,
        person=person,
        qc=summary.get("qc", {}),
        biomarkers=biomarkers,
        index=index,
        href=page.relative_to(layout.root).as_posix() if summary and page.is_file() else None,
        rerun=shlex.join(rerun),
        adherence=[(str(day), float(hours)) for day, hours in summary.get("adherence", ())],
        device=str(summary.get("device", "")),
    )


def _indices(load: Mapping[str, xr.Dataset], everybody: Iterable[str]) -> dict[str, dict[str, IndexValue]]:
    """Indices of each participant by definition; NaN for one who is not among the scored."""
    found = {who: dict.fromkeys(load, IndexValue(math.nan, math.nan, math.nan)) for who in everybody}
    for name, dataset in load.items():
        columns = (dataset[column].values.tolist() for column in ("index", "ci_low", "ci_high"))
        for who, *numbers in zip(dataset["participant"].values.tolist(), *columns, strict=True):
            found[str(who)][name] = IndexValue(*map(float, numbers))
    return found


def _description(config: StudyConfig) -> str:
    content = {
        "Name": config.study.name,
        "BIDSVersion": "1.10.0",
        "DatasetType": "derivative",
        "GeneratedBy": [{"Name": "allostat", "Version": __version__}],
        "License": "as the inputs",
    }
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"
