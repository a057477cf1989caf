"""What a strap offers over GATT, told apart from what carries it: a service is the same in process and over ATT."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

Property = Literal["read", "write", "write-without-response", "notify", "indicate"]


class AttError(Exception):
    """A strap refuses a request with an ATT error code.

    Parameters
    ----------
    code
        Bluetooth Core Specification, volume 3, part F, 3.4.1.1; 0x80 to 0x9F belong to the service.
    """

    def __init__(self, code: int) -> None:
        super().__init__(f"ATT error 0x{code:02x}")
        self.code = code


READ_NOT_PERMITTED, WRITE_NOT_PERMITTED, WRONG_LENGTH, CCCD_WRONG = 0x02, 0x03, 0x0D, 0xFD


@dataclass(frozen=True, slots=True)
class Characteristic:
    """UUID in lower case, 128 bit, and what may be done with it."""

    uuid: str
    properties: tuple[Property, ...]

    @property
    def pushes(self) -> bool:
        """Whether it is notified or indicated."""
        return "notify" in self.properties or "indicate" in self.properties


class Service(Protocol):
    """One service of a strap."""

    @property
    def uuid(self) -> str:
        """UUID in lower case, 128 bit."""
        ...

    @property
    def characteristics(self) -> tuple[Characteristic, ...]:
        """In the order of their handles."""
        ...

    def read(self, uuid: str) -> bytes:
        """Value of a characteristic; `AttError` when it cannot be read."""
        ...

    def write(self, uuid: str, data: bytes) -> None:
        """Take a written value; `AttError` when it is refused."""
        ...

    def subscribed(self, uuid: str, on: bool) -> None:
        """The host has switched notifications or indications."""
        ...

    def unlinked(self) -> None:
        """The connection has ended."""
        ...


def uuid16(number: int) -> str:
    """A UUID that the Bluetooth SIG assigned, in full."""
    return f"0000{number:04x}-0000-1000-8000-00805f9b34fb"
