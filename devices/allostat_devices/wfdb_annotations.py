"""MIT annotation files (``.atr``, ``.ecg``, ``.qrs``): sample, code and text of each mark, after WFDB annot(5)."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from allostat.errors import InputError
from allostat.recording import BeatFlag

if TYPE_CHECKING:
    from numpy.typing import NDArray

SYMBOLS = {
    1: "N", 2: "L", 3: "R", 4: "a", 5: "V", 6: "F", 7: "J", 8: "A", 9: "S", 10: "E", 11: "j", 12: "/", 13: "Q",
    14: "~", 16: "|", 18: "s", 19: "T", 20: "*", 21: "D", 22: '"', 23: "=", 24: "p", 25: "B", 26: "^", 27: "t",
    28: "+", 29: "u", 30: "?", 31: "!", 32: "[", 33: "]", 34: "e", 35: "n", 36: "@", 37: "x", 38: "f", 39: "(",
    40: ")", 41: "r",
}  # fmt: skip
"""Annotation codes and the symbols that people write for them."""

BEAT_CODES = frozenset({1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 25, 30, 34, 35, 38, 41})
ECTOPIC_CODES = frozenset({4, 5, 6, 7, 8, 9, 10, 11, 34, 35, 41})
"""Premature, fusion and escape beats: not of sinus origin."""
FLUTTER_CODES = frozenset({31, 32, 33})
"""Ventricular flutter: no single beats, so no interval across it."""

_SKIP, _NUM, _SUB, _CHN, _AUX = 59, 60, 61, 62, 63
_LAST_CODE = 49
_FEW_BEATS = 2
_OTHERS = (b"ISHNE", b"ANN  1.0")
"""Files of other kinds that have the same endings."""
_RESOLUTION = re.compile(r"## time resolution: ([0-9.]+)")


@dataclass(frozen=True, slots=True)
class Annotations:
    """Marks in the order of the file."""

    sample: NDArray[np.int64]
    code: NDArray[np.int8]
    rate_hz: float | None
    """Ticks per second when the file states them; otherwise the record's rate applies."""
    truncated: bool


def parse_annotations(data: bytes, where: str) -> Annotations:
    """All marks of an annotation file in MIT format.

    Raises
    ------
    InputError
        When the file is empty or its marks lie at impossible times.
    """
    if not data:
        raise InputError("annotation file is empty", where=where)
    words = struct.unpack(f"<{len(data) // 2}H", data[: len(data) // 2 * 2])
    samples: list[int] = []
    codes: list[int] = []
    rate: float | None = None
    now, at, ended = 0, 0, False
    while at < len(words):
        code, value = words[at] >> 10, words[at] & 0x3FF
        at += 1
        if code == 0 and value == 0:
            ended = True
            break
        if code == _SKIP:
            if at + 2 > len(words):
                break
            jump = (words[at] << 16) | words[at + 1]
            now += jump - (1 << 32) if jump & 0x80000000 else jump
            at += 2
        elif code == _AUX:
            size = (value + 1) // 2
            note = data[2 * at : 2 * at + value]
            found = _RESOLUTION.search(note.decode("latin-1"))
            if found and not samples[1:]:
                rate = float(found.group(1)) if found.group(1).count(".") <= 1 and float(found.group(1)) > 0 else None
            at += size
        elif code not in (_NUM, _SUB, _CHN):
            now += value
            samples.append(now)
            codes.append(code)
    if samples and (min(samples) < 0 or max(samples) > 1 << 48):
        raise InputError("marks lie at impossible times: not in MIT format", where=where, found=min(samples))
    return Annotations(np.array(samples, np.int64), np.array(codes, np.int8), rate, not ended)


@dataclass(frozen=True, slots=True)
class AnnotatedBeats:
    """Beats among the marks."""

    sample: NDArray[np.int64]
    code: NDArray[np.int8]
    broken: NDArray[np.bool_]
    """Whether flutter lies between the beat and the one before."""
    repeated: int
    """Marks at the sample of the beat before, or earlier, that were left out."""

    @property
    def flags(self) -> NDArray[np.int8]:
        """`BeatFlag.ECTOPIC` for beats that the expert did not call sinus beats."""
        ectopic = np.isin(self.code, list(ECTOPIC_CODES))
        return np.where(ectopic, np.int8(BeatFlag.ECTOPIC), np.int8(BeatFlag.NORMAL)).astype(np.int8)


def look_like_beats(head: bytes) -> Annotations | None:
    """The marks at the start of a file without a header beside it; None when it is no annotation file with beats.

    Random bytes parse as marks as well, but few of those are beats.
    """
    if head.startswith(_OTHERS):
        return None
    try:
        marks = parse_annotations(head, "")
    except InputError:
        return None
    beats = beats_of(marks)
    few = len(beats.sample) < _FEW_BEATS or 2 * len(beats.sample) < len(marks.code)
    return None if few or int(marks.code.max()) > _LAST_CODE else marks


def wanted_header(name: str) -> str:
    """Which header to write beside an annotation file that tells no rate.

    Parameters
    ----------
    name
        The file's name without folder.
    """
    stem = name.rpartition(".")[0]
    line = f'write {stem}.hea beside it with the one line "{stem} 0 250" (your rate in Hz in place of 250)'
    if re.fullmatch(r"[-\w]+", stem) is None:
        line = f"rename it to letters, digits, - and _ (say record.{name.rpartition('.')[2]}); " + line.replace(
            stem, "record"
        )
    return f"beats of a WFDB annotation without its header, which tells the rate: {line}"


def beats_of(marks: Annotations) -> AnnotatedBeats:
    """The beats of a file's marks: rhythm, noise and signal-quality marks are no beats."""
    is_beat = np.isin(marks.code, list(BEAT_CODES))
    flutter = np.cumsum(np.isin(marks.code, list(FLUTTER_CODES)))[is_beat]
    sample, code = marks.sample[is_beat], marks.code[is_beat]
    keep = np.ones(len(sample), bool)
    if len(sample):
        keep[1:] = sample[1:] > np.maximum.accumulate(sample)[:-1]
    broken = np.zeros(int(keep.sum()), bool)
    if len(broken):
        broken[1:] = np.diff(flutter[keep]) > 0
    return AnnotatedBeats(sample[keep], code[keep], broken, int((~keep).sum()))
