"""An operator's hours: the cost above a bound that knew all, and the next hour of many jobs.

python benches/rolling_hours.py hours OUT.json [SEED ...]   48 hours of 6,000 jobs; --hours 18, ...
python benches/rolling_hours.py next OUT.json [SEED ...]    200,000 jobs: the next hour, and cold
python benches/rolling_hours.py page OUT.json               prints the tables from what was kept

The world of `hours` is `east_west` over twice the hours; 36 hours ahead, sun and wind off by 15 %
each hour (drawn, by the seed). `--known` runs the same hours with sun and wind known before, for
what not knowing them costs. With `--cpu` the limit of a step counts CPU seconds of its one thread,
so that a busy machine makes the plans of an idle one.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from published import Parser

import gridcompute as gc
from gridcompute.grid.checker.bound import offers, windows_of
from gridcompute.grid.checker.placements import plain
from gridcompute.grid.operations import rolling
from gridcompute.grid.planner import budget

HORIZON_H = 36


class CpuTime:
    """Stands for the module `time` where a limit is to count CPU seconds."""

    perf_counter = staticmethod(time.process_time)


BLOCK = 1 << 13


def drawn(seed: int, hours: int) -> list[float]:
    """What sun and wind deliver in each hour of what the tables say."""
    r = np.random.default_rng(seed)
    return [float(np.clip(1 + 0.15 * r.standard_normal(), 0.4, 1.6)) for _ in range(hours)]


def came(problem: gc.grid.Problem, weather: list[float]) -> gc.grid.Problem:
    """The problem whose first hours are as they came."""
    direct = problem.energy.direct_kwh.copy()
    direct[:, :, : len(weather)] *= np.array(weather)
    return problem.replace(energy=problem.energy.replace(direct_kwh=direct))


def above_cheapest(seen: gc.grid.Plan, klass: np.ndarray, start: np.ndarray) -> float:
    """What options cost above the cheapest of their jobs, at the prices of `seen`, yuan."""
    problem, total = plain(seen.problem), 0.0
    windows = windows_of(problem, seen.prices, None)
    for first in range(0, len(klass), BLOCK):
        block = np.arange(first, min(first + BLOCK, len(klass)))
        best, own = problem.jobs.value_yuan[block].copy(), np.full(len(block), np.inf)
        for offer in offers(problem, seen.prices, windows, block):
            best[offer.at] = np.minimum(best[offer.at], offer.yuan)
            same = (klass[block][offer.at] == offer.klass) & (start[block][offer.at] == offer.start)
            own[offer.at[same]] = offer.yuan[same]
        placed = np.isfinite(own)
        total += float((own - best)[placed].sum())
    return total


def hours_of(a: argparse.Namespace, seed: int, *, known: bool) -> dict[str, Any]:
    """The figures of one run."""
    problem = gc.grid.east_west(n_jobs=a.jobs, seed=seed, hours=2 * a.hours)
    weather = drawn(seed, a.hours)
    if known:
        problem, weather = came(problem, weather), [1.0] * a.hours
    op = gc.grid.Rolling(problem, horizon_h=HORIZON_H, gap=0.01, threads=a.threads)
    where: dict[int, tuple[int, int]] = {}
    wall, cpu, moved = [], [], 0
    for t, factor in enumerate(weather):
        began, spent = time.perf_counter(), time.process_time()
        step = op.step(actual={"renewables": factor}, time_limit=a.limit)
        wall.append(time.perf_counter() - began)
        cpu.append(time.process_time() - spent)
        moved += len(step.moved["job"])
        columns = (step.commit[name].tolist() for name in ("job", "klass"))
        where.update({job: (klass, t) for job, klass in zip(*columns, strict=True)})
        print(f"  hour {t}: {len(step.commit['job'])} start, gap {step.gap:.2%}", flush=True)
    account, history = op.account, op.history
    seen = op.hindsight(time_limit=a.hindsight)
    numbers = seen.problem.jobs.ids.tolist()
    places = [where.get(job, (-1, -1)) for job in numbers]
    klass, start = (np.array(part) for part in zip(*places, strict=True))
    return {
        "seed": seed,
        "hours": a.hours,
        "jobs": a.jobs,
        "known": known,
        "limit_s": a.limit,
        "limit_of": "CPU" if a.cpu else "wall",
        "threads": a.threads,
        "started": len(where),
        "started_hindsight": int((seen.assignment >= 0).sum()),
        "lost": len(op.lost),
        "moved": moved,
        "cost_yuan": op.cost_yuan,
        "hindsight_yuan": seen.objective_yuan,
        "bound_yuan": seen.bound_yuan,
        "above_bound": op.cost_yuan / seen.bound_yuan - 1,
        "above_hindsight": op.cost_yuan / seen.objective_yuan - 1,
        "places_yuan": above_cheapest(seen, klass, start),
        "gap_median": float(np.median(history["gap"])),
        "gap_largest": float(history["gap"].max()),
        "wall_s_median": float(np.median(wall)),
        "cpu_s_median": float(np.median(cpu)),
        "parts_yuan": account.parts,
        "parts_hindsight_yuan": {k: float(v) for k, v in gc.grid.audit(seen).costs.items()},
    }


def next_hour(a: argparse.Namespace, seed: int) -> dict[str, Any]:
    """The hour after the first, warm, beside a match of the same problem from nothing."""
    problem = gc.grid.east_west(n_jobs=a.jobs, seed=seed, hours=48)
    op = gc.grid.Rolling(problem, horizon_h=30, gap=1e-3, threads=a.threads)
    op.step(actual={})
    spent = time.process_time()
    step = op.step(actual={"renewables": 0.93})
    warm = time.process_time() - spent
    spent = time.process_time()
    plan = gc.match(op.problem, gap=1e-3, threads=a.threads)
    cold = time.process_time() - spent
    return {
        "seed": seed,
        "jobs": a.jobs,
        "threads": a.threads,
        "warm_cpu_s": warm,
        "cold_cpu_s": cold,
        "part": warm / cold,
        "gap": step.gap,
        "cold_gap": plan.gap,
    }


def kept(path: Path) -> dict[str, Any]:
    """What a file holds, by cell."""
    found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return found


def keep(path: Path, cell: str, row: dict[str, Any]) -> None:
    """Put a cell into a file, beside what it holds by now."""
    path.write_text(json.dumps({**kept(path), cell: row}, indent=1) + "\n", encoding="utf-8")


def page(path: Path) -> None:
    """Print the tables."""
    rows = kept(path)
    print("| seed | hours | known | above the bound | above hindsight | started | gap | CPU s |")
    print("| ---: | ---: | --- | ---: | ---: | ---: | ---: | ---: |")
    for row in (row for row in rows.values() if "hours" in row):
        print(
            f"| {row['seed']} | {row['hours']} | {'yes' if row['known'] else 'no'} "
            f"| {row['above_bound']:.1%} | {row['above_hindsight']:.1%} "
            f"| {row['started']:,} of {row['started_hindsight']:,} "
            f"| {row['gap_median']:.1%} | {row['cpu_s_median']:.1f} |"
        )
    print("\n| seed | jobs | warm, CPU s | cold, CPU s | part | gap |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: |")
    for row in (row for row in rows.values() if "part" in row):
        print(
            f"| {row['seed']} | {row['jobs']:,} | {row['warm_cpu_s']:.1f} "
            f"| {row['cold_cpu_s']:.1f} | {row['part']:.2f} | {row['gap']:.2%} |"
        )


def main() -> None:
    """Measure, or print what was measured."""
    p = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("what", choices=("hours", "next", "page"))
    p.add_argument("out", type=Path)
    p.add_argument("seeds", nargs="*", type=int, default=[1])
    p.add_argument("--hours", type=int, default=48)
    p.add_argument("--jobs", type=lambda text: int(text.replace("_", "")), default=None)
    p.add_argument("--limit", type=float, default=4.0, help="seconds an hour")
    p.add_argument("--hindsight", type=float, default=None, help="seconds of hindsight's plan")
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--cpu", action="store_true", help="limits count CPU seconds")
    p.add_argument("--known", action="store_true", help="sun and wind are known before")
    a = p.parse_args()
    if a.what == "page":
        page(a.out)
        return
    if a.cpu:
        for module in (budget, rolling):
            vars(module)["time"] = CpuTime
    a.jobs = a.jobs or (6_000 if a.what == "hours" else 200_000)
    for seed in a.seeds:
        if a.what == "next":
            row = next_hour(a, seed)
            cell = f"next hour, {a.jobs} jobs, seed {seed}"
        else:
            row = hours_of(a, seed, known=a.known)
            cell = f"{a.hours} hours, {a.jobs} jobs, seed {seed}{', known' if a.known else ''}"
        keep(a.out, cell, row)
        print(cell, json.dumps(row, indent=1), flush=True)


if __name__ == "__main__":
    main()
