"""Plain twin of the scanner of XML elements and of the readers of its values: whole text at once, with patterns."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime

from allostat.kernels.xml_attributes import CHILD, COUNTED, GROUP, HOLDER, ROOT

_ATTRIBUTE = re.compile(rb"""[\0-\x20/]*([^=<>"']+?)[\0-\x20]*=[\0-\x20]*(?:"([^"<]*)"|'([^'<]*)')""")
_END = re.compile(rb"[\0-\x20]*(/?)>")


@dataclass
class Scanned:
    """Rows as tuples (element, key, parent, place, values by attribute), and counts."""

    rows: list[tuple[int, int, int, int, dict[int, bytes]]] = field(default_factory=list)
    keys: list[bytes] = field(default_factory=list)
    counts: dict[bytes, int] = field(default_factory=dict)
    seen: dict[bytes, int] = field(default_factory=dict)
    cut: int = 0
    complete: bool = False


def scan(text: bytes, elements: list[tuple[bytes, int, int]], attributes: list[bytes], wanted: list[bytes]) -> Scanned:
    """Everything that the compiled scanner finds, for text whose attributes are written as XML says."""
    found = Scanned(keys=list(wanted))
    roles = {name: (i, role, key) for i, (name, role, key) in enumerate(elements)}
    folded = {name.lower().replace(b" ", b""): i for i, name in enumerate(attributes)}
    started, holder, group, groups, at = False, -1, 0, 0, 0
    while (at := text.find(b"<", at)) >= 0:
        begin = at
        at += 1
        if started and text.startswith(b"<!--", begin):
            end = text.find(b"-->", begin + 4)
            if end < 0:
                return found
            at = end + 3
            continue
        tag = re.match(rb"(/?)([^\0-\x20/>]+)(?=[\0-\x20/>])", text[at:])
        if not tag or tag[2] not in roles:
            continue
        element, role, key_attribute = roles[tag[2]]
        if tag[1]:
            if role == ROOT and started:
                found.complete = True
                return found
            if role == HOLDER:
                holder = -1
            elif role == GROUP:
                group = 0
            continue
        if role == ROOT:
            started = True
        if not started or (role == CHILD and holder < 0):
            continue
        found.seen[tag[2]] = found.seen.get(tag[2], 0) + 1
        if role == GROUP:
            groups += 1
            group = groups
        if role in (GROUP, HOLDER):
            holder = -1
        if role in (ROOT, GROUP, COUNTED):
            continue
        at += tag.end()
        values: dict[int, bytes] = {}
        key, use = -1, key_attribute < 0
        unwanted = False
        while match := _ATTRIBUTE.match(text, at):
            at = match.end()
            which = folded.get(re.sub(rb"[\0-\x20]", b"", match[1]).lower(), -1)
            value = match[2] if match[2] is not None else match[3]
            if which < 0:
                continue
            values[which] = value
            if which == key_attribute:
                key = found.keys.index(value) if value in found.keys else -1
                if role == HOLDER:
                    if key < 0:
                        found.keys.append(value)
                        key = len(found.keys) - 1
                    found.counts[value] = found.counts.get(value, 0) + 1
                use = 0 <= key < len(wanted)
                if not use:
                    unwanted = True
                    break
        if unwanted:
            continue
        end_of_tag = _END.match(text, at)
        if not end_of_tag:
            found.cut += 1
            continue
        if use:
            found.rows.append((element, key, holder if role == CHILD else group, begin, values))
            if role == HOLDER and not end_of_tag[1]:
                holder = len(found.rows) - 1
    return found


def stamp(text: str) -> tuple[int, int] | None:
    """Seconds since 1970 UTC and offset in s of ``2024-03-04 05:06:07 +0100``."""
    if not re.fullmatch(r"(19|20|21)\d\d-\d\d-\d\d[ T]\d\d:\d\d:\d\d [+-]\d{4}", text, re.ASCII):
        return None
    hours, minutes = int(text[21:23]), int(text[23:25])
    if hours > 14 or minutes > 59:
        return None
    try:
        local = datetime.fromisoformat(text[:19] + "+00:00")
    except ValueError:
        return None
    offset = (hours * 3600 + minutes * 60) * (-1 if text[20] == "-" else 1)
    return round(local.timestamp()) - offset, offset


def clock_ns(text: str) -> int:
    """Ns since midnight of ``20:14:07.68`` or ``6:14:48.94 PM``; -1 when it is none."""
    found = re.fullmatch(
        r"(\d{1,2}):(\d\d):(\d\d)(?:[.,](\d{0,9}))?[ \u00a0\u202f]*(?:([AaPp])[Mm][ \u00a0\u202f]*)?", text, re.ASCII
    )
    if not found:
        return -1
    hour, minute, second = int(found[1]), int(found[2]), int(found[3])
    if found[5]:
        if not 1 <= hour <= 12:
            return -1
        hour = hour % 12 + (12 if found[5] in "Pp" else 0)
    if hour > 23 or minute > 59 or second > 59:
        return -1
    return (hour * 3600 + minute * 60 + second) * 10**9 + int((found[4] or "").ljust(9, "0"))
