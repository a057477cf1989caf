"""What the labels and units of waveform files mean: kind of signal, name of the stream, UCUM code of the unit."""

from __future__ import annotations

import re
from collections.abc import Container

from allostat.recording import SampleKind

_ECG_LEADS = re.compile(
    r"^((ecg|ekg)(?![a-z]).*|lead.*|i{1,3}|av[rlf]|v\d?r?|m?cl\d|ml?i{1,3}|mv\d?|ml\d|v[xyz]|cm\d|cc\d|cb\d|d\d)$", re.I
)
_AXIS = re.compile(r"^(acc|gyr|mag)[a-z]*[ _-]*(?:[a-z]+[ _-]+)*([xyz])$", re.I)
_INERTIAL: dict[str, SampleKind] = {"acc": "acc", "gyr": "gyro", "mag": "magn"}
_PARTS: tuple[tuple[str, SampleKind], ...] = (
    ("pleth", "ppg"), ("ppg", "ppg"), ("eda", "eda"), ("gsr", "eda"), ("skin cond", "eda"), ("electrodermal", "eda"),
    ("temp", "temp"), ("accel", "acc"), ("gyro", "gyro"), ("magneto", "magn"),
)  # fmt: skip
_UCUM = {
    "mv": "mV", "uv": "uV", "µv": "uV", "μv": "uV", "nv": "nV", "v": "V", "mmhg": "mm[Hg]", "bpm": "/min", "pm": "/min",
    "nu": "1", "adu": "1", "n/a": "1", "no_units": "1", "": "1", "%": "%", "ohm": "Ohm", "kohm": "kOhm", "degc": "Cel",
    "°c": "Cel", "deg c": "Cel", "celsius": "Cel", "degrees celsius": "Cel", "degree celsius": "Cel", "g": "[g]",
    "mg": "m[g]", "m/(s^2)": "m/s2", "m/s^2": "m/s2", "m/s²": "m/s2", "a.u.": "1", "l": "L", "l/min": "L/min",
    "us": "uS", "µs": "uS", "μs": "uS", "microsiemens": "uS", "microvolts": "uV", "microvolt": "uV",
    "millivolts": "mV", "millivolt": "mV", "volts": "V", "volt": "V", "ms": "ms", "s": "s", "sec": "s", "hz": "Hz",
    "deg/s": "deg/s", "rad/s": "rad/s", "gauss": "G", "local_flux": "1",
}  # fmt: skip


def kind_of_label(label: str, unit: str = "") -> SampleKind:
    """Kind of a signal by the label that its file gives it; a signal without label in volts counts as an ECG.

    Parameters
    ----------
    label
        As in the file: ``MLII``, ``EKG``, ``Accelerometer_X``, ``Pleth`` …
    unit
        As in the file; counts only where there is no label.
    """
    name = label.strip().casefold()
    if not name:
        return "ecg" if unit.strip().casefold() in ("mv", "uv", "µv", "μv") else "other"
    inertial = _AXIS.match(name)
    if inertial:
        return _INERTIAL[inertial[1]]
    for part, kind in _PARTS:
        if part in name:
            return kind
    if name == "bvp":
        return "ppg"
    if _ECG_LEADS.match(name):
        return "ecg"
    return "hr" if name in ("hr", "pulse", "heart rate", "bpm") else "other"


def stream_name(label: str, kind: SampleKind) -> str:
    """Name of a stream: the kind and what the label adds to it (``ecg_mlii``, ``acc_x``)."""
    inertial = _AXIS.match(label.strip())
    if inertial:
        return f"{kind}_{inertial[2].casefold()}"
    clean = re.sub(r"[^a-z0-9]+", "_", label.casefold()).strip("_")[:60]
    if not clean:
        return kind
    return clean if kind == "other" or clean.startswith(kind) else f"{kind}_{clean}"


def distinct_name(name: str, taken: Container[str]) -> str:
    """The name, or the name with the first number from 2 that is not ``taken``."""
    if name not in taken:
        return name
    number = 2
    while f"{name}_{number}" in taken:
        number += 1
    return f"{name}_{number}"


def unit_code(text: str) -> str:
    """UCUM code of a unit as waveform files write it; an unknown one stands in braces, an empty one is ``1``."""
    known = _UCUM.get(text.strip().casefold())
    return known or "{" + re.sub(r"[^\x21-\x7a]", "", text)[:24] + "}"
