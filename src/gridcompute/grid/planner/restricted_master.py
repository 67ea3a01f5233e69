"""A restricted master program with lifted cover rows, rounded by dives, and again in parts.

The prices of the dual ascent tell which options of each job can be in a good plan. A restricted
master program over these, at fixed prices of energy, is a linear program that HiGHS solves in about
a second where jobs are some hundred. Then

1. lifted cover rows that its solution violates are added (`cover_rows`), until it violates none;
   their prices prove more than those of accelerators and gangs can;
2. a dive rounds it: options that are nearly whole are fixed, largest gangs first, and the program
   is solved again from the last basis;
3. parts of the plan are freed and dived for again (some hours, some sites, some classes), while
   that makes the plan cheaper.

What is fixed and freed are bounds of columns, so that each solve begins where the last ended.

Sources: Barnhart and others (1998), "Branch-and-price: column generation for solving huge integer
programs", Operations Research 46; diving: Sadykov and others (2019), "Primal heuristics for branch
and price: the assets of diving methods", INFORMS Journal on Computing 31; freeing parts: Shaw
(1998), "Using constraint programming and local search methods to solve vehicle routing problems".
"""

from __future__ import annotations

import copy
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from ... import _core
from ..._interrupts import interrupts_shown
from .cover_rows import (
    CoverProof,
    CoverRows,
    coefficients,
    cover_cost,
    joined,
    no_rows,
    violated_rows,
)
from .dual_bound import evaluate_dual
from .improvement import exchanges
from .integer_program import IntegerProgram
from .local_search import fill
from .options import Options, count_options, open_options, priced
from .settings import CHAIN_ROUNDS, CHAINS, MASTER, ROUNDS_QUICK, STEPS

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from ..plan.columns import Prices
    from ..tables.column import Bools, Floats, Int32s, Int64s
    from .state import PlannerState

__all__ = ["price_and_branch", "prove_with_cover"]

#: What counts as none or all of an option.
WHOLE = 1e-6
#: An option's reduced cost, in the program's unit, below which it would lower the cost.
CHEAPER = -1e-6
#: Seconds between two questions whether a dive beside is to end.
ASKED_S = 0.1
#: Relative error of a sum of some hundred thousand terms that is taken off the bound.
CARE = 1e-12


class _Master(IntegerProgram):
    """The restricted master program: jobs in fractions, at fixed prices of energy.

    The solver knows the options `known`, and those that `extend` adds.
    """

    def __init__(
        self, state: PlannerState, free: Int32s, options: Options, known: Bools, scale_yuan: float
    ) -> None:
        """Write the program down; `options` are all there are, sorted by class."""
        self.known = known
        super().__init__(state.rows, free, options, state.rows.supply(), scale_yuan)
        #: The solver's column of each option, -1 where it has none.
        self._column = np.full(self._n, -1)
        self._column[known] = np.arange(int(known.sum()))
        self._n_columns = int(known.sum()) + len(self._cost) - self._n
        self._options = self._matrix[:, : self._n].tocsc()
        self._by_option = self._options.T.tocsr()
        #: Entries of the cover rows: their rows, their options, how much.
        self._cover: tuple[Any, Any, Any] = (
            np.zeros(0, np.int64),
            np.zeros(0, np.int64),
            np.zeros(0),
        )
        self.rows = no_rows()
        self._clock = state.clock
        #: Iterations not yet counted, each with the program's size; the steps they stand for.
        self._taken: list[tuple[int, int]] = []
        self._steps = 0.0
        self._most_steps = np.inf
        #: Does it go by a limit of work of its own, beside the clock?
        self._alone = False
        #: Set to end a search on another thread.
        self.stopped = threading.Event()

    def twin(self, most_steps: float) -> _Master:
        """Return another solver's program, at the same basis, for another thread.

        It takes `most_steps` of counted work, and asks no progress hook.
        """
        other = copy.copy(self)
        other._highs = type(self._highs)()
        other._set("output_flag", False)
        other._set("parallel", "off")
        other._highs.passModel(self._highs.getLp())
        other._highs.setBasis(self._highs.getBasis())
        other.known, other._column = self.known.copy(), self._column.copy()
        other._taken, other._steps, other._most_steps = [], 0.0, most_steps
        other._alone = most_steps < np.inf
        other.stopped = threading.Event()
        return other

    def _count(self, asked: int = 0) -> None:
        """Keep the iterations of the last run, to be counted by `settle`."""
        assert not asked, "no search by branch and bound is made"
        taken = max(self._highs.getInfo().simplex_iteration_count, 0)
        self._taken.append((taken, self.size))
        self._steps += STEPS.iterations(taken, self.size) + self.size * STEPS.solve

    def settle(self) -> None:
        """Count the work since the last call."""
        for taken, size in self._taken:
            self._rows.work.programmed(taken, size)
        self._taken.clear()

    def _energy(self) -> None:
        """Leave the dispatch out: energy has a price."""

    def _first_columns(self) -> Int64s:
        return np.concatenate([np.flatnonzero(self.known), np.arange(self._n, len(self._cost))])

    def solve(self) -> bool:
        """Solve from the last basis; False where that takes more than is left."""
        steps = self._most_steps - self._steps
        if self.is_over():
            return False
        found = self._solved(self._clock.seconds_left(), self.iterations_in(steps))
        if found is not None:
            at = self._column[self.known]
            #: How much of each option the last solution takes, and the duals of all rows.
            self.part = np.zeros(self._n)
            self.part[self.known] = np.asarray(found.col_value)[at]
            self._dual = np.asarray(found.row_dual)
        return found is not None

    def limit(self, most_steps: float) -> None:
        """Let solves from now on take `most_steps` of counted work."""
        self._steps, self._most_steps = 0.0, most_steps

    def is_over(self) -> bool:
        """Did the last solve fail for want of time or work, or because it was told to end?"""
        over = self.stopped.is_set() or self._steps >= self._most_steps
        return over or self.spent(MASTER.dive_part)

    def spent(self, part: float) -> bool:
        """Is this part of the limit over? A twin with a limit of work goes by its own work."""
        if self._alone:
            return self._steps >= part * self._most_steps
        return self._clock.spent(part)

    @property
    def yuan(self) -> float:
        """What the last solution costs, up to a constant."""
        return float(self._highs.getInfo().objective_function_value) / self._unit

    def reduced(self) -> Floats:
        """The reduced cost of each option at the last solution's duals, in the program's unit."""
        n, (row, option, amount) = self._n_rows, self._cover
        reduced = self._cost[: self._n] - self._by_option @ self._dual[:n]
        np.subtract.at(reduced, option, self._dual[n + row] * amount)
        return np.asarray(reduced)

    def cheaper(self) -> Bools:
        """Which options unknown to the solver would lower the cost of the last solution."""
        return np.asarray(~self.known & (self.reduced() < CHEAPER))

    def extend(self, more: Bools) -> None:
        """Give the solver more options."""
        from scipy.sparse import coo_array, vstack

        some = np.flatnonzero(more & ~self.known)
        if not len(some):
            return
        row, option, amount = self._cover
        cover = coo_array((amount, (row, option)), shape=(len(self.rows.klass), self._n))
        part = vstack([self._options[:, some], cover.tocsc()[:, some]]).tocsc()
        self._highs.addCols(
            len(some),
            self._cost[some],
            np.zeros(len(some)),
            np.ones(len(some)),
            part.nnz,
            part.indptr[:-1].astype(np.int32),
            part.indices.astype(np.int32),
            part.data,
        )
        self._column[some] = self._n_columns + np.arange(len(some))
        self._n_columns += len(some)
        self.known[some] = True
        self.size += len(some)

    def bound_options(self, some: Any, low: Any, high: Any) -> None:
        """Give some options, known ones, these bounds."""
        n = len(some)
        if n:
            at = self._column[some].astype(np.int32)
            low, high = (np.broadcast_to(np.asarray(x, np.float64), n).copy() for x in (low, high))
            self._highs.changeColsBounds(n, at, low, high)

    def add_cover(self, rows: CoverRows) -> None:
        """Add cover rows."""
        limits, first = rows.limits(self._rows.problem), len(self.rows.klass)
        entries = [self._cover]
        for k, (row, limit) in enumerate(zip(rows.each(), limits, strict=True)):
            place, amount = coefficients(self._rows.problem, self.options, row)
            known = self.known[place]
            at, value = self._column[place[known]].astype(np.int32), amount[known].astype(float)
            self._highs.addRow(-np.inf, float(limit), len(at), at, value)
            entries.append((np.full(len(place), first + k), place, amount.astype(float)))
        its, option, value = (np.concatenate(x) for x in zip(*entries, strict=True))
        self._cover = its, option, value
        self.rows = joined(self.rows, rows)
        self.size += len(limits)

    def row_prices(self, pi: Floats) -> tuple[Floats, Floats]:
        """Prices of the coupling rows, flat, with `pi` of energy; and of the cover rows, yuan."""
        dual = self._dual / self._unit
        return self._row_prices(dual, pi), np.maximum(-dual[self._n_rows :], 0.0)


class _Diving:
    """A dive beside other work; without a thread to spare it is made when its result is wanted."""

    def __init__(self, dive: Callable[[], Int64s], master: _Master, threads: int) -> None:
        self._dive, self.master = dive, master
        self._beside: ThreadPoolExecutor | None = None
        self._found: Future[Int64s] | None = None
        self._threads = threads

    def begin(self) -> None:
        """Begin on a thread of its own, if there is one."""
        if _core.thread_count(self._threads) == 1:
            return
        try:
            self._beside = ThreadPoolExecutor(1, "gridcompute-dive")
            with interrupts_shown():
                self._found = self._beside.submit(self._dive)
        except RuntimeError:  # the system has no thread to spare, or Python is leaving
            if self._beside is not None:
                self._beside.shutdown(wait=False, cancel_futures=True)
            self._beside = self._found = None

    def result(self, is_over: Callable[[], bool]) -> Int64s:
        """Wait for it; `is_over` is asked now and then whether to end it."""
        if self._found is None:
            return self._dive()
        while True:
            try:
                with interrupts_shown():
                    return self._found.result(timeout=ASKED_S)
            except TimeoutError:
                if is_over():
                    self.master.stopped.set()

    def close(self) -> None:
        """End it, and its thread."""
        self.master.stopped.set()
        if self._beside is not None:
            self._beside.shutdown(wait=True, cancel_futures=True)


class _Search:
    """One restricted master program, and the plans that come of it."""

    def __init__(self, state: PlannerState) -> None:
        assert state.best is not None
        self._state, problem = state, state.problem
        free, options = _by_class(state)
        self._own = options.own_yuan
        prices = state.rows.prices(state.y)
        known = self._first_options(options, priced(problem, options, prices))
        self._pi = prices.energy
        none = {k: np.zeros_like(getattr(prices, k)) for k in prices._fields if k != "energy"}
        options = options._replace(own_yuan=priced(problem, options, prices._replace(**none)))
        self._scale = abs(state.best.cost - state.without_option)
        self._master = _Master(state, free, options, known, self._scale)
        self.options, self._gang = options, problem.jobs.gang[options.job]
        self._diving: _Diving | None = None

    def _first_options(self, options: Options, cost: Floats) -> Bools:
        """The options that the solver knows at first: each job's cheapest, more of them for gangs.

        Others follow where they would lower the cost.
        """
        order = np.lexsort((cost, options.job))
        job = options.job[order]
        rank = np.arange(len(order)) - np.searchsorted(job, job)
        gang = self._state.problem.jobs.gang[job] > 1
        known = np.zeros(len(order), bool)
        known[order[rank < np.where(gang, MASTER.gangs, MASTER.singles)]] = True
        return known | self._chosen(options)

    def _chosen(self, options: Options) -> Bools:
        """The options of the best plan."""
        best = self._state.best
        assert best is not None
        same = best.klass[options.job] == options.klass
        return np.asarray(same & (best.start[options.job] == options.start))

    # -- The bound ---------------------------------------------------------------------------------

    def cut(self) -> bool:
        """Solve the master with cover rows, and keep what its prices prove.

        A dive begins beside it as soon as the first rows are in.
        """
        state, master, problem = self._state, self._master, self._state.problem
        before, in_vain = -np.inf, 0
        for k in range(MASTER.rounds):
            if not self._solve():
                if k <= MASTER.dive_after:
                    return False
                break
            if k == MASTER.dive_after:
                self._begin()
            # Prices prove little while an option that the solver does not know is cheaper at them:
            # where rows gain no more, options alone are added until none is.
            rows, cheaper = no_rows(), master.cheaper()
            if k > MASTER.dive_after:
                gained = master.yuan - before >= MASTER.gain * self._scale
                in_vain = 0 if gained else in_vain + 1
            if k and in_vain < MASTER.in_vain and not state.clock.spent(MASTER.cut_part):
                rows = violated_rows(problem, self.options, master.part, MASTER.rows)
            if k and not len(rows.klass) and not cheaper.any():
                break
            before = master.yuan
            master.add_cover(rows)
            master.extend(cheaper)
        self._prove()
        return True

    def _solve(self) -> bool:
        """Solve the master; False where that takes more than is left, or is not to be."""
        if self._state.clock.over(0.0):
            return False
        self._master.limit(self._state.clock.steps_left())
        done = self._master.solve()
        self._master.settle()
        return done

    def _begin(self) -> None:
        """Begin a dive for all jobs from the last solution, on a thread of its own if there is one.

        A limit of work gives it half of what is left.
        """
        twin = self._master.twin(0.5 * self._state.clock.steps_left())
        open_ = np.ones(len(self.options.job), bool)
        self._diving = _Diving(lambda: self._dive(twin, open_), twin, self._state.rows.threads)
        self._diving.begin()

    def _prove(self) -> None:
        """Tell `state` what the prices of the last solution prove over all options."""
        y, yuan = self._master.row_prices(self._pi)
        held = np.flatnonzero(yuan > 0)  # rows added since the last solution have no prices yet
        every = self.options._replace(own_yuan=self._own)
        found = _proof(self._state, every, y, self._master.rows.of(held), yuan[held])
        if found.bound > self._state.proved_yuan():
            self._state.cover = found

    # -- Plans -------------------------------------------------------------------------------------

    def _dive(self, master: _Master, open_: Bools) -> Int64s:
        """Round the options `open_` from the last solution on.

        Returns the options chosen, in the order in which to place them. If time runs out these are
        the ones fixed so far, then what the last solution takes of others, large gangs and large
        parts first; not all of them fit.
        """
        state, job = self._state, self.options.job
        fixed = ~open_
        chosen = fixed & (master.part > 0.5)
        while True:
            part, todo = master.part, np.zeros(0, bool)
            for least in (*sorted(state.problem.gang_levels, reverse=True), 1):
                here = ~fixed & (self._gang >= least) & (part > WHOLE)
                todo = here & (part < 1 - WHOLE)
                if todo.any():
                    break
            else:
                return np.flatnonzero(part > 0.5)
            whole = np.flatnonzero(here & ~todo)
            order = np.flatnonzero(todo)
            order = order[np.argsort(-part[order], kind="stable")]
            late = master.spent(MASTER.late_part)
            share, nearly = MASTER.late if late else (MASTER.fixed, MASTER.nearly)
            most = max(1, int(share * len(order)), int((part[order] >= nearly).sum()))
            order = order[:most]
            order = order[np.sort(np.unique(job[order], return_index=True)[1])]
            # Options of jobs that are still open follow where they would lower the cost.
            done = np.zeros(len(state.in_order), bool)
            done[job[chosen]] = True
            master.extend(master.cheaper() & open_ & ~done[job])
            while True:
                master.bound_options(whole, 1, 1)
                master.bound_options(order, 1, 1)
                if master.solve():
                    break
                if master.is_over() or not len(order):
                    rest = np.flatnonzero(~chosen & (part > WHOLE))
                    rest = rest[np.lexsort((-part[rest], -self._gang[rest]))]
                    return np.concatenate([np.flatnonzero(chosen), rest])
                master.bound_options(order, 0, 1)
                if len(order) == 1:  # nothing else is decided: it does not fit
                    master.bound_options(order, 0, 0)
                    fixed[order] = True
                order = order[: len(order) // 2]
            fixed[whole] = fixed[order] = True
            chosen[whole] = chosen[order] = True

    def first(self) -> None:
        """Keep the plan of the dive that was begun, if it is cheaper."""
        assert self._diving is not None
        self._keep(self._diving.result(lambda: self._state.clock.over(0.0)))
        self._diving.master.settle()

    def close(self) -> None:
        """End what goes on beside."""
        if self._diving is not None:
            self._diving.close()

    def _keep(self, chosen: Int64s) -> None:
        """Take the plan of these options, with what still fits beside them, if it is cheaper."""
        state, before, some = self._state, self._state.best, self.options.of(chosen)
        assert before is not None
        room, klass, start = state.settled(None)
        for k in range(len(some.job)):
            if klass[some.job[k]] < 0:
                one = slice(k, k + 1)
                room.place_at(some.job[one], some.klass[one], some.start[one], klass, start)
        state.best = state.judged(klass, start, room)
        fill(state)
        if before.cost <= state.best.cost:
            state.best = before

    def dive_again(self, rng: np.random.Generator, many: int) -> bool:
        """Free about `many` jobs of the best plan and dive again; False if time runs out."""
        state, master = self._state, self._master
        best, current = state.best, self._chosen(self.options)
        assert best is not None
        open_ = (self._freed(rng, many) | (best.klass < 0))[self.options.job]
        master.extend(current)
        known = np.flatnonzero(master.known)
        low, high = current & ~open_, current | open_
        master.bound_options(known, low[known], high[known])
        if not self._solve():
            return False
        master.limit(state.clock.steps_left())
        self._keep(self._dive(master, open_))
        master.settle()
        return True

    def _freed(self, rng: np.random.Generator, many: int) -> Bools:
        """Jobs of about an hour, at some sites, or in some classes: about `many` of them."""
        state, best = self._state, self._state.best
        assert best is not None
        problem, placed = state.problem, best.klass >= 0
        kind = int(rng.integers(3))
        if kind == 0:
            away = np.abs(best.start - int(rng.integers(problem.hours))).astype(float)
        else:
            group = problem.classes.site if kind == 1 else np.arange(len(problem.classes))
            away = rng.permutation(int(group.max()) + 1)[group[best.klass]].astype(float)
        away[~placed] = np.inf
        last = min(many, len(away) - 1)
        return np.asarray(placed & (away <= np.partition(away, last)[last]))


def _by_class(state: PlannerState) -> tuple[Int32s, Options]:
    """The jobs that have open options, and all of these, sorted by class."""
    problem, free = state.problem, np.flatnonzero(state.reach).astype(np.int32)
    capacity, wires = problem.classes.capacity, problem.corridors.bandwidth_gb
    options = open_options(problem, free, capacity, wires)
    return free, options.of(np.lexsort((options.start, options.job, options.klass)))


def _proof(
    state: PlannerState, every: Options, y: Floats, rows: CoverRows, yuan: Floats
) -> CoverProof:
    """What prices prove with those of cover rows; `every` are all open options, sorted by class."""
    problem, value = state.problem, state.problem.jobs.value_yuan
    without = priced(problem, every, state.rows.prices(y))
    covered = cover_cost(problem, every, rows, yuan)
    least = [value.copy(), value.copy()]
    np.minimum.at(least[0], every.job, without)
    np.minimum.at(least[1], every.job, without + covered)
    rent = yuan * rows.limits(problem)
    change = float((least[1] - least[0]).sum() - rent.sum())
    bound = evaluate_dual(state.rows, state.market, y, state.rows.supply()).bound + change
    state.passes += 1
    size = _most_yuan(state, y) + 2 * float(covered.sum()) + float(rent.sum())
    return CoverProof(bound - CARE * size, y, rows, yuan)


def _most_yuan(state: PlannerState, y: Floats) -> float:
    """A sum that no part of what the jobs' cheapest options cost at prices `y` exceeds."""
    problem, prices = state.problem, state.rows.prices(np.abs(y))
    power = problem.kwh_per_accelerator_h * prices.energy[problem.classes.site]
    hourly = (prices.capacity + prices.gang.sum(axis=0) + power).sum(axis=1).max(initial=0.0)
    hourly += problem.hours * prices.quota.sum()
    jobs = problem.jobs
    wires = problem.corridors.price_yuan_per_gb.max() + prices.corridor.max()
    size = (jobs.value_yuan + problem.hours * jobs.delay_yuan_per_h + jobs.migration_yuan).sum()
    return float(size + hourly * jobs.gang.sum(dtype=np.float64) + wires * jobs.data_gb.sum())


def prove_with_cover(state: PlannerState, y: Floats, prices: Prices) -> None:
    """Tell `state` what prices `y` prove with those that `prices` has of cover rows.

    Nothing where the problem is so large that no plan has such rows, or where they are of others.
    """
    columns = (prices.cover_class, prices.cover_size, prices.cover_first, prices.cover_last)
    rows = CoverRows(*(x.astype(np.int64) for x in (*columns, prices.cover_job)))
    many = count_options(state.problem) > MASTER.most
    if many or not len(rows.job) or rows.job.max() >= len(state.in_order):
        return
    found = _proof(state, _by_class(state)[1], y, rows, np.asarray(prices.cover_yuan))
    if found.bound > state.proved_yuan():
        state.cover = found


def price_and_branch(state: PlannerState) -> bool:
    """Lift the bound of `state` by cover rows, and improve its best plan by dives.

    Returns False where the problem is too large for it, or time ran out before a dive was made.
    """
    if count_options(state.problem) > MASTER.most:
        return False
    state.clock.stage("master", 0.5)
    left, search = state.clock.left(), _Search(state)
    if not len(search.options.job):
        return False
    try:
        if not search.cut():
            return False
        if not state.finished():
            _improve(search, state)
    finally:  # whatever ended it, no thread of it goes on
        search.close()
    state.last_dive_s = left - state.clock.left() if state.clock.limited else 0.0
    return True


def _improve(search: _Search, state: PlannerState) -> None:
    """Take the plan of the first dive, and dive again for parts of it while that pays."""
    state.clock.stage("branch", 0.6)
    search.first()
    rng, since = np.random.default_rng(0), 0
    for k in range(MASTER.again):
        if state.finished() or since == 2 * MASTER.without_gain:
            break
        state.clock.stage("branch", 0.6 + 0.2 * (k + 1) / MASTER.again)
        before = state.best
        many = MASTER.free << (since >= MASTER.without_gain)
        if not search.dive_again(rng, many):
            break
        since = since + 1 if state.best is before else 0
    exchanges(state, range(ROUNDS_QUICK))
    exchanges(state, range(CHAIN_ROUNDS), CHAINS)
