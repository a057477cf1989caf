"""What a row of any table says of the person it belongs to: sex, age, group, medications and the like."""

from __future__ import annotations

from collections.abc import Callable

from allostat.biomarkers import Person
from allostat.errors import InputError
from allostat.tables.participants import parse_age, parse_fact, parse_medications, parse_sex, participant_id
from allostat.tables.reader import Column, Row, Table

PERSON_COLUMNS = (
    Column("participant_id", required=True, synonyms=("participant",)),
    Column("sex"),
    Column("age", synonyms=("age_years",)),
    Column("group"),
    Column("medications", synonyms=("medication",)),
    Column("pregnant", synonyms=("pregnancy",)),
    Column("smoker", synonyms=("smoking",)),
    Column("oral_contraceptive", synonyms=("oral_contraceptives",)),
)


def person_of(table: Table, row: Row, cell: Callable[[str], str]) -> Person:
    """The person of a row.

    Parameters
    ----------
    cell
        Text of a column of `PERSON_COLUMNS`, empty when there is none.

    Raises
    ------
    InputError
        A row of another length than the header, no identifier, or a cell that is none of its kind.
    """
    if row.ragged:
        raise InputError(f"row has {row.ragged}", where=table.where(row))
    return Person(
        participant=participant_id(table, row),
        sex=parse_sex(cell("sex"), where=table.where(row, "sex")),
        age_years=parse_age(cell("age"), where=table.where(row, "age")),
        group=cell("group") or None,
        medications=parse_medications(cell("medications")),
        pregnant=parse_fact(cell("pregnant"), where=table.where(row, "pregnant")),
        smoker=parse_fact(cell("smoker"), where=table.where(row, "smoker")),
        oral_contraceptive=parse_fact(cell("oral_contraceptive"), where=table.where(row, "oral_contraceptive")),
    )


def same_person(first: Person, other: Person) -> bool:
    """Whether two rows describe one person alike; age and group may change between occasions."""
    facts = ("participant", "sex", "medications", "pregnant", "smoker", "oral_contraceptive")
    return all(getattr(first, fact) == getattr(other, fact) for fact in facts)
