"""Coverage against accuracy of the signal quality index on a ladder of noise, as a table and a figure.

    python -m benchmarks.quality_ladder                              table
    python -m benchmarks.quality_ladder --svg docs/signal_quality.svg

Beats of known instants get noise at 24 to -6 dB (`tests.reference.noise`). Simulated signals are always there; with
ALLOSTAT_RECORDINGS set, MIT-BIH records are added. Thresholds were chosen on one half of the material, every other
signal; the table and the figure show the other half. BIDMC recordings are added as they are, without noise.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from allostat.kernels import r_peaks, systolic_peaks
from allostat.quality import MARGIN, TEMPLATE_CORRELATION, QualityReason, clear_of_noise, signal_quality
from allostat.recording import Clock, Signal
from allostat.simulate import simulate_ecg, simulate_ppg
from benchmarks import accuracy
from tests.reference import mitbih, noise, waves

Floats = NDArray[np.float64]
Kind = Literal["ecg", "ppg"]
WINDOW_S = 10.0
SIMULATED_S = 600.0
SIMULATED = 6
RECORDED_S = 600.0
CLEAN_DB = 99.0
SECOND_WAVES = (0.10, 0.22, 0.16, 0.14, 0.24, 0.19)
"""Heights of second waves, as shares of the pulse: from where one shows to where the detector takes it for a pulse."""
MARGINS = (0.0, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.7, 2.0, 2.5, 3.0, 4.0)
CORRELATIONS = (0.0, 0.4, 0.5, 0.6, 0.66, 0.7, 0.75, 0.8, 0.86, 0.9, 0.93, 0.95, 0.97)


@dataclass(frozen=True)
class Material:
    """A signal whose beats are known, in samples; ``height`` is the usual height of a beat."""

    name: str
    kind: Kind
    recorded: bool
    samples: Floats
    beats: Floats
    rate: float
    height: float
    unmarked: tuple[tuple[int, int], ...] = ()
    """Stretches whose beats nobody marked."""
    second_wave: bool = False
    """A pulse whose second wave is high."""

    @property
    def origin(self) -> str:
        """Where it comes from, as tables and legends name it."""
        if self.second_wave:
            return "second wave"
        return "recorded" if self.recorded else "simulated"


@dataclass(frozen=True)
class Windows:
    """Windows of one signal on one rung: measures, and beats found, missed and extra."""

    material: Material
    noise: str
    db: float
    reasons: NDArray[np.int64]
    correlation: Floats
    margin: Floats
    margin_apart: Floats
    hits: NDArray[np.int64]
    missed: NDArray[np.int64]
    extra: NDArray[np.int64]

    def accepted(self, correlation: float, margin: float) -> NDArray[np.bool_]:
        """Windows accepted with other thresholds for noise than the shipped ones."""
        other = self.reasons & ~int(QualityReason.NOISE)
        clear = clear_of_noise(self.margin, self.margin_apart, margin)
        accepted: NDArray[np.bool_] = (other == 0) & (self.correlation >= correlation) & clear
        return accepted


def simulated(kind: Kind, persons: int = SIMULATED, duration_s: float = SIMULATED_S) -> Iterator[Material]:
    """Signals of persons at rest with their usual noise, every third one without ectopic beats."""
    for seed in range(persons):
        if kind == "ecg":
            drawn = simulate_ecg(duration_s, 130.0, seed, ectopic_rate=0.02 * (seed % 3), hr_bpm=55.0 + 6.0 * seed)
        else:
            drawn = simulate_ppg(duration_s, 64.0, seed, ectopic_rate=0.02 * (seed % 3), hr_bpm=55.0 + 6.0 * seed)
        height = 1200.0 if kind == "ecg" else 1000.0
        samples = drawn.samples.astype(np.float64)
        yield Material(f"simulated {seed}", kind, False, samples, drawn.beat_samples, drawn.sampling_rate, height)


def second_waves(persons: int = SIMULATED, first: int = 0) -> Iterator[Material]:
    """Simulated pulses with a notch and a second wave behind each, as high as fingers of the young show them."""
    for seed, material in enumerate(simulated("ppg", first + persons)):
        if seed < first:
            continue
        rng = np.random.default_rng([seed, 2])
        samples = material.samples.copy()
        at = np.arange(len(samples), dtype=np.float64) / material.rate
        usual = SECOND_WAVES[seed % len(SECOND_WAVES)] * material.height
        for beat in material.beats / material.rate:
            start, stop = np.searchsorted(at, (beat - 0.1, beat + 0.7))
            lags = at[start:stop] - beat
            height = usual * np.exp(rng.normal(0.0, 0.08))
            for lag, share in ((0.20, -0.7), (0.34, 1.0)):
                samples[start:stop] += share * height * np.exp(-0.5 * ((lags - lag) / 0.06) ** 2)
        yield replace(material, name=f"second wave {seed}", samples=samples, second_wave=True)


def recorded(folder: Path) -> Iterator[Material]:
    """First leads of the MIT-BIH records in ``folder``, their first minutes."""
    for name in mitbih.records(folder):
        record = mitbih.read(folder, name)
        n = int(RECORDED_S * record.rate)
        samples = record.signals[:n, 0].astype(np.float64)
        beats = record.beats[record.beats < n].astype(np.float64)
        reach = int(0.1 * record.rate)
        height = float(np.median([np.ptp(samples[max(int(at) - reach, 0) : int(at) + reach]) for at in beats]))
        yield Material(name, "ecg", True, samples, beats, record.rate, height, record.flutter)


def pulses(folder: Path) -> Iterator[Material]:
    """PPG of BIDMC; its beats are the R peaks beside it, later by the pulse arrival time of the recording."""
    rate = accuracy.BIDMC_RATE_HZ
    for number, (ppg, ecg) in enumerate(accuracy.bidmc(folder)):
        beats = r_peaks(ecg, rate).astype(np.float64)
        lag, _ = accuracy.best_lag(beats, systolic_peaks(ppg, rate).astype(np.float64))
        yield Material(f"bidmc {number + 1}", "ppg", True, ppg, beats + lag * rate, rate, float("nan"))


def rungs(material: Material, noises: tuple[str, ...], seed: int) -> Iterator[Windows]:
    """The signal as it is, and with each noise on each rung."""
    yield judged(material, material.samples, "none", CLEAN_DB)
    for number, kind in enumerate(noises):
        for db in noise.RUNGS_DB:
            rng = np.random.default_rng([seed, number, int(db) + 100])
            noisy = noise.at_ratio(material.samples, material.height, kind, db, material.rate, rng)
            yield judged(material, noisy, kind, db)


def judged(material: Material, samples: Floats, kind: str, db: float) -> Windows:
    """Quality and truth of each whole window."""
    rate = material.rate
    length = round(WINDOW_S * rate)
    whole = len(samples) // length
    samples = samples[: whole * length]
    signal = Signal(material.kind, material.kind, samples, Clock.regular(len(samples), rate), "1")
    quality = signal_quality(signal, WINDOW_S)
    detect: Callable[..., NDArray[np.int64]] = r_peaks if material.kind == "ecg" else systolic_peaks
    found = detect(samples, rate)
    truth = material.beats[material.beats < len(samples)]
    pairs = waves.matched(truth, found.astype(np.float64), accuracy.WITHIN_S * rate)
    missed, extra = np.delete(truth, pairs[:, 0]), np.delete(found, pairs[:, 1])
    edges = np.arange(whole + 1) * length
    marked = np.ones(whole, dtype=bool)
    for start, stop in material.unmarked:
        marked &= (edges[1:] <= start) | (edges[:-1] > stop)
    return Windows(
        material,
        kind,
        db,
        quality["reasons"].values.astype(np.int64)[marked],
        quality["template_correlation"].values[marked],
        quality["margin"].values[marked],
        quality["margin_apart"].values[marked],
        *(np.histogram(at, edges)[0][marked] for at in (found[pairs[:, 1]], missed, extra)),
    )


def summary(windows: list[Windows], correlation: float, margin: float) -> tuple[float, float, int]:
    """Share of windows accepted, F1 of the beats in them, and number of windows."""
    total = sum(len(w.reasons) for w in windows)
    chosen = [w.accepted(correlation, margin) for w in windows]
    hits, missed, extra = (
        sum(int(getattr(w, name)[c].sum()) for w, c in zip(windows, chosen, strict=True))
        for name in ("hits", "missed", "extra")
    )
    accepted = sum(int(c.sum()) for c in chosen)
    f1 = 2 * hits / (2 * hits + missed + extra) if hits else float("nan")
    return accepted / total if total else float("nan"), f1, total


def table(windows: list[Windows]) -> str:
    """One line per kind of signal, origin, noise and rung: coverage, F1 in all windows and in accepted ones."""
    lines = [f"{'':<18}{'noise':<10}{'dB':>5}{'windows':>9}{'coverage':>10}{'F1 of all':>11}{'F1 accepted':>13}"]
    groups: dict[tuple[str, str, float], list[Windows]] = {}
    for w in windows:
        origin = f"{w.material.kind} {w.material.origin}"
        groups.setdefault((origin, w.noise, w.db), []).append(w)
        if w.noise != "none":
            groups.setdefault((origin, "any", w.db), []).append(w)
        groups.setdefault((origin, "all", 0.0), []).append(w)
    for (origin, kind, db), group in sorted(groups.items(), key=lambda item: (item[0][0], item[0][1], -item[0][2])):
        signal_kind = group[0].material.kind
        coverage, f1, total = summary(group, TEMPLATE_CORRELATION[signal_kind], MARGIN[signal_kind])
        plain = sum(int(w.hits.sum()) for w in group)
        wrong = sum(int(w.missed.sum() + w.extra.sum()) for w in group)
        rung = "" if kind in ("none", "all") else f"{db:g}"
        lines.append(
            f"{origin:<18}{kind:<10}{rung:>5}{total:>9}{100 * coverage:>9.1f}%"
            f"{200 * plain / (2 * plain + wrong):>10.2f}%{100 * f1:>12.3f}%"
        )
    return "\n".join(lines)


def draw(windows: list[Windows], path: Path) -> None:
    """Share of beats that are wrong against coverage as the thresholds move, and both by rung."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    matplotlib.rcParams.update({"svg.hashsalt": "allostat", "font.size": 8, "svg.fonttype": "none"})
    figure, axes = pyplot.subplots(2, 2, figsize=(7.5, 6.0), layout="constrained")
    for column, kind in enumerate(("ecg", "ppg")):
        _trade_off(axes[0, column], kind, windows)
        _by_rung(axes[1, column], kind, windows)
    figure.savefig(path, metadata={"Date": None, "Creator": None})


def _origins(kind: str, windows: list[Windows]) -> Iterator[tuple[str, str, list[Windows]]]:
    of_kind = [w for w in windows if w.material.kind == kind]
    for name, colour in (("simulated", "#0072b2"), ("recorded", "#d55e00"), ("second wave", "#009e73")):
        chosen = [w for w in of_kind if w.material.origin == name]
        if chosen:
            yield name if any(w.noise != "none" for w in chosen) else f"{name}, no noise added", colour, chosen


def _trade_off(axis: Any, kind: str, windows: list[Windows]) -> None:
    usual, margin = TEMPLATE_CORRELATION[kind], MARGIN[kind]
    for name, colour, chosen in _origins(kind, windows):
        by_margin = np.array([summary(chosen, usual, m)[:2] for m in MARGINS])
        by_likeness = np.array([summary(chosen, c, -np.inf)[:2] for c in CORRELATIONS])
        shipped = summary(chosen, usual, margin)
        axis.plot(100 * by_margin[:, 0], _wrong(by_margin[:, 1]), "-", color=colour, label=f"{name}: margin moves")
        axis.plot(
            100 * by_likeness[:, 0], _wrong(by_likeness[:, 1]), ":", color=colour, label=f"{name}: correlation alone"
        )
        axis.plot(100 * shipped[0], _wrong(np.array(shipped[1])), "o", color=colour, label=f"{name}: as shipped")
    axis.set(yscale="log", xlabel="windows accepted (%)", ylabel="100 % - F1 (%)", title=kind.upper())
    axis.axhline(0.1, color="0.6", linewidth=0.8)
    axis.legend(fontsize=6)


def _by_rung(axis: Any, kind: str, windows: list[Windows]) -> None:
    usual, margin = TEMPLATE_CORRELATION[kind], MARGIN[kind]
    for name, colour, chosen in _origins(kind, windows):
        noisy = [w for w in chosen if w.noise != "none"]
        if not noisy:
            continue
        points = [[w for w in noisy if w.db == db] for db in noise.RUNGS_DB]
        coverage = [100 * summary(p, usual, margin)[0] for p in points]
        everywhere = [100 * summary(p, -np.inf, -np.inf)[1] for p in points]
        inside = [100 * summary(p, usual, margin)[1] for p in points]
        axis.plot(noise.RUNGS_DB, coverage, "--", color=colour, label=f"{name}: windows accepted")
        axis.plot(noise.RUNGS_DB, everywhere, ":", color=colour, label=f"{name}: F1, all windows")
        axis.plot(noise.RUNGS_DB, inside, "-", color=colour, label=f"{name}: F1, accepted")
    axis.set(xlabel="signal to noise (dB)", ylabel="%")
    axis.invert_xaxis()
    axis.legend(fontsize=6)


def _wrong(f1: Floats) -> Floats:
    return np.maximum(100.0 * (1.0 - f1), 1e-3)


def measured(root: Path | None, half: int) -> list[Windows]:
    """All windows of one half of the material; BIDMC, on which nothing was chosen here, as a whole."""
    found: list[Windows] = []
    sources: list[tuple[Iterator[Material], tuple[str, ...]]] = [
        (simulated("ecg"), noise.ECG_KINDS),
        (simulated("ppg"), noise.PPG_KINDS),
        (second_waves(), noise.PPG_KINDS),
    ]
    if root is not None and (root / "mitdb").is_dir():
        sources.append((recorded(root / "mitdb"), noise.ECG_KINDS))
    for materials, noises in sources:
        for seed, material in enumerate(materials):
            if seed % 2 == half:
                found += rungs(material, noises, seed)
    if root is not None and (root / "bidmc").is_dir():
        for material in pulses(root / "bidmc"):
            found += rungs(material, (), 0)
    return found


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.quality_ladder",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--svg", type=Path, help="write the figure to this file")
    parser.add_argument("--chosen", action="store_true", help="the half on which the thresholds were chosen")
    options = parser.parse_args(arguments)
    root = os.environ.get("ALLOSTAT_RECORDINGS")
    windows = measured(Path(root) if root else None, 0 if options.chosen else 1)
    print(table(windows))
    if options.svg:
        draw(windows, options.svg)
    return 0


if __name__ == "__main__":
    sys.exit(main())
