"""The operator's loop: observe, reconcile, plan, start exactly once, record."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from ..errors import ClusterError, GridComputeError, InvalidProblemError
from .config import GridConfig, read_config
from .protocol import Order
from .reconcile import DRIFT_S, Books, Sight, adapter, asked, log
from .state import State
from .submission import checked_jobs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    import pyarrow as pa

    from .._progress import ProgressHook
    from ..grid.operations.rolling import Step
    from .account import Account
    from .planning import GridTables, Observed, Window
    from .protocol import Cluster, Seen
    from .state import Row

__all__ = ["Operator"]

#: What has passed: the time in which the machine slept as well, where that can be had.
CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
#: Part of an hour in which it is looked at and planned.
TICK_PART = 0.25
#: Part of the rest of an hour in which hindsight is looked for, and reasons are put into words.
IDLE_PART = 0.75
#: Seconds of it at most: until it is over nothing is looked at.
MOST_IDLE_S = 60.0
#: Ended jobs from which it is learnt what part of their hours jobs run, at most and at least.
LEARNT_FROM, LEAST_LEARNT = 200, 5


class Operator:
    """Runs jobs on clusters as a plan says that is made again every hour.

    Parameters
    ----------
    config : path or GridConfig
        ``grid.toml``, or what `read_config` makes of it.
    clusters : mapping of str to Cluster, optional
        Adapters by site, in place of those that the configuration names.

    Raises
    ------
    InvalidProblemError
        The configuration or the state is wrong: what was found, what was needed, and where.

    Notes
    -----
    All that the operator knows is in its state file, so that any number of processes may submit and
    look, and one at a time operates. What is to start is written down before any cluster hears of
    it. After a crash it is looked up there by its mark, and only what is not there is started.
    """

    def __init__(
        self, config: str | Path | GridConfig, *, clusters: Mapping[str, Cluster] | None = None
    ) -> None:
        self.config = config if isinstance(config, GridConfig) else read_config(config)
        self.state = State(self.config.state)
        self._given = clusters
        self._clusters: dict[str, Cluster] = {}
        self._tables: GridTables | None = None
        self._account: Account | None = None
        self._last: tuple[int, Any, list[int]] | None = None
        self._plan: Any = None
        self._began = 0.0
        self._wall, self._ran = time.time(), time.clock_gettime(CLOCK)
        self._books = Books(self.config, self.state, self._tell)
        self._sights: dict[str, Sight] = {}
        #: Page and metrics as they were written last, for those who serve them.
        self.page = self.metrics = b""

    def __enter__(self) -> Operator:
        """Return the operator itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Close connections and state; jobs run on."""
        for cluster in self._clusters.values():
            cluster.close()
        self._clusters = {}
        self.state.close()

    # -- What people ask for -----------------------------------------------------------------------

    @property
    def tables(self) -> GridTables:
        """The folder's tables as they were read last."""
        if self._tables is None:
            from .planning import GridTables

            self._tables = GridTables(self.config)
        return self._tables

    def submit(self, script: str | Path | None = None, **columns: Any) -> list[str]:
        """Submit a job, or many; return their ids.

        Parameters
        ----------
        script : path, optional
            The file of its script, which is kept in the state; None where `table` is given.
        **columns
            ``accelerators``, ``hours`` and what else a job has (`submission.COLUMNS`), or
            ``table``, a sequence of mappings with ``script`` and these.

        Raises
        ------
        InvalidProblemError
            A value is missing, unknown or out of range: which row, what was found and needed.
        """
        rows = columns.pop("table", None)
        if rows is None:
            rows = [{"script": script, **columns}]
        jobs = checked_jobs(rows, self.config, self.tables)
        return self.state.add(jobs)

    def queue(self) -> dict[str, Any]:
        """Return the jobs, totals and clusters, as ``gridcompute queue --json`` prints them."""
        found = self.state.queue()
        return {**found, "jobs": json.loads(found["jobs"])}

    def why(self, job: str) -> str:
        """Return in words why a job is where it is, and what that costs."""
        row = self.state.job(job)
        return "\n".join(filter(None, [f"{row['id']}: {row['state']}; {row['why']}", row["words"]]))

    def cancel(self, job: str) -> str:
        """Cancel a job: at once where it waits, else with the operator's next look; its state."""
        return self.state.cancel(job)

    def measurements(self) -> pa.Table:
        """Return the load of the closed hours, as `Rolling.measurements` does of hours planned.

        Hour 0 begins when the operator began: only with `grid.start` on the hour are its hours
        those of a calendar, and of a rule that matches by the hour.
        """
        from ..grid.operations.state import hour_measurements
        from .account import Account

        account = Account(self.tables, self.state)
        return hour_measurements(account.dated, account.ledger())

    def bundles(self) -> pa.Table:
        """Return the green power of the closed hours, as `Rolling.bundles` does."""
        from ..grid.operations.state import hour_bundles
        from ..grid.plan.costs import bundle_table
        from .account import Account

        account = Account(self.tables, self.state)
        return bundle_table(hour_bundles(account.dated, account.ledger()))

    # -- The loop ----------------------------------------------------------------------------------

    def now(self) -> float:
        """Return the time, seconds since 1970: what has passed since the start, not the clock.

        A clock that is set while the operator runs moves no hour; that is written down.
        """
        passed = self._wall + time.clock_gettime(CLOCK) - self._ran
        moved = time.time() - passed
        if abs(moved) > DRIFT_S:
            known = self.state.get("clock_moved", 0.0)
            if abs(moved - known) > DRIFT_S:
                self._tell(f"the clock of this machine was moved by {moved:+.0f} s")
                self.state.set("clock_moved", moved)
            return passed
        self._wall, self._ran = time.time(), time.clock_gettime(CLOCK)
        return self._wall

    def now_h(self) -> float:
        """Return the time by the grid's clock, hours since hour 0 of the tables."""
        begin = self.state.get("begin")
        return 0.0 if begin is None else (self.now() - begin) / self.config.seconds_per_hour

    def open(self) -> None:
        """Take hold of the state, and look whether all that is configured can be had.

        Raises
        ------
        InvalidProblemError
            Another operator has the state, a table is missing, a token is not valid, or a cluster
            gives no answer before the first hour; later on, one that is away is only told.
        """
        if self._clusters:
            return
        self.state.lock()
        _ = self.tables
        # What the loop needs is loaded before hour 0 begins.
        from ..grid.operations.rolling import Rolling  # noqa: F401
        from ..report import clusters_page  # noqa: F401
        from .account import Account

        account = Account(self.tables, self.state)
        self._require_classes(account.hour)
        made: dict[str, Cluster] = {}
        try:
            for site, cluster in self.config.clusters.items():
                made[site] = self._given[site] if self._given else adapter(self.config, cluster)
            if self.state.get("begin") is None:
                for site, sight in self._looked(made).items():
                    if sight.error:
                        message = f"{self.config.path}: clusters.{site}: {sight.error}"
                        raise InvalidProblemError(message, f"clusters.{site}")
                self._first_hour()
        except BaseException:
            for one in made.values():
                one.close()
            raise
        with self.state.change():
            self.state.set("seconds_per_hour", self.config.seconds_per_hour)
            self._tell("the operator begins")
        self._account = account
        self._clusters = made

    def _require_classes(self, hour: int) -> None:
        """Raise where something runs, or ran in an hour to be closed, where no cluster is now."""
        since = self.state.get("begin", 0.0) + hour * self.config.seconds_per_hour
        for run in self.state.rows(
            "SELECT site, accelerator, count(*) AS runs FROM runs WHERE end > ? OR state IN "
            "('intent', 'sent', 'running') GROUP BY site, accelerator",
            since,
        ):
            if (run["site"], run["accelerator"]) not in self.tables.klass:
                field = f"clusters.{run['site']}"
                found = f"no {run['accelerator']!r}, on which {run['runs']} jobs run or ran lately"
                message = f"{self.config.path}: {field}: found {found}, needed it until they ended"
                raise InvalidProblemError(message, field)

    def _first_hour(self) -> None:
        """Write down when hour 0 begins; a deadline given in hours counts from now at least."""
        begin, seconds = self.now(), self.config.seconds_per_hour
        if self.config.start is not None:
            begin = self.config.start.timestamp()
            if begin > self.now():
                message = f"grid.start: found {self.config.start}, needed a time that has come"
                raise InvalidProblemError(f"{self.config.path}: {message}", "grid.start")
        with self.state.change():
            self.state.set("begin", begin)
            self.state.run(
                "UPDATE jobs SET deadline = max(submitted, ?) + within_h * ? "
                "WHERE within_h IS NOT NULL",
                self.now(),
                seconds,
            )
            self._tell("hour 0 begins")

    def tick(self) -> bool:
        """Look at the clusters and bring the state up to date; plan and start where an hour began.

        Returns
        -------
        bool
            Whether an hour was planned.
        """
        self.open()
        self._began = time.perf_counter()
        if self._account is None:  # the last tick broke off: only what is in the state is so
            from .account import Account

            self._account = Account(self.tables, self.state)
        try:
            return self._tick()
        except BaseException:
            self._account = None
            raise

    def _tick(self) -> bool:
        self._sights = self._looked(self._clusters)
        now = self.now()
        self._end_runs(self._books.reconcile(self._sights, now))
        hour = math.floor(self.now_h() + 1e-9)
        new = hour > int(self.state.get("hour", -1))
        if new:
            self._close_hours(hour)
            if self.tables.changed():
                self._read_again()
            self._renew(hour)
            if hour < self.tables.world.hours:
                self._plan_hour(hour)
            else:
                self._told_once(
                    "tables_end", f"the tables end before hour {hour}: nothing is planned"
                )
                self.state.set("hour", hour)
        self._start_intents()
        if new:
            took = time.perf_counter() - self._began
            with self.state.change():
                totals = self.state.get("totals", {}) | self._totals()
                totals["slowest_tick_s"] = max(took, totals.get("slowest_tick_s", 0.0))
                self.state.set("totals", totals)
                self.state.set("tick_s", took)
        self.write_page()
        return new

    def operate(
        self,
        *,
        steps: int | None = None,
        stop: Callable[[], bool] = lambda: False,
        told: Callable[[Operator], None] = lambda _: None,
    ) -> None:
        """Tick until `stop` says so, or `steps` hours were planned; `told` is called after each."""
        done, seconds, broken = 0, self.config.seconds_per_hour, ""
        look = min(60.0, max(0.5, seconds / 10))
        self.open()
        while not stop():
            try:
                new = self.tick()
                if broken:
                    self._tell(f"looks go on, the last one broke off: {broken}")
                    self.state.set("told broken", broken := "")
                if new:
                    done += 1
                    told(self)
                    if steps is not None and done >= steps:
                        return
                    left = (1.0 - self.now_h() % 1.0) * seconds
                    self.reflect(min(MOST_IDLE_S, left * IDLE_PART), stop)
            except Exception as error:
                # A full disk, or a plan that cannot be made: nothing was begun that is not
                # written down, and what runs is looked after all the same.
                known = isinstance(error, (OSError, GridComputeError))
                broken = f"{error}" if known else f"{type(error).__name__}: {error}"
                log.error("a look broke off, the next one follows: %s", broken, exc_info=not known)
                with contextlib.suppress(Exception):
                    self._told_once("broken", f"a look broke off: {broken}")
                    self.write_page()
            left = (1.0 - self.now_h() % 1.0) * seconds
            until = time.monotonic() + min(look, left + 0.001)
            while not stop() and time.monotonic() < until:
                time.sleep(min(0.1, max(0.0, until - time.monotonic())))

    # -- Observe -----------------------------------------------------------------------------------

    def _looked(self, clusters: Mapping[str, Cluster]) -> dict[str, Sight]:
        """Ask all clusters at once."""

        def look(cluster: Cluster) -> Sight:
            try:
                return Sight(asked(cluster.capacity), asked(cluster.jobs), "")
            except ClusterError as error:
                return Sight({}, (), str(error))

        with ThreadPoolExecutor(max(1, len(clusters))) as pool:
            return dict(zip(clusters, pool.map(look, clusters.values()), strict=True))

    def _observed(self, now: float) -> Observed:
        """Return what is known of the classes; of a cluster without answer, what it said last."""
        from .planning import Observed

        nodes: dict[tuple[str, str], list[int]] = {}
        others: dict[tuple[str, str], list[tuple[int, float]]] = {}
        for row in self.state.rows("SELECT site, nodes FROM clusters"):
            for kind, counts in json.loads(row["nodes"]).items():
                nodes[row["site"], kind] = counts
        begin, seconds = self.state.get("begin"), self.config.seconds_per_hour
        for site in self._sights:
            for job in self._others(site):
                until = math.inf if job.end is None else max(job.end, now)
                at = others.setdefault((site, job.accelerator), [])
                at.append((job.count, (until - begin) / seconds))
        ran = self.state.rows(
            "SELECT count(*) AS runs, total(count * (end - start)) / ? AS ran, "
            "total(count * booked_h) AS booked FROM (SELECT * FROM runs WHERE state = 'done' "
            "ORDER BY end DESC LIMIT ?)",
            seconds,
            LEARNT_FROM,
        )[0]
        part = 1.0
        if ran["runs"] >= LEAST_LEARNT:
            part = min(1.0, max(0.05, ran["ran"] / ran["booked"]))
        answers = {site: not sight.error for site, sight in self._sights.items()}
        return Observed(nodes, others, answers, part)

    def _others(self, site: str) -> list[Seen]:
        """Return the jobs of others that run at a site, as they were seen last."""
        letters, sight = self.state.get("letters"), self._sights.get(site)
        found = () if sight is None else sight.seen
        return [j for j in found if j.state == "running" and not j.id.startswith(letters)]

    def taken_by_others(self, site: str) -> int:
        """Return the accelerators that jobs of others take at a site."""
        return sum(job.count for job in self._others(site))

    def _end_runs(self, ends: Sequence[tuple[str, str]]) -> None:
        """End runs on their clusters that are to end there."""
        for site, cluster_id in ends:
            try:
                asked(self._clusters[site].cancel, cluster_id)
            except ClusterError as error:
                self._tell(f"job {cluster_id} could not be ended: {error}", site)

    # -- Plan --------------------------------------------------------------------------------------

    def _read_again(self) -> None:
        """Read the folder's tables again; wrong ones leave those that were read before."""
        from .account import Account
        from .planning import GridTables

        try:
            tables = GridTables(self.config)
        except (InvalidProblemError, OSError) as error:
            self._told_once("tables", f"the tables cannot be read again: {error}")
            return
        if list(tables.site) != list(self.tables.site):
            self._told_once("tables", "the tables have other sites than before: they are left")
            return
        self._tables = tables
        self._account = Account(tables, self.state)
        self._tell("the tables were read again")

    def _plan_hour(self, hour: int) -> None:
        """Plan from this hour on, and write down in one go what is to start now."""
        # A cluster that gave no answer has taken its time from that of the plan.
        spent, whole = time.perf_counter() - self._began, self.config.plan_s
        left = TICK_PART * self.config.seconds_per_hour - spent
        step, window = self._step(hour, max(whole / 3, min(whole, left)))
        self._plan = (hour, step.plan, [window.numbers[row] for row in step.rows])
        self._decide(hour, step, window)

    def _step(
        self, hour: int, limit_s: float, progress: ProgressHook | None = None
    ) -> tuple[Step, Window]:
        """Plan the hours ahead, beginning with the last plan."""
        from ..grid.operations.rolling import FIRST_STEP_LIMITS, Rolling
        from .planning import window_of

        account = self._account
        assert account is not None
        begin, seconds = self.state.get("begin"), self.config.seconds_per_hour
        waiting = self.state.rows(
            "SELECT *, (deadline - ?) / ? AS deadline_h FROM jobs "
            "WHERE state = 'waiting' AND cancel = 0 ORDER BY n",
            begin,
            seconds,
        )
        running = self.state.rows(
            "SELECT jobs.*, coalesce((runs.start - ?) / ?, runs.hour) + booked_h - ? AS left_h "
            "FROM jobs JOIN runs USING (n, attempt) WHERE jobs.state IN ('starting', 'running')",
            begin,
            seconds,
            hour,
        )
        seen = self._observed(self.now())
        used = self._used()
        window = window_of(self.tables, hour, waiting, running, seen, account.stored, used)
        last = None
        if self._last is not None and 0 <= hour - self._last[0] <= 1:
            place = {n: k for k, n in enumerate(window.numbers)}
            rows = [place.get(n, -1) for n in self._last[2]]
            last = self._last[1], rows, hour - self._last[0]
        rolling = Rolling(
            account.carried(window.problem),
            horizon_h=self.config.horizon_h,
            gap=1e-3,
            arrivals=None,
            last=last,
        )
        # The hour does not wait for a first plan: it has no more seconds than the others.
        times = FIRST_STEP_LIMITS if last is None else 1.0
        step = rolling.step(time_limit=limit_s / times, progress=progress)
        prices = step.plan.prices
        numbers = [window.numbers[row] for row in step.rows]
        self._last = None if prices is None else (hour, prices, numbers)
        return step, window

    def _decide(self, hour: int, step: Step, window: Window) -> None:
        """Write down where each waiting job is planned, and an intent for each that starts."""
        from .planning import never

        plan, classes = step.plan, self.tables.world.classes
        names, kinds = list(self.tables.site), classes.accelerator_names
        commit = {name: step.commit[name].tolist() for name in ("job", "hours")}
        hours = dict(zip(commit["job"], commit["hours"], strict=True))
        changes: list[tuple[Any, ...]] = []
        intents: list[tuple[Any, ...]] = []
        reasons = plan.reasons
        out = set(range(len(window.numbers))) - set(step.rows.tolist())
        for row, token in zip(sorted(out), never(window.problem, sorted(out)), strict=True):
            changes.append((None, None, None, f"it cannot run: {token}", window.numbers[row]))
        for k, (row, gang) in enumerate(zip(step.rows, plan.problem.jobs.gang, strict=True)):
            if plan.problem.pinned[k]:
                continue
            n = window.numbers[row]
            klass, start = int(plan.assignment[k]), int(plan.start[k])
            late = "; too late for its deadline, as soon as it can" if n in window.late else ""
            if klass < 0:
                why = f"not in the plan of hour {hour}: {reasons.get(k, 'no room')}{late}"
                changes.append((None, None, None, why, n))
                continue
            site, kind = names[classes.site[klass]], kinds[classes.accelerator[klass]]
            why = f"{kind} at {site} from hour {hour + start}{late}"
            changes.append((site, kind, hour + start, why, n))
            if row in hours:
                intents.append((site, kind, int(gang), hours[row], hour, n))
        d = plan.dispatch
        with self.state.change():
            self.state.run_all(
                "UPDATE jobs SET site = ?, accelerator = ?, planned_h = ?, why = ?, words = '' "
                "WHERE n = ? AND state = 'waiting'",
                changes,
            )
            for intent in sorted(intents, key=lambda i: (-i[2], i[-1])):
                begun = "UPDATE jobs SET state = 'starting', attempt = attempt + 1 WHERE n = ?"
                if self.state.run(f"{begun} AND state = 'waiting' AND cancel = 0", intent[-1]):
                    self.state.run(
                        "INSERT INTO runs (site, accelerator, count, booked_h, hour, n, attempt, "
                        "state) SELECT ?, ?, ?, ?, ?, n, attempt, 'intent' FROM jobs WHERE n = ?",
                        *intent,
                    )
            self.state.set("hour", hour)
            table = {
                "hour": hour,
                "load_kwh": d.load_kwh.tolist(),
                "green_kwh": d.green_kwh.tolist(),
            }
            self.state.set("plan", table)

    def _used(self) -> Any:
        """Return the accelerator-hours that tenants have used, by account of the quotas."""
        import numpy as np

        world = self.tables.world
        rows = world.quotas.linear_rows
        used = np.zeros(len(rows.end))
        kinds = {kind: k for k, kind in enumerate(world.classes.accelerator_names)}
        for row in self.state.rows(
            "SELECT tenant, runs.accelerator, sum(count * booked_h) AS hours FROM runs JOIN jobs "
            "USING (n) WHERE tenant != '' AND runs.state NOT IN ('given up', 'node_failure') "
            "GROUP BY tenant, runs.accelerator"
        ):
            tenant = self.tables.tenants.get(row["tenant"], len(self.tables.tenants))
            used[rows.account(tenant, kinds[row["accelerator"]])] += row["hours"]
        return used

    # -- Start -------------------------------------------------------------------------------------

    def _open_intents(self) -> list[Row]:
        """Return what is to start at clusters that answer; what is not known of others stays so."""
        found = self.state.rows(
            "SELECT runs.*, jobs.id, name, user, memory_gb, cancel, script FROM runs "
            "JOIN jobs USING (n) JOIN scripts USING (n) WHERE runs.state = 'intent'"
        )
        found.sort(key=lambda run: (-run["count"], run["n"]))
        return found

    def _renew(self, hour: int) -> None:
        """Before an hour is planned, give up what did not start; what is held there starts now."""
        with self.state.change():
            for run in self._open_intents():
                if run["sent"] is not None and self._sights[run["site"]].error:
                    continue  # it may run there
                seen = self._sights[run["site"]].seen
                mark = run["id"], run["attempt"], "held"
                if not run["cancel"] and any((s.id, s.attempt, s.state) == mark for s in seen):
                    sql = "UPDATE runs SET hour = ? WHERE n = ? AND attempt = ?"
                    self.state.run(sql, hour, run["n"], run["attempt"])
                    self.state.run("UPDATE jobs SET planned_h = ? WHERE n = ?", hour, run["n"])
                else:
                    self._books.give_up(run, "its hour has passed")

    def _start_intents(self) -> None:
        """Start what is written down to start, each cluster's jobs one after the other."""
        orders: dict[str, list[tuple[Row, Order]]] = {}
        now = self.now()
        with self.state.change():
            for run in self._open_intents():
                if self._sights[run["site"]].error:
                    continue
                if run["cancel"]:
                    self._books.give_up(run, "")
                    continue
                self._sent_at(run, now if run["sent"] is None else run["sent"])
                limit = run["booked_h"] * self.config.limit_factor * self.config.seconds_per_hour
                names = ("id", "attempt", "user", "name", "script", "accelerator", "count")
                facts: dict[str, Any] = {k: run[k] for k in names}
                order = Order(**facts, limit_s=limit, memory_gb=run["memory_gb"])
                orders.setdefault(run["site"], []).append((run, order))
        if not orders:
            return
        with ThreadPoolExecutor(max(1, len(orders))) as pool:
            answers = pool.map(self._start_at, orders, orders.values())
            for site, results in zip(orders, answers, strict=True):
                with self.state.change():
                    for run, cluster_id, error in results:
                        self._started(site, run, cluster_id, error)
                    for run, _ in orders[site][len(results) :]:  # nothing was asked
                        self._sent_at(run, run["sent"])

    def _start_at(
        self, site: str, orders: Sequence[tuple[Row, Order]]
    ) -> list[tuple[Row, str, ClusterError | None]]:
        """Start jobs at one cluster, one after the other, until it gives no answer."""
        out: list[tuple[Row, str, ClusterError | None]] = []
        for run, order in orders:
            try:
                out.append((run, asked(self._clusters[site].start, order), None))
            except ClusterError as error:
                out.append((run, "", error))
                if not error.answered:
                    break
        return out

    def _started(self, site: str, run: Row, cluster_id: str, error: ClusterError | None) -> None:
        if error is None:
            self._books.sent(run, cluster_id)
            return
        self._tell(f"{run['id']}: {error}", site)
        if error.answered:
            self._books.refused(run, str(error))
        elif not error.maybe:
            self._sent_at(run, run["sent"])

    def _sent_at(self, run: Row, at: float | None) -> None:
        """Write down since when a cluster may have what is to start; None: it has not."""
        sql = "UPDATE runs SET sent = ? WHERE n = ? AND attempt = ?"
        self.state.run(sql, at, run["n"], run["attempt"])

    # -- Record ------------------------------------------------------------------------------------

    def _runs(self, since_h: float = 0.0) -> list[Row]:
        """Return what ran, and runs, from an hour on, its times by the grid's clock."""
        begin, seconds = self.state.get("begin"), self.config.seconds_per_hour
        rows = self.state.rows(
            "SELECT runs.*, submitted, deadline, origin, data_gb, delay_yuan_per_h FROM runs "
            "JOIN jobs USING (n) "
            "WHERE runs.start IS NOT NULL AND (runs.end IS NULL OR runs.end > ?)",
            begin + since_h * seconds,
        )
        now = self.now()
        for row in rows:
            row["start_h"] = (row["start"] - begin) / seconds
            row["end_h"] = ((now if row["end"] is None else row["end"]) - begin) / seconds
            row["release_h"] = max(0.0, (row["submitted"] - begin) / seconds)
            deadline = row["deadline"]
            row["deadline_h"] = None if deadline is None else (deadline - begin) / seconds
        return rows

    def _close_hours(self, hour: int) -> None:
        """Close the hours that are over and of which all clusters have told."""
        import numpy as np

        account, world = self._account, self.tables.world
        assert account is not None
        begin, seconds = self.state.get("begin"), self.config.seconds_per_hour
        capacity = np.zeros(len(world.classes), np.int64)
        told = math.inf
        for row in self.state.rows("SELECT * FROM clusters"):
            for kind, nodes in json.loads(row["nodes"]).items():
                if (row["site"], kind) in self.tables.klass:
                    capacity[self.tables.klass[row["site"], kind]] = sum(nodes)
            busy = "SELECT 1 FROM runs WHERE state IN ('intent', 'sent', 'running') AND site = ?"
            if self.state.rows(f"{busy} LIMIT 1", row["site"]):
                told = min(told, ((row["seen"] or begin) - begin) / seconds)
        last = min(hour, world.hours, math.floor(told + 1e-9) if told < math.inf else hour)
        if account.hour >= last:
            return
        runs = self._runs(account.hour)
        plan = self.state.get("plan", {"hour": 0, "load_kwh": [[]] * len(world.sites)})
        planned = np.array(plan["load_kwh"], np.float64).reshape(len(world.sites), -1)
        with self.state.change():
            while account.hour < last:
                ahead = planned[:, max(0, account.hour + 1 - plan["hour"]) :]
                most = np.maximum(capacity, self._in_use(runs, account.hour))
                account.close(runs, ahead, most)

    def _in_use(self, runs: Sequence[Row], hour: int) -> Any:
        import numpy as np

        out = np.zeros(len(self.tables.world.classes), np.int64)
        for run in runs:
            if run["start_h"] < hour + 1 and run["end_h"] > hour:
                out[self.tables.klass[run["site"], run["accelerator"]]] += run["count"]
        return out

    def _totals(self) -> dict[str, float]:
        """Return sums to date: accelerator-hours of all runs, the rest of the closed hours."""
        account, world = self._account, self.tables.world
        assert account is not None
        begin, seconds = self.state.get("begin"), self.config.seconds_per_hour
        ran = self.state.rows(
            "SELECT total(count * (coalesce(end, ?) - start)) AS s FROM runs "
            "WHERE start IS NOT NULL",
            self.now(),
        )[0]["s"]
        moved = 0.0
        for row in self.state.rows(
            "SELECT runs.site, origin, total(data_gb) AS gb, total(delay_yuan_per_h * max(0, "
            "(runs.start - max(submitted, ?)) / ?)) AS delay FROM runs JOIN jobs USING (n) "
            "WHERE runs.start < ? AND (data_gb > 0 OR delay_yuan_per_h > 0) "
            "GROUP BY runs.site, origin",
            begin,
            seconds,
            begin + account.hour * seconds,
        ):
            origin, site = self.tables.site.get(row["origin"], 0), self.tables.site[row["site"]]
            wire = float(world.corridors.price_yuan_per_gb[origin, site])
            moved += wire * row["gb"] + row["delay"]
        sums = account.totals()
        return {**sums, "accelerator_h": ran / seconds, "cost_yuan": sums["cost_yuan"] + moved}

    def reflect(self, seconds: float, stop: Callable[[], bool] = lambda: False) -> None:
        """Use idle seconds: say reasons, plan the next hour ahead, look for hindsight's bound."""
        until = time.perf_counter() + seconds
        if self._plan is not None:
            self._explain(time.perf_counter() + 0.2 * seconds)
        hour = self.state.get("hour", -1) + 1
        waits = self.state.rows("SELECT 1 FROM jobs WHERE state = 'waiting' LIMIT 1")
        if waits and 0 < hour < self.tables.world.hours:
            # The next plan begins with it.
            self._step(hour, 0.5 * (until - time.perf_counter()), lambda _: stop())
        from .account import hindsight_yuan

        account = self._account
        assert account is not None
        left = 0.95 * (until - time.perf_counter())
        if left > 0.05 and account.hour and not stop():
            bound = hindsight_yuan(account, self._runs(), left, lambda _: stop())
            with self.state.change():
                totals = self.state.get("totals", {})
                totals["hindsight_bound_yuan"] = bound
                self.state.set("totals", totals)

    def _explain(self, until: float) -> None:
        """Put the plan's reasons into words, for those first that start first."""
        hour, plan, numbers = self._plan
        self._plan = None
        order = sorted(range(len(numbers)), key=lambda k: (plan.start[k], k))
        told = []
        for k in order:
            if time.perf_counter() > until:
                break
            if plan.problem.pinned[k]:
                continue
            found, n = plan.explain(k), numbers[k]
            best = {name: _later(offer, hour) for name, offer in found.best.items()}
            name = self.state.rows("SELECT id FROM jobs WHERE n = ?", n)[0]["id"]
            taken = None if found.taken is None else _later(found.taken, hour)
            found = dataclasses.replace(found, id=name, best=best, taken=taken)
            yuan = None if taken is None else taken.yuan
            told.append((yuan, f"by the plan of hour {hour}:\n{found}", n))
        with self.state.change():
            for yuan, words, n in told:
                self.state.run("UPDATE jobs SET words = ? WHERE n = ?", words, n)
                sql = "UPDATE runs SET yuan = ? WHERE n = ? AND hour = ? AND yuan IS NULL"
                self.state.run(sql, yuan, n, hour)

    # -- What happened -----------------------------------------------------------------------------

    def _tell(self, words: str, site: str = "") -> None:
        words = " ".join(words.split())[:1000]
        log.info("%s%s", f"{site}: " if site else "", words)
        self.state.tell(time.time(), words, site)

    def _told_once(self, key: str, words: str) -> None:
        """Write down what lasts, once for as long as the words are the same."""
        if self.state.get(f"told {key}") != words:
            self._tell(words)
            self.state.set(f"told {key}", words)

    def write_page(self) -> None:
        """Write the page; a full disk is logged, and changes nothing else."""
        from .._files import create, write_whole
        from ..report.clusters_page import clusters_page
        from .server import metrics

        self.page, self.metrics = clusters_page(self).encode(), metrics(self.state).encode()
        try:
            if not self.config.page.exists():
                create(self.config.page, 0o600).close()
            write_whole(self.config.page, self.page)
        except OSError as error:
            log.warning("the page was not written: %s", error)


def _later(offer: Any, hour: int) -> Any:
    """Return an option of a plan with its start by the grid's clock."""
    return dataclasses.replace(offer, start=offer.start + hour)
