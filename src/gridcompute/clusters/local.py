"""The processes of this machine as a cluster: accelerators are counted, not driven.

Each job has a folder of its own. A shell that outlives the operator runs the script there, once:
it makes a folder that can be made only once before it begins, and writes down when it began, which
process it is, and how it ended.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
import signal
import stat
import subprocess
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from .._files import write_all
from ..errors import ClusterError
from .protocol import ENDED, Seen, mark_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .protocol import Order

__all__ = ["Local"]

#: Runs a job: $1 is its time limit in seconds. `mkdir` succeeds once, whoever tries. What the
#: script leaves behind in its group ends with it. Written down: session, age and boot. The script's
#: own folder is another one than that of what is written down.
RUN = """\
#!/bin/sh
mkdir began 2>/dev/null || exit 0
set -- "$1" $(cut -d' ' -f6,22 /proc/$$/stat) $(cat /proc/sys/kernel/random/boot_id)
echo "$$ $2 $3 $4 $(date +%s.%N)" >pid.new
mv pid.new pid
cd work || exit
timeout --kill-after=5 "$1" ../script >../output 2>&1 </dev/null &
cd ..
wait $!
status=$?
kill -KILL -- -$! 2>/dev/null
echo "$status $(date +%s.%N)" >end.new
mv end.new end
"""
#: Seconds that a job has to end in after it was cancelled, and to begin in after it was started.
PATIENCE = 5.0
#: Seconds for which a job is told after its end.
REMEMBERED = 86_400.0
#: The exit status of `timeout` where the time was over, and where it had to kill.
OVER, KILLED = 124, 137


class Local:
    """A cluster of this machine's processes.

    Parameters
    ----------
    folder : path
        Where jobs have their folders; made where it is not there.
    accelerators : mapping of str to int
        How many of each kind are counted.
    allow_root : bool
        May jobs run as root?

    Raises
    ------
    ClusterError
        This process is root's, and may not be.

    Examples
    --------
    >>> import tempfile, time
    >>> from gridcompute import clusters
    >>> folder = tempfile.TemporaryDirectory()
    >>> here = clusters.Local(folder.name, {"A800": 8}, allow_root=True)
    >>> order = clusters.Order(id="abcdef-1", attempt=1, user="", name="", script="#!/bin/sh\\n",
    ...                        accelerator="A800", count=2, limit_s=9.0, memory_gb=1.0)
    >>> name = here.start(order)
    >>> while not (seen := here.jobs()[0]).end or seen.state == "running":
    ...     time.sleep(0.01)
    >>> seen.id, seen.state
    ('abcdef-1', 'done')
    >>> here.close(); folder.cleanup()
    """

    def __init__(
        self, folder: str | Path, accelerators: Mapping[str, int], *, allow_root: bool = False
    ) -> None:
        if os.geteuid() == 0 and not allow_root:
            message = "jobs would run as root, needed another user, or allow_root = true"
            raise ClusterError(message, answered=True)
        self.folder, self.accelerators = Path(folder).absolute(), dict(accelerators)
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = self.folder.stat()
        if found.st_uid != os.geteuid() or found.st_mode & 0o022:
            words = f"user {found.st_uid}, mode {stat.S_IMODE(found.st_mode):04o}"
            message = f"{self.folder}: found a folder of {words}, needed one that others cannot"
            raise ClusterError(f"{message} write to", answered=True)
        self._boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        self._lock = threading.Lock()
        #: Ended jobs by folder; None for those that are no longer told.
        self._ended: dict[str, Seen | None] = {}
        #: Free accelerators, as far as is known since the last look.
        self._free: dict[str, int] = {}

    def capacity(self) -> Mapping[str, Sequence[int]]:
        """Return the counted accelerators; all of a kind are one node."""
        return {name: [count] for name, count in self.accelerators.items()}

    def jobs(self) -> Sequence[Seen]:
        """Return the jobs of the folder, and start those that waited for accelerators."""
        with self._lock:
            found = [job for path in sorted(self.folder.iterdir()) if (job := self._look(path))]
            self._free = dict(self.accelerators)
            for job in found:
                if job.state == "running":
                    self._free[job.accelerator] = self._free.get(job.accelerator, 0) - job.count
            for job in found:
                if job.state == "pending":
                    self._run_if_free(self.folder / job.cluster_id, job.accelerator, job.count)
            return found

    def start(self, job: Order) -> str:
        """Write a job's folder and start it as soon as its accelerators are free."""
        if job.accelerator not in self.accelerators:
            message = f"found accelerator {job.accelerator!r:.80}, needed one that is counted"
            raise ClusterError(message, answered=True)
        name = f"{job.id}.{job.attempt}"
        if mark_of(job.mark) != (job.id, job.attempt):
            raise ClusterError(f"id: found {job.id!r:.80}, needed an operator's", answered=True)
        path, new = self.folder / name, self.folder / f".{name}.new"
        with self._lock:
            if not path.exists():
                shutil.rmtree(new, ignore_errors=True)
                try:
                    new.mkdir(mode=0o700)
                    (new / "work").mkdir(mode=0o700)
                    facts = f"{job.accelerator}\n{job.count}\n{job.limit_s:.3f}\n"
                    _write(new / "order", facts.encode(), 0o600)
                    _write(new / "script", job.script.encode(), 0o700)
                    _write(new / "run", RUN.encode(), 0o700)
                    new.rename(path)
                except OSError as error:
                    shutil.rmtree(new, ignore_errors=True)
                    raise ClusterError(f"{path}: {error.strerror}", answered=True) from None
            self._run_if_free(path, job.accelerator, job.count)
        return name

    def cancel(self, cluster_id: str) -> None:
        """End a job's processes, or keep it from ever starting."""
        path = self.folder / cluster_id
        if mark_of("gridcompute:" + cluster_id.replace(".", " attempt:")) == ("", 0):
            raise ClusterError(f"id: found {cluster_id!r:.80}, needed a job's", answered=True)
        with self._lock:
            if not path.is_dir():
                raise ClusterError(f"{cluster_id}: no such job", answered=True)
            (path / "cancelled").touch(mode=0o600)
            try:
                (path / "began").mkdir()
            except FileExistsError:
                self._signal(path, signal.SIGTERM)

    def close(self) -> None:
        """Do nothing: jobs run on, and are found again by their folders."""

    def _run_if_free(self, path: Path, accelerator: str, count: int) -> None:
        """Start what waits, where its accelerators are free; a shell of its own session runs it."""
        if not self._free:
            self._free = dict(self.accelerators)
            for job in filter(None, map(self._look, self.folder.iterdir())):
                if job.state == "running":
                    self._free[job.accelerator] = self._free.get(job.accelerator, 0) - job.count
        if self._free.get(accelerator, 0) < count or (path / "began").exists():
            return
        try:
            limit = (path / "order").read_text().split("\n")[2]
            subprocess.run(
                ["/bin/sh", "-c", './run "$1" &', "sh", limit],
                cwd=path,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                env={
                    "PATH": "/usr/local/bin:/usr/bin:/bin",
                    "HOME": str(path / "work"),
                    "LANG": "C.UTF-8",
                },
                check=False,
                timeout=PATIENCE,
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise ClusterError(f"{path}: {error}", maybe=True) from None
        self._free[accelerator] -= count

    def _look(self, path: Path) -> Seen | None:
        """Return the job of a folder, as it was read where it has ended; None: it is not told."""
        if path.name in self._ended:
            job = self._ended[path.name]
        else:
            try:
                job = self._seen(path)
            except (ValueError, IndexError):  # a script can write to any folder of its user
                id_, attempt = mark_of("gridcompute:" + path.name.replace(".", " attempt:"))
                words = "what was written down of it was changed"
                job = Seen(path.name, id_, attempt, "failed", "", 0, end=time.time(), words=words)
            if job is not None and job.state in ENDED:
                self._ended[path.name] = job
        if job is not None and job.state in ENDED and (job.end or 0) < time.time() - REMEMBERED:
            job = self._ended[path.name] = None
        return job

    def _seen(self, path: Path) -> Seen | None:
        """Return the job of a folder; None for what is no job's."""
        id_, attempt = mark_of("gridcompute:" + path.name.replace(".", " attempt:"))
        if not id_:
            return None
        try:
            accelerator, count, limit = (path / "order").read_text().split("\n")[:3]
        except (OSError, ValueError):
            return None
        job = Seen(path.name, id_, attempt, "pending", accelerator, int(count))
        stopped = (path / "cancelled").exists()
        ended, began = _words(path / "end"), _words(path / "pid")
        start = float(began[4]) if began else None
        if ended:
            status, end = int(ended[0]), float(ended[1])
            over = status == OVER or (status == KILLED and end - (start or 0.0) >= float(limit))
            state = "done" if status == 0 else "timeout" if over else "failed"
            state = "cancelled" if stopped and status else state
            words = f"exit status {status}"
            return dataclasses.replace(job, state=state, start=start, end=end, words=words)
        if self._alive(began):
            if stopped and time.time() - (path / "cancelled").stat().st_mtime > PATIENCE:
                self._signal(path, signal.SIGKILL)
            end = float(began[4]) + float(limit)
            return dataclasses.replace(job, state="running", start=start, end=end)
        if _words(path / "end"):  # written since
            return self._seen(path)
        if not (path / "began").exists():
            return job
        at = (path / "began").stat().st_mtime
        if stopped:
            at = max(at, (path / "cancelled").stat().st_mtime)
            return dataclasses.replace(job, state="cancelled", start=start, end=at)
        if not began and time.time() - at < PATIENCE:
            return dataclasses.replace(job, state="running", start=at, end=at + float(limit))
        words = "its process is gone"
        return dataclasses.replace(job, state="node_failure", start=start, end=None, words=words)

    def _alive(self, began: list[str]) -> bool:
        """Is the process of a record still that very process?"""
        if not began or began[3] != self._boot:
            return False
        found = _process(began[0])
        return found is not None and found[19] == began[2] and found[0] != "Z"

    def _signal(self, path: Path, number: int) -> None:
        """Send a signal to all processes of a job, at first not to the shell that notes its end."""
        began = _words(path / "pid")
        if not self._alive(began):
            return
        for name in os.listdir("/proc"):  # noqa: PTH208
            if name.isdecimal() and (number == signal.SIGKILL or name != began[0]):
                found = _process(name)
                if found is not None and found[3] == began[1]:
                    with contextlib.suppress(ProcessLookupError, PermissionError):
                        os.kill(int(name), number)


def _process(pid: str) -> list[str] | None:
    """Return the fields of a process from its state on; None where it is gone."""
    try:
        return Path(f"/proc/{int(pid)}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None


def _words(path: Path) -> list[str]:
    """Return the words of a file, none where it is not there."""
    try:
        return path.read_text().split()
    except OSError:
        return []


def _write(path: Path, data: bytes, mode: int) -> None:
    """Write a new file that reaches the disk."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        write_all(descriptor, data)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
