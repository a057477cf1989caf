"""Damaged waveform exports: only allostat's own errors come out, whatever is cut, flipped or put in.

The files are those of a simulated person, as the writers of `allostat.simulate` make them.
"""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from allostat.adapter import Adapter, ReadOptions
from allostat.simulate import EXPORTS, Worn, simulate_participant, simulate_worn
from allostat.source import Source
from allostat_devices.biopac import ADAPTER as BIOPAC
from allostat_devices.edf import ADAPTER as EDF
from allostat_devices.embraceplus import ADAPTER as EMBRACEPLUS
from allostat_devices.hexoskin import ADAPTER as HEXOSKIN
from allostat_devices.ishne import ADAPTER as ISHNE
from allostat_devices.movesense import ADAPTER as MOVESENSE
from allostat_devices.shimmer import ADAPTER as SHIMMER
from allostat_devices.signal_text import ADAPTER as SIGNAL_TEXT
from allostat_devices.xdf import ADAPTER as XDF
from allostat_devices.zephyr import ADAPTER as ZEPHYR
from tests.devices.test_hostile_input import TOKENS, take_all

ADAPTERS: dict[str, Adapter] = {
    "edf": EDF, "edf-holes": EDF, "bdf": EDF, "faros": EDF, "ishne": ISHNE, "embraceplus": EMBRACEPLUS, "xdf": XDF,
    "opensignals": SIGNAL_TEXT, "shimmer": SHIMMER, "zephyr": ZEPHYR, "movesense": MOVESENSE, "hexoskin": HEXOSKIN,
    "biopac": BIOPAC,
}  # fmt: skip
FUZZ = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
SHORT_S = 20


@pytest.fixture(scope="module")
def worn() -> Worn:
    start = datetime.fromisoformat("2024-03-04T22:00:00")
    return simulate_worn(simulate_participant("sub-001", 3), start, SHORT_S / 3600, "Europe/Vienna")


@pytest.fixture(scope="module")
def exports(worn: Worn, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    made: dict[str, Path] = {}

    def find(name: str) -> Path:
        if name not in made:
            made[name] = EXPORTS[name](worn, tmp_path_factory.mktemp(name))
        return made[name]

    return find


def damaged(data: st.DataObject, content: bytes) -> bytes:
    """Cuts, flipped bits, NULs, huge numbers and other tokens, more of them near the header."""
    raw = bytearray(content)
    near = min(len(raw), 3000)
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, near if data.draw(st.booleans()) else len(raw)))
        match data.draw(st.integers(0, 5)):
            case 0:
                raw[at:at] = data.draw(st.sampled_from(TOKENS))
            case 1:
                del raw[at : at + data.draw(st.integers(1, 60))]
            case 2:
                raw[at : at + 1] = bytes([data.draw(st.integers(0, 255))])
            case 3:
                del raw[at:]
            case 4:
                raw[at : at + 8] = data.draw(
                    st.sampled_from([b"\xff" * 8, b"\0" * 8, b"99999999", b"-9999999", b"\x7f" * 8])
                )
            case _:
                token = data.draw(st.sampled_from(TOKENS))
                raw[at : at + len(token)] = token
    return bytes(raw)


@pytest.mark.parametrize("name", sorted(ADAPTERS))
@FUZZ
@given(data=st.data())
def test_damaged_files(tmp_path: Path, exports: Callable[[str], Path], name: str, data: st.DataObject) -> None:
    whole = exports(name)
    target = tmp_path / whole.name
    if whole.is_dir():
        shutil.copytree(whole, target, dirs_exist_ok=True)
        victim = data.draw(st.sampled_from(sorted(p.name for p in whole.iterdir())))
        (target / victim).write_bytes(damaged(data, (whole / victim).read_bytes()))
    elif whole.suffix == ".zip":
        target = target.with_suffix("")
        with zipfile.ZipFile(whole) as archive:
            members = {n: archive.read(n) for n in archive.namelist()}
        victim = data.draw(st.sampled_from(sorted(members)))
        for member, content in members.items():
            (target / member).parent.mkdir(parents=True, exist_ok=True)
            (target / member).write_bytes(damaged(data, content) if member == victim else content)
    else:
        target.write_bytes(damaged(data, whole.read_bytes()))
    take_all(ADAPTERS[name], Source(target))


@pytest.mark.parametrize("name", sorted(set(ADAPTERS) - {"edf-holes", "bdf", "faros"}))
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=600))
def test_random_bytes_and_bytes_behind_the_magic(
    tmp_path: Path, exports: Callable[[str], Path], name: str, content: bytes
) -> None:
    path = exports(name)
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    head = files[0].read_bytes()[:40] if path.suffix != ".zip" else b"RIFF"
    for start in (b"", head):
        (tmp_path / files[0].name).write_bytes(start + content)
        take_all(ADAPTERS[name], Source(tmp_path / files[0].name))


@pytest.mark.parametrize("name", sorted(ADAPTERS))
def test_every_export_is_recognised_by_its_adapter_alone(exports: Callable[[str], Path], name: str) -> None:
    source = Source(exports(name))
    own = ADAPTERS[name]
    assert own.sniff(source).confidence > 0.8
    assert max(a.sniff(source).confidence for a in set(ADAPTERS.values()) - {own}) < 0.5
    manifest = own.inspect(source)
    told = {s.name for s in manifest.streams}
    for recording in own.read(source, ReadOptions()):
        assert set(recording.signals) <= told | {"marker"} or name == "embraceplus"
        assert recording.provenance.verified == manifest.verified


@pytest.mark.parametrize("adapter", sorted(set(ADAPTERS.values()), key=lambda a: a.name), ids=lambda a: a.name)
def test_empty_sources_are_refused_with_a_reason(tmp_path: Path, adapter: Adapter) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty.txt").write_bytes(b"")
    for name in ("empty", "empty.txt"):
        sniff = adapter.sniff(Source(tmp_path / name))
        assert sniff.confidence == 0 and sniff.reason
        take_all(adapter, Source(tmp_path / name))


WAVES = {
    "edf": ("ecg_i", 256.0, 1.0), "bdf": ("ecg_ekg", 512.0, 1.0), "faros": ("ecg", 250.0, 1.0),
    "ishne": ("ecg_i", 200.0, 2.5), "xdf": ("ecg", 130.04, 1.0), "opensignals": ("ecg", 1000.0, 3.0),
    "shimmer": ("ecg_ll_ra_24bit", 256.0, 1.0), "movesense": ("ecg", 128.0, 1.0), "biopac": ("ecg", 500.0, 1.0),
}  # fmt: skip
"""Stream, true rate, and the step of the format in uV."""


@pytest.mark.parametrize("name", sorted(WAVES))
def test_the_wave_written_is_the_wave_read(exports: Callable[[str], Path], worn: Worn, name: str) -> None:
    stream, rate, step = WAVES[name]
    (recording,) = ADAPTERS[name].read(Source(exports(name)), ReadOptions(timezone="Europe/Vienna"))
    signal = recording.signals[stream]
    truth = worn.ecg(rate).samples[: len(signal)]
    assert len(signal) > 0.95 * SHORT_S * rate
    in_uv = signal.physical() * (1000.0 if signal.unit == "mV" else 1.0)
    np.testing.assert_allclose(in_uv, truth, atol=0.51 * step + 0.01)
    assert signal.clock.rate_hz == pytest.approx(rate, rel=2e-4)
    if name not in ("movesense", "biopac"):
        assert recording.epoch == "utc"
        assert signal.clock.start_ns == pytest.approx(worn.start_ns, abs=2_000_000)


@pytest.mark.parametrize(
    ("name", "stream", "atol"), [("zephyr", "rr", 1.01), ("movesense", "rr", 1.01), ("hexoskin", "rr", 4.0)]
)
def test_the_intervals_written_are_the_intervals_read(
    exports: Callable[[str], Path], worn: Worn, name: str, stream: str, atol: float
) -> None:
    (recording,) = ADAPTERS[name].read(Source(exports(name)), ReadOptions(timezone="Europe/Vienna"))
    beats = recording.beats[stream].intervals_ms
    truth = np.diff(worn.beats_ns) / 1e6
    np.testing.assert_allclose(beats[1:], truth[-(len(beats) - 1) :], atol=atol)
    assert len(beats) >= len(truth) - 2


def test_the_hole_written_is_the_gap_read(exports: Callable[[str], Path], worn: Worn) -> None:
    (recording,) = EDF.read(Source(exports("edf-holes")), ReadOptions(timezone="Europe/Vienna"))
    (gap,) = recording.ecg.clock.gaps
    assert (gap.start_ns - worn.start_ns, gap.end_ns - worn.start_ns) == (9_000_000_000, 11_000_000_000)
    truth = worn.ecg(256.0).samples
    np.testing.assert_array_equal(recording.ecg.samples[9 * 256 :], truth[11 * 256 : 20 * 256])
