"""Whatever bytes stand in a Garmin export, only allostat's own errors come out, in bounded time and memory."""

from __future__ import annotations

import resource
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from allostat.adapter import Adapter, ReadOptions
from allostat.errors import InputError
from allostat.simulate import Worn, simulate_participant, simulate_worn
from allostat.simulate.exports import garmin
from allostat.simulate.exports.fit_file import crc_of
from allostat.source import Source
from allostat_devices.fit import ADAPTER as FIT
from allostat_devices.garmin_connect import ADAPTER as CONNECT
from allostat_devices.garmin_logger import ADAPTER as LOGGER
from allostat_devices.labfront import ADAPTER as LABFRONT
from tests.devices.test_hostile_input import mutated, take_all

ADAPTERS: tuple[Adapter, ...] = (FIT, CONNECT, LOGGER, LABFRONT)
FUZZ = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def worn() -> Worn:
    return simulate_worn(simulate_participant("sub-001", 3), datetime(2024, 3, 4, 22, 0), 0.02, "Europe/Vienna")  # noqa: DTZ001


@dataclass(frozen=True)
class Example:
    """A valid file and the adapter that reads it."""

    adapter: Adapter
    name: str
    content: bytes = field(repr=False)


@pytest.fixture(scope="module")
def examples(worn: Worn, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Example]:
    folder = tmp_path_factory.mktemp("garmin")
    strap, plain = garmin.fit_activity(worn), garmin.fit_activity(worn, every_s=5, strap=False)
    labfront = garmin.write_labfront_export(worn, folder)
    with Source(labfront).open() as stream:
        table = stream.read()
    return {
        "activity": Example(FIT, "x.fit", plain),
        "chained": Example(FIT, "x.fit", plain + strap),
        "wellness": Example(FIT, "x.fit", garmin.fit_wellness(worn)),
        "connect": Example(CONNECT, "x.json", garmin.write_garmin_connect_export(worn, folder).read_bytes()),
        "logger": Example(LOGGER, "x.csv", garmin.write_garmin_logger_export(worn, folder).read_bytes()),
        "labfront": Example(LABFRONT, "x.csv", table),
    }


KINDS = ["activity", "chained", "wellness", "connect", "logger", "labfront"]


def broken(data: st.DataObject, content: bytes) -> bytes:
    """Some bytes of a binary file changed, cut out, put in, or its end cut off."""
    raw = bytearray(content)
    for _ in range(data.draw(st.integers(1, 6))):
        # the beginning holds the definitions: that is where damage does most
        at = data.draw(st.one_of(st.integers(0, min(len(raw), 400)), st.integers(0, len(raw))))
        match data.draw(st.integers(0, 4)):
            case 0:
                raw[at : at + 1] = bytes([data.draw(st.integers(0, 255))])
            case 1:
                del raw[at : at + data.draw(st.integers(1, 40))]
            case 2:
                raw[at:at] = data.draw(st.binary(max_size=20))
            case 3:
                size = data.draw(st.sampled_from([2, 4, 8]))
                raw[at : at + size] = data.draw(st.sampled_from([b"\x00", b"\xff", b"\x7f", b"\x80"])) * size
            case _:
                del raw[at:]
    return bytes(raw)


@pytest.mark.parametrize("kind", KINDS)
def test_valid_examples_are_valid_and_nobody_elses(kind: str, examples: dict[str, Example], tmp_path: Path) -> None:
    example = examples[kind]
    adapter = example.adapter
    (tmp_path / example.name).write_bytes(example.content)
    source = Source(tmp_path / example.name)
    assert list(adapter.read(source, ReadOptions()))
    assert adapter.sniff(source).confidence > 0.8
    assert max(other.sniff(source).confidence for other in ADAPTERS if other is not adapter) < 0.5


@pytest.mark.parametrize("kind", KINDS)
@FUZZ
@given(data=st.data())
def test_damaged_files(kind: str, examples: dict[str, Example], tmp_path: Path, data: st.DataObject) -> None:
    example = examples[kind]
    damage = broken if example.adapter is FIT else data.draw(st.sampled_from([broken, mutated]))
    (tmp_path / example.name).write_bytes(damage(data, example.content))
    take_all(example.adapter, Source(tmp_path / example.name))


@pytest.mark.parametrize("adapter", ADAPTERS, ids=lambda a: a.name)
@FUZZ
@given(content=st.binary(max_size=300))
def test_random_bytes(tmp_path: Path, adapter: Adapter, content: bytes) -> None:
    for name, data in (("x.txt", content), ("x.fit", fit_of(content))):
        (tmp_path / name).write_bytes(data)
        take_all(adapter, Source(tmp_path / name))


def fit_of(body: bytes) -> bytes:
    """A FIT file with any content and a right checksum."""
    head = struct.pack("<BBHI4sH", 14, 0x20, 2195, len(body), b".FIT", 0) + body
    return head + struct.pack("<H", crc_of(head))


def definition(message: int, *fields: tuple[int, int, int]) -> bytes:
    return struct.pack("<BBBHB", 0x40, 0, 0, message, len(fields)) + bytes(b for f in fields for b in f)


@pytest.mark.parametrize(
    "body",
    [
        definition(20) + b"\x00" * 6_000_000,
        definition(20, (253, 0, 0x86)) * 500_000,
        definition(20, *[(253, 4, 0x86)] * 255) + bytes(2_000_000),
        b"".join(definition(i % 60_000) for i in range(20_000)),
    ],
    ids=["messages of one byte", "definitions only", "one field 255 times", "all messages there are"],
)
def test_crafted_files_take_little_memory(tmp_path: Path, body: bytes) -> None:
    head = struct.pack("<BBHI4sH", 14, 0x20, 2195, len(body), b".FIT", 0)
    (tmp_path / "x.fit").write_bytes(head + body + b"\x00\x00")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    take_all(FIT, Source(tmp_path / "x.fit"))
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024 < 400


@pytest.mark.parametrize(
    ("message", "fields", "row", "match"),
    [
        (78, [(0, 254, 0x84)], 255, "too many beats"),
        (132, [(10, 252, 0x0D)], 253, "too many beats"),
        (372, [(253, 4, 0x86), (1, 240, 0x84)], 245, "too many beats"),
        (302, [(253, 4, 0x86), (2, 240, 0x83)], 245, "too long a Health Snapshot"),
        (51, [(253, 4, 0x86), (0, 2, 0x84)], 7, "too many cuff readings"),
    ],
)
def test_room_for_more_than_a_device_writes_is_refused(
    tmp_path: Path, message: int, fields: list[tuple[int, int, int]], row: int, match: str
) -> None:
    body = definition(message, *fields) + bytes(row * (110_000 if row == 7 else 40_000))
    head = struct.pack("<BBHI4sH", 14, 0x20, 2195, len(body), b".FIT", 0)
    (tmp_path / "x.fit").write_bytes(head + body + b"\x00\x00")
    with pytest.raises(InputError, match=match):
        list(FIT.read(Source(tmp_path / "x.fit"), ReadOptions()))


@pytest.mark.parametrize(("adapter", "head"), [(FIT, fit_of(b"")), (CONNECT, b'{"hrvReadings": [')])
def test_more_bytes_than_a_watch_writes_are_refused(tmp_path: Path, adapter: Adapter, head: bytes) -> None:
    (tmp_path / "x").write_bytes(head + bytes(70 << 20))
    with pytest.raises(InputError, match="too large"):
        list(adapter.read(Source(tmp_path / "x"), ReadOptions()))


@pytest.mark.parametrize("adapter", ADAPTERS, ids=lambda a: a.name)
def test_the_adapter_contract(adapter: Adapter, tmp_path: Path) -> None:
    assert isinstance(adapter, Adapter)
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty.csv").write_bytes(b"")
    for name in ("empty", "empty.csv"):
        sniff = adapter.sniff(Source(tmp_path / name))
        assert sniff.confidence == 0 and sniff.reason
        take_all(adapter, Source(tmp_path / name))


@pytest.mark.parametrize(
    ("write", "stream", "within_ms"),
    [
        (garmin.write_fit_activity_export, "strap", 1.0),
        (garmin.write_fit_wellness_export, "raw_bbi", 1.0),
        (garmin.write_labfront_export, "bbi", 1.0),
        (garmin.write_garmin_logger_export, "rr", 200.0),
        (garmin.write_fit_activity_export, "rr", 200.0),
    ],
)
def test_the_beats_written_are_the_beats_read(
    worn: Worn, tmp_path: Path, write: Callable[[Worn, Path], Path], stream: str, within_ms: float
) -> None:
    import numpy as np

    from allostat.reading import read

    recording = read(write(worn, tmp_path))
    beats = recording.beats[stream]
    assert len(beats) == len(worn.beats_ns)
    assert np.abs(beats.times_ns - worn.beats_ns).max() / 1e6 < within_ms
    np.testing.assert_allclose(beats.intervals_ms[1:], np.diff(worn.beats_ns) / 1e6, atol=1.01)
    assert recording.timezone.name in ("UTC+01:00", "Europe/Vienna")
