"""Sparse costs: where in its row a pair lies."""

import numpy as np
import pytest
import scipy.sparse as sp

from gridcompute import transport

N, S = 3000, 400


@pytest.mark.parametrize("spread", ["even", "low", "high", "both ends", "one"])
@pytest.mark.parametrize("wide", [np.int32, np.int64])
def test_where_the_pairs_lie(spread, wide):
    """If this fails, a pair is found only where a row's columns are spread evenly."""
    r = np.random.default_rng(8)
    rows = []
    for k in range(N):
        few = np.sort(r.choice(30, 12, replace=False))
        rows.append(
            {
                "even": np.arange(k % 33, S, 33),
                "low": few,
                "high": S - 30 + few,
                "both ends": np.r_[few[:6], S - 30 + few[6:]],
                "one": few[:1],
            }[spread]
        )
    starts = np.r_[0, np.cumsum([len(row) for row in rows])].astype(wide)
    columns = np.concatenate(rows).astype(wide)
    cost = sp.csr_array((r.integers(1, 1000, len(columns)), columns, starts), shape=(N, S))
    room = np.full(S, N)
    m = transport(cost, room, method="exact")
    assert m.objective == np.minimum.reduceat(cost.data, starts[:-1]).sum()
    assert m.verify().valid
    early = transport(cost, room, time_limit=0)
    assert early.verify().valid
    assert early.objective == sum(
        cost.data[a + np.searchsorted(cost.indices[a:b], slot)]
        for a, b, slot in zip(starts, starts[1:], early.assignment, strict=False)
    )
