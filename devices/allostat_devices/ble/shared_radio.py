"""One radio for all straps of a session: it connects one strap at a time.

A strap that is away costs the others nothing. While it is the only one, the radio waits for it with a connection that
completes as soon as it advertises. As soon as another strap wants the radio too, both are waited for by scanning, and
only a strap that was heard is connected to. Scanning goes on meanwhile, until the adapter shows that it cannot do both.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any

from bleak import BleakClient, BleakScanner
from bleak.args.bluez import BlueZScannerArgs
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData
from bleak.exc import BleakDeviceNotFoundError, BleakError

from allostat_devices.ble.endings import first_of, to_the_end
from allostat_devices.ble.stream_plan import FIRST_DELAY_S

ALONE_S, SHARED_S, FAILING_S = 20.0, 6.0, 2.0
"""How long a connection may take: when nobody else waits; when others do; and for a strap that failed often."""
OFTEN = 3
_DISCONNECT_WITHIN_S = 5.0
_SCANNER_WITHIN_S = 10.0
_LOOK_AGAIN_S = 5.0

Heard = Callable[[BLEDevice, AdvertisementData], None]


@dataclass
class Place:
    """Where a strap was last found.

    Attributes
    ----------
    device
        The scanner's object, never an address: a search behind a connection disturbs others.
    fresh
        It was heard and nothing has been tried since.
    failures
        Connections that failed in a row though it was heard.
    heard
        Called with each of its advertisements while it is waited for.
    """

    identity: str
    device: BLEDevice | None
    fresh: bool = True
    failures: int = 0
    heard: Heard | None = None


@dataclass(frozen=True)
class Connected:
    """A connection, and whether it has ended by itself."""

    client: BleakClient
    lost: asyncio.Event


class SharedRadio:
    """The radio behind one backend in one event loop.

    Parameters
    ----------
    backend
        None for the system's radio, else an object with the bleak backends ``scanner`` and ``client``.
    adapter
        Name of one of several adapters (Linux: ``hci1``); None for the system's choice.
    """

    def __init__(self, backend: Any = None, adapter: str | None = None) -> None:
        self._bluez = BlueZScannerArgs() if adapter is None else BlueZScannerArgs(adapter=adapter)
        self._scanner_type = None if backend is None else backend.scanner
        self._client_type = None if backend is None else backend.client
        self._connecting = asyncio.Lock()
        self._scanning = asyncio.Lock()
        self._scanner: BleakScanner | None = None
        self._paused = False
        self._scans_beside = True
        self._listeners: dict[object, tuple[str, Heard]] = {}
        self._wanting = self._always_listening = 0
        self._shared, self._alone = asyncio.Event(), asyncio.Event()
        self._weigh()

    def _weigh(self) -> None:
        """Say whether more than one strap wants the radio."""
        shared = self._wanting + self._always_listening > 1
        (self._shared.set if shared else self._shared.clear)()
        (self._alone.clear if shared else self._alone.set)()

    # --- scanning

    async def listen(self, identity: str, heard: Heard) -> None:
        """Call ``heard`` with each advertisement of a strap, until cancelled or until the radio fails."""
        self._always_listening += 1
        self._weigh()
        try:
            async with self._listening(identity, heard):
                while True:
                    await self._balance()
                    await asyncio.sleep(_LOOK_AGAIN_S)
        finally:
            self._always_listening -= 1
            self._weigh()

    @contextlib.asynccontextmanager
    async def _listening(self, identity: str, heard: Heard) -> AsyncIterator[None]:
        key = object()
        self._listeners[key] = (identity, heard)
        try:
            yield
        finally:
            del self._listeners[key]
            await self._balance_if_possible()

    def _hear(self, device: BLEDevice, advertisement: AdvertisementData) -> None:
        for identity, heard in list(self._listeners.values()):
            if device.address == identity:
                heard(device, advertisement)

    async def _balance(self) -> None:
        """Scan when somebody listens and nobody connects."""
        await to_the_end(self._balanced())

    async def _balance_if_possible(self) -> None:
        """As `_balance`; a radio that fails is the matter of those who still listen, and fails them within seconds."""
        with contextlib.suppress(BleakError, OSError, EOFError, TimeoutError):
            await self._balance()

    async def _balanced(self) -> None:
        async with self._scanning, asyncio.timeout(_SCANNER_WITHIN_S):
            wanted = bool(self._listeners) and not self._paused
            if wanted and self._scanner is None:
                scanner = BleakScanner(self._hear, bluez=self._bluez, backend=self._scanner_type)
                await scanner.start()
                self._scanner = scanner
            elif not wanted and self._scanner is not None:
                scanner, self._scanner = self._scanner, None
                await scanner.stop()

    async def _wait_for(self, place: Place) -> None:
        """Wait until the strap advertises, or until it is the only one that wants the radio."""
        answered = asyncio.Event()

        def heard(device: BLEDevice, advertisement: AdvertisementData) -> None:
            place.device, place.fresh = device, True
            if place.heard is not None:
                place.heard(device, advertisement)
            answered.set()

        async with self._listening(place.identity, heard):
            while not place.fresh and not (self._alone.is_set() and place.device is not None):
                await self._balance()
                known = place.device is not None
                await first_of(self._alone.wait() if known else asyncio.sleep(_LOOK_AGAIN_S), answered, _LOOK_AGAIN_S)

    # --- connecting

    async def connect(self, place: Place) -> Connected:
        """A connection to a strap, however long it takes.

        Raises
        ------
        BleakError, OSError, TimeoutError
            The strap was heard but could not be connected to, or the radio fails.
        """
        self._wanting += 1
        self._weigh()
        connected: Connected | None = None
        try:
            while True:
                if not place.fresh:
                    await self._wait_for(place)
                async with self._connecting, self._pause():
                    connected = await self._try(place)
                if connected is not None:
                    place.failures = 0
                    return connected
        except asyncio.CancelledError:
            if connected is not None:
                await to_the_end(hang_up(connected.client))
            raise
        finally:
            self._wanting -= 1
            self._weigh()

    @contextlib.asynccontextmanager
    async def _pause(self) -> AsyncIterator[None]:
        """Stop scanning for a connection where the adapter cannot do both."""
        if self._scans_beside:
            yield
            return
        self._paused = True
        try:
            await self._balance()
            yield
        finally:
            self._paused = False
            await self._balance_if_possible()

    async def _try(self, place: Place) -> Connected | None:
        """One attempt; None when the strap did not show up."""
        assert place.device is not None
        fresh, place.fresh = place.fresh, False
        scanned = self._scanner is not None
        lost = asyncio.Event()
        client = BleakClient(
            place.device,
            lambda _: lost.set(),
            timeout=ALONE_S + 10,
            # a strap that comes back to Windows is not found with services that were kept from before
            winrt={"use_cached_services": False},
            backend=self._client_type,
        )
        task = asyncio.ensure_future(client.connect())
        try:
            await self._patiently(task, fresh, place.failures)
        except asyncio.CancelledError:
            await to_the_end(_abandon(task, client))
            raise
        if not task.done():
            await to_the_end(_abandon(task, client))
            if not fresh:
                return None
            place.failures += 1
            raise TimeoutError("the strap advertises, but a connection does not come about")
        error = task.exception()
        if error is None:
            return Connected(client, lost)
        if isinstance(error, BleakDeviceNotFoundError):
            # the system has forgotten the strap: only a scan finds it again
            place.device = None
        if not fresh and isinstance(error, (BleakDeviceNotFoundError, TimeoutError)):
            # a backend that gives up at once must not be asked without a pause
            await asyncio.sleep(FIRST_DELAY_S)
            return None
        if scanned and self._scans_beside:
            # perhaps the strap, perhaps an adapter that cannot connect while it scans: tried again without
            self._scans_beside, place.fresh = False, fresh
            return None
        place.failures += fresh
        raise error

    async def _patiently(self, task: asyncio.Future[None], fresh: bool, failures: int) -> None:
        """Wait for a connection: long while nobody else wants the radio, and briefly otherwise."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        shared = asyncio.ensure_future(self._shared.wait())
        either: set[asyncio.Future[Any]] = {task, shared}
        try:
            await asyncio.wait(either, timeout=ALONE_S, return_when=asyncio.FIRST_COMPLETED)
        finally:
            shared.cancel()
        if not task.done() and self._shared.is_set():
            patience = 0.0 if not fresh else FAILING_S if failures >= OFTEN else SHARED_S
            await asyncio.wait({task}, timeout=max(0.0, began + patience - loop.time()))


async def _abandon(task: asyncio.Future[None], client: BleakClient) -> None:
    """End an attempt whatever its state."""
    task.cancel()
    await asyncio.wait({task})
    if not task.cancelled():
        task.exception()
    await hang_up(client)


async def hang_up(client: BleakClient) -> None:
    """Disconnect within a bounded time. What goes wrong with a connection that is left changes nothing."""
    if client.is_connected:
        with contextlib.suppress(BleakError, OSError, EOFError, TimeoutError):
            async with asyncio.timeout(_DISCONNECT_WITHIN_S):
                await client.disconnect()


_RADIOS: dict[tuple[asyncio.AbstractEventLoop, int, str | None], tuple[SharedRadio, list[object]]] = {}


@contextlib.contextmanager
def shared_radio(backend: Any, adapter: str | None = None) -> Iterator[SharedRadio]:
    """The radio that all straps of this event loop and adapter share; it is gone with the last of them."""
    key = (asyncio.get_running_loop(), id(backend), adapter)
    radio, users = _RADIOS.setdefault(key, (SharedRadio(backend, adapter), []))
    me = object()
    users.append(me)
    try:
        yield radio
    finally:
        users.remove(me)
        if not users:
            _RADIOS.pop(key, None)
