"""Why a host has no Bluetooth, as bleak says it: the errors of its backends, to be translated for people.

Source: bleak 3.1, BlueZ backend and `bleak.exc`.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from enum import Enum

from bleak.exc import BleakBluetoothNotAvailableError, BleakBluetoothNotAvailableReason, BleakDBusError


class RadioTrouble(Enum):
    """What is wrong with the host."""

    NO_DBUS = "no D-Bus"
    NO_BLUEZ = "no Bluetooth service"
    NO_ADAPTER = "no adapter"
    POWERED_OFF = "adapter switched off"
    DENIED_BY_USER = "permission refused by the user"
    DENIED_BY_SYSTEM = "permission refused by the system"
    ACCESS_DENIED = "user not in the group that may use Bluetooth"

    def error(self) -> Exception:
        """The error that bleak raises then."""
        return _ERRORS[self]()


def _unavailable(sentence: str, reason: BleakBluetoothNotAvailableReason) -> Callable[[], Exception]:
    return lambda: BleakBluetoothNotAvailableError(sentence, reason)


_ERRORS: dict[RadioTrouble, Callable[[], Exception]] = {
    # without D-Bus the socket of the system bus is missing, and that bare error comes through
    RadioTrouble.NO_DBUS: lambda: FileNotFoundError(errno.ENOENT, "No such file or directory"),
    RadioTrouble.NO_BLUEZ: lambda: BleakDBusError(
        "org.freedesktop.DBus.Error.ServiceUnknown", ["The name org.bluez was not provided by any .service files"]
    ),
    RadioTrouble.NO_ADAPTER: _unavailable(
        "No Bluetooth adapters found.", BleakBluetoothNotAvailableReason.NO_BLUETOOTH
    ),
    RadioTrouble.POWERED_OFF: _unavailable(
        "No powered Bluetooth adapters found. Turn on Bluetooth and try again.",
        BleakBluetoothNotAvailableReason.POWERED_OFF,
    ),
    RadioTrouble.DENIED_BY_USER: _unavailable(
        "Bluetooth access was denied.", BleakBluetoothNotAvailableReason.DENIED_BY_USER
    ),
    RadioTrouble.DENIED_BY_SYSTEM: _unavailable(
        "Bluetooth access was denied.", BleakBluetoothNotAvailableReason.DENIED_BY_SYSTEM
    ),
    RadioTrouble.ACCESS_DENIED: lambda: BleakDBusError(
        "org.freedesktop.DBus.Error.AccessDenied", ["Rejected send message, 2 matched rules"]
    ),
}


def connect_aborted() -> Exception:
    """A connection that did not come up."""
    return BleakDBusError("org.bluez.Error.Failed", ["le-connection-abort-by-local"])


def in_progress() -> Exception:
    """The adapter does one thing at a time."""
    return BleakDBusError("org.bluez.Error.InProgress", ["Operation already in progress"])
