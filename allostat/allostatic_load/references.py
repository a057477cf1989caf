"""Frozen references: what persons are compared with. Canonical JSON, hashed, never refitted silently."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from allostat.biomarkers import Direction, Sex, Transform, biomarker_kind, biomarker_kinds
from allostat.canonical import sha256_of
from allostat.errors import ConfigError

FORMAT = "allostat-reference/1"
Operator = Literal[">=", ">", "<=", "<"]
QUANTILE_TYPES = (2, 6, 7, 8)
_LATER_FIELDS = ("other_cut", "n_effective", "cut_low", "cut_high")
ModelKind = Literal["covariance", "correlation", "pca", "one_factor", "second_order", "bifactor", "irt", "logit"]


@dataclass(frozen=True, slots=True)
class ReferenceEntry:
    """One biomarker in one stratum.

    Parameters
    ----------
    sex
        None: sexes pooled.
    age_low, age_high
        Whole years of age, both included; None: all ages of the reference.
    n
        Persons behind the entry; 0 for a cut-off that no sample was fitted for.
    n_effective
        Kish's effective number of persons under survey weights; None without weights.
    mean, sd
        Of the transformed values; None in a reference of cut-offs only.
    winsor_low, winsor_high
        Limits on the transformed scale, applied before a z score.
    cut, operator, quantile, quantile_type
        High-risk cut on the scale of ``unit``, how a value compares with it, and how it was found (None: not a
        quantile). The cut is taken on the untransformed scale, where transforms, being monotone, leave ranks alone.
    other_cut
        The cut on the side away from risk, for markers with two tails; compared with the mirrored operator.
    prevalence
        Share of the reference that the cut flags; ties and detection limits move it away from the nominal share.
    at_limit
        Share of the reference at a detection limit.
    cut_low, cut_high
        Interval of ``cut`` from a bootstrap of the reference's persons; None when it was not made.
    """

    biomarker: str
    unit: str
    transform: Transform
    direction: Direction
    context: str
    sex: Sex | None = None
    age_low: int | None = None
    age_high: int | None = None
    n: int = 0
    mean: float | None = None
    sd: float | None = None
    winsor_low: float | None = None
    winsor_high: float | None = None
    cut: float | None = None
    other_cut: float | None = None
    operator: Operator | None = None
    quantile: float | None = None
    quantile_type: int | None = None
    prevalence: float | None = None
    at_limit: float | None = None
    source: str = ""
    doi: str = ""
    n_effective: float | None = None
    cut_low: float | None = None
    cut_high: float | None = None

    @property
    def strict(self) -> bool:
        """Whether a value equal to the cut is not flagged."""
        return self.operator in (">", "<")


@dataclass(frozen=True)
class ReferenceModel:
    """A model fitted on the reference persons: what an index needs beyond cuts and moments.

    Parameters
    ----------
    kind
        What was fitted.
    markers
        Names of the definition's markers in the order of the parameters.
    sex
        None: sexes pooled.
    n
        Persons that the model was fitted on.
    parameters
        Numbers and (nested) lists of numbers by name, as the algorithm of the kind documents them.
    settings
        Settings of the fit, by name.
    """

    kind: ModelKind
    markers: tuple[str, ...]
    sex: Sex | None
    n: int
    parameters: Mapping[str, Any]
    settings: Mapping[str, str | float | bool] = field(default_factory=dict)

    def array(self, name: str) -> NDArray[np.float64]:
        """A parameter as an array."""
        return np.array(self.parameters[name], dtype=np.float64)


@dataclass(frozen=True)
class Reference:
    """A named, versioned, hashed set of reference entries.

    Attributes
    ----------
    rules
        Rules that the reference was made under (medication, missing values, detection limit), by name.
    notes
        What a user must know: assay, strata with few persons, populations.
    models
        Models fitted on the same persons, for definitions that need one.
    sample_n, sample_sha256
        How many persons it was fitted on and a hash of the set of their participant ids (0 and empty when no sample is
        behind it, or an unknown one). The hash tells whether the scored sample is the reference, and nobody's name.
    """

    name: str
    version: str
    title: str
    entries: tuple[ReferenceEntry, ...]
    rules: Mapping[str, str]
    notes: tuple[str, ...] = ()
    licence: str = ""
    models: tuple[ReferenceModel, ...] = ()
    sample_n: int = 0
    sample_sha256: str = ""

    @cached_property
    def sha256(self) -> str:
        """Hash of everything above. Scores of different hashes are not comparable."""
        return sha256_of(self.as_json())

    @cached_property
    def biomarkers(self) -> tuple[str, ...]:
        """Biomarkers that have an entry."""
        return tuple(sorted({e.biomarker for e in self.entries}))

    @cached_property
    def _by_stratum(self) -> dict[tuple[str, Sex | None], list[ReferenceEntry]]:
        found: dict[tuple[str, Sex | None], list[ReferenceEntry]] = {}
        for entry in self.entries:
            found.setdefault((entry.biomarker, entry.sex), []).append(entry)
        return found

    def entry(self, biomarker: str, sex: Sex | None, age_years: float | None) -> ReferenceEntry | None:
        """The entry for a person of this sex (None: the pooled one); an age band before all ages."""
        candidates = self._by_stratum.get((biomarker, sex), [])
        if age_years is not None:
            for one in candidates:
                if one.age_low is not None and one.age_high is not None and one.age_low <= age_years < one.age_high + 1:
                    return one
        return next((e for e in candidates if e.age_low is None), None)

    def stratum(self, biomarker: str, sex: Sex | None) -> tuple[tuple[int, ReferenceEntry], ...]:
        """The entries of a biomarker for a sex (None: pooled) with their number in ``entries``."""
        return tuple((i, e) for i, e in enumerate(self.entries) if e.biomarker == biomarker and e.sex == sex)

    def model(self, kind: ModelKind, markers: tuple[str, ...], sex: Sex | None) -> ReferenceModel | None:
        """The model of a kind for these markers and this sex (None: pooled)."""
        return next((m for m in self.models if (m.kind, m.markers, m.sex) == (kind, markers, sex)), None)

    def age_bands(self, biomarker: str, sex: Sex | None) -> bool:
        """Whether the biomarker has age bands in this stratum."""
        return any(e.age_low is not None for e in self._by_stratum.get((biomarker, sex), []))

    def as_json(self) -> dict[str, Any]:
        """The content as plain JSON values, entries in a fixed order."""
        content: dict[str, Any] = {f.name: getattr(self, f.name) for f in fields(self)}
        content["rules"] = dict(self.rules)
        # Entries hold plain values only: copying them one by one is ten times as fast as `asdict`.
        names = [f.name for f in fields(ReferenceEntry)]
        content["entries"] = [{n: getattr(e, n) for n in names} for e in sorted(self.entries, key=_order)]
        for entry in content["entries"]:
            # A field that an entry does not use leaves the hash of older references as it was.
            for unused in _LATER_FIELDS:
                if entry[unused] is None:
                    del entry[unused]
        content["notes"] = list(self.notes)
        content["models"] = [asdict(m) for m in self.models]
        if not self.models:
            del content["models"]
        if not self.sample_n:
            del content["sample_n"], content["sample_sha256"]
        content["format"] = FORMAT
        return content


def _order(entry: ReferenceEntry) -> tuple[str, str, int]:
    return entry.biomarker, entry.sex or "", entry.age_low if entry.age_low is not None else -1


def reference_names() -> tuple[str, ...]:
    """References that come with allostat."""
    folder = resources.files("allostat_data").joinpath("references")
    return tuple(sorted(p.name.removesuffix(".json") for p in folder.iterdir() if p.name.endswith(".json")))


def load_reference(name_or_path: str | Path) -> Reference:
    """A reference by name, or from a JSON file, with its hash verified.

    Raises
    ------
    ConfigError
        No such reference, broken JSON, another format, a hash that does not fit the content, an entry that contradicts
        its biomarker's unit, transform, direction or context.
    """
    text = str(name_or_path)
    if text.endswith(".json"):
        path = Path(text)
        if not path.is_file():
            raise ConfigError("no such reference file", found=path.name)
        content, where = path.read_bytes(), path.name
    else:
        if text not in reference_names():
            raise ConfigError("no such reference", found=text, valid=reference_names())
        content = resources.files("allostat_data").joinpath("references", f"{text}.json").read_bytes()
        where = f"{text}.json"
    try:
        wrapped = json.loads(content)
        stated, entry = wrapped["sha256"], wrapped["reference"]
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"is not a reference ({error})", where=where) from error
    reference = reference_from(entry, where=where)
    if reference.sha256 != stated:
        raise ConfigError(
            "reference was changed: its content does not fit its hash", where=where, found=reference.sha256,
            expected=str(stated),
        )  # fmt: skip
    return reference


def save_reference(reference: Reference, path: str | Path) -> None:
    """Write a reference with its hash, replacing the file in one step."""
    target = Path(path)
    content = {"sha256": reference.sha256, "reference": reference.as_json()}
    text = json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"
    temporary = target.with_name(target.name + ".partial")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(target)


def reference_from(content: Mapping[str, Any], *, where: str = "reference") -> Reference:
    """A reference from its JSON values; errors as `load_reference`."""
    if not isinstance(content, Mapping) or content.get("format") != FORMAT:
        found = content.get("format") if isinstance(content, Mapping) else content
        raise ConfigError("reference of another format", where=where, found=found, expected=FORMAT)
    try:
        entries = tuple(ReferenceEntry(**e) for e in content["entries"])
        reference = Reference(
            name=content["name"],
            version=content["version"],
            title=content["title"],
            entries=entries,
            rules=dict(content["rules"]),
            notes=tuple(content["notes"]),
            licence=content["licence"],
            models=tuple(_model(m) for m in content.get("models", ())),
            sample_n=content.get("sample_n", 0),
            sample_sha256=content.get("sample_sha256", ""),
        )
    except (KeyError, TypeError) as error:
        raise ConfigError(f"reference is incomplete or has an unknown key ({error})", where=where) from error
    for entry in entries:
        check_entry(entry, where=f"{where}, {entry.biomarker}")
    return reference


def _model(content: Mapping[str, Any]) -> ReferenceModel:
    if content["kind"] not in get_args(ModelKind):
        raise KeyError(content["kind"])
    return ReferenceModel(**{**content, "markers": tuple(content["markers"])})


def check_entry(entry: ReferenceEntry, *, where: str) -> None:
    """Raise `ConfigError` when an entry contradicts its biomarker or itself."""
    if entry.biomarker not in biomarker_kinds():
        raise ConfigError("unknown biomarker", where=where, found=entry.biomarker, valid=biomarker_kinds())
    kind = biomarker_kind(entry.biomarker)
    for name in ("unit", "transform", "direction", "context"):
        if getattr(entry, name) != getattr(kind, name):
            raise ConfigError(
                f"reference has another {name} than its biomarker", where=where, found=getattr(entry, name),
                expected=str(getattr(kind, name)) or "none",
            )  # fmt: skip
    if entry.sd is not None and not (entry.sd > 0 and math.isfinite(entry.sd)):
        raise ConfigError("standard deviation is above zero", where=where, found=entry.sd)
    if (entry.mean is None) != (entry.sd is None):
        raise ConfigError("mean and standard deviation come together", where=where)
    sides = (">=", ">") if kind.direction == "high" else ("<=", "<")
    if (entry.cut is None) != (entry.operator is None) or (entry.operator is not None and entry.operator not in sides):
        raise ConfigError("cut and operator contradict the direction", where=where, found=entry.operator, valid=sides)
