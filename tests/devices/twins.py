"""A small export for every registered adapter: of a simulated person where a writer exists, made by hand elsewhere."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from datetime import datetime
from functools import cache
from pathlib import Path

from allostat.adapter import Adapter
from allostat.reading import adapters
from allostat.simulate import EXPORTS, Worn, simulate_participant, simulate_worn

WRITERS: dict[str, tuple[str, ...]] = {
    "apple_ecg": ("apple-ecg",),
    "apple_health": ("apple",),
    "beat_instants": ("beat-instants", "r-peaks"),
    "biopac": ("biopac",),
    "cuff_readings": ("omron", "omblepy"),
    "edf": ("edf", "edf-holes", "bdf", "faros"),
    "embraceplus": ("embraceplus",),
    "empatica_e4": ("empatica-e4",),
    "fit": ("fit-activity", "fit-wellness"),
    "fitbit": ("fitbit",),
    "garmin_account": ("garmin-account",),
    "garmin_connect": ("garmin-connect",),
    "garmin_logger": ("garmin-logger",),
    "google_health": ("google-health",),
    "hexoskin": ("hexoskin",),
    "ishne": ("ishne",),
    "lab_messages": ("fhir", "hl7"),
    "labfront": ("labfront",),
    "movesense": ("movesense",),
    "oura": ("oura",),
    "polar_ecg_logger": ("polar-ecg-logger",),
    "polar_flow": ("polar-flow", "polar-nightly-recovery"),
    "polar_sensor_logger": ("polar-sensor-logger", "polar-verity"),
    "polar_wrist_ecg": ("polar-wrist-ecg",),
    "rr_text": ("elite-hrv", "hrv-logger", "plain-rr", "selfloops"),
    "samsung_health": ("samsung-health",),
    "shimmer": ("shimmer",),
    "signal_table": ("bids-physio", "signal-table"),
    "signal_text": ("opensignals",),
    "spacelabs": ("spacelabs",),
    "vns_analyse": ("vns-analyse",),
    "wfdb": ("wfdb",),
    "whoop": ("whoop",),
    "withings": ("withings",),
    "xdf": ("xdf",),
    "zephyr": ("zephyr",),
}
"""Names in `EXPORTS` of what each adapter reads."""


def _participant_file(folder: Path) -> None:
    from allostat.store import write_participant
    from tests.store.results import full_result

    write_participant(full_result(), folder / "sub-001.h5")


BY_HAND: dict[str, Callable[[Path], None]] = {
    "participant_file": _participant_file,
}


@cache
def worn(hours: float = 0.025) -> Worn:
    """A minute and a half of a simulated person."""
    start = datetime.fromisoformat("2024-03-04T22:00:00")
    return simulate_worn(simulate_participant("sub-001", 3), start, hours, "Europe/Vienna")


def write_files(adapter: str, folder: Path) -> Path:
    """The files of one export of each kind that an adapter reads, unpacked, in folders below ``folder``."""
    for name in WRITERS.get(adapter, ()):
        (folder / name).mkdir(parents=True)
        # its bins of five minutes hold nothing of a shorter time
        made = EXPORTS[name](worn(0.09) if adapter == "samsung_health" else worn(), folder / name)
        if zipfile.is_zipfile(made):
            with zipfile.ZipFile(made) as archive:
                archive.extractall(folder / name)
            made.unlink()
    if adapter in BY_HAND:
        (folder / "by-hand").mkdir(parents=True)
        BY_HAND[adapter](folder / "by-hand")
    return folder


def registered() -> dict[str, Adapter]:
    """All registered adapters by name."""
    return {adapter.name: adapter for adapter in adapters()}
