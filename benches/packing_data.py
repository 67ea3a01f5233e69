"""FGD's cluster: nodes, pods, orders of arrival and recorded results, read from ../shared/data.

They are published data and not part of this project: Weng et al., Beware of Fragmentation (ATC
2023), Apache-2.0, and Alibaba's cluster-trace-gpu-v2023, for research or study.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gridcompute import pack

if TYPE_CHECKING:
    from numpy.typing import NDArray

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
WORKLOADS = ("default", "multigpu20", "gpushare40", "gpuspec33", "cpu100")
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
        folder = self.data / "packing"
        self.nodes = csv(folder / "nodes.csv.gz")
        listed = csv(folder / f"pods_{self.workload}.csv.gz")
        self.mix = {name: listed[name] for name in PODS}
        arrivals = np.load(folder / "fgd_arrivals.npz")
        order = arrivals[f"order_{self.workload}_{self.seed}"]
        self.ranks = arrivals[f"rank_{self.workload}_{self.seed}"]
        self.pods = {name: values[order] for name, values in self.mix.items()}
        self.milli = self.pods["num_gpu"] * self.pods["gpu_milli"]
        self.capacity = 1000 * int(self.nodes["gpu"].sum())
        self.arrived = np.cumsum(self.milli) * 100 / self.capacity

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
        table = csv(self.data / "packing" / "fgd_expected.csv.gz")
        mine = (
            (table["workload"] == self.workload)
            & (table["seed"] == self.seed)
            & (table["policy"] == NAMES[policy])
        )
        order = np.argsort(table["arrived_pct"][mine])
        return table["alloc_pct"][mine][order].astype(np.float64)
