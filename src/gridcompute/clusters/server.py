"""The page and the metrics by HTTP: on the loopback by default, elsewhere with a token."""

from __future__ import annotations

import base64
import contextlib
import hmac
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from ..errors import InvalidProblemError
from .config import read_token

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .state import State

__all__ = ["metrics", "served"]


class Shown(Protocol):
    """What there is to serve, as it was left last."""

    page: bytes
    metrics: bytes


#: Addresses at which nobody else reads, by the names that a browser gives them.
LOOPBACK = ("127.0.0.1", "::1", "localhost")
#: Connections at a time.
MOST_READERS = 64
#: Metrics: name, kind, help; `metrics` has a value for each.
METRICS = {
    "gridcompute_jobs": ("gauge", "Jobs by state."),
    "gridcompute_cluster_answers": ("gauge", "1 where a cluster answered when it was asked last."),
    "gridcompute_hour": ("gauge", "The hour of the tables that was planned last."),
    "gridcompute_accelerator_hours_total": ("counter", "Accelerator-hours that ran."),
    "gridcompute_load_kilowatt_hours_total": ("counter", "Load of the closed hours, kWh."),
    "gridcompute_green_kilowatt_hours_total": ("counter", "Green power used in its hour, kWh."),
    "gridcompute_cost_yuan": ("gauge", "Cost to date, what is owed to the mandate included."),
    "gridcompute_tick_seconds": ("gauge", "What the last planned hour took."),
    "gridcompute_slowest_tick_seconds": ("gauge", "The longest of them."),
}


def metrics(state: State) -> str:
    """Return the metrics as Prometheus reads them."""
    totals = state.get("totals", {})
    counts = state.rows("SELECT state, count(*) AS jobs FROM jobs GROUP BY state")
    asked = state.rows("SELECT site, answers FROM clusters")
    values: dict[str, Any] = {
        "gridcompute_jobs": {f'state="{row["state"]}"': row["jobs"] for row in counts},
        "gridcompute_cluster_answers": {f'site="{_label(r["site"])}"': r["answers"] for r in asked},
        "gridcompute_hour": state.get("hour"),
        "gridcompute_accelerator_hours_total": totals.get("accelerator_h"),
        "gridcompute_load_kilowatt_hours_total": totals.get("load_kwh"),
        "gridcompute_green_kilowatt_hours_total": totals.get("green_kwh"),
        "gridcompute_cost_yuan": totals.get("cost_yuan"),
        "gridcompute_tick_seconds": state.get("tick_s"),
        "gridcompute_slowest_tick_seconds": totals.get("slowest_tick_s"),
    }
    lines = []
    for name, (kind, words) in METRICS.items():
        found = values[name]
        by_label = found if isinstance(found, dict) else {} if found is None else {"": found}
        lines += [f"# HELP {name} {words}", f"# TYPE {name} {kind}"]
        for label, value in by_label.items():
            lines.append(f"{name}{{{label}}} {value!r}" if label else f"{name} {value!r}")
    return "\n".join(lines) + "\n"


def _label(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


class _Handler(BaseHTTPRequestHandler):
    """Answers GET for two paths, from what the loop has left there."""

    server: _Server
    server_version, sys_version = "gridcompute", ""
    timeout = 10

    def do_GET(self) -> None:
        """Answer with the page or the metrics."""
        known = {
            "/": (self.server.shown.page, "text/html; charset=utf-8"),
            "/metrics": (self.server.shown.metrics, "text/plain; version=0.0.4; charset=utf-8"),
        }
        if not self._may():
            return
        if self.path not in known:
            self._answer(404, b"not found\n", "text/plain")
            return
        body, kind = known[self.path]
        self._answer(200, body, kind)

    def _may(self) -> bool:
        """Is the reader one who may read? Answers those who may not."""
        if self.server.token is None:
            # A page elsewhere may make a browser ask the loopback by a name of its own.
            with contextlib.suppress(ValueError):
                if urlsplit(f"//{self.headers.get('Host', '')}").hostname in LOOPBACK:
                    return True
            self._answer(403, b"forbidden\n", "text/plain")
            return False
        kind, _, given = self.headers.get("Authorization", "").partition(" ")
        if kind == "Basic":
            with contextlib.suppress(ValueError):
                given = base64.b64decode(given).decode("utf-8", "replace").partition(":")[2]
        if hmac.compare_digest(given.encode(), self.server.token.encode()):
            return True
        self._answer(401, b"needed: a token\n", "text/plain")
        return False

    def _answer(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        headers = {
            "Content-Type": kind,
            "Content-Length": str(len(body)),
            "Cache-Control": "no-store",
            "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
        }
        if status == 401:
            headers["WWW-Authenticate"] = 'Basic realm="gridcompute"'
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Write no line for each request."""


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    block_on_close = True

    def __init__(self, address: tuple[str, int], shown: Shown, token: str | None) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.shown, self.token = shown, token
        self._open: set[Any] = set()
        super().__init__(address, _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread, if there are not too many already."""
        if len(self._open) >= MOST_READERS:
            super().shutdown_request(request)
            return
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Close a connection."""
        self._open.discard(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        """Close all connections, that of a reader who never ends its request too."""
        for request in tuple(self._open):
            with contextlib.suppress(OSError):
                request.shutdown(socket.SHUT_RDWR)
        super().server_close()

    def handle_error(self, *_: Any) -> None:
        """Say nothing of a reader who went away."""


@contextlib.contextmanager
def served(shown: Shown, where: str | None, token_file: Path | None) -> Iterator[str]:
    """Serve the page and the metrics while the block runs; yields the address, "" for none.

    Raises
    ------
    InvalidProblemError
        No HOST:PORT, or one beyond the loopback without a token.
    """
    if where is None:
        yield ""
        return
    host, _, port = where.rpartition(":")
    host = host.strip("[]")
    if not host or not port.isdecimal() or int(port) > 65535:
        message = f"serve: found {where!r:.100}, needed HOST:PORT, like 127.0.0.1:8080"
        raise InvalidProblemError(message, "serve")
    token = None if token_file is None else read_token(token_file)
    if token is None and host not in LOOPBACK:
        message = f"serve: found {host}, needed 127.0.0.1, or a token by --serve-token"
        raise InvalidProblemError(message, "serve")
    try:
        server = _Server((host, int(port)), shown, token)
    except OSError as error:
        message = f"serve: found {where}: {error.strerror or error}, needed a free address"
        raise InvalidProblemError(message, "serve") from None
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1})
    thread.start()
    try:
        at = server.server_address
        yield f"[{at[0]!s}]:{at[1]}" if ":" in str(at[0]) else f"{at[0]!s}:{at[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
