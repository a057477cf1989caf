"""Load what pages are drawn with, once, before processes are forked that each write one page."""

from __future__ import annotations


def warm_pages() -> None:
    """Import Jinja2 and compile the templates by drawing one small page."""
    from allostat.biomarkers import Person
    from allostat.recording import Beats
    from allostat.report.participant import participant_page
    from allostat.store import ParticipantResult

    intervals = [800.0 + 40.0 * (i % 5) for i in range(400)]
    beats = Beats.from_intervals(intervals)
    participant_page(ParticipantResult("warm", Person("warm"), beats={"warm": beats}))
