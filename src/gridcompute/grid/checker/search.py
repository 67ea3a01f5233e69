"""The bound that a search over all plans proves, where prices prove less than a plan claims.

A small problem is written down whole as an integer program, from the tables alone: every open
option of every job, accelerators, corridors, quotas, and the energy block of `energy_lp`. HiGHS
searches it by branch and bound, and what no branch that is left can go below is the bound. It is
taken from the solver: unlike the bound of prices, which any number may be put into, it is true only
if HiGHS is right, within its tolerances. What this adds to the planner's own search is a program
written down a second time, by code that shares nothing with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .bound import in_pieces, offers, windows_of
from .cover_rows import cover_rows
from .derived_tables import kwh_by_class, most_load_kwh, quota_tree
from .energy_lp import EnergyProgram
from .pieces import cheapest_in_pieces, ways
from .running import fixed

if TYPE_CHECKING:
    from ..plan.columns import Prices
    from ..tables.column import Bools, Floats, Int64s
    from ..tables.problem import Problem
    from .bound import Window

__all__ = ["MOST_OPTIONS", "searched_bound"]

#: Open options that a program is written down for, at most, and seconds that a search may take.
MOST_OPTIONS, MOST_SECONDS = 14_000, 300.0
#: Ways to cut one job at one class that are looked through at most, with those that lead nowhere.
MOST_WAYS = 50_000
#: Relative gap at which a search ends that is to prove a plan the best.
CLOSED = 1e-8


class _Options(NamedTuple):
    """Open options as columns."""

    job: Int64s
    klass: Int64s
    start: Int64s
    hours: Int64s
    own_yuan: Floats
    #: Hours in which those of interruptible jobs run, (n_cut, n_hours): the last ones of the list.
    busy: Bools


def searched_bound(
    problem: Problem, prices: Prices, proved_yuan: float, claimed_yuan: float, cost_yuan: float
) -> float:
    """Return the lower bound that a search proves, yuan; -inf if it would be too large.

    Parameters
    ----------
    problem : Problem
    prices : Prices
    proved_yuan : float
        What the prices prove.
    claimed_yuan : float
        The bound that is to be proved; no more than that is returned.
    cost_yuan : float
        What the plan costs.
    """
    whole, problem = problem, fixed(problem)
    windows = windows_of(problem, prices, cover_rows(whole, prices, problem))
    options = _options(problem, prices, windows, claimed_yuan - proved_yuan)
    if options is None:
        return -np.inf
    program, chosen = _program(problem, options)
    wide = max((cost_yuan - claimed_yuan) / max(abs(cost_yuan), 1e-300), 0.0)
    bound = -np.inf
    for gap in sorted({max(0.9 * wide, CLOSED), CLOSED}, reverse=True):
        bound = program.program.searched(chosen, gap, MOST_SECONDS) * program.unit
        bound += float(problem.jobs.value_yuan.sum())
        if bound >= claimed_yuan:
            break
    return min(bound, claimed_yuan)


def _options(
    problem: Problem, prices: Prices, windows: list[Window], above_yuan: float
) -> _Options | None:
    """The open options that a plan below the claim may use; None if they are too many.

    An option that costs `above_yuan` more, at the prices, than the cheapest choice of its job
    raises what the prices prove of all plans that use it to the claim.
    """
    every = np.arange(len(problem.jobs))
    least = problem.jobs.value_yuan.copy()
    found = list(offers(problem, prices, windows, every))
    for offer in found:
        least[offer.at] = np.minimum(least[offer.at], offer.yuan)
    cuts = list(in_pieces(problem, prices, windows, every))
    for at, _, priced in cuts:
        least[at] = np.minimum(least[at], cheapest_in_pieces(problem, priced))
    columns: list[list[np.ndarray]] = [[], [], [], [], []]
    for offer in found:
        few = np.flatnonzero(offer.yuan < np.inf)
        few = few[offer.yuan[few] - least[offer.at[few]] <= above_yuan * (1 + 1e-9) + 1e-9]
        klass = np.full(len(few), offer.klass)
        parts = (offer.at[few], klass, offer.start[few], offer.hours[few], offer.own_yuan[few])
        for column, part in zip(columns, parts, strict=True):
            column.append(part)
    if sum(len(part) for part in columns[0]) > MOST_OPTIONS:
        return None
    busy: list[Bools] = []
    for at, c, priced in cuts:
        for k, j in enumerate(at.tolist()):
            for way in ways(problem, priced, k, MOST_WAYS):
                if way is None or len(busy) > MOST_OPTIONS:
                    return None
                hours_of, own, yuan = way
                if yuan - least[j] <= above_yuan * (1 + 1e-9) + 1e-9:
                    busy.append(hours_of)
                    one = (j, c, int(np.argmax(hours_of)), int(hours_of.sum()), own)
                    for column, value in zip(columns, one, strict=True):
                        column.append(np.array([value]))
    job, klass, start, hours = (np.concatenate([*c, every[:0]]) for c in columns[:4])
    own_yuan = np.concatenate([*columns[4], np.zeros(0)])
    marks = np.array(busy, bool).reshape(-1, problem.hours)
    return _Options(job, klass, start, hours, own_yuan, marks)


def _program(problem: Problem, options: _Options) -> tuple[EnergyProgram, Int64s]:
    """The whole problem, less the value of all jobs, and which of its variables are whole."""
    base = problem.energy.base_load_kwh
    energy = EnergyProgram(problem, base, most_load_kwh(problem))
    lp, unit, jobs = energy.program, energy.unit, problem.jobs
    job, klass, start, hours, own, busy = options
    x = lp.variables(0, np.ones(len(job)), (own - jobs.value_yuan[job]) / unit)
    gang, site = jobs.gang[job].astype(np.float64), problem.classes.site[klass]
    n = len(jobs)
    lp.entries(np.full(n, -np.inf), np.ones(n), job, x, np.ones(len(x)))
    which = np.repeat(np.arange(len(x)), hours)
    hour = np.arange(len(which)) - np.repeat(np.cumsum(hours) - hours, hours) + start[which]
    if len(busy):
        hour[which >= len(x) - len(busy)] = np.nonzero(busy)[1]

    def at_most(limit: Floats | Int64s, key: Int64s, column: Int64s, amount: Floats) -> None:
        used, place = np.unique(key, return_inverse=True)
        most = np.asarray(limit, np.float64).ravel()[used]
        lp.entries(np.full(len(used), -np.inf), most, place, column, amount)

    key = klass[which] * problem.hours + hour
    at_most(problem.classes.capacity, key, x[which], gang[which])
    wires = problem.corridors.bandwidth_gb
    sent = np.ravel_multi_index((jobs.origin[job], site, start), wires.shape)
    at_most(wires, sent, x, jobs.data_gb[job])
    tree, used = quota_tree(problem), gang * hours
    owners = np.array(jobs.tenant[job], np.int64)
    counted = [
        (line * tree.most_h.shape[1] + queue, i)
        for i, (m, c) in enumerate(zip(owners.tolist(), klass.tolist(), strict=True))
        for line in {0, int(tree.line[c])}
        for queue in tree.path(m)
    ]
    queue_row, option = np.array(counted, np.int64).reshape(-1, 2).T
    at_most(tree.most_h, queue_row, x[option], used[option])
    asked = tree.least_h.ravel()
    below = lp.variables(0, asked, tree.below_yuan_per_h.ravel() / unit)
    n = len(asked)
    row = np.concatenate([queue_row, np.arange(n)])
    amounts = np.concatenate([used[option], np.ones(n)])
    lp.entries(asked, np.full(n, np.inf), row, np.concatenate([x[option], below]), amounts)
    kwh = gang[which] * kwh_by_class(problem)[klass[which], hour] / unit
    row = np.concatenate([site[which] * problem.hours + hour, np.arange(base.size)])
    column = np.concatenate([x[which], energy.index["load"].ravel()])
    load = base.ravel() / unit
    lp.entries(load, load, row, column, np.concatenate([-kwh, np.ones(base.size)]))
    return energy, x
