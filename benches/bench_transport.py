"""`transport` beside OR-Tools, POT and the floor: numpy's row minimum, one look at each cost.

Small by default, a few minutes in all. GRIDCOMPUTE_BENCH_FULL=1 adds 100,000 jobs (OR-Tools once),
1,000 classes, a million jobs and more (against the floor only: OR-Tools would need over 8 GB).
The peers solve unit demand with every job placed; gangs and Terms have no peer that does the same.
"""

from __future__ import annotations

import os
from functools import lru_cache

import numpy as np
import pytest
from transport_instances import FAMILIES, day, gangs

import gridcompute as gc

FULL = pytest.mark.skipif(
    os.environ.get("GRIDCOMPUTE_BENCH_FULL", "0") == "0", reason="GRIDCOMPUTE_BENCH_FULL=1 runs it"
)
SEED = 7


@lru_cache(maxsize=1)
def made(family: str, n_jobs: int, n_slots: int):
    """One instance at a time, with its optimum and the proof of it checked."""
    cost, capacity = FAMILIES[family](n_jobs, n_slots, SEED)
    m = gc.transport(cost, capacity)
    assert m.status == "optimal"
    assert m.exact
    assert m.verify().valid
    return cost, capacity, m.objective


def by_gridcompute(cost, capacity):
    m = gc.transport(cost, capacity)
    assert m.exact
    return m.objective


def by_floor(cost, _capacity):
    """No matching: what each job would pay if there were room for all. A lower bound."""
    least = cost.min(axis=1)
    return int((least if isinstance(cost, np.ndarray) else least.data).sum(dtype=np.int64))


def by_ortools(cost, capacity):
    flow = pytest.importorskip(
        "ortools.graph.python.min_cost_flow", reason="peer group not installed"
    )
    n_jobs, n_slots = cost.shape
    if isinstance(cost, np.ndarray):
        tail = np.repeat(np.arange(n_jobs), n_slots)
        head, flat = np.tile(np.arange(n_slots), n_jobs), cost.ravel()
    else:
        tail = np.repeat(np.arange(n_jobs), np.diff(cost.indptr))
        head, flat = cost.indices, cost.data
    slots, sink = np.arange(n_jobs, n_jobs + n_slots), n_jobs + n_slots
    model = flow.SimpleMinCostFlow()
    model.add_arcs_with_capacity_and_unit_cost(
        tail, head.astype(np.int64) + n_jobs, np.ones(len(tail), np.int64), flat.astype(np.int64)
    )
    model.add_arcs_with_capacity_and_unit_cost(
        slots, np.full(n_slots, sink), capacity, np.zeros(n_slots, np.int64)
    )
    supply = np.r_[np.ones(n_jobs, np.int64), np.zeros(n_slots, np.int64), -n_jobs]
    model.set_nodes_supplies(np.arange(sink + 1), supply)
    assert model.solve() == model.OPTIMAL
    return model.optimal_cost()


def by_pot(cost, capacity):
    ot = pytest.importorskip("ot", reason="peer group not installed")
    rest = capacity.sum() - len(cost)  # POT wants equal masses: one more job takes what is left
    mass = np.r_[np.ones(len(cost)), rest].astype(float)
    padded = np.vstack([cost, np.zeros((1, cost.shape[1]))])
    plan = ot.emd(mass, capacity.astype(float), padded, numItermax=10**9, log=True)
    return round(plan[1]["cost"])


def run(benchmark, solve, family, n_jobs, n_slots, rounds=3):
    benchmark.group = f"transport: {family} {n_jobs:,} x {n_slots:,}"
    cost, capacity, optimum = made(family, n_jobs, n_slots)
    found = benchmark.pedantic(solve, (cost, capacity), rounds=rounds)
    assert found <= optimum if solve is by_floor else found == optimum


@pytest.mark.parametrize("solve", [by_floor, by_gridcompute, by_ortools])
@pytest.mark.parametrize("family", FAMILIES)
def test_middling(benchmark, family, solve):
    run(benchmark, solve, family, 20_000, 100)


@pytest.mark.parametrize("solve", [by_floor, by_gridcompute, by_ortools, by_pot])
@pytest.mark.parametrize("family", ["structured", "uniform", "ties"])
def test_small(benchmark, family, solve):
    run(benchmark, solve, family, 2_000, 40)


@FULL
@pytest.mark.parametrize("solve", [by_floor, by_gridcompute, by_ortools])
@pytest.mark.parametrize("family", ["structured", "uniform"])
def test_large(benchmark, family, solve):
    run(benchmark, solve, family, 100_000, 100, 1 if solve is by_ortools else 3)


@FULL
@pytest.mark.parametrize("solve", [by_floor, by_gridcompute])
@pytest.mark.parametrize("family", ["structured", "uniform", "ties", "coarse"])
def test_million(benchmark, family, solve):
    run(benchmark, solve, family, 1_000_000, 100)


@FULL
@pytest.mark.parametrize("solve", [by_floor, by_gridcompute])
def test_thousand_classes(benchmark, solve):
    run(benchmark, solve, "structured", 200_000, 1_000)


@FULL
@pytest.mark.parametrize("solve", [by_floor, by_gridcompute])
@pytest.mark.parametrize(
    ("family", "n_jobs", "n_slots"),
    [
        ("structured", 20_000, 10_000),
        ("full", 20_000, 2_000),
        ("full", 40_000, 4_000),
        ("full", 50_000, 5_000),
        ("full", 100_000, 2_000),
    ],
)
def test_few_jobs_a_class(benchmark, solve, family, n_jobs, n_slots):
    run(benchmark, solve, family, n_jobs, n_slots)


@pytest.mark.parametrize("n_jobs", [20_000, pytest.param(1_000_000, marks=FULL)])
@pytest.mark.parametrize("whole", [False, True], ids=["unit", "gangs"])
def test_gangs(benchmark, n_jobs, whole):
    """Gangs of 1 to 128 beside unit demand on the same costs and as much slack."""
    benchmark.group = f"transport: gangs {n_jobs:,} x 100"
    cost, room, demand = gangs(n_jobs, 100, SEED)
    if not whole:
        room, demand = np.ceil(1.1 * n_jobs * room / room.sum()).astype(np.int64), None
    m = benchmark.pedantic(gc.transport, (cost, room), {"demand": demand}, rounds=3)
    benchmark.extra_info["gap"] = m.gap
    assert m.verify().valid
    assert m.gap <= (1e-2 if whole else 0)


@pytest.mark.parametrize(
    ("n_jobs", "n_slots"), [(20_000, 100), pytest.param(1_000_000, 100, marks=FULL)]
)
@pytest.mark.parametrize("form", ["terms", "matrix"])
def test_terms(benchmark, n_jobs, n_slots, form):
    """Costs never stored, beside the same costs as a float64 matrix that is there already."""
    benchmark.group = f"transport: terms {n_jobs:,} x {n_slots:,}"
    terms, capacity = day(n_jobs, n_slots, SEED)
    cost = gc.Terms(terms)
    if form == "matrix":
        cost = np.asarray(cost.dense())
    m = benchmark.pedantic(gc.transport, (cost, capacity), rounds=3)
    assert m.status == "optimal"
    assert m.gap <= 1e-9
    assert m.verify().valid


@pytest.mark.parametrize("solve", [by_floor, by_gridcompute, by_ortools, by_pot])
def test_call(benchmark, solve):
    """100 jobs, 10 classes: what a call costs when there is next to nothing to do."""
    benchmark.group = "transport: one call, 100 x 10"
    cost, capacity, optimum = made("uniform", 100, 10)
    found = benchmark(solve, cost, capacity)
    assert found <= optimum if solve is by_floor else found == optimum
