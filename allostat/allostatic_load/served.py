"""Which of the shipped definitions a table can serve: for people whose table does not fit the one they asked for."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from allostat.allostatic_load.definitions import definition_names, load_definition
from allostat.allostatic_load.references import Reference, load_reference
from allostat.allostatic_load.scoring import allostatic_load
from allostat.biomarkers import BiomarkerTable
from allostat.errors import ConfigError
from allostat.panel import Panel, panel_of


def definitions_served(
    table: BiomarkerTable | Panel, reference: str | Path | Reference | None = None
) -> tuple[tuple[str, int], ...]:
    """Shipped definitions by the number of rows (participant and occasion) that get an index, most first.

    Parameters
    ----------
    reference
        As in `allostatic_load`; None: each definition's own.

    Returns
    -------
    tuple of (name, rows)
        Without definitions that serve nobody, or whose model or quantile the reference does not hold.
    """
    panel = panel_of(table)
    found: list[tuple[str, int]] = []
    for name in definition_names():
        definition = load_definition(name)
        compared = reference if isinstance(reference, Reference) else load_reference(
            reference or definition.default_reference
        )  # fmt: skip
        try:
            index = allostatic_load(panel, definition, compared)["index"].values
        except ConfigError:
            # The reference cannot serve this definition: that is the answer for this one.
            continue
        served = int(np.isfinite(index).sum())
        if served:
            found.append((name, served))
    return tuple(sorted(found, key=lambda one: (-one[1], one[0])))
