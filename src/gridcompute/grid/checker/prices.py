"""Checks of prices: signs; those of the mandate and of batteries by differences of optima."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .cover_rows import cover_fault
from .derived_tables import largest_price, quota_tree
from .faults import Fault, above
from .marginal import bound_prices, groups_of, mandate_prices, storage_limits
from .placements import load_of
from .running import fixed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..plan.columns import Prices
    from ..plan.data import PlanData
    from ..tables.problem import Problem

__all__ = ["cover_faults", "sign_faults", "value_faults"]


#: Tolerance of prices recomputed by differences of two optima: absolute in yuan, relative, and as
#: a part of the largest load at the largest price of energy, to which a solver is exact.
PRICE_TOLERANCE = 0.005, 0.02, 1e-8


def value_faults(whole: Problem, plan: PlanData) -> Iterator[Fault]:
    """The prices of the mandate and of batteries, by what a kWh more or less is worth."""
    load, prices = load_of(plan), plan.prices
    absolute, relative, part = PRICE_TOLERANCE
    absolute += part * max(1.0, float(load.max())) * largest_price(plan.problem)
    groups = groups_of(plan.problem, load)
    needed = mandate_prices(plan.problem, groups)
    for q, (found, right) in enumerate(zip(prices.mandate, needed, strict=True)):
        for k, side in enumerate(("left", "right")):
            if not abs(found[k] - right[k]) <= absolute + relative * abs(right[k]):
                yield Fault("PriceMismatch", f"mandate, scope {q}, {side}", found[k], right[k])
                return
    limits = bound_prices(fixed(whole), prices.energy)
    for q, (found, (least, most)) in enumerate(zip(prices.mandate_bound, limits, strict=True)):
        right = float(np.clip(found, least, most))
        if not abs(found - right) <= absolute + relative * abs(right):
            yield Fault("PriceMismatch", f"mandate in the bound, scope {q}", float(found), right)
            return
    energy = plan.problem.energy
    none = (energy.battery_kwh <= 0) | (energy.battery_kw <= 0)
    given = np.where(none[:, None], np.abs(prices.storage), 0.0)
    yield from above("PriceMismatch", "battery where there is none", given, 0.0, 0.0)
    for site, k, least, most in storage_limits(groups):
        price = float(prices.storage[site, k])
        slack = absolute + relative * max(abs(price), abs(least))
        if abs(price - least) <= slack:
            continue
        needs = least if not price > least else most()
        if price < least or not price <= needs + slack:
            where = f"battery {('size', 'power')[k]} of site {site}"
            yield Fault("PriceMismatch", where, price, needs)
            return


def sign_faults(plan: PlanData) -> Iterator[Fault]:
    """Prices that prove a bound only where they are at least zero."""
    tree = quota_tree(plan.problem)
    yield from above("PriceNegative", "capacity price", -plan.prices.capacity, np.zeros(1))
    yield from above("PriceNegative", "corridor price", -plan.prices.corridor, np.zeros(1))
    yield from above(
        "PriceNegative", "quota price", -tree.prices(plan.prices), tree.below_yuan_per_h
    )
    yield from above("PriceNegative", "cover price", -plan.prices.cover_yuan, np.zeros(1))


def cover_faults(problem: Problem, prices: Prices) -> Iterator[Fault]:
    """Prices of rows that are no lifted cover rows of the whole problem."""
    fault = cover_fault(problem, prices)
    if fault is not None:
        yield Fault("CoverMalformed", *fault)
