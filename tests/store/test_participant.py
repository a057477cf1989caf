"""A participant file gives back what was put in, and the same input gives the same bytes."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from allostat.biomarkers import Person
from allostat.errors import StoreError
from allostat.recording import Beats, Clock, ClockBlock, Marker, Notice, Recording, Signal
from allostat.store import ParticipantResult, read_participant, verify, write_participant
from allostat.store.durable import file_sha256
from tests.store.results import assert_same, corrected, device_beats, full_result, hrv

TEXT = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=12)
NAME = st.text("abcXYZ059_-. é/", min_size=1, max_size=8).filter(lambda s: all(p.strip() for p in s.split("/")))
PLAIN_NAME = st.from_regex(r"[a-z][a-z0-9_]{0,6}", fullmatch=True)
INT64 = st.integers(-(2**63), 2**63 - 1)
DTYPES = st.sampled_from([np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.float32, np.float64])


@st.composite
def signals(draw: st.DrawFn) -> Signal:
    samples = draw(hnp.arrays(draw(DTYPES), st.integers(0, 60)))
    n = len(samples)
    starts = sorted({0, *draw(st.lists(st.integers(0, max(n - 1, 0)), max_size=3))}) if n else []
    rate = st.floats(0.01, 5000)
    blocks = tuple(ClockBlock(s, draw(INT64), draw(rate), draw(rate | st.just(math.nan))) for s in starts)
    epoch = draw(st.sampled_from(["utc", "local", "relative"]))
    number = st.floats(-1e6, 1e6).filter(lambda x: x != 0)
    clock = Clock(blocks, n, epoch, draw(st.none() | INT64))
    missing = draw(st.none() | st.integers(-(2**31), 2**31))
    return Signal(draw(TEXT), "other", samples, clock, draw(TEXT), draw(number), draw(number | st.just(0.0)), missing)


@st.composite
def beats(draw: st.DrawFn, depth: int = 2) -> Beats:
    times = np.array(sorted(draw(st.sets(INT64, max_size=20))), dtype=np.int64)
    n = len(times)
    return Beats(
        times,
        draw(hnp.arrays(np.float64, n)),
        draw(hnp.arrays(np.int8, n, elements=st.integers(0, 6))),
        "unknown",
        draw(st.sampled_from(["utc", "local", "relative"])),
        draw(TEXT),
        draw(st.none() | hnp.arrays(np.float32, n)),
        {k: draw(hnp.arrays(draw(DTYPES | st.just(np.bool_)), n)) for k in draw(st.sets(PLAIN_NAME, max_size=2))},
        draw(st.none() | beats(depth - 1)) if depth else None,
    )


@st.composite
def datasets(draw: st.DrawFn) -> xr.Dataset:
    sizes = {"window": draw(st.integers(0, 5)), "day": draw(st.integers(1, 3))}
    names = draw(st.sets(PLAIN_NAME.filter(lambda n: n not in sizes), max_size=4))
    variables = {}
    for name in names:
        dims = draw(st.sampled_from([(), ("window",), ("day", "window")]))
        shape = tuple(sizes[d] for d in dims)
        texts = hnp.arrays(object, shape, elements=TEXT).map(lambda a: np.asarray(a, dtype=np.str_))
        values = draw(hnp.arrays(draw(DTYPES | st.just(np.bool_)), shape) | texts)
        attrs = draw(st.dictionaries(PLAIN_NAME.filter(lambda n: n not in ("dtype", "units", "coordinates")),
                                     TEXT | INT64 | st.floats() | st.lists(TEXT, min_size=1, max_size=3)))  # fmt: skip
        variables[name] = (dims, values, attrs)
    coordinates = draw(st.sets(st.sampled_from(sorted(names)))) if names else set()
    return xr.Dataset(
        {n: v for n, v in variables.items() if n not in coordinates},
        coords={n: v for n, v in variables.items() if n in coordinates},
        attrs=draw(st.dictionaries(PLAIN_NAME.filter(lambda n: n != "coordinates"), TEXT | INT64, max_size=3)),
    )


def keyed(values: st.SearchStrategy) -> st.SearchStrategy:
    """By name, no name the folder of another."""
    return st.dictionaries(NAME, values, max_size=2).filter(
        lambda d: not any(a != b and b.startswith(f"{a}/") for a in d for b in d)
    )


recordings = st.builds(
    Recording,
    id=PLAIN_NAME,
    signals=st.dictionaries(TEXT.filter(bool), signals(), max_size=2),
    beats=st.dictionaries(TEXT.filter(bool), beats(0), max_size=1),
    participant=st.none() | TEXT,
    markers=st.lists(st.builds(Marker, INT64, TEXT), max_size=2).map(tuple),
    notices=st.lists(st.builds(Notice, TEXT, TEXT), max_size=2).map(tuple),
)
results = st.builds(
    ParticipantResult,
    participant=TEXT,
    person=st.builds(Person, TEXT, st.sampled_from(["F", "M", None]), st.none() | st.floats(0, 120)),
    recordings=keyed(recordings),
    beats=keyed(beats()),
    hrv=keyed(datasets()),
    circadian=st.none() | datasets(),
    labs=st.none() | datasets(),
    quality=keyed(datasets()),
    provenance=st.dictionaries(TEXT, TEXT | st.integers() | st.booleans() | st.none(), max_size=3),
    notices=st.lists(st.builds(Notice, TEXT, TEXT, count=st.integers(0, 9)), max_size=2).map(tuple),
)


def test_full_result_comes_back_to_the_last_bit(tmp_path: Path) -> None:
    result = full_result()
    path = tmp_path / "sub-001.h5"
    digest = write_participant(result, path)
    assert digest == file_sha256(path)
    assert_same(result, read_participant(path))
    assert verify(path) == []


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
@given(result=results)
def test_any_result_comes_back_to_the_last_bit(tmp_path: Path, result: ParticipantResult) -> None:
    path = tmp_path / "any.h5"
    first = write_participant(result, path)
    assert_same(result, read_participant(path))
    assert write_participant(result, path) == first
    assert verify(path) == []


def test_same_result_gives_the_same_bytes_in_another_process(tmp_path: Path) -> None:
    write_participant(full_result(), tmp_path / "here.h5")
    code = (
        "import sys; from tests.store.results import full_result; from allostat.store import write_participant; "
        "write_participant(full_result(), sys.argv[1])"
    )
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": str(root)}
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "there.h5")], check=True, cwd=root, env=environment)
    assert (tmp_path / "here.h5").read_bytes() == (tmp_path / "there.h5").read_bytes()


def test_what_is_read_is_written_to_the_same_bytes(tmp_path: Path) -> None:
    first = write_participant(full_result(), tmp_path / "a.h5")
    assert write_participant(read_participant(tmp_path / "a.h5"), tmp_path / "b.h5") == first


def test_without_signals_names_stay_and_beats_stay(tmp_path: Path) -> None:
    path = tmp_path / "sub-001.h5"
    write_participant(full_result(), path, signals=False)
    back = read_participant(path)
    assert not back.recordings["h10"].signals
    assert_same(full_result().recordings["h10"].beats, back.recordings["h10"].beats)
    assert_same(full_result().beats, back.beats)
    with xr.open_datatree(path, engine="h5netcdf") as tree:
        assert tree["recordings/h10"].attrs["signals_left_out"] == ["ecg", "ppg"]


def test_uncorrected_beats_of_a_device_are_stored_once(tmp_path: Path) -> None:
    shared = device_beats(50_000)
    result = replace(
        full_result(),
        recordings={"h10": Recording("h10", {}, {"rr": shared})},
        beats={"h10/rr": replace(shared, method="corrected", original=shared)},
    )
    write_participant(result, tmp_path / "once.h5")
    foreign = replace(shared, method="other")
    write_participant(replace(result, beats={"h10/rr": replace(shared, original=foreign)}), tmp_path / "twice.h5")
    assert (tmp_path / "twice.h5").stat().st_size - (tmp_path / "once.h5").stat().st_size > 16 * 50_000
    assert_same(result, read_participant(tmp_path / "once.h5"))


def test_only_wanted_groups_are_read(tmp_path: Path) -> None:
    path = tmp_path / "sub-001.h5"
    result = full_result()
    write_participant(result, path)
    part = read_participant(path, groups=["biomarkers", "beats"])
    assert_same(result.biomarkers, part.biomarkers)
    assert_same(result.beats, part.beats)
    assert not part.recordings and not part.hrv and part.labs is None
    with pytest.raises(StoreError, match="nearest valid: 'hrv'"):
        read_participant(path, groups=["hvr"])


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (np.array([1 + 2j]), "complex128"),
        (np.array([1.0], np.float16), "float16"),
        (np.array(["2024-01-01"], "M8[ns]"), "int64 ns"),
        (np.array([{}], dtype=object), "dict"),
        (np.array(["a\0b"]), "NUL"),
    ],
)
def test_dtype_that_readers_stumble_on_is_refused(tmp_path: Path, values: np.ndarray, words: str) -> None:
    dataset = xr.Dataset({"odd": ("window", values)})
    with pytest.raises(StoreError, match=words) as caught:
        write_participant(replace(full_result(), hrv={"5min": dataset}), tmp_path / "x.h5")
    assert "/hrv/5min/odd" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("value", [None, {"a": 1}, [], [1, "a"], 2**70, "a\0", np.zeros((2, 2))])
def test_attribute_that_cannot_be_stored_is_named(tmp_path: Path, value: object) -> None:
    dataset = hrv().assign_attrs(strange=value)
    with pytest.raises(StoreError, match="attribute strange"):
        write_participant(replace(full_result(), hrv={"5min": dataset}), tmp_path / "x.h5")


def test_names_that_clash_are_refused(tmp_path: Path) -> None:
    for quality in ({"h10": hrv(), "h10/ecg": hrv()}, {"h10/ecg": hrv(), "h10": hrv()}):
        with pytest.raises(StoreError, match="folder of another"):
            write_participant(replace(full_result(), quality=quality), tmp_path / "x.h5")
    with pytest.raises(StoreError, match="reserved"):
        write_participant(replace(full_result(), labs=hrv().assign_attrs(content_sha256="x")), tmp_path / "x.h5")
    with pytest.raises(StoreError, match="/ or control"):
        write_participant(replace(full_result(), labs=hrv().rename(rmssd="a/b")), tmp_path / "x.h5")


def test_signal_and_beats_of_one_name_are_kept_apart(tmp_path: Path) -> None:
    recording = full_result().recordings["h10"]
    both = replace(recording, beats={"ecg": corrected(device_beats(9))})
    write_participant(replace(full_result(), recordings={"h10": both}), tmp_path / "x.h5")
    assert_same(both, read_participant(tmp_path / "x.h5").recordings["h10"])


def test_provenance_that_is_not_json_is_named(tmp_path: Path) -> None:
    for bad, words in (({"settings": {"rate": math.nan}}, "JSON"), ({"run": object()}, "provenance.run")):
        with pytest.raises(StoreError, match=words):
            write_participant(replace(full_result(), provenance=bad), tmp_path / "x.h5")


def test_long_provenance_and_notices_come_back(tmp_path: Path) -> None:
    provenance = {"inputs": [{"name": f"{i:05}.csv", "sha256": "ef" * 32} for i in range(3000)]}
    result = replace(full_result(), provenance=provenance)
    write_participant(result, tmp_path / "x.h5")
    assert_same(result, read_participant(tmp_path / "x.h5"))
