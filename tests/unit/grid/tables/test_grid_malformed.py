"""Folders that no careful program would write: one line that says what is wrong, and nothing else.

The cases are in tests/malformed.py. Each is read by a process that may not take much memory and is
ended if it waits: a FIFO must not hold it, and a bomb not fill the machine.
"""

import os
import shutil
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from grid_oracles import greedy_plan
from gridcompute import InvalidProblemError, grid
from gridcompute.cli import app as cli
from malformed import LEDGER, SETTINGS, sound
from malformed_plans import PLANS, array
from malformed_tables import PARQUET, TABLES

CASES = {
    f"{part}, {name}": case
    for part, cases in (
        ("problem.json", SETTINGS),
        ("ledger", LEDGER),
        ("CSV", TABLES),
        ("Parquet", PARQUET),
    )
    for name, case in cases.items()
}

#: Runs command lines, one a line of standard input, and says the status of each; memory is bounded.
RUNNER = textwrap.dedent(
    """
    import json, resource, signal, sys
    from gridcompute.cli import app as cli
    from gridcompute import grid
    import gridcompute.grid.planner.match, pyarrow.csv, pyarrow.parquet, rich.console
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    most = 3 << 30
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    for line in sys.stdin:
        signal.alarm(60)  # a FIFO that is opened ends the process
        status = cli.run(json.loads(line))
        signal.alarm(0)
        print(json.dumps(status), flush=True)
        print("end of answer", file=sys.stderr, flush=True)
    """
)


class Runner:
    """A process that runs command lines within bounds, started again when one has ended it."""

    def __init__(self):
        self.process = None

    def __call__(self, *words):
        """Status and standard error of a command line; None if it killed the process."""
        import json

        if self.process is None or self.process.poll() is not None:
            pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
            command = [sys.executable, "-c", RUNNER]
            self.process = subprocess.Popen(command, text=True, **pipes)
        self.process.stdin.write(json.dumps([str(word) for word in words]) + "\n")
        self.process.stdin.flush()
        told = ""
        for line in self.process.stderr:
            if line == "end of answer\n":
                break
            told += line
        else:
            self.process.wait()
            return None, told
        answer = ""
        while not answer.strip().isdigit():  # what the command printed comes first
            answer = self.process.stdout.readline()
        return int(answer), told

    def close(self):
        if self.process is not None:
            self.process.communicate()


@pytest.fixture(scope="module")
def runner():
    made = Runner()
    yield made
    made.close()


def state(folder):
    """What is below a folder: bytes of files, kinds of everything else."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = os.readlink(path)  # noqa: PTH115 - as text
        else:
            found[name] = path.read_bytes() if path.is_file() else path.stat().st_mode
    return found


def test_there_are_enough_cases():
    """If this fails, the corpus has shrunk."""
    assert len(CASES) >= 180


def test_the_sound_folder_is_sound(tmp_path, runner):
    """If this fails, the cases below may be refused for another reason than theirs."""
    for form in ("csv", "parquet"):
        folder = grid.write_problem(sound(), tmp_path / form, format=form)
        assert grid.read_problem(folder).mandate == sound().mandate
        arguments = ["--out", tmp_path / f"out-{form}", "--quiet", "--gap", "0.1"]
        assert runner("match", folder, *arguments) == (0, "")


@pytest.mark.parametrize("name", CASES)
def test_a_malformed_folder_costs_one_line_and_status_2(tmp_path, runner, name):
    """Tracebacks and status 1, which means infeasible; waits; or the wrong problem was solved."""
    damage, words = CASES[name]
    folder = grid.write_problem(sound(), tmp_path / "in", format="csv")
    damage(folder)
    before = state(tmp_path)
    status, told = runner("match", folder, "--out", tmp_path / "out", "--quiet")
    assert status == 2, told
    assert told.startswith("gridcompute: ")
    assert told.count("\n") == 1
    assert len(told) < 2100
    assert [word for word in words if word not in told] == [], told
    assert state(tmp_path) == before


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """The folder of a sound plan."""
    plan = greedy_plan(sound())
    return grid.write_plan(plan, tmp_path_factory.mktemp("stored") / "plan")


@pytest.mark.parametrize("name", PLANS)
def test_a_malformed_plan_costs_one_line_and_status_2(tmp_path, stored, runner, name):
    """`gridcompute verify` ended in tracebacks, or asked for the memory that a file claims."""
    damage, words = PLANS[name]
    folder = shutil.copytree(stored, tmp_path / "plan")
    assert runner("verify", folder) == (0, "")
    damage(folder)
    before = state(tmp_path)
    status, told = runner("verify", folder)
    assert status == 2, told
    assert told.startswith("gridcompute: ")
    assert told.count("\n") == 1
    assert [word for word in words if word not in told] == [], told
    assert runner("whatif", folder, "--share", "0.5", "--out", tmp_path / "out")[0] == 2
    assert state(tmp_path) == before


@pytest.mark.parametrize("name", ["assignment", "start"])
@pytest.mark.parametrize("value", [-2, 1000, 2**31 - 1, -(2**31)])
def test_a_placement_that_cannot_be_is_a_fault_of_the_plan(tmp_path, stored, runner, name, value):
    """A class or hour that is not there is no bad input, and no reason for a traceback."""
    folder = shutil.copytree(stored, tmp_path / "plan")
    array(name, lambda a: np.full_like(a, value))(folder)
    status, told = runner("verify", folder)
    assert status in (1, 2), told
    assert "Traceback" not in told
    assert runner("whatif", folder, "--share", "0.5", "--quiet")[0] in (0, 1, 2)


def test_a_ledger_elsewhere_is_read_if_it_is_asked_for(tmp_path, runner):
    """If this fails, a ledger shared by many problems must be copied into each."""
    folder = grid.write_problem(sound(), tmp_path / "in")
    elsewhere = tmp_path / "ledger.jsonl"
    (folder / "ledger.jsonl").rename(elsewhere)
    with pytest.raises(InvalidProblemError, match="is not there, needed a ledger"):
        grid.read_problem(folder)
    problem = grid.read_problem(folder, ledger=elsewhere)
    assert problem.mandate == sound().mandate
    out = ["--out", tmp_path / "out", "--quiet", "--gap", "0.1"]
    assert runner("match", folder, *out, "--ledger", elsewhere)[0] == 0
    assert grid.read_plan(tmp_path / "out").problem.mandate == sound().mandate
    assert runner("match", folder, *out, "--ledger", tmp_path / "none")[0] == 2
    plain = sound().replace(mandate=grid.Mandate(share=0.5))
    folder = grid.write_problem(plain, tmp_path / "plain")
    assert grid.read_problem(folder, ledger=elsewhere).mandate.ledger is not None


def test_what_is_odd_but_clear_is_read(tmp_path):
    """A mark in front of the text, Windows' line ends, categories for names: no fault of a user."""
    import pyarrow as pa
    import pyarrow.parquet

    folder = grid.write_problem(sound(), tmp_path / "in", format="csv")
    for name in ("problem.json", "jobs.csv", "sites.csv"):
        path = folder / name
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    table = sound().classes.to_arrow()
    names = pa.array(["North", "North", "South"]).dictionary_encode()
    table = table.set_column(table.column_names.index("site"), "site", names)
    pyarrow.parquet.write_table(table, folder / "classes.parquet")
    (folder / "classes.csv").unlink()
    again = grid.read_problem(folder)
    for name in ("jobs", "sites", "classes"):
        for column in getattr(again, name).columns():
            values = (getattr(getattr(p, name), column) for p in (again, sound()))
            np.testing.assert_array_equal(*values)


def test_a_column_whose_kind_shows_late_is_read(tmp_path):
    """A megabyte of whole numbers, then one with a point: the type is that of all rows."""
    folder = grid.write_problem(sound(), tmp_path / "in", format="csv")
    rows = 100_000
    lines = ["gang,work_h,origin,deadline,value_yuan", *["1,1,0,3,1"] * rows, "1,1.5,South,3,1.5"]
    (folder / "jobs.csv").write_text("\n".join(lines) + "\n")
    jobs = grid.read_problem(folder).jobs
    assert (len(jobs), jobs.work_h[-1], jobs.origin[-1]) == (rows + 1, 1.5, 1)


def test_type_errors_of_ours_are_not_called_bad_input(tmp_path, monkeypatch, capsys):
    """If this fails, a bug in a table's check passes for a fault of the user's file."""
    folder = grid.write_problem(sound(), tmp_path / "in")

    def fails(self):
        raise TypeError("unsupported operand type(s) for +: 'int' and 'str'")

    monkeypatch.setattr(grid.Jobs, "check", fails)
    assert cli.run(["match", str(folder), "--out", str(tmp_path / "out")]) == 3
    assert "unsupported operand" in capsys.readouterr().err
