"""A study at a path, with what the command line says of its settings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from allostat.study import Study


def opened(
    path: Path,
    *,
    preset: str | None = None,
    timezone: str | None = None,
    reference: str | None = None,
    memory: str | None = None,
) -> Study:
    """The study at a path with the settings that the command line overrides."""
    from allostat.study import Study

    study = Study(path)
    config = study.config
    if preset is not None:
        config = config.replaced("hrv", preset=preset)
    if timezone is not None:
        config = config.replaced("study", timezone=timezone)
    if reference is not None:
        config = config.replaced("allostatic_load", reference=reference)
    if memory is not None:
        config = config.replaced("run", memory_limit=memory)
    return Study(path, config)
