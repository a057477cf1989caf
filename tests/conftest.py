"""Shared fixtures: golden vectors, and the folder of real recordings (tests skip when it is absent)."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def golden() -> dict[str, Any]:
    return json.loads((Path(__file__).parent / "golden.json").read_text())


@pytest.fixture(scope="session")
def recordings() -> Callable[[str], Path]:
    """Path of a data set inside the folder that ALLOSTAT_RECORDINGS names; skips the test when it is not there."""

    def find(name: str) -> Path:
        root = os.environ.get("ALLOSTAT_RECORDINGS")
        if not root or not (Path(root) / name).exists():
            pytest.skip(f"real recordings not available: {name}")
        return Path(root) / name

    return find
