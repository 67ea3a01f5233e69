"""The linear programs of dispatch: what follows where the solver fails or is wrong."""

from __future__ import annotations

import importlib
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import highspy
import numpy as np
import pytest

import gridcompute as gc
from gridcompute import InfeasibleError, InternalError, grid
from gridcompute.grid.planner.dispatch_lp import EnergyBlock

if TYPE_CHECKING:
    from collections.abc import Callable

STATUSES = ["kUnknown", "kSolveError", "kNotset", "kTimeLimit", "kUnbounded"]
#: Attempts that a dispatch makes after the first: each may be the one that ends well.
ATTEMPTS = 7


class Failing:
    """HiGHS, but the runs that `fails` picks end as `status`, without the basis they reached."""

    def __init__(self, real: Any, fails: Callable[[int], bool], status: str) -> None:
        self._real, self._fails, self._status = real, fails, status
        self.runs, self.failed = 0, False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def run(self) -> Any:
        self.failed = self._fails(self.runs)
        self.runs += 1
        return self._real.run()

    def getModelStatus(self) -> Any:
        return SimpleNamespace(name=self._status) if self.failed else self._real.getModelStatus()


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Failing]]:
    """Make every solver fail where it is told to; returns the solvers made."""
    real: Any = highspy.Highs.__base__

    def install(fails: Callable[[int], bool], status: str = "kUnknown") -> list[Failing]:
        made: list[Failing] = []

        def build() -> Failing:
            made.append(Failing(real(), fails, status))
            return made[-1]

        monkeypatch.setattr(highspy, "Highs", SimpleNamespace(__base__=build))
        return made

    return install


@pytest.fixture(scope="module")
def problem() -> grid.Problem:
    """A day with batteries, a mandate and direct sources."""
    return grid.east_west(n_jobs=200, seed=3).replace(direct_rule=grid.DirectRule())


def load_between(problem: grid.Problem, part: float) -> np.ndarray:
    base = problem.energy.base_load_kwh
    return base + part * (problem.most_load_kwh - base)


#: Each count of failures, and each status once: the ladder does not look at which it was.
CASES = [(n, "kUnknown") for n in range(ATTEMPTS + 1)] + [(1, status) for status in STATUSES[1:]]


@pytest.mark.parametrize(("failures", "status"), CASES)
def test_a_dispatch_that_fails_is_asked_again(
    failing: Callable[..., list[Failing]], problem: grid.Problem, failures: int, status: str
) -> None:
    """If this fails, one numerical failure of HiGHS in a batch ends it in an InternalError."""
    loads = [load_between(problem, part) for part in (0.2, 0.3)]
    pi = problem.energy.tariff_yuan_per_kwh * 0.8
    block = EnergyBlock(problem)
    needed = [block.serve(load).yuan for load in loads] + [block.minimum(pi).bound]
    made = failing(lambda run: run < failures, status)
    block = EnergyBlock(problem)
    found = [block.serve(load).yuan for load in loads] + [block.minimum(pi).bound]
    assert made[0].runs == failures + 3
    np.testing.assert_allclose(found, needed, rtol=1e-7)


def test_the_solver_is_itself_again_after_a_failure(
    failing: Callable[..., list[Failing]], problem: grid.Problem
) -> None:
    """If this fails, one failure leaves every later dispatch to a slower method."""
    made = failing(lambda run: run < ATTEMPTS)
    block = EnergyBlock(problem)
    names = ("solver", "presolve", "simplex_scale_strategy")
    before = [made[0].getOptionValue(name)[1] for name in names]
    block.serve(load_between(problem, 0.2))
    assert [made[0].getOptionValue(name)[1] for name in names] == before


def test_only_after_every_attempt_it_is_an_error(
    failing: Callable[..., list[Failing]], problem: grid.Problem
) -> None:
    """If this fails, a solver that never answers is believed, or asked for ever."""
    load = load_between(problem, 0.2)
    needed = EnergyBlock(problem).serve(load).yuan
    made = failing(lambda run: run <= ATTEMPTS)
    block = EnergyBlock(problem)
    message = "kUnknown after 7 other attempts, needed kOptimal"
    for part in made:  # each of the programs that the dispatch falls into has its turn
        with pytest.raises(InternalError, match=message):
            block.serve(load)
        assert part.runs == ATTEMPTS + 1
    assert block.serve(load).yuan == pytest.approx(needed, rel=1e-7)


@pytest.mark.parametrize("position", range(ATTEMPTS))
def test_each_attempt_by_itself_finds_the_optimum(
    failing: Callable[..., list[Failing]],
    problem: grid.Problem,
    position: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """If this fails, a rung of the ladder is broken, which only a rare failure would show."""
    load = load_between(problem, 0.25)
    needed = EnergyBlock(problem).serve(load)
    simplex = importlib.import_module("gridcompute.grid.planner.simplex")
    monkeypatch.setattr(simplex, "LADDER", simplex.LADDER[position : position + 1])
    failing(lambda run: run == 0)
    found = EnergyBlock(problem).serve(load)
    assert found.yuan == pytest.approx(needed.yuan, rel=1e-7)


@pytest.mark.parametrize("every", [2, 7, 50])
def test_a_whole_match_survives_a_solver_that_often_fails(
    failing: Callable[..., list[Failing]], problem: grid.Problem, every: int
) -> None:
    """If this fails, a batch in a series of batches is lost to the solver's numbers."""
    runs = 0

    def fails(_run: int) -> bool:
        nonlocal runs
        runs += 1
        return runs % every == 0

    failing(fails)
    plan = gc.match(problem, gap=0.0, progress=lambda _: runs > every)
    assert runs > every
    found = plan.verify()
    assert found.valid, str(found)


def test_batches_of_a_ledger_survive_a_solver_that_often_fails(
    failing: Callable[..., list[Failing]],
) -> None:
    """If this fails, a series of days ends on the day on which HiGHS is at a loss."""
    ledger = grid.Ledger(window=7, cap_yuan_per_kwh=0.3)
    failing(lambda run: run % 20 == 3)
    for day in range(3):
        problem = grid.east_west(n_jobs=60, seed=day)
        mandate = grid.Mandate(share=0.9, scope="cluster", ledger=ledger)
        plan = gc.match(problem.replace(mandate=mandate), gap=0.9, time_limit=0.1)
        assert plan.verify().valid, str(plan.verify())
        ledger = ledger.record(plan, batch=str(day))


# ---------------------------------------------------------------- verdicts of infeasibility


def test_an_infeasible_verdict_out_of_nothing_is_not_believed(
    failing: Callable[..., list[Failing]], problem: grid.Problem
) -> None:
    """If this fails, a warm start's rounding tells an operator that a site cannot be powered."""
    load = load_between(problem, 0.2)
    needed = EnergyBlock(problem).serve(load).yuan
    made = failing(lambda run: run == 0, "kInfeasible")
    assert EnergyBlock(problem).serve(load).yuan == pytest.approx(needed, rel=1e-7)
    assert made[0].runs == 2


def test_an_infeasible_verdict_that_stands_is_told(problem: grid.Problem) -> None:
    """If this fails, asking twice hides a load that nothing can serve."""
    block = EnergyBlock(problem)
    with pytest.raises(InfeasibleError, match="no dispatch serves this load"):
        block.serve(1e3 + 1e3 * problem.most_load_kwh)
    small = problem.replace(sites=problem.sites.replace(connection_kw=0.0))
    with pytest.raises(InfeasibleError):
        EnergyBlock(small).serve(load_between(problem, 0.9))
