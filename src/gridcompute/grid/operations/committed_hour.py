"""One hour of an operator: its committed placements, its dispatch, its cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..eligibility import hours_taken
from ..planner.cost import load_of
from ..planner.dispatch_lp import EnergyBlock, wasted_yuan_per_kwh
from ..tables.load_limits import load_limits_yuan
from ..tables.steps import day_of
from .job_book import RUNNING, SEVERAL, WAITING, WHOLE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..plan.columns import Dispatch
    from ..plan.plan import Plan
    from ..tables.column import Floats
    from ..tables.problem import Problem
    from .job_book import Book
    from .next_hours import Window

__all__ = ["Powered", "commit", "energy_yuan", "move", "power"]


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
