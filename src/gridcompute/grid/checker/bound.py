r"""The bound that a vector of prices proves, recomputed from nothing but the tables of the problem.

For any prices y = (alpha, beta, pi, gamma, nu) with alpha, beta, gamma >= 0, every plan costs at
least

    LB(y) = sum_j min(v_j, min over open options o of [f_jo + k_j sum alpha
                            + sum_g (k_j // g) sum beta_g + e_jo . pi + G_j gamma + sum nu q_jo
                            + sum_r lambda_r a_rjo])
            - alpha . K - sum_g beta_g . (K // g) - gamma . BW - nu+ . U + nu- . L
            - sum_r lambda_r (C_r // g_r) + E(pi),

The sum of nu is over the quotas that count the option: its tenant's, those above, those of the
accelerator. For each size g that the prices name K accelerators are at most K // g gangs of g,
and a job of k has k // g of them: that is so for any g, so the sizes need no check of their own.
r runs over lifted cover rows with prices lambda >= 0; what option o of job j takes of one, a_rjo,
and why each holds, is in `cover_rows.py`.
E(pi) is the least of (energy cost - pi . (load - base load)) over all dispatches, mandate
included. E is bounded from below by weak duality, with the duals of a linear program but not with
its trust: any vector of multipliers, right or wrong, gives a valid number because every variable
lies in a finite box. What rounding may have added to a sum is taken off again, so that the number
is a bound for values of any size. Where that leaves less than the signs of all costs prove (0,
where no energy brings in anything), the bound is what they prove.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .cover_rows import CoverRows, cover_rows
from .derived_tables import (
    direct_yuan_per_kwh,
    gang_prices,
    kwh_by_class,
    most_load_kwh,
    quota_tree,
)
from .energy_lp import ROUNDING, EnergyProgram
from .pieces import Priced, cheapest_in_pieces
from .running import fixed, plain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..plan.columns import Prices
    from ..tables.column import Bools, Floats, Int64s
    from ..tables.problem import Problem

__all__ = [
    "Offer",
    "Proof",
    "Window",
    "cheapest",
    "energy_bound",
    "in_pieces",
    "jobs_bound",
    "lower_bound",
    "offers",
    "proof",
    "windows_of",
]

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
