"""Finds the jobs of a placement that can keep their options after a change, pieces included."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..eligibility import filtered, hours_needed
from .native_problem import supply_kwh

if TYPE_CHECKING:
    from ..plan.columns import Placement
    from ..tables.column import Bools, Int64s
    from ..tables.problem import Problem

__all__ = ["standing_jobs"]

#: Part of the remaining capacity by which an amount may exceed it: sums are rounded.
SLACK = 1e-12


def standing_jobs(problem: Problem, placement: Placement, order: Int64s) -> Bools:
    """Return which of the jobs in `order` can stay, giving way to those before them.

    The native engine decides it for whole runs; here pieces are tested as well.

    Parameters
    ----------
    problem : Problem
        In steps, without pinned jobs.
    placement : Placement
    order : int (n,)
        Rows of jobs that are placed.
    """
    jobs, classes = problem.jobs, problem.classes
    stays = np.zeros(len(jobs), bool)
    if not len(order):
        return stays
    klass, pieces = placement.klass, _pieces_by_job(placement)
    at = klass[order]
    may = filtered(problem, order)[0][np.arange(len(order)), at]
    need = hours_needed(problem, order)[np.arange(len(order)), at]
    free, wires = classes.capacity.copy(), problem.corridors.bandwidth_gb.copy()
    power = np.maximum(supply_kwh(problem) - problem.energy.base_load_kwh, 0.0)
    quotas = problem.quotas.linear_rows
    left = quotas.upper_h.copy()
    for job, c, possible, work in zip(
        order.tolist(), at.tolist(), may.tolist(), need.tolist(), strict=True
    ):
        first = int(placement.start[job])
        runs = pieces.get(job, [(first, work)])
        if not possible or not _is_run(problem, job, runs, work):
            continue
        on = np.concatenate([np.arange(t, t + n) for t, n in runs])
        gang, site, origin = int(jobs.gang[job]), int(classes.site[c]), int(jobs.origin[job])
        data, kwh = float(jobs.data_gb[job]), gang * problem.kwh_per_accelerator_h[c, on]
        queues = quotas.rows_of(int(jobs.tenant[job]), classes.accelerator[c])
        fits = bool((free[c, on] >= gang).all() and (kwh <= power[site, on] * (1 + SLACK)).all())
        fits &= site == origin or data <= wires[origin, site, first] * (1 + SLACK)
        fits &= bool((gang * len(on) <= left[queues] * (1 + SLACK)).all())
        if fits:
            stays[job] = True
            free[c, on] -= gang
            power[site, on] -= kwh
            wires[origin, site, first] -= data
            left[queues] -= gang * len(on)
    return stays


def _pieces_by_job(placement: Placement) -> dict[int, list[tuple[int, int]]]:
    """Return first hour and hours of each piece of the jobs that run in pieces."""
    out: dict[int, list[tuple[int, int]]] = {}
    pieces = placement.pieces
    if pieces is not None:
        columns = (pieces.job.tolist(), pieces.start.tolist(), pieces.hours.tolist())
        for job, first, length in zip(*columns, strict=True):
            out.setdefault(job, []).append((first, length))
    return out


def _is_run(problem: Problem, job: int, runs: list[tuple[int, int]], work: int) -> bool:
    """Return whether these can be the hours of the job, by its window and the rules of pieces."""
    jobs = problem.jobs
    least, restart = int(jobs.least_piece_h[job]), int(jobs.restart_h[job])
    if runs[0][0] < jobs.release[job] or sum(runs[-1]) > jobs.deadline[job]:
        return False
    if len(runs) == 1:
        return runs[0][1] == work
    if not jobs.interruptible[job] or runs[0][1] < least:
        return False
    if min(length for _, length in runs[1:]) < max(least, restart + 1):
        return False
    return sum(length for _, length in runs) - restart * (len(runs) - 1) == work
