"""The cost of an operator's hours with open debts settled, and the problem in hindsight.

Both end at the same moment T and settle alike what is open then, so that what the operator did is a
plan of the problem of hindsight, with the same cost: jobs that still run are paid to their ends and
jobs that wait what they would cost, both at the last prices, stored energy what it is worth, and
what is owed to the mandate as a shortfall, but for what the last plan makes good in later hours.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from ...errors import InvalidProblemError
from ..plan.account import delay_yuan, resumed_yuan
from ..planner.dispatch_lp import EnergyBlock
from ..planner.residual import WithoutPinned
from ..planner.state import dispatch_cost, load_of
from ..tables.jobs import Jobs
from ..tables.mandate import DirectRule, Mandate
from ..tables.times import day_of, sliced
from .committed_hour import deferred_yuan, energy_yuan, priced, run_out
from .hour_inputs import known
from .state import COSTS, LOST, NEVER, RUNNING, WAITING, credited

if TYPE_CHECKING:
    from ..plan.plan import Plan
    from ..tables.column import Floats, Int64s
    from ..tables.problem import Problem
    from ..tables.sites import Energy
    from .state import State

#: Parts of the account beside `COSTS`: what is open, and what is owed to rules.
OPEN = {
    "tail": "what runs, to its end, at the last plan's prices, rents of places included",
    "waiting": "jobs that wait, the same, at most their value",
    "stored": "less what stored energy is worth later",
}
OWED = {
    "mandate": "green power that the last plan leaves missing, at the price of a shortfall",
    "direct_rule": "direct power that is missing so far, at the price of a shortfall",
}


@dataclasses.dataclass(frozen=True)
class Account:
    """The cost of the hours that have passed; `yuan` is the sum of `parts`.

    Parameters
    ----------
    hours : int
        Hours that have passed; here and below steps, where the problem's are shorter.
    parts : dict of float
        Yuan by name.
    tail_h : int
        Hours after them in which what runs runs out.
    gap_yuan : float
        Cost of the last plan less its bound.
    open_yuan : float
        What jobs that run or wait will spend after these hours, without any rent, each by the last
        plan that placed it. One that no plan has placed yet is not in it.
    new_yuan : float
        The part of it of jobs that the last plan is the first to place while they can start.
    """

    hours: int
    parts: dict[str, float]
    tail_h: int
    gap_yuan: float
    open_yuan: float
    new_yuan: float

    @property
    def yuan(self) -> float:
        """The sum of all parts."""
        return sum(self.parts.values())

    @property
    def expected_yuan(self) -> float:
        """The cost to expect: what is spent, open and owed."""
        return self.spent_yuan + self.open_yuan + self.owed_yuan

    @property
    def spent_yuan(self) -> float:
        """The cost that these hours have had: no later hour changes it."""
        return sum(self.parts[name] for name in COSTS)

    @property
    def open_bound_yuan(self) -> float:
        """What is open, cheaper by all that a better plan of the hours ahead could save.

        It is at least 0, or what is open where that is less.
        """
        return min(self.open_yuan, max(self.open_yuan - self.gap_yuan, 0.0))

    @property
    def worth_yuan(self) -> float:
        """The cost beside what is expected: rents of places, less what stored energy is worth."""
        return self.yuan - self.expected_yuan

    @property
    def owed_yuan(self) -> float:
        """The cost of making good what is owed to the mandate and the direct-connection rule."""
        return sum(self.parts[name] for name in OWED)


def account(world: Problem, state: State, horizon: int) -> Account:
    """Return the account of the hours that have passed."""
    parts = {name: float(sum(state.history[name])) for name in COSTS}
    tail = _tail_hours(world, as_they_came(state))
    parts |= _open_energy(world, state, tail)
    rows = could_wait(world, state)
    rows = rows[state.book["state"][rows] == WAITING]
    parts["waiting"] = float(_later(world, state, rows, horizon).sum())
    return Account(state.clock, parts, tail, state.gap_yuan, state.open_yuan, state.new_yuan)


def hindsight_problem(world: Problem, state: State, settled: Account, horizon: int) -> Problem:
    """Return the problem of the same hours with complete information.

    A job that broke off is there as it came, at will in pieces. One that waits at the end, or went
    on at another class, is there with the work that was left: no plan of the problem may do so.
    """
    end, tail = state.clock, settled.tail_h
    if not end:
        raise InvalidProblemError("hindsight: found no hour that has passed, needed one", "clock")
    hours, ran_out = end + tail, np.zeros((len(world.sites), 1))
    if tail:
        ran_out = _tail(world, state, tail)[1]
    made_good = _made_good_kwh(world, state, ran_out)
    state = as_they_came(state)
    book = state.book
    rows = np.flatnonzero((book["release"] < end) | (book["started"] >= 0))
    waits = could_wait(world, state)
    value = book["value_yuan"].copy()
    value[waits] = _later(world, state, waits, horizon)
    columns = {name: book[name][rows].copy() for name in Jobs.columns()}
    columns["value_yuan"] = value[rows]
    # No later than the last hour, by the quickest class; and as long as the operator's own took.
    least = np.where(book["least_h"][rows] < NEVER, book["least_h"][rows], 1).astype(np.int64)
    latest = np.minimum(columns["deadline"], np.minimum(end - 1 + least, hours))
    own = np.where(book["started"][rows] >= 0, book["end"][rows], 0)
    deadline = np.maximum(latest, np.minimum(own, hours))
    columns["release"] = np.minimum(columns["release"], hours - 1)
    columns["deadline"] = np.maximum(deadline, columns["release"] + 1)
    far = columns["placed_start"] >= hours
    columns["placed_class"] = np.where(far, -1, columns["placed_class"])
    columns["placed_start"] = np.where(far, -1, columns["placed_start"])
    running = None if world.running is None else world.running.of_rows(rows)
    energy = sliced(world.energy.replace(**known(state.actual, world.energy, end)), 0, hours)
    energy = _at_last_prices(world, state, energy, end)
    may_shed = np.maximum(energy.shed_kwh, energy.base_load_kwh)
    may_shed[:, :end] = np.array(state.actual["may_shed_kwh"]).T
    energy = energy.replace(terminal="value", terminal_yuan_per_kwh=state.worth, shed_kwh=may_shed)
    return world.replace(
        name=f"{world.name}, {end} {'hours' if world.step_h == 1 else 'steps'} in hindsight",
        hours=hours,
        jobs=Jobs(**columns, id=rows),
        running=running,
        sites=sliced(world.sites, 0, hours),
        classes=sliced(world.classes, 0, hours),
        corridors=sliced(world.corridors, 0, hours),
        energy=energy,
        mandate=_settled(world, made_good),
        quotas=world.quotas.without_guarantees(),
    )


def hourly_yuan(plan: Plan, hours: int) -> Floats:
    """Return what a plan spends in each of its first hours on power, data, delay and moves."""
    problem = plan.problem.effective
    jobs = problem.jobs
    drawn = plan.dispatch.grid_kwh + plan.dispatch.grid_charge_kwh
    out, paid = np.zeros(hours), problem.energy.demand_paid_kw
    for t in range(hours):
        out[t] = sum(energy_yuan(problem, plan.dispatch, t, paid).values())
        paid = np.maximum(paid, drawn[:, t])
    job = np.flatnonzero(plan.assignment >= 0)
    klass, start = plan.assignment[job], plan.start[job]
    wire = problem.corridors.price_yuan_per_gb[jobs.origin[job], problem.classes.site[klass]]
    own = wire * jobs.data_gb[job] + delay_yuan(problem, job, klass, start, plan.pieces)
    own += resumed_yuan(problem, job, plan.pieces)
    moved = (jobs.placed_class[job] >= 0) & (
        (jobs.placed_class[job] != klass) | (jobs.placed_start[job] != start)
    )
    own += np.where(moved, jobs.migration_yuan[job], 0.0)
    early = start < hours
    np.add.at(out, start[early], own[early])
    return np.asarray(out)


def as_they_came(state: State) -> State:
    """Return the state with all work of the jobs that broke off and went on where they ran."""
    return dataclasses.replace(state, book=state.book.as_it_came(state.book.whole()))


def _tail_hours(world: Problem, state: State) -> int:
    """Return the hours in which all that was started, or could have been, runs out."""
    book, end = state.book, state.clock
    runs = book["state"] == RUNNING
    left = int((book["end"][runs] - end).max(initial=0))
    could = (book["release"] < end) & (book["least_h"] < NEVER) & (book["deadline"] > end)
    left = max(left, int(book["least_h"][could].max(initial=1)) - 1)
    return min(left, world.hours - end)


def could_wait(world: Problem, state: State) -> Int64s:
    """Return the jobs that could still start now, had they not been started: they are not lost."""
    book, end = state.book, state.clock
    done = end + book["least_h"].astype(np.int64)
    could = (book["release"] < end) & (book["state"] != LOST)
    could &= done <= np.minimum(book["deadline"], world.hours)
    if world.running is not None:
        could[world.running.id] = False
    return np.flatnonzero(could)


def _later(world: Problem, state: State, rows: Int64s, horizon: int) -> Floats:
    """Return what jobs would cost from now on at the last plan's prices.

    Read are the hours of the horizon, or more where one of the jobs that could wait takes longer.
    """
    if not len(rows):
        return np.zeros(0)
    longest = int(state.book["least_h"][could_wait(world, state)].max(initial=1))
    hours = min(world.hours - state.clock, max(horizon, longest))
    prices = state.prices
    if prices is not None and hours:
        prices = prices.shift(1, length=hours, day=day_of(world.step_h)).replace(placement=None)
        prices = prices.replace(energy=prices.energy - _short_yuan(world, state))
    return deferred_yuan(world, state, rows, hours, prices)


def _tail(world: Problem, state: State, hours: int) -> tuple[Problem, Floats]:
    """Return the problem of the hours in which what runs runs out, and the load of its jobs."""
    window = run_out(world, state, hours)
    energy = _at_last_prices(world, state, window.problem.energy, 0)
    none = DirectRule(used=0.0, of_load=0.0)
    problem = window.problem.replace(energy=energy, direct_rule=none)
    klass = np.full(len(window.rows), -1, np.int32)
    start = klass.copy()
    if problem.running is not None:
        klass[problem.running.id], start[problem.running.id] = problem.running.klass, 0
        problem = problem.replace(running=problem.running.replace(movable=False))
    return problem, load_of(problem.effective, klass, start)


def _open_energy(world: Problem, state: State, tail: int) -> dict[str, float]:
    """Return what is missing to the rules, what the tail costs, and what is stored, yuan."""
    mandate, direct = world.mandate, state.direct
    price = mandate.rows(world.sites).missing_yuan_per_kwh
    if not tail:
        stored = state.green_kwh + state.grey_kwh
        owed = float(np.maximum(_missing_kwh(world, state), 0.0).sum())
        if mandate.rule == "volume":
            price = min(price, world.energy.certificate_yuan_per_kwh)
        worth = float((state.worth * stored).sum())
        rule = _direct_yuan(world, direct, state.ledger.load_kwh.sum(axis=0))
        return {"mandate": price * owed, "direct_rule": rule, "tail": 0.0, "stored": -worth}
    problem, load = _tail(world, state, tail)
    problem = problem.replace(mandate=_settled(problem, _made_good_kwh(world, state, load)))
    d = EnergyBlock(WithoutPinned(problem).problem, load).serve(load).dispatch
    missing = price * float(d.missing_kwh.sum())
    missing += float(problem.energy.certificate_yuan_per_kwh * d.certificate_kwh.sum())
    stored = (d.green_stored_kwh + d.grey_stored_kwh)[:, -1]
    worth = float((state.worth * stored).sum())
    whole = dispatch_cost(problem.stepped, d)
    totals = {
        "used": direct["used"] + d.direct_kwh.sum(axis=(0, 2)),
        "stored": direct["stored"] + d.direct_charge_kwh.sum(axis=(0, 2)),
        "available": direct["available"] + problem.energy.direct_kwh.sum(axis=(0, 2)),
    }
    all_load = state.ledger.load_kwh.sum(axis=0) + load.sum(axis=1)
    return {
        "mandate": missing,
        "direct_rule": _direct_yuan(world, totals, all_load),
        "tail": whole - missing + worth,
        "stored": -worth,
    }


def _made_good_kwh(world: Problem, state: State, tail_kwh: Floats) -> Floats:
    """Return by how much the later hours of the last plan reduce what each scope owes, kWh.

    Below 0 they add to it. The load of the tail is in the plan, and is left out of them.
    """
    rows, ahead = world.mandate_rows, state.ahead
    counted = ahead["green_kwh"] + rows.volume * ahead["certificate_kwh"]
    later = ahead["load_kwh"] - tail_kwh.sum(axis=1)
    return np.asarray(rows.member @ (counted - rows.share * later))


def _missing_kwh(world: Problem, state: State) -> Floats:
    """Return what each scope owes after the later hours of the last plan; below 0 a surplus."""
    owed = state.ledger.owed_kwh(world.mandate, world.sites)
    return np.asarray(owed - _made_good_kwh(world, state, np.zeros((len(world.sites), 1))))


def _at_last_prices(world: Problem, state: State, energy: Energy, first: int) -> Energy:
    """Return energy whose hours from `first` on, those after the last one, have the last prices.

    What runs on after the last hour would have all power to itself otherwise, and one who knew all
    would start long gangs just before the account ends. It pays for each kWh what load costs in the
    last plan, with the mean rent of the site's accelerators; where the plan leaves a scope short of
    green power, the mandate's part of that price is left to the mandate. Where draw has a demand
    charge these hours stay as they are.
    """
    hours = energy.tariff_yuan_per_kwh.shape[1] - first
    if state.prices is None or not hours or (energy.demand_yuan_per_kw > 0).any():
        return energy
    prices = state.prices.shift(1, length=hours, day=day_of(world.step_h))
    at = slice(state.clock, state.clock + hours)
    capacity, site = world.classes.capacity[:, at], world.classes.site
    rent, power = np.zeros(prices.energy.shape), np.zeros(prices.energy.shape)
    np.add.at(rent, site, prices.capacity * capacity)
    np.add.at(power, site, world.kwh_per_accelerator_h[:, at] * capacity)
    np.divide(rent, power, out=rent, where=power > 0)
    carbon = energy.carbon_yuan_per_t * world.carbon_g_per_kwh[:, at] / 1e6
    columns = {
        name: getattr(energy, name).copy()
        for name in ("tariff_yuan_per_kwh", "direct_kwh", "bundled_kwh", "base_load_kwh")
    }
    for values in columns.values():
        values[..., first:] = 0.0
    price = prices.energy + rent - _short_yuan(world, state) - carbon
    columns["tariff_yuan_per_kwh"][:, first:] = np.maximum(price, 0.0)
    return energy.replace(**columns)


def _short_yuan(world: Problem, state: State) -> Floats:
    """Return the part of the last prices of load that the mandate's debts hold, (n_sites, 1).

    Where the last plan leaves a scope short, load that is open is part of what is missing there.
    """
    rows = world.mandate_rows
    if state.prices is None:
        return np.zeros((len(world.sites), 1))
    short = state.prices.mandate_bound * (_missing_kwh(world, state) > 0)
    return np.asarray((rows.share * short) @ rows.member)[:, None]


def _settled(problem: Problem, made_good_kwh: Floats) -> Mandate:
    """Return a problem's mandate with its shortfall at a price, less what is made good by scope."""
    return credited(priced(problem.mandate), problem.sites, made_good_kwh)


def _direct_yuan(world: Problem, direct: dict[str, Floats], load: Floats) -> float:
    """Return what is missing to the direct-connection rule, over all hours so far, yuan."""
    rule, asked = world.direct_rule, world.direct_rule.applies_to(world.sites, world.energy)
    unused = rule.used * direct["available"] - direct["used"] - direct["stored"]
    uncovered = rule.of_load * load - direct["used"]
    short = np.maximum(unused, 0.0) + np.maximum(uncovered, 0.0)
    return rule.shortfall_yuan_per_kwh * float(short[asked].sum())
