"""What a supervisor decides about streams, without a radio: settings to ask for, and when silence is too long."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from allostat_devices.ble.polar_pmd import Setting, Stream

STREAMS: Mapping[str, Stream] = MappingProxyType(
    {"ecg": Stream.ECG, "ppg": Stream.PPG, "acc": Stream.ACC, "ppi": Stream.PPI}
)
"""Streams that can be asked for, by the name that they have in a session."""
USUAL: Mapping[Stream, Mapping[Setting, int]] = MappingProxyType(
    {Stream.ECG: MappingProxyType({Setting.SAMPLE_RATE_HZ: 130, Setting.RESOLUTION_BITS: 14})}
)
"""Asked for when a strap does not answer what it offers."""
FIRST_FRAME_S = 35.0
"""PPI needs about 25 s, and some hosts start ECG after 25 to 30 s."""
SILENCE_S: Mapping[str, float] = MappingProxyType({"ppi": 15.0, "heart_rate": 15.0})
SILENCE_OTHERWISE_S = 5.0
_SLOW_TO_BEGIN = frozenset({"ppi"})
MOST_RESTARTS = 2
"""Restarts without a frame between them; the silence after the last one ends the connection."""
REFUSED_AGAIN_S = 30.0
"""A start that was refused for its settings or for the device's state is tried again so much later."""
FIRST_DELAY_S, LONGEST_DELAY_S = 0.1, 5.0

_WALKING_RATE_HZ = 50
"""Enough for movement and posture; a strap's battery and the link pay for more."""
_WALKING_RANGE_G = 4


def choose_settings(stream: Stream, offered: Mapping[Setting, tuple[int, ...]]) -> dict[Setting, int]:
    """One value of each setting that a stream offers, in the order of its answer.

    The highest rate and resolution; for acceleration the lowest rate from 50 Hz and the smallest range from 4 g.
    Without an offer: what the stream's documentation calls usual, or nothing, which leaves it to the strap.
    """
    if not offered:
        return dict(USUAL.get(stream, {}))
    chosen: dict[Setting, int] = {}
    for setting, values in offered.items():
        match setting:
            case Setting.SAMPLE_RATE_HZ if stream is Stream.ACC:
                chosen[setting] = _least_from(_WALKING_RATE_HZ, values)
            case Setting.RANGE if stream is Stream.ACC:
                chosen[setting] = _least_from(_WALKING_RANGE_G, values)
            case Setting.SAMPLE_RATE_HZ | Setting.RESOLUTION_BITS:
                chosen[setting] = max(values)
            case _:
                chosen[setting] = values[0]
    return chosen


def _least_from(bound: int, values: tuple[int, ...]) -> int:
    return min((value for value in values if value >= bound), default=max(values))


@dataclass
class BackOff:
    """Delay before the next attempt: 0.1 s, doubled to 5 s."""

    next_s: float = FIRST_DELAY_S

    def delay_s(self) -> float:
        """The delay now; the next one is longer."""
        now, self.next_s = self.next_s, min(2 * self.next_s, LONGEST_DELAY_S)
        return now

    def reset(self) -> None:
        """After a good frame."""
        self.next_s = FIRST_DELAY_S


@dataclass
class StreamWatch:
    """Whether one stream is alive. Instants are those of the event loop's clock, in seconds.

    Attributes
    ----------
    name
        Of the stream.
    begun_s
        When it was last started; None while it is not wanted to run.
    last_frame_s
        Last good frame; None before the first one since this connection began.
    restarts
        Without a good frame between them.
    again_s
        When a start that was refused is tried again; None when it is not.
    """

    name: str
    begun_s: float | None = None
    last_frame_s: float | None = None
    restarts: int = 0
    again_s: float | None = None

    def begin(self, now_s: float) -> None:
        """It was started."""
        self.begun_s, self.again_s = now_s, None

    def rest(self, again_s: float | None = None) -> None:
        """It is not expected to send; ``again_s`` says when it is tried again."""
        self.begun_s, self.again_s = None, again_s

    def frame(self, now_s: float) -> bool:
        """A good frame came; True for the first one since the stream was started."""
        first = self.last_frame_s is None or (self.begun_s is not None and self.last_frame_s < self.begun_s)
        self.last_frame_s = now_s
        self.restarts = 0
        return first

    @property
    def deadline_s(self) -> float | None:
        """When silence becomes too long, or a refused start is tried again; None while it rests for good."""
        if self.begun_s is None:
            return self.again_s
        if self.last_frame_s is None or (self.name in _SLOW_TO_BEGIN and self.last_frame_s < self.begun_s):
            return self.begun_s + FIRST_FRAME_S
        return max(self.begun_s, self.last_frame_s) + SILENCE_S.get(self.name, SILENCE_OTHERWISE_S)
