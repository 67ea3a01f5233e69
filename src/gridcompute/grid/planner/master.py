"""Programs of all jobs: the whole problem where it is small, else a restricted master program.

Where all open options of all jobs are some thousand, HiGHS solves the whole problem as one integer
program, dispatch included. Its relaxation gives the best prices at once, in place of a long ascent,
and its search the best plan with a bound beyond that of prices. A search that takes too many steps
is ended; the methods for large problems then improve the plan.

The prices of the dual ascent tell which options of each job can be in a good plan. A restricted
master program over these, at fixed prices of energy, is a linear program that HiGHS solves in about
a second where jobs are some hundred. Options that would lower its cost, and lifted cover rows that
its solution violates (`program`), are added until there are none; the rows' prices prove more
than those of accelerators and gangs can.

Under a limit small ruins in the core (`anneal`) improve the plan at first. A large neighbourhood
search with restrictions of the program follows (`neighbourhood_search`). Under a time limit that
goes on beside the proof, which runs on a second thread, if there is one: neighbourhoods are drawn
by the prices of the ascent at first, then by those of the last solution. The second thread searches
neighbourhoods as well once the proof is done.

Rounding the program's solution by a dive instead (options that are nearly whole fixed, the program
solved again, and so on) took 1.1 to 1.8 s of 5 for 750 jobs, and found no better plan.

Source: Barnhart and others (1998), "Branch-and-price: column generation for solving huge integer
programs", Operations Research 46; neighbourhoods: Shaw (1998), "Using constraint programming and
local search methods to solve vehicle routing problems", CP 98.
"""

from __future__ import annotations

import copy
import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from ... import _core
from ..._interrupts import Call, WorkerThreads
from ...errors import InfeasibleError
from .neighbourhood_search import (
    Duals,
    NeighbourhoodProgram,
    NeighbourhoodSearch,
    options_of_plan,
    tight_rows,
)
from .prices import evaluate_dual
from .program import (
    ASKED_S,
    CoverProof,
    CoverRows,
    IntegerProgram,
    Options,
    coefficients,
    count_options,
    cover_cost,
    joined,
    no_rows,
    open_options,
    priced,
    violated_rows,
)
from .search import anneal, exchanges, improve
from .settings import (
    ANNEAL,
    CHAIN_ROUNDS,
    CHAINS,
    EASED,
    FINER,
    HOODS,
    LEAST_SEARCHED,
    MANY_OPTIONS,
    MASTER,
    MOST_SEARCHED,
    NEAR,
    RELAXED_PART,
    ROUNDS_QUICK,
    SEARCH_PART,
    SEARCH_STEPS,
    SEARCH_STEPS_MANY,
    STEPS,
    STEPS_PER_S,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..plan.columns import Prices
    from ..tables.column import Bools, Floats, Int32s, Int64s
    from .prices import RowPrices
    from .program import Options
    from .state import PlannerState

#: Part of the cost that counts as 0: about the solver's own tolerance.
SAME = 1e-6


def is_small(state: PlannerState) -> bool:
    """Return whether the whole problem is solved as one program."""
    return state.small and count_options(state.problem) <= MOST_SEARCHED


def solve_exactly(state: PlannerState) -> bool:
    """Set prices, bound and plan of `state` by one program for all jobs, as far as time allows.

    Returns whether the prices are optimal.
    """
    assert state.best is not None
    state.clock.stage("program", 0.3)
    clock = state.clock
    free, options = _all_options(state)
    program = _program(state, free, options)
    relaxed = program.relaxed(
        RELAXED_PART * clock.seconds_left(),
        program.iterations_in(clock.steps_left(RELAXED_PART)),
    )
    if relaxed is None:
        return False
    state.look(relaxed.y)
    if state.searched_out(len(options.job)):
        return True
    many = len(options.job) > MANY_OPTIONS
    if many and not _has_time(state, program):
        return True
    if many:  # a cheaper plan closes more options
        improve(state, None, 0.35)
        if state.finished():
            return True
    # Reduced costs close options only together with the bound of the same prices, `state.y`.
    room = state.best.cost - state.bound
    closed = reduced_costs(state, options, state.y) > room + SAME * abs(state.best.cost)
    before, without = state.best.cost, state.without_option
    proved = _searched(state, program, closed, many=many)
    # The solver's tolerances are parts of the first plan's cost: a much cheaper plan needs finer
    # ones.
    coarse = abs(state.best.cost - without) < FINER * abs(before - without)
    if (
        coarse
        and not many
        and not is_same(state, proved, state.best.cost)
        and not state.clock.over(0.5)
    ):
        program = _program(state, free, options)
        proved = max(proved, _searched(state, program, closed, many=many))
    # No plan that is cheaper than the one before contains a closed option.
    searched = min(proved, before)
    if is_same(state, searched, state.best.cost):
        searched = state.best.cost
    elif many:
        searched -= EASED * abs(state.best.cost)
    state.searched = max(state.searched, searched)
    return True


def is_same(state: PlannerState, yuan: float, cost: float) -> bool:
    """Return whether a bound by search equals a plan's cost, within the solver's tolerance."""
    size = max(1.0, abs(cost), abs(cost - state.without_option))
    return yuan >= cost - SAME * size


def _all_options(state: PlannerState) -> tuple[Int32s, Options]:
    """Return the jobs that have options, and all of these."""
    problem = state.problem
    free = np.flatnonzero(state.reach).astype(np.int32)
    capacity, wires = problem.classes.capacity, problem.corridors.bandwidth_gb
    return free, open_options(problem, free, capacity, wires)


def _program(state: PlannerState, free: Int32s, options: Options) -> IntegerProgram:
    """Return the program of all jobs with these options."""
    assert state.best is not None
    scale = abs(state.best.cost - state.without_option)
    return IntegerProgram(state.rows, free, options, state.rows.supply(), scale)


def _has_time(state: PlannerState, program: IntegerProgram) -> bool:
    """Return whether a limit of the solve leaves a search among many options time for a plan."""
    steps = SEARCH_PART * state.clock.left() * STEPS_PER_S
    return steps >= STEPS.questions(LEAST_SEARCHED, program.size)


def _searched(state: PlannerState, program: IntegerProgram, closed: Bools, *, many: bool) -> float:
    """Search a program for a better plan of `state`; return a lower bound over its options.

    Where options are `many` it ends at a small gap, and leaves time for other methods.
    """
    clock, options = state.clock, program.options
    clock.stage("search", 0.9)
    start = _chosen(state, options)
    part, most = (SEARCH_PART, SEARCH_STEPS_MANY) if many else (1.0, SEARCH_STEPS)
    gap = state.search_gap
    found = program.search(
        start,
        closed=closed & ~start,
        gap=max(gap, NEAR) if many else gap,
        iterations=program.iterations_in(min(most, clock.steps_left(part))),
        seconds=part * clock.seconds_left(),
        stop=lambda: clock.over(0.5),
    )
    if found.chosen is not None:
        adopt(state, options, found.chosen)
    return found.bound_yuan + state.without_option


def adopt(state: PlannerState, options: Options, chosen: Bools) -> None:
    """Make the plan of the chosen options the best one of `state`, if it is cheaper.

    Jobs that are not among those of the options stay where they are.
    """
    assert state.best is not None
    taken = np.zeros(len(state.in_order), bool)
    taken[options.job] = True
    room, klass, start = state.settled(taken)
    some = options.of(chosen)
    to_class, to_start = (np.zeros_like(klass) for _ in range(2))
    to_class[some.job], to_start[some.job] = some.klass, some.start
    to = to_class[some.job], to_start[some.job]
    room.place_at(some.job, *to, klass, start, within_power=False)  # a store may serve them
    try:
        found = state.judged(klass, start, room)
    except InfeasibleError:  # by less than the solver's tolerance
        return
    if found.cost < state.best.cost:
        state.best = found


def reduced_costs(state: PlannerState, options: Options, y: Floats) -> Floats:
    """Return the cost of each option at prices, above the cheapest choice of its job, yuan."""
    problem = state.problem
    cost = priced(problem, options, state.rows.prices(y))
    least = problem.jobs.value_yuan.copy()
    np.minimum.at(least, options.job, cost)
    return np.asarray(cost - least[options.job])


def _chosen(state: PlannerState, options: Options) -> Bools:
    """Return which options the best plan of `state` has chosen."""
    assert state.best is not None
    klass, start = state.best.klass[options.job], state.best.start[options.job]
    return np.asarray((klass == options.klass) & (start == options.start))


#: An option's reduced cost, in the program's unit, below which it would lower the cost.
CHEAPER = -1e-6
#: Relative error of what jobs together take of a row.
ROW_ROUNDING = 1e-9
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
        #: Whether there is a solution.
        self.was_solved = False
        #: Set to end the solves of this program on another thread.
        self.stopped = threading.Event()
        #: Whether to end, a function that only the caller's thread may call.
        self.is_over_too: Callable[[], bool] = lambda: False

    def snapshot(self) -> _Master:
        """Return the program as it is, to make neighbourhoods of while this one grows."""
        self._every_row()
        other = copy.copy(self)
        other.known = self.known.copy()
        return other

    def neighbourhood(self, known: Bools, open_: Bools, chosen: Bools) -> NeighbourhoodProgram:
        """Return the program of the options `known` and `open_`, beside those `chosen`.

        Options that do not fit beside those, and rows that cannot be broken, are left out.
        """
        held, options = np.flatnonzero(chosen), np.flatnonzero(known & open_)
        matrix, more = self._every_row(), np.arange(self._n, self._matrix.shape[1])
        taken = matrix[:, held]
        used = np.bincount(taken.indices, taken.data, matrix.shape[0]).astype(np.float64)
        least, most = (np.concatenate(x) - used for x in zip(*self._limits, strict=True))
        part = matrix[:, options]
        column = np.repeat(np.arange(len(options)), np.diff(part.indptr))
        allowed = most + ROW_ROUNDING * (1.0 + used)
        options = np.delete(options, column[part.data > allowed[part.indices]])
        columns = np.concatenate([options, more])
        low, high, cost = (np.concatenate(x)[columns] for x in zip(*self._columns, strict=True))
        left_out = self.left_out_yuan + float(self._cost[held].sum()) / self._unit
        rows = tight_rows(matrix[:, columns], high, (least, most))
        unit = (self._unit, left_out)
        return NeighbourhoodProgram(self._rows, options, unit, cost, (low, high), *rows)

    def duals(self) -> Duals:
        """Return the reduced costs of options and the duals of jobs at the last solution.

        The limit of 1 of an option says no more than the row of its job. Where the solver prices
        the limit, the job's row has that price here, so that no reduced cost is below 0.
        """
        job, n_jobs = self.options.job, len(self._rows.problem.jobs)
        left_out, reduced, limit = np.zeros(n_jobs), self.reduced(), np.zeros(n_jobs)
        left_out[self.free] = np.maximum(-self._dual[: len(self.free)], 0.0)
        np.maximum.at(limit, job, -reduced)
        y = self._row_prices(self._dual, np.zeros(self._rows.shapes[1]))
        prices = self._rows.prices(y)
        return Duals(reduced + limit[job], left_out + limit, prices.capacity, prices.gang)

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
        # Without a basis the interior-point method takes 0.36 s in place of 0.65 (750 jobs). Its
        # work is not counted, so that only a time limit may have it.
        cold = self._clock.is_timed and not self.was_solved
        self._set("solver", "ipm" if cold else "choose")
        found = self._solved(self._clock.seconds_left(), self.iterations_in(self.steps_left()))
        if found is not None:
            at = self._column[self.known]
            #: How much of each option the last solution takes, and the duals of all rows.
            self.part = np.zeros(self._n)
            self.part[self.known] = np.asarray(found.col_value)[at]
            self._dual, self.was_solved = np.asarray(found.row_dual), True
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
        return over or self.spent(MASTER.search_part) or self.is_over_too()

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

    def __init__(self, work: Callable[[], None], master: _Master) -> None:
        self._work, self._master = work, master
        #: A thread for other work, None if there is none.
        self.thread: WorkerThreads | None = None
        self._found: Call[None] | None = None
        self._was_done = False

    def start(self) -> None:
        """Begin the work; whatever comes meanwhile, `close` has to follow."""
        try:
            self.thread = WorkerThreads(1)
            self._found = self.thread.submit(self._work)
        except RuntimeError:  # the system has no thread to spare, or Python is leaving
            self.close()
            self.thread = self._found = None
            self._master.stopped.clear()

    @property
    def is_going(self) -> bool:
        """Return whether the work runs on a thread of its own."""
        return self._found is not None and not self._found.wait(0.0)

    def wait(self, is_over: Callable[[], bool]) -> None:
        """Wait until the work is done, or end it once `is_over` returns True."""
        if self._found is None:
            if not self._was_done:
                self._was_done, self._master.is_over_too = True, is_over
                self._work()
            return
        while self.is_going:
            if not self._found.wait(ASKED_S) and is_over():
                self._master.stopped.set()
        self._found.result()

    def close(self) -> None:
        """End it, and its thread."""
        self._master.stopped.set()
        if self.thread is not None:
            self.thread.close()


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
        self.options = options
        #: The program and its duals at its last solution, once there is one.
        self._solved: tuple[_Master, Duals] | None = None
        self._learnt: tuple[_Master, Duals] | None = None
        self._cuts: _Beside | None = None
        self._is_proved = False
        self.neighbourhoods = NeighbourhoodSearch(state, self.options)
        self.neighbourhoods.learn(self._master.snapshot(), self._duals_at(prices))

    def _duals_at(self, prices: RowPrices) -> Duals:
        """Return what duals of the program are at prices that are not of its solution."""
        problem, unit = self._state.problem, self._master._unit
        gain = priced(problem, self.options._replace(own_yuan=self._own), prices)
        gain = (problem.jobs.value_yuan[self.options.job] - gain) * unit
        left_out = np.zeros(len(problem.jobs))
        np.maximum.at(left_out, self.options.job, gain)
        reduced = left_out[self.options.job] - gain
        return Duals(reduced, left_out, prices.capacity * unit, prices.gang * unit)

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

        A limit of work gives it half of what is left after the first solutions.
        """
        self._master.limit(self._state.clock.steps_left())
        self._cuts = _Beside(self._bound, self._master)
        if _core.thread_count(self._state.rows.threads) > 1:
            self._cuts.start()

    @property
    def is_cutting(self) -> bool:
        """Return whether the proof runs on a thread of its own."""
        return self._cuts is not None and self._cuts.is_going

    @property
    def thread(self) -> WorkerThreads | None:
        """The thread of the proof, once it has nothing to do; None if there is none."""
        return None if self._cuts is None or self.is_cutting else self._cuts.thread

    def learn(self) -> None:
        """Search neighbourhoods by the last solution of the program from now on."""
        solved = self._solved  # the thread of the proof replaces it
        if solved is not None and solved is not self._learnt:
            self._learnt = solved
            self.neighbourhoods.learn(*solved)

    def _bound(self) -> None:
        """Solve the master, and add cover rows and options, until it needs none.

        Prices prove little while an option that the solver does not know is cheaper at them: where
        rows gain no more, options alone are added until none is.
        """
        master, in_vain, before = self._master, 0, -np.inf
        for k in range(MASTER.rounds + 1):
            with_rows = in_vain < MASTER.in_vain and not master.spent(MASTER.cut_part)
            changed = k == 0 or self._refine(with_rows)
            if not changed or not master.solve():
                break
            self._solved = master.snapshot(), master.duals()
            if k == 1:
                master.limit(0.5 * master.steps_left())
            gained = k < 2 or master.yuan - before >= MASTER.gain * self._scale
            in_vain, before = 0 if gained else in_vain + 1, master.yuan

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

    def prove(self) -> None:
        """Wait for the rounds of cover rows, and keep what the master's prices prove."""
        if self._cuts is not None and not self._is_proved:
            self._cuts.wait(self._state.clock.is_interrupted)
            self._is_proved = True
            self._master.settle()
            self.learn()
            if self._master.was_solved:
                self._prove()

    def _prove(self) -> None:
        """Tell `state` what the prices of the last solution prove over all options."""
        y, yuan = self._master.row_prices(self._pi)
        held = np.flatnonzero(yuan > 0)  # rows added since the last solution have no prices yet
        every = self.options._replace(own_yuan=self._own)
        found = _proof(self._state, every, y, self._master.rows.of(held), yuan[held])
        if found.bound > self._state.proved_yuan():
            self._state.cover = found

    def close(self) -> None:
        """End what goes on beside."""
        self.neighbourhoods.close()
        if self._cuts is not None:
            self._cuts.close()


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
    """Lift the bound of `state` by cover rows, and improve its best plan by local searches.

    Returns False where the problem is too large for that, or for what is left of a limit.
    """
    many = count_options(state.problem)
    if many > MASTER.most or state.clock.left() < MASTER.least_s * many:
        return False
    state.clock.stage("master", 0.5)
    if state.clock.over(0.0):
        return False
    left, timed = state.clock.left(), state.clock.is_timed
    if state.clock.limited and not timed:
        anneal(state, ANNEAL.first_rounds)
        if state.finished():
            return True
    search = _Search(state)
    if not len(search.options.job):
        return False
    try:
        search.begin()
        if timed:  # beside the proof
            anneal(state, ANNEAL.first_rounds)
        _improve(search, state)
    finally:  # whatever ended it, no thread of it goes on
        search.close()
    state.last_dive_s = left - state.clock.left() if state.clock.limited else 0.0
    return True


def _improve(search: _Search, state: PlannerState) -> None:
    """Search neighbourhoods while that pays; under a time limit beside the proof of the bound.

    Where some in a row gain nothing all their options are searched. Under a limit a round of small
    ruins at the last temperature follows: it uses the cost curves of power, neighbourhoods a fixed
    price.
    """
    state.clock.stage("branch", 0.6)
    since = 0
    for k in range(HOODS.most):
        stuck = since == HOODS.enough
        if not (state.clock.is_timed and search.is_cutting) or stuck:
            search.prove()
        if state.finished() or state.clock.spent(MASTER.search_part) or stuck:
            break
        search.learn()
        state.clock.stage("branch", 0.6 + 0.2 * (k + 1) / HOODS.most)
        before = state.best
        in_vain = since >= HOODS.in_vain
        thread = search.thread if state.clock.is_timed else None
        search.neighbourhoods.search(thread, every_option=in_vain)
        since = since + 1 if state.best is before else 0
    search.prove()
    if state.clock.limited:
        anneal(state, 1, ANNEAL.last)
    exchanges(state, range(ROUNDS_QUICK))
    exchanges(state, range(CHAIN_ROUNDS), CHAINS)
