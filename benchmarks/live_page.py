"""How well the local page follows a session: virtual straps, the real session, the page in headless Chromium.

    python -m benchmarks.live_page [STRAPS] [SECONDS]

Prints frames that the page applied per second, what it lost, its JavaScript heap after each quarter of the time (after
a collection), and the CPU time of the session with the page and without it, as a share of one core.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from allostat.live import conduct
from allostat.live.chosen_straps import StrapChoice
from allostat.live.faces.opened import FaceChoice, OpenedFaces
from tests.live.faces.browser import browser


def followed(url: str, seconds: float, folder: Path) -> dict[str, Any]:
    """What a page that is open for so long applied and kept."""
    with browser(folder) as page:
        page.open(url)
        page.until("allostatLive.frames > 10")
        begin = page.run("[allostatLive.frames, performance.now()]")
        heap = []
        for _ in range(4):
            page.run(f"new Promise(done => setTimeout(done, {seconds * 250}))")
            page.send("HeapProfiler.collectGarbage")
            heap.append(round(page.run("performance.memory.usedJSHeapSize") / 1e6, 2))
        end = page.run("[allostatLive.frames, performance.now()]")
        return {
            "frames_per_s": round((end[0] - begin[0]) / (end[1] - begin[1]) * 1000, 2),
            "lost_by_page": page.run("allostatLive.lost"),
            "cards": page.run("document.querySelectorAll('.card').length"),
            "heap_mb": heap,
            "console": page.console,
        }


async def measured(straps: int, seconds: float, with_page: bool) -> dict[str, Any]:
    """One session of ``seconds`` after all straps have been found."""
    found: dict[str, Any] = {}
    begin = OpenedFaces.open
    looking: list[asyncio.Task[dict[str, Any]]] = []

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place:

        async def opened(self: OpenedFaces, *arguments: Any, **options: Any) -> None:
            await begin(self, *arguments, **options)
            found["cpu"], found["at"] = time.thread_time(), time.monotonic()
            if with_page:
                thread = asyncio.to_thread(followed, self.url, seconds - 8, Path(place) / "profile")
                looking.append(asyncio.create_task(thread))

        OpenedFaces.open = opened  # type: ignore[method-assign]
        try:
            plan = conduct.SessionPlan(
                Path(place) / "session", StrapChoice(("all",)), simulate=straps, minutes=seconds / 60
            )
            faces = FaceChoice(web_port=0 if with_page else None)
            left = await conduct.conduct(plan, faces, lambda line: None, "bench")
        finally:
            OpenedFaces.open = begin  # type: ignore[method-assign]
        share = (time.thread_time() - found["cpu"]) / (time.monotonic() - found["at"])
        figures: dict[str, Any] = {
            "cpu_share": round(share, 4),
            "latency_ms": [round(v, 2) for v in left.result.latency_ms],
        }
        for task in looking:
            figures |= await task
        return figures


def main() -> None:
    """Print both measurements as JSON."""
    straps = int(sys.argv[1]) if len(sys.argv) > 1 else 8
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 60.0
    for name, with_page in (("with page", True), ("without", False)):
        print(json.dumps({name: asyncio.run(measured(straps, seconds, with_page))}))


if __name__ == "__main__":
    main()
