"""Tables of samples, the JSON beside them, and what the adapter says of them."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from allostat.adapter import ReadOptions
from allostat.errors import InputError
from allostat.reading import SURE_ENOUGH, verdicts
from allostat.recording import Recording
from allostat.source import Source
from allostat_devices.signal_table import ADAPTER

RATE = 250.0


def wave(n: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.round(np.sin(np.arange(n) / 9.0) + 0.1, 3)


def table(n: int = 600, *, header: str = "Time [s],ECG [mV],RESP", sep: str = ",", scale: float = 1.0) -> str:
    values = wave(n)
    rows = [sep.join((f"{i / RATE * scale:.10g}", f"{v:g}", f"{i % 7}")) for i, v in enumerate(values)]
    return "\n".join([header.replace(",", sep), *rows]) + "\n"


def put(folder: Path, content: str | bytes, name: str = "x.csv", **sidecar: Any) -> Path:
    data = content.encode() if isinstance(content, str) else content
    path = folder / name
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    if sidecar:
        stem = name.removesuffix(".gz").rsplit(".", 1)[0]
        (folder / f"{stem}.json").write_text(json.dumps(sidecar))
    return path


def read(path: Path, **options: Any) -> Recording:
    source = Source(path)
    assert verdicts(source)[0].adapter.name == "signal_table", verdicts(source)[:2]
    (recording,) = ADAPTER.read(source, ReadOptions(**options))
    return recording


def refusal(path: Path) -> str:
    said = verdicts(Source(path))[0]
    if said.sniff.confidence < SURE_ENOUGH:
        return said.sniff.reason
    with pytest.raises(InputError) as told:
        ADAPTER.inspect(Source(path))
    return str(told.value)


def dated(times: list[str], name: str = "datetime,PLETH") -> str:
    return name + "\n" + "".join(f"{t},{v:g}\n" for t, v in zip(times, wave(len(times)), strict=True))


def bare(n: int = 1000) -> str:
    return "".join(f"{v:g}\n" for v in wave(n))
