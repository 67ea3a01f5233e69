"""Explanations: a job's options in yuan, why jobs are not placed, a plan by site and hour.

Each unplaced job has the stable token of one reason: of room first, of prices second.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ..._extras import extra
from ..._html import paragraphs
from ..._value import Tabular
from ...errors import InfeasibleError
from ..checker.bound import cheapest
from ..eligibility import (
    BLOCK,
    REASONS,
    REASONS_UNPLACED,
    filtered,
    hours_needed,
    least_free,
    open_starts,
)
from ..interruption import cheapest_cuts
from ..planner.cut_market import cuts_of, hourly_yuan, rent_yuan
from ..planner.dispatch_lp import EnergyBlock
from ..planner.state import load_of, plan_cost, slack_kwh
from ..tables.problem import load_excess
from .account import covers_paid
from .columns import Pieces
from .queues import queue_of, short_queue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import pyarrow as pa

    from ..tables.column import Bools, Floats, Int32s, Int64s
    from .data import PlanData


class HourlyTable(Tabular):
    """A row for each site and hour of a plan, site by site; `to_arrow` says the columns."""

    def __init__(self, plan: PlanData) -> None:
        self._plan = plan

    def __len__(self) -> int:
        return len(self._plan.problem.sites) * self._plan.problem.hours

    def __repr__(self) -> str:
        problem = self._plan.problem
        return f"<HourlyTable: {len(problem.sites)} sites x {problem.hours} hours>"

    def to_arrow(self) -> pa.Table:
        """Return the table as a pyarrow Table; needs pyarrow.

        Returns
        -------
        pyarrow.Table
            ``site``, ``site_name``, ``hour``, ``time`` (text, where the problem has a start);
            ``load_kwh`` and what carries it: ``direct_kwh``, ``bundled_kwh``, ``grid_kwh``,
            ``green_discharge_kwh``, ``grey_discharge_kwh``; ``charge_kwh``, ``stored_kwh``,
            ``exported_kwh``, ``curtailed_kwh``; ``price_yuan_per_kwh``; ``carbon_g_per_kwh`` of
            the grid. Where a site's load has limits, also ``below_minimum_kwh`` and
            ``ramp_excess_kwh``, what the load lacks to its minimum and by how much it changes
            faster than it may.
        """
        with extra("grid"):
            import pyarrow as pa

        plan = self._plan
        problem, d = plan.problem, plan.dispatch
        n, hours = len(problem.sites), problem.hours
        columns: dict[str, Any] = {
            "site": np.repeat(np.arange(n, dtype=np.int32), hours),
            "site_name": pa.array(np.repeat(problem.sites.name, hours)),
            "hour": np.tile(np.arange(hours, dtype=np.int32), n),
        }
        times = [problem.time(h) for h in range(hours)]
        if times[0] is not None:
            columns["time"] = pa.array([t.isoformat() for t in times if t is not None] * n)
        charge = d.direct_charge_kwh.sum(axis=0) + d.bundled_charge_kwh + d.grid_charge_kwh
        by_site_hour = {
            "load_kwh": d.load_kwh,
            "direct_kwh": d.direct_kwh.sum(axis=0),
            "bundled_kwh": d.bundled_kwh,
            "grid_kwh": d.grid_kwh,
            "green_discharge_kwh": d.green_discharge_kwh,
            "grey_discharge_kwh": d.grey_discharge_kwh,
            "charge_kwh": charge,
            "stored_kwh": d.green_stored_kwh + d.grey_stored_kwh,
            "exported_kwh": d.exported_kwh.sum(axis=0),
            "curtailed_kwh": d.curtailed_kwh.sum(axis=0),
            "price_yuan_per_kwh": plan.prices.energy,
            "carbon_g_per_kwh": problem.carbon_g_per_kwh,
        }
        if problem.sites.limits_load.any():
            outside = load_excess(problem.stepped, d.load_kwh - d.shed_kwh)
            by_site_hour["below_minimum_kwh"] = outside.below_kwh
            by_site_hour["ramp_excess_kwh"] = outside.beyond_kwh
        columns |= {name: values.reshape(-1) for name, values in by_site_hour.items()}
        return pa.table(columns)


#: The prices that stand behind each token of `REASONS_UNPLACED`, in its order.
RENTS = (
    ("quota", "quota_by_accelerator"),
    ("capacity", "gang", "cover_yuan"),
    ("corridor",),
)


def unplaced_reasons(plan: PlanData) -> dict[int, str]:
    """For each unplaced job a token of `REASONS` if it has no option, else of `REASONS_UNPLACED`.

    With options, the reason is the first thing (quota, capacity, corridor) that the jobs placed
    leave too little of for any option. Where room is left, it is the thing without whose price the
    job's cheapest option would be cheapest; or "NotWorthIt" if even without rents the job is worth
    less. A job that cannot end within the batch, and need not, is "LeftForLater".
    """
    late = plan.problem.jobs.deadline > plan.problem.hours
    short = list(REASONS).index("WindowTooShort")
    unplaced = np.flatnonzero(plan.assignment < 0)
    tokens, soft_tokens = list(REASONS), list(REASONS_UNPLACED)
    out: dict[int, str] = {}
    for first in range(0, len(unplaced), BLOCK):
        block = unplaced[first : first + BLOCK]
        hard, soft = _by_room(plan, block)
        priced = np.flatnonzero((hard < 0) & (soft < 0))
        soft[priced] = _by_price(plan, block[priced])
        waits = late[block] & (hard == short)
        hard[waits], soft[waits] = -1, soft_tokens.index("LeftForLater")
        for job, h, s in zip(block.tolist(), hard.tolist(), soft.tolist(), strict=True):
            out[job] = tokens[h] if h >= 0 else soft_tokens[s]
    return out


def _by_room(plan: PlanData, index: Int64s) -> tuple[Int32s, Int32s]:
    """The filter at which no option was left, and the scarce thing; -1 = none."""
    problem, free = plan.problem.effective, plan.free
    jobs = problem.jobs
    left, hard = filtered(problem, index)
    kinds = problem.quotas.linear_rows.model(problem.classes.accelerator)
    need, quota = hours_needed(problem, index), free.accelerator_h[jobs.tenant[index]][:, kinds]
    soft = np.full(len(index), -1, np.int32)
    filters: list[Callable[[], Bools]] = [
        lambda: jobs.gang[index][:, None] * need.astype(np.float64) <= quota,
        lambda: open_starts(problem, index, need, left, free.accelerators, None) > 0,
        lambda: open_starts(problem, index, need, left, free.accelerators, free.data_gb) > 0,
    ]
    for k, passes in enumerate(filters):
        left &= passes()
        soft[(soft < 0) & ~left.any(axis=1)] = k
    return hard, soft


def _by_price(plan: PlanData, index: Int64s) -> Int32s:
    """The thing whose price keeps each job out."""
    problem, prices = plan.problem, plan.prices
    nothing = [{name: np.zeros_like(getattr(prices, name)) for name in names} for names in RENTS]
    none = {name: zeros for part in nothing for name, zeros in part.items()}
    own = cheapest(problem, prices.replace(**none), index)
    without = [cheapest(problem, prices.replace(**part), index) for part in nothing]
    reason = np.argmin(without, axis=0).astype(np.int32)
    dear = own >= problem.jobs.value_yuan[index]
    return np.where(dear, len(RENTS), reason).astype(np.int32)


#: Why a job that runs and cannot move has no option elsewhere.
PINNED = "Pinned"

#: The parts of an option's price, in the order printed.
PARTS = {
    "energy": "its energy, without the mandate; what it does for limits of load is in it",
    "mandate": "what the green mandate asks for its load, or brings in for using green power",
    "capacity": "what its accelerator-hours are worth to others",
    "transfer": "moving its data",
    "corridor": "what its share of the corridor is worth to others",
    "quota": "what its share of the quotas it counts in is worth to other jobs",
    "delay": "starting after its release, or being done later by breaks",
    "migration": "not staying where it was",
    "restart": "going on after breaks",
}


@dataclasses.dataclass(frozen=True)
class Offer:
    """One option of a job with its price, part by part.

    Parameters
    ----------
    klass, site, start, hours : int
        `hours` counts those of all pieces.
    parts : mapping of str to float
        Yuan by the names of `PARTS`.
    lacks : str
        What the jobs placed leave too little of for it, as a token of `REASONS_UNPLACED`:
        "QuotaReached", "CapacityTaken" or "CorridorTaken"; "" where there is room.
    pieces : tuple of (int, int)
        First hour and hours of each piece, where there are several.
    queue : str
        The queue whose quota leaves too little.
    alone_yuan : float or None
        What the plan would cost more were this job here and all others where they are, each site's
        power dispatched again; inf where no dispatch serves it or keeps a mandate that must be
        kept, None of the option taken and where there is no room.
    """

    klass: int
    site: int
    start: int
    hours: int
    parts: Mapping[str, float]
    lacks: str = ""
    pieces: tuple[tuple[int, int], ...] = ()
    queue: str = ""
    alone_yuan: float | None = None

    @property
    def fits(self) -> bool:
        """Whether it fits beside the placed jobs."""
        return not self.lacks

    @property
    def yuan(self) -> float:
        """The whole price."""
        return sum(self.parts.values())


@dataclasses.dataclass(frozen=True)
class Explanation:
    """The result of `Plan.explain`; `str()` gives it in words.

    Parameters
    ----------
    job : int
    taken : Offer or None
        The option the job has in the plan.
    reason : str or None
        The token of an unplaced job.
    value_yuan : float
        Cost of leaving the job out.
    best : mapping of str to Offer
        By site name, the cheapest option there.
    shut : mapping of str to str
        By site name, the token of `REASONS` why there is no option there, or "Pinned" if the job
        runs and cannot move.
    """

    job: int
    taken: Offer | None
    reason: str | None
    value_yuan: float
    best: Mapping[str, Offer]
    shut: Mapping[str, str]
    names: tuple[tuple[str, ...], tuple[str, ...]] = dataclasses.field(repr=False)
    #: When the job starts, as text; empty for a batch without a start.
    time: str = ""
    #: The queue whose quota is the reason that the job is left out; empty if none is.
    queue: str = ""
    #: Hours in a step of the batch.
    step_h: float = 1.0
    #: The job's id as text; empty where jobs have none.
    id: str = ""
    #: Whether its deadline lies after the batch, so that it may run in a later one.
    may_wait: bool = False

    def __str__(self) -> str:
        """In words: a line for each site with an option, the cheapest first, and each reason.

        Every price is that of one option with all of its parts; beside it stands what it is more
        or less than the price of the option taken, or than the value of a job left out. Prices are
        those of the last unit of all jobs; what this job alone would change, which may be far more
        at an idle site, stands behind them.
        """
        lines, mine = [self._headline()], self.taken
        for name, offer in sorted(self.best.items(), key=lambda item: item[1].yuan):
            if mine is not None and (offer.klass, offer.start, offer.pieces) == (
                mine.klass,
                mine.start,
                mine.pieces,
            ):
                continue
            option = f"on {self.names[1][offer.klass]} from {self._unit} {offer.start}"
            lines.append(f"  at {name}, {option}: {_priced(offer)}, {self._beside(offer)}")
        for token, why_not in {**REASONS, PINNED: "it runs already and cannot move"}.items():
            where = [name for name, why in self.shut.items() if why == token]
            if where:
                lines.append(f"  not at {', '.join(where)}: {token}, {why_not}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return paragraphs(str(self))

    @property
    def _called(self) -> str:
        """Return the caller's name of the job; a number that is no row is shown beside the row."""
        if not self.id:
            return f"job {self.job}"
        number = self.id.removeprefix("-").isdecimal()
        return f"job {self.id} (row {self.job})" if number else self.id

    @property
    def _unit(self) -> str:
        return "hour" if self.step_h == 1 else "step"

    def _beside(self, offer: Offer) -> str:
        """Compare a price with that of the job's place in the plan; say what the option lacks."""
        base, what = self.value_yuan, "leaving it out"
        if self.taken is not None:
            base, what = self.taken.yuan, "where it runs"
        more = round(offer.yuan - base, 2)
        words = f"{abs(more):.2f} {'more' if more > 0 else 'less'} than {what}"
        words = words if more else f"as much as {what}"
        if offer.lacks:
            queue = f", queue {offer.queue}" if offer.queue else ""
            return f"{words}; no room: {offer.lacks}{queue}"
        alone = offer.alone_yuan
        if alone is None:
            return words
        act = "placing" if self.taken is None else "moving"
        if math.isinf(alone):
            return f"{words}; {act} it alone cannot be done: its power cannot be had there"
        what = f"{'costs' if alone > 0 else 'saves'} {abs(alone):.2f}"
        return f"{words}; {act} it alone {what if round(alone, 2) else 'costs nothing'}"

    def _headline(self) -> str:
        if self.taken is None:
            why = f"{self.reason}, queue {self.queue}" if self.queue else str(self.reason)
            costs = f"that costs its value, {self.value_yuan:.2f} yuan"
            later = "; it may run in a later batch" if self.may_wait else ""
            return f"{self._called} is left out ({why}): {costs}{later}"
        sites, classes = self.names
        offer, unit = self.taken, self._unit
        where = f"{sites[offer.site]} on {classes[offer.klass]}"
        length = f"{offer.hours * self.step_h:g} h"
        when = f"{unit} {offer.start}{self.time and f' ({self.time})'}, {length}"
        if offer.pieces:
            spans = ", ".join(f"{t} to {t + n - 1}" if n > 1 else f"{t}" for t, n in offer.pieces)
            when += f" in {len(offer.pieces)} pieces ({unit}s {spans})"
        return f"{self._called} runs at {where} from {when}: {_priced(offer)}"


def _priced(offer: Offer) -> str:
    """Return an option's price, and those of its parts that are not 0, as text."""
    parts = ", ".join(f"{p} {offer.parts[p]:.2f}" for p in PARTS if abs(offer.parts[p]) >= 0.005)
    return f"price {offer.yuan + 0.0:.2f} yuan" + (f" ({parts})" if parts else "")


def explain(plan: PlanData, job: int, reasons: Callable[[], dict[int, str]]) -> Explanation:
    """Every site's best option for one job at the plan's prices (see `Plan.explain`)."""
    problem = plan.problem.effective
    jobs, classes = problem.jobs, problem.classes
    index = np.array([job])
    left, _ = filtered(problem, index)
    need = hours_needed(problem, index)[0]
    whole = least_free(classes.capacity)
    taken = None
    if plan.assignment[job] >= 0:
        c = int(plan.assignment[job])
        taken = _offer(plan, job, c, np.flatnonzero(plan.busy(job)), int(need[c]))
    best: dict[str, Offer] = {}
    cut = bool(jobs.interruptible[job])
    for offer in _cut_offers(plan, job, left[0], need) if cut else ():
        name = str(problem.sites.name[offer.site])
        if name not in best or offer.yuan < best[name].yuan:
            best[name] = offer
    for c in [] if cut else np.flatnonzero(left[0]).tolist():
        d, name = int(need[c]), str(problem.sites.name[classes.site[c]])
        for t in range(int(jobs.release[job]), int(jobs.deadline[job]) - d + 1):
            wire = problem.corridors.bandwidth_gb[jobs.origin[job], classes.site[c], t]
            if whole[d, c, t] < jobs.gang[job] or jobs.data_gb[job] > wire:
                continue
            offer = _offer(plan, job, int(c), np.arange(t, t + d), d)
            if name not in best or offer.yuan < best[name].yuan:
                best[name] = offer
    best = _beside_the_others(plan, job, taken, best)
    shut = {}
    for s, name in enumerate(problem.sites.name):
        if str(name) not in best:
            filter_ = int(filtered(problem, index, classes.site == s)[1][0])
            shut[str(name)] = PINNED if plan.problem.pinned[job] else list(REASONS)[filter_]
    names = tuple(str(n) for n in problem.sites.name)
    kinds = tuple(classes.accelerator_names[a] for a in classes.accelerator)
    token = None if taken is not None else reasons()[job]
    value = float(jobs.value_yuan[job])
    time = None if taken is None else plan.problem.time(taken.start)
    when = "" if time is None else time.isoformat(" ", "minutes")
    queue = queue_of(plan, job, token)
    names_of = (names, kinds)
    step = plan.problem.step_h
    id_ = "" if plan.problem.jobs.id is None else str(plan.problem.jobs.id[job])
    wait = bool(plan.problem.jobs.deadline[job] > plan.problem.hours)
    return Explanation(job, taken, token, value, best, shut, names_of, when, queue, step, id_, wait)


def _cut_offers(plan: PlanData, job: int, left: Bools, need: Int32s) -> Iterator[Offer]:
    """The cheapest way to run an interruptible job at each class, whole or in pieces."""
    problem, prices = plan.problem.effective, plan.prices
    jobs, classes = problem.jobs, problem.classes
    klass = np.flatnonzero(left)
    if not len(klass):
        return
    index = np.full(len(klass), job)
    hourly = hourly_yuan(
        problem,
        index,
        klass,
        rent_yuan(prices, jobs.gang[index], klass),
        prices.energy,
        problem.quotas.linear_rows.paid(prices.quota_rows),
    )
    cuts = cuts_of(
        problem,
        index,
        klass,
        need[klass],
        hourly,
        prices.corridor[jobs.origin[job], classes.site[klass]],
        classes.capacity,
        problem.corridors.bandwidth_gb,
    )
    yuan, busy = cheapest_cuts(cuts, traced=True)
    for k in np.flatnonzero(np.isfinite(yuan)).tolist():
        c, hours = int(klass[k]), np.flatnonzero(busy[k])
        yield _offer(plan, job, c, hours, int(need[c]))


def _beside_the_others(
    plan: PlanData, job: int, taken: Offer | None, best: Mapping[str, Offer]
) -> dict[str, Offer]:
    """Return the options with what they lack, or with what the plan would cost more by them."""
    out, roomy, places = {}, [], [(plan.assignment, plan.start, plan.pieces)]
    for name, offer in best.items():
        spans = offer.pieces or ((offer.start, offer.hours),)
        hours = np.concatenate([np.arange(t, t + n) for t, n in spans])
        lacks, queue = _lacks(plan, job, offer.klass, hours)
        out[name] = dataclasses.replace(offer, lacks=lacks, queue=queue)
        here = taken is not None and (offer.klass, spans) == (
            taken.klass,
            taken.pieces or ((taken.start, taken.hours),),
        )
        if not (lacks or here):
            roomy.append(name)
            places.append(_moved(plan, job, offer))
    if not roomy:
        return out
    problem = plan.problem.effective
    loads = [load_of(problem, *place) for place in places]
    block = EnergyBlock(problem).for_load(np.maximum.reduce(loads))

    def cost(place: tuple[Int32s, Int32s, Pieces | None], load: Floats) -> float:
        try:
            dispatch = block.serve(load).dispatch
        except InfeasibleError:
            return math.inf
        hard = problem.mandate.shortfall == "forbidden"
        if hard and (dispatch.missing_kwh > slack_kwh(problem, load)).any():
            return math.inf
        klass, start, pieces = place
        return plan_cost(problem, klass, start, dispatch, pieces)

    now, *then = map(cost, places, loads)
    for name, yuan in zip(roomy, then, strict=True):
        out[name] = dataclasses.replace(out[name], alone_yuan=yuan - now)
    return out


def _moved(plan: PlanData, job: int, offer: Offer) -> tuple[Int32s, Int32s, Pieces | None]:
    """Return the plan's placement with one job at another option."""
    klass, start, pieces = plan.assignment.copy(), plan.start.copy(), plan.pieces
    klass[job], start[job] = offer.klass, offer.start
    rows = [] if pieces is None else list(zip(pieces.job, pieces.start, pieces.hours, strict=True))
    rows = [row for row in rows if row[0] != job] + [(job, *piece) for piece in offer.pieces]
    if not rows:
        return klass, start, None
    of, first, length = np.array(sorted(rows), np.int32).T
    return klass, start, Pieces(job=of, start=first, hours=length)


def _offer(plan: PlanData, job: int, c: int, hours: Int64s, d: int) -> Offer:
    """The price of one option, in these hours at class `c`, where the whole job takes `d`."""
    problem, prices = plan.problem.effective, plan.prices
    jobs = problem.jobs
    site, origin = int(problem.classes.site[c]), int(jobs.origin[job])
    gang, data, t = int(jobs.gang[job]), float(jobs.data_gb[job]), int(hours[0])
    breaks = np.flatnonzero(np.diff(hours) > 1) + 1
    parted = np.split(hours, breaks) if len(breaks) else []
    span: Any = hours if len(breaks) else slice(t, t + len(hours))
    late = int(hours[-1]) + 1 - d - int(jobs.release[job])
    kwh = gang * problem.kwh_per_accelerator_h[c, span]
    asked = float(kwh @ plan.mandate_yuan_per_kwh[site, span])
    was = (int(jobs.placed_class[job]), int(jobs.placed_start[job]))
    rent = gang * float(prices.capacity[c, span].sum())
    for level, beta in prices.gang_rows:
        rent += gang // level * float(beta[c, span].sum())
    if len(prices.cover_yuan):
        option = (np.array([x], np.int32) for x in (job, c, t, int(hours[-1]) + 1))
        rent += float(covers_paid(plan.problem, prices, *option)[0])
    kind = problem.classes.accelerator[c]
    queues = problem.quotas.linear_rows.rows_of(int(jobs.tenant[job]), kind)
    parts = {
        "energy": float(kwh @ prices.energy[site, span]) - asked,
        "mandate": asked,
        "capacity": rent,
        "transfer": data * float(problem.corridors.price_yuan_per_gb[origin, site]),
        "corridor": data * float(prices.corridor[origin, site, t]),
        "quota": gang * len(hours) * float(prices.quota_rows[queues].sum()),
        "delay": float(jobs.delay_yuan_per_h[job]) * late,
        "migration": float(jobs.migration_yuan[job]) if was[0] >= 0 and was != (c, t) else 0.0,
        "restart": len(breaks) * float(jobs.restart_yuan[job]),
    }
    pieces = tuple((int(part[0]), len(part)) for part in parted)
    return Offer(c, site, t, len(hours), parts, pieces=pieces)


def _lacks(plan: PlanData, job: int, c: int, at: Int64s) -> tuple[str, str]:
    """Return what too little is left of for the hours `at` at class `c`, and the queue.

    All other jobs stay where they are. Quotas are looked at first, as for a job's reason.
    """
    t, d = int(at[0]), len(at)
    jobs, free = plan.problem.effective.jobs, plan.free
    gang, data, tenant = int(jobs.gang[job]), float(jobs.data_gb[job]), int(jobs.tenant[job])
    origin, site = int(jobs.origin[job]), int(plan.problem.classes.site[c])
    room, wire = free.accelerators[c, at], float(free.data_gb[origin, site, t])
    rows, kinds = plan.problem.stepped.quotas.linear_rows, plan.problem.classes.accelerator
    hours = free.quota_rows_h.copy()
    own, first = int(plan.assignment[job]), int(plan.start[job])
    if own >= 0:  # the job itself would move away
        length = int(plan.hours[job])
        hours[rows.rows_of(tenant, kinds[own])] += gang * length
        if own == c:
            room += gang * plan.busy(job)[at]
        if (int(plan.problem.classes.site[own]), first) == (site, t):
            wire += data
    if queue := short_queue(plan, job, c, d, hours):
        return "QuotaReached", queue
    if (room < gang).any():
        return "CapacityTaken", ""
    return ("", "") if data <= wire * (1 + 1e-9) else ("CorridorTaken", "")
