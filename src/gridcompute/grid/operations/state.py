"""The state of an operator from hour to hour, and the record of an hour."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from .hour_ledger import HourLedger

if TYPE_CHECKING:
    from ..plan.columns import Prices
    from ..tables.column import Floats, Int64s
    from ..tables.problem import Problem
    from .job_book import Book

__all__ = ["AHEAD", "COSTS", "HOURLY", "RECORDED", "TAKEN", "State", "first_state"]

#: Costs of the hours, part by part, yuan; debts to rules are settled at the end.
COSTS = {
    "energy": "power used, stored and carbon, less sales",
    "wear": "charging and discharging batteries",
    "shed": "load that went without power",
    "data": "data moved to the jobs that started, and checkpoints",
    "delay": "hours that started jobs had waited",
    "moves": "running jobs moved or stopped, and jobs not started where they were placed",
    "lost": "values of the jobs that can no longer start",
}
#: Columns of the energy table that an hour may bring otherwise than the table says.
HOURLY = (
    "direct_kwh",
    "bundled_kwh",
    "bundled_yuan_per_kwh",
    "tariff_yuan_per_kwh",
    "base_load_kwh",
    "export_yuan_per_kwh",
    "grid_green_share",
)
#: Sums by site over the hours; of the last one the maximum.
TAKEN = ("used", "stored", "available", "bundled", "peak_kw")
#: Sums by site over the later hours of the last plan.
AHEAD = ("load_kwh", "green_kwh", "certificate_kwh")
#: Numbers written down each hour, beside the parts of the cost.
RECORDED = (
    "load_kwh",
    "green_kwh",
    "stored_kwh",
    "renewables",
    "started",
    "moved",
    "lost_jobs",
    "waiting",
    "running",
    "gap",
    "seconds",
)


@dataclasses.dataclass(frozen=True)
class State:
    """The complete state from which the next hour follows; steps make new ones and change none.

    Parameters
    ----------
    clock : int
        Hours that have passed: the next step is that of this hour. Here and below, hours are
        steps of the problem where these are shorter.
    green_kwh, grey_kwh : float64 (n_sites,)
        Stored, by colour.
    worth : float64 (n_sites,), yuan/kWh
        What stored energy is worth at the end of a window.
    book : Book
    ledger : HourLedger
    used : float64 (n_accounts,)
        Accelerators times steps used, by account of the quotas' rows (`QuotaRows`): by tenant, and
        by accelerator where quotas tell them apart.
    prices : Prices or None
        Of the last plan, for its own hours.
    rows : int64 (n,)
        The jobs of that plan, -1 for expected ones.
    history : dict of list
        By the names of `RECORDED` and `COSTS`, one entry an hour.
    actual : dict of list of array
        What each hour brought of the columns `HOURLY`, and ``may_shed_kwh``.
    direct : dict of float64 (n_sites,)
        So far, of the direct sources: ``used`` on load, ``stored``, ``available``, kWh; of bundled
        power ``bundled``, kWh; the highest draw from the grid, ``peak_kw``, kW.
    ahead : dict of float64 (n_sites,)
        Of the last plan's later hours ``load_kwh``, the ``green_kwh`` used on it, and
        ``certificate_kwh`` as in `HourLedger`.
    gap_yuan : float
        Cost of the last plan less its bound.
    """

    clock: int
    green_kwh: Floats
    grey_kwh: Floats
    worth: Floats
    book: Book
    ledger: HourLedger
    used: Floats
    prices: Prices | None
    rows: Int64s
    history: dict[str, list[float]]
    actual: dict[str, list[Any]]
    direct: dict[str, Floats]
    ahead: dict[str, Floats]
    gap_yuan: float


def first_state(problem: Problem, book: Book, horizon: int) -> State:
    """Return the state before hour 0; of the tariffs those within the horizon are read."""
    energy, n_sites = problem.energy, len(problem.sites)
    if energy.terminal == "value":
        worth = energy.terminal_yuan_per_kwh.copy()
    else:
        worth = energy.discharge_efficiency * np.median(
            energy.tariff_yuan_per_kwh[:, :horizon], axis=1
        )
    none = np.zeros((0, n_sites))
    return State(
        clock=0,
        green_kwh=energy.green_start_kwh.copy(),
        grey_kwh=energy.grey_start_kwh.copy(),
        worth=np.maximum(worth, 0.0),
        book=book,
        ledger=HourLedger(
            tuple(str(name) for name in problem.sites.name),
            np.zeros(0, np.int64),
            none,
            none,
            none,
            none,
        ),
        used=np.zeros(len(problem.quotas.linear_rows.end)),
        prices=None,
        rows=np.zeros(0, np.int64),
        history={name: [] for name in (*RECORDED, *COSTS)},
        actual={name: [] for name in (*HOURLY, "may_shed_kwh")},
        direct={name: np.zeros(n_sites) for name in TAKEN},
        ahead={name: np.zeros(n_sites) for name in AHEAD},
        gap_yuan=0.0,
    )
