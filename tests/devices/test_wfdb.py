"""WFDB records, trap by trap."""

from __future__ import annotations

import struct
import zipfile
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allostat.adapter import ReadOptions
from allostat.errors import InputError
from allostat.recording import BeatFlag
from allostat.simulate import EXPORTS, simulate_participant, simulate_worn
from allostat.source import Source
from allostat_devices.wfdb import ADAPTER
from allostat_devices.wfdb_annotations import beats_of, parse_annotations
from allostat_devices.wfdb_header import parse_header
from allostat_devices.wfdb_samples import MISSING, decode
from tests.devices.wfdb_files import annotations, packed, read, record


@pytest.mark.parametrize("storage", sorted(MISSING))
def test_every_format_gives_back_what_was_packed(tmp_path: Path, storage: int) -> None:
    path, samples = record(tmp_path, storage)
    recording = read(path)
    np.testing.assert_array_equal(recording.signals["ecg_mlii"].samples, samples[:, 0])
    np.testing.assert_array_equal(recording.signals["ecg_v1"].samples, samples[:, 1])
    assert recording.notices == ()


@settings(max_examples=50, deadline=None)
@given(st.sampled_from(sorted(MISSING)), st.lists(st.integers(-127, 127), max_size=40))
def test_unpacking_inverts_packing(storage: int, values: list[int]) -> None:
    samples = np.array(values, np.int64)
    found = decode(packed(samples, storage), storage)
    # two samples of format 310 fill a word, so a third one seems to be there
    assert len(samples) <= len(found) <= len(samples) + (storage == 310)
    np.testing.assert_array_equal(found[: len(samples)], samples)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(-2048, 2047), max_size=41))
def test_twelve_bit_samples_keep_their_sign(values: list[int]) -> None:
    np.testing.assert_array_equal(decode(packed(np.array(values, np.int64), 212), 212), values)


def test_gain_baseline_unit_and_the_value_that_means_no_sample(tmp_path: Path) -> None:
    path, samples = record(tmp_path, 16)
    ecg = read(path).ecg
    assert (ecg.name, ecg.kind, ecg.unit, ecg.scale, ecg.offset) == ("ecg_mlii", "ecg", "mV", 1 / 200, 1024.0)
    np.testing.assert_allclose(ecg.physical(), (samples[:, 0] - 1024) / 200)
    data = bytearray((tmp_path / "r1.dat").read_bytes())
    data[:2] = struct.pack("<h", -32768)
    (tmp_path / "r1.dat").write_bytes(data)
    assert np.isnan(read(path).ecg.physical()[0])


def test_a_wrong_checksum_is_told(tmp_path: Path) -> None:
    path, _ = record(tmp_path, 16)
    data = bytearray((tmp_path / "r1.dat").read_bytes())
    data[4] ^= 1
    (tmp_path / "r1.dat").write_bytes(data)
    (notice,) = read(path).notices
    assert (notice.code, notice.severity, notice.file) == ("checksum", "error", "r1.dat")


def test_a_truncated_signal_file_is_told_and_clipped(tmp_path: Path) -> None:
    path, samples = record(tmp_path, 212)
    data = (tmp_path / "r1.dat").read_bytes()
    (tmp_path / "r1.dat").write_bytes(data[: 3 * 500 + 1])
    recording = read(path)
    np.testing.assert_array_equal(recording.ecg.samples, samples[:500, 0])
    (notice,) = recording.notices
    assert (notice.code, notice.count, notice.severity) == ("truncated", 501, "error")


def test_a_count_larger_than_the_file_does_not_ask_for_memory(tmp_path: Path) -> None:
    path, _ = record(tmp_path, 16, n=10**12)
    assert len(read(path).ecg) == 1001
    path, _ = record(tmp_path, 16, n=10**15)
    with pytest.raises(InputError, match="impossible number of samples"):
        read(path)


def test_no_count_means_the_whole_file(tmp_path: Path) -> None:
    path, _ = record(tmp_path, 16, n=0)
    assert len(read(path).ecg) == 1001


def test_a_missing_gain_is_assumed_and_told(tmp_path: Path) -> None:
    path, _ = record(tmp_path, 16, gain="0")
    recording = read(path)
    assert recording.ecg.scale == 1 / 200
    assert recording.ecg.offset == 1024.0
    assert {n.code for n in recording.notices} == {"uncalibrated"}


def test_without_a_date_time_is_relative_and_with_one_it_is_local(tmp_path: Path) -> None:
    path, _ = record(tmp_path)
    assert (read(path).epoch, read(path).ecg.clock.start_ns) == ("relative", 0)
    path, _ = record(tmp_path, start=" 8:26:04.5 26/10/1994")
    assert read(path).epoch == "local"
    assert read(path).ecg.clock.start_ns == 783_159_964_500_000_000
    placed = read(path, timezone="Europe/Vienna")
    assert placed.epoch == "utc"
    assert placed.ecg.clock.start_ns == 783_159_964_500_000_000 - 3600 * 10**9
    assert ADAPTER.inspect(Source(path)).epoch == "local"
    path, _ = record(tmp_path, start=" 8:26:04")
    assert read(path).epoch == "relative"
    path, _ = record(tmp_path, start=" 8:26:04 04/05/2704")
    assert read(path).epoch == "relative"


def test_samples_per_frame_skew_and_byte_offset(tmp_path: Path) -> None:
    frames = np.arange(400)
    rows = np.stack([frames, 1000 + 2 * frames, 1001 + 2 * frames], axis=1).reshape(-1)
    (tmp_path / "m.dat").write_bytes(b"\xff" * 24 + packed(rows, 16))
    (tmp_path / "m.hea").write_text(
        "m 2 100 400\nm.dat 16:5+24 16(800)/mmHg 0 0 0 0 0 ABP\nm.dat 16x2:5+24 200/mV 0 0 0 0 0 II\n"
    )
    recording = read(tmp_path / "m.hea")
    pressure, ecg = recording.signals["abp"], recording.ecg
    np.testing.assert_array_equal(pressure.samples, frames)
    np.testing.assert_array_equal(ecg.samples, 1000 + np.arange(800))
    assert (pressure.unit, pressure.kind, ecg.clock.rate_hz) == ("mm[Hg]", "other", 200.0)
    assert ecg.clock.start_ns == -50_000_000


MARKS = [
    (18, 28),
    (77, 1),
    (370, 1),
    (662, 14),
    (662, 5),
    (5000, 8),
    (5100, 32),
    (5300, 31),
    (5500, 33),
    (5600, 1),
    (5900, 1),
]


def test_only_beat_codes_are_beats_and_ectopic_ones_are_flagged(tmp_path: Path) -> None:
    path, _ = record(tmp_path)
    (tmp_path / "r1.atr").write_bytes(annotations(MARKS))
    recording = read(path)
    beats = recording.beats["beats_atr"]
    np.testing.assert_array_equal(beats.times_ns, np.rint(np.array([77, 370, 662, 5000, 5600, 5900]) * 1e9 / 360))
    assert list(beats.extras["annotation_code"]) == [1, 1, 5, 8, 1, 1]
    ectopic = BeatFlag.ECTOPIC
    assert list(beats.flags) == [0, 0, ectopic, ectopic, 0, 0]
    assert (beats.source, beats.epoch, beats.method) == ("ecg", "relative", "annotation atr")


def test_no_interval_crosses_ventricular_flutter(tmp_path: Path) -> None:
    path, _ = record(tmp_path)
    (tmp_path / "r1.atr").write_bytes(annotations(MARKS))
    np.testing.assert_array_equal(np.isnan(read(path).beats["beats_atr"].intervals_ms), [1, 0, 0, 0, 1, 0])


def test_notes_numbers_and_time_resolution_in_annotations() -> None:
    note = b"## time resolution: 500"
    head = struct.pack("<HH", 22 << 10, 63 << 10 | len(note)) + note + b"\x00" * (len(note) % 2)
    body = annotations([(100, 1), (600, 1)], struct.pack("<HHHH", 60 << 10 | 3, 61 << 10, 62 << 10 | 1, 0))
    marks = parse_annotations(head + body, "x.atr")
    assert marks.rate_hz == 500.0
    assert not marks.truncated
    assert list(beats_of(marks).sample) == [100, 600]


def test_annotations_without_an_end_mark_are_truncated(tmp_path: Path) -> None:
    path, _ = record(tmp_path)
    (tmp_path / "r1.atr").write_bytes(annotations(MARKS, b"")[:-1])
    assert "truncated" in {n.code for n in read(path).notices}


def test_annotations_alone_are_a_recording_and_a_missing_signal_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "n1.hea").write_text("n1 0 128 0\n# Age: 64\n")
    (tmp_path / "n1.ecg").write_bytes(annotations([(100, 1), (200, 1)]))
    assert list(read(tmp_path / "n1.hea").beats) == ["beats_ecg"]
    path, _ = record(tmp_path)
    (tmp_path / "r1.dat").unlink()
    with pytest.raises(InputError, match=r"signal file is missing.*'r1\.dat'"):
        read(path)
    (tmp_path / "r1.atr").write_bytes(annotations(MARKS))
    assert "missing_file" in {n.code for n in read(path).notices}


def test_folder_and_zip_of_records_with_one_damaged(tmp_path: Path) -> None:
    for name in ("a1", "b2", "c3"):
        record(tmp_path / "db", name=name)
    (tmp_path / "db/b2.dat").write_bytes(b"")
    (tmp_path / "db/notes.txt").write_text("hello")
    with zipfile.ZipFile(tmp_path / "db.zip", "w") as archive:
        for path in (tmp_path / "db").iterdir():
            archive.write(path, f"top/{path.name}")
    for source in (Source(tmp_path / "db"), Source(tmp_path / "db.zip")):
        assert len(ADAPTER.sniff(source).members) == 6
        read_so_far = []
        with pytest.raises(InputError, match="b2"):
            for recording in ADAPTER.read(source, ReadOptions()):
                read_so_far.append(recording.id)
        assert read_so_far == ["a1", "c3"]


def test_a_signal_file_outside_the_folder_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret.dat").write_bytes(bytes(4000))
    (tmp_path / "in").mkdir()
    for name in ("../secret.dat", str(tmp_path / "secret.dat")):
        (tmp_path / "in/r.hea").write_text(f"r 1 360 1000\n{name} 16 200/mV 0 0 0 0 0 II\n")
        for source in (tmp_path / "in/r.hea", tmp_path / "in"):
            with pytest.raises(InputError, match="signal file is missing"):
                read(source)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no record line|empty"),
        ("r1 2 360 10\nr1.dat 212 200 11\n", "fewer signal lines"),
        ("r1 1 0 10\nr1.dat 212 200\n", "sampling rate is no positive number"),
        ("r1 1 1e400 10\nr1.dat 212 200\n", "sampling rate"),
        ("r1 1 360 10\nr1.dat twelve 200\n", r"line 2: is no signal line"),
        ("r1 1 360 10\nr1.dat 16 gain\n", r"line 2: gain cannot be read"),
        ("r1 1 360 10\nr1.dat 16 200 x\n", "no number"),
        ("r1 1 360 10 25:61:00 31/02/1994\nr1.dat 16 200\n", "start date does not exist"),
        ("r1/3 1 360 10\na 5\nb 5\n", "fewer segment lines"),
        ("r1/2 1 360 10\na 5\nb five\n", r"line 3: is no segment line"),
        ("r1 1 360 10\nr1.dat 300 200\n", "storage format is not read"),
    ],
)
def test_damaged_headers_name_the_line(tmp_path: Path, text: str, message: str) -> None:
    record(tmp_path)
    (tmp_path / "r1.hea").write_text(text)
    with pytest.raises(InputError, match=message):
        read(tmp_path / "r1.hea")


def test_sniffing_goes_by_content(tmp_path: Path) -> None:
    path, _ = record(tmp_path)
    assert ADAPTER.sniff(Source(path)).confidence > 0.9
    renamed = path.rename(tmp_path / "r1.txt")
    assert ADAPTER.sniff(Source(renamed)).confidence > 0.9
    assert "give its .hea file" in ADAPTER.sniff(Source(tmp_path / "r1.dat")).reason
    (tmp_path / "x.hea").write_text("hello world\n")
    assert "is no record line" in ADAPTER.sniff(Source(tmp_path / "x.hea")).reason
    (tmp_path / "y.hea").write_text("800\n810\n")
    assert ADAPTER.sniff(Source(tmp_path / "y.hea")).confidence == 0


def test_comments_are_told_as_identifying_and_not_kept(tmp_path: Path) -> None:
    path, _ = record(tmp_path, comment="# Jane Doe, 75 F\n")
    manifest = ADAPTER.inspect(Source(path))
    assert manifest.identifiers == ("free text in header comments",)
    assert "Jane" not in repr(manifest) + repr(read(path))
    assert [s.n for s in manifest.streams] == [1001, 1001]


@pytest.mark.parametrize("storage", sorted(MISSING))
def test_inspecting_tells_a_signal_file_that_is_cut_or_missing(tmp_path: Path, storage: int) -> None:
    path, _ = record(tmp_path, storage)
    whole = ADAPTER.inspect(Source(path))
    assert whole.notices == ()
    assert {s.name for s in whole.streams} == set(read(path).signals)
    signal = tmp_path / "r1.dat"
    signal.write_bytes(signal.read_bytes()[:1000])
    assert [n.code for n in ADAPTER.inspect(Source(path)).notices] == ["truncated"]
    signal.unlink()
    assert [n.message for n in ADAPTER.inspect(Source(path)).notices] == ["signal file r1.dat is not there"]


# ---- real recordings


def segmented(folder: Path, text: str, n: int = 1001) -> Path:
    record(folder, 16, "a")
    record(folder, 16, "b")
    (folder / "m.hea").write_text(text)
    return folder / "m.hea"


def test_a_stretch_without_signals_and_a_missing_segment_are_gaps(tmp_path: Path) -> None:
    path = segmented(tmp_path, "m/5 2 360 4003\na 1001\nb 1001\n~ 360\nlost 640\nb 1001\n")
    recording = read(path)
    clock = recording.signals["ecg_mlii"].clock
    assert [b.start_index for b in clock.blocks] == [0, 2002]
    (gap,) = clock.gaps
    assert (gap.end_ns - gap.start_ns) / 1e9 == pytest.approx(1000 / 360, abs=1e-8)
    assert [(n.code, n.file) for n in recording.notices] == [("missing_file", "lost.hea")]


def test_segments_of_segments_are_refused(tmp_path: Path) -> None:
    path = segmented(tmp_path, "m/2 2 360 2002\na 1001\nk 1001\n")
    (tmp_path / "k.hea").write_text("k/1 2 360 1001\nb 1001\n")
    with pytest.raises(InputError, match="has segments itself"):
        read(path)


def test_differences_of_samples_begin_at_the_value_of_the_header(tmp_path: Path) -> None:
    steps = np.array([0, 5, -3, 127, -128, 1], np.int8)
    (tmp_path / "d.dat").write_bytes(steps.tobytes())
    (tmp_path / "d.hea").write_text("d 1 100 6\nd.dat 8 200/mV 12 0 -20 0 0 II\n")
    assert read(tmp_path / "d.hea").ecg.samples.tolist() == [-20, -15, -18, 109, -19, -18]


def test_without_soundfile_the_error_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import builtins

    (tmp_path / "d.dat").write_bytes(b"fLaC")
    (tmp_path / "d.hea").write_text("d 1 100 6\nd.dat 516 200/mV 12 0 0 0 0 II\n")
    real = builtins.__import__

    def absent(name: str, *rest: object, **more: object) -> object:
        if name == "soundfile":
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(InputError, match=r"allostat-load\[wfdb\]"):
        read(tmp_path / "d.hea")


def test_header_fields() -> None:
    header = parse_header(
        "r 1 62.4725/999.56(3) 14400\nr.dat 16x4:2+24 4093(2)/Ohm 12 2048 0 -35395 0 Resp. Imp.\n", "r.hea"
    )
    (line,) = header.signals
    assert (header.rate_hz, header.n_frames) == (62.4725, 14_400)
    assert (line.samples_per_frame, line.skew, line.byte_offset) == (4, 2, 24)
    assert (line.gain, line.baseline, line.unit, line.adc_zero) == (4093.0, 2, "Ohm", 2048)
    assert (line.checksum, line.description) == (-35_395, "Resp. Imp.")


def test_the_wave_and_the_beats_written_are_read(tmp_path: Path) -> None:
    start = datetime.fromisoformat("2024-03-04T22:00:00")
    worn = simulate_worn(simulate_participant("sub-001", 3), start, 0.02, "Europe/Vienna")
    recording = read(EXPORTS["wfdb"](worn, tmp_path), timezone="Europe/Vienna")
    np.testing.assert_array_equal(recording.ecg.samples, worn.ecg(250.0).samples)
    assert recording.ecg.clock.start_ns == worn.start_ns and recording.ecg.clock.rate_hz == 250.0
    np.testing.assert_allclose(recording.beats["beats_atr"].times_ns, worn.beats_ns, atol=2_000_001)
    assert "canary" not in repr(recording) and not recording.notices


# ---- annotation files without a header


def noted(marks: list[tuple[int, int]], hz: int | None) -> bytes:
    note = b"" if hz is None else f"## time resolution: {hz}".encode()
    head = struct.pack("<HH", 22 << 10, 63 << 10 | len(note)) + note + b"\x00" * (len(note) % 2) if note else b""
    return head + annotations(marks)


BEATS = [(100 + 200 * i + i % 7, 1) for i in range(60)]


def test_annotations_that_state_their_time_resolution_need_no_header(tmp_path: Path) -> None:
    path = tmp_path / "a1.qrs"
    path.write_bytes(noted(BEATS, 250))
    for source in (Source(path), Source(tmp_path)):
        assert ADAPTER.sniff(source).confidence >= 0.9
        (recording,) = ADAPTER.read(source, ReadOptions())
        beats = recording.beats["beats_qrs"]
        np.testing.assert_array_equal(beats.times_ns, [round(s * 4e6) for s, _ in BEATS])
        assert recording.id == "a1" and [i.name for i in recording.provenance.inputs] == [source.name]
        (stream,) = ADAPTER.inspect(source).streams
        assert (stream.n, stream.end_ns) == (60, beats.times_ns[-1])


def test_annotations_without_rate_are_refused_with_the_header_to_write(tmp_path: Path) -> None:
    path = tmp_path / "a1.atr"
    path.write_bytes(noted(BEATS, None))
    said = ADAPTER.sniff(Source(path))
    assert said.confidence < 0.5 and 'write a1.hea beside it with the one line "a1 0 250"' in said.reason
    assert "a1.hea" in ADAPTER.sniff(Source(tmp_path)).reason
    with pytest.raises(InputError, match=r"a1\.hea"):
        list(ADAPTER.read(Source(path), ReadOptions()))
    (tmp_path / "a1.hea").write_text("a1 0 250\n")
    assert ADAPTER.sniff(Source(tmp_path)).members == ("a1.atr", "a1.hea")
    (recording,) = ADAPTER.read(Source(tmp_path), ReadOptions())
    assert len(recording.beats["beats_atr"]) == 60


def test_a_changed_rate_in_the_written_header_is_a_changed_input(tmp_path: Path) -> None:
    from allostat.study.plan import Export, find_exports

    (tmp_path / "a1.atr").write_bytes(noted(BEATS, None))
    (tmp_path / "a1.hea").write_text("a1 0 250\n")
    ((_, export),) = find_exports(tmp_path, lambda file: "sub-1")
    assert isinstance(export, Export) and set(export.hashes) == {"a1.atr", "a1.hea"}


def test_a_name_that_no_header_can_hold_is_to_be_changed_first(tmp_path: Path) -> None:
    path = tmp_path / "my record.atr"
    path.write_bytes(noted(BEATS, None))
    why = ADAPTER.sniff(Source(path)).reason
    assert "rename it" in why and 'record.hea beside it with the one line "record 0 250"' in why


def test_beats_with_a_header_are_not_read_a_second_time(tmp_path: Path) -> None:
    record(tmp_path)
    (tmp_path / "r1.atr").write_bytes(noted(BEATS, 360))
    (tmp_path / "b2.atr").write_bytes(noted(BEATS, 360))
    (tmp_path / "b2.qrs").write_bytes(noted(BEATS, None))
    found = list(ADAPTER.read(Source(tmp_path), ReadOptions()))
    assert [(r.id, set(r.beats)) for r in found] == [("r1", {"beats_atr"}), ("b2", {"beats_atr"})]
    assert "b2.qrs" not in ADAPTER.sniff(Source(tmp_path)).members


@pytest.mark.parametrize("name", ["x.ecg", "x.qrs", "x.atr"])
def test_other_files_with_the_endings_of_annotations_are_left_alone(tmp_path: Path, name: str) -> None:
    rng = np.random.default_rng(5)
    for content in (rng.bytes(4000), b"ISHNE1.0" + bytes(600), bytes(400), b"1.0 2.0\n" * 90, noted([(10, 1)], 250)):
        (tmp_path / name).write_bytes(content)
        assert ADAPTER.sniff(Source(tmp_path / name)).confidence == 0.0
