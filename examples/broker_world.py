"""The broker without its HTTP face: a Matcher, what waits for the next round, and who is told.

All runs on the event loop, but `_solve`, `Journal.save` and `Matcher.quote`, which run in threads.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections import Counter as Tally
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

import gridcompute as gc

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from broker_journal import Journal

log = logging.getLogger("broker")

QUEUED, WAITING = -2, -1  # in place of a slot: acknowledged, not yet matched; matched, left out
ROUND_S = 10.0  # at most; the next round goes on from there
JOB = ("family", "work_h", "delay_usd", "budget_usd")  # the columns of a job
GANG = ("gpus", "tenant", "priority", "preemptible")  # and more of them where there are tenants
MOST_EXPLAINED = 20  # evictions of a round whose reason is logged

# Invented: six kinds of slot, three families of jobs, hours of work an hour.
SMALL = {
    "slots": ["a10-east", "a100-east", "h800-east", "a10-west", "a100-west", "h800-west"],
    "capacity": [40, 20, 10, 60, 30, 10],
    "usd_per_h": [0.8, 2.0, 4.1, 0.6, 1.6, 3.5],
    "speed": {
        "vision": [1.0, 2.2, 3.8, 1.0, 2.2, 3.8],
        "language": [1.0, 3.1, 7.0, 1.0, 3.1, 7.0],
        "simulation": [1.0, 1.4, 1.9, 1.0, 1.4, 1.9],
    },
    "move_cost": 0.25,
    # Accelerators that each tenant is owed, and may take at most; null: no limit.
    "tenants": {
        "name": ["research", "product"],
        "guarantee": [60, 60],
        "limit": [140, None],
        "weight": [1, 2],
    },
}


class Refused(Exception):
    """Nothing was changed: an HTTP status, and what stands in the answer's body."""

    def __init__(self, status: int, error: str, **more: Any) -> None:
        super().__init__(error)
        self.status, self.body = status, {"error": error, **more}


class Stream:
    """The last placements as server-sent events, numbered without gaps."""

    def __init__(self, keep: int) -> None:
        self.keep, self.first, self.lines = keep, 1, list[bytes]()
        self._news = asyncio.Event()
        self.closed = False

    @property
    def last(self) -> int:
        """Number of the last one."""
        return self.first + len(self.lines) - 1

    def wake(self) -> None:
        """Let followers look."""
        self._news.set()
        self._news = asyncio.Event()

    def publish(self, changes: Iterable[tuple[str, int, int]], names: list[str]) -> Tally[str]:
        """Number changes (id, from, to) and tell the followers; how many of each kind."""
        tally = Tally[str]()
        for seq, (key, old, new) in enumerate(changes, self.last + 1):
            kind = "PLACE" if old < 0 else "EVICT" if new < 0 else "MOVE"
            where = (names[s] if s >= 0 else None for s in (old, new))
            tally[kind] += 1
            data = dict(zip(("id", "from", "to"), (key, *where), strict=True))
            text = json.dumps({"seq": seq, "kind": kind, **data})
            self.lines.append(f"id: {seq}\nevent: {kind}\ndata: {text}\n\n".encode())
        if len(self.lines) > 2 * self.keep:
            gone = len(self.lines) - self.keep
            del self.lines[:gone]
            self.first += gone
        self.wake()
        return tally

    async def follow(self, after: int, beat: float = 15.0) -> AsyncIterator[bytes]:
        """Those after number `after`, then each as it comes, until closed or too far behind."""
        while not self.closed:
            if after + 1 < self.first:
                yield b"event: LOST\ndata: read GET /jobs, follow from its seq\n\n"
                return
            at = after + 1 - self.first
            chunk = self.lines[at : at + 1000]
            if chunk:
                after += len(chunk)
                yield b"".join(chunk)
                continue
            try:
                await asyncio.wait_for(self._news.wait(), beat)
            except TimeoutError:
                yield b": nothing new\n\n"  # so that a dead connection is noticed


@dataclass
class Queue:
    """What the next round brings, folded, so that the order in which it came no longer counts."""

    adds: dict[str, Any] = field(default_factory=dict)
    removes: set[str] = field(default_factory=set)  # from the world, before the adds
    rooms: dict[int, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.adds) + len(self.removes) + len(self.rooms)


class Metrics:
    """What Prometheus reads."""

    def __init__(self) -> None:
        self.registry = r = CollectorRegistry()
        ms = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000]
        self.queue = Gauge("broker_queue", "Operations for the next round", registry=r)
        self.live = Gauge("broker_live_jobs", "Jobs in the world", registry=r)
        self.gap = Gauge("broker_certificate_gap", "Proved relative gap, last round", registry=r)
        self.round = Histogram("broker_round_ms", "A round, ms", buckets=ms, registry=r)
        self.snapshot = Histogram("broker_snapshot_ms", "A snapshot, ms", buckets=ms, registry=r)
        self.changes = Counter("broker_changes", "Placements told", ["kind"], registry=r)
        self.accepted = Counter("broker_accepted", "Operations", ["kind"], registry=r)
        self.refused = Counter("broker_refused", "Requests", ["status"], registry=r)
        self.failed = Counter("broker_snapshot_failures", "Snapshots not written", registry=r)


class Broker:
    """A world that is told at any time and matched again every `interval` seconds."""

    def __init__(
        self,
        config: dict[str, Any],
        journal: Journal,
        *,
        interval: float = 0.2,
        snapshot_s: float = 5.0,
        queue: int = 50_000,
        keep: int = 100_000,
        threads: int | None = None,
    ) -> None:
        self.names: list[str] = config["slots"]
        self.families = {name: k for k, name in enumerate(config["speed"])}
        self.tenants: list[str] = config.get("tenants", {}).get("name", [])
        self.columns = JOB + GANG if self.tenants else JOB
        self.config, self.journal, self.interval, self.queue = config, journal, interval, queue
        self.snapshot_s, self.threads = snapshot_s, threads
        self.stream, self.metrics = Stream(keep), Metrics()
        self.seq = 0  # the last acknowledged operation
        self.jobs: dict[str, int] = {}  # all live ids: a slot, WAITING or QUEUED, as told
        self.next = Queue()
        self._again, self._saved, self._due = False, (0, 0), 0.0
        self.last: gc.LiveMatching | None = None
        self.failure: str | None = None
        self.closing = asyncio.Event()
        self._worker = ThreadPoolExecutor(1, "round")
        self.recovery = self._recover()

    def _new_world(self) -> gc.Matcher:
        price, speed = self.config["usd_per_h"], self.config["speed"].values()
        hours = [[1 / v for v in row] for row in speed]
        usd = [[h * p for h, p in zip(row, price, strict=True)] for row in hours]
        gangs: dict[str, Any] = {}
        if self.tenants:
            gangs = {"demand": "gpus", "queue": "tenant"}
            gangs |= {"priority": "priority", "preemptible": "preemptible"}
            gangs["queues"] = gc.fair.Queues(**self.config["tenants"])
        return gc.Matcher(
            self.config["capacity"],
            cost=[(usd, "family", "work_h"), (hours, "family", "delay_usd")],
            unplaced="budget_usd",
            slots=self.names,
            move_cost=self.config["move_cost"],
            threads=self.threads,
            **gangs,
        )

    # ------------------------------------------------------------ operations

    def submit(self, jobs: dict[str, tuple[Any, ...]]) -> int:
        """Take jobs (id -> columns as in JOB) for the next round; all of them or none."""
        for key in jobs:
            if key in self.jobs:
                raise Refused(409, f"job {key!r} is known already", id=key, field="id")
        return self._accept(len(jobs), {"add": jobs})

    def cancel(self, ids: list[str]) -> int:
        """Take jobs out, cancelled or done; all of them or none."""
        for key in ids:
            if key not in self.jobs:
                raise Refused(404, f"no job {key!r}", id=key, field="ids")
        return self._accept(len(ids), {"cancel": ids})

    def set_capacity(self, name: str, room: int) -> int:
        """Another number of slots of one class."""
        if name not in self.names:
            raise Refused(404, f"no slot class {name!r}", id=name, field="name")
        return self._accept(1, {"capacity": [self.names.index(name), room]})

    def _accept(self, size: int, operation: dict[str, Any]) -> int:
        """Journal first, then change: what fails has changed nothing."""
        if self.failure or self.closing.is_set():
            raise Refused(503, self.failure or "shutting down", retry_after_s=5)
        if size > self.queue:
            raise Refused(413, f"{size} changes in a request, at most {self.queue} can wait")
        if len(self.next) + size > self.queue:
            raise Refused(503, f"{self.queue} changes wait for the next round", retry_after_s=1)
        try:
            self.journal.write({"seq": self.seq + 1, **operation})
        except OSError as error:
            raise Refused(503, f"the journal cannot be written: {error}", retry_after_s=5) from None
        self.seq += 1
        self._enqueue(operation)
        kind = next(iter(operation))
        log.info("audit", extra={"operation": self.seq, "kind": kind, "size": size})
        self.metrics.accepted.labels(kind).inc(size)
        self.metrics.queue.set(len(self.next))
        return self.seq

    def _enqueue(self, operation: dict[str, Any]) -> None:
        """Fold an operation into what the next round brings."""
        for key, job in operation.get("add", {}).items():
            self.next.adds[key], self.jobs[key] = job, QUEUED
        for key in operation.get("cancel", ()):
            self.jobs.pop(key, None)  # it is there, but in a replay after a loss
            if self.next.adds.pop(key, None) is None:
                self.next.removes.add(key)
        if "capacity" in operation:
            slot, room = operation["capacity"]
            self.next.rooms[slot] = room

    def why(self, key: str) -> dict[str, Any]:
        """Where a job is, or what keeps it waiting."""
        e = self.world.explain(key)
        slot = self.names[e.slot] if e.slot >= 0 else None
        return {"id": key, "slot": slot, "reason": e.reason, "why": str(e)}

    def shares(self) -> dict[str, Any]:
        """What each tenant is owed, may take, takes, and its share, as of the last round."""
        m, tenants = self.last, self.config.get("tenants", {})
        if m is None or m.usage is None:
            return {}
        numbers = (m.usage.tolist(), m.share.tolist())
        return {
            name: {"guarantee": owed, "limit": most, "takes": takes, "share": share}
            for name, owed, most, takes, share in zip(
                self.tenants, tenants["guarantee"], tenants["limit"], *numbers, strict=True
            )
        }

    # ------------------------------------------------------------ rounds

    async def run(self) -> None:
        """Rounds until closed; a failure stops them, and the broker says so from then on."""
        try:
            last = False
            while not last:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self.closing.wait(), self.interval)
                last = self.closing.is_set()
                await self.step(last)
        except Exception as error:
            self.failure = f"rounds have stopped: {type(error).__name__}"
            log.exception("rounds have stopped; restart to go on from the journal")

    async def step(self, last: bool = False) -> None:
        """A round if there is something to do, and a snapshot if one is due."""
        operation = self.seq
        due = self._saved != (operation, self.stream.last)
        due &= last or time.monotonic() >= self._due
        if due:  # no await may stand between this and the emptying of the queue
            self.journal.rotate(operation + 1)
        if len(self.next) or self._again:
            await self._round()
        if due:
            await self._snapshot(operation)
            self._due = time.monotonic() + self.snapshot_s

    async def _round(self) -> None:
        batch, self.next = self.next, Queue()
        loop = asyncio.get_running_loop()
        refused, m, ms = await loop.run_in_executor(self._worker, self._solve, batch, ROUND_S)
        late = self.next.removes  # cancelled meanwhile: the round's word on them comes too late
        self.jobs |= {key: WAITING for key in batch.adds if key not in late}
        names = ("id", "from_slot", "to_slot")
        changes = list(zip(*(m.changes[name].tolist() for name in names), strict=True))
        self._tell([change for change in changes if change[0] not in late])
        for key in refused:
            if key not in late:
                del self.jobs[key]
            late.discard(key)
        self._again, self.last = m.status == "time_limit", m
        self.metrics.round.observe(ms)
        self.metrics.gap.set(m.gap)
        self.metrics.live.set(len(self.world))
        self.metrics.queue.set(len(self.next))
        sizes = {"added": len(batch.adds), "removed": len(batch.removes), "changes": len(changes)}
        told = {"live": len(self.world), "status": m.status, "gap": m.gap, "why": m.stats["why"]}
        log.info("round", extra={"ms": round(ms, 2), **sizes, **told})

    def _solve(self, batch: Queue, limit: float | None) -> tuple[list[str], gc.LiveMatching, float]:
        """The jobs refused, the answer, and milliseconds."""
        self.journal.sync()
        start = time.perf_counter()
        refused, m = self._apply(batch), self._match(limit)
        return refused, m, (time.perf_counter() - start) * 1e3

    def _apply(self, batch: Queue) -> list[str]:
        """Work a batch into the world; the jobs that it refuses."""
        if batch.removes:
            self.world.remove(list(batch.removes))
        if batch.rooms:
            self.world.set_capacity(list(batch.rooms), list(batch.rooms.values()))
        return self._add(batch.adds) if batch.adds else []

    def _match(self, limit: float | None) -> gc.LiveMatching:
        """Match, and log why jobs were sent out."""
        m = self.world.match(time_limit=limit)
        for key in m.changes["id"][m.changes["kind"] == "EVICT"][:MOST_EXPLAINED].tolist():
            log.info(
                "audit", extra={"kind": "evict", "id": key, "why": str(self.world.explain(key))}
            )
        return m

    def _add(self, jobs: dict[str, Any]) -> list[str]:
        """Add jobs; where the Matcher refuses, one by one, so that one job does not stop all."""
        columns = dict(zip(self.columns, map(list, zip(*jobs.values(), strict=True)), strict=True))
        try:
            self.world.add(columns, list(jobs))
        except gc.GridComputeError as error:
            if len(jobs) > 1:
                return [bad for key, job in jobs.items() for bad in self._add({key: job})]
            log.error(
                "job refused by the matcher", extra={"id": next(iter(jobs)), "why": str(error)}
            )
            return list(jobs)
        return []

    def _tell(self, changes: list[tuple[str, int, int]]) -> None:
        """Journal placements, then let them be seen."""
        if not changes:
            return
        self.journal.write({"placement": self.stream.last + 1, "changes": changes})
        self.jobs |= {key: new for key, _, new in changes}
        for kind, count in self.stream.publish(changes, self.names).items():
            self.metrics.changes.labels(kind).inc(count)

    async def _snapshot(self, operation: int) -> None:
        start, placement = time.perf_counter(), self.stream.last
        save = asyncio.to_thread(self.journal.save, self.world, operation, placement)
        try:
            path = await save
        except OSError as error:  # the journal still has all
            self.metrics.failed.inc()
            log.error("no snapshot", extra={"why": str(error)})
            return
        self._saved = (operation, placement)
        ms = (time.perf_counter() - start) * 1e3
        self.metrics.snapshot.observe(ms)
        log.info("snapshot", extra={"file": path.name, "ms": round(ms, 2)})

    # ------------------------------------------------------------ start and end

    def _recover(self) -> dict[str, Any]:
        """The last snapshot, then the journal after it; what this did, and what is lost."""
        world, applied, placed, name, refused = self.journal.restore()
        self.world = world or self._new_world()
        ids = self.world.ids
        self.jobs = dict(zip(ids, self.world.slot_of(ids).tolist(), strict=True))
        self.seq, self._saved = applied, (applied, placed)
        lines, damaged = self.journal.read()
        lost, missing, replayed, told = [], [], 0, 0
        for line in lines:
            if line.get("seq", 0) > self.seq:
                if line["seq"] > self.seq + 1:
                    lost.append([self.seq + 1, line["seq"] - 1])
                self.seq, replayed = line["seq"], replayed + 1
                self._enqueue({k: v for k, v in line.items() if k != "seq"})
            elif "placement" in line:
                if line["placement"] > placed:
                    told += len(line["changes"])
                    self.jobs |= {key: new for key, _, new in line["changes"]}
                due = self.stream.last + 1 if self.stream.lines else placed + 1
                if line["placement"] > due:
                    missing.append([due, line["placement"] - 1])
                if line["placement"] != self.stream.last + 1:
                    self.stream.first, self.stream.lines = line["placement"], []
                self.stream.publish(map(tuple, line["changes"]), self.names)
        if self.stream.last < placed:
            self.stream.first, self.stream.lines = placed + 1, []
        self.journal.rotate(self.seq + 1)
        batch, self.next = self.next, Queue()
        batch.removes = {key for key in batch.removes if key in self.world}  # not all, after a loss
        bad = self._apply(batch)
        # Jobs that were told another place since the snapshot are there, before anything is solved:
        # what runs and is not preemptible stays, and only what waits is placed.
        was = {key: max(self.jobs.get(key, WAITING), WAITING) for key in self.world.ids}
        here = self.world.slot_of(list(was)).tolist()
        moved = {k: slot for (k, slot), old in zip(was.items(), here, strict=True) if slot != old}
        self.world.pin(list(moved), list(moved.values()))
        self.world.unpin(list(moved))
        m = self._match(None)
        self.last = m
        now = dict(zip(m.ids, m.assignment.tolist(), strict=True))
        changes = [(key, was[key], now[key]) for key in sorted(now) if was[key] != now[key]]
        self.jobs = now
        self._tell(changes)
        return {
            "snapshot": name,
            "snapshot_operation": applied,
            "snapshots_refused": refused,
            "operations_after_snapshot": replayed,
            "operations_lost": lost,
            "placements_lost": missing,
            "journal_damaged": damaged,
            "jobs_refused": bad,
            "placements_after_snapshot": told,
            "placements_that_came_out_otherwise": sum(old >= 0 for _, old, _ in changes),
        }

    def stop(self) -> None:
        """Take nothing more; end the streams."""
        self.closing.set()
        self.stream.closed = True
        self.stream.wake()
