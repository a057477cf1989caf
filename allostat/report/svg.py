"""Figures as small, accessible, inline SVG that follows the page's colours.

A figure holds axes; axes collect lines, marks, areas, boxes and texts in data coordinates and draw them when they know
their limits. Colours are CSS variables of the page (``var(--blue)``), so one drawing serves light, dark and print.
`docs/decisions/0004-drawing-pages.md` says why pages are not drawn by a plotting library.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

import numpy as np
from markupsafe import Markup, escape
from numpy.typing import ArrayLike, NDArray

INK = "var(--ink)"
MUTED = "var(--muted)"
RULE = "var(--rule)"
PAPER = "var(--paper)"
BLUE = "var(--blue)"
VERMILLION = "var(--vermillion)"
GREEN = "var(--green)"
ORANGE = "var(--orange)"
SKY = "var(--sky)"
PURPLE = "var(--purple)"

FULL_WIDTH = 1000
HALF_WIDTH = 490

Marker = Literal["o", "s", "^", "v", "D", "P"]
Dash = tuple[float, ...]
"""Lengths of strokes and gaps in units of the line's width; empty for a solid line."""

_OUTLINES: dict[str, tuple[tuple[float, float], ...]] = {
    "s": ((-1, -1), (1, -1), (1, 1), (-1, 1)),
    "^": ((0, -1), (1, 1), (-1, 1)),
    "v": ((0, 1), (-1, -1), (1, -1)),
    "D": ((0, -1.1), (1.1, 0), (0, 1.1), (-1.1, 0)),
    "P": ((-0.4, -1), (0.4, -1), (0.4, -0.4), (1, -0.4), (1, 0.4), (0.4, 0.4),
          (0.4, 1), (-0.4, 1), (-0.4, 0.4), (-1, 0.4), (-1, -0.4), (-0.4, -0.4)),
}  # fmt: skip
"""Corners of markers of radius 1."""


@dataclass(frozen=True, slots=True)
class Style:
    """How an element looks and what the legend calls it.

    Attributes
    ----------
    width
        Of the line, in CSS pixels; 0 for marks only.
    size
        Diameter of the marks in CSS pixels.
    hollow
        Whether marks are outlines of 1.6 pixels.
    filled
        Whether the legend shows an area.
    """

    colour: str
    width: float = 0.0
    dash: Dash = ()
    alpha: float = 1.0
    marker: Marker | None = None
    size: float = 6.0
    hollow: bool = False
    label: str | None = None
    filled: bool = False


@dataclass(slots=True)
class Axes:
    """A rectangle of the figure, in CSS pixels, with limits in data coordinates."""

    left: float
    top: float
    width: float
    height: float
    xlim: tuple[float, float] = (0.0, 1.0)
    ylim: tuple[float, float] = (0.0, 1.0)
    logarithmic: bool = False
    """Whether the vertical axis is."""
    named: list[Style] = field(default_factory=list)
    """What the legend names, in the order in which it was drawn."""
    _polygons: list[tuple[Style, NDArray[np.float64], NDArray[np.float64]]] = field(default_factory=list)
    """Of one colour each: rows of corners."""
    _lines: list[tuple[Style, ArrayLike, ArrayLike]] = field(default_factory=list)
    _texts: list[tuple[float, float, str, float]] = field(default_factory=list)
    _around: list[str] = field(default_factory=list)

    def line(
        self,
        x: ArrayLike,
        y: ArrayLike,
        colour: str,
        *,
        width: float = 1.1,
        dash: Dash = (),
        alpha: float = 1.0,
        marker: Marker | None = None,
        size: float = 6.0,
        label: str | None = None,
    ) -> None:
        """A line, broken at NaN, with a mark at every point if asked."""
        self._add(Style(colour, width, dash, alpha, marker, size, label=label), x, y)

    def marks(
        self,
        x: ArrayLike,
        y: ArrayLike,
        colour: str,
        marker: Marker,
        *,
        size: float = 6.0,
        hollow: bool = False,
        label: str | None = None,
    ) -> None:
        """Marks without a line; those outside the limits are left out."""
        self._add(Style(colour, marker=marker, size=size, hollow=hollow, label=label), x, y)

    def _add(self, style: Style, x: ArrayLike, y: ArrayLike) -> None:
        self._lines.append((style, x, y))
        if style.label:
            self.named.append(style)

    def area(
        self, x: ArrayLike, low: ArrayLike, high: ArrayLike, colour: str, *, alpha: float, label: str | None = None
    ) -> None:
        """The band between two curves over the same ``x``, without NaN."""
        x, low, high = np.broadcast_arrays(*(np.asarray(a, dtype=np.float64) for a in (x, low, high)))
        self._polygons.append(
            (Style(colour, alpha=alpha), np.concatenate([x, x[::-1]])[None], np.concatenate([high, low[::-1]])[None])
        )
        if label:
            self.named.append(Style(colour, alpha=alpha, filled=True, label=label))

    def span(self, start: float, stop: float, colour: str, *, alpha: float) -> None:
        """A vertical stripe over the whole height."""
        corners = np.array([[start, stop, stop, start]]), np.array([[np.inf, np.inf, -np.inf, -np.inf]])
        self._polygons.append((Style(colour, alpha=alpha), *corners))

    def rectangles(self, boxes: Sequence[tuple[float, float, float, float]], colour: str, *, alpha: float) -> None:
        """Boxes (x, y, width, height) of one colour."""
        x, y, width, height = np.asarray(boxes, dtype=np.float64).reshape(-1, 4).T[:, :, None]
        across, up = np.array([0.0, 1.0, 1.0, 0.0]), np.array([0.0, 0.0, 1.0, 1.0])
        self._polygons.append((Style(colour, alpha=alpha), x + width * across, y + height * up))

    def text(self, x: float, y: float, text: str, *, size: float = 12.0) -> None:
        """Text in data coordinates, starting on the baseline."""
        self._texts.append((x, y, text, size))

    def around(self, element: str) -> None:
        """An element in pixels of the figure that is not clipped to the axes."""
        self._around.append(element)

    def pixels(self, x: ArrayLike, y: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Places in the figure of points in data coordinates; infinite ones lie on the edge."""
        across = _share(np.asarray(x, dtype=np.float64), self.xlim)
        value, limits = np.asarray(y, dtype=np.float64), self.ylim
        if self.logarithmic:
            value, limits = _log10(value), (math.log10(limits[0]), math.log10(limits[1]))
        up = _share(value, limits)
        return self.left + across * self.width, self.top + (1.0 - up) * self.height

    def drawn(self) -> str:
        """The SVG of all elements: polygons below lines below texts."""
        inside = [_filled(style, *self.pixels(x, y)) for style, x, y in self._polygons]
        beyond = []
        for style, x, y in self._lines:
            places = self.pixels(x, y)
            if style.width:
                inside.append(stroke(line_path(*places), style.colour, style.width, style.dash, style.alpha))
            if style.marker:
                beyond.append(self._marks(style, *places))
        for x, y, text, size in self._texts:
            at_x, at_y = self.pixels([x], [y])
            beyond.append(label(float(at_x[0]), float(at_y[0]), text, size=size))
        box = f"{_number(self.left)} {_number(self.top)} {_number(self.width)} {_number(self.height)}"
        x0, y0, wide, high = box.split()
        clip = f'<svg x="{x0}" y="{y0}" width="{wide}" height="{high}" viewBox="{box}">'
        return f"{clip}{''.join(inside)}</svg>{''.join(self._around)}{''.join(beyond)}"

    def _marks(self, style: Style, x: NDArray[np.float64], y: NDArray[np.float64]) -> str:
        within = (x >= self.left - 0.5) & (x <= self.left + self.width + 0.5)
        within &= (y >= self.top - 0.5) & (y <= self.top + self.height + 0.5)
        return marks(style, x[within].tolist(), y[within].tolist())


@dataclass(slots=True)
class Figure:
    """A drawing of ``width`` by ``height`` CSS pixels (at full size) without background."""

    width: int = FULL_WIDTH
    height: int = 240
    _axes: list[Axes] = field(default_factory=list)

    def axes(self, *, left: int = 62, right: int = 24, top: int = 10, bottom: int = 40) -> Axes:
        """New axes with margins in CSS pixels."""
        axes = Axes(left, top, self.width - left - right, self.height - top - bottom)
        self._axes.append(axes)
        return axes

    def inline(self, *, key: str, title: str, description: str) -> Markup:
        """The figure as an ``<svg role="img">`` element with title and description.

        Parameters
        ----------
        key
            Prefix of the ids inside; unique on the page.
        """
        body = "".join(axes.drawn() for axes in self._axes)
        return Markup(
            f'<svg role="img" viewBox="0 0 {self.width} {self.height}" style="--w: {self.width}px" '
            f'aria-labelledby="{key}-t {key}-d" focusable="false"><title id="{key}-t">{escape(title)}</title>'
            f'<desc id="{key}-d">{escape(description)}</desc>{body}</svg>'
        )


def _share(value: NDArray[np.float64], limits: tuple[float, float]) -> NDArray[np.float64]:
    low, high = limits
    inner = np.clip(value, min(low, high), max(low, high)) if np.isinf(value).any() else value
    return (inner - low) / ((high - low) or 1.0)


def _log10(value: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.log10(np.where(value > 0, value, np.nan))


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def line_path(x: NDArray[np.float64], y: NDArray[np.float64]) -> str:
    """Path data of a line through points in pixels, to a tenth of a pixel, broken at NaN."""
    known = np.isfinite(x) & np.isfinite(y)
    starts = known & ~np.concatenate([[False], known[:-1]])
    at = np.round(np.column_stack([x, y])[known], 1)
    follows = starts[known]
    # A point on the pixel of the one before it adds nothing but length.
    new = np.concatenate([[True], (np.diff(at, axis=0) != 0).any(axis=1)]) if len(at) else np.zeros(0, bool)
    kept = follows | new
    rows = zip(follows[kept].tolist(), at[kept].tolist(), strict=True)
    return "".join(f"{'M' if first else 'L'}{px:g} {py:g}" for first, (px, py) in rows)


def stroke(path: str, colour: str, width: float, dash: Dash = (), alpha: float = 1.0) -> str:
    """A line along path data."""
    if not path:
        return ""
    dashes = f";stroke-dasharray:{' '.join(f'{d * width:g}' for d in dash)}" if dash else ""
    opacity = f";stroke-opacity:{alpha:g}" if alpha < 1 else ""
    return f'<path d="{path}" style="fill:none;stroke:{colour};stroke-width:{width:g}{dashes}{opacity}"/>'


def _filled(style: Style, x: NDArray[np.float64], y: NDArray[np.float64]) -> str:
    """Closed polygons, a row of corners each, as one path."""
    corners = np.round(np.stack([x, y], axis=-1), 1).tolist()
    path = "".join("M" + "L".join(f"{px:g} {py:g}" for px, py in polygon) + "z" for polygon in corners if polygon)
    return f'<path d="{path}" style="fill:{style.colour};fill-opacity:{style.alpha:g}"/>' if path else ""


def marks(style: Style, x: Sequence[float], y: Sequence[float]) -> str:
    """The style's marker at each point, in pixels, as one path."""
    radius = style.size / 2
    if style.marker == "o":
        turn = f"a{radius:g} {radius:g} 0 1 0 {2 * radius:g} 0a{radius:g} {radius:g} 0 1 0 {-2 * radius:g} 0"
        path = "".join(f"M{_number(px - radius)} {_number(py)}{turn}" for px, py in zip(x, y, strict=True))
    else:
        corners = [(radius * a, radius * b) for a, b in _OUTLINES[style.marker or "s"]]
        steps = "".join(f"l{b[0] - a[0]:g} {b[1] - a[1]:g}" for a, b in pairwise(corners))
        first_x, first_y = corners[0]
        path = "".join(f"M{_number(a + first_x)} {_number(b + first_y)}{steps}z" for a, b in zip(x, y, strict=True))
    if not path:
        return ""
    if style.hollow:
        return stroke(path, style.colour, 1.6, alpha=style.alpha)
    return f'<path d="{path}" style="fill:{style.colour};fill-opacity:{style.alpha:g}"/>'


_RISE = {"top": 0.76, "middle": 0.35, "bottom": 0.0}
"""From a text's anchor down to its baseline, in heights of its font."""


def label(
    x: float,
    y: float,
    text: str,
    *,
    size: float = 12.0,
    across: Literal["start", "middle", "end"] = "start",
    down: Literal["top", "middle", "bottom"] = "bottom",
    bold: bool = False,
    upwards: bool = False,
) -> str:
    """A text in the page's ink at a place in pixels; a line break begins a new line below."""
    if not text:
        return ""
    base = y if upwards else y + _RISE[down] * size
    turned = f' transform="rotate(-90 {_number(x)} {_number(y)})" dy=".35em"' if upwards else ""
    weight = ";font-weight:bold" if bold else ""
    first, *more = (str(escape(line)) for line in text.split("\n"))
    more_lines = "".join(f'<tspan x="{_number(x)}" dy="1.25em">{line}</tspan>' for line in more)
    style = f"fill:{INK};font-size:{size:g}px;text-anchor:{across}{weight}"
    return f'<text x="{_number(x)}" y="{_number(base)}"{turned} style="{style}">{first}{more_lines}</text>'
