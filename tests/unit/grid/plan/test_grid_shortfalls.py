"""Small shortfalls: what raises an alarm is never shown as 0, and what is missing has an alarm."""

import re

import numpy as np
import pytest

import gridcompute as gc
from gridcompute import grid
from gridcompute.report.operator_page import operator_page
from gridcompute.report.page import page

#: Shortfalls in kWh; the first is within a solver's tolerance.
MISSING = (1e-6, 2e-3, 4e-3, 0.04, 0.4)
HOURS = 2


def small(n_sites=1, load_kwh=1.0, **parts):
    """One job that takes next to no power, and sites whose base load is all there is to serve.

    `parts` named by a column of `Energy` or `Sites` go there, others to the problem.
    """
    shape = (n_sites, HOURS)
    energy = {
        "direct_kwh": np.zeros((1, *shape)),
        "direct_yuan_per_kwh": np.zeros((1, n_sites)),
        "tariff_yuan_per_kwh": np.full(shape, 0.5),
        "base_load_kwh": np.full(shape, load_kwh),
    }
    sites = {"name": np.array([f"S{i}" for i in range(n_sites)]), "pue": 1.0}
    sites["new"] = np.ones(n_sites, bool)
    for name in list(parts):
        for table, columns in ((energy, grid.Energy), (sites, grid.Sites)):
            if hasattr(columns, name) or name in columns.columns():
                table[name] = parts.pop(name)
                break
    parts = {"quotas": grid.Quotas.unlimited(1), **parts}
    return grid.Problem(
        jobs=grid.Jobs(
            gang=[1], work_h=[1.0], origin=[0], deadline=[HOURS], value_yuan=[50.0], id=["a"]
        ),
        sites=grid.Sites(**sites),
        classes=grid.Classes(
            site=np.arange(n_sites, dtype=np.int32),
            capacity=np.full(shape, 4),
            memory_gb=[80.0] * n_sites,
            power_kw=[1e-9] * n_sites,
            throughput=[[1.0] * n_sites],
        ),
        hours=HOURS,
        energy=grid.Energy(**energy),
        corridors=grid.Corridors(
            delay_ms=np.zeros((n_sites, n_sites)),
            bandwidth_gb=np.full((n_sites, n_sites, HOURS), 450.0),
            price_yuan_per_gb=np.zeros((n_sites, n_sites)),
        ),
        **parts,
    )


def bad_tiles(text):
    """The red tiles of a page as words."""
    tiles = re.findall(r'<div class="tile bad">(.*?)</div>', text)
    return [re.sub("<[^>]+>", " ", tile) for tile in tiles]


def is_zero(text):
    """Whether a text holds an amount of energy that reads as 0."""
    return re.search(r"(?<![\d.,])0(\.0+)? *kWh", text) is not None


@pytest.mark.parametrize("load_kwh", [1.0, 1e3, 1e6])
@pytest.mark.parametrize(("n_sites", "scope"), [(1, "site"), (4, "cluster")])
@pytest.mark.parametrize("kwh", MISSING)
def test_mandate(kwh, n_sites, scope, load_kwh):
    """If this fails, alarm, red tile, claim and table disagree on a shortfall of the mandate."""
    green = np.full((n_sites, HOURS), 0.8 * load_kwh - kwh / n_sites / HOURS)
    problem = small(
        n_sites,
        load_kwh,
        bundled_kwh=green,
        bundled_yuan_per_kwh=np.full(green.shape, 0.4),
        mandate=grid.Mandate(share=0.8, scope=scope),
    )
    plan = gc.match(problem)
    account, text = grid.audit(plan), page(plan)
    (claim,) = (c for c in account.claims if (c.rule, c.scope) == ("hourly", scope))
    short = kwh > 1e-3
    assert len(account.alarms) == int(short), account.alarms
    assert claim.met is not short
    tiles = bad_tiles(text)
    assert bool(tiles) is short
    assert not any(map(is_zero, (*tiles, *account.alarms)))
    (line,) = (row for row in str(grid.compare(plan, plan)).splitlines() if "short of" in row)
    assert (float(line.split()[-2]) > 0) is short, line


@pytest.mark.parametrize("kwh", MISSING)
def test_shed_load(kwh):
    """If this fails, load without power raises no alarm, or one of 0 kWh."""
    problem = small(
        connection_kw=np.full(1, 1.0 - kwh / HOURS),
        shed_kwh=np.ones((1, HOURS)),
        shed_yuan_per_kwh=3.0,
    )
    plan = gc.match(problem)
    alarms = [words for words in grid.audit(plan).alarms if "without power" in words]
    assert len(alarms) == int(kwh > 1e-3), (alarms, plan.dispatch.shed_kwh)
    assert not any(map(is_zero, alarms))


@pytest.mark.parametrize("kwh", MISSING)
def test_shed_load_of_an_operator(kwh):
    """If this fails, the red tile of the operator's page says 0.0 kWh, or stands there for none."""
    problem = small(connection_kw=np.full(1, 1.0 - kwh), shed_yuan_per_kwh=3.0)
    op = grid.Rolling(problem, horizon_h=1)
    op.step()
    tiles = bad_tiles(operator_page(op))
    assert len(tiles) == int(kwh > 1e-3), (tiles, op.ledger.shed_kwh)
    assert not any(map(is_zero, tiles))


@pytest.mark.parametrize("hours", MISSING)
def test_guarantees(hours):
    """If this fails, a guarantee that is missed has no alarm, or is shown as what is used."""
    quotas = grid.Quotas.unlimited(1).replace(
        lower_accelerator_h=[1.0 + hours], below_yuan_per_accelerator_h=[3.0]
    )
    account = grid.audit(gc.match(small(quotas=quotas)))
    short = hours > 1e-3
    assert len(account.alarms) == int(short), account.alarms
    ((_, _, used, guarantee, *_),) = account.queue_rows()
    assert (used != guarantee) is short
