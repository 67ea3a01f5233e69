"""The plan of some jobs as one mixed-integer program for HiGHS, and its lifted cover rows.

Columns: each open option of the jobs (0 or 1), what queues lack to their lower quotas, and all
columns of the energy block. Rows: each job once at most, accelerators by class and hour, corridors,
quotas, the load of each site and hour, and all rows of the energy block. Rows that no choice of the
jobs can break are left out. All other jobs stay where they are: what they take is gone from the
right-hand side. The Lagrangian oracle never stores an option; where jobs are few, a list of all
options is short.

Its relaxation gives the best prices there are, exactly. An option that costs more at prices than
the difference between a plan and what the prices prove is in no better plan, so the search is not
shown it, and its bound stays a bound for all options.

Lifted cover rows say how many gangs fit beside a job. Where a job runs, the gangs that run through
the same hours share what it leaves of the class. For a class c of C accelerators, gangs of g, some
hours in a row and a job j, every plan keeps

    sum over i != j of (gang_i // g) * [i runs at c in all of the hours]
        + (C // g - (C - gang_j) // g) * [j runs at c in any of them]  <=  C // g.

The relaxation violates such rows: half of a gang of four and one whole single share a class of four
accelerators. Rows that a solution violates are found by looking at all of them for one hour and for
two in a row; longer stretches lift the bound by 1e-6 of it (750 jobs, seed 1).

Source: lifted cover inequalities (Balas, "Facets of the knapsack polytope", Mathematical
Programming 8, 1975), clique inequalities where C // g is 1; over several hours those of van den
Akker, van Hoesel and Savelsbergh, "A polyhedral approach to single-machine scheduling problems",
Mathematical Programming 85, 1999.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..._extras import extra
from ..._interrupts import WorkerThreads
from ..eligibility import filtered, hours_needed, least_free
from .settings import STEPS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ..tables.column import Bools, Floats, Int32s, Int64s
    from ..tables.problem import Problem
    from .prices import CouplingConstraints, RightHandSide, RowPrices


class Options(NamedTuple):
    """Options as columns, sorted by job, class and first hour."""

    job: Int32s
    klass: Int32s
    start: Int32s
    hours: Int32s
    #: Transfer, delay and migration, yuan.
    own_yuan: Floats
    #: The hours in which each runs, (n_options, n_hours); None where all run whole. With it,
    #: `hours` counts those of all pieces.
    busy: Bools | None = None

    def of(self, chosen: Bools | Int64s) -> Options:
        """Some of them, in their order."""
        job, klass, start, hours, own, busy = self
        parts = (job[chosen], klass[chosen], start[chosen], hours[chosen])
        return Options(*parts, own[chosen], None if busy is None else busy[chosen])

    def running(self) -> tuple[Any, Any]:
        """Each hour that each option runs: the option's place and the hour."""
        if self.busy is not None:
            place, hour = np.nonzero(self.busy)
            return place, hour
        place = np.repeat(np.arange(len(self.job)), self.hours)
        before = np.repeat(np.cumsum(self.hours) - self.hours, self.hours)
        return place, self.start[place] + (np.arange(len(place)) - before)


def count_options(problem: Problem) -> int:
    """Count the options of all jobs, without regard to the capacity that is left in their hours."""
    every = np.arange(len(problem.jobs))
    left, _ = filtered(problem, every)
    need = hours_needed(problem, every)
    slack = problem.jobs.deadline[:, None] - problem.jobs.release[:, None] - need + 1
    return int(slack[left].sum(dtype=np.int64))


def open_options(problem: Problem, rows: Int32s, capacity: Int64s, data_gb: Floats) -> Options:
    """List the open options of the jobs `rows`, for the free accelerators and corridors.

    Parameters
    ----------
    problem : Problem
    rows : int32 (n,)
        Rows of the jobs table, ascending.
    capacity : int64 (n_classes, n_hours)
    data_gb : float64 (n_sites, n_sites, n_hours)
        inf where a corridor has no limit.
    """
    jobs, classes = problem.jobs, problem.classes
    left, _ = filtered(problem, rows.astype(np.int64))
    need = hours_needed(problem, rows)
    row, klass = np.nonzero(left)
    hours = need[row, klass].astype(np.int64)
    starts = jobs.deadline[rows[row]] - jobs.release[rows[row]] - hours + 1
    row, klass = np.repeat(row, starts), np.repeat(klass, starts)
    hours = np.repeat(hours, starts)
    before = np.repeat(np.cumsum(starts) - starts, starts)
    job = rows[row]
    start = jobs.release[job] + (np.arange(len(row)) - before)
    site, origin = classes.site[klass], jobs.origin[job]
    good = least_free(capacity)[hours, klass, start] >= jobs.gang[job]
    good &= (site == origin) | (jobs.data_gb[job] <= data_gb[origin, site, start])
    job, klass, start = (x[good].astype(np.int32) for x in (job, klass, start))
    site, origin, lengths = site[good], origin[good], hours[good].astype(np.int32)
    was, then = jobs.placed_class[job], jobs.placed_start[job]
    moved = (was >= 0) & ((was != klass) | (then != start))
    own = problem.corridors.price_yuan_per_gb[origin, site] * jobs.data_gb[job]
    own += jobs.delay_yuan_per_h[job] * (start - jobs.release[job])
    own += np.where(moved, jobs.migration_yuan[job], 0.0)
    return Options(job, klass, start, lengths, own)


def priced(problem: Problem, options: Options, prices: RowPrices) -> Floats:
    """Return the cost of each option with its use of the rows at these prices, yuan."""
    jobs, site = problem.jobs, problem.classes.site
    job, klass, start, hours, own, busy = options
    gang = jobs.gang[job].astype(np.float64)

    def rent(hourly: Floats) -> Floats:
        if busy is not None:
            return np.asarray((hourly[klass] * busy).sum(axis=1))
        running = np.concatenate([np.zeros((len(hourly), 1)), hourly.cumsum(axis=1)], axis=1)
        return np.asarray(running[klass, start + hours] - running[klass, start])

    cost = rent(prices.capacity + problem.kwh_per_accelerator_h * prices.energy[site])
    rows = problem.quotas.linear_rows
    held = rows.paid(prices.quota)[jobs.tenant[job], rows.model(problem.classes.accelerator)[klass]]
    cost = own + gang * (cost + held * hours)
    cost += prices.corridor[jobs.origin[job], site[klass], start] * jobs.data_gb[job]
    for level, beta in zip(problem.gang_levels, prices.gang, strict=True):
        cost += (jobs.gang[job] // level) * rent(beta)
    return np.asarray(cost)


#: The cost that the solver is given the best known plan as: its tolerances are absolute ones.
TYPICAL_COST = 1000.0
#: Largest relative error of a bound that the solver's tolerances allow; it is taken off.
TOLERANCE = 1e-7
#: Seconds between two questions whether a search is to end.
ASKED_S = 0.1
#: HiGHS's mark of a solution that keeps all rows.
FEASIBLE = 2
#: HiGHS's number for no limit of steps.
UNLIMITED = 2**31 - 1
#: Parts of HiGHS's search that took more time here than they saved: with 6,000 options of 60 jobs
#: the first three took 2 of 4.8 seconds and found no plan that the others did not find. The
#: programs of 124 neighbourhoods took 43 ms each with restarts, 33 ms without.
NEEDLESS = (
    "mip_heuristic_run_feasibility_jump",
    "mip_heuristic_run_root_reduced_cost",
    "mip_detect_symmetry",
    "mip_allow_restart",
)


class Relaxation(NamedTuple):
    """The optimum of the program with jobs in fractions."""

    yuan: float
    #: Prices of the rows, a flat vector of `CouplingConstraints`.
    y: Floats
    #: How much of each option it takes.
    part: Floats


class Searched(NamedTuple):
    """What a search found."""

    #: Options chosen, (n_options,): the start where no other was found, None without a start.
    chosen: Bools | None
    #: No choice of these options costs less, yuan.
    bound_yuan: float


class IntegerProgram:
    """The mixed-integer program of some jobs.

    Parameters
    ----------
    rows : CouplingConstraints
    free : int32 (n,)
        Rows of the jobs that are to be placed, ascending; all others are in `supply`.
    options : Options
        Of these jobs, or as many of them as the program is to know.
    supply : RightHandSide
        What the rows offer these jobs.
    scale_yuan : float
        What the best known plan costs about.
    """

    def __init__(
        self,
        rows: CouplingConstraints,
        free: Int32s,
        options: Options,
        supply: RightHandSide,
        scale_yuan: float,
    ) -> None:
        """Write the program down."""
        self._rows, self.options, self._supply = rows, options, supply
        self._unit = TYPICAL_COST / scale_yuan if scale_yuan > 1e-9 else 1.0
        self._n = len(options.job)
        self._columns: list[tuple[Floats, Floats, Floats]] = []
        self._limits: list[tuple[Floats, Floats]] = []
        self._entries: list[tuple[Any, Any, Floats]] = []
        self._n_rows = 0
        jobs = rows.problem.jobs
        self.free = free
        #: What it costs to place none of these jobs, quotas and energy aside, yuan.
        self.left_out_yuan = float(jobs.value_yuan[self.free].sum())
        gain = (options.own_yuan - jobs.value_yuan[options.job]) * self._unit
        self._columns.append((np.zeros(self._n), np.ones(self._n), gain))
        self._jobs_once()
        self._accelerators()
        self._corridors()
        self._quotas()
        self._energy()
        self._pass()

    # -- The program -------------------------------------------------------------------------------

    def _add(self, low: Floats, high: Floats, row: Any, column: Any, value: Any) -> slice:
        """Add rows with their entries; `row` counts from the first of them."""
        at = slice(self._n_rows, self._n_rows + len(low))
        self._limits.append((low, high))
        value = np.asarray(value, np.float64)
        self._entries.append((np.asarray(row) + at.start, np.asarray(column), value))
        self._n_rows = at.stop
        return at

    def _add_tight(
        self, key: Any, column: Any, amount: Any, most: Floats, tallest: Floats
    ) -> tuple[slice, Any]:
        """Add those of the rows ``sum of amount <= most`` that can be broken, and tell which."""
        tight = np.flatnonzero(tallest > most)
        place = np.full(len(most), -1)
        place[tight] = np.arange(len(tight))
        held = place[key] >= 0
        low = np.full(len(tight), -np.inf)
        at = self._add(low, most[tight], place[key[held]], column[held], amount[held])
        return at, tight

    def _tallest(self, key: Any, amount: Floats, size: int, column: Any) -> Floats:
        """The most that all jobs together can take of each row."""
        most = np.zeros(size)
        job = self.options.job[column]
        # A job takes one option: of those that take of a row, the one that takes most counts.
        order = np.lexsort((-amount, job, key))
        first = np.ones(len(order), bool)
        first[1:] = (key[order][1:] != key[order][:-1]) | (job[order][1:] != job[order][:-1])
        np.add.at(most, key[order][first], amount[order][first])
        return most

    def _jobs_once(self) -> None:
        row = np.searchsorted(self.free, self.options.job)
        n = len(self.free)
        self._add(np.full(n, -np.inf), np.ones(n), row, np.arange(self._n), np.ones(self._n))

    def _accelerators(self) -> None:
        problem = self._rows.problem
        column, hour = self.options.running()
        key = self.options.klass[column].astype(np.int64) * problem.hours + hour
        gang = problem.jobs.gang[self.options.job[column]].astype(np.float64)
        most = np.asarray(self._supply.accelerators, np.float64).ravel()
        tallest = self._tallest(key, gang, len(most), column)
        self._capacity = self._add_tight(key, column, gang, most, tallest)
        self._gangs = []
        for level, gangs in zip(problem.gang_levels, self._supply.gangs, strict=True):
            number = gang // level
            used = number > 0
            args = key[used], number[used]
            tallest = self._tallest(*args, len(most), column[used])
            # Where no accelerators are left over, the row of accelerators says as much.
            tallest[self._supply.accelerators.ravel() % level == 0] = 0.0
            limit = np.asarray(gangs, np.float64).ravel()
            self._gangs.append(self._add_tight(args[0], column[used], args[1], limit, tallest))

    def _corridors(self) -> None:
        problem, (job, klass, start, *_) = self._rows.problem, self.options
        wires = problem.corridors.bandwidth_gb
        site, origin, column = (
            problem.classes.site[klass],
            problem.jobs.origin[job],
            np.arange(self._n),
        )
        key = np.ravel_multi_index((origin, site, start), wires.shape)
        data = problem.jobs.data_gb[job]
        used = data > 0
        most = np.where(np.isfinite(wires), self._supply.data_gb, np.inf).ravel()
        key, column, data = key[used], column[used], data[used]
        tallest = self._tallest(key, data, len(most), column)
        self._corridor = self._add_tight(key, column, data, most, tallest)

    def _quotas(self) -> None:
        problem, supply, rows = self._rows.problem, self._supply, self._rows.quotas
        job, klass = self.options.job, self.options.klass
        account = rows.account(problem.jobs.tenant[job], problem.classes.accelerator[klass])
        # Each option counts in all rows of its account.
        many = (rows.end - rows.begin)[account]
        column = np.repeat(np.arange(self._n), many)
        ahead = np.arange(len(column)) - np.repeat(np.cumsum(many) - many, many)
        row = rows.row[np.repeat(rows.begin[account], many) + ahead].astype(np.int64)
        amount = (problem.jobs.gang[job].astype(np.float64) * self.options.hours)[column]
        tallest = self._tallest(row, amount, len(rows.upper_h), column)
        self._upper = self._add_tight(row, column, amount, supply.quota_h, tallest)
        price = rows.floor
        low = np.flatnonzero((supply.quota_low_h > 0) & (price > 0))
        first = sum(len(c[0]) for c in self._columns)
        asked = supply.quota_low_h[low]
        self._columns.append((np.zeros(len(low)), asked, price[low] * self._unit))
        place = np.full(len(rows.upper_h), -1)
        place[low] = np.arange(len(low))
        held = place[row] >= 0
        low_row = np.concatenate([place[row[held]], np.arange(len(low))])
        columns = np.concatenate([column[held], first + np.arange(len(low))])
        value = np.concatenate([amount[held], np.ones(len(low))])
        self._lower = self._add(asked, np.full(len(low), np.inf), low_row, columns, value), low

    def _energy(self) -> None:
        problem, block = self._rows.problem, self._rows.block
        first = sum(len(c[0]) for c in self._columns)
        at, base = block.column["load"], problem.energy.base_load_kwh
        cost, low, high = block.cost.copy(), block.low.copy(), block.high.copy()
        cost[at], low[at], high[at] = 0.0, base / block.site_unit, block.most_kwh / block.site_unit
        self._columns.append((low, high, cost * (block.unit * self._unit)))
        entries = block.matrix.tocoo()
        kept = np.isfinite(block.row_low) | np.isfinite(block.row_high)
        assert kept.all()
        self._add(block.row_low, block.row_high, entries.row, first + entries.col, entries.data)
        column, hour = self.options.running()
        klass = self.options.klass[column]
        site = problem.classes.site[klass].astype(np.int64)
        kwh = problem.kwh_per_accelerator_h[klass, hour] / block.site_unit[site, 0]
        kwh = kwh * problem.jobs.gang[self.options.job[column]]
        key = site * problem.hours + hour
        load = (self._supply.load_kwh / block.site_unit).ravel()
        row = np.concatenate([key, np.arange(base.size)])
        columns = np.concatenate([column, first + at.ravel()])
        value = np.concatenate([-kwh, np.ones(base.size)])
        self._link = self._add(load, load.copy(), row, columns, value)

    def _pass(self) -> None:
        with extra("grid"):
            from scipy.sparse import coo_array

        low, high, cost = (np.concatenate(p) for p in zip(*self._columns, strict=True))
        row_limits = tuple(np.concatenate(p) for p in zip(*self._limits, strict=True))
        row, column, value = (np.concatenate(p) for p in zip(*self._entries, strict=True))
        shape = (self._n_rows, len(cost))
        matrix = coo_array((value, (row, column)), shape=shape).tocsc()
        self._cost, self._matrix = cost, matrix
        known = self._first_columns()
        if known is not None:
            matrix, low, high, cost = matrix[:, known], low[known], high[known], cost[known]
        self._hand_over(cost, (low, high), matrix, row_limits)

    def _hand_over(
        self, cost: Floats, box: tuple[Floats, Floats], matrix: Any, row_limits: tuple[Any, ...]
    ) -> None:
        """Give the program to a new solver; `matrix` is sparse, in CSC."""
        with extra("grid"):
            import highspy

        self._kinds = highspy.HighsVarType
        self._interrupts = highspy.cb.HighsCallbackType
        # The plain binding: highspy.Highs prints a greeting as soon as it is made.
        self._highs: Any = highspy.Highs.__base__()
        self._set("output_flag", False)
        self._set("parallel", "off")
        lp = highspy.HighsLp()
        lp.num_row_, lp.num_col_ = matrix.shape
        lp.col_cost_ = cost
        lp.col_lower_, lp.col_upper_ = box
        lp.row_lower_, lp.row_upper_ = row_limits
        lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
        lp.a_matrix_.start_, lp.a_matrix_.index_ = matrix.indptr, matrix.indices
        lp.a_matrix_.value_ = matrix.data
        lp.offset_ = self.left_out_yuan * self._unit
        self._highs.passModel(lp)
        #: Rows and columns.
        self.size = sum(matrix.shape)

    def _first_columns(self) -> Int64s | None:
        """The columns that the solver is given at first; None = all."""
        return None

    def _set(self, option: str, value: object) -> None:
        self._highs.setOptionValue(option, value)

    # -- Questions to it ---------------------------------------------------------------------------

    def iterations_in(self, steps: float) -> float:
        """Steps of the simplex method that `steps` of counted work are enough for."""
        return steps / STEPS.iterations(1, self.size)

    def _count(self, asked: int = 0) -> None:
        """Count the steps of the last run, in which the solver asked so often whether to go on."""
        taken = max(self._highs.getInfo().simplex_iteration_count, 0)
        self._rows.work.programmed(taken, self.size, asked)

    def _solved(self, seconds: float, iterations: float) -> Any | None:
        """Solve with jobs in fractions; HiGHS's solution, None if it takes more than is given."""
        # HiGHS counts the time of all its runs against the limit.
        limit = self._highs.getRunTime() + seconds
        self._set("time_limit", float(min(limit, 1e30)))
        self._set("simplex_iteration_limit", int(min(iterations, UNLIMITED)))
        self._run(threading.Event(), lambda: False)
        self._set("simplex_iteration_limit", UNLIMITED)
        self._count()
        optimal = self._highs.getModelStatus().name == "kOptimal"
        return self._highs.getSolution() if optimal else None

    def relaxed(self, seconds: float = np.inf, iterations: float = np.inf) -> Relaxation | None:
        """Solve the program with jobs in fractions; None where that takes more than is given."""
        found = self._solved(seconds, iterations)
        if found is None:
            return None
        dual = np.asarray(found.row_dual) / self._unit
        pi = dual[self._link].reshape(self._rows.shapes[1]) / self._rows.block.site_unit
        y = self._row_prices(dual, pi)
        yuan = float(self._highs.getInfo().objective_function_value) / self._unit
        return Relaxation(yuan, y, np.asarray(found.col_value[: self._n]))

    def _row_prices(self, dual: Floats, pi: Floats) -> Floats:
        """The flat vector of prices that duals of the rows stand for, with `pi` of energy."""
        rows = self._rows
        alpha, _, gamma, nu, beta = (np.zeros(s) for s in rows.shapes)
        priced = [(self._capacity, alpha), (self._corridor, gamma)]
        priced += list(zip(self._gangs, beta, strict=True))
        for (at, which), price in priced:
            price.ravel()[which] = np.maximum(-dual[at], 0.0)
        nu[self._upper[1]] = np.maximum(-dual[self._upper[0]], 0.0)
        nu[self._lower[1]] -= np.maximum(dual[self._lower[0]], 0.0)
        return rows.within(rows.pack(alpha, pi, gamma, nu, beta) * rows.active)

    def search(
        self,
        start: Bools | None = None,
        *,
        closed: Bools | None = None,
        gap: float = 0.0,
        iterations: float = np.inf,
        seconds: float = np.inf,
        stop: Callable[[], bool] = lambda: False,
    ) -> Searched:
        """Look for the cheapest choice of options, by branch and bound.

        Parameters
        ----------
        start : bool (n_options,), optional
            A choice to begin with.
        closed : bool (n_options,), optional
            Options that are not to be chosen.
        gap : float
            The relative gap at which the search may end.
        iterations, seconds : float
            Steps of the simplex method, about, and time, after which it ends.
        stop : callable
            Asked now and then; True ends the search.
        """
        n = self._n
        every = np.arange(n, dtype=np.int32)
        kind = np.full(n, int(self._kinds.kInteger), np.uint8)
        self._highs.changeColsIntegrality(n, every, kind)
        most = np.ones(n) if closed is None else np.where(closed, 0.0, 1.0)
        self._highs.changeColsBounds(n, every, np.zeros(n), most)
        self._highs.clearSolver()
        if start is not None:
            self._highs.setSolution(n, every, start.astype(np.float64))
        self._set("mip_rel_gap", gap)
        self._set("mip_abs_gap", TYPICAL_COST * TOLERANCE / 10)
        for costly in NEEDLESS:
            self._set(costly, False)
        self._set("time_limit", float(min(seconds, 1e30)))

        asked, ended, caller = 0, threading.Event(), threading.get_ident()
        each = STEPS.questions(1, self.size) / STEPS.iterations(1, self.size)

        def ask(_kind: Any, _message: str, _out: Any, into: Any, _data: Any) -> None:
            # HiGHS 1.16 does not say here how many steps it has taken: what it asks is counted.
            nonlocal asked
            asked += 1
            over = asked * each > iterations or ended.is_set()
            into.user_interrupt = over or (threading.get_ident() == caller and stop())

        def run() -> None:
            nonlocal asked
            asked = 0
            self._run(ended, stop)
            self._count(asked)

        self._highs.setCallback(ask, None)
        self._highs.startCallback(self._interrupts.kCallbackMipInterrupt)
        run()
        bound = float(self._highs.getInfo().mip_dual_bound)
        if start is not None and self._is_stale():
            self._highs.clearSolver()
            run()
            bound = max(bound, float(self._highs.getInfo().mip_dual_bound))  # both are proved
        self._highs.stopCallback(self._interrupts.kCallbackMipInterrupt)
        bound = (bound - TOLERANCE * max(TYPICAL_COST, abs(bound))) / self._unit
        if self._highs.getInfo().primal_solution_status != FEASIBLE:
            return Searched(start, bound)
        values = np.asarray(self._highs.getSolution().col_value[:n])
        return Searched(values > 0.5, bound)

    def _run(self, ended: threading.Event, stop: Callable[[], bool]) -> None:
        """Run the solver on a thread of its own, and set `ended` once `stop` returns True.

        Where there is no thread for it the caller's thread runs it.

        HiGHS keeps a thread pool for each calling thread, and refuses a pool size that differs from
        that of the first call. During a search idle pool threads spin: 170 neighbourhoods took
        7.2 s of processor time with the default size and 5.0 s with a pool of one, in the same
        wall time. A new thread can choose the size; it takes 0.3 ms.
        """
        self._set("threads", 1)
        pool = WorkerThreads(1)
        try:
            try:
                found = pool.submit(self._highs.run)
            except RuntimeError:  # the system has no thread to spare, or Python is leaving
                self._set("threads", 0)
                self._highs.run()
                return
            while not found.wait(ASKED_S):
                if stop():
                    ended.set()
        except BaseException:
            ended.set()
            raise
        finally:
            pool.close()
        found.result()

    def _is_stale(self) -> bool:
        """Is the solver's point dearer than the objective that it says the point has?

        HiGHS 1.16 sometimes finds a better point than the one it began with, says what that costs,
        and hands out the one it began with.
        """
        info = self._highs.getInfo()
        if info.primal_solution_status != FEASIBLE:
            return False
        point = np.asarray(self._highs.getSolution().col_value)
        costs = float(self._cost @ point) + self.left_out_yuan * self._unit
        found = float(info.objective_function_value)
        return costs > found + TOLERANCE * max(TYPICAL_COST, abs(found))


#: Longest stretch of hours that rows are looked for over.
MOST_HOURS = 2
#: Least excess over a row's limit, in gangs, at which it counts as violated.
VIOLATED = 0.05
#: Rows of one class, size and stretch at a time.
EACH = 2


class CoverRows(NamedTuple):
    """Rows as columns, one entry each."""

    klass: Int64s
    #: The gangs that are counted, accelerators.
    size: Int64s
    #: First and last hour.
    first: Int64s
    last: Int64s
    job: Int64s

    def of(self, chosen: Bools | Int64s) -> CoverRows:
        """Some of them."""
        return CoverRows(*(values[chosen] for values in self))

    def each(self) -> Iterator[tuple[int, ...]]:
        """Yield the rows as tuples."""
        return zip(*(values.tolist() for values in self), strict=True)

    def limits(self, problem: Problem) -> Int64s:
        """How many gangs each row allows, C // g."""
        found = [
            int(problem.classes.capacity[c, a : b + 1].max()) // g
            for c, g, a, b in zip(self.klass, self.size, self.first, self.last, strict=True)
        ]
        return np.array(found, np.int64)


class CoverProof(NamedTuple):
    """Prices that prove more with lifted cover rows than without."""

    bound: float
    y: Floats
    rows: CoverRows
    yuan: Floats

    def columns(self) -> dict[str, Any]:
        """Return the rows and their prices as columns of `Prices`."""
        klass, size, first, last, job = (values.astype(np.int32) for values in self.rows)
        return {
            "cover_class": klass,
            "cover_size": size,
            "cover_first": first,
            "cover_last": last,
            "cover_job": job,
            "cover_yuan": self.yuan,
        }


def no_rows() -> CoverRows:
    """No rows."""
    return CoverRows(*(np.zeros(0, np.int64) for _ in CoverRows._fields))


def joined(rows: CoverRows, more: CoverRows) -> CoverRows:
    """Both, in their order."""
    return CoverRows(*(np.concatenate(pair) for pair in zip(rows, more, strict=True)))


def coefficients(problem: Problem, options: Options, row: tuple[int, ...]) -> tuple[Any, Any]:
    """What options have of one row, of those sorted by class: their places, and how much each."""
    klass, size, first, last, job = row
    some = np.arange(
        np.searchsorted(options.klass, klass), np.searchsorted(options.klass, klass, "right")
    )
    most = int(problem.classes.capacity[klass, first : last + 1].max())
    begin, end = options.start[some], options.start[some] + options.hours[some]
    gang = problem.jobs.gang[options.job[some]].astype(np.int64)
    through = np.where((begin <= first) & (end > last), gang // size, 0)
    beside = most // size - np.maximum(most - gang, 0) // size
    beside = np.where((begin <= last) & (end > first), beside, 0)
    amount = np.where(options.job[some] == job, beside, through)
    held = amount > 0
    return some[held], amount[held]


def cover_cost(problem: Problem, options: Options, rows: CoverRows, yuan: Floats) -> Floats:
    """What options, sorted by class, pay for the rows at these prices, yuan."""
    cost = np.zeros(len(options.job))
    for row, price in zip(rows.each(), yuan, strict=True):
        place, amount = coefficients(problem, options, row)
        cost[place] += price * amount
    return cost


def violated_rows(problem: Problem, options: Options, part: Floats, most: int) -> CoverRows:
    """Find rows that a solution violates, the most violated first.

    Parameters
    ----------
    problem : Problem
    options : Options
        Sorted by class.
    part : float64 (n_options,)
        How much of each option the solution takes.
    most : int
        Number of rows at most.
    """
    found: list[tuple[Floats, CoverRows]] = []
    used = part > 1e-7
    some, part = options.of(used), part[used]
    ends = np.searchsorted(some.klass, np.arange(len(problem.classes) + 1))
    for c in range(len(problem.classes)):
        here = slice(ends[c], ends[c + 1])
        job, at = np.unique(some.job[here], return_inverse=True)
        if not len(job):
            continue
        begin = some.start[here, None]
        end = begin + some.hours[here, None]
        x, gang = part[here], problem.jobs.gang[some.job[here]].astype(np.int64)
        for length in range(1, min(MOST_HOURS, problem.hours) + 1):
            first = np.arange(problem.hours - length + 1)
            last = first + length - 1
            through, beside = (begin <= first) & (end > last), (begin <= last) & (end > first)
            windows = np.lib.stride_tricks.sliding_window_view(problem.classes.capacity[c], length)
            capacity = windows.max(axis=1)
            for size in (1, *problem.gang_levels):
                # A row of single accelerators over one hour is that of the class.
                if size > capacity.max() or (size == 1 and length == 1):
                    continue
                whole = (x * (gang // size))[:, None] * through
                left = np.maximum(capacity - gang[:, None], 0) // size
                alone = x[:, None] * (capacity // size - left) * beside
                over = np.zeros((len(job), len(first)))
                np.add.at(over, at, alone - whole)
                over += whole.sum(axis=0) - capacity // size
                which, hour = np.nonzero(over > VIOLATED)
                n = len(which)
                rows = CoverRows(
                    np.full(n, c), np.full(n, size), first[hour], last[hour], job[which].astype(int)
                )
                found.append((over[which, hour], rows))
    if not found:
        return no_rows()
    by = np.concatenate([over for over, _ in found])
    rows = CoverRows(*(np.concatenate(x) for x in zip(*(r for _, r in found), strict=True)))
    order = np.argsort(-by, kind="stable")
    rows = rows.of(order)
    # Rows that differ in their job alone are nearly one.
    alike = np.ravel_multi_index(
        (rows.klass, rows.size, rows.first, rows.last - rows.first),
        (len(problem.classes), int(rows.size.max(initial=0)) + 1, problem.hours, MOST_HOURS),
    )
    at = np.argsort(alike, kind="stable")
    rank = np.zeros(len(at), np.int64)
    rank[at] = np.arange(len(at)) - np.searchsorted(alike[at], alike[at])
    return rows.of(np.flatnonzero(rank < EACH)[:most])
