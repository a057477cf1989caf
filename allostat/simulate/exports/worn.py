"""What a simulated person's devices saw: one stretch of days with its beats, and the waves and summaries of it.

Every writer of an export takes this, so that what is read back can be compared with the truth.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

import numpy as np
from numpy.typing import NDArray

from allostat.recording import NS_PER_S
from allostat.simulate.artefacts import CLEAN_ECG, CLEAN_PPG, SimulatedSignal
from allostat.simulate.ecg import render_ecg
from allostat.simulate.labs import LabRow, simulate_blood_pressure, simulate_cortisol, simulate_hs_crp
from allostat.simulate.physiology import SimulatedParticipant
from allostat.simulate.ppg import render_ppg
from allostat.simulate.rr import Sleep, instant_ns, simulate_rr, sleep_schedule
from allostat.simulate.seeds import random_stream
from allostat.zones import zone_info

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Worn:
    """The truth behind an export.

    Parameters
    ----------
    start_ns
        Start, UTC.
    duration_s
        Length in s.
    timezone
        IANA zone of the person.
    beats_ns
        int64 (n,): instants of all heart beats, UTC.
    sleep
        Main sleeps inside, UTC.
    """

    person: SimulatedParticipant
    start_ns: int
    duration_s: float
    timezone: str
    beats_ns: Ints
    sleep: tuple[Sleep, ...]
    seed: int = 0

    @property
    def start_date(self) -> date:
        """Local date of the start."""
        return datetime.fromtimestamp(self.start_ns / NS_PER_S, zone_info(self.timezone)).date()

    @property
    def beat_times_s(self) -> Floats:
        """Beats in s since the start."""
        return np.asarray((self.beats_ns - self.start_ns) / NS_PER_S, dtype=np.float64)

    def ecg(self, rate_hz: float) -> SimulatedSignal:
        """ECG of all beats in whole uV."""
        labels = np.full(len(self.beats_ns), "N")
        rng = random_stream(self.seed, self.person.id, "ecg")
        return render_ecg(self.beat_times_s, labels, self.duration_s, rate_hz, rng, CLEAN_ECG)

    def ppg(self, rate_hz: float) -> SimulatedSignal:
        """PPG of all beats, systole upwards."""
        labels = np.full(len(self.beats_ns), "N")
        rng = random_stream(self.seed, self.person.id, "ppg")
        return render_ppg(self.beat_times_s, labels, self.duration_s, rate_hz, rng, CLEAN_PPG)

    def heart_rate(self, step_s: float) -> tuple[Ints, Floats]:
        """Ends (UTC) of successive steps of ``step_s`` and the mean heart rate in /min in each; NaN without beats."""
        edges_s = np.arange(0.0, self.duration_s + 1e-9, step_s)
        times_s = self.beat_times_s
        first, stop = np.searchsorted(times_s, [edges_s[:-1], edges_s[1:]])
        rate = np.full(len(edges_s) - 1, np.nan)
        for i in np.flatnonzero(stop - first >= 2):
            inside = times_s[first[i] : stop[i]]
            rate[i] = 60.0 * (len(inside) - 1) / (inside[-1] - inside[0])
        return self._instants(edges_s[1:]), rate

    def rmssd(self, window_s: float = 300.0) -> tuple[Ints, Floats]:
        """Starts (UTC) of successive windows and RMSSD in ms in each; NaN with fewer than three beats."""
        edges_s = np.arange(0.0, self.duration_s + 1e-9, window_s)
        times_s = self.beat_times_s
        first, stop = np.searchsorted(times_s, [edges_s[:-1], edges_s[1:]])
        found = np.full(len(edges_s) - 1, np.nan)
        for i in np.flatnonzero(stop - first >= 3):
            found[i] = 1000.0 * np.sqrt(np.mean(np.diff(times_s[first[i] : stop[i]], 2) ** 2))
        return self._instants(edges_s[:-1]), found

    def blood_pressure(self, readings: int = 3) -> list[LabRow]:
        """Cuff readings of every day, in mmHg."""
        days = int(self.duration_s // 86_400) + 1
        dates = [self.start_date + timedelta(days=day) for day in range(days)]
        return simulate_blood_pressure(self.person, dates, self.timezone, readings=readings, seed=self.seed)

    def laboratory(self) -> list[LabRow]:
        """hs-CRP of the first day, and saliva cortisol of the days whose waking lies inside (else of the first day)."""
        zone = zone_info(self.timezone)
        morning = datetime.combine(self.start_date, time(7), zone)
        wakes = [s.wake_ns for s in self.sleep if s.wake_ns > self.start_ns] or [instant_ns(morning)]
        crp = simulate_hs_crp(self.person, [self.start_date], self.timezone, seed=self.seed)
        return crp + simulate_cortisol(self.person, wakes, self.timezone, seed=self.seed)

    def _instants(self, seconds: Floats) -> Ints:
        return np.asarray(self.start_ns + np.rint(seconds * NS_PER_S), dtype=np.int64)


def simulate_worn(person: SimulatedParticipant, start: datetime, hours: float, timezone: str, *, seed: int = 0) -> Worn:
    """Hours or days of a simulated person.

    Parameters
    ----------
    start
        Aware, or naive local time in ``timezone``.
    """
    aware = start if start.tzinfo is not None else start.replace(tzinfo=zone_info(timezone))
    start_ns = round(aware.timestamp()) * NS_PER_S
    end_ns = start_ns + round(hours * 3600) * NS_PER_S
    local = aware.astimezone(zone_info(timezone)).date()
    nights = sleep_schedule(person, local - timedelta(days=1), int(hours // 24) + 3, timezone, seed)
    inside = tuple(s for s in nights if s.wake_ns > start_ns and s.bed_ns < end_ns)
    train = simulate_rr(person, start_ns, hours * 3600, timezone, inside, seed=seed)
    beats_ns = start_ns + np.rint(train.times_s * NS_PER_S).astype(np.int64)
    return Worn(person, start_ns, hours * 3600.0, timezone, beats_ns, inside, seed)
