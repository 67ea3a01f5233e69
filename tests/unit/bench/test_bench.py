"""The frozen instances and what measures them: the same everywhere, and no answer unproved."""

import json
from dataclasses import replace

import numpy as np
import pytest

from gridcompute import bench, match
from gridcompute.bench.instances import integers
from gridcompute.cli import app as cli
from gridcompute.grid import east_west

SMALL = [i for i in bench.INSTANCES if i.size <= 10_000 and i.family != "grid"]


def test_integers_are_those_of_splitmix64():
    """If this fails, every instance is another one: the first values of seed 0 are published."""
    found = integers(0, 3, 0, 2**63 - 1).tolist()
    first = [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]
    assert found == [x % 2**63 for x in first]
    assert set(integers(5, 1000, -2, 2).tolist()) == {-2, -1, 0, 1, 2}


@pytest.mark.parametrize("instance", SMALL, ids=lambda i: i.name)
def test_instances_are_frozen(instance):
    """If this fails, figures of this version cannot be compared with those of another."""
    assert instance.checksum() == instance.sha256


def test_names_are_unique_and_families_known():
    names = [i.name for i in bench.INSTANCES]
    assert len(set(names)) == len(names)
    assert {i.family for i in bench.INSTANCES} == set(bench.FAMILIES)
    for i in bench.INSTANCES:
        if i.best is not None:
            assert i.bound is not None
            assert i.bound <= i.best


def test_what_is_known_of_the_grid_is_of_the_packaged_day():
    """If this fails, the day has changed, and `gridcompute bench grid` ends in an error."""
    instance = next(i for i in bench.INSTANCES if i.name == "grid-2e3")
    plan = match(east_west(**instance.problem()), gap=0.05, work_limit=2_000_000)
    assert instance.best is not None
    assert instance.bound is not None
    assert plan.bound_yuan <= instance.best, (plan.bound_yuan, instance)
    assert plan.objective_yuan >= instance.bound, (plan.objective_yuan, instance)
    assert plan.objective_yuan < 1.2 * instance.best, "else the lines above could hold by chance"


def test_the_command_writes_figures(tmp_path, capsys):
    out = tmp_path / "figures.json"
    assert cli.run(["bench", "assignment", "--most", "500", "--peers", "--json", str(out)]) == 0
    assert "assignment-500" in capsys.readouterr().out
    found = json.loads(out.read_text(encoding="utf-8"))
    assert found["suite"] == "gridbench-1"
    assert found["machine"]["numpy"] == np.__version__
    ours = found["rows"][0]
    assert (ours["solver"], ours["status"], ours["gap"]) == ("gridcompute", "optimal", 0.0)
    assert ours["objective"] == ours["best_known"]
    assert {row["objective"] for row in found["rows"]} == {ours["objective"]}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["grid", "--most", "10"], "--most: found 10, the smallest instance has 2000"),
        (["grid", "--json", "nowhere/x.json"], "--json: nowhere is no folder"),
    ],
)
def test_what_cannot_be_done_is_said_before_the_wait(arguments, words, capsys):
    assert cli.run(["bench", *arguments]) == 2
    told = capsys.readouterr()
    assert words in told.err
    assert "solver" not in told.out


def test_a_wrong_best_known_value_is_noticed():
    """If this fails, a table may hold answers that contradict each other."""
    instance = next(i for i in SMALL if i.name == "assignment-500")
    for wrong in (
        replace(instance, best=1000, bound=1000),
        replace(instance, best=5000, bound=4000),
    ):
        with pytest.raises(RuntimeError, match="assignment-500"):
            bench.run([wrong])


def test_each_family_is_measured():
    for family in ("transport", "flow", "live"):
        instance = next(i for i in bench.INSTANCES if i.family == family)
        (row,) = bench.run([instance])["rows"]
        assert row["gap"] == 0.0
        assert row["objective"] == instance.best
