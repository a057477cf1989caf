"""Checking the keys of a declarative file: definitions and grids say alike what is wrong with them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from allostat.errors import ConfigError


def only_keys(entry: object, valid: Collection[str], where: str) -> None:
    """Raise `ConfigError` with the nearest valid key when a table has another, or is none."""
    if not isinstance(entry, Mapping):
        raise ConfigError("expected a table of keys", where=where, found=entry)
    for key in entry:
        if key not in valid:
            raise ConfigError("unknown key", where=where, found=key, valid=valid)


def text_of(entry: Mapping[str, Any], key: str, where: str) -> str:
    """A key's text; `ConfigError` when it is missing, empty or no text."""
    value = entry.get(key)
    if not isinstance(value, str) or not value:
        raise ConfigError(f"key {key!r} is missing or no text", where=where, found=value, expected="text")
    return value
