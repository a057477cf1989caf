"""The local page: who may reach it, what it sends, what a slow reader costs, and how it looks in a browser."""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from allostat.errors import DeviceError
from allostat.live.faces import http_request, web
from allostat.live.faces.board import Board
from allostat.live.faces.controls import Controls
from allostat.live.faces.web import WebPage
from allostat.live.updates import MarkerSet, StrapState
from tests.live.faces.browser import Page, browser
from tests.live.updates_of import START_NS, ns, updates_of

JSON = "Content-Type: application/json\r\n"


class Served:
    """A page of a made-up session of ``straps``, stopped at ``until``."""

    def __init__(self, straps: int = 3, until: float = 65.0) -> None:
        self.board = Board()
        self.marked: list[MarkerSet] = []
        self.said: list[str] = []
        self.rest = []
        for second, update in updates_of(straps, 125.0):
            if second < until:
                self.board.offer(update)
            else:
                self.rest.append((second, update))
        controls = Controls(self._mark, lambda: None, lambda: START_NS)
        self.page = WebPage(self.board, controls, labels=("rest", "task"), complain=self.said.append)

    def _mark(self, marker: MarkerSet) -> None:
        self.marked.append(marker)
        self.board.offer(marker)

    @property
    def host(self) -> str:
        return self.page.url.split("/")[2]

    @property
    def root(self) -> str:
        return "/" + self.page.url.split("/", 3)[3]

    async def ask(
        self, path: str, *, method: str = "GET", host: str | None = None, extra: str = "", body: bytes = b""
    ) -> tuple[int, str, bytes]:
        length = f"Content-Length: {len(body)}\r\n" if body else ""
        text = f"{method} {path} HTTP/1.1\r\nHost: {host or self.host}\r\n{extra}{length}\r\n"
        return await self.raw(text.encode() + body)

    async def raw(self, request: bytes) -> tuple[int, str, bytes]:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(self.host.split(":")[1]))
        writer.write(request)
        answer = await reader.read()
        writer.close()
        head, _, body = answer.partition(b"\r\n\r\n")
        return int(head.split(b" ")[1]), head.decode(), body


@asynccontextmanager
async def served(**options: Any) -> AsyncIterator[Served]:
    found = Served(**options)
    await found.page.open()
    try:
        yield found
    finally:
        await found.page.close()
        assert not found.said, found.said


def run(test: Callable[[Served], Awaitable[None]], **options: Any) -> None:
    async def whole() -> None:
        async with served(**options) as session:
            await test(session)

    asyncio.run(whole())


def test_page_script_and_style_are_served_under_a_strict_policy() -> None:
    async def test(s: Served) -> None:
        for name, kind in (("", "text/html"), ("live.js", "text/javascript"), ("live.css", "text/css")):
            status, head, body = await s.ask(s.root + name)
            assert status == 200 and f"Content-Type: {kind}" in head and len(body) > 500
            assert "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'" in head
            assert "unsafe" not in head and "Access-Control" not in head
            assert "Referrer-Policy: no-referrer" in head and "Cache-Control: no-store" in head
        assert b"--vermillion" in body  # the reports' colours
        page = (await s.ask(s.root))[2].decode()
        assert "http://" not in page and "https://" not in page and "<script>" not in page and "style=" not in page

    run(test)


@pytest.mark.parametrize(
    "path", ["/", "/events", "/x/", "/x/events", "/markers", "//", "/%s", "/%s/nothing", "/%s/../live.js"]
)
def test_without_the_token_there_is_nothing(path: str) -> None:
    async def test(s: Served) -> None:
        status, _, body = await s.ask(path.replace("%s", s.root.strip("/")))
        assert status == 404 and s.root.strip("/").encode() not in body

    run(test)


def test_the_token_is_long_random_and_another_each_time() -> None:
    tokens = {Served(straps=1, until=1).root for _ in range(3)}
    assert len(tokens) == 3 and all(len(token) >= 32 for token in tokens)


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "127.0.0.1", "127.0.0.1:1", "0.0.0.0:80", "[::1]:80"]
)
def test_under_another_name_nothing_is_served(host: str) -> None:
    """DNS rebinding: a page of another site that resolves its own name to this computer."""

    async def test(s: Served) -> None:
        assert (await s.ask(s.root, host=host))[0] == 421
        assert (await s.ask(s.root + "markers", method="POST", host=host, extra=JSON, body=b'{"label":"x"}'))[0] == 421

    run(test)


def test_localhost_is_a_name_of_this_computer() -> None:
    async def test(s: Served) -> None:
        assert (await s.ask(s.root, host=s.host.replace("127.0.0.1", "localhost")))[0] == 200

    run(test)


def test_it_listens_on_loopback_only() -> None:
    async def test(s: Served) -> None:
        assert s.page._server is not None
        assert [sock.getsockname()[0] for sock in s.page._server.sockets] == ["127.0.0.1"]

    run(test)


def test_a_port_that_is_taken_is_said_with_the_way_out() -> None:
    async def test(s: Served) -> None:
        other = WebPage(s.board, Controls(s.marked.append, lambda: None), complain=s.said.append)
        with pytest.raises(DeviceError, match="--web 0"):
            await other.open(int(s.host.split(":")[1]))

    run(test)


def test_markers_are_posted_as_json_and_as_a_form() -> None:
    async def test(s: Served) -> None:
        place = s.root + "markers"
        status, _, body = await s.ask(place, method="POST", extra=JSON, body=b'{"label":"go"}')
        assert status == 201 and json.loads(body) == {"label": "go", "time_ns": START_NS}
        form = "Content-Type: application/x-www-form-urlencoded\r\n"
        assert (await s.ask(place, method="POST", extra=form, body=b"label=stop&age_ms=2"))[0] == 201
        assert [(m.label, m.time_ns, m.source) for m in s.marked] == [
            ("go", START_NS, "http"),
            ("stop", START_NS - 2_000_000, "http"),
        ]
        assert (await s.ask(place))[0] == 405
        assert (await s.ask(place, method="POST", extra=JSON, body=b"{}"))[0] == 422
        assert len(s.marked) == 2

    run(test)


def test_another_origin_cannot_post_a_marker_even_with_the_token() -> None:
    async def test(s: Served) -> None:
        for origin, expected in (("http://evil.example", 403), ("null", 403), (f"http://{s.host}", 201)):
            extra = f"Origin: {origin}\r\n{JSON}"
            assert (await s.ask(s.root + "markers", method="POST", extra=extra, body=b'{"label":"x"}'))[0] == expected
        assert len(s.marked) == 1

    run(test)


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"\r\n\r\n", 400),
        (b"GET\r\n\r\n", 400),
        (b"GET / HTTP/2.0\r\n\r\n", 400),
        (b"GET http://evil/ HTTP/1.1\r\n\r\n", 400),
        (b"GET /\xff HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nbad header\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost : x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n", 413),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 411),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 20000 + b"\r\n\r\n", 431),
    ],
)
def test_what_is_no_request_is_refused_and_the_server_goes_on(request_bytes: bytes, status: int) -> None:
    async def test(s: Served) -> None:
        assert (await s.raw(request_bytes))[0] == status
        assert (await s.ask(s.root))[0] == 200

    run(test)


def test_a_connection_that_says_nothing_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_request, "PATIENCE_S", 0.05)

    async def test(s: Served) -> None:
        assert (await s.raw(b"GET / HT"))[0] == 408

    run(test)


def test_connections_beyond_the_limit_are_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "MOST_CONNECTIONS", 0)

    async def test(s: Served) -> None:
        assert (await s.ask(s.root))[0] == 503

    run(test)


async def events(reader: asyncio.StreamReader) -> AsyncIterator[dict[str, Any]]:
    """Frames of an open stream; ends with the session."""
    while line := await reader.readline():
        if line.startswith(b"event: end"):
            return
        if line.startswith(b"data: "):
            yield json.loads(line[6:])


async def stream(s: Served, limit: int = 1 << 20) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(s.host.split(":")[1]), limit=limit)
    writer.write(f"GET {s.root}events HTTP/1.1\r\nHost: {s.host}\r\n\r\n".encode())
    return reader, writer


def test_the_stream_begins_with_everything_goes_on_with_changes_and_says_the_end() -> None:
    async def test(s: Served) -> None:
        reader, writer = await stream(s)
        frames: list[dict[str, Any]] = []
        async for frame in events(reader):
            frames.append(frame)
            if len(frames) == 3:
                s.board.offer(MarkerSet(ns(70), "here", "program"))
            if any(line[3] == "here (program)" for line in frame.get("log", ())):
                closing = asyncio.create_task(s.page.close())
        await closing
        writer.close()
        assert frames[0]["full"] and set(frames[0]["straps"]) == {"0", "1", "2"}
        assert not any("full" in frame for frame in frames[1:])

    run(test)


def test_a_reader_that_takes_nothing_loses_its_own_data_and_no_one_elses() -> None:
    async def test(s: Served) -> None:
        slow_reader, slow = await stream(s, limit=1024)
        slow_reader._transport.pause_reading()  # type: ignore[attr-defined]
        good_reader, good = await stream(s)
        lost = frames = 0
        updates = iter(s.rest * 60)
        async for frame in events(good_reader):
            frames += 1
            lost += frame.get("lost", 0)
            for _ in range(40):
                if (item := next(updates, None)) is not None:
                    s.board.offer(item[1])
            if frames == 25:
                break
        assert lost == 0 and s.page.readers == 2
        tasks = len(asyncio.all_tasks())
        assert tasks < 8
        for writer in (slow, good):
            writer.transport.abort()

    run(test, straps=8)


def test_a_reader_that_resets_its_connection_leaves_nothing_behind() -> None:
    async def test(s: Served) -> None:
        import socket

        for _ in range(5):
            reader, writer = await stream(s)
            await reader.readline()
            sock = writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
        reader, writer = await stream(s)
        count = 0
        async for _ in events(reader):
            count += 1
            if count == 5:
                break
        assert s.page.readers == 1
        writer.transport.abort()

    run(test)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with browser(tmp_path_factory.mktemp("profile")) as found:
        yield found


async def following(s: Served, look: Callable[[], None], per_tick: int = 12) -> None:
    """Feed the session while something looks at its page from a thread."""
    looking = asyncio.create_task(asyncio.to_thread(look))
    updates = iter(s.rest)
    while not looking.done():
        for _ in range(per_tick):
            if (item := next(updates, None)) is not None:
                s.board.offer(item[1])
        await asyncio.wait([looking], timeout=0.05)
    await looking


@pytest.mark.parametrize("dark", [False, True])
def test_the_page_follows_eight_straps_in_chromium(page: Page, tmp_path: Path, dark: bool) -> None:
    async def test(s: Served) -> None:
        def look() -> None:
            page.open(s.page.url, dark=dark)
            page.until("allostatLive.frames > 10")
            assert page.run("document.querySelectorAll('.card').length") == 8
            assert page.run("document.querySelector('.card.streaming h3').textContent") == "sub-001"
            assert page.run("document.querySelector('.card .hr').textContent") == "58 /min"
            pixels = "document.querySelector('canvas').getContext('2d').getImageData(0, 0, 200, 80).data"
            inked = f"Array.from({pixels}).some(v => v > 0)"
            assert page.run(inked)
            wanted = "rgb(20, 24, 29)" if dark else "rgb(253, 253, 254)"
            assert page.run("getComputedStyle(document.body).backgroundColor") == wanted
            assert len(page.picture(tmp_path / "page.png")) > 20_000

        await following(s, look)

    run(test, straps=8)
    assert page.console == []


def test_keys_and_buttons_of_the_page_set_markers(page: Page) -> None:
    async def test(s: Served) -> None:
        def look() -> None:
            page.open(s.page.url)
            page.until("allostatLive.frames > 1")
            for key in ("m", "2"):
                page.send("Input.dispatchKeyEvent", type="keyDown", key=key, text=key)
            page.until("document.getElementById('markers').textContent === '5'")
            page.run(
                "document.getElementById('label').value = '<b>x</b>'; document.querySelector('#mark button').click()"
            )
            page.until(
                "[...document.querySelectorAll('#log li')].some(li => li.textContent.includes('<b>x</b> (http)'))"
            )

        await following(s, look, per_tick=1)
        assert [m.label for m in s.marked] == ["marker", "task", "<b>x</b>"]
        assert all(START_NS - 2_000_000_000 < m.time_ns <= START_NS for m in s.marked)

    run(test)
    assert page.console == []


def test_the_page_comes_back_by_itself_when_its_connection_breaks(page: Page) -> None:
    async def test(s: Served) -> None:
        def begin() -> None:
            page.open(s.page.url)
            page.until("allostatLive.frames > 2")

        def again() -> None:
            page.until("allostatLive.fulls === 2 && allostatLive.frames > 5", 30)
            assert page.run("document.querySelectorAll('.card').length") == 3

        await following(s, begin)
        for task in list(s.page._connections):
            task.cancel()
        await following(s, again)

    run(test)


def test_the_page_opens_before_any_strap_and_before_any_sample(page: Page) -> None:
    async def test(s: Served) -> None:
        def look() -> None:
            page.open(s.page.url)
            page.until("allostatLive.frames > 2")
            assert not page.run("document.getElementById('nobody').hidden")
            asyncio.run_coroutine_threadsafe(tell(), loop).result()
            page.until("document.querySelectorAll('.card').length === 1")
            page.open(s.page.url)
            page.until("allostatLive.frames > 2")
            assert page.run("document.querySelector('.card .phase').textContent") == "… searching"

        async def tell() -> None:
            s.board.offer(StrapState(0, "Polar H10", "sub-001", "searching"))

        loop = asyncio.get_running_loop()
        await asyncio.to_thread(look)

    run(test, until=-1.0)
    assert page.console == []


def test_the_page_says_that_the_session_has_ended(page: Page) -> None:
    async def test(s: Served) -> None:
        def begin() -> None:
            page.open(s.page.url)
            page.until("allostatLive.frames > 2")

        await following(s, begin)
        await s.page.close()
        await asyncio.to_thread(page.until, "document.getElementById('link').textContent === 'the session has ended'")

    run(test)
