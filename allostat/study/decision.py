"""Which stages of a participant would run, and why: decided before anything runs, from what the last run left."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from allostat.store.durable import file_sha256
from allostat.study.fingerprints import STAGES, Basis, changes
from allostat.study.layout import OutputLayout
from allostat.study.reuse import READ_AGAIN

NIGHTS = "nights"
NEVER = "never run"
"""The reason of every stage of one who has no status."""


def stages_to_run(
    layout: OutputLayout,
    participant: str,
    status: Mapping[str, Any],
    bases: Mapping[str, Basis],
    *,
    since: str | None = None,
) -> dict[str, str]:
    """The stages of one who ran before that have to run, each with the reason; none when everything stands.

    Parameters
    ----------
    layout
        The output folder.
    status
        What the last run left in ``status.json``.
    bases
        What each stage rests on now (`fingerprints.bases_of`).
    since
        A stage that was asked for, with all after it.
    """
    everything = _why_everything(layout, participant, status)
    if everything is not None:
        return dict.fromkeys(STAGES, everything)
    found: dict[str, str] = {}
    for number, stage in enumerate(STAGES):
        if since is not None and number >= STAGES.index(since):
            found[stage] = "asked for"
        elif status.get("stages", {}).get(stage, {}).get("fingerprint") != bases[stage].fingerprint:
            found[stage] = _why(stage, status.get("rests_on", {}), bases, found)
    if not found and _changed(layout.page(participant), status.get("page_sha256")):
        found["report"] = "its page is missing or was changed"
    if found and "ingest" not in found and status.get("signals") in READ_AGAIN:
        found = {"ingest": READ_AGAIN[str(status.get("signals"))], **found}
    return found


def _why_everything(layout: OutputLayout, participant: str, status: Mapping[str, Any]) -> str | None:
    """Why nothing of an earlier run can be used; None when something may be."""
    if status.get("status") != "done":
        return f"failed before: {status.get('reason')}"
    if not layout.store(participant).is_file():
        return "its file is missing"
    if _changed(layout.store(participant), status.get("store_sha256")):
        return "its file is damaged or was changed"
    return None


def _changed(path: Path, sha256: object) -> bool:
    return not path.is_file() or file_sha256(path) != sha256


def _why(stage: str, stated: Mapping[str, Any], bases: Mapping[str, Basis], running: Mapping[str, str]) -> str:
    basis = bases[stage]
    told = changes(stated.get(stage, {}), basis)
    if NIGHTS in basis.stands_on:
        told += [t for t in changes(stated.get(NIGHTS, {}), bases[NIGHTS]) if t not in told]
    if told:
        return "; ".join(told)
    below = [other for other in basis.stands_on if other in running]
    if not below and NIGHTS in basis.stands_on:
        below = [other for other in bases[NIGHTS].stands_on if other in running]
    return f"stands on {', '.join(below)}" if below else "its fingerprint is another one"
