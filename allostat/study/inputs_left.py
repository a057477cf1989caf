"""What of a participant lies among the inputs of a study: files below ``raw``, rows of tables, kept versions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from allostat.biomarkers import Person
from allostat.study.plan import owner
from allostat.study.study import Study
from allostat.study.table_edit import TABLES
from allostat.study.table_versions import FOLDER
from allostat.study.traces import Words, searchable
from allostat.tables import Column, is_message, read_table

_COLUMNS = (Column("participant_id", required=True, synonyms=("participant",)),)
_HEAD_BYTES = 4096


@dataclass(frozen=True, slots=True)
class InputsLeft:
    """Inputs that hold a participant.

    Parameters
    ----------
    files
        Files below ``raw`` that are theirs by name, and files beside the tables that hold the identifier, relative to
        the study.
    rows
        Lines of each table; an empty list where the table is no list of rows (laboratory messages) and names them.
    versions
        Kept versions of tables that hold them.
    """

    files: tuple[str, ...]
    rows: dict[str, list[int]]
    versions: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.files or self.rows or self.versions)


def inputs_of(study: Study, participant: str) -> InputsLeft:
    """What of a participant lies among the inputs. Nothing is changed.

    Raises
    ------
    InputError
        A table cannot be read.
    """
    if not study.path.is_dir():
        return InputsLeft((study.path.name,), {}, ())
    raw, people = study.raw, _people(study, participant)
    files: list[str] = []
    if raw is not None and raw.is_dir():
        for path in sorted(p for p in raw.rglob("*") if p.is_file()):
            parts = path.relative_to(raw).parts
            if next((who for part in parts if (who := owner(part, people)) is not None), None) == participant:
                files.append(path.relative_to(study.path).as_posix())
    tables = {study.path / str(getattr(study.config.input, name)) for name in TABLES}
    words = Words([participant] if searchable(participant) else [], people)
    for path in sorted(p for p in study.path.iterdir() if p.is_file() and p not in tables):
        if words.found_in_file(path):
            files.append(path.name)
    rows: dict[str, list[int]] = {}
    versions: list[str] = []
    for name in TABLES:
        path = study.path / str(getattr(study.config.input, name))
        if path.is_file():
            lines = lines_of(path, participant)
            if lines is not None:
                rows[path.name] = lines
        for kept in sorted((path.parent / FOLDER).glob(f"{path.stem}.*{path.suffix}")):
            if lines_of(kept, participant) is not None:
                versions.append(kept.relative_to(study.path).as_posix())
    return InputsLeft(tuple(files), rows, tuple(versions))


def lines_of(path: Path, participant: str) -> list[int] | None:
    """Lines of a table that are a participant's; none (an empty list) in messages that name them; None when nothing is
    theirs."""
    with path.open("rb") as file:
        message = is_message(file.read(_HEAD_BYTES))
    if message:
        return [] if Words([participant]).found_in_file(path) else None
    table = read_table(path, _COLUMNS, extras_notice=False)
    return [row.line for row in table.rows if row.text("participant_id") == participant] or None


def _people(study: Study, participant: str) -> dict[str, Person]:
    tables = study.tables()
    return {who: Person(who) for who in {participant, *tables.persons, *tables.all_participants}}
