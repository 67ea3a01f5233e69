"""Bounds on what any policy could serve, and shape prices, each with the duals that prove it.

A shape price is the cost of a pod of that shape in devices, CPU and memory.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from . import certificate, pattern_lp

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .certificate import BoundCertificate
    from .pattern_lp import Group, Shape


@dataclass(frozen=True, eq=False)
class Bound:
    """A bound on what any policy whatever could serve of a list of pods.

    Parameters
    ----------
    kind : str
        "served": a policy that serves the first `served` percent whole ends at most at `value`
        percent allocated. "prefix": no policy can serve more than the first `value` percent whole.
    value : float
        Percent of the cluster's devices, rounded up; nan where the claim is empty.
    exact : fractions.Fraction
        The same as an exact number; of an empty claim what the duals prove, which is less than the
        first `served` percent take.
    served : float or None
        Percent of arrivals that are to be served whole; None for "prefix".
    pods : int
        How many pods are to be served whole ("served"), or are refuted ("prefix": the first
        `pods` cannot all be served; one more than there are where nothing is refuted).
    status : str
        "proved"; or "empty" where it is proved that no policy serves the first `served` percent
        whole, so that nothing is claimed of any policy.
    duals : Duals
        The prices of parts, CPU and memory of every group of nodes.
    """

    kind: str
    value: float
    exact: Fraction
    served: float | None
    pods: int
    status: str
    duals: pattern_lp.Duals = field(repr=False)
    groups: tuple[Group, ...] = field(repr=False)
    shapes: tuple[Shape, ...] = field(repr=False)
    arrivals: NDArray[np.int32] = field(repr=False)

    def problem(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Return groups and shapes as the plain records that the certificate reads."""
        groups: list[dict[str, Any]] = []
        for g in self.groups:
            layouts = None
            if g.table is not None:
                names = [name for name, _ in g.table.items]
                layouts = [tuple(names[k] for k in state) for state in g.table.states]
            groups.append(
                {
                    "model": g.model,
                    "devices": g.devices,
                    "cpu": g.cpu,
                    "memory": g.memory,
                    "most_cpu": g.most_cpu,
                    "most_memory": g.most_memory,
                    "most_devices": g.most_devices,
                    "layouts": layouts,
                    "nodes": g.nodes,
                }
            )
        shapes = [
            {
                "cpu": s.cpu,
                "memory": s.memory,
                "gpus": s.gpus,
                "part": s.part,
                "models": s.models,
                "weight": s.weight,
            }
            for s in self.shapes
        ]
        return groups, shapes

    def verify(self) -> BoundCertificate:
        """Check the bound from its duals in exact integers.

        Returns
        -------
        BoundCertificate
            ``valid`` and what the duals prove. The check counts the pods, prices every content of
            a device by a dynamic program of its own, and adds up exactly; it shares no code with
            the linear program or the core. Every field is checked.
        """
        groups, shapes = self.problem()
        return certificate.check(self, groups, shapes, self.arrivals.tolist(), pattern_lp.SCALE)


def _percent(milli: Fraction, capacity: int) -> tuple[float, Fraction]:
    """Return milli as percent of the capacity: rounded up, and exact."""
    exact = milli * 100 / capacity if capacity else Fraction(0)
    value = float(exact)
    return (value if Fraction(value) >= exact else float(np.nextafter(value, np.inf))), exact


def _limit(
    groups: list[Group],
    shapes: list[Shape],
    low: NDArray[np.int64],
    high: NDArray[np.int64],
    duals: pattern_lp.Duals,
) -> Fraction:
    """Return what the duals prove, by the code of the solver's side."""
    unit = duals.unit * pattern_lp.SCALE
    total = 0
    for g, group in enumerate(groups):
        parts, best = list(duals.part[g]), 0
        if parts:
            value = np.array([duals.part[g][p] for p in parts], np.int64)
            best = group.best_content(parts, value)[0]
        if group.nodes is None:
            total += best * duals.unit * group.devices
        else:
            node, _ = pattern_lp.best_cut(best, duals.block[g], group.most_devices)
            total += node * duals.unit * group.nodes
        total += duals.cpu[g] * group.cpu + duals.memory[g] * group.memory
    for s, price in enumerate(shape_costs(groups, shapes, duals)):
        if price is None:
            continue
        gain = shapes[s].weight * unit - price
        total += max(gain * int(low[s]), gain * int(high[s]))
    return Fraction(total, unit)


def shape_costs(
    groups: list[Group], shapes: list[Shape], duals: pattern_lp.Duals
) -> list[int | None]:
    """Return what each shape costs where it is cheapest, over unit x SCALE; None: nowhere."""
    out: list[int | None] = []
    for shape in shapes:
        prices = [
            _devices_cost(group, shape, g, duals) * duals.unit
            + shape.cpu * duals.cpu[g]
            + shape.memory * duals.memory[g]
            for g, group in enumerate(groups)
            if group.serves(shape)
        ]
        out.append(min(prices) if prices else None)
    return out


def _devices_cost(group: Group, shape: Shape, g: int, duals: pattern_lp.Duals) -> int:
    """Return what the shape's devices cost in the group, over SCALE."""
    if not shape.gpus:
        return 0
    if group.in_blocks(shape):
        return duals.block[g].get(shape.gpus, 0)
    return shape.gpus * duals.part[g].get(shape.part, 0)


def _priced(groups: list[Group], shapes: list[Shape], duals: pattern_lp.Duals) -> pattern_lp.Duals:
    """Give parts and blocks that no shape of the program has the price 0, so that all have one."""
    part, block = [], []
    for g, group in enumerate(groups):
        rho, blocks = dict(duals.part[g]), dict(duals.block[g])
        for shape in shapes:
            if not shape.gpus or not group.serves(shape):
                continue
            if group.in_blocks(shape):
                blocks.setdefault(shape.gpus, 0)
            else:
                rho.setdefault(shape.part, 0)
        part.append(rho)
        block.append(blocks)
    return replace(duals, part=tuple(part), block=tuple(block))


def served_bound(
    groups: list[Group],
    shapes: list[Shape],
    arrivals: NDArray[np.int32],
    served: float,
    patterns: pattern_lp.Patterns,
) -> Bound:
    """Bound (c): how much a policy that serves the first `served` percent whole can allocate."""
    capacity = 1000 * sum(g.devices for g in groups)
    weight = np.array([s.weight for s in shapes], np.int64)
    arrived = np.cumsum(weight[arrivals])
    most = math.floor(Fraction(served) * capacity)
    first = sum(100 * total <= most for total in arrived.tolist())
    low = np.bincount(arrivals[:first], minlength=len(shapes))
    high = np.bincount(arrivals, minlength=len(shapes))
    duals = pattern_lp.solve(
        groups, shapes, low.astype(np.float64), high.astype(np.float64), patterns
    )
    duals = _priced(groups, shapes, duals)
    limit = min(_limit(groups, shapes, low, high, duals), Fraction(capacity))
    value, exact = _percent(limit, capacity)
    costs = shape_costs(groups, shapes, duals)
    empty = limit < int(weight @ low) or any(costs[s] is None for s in np.flatnonzero(low))
    status, value = ("empty", math.nan) if empty else ("proved", value)
    of = tuple(groups), tuple(shapes), arrivals
    return Bound("served", value, exact, served, first, status, duals, *of)


def prefix_bound(
    groups: list[Group],
    shapes: list[Shape],
    arrivals: NDArray[np.int32],
    patterns: pattern_lp.Patterns,
) -> Bound:
    """Bound (b): the longest prefix of the arrivals that a policy could serve whole.

    Each program is solved for the shortest prefix that is refuted so far; its duals refute a
    shorter one, or it is the last. With duals fixed, what a prefix costs grows with it, so that the
    first that costs more than the capacity is found in one pass.
    """
    capacity = 1000 * sum(g.devices for g in groups)
    weight = np.array([s.weight for s in shapes], np.int64)
    demand = np.concatenate([[0], np.cumsum(weight[arrivals])])
    refuted, proof = len(arrivals) + 1, None
    target = len(arrivals)
    for _ in range(20):
        high = np.bincount(arrivals[:target], minlength=len(shapes))
        duals = pattern_lp.solve(
            groups, shapes, np.zeros(len(shapes)), high.astype(np.float64), patterns
        )
        duals = _priced(groups, shapes, duals)
        proof = duals if proof is None else proof
        unit = duals.unit * pattern_lp.SCALE
        room = int(_limit(groups, shapes, 0 * high, 0 * high, duals) * unit)
        costs = shape_costs(groups, shapes, duals)
        worth = [s.weight * unit for s in shapes]
        # The room that a pod takes: no more than its weight, and all of it where no group
        # hosts its shape, for then serving it is refuted at once.
        takes = [(w if c is None else min(w, c)) for w, c in zip(worth, costs, strict=True)]
        spent, shortest = 0, len(arrivals) + 1
        for k, s in enumerate(arrivals.tolist()):
            spent += takes[s]
            if spent > room or costs[s] is None:
                shortest = k + 1
                break
        if shortest >= refuted:
            break
        refuted, proof, target = shortest, duals, shortest
    last = int(demand[min(refuted, len(arrivals) + 1) - 1])
    value, exact = _percent(Fraction(last), capacity)
    assert proof is not None
    of = tuple(groups), tuple(shapes), arrivals
    return Bound("prefix", value, exact, None, refuted, "proved", proof, *of)


#: Prices handed to the core are in 1 / PRICE_SCALE milli of a device.
PRICE_SCALE = 1000


def shape_prices(
    groups: list[Group],
    shapes: list[Shape],
    counts: NDArray[np.int64],
    horizons: tuple[float, ...],
    patterns: pattern_lp.Patterns,
) -> NDArray[np.int64]:
    """Return the mean, over the horizons, of what each shape costs at the duals.

    A horizon is how much of the mix comes, as a multiple of the devices of the cluster. At a
    horizon of 1 a pod that leaves a useless rest of a device costs the device; at longer ones
    prices draw near to the plain demand.
    """
    capacity = 1000 * sum(g.devices for g in groups)
    weight = np.array([s.weight for s in shapes], np.int64)
    demand = int(weight @ counts)
    sums = [0] * len(shapes)
    for horizon in horizons:
        scale = horizon * capacity / demand if demand else 1.0
        duals = pattern_lp.solve(
            groups, shapes, np.zeros(len(shapes)), counts.astype(np.float64) * scale, patterns
        )
        unit = duals.unit * pattern_lp.SCALE // PRICE_SCALE
        for s, cost in enumerate(shape_costs(groups, shapes, duals)):
            worth = shapes[s].weight * PRICE_SCALE
            sums[s] += 0 if cost is None else min(worth, cost // unit)
    return np.array([total // len(horizons) for total in sums], np.int64)
