"""A plan on a terminal: what it comes to, the four green numbers, what holds it back (rich)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..grid.audit import audit
from .plan_tables import account_rows, bottleneck_rows

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from ..grid.plan import Plan

__all__ = ["show"]


def show(plan: Plan, console: Console) -> None:
    """Print the tables of a plan."""
    account = audit(plan)
    console.print(_summary(plan))
    title = f"Green energy, four numbers; rule in force: {account.rule}"
    head, rows = account_rows(account)
    console.print(_table(title, head, rows, sums=2))
    name, lowest = account.worst
    console.print(f"Lowest N2 among the new sites: {name}, {lowest:.1%}.")
    for alarm in account.alarms:
        console.print(f"ALARM: {alarm}", style="red")
    head, rows = bottleneck_rows(plan, most=8)
    if rows:
        console.print(_table("What holds the plan back, in yuan", head, rows, words=2))


def _summary(plan: Plan) -> Table:
    problem, n = plan.problem, len(plan.assignment)
    placed = int((plan.assignment >= 0).sum())
    seconds = plan.stats.get("seconds", {})
    rows = [
        ["status", plan.status],
        ["jobs placed", f"{placed:,} of {n:,}"],
        ["cost, unplaced jobs included, yuan", f"{plan.objective_yuan:,.2f}"],
        ["no plan costs less than, yuan", f"{plan.bound_yuan:,.2f}"],
        ["proved gap", f"{plan.gap:.4%}"],
        ["energy, MWh", f"{plan.green['load_kwh'].sum() / 1e3:,.1f}"],
        *([f"seconds: {stage}", f"{float(took):.2f}"] for stage, took in seconds.items()),
    ]
    sizes = f"{len(problem.classes)} classes at {len(problem.sites)} sites"
    title = f"{problem.name}: {n:,} jobs, {sizes}, {problem.hours} hours"
    return _table(title, ["", ""], rows, heads=False)


def _table(title: str, head: list[str], rows: list[list[str]], **options: Any) -> Table:
    """A table with words to the left and numbers to the right; `sums` last rows set apart."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    out = Table(
        title=title,
        title_justify="left",
        title_style="bold",
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
        out.add_row(*row)
    return out
