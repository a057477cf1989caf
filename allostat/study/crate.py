"""The RO-Crate of a run: what was made, from what, by what, each file with its hash (RO-Crate 1.1, JSON-LD)."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from allostat import __version__
from allostat.store.durable import file_sha256
from allostat.study.checksums import FILE_NAME as CHECKSUMS
from allostat.study.checksums import write_checksums
from allostat.study.layout import OutputLayout, write_atomic

FILE_NAME = "ro-crate-metadata.json"
_CONTEXT = "https://w3id.org/ro/crate/1.1/context"
_TYPES = {
    ".h5": "application/x-hdf5", ".html": "text/html", ".json": "application/json", ".jsonl": "application/jsonl",
    ".tsv": "text/tab-separated-values", ".md": "text/markdown", ".bib": "application/x-bibtex",
    ".toml": "application/toml",
}  # fmt: skip
_ABOUT = {
    "cohort.h5": "biomarkers and indices of all participants",
    "index.html": "page of the cohort",
    "methods.md": "methods, as they were really used",
    "references.bib": "literature of the methods used",
    "config.effective.toml": "settings of the run, which run again as they stand",
    "dictionary.tsv": "what each column means",
    "run.json": "participants, how each ended, tables with their hashes, what matched nobody",
    "audit.jsonl": "who changed what, when and why; each entry holds the hash of the one before",
    "cortisol_reliability.tsv": "reliability of cortisol features over days, and how many days are needed",
}


_STATED = {".h5": "store_sha256", ".html": "page_sha256"}
"""Where a status states the hash of a participant's file of this kind, so that it need not be read again."""


def write_crate(
    layout: OutputLayout, title: str, participants: Iterable[str], summaries: Mapping[str, Mapping[str, Any]]
) -> None:
    """Write ``ro-crate-metadata.json`` over everything in the output folder, and ``checksums.sha256`` over that too.

    Parameters
    ----------
    layout
        The output folder; the cohort files are there.
    title
        Name of the study.
    participants
        Those with results.
    summaries
        Content of ``status.json`` by participant: hashes of the store file and the page, inputs with their hashes.
    """
    files = [_file(path, layout.root) for path in sorted(layout.root.iterdir()) if _is_output(path)]
    inputs: dict[str, dict[str, Any]] = {}
    for who in participants:
        summary = summaries.get(who, {})
        for path in (layout.store(who), layout.page(who), layout.log(who)):
            if path.is_file():
                files.append(_file(path, layout.root, summary.get(_STATED.get(path.suffix, ""))))
        for one in summary.get("inputs", ()):
            name = f"#input-{one['sha256']}"
            inputs[name] = {
                "@id": name, "@type": "CreativeWork", "name": one["name"], "sha256": one["sha256"],
                "contentSize": str(one["bytes"]), "encodingFormat": one["adapter"],
            }  # fmt: skip
    software = {
        "@id": "#allostat", "@type": "SoftwareApplication", "name": "allostat", "softwareVersion": __version__,
    }  # fmt: skip
    action = {
        "@id": "#run", "@type": "CreateAction", "name": "allostat run", "instrument": {"@id": software["@id"]},
        "object": [{"@id": name} for name in sorted(inputs)], "result": [{"@id": f["@id"]} for f in files],
    }  # fmt: skip
    root = {
        "@id": "./", "@type": "Dataset", "name": title, "description": "Results of allostat: beats, heart rate "
        "variability, biomarkers and allostatic load. Personal health data; for research.",
        "datePublished": dt.datetime.now(tz=dt.UTC).date().isoformat(),
        "license": "as the inputs", "hasPart": [{"@id": f["@id"]} for f in files], "mentions": [{"@id": "#run"}],
    }  # fmt: skip
    about = {
        "@id": FILE_NAME, "@type": "CreativeWork", "about": {"@id": "./"},
        "conformsTo": {"@id": "https://w3id.org/ro/crate/1.1"},
    }  # fmt: skip
    graph = [about, root, action, software, *files, *(inputs[name] for name in sorted(inputs))]
    text = json.dumps({"@context": _CONTEXT, "@graph": graph}, indent=1, ensure_ascii=False) + "\n"
    write_atomic(layout.root / FILE_NAME, text)
    write_checksums(layout.root, {f["@id"]: f["sha256"] for f in files})


def restated(root: Path) -> None:
    """State the hashes of the listed files, and of those that came beside them, anew.

    Raises
    ------
    ValueError
        The crate is no valid JSON-LD of a run.
    """
    crate = json.loads((root / FILE_NAME).read_text(encoding="utf-8"))
    graph: list[dict[str, Any]] = crate["@graph"]
    listed = {one["@id"]: one for one in graph if one.get("@type") == "File"}
    for name, one in listed.items():
        if (root / name).is_file():
            one |= _file(root / name, root)
    added = [_file(p, root) for p in sorted(root.iterdir()) if _is_output(p) and p.name not in listed]
    root_entry = next(one for one in graph if one["@id"] == "./")
    root_entry["hasPart"] += [{"@id": one["@id"]} for one in added]
    graph += added
    write_atomic(root / FILE_NAME, json.dumps(crate, indent=1, ensure_ascii=False) + "\n")
    write_checksums(root, {one["@id"]: one["sha256"] for one in (*listed.values(), *added)})


def stated_hashes(root: Path) -> dict[str, str]:
    """sha256 of each file of an output folder as its crate states it; empty when there is no crate.

    Raises
    ------
    ValueError
        The crate is no valid JSON-LD of a run.
    """
    path = root / FILE_NAME
    if not path.is_file():
        return {}
    graph = json.loads(path.read_text(encoding="utf-8"))["@graph"]
    return {str(one["@id"]): str(one["sha256"]) for one in graph if one.get("@type") == "File"}


def _is_output(path: Path) -> bool:
    return path.is_file() and path.name not in (FILE_NAME, CHECKSUMS) and not path.name.startswith(".")


def _file(path: Path, root: Path, known: str | None = None) -> dict[str, Any]:
    entry = {
        "@id": path.relative_to(root).as_posix(), "@type": "File", "name": path.name,
        "encodingFormat": _TYPES.get(path.suffix, "application/octet-stream"),
        "contentSize": str(path.stat().st_size), "sha256": known or file_sha256(path),
    }  # fmt: skip
    return entry | ({"description": _ABOUT[path.name]} if path.name in _ABOUT else {})
