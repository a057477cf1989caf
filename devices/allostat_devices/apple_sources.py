"""Who wrote a record of an Apple Health export: watch, phone, or an app, without the names that people give them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from allostat.recording import Device

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from allostat_devices.apple_records import AppleExport

_HARDWARE = re.compile(r"(Watch|iPhone|iPad|iPod)\d{1,3},\d{1,3}")
_VERSION = re.compile(r"\d{1,4}(?:\.\d{1,5}){0,3}")
_CODES = 1 << 16
"""More than there are numbers of texts."""
_KINDS = {"Watch": "watch", "iPhone": "phone", "iPod": "phone", "iPad": "tablet"}
_DEVICE_KINDS = {"watch": "wrist", "phone": "phone", "tablet": "tablet", "app": "app"}
_MANUFACTURERS = (
    "Apple", "Beurer", "Coros", "Fitbit", "Garmin", "iHealth", "Movesense", "Omron", "Oura", "Polar", "QardioArm",
    "Samsung", "Suunto", "Wahoo", "Whoop", "Withings",
)  # fmt: skip
"""Makers whose names are kept; any other text of a device may hold a name or a serial number."""


@dataclass(frozen=True, slots=True)
class AppleSource:
    """One writer of records.

    Parameters
    ----------
    id
        ``watch``, ``phone``, ``tablet`` or ``app``, numbered from the second of a kind on; apps always.
    """

    id: str
    device: Device

    @property
    def is_watch(self) -> bool:
        """Whether its beats were measured by light at the wrist."""
        return self.device.kind == "wrist"


@dataclass(frozen=True, slots=True)
class _Described:
    kind: str
    hardware: str
    manufacturer: str | None
    version: str | None


def sources_of(export: AppleExport) -> tuple[list[AppleSource], NDArray[np.int64]]:
    """The sources of an export by first appearance, and the number of its source for every record.

    One source is one name on one piece of hardware: a new watch under the old name is another one, a new version of
    its software is not. Records without a device belong to the hardware that shares their name, when it is only one.

    Returns
    -------
    sources, number
        ``number`` is int64 (records,).
    """
    described = [_describe(text) for text in export.device_texts]
    code = export.source.astype(np.int64) * _CODES + export.device
    present = np.unique(code)
    which = np.searchsorted(present, code)
    device_of = (present + 2) % _CODES - 2
    pairs = list(zip(((present - device_of) // _CODES).tolist(), device_of.tolist(), strict=True))
    hardware_of: dict[int, set[str]] = {}
    for name, device in pairs:
        if device >= 0 and described[device].hardware:
            hardware_of.setdefault(name, set()).add(described[device].hardware)
    keys: list[tuple[int, str]] = []
    for name, device in pairs:
        own = described[device].hardware if device >= 0 else ""
        shared = hardware_of.get(name, set())
        keys.append((name, own or (next(iter(shared)) if len(shared) == 1 else "")))
    first_at = np.empty(len(keys), np.int64)
    # of several assignments to one place the last stays
    first_at[which[::-1]] = np.arange(len(which))[::-1]
    order = list(dict.fromkeys(keys[i] for i in np.argsort(first_at, kind="stable").tolist()))
    number = {key: i for i, key in enumerate(order)}
    of_pair = np.array([number[key] for key in keys], np.int64)
    devices: dict[tuple[int, str], list[_Described]] = {key: [] for key in order}
    for key, (_, device) in zip(keys, pairs, strict=True):
        if device >= 0:
            devices[key].append(described[device])
    taken: dict[str, int] = {}
    names = [export.source_texts[name] if name >= 0 else "" for name, _ in order]
    found = [_source(name, devices[key], taken) for name, key in zip(names, order, strict=True)]
    return found, of_pair[which] if len(which) else np.empty(0, np.int64)


def _source(name: str, described: list[_Described], taken: dict[str, int]) -> AppleSource:
    kinds = [d.kind for d in described if d.kind]
    kind = kinds[0] if kinds else _kind_by_name(name)
    taken[kind] = taken.get(kind, 0) + 1
    numbered = f"{kind}_{taken[kind]}" if kind == "app" or taken[kind] > 1 else kind
    makers = [d.manufacturer for d in described if d.manufacturer]
    hardware = [d.hardware for d in described if d.hardware]
    versions = [d.version for d in described if d.version]
    device = Device(
        manufacturer=makers[0] if makers else (None if kind == "app" else "Apple"),
        model=hardware[0] if hardware else None,
        firmware=max(versions, key=_version_key) if versions else None,
        kind=_DEVICE_KINDS[kind],
    )
    return AppleSource(numbered, device)


def _version_key(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _describe(text: str) -> _Described:
    """What is kept of ``name:Apple Watch, manufacturer:Apple Inc., model:Watch, hardware:Watch6,2, software:10.1>``."""
    fields = {}
    for part in text.strip(" <>").split(", "):
        key, _, value = part.partition(":")
        fields[key.strip().casefold()] = value.strip(" <>")
    hardware = _HARDWARE.fullmatch(fields.get("hardware", ""))
    maker = fields.get("manufacturer", "").casefold()
    version = _VERSION.fullmatch(fields.get("software", ""))
    apple = maker.startswith("apple") or hardware is not None
    kind = _KINDS[hardware[1]] if hardware else (_kind_by_name(fields.get("name", "")) if apple else "app")
    return _Described(
        kind,
        hardware[0] if hardware else "",
        next((m for m in _MANUFACTURERS if maker.startswith(m.casefold())), None),
        version[0] if version and apple else None,
    )


def _kind_by_name(name: str) -> str:
    folded = name.replace("\u00a0", " ").casefold()
    if "apple watch" in folded:
        return "watch"
    return "phone" if "iphone" in folded or folded == "health" else "app"
