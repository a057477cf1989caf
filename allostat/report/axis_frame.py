"""Axis lines, ticks, labels and legends around the axes of a figure."""

from __future__ import annotations

import math
from collections.abc import Sequence

from allostat.report.svg import MUTED, Axes, Style, label, marks, stroke

Ticks = Sequence[tuple[float, str]]
"""Places in data coordinates with their labels."""

_ROW = 18.0
_SAMPLE = 24.0
"""Width of the sample of a line in a legend, in pixels."""
_GAP = 7.0


def frame(
    axes: Axes,
    *,
    xlabel: str = "",
    ylabel: str = "",
    xticks: Ticks | None = None,
    yticks: Ticks | None = None,
    left: bool = True,
    strong: frozenset[int] = frozenset(),
) -> None:
    """Axis lines, ticks and labels, once the limits are set.

    Parameters
    ----------
    xticks, yticks
        Round numbers when not given.
    left
        Whether the left axis has a line and tick marks.
    strong
        Numbers of the y ticks whose label is bold.
    """
    xs = round_ticks(*axes.xlim, 9) if xticks is None else xticks
    ys = round_ticks(*axes.ylim, max(4, int(axes.height // 32))) if yticks is None else yticks
    bottom, right = axes.top + axes.height, axes.left + axes.width
    at_x = axes.pixels([x for x, _ in xs], [axes.ylim[0]] * len(xs))[0].tolist()
    at_y = axes.pixels([axes.xlim[0]] * len(ys), [y for y, _ in ys])[1].tolist()
    path = f"M{axes.left:g} {bottom:g}L{right:g} {bottom:g}"
    path += "".join(f"M{x:.1f} {bottom:g}l0 4" for x in at_x)
    if left:
        path += f"M{axes.left:g} {axes.top:g}L{axes.left:g} {bottom:g}"
        path += "".join(f"M{axes.left:g} {y:.1f}l-4 0" for y in at_y)
    axes.around(stroke(path, MUTED, 0.8))
    for x, (_, text) in zip(at_x, xs, strict=True):
        axes.around(label(x, bottom + 8, text, across="middle", down="top"))
    for number, (y, (_, text)) in enumerate(zip(at_y, ys, strict=True)):
        axes.around(label(axes.left - 9, y, text, across="end", down="middle", bold=number in strong))
    lines = max((text.count("\n") for _, text in xs), default=0)
    axes.around(label(axes.left + axes.width / 2, bottom + 26 + 15 * lines, xlabel, across="middle", down="top"))
    beyond = 28 + 7 * max((len(text) for _, text in ys), default=0)
    axes.around(label(axes.left - beyond, axes.top + axes.height / 2, ylabel, across="middle", upwards=True))


def round_ticks(low: float, high: float, most: int) -> list[tuple[float, str]]:
    """At most ``most`` round numbers between two limits (1, 2, 2.5 or 5 times a power of ten apart)."""
    low, high = min(low, high), max(low, high)
    if not high > low:
        return [(low, f"{low:g}")]
    power = 10.0 ** math.floor(math.log10((high - low) / most))
    step = next(s * power for s in (1, 2, 2.5, 5, 10, 20) if _ticks_between(low, high, s * power) <= most)
    places = next(p for p in range(20) if abs(round(step, p) - step) < 1e-9 * step)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    values = [round(number * step, places) for number in range(first, last + 1)]
    return [(v, f"{v + 0.0:.{places}f}".replace("-", "−")) for v in values]


def _ticks_between(low: float, high: float, step: float) -> int:
    return math.floor(high / step + 1e-9) - math.ceil(low / step - 1e-9) + 1


def legend(axes: Axes, *, columns: int = 4, inside: bool = False) -> None:
    """Names of all labelled elements: above the axes on the left, or inside them at the upper right."""
    shown = axes.named
    columns = min(columns, len(shown)) or 1
    widths = [
        max(_SAMPLE + _GAP + text_width(style.label or "") for style in shown[column::columns]) + 3 * _GAP
        for column in range(columns)
    ]
    rows = -(-len(shown) // columns)
    x0 = axes.left + (axes.width - sum(widths) if inside else 0.0)
    y0 = axes.top + (10.0 if inside else 2.0 - _ROW * (rows - 0.5))
    for number, style in enumerate(shown):
        row, column = divmod(number, columns)
        x, y = x0 + sum(widths[:column]), y0 + _ROW * row
        axes.around(_sample(style, x, y))
        axes.around(label(x + _SAMPLE + _GAP, y, style.label or "", down="middle"))


def _sample(style: Style, x: float, y: float) -> str:
    """What an element looks like, in a line of the legend around height ``y``."""
    if style.filled:
        box = f"M{x:.1f} {y - 5:.1f}l{_SAMPLE:g} 0l0 10l-{_SAMPLE:g} 0z"
        return f'<path d="{box}" style="fill:{style.colour};fill-opacity:{style.alpha:g}"/>'
    path = f"M{x:.1f} {y:.1f}l{_SAMPLE:g} 0"
    line = stroke(path, style.colour, style.width, style.dash, style.alpha) if style.width else ""
    return line + (marks(style, [x + _SAMPLE / 2], [y]) if style.marker else "")


_NARROW, _WIDE = frozenset("ijl.,:;'|!()[]ftrI "), frozenset("mwMW@%")


def text_width(text: str, size: float = 12.0) -> float:
    """About the width of a text in pixels: the page chooses the font, so only classes of letters are told apart."""
    return size * sum(map(_relative_width, text))


def _relative_width(letter: str) -> float:
    if letter in _NARROW:
        return 0.36
    if letter in _WIDE:
        return 0.9
    return 0.66 if letter.isupper() or letter.isdigit() else 0.6
