"""Running a study inside the test's own process, where a test can watch and disturb it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from allostat.errors import AllostatError
from allostat.study import processes
from allostat.study.processes import Ended


def stay_in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let runs start no process."""
    monkeypatch.setattr(processes, "run_isolated", in_this_process)
    monkeypatch.setattr(processes, "call_warm", lambda function, *arguments: function(*arguments))


def in_this_process(tasks: Sequence[Any], work: Callable[[Any], None], **_: Any) -> Iterator[Ended[Any]]:
    """What `run_isolated` does, without other processes."""
    for task in tasks:
        refused = None
        try:
            work(task)
        except AllostatError as error:
            refused = str(error)
        yield Ended(task, 0.0, None, refused)
