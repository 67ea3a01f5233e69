"""A day of two clusters in four minutes: jobs are real processes of this machine.

    python examples/operate_day.py
    python examples/operate_day.py --hours 6 --seconds 5 --jobs 40 --serve 127.0.0.1:8080

Writes tables, a configuration and scripts to out/operate, submits a day's jobs, and operates the
clusters hour by hour, as the commands beside each step do. An hour of the grid takes ten seconds.
Accelerators are counted and not driven: each job sleeps for as long as it says, less a little. In
the end out/operate/operator.html is the page of the day.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from pathlib import Path

import numpy as np

from gridcompute import grid
from gridcompute.cli import app

SITES = {"Chongqing": ("A800", 24), "Hami": ("Ascend 910B", 40)}
#: Letters between which the commands of a shell are shown.
PROMPT = "\n$ gridcompute"


def write_inputs(folder: Path, hours: int, seconds: float, jobs: int, seed: int) -> None:
    """Write the tables of the grid, its configuration, and a table of jobs with their scripts."""
    problem = grid.east_west(n_jobs=1, seed=seed, hours=hours + 24)
    grid.write_problem(problem, folder / "grid", format="csv")
    lines = ["[grid]", 'folder = "grid"', 'state = "operator.sqlite"']
    lines += [f"seconds_per_hour = {seconds}"]
    for site, (kind, count) in SITES.items():
        lines += [
            "",
            f"[clusters.{site}]",
            'kind = "local"',
            f'accelerators = {{ "{kind}" = {count} }}',
        ]
        if os.geteuid() == 0:  # in a container for trials, where there is no other user
            lines.append("allow_root = true")
    (folder / "grid.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    rng, rows = np.random.default_rng(seed), ["script,accelerators,hours,within,from,data_gb"]
    for length in (1, 2, 3):
        script = folder / f"train{length}.sh"
        script.write_text(f"#!/bin/sh\nsleep {(length - 0.2) * seconds:.2f}\n", encoding="utf-8")
    for _ in range(jobs):
        gang, length = rng.choice([1, 2, 4, 8], p=[0.7, 0.15, 0.1, 0.05]), rng.integers(1, 4)
        length = min(int(length), hours)
        within, site = rng.integers(length + 1, hours + 2), rng.choice(list(SITES))
        script = folder / f"train{length}.sh"
        rows.append(
            f"{script},{gang},{length},{min(within, hours)}h,{site},{rng.uniform(0, 20):.1f}"
        )
    (folder / "jobs.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")


def run(*command: str) -> int:
    """Show a command, run it, and return its exit status."""
    print(PROMPT, *command, flush=True)
    return app.run(list(command))


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("out/operate"), help="folder to write")
    parser.add_argument("--hours", type=int, default=24)
    parser.add_argument("--seconds", type=float, default=10.0, help="of an hour")
    parser.add_argument("--jobs", type=int, default=150)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--serve", help="HOST:PORT of the page while it runs")
    given = parser.parse_args(arguments)
    folder = given.out.resolve()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    write_inputs(folder, given.hours, given.seconds, given.jobs, given.seed)
    config = ("-c", str(folder / "grid.toml"))
    status = run("submit", *config, "--table", str(folder / "jobs.csv"), "--json")
    serve = ["--serve", given.serve] if given.serve else []
    # Two hours more than the day: what began in the last one has ended, and is in the account.
    status = status or run("operate", *config, "--steps", str(given.hours + 2), *serve)
    status = status or run("queue", *config)
    print(f"\nthe page: {folder / 'operator.html'}")
    return status


if __name__ == "__main__":
    sys.exit(main())
