"""FGD's cluster: nodes, pods, orders of arrival and recorded results.

They are published data: Weng et al., Beware of Fragmentation (ATC 2023), Apache-2.0, and Alibaba's
cluster-trace-gpu-v2023, for research or study. A clone has one list of pods and one recorded order
of arrival. Other lists are read as published (published.csv), other orders drawn by the same rule.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from published import DATA, find

from gridcompute import pack

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

LISTS = ("data/csv/openb_pod_list_", ".csv")  # begin and end of the published names
NAMES = {
    "best_fit": "BestFit",
    "fgd": "FGD",
    "dot_product": "DotProd",
    "packing": "GpuPacking",
    "clustering": "GpuClustering",
}
PODS = ("cpu_milli", "memory_mib", "num_gpu", "gpu_milli", "gpu_spec")


def csv(path: Path) -> dict[str, NDArray[Any]]:
    """A CSV file as columns: whole numbers where all are, else text."""
    import csv as reader
    import gzip

    opener: Any = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", newline="") as file:
        head, *rows = reader.reader(file)
    out: dict[str, NDArray[Any]] = {}
    for name, values in zip(head, zip(*rows, strict=True), strict=True):
        try:
            out[name] = np.array(values, np.int64)
        except ValueError:
            out[name] = np.array(values, object)
    return out


@dataclass
class Race:
    """One workload in the order of arrival of one seed."""

    workload: str
    seed: int
    data: Path = DATA

    def __post_init__(self) -> None:
        own = DATA / "packing"
        self.nodes = csv(own / "nodes.csv.gz")
        self.capacity = 1000 * int(self.nodes["gpu"].sum())
        packed = [folder / f"packing/pods_{self.workload}.csv.gz" for folder in (self.data, DATA)]
        there = [path for path in packed if path.exists()]
        listed = csv(there[0] if there else find(self.data, self.workload.join(LISTS)))
        listed.setdefault("gpu_spec", np.full(len(listed["num_gpu"]), "", object))
        self.mix = {name: listed[name] for name in PODS}
        self.stay_s = listed.get("stay_s")  # of each pod of the list, where that is known
        whole = self.mix["num_gpu"] * self.mix["gpu_milli"]
        self.records = next(f for f in (self.data / "packing", own) if f.exists())
        arrivals = np.load(self.records / "fgd_arrivals.npz")
        self.is_recorded = f"order_{self.workload}_{self.seed}" in arrivals
        if self.is_recorded:
            order = arrivals[f"order_{self.workload}_{self.seed}"]
            self.ranks = arrivals[f"rank_{self.workload}_{self.seed}"]
        else:
            order, self.ranks = self.drawn(whole)
        self.pods = {name: values[order] for name, values in self.mix.items()}
        self.milli = whole[order]
        self.arrived = np.cumsum(self.milli) * 100 / self.capacity

    def drawn(self, whole: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """An order of arrival and ranks of nodes, by the rule of the recorded ones.

        All pods in random order, then copies of random ones, until another would exceed 130 % of
        the cluster.
        """
        draw = random.Random(self.seed).random  # the same numbers in every version of Python
        order = sorted(range(len(whole)), key=[draw() for _ in whole].__getitem__)
        most, sum_ = 1.3 * self.capacity, int(whole.sum())
        while sum_ < most:
            pod = int(draw() * len(whole))
            if sum_ + int(self.mix["gpu_milli"][pod]) > most:
                break
            order.append(pod)
            sum_ += int(whole[pod])
        ranks = np.argsort([draw() for _ in self.nodes["gpu"]])
        return np.array(order), ranks.astype(np.int64)

    def packer(self, policy: str, **options: Any) -> pack.Packer:
        """An empty cluster."""
        return pack.Packer(self.nodes, mix=self.mix, policy=policy, ranks=self.ranks, **options)

    def rows(self, start: int, stop: int) -> dict[str, NDArray[Any]]:
        """Some pods in order of arrival."""
        return {name: values[start:stop] for name, values in self.pods.items()}

    def curve(self, placed: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Allocated percent at each whole percent of arrivals, as the records are taken."""
        total = np.cumsum(np.where(placed, self.milli, 0)) * 100 / self.capacity
        mark = np.round(self.arrived)
        return np.array([np.round(total, 2)[mark == p].mean() for p in range(131)])

    def recorded(self, policy: str) -> NDArray[np.float64]:
        """What the published simulator recorded for a policy at each percent."""
        table = csv(self.records / "fgd_expected.csv.gz")
        mine = (
            (table["workload"] == self.workload)
            & (table["seed"] == self.seed)
            & (table["policy"] == NAMES[policy])
        )
        order = np.argsort(table["arrived_pct"][mine])
        return table["alloc_pct"][mine][order].astype(np.float64)
