"""Pieces of any plan: they sum to the job's hours, are apart, and no forged one passes."""

import dataclasses

import numpy as np
import pytest

import gridcompute as gc
from gridcompute import InvalidProblemError, grid

HOURS = 12


def day(seed):
    """Two sites, power that is dear in every third hour, and jobs of all kinds of pieces."""
    r, n = np.random.default_rng(seed), 7
    tariff = np.where(np.arange(HOURS) % 3 == 2, 3.0, 0.3) + r.random((2, HOURS)) / 10
    return grid.Problem(
        jobs=grid.Jobs(
            gang=r.integers(1, 4, n),
            work_h=r.integers(2, 6, n).astype(float),
            origin=r.integers(0, 2, n),
            deadline=np.full(n, HOURS),
            value_yuan=r.choice([2.0, 60.0, 90.0], n),
            data_gb=r.choice([0.0, 20.0], n),
            interruptible=r.random(n) < 0.8,
            least_piece_h=r.integers(1, 3, n),
            restart_h=r.integers(0, 2, n),
            restart_yuan=r.choice([0.0, 0.05], n),
        ),
        sites=grid.Sites(name=np.array(["a", "b"])),
        classes=grid.Classes(
            site=[0, 1],
            capacity=r.integers(3, 7, (2, HOURS)),
            memory_gb=[80.0, 80.0],
            power_kw=[1.0, 1.1],
            throughput=[[1.0, 1.0]],
        ),
        hours=HOURS,
        energy=grid.Energy(
            direct_kwh=np.zeros((0, 2, HOURS)),
            direct_yuan_per_kwh=np.zeros((0, 2)),
            tariff_yuan_per_kwh=tariff,
        ),
        corridors=grid.Corridors(
            delay_ms=np.zeros((2, 2)),
            bandwidth_gb=np.full((2, 2, HOURS), 40.0),
            price_yuan_per_gb=np.array([[0.0, 0.01], [0.01, 0.0]]),
        ),
        quotas=grid.Quotas.unlimited(1),
    )


def check(plan):
    """Recompute hours, breaks and restarts of all jobs; how many run in pieces."""
    jobs, runs, cut = plan.problem.jobs, plan.runs(), 0
    paid = 0.0
    for job in np.flatnonzero(plan.assignment >= 0).tolist():
        mine = runs["job"] == job
        start, hours = runs["start"][mine], runs["hours"][mine]
        again = len(start) - 1
        done = hours.sum() - again * jobs.restart_h[job]
        assert done == jobs.work_h[job], (job, start, hours)
        assert (start[1:] > start[:-1] + hours[:-1]).all(), (job, start, hours)
        assert again == 0 or jobs.interruptible[job], job
        if again:
            assert hours.min() >= jobs.least_piece_h[job], (job, start, hours)
        paid += again * float(jobs.restart_yuan[job])
        cut += bool(again)
    assert plan.costs.get("restarts", 0.0) == pytest.approx(paid)
    return cut


def forged(pieces):
    """Pieces that are not those of the plan, each with one thing changed."""
    for k in range(min(len(pieces.job), 4)):
        for name, by in (("hours", 1), ("hours", -1), ("start", 1), ("start", -1)):
            values = getattr(pieces, name).copy()
            values[k] += by
            try:
                yield pieces.replace(**{name: values})
            except InvalidProblemError:  # no table of pieces at all
                continue
    for job in np.unique(pieces.job)[:2].tolist():
        rest = pieces.job != job
        if rest.any():
            columns = {n: getattr(pieces, n)[rest] for n in pieces.columns()}
            yield grid.Pieces(**columns)


@pytest.mark.parametrize("seed", [1, 2])
def test_pieces_are_their_jobs_and_forged_ones_are_found(seed):
    """If this fails, work is lost or done twice in pieces, or a restart is not paid for."""
    problem = day(seed)
    plan = gc.match(problem, gap=0.02, work_limit=4e4)
    capacity = problem.classes.capacity.copy()
    capacity[0, 4:7] = 0
    closed = problem.classes.replace(capacity=capacity)
    kept = grid.whatif(plan, keep=True, classes=closed).after
    cut = 0
    for found in (plan, kept):
        assert found.verify().valid, (seed, found.verify())
        cut += check(found)
        if found.pieces is None:
            continue
        for pieces in forged(found.pieces):
            try:
                told = dataclasses.replace(found, pieces=pieces).verify()
            except InvalidProblemError:  # the job would begin in another hour than it says
                continue
            assert not told.valid, (seed, found.pieces, pieces)
    assert cut, "nothing was cut: the test says nothing"
    stay = plan.assignment >= 0
    for job in np.flatnonzero(stay).tolist():  # what may stay, stays in its pieces
        on = np.flatnonzero(plan.busy(job))
        if plan.assignment[job] == 1 or not (set(on.tolist()) & {4, 5, 6}):
            assert kept.busy(job).tolist() == plan.busy(job).tolist(), (seed, job)
