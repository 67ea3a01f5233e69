"""How flat each tuned number is: the work at half and at double its default, over that at it.

    python benches/tuning_flatness.py transport | pairs | ... [--only NAME] [--json OUT] [--write]

Work is what the solver counts (`stats["work_units"]`), one thread: the same on every machine,
however busy. The ratio is a geometric mean over the solver's instances, all small; instances on
which it is 1.25 or more, or 0.8 or less, are named, the farthest from 1 first. Where work is the
same to the unit on all of them, the ratio is that of processor times, the least of several runs
that alternate with runs at the default. Objectives are compared. Where no optimum is proved, the
ratio is that of what was reached: gaps of whole jobs in a fixed number of steps and of gangs, each
with 5e-4 added, costs of plans, devices that a packer left idle. `--write` puts what was found into
tuning_measured.json, which the documentation shows beside the tables. What was written for numbers
that no longer exist goes; what was found of others stays.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import gridcompute as gc
from gridcompute import _core

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "tests")]
import transport_instances as jobs  # noqa: E402
from published import Parser  # noqa: E402

# Gives the work that was counted, or the gap that was reached, and the objective.
Run = Callable[[], tuple[float, Any]]

Found = dict[str, tuple[float, Any]]  # of each instance
RECORD = HERE / "tuning_measured.json"  # solver -> number -> what was measured
NAMED = 1.25  # instances that differ by more are named
LEAST_REACHED = 5e-4  # added to gaps, so that those near 0 count for little
LEAST = 0.004  # seconds: shorter runs are repeated to be timed


def room_for(r: np.random.Generator, n: int, s: int, spare: float = 1.05) -> Any:
    """Random capacities with some room to spare."""
    return r.multinomial(int(spare * n) + s, r.dirichlet(np.full(s, 3.0))).astype(np.int64)


def transport_instances() -> dict[str, Run]:
    """Each way through the solver, small: most of 100 to 3,000 jobs, in memory and as if large."""
    out: dict[str, Run] = {}

    def add(name: str, cost: Any, room: Any, **options: Any) -> None:
        def run() -> tuple[float, Any]:
            m = gc.transport(cost, room, threads=1, **options)
            return m.stats["work_units"], m.objective

        out[name] = run

    add("structured 24,000 x 40", *jobs.structured(24_000, 40, 1))
    add("uniform 6,000 x 320", *jobs.uniform(6_000, 320, 1), method="exact")
    for kind in ("structured", "uniform", "ties", "skewed", "sparse"):
        cost, room = jobs.FAMILIES[kind](1500, 24, 1)
        add(f"{kind} in memory", cost, room)
        add(kind, cost, room, method="exact")
    cost, room = jobs.structured(2000, 40, 1)
    add("gap of 1 %", cost, room, gap=0.01, method="exact")
    add("auction", cost, room, method="auction")
    add("reals", cost * np.pi, room, method="exact")
    add("reals in memory", cost * np.pi, room)
    add("100 jobs", *jobs.structured(100, 10, 1))
    r = np.random.default_rng(1)
    cost = r.integers(0, 10_000, (1500, 40), dtype=np.int32)
    room = room_for(r, 1500, 40)
    add("unplaced", cost, room // 2, unplaced=np.full(1500, 5000), method="exact")
    first = gc.transport(cost, room, threads=1)
    changed = cost + r.integers(0, 30, cost.shape, dtype=np.int32)
    for method in ("exact", "auto"):
        add(f"start prices, {method}", changed, room, prices=first.prices, method=method)
        add(f"poor start, {method}", changed, room[::-1], prices=first.prices, method=method)
    digits = r.random((600, 20)) * 10.0 ** r.integers(0, 12, (600, 1))
    add("many digits", digits, room_for(r, 600, 20))
    add("few a class", r.integers(0, 100_000, (600, 512), dtype=np.int32), np.full(512, 2))
    add(
        "3 a class",
        r.integers(0, 100_000, (1700, 560), dtype=np.int32),
        np.full(560, 4),
        method="exact",
    )
    a, b = r.random((1200, 2)), r.random((40, 2))
    points = 1e6 * np.hypot(a[:, :1] - b[:, 0], a[:, 1:] - b[:, 1])
    add("points", points, np.full(40, 31), method="exact")
    few = r.integers(0, 8000, (1200, 8), dtype=np.int32)
    copies = np.ascontiguousarray(few[:, r.integers(0, 8, 32)])
    add("copied classes", copies, room_for(r, 1200, 32), method="exact")
    kinds = r.integers(0, 8000, (60, 24), dtype=np.int32)
    add("copied jobs", np.ascontiguousarray(kinds[r.integers(0, 60, 1500)]), room_for(r, 1500, 24))
    parts, room = jobs.day(1500, 24, 1)
    add("terms", gc.Terms(parts), room, method="exact")
    cost = (jobs.structured(1200, 16, 1)[0] // 3000).astype(np.int32)
    add("coarse", cost, room_for(r, 1200, 16), method="exact")
    demand = r.integers(1, 9, 600)
    few = r.integers(10, 100, (600, 16)) * demand[:, None]
    room = room_for(r, int(demand.sum()), 16)
    add("gap of jobs with demand", few, room, demand=demand, gap=0.01)
    add("no plan", np.where(r.random((800, 8)) < 0.5, np.inf, 1.0), [150, 0, 150, 0, 0, 0, 0, 0])
    return out


def whole_job_instances() -> dict[str, Run]:
    """Jobs of demand 1 to 8 and 1 to 100, with little or no spare capacity; each gives its gap."""
    out: dict[str, Run] = {}
    sizes = [(n, s, top) for n, s in ((20, 4), (40, 5), (80, 8), (400, 12)) for top in (8, 100)]
    cases = [(*z, w, k) for k in range(3) for z in sizes for w in (1.01, 1.05)]
    for seed, (n, s, top, spare, again) in enumerate([*cases, (2000, 70, 8, 1.01, 0)]):
        r = np.random.default_rng(seed)
        demand = r.integers(1, top + 1, n)
        cost = r.integers(10, 100, (n, s)) * (1 if seed % 2 else demand[:, None])
        room = np.ceil(spare * np.bincount(r.integers(0, s, n), demand, s)).astype(np.int64)

        def run(cost: Any = cost, room: Any = room, demand: Any = demand) -> tuple[float, Any]:
            m = gc.transport(cost, room, demand=demand, threads=1)
            return (m.gap if math.isfinite(m.gap) else 1.0), None

        out[f"{n} x {s}, 1..{top}, {spare}, {again}"] = run
    return out


def assignment_instances() -> dict[str, Run]:
    """The families of the bench, 200 to 750 rows, and sparse ones."""
    from ablation import due_dates, penalties
    from bench_assignment import FAMILIES

    from assignment_instances import CLASSES

    out: dict[str, Run] = {}

    def add(name: str, cost: Any) -> None:
        def run() -> tuple[float, Any]:
            a = gc.assignment(cost, threads=1)
            return a.stats["work_units"], a.objective

        out[name] = run

    for name in CLASSES:
        add(f"{name} 200", CLASSES[name](200, 1))
    for name in ("uniform", "geometric", "offsets"):
        add(f"{name} 750", CLASSES[name](750, 1))
    for name in FAMILIES:
        add(f"{name} 250", FAMILIES[name](250, 1))
    r = np.random.default_rng(1)
    add("uniform 60", CLASSES["uniform"](60, 1))
    add("wide 60 x 1000", r.integers(0, 10**6, (60, 1000)))
    add("wide 10 x 2000", r.integers(0, 10**6, (10, 2000)))
    add("tall 1000 x 100", r.random((1000, 100)))
    add("due dates", due_dates(200))
    for share in (0.01, 0.3):
        add(f"penalties {share:g}", penalties(share, 10**14)[:250, :250])
        add(f"penalties {share:g}, reals", penalties(share, 1e30)[:250, :250])
    add("scales of rows", r.random((250, 250)) * 10.0 ** r.integers(-9, 9, (250, 1)))
    add("long tail, reals", r.random((250, 250)) ** 8 * 1e12)
    for degree, top in ((4, 10**6), (10, 10**6), (10, 20), (50, 10**4)):
        add(f"sparse {degree} a row to {top}", sparse(500, degree, top))
        add(f"sparse {degree} a row to {top}, reals", sparse(500, degree, top) * 0.37)
    return out


def sparse(n: int, degree: int, largest: int) -> Any:
    """A sparse square matrix that has a perfect matching."""
    from scipy.sparse import coo_array

    r = np.random.default_rng(1)
    rows = np.r_[np.repeat(np.arange(n), degree - 1), np.arange(n)]
    cols = np.r_[r.integers(0, n, n * (degree - 1)), r.permutation(n)]
    _, first = np.unique(rows * n + cols, return_index=True)
    values = r.integers(1, largest, len(first))
    return coo_array((values, (rows[first], cols[first])), shape=(n, n)).tocsr()


def pair_instances() -> dict[str, Run]:
    """Pairs without duals, which count no work: small, in place, in batches, and as others are."""
    from bench_assignment import FAMILIES

    from assignment_instances import CLASSES

    out: dict[str, Run] = {}

    def add(name: str, cost: Any) -> None:
        def run() -> tuple[float, Any]:
            rows, cols = gc.linear_sum_assignment(cost)
            return 1.0, float(cost[rows, cols].sum())

        out[name] = run

    r = np.random.default_rng(1)
    for n in (4, 16, 60, 250):
        add(f"integers {n}", CLASSES["uniform"](n, 1))
        add(f"reals {n}", r.random((n, n)))
    for name in CLASSES:
        add(f"{name} 200", CLASSES[name](200, 1))
    for name in FAMILIES:
        add(f"{name} 250", np.asarray(FAMILIES[name](250, 1)))
    for n in (500, 800):
        add(f"reals {n}", r.random((n, n)))
        add(f"products {n}", np.outer(r.random(n), r.random(n)))
        add(f"small reals {n}", r.integers(0, 40, (n, n)) / 4)
    add("wide 30 x 500", r.random((30, 500)))
    add("tall 500 x 30", r.integers(0, 1000, (500, 30)))
    big = r.integers(0, 1000, (300, 300)).astype(float)
    add("forbidden by 1e9", np.where(r.random(big.shape) < 0.03, big, 1e9))
    add("forbidden", np.where((r.random(big.shape) < 0.05) | np.eye(300, dtype=bool), big, np.inf))
    add("long tail", r.random((200, 200)) ** 8 * 1e12)
    add("span of 1e18", r.random((200, 200)) * 10.0 ** r.integers(0, 18, (200, 200)))
    batch = r.random((64, 12, 12))

    def many() -> tuple[float, Any]:
        rows, cols = gc.linear_sum_assignment_batch(batch)
        return 1.0, float(sum(m[i, j].sum() for m, i, j in zip(batch, rows, cols, strict=True)))

    out["batch of 64 of 12"] = many
    return out


def cost_instances() -> dict[str, Run]:
    """Costs whose columns are equal, or some, or none: matrices, tables and lists."""
    from scipy.sparse import coo_array

    out: dict[str, Run] = {}

    def add(name: str, cost: Any, room: Any) -> None:
        def run() -> tuple[float, Any]:
            m = gc.transport(cost, room, threads=1, method="exact")
            return m.stats["work_units"], m.objective

        out[name] = run

    r = np.random.default_rng(1)
    n = 3000
    few = r.integers(0, 8000, (n, 8), dtype=np.int32)
    room = room_for(r, n, 64)
    add("8 of 64 columns", np.ascontiguousarray(few[:, r.integers(0, 8, 64)]), room)
    add("none of 64 columns", r.integers(0, 8000, (n, 64), dtype=np.int32), room)
    add("64 columns of 0 to 3", r.integers(0, 4, (n, 64), dtype=np.int32), room)
    late = np.repeat(r.integers(0, 8000, (n, 1), dtype=np.int32), 64, 1)
    late[n // 2] = np.arange(64)
    add("64 columns, equal but in one row", late, room)
    parts, room = jobs.day(n, 64, 1)
    add("terms", gc.Terms(parts), room)
    for name, values in (("lists", 8000), ("lists of 0 to 3", 4)):
        dense = np.where(r.random((n, 64)) < 0.2, r.integers(1, values, (n, 64)), 0)
        dense[:, 0] = values
        add(name, coo_array(dense).tocsr(), np.full(64, n))
    return out


def plan_instances() -> dict[str, Run]:
    """Days of 60 and 120 jobs; each gives the cost of its plan."""
    from gridcompute import grid

    out: dict[str, Run] = {}
    for n, seed in ((60, 0), (60, 1), (120, 1)):
        problem = grid.east_west(n_jobs=n, seed=seed)

        def run(problem: Any = problem) -> tuple[float, Any]:
            return gc.match(problem, threads=1).objective_yuan, None

        out[f"{n} jobs, seed {seed}"] = run
    return out


def packing_instances() -> dict[str, Run]:
    """The published cluster of benches/packing_table.py; each gives the devices left idle."""
    from packing_data import Race

    out: dict[str, Run] = {}
    for workload in ("default", "multigpu20", "gpuspec33"):
        race = Race(workload, 42)
        for moves in (0, 5) if workload == "default" else (0,):

            def run(race: Any = race, moves: int = moves) -> tuple[float, Any]:
                packer = race.packer("price")
                placed = [packer.place(race.rows(k, k + 50), moves=moves).node >= 0
                          for k in range(0, len(race.milli), 50)]  # fmt: skip
                used = race.milli[np.concatenate(placed)].sum()
                return float(race.capacity - used), None

            out[f"{workload}, {moves} moves"] = run
    return out


def gang_instances() -> dict[str, Run]:
    """Worlds of gangs with and without queues, six rounds each; each gives the sum of its gaps."""
    out: dict[str, Run] = {}
    for n, classes, queued in (
        (400, 9, True),
        (400, 9, False),
        (3000, 40, True),
        (60_000, 40, False),
    ):
        r = np.random.default_rng(n)
        table = r.uniform(1, 5, (6, classes))
        jobs = {
            "k": r.integers(0, 6, 2 * n), "w": r.random(2 * n), "u": r.lognormal(1, 1, 2 * n),
            "d": r.choice([1, 2, 4, 8], 2 * n), "q": r.integers(0, 4, 2 * n),
            "p": r.integers(0, 3, 2 * n), "e": r.random(2 * n) < 0.7,
        }  # fmt: skip
        room = room_for(r, int(0.7 * jobs["d"][:n].sum()), classes)
        limit = np.full(4, int(0.3 * room.sum()))

        def run(
            n: int = n, table: Any = table, jobs: Any = jobs, room: Any = room, limit: Any = limit,
            queued: bool = queued,
        ) -> tuple[float, Any]:  # fmt: skip
            rules: dict[str, Any] = {"demand": "d"}
            if queued:
                queues = gc.fair.Queues(name=list("abcd"), guarantee=limit // 2, limit=limit)
                rules |= {"queues": queues, "queue": "q", "priority": "p", "preemptible": "e"}
            world = gc.Matcher(room, cost=[(table, "k", "w")], unplaced="u", threads=1, **rules)
            gaps, at = 0.0, 0
            for turn in range(6):
                more = n if turn == 0 else n // 50
                columns = "kwudqpe" if queued else "kwud"
                ids = world.add({c: jobs[c][at : at + more] for c in columns})
                at += more
                m = world.match()
                gaps += (m.objective - m.bound) / abs(m.objective)
                world.remove(ids[: n // 50])
            return gaps, None

        out[f"{n:,} x {classes}" + (", 4 queues" if queued else "")] = run
    return out


def live_instances() -> dict[str, Run]:
    """Worlds with few classes and with many: rounds after changes of jobs, prices, capacities."""
    out: dict[str, Run] = {}
    for n, classes in ((10_000, 60), (3000, 300)):
        r = np.random.default_rng(n)
        table = r.uniform(1, 5, (6, classes))
        room = room_for(r, n, classes)
        jobs = {"k": r.integers(0, 6, 2 * n), "w": r.lognormal(0, 1, 2 * n)}
        moves = [(r.integers(classes), r.uniform(0.8, 1.25), r.permutation(n)) for _ in range(12)]

        def run(
            n: int = n, table: Any = table, room: Any = room, jobs: Any = jobs, moves: Any = moves
        ) -> tuple[float, Any]:
            world = gc.Matcher(room, cost=[(table, "k", "w")], unplaced=1e3, threads=1)
            ids = world.add({c: jobs[c][:n] for c in jobs})
            total, work, at, prices = world.match().objective, 0.0, n, table.copy()
            for turn, (s, factor, order) in enumerate(moves):
                gone = order[: n // 200]
                world.remove(ids[gone])
                ids[gone] = world.add({c: jobs[c][at : at + len(gone)] for c in jobs})
                at += len(gone)
                if turn % 4 == 1:
                    prices[:, s] *= factor
                    world.set_table(0, prices)
                if turn % 4 == 3:
                    world.set_capacity([s], [int(room[s] * 0.9)])
                m = world.match()
                total += m.objective
                work += m.stats["work_units"]
            return work, total

        out[f"{n:,} x {classes}"] = run
    return out


def flow_instances() -> dict[str, Run]:
    """Layered and random networks, and the smallest of the packaged ones."""
    from ablation import layered

    from gridcompute.bench import INSTANCES

    out: dict[str, Run] = {}

    def add(name: str, *problem: Any) -> None:
        def run() -> tuple[float, Any]:
            f = gc.min_cost_flow(*problem, threads=1)
            return f.stats["work_units"], f.objective

        out[name] = run

    (small,) = (i.problem() for i in INSTANCES if i.name == "flow-1e3")
    add("flow-1e3", *(small[k] for k in ("tail", "head", "capacity", "cost", "supply")))
    for degree in (3, 12):
        add(f"layers of degree {degree}", *layered(20, 50, degree, 200, 1000))
    r = np.random.default_rng(1)
    for n, m, largest in ((500, 2000, 1000), (500, 20_000, 1000), (2000, 12_000, 20)):
        supply = np.zeros(n, np.int64)
        supply[: n // 4], supply[-(n // 4) :] = 5, -5
        ring = np.arange(n)
        tail, head = np.r_[ring, r.integers(0, n, m)], np.r_[(ring + 1) % n, r.integers(0, n, m)]
        cost = np.r_[np.full(n, 10**4), r.integers(0, largest, m)]
        capacity = np.r_[np.full(n, 10**6), r.integers(1, 20, m)]
        add(f"random, {n} nodes, {m} arcs", tail, head, capacity, cost, supply)
    return out


# Of each set: the table, and the instances.
SETS: dict[str, tuple[str, Callable[[], dict[str, Run]]]] = {
    "transport": ("transport", transport_instances),
    "cost": ("cost", cost_instances),
    "whole_jobs": ("whole_jobs", whole_job_instances),
    "assignment": ("assignment", assignment_instances),
    "pairs": ("assignment", pair_instances),
    "flow": ("flow", flow_instances),
    "packing": ("packing", packing_instances),
    "plan": ("plan", plan_instances),
    "gangs": ("gangs", gang_instances),
    "live": ("live", live_instances),
}
# What an instance gives where it is no count of work.
REACHED = {"whole_jobs": "gap", "packing": "placements", "plan": "cost", "gangs": "gap"}


def others_of(solver: str, line: dict[str, Any]) -> dict[str, float]:
    """Half and double the default, within the range and whole where it must be, if they differ."""
    out: dict[str, float] = {}
    for side, factor in (("half", 0.5), ("double", 2.0)):
        near = min(max(line["default"] * factor, line["low"]), line["high"])
        try:
            _core.set_tuning(solver, {line["name"]: near})
        except gc.InvalidProblemError:
            near = max(round(near), math.ceil(line["low"]))
        if near != line["default"]:
            out[side] = near
    _core.set_tuning(solver, {})
    return out


def mean_of(ratio: dict[str, float], named: bool = True) -> str:
    """The geometric mean of the instances' ratios, and those instances that are farthest from 1."""
    mean = math.exp(sum(map(math.log, ratio.values())) / len(ratio))
    if not named:
        return f"{mean:.3f}"
    far = sorted(ratio, key=lambda k: -abs(math.log(ratio[k])))[:2]
    far = [k for k in far if ratio[k] >= NAMED or ratio[k] <= 1 / NAMED]
    text = ", ".join(f"{ratio[k]:.2g} on {k}" for k in far)
    return f"{mean:.2f}" + (f" ({text})" if far else "")


def require_same_optima(found: Found, base: Found) -> None:
    """Compare objectives, but of any-time methods."""
    for name, (_, value) in found.items():
        same = "gap" in name or "auction" in name or value == base[name][1]
        same = same or np.isclose(value, base[name][1], rtol=1e-9)
        assert same, f"{name}: {value!r}, {base[name][1]!r} at the default"


def cpu_seconds(run: Run) -> float:
    """Processor time of one run; short runs are repeated."""
    begun, times = time.process_time(), 0
    while times == 0 or time.process_time() - begun < LEAST:
        run()
        times += 1
    return (time.process_time() - begun) / times


def times_of(
    table: str, name: str, values: dict[str, float], runs: dict[str, Run], repeat: int
) -> dict[str, str]:
    """The least processor times at other values over those at the default, in alternate runs."""
    ratio: dict[str, dict[str, float]] = {side: {} for side in values}
    for instance, run in runs.items():
        least = dict.fromkeys(("default", *values), math.inf)
        for _ in range(repeat):
            for side in least:
                _core.set_tuning(table, {name: values[side]} if side in values else {})
                least[side] = min(least[side], cpu_seconds(run))
        for side in values:
            ratio[side][instance] = least[side] / least["default"]
    _core.set_tuning(table, {})
    return {side: mean_of(ratio[side]) for side in values}


def told(texts: dict[str, str]) -> str:
    """Half and double in one phrase."""
    if len(texts) == 2 and len(set(texts.values())) == 1:
        return f"half and double {texts['half']}"
    return ", ".join(f"{side} {text}" for side, text in texts.items())


def measure(name: str, only: str, repeat: int, again: bool) -> dict[str, str]:
    """What was measured of each number of which nothing is on record, or of all."""
    table, instances = SETS[name]
    known = json.loads(RECORD.read_text())[table]
    runs = instances()
    base = {k: run() for k, run in runs.items()}
    assert base == {k: run() for k, run in runs.items()}, "counts differ from run to run"
    print(f"{len(runs)} instances")
    out = {}
    for line in _core.tuning_table(table):
        if not re.search(only, line["name"]) or (line["name"] in known and not again):
            continue
        values = others_of(table, line)
        texts = {}
        for side, value in values.items():
            _core.set_tuning(table, {line["name"]: value})
            try:
                found = {k: run() for k, run in runs.items()}
            finally:
                _core.set_tuning(table, {})
            require_same_optima(found, base)
            least = LEAST_REACHED if name in REACHED else 0.0
            ratio = {k: (x + least) / (base[k][0] + least) for k, (x, _) in found.items()}
            texts[side] = "same" if found == base else mean_of(ratio, name not in REACHED)
        text = told(texts)
        if set(texts.values()) == {"same"} and repeat:
            times = told(times_of(table, line["name"], values, runs, repeat))
            text = (
                f"time: {times}"
                if name == "pairs"
                else f"same {REACHED.get(name, 'work')}; time: {times}"
            )
        out[line["name"]] = text
        print(f"{line['name']:32s} {text}", flush=True)
    return out


def write(table: str, found: dict[str, str]) -> None:
    """Put texts into the record of a solver; those of numbers that it no longer has go."""
    record = json.loads(RECORD.read_text())
    texts = record[table] | found
    names = (line["name"] for line in _core.tuning_table(table))
    record[table] = {name: texts[name] for name in names if name in texts}
    RECORD.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    p = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("set", choices=sorted(SETS))
    p.add_argument("--only", default="", help="numbers whose names match this expression")
    p.add_argument("--again", action="store_true", help="those of which something is on record too")
    p.add_argument("--repeat", type=int, default=5, help="runs that times are the least of")
    p.add_argument("--json", type=Path, default=None)
    p.add_argument("--write", action="store_true", help="put what was found into the record")
    a = p.parse_args()
    measured = measure(a.set, a.only, a.repeat, a.again)
    if a.json is not None:
        a.json.write_text(json.dumps(measured, indent=1) + "\n")
    if a.write:
        write(SETS[a.set][0], measured)
