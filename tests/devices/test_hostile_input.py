"""Whatever bytes come in, only allostat's own errors come out, and what is read keeps the rules of waist 1."""

from __future__ import annotations

import contextlib
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from allostat.adapter import Adapter, ReadOptions
from allostat.errors import AllostatError
from allostat.source import Source
from allostat_devices.empatica_e4 import ADAPTER as E4
from allostat_devices.polar_ecg_logger import ADAPTER as ECG_LOGGER
from allostat_devices.polar_sensor_logger import ADAPTER as SENSOR_LOGGER
from allostat_devices.rr_text import ADAPTER as RR_TEXT
from allostat_devices.wfdb import ADAPTER as WFDB

ADAPTERS: tuple[Adapter, ...] = (E4, ECG_LOGGER, SENSOR_LOGGER, RR_TEXT, WFDB)
FUZZ = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

TOKENS = [
    b"nan", b"inf", b"-inf", b"1e308", b"9" * 400, b"-1", b"0", b"1_0", b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b";",
    b",", b"\r", b"\n\n", b"", b" ", b"2026-07-26T21:56:26.765", b"9223372036854775807", b"-9223372036854775808",
    b"1e18",
    b"\xc3\xa9", b"0x10", b"rr", b"[HRData]", b"time", b"#", b"1e-320", b"4294967296",
]  # fmt: skip


def take_all(adapter: Adapter, source: Source) -> None:
    """Sniff, inspect and read; allostat errors are the only way to fail."""
    options = [ReadOptions(), ReadOptions(timezone="Europe/Vienna", unit="ms")]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            sniff = adapter.sniff(source)
            assert 0 <= sniff.confidence <= 1
            assert sniff.reason
        except AllostatError:
            pass
        with contextlib.suppress(AllostatError):
            adapter.inspect(source)
        for wanted in options:
            try:
                for recording in adapter.read(source, wanted):
                    for beats in recording.beats.values():
                        told = beats.intervals_ms[np.isfinite(beats.intervals_ms)]
                        assert (told > 0).all()
                    for signal in recording.signals.values():
                        signal.physical(0, 10)
                    assert isinstance(recording.span_ns[0], int)
            except AllostatError:
                pass


def mutated(data: st.DataObject, content: bytes) -> bytes:
    raw = bytearray(content)
    for _ in range(data.draw(st.integers(1, 5))):
        at = data.draw(st.integers(0, len(raw)))
        match data.draw(st.integers(0, 3)):
            case 0:
                raw[at:at] = data.draw(st.sampled_from(TOKENS))
            case 1:
                del raw[at : at + data.draw(st.integers(1, 60))]
            case 2:
                raw[at : at + 1] = bytes([data.draw(st.integers(0, 255))])
            case _:
                cells = raw.replace(b",", b";").split(b";")
                if len(cells) > 2:
                    i = data.draw(st.integers(0, len(cells) - 1))
                    start = sum(len(c) + 1 for c in cells[:i])
                    raw[start : start + len(cells[i])] = data.draw(st.sampled_from(TOKENS))
    return bytes(raw)


RR_FILES = [
    b"800\n810\n790\n805\n812\n",
    b"0,812\n0,790\n0,805\n",
    b"04 August 2017 12:53:19\nTime (ms),HR (bpm),R-R (ms)\n-120,75,800\n680,75,800\n1490,74,810\n",
    b"date,rr,since start\n2025-03-20 09:00:08 +0000,665,0\n2025-03-20 09:00:09 +0000,670,670\n",
    b"timestamp, rr\n\n1688125620000,718\n1688125620718,982\n",
    b"0,0.876\n0.876,0.876\n1.752,0.79\n",
    b"[Params]\nDate=20080209\nStartTime=09:28:17.0\nInterval=238\n[HRData]\n800\n810\n",
    b"time,rri\n26/06/2018 22:41:56,790\n26/06/2018 22:41:57,815\n",
]
ECG_FILE = b"time,ecg,hr,rr\n" + b"".join(
    b"%r,%.3f,%s\n" % (1.714920600006e18 + i * 7682800, np.sin(i / 9), b"72,800" if i % 20 == 0 else b",")
    for i in range(60)
).replace(b"array", b"")
SENSOR_FILES = {
    "x_ECG.txt": b"Phone timestamp;sensor timestamp [ns];timestamp [ms];ecg [uV]\n"
    + b"".join(
        b"2026-07-26T21:56:26.%03d;%d;0.0;-166\n" % (i * 8, 838432586543515816 + i * 7690000) for i in range(60)
    ),
    "x_PPI.txt": b"Phone timestamp;PP-interval [ms];error estimate [ms];blocker;contact;contact;hr [bpm]\n"
    + b"".join(b"2022-04-25T11:39:%02d.224;1000;8;0;1;1;60\n" % (i + 10) for i in range(20)),
    "x_HR.txt": b"Phone timestamp;HR [bpm]\n" + b"".join(b"2022-04-25T11:39:%02d.323;66\n" % i for i in range(20)),
    "MARKER.txt": b"Phone timestamp;Marker start/stop\n2022-04-25T11:40:02.383;MARKER_START \n",
}
E4_FILES = {
    "BVP.csv": b"1635148245.00\n64.000000\n" + b"-0.21\n" * 60,
    "ACC.csv": b"1635148245.0, 1635148245.0, 1635148245.0\n32.0, 32.0, 32.0\n" + b"-21,4,60\n" * 40,
    "IBI.csv": b"1635148245.000000, IBI\n39.1875,0.71875\n39.796875,0.609375\n165.59375,0.6875\n",
    "tags.csv": b"1635148271.30\n",
}
WFDB_FILES = {
    "r1.hea": b"r1 2 360 60 8:26:04 26/10/1994\nr1.dat 212 200(1024)/mV 11 1024 0 0 0 MLII\n"
    b"r1.dat 212 200 11 1024 0 0 0 V1\n# 75 F\n",
    "r1.dat": bytes(range(180)),
    "r1.atr": b"\x4d\x04\x25\x05\x24\x15\x00\xec\x00\x00\x10\x27\x00\x04\x00\x00",
}


@pytest.mark.parametrize("adapter", ADAPTERS, ids=lambda a: a.name)
@FUZZ
@given(data=st.data())
def test_random_bytes(tmp_path: Path, adapter: Adapter, data: st.DataObject) -> None:
    path = tmp_path / "x.txt"
    path.write_bytes(data.draw(st.binary(max_size=300)))
    take_all(adapter, Source(path))


@FUZZ
@given(data=st.data())
def test_mutated_interval_files(tmp_path: Path, data: st.DataObject) -> None:
    path = tmp_path / data.draw(st.sampled_from(["rr.txt", "2017-06-29 13-11-53.txt"]))
    path.write_bytes(mutated(data, data.draw(st.sampled_from(RR_FILES))))
    take_all(RR_TEXT, Source(path))


@FUZZ
@given(data=st.data())
def test_mutated_ecg_logger_files(tmp_path: Path, data: st.DataObject) -> None:
    (tmp_path / "x.csv").write_bytes(mutated(data, ECG_FILE))
    take_all(ECG_LOGGER, Source(tmp_path / "x.csv"))


def in_folder(folder: Path, files: dict[str, bytes]) -> Source:
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return Source(folder)


@pytest.mark.parametrize(
    ("adapter", "files"),
    [(SENSOR_LOGGER, SENSOR_FILES), (E4, E4_FILES), (WFDB, WFDB_FILES)],
    ids=lambda value: getattr(value, "name", ""),
)
@FUZZ
@given(data=st.data())
def test_mutated_folders(tmp_path: Path, adapter: Adapter, files: dict[str, bytes], data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(files)))
    take_all(adapter, in_folder(tmp_path / "f", files | {name: mutated(data, files[name])}))


@pytest.mark.parametrize("adapter", ADAPTERS, ids=lambda a: a.name)
def test_valid_examples_are_valid(tmp_path: Path, adapter: Adapter) -> None:
    examples: dict[str, Callable[[], Source]] = {
        "empatica_e4": lambda: in_folder(tmp_path / "f", E4_FILES),
        "polar_sensor_logger": lambda: in_folder(tmp_path / "f", SENSOR_FILES),
        "wfdb": lambda: in_folder(tmp_path / "f", WFDB_FILES),
        "rr_text": lambda: in_folder(tmp_path / "f", {f"{i}.txt": c for i, c in enumerate(RR_FILES)}),
        "polar_ecg_logger": lambda: in_folder(tmp_path / "f", {"x.csv": ECG_FILE}),
    }
    source = examples[adapter.name]()
    assert adapter.sniff(source).confidence >= 0.5
    assert list(adapter.read(source, ReadOptions()))
    others = [other.sniff(source).confidence for other in ADAPTERS if other is not adapter]
    assert max(others) < adapter.sniff(source).confidence


@pytest.mark.parametrize("adapter", ADAPTERS, ids=lambda a: a.name)
def test_empty_sources_are_refused_with_a_reason(tmp_path: Path, adapter: Adapter) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty.txt").write_bytes(b"")
    with zipfile.ZipFile(tmp_path / "empty.zip", "w"):
        pass
    for name in ("empty", "empty.txt", "empty.zip"):
        source = Source(tmp_path / name)
        sniff = adapter.sniff(source)
        assert sniff.confidence == 0
        assert sniff.reason
        take_all(adapter, source)


@pytest.mark.parametrize("adapter", ADAPTERS, ids=lambda a: a.name)
def test_the_adapter_contract(adapter: Adapter) -> None:
    assert isinstance(adapter, Adapter)
    assert adapter.name and adapter.title and adapter.version and adapter.streams
