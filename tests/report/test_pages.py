"""Promises that hold for every page: self-contained, escaped, small, deterministic, accessible, honest when empty."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from allostat.biomarkers import Person
from allostat.recording import Notice
from allostat.report import CohortMember, CohortOverview, cohort_page, participant_page
from allostat.store.result import ParticipantResult

HOSTILE = "<img src=x onerror=alert(1)>\"'&$x^2$"
VOID = {"meta", "br", "img", "input", "link", "hr", "path", "use", "rect"}


class Outline(HTMLParser):
    """Tags with attributes, and whether open and close tags balance."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.faults: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID:
            return
        if not self.open or self.open.pop() != tag:
            self.faults.append(tag)


def outline(page: str) -> Outline:
    parsed = Outline()
    parsed.feed(page)
    parsed.close()
    return parsed


@pytest.fixture(scope="module")
def pages(
    whole_result: Callable[..., ParticipantResult],
    empty_result: ParticipantResult,
    cohort: Callable[..., CohortOverview],
) -> dict[str, str]:
    return {
        "whole": participant_page(whole_result()),
        "empty": participant_page(empty_result),
        "cohort": cohort_page(cohort()),
        "cohort without members": cohort_page(CohortOverview("Nobody", [])),
    }


NAMES = ("whole", "empty", "cohort", "cohort without members")


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_loaded_from_anywhere(pages: dict[str, str], name: str) -> None:
    for tag, attrs in outline(pages[name]).tags:
        assert tag not in ("link", "iframe", "object", "embed", "base", "form", "video", "audio"), tag
        assert "src" not in attrs and "srcset" not in attrs and "xlink:href" not in attrs
        href = attrs.get("href") or "#"
        if tag == "a":
            assert href.startswith(("#", "https://doi.org/")) or ":" not in href, href
        else:
            assert href.startswith("#"), (tag, href)
    without_script = re.sub(r"<script.*?</script>", "", pages[name], flags=re.DOTALL)
    assert not re.findall(r"url\((?!#)", without_script)
    assert "@import" not in without_script


@pytest.mark.parametrize("name", NAMES)
def test_content_security_policy_forbids_the_network(pages: dict[str, str], name: str) -> None:
    policies = [
        a["content"]
        for t, a in outline(pages[name]).tags
        if t == "meta" and a.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policies == ["default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"]
    assert pages[name].index("Content-Security-Policy") < pages[name].index("<title>")


@pytest.mark.parametrize("name", NAMES)
def test_markup_is_balanced_and_ids_are_unique(pages: dict[str, str], name: str) -> None:
    parsed = outline(pages[name])
    assert not parsed.faults and not parsed.open
    ids = [a["id"] for _, a in parsed.tags if "id" in a]
    assert len(ids) == len(set(ids))
    for _, attrs in parsed.tags:
        for name_of in (attrs.get("aria-labelledby") or "").split():
            assert name_of in ids


@pytest.mark.parametrize("name", NAMES)
def test_banner_says_that_it_is_no_diagnosis(pages: dict[str, str], name: str) -> None:
    assert "Not a diagnosis" in pages[name]


def test_participant_page_needs_no_script_and_stays_small(pages: dict[str, str]) -> None:
    assert "<script" not in pages["whole"]
    assert len(pages["whole"].encode()) <= 500_000


def test_two_weeks_of_recording_stay_below_the_size_limit(whole_result: Callable[..., ParticipantResult]) -> None:
    assert len(participant_page(whole_result(hours=14 * 24.0)).encode()) <= 500_000


def test_same_result_gives_the_same_bytes(whole_result: Callable[..., ParticipantResult]) -> None:
    assert participant_page(whole_result(hours=3.0)) == participant_page(whole_result(hours=3.0))


def test_same_cohort_gives_the_same_bytes(cohort: Callable[..., CohortOverview]) -> None:
    assert cohort_page(cohort(6)) == cohort_page(cohort(6))


def test_every_figure_has_title_description_caption_and_table(pages: dict[str, str]) -> None:
    figures = re.findall(r"<figure.*?</figure>", pages["whole"], re.DOTALL)
    assert len(figures) >= 8
    for figure in figures:
        assert 'role="img"' in figure
        assert re.search(r"<title id=[^>]*>[^<]+</title><desc id=[^>]*>[^<]+</desc>", figure)
        assert "<figcaption>" in figure
        assert "<table>" in figure


def test_figures_take_their_colours_from_the_page(pages: dict[str, str]) -> None:
    for svg in re.findall(r"<svg.*?</svg>", pages["whole"], re.DOTALL):
        assert not re.findall(r"#[0-9a-f]{6}\b", svg)
    assert "prefers-color-scheme: dark" in pages["whole"]
    assert "@media print" in pages["whole"]


@pytest.mark.parametrize(
    "section",
    ["Recordings", "Coverage", "Signal", "Tachogram", "Heart rate variability", "Course of the day", "Cortisol",
     "Biomarkers", "Allostatic load index", "Methods and settings", "References", "Inputs", "Warnings and notices"],
)  # fmt: skip
def test_participant_page_has_its_sections_with_and_without_data(pages: dict[str, str], section: str) -> None:
    for name in ("whole", "empty"):
        assert re.search(rf"<h2[^>]*>{section}</h2>", pages[name]), name


def test_page_of_an_almost_empty_result_says_what_is_missing_and_why(pages: dict[str, str]) -> None:
    page = pages["empty"]
    assert "No beats were found" in page
    assert "CORTISOL_TIME_MISSING" in page
    assert "the time zone is not known" in page
    assert "No definition of the index was scored" in page
    assert "<figure" not in page
    assert not re.search(r"\bnan\b", page, re.IGNORECASE)


def test_page_of_a_whole_result_shows_numbers_hashes_and_codes(pages: dict[str, str]) -> None:
    page = pages["whole"]
    for text in ("CRP_ACUTE", "LOW_WEAR", "a1" * 32, "b2" * 32, "taskforce1996", "Polar H10 (firmware 3.1.1)",
                 "Europe/Vienna", "wrist off for 31 % of the time", "10.1161/01.CIR.93.5.1043"):  # fmt: skip
        assert text in page, text
    assert not re.search(r"\bnan\b", page, re.IGNORECASE)


def test_hostile_identifiers_and_texts_are_escaped(whole_result: Callable[..., ParticipantResult]) -> None:
    result = whole_result(hours=1.0)
    hostile = replace(
        result,
        participant=result.participant,
        person=Person(result.participant, group=HOSTILE, medications=(HOSTILE,)),
        beats={HOSTILE: next(iter(result.beats.values()))},
        hrv={HOSTILE: next(iter(result.hrv.values()))},
        circadian=None,
        notices=(Notice(HOSTILE, HOSTILE, file=HOSTILE),),
    )
    page = participant_page(hostile)
    assert "<img" not in page
    assert "&lt;img src=x onerror=alert(1)&gt;" in page
    assert not outline(page).faults


def test_hostile_participant_is_escaped_on_its_page(empty_result: ParticipantResult) -> None:
    page = participant_page(replace(empty_result, participant=HOSTILE))
    assert "<img" not in page
    assert "&lt;img src=x" in page


def test_hostile_member_is_escaped_in_table_json_and_labels(cohort: Callable[..., CohortOverview]) -> None:
    page = cohort_page(cohort(6, HOSTILE))
    before, after = page.split('<script type="application/json"', 1)
    assert "<img src=x" not in re.sub(r"<script>.*?</script>", "", before, flags=re.DOTALL)
    figures, _ = after.split("</script>", 1)
    assert "<" not in figures.split(">", 1)[1]
    names = json.loads(figures.split(">", 1)[1])
    assert "&lt;img" in json.dumps(names)


def test_link_of_a_member_never_leaves_the_output_folder() -> None:
    members = [
        CohortMember("a", href="javascript:alert(1)", qc={"hours": 1.0}),
        CohortMember("b", href="//elsewhere.example/x"),
        CohortMember("c", href="sub-c/report.html"),
    ]
    page = cohort_page(CohortOverview("Links", members))
    links = [a["href"] for t, a in outline(page).tags if t == "a" and not (a.get("href") or "#").startswith("#")]
    assert links == ["sub-c/report.html"]
    assert "javascript:alert" not in page
