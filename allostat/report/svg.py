"""Matplotlib figures as small, accessible, inline SVG that follows the page's colours.

A figure is drawn with the colours of `INK` to `PURPLE`; in the SVG each becomes a CSS variable of the page
(``var(--blue)``), so one drawing serves light, dark and print. No pyplot, no global figure, no raster.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup, escape

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK = "#1b1f24"
MUTED = "#5b6570"
RULE = "#d3d8de"
PAPER = "#fdfdfe"
BLUE = "#0072b2"
VERMILLION = "#d55e00"
GREEN = "#009e73"
ORANGE = "#e69f00"
SKY = "#56b4e9"
PURPLE = "#cc79a7"

_VARIABLES = {
    INK: "ink",
    MUTED: "muted",
    RULE: "rule",
    PAPER: "paper",
    BLUE: "blue",
    VERMILLION: "vermillion",
    GREEN: "green",
    ORANGE: "orange",
    SKY: "sky",
    PURPLE: "purple",
}

FULL_WIDTH = 1000
HALF_WIDTH = 490
_DPI = 72
_SETTINGS: Any = {"svg.fonttype": "none", "svg.hashsalt": "allostat", "path.simplify": True}


def new_figure(width: int = FULL_WIDTH, height: int = 240) -> Figure:
    """An empty figure of ``width`` by ``height`` CSS pixels (at full size) without background."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width / _DPI, height / _DPI), dpi=_DPI)
    figure.patch.set_visible(False)
    return figure


def add_axes(
    figure: Figure,
    *,
    left: int = 62,
    right: int = 24,
    top: int = 10,
    bottom: int = 40,
    span: tuple[float, float] = (0.0, 1.0),
) -> Axes:
    """Axes with margins in CSS pixels; ``span`` is the horizontal share of the figure that they take."""
    width, height = figure.get_figwidth() * _DPI, figure.get_figheight() * _DPI
    x0, x1 = span[0] * width + left, span[1] * width - right
    axes = figure.add_axes((x0 / width, bottom / height, (x1 - x0) / width, (height - top - bottom) / height))
    axes.set_axis_off()
    axes.margins(0)
    return axes


Ticks = Sequence[tuple[float, str]]
"""Places in data coordinates with their labels."""


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

    Drawn as one line and plain texts: half of the time of a figure went into matplotlib's own axes (76 ms against 38 ms
    for a line of 1,000 points).

    Parameters
    ----------
    xticks, yticks
        Round numbers when not given.
    left
        Whether the left axis has a line and tick marks.
    strong
        Numbers of the y ticks whose label is bold.
    """
    box = axes.bbox
    width, height = float(box.width), float(box.height)
    xs = round_ticks(*axes.get_xlim(), 9) if xticks is None else xticks
    ys = round_ticks(*axes.get_ylim(), max(4, int(height // 32))) if yticks is None else yticks
    text: dict[str, Any] = {"color": INK, "fontsize": 12, "parse_math": False}
    below, beside = axes.get_xaxis_transform(), axes.get_yaxis_transform()
    for place, label in xs:
        axes.text(place, -8 / height, label, transform=below, ha="center", va="top", **text)
    for number, (place, label) in enumerate(ys):
        weight = "bold" if number in strong else "normal"
        axes.text(-9 / width, place, label, transform=beside, ha="right", va="center", fontweight=weight, **text)
    _lines(axes, [(x, x) for x, _ in xs], (-4 / height, 0.0), below)
    _lines(axes, [(0.0, 1.0)], (0.0, 0.0), axes.transAxes)
    if left:
        _lines(axes, [(0.0, 0.0)], (0.0, 1.0), axes.transAxes)
        heights = np.repeat([y for y, _ in ys], 3)
        marks = np.tile([-4 / width, 0.0, np.nan], len(ys))
        axes.plot(
            marks, heights, color=MUTED, linewidth=0.8, transform=beside, clip_on=False, scaley=False, scalex=False
        )
    if xlabel:
        lines = max((label.count("\n") for _, label in xs), default=0)
        axes.text(0.5, -(26 + 15 * lines) / height, xlabel, transform=axes.transAxes, ha="center", va="top", **text)
    if ylabel:
        beyond = 22 + 7 * max((len(label) for _, label in ys), default=0)
        axes.text(-beyond / width, 0.5, ylabel, transform=axes.transAxes, ha="right", va="center", rotation=90, **text)


def _lines(axes: Axes, pairs: Sequence[tuple[float, float]], ends: tuple[float, float], transform: Any) -> None:
    x = [v for first, second in pairs for v in (first, second, np.nan)]
    y = [*ends, np.nan] * len(pairs)
    axes.plot(x, y, color=MUTED, linewidth=0.8, transform=transform, clip_on=False, scalex=False, scaley=False)


def round_ticks(low: float, high: float, most: int) -> list[tuple[float, str]]:
    """At most ``most`` round numbers between two limits (1, 2, 2.5 or 5 times a power of ten apart)."""
    low, high = min(low, high), max(low, high)
    if not high > low:
        return [(low, f"{low:g}")]
    power = 10.0 ** np.floor(np.log10((high - low) / most))
    step = next(s * power for s in (1, 2, 2.5, 5, 10, 20) if _ticks_between(low, high, s * power) <= most)
    places = next(p for p in range(20) if abs(round(step, p) - step) < 1e-9 * step)
    values = np.arange(np.ceil(low / step - 1e-9), np.floor(high / step + 1e-9) + 1) * step
    return [(float(v), f"{v + 0.0:.{places}f}".replace("-", "−")) for v in np.round(values, places)]


def _ticks_between(low: float, high: float, step: float) -> int:
    return int(np.floor(high / step + 1e-9) - np.ceil(low / step - 1e-9)) + 1


def legend(axes: Axes, **where: Any) -> None:
    """A frameless legend in the page's text colour, by default above the axes on the left."""
    place: dict[str, Any] = {"loc": "lower left", "bbox_to_anchor": (0.0, 1.0), "ncols": 4, "borderaxespad": 0.1}
    axes.legend(frameon=False, fontsize=12, labelcolor=INK, **(place | where))


def rectangles(
    axes: Axes, boxes: Sequence[tuple[float, float, float, float]], colour: str, alpha: float, **style: Any
) -> None:
    """Boxes (x, y, width, height) of one colour as a single path, which costs a tenth of separate patches."""
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    if not boxes:
        return
    vertices: list[tuple[float, float]] = []
    codes: list[Any] = []
    for x, y, width, height in boxes:
        vertices += [(x, y), (x + width, y), (x + width, y + height), (x, y + height), (x, y)]
        codes += [Path.MOVETO, Path.LINETO, Path.LINETO, Path.LINETO, Path.CLOSEPOLY]
    face = {"facecolor": colour, "linewidth": 0} | style
    # add_artist: add_patch would walk all vertices for data limits, which every caller sets itself
    axes.add_artist(PathPatch(Path(vertices, codes), alpha=alpha, **face))


def inline_svg(figure: Figure, *, key: str, title: str, description: str) -> Markup:
    """The figure as an ``<svg role="img">`` element with title and description.

    Parameters
    ----------
    key
        Prefix of the ids inside; unique on the page.

    Notes
    -----
    Deterministic: fixed hash salt, no date. Only ids that something refers to are kept.
    """
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    buffer = io.BytesIO()
    with mpl.rc_context(_SETTINGS):
        canvas: Any = FigureCanvasSVG(figure)
        canvas.print_svg(buffer, metadata={"Date": None})
    return _rewritten(buffer.getvalue().decode(), key, title, description)


_METADATA = re.compile(r"<metadata>.*?</metadata>|<style[^>]*>.*?</style>", re.DOTALL)
_ID = re.compile(r' id="([^"]*)"')
_REFERENCE = re.compile(r"(?:href=\"#|url\(#)([^\")]+)")
_FONT_FAMILY = re.compile(r"font-family: [^;\"]*;?\s*|font: ([\d.]+px) [^;\"]*(;?)")
_GEOMETRY = re.compile(r' (?:d|x|y|x1|x2|y1|y2|width|height|transform|points)="[^"]*"')
_DECIMALS = re.compile(r"(\d+\.\d)\d+")
_COLOUR = re.compile(r"#[0-9a-f]{6}\b")


def _rewritten(svg: str, key: str, title: str, description: str) -> Markup:
    opening = svg.index("<svg")
    body = svg[svg.index(">", opening) + 1 : svg.rindex("</svg>")]
    view_box = re.search(r'viewBox="([^"]*)"', svg[opening:])
    assert view_box is not None
    body = _METADATA.sub("", body).replace("xlink:href", "href")
    body = _with_short_ids(body, key)
    body = _FONT_FAMILY.sub(lambda m: f"font-size: {m[1]}{m[2]}" if m[1] else "", body)
    body = _GEOMETRY.sub(lambda m: _DECIMALS.sub(r"\1", m[0]).replace("\n", ""), body)
    body = _COLOUR.sub(lambda m: f"var(--{_VARIABLES[m[0]]})" if m[0] in _VARIABLES else m[0], body)
    body = re.sub(r">\s+<", "><", body).strip()
    body = re.sub(r"<g>\s*</g>|<defs>\s*</defs>", "", body)
    width = view_box[1].split()[2]
    return Markup(
        f'<svg role="img" viewBox="{view_box[1]}" style="--w: {float(width):g}px" aria-labelledby="{key}-t {key}-d" '
        f'focusable="false"><title id="{key}-t">{escape(title)}</title>'
        f'<desc id="{key}-d">{escape(description)}</desc>{body}</svg>'
    )


def _with_short_ids(body: str, key: str) -> str:
    used = dict.fromkeys(_REFERENCE.findall(body))
    short = {name: f"{key}-{number}" for number, name in enumerate(used)}
    body = _ID.sub(lambda m: f' id="{short[m[1]]}"' if m[1] in short else "", body)
    return _REFERENCE.sub(lambda m: m[0].replace(m[1], short[m[1]]), body)
