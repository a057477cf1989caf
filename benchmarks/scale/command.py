"""``python -m benchmarks scale``: arguments, phases, what is stored and printed."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import benchmarks.scale
from benchmarks.scale.cohorts import collating, make_outputs
from benchmarks.scale.long import read_long, run_long
from benchmarks.scale.model import model
from benchmarks.scale.opening import opening, opening_line
from benchmarks.scale.runs import run_measured
from benchmarks.scale.studies import ECG_HZ, LONG_HZ, Member, made

PHASES = ("make", "rr", "ecg", "days", "collate", "open", "long", "model")


class Results:
    """What was measured so far, in a file that is written anew after each run."""

    def __init__(self, path: Path, settings: dict[str, Any]) -> None:
        self.path = path
        self.content: dict[str, Any] = json.loads(path.read_text()) if path.is_file() else {}
        if self.content.get("settings", settings) != settings:
            raise SystemExit(f"{path} was measured with other settings: {self.content['settings']}")
        self.content["settings"] = settings

    def has(self, phase: str, **about: Any) -> bool:
        """Whether a run of these properties is there."""
        return any(all(run.get(k) == v for k, v in about.items()) for run in self.content.get(phase, []))

    def add(self, phase: str, run: dict[str, Any]) -> None:
        """Store a run."""
        self.content.setdefault(phase, []).append(run)
        self.save()

    def put(self, name: str, value: Any) -> None:
        """Store a single value."""
        self.content[name] = value
        self.save()

    def save(self) -> None:
        """Write the file whole."""
        temporary = self.path.with_suffix(".partial")
        temporary.write_text(json.dumps(self.content, indent=1) + "\n")
        temporary.replace(self.path)


def members(kind: str, count: int, days: float) -> list[Member]:
    """Participants of one study."""
    return [Member(f"{kind}{n:05d}", days, None if kind == "rr" else ECG_HZ) for n in range(count)]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks scale",
        description=benchmarks.scale.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--participants", type=int, help="with RR (default 1000; 40 with --small)")
    parser.add_argument("--ecg", type=int, help="participants with ECG (default 50; 4 with --small)")
    parser.add_argument("--hours", type=float, default=24.0, help="length of each of these recordings (default 24)")
    parser.add_argument("--cohort", type=int, help="participants to collate (default 10000; 1000 with --small)")
    parser.add_argument("--long-days", type=float, help="length of the long ECG (default 14; 1 with --small)")
    parser.add_argument("--long-form", choices=("edf", "wfdb"), default="edf", help="its format")
    parser.add_argument("--repeats", type=int, default=1, help="runs with one and with two workers, in turns")
    parser.add_argument("--small", action="store_true", help="a quick look")
    parser.add_argument("--phase", action="append", choices=PHASES, help="only this one (repeatable)")
    parser.add_argument("--folder", type=Path, help="where studies and results are kept, to go on later")
    parser.add_argument("--json", type=Path, help="write the results to this file")
    chosen = parser.parse_args(arguments)
    chosen.cohort = chosen.cohort or (1000 if chosen.small else 10_000)
    chosen.long_days = chosen.long_days or (1.0 if chosen.small else 14.0)
    with tempfile.TemporaryDirectory() as name:
        folder = chosen.folder or Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        results = measured(chosen, folder)
    if chosen.json:
        chosen.json.write_text(json.dumps(results, indent=1) + "\n")
    return 0


def told(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def measured(chosen: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """All phases that were asked for and are not there yet."""
    n = {"rr": chosen.participants or (40 if chosen.small else 1000), "ecg": chosen.ecg or (4 if chosen.small else 50)}
    results = Results(folder / "results.json", {**n, "hours": chosen.hours})
    phases = chosen.phase or PHASES
    for kind in ("rr", "ecg"):
        if {kind, "make"} & set(phases):
            who = members(kind, n[kind], chosen.hours / 24)
            study = made(folder / kind, who, told)
            if kind in phases:
                runs_in_turns(results, kind, study, who, folder, range(chosen.repeats), (1, 2))
    if "days" in phases:
        for kind, lengths in (("rr", (0.5, 1, 3, 7, 14)), ("ecg", (0.5, 1, 3, 7))):
            count = 2 if chosen.small else 4
            who = [Member(f"{kind}{d:g}days{i}", d * chosen.hours / 24, None if kind == "rr" else ECG_HZ)
                   for d in lengths for i in range(count)]  # fmt: skip
            study = made(folder / f"days_{kind}", who, told)
            runs_in_turns(results, f"days_{kind}", study, who, folder, range(1), (1,))
    if "collate" in phases:
        root = make_outputs(folder / "cohort" / "out", chosen.cohort)
        for n in (chosen.cohort // 4, chosen.cohort // 2, chosen.cohort):
            if not results.has("collate", participants=n):
                run = collating(root, n)
                results.add("collate", run)
                print(collate_line(run), flush=True)
    if "open" in phases:
        root, study = make_outputs(folder / "cohort" / "out", chosen.cohort), folder / "rr-out"
        if not (root / "cohort.h5").is_file() or not (study / "cohort.h5").is_file():
            raise SystemExit("nothing to open in this folder yet: run the phases rr and collate first")
        results.put("open", opening(root, study))
        print(opening_line(results.content["open"]), flush=True)
    if "long" in phases and not results.has("long", days=chosen.long_days, form=chosen.long_form):
        who = [Member("long", chosen.long_days, LONG_HZ, chosen.long_form)]
        study = made(folder / f"long_{chosen.long_form}", who, told)
        for run in (read_long(study, folder / "long.h5"), run_long(study, folder / "long-out")):
            results.add("long", {"days": chosen.long_days, "form": chosen.long_form, **run})
            print(long_line(run), flush=True)
    if "model" in phases:
        results.put("model", model(results.content))
        print_model(results.content["model"])
    return results.content


def runs_in_turns(
    results: Results, phase: str, study: Path, who: Sequence[Member], folder: Path, repeats: range, jobs: Sequence[int]
) -> None:
    """The runs of one phase that are not there yet, with different numbers of workers taking turns."""
    results.put(f"{phase}_days", {m.name: m.days for m in who})
    for repeat in repeats:
        for count in jobs:
            if not results.has(phase, jobs=count, repeat=repeat):
                run = run_measured(study, folder / f"{phase}-out", count)
                results.add(phase, {"repeat": repeat, **run})
                print(run_line(phase, run, sum(m.days for m in who)), flush=True)


def run_line(phase: str, run: dict[str, Any], days: float) -> str:
    """One run as text."""
    n, hours = run["participants"], run["engine_s"] / 3600
    stages = ", ".join(f"{name} {seconds / n:.3f}" for name, seconds in run["stages_cpu_s"].items())
    return "\n".join([
        f"{phase:<9} {run['jobs']} workers  {n:>5} participants in {run['engine_s']:8.1f} s ("
        f"{n / run['engine_s']:.2f}/s, {days / hours:.0f} participant-days/h; "
        f"{run['other_cores']:.2f} cores were others')",
        f"          work {run['work_cpu_s'] / n:.3f} CPU s each; beyond it {100 * run['overhead_cpu']:.1f} % "
        f"({100 * run['overhead_cpu_before_collating']:.1f} % before collating), "
        f"{100 * run['overhead_wall']:.1f} % by the clock; start {run['start_s']:.1f} s, "
        f"collate {run['collate_s']:.1f} s",
        f"          peak {run['parent_peak_mb']:.0f} MB parent ({run['parent_running_mb']:.0f} before collating, "
        f"{run['parent_slope_mb_per_1000']:+.1f} per 1,000), {run['worker_peak_mb']:.0f} MB worker "
        f"({run['worker_slope_mb_per_minute']:+.1f} a minute, {run['worker_slope_mb_per_process']:+.1f} per process); "
        f"{run['bytes_out'] / 1e6 / days:.2f} MB a participant-day",
        f"          CPU s each: {stages}",
    ])  # fmt: skip


def collate_line(run: dict[str, Any]) -> str:
    """One collation as text."""
    n = run["participants"]
    return (
        f"collate   {n:>6} participants: {run['cpu_s']:.1f} CPU s ({1000 * run['cpu_s'] / n:.2f} ms each), "
        f"{run['wall_s']:.1f} s by the clock, peak {run['peak_mb']:.0f} MB, cohort.h5 "
        f"{run['bytes']['cohort.h5'] / 1e6:.1f} MB, index.html {run['bytes']['index.html'] / 1e6:.1f} MB"
    )


def long_line(run: dict[str, Any]) -> str:
    """One way of the long ECG as text."""
    peak = run.get("worker_peak_mb", run.get("peak_mb"))
    return (
        f"long      {run['way']:<15} peak {peak:.0f} MB (bar {run['bar_mb']:.0f}), "
        f"{run.get('work_cpu_s', run.get('cpu_s')):.1f} CPU s, {run['bytes'] / 1e6:.0f} MB written"
    )


def print_model(found: dict[str, Any]) -> None:
    """Scaling, costs and the projection as text."""
    for kind, s in found["scaling"].items():
        print(
            f"scaling 1 -> 2 workers, {kind}: {s['wall']:.2f} x by the clock "
            f"({s['other_cores']:.2f} cores were others'), {s['by_cpu']:.2f} x by CPU time (bar 1.8)"
        )
    for kind, share in found["overhead_cpu"].items():
        print(f"overhead of the runner, {kind}: {100 * share:.1f} % of the work (bar 5 %)")
    for kind, m in found["kinds"].items():
        cpu, size = m["cpu_s"], m["bytes"]
        error = [1.96 * cpu["covariance"][i][i] ** 0.5 for i in (0, 1)]
        hours = ", ".join(f"{h['hours']:.2f} ± {h['error']:.2f} h on {n}" for n, h in m["hours_on_workers"].items())
        print(
            f"model, {kind}: {cpu['per_participant']:.3f} ± {error[0]:.3f} CPU s a participant + "
            f"{cpu['per_day']:.3f} ± {error[1]:.3f} a day; {size['per_participant'] / 1e6:.2f} MB + "
            f"{size['per_day'] / 1e6:.2f} MB a day; participants differ by {100 * cpu['spread']:.0f} %\n"
            f"  {m['participants']:,} x {m['projected_days']:g} days: {hours} workers; "
            f"{m['total_gb']:.0f} ± {m['total_gb_error']:.0f} GB"
        )
