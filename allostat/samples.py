"""Samples of a signal: an array, or, of a recording too long to stand in memory, a file of which stretches are read.

Whoever uses samples slices them (``samples[a:b]``) and gets arrays either way; see docs/decisions/0010.
"""

from __future__ import annotations

import errno
import os
import tempfile
import weakref
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, Any, TypeAlias

import numpy as np

from allostat.errors import DiskError

if TYPE_CHECKING:
    from numpy.typing import NDArray

BLOCK_SAMPLES = 1 << 18
"""Samples that are worked on at a time."""

SPOOL_ABOVE_BYTES = 32 << 20
"""Samples of one file beyond this do not stand in memory while a study is run. A day of ECG at 130 Hz takes 22 MB."""


class _Scratch:
    """A temporary file without a name, closed when nobody has it any more."""

    def __init__(self) -> None:
        self.file: IO[bytes] = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - it ends with its last user
        weakref.finalize(self, self.file.close)


class SpooledSamples:
    """One-dimensional samples in a temporary file that has no name and ends with its last user.

    Slices with step 1 and single samples are read when they are asked for; ``numpy.asarray`` reads all.

    Parameters
    ----------
    scratch
        The file: nothing but the samples, little-endian.
    dtype
        Integer or float.
    n
        Number of samples.
    """

    ndim = 1

    def __init__(self, scratch: _Scratch, dtype: np.dtype[Any], n: int) -> None:
        self._scratch, self.dtype, self._n = scratch, dtype, n

    @property
    def shape(self) -> tuple[int]:
        """One length."""
        return (self._n,)

    @property
    def size(self) -> int:
        """Number of samples."""
        return self._n

    @property
    def nbytes(self) -> int:
        """Bytes that they would take in memory."""
        return self._n * self.dtype.itemsize

    def __len__(self) -> int:
        return self._n

    def __getitem__(self, key: slice | int) -> Any:
        if isinstance(key, slice):
            start, stop, step = key.indices(self._n)
            if step != 1:
                raise IndexError("samples that are not in memory are sliced with step 1")
            return self._read(start, max(start, stop))
        at = range(self._n)[key]
        return self._read(at, at + 1)[0]

    def __iter__(self) -> Iterator[Any]:
        for block in blocks_of(self):
            yield from block

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        if copy is False:
            raise ValueError("samples that are not in memory cannot be had without a copy")
        return self._read(0, self._n).astype(dtype or self.dtype, copy=False)

    def __reduce__(self) -> tuple[Any, ...]:
        # In another process they are an array: the file is this one's.
        return (np.asarray, (np.asarray(self),))

    def __repr__(self) -> str:
        return f"SpooledSamples({self._n} samples, {self.dtype})"

    def _read(self, start: int, stop: int) -> NDArray[Any]:
        values, file = np.empty(stop - start, self.dtype), self._scratch.file
        view, done, at = values.view(np.uint8).data, 0, start * self.dtype.itemsize
        while done < len(view):
            rest, place = view[done:], at + done
            count = os.preadv(file.fileno(), [rest], place) if _AT_A_PLACE else _seek(file, rest, place)
            if not count:
                raise DiskError("the temporary file of a long recording ends early", found=at + done)
            done += count
        return values


def _seek(file: IO[bytes], view: memoryview, at: int) -> int:
    """Where the system cannot read at a place: one reader at a time."""
    file.seek(at)
    return int(file.readinto(view))  # type: ignore[attr-defined]


_AT_A_PLACE = hasattr(os, "preadv")

Samples: TypeAlias = "NDArray[Any] | SpooledSamples"


class SampleWriter:
    """Takes the samples of one stream part by part, and gives them as an array or spooled.

    Parameters
    ----------
    dtype
        Of the samples.
    count
        How many there will be at most.
    spooled
        Whether they go to a temporary file, in the folder that the system or ``TMPDIR`` names.
    """

    def __init__(self, dtype: Any, count: int, *, spooled: bool) -> None:
        self._dtype, self._n = np.dtype(dtype).newbyteorder("<" if spooled else "="), 0
        self._scratch = _Scratch() if spooled else None
        self._array = np.empty(0 if spooled else count, self._dtype)

    def append(self, values: NDArray[Any]) -> None:
        """Take further samples.

        Raises
        ------
        DiskError
            The temporary folder is full.
        """
        if self._scratch is None:
            self._array[self._n : self._n + len(values)] = values
        else:
            left = np.ascontiguousarray(values, self._dtype).view(np.uint8).data
            try:
                while left:
                    left = left[self._scratch.file.write(left) :]
            except OSError as error:
                what = "no room in" if error.errno == errno.ENOSPC else f"{error.strerror} in"
                raise DiskError(
                    f"{what} the folder of temporary files, which a long recording needs",
                    expected="a folder with room for its samples, named by TMPDIR",
                ) from error
        self._n += len(values)

    def finish(self) -> Samples:
        """The samples."""
        if self._scratch is None:
            return self._array[: self._n]
        return SpooledSamples(self._scratch, self._dtype, self._n)


def blocks_of(samples: Samples, length: int = BLOCK_SAMPLES) -> Iterator[NDArray[Any]]:
    """The samples as successive arrays of at most ``length``."""
    for at in range(0, len(samples), length):
        yield samples[at : at + length]


def extremes(samples: Samples, missing: int | None = None) -> tuple[int, int] | None:
    """Least and greatest of integer samples, those that equal ``missing`` left out; None when none is left."""
    low: int | None = None
    high: int | None = None
    for block in blocks_of(samples):
        valid = block if missing is None else block[block != missing]
        if len(valid):
            a, b = int(valid.min()), int(valid.max())
            low, high = a if low is None else min(low, a), b if high is None else max(high, b)
    return None if low is None or high is None else (low, high)
