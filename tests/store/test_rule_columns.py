"""The biomarker table keeps measured values, rules and what is known of persons; older files without them are read."""

from __future__ import annotations

import math

from allostat.biomarker_rows import ruled
from allostat.biomarkers import Biomarker, BiomarkerTable, Person
from allostat.store.tables import decode_table, encode_table
from allostat.store.tree import Group

MEASURED = BiomarkerTable(
    (
        Biomarker("a", "sbp", 120.0, "mm[Hg]", repeats=(118.0, 122.0), n=2),
        Biomarker("a", "hs_crp", math.sqrt(50.0), "mg/L", repeats=(25.0, 2.0), n=2),
    ),
    {"a": Person("a", "F", 40.0, None, ("ramipril",), pregnant=False, smoker=True), "b": Person("b")},
)


def test_everything_comes_back() -> None:
    table = ruled(MEASURED)
    back = decode_table(encode_table(table, "/biomarkers"), "/biomarkers")
    assert repr(back.rows) == repr(table.rows)
    assert (back.persons, back.rules) == (table.persons, table.rules)
    assert repr(ruled(back).rows) == repr(table.rows)


def test_a_table_without_rules_has_none_of_their_columns_like_an_older_file() -> None:
    plain = BiomarkerTable((Biomarker("a", "sbp", 120.0, "mm[Hg]"),), {"a": Person("a", "F")})
    group = encode_table(plain, "/biomarkers")
    assert isinstance(group, Group)
    assert not {"raw_value", "adjustment", "repeats", "person_pregnant"} & set(group.variables)
    assert repr(decode_table(group, "/biomarkers")) == repr(plain)
