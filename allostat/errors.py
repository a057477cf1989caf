"""Errors that say what is wrong, where, what was expected and the nearest valid name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class AllostatError(Exception):
    """Base of every error that allostat raises on purpose.

    Parameters
    ----------
    what
        One sentence that says what is wrong.
    where
        File and place, for example ``"labs.tsv, line 7, column unit"``.
    found, expected
        What stood there and what should stand there.
    valid
        Valid names; the one nearest to ``found`` is offered in the message.
    """

    def __init__(
        self,
        what: str,
        *,
        where: str | None = None,
        found: object = None,
        expected: str | None = None,
        valid: Iterable[str] = (),
    ) -> None:
        self.what = what
        self.where = where
        self.found = None if found is None else str(found)
        self.expected = expected
        self.valid = tuple(valid)
        super().__init__(self._sentence())

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.what, self.where, self.found, self.expected, self.valid))

    def _sentence(self) -> str:
        parts = [f"{self.where}: {self.what}" if self.where else self.what]
        if self.found is not None:
            parts.append(f"found {self.found!r}")
        if self.expected:
            parts.append(f"expected {self.expected}")
        if self.valid:
            near = nearest(self.found or "", self.valid)
            parts.append(f"nearest valid: {near!r}" if near else "valid: " + ", ".join(sorted(self.valid)[:12]))
        return "; ".join(parts)


def _rebuild(
    kind: type[AllostatError],
    what: str,
    where: str | None,
    found: str | None,
    expected: str | None,
    valid: tuple[str, ...],
) -> AllostatError:
    return kind(what, where=where, found=found, expected=expected, valid=valid)


class InputError(AllostatError):
    """A file or an argument does not hold what it should."""


class UnitError(InputError):
    """A unit is missing, unknown, or contradicts its values."""


class TimeZoneError(InputError):
    """A clock time cannot be placed in time because its zone is unknown or contradictory."""


class ConfigError(AllostatError):
    """A setting is unknown or invalid."""


class DeviceError(AllostatError):
    """A device refused, vanished or sent something that its protocol does not allow."""


class StoreError(AllostatError):
    """A stored file is damaged, foreign, newer than this version, or cannot be written."""


class DiskError(StoreError):
    """The disk refused: full, read-only, failing. What was there before is as it was."""


class NewerSchemaError(StoreError):
    """A stored file was written by a newer version, which alone may read or replace it."""


def nearest(name: str, valid: Iterable[str]) -> str | None:
    """The valid name most like ``name``, or None when none is close (case does not count)."""
    names = list(valid)
    folded = {n.casefold(): n for n in names}
    hit = difflib.get_close_matches(name.casefold(), list(folded), n=1, cutoff=0.5)
    return folded[hit[0]] if hit else None
