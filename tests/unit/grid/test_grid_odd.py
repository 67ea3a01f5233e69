"""Odd problems through every face: match, verify, explain, page, Arrow, files, command line."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

import gridcompute as gc
from gridcompute import InfeasibleError, InvalidProblemError, grid
from gridcompute.cli import app as cli

HOURS = 3


def small(n_sites=2, hours=HOURS, n_jobs=6):
    """A small problem with everything in it: sun, batteries, tolls, quotas, mandate."""
    rng = np.random.default_rng(0)
    half = np.arange(n_sites) % 2 == 0
    return grid.Problem(
        jobs=grid.Jobs(
            gang=rng.integers(1, 4, n_jobs),
            work_h=rng.uniform(0.2, 1.0, n_jobs),
            origin=rng.integers(0, n_sites, n_jobs),
            data_gb=rng.uniform(0, 3, n_jobs),
            deadline=np.full(n_jobs, hours),
            value_yuan=np.full(n_jobs, 20.0),
            tenant=np.arange(n_jobs) % 2,
        ),
        sites=grid.Sites(
            name=np.array([f"site {s}" for s in range(n_sites)]),
            new=half,
            carbon_g_per_kwh=500.0,
            connection_kw=100.0,
        ),
        classes=grid.Classes(
            site=np.arange(n_sites),
            capacity=np.full((n_sites, hours), 4),
            memory_gb=80.0,
            power_kw=0.4,
            throughput=np.ones((1, n_sites)),
        ),
        hours=hours,
        energy=grid.Energy(
            direct_kwh=np.full((1, n_sites, hours), 0.5),
            direct_yuan_per_kwh=0.2,
            bundled_kwh=0.3,
            bundled_yuan_per_kwh=0.5,
            tariff_yuan_per_kwh=np.full((n_sites, hours), 0.6),
            battery_kwh=1.0,
            battery_kw=0.5,
            charge_efficiency=0.95,
            discharge_efficiency=0.95,
        ),
        corridors=grid.Corridors(
            delay_ms=np.full((n_sites, n_sites), 5.0),
            bandwidth_gb=np.full((n_sites, n_sites, hours), 4.0),
            price_yuan_per_gb=0.03,
        ),
        quotas=grid.Quotas(upper_accelerator_h=np.array([6.0, np.inf])),
        mandate=grid.Mandate(share=0.8),
        name="small",
    )


def with_jobs(problem, **columns):
    return problem.replace(jobs=problem.jobs.replace(**columns))


def no_jobs():
    return small(n_jobs=0)


def nothing_placed():
    return with_jobs(small(), value_yuan=0.0, delay_yuan_per_h=1.0)


def no_class_fits():
    return with_jobs(small(), memory_gb=500.0)


def no_capacity():
    problem = small()
    return problem.replace(classes=problem.classes.replace(capacity=np.zeros((2, HOURS), int)))


def no_corridors():
    problem = small()
    shut = grid.Corridors(delay_ms=np.full((2, 2), np.inf), bandwidth_gb=np.zeros((2, 2, HOURS)))
    return problem.replace(corridors=shut)


def no_quotas():
    return small().replace(quotas=grid.Quotas.unlimited(2))


def closed_quota():
    return small().replace(quotas=grid.Quotas(upper_accelerator_h=np.zeros(2)))


def lower_quota():
    quotas = grid.Quotas(
        upper_accelerator_h=np.full(2, np.inf),
        lower_accelerator_h=np.array([50.0, 1.0]),
        below_yuan_per_accelerator_h=np.array([2.0, 3.0]),
    )
    return small().replace(quotas=quotas)


def no_battery():
    problem = small()
    return problem.replace(energy=problem.energy.replace(battery_kwh=0.0, battery_kw=0.0))


def no_sources():
    problem = small()
    tariff = np.full((2, HOURS), 0.6)
    none = grid.Energy(direct_kwh=np.zeros((0, 2, HOURS)), tariff_yuan_per_kwh=tariff)
    return problem.replace(energy=none)


def no_mandate():
    return small().replace(mandate=grid.Mandate(share=0.0))


def nobody_new():
    return small().replace(mandate=grid.Mandate(share=0.8, new=(False, False)))


def free_power():
    problem = small()
    return problem.replace(classes=problem.classes.replace(power_kw=0.0))


ODD = {
    f.__name__: f
    for f in (
        small,
        no_jobs,
        nothing_placed,
        no_class_fits,
        no_capacity,
        no_corridors,
        no_quotas,
        closed_quota,
        lower_quota,
        no_battery,
        no_sources,
        no_mandate,
        nobody_new,
        free_power,
    )
}
ODD |= {
    "one job": lambda: small(n_jobs=1),
    "one site": lambda: small(n_sites=1),
    "one hour": lambda: small(hours=1),
    "one of each": lambda: small(n_sites=1, hours=1, n_jobs=1),
}


@pytest.fixture(scope="module", params=ODD)
def plan(request):
    """The plan of one odd problem."""
    return gc.match(ODD[request.param](), gap=0.0)


def test_the_plan_is_sound(plan):
    """If this fails, an odd problem is solved wrongly, or the checker stumbles over it."""
    found = plan.verify()
    assert found.valid, str(found)
    assert 0 <= plan.gap <= 1
    assert np.isfinite(plan.bound_yuan)
    assert "valid" in str(found)
    assert repr(plan)


def test_every_job_is_explained(plan):
    """If this fails, a tenant's question ends in a traceback, or a job is out without a reason."""
    assert set(plan.reasons) == set(np.flatnonzero(plan.assignment < 0).tolist())
    for job in range(len(plan.assignment)):
        found = plan.explain(job)
        assert str(job) in str(found)
        assert (found.taken is None) == (job in plan.reasons)
        assert len(found.best) + len(found.shut) == len(plan.problem.sites)


def test_audit_and_page(plan, tmp_path):
    """If this fails, a page of an odd plan is broken, or shows numbers that are none."""
    account = grid.audit(plan)
    assert "N2 hourly" in str(account)
    text = plan.report(tmp_path / "plan.html").read_text()
    assert text.count("<section") == 13
    visible = text.partition("<body>")[2].replace('"', " ").replace(">", " ").split()
    assert not {"nan", "nan%", "inf", "inf%", "-inf"} & set(visible)


def test_arrow(plan):
    """If this fails, an empty or one-row plan has no table, or one of other types."""
    table = plan.to_arrow()
    usual = gc.match(small(), gap=0.1).to_arrow().schema
    assert table.num_rows == len(plan.assignment)
    assert table.schema.names == usual.names
    for mine, other in zip(table.schema, usual, strict=True):
        assert mine.type == other.type, mine.name


def test_files_and_the_command_line(plan, tmp_path, capsys):
    """If this fails, an odd problem cannot be stored, or is another one when it is read back."""
    for form in ("csv", "parquet"):
        folder = grid.write_problem(plan.problem, tmp_path / form, format=form)
        again = grid.read_problem(folder)
        for name in ("jobs", "sites", "classes", "energy", "corridors", "quotas"):
            for column in getattr(plan.problem, name).columns():
                a, b = (getattr(getattr(p, name), column) for p in (plan.problem, again))
                np.testing.assert_array_equal(a, b, err_msg=f"{form}, {name}.{column}")
                assert a.shape == b.shape
    out = tmp_path / "out"
    assert cli.run(["match", str(folder), "--out", str(out), "--quiet", "--gap", "0"]) == 0
    assert cli.run(["verify", str(out)]) == 0
    assert "valid" in capsys.readouterr().out
    assert grid.read_plan(out).objective_yuan == pytest.approx(plan.objective_yuan)
    job = pyarrow.parquet.read_table(out / "jobs.parquet")
    assert job.num_rows == len(plan.assignment)


def test_nothing_can_be_placed_and_still_there_is_a_plan():
    """If this fails, the odd problems above do not do what their names say."""
    for name in ("nothing_placed", "no_class_fits", "closed_quota"):
        found = gc.match(ODD[name](), gap=0.0)
        assert (found.assignment == -1).all(), name
        assert len(found.reasons) == 6
    assert (gc.match(small(), gap=0.0).assignment >= 0).any()


def test_no_sites_or_classes_is_bad_input():
    """If this fails, a table read from the wrong file reaches the core, which needs one row."""
    none = grid.Classes(
        site=np.zeros(0, int),
        capacity=np.zeros((0, HOURS), int),
        memory_gb=np.zeros(0),
        power_kw=np.zeros(0),
        throughput=np.zeros((1, 0)),
    )
    with pytest.raises(InvalidProblemError, match="classes has 0 rows, needed at least 1"):
        small().replace(classes=none)


# ---------------------------------------------------------------- holes in the tables


def test_a_column_of_nans_names_its_first_row():
    """If this fails, a table whose join went wrong is taken for one without data."""
    nothing = pa.table({"upper_accelerator_h": [float("nan")] * 3})
    with pytest.raises(InvalidProblemError, match=r"quotas\.upper_accelerator_h\[0\] is nan"):
        grid.Quotas.from_arrow(nothing)
    for column in ("pue", "latitude", "carbon_g_per_kwh", "connection_kw"):
        with pytest.raises(InvalidProblemError, match=rf"sites\.{column}\[0\] is nan"):
            grid.Sites(name=np.array(["a", "b"]), **{column: np.full(2, np.nan)})


def test_a_base_load_that_nobody_can_serve_is_infeasible(tmp_path, capsys):
    """If this fails, an infeasible problem looks like bad input, or like a plan."""
    problem = small()
    heavy = problem.energy.replace(base_load_kwh=1e6)
    folder = grid.write_problem(problem.replace(energy=heavy), tmp_path / "in")
    assert cli.run(["match", str(folder), "--out", str(tmp_path / "out"), "--quiet"]) == 1
    assert "connection" in capsys.readouterr().err
    with pytest.raises(InfeasibleError, match=r"site 0 needs 1e\+06 kWh in hour 0") as caught:
        gc.match(problem.replace(energy=heavy))
    assert caught.value.witness["load_kwh"] == pytest.approx(1e6)
    assert caught.value.witness["most_kwh"] < 1e6


def test_a_quota_may_have_a_lower_end_alone():
    """If this fails, a bonus that overshoots becomes a rent nobody can owe: prices turn to NaN."""
    problem = small(n_jobs=40)
    quotas = grid.Quotas(
        upper_accelerator_h=np.full(2, np.inf),
        lower_accelerator_h=np.array([9.0, 0.0]),
        below_yuan_per_accelerator_h=0.7,
    )
    plan = gc.match(problem.replace(quotas=quotas), gap=0.0)
    assert plan.verify().valid
    assert np.isfinite(plan.prices.quota).all()
    assert (plan.prices.quota <= 0).all()
