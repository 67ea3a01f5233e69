"""A day of arrivals and departures on FGD's cluster, with the durations of Alibaba's trace.

python benches/packing_day.py                 five ways to place, offered load 100 %
python benches/packing_day.py --load 1.1 --seed 7

At the start the cluster has the pods of a long-running system at that load: drawn in proportion to
how long they stay, each with what is left of its stay. During the day pods come at random, in the
mix of the list, and leave when their time is over; one that has no room is refused. Every way to
place sees the same pods at the same times.
"""

from __future__ import annotations

import heapq
import time
from typing import Any

import numpy as np
from packing_data import Race
from published import Parser

from gridcompute import pack

DAY = 86_400
WAYS: dict[str, dict[str, Any]] = {
    "best_fit": {"policy": "best_fit"},
    "fgd": {"policy": "fgd"},
    "price": {"policy": "price"},
    "price, moves": {"policy": "price", "moves": 5},
    "price, mix learned": {"policy": "price", "window": 4000},
}


def events(race: Race, load: float, seed: int) -> tuple[Any, Any]:
    """(pods, stays) of the start, and (pods, times, stays) of the day; rows of the mix."""
    stay = np.maximum(1, race.stay_s).astype(np.float64)
    # The day's horizon: a pod of many weeks and one of two days are the same to it, and the few
    # that stay for months would make up the whole cluster.
    stay = np.minimum(stay, 2 * DAY)
    milli = race.mix["num_gpu"] * race.mix["gpu_milli"]
    random = np.random.default_rng(seed)
    rate = load * race.capacity / float((milli * stay).mean())  # pods a second
    weight = stay / stay.sum()
    n = random.poisson(rate * stay.mean())
    first = random.choice(len(stay), n, p=weight)
    arrivals = random.poisson(rate * DAY)
    pods = random.integers(0, len(stay), arrivals)
    times = np.sort(random.uniform(0, DAY, arrivals))
    return (first, random.uniform(0, 1, n) * stay[first]), (pods, times, stay[pods])


def day(race: Race, way: dict[str, Any], start: Any, coming: Any) -> dict[str, Any]:
    """Play the day; what is allocated each hour, GPUs refused by hour, moves, seconds."""
    options = dict(way)
    moves, learned = options.pop("moves", 0), "window" in way
    there = {name: values[start[0]] for name, values in race.mix.items()}
    packer = pack.Packer(race.nodes, mix=None if learned else there, ranks=race.ranks, **options)
    milli = race.mix["num_gpu"] * race.mix["gpu_milli"]
    leaving: list[tuple[float, int]] = []
    moved, refused, asked = 0, np.zeros(24), np.zeros(24)
    allocated, hour = [], 0
    clock = time.perf_counter()

    def place(row: int, leaves: float) -> bool:
        nonlocal moved
        placed = packer.place({k: v[row : row + 1] for k, v in race.mix.items()}, moves=moves)
        moved += len(placed.moved)
        if placed.node[0] < 0:
            return False
        heapq.heappush(leaving, (leaves, placed.first))
        return True

    at_start = sum(
        milli[row] / 1000
        for row, leaves in zip(*start, strict=True)
        if not place(int(row), float(leaves))
    )
    if not learned:  # what comes in a day is another mix than what there is: most of it is short
        packer.learn(mix=race.mix)
    for row, now, stay in zip(*coming, strict=True):
        while now >= hour * 3600:
            allocated.append(100 - packer.free["gpu_milli"].sum() * 100 / race.capacity)
            hour += 1
        gone = []
        while leaving and leaving[0][0] <= now:
            gone.append(heapq.heappop(leaving)[1])
        packer.release(np.array(gone, np.int64))
        at = int(now // 3600)
        asked[at] += milli[row] / 1000
        if not place(int(row), float(now + stay)):
            refused[at] += milli[row] / 1000
    return {
        "allocated": np.array(allocated),
        "refused": refused,
        "asked": asked,
        "at start": at_start,
        "moved": moved,
        "seconds": time.perf_counter() - clock,
        "pods": len(start[0]) + len(coming[0]),
    }


def main() -> None:
    """Print a row a way to place."""
    parser = Parser(description=__doc__.partition("\n")[0])
    parser.add_argument("--load", type=float, default=1.0, help="of the cluster's GPUs")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--ways", nargs="+", default=list(WAYS), choices=WAYS)
    arguments = parser.parse_args()
    race = Race("default", 44)
    start, coming = events(race, arguments.load, arguments.seed)
    head = ["way", "allocated, mean %", "after 6, 12, 18, 23 h", "GPUs refused at the start"]
    head += ["in the day", "of", "moved", "s"]
    print("|", " | ".join(head), "|\n" + "| --- " * len(head) + "|")
    for name in arguments.ways:
        found = day(race, WAYS[name], start, coming)
        hours = ", ".join(f"{found['allocated'][h]:.2f}" for h in (6, 12, 18, 23))
        row = [name, f"{found['allocated'].mean():.2f}", hours, f"{found['at start']:.0f}"]
        row += [f"{found[k].sum():.0f}" for k in ("refused", "asked")]
        row += [str(found["moved"]), f"{found['seconds']:.1f}"]
        print("|", " | ".join(row), "|", flush=True)
    print(f"\n{found['pods']} pods, {len(start[0])} of them there at the start")


if __name__ == "__main__":
    main()
