"""The command `bench`: the published table on this machine."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path  # noqa: TC003 - typer reads the annotations when it runs
from typing import Annotated, Any

import typer

from .output import plain, say


class Family(StrEnum):
    """Families of instances."""

    all = "all"
    transport = "transport"
    assignment = "assignment"
    flow = "flow"
    grid = "grid"
    live = "live"


def bench(
    family: Annotated[Family, typer.Argument(help="Which instances.")] = Family.all,
    most: Annotated[int, typer.Option(min=1, help="Largest instance, jobs or nodes.")] = 100_000,
    peers: Annotated[
        bool, typer.Option("--peers", help="Also by OR-Tools, scipy, lapx, POT, networkx.")
    ] = False,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="File for the figures as JSON.")
    ] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads; all by default.")] = None,
) -> None:
    """Solve the frozen instances gridbench-1 here, once each: CPU time, cost and proof."""
    from .._files import write_whole
    from ..bench import INSTANCES, machine, run

    of_family = [i for i in INSTANCES if family.value in ("all", i.family)]
    chosen = [i for i in of_family if i.size <= most]
    if not chosen:
        least = min(i.size for i in of_family)
        raise typer.BadParameter(f"--most: found {most}, the smallest instance has {least}")
    if json_file is not None and not json_file.parent.is_dir():  # before the wait
        raise typer.BadParameter(f"--json: {json_file.parent} is no folder")
    facts = machine()
    say(f"{facts['cpu']}, {facts['cores']} cores, Python {facts['python']}")
    head = f"{'instance':18}{'solver':14}{'CPU s':>9}{'wall s':>9}{'objective':>18}{'gap':>10}"
    say(f"{head}  status")
    found = run(chosen, peers=peers, threads=threads, report=_print)
    if json_file is not None:
        text = json.dumps(plain(found), indent=2, allow_nan=False)
        write_whole(json_file, (text + "\n").encode())
        say(f"written: {json_file}")


def _print(row: dict[str, Any]) -> None:
    gap = "" if row["gap"] is None else f"{row['gap']:.2e}"
    say(
        f"{row['instance']:18}{row['solver']:14}{row['cpu_s']:9.3f}{row['wall_s']:9.3f}"
        f"{row['objective']:18,.6g}{gap:>10}  {row['status']}"
    )
