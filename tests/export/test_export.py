"""Every export, read back by a library of its own world."""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import allostat
from allostat.biomarkers import BiomarkerTable
from allostat.errors import ConfigError, InputError
from allostat.export import FORMATS, export_study
from allostat.store import read_cohort
from allostat.tables import read_biomarker_table

RATE = 130.16
T0_S = 1_770_000_000


@pytest.fixture
def exported(out: Path, tmp_path: Path) -> Callable[[str], Path]:
    def run(name: str) -> Path:
        written = export_study(out, tmp_path, [name])
        assert sorted(written) == sorted(p for p in (tmp_path / name).rglob("*") if p.is_file())
        return tmp_path / name

    return run


def physical() -> np.ndarray:
    t = np.arange(1000) / RATE
    values = np.rint(40_000 * np.sin(2 * np.pi * 1.2 * t)) * 0.5
    values[700:702] = np.nan
    return values


@pytest.mark.parametrize("name", sorted(set(FORMATS) - {"nwb"}))
def test_the_same_results_give_the_same_bytes(out: Path, tmp_path: Path, name: str) -> None:
    one, two = ({p.name: p.read_bytes() for p in export_study(out, tmp_path / d, [name])} for d in ("a", "b"))
    assert one == two


def test_csv_tables_are_read_by_csv_and_by_allostat(exported: Callable[[str], Path], out: Path) -> None:
    folder = exported("csv")
    with (folder / "allostatic_load.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    cohort = read_cohort(out / "cohort.h5")
    index = cohort.allostatic_load["system"]["index"]
    assert {r["participant_id"]: float(r["index"]) for r in rows} == {
        str(w): float(index.sel(participant=w)) for w in index["participant"].values
    }
    again = read_biomarker_table(folder / "biomarkers_wide.csv")
    assert values(again) == pytest.approx(values(cohort.biomarkers), rel=1e-12)
    with (folder / "participants.csv").open(newline="", encoding="utf-8") as file:
        assert {r["group"] for r in csv.DictReader(file)} == {"ward", "'=cmd()"}
    with (folder / "dictionary.csv").open(newline="", encoding="utf-8") as file:
        entries = {(r["table"], r["column"]): r for r in csv.DictReader(file)}
    assert entries["hrv_windows", "rmssd"]["unit"] == "ms"
    for table in folder.glob("*.csv"):
        with table.open(newline="", encoding="utf-8") as file:
            header = next(csv.reader(file))
        assert table.stem == "dictionary" or all((table.stem, column) in entries for column in header)


def values(table: BiomarkerTable) -> dict[tuple[str, str], float]:
    return {(r.participant, r.biomarker): r.value for r in table.rows if not r.missing}


def test_parquet_keeps_types(exported: Callable[[str], Path]) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    windows = parquet.read_table(exported("parquet") / "hrv_windows.parquet")
    assert str(windows.schema.field("start").type) == "int64"
    assert windows["start"].to_pylist()[0] == T0_S * 10**9
    assert windows["reason"].to_pylist() == ["ok", "too few"] * 2


def test_bids_has_valid_names_sidecars_and_values(exported: Callable[[str], Path]) -> None:
    folder = exported("bids")
    description = json.loads((folder / "dataset_description.json").read_text())
    assert description["GeneratedBy"][0]["Name"] == "allostat"
    stem = "sub-001/beh/sub-001_task-ambulatory"
    found = []
    for run in (1, 2):
        sidecar = json.loads((folder / f"{stem}_run-{run:02d}_recording-strapecg_physio.json").read_text())
        assert sidecar["SamplingFrequency"] == RATE
        assert sidecar["Columns"] == ["ecg"]
        assert sidecar["ecg"]["Units"] == "uV"
        assert sidecar["StartTime"] == 60.0 * (run - 1)
        with gzip.open(folder / f"{stem}_run-{run:02d}_recording-strapecg_physio.tsv.gz", "rt") as file:
            found += [float("nan") if line == "n/a\n" else float(line) for line in file]
    np.testing.assert_allclose(found, physical(), rtol=1e-8)
    with (folder / "sub-001/beh/sub-001_task-ambulatory_desc-strapecg_events.tsv").open() as file:
        events = list(csv.DictReader(file, delimiter="\t"))
    assert [e["interval"] for e in events[:2]] == ["n/a", "800.0"]
    assert events[12]["interval"] == "n/a"
    assert float(events[0]["onset"]) == 0.8
    with (folder / "participants.tsv").open() as file:
        people = {p["participant_id"]: p for p in csv.DictReader(file, delimiter="\t")}
    assert people["sub-ward7b"]["source_id"] == "ward 7 b"
    validator = pytest.importorskip("bids_validator").BIDSValidator()
    for path in folder.rglob("*"):
        name = "/" + path.relative_to(folder).as_posix()
        if path.is_file() and "desc-" not in name:
            assert validator.is_bids(name), name


def test_bids_labels_that_would_collide_are_refused(out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from allostat.export import bids

    with pytest.raises(ConfigError, match="a-b, ab"):
        bids._labels(["a-b", "ab"])


def test_edf_is_read_by_edfio_and_by_allostat(exported: Callable[[str], Path]) -> None:
    edfio = pytest.importorskip("edfio")
    folder = exported("edf")
    files = sorted(folder.glob("sub-001_*.edf"))
    assert len(files) == 2
    whole = physical()
    for path, part, start in ((files[0], whole[:600], 0), (files[1], whole[600:], 60)):
        edf = edfio.read_edf(path)
        signal = edf.signals[0]
        assert signal.physical_dimension == "uV"
        assert signal.sampling_frequency == pytest.approx(RATE, rel=1e-5)
        step = 40_000 / 65535
        known = ~np.isnan(part)
        np.testing.assert_allclose(signal.data[: len(part)][known], part[known], atol=step)
        when = dt.datetime.combine(edf.startdate, edf.starttime, tzinfo=dt.UTC)
        assert when == dt.datetime.fromtimestamp(T0_S + start, tz=dt.UTC)
        texts = [a.text for a in edf.annotations]
        assert texts.count("beat") == (5 if start == 0 else 4)
        assert ("missing samples" in texts) == (start == 60)
        ours = allostat.read(path)
        np.testing.assert_allclose(next(iter(ours.signals.values())).physical(0, 50), signal.data[:50], rtol=1e-9)


def test_kubios_text_is_read_as_plain_intervals(exported: Callable[[str], Path]) -> None:
    folder = exported("kubios")
    first, second = (allostat.read(p).beats["rr"] for p in sorted(folder.glob("sub-001_*.txt")))
    assert first.intervals_ms[1:].tolist() == [800.0] * 11
    assert second.intervals_ms[1:].tolist() == [750.0] * 10
    with (folder / "index.csv").open(newline="") as file:
        rows = [r for r in csv.DictReader(file) if r["participant_id"] == "sub-001"]
    assert [int(r["intervals"]) for r in rows] == [11, 10]


def test_matlab_structures_are_read_by_scipy(exported: Callable[[str], Path], out: Path) -> None:
    from scipy.io import loadmat

    content = loadmat(exported("mat") / "sub-001.mat", simplify_cells=True)
    assert content["participant"] == "sub-001"
    whole = allostat.open_study(out).result("sub-001")
    np.testing.assert_array_equal(content["beats"]["strap_ecg"]["times_ns"], whole.beats["strap_ecg"].times_ns)
    np.testing.assert_array_equal(content["hrv"]["strap_ecg"]["rmssd"], whole.hrv["strap_ecg"]["rmssd"])
    assert content["hrv"]["strap_ecg"]["reason"].tolist() == ["ok", "too few"]
    assert float(content["allostatic_load"]["system"]["index"]) == float(whole.allostatic_load["system"]["index"][0])
    assert content["biomarkers"]["sbp_1"]["unit"] == "mm[Hg]"


def test_nwb_is_read_by_pynwb(exported: Callable[[str], Path], out: Path) -> None:
    pynwb = pytest.importorskip("pynwb")
    with pynwb.NWBHDF5IO(str(exported("nwb") / "sub-001.nwb"), "r", load_namespaces=True) as io:
        file = io.read()
        assert file.subject.subject_id == "sub-001"
        assert file.session_start_time == dt.datetime.fromtimestamp(T0_S, tz=dt.UTC)
        first, second = file.acquisition["strap_ecg"], file.acquisition["strap_ecg_2"]
        assert (first.rate, first.unit, first.starting_time, second.starting_time) == (RATE, "uV", 0.0, 60.0)
        np.testing.assert_allclose(np.concatenate([first.data[:], second.data[:]]), physical(), rtol=1e-6)
        series = next(iter(file.processing["beats"].data_interfaces.values()))
        beats = allostat.open_study(out).result("sub-001").beats["strap_ecg"]
        np.testing.assert_allclose(series.timestamps[:], (beats.times_ns - T0_S * 10**9) / 1e9)


def test_wrong_requests_name_what_is_valid(out: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nearest valid: 'kubios'"):
        export_study(out, tmp_path, ["kubio"])
    with pytest.raises(InputError, match="nearest valid: 'sub-001'"):
        export_study(out, tmp_path, ["csv"], participants=["sub-01"])
    (tmp_path / "csv").mkdir()
    (tmp_path / "csv" / "mine.txt").write_text("")
    with pytest.raises(ConfigError, match="holds other things"):
        export_study(out, tmp_path, ["csv"])
    with pytest.raises(InputError, match="no results of a study"):
        export_study(tmp_path, tmp_path / "x", ["csv"])
