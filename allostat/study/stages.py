"""One participant from exports and lab rows to an index: the stages, each one step of the flow.

ingest → beats → hrv → circadian → labs → biomarkers → load. Nothing here is written; the result is a value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from allostat import __version__
from allostat.adapter import ReadOptions
from allostat.allostatic_load import allostatic_load
from allostat.beats import correct_beats, find_beats
from allostat.biomarker_rows import biomarkers, rule_notices
from allostat.biomarkers import BiomarkerTable
from allostat.circadian import circadian
from allostat.errors import AllostatError, InputError
from allostat.hrv import hrv, measure_set, person_hrv, seconds_of
from allostat.hrv_person import REST_VARIABLES
from allostat.labs import awakenings, lab_biomarkers
from allostat.labs.awakenings import Awakening, Wake
from allostat.quality import signal_quality
from allostat.reading import adapters
from allostat.recording import UNKNOWN_ZONE, Notice, Recording, TimeZone
from allostat.sleep import SleepWindow, sleep_windows
from allostat.store import ParticipantResult
from allostat.study.config import StudyConfig
from allostat.study.overlap import Series, rank, ranked, resolved, same_files_once
from allostat.study.summaries import heart_rate_windows

if TYPE_CHECKING:
    import xarray as xr

    from allostat.study.inputs import ParticipantRows
    from allostat.study.plan import ParticipantPlan

OnStage = Callable[[str], None]


@dataclass
class _Notes:
    """Notices gathered along the way."""

    items: list[Notice] = field(default_factory=list)

    def add(self, code: str, message: str, **about: Any) -> None:
        self.items.append(Notice(code, message, **about))


def process_participant(
    plan: ParticipantPlan, rows: ParticipantRows, config: StudyConfig, on_stage: OnStage = lambda stage: None
) -> ParticipantResult:
    """All stages for one participant.

    Parameters
    ----------
    plan
        The participant's exports, person and time zone.
    rows
        The participant's rows of the study's tables.
    config
        Settings of the study.
    on_stage
        Called with the name of each stage as it begins.

    Raises
    ------
    AllostatError
        When an input is damaged or contradictory: the participant fails, nothing is written.
    """
    notes = _Notes(list(plan.notices))
    on_stage("ingest")
    if plan.problems:
        raise InputError(f"{len(plan.problems)} problem(s): " + " | ".join(plan.problems[:5]))
    recordings, notices = ingest(plan)
    notes.items += notices
    for recording in recordings.values():
        notes.items += recording.notices
    rows = rows.joined(recordings.values())
    on_stage("beats")
    series, quality = detect(recordings.values(), notes)
    zone = participant_zone(plan, recordings.values())
    on_stage("hrv")
    windows = windowed_hrv(series, config)
    long, rest = by_purpose(series, config, notes)
    sleep = _sleep(long, zone, rows, notes)
    person = night_and_rest(long, rest, sleep, config)
    on_stage("circadian")
    course = _circadian(windows, series, zone, sleep, config, recordings)
    on_stage("labs")
    wake = _awakenings(sleep, long, rows, zone)
    lab_table, lab_results = laboratory(plan, rows, zone, notes, wake, sleep, config)
    on_stage("biomarkers")
    table = biomarkers(
        plan.participant, hrv=person, labs=lab_table, person=plan.person, medication=config.rules.medication,
        acute=config.rules.acute_crp,  # type: ignore[arg-type]
    )  # fmt: skip
    notes.items += rule_notices(table)
    on_stage("load")
    load = score(table, config)
    return ParticipantResult(
        participant=plan.participant,
        person=plan.person,
        recordings=recordings,
        beats={s.id: s.beats for s in series},
        hrv={**windows, "person": person},
        circadian=course,
        labs=lab_results,
        biomarkers=table,
        allostatic_load=load,
        quality=quality,
        provenance=provenance(plan, recordings.values(), rows, config, zone),
        notices=tuple(notes.items),
    )


def ingest(plan: ParticipantPlan) -> tuple[dict[str, Recording], list[Notice]]:
    """All recordings of the participant's exports, by an identifier unique within the participant; a file that lies
    there twice is taken once."""
    by_name = {a.name: a for a in adapters()}
    options = ReadOptions(participant=plan.participant, timezone=plan.timezone, timezone_source="profile")
    found: dict[str, Recording] = {}
    for export in plan.exports:
        for recording in by_name[export.adapter].read(export.source, options):
            key, n = recording.id, 2
            while key in found:
                key, n = f"{recording.id}-{n}", n + 1
            found[key] = recording
    return same_files_once(found.items())


def detect(recordings: Iterable[Recording], notes: _Notes) -> tuple[list[Series], dict[str, xr.Dataset]]:
    """Beats of each recording: from its first ECG, its first PPG, and as its device gave them; all corrected."""
    series: list[Series] = []
    quality: dict[str, xr.Dataset] = {}
    seen: dict[str, int] = {}
    for recording in recordings:
        n = seen[recording.id] = seen.get(recording.id, 0) + 1
        base = recording.id if n == 1 else f"{recording.id}-{n}"
        for kind in ("ecg", "ppg"):
            names = [name for name, signal in recording.signals.items() if signal.kind == kind and len(signal)]
            if not names:
                continue
            signal = recording.signals[names[0]]
            quality[f"{base}_{names[0]}"] = signal_quality(signal)
            series.append(Series(f"{base}_{names[0]}", recording, correct_beats(find_beats(signal))))
        for name, beats in recording.beats.items():
            if len(beats) < 2:
                notes.add("NO_BEATS", f"{base}, stream {name}: fewer than two beats")
            else:
                series.append(Series(f"{base}_{name}", recording, correct_beats(beats)))
    return series, quality


def participant_zone(plan: ParticipantPlan, recordings: Iterable[Recording]) -> TimeZone:
    """The participant's zone: as the study states it, else the one on which all recordings that know theirs agree."""
    if plan.timezone:
        return TimeZone(plan.timezone, "profile")
    zones = {r.timezone for r in recordings if r.timezone.known}
    return zones.pop() if len({z.name for z in zones}) == 1 else UNKNOWN_ZONE


def windowed_hrv(series: Sequence[Series], config: StudyConfig) -> dict[str, xr.Dataset]:
    """HRV of each series, by its identifier: in windows, or as a whole when it is shorter than one window."""
    window_s = seconds_of(config.hrv.window, "window")
    found = {}
    for item in series:
        if len(item.beats) > 2:
            steps = (config.hrv.window, config.hrv.step) if item.duration_s >= window_s else (None, None)
            found[item.id] = hrv(
                item.beats, steps[0], steps[1], config.hrv.preset, measures=measure_set(config.hrv.measures)
            )
    return found


def by_purpose(series: Sequence[Series], config: StudyConfig, notes: _Notes) -> tuple[list[Series], list[Series]]:
    """Long series for nights, and resting ones: of each recording time one source of beats only (`overlap`)."""
    long = [s for s in series if s.duration_s >= config.hrv.long_min_s and s.beats.epoch != "relative"]
    chosen, notices = resolved(_one_epoch(long), config.overlap)
    notes.items += notices
    rest = ranked((s for s in series if config.hrv.rest_min_s <= s.duration_s <= config.hrv.rest_max_s), config.overlap)
    best = [s for s in rest if rank(s, config.overlap) == rank(rest[0], config.overlap)]
    return chosen, _without_overlap(_one_epoch(best))


def night_and_rest(
    long: Sequence[Series], rest: Sequence[Series], sleep: Sequence[SleepWindow], config: StudyConfig
) -> xr.Dataset:
    """The person's HRV by night, from long series, and at rest, from resting ones."""
    by_night = person_hrv([s.beats for s in long], nights=sleep, rest=(), preset=config.hrv.preset)
    at_rest = person_hrv(
        [s.beats for s in rest],
        rest=[(int(s.beats.times_ns[0]), int(s.beats.times_ns[-1]) + 1) for s in rest],
        preset=config.hrv.preset,
    )
    return by_night.assign({name: at_rest[name].variable for name in REST_VARIABLES if name in at_rest})


def _one_epoch(series: Sequence[Series]) -> list[Series]:
    """The series of one epoch, the best known that occurs: an instant of one means nothing on the clock of another."""
    known = [e for e in ("utc", "local", "relative") if any(s.beats.epoch == e for s in series)]
    return [s for s in series if s.beats.epoch == known[0]] if known else []


def _without_overlap(ranked: Sequence[Series]) -> list[Series]:
    kept: list[Series] = []
    for candidate in ranked:
        start, end = candidate.beats.times_ns[0], candidate.beats.times_ns[-1]
        dated = candidate.beats.epoch != "relative"
        overlaps = dated and any(k.beats.times_ns[0] < end and start < k.beats.times_ns[-1] for k in kept)
        if not overlaps:
            kept.append(candidate)
    return sorted(kept, key=lambda s: (int(s.beats.times_ns[0]), s.id))


def _sleep(long: Sequence[Series], zone: TimeZone, rows: ParticipantRows, notes: _Notes) -> list[SleepWindow]:
    if long and not zone.known:
        notes.add("TIME_ZONE_UNKNOWN", "nights and circadian measures need a time zone: state it in participants.tsv")
        return []
    return sleep_windows([s.beats for s in long], zone, rows.diary) if long else []


def _circadian(
    windows: Mapping[str, xr.Dataset],
    series: Sequence[Series],
    zone: TimeZone,
    sleep: Sequence[SleepWindow],
    config: StudyConfig,
    recordings: Mapping[str, Recording],
) -> xr.Dataset | None:
    """Course of the heart rate over the days: of the longest series of beats, else of the device's own values."""
    candidates = [s for s in series if s.beats.epoch == "utc" and s.duration_s >= 24 * 3600 and s.id in windows]
    if not zone.known:
        return None
    if not candidates:
        summary = heart_rate_windows(recordings.items())
        if summary is None:
            return None
        return circadian(summary, zone, sleep).assign_attrs(series=summary.attrs["series"])
    longest = max(candidates, key=lambda s: (s.duration_s, -rank(s, config.overlap)))
    result = circadian(windows[longest.id]["hr_of_mean_nn"], zone, sleep)
    return result.assign_attrs(series=longest.id)


def _awakenings(
    sleep: Sequence[SleepWindow], long: Sequence[Series], rows: ParticipantRows, zone: TimeZone
) -> tuple[Awakening, ...]:
    """Awakenings of the diary and, of nights that it does not tell, of the heart rate."""
    estimated = [window for window in sleep if window.source == "heart_rate"]
    local = bool(long) and long[0].beats.epoch == "local"
    return awakenings(rows.diary, estimated, timezone=zone.name, sleep_epoch="local" if local else "utc")


def laboratory(
    plan: ParticipantPlan,
    rows: ParticipantRows,
    zone: TimeZone,
    notes: _Notes,
    wake: Wake | None = None,
    sleep: Sequence[SleepWindow] = (),
    config: StudyConfig = StudyConfig(),  # noqa: B008 (frozen)
) -> tuple[BiomarkerTable, xr.Dataset | None]:
    """Biomarkers of every occasion of the laboratory rows, and the results in detail of the first occasion.

    Without ``wake`` the awakenings are those of the diary.
    """
    occasions = sorted({r.occasion for r in rows.labs} | {r.occasion for r in rows.blood_pressure})
    table, details = BiomarkerTable(), None
    for occasion in occasions:
        one, dataset, notices = lab_biomarkers(
            rows.labs,
            plan.person,
            wake=rows.diary if wake is None else wake,
            readings=rows.blood_pressure,
            sleep=[(s.start_ns, s.end_ns) for s in sleep],
            timezone=zone.name,
            occasion=occasion,
            lod=config.rules.below_lod,  # type: ignore[arg-type]
        )
        table = table.merged(one)
        details = dataset if details is None else details
        notes.items += notices
    return table, details


def laboratory_problem(plan: ParticipantPlan, rows: ParticipantRows) -> str | None:
    """What is wrong with a participant's laboratory rows taken together; None when nothing is."""
    zone = TimeZone(plan.timezone, "profile") if plan.timezone else UNKNOWN_ZONE
    try:
        laboratory(plan, rows, zone, _Notes())
    except AllostatError as error:
        return str(error)
    return None


def score(table: BiomarkerTable, config: StudyConfig) -> dict[str, xr.Dataset]:
    """The index by each definition of the study."""
    return {
        name: allostatic_load(table, definition=name, reference=config.allostatic_load.reference)
        for name in config.allostatic_load.definitions
    }


def provenance(
    plan: ParticipantPlan,
    recordings: Iterable[Recording],
    rows: ParticipantRows,
    config: StudyConfig,
    zone: TimeZone,
) -> dict[str, Any]:
    """Where the participant's numbers come from: inputs with hashes, adapters, table rows, settings, versions."""
    import numba
    import numpy
    import xarray

    inputs = {
        (f.name, f.member, f.sha256, f.bytes, r.provenance.adapter, r.provenance.adapter_version)
        for r in recordings
        for f in r.provenance.inputs
    }
    keys = ("name", "member", "sha256", "bytes", "adapter", "adapter_version")
    return {
        "inputs": [dict(zip(keys, item, strict=True)) for item in sorted(inputs, key=str)],
        "tables": rows.hashes,
        **({"table_versions": rows.versions} if rows.versions else {}),
        "timezone": {"name": zone.name, "source": zone.source},
        "settings": {"config": config.toml()},
        "versions": {
            "allostat": __version__,
            "numba": numba.__version__,
            "numpy": numpy.__version__,
            "xarray": xarray.__version__,
        },
    }
