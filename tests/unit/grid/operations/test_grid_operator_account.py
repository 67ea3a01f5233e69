"""The cost of an operator's hours: what is spent, open and owed, and the causes of its regret."""

import re

import numpy as np
import pytest

import gridcompute as gc
from gridcompute import grid
from gridcompute.grid.operations import rolling
from gridcompute.report.charts import stack
from gridcompute.report.operator_page import operator_page
from gridcompute.report.page import page

HOURS = 24


def two_sites(**mandate):
    """A day of two new sites that are short of green power at night, with two jobs an hour."""
    hour = np.arange(HOURS)
    sun = 40.0 * np.maximum(np.sin((hour - 6) / 12 * np.pi), 0.0)
    release = np.repeat(hour, 2)
    return grid.Problem(
        jobs=grid.Jobs(
            gang=np.ones(2 * HOURS, int),
            work_h=1.0,
            origin=np.tile([0, 1], HOURS),
            release=release,
            deadline=np.minimum(release + 2, HOURS),
            value_yuan=20.0,
            residency=np.tile([1, 2], HOURS),
        ),
        sites=grid.Sites(name=np.array(["a", "b"]), new=np.array([True, True])),
        classes=grid.Classes(
            site=[0, 1],
            capacity=np.full((2, HOURS), 6),
            memory_gb=80.0,
            power_kw=1.0,
            throughput=[[1.0, 1.0]],
        ),
        hours=HOURS,
        energy=grid.Energy(
            direct_kwh=np.broadcast_to(sun, (1, 2, HOURS)),
            direct_yuan_per_kwh=np.full((1, 2), 0.3),
            bundled_kwh=np.repeat([[6.5], [8.0]], HOURS, axis=1),
            bundled_yuan_per_kwh=0.8,
            tariff_yuan_per_kwh=0.5,
            base_load_kwh=8.0,
            battery_kwh=0.0,
            battery_kw=0.0,
        ),
        corridors=grid.Corridors(
            delay_ms=np.zeros((2, 2)),
            bandwidth_gb=np.full((2, 2, HOURS), np.inf),
            price_yuan_per_gb=np.zeros((2, 2)),
        ),
        quotas=grid.Quotas.unlimited(1),
        mandate=grid.Mandate(**{"share": 0.8, **mandate}),
        direct_rule=grid.DirectRule(used=0.0, of_load=0.0),
    )


@pytest.mark.parametrize("world", ["two sites", "packaged", "few jobs"])
def test_no_hour_changes_the_total_by_more_than_what_happened_in_it(world):
    """If this fails, the cost of a day jumps when its last hour comes into view, or with rents.

    What happens in an hour is what it spends, and what the plan spends on jobs that are new in it;
    where one gang is a tenth of a day's cost, also what a better plan finds that the bound left
    open. Hours deliver 0.9 of the tables. Each horizon meets their end. The rents of the packaged
    days change by half the cost of a day from one hour to the next.
    """
    settings = {"gap": 0.02, "forecast": None, "threads": 1}
    if world == "two sites":
        op = grid.Rolling(two_sites(), horizon_h=12, **settings)
    elif world == "packaged":
        op = grid.Rolling(grid.east_west(n_jobs=150, seed=1), horizon_h=10, **settings)
    else:
        op = grid.Rolling(grid.east_west(n_jobs=40, seed=5), horizon_h=3, **settings)
    before = op.account
    for t in range(HOURS):
        op.step(actual={"renewables": 0.9}, work_limit=3_000)
        now = op.account
        assert now.yuan == op.cost_yuan
        assert now.expected_yuan == op.expected_yuan
        assert now.expected_yuan == now.spent_yuan + now.open_yuan + now.owed_yuan
        assert now.expected_yuan + now.worth_yuan == pytest.approx(now.yuan)
        assert 0.0 <= now.open_bound_yuan <= now.open_yuan
        assert 0.0 <= now.new_yuan <= now.open_yuan
        happened = abs(now.spent_yuan - before.spent_yuan) + now.new_yuan
        if world == "few jobs":
            happened += before.open_yuan - before.open_bound_yuan
        change = abs(now.expected_yuan - before.expected_yuan)
        assert change <= happened + 0.05 * now.expected_yuan, (t, before, now)
        before = now
    assert before.open_yuan == 0.0
    owed = op.ledger.owed_kwh(op.world.mandate, op.world.sites)
    assert before.owed_yuan == pytest.approx(3.0 * np.maximum(owed, 0.0).sum())
    assert (before.owed_yuan > 0) == (world == "two sites")


def test_what_is_expected_is_spent_where_all_is_known():
    """If this fails, what the page expects of open jobs is not what they then spend.

    All jobs are there from hour 0, load is theirs alone, and sun and wind come as forecast.
    """
    problem = two_sites(share=0.0)
    jobs = problem.jobs.replace(
        release=0, deadline=np.arange(1, 2 * HOURS + 1) % 12 + 6, delay_yuan_per_h=0.01
    )
    problem = problem.replace(jobs=jobs, energy=problem.energy.replace(base_load_kwh=0.0))
    op = grid.Rolling(problem, horizon_h=HOURS, gap=0.0, forecast=None, threads=1)
    totals = []
    for _ in range(HOURS):
        op.step(work_limit=20_000)
        totals.append(op.expected_yuan)
    assert totals == pytest.approx([op.account.spent_yuan] * HOURS, rel=1e-3)
    assert op.history["energy"].sum() > 0.5 * totals[0]
    assert op.history["delay"].sum() > 0


def five_sites(seed):
    """A day of five new sites with little green power at night, and 72 jobs that may wait."""
    r, hour = np.random.default_rng(seed), np.arange(HOURS)
    sun = np.maximum(np.sin((hour - 6) / 12 * np.pi), 0.0) * 16 * r.uniform(0.8, 1.2, (5, 1))
    release = np.repeat(hour, 3)
    n = len(release)
    return grid.Problem(
        jobs=grid.Jobs(
            gang=r.integers(1, 4, n),
            work_h=r.integers(1, 4, n).astype(float),
            origin=r.integers(0, 5, n),
            release=release,
            deadline=np.minimum(release + r.integers(4, 12, n), HOURS),
            value_yuan=40.0,
        ),
        sites=grid.Sites(name=np.array(list("abcde")), new=np.ones(5, bool)),
        classes=grid.Classes(
            site=np.arange(5),
            capacity=np.full((5, HOURS), 10),
            memory_gb=80.0,
            power_kw=1.0,
            throughput=np.ones((1, 5)),
        ),
        hours=HOURS,
        energy=grid.Energy(
            direct_kwh=np.stack([sun, r.uniform(0.5, 1.5, (5, HOURS))]),
            direct_yuan_per_kwh=np.full((2, 5), 0.25),
            bundled_kwh=3.5,
            bundled_yuan_per_kwh=0.7,
            tariff_yuan_per_kwh=np.where((hour < 7) | (hour > 21), 0.3, 0.6)[None].repeat(5, 0),
            base_load_kwh=3.0,
            battery_kwh=10.0,
            battery_kw=2.5,
        ),
        corridors=grid.Corridors(
            delay_ms=np.zeros((5, 5)),
            bandwidth_gb=np.full((5, 5, HOURS), np.inf),
            price_yuan_per_gb=np.zeros((5, 5)),
        ),
        quotas=grid.Quotas.unlimited(1),
        mandate=grid.Mandate(share=0.8),
        direct_rule=grid.DirectRule(used=0.0, of_load=0.0),
    )


def test_the_mandate_is_kept_where_forecasts_are_too_high():
    """If this fails, an operator that learns of its forecasts still counts on power that is gone.

    Sun and wind deliver 0.7 to 1.1 of the tables, drawn each hour.
    """
    seed = 3
    drawn = np.random.default_rng(seed).uniform(0.7, 1.1, HOURS)
    default = {}
    runs = []
    for settings in (default, {"forecast": None}):
        op = grid.Rolling(five_sites(seed), horizon_h=12, gap=0.02, threads=1, **settings)
        for factor in drawn:
            op.step(actual={"renewables": float(factor)}, work_limit=5_000)
        runs.append(op)
    op, trusting = runs
    shares = op.ledger.green_kwh.sum(axis=0) / op.ledger.load_kwh.sum(axis=0)
    assert (shares >= 0.8 - 1e-6).all(), (seed, shares)
    assert np.allclose(op.expected_share, shares)
    assert trusting.account.owed_yuan > op.account.owed_yuan, (seed, trusting.account)
    assert op.cost_yuan <= 1.03 * trusting.cost_yuan, (seed, op.account, trusting.account)


def test_pages_have_a_list_of_contents_and_no_map_without_coordinates():
    """If this fails, sites without coordinates lie on each other in the middle of an empty map."""
    problem = two_sites()
    apart = problem.replace(sites=problem.sites.replace(longitude=[90.0, 110.0]))
    for world, maps in ((problem, 0), (apart, 2)):
        text = page(gc.match(world, gap=0.5))
        assert text.count("bend to the right of") == (maps > 0)
        assert text.count('href="#s') == text.count("<section id=") > 9


def test_the_page_of_an_operator_has_dates_and_savings_below_0():
    """If this fails, a saving is drawn as a loss, or the reader has to count hours from a start."""
    problem = two_sites().replace(start="2026-03-01T00:00[Asia/Shanghai]")
    op = grid.Rolling(problem, horizon_h=4, gap=0.5, threads=1)
    for _ in range(4):
        op.step(work_limit=1_000)
    seen = op.hindsight(work_limit=1_000)
    assert sum(op.regret.values()) == pytest.approx(op.cost_yuan - seen.bound_yuan, abs=1e-6)
    text = operator_page(op, seen)
    for words in ("03-01 02:00", "down a saving", "left waiting at the end", "spent so far"):
        assert words in text, words
    hasty = operator_page(op, op.hindsight(gap=0.0, work_limit=1.0))
    assert f"gave up at a gap of {op.hindsight(gap=0.0, work_limit=1.0).gap:.1%}" in hasty
    assert "gave up" not in operator_page(op, op.hindsight(gap=10.0))
    assert "print-color-adjust: exact" in text, "printed without backgrounds heat maps are blank"
    signs = {"gain": np.array([1.0, -2.0]), "none": np.zeros(2)}
    drawn = stack("x", [(k, "red", v) for k, v in signs.items()], unit="yuan")
    assert ">-2<" in drawn, drawn
    assert drawn.count("<polygon") == 1


@pytest.mark.parametrize("hours", [1, 2, 5, 7, 24, 101])
@pytest.mark.parametrize("width", [262, 330, 1080])
def test_the_times_below_a_picture_do_not_touch(hours, width):
    """If this fails, the first two dates of a page run into each other on a narrow screen."""
    times = [f"day 1, {h % 24:02d}:00" for h in range(hours + 1)]
    layers = [("load", "red", np.ones(hours))]
    drawn = stack("x", layers, unit="MWh", times=times, width=width)
    marks = re.findall(r'<text x="([\d.]+)" y="146" text-anchor="(\w+)"[^>]*>(day[^<]*)', drawn)
    assert marks, drawn
    before = 0.0
    for x, anchor, words in marks:
        wide = 6.0 * len(words)  # of letters 10.5 pixels high
        begin = float(x) - wide * {"start": 0.0, "middle": 0.5, "end": 1.0}[anchor]
        assert begin > before, (hours, width, marks)
        before = begin + wide
    assert before <= width, (hours, width, marks)


def test_a_step_with_no_plan_to_begin_with_has_three_times_the_work():
    """If this fails, an operator commits its first hour by a plan that was cut off."""
    limits = []
    op = grid.Rolling(two_sites(), horizon_h=6, gap=0.0, threads=1)
    match = rolling.match

    def limited(problem, **more):
        limits.append(more["work_limit"])
        return match(problem, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rolling, "match", limited)
        for _ in range(3):
            op.step(work_limit=500)
        step = op.step(work_limit=500)
        last = step.plan.prices, step.rows, 1
        other = grid.Rolling(two_sites(), horizon_h=6, gap=0.0, threads=1, last=last)
        other.step(work_limit=500)
    assert limits == [1500, 500, 500, 500, 500]
