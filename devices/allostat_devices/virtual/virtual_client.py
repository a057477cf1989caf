"""What bleak's clients of virtual straps share: the options that bleak passes, and pairing, which no strap asks for."""

from __future__ import annotations

from typing import Any, TypeVar

from bleak.backends.client import BaseBleakClient
from bleak.backends.device import BLEDevice
from bleak.exc import BleakError

_T = TypeVar("_T")


class VirtualClient(BaseBleakClient):
    """A client for straps that are no hardware."""

    def __init__(self, address_or_ble_device: BLEDevice | str, **kwargs: Any) -> None:
        super().__init__(
            address_or_ble_device,
            disconnected_callback=kwargs.pop("disconnected_callback", None),
            timeout=kwargs.pop("timeout", 10.0),
            **kwargs,
        )
        self._wanted: set[str] | None = kwargs.get("services")

    async def pair(self, *args: Any, **kwargs: Any) -> None:
        """Straps do not ask for pairing."""
        if not self.is_connected:
            raise BleakError("Not connected")

    async def unpair(self) -> None:
        """Forget the strap, which also disconnects."""
        await self.disconnect()


def connected(link: _T | None) -> _T:
    """The link, or bleak's error when there is none."""
    if link is None:
        raise BleakError("Not connected")
    return link
