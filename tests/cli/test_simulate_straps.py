"""``allostat simulate --strap``: another process connects and is sent data."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from asyncio.subprocess import PIPE

import pytest
from click.testing import CliRunner

pytest.importorskip("bumble")

from bleak import BleakClient

from allostat.cli.simulate import command
from allostat.errors import InputError
from allostat_devices.ble import polar_pmd as pmd
from allostat_devices.ble.polar_frames import SampleFrame, decode_frame
from allostat_devices.virtual.bumble_radio import BumbleRadio
from allostat_devices.virtual.models import MODELS
from allostat_devices.virtual.serving import SERVER
from tests.devices.virtual.listening import ECG_START


async def first_frame(port: int, address: str) -> SampleFrame:
    """Connect to a served H10 and wait for its first frame of ECG."""
    arrived: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def frame(_: object, data: bytearray) -> None:
        if not arrived.done():
            arrived.set_result(bytes(data))

    async with (
        BumbleRadio.over_tcp("127.0.0.1", port) as radio,
        BleakClient(address, timeout=60, backend=radio.client) as client,
    ):
        await client.start_notify(pmd.CONTROL_POINT, lambda _, data: None)
        await client.start_notify(pmd.DATA, frame)
        await client.write_gatt_char(pmd.CONTROL_POINT, ECG_START, response=True)
        decoded = decode_frame(await asyncio.wait_for(arrived, 60))
    assert isinstance(decoded, SampleFrame)
    return decoded


def test_a_strap_of_another_process_streams_until_that_process_is_told_to_end() -> None:
    async def main() -> None:
        arguments = ("-m", "allostat", "simulate", "--strap", "hrs", "--strap", "h10", "--seed", "3", "--json", "-q")
        process = await asyncio.create_subprocess_exec(sys.executable, *arguments, stdout=PIPE, stderr=PIPE)
        try:
            assert process.stdout is not None
            told = json.loads(await process.stdout.readuntil(b"\n}\n"))
            addresses = {strap["name"]: strap["address"] for strap in told["straps"]}
            assert list(addresses) == ["HRM 0001", "Polar H10 A0000002"] and told["host"] == "127.0.0.1"
            frame = await first_frame(told["port"], addresses["Polar H10 A0000002"])
            assert frame.raw.shape == (73, 1) and frame.faults == ()
        finally:
            process.send_signal(signal.SIGTERM)
        _, errors = await process.communicate()
        assert process.returncode == 0 and errors == b""

    asyncio.run(main())


def test_serving_ends_by_itself_after_so_many_seconds() -> None:
    ran = CliRunner().invoke(command, ["--strap", "h10", "--seconds", "0.1", "--faults", "60", "--json"])
    assert ran.exit_code == 0 and '"port"' in ran.output


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--strap", "h12"], "nearest valid: 'h10'"),
        (["--strap", "h10", "--tcp", "nowhere"], "127.0.0.1:PORT"),
        (["--strap", "h10", "--tcp", "127.0.0.1:70000"], "127.0.0.1:PORT"),
    ],
)
def test_what_cannot_be_served_is_said(arguments: list[str], sentence: str) -> None:
    ran = CliRunner().invoke(command, arguments)
    assert isinstance(ran.exception, InputError) and sentence in str(ran.exception)


def test_a_port_that_is_taken_is_said() -> None:
    async def main() -> None:
        taken = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
        port = taken.sockets[0].getsockname()[1]
        with pytest.raises(InputError, match="cannot listen"):
            async with SERVER.serving(["h10"], host="127.0.0.1", port=port, seed=0, faults_every_s=None):
                pass
        taken.close()

    asyncio.run(main())


def test_a_strap_writes_no_files() -> None:
    assert CliRunner().invoke(command, ["folder", "--strap", "h10"]).exit_code == 2


def test_every_model_is_served_by_its_name() -> None:
    assert tuple(MODELS) == SERVER.models
