"""Plans with interruptible jobs: first all jobs run whole, then they are cut where that is cheaper.

The native engine has whole runs only. Its plan, found as for any other problem, is the start of the
search: a whole run is one of a job's cuts. Then

1. prices continue from those of whole runs, with cut jobs in the bound (`CutMarket`);
2. where all cuts of all jobs are some thousand, one integer program chooses among them;
3. else, where jobs are `SMALL`, they are removed one by one and cut again at the prices of the
   bound, and at the plan's marginal prices of power, while the exact cost falls;
4. and where they are many, the jobs that gain most by pieces are cut, and a plan of all others is
   made beside them.

The result never costs more than the plan of whole runs, or than the placement given.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ...errors import InfeasibleError
from ..checker.placements import PlacedJobs, placement_faults
from ..interruption import count_cuts, every_cut
from ..plan.account import pieces_of, runs_of
from ..plan.columns import Placement, Prices
from .cut_market import QUOTA_SLACK, Room, cuts_of
from .master import SAME, is_same, reduced_costs
from .prices import DualAscent, PriceVector
from .program import IntegerProgram, Options, open_options
from .residual import problem_beside, taken_by
from .search import exchanges, improve, insert_until_stable, offer, repair_mandate
from .settings import (
    ASCENT_BESIDE,
    BESIDE_ROUNDS,
    CUT_ASCENT,
    CUT_ASCENT_MANY,
    CUT_BATCH,
    CUT_CLIMB,
    CUT_CLIMB_DONE,
    CUT_CLIMB_MANY,
    CUT_CLIMB_PART,
    CUT_GAIN,
    CUT_PART,
    CUT_ROUNDS,
    CUT_SAMPLES,
    CUT_TRIES,
    CUT_TURNS,
    DIVE_BESIDE,
    MEMORY_SAMPLED,
    MOST_CUTS,
    RELAXED_PART,
    SEARCH_STEPS,
)
from .state import Incumbent, PlannerState, dispatch_cost, jobs_cost, slack_kwh

if TYPE_CHECKING:
    from ..plan.columns import Pieces
    from ..tables.column import Bools, Floats, Int32s, Int64s
    from .cut_market import Best, CutMarket


class Placed(NamedTuple):
    """The class and the hours of all jobs, with the exact cost."""

    klass: Int32s
    start: Int32s
    #: Of the interruptible jobs, their hours, (n_cut, n_hours).
    busy: Bools
    yuan: float
    #: The capacity left beside them.
    room: Room


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
    if not state.clock.over(1.0) and not search.exactly() and not state.finished():
        state.look(search.walked())
        steps, lengths = CUT_CLIMB if state.small else CUT_CLIMB_MANY
        state.climb(state.y, steps, lengths, CUT_CLIMB_DONE, most=CUT_CLIMB_PART)
        if state.small:
            _take_turns(state, search)
        elif not state.finished():
            search.by_gain()
    search.settle()
    return search.pieces


def _take_turns(state: PlannerState, search: _CutSearch) -> None:
    """Cut jobs one after the other, then place the others beside them, while that gains."""
    for _ in range(CUT_TURNS):
        search.rounds()
        if state.finished() or not search.others():
            break


def cut_again(state: PlannerState, placement: Placement, among: Bools, prices: Prices) -> Placement:
    """Return a placement in which some interruptible jobs are cut again, where that costs less.

    Parameters
    ----------
    state : PlannerState
        Its problem may be cut from now on.
    placement : Placement
    among : bool (n_jobs,)
        The jobs that may move; all others stay.
    prices : Prices
        Jobs move one after the other to the cheapest option at these prices.
    """
    market = state.cut()
    search = _CutSearch(state, market, placement)
    guide = state.rows.unpack(state.rows.start(prices))
    least = market.least_prices(guide)
    for k in np.flatnonzero(among[market.rows]):
        search.retry(np.array([k]), guide, least)
    best = search.best
    return Placement(klass=best.klass, start=best.start, pieces=search.pieces)


class _CutSearch:
    """The search for cuts of one problem."""

    def __init__(
        self, state: PlannerState, market: CutMarket, placement: Placement | None = None
    ) -> None:
        self._state, self._market, self._problem = state, market, state.problem
        self._clock = np.arange(state.problem.hours)
        if placement is None:
            assert state.best is not None
            placement = Placement(klass=state.best.klass, start=state.best.start)
        busy = self._marked(placement.pieces)
        #: The best plan so far; at first one of whole runs, or of the placement given.
        self.best = self._valued(placement.klass, placement.start, busy)

    @property
    def pieces(self) -> Pieces | None:
        """The pieces of the best plan."""
        return pieces_of(self._market.rows, self.best.busy)

    def settle(self) -> None:
        """Set the cost of the best plan in `state`, whose room is no longer that of the plan."""
        before, best = self._state.best, self.best
        assert before is not None
        self._state.best = Incumbent(best.klass, best.start, best.yuan, before.room)

    def offer(self, klass: Int32s, start: Int32s, pieces: Pieces | None) -> None:
        """Keep another placement, if there is one and it is cheaper."""
        problem = self._problem
        if pieces is None or not problem.jobs.interruptible[pieces.job].all():
            return  # whole runs have been tried
        if (pieces.start + pieces.hours > problem.hours).any():
            return
        if not placement_faults(PlacedJobs(problem, klass, start, pieces)):
            self._take(self._valued(klass, start, self._marked(pieces)))

    def _marked(self, pieces: Pieces | None) -> Bools:
        """Return the hours of the interruptible jobs that run in pieces."""
        busy = np.zeros((len(self._problem.jobs), self._problem.hours), bool)
        if pieces is not None:
            for job, first, length in zip(pieces.job, pieces.start, pieces.hours, strict=True):
                busy[job, first : first + length] = True
        return busy[self._market.rows]

    def retry(self, some: Int64s, guide: PriceVector, least: Floats) -> None:
        """Place some interruptible jobs again at prices, if that makes the plan cheaper."""
        self._take(self._recut(some, guide, least))

    def _take(self, found: Placed | None) -> bool:
        if found is None or found.yuan >= self.best.yuan:
            return False
        self.best = found
        return True

    def _whole_too(self, klass: Int32s, start: Int32s, busy: Bools) -> Bools:
        """Return the hours of all interruptible jobs; those without marked hours run whole."""
        rows, busy = self._market.rows, busy.copy()
        runs = np.flatnonzero((klass[rows] >= 0) & ~busy.any(axis=1))
        end = start[rows[runs]] + self._market.need[runs, klass[rows[runs]]]
        busy[runs] = (self._clock >= start[rows[runs]][:, None]) & (self._clock < end[:, None])
        return busy

    def _valued(self, klass: Int32s, start: Int32s, busy: Bools) -> Placed:
        """Return a placement with its exact cost; placed jobs without marked hours run whole."""
        busy = self._whole_too(klass, start, busy)
        pieces = pieces_of(self._market.rows, busy)
        room = self._room(klass, start, pieces)
        load = room.load_kwh
        dispatch = self._state.rows.block.serve(load).dispatch
        yuan = jobs_cost(self._problem, klass, start, pieces)
        if self._problem.mandate.shortfall == "forbidden":
            over = dispatch.missing_kwh > slack_kwh(self._problem, load)
            yuan += np.inf if over.any() else 0.0
        return Placed(klass, start, busy, yuan + dispatch_cost(self._problem, dispatch), room)

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
        """Return prices with cut jobs, by a sampled ascent from those of whole runs."""
        state = self._state
        state.clock.stage("cut prices", 0.4)
        walker = DualAscent(state.rows, MEMORY_SAMPLED)
        supply = state.rows.supply()

        def stop(done: float) -> bool:
            return state.clock.over(done) or state.clock.spent(CUT_PART)

        market, until = self._market, state.clock.until(CUT_PART)
        how = CUT_ASCENT if state.small else CUT_ASCENT_MANY
        markets = market.samples(state.in_order, state.size, how.sample, CUT_SAMPLES)
        y = walker.walk(markets, market, supply, state.y, how, stop=stop, spent=until)
        state.passes += walker.passes
        return y

    # -- All cuts at once --------------------------------------------------------------------------

    def exactly(self) -> bool:
        """Choose among all cuts by one program, where they are few; return whether it was done."""
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
        if state.searched_out(len(options.job)):
            return True
        clock.stage("search", 0.9)
        room = self.best.yuan - state.bound  # the one that `state.y` proves, as in `master`
        closed = reduced_costs(state, options, state.y) > room + SAME * abs(self.best.yuan)
        start, before = self._chosen(options), self.best.yuan
        found = program.search(
            start,
            closed=closed & ~start,
            gap=state.search_gap,
            iterations=program.iterations_in(min(SEARCH_STEPS, clock.steps_left())),
            seconds=clock.seconds_left(),
            stop=lambda: clock.over(0.5),
        )
        if found.chosen is not None:
            self._adopt(options.of(found.chosen))
        searched = min(found.bound_yuan + state.without_option, before)
        if is_same(state, searched, self.best.yuan):
            searched = self.best.yuan
        state.searched = max(state.searched, searched)
        self.settle()
        return state.proved() or clock.over(0.5)

    def _all_options(self) -> Options | None:
        """Return every option of every job, with all cuts; None if they are too many."""
        problem, market, state = self._problem, self._market, self._state
        whole = np.flatnonzero(state.reach & market.uncut).astype(np.int32)
        capacity, wires = problem.classes.capacity, problem.corridors.bandwidth_gb
        options = open_options(problem, whole, capacity, wires)
        many = float(len(options.job))
        if many > MOST_CUTS:
            return None
        parts: list[tuple[int, int, Bools, Floats]] = []
        for c in range(len(problem.classes)):
            at = np.flatnonzero(market.eligible[:, c])
            free = np.zeros((len(at), problem.hours))
            job = market.rows[at]
            klass = np.full(len(at), c)
            cuts = cuts_of(problem, job, klass, market.need[at, c], free, 0.0, capacity, wires)
            many += count_cuts(cuts, MOST_CUTS)
            if many > MOST_CUTS:
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
        """Return which options the best plan has chosen."""
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
        """Keep the plan of some options, if it is cheaper."""
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

    # -- Jobs that run whole ----------------------------------------------------------------------

    def others(self) -> bool:
        """Place all jobs without pieces again beside the pieces; return whether that gains."""
        state, best = self._state, self.best
        state.clock.stage("others", 0.97)
        self.settle()
        klass, start = replaced_beside(state, best.klass, best.start, self.pieces)
        busy = best.busy.copy()
        rows = self._market.rows
        moved = (klass[rows] != best.klass[rows]) | (start[rows] != best.start[rows])
        busy[moved] = False  # whole, or out
        try:
            return self._take(self._valued(klass, start, busy))
        except InfeasibleError:  # by less than the solver's tolerance
            return False

    # -- Many jobs ---------------------------------------------------------------------------------

    def by_gain(self) -> None:
        """Cut the jobs that gain most at the prices, and place all others again beside them.

        In the relaxation a job that costs clearly less in pieces than whole runs in these pieces.
        All other jobs run whole, and balance the use of the hours.
        """
        state, market, problem = self._state, self._market, self._problem
        state.clock.stage("pieces", 0.7)
        guide, rows = state.rows.unpack(state.y), market.rows
        least = market.least_prices(guide)
        found, n = market.best(guide, least=least), len(problem.jobs)
        klass, start = (np.full(n, -1, np.int32) for _ in range(2))
        state.rows.price(state.market, state.y, klass, start)
        whole = self._whole_too(klass, start, np.zeros_like(self.best.busy))
        gain = self._paid(guide, klass, whole) - found.yuan
        gains = (found.yuan < problem.jobs.value_yuan[rows]) & (
            gain > CUT_GAIN * np.abs(found.yuan)
        )
        some = np.flatnonzero(gains)
        some = some[np.argsort(-gain[some], kind="stable")]
        klass[:], start[:], busy = -1, -1, np.zeros_like(self.best.busy)
        room = self._room(klass, start, None)
        self._place(some, (klass, start, busy), room, guide, least)
        in_pieces = (np.diff(busy.astype(np.int8), axis=1, prepend=0) == 1).sum(axis=1) > 1
        klass[rows[~in_pieces]], start[rows[~in_pieces]], busy[~in_pieces] = -1, -1, False
        klass, start = replaced_beside(state, klass, start, pieces_of(rows, busy), afresh=True)
        try:
            self._take(self._valued(klass, start, busy))
        except InfeasibleError:  # by less than the solver's tolerance
            return
        self.settle()

    # -- One job after the other -------------------------------------------------------------------

    def rounds(self) -> None:
        """Cut jobs again, those that would gain most first, while the exact cost falls."""
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
        """Return prices to cut at: of the bound, or the plan's marginal prices of power alone."""
        rows = self._state.rows
        y = rows.unpack(self._state.y)
        if rent:
            return y
        power = rows.block.serve(self.best.room.load_kwh).energy_yuan_per_kwh
        none = (np.zeros_like(part) for part in (y.capacity, y.corridor, y.quota))
        capacity, corridor, quota = none
        return PriceVector(capacity, np.ascontiguousarray(power), corridor, quota)

    def _round(self, rent: bool) -> bool:
        """Try all jobs with a cheaper option at the guide's prices; return whether one gained."""
        state, market, guide = self._state, self._market, self._guide(rent=rent)
        value = self._problem.jobs.value_yuan[market.rows]
        least = market.least_prices(guide)
        paid = self._paid(guide, self.best.klass, self.best.busy)
        regret = paid - np.minimum(market.best(guide, least=least).yuan, value)
        order = np.argsort(-regret, kind="stable")
        order = order[regret[order] > 1e-7 * max(abs(self.best.yuan), 1e-9)]
        before = self.best.yuan
        for first in range(0, len(order), CUT_BATCH):
            if state.clock.over(first / len(order)):
                break
            self._try(order[first : first + CUT_BATCH], guide, least)
        return self.best.yuan < before

    def _try(self, some: Int64s, guide: PriceVector, least: Floats) -> None:
        """Cut some jobs again, all together; where that costs more, each half by itself."""
        found = self._recut(some, guide, least)
        if self._take(found) or found is None or len(some) == 1:
            return
        half = len(some) // 2
        self._try(some[:half], guide, least)
        self._try(some[half:], guide, least)

    def _paid(self, guide: PriceVector, klass: Int32s, busy: Bools) -> Floats:
        """Return the price of each interruptible job's present option at the guide's prices."""
        market = self._market
        klass, paid = klass[market.rows], self._problem.jobs.value_yuan[market.rows].copy()
        at = np.flatnonzero(klass >= 0)
        cuts, busy = market.cuts(guide, at, klass[at]), busy[at]
        first, last = busy.argmax(axis=1), len(self._clock) - busy[:, ::-1].argmax(axis=1)
        row = np.arange(len(at))
        paid[at] = np.where(busy, cuts.hourly, 0.0).sum(axis=1)
        paid[at] += cuts.begin[row, first] + cuts.finish[row, last]
        count = (np.diff(busy.astype(np.int8), axis=1, prepend=0) == 1).sum(axis=1)
        paid[at] += (count - 1) * cuts.resumed_yuan
        return np.asarray(paid)

    def _recut(self, some: Int64s, guide: PriceVector, least: Floats) -> Placed | None:
        """Return the best plan with some interruptible jobs placed again; None if none moves."""
        market, best = self._market, self.best
        rows = market.rows[some]
        klass, start, busy = best.klass.copy(), best.start.copy(), best.busy.copy()
        klass[rows], start[rows], busy[some] = -1, -1, False
        self._place(some, (klass, start, busy), self._room_without(some), guide, least)
        same = np.array_equal(klass[rows], best.klass[rows])
        if same and np.array_equal(busy[some], best.busy[some]):
            return None
        try:
            return self._valued(klass, start, busy)
        except InfeasibleError:
            return None

    def _place(
        self,
        some: Int64s,
        placed: tuple[Int32s, Int32s, Bools],
        room: Room,
        guide: PriceVector,
        least: Floats,
    ) -> None:
        """Place unplaced jobs at prices, those in `some` before the others.

        `placed` and `room` are changed.
        """
        for _ in range(CUT_TRIES):
            if not len(some):
                break
            found = self._market.best(guide, some, room, least)
            some = self._put(some, found, placed, room)

    def _room_without(self, some: Int64s) -> Room:
        """Return the capacity that the best plan leaves without some of the interruptible jobs."""
        problem, best, room = self._problem, self.best, self.best.room
        jobs, hours = problem.jobs, problem.hours
        some = some[best.klass[self._market.rows[some]] >= 0]
        job = self._market.rows[some]
        klass, start, busy = best.klass[job], best.start[job], best.busy[some]
        site, shape = problem.classes.site, problem.classes.capacity.shape
        row, hour = np.nonzero(busy)
        gang = jobs.gang[job].astype(np.int64)
        use = np.bincount(klass[row] * hours + hour, gang[row], shape[0] * hours).reshape(shape)
        load, data = room.load_kwh.copy(), room.data_gb.copy()
        np.subtract.at(load, site, use * problem.kwh_per_accelerator_h)
        np.add.at(data, (jobs.origin[job], site[klass], start), jobs.data_gb[job])
        kinds, taken = problem.classes.accelerator[klass], gang * busy.sum(axis=1)
        used = problem.quotas.linear_rows.used(jobs.tenant[job], kinds, taken)
        return Room(room.accelerators + use.astype(np.int64), data, load, room.quota_h + used)

    def _put(
        self,
        todo: Int64s,
        found: Best,
        placed: tuple[Int32s, Int32s, Bools],
        room: Room,
    ) -> Int64s:
        """Place jobs in their chosen options, in their order; return those without room.

        `placed` and `room` are changed.
        """
        problem, rows = self._problem, self._market.rows
        jobs, classes, quotas = problem.jobs, problem.classes, problem.quotas.linear_rows
        klass, start, busy = placed
        limited, again = bool(quotas.limited.any()), []
        pays = found.yuan < jobs.value_yuan[rows[todo]]
        for i in np.flatnonzero(pays).tolist():
            k, c, hours = int(todo[i]), int(found.klass[i]), np.flatnonzero(found.busy[i])
            job, site, first = int(rows[k]), int(classes.site[c]), int(hours[0])
            gang, origin = int(jobs.gang[job]), int(jobs.origin[job])
            free, data = room.accelerators[c], float(jobs.data_gb[job])
            fits = free[hours].min() >= gang
            fits = fits and (site == origin or data <= room.data_gb[origin, site, first])
            taken = gang * len(hours)
            if fits and limited:
                queues = quotas.rows_of(int(jobs.tenant[job]), classes.accelerator[c])
                left = room.quota_h[queues] * (1 + QUOTA_SLACK)
                fits = bool((taken <= left).all())
                if not fits and taken > gang * self._market.need[k, c]:
                    continue  # its restarts are too long for the quota
                room.quota_h[queues] -= taken * fits
            if not fits:
                again.append(k)
                continue
            free[hours] -= gang
            room.load_kwh[site, hours] += gang * problem.kwh_per_accelerator_h[c, hours]
            room.data_gb[origin, site, first] -= data
            klass[job], start[job], busy[k] = c, first, found.busy[i]
        self._state.rows.work.placed(int(pays.sum()))
        return np.array(again, np.int64)


def prices_of(state: PlannerState) -> Prices:
    """Return the best prices of `state` as those of another problem with the same rows."""
    problem, found = state.problem, state.rows.prices(state.y)
    quotas = state.rows.quota_columns(found.quota)
    return Prices(
        capacity=found.capacity,
        energy=found.energy,
        corridor=found.corridor,
        quota=quotas["quota"],
        quota_by_accelerator=quotas["quota_by_accelerator"],
        mandate=np.zeros((len(problem.mandate_rows.names), 2)),
        storage=np.zeros((len(problem.sites), 2)),
        gang=found.gang,
        gang_size=np.array(problem.gang_levels, np.int32),
    )


def replaced_beside(
    state: PlannerState,
    klass: Int32s,
    start: Int32s,
    pieces: Pieces | None,
    *,
    afresh: bool = False,
) -> tuple[Int32s, Int32s]:
    """Place again all jobs that do not run in pieces, beside those that do.

    Starts from the placement given, and returns one that costs no more. Interruptible jobs are
    placed whole. Where `afresh` is True new prices are computed for them, and a dive places all of
    them.
    """
    problem, stays = state.problem, np.zeros(len(klass), bool)
    if pieces is not None:
        stays[pieces.job] = True
    rows = np.flatnonzero(~stays)
    fixed = np.where(stays, klass, -1), np.where(stays, start, -1)
    jobs = problem.jobs.replace(interruptible=False)
    beside = problem_beside(problem.replace(jobs=jobs), rows, taken_by(problem, *fixed, pieces))
    clock, prices = state.clock, prices_of(state)
    before = clock.steps
    sub = PlannerState(beside, state.gap, state.rows.threads, clock)
    mine = sub.rows.work
    try:
        y = sub.rows.start(prices)
        sub.look(y)
        sub.y = y if not len(sub.y) else sub.y
        keep = sub.by_size[klass[rows][sub.by_size] >= 0]
        offer(sub, keep, (klass[rows], start[rows]), None)
        if afresh:
            y = sub.sampled(y, ASCENT_BESIDE)
            sub.look(y)
            improve(sub, DIVE_BESIDE, 0.9, rounds=0)
        exchanges(sub, range(BESIDE_ROUNDS))
        insert_until_stable(sub)
        repair_mandate(sub)
    finally:
        sub.rows.close()
        clock.steps = before
        state.rows.work.took(mine.steps)
    assert sub.best is not None
    klass, start = klass.copy(), start.copy()
    klass[rows], start[rows] = sub.best.klass, sub.best.start
    return klass, start
