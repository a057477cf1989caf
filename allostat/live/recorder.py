"""The journal of a live session, on a disk that may be full: what it refused is counted, and told when it can be."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from allostat.errors import StoreError
from allostat.live.host_clock import HostClock
from allostat.store.journal import JournalWriter, Record, session_parts
from allostat.strap import RecordKind


class SessionRecorder:
    """Stamps and journals records; never raises on a disk that refuses.

    Parameters
    ----------
    folder, session, header
        As `allostat.store.journal.JournalWriter`.
    clock
        Stamps each record with both clocks.

    Raises
    ------
    StoreError
        The journal cannot be begun.
    """

    def __init__(self, folder: Path, session: str, header: Mapping[str, Any], clock: HostClock) -> None:
        self._folder, self._session, self._clock = folder, session, clock
        self._writer = JournalWriter(folder, session, header)
        self._untold: dict[int, int] = {}
        self._earlier_bytes = 0
        self.lost = 0
        self.message = ""

    def record(self, kind: RecordKind, strap: int, data: bytes) -> Record:
        """Journal one record, as it arrives now; it is given on also when the disk refused it."""
        record = Record(int(kind), strap, self._clock.monotonic_ns(), self._clock.wall_ns(), data)
        try:
            if self._untold:
                self._tell(record)
            self._append(record)
        except StoreError as error:
            self.lost += 1
            self._untold[strap] = self._untold.get(strap, 0) + 1
            self.message = str(error)
        else:
            self.message = ""
        return record

    def _tell(self, at: Record) -> None:
        """Journal how many records of each strap the disk had refused."""
        for strap, count in list(self._untold.items()):
            facts = json.dumps({"reason": "disk", "records": count}).encode()
            self._append(Record(int(RecordKind.GAP), strap, at.monotonic_ns, at.wall_ns, facts))
            del self._untold[strap]

    def _append(self, record: Record) -> None:
        before = self._writer.size
        self._writer.append(
            record.kind, record.strap, record.data, monotonic_ns=record.monotonic_ns, wall_ns=record.wall_ns
        )
        if self._writer.size < before:
            # A new part was begun.
            self._earlier_bytes += before

    @property
    def bytes_written(self) -> int:
        """Over all parts."""
        return self._earlier_bytes + self._writer.size

    @property
    def bytes_synced(self) -> int:
        """Of those, surely on the disk."""
        return self._earlier_bytes + self._writer.synced

    @property
    def parts(self) -> tuple[Path, ...]:
        """Files of the journal."""
        return session_parts(self._folder, self._session)

    def close(self) -> None:
        """Wait for the disk and close.

        A disk that refuses now is told in ``message``: what it had taken is there.
        """
        try:
            self._writer.close()
        except StoreError as error:
            self.message = str(error)
