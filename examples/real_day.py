"""One real day: the jobs of a published trace, and the hours of a real grid.

    python examples/real_day.py --verify
    python examples/real_day.py --trace pai --date 2022-09-06 --out out

Real: the jobs' arrivals, durations and GPUs (Philly, Microsoft 2017; Alibaba PAI as in GAIA;
Gavel, with throughputs measured on three kinds of GPU), the busiest 24 hours of them; and by the
hour the price, the carbon and the renewable share of a zone's power on a day of your choice, which
is not the trace's own day. All are in examples/data, with sources and licences in its SOURCE.md.

Not real: the twelve sites with their own sources, batteries, mean tariffs, network and mandate are
those of the packaged scenario, sized to the jobs (`grid.assumptions()` tells each source); where a
job's data lies and how much it is are drawn; the cost of leaving a job out is an assumption. A job
longer than 0.7 of the day is taken to be checkpointed, and runs one segment of it; one shorter than
an hour takes an hour. The whole day is matched at once, as by an operator who knows it ahead.
"""

from __future__ import annotations

import argparse
import csv
import datetime as dt
import gzip
import sys
from pathlib import Path

from rich.console import Console

import gridcompute as gc
from gridcompute import grid
from gridcompute.report.terminal import show

DATA = Path(__file__).resolve().parent / "data"
#: Each trace's file, and what from_traces needs beside it.
TRACES = {
    "philly": ("traces/philly/philly.csv.gz", {}),
    "pai": ("traces/gaia/pai-100k.csv.gz", {}),
    "gavel": (
        "traces/gavel/msr_seed0.csv.gz",
        {"throughput": "traces/gavel/isolated_throughputs.csv"},
    ),
}
ZONE = "energy/electricitymaps_hourly/{zone}_2022.csv.gz"
PRICES = "energy/electricity_prices_hourly/{zone}_2022.csv.gz"


def files(data: Path, trace: str, zone: str) -> dict[str, Path]:
    """The arguments of `from_traces` that are files; the trace itself is "jobs"."""
    jobs, more = TRACES[trace]
    names = {"jobs": jobs, "zone": ZONE.format(zone=zone), "prices": PRICES.format(zone=zone)}
    return {argument: data / name for argument, name in {**names, **more}.items()}


def row_of(path: Path, date: dt.date) -> int:
    """The row of an hourly file at which a day begins."""
    with gzip.open(path, "rt") as lines:
        for row, record in enumerate(csv.DictReader(lines)):
            if dt.datetime.fromisoformat(record["datetime_utc"]).date() == date:
                return row
    raise SystemExit(f"{path.name} has no hour of {date}")


def options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--data", type=Path, default=DATA, help="default: examples/data")
    add("--trace", choices=TRACES, default="philly", help="whose jobs (default philly)")
    add("--jobs", type=int, help="number of jobs, later arrivals folded in; default: the day's own")
    add("--utilisation", type=float, default=0.7, help="of the accelerators (default 0.7)")
    add("--zone", default="DE-LU", help="whose power (default DE-LU)")
    add("--date", type=dt.date.fromisoformat, default=dt.date(2022, 7, 20), help="of the power")
    add("--gap", type=float, default=2e-3, help="gap to prove (default 0.002)")
    add("--time-limit", type=float, default=60.0, help="seconds (default 60)")
    add("--threads", type=int, help="all by default")
    add("--out", type=Path, default=Path("out"), help="folder for the page (default out)")
    add("--verify", action="store_true", help="recompute the plan by other code")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    args = options(arguments)
    paths = files(args.data, args.trace, args.zone)
    missing = [str(path) for path in paths.values() if not path.exists()]
    if missing:
        raise SystemExit(f"not here: {', '.join(missing)}")
    row = row_of(paths["zone"], args.date)
    if row != row_of(paths["prices"], args.date):
        raise SystemExit(f"the two files of {args.zone} do not run in step")
    problem = grid.from_traces(
        **paths, n_jobs=args.jobs, utilisation=args.utilisation, zone_row=row
    )
    plan = gc.match(
        problem,
        gap=args.gap,
        time_limit=args.time_limit,
        threads=args.threads,
        progress=sys.stderr.isatty(),
    )
    show(plan, Console())
    args.out.mkdir(parents=True, exist_ok=True)
    print(f"the page: {plan.report(args.out / 'real_day.html')}")
    if args.verify:
        found = plan.verify()
        print(f"certificate: {found}")
        return 0 if found.valid else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
