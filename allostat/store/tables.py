"""The biomarker table and its persons turned into columns and back."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, cast

import numpy as np

from allostat.biomarkers import (
    ROW_COLUMNS,
    Biomarker,
    BiomarkerTable,
    Person,
    Sex,
    joined_numbers,
    split_numbers,
)
from allostat.errors import AllostatError, StoreError
from allostat.store.tree import Group, Variable
from allostat.store.values import decode_json, decode_variable, encode_attributes, encode_json, encode_variable

_SEPARATOR = ";"
_RULES = "rules"
_MAY_LACK = ("raw_value", "adjustment", "repeats")
_FACTS = ("pregnant", "smoker", "oral_contraceptive")
_NUMBERS = {
    "value": np.float64, "standard_error": np.float64, "coverage": np.float64, "n": np.int64, "raw_value": np.float64,
}  # fmt: skip
_LONG_NAMES = {
    "value": "value in the unit of the row", "unit": "UCUM unit of value and standard error",
    "standard_error": "standard error on the scale of the biomarker's transform", "n": "repeats behind the value",
    "coverage": "share of the wanted data that was valid", "quality": "reason codes, separated by ;",
    "raw_value": "value as measured where a rule changed or excluded it", "adjustment": "what the rule did",
    "repeats": "single draws or readings behind the value, separated by ;",
}  # fmt: skip


def encode_table(table: BiomarkerTable, where: str, *, persons: bool = True) -> Group:
    """A leaf group: one entry per row along ``row``, one per person, where they are wanted, along ``person``.

    Missing facts of a person are empty text, NaN, or -1 where they are yes or no. Columns in which every entry
    would have its default are left out.
    """
    said = [name for name in _MAY_LACK if any(_is_told(getattr(row, name)) for row in table.rows)]
    names = [name for name in ROW_COLUMNS if name not in _MAY_LACK or name in said]
    columns: dict[str, list[Any]] = {name: [] for name in names}
    for row in table.rows:
        for name in names:
            columns[name].append(_cell(name, getattr(row, name), where))
    variables: dict[str, Variable] = {}
    for name, values in columns.items():
        attrs = {"long_name": _LONG_NAMES.get(name, name)}
        variables[name] = encode_variable(name, ["row"], _column(values, _NUMBERS.get(name)), attrs, where)
    if persons:
        variables |= encode_persons(table.persons.items(), where)
    return Group(encode_attributes({_RULES: encode_json(table.rules, where)} if table.rules else {}, where), variables)


def decode_table(group: Group | None, where: str) -> BiomarkerTable:
    """The table of which `encode_table` made a group; an empty one when there is no group.

    Raises
    ------
    StoreError
        When a row names a biomarker that this version does not know, or is not valid.
    """
    if group is None:
        return BiomarkerTable()
    names = [name for name in ROW_COLUMNS if name in group.variables or name not in _MAY_LACK]
    columns = {name: decode_variable(group.variables[name])[1].tolist() for name in names}
    columns["quality"] = [split_codes(q) for q in columns["quality"]]
    if "repeats" in columns:
        columns["repeats"] = [split_numbers(text) for text in columns["repeats"]]
    rules = decode_json(group.attrs[_RULES], f"{where}, rules") if _RULES in group.attrs else {}
    try:
        rows = tuple(Biomarker(**dict(zip(names, entry, strict=True))) for entry in zip(*columns.values(), strict=True))
        return BiomarkerTable(rows, decode_persons(group) if "person_key" in group.variables else {}, rules)
    except AllostatError as error:
        raise StoreError(f"row is not valid in this version ({error})", where=where) from error


def encode_persons(persons: Iterable[tuple[str, Person]], where: str) -> dict[str, Variable]:
    """Columns of persons along ``person``."""
    entries = list(persons)
    columns: dict[str, tuple[list[Any], type | None]] = {
        "person_key": ([key for key, _ in entries], None),
        "person_id": ([p.participant for _, p in entries], None),
        "person_sex": ([p.sex or "" for _, p in entries], None),
        "person_age_years": ([math.nan if p.age_years is None else p.age_years for _, p in entries], np.float64),
        "person_group": ([p.group or "" for _, p in entries], None),
        "person_medications": ([join_codes(p.medications, where) for _, p in entries], None),
    }
    for fact in _FACTS:
        known = [getattr(p, fact) for _, p in entries]
        if any(k is not None for k in known):
            columns[f"person_{fact}"] = ([-1 if k is None else int(k) for k in known], np.int8)
    return {
        name: encode_variable(name, ["person"], _column(values, dtype), {"long_name": name.replace("_", " ")}, where)
        for name, (values, dtype) in columns.items()
    }


def decode_persons(group: Group) -> dict[str, Person]:
    """Persons by key of the columns that `encode_persons` made."""
    names = ("person_key", "person_id", "person_sex", "person_age_years", "person_group", "person_medications")
    columns = [decode_variable(group.variables[name])[1].tolist() for name in names]
    facts = {
        fact: [None if k < 0 else bool(k) for k in decode_variable(group.variables[f"person_{fact}"])[1].tolist()]
        for fact in _FACTS
        if f"person_{fact}" in group.variables
    }
    return {
        key: Person(who, cast("Sex | None", sex or None), None if math.isnan(age) else age, what or None,
                    split_codes(drugs), **{fact: known[i] for fact, known in facts.items()})
        for i, (key, who, sex, age, what, drugs) in enumerate(zip(*columns, strict=True))
    }  # fmt: skip


def encode_person(person: Person, where: str) -> str:
    """One person as JSON."""
    return encode_json(person, f"{where}, person")


def decode_person(text: object, where: str) -> Person:
    """The person that `encode_person` wrote."""
    entry = decode_json(text, f"{where}, person")
    return Person(**{**entry, "medications": tuple(entry["medications"])})


def join_codes(codes: Sequence[str], where: str) -> str:
    """Codes in one text, separated by ``;``; `StoreError` when one holds the separator or is empty."""
    for code in codes:
        if _SEPARATOR in code or not code:
            raise StoreError("code is empty or holds the separator ;", where=where, found=code)
    return _SEPARATOR.join(codes)


def split_codes(text: object) -> tuple[str, ...]:
    """Codes that `join_codes` joined; `StoreError` when a crafted file has numbers in their place."""
    if not isinstance(text, str):
        raise StoreError("a column of codes is not text", found=str(text)[:40])
    return tuple(text.split(_SEPARATOR)) if text else ()


def _is_told(value: str | float | tuple[float, ...]) -> bool:
    return not math.isnan(value) if isinstance(value, float) else bool(value)


def _cell(name: str, value: Any, where: str) -> Any:
    match name:
        case "quality":
            return join_codes(value, where)
        case "repeats":
            return joined_numbers(value)
    return value


def _column(values: list[Any], dtype: type | None) -> np.ndarray[Any, Any]:
    return np.array(values, dtype=np.str_ if dtype is None else dtype)
