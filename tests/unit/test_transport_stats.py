"""The counts of transport: one set of names in the core, the types and the documentation."""

import re
from pathlib import Path

import numpy as np
import pytest

from gridcompute import transport
from gridcompute.results.matching import TransportStats

PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "transport.md"


@pytest.mark.parametrize("demand", [None, 2])
def test_stats_have_the_keys_that_their_type_names(demand: int | None) -> None:
    """If this fails, a promised count is missing, or one is returned that no page explains."""
    cost = np.random.default_rng(0).integers(0, 100, (300, 5))
    sizes = None if demand is None else np.full(300, demand)
    m = transport(cost, np.full(5, 200), demand=sizes)
    assert set(m.stats) == set(TransportStats.__annotations__)


def test_each_count_is_in_the_documentation() -> None:
    """If this fails, a user who meets a count cannot look it up."""
    named = set(re.findall(r"`(\w+)`", PAGE.read_text(encoding="utf-8")))
    assert set(TransportStats.__annotations__) <= named, set(TransportStats.__annotations__) - named
