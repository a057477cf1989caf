"""The beats of a file's streams, as the verbs that measure heart rate variability take them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from allostat.cli.output import message

if TYPE_CHECKING:
    from allostat.recording import Beats


class BeatStream(NamedTuple):
    """Beats as recorded, or found in an ECG or PPG; not corrected."""

    recording: str
    name: str
    beats: Beats


def beat_streams(path: Path, *, stream: str | None, unit: str | None, quiet: bool) -> list[BeatStream]:
    """Every stream with beats of a file, or the one of this name; notices of the reader go to stderr.

    Raises
    ------
    InputError
        When there is none; says which there are.
    """
    from allostat.beats import find_beats
    from allostat.errors import InputError
    from allostat.reading import read_all

    found: list[BeatStream] = []
    names: set[str] = set()
    for recording in read_all(path, unit=unit):
        for notice in recording.notices:
            message(f"{notice.severity}: {notice.message}", quiet=quiet)
        signals = {name: s for name, s in recording.signals.items() if s.kind in ("ecg", "ppg") and len(s)}
        names |= {*recording.beats, *signals}
        wanted = [name for name in {**recording.beats, **signals} if stream in (None, name)]
        for name in wanted:
            beats = find_beats(signals[name]) if name in signals else recording.beats[name]
            found.append(BeatStream(recording.id, name, beats))
    if not found:
        wrong = "no such stream" if names else "no stream with beats, ECG or PPG"
        raise InputError(wrong, where=path.name, found=stream, valid=names)
    return found
