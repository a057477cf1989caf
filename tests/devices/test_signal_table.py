"""Tables of samples, trap by trap: self-describing ones, and ones with a JSON beside them as in BIDS."""

from __future__ import annotations

import gzip
import zipfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from allostat.adapter import ReadOptions
from allostat.errors import InputError
from allostat.reading import read_all
from allostat.simulate import EXPORTS, simulate_participant, simulate_worn
from allostat.source import Source
from allostat_devices.column_samples import ColumnSamples
from allostat_devices.signal_table import ADAPTER
from allostat_devices.skipped_rows import SkippedRows
from allostat_devices.table_clock import StampedRows
from tests.devices.sampled_tables import RATE, bare, dated, put, read, refusal, table, wave
from tests.devices.test_hostile_input import take_all
from tests.devices.test_hostile_waveforms import damaged

# ---- tables that describe themselves


@pytest.mark.parametrize("sep", [",", ";", "\t"])
def test_a_time_with_its_unit_and_a_named_lead_are_enough(tmp_path: Path, sep: str) -> None:
    recording = read(put(tmp_path, table(sep=sep)))
    assert {n: (s.kind, s.unit) for n, s in recording.signals.items()} == {
        "ecg": ("ecg", "mV"), "resp": ("other", "1"),
    }  # fmt: skip
    np.testing.assert_allclose(recording.ecg.physical(), wave(600), rtol=1e-12)
    clock = recording.ecg.clock
    assert (clock.rate_hz, clock.epoch, clock.start_ns, len(clock.blocks)) == (RATE, "relative", 0, 1)
    assert recording.notices == ()


@pytest.mark.parametrize(
    ("column", "scale"),
    [("time_ms", 1e3), ("timestamp (us)", 1e6), ("Elapsed time [ms]", 1e3), ("seconds", 1.0), ("t (sec)", 1.0)],
)
def test_the_unit_of_the_time_is_read_from_its_name(tmp_path: Path, column: str, scale: float) -> None:
    assert read(put(tmp_path, table(header=f"{column},II,x", scale=scale))).ecg.clock.rate_hz == pytest.approx(RATE)


@pytest.mark.parametrize("scale", [1.0, 1e3])
def test_a_time_without_unit_is_taken_only_where_one_unit_makes_sense_and_that_is_told(
    tmp_path: Path, scale: float
) -> None:
    recording = read(put(tmp_path, table(header="time,MLII,x", scale=scale)))
    assert recording.ecg.clock.rate_hz == pytest.approx(RATE)
    assert [(n.code, n.severity) for n in recording.notices] == [("unit_inferred", "info")]


def test_a_counter_of_samples_is_no_time(tmp_path: Path) -> None:
    why = refusal(put(tmp_path, table(header="time,ECG,x", scale=RATE)))
    assert "tells no sampling rate" in why and "x.json" in why and "SamplingFrequency" in why


def test_unix_times_are_utc_to_the_nanosecond(tmp_path: Path) -> None:
    start = 1_714_920_600_006_020_001
    rows = "".join(f"{start + i * 4_000_000},{v:g}\n" for i, v in enumerate(wave(400)))
    clock = read(put(tmp_path, "timestamp,ppg\n" + rows)).ppg.clock
    assert (clock.start_ns, clock.epoch, clock.rate_hz) == (start, "utc", RATE)


def stamps(start: str, n: int = 400, step_ms: int = 4, between: str = " ", offset: str = "") -> list[str]:
    first = np.datetime64(start, "ms")
    return [str(first + i * step_ms).replace("T", between) + offset for i in range(n)]


def test_dates_without_a_zone_are_local_until_the_zone_is_named(tmp_path: Path) -> None:
    path = put(tmp_path, dated(stamps("2024-03-04T20:00")))
    clock = read(path).ppg.clock
    assert (clock.epoch, clock.start_ns) == ("local", 1_709_582_400_000_000_000)
    placed = read(path, timezone="Europe/Vienna").ppg.clock
    assert (placed.epoch, placed.start_ns) == ("utc", 1_709_578_800_000_000_000)


def test_an_offset_in_the_dates_is_the_zone(tmp_path: Path) -> None:
    path = put(tmp_path, dated(stamps("2024-03-04T20:00", between="T", offset="+01:00")))
    recording = read(path)
    assert (recording.timezone.name, recording.timezone.source) == ("UTC+01:00", "file")
    assert recording.ppg.clock.start_ns == 1_709_578_800_000_000_000
    manifest = ADAPTER.inspect(Source(path))
    assert manifest.timezone == recording.timezone
    assert manifest.streams[0].start_ns == recording.ppg.clock.start_ns


def test_the_hour_that_occurs_twice_is_no_gap_where_the_zone_is_known(tmp_path: Path) -> None:
    times = stamps("2024-10-27T02:59:58", 500) + stamps("2024-10-27T02:00:00", 500)
    clock = read(put(tmp_path, dated(times)), timezone="Europe/Vienna").ppg.clock
    assert clock.n_samples == 1000 and len(clock.blocks) == 1 and clock.rate_hz == pytest.approx(RATE)


def test_times_that_lose_digits_as_they_grow_stay_samples(tmp_path: Path) -> None:
    n = 60_000
    rows = "".join(f"{i / 125:.5g},{v:g}\n" for i, v in enumerate(wave(n)))
    recording = read(put(tmp_path, "Time [s],II\n" + rows))
    clock = recording.ecg.clock
    assert len(recording.ecg) == n and len(clock.blocks) == 1 and recording.notices == ()
    assert clock.rate_hz == pytest.approx(125.0, rel=1e-5)


def test_stamps_of_whole_seconds_keep_every_sample(tmp_path: Path) -> None:
    first, n = np.datetime64("2024-03-04T20:00:00", "s"), 60_037
    recording = read(put(tmp_path, dated([str(first + i // 250) for i in range(n)])))
    assert len(recording.ppg) == n and len(recording.ppg.clock.blocks) == 1 and recording.notices == ()
    assert recording.ppg.clock.rate_hz == pytest.approx(250.0, rel=0.01)


def test_stamps_too_coarse_for_a_rate_need_a_stated_one(tmp_path: Path) -> None:
    first = np.datetime64("2024-03-04T20:00:00", "s")
    content = dated([str(first + i // 250) for i in range(2000)])
    with pytest.raises(InputError, match="too coarse for a sampling rate"):
        read(put(tmp_path, content))
    stated = read(put(tmp_path, content, Columns=["datetime", "ppg"], SamplingFrequency=250)).ppg.clock
    assert (stated.rate_hz, stated.epoch, len(stated.blocks)) == (250.0, "local", 1)
    assert stated.start_ns == 1_709_582_400_000_000_000


def test_digits_may_be_lost_several_times(tmp_path: Path) -> None:
    n = 50_000
    rows = "".join(f"{i / 25 + 900:.4g},{v:g}\n" for i, v in enumerate(wave(n)))
    recording = read(put(tmp_path, "Time [s],PPG\n" + rows))
    assert len(recording.ppg) == n and len(recording.ppg.clock.blocks) == 1 and recording.notices == ()
    assert recording.ppg.clock.rate_hz == pytest.approx(25.0, rel=1e-3)


def test_rows_written_twice_are_left_out_and_counted(tmp_path: Path) -> None:
    lines = table(2000).splitlines()
    for at in (300, 900, 1500):
        lines.insert(at, lines[at])
    recording = read(put(tmp_path, "\n".join(lines) + "\n"))
    assert len(recording.ecg) == 2000 and len(recording.ecg.clock.blocks) == 1
    assert [(n.code, n.count) for n in recording.notices] == [("duplicate", 3)]


def test_lost_rows_are_a_gap_and_a_lone_wrong_time_is_not(tmp_path: Path) -> None:
    lines = table(2000).splitlines()
    lines[700] = lines[700].replace(lines[700].split(",")[0], "99", 1)
    recording = read(put(tmp_path, "\n".join([*lines[:1000], *lines[1200:]]) + "\n"))
    clock = recording.ecg.clock
    assert [(n.code, n.count) for n in recording.notices] == [("bad_time", 1)]
    assert [round((g.end_ns - g.start_ns) / 4e6) for g in clock.gaps] == [1, 200]
    assert clock.n_samples == 1799


def test_uneven_times_are_no_signal(tmp_path: Path) -> None:
    at = np.cumsum(np.random.default_rng(1).exponential(0.004, 3000))
    rows = "".join(f"{t:.6f},{v:g}\n" for t, v in zip(at, wave(3000), strict=True))
    path = put(tmp_path, "Time [s],ECG\n" + rows)
    with pytest.raises(InputError, match="not those of an evenly sampled signal"):
        list(ADAPTER.read(Source(path), ReadOptions()))


def test_empty_cells_are_missing_and_a_note_in_another_column_costs_nothing(tmp_path: Path) -> None:
    lines = table(header="Time [s],ECG,mark").splitlines()
    lines[10] = lines[10].replace(lines[10].split(",")[1], "", 1)
    lines[11] = lines[11].replace(lines[11].split(",")[1], "NaN", 1)
    lines[20] = lines[20][:-1] + "begin of task"
    lines[30] = lines[30].replace(lines[30].split(",")[1], "oops", 1)
    recording = read(put(tmp_path, "\n".join(lines) + "\n"))
    values = recording.ecg.physical()
    assert np.flatnonzero(np.isnan(values)).tolist() == [9, 10]
    assert np.isnan(recording.signals["mark"].physical()[19]) and len(values) == 599
    assert [(n.code, n.count, n.first_line) for n in recording.notices] == [("bad_number", 1, 31)]


def test_decimal_commas_quotes_blanks_and_crlf(tmp_path: Path) -> None:
    plain = read(put(tmp_path, table(), "plain.csv")).ecg.physical()
    european = table(sep=";").replace(".", ",").replace("\n", "\r\n")
    quoted = "\n".join(",".join(f'"{c}"' for c in line.split(",")) for line in table().splitlines()) + "\n"
    for name, content in (("a", european), ("b", quoted), ("c", table().replace(",", ", "))):
        np.testing.assert_array_equal(read(put(tmp_path, content, f"{name}.csv")).ecg.physical(), plain)
    utf16 = read(put(tmp_path, table().encode("utf-16"), "d.csv")).ecg.physical()
    np.testing.assert_array_equal(utf16, plain)


def test_a_line_of_units_below_the_names_is_read(tmp_path: Path) -> None:
    lines = table(header="'Elapsed time','MLII','V5'").splitlines()
    recording = read(put(tmp_path, "\n".join([lines[0], "'seconds','mV','mV'", *lines[1:]]) + "\n"))
    assert {n: (s.kind, s.unit) for n, s in recording.signals.items()} == {
        "ecg_mlii": ("ecg", "mV"), "ecg_v5": ("ecg", "mV"),
    }  # fmt: skip


def test_row_names_without_a_name_shift_nothing(tmp_path: Path) -> None:
    lines = table().splitlines()
    numbered = [lines[0], *(f"{i},{line}" for i, line in enumerate(lines[1:], 1))]
    np.testing.assert_allclose(read(put(tmp_path, "\n".join(numbered) + "\n")).ecg.physical(), wave(600), rtol=1e-12)


def test_numbers_of_a_monitor_are_series_and_a_zero_is_missing(tmp_path: Path) -> None:
    rows = "".join(f"{i},{0 if i == 5 else 60 + i % 3},{14},{0 if i == 7 else 97}\n" for i in range(200))
    recording = read(put(tmp_path, "Time [s], HR, RESP, SpO2\n" + rows))
    assert not recording.signals
    assert {n: (s.kind, s.unit) for n, s in recording.series.items()} == {
        "hr": ("hr", "/min"), "respiration_rate": ("respiration_rate", "/min"), "spo2": ("other", "%"),
    }  # fmt: skip
    assert np.flatnonzero(np.isnan(recording.series["hr"].values)).tolist() == [5]
    assert np.flatnonzero(np.isnan(recording.series["spo2"].values)).tolist() == [7]


def test_a_heart_rate_of_zero_beside_a_wave_is_missing(tmp_path: Path) -> None:
    content = table(header="Time [s],ECG,HR").replace(",0\n", ",0\n")
    hr = read(put(tmp_path, content)).signals["hr"].physical()
    assert np.isnan(hr[::7]).all() and np.isfinite(hr[1::7]).all()


def test_a_wave_sampled_once_a_second_is_refused(tmp_path: Path) -> None:
    rows = "".join(f"{i},{v:g}\n" for i, v in enumerate(wave(400)))
    assert "too slowly" in refusal(put(tmp_path, "Time [s],PLETH\n" + rows))


# ---- sources, memory, damage


def test_tables_and_sidecars_of_a_folder_and_an_archive(tmp_path: Path) -> None:
    put(tmp_path, bare(), "a.csv", SamplingFrequency=100, Columns=["ppg"])
    put(tmp_path, table(), "b.csv")
    put(tmp_path, "nothing", "c.txt")
    assert ADAPTER.sniff(Source(tmp_path)).members == ("a.csv", "a.json", "b.csv")
    archive = tmp_path.with_suffix(".zip")
    with zipfile.ZipFile(archive, "w") as packed:
        for name in ("a.csv", "a.json", "b.csv"):
            packed.write(tmp_path / name, name)
    found = {r.id: set(r.signals) for r in read_all(archive)}
    assert found == {"a": {"ppg"}, "b": {"ecg", "resp"}}
    assert [s.name for s in ADAPTER.inspect(Source(archive)).streams] == ["a/ppg", "b/ecg", "b/resp"]


def test_a_changed_sidecar_is_a_changed_input(tmp_path: Path) -> None:
    from allostat.study.plan import Export, find_exports

    path = put(tmp_path, bare(), SamplingFrequency=100, Columns=["ppg"])
    for raw in (tmp_path, path):
        ((_, export),) = find_exports(raw, lambda file: "sub-1")
        assert isinstance(export, Export) and set(export.hashes) == {"x.csv", "x.json"}
        (recording,) = ADAPTER.read(export.source, ReadOptions())
        assert {i.sha256 for i in recording.provenance.inputs} == set(export.hashes.values())


def test_spooled_samples_are_those_in_memory(tmp_path: Path) -> None:
    path = put(tmp_path, table(5000))
    plain, spooled = read(path), read(path, spool_above=1)
    assert type(spooled.ecg.samples).__name__ == "SpooledSamples" and spooled.ecg.clock == plain.ecg.clock
    np.testing.assert_array_equal(np.asarray(spooled.ecg.samples), plain.ecg.samples)


@given(st.lists(st.lists(st.sampled_from([1.0, -2.5, 0.125, 1e-5, 2e9, np.nan, 1 / 3, 40.0]), max_size=5), max_size=8))
@settings(max_examples=50, deadline=None)
def test_a_column_gives_its_numbers_back_however_they_come(blocks: list[list[float]]) -> None:
    for spooled in (False, True):
        column = ColumnSamples(spooled=spooled)
        for block in blocks:
            column.append(np.array(block, np.float64))
        from allostat.recording import Clock

        whole = np.array([v for block in blocks for v in block], np.float64)
        signal = column.signal("x", "ecg", Clock.regular(len(whole), 1.0), "mV")
        np.testing.assert_allclose(signal.physical(), whole, rtol=1e-9, atol=1e-12)


@given(st.integers(1, 400), st.integers(2, 5), st.sampled_from([4_000_000, 7_692_308]))
@settings(max_examples=30, deadline=None)
def test_a_clock_does_not_depend_on_the_blocks_in_which_its_stamps_come(size: int, gaps: int, step: int) -> None:
    times = np.arange(3000, dtype=np.int64) * step
    times += np.repeat(np.arange(gaps) * 10 * step, -(-3000 // gaps))[:3000]
    clocks = []
    for length in (3000, max(size, 2)):
        rows = StampedRows(SkippedRows("x"))
        for at in range(0, 3000, length):
            rows.push(times[at : at + length], np.arange(at, min(at + length, 3000)))
        clocks.append(rows.clock("relative"))
    assert clocks[0] == clocks[1] and len(clocks[0].blocks) == gaps


@pytest.mark.parametrize("name", ["bids-physio", "signal-table"])
def test_a_twin_gives_the_truth_back(tmp_path: Path, name: str) -> None:
    import allostat

    worn = simulate_worn(simulate_participant("sub-001", 3), datetime(2024, 3, 4, 22, 0), 0.05, "Europe/Vienna")  # noqa: DTZ001
    recording = allostat.read(EXPORTS[name](worn, tmp_path), timezone="Europe/Vienna")
    start = worn.start_ns if name == "bids-physio" else 0
    clock = recording.ecg.clock
    assert (clock.start_ns, clock.rate_hz) == (start, 250.0 if name == "bids-physio" else 125.0)
    assert {"ecg", "ppg"} <= {s.kind for s in recording.signals.values()}
    found = allostat.find_beats(recording.ecg).times_ns
    truth = worn.beats_ns - (worn.start_ns - start)
    inside = truth[(truth > found[0] - 10**8) & (truth < found[-1] + 10**8)]
    assert len(found) == len(inside) and np.abs(found - inside).max() < 12_000_000


@pytest.mark.parametrize("name", ["bids-physio", "signal-table"])
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_tables_and_sidecars(tmp_path: Path, name: str, data: st.DataObject) -> None:
    worn = simulate_worn(simulate_participant("sub-001", 3), datetime(2024, 3, 4, 22, 0), 0.003, "Europe/Vienna")  # noqa: DTZ001
    path = EXPORTS[name](worn, tmp_path)
    victim = data.draw(st.sampled_from(sorted(tmp_path.iterdir())))
    content = victim.read_bytes()
    victim.write_bytes(
        gzip.compress(damaged(data, gzip.decompress(content))) if victim.suffix == ".gz" else damaged(data, content)
    )
    take_all(ADAPTER, Source(path))


# ---- real files


def test_the_recordings_of_a_ward_keep_every_row(recordings: Callable[[str], Path]) -> None:
    for number in (1, 12):
        recording = read(recordings("bidmc") / f"bidmc_{number:02d}_Signals.csv.gz")
        for signal in recording.signals.values():
            assert len(signal) == 60_001 and signal.clock.rate_hz == pytest.approx(125.0, rel=1e-5)
            assert len(signal.clock.blocks) == 1
        assert recording.ecg.name.startswith("ecg_") and recording.ppg.name == "ppg_pleth"
        assert recording.notices == ()
    numbers = read(recordings("bidmc") / "bidmc_01_Numerics.csv.gz")
    assert len(numbers.series["hr"]) == 481 and numbers.series["hr"].values[3] == 92.0
    assert ADAPTER.sniff(Source(recordings("bidmc") / "bidmc_09_Breaths.csv.gz")).confidence == 0.0


def test_the_examples_of_heartpy_with_three_lines_of_json(recordings: Callable[[str], Path], tmp_path: Path) -> None:
    import allostat

    examples = recordings("heartpy_examples")
    for name, about, n, rate, bpm in (
        ("e0103.csv", {"SamplingFrequency": 250, "Columns": ["ecg"]}, 30_000, 250.0, 59.5),
        ("data.csv", {"SamplingFrequency": 100, "Columns": ["ppg"]}, 2483, 100.0, 58.8),
        ("data2.csv", {"Columns": ["timer", "ppg"], "timer": {"Units": "ms"}}, 15_000, 116.99, 62.9),
        ("data3.csv", {"Columns": ["datetime", "ppg"]}, 68_476, 100.42, 98.9),
    ):
        assert "write " in refusal(put(tmp_path, (examples / name).read_bytes(), name))
        signal = next(iter(read(put(tmp_path, (examples / name).read_bytes(), name, **about)).signals.values()))
        assert len(signal) == n and signal.clock.rate_hz == pytest.approx(rate, rel=1e-3)
        beats = allostat.find_beats(signal)
        assert 60_000 / np.nanmedian(beats.intervals_ms) == pytest.approx(bpm, abs=0.5)
