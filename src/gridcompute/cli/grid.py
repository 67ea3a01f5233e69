"""The platform's commands: demo, scenario, match, verify, whatif, ledger; `register` adds them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from ..grid.plan.plan import Plan
    from ..grid.tables.problem import Problem

__all__ = ["register"]

Threads = Annotated[int | None, typer.Option(min=1, help="Threads; all by default.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress bar.")]
TimeLimit = Annotated[float | None, typer.Option(min=0.0, help="Seconds.")]
Gap = Annotated[
    float, typer.Option(min=0.0, help="Stop once the relative gap is proved this small.")
]


def register(app: typer.Typer) -> None:
    """Add the platform's commands to `app`."""
    for command in (demo, scenario, match, verify, whatif):
        app.command()(command)
    ledger = typer.Typer(no_args_is_help=True, help="Check or repair the file of a ledger.")
    ledger.command("check")(ledger_check)
    ledger.command("repair")(ledger_repair)
    app.add_typer(ledger, name="ledger")


def demo(
    jobs: Annotated[int, typer.Option(min=1, help="How many jobs.")] = 50_000,
    out: Annotated[Path, typer.Option(help="Folder for the plan and its page.")] = Path("out"),
    gap: Gap = 2e-3,
    seed: Annotated[int, typer.Option(min=0, help="Seed of jobs and weather.")] = 0,
    threads: Threads = None,
    time_limit: TimeLimit = 40.0,
    quiet: Quiet = False,
) -> None:
    """Match one day of the packaged east-west scenario; tables, and a page worth opening."""
    from ..grid import east_west

    options = {"gap": gap, "threads": threads, "time_limit": time_limit}
    _made(_solved(east_west(n_jobs=jobs, seed=seed), out, quiet, **options), out)


def scenario(
    out: Annotated[Path, typer.Option(help="Folder to write.")],
    jobs: Annotated[int, typer.Option(min=1, help="How many jobs.")] = 20_000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of jobs and weather.")] = 0,
    csv: Annotated[bool, typer.Option("--csv", help="CSV instead of Parquet.")] = False,
) -> None:
    """Write the packaged east-west scenario as a folder of tables: a pattern for your own."""
    from ..grid import east_west, write_problem

    problem = east_west(n_jobs=jobs, seed=seed)
    _say(f"{write_problem(problem, out, format='csv' if csv else 'parquet')}: {problem!r}")


def match(
    problem: Annotated[Path, typer.Argument(help="Folder of tables, as `scenario` writes it.")],
    out: Annotated[Path, typer.Option(help="Folder for the plan.")],
    gap: Gap = 1e-3,
    seed: Annotated[int, typer.Option(min=0, help="Seed wherever chance enters.")] = 0,
    threads: Threads = None,
    time_limit: TimeLimit = None,
    ledger: Annotated[
        Path | None,
        typer.Option(help="The ledger's file, in place of the one that problem.json names."),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Match a batch of your own tables (CSV or Parquet); write the plan, its audit and page."""
    from ..grid import read_problem

    _require_apart(problem, out)
    options = {"gap": gap, "seed": seed, "threads": threads, "time_limit": time_limit}
    _made(_solved(read_problem(problem, ledger=ledger), out, quiet, **options), out)


def verify(
    folder: Annotated[Path, typer.Argument(help="Folder of a plan, as `match` writes it.")],
) -> None:
    """Check a stored plan and the files beside it, all recomputed; exit status 1 for a fault."""
    from ..grid import verify_plan

    found = verify_plan(folder)
    _say(str(found))
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
    time_limit: TimeLimit = None,
    quiet: Quiet = False,
    out: Annotated[Path | None, typer.Option(help="Folder for the new plan.")] = None,
) -> None:
    """Solve a stored plan again with something changed, and print the difference."""
    from ..grid import read_plan, whatif, write_plan
    from ..grid.files.folders import check_target

    pair = None
    if corridor is not None:
        origin, colon, destination = corridor.partition(":")
        if not colon:
            raise typer.BadParameter(f"corridor is {corridor!r}, needed ORIGIN:DESTINATION")
        pair = (origin, destination)
    if out is not None:
        _require_apart(folder, out)
        check_target(out, "plan")
    outcome = whatif(
        read_plan(folder),
        gap=gap,
        threads=threads,
        time_limit=time_limit,
        progress=not quiet,
        share=share,
        battery=battery,
        gbit_s=gbit_s,
        corridor=pair,
        outage=outage,
        renewables=renewables,
        latency_rule=latency_rule,
    )
    _say(str(outcome))
    if out is not None:
        write_plan(outcome.after, out)
        _say(f"written: {out / 'plan.html'}")


def ledger_check(
    file: Annotated[Path, typer.Argument(help="The ledger, a file of JSON lines.")],
    head: Annotated[str | None, typer.Option(help="The published hash of its last entry.")] = None,
) -> None:
    """Check every line of a ledger and the chain of their hashes; exit status 2 for damage."""
    from ..grid import Ledger

    found = Ledger.read(file, head=head)
    _say(f"{file}: {len(found.entries)} entries, sound, head {found.head}")


def ledger_repair(
    file: Annotated[Path, typer.Argument(help="The ledger, a file of JSON lines.")],
) -> None:
    """Keep a ledger's entries up to the first damaged line; move the rest to a file beside it."""
    from ..grid import Ledger

    _say(str(Ledger.repair(file)))


def _solved(problem: Problem, out: Path, quiet: bool, **options: Any) -> Plan:
    """Return the plan of a problem; a folder that cannot be written is refused before the wait."""
    from ..grid.files.folders import check_target
    from ..grid.planner.match import match as solve

    check_target(out, "plan")
    return solve(problem, progress=not quiet, **options)


def _say(text: str) -> None:
    """Print a text that may hold names from a user's tables."""
    from ..report.printable import printable

    typer.echo(printable(text, keep="\n"))


def _require_apart(read: Path, written: Path) -> None:
    """Raise if the folder to write is the one to read, or holds it: it would be replaced."""
    here, there = read.resolve(), written.resolve()
    if here == there or there in here.parents:
        needed = f"a folder apart from {read}, which is read and would be replaced"
        raise typer.BadParameter(f"--out is {written}, needed {needed}")


def _made(plan: Plan, out: Path) -> None:
    """Write a plan and show it."""
    from rich.console import Console

    from ..grid import write_plan
    from ..report.terminal import show

    write_plan(plan, out)
    console = Console()
    show(plan, console)
    _say(f"the page: {out / 'plan.html'}")
