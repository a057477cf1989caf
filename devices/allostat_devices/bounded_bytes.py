"""All bytes of a member that must fit into memory, refused before they do not."""

from __future__ import annotations

from allostat.errors import InputError
from allostat.source import Source

_BLOCK = 1 << 20


def read_bounded(source: Source, member: str, limit: int, *, what: str, where: str) -> bytes:
    """All bytes of a member.

    Parameters
    ----------
    limit
        Largest number of bytes that such a file has.
    what
        Kind of file, for the message.
    where
        Name of the file, for the message.

    Raises
    ------
    InputError
        When there are more; not more than a block beyond the limit is read.
    """
    blocks, length = [], 0
    with source.open(member) as stream:
        # a single read of the limit would take that much memory for the smallest file
        while block := stream.read(_BLOCK):
            blocks.append(block)
            length += len(block)
            if length > limit:
                raise InputError(f"is too large for {what}", where=where, expected=f"at most {limit} bytes")
    return b"".join(blocks)
