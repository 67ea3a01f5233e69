"""Rounds of a live world against a cold solve of the same world: ratios within one run.

python benches/bench_matcher.py [JOBS] [CLASSES]
"""

from __future__ import annotations

import resource
import sys
import time
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


if __name__ == "__main__":
    main(*(int(x) for x in [*sys.argv[1:], *["1000000", "100"][len(sys.argv) - 1 :]][:2]))
