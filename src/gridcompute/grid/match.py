"""match(problem) -> Plan: prices, dive, dispatch, certificate.

The stages, each a function below: (1) prices from a systematic sample of the jobs, (2) a climb with
all jobs, whose best prices prove the bound, (3) a dive: jobs from large to small, prices moved on
what is left before each size, (4) the exact dispatch at the load that results. While the gap asked
for is not proved, bound and dive are repeated with more steps.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _core
from ..progress import progress_hook
from .ascent import Ascent
from .bound import Rows, market_of, sample_of
from .cost import plan_cost
from .dispatch import EnergyBlock
from .plan import Plan, Prices

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..progress import ProgressHook
    from .columns import Floats, Int32s
    from .problem import Problem

__all__ = ["match"]

#: Jobs in the sample that the first prices come from.
SAMPLE = 20_000


class _Clock:
    """The deadline, the progress hook, and seconds by stage."""

    def __init__(self, time_limit: float | None, hook: Callable[[str, float], bool] | None) -> None:
        self._begin, self._limit, self._hook = time.perf_counter(), time_limit, hook
        self._stage, self._since, self._from, self._to = "start", self._begin, 0.0, 0.0
        self.seconds: dict[str, float] = {}
        self.status = ""

    def stage(self, name: str, to: float) -> None:
        """Begin a stage that ends when `to` of the whole is done."""
        now = time.perf_counter()
        self.seconds[self._stage] = self.seconds.get(self._stage, 0.0) + now - self._since
        self._stage, self._since = name, now
        self._from, self._to = self._to, max(self._to, to)
        self.over(0.0)

    def over(self, done: float) -> bool:
        """Must the solve end? `done` is the fraction of this stage."""
        if self._limit is not None and time.perf_counter() - self._begin > self._limit:
            self.status = self.status or "time_limit"
        elif self._hook is not None:
            fraction = self._from + done * (self._to - self._from)
            if self._hook(self._stage, fraction):
                self.status = self.status or "stopped"
        return bool(self.status)


class _Best:
    """The cheapest placement found, with its cost."""

    def __init__(self, klass: Int32s, start: Int32s, cost: float, load: Floats) -> None:
        self.klass, self.start, self.cost, self.load = klass, start, cost, load


def match(
    problem: Problem,
    *,
    gap: float = 1e-3,
    prices: Prices | None = None,
    threads: int | None = None,
    time_limit: float | None = None,
    seed: int = 0,
    progress: bool | ProgressHook | None = None,
) -> Plan:
    """Match a batch of jobs under energy, corridors, quotas and the mandate, with a proved bound.

    Parameters
    ----------
    problem : Problem
    gap : float
        Stop once the plan is proved to cost at most this much, relatively, above the best. The gap
        reached is in the plan; below some thousand jobs whole gangs may leave a larger one.
    prices : Prices, optional
        Prices to start from, e.g. ``plan.prices`` of yesterday or of the case before a change. They
        change the speed, never the validity.
    threads : int, optional
        Default: ``GRIDCOMPUTE_NUM_THREADS``, or what the process may use. The plan is the same.
    time_limit : float, optional
        Seconds; the best plan so far comes back, with its bound.
    seed : int
        Which placements the repair tries.
    progress : bool or callable, optional
        True shows a bar; a callable is given a `Progress` and stops the solve by returning True.

    Returns
    -------
    Plan

    Raises
    ------
    InfeasibleError
        The base load alone cannot be served.

    Notes
    -----
    Complexity: some hundred passes over all jobs; see csrc/gridcompute/options/market.hpp.
    Determinism: the same bytes for any number of threads, unless `time_limit` ends the solve.

    Examples
    --------
    >>> import gridcompute as gc
    >>> plan = gc.match(gc.grid.east_west(n_jobs=500, seed=0), gap=0.05)
    >>> plan.gap <= 0.05 and plan.bound_yuan <= plan.objective_yuan
    True
    """
    _check_arguments(problem, gap, prices)
    with progress_hook(progress, "match") as hook:
        return _Solve(problem, gap, threads or 0, seed, _Clock(time_limit, hook)).run(prices)


def _check_arguments(problem: Any, gap: float, prices: Any) -> None:
    from .problem import Problem

    if not isinstance(problem, Problem):
        raise TypeError(f"problem must be a grid.Problem, not {type(problem).__name__}")
    if not gap >= 0:
        raise ValueError(f"gap is {gap}, needed a number >= 0")
    if prices is None:
        return
    if not isinstance(prices, Prices):
        raise TypeError(f"prices must be a grid.Prices, not {type(prices).__name__}")
    if prices.capacity.shape != problem.classes.capacity.shape:
        message = f"prices.capacity has shape {prices.capacity.shape}"
        raise ValueError(f"{message}, needed {problem.classes.capacity.shape} of this problem")


class _Solve:
    """The state of one solve."""

    def __init__(
        self, problem: Problem, gap: float, threads: int, seed: int, clock: _Clock
    ) -> None:
        self.problem, self.gap, self.seed, self.clock = problem, gap, seed, clock
        clock.stage("read", 0.05)
        self.market = market_of(problem)
        self.block = EnergyBlock(problem)
        self.rows = Rows(problem, self.block, threads)
        self.bound, self.y = -np.inf, np.zeros(0)
        self.best: _Best | None = None
        self.passes = 0
        size = self.market.sizes()
        self.order = np.argsort(-size, kind="stable").astype(np.int32)
        self.bin = np.ceil(np.log2(np.maximum(size, 1.0))).astype(np.int32)
        reach = self.market.reachable(threads) > 0
        self.without_option = float(problem.jobs.value_yuan[~reach].sum())

    def run(self, prices: Prices | None) -> Plan:
        y = self.rows.start(prices)
        n = len(self.problem.jobs)
        if prices is None:
            if n > 2 * SAMPLE:
                y = self.sampled(y)
                self.climb(y, 100, 0.02, 0.001, 0.4)
            else:
                self.climb(y, 400, 0.2, 0.002, 0.4)
        else:
            self.climb(y, 20, 0.01, 0.001, 0.4)
        for attempt in range(3):
            self.dive(30 * 2**attempt, 0.6 + 0.1 * attempt)
            if self.clock.over(1.0) or self.proved():
                break
            self.climb(self.y, 100, 0.01 / 2**attempt, 0.0005, 0.65 + 0.1 * attempt)
            if self.proved():
                break
        return self.plan()

    def proved(self) -> bool:
        assert self.best is not None
        return self.best.cost - self.bound <= self.gap * abs(self.best.cost - self.without_option)

    def sampled(self, y: Floats) -> Floats:
        self.clock.stage("sample", 0.25)
        chosen = sample_of(self.market.order(), self.market.sizes(), SAMPLE)
        market = market_of(self.problem, *chosen)
        ascent = Ascent(self.rows, market, self.rows.supply())
        ascent.climb(y, 300, 0.2, 0.002, stop=self.clock.over)
        self.passes += ascent.passes
        return ascent.best if ascent.best.size else y

    def climb(self, y: Floats, steps: int, longest: float, shortest: float, to: float) -> None:
        self.clock.stage("bound", to)
        self.market.keep(np.ones(len(self.problem.jobs), np.uint8))
        ascent = Ascent(self.rows, self.market, self.rows.supply())
        ascent.climb(y, steps, longest, shortest, stop=self.clock.over)
        if not ascent.best.size:  # stopped before the first look: the start still proves something
            ascent.climb(y, 1, longest, longest)
        self.passes += ascent.passes
        if ascent.bound > self.bound:
            self.bound, self.y = ascent.bound, ascent.best

    def dive(self, steps: int, to: float) -> None:
        self.clock.stage("dive", to)
        n = len(self.problem.jobs)
        klass, start = np.full(n, -1, np.int32), np.full(n, -1, np.int32)
        room, live, y = _core.Room(self.market), np.ones(n, np.uint8), self.y
        bins = np.unique(self.bin)[::-1]
        for k, size in enumerate(bins):
            if k > 0 and not self.clock.over(k / len(bins)):
                self.market.keep(live)
                ascent = Ascent(self.rows, self.market, self.rows.supply(room))
                y = ascent.climb(y, steps, 0.01, 0.001, trial=False, stop=self.clock.over)
                self.passes += ascent.passes
            chosen = self.order[self.bin[self.order] == size]
            room.place(*self.rows.unpack(y), chosen, klass, start)
            live[chosen] = 0
        load = self.problem.energy.base_load_kwh + room.load
        supplied = self.block.serve(load)
        cost = plan_cost(self.problem, klass, start, supplied.dispatch)
        if self.best is None or cost < self.best.cost:
            self.best = _Best(klass, start, cost, load)

    def plan(self) -> Plan:
        self.clock.stage("certificate", 1.0)
        assert self.best is not None
        best, prices = self.best, self.rows.unpack(self.y)
        supplied = self.block.serve(best.load)
        cost = plan_cost(self.problem, best.klass, best.start, supplied.dispatch)
        found = Prices(
            capacity=prices.capacity,
            energy=prices.energy,
            corridor=prices.corridor,
            quota=prices.quota,
            mandate=self.block.mandate_interval(best.load),
            storage=supplied.storage_yuan,
        )
        self.clock.stage("end", 1.0)
        seconds = {k: v for k, v in self.clock.seconds.items() if k != "start"}
        bound = min(self.bound, cost)
        return Plan(
            problem=self.problem,
            assignment=best.klass,
            start=best.start,
            dispatch=supplied.dispatch,
            prices=found,
            objective_yuan=cost,
            bound_yuan=bound,
            without_option_yuan=self.without_option,
            status=self.clock.status or ("optimal" if bound >= cost else "feasible"),
            stats={"passes": self.passes, "shapes": self.market.shapes, "seconds": seconds},
        )
