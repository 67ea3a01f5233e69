"""Time of `transport` against the number of jobs, and by step: measures, and draws the docs' chart.

python benches/transport_time.py --measure    writes benches/transport_time.json (minutes, 2 GB)
python benches/transport_time.py --measure --most 10000    the same, of the smallest sizes
python benches/transport_time.py              draws docs/_static/transport-time.svg from it
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from published import Parser
from transport_instances import structured, ties, uniform

import gridcompute as gc

if TYPE_CHECKING:
    from collections.abc import Callable

HERE = Path(__file__).resolve().parent
MEASURED = HERE / "transport_time.json"
CHART = HERE.parent / "docs" / "_static" / "transport-time.svg"

N_SLOTS, SEED, ROUNDS = 100, 7, 3
SIZES = [3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000]
KINDS = {"structured": structured, "uniform": uniform, "ties": ties}
STEPS = ["samples", "scan", "tune", "repair", "verify", "finish"]


def median_of(call: Callable[[], Any]) -> tuple[float, Any]:
    """CPU seconds of all threads, the median of some rounds, and the last result."""
    seconds = []
    for _ in range(ROUNDS):
        start = time.process_time()
        result = call()
        seconds.append(time.process_time() - start)
    return sorted(seconds)[ROUNDS // 2], result


def measure(sizes: list[int]) -> list[dict[str, Any]]:
    """One row for each kind and size."""
    rows = []
    for kind, make in KINDS.items():
        for n_jobs in sizes:
            cost, capacity = make(n_jobs, N_SLOTS, SEED)
            floor, _ = median_of(lambda cost=cost: cost.min(axis=1))
            ours, m = median_of(lambda cost=cost, room=capacity: gc.transport(cost, room))
            if not m.exact:
                raise AssertionError(f"{kind} {n_jobs}: not proved optimal")
            row: dict[str, Any] = {
                "kind": kind,
                "n_jobs": n_jobs,
                "cpu_s": ours,
                "floor_cpu_s": floor,
            }
            if n_jobs == sizes[-1]:  # small problems go another way, without these steps
                share = np.array([m.stats["seconds"].get(step, 0.0) for step in STEPS])
                share = (share / (share.sum() or 1.0)).round(4).tolist()
                row["share"] = dict(zip(STEPS, share, strict=True))
            rows.append(row)
            print(f"{kind:10s} {n_jobs:9,d} {ours:8.3f} s = {ours / floor:6.1f} floors", flush=True)
    return rows


def draw(rows: list[dict[str, Any]]) -> None:
    """Left: time against jobs. Right: where the time goes, for the largest of each kind."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "gridcompute"  # the same file each time
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6), width_ratios=(3, 2))
    for kind in KINDS:
        own = [row for row in rows if row["kind"] == kind]
        jobs = [row["n_jobs"] for row in own]
        left.loglog(jobs, [row["cpu_s"] for row in own], marker="o", label=kind)
    floor = [row["floor_cpu_s"] for row in rows if row["kind"] == "uniform"]
    sizes = sorted({row["n_jobs"] for row in rows})
    left.loglog(sizes, floor, color="0.5", ls="--", label="one look (numpy)")
    left.set(xlabel=f"jobs, {N_SLOTS} classes", ylabel="CPU seconds")
    left.legend(frameon=False)
    largest = [row for row in rows if row["n_jobs"] == sizes[-1]]
    start = np.zeros(len(largest))
    for step in STEPS:
        part = np.array([row["share"][step] for row in largest])
        right.barh([row["kind"] for row in largest], part, left=start, label=step)
        start += part
    right.set(xlabel=f"share of the time, {sizes[-1]:,} jobs", xlim=(0, 1))
    right.invert_yaxis()
    right.legend(frameon=False, ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    CHART.parent.mkdir(exist_ok=True)
    figure.savefig(CHART, metadata={"Date": None})


if __name__ == "__main__":
    parser = Parser(description=__doc__.splitlines()[0])
    parser.add_argument("--measure", action="store_true")
    parser.add_argument("--most", type=int, default=SIZES[-1], help="largest number of jobs")
    args = parser.parse_args()
    sizes = [n for n in SIZES if n <= args.most]
    if not sizes:
        parser.error(f"found --most {args.most}, needed {SIZES[0]} or more")
    if args.measure:
        MEASURED.write_text(json.dumps(measure(sizes), indent=1) + "\n", encoding="utf-8")
    draw(json.loads(MEASURED.read_text(encoding="utf-8")))
