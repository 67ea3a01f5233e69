"""How flat each tuned number is: the work at half and at double its default, over that at it.

    python benches/tuning_flatness.py transport | whole_jobs | assignment [--only NAME] [--json OUT]

Work is what the solver counts (`stats["work_units"]`), one thread: the same on every machine,
however busy. The ratio is a geometric mean over the solver's instances, all small; instances on
which it is 1.25 or more, or 0.8 or less, are named, the farthest from 1 first; "same" is not one
unit of difference on any. Objectives are compared. For whole jobs, where no optimum is proved, the
ratio is that of the gaps reached in a fixed number of steps, summed over the instances. What is
printed stands as `measured` in the tables of tuned numbers.

What no count shows, here shows nothing: prefetches, chunks, when a thread is woken, what a time
limit has in reserve, and the methods that serve `linear_sum_assignment` alone.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import gridcompute as gc
from gridcompute import _core

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "tests")]
import transport_instances as jobs  # noqa: E402

# Gives the work that was counted, or the gap that was reached, and the objective.
Run = Callable[[], tuple[float, Any]]

Found = dict[str, tuple[float, Any]]  # of each instance
NAMED = 1.25  # instances that differ by more are named


def room_for(r: np.random.Generator, n: int, s: int, spare: float = 1.05) -> Any:
    """Random capacities with some room to spare."""
    return r.multinomial(int(spare * n) + s, r.dirichlet(np.full(s, 3.0))).astype(np.int64)


def transport_instances() -> dict[str, Run]:
    """Each way through the solver, small: 100 to 2,000 jobs, in memory and as large ones are."""
    out: dict[str, Run] = {}

    def add(name: str, cost: Any, room: Any, **options: Any) -> None:
        def run() -> tuple[float, Any]:
            m = gc.transport(cost, room, threads=1, **options)
            return m.stats["work_units"], m.objective

        out[name] = run

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
    add("no plan", np.where(r.random((800, 8)) < 0.5, np.inf, 1.0), [150, 0, 150, 0, 0, 0, 0, 0])
    return out


def whole_job_instances() -> dict[str, Run]:
    """Jobs of demand 1 to 8 and 1 to 100, with little or no spare capacity; each gives its gap."""
    out: dict[str, Run] = {}
    sizes = [(n, s, top) for n, s in ((20, 4), (40, 5), (80, 8)) for top in (8, 100)]
    for seed, (n, s, top, spare) in enumerate((*z, w) for z in sizes for w in (1.0, 1.05)):
        r = np.random.default_rng(seed)
        demand = r.integers(1, top + 1, n)
        cost = r.integers(10, 100, (n, s)) * (1 if seed % 2 else demand[:, None])
        room = np.ceil(spare * np.bincount(r.integers(0, s, n), demand, s)).astype(np.int64)

        def run(cost: Any = cost, room: Any = room, demand: Any = demand) -> tuple[float, Any]:
            m = gc.transport(cost, room, demand=demand, threads=1)
            return (m.gap if math.isfinite(m.gap) else 1.0), None

        out[f"{n} x {s}, 1..{top}, {spare}"] = run
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


INSTANCES = {
    "transport": transport_instances,
    "whole_jobs": whole_job_instances,
    "assignment": assignment_instances,
}


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


def ratios(found: Found, base: Found) -> str:
    """The work, or the gap, over that at the default, and the instances that differ most."""
    for name, (_, value) in found.items():
        same = "gap" in name or "auction" in name or value == base[name][1]
        same = same or np.isclose(value, base[name][1], rtol=1e-9)
        assert same, f"{name}: {value!r}, {base[name][1]!r} at the default"
    ratio = {name: (x + 1e-12) / (base[name][0] + 1e-12) for name, (x, _) in found.items()}
    if all(x == 1 for x in ratio.values()):
        return "same"
    far = sorted(ratio, key=lambda k: -abs(math.log(ratio[k])))[:2]
    named = ", ".join(
        f"{ratio[k]:.2g} on {k}" for k in far if ratio[k] >= NAMED or ratio[k] <= 1 / NAMED
    )
    mean = math.exp(sum(map(math.log, ratio.values())) / len(ratio))
    return f"{mean:.2f}" + (f" ({named})" if named else "")


def measure(solver: str, only: str) -> dict[str, str]:
    """What was measured of each number, as its table has it."""
    runs = INSTANCES[solver]()
    base = {name: run() for name, run in runs.items()}
    assert base == {name: run() for name, run in runs.items()}, "counts differ from run to run"
    print(f"{len(runs)} instances")
    out = {}
    for line in _core.tuning_table(solver):
        if only not in line["name"]:
            continue
        texts = []
        for side, value in others_of(solver, line).items():
            _core.set_tuning(solver, {line["name"]: value})
            try:
                found = {name: run() for name, run in runs.items()}
                if solver == "whole_jobs":
                    total, usual = (sum(x for x, _ in f.values()) for f in (found, base))
                    texts.append(f"{side} {total / usual:.2f}")
                else:
                    texts.append(f"{side} {ratios(found, base)}")
            except (gc.GridComputeError, AssertionError) as error:
                print(line["name"], side, value, "FAILED", repr(error)[:300])
            finally:
                _core.set_tuning(solver, {})
        out[line["name"]] = ", ".join(texts)
        print(f"{line['name']:32s} {out[line['name']]}", flush=True)
    return out


if __name__ == "__main__":
    p = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    p.add_argument("solver", choices=sorted(INSTANCES))
    p.add_argument("--only", default="", help="numbers whose names contain this")
    p.add_argument("--json", type=Path, default=None)
    a = p.parse_args()
    measured = measure(a.solver, a.only)
    if a.json is not None:
        a.json.write_text(json.dumps(measured, indent=1) + "\n")
