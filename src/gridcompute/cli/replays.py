"""The commands that replay: a trace on a cluster, jobs that are shifted in time."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads the annotations when it runs
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .grid import Gap, Quiet, Threads, TimeLimit, WorkLimit  # noqa: TC001 - as above
from .output import Json, emit

if TYPE_CHECKING:
    import pyarrow as pa

    from ..grid import Problem, Rolling
    from ..grid.operations.rolling import Step
    from ..traces import Cluster, Trace


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.command()(replay)
    app.command()(roll)


def replay(
    trace: Annotated[
        str,
        typer.Argument(
            help="A CSV file, gzipped or not: Philly, PAI or Gavel, told by its columns, or "
            "arrival_s, work, gang, tenant, speed_NAME. Or gavel:N, N jobs of Gavel's generator "
            "at time 0; gavel:N@RATE, RATE an hour."
        ),
    ],
    policy: Annotated[
        list[str] | None,
        typer.Option(
            help="One of fifo, best_fit, las, srtf, allox, gridcompute, gridcompute:makespan, "
            "gridcompute:fairness, fifo_gavel, fifo_gavel_fastest, max_min, max_min_blind, "
            "max_min_makespan, isolated; may be given several times. Default: fifo, gridcompute."
        ),
    ] = None,
    cluster: Annotated[str, typer.Option(help="Devices by type.")] = "v100=36,p100=36,k80=36",
    round_s: Annotated[float, typer.Option(min=0.0, help="Seconds; 0 = at each event.")] = 360.0,
    throughputs: Annotated[
        Path | None, typer.Option(help="Gavel's simulation_throughputs.json, gzipped or not.")
    ] = None,
    single: Annotated[bool, typer.Option("--single", help="gavel: one device a job.")] = False,
    jobs: Annotated[
        str | None, typer.Option(help="FIRST:END, the jobs that the results are about.")
    ] = None,
    restart_s: Annotated[
        float, typer.Option(min=0.0, help="Seconds lost by a move or a pause.")
    ] = 0.0,
    seed: Annotated[int, typer.Option(min=0, help="Seed wherever chance enters.")] = 0,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the page, with pictures, and results.csv.")
    ] = None,
    fairness: Annotated[
        bool, typer.Option("--fairness", help="Finish-time fairness; replays an equal division.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Replay a trace under scheduling policies, with a bound beside the results."""
    import csv
    import io

    from rich.console import Console
    from rich.table import Table

    from .._files import write_whole
    from ..report.printable import printable
    from ..report.replays import replay_page, rows_of
    from ..traces import replay as run

    on = _cluster(cluster)
    jobs_of = _trace(trace, on, throughputs, single, seed)
    measure = None if jobs is None else _slice(jobs)
    if not len(range(len(jobs_of))[measure or slice(None)]):
        what = f"--jobs: found {jobs}" if jobs else "TRACE: found no jobs"
        raise typer.BadParameter(f"{what}, needed some of the {len(jobs_of):,} jobs of the trace")
    found = []
    for name in policy or ["fifo", "gridcompute"]:
        found.append(
            run(
                jobs_of, on, name,
                round_s=round_s, seed=seed, measure=measure, restart_s=restart_s,
            )
        )  # fmt: skip
        if not found[-1].verify():
            typer.echo(f"{name}: {'; '.join(found[-1].verify().reasons)}", err=True)
            raise typer.Exit(1)
    sheets = [{**r.summary(fairness=fairness), "certificate": r.verify()} for r in found]
    head, rows = rows_of(sheets)
    shown = Table(title=printable(f"{jobs_of!r} on {on!r}"))
    for k, column in enumerate(head):
        shown.add_column(column, justify="right" if k else "left")
    for row in rows:
        shown.add_row(*map(printable, row))
    if as_json:
        emit(True, {"trace": repr(jobs_of), "cluster": repr(on), "results": sheets}, "")
    else:
        Console(width=12 * len(head) + 12).print(shown)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        title = f"{jobs_of.name}: {len(found[0].jobs)} jobs"
        write_whole(out / "replay.html", replay_page(found, sheets, title).encode())
        text = io.StringIO()
        names = [key for key in sheets[0] if key != "certificate"]
        writer = csv.DictWriter(text, names, lineterminator="\n", extrasaction="ignore")
        writer.writeheader()
        writer.writerows(sheets)
        write_whole(out / "results.csv", text.getvalue().encode())
        if not as_json:
            typer.echo(f"the page: {out / 'replay.html'}")


def _cluster(text: str) -> Cluster:
    """Return the cluster of NAME=DEVICES,... ."""
    from ..traces import Cluster

    names, devices = [], []
    for part in text.split(","):
        name, equals, count = part.strip().partition("=")
        if not equals or not name or not count.isascii() or not count.isdigit():
            raise typer.BadParameter(f"--cluster: found {part!r}, needed NAME=DEVICES")
        names.append(name)
        devices.append(int(count))
    return Cluster(devices, tuple(names))  # type: ignore[arg-type]


def _slice(text: str) -> slice:
    first, colon, end = text.partition(":")
    if not (colon and first.isdigit() and end.isdigit()):
        raise typer.BadParameter(f"--jobs: found {text!r}, needed FIRST:END")
    return slice(int(first), int(end))


def _trace(text: str, cluster: Cluster, throughputs: Path | None, single: bool, seed: int) -> Trace:
    """Return the trace of a file, or of Gavel's generator."""
    from ..traces import GAVEL_TYPES, gavel, read

    if not text.startswith("gavel:"):
        return read(text, names=cluster.names, throughputs=throughputs)
    count, at, rate = text.removeprefix("gavel:").partition("@")
    try:
        n, speed = int(count), float(rate) if at else None
    except ValueError:
        raise typer.BadParameter(f"TRACE: found {text!r}, needed gavel:N or gavel:N@RATE") from None
    if throughputs is None:
        raise typer.BadParameter("--throughputs: found none, needed Gavel's file for its generator")
    if cluster.names != GAVEL_TYPES:
        raise typer.BadParameter(f"--cluster: needed the types {', '.join(GAVEL_TYPES)}")
    return gavel(throughputs, n, jobs_per_h=speed, multi_gpu=not single, seed=seed)


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

    The limits are those of each hour; the first, which has no plan to begin with, has three times
    as much.
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
        "expected_yuan": op.expected_yuan,
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
        f"{len(waiting):,} wait; {op.account.spent_yuan:,.2f} yuan spent, "
        f"{op.expected_yuan:,.2f} expected with what is open and owed, "
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
