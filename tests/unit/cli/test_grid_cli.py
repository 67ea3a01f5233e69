"""The platform's commands, on a slow but sound matcher in the engine's place."""

import json
import sys
import types
from typing import Any

import numpy as np
import pytest

from grid_oracles import greedy_plan
from gridcompute import grid
from gridcompute.cli import app as cli
from gridcompute.traces.policies import POLICIES

Command = Any  # called with words; its `asked` holds the options that reached the matcher


@pytest.fixture
def command(capsys, monkeypatch):
    """Runs a command line; status, standard output and standard error."""
    asked = []

    def match(problem, **options):
        asked.append(options)
        return greedy_plan(problem)

    engine = types.ModuleType("gridcompute.grid.planner.match")
    engine.match = match
    monkeypatch.setitem(sys.modules, "gridcompute.grid.planner.match", engine)
    monkeypatch.setattr(grid, "match", engine, raising=False)

    def run(*arguments):
        status = cli.run([str(a) for a in arguments])
        streams = capsys.readouterr()
        return status, streams.out, streams.err

    run.asked = asked
    return run


@pytest.fixture
def folders(command, tmp_path):
    """A problem and its plan, made by the commands."""
    problem, plan = tmp_path / "problem", tmp_path / "plan"
    assert command("scenario", "--jobs", 150, "--seed", 2, "--out", problem, "--csv")[0] == 0
    status, out, _ = command("match", problem, "--out", plan, "--gap", 0.01, "--quiet")
    assert status == 0
    assert "jobs placed" in out
    assert "Lowest N2" in out
    assert "CO2" in out
    return problem, plan


def test_scenario_match_verify(command, folders):
    """If this fails, a user's first three commands do not work together."""
    problem, plan = folders
    assert (problem / "jobs.csv").exists()
    assert command.asked[0]["gap"] == 0.01
    assert command.asked[0]["progress"] is False
    assert {p.name for p in plan.iterdir()} >= {
        "plan.html",
        "audit.md",
        "jobs.parquet",
        "green.csv",
    }
    status, out, _ = command("verify", plan)
    assert status == 0
    assert out.startswith("valid")


def test_a_table_of_jobs_without_rows_is_pointed_out(command, tmp_path):
    """If this fails, an empty export is planned, "optimal", and nobody notices."""
    assert command("scenario", "--jobs", 5, "--out", tmp_path / "p", "--csv")[0] == 0
    path = tmp_path / "p" / "jobs.csv"
    path.write_text(path.read_text().splitlines(keepends=True)[0])
    status, _, errors = command("match", tmp_path / "p", "--out", tmp_path / "plan", "--quiet")
    assert status == 0, errors
    assert "warning: jobs.csv has no rows" in errors


def test_verify_finds_a_changed_plan(command, folders):
    """If this fails, a stored plan can be prettified unseen."""
    _, plan = folders
    path = plan / "plan.json"
    numbers = json.loads(path.read_text())
    numbers["objective_yuan"] *= 0.9
    path.write_text(json.dumps(numbers))
    status, out, _ = command("verify", plan)
    assert status == 1
    assert "CostMismatch" in out
    with np.load(plan / "plan.npz") as stored:
        arrays = dict(stored)
    arrays["dispatch.grid_kwh"] = arrays["dispatch.grid_kwh"] * 0.5
    np.savez(plan / "plan.npz", **arrays)
    assert "LoadImbalance" in command("verify", plan)[1]


def test_what_if(command, folders, tmp_path):
    """If this fails, the change asked for is not the change made, or prices do not travel."""
    _, plan = folders
    out = tmp_path / "dark"
    status, text, _ = command("whatif", plan, "--outage", "Hami", "--out", out)
    assert status == 0
    assert "jobs placed differently" in text
    assert command.asked[-1]["prices"] is not None
    changed = grid.read_plan(out)
    assert changed.problem.classes.capacity[changed.problem.classes.site == 10].sum() == 0
    status, text, _ = command("whatif", plan, "--gbit-s", 10, "--corridor", "Hami:Chongqing")
    assert status == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["match", "nowhere", "--out", "x"], "problem.json is not there"),
        (["verify", "nowhere"], "problem.json is not there"),
        (["match", "nowhere"], "--out"),
        (["scenario", "--jobs", "0", "--out", "x"], "--jobs"),
    ],
)
def test_bad_input_costs_one_line_and_status_2(
    command,
    arguments,
    words,
    tmp_path,
    monkeypatch,
):
    """If this fails, a user's typing error ends in a traceback."""
    monkeypatch.chdir(tmp_path)
    status, out, err = command(*arguments)
    assert (status, out) == (2, "")
    assert err.count("\n") == 1
    assert words in err


def test_bad_tables_and_names_cost_one_line(command, folders):
    """If this fails, the line does not say which table, column and row."""
    problem, plan = folders
    status, _, err = command("whatif", plan, "--outage", "Atlantis")
    assert status == 2
    assert "no site is called 'Atlantis'" in err
    assert command("whatif", plan, "--corridor", "Hami", "--gbit-s", 1)[0] == 2
    sites = problem / "sites.csv"
    head, first, *rest = sites.read_text().splitlines()
    at = head.replace('"', "").split(",").index("pue[0]")
    cells = first.split(",")
    first = ",".join([*cells[:at], "0.25", *cells[at + 1 :]])
    sites.write_text("\n".join([head, first, *rest]) + "\n")
    status, _, err = command("match", problem, "--out", plan)
    assert status == 2
    assert "sites.pue[0, 0] is 0.25, needed" in err


def test_each_command_prints_json(command, folders):
    """If this fails, a script has to read tables made for people."""
    problem, plan = folders
    made = {
        "scenario": ("--jobs", 20, "--out", plan.parent / "again"),
        "match": (problem, "--out", plan.parent / "second"),
        "verify": (plan,),
        "explain": (plan, 0, 1),
        "audit": (plan,),
        "report": (plan, "--out", plan.parent / "page.html"),
    }
    found = {}
    for name, arguments in made.items():
        status, out, err = command(name, *arguments, "--json")
        assert (status, err) == (0, ""), (name, err)
        found[name] = json.loads(out)
    assert found["scenario"]["jobs"] == 20
    assert found["match"]["jobs"] == 150
    values = found["match"]["placed_yuan"] + found["match"]["unplaced_yuan"]
    assert values == pytest.approx(found["match"]["objective_yuan"])
    assert found["match"]["placed"] + sum(found["match"]["unplaced"].values()) == 150
    assert found["verify"]["valid"] is True
    assert found["verify"]["objective"] >= found["verify"]["bound"]
    assert [e["job"] for e in found["explain"]] == [0, 1]
    assert "job 0" in found["explain"][0]["text"]
    assert found["audit"]["rule"]
    assert (plan.parent / "page.html").read_text(encoding="utf-8").count("<svg")
    assert found["report"]["page"].endswith("page.html")


def test_a_stored_plan_is_explained_and_reported(command, folders):
    plan = folders[1]
    status, out, _ = command("explain", plan, 3)
    assert status == 0
    assert out.startswith("job 3 ")
    assert command("explain", plan, 150)[::2] == (
        2,
        "gridcompute: job: found 150, needed 0 to 149\n",
    )
    status, out, _ = command("audit", plan)
    assert (status, out.partition(":")[0]) == (0, "Rule in force")
    nowhere = plan.parent / "nowhere"
    status, _, err = command("report", plan, "--out", nowhere / "p.html")
    assert (status, err) == (2, f"gridcompute: [Errno 2] No such folder: '{nowhere}'\n")
    status, out, _ = command("report", plan, "--out", plan.parent / "p.html")
    assert "Lowest N2" in out


def test_jobs_are_explained_by_their_ids(command, tmp_path):
    """If this fails, who has a job's name must count the lines of a file to ask about it."""
    problem = grid.east_west(n_jobs=3, seed=0)
    ids = np.array(["train", "chat", "7"])
    problem = problem.replace(jobs=problem.jobs.replace(id=ids))
    folder = grid.write_plan(greedy_plan(problem), tmp_path / "plan")
    status, out, _ = command("explain", folder, "chat", "7", "0", "--json")
    assert status == 0
    assert [e["job"] for e in json.loads(out)] == [1, 2, 0]
    for one in json.loads(out):
        assert all(offer["yuan"] >= 0 for offer in one["best"].values())
        assert one["taken"] is None or one["taken"]["fits"]
    status, out, err = command("explain", folder, "unknown", "chat", "no job")
    assert (status, out.splitlines()[0].split()[0]) == (2, "chat"), "one unknown id hides the rest"
    assert err == (
        "gridcompute: job: found unknown, needed an id of a job, or 0 to 2; "
        "job: found no job, needed an id of a job, or 0 to 2\n"
    )
    assert command("explain", folder, "trian")[2].endswith("; did you mean 'train'?\n")
    for wrong in ("nobody", "3", "-1x", "²"):
        status, _, err = command("explain", folder, "--", wrong)
        assert (status, err) == (
            2,
            f"gridcompute: job: found {wrong}, needed an id of a job, or 0 to 2\n",
        )


def test_choices_stand_in_the_help(command):
    assert "one_way|round_trip" in command("whatif", "--help")[1]
    assert "auto|network_simplex|cost_scaling" in command("flow", "--help")[1]
    assert "transport|assignment|flow|grid|live" in command("bench", "--help")[1]
    shown = "".join(command("replay", "--help")[1].split())
    assert all(policy in shown for policy in POLICIES), shown
    status, _, err = command("whatif", "plan", "--latency-rule", "both")
    assert status == 2
    assert "one_way" in err
    assert "--install-completion" in command("--help")[1]
