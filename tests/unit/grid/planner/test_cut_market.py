"""Many jobs in pieces: the cheapest class of each beside all classes, and the other jobs."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

import gridcompute as gc
from gridcompute import grid
from gridcompute.grid.interruption import cheapest_cuts
from gridcompute.grid.planner import cut_market, cut_search
from gridcompute.grid.planner.budget import Clock
from gridcompute.grid.planner.cut_market import CutMarket, Room
from gridcompute.grid.planner.cut_search import replaced_beside
from gridcompute.grid.planner.prices import PriceVector
from gridcompute.grid.planner.state import PlannerState


def cut_problem(n: int, seed: int, hours: int = 12) -> grid.Problem:
    """Jobs of the packaged scenario, most of which may be interrupted, in wider windows."""
    problem, r = grid.east_west(n_jobs=n, seed=seed, hours=hours), np.random.default_rng(seed)
    jobs = problem.jobs
    placed = np.where(r.random(n) < 0.3, r.integers(0, len(problem.classes), n), -1)
    return problem.replace(
        jobs=jobs.replace(
            interruptible=r.random(n) < 0.8,
            least_piece_h=r.integers(1, 3, n),
            restart_h=r.integers(0, 2, n),
            restart_yuan=r.choice([0.0, 0.1], n),
            deadline=np.minimum(jobs.deadline + r.integers(0, 8, n), hours),
            placed_class=placed,
            placed_start=np.where(placed >= 0, r.integers(0, hours, n), -1),
            migration_yuan=r.choice([0.0, 0.5], n),
        )
    )


def prices(market: CutMarket, problem: grid.Problem, r: np.random.Generator) -> PriceVector:
    """Prices of all signs that rows may have, many of them equal."""
    kinds = int(market._kind.max(initial=0)) + 1
    models = problem.quotas.linear_rows.models
    n = len(problem.sites)
    return PriceVector(
        np.round(r.random((kinds, *problem.classes.capacity.shape)), 1),
        np.round(r.normal(0.3, 0.4, (n, problem.hours)), 1),
        np.where(r.random((n, n, problem.hours)) < 0.5, 0.0, 0.1),
        np.round(r.normal(0.0, 0.1, (len(problem.quotas), models)), 2),
    )


@pytest.mark.parametrize("seed", range(4))
def test_classes_that_are_not_looked_at_are_no_cheaper(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If this fails, a bound is above a plan: the cheapest cut of a job was left out."""
    problem, r = cut_problem(120, seed), np.random.default_rng(seed)
    if seed == 3:
        monkeypatch.setattr(cut_market, "MOST_WINDOWS", 1)  # windows are widened
    state = PlannerState(problem, 0.0, 1, Clock(None, None))
    try:
        market = state.cut()
        assert len(market.rows) > 20
        y = prices(market, problem, r)
        room = Room(
            r.integers(0, problem.classes.capacity + 1),
            problem.corridors.bandwidth_gb,
            problem.energy.base_load_kwh,
            problem.quotas.linear_rows.upper_h,
        )
        value = problem.jobs.value_yuan[market.rows]
        for free in (None, room):
            found = market.best(y, room=free)
            for k in range(len(market.rows)):
                classes = np.flatnonzero(market.eligible[k])
                at = np.full(len(classes), k)
                left = (None, None) if free is None else (free.accelerators, free.data_gb)
                yuan, busy = cheapest_cuts(market.cuts(y, at, classes, *left), traced=True)
                shown = seed, k, free is None, yuan, found.yuan[k]
                if yuan.min() >= value[k]:
                    assert found.yuan[k] >= value[k], shown
                    continue
                c = int(np.argmin(yuan))
                assert (found.yuan[k], found.klass[k]) == (yuan[c], classes[c]), shown
                assert found.busy[k].tolist() == busy[c].tolist(), shown
    finally:
        state.rows.close()


def test_samples_stand_for_all_jobs() -> None:
    """If this fails, prices that samples find are not those of all jobs."""
    problem = cut_problem(600, 1)
    state = PlannerState(problem, 0.0, 1, Clock(None, None))
    try:
        market = state.cut()
        y = state.rows.unpack(state.rows.start(None))
        every = market.price(*y)
        drawn = market.samples(state.in_order, state.size, 200, 20)
        assert len(drawn) > 1
        found = [sample.price(*y) for sample in drawn]
        total = float(np.mean([f["total"] for f in found]))
        assert total == pytest.approx(float(every["total"]), rel=0.1)
        hours = [f["accelerators"].sum() for f in found]
        assert np.mean(hours) == pytest.approx(every["accelerators"].sum(), rel=0.1)
        assert market.samples(state.in_order, state.size, 10_000, 20) == [market]
    finally:
        state.rows.close()


def gaps(**jobs: Any) -> grid.Problem:
    """One site of four hours; a job in pieces may leave the two in the middle to another one."""
    columns: dict[str, Any] = {
        "gang": [2, 2],
        "work_h": [2.0, 2.0],
        "origin": [0, 0],
        "deadline": [4, 4],
        "value_yuan": [50.0, 20.0],
        "interruptible": [True, False],
    }
    return grid.Problem(
        jobs=grid.Jobs(**(columns | jobs)),
        sites=grid.Sites(name=np.array(["s"])),
        classes=grid.Classes(
            site=[0],
            capacity=np.full((1, 4), 2),
            memory_gb=[80.0],
            power_kw=[1.0],
            throughput=[[1.0]],
        ),
        hours=4,
        energy=grid.Energy(
            direct_kwh=np.zeros((0, 1, 4)),
            direct_yuan_per_kwh=np.zeros((0, 1)),
            tariff_yuan_per_kwh=np.array([[0.1, 1.0, 1.0, 0.1]]),
        ),
        corridors=grid.Corridors(
            delay_ms=np.zeros((1, 1)),
            bandwidth_gb=np.full((1, 1, 4), np.inf),
            price_yuan_per_gb=np.zeros((1, 1)),
        ),
        quotas=grid.Quotas.unlimited(1),
    )


def test_jobs_left_out_go_into_the_hours_between_pieces() -> None:
    """If this fails, hours that a cut job frees stand idle while others are left out."""
    problem = gaps()
    state = PlannerState(problem, 0.0, 1, Clock(None, None))
    try:
        state.look(state.rows.start(None))
        state.best = state.judged(*(np.full(2, -1, np.int32),) * 2, state.settled(None)[0])
        pieces = grid.Pieces(job=[0, 0], start=[0, 3], hours=[1, 1])
        klass, start = np.array([0, -1], np.int32), np.array([0, -1], np.int32)
        for afresh in (False, True):
            placed = replaced_beside(state, klass, start, pieces, afresh=afresh)
            assert [x.tolist() for x in placed] == [[0, 0], [0, 1]], afresh
    finally:
        state.rows.close()


def test_others_are_placed_again_after_cutting(monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, a plan without the integer program leaves out who fits beside pieces."""
    monkeypatch.setattr(cut_search, "MOST_CUTS", 0)
    problem = gaps()
    plan = gc.match(problem, gap=0.0)
    assert plan.verify().valid
    assert plan.objective_yuan == pytest.approx(0.4 + 4.0)
    whole = problem.replace(jobs=problem.jobs.replace(interruptible=False))
    assert plan.objective_yuan <= gc.match(whole, gap=0.0).objective_yuan + 1e-9


@pytest.mark.parametrize("small", [True, False])
def test_a_plan_in_pieces_costs_no_more_than_whole_runs(
    monkeypatch: pytest.MonkeyPatch, *, small: bool
) -> None:
    """If this fails, more freedom makes plans dearer; or the way of many jobs makes wrong ones."""
    if not small:
        monkeypatch.setattr("gridcompute.grid.planner.state.SMALL", 50)
    problem = cut_problem(80, 5)
    plan = gc.match(problem, work_limit=1e5)
    found = plan.verify()
    assert found.valid, found
    assert plan.bound_yuan <= plan.objective_yuan
    placement = plan.prices.placement
    assert placement is not None
    if placement.pieces is not None:
        dearer = dataclasses.replace(placement, pieces=None)
        assert dearer.klass.tolist() == plan.assignment.tolist()
    nothing = np.full(80, -1, np.int32)
    assert plan.objective_yuan <= grid.evaluate(problem, (nothing, nothing)).objective_yuan
