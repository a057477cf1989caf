"""An Apple Health export of 500 MB, beside expat and lxml, which read one of 50 MB because they take long.

They collect attributes of wanted elements as text; allostat gives typed arrays with beats. Hashing for provenance is
told apart from reading.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from xml.parsers import expat

from allostat.adapter import ReadOptions
from allostat.simulate import simulate_participant, simulate_worn
from allostat.simulate.exports.apple import AppleHabits, write_apple_xml
from allostat.source import Source
from allostat_devices.apple_health import ADAPTER
from allostat_devices.apple_records import KEYS, read_export
from benchmarks.export_case import ExportCase, Peer

MB_PER_DAY = 8.2
HABITS = AppleHabits(
    heart_rate_s=10, hrv_s=1310, steps_s=17, export_zone="America/New_York", twelve_hours=True, well_formed=True
)
BAR_S = 1.5


def write_twin(path: Path, megabytes: float) -> None:
    """``export.xml`` of about a size: half of its records wanted, a minute of beats for every 80 heart rates."""
    hours = max(round(megabytes / MB_PER_DAY * 24), 1)
    person = simulate_participant("sub-001", 3)
    worn = simulate_worn(person, datetime(2024, 3, 4, 22, tzinfo=UTC), hours, "Europe/Vienna")
    with path.open("wb") as stream:
        write_apple_xml(worn, stream, HABITS)


def read_ours(path: Path) -> object:
    with path.open("rb") as stream:
        return read_export(stream, path.name, hashed=False)


def read_adapter(path: Path) -> object:
    return list(ADAPTER.read(Source(path), ReadOptions()))


def read_expat(path: Path) -> int:
    found: list[dict[str, str]] = []

    def start(name: str, attributes: dict[str, str]) -> None:
        if name == "InstantaneousBeatsPerMinute" or (name == "Record" and attributes["type"] in KEYS):
            found.append(attributes)

    parser = expat.ParserCreate()
    parser.StartElementHandler = start
    with path.open("rb") as stream:
        parser.ParseFile(stream)
    return len(found)


def read_lxml(path: Path) -> int:
    from lxml import etree  # type: ignore[import-untyped]

    found: list[dict[str, str]] = []
    for _, element in etree.iterparse(str(path), events=("end",), huge_tree=True):
        name = element.tag
        if name == "InstantaneousBeatsPerMinute" or (name == "Record" and element.get("type") in KEYS):
            found.append(dict(element.attrib))
        if name in ("Record", "Correlation", "Workout"):
            element.clear()
            while element.getprevious() is not None:
                del element.getparent()[0]
    return len(found)


def hash_alone(path: Path) -> object:
    return Source(path).sha256()


def cases(folder: Path, megabytes: float = 500.0, peers_mb: float = 50.0) -> Iterator[ExportCase]:
    """Records and beats against the bar, and all recordings of the adapter."""
    large, small = folder / "export.xml", folder / "small.xml"
    write_twin(large, megabytes)
    write_twin(small, peers_mb)
    others = [Peer("expat", read_expat, small)]
    if importlib.util.find_spec("lxml"):
        others.append(Peer("lxml", read_lxml, small))
    here = "benchmarks.exports_apple"
    yield ExportCase("Apple Health, records and beats", large, small, f"{here}:read_ours", BAR_S, tuple(others))
    hashing = (Peer("its hash alone", hash_alone),)
    yield ExportCase("Apple Health, adapter", large, small, f"{here}:read_adapter", None, hashing)
