"""Large neighbourhood search: part of a plan's jobs are placed again by branch and bound.

A neighbourhood is some jobs of the best plan and all jobs that it leaves out. The options of these
that the restricted master program knows, in what all other jobs leave, are a mixed-integer program
with the master's cover rows. Power has a fixed price there. What is found is valued by the exact
dispatch, and kept if it is cheaper.

Its linear relaxation is solved first, which ends the search where no choice can be cheaper. Then
branch and bound searches the options that the relaxation or the plan takes. Of 170 programs (60 or
100 of 750 jobs freed, 540 options that fit) the relaxation ends 57; the others have 150 such
options. That took 7.8 ms each and saved 14.1 in all (the plan costs 1,000); with all options it
took 24.7 ms and saved 17.2. Two thirds of HiGHS's time were presolve. Where some neighbourhoods in
a row gain nothing, all options are searched.

Two kinds of neighbourhoods take turns. The first frees jobs that start near a random hour, or run
at random sites or in random classes. The second goes where the plan costs more than the bound: by
linear programming duality the reduced costs of its options, what jobs that it leaves out would
gain, and the prices of what it leaves unused add up to its cost above the bound. A few of these
jobs and idle hours of classes are drawn with probabilities proportional to that. Jobs near them are
freed: those that occupy the cheapest options of a job in several classes, or that run in the idle
class, or would at small reduced cost, with those beside them where they run. At 5 % above the bound
some ten jobs and hours make up nearly all of it (750 jobs, seed 1); with the hours, neighbourhoods
drawn late gain twice as much a second.

Source: Shaw (1998), "Using constraint programming and local search methods to solve vehicle routing
problems", CP 98; Danna, Rothberg and Le Pape (2005), "Exploring relaxation induced neighborhoods to
improve MIP solutions", Mathematical Programming 102; Berthold (2014), "RENS: the optimal rounding",
Mathematical Programming Computation 6.
"""

from __future__ import annotations

import contextlib
import threading
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from .program import TYPICAL_COST, IntegerProgram
from .search import fill
from .settings import HOODS

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..._interrupts import Call, WorkerThreads
    from ..tables.column import Bools, Floats, Int64s
    from .prices import CouplingConstraints
    from .program import Options
    from .state import Incumbent, PlannerState

#: Part of an option above which a relaxation takes it.
TAKEN = 1e-6


class Duals(NamedTuple):
    """Duals of a linear program, in its unit."""

    #: The reduced cost of each option.
    reduced: Floats
    #: The dual of each job's row, as a positive number: what the program gains by the job.
    left_out: Floats
    #: The duals of accelerators by class and hour, and of whole gangs by level, class and hour, as
    #: positive numbers.
    accelerators: Floats
    gangs: Floats


class NeighbourhoodProgram(IntegerProgram):
    """The options of some jobs, by branch and bound, beside all others of a plan.

    Parameters
    ----------
    rows : CouplingConstraints
    options : int64 (n,)
        The options that its first columns are.
    unit : tuple of float
        What a yuan is in the program, and what the plan costs without these options, yuan.
    cost, box, matrix, row_limits
        The program.
    """

    def __init__(
        self,
        rows: CouplingConstraints,
        options: Int64s,
        unit: tuple[float, float],
        cost: Floats,
        box: tuple[Floats, Floats],
        matrix: Any,
        row_limits: tuple[Floats, Floats],
    ) -> None:
        """Give the program to a solver."""
        self._rows, self._cost, self._n = rows, cost, len(options)
        self.options_of_columns = options
        self._unit, self.left_out_yuan = unit
        self._box, self._matrix, self._row_limits = box, matrix, row_limits
        self._hand_over(cost, box, matrix, row_limits)

    def search_all(
        self, start: Bools, *, steps: float, seconds: float, stop: Callable[[], bool]
    ) -> Bools:
        """Look for a cheaper choice than the start by branch and bound.

        Returns the start where there is none, or none is found in `steps` of counted work and in
        `seconds`, or before `stop` returns True.
        """
        most = self.iterations_in(steps)
        found = self.search(start, gap=HOODS.gap, iterations=most, seconds=seconds, stop=stop)
        return start if found.chosen is None else found.chosen

    def search_support(
        self, start: Bools, *, steps: float, seconds: float, stop: Callable[[], bool]
    ) -> Bools:
        """Look for a cheaper choice than the start among options that it or the relaxation takes.

        Returns the start where the relaxation proves that none is cheaper, or where none is found.
        The relaxation and the search each end after `steps` of counted work and after `seconds`;
        `stop` ends the search when it returns True.
        """
        self._set("presolve", "off")  # plans after 5 s were no cheaper with it (750 jobs)
        found = self._solved(seconds, self.iterations_in(steps))
        self._set("presolve", "choose")
        if found is None or stop():
            return start
        value = np.asarray(found.col_value)
        saved = float(self._cost[: self._n] @ start - self._cost @ value)
        if saved < HOODS.gap * TYPICAL_COST:
            return start
        kept = np.flatnonzero((value[: self._n] > TAKEN) | start)
        part, chosen = self._restricted(kept), start.copy()
        chosen[kept] = part.search_all(start[kept], steps=steps, seconds=seconds, stop=stop)
        return chosen

    def _restricted(self, kept: Int64s) -> NeighbourhoodProgram:
        """Return the program of these options alone."""
        columns = np.concatenate([kept, np.arange(self._n, len(self._cost))])
        low, high = (x[columns] for x in self._box)
        rows = tight_rows(self._matrix[:, columns], high, self._row_limits)
        options, cost = self.options_of_columns[kept], self._cost[columns]
        unit = (self._unit, self.left_out_yuan)
        return NeighbourhoodProgram(self._rows, options, unit, cost, (low, high), *rows)


def tight_rows(
    matrix: Any, high: Floats, limits: tuple[Floats, Floats]
) -> tuple[Any, tuple[Floats, Floats]]:
    """Return the rows of a matrix in CSC that columns from 0 to `high` can break, and limits."""
    from scipy.sparse import csc_array

    least, most = limits
    reach = np.maximum(matrix.data, 0.0) * np.repeat(high, np.diff(matrix.indptr))
    kept = np.bincount(matrix.indices, reach, len(most)) > most
    kept |= np.isfinite(least)
    inside, place = kept[matrix.indices], np.cumsum(kept) - 1
    first = np.concatenate([[0], np.cumsum(inside)])[matrix.indptr]
    entries = matrix.data[inside], place[matrix.indices[inside]], first
    shape = int(kept.sum()), matrix.shape[1]
    return csc_array(entries, shape), (least[kept], most[kept])


class _Program(Protocol):
    """A program of all jobs, restrictions of which are the programs of neighbourhoods."""

    #: The options that it has, of all.
    known: Bools

    def neighbourhood(self, known: Bools, open_: Bools, chosen: Bools) -> NeighbourhoodProgram:
        """Return the program of the options `known` and `open_` beside those `chosen`."""


class NeighbourhoodSearch:
    """Search neighbourhoods of the best plan of a state.

    Parameters
    ----------
    state : PlannerState
    options : Options
        All open options, sorted by class.
    """

    def __init__(self, state: PlannerState, options: Options) -> None:
        self._state, self._options = state, options
        self._rng = np.random.default_rng(0)
        self._known = np.zeros(len(options.job), bool)
        self._round = 0
        #: The neighbourhood that is searched beside, and set when that is to end.
        self._beside: tuple[NeighbourhoodProgram, Bools, Call[Bools]] | None = None
        self._over = threading.Event()

    def learn(self, program: _Program, duals: Duals) -> None:
        """Use restrictions of this program, with all options known so far, and these duals."""
        self._program, self._duals = program, duals
        self._known |= program.known
        n = len(self._state.in_order)
        self._cheapest = np.lexsort((duals.reduced, self._options.job))
        self._first = np.searchsorted(self._options.job[self._cheapest], np.arange(n + 1))

    def search(self, thread: WorkerThreads | None = None, *, every_option: bool) -> None:
        """Search one neighbourhood, and keep a cheaper plan.

        With a thread another one is searched beside it, and what the last one beside found is
        taken. The answer then depends on which is faster.

        Parameters
        ----------
        thread : WorkerThreads, optional
        every_option : bool
            Whether to search all options, in place of those that the relaxation or the plan takes.
        """
        if thread is not None and self._beside is None:
            part, start = self._neighbourhood()
            work = partial(self._chosen, part, start, every_option, self._over.is_set)
            with contextlib.suppress(RuntimeError):  # Python may be leaving
                self._beside = part, start, thread.submit(work)
        part, start = self._neighbourhood()
        clock = self._state.clock
        found = self._chosen(part, start, every_option, lambda: clock.over(0.0))
        self._take(part, start, found)
        if self._beside is not None and self._beside[2].wait(0.0):
            part, start, beside = self._beside
            self._beside = None
            self._take(part, start, beside.result())

    def close(self) -> None:
        """End what is searched beside; no more is afterwards."""
        self._over.set()

    def _neighbourhood(self) -> tuple[NeighbourhoodProgram, Bools]:
        """Return a neighbourhood, and which of its options the best plan takes.

        It frees at most half of the jobs that the plan places.
        """
        state, best = self._state, self._state.best
        assert best is not None
        half = int(np.count_nonzero(best.klass >= 0)) // 2
        current = options_of_plan(state, self._options)
        self._known |= current
        self._round += 1
        if self._round % 2:
            freed = self._alike(min(HOODS.alike, half))
        else:
            freed = self._dear(min(HOODS.dear, half), current)
        open_ = (freed | (best.klass < 0))[self._options.job]
        part = self._program.neighbourhood(self._known, open_, current & ~open_)
        return part, current[part.options_of_columns]

    def _chosen(
        self,
        part: NeighbourhoodProgram,
        start: Bools,
        every_option: bool,
        stop: Callable[[], bool],
    ) -> Bools:
        """Return which options of a neighbourhood to take."""
        clock = self._state.clock
        steps = min(HOODS.steps, clock.steps_left())
        seconds = min(HOODS.seconds, clock.seconds_left()) if clock.is_timed else np.inf
        search = part.search_all if every_option else part.search_support
        return search(start, steps=steps, seconds=seconds, stop=stop)

    def _take(self, part: NeighbourhoodProgram, start: Bools, chosen: Bools) -> None:
        """Keep the plan in which jobs take other options than at the start, if it is cheaper."""
        moved = start != chosen
        if not moved.any():
            return
        state, options, at = self._state, self._options, part.options_of_columns
        jobs = np.zeros(len(state.in_order), bool)
        jobs[options.job[at[moved]]] = True
        taken = options_of_plan(state, options) & ~jobs[options.job]
        taken[at[moved & chosen]] = True
        keep(state, plan_of_options(state, options, np.flatnonzero(taken)))

    def _alike(self, many: int) -> Bools:
        """Return about `many` jobs near a random hour, at random sites or in random classes."""
        state, best, rng = self._state, self._state.best, self._rng
        assert best is not None
        problem = state.problem
        kind = int(rng.integers(3))
        if kind == 0:
            away = np.abs(best.start - int(rng.integers(problem.hours))).astype(float)
        else:
            group = problem.classes.site if kind == 1 else np.arange(len(problem.classes))
            away = rng.permutation(int(group.max()) + 1)[group[best.klass]].astype(float)
        away[best.klass < 0] = np.inf
        return _nearest(away, many)

    def _dear(self, many: int, current: Bools) -> Bools:
        """Draw jobs and idle hours of classes by what they cost; return about `many` jobs there."""
        best, options, duals = self._state.best, self._options, self._duals
        assert best is not None
        dear = np.where(best.klass < 0, duals.left_out, 0.0)
        dear[options.job[current]] = np.maximum(duals.reduced[current], 0.0)
        weight = np.concatenate([dear, self._idle().ravel()])
        drawn = min(HOODS.drawn, int(np.count_nonzero(weight)))
        if not drawn:
            return self._alike(many)
        away = np.full(len(dear), np.inf)
        for k in self._rng.choice(len(weight), drawn, replace=False, p=weight / weight.sum()):
            if k < len(dear):
                away[k] = 0.0
                mine = self._cheapest[self._first[k] : self._first[k + 1]]
                first = np.sort(np.unique(options.klass[mine], return_index=True)[1])
                for option in mine[first[: HOODS.about]]:
                    self._reach(away, int(options.klass[option]), int(options.start[option]))
            else:
                klass, hour = divmod(int(k) - len(dear), self._state.problem.hours)
                self._reach(away, klass, hour)
                for job in self._candidates(klass, hour):
                    away[job] = 0.0
                    if best.klass[job] >= 0:
                        self._reach(away, int(best.klass[job]), int(best.start[job]))
        away += 0.5 * self._rng.random(len(away))  # ties are broken at random
        away[best.klass < 0] = np.inf
        return _nearest(away, many)

    def _reach(self, away: Floats, klass: int, hour: int) -> None:
        """Lower the distance of jobs to that to an hour of their class."""
        best = self._state.best
        assert best is not None
        here = best.klass == klass
        away[here] = np.minimum(away[here], np.abs(best.start[here] - hour))

    def _idle(self) -> Floats:
        """Return the price of what the best plan leaves idle, by class and hour."""
        state, duals = self._state, self._duals
        assert state.best is not None
        left = state.rows.supply(state.best.room)
        return np.asarray(
            left.accelerators * duals.accelerators + (left.gangs * duals.gangs).sum(axis=0)
        )

    def _candidates(self, klass: int, hour: int) -> Int64s:
        """Return the jobs that would run in a class in an hour at least reduced cost."""
        options, reduced = self._options, self._duals.reduced
        begin, end = np.searchsorted(options.klass, (klass, klass + 1))
        start = options.start[begin:end]
        here = begin + np.flatnonzero((start <= hour) & (hour < start + options.hours[begin:end]))
        here = here[np.argsort(reduced[here], kind="stable")]
        job = options.job[here]
        first = np.sort(np.unique(job, return_index=True)[1])[: HOODS.candidates]
        return np.asarray(job[first], np.int64)


def _nearest(away: Floats, many: int) -> Bools:
    """Return about the `many` jobs of least distance, none of infinite distance."""
    last = min(many, len(away) - 1)
    return np.asarray(np.isfinite(away) & (away <= np.partition(away, last)[last]))


def options_of_plan(state: PlannerState, options: Options) -> Bools:
    """Return which options the best plan takes."""
    best = state.best
    assert best is not None
    same = best.klass[options.job] == options.klass
    return np.asarray(same & (best.start[options.job] == options.start))


def keep(state: PlannerState, plan: Incumbent) -> None:
    """Make a plan the best one, if it is cheaper."""
    if state.best is None or plan.cost < state.best.cost:
        state.best = plan


def plan_of_options(state: PlannerState, options: Options, chosen: Int64s) -> Incumbent:
    """The plan of the options `chosen`, with what still fits beside them.

    Of several options of a job the first that fits is taken.
    """
    before, some = state.best, options.of(chosen)
    room, klass, start = state.settled(None)
    left = np.arange(len(some.job))
    while len(left):
        first = left[np.sort(np.unique(some.job[left], return_index=True)[1])]
        room.place_at(some.job[first], some.klass[first], some.start[first], klass, start)
        left = np.setdiff1d(left, first)
        left = left[klass[some.job[left]] < 0]
    state.best = state.judged(klass, start, room)
    fill(state)
    found, state.best = state.best, before
    return found
