"""Every file of a run is listed with its hash, and rechecking finds what was changed, damaged, lost or added."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from allostat.cli.verify import command
from allostat.errors import InputError
from allostat.study import Study
from allostat.study.checksums import read_checksums
from allostat.study.verification import file_problems, stated_by_lists, verify_output
from tests.study.conftest import make_study


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    study = tmp_path_factory.mktemp("verified") / "study"
    make_study(study)
    Study(study).run(study.parent / "out", jobs=2)
    return study.parent / "out"


@pytest.fixture
def out(finished: Path, tmp_path: Path) -> Path:
    shutil.copytree(finished, tmp_path / "out")
    return tmp_path / "out"


def test_a_run_lists_its_files_inputs_and_software(out: Path) -> None:
    crate = json.loads((out / "ro-crate-metadata.json").read_text())
    assert crate["@context"] == "https://w3id.org/ro/crate/1.1/context"
    by_id = {one["@id"]: one for one in crate["@graph"]}
    assert by_id["ro-crate-metadata.json"]["about"] == {"@id": "./"}
    files = {i for i, one in by_id.items() if one["@type"] == "File"}
    made = {p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file() and not p.name.startswith(".")}
    lists = {"ro-crate-metadata.json", "checksums.sha256"}
    assert made - files == lists | {"sub-A1/status.json", "sub-A2/status.json"}
    assert set(read_checksums(out)) == made - {"checksums.sha256"}
    assert files <= made
    assert {r["@id"] for r in by_id["./"]["hasPart"]} == files
    action = by_id["#run"]
    assert by_id[action["instrument"]["@id"]]["name"] == "allostat"
    assert {by_id[o["@id"]]["name"] for o in action["object"]} == {"A1_rest.txt", "A2_rest.txt"}


def test_an_untouched_folder_is_sound(out: Path) -> None:
    found = verify_output(out)
    assert found.problems == ()
    assert found.files >= 15
    result = CliRunner().invoke(command, [str(out)], standalone_mode=False)
    assert result.return_value == 0


def test_every_change_is_found_and_named(out: Path) -> None:
    rng = random.Random(4)
    for path in sorted(p for p in out.rglob("*") if p.is_file() and not p.name.startswith(".")):
        content = path.read_bytes()
        at = rng.randrange(len(content))
        path.write_bytes(content[:at] + bytes([content[at] ^ 1 << rng.randrange(8)]) + content[at + 1 :])
        name = path.relative_to(out).as_posix()
        if name.endswith((".json", ".sha256")):
            try:
                problems = verify_output(out).problems
            except InputError as error:
                assert name == "ro-crate-metadata.json" and name in str(error)
                problems = (name,)
        else:
            problems = tuple(file_problems(out, name, stated_by_lists(out)[0][name]))
        assert any(p.startswith(name) for p in problems) or (name == "checksums.sha256" and problems)
        path.write_bytes(content)
    assert verify_output(out).sound


def test_lost_added_and_swapped_files_are_found(out: Path) -> None:
    one, two = out / "sub-A1" / "sub-A1.h5", out / "sub-A2" / "sub-A2.h5"
    content = one.read_bytes()
    one.unlink()
    assert verify_output(out).problems == ("sub-A1/sub-A1.h5: missing",)
    one.write_bytes(two.read_bytes())
    assert verify_output(out).problems == ("sub-A1/sub-A1.h5: changed since the run",)
    one.write_bytes(content)
    (out / "sub-A3").mkdir()
    (out / "sub-A3" / "sub-A3.h5").write_bytes(content)
    assert verify_output(out).problems == ("sub-A3/sub-A3.h5: is not in the list of the run",)


def test_a_folder_without_its_list_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no list of files"):
        verify_output(tmp_path)
    (tmp_path / "ro-crate-metadata.json").write_text("{")
    with pytest.raises(InputError, match="damaged"):
        verify_output(tmp_path)


def test_the_list_cannot_point_outside(out: Path) -> None:
    path = out / "ro-crate-metadata.json"
    crate = json.loads(path.read_text())
    next(one for one in crate["@graph"] if one["@type"] == "File")["@id"] = "../study/labs.tsv"
    path.write_text(json.dumps(crate))
    assert any("outside the folder" in p for p in verify_output(out).problems)
