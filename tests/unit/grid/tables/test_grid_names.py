"""Ids and names: jobs, tenants, regions and sites by what they are called, in tables and files."""

import csv
import dataclasses
import warnings
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

import gridcompute as gc
from gridcompute import InvalidProblemError, grid
from gridcompute.cli import app as cli
from gridcompute.grid.tables.problem import implausible
from malformed import sound


def named(n_jobs=40):
    """The scenario with names for everything."""
    problem = grid.east_west(n_jobs=n_jobs, seed=1)
    pue = problem.sites.pue + 0.01 * np.arange(24)
    return problem.replace(
        jobs=problem.jobs.replace(id=np.array([f"job-{7 * i}" for i in range(n_jobs)])),
        quotas=problem.quotas.replace(tenant_names=[f"tenant {chr(65 + m)}" for m in range(20)]),
        sites=problem.sites.replace(
            region_names=[f"region {i}" for i in range(9)],
            operator_names=["Telecom", "Mobile", "Unicom", "Grid"],
            pue=pue,
        ),
    )


def equal(a, b):
    for name in ("jobs", "sites", "classes", "energy", "corridors", "quotas"):
        one, other = getattr(a, name), getattr(b, name)
        for column in one.columns():
            found, needed = getattr(one, column), getattr(other, column)
            np.testing.assert_array_equal(found, needed, err_msg=f"{name}.{column}")
    np.testing.assert_array_equal(a.jobs.ids, b.jobs.ids)
    assert a.jobs.ids.dtype.kind == b.jobs.ids.dtype.kind
    assert a.quotas.tenant_names == b.quotas.tenant_names
    assert a.sites.region_names == b.sites.region_names
    assert a.sites.operator_names == b.sites.operator_names
    assert a.energy.source_names == b.energy.source_names
    assert a.classes.family_names == b.classes.family_names
    assert (a.mandate, a.hours, a.name) == (b.mandate, b.hours, b.name)


@pytest.mark.parametrize("form", ["parquet", "csv", "tidy"])
def test_names_survive_files(tmp_path, form):
    """If this fails, a form of the tables loses a name, or a number."""
    for problem in (named(), sound(), grid.east_west(n_jobs=10, seed=0, hours=3)):
        folder = grid.write_problem(problem, tmp_path / problem.name / form, format=form)
        equal(grid.read_problem(folder), problem)


@pytest.mark.parametrize("form", ["csv", "tidy", "parquet"])
@pytest.mark.parametrize("names", [("1", "0"), ("01", "02"), ("1", "2")])
def test_names_of_digits_survive_files(tmp_path, form, names):
    """Rows of tidy tables went to the site whose number a name is."""
    problem = sound()
    energy = grid.Energy(
        source_names=names,
        direct_kwh=np.arange(2.0 * 2 * problem.hours).reshape(2, 2, problem.hours),
        direct_yuan_per_kwh=np.array([[0.1, 0.2], [0.3, 0.4]]),
        tariff_yuan_per_kwh=np.array([0.4, 0.6]),
    )
    problem = problem.replace(
        sites=problem.sites.replace(name=np.array(names)),
        classes=problem.classes.replace(accelerator_names=names, family_names=names),
        quotas=grid.Quotas(tenant_names=names, upper_accelerator_h=[50.0, 60.0]),
        energy=energy,
    )
    equal(grid.read_problem(grid.write_problem(problem, tmp_path, format=form)), problem)


def test_a_name_goes_before_a_number_in_csv(tmp_path):
    """A job of the site called 1 had its data at the second site."""
    problem = sound().replace(sites=sound().sites.replace(name=np.array(["1", "2"])))
    folder = grid.write_problem(problem, tmp_path, format="csv")
    rewritten(folder / "jobs.csv", each(origin=["1", "2"]))
    assert grid.read_problem(folder).jobs.origin[:2].tolist() == [0, 1]


def test_results_carry_ids():
    """If this fails, a result cannot be joined to the jobs of the user's own tables."""
    problem = named()
    plan = gc.match(problem, gap=0.3, time_limit=1)
    t = plan.table()
    np.testing.assert_array_equal(t["id"], problem.jobs.id[t["job"]])
    arrow = plan.to_arrow()
    assert arrow["id"].to_pylist() == problem.jobs.id.tolist()
    assert arrow["tenant_name"][0].as_py() == problem.quotas.label(problem.jobs.tenant[0])
    first = t["id"][0]
    found = plan.explain(str(first))
    assert str(found) == str(plan.explain(int(t["job"][0])))
    assert found.id == str(first)
    assert str(found).startswith(f"{first} runs at ")
    listed = {"id": t["id"][::-1], "klass": t["klass"][::-1], "start": t["start"][::-1]}
    assert grid.evaluate(problem, listed).objective_yuan == pytest.approx(plan.objective_yuan)
    assert plan.verify().valid
    forged = grid.Plan(**plan.__getstate__())
    forged.__dict__["_table"] = {**plan._table, "id": np.roll(t["id"], 1)}
    assert "TableMismatch" in str(forged.verify())


def test_an_explanation_names_the_job_as_the_caller_does():
    """If this fails, whoever asks about an id is told about a row."""
    problem = sound()
    ids = np.arange(len(problem.jobs)) + 7000
    plan = gc.match(problem.replace(jobs=problem.jobs.replace(id=ids)), gap=0.3, time_limit=1)
    found = plan.explain(0)
    assert found.job == 0
    assert found.id == "7000"
    assert str(found).startswith("job 7000 (row 0) ")
    assert str(gc.match(problem, gap=0.3, time_limit=1).explain(0)).startswith("job 0 ")


@pytest.mark.parametrize("ids", [["a", "b", "c", "d"], np.arange(4) + 700, None, ["a"]])
def test_an_error_of_a_job_says_its_id(ids):
    """If this fails, whoever has ids must count rows to find the job at fault."""
    problem = sound()
    jobs = problem.jobs
    if ids is not None and len(ids) == 4:
        jobs = jobs.replace(id=ids)
        with pytest.raises(InvalidProblemError, match=rf"origin\[2\] is 9.*; job {ids[2]}$"):
            problem.replace(jobs=jobs.replace(origin=[0, 1, 9, 0]))
    words = rf"gang\[1\] is 0.*; job {ids[1]}$" if jobs.id is not None else r"\(accelerators\)$"
    with pytest.raises(InvalidProblemError, match=words):
        dataclasses.replace(jobs, gang=[1, 0, 1, 1], id=ids)


def test_ids_may_be_integers_and_are_rows_by_default():
    jobs = sound().jobs
    assert jobs.id is None
    np.testing.assert_array_equal(jobs.ids, [0, 1, 2, 3])
    numbered = jobs.replace(id=[900, 17, -4, 2**62])
    np.testing.assert_array_equal(numbered.rows_of([-4, 900]), [2, 0])
    assert numbered.to_arrow()["id"].to_pylist() == [900, 17, -4, 2**62]
    again = grid.Jobs.from_arrow(numbered.to_arrow())
    np.testing.assert_array_equal(again.id, numbered.id)
    assert numbered.replace(gang=jobs.gang + 1).id is not None
    fewer = {name: getattr(jobs, name)[:2] for name in jobs.columns()}
    assert numbered.replace(**fewer).id is None
    with pytest.raises(InvalidProblemError, match=r"id\[1\]: found 5, needed one of the ids"):
        numbered.rows_of([900, 5])
    with pytest.raises(InvalidProblemError, match=r"id\[0\]: found 4, needed"):
        jobs.rows_of([4])
    with pytest.raises(TypeError, match="dtype"):
        numbered.rows_of(["900"])


@pytest.mark.parametrize(
    ("ids", "error", "words"),
    [
        (["a", "b", "a", "c"], InvalidProblemError, r"jobs\.id\[2\] is a, .* not used by row 0"),
        ([3, 1, 2, 1], InvalidProblemError, r"jobs\.id\[3\] is 1"),
        ([1, 2, 3], InvalidProblemError, r"shape \(3,\), needed \(4,\)"),
        ([0.5, 1.0, 2.0, 3.0], TypeError, "integers or text"),
        ([True, False, True, False], TypeError, "integers or text"),
        (np.array([1, 2, 3, 2**64 - 1], np.uint64), InvalidProblemError, "too large for int64"),
        ([[1, 2], [3, 4]], InvalidProblemError, "shape"),
    ],
)
def test_ids_that_are_none_are_refused(ids, error, words):
    with pytest.raises(error, match=words):
        sound().jobs.replace(id=ids)


def test_regions_and_operators_may_be_given_by_name():
    """If this fails, a mandate's scopes are numbers to people who know names."""
    problem = sound()
    sites = problem.sites.replace(
        region=["Xinjiang", "Sichuan"], operator=np.array(["Mobile", "Mobile"])
    )
    sites = sites.replace(new=np.array([True, True]))
    mandate = grid.Mandate(share=0.5, scope="cluster")
    assert problem.replace(sites=sites, mandate=mandate).mandate_rows.names == (
        "Xinjiang",
        "Sichuan",
    )
    with pytest.raises(InvalidProblemError, match=r"sites\.region\[1\] is 'Tibet', needed one of"):
        problem.sites.replace(region=["Xinjiang", "Tibet"], region_names=["Xinjiang", "Sichuan"])
    with pytest.raises(InvalidProblemError, match="below 1, the operator_names"):
        problem.sites.replace(operator=np.array([0, 1]), operator_names=["Mobile"])
    assert sites.residency(["North", 1]) == 3
    with pytest.raises(InvalidProblemError, match="needed one of North, South"):
        sites.residency(["East"])


@pytest.mark.parametrize("column", ["residency", "origin"])
def test_more_names_than_a_residency_has_bits_are_refused(column):
    """If this fails, a list of 64 sites ends in an overflow that names nothing."""
    sites = [f"site {i}" for i in range(64)]
    table = pa.table(sound().jobs.to_arrow())
    texts = pa.array([sites[-2]] * len(table))
    table = table.set_column(table.column_names.index("residency"), "residency", texts)
    most = grid.Jobs.from_arrow(table, names={column: sites[:-1]})
    assert (most.residency == 1 << 62).all()
    with pytest.raises(InvalidProblemError, match="found names of 64 sites, needed at most 63"):
        grid.Jobs.from_arrow(table, names={column: sites})


# ---------------------------------------------------------------- files written by hand


def rewritten(path, change):
    rows = list(csv.DictReader(path.read_text().splitlines()))
    rows = change(rows)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture
def folder(tmp_path):
    problem = sound().replace(quotas=grid.Quotas(upper_accelerator_h=[50.0, 60.0]))
    return grid.write_problem(problem, tmp_path / "in", format="tidy")


def each(**columns):
    """Give each row the values of columns, in turn."""

    def change(rows):
        for name, values in columns.items():
            for i, row in enumerate(rows):
                row[name] = values[i % len(values)]
        return rows

    return change


def test_names_in_files_become_indices(folder):
    rewritten(
        folder / "jobs.csv",
        each(
            residency=["North|South", "*", "South", "1"],
            tenant=["acme", "lab", "acme", "1"],
            id=["a1", "b2", "c3", "d4"],
        ),
    )
    rewritten(folder / "quotas.csv", each(name=["acme", "lab"]))
    rewritten(folder / "sites.csv", each(region=["west", "east"]))
    problem = grid.read_problem(folder)
    np.testing.assert_array_equal(problem.jobs.residency, [3, -1, 2, 1])
    np.testing.assert_array_equal(problem.jobs.tenant, [0, 1, 0, 1])
    assert problem.jobs.id.tolist() == ["a1", "b2", "c3", "d4"]
    assert problem.sites.region_names == ("west", "east")
    assert problem.quotas.label(1) == "lab"
    jobs = pa.table(problem.jobs.to_arrow()).set_column(
        9, "residency", pa.array([["North"], ["North", "South"], ["South"], ["North"]])
    )
    (folder / "jobs.csv").unlink()
    pyarrow.parquet.write_table(jobs, folder / "jobs.parquet")
    np.testing.assert_array_equal(grid.read_problem(folder).jobs.residency, [1, 3, 2, 1])


def without(at):
    return lambda rows: rows[:at] + rows[at + 1 :]


def twice(at):
    return lambda rows: [*rows, rows[at]]


def cell(at, name, value):
    def change(rows):
        rows[at][name] = value
        return rows

    return change


def dropped(name):
    return lambda rows: [{k: v for k, v in row.items() if k != name} for row in rows]


def renamed(old, new):
    return lambda rows: [{(new if k == old else k): v for k, v in row.items()} for row in rows]


TIDY = {
    "an hour missing": (
        "energy",
        without(2),
        ["energy.csv: energy: found 5 rows", "North, hour 2"],
    ),
    "an hour twice": (
        "energy",
        twice(1),
        ["energy.csv: energy[6]: found site North, hour 1 again"],
    ),
    "an hour too late": ("energy", cell(0, "hour", "3"), ["energy.hour[0] is 3", "from 0 to 2"]),
    "an hour below 0": ("energy", cell(5, "hour", "-1"), ["energy.hour[5] is -1"]),
    "half an hour": ("energy", cell(5, "hour", "0.5"), ["energy.csv: energy.hour[5] is '0.5'"]),
    "an hour of text": (
        "energy",
        cell(5, "hour", "noon"),
        ["energy.hour[5] is 'noon'", "the number of an hour"],
    ),
    "an unknown site": ("energy", cell(3, "site", "West"), ["energy.site[3] is 'West'", "North"]),
    "a site beyond the last": ("energy", cell(3, "site", "7"), ["energy.site[3] is '7'"]),
    "no site column": (
        "energy",
        dropped("site"),
        ["energy.csv: found a column 'hour' and no", "site"],
    ),
    "an unknown column": (
        "energy",
        renamed("tariff_yuan_per_kwh", "tarif"),
        ["energy.csv: energy has no column 'tarif'", "tariff_yuan_per_kwh"],
    ),
    "an unknown source": (
        "energy",
        renamed("direct_kwh[sun]", "direct_kwh[tide]"),
        ["energy.csv: energy.direct_kwh[tide]", "needed sun"],
    ),
    "a source left out": (
        "energy",
        renamed("direct_kwh[sun]", "direct_kwh[1]"),
        ["energy.csv: energy.direct_kwh: found no column direct_kwh[0]"],
    ),
    "an empty tariff": (
        "energy",
        cell(4, "tariff_yuan_per_kwh", ""),
        ["tariff_yuan_per_kwh[4] is null"],
    ),
    "two batteries of a site": (
        "energy",
        cell(1, "battery_kwh", "5"),
        ["energy.csv: energy.battery_kwh[1] is 5", "needed 0", "as in its other hours"],
    ),
    "a price of text": (
        "energy",
        cell(1, "tariff_yuan_per_kwh", "cheap"),
        ["energy.csv: energy.tariff_yuan_per_kwh", "needed a number"],
    ),
    "an efficiency of 2": (
        "energy",
        each(charge_efficiency=["2"]),
        ["energy.charge_efficiency[0] is 2"],
    ),
    "a class missing": (
        "classes",
        without(8),
        ["classes.csv: classes: found 8 rows", "class 2, hour 2"],
    ),
    "a class twice": (
        "classes",
        twice(0),
        ["classes.csv: classes[9]: found class 0, hour 0 again"],
    ),
    "a class by name": (
        "classes",
        cell(0, "class", "H20"),
        ["classes.class[0] is 'H20'", "an index"],
    ),
    "no class column": (
        "classes",
        dropped("class"),
        ["classes.csv: found a column 'hour'", "'class'"],
    ),
    "a class at two sites": (
        "classes",
        cell(1, "site", "South"),
        ["classes.csv: classes.site[1] is 1, needed 0 as in its other hours"],
    ),
    "a class of an unknown kind": (
        "classes",
        cell(1, "accelerator", "H100"),
        ["classes.csv: classes.accelerator[1] is 'H100', needed one of A800, H20"],
    ),
    "too few accelerators": (
        "classes",
        cell(4, "capacity", "-3"),
        ["classes.capacity[1, 1] is -3"],
    ),
    "a corridor missing": (
        "corridors",
        without(11),
        ["corridors: found 11 rows", "destination South"],
    ),
    "a corridor twice": (
        "corridors",
        twice(0),
        ["corridors[12]: found origin North, destination North"],
    ),
    "an unknown destination": (
        "corridors",
        cell(5, "destination", "Moon"),
        ["corridors.csv: corridors.destination[5] is 'Moon', needed one of North, South"],
    ),
    "no origin column": (
        "corridors",
        dropped("origin"),
        ["corridors.csv: found a column", "'origin'"],
    ),
    "two delays of a corridor": (
        "corridors",
        cell(4, "delay_ms", "9"),
        ["corridors.delay_ms[4] is 9"],
    ),
    "a negative bandwidth": (
        "corridors",
        cell(4, "bandwidth_gb", "-1"),
        ["corridors.bandwidth_gb[0, 1, 1] is -1"],
    ),
    "an id twice": (
        "jobs",
        each(id=["a", "b"]),
        ["jobs.csv: jobs.id[2] is a", "not used by row 0"],
    ),
    "an id that is a number twice": ("jobs", each(id=["7"]), ["jobs.csv: jobs.id[1] is 7"]),
    "an empty id among numbers": ("jobs", each(id=["1", "", "3", "4"]), ["jobs.csv: jobs.id"]),
    "an unknown site in a residency": (
        "jobs",
        each(residency=["North|Moon"]),
        ["jobs.csv: jobs.residency[0] is 'Moon', needed one of North, South"],
    ),
    "no site in a residency": ("jobs", each(residency=["0"]), ["jobs.csv: jobs.residency[0] is 0"]),
    "an unknown tenant": ("jobs", each(tenant=["acme"]), ["jobs.csv: jobs.tenant", "'acme'"]),
    "a tenant twice": (
        "quotas",
        each(name=["acme"]),
        ["quotas.csv: quotas.tenant_names[1] is 'acme'"],
    ),
    "a tenant without a name": ("quotas", each(name=["acme", ""]), ["quotas.csv: quotas.name[1]"]),
}


def test_the_tidy_folder_is_sound(folder):
    """If this fails, the cases below may be refused for another reason than theirs."""
    assert grid.read_problem(folder).name == "sound"


@pytest.mark.parametrize("name", TIDY)
def test_a_malformed_tidy_table_is_refused_with_its_place(folder, name):
    """If this fails, a slip in a spreadsheet is a wrong plan, or a traceback."""
    table, change, words = TIDY[name]
    rewritten(folder / f"{table}.csv", change)
    with pytest.raises(InvalidProblemError) as caught:
        grid.read_problem(folder)
    assert [w for w in words if w not in str(caught.value)] == [], str(caught.value)
    assert str(caught.value).startswith(f"{table}.csv: "), str(caught.value)


# ---------------------------------------------------------------- units


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("table", "column", "value", "words"),
    [
        ("classes", "power_kw", 340.0, r"classes\.power_kw\[0\] is 340 kW an accelerator.*watts"),
        ("sites", "pue", 120.0, r"sites\.pue\[0\] is 120.*percent"),
        ("energy", "tariff_yuan_per_kwh", 400.0, r"400 yuan/kWh.*yuan/MWh"),
        ("sites", "carbon_g_per_kwh", 0.58, r"0\.58 g/kWh.*kg"),
        ("energy", "certificate_yuan_per_kwh", 5.2, r"certificate_yuan_per_kwh is 5\.2"),
        ("jobs", "work_h", 86400.0, r"jobs\.work_h\[0\] is 86400 h.*seconds"),
        ("classes", "memory_gb", 81920.0, "megabytes"),
        ("jobs", "latency_ms", 0.02, r"jobs\.latency_ms\[0\] is 0\.02 ms.*seconds"),
        ("sites", "minimum_load_kw", 5e6, r"minimum_load_kw\[0\] is 5e\+06 kW.*watts"),
    ],
)
def test_a_value_of_another_unit_is_met_with_a_warning(table, column, value, words):
    """If this fails, a site draws a thousand times its power and nothing is said."""
    problem = sound()
    changed = getattr(problem, table).replace(**{column: value})
    with pytest.warns(grid.ImplausibleUnitWarning, match=words):
        problem.replace(**{table: changed})


@pytest.mark.filterwarnings("error")
def test_the_scenario_is_plausible():
    """If this fails, the packaged figures, or the limits of what is plausible, are wrong."""
    for problem in (grid.east_west(n_jobs=500, seed=3), sound()):
        assert list(implausible(problem)) == []


def test_a_warning_names_the_line_that_made_the_problem(tmp_path):
    """If this fails, the line is one of the library's, or each use of the problem warns again."""
    odd = sound().sites.replace(pue=120.0)
    for make in (
        lambda: sound().replace(sites=odd),
        lambda: dataclasses.replace(sound(), sites=odd),
        lambda: grid.read_problem(tmp_path / "odd"),
    ):
        with pytest.warns(grid.ImplausibleUnitWarning) as told:
            problem = make()
        assert [Path(w.filename).name for w in told] == [Path(__file__).name]
        if not (tmp_path / "odd").exists():
            grid.write_problem(problem, tmp_path / "odd")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert grid.evaluate(problem, grid.policies.cheapest(problem)).verify().valid


@pytest.mark.filterwarnings("error")
def test_a_mandate_that_holds_no_site_is_met_with_a_warning(tmp_path):
    """If this fails, a share that applies to no site is accepted without a warning."""
    problem = sound()
    old = problem.sites.replace(new=False)
    with pytest.warns(grid.IdleRuleWarning, match=r"share is 0\.5, but no site is new.*sites\.csv"):
        idle = problem.replace(sites=old)
    with pytest.warns(grid.IdleRuleWarning, match=r"mandate\.new is false for every site"):
        problem.replace(mandate=grid.Mandate(new=(False, False)))
    for fine in (grid.Mandate(share=0.0), grid.Mandate(new=(True, False))):
        problem.replace(sites=old, mandate=fine)
    with pytest.warns(grid.IdleRuleWarning) as told:
        grid.read_problem(grid.write_problem(idle, tmp_path / "idle", format="csv"))
    assert [Path(w.filename).name for w in told] == [Path(__file__).name]


def test_the_command_line_warns_in_one_line_each(tmp_path, capsys):
    """If this fails, whoever runs a command is shown lines of our source."""
    with pytest.warns(grid.ImplausibleUnitWarning):
        problem = sound().replace(sites=sound().sites.replace(pue=120.0))
    grid.write_problem(problem, tmp_path / "odd")
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        assert cli.run(["match", str(tmp_path / "odd"), "--out", str(tmp_path / "plan")]) == 0
    told = [line for line in capsys.readouterr().err.splitlines() if "120" in line]
    line = "gridcompute: warning: sites.pue[0] is 120, where up to 3 is plausible: percent?"
    assert told == [line]
