"""Slow, plain plans for the platform's problem: what checker, audit and page are tested on."""

import numpy as np

from gridcompute import _core
from gridcompute.grid import Dispatch, Plan, Prices
from gridcompute.grid.checker.bound import lower_bound
from gridcompute.grid.checker.energy_lp import EnergyProgram
from gridcompute.grid.planner.dispatch_lp import EnergyBlock
from gridcompute.grid.planner.prices import CouplingConstraints, market_of
from gridcompute.grid.planner.state import plan_cost


def greedy_placement(problem):
    """Large jobs first, each to its cheapest option with room at the day's tariffs."""
    jobs, classes = problem.jobs, problem.classes
    room = classes.capacity.copy()
    wire = problem.corridors.bandwidth_gb.copy()
    quota = problem.quotas.upper_accelerator_h.copy()
    tariff = problem.energy.tariff_yuan_per_kwh
    assignment = np.full(len(jobs), -1, np.int32)
    start = np.full(len(jobs), -1, np.int32)
    for j in np.argsort(-(jobs.gang * jobs.work_h), kind="stable"):
        best = (float(jobs.value_yuan[j]), -1, -1, 0)
        needed = problem.hours_needed(j)[0]
        for c in np.flatnonzero(problem.eligible(j)[0]):
            d, s, gang = int(needed[c]), int(classes.site[c]), int(jobs.gang[j])
            if gang * d > quota[jobs.tenant[j]]:
                continue
            price = jobs.data_gb[j] * problem.corridors.price_yuan_per_gb[jobs.origin[j], s]
            for t in range(int(jobs.release[j]), int(jobs.deadline[j]) - d + 1):
                free = room[c, t : t + d].min() >= gang
                if not free or wire[jobs.origin[j], s, t] < jobs.data_gb[j]:
                    continue
                energy = problem.kwh_per_accelerator_h[c, t : t + d] @ tariff[s, t : t + d]
                late = jobs.delay_yuan_per_h[j] * (t - jobs.release[j])
                best = min(best, (float(price + gang * energy + late), int(c), t, d))
        _, c, t, d = best
        if c >= 0:
            assignment[j], start[j] = c, t
            room[c, t : t + d] -= jobs.gang[j]
            wire[jobs.origin[j], classes.site[c], t] -= jobs.data_gb[j]
            quota[jobs.tenant[j]] -= jobs.gang[j] * d
    return assignment, start


def load_of(problem, assignment, start):
    """Load by site and hour, kWh, job by job."""
    load = problem.energy.base_load_kwh.copy()
    for j in np.flatnonzero(assignment >= 0):
        c, t = assignment[j], start[j]
        d = problem.hours_needed(j)[0, c]
        kwh = problem.jobs.gang[j] * problem.kwh_per_accelerator_h[c, t : t + d]
        load[problem.classes.site[c], t : t + d] += kwh
    return load


def dispatch_of(problem, load):
    """The cheapest way to serve `load`."""
    found = EnergyProgram(problem, load, load).values()
    v = {name: np.maximum(values, 0.0) for name, values in found.items()}
    return Dispatch(
        direct_kwh=v["direct"],
        direct_charge_kwh=v["direct_in"],
        exported_kwh=v["sold"],
        curtailed_kwh=problem.energy.direct_kwh - v["direct"] - v["direct_in"] - v["sold"],
        bundled_kwh=v["bundled"],
        bundled_charge_kwh=v["bundled_in"],
        grid_kwh=v["grid"],
        grid_charge_kwh=v["grid_in"],
        green_discharge_kwh=v["green_out"],
        grey_discharge_kwh=v["grey_out"],
        green_stored_kwh=v["green"],
        grey_stored_kwh=v["grey"],
        certificate_kwh=v["retired"],
        missing_kwh=v["missing"],
        direct_use_short_kwh=_by_site(v, "use_short", len(load)),
        direct_load_short_kwh=_by_site(v, "load_short", len(load)),
    )


def _by_site(values, name, n_sites):
    """What is missing to the direct-connection rule; 0 at sites not under it."""
    return np.array([values.get(f"{name} {s}", np.zeros(1))[0] for s in range(n_sites)])


def energy_prices(problem, value):
    """Prices of `value` for each kWh of load and 0 for the rest: they prove a weak bound."""
    n, hours = len(problem.sites), problem.hours
    return Prices(
        capacity=np.zeros(problem.classes.capacity.shape),
        energy=np.full((n, hours), value),
        corridor=np.zeros((n, n, hours)),
        quota=np.zeros(len(problem.quotas)),
        mandate=np.zeros((len(problem.mandate_rows.names), 2)),
        storage=np.zeros((n, 2)),
    )


def cost_of(problem, assignment, start, d):
    """Cost of a plan, term by term in plain loops."""
    jobs, energy, rows = problem.jobs, problem.energy, problem.mandate_rows
    total = 0.0
    for j in range(len(jobs)):
        if assignment[j] < 0:
            total += jobs.value_yuan[j]
            continue
        s = problem.classes.site[assignment[j]]
        total += jobs.data_gb[j] * problem.corridors.price_yuan_per_gb[jobs.origin[j], s]
        total += jobs.delay_yuan_per_h[j] * (start[j] - jobs.release[j])
        was = (jobs.placed_class[j], jobs.placed_start[j])
        if was[0] >= 0 and was != (assignment[j], start[j]):
            total += jobs.migration_yuan[j]
    for s in range(len(problem.sites)):
        for t in range(problem.hours):
            for i in range(len(energy.direct_kwh)):
                used = d.direct_kwh[i, s, t] + d.direct_charge_kwh[i, s, t]
                total += energy.direct_yuan_per_kwh[i, s] * used
                total += energy.wear_yuan_per_kwh[s] * d.direct_charge_kwh[i, s, t]
                total -= energy.export_yuan_per_kwh[s, t] * d.exported_kwh[i, s, t]
            bundled = d.bundled_kwh[s, t] + d.bundled_charge_kwh[s, t]
            total += energy.bundled_yuan_per_kwh[s, t] * bundled
            grid = d.grid_kwh[s, t] + d.grid_charge_kwh[s, t]
            carbon = energy.carbon_yuan_per_t * problem.carbon_g_per_kwh[s, t] / 1e6
            total += (energy.tariff_yuan_per_kwh[s, t] + carbon) * grid
            worn = d.bundled_charge_kwh[s, t] + d.grid_charge_kwh[s, t]
            worn += d.green_discharge_kwh[s, t] + d.grey_discharge_kwh[s, t]
            total += energy.wear_yuan_per_kwh[s] * worn
    total += energy.certificate_yuan_per_kwh * d.certificate_kwh.sum()
    for s in range(len(problem.sites)):
        short = d.direct_use_short_kwh[s] + d.direct_load_short_kwh[s]
        total += problem.direct_rule.shortfall_yuan_per_kwh * short
    return float(total + rows.missing_yuan_per_kwh * d.missing_kwh.sum())


def greedy_plan(problem, value=0.2):
    """A sound plan, far from the best, with a bound that its prices prove."""
    assignment, start = greedy_placement(problem)
    load = load_of(problem, assignment, start)
    dispatch = dispatch_of(problem, load)
    block = EnergyBlock(problem).for_load(load)
    marginal = {"storage": block.serve(load).storage_yuan, "mandate": block.mandate_interval(load)}
    prices = energy_prices(problem, value).replace(**marginal)
    return Plan(
        problem=problem,
        assignment=assignment,
        start=start,
        dispatch=dispatch,
        prices=prices,
        objective_yuan=cost_of(problem, assignment, start, dispatch),
        bound_yuan=lower_bound(problem, prices),
    )


def checked_once(plan):
    """Return the plan, checked: what records it many times need not wait for as many checks."""
    found = plan.verify()
    assert found.valid, str(found)
    object.__setattr__(plan, "verify", lambda: found)
    return plan


def alternation(problem, rounds):
    """The obvious method: jobs at fixed prices of power, power for those jobs, and again.

    Each round places all jobs, large ones first, at the last dispatch's marginal prices; returned
    are the exact costs of the rounds, yuan. Nothing is proved, and the costs need not settle.
    """
    block = EnergyBlock(problem)
    rows, market = CouplingConstraints(problem, block, 0), market_of(problem)
    by_size = np.argsort(-market.min_accelerator_hours(), kind="stable").astype(np.int32)
    price, zero = rows.unpack(rows.start(None)).energy, rows.unpack(np.zeros_like(rows.scale))
    costs = []
    for _ in range(rounds):
        room = _core.ResidualCapacity(market)
        klass, start = (np.full(len(problem.jobs), -1, np.int32) for _ in range(2))
        room.place(zero.capacity, price, zero.corridor, zero.quota, by_size, klass, start)
        supplied = block.serve(problem.energy.base_load_kwh + room.load)
        costs.append(plan_cost(problem, klass, start, supplied.dispatch))
        price = np.ascontiguousarray(supplied.energy_yuan_per_kwh)
    return costs


def options_of(problem):
    """Every open option as (job, class, first hour, hours, own cost), in plain loops."""
    jobs, classes, wires = problem.jobs, problem.classes, problem.corridors
    out = []
    times = 2.0 if wires.latency_rule == "round_trip" else 1.0
    for j in range(len(jobs)):
        for c in range(len(classes)):
            s, speed = int(classes.site[c]), classes.throughput[jobs.family[j], c]
            o, gang = int(jobs.origin[j]), int(jobs.gang[j])
            if speed <= 0 or jobs.memory_gb[j] > classes.memory_gb[c]:
                continue
            if not (int(jobs.residency[j]) >> s) & 1:
                continue
            if times * wires.delay_ms[o, s] > jobs.latency_ms[j]:
                continue
            d = max(1, int(np.ceil(jobs.work_h[j] / speed - 1e-9)))
            if gang * d > problem.quotas.upper_accelerator_h[jobs.tenant[j]]:
                continue
            for t in range(int(jobs.release[j]), int(jobs.deadline[j]) - d + 1):
                free = (classes.capacity[c, t : t + d] >= gang).all()
                if not free or jobs.data_gb[j] > wires.bandwidth_gb[o, s, t]:
                    continue
                cost = jobs.data_gb[j] * wires.price_yuan_per_gb[o, s]
                cost += jobs.delay_yuan_per_h[j] * (t - jobs.release[j])
                was = (int(jobs.placed_class[j]), int(jobs.placed_start[j]))
                cost += jobs.migration_yuan[j] if was[0] >= 0 and was != (c, t) else 0.0
                out.append((j, c, t, d, float(cost)))
    return out


def relaxed_between(problem, prices, most):
    """What the optimum of the relaxation lies between, for problems too large to write down.

    The relaxation with each job's `most` cheapest options at `prices` has an optimum that the
    whole one's does not pass, and duals that prove a bound on it.
    """
    option = np.array(options_of(problem))
    job, klass, start, length = option[:, :4].astype(np.int64).T
    site, gang = problem.classes.site[klass], problem.jobs.gang[job]
    origin, data = problem.jobs.origin[job], problem.jobs.data_gb[job]
    rent = prices.capacity + problem.kwh_per_accelerator_h * prices.energy[problem.classes.site]
    running = np.pad(rent.cumsum(axis=1), ((0, 0), (1, 0)))
    price = option[:, 4] + gang * (running[klass, start + length] - running[klass, start])
    price += data * prices.corridor[origin, site, start]
    price += gang * length * prices.quota[problem.jobs.tenant[job]]
    order = np.lexsort((price, job))
    first = np.searchsorted(job[order], job[order])
    few = option[np.sort(order[np.arange(len(order)) - first < most])]
    high, duals, _ = lp_optimum(problem, few)
    return lower_bound(problem, duals), high


def lp_optimum(problem, option=None):
    """The whole problem relaxed to fractions, written down at once: optimum, duals, energy.

    `option` holds rows of `options_of`, all by default.
    """
    from gridcompute.grid.checker.derived_tables import most_load_kwh

    jobs, classes, hours = problem.jobs, problem.classes, problem.hours
    base = problem.energy.base_load_kwh
    program = EnergyProgram(problem, base, most_load_kwh(problem))
    lp, unit, n_sites = program.program, program.unit, len(problem.sites)
    option = np.array(options_of(problem)) if option is None else option
    job, klass, start, length = option[:, :4].astype(np.int64).T
    x = lp.variables(0, np.ones(len(option)), option[:, 4] / unit)
    out = lp.variables(0, np.ones(len(jobs)), jobs.value_yuan / unit)
    site, gang, data = classes.site[klass], jobs.gang[job], jobs.data_gb[job]

    def rows(low, high, shape, keys, columns, factors):
        """Rows of `shape` with entries at `keys`, written straight into the program."""
        first = lp._n_rows
        lp.constraints(np.full(shape, low), [], np.broadcast_to(high, shape))
        where = first + np.ravel_multi_index(keys, shape)
        lp._entries.append((where, columns, np.asarray(factors, np.float64)))
        return slice(first, lp._n_rows)

    each = rows(1.0, 1.0, (len(jobs),), (job,), x, np.ones(len(x)))
    lp._entries.append((each.start + np.arange(len(jobs)), out, np.ones(len(jobs))))
    span = [np.arange(t, t + d) for t, d in zip(start, length, strict=True)]
    hour, rep = np.concatenate(span), np.repeat(np.arange(len(x)), length)
    capacity = rows(
        -np.inf, classes.capacity, classes.capacity.shape, (klass[rep], hour), x[rep], gang[rep]
    )
    far = site != jobs.origin[job]
    wires = problem.corridors.bandwidth_gb
    keys = (jobs.origin[job][far], site[far], start[far])
    corridor = rows(-np.inf, wires, wires.shape, keys, x[far], data[far])
    upper = problem.quotas.upper_accelerator_h
    quota = rows(-np.inf, upper, upper.shape, (jobs.tenant[job],), x, gang * length)
    kwh = gang[rep] * problem.kwh_per_accelerator_h[klass[rep], hour] / unit
    energy = rows(0.0, 0.0, (n_sites, hours), (site[rep], hour), x[rep], kwh)
    lp._entries.append(
        (
            np.arange(energy.start, energy.stop),
            program.index["load"].ravel(),
            -np.ones(n_sites * hours),
        )
    )
    lp._rows[-1] = (-base.ravel() / unit, -base.ravel() / unit)
    point, bound, dual = lp.solve()
    assert point is not None
    prices = energy_prices(problem, 0.0).replace(
        capacity=np.maximum(-dual[capacity] * unit, 0).reshape(classes.capacity.shape),
        energy=-dual[energy].reshape(n_sites, hours),
        corridor=np.maximum(-dual[corridor] * unit, 0).reshape(wires.shape),
        quota=np.maximum(-dual[quota] * unit, 0),
    )
    values = {name: point[index] * unit for name, index in program.index.items()}
    return bound * unit, prices, values
