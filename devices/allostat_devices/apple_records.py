"""Records of an Apple Health ``export.xml``, read in blocks as columns of numbers.

The file is scanned, not parsed: `allostat.kernels.xml_attributes` finds the wanted elements and the places of their
attributes, `allostat.kernels.text_spans` reads dates, numbers and clock times there. A document type that is not
well-formed, control characters and entities in what is not wanted are never looked at, and no entity is expanded.
"""

from __future__ import annotations

import hashlib
import html
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from allostat.errors import InputError
from allostat.kernels import text_spans, xml_attributes
from allostat.kernels.text_spans import NO_STAMP as NO_STAMP
from allostat_devices.number_columns import LARGEST

if TYPE_CHECKING:
    from numpy.typing import NDArray

BLOCK_BYTES = 16 << 20
_MAX_ROWS = 1 << 13
"""Rows of one call: so few that their bytes are still in the cache when their values are read."""
_MAX_TEXTS = 4096
_MAX_TEXT_WORDS = 1 << 16
_MAX_TYPES = 512
_MAX_TYPE_WORDS = 1 << 12

_QUANTITY = "HKQuantityTypeIdentifier"
(HEART_RATE, RESTING, WALKING, SDNN, RMSSD, RESPIRATION, OXYGEN, SYSTOLIC, DIASTOLIC, SLEEP, MOTION, ZONE) = range(12)
KEYS = (
    f"{_QUANTITY}HeartRate",
    f"{_QUANTITY}RestingHeartRate",
    f"{_QUANTITY}WalkingHeartRateAverage",
    f"{_QUANTITY}HeartRateVariabilitySDNN",
    f"{_QUANTITY}HeartRateVariabilityRMSSD",
    f"{_QUANTITY}RespiratoryRate",
    f"{_QUANTITY}OxygenSaturation",
    f"{_QUANTITY}BloodPressureSystolic",
    f"{_QUANTITY}BloodPressureDiastolic",
    "HKCategoryTypeIdentifierSleepAnalysis",
    "HKMetadataKeyHeartRateMotionContext",
    "HKTimeZone",
)
"""Types of records, and keys of metadata, that are read; their places are the constants above."""
_N_TYPES = MOTION

_RECORD, _METADATA, _BEAT, _WORKOUT = 1, 2, 3, 5
_ELEMENTS = (
    ("HealthData", xml_attributes.ROOT, -1),
    ("Record", xml_attributes.HOLDER, 0),
    ("MetadataEntry", xml_attributes.CHILD, 1),
    ("InstantaneousBeatsPerMinute", xml_attributes.CHILD, -1),
    ("Correlation", xml_attributes.GROUP, -1),
    ("Workout", xml_attributes.HOLDER, -1),
    ("Me", xml_attributes.COUNTED, -1),
    ("ClinicalRecord", xml_attributes.COUNTED, -1),
    ("WorkoutRoute", xml_attributes.COUNTED, -1),
)
_ATTRIBUTES = ("type", "key", "sourceName", "device", "unit", "startDate", "endDate", "value", "bpm", "time")
_SOURCE, _DEVICE, _UNIT, _START, _END, _VALUE, _BPM, _TIME = range(2, 10)
_EXPORT = re.compile(rb"<!DOCTYPE\s+HealthData\b|<HealthData[\s>]")
_PLAIN_TYPE = re.compile(r"HK[A-Za-z0-9]{3,120}")


@dataclass
class Texts:
    """Texts that occur again and again, numbered as they come."""

    pool: NDArray[np.uint64] = field(default_factory=lambda: np.zeros(_MAX_TEXT_WORDS, np.uint64))
    ends: NDArray[np.int64] = field(default_factory=lambda: np.zeros((_MAX_TEXTS, 2), np.int64))
    n: int = 0

    def all(self) -> list[str]:
        """The texts with their entities decoded."""
        return [html.unescape(text) for text in _texts(self.pool, self.ends, self.n)]


@dataclass(frozen=True, slots=True)
class _Found:
    """Rows that the scanner found in one block; each method reads one attribute of the rows ``which``."""

    data: NDArray[np.uint8]
    words: NDArray[np.uint64]
    rows: NDArray[np.int32]
    base: int
    """Number of the first row among all of the file."""
    offset: int
    """Place of the block in the file."""

    def parents(self, which: NDArray[np.int64]) -> NDArray[np.int64]:
        parents: NDArray[np.int64] = self.rows[which, xml_attributes.PARENT].astype(np.int64)
        return parents

    def places(self, which: NDArray[np.int64]) -> NDArray[np.int64]:
        places: NDArray[np.int64] = self.rows[which, xml_attributes.AT] + np.int64(self.offset)
        return places

    def stamps(self, which: NDArray[np.int64], attribute: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        seconds, offsets = np.empty(len(which), np.int64), np.empty(len(which), np.int64)
        text_spans.stamps(self.data, self.rows, which, _column(attribute), seconds, offsets)
        return seconds, offsets

    def numbers(self, which: NDArray[np.int64], attribute: int) -> NDArray[np.float64]:
        values = np.empty(len(which))
        if text_spans.numbers(self.data, self.rows, which, _column(attribute), values):
            for i in np.flatnonzero(np.isnan(values)).tolist():
                values[i] = _number_of(self._text(which[i], attribute))
        return values

    def clocks(self, which: NDArray[np.int64], attribute: int) -> NDArray[np.int64]:
        ns = np.empty(len(which), np.int64)
        if text_spans.clock_times(self.data, self.rows, which, _column(attribute), ns):
            for i in np.flatnonzero(ns < 0).tolist():
                ns[i] = _clock_of(self._text(which[i], attribute))
        return ns

    def texts(self, which: NDArray[np.int64], attribute: int, known: Texts, behind: str = "\0") -> NDArray[np.int16]:
        """Number of each text: -1 where there is none, -2 where there are too many different ones."""
        found = np.empty(len(which), np.int64)
        known.n = text_spans.entries(
            self.data,
            self.words,
            self.rows,
            which,
            _column(attribute),
            ord(behind),
            known.pool,
            known.ends,
            known.n,
            found,
        )
        return found.astype(np.int16)

    def _text(self, row: int, attribute: int) -> bytes:
        begin, end = self.rows[row, _column(attribute) : _column(attribute) + 2].tolist()
        return bytes(self.data[begin:end]) if begin >= 0 else b""


@dataclass(frozen=True)
class AppleExport:
    """What was read of one ``export.xml``.

    Attributes
    ----------
    row
        int64 (n,): number of each record among all rows found, ascending; beats and metadata name it as their parent.
    kind
        int8 (n,): place in `KEYS`.
    start_s, end_s
        int64 (n,): UTC; `NO_STAMP` where there is none that can be read.
    printed_offset_s
        int32 (n,): offset of the clock in which ``startDate`` is printed.
    value
        float64 (n,): NaN where there is no number.
    source, device, unit, category
        int16 (n,): numbers in the texts of these names; -1: none, -2: not kept.
    group
        int32 (n,): number of the correlation around the record; 0: none.
    at
        int64 (n,): place in the file, in bytes.
    beat_parent, beat_clock_ns, beat_bpm, beat_at
        int64, int64, float64, int64 (m,): beats inside HRV records, with local time since midnight (-1: none) and place
        in the file.
    motion_parent, motion
        int64, float64 (k,): motion context of heart rates.
    zone_start_s, zone
        int64, int16: start of the record or workout that names a zone, and the number of the name.
    """

    row: NDArray[np.int64]
    kind: NDArray[np.int8]
    start_s: NDArray[np.int64]
    end_s: NDArray[np.int64]
    printed_offset_s: NDArray[np.int32]
    value: NDArray[np.float64]
    source: NDArray[np.int16]
    device: NDArray[np.int16]
    unit: NDArray[np.int16]
    category: NDArray[np.int16]
    group: NDArray[np.int32]
    at: NDArray[np.int64]
    beat_parent: NDArray[np.int64]
    beat_clock_ns: NDArray[np.int64]
    beat_bpm: NDArray[np.float64]
    beat_at: NDArray[np.int64]
    motion_parent: NDArray[np.int64]
    motion: NDArray[np.float64]
    zone_start_s: NDArray[np.int64]
    zone: NDArray[np.int16]
    source_texts: list[str]
    device_texts: list[str]
    unit_texts: list[str]
    category_texts: list[str]
    zone_texts: list[str]
    counts: dict[str, int]
    """Records of each type, also of those that are not read; ``other`` gathers what is no plain HealthKit name."""
    elements: dict[str, int]
    """Elements of each name."""
    cut: int
    """Elements without an end."""
    first_cut: int
    """Place of the first of them in the file, in bytes."""
    complete: bool
    """Whether the end of the root element was there."""
    sha256: str
    bytes: int


def read_export(stream: IO[bytes], where: str, *, hashed: bool = True, wanted: Sequence[str] = KEYS) -> AppleExport:
    """Read the wanted records of an ``export.xml``.

    Parameters
    ----------
    stream
        The file. Peak memory is two blocks of 16 MiB and the columns of the result.
    where
        Its name in error messages.
    hashed
        Whether to compute the SHA-256 on the way; a second pass over an archive would inflate it again.
    wanted
        Types of records and keys of metadata; places of `KEYS` have their meaning, others give plain numbers.

    Raises
    ------
    InputError
        When 16 MiB hold no markup, so that no record can be cut.
    """
    return _Reader(where, tuple(wanted), hashed).read(stream)


class _Reader:
    """State of one pass: scanner, texts, and the columns of the blocks so far."""

    def __init__(self, where: str, wanted: tuple[str, ...], hashed: bool) -> None:
        self._where = where
        self._n_wanted = len(wanted)
        self._digest = hashlib.sha256() if hashed else None
        self._names, self._name_ends = _packed([name for name, _, _ in _ELEMENTS])
        self._plan = np.array([[role, key] for _, role, key in _ELEMENTS], np.int64)
        self._attributes, self._attribute_ends = _packed(_ATTRIBUTES)
        self._pool, self._pool_ends = np.zeros(_MAX_TYPE_WORDS, np.uint64), np.zeros((_MAX_TYPES, 2), np.int64)
        for i, name in enumerate(wanted):
            xml_attributes.enter(np.frombuffer(name.encode(), np.uint8), 0, len(name), self._pool, self._pool_ends, i)
        self._counts = np.zeros(_MAX_TYPES + 1, np.int64)
        self._seen = np.zeros(len(_ELEMENTS), np.int64)
        self._state = np.zeros(xml_attributes.N_STATE, np.int64)
        self._state[[xml_attributes.OPEN_HOLDER, xml_attributes.LAST_KEY]] = -1
        self._state[xml_attributes.N_KEYS] = self._n_wanted
        self._rows = np.empty((_MAX_ROWS, xml_attributes.SPANS + 2 * len(_ATTRIBUTES)), np.int32)
        self._first_cut = -1
        self._sources, self._devices, self._units = Texts(), Texts(), Texts()
        self._categories, self._zones = Texts(), Texts()
        self._records: list[tuple[NDArray[Any], ...]] = []
        self._beats: list[tuple[NDArray[Any], ...]] = []
        self._motions: list[tuple[NDArray[Any], ...]] = []
        self._told_zones: list[tuple[NDArray[Any], ...]] = []
        self._workouts: list[tuple[NDArray[Any], ...]] = []

    def read(self, stream: IO[bytes]) -> AppleExport:
        total = 0
        for data, words, stop, offset in self._blocks(stream):
            start = 0
            while start < stop:
                base, cut = int(self._state[xml_attributes.N_ROWS]), int(self._state[xml_attributes.N_CUT])
                found = self._scan(data, words, start, stop)
                if cut == 0 and self._state[xml_attributes.N_CUT]:
                    self._first_cut = offset + int(self._state[xml_attributes.FIRST_CUT])
                self._take(_Found(data, words, self._rows[:found], base, offset))
                start = int(self._state[xml_attributes.CONSUMED])
            total = offset + stop
        return self._result(total)

    def _scan(self, data: NDArray[np.uint8], words: NDArray[np.uint64], start: int, stop: int) -> int:
        return xml_attributes.scan(
            data,
            words,
            start,
            stop,
            self._names,
            self._name_ends,
            self._plan,
            self._attributes,
            self._attribute_ends,
            self._n_wanted,
            self._pool,
            self._pool_ends,
            self._counts,
            self._seen,
            self._state,
            self._rows,
        )

    def _blocks(self, stream: IO[bytes]) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.uint64], int, int]]:
        """Blocks that end before a ``<``: bytes, the same as words, where the block ends, its place in the file."""
        buffer = bytearray(BLOCK_BYTES + 8)
        view, data = memoryview(buffer)[:BLOCK_BYTES], np.frombuffer(memoryview(buffer).toreadonly(), np.uint8)
        words = data.view(np.uint64)
        filled, offset = 0, 0
        while True:
            got = _fill(stream, view[filled:])
            if self._digest is not None:
                self._digest.update(view[filled : filled + got])
            filled += got
            if filled < BLOCK_BYTES:
                yield data, words, filled, offset
                return
            stop = buffer.rfind(b"<", 0, BLOCK_BYTES)
            if stop <= 0:
                raise InputError(f"holds no markup for {BLOCK_BYTES >> 20} MiB", where=f"{self._where}, byte {offset}")
            yield data, words, stop, offset
            buffer[: filled - stop] = buffer[stop:filled]
            filled -= stop
            offset += stop

    def _take(self, found: _Found) -> None:
        """The columns of the rows of one call."""
        element, key = found.rows[:, xml_attributes.ELEMENT], found.rows[:, xml_attributes.KEY]
        self._take_records(found, np.flatnonzero(element == _RECORD))
        beats = np.flatnonzero(element == _BEAT)
        if len(beats):
            clock, bpm = found.clocks(beats, _TIME), found.numbers(beats, _BPM)
            self._beats.append((found.parents(beats), clock, bpm, found.places(beats)))
        motions = np.flatnonzero((element == _METADATA) & (key == MOTION))
        if len(motions):
            self._motions.append((found.parents(motions), found.numbers(motions, _VALUE)))
        zones = np.flatnonzero((element == _METADATA) & (key == ZONE))
        if len(zones):
            self._told_zones.append((found.parents(zones), found.texts(zones, _VALUE, self._zones)))
        workouts = np.flatnonzero(element == _WORKOUT)
        if len(workouts):
            self._workouts.append((workouts + found.base, found.stamps(workouts, _START)[0]))

    def _take_records(self, found: _Found, which: NDArray[np.int64]) -> None:
        if not len(which):
            return
        kind = found.rows[which, xml_attributes.KEY].astype(np.int8)
        start_s, printed_s = found.stamps(which, _START)
        value, category = np.full(len(which), np.nan), np.full(len(which), -1, np.int16)
        asleep = kind == SLEEP
        value[~asleep] = found.numbers(which[~asleep], _VALUE)
        category[asleep] = found.texts(which[asleep], _VALUE, self._categories)
        self._records.append(
            (
                which + found.base,
                kind,
                start_s,
                found.stamps(which, _END)[0],
                printed_s.astype(np.int32),
                value,
                found.texts(which, _SOURCE, self._sources),
                # what stands before the first comma is a pointer, which is another one in every process
                found.texts(which, _DEVICE, self._devices, behind=","),
                found.texts(which, _UNIT, self._units),
                category,
                found.rows[which, xml_attributes.PARENT],
                found.places(which),
            )
        )

    def _result(self, total: int) -> AppleExport:
        records = _joined(self._records, "qbqqidhhhhiq")
        beats = _joined(self._beats, "qqdq")
        motions = _joined(self._motions, "qd")
        zone_parent, zone = _joined(self._told_zones, "qh")
        workouts = _joined(self._workouts, "qq")
        holders = np.concatenate([records[0], workouts[0]])
        starts = np.concatenate([records[2], workouts[1]])
        order = np.argsort(holders)
        held = order[np.searchsorted(holders[order], zone_parent)] if len(holders) else np.empty(0, np.int64)
        names = [f.name for f in fields(AppleExport)]
        columns: dict[str, Any] = dict(zip(names, (*records, *beats, *motions, starts[held], zone), strict=False))
        return AppleExport(
            **columns,
            source_texts=self._sources.all(),
            device_texts=self._devices.all(),
            unit_texts=self._units.all(),
            category_texts=self._categories.all(),
            zone_texts=self._zones.all(),
            counts=self._counts_by_type(),
            elements={name: int(n) for (name, _, _), n in zip(_ELEMENTS, self._seen, strict=True)},
            cut=int(self._state[xml_attributes.N_CUT]),
            first_cut=self._first_cut,
            complete=bool(self._state[xml_attributes.ROOT_STATE] == xml_attributes.AFTER_ROOT),
            sha256="" if self._digest is None else self._digest.hexdigest(),
            bytes=total,
        )

    def _counts_by_type(self) -> dict[str, int]:
        found: dict[str, int] = {}
        names = _texts(self._pool, self._pool_ends, int(self._state[xml_attributes.N_KEYS]))
        for name, n in zip([*names, ""], [*self._counts[: len(names)], self._counts[-1]], strict=True):
            if n:
                shown = name if _PLAIN_TYPE.fullmatch(name) else "other"
                found[shown] = found.get(shown, 0) + int(n)
        return found


def is_export(head: bytes) -> bool:
    """Whether the first bytes of a file are those of an ``export.xml``, by its document type or root element."""
    return _EXPORT.search(head) is not None


def line_of(stream: IO[bytes], at: int) -> int:
    """Number of the line (1-based) in which byte ``at`` of a file stands."""
    lines = 1
    while at > 0:
        block = stream.read(min(at, 1 << 20))
        if not block:
            break
        lines += block.count(b"\n")
        at -= len(block)
    return lines


def _fill(stream: IO[bytes], view: memoryview) -> int:
    """Read until a view is full or the file ends."""
    filled = 0
    while filled < len(view):
        got: int = stream.readinto(view[filled:])  # type: ignore[attr-defined]
        if not got:
            break
        filled += got
    return filled


def _packed(names: Sequence[str]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    encoded = [name.encode() for name in names]
    return np.frombuffer(b"".join(encoded), np.uint8).copy(), np.cumsum([len(e) for e in encoded]).astype(np.int64)


def _texts(pool: NDArray[np.uint64], ends: NDArray[np.int64], n: int) -> list[str]:
    data = pool.astype("<u8").tobytes() if n else b""
    begins = [0, *(8 * ends[: max(n - 1, 0), 0]).tolist()]
    lengths = ends[:n, 1].tolist()
    return [data[at : at + length].decode("utf-8", "replace") for at, length in zip(begins, lengths, strict=False)]


def _column(attribute: int) -> int:
    return xml_attributes.SPANS + 2 * attribute


def _number_of(text: bytes) -> float:
    """A number that is not written plainly; NaN when it is none that a device measures."""
    try:
        value = float(html.unescape(text[:100].decode("ascii")))
    except ValueError:
        return math.nan
    return value if abs(value) <= LARGEST and b"_" not in text else math.nan


def _clock_of(text: bytes) -> int:
    """A clock time with entities or other blanks in it, in ns since midnight; -1 when it is none."""
    plain = " ".join(html.unescape(text[:100].decode("utf-8", "replace")).split()).encode()
    data, ns = np.frombuffer(plain + b"\0", np.uint8), np.empty(1, np.int64)
    text_spans.clock_times(data, np.array([[0, len(plain)]], np.int32), np.zeros(1, np.int64), 0, ns)
    return int(ns[0])


def _joined(parts: list[tuple[NDArray[Any], ...]], kinds: str) -> list[NDArray[Any]]:
    """The columns of all blocks one after the other; each part is given up as soon as its column is there."""
    if not parts:
        return [np.empty(0, kind) for kind in kinds]
    columns = list(zip(*parts, strict=True))
    parts.clear()
    found = []
    while columns:
        found.append(np.concatenate(columns.pop(0)))
    return found
