"""match(problem) -> Plan: prices, dive, exchanges, dispatch, certificate.

The stages, each a function below: (1) prices from a systematic sample of the jobs, (2) a climb with
all jobs, whose best prices prove the bound, (3) a dive: jobs from large to small, prices moved on
what is left before each size, (4) while the gap asked for is not proved, a further climb, and
rounds of exchanges while they pay, (5) the exact dispatch at the load that results.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ... import _checks, _core
from ..._gap import relative_gap
from ..._progress import progress_hook
from ...errors import InvalidProblemError
from ..eligibility import places_of
from ..plan.columns import Placement
from ..plan.plan import Plan, Prices
from .clock import Clock as _Clock
from .constraints import Heading, Rows, market_of, samples_of, with_sample
from .cost import least_energy_cost, load_of, plan_cost
from .dispatch_lp import EnergyBlock
from .dual_ascent import SAMPLED, Ascent
from .fixing import place_settled
from .incumbent import Best, fill_up, first_plans, greedy
from .local_search import CHAINS, FULL, exchange_round, fill
from .ruin_and_recreate import ruin_and_recreate
from .settings import (
    DIVE,
    DIVE_AGAIN,
    DIVE_FEW,
    DIVE_SMALL,
    DIVE_SMALL_AGAIN,
    FEW,
    SMALL,
    WALK,
    WALK_SMALL,
)
from .warm_start import resume

if TYPE_CHECKING:
    from ..._progress import ProgressHook
    from ..tables.column import Bools, Floats, Int32s
    from ..tables.problem import Problem
    from .local_search import Effort
    from .settings import Pace, Walk

__all__ = ["match"]

#: Samples that the first prices come from, at most.
WALK_SAMPLES = 25
#: Steps of all jobs, with their first and last lengths in typical prices.
BOUND_STEPS, BOUND_STEPS_FEW, BOUND_LENGTHS = 60, 150, (0.003, 0.0005)
#: Steps more before a second dive, at most: where whole gangs leave the gap, they close none of it.
BOUND_STEPS_AGAIN, BOUND_LENGTHS_AGAIN = 500, (0.002, 0.0002)
#: After which of the steps that settle the prices before a size all jobs left are looked at, to
#: learn what each sample of them misses. It takes a third off the gap at 200,000 jobs.
CORRECTED_AT = (4, 8, 12, 16)
#: Where jobs are few, those that may run at so few sites are placed as if they were
#: 2 ** EARLIER times as large: others can go elsewhere, they cannot.
FEW_PLACES, EARLIER = 2, 2
#: Rounds of chains after those of exchanges where jobs are few, at most: they end when they do not
#: pay, and until then cost little.
CHAIN_ROUNDS = 6
#: Rounds of exchanges at most.
ROUNDS = 8
#: Part of a time limit after which the walk to the first prices ends, so that jobs are placed at
#: them.
PRICES_PART = 0.4


class _Dive:
    """A placement under way, and the prices it follows."""

    def __init__(self, room: _core.Room, klass: Int32s, start: Int32s, y: Floats) -> None:
        self.room, self.klass, self.start = room, klass, start
        self.y = self.average = y
        #: Jobs that would rather stay out: nobody makes way for them.
        self.declined = np.zeros(len(klass), bool)


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
        change the speed, never the validity. Where they carry a placement of as many jobs, what
        still fits of it is kept, and only jobs that would not stay are placed again.
    threads : int, optional
        Default: ``GRIDCOMPUTE_NUM_THREADS``, or what the process may use. The plan is the same.
    time_limit : float, optional
        Seconds, 0 or more; the best plan so far comes back, with its bound. However short it is, no
        plan costs more than leaving out all jobs, or than keeping those that were placed, by the
        columns of `jobs` or by `prices`, and filling up greedily.
    seed : int
        Without effect: nothing in the solve is random. Kept so that calls may name it.
    progress : bool or callable, optional
        True shows a bar; a callable is given a `Progress` and stops the solve by returning True.

    Returns
    -------
    Plan

    Raises
    ------
    InfeasibleError
        The base load alone cannot be served; `witness` has the site, the hour, its load and the
        most there is (`site, hour, load_kwh, most_kwh`).
    InvalidProblemError
        An argument is out of range, or `prices` are not of this problem's shape.
    TypeError
        An argument is of a wrong type.

    Notes
    -----
    Complexity: some hundred passes over all jobs; see csrc/gridcompute/options/market.hpp.
    Determinism: the same bytes for any number of threads, unless `time_limit` ends the solve.

    Examples
    --------
    >>> import gridcompute as gc
    >>> plan = gc.match(gc.grid.east_west(n_jobs=500, seed=0), gap=0.05)
    >>> plan.bound_yuan <= plan.objective_yuan and bool(plan.verify().valid)
    True
    """
    _check_problem(problem, prices)
    gap, most = _checks.gap(gap), _checks.threads(threads)
    time_limit = _checks.time_limit(time_limit)
    _checks.seed(seed)
    with progress_hook(progress, "match") as hook:
        solve = Solve(problem, gap, most, _Clock(time_limit, hook))
        try:
            return solve.run(prices)
        finally:  # whatever ended it, no thread of it goes on
            solve.rows.close()


def _check_problem(problem: Any, prices: Any) -> None:
    from ..tables.problem import Problem

    if not isinstance(problem, Problem):
        raise TypeError(f"problem must be a grid.Problem, not {type(problem).__name__}")
    if prices is None:
        return
    if not isinstance(prices, Prices):
        raise TypeError(f"prices must be a grid.Prices, not {type(prices).__name__}")
    for name, needed in (
        ("capacity", problem.classes.capacity.shape),
        ("energy", problem.energy.tariff_yuan_per_kwh.shape),
        ("corridor", problem.corridors.bandwidth_gb.shape),
        ("quota", (len(problem.quotas),)),
    ):
        found = getattr(prices, name).shape
        if found != needed:
            message = f"prices.{name} has shape {found}, needed {needed} of this problem"
            raise InvalidProblemError(message, f"prices.{name}")


class Solve:
    """The state of one solve."""

    def __init__(self, problem: Problem, gap: float, threads: int, clock: _Clock) -> None:
        self.problem, self.gap, self.clock = problem, gap, clock
        clock.stage("read", 0.05)
        self.market = market_of(problem)
        self.rows = Rows(problem, EnergyBlock(problem), threads)
        self.ascent = Ascent(self.rows)
        self.bound, self.y = -np.inf, np.zeros(0)
        self.best: Best | None = None
        self.passes = 0
        self.size = self.market.sizes()
        self.by_size = np.argsort(-self.size, kind="stable").astype(np.int32)
        self.in_order = self.market.order()
        self.reach = self.market.reachable(threads) > 0
        #: So few jobs that their large gangs are worth more pains.
        self.few = len(self.in_order) <= FEW
        self.small = len(self.in_order) <= SMALL
        #: The step of a dive at which each job is placed, by size: 2 ** step accelerator-hours.
        self.step = np.ceil(np.log2(np.maximum(self.size, 1.0))).astype(np.int32)
        if self.few:
            self.step[places_of(problem) <= FEW_PLACES] += EARLIER
        self.without_option = float(problem.jobs.value_yuan[~self.reach].sum())
        #: What no plan costs less than, whatever the prices: the signs of all costs prove it.
        self.least = self.without_option + least_energy_cost(problem)

    def run(self, prices: Prices | None) -> Plan:
        """All stages."""
        y = self.rows.start(prices)
        placement = None if prices is None else prices.placement
        first_plans(self, y, placement)
        if not self.clock.over(0.0):
            self.search(y, placement, warm=prices is not None)
        if (
            self.clock.status
        ):  # prices that were not followed to the end may prove less than the first
            self.look(y)
        if self.bound < 0:  # where nothing is scarce prices of nothing prove more, and exactly
            self.look(np.zeros_like(self.y))
        fill_up(self)
        return self.plan()

    def search(self, y: Floats, placement: Placement | None, *, warm: bool) -> None:
        """Prices from `y` and plans at them, until the gap is proved or the solve must end."""
        few, again = self.few, False
        if warm:
            y, again = resume(self, y, placement)
            if self.finished() or (again and not few):
                return
        else:
            y = self.sampled(y, WALK_SMALL if self.small else WALK)
        steps = BOUND_STEPS_FEW if few and not self.small else BOUND_STEPS
        self.climb(y, steps, BOUND_LENGTHS, 0.3, most=0.6)
        if few or self.clock.over(1.0):
            self.improve(None, 0.35)
        paces = (DIVE_FEW, DIVE_AGAIN) if few else (DIVE,)
        paces = (DIVE_SMALL, DIVE_SMALL_AGAIN) if self.small else paces
        for pace in paces[1:] if again else paces:
            if self.finished():
                break
            if pace in (DIVE_AGAIN, DIVE_SMALL_AGAIN):
                steps = min(BOUND_STEPS_AGAIN, len(self.in_order) // 40)
                self.climb(self.y, steps, BOUND_LENGTHS_AGAIN, 0.4)
                if self.finished():
                    break
            self.improve(pace, 0.6)
        if self.small:
            ruin_and_recreate(self)

    def improve(
        self, pace: Pace | None, to: float, taken: Bools | None = None, rounds: int = ROUNDS
    ) -> None:
        """A placement, and up to `rounds` of exchanges while they pay; the cheaper plan stays.

        It is that of a dive, or without a `pace` the greedy one at the best prices, of which only
        `SMALL` problems make more: there rounds take a tenth of the time of a dive.
        """
        before = self.best
        if pace is None:
            found = greedy(self, self.y)
            self.best = found if before is None or found.cost < before.cost else before
        else:
            self.dive(pace, to, taken)
            fill(self)
        if pace is not None or self.small:
            self.exchanges(range(rounds))
            if self.few:
                self.exchanges(range(CHAIN_ROUNDS), CHAINS)
        if before is not None and self.best is not None and before.cost <= self.best.cost:
            self.best = before

    def exchanges(self, rounds: range, effort: Effort = FULL) -> None:
        """Rounds of exchanges while they pay."""
        for k in rounds:
            if self.finished():
                break
            self.clock.stage("exchange", 0.7 + 0.25 * (k + 1) / ROUNDS)
            if not exchange_round(self, k, effort):
                break

    def finished(self) -> bool:
        """Is the gap proved, or must the solve end?"""
        return self.clock.over(1.0) or self.proved()

    def proved(self) -> bool:
        """Is the best plan proved to be within the gap?"""
        return self.open_gap() <= self.gap

    def open_gap(self) -> float:
        """The relative gap of the best plan, jobs that have no option left out."""
        assert self.best is not None
        without = self.without_option
        return relative_gap(self.best.cost - without, self.proved_yuan() - without)

    def proved_yuan(self) -> float:
        """What no plan costs less than: by the best prices, or by the signs of all costs."""
        return max(self.bound, self.least)

    def sampled(self, y: Floats, how: Walk = WALK) -> Floats:
        """Prices from small samples of the jobs, each of which stands for all of them."""
        self.clock.stage("sample", 0.2)
        drawn = samples_of(self.in_order, self.size, how.sample, WALK_SAMPLES)
        walker = Ascent(self.rows, SAMPLED)

        def stop(done: float) -> bool:
            return self.clock.over(done) or self.clock.spent(PRICES_PART)

        markets = [self.market.part(*sample) for sample in drawn]
        y = walker.walk(markets, self.market, self.rows.supply(), y, how, stop=stop)
        self.passes += walker.passes
        return y

    def look(self, y: Floats) -> None:
        """Keep `y` if it proves more than all before it."""
        self.passes += 1
        bound = self.rows.evaluate(self.market, y, self.rows.supply()).bound
        if bound > self.bound:
            self.bound, self.y = bound, y

    def climb(
        self, y: Floats, steps: int, lengths: tuple[float, float], to: float, most: float = 1.0
    ) -> None:
        """The bound, with all jobs, until `most` of the time limit is over."""
        self.clock.stage("bound", to)

        def stop(done: float) -> bool:
            return self.clock.over(done) or self.clock.spent(most)

        ascent = self.ascent
        ascent.climb(self.market, self.rows.supply(), y, steps, lengths, stop=stop)
        if ascent.bound > self.bound:
            self.bound, self.y = ascent.bound, ascent.best

    def dive(self, pace: Pace, to: float, taken: Bools | None = None) -> None:
        """Place all jobs, large ones first; prices move on what is left as they are placed.

        With `taken`, only those jobs are placed, and all others stay as the best plan has them.
        """
        self.clock.stage("dive", to)
        n = len(self.in_order)
        room, klass, start = self.settled(taken)
        dive = _Dive(room, klass, start, self.y)
        taken = np.ones(n, bool) if taken is None else taken
        step = self.step
        sizes = np.unique(step[taken])[::-1]
        for k, size in enumerate(sizes):
            # Jobs that found no room among their own size try again with every smaller one.
            now = taken & ((step == size) | ((step > size) & (klass < 0) & self.reach))
            done = (k / len(sizes), (k + 1) / len(sizes))
            left = now | (taken & (step < size))
            if size < pace.large or pace.settling is None:
                self.dive_size(dive, now, left, pace, int(size), done)
            else:
                self.dive_settled(dive, now, left, pace, int(size), done)
            stuck = np.flatnonzero(now & (klass < 0) & ~dive.declined).astype(np.int32)
            if len(stuck) and size >= pace.large:
                self.make_way(stuck, dive)
        self.market.keep(np.ones(n, np.uint8))
        self.best = self.judged(klass, start, dive.room)

    def settled(self, taken: Bools | None) -> tuple[_core.Room, Int32s, Int32s]:
        """Room and placement of the best plan without the jobs `taken`, None for all of them."""
        room, n = _core.Room(self.market), len(self.in_order)
        klass, start = np.full(n, -1, np.int32), np.full(n, -1, np.int32)
        if taken is not None:
            assert self.best is not None
            on = np.flatnonzero((self.best.klass >= 0) & ~taken).astype(np.int32)
            room.settle(on, self.best.klass[on], self.best.start[on], klass, start)
        return room, klass, start

    def dive_size(
        self,
        dive: _Dive,
        now: Bools,
        left: Bools,
        pace: Pace,
        size: int,
        done: tuple[float, float],
    ) -> None:
        """Place the jobs `now` in parts, with a step of the prices between two.

        All of them take part in the steps until they are placed; samples stand for the smaller ones
        that are left. What each sample misses is found by looking at all, now and then.
        """
        length = pace.lengths[0] * (pace.lengths[1] / pace.lengths[0]) ** done[0]
        markets = self.stand_ins(now, left, pace)
        missing = markets[0].live < left.sum()
        live = np.ones(len(left), np.uint8)
        self.market.keep(left.astype(np.uint8))
        chosen, rows_ = self.by_size[now[self.by_size]], self.rows
        parts = min(pace.parts_of(size), len(chosen))
        missed = np.zeros((len(markets), len(dive.y)))
        served, k = rows_.serving(dive.y), 0
        heading = Heading() if pace.near else None
        for i in range(parts):
            for j in range(1 if i else pace.settle):
                if self.clock.over(done[0] + i / parts * (done[1] - done[0])):
                    break
                if i == 0 and j in CORRECTED_AT and missing:
                    found = [rows_.use(market, dive.y) for market in markets]
                    miss = rows_.use(self.market, dive.y) - found
                    missed += (miss - missed) / (CORRECTED_AT.index(j) + 1)
                    self.passes += 1 + len(markets)
                market = markets[k % len(markets)]
                if i:
                    market.keep(live)
                use = rows_.use(market, dive.y) + missed[k % len(markets)]
                supply = rows_.supply(dive.room)
                dive.y = self.ascent.follow(use, dive.y, supply, length, served())
                load = supply.load_kwh + rows_.unpack(use).energy
                limits = heading.see(load) if heading is not None else None
                if k % pace.energy_every == 0:
                    served = rows_.serving(dive.y, limits)
                dive.average = pace.memory * dive.average + (1 - pace.memory) * dive.y
                k += 1
            part = np.ascontiguousarray(chosen[i::parts])
            dive.room.place(*rows_.unpack(dive.average), part, dive.klass, dive.start)
            live[part] = 0
        served()

    def dive_settled(
        self, dive: _Dive, now: Any, left: Any, pace: Pace, size: int, done: Any
    ) -> None:
        """Place the jobs `now`, the most settled ones first."""
        assert pace.settling is not None
        markets, placement = self.stand_ins(now, left, pace), (dive.klass, dive.start)
        jobs = np.ascontiguousarray(self.by_size[now[self.by_size]])
        state = self.rows, dive.room, markets, jobs, dive.average, placement, pace.settling, size
        dive.y, dive.declined = place_settled(
            *state, lambda part: self.clock.over(done[0] + part * (done[1] - done[0]))
        )
        dive.average = dive.y

    def stand_ins(self, now: Any, left: Any, pace: Pace) -> list[_core.Market]:
        """Markets of the jobs `now` and of samples that stand for the others of `left`."""
        here, later = (self.in_order[of[self.in_order]] for of in (now, left & ~now))
        drawn = samples_of(later, self.size, pace.later, pace.samples)
        return [with_sample(self.market, here, *sample) for sample in drawn]

    def make_way(self, stuck: Int32s, dive: _Dive) -> None:
        """Place jobs that found no room, if others go elsewhere for less than that gains."""
        prices = self.rows.unpack(dive.average)
        exchange = _core.Exchange(dive.room, *prices, 1.0, dive.klass, dive.start)
        exchange.survey(np.inf, placed_only=True, threads=self.rows.threads)
        no_end = np.zeros((*prices.energy.shape, 1))
        exchange.run(self.market.positions(stuck), no_end, prices.energy[:, :, None].copy())
        exchange.keep()

    def judged(self, klass: Int32s, start: Int32s, room: _core.Room) -> Best:
        """A placement with its exact cost, after its exact dispatch."""
        supplied = self.rows.block.serve(self.problem.energy.base_load_kwh + room.load)
        return Best(klass, start, plan_cost(self.problem, klass, start, supplied.dispatch), room)

    def plan(self) -> Plan:
        """The answer, with its prices."""
        self.clock.stage("certificate", 1.0)
        assert self.best is not None
        best, prices = self.best, self.rows.unpack(self.y)
        load = load_of(self.problem, best.klass, best.start)
        block = self.rows.block.for_load(load)
        supplied = block.serve(load)
        cost = plan_cost(self.problem, best.klass, best.start, supplied.dispatch)
        found = Prices(
            capacity=prices.capacity,
            energy=prices.energy,
            corridor=prices.corridor,
            quota=prices.quota,
            placement=Placement(klass=best.klass, start=best.start),
            mandate=block.mandate_interval(load),
            storage=supplied.storage_yuan,
        )
        self.clock.stage("end", 1.0)
        seconds = {k: v for k, v in self.clock.seconds.items() if k != "start"}
        bound = min(self.proved_yuan(), cost)
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
            stats={
                "passes": self.passes + self.ascent.passes,
                "shapes": self.market.shapes,
                "seconds": seconds,
            },
        )
