"""The JSON of a strap's journalled records, written by the link and read by the decoder; reading never raises."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

LONGEST_JSON_BYTES = 1 << 16
"""No record of a journal is longer."""


def to_json(facts: Mapping[str, Any]) -> bytes:
    """The bytes of a record of facts: UTF-8, keys in their order, None left out."""
    kept = {key: value for key, value in facts.items() if value is not None}
    return json.dumps(kept, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode("utf-8")


def from_json(data: bytes) -> dict[str, Any] | None:
    """Facts of a record; None when the bytes are no JSON object."""
    if len(data) > LONGEST_JSON_BYTES:
        return None
    try:
        read = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return read if isinstance(read, dict) else None


def text_of(facts: Mapping[str, Any], key: str) -> str | None:
    """A fact that is a text and not empty, else None."""
    value = facts.get(key)
    return value if isinstance(value, str) and value else None


def number_of(facts: Mapping[str, Any], key: str) -> float | None:
    """A fact that is a finite number above zero, else None."""
    value = facts.get(key)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) and number > 0 else None
