"""Values that no table may hold, and extreme ones that it may: both ends of the table of limits."""

import re
from pathlib import Path

import numpy as np
import pytest

import gridcompute as gc
from gridcompute import InvalidProblemError, grid
from gridcompute.grid.planner.dispatch_lp import EnergyBlock
from gridcompute.grid.planner.prices import CouplingConstraints

DOCS = Path(__file__).resolve().parents[4] / "docs" / "how-to" / "own-tables.md"
TABLES = ("jobs", "sites", "classes", "energy", "corridors", "quotas")
_PACKAGED = grid.east_west(n_jobs=40, seed=2)
_APART = np.full((len(_PACKAGED.classes.accelerator_names), len(_PACKAGED.quotas)), np.inf)
PROBLEM = _PACKAGED.replace(
    quotas=_PACKAGED.quotas.replace(upper_by_accelerator_h=_APART, lower_by_accelerator_h=0.0)
)

COLUMNS = [
    (table, name)
    for table in TABLES
    for name, spec in getattr(PROBLEM, table).columns().items()
    if spec.dtype is np.float64
]


@pytest.mark.parametrize(("table", "name"), COLUMNS)
@pytest.mark.parametrize("value", [1e15, 1e300, -1e15, -1e300, np.nan, -np.inf])
def test_a_value_beyond_the_limit_is_refused(table, name, value):
    """If this fails, a column takes 1e15, and a bound of the plan has no digit left."""
    columns = getattr(PROBLEM, table)
    values = getattr(columns, name).copy()
    at = tuple(k // 2 for k in values.shape)
    values[at] = value
    with pytest.raises(InvalidProblemError) as caught:
        columns.replace(**{name: values})
    where = ", ".join(map(str, at))
    assert str(caught.value).startswith(f"{table}.{name}[{where}] is {value}, needed "), (
        caught.value
    )
    assert caught.value.field == f"{table}.{name}"
    assert caught.value.index == (at if len(at) > 1 else at[0])


# Columns that another column of their table limits further.
HELD = {"green_start_kwh", "grey_start_kwh", "lower_accelerator_h", "lower_by_accelerator_h"}


@pytest.mark.parametrize(("table", "name"), [c for c in COLUMNS if c[1] not in HELD])
def test_the_limit_itself_is_taken(table, name):
    """If this fails, a message names a limit that is refused."""
    columns = getattr(PROBLEM, table)
    most = columns.columns()[name].high
    values = getattr(columns.replace(**{name: np.full_like(getattr(columns, name), most)}), name)
    assert np.isfinite(most)
    assert (values == most).sum() >= values.size // 2  # within a site corridors are free


@pytest.mark.parametrize("name", ["charge_efficiency", "discharge_efficiency"])
def test_an_efficiency_of_next_to_nothing_is_refused(name):
    """If this fails, the dispatch has a factor of 1e300."""
    with pytest.raises(InvalidProblemError, match=r"\[0\] is 1e-300, needed .* >= 0.001"):
        PROBLEM.energy.replace(**{name: 1e-300})


@pytest.mark.parametrize("value", [1e15, 1e300, -1.0, float("nan"), float("inf"), 10**400])
def test_prices_that_are_settings_have_limits(value):
    """If this fails, a penalty of 1e300 is in every bound, or 10**400 ends in an OverflowError."""
    made = {
        "energy.certificate_yuan_per_kwh": lambda: PROBLEM.energy.replace(
            certificate_yuan_per_kwh=value
        ),
        "energy.carbon_yuan_per_t": lambda: PROBLEM.energy.replace(carbon_yuan_per_t=value),
        "mandate.shortfall_yuan_per_kwh": lambda: grid.Mandate(
            share=0.5, shortfall_yuan_per_kwh=value
        ),
        "direct_rule.shortfall_yuan_per_kwh": lambda: grid.DirectRule(shortfall_yuan_per_kwh=value),
        "ledger.cap_yuan_per_kwh": lambda: grid.Ledger(cap_yuan_per_kwh=value),
    }
    for field, make in made.items():
        with pytest.raises(InvalidProblemError, match=re.escape(field)) as caught:
            make()
        assert caught.value.field == field


def test_a_load_beyond_the_limit_is_refused():
    """If this fails, columns within their limits make a load of 1e15 kWh in an hour."""
    most = {"capacity": np.full_like(PROBLEM.classes.capacity, 2**31 - 1), "power_kw": 1e3}
    many = PROBLEM.jobs.replace(gang=np.full(40, 2**31 - 1, np.int32))
    with pytest.raises(InvalidProblemError, match=r"classes.capacity: found .* kWh at site 0"):
        PROBLEM.replace(classes=PROBLEM.classes.replace(**most), jobs=many)


def test_a_ledger_that_carries_too_much_is_refused():
    """If this fails, one line of 1e300 kWh in a ledger is what every later plan must make good."""
    names = tuple(str(name) for name in PROBLEM.sites.name)
    none = (0.0,) * len(names)
    ledger = grid.Ledger(window=5)._with(
        batch="first", kind="plan", sites=names, serials=(), intervals=(), bundles=(),
        certificate_kwh=none,
        load_kwh=(1e300,) * len(names), green_kwh=none,
    )  # fmt: skip
    with pytest.raises(InvalidProblemError, match=r"mandate.ledger: found .*e\+299 kWh carried"):
        PROBLEM.replace(mandate=grid.Mandate(share=0.8, ledger=ledger))


def test_the_docs_have_the_table_of_limits():
    """If this fails, the page tells other limits than the code has."""
    rows = re.findall(r"^\| `([^`]+)` \| ([0-9e+.]+) \|", DOCS.read_text(encoding="utf-8"), re.M)
    assert {unit: float(most) for unit, most in rows} == dict(grid.LIMITS)


# ---------------------------------------------------------------- extreme values within the limits


def checked(problem):
    """A plan that its own certificate accepts."""
    plan = gc.match(problem, gap=0.5, time_limit=1)
    found = plan.verify()
    assert found.valid, str(found)
    return plan


def test_a_capacity_without_limit_leaves_the_dispatch_exact():
    """If this fails, 2**31 - 1 for "as many as you like" makes the solver's tolerance 150 kWh."""
    classes = PROBLEM.classes
    capacity = np.full_like(classes.capacity, 2**31 - 1)
    checked(PROBLEM.replace(classes=classes.replace(capacity=capacity)))
    strong = classes.replace(capacity=capacity, power_kw=np.r_[1e3, classes.power_kw[1:]])
    checked(PROBLEM.replace(classes=strong))


@pytest.mark.parametrize("size", [1e6, 1e9, 1e11])
@pytest.mark.parametrize("scope", ["site", "operator"])
def test_a_vast_site_beside_small_ones(size, scope):
    """If this fails, one site's load sets the tolerance of all, and small sites are not served."""
    energy = PROBLEM.energy
    vast = np.arange(12)[:, None] == 3
    sites = PROBLEM.sites
    changed = energy.replace(
        base_load_kwh=np.where(vast, size, energy.base_load_kwh),
        direct_kwh=energy.direct_kwh * np.where(vast, 1e3, 1.0),
    )
    free = np.where(vast[:, 0], np.inf, sites.connection_kw)
    problem = PROBLEM.replace(
        energy=changed,
        sites=sites.replace(connection_kw=free),
        mandate=grid.Mandate(share=0.8, scope=scope),
    )
    plan = checked(problem)
    alone = EnergyBlock(problem)
    curve_end, curve_price = alone.curves(plan.dispatch.load_kwh)
    assert np.isfinite(curve_end).all()
    assert np.isfinite(curve_price).all()


def test_negative_tariffs_have_a_typical_price_as_well():
    """If this fails, the steps of the ascent go the wrong way, and the bound stays where it is."""
    energy = PROBLEM.energy.replace(tariff_yuan_per_kwh=-PROBLEM.energy.tariff_yuan_per_kwh)
    for problem in (PROBLEM, PROBLEM.replace(energy=energy)):
        rows = CouplingConstraints(problem, EnergyBlock(problem), 1)
        assert (rows.scale >= 0).all()
        assert (rows.scale[rows.active > 0] > 0).all()
    plan = gc.match(PROBLEM.replace(energy=energy), gap=0.5)
    found = plan.verify()
    assert found.valid, str(found)
    assert plan.gap <= 0.5, plan


@pytest.mark.parametrize(
    ("table", "columns"),
    [
        ("jobs", {"work_h": 1e-300}),
        ("jobs", {"value_yuan": np.r_[1e6, np.zeros(39)]}),
        ("energy", {"tariff_yuan_per_kwh": 1e-300}),
        ("energy", {"tariff_yuan_per_kwh": 0.0}),
        ("corridors", {"price_yuan_per_gb": 1e-300}),
        ("classes", {"power_kw": 0.0, "overhead_kw": 0.0}),
    ],
)
def test_tiny_values_leave_steps_of_a_size(table, columns):
    """If this fails, a typical price is 0 or infinite, and prices do not move or are NaN."""
    problem = PROBLEM.replace(**{table: getattr(PROBLEM, table).replace(**columns)})
    scale = CouplingConstraints(problem, EnergyBlock(problem), 1).scale
    scale = scale[scale != 0]
    assert (scale > 1e-12).all()
    assert (scale < 1e9).all()
    checked(problem)
