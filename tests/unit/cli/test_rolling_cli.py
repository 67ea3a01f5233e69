"""The command `roll`: hours planned from tables of CSV, and changes given on the command line."""

import csv
import json

import numpy as np
import pytest

from gridcompute import grid
from gridcompute.cli import app as cli


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Of the tables."""
    return tmp_path_factory.mktemp("roll")


@pytest.fixture(scope="module")
def world(folder):
    """Ten jobs in five hours as a folder "tables", and the same with less sun as "came"."""
    problem = grid.east_west(n_jobs=10, seed=3, hours=5)
    release = np.where(np.arange(10) < 4, 2, 0)
    deadline = np.where(np.arange(10) < 4, 40, 5)  # after the last hour
    names = [f"job-{k}" for k in range(10)]
    jobs = problem.jobs.replace(release=release, deadline=deadline, work_h=1.0, id=names)
    problem = problem.replace(jobs=jobs)
    grid.write_problem(problem, folder / "tables", format="csv")
    less = problem.energy.replace(direct_kwh=0.5 * problem.energy.direct_kwh)
    grid.write_problem(problem.replace(energy=less), folder / "came", format="csv")
    return problem


def rows_of(path):
    """Return the rows of a CSV file."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_hours_are_planned_from_tables(world, folder, tmp_path, capsys):
    """If this fails, an operator with tables of CSV has to write a program to plan by the hour."""
    told = ["roll", str(folder / "tables"), "--horizon-h", "2", "--work-limit", "300", "--quiet"]
    assert cli.run([*told, "--out", str(tmp_path / "all")]) == 0
    assert "5 hours: " in capsys.readouterr().out
    starts = rows_of(tmp_path / "all" / "starts.csv")
    assert {row["id"] for row in starts} <= set(world.jobs.id.tolist())
    assert len(starts) > 5
    for row in starts:
        job = world.jobs.id.tolist().index(row["id"])
        assert int(row["start"]) >= world.jobs.release[job]
        assert row["site"] in world.sites.name
        assert row["accelerator"] in world.classes.accelerator_names
    hours = rows_of(tmp_path / "all" / "hours.csv")
    assert [int(row["hour"]) for row in hours] == [0, 1, 2, 3, 4]
    assert {float(row["renewables"]) for row in hours} == {1.0}
    assert (tmp_path / "all" / "operator.html").read_text(encoding="utf-8").startswith("<!doctype")
    more = ["--at-release", "--corrected", "--actual", str(folder / "came"), "--hours", "3"]
    assert cli.run([*told, "--out", str(tmp_path / "came-out"), *more, "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["hours"] == 3
    started = rows_of(tmp_path / "came-out" / "starts.csv")
    named = {*facts["lost"], *facts["waiting"], *(row["id"] for row in started)}
    assert named == set(world.jobs.id.tolist()), "each job is somewhere, by its own id"
    seen = {float(row["renewables"]) for row in rows_of(tmp_path / "came-out" / "hours.csv")}
    np.testing.assert_allclose(sorted(seen), 0.5)


def test_what_does_not_belong_together_is_refused(world, folder, tmp_path, capsys):
    """If this fails, the weather of other sites or hours is taken in silence."""
    grid.write_problem(grid.east_west(n_jobs=1, seed=0, hours=4), tmp_path / "short", format="csv")
    told = ["roll", str(folder / "tables"), "--out", str(tmp_path / "out")]
    assert cli.run([*told, "--actual", str(tmp_path / "short")]) == 2
    assert "found hours 4, needed those of the problem, 5" in capsys.readouterr().err
    assert cli.run([*told, "--actual", str(tmp_path / "nowhere")]) == 2
    assert not (tmp_path / "out").exists()


def test_changes_in_percent_and_by_the_hour(world, tmp_path, capsys):
    """If this fails, a rise of 20 % is a factor of 20, or an outage of two hours lasts all day."""
    unplaced = np.full(10, -1, np.int32)
    plan = grid.evaluate(world, grid.Placement(klass=unplaced, start=unplaced))
    grid.write_plan(plan, tmp_path / "plan")
    for told, status, words in (
        ("--tariff +20%", 0, "all that changed can only make it dearer"),
        ("--tariff -10%", 0, "all that changed can only make it cheaper"),
        ("--tariff 1.2", 0, "can only make it dearer"),
        ("--outage Hami:1-3", 0, "can only make it dearer"),
        ("--tariff 20%", 2, "found 20%, needed a factor or a change: 1.2, +20%, -10%"),
        ("--outage Hami:3-9", 2, "outage: end: found 9, needed 4 to 5"),
        ("--outage Hamm:1-3", 2, "did you mean 'Hami'?"),
    ):
        found = cli.run(["whatif", str(tmp_path / "plan"), *told.split(), "--keep", "--quiet"])
        streams = capsys.readouterr()
        assert found == status, (told, streams)
        assert words in streams.out + streams.err, told


def test_an_outage_of_some_hours(world):
    """If this fails, a site is out in other hours than those asked for."""
    from gridcompute.grid.plan.whatif import changed

    out = changed(world, outage=("Hami", 1, 3)).classes.capacity
    there = world.classes.capacity
    here = world.sites.name[world.classes.site] == "Hami"
    assert not out[here, 1:3].any()
    np.testing.assert_array_equal(out[here][:, [0, 3, 4]], there[here][:, [0, 3, 4]])
    np.testing.assert_array_equal(out[~here], there[~here])
    tariff = changed(world, tariff=1.2).energy.tariff_yuan_per_kwh
    np.testing.assert_allclose(tariff, 1.2 * world.energy.tariff_yuan_per_kwh)
