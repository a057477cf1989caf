"""The methods paragraph and what it rests on: only what the run really used."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Self

from allostat.biomarkers import biomarker_kinds
from allostat.report.bibliography import references
from allostat.report.series import window_text

if TYPE_CHECKING:
    import xarray as xr

    from allostat.recording import Beats
    from allostat.store import ParticipantResult


@dataclass(frozen=True)
class Used:
    """What went into results: gathered from the results themselves, never from what was asked for.

    Parameters
    ----------
    participants
        Identifiers.
    sources
        Pairs of source of beats (``ecg``, ``ppg``, ``device`` …) and method.
    metrics
        HRV metrics by name with their method, from the windowed results.
    presets
        Presets of the HRV results.
    biomarkers
        Names of the biomarkers that have a value.
    methods
        Pairs of biomarker and the method stated with it.
    definitions
        Definitions of the index with the identity of the reference they were scored against.
    """

    participants: frozenset[str] = frozenset()
    sources: frozenset[tuple[str, str]] = frozenset()
    presets: frozenset[str] = frozenset()
    windows: frozenset[str] = frozenset()
    circadian: frozenset[str] = frozenset()
    biomarkers: frozenset[str] = frozenset()
    methods: frozenset[tuple[str, str]] = frozenset()
    definitions: frozenset[tuple[str, str]] = frozenset()
    devices: frozenset[str] = frozenset()
    adapters: frozenset[str] = frozenset()
    versions: frozenset[tuple[str, str]] = frozenset()
    dois: frozenset[str] = frozenset()

    @classmethod
    def of(cls, *results: ParticipantResult) -> Self:
        """What went into results."""
        together = cls()
        for result in results:
            together = together.merged(cls._of_one(result))
        return together

    @classmethod
    def _of_one(cls, result: ParticipantResult) -> Self:
        datasets = [d for d in _datasets(result) if d is not None]
        present = [row for row in result.biomarkers.rows if not row.missing]
        kinds = biomarker_kinds()
        cited = {doi for d in datasets for doi in dois_of(d)}
        cited |= {doi for row in present for doi in kinds[row.biomarker].references}
        cited |= {doi for beats in result.beats.values() for doi in _beat_sources(beats)}
        versions: Mapping[str, Any] = result.provenance.get("versions") or {}
        return cls(
            participants=frozenset({result.participant}),
            sources=frozenset((b.source, b.method) for b in result.beats.values()),
            presets=frozenset(_attribute(result.hrv.values(), "preset")),
            windows=frozenset(window_text(d) for d in result.hrv.values() if "window" in d.dims),
            circadian=frozenset(
                () if result.circadian is None else filter(None, [str(result.circadian.attrs.get("method", ""))])
            ),
            biomarkers=frozenset(row.biomarker for row in present),
            methods=frozenset((row.biomarker, _in_general(row.provenance)) for row in present if row.provenance),
            definitions=frozenset((name, _reference_of(d)) for name, d in result.allostatic_load.items()),
            devices=frozenset(filter(None, map(device_name, result.recordings.values()))),
            adapters=frozenset(filter(None, (r.provenance.adapter for r in result.recordings.values()))),
            versions=frozenset((str(k), str(v)) for k, v in versions.items()),
            dois=frozenset(cited),
        )

    def merged(self, *others: Used) -> Self:
        """The union of this and others."""
        everything = (self, *others)
        return type(self)(
            **{f.name: frozenset().union(*(getattr(u, f.name) for u in everything)) for f in fields(self)}
        )


def device_name(recording: Any) -> str:
    """Manufacturer, model and firmware of a recording's device in words; empty when nothing is known."""
    device = recording.device
    name = " ".join(filter(None, (device.manufacturer, device.model))) or (device.kind or "")
    return f"{name} (firmware {device.firmware})" if name and device.firmware else name


def dois_of(dataset: xr.Dataset) -> set[str]:
    """DOIs in the attributes ``references`` of a dataset and of its variables."""
    texts = [dataset.attrs.get("references", "")] + [v.attrs.get("references", "") for v in dataset.variables.values()]
    return {doi for text in texts for doi in re.split(r"[\s,;]+", str(text)) if doi.startswith("10.")}


def _datasets(result: ParticipantResult) -> Iterable[xr.Dataset | None]:
    yield from result.hrv.values()
    yield result.circadian
    yield result.labs
    yield from result.allostatic_load.values()
    yield from result.quality.values()


_DETECTORS = {
    "ecg": ("10.1109/TBME.1985.325532", "10.1109/TBME.1986.325695"),
    "ppg": ("10.1109/CIC.2003.1291140", "10.1371/journal.pone.0076585"),
}
"""Sources of the detectors in `allostat.kernels`, by what the beats were found in."""


def _beat_sources(beats: Beats) -> Iterable[str]:
    """DOIs behind the steps that beats name: ``allostat + lipponen2019``, ``neurokit:… + lipponen2019``."""
    for step in beats.method.split(" + "):
        if step == "allostat":
            yield from _DETECTORS.get(beats.source, ())
        elif step.startswith("neurokit:"):
            yield "10.3758/s13428-020-01516-y"
        elif step in ("lipponen2019", "lipponen2019_spaced"):
            yield "10.1080/03091902.2019.1640306"


_OF_ONE_PERSON = re.compile(r", SD [\d.]+ [^\s;,]+|; [^;]*\bline \d[^;]*")


def _in_general(method: str) -> str:
    """A method without the numbers of one participant: spread, file and line."""
    return _OF_ONE_PERSON.sub("", method)


def _attribute(datasets: Iterable[xr.Dataset], name: str) -> set[str]:
    found = set()
    for dataset in datasets:
        for attrs in (dataset.attrs, *(v.attrs for v in dataset.data_vars.values())):
            if attrs.get(name):
                found.add(str(attrs[name]))
    return found


def _reference_of(dataset: xr.Dataset) -> str:
    name, digest = str(dataset.attrs.get("reference", "")), str(dataset.attrs.get("reference_sha256", ""))
    return f"{name} (sha256 {digest[:12]})" if digest else name


_SOURCE_WORDS = {
    "ecg": "electrocardiogram",
    "ppg": "photoplethysmogram (pulse rate variability)",
    "device": "beat intervals as the device gave them",
    "simulated": "simulated beats",
    "unknown": "beat intervals as recorded",
}


def methods_text(settings: Mapping[str, Any] | str, used: Used) -> str:
    """A methods section to copy, in Markdown, with only what was used.

    Parameters
    ----------
    settings
        The effective settings: TOML text, or sections of keys.
    used
        What went into the results (`Used.of`).
    """
    versions = dict(used.versions)
    release = f" {versions['allostat']}" if "allostat" in versions else ""
    paragraphs = [
        "# Methods",
        f"Data of {_counted(len(used.participants), 'participant')} were processed with allostat{release}"
        + _others(versions)
        + ". Each number is stored with its unit, settings and source.",
        _recordings(used),
        _rhythm(used),
        _laboratory(used),
        _index(used),
        "Missing values were kept missing, with a reason; none was replaced by zero.",
    ]
    text = "\n\n".join(p for p in paragraphs if p)
    sources = references(used.dois)
    if sources:
        text += "\n\n## References\n\n" + "\n".join(f"- {r.text} doi:{r.doi}" for r in sources)
    shown = settings if isinstance(settings, str) else _toml(settings)
    if shown.strip():
        text += f"\n\n## Settings\n\n```toml\n{shown.strip()}\n```"
    return text + "\n"


def _counted(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def _others(versions: Mapping[str, str]) -> str:
    others = ", ".join(f"{name} {version}" for name, version in sorted(versions.items()) if name != "allostat")
    return f" ({others})" if others else ""


def _recordings(used: Used) -> str:
    if not used.sources:
        return "No beats were found in any recording."
    sentences = []
    if used.devices:
        sentences.append(f"Devices: {_listed(used.devices)}.")
    if used.adapters:
        sentences.append(f"Exports were read by the adapters {_listed(used.adapters)}.")
    for source in sorted({s for s, _ in used.sources}):
        how = _listed({m for s, m in used.sources if s == source and m})
        sentences.append(f"Beats from {_SOURCE_WORDS.get(source, source)}: {how}.")
    return " ".join(sentences)


def _rhythm(used: Used) -> str:
    sentences = []
    if used.presets:
        windows = f" in windows of {_listed(used.windows)}" if used.windows else ""
        sentences.append(f"Heart rate variability was computed{windows} with the preset {_listed(used.presets)}.")
    if used.circadian:
        sentences.append(f"Circadian course: {_listed(used.circadian)}.")
    return " ".join(sentences)


def _laboratory(used: Used) -> str:
    kinds = biomarker_kinds()
    lines = []
    for name in sorted(used.biomarkers):
        how = _listed({m for b, m in used.methods if b == name})
        lines.append(f"- {kinds[name].long_name} ({kinds[name].unit})" + (f": {how}" if how else ""))
    return "Biomarkers that entered the table:\n\n" + "\n".join(lines) if lines else "No biomarker had a value."


def _index(used: Used) -> str:
    if not used.definitions:
        return "No allostatic load index was computed."
    parts = [f"`{name}`" + (f" against the reference {ref}" if ref else "") for name, ref in sorted(used.definitions)]
    return "Allostatic load index by definition: " + "; ".join(parts) + "."


def _listed(names: Iterable[str]) -> str:
    return "; ".join(sorted(names))


def _toml(settings: Mapping[str, Any]) -> str:
    lines: list[str] = []
    for name, value in settings.items():
        if isinstance(value, Mapping):
            lines += [f"[{name}]", *(f"{k} = {_value(v)}" for k, v in value.items()), ""]
        else:
            lines.insert(0, f"{name} = {_value(value)}")
    return "\n".join(lines)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, Sequence):
        return "[" + ", ".join(_value(v) for v in value) + "]"
    return str(value)
