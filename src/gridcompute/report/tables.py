"""Tables of a matching for a terminal (rich, imported when a table is made)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.table import Table

    from ..result import Matching

__all__ = ["scarcest", "summary"]


def summary(title: str, m: Matching, unit: str, *, demand: Any = None) -> Table:
    """What was placed, what it costs, what that proves, and where the time went.

    Parameters
    ----------
    title : str
    m : Matching
    unit : str
        Of the costs.
    demand : int array (n_jobs,), optional
        Slots of each job, to count slots beside jobs.
    """
    from rich.table import Table

    placed = m.assignment >= 0
    table = Table(title=title, show_header=False, title_justify="left", min_width=len(title) + 2)
    table.add_column(style="bold")
    table.add_column(justify="right")
    table.add_row("status", m.status + (", proved exact" if m.exact else ""))
    table.add_row("jobs placed", f"{placed.sum():,}")
    table.add_row("jobs unplaced", f"{(~placed).sum():,}")
    if demand is not None:
        table.add_row("slots asked for", f"{int(np.sum(demand)):,}")
        table.add_row("slots taken", f"{int(m.load.sum()):,}")
    table.add_row(f"cost, {unit}", f"{float(m.objective):,.2f}")
    table.add_row(f"no plan costs less than, {unit}", f"{float(m.bound):,.2f}")
    table.add_row("gap", f"{m.gap:.2e}")
    table.add_section()
    for stage, seconds in m.stats["seconds"].items():
        table.add_row(f"seconds: {stage}", f"{seconds:.3f}")
    return table


def scarcest(
    m: Matching, capacity: Any, name: Callable[[int], tuple[str, ...]], columns: tuple[str, ...],
    unit: str, *, most: int = 8,
) -> Table:  # fmt: skip
    """The slot classes of highest price: where one slot more would save most.

    Parameters
    ----------
    m : Matching
    capacity : int array (n_slots,)
    name : callable
        The words for a slot class, one for each of `columns`.
    columns : tuple of str
    unit : str
        Of the prices.
    most : int
        How many to show.
    """
    from rich.table import Table

    table = Table(title="Scarcest slot classes", title_justify="left")
    for column in columns:
        table.add_column(column)
    for column in ("slots", "taken", f"price, {unit}"):
        table.add_column(column, justify="right")
    prices = np.asarray(m.prices)
    for s in np.argsort(-prices, kind="stable")[:most]:
        if prices[s] > 0:
            numbers = (f"{capacity[s]:,}", f"{m.load[s]:,}", f"{prices[s]:.2f}")
            table.add_row(*name(int(s)), *numbers)
    return table
