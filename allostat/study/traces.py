"""Traces of a participant: where an identifier, or the hash of what is theirs, still stands."""

from __future__ import annotations

import html
import json
import mmap
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from urllib.parse import quote


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
        self._texts = {t: t.encode() for t in sorted(set(texts)) if t}
        others = {b.encode() for b in beside if b not in self._texts}
        self._beside = {
            raw: [(b, m.start()) for b in others for m in re.finditer(re.escape(raw), b)]
            for raw in self._texts.values()
        }

    def found_in(self, data: bytes | mmap.mmap) -> list[str]:
        """Those that stand in some bytes."""
        return [text for text, raw in self._texts.items() if next(self._places(data, raw), None) is not None]

    def replaced(self, text: str, by: str) -> str:
        """A text in which something else stands for each of them."""
        data = text.encode()
        for raw in self._texts.values():
            for at in reversed(list(self._places(data, raw))):
                data = data[:at] + by.encode() + data[at + len(raw) :]
        return data.decode()

    def found_in_file(self, path: Path) -> list[str]:
        """Those that stand in the bytes of a file."""
        if not path.stat().st_size:
            return []
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return self.found_in(data)

    def _places(self, data: bytes | mmap.mmap, raw: bytes) -> Iterator[int]:
        # One search for each text: an expression of all of them takes a hundred times as long.
        at = data.find(raw)
        while at >= 0:
            end = at + len(raw)
            word = not data[max(at - 1, 0) : at].isalnum() and not data[end : end + 1].isalnum()
            if word and not any(data[max(at - o, 0) : at - o + len(b)] == b for b, o in self._beside[raw]):
                yield at
            at = data.find(raw, at + 1)


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
