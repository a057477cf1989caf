"""Traces of a participant: where an identifier, or the hash of what is theirs, still stands."""

from __future__ import annotations

import html
import json
import mmap
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from urllib.parse import quote

_BEFORE, _AFTER = rb"(?<![A-Za-z0-9])", rb"(?![A-Za-z0-9])"


def mentions(text: str, participant: str) -> bool:
    """Whether a text holds an identifier as a word of its own (``sub-1`` is not in ``sub-17``)."""
    return bool(participant) and Words([participant.casefold()]).found_in(text.casefold().encode()) != []


def searchable(participant: str) -> bool:
    """Whether finding an identifier in a file of numbers means anything: ``7`` and ``42`` stand in every file."""
    return len(participant) > 2 and not participant.isdecimal()


def written_forms(text: str) -> set[str]:
    """A text as files hold it: plain, in JSON, in HTML, as part of an address."""
    return {text, json.dumps(text)[1:-1], html.escape(text), quote(text, safe="")}


class Words:
    """Texts to be found as words of their own.

    Parameters
    ----------
    texts
        The texts.
    beside
        Longer texts that may hold them and are something else: ``sub-1-2`` when ``sub-1`` is looked for.
    """

    def __init__(self, texts: Iterable[str], beside: Iterable[str] = ()) -> None:
        self._texts = {t for t in texts if t}
        others = {b for b in beside if b not in self._texts and any(t in b for t in self._texts)}
        # The longest first: of two that begin alike the longer one is meant.
        ordered = sorted(self._texts | others, key=lambda t: (-len(t), t))
        joined = b"|".join(re.escape(t.encode()) for t in ordered)
        self._pattern = re.compile(_BEFORE + b"(?:" + joined + b")" + _AFTER) if self._texts else None

    def found_in(self, data: bytes | mmap.mmap) -> list[str]:
        """Those that stand in some bytes."""
        if self._pattern is None:
            return []
        return sorted({hit.group().decode() for hit in self._pattern.finditer(data)} & self._texts)

    def replaced(self, text: str, by: str) -> str:
        """A text in which something else stands for each of them."""
        if self._pattern is None:
            return text

        def other(hit: re.Match[bytes]) -> bytes:
            return by.encode() if hit.group().decode() in self._texts else hit.group()

        return self._pattern.sub(other, text.encode()).decode()

    def found_in_file(self, path: Path) -> list[str]:
        """Those that stand in the bytes of a file."""
        if not path.stat().st_size:
            return []
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return self.found_in(data)


def files_below(root: Path) -> Iterator[Path]:
    """Every file below a folder, hidden ones too, links not followed."""
    for path in sorted(root.rglob("*")):
        if path.is_file() and not path.is_symlink():
            yield path


def traces(root: Path, words: Words, *, skip: Callable[[Path], bool] = lambda path: False) -> list[tuple[str, str]]:
    """What below a folder holds one of some texts, in its name or in its bytes; with the text."""
    found = []
    for path in sorted(root.rglob("*")):
        if words.found_in(path.name.encode()):
            found.append((path.relative_to(root).as_posix(), "its name"))
    for path in files_below(root):
        if not skip(path):
            found += [(path.relative_to(root).as_posix(), word) for word in words.found_in_file(path)]
    return found
