"""Pages of participants, of a cohort, of a live session: each a single file that loads nothing from anywhere."""

from __future__ import annotations

from allostat.report.bibliography import references_bib as references_bib
from allostat.report.cohort import CohortMember as CohortMember
from allostat.report.cohort import CohortOverview as CohortOverview
from allostat.report.cohort import IndexValue as IndexValue
from allostat.report.cohort import summary_lines as summary_lines
from allostat.report.cohort_page import cohort_page as cohort_page
from allostat.report.methods import Used as Used
from allostat.report.methods import methods_text as methods_text
from allostat.report.participant import participant_page as participant_page
from allostat.report.session import session_page as session_page

__all__ = [
    "CohortMember",
    "CohortOverview",
    "IndexValue",
    "Used",
    "cohort_page",
    "methods_text",
    "participant_page",
    "references_bib",
    "session_page",
    "summary_lines",
]
