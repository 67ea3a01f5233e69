"""The edge grid of what is built on the solvers: packing, shares, replays, shards, gangs, the grid.

Run and judged as `edge_cases.py` says.
"""

import math
import sys

import numpy as np

import gridcompute as gc
from edge_cases import (
    ROOM,
    SMALL,
    STATUSES,
    THREADS,
    UNPLACED,
    VALUES,
    Grid,
    Refused,
    endings,
    main,
    matrix,
    room,
    run,
    seeded,
)
from gridcompute import traces
from gridcompute.testing import grid_problem

GRID = Grid()


@GRID.product(
    n=(1, 2, 3, 64, 129),
    pods=(0, 1, 2, 3, 65, 300),
    policy=("price", "price", "best_fit", "fgd", "dot_product", "packing", "clustering"),
)
def packing(r, n, pods, policy):
    """Clusters of 1 to 129 nodes, pods of any shape: placed, explained, bounded, released."""
    nodes = {
        "cpu_milli": r.choice([0, 1, 4000, 64_000, 2**31 - 1], n),
        "memory_mib": r.choice([0, 1, 65_536, 2**31 - 1], n),
        "gpu": np.append(r.integers(0, 9, n - 1), 1 + r.integers(0, 8)),  # a bound needs one
        "model": r.choice(["T4", "V100"], n).tolist(),
    }
    gpus = r.choice([0, 1, 1, 1, 2, 4, 8], pods)
    table = {
        "cpu_milli": r.choice([0, 1, 500, 9000, 64_000], pods),
        "memory_mib": r.choice([0, 1, 8192, 65_536], pods),
        "num_gpu": gpus,
        "gpu_milli": np.where(
            gpus == 1, r.choice([1, 190, 500, 501, 999, 1000], pods), 1000 * (gpus > 0)
        ),
        "gpu_spec": r.choice(["", "", "T4", "V100|T4", "A100"], pods).tolist(),
    }
    threads = THREADS[r.integers(len(THREADS))]
    packer = gc.pack.Packer(nodes, mix=table, policy=policy, threads=threads)
    moves = int(r.integers(0, 5)) if policy == "price" else 0
    placed = packer.place(table, moves=moves)
    free = packer.free
    assert min(free["cpu_milli"], default=0) >= 0
    assert min(free["memory_mib"], default=0) >= 0
    assert packer.layouts_valid()
    on = placed.node >= 0
    used = np.bincount(placed.node[on], table["cpu_milli"][on], n)
    assert (used == nodes["cpu_milli"] - free["cpu_milli"]).all()
    for served in (None, 0.0, 0.5, 1.0):
        bound = packer.bound(table, served=served)
        assert bound.verify().valid, bound.verify().reasons
    for k in placed.ids[:3].tolist():
        assert str(packer.explain(k))
    packer.release(placed.ids[on])
    assert (packer.free["cpu_milli"] == nodes["cpu_milli"]).all()
    assert (packer.free["memory_mib"] == nodes["memory_mib"]).all()


@GRID.product(n=(0, 1, 2, 3, 64, 129, 300), trees=(False, True), number=range(16))
def division(r, n, trees, number):
    """Numbers from subnormal to huge, no queue to 300, trees of any depth."""
    amounts, odd = (0.0, 1.0, 3.0, 0.1, 5e-324, 1e-200, 1e15 + 0.5, 1e300, 2.0**600), number % 2
    some = r.choice(amounts, (3, n)) if odd else r.integers(0, 9, (3, n)) / 2
    total = float(r.choice(amounts)) if odd else float(r.integers(0, 4 * n + 2))
    limit = np.where(r.random(n) < 0.3, some[2], math.inf)
    parent = np.array([r.integers(-1, k) if k else -1 for k in range(n)], np.int64)
    shares = gc.fair.divide(
        total,
        guarantee=some[0],
        request=some[1],
        weight=r.integers(0, 4, n),
        limit=limit,
        priority=r.integers(0, 3, n),
        parent=parent if trees else None,
    )
    assert shares.share.shape == (n,)
    assert not np.isnan(shares.share).any(), shares.share
    assert (shares.share >= 0).all(), shares.share
    assert (shares.share <= limit).all(), "a limit is exceeded"


@GRID.product(n=(0, 1, 2, 3, 64, 129), s=(0, 1, 2, 3, 65), kind=(*ROOM, "enough", "short"))
def leximin(r, n, s, kind):
    """Tenants and classes from none to 129, rooms from none to endless."""
    request = r.choice([0, 1, 2, 7, 1000], n)
    eligible = r.random((n, s)) < r.choice([0.0, 0.3, 1.0])
    capacity = room(kind, n, s, int(request.sum()), r) // 4  # 2**60 in all at most
    weight = r.choice([1, 1, 2, 3], n)
    shares = gc.fair.leximin(eligible, capacity, request, weight=weight)
    assert shares.verify().valid, shares.verify()


@GRID.product(
    n=(0, 1, 2, 3, 64, 129),
    policy=("fifo", "arrival", "gaia", "threshold", "book", "rolling", "hindsight"),
    slots=(None, 1, 40),
    pieces=(False, True),
)
def timeshift(r, n, policy, slots, pieces):
    """Jobs from none to 129 that fit, hardly fit or exceed the slots, under every policy."""
    hours = 24 * 8
    actual = r.choice([0.0, 1.0, 1e-300, 1e6], hours) if n % 2 else r.normal(1, 3, hours)
    issued = np.stack([actual[d * 24 : d * 24 + 72] for d in range(5)])
    signal = gc.forecast.Signal(
        actual=actual,
        start="2023-01-01T00",
        issued=issued,
        first_issue="2023-01-01T00",
        every_h=24,
    )
    jobs = {
        "arrival_h": r.integers(0, 30, n),
        "hours": r.integers(1, 6, n),
        "slots": r.integers(1, 4, n) if slots != 1 else np.ones(n, np.int64),
        "window_h": r.integers(0, 30, n),
    }
    found = gc.timeshift.replay(jobs, signal, slots=slots, policy=policy, interruptible=pieces)
    assert not math.isnan(found.cost), found


@GRID.product(
    n=(0, 1, 2, 3, 65),
    types=(1, 2, 5),
    policy=("fifo", "fifo_gavel", "best_fit", "las", "max_min", "allox", "srtf", "gridcompute"),
    round_s=(5.0, 10.0),
)
def replay(r, n, types, policy, round_s):
    """Traces of no job to 129, one type of device to five, under every policy."""
    gang = np.ones(n, np.int64) if policy == "allox" else r.choice([1, 1, 2, 4], n)
    speed = r.choice([0.25, 1.0, 3.0], (n, types))
    trace = traces.Trace(
        np.sort(r.choice([0.0, 1e-9, 5.0, 100.0], n)),
        r.choice([1e-6, 1.0, 30.0, 200.0], n),
        speed,
        gang,
    )
    cluster = traces.Cluster(r.integers(4, 9, types))
    found = gc.replay(trace, cluster, policy, round_s=round_s)
    assert (found.end_s >= trace.arrival_s).all()
    assert found.verify().valid, found.verify().reasons


@GRID.cases(
    (0, 1, 2, 3, 129, 2049),
    values=VALUES,
    kind=ROOM,
    out=UNPLACED,
    threads=THREADS,
    rows=(None, 1, 1000),
)
def shards(n, s, end, r, values, kind, out, threads, rows):
    """Shards of any size, stopped in every way: what the whole table in memory answers."""
    table = matrix((3, s), "f8", values, r) / 4
    key, coefficient = r.integers(0, 3, n), r.integers(0, 3, n).astype(float)
    capacity = room(kind, n, s, n, r)

    def columns(first, last):
        return {"key": key[first:last], "by": coefficient[first:last]}

    def solve(**o):
        source = gc.shards.generated(
            n,
            columns,
            terms=[(table, "key", None), (table, "key", "by")],
            unplaced=out,
            rows_per_shard=rows,
        )
        return gc.transport(source, capacity, threads=threads, **o)

    m = run(end, solve)
    assert m.status in STATUSES, m.status
    if m.assignment is None:  # shards give no answer that is not whole
        assert m.status == "infeasible" or end.may_stop(), m.status
        assert (m.status == "infeasible") == (m.witness_slots is not None), m.status
        return
    assert m.verify().valid, m.verify().reasons
    if end.name != "whole":
        return

    def in_memory():
        terms = gc.Terms([(table, key, None), (table, key, coefficient)])
        return gc.transport(terms, capacity, unplaced=out)

    memory = run(end, in_memory)
    assert (m.status, m.objective) == (memory.status, memory.objective)


@GRID.cases(
    SMALL,
    values=VALUES,
    kind=ROOM,
    out=(9.0, 1e6, 2.0**600, 5e-324, 0),
    threads=THREADS,
    event=("grow", "shrink", "update", "classes", "lose room", "nothing"),
)
def gang_matcher(n, s, end, r, values, kind, out, threads, event):
    """Worlds of gangs, tenants and priorities that grow, shrink and lose room."""
    table = np.abs(matrix((3, s), "f8", values, r)) / 4
    queues = gc.fair.Queues(
        name=["all", "red", "blue"],
        parent=[None, "all", "all"],
        guarantee=[0, n // 2, 0],
        limit=[None, None, n],
    )

    def jobs(count):
        return {
            "key": r.integers(0, 3, count),
            "gpus": r.choice([1, 1, 2, 4, 8], count),
            "tenant": r.choice(["red", "blue"], count).tolist(),
            "rank": r.integers(0, 3, count),
            "soft": r.random(count) < 0.7,
        }

    def rounds(**o):
        world = gc.Matcher(
            room(kind, n, s, 2 * n, r),
            cost=[(table, "key", None)],
            unplaced=out,
            demand="gpus",
            queues=queues,
            queue="tenant",
            priority="rank",
            preemptible="soft",
            threads=threads,
        )
        ids = world.add(jobs(n))
        world.match(**o)
        if event == "grow":
            world.add(jobs(n + 1))
        elif event == "shrink":
            world.remove(ids[: n // 2])
        elif event == "update":
            world.update(ids[: n // 2], jobs(n // 2))
        elif event == "lose room":
            world.set_capacity(np.arange(s), np.zeros(s, np.int64))
        elif event == "classes":
            world.add_slots([2, 0], [np.abs(matrix((3, 2), "f8", values, r)) / 4])
        return world.match(**o)

    m = run(end, rounds)
    assert m.status in STATUSES, m.status
    assert m.verify().valid, m.verify().reasons


@GRID.product(end=range(len(endings())), number=range(17))
def grid(_, end, number):
    """Worlds nobody would think of, stopped in every way."""
    end = endings()[end]
    if end.name in ("no limit", "hook looks on") and number >= 4:
        raise Refused  # solved to the end, as "whole" is: a few are enough
    problem, threads = grid_problem(seeded(number)), THREADS[number % len(THREADS)]
    plan = run(end, lambda **o: gc.match(problem, threads=threads, **o))
    assert plan.verify().valid, plan.verify()
    assert plan.bound_yuan <= plan.objective_yuan + 1e-7 * max(1, abs(plan.objective_yuan))


if __name__ == "__main__":
    sys.exit(main(GRID, sys.argv[1], *map(int, sys.argv[2:])))
