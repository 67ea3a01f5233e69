"""The published simulator's records, where the data is: allocation at every percent of arrivals."""

from __future__ import annotations

import numpy as np
import pytest
from packing_data import Race

from real_data import EXAMPLES


@pytest.mark.parametrize("policy", ["best_fit", "fgd", "dot_product", "packing", "clustering"])
def test_records_are_met_at_every_percent(policy):
    """If this fails, a comparison with the published policy is one with another rule."""
    race = Race("default", 44, EXAMPLES)
    packer = race.packer(policy)
    placed = packer.place(race.pods).node >= 0  # published policies go pod by pod in any batch
    off = np.abs(np.round(race.curve(placed), 2) - race.recorded(policy))
    assert off.max() <= 0.05, (policy, int(off.argmax()), off.max())


def test_prices_end_above_fgd_and_within_the_bound():
    """If this fails, a tuned number was changed for the worse, or the bound is none."""
    race = Race("default", 44, EXAMPLES)
    packer = race.packer("price")
    placed = np.concatenate([packer.place(race.rows(k, k + 1)).node >= 0 for k in range(9_000)])
    milli, capacity = race.milli[: len(placed)], race.capacity
    allocated = (milli * placed).sum() * 100 / capacity
    assert packer.layouts_valid()
    pods = race.rows(0, len(placed))
    first = float(race.arrived[np.flatnonzero(~placed)[0] - 1]) if not placed.all() else 100.0
    bound = packer.bound(pods, served=first)
    assert bound.verify().valid
    assert allocated <= bound.value + 1e-9
    fgd = race.packer("fgd").place(pods).node >= 0
    assert allocated > (milli * fgd).sum() * 100 / capacity
