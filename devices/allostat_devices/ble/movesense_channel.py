"""ECG of a Movesense sensor over one connection. The sensor forgets every subscription when the link drops."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from allostat.strap import RecordKind
from allostat_devices.ble.channels import REQUEST_WITHIN_S, Link, Reconnect
from allostat_devices.ble.control_conversation import LinkLost
from allostat_devices.ble.movesense_gatt import (
    CommandResult,
    SensorData,
    decode_reply,
    ecg_path,
    subscribe_command,
    unsubscribe_command,
)
from allostat_devices.ble.strap_decoder import SENT
from allostat_devices.ble.strap_records import to_json
from allostat_devices.ble.stream_plan import StreamWatch

if TYPE_CHECKING:
    from bleak.backends.characteristic import BleakGATTCharacteristic

ECG_RATE_HZ = 125
"""Of the rates that every firmware has, the one nearest to what chest straps send."""
_ECG_REFERENCE = 1
_CONFLICT = 409


class MovesenseChannel:
    """Subscription to the ECG.

    Parameters
    ----------
    uv_per_count
        Microvolt per count of the sensor's firmware; None when it is not known: samples stay counts.
    """

    def __init__(
        self,
        link: Link,
        write: BleakGATTCharacteristic,
        notify: BleakGATTCharacteristic,
        *,
        uv_per_count: float | None = None,
    ) -> None:
        self._link = link
        self._write, self._notify = write, notify
        self._uv_per_count = uv_per_count
        self._answer: asyncio.Future[CommandResult] | None = None
        self._may_run = False
        wanted = "ecg" in link.options.streams
        self._watch = StreamWatch("ecg")
        self.watches = {"ecg": self._watch} if wanted else {}

    async def subscribe(self) -> None:
        """Notifications of the sensor service."""
        await self._link.notify(self._notify, self._received)

    def _received(self, data: bytes) -> None:
        self._link.sink(RecordKind.SENSOR_DATA, data)
        reply = decode_reply(data)
        if isinstance(reply, SensorData) and reply.reference == _ECG_REFERENCE and len(reply.payload) >= 8:
            self._link.frame(self._watch)
        if (
            isinstance(reply, CommandResult)
            and reply.reference == _ECG_REFERENCE
            and self._answer is not None
            and not self._answer.done()
        ):
            self._answer.set_result(reply)

    async def begin(self) -> None:
        """Say the scale when it is known, then subscribe to the ECG."""
        if self._uv_per_count is not None:
            self._link.sink(RecordKind.SETTINGS, to_json({"stream": "ecg", "uv_per_count": self._uv_per_count}))
        if self.watches:
            await self._start()

    async def _start(self) -> None:
        result = await self._ask(subscribe_command(_ECG_REFERENCE, ecg_path(ECG_RATE_HZ)))
        if result is not None and result.status == _CONFLICT:
            await self._ask(unsubscribe_command(_ECG_REFERENCE))
            result = await self._ask(subscribe_command(_ECG_REFERENCE, ecg_path(ECG_RATE_HZ)))
        if result is None:
            raise Reconnect("the sensor does not answer a subscription")
        if not result.done:
            self._may_run = False
            self._watch.rest()
            self._link.note("refused", f"The sensor refused its ECG with status {result.status}.")
            return
        self._watch.begin(self._link.now())

    async def _ask(self, command: bytes) -> CommandResult | None:
        """The sensor's answer, None when none comes in time."""
        self._answer = asyncio.get_running_loop().create_future()
        self._may_run = True
        try:
            async with asyncio.timeout(REQUEST_WITHIN_S):
                self._link.sink(RecordKind.CONTROL_POINT, SENT + command)
                await self._link.client.write_gatt_char(self._write, command, response=True)
                return await self._answer
        except TimeoutError:
            return None
        finally:
            if self._answer.done() and not self._answer.cancelled():
                self._answer.exception()
            self._answer = None

    async def restart(self, stream: str) -> None:
        """End the subscription and make it anew."""
        await self._ask(unsubscribe_command(_ECG_REFERENCE))
        await self._start()

    async def end(self) -> None:
        """End the subscription."""
        if self._may_run:
            await self._ask(unsubscribe_command(_ECG_REFERENCE))
            self._may_run = False

    def lose(self, reason: str) -> None:
        """The connection ended: the sensor has forgotten everything."""
        self._may_run = False
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(LinkLost(reason))
