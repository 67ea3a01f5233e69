"""The bounds of a plan, recomputed from the tables alone: of prices, of cover rows, of a search.

Lifted cover rows: whether each is one, and what options pay for it. For a class c, a size g of
gangs, consecutive hours, and a job j, with C the most accelerators that c has in one of these
hours,

    sum over jobs i != j of (gang_i // g) * [i runs at c in all of the hours]
        + k * [j runs at c in any of them]  <=  C // g,      k = C // g - (C - gang_j) // g

(k = 0 where gang_j > C). Where j runs in one of the hours, the others that run through all of them
share what j leaves of that hour, room for (C - gang_j) // g gangs of g at most, which is k fewer
than C // g; where j runs in none they have room for C // g. Left out, and of no share in any row,
are interruptible jobs: no term is below 0, so a row holds with fewer of them. Jobs that run and
cannot move are no jobs here, and C is what they leave.

The bound of a vector of prices. For any prices y = (alpha, beta, pi, gamma, nu) with alpha, beta,
gamma >= 0, every plan costs at least

    LB(y) = sum_j min(v_j, min over open options o of [f_jo + k_j sum alpha
                            + sum_g (k_j // g) sum beta_g + e_jo . pi + G_j gamma + sum nu q_jo
                            + sum_r lambda_r a_rjo])
            - alpha . K - sum_g beta_g . (K // g) - gamma . BW - nu+ . U + nu- . L
            - sum_r lambda_r (C_r // g_r) + E(pi),

The sum of nu is over the quotas that count the option: its tenant's, those above, those of the
accelerator. For each size g that the prices name K accelerators are at most K // g gangs of g, and
a job of k has k // g of them: that is so for any g, so the sizes need no check of their own. r runs
over lifted cover rows with prices lambda >= 0; what option o of job j takes of one, a_rjo, and why
each holds, is above. E(pi) is the least of (energy cost - pi . (load - base load)) over all
dispatches, mandate included. E is bounded from below by weak duality, with the duals of a linear
program but not with its trust: any vector of multipliers, right or wrong, gives a valid number
because every variable lies in a finite box. What rounding may have added to a sum is taken off
again, so that the number is a bound for values of any size. Where that leaves less than the signs
of all costs prove (0, where no energy brings in anything), the bound is what they prove.

The bound of a search over all plans, where prices prove less than a plan claims. A small problem is
written down whole as an integer program, from the tables alone: every open option of every job,
accelerators, corridors, quotas, and the energy block of `energy_lp`. HiGHS searches it by branch
and bound, and what no branch that is left can go below is the bound. It is taken from the solver:
unlike the bound of prices, which any number may be put into, it is true only if HiGHS is right,
within its tolerances. What this adds to the planner's own search is a program written down a second
time, by code that shares nothing with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .derived_tables import (
    direct_yuan_per_kwh,
    gang_prices,
    kwh_by_class,
    most_load_kwh,
    quota_tree,
)
from .energy_lp import ROUNDING, EnergyProgram
from .placements import Priced, cheapest_in_pieces, fixed, fixed_rows, plain, ways

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..plan.columns import Prices
    from ..tables.column import Bools, Floats, Int64s
    from ..tables.problem import Problem

#: The largest sum of all prices that a bound is computed from: no product of it overflows.
MOST_YUAN = 1e280


class CoverRows(NamedTuple):
    """Lifted cover rows that have prices above 0, and which jobs have no share in any."""

    klass: Int64s
    size: Int64s
    first: Int64s
    last: Int64s
    #: Row among the jobs that are priced.
    job: Int64s
    yuan: Floats
    #: C // g; what the row's own job takes of it, k; and what it would take as one of the others.
    gangs: Int64s
    own: Int64s
    other: Int64s
    #: By job priced.
    exempt: Bools

    def of(self, rows: Bools) -> CoverRows:
        """Some of the rows."""
        kept: dict[str, Any] = {name: getattr(self, name)[rows] for name in self._fields[:-1]}
        return self._replace(**kept)

    def most_yuan(self, gang: Any) -> float:
        """A sum that no sum of what jobs pay exceeds, nor any part of it in size."""
        each = np.bincount(self.klass, self.yuan / self.size).max(initial=0.0)
        own = (self.yuan * (self.own + self.other)).sum()
        return float(each * gang.sum(dtype=np.float64) + 2 * own)

    def paid(self, job: Any, gang: Any, lasts: Any, hours: int) -> tuple[Floats, Int64s]:
        """Return the payment of jobs for these rows, all of one class, by their first hour.

        Parameters
        ----------
        job, gang, lasts : int (n,)
            Jobs, each once; their accelerators, and the hours that each runs.
        hours : int
            Hours of the batch.

        Returns
        -------
        yuan : float64 (n_kinds, hours)
        kind : int64 (n,)
            The row of `yuan` that holds for each job.
        """
        width, clock = hours + 1, np.arange(hours)
        counted = np.where(self.exempt[job], 0, gang.astype(np.int64))
        kinds, kind = np.unique(counted * width + lasts, return_inverse=True)
        many, end = kinds[:, None] // width, np.minimum(clock + kinds[:, None] % width, hours)
        yuan = np.zeros(end.shape)
        for size in np.unique(self.size).tolist():
            rows = self.size == size
            place = self.first[rows] * width + self.last[rows] + 1
            at = np.bincount(place, self.yuan[rows], hours * width).reshape(hours, width)
            # By a first hour and an end, the sum over the rows between the two.
            within = at[::-1].cumsum(axis=0)[::-1].cumsum(axis=1)
            yuan += (many // size) * within[clock, end]
        order = np.argsort(job, kind="stable")
        place = np.minimum(np.searchsorted(job[order], self.job), max(len(job) - 1, 0))
        found = job[order][place] == self.job if len(job) else np.zeros(len(self.job), bool)
        named, row = np.unique(order[place[found]], return_inverse=True)
        changed = self.of(found)._changes(row, lasts[named], hours)
        yuan = np.concatenate([yuan, yuan[kind[named]] + changed])
        kind[named] = len(yuan) - len(named) + np.arange(len(named))
        return yuan, kind

    def _changes(self, row: Int64s, lasts: Int64s, hours: int) -> Floats:
        """Return the extra payment of jobs for rows of their own, by first hour, (n, hours).

        `row` is the place of each row's job.
        """
        width, long = hours + 1, lasts[row]
        any_, whole = self.yuan * self.own, self.yuan * self.other
        touched = np.maximum(self.first - long + 1, 0), self.last + 1
        covered = np.maximum(self.last - long + 1, 0), self.first + 1
        has = covered[0] < covered[1]
        steps = np.zeros(len(lasts) * width)
        for hour, by in (
            (touched[0], any_),
            (touched[1], -any_),
            (covered[0], np.where(has, -whole, 0.0)),
            (covered[1], np.where(has, whole, 0.0)),
        ):
            steps += np.bincount(row * width + hour, by, len(steps))
        return np.asarray(steps.reshape(-1, width).cumsum(axis=1)[:, :hours])


def cover_fault(problem: Problem, prices: Prices) -> tuple[str, float, float] | None:
    """Return place, what was found and needed of the first price of no lifted cover row.

    `problem` is the whole one, with its running jobs.
    """
    n, (classes, hours) = len(problem.jobs), problem.classes.capacity.shape
    job, pinned = prices.cover_job, np.zeros(n + 1, bool)
    pinned[fixed_rows(problem)] = True
    for name, low, high in (
        ("class", np.zeros(1), classes - 1),
        ("size", np.ones(1), np.inf),
        ("first", np.zeros(1), hours - 1),
        ("last", prices.cover_first, hours - 1),
        ("job", np.zeros(1), n - 1),
    ):
        values = getattr(prices, f"cover_{name}")
        for bad, needed in ((values < low, low), (values > high, high)):
            if bad.any():
                k = int(np.argmax(bad))
                most = float(np.broadcast_to(needed, values.shape)[k])
                return f"cover_{name}[{k}]", float(values[k]), most
    bad = pinned[job]
    if bad.any():
        k = int(np.argmax(bad))
        return f"cover_job[{k}]: 1 as job {job[k]} runs and cannot move", 1.0, 0.0
    return None


def cover_rows(problem: Problem, prices: Prices, priced: Problem) -> CoverRows | None:
    """Read the rows that prices name; None where one of these proves nothing, so that all do not.

    Parameters
    ----------
    problem : Problem
        The whole one, with its running jobs.
    prices : Prices
    priced : Problem
        What is made of it: `plain`, with all jobs, or `fixed`.
    """
    with np.errstate(over="ignore"):
        total = prices.cover_yuan.sum()
    good = (prices.cover_yuan >= 0).all() and total <= MOST_YUAN
    if not good or cover_fault(problem, prices) is not None:
        return None
    kept = np.ones(len(problem.jobs), bool)
    kept[fixed_rows(problem)] = False
    place, exempt = np.arange(len(kept)), priced.jobs.interruptible
    capacity = priced.classes.capacity
    if len(priced.jobs) < len(kept):
        place = np.cumsum(kept) - 1
    elif not kept.all() and len(prices.cover_yuan):
        exempt, capacity = exempt | ~kept, fixed(problem).classes.capacity
    used = prices.cover_yuan > 0
    klass, size, first, last, job = (
        getattr(prices, f"cover_{name}")[used].astype(np.int64)
        for name in ("class", "size", "first", "last", "job")
    )
    job = place[job]
    most = np.zeros(len(job), np.int64)
    for c in np.unique(klass).tolist():
        at = np.flatnonzero(klass == c)
        for t in np.unique(first[at]).tolist():
            rows = at[first[at] == t]
            most[rows] = np.maximum.accumulate(capacity[c, t:])[last[rows] - t]
    gang = priced.jobs.gang[job].astype(np.int64)
    gangs = most // size
    own = np.where(exempt[job] | (gang > most), 0, gangs - np.maximum(most - gang, 0) // size)
    other = np.where(exempt[job], 0, gang // size)
    yuan = prices.cover_yuan[used]
    return CoverRows(klass, size, first, last, job, yuan, gangs, own, other, exempt)


BLOCK = 1 << 16
#: Prices of stretches of hours that are held at once.
MOST_STRETCHES = 1 << 21


class Proof(NamedTuple):
    """The bound that prices prove, and the cost of jobs without any option in every plan."""

    bound_yuan: float
    without_option_yuan: float


def proof(problem: Problem, prices: Prices) -> Proof:
    """The bound that `prices` prove, with the value of the jobs that have no option, yuan.

    The bound is -inf if a price has the wrong sign, rents what has no limit, or is of no row.
    """
    whole, problem = problem, fixed(problem)
    covers = cover_rows(whole, prices, problem)
    quotas = quota_tree(problem)
    alpha, gamma, nu = prices.capacity, prices.corridor, quotas.prices(prices)
    signs = (alpha >= 0).all() and (gamma >= 0).all() and (prices.gang >= 0).all()
    signs &= bool((-nu <= quotas.below_yuan_per_h).all())
    rent, size = 0.0, 0
    for price, amount in (
        (alpha, problem.classes.capacity),
        (gamma, problem.corridors.bandwidth_gb),
        (np.maximum(nu, 0), quotas.most_h),
        (np.minimum(nu, 0), quotas.least_h),
        *((beta, problem.classes.capacity // size) for size, beta in gang_prices(prices)),
        *(() if covers is None else ((covers.yuan, covers.gangs),)),
    ):
        priced, size = price != 0, size + price.size
        products = price[priced] * np.asarray(amount)[priced]
        rent += float(products.sum() + ROUNDING * (size + 64) * np.abs(products).sum())
    jobs, without_option = _jobs_bound(problem, prices, covers)
    if covers is None or not (signs and np.isfinite(rent)):
        return Proof(-np.inf, without_option)
    priced = jobs - rent + energy_bound(problem, prices.energy)
    return Proof(max(priced, without_option - _most_earned(problem)), without_option)


def _most_earned(problem: Problem) -> float:
    """The most that energy can bring in, yuan: by sales, prices below 0 and what is left in store.

    It is exactly 0 where none of them pays anything.
    """
    energy, earned = problem.energy, 0.0
    most_kwh, draw_kwh = most_load_kwh(problem), problem.sites.connection_kw
    direct = direct_yuan_per_kwh(problem)
    for s in range(len(problem.sites)):
        for price, kwh in zip(direct[:, s], energy.direct_kwh[:, s], strict=True):
            most = np.maximum(energy.export_yuan_per_kwh[s], np.maximum(-price, 0.0))
            earned += float((most * kwh).sum())
        bundled = np.maximum(-energy.bundled_yuan_per_kwh[s], 0.0) * energy.bundled_kwh[s]
        drawn = np.minimum(most_kwh[s] + energy.battery_kw[s], draw_kwh[s])
        drawn = drawn * np.maximum(-energy.tariff_yuan_per_kwh[s], 0.0)
        earned += float(bundled.sum() + drawn.sum())
        if energy.terminal == "value":
            earned += float(energy.terminal_yuan_per_kwh[s] * energy.battery_kwh[s])
    return earned * (1 + ROUNDING * (energy.direct_kwh.size + 4 * most_kwh.size + 16))


def lower_bound(problem: Problem, prices: Prices) -> float:
    """The bound that `prices` prove, yuan; -inf if one proves nothing (see `proof`)."""
    return proof(problem, prices).bound_yuan


def jobs_bound(problem: Problem, prices: Prices) -> float:
    """The first sum of the bound: every job takes its cheapest option at these prices, or none."""
    return _jobs_bound(problem, prices, cover_rows(problem, prices, problem))[0]


def _jobs_bound(problem: Problem, prices: Prices, covers: CoverRows | None) -> tuple[float, float]:
    """`jobs_bound`, and the value of the jobs without any option."""
    windows, jobs = windows_of(problem, prices, covers), problem.jobs
    total, without_option = 0.0, 0.0
    for first in range(0, len(jobs), BLOCK):
        block = np.arange(first, min(first + BLOCK, len(jobs)))
        best, has_option = _cheapest(problem, prices, windows, block)
        total += float(best.sum())
        without_option += float(jobs.value_yuan[block][~has_option].sum())
    return total - _margin(problem, prices, covers), without_option


def _margin(problem: Problem, prices: Prices, covers: CoverRows | None) -> float:
    """The most that rounding adds to the sum of the jobs' cheapest prices, yuan."""
    jobs, hours = problem.jobs, problem.hours
    power = kwh_by_class(problem) * prices.energy[problem.classes.site]
    rented = np.abs(prices.capacity) + np.abs(prices.gang).sum(axis=0)
    hourly = (rented + np.abs(power)).sum(axis=1).max()
    tree = quota_tree(problem)
    held = np.abs(tree.prices(prices))
    for c in {int(np.flatnonzero(tree.line == line)[0]) for line in tree.line}:
        hourly += hours * tree.along(held, c, np.add).max(initial=0.0)
    wire = problem.corridors.price_yuan_per_gb.max() + prices.corridor.max()
    hour = jobs.delay_yuan_per_h + np.where(jobs.interruptible, jobs.restart_yuan, 0.0)
    size = (jobs.value_yuan + jobs.migration_yuan + hours * hour).sum()
    size += hourly * jobs.gang.sum(dtype=np.float64) + wire * jobs.data_gb.sum()
    margin = float(ROUNDING * (hours + 512) * size)
    if covers is not None:
        terms = 4 * hours + 2 * len(covers.yuan) + 512
        margin += ROUNDING * terms * covers.most_yuan(jobs.gang)
    return margin


def cheapest(problem: Problem, prices: Prices, jobs: Int64s) -> Floats:
    """For some jobs the least of their value and of all their open options' prices, yuan.

    `problem` is the whole one, with its running jobs.
    """
    whole, problem = problem, plain(problem)
    windows = windows_of(problem, prices, cover_rows(whole, prices, problem))
    return _cheapest(problem, prices, windows, jobs)[0]


class Window(NamedTuple):
    """One class by hours taken and first hour, (n_hours + 1, n_hours)."""

    #: Price of an accelerator, and how many there are.
    price: Floats
    room: Floats
    #: The lifted cover rows of the class; None = none.
    covers: CoverRows | None


def windows_of(problem: Problem, prices: Prices, covers: CoverRows | None) -> list[Window]:
    """Read each class's prices; `covers` are of the problem that is priced."""
    site, hours = problem.classes.site, problem.hours
    hourly = prices.capacity + kwh_by_class(problem) * prices.energy[site]
    out = []
    for c, (each, capacity) in enumerate(zip(hourly, problem.classes.capacity, strict=True)):
        price = np.full((hours + 1, hours), np.inf)
        room = np.zeros((hours + 1, hours))
        running, least = np.zeros(hours), np.full(hours, np.inf)
        for d in range(1, hours + 1):
            n = hours - d + 1
            running = running[:n] + each[d - 1 :]
            least = np.minimum(least[:n], capacity[d - 1 :])
            price[d, :n], room[d, :n] = running, least
        own = None if covers is None else covers.of(covers.klass == c)
        out.append(Window(price, room, own if own and len(own.yuan) else None))
    return out


class Offer(NamedTuple):
    """Some jobs at one class, each a number of hours after its release."""

    #: Their positions in the block of jobs.
    at: Int64s
    klass: int
    start: Int64s
    hours: Int64s
    #: Own cost of the option, yuan; and with what it takes of the rows at the prices, inf where it
    #: is not open.
    own_yuan: Floats
    yuan: Floats


def _cheapest(
    problem: Problem, prices: Prices, windows: list[Window], block: np.ndarray
) -> tuple[Floats, Bools]:
    """For each job of the block the least of its value and of all its open options' prices.

    Also returned is whether the job has any open option.
    """
    best, has_option = problem.jobs.value_yuan[block].copy(), np.zeros(len(block), bool)
    for offer in offers(problem, prices, windows, block):
        best[offer.at] = np.minimum(best[offer.at], offer.yuan)
        has_option[offer.at] |= offer.yuan < np.inf
    for at, _, priced in in_pieces(problem, prices, windows, block):
        yuan = cheapest_in_pieces(problem, priced)
        best[at] = np.minimum(best[at], yuan)
        has_option[at] |= yuan < np.inf
    return np.asarray(best, np.float64), has_option


def offers(
    problem: Problem, prices: Prices, windows: list[Window], block: np.ndarray
) -> Iterator[Offer]:
    """Every option of the jobs of a block, open or not, class by class and hour by hour.

    Those of interruptible jobs are not among them (`in_pieces`).
    """
    jobs, classes, corridors = problem.jobs, problem.classes, problem.corridors
    tree, uncut = quota_tree(problem), ~jobs.interruptible[block]
    nu = tree.prices(prices)
    for c in range(len(classes)):
        site, origin = int(classes.site[c]), jobs.origin[block]
        fits, need = _fitting(problem, c, block)
        fits &= uncut
        slack = jobs.deadline[block] - need - jobs.release[block]
        at = np.flatnonzero(fits)
        at = at[np.argsort(-slack[at], kind="stable")]  # so that each later start concerns a prefix
        slack, job, d, o = slack[at], block[at], need[at].astype(np.int64), origin[at]
        gang, release, data = jobs.gang[job], jobs.release[job], jobs.data_gb[job]
        wired = corridors.price_yuan_per_gb[o, site] * data
        held = tree.along(nu, c, np.add)[jobs.tenant[job]] * gang * d
        quota = tree.along(tree.most_h, c, np.minimum)[jobs.tenant[job]]
        too_long = gang.astype(np.float64) * d > quota
        price, room, covers = windows[c]
        if covers is not None:
            covered, kind = covers.paid(job, gang, d, problem.hours)
        running = np.concatenate([np.zeros((len(prices.gang), 1)), prices.gang[:, c].cumsum(1)], 1)
        sizes = [size for size, _ in gang_prices(prices)]
        levels = [(s, beta) for s, beta in zip(sizes, running, strict=True) if beta[-1] > 0]
        wire, toll = corridors.bandwidth_gb[:, site], prices.corridor[:, site]
        late, moved = jobs.delay_yuan_per_h[job], jobs.migration_yuan[job]
        was, first = jobs.placed_class[job], jobs.placed_start[job]
        for ahead in range(int(slack.max(initial=-1)) + 1):
            n = int(np.searchsorted(-slack, -ahead, side="right"))
            t = release[:n] + ahead
            stays = (was[:n] == c) & (first[:n] == t)
            own = wired[:n] + late[:n] * ahead
            own = own + np.where((was[:n] >= 0) & ~stays, moved[:n], 0.0)
            cost = gang[:n] * price[d[:n], t] + data[:n] * toll[o[:n], t] + held[:n] + own
            for level, beta in levels:
                whole = gang[:n] // level
                cost += whole * (beta[t + d[:n]] - beta[t])
            if covers is not None:
                cost += covered[kind[:n], t]
            shut = (gang[:n] > room[d[:n], t]) | (data[:n] > wire[o[:n], t]) | too_long[:n]
            yield Offer(at[:n], c, t, d[:n], own, np.where(shut, np.inf, cost))


def _fitting(problem: Problem, c: int, block: np.ndarray) -> tuple[Bools, Floats]:
    """Return which jobs of the block class `c` can run within their windows, and for how long."""
    jobs, classes, corridors = problem.jobs, problem.classes, problem.corridors
    times = 2.0 if corridors.latency_rule == "round_trip" else 1.0
    site, speed = int(classes.site[c]), classes.throughput[jobs.family[block], c]
    fits = (speed > 0) & (jobs.memory_gb[block] <= classes.memory_gb[c])
    fits &= ((jobs.residency[block] >> site) & 1) == 1
    fits &= times * corridors.delay_ms[jobs.origin[block], site] <= jobs.latency_ms[block]
    need = np.full(len(block), problem.hours + 1.0)
    with np.errstate(over="ignore"):  # a job of 1e6 hours at a speed of 1e-300
        work = np.ceil(jobs.work_h[block][fits] / speed[fits] - 1e-9)
    need[fits] = np.clip(work, 1, problem.hours + 1)
    fits &= jobs.release[block] + need <= jobs.deadline[block]
    return fits, need


def in_pieces(
    problem: Problem, prices: Prices, windows: list[Window], block: np.ndarray
) -> Iterator[tuple[Int64s, int, Priced]]:
    """Yield class by class the interruptible jobs of a block, by position, with their prices."""
    jobs, hours = problem.jobs, problem.hours
    cut = jobs.interruptible[block]
    if not cut.any():
        return
    tree = quota_tree(problem)
    nu, size = tree.prices(prices), max(1, MOST_STRETCHES // (hours * hours))
    for c in range(len(problem.classes)):
        fits, need = _fitting(problem, c, block)
        most = tree.along(tree.most_h, c, np.minimum)[jobs.tenant[block]]
        fits &= cut & (jobs.gang[block] * need <= most)
        held = tree.along(nu, c, np.add)
        every = np.flatnonzero(fits)
        for first in range(0, len(every), size):
            at = every[first : first + size]
            yield at, c, _priced(problem, prices, windows[c], c, block[at], need[at], held)


def _priced(
    problem: Problem,
    prices: Prices,
    window: Window,
    c: int,
    job: Int64s,
    need: Floats,
    held_yuan: Floats,
) -> Priced:
    """Return the prices of interruptible jobs at class `c`; `held_yuan` is that of quotas.

    They have no share in lifted cover rows.
    """
    jobs, corridors, clock = problem.jobs, problem.corridors, np.arange(problem.hours)
    gang, site = jobs.gang[job].astype(np.float64), int(problem.classes.site[c])
    (price, room, _), length = window, np.arange(problem.hours + 1)[:, None]
    hour = gang * held_yuan[jobs.tenant[job]]
    stretch = gang[:, None, None] * price + hour[:, None, None] * length
    for level, beta in gang_prices(prices):
        total = np.concatenate([[0.0], beta[c].cumsum()])
        rent = total[np.minimum(clock + length, problem.hours)] - total[clock]
        stretch += (gang // level)[:, None, None] * rent
    shut = gang[:, None, None] > room
    shut |= (clock < jobs.release[job][:, None])[:, None, :]
    shut |= clock + length > jobs.deadline[job][:, None, None]
    origin, data = jobs.origin[job], jobs.data_gb[job]
    own = (corridors.price_yuan_per_gb[origin, site] * data)[:, None]
    was, first = jobs.placed_class[job][:, None], jobs.placed_start[job][:, None]
    elsewhere = (was >= 0) & ((was != c) | (first != clock))
    own = own + np.where(elsewhere, jobs.migration_yuan[job][:, None], 0.0)
    begin = own + prices.corridor[origin, site] * data[:, None]
    begin = np.where(data[:, None] > corridors.bandwidth_gb[origin, site], np.inf, begin)
    return Priced(job, need.astype(np.int64), np.where(shut, np.inf, stretch), begin, own)


def energy_bound(problem: Problem, pi: Floats) -> float:
    """E(pi): what energy cost less pi * (load - base load) never goes below, yuan."""
    base = problem.energy.base_load_kwh
    program = EnergyProgram(problem, base, most_load_kwh(problem), -pi)
    fixed = pi * base
    margin = ROUNDING * (pi.size + 64) * np.abs(fixed).sum()
    return program.bound() + float(fixed.sum() - margin)


#: Open options that a program is written down for, at most, and seconds that a search may take.
MOST_OPTIONS, MOST_SECONDS = 14_000, 300.0
#: Ways to cut one job at one class that are looked through at most, with those that lead nowhere.
MOST_WAYS = 50_000
#: Relative gap at which a search ends that is to prove a plan the best.
CLOSED = 1e-8


class _Options(NamedTuple):
    """Open options as columns."""

    job: Int64s
    klass: Int64s
    start: Int64s
    hours: Int64s
    own_yuan: Floats
    #: Hours in which those of interruptible jobs run, (n_cut, n_hours): the last ones of the list.
    busy: Bools


def searched_bound(
    problem: Problem, prices: Prices, proved_yuan: float, claimed_yuan: float, cost_yuan: float
) -> float:
    """Return the lower bound that a search proves, yuan; -inf if it would be too large.

    Parameters
    ----------
    problem : Problem
    prices : Prices
    proved_yuan : float
        What the prices prove.
    claimed_yuan : float
        The bound that is to be proved; no more than that is returned.
    cost_yuan : float
        What the plan costs.
    """
    whole, problem = problem, fixed(problem)
    windows = windows_of(problem, prices, cover_rows(whole, prices, problem))
    options = _options(problem, prices, windows, claimed_yuan - proved_yuan)
    if options is None:
        return -np.inf
    program, chosen = _program(problem, options)
    wide = max((cost_yuan - claimed_yuan) / max(abs(cost_yuan), 1e-300), 0.0)
    bound = -np.inf
    for gap in sorted({max(0.9 * wide, CLOSED), CLOSED}, reverse=True):
        bound = program.program.searched(chosen, gap, MOST_SECONDS) * program.unit
        bound += float(problem.jobs.value_yuan.sum())
        if bound >= claimed_yuan:
            break
    return min(bound, claimed_yuan)


def _options(
    problem: Problem, prices: Prices, windows: list[Window], above_yuan: float
) -> _Options | None:
    """The open options that a plan below the claim may use; None if they are too many.

    An option that costs `above_yuan` more, at the prices, than the cheapest choice of its job
    raises what the prices prove of all plans that use it to the claim.
    """
    every = np.arange(len(problem.jobs))
    least = problem.jobs.value_yuan.copy()
    found = list(offers(problem, prices, windows, every))
    for offer in found:
        least[offer.at] = np.minimum(least[offer.at], offer.yuan)
    cuts = list(in_pieces(problem, prices, windows, every))
    for at, _, priced in cuts:
        least[at] = np.minimum(least[at], cheapest_in_pieces(problem, priced))
    columns: list[list[np.ndarray]] = [[], [], [], [], []]
    for offer in found:
        few = np.flatnonzero(offer.yuan < np.inf)
        few = few[offer.yuan[few] - least[offer.at[few]] <= above_yuan * (1 + 1e-9) + 1e-9]
        klass = np.full(len(few), offer.klass)
        parts = (offer.at[few], klass, offer.start[few], offer.hours[few], offer.own_yuan[few])
        for column, part in zip(columns, parts, strict=True):
            column.append(part)
    if sum(len(part) for part in columns[0]) > MOST_OPTIONS:
        return None
    busy: list[Bools] = []
    for at, c, priced in cuts:
        for k, j in enumerate(at.tolist()):
            for way in ways(problem, priced, k, MOST_WAYS):
                if way is None or len(busy) > MOST_OPTIONS:
                    return None
                hours_of, own, yuan = way
                if yuan - least[j] <= above_yuan * (1 + 1e-9) + 1e-9:
                    busy.append(hours_of)
                    one = (j, c, int(np.argmax(hours_of)), int(hours_of.sum()), own)
                    for column, value in zip(columns, one, strict=True):
                        column.append(np.array([value]))
    job, klass, start, hours = (np.concatenate([*c, every[:0]]) for c in columns[:4])
    own_yuan = np.concatenate([*columns[4], np.zeros(0)])
    marks = np.array(busy, bool).reshape(-1, problem.hours)
    return _Options(job, klass, start, hours, own_yuan, marks)


def _program(problem: Problem, options: _Options) -> tuple[EnergyProgram, Int64s]:
    """The whole problem, less the value of all jobs, and which of its variables are whole."""
    base = problem.energy.base_load_kwh
    energy = EnergyProgram(problem, base, most_load_kwh(problem))
    lp, unit, jobs = energy.program, energy.unit, problem.jobs
    job, klass, start, hours, own, busy = options
    x = lp.variables(0, np.ones(len(job)), (own - jobs.value_yuan[job]) / unit)
    gang, site = jobs.gang[job].astype(np.float64), problem.classes.site[klass]
    n = len(jobs)
    lp.entries(np.full(n, -np.inf), np.ones(n), job, x, np.ones(len(x)))
    which = np.repeat(np.arange(len(x)), hours)
    hour = np.arange(len(which)) - np.repeat(np.cumsum(hours) - hours, hours) + start[which]
    if len(busy):
        hour[which >= len(x) - len(busy)] = np.nonzero(busy)[1]

    def at_most(limit: Floats | Int64s, key: Int64s, column: Int64s, amount: Floats) -> None:
        used, place = np.unique(key, return_inverse=True)
        most = np.asarray(limit, np.float64).ravel()[used]
        lp.entries(np.full(len(used), -np.inf), most, place, column, amount)

    key = klass[which] * problem.hours + hour
    at_most(problem.classes.capacity, key, x[which], gang[which])
    wires = problem.corridors.bandwidth_gb
    sent = np.ravel_multi_index((jobs.origin[job], site, start), wires.shape)
    at_most(wires, sent, x, jobs.data_gb[job])
    tree, used = quota_tree(problem), gang * hours
    owners = np.array(jobs.tenant[job], np.int64)
    counted = [
        (line * tree.most_h.shape[1] + queue, i)
        for i, (m, c) in enumerate(zip(owners.tolist(), klass.tolist(), strict=True))
        for line in {0, int(tree.line[c])}
        for queue in tree.path(m)
    ]
    queue_row, option = np.array(counted, np.int64).reshape(-1, 2).T
    at_most(tree.most_h, queue_row, x[option], used[option])
    asked = tree.least_h.ravel()
    below = lp.variables(0, asked, tree.below_yuan_per_h.ravel() / unit)
    n = len(asked)
    row = np.concatenate([queue_row, np.arange(n)])
    amounts = np.concatenate([used[option], np.ones(n)])
    lp.entries(asked, np.full(n, np.inf), row, np.concatenate([x[option], below]), amounts)
    kwh = gang[which] * kwh_by_class(problem)[klass[which], hour] / unit
    row = np.concatenate([site[which] * problem.hours + hour, np.arange(base.size)])
    column = np.concatenate([x[which], energy.index["load"].ravel()])
    load = base.ravel() / unit
    lp.entries(load, load, row, column, np.concatenate([-kwh, np.ones(base.size)]))
    return energy, x
