"""The results as text for a terminal, and as Markdown for the documentation."""

from __future__ import annotations

import math
import os
from pathlib import Path

from allostat.benchmarking.comparison import Comparison, grouped
from allostat.benchmarking.measuring import OWN, Result, best_other
from allostat.errors import ConfigError

BEGIN, END = "<!-- allostat bench: begin -->", "<!-- allostat bench: end -->"
"""Between these lines of a page stand the tables."""


def table(comparison: Comparison) -> str:
    """One line per contender, and per case how the quickest other tool compares."""
    head = ("case", "contender", "median", "per item", "ratio", "× floor", "agreement, or what is measured")
    rows = [head]
    for case, results in grouped(comparison.results).items():
        for r in results:
            last = r.about if r.contender == OWN else f"failed: {r.failed}" if r.failed else r.agreement
            rows.append(
                (
                    case, r.contender, _duration(r.median_s), _each(r), _times(r.ratio), _times(r.floor_ratio),
                    last + _fewer(r, results),
                )
            )  # fmt: skip
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    lines = ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows]
    lines += _in_biquads(comparison)
    lines += [f"skipped: {s.group} ({s.about}): {s.reason}" for s in comparison.skipped]
    lines += [use.text for use in comparison.memory]
    return "\n".join([*lines, comparison.machine])


def markdown(comparison: Comparison) -> str:
    """Two tables: each case with the quickest other tool, and every contender of every case."""
    cases = grouped(comparison.results)
    versions = ", ".join(f"{name} {version}" for name, version in comparison.versions.items())
    lines = [
        f"Measured by `allostat bench --peers` on: {comparison.machine}. CPU time, medians of runs in turn, everything "
        "compiled before. The floor is NumPy's sum over the same input. Versions: " + versions + ".",
        "",
        "| what | allostat | per item | × floor | quickest other tool | times as long |",
        "|---|---|---|---|---|---|",
    ]
    for results in cases.values():
        own = next(r for r in results if r.contender == OWN)
        best = best_other(results)
        other = (best.contender, _times(best.ratio)) if best else ("none", "–")
        lines.append(_row(own.about, _duration(own.median_s), _each(own), _times(own.floor_ratio), *other))
    if in_biquads := _in_biquads(comparison):
        lines += ["", *(f"- {line}" for line in in_biquads)]
    lines += [
        "",
        "All contenders; agreement is the largest relative difference from allostat's value, or the share of beats "
        "that both find.",
        "",
        "| case | tool | time | times as long | agreement |",
        "|---|---|---|---|---|",
    ]
    for case, results in cases.items():
        for r in results:
            if r.failed:
                lines.append(_row(f"`{case}`", r.contender, "–", "–", f"failed: {r.failed}"))
            elif r.contender != OWN:
                time, said = _duration(r.median_s), r.agreement + _fewer(r, results)
                lines.append(_row(f"`{case}`", r.contender, time, _times(r.ratio), said))
    if comparison.memory:
        lines += ["", *(f"- {use.text}" for use in comparison.memory)]
    lines += ["", *(f"Skipped: {s.group} ({s.about}): {s.reason}." for s in comparison.skipped)]
    return "\n".join(lines).rstrip() + "\n"


def write_page(path: Path, comparison: Comparison) -> None:
    """Replace what stands between `BEGIN` and `END` of a Markdown page by the tables.

    Raises
    ------
    ConfigError
        When the page cannot be read, or has not exactly one pair of these lines.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError("the page cannot be read", where=str(path), found=str(error)) from error
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end or BEGIN in rest or END in after:
        raise ConfigError("the page has no place for the tables", where=str(path), expected=f"{BEGIN} … {END}, once")
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_text(f"{before}{BEGIN}\n{markdown(comparison)}{END}{after}", encoding="utf-8")
    os.replace(fresh, path)


def _in_biquads(comparison: Comparison) -> list[str]:
    """What the yardsticks cost in this run, and what the detectors cost in them."""
    return [
        f"{r.about}: {_times(r.biquads_ratio)} times two serial biquads ({'within' if met else 'beyond'} the bar of "
        f"{r.most_biquads:.3g}); per {r.item} {_duration(r.ns_per_item * 1e-9)}, two biquads over the same samples "
        f"{_duration(r.biquads_ns * 1e-9)}, NumPy's sum {_duration(r.floor_ns * 1e-9)}"
        for r in comparison.results
        if r.contender == OWN and not math.isnan(r.most_biquads)
        for met in (r.biquads_ratio <= r.most_biquads,)
    ]


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def _each(result: Result) -> str:
    return "–" if result.failed else f"{_duration(result.ns_per_item * 1e-9)}/{result.item}"


def _fewer(result: Result, results: list[Result]) -> str:
    own = next(r for r in results if r.contender == OWN)
    return f" [first {result.items:,} {result.item}s only]" if result.items < own.items else ""


def _times(ratio: float) -> str:
    return "–" if math.isnan(ratio) else f"{ratio:,.0f}" if ratio >= 100 else f"{ratio:.3g}"


def _duration(seconds: float) -> str:
    if math.isnan(seconds):
        return "–"
    for unit, scale in (("s", 1.0), ("ms", 1e3), ("µs", 1e6)):
        if seconds * scale >= 1.0:
            return f"{seconds * scale:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"
