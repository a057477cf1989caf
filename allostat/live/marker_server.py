"""Markers that other programs send over HTTP: what a request must hold, and what it becomes.

``POST …/markers`` with ``label`` and, if the sender knows the instant better than the arrival tells it, either
``time_ns`` (ns Unix time) or ``age_ms`` (how long ago it was); as JSON or as a form.
`allostat.live.faces.web` serves it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

from allostat.errors import InputError
from allostat.live.faces.controls import label_of
from allostat.live.updates import MarkerSet
from allostat.sampling import NS_PER_S

FIELDS = ("label", "time_ns", "age_ms")
FARTHEST_S = 600.0
"""A marker's own time lies within this of its arrival: a clock that is farther off is not this computer's."""


def marker_of(body: bytes, content_type: str, arrived_ns: int) -> MarkerSet:
    """The marker that a request asks for.

    Parameters
    ----------
    body, content_type
        Of the request: ``application/json`` or ``application/x-www-form-urlencoded``.
    arrived_ns
        The session's time at which the request arrived: the marker's time when it tells none.

    Raises
    ------
    InputError
        Another content type, no label, an unknown field, a time that is no integer or far from the arrival.
    """
    fields = _fields(body, content_type.partition(";")[0].strip().lower())
    for name in fields:
        if name not in FIELDS:
            raise InputError("a marker has no such field", found=name, valid=FIELDS)
    if "time_ns" in fields and "age_ms" in fields:
        raise InputError("a marker has one time", found="time_ns and age_ms", expected="one of them, or neither")
    time_ns = arrived_ns
    if "time_ns" in fields:
        time_ns = _time(fields["time_ns"], arrived_ns)
    elif "age_ms" in fields:
        time_ns = arrived_ns - _age_ns(fields["age_ms"])
    return MarkerSet(time_ns, label_of(fields.get("label", "")), "http")


def _fields(body: bytes, content_type: str) -> Mapping[str, Any]:
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError("a marker's text is UTF-8", found=repr(body[error.start : error.start + 8])) from error
    if content_type == "application/json":
        try:
            value = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise InputError("the request is not JSON", found=text[:40]) from error
        if not isinstance(value, dict):
            raise InputError("a marker is a JSON object", found=type(value).__name__, expected='{"label": "…"}')
        return value
    if content_type == "application/x-www-form-urlencoded":
        try:
            found = parse_qs(text, keep_blank_values=True, max_num_fields=8)
        except ValueError as error:
            raise InputError("the form has too many fields", expected="label, and time_ns or age_ms") from error
        return {name: values[-1] for name, values in found.items()}
    raise InputError(
        "a marker comes as JSON or as a form",
        found=content_type,
        expected="Content-Type application/json or application/x-www-form-urlencoded",
    )


def _time(value: object, arrived_ns: int) -> int:
    text = str(value)
    if isinstance(value, (bool, float)) or not text.lstrip("-").isascii() or not text.lstrip("-").isdigit():
        raise InputError("a marker's time is an integer, ns Unix time", found=text[:40])
    if len(text) > 20 or abs(int(text) - arrived_ns) > FARTHEST_S * NS_PER_S:
        raise InputError(
            "a marker's time is too far from now",
            found=text[:40],
            expected=f"ns Unix time within {FARTHEST_S:.0f} s of {arrived_ns}",
        )
    return int(text)


def _age_ns(value: object) -> int:
    try:
        age_ms = float(value) if isinstance(value, (int, float, str)) and not isinstance(value, bool) else math.nan
    except (ValueError, OverflowError):
        age_ms = math.nan
    if not 0.0 <= age_ms <= FARTHEST_S * 1e3:
        raise InputError(
            "a marker's age is a number of ms", found=str(value)[:40], expected=f"0 to {FARTHEST_S * 1e3:.0f}"
        )
    return round(age_ms * 1e6)
