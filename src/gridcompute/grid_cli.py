"""The platform's commands: match, verify, whatif, scenario; `register` adds them."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads the annotations when it runs
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from .grid.plan import Plan

__all__ = ["register"]

Threads = Annotated[int | None, typer.Option(min=1, help="Threads; all by default.")]
Gap = Annotated[
    float, typer.Option(min=0.0, help="Stop once the relative gap is proved this small.")
]


def register(app: typer.Typer) -> None:
    """Add the platform's commands to `app`."""
    for command in (scenario, match, verify, whatif):
        app.command()(command)


def scenario(
    out: Annotated[Path, typer.Option(help="Folder to write.")],
    jobs: Annotated[int, typer.Option(min=1, help="How many jobs.")] = 20_000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of jobs and weather.")] = 0,
    csv: Annotated[bool, typer.Option("--csv", help="CSV instead of Parquet.")] = False,
) -> None:
    """Write the packaged east-west scenario as a folder of tables: a pattern for your own."""
    from .grid import east_west, write_problem

    problem = east_west(n_jobs=jobs, seed=seed)
    typer.echo(f"{write_problem(problem, out, format='csv' if csv else 'parquet')}: {problem!r}")


def match(
    problem: Annotated[Path, typer.Argument(help="Folder of tables, as `scenario` writes it.")],
    out: Annotated[Path, typer.Option(help="Folder for the plan.")],
    gap: Gap = 1e-3,
    seed: Annotated[int, typer.Option(min=0, help="Seed wherever chance enters.")] = 0,
    threads: Threads = None,
    time_limit: Annotated[float | None, typer.Option(min=0.0, help="Seconds.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress bar.")] = False,
) -> None:
    """Match a batch of your own tables (CSV or Parquet); write the plan, its audit and page."""
    from .grid import read_problem, write_plan
    from .grid.match import match as solve

    plan = solve(
        read_problem(problem),
        gap=gap,
        seed=seed,
        threads=threads,
        time_limit=time_limit,
        progress=not quiet,
    )
    write_plan(plan, out)
    summarize(plan)
    typer.echo(f"written: {out / 'plan.html'}")


def verify(
    folder: Annotated[Path, typer.Argument(help="Folder of a plan, as `match` writes it.")],
) -> None:
    """Check a stored plan against its problem, all recomputed; exit status 1 for a fault."""
    from .grid import read_plan

    found = read_plan(folder).verify()
    typer.echo(str(found))
    raise typer.Exit(0 if found.valid else 1)


def whatif(
    folder: Annotated[Path, typer.Argument(help="Folder of a plan, as `match` writes it.")],
    share: Annotated[float | None, typer.Option(help="The mandate's share, e.g. 0.9.")] = None,
    battery: Annotated[float | None, typer.Option(help="Factor on every battery.")] = None,
    gbit_s: Annotated[float | None, typer.Option(help="Gbit/s added to the corridors.")] = None,
    corridor: Annotated[str | None, typer.Option(help="Only this one: ORIGIN:DESTINATION.")] = None,
    outage: Annotated[str | None, typer.Option(help="Name of a site without accelerators.")] = None,
    renewables: Annotated[float | None, typer.Option(help="Factor on direct sources.")] = None,
    latency_rule: Annotated[str | None, typer.Option(help="one_way or round_trip.")] = None,
    gap: Annotated[float | None, typer.Option(help="1.5 times the plan's gap by default.")] = None,
    threads: Threads = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the new plan.")] = None,
) -> None:
    """Solve a stored plan again with something changed, and print the difference."""
    from .grid import read_plan, whatif, write_plan

    pair = None
    if corridor is not None:
        origin, colon, destination = corridor.partition(":")
        if not colon:
            raise typer.BadParameter(f"corridor is {corridor!r}, needed ORIGIN:DESTINATION")
        pair = (origin, destination)
    outcome = whatif(
        read_plan(folder),
        gap=gap,
        threads=threads,
        share=share,
        battery=battery,
        gbit_s=gbit_s,
        corridor=pair,
        outage=outage,
        renewables=renewables,
        latency_rule=latency_rule,
    )
    typer.echo(str(outcome))
    if out is not None:
        write_plan(outcome.after, out)
        typer.echo(f"written: {out / 'plan.html'}")


def summarize(plan: Plan) -> None:
    """The plan in a few lines on the terminal."""
    from .grid import audit

    placed = int((plan.assignment >= 0).sum())
    typer.echo(
        f"{placed:,} of {len(plan.assignment):,} jobs placed at {plan.objective_yuan:,.2f} yuan; "
        f"no plan costs less than {plan.bound_yuan:,.2f} (gap {plan.gap:.4%}, {plan.status})\n"
    )
    typer.echo(str(audit(plan)))
