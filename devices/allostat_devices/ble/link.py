"""Straps over Bluetooth Low Energy (entry point ``ble`` of ``allostat.straps``).

The radio is that of `bleak`, an optional extra; decoding works without it. ``backend`` is None for the system's radio,
or an object with the attributes ``scanner`` and ``client``: classes that bleak takes as its backends.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from allostat.errors import ConfigError, DeviceError
from allostat.strap import EventSink, FollowOptions, FoundStrap, StrapDecoder
from allostat_devices.ble.strap_decoder import BleDecoder
from allostat_devices.ble.stream_plan import STREAMS

INSTALL = "pip install 'allostat-load[live]'"


@dataclass(frozen=True)
class BleLink:
    """The link. Its settings hold for all straps that are followed through it.

    Attributes
    ----------
    sdk_mode
        Put Polar devices that have it into SDK mode: more sampling rates, but no heart rate, RR and PPI.
    movesense_uv_per_count
        Microvolt per count of the firmware in use; None when it is not known, and then samples stay counts.
    adapter
        Which of several Bluetooth adapters (Linux: ``hci1``); None for the system's choice. Links with different
        adapters connect side by side.
    """

    name: str = "ble"
    title: str = "Bluetooth Low Energy: heart rate straps, Polar H10, Verity Sense and OH1, Movesense"
    sdk_mode: bool = False
    movesense_uv_per_count: float | None = None
    adapter: str | None = None

    async def scan(
        self, seconds: float, *, backend: Any = None, found: Callable[[FoundStrap], None] | None = None
    ) -> list[FoundStrap]:
        """Straps in reach; see `allostat.strap.StrapLink.scan`."""
        demand_bleak()
        from allostat_devices.ble.discovery import scan_straps

        return await scan_straps(seconds, backend=backend, found=found, adapter=self.adapter)

    async def follow(self, strap: FoundStrap, sink: EventSink, options: FollowOptions, *, backend: Any = None) -> None:
        """Stream from a strap until cancelled; see `allostat.strap.StrapLink.follow`.

        Straps that are followed in one event loop share the radio: one connects at a time. Cancellation stops the
        strap's streams, unsubscribes and disconnects, within 13 s when the strap or the radio does not answer.

        Raises
        ------
        ConfigError
            A stream is asked for that no strap has.
        DeviceError
            bleak is not installed. Whatever else fails is noted in the records and tried again.
        """
        for name in options.streams:
            if name not in STREAMS:
                raise ConfigError("no strap has such a stream", found=name, valid=STREAMS)
        demand_bleak()
        from allostat_devices.ble.follow import follow_strap
        from allostat_devices.ble.strap_connection import StrapChoices

        choices = StrapChoices(self.sdk_mode, self.movesense_uv_per_count)
        await follow_strap(strap, sink, options, choices, backend, self.adapter)

    def decoder(self) -> StrapDecoder:
        """A decoder for the records of one strap."""
        return BleDecoder()


def demand_bleak() -> None:
    """`DeviceError` with the command to type when bleak is not installed."""
    if find_spec("bleak") is None:
        raise DeviceError(f"Bluetooth needs the package bleak, which is not installed: {INSTALL}")


LINK = BleLink()
