"""Axes, ticks, numbers and the rewriting of SVG."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allostat.report.blocks import band, number, percent
from allostat.report.svg import BLUE, add_axes, frame, inline_svg, legend, new_figure, rectangles, round_ticks


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
    figure = new_figure(400, 200)
    axes = add_axes(figure)
    axes.plot([0, 1, 2], [0.5, 0.123456, 0.7], marker="o", color=BLUE, label=label)
    rectangles(axes, [(0.0, 0.0, 1.0, 0.5)], BLUE, 0.5)
    axes.set(xlim=(0, 2), ylim=(0, 1))
    frame(axes, xlabel=label, ylabel="y")
    legend(axes)
    return str(inline_svg(figure, key=key, title="<t>", description="d & e"))


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
        assert set(re.findall(r'(?:href="#|url\(#)([^")]+)', svg)) <= known


def test_figures_with_text_that_looks_like_formulas_are_drawn_as_text() -> None:
    assert "$x^2$" in drawn("k", "$x^2$")


def test_drawing_twice_gives_the_same_bytes() -> None:
    assert drawn("k") == drawn("k")
