"""One real file of every kind in a folder: check names each with zone and hours, a run carries each heart to HRV."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from click.testing import CliRunner

from allostat.cli import cli
from allostat.reading import SURE_ENOUGH, verdicts
from allostat.source import Source
from allostat.store import read_participant
from allostat.study import Study
from allostat_devices.table_sidecar import sidecar_name

if TYPE_CHECKING:
    from xarray import Dataset


@dataclass(frozen=True)
class Kind:
    """Files of one kind, the adapter that must take them, the zone that they prove, their hours, and beats or none."""

    files: tuple[str, ...]
    adapter: str
    hours: float
    zone: str = "unknown (unknown)"
    hrv: bool = True
    whole: bool = False
    """Whether all files of the pattern make up the export; else the first alone."""
    sidecar: Mapping[str, object] | None = None
    """JSON to be written beside the first file."""
    header: Mapping[str, str] | None = None
    """Text files to be written beside it."""


KINDS = {
    "h10": Kind(("polar_h10_ecglogger/polar_h10.csv.gz",), "polar_ecg_logger", 0.167),
    "mit": Kind(("mitdb/101.hea", "mitdb/101.dat", "mitdb/101.atr"), "wfdb", 0.502),
    "e4": Kind(("empatica_e4/1635148245_A00204.zip",), "empatica_e4", 0.936),
    "e4folder": Kind(("empatica_e4/flirt_session/*",), "empatica_e4", 2.482, whole=True),
    "verity": Kind(("polar_verity_psl/*.txt",), "polar_sensor_logger", 0.152, "UTC+00:00 (inferred, weak)", whole=True),
    "elite": Kind(("elite_hrv/2017*.txt",), "rr_text", 0.858),
    "day": Kind(("rr24h/normal/nsr002_rr_secs.txt.gz",), "rr_text", 23.46),
    "strap": Kind(("ble_hr_logs/selfloops_20170808002e.txt",), "rr_text", 0.899),
    "kubios": Kind(("kubios_sample01/Sample01_rr.txt",), "rr_text", 0.157),
    "ibi": Kind(("rr_dialects/hrvas/sampledata.ibi",), "rr_text", 0.723),
    "hrm": Kind(("rr_dialects/**/*.hrm",), "rr_text", 0.712),
    "vuams": Kind(("wearable_hrv/test_vu.txt",), "rr_text", 0.802),
    "holter": Kind(("empatica_e4/flirt_holter/holter.txt",), "beat_instants", 1.269),
    "fit": Kind(("fit_garmin_sdk/**/hrv-activity.fit",), "fit", 0.299, "UTC+01:00 (file)"),
    "fitstrap": Kind(("fit_fitparse/event_timestamp.fit",), "fit", 1.234, "UTC-04:00 (file)"),
    "monitor": Kind(("fit_fitparse/MonitoringFile.fit",), "fit", 16.28, "UTC-06:00 (file)", False),
    "garminlog": Kind(("empatica_e4/flirt_garmin/data.csv.gz",), "garmin_logger", 46.5, "UTC+02:00 (file)"),
    "watch": Kind(("apple_health/ecg_watch5/ecg_2021-12-17.csv",), "apple_ecg", 0.0083, "UTC+08:00 (file, weak)"),
    "apple": Kind(("apple_health/export_tdda/export6s3sample.xml",), "apple_health", 0.0, hrv=False),
    "whoop": Kind(("whoop/physiological_cycles.csv", "whoop/sleeps.csv"), "whoop", 4246.0, hrv=False),
    "embrace": Kind(("empatica_embraceplus/test_file.avro",), "embraceplus", 0.096, "UTC-05:00 (file)"),
    "edf": Kind(("edf_ecg/EDFmontage0.edf",), "edf", 0.25, hrv=False),
    "bdf": Kind(("edf_ecg/pyedflib/test_generator_datarec_generator_2.bdf",), "edf", 0.0083, hrv=False),
    "opensignals": Kind(("edf_ecg/opensignals/OSmontage1A.txt",), "signal_text", 0.068),
    "biosppy": Kind(("biosppy_signals/ecg.txt",), "signal_text", 0.004),
    "lsl": Kind(("xdf/minimal.xdf",), "xdf", 0.0, hrv=False),
    "beatmarks": Kind(("cst_reference/nsr001.hea", "cst_reference/nsr001.ecg"), "wfdb", 22.55),
    "app": Kind(("kubios_sample01/pgomes_SampleExport.txt",), "rr_text", 0.0831),
    "watch6": Kind(("apple_health/ecg_watch6/ecg_sample.csv",), "apple_ecg", 0.0083),
    "pool": Kind(("fit_garmin_sdk/**/activity_poolswim_with_hr.fit",), "fit", 0.969, "UTC-06:00 (file)"),
    "zephyr": Kind(("zephyr_bioharness/*BR_RR.csv",), "zephyr", 0.042),
    "ward": Kind(("bidmc/bidmc_01_Signals.csv.gz",), "signal_table", 0.1333),
    "wardnumbers": Kind(("bidmc/bidmc_01_Numerics.csv.gz",), "signal_table", 0.1333, hrv=False),
    "column": Kind(
        ("heartpy_examples/e0103.csv",), "signal_table", 0.0333,
        sidecar={"SamplingFrequency": 250, "StartTime": 0, "Columns": ["ecg"]},
    ),
    "timer": Kind(
        ("heartpy_examples/data2.csv",), "signal_table", 0.0356,
        sidecar={"Columns": ["timer", "ppg"], "timer": {"Units": "ms"}},
    ),
    "stamped": Kind(("heartpy_examples/data3.csv",), "signal_table", 0.1894, sidecar={"Columns": ["datetime", "ppg"]}),
    "wrapped": Kind(
        ("polar_verity_psl/biobss_csv/ppg_sample_data.csv",), "signal_table", 0.2778,
        sidecar={"SamplingFrequency": 64, "Columns": ["ppg"]},
    ),
    "peaks": Kind(
        ("gudb_annotations/subject_20/sitting/annotation_cs.tsv",), "beat_instants", 0.0331,
        sidecar={"SamplingFrequency": 250, "Columns": ["r_peak"]},
    ),
    "peaksnoisy": Kind(
        ("heartpy_examples/118e24_ann.csv",), "beat_instants", 0.0332,
        sidecar={"SamplingFrequency": 360, "Columns": ["r_peak"]},
    ),
    "beattimes": Kind(
        ("rr24h/short/beat_ascii.txt.gz",), "beat_instants", 1.343,
        sidecar={"Columns": ["beat"], "beat": {"Units": "s"}},
    ),
    "marksalone": Kind(("wfdb_samples/1003.atr",), "wfdb", 0.1666, header={"1003.hea": "1003 0 360\n"}),
}  # fmt: skip
TOO_MANY_CORRECTED = 4
BEAT_LISTS = ("peaks", "beattimes", "marksalone", "holter")


@pytest.fixture(scope="module")
def folder(recordings: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    study = tmp_path_factory.mktemp("kinds") / "study"
    for who, kind in KINDS.items():
        own = study / "raw" / who
        own.mkdir(parents=True)
        for pattern in kind.files:
            top, _, rest = pattern.partition("/")
            found = [p for p in sorted(recordings(top).glob(rest)) if not p.name.startswith(("LICENSE", "._"))]
            assert found, pattern
            for path in found if kind.whole else found[:1]:
                shutil.copy(path, own / path.name)
        if kind.sidecar is not None:
            table = next(iter(own.iterdir()))
            name = sidecar_name(table.name)
            assert name is not None
            table.with_name(name).write_text(json.dumps(kind.sidecar))
        for file, content in (kind.header or {}).items():
            (own / file).write_text(content)
    return study


def test_check_names_each_kind_with_its_zone_and_hours(folder: Path) -> None:
    done = CliRunner().invoke(cli, ["check", str(folder), "--json", "-q"], standalone_mode=False)
    told = json.loads(done.stdout)
    rows = {row["participant"]: row for row in told["exports"]}
    assert set(rows) == set(KINDS) and done.return_value == 3
    assert told["problems"] == ["apple: export6s3sample.xml: holds nothing that is read here"]
    assert {who: row["format"] for who, row in rows.items()} == {who: kind.adapter for who, kind in KINDS.items()}
    wrong = {
        who: (rows[who]["timezone"], rows[who]["hours"])
        for who, kind in KINDS.items()
        if rows[who]["timezone"] != kind.zone
        or (rows[who]["hours"] or 0.0) != pytest.approx(kind.hours, rel=0.02, abs=6e-4)
    }
    assert wrong == {}


def test_a_run_carries_every_heart_to_hrv_and_says_where_there_is_none(folder: Path, tmp_path: Path) -> None:
    result = Study(folder).run(tmp_path / "out", jobs=2)
    states = {o.participant: o.state for o in result.outcomes}
    assert {who for who, state in states.items() if state != "done"} == {"apple"}
    for who, kind in KINDS.items():
        if who == "apple":
            continue
        stored = read_participant(result.layout.store(who), groups=("beats", "hrv"))
        windows = [name for name, dataset in stored.hrv.items() if name != "person" and dataset.sizes.get("window", 0)]
        assert bool(windows) == kind.hrv, (who, list(stored.beats), list(stored.hrv))

        if who in BEAT_LISTS:
            assert_plausible([stored.hrv[name] for name in windows], who)
        if who == "peaksnoisy":  # with one premature beat in ten the values are missing, and say why
            assert all(stored.hrv[name]["reasons"].values & TOO_MANY_CORRECTED for name in windows)


def assert_plausible(datasets: list[Dataset], who: str) -> None:
    """Every window has its HRV, as hearts have it."""
    for dataset in datasets:
        for name, low, high in (("mean_nn", 400, 1500), ("rmssd", 2, 300), ("sdnn", 2, 300)):
            values = dataset[name].values
            assert np.isfinite(values).any() and low < np.nanmedian(values) < high, (who, name, values)


def test_waves_without_a_header_are_not_taken_for_intervals(recordings: Callable[[str], Path]) -> None:
    for name in ("e0103", "e0110", "e0124", "data"):
        source = Source(recordings("heartpy_examples") / f"{name}.csv")
        said = verdicts(source)[0].sniff
        assert said.confidence < SURE_ENOUGH and f"write {name}.json beside it" in said.reason, name
