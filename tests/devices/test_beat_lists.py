"""Lists of beats, trap by trap: sample numbers or times, told by a JSON beside them or by their header."""

from __future__ import annotations

import gzip
import json
import zipfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import allostat
from allostat.adapter import ReadOptions
from allostat.errors import InputError
from allostat.reading import SURE_ENOUGH, adapter_for, read_all, verdicts
from allostat.recording import BeatFlag, Recording
from allostat.simulate import EXPORTS, simulate_participant, simulate_worn
from allostat.source import Source
from allostat_devices.beat_instants import ADAPTER
from allostat_devices.beat_list import mark_of
from tests.devices.sampled_tables import put
from tests.devices.test_hostile_input import take_all
from tests.devices.test_hostile_waveforms import damaged

RATE = 250.0
STEPS = np.random.default_rng(7).integers(170, 240, 80)
PEAKS = 101 + np.concatenate([[0], np.cumsum(STEPS)])


def lines(values: Any, fmt: str = "{}") -> str:
    return "".join(fmt.format(v) + "\n" for v in values)


def read(path: Path, **options: Any) -> Recording:
    source = Source(path)
    assert adapter_for(source).adapter.name == "beat_instants", verdicts(source)[:2]
    (recording,) = ADAPTER.read(source, ReadOptions(**options))
    ADAPTER.inspect(source)
    return recording


def refusal(path: Path) -> str:
    said = verdicts(Source(path))[0]
    if said.sniff.confidence < SURE_ENOUGH:
        return said.sniff.reason
    assert said.adapter.name == "beat_instants"
    with pytest.raises(InputError) as told:
        ADAPTER.inspect(Source(path))
    return str(told.value)


# ---- what the numbers count


@pytest.mark.parametrize("name", ["x.tsv", "x.csv", "x.txt.gz"])
def test_sample_numbers_with_a_stated_rate_are_beats(tmp_path: Path, name: str) -> None:
    recording = read(put(tmp_path, lines(PEAKS), name, SamplingFrequency=250, Columns=["r_peak"]))
    beats = recording.beats["rr"]
    np.testing.assert_array_equal(beats.times_ns, PEAKS * 4_000_000)
    np.testing.assert_allclose(beats.intervals_ms[1:], STEPS * 4.0, rtol=1e-12)
    assert (beats.source, beats.epoch, beats.method) == ("ecg", "relative", "list of sample numbers")
    assert recording.notices == () and not beats.flags.any()
    assert [i.name for i in recording.provenance.inputs] == [name, "x.json"]


@pytest.mark.parametrize(("unit", "scale"), [("s", 1e-9), ("ms", 1e-6), ("seconds", 1e-9), ("us", 1e-3), ("ns", 1.0)])
def test_times_with_a_stated_unit_are_beats(tmp_path: Path, unit: str, scale: float) -> None:
    times = PEAKS * 4_000_000
    about: dict[str, Any] = {"Columns": ["beat"], "beat": {"Units": unit}}
    beats = read(put(tmp_path, lines(times * scale, "{:.12g}"), **about)).beats["rr"]
    assert np.abs(beats.times_ns - times).max() <= 1 and beats.source == "unknown"


def test_a_unit_goes_before_a_rate(tmp_path: Path) -> None:
    path = put(tmp_path, lines(PEAKS * 4), SamplingFrequency=1000, Columns=["qrs"], qrs={"Units": "ms"})
    np.testing.assert_array_equal(read(path).beats["rr"].times_ns, PEAKS * 4_000_000)


@pytest.mark.parametrize(
    ("column", "source"),
    [
        ("r_peak", "ecg"), ("R-peaks", "ecg"), ("ECG_R_Peaks", "ecg"), ("rpeaks", "ecg"), ("QRS", "ecg"),
        ("ecg_beat", "ecg"), ("peak", "unknown"), ("beats", "unknown"), ("heartbeat", "unknown"),
        ("sample", "unknown"), ("Sample number", "unknown"), ("beat_sample", "unknown"), ("R peak index", "ecg"),
        ("systolic_peak", "ppg"), ("PPG_Peaks", "ppg"), ("pulse_beats", "ppg"),
    ],
)  # fmt: skip
def test_names_of_beats(tmp_path: Path, column: str, source: str) -> None:
    by_json = read(put(tmp_path, lines(PEAKS), SamplingFrequency=RATE, Columns=[column])).beats["rr"]
    assert by_json.source == source and len(by_json) == len(PEAKS)
    by_header = read(put(tmp_path, f"{column}\n" + lines(PEAKS), SamplingFrequency=RATE)).beats["rr"]
    np.testing.assert_array_equal(by_header.times_ns, by_json.times_ns)


@pytest.mark.parametrize(
    ("header", "fmt", "scale"),
    [
        ("r_peak_ms", "{:.0f}", 4.0), ("R peak [s]", "{:.3f}", 0.004), ("beat_time (ms)", "{:.1f}", 4.0),
        ("beat-s", "{}", 0.004),
    ],
)  # fmt: skip
def test_a_header_with_a_unit_needs_no_json(tmp_path: Path, header: str, fmt: str, scale: float) -> None:
    beats = read(put(tmp_path, f"{header}\n" + lines(PEAKS * scale, fmt))).beats["rr"]
    np.testing.assert_array_equal(beats.times_ns, PEAKS * 4_000_000)


@pytest.mark.parametrize(
    ("content", "about", "told"),
    [
        (lines(PEAKS), {"Columns": ["r_peak"]}, "tells neither rate nor unit"),
        (lines(PEAKS), {"Columns": ["sample"]}, "sample numbers without a rate"),
        (lines(PEAKS), {"Columns": ["r_peak_time"], "SamplingFrequency": 250}, "tells neither rate nor unit"),
        (lines(PEAKS), {"Columns": ["r_peak"], "r_peak": {"Units": "mV"}}, "no such unit"),
        (lines(PEAKS), {"Columns": ["sample"], "sample": {"Units": "s"}}, "contradict"),
        (lines(PEAKS), {"Columns": ["beat_ms"], "beat_ms": {"Units": "s"}}, "contradict"),
        (lines(PEAKS * 0.004), {"Columns": ["r_peak"], "SamplingFrequency": 250}, "sample numbers are whole"),
        (lines(PEAKS), {"Columns": ["r_peak"], "SamplingFrequency": 64}, "SamplingFrequency 64 does not fit"),
        (lines(PEAKS), {"Columns": ["r_peak"], "r_peak": {"Units": "s"}}, "the unit s does not fit"),
        (lines(PEAKS, "{0}\t{0}"), {"Columns": ["r_peak", "beat_time"]}, "two columns of beats"),
    ],
)  # fmt: skip
def test_what_is_not_told_or_does_not_fit_is_refused(tmp_path: Path, content: str, about: Any, told: str) -> None:
    assert told in refusal(put(tmp_path, content, **about))


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        (lines(PEAKS), {"SamplingFrequency": 250, "Columns": ["r_peak"]}),
        (lines(PEAKS, "{:.6f}"), {"SamplingFrequency": 250, "Columns": ["r_peak"]}),
        (lines(PEAKS, "{} N"), {"SamplingFrequency": 250, "Columns": ["r_peak", "label"]}),
        ("peaks\n" + lines(PEAKS), {"SamplingFrequency": 250, "Columns": ["peaks"]}),
        ("where\n" + lines(PEAKS), {"SamplingFrequency": 250, "Columns": ["r_peak"]}),
        (
            ",r_peak\n" + "".join(f"{i},{v}\n" for i, v in enumerate(PEAKS)),
            {"SamplingFrequency": 250, "Columns": ["index", "r_peak"]},
        ),
        (lines(PEAKS * 0.004, "{:.3f}"), {"Columns": ["r_peak"], "r_peak": {"Units": "s"}}),
        (lines(PEAKS * 4.003, "{:.3f}"), {"Columns": ["r_peak"], "r_peak": {"Units": "ms"}}),
    ],
)
def test_a_list_that_tells_too_little_is_refused_once_with_the_json_to_write(
    tmp_path: Path, content: str, wanted: Any
) -> None:
    path = put(tmp_path, content)
    said = [v for v in verdicts(Source(path)) if v.sniff.confidence > 0]
    assert [v.adapter.name for v in said] == ["beat_instants"] and said[0].sniff.confidence < SURE_ENOUGH
    why = said[0].sniff.reason
    assert "write x.json beside it with {" in why
    about, _ = json.JSONDecoder().raw_decode(why[why.index("{") :])
    assert about == wanted
    (tmp_path / "x.json").write_text(json.dumps(about))
    assert len(read(path).beats["rr"]) == len(PEAKS)


def test_the_adapter_asked_by_name_says_the_same(tmp_path: Path) -> None:
    path = put(tmp_path, lines(PEAKS))
    with pytest.raises(InputError, match=r"write x\.json beside it"):
        allostat.read(path, adapter="beat_instants")


def test_a_holter_list_is_read_whatever_json_lies_beside_it(tmp_path: Path) -> None:
    path = put(tmp_path, lines(PEAKS * 0.004, "{:.3f}    N"), "x.txt")
    for content in ("{", "[]", '{"SamplingFrequency": 250}', '{"Columns": ["a", "b", "c"]}'):
        (tmp_path / "x.json").write_text(content)
        (recording,) = ADAPTER.read(Source(path), ReadOptions())
        assert recording.beats["rr"].method == "Holter analysis" and len(recording.beats["rr"]) == len(PEAKS)
        assert ADAPTER.inspect(Source(path)).streams[0].n == len(PEAKS)


def test_a_rate_without_names_is_repeated_in_the_json_to_write(tmp_path: Path) -> None:
    why = refusal(put(tmp_path, lines(PEAKS), SamplingFrequency=360))
    assert '{"SamplingFrequency": 360, "Columns": ["r_peak"]}' in why


@pytest.mark.parametrize(
    "content",
    [
        lines(range(0, 25_000, 250)),
        lines(range(400)),
        lines(np.cumsum(np.random.default_rng(1).exponential(200, 200)).astype(int)),
        lines(np.cumsum(STEPS * 100)),
        lines(np.sort(np.random.default_rng(2).integers(600, 1200, 200))),
        lines(PEAKS[:15]),
        lines(PEAKS[::-1]),
        "".join(f"{v}\t{i % 7}\t{i}\n" for i, v in enumerate(PEAKS)),
        lines(STEPS * 4),
    ],
)
def test_counters_waits_and_intervals_do_not_look_like_beats(tmp_path: Path, content: str) -> None:
    assert "write x.json" not in ADAPTER.sniff(Source(put(tmp_path, content))).reason


def test_intervals_in_ms_that_happen_to_rise_stay_intervals(tmp_path: Path) -> None:
    path = put(tmp_path, lines(np.linspace(620, 1180, 60).round(1)), "rr.txt")
    assert adapter_for(Source(path)).adapter.name == "rr_text"


@pytest.mark.parametrize(
    ("content", "columns"),
    [
        (lines(np.tile([0, 0, 1, 0], 100)), ["r_peak"]),
        ("".join(f"{np.sin(i / 9):.3f}\t{int(i % 200 == 0)}\n" for i in range(1000)), ["ecg", "r_peak"]),
        ("".join(f"{i}\t{np.sin(i / 9):.3f}\n" for i in range(1000)), ["sample", "ecg"]),
    ],
)
def test_waves_and_marks_beside_them_stay_tables_of_samples(tmp_path: Path, content: str, columns: list[str]) -> None:
    path = put(tmp_path, content, SamplingFrequency=RATE, Columns=columns)
    assert adapter_for(Source(path)).adapter.name == "signal_table"


# ---- start and zone


def test_the_start_in_the_json_places_the_beats(tmp_path: Path) -> None:
    about: dict[str, Any] = {"SamplingFrequency": RATE, "Columns": ["r_peak"], "StartTime": 2}
    first = 2_000_000_000 + int(PEAKS[0]) * 4_000_000
    assert read(put(tmp_path, lines(PEAKS), **about)).beats["rr"].times_ns[0] == first
    path = put(tmp_path, lines(PEAKS), AcquisitionDateTime="2024-03-04T20:00:00", **about)
    assert read(path).beats["rr"].epoch == "local"
    placed = read(path, timezone="Europe/Vienna").beats["rr"]
    assert (placed.epoch, placed.times_ns[0]) == ("utc", 1_709_578_800_000_000_000 + first)
    path = put(tmp_path, lines(PEAKS), AcquisitionDateTime="2024-03-04T20:00:00+02:00", **about)
    manifest = ADAPTER.inspect(Source(path))
    assert (manifest.timezone.name, manifest.timezone.source, manifest.epoch) == ("UTC+02:00", "file", "utc")


def test_times_since_1970_are_utc(tmp_path: Path) -> None:
    start = 1_709_578_800_000
    path = put(tmp_path, lines(start + PEAKS * 4), Columns=["beat"], beat={"Units": "ms"}, StartTime=5)
    beats = read(path).beats["rr"]
    assert beats.epoch == "utc" and abs(int(beats.times_ns[0]) - (start + int(PEAKS[0]) * 4) * 10**6) < 1000
    np.testing.assert_allclose(beats.intervals_ms[1:], STEPS * 4.0, atol=1e-3)


# ---- labels


def test_labels_are_those_of_wfdb_and_x_breaks_the_series(tmp_path: Path) -> None:
    labels = ["N"] * len(PEAKS)
    for at, label in {5: "V", 10: "X", 20: "L", 30: "S", 40: "Z"}.items():
        labels[at] = label
    rows = [f"{v}\t{label}" for v, label in zip(PEAKS, labels, strict=True)]
    rows.insert(0, f"{PEAKS[0]}\t+")
    rows.insert(50, f"{PEAKS[49] - 3}\t!")
    recording = read(put(tmp_path, "\n".join(rows) + "\n", SamplingFrequency=RATE, Columns=["sample", "symbol"]))
    beats = recording.beats["rr"]
    assert len(beats) == len(PEAKS) - 1
    assert np.flatnonzero(beats.flags == BeatFlag.ECTOPIC).tolist() == [5, 29, 39]
    # across X none, and none across the flutter
    assert np.flatnonzero(np.isnan(beats.intervals_ms)).tolist() == [0, 10, 48]
    assert {(n.code, n.count) for n in recording.notices} == {("no_beat", 2), ("unusable", 1)}


@pytest.mark.parametrize(
    ("label", "mark"),
    [
        ("N", "beat"), ("R", "beat"), ("/", "beat"), ("V", "ectopic"), ("e", "ectopic"), ("W", "ectopic"),
        ("X", "unusable"), ("[", "break"), ("~", "no_beat"), ("+", "no_beat"), ("", "unknown"), ("NN", "unknown"),
        ("7", "unknown"),
    ],
)  # fmt: skip
def test_each_label(label: str, mark: str) -> None:
    assert mark_of(label) == mark


def test_an_index_and_row_names_shift_nothing(tmp_path: Path) -> None:
    for header in (",r_peak", '"","r_peak"', "r_peak", "Unnamed: 0,r_peak"):
        rows = "".join(f'"{i}",{v}\n' for i, v in enumerate(PEAKS))
        path = put(tmp_path, f"{header}\n{rows}", SamplingFrequency=RATE)
        np.testing.assert_array_equal(read(path).beats["rr"].times_ns, PEAKS * 4_000_000)


def test_decimal_commas_crlf_blanks_and_comments(tmp_path: Path) -> None:
    about: dict[str, Any] = {"Columns": ["beat"], "beat": {"Units": "s"}}
    plain = lines(PEAKS * 0.004, "{:.3f}")
    for content in (
        plain.replace(".", ","),
        plain.replace("\n", "\r\n"),
        "# by hand\n\n" + plain.replace("\n", "  \n"),
    ):
        np.testing.assert_array_equal(read(put(tmp_path, content, **about)).beats["rr"].times_ns, PEAKS * 4_000_000)
    labelled = "".join(f"{v * 0.004:.3f}; N\n" for v in PEAKS).replace(".", ",")
    about = {"Columns": ["beat", "label"], "beat": {"Units": "s"}}
    np.testing.assert_array_equal(read(put(tmp_path, labelled, **about)).beats["rr"].times_ns, PEAKS * 4_000_000)


# ---- rows that cannot be used


def test_a_bad_row_breaks_the_series_and_a_repeated_one_does_not(tmp_path: Path) -> None:
    rows = [str(v) for v in PEAKS]
    rows[20], rows[30] = "oops", "99999999"
    rows.insert(50, rows[49])
    rows[60] = "10"
    recording = read(put(tmp_path, "\n".join(rows) + "\n", SamplingFrequency=RATE, Columns=["r_peak"]))
    beats = recording.beats["rr"]
    assert np.flatnonzero(np.isnan(beats.intervals_ms)).tolist() == [0, 20, 29, 57]
    assert {(n.code, n.count) for n in recording.notices} == {("bad_number", 1), ("bad_time", 2), ("duplicate", 1)}


def test_a_pause_is_a_gap(tmp_path: Path) -> None:
    peaks = PEAKS.copy()
    peaks[40:] += 2000
    recording = read(put(tmp_path, lines(peaks), SamplingFrequency=RATE, Columns=["r_peak"]))
    assert np.flatnonzero(np.isnan(recording.beats["rr"].intervals_ms)).tolist() == [0, 40]
    assert [(n.code, n.count, n.first_line) for n in recording.notices] == [("out_of_range", 1, 41)]


@pytest.mark.parametrize("number", ["1e18", "-1e18", "9" * 18])
def test_impossible_times_are_refused(tmp_path: Path, number: str) -> None:
    path = put(tmp_path, lines(PEAKS) + number + "\n", SamplingFrequency=RATE, Columns=["r_peak"])
    with pytest.raises(InputError, match="impossible times"):
        read(path)


# ---- sources


def test_lists_and_sidecars_of_a_folder_and_an_archive(tmp_path: Path) -> None:
    put(tmp_path, lines(PEAKS), "a.csv", SamplingFrequency=RATE, Columns=["r_peak"])
    put(tmp_path, lines(PEAKS * 0.004, "{:.3f}\tN"), "b.txt")
    (tmp_path / "b.json").write_text('{"of": "somebody else"}')
    put(tmp_path, "nothing", "c.txt")
    assert ADAPTER.sniff(Source(tmp_path)).members == ("a.csv", "a.json", "b.txt")
    archive = tmp_path.with_suffix(".zip")
    with zipfile.ZipFile(archive, "w") as packed:
        for name in ("a.csv", "a.json", "b.txt"):
            packed.write(tmp_path / name, name)
    assert {r.id: len(r.beats["rr"]) for r in read_all(archive)} == {"a": 81, "b": 81}


def test_a_folder_without_any_list_is_refused(tmp_path: Path) -> None:
    put(tmp_path, "nothing", "c.txt")
    with pytest.raises(InputError, match="no list of beats"):
        ADAPTER.inspect(Source(tmp_path))


def test_a_changed_sidecar_is_a_changed_input(tmp_path: Path) -> None:
    from allostat.study.plan import Export, find_exports

    path = put(tmp_path, lines(PEAKS), SamplingFrequency=RATE, Columns=["r_peak"])
    hashes = []
    for rate in (250, 200):
        (tmp_path / "x.json").write_text(json.dumps({"SamplingFrequency": rate, "Columns": ["r_peak"]}))
        for raw in (tmp_path, path):
            ((_, export),) = find_exports(raw, lambda file: "sub-1")
            assert isinstance(export, Export) and set(export.hashes) == {"x.csv", "x.json"}
            (recording,) = ADAPTER.read(export.source, ReadOptions())
            assert {i.sha256 for i in recording.provenance.inputs} == set(export.hashes.values())
            hashes.append(export.hashes["x.json"])
    assert hashes[0] == hashes[1] != hashes[2] == hashes[3]


def test_nothing_identifying_is_kept(tmp_path: Path) -> None:
    path = put(
        tmp_path, lines(PEAKS), "H10_1234ABCD_peaks.csv", SamplingFrequency=RATE, Columns=["r_peak"],
        Manufacturer="Maker", DeviceSerialNumber="SN-77",
    )  # fmt: skip
    manifest = ADAPTER.inspect(Source(path))
    assert set(manifest.identifiers) == {"device serial number in sidecar", "device id in file name"}
    recording = read(path)
    assert recording.device.manufacturer == manifest.device.manufacturer == "Maker"
    assert "1234ABCD" not in repr((manifest, recording)) and "SN-77" not in repr((manifest, recording))


def test_a_twin_gives_the_truth_back(tmp_path: Path) -> None:
    worn = simulate_worn(simulate_participant("sub-001", 3), datetime(2024, 3, 4, 22, 0), 0.05, "Europe/Vienna")  # noqa: DTZ001
    recording = allostat.read(EXPORTS["r-peaks"](worn, tmp_path), timezone="Europe/Vienna")
    assert recording.participant == "sub-001" and recording.notices == ()
    assert np.abs(recording.beats["rr"].times_ns - worn.beats_ns).max() <= 2_000_000


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_lists_and_sidecars(tmp_path: Path, data: st.DataObject) -> None:
    about: dict[str, Any] = {"SamplingFrequency": 250, "Columns": ["r_peak", "label"], "StartTime": 1}
    path = put(tmp_path, "r_peak,label\n" + lines(PEAKS, "{},N"), **about)
    victim = data.draw(st.sampled_from(sorted(tmp_path.iterdir())))
    victim.write_bytes(damaged(data, victim.read_bytes()))
    take_all(ADAPTER, Source(path))


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.integers(1, 4000), min_size=20, max_size=60), rate=st.sampled_from([128.0, 250.0, 1000.0]))
def test_intervals_are_steps_over_the_rate_or_a_gap(tmp_path: Path, steps: list[int], rate: float) -> None:
    samples = np.cumsum([5, *steps])
    path = put(tmp_path, lines(samples), SamplingFrequency=rate, Columns=["sample"])
    expected = np.array(steps) * 1000.0 / rate
    try:
        beats = read(path).beats["rr"]
    except InputError:
        assert not 200 <= np.median(expected) <= 3000
        return
    expected[(expected < 200) | (expected > 3000)] = np.nan
    np.testing.assert_allclose(beats.intervals_ms[1:], expected, atol=2e-6)


# ---- real files


def sidecar_beside(path: Path, folder: Path, **about: Any) -> Path:
    return put(folder, path.read_bytes() if path.suffix != ".gz" else gzip.decompress(path.read_bytes()),
               path.name, **about)  # fmt: skip


def test_real_r_peaks_of_strap_and_cable_agree(recordings: Callable[[str], Path], tmp_path: Path) -> None:
    task = recordings("gudb_annotations") / "subject_20" / "sitting"
    rates = []
    for name in ("annotation_cs.tsv", "annotation_cables.tsv"):
        assert "write " in refusal(task / name)
        path = sidecar_beside(task / name, tmp_path, SamplingFrequency=250, Columns=["r_peak"])
        intervals = read(path).beats["rr"].intervals_ms
        assert np.isnan(intervals).sum() == 1
        rates.append(60_000 / np.nanmean(intervals))
    assert rates[0] == pytest.approx(85.657, abs=0.001) and rates[1] == pytest.approx(rates[0], abs=0.1)


def test_real_times_of_beats(recordings: Callable[[str], Path], tmp_path: Path) -> None:
    short = recordings("rr24h") / "short"
    for name, n in (("a01.beats.txt.gz", 29938), ("beat_ascii.txt.gz", 7182)):
        path = sidecar_beside(short / name, tmp_path, Columns=["beat"], beat={"Units": "s"})
        beats = read(path).beats["rr"]
        assert len(beats) == n and 500 < np.nanmedian(beats.intervals_ms) < 1100


def test_real_peak_lists_of_noisy_extracts(recordings: Callable[[str], Path], tmp_path: Path) -> None:
    for name, n in (("118e00_ann.csv", 162), ("118e24_annotations.csv", 2301)):
        path = recordings("heartpy_examples") / name
        assert "SamplingFrequency" in refusal(path)
        beats = read(sidecar_beside(path, tmp_path, SamplingFrequency=360, Columns=["peak"])).beats["rr"]
        assert len(beats) == n and 700 < np.nanmedian(beats.intervals_ms) < 900


def test_real_annotations_without_their_header(recordings: Callable[[str], Path], tmp_path: Path) -> None:
    from allostat_devices.wfdb import ADAPTER as WFDB

    samples = recordings("wfdb_samples")
    path = tmp_path / "1003.atr"
    path.write_bytes((samples / "1003.atr").read_bytes())
    assert 'write 1003.hea beside it with the one line "1003 0 250"' in verdicts(Source(path))[0].sniff.reason
    (tmp_path / "1003.hea").write_text("1003 0 360\n")
    (recording,) = WFDB.read(Source(tmp_path), ReadOptions())
    assert len(recording.beats["beats_atr"]) == 957
    assert WFDB.sniff(Source(samples / "huge.qrs")).confidence == 0.0
