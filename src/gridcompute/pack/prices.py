"""Shape prices: what a pod of each shape of the mix costs in devices, CPU and memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from . import pattern_lp
from .served_bound import shape_costs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .pattern_lp_groups import Group, Shape

__all__ = ["PRICE_SCALE", "shape_prices"]

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
