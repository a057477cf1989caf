"""MATLAB files (version 5), one per participant: beats, HRV, circadian, biomarkers and index as structures."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from allostat.export.frames import plain_dataset
from allostat.export.naming import identifier
from allostat.study.layout import folder_name, write_atomic

if TYPE_CHECKING:
    from allostat.store import ParticipantResult
    from allostat.study.opened import StudyResults


def write(results: StudyResults, participants: Sequence[str], folder: Path) -> list[Path]:
    """Write a file per participant. Instants stay int64 nanoseconds; names that MATLAB does not allow are changed and
    listed in ``names``."""
    from scipy.io import savemat

    written = []
    for who in participants:
        result = results.result(who)
        buffer = io.BytesIO()
        savemat(cast("Any", buffer), _content(result), long_field_names=True, do_compression=True, oned_as="column")
        path = folder / f"{folder_name(who)}.mat"
        write_atomic(path, _without_date(buffer.getvalue()))
        written.append(path)
    return written


def _without_date(content: bytes) -> bytes:
    """The file with a header text that does not name the day: the same results give the same bytes."""
    return b"MATLAB 5.0 MAT-file, written by allostat".ljust(116) + content[116:]


def _content(result: ParticipantResult) -> dict[str, Any]:
    names: dict[str, str] = {}
    person = result.person
    content: dict[str, Any] = {
        "participant": result.participant,
        "person": {
            "sex": person.sex or "",
            "age_years": np.nan if person.age_years is None else float(person.age_years),
            "group": person.group or "",
            "medications": "; ".join(person.medications),
        },
        "beats": _structure(
            {
                name: {
                    "times_ns": beats.times_ns,
                    "intervals_ms": beats.intervals_ms,
                    "flags": beats.flags,
                    "source": beats.source,
                    "epoch": beats.epoch,
                    "method": beats.method,
                }
                for name, beats in result.beats.items()
            },
            names,
        ),
        "hrv": _structure({name: plain_dataset(d) for name, d in result.hrv.items()}, names),
        "allostatic_load": _structure(
            {name: plain_dataset(d) | {"reference": str(d.attrs.get("reference", ""))} for name, d in
             result.allostatic_load.items()}, names,
        ),
        "biomarkers": _structure(
            {
                f"{row.biomarker}_{row.occasion}": {
                    "biomarker": row.biomarker, "occasion": row.occasion, "value": row.value, "unit": row.unit,
                    "standard_error": row.standard_error, "n": row.n, "quality": ";".join(row.quality),
                }
                for row in result.biomarkers.rows
            }, names,
        ),
    }  # fmt: skip
    if result.circadian is not None:
        content["circadian"] = _structure(plain_dataset(result.circadian), names)
    content["names"] = [f"{short} = {long}" for short, long in names.items() if short != long] or [""]
    return content


def _structure(values: Mapping[str, Any], names: dict[str, str]) -> dict[str, Any]:
    """A structure with names that MATLAB allows; `names` learns what they stood for."""
    taken: set[str] = set()
    fields: dict[str, Any] = {}
    for name, value in values.items():
        short = identifier(name, taken)
        names[short] = name
        fields[short] = _structure(value, names) if isinstance(value, Mapping) else _stored(value)
    return fields


def _stored(value: Any) -> Any:
    array = np.asarray(value)
    if array.dtype.kind == "U" and array.ndim:
        return array.astype(object)
    return value
