"""antropy and nolds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

PACKAGES = ("antropy", "nolds")

Pair = tuple[Callable[[], Any], Callable[[Any], Any]]

CONTENDERS: dict[tuple[str, str], Callable[..., Pair]] = {}
