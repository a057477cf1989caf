"""Tables of samples that a JSON beside them describes, as in BIDS."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from allostat.reading import SURE_ENOUGH, verdicts
from allostat.source import Source
from allostat_devices.signal_table import ADAPTER
from tests.devices.sampled_tables import RATE, bare, dated, put, read, refusal, table, wave


def test_bids_physio_has_no_header_and_names_its_columns_in_the_json(tmp_path: Path) -> None:
    rows = "".join(f"{v:g}\tn/a\t{i % 2}\n" for i, v in enumerate(wave(1000)))
    path = put(
        tmp_path, rows, "sub-07_task-rest_physio.tsv.gz", SamplingFrequency=100, StartTime=-22.345,
        Columns=["cardiac", "respiratory", "trigger"], cardiac={"Units": "mV"},
    )  # fmt: skip
    recording = read(path)
    assert {n: (s.kind, s.unit) for n, s in recording.signals.items()} == {
        "ppg_cardiac": ("ppg", "mV"), "respiratory": ("other", "1"), "trigger": ("other", "1"),
    }  # fmt: skip
    assert recording.participant == "sub-07"
    clock = recording.ppg.clock
    assert (clock.rate_hz, clock.start_ns, clock.epoch) == (100.0, -22_345_000_000, "relative")
    assert np.isnan(recording.signals["respiratory"].physical()).all()
    assert [i.name for i in recording.provenance.inputs] == [path.name, "sub-07_task-rest_physio.json"]


def test_a_cardiac_column_that_is_described_as_ecg_is_one(tmp_path: Path) -> None:
    path = put(
        tmp_path, bare(), SamplingFrequency=RATE, Columns=["cardiac"], cardiac={"Description": "ECG, lead II"}
    )  # fmt: skip
    assert read(path).ecg.name == "ecg_cardiac"


def test_three_lines_of_json_read_a_column_without_header(tmp_path: Path) -> None:
    path = put(tmp_path, bare(), "e0103.csv.gz", SamplingFrequency=250, Columns=["ecg"], ecg={"Units": "uV"})
    recording = read(path)
    np.testing.assert_allclose(recording.ecg.physical(), wave(1000), rtol=1e-12)
    assert (recording.ecg.unit, recording.ecg.clock.rate_hz) == ("uV", 250.0)


def test_a_bad_row_is_a_missing_sample_and_shifts_nothing(tmp_path: Path) -> None:
    lines = bare().splitlines()
    lines[100], lines[200], lines[300] = "###", "", '""'
    recording = read(put(tmp_path, "\n".join(lines) + "\n\n\n", SamplingFrequency=RATE, Columns=["ecg"]))
    values = recording.ecg.physical()
    assert np.flatnonzero(np.isnan(values)).tolist() == [100, 200, 300] and len(values) == 1000
    assert [(n.code, n.count) for n in recording.notices] == [("bad_number", 1)]


def test_one_column_that_runs_on_from_line_to_line(tmp_path: Path) -> None:
    values = [f"{v:g}" for v in wave(1000)]
    wrapped = "\n".join(",".join(values[at : at + 100]) for at in range(0, 1000, 100)) + "\n"
    recording = read(put(tmp_path, wrapped, SamplingFrequency=64, Columns=["ppg"]))
    np.testing.assert_allclose(recording.ppg.physical(), wave(1000), rtol=1e-12)
    assert [n.code for n in recording.notices] == ["wrapped_lines"]
    assert ADAPTER.inspect(Source(tmp_path / "x.csv")).streams[0].n == 1000


def test_the_rate_may_come_from_times_whose_unit_the_json_states(tmp_path: Path) -> None:
    content = "timer,hr\n" + "".join(f"{i * 8.54790319355:.12g},{v:g}\n" for i, v in enumerate(wave(1000)))
    path = put(tmp_path, content, Columns=["timer", "ppg"], timer={"Units": "ms"})
    assert read(path).ppg.clock.rate_hz == pytest.approx(1000 / 8.54790319355, rel=1e-6)


def test_a_stated_rate_that_the_times_contradict_is_refused(tmp_path: Path) -> None:
    path = put(tmp_path, table(), Columns=["Time [s]", "ECG [mV]", "RESP"], SamplingFrequency=1000)
    assert "contradict" in refusal(path)


def test_coarse_stamps_of_a_phone_give_one_rate_over_the_file(tmp_path: Path) -> None:
    n = 20_000
    ticks = np.floor(np.arange(n) * 10 / 15.6) * 15.6
    first = np.datetime64("2016-11-24T13:58:58.081", "us")
    times = [str(first + np.timedelta64(int(t * 1000), "us")).replace("T", " ") for t in ticks]
    path = put(tmp_path, dated(times, "datetime,hr"), Columns=["datetime", "ppg"])
    clock = read(path).ppg.clock
    assert clock.n_samples == n and len(clock.blocks) == 1 and clock.rate_hz == pytest.approx(100.0, rel=1e-4)


def test_the_start_in_the_json_places_the_recording(tmp_path: Path) -> None:
    about = {"SamplingFrequency": RATE, "Columns": ["ecg"], "StartTime": 2}
    path = put(tmp_path, bare(), AcquisitionDateTime="2024-03-04T20:00:00", **about)
    assert read(path).ecg.clock.epoch == "local"
    placed = read(path, timezone="Europe/Vienna").ecg.clock
    assert (placed.epoch, placed.start_ns) == ("utc", 1_709_578_802_000_000_000)
    path = put(tmp_path, bare(), AcquisitionDateTime="2024-03-04T20:00:00+02:00", **about)
    recording = read(path)
    assert recording.timezone.name == "UTC+02:00" and recording.ecg.clock.start_ns == 1_709_575_202_000_000_000


@pytest.mark.parametrize(
    ("about", "told"),
    [
        ({"Columns": ["ecg"]}, "tells no sampling rate"),
        ({"SamplingFrequency": 0, "Columns": ["ecg"]}, "positive number of Hz"),
        ({"SamplingFrequency": "250", "Columns": ["ecg"]}, "is not a number"),
        ({"SamplingFrequency": 250, "Columns": ["ecg", "ppg"]}, "differ in columns"),
        ({"SamplingFrequency": 250, "Columns": "ecg"}, "no list of names"),
        ({"SamplingFrequency": 250, "Columns": ["ecg", "ecg"]}, "names a column twice"),
        ({"SamplingFrequency": 250}, "names no columns"),
        ({"SamplingFrequency": 250, "Columns": ["ecg"], "StartTime": "noon"}, "is not a number"),
        ({"SamplingFrequency": 250, "Columns": ["ecg"], "AcquisitionDateTime": "4.3.2024"}, "no date and time"),
    ],
)
def test_a_wrong_sidecar_is_the_problem_of_its_table(tmp_path: Path, about: dict[str, Any], told: str) -> None:
    assert told in refusal(put(tmp_path, bare(), **about))


def test_header_and_sidecar_in_another_order_are_refused(tmp_path: Path) -> None:
    path = put(tmp_path, table(header="ecg,ppg,resp"), SamplingFrequency=RATE, Columns=["ppg", "ecg", "resp"])
    assert "another order" in refusal(path)


def test_json_of_another_kind_beside_a_table_is_no_sidecar(tmp_path: Path) -> None:
    path = put(tmp_path, table(), "x.csv")
    for content in ('{"a": 1}', "[1, 2]", "{"):
        (tmp_path / "x.json").write_text(content)
        said = verdicts(Source(path))[0]
        assert (said.sniff.confidence >= SURE_ENOUGH) == (content != "{")


@pytest.mark.parametrize("name", ["e.csv", "e.txt.gz", "sub-1_physio.tsv.gz"])
def test_a_wave_without_rate_is_refused_with_the_file_to_write(tmp_path: Path, name: str) -> None:
    why = refusal(put(tmp_path, bare(), name))
    stem = name.removesuffix(".gz").rsplit(".", 1)[0]
    assert f"write {stem}.json beside it with" in why
    about = json.loads(why[why.index("{") : why.rindex("}") + 1])
    assert about == {"SamplingFrequency": 250, "StartTime": 0, "Columns": ["ecg"]}
    (tmp_path / f"{stem}.json").write_text(json.dumps(about))
    assert len(read(tmp_path / name).ecg) == 1000


@pytest.mark.parametrize(
    "content",
    [
        "participant_id\tage\tsex\nsub-01\t40\tm\nsub-02\t50\tf\n",
        "".join(f"{i * 250 + i % 3}\n" for i in range(400)),
        "Time [s],speed,cadence,distance\n" + "".join(f"{i},3.2,80,{i * 3}\n" for i in range(300)),
        "date,weight\n2024-01-01,80.1\n2024-01-02,80.2\n",
        "1000000000.0\n64.0\n" + bare(),
    ],
)
def test_other_tables_are_left_alone(tmp_path: Path, content: str) -> None:
    assert ADAPTER.sniff(Source(put(tmp_path, content))).confidence == 0.0


def test_nothing_identifying_is_kept(tmp_path: Path) -> None:
    path = put(
        tmp_path, bare(), "H10_1234ABCD_ecg.csv", SamplingFrequency=RATE, Columns=["ecg"], Manufacturer="Maker",
        DeviceSerialNumber="SN-77", InstitutionName="Hospital of Somewhere",
    )  # fmt: skip
    manifest = ADAPTER.inspect(Source(path))
    assert set(manifest.identifiers) == {
        "device serial number in sidecar", "institution in sidecar", "device id in file name",
    }  # fmt: skip
    recording = read(path)
    assert not {"1234ABCD", "SN-77", "Hospital"} & set(repr((manifest, recording)).replace("_", " ").split())
    assert "1234ABCD" not in repr((manifest, recording.id, recording.provenance)) and manifest.device.manufacturer
