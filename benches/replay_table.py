"""The table of the explanation page on forecasts: what each policy keeps of perfect foresight.

python benches/replay_table.py [ZONE ...] [--data FOLDER]
"""

import argparse
import csv
import gzip
from pathlib import Path

import numpy as np

from gridcompute import forecast, rolling

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
JOBS = Path("carbon", "gaia_pai_1k.csv.gz")
ZONES = ("AU-SA", "DE", "GB", "FR", "US-CAL-CISO")
ALONE = {
    "gaia": {"policy": "gaia"},
    "threshold": {"policy": "threshold"},
    "arrival": {"policy": "arrival"},
    "arrival, corrected": {"policy": "arrival", "forecast": "corrected"},
    "rolling, as issued": {"policy": "rolling", "forecast": "issued"},
    "rolling": {"policy": "rolling"},
    "arrival, pieces": {"policy": "arrival", "interruptible": True},
    "rolling, pieces": {"policy": "rolling", "interruptible": True},
}
SHARED = {
    "arrival": {"policy": "arrival"},
    "threshold": {"policy": "threshold"},
    "gaia": {"policy": "gaia"},
    "book": {"policy": "book"},
    "rolling, no arrivals": {"policy": "rolling", "arrivals": None},
    "rolling, as issued": {"policy": "rolling", "forecast": "issued"},
    "rolling": {"policy": "rolling"},
    "rolling, arrivals known": {"policy": "rolling", "arrivals": "known"},
    "rolling, signal known": {"policy": "rolling", "forecast": "actual"},
}


def jobs(data):
    """The 1,000 jobs of GAIA's sample in whole hours, without those above 72 h."""
    with gzip.open(data / JOBS, "rt") as file:
        rows = list(csv.DictReader(file))
    hours = [max(1, round(int(row["length_s"]) / 3600)) for row in rows]
    keep = [(row, h) for row, h in zip(rows, hours, strict=True) if h <= 72]
    return {
        "arrival_h": np.array([int(row["arrival_s"]) // 3600 for row, _ in keep]),
        "hours": np.array([h for _, h in keep]),
        "slots": np.array([int(row["cpus"]) for row, _ in keep]),
        "window_h": np.array([6 if h < 2 else 24 for _, h in keep]),
    }


def signal(data, zone):
    """A zone's hourly carbon and its forecasts as they were issued."""
    z = np.load(data / "forecasts" / f"carbonx_{zone}.npz")
    return forecast.Signal(z["direct"] / 100, "2021-01-01T00", z["forecast"] / 100, "2021-02-01T00")


def weeks(n):
    """The first hours of the first weeks of 2023."""
    return np.datetime64("2023-01-01T00", "h") + np.arange(n) * np.timedelta64(168, "h")


def table(data, zones, asks, **common):
    """Print percent kept, a row a policy and a column a zone."""
    trace = jobs(data)
    kept = {name: [] for name in asks}
    for zone in zones:
        best = {}
        for name, ask in asks.items():
            ask = {**common, **ask}
            pieces = ask.get("interruptible", False)
            answer = rolling.replay(trace, signal(data, zone), **ask)
            if pieces not in best:  # at once and hindsight are the same for all policies
                best[pieces] = (answer.at_once.cost, answer.hindsight.cost)
            once, least = best[pieces]
            kept[name].append(100 * (once - answer.cost) / (once - least))
    print("| policy |", " | ".join(zones), "| mean |\n| --- |", "---: | " * (len(zones) + 1))
    for name, row in kept.items():
        print(f"| {name} |", " | ".join(f"{x:.1f}" for x in [*row, np.mean(row)]), "|", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "zones", nargs="*", default=ZONES, metavar="ZONE", help=f"default: {' '.join(ZONES)}"
    )
    parser.add_argument("--data", type=Path, default=DATA, help="default: ../shared/data")
    args = parser.parse_args()
    needed = [JOBS, *(Path("forecasts", f"carbonx_{zone}.npz") for zone in args.zones)]
    if missing := [str(name) for name in needed if not (args.data / name).exists()]:
        parser.error(f"{args.data} lacks {', '.join(missing)}: give the folder with --data")
    print("Each job alone, 52 weeks:\n")
    table(args.data, args.zones, ALONE, starts=weeks(52))
    load = jobs(args.data)
    room = int(np.ceil(1.1 * (load["hours"] * load["slots"]).sum() / 168))
    print(f"\n{room} shared slots, in pieces, 4 weeks:\n")
    table(args.data, args.zones, SHARED, starts=weeks(4), slots=room, interruptible=True)
