"""The bound that prices prove, and a supergradient: the Lagrangian dual of the shared rows.

For any prices y = (alpha, pi, gamma, nu, beta) every plan costs at least

    LB(y) = sum_j V_j(y) - alpha . K - beta_g . floor(K / g) - gamma . BW - nu+ . U - nu- . L
    + E(pi),

V_j the cheapest option of job j at these prices (or its value), E(pi) the energy block's least cost
when each kWh of load earns pi. The supergradient is use less supply of each row. The rows and their
prices are those of `coupling_constraints.py`; a plan's bound is proved again in `checker/bound.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .dispatch_lp import ROUNDING

if TYPE_CHECKING:
    from ..tables.column import Floats
    from .coupling_constraints import CouplingConstraints, RightHandSide
    from .work import Market

__all__ = ["DualEvaluation", "evaluate_dual"]


class DualEvaluation(NamedTuple):
    """The bound at one price vector, with its supergradient."""

    bound: float
    #: Use less supply by row, flat.
    slope: Floats
    #: Cost of the jobs that are left out at these prices, and the number of those that are not.
    left_out_yuan: float
    placed: int


def evaluate_dual(
    rows: CouplingConstraints, market: Market, y: Floats, supply: RightHandSide
) -> DualEvaluation:
    """Return the bound at `y` for the live jobs of `market`, and its slope."""
    prices = rows.prices(y)
    minimum = rows.begin(rows.block.minimum, prices.energy)
    found = rows.price(market, y)
    energy = minimum()
    held = rows.held(rows.quotas.summed(found["quota"]), prices.quota, supply)
    slope = rows.slope(rows.market_use(found), y, supply, energy.load_kwh)
    rent, size = 0.0, 0.0
    held = np.where(prices.quota == 0, 0.0, held)
    rented = (
        (prices.capacity, supply.accelerators),
        (prices.corridor, supply.data_gb),
        (prices.gang, supply.gangs),
    )
    for price, amount in (*rented, (prices.quota, held)):
        products = price * amount
        rent += float(products.sum())
        size += float(np.abs(products).sum())
    fixed = prices.energy * (supply.load_kwh - rows.problem.energy.base_load_kwh)
    bound = found["total"] - found["margin"] - rent + energy.bound + float(fixed.sum())
    bound -= ROUNDING * (len(y) + 64) * (size + float(np.abs(fixed).sum()))
    return DualEvaluation(bound, slope, found["left_out"], found["placed"])
