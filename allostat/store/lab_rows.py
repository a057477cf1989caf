"""Laboratory values and cuff readings that a recording brought along, as tables of one row each, and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import Field, fields
from typing import Any, TypeVar

import numpy as np

from allostat.store.tree import Group
from allostat.store.values import (
    decode_attributes,
    decode_json,
    decode_variable,
    encode_attributes,
    encode_json,
    encode_variable,
)
from allostat.tables import BloodPressureReading, Instant, LabRow

Row = TypeVar("Row", LabRow, BloodPressureReading)

_UNITS = {"sbp": "mm[Hg]", "dbp": "mm[Hg]", "pulse": "/min"}
_INSTANT = "Instant | None"
_EXTRAS = "Mapping[str, str]"
_NUMBERS = {"float": np.float64, "int": np.int64}


def encode_rows(rows: Sequence[LabRow] | Sequence[BloodPressureReading], content: str, where: str) -> Group:
    """A leaf group with one column for each field; an instant takes three."""
    columns: dict[str, Any] = {}
    for field in fields(rows[0]):
        values = [getattr(row, field.name) for row in rows]
        columns |= (
            _instants(field.name, values) if field.type == _INSTANT else {field.name: _column(field, values, where)}
        )
    variables = {
        name: encode_variable(name, ["row"], values, {"long_name": name} | _unit(name), where)
        for name, values in columns.items()
    }
    return Group(encode_attributes({"content": content}, where), variables)


def decode_rows(group: Group, kind: type[Row], where: str) -> tuple[Row, ...]:
    """The rows of which `encode_rows` made a group."""
    columns = {
        decode_attributes(v.attrs)["long_name"]: decode_variable(v)[1].tolist() for v in group.variables.values()
    }
    n = len(next(iter(columns.values())))
    found = []
    for i in range(n):
        said: dict[str, Any] = {}
        for field in fields(kind):
            if field.type == _INSTANT:
                said[field.name] = _instant(field.name, columns, i)
            elif field.type == _EXTRAS:
                said[field.name] = decode_json(columns[field.name][i], f"{where}, row {i}")
            else:
                said[field.name] = columns[field.name][i]
        found.append(kind(**said))
    return tuple(found)


def _column(field: Field[Any], values: list[Any], where: str) -> np.ndarray[Any, Any]:
    if field.type == _EXTRAS:
        return np.array([encode_json(value, f"{where}, {field.name}") for value in values])
    return np.array(values, _NUMBERS.get(str(field.type), np.str_))


def _instants(name: str, values: list[Instant | None]) -> dict[str, np.ndarray[Any, Any]]:
    return {
        f"{name}_ns": np.array([0 if v is None else v.time_ns for v in values], np.int64),
        f"{name}_epoch": np.array(["" if v is None else v.epoch for v in values]),
        f"{name}_offset_s": np.array(
            [np.nan if v is None or v.utc_offset_s is None else v.utc_offset_s for v in values], np.float64
        ),
    }


def _instant(name: str, columns: dict[str, list[Any]], i: int) -> Instant | None:
    epoch, offset = columns[f"{name}_epoch"][i], columns[f"{name}_offset_s"][i]
    if not epoch:
        return None
    return Instant(columns[f"{name}_ns"][i], epoch, None if np.isnan(offset) else round(offset))


def _unit(name: str) -> dict[str, str]:
    unit = "s" if name.endswith("_offset_s") else _UNITS.get(name)
    return {} if unit is None else {"units": unit}
