"""The participant file: one HDF5 file with everything of one participant, also valid netCDF-4."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from os import PathLike
from pathlib import Path

import numpy as np

from allostat.errors import StoreError
from allostat.recording import NS_PER_S, BeatFlag, Beats, Recording
from allostat.store.content import check_written, read_groups, root_attributes
from allostat.store.datasets import decode_dataset, decode_datasets, encode_dataset, encode_datasets, nest, unnest
from allostat.store.durable import replace_file
from allostat.store.hdf5_read import damage_as_store_error
from allostat.store.hdf5_write import write_tree
from allostat.store.result import ParticipantResult
from allostat.store.safety import open_groups, refuse_to_replace_newer
from allostat.store.streams import (
    decode_beats,
    decode_notices,
    decode_recording,
    encode_beats,
    encode_notices,
    encode_recording,
)
from allostat.store.tables import decode_person, decode_table, encode_person, encode_table
from allostat.store.tree import Group
from allostat.store.values import decode_json, encode_attributes, encode_json

GROUPS = ("recordings", "beats", "hrv", "circadian", "labs", "measured", "biomarkers", "allostatic_load", "quality")
"""Top-level groups of a participant file, in the order in which they are written."""

_QC = "qc_"
QC_NAMES = (
    "recordings", "recorded_h", "beats", "corrected_share", "accepted_share", "biomarkers", "warnings", "errors",
)  # fmt: skip
"""What `qc_numbers` gives, in its order."""
_ORIGINAL = "original_stream"


def write_participant(result: ParticipantResult, path: str | PathLike[str], *, signals: bool = True) -> str:
    """Write a participant file, whole or not at all.

    Parameters
    ----------
    path
        ``sub-001.h5``; its folder exists. An older file is replaced at the last moment.
    signals
        Whether raw samples are kept; without them the names of the streams are.

    Returns
    -------
    str
        sha256 of the file. The same result gives the same bytes.

    Raises
    ------
    StoreError
        When something in the result cannot be stored (the message names group and variable), the disk refuses
        (`DiskError`), or the older file was written by a newer version (`NewerSchemaError`).
        The older file is untouched then and no temporary file is left.
    """
    target = Path(path)
    refuse_to_replace_newer(target)
    tree = encode_participant(result, signals=signals)
    return replace_file(target, lambda p: write_tree(p, tree), lambda p: check_written(p, tree))


def read_participant(path: str | PathLike[str], *, groups: Collection[str] = GROUPS) -> ParticipantResult:
    """Read a participant file; every value read is compared with its hash.

    Parameters
    ----------
    groups
        Top-level groups to read (see `GROUPS`); the parts of the others are empty. Leaving out ``recordings`` saves
        nearly all the time.

    Raises
    ------
    StoreError
        When the file is not allostat's, of a newer schema, damaged, or unsafe.
    """
    unknown = sorted(set(groups) - set(GROUPS))
    if unknown:
        raise StoreError("no such group in a participant file", found=unknown[0], valid=GROUPS)
    where = Path(path).name
    # Uncorrected beats may stand only under the recording that they came with.
    wanted = [g for g in GROUPS if g in groups or (g == "recordings" and "beats" in groups)]
    with open_groups(path, "participant", wanted) as file:
        tree = read_groups(file, wanted, where)
    with damage_as_store_error(where):
        return _decode_participant(tree, groups, where)


def encode_participant(result: ParticipantResult, *, signals: bool = True) -> Group:
    """The tree of a participant file."""
    recordings = {
        key: encode_recording(recording, f"/recordings/{key}", signals=signals)
        for key, recording in result.recordings.items()
    }
    groups: dict[str, Group] = {}
    for name, group in {
        "recordings": nest(recordings, "/recordings"),
        "beats": _encode_all_beats(result),
        "hrv": encode_datasets(result.hrv, "/hrv"),
        "circadian": None if result.circadian is None else encode_dataset(result.circadian, "/circadian"),
        "labs": None if result.labs is None else encode_dataset(result.labs, "/labs"),
        "measured": encode_table(result.measured, "/measured", persons=False) if result.measured.rows else None,
        "biomarkers": encode_table(result.biomarkers, "/biomarkers"),
        "allostatic_load": encode_datasets(result.allostatic_load, "/allostatic_load"),
        "quality": encode_datasets(result.quality, "/quality"),
    }.items():
        if group is not None:
            groups[name] = group
    attrs = root_attributes("participant", f"allostat participant {result.participant}") | {
        "participant": result.participant,
        "person": encode_person(result.person, "/"),
        **{f"{_QC}{name}": value for name, value in qc_numbers(result).items()},
        "provenance": encode_json(result.provenance, "/, provenance"),
        "notices": encode_notices(result.notices, "/"),
    }
    return Group(encode_attributes(attrs, "/"), {}, groups)


def _encode_all_beats(result: ParticipantResult) -> Group:
    """Beats by id. Uncorrected beats that stand under their recording already are named, not repeated."""
    streams = {
        f"/recordings/{r}/{s}": beats
        for r, recording in result.recordings.items()
        for s, beats in recording.beats.items()
    }
    groups: dict[str, Group] = {}
    for key, beats in result.beats.items():
        source = next((p for p, b in streams.items() if beats.original is not None and _same(b, beats.original)), None)
        kept = beats if source is None else replace(beats, original=None)
        group = encode_beats(kept, f"/beats/{key}")
        groups[key] = group if source is None else group.with_attributes({_ORIGINAL: source})
    return nest(groups, "/beats")


def _same(a: Beats, b: Beats) -> bool:
    if a is b:
        return True
    # The cheap comparison first: hashing 48 h of beats costs 10 ms.
    return np.array_equal(a.times_ns, b.times_ns) and (
        encode_beats(a, "/").content_sha256 == encode_beats(b, "/").content_sha256
    )


def _decode_participant(tree: Group, groups: Collection[str], where: str) -> ParticipantResult:
    root, inner = tree.attrs, tree.groups
    recordings = {
        name: decode_recording(group, f"{where}, /recordings/{name}")
        for name, group in unnest(inner.get("recordings")).items()
    }
    wanted = {name: group for name, group in inner.items() if name in groups}
    return ParticipantResult(
        participant=str(root["participant"]),
        person=decode_person(root["person"], where),
        recordings=recordings if "recordings" in groups else {},
        beats=_decode_all_beats(wanted.get("beats"), recordings),
        hrv=decode_datasets(wanted.get("hrv")),
        circadian=decode_dataset(wanted["circadian"]) if "circadian" in wanted else None,
        labs=decode_dataset(wanted["labs"]) if "labs" in wanted else None,
        measured=decode_table(wanted.get("measured"), f"{where}, /measured"),
        biomarkers=decode_table(wanted.get("biomarkers"), f"{where}, /biomarkers"),
        allostatic_load=decode_datasets(wanted.get("allostatic_load")),
        quality=decode_datasets(wanted.get("quality")),
        provenance=decode_json(root["provenance"], f"{where}, provenance"),
        notices=decode_notices(root["notices"], where),
    )


def _decode_all_beats(group: Group | None, recordings: Mapping[str, Recording]) -> dict[str, Beats]:
    streams = {f"/recordings/{r}/{s}": b for r, recording in recordings.items() for s, b in recording.beats.items()}
    found: dict[str, Beats] = {}
    for name, inner in unnest(group).items():
        source = inner.attrs.get(_ORIGINAL)
        beats = decode_beats(inner)
        found[name] = beats if source is None else replace(beats, original=streams[str(source)])
    return found


def qc_numbers(result: ParticipantResult) -> dict[str, float]:
    """Numbers that tell how good a participant's data are; they stand as ``qc_…`` at the root of the file.

    Returns
    -------
    dict
        ``recordings`` (count), ``recorded_h`` (sum of spans, h), ``beats`` (count), ``corrected_share`` (share of
        beats that are not normal), ``accepted_share`` (share of quality windows accepted), ``biomarkers`` (rows with
        a value), ``warnings`` and ``errors`` (notices). NaN where there is nothing to count from.
    """
    spans = [recording.span_ns for recording in result.recordings.values()]
    flags = [beats.flags for beats in result.beats.values() if len(beats)]
    windows = [q["accepted"].values for q in result.quality.values() if "accepted" in q and q["accepted"].size]
    notices = [*result.notices, *(n for r in result.recordings.values() for n in r.notices)]
    return {
        "recordings": float(len(spans)),
        "recorded_h": sum(end - start for start, end in spans) / NS_PER_S / 3600.0,
        "beats": float(sum(len(f) for f in flags)),
        "corrected_share": float(np.mean(np.concatenate(flags) != BeatFlag.NORMAL)) if flags else float("nan"),
        "accepted_share": float(np.mean(np.concatenate(windows) != 0)) if windows else float("nan"),
        "biomarkers": float(sum(not row.missing for row in result.biomarkers.rows)),
        "warnings": float(sum(n.severity == "warning" for n in notices)),
        "errors": float(sum(n.severity == "error" for n in notices)),
    }


def read_summary(path: str | PathLike[str], *, indices: bool = True) -> tuple[ParticipantResult, dict[str, float]]:
    """What the cohort file needs of a participant: biomarkers, the ``qc_…`` numbers and, if asked, the indices."""
    where, wanted = Path(path).name, ("biomarkers", "allostatic_load") if indices else ("biomarkers",)
    with open_groups(path, "participant", wanted) as file:
        tree = read_groups(file, wanted, where)
    with damage_as_store_error(where):
        qc = {k.removeprefix(_QC): float(np.asarray(v)) for k, v in tree.attrs.items() if k.startswith(_QC)}
        return _decode_participant(tree, wanted, where), qc
