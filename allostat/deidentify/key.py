"""The key of a study: from it follow pseudonyms and date shifts, and without it nobody can undo them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from allostat.errors import InputError

KEY_BYTES = 32
FIRST_WEEKS, LAST_WEEKS = 53, 260
"""Dates go back by one to five years."""
_PREFIX = "allostat-key-1:"


@dataclass(frozen=True)
class StudyKey:
    """Secret of one study.

    The same identifier has the same pseudonym and the same shift under the same key, so that data that come later fit.
    """

    secret: bytes = field(repr=False)

    def pseudonym(self, participant: str) -> str:
        """Identifier that stands for a participant: ``sub-`` and ten letters and digits (HMAC-SHA256, 50 bits)."""
        return "sub-" + base64.b32encode(self._digest("participant", participant)).decode().lower()[:10]

    def label(self, kind: str, text: str) -> str:
        """Short stand-in for a text that must stay distinct but not readable."""
        return base64.b32encode(self._digest(kind, text)).decode().lower()[:8]

    def shift_weeks(self, participant: str) -> int:
        """Whole weeks by which all dates of a participant move; negative."""
        number = int.from_bytes(self._digest("weeks", participant)[:8], "big")
        return -(FIRST_WEEKS + number % (LAST_WEEKS - FIRST_WEEKS + 1))

    def _digest(self, kind: str, text: str) -> bytes:
        return hmac.new(self.secret, f"{kind}\0{text}".encode(), hashlib.sha256).digest()


def make_key(path: Path) -> StudyKey:
    """A new key, written to a file that only its owner may read.

    Raises
    ------
    InputError
        When the file exists, or its folder does not.
    """
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise InputError("the key file exists already", where=path.name) from None
    except OSError as error:
        raise InputError(f"the key cannot be written ({error.strerror})", where=path.name) from error
    key = StudyKey(secrets.token_bytes(KEY_BYTES))
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(_PREFIX + key.secret.hex() + "\n")
        file.flush()
        os.fsync(file.fileno())
    return key


def read_key(path: Path) -> StudyKey:
    """The key of a file.

    Raises
    ------
    InputError
        When the file cannot be read, holds no key, or others may read it.
    """
    try:
        text = path.read_text(encoding="ascii").strip()
        mode = path.stat().st_mode
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"the key cannot be read ({error})", where=path.name) from error
    try:
        secret = bytes.fromhex(text.removeprefix(_PREFIX))
    except ValueError:
        secret = b""
    if not text.startswith(_PREFIX) or len(secret) != KEY_BYTES:
        raise InputError("holds no key", where=path.name, expected="a file that `allostat deidentify --new-key` wrote")
    if os.name == "posix" and mode & 0o077:
        raise InputError("others may read the key", where=path.name, found=oct(mode & 0o777), expected="mode 0600")
    return StudyKey(secret)
