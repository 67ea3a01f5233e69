"""The small linear programs of the core against HiGHS, over many changes in a row."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gridcompute import InvalidProblemError, _core, grid
from gridcompute.grid.dispatch import EnergyBlock

few = settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))


@few
@given(
    seed=st.integers(0, 2**32),
    scope=st.sampled_from(["site", "operator", "cluster"]),
    rule=st.sampled_from(["hourly", "volume"]),
    terminal=st.sampled_from(["cyclic", "value"]),
    hours=st.sampled_from([3, 24]),
)
def test_steps_from_one_answer_to_the_next_end_where_a_fresh_solve_does(
    seed: int, scope: str, rule: str, terminal: str, hours: int
) -> None:
    """If this fails, the energy block drifts away from its optimum as prices and loads move."""
    rng = np.random.default_rng(seed)
    problem = grid.east_west(n_jobs=50, seed=seed % 5, hours=hours)
    mandate = dataclasses.replace(problem.mandate, scope=scope, rule=rule)
    energy = problem.energy.replace(terminal=terminal, terminal_yuan_per_kwh=np.full(12, 0.2))
    problem = problem.replace(mandate=mandate, energy=energy)
    stepping, base = EnergyBlock(problem), problem.energy.base_load_kwh
    pi = np.full(base.shape, 0.4)
    load = base + 0.5 * (stepping.most_kwh - base)
    for step in rng.choice([0.0, 0.001, 0.05, 1.0], 6):
        pi = np.maximum(pi + step * rng.standard_normal(pi.shape), 0.0)
        found, fresh = stepping.minimum(pi), EnergyBlock(problem).minimum(pi)
        assert found.bound == pytest.approx(fresh.bound, rel=1e-9, abs=1e-6)
        assert stepping.served(pi) == pytest.approx(found.load_kwh)
        load = np.clip(load * (1 + step * rng.standard_normal(pi.shape)), base, stepping.most_kwh)
        supplied = stepping.serve(load)
        assert supplied.yuan == pytest.approx(EnergyBlock(problem).serve(load).yuan, rel=1e-9)
        of_parts = grid.cost.dispatch_cost(problem, supplied.dispatch)
        assert of_parts == pytest.approx(supplied.yuan, rel=1e-7)


def test_a_program_is_refused_with_the_argument_at_fault() -> None:
    """If this fails, a wrong index reads memory that is not the program's."""
    begin, row, value = np.array([0, 1], np.int32), np.array([0], np.int32), np.ones(1)
    one, flags = np.ones(1), np.array([0, 1], np.uint8)
    program = _core.Blocks(begin, row, value, one, 0 * one, one, 0 * one, one, flags, flags)
    with pytest.raises(InvalidProblemError, match="columns lie outside"):
        program.set_costs(np.array([1], np.int32), one)
    with pytest.raises(InvalidProblemError, match="columns must have one entry"):
        program.set_limits(np.array([0], np.int32), np.zeros(2), np.ones(2))
    with pytest.raises(InvalidProblemError, match="row lies outside"):
        _core.Blocks(begin, row + 1, value, one, 0 * one, one, 0 * one, one, flags, flags)
    with pytest.raises(InvalidProblemError, match="begin must rise"):
        _core.Blocks(begin[::-1].copy(), row, value, one, 0 * one, one, 0 * one, one, flags, flags)
    with pytest.raises(InvalidProblemError, match="no basis"):
        _core.Blocks(begin, row, value, one, 0 * one, one, 0 * one, one, 0 * flags, flags)
