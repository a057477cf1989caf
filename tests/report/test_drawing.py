"""Axes, ticks, numbers and the rewriting of SVG."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allostat.report.axis_frame import frame, legend, round_ticks, text_width
from allostat.report.blocks import band, number, percent
from allostat.report.svg import BLUE, Axes, Figure, line_path


@given(
    st.floats(-1e6, 1e6, allow_nan=False),
    st.floats(1e-3, 1e6, allow_nan=False),
    st.integers(3, 12),
)
@settings(max_examples=50, deadline=None)
def test_ticks_are_few_round_evenly_spaced_and_inside(low: float, span: float, most: int) -> None:
    ticks = round_ticks(low, low + span, most)
    places = np.array([place for place, _ in ticks])
    assert 1 <= len(ticks) <= most
    assert (places >= low - 1e-6 * span).all() and (places <= low + span * (1 + 1e-6)).all()
    if len(places) > 2:
        steps = np.diff(places)
        assert np.allclose(steps, steps[0], rtol=1e-6)
    assert len({label for _, label in ticks}) == len(ticks)


def test_ticks_of_an_empty_range_are_its_one_value() -> None:
    assert round_ticks(3.0, 3.0, 5) == [(3.0, "3")]


@pytest.mark.parametrize(
    ("value", "text"),
    [(float("nan"), "–"), (0.0, "0"), (-0.1264, "−0.126"), (1234.6, "1\u202f235"),
     (57.0, "57"), (2.346, "2.35"), (1e-7, "1.00e−07")],
)  # fmt: skip
def test_numbers_have_three_digits_and_a_true_minus(value: float, text: str) -> None:
    assert number(value) == text


def test_a_small_share_never_reads_as_zero() -> None:
    assert percent(0.0008) == "< 1 %"
    assert percent(0.0) == "0 %"
    assert percent(float("nan")) == "–"


def test_band_clips_open_ends_to_its_scale_and_is_absent_without_a_value() -> None:
    found = band(41.0, 29.0, float("inf"), (0, 100))
    assert found is not None and (found.low, found.high, found.at) == (29.0, 100.0, 41.0)
    assert band(float("nan"), 0, 1, (0, 1)) is None


def drawn(key: str, label: str = "a") -> str:
    figure = Figure(400, 200)
    axes = figure.axes()
    axes.line([0, 1, 2], [0.5, 0.123456, 0.7], BLUE, marker="o", label=label)
    axes.rectangles([(0.0, 0.0, 1.0, 0.5)], BLUE, alpha=0.5)
    axes.xlim, axes.ylim = (0.0, 2.0), (0.0, 1.0)
    frame(axes, xlabel=label, ylabel="y")
    legend(axes)
    return str(figure.inline(key=key, title="<t>", description="d & e"))


def test_svg_is_titled_escaped_and_without_foreign_addresses() -> None:
    svg = drawn("k")
    assert svg.startswith('<svg role="img" viewBox="0 0 400 200"')
    assert '<title id="k-t">&lt;t&gt;</title><desc id="k-d">d &amp; e</desc>' in svg
    assert "http" not in svg and "metadata" not in svg and "<style" not in svg
    assert "var(--blue)" in svg and "#0072b2" not in svg
    assert "font-family" not in svg


def test_ids_of_two_figures_never_meet_and_every_reference_resolves() -> None:
    first, second = drawn("one"), drawn("two")
    ids = [set(re.findall(r'id="([^"]+)"', svg)) for svg in (first, second)]
    assert not ids[0] & ids[1]
    for svg, known in zip((first, second), ids, strict=True):
        named = {name for names in re.findall(r'aria-labelledby="([^"]+)"', svg) for name in names.split()}
        assert named == known
        ElementTree.fromstring(svg)


def hundred() -> Axes:
    """Axes of 100 by 100 pixels at (10, 20) with limits 0 to 1."""
    return Axes(10.0, 20.0, 100.0, 100.0)


def test_points_lie_where_the_limits_put_them() -> None:
    axes = hundred()
    assert [a.tolist() for a in axes.pixels([0.0, 0.5, 1.0], [0.0, 0.25, 1.0])] == [[10, 60, 110], [120, 95, 20]]
    axes.ylim = (1.0, 0.0)
    assert axes.pixels([0.0], [0.25])[1].tolist() == [45]
    axes.logarithmic, axes.ylim = True, (1.0, 100.0)
    assert axes.pixels([0.0] * 3, [1.0, 10.0, 100.0])[1].tolist() == [120, 70, 20]
    assert np.isnan(axes.pixels([0.0], [0.0])[1]).all()


def test_a_line_is_broken_at_nan_and_leaves_out_points_on_the_same_pixel() -> None:
    x = np.array([0.0, 1.0, 1.01, np.nan, 2.0, 3.26])
    assert line_path(x, np.zeros(6)) == "M0 0L1 0M2 0L3.3 0"
    assert line_path(np.array([np.nan]), np.zeros(1)) == "" == line_path(np.zeros(0), np.zeros(0))


def test_marks_outside_the_limits_are_left_out_and_lines_are_clipped() -> None:
    axes = hundred()
    axes.marks([0.5, 1.5, np.nan], [0.5, 0.5, 0.5], BLUE, "s", size=10)
    assert re.findall(r'd="([^"]*)"', axes.drawn()) == ["M55 65l10 0l0 10l-10 0z"]
    axes.line([0.0, 5.0], [0.5, 0.5], BLUE)
    svg = axes.drawn()
    assert svg.startswith('<svg x="10" y="20" width="100" height="100" viewBox="10 20 100 100"><path d="M10 70L510 70"')


def test_a_stripe_covers_the_height_and_a_band_lies_between_its_curves() -> None:
    axes = hundred()
    axes.span(0.25, 0.5, BLUE, alpha=0.1)
    axes.area([0.0, 1.0], 0.0, [0.5, 1.0], BLUE, alpha=0.1)
    stripe, area = re.findall(r'd="([^"]*)"', axes.drawn())
    assert stripe == "M35 20L60 20L60 120L35 120z"
    assert area == "M10 70L110 20L110 120L10 120z"


def test_the_legend_names_what_is_labelled_in_rows() -> None:
    axes = Axes(10.0, 60.0, 100.0, 100.0)
    for name in "abc":
        axes.marks([], [], BLUE, "o", label=name)
    axes.marks([], [], BLUE, "o")
    legend(axes, columns=2)
    places = re.findall(r'<text x="(-?[\d.]+)" y="(-?[\d.]+)"[^>]*>([abc])<', axes.drawn())
    assert [text for *_, text in places] == ["a", "b", "c"]
    assert places[0][0] == places[2][0] and places[0][1] == places[1][1] and float(places[0][1]) < float(places[2][1])
    assert text_width("mmmm") > text_width("llll") > 0


def test_figures_with_text_that_looks_like_formulas_are_drawn_as_text() -> None:
    assert "$x^2$" in drawn("k", "$x^2$")


def test_drawing_twice_gives_the_same_bytes() -> None:
    assert drawn("k") == drawn("k")
