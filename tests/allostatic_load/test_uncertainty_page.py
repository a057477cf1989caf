"""The page on uncertainty runs as it stands, and what it says of its own results is true."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

PAGE = Path(__file__).parents[2] / "docs" / "index_uncertainty.md"
_PYTHON = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_the_page_runs_and_keeps_its_word(capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {"__name__": "page"}
    for block in _PYTHON.findall(PAGE.read_text(encoding="utf-8")):
        exec(compile(block, PAGE.name, "exec"), names)
    found, scores = names["found"], names["scores"]
    assert "Hyndman-Fan type 7" in capsys.readouterr().out
    # The sicker skipped the draw: their imputed mean is above that of the rule's index.
    by_rule = names["allostatic_load"](names["holes"], "system", names["reference"])["index"]
    assert float(found["index"].mean()) > float(by_rule.mean())
    assert float(names["mean"].low) < float(scores["index"].mean()) < float(names["mean"].high)
    assert (found["index_se"] > 0).all()
    assert float(names["effect"]["reference_se"].median()) < float(scores["index_se"].median())
    assert names["interval"].notes == ()
    assert np.isfinite(names["drawn"]["index_se"]).all()
