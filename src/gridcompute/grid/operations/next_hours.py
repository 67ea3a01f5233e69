"""The problem of an operator's next hours: what runs, waits and is expected, from a state."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..checker.bound import cheapest
from ..tables.jobs import Jobs
from ..tables.steps import in_hours
from ..tables.window import sites_in_window, sliced
from .breaks import charged
from .hour_ledger import carrying
from .job_book import NEVER, RUNNING, WAITING

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..plan.columns import Prices
    from ..tables.column import Floats, Int64s
    from ..tables.mandate import Mandate
    from ..tables.problem import Problem
    from ..tables.quotas import Quotas
    from .state import State

__all__ = [
    "Window",
    "deferred_yuan",
    "length_of",
    "numbered",
    "priced",
    "run_out",
    "window_of",
    "within_store",
]

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
