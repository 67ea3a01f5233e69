"""The race on FGD's cluster: published policies replayed, prices beside them, and the bound.

python benches/packing_table.py                    the default list, seeds 44 to 46
python benches/packing_table.py --workloads default --seeds 44 --policies fgd price
python benches/packing_table.py --workloads multigpu20 --data FOLDER    others (published.csv)
python benches/packing_table.py --set lists=48     another value of a parameter of the tuning table

Parameters were chosen on seeds 42 and 43; other seeds are what a table is made of.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
from packing_data import LISTS, NAMES, Race
from published import DATA, Parser, choose, listed

from gridcompute.errors import InvalidProblemError

RUNS = {
    "best_fit": ("best_fit", 1, 0),
    "fgd": ("fgd", 1, 0),
    "dot_product": ("dot_product", 1, 0),
    "packing": ("packing", 1, 0),
    "clustering": ("clustering", 1, 0),
    "price": ("price", 1, 0),
    "price, 50 at once": ("price", 50, 0),
    "price, 5 moves a pod": ("price", 1, 5),
}


def run(race: Race, name: str, tuning: dict[str, int]) -> dict[str, float]:
    """One run: what is allocated at 130 and 100 %, GPUs refused early, moves, and times."""
    policy, batch, moves = RUNS[name]
    start = time.perf_counter()
    packer = race.packer(policy, tuning=tuning)
    made = time.perf_counter() - start
    placed, times, moved = [], [], 0
    for a in range(0, len(race.milli), batch):
        pods = race.rows(a, a + batch)
        start = time.perf_counter()
        p = packer.place(pods, moves=moves)
        times.append((time.perf_counter() - start) * 1e6)
        placed.append(p.node >= 0)
        moved += len(p.moved)
    assert packer.layouts_valid()
    ok = np.concatenate(placed)
    curve = race.curve(ok)
    if policy in NAMES and race.is_recorded:
        off = np.abs(np.round(curve, 2) - race.recorded(policy)).max()
        assert off <= 0.3, (race.workload, race.seed, policy, off)
    return {
        "at 130 %": curve[130],
        "at 100 %": curve[100],
        "refused early": race.milli[~ok & (race.arrived < 90)].sum() / 1000,
        "moved": moved,
        "made, s": made,
        "all, s": sum(times) / 1e6,
        "median, us": float(np.median(times)),
        "p99, us": float(np.percentile(times, 99)),
    }


def main() -> None:
    """Print one row a workload and policy, the mean over the seeds."""
    parser = Parser(description=__doc__.partition("\n")[0])
    add = parser.add_argument
    add("--data", type=Path, default=DATA, help="default: examples/data")
    add("--workloads", nargs="+", default=[], help="default: those of examples/data")
    add("--seeds", nargs="+", type=int, default=[44, 45, 46])
    add("--policies", nargs="+", default=list(RUNS), choices=RUNS)
    add("--set", nargs="*", default=[], metavar="NAME=VALUE")
    arguments = parser.parse_args()
    parts = [text.partition("=") for text in arguments.set]
    if wrong := [k for k, _, v in parts if not v.removeprefix("-").isdigit()]:
        parser.error(f"--set takes NAME=VALUE, a whole number, not {wrong[0]}")
    tuning = {k: int(v) for k, _, v in parts}
    here = sorted(p.name[5:-7] for p in DATA.glob("packing/pods_*.csv.gz"))
    rest = {name: line for name, line in listed(*LISTS).items() if name not in here}
    workloads = choose("workload", arguments.workloads, here, rest)
    every = {name: [Race(name, s, arguments.data) for s in arguments.seeds] for name in workloads}
    try:
        every[workloads[0]][0].packer("price", tuning=tuning)
    except InvalidProblemError as error:
        parser.error(str(error))
    head = ["at 130 %", "at 100 %", "refused early", "moved", "made, s", "all, s"]
    head += ["median, us", "p99, us"]
    print("| workload | policy |", " | ".join(head), "|\n" + "| --- " * (len(head) + 2) + "|")
    gains = []
    for workload, races in every.items():
        found = {}
        for name in arguments.policies:
            runs = [run(race, name, tuning) for race in races]
            found[name] = runs
            mean = [f"{np.mean([r[key] for r in runs]):.2f}" for key in head[:2]]
            mean += [f"{np.mean([r[key] for r in runs]):.0f}" for key in head[2:4]]
            mean += [f"{np.mean([r[key] for r in runs]):.2f}" for key in head[4:6]]
            mean += [f"{np.mean([r[key] for r in runs]):.0f}" for key in head[6:]]
            print(f"| {workload} | {name} |", " | ".join(mean), "|", flush=True)
        bounds = []
        for race in races:
            packer = race.packer("price")
            prefix = packer.bound(race.pods)
            served = packer.bound(race.pods, served=float(int(prefix.value - 1)))
            assert served.verify().valid
            assert prefix.verify().valid
            bounds.append((served.served, served.value, prefix.value))
        whole, served_mean, prefix_mean = np.mean(bounds, axis=0)
        print(
            f"| {workload} | bound: first {whole:.0f} % whole; longest prefix | "
            f"{served_mean:.2f} | {prefix_mean:.2f} |" + " |" * (len(head) - 2),
            flush=True,
        )
        if "price" in found and "fgd" in found:
            both = zip(found["price"], found["fgd"], strict=True)
            gains += [p["at 130 %"] - f["at 130 %"] for p, f in both]
    if gains:
        print(f"\nprice, one pod at a time, over FGD at 130 %: {np.mean(gains):+.2f} in the mean, ")
        print(f"{np.min(gains):+.2f} in the worst of {len(gains)} runs")
    if not arguments.workloads:
        print(f"\nA clone has {', '.join(here)}. Others, from a folder given with --data:")
        print("\n".join(f"{name}: {line}" for name, line in rest.items()))


if __name__ == "__main__":
    main()
