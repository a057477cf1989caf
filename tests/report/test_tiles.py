"""Tiles of RMSSD: each against numbers of its own context."""

from __future__ import annotations

from allostat.biomarkers import Biomarker, BiomarkerTable, Person
from allostat.report.blocks import Tile
from allostat.report.tiles import tiles
from allostat.store import ParticipantResult


def rmssd_tile(row: Biomarker, person: Person) -> Tile:
    result = ParticipantResult(person.participant, person=person, biomarkers=BiomarkerTable((row,)))
    return next(tile for tile in tiles(result, (), ()) if "RMSSD" in tile.label)


def rest(value: float, **about: object) -> Biomarker:
    return Biomarker("s1", "rmssd_rest", value, "ms", context="rest_5min", **about)  # type: ignore[arg-type]


def test_resting_rmssd_stands_among_people_of_the_same_sex_and_age() -> None:
    tile = rmssd_tile(rest(32.4), Person("s1", "M", 30.0))
    assert tile.reference.startswith("percentile 50 of men, 25 to 34 years; 90 % have 15 to 70 ms")
    assert tile.state == "inside"
    assert rmssd_tile(rest(14.0), Person("s1", "M", 30.0)).state == "outside"
    assert rmssd_tile(rest(14.0), Person("s1", "M", 60.0)).state == "inside"


def test_resting_rmssd_without_a_group_says_why() -> None:
    for person, row in (
        (Person("s1", "M", 20.0), rest(30.0)),
        (Person("s1", None, 40.0), rest(30.0)),
        (Person("s1", "M", 40.0), rest(30.0, quality=("SENSOR_PPG",))),
    ):
        tile = rmssd_tile(row, person)
        assert tile.state == "unknown"
        assert "norm" in tile.reference


def test_night_rmssd_stands_against_the_cut_off_of_nights() -> None:
    night = Biomarker("s1", "rmssd_night", 28.0, "ms", context="night")
    tile = rmssd_tile(night, Person("s1", "F", 40.0))
    assert (tile.label, tile.state) == ("Night RMSSD", "outside")
    assert "29 ± 4 ms by night" in tile.reference
