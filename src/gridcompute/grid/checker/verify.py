"""An independent look at a plan: feasibility, energy balance, accounts, cost and bound, all
recomputed.

Nothing here is shared with what made the plan: only the tables of the problem and plain sums, as
tests/test_architecture.py enforces. Each fault found carries a stable token, so that a log can be
searched for it.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from ..._certificate import Certificate
from ..._gap import relative_gap
from .bound import proof
from .marginal import groups_of, mandate_prices, storage_limits
from .pieces import Stretches, faulty_pieces, stretches
from .rules import (
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
from .running import fixed_rows, plain
from .search import searched_bound

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from ..plan.columns import Pieces
    from ..plan.data import PlanData
    from ..tables.column import Bools, Floats, Int32s
    from ..tables.problem import Problem

__all__ = ["FAULTS", "Fault", "PlanCertificate", "placement_faults", "verify"]

#: What a plan can be found guilty of.
FAULTS = {
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
    "CostPartMismatch": "a part of the cost that the plan shows differs from its recomputation",
    "ChargeMismatch": "what the plan charges a job differs from what its prices say",
    "AllocationMismatch": "what jobs bear does not sum to the cost",
    "BoundUnproved": "the prices prove less than the bound claims",
    "BoundAboveCost": "the bound is above the cost",
    "WithoutOptionMismatch": "the value of jobs without any option, left out of the gap, differs",
    "StatusUnproved": "called optimal, but less than the cost is proved",
    "PriceMismatch": "a price of mandate or battery differs from what a kWh is worth there",
    "PriceNegative": "a price below zero where only prices of at least zero prove anything",
}

#: Relative tolerance of sums of energy and money.
TOLERANCE = 1e-6
#: Tolerance of prices recomputed by differences of two optima: absolute in yuan, relative, and as
#: a part of the largest load at the largest price of energy, to which a solver is exact.
PRICE_TOLERANCE = 0.005, 0.02, 1e-8


class Fault(NamedTuple):
    """One thing wrong with a plan."""

    token: str
    where: str
    found: float
    needed: float

    def __str__(self) -> str:
        """In words."""
        return f"{self.token} at {self.where}: found {self.found:.9g}, needed {self.needed:.9g}"


@dataclasses.dataclass(frozen=True)
class PlanCertificate(Certificate):
    """What `Plan.verify` found, every number recomputed.

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
    """

    objective_yuan: float
    bound_yuan: float
    faults: tuple[Fault, ...]
    without_option_yuan: float = 0.0
    proved_by: str = "prices"

    @property
    def valid(self) -> bool:
        """True if nothing is wrong."""
        return not self.faults

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
        """The faults in words."""
        return tuple(str(fault) for fault in self.faults)

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
        return "\n".join(["not valid:", *(f"  {fault}" for fault in self.faults)])


class Placed(Protocol):
    """A problem with the class and first hour of each job."""

    @property
    def problem(self) -> Problem:
        """The problem."""

    @property
    def assignment(self) -> Int32s:
        """Class of each job, -1 = unplaced."""

    @property
    def start(self) -> Int32s:
        """First hour of each job, -1 = unplaced."""

    @property
    def pieces(self) -> Pieces | None:
        """Of the jobs that do not run whole."""


class PlacedJobs(NamedTuple):
    """A problem with the class and first hour of each job."""

    problem: Problem
    assignment: Int32s
    start: Int32s
    pieces: Pieces | None = None


def placement_faults(placed: Placed) -> list[Fault]:
    """Return what is wrong with the places of jobs alone: limits of each job, shared capacity."""
    whole = placed.problem
    placed = PlacedJobs(plain(whole), placed.assignment, placed.start, placed.pieces)
    faults = [*_pinned(whole, placed), *_placement(placed)]
    return faults or list(_resources(placed))


def verify(plan: PlanData) -> PlanCertificate:
    """Recompute everything a plan claims (see `Plan.verify`)."""
    claimed, whole, shown = plan, plan.problem, plan.table
    if whole.running is not None or whole.step_h != 1:
        plan = dataclasses.replace(plan, problem=plain(whole))
    faults = [*_pinned(whole, plan), *_placement(plan)]
    if not faults:  # with placements out of range the sums below mean nothing
        faults += [
            *_table(plan, shown(), whole.jobs.id),
            *_resources(plan),
            *_balance(plan),
            *_store(plan),
        ]
        faults += [*_mandate(plan), *_direct_rule(plan), *_account(plan)]
    malformed = any(f.token in ("PlacementMalformed", "PiecesMalformed") for f in faults)
    parts = {} if malformed else _cost(plan)
    cost = np.nan if malformed else float(np.sum(list(parts.values())))
    slack = TOLERANCE * max(1.0, abs(cost))
    if not abs(cost - plan.objective_yuan) <= slack:
        faults.append(Fault("CostMismatch", "objective_yuan", plan.objective_yuan, cost))
    if not faults:  # what is shown besides is compared with a sound plan's
        faults += _parts(claimed.costs, parts)
        faults += _charges(plan, shown(), cost - parts["unplaced"])
        faults += _prices(plan)
    faults += _signs(plan)
    bound, without_option = proof(whole, plan.prices)
    proved_by = "prices"
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
    if not abs(left_out - without_option) <= TOLERANCE * max(1.0, without_option):
        where = "without_option_yuan"
        faults.append(Fault("WithoutOptionMismatch", where, left_out, without_option))
    return PlanCertificate(float(cost), float(bound), tuple(faults), without_option, proved_by)


def _placed(plan: Placed) -> tuple[Int32s, Int32s, Int32s, Int32s]:
    """Placed jobs with their classes, first hours, and the hours that they take whole."""
    problem = plan.problem
    job = np.flatnonzero(plan.assignment >= 0).astype(np.int32)
    klass, start = plan.assignment[job], plan.start[job]
    speed = problem.classes.throughput[problem.jobs.family[job], klass]
    with np.errstate(divide="ignore", over="ignore"):
        hours = np.ceil(problem.jobs.work_h[job] / speed - 1e-9)
    return job, klass, start, np.clip(hours, 1, problem.hours + 1).astype(np.int32)


def _stretches(plan: Placed) -> Stretches:
    """When placed jobs run, in pieces or whole."""
    job, _, start, hours = _placed(plan)
    return stretches(job, start, hours, plan.pieces)


def _placement(plan: Placed) -> Iterator[Fault]:
    problem, jobs, classes = plan.problem, plan.problem.jobs, plan.problem.classes
    for array, size in ((plan.assignment, len(classes)), (plan.start, problem.hours)):
        bad = (array < -1) | (array >= size) | ((plan.assignment >= 0) != (plan.start >= 0))
        if bad.any():
            at = int(np.argmax(bad))
            yield Fault("PlacementMalformed", f"job {at}", float(array[at]), float(size - 1))
            return
    job, klass, start, hours = _placed(plan)
    if plan.pieces is not None:
        fault = faulty_pieces(jobs, job, start, hours, problem.hours, plan.pieces)
        if fault is not None:
            yield Fault(*fault)
            if fault[0] == "PiecesMalformed":
                return
    site, origin = classes.site[klass], jobs.origin[job]
    allowed = (jobs.residency[job] >> site.astype(np.int64)) & 1
    times = 2.0 if problem.corridors.latency_rule == "round_trip" else 1.0
    delay = times * problem.corridors.delay_ms[origin, site]
    speed, end = classes.throughput[jobs.family[job], klass], _stretches(plan).end
    checks: list[tuple[str, NDArray[np.bool_], NDArray[np.generic], NDArray[np.generic]]] = [
        ("WindowViolated", start < jobs.release[job], start, jobs.release[job]),
        ("WindowViolated", end > jobs.deadline[job], end, jobs.deadline[job]),
        ("FamilyUnsupported", speed <= 0, speed, np.ones_like(speed)),
        (
            "MemoryTooSmall",
            classes.memory_gb[klass] < jobs.memory_gb[job],
            classes.memory_gb[klass],
            jobs.memory_gb[job],
        ),
        ("ResidencyForbids", allowed == 0, site, jobs.residency[job]),
        ("LatencyTooHigh", delay > jobs.latency_ms[job], delay, jobs.latency_ms[job]),
    ]
    for token, bad, found, needed in checks:
        if bad.any():
            at = int(np.argmax(bad))
            where = f"job {job[at]} on class {klass[at]}"
            yield Fault(token, where, float(found[at]), float(needed[at]))


def _pinned(whole: Problem, plan: Placed) -> Iterator[Fault]:
    """Jobs that run and cannot move, where they are."""
    table = whole.running
    if table is None:
        return
    klass = dict(zip(table.id.tolist(), table.klass.tolist(), strict=True))
    for job in fixed_rows(whole).tolist():
        if (plan.assignment[job], plan.start[job]) != (klass[job], 0):
            found, needed = float(plan.assignment[job]), float(klass[job])
            yield Fault("PinnedMoved", f"job {job}", found, needed)
            return


def _table(
    plan: PlanData, shown: Mapping[str, NDArray[Any]], ids: NDArray[Any] | None
) -> Iterator[Fault]:
    """What the plan shows of its placed jobs, against its placements: every gang whole, once."""
    problem = plan.problem
    job, klass, start, _ = _placed(plan)
    runs = _stretches(plan)
    if not np.array_equal(shown["job"], job):
        yield Fault("TableMismatch", "rows of the table", len(shown["job"]), len(job))
        return
    gang = problem.jobs.gang[job]
    cut = problem.jobs.interruptible.any()
    more = (("end", runs.end), ("pieces", runs.resumed + 1)) if cut else ()
    checks: list[tuple[str, str, NDArray[Any]]] = [
        ("GangSplit", "gang", gang),
        ("GangSplit", "hours", runs.whole_h),
        ("TableMismatch", "klass", klass),
        ("TableMismatch", "site", problem.classes.site[klass]),
        ("TableMismatch", "start", start),
        ("TableMismatch", "tenant", problem.jobs.tenant[job]),
        *(("TableMismatch", name, needed) for name, needed in more),
    ]
    for token, name, needed in checks:
        off = np.flatnonzero(shown[name] != needed)
        if len(off):
            where = f"job {job[off[0]]}, {name}"
            yield Fault(token, where, float(shown[name][off[0]]), float(needed[off[0]]))
    off = np.flatnonzero(shown["id"] != (job if ids is None else ids[job]))
    if len(off):
        yield Fault("TableMismatch", f"job {job[off[0]]}, id", np.nan, float(job[off[0]]))
    by_site = np.bincount(shown["site"], shown["energy_kwh"], len(problem.sites)).astype(float)
    of_jobs = _jobs_load(plan).sum(axis=1)
    yield from _apart("TableMismatch", "energy_kwh of site", by_site, of_jobs)


def _resources(plan: Placed) -> Iterator[Fault]:
    problem, jobs = plan.problem, plan.problem.jobs
    job, klass, start, _ = _placed(plan)
    gang, runs = jobs.gang[job].astype(np.int64), _stretches(plan)
    change = np.zeros((len(problem.classes), problem.hours + 1), np.int64)
    np.add.at(change, (klass[runs.at], runs.start), gang[runs.at])
    np.add.at(change, (klass[runs.at], runs.start + runs.hours), -gang[runs.at])
    use = change.cumsum(axis=1)[:, : problem.hours]
    yield from _above("CapacityExceeded", "class, hour", use, problem.classes.capacity, 0.0)
    shape = problem.corridors.bandwidth_gb.shape
    wire = (jobs.origin[job], problem.classes.site[klass], start)
    sent = np.bincount(np.ravel_multi_index(wire, shape), jobs.data_gb[job], np.prod(shape))
    bandwidth = problem.corridors.bandwidth_gb
    yield from _above("CorridorExceeded", "origin, site, hour", sent.reshape(shape), bandwidth)
    tree = quota_tree(problem)
    used = tree.used(jobs.tenant[job], klass, gang * runs.whole_h)
    yield from _above("QuotaExceeded", "tenant", used[0], tree.most_h[0])
    where = "accelerator, tenant"
    yield from _above("QuotaExceeded", where, used[1:], tree.most_h[1:])


def _load(plan: PlanData) -> Floats:
    """What base load and placed jobs need, kWh by site and hour."""
    return plan.problem.energy.base_load_kwh + _jobs_load(plan)


def _jobs_load(plan: PlanData) -> Floats:
    """What placed jobs need, kWh by site and hour."""
    problem = plan.problem
    job, klass, _, _ = _placed(plan)
    runs = _stretches(plan)
    gang, klass = problem.jobs.gang[job][runs.at].astype(np.float64), klass[runs.at]
    change = np.zeros((len(problem.classes), problem.hours + 1))
    np.add.at(change, (klass, runs.start), gang)
    np.add.at(change, (klass, np.minimum(runs.start + runs.hours, problem.hours)), -gang)
    busy = change.cumsum(axis=1)[:, : problem.hours]
    load = np.zeros_like(problem.energy.base_load_kwh)
    np.add.at(load, problem.classes.site, busy * kwh_by_class(problem))
    return load


def _balance(plan: PlanData) -> Iterator[Fault]:
    d, energy, sites = plan.dispatch, plan.problem.energy, plan.problem.sites
    for name in d.columns():
        yield from _above("NegativeEnergy", name, -getattr(d, name), np.zeros(1))
    source = d.direct_kwh + d.direct_charge_kwh + d.exported_kwh + d.curtailed_kwh
    yield from _apart("SourceImbalance", "source, site, hour", source, energy.direct_kwh)
    exported = d.exported_kwh.sum(axis=0)
    yield from _above(
        "ExportForbidden", "site, hour", exported * (energy.export_yuan_per_kwh <= 0), 0
    )
    yield from _above("ExportExceeded", "site, hour", exported, energy.export_kw[:, None])
    bundled = d.bundled_kwh + d.bundled_charge_kwh
    yield from _above("BundledExceeded", "site, hour", bundled, energy.bundled_kwh)
    volume = energy.bundled_volume_kwh
    yield from _above("VolumeExceeded", "site", bundled.sum(axis=1), volume)
    used = d.direct_kwh.sum(axis=0) + d.bundled_kwh + d.grid_kwh
    used = used + d.green_discharge_kwh + d.grey_discharge_kwh + d.shed_kwh
    load = _load(plan)
    yield from _apart("LoadImbalance", "site, hour", used, load)
    green = d.direct_kwh.sum(axis=0) + d.bundled_kwh + d.green_discharge_kwh
    yield from _above("GreenAboveLoad", "site, hour", green, load)
    yield from _above("ShedTooMuch", "site, hour", d.shed_kwh, energy.shed_kwh)
    drawn = d.grid_kwh + d.grid_charge_kwh
    yield from _above("ConnectionExceeded", "site, hour", drawn, sites.connection_kw[:, None])


def _store(plan: PlanData) -> Iterator[Fault]:
    d, energy = plan.dispatch, plan.problem.energy
    green_in = d.direct_charge_kwh.sum(axis=0) + d.bundled_charge_kwh
    colours = (
        (energy.green_start_kwh, green_in, d.green_discharge_kwh, d.green_stored_kwh),
        (energy.grey_start_kwh, d.grid_charge_kwh, d.grey_discharge_kwh, d.grey_stored_kwh),
    )
    for first, taken, given, stored in colours:
        kept = energy.charge_efficiency[:, None] * taken
        drawn = given / energy.discharge_efficiency[:, None]
        expected = first[:, None] + (kept - drawn).cumsum(axis=1)
        yield from _apart("StoreImbalance", "site, hour", stored, expected)
        earned = energy.discharge_efficiency * (first + kept.sum(axis=1))
        yield from _above("DischargeUnearned", "site", given.sum(axis=1), earned)
        if energy.terminal == "cyclic":
            yield from _above("TerminalViolated", "site", first, stored[:, -1])
    both = d.green_stored_kwh + d.grey_stored_kwh
    yield from _above("StoreTooFull", "site, hour", both, energy.battery_kwh[:, None])
    for flow in (green_in + d.grid_charge_kwh, d.green_discharge_kwh + d.grey_discharge_kwh):
        yield from _above("StorePowerExceeded", "site, hour", flow, energy.battery_kw[:, None])


def _mandate(plan: PlanData) -> Iterator[Fault]:
    d, rows = plan.dispatch, scopes(plan.problem)
    if d.missing_kwh.shape != rows.owed_kwh.shape:
        sizes = float(d.missing_kwh.size), float(rows.owed_kwh.size)
        yield Fault("MandateUnaccounted", "number of scopes", *sizes)
        return
    green = d.direct_kwh.sum(axis=0) + d.bundled_kwh + d.green_discharge_kwh
    if rows.exports:
        green = green + d.exported_kwh.sum(axis=0)
    if not rows.volume:
        yield from _above("CertificateForbidden", "scope", d.certificate_kwh, 0)
    have = rows.member @ green.sum(axis=1) + d.certificate_kwh
    asked = rows.share * (rows.member @ _load(plan).sum(axis=1)) + rows.owed_kwh
    yield from _above("MandateUnaccounted", "scope", asked, have + d.missing_kwh)
    short = np.maximum(asked - have, 0.0)
    slack = TOLERANCE * np.maximum(1.0, np.abs(asked))
    yield from _above("ShortfallOverstated", "scope", d.missing_kwh, short + slack)
    if plan.problem.mandate.shortfall == "forbidden":
        yield from _above("MandateBroken", "scope", np.maximum(d.missing_kwh, short - slack), 0)


def _direct_rule(plan: PlanData) -> Iterator[Fault]:
    d, rows = plan.dispatch, ruled(plan.problem)
    used = d.direct_kwh.sum(axis=(0, 2))
    taken = used + d.direct_charge_kwh.sum(axis=(0, 2))
    asked_use, asked_load = np.zeros(len(used)), np.zeros(len(used))
    asked_use[rows.site] = rows.used_kwh
    asked_load[rows.site] = rows.of_load * _load(plan).sum(axis=1)[rows.site]
    for where, asked, have, reported in (
        ("own power used at site", asked_use, taken, d.direct_use_short_kwh),
        ("own power of load at site", asked_load, used, d.direct_load_short_kwh),
    ):
        yield from _above("DirectRuleUnaccounted", where, asked, have + reported)
        slack = TOLERANCE * np.maximum(1.0, asked)
        most = np.maximum(asked - have, 0.0) + slack
        yield from _above("ShortfallOverstated", where, reported, most)


def _account(plan: PlanData) -> Iterator[Fault]:
    """The green numbers, site by site in plain sums, against those the plan shows."""
    problem, d, rows = plan.problem, plan.dispatch, scopes(plan.problem)
    load, shown = _load(plan).sum(axis=1), plan.green
    carbon = by_hour(problem.sites.carbon_g_per_kwh, problem.hours)
    if d.missing_kwh.shape != rows.owed_kwh.shape:
        return  # a fault by itself
    for s in range(len(problem.sites)):
        direct, bundled = d.direct_kwh[:, s].sum(), d.bundled_kwh[s].sum()
        green = direct + bundled + d.green_discharge_kwh[s].sum()
        grey = d.grid_kwh[s] + d.grey_discharge_kwh[s]
        clean = (grey * problem.energy.grid_green_share[s]).sum()
        retired = missing = 0.0
        for q in np.flatnonzero(rows.member[:, s]):
            pooled = load[rows.member[q]].sum()
            part = load[s] / pooled if pooled > 0 else 0.0
            retired += part * d.certificate_kwh[q]
            missing += part * d.missing_kwh[q]
        claimed = green + retired
        claimed = claimed + d.exported_kwh[:, s].sum() if rows.exports else min(claimed, load[s])
        drawn = d.grid_kwh[s] + d.grid_charge_kwh[s]
        grams = (drawn * carbon[s]).sum()
        over = load[s] if load[s] > 0 else 1.0
        for name, needed in (
            ("load_kwh", load[s]),
            ("n1_statutory", claimed / over),
            ("n2_hourly", green / over),
            ("n3_cfe", (green + clean) / over),
            ("n4_tco2", grams / 1e6),
            ("shortfall_kwh", missing),
        ):
            found = float(shown[name][s])
            if not abs(found - needed) <= TOLERANCE * max(1.0, abs(needed)):
                yield Fault("AccountMismatch", f"{name} of site {s}", found, float(needed))
                return


def _cost(plan: PlanData) -> dict[str, float]:
    """What the plan costs, part by part, from its placements and its dispatch alone."""
    problem, jobs, d = plan.problem, plan.problem.jobs, plan.dispatch
    energy = problem.energy
    job, klass, _, hours = _placed(plan)
    runs = _stretches(plan)
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
    """What loads outside the limits of their sites cost, yuan."""
    limits = load_limits(plan.problem)
    if not limits:
        return 0.0
    drawn, price = _load(plan) - plan.dispatch.shed_kwh, plan.problem.sites.load_limit_yuan_per_kwh
    return sum(float(price[s]) * limit.outside_kwh(drawn[s]) for s, limit in limits.items())


def _moved(plan: PlanData) -> Bools:
    """Which placed jobs are no longer where they were."""
    jobs = plan.problem.jobs
    job, klass, start, _ = _placed(plan)
    other = (jobs.placed_class[job] != klass) | (jobs.placed_start[job] != start)
    return np.asarray((jobs.placed_class[job] >= 0) & other)


def _parts(shown: Mapping[str, float], parts: Mapping[str, float]) -> Iterator[Fault]:
    """The parts of the cost that the plan shows."""
    whole = sum(abs(yuan) for yuan in parts.values())
    for name in sorted(shown.keys() | parts.keys()):
        found, needed = shown.get(name, np.nan), parts.get(name, np.nan)
        if not abs(found - needed) <= TOLERANCE * max(1.0, whole):
            yield Fault("CostPartMismatch", name, found, needed)
            return


def _charges(
    plan: PlanData, shown: Mapping[str, NDArray[Any]], borne_yuan: float
) -> Iterator[Fault]:
    """What placed jobs are charged at the margin, and what they bear of the cost in all."""
    problem, jobs, prices = plan.problem, plan.problem.jobs, plan.prices
    job, klass, start, hours = _placed(plan)
    runs = _stretches(plan)
    site, gang = problem.classes.site[klass], jobs.gang[job].astype(np.float64)
    origin, data = jobs.origin[job], jobs.data_gb[job]
    charge = problem.corridors.price_yuan_per_gb[origin, site] * data
    charge = charge + jobs.delay_yuan_per_h[job] * (runs.end - hours - jobs.release[job])
    charge = charge + jobs.restart_yuan[job] * runs.resumed
    charge = charge + np.where(_moved(plan), jobs.migration_yuan[job], 0.0)
    scarce = prices.corridor[origin, site, start] * data
    tree = quota_tree(problem)
    for c in np.unique(klass).tolist():
        on = klass == c
        held = tree.along(tree.prices(prices), c, np.add)[jobs.tenant[job[on]]]
        scarce[on] += held * gang[on] * runs.whole_h[on]
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
        yield from _apart("ChargeMismatch", f"{name} of row", shown[name], needed)
    if len(job):
        borne = np.array([shown["allocated_yuan"].sum()])
        yield from _apart("AllocationMismatch", "allocated_yuan", borne, np.array([borne_yuan]))


def _prices(plan: PlanData) -> Iterator[Fault]:
    """The prices of the mandate and of batteries, by what a kWh more or less is worth."""
    load, prices = _load(plan), plan.prices
    absolute, relative, part = PRICE_TOLERANCE
    absolute += part * max(1.0, float(load.max())) * largest_price(plan.problem)
    groups = groups_of(plan.problem, load)
    needed = mandate_prices(plan.problem, groups)
    for q, (found, right) in enumerate(zip(prices.mandate, needed, strict=True)):
        for k, side in enumerate(("left", "right")):
            if not abs(found[k] - right[k]) <= absolute + relative * abs(right[k]):
                yield Fault("PriceMismatch", f"mandate, scope {q}, {side}", found[k], right[k])
                return
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


def _signs(plan: PlanData) -> Iterator[Fault]:
    tree = quota_tree(plan.problem)
    yield from _above("PriceNegative", "capacity price", -plan.prices.capacity, np.zeros(1))
    yield from _above("PriceNegative", "corridor price", -plan.prices.corridor, np.zeros(1))
    yield from _above(
        "PriceNegative", "quota price", -tree.prices(plan.prices), tree.below_yuan_per_h
    )


def _above(
    token: str, axes: str, found: Floats | NDArray[np.int64], most: object, rel: float = TOLERANCE
) -> Iterator[Fault]:
    """A fault if `found` exceeds `most` anywhere: the worst place."""
    limit = np.broadcast_to(np.asarray(most, np.float64), found.shape)
    finite = np.where(np.isfinite(limit), np.abs(limit), 0.0)
    over = found - limit - rel * np.maximum(1.0, np.maximum(finite, np.abs(found)))
    yield from _worst(token, axes, over, found, limit, (over > 0) if rel else (found > limit))


def _apart(token: str, axes: str, found: Floats, needed: Floats) -> Iterator[Fault]:
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
