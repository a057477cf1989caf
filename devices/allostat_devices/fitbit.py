"""Fitbit in Google Takeout: heart rate, resting heart rate, HRV details and daily HRV summaries.

Sources disagree on whether ``MM/DD/YY HH:MM:SS`` is local or UTC. It is not guessed: times stay local until the caller
names the zone. HRV details may end in ``Z``; those are UTC. The profile is never read.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from allostat.adapter import Sniff
from allostat.recording import Device, Notice
from allostat.source import Source
from allostat_devices.skipped_rows import SkippedRows
from allostat_devices.text_lines import head_lines, open_text, readable, why_not_text
from allostat_devices.whole_export import (
    BAD_TIME,
    Gathered,
    Rows,
    WholeExport,
    iso_times,
    number,
    read_json,
    usable_times,
)

_TIME = re.compile(r"(\d\d)/(\d\d)/(\d\d) (\d\d:\d\d:\d\d)")
_HR, _RESTING = "heart_rate", "resting_heart_rate"
_LOCAL = Notice(
    "local_or_utc",
    "the export does not tell whether its times are local or UTC: they are kept as local; name the zone to place them",
)


class Fitbit(WholeExport):
    """Adapter of Fitbit files in Google Takeout."""

    name = "fitbit"
    title = "Fitbit (Google Takeout)"
    streams: tuple[str, ...] = ("hr", "hrv")
    device = Device(manufacturer="Fitbit", kind="wrist")
    identifiers = ("name, e-mail and birth date in the profile",)

    def look(self, source: Source, member: str) -> Sniff:
        """Recognise heart-rate documents and the columns of HRV tables."""
        head = source.head(member)
        reason = why_not_text(head)
        if reason:
            return Sniff(0.0, reason)
        if head.lstrip(b"\xef\xbb\xbf \r\n\t")[:1] in (b"[", b"{"):
            kind = _kind_of_json(head)
            return Sniff(0.95, f"documents of {kind}") if kind else Sniff(0.0, "no heart-rate documents")
        kind = _kind_of_table(_names(head_lines(source, member)[0]))
        return Sniff(0.9, f"columns of {kind}") if kind else Sniff(0.0, "no columns of HRV tables")

    def fill(self, gathered: Gathered, source: Source, member: str) -> None:
        """Add the series of one file."""
        skipped = gathered.of(source, member)
        head = source.head(member)
        if head.lstrip(b"\xef\xbb\xbf \r\n\t")[:1] in (b"[", b"{"):
            if _kind_of_json(head) == _HR:
                _heart_rate(gathered, read_json(source, member), skipped)
            else:
                _resting(gathered, read_json(source, member), skipped)
        else:
            _table(gathered, source, member, skipped)
        if not gathered.asked.known and "local" in {r.epoch for r in gathered.rows.values()}:
            gathered.notices = [n for n in gathered.notices if n.code != _LOCAL.code] + [_LOCAL]


def _kind_of_json(head: bytes) -> str | None:
    if b'"dateTime"' not in head or b'"value"' not in head:
        return None
    if b'"bpm"' in head:
        return _HR
    return _RESTING if b'"error"' in head and b'"date"' in head else None


def _kind_of_table(names: list[str]) -> str | None:
    if "timestamp" not in names or "rmssd" not in names:
        return None
    if {"coverage", "low_frequency"} & set(names):
        return "HRV details"
    return "daily HRV summary" if {"nremhr", "entropy", "full_sleep_breathing_rate"} & set(names) else None


def _us_times(texts: list[str]) -> NDArray[np.int64]:
    """Local times of ``MM/DD/YY HH:MM:SS``, as if they were UTC; `BAD_TIME` for what is none."""
    matches = [_TIME.fullmatch(text) for text in texts]
    return iso_times([f"20{m[3]}-{m[1]}-{m[2]}T{m[4]}" if m else "none" for m in matches])


def _documents(found: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for item in found if isinstance(found, list) else [found]:
        if isinstance(item, Mapping):
            value = item.get("value")
            when = item.get("dateTime")
            yield (when if isinstance(when, str) else ""), value if isinstance(value, Mapping) else {}


def _heart_rate(gathered: Gathered, found: Any, skipped: SkippedRows) -> None:
    items = list(_documents(found))
    local = _us_times([when for when, _ in items])
    rate = np.array([number(value.get("bpm")) for _, value in items])
    trust = np.array([number(value.get("confidence")) for _, value in items])
    keep = _usable(local, (rate > 20) & (rate < 260), skipped)
    times, epoch = gathered.placed(local[keep])
    about = Rows("hr", "/min", context="day", epoch=epoch)
    gathered.add("hr", about, times, rate[keep], confidence=trust[keep])


def _resting(gathered: Gathered, found: Any, skipped: SkippedRows) -> None:
    items = list(_documents(found))
    local = _us_times([when for when, _ in items])
    rate = np.array([number(value.get("value")) for _, value in items])
    error = np.array([number(value.get("error")) for _, value in items])
    missing = rate == 0
    rate[missing] = np.nan
    keep = _usable(local, (rate > 20) & (rate < 260) | missing, skipped) & ~missing
    times, epoch = gathered.placed(local[keep])
    about = Rows("resting_hr", "/min", context="day", epoch=epoch)
    gathered.add("resting_hr", about, times, rate[keep], error=error[keep])


def _usable(local: NDArray[np.int64], plausible: NDArray[np.bool_], skipped: SkippedRows) -> NDArray[np.bool_]:
    skipped.rows += len(local)
    timed = usable_times(local)
    for code, bad in (("bad_time", ~timed), ("out_of_range", timed & ~plausible)):
        at = np.flatnonzero(bad)
        if len(at):
            skipped.add("bad_time" if code == "bad_time" else "out_of_range", int(at[0]) + 1, len(at))
    return np.asarray(timed & plausible)


def _names(line: str) -> list[str]:
    return [cell.strip().strip('"').casefold().replace(" ", "_") for cell in line.lstrip("\ufeff").split(",")]


def _table(gathered: Gathered, source: Source, member: str, skipped: SkippedRows) -> None:
    with open_text(source, member) as text:
        names = _names(readable(text.readline()))
        rows = [(n, dict(zip(names, cells, strict=False))) for n, cells in enumerate(csv.reader(text), 2) if any(cells)]
    daily = _kind_of_table(names) == "daily HRV summary"
    stamps = [row.get("timestamp", "").strip() for _, row in rows]
    in_utc = np.array([stamp.endswith("Z") for stamp in stamps], bool)
    local = iso_times([stamp.removesuffix("Z") or "none" for stamp in stamps])
    value = np.array([number(row.get("rmssd", "")) for _, row in rows])
    keep = _usable(np.where(local == BAD_TIME, 0, local), (value > 0) & (value < 1000), skipped)
    further = [name for name in names if name not in ("timestamp", "rmssd", "")]
    columns = {name: np.array([number(row.get(name, "")) for _, row in rows]) for name in further}
    window_s = float("nan") if daily else 300.0
    for which, universal in ((keep & in_utc, True), (keep & ~in_utc, False)):
        if not which.any():
            continue
        times, epoch = (local[which], "utc") if universal else gathered.placed(local[which])
        name = ("rmssd_of_night" if daily else "rmssd") + ("" if epoch == "utc" else "_local")
        about = Rows(
            "hrv", "ms", "rmssd", window_s, "night" if daily else "unknown", "utc" if epoch == "utc" else "local"
        )
        gathered.add(name, about, times, value[which], **{key: column[which] for key, column in columns.items()})
    if in_utc.any() and len(in_utc) and not in_utc.all():
        message = "stamps with and without Z in one file: those with are UTC, the others are kept apart as local"
        gathered.notices.append(Notice("mixed_stamps", message))


ADAPTER = Fitbit()
