"""An operator on clusters in memory, which outlive it; faults come when a test asks for them."""

from __future__ import annotations

import dataclasses
import sqlite3
from types import SimpleNamespace

import numpy as np

import gridcompute as gc
from gridcompute.clusters import state as state_module
from gridcompute.clusters.operator import Operator
from gridcompute.clusters.protocol import ENDED, Seen

SECONDS = 10.0
SITES = {"Chongqing": ("A800", [8, 8]), "Hami": ("Ascend 910B", [8, 8, 8])}


class Crash(BaseException):
    """The end of the operator's process, as SIGKILL makes it."""


class World:
    """The time, the clusters, and how many calls are left before the operator dies."""

    def __init__(self):
        self.clock = 1_000_000.0
        self.clusters = {name: Memory(self, kind, nodes) for name, (kind, nodes) in SITES.items()}
        self.calls = 0
        self.crash_at = (-1, "")

    def call(self, act):
        """Do what a call to a cluster or to the state does, or die before it or after it."""
        self.calls += 1
        at, when = self.crash_at
        if self.calls == at and when == "before":
            raise Crash
        done = act()
        if self.calls == at and when == "after":
            raise Crash
        return done

    def pass_(self, hours):
        """Let time pass on the clusters."""
        self.clock += hours * SECONDS
        for cluster in self.clusters.values():
            cluster.run()


class Memory:
    """A cluster that keeps its jobs in memory; `ran` counts what really began."""

    def __init__(self, world, kind, nodes):
        self.world, self.kind, self.nodes = world, kind, nodes
        self.table = {}
        self.length = {}
        self.ran = []
        #: Called in place of the next calls by their names, once each.
        self.faults = {}

    def _do(self, name, act):
        faults = self.faults.get(name)
        return self.world.call(act if not faults else lambda: faults.pop(0)(act))

    def capacity(self):
        return self._do("capacity", lambda: {self.kind: list(self.nodes)})

    def jobs(self):
        return self._do("jobs", lambda: list(self.table.values()))

    def start(self, job):
        return self._do("start", lambda: self.begin(job))

    def cancel(self, cluster_id):
        self._do("cancel", lambda: self.end(cluster_id, "cancelled"))

    def close(self):
        pass

    def begin(self, job):
        for name, seen in self.table.items():
            if (seen.id, seen.attempt) == (job.id, job.attempt):
                return name
        return self.add(job.id, job.attempt, job.count, 0.8 * SECONDS)

    def add(self, id_, attempt, count, length, limit=60.0):
        name, now = str(len(self.table) + 1), self.world.clock
        seen = Seen(name, id_, attempt, "running", self.kind, count, now, now + limit)
        self.table[name], self.length[name] = seen, length
        self.ran.append(id_)
        return name

    def run(self):
        for name, seen in self.table.items():
            if seen.state == "running" and seen.start + self.length[name] <= self.world.clock:
                self.end(name, "done", seen.start + self.length[name])

    def end(self, name, how, at=None):
        seen = self.table[name]
        if seen.state not in ENDED:
            at = self.world.clock if at is None else at
            self.table[name] = dataclasses.replace(seen, state=how, end=at)


class Trial(Operator):
    """The operator by the world's clock; `quick` plans nothing but starts what waits."""

    def __init__(self, config, world, tables=None, quick=True):
        self.world = world
        super().__init__(config, clusters=world.clusters)
        self._tables, self.quick = tables, quick

    def now(self):
        return self.world.clock

    def write_page(self):
        if not self.quick:
            super().write_page()

    def _step(self, hour, limit_s, progress=None):
        if not self.quick:
            return super()._step(hour, limit_s, progress)
        rows = self.state.rows("SELECT * FROM jobs WHERE state = 'waiting' AND cancel = 0")
        n, world = len(rows), self.tables.world
        sites = list(self.tables.klass.values())
        none = np.zeros((len(world.sites), 1))
        plan = SimpleNamespace(
            assignment=np.array([sites[row["n"] % len(sites)] for row in rows], int),
            start=np.zeros(n, int),
            reasons={},
            problem=SimpleNamespace(
                pinned=np.zeros(n, bool), jobs=SimpleNamespace(gang=[row["gang"] for row in rows])
            ),
            dispatch=SimpleNamespace(load_kwh=none, green_kwh=none),
        )
        commit = {"job": np.arange(n), "hours": np.ones(n, int)}
        window = SimpleNamespace(numbers=[row["n"] for row in rows], late=set(), problem=None)
        return SimpleNamespace(plan=plan, commit=commit, rows=np.arange(n)), window


class Watched(sqlite3.Connection):
    """A connection each of whose statements is a call of the world."""

    world: World

    def execute(self, *arguments):
        return self.world.call(lambda: super(Watched, self).execute(*arguments))

    def executemany(self, *arguments):
        return self.world.call(lambda: super(Watched, self).executemany(*arguments))


def watch(world, monkeypatch):
    """Let the statements of states that are opened from now on be calls of the world."""
    real = sqlite3.connect
    kind = type("Watched", (Watched,), {"world": world})
    monkeypatch.setattr(
        state_module.sqlite3, "connect", lambda *a, **k: real(*a, **k, factory=kind)
    )


def configured(folder, **grid):
    """Write the tables of half a day and a configuration of two clusters; return its path."""
    problem = gc.grid.east_west(n_jobs=1, seed=3, hours=12)
    gc.grid.write_problem(problem, folder / "grid", format="parquet")
    facts = {"folder": "grid", "state": "operator.sqlite", "seconds_per_hour": SECONDS, **grid}
    lines = ["[grid]", *(f"{k} = {v!r}" for k, v in facts.items())]
    for site, (kind, _) in SITES.items():
        lines += [f"[clusters.{site}]", "kind = 'local'", "allow_root = true"]
        lines += [f"accelerators = {{ '{kind}' = 24 }}"]
    (folder / "grid.toml").write_text("\n".join(lines) + "\n")
    script = folder / "job.sh"
    script.write_text("#!/bin/sh\n")
    return folder / "grid.toml"
