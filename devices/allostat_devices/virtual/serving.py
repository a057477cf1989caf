"""Virtual straps for other processes, as ``allostat simulate --strap`` serves them (entry point ``bumble`` of
``allostat.strap_servers``)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from allostat.errors import InputError

_A_DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Served:
    """Straps that are being served.

    Attributes
    ----------
    host, port
        Where a Bluetooth host finds its controller: HCI packets over TCP.
    straps
        Advertised name and address of each.
    """

    host: str
    port: int
    straps: tuple[tuple[str, str], ...]


class BumbleStraps:
    """Serves straps on bumble's virtual radio."""

    models: tuple[str, ...] = ("h10", "verity", "hrs", "hrs-ms", "movesense")

    @asynccontextmanager
    async def serving(
        self, models: Sequence[str], *, host: str, port: int, seed: int, faults_every_s: float | None
    ) -> AsyncIterator[Served]:
        """Straps of these models, numbered from 1 and served while the context is open.

        Parameters
        ----------
        models
            Names of `models`, one strap each.
        host, port
            Of the loopback interface; port 0 = any free one.
        seed
            Of the persons and of all that is random.
        faults_every_s
            Mean time between faults of each strap during the first day; None = none.

        Raises
        ------
        InputError
            For an unknown model, a port that is taken, or a missing package.
        """
        for name in models:
            if name not in self.models:
                raise InputError("no such virtual strap", found=name, valid=self.models)
        try:
            from allostat_devices.virtual.bumble_peripheral import StrapServer
            from allostat_devices.virtual.models import MODELS, Body
        except ImportError as error:
            missing = "serving straps takes the packages bleak and bumble"
            raise InputError(missing, expected="pip install 'allostat-load[sim]'") from error
        from allostat_devices.virtual.fault_script import random_script

        straps = [MODELS[name](at, Body(seed=seed * 1000 + at)) for at, name in enumerate(models, start=1)]
        if faults_every_s is not None:
            for at, strap in enumerate(straps, start=1):
                strap.follow(random_script(seed * 1000 + at, _A_DAY_S, faults_every_s))
        server = StrapServer(straps, host=host, port=port)
        try:
            await server.__aenter__()
        except OSError as error:
            raise InputError(
                f"cannot listen ({error.strerror})", found=f"{host}:{port}", expected="a free port"
            ) from error
        try:
            yield Served(host, server.port, tuple((strap.advertisement.name, strap.address) for strap in straps))
        finally:
            await server.__aexit__()


SERVER = BumbleStraps()
