"""Placements by simple rules: whole gangs into what room is left, one job after the other.

Each rule reads the tables alone: no prices of scarcity, no dispatch, no look ahead. Jobs are taken
in order of release (then of row) unless the rule says otherwise; a job goes to the first or the
cheapest place with room for it and is never moved. `grid.evaluate` gives its cost.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from .. import _core
from .plan.columns import Placement
from .planner.prices import gangs_each, market_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from .tables.column import Floats, Int32s
    from .tables.jobs import Jobs
    from .tables.problem import Problem

#: The value of a job to a rule that leaves none out while there is room, yuan.
ALWAYS_YUAN = 1e9


def fifo_at_home(problem: Problem) -> Placement:
    """Return the placement of each job at its origin, as early as there is room.

    Examples
    --------
    >>> from gridcompute import grid
    >>> problem = grid.east_west(n_jobs=300, seed=0)
    >>> at_home = grid.policies.fifo_at_home(problem)
    >>> on = at_home.klass >= 0
    >>> bool((problem.classes.site[at_home.klass[on]] == problem.jobs.origin[on]).all())
    True
    """
    jobs = problem.jobs
    home = jobs.residency & (1 << jobs.origin.astype(np.int64))
    allowed = np.flatnonzero(home != 0)
    at_home = problem.replace(jobs=_early(problem).replace(residency=np.where(home != 0, home, -1)))
    klass, start = _nowhere(problem)
    _Room(at_home).place(_in_turn(problem, allowed), klass, start)
    return Placement(klass=klass, start=start)


def nearest(problem: Problem) -> Placement:
    """Return the placement of each job at the nearest site with room, as early as there is room.

    First every job is tried at the site of least delay from its origin, then those left at the
    second nearest, and so on.
    """
    problem = problem.stepped
    klass, start = _nowhere(problem)
    by_delay = np.argsort(problem.delay_ms, axis=1, kind="stable")
    here, left = problem.replace(jobs=_early(problem)), np.arange(len(problem.jobs))
    for rank in range(by_delay.shape[1]):
        if not len(left):
            break
        jobs = here.jobs
        site = by_delay[jobs.origin, rank].astype(np.int64)
        only = jobs.residency & (1 << site)
        rows = np.flatnonzero(only != 0)
        tried = here.replace(jobs=jobs.replace(residency=np.where(only != 0, only, -1)))
        room = _Room(tried)
        c, t = _nowhere(tried)
        room.place(_in_turn(tried, rows), c, t)
        klass[left], start[left] = c, t
        out = np.flatnonzero(c < 0)
        left, here = left[out], room.rest(jobs, out)
    return Placement(klass=klass, start=start)


def cheapest(problem: Problem) -> Placement:
    """Return the placement of each job where its power, data and delay cost least, with room.

    Power costs the tariff with carbon in the hours of the run, whatever green power there is.
    """
    jobs = problem.jobs.replace(value_yuan=ALWAYS_YUAN)
    klass, start = _nowhere(problem)
    room = _Room(problem.replace(jobs=jobs))
    room.place(_in_turn(problem), klass, start, _tariff(problem))
    return Placement(klass=klass, start=start)


def value_density(problem: Problem) -> Placement:
    """Return the placement by `cheapest` of the jobs that are worth most for their size first.

    The size is the accelerator-hours that a job takes in the fastest class that can hold it,
    wherever that is. A job that costs more than it is worth
    is left out.
    """
    klass, start = _nowhere(problem)
    room = _Room(problem)
    worth = problem.jobs.value_yuan / np.maximum(room.market.min_accelerator_hours(), 1.0)
    order = np.argsort(-worth, kind="stable").astype(np.int32)
    room.place(order, klass, start, _tariff(problem))
    return Placement(klass=klass, start=start)


#: The rules by name, each a function of a problem.
POLICIES: MappingProxyType[str, Callable[[Problem], Placement]] = MappingProxyType(
    {
        "fifo_at_home": fifo_at_home,
        "nearest": nearest,
        "cheapest": cheapest,
        "value_density": value_density,
    }
)


class _Room:
    """The free capacity of a problem's classes, corridors and quotas."""

    def __init__(self, problem: Problem) -> None:
        self.problem, self.market = problem, market_of(problem.stepped)
        self._room = _core.ResidualCapacity(self.market)

    def place(
        self, rows: Int32s, klass: Int32s, start: Int32s, energy: Floats | None = None
    ) -> None:
        """Place jobs in this order, each at its cheapest option with room."""
        n, hours = len(self.problem.sites), self.problem.hours
        kinds = max(len(gangs_each(self.problem)), 1)
        free = np.zeros((kinds, *self.problem.classes.capacity.shape))
        price = np.zeros((n, hours)) if energy is None else energy
        wire, rows_ = np.zeros((n, n, hours)), self.problem.quotas.linear_rows
        quota = rows_.paid(np.zeros(len(rows_.upper_h)))
        self._room.place(free, price, wire, quota, rows, klass, start)

    def rest(self, jobs: Jobs, rows: np.ndarray) -> Problem:
        """Return the problem of some of these jobs in what the others have left."""
        problem, room, quotas = self.problem, self._room, self.problem.quotas
        columns = {k: getattr(jobs, k)[rows] for k in jobs.columns()}
        base = problem.energy.base_load_kwh + np.maximum(room.load, 0.0)
        return problem.replace(
            jobs=jobs.replace(**columns),
            classes=problem.classes.replace(capacity=np.maximum(room.accelerators, 0)),
            corridors=problem.corridors.replace(bandwidth_gb=np.maximum(room.data, 0.0)),
            quotas=quotas.after(room.quota_used),
            energy=problem.energy.replace(base_load_kwh=base),
        )


def _early(problem: Problem) -> Jobs:
    """Return the jobs as a rule sees them that counts hours of delay and nothing else."""
    return problem.jobs.replace(delay_yuan_per_h=1.0, migration_yuan=0.0, value_yuan=ALWAYS_YUAN)


def _in_turn(problem: Problem, rows: np.ndarray | None = None) -> Int32s:
    """Return jobs in order of release, then of row."""
    release = problem.jobs.release
    rows = np.arange(len(release)) if rows is None else rows
    return np.ascontiguousarray(rows[np.argsort(release[rows], kind="stable")], np.int32)


def _nowhere(problem: Problem) -> tuple[Int32s, Int32s]:
    n = len(problem.jobs)
    return np.full(n, -1, np.int32), np.full(n, -1, np.int32)


def _tariff(problem: Problem) -> Floats:
    """Return the price of grid power with carbon, yuan/kWh."""
    energy = problem.energy
    carbon = energy.carbon_yuan_per_t * problem.carbon_g_per_kwh / 1e6
    return np.ascontiguousarray(energy.tariff_yuan_per_kwh + carbon)
