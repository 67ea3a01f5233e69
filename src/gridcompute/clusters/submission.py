"""Jobs as people submit them, checked: script, accelerators, hours, deadline, place of data."""

from __future__ import annotations

import datetime
import os
import pwd
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._checks import listed, meant
from ..errors import InvalidProblemError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .config import GridConfig
    from .planning import GridTables
    from .state import Row

__all__ = ["COLUMNS", "TEXTS", "checked_jobs"]

#: Columns of a job: by name what it means.
COLUMNS = {
    "script": "file of the script, which begins with #!",
    "accelerators": "accelerators, all of one kind at one site",
    "hours": "hours that it runs on a reference accelerator, or anywhere if it has no family",
    "within": "time in which it should be done from its submission on: 24h, 90m, 2d",
    "deadline": "time until which it should be done, like 2026-06-02T08:00",
    "from": "site where its data are",
    "data_gb": "data that travel to another site, GB",
    "memory_gb": "memory needed on each accelerator, and of the host for each, GB",
    "accelerator": "the only kind that it runs on",
    "family": "family of the tables, which says how quick each kind is",
    "tenant": "tenant whose quota it counts in",
    "value_yuan": "what leaving it out costs; by default more than any placement",
    "delay_yuan_per_h": "cost of each hour until it starts",
    "name": "what people call it",
    "user": "whose token it runs by, where a cluster has a table of users",
}
#: Those that are text in a file of many jobs.
TEXTS = ["script", "within", "deadline", "from", "accelerator", "family", "tenant", "name", "user"]
#: Bytes of the longest script, and letters of the longest name.
MOST_SCRIPT, MOST_NAME = 1 << 20, 100
#: Hours of each unit of a length of time.
UNITS = {"m": 1 / 60, "h": 1.0, "d": 24.0}


def checked_jobs(
    rows: Sequence[Mapping[str, Any]], config: GridConfig, tables: GridTables
) -> list[Row]:
    """Return rows for the state; each is a mapping by the names of `COLUMNS`.

    Raises
    ------
    InvalidProblemError
        The first value that is missing, unknown or out of range.
    """
    scripts: dict[str, str] = {}
    now, out = time.time(), []
    for k, row in enumerate(rows):
        given = {name: value for name, value in row.items() if value is not None and value != ""}
        out.append(_Checked(k if len(rows) > 1 else None, given, scripts).job(config, tables, now))
    return out


class _Checked:
    """One job's values, taken one by one."""

    def __init__(self, row: int | None, given: Mapping[str, Any], scripts: dict[str, str]) -> None:
        self.row, self.given, self.scripts = row, given, scripts
        for name in given:
            if name not in COLUMNS:
                needed = f"one of {listed(COLUMNS)}{meant(str(name), COLUMNS)}"
                raise self.fail("columns", f"{name!r:.100}", needed)

    def fail(self, name: str, found: str, needed: str) -> InvalidProblemError:
        place = name if self.row is None else f"{name}[{self.row}]"
        return InvalidProblemError(f"{place}: found {found}, needed {needed}", name, self.row)

    def number(self, name: str, default: float | None, least: float, *, above: bool = False) -> Any:
        value = self.given.get(name, default)
        if value is None and name not in ("value_yuan",):
            raise self.fail(name, "nothing", COLUMNS[name])
        if value is None:
            return None
        good = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not good or not (least < value if above else least <= value) or not value < 1e12:
            raise self.fail(name, repr(value)[:80], f"a number {'>' if above else '>='} {least:g}")
        return float(value)

    def text(self, name: str, known: Any = None) -> str:
        value = self.given.get(name, "")
        if not isinstance(value, str) or len(value) > MOST_NAME or not value.isprintable():
            raise self.fail(name, repr(value)[:80], f"text of at most {MOST_NAME} letters")
        if value and known is not None and value not in known:
            raise self.fail(name, repr(value), f"one of {listed(known)}{meant(value, known)}")
        return value

    def job(self, config: GridConfig, tables: GridTables, now: float) -> Row:
        gang = self.number("accelerators", 1, 1)
        if gang != int(gang) or gang >= 2**31:
            raise self.fail("accelerators", f"{gang:g}", "a whole number")
        within, deadline = self._until(config)
        kinds = {kind for _, kind in tables.klass}
        memory = self.number("memory_gb", 0.0, 0.0)
        origin = self.text("from", tables.site)
        if not origin:
            origin = next(iter(config.clusters))
        user = self.text("user") or pwd.getpwuid(os.geteuid()).pw_name
        for site, cluster in config.clusters.items():
            if cluster.users and cluster.token_file is None and user not in cluster.users:
                needed = f"one of clusters.{site}.users: {listed(cluster.users)}"
                raise self.fail("user", repr(user), needed + meant(user, cluster.users))
        return {
            "name": self.text("name"),
            "user": user,
            "gang": int(gang),
            "hours": self.number("hours", None, 0.0, above=True),
            "family": self.text("family", tables.families),
            "tenant": self.text("tenant", tables.tenants),
            "origin": origin,
            "wanted": self.text("accelerator", kinds),
            "memory_gb": memory,
            "data_gb": self.number("data_gb", 0.0, 0.0),
            "value_yuan": self.number("value_yuan", None, 0.0),
            "delay_yuan_per_h": self.number("delay_yuan_per_h", 0.0, 0.0),
            "submitted": now,
            "within_h": within,
            "deadline": deadline if within is None else now + within * config.seconds_per_hour,
            "script": self._script(),
        }

    def _until(self, config: GridConfig) -> tuple[float | None, float | None]:
        """Return hours from the submission, or a time in seconds since 1970; None for neither."""
        within, deadline = self.given.get("within"), self.given.get("deadline")
        if within is not None and deadline is not None:
            raise self.fail("deadline", "both within and deadline", "one of them")
        if within is not None:
            found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)([mhd])", str(within).strip())
            if not found or float(found[1]) <= 0:
                raise self.fail("within", repr(within)[:80], "a time like 24h, 90m or 2d")
            return float(found[1]) * UNITS[found[2]], None
        if deadline is None:
            return None, None
        try:
            time_ = datetime.datetime.fromisoformat(str(deadline))
        except ValueError:
            needed = "a time like 2026-06-02T08:00"
            raise self.fail("deadline", repr(deadline)[:80], needed) from None
        start = config.start
        if time_.tzinfo is None and start is not None:
            time_ = time_.replace(tzinfo=start.tzinfo)
        if start is None:
            return None, time_.timestamp()
        hours = (time_ - start) / datetime.timedelta(hours=1)
        return None, start.timestamp() + hours * config.seconds_per_hour

    def _script(self) -> str:
        path = str(self.given.get("script", ""))
        if not path:
            raise self.fail("script", "nothing", COLUMNS["script"])
        if path not in self.scripts:
            if not Path(path).is_file():
                raise self.fail("script", f"no file {path!r:.200}", "one")
            with open(path, "rb") as file:  # noqa: PTH123
                data = file.read(MOST_SCRIPT + 1)
            if len(data) > MOST_SCRIPT:
                raise self.fail("script", f"more than {MOST_SCRIPT:,} bytes", "at most 1 MiB")
            try:
                text = data.decode("utf-8")
            except UnicodeDecodeError:
                text = ""
            if not text.startswith("#!") or "\0" in text or "\r" in text.split("\n", 1)[0]:
                needed = "text in UTF-8 that begins with #!, like #!/bin/sh"
                raise self.fail("script", f"{path!r:.200} without it", needed)
            self.scripts[path] = text
        return self.scripts[path]
