"""The radio between bumble's virtual controllers, with what version 0.0.236 lacks put right.

Source: google/bumble 0.0.236, `controller.py` and `link.py`. Advertisements report a strength of -50 dBm always, and
nothing is lost on the way: losses come from the strap's own `Air`.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from bumble import hci, ll
from bumble.controller import Controller
from bumble.core import PhysicalTransport
from bumble.link import LocalLink

if TYPE_CHECKING:
    from bumble.transport.common import TransportSink

    from allostat_devices.virtual.strap import VirtualStrap

_FAILED_TO_BE_ESTABLISHED = 0x3E
# BlueZ stumbles over privacy and extended advertising of virtual controllers (bumble issue 841)
_LEFT_OUT = (
    hci.LeFeatureMask.LL_PRIVACY | hci.LeFeatureMask.LE_EXTENDED_ADVERTISING | hci.LeFeatureMask.LE_PERIODIC_ADVERTISING
)
_ACL_BYTES = 251


class StrapLink(LocalLink):
    """Carries data under the address that the connection has; the base takes the random address always."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    def send_acl_data(
        self,
        sender_controller: Controller,
        destination_address: hci.Address,
        transport: PhysicalTransport,
        data: bytes,
    ) -> None:
        """Hand data to the controller at the other end."""
        connection = sender_controller.le_connections.get(destination_address)
        receiver = self.find_le_controller(destination_address)
        if connection is None or receiver is None:
            return
        source = connection.self_address
        asyncio.get_running_loop().call_soon(receiver.on_link_acl_data, source, transport, data)


def set_up(controller: Controller) -> Controller:
    """A controller that BlueZ accepts and that carries a whole notification in one packet."""
    controller.le_features &= ~_LEFT_OUT
    controller.le_acl_data_packet_length = _ACL_BYTES
    controller.acl_data_packet_length = _ACL_BYTES
    return controller


class StrapController(Controller):
    """The controller in a strap: silent when the strap is not there, and refusing when the strap refuses.

    Parameters
    ----------
    strap
        Whose controller it is.
    link
        The radio.

    Attributes
    ----------
    fails_in_discovery
        The connection that has just come up is to be ended while the host discovers services.
    """

    def __init__(self, strap: VirtualStrap, link: StrapLink) -> None:
        super().__init__(strap.advertisement.name, link=link, public_address=_public(strap.address))
        self._strap = strap
        self.fails_in_discovery = False
        self._held: list[tuple[hci.Address, PhysicalTransport, bytes]] = []
        set_up(self)

    def send_advertising_pdu(self, packet: ll.AdvertisingPdu) -> None:
        """Advertise, unless out of range or held by another host."""
        if not isinstance(packet, ll.AdvInd) or self._strap.advertising:
            super().send_advertising_pdu(packet)

    def on_link_acl_data(self, sender_address: hci.Address, transport: PhysicalTransport, data: bytes) -> None:
        """Take a request; out of range it waits, as the link layer repeats it."""
        away_for_s = self._strap.away_for_s
        if not away_for_s and not self._held:
            super().on_link_acl_data(sender_address, transport, data)
            return
        if not self._held:
            asyncio.get_running_loop().call_later(away_for_s, self._take_held)
        self._held.append((sender_address, transport, data))

    def _take_held(self) -> None:
        away_for_s = self._strap.away_for_s
        if away_for_s:
            asyncio.get_running_loop().call_later(away_for_s, self._take_held)
            return
        held, self._held = self._held, []
        for sender_address, transport, data in held:
            # what was sent over a connection that is gone by now is lost
            if sender_address in self.le_connections:
                super().on_link_acl_data(sender_address, transport, data)

    def on_le_connect_ind(self, packet: ll.ConnectInd) -> None:
        """Take a connection, or fail it."""
        if packet.advertiser_address != self.random_address:
            return
        strap = self._strap
        fails_in_discovery = strap.refusals.popleft() if strap.refusals and strap.advertising else None
        if not strap.advertising or fails_in_discovery is False:
            # the central believes itself connected until it hears this
            self.link.send_ll_control_pdu(
                packet.advertiser_address, packet.initiator_address, ll.TerminateInd(_FAILED_TO_BE_ESTABLISHED)
            )
            return
        self.fails_in_discovery = bool(fails_in_discovery)
        super().on_le_connect_ind(packet)


class HostController(Controller):
    """The controller of a host, by number, whose attempts to connect can be given up.

    The base answers a cancellation and goes on connecting.
    """

    def __init__(self, link: StrapLink, number: int, sink: TransportSink | None = None) -> None:
        address = f"C2:00:00:00:00:{number % 256:02X}"
        super().__init__(f"host {number}", host_sink=sink, link=link, public_address=address)
        set_up(self)

    def on_hci_le_create_connection_cancel_command(
        self, _command: hci.HCI_LE_Create_Connection_Cancel_Command
    ) -> hci.HCI_StatusReturnParameters:
        """End the attempt, as the Bluetooth Core Specification has it (volume 4, part E, 7.8.13)."""
        pending, self.pending_le_connection = self.pending_le_connection, None
        if pending is None:
            return hci.HCI_StatusReturnParameters(hci.HCI_ErrorCode.COMMAND_DISALLOWED_ERROR)
        given_up = hci.HCI_LE_Connection_Complete_Event(
            status=hci.HCI_ErrorCode.UNKNOWN_CONNECTION_IDENTIFIER_ERROR,
            connection_handle=0,
            role=hci.Role.CENTRAL,
            peer_address_type=pending.peer_address.address_type,
            peer_address=pending.peer_address,
            connection_interval=0,
            peripheral_latency=0,
            supervision_timeout=0,
            central_clock_accuracy=0,
        )
        asyncio.get_running_loop().call_soon(self.send_hci_packet, given_up)
        return hci.HCI_StatusReturnParameters(hci.HCI_ErrorCode.SUCCESS)


def leave(controller: Controller) -> None:
    """Take a controller off the air; its peers see their connections time out."""
    timed_out = int(hci.HCI_ErrorCode.CONNECTION_TIMEOUT_ERROR)
    for connection in list(controller.le_connections.values()):
        connection.send_ll_control_pdu(ll.TerminateInd(timed_out))
    controller.link.remove_controller(controller)


def _public(address: str) -> str:
    """A public address beside the random one: the same with another first byte."""
    return "00" + address[2:]
