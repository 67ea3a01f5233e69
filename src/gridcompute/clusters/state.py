"""The operator's state, one SQLite file: jobs, runs, hours, observations, what happened.

Every change is one transaction, on the disk when it returns. What is decided is written before it
is done, so that a process that dies leaves either nothing or what the next one has to look up.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import secrets
import sqlite3
import stat
from typing import TYPE_CHECKING, Any

from ..errors import InvalidProblemError
from .config import require_private

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

__all__ = ["OPEN", "Row", "State"]

Row = dict[str, Any]
#: Of the file; another version is refused.
VERSION = 2
#: States of a job that is not over.
OPEN = ("waiting", "starting", "running")
#: Lines of what happened that are kept.
MOST_EVENTS = 10_000
#: Faults of SQLite that are the disk's or another process's, as of the operating system.
FAULTS = {sqlite3.SQLITE_FULL: errno.ENOSPC, sqlite3.SQLITE_BUSY: errno.ETIMEDOUT}
#: Letters of ids: none that is read as another.
LETTERS = "23456789abcdefghjkmnpqrstuvwxyz"

TABLES = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE jobs (
    n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, name TEXT NOT NULL, user TEXT NOT NULL,
    gang INTEGER NOT NULL, hours REAL NOT NULL, family TEXT NOT NULL, tenant TEXT NOT NULL,
    origin TEXT NOT NULL, wanted TEXT NOT NULL, memory_gb REAL NOT NULL, data_gb REAL NOT NULL,
    value_yuan REAL, delay_yuan_per_h REAL NOT NULL, submitted REAL NOT NULL, within_h REAL,
    deadline REAL, state TEXT NOT NULL DEFAULT 'waiting', attempt INTEGER NOT NULL DEFAULT 0,
    failures INTEGER NOT NULL DEFAULT 0, cancel INTEGER NOT NULL DEFAULT 0, site TEXT,
    accelerator TEXT, planned_h INTEGER, start REAL, end REAL, why TEXT NOT NULL DEFAULT '',
    words TEXT NOT NULL DEFAULT '') STRICT;
CREATE INDEX open_jobs ON jobs (state) WHERE state IN ('waiting', 'starting', 'running');
CREATE TABLE scripts (n INTEGER PRIMARY KEY, script TEXT NOT NULL) STRICT;
CREATE TABLE runs (
    n INTEGER NOT NULL, attempt INTEGER NOT NULL, site TEXT NOT NULL, accelerator TEXT NOT NULL,
    count INTEGER NOT NULL, booked_h INTEGER NOT NULL, hour INTEGER NOT NULL, yuan REAL,
    state TEXT NOT NULL, cluster_id TEXT, sent REAL, start REAL, end REAL,
    PRIMARY KEY (n, attempt)) STRICT, WITHOUT ROWID;
CREATE INDEX open_runs ON runs (state) WHERE state IN ('intent', 'sent', 'running');
CREATE INDEX run_ends ON runs (end);
CREATE TABLE hours (hour INTEGER PRIMARY KEY, record TEXT NOT NULL, line TEXT NOT NULL) STRICT;
CREATE TABLE clusters (
    site TEXT PRIMARY KEY, answers INTEGER NOT NULL, since REAL NOT NULL, seen REAL,
    words TEXT NOT NULL, nodes TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE events (at REAL NOT NULL, site TEXT NOT NULL, words TEXT NOT NULL) STRICT;
"""
#: What `queue` says of each job, as SQL for a JSON object. `:begin`: hour 0; `:seconds` an hour.
QUEUED = """
SELECT json_object('id', id, 'state',
    CASE WHEN state = 'waiting' AND planned_h IS NOT NULL THEN 'planned' ELSE state END,
    'name', name, 'site', site, 'accelerator', accelerator, 'gang', gang, 'hours', hours,
    'start_h', (start - :begin) / :seconds, 'end_h', (end - :begin) / :seconds,
    'planned_h', planned_h, 'why', why)
FROM jobs ORDER BY n
"""


class State:
    """An open state file.

    Parameters
    ----------
    path : path
        It is made where it is not there, readable by this user alone.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        fresh = _made(path)
        for name in ("", "-wal", "-shm", "-journal"):  # SQLite believes them as the file itself
            with contextlib.suppress(FileNotFoundError):
                beside = path.with_name(path.name + name)
                require_private(beside, beside.lstat(), "state")
        self._lock: int | None = None
        self._db = sqlite3.connect(path, timeout=20.0, isolation_level=None)
        try:
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            # A file that somebody else made up runs no code of its own.
            self._db.execute("PRAGMA trusted_schema = OFF")
            self._begin(fresh)
        except sqlite3.DatabaseError as error:
            self._db.close()
            raise InvalidProblemError(
                f"{path}: no state of an operator: {error}", "state"
            ) from None
        except BaseException:
            self._db.close()
            raise

    def _begin(self, fresh: bool) -> None:
        with self.change():
            found = self._execute("PRAGMA user_version").fetchone()[0]
            if found == 0 and (
                fresh or not self._db.execute("SELECT 1 FROM sqlite_schema").fetchone()
            ):
                for statement in TABLES.split(";"):
                    self._db.execute(statement)
                self._db.execute(f"PRAGMA user_version = {VERSION}")
                letters = "".join(secrets.choice(LETTERS) for _ in range(6))
                self._db.execute("INSERT INTO meta VALUES ('letters', ?)", (letters,))
                found = VERSION
            if found != VERSION:
                message = f"{self.path}: found version {found}, needed {VERSION}: not made by this "
                raise InvalidProblemError(f"{message}version of gridcompute", "state")

    def close(self) -> None:
        """Close the file; what is in it stays."""
        self._db.close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def lock(self) -> None:
        """Keep other operators off this file until it is closed, however this process ends.

        Raises
        ------
        InvalidProblemError
            Another operator has it.
        """
        if self._lock is not None:
            return
        lock = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            # Closing it would drop the locks that SQLite holds on the same file: it goes with them.
            self._db.close()
            os.close(lock)
            message = f"{self.path}: found another operator at work, needed none"
            raise InvalidProblemError(message, "state") from None
        self._lock = lock

    @contextlib.contextmanager
    def change(self) -> Iterator[None]:
        """Make all changes in the block one transaction, or none of them where it raises."""
        self._execute("BEGIN IMMEDIATE")
        try:
            yield
            self._execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")
            raise

    def _execute(self, sql: str, values: Sequence[Any] | dict[str, Any] = ()) -> sqlite3.Cursor:
        """Run a statement; what the disk lacks is an `OSError`, as of any file."""
        try:
            return self._db.execute(sql, values)
        except sqlite3.OperationalError as error:
            raise OSError(
                FAULTS.get(error.sqlite_errorcode & 0xFF, errno.EIO), f"{error}", str(self.path)
            ) from None

    def rows(self, sql: str, *values: Any) -> list[Row]:
        """Return rows as dictionaries."""
        found = self._execute(sql, values)
        names = [column[0] for column in found.description]
        return [dict(zip(names, row, strict=True)) for row in found]

    def run(self, sql: str, *values: Any) -> int:
        """Run one statement and return how many rows it changed."""
        return self._execute(sql, values).rowcount

    def run_all(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        """Run one statement for each row of values."""
        for row in rows:
            self._execute(sql, row)

    # -- Single values -----------------------------------------------------------------------------

    def get(self, key: str, default: Any = None) -> Any:
        """Return a value that was set, or the default."""
        found = self._execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return default if found is None else json.loads(found[0]) if key != "letters" else found[0]

    def set(self, key: str, value: Any) -> None:
        """Set a value, as JSON."""
        text = json.dumps(value, allow_nan=False)
        self.run("INSERT OR REPLACE INTO meta VALUES (?, ?)", key, text)

    def tell(self, at: float, words: str, site: str = "") -> None:
        """Write down what happened; the oldest lines go."""
        self.run("INSERT INTO events VALUES (?, ?, ?)", at, site, words)
        last = "(SELECT max(rowid) FROM events)"
        self.run(f"DELETE FROM events WHERE rowid <= {last} - {MOST_EVENTS}")

    # -- Jobs --------------------------------------------------------------------------------------

    def add(self, jobs: Sequence[Row]) -> list[str]:
        """Add jobs, all or none; return their ids in their order."""
        with self.change():
            letters = self.get("letters")
            last = self._execute("SELECT coalesce(max(n), 0) FROM jobs").fetchone()[0]
            ids = [f"{letters}-{last + k + 1}" for k in range(len(jobs))]
            for k, job in enumerate(jobs):
                columns = {"n": last + k + 1, "id": ids[k]} | job
                script = columns.pop("script")
                marks = ", ".join("?" * len(columns))
                sql = f"INSERT INTO jobs ({', '.join(columns)}) VALUES ({marks})"
                self.run(sql, *columns.values())
                self.run("INSERT INTO scripts VALUES (?, ?)", last + k + 1, script)
        return ids

    def job(self, job: str) -> Row:
        """Return the row of a job.

        Raises
        ------
        InvalidProblemError
            No job has this id.
        """
        found = self.rows("SELECT * FROM jobs WHERE id = ?", job)
        if not found:
            from .._checks import meant

            known = [row["id"] for row in self.rows("SELECT id FROM jobs ORDER BY n LIMIT 10000")]
            raise InvalidProblemError(
                f"id: found {job!r:.100}, needed that of a job{meant(job, known)}", "id"
            )
        return found[0]

    def queue(self) -> dict[str, Any]:
        """Return what `queue --json` prints; ``jobs`` as one text of JSON, made by SQLite."""
        begin, seconds = self.get("begin"), self.get("seconds_per_hour", 3600.0)
        found = [row[0] for row in self._execute(QUEUED, {"begin": begin, "seconds": seconds})]
        # Words of clusters may hold codes that a terminal obeys.
        found = [text if text.isascii() else json.dumps(json.loads(text)) for text in found]
        clusters = self.rows("SELECT site, answers, since, words FROM clusters ORDER BY site")
        for cluster in clusters:
            cluster["answers"] = bool(cluster["answers"])
        none = {"cost_yuan": 0.0, "green_kwh": 0.0, "load_kwh": 0.0, "hindsight_bound_yuan": None}
        totals = {"accelerator_h": 0.0, **none, "slowest_tick_s": 0.0} | self.get("totals", {})
        return {
            "hour": self.get("hour"),
            "jobs": "[" + ",\n".join(found) + "]",
            "totals": totals,
            "clusters": clusters,
        }

    def cancel(self, job: str) -> str:
        """Cancel a job that waits, or ask the operator to end it; return its state."""
        with self.change():
            row = self.job(job)
            if row["state"] in OPEN:
                self.run("UPDATE jobs SET cancel = 1 WHERE n = ?", row["n"])
            if row["state"] == "waiting":
                done = "UPDATE jobs SET state = 'cancelled', why = 'cancelled', planned_h = NULL"
                self.run(f"{done} WHERE n = ?", row["n"])
        return str(self.job(job)["state"])


def _made(path: Path) -> bool:
    """Make an empty file for this user alone; return whether there was none."""
    if not path.parent.is_dir():
        raise InvalidProblemError(f"{path}: found no folder {path.parent}, needed one", "state")
    if path.parent.stat().st_mode & 0o002:
        message = f"{path}: found a folder that anybody may write to, needed another one"
        raise InvalidProblemError(message, "state")
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISREG(path.lstat().st_mode):
            raise InvalidProblemError(f"{path}: found no regular file, needed one", "state")
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        os.close(os.open(path, flags, 0o600))
    except FileExistsError:
        return False
    return True
