"""The operator's configuration, `grid.toml`: read, checked, every fault with its place."""

from __future__ import annotations

import base64
import dataclasses
import json
import math
import os
import stat
import time
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._checks import listed, meant
from ..errors import InvalidProblemError

if TYPE_CHECKING:
    import datetime
    from collections.abc import Mapping

__all__ = ["ClusterConfig", "GridConfig", "read_config", "read_token", "token_facts"]

#: Bytes of the largest token that is read.
MOST_TOKEN = 64 * 1024
KINDS = ("local", "slurm")


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClusterConfig:
    """One table ``[clusters.SITE]``; paths are absolute."""

    site: str
    kind: str
    #: Name in the tables -> type of the generic resource ("slurm"), or how many ("local").
    accelerators: Mapping[str, Any]
    url: str = ""
    user: str = ""
    token_file: Path | None = None
    #: Submitter -> file of the token that the submitter's jobs run by.
    users: Mapping[str, Path] = dataclasses.field(default_factory=dict)
    partition: str = ""
    #: The working folder of jobs on the cluster ("slurm").
    work_folder: str = "/tmp"
    allow_root: bool = False
    #: Most power from the grid, kW; by default the tables', or what its accelerators draw.
    connection_kw: float = math.nan
    #: Longest wait for an answer, seconds.
    timeout_s: float = 30.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class GridConfig:
    """All of ``grid.toml``; paths are absolute."""

    path: Path
    folder: Path
    state: Path
    seconds_per_hour: float = 3600.0
    start: datetime.datetime | None = None
    horizon_h: int = 48
    #: The time limit of a job, as a multiple of its hours.
    limit_factor: float = 1.2
    #: How many times a job goes back into the queue after its node failed.
    retries: int = 3
    #: Seconds that a plan may take.
    plan_s: float = 60.0
    page: Path
    clusters: Mapping[str, ClusterConfig]


def _fail(path: Path, field: str, found: str, needed: str) -> InvalidProblemError:
    return InvalidProblemError(f"{path}: {field}: found {found}, needed {needed}", field)


class _Table:
    """A table of the file whose keys are taken one by one; what is left over is a fault."""

    def __init__(self, path: Path, name: str, values: Any, known: tuple[str, ...]) -> None:
        if not isinstance(values, dict):
            raise _fail(path, name, repr(values)[:80], f"a table [{name}]")
        for key in values:
            if key not in known:
                words = f"one of {listed(known)}{meant(key, known)}"
                raise _fail(path, name, f"a key {key!r:.80}", words)
        self.path, self.name, self.values = path, name, values

    def fail(self, key: str, needed: str) -> InvalidProblemError:
        found = "nothing" if key not in self.values else repr(self.values[key])[:100]
        return _fail(self.path, f"{self.name}.{key}", found, needed)

    def text(self, key: str, default: str | None = None) -> str:
        value = self.values.get(key, default)
        if not isinstance(value, str) or (default is None and not value) or "\0" in value:
            raise self.fail(key, "text")
        return value

    def number(self, key: str, default: float, least: float, *, above: bool = False) -> float:
        value = self.values.get(key, default)
        good = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not good or not (value > least if above else value >= least) or math.isinf(value):
            raise self.fail(key, f"a number {'above' if above else 'of at least'} {least:g}")
        return float(value)

    def whole(self, key: str, default: int, least: int) -> int:
        value = self.values.get(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value < 2**31:
            raise self.fail(key, f"a whole number of at least {least}")
        return value

    def flag(self, key: str) -> bool:
        value = self.values.get(key, False)
        if not isinstance(value, bool):
            raise self.fail(key, "true or false")
        return value

    def file(self, key: str, default: str | None = None) -> Path:
        return Path(os.path.abspath(self.path.parent / self.text(key, default)))  # noqa: PTH100


def read_config(path: str | Path) -> GridConfig:
    """Read a configuration; what it points to is looked at when it is used.

    Raises
    ------
    InvalidProblemError
        No TOML, a key unknown or missing, a value of a wrong type or out of range.
    """
    path = Path(path)
    try:
        found = tomllib.loads(path.read_bytes().decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidProblemError(f"{path}: no TOML: {error}", "config") from None
    top = _Table(path, "the file", found, ("grid", "clusters"))
    own = tuple(
        f.name for f in dataclasses.fields(GridConfig) if f.name not in ("path", "clusters")
    )
    grid = _Table(path, "grid", top.values.get("grid", {}), own)
    start = None
    if "start" in grid.values:
        start = _start(grid)
    seconds = grid.number("seconds_per_hour", 3600.0, 0.0, above=True)
    clusters = top.values.get("clusters", {})
    if not isinstance(clusters, dict) or not clusters:
        raise _fail(path, "clusters", "none", "a table [clusters.SITE] for each cluster")
    state = grid.file("state")
    return GridConfig(
        path=path,
        folder=grid.file("folder"),
        state=state,
        seconds_per_hour=seconds,
        start=start,
        horizon_h=grid.whole("horizon_h", 48, 1),
        limit_factor=grid.number("limit_factor", 1.2, 1.0),
        retries=grid.whole("retries", 3, 0),
        plan_s=grid.number("plan_s", min(60.0, 0.15 * seconds), 0.0),
        page=grid.file("page", str(state.with_suffix(".html"))),
        clusters={name: _cluster(path, name, t, seconds) for name, t in clusters.items()},
    )


def _start(grid: _Table) -> datetime.datetime:
    """Return the time of hour 0, which must have a zone; TOML has times of its own."""
    from ..grid.tables.times import start_of

    start = start_of(f"{grid.path}: grid.start", grid.values["start"])
    if start is None or start.tzinfo is None:
        raise grid.fail("start", "a time with its zone, like 2026-06-01T00:00+08:00")
    return start


def _cluster(path: Path, site: str, values: Any, seconds: float) -> ClusterConfig:
    known = tuple(f.name for f in dataclasses.fields(ClusterConfig) if f.name != "site")
    table = _Table(path, f"clusters.{site}", values, known)
    kind = table.text("kind")
    if kind not in KINDS:
        raise table.fail("kind", f"one of {listed(KINDS)}{meant(kind, KINDS)}")
    kinds = table.values.get("accelerators")
    needed = '{ "A800" = "a800" }' if kind == "slurm" else '{ "A800" = 8 }'
    right = (
        (lambda v: isinstance(v, str) and v.replace("_", "").replace("-", "").isalnum())
        if kind == "slurm"
        else (lambda v: isinstance(v, int) and not isinstance(v, bool) and 0 <= v < 2**31)
    )
    if not isinstance(kinds, dict) or not kinds or not all(map(right, kinds.values())):
        raise table.fail("accelerators", f"a table like {needed}")
    given: dict[str, Any] = {
        "site": site,
        "kind": kind,
        "accelerators": kinds,
        "allow_root": table.flag("allow_root"),
        "timeout_s": table.number("timeout_s", min(30.0, max(2.0, seconds / 5)), 0.0, above=True),
    }
    if "connection_kw" in table.values:
        given["connection_kw"] = table.number("connection_kw", 0.0, 0.0)
    slurm = ("url", "user", "token_file", "users", "partition", "work_folder")
    if kind == "local":
        for key in slurm:
            if key in table.values:
                raise table.fail(key, 'no such key where kind = "local"')
        return ClusterConfig(**given)
    url = table.text("url")
    if not url.startswith(("http://", "https://")) or any(c.isspace() for c in url):
        raise table.fail("url", "the address of slurmrestd, like http://host:6820/slurm/v0.0.42")
    given |= {"url": url.rstrip("/"), "partition": table.text("partition", "")}
    given |= {"work_folder": table.text("work_folder", "/tmp"), "user": table.text("user", "")}
    users = table.values.get("users", {})
    if not isinstance(users, dict) or not all(isinstance(v, str) and v for v in users.values()):
        raise table.fail("users", 'a table like { alice = "alice.jwt" }')
    given["users"] = {name: Path(path.parent, file).absolute() for name, file in users.items()}
    if "token_file" in table.values:
        given["token_file"] = table.file("token_file")
        given["user"] = table.text("user")
    elif not users:
        raise table.fail("token_file", "the file of a token, or a table of users")
    return ClusterConfig(**given)


def read_token(path: Path) -> str:
    """Return the token in a file that nobody else may read; no message ever holds it.

    Raises
    ------
    InvalidProblemError
        The file is not there, is no file, is too large, or others may read it.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise InvalidProblemError(
            f"{path}: {error.strerror}, needed a token", "token_file"
        ) from None
    with os.fdopen(descriptor, "rb") as file:
        require_private(path, os.fstat(file.fileno()), "token_file")
        data = file.read(MOST_TOKEN + 1)
    try:
        token = data.decode("ascii").strip().removeprefix("SLURM_JWT=")
    except UnicodeDecodeError:
        token = ""
    if not token or len(data) > MOST_TOKEN or not token.isprintable() or " " in token:
        raise InvalidProblemError(f"{path}: found no token, needed one line of text", "token_file")
    return token


def require_private(path: Path, found: os.stat_result, field: str) -> None:
    """Raise unless it is a regular file of this user, or of root, that others can neither read."""
    if not stat.S_ISREG(found.st_mode):
        raise InvalidProblemError(f"{path}: found no regular file, needed one", field)
    if found.st_uid not in (os.geteuid(), 0):
        message = f"{path}: found a file of user {found.st_uid}, needed one of {os.geteuid()}"
        raise InvalidProblemError(message, field)
    if found.st_mode & 0o077:
        mode = stat.S_IMODE(found.st_mode)
        message = f"{path}: found mode {mode:04o}, needed 0600: others may read or change it"
        raise InvalidProblemError(message, field)


def token_facts(token: str) -> tuple[str, float]:
    """Return the user of a JSON web token and when it expires; "" and inf where it does not say."""
    try:
        body = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        user = claims.get("sun", claims.get("sub", ""))
        return (user if isinstance(user, str) else ""), float(claims.get("exp", math.inf))
    except (IndexError, ValueError, TypeError, AttributeError):
        return "", math.inf


def require_token(config: ClusterConfig, path: Path, name: str, token: str) -> None:
    """Raise for a token that has expired, or is that of root and may not be."""
    field = f"clusters.{config.site}"
    user, expires = token_facts(token)
    if expires <= time.time():
        when = time.strftime("%Y-%m-%d %H:%M", time.gmtime(expires))
        message = f"{path}: found a token that expired on {when} UTC, needed a valid one"
        raise InvalidProblemError(message, f"{field}.token_file")
    if "root" in (name, user) and not config.allow_root:
        message = (
            f"{field}.user: found root, needed another user, or allow_root = true (for trials)"
        )
        raise InvalidProblemError(message, f"{field}.user")
