"""Annotation signals of EDF+ and BDF+: the onset of each record, and the texts that people and devices put there."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ONSET = re.compile(rb"^[+-]\d{1,12}(?:\.\d{0,15})?$")
_LONGEST_S = 1e9
_STANDARD = re.compile(
    r"(sleep stage [A-Z0-9?]{1,2}|movement time|lights (on|off)|recording (starts|ends)|lead (off|on)|patient event|"
    r"(obstructive|central|mixed)? ?(apnea|apnoea|hypopnea|hypopnoea)|(eeg )?arousal|limb movement|plm|desaturation|"
    r"spo2 desaturation|snore|rera|marker|event|trigger|start|stop|button)(?![A-Za-z0-9])",
    re.I,
)
OTHER_TEXT = "annotation"
"""Label of an annotation whose text is free: people write names there."""


@dataclass(frozen=True, slots=True)
class Annotation:
    """One annotation: seconds since the start of the file, and what it says."""

    onset_s: float
    text: str


def record_onsets(block: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Onset of each record in s since the start of the file, NaN where the record states none.

    Parameters
    ----------
    block
        uint8 (records, bytes): the first annotation signal.
    """
    found = np.full(len(block), np.nan)
    for i, row in enumerate(block):
        stamp = row.tobytes().split(b"\x14", 1)[0]
        if _ONSET.match(stamp):
            value = float(stamp)
            found[i] = value if abs(value) < _LONGEST_S else math.nan
    return found


def annotation_texts(block: NDArray[np.uint8]) -> tuple[list[Annotation], int]:
    """Annotations with a text, in the order of the file, and the number of those that cannot be read.

    Parameters
    ----------
    block
        uint8 (records, bytes): one annotation signal.
    """
    found: list[Annotation] = []
    bad = 0
    # the stamp of a record alone takes two separators
    for i in np.flatnonzero((block == 0x14).sum(axis=1) > 2):
        for part in block[i].tobytes().split(b"\x00"):
            if not part:
                continue
            stamp, *texts = part.split(b"\x14")
            onset = stamp.split(b"\x15", 1)[0]
            wanted = [text for text in texts if text]
            if not _ONSET.match(onset) or abs(float(onset)) >= _LONGEST_S:
                bad += max(len(wanted), 1)
                continue
            found += [Annotation(float(onset), text.decode("utf-8", "replace")) for text in wanted]
    return found, bad


def shown_label(text: str) -> str:
    """The standard part of an annotation's text (``Sleep stage W``), or `OTHER_TEXT`: free text is not kept."""
    standard = _STANDARD.match(text.strip())
    return standard[1] if standard else OTHER_TEXT
