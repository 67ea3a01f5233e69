"""Rounds of a live world, edits of jobs included, against a cold solve of the same world.

python benches/bench_matcher.py [JOBS] [CLASSES]
python benches/bench_matcher.py shifts [JOBS] [CLASSES]   large changes, beside cold solves
"""

from __future__ import annotations

import resource
import time
from typing import TYPE_CHECKING, Any

import numpy as np
from published import Parser

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
        self.edit = 0.0  # seconds that the last change of jobs took
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
        new = columns(self.r, len(gone))
        start = time.perf_counter()
        self.live.remove(self.ids[gone])
        self.ids[gone] = self.live.add(new)
        self.edit = time.perf_counter() - start
        for name, column in self.jobs.items():
            column[gone] = new[name]

    def one_more(self) -> None:
        """One job more."""
        new = columns(self.r, 1)
        start = time.perf_counter()
        ids = self.live.add(new)
        self.edit = time.perf_counter() - start
        self.late.append((ids, new))

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
            times.append(world.edit + taken)
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


if __name__ == "__main__":
    parser = Parser(description=__doc__.splitlines()[0])
    parser.add_argument("what", nargs="*", metavar="[shifts] [JOBS] [CLASSES]")
    words = parser.parse_args().what
    large = words[:1] == ["shifts"]
    numbers = words[large:]
    if len(numbers) > 2 or not all(x.isdecimal() and int(x) > 0 for x in numbers):
        parser.error(f"found {' '.join(words)}, needed [shifts] [JOBS] [CLASSES]")
    (shifts if large else main)(*[*map(int, numbers), *[1_000_000, 100][len(numbers) :]])
