"""Methods text and bibliography: only what was used, nothing invented."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from dataclasses import replace
from importlib import resources
from pathlib import Path

from allostat.allostatic_load import definition_names, load_definition
from allostat.biomarkers import biomarker_kinds
from allostat.circadian import CORNELISSEN, VAN_SOMEREN
from allostat.hrv import MEASURES, PRESETS
from allostat.quality import REFERENCES as QUALITY_SOURCES
from allostat.report import Used, methods_text, references_bib
from allostat.report.bibliography import reference, references
from allostat.sleep_course import REFERENCES
from allostat.store.result import ParticipantResult


def test_methods_name_what_was_used_and_nothing_else(whole_result: Callable[..., ParticipantResult]) -> None:
    text = methods_text({"hrv": {"preset": "taskforce1996"}}, Used.of(whole_result(hours=1.0)))
    phrases = ["1 participant", "allostat 0.1.0", "numpy 2.4.6", "electrocardiogram", "taskforce1996", "5 min"]
    phrases += ["Polar H10 (firmware 3.1.1)", "polar_ecg_logger", "`system`", "Adam", 'preset = "taskforce1996"']
    for phrase in phrases:
        assert phrase in text, phrase
    assert "photoplethysmogram" not in text
    assert "C-reactive" not in text, "hs-CRP is missing in this result"


def test_methods_of_nothing_claim_nothing(empty_result: ParticipantResult) -> None:
    text = methods_text("", Used.of(empty_result))
    assert "No beats were found" in text
    assert "No biomarker had a value" in text
    assert "No allostatic load index was computed" in text
    assert "## References" not in text and "## Settings" not in text


def test_used_of_several_results_is_their_union(
    whole_result: Callable[..., ParticipantResult], empty_result: ParticipantResult
) -> None:
    used = Used.of(whole_result(hours=1.0), empty_result)
    assert used.participants == {"sub-001", "sub-009"}
    assert used == Used.of(whole_result(hours=1.0)).merged(Used.of(empty_result))


def test_bibtex_lists_each_source_once_whatever_the_case_of_its_doi() -> None:
    text = references_bib(["10.1161/01.CIR.93.5.1043", "10.1161/01.cir.93.5.1043", "https://doi.org/10.9999/none"])
    assert text.count("@article{taskforce1996,") == 1
    assert "@misc{doi_10_9999_none," in text
    assert text.count("@") == 2
    assert text.count("{") == text.count("}")


def test_unknown_source_carries_its_doi_and_nothing_invented() -> None:
    found = reference("10.9999/none")
    assert (found.author, found.year, found.title) == ("", None, "")
    assert found.text == "doi:10.9999/none"


def test_every_listed_source_has_author_year_and_an_own_key() -> None:
    entries = tomllib.loads(resources.files("allostat_data").joinpath("bibliography.toml").read_text("utf-8"))
    assert all(doi == doi.casefold() and doi.startswith("10.") for doi in entries)
    assert all(e["author"] and e["year"] for e in entries.values())
    assert len({e["key"] for e in entries.values()}) == len(entries)


def test_sources_of_the_biomarkers_are_in_the_bibliography() -> None:
    dois = {doi for kind in biomarker_kinds().values() for doi in kind.references if doi.startswith("10.")}
    assert [r.doi for r in references(dois) if not r.author] == []


_DOI = re.compile(r"10\.\d{4,5}/[^\s\"'`,;|\]}]+")


def test_every_source_that_allostat_names_is_in_the_bibliography() -> None:
    """Every DOI in the code, its docstrings included, and in the data; ``example.org``-like ones are not among them."""
    listed = set(tomllib.loads(resources.files("allostat_data").joinpath("bibliography.toml").read_text("utf-8")))
    named: dict[str, str] = {}
    for package in ("allostat", "allostat_devices", "allostat_data"):
        folder = Path(str(resources.files(package)))
        for path in sorted(f for f in folder.rglob("*") if f.suffix in (".py", ".toml")):
            for doi in _DOI.findall(path.read_text("utf-8")):
                bare = doi.rstrip(".:)") if doi.count("(") < doi.count(")") else doi.rstrip(".:")
                named[bare.casefold()] = path.name
    assert len(named) > 60
    assert {doi: where for doi, where in named.items() if doi not in listed} == {}


def test_bodies_of_several_and_questions_print_as_they_are_written() -> None:
    assert reference("10.1161/01.CIR.93.5.1043").text.startswith(
        "Task Force of the European Society of Cardiology and the North American Society of Pacing and "
        "Electrophysiology (1996). Heart rate variability: standards"
    )
    assert "variability? IEEE Transactions" in reference("10.1109/10.959330").text
    assert all(".." not in reference(doi).text and "?." not in reference(doi).text for doi in _listed())


def test_sources_of_the_presets_and_the_course_have_titles() -> None:
    for doi in ("10.1016/j.cmpb.2013.07.024", "10.1111/psyp.13287", VAN_SOMEREN, *REFERENCES.split()):
        assert reference(doi).title, doi


def _listed() -> list[str]:
    return list(tomllib.loads(resources.files("allostat_data").joinpath("bibliography.toml").read_text("utf-8")))


def test_methods_leave_out_what_belongs_to_one_participant(whole_result: Callable[..., ParticipantResult]) -> None:
    result = whole_result(hours=1.0)
    rows = tuple(
        replace(r, provenance="mean of 5 of 6 readings, SD 2.07 mmHg; cuff; labs.tsv line 37, 38")
        if r.biomarker == "sbp"
        else r
        for r in result.biomarkers.rows
    )
    text = methods_text("", Used.of(replace(result, biomarkers=replace(result.biomarkers, rows=rows))))
    assert "mean of 5 of 6 readings; cuff\n" in text
    assert "labs.tsv" not in text and "2.07" not in text


def test_sources_of_heart_rate_variability_and_its_presets_are_in_the_bibliography() -> None:
    dois = {doi for about in MEASURES.values() for doi in about.references}
    dois |= {doi for preset in PRESETS.values() for doi in preset.references} | {CORNELISSEN, VAN_SOMEREN}
    dois |= set(QUALITY_SOURCES.split())
    dois |= {doi for name in definition_names() for doi in load_definition(name).doi.split()}
    assert [r.doi for r in references(dois) if not r.author] == []


def test_detector_and_correction_are_cited_where_beats_name_them(
    whole_result: Callable[..., ParticipantResult],
) -> None:
    result = whole_result(hours=1.0)
    found = {name: replace(beats, method="allostat + lipponen2019") for name, beats in result.beats.items()}
    keys = {r.key for r in references(Used.of(replace(result, beats=found)).dois)}
    assert {"pan1985", "hamilton1986", "lipponen2019"} <= keys
    assert "zong2003" not in keys
