"""Files made to fill memory, never to end or to reach other files, given to every registered adapter."""

from __future__ import annotations

import gzip
import os
import shutil
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import h5py
import pytest

from allostat.adapter import Adapter, ReadOptions
from allostat.errors import AllostatError, InputError, StoreError
from allostat.source import Source
from tests.devices.twins import BY_HAND, WRITERS, registered, write_files
from tests.store.test_safety import CASES

ADAPTERS = registered()
NAMES = sorted(ADAPTERS)
TEN_GB = 10 << 30
MOST_MB = 256
OPTIONS = ReadOptions(participant="sub-001", timezone="Europe/Vienna")


def sources(folder: Path) -> list[Path]:
    """Each export below a folder: a single file, or the folder of several."""
    found = []
    for export in sorted(folder.iterdir()):
        files = [p for p in export.rglob("*") if p.is_file()]
        found.append(files[0] if len(files) == 1 else export)
    return found


def take(adapter: Adapter, path: Path) -> list[str]:
    """Sniff, inspect and read whatever it is; what the errors say."""
    said = []
    for call in (
        lambda: adapter.sniff(Source(path)),
        lambda: adapter.inspect(Source(path)),
        lambda: [r.id for r in adapter.read(Source(path), OPTIONS)],
    ):
        try:
            call()
        except AllostatError as error:
            said.append(str(error))
    return said


def resident_mb(entry: str) -> float:
    status = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in status if line.startswith(f"{entry}:")).split()[1]) / 1024


class Growth:
    """Peak of resident memory above the start, in MB."""

    def __enter__(self) -> Growth:
        if not Path("/proc/self/clear_refs").exists():
            pytest.skip("this system does not tell a process's highest resident memory")
        self._before = resident_mb("VmRSS")
        Path("/proc/self/clear_refs").write_text("5")
        return self

    def __exit__(self, *_: object) -> None:
        self.mb = resident_mb("VmHWM") - self._before


def test_every_registered_adapter_has_a_twin() -> None:
    assert {*WRITERS, *BY_HAND} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_the_twins_are_recognised_and_read(tmp_path: Path, name: str) -> None:
    for path in sources(write_files(name, tmp_path)):
        assert ADAPTERS[name].sniff(Source(path)).confidence >= 0.5
        assert list(ADAPTERS[name].read(Source(path), OPTIONS))


@pytest.mark.parametrize("name", NAMES)
def test_any_file_made_ten_gigabytes_of_holes_is_refused_at_once(tmp_path: Path, name: str) -> None:
    with Growth() as growth:
        for path in sources(write_files(name, tmp_path)):
            files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
            for file in files:
                size = file.stat().st_size
                os.truncate(file, TEN_GB)
                said = take(ADAPTERS[name], path)
                # a file that the adapter does not claim may be passed over
                assert said or path.is_dir() or name == "participant_file", file.name
                os.truncate(file, size)
    assert growth.mb < MOST_MB


def test_a_file_without_any_data_is_refused_too(tmp_path: Path) -> None:
    (tmp_path / "x").touch()
    os.truncate(tmp_path / "x", TEN_GB)
    with pytest.raises(InputError, match="consists of holes"), Source(tmp_path / "x").open():
        pass
    with pytest.raises(InputError, match="consists of holes"):
        Source(tmp_path / "x").sha256()


def _size(path: Path) -> int:
    return path.stat().st_size


def packed(folder: Path, target: Path, extra: dict[str, bytes]) -> Path:
    """A zip of all files below a folder and of others beside them."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(p for p in folder.rglob("*") if p.is_file()):
            archive.write(file, file.relative_to(folder).as_posix())
        for name, content in extra.items():
            archive.writestr(name, content)
    return target


MAKERS = [case[0] for case in CASES]
"""Of HDF5 files that point elsewhere, hide kinds of values, or declare more than they hold."""
SMALL_FLOOR = 1 << 20
"""Bytes from which a ratio counts, made small so that the bombs are."""
ZIPPED = sorted(set(NAMES) - {"participant_file"})


@pytest.mark.parametrize("name", ZIPPED)
def test_archives_that_lead_elsewhere_stay_inside(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    exports = write_files(name, tmp_path / "files")
    for number, export in enumerate(sorted(exports.iterdir())):
        inside = next(p for p in sorted(export.rglob("*")) if p.is_file())
        content = inside.read_bytes()
        hostile = {
            f"../{inside.name}": content, f"/etc/{inside.name}": content, f"a/../../{inside.name}": content,
            f"C:\\{inside.name}": content, f"__MACOSX/._{inside.name}": b"\x00\x05\x16\x07" + content,
        }  # fmt: skip
        plain = Source(packed(export, tmp_path / f"plain_{number}.zip", {}))
        laden = Source(packed(export, tmp_path / f"laden_{number}.zip", hostile))
        assert laden.members == plain.members
        expected, found = [[r.id.replace("plain", "laden") for r in ADAPTERS[name].read(plain, OPTIONS)],
                           [r.id for r in ADAPTERS[name].read(laden, OPTIONS)]]  # fmt: skip
        assert found == expected
    assert not list((tmp_path / "work").iterdir())
    assert not list(tmp_path.glob(inside.name))


@pytest.mark.parametrize("name", ZIPPED)
def test_a_member_that_unpacks_without_end_refuses_the_archive(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("allostat.source.RATIO_FLOOR_BYTES", SMALL_FLOOR)
    for number, export in enumerate(sorted(write_files(name, tmp_path / "files").iterdir())):
        inside = next(p for p in sorted(export.rglob("*")) if p.is_file())
        inside.write_bytes(inside.read_bytes()[:200])
        os.truncate(inside, 3 * SMALL_FLOOR)
        bomb = packed(export, tmp_path / f"bomb_{number}.zip", {})
        said = take(ADAPTERS[name], bomb)
        assert len(said) == 3 and all("decompression bomb" in text for text in said)


@cache
def gzipped_zeros() -> bytes:
    """More zeros than any file may unpack to from so little."""
    return gzip.compress(bytes(8 * SMALL_FLOOR))


@pytest.mark.parametrize("name", ZIPPED)
def test_gzip_without_end_is_refused_while_it_is_read(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("allostat.source.RATIO_FLOOR_BYTES", SMALL_FLOOR)
    for number, export in enumerate(sorted(write_files(name, tmp_path / "files").iterdir())):
        files = sorted((p for p in export.rglob("*") if p.is_file()), key=_size)
        target = tmp_path / f"packed_{number}"
        shutil.copytree(export, target)
        largest = target / files[-1].relative_to(export)
        head = gzip.compress(largest.read_bytes()[:4000])
        largest.with_name(largest.name + ".gz").write_bytes(head + gzipped_zeros())
        largest.unlink()
        path = largest.with_name(largest.name + ".gz") if len(files) == 1 else target
        said = take(ADAPTERS[name], path)
        if len(files) == 1 and ADAPTERS[name].sniff(Source(path)).confidence >= 0.5:
            assert any("decompression bomb" in text for text in said), said


def xml_bomb(root: str, inside: str) -> bytes:
    """Entities that expand to a billion words, and one that names a file of the user."""
    entities = '<!ENTITY e0 "lol"><!ENTITY x SYSTEM "file:///etc/hostname">'
    entities += "".join(f'<!ENTITY e{i} "{f"&e{i - 1};" * 10}">' for i in range(1, 10))
    return f"<?xml version='1.0'?><!DOCTYPE {root} [{entities}]><{root}>{inside}&e9;&x;</{root}>".encode()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("root", ["HealthData", "info", "a"])
def test_entities_are_never_expanded(tmp_path: Path, name: str, root: str) -> None:
    record = (
        '<Record type="HKQuantityTypeIdentifierHeartRate" sourceName="&x;" unit="count/min" value="&e9;" '
        'startDate="2024-03-04 20:00:00 +0100" endDate="2024-03-04 20:00:00 +0100"/>'
    )
    bomb = xml_bomb(root, record)
    stream = b"XDF:" + b"\x01" + bytes([len(bomb[:200]) + 2]) + b"\x02\x00" + bomb[:200]
    (tmp_path / "export.xml").write_bytes(bomb)
    (tmp_path / "x.xdf").write_bytes(stream + b"\x04" + (len(bomb) + 6).to_bytes(4, "little") + b"\x02\x00" + bomb)
    with Growth() as growth:
        for file in ("export.xml", "x.xdf"):
            take(ADAPTERS[name], tmp_path / file)
    assert growth.mb < MOST_MB


@pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__)
def test_crafted_hdf5_is_nobodys_export(tmp_path: Path, make: Callable[[h5py.File], None]) -> None:
    path = tmp_path / "sub-001.h5"
    with h5py.File(path, "w") as file:
        make(file)
    for adapter in ADAPTERS.values():
        assert adapter.sniff(Source(path)).confidence < 0.5
        assert take(adapter, path)


@pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__)
def test_a_participant_file_that_was_tampered_with_is_refused(
    participant_file: bytes, tmp_path: Path, make: Callable[[h5py.File], None]
) -> None:
    path = tmp_path / "sub-001.h5"
    path.write_bytes(participant_file)
    with h5py.File(path, "r+") as file:
        make(file["recordings"])
    with pytest.raises(StoreError):
        list(ADAPTERS["participant_file"].read(Source(path), OPTIONS))


@pytest.fixture(scope="module")
def participant_file(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = write_files("participant_file", tmp_path_factory.mktemp("twin"))
    return (folder / "by-hand" / "sub-001.h5").read_bytes()
