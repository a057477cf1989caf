"""Trees of older schema versions brought to this one: one step from each version to the next.

1  Values in tables were under the rules of their time: 10 and 5 mmHg added to treated blood pressure, cortisol under
   corticosteroids and hs-CRP above 10 mg/L left out. Only codes of the rows said so.
2  A table names its rules, and a row that a rule changed keeps the measured value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from allostat.errors import StoreError
from allostat.store.safety import SCHEMA_VERSION
from allostat.store.tree import Group, Variable
from allostat.store.values import decode_variable, encode_attributes, encode_json, encode_variable

Step = Callable[[Group], Group]

_RULES_OF_1 = {
    "antihypertensive": "adjust", "statin": "none", "beta_blocker": "none", "corticosteroid": "exclude",
    "pregnancy": "none", "oral_contraceptive": "none", "smoking": "none", "acute_crp": "exclude",
}  # fmt: skip
_ADDED_IN_1 = {"TREATED_PLUS_10": 10.0, "TREATED_PLUS_5": 5.0}
_TABLE, _PERSON = "biomarkers", "person_"


def brought_up(tree: Group, where: str) -> Group:
    """A tree as this schema version lays it out; the very same tree when it is of this version.

    Parameters
    ----------
    tree
        The root, with all or some of its top-level groups.

    Raises
    ------
    StoreError
        A version from which no steps lead here.
    """
    version = stated = int(str(tree.attrs["schema_version"]))
    while version < SCHEMA_VERSION:
        if version not in STEPS:
            raise StoreError(
                "is of a schema version that this allostat cannot bring up to date", where=where,
                found=f"schema version {version}", expected=f"{min(STEPS)} to {SCHEMA_VERSION}",
            )  # fmt: skip
        tree = STEPS[version](tree)
        version += 1
    if stated == version:
        return tree
    about = {"schema_version": str(version), "history": f"brought from schema version {stated} to {version}"}
    return Group({**tree.attrs, **about}, tree.variables, tree.groups)


def one_to_two(root: Group) -> Group:
    """Give the table of biomarkers its rules, and treated blood pressure its measured value."""
    table = root.groups.get(_TABLE)
    # Later files under the number 1, of versions that were never released, have what 2 has.
    if table is None or "rules" in table.attrs or "raw_value" in table.variables:
        return root
    about = encode_attributes({"rules": encode_json(_RULES_OF_1, f"/{_TABLE}")}, f"/{_TABLE}")
    columns = {n: v for n, v in table.variables.items() if not n.startswith(_PERSON)}
    persons = {n: v for n, v in table.variables.items() if n.startswith(_PERSON)}
    changed = Group({**table.attrs, **about}, {**columns, **_measured(columns), **persons})
    return Group(root.attrs, root.variables, {**root.groups, _TABLE: changed})


def _measured(columns: Mapping[str, Variable]) -> dict[str, Variable]:
    """The columns that say what was measured; none when no value was changed."""
    values, codes = (decode_variable(columns[name])[1] for name in ("value", "quality"))
    added = np.array([sum(_ADDED_IN_1.get(code, 0.0) for code in str(text).split(";")) for text in codes])
    touched = (added != 0.0) & ~np.isnan(values)
    if not touched.any():
        return {}
    raw = np.where(touched, values - added, np.nan)
    words = np.array([f"antihypertensive: +{a:g} mm[Hg]" if t else "" for a, t in zip(added, touched, strict=True)])
    named = {"raw_value": (raw, "value as measured where a rule changed or excluded it"),
             "adjustment": (words, "what the rule did")}  # fmt: skip
    return {
        name: encode_variable(name, ["row"], data, {"long_name": text}, f"/{_TABLE}")
        for name, (data, text) in named.items()
    }


STEPS: Mapping[int, Step] = {1: one_to_two}
"""The step from each version to the next."""
