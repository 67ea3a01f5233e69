"""Ten thousand random rounds of a Matcher: no drift in memory, in cost, or in time.

python benches/soak_matcher.py single [ROUNDS] [JOBS] [SEED]   single slots, 50000 jobs by default
python benches/soak_matcher.py gangs [ROUNDS] [JOBS] [SEED]    gangs, 1000 by default
python benches/soak_matcher.py tenants [ROUNDS] [JOBS] [SEED]  gangs in queues, with priorities

Each round adds, removes, updates, pins and unpins jobs, and changes capacities; now and then a
table changes. No class is added: numbers of classes are never given twice, so those of a matcher
grow with all it ever had.
"""

from __future__ import annotations

import gc
import resource
import time
from pathlib import Path
from typing import Any

import numpy as np
from published import Parser

from gridcompute import Matcher, Terms, fair, transport

KINDS = 64  # rows of the table
OUT = 40.0  # cost of leaving a job of single slots out
EARLY = 100  # rounds after which memory is read for the first time
WARM = 1000  # rounds: lists have filled, and a cold round and the lists made after it have been


def resident() -> float:
    """Memory of this process now, MB."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20


class Life:
    """A Matcher, and the columns of its live jobs beside it."""

    def __init__(self, kind: str, n: int, seed: int) -> None:
        self.r = r = np.random.default_rng(seed)
        self.gangs, self.kind = kind != "single", kind
        self.n, self.classes = n, 16 if self.gangs else 100
        self.table = r.random((KINDS, self.classes)) * 10
        self.size = (2 * n if self.gangs else n) // self.classes
        self.room = np.full(self.classes, self.size)
        queues = fair.Queues(
            name=["lab", "a", "b", "shop"],
            parent=[None, "lab", "lab", None],
            guarantee=[n // 4, n // 8, n // 8, n // 4],
            limit=[3 * n // 2, n, n, 3 * n // 2],
        )
        rules: dict[str, dict[str, Any]] = {
            "single": {"unplaced": OUT},
            "gangs": {"unplaced": "u", "demand": "d"},
            "tenants": {
                "unplaced": "u", "demand": "d", "queues": queues, "queue": "q", "priority": "p",
                "preemptible": "e", "move_cost": 0.1,
            },
        }  # fmt: skip
        self.world = Matcher(self.room, cost=[(self.table, "k", "w")], **rules[kind])
        self.jobs = self.drawn(n)
        self.ids = np.array(self.world.add(self.jobs))
        self.pinned: list[int] = []

    def drawn(self, n: int) -> dict[str, Any]:
        """Columns of new jobs."""
        r = self.r
        jobs: dict[str, Any] = {"k": r.integers(0, KINDS, n), "w": r.random(n) * 5}
        if self.gangs:
            jobs |= {"u": r.lognormal(3, 0.5, n), "d": r.choice([1, 1, 2, 4, 8], n)}
            queued = {"q": r.integers(1, 4, n), "p": r.integers(0, 3, n), "e": r.random(n) < 0.7}
            jobs |= queued if self.kind == "tenants" else {}
        return jobs

    def change(self, turn: int) -> None:
        """Random calls, as many jobs as before."""
        r, world = self.r, self.world
        if self.pinned:
            world.unpin(self.pinned)
            self.pinned = []
        most = self.n // 50 if self.gangs else self.n // 500
        count = int(r.integers(1, most + 2))
        rows = r.choice(self.n, 2 * count, replace=False)
        gone, kept = rows[:count], rows[count:]
        new = self.drawn(2 * count)
        for name, column in self.jobs.items():
            column[rows] = new[name]
        world.remove(self.ids[gone])
        self.ids[gone] = world.add({name: c[:count] for name, c in new.items()})
        world.update(self.ids[kept], {name: c[count:] for name, c in new.items()})
        s = int(r.integers(0, self.classes))
        self.room[s] = max(0, self.size + int(r.integers(-10, 11)))
        world.set_capacity([s], [self.room[s]])
        if turn % 7 == 3:
            placed = self.ids[world.slot_of(self.ids) >= 0]
            self.pinned = r.choice(placed, 3, replace=False).tolist()
            world.pin(self.pinned)
        if turn % 1000 == 500:
            self.table = self.table + r.random(self.table.shape) * 0.1
            world.set_table(0, self.table)

    def cold(self, m: Any) -> float:
        """What a cold solve of the round's problem costs, in which the jobs that are held run."""
        if not self.gangs:
            cost = Terms([(self.table, self.jobs["k"], self.jobs["w"])])
            return float(transport(cost, self.room, unplaced=OUT).objective)
        q = m.question
        rows = np.array([q.cost.row(i) for i in range(q.n_jobs)])
        found = transport(rows, q.capacity, demand=q.demand, unplaced=q.unplaced)
        return float(found.objective)


def soak(kind: str, rounds: int, n: int, seed: int) -> None:
    """Print memory, time and cost along the way, and check them at the end."""
    life = Life(kind, n, seed)
    taken, gaps, curve, cold = np.zeros(rounds), np.zeros(rounds), {}, []
    for turn in range(1, rounds + 1):
        life.change(turn)
        start = time.process_time()
        m = life.world.match()
        taken[turn - 1], gaps[turn - 1] = time.process_time() - start, m.gap
        if turn % 100 == 0:
            assert m.verify().valid, (turn, m.verify().reasons)
            other = np.inf if life.pinned else life.cold(m)
            if np.isfinite(other):  # else its search did not place all jobs that are held
                cold.append(m.objective / other)
                # Of gangs neither is proved least: a round may cost more by its proved gap alone.
                most = 1 + (1e-9 if kind == "single" else m.gap + 1e-6)
                assert cold[-1] <= most, (turn, cold[-1])
                assert kind != "single" or cold[-1] >= 1 - 1e-9, (turn, cold[-1])
        if turn in (EARLY, WARM, rounds) or turn % WARM == 0:
            curve[turn] = resident()
    life.world.unpin(life.pinned)
    life.pinned = []
    last = life.world.match()
    assert last.verify().valid
    again = life.world.match()
    assert len(again.changes["id"]) == 0, "moved though nothing changed"
    print(f"{kind}: {rounds} rounds, {n} jobs, {life.classes} classes, seed {seed}")
    print("memory, MB, after rounds: " + ", ".join(f"{t}: {mb:.1f}" for t, mb in curve.items()))
    parts = np.array_split(np.arange(rounds), min(10, rounds))
    shown = " ".join(f"{np.median(taken[p]) * 1e3:.2f}" for p in parts)
    print(f"CPU time of a round, ms, medians of tenths: {shown}")
    shown = " ".join(f"{np.median(gaps[p]):.1e}" for p in parts)
    print(f"gap, medians of tenths: {shown}")
    print(f"cost, as a multiple of a cold solve's: {min(cold):.6f} to {max(cold):.6f}")
    print(f"at the end: cost {last.objective:.9g}, of a cold solve {life.cold(last):.9g}")
    assert rounds <= WARM or curve[rounds] <= 1.05 * curve[WARM], "memory grows"


if __name__ == "__main__":
    parser = Parser(description=__doc__.splitlines()[0])
    parser.add_argument("kind", choices=("single", "gangs", "tenants"))
    for name, usual in (("rounds", 10_000), ("jobs", None), ("seed", 2)):
        parser.add_argument(name, nargs="?", type=int, default=usual)
    args = parser.parse_args()
    jobs = args.jobs or (50_000 if args.kind == "single" else 1_000)
    if min(args.rounds, jobs) < 100:
        parser.error(f"found {args.rounds} rounds of {jobs} jobs, needed 100 or more of both")
    soak(args.kind, args.rounds, jobs, args.seed)
