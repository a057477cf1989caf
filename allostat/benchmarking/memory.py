"""How much memory a detector takes beyond its input: measured in a process of its own, which has nothing else.

The input lies in memory before the count begins and the kernels are loaded; what counts is the highest resident set
while the call runs, less what was resident before. The peaks that come out are part of it, and are told apart: they
grow with the recording, what the detector keeps does not.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass

from allostat.errors import ConfigError

HOURS = (0.5, 24.0, 96.0)
RATE_HZ = 250.0
BAR_MB = 20.0
"""Beyond the input, at any length."""


@dataclass(frozen=True, slots=True)
class MemoryUse:
    """What one call took beyond its input."""

    what: str
    hours: float
    input_mb: float
    beyond_mb: float
    output_mb: float
    """Size of the peaks that were returned, a part of ``beyond_mb``."""

    @property
    def text(self) -> str:
        """In a line, with the bar."""
        verdict = "within" if self.beyond_mb <= BAR_MB else "beyond"
        return (
            f"memory of {self.what}, {self.hours:g} h: {self.beyond_mb:.1f} MB beyond the input of "
            f"{self.input_mb:.0f} MB, {self.output_mb:.1f} MB of which are peaks; {verdict} the bar of {BAR_MB:g} MB"
        )


def r_peak_memory(hours: float, rate_hz: float = RATE_HZ) -> MemoryUse:
    """Memory of `allostat.kernels.r_peaks` on int16 ECG of so many hours.

    Raises
    ------
    ConfigError
        When hours or rate are not positive, or this system does not tell a process's highest resident set.
    """
    if not hours > 0 or not rate_hz > 0:
        raise ConfigError("a recording has a length and a rate", found=f"{hours} h, {rate_hz} Hz")
    command = [sys.executable, "-m", "allostat.benchmarking.memory", str(hours), str(rate_hz)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode:
        errors = ended.stderr.strip().splitlines() or [f"ended with code {ended.returncode}"]
        raise ConfigError("memory could not be measured", found=errors[-1])
    found = json.loads(ended.stdout)
    return MemoryUse("r_peaks", hours, found["input_mb"], found["beyond_mb"], found["output_mb"])


def _measure(hours: float, rate_hz: float) -> dict[str, float]:
    import numpy as np

    from allostat.benchmarking.inputs import synthetic_ecg
    from allostat.kernels import r_peaks

    minute = synthetic_ecg(1, rate_hz)
    r_peaks(minute, rate_hz)
    ecg = np.tile(minute, max(1, round(hours * 60)))
    before = _resident_mb(highest_from_now=True)
    peaks = r_peaks(ecg, rate_hz)
    after = _resident_mb(highest_from_now=False)
    if not len(peaks):
        raise ConfigError("no peaks were found in the synthetic ECG", found=f"{hours} h, {rate_hz} Hz")
    return {"input_mb": ecg.nbytes / 1e6, "beyond_mb": max(after - before, 0.0), "output_mb": peaks.nbytes / 1e6}


def _resident_mb(*, highest_from_now: bool) -> float:
    """The highest resident set since the last count began; begins a new one first when asked."""
    from pathlib import Path

    status = Path("/proc/self/status")
    if status.exists():
        if highest_from_now:
            Path("/proc/self/clear_refs").write_text("5")
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return float(line.split()[1]) * 1024 / 1e6
    import resource

    # Without a way to begin anew it is the highest of the whole life: an upper bound of what comes after.
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_measure(float(sys.argv[1]), float(sys.argv[2]))))
