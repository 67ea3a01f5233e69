"""Gavel's recorded cells replayed: every cell with its recorded values and a bound beside it.

python benches/trace_table.py measure OUT.json [CELL ...]   replays cells and keeps their figures
python benches/trace_table.py page OUT.json                 writes the tables of the docs from them

A cell is static:N (up to 700 jobs), single:LOAD, multi:LOAD or ftf-single:LOAD, ftf-multi:LOAD;
none = all that were recorded. Speeds, jobs and records of all are in examples/data. Some minutes a
group on one core; cells that OUT.json has are kept, tables whose cells it lacks stay as they are.
"""

import csv
import json
from pathlib import Path

import numpy as np
from published import DATA, Parser

from gridcompute import replay, traces

ROOT = Path(__file__).resolve().parents[1]
SPEEDS = DATA / "traces" / "gavel" / "simulation_throughputs.json.gz"
PAGE = ROOT / "docs" / "development" / "replayed-traces.md"
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


def cells_of(table):
    """The cells of a table of the page."""
    static = [f"static:{n}" for n in STATIC]
    single, multi = [f"single:{x:g}" for x in SINGLE], [f"multi:{x:g}" for x in MULTI]
    fairness = [f"ftf-{cell}" for cell in single[:-1] + multi[:-1]]
    parts = {"static": static, "single": single, "multi": multi, "fairness": fairness}
    return parts.get(table) or [*single, *multi]


def is_cell(text):
    """Can it be replayed?"""
    kind, _, size = text.partition(":")
    if kind == "static":
        return size.isdecimal() and 1 <= int(size) <= STATIC[-1]
    return text in cells_of("beside") + cells_of("fairness")


def measure(path, cells):
    found = json.loads(path.read_text()) if path.exists() else {}
    every = [cell for table in ("static", "beside", "fairness") for cell in cells_of(table)]
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


# ---------------------------------------------------------------- the page


def recorded():
    """The recorded values: {(trace, load): {policy: value}}."""
    out = {}
    with (DATA / "replay" / "gavel_recorded.csv").open() as file:
        for row in csv.DictReader(file):
            key = (row["trace"], row["metric"], float(row["load"]))
            out.setdefault(key, {})[row["policy"]] = float(row["value"])
    return out


def best(values, packed):
    """The least recorded value, of policies with or without packing, and the policy."""
    kept = {p: v for p, v in values.items() if p.endswith("_packed") == packed}
    policy = min(kept, key=kept.get, default=None)
    return (kept[policy], policy) if policy else (float("nan"), "")


def markdown(head, rows):
    lines = ["| " + " | ".join(head) + " |", "| " + " | ".join("---:" for _ in head) + " |"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows]) + "\n"


def table_static(found, known):
    rows = []
    for n in STATIC:
        cell = found.get(f"static:{n}")
        if cell is None:
            continue
        mean = {p: float(np.mean(v["value"])) if v["value"] else np.nan for p, v in cell.items()}
        bound = float(np.mean(cell["gridcompute:makespan"]["bound"]))
        old = known["static_multi_gpu", "makespan_h", n]
        own, gavel_h = mean["gridcompute:makespan"], old["min_total_duration_perf"]
        rows.append(
            [
                str(n), f"{bound:.3f}", f"**{own:.3f}**", f"{(own / bound - 1) * 100:.3f}",
                f"{gavel_h:.3f}", f"{(own / gavel_h - 1) * 100:+.3f}",
                f"{mean['max_min_makespan']:.2f}",
                f"{(mean['max_min_makespan'] / gavel_h - 1) * 100:+.2f}",
                f"{old['fifo']:.2f}", f"{mean['fifo_gavel']:.2f}",
                f"{old['min_total_duration_packed']:.2f}",
            ]
        )  # fmt: skip
    head = [
        "jobs", "bound", "gridcompute", "% above bound", "Gavel, recorded", "% to it",
        "max_min_makespan, replayed", "% to recorded", "FIFO, recorded", "fifo_gavel, replayed",
        "packed, recorded",
    ]  # fmt: skip
    return markdown(head, rows)


def table_stream(found, known, kind, loads):
    rows = []
    for load in loads:
        own = found.get(f"{kind}:{load:g}", {}).get("gridcompute")
        if own is None:
            continue
        old = known[f"continuous_{kind}_gpu", "mean_jct_h", float(load)]
        (value, policy), (packed, _) = best(old, False), best(old, True)
        rows.append(
            [
                f"{load:g}", f"**{own['window_h']:.2f}**", f"{value:.2f} {policy}",
                f"{(own['window_h'] / value - 1) * 100:+.1f}", f"{packed:.2f}",
                f"{own['window_bound_h']:.2f}", f"{own['all_h']:.2f}", f"{own['all_bound_h']:.2f}",
                f"{own['p99_h']:.0f}", f"{own['utilisation']:.2f}", str(own["moves"]),
                f"{own['decision_p99_ms']:.1f}",
            ]
        )  # fmt: skip
    head = [
        "jobs/h", "gridcompute", "best recorded, not packed", "% to it", "best packed",
        "alone", "all 5,000", "its bound", "p99", "used", "moves", "decision p99, ms",
    ]  # fmt: skip
    return markdown(head, rows)


def table_beside(found, known):
    rows = []
    names = {
        "fifo_gavel": "fifo", "fifo_gavel_fastest": "fifo_perf", "allox": "allox",
        "max_min": "max_min_fairness_perf", "max_min_blind": "max_min_fairness",
    }  # fmt: skip
    for kind, loads in (("single", SINGLE), ("multi", MULTI)):
        for load in loads:
            cell = found.get(f"{kind}:{load:g}", {})
            old = known[f"continuous_{kind}_gpu", "mean_jct_h", float(load)]
            for policy, got in cell.items():
                if policy != "gridcompute":
                    said = old.get(names.get(policy, ""))
                    against = "" if said is None else f"{said:.2f}"
                    rows.append([f"{kind}, {load:g}", policy, f"{got['window_h']:.3f}", against])
    return markdown(["cell", "policy", "replayed, h", "recorded, h"], rows)


def table_fairness(found, known):
    rows = []
    for kind, loads in (("single", SINGLE), ("multi", MULTI)):
        for load in loads:
            cell = found.get(f"ftf-{kind}:{load:g}")
            if cell is None:
                continue
            old = known.get((f"continuous_{kind}_gpu", "mean_ftf", float(load)), {})
            value, policy = best(old, False)
            row = [f"{kind}, {load:g}", f"{value:.2f} {policy}"]
            for own in ("gridcompute", "gridcompute:fairness"):
                row += [f"{cell[own]['mean']:.3f}", f"{cell[own]['worst']:.2f}"]
            rows.append(row)
    head = ["cell", "best recorded mean", "gridcompute mean", "worst", ":fairness mean", "worst"]
    return markdown(head, rows)


def pictures():
    """Completion times and load of a stream of jobs under four policies."""
    from gridcompute.report.replays import COLOURS, completion_picture, load_picture

    trace = traces.gavel(SPEEDS, 700, jobs_per_h=12.0, multi_gpu=False)
    policies = ("gridcompute", "allox", "max_min", "fifo_gavel_fastest")
    runs = [replay(trace, traces.gavel_cluster(), p, round_s=ROUND_S) for p in policies]
    for name, draw in (("completion", completion_picture), ("load", load_picture)):
        (ROOT / "docs" / "_static" / f"replay-{name}.svg").write_text(draw(runs) + "\n")
    words = ("petrol", "orange", "mint", "grey")
    rows = [
        [r.policy, word, f"{r.mean_completion_s / HOUR:.2f}", f"{r.makespan_s / HOUR:.1f}"]
        for r, word in zip(runs, words, strict=False)
    ]
    bound = runs[0].mean_completion_bound_s / HOUR
    rows.append(["bound", "", f"{bound:.2f}", f"{runs[0].makespan_bound_s / HOUR:.1f}"])
    assert len(COLOURS) >= len(policies)
    return markdown(["policy", "colour", "mean completion, h", "makespan, h"], rows)


def page(path):
    found, known = json.loads(path.read_text()), recorded()
    parts = {
        "static": lambda: table_static(found, known),
        "single": lambda: table_stream(found, known, "single", SINGLE),
        "multi": lambda: table_stream(found, known, "multi", MULTI),
        "beside": lambda: table_beside(found, known),
        "fairness": lambda: table_fairness(found, known),
        "pictures": pictures,
    }
    text = PAGE.read_text()
    for name, table in parts.items():
        lacking = [] if name == "pictures" else [c for c in cells_of(name) if c not in found]
        if lacking:
            print(f"{name}: left as it is, {path} lacks {', '.join(lacking)}")
            continue
        begin, end = f"<!-- begin {name} -->\n", f"<!-- end {name} -->"
        head, _, rest = text.partition(begin)
        tail = rest.partition(end)[2]
        text = head + begin + "\n" + table() + "\n" + end + tail
    PAGE.write_text(text)


def main():
    """Measure, or write the page."""
    parser = Parser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("measure", "page"))
    parser.add_argument("out", type=Path, metavar="OUT.json")
    parser.add_argument("cells", nargs="*", metavar="CELL")
    args = parser.parse_args()
    if wrong := [cell for cell in args.cells if not is_cell(cell)]:
        parser.error(
            f"no cell {', '.join(wrong)}; there are static:1 to static:{STATIC[-1]}, single:0.4 to "
            f"single:6 in steps of 0.4, multi:0.2 to multi:3 in steps of 0.2, and ftf- before these"
        )
    if args.what == "measure":
        measure(args.out, args.cells)
    elif args.out.exists():
        page(args.out)
    else:
        parser.error(f"{args.out} is not there: measure first")


if __name__ == "__main__":
    main()
