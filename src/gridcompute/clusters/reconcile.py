"""What clusters say of the operator's runs, brought into the state: each change with its reason."""

from __future__ import annotations

import dataclasses
import json
import logging
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import ClusterError, InvalidProblemError
from .local import Local
from .protocol import ENDED, REMEMBERED_S
from .slurm import Slurm

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from .config import GridConfig
    from .protocol import Cluster, Seen
    from .state import Row, State

__all__ = ["Books", "Sight", "adapter", "asked"]

log = logging.getLogger("gridcompute.operate")

#: Seconds by which two clocks may differ before it is said.
DRIFT_S = 5.0
#: What a run's end makes of its job.
OUTCOME = {"done": "done", "failed": "failed", "cancelled": "cancelled", "timeout": "failed"}


def asked(call: Callable[..., Any], *arguments: Any) -> Any:
    """Ask a cluster; a fault of its adapter's own is an answer that was lost."""
    try:
        return call(*arguments)
    except ClusterError:
        raise
    except Exception as error:
        log.exception("a cluster's adapter failed")
        raise ClusterError(f"{type(error).__name__}: {error}", maybe=True) from None


class Sight(NamedTuple):
    """The answer of a cluster; `error` where there was none."""

    nodes: Mapping[str, Sequence[int]]
    seen: Sequence[Seen]
    error: str


@dataclasses.dataclass(frozen=True)
class Books:
    """Writes what happened to runs and jobs into the state.

    `tell` writes down what happened, and at which site.
    """

    config: GridConfig
    state: State
    tell: Callable[..., None]

    def reconcile(self, sights: Mapping[str, Sight], now: float) -> list[tuple[str, str]]:
        """Write down what clusters say of our runs; return site and number of what is to end."""
        letters = self.state.get("letters")
        ends: list[tuple[str, str]] = []
        with self.state.change():
            self._note_answers(sights, now)
            open_runs: dict[tuple[str, int], Row] = {
                (run["id"], run["attempt"]): run
                for run in self.state.rows(
                    "SELECT runs.*, id, user, failures, cancel FROM runs JOIN jobs USING (n) "
                    "WHERE runs.state IN ('intent', 'sent', 'running')"
                )
            }
            for site, sight in sights.items():
                if sight.error:
                    continue
                found: dict[tuple[str, int], Seen] = {}
                for job in sorted(sight.seen, key=_order):
                    if not job.id.startswith(letters):
                        continue
                    key = job.id, job.attempt
                    run = open_runs.get(key)
                    # A comment is only what its user says.
                    mine = run is not None and run["site"] == site
                    mine = mine and job.user in ("", run["user"])  # type: ignore[index]
                    if not mine or key in found:
                        if job.state not in ENDED and not self._adopted(site, job, key in found):
                            ends.append((site, job.cluster_id))
                        continue
                    found[key] = job
                for key, run in open_runs.items():
                    if run["site"] == site:
                        self._update(run, found.get(key), now)
                        seen = found.get(key)
                        if run["cancel"] and seen is not None and seen.state not in ENDED:
                            ends.append((site, seen.cluster_id))
        return ends

    def _note_answers(self, sights: Mapping[str, Sight], now: float) -> None:
        for site, sight in sights.items():
            before = self.state.rows("SELECT * FROM clusters WHERE site = ?", site)
            was = before[0] if before else None
            answers = not sight.error
            changed = was is None or bool(was["answers"]) != answers
            since = now if changed else was["since"]  # type: ignore[index]
            nodes = (
                json.dumps({k: list(v) for k, v in sight.nodes.items()})
                if answers
                else (was["nodes"] if was else "{}")
            )
            seen = now if answers else was["seen"] if was else None
            values = site, int(answers), since, seen, sight.error[:500], nodes
            self.state.run("INSERT OR REPLACE INTO clusters VALUES (?, ?, ?, ?, ?, ?)", *values)
            if changed and was is not None:
                self.tell("answers again" if answers else f"gives no answer: {sight.error}", site)
            elif was is not None and answers and nodes != was["nodes"]:
                self.tell(f"nodes are now {nodes}", site)

    def _adopted(self, site: str, job: Seen, twice: bool) -> bool:
        """Take back a run that was given up and came all the same; False: it is to be ended."""
        rows = self.state.rows(
            "SELECT runs.*, jobs.state AS job, jobs.attempt AS last FROM runs JOIN jobs USING (n) "
            "WHERE id = ? AND runs.attempt = ? AND ? IN ('', user)",
            job.id,
            job.attempt,
            job.user,
        )
        run = rows[0] if rows and not twice and job.state != "held" else None
        if run is None or (run["site"], run["job"], run["last"]) != (site, "waiting", job.attempt):
            self.tell(f"{job.id} came twice: {job.cluster_id}, attempt {job.attempt}, ends", site)
            return False
        self.state.run(
            "UPDATE runs SET state = 'sent', cluster_id = ? WHERE n = ? AND attempt = ?",
            job.cluster_id,
            run["n"],
            run["attempt"],
        )
        self.state.run("UPDATE jobs SET state = 'starting' WHERE n = ?", run["n"])
        self.tell(f"{job.id} had reached the cluster after all", site)
        return True

    def _update(self, run: Row, seen: Seen | None, now: float) -> None:
        """Bring one of our runs up to date with what its cluster says of it."""
        n, attempt = run["n"], run["attempt"]
        if seen is None or (seen.state == "held" and run["state"] == "intent"):
            known = now if run["sent"] is None else run["sent"] + REMEMBERED_S
            if run["state"] == "intent" and (seen is not None or now <= known):
                return  # it is started again, or given up, by `_start_intents`
            words = "its cluster no longer knows it: how it ended is not known"
            if run["state"] == "intent":
                words = "it was not looked for in time after it was sent: it may have run"
            self._end(run, "failed", run["start"], now if run["start"] else None, words)
            return
        if seen.start is not None:
            seen = self._timed(run, seen, now)
        if seen.state in ENDED:
            start = seen.start
            end = seen.end if seen.end is not None else now
            self._end(run, seen.state, start, end if start is not None else None, seen.words)
        elif seen.state == "running":
            if run["state"] != "running":
                self.state.run(
                    "UPDATE runs SET state = 'running', cluster_id = ?, start = ? "
                    "WHERE n = ? AND attempt = ?",
                    seen.cluster_id,
                    seen.start,
                    n,
                    attempt,
                )
                self.state.run(
                    "UPDATE jobs SET state = 'running', start = ? WHERE n = ?", seen.start, n
                )
        elif run["state"] == "intent":
            self.sent(run, seen.cluster_id)

    def _timed(self, run: Row, seen: Seen, now: float) -> Seen:
        """Return a run by this clock, as far as that of its cluster cannot be right.

        It began after its hour did, has not ended before it began, and neither is still to come.
        """
        assert seen.start is not None
        begin, ended = self.state.get("begin"), seen.state in ENDED
        first = min(now, begin + run["hour"] * self.config.seconds_per_hour)
        start, end = seen.start, seen.end
        last = now
        if ended and end is not None and end >= start:
            last -= end - start
        if run["start"] is not None:
            moved = run["start"] - start
        elif not first - DRIFT_S <= start <= last + DRIFT_S:
            moved = min(max(start, first), max(last, first)) - start
            self.tell(f"{run['id']}: the clock there differs by {-moved:.0f} s", run["site"])
        else:
            moved = 0.0
        start += moved
        if ended and end is not None:
            end = end + moved if start <= end + moved <= now + DRIFT_S else max(start, now)
        return dataclasses.replace(seen, start=start, end=end)

    def sent(self, run: Row, cluster_id: str) -> None:
        """Write down that a cluster has a run."""
        self.state.run(
            "UPDATE runs SET state = 'sent', cluster_id = ? WHERE n = ? AND attempt = ?",
            cluster_id,
            run["n"],
            run["attempt"],
        )

    def _end(self, run: Row, how: str, start: float | None, end: float | None, words: str) -> None:
        """End a run and, but for a failure of its node, its job."""
        self.state.run(
            "UPDATE runs SET state = ?, start = ?, end = ? WHERE n = ? AND attempt = ?",
            how,
            start,
            end,
            run["n"],
            run["attempt"],
        )
        again = how == "node_failure" and run["failures"] < self.config.retries
        if again and not run["cancel"]:
            self.state.run(
                "UPDATE jobs SET state = 'waiting', failures = failures + 1, start = NULL, "
                "planned_h = NULL, why = ? WHERE n = ?",
                f"its node failed: it is planned again ({words})"[:500],
                run["n"],
            )
            self.tell(f"{run['id']}: node failure, back in the queue", run["site"])
            return
        outcome = "cancelled" if run["cancel"] and how != "done" else OUTCOME.get(how, "failed")
        why = {
            "timeout": "it ran past its limit",
            "node_failure": f"its node failed {run['failures'] + 1} times",
            "cancelled": "cancelled" if run["cancel"] else "cancelled on its cluster",
        }.get(how, "")
        sql = "UPDATE jobs SET state = ?, start = ?, end = ?"
        values = [outcome, start, end]
        if why or outcome == "failed":
            sql, values = sql + ", why = ?", [*values, f"{why or outcome} ({words})"[:500]]
            self.tell(f"{run['id']}: {values[-1]}", run["site"])
        self.state.run(f"{sql} WHERE n = ?", *values, run["n"])

    def give_up(self, run: Row, why: str) -> None:
        """Take an intent back: the job waits, and is planned again."""
        self.state.run(
            "UPDATE runs SET state = 'given up' WHERE n = ? AND attempt = ?",
            run["n"],
            run["attempt"],
        )
        state = "cancelled" if run["cancel"] else "waiting"
        sql = "UPDATE jobs SET state = ?, why = ?, planned_h = NULL WHERE n = ?"
        self.state.run(sql, state, why or "cancelled", run["n"])

    def refused(self, run: Row, words: str) -> None:
        """Count a refusal as a failure of the attempt; a job that is always refused has failed."""
        self.give_up(run, f"its cluster refused it: {words}"[:500])
        sql = "UPDATE jobs SET failures = failures + 1 WHERE n = ? RETURNING failures"
        failures = self.state.rows(sql, run["n"])[0]["failures"]
        if failures > self.config.retries:
            self.state.run("UPDATE jobs SET state = 'failed' WHERE n = ?", run["n"])


def _order(job: Seen) -> tuple[int, str]:
    """Return what tells which of two runs of one mark stays: the one that is furthest."""
    rank = {"running": 1, "pending": 2, "held": 3}
    return rank.get(job.state, 0), job.cluster_id.zfill(20)


def adapter(config: GridConfig, cluster: Any) -> Cluster:
    """Return the adapter of a cluster of the configuration."""
    if cluster.kind == "slurm":
        return Slurm(cluster)
    folder = config.state.with_name(config.state.name + ".jobs") / cluster.site
    try:
        if cluster.site in ("", ".", "..") or set(cluster.site) & {"/", "\0"}:
            raise ClusterError("found a name that is no folder's, needed one without /")
        return Local(folder, cluster.accelerators, allow_root=cluster.allow_root)
    except ClusterError as error:
        message = f"{config.path}: clusters.{cluster.site}: {error}"
        raise InvalidProblemError(message, f"clusters.{cluster.site}") from None
