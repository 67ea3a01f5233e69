"""One hour of an operator: the problem of the next hours, what is committed, and its cost."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..checker.bound import cheapest
from ..eligibility import hours_taken
from ..plan.account import runs_of
from ..planner.dispatch_lp import EnergyBlock, wasted_yuan_per_kwh
from ..planner.state import load_of
from ..tables.jobs import Jobs
from ..tables.problem import load_limits_yuan
from ..tables.times import day_of, in_hours, sites_in_window, sliced
from .hour_inputs import charged
from .state import NEVER, RUNNING, SEVERAL, WAITING, WHOLE, carrying

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..plan.columns import Dispatch, Prices
    from ..plan.plan import Plan
    from ..tables.column import Floats, Int64s
    from ..tables.mandate import Mandate
    from ..tables.problem import Problem
    from ..tables.quotas import Quotas
    from .state import Book, State

#: What a job may cost more in the window than later is guessed to, before it is left for later:
#: the guess is the price of its best option in the window, and prices of later hours are not known.
PREMIUM = 1.1


class Window(NamedTuple):
    """The problem of the next hours, and whose its jobs are."""

    problem: Problem
    #: Numbers of the jobs in the book, -1 for those expected.
    rows: Int64s


def length_of(world: Problem, state: State, horizon: int) -> int:
    """Return how many hours are planned: the horizon, or more where a waiting job runs longer."""
    left, book = world.hours - state.clock, state.book
    now = (book["state"] == WAITING) & (book["release"] <= state.clock) & (book["least_h"] < NEVER)
    now &= state.clock + book["least_h"] <= np.minimum(book["deadline"], world.hours)
    return int(min(left, max(horizon, book["least_h"][now].max(initial=1))))


def window_of(
    world: Problem,
    state: State,
    hours: int,
    factor: Floats,
    expected: dict[str, NDArray[Any]] | None,
    prices: Prices | None,
    margin: float,
) -> Window:
    """Return the problem of the next `hours` hours.

    Parameters
    ----------
    world : Problem
        All hours as they are forecast.
    factor : float64 (hours,)
        What direct sources are expected to deliver of what the tables say.
    expected : dict of array, optional
        Columns of jobs that may come, times counted from now.
    prices : Prices, optional
        Prices for these hours: they say what a job costs that is left for later.
    margin : float
        Added to the mandate's share.
    """
    t, book = state.clock, state.book
    busy = (book["state"] == RUNNING) & (book["end"] > t)
    rows = np.flatnonzero(busy | (book.fits(t, t + hours) & (book["arrived"] <= t)))
    columns = book.jobs(rows, t, hours, world.classes.site)
    numbers = rows
    if expected is not None and len(expected["gang"]):
        columns = {k: np.concatenate([v, expected[k]]) for k, v in columns.items()}
        numbers = np.concatenate([rows, np.full(len(expected["gang"]), -1, np.int64)])
    problem = _hours_of(world, state, t, hours, factor).replace(
        jobs=Jobs(**columns, id=numbered(numbers)),
        mandate=dataclasses.replace(
            priced(world.mandate),
            share=min(1.0, world.mandate.share + margin),
            ledger=carrying(world, state.ledger),
        ),
        quotas=_quotas(world, state, rows, hours),
    )
    if (running := book.running(rows, t)) is not None:
        problem = problem.replace(running=charged(problem, running, prices))
    waits = np.flatnonzero((book["deadline"][rows] > t + hours) & (book["state"][rows] == WAITING))
    if prices is not None and len(waits):
        # A price of load may be below 0, and with it that of a job; a value may not.
        later = np.maximum(PREMIUM * cheapest(problem, prices, waits), 0.0)
        value = problem.jobs.value_yuan.copy()
        value[waits] = np.minimum(value[waits], later)
        problem = problem.replace(jobs=problem.jobs.replace(value_yuan=value))
    return Window(problem, numbers)


def run_out(world: Problem, state: State, hours: int) -> Window:
    """Return the problem of the next hours with nothing but what runs."""
    t, book = state.clock, state.book
    rows = np.flatnonzero((book["state"] == RUNNING) & (book["end"] > t))
    problem = _hours_of(world, state, t, hours, np.ones(hours)).replace(
        jobs=Jobs(**book.jobs(rows, t, hours)),
        running=book.running(rows, t),
        mandate=dataclasses.replace(priced(world.mandate), ledger=carrying(world, state.ledger)),
        quotas=world.quotas.without_guarantees().at_least(np.array(np.inf)),
    )
    return Window(problem, rows)


def deferred_yuan(
    world: Problem, state: State, rows: Int64s, hours: int, prices: Prices | None
) -> Floats:
    """Return what each of some jobs would cost from now on at these prices, its value at most."""
    book, t = state.book, state.clock
    value = book["value_yuan"][rows].copy()
    if prices is None or not len(rows) or hours < 1:
        return np.asarray(value)
    columns = book.jobs(rows, t, hours)
    problem = _hours_of(world, state, t, hours, np.ones(hours)).replace(
        jobs=Jobs(**columns),
        running=None,
        mandate=dataclasses.replace(priced(world.mandate), ledger=None),
        quotas=world.quotas.without_guarantees(),
    )
    return np.asarray(np.maximum(cheapest(problem, prices, np.arange(len(rows))), 0.0))


def within_store(green: Floats, grey: Floats, most: Floats) -> tuple[Floats, Floats]:
    """Return what is stored by colour with what a solver's tolerance left outside the store gone.

    Of the sum, too: ``green + (most - green)`` may round to more than `most`.
    """
    green = np.clip(green, 0.0, most)
    grey = np.clip(grey, 0.0, most - green)
    above = green + grey > most
    return green, np.where(above, np.maximum(np.nextafter(grey, -np.inf), 0.0), grey)


def priced(mandate: Mandate) -> Mandate:
    """Return the mandate with its shortfall at a price: hours that have passed cannot be mended."""
    return dataclasses.replace(mandate, shortfall="priced")


def numbered(rows: Int64s) -> Int64s:
    """Return job numbers, expected jobs counted down from -2: each is another one."""
    out = rows.copy()
    out[rows < 0] = -2 - np.arange(int((rows < 0).sum()))
    return out


def _hours_of(world: Problem, state: State, first: int, hours: int, factor: Floats) -> Problem:
    """Return the tables of some hours, energy as it stands at the first of them."""
    energy = sliced(world.energy, first, hours)
    green, grey = within_store(state.green_kwh, state.grey_kwh, energy.battery_kwh)
    paid_kw = state.direct["peak_kw"]
    energy = energy.replace(
        direct_kwh=energy.direct_kwh * factor,
        green_start_kwh=green,
        grey_start_kwh=grey,
        terminal="value",
        terminal_yuan_per_kwh=state.worth,
        bundled_volume_kwh=np.maximum(energy.bundled_volume_kwh - state.direct["bundled"], 0.0),
        demand_paid_kw=np.maximum(energy.demand_paid_kw, paid_kw),
        shed_kwh=np.maximum(energy.shed_kwh, energy.base_load_kwh),
    )
    none = Jobs(**{name: np.zeros(0, spec.dtype) for name, spec in Jobs.columns().items()})
    return world.replace(
        hours=hours,
        jobs=none,
        running=None,
        sites=sites_in_window(world.sites, first, hours, _load_kw(world, state)),
        classes=sliced(world.classes, first, hours),
        corridors=sliced(world.corridors, first, hours),
        energy=energy,
        start=world.time(first),
    )


def _load_kw(world: Problem, state: State) -> Floats | None:
    """Return the load of the hour that has just passed, None before the first."""
    if not state.clock:
        return None
    drawn = state.ledger.load_kwh[-1] - state.ledger.shed_kwh[-1]
    return np.asarray(np.maximum(drawn, 0.0) / world.step_h)


def _quotas(world: Problem, state: State, rows: Int64s, hours: int) -> Quotas:
    """Return what the quotas leave for these hours: what was used, and will be past them, is gone.

    Of a lower quota that is left, the hours get their part of the hours that are left. All is
    counted in whole steps, so that no rounding takes the last of them from a job.
    """
    quotas, book, t = world.stepped.quotas, state.book, state.clock
    lines, classes = quotas.linear_rows, world.classes
    runs = rows[book["state"][rows] == RUNNING]
    beyond = np.maximum(book["end"][runs] - (t + hours), 0)
    account = lines.account(book["tenant"][runs], classes.accelerator[book["klass"][runs]])
    used = state.used + np.bincount(account, book["gang"][runs] * beyond, len(state.used))
    left, part = quotas.after(lines.summed(used)), hours / (world.hours - t)
    columns = {
        name: getattr(left, name) * part
        for name in ("lower_accelerator_h", "lower_by_accelerator_h")
    }
    return in_hours(left.replace(**columns), world.step_h)


class Powered(NamedTuple):
    """The energy of a window whose first hour came as it came."""

    dispatch: Dispatch
    #: In steps: what `Problem.effective` is.
    problem: Problem
    #: Value of a stored kWh by site at the end of a window, yuan.
    worth: Floats


def commit(window: Window, plan: Plan, book: Book, hour: int) -> dict[str, NDArray[Any]]:
    """Start the jobs that `plan` starts at once; return them as columns."""
    rows = window.rows
    real = rows >= 0
    waits = np.zeros(len(rows), bool)
    waits[real] = book["state"][rows[real]] == WAITING
    at = np.flatnonzero(waits & (plan.assignment >= 0) & (plan.start == 0))
    jobs, klass = rows[at], plan.assignment[at]
    hours = hours_taken(plan.problem.effective, at, klass)  # of a job in pieces, were it left alone
    book["state"][jobs] = RUNNING
    book["klass"][jobs], book["started"][jobs], book["end"][jobs] = klass, hour, hour + hours
    return {
        "job": jobs,
        "klass": klass,
        "site": plan.problem.classes.site[klass],
        "start": np.full(len(at), hour, np.int32),
        "hours": hours,
        "gang": book["gang"][jobs],
    }


def move(
    window: Window, plan: Plan, book: Book, hour: int, world: Problem
) -> tuple[dict[str, NDArray[Any]], dict[str, float]]:
    """Move the running jobs that `plan` moves; return them, and what they cost by `COSTS`.

    One that the plan does not run in this hour stops: it waits, with its checkpoint where it ran
    and the work that is left.
    """
    running = window.problem.running
    none = np.zeros(0, np.int64)
    empty: dict[str, NDArray[Any]] = {"job": none, "from_klass": none, "klass": none, "hours": none}
    if running is None:
        return empty, {}
    klass, start = plan.assignment[running.id], plan.start[running.id]
    at = np.flatnonzero(running.movable & ((klass != running.klass) | (start != 0)))
    if not len(at):
        return empty, {}
    jobs, site = window.rows[running.id[at]], world.classes.site
    goes = (klass[at] >= 0) & (start[at] == 0)
    hours = np.zeros(len(at), np.int32)
    hours[goes] = hours_taken(plan.problem.effective, running.id[at[goes]], klass[at[goes]])
    data = 0.0
    for k, job in enumerate(jobs.tolist()):
        was = int(running.klass[at[k]])
        if goes[k]:
            book["klass"][job], book["end"][job] = klass[at[k]], hour + hours[k]
            wire = world.corridors.price_yuan_per_gb[site[was], site[klass[at[k]]]]
            data += float(wire * running.checkpoint_gb[at[k]])
        else:
            _stop(book, job, was, int(running.hours_left[at[k]]), hour, world.stepped)
    # The hours of a restart put off the end of a job that breaks off.
    late = np.where(goes | ~book["interruptible"][jobs], 0, book["restart_h"][jobs])
    costs = {
        "moves": float(book["move_yuan"][jobs].sum()),
        "data": data,
        "delay": float((book["delay_yuan_per_h"][jobs] * late * world.step_h).sum()),
    }
    moved: dict[str, NDArray[Any]] = {
        "job": jobs,
        "from_klass": running.klass[at],
        "klass": np.where(goes, klass[at], -1),
        "hours": np.where(goes, hours, 0),
    }
    return moved, costs


def _stop(book: Book, job: int, klass: int, left: int, hour: int, world: Problem) -> None:
    """Let a running job wait: what it needs now is the rest of its work, from where it ran.

    `world` is in steps, as `left` is.
    """
    classes, family = world.classes, int(book["family"][job])
    speed, site = float(classes.throughput[family, klass]), int(classes.site[klass])
    near = world.delay_ms[book["origin"][job]] <= book["latency_ms"][job]
    mask = int(near @ (np.int64(1) << np.arange(len(near), dtype=np.int64)))
    book["residency"][job] &= mask | (1 << site)
    book["residency"][job] |= 1 << site
    book["latency_ms"][job], book["origin"][job] = np.inf, site
    book["work_h"][job] = (left + int(book["restart_h"][job])) * speed
    book["data_gb"][job] = book["checkpoint_gb"][job]
    book["state"][job], book["klass"][job] = WAITING, -1
    if book["interruptible"][job]:  # its data stay where it ran, and its delay is paid for
        book["residency"][job], book["release"][job] = np.int64(1) << site, hour
        book["placed_class"][job], book["placed_start"][job] = -1, -1
        before = int(book["broke_klass"][job])
        book["broke_klass"][job] = klass if before in (WHOLE, klass) else SEVERAL
    quickest = classes.throughput[family].max()
    book["least_h"][job] = max(1, int(np.ceil(book["work_h"][job] / quickest - 1e-9)))


def power(plan: Plan, brought: dict[str, Floats]) -> Powered:
    """Return the cheapest dispatch of a plan's load when its first hour came as it came.

    Later hours are as they were expected. Load that has no power is shed.
    """
    problem = plan.problem.effective
    energy = problem.energy
    load = load_of(problem, plan.assignment, plan.start, plan.pieces)
    columns = {}
    for name, values in brought.items():
        column = getattr(energy, name).copy()
        column[..., 0] = values
        columns[name] = column
    load[:, 0] += brought["base_load_kwh"] - energy.base_load_kwh[:, 0]
    real = problem.replace(energy=energy.replace(**columns, shed_kwh=load))
    block = EnergyBlock(real, np.maximum(load, real.energy.base_load_kwh))
    dispatch = block.serve(load).dispatch
    return Powered(dispatch, real, stored_worth(block, day_of(plan.problem.step_h)))


def stored_worth(block: EnergyBlock, day: int) -> Floats:
    """Return what a stored kWh is worth a day before the end of a block's hours, by site.

    By the duals of the store's balance, of the colour that is worth less.
    """
    hours = block.problem.hours
    at = hours - 1 - day if hours > day else hours // 2
    worth = [block.stored_yuan(colour)[:, at] for colour in ("green", "grey")]
    return np.asarray(np.maximum(np.minimum(*worth), 0.0))


def energy_yuan(
    problem: Problem, d: Dispatch, t: int = 0, paid_kw: Floats | None = None
) -> dict[str, float]:
    """Return what one hour of a dispatch costs, by the names of `COSTS`; rules are left out.

    `problem` is one whose step is an hour (`Problem.stepped`). `paid_kw` is the draw from the grid
    that the demand charge is paid for already, by default the energy table's.
    """
    energy = problem.energy
    paid = energy.demand_paid_kw if paid_kw is None else paid_kw
    carbon = energy.carbon_yuan_per_t * problem.carbon_g_per_kwh[:, t] / 1e6
    direct = d.direct_kwh[:, :, t] + d.direct_charge_kwh[:, :, t]
    bundled = d.bundled_kwh[:, t] + d.bundled_charge_kwh[:, t]
    drawn = d.grid_kwh[:, t] + d.grid_charge_kwh[:, t]
    charged = d.direct_charge_kwh[:, :, t].sum(axis=0)
    charged = charged + d.bundled_charge_kwh[:, t] + d.grid_charge_kwh[:, t]
    worn = charged + d.green_discharge_kwh[:, t] + d.grey_discharge_kwh[:, t]
    hourly = energy.direct_hourly_yuan_per_kwh
    power_yuan = (hourly[:, :, min(t, hourly.shape[2] - 1)] * direct).sum()
    power_yuan += (energy.bundled_yuan_per_kwh[:, t] * bundled).sum()
    power_yuan += ((energy.tariff_yuan_per_kwh[:, t] + carbon) * drawn).sum()
    power_yuan -= (energy.export_yuan_per_kwh[:, t] * d.exported_kwh[:, :, t].sum(axis=0)).sum()
    wasted = wasted_yuan_per_kwh(energy)
    power_yuan += (wasted[:, :, min(t, wasted.shape[2] - 1)] * d.curtailed_kwh[:, :, t]).sum()
    power_yuan += (energy.demand_yuan_per_kw * np.maximum(drawn - paid, 0.0)).sum()
    if problem.sites.limits_load.any():
        power_yuan += load_limits_yuan(problem, d.load_kwh - d.shed_kwh)[:, t].sum()
    return {
        "energy": float(power_yuan),
        "wear": float((energy.wear_yuan_per_kwh * worn).sum()),
        "shed": float(energy.shed_yuan_per_kwh * d.shed_kwh[:, t].sum()),
    }


def own_yuan(
    book: Book, started: dict[str, NDArray[Any]], world: Problem, hour: Any
) -> dict[str, Floats]:
    """Return what each job that starts pays for data, delay and another place than it had.

    `hour` is the one in which it starts, of all jobs or of each.
    """
    jobs, site = started["job"], started["site"]
    wire = world.corridors.price_yuan_per_gb[book["origin"][jobs], site]
    elsewhere = book["placed_class"][jobs] >= 0
    elsewhere &= (book["placed_class"][jobs] != started["klass"]) | (
        book["placed_start"][jobs] != hour
    )
    waited = hour - book["release"][jobs]
    return {
        "data": np.asarray(wire * book["data_gb"][jobs]),
        "delay": np.asarray(book["delay_yuan_per_h"][jobs] * waited * world.step_h),
        "moves": np.where(elsewhere, book["migration_yuan"][jobs], 0.0),
    }


def paid_yuan_per_kwh(problem: Problem, d: Dispatch) -> Floats:
    """Return what a kWh of load pays for the power that it uses, (n_sites, n_hours).

    Power from a battery was paid for when it was charged, but for the wear.
    """
    energy, load = problem.energy, d.load_kwh
    carbon = energy.carbon_yuan_per_t * problem.carbon_g_per_kwh / 1e6
    paid = (energy.direct_hourly_yuan_per_kwh * d.direct_kwh).sum(axis=0)
    paid = paid + energy.bundled_yuan_per_kwh * d.bundled_kwh
    paid += (energy.tariff_yuan_per_kwh + carbon) * d.grid_kwh
    paid += energy.wear_yuan_per_kwh[:, None] * (d.green_discharge_kwh + d.grey_discharge_kwh)
    paid += energy.shed_yuan_per_kwh * d.shed_kwh
    return np.asarray(np.divide(paid, load, out=np.zeros(load.shape), where=load > 0))


def later_yuan(
    window: Window, plan: Plan, powered: Powered, book: Book, world: Problem, hour: int
) -> tuple[float, float]:
    """Return what is to expect of jobs that run or wait, and the part of jobs that are new.

    It is what the last plan that placed a job spends on it after the plan's first hour, and is
    written down in the book. A job is new that no plan had placed while it could start. Each pays
    for a kWh what all load of its site pays in that hour.
    """
    problem = powered.problem
    klass, start = plan.assignment, plan.start
    each = paid_yuan_per_kwh(problem, powered.dispatch)[problem.classes.site]
    each = each * problem.kwh_per_accelerator_h
    each[:, 0] = 0.0
    until = np.concatenate([np.zeros((len(each), 1)), each.cumsum(axis=1)], axis=1)
    runs = runs_of(problem, klass, start, plan.pieces)
    hourly = until[runs.klass, runs.start + runs.hours] - until[runs.klass, runs.start]
    yuan = np.zeros(len(klass))
    np.add.at(yuan, runs.job, problem.jobs.gang[runs.job] * hourly)
    here = (book["state"] == RUNNING) | ((book["state"] == WAITING) & (book["release"] <= hour))
    at = np.flatnonzero((klass >= 0) & (window.rows >= 0))
    at = at[here[window.rows[at]]]
    wait = at[book["state"][window.rows[at]] == WAITING]
    placed = {"job": window.rows[wait], "klass": klass[wait]}
    placed["site"] = problem.classes.site[klass[wait]]
    yuan[wait] += sum(own_yuan(book, placed, world, hour + start[wait]).values())
    jobs, later = window.rows[at], book["later_yuan"]
    new = float(yuan[at[np.isnan(later[jobs])]].sum())
    later[jobs] = yuan[at]
    return float(np.nansum(later[here])), new
