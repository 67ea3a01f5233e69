"""Slurm as a cluster, by its REST interface: nothing is linked, and any version's host will do.

A job is submitted held and then released by its number: should an answer be lost on the way, the
job is found by its comment, and of two that were submitted by accident none ever runs unreleased.
"""

from __future__ import annotations

import json
import math
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from .._checks import listed
from .._extras import extra
from ..errors import ClusterError, InvalidProblemError
from .config import read_token, require_token
from .protocol import Seen, mark_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from .config import ClusterConfig
    from .protocol import Order

__all__ = ["Slurm"]

#: Bytes of the largest answer that is read.
MOST_ANSWER = 1 << 30
#: Errors of Slurm's controller: others are those of the way to it.
CONTROLLER = range(2000, 5000)
#: Jobs that are read one by one; of more that have changed the whole list is read.
FEW = 20
#: Seconds after which the whole list is read, whatever has changed: limits are in no state.
WHOLE_S = 600.0
#: States of a node that takes no jobs, whatever else it is.
UNUSABLE = {"DOWN", "DRAIN", "FAIL", "ERROR", "UNKNOWN", "FUTURE", "POWERED_DOWN", "POWERING_DOWN"}
UNUSABLE |= {"NOT_RESPONDING", "MAINTENANCE", "REBOOT_ISSUED", "INVALID_REG", "BLOCKED", "FAILING"}
#: States of a job, by the first of the words that Slurm says of it.
STATE_OF = {
    "PENDING": "pending",
    "REQUEUED": "pending",
    "CONFIGURING": "pending",
    "RUNNING": "running",
    "SUSPENDED": "running",
    "STOPPED": "running",
    "COMPLETED": "done",
    "CANCELLED": "cancelled",
    "TIMEOUT": "timeout",
    "DEADLINE": "timeout",
    "NODE_FAIL": "node_failure",
    "BOOT_FAIL": "node_failure",
    "LAUNCH_FAILED": "node_failure",
    "PREEMPTED": "node_failure",
}


class Slurm:
    """A cluster behind Slurm's REST server; needs httpx (``pip install "gridcompute[slurm]"``).

    Parameters
    ----------
    config : ClusterConfig
        A table ``[clusters.SITE]`` with ``kind = "slurm"``, as `clusters.config.read_config` reads
        it. The token's file is read again when it changes.
    transport : httpx.BaseTransport, optional
        Another way to the server, for tests.

    Raises
    ------
    InvalidProblemError
        A token's file cannot be read or may be read by others; it has expired, or is that of root.
    """

    def __init__(self, config: ClusterConfig, *, transport: Any = None) -> None:
        with extra("slurm"):
            import httpx

        self._httpx = httpx
        self.config = config
        self._tokens: dict[str, tuple[Any, str]] = {}
        #: Our jobs by mark and user, as of the last look: number, and whether it is held. None
        #: before it.
        self._known: dict[tuple[str, int, str], tuple[str, bool]] | None = None
        #: Jobs and their states by number, as of the last look, and when all were read.
        self._seen: dict[str, Seen] = {}
        self._states: dict[str, Any] = {}
        self._read = -math.inf
        self._has_states: bool | None = None
        self._node_size: dict[str, int] = {}
        self._names = {kind: name for name, kind in config.accelerators.items()}
        self._client = httpx.Client(
            timeout=config.timeout_s, transport=transport, trust_env=False, follow_redirects=False
        )
        try:
            for user in ("", *config.users):
                if user or config.token_file is not None:
                    self._credentials(user)
        except BaseException:
            self.close()
            raise

    def capacity(self) -> Mapping[str, Sequence[int]]:
        """Return the accelerators of each node that can run jobs of the partition."""
        sizes: dict[str, list[int]] = {name: [] for name in self.config.accelerators}
        for node in self._list("/nodes", "nodes"):
            states = {str(s).rstrip("*") for s in _listed(node.get("state"))}
            partitions = _listed(node.get("partitions"))
            if states & UNUSABLE or (
                self.config.partition and self.config.partition not in partitions
            ):
                continue
            for name, count in self._counted(str(node.get("gres", ""))).items():
                sizes[name].append(count)
        self._node_size |= {name: max(s, default=0) for name, s in sizes.items() if s}
        return sizes

    def jobs(self) -> Sequence[Seen]:
        """Return our jobs, and what others run, as the controller knows them.

        The list of states is a hundredth of that of jobs: only what has changed is asked for.
        """
        states = self._listed_states()
        changed = [n for n, state in states.items() if self._states.get(n) != state]
        changed += [n for n in self._states if n not in states and not n.isdecimal()]
        whole = not states or not all(map(str.isdecimal, changed)) or len(changed) > FEW
        if whole or time.monotonic() - self._read > WHOLE_S:
            self._seen = {str(j.get("job_id")): self._job(j) for j in self._list("/jobs", "jobs")}
            self._read = time.monotonic()
        else:
            for number in changed:
                for facts in self._list(f"/job/{number}", "jobs"):
                    self._seen[number] = self._job(facts)
            for number in self._states.keys() - states.keys():
                self._seen.pop(number, None)
        self._states = states
        known: dict[tuple[str, int, str], tuple[str, bool]] = {}
        found = [job for job in self._seen.values() if job.id or job.state == "running"]
        for job in found:
            mark, held = (job.id, job.attempt, job.user), job.state == "held"
            if job.id and (mark not in known or known[mark][1]):
                known[mark] = job.cluster_id, held
        self._known = known
        return found

    def _listed_states(self) -> dict[str, Any]:
        """Return the state of each job by its number; none from a server that has no such list."""
        if self._has_states is False:
            return {}
        try:
            found = self._list("/jobs/state/", "jobs")
        except ClusterError as error:
            if self._has_states is None and " 404 " in f"{error} ":
                self._has_states = False
                return {}
            raise
        self._has_states = True
        return {str(job.get("job_id")): _listed(job.get("state")) for job in found}

    def _job(self, job: dict[str, Any]) -> Seen:
        # A comment is only what its user says: of others' jobs it says nothing.
        owner, users = str(job.get("user_name", "")), self.config.users
        ours = owner in users or owner == self.config.user != ""
        mark = mark_of(str(job.get("comment", ""))) if ours else ("", 0)
        owner = owner if mark[0] and owner in users else ""
        words = [str(w) for w in _listed(job.get("job_state"))]
        state = next((STATE_OF[w] for w in words if w in STATE_OF), "failed")
        start, end = _number(job.get("start_time")), _number(job.get("end_time"))
        if state == "pending":
            state = "held" if mark[0] and job.get("hold") else state
            start = end = None
        reason = " ".join([*words, str(job.get("state_reason", ""))])
        number, taken = str(job.get("job_id")), self._taken(job)
        return Seen(number, *mark, state, *taken, start, end, reason, owner)

    def start(self, job: Order) -> str:
        """Submit a job held, and release it; one of the same mark that is there is not repeated."""
        if job.accelerator not in self.config.accelerators:
            needed = f"needed one of {listed(self.config.accelerators)}"
            raise ClusterError(
                f"found accelerator {job.accelerator!r:.80}, {needed}", answered=True
            )
        if self._known is None or not self._node_size:
            self.capacity()
            self.jobs()
        assert self._known is not None
        mark = job.id, job.attempt, job.user if job.user in self.config.users else ""
        number, held = self._known.get(mark, ("", True))
        if not held:
            return number
        if not number:
            try:
                answer = self._call("POST", "/job/submit", job.user, self._described(job))
            except ClusterError as error:
                # What is held does not run by itself: where it arrived all the same it is ended.
                raise ClusterError(str(error), answered=error.answered) from None
            number = str(answer.get("job_id") or "")
            if not number.isdecimal() or number == "0":
                raise ClusterError(f"{job.id}: no number in the answer")
        try:
            self._call("POST", f"/job/{number}", job.user, {"hold": False})
        except ClusterError as error:
            # It is on the cluster, held or not: it is to be looked up.
            raise ClusterError(str(error), maybe=True) from None
        self._known[mark] = number, False
        self._states.pop(number, None)  # its state reads as it did, and it is held no more
        return number

    def cancel(self, cluster_id: str) -> None:
        """Cancel a job."""
        if not cluster_id.isdecimal():
            raise ClusterError(f"{cluster_id!r:.80}: no number of a job", answered=True)
        seen = self._seen.get(cluster_id)
        answer = self._call("DELETE", f"/job/{cluster_id}", seen.user if seen else "")
        for status in _listed(answer.get("status")):
            error = status.get("error", {}) if isinstance(status, dict) else {}
            # What has ended already is as it should be.
            if error.get("code") not in (None, 0, 2021):
                raise ClusterError(f"job {cluster_id}: {error.get('message')}", answered=True)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    # -- What is sent ------------------------------------------------------------------------------

    def _described(self, job: Order) -> dict[str, Any]:
        kind, size = (
            self.config.accelerators[job.accelerator],
            self._node_size.get(job.accelerator, 0),
        )
        minutes = max(1, math.ceil(job.limit_s / 60))
        facts: dict[str, Any] = {
            "name": job.name or job.id,
            "comment": job.mark,
            "hold": True,
            "requeue": False,  # a job that the cluster put back by itself would run twice
            "tasks": 1,
            "time_limit": {"number": minutes, "set": True, "infinite": False},
            "current_working_directory": self.config.work_folder,
            "standard_output": f"{self.config.work_folder}/gridcompute-{job.id}.{job.attempt}.out",
            "environment": ["PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8"],
        }
        if self.config.partition:
            facts["partition"] = self.config.partition
        nodes = 1
        if size and job.count > size:
            if job.count % size:
                needed = f"needed at most {size}, a node's, or a multiple of that"
                raise ClusterError(f"found {job.count} accelerators, {needed}", answered=True)
            nodes = job.count // size
            facts |= {"minimum_nodes": nodes, "maximum_nodes": nodes, "tasks": nodes}
            facts["tres_per_node"] = f"gres/gpu:{kind}:{size}"
        else:
            facts |= {"minimum_nodes": 1, "maximum_nodes": 1}
            facts["tres_per_job"] = f"gres/gpu:{kind}:{job.count}"
        memory = max(1, math.ceil(job.memory_gb * 1024 * job.count / nodes))
        facts["memory_per_node"] = {"number": memory, "set": True, "infinite": False}
        return {"script": job.script, "job": facts}

    def _credentials(self, user: str) -> tuple[str, str]:
        """Return user and token for who submitted a job, of the file as it is now."""
        path: Path | None = self.config.users.get(user, self.config.token_file)
        name = user if user in self.config.users else self.config.user
        if path is None:  # a call that is nobody's own goes by the first user's
            name, path = next(iter(self.config.users.items()))
        try:
            found = path.stat()
            key = (found.st_mtime_ns, found.st_ino, found.st_size, found.st_mode)
        except OSError:
            key = None
        kept = self._tokens.get(str(path))
        if kept is None or kept[0] != key or key is None:
            kept = self._tokens[str(path)] = (key, read_token(path))
        require_token(self.config, path, name, kept[1])
        return name, kept[1]

    def _list(self, path: str, name: str) -> list[dict[str, Any]]:
        found = self._call("GET", path, "").get(name)
        if not isinstance(found, list):
            raise ClusterError(f"{path}: found no list of {name}")
        return [entry for entry in found if isinstance(entry, dict)]

    def _call(self, method: str, path: str, user: str, body: Any = None) -> dict[str, Any]:
        """Make one call within the time limit and return its answer, an object of JSON."""
        httpx, where, began = self._httpx, f"{self.config.url}{path}", time.monotonic()
        try:
            name, token = self._credentials(user)
        except InvalidProblemError as error:
            raise ClusterError(str(error)) from None
        headers = {"X-SLURM-USER-NAME": name, "X-SLURM-USER-TOKEN": token}
        sent = method != "GET"
        data = bytearray()
        try:
            with self._client.stream(method, where, headers=headers, json=body) as answer:
                for part in answer.iter_bytes():
                    data += part
                    late = time.monotonic() - began > self.config.timeout_s
                    if late or len(data) > MOST_ANSWER:
                        words = f"no whole answer in {self.config.timeout_s:g} s"
                        raise ClusterError(f"{where}: {words}", maybe=sent)
                status = answer.status_code
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise ClusterError(f"{where}: {error or type(error).__name__}") from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise ClusterError(f"{where}: {error or type(error).__name__}", maybe=sent) from None
        try:
            found = json.loads(data)
        except (ValueError, RecursionError):
            found = None
        if status in (401, 403):
            raise ClusterError(f"{where}: HTTP {status}, the token is refused", answered=True)
        told = found.get("errors") if isinstance(found, dict) else None
        if errors := [e for e in _listed(told) if isinstance(e, dict)]:
            told = "; ".join(str(e.get("error") or e.get("description")) for e in errors)[:500]
            answered = any(e.get("error_number") in CONTROLLER for e in errors)
            message = f"{where}: {told.replace(token, '...')}"
            raise ClusterError(message, answered=answered, maybe=sent and not answered)
        if status != 200 or not isinstance(found, dict):
            raise ClusterError(f"{where}: HTTP {status} without an answer of Slurm", maybe=sent)
        return found

    # -- What is read ------------------------------------------------------------------------------

    def _counted(self, text: str) -> Counter[str]:
        """Return accelerators by name of the tables in a text like ``gpu:a800:8(S:0-1)``."""
        out: Counter[str] = Counter()
        for part in text.replace("gres/", "").split(","):
            words = part.partition("(")[0].replace("=", ":").split(":")
            if len(words) == 3 and words[1] in self._names and words[2].isdecimal():
                out[self._names[words[1]]] += int(words[2])
        return out

    def _taken(self, job: dict[str, Any]) -> tuple[str, int]:
        """Return the kind and the number of accelerators that a job has, or asks for."""
        total: Counter[str] = Counter()
        for text in _listed(job.get("gres_detail")):
            total += self._counted(str(text))
        if not total:
            total = self._counted(str(job.get("tres_per_job") or ""))
            nodes = _number(job.get("node_count")) or 1
            for name, count in self._counted(str(job.get("tres_per_node") or "")).items():
                total[name] += int(count * nodes)
        return total.most_common(1)[0] if total else ("", 0)


def _listed(value: Any) -> list[Any]:
    """Return a list as it is, nothing as none, and one value as a list of it."""
    return value if isinstance(value, list) else [] if value in (None, "") else [value]


def _number(value: Any) -> float | None:
    """Return a number of Slurm's, which says beside it whether it is set; None for none."""
    if isinstance(value, dict):
        if not value.get("set") or value.get("infinite"):
            return None
        value = value.get("number")
    return float(value) if isinstance(value, (int, float)) and 0 < value < 1e12 else None
