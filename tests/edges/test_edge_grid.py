"""Every public function at odd shapes, dtypes, values, options and ways of stopping."""

import pytest

import edge_cases
import edge_cases_services


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "function"),
    [(m.__file__, f) for m in (edge_cases, edge_cases_services) for f in m.GRID],
    ids=lambda part: part.rpartition("/")[2].removesuffix(".py"),
)
def test_nothing_kills_the_process_and_nothing_false_passes(script, function):
    """If this fails, an input, an option or a way of stopping crashes or gives a wrong answer."""
    outcome = edge_cases.run_all(function, script)
    shown = "\n".join(outcome.failures[:20])
    assert not outcome.failures, f"{len(outcome.failures)} of {outcome.done} cases:\n{shown}"
    assert outcome.done > 200
