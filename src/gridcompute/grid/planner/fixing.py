"""Fixes jobs of a dive by frequency: those with the clearest choice first.

A large gang takes a large part of its rows, so a wrong choice is expensive for all jobs after it.
At prices near the optimum most jobs choose one option again and again, and some several in turn:
the share of the recent choices of an option approximates the share of the job that the relaxation
assigns to it. Jobs are placed whole in the option of nearly all their choices; that changes prices
little, and prices adapt before the other jobs are placed.

Source: the choices of subgradient steps, averaged, tend to the relaxation's optimum, as in Barahona
and Anbil (2000), "The volume algorithm", Mathematical Programming 87; fixing the most settled
variable first is the usual dive of a branch and bound.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .dual_ascent import DualAscent
from .settings import FIXING_WEIGHTS, FREQUENCY_WINDOW

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ... import _core
    from ..tables.column import Bools, Floats, Int32s
    from .coupling_constraints import CouplingConstraints
    from .settings import FixingOptions

__all__ = ["fix_by_frequency"]


def fix_by_frequency(
    rows: CouplingConstraints,
    room: _core.ResidualCapacity,
    markets: Sequence[_core.LagrangianOracle],
    jobs: Int32s,
    y: Floats,
    placement: tuple[Int32s, Int32s],
    how: FixingOptions,
    size: int,
    stop: Callable[[float], bool],
) -> tuple[Floats, Bools]:
    """Place jobs into the remaining capacity, those with the clearest choice first.

    Parameters
    ----------
    rows : CouplingConstraints
    room : Room
    markets : sequence of LagrangianOracle
        `jobs` with samples that represent all later ones; they take turns.
    jobs : int32 (k,)
        Rows of the jobs table; ties of frequency go to the first of them.
    y : float64 (n_rows,)
        Prices to begin with.
    placement : (int32 (n_jobs,), int32 (n_jobs,))
        Class and start of all jobs, filled in place; -1 for jobs that mostly chose to be left out.
    how : FixingOptions
    size : int
        The jobs are of 2 ** `size` accelerator-hours.
    stop : callable
        Receives the fraction done before each step; True ends the steps, not the placing.

    Returns
    -------
    average : float64 (n_rows,)
        Of the last prices.
    declined : bool (n_jobs,)
        Jobs that mostly chose to be left out.
    """
    klass, start = placement
    hours, ascent, average = rows.problem.hours, DualAscent(rows), y
    to_class, to_start = np.full_like(klass, -1), np.full_like(start, -1)
    declined = np.zeros(len(klass), bool)
    chosen = np.zeros((FREQUENCY_WINDOW, len(jobs)), np.int32)
    left, live = np.arange(len(jobs)), np.ones(len(klass), np.uint8)
    parts, length, k = min(how.parts, len(jobs)), how.length(size), 0
    for i in range(parts):
        supply = rows.supply(room)
        for _ in range(how.between if i else how.before):
            if stop(i / parts):
                break
            market = markets[k % len(markets)]
            if k % how.energy_every == 0:
                served = rows.serving(y)
            found = rows.price(market, y, to_class, to_start)
            use = rows.market_use(found) * rows.active
            chosen[k % FREQUENCY_WINDOW] = np.where(
                to_class[jobs] >= 0, to_class[jobs] * hours + to_start[jobs], -1
            )
            y = ascent.follow(use, y, supply, length, served())
            average = FIXING_WEIGHTS[0] * average + FIXING_WEIGHTS[1] * y
            k += 1
        option, count = most_frequent(chosen[: min(k, FREQUENCY_WINDOW), left])
        first = np.argsort(-count, kind="stable")[: -(-len(left) // (parts - i))]
        part, option = jobs[left[first]], option[first]
        left = np.delete(left, first)
        room.place_at(part, option // hours, option % hours, klass, start)
        declined[part] = option < 0
        missed = np.ascontiguousarray(part[(klass[part] < 0) & (option >= 0)])
        rows.place(room, average, missed, klass, start)
        live[part] = 0
        for market in markets:
            market.set_active(live)
    return average, declined


def most_frequent(chosen: Int32s) -> tuple[Int32s, Int32s]:
    """Return the most frequent entry of each column, the least of several, and its count."""
    if len(chosen) == 0:
        return np.full(chosen.shape[1], -1, np.int32), np.zeros(chosen.shape[1], np.int32)
    ordered = np.sort(chosen, axis=0)
    run = np.ones_like(ordered)
    for i in range(1, len(ordered)):
        run[i] += run[i - 1] * (ordered[i] == ordered[i - 1])
    longest, column = run.argmax(axis=0), np.arange(chosen.shape[1])
    return ordered[longest, column], run[longest, column]
