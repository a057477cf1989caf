"""Beat intervals as text, trap by trap."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from allostat.adapter import ReadOptions
from allostat.errors import InputError, UnitError
from allostat.recording import BeatFlag, Recording
from allostat.source import Source
from allostat_devices.rr_text import ADAPTER

RR = [800, 812, 795, 640, 1010, 805, 798, 820]


def read(path: Path, **options: str) -> Recording:
    (recording,) = ADAPTER.read(Source(path), ReadOptions(**options))  # type: ignore[arg-type]
    return recording


def intervals(recording: Recording) -> list[float]:
    rr = recording.beats["rr"].intervals_ms
    return [float(v) for v in rr[np.isfinite(rr)]]


def written(tmp_path: Path, content: str | bytes, name: str = "rr.txt") -> Path:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


LINES = "\n".join(map(str, RR)) + "\n"
SECONDS = "\n".join(f"{v / 1000:.3f}" for v in RR) + "\n"


@pytest.mark.parametrize(
    "content",
    [
        LINES,
        SECONDS,
        LINES.rstrip("\n"),
        LINES.replace("\n", "\r\n"),
        LINES.replace("\n", "\r"),
        b"\xef\xbb\xbf" + LINES.encode(),
        LINES.encode("utf-16"),
        "\n\n" + LINES,
        "# exported\n" + LINES,
        "rr\n" + LINES,
        "RR (ms)\n" + LINES,
        "RR-interval [ms]\n" + LINES,
        "ibi_s\n" + SECONDS,
        "Patient one\n" + LINES,
        SECONDS.replace(".", ","),
        "\n".join(f"{v},5" for v in RR).replace(",5", ",0") + "\n",
        " ".join(map(str, RR)),
        ", ".join(map(str, RR)),
        ";".join(map(str, RR)),
        "\t".join(map(str, RR)),
        ",rr\n" + "".join(f"{i},{float(v)}\n" for i, v in enumerate(RR)),
        "time,rri\n" + "".join(f"{i + 1},{v}\n" for i, v in enumerate(RR)),
        "rri;time\n" + "".join(f"{v};{i + 1}\n" for i, v in enumerate(RR)),
        "".join(f"{v},{v}\n" for v in RR),
        "".join(f"{i},{v}\n" for i, v in enumerate(RR)),
        "t;rr\n" + "".join(f"{i};{v / 1000:.3f}\n".replace(".", ",") for i, v in enumerate(RR)),
    ],
)
def test_one_series_in_every_dialect(tmp_path: Path, content: str | bytes) -> None:
    path = written(tmp_path, content)
    assert ADAPTER.sniff(Source(path)).confidence >= 0.5
    recording = read(path)
    assert intervals(recording) == pytest.approx(RR)
    assert len(recording.beats["rr"]) == len(RR) + 1
    assert recording.epoch == "relative"


def test_a_latin_1_header_is_read(tmp_path: Path) -> None:
    assert intervals(read(written(tmp_path, "Größe;rr [ms]\n".encode("latin-1") + b"a;800\nb;810\n"))) == [800, 810]


def test_provenance_and_gzip(tmp_path: Path) -> None:
    path = tmp_path / "P012_rr.txt.gz"
    path.write_bytes(gzip.compress(LINES.encode(), mtime=0))
    recording = read(path)
    (file,) = recording.provenance.inputs
    assert (recording.id, recording.participant) == ("P012_rr", "P012")
    assert (file.name, file.sha256) == ("P012_rr.txt.gz", Source(path).sha256())
    assert recording.provenance.options["unit"] == "ms"
    assert read(path, participant="sub-9").participant == "sub-9"


def test_an_inferred_unit_is_told(tmp_path: Path) -> None:
    (notice,) = [n for n in read(written(tmp_path, SECONDS)).notices if n.code == "unit_inferred"]
    assert "unit s" in notice.message


@pytest.mark.parametrize("content", ["0.196\n0.193\n0.192\n", "60\n61\n62\n", "3.1\n3.2\n3.0\n"])
def test_a_median_that_fits_no_unit_is_refused_and_asks_for_it(tmp_path: Path, content: str) -> None:
    path = written(tmp_path, content)
    with pytest.raises(UnitError, match="name it with unit="):
        read(path)
    assert read(path, unit="s").beats["rr"].epoch == "relative"


def test_mixed_units_are_an_error_that_names_the_place(tmp_path: Path) -> None:
    with pytest.raises(UnitError, match=r"mixed in one file.*|rr\.txt, interval 5"):
        read(written(tmp_path, "800\n810\n790\n805\n0.8\n0.81\n0.79\n"))


def test_a_unit_that_contradicts_the_numbers_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UnitError, match="contradicts"):
        read(written(tmp_path, SECONDS), unit="ms")
    with pytest.raises(UnitError, match="contradicts"):
        read(written(tmp_path, "rr (ms)\n" + SECONDS))
    with pytest.raises(UnitError, match="nearest valid: 'ms'"):
        read(written(tmp_path, LINES), unit="msec")


def test_junk_lines_are_skipped_counted_and_not_bridged(tmp_path: Path) -> None:
    recording = read(written(tmp_path, "800\n700\ns\n890\n860\n"))
    np.testing.assert_array_equal(recording.beats["rr"].intervals_ms, [np.nan, 800, 700, np.nan, 890, 860])
    (notice,) = [n for n in recording.notices if n.code == "bad_number"]
    assert (notice.count, notice.first_line, notice.severity) == (1, 3, "error")


def test_few_bad_rows_warn_and_many_are_an_error(tmp_path: Path) -> None:
    content = "\n".join(["800"] * 60 + ["nan"] + ["800"] * 60)
    (few,) = [n for n in read(written(tmp_path, content)).notices if n.code == "bad_number"]
    assert few.severity == "warning"


@pytest.mark.parametrize("junk", ["nan", "inf", "1_000", "-", "1e999", "9" * 400, "８００x"])
def test_what_python_takes_for_a_number_is_still_junk(tmp_path: Path, junk: str) -> None:
    recording = read(written(tmp_path, f"800\n810\n{junk}\n820\n"))
    assert intervals(recording) == [800, 810, 820]
    assert {"bad_number", "out_of_range"} & {n.code for n in recording.notices}


def test_a_first_value_that_is_a_start_offset_becomes_a_gap(tmp_path: Path) -> None:
    beats = read(written(tmp_path, "225.797\n0.695\n0.711\n0.70\n")).beats["rr"]
    np.testing.assert_allclose(beats.intervals_ms, [np.nan, np.nan, 695, 711, 700])
    assert beats.flags[1] == BeatFlag.OUT_OF_RANGE
    assert beats.times_ns[1] == 225_797_000_000


def test_zero_and_negative_intervals_break_the_series(tmp_path: Path) -> None:
    recording = read(written(tmp_path, "800\n0\n-5\n810\n805\n795\n"))
    np.testing.assert_array_equal(recording.beats["rr"].intervals_ms, [np.nan, 800, np.nan, 810, 805, 795])
    (notice,) = [n for n in recording.notices if n.code == "out_of_range"]
    assert (notice.count, notice.first_line) == (2, 2)


def test_beat_instants_are_not_taken_for_intervals(tmp_path: Path) -> None:
    path = written(tmp_path, "\n".join(f"{0.3 + 0.8 * i:.2f}" for i in range(400)))
    assert ADAPTER.sniff(Source(path)).confidence < 0.5
    with pytest.raises(InputError, match="beat instants, not intervals"):
        read(path)


def test_one_comma_a_row_that_may_mean_two_things_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="decimal sign or separate two columns"):
        read(written(tmp_path, "800,912\n790,905\n810,880\n"))


def test_elite_hrv_start_is_in_the_file_name_and_its_zone_is_not(tmp_path: Path) -> None:
    path = written(tmp_path, LINES, "2017-06-29 13-11-53.txt")
    recording = read(path)
    assert (recording.epoch, recording.timezone.known, recording.device.model) == ("local", False, "Elite HRV")
    assert recording.beats["rr"].times_ns[0] == 1_498_741_913 * 10**9
    placed = read(path, timezone="Europe/Vienna")
    assert (placed.epoch, placed.timezone.source) == ("utc", "user")
    assert recording.beats["rr"].times_ns[0] - placed.beats["rr"].times_ns[0] == 7200 * 10**9


def test_selfloops_date_line_and_clock_with_a_negative_first_time(tmp_path: Path) -> None:
    content = (
        "04 August 2017 12:53:19\nTime (ms),HR (bpm),R-R (ms)\n-120,75,800\n680,75,800\n1490,74,810\n3490,74,900\n"
    )
    recording = read(written(tmp_path, content))
    beats = recording.beats["rr"]
    np.testing.assert_array_equal(beats.intervals_ms, [np.nan, 800, 800, 810, np.nan, 900])
    assert beats.times_ns[1] == 1_501_851_199 * 10**9 - 120_000_000
    assert (recording.epoch, recording.device.model) == ("local", "Selfloops HRV")


def test_hrv_logger_offsets_are_a_zone_from_the_file(tmp_path: Path) -> None:
    rows = "".join(f"2025-03-20 09:00:{8 + i * 4 // 5:02d} +0200,{v},{i}\n" for i, v in enumerate(RR))
    recording = read(written(tmp_path, "date,rr,since start\n" + rows))
    assert (recording.timezone.name, recording.timezone.source) == ("UTC+02:00", "file")
    assert (recording.epoch, recording.provenance.verified) == ("utc", False)
    assert intervals(recording) == RR
    start = recording.beats["rr"].times_ns[1]
    assert abs(start - 1_742_454_008 * 10**9) < 2 * 10**9
    assert {"arrival_times", "unverified"} <= {n.code for n in recording.notices}


def test_unix_times_that_mark_starts(tmp_path: Path) -> None:
    t0 = 1_688_125_620_000
    starts = t0 + np.concatenate([[0], np.cumsum(RR[:-1])])
    rows = "".join(f"{t},{v}\n" for t, v in zip(starts, RR, strict=True))
    recording = read(written(tmp_path, "timestamp, rr\n\n" + rows))
    assert recording.epoch == "utc"
    assert recording.beats["rr"].times_ns[0] == t0 * 10**6
    assert recording.beats["rr"].gaps == ()


def test_a_hole_in_the_times_is_a_gap(tmp_path: Path) -> None:
    ends = np.cumsum(RR) / 1000
    ends[4:] += 30
    rows = "".join(f"{t:.3f},{v / 1000}\n" for t, v in zip(ends, RR, strict=True))
    beats = read(written(tmp_path, rows)).beats["rr"]
    assert len(beats.gaps) == 1
    assert len(beats) == len(RR) + 2


def test_local_times_need_a_zone_to_be_utc(tmp_path: Path) -> None:
    rows = "".join(f"26/06/2018 22:41:{56 + i},{800 + i}\n" for i in range(4))
    path = written(tmp_path, "time,rri\n" + rows)
    assert read(path).epoch == "local"
    assert read(path, timezone="America/New_York").epoch == "utc"


def test_bad_times_are_counted(tmp_path: Path) -> None:
    rows = "".join(f"2024-01-01 10:00:{i:02d},{800 + i}\n" for i in range(30))
    rows = rows.replace("10:00:07", "10:61:07")
    recording = read(written(tmp_path, "date,rr\n" + rows))
    (notice,) = [n for n in recording.notices if n.code == "bad_time"]
    assert (notice.count, notice.first_line) == (1, 9)
    assert len(intervals(recording)) == 29


def test_polar_hrm(tmp_path: Path) -> None:
    head = "[Params]\r\nVersion=106\r\nDate=20080209\r\nStartTime=09:28:17.0\r\nInterval={}\r\n\r\n[HRData]\r\n"
    body = LINES.replace("\n", "\r\n")
    recording = read(written(tmp_path, head.format(238) + body, "a.hrm"))
    assert intervals(recording) == RR
    assert recording.beats["rr"].times_ns[0] == 1_202_549_297 * 10**9
    other = Source(written(tmp_path, head.format(5) + body, "b.hrm"))
    assert "another recording mode" in ADAPTER.sniff(other).reason


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the file is empty"),
        (b"\n \n", "only blanks"),
        (b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X        ", "AppleDouble"),
        (LINES.encode("utf-16-le"), "UTF-16 without a byte-order mark"),
        (LINES.encode("utf-32"), "UTF-32"),
        (b"800\n\x00\x00\x00810\n", "NUL bytes"),
        (b"dear diary\nnothing\n", "no column of intervals"),
        (b"time,ecg,hr,rr\n1,2,3,4\n", "column ecg"),
        (b"Phone timestamp;HR [bpm]\n2022-04-25T11:39:02.323;66\n", "Polar Sensor Logger"),
        (b"# Sampling Rate (Hz):= 1000\n2053\n2050\n", "sampling rate"),
        (b"hr\n800\n810\n", "no column of intervals"),
        (b"1560279825.000000, IBI\n83.5,0.609\n", "Empatica E4"),
        (b"1,2,3\n4,5,6\n7,8,9\n", "without a header"),
    ],
)
def test_what_is_refused_says_why(tmp_path: Path, content: bytes, reason: str) -> None:
    path = written(tmp_path, content)
    sniff = ADAPTER.sniff(Source(path))
    assert sniff.confidence < 0.5
    assert reason in sniff.reason
    with pytest.raises(InputError):
        read(path)


def test_a_smooth_waveform_is_not_taken_for_intervals(tmp_path: Path) -> None:
    wave = 800 + 150 * np.sin(np.arange(2000) / 9)
    path = written(tmp_path, "\n".join(f"{v:.2f}" for v in wave))
    assert "as smoothly as a waveform" in ADAPTER.sniff(Source(path)).reason


def test_a_missing_column_names_the_line(tmp_path: Path) -> None:
    path = written(tmp_path, "date;rrr;note\n1;800;x\n2;810;y\n")
    with pytest.raises(InputError, match=r"rr\.txt: holds no beat intervals.*'date;rrr;note'"):
        read(path)


def test_a_folder_claims_its_interval_files_and_gives_one_recording_each(tmp_path: Path) -> None:
    written(tmp_path, LINES, "sub-01_rest.txt")
    written(tmp_path, SECONDS, "sub-01_walk.txt")
    written(tmp_path, "some words\n", "README.txt")
    written(tmp_path, "", "empty.txt")
    source = Source(tmp_path)
    sniff = ADAPTER.sniff(source)
    assert sniff.members == ("sub-01_rest.txt", "sub-01_walk.txt")
    assert [r.id for r in ADAPTER.read(source, ReadOptions())] == ["sub-01_rest", "sub-01_walk"]
    assert [s.n for s in ADAPTER.inspect(source).streams] == [9, 9]


def test_files_of_one_name_in_two_folders_get_distinct_ids(tmp_path: Path) -> None:
    for folder in ("mon", "tue"):
        (tmp_path / folder).mkdir()
        written(tmp_path / folder, LINES)
    assert [r.id for r in ADAPTER.read(Source(tmp_path), ReadOptions())] == ["rr", "rr_2"]


def test_inspect_tells_beats_and_span_and_no_values(tmp_path: Path) -> None:
    path = written(tmp_path, "Subject Id: P37\nrr\n" + LINES, "P37.txt")
    manifest = ADAPTER.inspect(Source(path))
    assert manifest.identifiers == ("name in header",)
    assert (manifest.participant_hint, manifest.streams[0].n) == ("P37", 9)


def test_inspect_of_intervals_in_an_unknown_unit_asks_for_it(tmp_path: Path) -> None:
    path = written(tmp_path, "".join(f"{0.19 + 0.001 * (i % 3):.3f}\n" for i in range(50)), "rat.ibi")
    manifest = ADAPTER.inspect(Source(path))
    assert (manifest.streams[0].start_ns, manifest.streams[0].end_ns) == (0, 0)
    assert {n.code for n in manifest.notices} == {"unit_unknown"}


# ---- real recordings


def test_real_elite_hrv(recordings: Callable[[str], Path]) -> None:
    folder = recordings("elite_hrv")
    counts = {}
    for path in sorted(folder.iterdir()):
        sniff = ADAPTER.sniff(Source(path))
        if path.name.startswith("._"):
            assert sniff.confidence == 0
            assert "AppleDouble" in sniff.reason
        elif path.name.startswith("2017"):
            recording = read(path)
            counts[recording.id] = len(intervals(recording))
            assert recording.epoch == "local"
    assert counts == {"2017-06-29_13-11-53": 4201, "2017-06-29_14-36-38": 5294}


def test_real_selfloops(recordings: Callable[[str], Path]) -> None:
    recording = read(recordings("ble_hr_logs") / "selfloops_20170808002e.txt")
    beats = recording.beats["rr"]
    assert len(intervals(recording)) == 7501
    assert sum(intervals(recording)) == 3_238_196
    assert len(beats.gaps) == 0
    assert beats.times_ns[-1] - beats.times_ns[0] == 3_238_196 * 10**6


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("hrv_rhenan/tests/test_files/real_rri.txt", 771),
        ("hrv_rhenan/hrv/sampledata/rest_rri.txt", 910),
        ("hrv_rhenan/hrv/sampledata/exercise_rri.hrm", 4117),
        ("hrv_rhenan/tests/test_files/rri_multiple_columns_datetime.csv", 4),
        ("hrv_rhenan/tests/test_files/rri_semicolon.csv", 4),
        ("hrv_rhenan/tests/test_files/test_file_2.txt", 4),
        ("hrvas/sampledata.ibi", 3482),
        ("hrvas/sampleData.txt", 3482),
        ("hrvas/ecgsyn.ibi", 2049),
        ("systole/rr.txt", 245),
    ],
)
def test_real_dialects(recordings: Callable[[str], Path], name: str, count: int) -> None:
    path = recordings("rr_dialects") / name
    assert ADAPTER.sniff(Source(path)).confidence >= 0.5
    assert len(intervals(read(path))) == count


def test_real_rat_asks_for_its_unit(recordings: Callable[[str], Path]) -> None:
    with pytest.raises(UnitError, match=r"rat\.ibi: unit of the intervals cannot be told"):
        read(recordings("rr_dialects") / "hrvas/rat.ibi")


def test_real_24_hours_in_seconds_and_milliseconds_agree(recordings: Callable[[str], Path]) -> None:
    root = recordings("rr24h")
    in_s, in_ms = read(root / "healthy/003.txt.gz"), read(root / "healthy_ms/003.txt.gz")
    np.testing.assert_allclose(in_s.beats["rr"].intervals_ms, in_ms.beats["rr"].intervals_ms)
    assert len(intervals(in_s)) == 108_149


def test_real_start_offset(recordings: Callable[[str], Path]) -> None:
    beats = read(recordings("rr24h") / "normal/nsr001_rr_secs.txt.gz").beats["rr"]
    assert len(beats) == 106_461
    assert beats.flags[1] == BeatFlag.OUT_OF_RANGE
    assert int((beats.flags == BeatFlag.OUT_OF_RANGE).sum()) == 4


@pytest.mark.parametrize("token", ["[", "(", "#sampling rate ", "[ms "])
def test_names_without_end_take_no_square_of_their_length(token: str) -> None:
    from allostat_devices.rr_layout import Layout, NoLayout, layout_of

    # the square of it would be minutes
    found = layout_of([token * (200_000 // len(token)), "#" + token * (200_000 // len(token)), "800"])
    assert isinstance(found, (Layout, NoLayout))


def test_a_coarse_ecg_without_a_header_is_not_taken_for_intervals(tmp_path: Path) -> None:
    """Steps of 5 uV and noise make many turning points, and values in mV lie in the range of seconds."""
    rng = np.random.default_rng(1)
    seconds = np.arange(3000) / 250
    phase = (seconds * 1.1) % 1
    wave = 0.5 + 1.2 * np.exp(-(((phase - 0.3) / 0.015) ** 2)) + 0.15 * np.exp(-(((phase - 0.6) / 0.06) ** 2))
    wave = np.round((wave + 0.05 * np.sin(2 * np.pi * 0.3 * seconds) + rng.normal(0, 0.003, 3000)) / 0.005) * 0.005
    path = tmp_path / "e0001.csv"
    path.write_text("\n".join(f"{v:.3f}" for v in wave) + "\n")
    assert ADAPTER.sniff(Source(path)).confidence < 0.5


def test_intervals_under_paced_breathing_are_still_intervals(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    intervals = 850 + 60 * np.sin(2 * np.pi * np.arange(600) / 12) + rng.normal(0, 15, 600)
    path = tmp_path / "rr.txt"
    path.write_text("\n".join(f"{v:.0f}" for v in intervals) + "\n")
    assert ADAPTER.sniff(Source(path)).confidence >= 0.5
