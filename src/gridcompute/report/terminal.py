"""A plan on a terminal: what it comes to, the four green numbers, what holds it back (rich)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..grid.plan.audit import audit, energy_unit
from ..grid.tables.mandate import counted
from .charts import number
from .printable import printable
from .tables import account_rows, bottleneck_rows, cost_rows, left_out_rows, mandate_rows

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from ..grid.plan.plan import Plan

__all__ = ["show"]


def show(plan: Plan, console: Console, *, timed: bool = False) -> None:
    """Print the tables of a plan, where `timed` is True with the seconds that its stages took."""
    account = audit(plan)
    _summary(plan, console, plan.stats.get("seconds", {}) if timed else {})
    head, rows = cost_rows(account)
    _print(console, "What the plan costs, yuan", _table(head, rows, sums=account.cost_sums))
    title = f"Green energy, four numbers; rule in force: {account.rule}"
    head, rows = account_rows(account)
    _print(console, title, _table(head, rows, sums=2))
    console.print(_text(account.lowest))
    for alarm in account.alarms:
        console.print(_text(f"ALARM: {alarm}"), style="red")
    head, rows = left_out_rows(plan, most=12)
    if rows:
        _print(console, "Left out, by tenant and reason", _table(head, rows, words=2))
    head, rows = mandate_rows(plan)
    if rows:
        title = "The mandate; its price by a green kWh less (left) and more (right), yuan/kWh"
        _print(console, title, _table(head, rows))
    head, rows = bottleneck_rows(plan, most=8)
    if rows:
        title = "What holds the plan back, in yuan; at the price of a quota nothing is earned"
        _print(console, title, _table(head, rows, words=2))


def _print(console: Console, title: str, table: Table) -> None:
    """A title on a line of its own: rich would wrap it to the table's width."""
    console.print(_text(title), style="bold", highlight=False)
    console.print(table)


def _summary(plan: Plan, console: Console, seconds: Mapping[str, float]) -> None:
    problem, n = plan.problem, len(plan.assignment)
    placed = int((plan.assignment >= 0).sum())
    load = float(plan.green["load_kwh"].sum())
    unit, size = energy_unit(load)
    rows = [
        ["status", plan.status],
        ["jobs placed", f"{placed:,} of {n:,}"],
        ["cost without values of jobs left out, yuan", f"{plan.placed_yuan:,.2f}"],
        ["values of jobs left out, yuan", f"{plan.costs['unplaced']:,.2f}"],
        ["cost, both together, yuan", f"{plan.objective_yuan:,.2f}"],
        ["no plan costs less than, yuan", f"{plan.bound_yuan:,.2f}"],
        ["proved gap, of the cost", f"{plan.gap:.4%}"],
        ["proved gap, of what is paid", f"{plan.gap_paid:.4%}"],
        [f"energy, {unit}", number(load / size)],
        *([f"seconds: {stage}", f"{float(took):.2f}"] for stage, took in seconds.items()),
    ]
    sizes = f"{len(problem.classes)} classes at {len(problem.sites)} sites"
    title = f"{problem.name}: {n:,} jobs, {sizes}, {problem.hours * problem.step_h:g} hours"
    _print(console, title, _table(["", ""], rows, heads=False))
    if problem.sources:
        text = f"Figures of the problem: {counted(problem.sources)}; the page lists each source."
        console.print(_text(text))


def _table(head: list[str], rows: list[list[str]], **options: Any) -> Table:
    """A table with words to the left and numbers to the right; `sums` last rows set apart."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    out = Table(
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        show_header=options.get("heads", True),
    )
    words = options.get("words", 1)
    for c, name in enumerate(head):
        out.add_column(name, justify="left" if c < words else "right")
    for i, row in enumerate(rows):
        if i == len(rows) - options.get("sums", 0) > 0:
            out.add_section()
        out.add_row(*map(_text, row))
    return out


def _text(text: str) -> Text:
    """Return a text as it is: rich would read markup in a site's name, and fail at "[/]"."""
    from rich.text import Text

    return Text(printable(text))
