"""Wall-clock times on the page."""

from __future__ import annotations

import numpy as np

from allostat.recording import NS_PER_S, UNKNOWN_ZONE, TimeZone
from allostat.report.local_time import HOUR_NS, LocalClock, clock_ticks, day_text

VIENNA = LocalClock("utc", TimeZone("Europe/Vienna", "profile"))
BEFORE_SPRING = 1_711_839_600 * NS_PER_S  # 2024-03-30 23:00 UTC = 00:00 in Vienna; clocks change at 01:00 UTC


def test_clock_change_is_followed() -> None:
    walls = VIENNA.wall_ns(np.array([BEFORE_SPRING, BEFORE_SPRING + 3 * HOUR_NS], dtype=np.int64))
    assert (walls[1] - walls[0]) // HOUR_NS == 4
    assert VIENNA.text(BEFORE_SPRING) == "2024-03-31 00:00"


def test_local_epoch_is_shown_as_it_is_and_relative_counts_from_the_start() -> None:
    assert LocalClock("local", UNKNOWN_ZONE).text(BEFORE_SPRING) == "2024-03-30 23:00"
    assert LocalClock("relative", UNKNOWN_ZONE).text(3_725 * NS_PER_S, seconds=True) == "1 h 02 min 05 s"


def test_unknown_zone_is_named_not_guessed() -> None:
    clock = LocalClock("utc", UNKNOWN_ZONE)
    assert not clock.known
    assert "not known" in clock.axis_label


def test_ticks_of_a_day_stand_on_wall_hours_and_name_each_day_once() -> None:
    label, ticks = clock_ticks(VIENNA, BEFORE_SPRING + HOUR_NS * 12, BEFORE_SPRING + HOUR_NS * 36)
    assert label == "" and ticks is not None
    texts = [text for _, text in ticks]
    assert sum("2024-03-31" in t for t in texts) == 1 and sum("2024-04-01" in t for t in texts) == 1
    assert all(0 <= place < 24 for place, _ in ticks)


def test_short_recordings_count_from_their_start() -> None:
    label, ticks = clock_ticks(VIENNA, BEFORE_SPRING, BEFORE_SPRING + 600 * NS_PER_S)
    assert ticks is None and label == "time since 2024-03-31 00:00 (min)"


def test_day_text_is_an_iso_date() -> None:
    assert day_text(BEFORE_SPRING) == "2024-03-30"
