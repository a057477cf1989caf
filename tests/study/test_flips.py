"""Damage of finished results is found: flipped bits anywhere in a store file, cut, swapped and lost files."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from allostat.study import Study
from allostat.study.verification import verify_output
from benchmarks.flips import delete, flip_bits, swap, truncate
from tests.study.conftest import make_study

FLIPS = 60
"""`python -m benchmarks flips` takes 2,000."""


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("flips")
    make_study(folder / "study")
    Study(folder / "study").run(folder / "out", jobs=1)
    return folder / "out"


def test_every_flipped_bit_of_a_store_file_is_found(out: Path) -> None:
    tally = flip_bits(out, FLIPS, random.Random(20261122))
    assert tally.tried == tally.found == FLIPS
    assert tally.found_inside > FLIPS // 2 and tally.crashes == 0
    assert verify_output(out).sound


def test_cut_swapped_and_lost_store_files_are_found(out: Path) -> None:
    for tally in (truncate(out, 6, random.Random(1)), swap(out), delete(out)):
        assert tally.tried == tally.found > 0, tally
    assert verify_output(out).sound
