"""Rounds of a live world against a cold solve of the same world: ratios within one run.

python benches/bench_matcher.py [JOBS] [CLASSES]
python benches/bench_matcher.py shifts [JOBS] [CLASSES]   large changes, beside cold solves
python benches/bench_matcher.py soak [ROUNDS] [JOBS] [SEED]   10000 rounds, 50000 jobs by default
"""

from __future__ import annotations

import resource
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gridcompute import Matcher, Terms, transport

if TYPE_CHECKING:
    from collections.abc import Callable


def columns(r: np.random.Generator, n: int) -> dict[str, Any]:
    """Jobs like those of a day: families, work, values, arrivals."""
    work, value = r.lognormal(1, 1.2, n), r.lognormal(0, 0.7, n)
    return {
        "family": r.integers(0, 8, n),
        "arrival": r.integers(0, 24, n),
        "work": work,
        "slow": work * value,
        "value": value,
    }


NAMES = [("family", "work"), ("family", "slow"), ("arrival", "value")]  # of three terms
OUT = 1e5  # cost of leaving a job out


class World:
    """A live world, and what a cold solve of it needs."""

    def __init__(self, n: int, s: int) -> None:
        self.r = r = np.random.default_rng(1)
        speed = r.uniform(0.2, 1.0, (8, s))
        price = r.uniform(2.0, 10.0, s) / speed
        wait = 0.3 * ((r.integers(0, 24, s)[None] - np.arange(24)[:, None]) % 24).astype(float)
        self.tables = [price, 2 / speed, wait]
        self.room = r.multinomial(int(n / 0.9), r.dirichlet(np.full(s, 2.0)))
        terms = [(t, *names) for t, names in zip(self.tables, NAMES, strict=True)]
        self.live = Matcher(self.room, cost=terms, unplaced=OUT)
        self.jobs = columns(r, n)
        self.ids = self.live.add(self.jobs)
        self.shut = np.zeros(s, bool)
        self.late: list[tuple[Any, dict[str, Any]]] = []  # one_more's, kept apart: no long copies

    def cold(self) -> tuple[Any, float]:
        """The same world solved from nothing, and seconds: the better of two."""
        self.gather()
        tables = [np.where(self.shut, np.inf, t) for t in self.tables]
        jobs = self.jobs
        cost = Terms([(t, jobs[k], jobs[c]) for t, (k, c) in zip(tables, NAMES, strict=True)])
        taken = []
        for _ in range(2):
            start = time.perf_counter()
            m = transport(cost, self.room, unplaced=OUT)
            taken.append(time.perf_counter() - start)
        return m, min(taken)

    def round(self) -> tuple[Any, float]:
        """A round, and seconds."""
        start = time.perf_counter()
        m = self.live.match()
        return m, time.perf_counter() - start

    def replace(self, share: float) -> None:
        """As many other jobs in place of some."""
        self.gather()
        gone = self.r.choice(len(self.ids), max(1, int(len(self.ids) * share)), replace=False)
        self.live.remove(self.ids[gone])
        new = columns(self.r, len(gone))
        self.ids[gone] = self.live.add(new)
        for name, column in self.jobs.items():
            column[gone] = new[name]

    def one_more(self) -> None:
        """One job more."""
        new = columns(self.r, 1)
        self.late.append((self.live.add(new), new))

    def gather(self) -> None:
        """All jobs in one."""
        late, self.late = self.late, []
        self.ids = np.concatenate([self.ids, *(ids for ids, _ in late)])
        for name, column in self.jobs.items():
            self.jobs[name] = np.concatenate([column, *(new[name] for _, new in late)])

    def tariffs(self, count: int) -> None:
        """A number of classes become dearer by 5 %."""
        table = self.tables[0].copy()
        table[:, self.r.choice(table.shape[1], count, replace=False)] *= 1.05
        self.tables[0] = table
        self.live.set_table(0, table)

    def open(self) -> np.ndarray[Any, Any]:
        """Numbers of the classes that are not closed."""
        return np.flatnonzero(~self.shut)

    def close(self) -> None:
        """One class less."""
        s = self.r.choice(self.open())
        self.live.remove_slots([s])
        self.shut[s], self.room[s] = True, 0

    def more(self) -> None:
        """One class more, much like the first, with the room of an average one."""
        room = int(self.room.sum() // len(self.open()))
        new = [t[:, :1] * 1.01 for t in self.tables]
        s = self.live.add_slots([room], new)[0]
        if s == len(self.room):
            self.room, self.shut = np.append(self.room, 0), np.append(self.shut, False)
            self.tables = [np.pad(t, ((0, 0), (0, 1))) for t in self.tables]
        self.tables = [t.copy() for t in self.tables]
        for table, column in zip(self.tables, new, strict=True):
            table[:, s] = column[:, 0]
        self.room[s], self.shut[s] = room, False

    def resize(self, slots: np.ndarray[Any, Any], factor: Any) -> None:
        """Other capacities."""
        self.room[slots] = np.rint(self.room[slots] * factor)
        self.live.set_capacity(slots, self.room[slots])


def main(n: int, s: int) -> None:
    """One table: what changed, seconds, how many times faster than cold."""
    world = World(n, s)
    m, cold = world.cold()
    first, taken = world.round()
    print(f"{n} x {s}: cold {cold:.3f} s, first round {taken:.3f} s")
    assert abs(first.objective - m.objective) <= 1e-9 * abs(m.objective)
    world.one_more()
    print(f"the round after it, which builds the lists: {world.round()[1]:.3f} s")
    for share in (0.01, 0.0001, 0.0):
        times = []
        for _ in range(3 if share else 20):
            world.replace(share) if share else world.one_more()
            now, taken = world.round()
            times.append(taken)
        taken = float(np.median(times))
        what = f"{share:.2%} replaced" if share else "one job added"
        print(f"{what}: {taken * 1e3:.3f} ms, {cold / taken:.0f}x, {done(now)}")
    assert now.verify().valid
    print(f"peak memory {peak():.2f} GB")


def shifts(n: int, s: int) -> None:
    """Large changes: each round beside a cold solve of the same world, and the small one after."""
    world = World(n, s)
    r = world.r
    kinds: list[tuple[str, Callable[[], None]]] = [
        ("one tariff of all up 5 %", lambda: world.tariffs(1)),
        ("a tenth of the tariffs up 5 %", lambda: world.tariffs(max(1, s // 10))),
        ("a class closed", world.close),
        ("a class added", world.more),
        ("a class 20 % smaller", lambda: world.resize(r.choice(world.open(), 1), 0.8)),
        (
            "all classes 1 % larger or smaller",
            lambda: world.resize(world.open(), r.choice([0.99, 1.01], len(world.open()))),
        ),
        ("10 % of the jobs replaced", lambda: world.replace(0.1)),
        ("30 % of the jobs replaced", lambda: world.replace(0.3)),
    ]
    for name, change in [("first round", lambda: None), *kinds]:
        for shown, act in ((name, change), ("... one job added", world.one_more)):
            act()
            m, taken = world.round()
            plain, cold = world.cold()
            assert abs(m.objective - plain.objective) <= 1e-9 * abs(plain.objective)
            what = (
                f"{shown}: {taken * 1e3:.1f} ms, cold {cold * 1e3:.0f} ms, {taken / cold:.3f} of it"
            )
            print(f"{what}, {'cold, ' if m.stats['cold'] else ''}{done(m)}", flush=True)
    assert m.verify().valid
    print(f"peak memory {peak():.2f} GB")


def done(m: Any) -> str:
    """What a round did."""
    keys = (
        "augmentations", "rows_read", "costs_read", "arcs_scanned", "sources_reindexed",
        "pairs_refilled", "targets_widened",
    )  # fmt: skip
    counts = ", ".join(f"{m.stats[key]} {key}" for key in keys if m.stats[key])
    return f"{m.stats['why']}; {counts}"


def peak() -> float:
    """The most memory this process has had, GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def resident() -> float:
    """Memory of this process now, MB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20


WARM = 1000  # rounds: lists have filled, and a cold round and the lists made after it have been


def check(m: Any, table: Any, jobs: dict[str, Any], room: Any) -> None:
    """Certificate, and the cost of a cold solve."""
    assert m.verify().valid
    cold = transport(Terms([(table, jobs["k"], jobs["w"])]), room, unplaced=40.0)
    assert abs(m.objective - cold.objective) <= 1e-9 * abs(cold.objective)


def soak(rounds: int, n: int, seed: int) -> None:
    """Mixed changes round after round: a cold solve and a certificate every 100th, and the memory.

    Jobs come, go and change, classes gain and lose slots, a tariff changes now and then. Memory is
    read after each, cold solves and certificates included: after the warm-up it is to be flat
    within 5 %, in medians of 500 rounds. At the end, the processor time of five idle seconds.
    """
    r = np.random.default_rng(seed)
    classes = 100
    table = r.random((64, classes)) * 10
    room = np.full(classes, n // classes)
    world = Matcher(room, cost=[(table, "k", "w")], unplaced=40.0)
    jobs = {"k": r.integers(0, 64, n), "w": r.random(n) * 5}
    row = {int(i): k for k, i in enumerate(world.add(jobs))}  # id -> row of jobs
    taken, idle, curve = np.zeros(rounds), 0, []
    for turn in range(rounds):
        count = int(r.integers(1, n // 500 + 2))
        picked = r.choice(np.fromiter(row, np.int64), 2 * count, replace=False)
        rows = np.array([row[int(i)] for i in picked])
        new = {"k": r.integers(0, 64, 2 * count), "w": r.random(2 * count) * 5}
        for name, column in jobs.items():
            column[rows] = new[name]
        world.remove(picked[:count])
        for i in picked[:count]:
            del row[int(i)]
        added = world.add({name: c[:count] for name, c in new.items()})
        row |= dict(zip(added.tolist(), rows[:count].tolist(), strict=True))
        world.update(picked[count:], {name: c[count:] for name, c in new.items()})
        s = int(r.integers(0, classes))
        room[s] = n // classes + int(r.integers(-10, 11))
        world.set_capacity([s], [room[s]])
        if turn % 1000 == 500:
            table = table + r.random(table.shape) * 0.1
            world.set_table(0, table)
        start = time.perf_counter()
        m = world.match()
        taken[turn] = time.perf_counter() - start
        if turn % 100 == 0:
            check(m, table, jobs, room)
            idle += len(world.match().changes["id"])
        curve.append(resident())
    assert idle == 0
    start = time.process_time()
    time.sleep(5)
    rest = time.process_time() - start
    low, mid, high = np.quantile(taken, [0.05, 0.5, 0.95]) * 1e3
    print(f"{rounds} rounds on {n} jobs x {classes}: equal to cold, certified, nothing moved idly")
    print(f"a round {low:.2f} / {mid:.2f} / {high:.2f} ms (5, 50, 95 %)")
    level = [float(np.median(curve[k : k + 500])) for k in range(0, rounds, 500)]
    warm, later = float(np.median(curve[WARM - 500 : WARM])), curve[WARM:]
    print(f"memory, MB, medians of 500 rounds: {' '.join(f'{mb:.1f}' for mb in level)}")
    print(f"{warm:.1f} MB at the end of the warm-up of {WARM} rounds; ", end="")
    print(f"later {min(later):.1f} to {max(later):.1f} in single rounds")
    print(f"processor time in 5 idle seconds: {rest * 1e3:.1f} ms")
    assert max(level[WARM // 500 :]) <= 1.05 * warm, "memory grows"
    assert rest < 0.005, "an idle matcher works"


if __name__ == "__main__":
    kind, given = (sys.argv[1:2] or [""])[0], [int(x) for x in sys.argv[1:] if x.isdigit()]
    if kind == "soak":
        soak(*[*given, *[10_000, 50_000, 2][len(given) :]])
    else:
        (shifts if kind == "shifts" else main)(*[*given, *[1_000_000, 100][len(given) :]])
