"""Lifted cover rows: true of every placement, priced alike by plain loops, refused where forged."""

import copy
import dataclasses
import itertools
import pickle
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import gridcompute as gc
from grid_oracles import energy_prices, options_of
from gridcompute import InvalidProblemError, grid
from gridcompute.grid.checker.bound import cheapest, energy_bound, lower_bound
from gridcompute.grid.checker.placements import fixed, fixed_rows
from gridcompute.grid.checker.verify import cover_faults, sign_faults

HOURS = 5


def world(seed, n, *, running=False):
    """Jobs of a few accelerators at two classes, whose number changes from hour to hour."""
    rng = np.random.default_rng(seed)
    lasts = rng.integers(1, 4, n)
    release = rng.integers(0, HOURS - lasts + 1)
    capacity = rng.integers(1, 9, (2, HOURS))
    jobs = {"release": release, "gang": rng.integers(1, 7, n)}
    runs = None
    if running:  # the first two run at the first class, where there is room for both
        jobs["gang"][:2], release[:2] = 1, 0
        capacity[0] += 2
        runs = grid.Running(
            id=[0, 1], klass=[0, 0], hours_left=rng.integers(1, 4, 2), movable=[False, True]
        )
    return grid.Problem(
        jobs=grid.Jobs(
            work_h=lasts.astype(float),
            origin=np.zeros(n, int),
            deadline=rng.integers(release + lasts, HOURS + 1),
            value_yuan=rng.uniform(1, 30, n),
            delay_yuan_per_h=rng.random(n),
            **jobs,
        ),
        sites=grid.Sites(name=["A"], new=[False], connection_kw=1000.0),
        classes=grid.Classes(
            site=[0, 0],
            capacity=capacity,
            memory_gb=[80.0, 80.0],
            power_kw=[0.4, 0.7],
            throughput=[[1.0, 2.0]],
        ),
        hours=HOURS,
        energy=grid.Energy(
            direct_kwh=np.zeros((1, 1, HOURS)),
            direct_yuan_per_kwh=0.2,
            tariff_yuan_per_kwh=rng.uniform(0.2, 1.0, (1, HOURS)),
        ),
        corridors=grid.Corridors(
            delay_ms=np.zeros((1, 1)),
            bandwidth_gb=np.full((1, 1, HOURS), np.inf),
            price_yuan_per_gb=np.zeros((1, 1)),
        ),
        quotas=grid.Quotas.unlimited(1),
        running=runs,
    )


def rows_of(problem, seed, n):
    """Random rows of jobs that are not pinned, each with a price; some prices are 0."""
    rng = np.random.default_rng(seed)
    hours, free = problem.hours, np.ones(len(problem.jobs), bool)
    free[fixed_rows(problem)] = False
    first = rng.integers(0, hours, n)
    return {
        "cover_class": rng.integers(0, len(problem.classes), n),
        "cover_size": rng.integers(1, 8, n),
        "cover_first": first,
        "cover_last": rng.integers(first, hours),
        "cover_job": rng.choice(np.flatnonzero(free), n),
        "cover_yuan": rng.random(n) * rng.integers(0, 4, n),
    }


def all_rows(problem):
    """Every row that a problem has, each at one yuan."""
    gangs = range(1, int(problem.classes.capacity.max()) + 1)
    spans = [(a, b) for a in range(problem.hours) for b in range(a, problem.hours)]
    rows = itertools.product(range(len(problem.classes)), gangs, spans, range(len(problem.jobs)))
    table = np.array([(c, g, a, b, j, 1) for c, g, (a, b), j in rows])
    names = ("class", "size", "first", "last", "job", "yuan")
    return {f"cover_{name}": column for name, column in zip(names, table.T, strict=True)}


def most_of(problem, rows, k):
    """The most accelerators of the row's class in one of its hours."""
    span = range(rows["cover_first"][k], rows["cover_last"][k] + 1)
    return max(int(problem.classes.capacity[rows["cover_class"][k], t]) for t in span)


def share_of(problem, rows, k, j, c, t, d):
    """What job `j` takes of row `k` where it runs at `c` from hour `t`, for `d` hours."""
    if problem.jobs.interruptible[j] or c != rows["cover_class"][k]:
        return 0
    gang, size = int(problem.jobs.gang[j]), int(rows["cover_size"][k])
    runs = [t <= h < t + d for h in range(rows["cover_first"][k], rows["cover_last"][k] + 1)]
    if j != rows["cover_job"][k]:
        return gang // size if all(runs) else 0
    most = most_of(problem, rows, k)
    return most // size - (most - gang) // size if any(runs) and gang <= most else 0


def reduced(problem, rows):
    """The problem without its pinned jobs, and the rows with their jobs' numbers in it."""
    pinned = set(fixed_rows(problem).tolist())
    left = [j for j in range(len(problem.jobs)) if j not in pinned]
    return fixed(problem), rows | {"cover_job": [left.index(j) for j in rows["cover_job"]]}


def bound_by_loops(problem, prices):
    """The bound, row by row, job by job and option by option, with nothing taken off for rounding.

    For problems without corridors, quotas and prices of these, whose energy brings in nothing: then
    it is at least the value of the jobs without any option.
    """
    rows = {name: getattr(prices, name) for name in prices.columns() if name.startswith("cover")}
    problem, rows = reduced(problem, rows)
    jobs, kwh, every = problem.jobs, problem.kwh_per_accelerator_h, range(len(prices.cover_yuan))
    least, shut = jobs.value_yuan.tolist(), set(range(len(jobs)))
    for j, c, t, d, own in options_of(problem):
        price, gang = own, int(jobs.gang[j])
        shut.discard(j)
        for h in range(t, t + d):
            price += gang * (
                prices.capacity[c, h] + kwh[c, h] * prices.energy[problem.classes.site[c], h]
            )
            for size, beta in prices.gang_rows:
                price += gang // size * beta[c, h]
        for k in every:
            price += prices.cover_yuan[k] * share_of(problem, rows, k, j, c, t, d)
        least[j] = min(least[j], price)
    room = problem.classes.capacity
    rent = float((prices.capacity * room).sum())
    rent += sum(float((beta * (room // size)).sum()) for size, beta in prices.gang_rows)
    for k in every:
        rent += prices.cover_yuan[k] * (most_of(problem, rows, k) // rows["cover_size"][k])
    found = sum(least) - rent + energy_bound(problem, prices.energy)
    return max(found, sum(jobs.value_yuan[j] for j in shut))


@pytest.mark.parametrize("seed", range(6))
def test_every_placement_satisfies_every_row(seed):
    """If this fails, a row is not true, and a bound that it has a price in is none."""
    problem = world(seed, 4)
    rows, room = all_rows(problem), problem.classes.capacity
    ways = [[None] for _ in range(4)]
    for j, c, t, d, _ in options_of(problem):
        ways[j].append((j, c, t, d))
    every = range(len(rows["cover_yuan"]))
    limit = [most_of(problem, rows, k) // rows["cover_size"][k] for k in every]
    taken = {
        way: np.array([share_of(problem, rows, k, *way) for k in every])
        for way in itertools.chain(*ways)
        if way is not None
    }
    tight = 0
    for placement in itertools.product(*ways):
        placed = [way for way in placement if way is not None]
        used = np.zeros(room.shape, int)
        for j, c, t, d in placed:
            used[c, t : t + d] += problem.jobs.gang[j]
        if (used > room).any():
            continue
        left = sum((taken[way] for way in placed), np.zeros(len(limit), int))
        assert (left <= limit).all(), (seed, placed, int(np.argmax(left > limit)))
        tight += int((left == limit).sum())
    assert tight


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    seed=st.integers(0, 2**32),
    n=st.integers(3, 9),
    n_rows=st.sampled_from([0, 1, 2, 30]),
    running=st.booleans(),
    others=st.booleans(),
)
def test_loops_over_all_rows_find_the_same_bound(seed, n, n_rows, running, others):
    """If this fails, sums of prices by hour leave a row out, or take one for another job's."""
    problem, rng = world(seed, n, running=running), np.random.default_rng(seed)
    shape = problem.classes.capacity.shape
    prices = energy_prices(problem, 0.3).replace(
        capacity=rng.random(shape) * others,
        gang=rng.random((2, *shape)) * others,
        gang_size=[2, 3],
        **rows_of(problem, seed + 1, n_rows),
    )
    found, needed = lower_bound(problem, prices), bound_by_loops(problem, prices)
    assert found == pytest.approx(needed, rel=1e-9, abs=1e-9)
    if running:
        return
    # By job, the least over its options is that of its explanation.
    none = grid.Placement(klass=[-1] * n, start=[-1] * n)
    plan, jobs = grid.evaluate(problem, none), np.arange(n)
    plan = dataclasses.replace(plan, prices=_sized(plan, prices))
    for j, yuan in zip(jobs, cheapest(problem, plan.prices, jobs), strict=True):
        offers = plan.explain(int(j)).best.values()
        best = min((offer.yuan for offer in offers), default=np.inf)
        assert min(best, problem.jobs.value_yuan[j]) == pytest.approx(yuan, abs=1e-9), (seed, j)


def _sized(plan, prices):
    """Prices with the sizes of gangs that a plan's have, 0 each."""
    return prices.replace(gang=np.zeros_like(plan.prices.gang), gang_size=plan.prices.gang_size)


# ---------------------------------------------------------------- an example by hand


def three_jobs():
    """An hour of six accelerators for gangs of three, four and four: one of them can run."""
    base = world(0, 3)
    return base.replace(
        jobs=grid.Jobs(
            gang=[3, 4, 4],
            work_h=np.ones(3),
            origin=np.zeros(3, int),
            deadline=np.ones(3, int),
            value_yuan=[30.0, 40.0, 40.0],
        ),
        classes=grid.Classes(
            site=[0], capacity=[[6] * HOURS], memory_gb=80.0, power_kw=0.0, throughput=[[1.0]]
        ),
    )


def row(**changes):
    """The row of gangs of four and the first job, in the first hour, at 40 yuan."""
    columns = dict.fromkeys(("class", "first", "last", "job"), 0)
    columns |= {"size": 4, "yuan": 40.0, **changes}
    return {f"cover_{name}": [value] for name, value in columns.items()}


def test_a_row_proves_that_one_of_three_jobs_runs():
    """If this fails, the bound is that of a gang of three beside a part of one of four."""
    problem = three_jobs()
    prices = energy_prices(problem, 0.0)
    # 110 yuan of values less 40 for the room of one gang of four: 30 + 40 + 40 - 40.
    assert lower_bound(problem, prices.replace(**row())) == pytest.approx(70.0)
    plan = gc.match(problem, gap=0.0)
    assert plan.objective_yuan == pytest.approx(70.0)
    # Without the row six accelerators hold the three, and three quarters of a gang of four.
    sizes, best = (1, 3, 4), 0.0
    for price in np.linspace(0, 40, 9):
        for size in sizes:
            beta = np.zeros((1, 1, HOURS))
            beta[0, 0, 0] = price
            other = prices.replace(gang=beta, gang_size=[size])
            best = max(best, lower_bound(problem, other))
    assert best < 70.0 - 1


def test_charges_and_explanation_pay_for_rows():
    """If this fails, what a job is charged is not what its option costs in the bound."""
    problem = three_jobs()
    plan = gc.match(problem, gap=0.0)
    placed = int(np.flatnonzero(plan.assignment >= 0)[0])
    prices = plan.prices.replace(
        capacity=np.zeros_like(plan.prices.capacity),
        gang=np.zeros_like(plan.prices.gang),
        energy=np.zeros_like(plan.prices.energy),
        **row(),
    )
    mine = dataclasses.replace(plan, prices=prices)
    assert mine.verify().valid, str(mine.verify())
    assert mine.verify().proved_by == "prices"
    assert mine.table()["price_yuan"].tolist() == [40.0]
    taken = mine.explain(placed).taken
    assert taken is not None
    assert taken.parts["capacity"] == 40.0
    # Where all have room, it is the price of room that keeps them out.
    empty = grid.evaluate(problem, grid.Placement(klass=[-1] * 3, start=[-1] * 3))
    assert set(dataclasses.replace(empty, prices=prices).reasons.values()) == {"CapacityTaken"}
    assert cheapest(problem, prices, np.arange(3)).tolist() == [30.0, 40.0, 40.0]


def test_interruptible_jobs_pay_nothing_for_rows():
    """If this fails, a job that breaks off pays for room that the row does not say it takes."""
    problem = three_jobs()
    jobs = problem.jobs.replace(interruptible=[True, False, True])
    cut, prices = problem.replace(jobs=jobs), energy_prices(problem, 0.0).replace(**row())
    assert cheapest(cut, prices, np.arange(3)).tolist() == [0.0, 40.0, 0.0]
    assert lower_bound(cut, prices) == pytest.approx(0.0)
    two = prices.replace(**row(yuan=15.0))
    assert cheapest(cut, two, np.arange(3)).tolist() == [0.0, 15.0, 0.0]


# ---------------------------------------------------------------- forged rows


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"yuan": -1.0}, r"cover_yuan\[0\] is -1\.0, needed .* >= 0"),
        ({"yuan": np.nan}, r"cover_yuan\[0\] is nan, needed a finite number"),
        ({"size": 0}, r"cover_size\[0\] is 0, needed an integer >= 1"),
        ({"class": 1}, r"cover_class\[0\] is 1, needed below 1, the number of classes"),
        ({"class": -1}, r"cover_class\[0\] is -1, needed an integer >= 0"),
        ({"last": HOURS}, r"cover_last\[0\] is 5, needed below 5, the number of hours"),
        ({"first": 1}, r"cover_last\[0\] is 0, needed an hour not before"),
        ({"first": -1}, r"cover_first\[0\] is -1, needed"),
        ({"job": -1}, r"cover_job\[0\] is -1, needed"),
    ],
)
def test_rows_of_nothing_are_refused(change, message):
    """If this fails, a price of no row enters a bound."""
    prices = energy_prices(three_jobs(), 0.0)
    with pytest.raises(InvalidProblemError, match=message):
        prices.replace(**row(**change))
    with pytest.raises(InvalidProblemError, match=r"cover_size has shape \(2,\), 2 along 'cover'"):
        prices.replace(**{**row(), "cover_size": [4, 4]})
    with pytest.raises(InvalidProblemError, match="needed at most 1,048,576"):
        prices.replace(**row(yuan=0.0) | {"cover_yuan": np.zeros((1 << 20) + 1)} | _wide())


def _wide():
    """One row more than prices may have."""
    names = ("class", "first", "last", "job", "size")
    return {f"cover_{name}": np.full((1 << 20) + 1, int(name == "size")) for name in names}


@pytest.mark.parametrize(
    ("name", "value", "token"),
    [
        ("cover_job", 3, "CoverMalformed at cover_job[0]: found 3, needed 2"),
        ("cover_class", 1, "CoverMalformed at cover_class[0]: found 1, needed 0"),
        ("cover_last", 9, "CoverMalformed at cover_last[0]: found 9, needed 4"),
        ("cover_size", 0, "CoverMalformed at cover_size[0]: found 0, needed 1"),
        ("cover_job", -1, "CoverMalformed at cover_job[0]: found -1, needed 0"),
        ("cover_yuan", -1.0, "PriceNegative at cover price [0]: found 1, needed 0"),
        ("cover_yuan", 1e300, ""),
    ],
)
def test_rows_that_slip_past_the_door_prove_nothing(name, value, token):
    """If this fails, whoever builds prices around the checks forges a bound."""
    problem = three_jobs()
    prices = energy_prices(problem, 0.0).replace(**row(yuan=1.0))
    object.__setattr__(prices, name, np.array([value], getattr(prices, name).dtype))
    assert lower_bound(problem, prices) == -np.inf
    faults = [*sign_faults(SimpleNamespace(problem=problem, prices=prices))]
    faults += cover_faults(problem, prices)
    assert [str(fault) for fault in faults] == [token] * bool(token)
    # What the jobs pay is told without the rows, which are none.
    assert cheapest(problem, prices, np.arange(3)).tolist() == [0.0, 0.0, 0.0]


def _none():
    return {f"cover_{name}": () for name in ("class", "size", "first", "last", "job", "yuan")}


def test_a_row_of_a_job_that_cannot_move_proves_nothing():
    """If this fails, a pinned job's row, whose room is gone already, is counted twice."""
    problem = world(3, 5, running=True)
    assert fixed_rows(problem).tolist() == [0]
    plan = gc.match(problem, gap=0.0)
    for job, valid in ((0, False), (1, True)):
        mine = dataclasses.replace(plan, prices=plan.prices.replace(**row(job=job, yuan=0.0)))
        assert mine.verify().valid == valid, str(mine.verify())
        assert ("cover_job[0]: 1 as job 0 runs and cannot move" in str(mine.verify())) != valid
        assert (lower_bound(problem, mine.prices) == -np.inf) != valid


# ---------------------------------------------------------------- stored, copied, shifted


def test_rows_are_stored_and_read_with_a_plan(tmp_path):
    """If this fails, a stored plan proves less than the one that was written."""
    plan = gc.match(world(5, 6), gap=0.0)
    prices = plan.prices.replace(**rows_of(plan.problem, 1, 40))
    mine = dataclasses.replace(plan, prices=prices, status="feasible")
    again = grid.read_plan(grid.write_plan(mine, tmp_path / "plan"))
    for other in (again.prices, pickle.loads(pickle.dumps(mine)).prices, copy.deepcopy(prices)):
        for name in prices.columns():
            np.testing.assert_array_equal(getattr(other, name), getattr(prices, name))
        assert not other.cover_yuan.flags.writeable
    assert lower_bound(plan.problem, again.prices) == lower_bound(plan.problem, prices)
    shifted = prices.shift(1)
    assert [len(getattr(shifted, name)) for name in _none()] == [0] * 6

    file = tmp_path / "plan" / "plan.npz"
    with np.load(file) as arrays:
        kept = dict(arrays)
    for name, values, message in (
        ("cover_job", kept["prices.cover_job"][:7], "cover_job has shape"),
        ("cover_yuan", kept["prices.cover_yuan"][None], "at most"),
        ("cover_yuan", np.zeros((1 << 20) + 1), r"found .*, needed float64, at most \(1048576,\)"),
        ("cover_job", kept["prices.cover_job"].astype(np.int64), "needed int32, at most"),
    ):
        np.savez(file, **kept | {f"prices.{name}": values})
        with pytest.raises(InvalidProblemError, match=message):
            grid.read_plan(tmp_path / "plan")
    np.savez(file, **{name: v for name, v in kept.items() if "cover" not in name})
    assert len(grid.read_plan(tmp_path / "plan").prices.cover_yuan) == 0
