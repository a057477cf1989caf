"""Garmin account exports: FIT files in archives inside the archive, read one archive at a time."""

from __future__ import annotations

import io
import zipfile
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

import allostat
from allostat.adapter import ReadOptions
from allostat.errors import InputError
from allostat.reading import adapter_for
from allostat.simulate import EXPORTS, Worn, simulate_participant, simulate_worn
from allostat.simulate.exports.archive import zip_of
from allostat.source import Source
from allostat_devices import nested_zip
from allostat_devices.garmin_account import ADAPTER

PART = "DI_CONNECT/DI-Connect-Uploaded-Files/UploadedFiles_0-_Part"
OPTIONS = ReadOptions(timezone="Europe/Vienna")


@pytest.fixture(scope="module")
def worn() -> Worn:
    return simulate_worn(simulate_participant("sub-001", 3), datetime(2024, 3, 4, 22, 0), 0.1, "Europe/Vienna")  # noqa: DTZ001


@pytest.fixture(scope="module")
def export(worn: Worn, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return EXPORTS["garmin-account"](worn, tmp_path_factory.mktemp("account"))


def members(export: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(export) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def changed(export: Path, tmp_path: Path, **parts: bytes) -> Source:
    """The export with the archives of some parts replaced."""
    path = tmp_path / "sub-001_account.zip"
    path.write_bytes(zip_of(members(export) | {f"{PART}{n.removeprefix('part')}.zip": c for n, c in parts.items()}))
    return Source(path)


def test_every_upload_and_the_days_become_recordings(worn: Worn, export: Path) -> None:
    found = list(ADAPTER.read(Source(export), OPTIONS))
    assert [sorted(r.beats) for r in found] == [["rr", "strap"], ["raw_bbi"], []]
    assert set(found[2].series) >= {"hr", "rmssd"}
    for recording, stream in zip(found, ("strap", "raw_bbi"), strict=False):
        np.testing.assert_allclose(recording.beats[stream].intervals_ms[1:], np.diff(worn.beats_ns) / 1e6, atol=1.01)
    assert all(n.participant == "sub-001" for n in found)
    assert all("unverified" in {n.code for n in r.notices} and not r.provenance.verified for r in found)
    assert [i.member for r in found[:2] for i in r.provenance.inputs] == [
        f"{PART}1.zip/person_100000001.fit", f"{PART}2.zip/person_100000002.fit",
    ]  # fmt: skip


def test_it_is_found_before_the_adapters_of_its_parts_and_counts_its_files(export: Path) -> None:
    assert adapter_for(Source(export)).adapter is ADAPTER
    manifest = allostat.inspect(export)
    assert [(s.name, s.n) for s in manifest.streams[:2]] == [
        ("UploadedFiles_0-_Part1.zip/fit_files", 1), ("UploadedFiles_0-_Part2.zip/fit_files", 1),
    ]  # fmt: skip
    assert {"e-mail address in file name", "serial number"} <= set(manifest.identifiers)


def test_addresses_of_the_account_appear_nowhere(export: Path) -> None:
    said = repr(ADAPTER.inspect(Source(export))) + repr(list(ADAPTER.read(Source(export), OPTIONS)))
    assert "example.org" not in said and "sub-001@" not in said


def test_an_unpacked_export_is_the_same(export: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(export) as archive:
        archive.extractall(tmp_path / "sub-001")
    packed, unpacked = (list(ADAPTER.read(Source(p), OPTIONS)) for p in (export, tmp_path / "sub-001"))
    assert [r.id for r in packed] == [r.id for r in unpacked]
    assert [i.sha256 for r in packed for i in r.provenance.inputs] == [
        i.sha256 for r in unpacked for i in r.provenance.inputs
    ]


def test_a_damaged_part_is_told_and_the_others_are_read(export: Path, tmp_path: Path) -> None:
    part = members(export)[f"{PART}1.zip"]
    source = changed(export, tmp_path, part1=part[: len(part) // 2])
    found = list(ADAPTER.read(source, OPTIONS))
    assert [sorted(r.beats) for r in found] == [["raw_bbi"], []]
    assert [n.file for n in found[-1].notices if n.code == "passed_over"] == [f"{PART}1.zip"]


def test_the_same_name_in_two_parts_stays_two_recordings(export: Path, tmp_path: Path) -> None:
    part = members(export)[f"{PART}1.zip"]
    found = list(ADAPTER.read(changed(export, tmp_path, part2=part), OPTIONS))
    assert [r.id for r in found[:2]] == ["person_100000001", "person_100000001_2"]


def test_a_bomb_inside_is_refused_by_itself(export: Path, tmp_path: Path) -> None:
    bomb = zip_of({"x.fit": bytes(70 << 20)})
    (_, *rest) = [n for r in ADAPTER.read(changed(export, tmp_path, part1=bomb), OPTIONS) for n in r.notices]
    assert any("decompression bomb" in n.message for n in rest)


def test_an_archive_inside_an_archive_inside_stays_packed(export: Path, tmp_path: Path) -> None:
    part = members(export)[f"{PART}1.zip"]
    deeper = zip_of({"deeper.zip": part})
    found = list(ADAPTER.read(changed(export, tmp_path, part1=deeper), OPTIONS))
    assert [sorted(r.beats) for r in found] == [["raw_bbi"], []]


def test_limits_of_number_and_size(export: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nested_zip, "MAX_ARCHIVE_BYTES", 1000)
    found = list(ADAPTER.read(Source(export), OPTIONS))
    assert [sorted(r.beats) for r in found] == [[]]
    assert sum("too large" in n.message for n in found[0].notices) == 2
    monkeypatch.setattr("allostat_devices.garmin_account.MAX_ARCHIVES", 1)
    with pytest.raises(InputError, match="too many archives"):
        list(ADAPTER.read(Source(export), OPTIONS))


def test_nothing_of_use_says_why(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    path.write_bytes(zip_of({f"{PART}1.zip": zip_of({"readme.txt": b"x"})}))
    with pytest.raises(InputError, match="holds no upload that can be read"):
        list(ADAPTER.read(Source(path), ReadOptions()))


def test_paths_that_lead_elsewhere_inside_a_part_are_no_members(export: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(members(export)[f"{PART}1.zip"])) as part:
        fit = part.read("sub-001@example.org_100000001.fit")
    hostile = zip_of({"../evil.fit": fit, "/etc/evil.fit": fit})
    found = list(ADAPTER.read(changed(export, tmp_path, part1=hostile), OPTIONS))
    assert [sorted(r.beats) for r in found] == [["raw_bbi"], []]
    assert not list(tmp_path.rglob("evil.fit"))
