"""The command `replay`: a trace under one policy or several, as a table and a page."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads the annotations when it runs
from typing import TYPE_CHECKING, Annotated

import typer

from .output import Json, emit

if TYPE_CHECKING:
    from ..traces import Cluster, Trace

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command()(replay)


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
