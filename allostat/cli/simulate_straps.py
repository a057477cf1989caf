"""``allostat simulate --strap``: virtual straps for another process, until it is told to end."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Collection, Sequence
from contextlib import AbstractAsyncContextManager
from importlib.metadata import entry_points
from typing import Protocol

from allostat.cli.output import message, print_json
from allostat.errors import InputError

GROUP = "allostat.strap_servers"


class ServedStraps(Protocol):
    """Straps that are being served."""

    @property
    def host(self) -> str:
        """Address of the loopback interface."""
        ...

    @property
    def port(self) -> int:
        """Where a Bluetooth host finds its controller."""
        ...

    @property
    def straps(self) -> Sequence[tuple[str, str]]:
        """Advertised name and address of each."""
        ...


class StrapServing(Protocol):
    """What an entry point of `GROUP` gives."""

    @property
    def models(self) -> Collection[str]:
        """Names of the straps that it can serve."""
        ...

    def serving(
        self, models: Sequence[str], *, host: str, port: int, seed: int, faults_every_s: float | None
    ) -> AbstractAsyncContextManager[ServedStraps]:
        """Serve while the context is open."""
        ...


def strap_server() -> StrapServing:
    """The installed server of virtual straps.

    Raises
    ------
    InputError
        When there is none.
    """
    for point in entry_points(group=GROUP):
        server: StrapServing = point.load()
        return server
    raise InputError("no server of virtual straps is installed", expected="pip install 'allostat-load[sim]'")


def serve_straps(
    models: Sequence[str], tcp: str, *, seed: int, seconds: float | None, faults_every_s: float | None,
    as_json: bool, quiet: bool,
) -> int:  # fmt: skip
    """Serve virtual straps, say where, and wait for the end: so many seconds, SIGINT or SIGTERM."""
    host, _, port = tcp.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise InputError("no address to listen on", where="--tcp", found=tcp, expected="127.0.0.1:PORT, 0 = a free one")

    async def serve() -> None:
        serving = strap_server().serving(
            models, host=host, port=int(port), seed=seed, faults_every_s=faults_every_s
        )  # fmt: skip
        async with serving as served:
            if as_json:
                straps = [{"name": name, "address": address} for name, address in served.straps]
                print_json({"host": served.host, "port": served.port, "straps": straps})
            for name, address in served.straps:
                message(f"{name}  {address}", quiet=quiet)
            message(f"HCI over TCP at {served.host}:{served.port}; Ctrl-C ends", quiet=quiet)
            await _told_to_end(seconds)

    try:
        asyncio.run(serve())
    except KeyboardInterrupt:
        # a platform without signal handlers in its event loop
        message("ended", quiet=quiet)
    return 0


async def _told_to_end(seconds: float | None) -> None:
    end, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            loop.add_signal_handler(number, end.set)
        except NotImplementedError:
            break
    try:
        await asyncio.wait_for(end.wait(), seconds)
    except TimeoutError:
        return
