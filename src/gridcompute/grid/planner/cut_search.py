"""Plans with interruptible jobs: first as if all ran whole, then cut where that is cheaper.

The native engine knows whole runs. Its plan, found as for any other problem, is where the search
begins: a job that runs whole is one of its own cuts. Then

1. prices go on from those of whole runs with cut jobs in the bound (`CutMarket`),
2. where all cuts of all jobs are some thousand, one integer program decides among them,
3. else jobs are taken out one by one and cut again at the prices of the bound, and at those of
   power beside the plan, while the exact cost falls.

What comes back never costs more than the plan of whole runs, or than the placement given.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ...errors import InfeasibleError
from ..checker.placements import PlacedJobs, placement_faults
from ..interruption import Cuts, cheapest_cuts, count_cuts, every_cut
from ..plan.pieces import pieces_of, runs_of
from .cost import dispatch_cost, jobs_cost
from .coupling_constraints import PriceVector
from .cut_market import cuts_of
from .dual_ascent import SAMPLED, DualAscent
from .exact import SAME, reduced_costs
from .hard_mandate import slack_kwh
from .integer_program import IntegerProgram
from .options import Options, open_options
from .settings import (
    CUT_ASCENT,
    CUT_BATCH,
    CUT_CLIMB,
    CUT_CLIMB_DONE,
    CUT_CLIMB_PART,
    CUT_PART,
    CUT_ROUNDS,
    MOST_RELAXED,
    MOST_SEARCHED,
    POLISHED,
    RELAXED_PART,
    SEARCH_STEPS,
)
from .state import Incumbent

if TYPE_CHECKING:
    from ..plan.columns import Pieces, Placement
    from ..tables.column import Bools, Floats, Int32s, Int64s
    from .cut_market import CutMarket
    from .state import PlannerState

__all__ = ["cut_jobs"]


class Placed(NamedTuple):
    """Where and when all jobs run, with the exact cost."""

    klass: Int32s
    start: Int32s
    #: Of the interruptible jobs, their hours, (n_cut, n_hours).
    busy: Bools
    yuan: float


class Room(NamedTuple):
    """What placed jobs leave, and the load with theirs."""

    accelerators: Int64s
    data_gb: Floats
    load_kwh: Floats
    quota_h: Floats


def cut_jobs(state: PlannerState, placement: Placement | None) -> Pieces | None:
    """Improve the best plan of `state`, whose jobs run whole, by cutting interruptible ones.

    The bound of `state` becomes one over plans in pieces. Returns the pieces of the new best plan.
    """
    market, prices = state.cut(), state.y
    search = _CutSearch(state, market)
    if placement is not None and len(placement.klass) == len(state.in_order):
        search.offer(placement.klass, placement.start, placement.pieces)
    search.settle()
    state.look(prices if len(prices) else state.rows.start(None))
    state.look(np.zeros_like(state.y))
    if not state.finished() and not search.exactly():
        state.look(search.walked())
        state.climb(state.y, *CUT_CLIMB, CUT_CLIMB_DONE, most=CUT_CLIMB_PART)
        search.rounds()
    search.settle()
    return search.pieces


class _CutSearch:
    """The search for cuts of one problem."""

    def __init__(self, state: PlannerState, market: CutMarket) -> None:
        assert state.best is not None
        self._state, self._market, self._problem = state, market, state.problem
        n, hours = len(market.rows), state.problem.hours
        self._clock = np.arange(hours)
        self.best = self._valued(state.best.klass, state.best.start, np.zeros((n, hours), bool))

    @property
    def pieces(self) -> Pieces | None:
        """Those of the best plan."""
        return pieces_of(self._market.rows, self.best.busy)

    def settle(self) -> None:
        """Tell `state` what the best plan costs; its room is no longer that of the plan."""
        before, best = self._state.best, self.best
        assert before is not None
        self._state.best = Incumbent(best.klass, best.start, best.yuan, before.room)

    def offer(self, klass: Int32s, start: Int32s, pieces: Pieces | None) -> None:
        """Take another placement where it is one, and cheaper."""
        problem, rows = self._problem, self._market.rows
        if pieces is None or not problem.jobs.interruptible[pieces.job].all():
            return  # whole runs have been looked at
        if (pieces.start + pieces.hours > problem.hours).any():
            return
        if not placement_faults(PlacedJobs(problem, klass, start, pieces)):
            busy = np.zeros((len(problem.jobs), problem.hours), bool)
            for job, first, length in zip(pieces.job, pieces.start, pieces.hours, strict=True):
                busy[job, first : first + length] = True
            self._take(self._valued(klass, start, busy[rows]))

    def _take(self, found: Placed | None) -> bool:
        if found is None or found.yuan >= self.best.yuan:
            return False
        self.best = found
        return True

    def _whole_too(self, klass: Int32s, start: Int32s, busy: Bools) -> Bools:
        """Return the hours of all interruptible jobs, those marked nowhere running whole."""
        rows, busy = self._market.rows, busy.copy()
        runs = np.flatnonzero((klass[rows] >= 0) & ~busy.any(axis=1))
        end = start[rows[runs]] + self._market.need[runs, klass[rows[runs]]]
        busy[runs] = (self._clock >= start[rows[runs]][:, None]) & (self._clock < end[:, None])
        return busy

    def _valued(self, klass: Int32s, start: Int32s, busy: Bools) -> Placed:
        """A placement with its exact cost; jobs that are marked nowhere run whole, if placed."""
        busy = self._whole_too(klass, start, busy)
        pieces = pieces_of(self._market.rows, busy)
        load = self._room(klass, start, pieces).load_kwh
        dispatch = self._state.rows.block.serve(load).dispatch
        yuan = jobs_cost(self._problem, klass, start, pieces)
        if self._problem.mandate.shortfall == "forbidden":
            over = dispatch.missing_kwh > slack_kwh(self._problem, load)
            yuan += np.inf if over.any() else 0.0
        return Placed(klass, start, busy, yuan + dispatch_cost(self._problem, dispatch))

    def _room(self, klass: Int32s, start: Int32s, pieces: Pieces | None) -> Room:
        problem, jobs = self._problem, self._problem.jobs
        runs = runs_of(problem, klass, start, pieces)
        change = np.zeros((len(problem.classes), problem.hours + 1), np.int64)
        np.add.at(change, (runs.klass, runs.start), jobs.gang[runs.job])
        np.add.at(change, (runs.klass, runs.start + runs.hours), -jobs.gang[runs.job])
        use = change.cumsum(axis=1)[:, : problem.hours]
        load = problem.energy.base_load_kwh.copy()
        np.add.at(load, problem.classes.site, use * problem.kwh_per_accelerator_h)
        data = problem.corridors.bandwidth_gb.copy()
        job = np.flatnonzero(klass >= 0)
        wire = jobs.origin[job], problem.classes.site[klass[job]], start[job]
        np.subtract.at(data, wire, jobs.data_gb[job])
        rows, kinds = problem.quotas.linear_rows, problem.classes.accelerator[runs.klass]
        taken = jobs.gang[runs.job] * runs.hours
        used = rows.used(jobs.tenant[runs.job], kinds, taken)
        return Room(problem.classes.capacity - use, data, load, rows.upper_h - used)

    def walked(self) -> Floats:
        """Prices with cut jobs, by a walk from those of whole runs."""
        state = self._state
        state.clock.stage("cut prices", 0.4)
        walker = DualAscent(state.rows, SAMPLED)
        supply = state.rows.supply()

        def stop(done: float) -> bool:
            return state.clock.over(done) or state.clock.spent(CUT_PART)

        market, until = self._market, state.clock.until(CUT_PART)
        y = walker.walk([market], market, supply, state.y, CUT_ASCENT, stop=stop, spent=until)
        state.passes += walker.passes
        return y

    # -- All cuts at once --------------------------------------------------------------------------

    def exactly(self) -> bool:
        """Decide among all cuts by one program, where they are few; was it done?"""
        state, clock = self._state, self._state.clock
        options = self._all_options() if state.small else None
        if options is None:
            return False
        clock.stage("program", 0.3)
        free = np.flatnonzero(state.reach).astype(np.int32)
        scale = abs(self.best.yuan - state.without_option)
        program = IntegerProgram(state.rows, free, options, state.rows.supply(), scale)
        relaxed = program.relaxed(
            RELAXED_PART * clock.seconds_left(),
            program.iterations_in(clock.steps_left(RELAXED_PART)),
        )
        if relaxed is None:
            return False
        state.look(relaxed.y)
        if state.finished():
            return True
        if len(options.job) > MOST_SEARCHED:
            return False
        clock.stage("search", 0.9)
        room = self.best.yuan - state.bound  # the one that `state.y` proves, as in `exact`
        closed = reduced_costs(state, options, state.y) > room + SAME * abs(self.best.yuan)
        start, before = self._chosen(options), self.best.yuan
        found = program.search(
            start,
            closed=closed & ~start,
            gap=state.gap if state.gap > POLISHED else 0.0,
            iterations=min(SEARCH_STEPS, program.iterations_in(clock.steps_left())),
            seconds=clock.seconds_left(),
            stop=lambda: clock.over(0.5),
        )
        if found.chosen is not None:
            self._adopt(options.of(found.chosen))
        searched = min(found.bound_yuan + state.without_option, before)
        if searched >= self.best.yuan - SAME * max(1.0, abs(self.best.yuan)):
            searched = self.best.yuan
        state.searched = max(state.searched, searched)
        self.settle()
        return state.proved() or clock.over(0.5)

    def _all_options(self) -> Options | None:
        """Every option of every job, with all cuts; None if they are too many."""
        problem, market, state = self._problem, self._market, self._state
        whole = np.flatnonzero(state.reach & market.uncut).astype(np.int32)
        capacity, wires = problem.classes.capacity, problem.corridors.bandwidth_gb
        options = open_options(problem, whole, capacity, wires)
        many = float(len(options.job))
        if many > MOST_RELAXED:
            return None
        parts: list[tuple[int, int, Bools, Floats]] = []
        for c in range(len(problem.classes)):
            at = np.flatnonzero(market.eligible[:, c])
            free = np.zeros((len(at), problem.hours))
            job = market.rows[at]
            klass = np.full(len(at), c)
            cuts = cuts_of(problem, job, klass, market.need[at, c], free, 0.0, capacity, wires)
            many += count_cuts(cuts, MOST_RELAXED)
            if many > MOST_RELAXED:
                return None
            parts += [(int(j), c, *every_cut(cuts, k)) for k, j in enumerate(job.tolist())]
        parts.sort(key=lambda part: part[:2])
        running = options.running()
        busy = np.zeros((len(options.job), problem.hours), bool)
        busy[running] = True
        size = [len(part[3]) for part in parts]
        marks = np.concatenate([busy, *(part[2] for part in parts)])
        job_of = np.repeat(np.array([part[0] for part in parts], np.int32), size)
        class_of = np.repeat(np.array([part[1] for part in parts], np.int32), size)
        own = np.concatenate([options.own_yuan, *(part[3] for part in parts)])
        return Options(
            np.concatenate([options.job, job_of]),
            np.concatenate([options.klass, class_of]),
            marks.argmax(axis=1).astype(np.int32),
            marks.sum(axis=1).astype(np.int32),
            own,
            marks,
        )

    def _chosen(self, options: Options) -> Bools:
        """Which options the best plan has chosen."""
        best, busy = self.best, options.busy
        assert busy is not None
        place = np.full(len(self._problem.jobs), -1)
        place[self._market.rows] = np.arange(len(self._market.rows))
        same = (best.klass[options.job] == options.klass) & (
            best.start[options.job] == options.start
        )
        at = place[options.job]
        cut = at >= 0
        same[cut] &= (best.busy[at[cut]] == busy[cut]).all(axis=1)
        return np.asarray(same)

    def _adopt(self, some: Options) -> None:
        """Take the plan of some options, if it is cheaper."""
        problem, rows = self._problem, self._market.rows
        klass, start = (np.full(len(problem.jobs), -1, np.int32) for _ in range(2))
        klass[some.job], start[some.job] = some.klass, some.start
        busy = np.zeros((len(problem.jobs), problem.hours), bool)
        assert some.busy is not None
        busy[some.job] = some.busy
        try:
            self._take(self._valued(klass, start, busy[rows]))
        except InfeasibleError:  # by less than the solver's tolerance
            return

    # -- One job after the other -------------------------------------------------------------------

    def rounds(self) -> None:
        """Cut jobs again, those first that would gain most, while the exact cost falls."""
        state = self._state
        for k in range(CUT_ROUNDS):
            if state.finished():
                return
            state.clock.stage("cut", 0.6 + 0.35 * (k + 1) / CUT_ROUNDS)
            gained = [self._round(rent) for rent in (True, False) if not state.finished()]
            if not any(gained):
                return
            self.settle()

    def _guide(self, *, rent: bool) -> PriceVector:
        """Prices to cut at: those of the bound, or those of power beside the plan, no rents."""
        rows = self._state.rows
        y = rows.unpack(self._state.y)
        if rent:
            return y
        room = self._room(self.best.klass, self.best.start, self.pieces)
        power = rows.block.serve(room.load_kwh).energy_yuan_per_kwh
        none = (np.zeros_like(part) for part in (y.capacity, y.corridor, y.quota))
        capacity, corridor, quota = none
        return PriceVector(capacity, np.ascontiguousarray(power), corridor, quota)

    def _round(self, rent: bool) -> bool:
        """Try all jobs that would be elsewhere at the guide's prices; was any plan cheaper?"""
        state, market, guide = self._state, self._market, self._guide(rent=rent)
        value = self._problem.jobs.value_yuan[market.rows]
        regret = self._paid(guide) - np.minimum(market.best(guide).yuan, value)
        order = np.argsort(-regret, kind="stable")
        order = order[regret[order] > 1e-7 * max(abs(self.best.yuan), 1e-9)]
        before = self.best.yuan
        for first in range(0, len(order), CUT_BATCH):
            if state.clock.over(first / len(order)):
                break
            self._try(order[first : first + CUT_BATCH], guide)
        return self.best.yuan < before

    def _try(self, some: Int64s, guide: PriceVector) -> None:
        """Cut some jobs again, all together; where that is dearer, each half by itself."""
        found = self._recut(some, guide)
        if self._take(found) or found is None or len(some) == 1:
            return
        half = len(some) // 2
        self._try(some[:half], guide)
        self._try(some[half:], guide)

    def _paid(self, guide: PriceVector) -> Floats:
        """What each interruptible job pays at the guide's prices where it is."""
        best, market = self.best, self._market
        klass, paid = best.klass[market.rows], self._problem.jobs.value_yuan[market.rows].copy()
        at = np.flatnonzero(klass >= 0)
        cuts, busy = market.cuts(guide, at, klass[at]), best.busy[at]
        first, last = busy.argmax(axis=1), len(self._clock) - busy[:, ::-1].argmax(axis=1)
        row = np.arange(len(at))
        paid[at] = np.where(busy, cuts.hourly, 0.0).sum(axis=1)
        paid[at] += cuts.begin[row, first] + cuts.finish[row, last]
        count = (np.diff(busy.astype(np.int8), axis=1, prepend=0) == 1).sum(axis=1)
        paid[at] += (count - 1) * cuts.resumed_yuan
        return np.asarray(paid)

    def _recut(self, some: Int64s, guide: PriceVector) -> Placed | None:
        """The best plan with some interruptible jobs placed again; None if none of them moves."""
        problem, market, best = self._problem, self._market, self.best
        jobs, rows = problem.jobs, market.rows[some]
        klass, start, busy = best.klass.copy(), best.start.copy(), best.busy.copy()
        klass[rows], start[rows], busy[some] = -1, -1, False
        room = self._room(klass, start, pieces_of(market.rows, busy))
        quotas, kinds = problem.quotas.linear_rows, problem.classes.accelerator
        for k, job in zip(some.tolist(), rows.tolist(), strict=True):
            left = quotas.least(room.quota_h)[jobs.tenant[job], quotas.model(kinds)]
            classes = np.flatnonzero(market.eligible[k])
            need = market.need[k, classes]
            fits = jobs.gang[job] * need <= left[classes] * (1 + 1e-12)
            classes, need = classes[fits], need[fits]
            if not len(classes):
                continue
            self._state.rows.work.placed(len(classes))
            cuts = self._cuts_in(guide, k, classes, room)
            yuan, _ = cheapest_cuts(cuts)
            c = int(np.argmin(yuan))
            if yuan[c] >= jobs.value_yuan[job]:
                continue
            marks = cheapest_cuts(cuts.of([c]), traced=True)[1][0]
            taken = int(jobs.gang[job]) * int(marks.sum())
            at = int(classes[c])
            if taken > left[at] * (1 + 1e-12):
                continue
            klass[job], start[job], busy[k] = at, int(marks.argmax()), marks
            site = int(problem.classes.site[at])
            room.accelerators[at, marks] -= jobs.gang[job]
            kwh = jobs.gang[job] * problem.kwh_per_accelerator_h[at]
            room.load_kwh[site, marks] += kwh[marks]
            room.data_gb[jobs.origin[job], site, start[job]] -= jobs.data_gb[job]
            used = quotas.used(jobs.tenant[[job]], kinds[[at]], np.array([taken]))
            room.quota_h[:] -= used
        if np.array_equal(klass, best.klass) and np.array_equal(busy, best.busy):
            return None
        try:
            return self._valued(klass, start, busy)
        except InfeasibleError:
            return None

    def _cuts_in(self, guide: PriceVector, k: int, classes: Int64s, room: Room) -> Cuts:
        """The cuts of one job at some classes, in what room there is."""
        at = np.full(len(classes), k)
        return self._market.cuts(guide, at, classes, room.accelerators, room.data_gb)
