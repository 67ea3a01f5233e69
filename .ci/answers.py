"""Digests of answers on fixed data: the same bits from every build, whatever its vectors.

The builds that `make variants` makes have vectors of 16 and 32 bytes, the usual one those of the
machine: kernels of every width read the same costs here. Answers, prices and counts are compared,
seconds are not. `python .ci/answers.py` prints the digests as JSON.
"""

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import scipy.sparse

import gridcompute as gc

FLOATS = (np.float32, np.float64)
INTEGERS = (np.int32, np.int64)


def counts(stats: Any) -> dict[str, Any]:
    """The statistics that do not depend on time."""
    return {k: v for k, v in dict(stats).items() if k != "seconds"}


def transports() -> Iterator[tuple[str, Any]]:
    """Each kind of cost and each way through transport, at widths about those of vectors."""
    for width in (3, 17, 40, 133):
        for kind in (*INTEGERS, *FLOATS):
            r = np.random.default_rng(width)
            cost = r.integers(0, 50 if width == 40 else 10**6, (900, width)).astype(kind)
            if kind in FLOATS:
                cost += r.random(cost.shape).astype(kind)
                cost[r.random(cost.shape) < 0.1] = np.inf
                cost[:, 0] = 2e6
            room = r.multinomial(1100, np.full(width, 1 / width))
            room[0] += 900
            for method in ("auto", "exact"):
                m = gc.transport(cost, room, method=method, threads=1)
                yield f"{np.dtype(kind).name} {width} {method}", m
    r = np.random.default_rng(1)
    cost = r.random((700, 45))
    yield "unplaced", gc.transport(cost, np.full(45, 14), unplaced=0.4, threads=1)
    yield "gangs", gc.transport(cost, np.full(45, 60), demand=r.integers(1, 6, 700), threads=1)
    yield "gap", gc.transport(cost, np.full(45, 16), method="auction", gap=0.01, threads=1)
    kept = scipy.sparse.csr_array(np.where(r.random(cost.shape) < 0.2, cost + 1, 0))
    yield "sparse", gc.transport(kept, np.full(45, 40), unplaced=9.0, threads=1)
    table, coef = r.random((30, 65)), r.random(800) + 0.5
    terms = gc.Terms([(table, r.integers(0, 30, 800), coef), (r.random((1, 65)), None, None)])
    yield "terms", gc.transport(terms, np.full(65, 13), method="exact", threads=1)


def others() -> Iterator[tuple[str, Any]]:
    """Linear assignment, flow, live matching, and a plan."""
    for n, m in ((7, 7), (33, 40), (64, 64), (120, 90), (300, 300)):
        for kind in (*INTEGERS, *FLOATS):
            r = np.random.default_rng(n)
            cost = r.integers(0, 90 if n == 64 else 10**5, (n, m)).astype(kind)
            pairs = gc.linear_sum_assignment(cost)
            a = gc.assignment(cost, threads=1)
            yield f"pairs {np.dtype(kind).name} {n}", [*pairs, a.objective, counts(a.stats)]
    r = np.random.default_rng(3)
    tail, head = r.integers(0, 200, (2, 1500))
    supply = np.zeros(200, np.int64)
    supply[:20], supply[20:40] = 5, -5
    for method in ("network_simplex", "cost_scaling"):
        rate = r.integers(0, 99, 1500)
        f = gc.min_cost_flow(tail, head, np.full(1500, 9), rate, supply, method=method, threads=1)
        yield f"flow {method}", [f.status, f.objective, f.flow, counts(f.stats)]
    live = gc.Matcher(np.full(30, 18), cost=[(r.random((9, 30)), "kind", "work")], unplaced=5.0)
    for k in range(4):
        live.add({"kind": r.integers(0, 9, 120), "work": r.random(120)})
        found = live.match()
        yield f"live {k}", [found.objective, found.bound, found.changes["to_slot"], live.prices]
    plan = gc.match(gc.grid.east_west(n_jobs=300, seed=1), gap=0.5, threads=1)
    yield "plan", [plan.objective_yuan, plan.bound_yuan, plan.assignment, plan.start]


def digest(value: Any) -> str:
    """A hash of the bits of arrays, numbers and texts, in any nesting."""
    h = hashlib.sha256()

    def feed(x: Any) -> None:
        if isinstance(x, np.ndarray):
            h.update(f"{x.dtype}{x.shape}".encode())
            h.update(np.ascontiguousarray(x).tobytes())
        elif isinstance(x, dict):
            for k in sorted(x):
                h.update(k.encode())
                feed(x[k])
        elif isinstance(x, list | tuple):
            for item in x:
                feed(item)
        else:
            h.update(repr(x).encode())

    feed(value)
    return h.hexdigest()[:16]


def answers() -> dict[str, str]:
    """The digest of each answer, by name."""
    out = {}
    for name, m in transports():
        parts = [m.status, m.objective, m.bound, m.assignment, m.prices, counts(m.stats)]
        out[f"transport {name}"] = digest(parts)
    out |= {name: digest(parts) for name, parts in others()}
    return out


if __name__ == "__main__":
    print(json.dumps(answers(), indent=1))
