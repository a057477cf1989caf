"""Cohort tables and figures: suppression of small cells, agreement, flow, what went wrong."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from allostat.biomarkers import Person
from allostat.report import CohortMember, CohortOverview, IndexValue, cohort_page, summary_lines
from allostat.report.cohort_tables import SUPPRESSED, agreement, group_table, missingness, prevalence, spearman
from allostat.report.interactive import distributions, index_plot, quality_strips


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=3, max_size=30))
@settings(max_examples=40, deadline=None)
def test_spearman_is_that_of_scipy_with_ties(pairs: list[tuple[int, int]]) -> None:
    a, b = np.array(pairs, dtype=np.float64).T
    rho, n = spearman(a, b)
    assert n == len(pairs)
    if len(set(a)) > 1 and len(set(b)) > 1:
        assert rho == pytest.approx(float(spearmanr(a, b).statistic), abs=1e-12)
    else:
        assert math.isnan(rho)


def test_spearman_leaves_out_missing_pairs() -> None:
    rho, n = spearman(np.array([1.0, 2, np.nan, 4, 5]), np.array([1.0, 2, 3, np.nan, 5]))
    assert (rho, n) == (pytest.approx(1.0), 3)


def test_groups_below_five_are_suppressed_in_table_and_figure(cohort: Callable[..., CohortOverview]) -> None:
    overview = cohort(12)  # nine nurses, three physicians
    table = group_table(overview, {})
    assert table is not None
    for row in table.rows:
        if row[2] == "physicians":
            assert row[3] == "< 5" and row[4] == SUPPRESSED and row[5] == ""
    plot = distributions(overview, {})
    assert plot is not None
    boxes = [d for d in plot.data if d["type"] == "box"]
    assert boxes and all("physicians" not in d["x"][0] for d in boxes)
    hidden = [d for d in plot.data if d["type"] == "scatter"]
    assert all(d["y"] == [None] for d in hidden)


def test_prevalence_of_few_participants_is_suppressed(cohort: Callable[..., CohortOverview]) -> None:
    table = prevalence(cohort(4))
    assert table is not None
    assert all(row[3] in (SUPPRESSED, "–") for row in table.rows)


def test_missingness_counts_reasons_and_the_unmeasured() -> None:
    members = [CohortMember(str(i), biomarkers={"hs_crp": 1.0} if i else {"sbp": 120.0}) for i in range(3)]
    table = missingness(CohortOverview("x", members))
    assert table is not None
    rows = {row[0]: row for row in table.rows}
    assert rows["hs-CRP"][1:] == ("2", "1", "67 %", "not measured 1")
    assert rows["systolic BP"][1:3] == ("1", "2")


def test_agreement_needs_two_definitions(cohort: Callable[..., CohortOverview]) -> None:
    assert agreement(CohortOverview("x", [CohortMember("a", index={"system": IndexValue(1.0)})])) is None
    table = agreement(cohort(8))
    assert table is not None and table.rows[0][:3] == ("system", "count_sex", "8")


def test_index_of_nobody_and_qc_of_nobody_draw_nothing() -> None:
    overview = CohortOverview("x", [CohortMember("a", index={"system": IndexValue()}, qc={"hours": math.nan})])
    assert index_plot(overview) is None
    assert quality_strips(overview) is None


def test_page_shows_flow_failures_with_command_and_strangers(cohort: Callable[..., CohortOverview]) -> None:
    page = cohort_page(cohort(6))
    assert "8 participants found, 6 processed, 1 excluded, 1 failed." in page
    assert "labs.tsv, line 7: unknown unit" in page
    assert "<code>allostat run study --only sub-098</code>" in page
    assert "raw/stranger.csv" in page


def test_page_without_script_still_holds_every_number(cohort: Callable[..., CohortOverview]) -> None:
    overview = cohort(6)
    page = cohort_page(overview).split('<script type="application/json"')[0]
    for caption in ("Quality metrics as a table", "Hours with valid beats as a table", "Biomarkers by group as a table",
                    "Prevalence of high risk by component", "Agreement between definitions"):  # fmt: skip
        assert caption in page
    assert "<noscript>" in cohort_page(overview)


def test_plotly_is_inlined_once_and_only_when_something_is_drawn(cohort: Callable[..., CohortOverview]) -> None:
    page = cohort_page(cohort(6))
    assert page.count("<script>") == 2
    assert 4_000_000 < len(page.encode()) < 6_000_000
    assert len(cohort_page(CohortOverview("x", [])).encode()) < 60_000


def test_summary_for_the_terminal_names_failures_and_how_to_run_them_again() -> None:
    members = [
        CohortMember("a", person=Person("a")),
        CohortMember("b", "failed", "bad file", rerun="allostat run s --only b"),
    ]
    assert summary_lines(CohortOverview("x", members)) == [
        "2 found, 1 processed, 0 excluded, 1 failed",
        "  failed  b: bad file",
        "          again: allostat run s --only b",
    ]
