"""The instances of `gridbench-1`: what they are made of, and the best that is known of each."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..costs.terms import Terms

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["FAMILIES", "INSTANCES", "SUITE", "Instance", "integers"]

SUITE = "gridbench-1"
FAMILIES = ("transport", "assignment", "flow", "grid", "live")


def integers(seed: int, n: int, low: int, high: int) -> NDArray[np.int64]:
    """Return n integers from low to high, both ends included, by SplitMix64.

    Numpy's own distributions may change with its version; this does not. A multiple of 2**-64 of
    bias, from the remainder of a division, is of no matter here.
    """
    with np.errstate(over="ignore"):
        z = np.arange(1, n + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z += np.uint64(seed) * np.uint64(0xD1342543DE82EF95)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
    return (z % np.uint64(high - low + 1)).astype(np.int64) + low


@dataclass(frozen=True)
class Instance:
    """One instance by name.

    Parameters
    ----------
    name : str
        Family and size, e.g. "transport-1e5".
    family : {"transport", "assignment", "flow", "grid", "live"}
    size : int
        Jobs, rows or nodes.
    sha256 : str
        First 16 digits of the hash of its arrays; empty where the arrays are numpy's (grid).
    best : int or float or None
        The least objective known; None where none is.
    bound : int or float or None
        The largest bound known; equal to `best` where it is proved optimal.
    """

    name: str
    family: str
    size: int
    sha256: str = ""
    best: int | float | None = None
    bound: int | float | None = None

    def problem(self) -> dict[str, Any]:
        """Return the arguments of `transport`, `assignment`, `min_cost_flow` or `east_west`."""
        return _MAKERS[self.family](self.size)

    def checksum(self) -> str:
        """Return the first 16 digits of the SHA-256 of all arrays, little-endian, in order."""
        digest = hashlib.sha256()
        for value in self.problem().values():
            for array in _arrays(value):
                little = np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<"))
                digest.update(little.tobytes())
        return digest.hexdigest()[:16]


def _arrays(value: Any) -> list[NDArray[Any]]:
    if isinstance(value, Terms):
        return [a for term in value.terms for a in term if a is not None]
    return [value] if isinstance(value, np.ndarray) else []


def _transport(n: int) -> dict[str, Any]:
    """A day of jobs on classes: 16 families with speeds and tariffs, delay, 5 % slack.

    Costs are terms, whole numbers below 2**53 throughout, so that doubles hold them exactly.
    """
    n_slots, families = 100, 16
    speed = integers(1, families * n_slots, 20, 100).reshape(families, n_slots)
    tariff = integers(2, n_slots, 20, 100)
    run = (10_000 * tariff // speed).astype(np.float64)
    wait = integers(3, 24 * n_slots, 0, 23).reshape(24, n_slots).astype(np.float64)
    kind = integers(4, n, 0, families - 1).astype(np.int32)
    arrival = integers(5, n, 0, 23).astype(np.int32)
    work = integers(6, n, 1, 64).astype(np.float64)
    delay = integers(7, n, 0, 999).astype(np.float64)
    share = integers(8, n_slots, 1, 100)
    capacity = 21 * n * share // (20 * share.sum()) + 1
    return {"cost": Terms([(run, kind, work), (wait, arrival, delay)]), "capacity": capacity}


def _assignment(n: int) -> dict[str, Any]:
    """Costs of 1 to 1,000, dense: many ties."""
    return {"cost_matrix": integers(11, n * n, 1, 1000).reshape(n, n).astype(np.int32)}


def _flow(n: int) -> dict[str, Any]:
    """A graph of n nodes and 8 n arcs: a ring that serves all, and random arcs with room."""
    ring = np.arange(n)
    tail = np.concatenate([ring, integers(21, 7 * n, 0, n - 1)])
    head = np.concatenate([(ring + 1) % n, integers(22, 7 * n, 0, n - 1)])
    capacity = np.concatenate([np.full(n, 10**9), integers(23, 7 * n, 1, 1000)])
    cost = np.concatenate([np.full(n, 10_000), integers(24, 7 * n, 1, 10_000)])
    supply = np.zeros(n, np.int64)
    units = integers(25, n // 4, 1, 500)
    supply[: n // 4] = units
    supply[-(n // 4) :] = -units[::-1]
    columns = {"tail": tail, "head": head, "capacity": capacity, "cost": cost, "supply": supply}
    return {name: column.astype(np.int64) for name, column in columns.items()}


def _grid(n: int) -> dict[str, Any]:
    """The packaged east-west scenario of seed 0."""
    return {"n_jobs": n, "seed": 0}


def _live(n: int) -> dict[str, Any]:
    """As transport, for a `Matcher`: tables, keys and coefficients of the jobs."""
    made = _transport(n)
    return {"terms": made["cost"], "capacity": made["capacity"]}


_MAKERS = {
    "transport": _transport,
    "assignment": _assignment,
    "flow": _flow,
    "grid": _grid,
    "live": _live,
}

#: All instances of the suite, small to large within a family. Optima are proved (gap 0).
INSTANCES: tuple[Instance, ...] = (
    Instance(
        "transport-1e4", "transport", 10_000, "1d9b1d10004b6f28", 1_566_010_931, 1_566_010_931
    ),
    Instance(
        "transport-1e5", "transport", 100_000, "66928238b5f8782b", 15_782_650_115, 15_782_650_115
    ),
    Instance(
        "transport-1e6",
        "transport",
        1_000_000,
        "72e0479f08cc7b2e",
        157_848_601_728,
        157_848_601_728,
    ),
    Instance(
        "transport-1e7",
        "transport",
        10_000_000,
        "533e2261f7b6393f",
        1_579_582_952_708,
        1_579_582_952_708,
    ),
    Instance("assignment-500", "assignment", 500, "011f85838a786cb9", 1_909, 1_909),
    Instance("assignment-1000", "assignment", 1_000, "a0d74f10554d7d4d", 2_117, 2_117),
    Instance("assignment-4000", "assignment", 4_000, "5470592ccd2fa169", 4_147, 4_147),
    Instance("flow-1e3", "flow", 1_000, "c873e9543f7124be", 310_498_369, 310_498_369),
    Instance("flow-1e4", "flow", 10_000, "2d3d913d642267e7", 3_173_633_851, 3_173_633_851),
    Instance("flow-1e5", "flow", 100_000, "2241d2043a901ceb", 31_925_569_737, 31_925_569_737),
    Instance("grid-2e3", "grid", 2_000, "", 6159.1559332771985, 6091.493914038431),
    Instance("grid-2e4", "grid", 20_000, "", 79963.33368620387, 79856.77138523235),
    Instance("live-1e4", "live", 10_000, "1d9b1d10004b6f28", 1_566_010_931, 1_566_010_931),
    Instance("live-1e5", "live", 100_000, "66928238b5f8782b", 15_782_650_115, 15_782_650_115),
)
