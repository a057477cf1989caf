"""``allostat live``: from a scan to files and a page, over virtual straps, on a clock that jumps."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from allostat.cli import cli
from allostat.errors import ConfigError, DeviceError, DiskError, InputError
from allostat.live import conduct
from allostat.live.chosen_straps import StrapChoice, matching, participant_options, session_straps
from allostat.live.conduct import Conducted, SessionPlan, session_name, write_page
from allostat.live.faces import opened
from allostat.live.faces.opened import FaceChoice
from allostat.live.host_clock import LoopClock
from allostat.live.session import Session, SessionResult
from allostat.recording import TimeZone
from allostat.store import read_participant
from allostat.strap import FoundStrap

pytest.importorskip("bleak")

from allostat_devices.virtual.jumping_loop import run_fast

STRAPS = (
    FoundStrap("id-1", "Polar H10 A0000001", frozenset({"heart_rate"})),
    FoundStrap("id-2", "Polar H10 A0000002", frozenset({"heart_rate"})),
)


@pytest.fixture(autouse=True)
def _warm(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernels are warmed by the tests that measure; here it would only take time."""
    monkeypatch.setattr(conduct, "warm_analysis", lambda: 0)


def conducted(folder: Path, said: list[str], faces: FaceChoice = FaceChoice(), **plan: object) -> Conducted:  # noqa: B008
    options = {"simulate": 2, "minutes": 1.5, "choice": StrapChoice(("all",)), **plan}
    found = SessionPlan(folder, timezone=TimeZone("Europe/Vienna", "user"), **options)  # type: ignore[arg-type]

    async def whole() -> Conducted:
        clock = LoopClock(asyncio.get_running_loop(), 1_760_000_000_000_000_000)
        return await conduct.conduct(found, faces, said.append, "session_test", clock)

    return run_fast(whole())


def test_a_session_leaves_a_file_for_each_participant_and_one_page(tmp_path: Path) -> None:
    said: list[str] = []
    left = conducted(tmp_path / "new" / "folder", said, minutes=5.3)
    assert left.result.finished is not None and set(left.result.finished.files) == {"sub-001", "sub-002"}
    assert left.page is not None and left.page.name == "session_test.html"
    page = left.page.read_text("utf-8")
    for text in ("sub-001", "sub-002", "Europe/Vienna", "Clock segments", "5 min"):
        assert text in page, text
    result = read_participant(left.result.finished.files["sub-001"])
    (recording,) = result.recordings.values()
    assert len(recording.ecg) > 5 * 60 * 125 and len(recording.beats["rr"]) > 5 * 50
    assert "sub-001 wears Polar H10 A0000001" in said
    assert any("sub-001 ● streaming" in line and "HR " in line for line in said)
    assert not any("nan" in line for line in said)


def test_markers_reach_the_files_and_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begin = Session.run

    async def marked(self: Session) -> SessionResult:
        asyncio.get_running_loop().call_later(20, lambda: self.mark("stress <1>", "key"))
        return await begin(self)

    monkeypatch.setattr(Session, "run", marked)
    said: list[str] = []
    left = conducted(tmp_path, said, minutes=0.7)
    assert left.result.finished is not None and left.page is not None
    for path in left.result.finished.files.values():
        (recording,) = read_participant(path).recordings.values()
        assert [m.label for m in recording.markers] == ["stress <1>"]
    assert "stress &lt;1&gt;" in left.page.read_text("utf-8")
    assert any("stress <1> (key)" in line for line in said)


def test_the_web_page_is_open_while_the_session_runs_and_closed_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, str] = {}
    begin = opened.OpenedFaces.open

    async def watched(self: opened.OpenedFaces, *args: object, **options: object) -> None:
        await begin(self, *args, **options)  # type: ignore[arg-type]
        seen["url"] = self.url

    monkeypatch.setattr(opened.OpenedFaces, "open", watched)
    said: list[str] = []
    conducted(tmp_path, said, FaceChoice(web_port=0), minutes=0.2)
    assert seen["url"].startswith("http://127.0.0.1:")
    assert any(f"web page: {seen['url']}" in line for line in said)


def test_what_a_crash_left_is_finished_at_the_next_start_with_its_page(tmp_path: Path) -> None:
    said: list[str] = []
    first = conducted(tmp_path, said, minutes=0.5)
    assert first.result.finished is not None and first.page is not None
    whole = first.page.read_bytes()
    for path in [*first.result.finished.files.values(), first.page, tmp_path / "session_test.finished.json"]:
        path.unlink()
    result = CliRunner().invoke(cli, ["live", "--recover", str(tmp_path), "--json"])
    assert result.exit_code == 0, result.output
    (row,) = json.loads(result.output)
    assert row["session"] == "session_test" and Path(row["page"]).read_bytes() == whole
    again = CliRunner().invoke(cli, ["live", "--recover", str(tmp_path)])
    assert again.exit_code == 0 and "nothing was left unfinished" in again.output


def test_a_recorded_session_is_replayed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    conducted(tmp_path, [], minutes=0.5)
    result = CliRunner().invoke(cli, ["live", "--replay", str(tmp_path), "--speed", "inf"])
    assert result.exit_code == 0, result.output
    assert "sub-001: streaming" in result.output and "HR " in result.output


def test_a_session_that_cannot_begin_gives_the_terminal_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[bool] = []
    end = opened.OpenedFaces.close

    async def refused(self: Session) -> SessionResult:
        raise DiskError("no space left on the disk")

    async def watched(self: opened.OpenedFaces) -> None:
        closed.append(True)
        await end(self)

    monkeypatch.setattr(Session, "run", refused)
    monkeypatch.setattr(opened.OpenedFaces, "close", watched)
    with pytest.raises(DiskError):
        conducted(tmp_path, [], FaceChoice(web_port=0))
    assert closed == [True]


def test_straps_without_a_name_are_followed_when_there_is_only_one() -> None:
    (only,) = session_straps(StrapChoice(), STRAPS[:1])
    assert (only.participant, only.strap) == ("sub-001", STRAPS[0])
    with pytest.raises(InputError, match=r"2 straps are in reach.*--straps"):
        session_straps(StrapChoice(), STRAPS)


def test_straps_are_named_by_id_by_name_and_by_the_end_of_the_name() -> None:
    for name in ("id-2", "polar h10 a0000002", "A0000002", "02"):
        assert matching(name, STRAPS) == [STRAPS[1]]
    assert matching("A000000", STRAPS) == []


def test_participants_get_their_straps_and_the_others_free_names() -> None:
    choice = StrapChoice(("all",), participant_options(["sub-002=A0000001"]))
    found = session_straps(choice, STRAPS)
    assert [(s.participant, s.strap.identity) for s in found] == [("sub-002", "id-1"), ("sub-001", "id-2")]


@pytest.mark.parametrize("text", ["sub-001", "=x", "sub-001=", " = "])
def test_a_participant_without_a_strap_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="sub-001=NAME"):
        participant_options([text])


def test_ambiguous_unknown_and_doubled_straps_are_refused() -> None:
    same = (STRAPS[0], FoundStrap("id-3", "Other A0000001", frozenset()))
    with pytest.raises(InputError, match="fits several"):
        session_straps(StrapChoice(("A0000001",)), same)
    with pytest.raises(InputError, match="no such strap"):
        session_straps(StrapChoice(("A0000009",)), STRAPS)
    doubled = StrapChoice((), participant_options(["a=A0000001", "b=id-1"]))
    with pytest.raises(InputError, match="two participants"):
        session_straps(doubled, STRAPS)


def test_a_strap_that_is_not_there_is_waited_for_and_then_named(tmp_path: Path) -> None:
    said: list[str] = []
    with pytest.raises(DeviceError, match=r"not in reach: ZZ99.*A0000001"):
        conducted(tmp_path, said, choice=StrapChoice(("ZZ99",)))
    assert said[0] == "waiting for ZZ99: worn, electrodes wet, and not connected to a phone?"
    assert sum("waiting" in line for line in said) == 1
    assert not list(tmp_path.iterdir())


def test_a_file_that_cannot_be_written_yet_is_exit_code_4(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from allostat.cli.live import _tell

    result = SessionResult("s", None, "no space left on the disk", 3, 0, (0.5, 2.0))
    assert _tell(Conducted(result, None), False, False) == 4
    told = capsys.readouterr().err
    assert "no space left" in told and "--recover" in told and "3 records" in told


@pytest.mark.parametrize(
    ("arguments", "about"),
    [
        (["--simulate", "2", "--recover", "."], "one of"),
        (["--mark", "x"] * 10, "9 keys"),
        (["--speed", "0"], "speed"),
        (["--web", "70000"], "70000"),
    ],
)
def test_wrong_options_are_usage_errors(arguments: list[str], about: str) -> None:
    result = CliRunner().invoke(cli, ["live", *arguments])
    assert result.exit_code == 2 and about in result.output


def test_without_its_packages_the_sentence_says_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opened, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"textual.*pip install 'allostat-load\[live\]'"):
        opened.OpenedFaces(FaceChoice(dashboard=True), lambda line: None)


def test_help_needs_neither_textual_nor_bleak_nor_numpy() -> None:
    program = (
        "import sys\nfrom allostat.cli import main\nsys.argv = ['allostat', 'live', '--help']\n"
        "try:\n    main()\nexcept SystemExit as stop:\n    assert not stop.code\n"
        "print('HEAVY', sorted({'numpy', 'textual', 'bleak', 'pylsl', 'rich'} & set(sys.modules)))"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ended.stdout.strip().endswith("HEAVY []"), ended.stdout + ended.stderr


def test_a_page_can_be_made_again_from_the_files(tmp_path: Path) -> None:
    left = conducted(tmp_path, [], minutes=0.3)
    assert left.result.finished is not None and left.page is not None
    before = left.page.read_bytes()
    left.page.unlink()
    assert write_page(tmp_path, "session_test", left.result.finished.files).read_bytes() == before


def test_the_name_of_a_session_is_its_begin_by_this_computers_clock() -> None:
    from datetime import UTC, datetime

    assert session_name(datetime(2026, 1, 31, 8, 5, 9, tzinfo=UTC)) == "session_20260131_080509"
