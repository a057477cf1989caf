"""Damaged and hostile Apple exports and ECG files: only allostat's own errors, bounded time and memory."""

from __future__ import annotations

import tracemalloc
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from allostat.adapter import Adapter, ReadOptions
from allostat.errors import InputError
from allostat.source import Source
from allostat_devices import apple_records
from allostat_devices.apple_ecg import ADAPTER as ECG
from allostat_devices.apple_health import ADAPTER as HEALTH
from tests.devices.apple_documents import document, hrv, record
from tests.devices.test_apple_ecg import GERMAN, HEAD, VALUES
from tests.devices.test_apple_health import correlation, pressure
from tests.devices.test_hostile_input import mutated, take_all

FUZZ = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
EXPORT = document(
    '<Me HKCharacteristicTypeIdentifierDateOfBirth="1990-01-01"/>',
    record("HeartRate", "72", inside='<MetadataEntry key="HKMetadataKeyHeartRateMotionContext" value="1"/>'),
    hrv(
        ["20:14:01.00", "20:14:02.01", "8:14:03.00 PM"], more='<MetadataEntry key="HKTimeZone" value="Europe/Vienna"/>'
    ),
    record("HKCategoryTypeIdentifierSleepAnalysis", "HKCategoryValueSleepAnalysisAsleepCore"),
    pressure("128", "81"),
    correlation(pressure("128", "81")),
)


@FUZZ
@given(data=st.data())
def test_mutated_exports(tmp_path: Path, data: st.DataObject) -> None:
    (tmp_path / "export.xml").write_bytes(mutated(data, EXPORT))
    take_all(HEALTH, Source(tmp_path / "export.xml"))


@FUZZ
@given(data=st.data())
def test_bits_flipped_and_ends_cut_off(tmp_path: Path, data: st.DataObject) -> None:
    raw = bytearray(EXPORT)
    for at in data.draw(st.lists(st.integers(0, len(raw) - 1), max_size=30)):
        raw[at] ^= 1 << data.draw(st.integers(0, 7))
    (tmp_path / "export.xml").write_bytes(raw[: data.draw(st.integers(0, len(raw)))])
    take_all(HEALTH, Source(tmp_path / "export.xml"))


@FUZZ
@given(data=st.data())
def test_mutated_electrocardiograms(tmp_path: Path, data: st.DataObject) -> None:
    (tmp_path / "ecg.csv").write_bytes(mutated(data, (data.draw(st.sampled_from([HEAD, GERMAN])) + VALUES).encode()))
    take_all(ECG, Source(tmp_path / "ecg.csv"))


@pytest.mark.parametrize("adapter", [HEALTH, ECG], ids=lambda a: a.name)
@FUZZ
@given(content=st.binary(max_size=300))
def test_random_bytes(tmp_path: Path, adapter: Adapter, content: bytes) -> None:
    (tmp_path / "x").write_bytes(content)
    take_all(adapter, Source(tmp_path / "x"))


def test_each_adapter_takes_its_own(tmp_path: Path) -> None:
    (tmp_path / "export.xml").write_bytes(EXPORT)
    (tmp_path / "ecg.csv").write_bytes((HEAD + VALUES).encode())
    export, ecg, both = Source(tmp_path / "export.xml"), Source(tmp_path / "ecg.csv"), Source(tmp_path)
    assert HEALTH.sniff(export).confidence > 0.9 > 0.5 > ECG.sniff(export).confidence
    assert ECG.sniff(ecg).confidence > 0.9 > 0.5 > HEALTH.sniff(ecg).confidence
    assert HEALTH.sniff(both).confidence > ECG.sniff(both).confidence


def test_entities_that_would_fill_the_memory_are_left_alone(tmp_path: Path) -> None:
    entities = "<!ENTITY x SYSTEM 'file:///etc/passwd'>" + '<!ENTITY e0 "lol">'
    entities += "".join(f'<!ENTITY e{i} "{f"&e{i - 1};" * 10}">' for i in range(1, 12))
    parts = record("HeartRate", "&e11;"), record("HeartRate", "60", "2024-03-04 20:15:00 +0100")
    content = document(*parts, doctype=f"<!DOCTYPE HealthData [{entities}]>")
    (tmp_path / "export.xml").write_bytes(content)
    tracemalloc.start()
    (recording,) = HEALTH.read(Source(tmp_path / "export.xml"), ReadOptions())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert recording.series["hr"].values.tolist() == [60.0]
    assert peak < 64 << 20


def test_bytes_without_markup_are_refused_after_a_few_blocks(tmp_path: Path) -> None:
    (tmp_path / "export.xml").write_bytes(EXPORT + bytes(40 << 20))
    with pytest.raises(InputError, match="no markup"):
        list(HEALTH.read(Source(tmp_path / "export.xml"), ReadOptions()))


def test_many_names_of_sources_fill_no_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apple_records, "_MAX_TEXTS", 8)
    parts = [
        record("HeartRate", "60", f"2024-03-04 20:{i:02d}:00 +0100", source=f' sourceName="{i:03d}"') for i in range(20)
    ]
    (tmp_path / "export.xml").write_bytes(document(*parts))
    found = list(HEALTH.read(Source(tmp_path / "export.xml"), ReadOptions()))
    assert sum(len(r.series["hr"]) for r in found) == 20
    assert any(n.code == "many_sources" for n in found[0].notices)


def test_an_ecg_that_is_too_long_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "e.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("ecg.csv", HEAD + "1\n" * (17 << 20))
    with pytest.raises(InputError, match="too long"):
        list(ECG.read(Source(tmp_path / "e.zip"), ReadOptions()))
