"""Starts a command from a small process and tells what it and its orphans took: ``python -I -S launcher.py COMMAND …``

The system counts a process's most memory from before it became another program: one that is started by a benchmark of
500 MB has had 500 MB. This process is small, and whoever started it reads one JSON line from its standard output.
"""

import ctypes
import json
import os
import sys
import time

_SUBREAPER = 36
"""PR_SET_CHILD_SUBREAPER: the server that forks workers outlives the run and is then this process's to wait for."""


def main():
    ctypes.CDLL(None, use_errno=True).prctl(_SUBREAPER, 1, 0, 0, 0)
    null = os.open(os.devnull, os.O_RDWR)
    child = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, null, 1)])
    print(json.dumps({"pid": child}), flush=True)
    ended = []
    while True:
        try:
            pid, status, usage = os.wait4(-1, 0)
        except ChildProcessError:
            break
        ended.append(
            {
                "pid": pid,
                "code": os.waitstatus_to_exitcode(status),
                "cpu_s": usage.ru_utime + usage.ru_stime,
                "peak_mb": usage.ru_maxrss * 1024 / 1e6,
                "ended": time.time(),
            }
        )
    print(json.dumps(ended), flush=True)


main()
