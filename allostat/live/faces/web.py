"""The session as a page on this computer: a server of the standard library's asyncio on 127.0.0.1, nothing else.

Who may look: whoever has the address with its random token. A page of another origin cannot read it (no CORS
headers), cannot reach it under a name of its own (the ``Host`` header must be ours, against DNS rebinding), cannot
frame it, and cannot post markers (``Origin``). The page runs under a Content-Security-Policy without inline code.

Frames go out ten times a second to every reader at its own pace: nothing is queued for a slow one. When its connection
takes bytes again it gets one frame with everything since, as far as the board still holds it, and is told what is gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import json
import math
import secrets
import socket
from collections.abc import Callable, Sequence
from importlib import resources
from typing import NoReturn

from allostat.errors import DeviceError, InputError
from allostat.live.faces.board import Board
from allostat.live.faces.controls import Controls
from allostat.live.faces.frames import Frames
from allostat.live.faces.http_request import LONGEST_HEAD, STATUS, RefusedRequest, Request, read_request
from allostat.live.marker_server import marker_of
from allostat.live.updates import Update

FRAMES_PER_S = 10
MOST_CONNECTIONS = 32
SEND_BUFFER = 1 << 16
SILENCE_S = 30.0
"""A reader that takes no byte for this long is let go; its page comes back by itself."""
LINGER_S = 1.0
MOST_UNREAD = 16
"""Pieces of `LONGEST_HEAD` bytes that are read and thrown away after a refusal."""
ADDRESS = "127.0.0.1"

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_ALWAYS = (
    ("Content-Security-Policy", _POLICY),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cache-Control", "no-store"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("X-Frame-Options", "DENY"),
    ("Connection", "close"),
)


class WebPage:
    """The page, its stream of frames, and the door for markers, as a face of a session.

    Parameters
    ----------
    board
        Offered its updates by the session itself.
    controls
        Where markers go.
    labels
        Labels of the keys 1 to 9.
    complain
        Takes a sentence about what went wrong inside.

    Attributes
    ----------
    url
        Address of the page with its token, once open.
    lost
        Pieces of signal, intervals and events that slow readers did not get.
    """

    def __init__(
        self, board: Board, controls: Controls, *, labels: Sequence[str] = (), complain: Callable[[str], None]
    ) -> None:
        self._controls = controls
        self._frames = Frames(board, labels)
        self._complain = complain
        self._token = secrets.token_urlsafe(24)
        self._files = _page_files()
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._ending = asyncio.Event()
        self._port = 0
        self.readers = 0
        self.lost = 0

    @property
    def url(self) -> str:
        """Address of the page."""
        return f"http://{ADDRESS}:{self._port}/{self._token}/"

    async def open(self, port: int = 0) -> None:
        """Listen on 127.0.0.1; port 0 takes a free one.

        Raises
        ------
        DeviceError
            The port is taken.
        """
        try:
            self._server = await asyncio.start_server(self._accepted, ADDRESS, port, limit=LONGEST_HEAD)
        except OSError as error:
            raise DeviceError(
                f"the web page cannot use port {port}: {error.strerror}", expected="a free port (--web 0 finds one)"
            ) from error
        self._port = int(self._server.sockets[0].getsockname()[1])

    def offer(self, update: Update) -> None:
        """Nothing: the board has it."""

    async def close(self) -> None:
        """Tell every page that the session ended, then stop listening."""
        self._ending.set()
        if self._server is not None:
            self._server.close()
            if self._connections:
                _, late = await asyncio.wait(self._connections, timeout=1.0)
                for task in late:
                    task.cancel()
            await self._server.wait_closed()

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            await self._answer(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, TimeoutError):
            writer.transport.abort()  # the reader went away, which is its right
        except asyncio.CancelledError:
            writer.transport.abort()
        except Exception as error:  # noqa: BLE001 - one connection's fault is not the page's
            writer.transport.abort()
            self._complain(f"a connection of the web page failed ({type(error).__name__}: {error})")
        finally:
            self._connections.discard(task)
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if len(self._connections) > MOST_CONNECTIONS:
                raise RefusedRequest(503, "too many pages are open")
            request = await read_request(reader)
            arrived_ns = self._controls.now_ns()
            self._check_host(request)
            place = self._place(request)
            if place == "events":
                self._check_method(request, "GET")
                await self._stream(writer)
                return
            if place == "markers":
                self._check_method(request, "POST")
                self._mark(request, writer, arrived_ns)
            elif place in self._files:
                self._check_method(request, "GET")
                kind, body = self._files[place]
                _write(writer, 200, kind, body)
            else:
                _not_found()
        except RefusedRequest as refused:
            _write(writer, refused.status, "text/plain; charset=utf-8", f"{refused}\n".encode())
            await _heard(reader, writer)
        await writer.drain()

    def _check_host(self, request: Request) -> None:
        if request.headers.get("host") not in (f"{ADDRESS}:{self._port}", f"localhost:{self._port}"):
            raise RefusedRequest(421, f"this is {ADDRESS}:{self._port} and no other host")

    def _place(self, request: Request) -> str:
        """What is asked for behind the token; without the token nothing is told apart from nothing."""
        _, token, *rest = request.path.split("/", 2)
        if not rest or not hmac.compare_digest(token.encode(), self._token.encode()):
            _not_found()
        return rest[0]

    @staticmethod
    def _check_method(request: Request, method: str) -> None:
        if request.method != method:
            raise RefusedRequest(405, f"only {method}")

    def _mark(self, request: Request, writer: asyncio.StreamWriter, arrived_ns: int) -> None:
        origin = request.headers.get("origin")
        if origin is not None and origin not in (f"http://{ADDRESS}:{self._port}", f"http://localhost:{self._port}"):
            raise RefusedRequest(403, "markers come from this page or from a program, not from another page")
        try:
            marker = marker_of(request.body, request.headers.get("content-type", ""), arrived_ns)
            self._controls.mark(marker)
        except InputError as problem:
            raise RefusedRequest(422, str(problem)) from problem
        answer = json.dumps({"label": marker.label, "time_ns": marker.time_ns}, ensure_ascii=False)
        _write(writer, 201, "application/json", answer.encode())

    async def _stream(self, writer: asyncio.StreamWriter) -> None:
        """Frames for one reader until it leaves or the session ends."""
        writer.transport.set_write_buffer_limits(high=SEND_BUFFER)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        writer.write(_head(200, "text/event-stream; charset=utf-8", None) + b"retry: 1000\n\n")
        self.readers += 1
        loop = asyncio.get_running_loop()
        try:
            data, cursor = self._frames.first()
            tick = 0
            while True:
                writer.write(b"data: " + data + b"\n\n")
                async with asyncio.timeout(SILENCE_S):
                    await writer.drain()
                if self._ending.is_set():
                    break
                tick = max(tick, math.floor(loop.time() * FRAMES_PER_S)) + 1
                await self._until(tick / FRAMES_PER_S - loop.time())
                data, cursor, lost = self._frames.next(cursor, tick)
                self.lost += lost
            writer.write(b"event: end\ndata: {}\n\n")
            await writer.drain()
        finally:
            self.readers -= 1

    async def _until(self, seconds: float) -> None:
        """Wait for the next moment, or for the end."""
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                await self._ending.wait()
        except TimeoutError:
            return


async def _heard(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Let the other side read a refusal: closing with unread bytes would reset the connection before it has."""
    writer.write_eof()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LINGER_S):
            for _ in range(MOST_UNREAD):
                if not await reader.read(LONGEST_HEAD):
                    break


def _not_found() -> NoReturn:
    raise RefusedRequest(404, "there is nothing here; the address of the page holds a token")


def _page_files() -> dict[str, tuple[str, bytes]]:
    """The page and what it loads, with the style of the reports before its own."""
    from allostat.report.template import render

    folder = resources.files("allostat.live.faces") / "page"
    style = render("style.css.j2").encode() + b"\n" + (folder / "live.css").read_bytes()
    return {
        "": ("text/html; charset=utf-8", (folder / "index.html").read_bytes()),
        "live.js": ("text/javascript; charset=utf-8", (folder / "live.js").read_bytes()),
        "live.css": ("text/css; charset=utf-8", style),
    }


def _head(status: int, kind: str, length: int | None) -> bytes:
    lines = [f"HTTP/1.1 {status} {STATUS[status]}", f"Content-Type: {kind}"]
    if length is not None:
        lines.append(f"Content-Length: {length}")
    lines += [f"{name}: {value}" for name, value in _ALWAYS]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii")


def _write(writer: asyncio.StreamWriter, status: int, kind: str, body: bytes) -> None:
    writer.write(_head(status, kind, len(body)) + body)
