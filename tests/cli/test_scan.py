"""``allostat scan``, without a radio."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import CliRunner

from allostat.cli.scan import command
from allostat.errors import DeviceError
from allostat_devices.ble.link import BleLink
from allostat_devices.virtual.jumping_loop import run_fast


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asyncio, "run", run_fast)


def scan(*arguments: str) -> Any:
    return CliRunner().invoke(command, list(arguments), standalone_mode=False)


def test_a_table_of_virtual_straps() -> None:
    result = scan("--simulate", "4")
    head, *rows = result.stdout.splitlines()
    assert head.split("\t") == ["strap", "model", "gives", "signal dBm", "battery %", "id"]
    assert len(rows) == 4 and all(len(row.split("\t")) == 6 for row in rows)
    assert any("Polar Electro Oy H10\theart rate, sensor data (Polar)" in row for row in rows)
    assert result.return_value == 0


def test_json() -> None:
    straps = json.loads(scan("--simulate", "2", "--json").stdout)
    assert [strap["model"] for strap in straps] == ["H10", "Verity Sense"]
    assert all(strap["connectable"] and strap["rssi_dbm"] < 0 for strap in straps)


def failing(error: Exception) -> Callable[..., Any]:
    async def scan(self: BleLink, seconds: float, **others: Any) -> list[Any]:
        raise error

    return scan


def test_no_bluetooth_is_a_device_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BleLink, "scan", failing(DeviceError("Bluetooth is switched off: switch it on")))
    result = scan()
    assert isinstance(result.exception, DeviceError) and "switch it on" in str(result.exception)


def test_nothing_in_reach_says_what_to_try(monkeypatch: pytest.MonkeyPatch) -> None:
    async def none(self: BleLink, seconds: float, **others: Any) -> list[Any]:
        return []

    monkeypatch.setattr(BleLink, "scan", none)
    result = scan()
    assert result.stdout == "" and "phone" in result.stderr and result.return_value == 0
    assert scan("--json").stdout == "[]\n" and scan("-q").stderr == ""


def test_watching_goes_on_until_it_is_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    times: list[int] = []
    whole = BleLink.scan

    async def thrice(self: BleLink, seconds: float, **others: Any) -> list[Any]:
        times.append(1)
        if len(times) > 3:
            raise KeyboardInterrupt
        return await whole(self, seconds, **others)

    monkeypatch.setattr(BleLink, "scan", thrice)
    result = scan("--simulate", "1", "--watch", "--json")
    assert result.return_value == 0
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert len(lines) == 3 and all(len(line) == 1 for line in lines)


def test_wrong_numbers_are_usage_errors() -> None:
    assert CliRunner().invoke(command, ["--simulate", "0"]).exit_code == 2
    assert CliRunner().invoke(command, ["--seconds", "0"]).exit_code == 2
