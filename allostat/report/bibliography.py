"""The sources that results cite: readable references and BibTeX, for exactly the DOIs that were used."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any


@dataclass(frozen=True, slots=True)
class Reference:
    """One source. Fields that are not certain stay empty; author, year and DOI always say enough to find it."""

    doi: str
    key: str
    author: str = ""
    year: int | None = None
    title: str = ""
    journal: str = ""
    volume: str = ""
    number: str = ""
    pages: str = ""

    @property
    def url(self) -> str:
        """Where the DOI leads."""
        return f"https://doi.org/{self.doi}"

    @property
    def text(self) -> str:
        """The reference in one line, without the DOI."""
        authors = [_plain(name) for name in _names(self.author)]
        names = authors[0] + (" et al." if authors[-1] == "others" or len(authors) > 3 else "")
        if len(authors) in (2, 3) and authors[-1] != "others":
            names = "; ".join(authors)
        where = _plain(self.journal)
        if self.volume:
            where += f" {self.volume}" + (f"({self.number})" if self.number else "")
        if self.pages:
            where += f":{self.pages}" if self.volume else f" {self.pages}"
        year = f" ({self.year})" if self.year else ""
        parts = [f"{names}{year}" if names else "", _plain(self.title), where.replace("--", "–")]
        return " ".join(map(_sentence, filter(None, parts))) or f"doi:{self.doi}"

    @property
    def bibtex(self) -> str:
        """The BibTeX entry; a source without a journal becomes ``@misc``."""
        kind = "article" if self.journal else "misc"
        fields = {
            "author": self.author,
            "title": self.title,
            "journal": self.journal,
            "year": self.year or "",
            "volume": self.volume,
            "number": self.number,
            "pages": self.pages,
            "doi": self.doi,
        }
        lines = [f"  {name} = {{{value}}}," for name, value in fields.items() if value]
        return f"@{kind}{{{self.key},\n" + "\n".join(lines) + "\n}\n"


@cache
def _known() -> Mapping[str, Mapping[str, Any]]:
    text = resources.files("allostat_data").joinpath("bibliography.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def reference(doi: str) -> Reference:
    """The source behind a DOI; an unlisted one carries its DOI and nothing invented."""
    bare = doi.strip().removeprefix("https://doi.org/").removeprefix("doi:")
    entry = _known().get(bare.casefold())
    if entry is None:
        return Reference(bare, "doi_" + re.sub(r"[^a-z0-9]+", "_", bare.casefold()).strip("_"))
    return Reference(bare, **entry)


def references(dois: Iterable[str]) -> tuple[Reference, ...]:
    """The sources of DOIs, each once, by author and year."""
    unique = {r.doi.casefold(): r for r in map(reference, sorted(dois)) if r.doi}
    return tuple(sorted(unique.values(), key=lambda r: (_plain(r.author).casefold() or "~", r.year or 0, r.doi)))


def references_bib(dois: Iterable[str]) -> str:
    """BibTeX of the sources that were used, for ``references.bib``.

    Parameters
    ----------
    dois
        DOIs as the attribute ``references`` of results holds them; duplicates and letter case do not matter.
    """
    return "\n".join(r.bibtex for r in references(dois))


def _names(author: str) -> list[str]:
    """Authors apart; an `` and `` inside braces belongs to the name of a body of several."""
    names, depth = [""], 0
    for word in author.split(" "):
        if word == "and" and depth == 0:
            names.append("")
        else:
            names[-1] = f"{names[-1]} {word}".strip()
        depth += word.count("{") - word.count("}")
    return names


def _sentence(text: str) -> str:
    """With one mark at its end: a full stop unless it asks or exclaims."""
    bare = text.rstrip(".")
    return bare if bare.endswith(("?", "!")) else f"{bare}."


def _plain(tex: str) -> str:
    return tex.replace("---", "—").replace("\\&", "&").translate({ord("{"): None, ord("}"): None})
