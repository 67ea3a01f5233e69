"""Plans at given prices: greedy placement, dives, exchanges, annealing, repair of the mandate.

A solve may end at any moment, by its time limit or by its caller, before any careful method has a
plan. So the cheapest of a few plans that take almost no time is made first, and the plan that is
returned never costs more.

A dive places all jobs, large ones first, while the prices follow the remaining capacity: jobs of
each size are placed in parts, with a step of the prices between two parts.

A round of exchanges finds the jobs whose regret is largest at the best prices and tries them in
parts. Curves of cost at or near the present load give the change of energy cost of a step; after
each part the exact dispatch decides whether it is kept.

Annealing removes neighbouring jobs of a plan and places them again, in the core
(csrc/gridcompute/plan/ruin_recreate.hpp): a hundred thousand placements a second, at curves of the
cost of power about the present load. After each hundred thousand an exact dispatch decides whether
the plan is kept. Source: Christiaens and Vanden Berghe (2020), "Slack induction by string removals
for vehicle routing problems", Transportation Science 54.

Placement leaves small shortfalls of the mandate: a scope misses some kWh of green power whose price
is the penalty, several times the price of green power in the bound. Rounds of exchanges try jobs in
parts, at prices that are valid for a small change: with the penalty on every kWh, all jobs of a
part would leave, which costs more than the shortfall. So single jobs are tried, those first whose
load is about as large as the shortfall, each followed by the exact dispatch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ... import _core
from ...errors import InfeasibleError
from ..eligibility import hours_taken
from .prices import TrustRegion, samples_of, with_sample
from .settings import (
    ANNEAL,
    CHAIN_ROUNDS,
    CHAINS,
    CORRECTED_AT,
    FULL,
    GREEDY,
    MARGIN_PART,
    MOST_TRIED_SHORT,
    REPAIR,
    ROUNDS,
    WORTH_A_ROUND,
)
from .state import dispatch_cost, missed_cost, own_cost

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..plan.columns import Placement
    from ..tables.column import Bools, Floats, Int32s
    from .dispatch_lp import EnergyBlock
    from .settings import DiveOptions, LocalSearchOptions
    from .state import Incumbent, PlannerState


def exchange_round(state: PlannerState, round_: int, effort: LocalSearchOptions) -> bool:
    """Make a round of exchanges on the best plan of `state`; keep steps that lower the exact cost.

    Even rounds use the prices at the present load, odd ones those on both its sides: the first miss
    that a price jumps, the second miss moves between the hours of a site. Returns whether another
    round is worth its time.
    """
    best, block, prices = state.best, state.rows.block, state.rows.unpack(state.y)
    assert best is not None
    problem, base, before = state.problem, state.problem.energy.base_load_kwh, best.cost
    supplied = block.serve(base + best.room.load)
    served, missed = dispatch_cost(problem, supplied.dispatch), _missed(state)
    short = supplied.dispatch.missing_kwh.sum() * problem.mandate_rows.missing_yuan_per_kwh
    most, both_sides = effort.jobs, round_ % 2 == 1
    if both_sides and short > WORTH_A_ROUND * (before - state.bound):
        # With the penalty of a missed mandate in the prices, jobs move away from its sites.
        prices = prices._replace(energy=np.ascontiguousarray(supplied.energy_yuan_per_kwh))
        most = min(most, MOST_TRIED_SHORT)
    exchange = _core.LocalSearch(best.room, *prices, 0.0, best.klass, best.start)
    least = 1e-7 * abs(best.cost) / effort.parts
    work = state.rows.work
    work.placed(len(best.klass))
    found = exchange.regrets(least, threads=state.rows.threads)[:most]
    parts = np.array_split(found, min(effort.parts, len(found)) or 1)
    curves = curves_about(block, best.room.load) if both_sides else block.curves()
    for i, part in enumerate(parts):
        if state.clock.over(i / len(parts)) or state.proved():
            return False
        klass, start = best.klass.copy(), best.start.copy()
        work.searched(len(part), chains=effort.chains)
        if exchange.run(np.ascontiguousarray(part), *curves, chains=effort.chains) == 0:
            continue
        rows = np.flatnonzero((klass != best.klass) | (start != best.start)).astype(np.int32)
        own = own_cost(problem, rows, best.klass[rows], best.start[rows])
        own -= own_cost(problem, rows, klass[rows], start[rows])
        now = dispatch_cost(problem, block.serve(base + best.room.load).dispatch)
        still = _missed(state)
        change = own + (now - served) + (still - missed)
        if change < 0:
            best.cost += change
            served, missed = now, still
            exchange.commit()
            curves = curves_about(block, best.room.load) if both_sides else block.curves()
        else:
            exchange.undo()
    gained = before - best.cost
    return round_ < 2 or gained > WORTH_A_ROUND * (before - state.bound)


def fill(state: PlannerState, y: Floats | None = None, order: Int32s | None = None) -> bool:
    """Place jobs that are left out and gain at some prices, if that makes the plan cheaper.

    By default the prices are the best ones, and large jobs go first. The last prices of a dive may
    be higher: a quota with a high price is then not used up. Returns whether the plan is cheaper.
    """
    best = state.best
    assert best is not None
    y, order = state.y if y is None else y, state.by_size if order is None else order
    klass, start = best.klass.copy(), best.start.copy()
    out = np.ascontiguousarray(order[(klass[order] < 0) & state.reach[order]])
    state.rows.place(best.room, y, out, klass, start)
    filled = state.judged(klass, start, best.room)
    cheaper = filled.cost < best.cost
    if cheaper:
        state.best = filled
    else:
        best.room.remove(np.ascontiguousarray(out[klass[out] >= 0]), klass, start)
    return cheaper


def polished(
    state: PlannerState,
    room: _core.ResidualCapacity,
    klass: Int32s,
    start: Int32s,
    curves: tuple[Floats, Floats],
) -> Incumbent:
    """Return a placement improved by exchanges and chains at curves of cost, with one dispatch.

    `room` is the capacity that it leaves.
    """
    exchange = _core.LocalSearch(room, *state.rows.unpack(state.y), 0.0, klass, start)
    assert state.best is not None
    least, threads = 1e-7 * abs(state.best.cost), state.rows.threads
    for chains, most in ((False, len(klass)), (True, CHAINS.jobs)):
        found = exchange.regrets(least, threads=threads)[:most]
        state.rows.work.placed(len(klass))
        state.rows.work.searched(len(found), chains=chains)
        exchange.run(np.ascontiguousarray(found), *curves, chains=chains)
    exchange.commit()
    return state.judged(klass, start, room)


def curves_about(block: EnergyBlock, jobs_kwh: Floats) -> tuple[Floats, Floats]:
    """Return curves of the cost of more load than the jobs', and of the saving of less.

    Where a site has just enough green power for its mandate, the price of load jumps. The prices
    below `jobs_kwh` are those for slightly less load, the ones above those for slightly more: with
    one side's alone, too many jobs would move to hours whose last green kWh is already in use.
    """
    base, now = block.problem.energy.base_load_kwh, jobs_kwh[:, :, None]
    sides = []
    for part in (-MARGIN_PART, MARGIN_PART):
        try:
            found = block.curves(np.minimum(base + (1 + part) * jobs_kwh, block.most_kwh))
        except InfeasibleError:  # no more load can be served, and no job is moved there
            found = block.curves(base + jobs_kwh)
        sides.append(found)
    (less, saved), (more, charged) = sides
    end = np.concatenate([np.minimum(less, now), np.maximum(more, now)], axis=-1)
    return end, np.concatenate([saved, charged], axis=-1)


def _missed(state: PlannerState) -> float:
    assert state.best is not None
    return missed_cost(state.problem, state.best.room.quota_used)


def initial_plans(state: PlannerState, y: Floats, placement: Placement | None) -> None:
    """Set the best plan of `state` to the cheapest of those that are available at once.

    They are: no job placed; the jobs kept where their table places them; the jobs kept where
    `placement` has them, if it is one of as many jobs; and each of these with all other jobs placed
    greedily, at the prices `y` and at the tariffs.
    """
    for klass, start in _standing(state, placement):
        keep = state.by_size[klass[state.by_size] >= 0]
        offer(state, keep, (klass, start), None)
        for guide in _guides(state, y):
            for order in _orders(state):
                offer(state, keep, (klass, start), guide, order)


def offer(
    state: PlannerState,
    keep: Int32s,
    placed: tuple[Int32s, Int32s],
    guide: Floats | None,
    order: Int32s | None = None,
) -> None:
    """Make the plan that keeps the jobs `keep` the best one of `state`, if it is.

    With a `guide`, prices of the rows, all other jobs of `order` are placed after them.
    """
    room, klass, start = state.settled(None)
    room.place_at(keep, placed[0][keep], placed[1][keep], klass, start)
    if guide is not None:
        assert order is not None
        rest = np.ascontiguousarray(order[klass[order] < 0])
        state.rows.place(room, guide, rest, klass, start)
    found = state.judged(klass, start, room)
    if state.best is None or found.cost < state.best.cost:
        state.best = found


def greedy(state: PlannerState, y: Floats) -> Incumbent:
    """Return the plan of all jobs placed at the prices `y`, large ones first."""
    room, klass, start = state.settled(None)
    state.rows.place(room, y, state.by_size, klass, start)
    return state.judged(klass, start, room)


def insert_until_stable(state: PlannerState) -> None:
    """Fill the best plan of `state` greedily, until no prices and no order make it cheaper.

    A later solve that keeps the plan and fills it up, as `initial_plans` does, then finds the same
    plan.
    """
    if state.few:
        fill_at_margin(state)
    again = True
    while again:
        again = False
        for guide in _guides(state, state.y):
            for order in _orders(state):
                again |= fill(state, guide, order)


def fill_at_margin(state: PlannerState) -> None:
    """Place jobs that are left out at the plan's marginal cost of their power, part by part.

    Where a scope is short of its mandate a kWh from the grid costs several times its tariff: placed
    all at once, at the tariff or at prices of an unfinished solve, jobs would cost more than their
    value, and none would be placed.
    """
    zero = state.rows.prices(np.zeros_like(state.rows.scale))
    orders, part, tried = list(_orders(state)), GREEDY.first, 0
    while part >= GREEDY.least and tried < GREEDY.most:
        gained = False
        for order in orders:
            best, base = state.best, state.problem.energy.base_load_kwh
            assert best is not None
            price = state.rows.block.serve(base + best.room.load).energy_yuan_per_kwh
            guide = state.rows.pack(zero.capacity, price, *zero[2:])
            out = order[(best.klass[order] < 0) & state.reach[order]]
            some = out[: int(np.ceil(part * len(out)))]
            gained |= bool(len(some)) and fill(state, guide, some)
            tried += 1
        if not gained:
            part /= GREEDY.divisor


def _standing(state: PlannerState, placement: Placement | None) -> Iterator[tuple[Int32s, Int32s]]:
    """Yield placements to begin with, each different from those before it."""
    jobs = state.problem.jobs
    nobody = np.full(len(jobs), -1, np.int32)
    found = [(nobody, nobody)]
    given = [(jobs.placed_class, jobs.placed_start)]
    if placement is not None and len(placement.klass) == len(jobs):
        given.append((placement.klass, placement.start))
    for other in given:
        if not any(np.array_equal(other, known) for known in found):
            found.append(other)
    yield from found


def _guides(state: PlannerState, y: Floats) -> Iterator[Floats]:
    """Yield prices to place jobs at; where jobs are many only the given ones."""
    yield y
    if state.few:
        energy = state.problem.energy
        carbon = energy.carbon_yuan_per_t * state.problem.carbon_g_per_kwh / 1e6
        zero = state.rows.prices(np.zeros_like(y))
        yield state.rows.pack(zero.capacity, energy.tariff_yuan_per_kwh + carbon, *zero[2:])


def _orders(state: PlannerState) -> Iterator[Int32s]:
    """Yield orders to place jobs in; where jobs are many only the large ones first."""
    yield state.by_size
    if state.few:
        worth = state.problem.jobs.value_yuan / np.maximum(state.size, 1.0)
        yield np.argsort(-worth, kind="stable").astype(np.int32)


class _Dive:
    """A placement under way, and its prices."""

    def __init__(
        self, room: _core.ResidualCapacity, klass: Int32s, start: Int32s, y: Floats
    ) -> None:
        self.room, self.klass, self.start = room, klass, start
        self.y = self.average = y


def dive(state: PlannerState, pace: DiveOptions, to: float, taken: Bools | None = None) -> None:
    """Place all jobs, large ones first; prices move on the remaining capacity in between.

    With `taken`, only those jobs are placed, and all others stay as the best plan has them.
    """
    state.clock.stage("dive", to)
    n = len(state.in_order)
    room, klass, start = state.settled(taken)
    dive = _Dive(room, klass, start, state.y)
    taken = np.ones(n, bool) if taken is None else taken
    step = state.step
    sizes = np.unique(step[taken])[::-1]
    for k, size in enumerate(sizes):
        # Jobs that found no room among their own size try again with every smaller one.
        now = taken & ((step == size) | ((step > size) & (klass < 0) & state.reach))
        done = (k / len(sizes), (k + 1) / len(sizes))
        left = now | (taken & (step < size))
        dive_size(state, dive, now, left, pace, int(size), done)
        stuck = np.flatnonzero(now & (klass < 0)).astype(np.int32)
        if len(stuck) and size >= pace.large:
            make_way(state, stuck, dive)
    state.market.set_active(np.ones(n, np.uint8))
    state.best = state.judged(klass, start, dive.room)


def dive_size(
    state: PlannerState,
    dive: _Dive,
    now: Bools,
    left: Bools,
    pace: DiveOptions,
    size: int,
    done: tuple[float, float],
) -> None:
    """Place the jobs `now` in parts, with a step of the prices between two.

    All of them take part in the steps until they are placed; samples represent the smaller jobs
    that are left. The difference between each sample and all jobs is computed at intervals.
    """
    length = pace.lengths[0] * (pace.lengths[1] / pace.lengths[0]) ** done[0]
    markets = surrogate_jobs(state, now, left, pace)
    missing = markets[0].n_active < left.sum()
    live = np.ones(len(left), np.uint8)
    state.market.set_active(left.astype(np.uint8))
    chosen, rows_ = state.by_size[now[state.by_size]], state.rows
    parts = min(pace.parts_of(size), len(chosen))
    missed = np.zeros((len(markets), len(dive.y)))
    served, k = rows_.serving(dive.y), 0
    heading = TrustRegion() if pace.near else None
    for i in range(parts):
        for j in range(1 if i else pace.settle):
            if state.clock.over(done[0] + i / parts * (done[1] - done[0])):
                break
            if i == 0 and j in CORRECTED_AT and missing:
                found = [rows_.use(market, dive.y) for market in markets]
                miss = rows_.use(state.market, dive.y) - found
                missed += (miss - missed) / (CORRECTED_AT.index(j) + 1)
                state.passes += 1 + len(markets)
            market = markets[k % len(markets)]
            if i:
                market.set_active(live)
            use = rows_.use(market, dive.y) + missed[k % len(markets)]
            supply = rows_.supply(dive.room)
            dive.y = state.ascent.follow(use, dive.y, supply, length, served())
            load = supply.load_kwh + rows_.prices(use).energy
            limits = heading.see(load) if heading is not None else None
            if k % pace.energy_every == 0:
                served = rows_.serving(dive.y, limits)
            dive.average = pace.memory * dive.average + (1 - pace.memory) * dive.y
            k += 1
        part = np.ascontiguousarray(chosen[i::parts])
        rows_.place(dive.room, dive.average, part, dive.klass, dive.start)
        live[part] = 0
    served()


def surrogate_jobs(
    state: PlannerState, now: Any, left: Any, pace: DiveOptions
) -> list[_core.LagrangianOracle]:
    """Return markets of the jobs `now` and of samples that represent the others of `left`."""
    here, later = (state.in_order[of[state.in_order]] for of in (now, left & ~now))
    drawn = samples_of(later, state.size, pace.later, pace.samples)
    return [with_sample(state.market, here, *sample) for sample in drawn]


def make_way(state: PlannerState, stuck: Int32s, dive: _Dive) -> None:
    """Place jobs that found no room, where moving other jobs costs less than that gains."""
    prices = state.rows.unpack(dive.average)
    exchange = _core.LocalSearch(dive.room, *prices, 1.0, dive.klass, dive.start)
    exchange.regrets(np.inf, placed_only=True, threads=state.rows.threads)
    no_end = np.zeros((*prices.energy.shape, 1))
    state.rows.work.searched(len(stuck) + len(dive.klass))
    exchange.run(state.market.positions(stuck), no_end, prices.energy[:, :, None].copy())
    exchange.commit()


def improve(
    state: PlannerState,
    pace: DiveOptions | None,
    to: float,
    taken: Bools | None = None,
    rounds: int = ROUNDS,
) -> None:
    """Make a placement, and up to `rounds` of exchanges while they pay; keep the cheaper plan.

    The placement is that of a dive, or without a `pace` the greedy one at the best prices, which
    only `SMALL` problems improve by exchanges: there rounds take a tenth of the time of a dive.
    """
    before = state.best
    if pace is None:
        found = greedy(state, state.y)
        state.best = found if before is None or found.cost < before.cost else before
    else:
        left = state.clock.left()
        dive(state, pace, to, taken)
        state.last_dive_s = left - state.clock.left() if state.clock.limited else 0.0
        fill(state)
    if state.small and state.clock.limited:
        polish(state)
    if pace is not None or state.small:
        exchanges(state, range(rounds))
        if state.few and rounds:
            exchanges(state, range(CHAIN_ROUNDS), CHAINS)
    if before is not None and state.best is not None and before.cost <= state.best.cost:
        state.best = before


def polish(state: PlannerState) -> None:
    """Improve the best plan of `state` by exchanges and chains, with one exact dispatch at the end.

    It takes 0.1 s of one processor at 2,000 jobs; a round of exchanges with a dispatch after each
    part takes ten times as long. So a plan is polished before a limit can cut such rounds off.
    """
    best = state.best
    assert best is not None
    if state.clock.status == "stopped" or not len(state.y):
        return
    room, klass, start = state.settled(np.zeros(len(best.klass), bool))
    found = polished(state, room, klass, start, curves_about(state.rows.block, best.room.load))
    if found.cost < best.cost:
        state.best = found


def exchanges(state: PlannerState, rounds: range, effort: LocalSearchOptions = FULL) -> None:
    """Make rounds of exchanges while they pay."""
    for k in rounds:
        if state.finished():
            break
        state.clock.stage("exchange", 0.7 + 0.25 * (k + 1) / ROUNDS)
        if not exchange_round(state, k, effort):
            break


def anneal(state: PlannerState, rounds: int = ANNEAL.rounds, first: float = ANNEAL.first) -> None:
    """Improve the best plan of `state` by rounds of small ruins, while they pay.

    `first` is the temperature at the beginning of each round, as a part of what the plan costs
    above its bound.
    """
    since = 0
    for k in range(rounds):
        if state.finished() or since == ANNEAL.without_gain:
            break
        state.clock.stage("ruin", 0.9 + 0.05 * (k + 1) / rounds)
        before = state.best
        _anneal_once(state, k, first)
        since = since + 1 if state.best is before else 0


def _anneal_once(state: PlannerState, seed: int, first: float) -> None:
    """Place some jobs again, most of them often; a cheaper plan is kept.

    They are fewer where a limit of work is met before.
    """
    best, rows = state.best, state.rows
    assert best is not None
    room, klass, start = state.settled(np.zeros(len(best.klass), bool))
    search = _core.LocalSearch(room, *rows.unpack(state.y), 0.0, klass, start)
    above = min(best.cost - state.proved_yuan(), abs(best.cost))
    placed = search.ruin_recreate(
        *curves_about(rows.block, best.room.load),
        seed=seed,
        placements=min(ANNEAL.placements, rows.work.placements_in(state.clock.steps_left())),
        first_temperature=first * above,
        last_temperature=ANNEAL.last * above,
    )
    rows.work.placed(placed)
    found = state.judged(klass, start, room)
    if found.cost < best.cost:
        state.best = found


#: Shortfall that counts as 0, kWh, and as a part of the energy required.
NOTHING_KWH, NOTHING = 1e-6, 1e-9


def short_scopes(state: PlannerState, missing_kwh: Floats) -> Bools:
    """Return the scopes short of green power whose price in the bound is below the penalty."""
    rows = state.problem.mandate_rows
    least = NOTHING_KWH + NOTHING * float(state.rows.block.most_kwh.sum())
    if not (missing_kwh > least).any():
        return np.zeros(len(missing_kwh), bool)
    worth = state.rows.block.mandate_at(state.rows.prices(state.y).energy)
    return np.asarray((missing_kwh > least) & (worth < rows.missing_yuan_per_kwh * (1 - 1e-6)))


def repair_mandate(state: PlannerState) -> None:
    """Repair the mandate's shortfalls of the best plan of `state`, as far as that pays."""
    if not len(state.y):
        return
    for _ in range(REPAIR.rounds):
        if state.clock.over(1.0) or not _repair_once(state):
            break


def _repair_once(state: PlannerState) -> bool:
    """Try single jobs; return whether one of them made the plan cheaper."""
    best, block, problem = state.best, state.rows.block, state.problem
    assert best is not None
    base = problem.energy.base_load_kwh
    supplied = block.serve(base + best.room.load)
    missing = supplied.dispatch.missing_kwh
    short = short_scopes(state, missing)
    if not short.any():
        return False
    supplied = block.serve(base + best.room.load)
    price = np.ascontiguousarray(supplied.energy_yuan_per_kwh)
    guide = state.rows.unpack(state.y)._replace(energy=price)
    exchange = _core.LocalSearch(best.room, *guide, 0.0, best.klass, best.start)
    tried = [
        _near(state, problem.mandate_rows.member[q], missing[q]) for q in np.flatnonzero(short)
    ]
    if state.few:
        state.rows.work.placed(len(best.klass))
        tried.append(exchange.regrets(0.0, threads=state.rows.threads)[: REPAIR.tried_by_regret])
    served, lacked = dispatch_cost(problem, supplied.dispatch), _lacked(state)
    curves, gained = block.curves(), False
    for position in np.concatenate(tried).astype(np.int32):
        if state.clock.over(1.0):
            break
        klass, start = best.klass.copy(), best.start.copy()
        state.rows.work.searched(1)
        if exchange.run(np.array([position], np.int32), *curves) == 0:
            continue
        rows = np.flatnonzero((klass != best.klass) | (start != best.start)).astype(np.int32)
        own = own_cost(problem, rows, best.klass[rows], best.start[rows])
        own -= own_cost(problem, rows, klass[rows], start[rows])
        dispatch = block.serve(base + best.room.load).dispatch
        now, still = dispatch_cost(problem, dispatch), _lacked(state)
        change = own + (now - served) + (still - lacked)
        if change >= 0:
            exchange.undo()
            continue
        best.cost += change
        exchange.commit()
        served, lacked, gained = now, still, True
        curves = block.curves()
        if not short_scopes(state, dispatch.missing_kwh).any():
            return False
        block.serve(base + best.room.load)
        curves = block.curves()
    return gained


def _near(state: PlannerState, member: Bools, missing_kwh: float) -> Int32s:
    """Return jobs at a scope's sites, those first whose load is about as large as the shortfall."""
    best, problem = state.best, state.problem
    assert best is not None
    job = np.flatnonzero(best.klass >= 0)
    job = job[member[problem.classes.site[best.klass[job]]]].astype(np.int32)
    kwh = problem.kwh_per_accelerator_h.mean(axis=1)[best.klass[job]]
    kwh = kwh * problem.jobs.gang[job] * hours_taken(problem, job, best.klass[job])
    with np.errstate(divide="ignore"):
        far = np.abs(np.log(kwh) - np.log(missing_kwh / problem.mandate_rows.share))
    job = job[np.argsort(far, kind="stable")[: REPAIR.tried]]
    return state.market.positions(np.ascontiguousarray(job))


def _lacked(state: PlannerState) -> float:
    assert state.best is not None
    return missed_cost(state.problem, state.best.room.quota_used)
