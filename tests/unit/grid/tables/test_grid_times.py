"""Batches with a date: times in tables and files, zones, and clocks that are put forward."""

import csv
import datetime
import json
import pickle
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

import gridcompute as gc
from gridcompute import InvalidProblemError, grid
from malformed import sound

START = "2026-03-01T00:00+08:00"
EIGHT = datetime.timezone(datetime.timedelta(hours=8))


@pytest.mark.parametrize(
    ("start", "needed"),
    [
        (START, datetime.datetime(2026, 3, 1, 5, tzinfo=EIGHT)),
        ("2026-03-01", datetime.datetime(2026, 3, 1, 5)),
        ("2026-03-01T00:00[Asia/Shanghai]", datetime.datetime(2026, 3, 1, 5, tzinfo=EIGHT)),
        (np.datetime64("2026-03-01T00:00"), datetime.datetime(2026, 3, 1, 5)),
        (
            datetime.datetime(2026, 3, 1, tzinfo=EIGHT),
            datetime.datetime(2026, 3, 1, 5, tzinfo=EIGHT),
        ),
        (
            "2026-03-29T00:00[Europe/Berlin]",
            datetime.datetime(2026, 3, 29, 6, tzinfo=ZoneInfo("Europe/Berlin")),
        ),
    ],
)
def test_hours_have_times(start, needed):
    """If this fails, hour 5 is another hour of the day; in the last case a clock is put forward."""
    problem = sound().replace(start=start)
    assert problem.time(5) == needed
    assert (problem.time(5).utcoffset() is None) == (needed.utcoffset() is None)
    assert problem.time(0).isoformat()[:10] in ("2026-03-01", "2026-03-29")
    assert pickle.loads(pickle.dumps(problem)).time(5) == needed
    assert problem.window(2, 1).time(3) == needed
    assert sound().time(5) is None


@pytest.mark.parametrize(
    "bad", ["noon", "2026-13-01", "2026-03-01[Mars/Base]", np.datetime64("NaT", "s")]
)
def test_a_start_that_is_none_is_refused(bad):
    with pytest.raises(InvalidProblemError, match=r"problem\.start is .* needed a time"):
        sound().replace(start=bad)
    with pytest.raises(TypeError, match=r"problem\.start must be a datetime"):
        sound().replace(start=20260301)


def test_results_say_times():
    """If this fails, a tenant learns that a job starts at 7, and not of which day."""
    problem = grid.east_west(n_jobs=60, seed=0).replace(start="2026-03-01T00:00[Asia/Shanghai]")
    plan = gc.match(problem, gap=0.4, time_limit=1)
    arrow, t = plan.to_arrow(), plan.table()
    assert str(arrow["start_time"].type) == "timestamp[s, tz=Asia/Shanghai]"
    job, first, hours = (int(t[k][0]) for k in ("job", "start", "hours"))
    assert arrow["start_time"][job].as_py() == problem.time(first)
    assert arrow["end_time"][job].as_py() == problem.time(first + hours)
    assert arrow["start_time"].null_count == (plan.assignment < 0).sum()
    assert f"({problem.time(first).isoformat(' ', 'minutes')})" in str(plan.explain(job))
    naive = grid.Plan(**{**plan.__getstate__(), "problem": problem.replace(start="2026-03-01")})
    assert naive.to_arrow()["start_time"][job].as_py().hour == first
    assert plan.verify().valid


@pytest.mark.parametrize("form", ["parquet", "csv", "tidy"])
@pytest.mark.parametrize("start", [START, "2026-03-01T00:00", "2026-03-29T00:00[Europe/Berlin]"])
def test_a_start_survives_files(tmp_path, form, start):
    """If this fails, a stored batch lies on another day."""
    problem = sound().replace(start=start)
    folder = grid.write_problem(problem, tmp_path / "in", format=form)
    again = grid.read_problem(folder)
    assert [again.time(h) for h in range(4)] == [problem.time(h) for h in range(4)]
    np.testing.assert_array_equal(again.energy.direct_kwh, problem.energy.direct_kwh)
    if form == "tidy":
        assert "2026-03-" in (folder / "energy.csv").read_text()


@pytest.fixture
def folder(tmp_path):
    return grid.write_problem(sound().replace(start=START), tmp_path / "in", format="csv")


def cells(path, **columns):
    rows = list(csv.DictReader(path.read_text().splitlines()))
    for name, values in columns.items():
        for row, value in zip(rows, values, strict=True):
            row[name] = value
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def test_windows_may_be_times(folder):
    """If this fails, deadlines must be counted in hours by hand."""
    release = ["2026-03-01T01:00+08:00", "2026-02-28T16:00Z", "2026-03-01 00:00", "0"]
    cells(folder / "jobs.csv", release=release, deadline=["2026-03-01T03:00", "3", "3", "2"])
    jobs = grid.read_problem(folder).jobs
    np.testing.assert_array_equal(jobs.release, [1, 0, 0, 0])
    np.testing.assert_array_equal(jobs.deadline, [3, 3, 3, 2])
    table = jobs.to_arrow()
    times = pa.array([datetime.datetime(2026, 3, 1, 3, tzinfo=EIGHT)] * 4)
    table = table.set_column(table.column_names.index("deadline"), "deadline", times)
    (folder / "jobs.csv").unlink()
    pyarrow.parquet.write_table(table, folder / "jobs.parquet")
    np.testing.assert_array_equal(grid.read_problem(folder).jobs.deadline, 3)


@pytest.mark.parametrize(
    ("release", "words"),
    [
        ("2026-03-01T01:20+08:00", r"jobs\.csv: jobs\.release\[2\] is .*01:20.*a time on the hour"),
        ("tomorrow", r"jobs\.csv: jobs\.release\[2\] is 'tomorrow'"),
        ("2026-02-28T23:00+08:00", r"jobs\.csv: jobs\.release\[2\] is -1, needed an integer >= 0"),
        ("2026-03-02T00:00+08:00", r"jobs\.csv: jobs\.deadline\[2\]"),
    ],
)
def test_times_off_the_batch_are_refused(folder, release, words):
    cells(folder / "jobs.csv", release=["0", "0", release, "0"])
    with pytest.raises(InvalidProblemError, match=words):
        grid.read_problem(folder)


def test_a_start_that_is_none_is_refused_with_its_file(folder):
    settings = json.loads((folder / "problem.json").read_text())
    (folder / "problem.json").write_text(json.dumps(settings | {"start": "soon"}))
    with pytest.raises(InvalidProblemError, match=r"problem\.json: start is 'soon', needed a time"):
        grid.read_problem(folder)
    del settings["start"]
    (folder / "problem.json").write_text(json.dumps(settings))
    cells(folder / "jobs.csv", release=[START, "0", "0", "0"])
    with pytest.raises(InvalidProblemError, match=r"jobs\.csv: jobs\.release"):
        grid.read_problem(folder)
