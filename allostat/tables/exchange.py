"""Files of laboratory messages, told by their content: FHIR in JSON, HL7 version 2."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

from allostat.tables.coded_results import Message
from allostat.tables.fhir import looks_like_fhir, read_fhir
from allostat.tables.hl7 import looks_like_hl7, read_hl7
from allostat.tables.reader import read_text

HEAD_BYTES = 4096


def is_message(head: bytes) -> bool:
    """Whether the first bytes of a file are those of laboratory messages."""
    return looks_like_fhir(head) or looks_like_hl7(head)


def message_of_text(text: str, head: bytes, file: str) -> Message:
    """What the text of a file of messages holds."""
    return read_hl7(text, file) if looks_like_hl7(head) else read_fhir(text, file)


def read_message(path: str | PathLike[str]) -> Message | None:
    """What a file of laboratory messages holds; None when it is none.

    Raises
    ------
    InputError
        When it begins as one and is damaged.
    """
    file = Path(path)
    if not file.is_file():
        return None
    with file.open("rb") as stream:
        head = stream.read(HEAD_BYTES)
    return message_of_text(read_text(file), head, file.name) if is_message(head) else None
