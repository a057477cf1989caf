"""The FIT container: chained parts, record headers, definitions, and columns of fields out of equal messages.

Records are framed one after the other, which needs only their lengths; everything else is done for all messages of
one definition at once. Position fields and texts are left out of what can be asked for.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from allostat.errors import InputError
from allostat.recording import Notice
from allostat_devices.fit_crc import crc16

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_BYTES = 64 << 20
"""No device writes more into one file."""
MAX_RECORDS = 2_000_000
"""Three weeks of one record a second."""
MAX_DEFINITIONS = 100_000
MAX_LAYOUTS = 5_000
TIMESTAMP = 253
_HEADER_BYTES = 12
_MAGIC = b".FIT"
_COMPRESSED, _DEFINITION, _DEVELOPER = 0x80, 0x40, 0x20

_BASES: dict[int, tuple[str, int | None]] = {
    0: ("u1", 0xFF), 1: ("i1", 0x7F), 2: ("u1", 0xFF), 3: ("i2", 0x7FFF), 4: ("u2", 0xFFFF), 5: ("i4", 0x7FFFFFFF),
    6: ("u4", 0xFFFFFFFF), 8: ("f4", None), 9: ("f8", None), 10: ("u1", 0), 11: ("u2", 0), 12: ("u4", 0),
    13: ("u1", 0xFF), 14: ("i8", 0x7FFFFFFFFFFFFFFF), 15: ("u8", 0xFFFFFFFFFFFFFFFF), 16: ("u8", 0),
}  # fmt: skip
"""Type and invalid value by number of the base type; text (7) has none because it is never read."""
POSITION_FIELDS: dict[int, frozenset[int]] = {
    18: frozenset({3, 4, 29, 30, 31, 32, 38, 39}),
    19: frozenset({3, 4, 5, 6, 25, 26, 27, 28, 29, 30}),
    20: frozenset({0, 1}),
    29: frozenset({1, 2}),
    32: frozenset({2, 3}),
    142: frozenset({3, 4, 5, 6, 25, 26, 27, 28}),
    149: frozenset({2, 3, 4, 5}),
    150: frozenset({1, 2}),
    160: frozenset({1, 2}),
    312: frozenset({21, 22, 23, 24}),
}
"""Latitudes and longitudes by message (session, lap, record, course point, segments, GPS …): never decoded."""


@dataclass(frozen=True, slots=True)
class FieldSlot:
    """Where one field lies in a message."""

    number: int
    offset: int
    count: int
    base: int


@dataclass(frozen=True)
class Layout:
    """One definition: the message, its length with header, and where each of its readable fields lies."""

    message: int
    big_endian: bool
    size: int
    slots: tuple[FieldSlot, ...]
    texts: bool = False
    """Whether it has text fields."""
    positions: bool = False
    """Whether it has position fields."""
    numbers: frozenset[int] = frozenset()
    """All field numbers defined, readable or not."""

    @cached_property
    def dtype(self) -> np.dtype[np.void]:
        """One message as a structured type whose names are field numbers."""
        order = ">" if self.big_endian else "<"
        kinds = [order + _BASES[s.base][0] for s in self.slots]
        return np.dtype(
            {
                "names": [str(s.number) for s in self.slots],
                "formats": [(k, (s.count,)) if s.count > 1 else k for k, s in zip(kinds, self.slots, strict=True)],
                "offsets": [s.offset for s in self.slots],
                "itemsize": self.size,
            }
        )

    def slot(self, number: int) -> FieldSlot | None:
        """The slot of a field, None when messages of this layout do not have it."""
        return next((s for s in self.slots if s.number == number), None)


@dataclass(frozen=True)
class Group:
    """All messages of one layout in one part, as the positions of their headers."""

    layout: Layout
    offsets: NDArray[np.int64]
    data: NDArray[np.uint8] = field(repr=False)

    @cached_property
    def rows(self) -> NDArray[np.void]:
        """The messages side by side, structured (n,)."""
        size = self.layout.size
        window: NDArray[np.void] = np.ndarray((len(self.data) - size + 1,), self.layout.dtype, self.data, strides=(1,))
        return window[self.offsets]

    def raw(self, number: int) -> NDArray[Any]:
        """A field as (n, count) in the numbers of the file."""
        slot = self.layout.slot(number)
        if slot is None:
            return np.empty((len(self.offsets), 0), np.uint8)
        return np.asarray(self.rows[str(number)]).reshape(len(self.offsets), slot.count)

    def values(self, number: int) -> NDArray[np.float64]:
        """A field as float64 (n, count), NaN where it is invalid."""
        slot = self.layout.slot(number)
        raw = self.raw(number)
        values = raw.astype(np.float64)
        invalid = None if slot is None else _BASES[slot.base][1]
        if invalid is not None:
            values[raw == invalid] = np.nan
        return values


@dataclass(frozen=True)
class Messages:
    """All messages of one number in one part, in the order of the file."""

    groups: tuple[Group, ...]

    @cached_property
    def _unordered(self) -> NDArray[np.int64]:
        return np.concatenate([np.empty(0, np.int64), *(g.offsets for g in self.groups)])

    @cached_property
    def _order(self) -> NDArray[np.int64]:
        return np.argsort(self._unordered, kind="stable")

    @cached_property
    def offsets(self) -> NDArray[np.int64]:
        """int64 (n,): position of each message in the file, ascending."""
        return self._unordered[self._order]

    def __len__(self) -> int:
        return len(self._unordered)

    def has(self, number: int) -> bool:
        """Whether any of the messages has a field."""
        return any(g.layout.slot(number) is not None for g in self.groups)

    def elements(self, number: int) -> int:
        """How many elements a field has in all messages, valid or not; found without decoding any."""
        slots = ((len(g.offsets), g.layout.slot(number)) for g in self.groups)
        return sum(n * slot.count for n, slot in slots if slot is not None)

    def numbers(self, number: int) -> NDArray[np.float64]:
        """First element of a field, float64 (n,): NaN where it is invalid or absent."""
        found = [np.empty(0)]
        for group in self.groups:
            slot = group.layout.slot(number)
            found.append(np.full(len(group.offsets), np.nan) if slot is None else group.values(number)[:, 0])
        return np.concatenate(found)[self._order]

    def arrays(self, number: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """All elements of an array field: message of each (index into `offsets`) and value; invalid ones left out."""
        return self._flat(lambda group: group.values(number), dropped=True)

    def bytes_of(self, number: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """All elements of a byte field; a message is left out when all of its bytes are invalid."""

        def whole(group: Group) -> NDArray[np.float64]:
            raw = group.raw(number)
            values = raw.astype(np.float64)
            values[np.all(raw == 0xFF, axis=1)] = np.nan
            return values

        return self._flat(whole, dropped=True)

    def _flat(
        self, of_group: Callable[[Group], NDArray[np.float64]], *, dropped: bool
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        place = np.empty(len(self._order), np.int64)
        place[self._order] = np.arange(len(self._order))
        rows, values, first = [np.empty(0, np.int64)], [np.empty(0)], 0
        for group in self.groups:
            found = of_group(group)
            n = len(group.offsets)
            rows.append(np.repeat(place[first : first + n], found.shape[1]))
            values.append(found.ravel())
            first += n
        all_rows, all_values = np.concatenate(rows), np.concatenate(values)
        if dropped:
            kept = ~np.isnan(all_values)
            all_rows, all_values = all_rows[kept], all_values[kept]
        order = np.argsort(all_rows, kind="stable")
        return all_rows[order], all_values[order]


NO_MESSAGES = Messages(())


@dataclass(frozen=True)
class Part:
    """One FIT file of a chain."""

    groups: tuple[Group, ...]
    notices: tuple[Notice, ...] = ()
    records: int = 0
    """Data messages."""

    @cached_property
    def _by_number(self) -> dict[int, Messages]:
        found: dict[int, list[Group]] = {}
        for group in self.groups:
            found.setdefault(group.layout.message, []).append(group)
        return {number: Messages(tuple(groups)) for number, groups in found.items()}

    def __getitem__(self, message: int) -> Messages:
        return self._by_number.get(message, NO_MESSAGES)

    def counts(self) -> dict[int, int]:
        """Number of messages by message number."""
        return {number: len(messages) for number, messages in sorted(self._by_number.items())}

    def decoded(self) -> Iterator[tuple[int, int, NDArray[np.float64]]]:
        """Every readable field of every layout: message, field, values (n, count)."""
        for group in self.groups:
            for slot in group.layout.slots:
                yield group.layout.message, slot.number, group.values(slot.number)


def is_fit(head: bytes) -> bool:
    """Whether bytes begin with the header of a FIT file."""
    return len(head) >= _HEADER_BYTES and head[8:12] == _MAGIC and head[0] >= _HEADER_BYTES


def parts_of(data: bytes, file: str) -> tuple[Part, ...]:
    """The FIT files that are chained in some bytes.

    Parameters
    ----------
    file
        Name for notices and errors.

    Returns
    -------
    tuple of Part
        What is damaged ends with its last complete message, and its notices say so (``crc``, ``truncated``,
        ``damaged``).

    Raises
    ------
    InputError
        No FIT header, or more bytes, messages or definitions than a device writes.
    """
    if not is_fit(data):
        raise InputError("does not begin with a FIT header", where=file, expected="'.FIT' in bytes 8 to 11")
    if len(data) > MAX_BYTES:
        raise InputError("is too large for a FIT file", where=file, found=len(data), expected=f"at most {MAX_BYTES}")
    array_of_bytes = np.frombuffer(data, np.uint8)
    parts: list[Part] = []
    at = 0
    while is_fit(data[at : at + _HEADER_BYTES]):
        part, at = _part(data, array_of_bytes, at, file)
        parts.append(part)
        if len(parts) > MAX_LAYOUTS:
            raise InputError("holds too many chained FIT files", where=file, found=len(parts))
    rest = len(data) - at
    if rest > 0 and parts:
        told = Notice("damaged", f"{rest} bytes behind the last FIT file are no FIT file", "warning", 1, file)
        parts[-1] = Part(parts[-1].groups, (*parts[-1].notices, told), parts[-1].records)
    return tuple(parts)


def _part(data: bytes, bytes_: NDArray[np.uint8], start: int, file: str) -> tuple[Part, int]:
    """The part that begins at ``start``, and where the next one would begin."""
    first = min(start + data[start], len(data))
    declared = int.from_bytes(data[start + 4 : start + 8], "little")
    end, after = first + declared, first + declared + 2
    notices: list[Notice] = []
    if declared == 0 and len(data) - first > 2 and not is_fit(data[after : after + _HEADER_BYTES]):
        # written at the end of a recording: a device that stops before leaves it at 0
        end = after = len(data)
        notices.append(
            Notice("truncated", "the header states no length: read to the end of the file", "warning", 1, file)
        )
    elif after > len(data):
        lacking = after - len(data)
        message = f"ends {lacking} bytes before the length that its header states"
        notices.append(Notice("truncated", message, "warning", 1, file))
        after = len(data)
        end = min(end, len(data))
    elif crc16(bytes_[start:after]):
        notices.append(Notice("crc", "the checksum does not fit: some bytes are damaged", "warning", 1, file))
    framed = _Framing(data, first, end, file)
    framed.run()
    if framed.problem:
        notices.append(Notice("damaged", framed.problem, "error", 1, file))
    groups = tuple(
        Group(layout, np.frombuffer(offsets, np.uint32).astype(np.int64), bytes_)
        for layout, offsets in framed.groups.values()
        if len(offsets)
    )
    return Part(groups, tuple(notices), framed.records), after


class _Framing:
    """Positions of the data messages between two positions of a file."""

    def __init__(self, data: bytes, start: int, end: int, file: str) -> None:
        self._data, self._start, self._end, self._file = data, start, end, file
        self.groups: dict[bytes, tuple[Layout, array[int]]] = {}
        self.records = 0
        self.problem = ""
        self._sizes = [0] * 256
        self._keep: list[Callable[[int], None]] = [_nothing] * 256

    def run(self) -> None:
        data, end, sizes, keep = self._data, self._end, self._sizes, self._keep
        at = self._start
        count = definitions = 0
        while at < end:
            head = data[at]
            size = sizes[head]
            if size:
                # a message that the end cuts off is taken back below
                keep[head](at)
                at += size
                count += 1
                if count > MAX_RECORDS:
                    raise InputError("holds too many messages", where=self._file, found=f"more than {MAX_RECORDS}")
                continue
            if head & _COMPRESSED or not head & _DEFINITION:
                self.problem = f"byte {at}: a message that no definition describes"
                break
            definitions += 1
            if definitions > MAX_DEFINITIONS:
                raise InputError("holds too many definitions", where=self._file, found=f"more than {MAX_DEFINITIONS}")
            after = self._define(at)
            if after is None:
                break
            at = after
        if at > end:
            self._take_back()
            count -= 1
            self.problem = self.problem or f"the last message is cut off at byte {end}"
        self.records = count

    def _take_back(self) -> None:
        _, last = max(self.groups.values(), key=lambda group: group[1][-1] if len(group[1]) else -1)
        last.pop()

    def _define(self, at: int) -> int | None:
        """Take in the definition at a position; None when it cannot be one."""
        data, end = self._data, self._end
        if at + 6 > end:
            self.problem = f"a definition is cut off at byte {end}"
            return None
        developer = bool(data[at] & _DEVELOPER)
        body = at + 6 + 3 * data[at + 5]
        after = body + 1 + 3 * data[body] if developer and body < end else body
        if after > end or (developer and body >= end):
            self.problem = f"a definition is cut off at byte {end}"
            return None
        if data[at + 2] > 1:
            self.problem = f"byte {at}: a definition of byte order {data[at + 2]}"
            return None
        key = data[at + 2 : after] + bytes([developer])
        if key not in self.groups:
            if len(self.groups) >= MAX_LAYOUTS:
                raise InputError("holds too many different definitions", where=self._file, found=len(self.groups))
            self.groups[key] = (_layout(data[at + 2 : body], data[body + 1 : after] if developer else b""), array("I"))
        layout, offsets = self.groups[key]
        local = data[at] & 0x0F
        # the bits that the format reserves mean nothing to a reader
        self._sizes[local:_DEFINITION:16] = [layout.size] * 4
        self._keep[local:_DEFINITION:16] = [offsets.append] * 4
        if local < 4:
            first = _COMPRESSED | local << 5
            self._sizes[first : first + 32] = [layout.size] * 32
            self._keep[first : first + 32] = [offsets.append] * 32
        return after


def _nothing(_: int) -> None:
    raise AssertionError("a header without a definition has no length")


def _layout(definition: bytes, developer: bytes) -> Layout:
    """The layout of a definition from its byte order on; developer fields only add to the length."""
    order, message = definition[0], int.from_bytes(definition[1:3], "big" if definition[0] else "little")
    positions = POSITION_FIELDS.get(message, frozenset())
    slots: dict[int, FieldSlot] = {}
    numbers: set[int] = set()
    texts = False
    at = 1
    for number, size, base_type in _triples(definition[4:]):
        base = base_type & 0x1F
        numbers.add(number)
        texts |= base == 7
        kind = _BASES.get(base)
        if kind is not None and number not in positions and number not in slots:
            width = int(kind[0][1])
            # a field that is no whole number of elements long has no values
            if size and size % width == 0:
                slots[number] = FieldSlot(number, at, size // width, base)
        at += size
    at += sum(size for _, size, _ in _triples(developer))
    return Layout(message, bool(order), at, tuple(slots.values()), texts, bool(numbers & positions), frozenset(numbers))


def _triples(data: bytes) -> Iterator[tuple[int, int, int]]:
    return zip(data[0::3], data[1::3], data[2::3], strict=True)
