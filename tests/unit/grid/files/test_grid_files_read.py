"""What people read of a stored plan: forged, damaged or missing files are found."""

import itertools
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from grid_oracles import greedy_plan
from gridcompute import grid
from gridcompute.cli import app as cli


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    problem = grid.east_west(n_jobs=60, seed=2)
    jobs = problem.jobs.replace(memory_gb=np.where(np.arange(60) % 9, 1.0, 1e6))
    plan = greedy_plan(problem.replace(jobs=jobs))
    return grid.write_plan(plan, tmp_path_factory.mktemp("stored") / "plan")


def replaced(name, old, new):
    def damage(folder):
        text = (folder / name).read_text()
        assert old in text
        (folder / name).write_text(text.replace(old, new, 1))

    return damage


def column(name, change):
    def damage(folder):
        path = folder / "jobs.parquet"
        table = pyarrow.parquet.read_table(path)
        values = pa.array(change(table[name].to_pylist()), table.schema.field(name).type)
        table = table.set_column(table.column_names.index(name), name, values)
        pyarrow.parquet.write_table(table, path, write_page_checksum=True)

    return damage


def greener(folder):
    """All sites at 100 % in green.csv."""
    head, *rows = (folder / "green.csv").read_text().splitlines()
    at = head.replace('"', "").split(",").index("n2_hourly")
    cells = [row.split(",") for row in rows]
    rows = [",".join([*row[:at], "1", *row[at + 1 :]]) for row in cells]
    (folder / "green.csv").write_text("\n".join([head, *rows]) + "\n")


FORGED = {
    "no audit": (lambda f: (f / "audit.md").unlink(), "FileMissing at audit.md"),
    "no account": (lambda f: (f / "green.csv").unlink(), "FileMissing at green.csv"),
    "no jobs": (lambda f: (f / "jobs.parquet").unlink(), "FileMissing at jobs.parquet"),
    "no page": (lambda f: (f / "plan.html").unlink(), "FileMissing at plan.html"),
    "a greener account": (greener, "FileMismatch at green.csv, n2_hourly["),
    "a site renamed": (replaced("green.csv", "Hami", "Gobi"), "FileMismatch at green.csv, name["),
    "a row less": (
        lambda f: (f / "green.csv").write_text(
            (f / "green.csv").read_text().rsplit("\n", 2)[0] + "\n"
        ),
        "FileMismatch at green.csv, its columns or number of rows",
    ),
    "an audit of another lowest site": (
        replaced("audit.md", "Lowest N2", "Highest N2"),
        "('Highest N2 among",
    ),
    "an audit of another rule": (replaced("audit.md", "80%", "90%"), "audit.md, line 1"),
    "a page with another cost": (replaced("plan.html", "yuan", "fen"), "FileMismatch at plan.html"),
    "jobs that cost nothing": (
        column("cost_yuan", lambda v: [None if x is None else 0.0 for x in v]),
        "FileMismatch at jobs.parquet, cost_yuan[",
    ),
    "a job left out": (column("klass", lambda v: [None] * len(v)), "jobs.parquet, klass["),
    "reasons of another kind": (
        column("reason", lambda v: [None if x is None else "NotWorthIt2" for x in v]),
        "jobs.parquet, reason[",
    ),
    "no list": (lambda f: (f / "written.json").unlink(), "FileMissing at written.json"),
    "a list of another kind": (
        replaced("written.json", '"plan"', '"problem"'),
        "FileMismatch at written.json (found another content",
    ),
    "a list cut short": (
        lambda f: (f / "written.json").write_bytes((f / "written.json").read_bytes()[:-9]),
        "FileMismatch at written.json (",
    ),
    "a list of a file that is not there": (
        replaced("written.json", '"plan.npz"', '"plan.npy"'),
        "FileMissing at plan.npy",
    ),
    "a foreign file": (
        lambda f: (f / "problem" / "notes.txt").write_text("mine"),
        "FileForeign at problem/notes.txt",
    ),
    "another problem's words": (
        lambda f: (f / "problem" / "problem.json").write_bytes(
            (f / "problem" / "problem.json").read_bytes() + b" "
        ),
        "FileChanged at problem/problem.json, which has been changed",
    ),
    "a gap that does not follow": (
        lambda f: (f / "plan.json").write_text(
            json.dumps(json.loads((f / "plan.json").read_text()) | {"gap": 0.001})
        ),
        "FileMismatch at plan.json, gap: found 0.001, needed",
    ),
    "jobs in pieces": (
        lambda f: (f / "jobs.parquet").write_bytes((f / "jobs.parquet").read_bytes()[:-9]),
        "FileMismatch at jobs.parquet, which cannot be read",
    ),
}


def test_a_sound_folder_is_valid(stored, capsys):
    """If this fails, the checker of files cries wolf."""
    assert grid.verify_plan(stored).valid, str(grid.verify_plan(stored))
    assert cli.run(["verify", str(stored)]) == 0
    assert capsys.readouterr().out.startswith("valid: cost")


def rounds():
    """The forgeries, each file at most once in a round: a folder is verified once for all."""
    files = {}
    for name, (_, words) in FORGED.items():
        found = re.search(r"[\w/]+\.\w+|Highest", words)
        file = {"Highest": "audit.md", "plan.npy": "written.json"}.get(found[0], found[0])
        # Without the list no file is foreign: it goes in a round with none.
        files.setdefault("jobs.parquet" if name == "no list" else file, []).append(name)
    return [[*filter(None, row)] for row in itertools.zip_longest(*files.values())]


@pytest.mark.parametrize("names", rounds(), ids=" + ".join)
def test_a_forged_file_is_found(stored, tmp_path, names, capsys):
    """If this fails, a regulator reads an account that no plan has."""
    folder = Path(shutil.copytree(stored, tmp_path / "plan"))
    for name in names:
        FORGED[name][0](folder)
    assert cli.run(["verify", str(folder)]) == 1
    told = capsys.readouterr().out
    for name in names:
        assert FORGED[name][1] in told, name


def test_shortfalls_are_never_rounded_to_nothing():
    """If this fails, an alarm says that 0.0 kWh are missing."""
    problem = grid.east_west(n_jobs=60, seed=2)
    plan = greedy_plan(problem)
    for kwh in (0.0012, 0.04, 0.7, 32.0):
        missing = np.zeros_like(plan.dispatch.missing_kwh)
        missing[0] = kwh
        short = plan.dispatch.replace(missing_kwh=missing)
        account = grid.audit(grid.Plan(**{**plan.__getstate__(), "dispatch": short}))
        alarms = [a for a in account.alarms if "short of the mandate" in a]
        assert len(alarms) == 1
        told = float(alarms[0].split(" is ")[1].split(" kWh")[0])
        assert told == pytest.approx(kwh, rel=0.05), alarms
        line = next(x for x in str(account).splitlines() if x.startswith("| **new sites**"))
        assert float(line.split("|")[-2]) == pytest.approx(kwh, rel=0.05), line
