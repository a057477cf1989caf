"""File names and labels that other tools accept."""

from __future__ import annotations

import re


def file_label(name: str) -> str:
    """Letters, digits and ``-`` of a name, everything else as ``-``."""
    return re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-") or "x"


def bids_label(name: str) -> str:
    """A BIDS label: letters and digits only."""
    return re.sub(r"[^A-Za-z0-9]+", "", name) or "x"


def identifier(name: str, taken: set[str], longest: int = 60) -> str:
    """A MATLAB name: a letter, then letters, digits and ``_``, not yet taken."""
    plain = re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_")
    plain = (plain if plain[:1].isalpha() else f"x_{plain}")[:longest]
    found, n = plain, 2
    while found in taken:
        found, n = f"{plain[: longest - 4]}_{n}", n + 1
    taken.add(found)
    return found
