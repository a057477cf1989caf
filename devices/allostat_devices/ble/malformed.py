"""What a decoder says when bytes break their protocol: a reason that is counted, never an exception.

A decoder returns either its value or a `Malformed`. A value that could be read in part carries the reasons in its
``faults``. `faults_of` gives the reasons of both, so that a caller counts without asking which it got.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

LONGEST_VALUE_BYTES = 512
"""Longest attribute value of ATT (Bluetooth Core Specification, volume 3, part F, 3.2.9). No notification is longer."""


class Fault(StrEnum):
    """Reason code. A member's value is what a count is stored under."""

    EMPTY = "empty"
    TOO_SHORT = "too_short"
    TOO_LONG = "too_long"
    TRAILING_BYTES = "trailing_bytes"
    ZERO_HEART_RATE = "zero_heart_rate"
    ZERO_INTERVAL = "zero_interval"
    INTERVALS_ABSENT = "intervals_absent"
    OUT_OF_RANGE = "out_of_range"
    NOT_TEXT = "not_text"
    UNKNOWN_TYPE = "unknown_type"
    UNKNOWN_SETTING = "unknown_setting"
    UNREAD_LAYOUT = "unread_layout"
    BAD_FACTOR = "bad_factor"
    TIME_IMPOSSIBLE = "time_impossible"
    BLOCK_TRUNCATED = "block_truncated"
    WIDTH_ZERO = "width_zero"
    WIDTH_IMPOSSIBLE = "width_impossible"
    REPLY_INTERRUPTED = "reply_interrupted"


@dataclass(frozen=True, slots=True)
class Malformed:
    """Bytes that give no value.

    Attributes
    ----------
    fault
        Reason code.
    where
        Characteristic or message, in the protocol's own words.
    length_bytes
        How many bytes came.
    expected
        What the protocol demands here.
    """

    fault: Fault
    where: str
    length_bytes: int
    expected: str

    @property
    def faults(self) -> tuple[Fault, ...]:
        """The reason as the tuple that a value in part has, too."""
        return (self.fault,)

    def __str__(self) -> str:
        return f"{self.where}: {self.fault.value}; found {self.length_bytes} bytes; expected {self.expected}"


class _Judged(Protocol):
    @property
    def faults(self) -> tuple[Fault, ...]: ...


def faults_of(decoded: _Judged) -> tuple[Fault, ...]:
    """Reasons to count of a decoded value or of a `Malformed`, in the order in which they were met."""
    return decoded.faults


def wrong_length(data: Sequence[int], where: str, shortest_bytes: int) -> Malformed | None:
    """A `Malformed` when ``data`` cannot be the value ``where`` by its length alone, else None."""
    length = len(data)
    if shortest_bytes <= length <= LONGEST_VALUE_BYTES:
        return None
    if length > LONGEST_VALUE_BYTES:
        return Malformed(Fault.TOO_LONG, where, length, f"at most {LONGEST_VALUE_BYTES} bytes")
    fault = Fault.EMPTY if length == 0 else Fault.TOO_SHORT
    return Malformed(fault, where, length, f"at least {shortest_bytes} bytes")
