"""Gavel's recorded cells replayed: every cell with its recorded values and a bound beside it.

python benches/trace_table.py measure OUT.json [CELL ...]   replays cells and keeps their figures
python benches/trace_table.py page OUT.json                 writes the tables of the docs from them

A cell is static:N, single:LOAD, multi:LOAD or ftf-single:LOAD, ftf-multi:LOAD; none = all of them.
Reads ../shared/data beside the project. Some minutes a group on one core; cells that OUT.json has
are kept.
"""

import json
import sys
from pathlib import Path

import numpy as np

from gridcompute import replay, traces

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT.parent / "shared" / "data"
if not DATA.exists():
    DATA = ROOT.parents[1] / "shared" / "data"
SPEEDS = DATA / "traces" / "gavel" / "simulation_throughputs.json.gz"
PAGE = ROOT / "docs" / "explanation" / "replayed-traces.md"
ROUND_S, HOUR = 360.0, 3600.0
WINDOW = slice(4000, 5000)
STATIC = (100, 200, 300, 400, 500, 600, 700)
SINGLE = tuple(round(0.4 * k, 1) for k in range(1, 16))
MULTI = (0.2, 0.4, 0.6, 0.8, 1, 1.2, 1.4, 1.6, 1.8, 2, 2.2, 2.4, 2.6, 2.8, 3)
# The policies beside the library's own that a cell replays.
BESIDE = {
    "single:4": ("fifo_gavel",),
    "single:4.8": ("fifo_gavel", "fifo_gavel_fastest", "max_min", "max_min_blind"),
    "single:5.2": ("fifo_gavel",),
    "single:5.6": ("max_min", "allox", "srtf", "las"),
    "multi:1": ("fifo_gavel",),
    "multi:2.4": ("fifo_gavel", "fifo_gavel_fastest"),
}
MAKESPAN = ("fifo_gavel", "max_min_makespan", "gridcompute:makespan")


def measure_static(n):
    out = {}
    for policy in MAKESPAN:
        runs = []
        for seed in range(3):
            trace = traces.gavel(SPEEDS, n, seed=seed)
            r = replay(trace, traces.gavel_cluster(), policy, round_s=ROUND_S, seed=seed)
            runs.append((r.makespan_s / HOUR, r.makespan_bound_s / HOUR))
        out[policy] = {"value": [v for v, _ in runs], "bound": [b for _, b in runs]}
    return out


def replayed(kind, load, policy, measure):
    trace = traces.gavel(SPEEDS, 20_000, jobs_per_h=float(load), multi_gpu=kind == "multi")
    cluster = traces.gavel_cluster()
    return replay(trace, cluster, policy, round_s=ROUND_S, measure=measure)


def measure_stream(kind, load):
    out = {}
    for policy in ("gridcompute", *BESIDE.get(f"{kind}:{load:g}", ())):
        r = replayed(kind, load, policy, slice(0, 5000))
        took = np.percentile(r.decision_s, [50, 99]) * 1e3
        out[policy] = {
            "window_h": float(r.completion_s[WINDOW].mean()) / HOUR,
            "all_h": r.mean_completion_s / HOUR,
            "p99_h": float(np.percentile(r.completion_s[WINDOW], 99)) / HOUR,
            "utilisation": r.utilisation,
            "moves": r.moves,
            "evictions": r.evictions,
            "decision_p50_ms": float(took[0]),
            "decision_p99_ms": float(took[1]),
        }
        if policy == "gridcompute":
            out[policy]["all_bound_h"] = r.mean_completion_bound_s / HOUR
            out[policy]["window_bound_h"] = float(r.trace.shortest_s[WINDOW].mean()) / HOUR
    return out


def measure_fairness(kind, load):
    baseline = replayed(kind, load, "isolated", WINDOW)
    out = {}
    for policy in ("gridcompute", "gridcompute:fairness"):
        found = replayed(kind, load, policy, WINDOW).fairness(baseline)
        out[policy] = {"mean": found["mean"], "worst": found["worst"]}
    return out


def measure(path, cells):
    path = Path(path)
    found = json.loads(path.read_text()) if path.exists() else {}
    every = [f"static:{n}" for n in STATIC]
    every += [f"single:{load:g}" for load in SINGLE] + [f"multi:{load:g}" for load in MULTI]
    every += [f"ftf-single:{load:g}" for load in SINGLE[:-1]]
    every += [f"ftf-multi:{load:g}" for load in MULTI[:-1]]
    for cell in cells or every:
        if cell in found:
            continue
        kind, _, size = cell.partition(":")
        if kind == "static":
            found[cell] = measure_static(int(size))
        elif kind.startswith("ftf-"):
            found[cell] = measure_fairness(kind[4:], float(size))
        else:
            found[cell] = measure_stream(kind, float(size))
        now = json.loads(path.read_text()) if path.exists() else {}
        path.write_text(json.dumps({**now, cell: found[cell]}, indent=1))
        print(cell, found[cell], flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "measure":
        measure(sys.argv[2], sys.argv[3:])
