"""An independent look at a plan: feasibility, energy balance, accounts, prices, cost and bound.

Nothing here is shared with what made the plan: only the tables of the problem and plain sums, as
tests/test_architecture.py enforces. Each fault found carries a stable token, so that a log can be
searched for it.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from ..._certificate import Certificate, relative_gap
from .bound import cover_fault, cover_rows, proof, searched_bound
from .derived_tables import (
    TOLERANCE,
    Fault,
    above,
    apart,
    by_hour,
    direct_yuan_per_kwh,
    gang_prices,
    kwh_by_class,
    largest_price,
    load_limits,
    lost_yuan_per_kwh,
    quota_tree,
    ruled,
    scopes,
)
from .energy_lp import bound_prices, groups_of, mandate_prices, storage_limits
from .placements import (
    balance_faults,
    capacity_faults,
    direct_rule_faults,
    fixed,
    green_account_faults,
    job_faults,
    load_of,
    mandate_faults,
    pinned_faults,
    placed_jobs,
    plain,
    storage_faults,
    stretches_of,
    table_faults,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from ..plan.columns import Prices
    from ..plan.data import PlanData
    from ..tables.column import Bools
    from ..tables.problem import Problem


def cost_parts(plan: PlanData) -> dict[str, float]:
    """Return the cost of the plan, part by part, from its placements and its dispatch alone."""
    problem, jobs, d = plan.problem, plan.problem.jobs, plan.dispatch
    energy = problem.energy
    job, klass, _, hours = placed_jobs(plan)
    runs = stretches_of(plan)
    wire = problem.corridors.price_yuan_per_gb[jobs.origin[job], problem.classes.site[klass]]
    tree = quota_tree(problem)
    used = tree.used(jobs.tenant[job], klass, jobs.gang[job] * runs.whole_h)
    below = np.maximum(tree.least_h - used, 0)
    direct = d.direct_kwh + d.direct_charge_kwh
    bundled, grid = d.bundled_kwh + d.bundled_charge_kwh, d.grid_kwh + d.grid_charge_kwh
    worn = d.direct_charge_kwh.sum(axis=0) + d.bundled_charge_kwh + d.grid_charge_kwh
    worn = worn + d.green_discharge_kwh + d.grey_discharge_kwh
    grams = by_hour(problem.sites.carbon_g_per_kwh, problem.hours)
    left = (d.green_stored_kwh + d.grey_stored_kwh)[:, -1]
    worth = energy.terminal_yuan_per_kwh if energy.terminal == "value" else 0.0
    short = d.direct_use_short_kwh + d.direct_load_short_kwh
    parts = {
        "grid": energy.tariff_yuan_per_kwh * grid,
        "bundled": energy.bundled_yuan_per_kwh * bundled,
        "direct": direct_yuan_per_kwh(problem) * direct,
        "carbon": energy.carbon_yuan_per_t * grams / 1e6 * grid,
        "storage_wear": energy.wear_yuan_per_kwh * worn.sum(axis=1),
        "stored": -worth * left,
        "exports": -energy.export_yuan_per_kwh * d.exported_kwh.sum(axis=0),
        "curtailment": lost_yuan_per_kwh(problem) * d.curtailed_kwh,
        "demand": energy.demand_yuan_per_kw
        * np.maximum(grid.max(axis=1) - energy.demand_paid_kw, 0.0),
        "certificates": energy.certificate_yuan_per_kwh * d.certificate_kwh,
        "mandate_shortfall": scopes(problem).yuan_per_kwh * d.missing_kwh,
        "direct_shortfall": ruled(problem).yuan_per_kwh * short,
        "shed": energy.shed_yuan_per_kwh * d.shed_kwh,
        "load_limits": _outside_limits_yuan(plan),
        "data": wire * jobs.data_gb[job],
        "delay": jobs.delay_yuan_per_h[job] * (runs.end - hours - jobs.release[job]),
        "migration": np.where(_moved(plan), jobs.migration_yuan[job], 0.0),
        "restarts": jobs.restart_yuan[job] * runs.resumed,
        "unplaced": jobs.value_yuan[plan.assignment < 0],
        "quota_shortfall": below * tree.below_yuan_per_h,
    }
    return {name: float(np.sum(values)) for name, values in parts.items()}


def _outside_limits_yuan(plan: PlanData) -> float:
    """Return the cost of loads outside the limits of their sites, yuan."""
    limits = load_limits(plan.problem)
    if not limits:
        return 0.0
    drawn = load_of(plan) - plan.dispatch.shed_kwh
    price = plan.problem.sites.load_limit_yuan_per_kwh
    return sum(float(price[s]) * limit.outside_kwh(drawn[s]) for s, limit in limits.items())


def _moved(plan: PlanData) -> Bools:
    """Return which placed jobs have changed their option."""
    jobs = plan.problem.jobs
    job, klass, start, _ = placed_jobs(plan)
    other = (jobs.placed_class[job] != klass) | (jobs.placed_start[job] != start)
    return np.asarray((jobs.placed_class[job] >= 0) & other)


def part_faults(shown: Mapping[str, float], parts: Mapping[str, float]) -> Iterator[Fault]:
    """The parts of the cost that the plan shows."""
    whole = sum(abs(yuan) for yuan in parts.values())
    for name in sorted(shown.keys() | parts.keys()):
        found, needed = shown.get(name, np.nan), parts.get(name, np.nan)
        if not abs(found - needed) <= TOLERANCE * max(1.0, whole):
            yield Fault("CostPartMismatch", name, found, needed)
            return


def charge_faults(
    whole: Problem, plan: PlanData, shown: Mapping[str, NDArray[Any]], borne_yuan: float
) -> Iterator[Fault]:
    """Check the marginal charges of placed jobs, and their shares of the total cost.

    `whole` is the problem with its running jobs.
    """
    problem, jobs, prices = plan.problem, plan.problem.jobs, plan.prices
    job, klass, start, hours = placed_jobs(plan)
    runs = stretches_of(plan)
    site, gang = problem.classes.site[klass], jobs.gang[job].astype(np.float64)
    origin, data = jobs.origin[job], jobs.data_gb[job]
    charge = problem.corridors.price_yuan_per_gb[origin, site] * data
    charge = charge + jobs.delay_yuan_per_h[job] * (runs.end - hours - jobs.release[job])
    charge = charge + jobs.restart_yuan[job] * runs.resumed
    charge = charge + np.where(_moved(plan), jobs.migration_yuan[job], 0.0)
    scarce = prices.corridor[origin, site, start] * data
    tree, covers = quota_tree(problem), cover_rows(whole, prices, problem)
    for c in np.unique(klass).tolist():
        on = klass == c
        held = tree.along(tree.prices(prices), c, np.add)[jobs.tenant[job[on]]]
        scarce[on] += held * gang[on] * runs.whole_h[on]
        rows = None if covers is None else covers.of(covers.klass == c)
        if rows is not None and len(rows.yuan):
            uncut = np.flatnonzero(on & ~jobs.interruptible[job])
            sizes, lasts = jobs.gang[job[uncut]], hours[uncut]
            paid, kind = rows.paid(job[uncut], sizes, lasts, problem.hours)
            scarce[uncut] += paid[kind, start[uncut]]
    kwh = kwh_by_class(problem)
    for hour in range(problem.hours):
        on = runs.at[(runs.start <= hour) & (hour < runs.start + runs.hours)]
        at = (klass[on], np.full(len(on), hour))
        price = prices.energy[site[on], at[1]]
        charge[on] += gang[on] * kwh[at] * price
        scarce[on] += gang[on] * prices.capacity[at]
        for size, beta in gang_prices(prices):
            scarce[on] += gang[on] // size * beta[at]
    for name, needed in (("cost_yuan", charge), ("price_yuan", charge + scarce)):
        yield from apart("ChargeMismatch", f"{name} of row", shown[name], needed)
    if len(job):
        borne = np.array([shown["allocated_yuan"].sum()])
        yield from apart("AllocationMismatch", "allocated_yuan", borne, np.array([borne_yuan]))


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


#: Two sums of the same amounts of money in another order differ by at most this part of all.
SUMMED = 1e-9


@dataclasses.dataclass(frozen=True)
class PlanCertificate(Certificate):
    """The result of `Plan.verify`, every number recomputed.

    Parameters
    ----------
    objective_yuan, bound_yuan : float
        Recomputed cost of the plan, and the bound its prices prove.
    faults : tuple of Fault
        Empty for a sound plan; at most one per token, the worst place of each.
    without_option_yuan : float
        Value of the jobs that no class could ever take: part of both, left out of the gap.
    proved_by : str
        "prices": the bound follows from the prices by sums and weak duality, whoever found them.
        "search": the prices prove less; HiGHS searched an integer program that was written down
        again from the tables, and no branch of it goes below the bound.
    unchecked : tuple of str
        What nobody could check: texts beside a stored plan that another version wrote, and that
        this version words otherwise.
    """

    objective_yuan: float
    bound_yuan: float
    faults: tuple[Fault, ...]
    without_option_yuan: float = 0.0
    proved_by: str = "prices"
    unchecked: tuple[str, ...] = ()

    @property
    def valid(self) -> bool:
        """True if everything was checked and nothing is wrong."""
        return self.outcome == "valid"

    @property
    def outcome(self) -> str:
        """ "valid", "not valid" where there is a fault, or else "not checked"."""
        return "not valid" if self.faults else "not checked" if self.unchecked else "valid"

    @property
    def objective(self) -> float:
        """The recomputed cost of the plan, yuan."""
        return self.objective_yuan

    @property
    def bound(self) -> float:
        """The bound that the plan's prices prove, yuan."""
        return self.bound_yuan

    @property
    def reasons(self) -> tuple[str, ...]:
        """The faults in words, and what was not checked."""
        return tuple(map(str, (*self.faults, *self.unchecked)))

    @property
    def gap(self) -> float:
        """(objective - bound) / max(abs(objective), abs(bound)), of the recomputed numbers.

        The value of the jobs without any option is left out of both.
        """
        objective, bound = (
            yuan - self.without_option_yuan for yuan in (self.objective_yuan, self.bound_yuan)
        )
        return relative_gap(objective, bound)

    def __str__(self) -> str:
        """In words, one line a fault."""
        if self.valid:
            return f"valid: cost {self.objective_yuan:,.2f}, bound {self.bound_yuan:,.2f} yuan"
        return "\n".join(
            [f"{self.outcome}:", *(f"  {x!s}" for x in (*self.faults, *self.unchecked))]
        )


def verify(plan: PlanData) -> PlanCertificate:
    """Recompute everything a plan claims (see `Plan.verify`)."""
    claimed, whole, shown = plan, plan.problem, plan.table
    if whole.running is not None or whole.step_h != 1:
        simple = plain(whole)
        # The prices are of the sizes of gangs that can move; those that cannot may have others.
        vars(simple)["gang_levels"] = tuple(plan.prices.gang_size.tolist())
        plan = dataclasses.replace(plan, problem=simple)
    faults = [*pinned_faults(whole, plan), *job_faults(plan)]
    if not faults:  # with placements out of range the sums below mean nothing
        faults += [
            *table_faults(plan, shown(), whole.jobs.id),
            *capacity_faults(plan),
            *balance_faults(plan),
            *storage_faults(plan),
        ]
        faults += [*mandate_faults(plan), *direct_rule_faults(plan)]
        faults += green_account_faults(plan, claimed.green)
    malformed = any(f.token in ("PlacementMalformed", "PiecesMalformed") for f in faults)
    parts = {} if malformed else cost_parts(plan)
    cost = np.nan if malformed else float(np.sum(list(parts.values())))
    slack = TOLERANCE * max(1.0, abs(cost))
    whole_yuan = float(np.sum(np.abs(list(parts.values()))))
    if not abs(cost - plan.objective_yuan) <= SUMMED * whole_yuan:
        faults.append(Fault("CostMismatch", "objective_yuan", plan.objective_yuan, cost))
    if not faults:  # what is shown besides is compared with a sound plan's
        faults += part_faults(claimed.costs, parts)
        faults += charge_faults(whole, plan, shown(), cost - parts["unplaced"])
        faults += value_faults(whole, plan)
    faults += [*sign_faults(plan), *cover_faults(whole, plan.prices)]
    bound, without_option = proof(whole, plan.prices)
    proved_by, claimed_yuan = "prices", float(np.fmin(plan.priced_bound_yuan, plan.bound_yuan))
    if not claimed_yuan <= bound + slack:
        faults.append(Fault("PricesProveLess", "priced_bound_yuan", claimed_yuan, bound))
    if bound + slack < plan.bound_yuan <= cost + slack:
        searched = searched_bound(whole, plan.prices, bound, plan.bound_yuan, cost)
        if searched > bound:
            bound, proved_by = searched, "search"
    if not plan.bound_yuan <= bound + slack:
        faults.append(Fault("BoundUnproved", "bound_yuan", plan.bound_yuan, bound))
    if not plan.bound_yuan <= plan.objective_yuan:
        faults.append(Fault("BoundAboveCost", "bound_yuan", plan.bound_yuan, plan.objective_yuan))
    if plan.status == "optimal" and not cost <= bound + slack:
        faults.append(Fault("StatusUnproved", "status", cost, bound))
    left_out = plan.without_option_yuan
    if not abs(left_out - without_option) <= SUMMED * without_option:
        where = "without_option_yuan"
        faults.append(Fault("WithoutOptionMismatch", where, left_out, without_option))
    return PlanCertificate(float(cost), float(bound), tuple(faults), without_option, proved_by)
