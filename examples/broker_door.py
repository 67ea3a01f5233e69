"""What stands between the network and the broker's routes: who may ask, how much, and how slowly.

`Door` is an ASGI middleware. It refuses a request before the routes see it: a foreign `Host` (a web
page whose name was rebound to this machine), a foreign `Origin` (a web page that submits a form), a
missing token, another content type than JSON, more requests a second than allowed, a body too
large or too slow. `Limited` is uvicorn's
HTTP protocol with bounds on a request's head, which no middleware sees until it is complete.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import math
import os
import time
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

MOST_HEAD = 32 * 1024  # bytes of a request line and its headers
HEAD_S = 10.0  # seconds in which they must have come
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
TOKEN_VARIABLE = "BROKER_TOKEN"


def read_token(path: Path | None) -> str | None:
    """The token that clients must show, from a file or the environment; None where none is set."""
    token = path.read_text(encoding="utf-8") if path else os.environ.get(TOKEN_VARIABLE)
    if token is None:
        return None
    token = token.strip()
    if len(token) < 16 or not token.isascii() or not token.isprintable() or " " in token:
        where = path or TOKEN_VARIABLE
        raise SystemExit(f"{where}: needed a token of 16 printable ASCII characters or more")
    return token


def allowed_hosts(host: str, more: Iterable[str]) -> frozenset[str]:
    """The names by which clients may call the broker, ports left out."""
    named = [] if host in ("0.0.0.0", "::") else [f"[{host}]" if ":" in host else host]
    return frozenset(name.lower() for name in (*LOOPBACK, *named, *more))


class Stop(Exception):
    """A request that is answered here: a status, and what is wrong."""

    def __init__(self, status: int, error: str, **headers: str) -> None:
        super().__init__(error)
        self.status, self.headers = status, headers


class Door:
    """Checks every request, and reads its body within bounds."""

    def __init__(
        self,
        app: Any,
        *,
        hosts: frozenset[str],
        token: str | None,
        most_body: int,
        body_s: float,
        rate: float | None = None,
        refused: Callable[[int], None],
    ) -> None:
        self.app, self.hosts, self.refused = app, hosts, refused
        self.token = None if token is None else token.encode()
        self.most_body, self.body_s = most_body, body_s
        # A bucket of tokens that fills at `rate` a second, up to one second's worth.
        self.rate, self._left, self._filled = rate, max(rate or 0.0, 1.0), time.monotonic()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        try:
            self._check(scope)
            self._count()
            async with asyncio.timeout(self.body_s):
                body = await self._body(receive)
        except TimeoutError:
            await self._answer(send, Stop(408, f"the body took longer than {self.body_s:g} s"))
            return
        except Stop as stop:
            await self._answer(send, stop)
            return
        if body is None:  # the client has gone
            return
        left = [{"type": "http.request", "body": body, "more_body": False}]

        async def replay() -> Any:
            return left.pop() if left else await receive()

        await self.app(scope, replay, send)

    def _count(self) -> None:
        """Take a token from the bucket; where there is none, say when there will be one."""
        if self.rate is None:
            return
        now = time.monotonic()
        filled = self._left + (now - self._filled) * self.rate
        self._left, self._filled = min(filled, max(self.rate, 1.0)), now
        if self._left < 1.0:
            again = math.ceil((1.0 - self._left) / self.rate)
            error = f"found more than {self.rate:g} requests a second"
            raise Stop(429, error, **{"retry-after": str(again)})
        self._left -= 1.0

    def _check(self, scope: Any) -> None:
        found: dict[bytes, list[bytes]] = {}
        for name, value in scope["headers"]:
            found.setdefault(name, []).append(value)
        for name in (b"host", b"authorization", b"content-type", b"content-length", b"origin"):
            if len(found.get(name, ())) > 1:
                raise Stop(400, f"found {name.decode()} more than once, needed it once")
        head = {name: values[0].decode("latin-1") for name, values in found.items()}
        host = head.get(b"host", "").lower()
        name, colon, port = host.rpartition(":")
        if (name if colon and port.isdecimal() else host) not in self.hosts:
            raise Stop(421, f"found host {host!r:.100}, needed one that --allow-host names")
        open_to_all = (scope["method"], scope["path"]) == ("GET", "/health")  # probes have no token
        if self.token is not None and not open_to_all:
            scheme, _, shown = head.get(b"authorization", "").partition(" ")
            given = shown.strip().encode("latin-1")
            if not (hmac.compare_digest(given, self.token) and scheme.lower() == "bearer"):
                error = "needed the header Authorization: Bearer TOKEN"
                raise Stop(401, error, **{"www-authenticate": "Bearer"})
        origin = head.get(b"origin")
        cross = head.get(b"sec-fetch-site") in ("cross-site", "same-site")
        if cross or (origin is not None and origin.lower().partition("://")[2] != host):
            raise Stop(
                403, f"found a request of the web page {origin!r:.100}, needed its own origin"
            )
        kind = head.get(b"content-type", "").partition(";")[0].strip().lower()
        if scope["method"] in ("POST", "PUT", "PATCH") and kind != "application/json":
            raise Stop(415, f"found content type {kind!r:.100}, needed application/json")
        length = head.get(b"content-length", "0")
        if not length.isdecimal() or int(length[:20]) > self.most_body or len(length) > 19:
            raise self._too_large(length)

    async def _body(self, receive: Any) -> bytes | None:
        """All of the body; None if the client hangs up before its end."""
        parts, size, more = [], 0, True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            part = message.get("body", b"")
            size += len(part)
            if size > self.most_body:
                raise self._too_large(str(size))
            parts.append(part)
            more = message.get("more_body", False)
        return b"".join(parts)

    def _too_large(self, found: str) -> Stop:
        return Stop(413, f"found a body of {found:.20} bytes, needed at most {self.most_body}")

    async def _answer(self, send: Any, stop: Stop) -> None:
        """Answer, and close the connection: what is left of the body is not read."""
        self.refused(stop.status)
        body = json.dumps({"error": str(stop)}).encode()
        headers = {"content-type": "application/json", "content-length": str(len(body))}
        headers |= {"connection": "close", **stop.headers}
        pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": stop.status, "headers": pairs})
        await send({"type": "http.response.body", "body": body})


class Limited(HttpToolsProtocol):
    """HTTP whose heads are bounded in bytes and in time; the parser itself has no bounds."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._in_head, self._head, self._timer = True, 0, None
        self._start_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._in_head and not self.transport.is_closing():
            self._head += len(data)  # no head has ended, so all of it belongs to one
            if self._head > MOST_HEAD:
                self._refuse(b"431 Request Header Fields Too Large")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head, self._fields = True, 0
        self._start_timer()

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        self._count(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        super().on_header(name, value)
        self._count(len(name) + len(value) + 4)

    def on_headers_complete(self) -> None:
        self._in_head, self._head = False, 0
        self._stop_timer()
        super().on_headers_complete()

    def _count(self, size: int) -> None:
        self._fields += size
        if self._fields > MOST_HEAD:
            raise ValueError("the head is too large")  # the parser makes a 400 of it

    def _start_timer(self) -> None:
        if self._timer is None:
            self._timer = self.loop.call_later(HEAD_S, self._late)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _late(self) -> None:
        self._timer = None
        if not self.transport.is_closing():
            self._refuse(b"408 Request Timeout")

    def _refuse(self, status: bytes) -> None:
        self.transport.write(
            b"HTTP/1.1 " + status + b"\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
        )
        self.transport.close()
