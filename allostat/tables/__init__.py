"""Tables that people write: participants, laboratory results, diaries, blood pressure, biomarkers.

Every row keeps its line number. Nothing is guessed: an unknown column that looks like a misspelling is an error, any
other is kept in ``extras`` and named in a notice. A bad laboratory row becomes a `Problem` of its participant, so that
it fails this participant and nobody else.
"""

from allostat.tables.biomarker_table import read_biomarker_table
from allostat.tables.blood_pressure import (
    BloodPressureReading,
    BloodPressureTable,
    blood_pressure_table,
    read_blood_pressure,
)
from allostat.tables.diary import DiaryDay, DiaryTable, read_diary
from allostat.tables.exchange import is_message, message_of_text
from allostat.tables.instant import Instant, parse_instant, zone_info
from allostat.tables.labs import LabRow, LabTable, lab_table, read_labs
from allostat.tables.participants import Participant, ParticipantTable, read_participants, unmatched
from allostat.tables.reader import Column, Problem, Row, Table, read_table

__all__ = [
    "BloodPressureReading",
    "BloodPressureTable",
    "Column",
    "DiaryDay",
    "DiaryTable",
    "Instant",
    "LabRow",
    "LabTable",
    "Participant",
    "ParticipantTable",
    "Problem",
    "Row",
    "Table",
    "blood_pressure_table",
    "is_message",
    "lab_table",
    "message_of_text",
    "parse_instant",
    "read_biomarker_table",
    "read_blood_pressure",
    "read_diary",
    "read_labs",
    "read_participants",
    "read_table",
    "unmatched",
    "zone_info",
]
