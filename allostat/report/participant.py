"""The participant page: everything that was found for one participant, on one self-contained page."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup

from allostat.biomarkers import biomarker_kinds
from allostat.report.bibliography import references
from allostat.report.blocks import Section, Table, number, percent
from allostat.report.cortisol_days import cortisol_days
from allostat.report.course_figures import circadian_fit, cortisol_curves, cortisol_table, windowed_course
from allostat.report.hrv_tables import person_tables, scalar_rows, window_tables, without_values
from allostat.report.load_figures import Index, component_bars, definitions_table, index_of, leave_one_out_table
from allostat.report.methods import Used, device_name, methods_text
from allostat.report.rhythm_figures import coverage, poincare_plot, tachogram
from allostat.report.series import Series, all_series, sleep_spans, zone_of
from allostat.report.spectrum_figure import spectrum_plot
from allostat.report.strip_figures import strips
from allostat.report.template import render
from allostat.report.tiles import tiles

if TYPE_CHECKING:
    from allostat.store import ParticipantResult


def participant_page(result: ParticipantResult, *, truth: None = None) -> str:
    """The page of one participant as HTML text.

    Parameters
    ----------
    result
        What the stages computed, or what the store read back.
    truth
        Reserved: a page never shows simulated truth beside results.

    Returns
    -------
    str
        One self-contained document: no script, no network, figures as inline SVG. The same result gives the same text.
    """
    series = all_series(result)
    sleep = sleep_spans(result)
    indices = {name: index_of(d, result.participant, name) for name, d in result.allostatic_load.items()}
    used = Used.of(result)
    sections = (
        _recordings(result, series),
        _coverage(series),
        _signal(result, series),
        _rhythm(series, sleep),
        _hrv(result, series),
        _circadian(result, series),
        _cortisol(result),
        _biomarkers(result),
        _load(indices),
        _methods(result, used),
        _inputs(result),
        _notices(result),
    )
    return render(
        "participant.html.j2",
        title=f"{result.participant}: allostatic load",
        participant=result.participant,
        facts=_facts(result, series),
        quality_words=_quality_words(result, series, indices),
        codes=_codes(result, indices),
        tiles=tiles(result, series, tuple(indices.values())),
        sections=sections,
        references=references(used.dois),
    )


def _facts(result: ParticipantResult, series: Sequence[Series]) -> list[tuple[str, str]]:
    person, zone = result.person, zone_of(result)
    sex = {"F": "female", "M": "male"}.get(person.sex or "", "sex not stated")
    age = "age not stated" if person.age_years is None else f"{person.age_years:g} years"
    devices = sorted(set(filter(None, map(device_name, result.recordings.values()))))
    spans = [s for s in series if len(s.beats)]
    begin = min((s for s in spans), key=lambda s: int(s.beats.times_ns[0]), default=None)
    end = max((s for s in spans), key=lambda s: int(s.beats.times_ns[-1]), default=None)
    span = "no beats"
    if begin is not None and end is not None:
        span = f"{begin.clock.text(int(begin.beats.times_ns[0]))} to {end.clock.text(int(end.beats.times_ns[-1]))}"
    versions: Mapping[str, Any] = result.provenance.get("versions") or {}
    presets = sorted({str(d.attrs["preset"]) for d in result.hrv.values() if d.attrs.get("preset")})
    return [
        ("Person", f"{sex}, {age}"),
        ("Group", person.group or "–"),
        ("Medication", ", ".join(person.medications) or "none stated"),
        ("Device", "; ".join(devices) or "not known"),
        ("Span", span),
        (
            "Time zone",
            f"{zone.name} (source: {zone.source}{', weak evidence' if zone.weak else ''})"
            if zone.known
            else "not known",
        ),
        ("Preset", ", ".join(presets) or "–"),
        ("Version", f"allostat {versions['allostat']}" if "allostat" in versions else "not recorded"),
    ]


def _codes(result: ParticipantResult, indices: Mapping[str, Index]) -> list[str]:
    """Reason codes of values, of values that nothing replaces in their system, of warnings and of the index."""
    rows, kinds = result.biomarkers.rows, biomarker_kinds()
    covered = {kinds[row.biomarker].system for row in rows if not row.missing}
    codes = {c for row in rows if not row.missing or kinds[row.biomarker].system not in covered for c in row.quality}
    codes |= {n.code for n in result.notices if n.severity != "info"}
    for index in indices.values():
        codes |= {index.reason, *index.notes} - {""}
    return sorted(codes)


def _quality_words(result: ParticipantResult, series: Sequence[Series], indices: Mapping[str, Index]) -> str:
    if not series:
        beats = "No beats were found"
    else:
        kept = sum(int((s.beats.flags == 0).sum()) for s in series)
        total = sum(len(s.beats) for s in series)
        corrected = 1 - kept / total if total else math.nan
        grade = "good" if corrected <= 0.05 else ("fair" if corrected <= 0.1 else "poor")
        beats = f"Beat quality is {grade}: {percent(corrected)} of {total:,} beats were corrected".replace(",", " ")
    accepted = [float(np.mean(q["accepted"].values)) for q in result.quality.values() if q.sizes.get("window", 0)]
    signal = f"; {percent(float(np.mean(accepted)))} of the signal windows were accepted" if accepted else ""
    there = sum(not row.missing for row in result.biomarkers.rows)
    biomarkers = (
        f"{there} of {len(result.biomarkers.rows)} biomarkers have a value"
        if result.biomarkers.rows
        else "There is no biomarker"
    )
    done = sum(math.isfinite(i.value) for i in indices.values())
    load = f"{done} of {len(indices)} index definitions could be scored" if indices else "no index was scored"
    return f"{beats}{signal}. {biomarkers}, {load}."


def _recordings(result: ParticipantResult, series: Sequence[Series]) -> Section:
    rows = []
    for item in series:
        begin = item.clock.text(int(item.beats.times_ns[0])) if len(item.beats) else "–"
        corrected = float(np.mean(item.beats.flags != 0)) if len(item.beats) else math.nan
        gaps = str(len(item.beats.gaps)) if len(item.beats) else "–"
        rows.append(
            (
                item.id,
                item.source_name,
                item.beats.method,
                begin,
                number(item.valid_hours),
                str(len(item.beats)),
                percent(corrected),
                gaps,
            )
        )
    columns = ("series", "source", "method", "from", "valid h", "beats", "corrected", "gaps")
    table = (Table("Series of beats", columns, tuple(rows), frozenset({4, 5, 6, 7})),) if rows else ()
    missing = () if rows else ("There is no series of beats: no recording was read, or none held a heartbeat.",)
    return Section("recordings", "Recordings", tables=table, missing=missing)


def _coverage(series: Sequence[Series]) -> Section:
    picture = coverage([s for s in series if s.clock.epoch == series[0].clock.epoch] if series else [])
    missing = () if picture else ("No coverage to show: there are no valid beat intervals.",)
    return Section("coverage", "Coverage", pictures=(picture,) if picture else (), missing=missing)


def _signal(result: ParticipantResult, series: Sequence[Series]) -> Section:
    drawn = [
        p for n, s in enumerate(s for s in series if s.signal is not None) if n < 2 and (p := strips(s, n)) is not None
    ]
    pictures = tuple(drawn)
    missing: tuple[str, ...] = ()
    if not pictures:
        missing = ("No signal to show: the beats came from the device, or raw signals were not kept in the store.",)
    return Section("signal", "Signal", pictures=pictures, missing=missing)


def _rhythm(series: Sequence[Series], sleep: Sequence[tuple[int, int]]) -> Section:
    main = series[0] if series else None
    picture = tachogram(main, sleep) if main else None
    missing = () if picture else ("No tachogram: fewer than two beat intervals are known.",)
    return Section("tachogram", "Tachogram", pictures=(picture,) if picture else (), missing=missing)


def _hrv(result: ParticipantResult, series: Sequence[Series]) -> Section:
    main = series[0] if series else None
    sleep = sleep_spans(result)
    drawn = (windowed_course(main, sleep), poincare_plot(main), spectrum_plot(main)) if main else ()
    pictures = [p for p in drawn if p is not None]
    tables = [*window_tables(series), *person_tables(result.hrv.get("person"))]
    missing = without_values(series)
    if not series:
        missing = ("No heart rate variability: there are no beats.",)
    intro = "Values of different windows, contexts and sources are kept apart. LF and HF are band powers, no balance."
    return Section("hrv", "Heart rate variability", intro, tuple(pictures), tuple(tables), missing)


def _circadian(result: ParticipantResult, series: Sequence[Series]) -> Section:
    title = "Course of the day"
    if result.circadian is None:
        zone = zone_of(result)
        why = "the time zone is not known" if not zone.known else "no series of beats covers 24 hours"
        return Section("circadian", title, missing=(f"No circadian fit: {why}.",))
    picture = circadian_fit(series[0], result.circadian) if series else None
    codes = str(result.circadian.attrs.get("quality", ""))
    columns = ("measure", "meaning", "value", "unit")
    table = Table("Circadian measures", columns, scalar_rows(result.circadian), frozenset({2}))
    missing = () if picture else (f"The cosinor could not be fitted ({codes or 'no reason recorded'}).",)
    intro = f"Reason codes: {', '.join(codes.split())}." if codes else ""
    return Section("circadian", title, intro, (picture,) if picture else (), (table,) if table.rows else (), missing)


def _cortisol(result: ParticipantResult) -> Section:
    days = cortisol_days(result.labs)
    if not days:
        row = next((r for r in result.biomarkers.rows if r.biomarker == "cortisol_slope"), None)
        codes = f" ({', '.join(row.quality)})" if row is not None and row.quality else ""
        return Section("cortisol", "Cortisol", missing=(f"No cortisol curve: there are no usable samples{codes}.",))
    picture = cortisol_curves(days)
    return Section("cortisol", "Cortisol", "", (picture,) if picture else (), (cortisol_table(days),))


def _biomarkers(result: ParticipantResult) -> Section:
    from allostat.report.blocks import readable_unit

    rows = tuple(
        (
            r.biomarker,
            r.occasion,
            number(r.value, 4),
            readable_unit(r.unit),
            number(r.standard_error),
            str(r.n),
            percent(r.coverage),
            r.context.replace("_", " ") or "–",
            ", ".join(r.quality) or "–",
        )
        for r in result.biomarkers.rows
    )
    columns = (
        "biomarker",
        "occasion",
        "value",
        "unit",
        "standard error",
        "repeats",
        "coverage",
        "context",
        "reason codes",
    )
    table = (Table("What enters the index", columns, rows, frozenset({2, 4, 5, 6})),) if rows else ()
    missing = () if rows else ("No biomarker was measured.",)
    intro = "Standard errors are on the scale of the biomarker's transform (ln for hs-CRP and RMSSD)."
    return Section("biomarkers", "Biomarkers", intro if rows else "", tables=table, missing=missing)


def _load(indices: Mapping[str, Index]) -> Section:
    title = "Allostatic load index"
    if not indices:
        return Section("load", title, missing=("No definition of the index was scored.",))
    pictures = [p for i in indices.values() if i.scale == "z" and (p := component_bars(i)) is not None][:1]
    tables = [definitions_table(indices)]
    tables += [t for i in indices.values() if (t := leave_one_out_table(i)) is not None]
    missing = tuple(
        f"{i.long_name}: not computed ({i.reason or 'no reason recorded'})."
        for i in indices.values()
        if not math.isfinite(i.value)
    )
    rules = tuple(f"{i.definition}: {i.rule}." for i in indices.values() if i.rule)
    used = {(i.reference, i.reference_sha256): i.reference_notes for i in indices.values() if i.reference}
    against: list[str | Markup] = []
    for (name, digest), notes in used.items():
        against += [f"{name}, sha256 {digest}", *(f"{name}: {note}" for note in notes)]
    lists = (("Missing-data rule", rules), ("References scored against", tuple(against)))
    return Section("load", title, "", tuple(pictures), tuple(tables), missing, lists=tuple(x for x in lists if x[1]))


def _methods(result: ParticipantResult, used: Used) -> Section:
    settings: Mapping[str, Any] = result.provenance.get("settings") or {}
    text = str(settings["config"]) if "config" in settings else settings
    intro = "To copy into a manuscript; it names only what was used for this participant."
    return Section("methods", "Methods and settings", intro, text=methods_text(text, used))


def _inputs(result: ParticipantResult) -> Section:
    rows = [
        (
            str(i.get("name", "")),
            str(i.get("member") or "–"),
            str(i.get("bytes", "–")),
            str(i.get("adapter", "–")),
            str(i.get("sha256", "")),
        )
        for i in result.provenance.get("inputs") or ()
    ]
    tables: Mapping[str, Any] = result.provenance.get("tables") or {}
    rows += [(str(name), "–", "–", "table", str(digest)) for name, digest in sorted(tables.items())]
    columns = ("file", "member", "bytes", "read by", "sha256")
    table = (Table("Inputs", columns, tuple(rows), frozenset({2})),) if rows else ()
    missing = () if rows else ("No input file is recorded.",)
    return Section("inputs", "Inputs", tables=table, missing=missing)


def _notices(result: ParticipantResult) -> Section:
    rows = tuple(
        (n.severity, n.code, n.message, str(n.count), n.file or "–", "–" if n.first_line is None else str(n.first_line))
        for n in result.notices
    )
    columns = ("severity", "code", "message", "count", "file", "first line")
    table = (Table("Warnings and notices", columns, rows, frozenset({3, 5})),) if rows else ()
    return Section("notices", "Warnings and notices", "" if rows else "None.", tables=table)
