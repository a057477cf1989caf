"""Adapters found through entry points, and the ways to read through them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from allostat import reading
from allostat.adapter import Manifest, ReadOptions, Sniff
from allostat.errors import InputError
from allostat.recording import Beats, Recording
from allostat.source import Source


class TapeReader:
    """An adapter as a third party would write it: it reads files that begin with ``TAPE``."""

    name = "tape"
    title = "Punched tape"
    version = "7"
    verified = False
    streams: tuple[str, ...] = ("beats",)
    folder_is_session: bool = False

    def sniff(self, source: Source) -> Sniff:
        if source.head().startswith(b"TAPE"):
            return Sniff(0.99, "begins with TAPE")
        return Sniff(0.0, "does not begin with TAPE")

    def inspect(self, source: Source) -> Manifest:
        return Manifest(source.name, self.name, 0.0, self.verified)

    def read(self, source: Source, options: ReadOptions) -> Iterator[Recording]:
        for i, line in enumerate(source.read_bytes().split(b"\n")[1:]):
            beats = Beats.from_intervals(np.array([float(cell) for cell in line.split()]))
            yield Recording(f"run{i}", beats={"rr": beats}, participant=options.participant)


class Point:
    """An entry point."""

    group = reading.GROUP

    def __init__(self, name: str, value: object) -> None:
        self.name, self.value, self._loaded = name, f"third_party:{name}", value

    def load(self) -> object:
        if isinstance(self._loaded, Exception):
            raise self._loaded
        return self._loaded


@pytest.fixture
def register(monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    def install(**adapters: object) -> None:
        points = [Point(name, adapter) for name, adapter in adapters.items()]
        monkeypatch.setattr(reading, "entry_points", lambda group: points if group == reading.GROUP else [])
        reading.adapters.cache_clear()

    yield install
    reading.adapters.cache_clear()


@pytest.fixture
def tape(tmp_path: Path) -> Path:
    path = tmp_path / "tape.bin"
    path.write_bytes(b"TAPE\n800 810 790")
    return path


def test_the_five_formats_are_registered() -> None:
    names = [adapter.name for adapter in reading.adapters()]
    assert {"empatica_e4", "polar_ecg_logger", "polar_sensor_logger", "rr_text", "wfdb"} <= set(names)
    assert names == sorted(names)


def test_a_third_party_adapter_is_found_and_read(register: object, tape: Path) -> None:
    register(tape=TapeReader())  # type: ignore[operator]
    recording = reading.read(tape, participant="007")
    assert recording.participant == "007"
    np.testing.assert_array_equal(recording.beats["rr"].intervals_ms[1:], [800, 810, 790])
    manifest = reading.inspect(tape)
    assert (manifest.adapter, manifest.confidence) == ("tape", 0.99)


def test_an_adapter_that_cannot_be_loaded_is_named(register: object, tape: Path) -> None:
    register(tape=ImportError("no module named punch"))  # type: ignore[operator]
    with pytest.raises(InputError, match=r"entry point tape = third_party:tape.*no module named punch"):
        reading.read(tape)


def test_something_else_than_an_adapter_is_refused(register: object, tape: Path) -> None:
    register(tape=object())  # type: ignore[operator]
    with pytest.raises(InputError, match="is not an adapter"):
        reading.read(tape)


def test_no_adapter_tells_what_the_nearest_said(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("dear diary,\nnothing happened\n")
    with pytest.raises(InputError, match="no adapter recognises this") as caught:
        reading.read(path)
    assert str(caught.value).count(": ") < 6
    with pytest.raises(InputError, match="no column of intervals"):
        reading.read(path)


def test_an_adapter_can_be_chosen_by_name(tmp_path: Path) -> None:
    path = tmp_path / "rat.ibi"
    path.write_text("0.196\n0.193\n0.192\n")
    with pytest.raises(InputError, match="nearest valid: 'rr_text'"):
        reading.read(path, adapter="rr_txt")
    assert len(reading.read(path, adapter="rr_text", unit="s").beats["rr"]) == 4


def test_several_recordings_need_read_all(register: object, tmp_path: Path) -> None:
    register(tape=TapeReader())  # type: ignore[operator]
    path = tmp_path / "two.bin"
    path.write_bytes(b"TAPE\n800 810\n790 780")
    with pytest.raises(InputError, match=r"several recordings: use allostat\.read_all"):
        reading.read(path)
    assert [r.id for r in reading.read_all(path, options=ReadOptions(participant="p"))] == ["run0", "run1"]
    path.write_bytes(b"TAPE")
    with pytest.raises(InputError, match="holds no recording"):
        reading.read(path)


def test_options_reach_the_adapter(tmp_path: Path) -> None:
    path = tmp_path / "2024-06-01 08-00-00.txt"
    path.write_text("800\n810\n790\n")
    recording = reading.read(path, participant="sub-001", timezone="Europe/Vienna", unit="ms")
    assert recording.participant == "sub-001"
    assert recording.timezone.name == "Europe/Vienna"
    assert recording.epoch == "utc"
    assert recording.beats["rr"].times_ns[0] == 1_717_221_600 * 10**9
