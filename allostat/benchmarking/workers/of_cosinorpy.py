"""CosinorPy."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

PACKAGES = ("CosinorPy",)

Pair = tuple[Callable[[], Any], Callable[[Any], Any]]


def _cosinor(t_h: Any, values: Any) -> Pair:
    from CosinorPy import cosinor1

    def answer(found: Any) -> Any:
        fit, amplitude, acrophase = found[:3]
        # Its angle is added: the peak lies where 2 pi t / 24 + angle = 0.
        return {
            "mesor": fit.params["Intercept"],
            "amplitude": amplitude,
            "acrophase_h": -acrophase * 24 / (2 * math.pi) % 24,
        }

    return (lambda: cosinor1.fit_cosinor(t_h, values, 24, plot_on=False)), answer


CONTENDERS = {("cosinor", "CosinorPy"): _cosinor}
