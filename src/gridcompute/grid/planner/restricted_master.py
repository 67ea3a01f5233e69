"""A restricted master program with lifted cover rows, a dive, and a search of neighbourhoods.

The prices of the dual ascent tell which options of each job can be in a good plan. A restricted
master program over these, at fixed prices of energy, is a linear program that HiGHS solves in about
a second where jobs are some hundred. Then

1. lifted cover rows that its solution violates are added (`cover_rows`), until it violates none;
   their prices prove more than those of accelerators and gangs can;
2. a dive rounds it: options that are nearly whole are fixed, largest gangs first, and the program
   is solved again from the last basis;
3. a large neighbourhood search and rounds of ruin and recreate improve it, while that pays
   (`neighbourhood_search`, `ruin_and_recreate`).

The linear programs of (1) are solved on a second thread, if there is one, beside (2). Under a time
limit (3) does not wait for them, and rounds of ruin and recreate fill the time until the first of
them is solved.

Sources: Barnhart and others (1998), "Branch-and-price: column generation for solving huge integer
programs", Operations Research 46; diving: Sadykov and others (2019), "Primal heuristics for branch
and price: the assets of diving methods", INFORMS Journal on Computing 31; neighbourhoods: Shaw
(1998), "Using constraint programming and local search methods to solve vehicle routing problems".
"""

from __future__ import annotations

import copy
import threading
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Any

import numpy as np

from ... import _core
from ..._interrupts import interrupts_shown
from .annealing import anneal
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
from .neighbourhood_search import (
    Duals,
    NeighbourhoodProgram,
    NeighbourhoodSearch,
    keep,
    options_of_plan,
    plan_of_options,
)
from .options import Options, count_options, open_options, priced
from .ruin_and_recreate import RuinAndRecreate, ruin_and_recreate
from .settings import ANNEAL, CHAIN_ROUNDS, CHAINS, HOODS, MASTER, ROUNDS_QUICK, STEPS

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
        #: All rows and columns, cover rows included, in CSC; made when first used.
        self._all_rows: Any = None
        self._options: Any = self._matrix[:, : self._n].tocsc()
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
        #: Set to end the solves of this program on another thread.
        self.stopped = threading.Event()
        #: Whether to end, a function that only the caller's thread may call.
        self.is_over_too: Callable[[], bool] = lambda: False

    def twin(self) -> _Master:
        """Return another solver's program, at the same basis."""
        other = copy.copy(self)
        other._highs = type(self._highs)()
        other._set("output_flag", False)
        other._set("parallel", "off")
        other._highs.passModel(self._highs.getLp())
        other._highs.setBasis(self._highs.getBasis())
        other.known, other._column = self.known.copy(), self._column.copy()
        other._taken, other.stopped = [], threading.Event()
        return other

    def neighbourhood(self, known: Bools, open_: Bools, chosen: Bools) -> NeighbourhoodProgram:
        """Return the program of the options `known` and `open_`, beside those `chosen`.

        Rows that no such option is in are left out.
        """
        from scipy.sparse import csc_array

        options = np.flatnonzero(known & open_)
        matrix, more = self._every_row(), np.arange(self._n, self._matrix.shape[1])
        columns = np.concatenate([options, more])
        part = matrix[:, columns]
        touched = np.zeros(matrix.shape[0], bool)
        touched[part.indices] = True
        place = np.cumsum(touched) - 1
        shape = (int(touched.sum()), len(columns))
        part = csc_array((part.data, place[part.indices], part.indptr), shape)
        held = np.flatnonzero(chosen)
        taken = np.asarray(matrix[:, held].sum(axis=1)).ravel()
        limits = [(np.concatenate(x) - taken)[touched] for x in zip(*self._limits, strict=True)]
        low, high, cost = (np.concatenate(x)[columns] for x in zip(*self._columns, strict=True))
        left_out = self.left_out_yuan + float(self._cost[held].sum()) / self._unit
        unit = (self._unit, left_out)
        return NeighbourhoodProgram(
            self._rows, options, unit, cost, (low, high), part, tuple(limits)
        )

    def duals(self) -> Duals:
        """Return the reduced costs of options and the duals of jobs at the last solution."""
        left_out = np.zeros(len(self._rows.problem.jobs))
        left_out[self.free] = np.maximum(-self._dual[: len(self.free)], 0.0)
        return Duals(self.reduced(), left_out)

    def _every_row(self) -> Any:
        """Return all rows and columns, cover rows included: a sparse array in CSC."""
        if self._all_rows is None:
            from scipy.sparse import coo_array, vstack

            row, option, amount = self._cover
            shape = (len(self.rows.klass), self._matrix.shape[1])
            cover = coo_array((amount, (row, option)), shape=shape)
            self._all_rows = vstack([self._matrix, cover], format="csc")
        return self._all_rows

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
        if self.is_over():
            return False
        found = self._solved(self._clock.seconds_left(), self.iterations_in(self.steps_left()))
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

    def steps_left(self) -> float:
        """Return how much of its limit of work is left."""
        return max(self._most_steps - self._steps, 0.0)

    def is_over(self) -> bool:
        """Did the last solve fail for want of time or work, or because it was told to end?"""
        over = self.stopped.is_set() or self._steps >= self._most_steps
        return over or self.spent(MASTER.dive_part) or self.is_over_too()

    def spent(self, part: float) -> bool:
        """Return whether this part of the limit is over, that of its own work if it has one."""
        if self._most_steps < np.inf:
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
        some = np.flatnonzero(more & ~self.known)
        if not len(some):
            return
        part = self._every_row()[:, some]
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
        self.rows, self._all_rows = joined(self.rows, rows), None
        self._dual = np.concatenate([self._dual, np.zeros(len(limits))])
        self._limits = [*self._limits, (np.full(len(limits), -np.inf), limits.astype(float))]
        self.size += len(limits)

    def row_prices(self, pi: Floats) -> tuple[Floats, Floats]:
        """Prices of the coupling rows, flat, with `pi` of energy; and of the cover rows, yuan."""
        dual = self._dual / self._unit
        return self._row_prices(dual, pi), np.maximum(-dual[self._n_rows :], 0.0)


class _Beside:
    """Work with a program beside other work; without a thread to spare `wait` does it."""

    def __init__(self, work: Callable[[], None], master: _Master, threads: int) -> None:
        self._work, self._master = work, master
        self._beside: ThreadPoolExecutor | None = None
        self._found: Future[None] | None = None
        self._was_done = False
        if _core.thread_count(threads) == 1:
            return
        try:
            self._beside = ThreadPoolExecutor(1, "gridcompute-master")
            with interrupts_shown():
                self._found = self._beside.submit(self._work)
        except RuntimeError:  # the system has no thread to spare, or Python is leaving
            self.close()
            self._beside = self._found = None
            self._master.stopped.clear()

    @property
    def is_going(self) -> bool:
        """Return whether the work runs on a thread of its own."""
        return self._found is not None and not self._found.done()

    def wait(self, is_over: Callable[[], bool], enough: threading.Event | None = None) -> None:
        """Wait until the work is done or `enough` is set, or end it once `is_over` returns True."""
        if self._found is None:
            if not self._was_done:
                self._was_done, self._master.is_over_too = True, is_over
                self._work()
            return
        while self.is_going and not (enough is not None and enough.is_set()):
            with interrupts_shown():
                if enough is not None:
                    timed_out = not enough.wait(ASKED_S)
                else:
                    timed_out = not wait([self._found], ASKED_S).done
            if timed_out and is_over():
                self._master.stopped.set()
        if self._found.done():
            self._found.result()

    def close(self) -> None:
        """End it, and its thread."""
        self._master.stopped.set()
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
        #: Set when the master is solved as the dive needs it. `_twin` is a copy at that solution,
        #: None if time ran out before.
        self._ready = threading.Event()
        self._twin: _Master | None = None
        self._cuts: _Beside | None = None
        self.neighbourhoods = NeighbourhoodSearch(state, self.options)

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
        return known | options_of_plan(self._state, options)

    # -- The bound ---------------------------------------------------------------------------------

    def begin(self) -> None:
        """Begin to prove a bound, beside other work if there is a thread for it.

        A limit of work gives half of what is left after the first solution to it and to the dive.
        """
        self._master.limit(self._state.clock.steps_left())
        self._cuts = _Beside(self._bound, self._master, self._state.rows.threads)

    @property
    def is_ready(self) -> bool:
        """Return whether the master is solved as the dive needs it, or that failed."""
        return self._ready.is_set()

    @property
    def is_cutting(self) -> bool:
        """Return whether the proof runs on a thread of its own."""
        return self._cuts is not None and self._cuts.is_going

    def wait_until_ready(self) -> bool:
        """Wait until the master is solved as the dive needs it; False where it is not."""
        assert self._cuts is not None
        self._cuts.wait(self._state.clock.is_interrupted, self._ready)
        if self._twin is None:
            self._master.settle()
        else:
            self.neighbourhoods.learn(self._twin, self._duals)
            self.neighbourhoods.add_options(self._twin.known)
        return self._twin is not None

    def _bound(self) -> None:
        """Solve the master, hand a twin of it to the dive, and add cover rows."""
        master = self._master
        try:
            for k in range(MASTER.dive_after + 1):
                if not master.solve():
                    return
                if k < MASTER.dive_after:
                    self._refine(k > 0)
            twin, self._duals = master.twin(), master.duals()
            half = 0.5 * master.steps_left()
            master.limit(half)
            twin.limit(half)
            self._twin = twin
        finally:
            self._ready.set()
        self._cut()

    def _refine(self, with_rows: bool) -> bool:
        """Add cover rows that the last solution violates, and options that would lower its cost.

        Returns whether there are any.
        """
        master, rows = self._master, no_rows()
        cheaper = master.cheaper()
        if with_rows:
            rows = violated_rows(self._state.problem, self.options, master.part, MASTER.rows)
        master.add_cover(rows)
        master.extend(cheaper)
        return bool(len(rows.klass) or cheaper.any())

    def _cut(self) -> None:
        """Add cover rows and options to the master, and solve it again, until it needs none.

        Prices prove little while an option that the solver does not know is cheaper at them: where
        rows gain no more, options alone are added until none is.
        """
        master, in_vain = self._master, 0
        for _ in range(MASTER.dive_after, MASTER.rounds):
            before = master.yuan
            with_rows = in_vain < MASTER.in_vain and not master.spent(MASTER.cut_part)
            if not self._refine(with_rows) or not master.solve():
                break
            gained = master.yuan - before >= MASTER.gain * self._scale
            in_vain = 0 if gained else in_vain + 1

    def prove(self) -> None:
        """Wait for the rounds of cover rows, and keep what the master's prices prove."""
        if self._cuts is not None:
            self._cuts.wait(self._state.clock.is_interrupted)
            self._cuts.close()
            self._cuts = None
            self._master.settle()
            self._prove()
            self.neighbourhoods.learn(self._master, self._master.duals())
            self.neighbourhoods.add_options(self._master.known)

    def _prove(self) -> None:
        """Tell `state` what the prices of the last solution prove over all options."""
        y, yuan = self._master.row_prices(self._pi)
        held = np.flatnonzero(yuan > 0)  # rows added since the last solution have no prices yet
        every = self.options._replace(own_yuan=self._own)
        found = _proof(self._state, every, y, self._master.rows.of(held), yuan[held])
        if found.bound > self._state.proved_yuan():
            self._state.cover = found

    # -- Plans -------------------------------------------------------------------------------------

    def _dive(self, master: _Master) -> Int64s:
        """Fix options from the last solution on, those of large gangs first, until all are whole.

        Returns options in the order in which to place them: those that are fixed, then, if time
        runs out, what the last solution takes of others, large parts first; not all of them fit.
        """
        state, job = self._state, self.options.job
        fixed, chosen = np.zeros(len(job), bool), np.zeros(len(job), bool)
        levels = (*sorted(state.problem.gang_levels, reverse=True), 1)
        while True:
            part, todo = master.part, np.zeros(0, bool)
            for least in levels:
                here = ~fixed & (self._gang >= least) & (part > WHOLE)
                todo = here & (part < 1 - WHOLE)
                if todo.any():
                    break
            else:
                return _rounded(chosen, part)
            whole = np.flatnonzero(here & ~todo)
            order = np.flatnonzero(todo)
            order = order[np.argsort(-part[order], kind="stable")]
            nearly = int((part[order] >= MASTER.nearly).sum())
            most = max(1, int(MASTER.fixed * len(order)), nearly)
            order = order[:most]
            order = order[np.sort(np.unique(job[order], return_index=True)[1])]
            # Options of jobs that are still open follow where they would lower the cost.
            done = np.zeros(len(state.in_order), bool)
            done[job[chosen]] = True
            master.extend(master.cheaper() & ~done[job])
            while True:
                master.bound_options(whole, 1, 1)
                master.bound_options(order, 1, 1)
                if master.solve():
                    break
                if master.is_over() or not len(order):
                    return _rounded(chosen, part)
                master.bound_options(order, 0, 1)
                if len(order) == 1:  # nothing else is decided: it does not fit
                    master.bound_options(order, 0, 0)
                    fixed[order] = True
                order = order[: len(order) // 2]
            fixed[whole] = fixed[order] = True
            chosen[whole] = chosen[order] = True

    def dive(self) -> None:
        """Keep the plan of a dive, if it is cheaper."""
        twin = self._twin
        assert twin is not None
        twin.is_over_too = self._state.clock.is_interrupted
        keep(self._state, plan_of_options(self._state, self.options, self._dive(twin)))
        twin.settle()
        self.neighbourhoods.add_options(twin.known)

    def close(self) -> None:
        """End what goes on beside."""
        if self._cuts is not None:
            self._cuts.close()


def _rounded(chosen: Bools, part: Floats) -> Int64s:
    """The options `chosen`, then those that a solution takes parts of, large parts first."""
    rest = np.flatnonzero(~chosen & (part > WHOLE))
    return np.concatenate([np.flatnonzero(chosen), rest[np.argsort(-part[rest], kind="stable")]])


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
    """Lift the bound of `state` by cover rows, and improve its best plan by a dive and a search.

    Returns False where the problem is too large for it or for what is left of a limit, or time ran
    out before a dive was made.
    """
    many = count_options(state.problem)
    if many > MASTER.most or state.clock.left() < MASTER.least_s * many:
        return False
    state.clock.stage("master", 0.5)
    if state.clock.over(0.0):
        return False
    if state.clock.limited and not state.clock.is_timed:
        anneal(state, ANNEAL.first_rounds)
        if state.finished():
            return True
    left, search = state.clock.left(), _Search(state)
    if not len(search.options.job):
        return False
    try:
        search.begin()
        if search.is_cutting and state.clock.is_timed:
            ruin_and_recreate(state, lambda: search.is_ready)
        if not search.wait_until_ready():
            return False
        _improve(search, state)
    finally:  # whatever ended it, no thread of it goes on
        search.close()
    state.last_dive_s = left - state.clock.left() if state.clock.limited else 0.0
    return True


def _improve(search: _Search, state: PlannerState) -> None:
    """Dive for a plan, then search neighbourhoods, and ruin and recreate, while that pays.

    Under a time limit that does not wait for the proof.
    """
    state.clock.stage("branch", 0.6)
    search.dive()
    ruins, since = RuinAndRecreate(state), 0
    for k in range(HOODS.most):
        stuck = since == 2 * HOODS.in_vain
        if not (state.clock.is_timed and search.is_cutting) or stuck:
            search.prove()
        if state.finished() or state.clock.spent(MASTER.dive_part) or stuck:
            break
        state.clock.stage("branch", 0.6 + 0.2 * (k + 1) / HOODS.most)
        before = state.best
        search.neighbourhoods.search(2.0 if since >= HOODS.in_vain else 1.0)
        for _ in range(HOODS.ruins):
            ruins.round(k / HOODS.most)
        since = since + 1 if state.best is before else 0
    search.prove()
    exchanges(state, range(ROUNDS_QUICK))
    exchanges(state, range(CHAIN_ROUNDS), CHAINS)
