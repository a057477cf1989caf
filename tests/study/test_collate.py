"""Collating: from the status of participants, once each, and the same as from their store files."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allostat.biomarkers import Person
from allostat.store import ParticipantResult, read_participant, share_of
from allostat.study import Study, summary
from allostat.study.plan import owner
from allostat.study.summary import share, summary_of
from tests.store.results import assert_same, full_result

NAMES = st.text("aB1-_. ", min_size=1, max_size=4)


@pytest.fixture(scope="module")
def kept() -> ParticipantResult:
    result = full_result("sub-001")
    return replace(result, person=replace(result.person, medications=("statin", "β-blocker"), smoker=True))


def test_the_status_brings_to_the_cohort_what_the_store_file_does(kept: ParticipantResult, tmp_path: Path) -> None:
    from allostat import __version__
    from allostat.store import write_participant

    write_participant(kept, tmp_path / "a.h5")
    status = json.loads(json.dumps(summary_of(kept) | {"participant": kept.participant, "version": __version__}))
    told, stored = share(status, tmp_path / "none.h5"), share_of(tmp_path / "a.h5")
    assert_same(told.biomarkers, stored.biomarkers)
    assert told.participant == stored.participant and list(told.qc) == list(stored.qc)
    np.testing.assert_array_equal(list(told.qc.values()), list(stored.qc.values()))


@pytest.mark.parametrize("change", [{"version": "0.0.1"}, {"biomarkers": None}])
def test_the_status_of_another_version_is_not_believed(
    change: dict[str, object], kept: ParticipantResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from allostat import __version__

    asked = []
    monkeypatch.setattr(summary, "share_of", asked.append)
    status = summary_of(kept) | {"participant": kept.participant, "version": __version__} | change
    share(status, tmp_path / "a.h5")
    assert asked == [tmp_path / "a.h5"]


def test_cohort_files_are_the_same_from_store_files(hand_made: Path, tmp_path: Path) -> None:
    study = Study(hand_made)
    first = study.run(tmp_path / "out", jobs=1).layout
    names = ("cohort.h5", "index.html", "biomarkers_long.tsv", "allostatic_load.tsv", "qc.tsv")
    told = {name: (first.root / name).read_bytes() for name in names}
    for who in ("A1", "A2"):
        status = first.read_status(who)
        assert status is not None and status.pop("biomarkers")
        first.status(who).write_text(json.dumps(status))
    study.run(tmp_path / "out", jobs=1)
    assert {name: (first.root / name).read_bytes() for name in names} == told
    assert read_participant(first.store("A1")).participant == "A1"


@settings(max_examples=50, deadline=None)
@given(st.lists(NAMES, max_size=6), st.text("aB1-_. ", max_size=7))
def test_a_file_belongs_to_the_longest_identifier_that_its_name_begins_with(people: list[str], name: str) -> None:
    fitting = [p for p in people if name == p or (name.startswith(p) and not name[len(p)].isalnum())]
    assert owner(name, {p: Person(p) for p in people}) == (max(fitting, key=len) if fitting else None)
