"""FHIR (R4, R5) observations: a Bundle, one Observation, a list of resources, or newline-delimited JSON of them.

Read are subject, code (LOINC where there is one), value with UCUM unit and comparator, time of collection, specimen,
method, and the reason for a missing value. Names, performers, notes and other identifiers are not.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from allostat.errors import InputError
from allostat.recording import Notice
from allostat.tables.coded_results import (
    DIASTOLIC,
    PRESSURE_PANEL,
    PULSE,
    SYSTOLIC,
    CodedResult,
    Message,
    check_label,
    count_notice,
    message_of,
)

LOINC = "http://loinc.org"
UCUM = "http://unitsofmeasure.org"

_WITHDRAWN = {"entered-in-error", "cancelled", "registered"}
_DEEPEST = 60

Json = Mapping[str, Any]


@dataclass(frozen=True)
class _Context:
    """What an observation's components share with it."""

    place: int
    where: str
    cells: Mapping[str, str]


def looks_like_fhir(head: bytes) -> bool:
    """Whether the first bytes of a file are those of FHIR resources in JSON."""
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    return start[:1] in (b"{", b"[") and b'"resourceType"' in head


def read_fhir(text: str, file: str) -> Message:
    """Laboratory values and cuff readings of FHIR resources, as rows.

    Raises
    ------
    InputError
        When it is no JSON, or holds no FHIR resource.
    """
    resources = list(_resources(text, file))
    specimens = {key: r for _, r in resources if r.get("resourceType") == "Specimen" for key in _keys(r)}
    labs: list[CodedResult] = []
    pressures: list[CodedResult] = []
    withdrawn: list[int] = []
    unread: list[int] = []
    for place, resource in resources:
        if resource.get("resourceType") != "Observation":
            continue
        if resource.get("status") in _WITHDRAWN:
            withdrawn.append(place)
            continue
        found = _observation(resource, specimens, place, f"{file}, entry {place}")
        labs += found[0]
        pressures += found[1]
        if not (found[0] or found[1]):
            unread.append(place)
    notices: tuple[Notice, ...] = count_notice("WITHDRAWN", "observations withdrawn by the laboratory", withdrawn, file)
    notices += count_notice("UNSUPPORTED", "observations without a number, text or reason", unread, file)
    return message_of(file, "entry", labs, pressures, notices)


def _resources(text: str, file: str) -> Iterator[tuple[int, Json]]:
    """Number and resource of every entry; bundles are opened."""
    try:
        whole = json.loads(text)
    except RecursionError as error:
        raise InputError("is nested too deeply", where=file) from error
    except ValueError as error:
        lines = [line for line in text.splitlines() if line.strip()]
        if len(lines) < 2 or not lines[0].rstrip().endswith("}"):
            raise InputError(f"is not JSON ({error})", where=file) from error
        whole = [_line(line, file, n) for n, line in enumerate(lines, 1)]
    entries = whole if isinstance(whole, list) else [whole]
    found = [r for entry in entries for r in _opened(entry, 0)]
    if not any(r.get("resourceType") for r in found):
        raise InputError("holds no FHIR resource", where=file, expected="a Bundle or Observations")
    yield from enumerate(found, 1)


def _line(line: str, file: str, number: int) -> object:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputError(f"is not JSON ({error})", where=f"{file}, line {number}") from error


def _opened(entry: object, depth: int) -> Iterator[Json]:
    if not isinstance(entry, Mapping) or depth > _DEEPEST:
        return
    inner = entry.get("resource")
    if "resourceType" not in entry and isinstance(inner, Mapping):
        yield from _opened({**inner, "fullUrl": entry.get("fullUrl")}, depth + 1)
    elif entry.get("resourceType") == "Bundle":
        for one in _list(entry, "entry"):
            yield from _opened(one, depth + 1)
    else:
        yield entry
        for one in _list(entry, "contained"):
            yield from _opened(one, depth + 1)


def _observation(
    resource: Json, specimens: Mapping[str, Json], place: int, where: str
) -> tuple[list[CodedResult], list[CodedResult]]:
    specimen = _specimen(resource, specimens)
    shared = {
        "participant_id": _subject(resource),
        "collected_at": _when(resource, specimen),
        "specimen": _concept(specimen.get("type", {}))[1] or _text(_dict(resource, "specimen"), "display"),
        "assay": _concept(_dict(resource, "method"))[1],
    }
    context = _Context(place, where, shared)
    code, _ = _concept(_dict(resource, "code"))
    components = [c for c in _list(resource, "component") if isinstance(c, Mapping)]
    by_code = {_concept(_dict(c, "code"))[0]: c for c in components}
    if code == PRESSURE_PANEL or {SYSTOLIC, DIASTOLIC} <= by_code.keys():
        return [], [_pressure(by_code, context)]
    parts = components or [resource]
    results = [_result(part, context) for part in parts]
    return [r for r in results if r is not None], []


def _result(part: Json, context: _Context) -> CodedResult | None:
    code, label = _concept(_dict(part, "code"))
    check_label(code, label, context.where)
    value, unit, operator = _value(part)
    if not value:
        return None
    cells = {"analyte": code or label, "value": value, "unit": unit, "operator": operator}
    return CodedResult(context.place, {**context.cells, **cells}, label)


def _pressure(by_code: Mapping[str, Json], context: _Context) -> CodedResult:
    cells = {"participant_id": context.cells["participant_id"], "measured_at": context.cells["collected_at"]}
    for column, code, units in (
        ("sbp", SYSTOLIC, ("mm[Hg]", "mmHg")),
        ("dbp", DIASTOLIC, ("mm[Hg]", "mmHg")),
        ("pulse", PULSE, ("/min", "bpm")),
    ):  # fmt: skip
        value, unit, _ = _value(by_code.get(code, {}))
        if value and unit not in units:
            raise InputError(f"unit of {column}", where=context.where, found=unit or "none", expected=units[0])
        cells[column] = value
    return CodedResult(context.place, cells)


def _value(part: Json) -> tuple[str, str, str]:
    """Value as text, unit and comparator; the reason for its absence in place of the value."""
    quantity = _dict(part, "valueQuantity")
    if isinstance(quantity.get("value"), (int, float)) and not isinstance(quantity.get("value"), bool):
        coded = _text(quantity, "code") if _text(quantity, "system") == UCUM else ""
        return repr(quantity["value"]), coded or _text(quantity, "unit"), _text(quantity, "comparator")
    if _text(part, "valueString"):
        return _text(part, "valueString"), _text(quantity, "unit"), ""
    for name in ("valueInteger", "valueDecimal"):
        if isinstance(part.get(name), (int, float)):
            return repr(part[name]), "", ""
    absent = _dict(part, "dataAbsentReason")
    return ("missing: " + (_concept(absent)[1] or "no reason given"), "", "") if absent else ("", "", "")


def _subject(resource: Json) -> str:
    """The subject's key: last part of the reference, else an identifier. Never its display, which is a name."""
    subject = _dict(resource, "subject")
    reference = _text(subject, "reference").rstrip("/")
    return reference.rsplit("/", 1)[-1].removeprefix("urn:uuid:") or _text(_dict(subject, "identifier"), "value")


def _when(resource: Json, specimen: Json) -> str:
    collection = _dict(specimen, "collection")
    for holder, name in (
        (collection, "collectedDateTime"), (_dict(collection, "collectedPeriod"), "start"),
        (resource, "effectiveDateTime"), (resource, "effectiveInstant"), (_dict(resource, "effectivePeriod"), "start"),
    ):  # fmt: skip
        if len(_text(holder, name)) > 10:
            return _text(holder, name)
    return ""


def _specimen(resource: Json, specimens: Mapping[str, Json]) -> Json:
    reference = _text(_dict(resource, "specimen"), "reference")
    return specimens.get(reference, specimens.get(reference.lstrip("#"), {})) if reference else {}


def _keys(resource: Json) -> list[str]:
    name = _text(resource, "id")
    return [key for key in (name, f"Specimen/{name}" if name else "", _text(resource, "fullUrl")) if key]


def _concept(concept: object) -> tuple[str, str]:
    """LOINC code (empty without one) and label of a coded concept."""
    if not isinstance(concept, Mapping):
        return "", ""
    codings = [c for c in _list(concept, "coding") if isinstance(c, Mapping)]
    loinc = next((c for c in codings if _text(c, "system") == LOINC), None)
    first = loinc or (codings[0] if codings else {})
    label = " ".join(t for t in (_text(first, "display"), _text(concept, "text")) if t)
    return (_text(loinc, "code") if loinc else ""), label if loinc else (_text(concept, "text") or label)


def _text(holder: Json, name: str) -> str:
    value = holder.get(name)
    return value.strip() if isinstance(value, str) else ""


def _dict(holder: Json, name: str) -> Json:
    value = holder.get(name)
    return value if isinstance(value, Mapping) else {}


def _list(holder: Json, name: str) -> list[Any]:
    value = holder.get(name)
    return value if isinstance(value, list) else []
