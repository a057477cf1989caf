"""Methods text and bibliography: only what was used, nothing invented."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from importlib import resources

from allostat.biomarkers import biomarker_kinds
from allostat.report import Used, methods_text, references_bib
from allostat.report.bibliography import reference, references
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
