"""The example of docs/virtual_straps.md runs as it stands there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from allostat_devices.virtual.truth import Truth


def test_the_first_example_of_the_page_runs() -> None:
    page = Path(__file__).parents[3] / "docs" / "virtual_straps.md"
    example = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)[0]
    printed: list[Any] = []
    exec(compile(example, str(page), "exec"), {"print": lambda *values: printed.append(values[-1])})
    truth = printed[-1]
    assert isinstance(truth, Truth) and truth.beats.delivered > 3000 and len(printed) > 3000
