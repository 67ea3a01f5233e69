"""Samples of jobs, each of which represents several: the first prices are computed on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ... import _core
    from ..tables.column import Floats, Int32s

__all__ = ["samples_of", "systematic_samples", "with_sample"]


def with_sample(
    market: _core.LagrangianOracle, here: Int32s, rows: Int32s, weight: Int32s
) -> _core.LagrangianOracle:
    """Return jobs `here` of a market with a sample of others, each representing `weight` jobs."""
    weight = np.concatenate([np.ones(len(here), np.int32), weight])
    return market.subset(np.concatenate([here, rows]), weight)


def samples_of(rows: Int32s, size: Floats, count: int, most: int) -> list[tuple[Int32s, Int32s]]:
    """Return samples of about `count` of `rows`, enough to cover all rows, `most` at most."""
    samples = min(most, -(-len(rows) // count)) or 1
    return systematic_samples(rows, size, count, (np.arange(samples) + 0.5) / samples)


def systematic_samples(
    rows: Int32s, size: Floats, count: int, offsets: Floats
) -> list[tuple[Int32s, Int32s]]:
    """Return a sample for each offset: the jobs drawn, and the number of jobs each represents.

    A job that represents w jobs is drawn with a probability of 1 / w, evenly along `rows` (the
    market's own order of shape, origin and release); w is about inverse to its size, so that large
    ones are always drawn. Samples with other offsets in [0, 1) have other jobs.
    """
    if len(rows) <= count:
        return [(rows, np.ones(len(rows), np.int32))] * len(offsets)
    share = np.maximum(size[rows], 1e-9)
    unit = share.sum() / count
    for _ in range(20):  # jobs with a probability above 1 are drawn; the others share the rest
        sure = share >= unit
        unit = share[~sure].sum() / max(count - sure.sum(), 1)
    weight = np.clip(np.rint(unit / share), 1, len(rows))
    end, weight = np.cumsum(1 / weight), weight.astype(np.int32)
    sure, out = weight == 1, []
    for offset in offsets:
        drawn = sure.copy()
        at = np.arange(1, np.floor(end[-1] + offset) + 1) - offset
        drawn[np.minimum(np.searchsorted(end, at), len(rows) - 1)] = True
        out.append((rows[drawn], weight[drawn]))
    return out
