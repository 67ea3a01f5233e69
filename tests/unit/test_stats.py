"""The keys of `stats`: one set of names in the core, the types and the reference."""

import re
from pathlib import Path

import numpy as np
import pytest

import gridcompute as gc
from gridcompute import assignment, min_cost_flow, transport
from gridcompute.results.matching import TransportStats
from gridcompute.solvers.assignment import AssignmentStats

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "stats.md"


def documented(section):
    """The keys that the table of a section lists."""
    text = PAGE.read_text(encoding="utf-8").split(f"\n## {section}\n")[1].split("\n## ")[0]
    rows = (line.split("|")[1] for line in text.splitlines() if line.startswith("| `"))
    return {key for row in rows for key in re.findall(r"`(\w+)`", row)}


@pytest.mark.parametrize("demand", [None, 2])
def test_transport_counts_are_those_of_the_type_and_the_reference(demand):
    """If this fails, a promised count is missing, or one is returned that no page explains."""
    cost = np.random.default_rng(0).integers(0, 100, (300, 5))
    sizes = None if demand is None else np.full(300, demand)
    m = transport(cost, np.full(5, 200), demand=sizes)
    assert set(m.stats) == set(TransportStats.__annotations__) == documented("Transport")


def test_assignment_counts_are_those_of_the_type_and_the_reference():
    """If this fails, a promised count is missing, or one is returned that no page explains."""
    a = assignment(np.random.default_rng(0).integers(0, 100, (30, 30)))
    assert set(a.stats) == set(AssignmentStats.__annotations__) == documented("Linear assignment")


def test_plan_counts_are_those_of_the_reference():
    """If this fails, a user meets a key that no page explains, or looks for one in vain."""
    plan = gc.match(gc.grid.east_west(n_jobs=5, seed=0, hours=4), gap=2.0)
    assert set(plan.stats) == documented("Grid plans")


@pytest.mark.parametrize("method", ["auto", "cost_scaling"])
def test_flow_counts_are_those_of_the_reference(method):
    """If this fails, a user meets a key that no page explains, or looks for one in vain."""
    f = min_cost_flow([0, 0, 1], [1, 2, 2], [4, 2, 3], [1, 5, 1], [5, 0, -5], method=method)
    assert set(f.stats) == documented("Min-cost flow")
