"""CPU time of a redraw of the dashboard, of taking an update, and of pushing a notification to LSL.

    python -m benchmarks.live_dashboard

Every strap has new samples, intervals and states before each redraw. The signal of one strap is drawn.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import time

from allostat.live.faces.board import Board
from allostat.live.faces.controls import Controls
from allostat.live.faces.dashboard import REDRAWS_PER_S, DashboardApp
from tests.live.updates_of import updates_of

ROUNDS = 40


async def redraws(straps: int, size: tuple[int, int]) -> dict[str, float | str]:
    """Least and median CPU ms of a redraw, and CPU µs of an update, over `ROUNDS` redraws."""
    board = Board()
    app = DashboardApp(board, Controls(board.offer, lambda: None), ("baseline", "stress"))
    made = list(updates_of(straps, 130.0 + ROUNDS / REDRAWS_PER_S))
    later = [(second, update) for second, update in made if second >= 130.0]
    drawn, taken, count = [], 0.0, 0
    async with app.run_test(size=size) as pilot:
        for second, update in made:
            if second < 130.0:
                board.offer(update)
        await pilot.pause()
        for number in range(ROUNDS):
            until = 130.0 + (number + 1) / REDRAWS_PER_S
            begin = time.thread_time()
            while later and later[0][0] < until:
                board.offer(later.pop(0)[1])
                count += 1
            middle = time.thread_time()
            app.redraw()
            await pilot.pause()
            drawn.append(1e3 * (time.thread_time() - middle))
            taken += middle - begin
    return {
        "straps": straps,
        "size": f"{size[0]} × {size[1]}",
        "redraw_ms_least": round(min(drawn), 2),
        "redraw_ms_median": round(statistics.median(drawn), 2),
        "share_of_a_core": round(REDRAWS_PER_S * statistics.median(drawn) / 1e3, 4),
        "update_us": round(1e6 * taken / max(1, count), 2),
    }


def main() -> None:
    """Print one line for each size."""
    for straps, size in ((3, (80, 24)), (20, (80, 24)), (20, (160, 50))):
        print(json.dumps(asyncio.run(redraws(straps, size)), ensure_ascii=False))


if __name__ == "__main__":
    main()
