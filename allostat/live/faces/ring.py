"""The last items of something that never ends, readable by anybody who remembers how far they had read."""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import Generic, TypeVar

T = TypeVar("T")


class Ring(Generic[T]):
    """The last ``size`` items, and how many there ever were.

    A reader keeps `total` of its last reading and asks with `since` for what came after it. What was pushed out in
    between is told as a number, so that a slow reader knows what it lost.
    """

    def __init__(self, size: int) -> None:
        self.items: deque[T] = deque(maxlen=size)
        self.total = 0

    def __len__(self) -> int:
        return len(self.items)

    def add(self, item: T) -> None:
        """Append one item; the oldest goes when the ring is full."""
        self.items.append(item)
        self.total += 1

    def since(self, total: int) -> tuple[list[T], int]:
        """Items after the first ``total`` ones, oldest first, and how many of them are gone."""
        fresh = self.total - total
        kept = min(fresh, len(self.items))
        return list(islice(self.items, len(self.items) - kept, None)), fresh - kept
