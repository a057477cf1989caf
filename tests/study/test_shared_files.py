"""Two participants with the same data are a problem; with the same sidecar, header or empty list they are none."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from allostat.study import Study

SIDECAR = json.dumps({"SamplingFrequency": 250, "Columns": ["r_peak"]})


def problems(folder: Path) -> dict[str, str]:
    plan = Study(folder).plan()
    assert {p.participant for p in plan.participants} == {"a", "b"} and all(p.exports for p in plan.participants)
    return {p.participant: " ".join(p.problems) for p in plan.participants if p.problems}


def peaks(seed: int) -> str:
    return "".join(f"{v}\n" for v in np.cumsum(np.random.default_rng(seed).integers(170, 240, 60)))


def put(folder: Path, files: dict[str, str | bytes]) -> None:
    for name, content in files.items():
        path = folder / "raw" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)


def test_the_same_sidecar_for_everybody_is_no_shared_data(tmp_path: Path) -> None:
    put(tmp_path, {"a/x.tsv": peaks(1), "a/x.json": SIDECAR, "b/x.tsv": peaks(2), "b/x.json": SIDECAR})
    assert problems(tmp_path) == {}


def test_loose_lists_may_have_the_same_sidecar_as_well(tmp_path: Path) -> None:
    put(tmp_path, {"a.tsv": peaks(1), "a.json": SIDECAR, "b.tsv": peaks(2), "b.json": SIDECAR})
    assert problems(tmp_path) == {}


def test_the_same_list_is_told_whatever_its_sidecar_says(tmp_path: Path) -> None:
    other = SIDECAR.replace("250", "200")
    put(tmp_path, {"a/x.tsv": peaks(1), "a/x.json": SIDECAR, "b/y.tsv": peaks(1), "b/y.json": other})
    told = problems(tmp_path)
    assert set(told) == {"a", "b"} and "x.tsv" in told["a"] and "json" not in told["a"]


@pytest.mark.parametrize("packed", [True, False])
def test_the_same_single_file_is_told(tmp_path: Path, packed: bool) -> None:
    content = "".join(f"{v}\n" for v in np.random.default_rng(4).integers(780, 860, 200)).encode()
    ending = ".txt.gz" if packed else ".txt"
    data = gzip.compress(content, mtime=0) if packed else content
    put(tmp_path, {f"a/x{ending}": data, f"b/y{ending}": data})
    assert set(problems(tmp_path)) == {"a", "b"}


def test_sessions_of_a_wristband_share_their_notes_and_an_empty_list_of_buttons(tmp_path: Path) -> None:
    for who, value in (("a", "1.5"), ("b", "1.6")):
        put(
            tmp_path,
            {
                f"{who}/BVP.csv": "1600000000.0\n64.0\n" + f"{value}\n" * 200,
                f"{who}/EDA.csv": "1600000000.0\n4.0\n" + f"{value}\n" * 20,
                f"{who}/tags.csv": "",
                f"{who}/info.txt": ".csv files in this archive are in the following format:\n",
            },
        )
    assert problems(tmp_path) == {}
    raw = tmp_path / "raw"
    (raw / "b" / "EDA.csv").write_bytes((raw / "a" / "EDA.csv").read_bytes())
    assert set(problems(tmp_path)) == {"a", "b"}


def test_headers_of_annotations_may_be_the_same(tmp_path: Path) -> None:
    from allostat.simulate.exports.wfdb import annotation_bytes

    for who, seed in (("a", 1), ("b", 2)):
        marks = annotation_bytes([int(v) for v in peaks(seed).split()])
        put(tmp_path, {f"{who}/r1.hea": "r1 0 250\n", f"{who}/r1.atr": marks})
    assert problems(tmp_path) == {}
