"""A trace played against a cluster in simulated time: a `Matcher` round every few minutes.

    python examples/live_trace.py                       the busiest fortnight: out/live_trace.png
    python examples/live_trace.py --days 109 --step 10
    python examples/live_trace.py --synthetic --days 2  invented jobs and nodes

Jobs: the Philly trace (Microsoft, 2017). Nodes: Alibaba's spot-GPU inventory of 2026, the same
share of every kind, so that the work of the days asked for is --load of what is lent. Energy: an
hourly day-ahead price series of 2022, a tariff that changes every hour. All are in examples/data
and read by examples/inventory.py, which also says how speeds are derived and what is assumed of the
GPUs.

In a round what has ended leaves and what has arrived comes; every hour the tariff changes and those
who wait gain weight; then `match()` tells who is placed, moved, thrown out. The picture shows the
queue, how much is in use, the moves of each round, and its milliseconds with all calls to the
Matcher.

What is simplified
------------------
- Nodes are cut into fixed slots of 1, 2, 4 or 8 GPUs, in the proportions of the work asked for. A
  job takes one slot at least as wide, with its idle GPUs, so jobs of 8 may wait while narrow slots
  are free. A job wider than a node runs as several pieces of 8 or less, each by itself.
- A job runs at the speed of its slot (A10 = 1: an hour of the trace) and ends at a round. Nobody
  knows beforehand how long. Moving it costs MOVE_H of standing still, in time and in the cost.
- Costs are dollars for the coming hour: energy of the slot, and for each GPU of the job the
  progress it does not make, which is all of it for those who wait. Running jobs are not thrown out
  for others.
- What ran before the first day is not there, so the cluster starts empty.
"""

from __future__ import annotations

import argparse
import datetime as dt
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import inventory
import numpy as np
from inventory import DATA, PUE, Kinds

from gridcompute import Matcher

WIDTHS = np.array([1, 2, 4, 8])

# Assumptions, in US dollars:
PROGRESS_USD = 1.0  # an A10-hour of work, to whom it belongs
AGE_H = 6.0  # after this many hours of waiting it counts twice
STAY_USD = 1e4  # what throwing out a running GPU would cost
MOVE_H = 0.1  # standstill of a job that moves


class Pieces(NamedTuple):
    """What is placed: a job, or a part no wider than a node."""

    arrival_h: np.ndarray  # from the beginning
    work_h: np.ndarray  # on an A10
    gpus: np.ndarray


class Slots(NamedTuple):
    """Slot classes: the slots of each kind of node and width."""

    names: list[str]
    width: np.ndarray
    speed: np.ndarray
    kw: np.ndarray
    room: np.ndarray


class Day(NamedTuple):
    """What the rounds were like, one entry each."""

    hour: np.ndarray
    waiting: np.ndarray  # GPUs asked for
    used: np.ndarray  # share of the GPUs in taken slots
    busy: np.ndarray  # ... in use by their jobs
    placed: np.ndarray
    moved: np.ndarray
    evicted: np.ndarray
    ms: np.ndarray
    cold: np.ndarray


def pieces_of(trace: dict[str, np.ndarray], begin_h: float, hours: float) -> Pieces:
    """The jobs that arrive within the hours, in order, cut to the width of a node."""
    arrival = trace["start_h"] - begin_h
    jobs = np.flatnonzero((arrival >= 0) & (arrival < hours))
    jobs = jobs[np.argsort(arrival[jobs], kind="stable")]
    parts = -(-trace["gpus"][jobs] // 8)
    job = np.repeat(jobs, parts)
    nth = np.arange(len(job)) - np.repeat(np.cumsum(parts) - parts, parts)
    gpus = np.minimum(8, trace["gpus"][job] - 8 * nth)
    return Pieces(arrival[job], trace["hours"][job], gpus)


def cut(kinds: Kinds, pieces: Pieces) -> Slots:
    """Whole nodes of each kind, fastest first, to the width that lacks most of its share."""
    fits = np.searchsorted(WIDTHS, pieces.gpus)
    asked = np.bincount(fits, pieces.work_h * pieces.gpus, len(WIDTHS))
    share, given = asked / asked.sum(), np.zeros(len(WIDTHS))
    rows: dict[tuple[int, int], int] = {}
    for kind in np.argsort(-kinds.speed, kind="stable"):
        gpus = int(kinds.node_gpus[kind])
        for _ in range(int(kinds.gpus[kind]) // gpus):
            lack = share - given / max(given.sum(), 1.0)
            k = int(np.where(gpus >= WIDTHS, lack, -np.inf).argmax())
            given[k] += gpus * kinds.speed[kind]
            rows[kind, k] = rows.get((kind, k), 0) + gpus // int(WIDTHS[k])
    kind, k = np.array(list(rows)).T
    names = [f"{kinds.names[a]} / {WIDTHS[b]}" for a, b in rows]
    room = np.array(list(rows.values()))
    return Slots(names, WIDTHS[k], kinds.speed[kind], kinds.kw[kind], room)


class World:
    """The pieces in simulated time, and the Matcher that places them."""

    def __init__(self, pieces: Pieces, slots: Slots, usd_per_kwh: np.ndarray) -> None:
        self.pieces, self.slots, self.usd_per_kwh = pieces, slots, usd_per_kwh
        self.left_h = pieces.work_h.copy()
        self.home = np.full(len(pieces.gpus), -1)
        self.live = np.zeros(len(pieces.gpus), bool)
        self.arrived, self.hour = 0, 0
        self.top = float(slots.speed.max())
        lag = PROGRESS_USD * (self.top - slots.speed)
        fits = np.where(WIDTHS[:, None] <= slots.width, 0.0, np.inf)
        self.matcher = Matcher(
            slots.room,
            cost=[
                (self.tariff(0), None, None),
                (lag[None, :], None, "gpus"),
                (fits, "width", None),
            ],
            unplaced="unplaced",
            move_cost="move",
        )

    def tariff(self, hour: int) -> np.ndarray:
        """Dollars for an hour of each slot's energy."""
        s = self.slots
        return (PUE * s.kw * s.width * self.usd_per_kwh[hour % len(self.usd_per_kwh)])[None, :]

    def columns(self, which: np.ndarray, now: float) -> dict[str, np.ndarray]:
        """What the Matcher is told of some pieces."""
        gpus = self.pieces.gpus[which]
        waited = now - self.pieces.arrival_h[which]
        wait = PROGRESS_USD * self.top * (2 + waited / AGE_H)
        return {
            "gpus": gpus.astype(float),
            "width": np.searchsorted(WIDTHS, gpus),
            "unplaced": gpus * np.where(self.home[which] >= 0, STAY_USD, wait),
            "move": gpus * (PROGRESS_USD * self.top * MOVE_H),
        }

    def advance(self, step_h: float) -> np.ndarray:
        """Work gets done; the pieces that have none left are over."""
        running = np.flatnonzero(self.live & (self.home >= 0))
        self.left_h[running] -= step_h * self.slots.speed[self.home[running]]
        over = running[self.left_h[running] <= 0]
        self.live[over], self.home[over] = False, -1
        return over

    def round(self, now: float, step_h: float) -> tuple[Any, float]:
        """Everything up to `now`; the answer and the milliseconds of all calls to the Matcher."""
        over = self.advance(step_h)
        first = self.arrived
        self.arrived = int(np.searchsorted(self.pieces.arrival_h, now, side="right"))
        new = np.arange(first, self.arrived)
        self.live[new] = True
        new_hour, self.hour = int(now + 1e-9) != self.hour, int(now + 1e-9)
        waiting = np.flatnonzero(self.live[:first] & (self.home[:first] < 0))
        start = time.perf_counter()
        self.matcher.remove(over)
        self.matcher.add(self.columns(new, now), ids=new)
        if new_hour:
            self.matcher.set_table(0, self.tariff(self.hour))
            self.matcher.update(waiting, self.columns(waiting, now))
        m = self.matcher.match()
        ids, to, kind = (m.changes[name] for name in ("id", "to_slot", "kind"))
        self.home[ids] = to
        moved = ids[kind == "MOVE"]
        self.left_h[moved] += MOVE_H * self.slots.speed[self.home[moved]]
        entered = ids[kind == "PLACE"]
        self.matcher.update(entered, self.columns(entered, now))
        return m, (time.perf_counter() - start) * 1e3


def play(world: World, hours: float, step_h: float, progress: bool) -> Day:
    """A round every step."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    rounds = int(hours / step_h)
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("rounds"),
        TimeRemainingColumn(), TextColumn("{task.fields[told]}"),
    )  # fmt: skip
    total = int((world.slots.width * world.slots.room).sum())
    rows = []
    with Progress(*columns, console=Console(stderr=True), disable=not progress) as bar:
        task = bar.add_task("playing", total=rounds, told="")
        for k in range(rounds):
            now = k * step_h
            m, ms = world.round(now, step_h)
            waiting = world.live & (world.home < 0)
            running = np.flatnonzero(world.live & (world.home >= 0))
            counts = [int((m.changes["kind"] == what).sum()) for what in ("PLACE", "MOVE", "EVICT")]
            queue = int(world.pieces.gpus[waiting].sum())
            taken = world.slots.width[world.home[running]].sum() / total
            busy = world.pieces.gpus[running].sum() / total
            rows.append((now, queue, taken, busy, *counts, ms, m.stats["cold"]))
            told = f"day {now / 24:.1f}, {len(running)} running, {int(waiting.sum())} waiting"
            bar.update(task, advance=1, told=told)
    return Day(*map(np.array, zip(*rows, strict=True)))


def picture(path: Path, title: str, day: Day) -> None:
    """Four strips over the days."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 9), layout="constrained")
    queue, use, moves, ms = figure.subplots(4, 1, sharex=True)
    figure.suptitle(title, fontsize=11)
    x = day.hour / 24
    queue.fill_between(x, day.waiting, step="post", color="tab:orange", alpha=0.8)
    queue.set_ylabel("waiting, GPUs")
    use.plot(x, 100 * day.used, lw=0.9, label="in taken slots")
    use.plot(x, 100 * day.busy, lw=0.9, label="used by their jobs")
    use.set_ylabel("GPUs in use, %")
    use.set_ylim(0, 105)
    use.legend(loc="upper left", fontsize=8)
    moves.vlines(x, 0, day.moved, lw=0.7, color="tab:green")
    moves.set_ylabel("moves a round")
    warm = ~day.cold
    ms.semilogy(x[warm], day.ms[warm], ".", ms=2, label="warm")
    ms.semilogy(
        x[~warm], day.ms[~warm], ".", ms=3, color="tab:red", label="cold (mostly a new tariff)"
    )
    ms.set_ylabel("ms a round")
    ms.legend(loc="upper right", fontsize=8)
    ms.set_xlabel("day")
    for axis in (queue, use, moves, ms):
        axis.grid(alpha=0.3)
        axis.margins(x=0)
    for axis in (queue, moves):
        axis.set_ylim(bottom=0)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)


def synthetic(hours: int, seed: int = 1) -> tuple[dict[str, np.ndarray], Kinds, np.ndarray]:
    """Invented jobs, nodes and prices, to try the example where the data is not."""
    r = np.random.default_rng(seed)
    n = 40 * hours
    trace = {
        "start_h": np.sort(r.uniform(0, hours, n)),
        "hours": np.minimum(r.lognormal(-1.0, 1.8, n), 200.0),
        "gpus": r.choice([1, 2, 4, 8, 16], n, p=[0.85, 0.05, 0.05, 0.04, 0.01]),
    }
    names = ["slow x1", "middle x8", "quick x8"]
    node, gpus = np.array([1, 8, 8]), np.array([3000, 3200, 1600])
    kinds = Kinds(names, node, gpus, np.array([1.0, 2.5, 6.0]), np.array([0.25, 0.5, 0.8]))
    return trace, kinds, 0.08 + 0.05 * np.sin(np.arange(hours) / 24 * 2 * np.pi)


def report(title: str, day: Day, world: World, valid: bool) -> None:
    """The figures of the run."""
    cold, warm = day.ms[day.cold], day.ms[~day.cold]
    print(title)
    print(
        f"placed {day.placed.sum():,}, moved {day.moved.sum():,}, evicted {day.evicted.sum():,}; "
        f"at the end {world.live.sum():,} live; the last answer is "
        f"{'certified' if valid else 'NOT VALID'}"
    )
    print(
        f"{len(day.ms):,} rounds: {len(warm):,} warm, {np.median(warm):.2f} ms (median), "
        f"{warm.max():.2f} (longest); {len(cold)} cold, {np.median(cold):.2f} ms"
    )


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--data", type=Path, default=DATA, help="default: examples/data")
    add("--days", type=int, default=14, help="how many of the busiest days (default 14)")
    add("--step", type=float, default=5.0, help="minutes between rounds (default 5)")
    add("--load", type=float, default=0.8, help="work asked for / work offered (default 0.8)")
    add("--zone", default="DE-LU", help="of the price series (default DE-LU)")
    add("--synthetic", action="store_true", help="invented jobs, nodes and prices")
    add("--out", type=Path, default=Path("out"), help="folder for the picture (default out)")
    args = parser.parse_args(arguments)
    if not (1 <= args.days <= 366 and 0.1 <= args.step <= 60 and 0 < args.load <= 10):
        parser.error("--days must be 1 to 366, --step 0.1 to 60, --load above 0 and at most 10")
    hours, begin = 24 * args.days, 0
    if args.synthetic:
        trace, kinds, price = synthetic(hours)
        source = "SYNTHETIC jobs, nodes and prices"
    elif not (args.data / inventory.TRACE).exists():
        print(f"{args.data / inventory.TRACE} is not here; --synthetic plays invented jobs")
        return 2
    else:
        trace, kinds = inventory.read_trace(args.data), inventory.read_kinds(args.data)
        begin = inventory.busiest(trace, args.days)
        price = inventory.read_prices(args.data, args.zone, begin, hours)
        source = f"Philly from {dt.datetime(1970, 1, 1) + dt.timedelta(hours=begin):%Y-%m-%d}"
    pieces = pieces_of(trace, begin, hours)
    work = float((pieces.work_h * pieces.gpus).sum())
    slots = cut(inventory.lend(kinds, round(work / args.load), hours), pieces)
    for name, room, speed in zip(slots.names, slots.room, slots.speed, strict=True):
        print(f"  {room:5,} slots {name:22} speed {speed:.2f}")
    world = World(pieces, slots, price)
    day = play(world, hours, args.step / 60, sys.stderr.isatty())

    title = (
        f"{source}: {len(pieces.gpus):,} pieces, {(slots.width * slots.room).sum():,} GPUs in "
        f"{len(slots.names)} slot classes, a round every {args.step:g} min"
    )
    certificate = world.matcher.match().verify()
    report(title, day, world, certificate.valid)
    picture(args.out / "live_trace.png", title, day)
    print(f"queue, use, moves and milliseconds: {args.out / 'live_trace.png'}")
    return 0 if certificate.valid else 1


if __name__ == "__main__":
    sys.exit(main())
