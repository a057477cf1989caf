"""NeuroKit2 and SciPy, which allostat depends on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

PACKAGES = ("neurokit2", "scipy")

Pair = tuple[Callable[[], Any], Callable[[Any], Any]]


def _r_peaks(method: str, cleaning: str) -> Callable[..., Pair]:
    def prepare(ecg: Any, rate_hz: float) -> Pair:
        import neurokit2

        rate, signal = round(rate_hz), ecg.astype(float)

        def call() -> Any:
            clean = neurokit2.ecg_clean(signal, sampling_rate=rate, method=cleaning)
            return neurokit2.ecg_findpeaks(clean, sampling_rate=rate, method=method)["ECG_R_Peaks"]

        return call, lambda peaks: np.asarray(peaks) / rate_hz

    return prepare


def _systolic_peaks(method: str) -> Callable[..., Pair]:
    def prepare(ppg: Any, rate_hz: float) -> Pair:
        import neurokit2

        rate = round(rate_hz)

        def call() -> Any:
            clean = neurokit2.ppg_clean(ppg, sampling_rate=rate, method="elgendi")
            return neurokit2.ppg_findpeaks(clean, sampling_rate=rate, method=method)["PPG_Peaks"]

        return call, lambda peaks: np.asarray(peaks) / rate_hz

    return prepare


def _fixpeaks(iterative: bool, answer: Callable[[Any], Any]) -> Callable[..., Pair]:
    def prepare(times_ms: Any) -> Pair:
        import neurokit2

        samples = np.round(times_ms).astype(int)

        def call() -> Any:
            return neurokit2.signal_fixpeaks(samples, sampling_rate=1000, iterative=iterative, method="Kubios")

        return call, answer

    return prepare


def _corrected(result: Any) -> Any:
    times = result[1]
    return {"beats": len(times), "sdnn": np.diff(times).std(ddof=1), "end_ms": times[-1]}


def _class_counts(result: Any) -> Any:
    found = result[0]
    names = {"ectopic": "ectopic", "missed": "missed", "extra": "extra", "long_or_short": "longshort"}
    return {name: len(found[key]) for name, key in names.items()}


def _intervals(nn_ms: Any) -> dict[str, Any]:
    return {"RRI": nn_ms, "RRI_Time": np.cumsum(nn_ms) / 1000.0}


def _time_domain(nn_ms: Any) -> Pair:
    import neurokit2

    given = _intervals(nn_ms)
    names = {"mean_nn": "HRV_MeanNN", "sdnn": "HRV_SDNN", "rmssd": "HRV_RMSSD", "pnn50": "HRV_pNN50"}
    return (
        lambda: neurokit2.hrv_time(given, sampling_rate=1000),
        lambda table: {name: table[column].iloc[0] for name, column in names.items()},
    )


def _band_powers(times_s: Any, nn_ms: Any) -> Pair:
    import neurokit2

    given = {"RRI": nn_ms, "RRI_Time": times_s}
    return (
        lambda: neurokit2.hrv_frequency(given, sampling_rate=1000, normalize=False),
        lambda table: {"lf": table["HRV_LF"].iloc[0], "hf": table["HRV_HF"].iloc[0]},
    )


def _hrv_in_windows(nn_ms: Any, first: Any, stop: Any) -> Pair:
    import neurokit2

    windows = [_intervals(nn_ms[a:b]) for a, b in zip(first, stop, strict=True)]

    def call() -> Any:
        rows = []
        for given in windows:
            time = neurokit2.hrv_time(given, sampling_rate=1000)
            spectrum = neurokit2.hrv_frequency(given, sampling_rate=1000, normalize=False)
            rest = neurokit2.hrv_nonlinear(given, sampling_rate=1000)
            rows.append((time, spectrum, rest))
        return rows

    columns = (
        (0, "sdnn", "HRV_SDNN"), (0, "rmssd", "HRV_RMSSD"), (1, "lf", "HRV_LF"), (1, "hf", "HRV_HF"),
        (2, "sd1", "HRV_SD1"), (2, "sd2", "HRV_SD2"),
    )  # fmt: skip
    return call, lambda rows: {
        name: np.mean([row[place][column].iloc[0] for row in rows]) for place, name, column in columns
    }


def _welch(series: Any, rate_hz: float) -> Pair:
    from scipy import signal

    welch: Any = signal.welch

    def call() -> Any:
        return welch(series, rate_hz, "hann", 1024, 512, detrend="linear")

    return call, lambda result: {"at_resonance": result[1].max(), "total": np.sum(result[1]) * result[0][1]}


def _time_domain_in_windows(nn_ms: Any, first: Any, stop: Any) -> Pair:
    import neurokit2

    windows = [_intervals(nn_ms[a:b]) for a, b in zip(first, stop, strict=True)]
    names = {"mean_nn": "HRV_MeanNN", "sdnn": "HRV_SDNN", "rmssd": "HRV_RMSSD", "pnn50": "HRV_pNN50"}
    return (
        lambda: [neurokit2.hrv_time(given, sampling_rate=1000) for given in windows],
        lambda rows: {name: np.mean([row[column].iloc[0] for row in rows]) for name, column in names.items()},
    )


def _entropies(nn_ms: Any) -> Pair:
    import neurokit2

    def call() -> Any:
        r = 0.2 * nn_ms.std(ddof=1)
        sample = neurokit2.entropy_sample(nn_ms, dimension=2, tolerance=r)[0]
        return sample, neurokit2.entropy_approximate(nn_ms, dimension=2, tolerance=r)[0]

    return call, lambda found: {"sample": found[0], "approximate": found[1]}


def _multiscale_entropy(nn_ms: Any) -> Pair:
    import neurokit2

    return (
        lambda: neurokit2.entropy_multiscale(nn_ms, scale=range(1, 6), dimension=2, tolerance=10.0, method="MSEn")[0],
        lambda found: {"mean": found},
    )


def _dfa(nn_ms: Any) -> Pair:
    import neurokit2

    boxes = np.arange(4, 17)
    return (
        lambda: neurokit2.fractal_dfa(nn_ms, scale=boxes, overlap=False)[0],
        lambda found: {"alpha1": found},
    )


def _fragmentation(nn_ms: Any) -> Pair:
    from neurokit2.hrv.hrv_nonlinear import _hrv_nonlinear_fragmentation

    def answer(found: Any) -> Any:
        return {"pip": 100 * found["PIP"], "ials": found["IALS"]}

    return (lambda: _hrv_nonlinear_fragmentation(nn_ms, rri_time=np.cumsum(nn_ms) / 1000, out={})), answer


def _lomb_scargle(times_s: Any, nn_ms: Any) -> Pair:
    from scipy import signal

    periodogram: Any = signal.lombscargle
    angular = 2 * np.pi * np.arange(1, 481) / 1200
    scale = 2 * np.mean(np.diff(times_s))
    return (
        lambda: periodogram(times_s, nn_ms - nn_ms.mean(), angular),
        lambda power: {"mean_density": scale * np.mean(power), "peak": scale * np.max(power)},
    )


def _autoregressive(series: Any, rate_hz: float) -> Pair:
    import neurokit2

    def call() -> Any:
        return neurokit2.signal_psd(
            series, sampling_rate=rate_hz, method="burg", order=16, order_criteria=None, normalize=False
        )

    return call, lambda table: {"level": np.exp(np.mean(np.log(table["Power"])))}


def _smoothness_priors(series: Any, smoothing: float) -> Pair:
    import neurokit2

    def answer(detrended: Any) -> Any:
        trend = series - detrended
        return {"start": trend[0], "middle": trend[len(trend) // 2], "end": trend[-1]}

    return (lambda: neurokit2.signal_detrend(series, method="tarvainen2002", regularization=smoothing)), answer


def _geometry(nn_ms: Any) -> Pair:
    import neurokit2

    given = _intervals(nn_ms)
    return (
        lambda: neurokit2.hrv_time(given, sampling_rate=1000),
        lambda table: {"triangular_index": table["HRV_HTI"].iloc[0]},
    )


def _log_linear(t_h: Any, values: Any) -> Pair:
    from scipy import stats

    return (lambda: stats.linregress(t_h, np.log(values))), lambda line: {"slope": line.slope}


def _exponential_return(t_s: Any, values: Any) -> Pair:
    from scipy import optimize

    def call() -> Any:
        guess = (values[-1], values[0] - values[-1], t_s[-1] / 4)
        found, _ = optimize.curve_fit(
            lambda t, level, excess, tau: level + excess * np.exp(-t / tau), t_s, values, guess
        )
        return found

    return call, lambda found: dict(zip(("level", "excess", "tau"), map(float, found), strict=True))


CONTENDERS = {
    **{
        (case, f"neurokit2 {method}"): _r_peaks(method, cleaning)
        for case in ("r_peaks", "r_peaks_24h", "r_peaks_live")
        for method, cleaning in (
            ("neurokit", "neurokit"), ("pantompkins1985", "pantompkins1985"), ("hamilton2002", "hamilton2002"),
            ("elgendi2010", "elgendi2010"), ("rodrigues2021", "neurokit"),
        )
    },
    ("systolic_peaks", "neurokit2 elgendi"): _systolic_peaks("elgendi"),
    ("systolic_peaks", "neurokit2 charlton"): _systolic_peaks("charlton"),
    ("correction", "neurokit2 iterative"): _fixpeaks(True, _corrected),
    ("correction", "neurokit2 one pass"): _fixpeaks(False, _corrected),
    ("artefact_classes", "neurokit2"): _fixpeaks(False, _class_counts),
    ("time_domain", "neurokit2"): _time_domain,
    ("time_domain_24h", "neurokit2"): _time_domain_in_windows,
    ("band_powers", "neurokit2"): _band_powers,
    ("entropy", "neurokit2"): _entropies,
    ("entropy_5000", "neurokit2"): _entropies,
    ("multiscale_entropy", "neurokit2"): _multiscale_entropy,
    ("dfa", "neurokit2"): _dfa,
    ("fragmentation", "neurokit2"): _fragmentation,
    ("lomb_scargle", "scipy"): _lomb_scargle,
    ("autoregressive", "neurokit2 burg"): _autoregressive,
    ("smoothness_priors", "neurokit2"): _smoothness_priors,
    ("geometry", "neurokit2 hrv_time"): _geometry,
    ("hrv_24h", "neurokit2"): _hrv_in_windows,
    ("welch", "scipy"): _welch,
    ("log_linear", "scipy linregress"): _log_linear,
    ("recovery", "scipy curve_fit"): _exponential_return,
}  # fmt: skip

SHORTER = {
    ("correction", "neurokit2 iterative"): 20_000,
    ("hrv_24h", "neurokit2"): 4,
    ("time_domain_24h", "neurokit2"): 100,
}
