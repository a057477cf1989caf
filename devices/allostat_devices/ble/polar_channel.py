"""Streams of Polar Measurement Data over one connection: the order of requests, and what each refusal leads to."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from bleak.exc import BleakError

from allostat.strap import RecordKind
from allostat_devices.ble.channels import Link, Reconnect, WrongMtu, sentence_of
from allostat_devices.ble.control_conversation import ControlConversation, LinkLost, NoAnswer
from allostat_devices.ble.polar_pmd import (
    SDK_MODE_OFF,
    SDK_MODE_ON,
    SDK_MODE_STATUS_REQUEST,
    ControlReply,
    Features,
    Reaction,
    Setting,
    Status,
    Stream,
    decode_control,
    parse_settings,
    sdk_mode_is_on,
    sdk_settings_request,
    settings_request,
    start_request,
    status_of,
    stop_request,
)
from allostat_devices.ble.strap_decoder import RECEIVED
from allostat_devices.ble.strap_records import to_json
from allostat_devices.ble.stream_plan import REFUSED_AGAIN_S, STREAMS, StreamWatch, choose_settings

if TYPE_CHECKING:
    from bleak.backends.characteristic import BleakGATTCharacteristic

_ALREADY, _IN_CHARGER = 6, 13
_MOST_ATTEMPTS = 4
END_ANSWER_WITHIN_S = 2.0
"""A strap that is left gets less time to answer."""
MOST_MTU_REFUSALS = 3
"""Connections in a row that are given up for their MTU; then the strap is followed without the stream."""


class PolarChannel:
    """Control point and data of one strap.

    Parameters
    ----------
    mtu_refusals
        How many connections in a row ended because a stream was refused for the MTU.
    """

    def __init__(
        self, link: Link, control: BleakGATTCharacteristic, data: BleakGATTCharacteristic, *, mtu_refusals: int = 0
    ) -> None:
        self._link = link
        self._control, self._data = control, data
        self._conversation = ControlConversation(self._write, link.sink, self._ended_by_strap)
        self._mtu_refusals = mtu_refusals
        self._features: frozenset[Stream] = frozenset()
        self._sdk_mode = self._mode_freed = False
        self._may_run: set[Stream] = set()
        self._told_refusals: dict[str, int] = {}
        self.watches: dict[str, StreamWatch] = {}

    async def _write(self, request: bytes) -> None:
        await self._link.client.write_gatt_char(self._control, request, response=True)

    # --- what comes in

    def _received(self, data: bytes) -> None:
        self._link.sink(RecordKind.PMD_DATA, data)
        if len(data) < 10:
            return
        for name, watch in self.watches.items():
            if STREAMS[name] == data[0] & 0x3F:
                self._link.frame(watch)

    def _ended_by_strap(self, streams: Iterable[int]) -> None:
        for name in self.watches:
            if STREAMS[name] in streams:
                self._may_run.discard(STREAMS[name])
                self._link.again[name] = "ended_by_strap"
        self._link.wake.set()

    def lose(self, reason: str) -> None:
        """The connection ended: nothing runs in the strap any more."""
        self._may_run.clear()
        self._conversation.lose(reason)

    # --- begin

    async def subscribe(self) -> None:
        """Indications of the control point, then notifications of the data, before the first write."""
        await self._link.notify(self._control, self._conversation.received)
        await self._link.notify(self._data, self._received)

    async def begin(self) -> None:
        """Features, mode, then settings and start of each stream that is wanted and offered."""
        self._features = await self._read_features()
        await self._choose_mode()
        names = [name for name in self._link.options.streams if STREAMS.get(name) in self._features]
        if self._sdk_mode:
            names = [name for name in names if name != "ppi"]
        self.watches.update({name: StreamWatch(name) for name in names})
        for name in names:
            await self._start(name)

    async def _read_features(self) -> frozenset[Stream]:
        value = await self._link.read(self._control)
        self._link.sink(RecordKind.CONTROL_POINT, RECEIVED + value)
        read = decode_control(value)
        if isinstance(read, Features):
            return read.streams
        self._link.note("features_unread", "The strap does not tell what it can measure; every stream is tried.")
        return frozenset(STREAMS.values())

    async def _choose_mode(self) -> None:
        """Into SDK mode when asked for; out of it otherwise, because it switches heart rate, RR and PPI off."""
        if Stream.SDK_MODE not in self._features:
            if self._link.sdk_mode:
                self._link.note("no_sdk_mode", "This strap has no SDK mode; its usual rates are taken.")
            return
        if self._link.sdk_mode:
            reply = await self._conversation.ask(SDK_MODE_ON)
            self._sdk_mode = reply.status in (0, _ALREADY)
            if not self._sdk_mode:
                self._link.note("sdk_mode_refused", f"SDK mode was refused: {status_of(reply.status).sentence}")
            return
        try:
            if sdk_mode_is_on(await self._conversation.ask(SDK_MODE_STATUS_REQUEST)):
                await self._leave_sdk_mode()
        except NoAnswer:
            # older firmware does not know the request; a start that fails for the mode says so
            self._link.note("mode_unknown", "The strap does not tell whether it is in SDK mode.")

    async def _leave_sdk_mode(self) -> None:
        reply = await self._conversation.ask(SDK_MODE_OFF)
        self._sdk_mode = False
        if reply.status == 0:
            self._link.note(
                "sdk_mode_left", "The strap was in SDK mode, which switches its heart rate off; it was left."
            )

    # --- start

    async def _start(self, name: str) -> None:
        """Start one stream; what cannot be helped is told, and the others go on.

        Raises
        ------
        Reconnect
            The MTU is too small, or the strap does not answer.
        """
        stream, watch = STREAMS[name], self.watches[name]
        watch.rest()
        chosen = await self._settings(stream)
        asked_again = False
        for _ in range(_MOST_ATTEMPTS):
            reply = await self._ask_start(stream, chosen)
            if reply is None:
                continue
            said = status_of(reply.status)
            match said.reaction:
                case Reaction.GO_ON:
                    self._told_settings(name, chosen, reply)
                    watch.begin(self._link.now())
                    self._told_refusals.pop(name, None)
                    return
                case Reaction.STOP_THEN_START:
                    # so that the first frame has settings that are known
                    await self._stop(stream)
                    continue
                case Reaction.QUERY_SETTINGS if not asked_again:
                    asked_again, chosen = True, await self._settings(stream)
                    continue
                case Reaction.RECONNECT if self._mtu_refusals < MOST_MTU_REFUSALS:
                    raise WrongMtu(f"{name}: {said.sentence}")
                case Reaction.LEAVE_SDK_MODE if not self._mode_freed:
                    # once in a connection, because it interrupts the streams that run
                    self._mode_freed = True
                    await self._free_mode(stream)
                    continue
            self._refused(name, reply.status, said)
            return
        raise Reconnect(f"{name}: the strap does not start the stream")

    async def _ask_start(self, stream: Stream, chosen: dict[Setting, int]) -> ControlReply | None:
        """The answer to a start; None when none came, and then the stream is stopped, whether or not it runs."""
        self._may_run.add(stream)
        try:
            reply = await self._conversation.ask(start_request(stream, chosen))
        except NoAnswer as error:
            self._link.note("no_answer", str(error))
            await self._stop(stream)
            return None
        if reply.status not in (0, _ALREADY):
            self._may_run.discard(stream)
        return reply

    def _refused(self, name: str, status: int, said: Status) -> None:
        """Tell of a refusal once; what may change (settings, mode, charger) is tried again later."""
        self._may_run.discard(STREAMS[name])
        for_good = said.reaction is Reaction.REPORT and status != _IN_CHARGER
        self.watches[name].rest(None if for_good else self._link.now() + REFUSED_AGAIN_S)
        if self._told_refusals.get(name) != status:
            self._told_refusals[name] = status
            self._link.note(f"refused_{status}", f"{name} was refused: {said.sentence}")

    async def _settings(self, stream: Stream) -> dict[Setting, int]:
        if stream is Stream.PPI:
            return {}
        request = sdk_settings_request(stream) if self._sdk_mode else settings_request(stream)
        try:
            reply = await self._conversation.ask(request)
        except NoAnswer as error:
            self._link.note("no_answer", str(error))
            return choose_settings(stream, {})
        return choose_settings(stream, parse_settings(reply.parameters).offered if reply.status == 0 else {})

    async def _stop(self, stream: Stream) -> None:
        """Stop a stream; a strap that says that it does not run, or says nothing, is no failure."""
        try:
            reply = await self._conversation.ask(stop_request(stream))
        except NoAnswer as error:
            self._link.note("no_answer", str(error))
            return
        if reply.status in (0, _ALREADY):
            self._may_run.discard(stream)

    async def _free_mode(self, wanted: Stream) -> None:
        """Stop all streams and leave SDK mode; those that ran are started again by the supervisor."""
        for stream in sorted(self._may_run | {wanted}):
            name = stream.name.lower()
            if stream is not wanted and name in self.watches:
                self._link.again[name] = "stopped_for_mode"
            await self._stop(stream)
        await self._leave_sdk_mode()
        self._link.wake.set()

    def _told_settings(self, name: str, chosen: dict[Setting, int], reply: ControlReply) -> None:
        confirmed = parse_settings(reply.parameters)
        facts = {setting.name.lower(): value for setting, value in chosen.items()}
        facts |= {setting.name.lower(): values[0] for setting, values in confirmed.offered.items()}
        self._link.sink(
            RecordKind.SETTINGS,
            to_json({"stream": name, "settings": facts, "factor": confirmed.factor, "sdk_mode": self._sdk_mode}),
        )

    # --- restart and end

    async def restart(self, stream: str) -> None:
        """Stop and start one stream; the others run on."""
        await self._stop(STREAMS[stream])
        await self._start(stream)

    async def end(self) -> None:
        """Stop every stream that may run, then leave SDK mode when it was entered here.

        A strap whose streams are not stopped drains its battery, even off the skin.
        """
        self._conversation.answer_within_s = END_ANSWER_WITHIN_S
        problems = []
        for stream in sorted(self._may_run):
            try:
                await self._stop(stream)
            except LinkLost:
                return
            except (BleakError, TimeoutError) as error:
                problems.append(sentence_of(error))
        if self._sdk_mode:
            await self._conversation.ask(SDK_MODE_OFF)
        if problems:
            self._link.note("not_stopped", f"Streams of the strap may still run: {'; '.join(problems)}")
