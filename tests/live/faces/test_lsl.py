"""LSL outlets and markers: explicit time stamps in LSL's clock, metadata, gaps, and the way back to the session."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from allostat.errors import ConfigError
from allostat.live.faces import lsl_markers
from allostat.live.faces.controls import Controls
from allostat.live.faces.lsl import LslOutlets, needed
from allostat.live.faces.lsl_clock import LslClock
from allostat.live.faces.lsl_markers import LslMarkers
from allostat.live.updates import HrvWindow, MarkerSet, PlacedSamples, Update
from tests.live.updates_of import START_NS, ns, updates_of

LOOPBACK = """
[ports]
IPv6 = disable
[multicast]
ResolveScope = machine
AddressesOverride = {{127.0.0.1}}
[lab]
KnownPeers = {{127.0.0.1}}
SessionID = allostat-test-{pid}
[log]
level = -3
"""


@pytest.fixture(scope="module")
def pylsl(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The library, pinned to this computer before its first call: without this it would multicast."""
    if "pylsl" in sys.modules:
        pytest.skip("pylsl has been used already, with settings of its own")
    path = tmp_path_factory.mktemp("lsl") / "lsl_api.cfg"
    path.write_text(LOOPBACK.format(pid=os.getpid()))
    os.environ["LSLAPICFG"] = str(path)
    yield pytest.importorskip("pylsl")
    del os.environ["LSLAPICFG"]


def inlet_of(pylsl: Any, name: str) -> Any:
    (info,) = pylsl.resolve_byprop("name", name, 1, timeout=10)
    inlet = pylsl.StreamInlet(info)
    inlet.open_stream(timeout=10)
    return inlet


def pulled(inlet: Any, count: int) -> tuple[np.ndarray, np.ndarray]:
    values: list[Any] = []
    stamps: list[float] = []
    while len(stamps) < count:
        value, stamp = inlet.pull_sample(timeout=10)
        assert stamp is not None, f"only {len(stamps)} of {count} came"
        values.append(value)
        stamps.append(stamp)
    return np.array(values), np.array(stamps)


def test_the_two_clocks_are_compared_to_microseconds() -> None:
    clock = LslClock.measured(lambda: START_NS + time.perf_counter_ns(), lambda: time.perf_counter_ns() / 1e9)
    assert abs(clock.offset_ns - START_NS) <= clock.spread_ns + 500 < 2_000_000
    assert abs(clock.ns(clock.seconds(START_NS + 123_456_789)) - (START_NS + 123_456_789)) < 1000


def test_ecg_goes_out_with_the_instants_of_the_session_and_its_gap(pylsl: Any) -> None:
    updates = [u for _, u in updates_of(1, 30.0)]
    blocks = [u for u in updates if isinstance(u, PlacedSamples)]
    outlets = LslOutlets("test-ecg", lambda: START_NS)
    begin, rest = updates[:60], updates[60:]
    for update in begin:
        outlets.offer(update)
    inlet = inlet_of(pylsl, "allostat sub-001 ecg")
    sent: list[Update] = []
    for update in rest:
        outlets.offer(update)
        sent.append(update)
    later = [b for b in blocks if any(b is u for u in sent)]
    expected = np.concatenate([b.raw[:, 0] for b in later])
    stamps = np.concatenate(
        [
            outlets.clock.seconds(b.block.t0_ns) + (b.first_index - b.block.start_index + np.arange(73)) / 130.0
            for b in later
        ]
    )
    got, at = pulled(inlet, len(expected))
    np.testing.assert_array_equal(got[:, 0], expected.astype(np.float32))
    np.testing.assert_allclose(at, stamps, rtol=0, atol=1e-9)
    info = inlet.info()
    desc = info.desc()
    assert (info.type(), info.channel_count(), info.nominal_srate()) == ("ECG", 1, 130.0)
    assert info.source_id() == "allostat:test-ecg:0:ecg"
    channel = desc.child("channels").child("channel")
    assert (channel.child_value("label"), channel.child_value("unit")) == ("ecg", "microvolts")
    assert desc.child_value("participant") == "sub-001" and desc.child_value("model") == "Polar H10"
    assert int(desc.child_value("clock_offset_ns")) == outlets.clock.offset_ns
    inlet.close_stream()
    asyncio.run(outlets.close())


def test_intervals_hrv_and_markers_have_streams_of_their_own(pylsl: Any) -> None:
    outlets = LslOutlets("test-rest", lambda: START_NS)
    updates = [u for _, u in updates_of(1, 65.0)]
    for update in updates:
        outlets.offer(update)
    assert set(outlets.names) >= {"sub-001 rr", "sub-001 ecg_beats", "sub-001 hrv_ecg_60s"}
    rr, hrv = inlet_of(pylsl, "allostat sub-001 rr"), inlet_of(pylsl, "allostat sub-001 hrv_ecg_60s")
    marks = inlet_of(pylsl, "allostat markers")
    interval = next(u for u in updates if type(u).__name__ == "PlacedIntervals")
    outlets.offer(interval)
    values, at = pulled(rr, len(interval.times_ns))
    np.testing.assert_allclose(at, [outlets.clock.seconds(t) for t in interval.times_ns.tolist()], atol=1e-9)
    assert np.isnan(values[0, 0]) and rr.info().nominal_srate() == 0.0
    outlets.offer(HrvWindow(0, "ecg", ns(5), ns(65), 60.0, {"rmssd": 41.5, "sdnn": 50.25}, 2.5))
    (window,), (stamp,) = pulled(hrv, 1)
    assert (window[0], window[1], window[-1]) == (41.5, 50.25, 2.5) and np.isnan(window[2])
    assert stamp == pytest.approx(outlets.clock.seconds(ns(65)), abs=1e-9)
    outlets.offer(MarkerSet(ns(66), "came by LSL", "lsl"))
    outlets.offer(MarkerSet(ns(67), "go ä", "key"))
    (label,), (stamp,) = pulled(marks, 1)
    assert label[0] == "go ä" and stamp == pytest.approx(outlets.clock.seconds(ns(67)), abs=1e-9)
    for inlet in (rr, hrv, marks):
        inlet.close_stream()
    asyncio.run(outlets.close())


def test_markers_of_other_programs_come_in_with_the_senders_time_and_ours_do_not(
    pylsl: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lsl_markers, "SEARCH_S", 0.05)

    async def until(condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not condition():
                await asyncio.sleep(0.01)

    async def test() -> None:
        marked: list[MarkerSet] = []
        said: list[str] = []
        outlets = LslOutlets("test-markers", lambda: START_NS)
        info = pylsl.StreamInfo("stimuli", "Markers", 1, 0.0, pylsl.cf_string, "stimulus-computer")
        sender = pylsl.StreamOutlet(info)
        taken = LslMarkers(Controls(marked.append, lambda: None), outlets.clock, said.append)
        taken.open()
        await until(lambda: taken.streams == ("stimuli",))
        outlets.offer(MarkerSet(ns(0), "our own", "key"))
        sender.push_sample(["flash"], outlets.clock.seconds(START_NS + 250_000_000))
        sender.push_sample(["a\nb"], outlets.clock.seconds(START_NS + 500_000_000))
        sender.push_sample([""], outlets.clock.seconds(START_NS + 600_000_000))
        await until(lambda: len(marked) == 3)
        assert [(m.label, m.source) for m in marked] == [("flash", "lsl"), ("a b", "lsl"), ("(empty)", "lsl")]
        assert abs(marked[0].time_ns - (START_NS + 250_000_000)) < 1_000_000
        del sender
        await until(lambda: any("has ended" in s for s in said))
        await taken.close()
        await outlets.close()

    asyncio.run(test())


def test_without_the_library_the_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pylsl", None)
    with pytest.raises(ConfigError, match=r"pip install 'allostat-load\[lsl\]'"):
        needed()


def test_loopback_is_pinned_in_a_file_that_exists(pylsl: Any) -> None:
    assert Path(os.environ["LSLAPICFG"]).read_text().count("127.0.0.1") == 2
