"""One request of HTTP/1.1, read with limits: what a local page and a marker need, and nothing more."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

LONGEST_HEAD = 8192
LONGEST_BODY = 4096
PATIENCE_S = 10.0
"""For a whole request; a connection that says nothing is closed."""

STATUS = {
    200: "OK",
    201: "Created",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    411: "Length Required",
    413: "Content Too Large",
    421: "Misdirected Request",
    403: "Forbidden",
    422: "Unprocessable Content",
    431: "Request Header Fields Too Large",
    503: "Service Unavailable",
}


class RefusedRequest(Exception):
    """A request that gets an answer other than what it asked for."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Request:
    """Method, path without query, headers by lower-case name, body."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = b""


async def read_request(reader: asyncio.StreamReader) -> Request:
    """Read one request.

    Raises
    ------
    RefusedRequest
        Malformed, too long, or too slow.
    asyncio.IncompleteReadError
        The other side closed before it had said all.
    """
    try:
        async with asyncio.timeout(PATIENCE_S):
            head = await reader.readuntil(b"\r\n\r\n")
            method, path, headers = _head(head)
            return Request(method, path, headers, await _body(reader, headers))
    except TimeoutError as error:
        raise RefusedRequest(408, "the request took too long") from error
    except asyncio.LimitOverrunError as error:
        raise RefusedRequest(431, f"headers of at most {LONGEST_HEAD} bytes") from error


def _head(head: bytes) -> tuple[str, str, dict[str, str]]:
    try:
        first, *lines = head[:-4].decode("ascii").split("\r\n")
        method, target, version = first.split(" ")
    except ValueError as error:
        raise RefusedRequest(400, "not a request of HTTP/1.1") from error
    if version not in ("HTTP/1.1", "HTTP/1.0") or not target.startswith("/"):
        raise RefusedRequest(400, "not a request of HTTP/1.1")
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name or name != name.strip():
            raise RefusedRequest(400, "a malformed header")
        if name.lower() in headers and name.lower() in ("host", "content-length", "origin"):
            raise RefusedRequest(400, f"header {name} stands twice")
        headers[name.lower()] = value.strip()
    return method, target.partition("?")[0], headers


async def _body(reader: asyncio.StreamReader, headers: Mapping[str, str]) -> bytes:
    if "transfer-encoding" in headers:
        raise RefusedRequest(411, "a body with Content-Length")
    told = headers.get("content-length", "0")
    if not told.isascii() or not told.isdigit() or len(told) > 9:
        raise RefusedRequest(400, "Content-Length is a number")
    if int(told) > LONGEST_BODY:
        raise RefusedRequest(413, f"a body of at most {LONGEST_BODY} bytes")
    return await reader.readexactly(int(told))
