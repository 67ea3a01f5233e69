r"""The bound that a vector of prices proves, recomputed from nothing but the tables of the problem.

For any prices y = (alpha, pi, gamma, nu) with alpha, gamma >= 0, every plan costs at least

    LB(y) = sum_j min(v_j, min over open options o of [f_jo + k_j sum alpha + e_jo . pi + G_j gamma
    + nu q_jo])
            - alpha . K - gamma . BW - nu+ . U + nu- . L + E(pi),

where E(pi) is the least of (energy cost - pi . (load - base load)) over all dispatches, mandate
included. E is bounded from below by weak duality, with the duals of a linear program but not with
its trust: any vector of multipliers, right or wrong, gives a valid number because every variable
lies in a finite box.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .energy_program import EnergyProgram

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .columns import Floats, Int64s
    from .plan import Prices
    from .problem import Problem

__all__ = ["cheapest", "energy_bound", "jobs_bound", "lower_bound"]

BLOCK = 1 << 16


def lower_bound(problem: Problem, prices: Prices) -> float:
    """The bound that `prices` prove, yuan; -inf if one has the wrong sign or rents no limit."""
    alpha, gamma, nu = prices.capacity, prices.corridor, prices.quota
    quotas = problem.quotas
    if (alpha < 0).any() or (gamma < 0).any() or (-nu > quotas.below_yuan_per_accelerator_h).any():
        return -np.inf
    rent = 0.0
    for price, amount in (
        (alpha, problem.classes.capacity),
        (gamma, problem.corridors.bandwidth_gb),
        (np.maximum(nu, 0), quotas.upper_accelerator_h),
        (np.minimum(nu, 0), quotas.lower_accelerator_h),
    ):
        priced = price != 0
        rent += float((price[priced] * np.asarray(amount)[priced]).sum())
    if not np.isfinite(rent):
        return -np.inf
    return jobs_bound(problem, prices) - rent + energy_bound(problem, prices.energy)


def jobs_bound(problem: Problem, prices: Prices) -> float:
    """The first sum of the bound: every job takes its cheapest option at these prices, or none."""
    return float(sum(part.sum() for part in _in_blocks(problem, prices, len(problem.jobs))))


def cheapest(problem: Problem, prices: Prices, jobs: Int64s) -> Floats:
    """For some jobs the least of their value and of all their open options' prices, yuan."""
    windows = [_windows(problem, prices, c) for c in range(len(problem.classes))]
    return _cheapest(problem, prices, windows, jobs)


def _in_blocks(problem: Problem, prices: Prices, n_jobs: int) -> Iterator[Floats]:
    windows = [_windows(problem, prices, c) for c in range(len(problem.classes))]
    for first in range(0, n_jobs, BLOCK):
        block = np.arange(first, min(first + BLOCK, n_jobs))
        yield _cheapest(problem, prices, windows, block)


def _windows(problem: Problem, prices: Prices, c: int) -> tuple[Floats, Floats]:
    """By hours taken and first hour: price of one accelerator of class c, and how many are free."""
    hours, site = problem.hours, problem.classes.site[c]
    at_server = problem.classes.power_kw[c] + problem.classes.overhead_kw[c]
    hourly = prices.capacity[c] + at_server * problem.pue[site] * prices.energy[site]
    price = np.full((hours + 1, hours), np.inf)
    room = np.zeros((hours + 1, hours))
    running, least = np.zeros(hours), np.full(hours, np.inf)
    for d in range(1, hours + 1):
        n = hours - d + 1
        running, least = (
            running[:n] + hourly[d - 1 :],
            np.minimum(least[:n], problem.classes.capacity[c, d - 1 :]),
        )
        price[d, :n], room[d, :n] = running, least
    return price, room


def _cheapest(
    problem: Problem, prices: Prices, windows: list[tuple[Floats, Floats]], block: np.ndarray
) -> Floats:
    """For each job of the block the least of its value and of all its open options' prices."""
    jobs, classes, corridors = problem.jobs, problem.classes, problem.corridors
    best = jobs.value_yuan[block].copy()
    times = 2.0 if corridors.latency_rule == "round_trip" else 1.0
    for c in range(len(classes)):
        site = int(classes.site[c])
        speed = classes.throughput[jobs.family[block], c]
        origin = jobs.origin[block]
        fits = (speed > 0) & (jobs.memory_gb[block] <= classes.memory_gb[c])
        fits &= ((jobs.residency[block] >> site) & 1) == 1
        fits &= times * corridors.delay_ms[origin, site] <= jobs.latency_ms[block]
        need = np.full(len(block), problem.hours + 1.0)
        need[fits] = np.maximum(np.ceil(jobs.work_h[block][fits] / speed[fits] - 1e-9), 1)
        fits &= jobs.release[block] + need <= jobs.deadline[block]
        slack = jobs.deadline[block] - need - jobs.release[block]
        at = np.flatnonzero(fits)
        at = at[np.argsort(-slack[at], kind="stable")]  # so that each later start concerns a prefix
        slack, job, d, o = slack[at], block[at], need[at].astype(np.int64), origin[at]
        gang, release, data = jobs.gang[job], jobs.release[job], jobs.data_gb[job]
        fixed = corridors.price_yuan_per_gb[o, site] * data
        fixed += prices.quota[jobs.tenant[job]] * gang * d
        quota = problem.quotas.upper_accelerator_h[jobs.tenant[job]]
        fixed[gang.astype(np.float64) * d > quota] = np.inf
        price, room = windows[c]
        wire, toll = corridors.bandwidth_gb[:, site], prices.corridor[:, site]
        late, moved = jobs.delay_yuan_per_h[job], jobs.migration_yuan[job]
        was, first = jobs.placed_class[job], jobs.placed_start[job]
        for ahead in range(int(slack.max(initial=-1)) + 1):
            n = int(np.searchsorted(-slack, -ahead, side="right"))
            t = release[:n] + ahead
            cost = gang[:n] * price[d[:n], t] + data[:n] * toll[o[:n], t] + late[:n] * ahead
            stays = (was[:n] == c) & (first[:n] == t)
            cost += fixed[:n] + np.where((was[:n] >= 0) & ~stays, moved[:n], 0.0)
            shut = (gang[:n] > room[d[:n], t]) | (data[:n] > wire[o[:n], t])
            cost[shut] = np.inf
            best[at[:n]] = np.minimum(best[at[:n]], cost)
    return np.asarray(best, np.float64)


def energy_bound(problem: Problem, pi: Floats) -> float:
    """E(pi): what energy cost less pi * (load - base load) never goes below, yuan."""
    base = problem.energy.base_load_kwh
    program = EnergyProgram(problem, base, most_load_kwh(problem), -pi)
    return program.bound() + float((pi * base).sum())


def most_load_kwh(problem: Problem) -> Floats:
    """Load by site and hour with every accelerator busy, (n_sites, n_hours)."""
    classes, most = problem.classes, problem.energy.base_load_kwh.copy()
    at_server = classes.power_kw + classes.overhead_kw
    np.add.at(most, classes.site, classes.capacity * at_server[:, None] * problem.pue[classes.site])
    return most
