"""Rounds of a live world against a cold solve of the same world: ratios within one run.

python benches/bench_matcher.py [JOBS] [CLASSES]
python benches/bench_matcher.py soak [ROUNDS] [JOBS]    10000 rounds, 50000 jobs by default
"""

from __future__ import annotations

import gc
import resource
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from gridcompute import Matcher, Terms, transport


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


def main(n: int, s: int) -> None:
    """One table: what changed, seconds, how many times faster than cold."""
    r = np.random.default_rng(1)
    speed = r.uniform(0.2, 1.0, (8, s))
    price = r.uniform(2.0, 10.0, s) / speed
    wait = 0.3 * ((r.integers(0, 24, s)[None] - np.arange(24)[:, None]) % 24).astype(float)
    terms = [(price, "family", "work"), (2 / speed, "family", "slow"), (wait, "arrival", "value")]
    capacity = r.multinomial(int(n / 0.9), r.dirichlet(np.full(s, 2.0)))
    world = Matcher(capacity, cost=terms, unplaced=1e5)
    jobs = columns(r, n)
    ids = world.add(jobs)
    cost = Terms([(t, jobs[k], jobs[c]) for t, k, c in terms])
    start = time.perf_counter()
    cold = transport(cost, capacity, unplaced=1e5)
    cold_seconds = time.perf_counter() - start
    start = time.perf_counter()
    first = world.match()
    print(f"{n} x {s}: cold {cold_seconds:.3f} s, first round {time.perf_counter() - start:.3f} s")
    assert abs(first.objective - cold.objective) <= 1e-9 * abs(cold.objective)
    for share in (0.01, 0.0001, 0.0):
        count = max(1, int(n * share))
        taken = []
        for _ in range(3 if share else 20):
            if share:
                gone = r.choice(len(ids), count, replace=False)
                world.remove(ids[gone])
                ids[gone] = world.add(columns(r, count))
            else:
                ids = np.append(ids, world.add(columns(r, 1)))
            start = time.perf_counter()
            m = world.match()
            taken.append(time.perf_counter() - start)
        now = float(np.median(taken))
        what = f"{share:.2%} replaced" if share else "one job added"
        keys = ("augmentations", "rows", "steps", "relisted", "widened")
        done = ", ".join(f"{m.stats[key]} {key}" for key in keys)
        print(f"{what}: {now * 1e3:.3f} ms, {cold_seconds / now:.0f}x, {m.stats['why']}, {done}")
    assert m.verify().valid
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GB")


def resident() -> float:
    """Memory of this process now, MB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20


def soak(rounds: int, n: int) -> None:
    """Mixed changes round after round: a cold solve and a certificate every 100th, and the memory.

    Jobs come, go and change, classes gain and lose slots, a tariff changes now and then. Memory is
    read after a fifth of the rounds and at the end.
    """
    r = np.random.default_rng(2)
    classes = 100
    table = r.random((64, classes)) * 10
    room = np.full(classes, n // classes)
    world = Matcher(room, cost=[(table, "k", "w")], unplaced=40.0)
    jobs = {"k": r.integers(0, 64, n), "w": r.random(n) * 5}
    row = {int(i): k for k, i in enumerate(world.add(jobs))}  # id -> row of jobs
    taken, warm, idle = [], 0.0, 0
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
        taken.append(time.perf_counter() - start)
        if turn % 100 == 0:
            assert m.verify().valid
            cold = transport(Terms([(table, jobs["k"], jobs["w"])]), room, unplaced=40.0)
            assert abs(m.objective - cold.objective) <= 1e-9 * abs(cold.objective)
            idle += len(world.match().changes["id"])
        if turn == rounds // 5:
            gc.collect()
            warm = resident()
    gc.collect()
    assert idle == 0
    low, mid, high = np.quantile(taken, [0.05, 0.5, 0.95]) * 1e3
    print(f"{rounds} rounds on {n} jobs x {classes}: equal to cold, certified, nothing moved idly")
    print(f"a round {low:.2f} / {mid:.2f} / {high:.2f} ms (5, 50, 95 %)")
    print(f"memory {warm:.0f} MB after a fifth, {resident():.0f} MB at the end")


if __name__ == "__main__":
    if sys.argv[1:2] == ["soak"]:
        soak(*(int(x) for x in [*sys.argv[2:], *["10000", "50000"][len(sys.argv) - 2 :]][:2]))
    else:
        main(*(int(x) for x in [*sys.argv[1:], *["1000000", "100"][len(sys.argv) - 1 :]][:2]))
