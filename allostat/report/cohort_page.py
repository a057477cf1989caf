"""The cohort page: what went in, what came out, what went wrong, and the way to every participant."""

from __future__ import annotations

import math
from typing import Any

from markupsafe import Markup, escape

from allostat.biomarkers import biomarker_kinds
from allostat.report.blocks import Section, Table, Tile, number, readable_unit
from allostat.report.cohort import CohortMember, CohortOverview
from allostat.report.cohort_tables import (
    agreement,
    biomarker_names,
    definitions,
    device_table,
    failures,
    group_table,
    metric_names,
    missingness,
    prevalence,
)
from allostat.report.interactive import (
    Plot,
    adherence,
    agreement_plot,
    distributions,
    index_plot,
    plotly_script,
    quality_strips,
)
from allostat.report.load_figures import short_name
from allostat.report.template import render


def cohort_page(cohort: CohortOverview) -> str:
    """The page of a cohort as HTML text: one self-contained document, Plotly inlined once, nothing loaded.

    Parameters
    ----------
    cohort
        What the run left behind.

    Returns
    -------
    str
        Every figure's numbers are in a table as well, so the page works without JavaScript. The same cohort gives the
        same text.
    """
    units = {name: kind.unit for name, kind in biomarker_kinds().items()}
    people = _people(cohort)
    drawn = (
        quality_strips(cohort),
        adherence(cohort),
        distributions(cohort, units),
        index_plot(cohort),
        agreement_plot(cohort),
    )
    plots = {p.id: p for p in drawn if p is not None}
    sections = (
        _problems(cohort),
        _section("participants", "Participants"),
        _section("quality", "Quality", _quality_table(cohort), device_table(cohort)),
        _section("adherence", "Adherence", _adherence_table(cohort)),
        _section("biomarkers", "Biomarkers by group", group_table(cohort, units)),
        _section("index", "Allostatic load index", prevalence(cohort), agreement(cohort)),
        _section("missing", "Missing values", missingness(cohort)),
        Section(
            "methods",
            "Methods",
            "To copy into a manuscript; it names only what was used.",
            text=cohort.methods,
            missing=() if cohort.methods else ("No methods text was given.",),
        ),
        _section("notices", "Notices", _notices_table(cohort)),
    )
    return render(
        "cohort.html.j2",
        title=f"{cohort.title}: cohort",
        cohort=cohort,
        tiles=_tiles(cohort),
        people=people,
        sections=sections,
        plots=plots,
        places={
            "quality": ("quality",),
            "adherence": ("adherence",),
            "biomarkers": ("distributions",),
            "index": ("index", "agreement"),
        },
        figures=[_figure(p) for p in plots.values()],
        plotly=Markup(plotly_script()) if plots else Markup(""),
    )


def _figure(plot: Plot) -> dict[str, Any]:
    return {"id": plot.id, "data": plot.data, "layout": plot.layout, "height": plot.height}


def _section(name: str, title: str, *tables: Table | None) -> Section:
    there = tuple(t for t in tables if t is not None)
    missing = (
        () if there or name in ("participants", "notices") else ("Nothing to show: no participant has such a value.",)
    )
    return Section(name, title, tables=there, missing=missing, intro="None." if name == "notices" and not there else "")


def _tiles(cohort: CohortOverview) -> tuple[Tile, ...]:
    flow = cohort.flow
    scored = definitions(cohort.having("ok"))[:1]
    done = sum(math.isfinite(m.index[d].value) for d in scored for m in cohort.having("ok") if d in m.index)
    return (
        Tile("Found", str(flow["found"]), "participants"),
        Tile("Processed", str(flow["processed"]), "", f"{done} with an index" if scored else "no index was scored"),
        Tile("Excluded", str(flow["excluded"]), "", "nothing to process" if flow["excluded"] else ""),
        Tile("Failed", str(flow["failed"]), "", "see the commands below" if flow["failed"] else ""),
    )


def _problems(cohort: CohortOverview) -> Section:
    table = failures(cohort)
    lists: list[tuple[str, tuple[str | Markup, ...]]] = []
    if cohort.unmatched_exports:
        lists.append(("Exports that belong to no participant", tuple(cohort.unmatched_exports)))
    if cohort.unmatched_participants:
        lists.append(("Participants and identifiers without a counterpart", tuple(cohort.unmatched_participants)))
    intro = "" if table or lists else "Every participant was processed, and every file belongs to somebody."
    if table is not None:
        rows = tuple(
            (*row[:3], Markup("<code>{}</code>").format(row[3]) if row[3] != "–" else "–") for row in table.rows
        )
        table = Table(table.caption, table.columns, rows)
    return Section("problems", "What went wrong", intro, tables=(table,) if table else (), lists=tuple(lists))


def _people(cohort: CohortOverview) -> Table:
    """The sortable table: one row per participant."""
    members = list(cohort.members)
    markers, scored, metrics = biomarker_names(members), definitions(members), metric_names(cohort.having("ok"))
    kinds = biomarker_kinds()
    names = [f"{short_name(n)} ({readable_unit(kinds[n].unit)})" if n in kinds else short_name(n) for n in markers]
    columns = (
        "participant",
        "status",
        "sex",
        "age",
        "group",
        *(f"index {d}" for d in scored),
        *names,
        *(m.replace("_", " ") for m in metrics),
    )
    rows = tuple(_person_row(m, scored, markers, metrics) for m in members)
    return Table("Participants", columns, rows, frozenset({3, *range(5, len(columns))}))


def _person_row(
    member: CohortMember, scored: list[str], markers: list[str], metrics: list[str]
) -> tuple[str | Markup, ...]:
    person = member.person
    age = "–" if person is None or person.age_years is None else f"{person.age_years:g}"
    index = [number(member.index[d].value) if d in member.index else "–" for d in scored]
    return (
        _link(member),
        member.status,
        (person.sex if person else None) or "–",
        age,
        (person.group if person else None) or "–",
        *index,
        *(number(member.biomarkers.get(n, math.nan)) for n in markers),
        *(number(member.qc.get(n, math.nan)) for n in metrics),
    )


def _link(member: CohortMember) -> Markup:
    if not member.link:
        return escape(member.participant)
    return Markup('<a href="{}">{}</a>').format(member.link, member.participant)


def _quality_table(cohort: CohortOverview) -> Table | None:
    members = cohort.having("ok")
    metrics = metric_names(members)
    rows = tuple((m.participant, *(number(m.qc.get(n, math.nan)) for n in metrics)) for m in members)
    columns = ("participant", *(n.replace("_", " ") for n in metrics))
    return Table("Quality metrics", columns, rows, frozenset(range(1, len(columns)))) if metrics else None


def _adherence_table(cohort: CohortOverview) -> Table | None:
    rows = tuple(
        (
            m.participant,
            str(len(m.adherence)),
            number(sum(h for _, h in m.adherence)),
            ", ".join(f"{d} {h:.1f}" for d, h in m.adherence),
        )
        for m in cohort.having("ok")
        if m.adherence
    )
    columns = ("participant", "days", "hours", "hours by date")
    return Table("Hours with valid beats", columns, rows, frozenset({1, 2})) if rows else None


def _notices_table(cohort: CohortOverview) -> Table | None:
    rows = tuple((n.severity, n.code, n.message, str(n.count), n.file or "–") for n in cohort.notices)
    return Table("Notices", ("severity", "code", "message", "count", "file"), rows, frozenset({3})) if rows else None
