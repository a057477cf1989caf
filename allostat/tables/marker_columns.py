"""Headers that name a marker and its unit, such as ``hs_crp[mg/L]``, ``hs-CRP (mg/L)`` or ``hs_crp_mg_L``."""

from __future__ import annotations

import re
from collections.abc import Callable

from allostat.errors import UnitError
from allostat.units import ucum

FORMS = "<name>[<unit>], <name> (<unit>) or <name>_<unit>"

_WITH_UNIT = (
    re.compile(r"([^\[\]]+?)\s*\[([^\[\]]*(?:\[[^\[\]]*\])?[^\[\]]*)\]"),
    re.compile(r"([^()\[\]]+?)\s*\(((?:[^()]|\([^()]*\))+)\)"),
)


def name_and_unit(header: str, measured: Callable[[str, str], bool]) -> tuple[str, str] | None:
    """The name and the unit that a header of a wide table tells; None when it does not tell both.

    Parameters
    ----------
    header
        In brackets or parentheses the unit is what stands there, whatever it is. After an underscore, in which case a
        further one is the stroke of a unit (``mg_L``), it must be one of the table of units: there must be one way
        to read it and no other.
    measured
        Whether a marker goes by a name and is measured in a unit (UCUM).
    """
    for form in _WITH_UNIT:
        match = form.fullmatch(header.strip())
        if match:
            return match[1], match[2]
    found = []
    for at in re.finditer("_", header.strip()):
        name, unit = header.strip()[: at.start()], header.strip()[at.end() :].replace("_", "/")
        # A bare number is the unit of a ratio, but after a name it numbers repeats.
        if re.search("[a-zA-Zµμ]", unit) and _is_unit(unit) and measured(name, ucum(unit)):
            found.append((name, unit))
    return found[0] if len(found) == 1 else None


def _is_unit(text: str) -> bool:
    try:
        ucum(text)
    except UnitError:
        return False
    return True
