"""Recordings, signals and beats turned into groups and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

import numpy as np

from allostat.errors import StoreError
from allostat.recording import (
    BeatFlag,
    Beats,
    Clock,
    ClockBlock,
    Device,
    InputFile,
    Marker,
    Notice,
    Provenance,
    Recording,
    Signal,
    TimeZone,
    ValueSeries,
)
from allostat.samples import Samples
from allostat.store.lab_rows import decode_rows, encode_rows
from allostat.store.tree import NAME, Attribute, Group, Variable
from allostat.store.values import (
    decode_attributes,
    decode_json,
    decode_variable,
    encode_attributes,
    encode_json,
    encode_variable,
    group_name,
)
from allostat.tables import BloodPressureReading, LabRow

_INCOMPRESSIBLE = ("times_ns", "intervals_ms")
"""Half of their bytes are noise: deflating them took most of the time of writing 48 h of beats for half the size."""

_BEAT_FLAGS = {
    "flag_values": np.array([int(f) for f in BeatFlag], np.int8),
    "flag_meanings": " ".join(f.name.lower() for f in BeatFlag),
}


# --- signals ---------------------------------------------------------------------------------------------------


def encode_signal(signal: Signal, where: str) -> Group:
    """A leaf group: raw samples with CF packing, and the blocks of the clock beside them.

    ``physical = raw * scale_factor + add_offset``, with ``add_offset = -offset * scale``; ``scale`` and ``offset``
    themselves stand on the group, so that they come back to the last bit.
    """
    samples = signal.samples
    if samples.dtype == np.float16:
        samples = np.asarray(samples).astype(np.float32)
    clock = signal.clock
    about: dict[str, Any] = {
        "name": signal.name, "content": "signal", "kind": signal.kind, "unit": signal.unit,
        "scale": float(signal.scale), "offset": float(signal.offset), "epoch": clock.epoch,
    }  # fmt: skip
    if signal.missing is not None:
        about["missing"] = int(signal.missing)
    if signal.saturation is not None:
        about["saturation"] = np.array(signal.saturation, np.int64)
    if clock.host_offset_ns is not None:
        about["host_offset_ns"] = int(clock.host_offset_ns)
    blocks = {
        "block_start_index": (np.array([b.start_index for b in clock.blocks], np.int64), "1", "first sample of block"),
        "block_t0_ns": (np.array([b.t0_ns for b in clock.blocks], np.int64), "ns", "instant of first sample of block"),
        "block_rate_hz": (np.array([b.rate_hz for b in clock.blocks], np.float64), "Hz", "effective sampling rate"),
        "block_nominal_hz": (np.array([b.nominal_hz for b in clock.blocks], np.float64), "Hz", "stated sampling rate"),
    }
    variables = {"samples": encode_variable("samples", ["sample"], samples, _packing(signal, samples), where)}
    for name, (values, unit, long_name) in blocks.items():
        attrs = {"long_name": long_name, "units": unit} | ({"epoch": clock.epoch} if unit == "ns" else {})
        variables[name] = encode_variable(name, ["block"], values, attrs, where)
    return Group(encode_attributes(about, where), variables)


def _packing(signal: Signal, samples: Samples) -> dict[str, Any]:
    attrs: dict[str, Any] = {"long_name": f"{signal.kind} samples", "units": signal.unit}
    if samples.dtype.kind != "f" or (signal.scale, signal.offset) != (1.0, 0.0):
        attrs["scale_factor"] = np.float64(signal.scale)
        attrs["add_offset"] = np.float64(-signal.offset * signal.scale + 0.0)
    if signal.missing is not None and _fits(signal.missing, samples.dtype):
        attrs["_FillValue"] = samples.dtype.type(signal.missing)
    return attrs


def _fits(value: int, dtype: np.dtype[Any]) -> bool:
    if dtype.kind == "f":
        return int(dtype.type(value)) == value
    info = np.iinfo(dtype)
    return info.min <= value <= info.max


def decode_signal(group: Group) -> Signal:
    """The signal of which `encode_signal` made a group."""
    about = decode_attributes(group.attrs)
    columns = {n: np.asarray(v.data) for n, v in group.variables.items()}
    blocks = zip(
        columns["block_start_index"].tolist(), columns["block_t0_ns"].tolist(), columns["block_rate_hz"].tolist(),
        columns["block_nominal_hz"].tolist(), strict=True,
    )  # fmt: skip
    clock = Clock(tuple(ClockBlock(*b) for b in blocks), len(columns["samples"]), _text(about, "epoch"),
                  about.get("host_offset_ns"))  # fmt: skip
    saturation = about.get("saturation")
    return Signal(
        _text(about, "name"), _text(about, "kind"), columns["samples"], clock, _text(about, "unit"), about["scale"],
        about["offset"], about.get("missing"), None if saturation is None else tuple(saturation.tolist()),
    )  # fmt: skip


def _text(about: Mapping[str, Any], name: str) -> Any:
    """An attribute that is text: one of those that a type of waist 1 takes as they are."""
    if not isinstance(about[name], str):
        raise StoreError("attribute is no text", where=name, found=type(about[name]).__name__)
    return about[name]


# --- beats -----------------------------------------------------------------------------------------------------


def encode_beats(beats: Beats, where: str) -> Group:
    """A leaf group: the beats, and with the prefix ``original_`` those before correction."""
    attrs: dict[str, Attribute] = encode_attributes({"content": "beats"}, where)
    variables: dict[str, Variable] = {}
    prefix = ""
    level: Beats | None = beats
    while level is not None:
        attrs |= encode_attributes(
            {f"{prefix}source": level.source, f"{prefix}epoch": level.epoch, f"{prefix}method": level.method}, where
        )
        for key, (values, about) in _beat_columns(level, where).items():
            variable = encode_variable(prefix + key, [f"{prefix}beat"], values, about, where)
            variables[prefix + key] = replace(variable, compress=key not in _INCOMPRESSIBLE)
        level, prefix = level.original, f"original_{prefix}"
    return Group(attrs, variables)


def _beat_columns(beats: Beats, where: str) -> dict[str, tuple[np.ndarray[Any, Any], dict[str, Any]]]:
    columns: dict[str, tuple[np.ndarray[Any, Any], dict[str, Any]]] = {
        "times_ns": (beats.times_ns, {"long_name": "instant of the beat", "units": "ns", "epoch": beats.epoch}),
        "intervals_ms": (beats.intervals_ms, {"long_name": "interval that ends at the beat", "units": "ms"}),
        "flags": (beats.flags, {"long_name": "what is known of the beat", **_BEAT_FLAGS}),
    }
    if beats.uncertainty_ms is not None:
        columns["uncertainty_ms"] = (
            beats.uncertainty_ms, {"long_name": "standard error of the instant of the beat", "units": "ms"},
        )  # fmt: skip
    for key, values in beats.extras.items():
        if values.shape != beats.times_ns.shape:
            raise StoreError("extra column of beats has another length", where=f"{where}/{key}", found=values.shape)
        columns[f"extra_{key}"] = (values, {"long_name": key})
    return columns


def decode_beats(group: Group) -> Beats:
    """The beats of which `encode_beats` made a group."""
    about = decode_attributes(group.attrs)
    prefixes = [""]
    while f"original_{prefixes[-1]}source" in about:
        prefixes.append(f"original_{prefixes[-1]}")
    beats: Beats | None = None
    for prefix in reversed(prefixes):
        columns = {
            name.removeprefix(prefix): decode_variable(variable)
            for name, variable in group.variables.items()
            if variable.dims[:1] == (f"{prefix}beat",)
        }
        extras = {a["long_name"]: values for name, (_, values, a) in columns.items() if name.startswith("extra_")}
        uncertainty = columns.get("uncertainty_ms")
        beats = Beats(
            columns["times_ns"][1], columns["intervals_ms"][1], columns["flags"][1],
            _text(about, f"{prefix}source"), _text(about, f"{prefix}epoch"), _text(about, f"{prefix}method"),
            None if uncertainty is None else uncertainty[1],
            extras, beats,
        )  # fmt: skip
    assert beats is not None
    return beats


# --- series of values ------------------------------------------------------------------------------------------


def encode_series(series: ValueSeries, where: str) -> Group:
    """A leaf group of values at instants of their own."""
    about: dict[str, Any] = {
        "name": series.name, "content": "series", "kind": series.kind, "unit": series.unit, "epoch": series.epoch,
        "window_s": float(series.window_s), "context": series.context,
    }  # fmt: skip
    if series.metric is not None:
        about["metric"] = series.metric
    instant = {"units": "ns", "epoch": series.epoch}
    columns: dict[str, tuple[np.ndarray[Any, Any], dict[str, Any]]] = {
        "times_ns": (series.times_ns, {"long_name": "instant of the value, or start of its stretch", **instant}),
        "values": (series.values, {"long_name": series.metric or series.kind, "units": series.unit}),
    }
    if series.ends_ns is not None:
        columns["ends_ns"] = (series.ends_ns, {"long_name": "end of the stretch", **instant})
    columns |= {f"extra_{key}": (values, {"long_name": key}) for key, values in series.extras.items()}
    variables = {
        name: encode_variable(name, ["value"], values, attrs, where) for name, (values, attrs) in columns.items()
    }
    return Group(encode_attributes(about, where), variables)


def decode_series(group: Group) -> ValueSeries:
    """The series of which `encode_series` made a group."""
    about = decode_attributes(group.attrs)
    columns = {name: decode_variable(variable) for name, variable in group.variables.items()}
    ends = columns.get("ends_ns")
    return ValueSeries(
        _text(about, "name"), _text(about, "kind"), columns["times_ns"][1], columns["values"][1], _text(about, "unit"),
        _text(about, "epoch"), None if ends is None else ends[1],
        _text(about, "metric") if "metric" in about else None, about["window_s"], _text(about, "context"),
        {a["long_name"]: values for name, (_, values, a) in columns.items() if name.startswith("extra_")},
    )  # fmt: skip


# --- recordings ------------------------------------------------------------------------------------------------


def encode_recording(recording: Recording, where: str, *, signals: bool = True) -> Group:
    """A group of streams; without ``signals`` their names are kept in the attribute ``signals_left_out``."""
    about: dict[str, Any] = {
        "id": recording.id,
        "timezone": encode_json(recording.timezone, where),
        "device": encode_json(recording.device, where),
        "provenance": encode_json(recording.provenance, where),
        "notices": encode_notices(recording.notices, where),
        "markers": encode_json(recording.markers, where),
        "extras": encode_json(recording.extras, f"{where}, extras"),
    }
    if recording.participant is not None:
        about["participant"] = recording.participant
    if not signals and recording.signals:
        about["signals_left_out"] = tuple(recording.signals)
    streams: dict[str, Group] = {}
    for key, signal in recording.signals.items() if signals else ():
        _add_stream(streams, key, encode_signal(signal, f"{where}/{key}"), where)
    for key, beats in recording.beats.items():
        _add_stream(streams, key, encode_beats(beats, f"{where}/{key}"), where)
    for key, series in recording.series.items():
        _add_stream(streams, key, encode_series(series, f"{where}/{key}"), where)
    for key, rows in (("blood_pressure", recording.blood_pressure), ("labs", recording.labs)):
        if rows:
            _add_stream(streams, key, encode_rows(rows, key, f"{where}/{key}"), where)
    return Group(encode_attributes(about, where), {}, streams)


def _add_stream(streams: dict[str, Group], key: str, group: Group, where: str) -> None:
    name = group_name(key, where)
    if name in streams:
        name = f"{name}_{group.attrs['content']}"
    if name in streams:
        raise StoreError("two streams of one name", where=where, found=key)
    streams[name] = group.with_attributes({NAME: key})


def decode_recording(group: Group, where: str) -> Recording:
    """The recording of which `encode_recording` made a group."""
    about = decode_attributes(group.attrs)
    said = {
        k: decode_json(about[k], f"{where}, {k}") for k in ("timezone", "device", "provenance", "markers", "extras")
    }
    provenance = said["provenance"]
    provenance["inputs"] = tuple(InputFile(**i) for i in provenance["inputs"])
    streams = list(group.groups.values())
    return Recording(
        id=_text(about, "id"),
        signals={str(g.attrs[NAME]): decode_signal(g) for g in streams if g.attrs["content"] == "signal"},
        beats={str(g.attrs[NAME]): decode_beats(g) for g in streams if g.attrs["content"] == "beats"},
        participant=_text(about, "participant") if "participant" in about else None,
        timezone=TimeZone(**said["timezone"]),
        device=Device(**said["device"]),
        provenance=Provenance(**provenance),
        notices=decode_notices(about["notices"], where),
        markers=tuple(Marker(**m) for m in said["markers"]),
        extras=said["extras"],
        blood_pressure=tuple(
            row
            for g in streams
            if g.attrs["content"] == "blood_pressure"
            for row in decode_rows(g, BloodPressureReading, where)
        ),
        labs=tuple(row for g in streams if g.attrs["content"] == "labs" for row in decode_rows(g, LabRow, where)),
        series={str(g.attrs[NAME]): decode_series(g) for g in streams if g.attrs["content"] == "series"},
    )


def encode_notices(notices: tuple[Notice, ...], where: str) -> str:
    """Notices as JSON."""
    return encode_json(notices, f"{where}, notices")


def decode_notices(text: object, where: str) -> tuple[Notice, ...]:
    """Notices of JSON; fields that a later version added are left out."""
    known = {f.name for f in fields(Notice)}
    entries: list[Mapping[str, Any]] = decode_json(text, f"{where}, notices")
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise StoreError("notices are no list of objects", where=where)
    return tuple(Notice(**{k: v for k, v in entry.items() if k in known}) for entry in entries)
