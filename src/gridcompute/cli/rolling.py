"""The command `roll`: a grid of one's own tables planned hour by hour, as an operator would."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads the annotations when it runs
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .grid import (  # noqa: TC001 - typer reads the annotations when it runs
    Gap,
    Quiet,
    Threads,
    TimeLimit,
    WorkLimit,
)
from .output import Json, emit

if TYPE_CHECKING:
    import pyarrow as pa

    from ..grid import Problem, Rolling
    from ..grid.operations.rolling import Step

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command()(roll)


def roll(
    problem: Annotated[Path, typer.Argument(help="Folder of tables, as for `match`.")],
    out: Annotated[Path, typer.Option(help="Folder for starts.csv, hours.csv, operator.html.")],
    hours: Annotated[
        int | None, typer.Option(min=1, help="Hours (or steps) to plan; all by default.")
    ] = None,
    horizon_h: Annotated[int, typer.Option(min=1, help="Hours planned ahead.")] = 48,
    actual: Annotated[
        Path | None,
        typer.Option(help="Folder whose table of energy is what came; as forecast by default."),
    ] = None,
    at_release: Annotated[
        bool, typer.Option("--at-release", help="Jobs are known from their release, not before.")
    ] = False,
    corrected: Annotated[
        bool,
        typer.Option(
            help="Are forecasts corrected by past errors, with a margin learnt from them?"
        ),
    ] = True,
    gap: Gap = 1e-3,
    threads: Threads = None,
    time_limit: TimeLimit = None,
    work_limit: WorkLimit = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Plan your own tables hour by hour: each hour plans those ahead, and starts jobs of its own.

    The limits are those of each hour.
    """
    import numpy as np

    from ..grid import Rolling, read_problem
    from ..grid.files.table_files import write_table

    world = read_problem(problem)
    came = None if actual is None else _came(world, actual)
    known = np.zeros(len(world.jobs), np.int64)  # the hour in which each job becomes known
    if at_release:
        known = world.jobs.release.astype(np.int64)
        known[[] if world.running is None else world.running.id] = 0
    order = np.argsort(known, kind="stable")  # the row of each of the operator's numbers
    first = order[: int((known == 0).sum())]
    running = None if world.running is None else world.running.of_rows(first)
    op = Rolling(
        world.replace(jobs=_rows(world, first), running=running),
        horizon_h=horizon_h,
        forecast="corrected" if corrected else None,
        gap=gap,
        threads=threads,
    )
    steps = []
    for t in range(min(hours or world.hours, world.hours)):
        new = order[known[order] == t] if t else order[:0]
        steps.append(
            op.step(
                actual=None if came is None else {k: v[..., t] for k, v in came.items()},
                new_jobs=_rows(world, new) if len(new) else None,
                time_limit=time_limit,
                work_limit=work_limit,
            )
        )
        if not (quiet or as_json):
            typer.echo(f"{steps[-1]!r}"[1:-1])
    out.mkdir(parents=True, exist_ok=True)
    write_table(_starts(world, order, steps), out / "starts.csv")
    write_table(_history(op), out / "hours.csv")
    page = op.report(out / "operator.html")
    lost, waiting = (order[rows] for rows in (op.lost, op.waiting))
    facts: dict[str, Any] = {
        "hours": op.clock,
        "cost_yuan": op.cost_yuan,
        "parts": op.account.parts,
        "load_kwh": float(op.ledger.load_kwh.sum()),
        "green_kwh": float(op.ledger.green_kwh.sum()),
        "started": int(sum(len(step.commit["job"]) for step in steps)),
        "lost": world.jobs.ids[lost],
        "waiting": world.jobs.ids[waiting],
        "page": str(page),
    }
    share = f"{facts['green_kwh'] / facts['load_kwh']:.1%}" if facts["load_kwh"] else "-"
    text = (
        f"{op.clock} hours: {facts['started']:,} starts, {len(lost):,} jobs lost, "
        f"{len(waiting):,} wait; cost {op.cost_yuan:,.2f} yuan with what is open, "
        f"{share} of the load green in its own hour\nthe page: {page}"
    )
    emit(as_json, facts, text)


def _came(world: Problem, folder: Path) -> dict[str, Any]:
    """Return the hourly columns of energy in a folder of tables for the same sites and hours."""
    from ..errors import InvalidProblemError
    from ..grid import read_problem
    from ..grid.operations.state import HOURLY

    other = read_problem(folder, jobs=False)
    for what, found, needed in (
        ("sites", other.sites.name.tolist(), world.sites.name.tolist()),
        ("hours", other.hours, world.hours),
        ("step_h", other.step_h, world.step_h),
        ("sources", other.energy.source_names, world.energy.source_names),
    ):
        if found != needed:
            message = f"{folder}: found {what} {found}, needed those of the problem, {needed}"
            raise InvalidProblemError(message, "actual")
    return {name: getattr(other.energy, name) for name in HOURLY}


def _rows(world: Problem, rows: Any) -> Any:
    """Return some of the jobs of a problem."""
    jobs = world.jobs
    columns = {name: getattr(jobs, name)[rows] for name in jobs.columns()}
    return type(jobs)(**columns, id=jobs.ids[rows])


def _starts(world: Problem, order: Any, steps: list[Step]) -> pa.Table:
    """Return the jobs that each hour started: id, site, accelerator, first hour, hours, gang."""
    import numpy as np
    import pyarrow as pa

    started = {
        name: np.concatenate([step.commit[name] for step in steps])
        for name in ("job", "klass", "site", "start", "hours", "gang")
    }
    classes = world.classes
    kinds = np.array(classes.accelerator_names)[classes.accelerator[started["klass"]]]
    columns = {"id": world.jobs.ids[order[started["job"]]], "accelerator": kinds}
    columns["site"] = world.sites.name[started["site"]]
    columns |= {name: started[name] for name in ("start", "hours", "gang")}
    return pa.table({name: pa.array(values) for name, values in columns.items()})


def _history(op: Rolling) -> pa.Table:
    """Return what each hour brought and cost."""
    import pyarrow as pa

    return pa.table({"hour": range(op.clock), **op.history})
