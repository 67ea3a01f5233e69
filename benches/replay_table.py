"""The tables of the explanation page on forecasts: what each policy keeps of perfect foresight.

python benches/replay_table.py                      the zones that a clone has
python benches/replay_table.py KR GB --data FOLDER  others, from a clone of CarbonX (published.csv)
"""

import csv
import gzip
from pathlib import Path

import numpy as np
from published import DATA, Parser, choose, find, listed

from gridcompute import forecast, timeshift

JOBS = Path("carbon", "gaia_pai_1k.csv.gz")
TRUE, ISSUED = "data/forecasting-data/", "ci-forecasts/Sundial/"
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


def jobs():
    """The 1,000 jobs of GAIA's sample in whole hours, without those above 72 h."""
    with gzip.open(DATA / JOBS, "rt") as file:
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
    own = Path("forecasts", f"carbonx_{zone}.npz")
    packed = [folder / own for folder in (data, DATA) if (folder / own).exists()]
    if packed:
        z = np.load(packed[0])
        direct, issued = z["direct"] / 100, z["forecast"] / 100
    else:
        columns = []
        for folder, k in ((TRUE, 4), (ISSUED, 1)):  # the column of direct carbon, of its forecast
            with find(data, f"{folder}{zone}.csv").open(newline="", encoding="utf-8") as file:
                columns.append(np.array([row[k] for row in csv.reader(file)][1:], np.float64))
        direct, issued = columns[0], columns[1].reshape(-1, 96)
    return forecast.Signal(direct, "2021-01-01T00", issued, "2021-02-01T00")


def weeks(n):
    """The first hours of the first weeks of 2023."""
    return np.datetime64("2023-01-01T00", "h") + np.arange(n) * np.timedelta64(168, "h")


def table(signals, asks, **common):
    """Print percent kept, a row a policy and a column a zone."""
    trace = jobs()
    kept = {name: [] for name in asks}
    weekly = {"gain of rolling": [], "its standard error": [], "weeks below arrival": []}
    for recorded in signals.values():
        best, costs, most = {}, {}, {}
        for name, ask in asks.items():
            ask = {**common, **ask}
            pieces = ask.get("interruptible", False)
            answer = timeshift.replay(trace, recorded, **ask)
            if pieces not in best:  # at once and hindsight are the same for all policies
                best[pieces] = (answer.at_once.cost, answer.hindsight.cost)
            once, least = best[pieces]
            costs[name], most[name] = answer.costs, once - least
            kept[name].append(100 * (once - answer.cost) / (once - least))
        n = len(costs["arrival"])
        gain = 100 * n * (costs["arrival"] - costs["rolling"]) / most["rolling"]
        spread = gain.std(ddof=1) / n**0.5 if n > 1 else np.nan
        below = int((gain < -1e-9).sum())
        for row, value in zip(weekly.values(), (gain.mean(), spread, below), strict=True):
            row.append(value)
    print("| policy |", " | ".join(signals), "| mean |\n| --- |", "---: | " * (len(signals) + 1))
    for name, row in (kept | weekly).items():
        print(f"| {name} |", " | ".join(f"{x:.1f}" for x in [*row, np.mean(row)]), "|", flush=True)


def main():
    """Print both tables."""
    parser = Parser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("zones", nargs="*", metavar="ZONE", help="default: those of examples/data")
    add("--data", type=Path, default=DATA, help="a clone of CarbonX; default: examples/data")
    add("--weeks", type=int, default=52, help="of 2023, where each job is alone")
    add("--shared-weeks", type=int, default=4, help="with shared slots; 0: not that table")
    args = parser.parse_args()
    here = sorted(path.stem.removeprefix("carbonx_") for path in DATA.glob("forecasts/carbonx_*"))
    rest = {zone: line for zone, line in listed(TRUE, ".csv").items() if zone not in here}
    zones = choose("zone", args.zones, here, rest)
    signals = {zone: signal(args.data, zone) for zone in zones}
    print(f"Each job alone, {args.weeks} weeks:\n")
    table(signals, ALONE, starts=weeks(args.weeks))
    load = jobs()
    room = int(np.ceil(1.1 * (load["hours"] * load["slots"]).sum() / 168))
    if args.shared_weeks:
        print(f"\n{room} shared slots, in pieces, {args.shared_weeks} weeks:\n")
        each = {"starts": weeks(args.shared_weeks), "slots": room, "interruptible": True}
        table(signals, SHARED, **each)
    if not args.zones:
        forecasts = listed(ISSUED, ".csv")
        print(f"\nA clone has {', '.join(here)}. Other zones, from a folder given with --data:")
        for zone, line in rest.items():
            print(f"{zone}: {line}; {forecasts[zone]}")


if __name__ == "__main__":
    main()
