"""A backend without a radio: virtual straps of several models in reach (entry point ``ble`` of
``allostat.simulated_straps``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from allostat_devices.ble.link import demand_bleak

if TYPE_CHECKING:
    from allostat_devices.virtual.radio import VirtualRadio

MODELS_IN_TURN = ("h10", "verity", "movesense", "hrs")


def simulated_radio(count: int) -> VirtualRadio:
    """A radio with ``count`` straps in reach: H10, Verity Sense, Movesense, plain heart rate strap, and again."""
    demand_bleak()
    from allostat_devices.virtual.models import MODELS
    from allostat_devices.virtual.radio import VirtualRadio

    turns = len(MODELS_IN_TURN)
    return VirtualRadio([MODELS[MODELS_IN_TURN[number % turns]](number // turns + 1) for number in range(count)])
