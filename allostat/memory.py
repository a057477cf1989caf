"""How often Python looks for garbage, and what becomes of memory that was given back.

Measured: with its own settings Python looks for garbage a quarter of the time of a run; a worker that had processed a
fourteen-day ECG kept 100 MB of arrays that were gone.
"""

from __future__ import annotations

import ctypes
import gc

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""Parameters of the C library's ``mallopt``."""


def collect_rarely() -> None:
    """Look for garbage when 200,000 more objects are alive, not 700: most of them stay anyway."""
    gc.set_threshold(200_000, 20, 20)


def give_memory_back() -> None:
    """Let the system have large arrays back when they go, and what is free now; nothing where the C library cannot.

    The GNU C library keeps freed blocks of up to 32 MB for later ones, once it has seen some go.
    """
    try:
        library = ctypes.CDLL(None)
        library.mallopt(_MMAP_THRESHOLD, 1 << 20)
        library.mallopt(_TRIM_THRESHOLD, 8 << 20)
        library.malloc_trim(0)
    except (TypeError, OSError, AttributeError):  # Windows has no such library, others have no such functions
        return


def end_without_collecting() -> None:
    """Spare Python the search through everything that was loaded when the program ends (0.3 s)."""
    gc.freeze()
