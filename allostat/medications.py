"""Drug classes among a participant's medications, where a rule of the index depends on them."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from functools import cache, lru_cache
from importlib import resources
from typing import Literal

DrugClass = Literal["antihypertensive", "beta_blocker", "corticosteroid", "statin", "oral_contraceptive"]

_ATC = re.compile(r"[A-Z]\d{2}[A-Z]{0,2}\d{0,2}")


@cache
def _classes() -> Mapping[str, Mapping[str, Sequence[str]]]:
    text = resources.files("allostat_data").joinpath("medications.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def taken(medications: Iterable[str], drug_class: DrugClass) -> tuple[str, ...]:
    """The medications that belong to a class, as they were written.

    A medication is a class name (``antihypertensives``), an ATC code (``C09AA05``) or a generic name (``ramipril``,
    with or without a dose behind it). Brand names are not known.
    """
    return tuple(m for m in medications if drug_class in drug_classes(m))


@lru_cache(maxsize=4096)
def drug_classes(medication: str) -> frozenset[str]:
    """The classes, of those that rules know, that one medication belongs to."""
    return frozenset(name for name, entry in _classes().items() if _belongs(medication, entry))


def _belongs(medication: str, entry: Mapping[str, Sequence[str]]) -> bool:
    text = re.sub(r"[\s\-_]+", " ", medication.strip().casefold())
    if text in entry["class_names"]:
        return True
    if _ATC.fullmatch(medication.strip().upper()):
        return medication.strip().upper().startswith(tuple(entry["atc"]))
    words = text.split()
    return any(word in entry["names"] or word.endswith(tuple(entry["stems"])) for word in words)
