"""A long life of the live matcher: rounds upon rounds, the memory of the first."""

import gc
from pathlib import Path

import numpy as np
import pytest

from gridcompute import Matcher, Terms, fair, transport

ROUNDS, JOBS, CLASSES, CHECK_EVERY = 4000, 4000, 40, 200


def resident():
    """Pages of this process in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1])


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="no /proc here to read memory")
def test_a_long_life_stays_exact_and_in_its_memory():
    """If this fails, a service grows until it is killed, or drifts from the optimum over days."""
    r = np.random.default_rng(11)
    table = r.random((64, CLASSES)) * 10
    room = np.full(CLASSES, JOBS // CLASSES)
    world = Matcher(room, cost=[(table, "k", "w")], unplaced=40.0, move_cost=0.0)
    live = {}

    def arrive(n):
        k, w = r.integers(0, 64, n), r.random(n) * 5
        ids = world.add({"k": k, "w": w}).tolist()
        live.update(zip(ids, zip(k.tolist(), w.tolist(), strict=True), strict=True))

    arrive(JOBS)
    warm = 0
    for turn in range(ROUNDS):
        gone = [int(i) for i in r.choice(np.fromiter(live, np.int64), 12, replace=False)]
        world.remove(gone[:8])
        for i in gone[:8]:
            del live[i]
        arrive(8)
        world.update(gone[8:], {"k": [1, 2, 3, 4], "w": [1.0, 2.0, 3.0, 4.0]})
        live.update(zip(gone[8:], [(j, float(j)) for j in (1, 2, 3, 4)], strict=True))
        s = int(r.integers(0, CLASSES))
        room[s] = JOBS // CLASSES + int(r.integers(-5, 6))
        world.set_capacity([s], [room[s]])
        if turn % 500 == 250:
            table = table + r.random(table.shape) * 0.1
            world.set_table(0, table)
        m = world.match()
        if turn % CHECK_EVERY == 0:
            assert m.verify().valid
            jobs = [live[i] for i in m.ids]
            k, w = (np.array(c) for c in zip(*jobs, strict=True))
            cold = transport(Terms([(table, k, w)]), room, unplaced=40.0)
            assert m.objective == pytest.approx(cold.objective, rel=1e-9)
        if turn == ROUNDS // 2:
            gc.collect()
            warm = resident()
    gc.collect()
    assert len(world) == len(live) == JOBS
    assert resident() <= 1.05 * warm


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="no /proc here to read memory")
def test_rounds_of_gangs_keep_their_gap_and_their_memory():
    """If this fails, a cluster pays more each week, or its matcher grows until it is killed.

    benches/soak_matcher.py does the same for 10,000 rounds.
    """
    r = np.random.default_rng(3)
    n, rounds, classes = 250, 300, 8
    queues = fair.Queues(name=["a", "b"], guarantee=[80, 120], limit=[400, 400])
    world = Matcher(
        np.full(classes, 60), cost=[(r.random((16, classes)) * 10, "k", "w")], unplaced="u",
        demand="d", queues=queues, queue="q", priority="p", preemptible="e", move_cost=0.1,
    )  # fmt: skip

    def arrive(m):
        jobs = {
            "k": r.integers(0, 16, m), "w": r.random(m) * 5, "u": r.lognormal(3, 0.5, m),
            "d": r.choice([1, 1, 2, 4, 8], m), "q": r.integers(0, 2, m), "p": r.integers(0, 3, m),
            "e": r.random(m) < 0.7,
        }  # fmt: skip
        return list(world.add(jobs))

    ids, gaps, pages = arrive(n), [], []
    for turn in range(rounds):
        rows = r.choice(n, 5, replace=False)
        world.remove([ids[k] for k in rows])
        for k, i in zip(rows, arrive(5), strict=True):
            ids[k] = i
        s = int(r.integers(0, classes))
        world.set_capacity([s], [60 + int(r.integers(-6, 7))])
        m = world.match()
        gaps.append(m.gap)
        if turn % 50 == 49:
            proof = m.verify()
            assert proof.valid, (turn, proof.reasons)
            q = m.question
            rows_of_costs = np.array([q.cost.row(i) for i in range(q.n_jobs)])
            cold = transport(rows_of_costs, q.capacity, demand=q.demand, unplaced=q.unplaced)
            size = max(abs(m.objective), abs(cold.objective))
            assert abs(m.objective - cold.objective) <= (m.gap + cold.gap + 1e-9) * size
        if turn in (rounds // 2, rounds - 1):
            gc.collect()
            pages.append(resident())
    early, late = np.median(gaps[: rounds // 2]), np.median(gaps[rounds // 2 :])
    assert late <= 2 * early + 1e-3, (early, late)
    assert pages[1] <= 1.05 * pages[0], pages
    assert world._native.holds()
