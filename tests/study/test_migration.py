"""Results of an older allostat: readable as they are, migrated by one command, through kills, and sound afterwards."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

import allostat
from allostat.cli.migrate import command
from allostat.errors import ConfigError, InputError, StoreError
from allostat.store import SCHEMA_VERSION, read_participant
from allostat.store.durable import file_sha256
from allostat.store.migration import schema_of
from allostat.study import Study
from allostat.study.audit import read_audit
from allostat.study.crate import restated
from allostat.study.migration import migrate, plan_migration
from allostat.study.verification import verify_output

OLD = Path(__file__).parents[1] / "store" / "schema_1"


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """As an older allostat left it: store files of schema 1, a status and a crate that state their hashes."""
    root = tmp_path / "out"
    (root / "sub-001").mkdir(parents=True)
    shutil.copy(OLD / "cohort.h5", root)
    store = Path(shutil.copy(OLD / "sub-001.h5", root / "sub-001"))
    status = {"participant": "sub-001", "status": "done", "store_sha256": file_sha256(store)}
    (root / "sub-001" / "status.json").write_text(json.dumps(status))
    (root / "config.effective.toml").write_text("")
    listed = [{"@id": n, "@type": "File", "sha256": ""} for n in ("cohort.h5", "sub-001/sub-001.h5")]
    graph = [{"@id": "./", "@type": "Dataset", "hasPart": []}, *listed]
    (root / "ro-crate-metadata.json").write_text(json.dumps({"@graph": graph}))
    restated(root)
    (root / "checksums.sha256").unlink()
    return root


def test_dry_run_tells_and_writes_nothing(out: Path) -> None:
    assert verify_output(out).problems == ()
    before = {p: p.read_bytes() for p in out.rglob("*") if p.is_file()}
    assert plan_migration(out).older == {"cohort.h5": 1, "sub-001/sub-001.h5": 1}
    done = CliRunner().invoke(command, [str(out), "--dry-run"], standalone_mode=False)
    assert "2 of 2 store files would be written anew" in done.output and "sub-001/sub-001.h5\t1\t2" in done.output
    opened = allostat.open_study(out)
    assert opened.participants == ("sub-001",) and opened["sub-001"].dataset("biomarkers")["raw_value"][0] == 131.5
    assert {p: p.read_bytes() for p in out.rglob("*") if p.is_file()} == before


def test_migrated_folder_is_sound_and_says_what_was_done(out: Path) -> None:
    before = file_sha256(out / "cohort.h5")
    done = CliRunner().invoke(command, [str(out), "--by", "ada"], standalone_mode=False)
    assert done.return_value == 0 and "2 of 2 store files written anew" in done.output
    assert verify_output(out).problems == ()
    assert schema_of(out / "cohort.h5") == schema_of(out / "sub-001" / "sub-001.h5") == SCHEMA_VERSION
    (entry,) = read_audit(out).entries
    assert (entry.kind, entry.who) == ("migration", "ada")
    assert entry.what == {"files": 2, "from": [1], "to": SCHEMA_VERSION, "before": before}
    assert migrate(out).older == {} and len(read_audit(out).entries) == 1


@pytest.mark.parametrize("kill_at", range(8))
def test_killed_at_any_moment_files_are_old_or_new_and_it_is_completed(
    out: Path, monkeypatch: pytest.MonkeyPatch, kill_at: int
) -> None:
    from allostat.store import durable

    left = [kill_at]
    really = durable.os.replace

    def replace(a: Path, b: Path) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        really(a, b)

    with monkeypatch.context() as patch:
        patch.setattr(durable.os, "replace", replace)
        if kill_at < 7:
            with pytest.raises(KeyboardInterrupt):
                migrate(out, by="ada")
            assert read_participant(out / "sub-001/sub-001.h5").biomarkers.rows[0].measured == 131.5
            assert verify_output(out).sound is (kill_at == 0)
        else:
            migrate(out, by="ada")
    if 0 < kill_at < 7:
        with pytest.raises(ConfigError, match="migration was begun"):
            made = out.parent / "study"
            made.mkdir()
            (made / "participants.tsv").write_text("participant_id\nsub-001\n")
            (made / "labs.tsv").write_text("participant_id\tanalyte\tvalue\tunit\nsub-001\thba1c\t5\t%\n")
            Study(made).run(out)
    migrate(out, by="ada")
    assert verify_output(out).problems == () and len(read_audit(out).entries) == 1


def test_changed_damaged_and_newer_files_stop_it_before_anything_is_written(out: Path) -> None:
    store = out / "sub-001" / "sub-001.h5"
    sound, cohort = store.read_bytes(), (out / "cohort.h5").read_bytes()
    for old, new, words in (
        (b"ramipril", b"ramiprol", "not what its hash says"),
        (b"schema_version", b"schema_versioX", "not a file that allostat wrote"),
    ):
        assert old in sound
        store.write_bytes(sound.replace(old, new))
        with pytest.raises(StoreError, match=rf"(sub-001\.h5).*({words}|damaged)"):
            migrate(out)
    store.write_bytes(sound)
    status = json.loads((out / "ro-crate-metadata.json").read_text())
    next(o for o in status["@graph"] if o["@id"] == "cohort.h5")["sha256"] = "0" * 64
    (out / "ro-crate-metadata.json").write_text(json.dumps(status))
    with pytest.raises(StoreError, match="changed since the run"):
        migrate(out)
    assert (out / "cohort.h5").read_bytes() == cohort and not (out / "audit.jsonl").exists()
    with pytest.raises(InputError, match="no store files"):
        migrate(out / "sub-001")
