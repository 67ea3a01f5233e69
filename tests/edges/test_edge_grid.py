"""Every public function at odd shapes, dtypes, values, options and ways of stopping."""

from __future__ import annotations

import pytest

from edge_cases import GRID, run_all


@pytest.mark.slow
@pytest.mark.parametrize("function", GRID)
def test_nothing_kills_the_process_and_nothing_false_passes(function: str) -> None:
    """If this fails, an input, an option or a way of stopping crashes or gives a wrong answer."""
    outcome = run_all(function)
    shown = "\n".join(outcome.failures[:20])
    assert not outcome.failures, f"{len(outcome.failures)} of {outcome.done} cases:\n{shown}"
    assert outcome.done > 200
