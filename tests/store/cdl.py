"""What `ncdump` prints (CDL), read back: dimensions, variables, attributes and values of every group."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|//[^\n]*|[{};,=():]|(?:[^\s{};,=():"\\]|\\.)+')
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*(?:[eE][-+]?\d+)?|\.\d+|NaN|Infinity)(?:[bsfL]|u[bs]|U?LL|UL|U)?f?\Z")
_SUFFIX = re.compile(r"(?:[bsf]|ub|us|U?LL|U)\Z")
_SECTIONS = ("dimensions", "variables", "data", "types")


@dataclass
class Node:
    """A variable or a group: attributes as lists of texts (quoted) and words (numbers)."""

    dims: tuple[str, ...] = ()
    attrs: dict[str, list[str]] = field(default_factory=dict)
    values: list[str] = field(default_factory=list)


def dumped(path: Path) -> dict[str, Node]:
    """Every group and variable of a file by its path, as ncdump tells them; numbers with all digits."""
    done = subprocess.run(["ncdump", "-p", "9,17", path], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    tokens = [t for t in _TOKEN.findall(done.stdout) if not t.startswith("//")]
    assert tokens[0] == "netcdf"
    found: dict[str, Node] = {}
    rest = iter(tokens[tokens.index("{") + 1 :])
    _group(rest, "/", found)
    return found


def number(text: str) -> float | int:
    """A number as ncdump writes it."""
    plain = text if text in ("NaN", "Infinity", "-Infinity") else _SUFFIX.sub("", text)
    return float(plain.removesuffix("f")) if re.search(r"[.eNI]", plain) else int(plain)


def unquoted(text: str) -> str:
    """Text between quotes; escapes, also bytes of UTF-8 in octal, resolved."""
    escapes = {"n": b"\n", "t": b"\t", "r": b"\r"}

    def plain(match: re.Match[str]) -> str:
        code = match[1]
        raw = bytes([int(code, 8)]) if code.isdigit() else escapes.get(code, code.encode())
        return raw.decode("latin-1")

    as_latin = text[1:-1].encode().decode("latin-1")
    return re.sub(r"\\([0-7]{3}|.)", plain, as_latin).encode("latin-1").decode()


def _group(tokens: Iterator[str], path: str, found: dict[str, Node]) -> None:
    here = found.setdefault(path, Node())
    section = ""
    for token in tokens:
        match token:
            case "}":
                return
            case "group":
                assert next(tokens) == ":"
                name = _word(next(tokens))
                assert next(tokens) == "{"
                _group(tokens, f"{path.rstrip('/')}/{name}", found)
            case ":":
                name = _word(next(tokens))
                here.attrs[name] = _statement(tokens)
            case _ if token in _SECTIONS:
                assert next(tokens) == ":"
                section = token
            case _ if section == "dimensions":
                _until_end(tokens)
            case _ if section == "data":
                found[f"{path.rstrip('/')}/{_word(token)}"].values = _statement(tokens)
            case _:
                _declared(token, tokens, path, found)


def _declared(token: str, tokens: Iterator[str], path: str, found: dict[str, Node]) -> None:
    """``type name(dims) ;`` or ``name:attribute = values ;``."""
    second = next(tokens)
    if token == "string":
        # Several texts in one attribute are of the type string: ``string variable:attribute = …``.
        owner, sign = ("", ":") if second == ":" else (second, next(tokens))
        assert sign == ":", "a variable of text of variable length"
        place = f"{path.rstrip('/')}/{_word(owner)}" if owner else path
        name = _word(next(tokens))
        found[place].attrs[name] = _statement(tokens)
        return
    if second == ":":
        name = _word(next(tokens))
        found[f"{path.rstrip('/')}/{_word(token)}"].attrs[name] = _statement(tokens)
        return
    dims = [_word(t) for t in _until_end(tokens) if t not in "(),"]
    found[f"{path.rstrip('/')}/{_word(second)}"] = Node(tuple(dims))


def _statement(tokens: Iterator[str]) -> list[str]:
    assert next(tokens) == "="
    return [t for t in _until_end(tokens) if t != ","]


def _until_end(tokens: Iterator[str]) -> list[str]:
    found = []
    for token in tokens:
        if token == ";":
            return found
        found.append(token)
    raise AssertionError("ncdump ended within a statement")


def _word(token: str) -> str:
    return re.sub(r"\\(.)", r"\1", token)
