"""One participant from exports and lab rows to an index: the stages, each one step of the flow.

ingest → beats → hrv → circadian → labs → biomarkers → load. Nothing here is written; the result is a value. What stands
of an earlier run (`reuse`) is taken as it is; a stage that runs is given what its rule names (`fingerprints`), no more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from allostat.adapter import ReadOptions
from allostat.allostatic_load import allostatic_load
from allostat.beats import correct_beats, find_beats
from allostat.biomarker_rows import biomarkers, rule_notices
from allostat.biomarkers import BiomarkerTable, Person
from allostat.circadian import circadian
from allostat.errors import AllostatError, InputError
from allostat.labs import awakenings, lab_biomarkers
from allostat.labs.awakenings import Awakening, Wake
from allostat.quality import signal_quality
from allostat.reading import adapters
from allostat.recording import UNKNOWN_ZONE, Beats, Notice, Recording, Signal, TimeZone
from allostat.samples import SPOOL_ABOVE_BYTES
from allostat.sleep import SleepWindow, sleep_windows
from allostat.store import ParticipantResult
from allostat.study.config import StudyConfig
from allostat.study.fingerprints import RESULT_SETTINGS, RULES, STAGES, Basis
from allostat.study.overlap import Series, rank, same_files_once
from allostat.study.purposes import long_series, night_and_rest, short_series, shortness, windowed_hrv
from allostat.study.reuse import KEPT, LARGE, LEFT_OUT, NOTHING, READ_BACK_BYTES, Standing, noted_by_stage
from allostat.study.summaries import heart_rate_windows

if TYPE_CHECKING:
    import xarray as xr

    from allostat.study.inputs import ParticipantRows
    from allostat.study.plan import ParticipantPlan

OnStage = Callable[[str], None]

COMPUTED = STAGES[:-1]
"""The stages that compute; the last one writes."""


@dataclass(frozen=True)
class Given:
    """What one stage is given: only what its rule names; the rest is absent or has its default."""

    plan: ParticipantPlan
    rows: ParticipantRows
    config: StudyConfig

    def for_stage(self, stage: str) -> Given:
        """The part that the rule of a stage names."""
        rule = RULES[stage]
        plan, rows, named = self.plan, self.rows, rule.inputs
        return Given(
            replace(
                plan,
                person=plan.person if "person" in named else Person(plan.participant),
                timezone=plan.timezone if "time zone" in named else None,
                exports=plan.exports if "exports" in named else (),
                unread=plan.unread if "unread" in named else (),
                problems=plan.problems if "problems" in named else (),
            ),
            replace(
                rows,
                labs=rows.labs if "labs" in named else (),
                blood_pressure=rows.blood_pressure if "blood_pressure" in named else (),
                diary=rows.diary if "diary" in named else (),
            ),
            self.config.only(rule.settings),
        )


@dataclass
class Made:
    """What the stages made so far, or what stood of it."""

    given: Given
    recordings: Mapping[str, Recording] = field(default_factory=dict)
    beats: Mapping[str, Beats] = field(default_factory=dict)
    quality: Mapping[str, xr.Dataset] = field(default_factory=dict)
    hrv: Mapping[str, xr.Dataset] = field(default_factory=dict)
    circadian: xr.Dataset | None = None
    labs: xr.Dataset | None = None
    measured: BiomarkerTable = field(default_factory=BiomarkerTable)
    biomarkers: BiomarkerTable = field(default_factory=BiomarkerTable)
    allostatic_load: Mapping[str, xr.Dataset] = field(default_factory=dict)
    notices: dict[str, tuple[Notice, ...]] = field(default_factory=dict)

    @cached_property
    def series(self) -> list[Series]:
        """The corrected beats with the recordings that they are of."""
        return [Series(s.id, s.recording, self.beats[s.id]) for s in streams(self.recordings.values())]

    @cached_property
    def zone(self) -> TimeZone:
        """The participant's zone: as the study states it, else the one on which all recordings with a zone agree."""
        if self.given.plan.timezone:
            return TimeZone(self.given.plan.timezone, "profile")
        zones = [r.timezone for r in self.recordings.values() if r.timezone.known]
        return zones[0] if len({z.name for z in zones}) == 1 else UNKNOWN_ZONE

    @cached_property
    def nights(self) -> Nights:
        """Series that are long enough for nights, and sleep in them."""
        given = self.given.for_stage("nights")
        long, notices = long_series(self.series, given.config)
        if long and not self.zone.known:
            message = "nights and circadian measures need a time zone: state it in participants.tsv"
            return Nights(long, [], (*notices, Notice("TIME_ZONE_UNKNOWN", message)))
        sleep = sleep_windows([s.beats for s in long], self.zone, given.rows.diary) if long else []
        return Nights(long, sleep, tuple(notices))


@dataclass(frozen=True)
class Nights:
    """Long series of beats, sleep in them, and what is to be told of them."""

    long: Sequence[Series]
    sleep: Sequence[SleepWindow]
    notices: tuple[Notice, ...]


def process_participant(
    plan: ParticipantPlan,
    rows: ParticipantRows,
    config: StudyConfig,
    on_stage: OnStage = lambda stage: None,
    *,
    bases: Mapping[str, Basis],
    standing: Standing = NOTHING,
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
        Called with the name of each stage that runs, as it begins.
    bases
        What each stage rests on (`fingerprints.bases_of`); the result states the fingerprints.
    standing
        What stands of an earlier run; by default every stage runs.

    Raises
    ------
    AllostatError
        When an input is damaged or contradictory: the participant fails, nothing is written.
    """
    whole = Given(plan, rows, config)
    made = _stood(whole, standing)
    for stage in COMPUTED:
        if stage not in standing.stages:
            on_stage(stage)
            made.notices[stage] = _RUN[stage](made, whole.for_stage(stage))
    made.notices["report"] = plan.notices
    return ParticipantResult(
        participant=plan.participant,
        person=plan.person,
        recordings=made.recordings,
        beats=made.beats,
        hrv=made.hrv,
        circadian=made.circadian,
        labs=made.labs,
        measured=made.measured,
        biomarkers=made.biomarkers,
        allostatic_load=made.allostatic_load,
        quality=made.quality,
        provenance=provenance(made, bases),
        notices=noted_by_stage(made.notices),
    )


def _stood(given: Given, standing: Standing) -> Made:
    stood, stages = standing.result, standing.stages
    made = Made(given, notices={stage: standing.notices[stage] for stage in stages})
    if stood is None:
        return made
    if "ingest" in stages:
        made.recordings = stood.recordings
    if "beats" in stages:
        made.beats, made.quality = stood.beats, stood.quality
    if "hrv" in stages:
        made.hrv = stood.hrv
    if "circadian" in stages:
        made.circadian = stood.circadian
    if "labs" in stages:
        made.labs, made.measured = stood.labs, stood.measured
    if "biomarkers" in stages:
        made.biomarkers = stood.biomarkers
    if "load" in stages:
        made.allostatic_load = stood.allostatic_load
    return made


def _ingest(made: Made, given: Given) -> tuple[Notice, ...]:
    if given.plan.problems:
        raise InputError(f"{len(given.plan.problems)} problem(s): " + " | ".join(given.plan.problems[:5]))
    made.recordings, notices = ingest(given.plan)
    return (*notices, *(n for recording in made.recordings.values() for n in recording.notices))


def _beats(made: Made, given: Given) -> tuple[Notice, ...]:
    made.beats, made.quality = detect(made.recordings.values())
    return tuple(
        Notice("NO_BEATS", f"{base}, stream {name}: fewer than two beats")
        for base, recording in _numbered(made.recordings.values())
        for name, beats in recording.beats.items()
        if len(beats) < 2
    )


def _hrv(made: Made, given: Given) -> tuple[Notice, ...]:
    windows = windowed_hrv(made.series, given.config)
    nights = made.nights
    made.hrv = {**windows, "person": night_and_rest(nights.long, made.series, nights.sleep, given.config)}
    return (*nights.notices, *shortness(short_series(made.series, given.config), given.config))


def _circadian(made: Made, given: Given) -> tuple[Notice, ...]:
    made.circadian = course(made, given.config)
    return ()


def _labs(made: Made, given: Given) -> tuple[Notice, ...]:
    rows = given.rows.joined(made.recordings.values())
    nights = made.nights
    wake = _awakenings(nights.sleep, nights.long, rows, made.zone)
    table, made.labs, notices = laboratory(given.plan, rows, made.zone, wake, nights.sleep, given.config)
    made.measured = BiomarkerTable(table.rows)
    return tuple(notices)


def _biomarkers(made: Made, given: Given) -> tuple[Notice, ...]:
    rules = given.config.rules
    made.biomarkers = biomarkers(
        given.plan.participant, hrv=made.hrv["person"], labs=made.measured, person=given.plan.person,
        medication=rules.medication, acute=rules.acute_crp,  # type: ignore[arg-type]
    )  # fmt: skip
    return rule_notices(made.biomarkers)


def _load(made: Made, given: Given) -> tuple[Notice, ...]:
    made.allostatic_load = score(made.biomarkers, given.config)
    return ()


_RUN: Mapping[str, Callable[[Made, Given], tuple[Notice, ...]]] = {
    "ingest": _ingest, "beats": _beats, "hrv": _hrv, "circadian": _circadian, "labs": _labs,
    "biomarkers": _biomarkers, "load": _load,
}  # fmt: skip


def ingest(plan: ParticipantPlan) -> tuple[dict[str, Recording], list[Notice]]:
    """All recordings of the participant's exports, by an identifier unique within the participant; a file that lies
    there twice is taken once."""
    by_name = {a.name: a for a in adapters()}
    options = ReadOptions(
        participant=plan.participant, timezone=plan.timezone, timezone_source="profile", spool_above=SPOOL_ABOVE_BYTES
    )
    found: dict[str, Recording] = {}
    for export in plan.exports:
        for recording in by_name[export.adapter].read(export.source, options):
            key, n = recording.id, 2
            while key in found:
                key, n = f"{recording.id}-{n}", n + 1
            found[key] = recording
    return same_files_once(found.items())


@dataclass(frozen=True)
class Stream:
    """One stream of one recording that beats come from: a signal to find them in, or the device's own."""

    id: str
    recording: Recording
    source: Signal | Beats


def streams(recordings: Iterable[Recording]) -> list[Stream]:
    """Of each recording its first ECG, its first PPG, and the beats that its device gave."""
    found: list[Stream] = []
    for base, recording in _numbered(recordings):
        for kind in ("ecg", "ppg"):
            names = [name for name, signal in recording.signals.items() if signal.kind == kind and len(signal)]
            found += [Stream(f"{base}_{name}", recording, recording.signals[name]) for name in names[:1]]
        found += [Stream(f"{base}_{name}", recording, b) for name, b in recording.beats.items() if len(b) >= 2]
    return found


def _numbered(recordings: Iterable[Recording]) -> list[tuple[str, Recording]]:
    """Recordings with their ids, further ones of one id with a number."""
    seen: dict[str, int] = {}
    found = []
    for recording in recordings:
        n = seen[recording.id] = seen.get(recording.id, 0) + 1
        found.append((recording.id if n == 1 else f"{recording.id}-{n}", recording))
    return found


def detect(recordings: Iterable[Recording]) -> tuple[dict[str, Beats], dict[str, xr.Dataset]]:
    """Corrected beats of each stream, and the quality of each signal, by the identifier of the stream."""
    beats: dict[str, Beats] = {}
    quality: dict[str, xr.Dataset] = {}
    for stream in streams(recordings):
        if isinstance(stream.source, Signal):
            quality[stream.id] = signal_quality(stream.source)
            beats[stream.id] = correct_beats(find_beats(stream.source))
        else:
            beats[stream.id] = correct_beats(stream.source)
    return beats, quality


def course(made: Made, config: StudyConfig) -> xr.Dataset | None:
    """Course of the heart rate over the days: of the longest series of beats, else of the device's own values."""
    zone, sleep = made.zone, made.nights.sleep
    candidates = [s for s in made.series if s.beats.epoch == "utc" and s.duration_s >= 24 * 3600 and s.id in made.hrv]
    if not zone.known:
        return None
    if not candidates:
        summary = heart_rate_windows(made.recordings.items())
        if summary is None:
            return None
        return circadian(summary, zone, sleep).assign_attrs(series=summary.attrs["series"])
    longest = max(candidates, key=lambda s: (s.duration_s, -rank(s, config.overlap)))
    result = circadian(made.hrv[longest.id]["hr_of_mean_nn"], zone, sleep)
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
    wake: Wake | None = None,
    sleep: Sequence[SleepWindow] = (),
    config: StudyConfig = StudyConfig(),  # noqa: B008 (frozen)
) -> tuple[BiomarkerTable, xr.Dataset | None, list[Notice]]:
    """Biomarkers of every occasion of the laboratory rows as measured, the results in detail of the first occasion, and
    what is to be told.

    Without ``wake`` the awakenings are those of the diary.
    """
    occasions = sorted({r.occasion for r in rows.labs} | {r.occasion for r in rows.blood_pressure})
    table, details, told = BiomarkerTable(), None, list[Notice]()
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
        told += notices
    return table, details, told


def laboratory_problem(plan: ParticipantPlan, rows: ParticipantRows) -> str | None:
    """What is wrong with a participant's laboratory rows taken together; None when nothing is."""
    zone = TimeZone(plan.timezone, "profile") if plan.timezone else UNKNOWN_ZONE
    try:
        laboratory(plan, rows, zone)
    except AllostatError as error:
        return str(error)
    return None


def score(table: BiomarkerTable, config: StudyConfig) -> dict[str, xr.Dataset]:
    """The index by each definition of the study."""
    return {
        name: allostatic_load(table, definition=name, reference=config.allostatic_load.reference)
        for name in config.allostatic_load.definitions
    }


def provenance(made: Made, bases: Mapping[str, Basis]) -> dict[str, Any]:
    """Where the participant's numbers come from: inputs with hashes, adapters, own table rows, settings, versions, and
    the fingerprint and the number of notices of each stage."""
    inputs = {
        (f.name, f.member, f.sha256, f.bytes, r.provenance.adapter, r.provenance.adapter_version)
        for r in made.recordings.values()
        for f in r.provenance.inputs
    }
    keys = ("name", "member", "sha256", "bytes", "adapter", "adapter_version")
    rows, config = made.given.rows, made.given.config
    return {
        "inputs": [dict(zip(keys, item, strict=True)) for item in sorted(inputs, key=str)],
        "tables": {rows.names.get(kind, kind): sha for kind, sha in rows.hashes.items()},
        "timezone": {"name": made.zone.name, "source": made.zone.source},
        "settings": {"config": config.toml(RESULT_SETTINGS)},
        "versions": dict(bases["report"].versions),
        "signals": _signals_kept(made.recordings.values(), config),
        "stages": {
            stage: {"fingerprint": bases[stage].fingerprint, "notices": len(made.notices[stage])} for stage in STAGES
        },
    }


def _signals_kept(recordings: Iterable[Recording], config: StudyConfig) -> str:
    """Whether a later run can take the raw signals from the file."""
    sizes = [len(s) * s.samples.dtype.itemsize for r in recordings for s in r.signals.values()]
    if sizes and not config.run.keep_signals:
        return LEFT_OUT
    return LARGE if sum(sizes) > READ_BACK_BYTES else KEPT
