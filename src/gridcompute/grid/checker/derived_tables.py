"""What the checker derives from the tables by itself, and the tokens of the faults that it finds.

Quotas, load limits, energy by hour, requirements of the mandate and the direct-connection rule. The
planner has functions of its own for all of this (`Problem.pue`, `Problem.mandate_rows` and others).
Nothing here calls them, so that an error in one of them is found by `verify`.

Whether a plan keeps these requirements is checked in `placements.py`.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from ..plan.columns import Prices
    from ..tables.column import Bools, Floats, Int64s
    from ..tables.problem import Problem

#: The faults of a plan.
FAULTS = {
    "Malformed": "a field of another shape, type or range than those of a plan; nothing else read",
    "PlacementMalformed": "a class or hour out of range, or one without the other",
    "WindowViolated": "a job starts before its release, ends after its deadline or the last hour",
    "FamilyUnsupported": "a job on a class that cannot run its family",
    "MemoryTooSmall": "a job on an accelerator with too little memory",
    "ResidencyForbids": "a job where its data may not go",
    "LatencyTooHigh": "a job too far from its origin",
    "GangSplit": "the plan shows a job with other accelerators or hours than its gang needs",
    "TableMismatch": "the plan's table shows another place or energy than its placements have",
    "CapacityExceeded": "more accelerators used than a class has in an hour",
    "CorridorExceeded": "more data sent over a corridor than it carries in an hour",
    "QuotaExceeded": "a tenant, or a queue above it, above its upper quota",
    "NegativeEnergy": "an amount of energy below zero",
    "SourceImbalance": "a direct source delivers more or less than it has",
    "BundledExceeded": "more bundled green power than can be delivered",
    "LoadImbalance": "power used differs from what base load and jobs need",
    "GreenAboveLoad": "more green power counted as used than there is load in that hour",
    "PiecesMalformed": "pieces that overlap or touch, lie outside the batch or are no job's",
    "NotInterruptible": "a job in pieces that has to run whole",
    "PieceTooShort": "a piece shorter than the job's least one, or than its restart",
    "WorkMismatch": "the pieces of a job do more or less than its work",
    "PinnedMoved": "a job that runs and cannot move is elsewhere, or left out",
    "ShedTooMuch": "more load goes without power than may",
    "ConnectionExceeded": "more grid power than the connection carries",
    "StoreImbalance": "a stored amount that its charges and discharges do not explain",
    "DischargeUnearned": "a colour of the store delivers more than it was charged with",
    "StoreTooFull": "more stored than the battery holds",
    "StorePowerExceeded": "charged or discharged faster than the battery can",
    "TerminalViolated": "a colour of the store ends below its start under the cyclic rule",
    "ExportForbidden": "power exported where reverse flow is forbidden",
    "ExportExceeded": "more power exported than the site may send",
    "VolumeExceeded": "more bundled green power in the batch than its contract has",
    "CertificateForbidden": "certificates counted under the hourly rule",
    "MandateUnaccounted": "a scope neither meets the mandate nor reports what is missing",
    "DirectRuleUnaccounted": "a site neither keeps the direct-connection rule nor says by how much",
    "MandateBroken": "a scope misses its share of green power, which is forbidden",
    "ShortfallOverstated": "more reported missing to a rule than is missing",
    "AccountMismatch": "a green number (N1 to N4, load, shortfall) differs from its recomputation",
    "CostMismatch": "the objective differs from the cost of this plan",
    "KeptMismatch": "a value kept since the plan was asked for it differs from what its fields say",
    "CostPartMismatch": "a part of the cost that the plan shows differs from its recomputation",
    "ChargeMismatch": "what the plan charges a job differs from what its prices say",
    "AllocationMismatch": "what jobs bear does not sum to the cost",
    "BoundUnproved": "the prices prove less than the bound claims",
    "PricesProveLess": "the prices prove less, without a search, than the plan says they do",
    "BoundAboveCost": "the bound is above the cost",
    "WithoutOptionMismatch": "the value of jobs without any option, left out of the gap, differs",
    "StatusUnproved": "called optimal, but less than the cost is proved",
    "PriceMismatch": "a price of mandate or battery differs from what a kWh is worth there",
    "CoverMalformed": "a price of a lifted cover row whose class, hours or job are none of it",
    "PriceNegative": "a price below zero where only prices of at least zero prove anything",
}

#: Relative tolerance of sums of energy and money.
TOLERANCE = 1e-6


class Fault(NamedTuple):
    """One fault of a plan."""

    token: str
    where: str
    found: float
    needed: float

    def __str__(self) -> str:
        """In words."""
        return f"{self.token} at {self.where}: found {self.found:.9g}, needed {self.needed:.9g}"


def above(
    token: str, axes: str, found: Floats | NDArray[np.int64], most: object, rel: float = TOLERANCE
) -> Iterator[Fault]:
    """A fault if `found` exceeds `most` anywhere: the worst place."""
    limit = np.broadcast_to(np.asarray(most, np.float64), found.shape)
    finite = np.where(np.isfinite(limit), np.abs(limit), 0.0)
    over = found - limit - rel * np.maximum(1.0, np.maximum(finite, np.abs(found)))
    yield from _worst(token, axes, over, found, limit, (over > 0) if rel else (found > limit))


def apart(token: str, axes: str, found: Floats, needed: Floats) -> Iterator[Fault]:
    """A fault if `found` and `needed` differ anywhere: the worst place."""
    off = np.abs(found - needed)
    bad = ~(off <= TOLERANCE * np.maximum(1.0, np.abs(needed)))
    yield from _worst(token, axes, off, found, needed, bad)


def _worst(
    token: str,
    axes: str,
    by: NDArray[np.float64],
    found: NDArray[np.generic],
    needed: NDArray[np.float64],
    bad: Bools,
) -> Iterator[Fault]:
    if bad.any():
        at = np.unravel_index(int(np.argmax(np.where(bad, by, -np.inf))), bad.shape)
        place = ", ".join(str(int(i)) for i in at)
        yield Fault(token, f"{axes} [{place}]", float(found[at]), float(needed[at]))


#: What a kWh missing to the mandate counts as in a bound where none may be missing: any price makes
#: a true bound there.
FORBIDDEN_YUAN_PER_KWH = 1000.0


class LoadLimits(NamedTuple):
    """The limits of one site's load, kWh of a step."""

    least_kwh: Floats
    up_kwh: float
    down_kwh: float
    #: inf = not known.
    before_kwh: float

    def outside_kwh(self, drawn: Floats) -> float:
        """Return the total distance of the loads of a site's steps from these limits."""
        total, last = 0.0, self.before_kwh
        for least, load in zip(self.least_kwh.tolist(), drawn.tolist(), strict=True):
            total += max(least - load, 0.0)
            if last < np.inf:
                total += max(load - last - self.up_kwh, 0.0) + max(last - load - self.down_kwh, 0.0)
            last = load
        return total


class QuotaTree(NamedTuple):
    """Quotas as a table: its first line is over all accelerators, the others for one each.

    The columns are queues. What a tenant's jobs take counts for the tenant and all queues above.
    """

    #: The most that each queue may use, by line, (1 or 1 + n_accelerators, n_tenants).
    most_h: Floats
    least_h: Floats
    below_yuan_per_h: Floats
    #: The queue above each; -1 = none.
    parent: Int64s
    #: The line of each class's accelerator; 0 where accelerators are not distinguished.
    line: Int64s

    def used(self, tenant: Any, klass: Any, amount: Any) -> Floats:
        """Accelerator-hours by line and queue, given those of some jobs on some classes."""
        each, out = np.zeros(self.most_h.shape), np.zeros(self.most_h.shape)
        np.add.at(each[0], tenant, amount)
        one = self.line[klass] > 0
        place = (self.line[klass][one], np.asarray(tenant)[one])
        np.add.at(each, place, np.asarray(amount)[one])
        for queues in self._upwards():
            here = queues >= 0
            for line in range(len(out)):
                np.add.at(out[line], queues[here], each[line, here])
        return out

    def along(self, values: Floats, klass: int, fold: np.ufunc) -> Floats:
        """Return `fold` of the values along each tenant's rows on a class, by tenant."""
        lines = sorted({0, int(self.line[klass])})
        out = np.full(len(self.parent), np.inf if fold is np.minimum else 0.0)
        for at in self._upwards():
            here = at >= 0
            for line in lines:
                out[here] = fold(out[here], values[line, at[here]])
        return np.asarray(out, np.float64)

    def path(self, tenant: int) -> list[int]:
        """The tenant's row and those above it."""
        out = [tenant]
        while self.parent[out[-1]] >= 0:
            out.append(int(self.parent[out[-1]]))
        return out

    def _upwards(self) -> Iterator[Int64s]:
        """Each tenant's own row, then the one above, and so on; -1 beyond the top."""
        at = np.arange(len(self.parent))
        while (at >= 0).any():
            yield at
            at = np.where(at >= 0, self.parent[at], -1)

    def prices(self, prices: Prices) -> Floats:
        """The prices of quotas in this form."""
        return np.concatenate([prices.quota[None], prices.quota_by_accelerator])


def quota_tree(problem: Problem) -> QuotaTree:
    """Read the quotas of a problem."""
    table = problem.quotas
    whole = np.minimum(
        table.upper_accelerator_h, table.lower_accelerator_h + table.borrowing_accelerator_h
    )
    most = np.concatenate([whole[None], table.upper_by_accelerator_h])
    least = np.concatenate([table.lower_accelerator_h[None], table.lower_by_accelerator_h])
    below = np.broadcast_to(table.below_yuan_per_accelerator_h, most.shape)
    line = problem.classes.accelerator.astype(np.int64) + 1
    line = line if len(most) > 1 else np.zeros_like(line)
    return QuotaTree(most, least, np.array(below), table.parent.astype(np.int64), line)


def by_step(problem: Problem) -> Problem:
    """The problem with its step as the unit of time: rates by the hour become rates by the step.

    A job ends by its deadline, and by the end of the last step.
    """
    if (problem.jobs.deadline > problem.hours).any():
        within = np.minimum(problem.jobs.deadline, problem.hours)
        jobs = dataclasses.replace(problem.jobs, deadline=within)
        problem = dataclasses.replace(problem, jobs=jobs)
    if problem.step_h == 1:
        return problem
    part, tables = float(problem.step_h), {}
    # Rates by the hour times the step; lengths in hours over it.
    rates = {
        "jobs": ("delay_yuan_per_h",),
        "classes": ("power_kw", "overhead_kw", "throughput"),
        "sites": (
            "connection_kw",
            "minimum_load_kw",
            "ramp_up_kw",
            "ramp_down_kw",
            "load_before_kw",
        ),
        "energy": ("battery_kw", "export_kw", "demand_paid_kw"),
        "quotas": ("below_yuan_per_accelerator_h",),
    }
    lengths = {
        "energy": ("demand_yuan_per_kw",),
        "quotas": (
            "upper_accelerator_h",
            "lower_accelerator_h",
            "borrowing_accelerator_h",
            "upper_by_accelerator_h",
            "lower_by_accelerator_h",
        ),
    }
    for name in rates:
        table = getattr(problem, name)
        columns = {c: getattr(table, c) * part for c in rates[name]}
        for c in lengths.get(name, ()):
            columns[c] = getattr(table, c) / part
        tables[name] = dataclasses.replace(table, **columns)
    return dataclasses.replace(problem, step_h=1.0, **tables)


def by_hour(values: Floats, hours: int) -> Floats:
    """A column by site, or by site and hour, as (n_sites, n_hours)."""
    return values if values.ndim == 2 else np.tile(values[:, None], (1, hours))


def kwh_by_class(problem: Problem) -> Floats:
    """Energy at the grid connection of one busy accelerator in an hour, (n_classes, n_hours)."""
    classes = problem.classes
    pue = by_hour(problem.sites.pue, problem.hours)
    return np.asarray((classes.power_kw + classes.overhead_kw)[:, None] * pue[classes.site])


def direct_yuan_per_kwh(problem: Problem) -> Floats:
    """Return what a kWh of each direct source costs, by source, site and hour."""
    price, hours = problem.energy.direct_yuan_per_kwh, problem.hours
    return price if price.ndim == 3 else np.repeat(price[:, :, None], hours, axis=2)


def lost_yuan_per_kwh(problem: Problem) -> Floats:
    """Return what a kWh of a direct source costs that is thrown away, by source, site and hour."""
    energy = problem.energy
    price = direct_yuan_per_kwh(problem) * energy.take_or_pay[:, :, None]
    return np.asarray(price + energy.curtailment_yuan_per_kwh[:, :, None])


def load_limits(problem: Problem) -> dict[int, LoadLimits]:
    """Read the limits of load, by the row of the sites that have any."""
    sites, out = problem.sites, {}
    least = by_hour(sites.minimum_load_kw, problem.hours)
    for s in range(len(sites)):
        up, down = float(sites.ramp_up_kw[s]), float(sites.ramp_down_kw[s])
        if least[s].any() or min(up, down) < np.inf:
            out[s] = LoadLimits(least[s], up, down, float(sites.load_before_kw[s]))
    return out


def gang_prices(prices: Prices) -> list[tuple[int, Floats]]:
    """List each size of gangs that has prices of its own, and these by class and hour.

    Powers of two where the prices do not name their sizes.
    """
    sizes = prices.gang_size.tolist() or [2 ** (k + 1) for k in range(len(prices.gang))]
    return list(zip(sizes, prices.gang, strict=True))


def largest_price(problem: Problem) -> float:
    """Return the largest price of a kWh in size, whatever it is of, yuan."""
    energy, mandate = problem.energy, problem.mandate
    columns = [name for name, spec in energy.columns().items() if spec.unit == "yuan/kWh"]
    found = [float(np.abs(getattr(energy, name)).max(initial=0.0)) for name in columns]
    if mandate.shortfall == "forbidden":
        found.append(FORBIDDEN_YUAN_PER_KWH)
    found += [float(problem.sites.load_limit_yuan_per_kwh[s]) for s in load_limits(problem)]
    found += [mandate.shortfall_yuan_per_kwh, problem.direct_rule.shortfall_yuan_per_kwh]
    return max(found)


def most_load_kwh(problem: Problem) -> Floats:
    """Load by site and hour with all accelerators busy that jobs could take, (n_sites, n_hours)."""
    most = problem.energy.base_load_kwh.copy()
    taken = np.minimum(problem.classes.capacity, problem.jobs.gang.astype(np.int64).sum())
    busy = taken * kwh_by_class(problem)
    for c, site in enumerate(problem.classes.site.tolist()):
        most[site] += busy[c]
    return most


class Scopes(NamedTuple):
    """The mandate: over each scope's sites, green + certificates + missing >= share * load + owed.

    Under the volume rule certificates may be retired, and exported direct power counts as green
    where its certificates are kept.
    """

    #: Which sites a scope pools, (n_scopes, n_sites).
    member: Bools
    share: float
    #: From earlier batches of the ledger, kWh; negative where more was green than was asked.
    owed_kwh: Floats
    yuan_per_kwh: float
    volume: bool
    #: Whether exported direct power counts.
    exports: bool


class RuledSites(NamedTuple):
    """The direct-connection rule: the sites under it and what it asks of each."""

    #: Their rows in the sites table, (n_ruled,).
    site: Int64s
    #: Direct energy that each is to use or store, kWh, (n_ruled,).
    used_kwh: Floats
    of_load: float
    yuan_per_kwh: float


def scopes(problem: Problem) -> Scopes:
    """The scopes of the mandate in ascending order of site, operator or region."""
    mandate, sites = problem.mandate, problem.sites
    new = sites.new if mandate.new is None else np.array(mandate.new, bool)
    pooled = sites.operator if mandate.scope == "operator" else sites.region
    labels = pooled.astype(np.int64) if mandate.scope != "site" else np.arange(len(new))
    member = [new & (labels == label) for label in sorted(set(labels[new].tolist()))]
    pools = np.array(member, bool).reshape(len(member), len(new))
    volume, price = mandate.rule == "volume", float(mandate.shortfall_yuan_per_kwh)
    owed = np.zeros(len(member))
    if mandate.ledger is not None:
        price = min(price, float(mandate.ledger.cap_yuan_per_kwh))
        owed = pools @ _owed_by_site(problem, volume=volume)
    if mandate.shortfall == "forbidden":
        price = FORBIDDEN_YUAN_PER_KWH
    exports = volume and problem.energy.exported_certificates == "kept"
    return Scopes(pools, float(mandate.share), owed, price, volume, exports)


def _owed_by_site(problem: Problem, *, volume: bool) -> Floats:
    """Return the energy each site's earlier batches still owe, kWh: share of load less green.

    A batch counts by the last of its entries, in the place of the first; the ledger's window counts
    the coming batch as well.
    """
    mandate = problem.mandate
    assert mandate.ledger is not None
    last = {}
    for entry in mandate.ledger.entries:
        last[entry.batch] = entry
    counting = list(last.values())
    first = max(len(counting) - (mandate.ledger.window - 1), 0)
    owed = dict.fromkeys([str(name) for name in problem.sites.name], 0.0)
    for entry in counting[first:]:
        for i, name in enumerate(entry.sites):
            if name in owed:
                owed[name] += mandate.share * entry.load_kwh[i] - entry.green_kwh[i]
                owed[name] -= entry.certificate_kwh[i] if volume else 0.0
    return np.array(list(owed.values()), np.float64)


def ruled(problem: Problem) -> RuledSites:
    """The sites that have direct power and are held to use it."""
    rule, direct = problem.direct_rule, problem.energy.direct_kwh.sum(axis=2).sum(axis=0)
    held = problem.sites.new if rule.sites is None else np.array(rule.sites, bool)
    if not (rule.used > 0 or rule.of_load > 0):
        held = np.zeros(len(direct), bool)
    site = np.flatnonzero(held & (direct > 0))
    return RuledSites(
        site, rule.used * direct[site], float(rule.of_load), float(rule.shortfall_yuan_per_kwh)
    )
