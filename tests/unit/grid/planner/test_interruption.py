"""The cheapest cut of a job, beside all sets of hours that its rules allow."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from gridcompute.grid.checker.placements import Priced, cheapest_in_pieces, ways
from gridcompute.grid.interruption import Cuts, cheapest_cuts, count_cuts, every_cut

HOURS = 8


def allowed(need: int, least: int, restart: int) -> list[tuple[bool, ...]]:
    """All ways to run a job in HOURS hours, by looking at every set of hours."""
    found = []
    for busy in itertools.product((False, True), repeat=HOURS):
        runs = [len(list(same)) for on, same in itertools.groupby(busy) if on]
        if not runs or sum(runs) != need + (len(runs) - 1) * restart:
            continue
        long = len(runs) == 1 or runs[0] >= least
        if long and all(n >= max(least, restart + 1) for n in runs[1:]):
            found.append(busy)
    return found


@st.composite
def jobs(draw: st.DrawFn) -> Cuts:
    n = draw(st.integers(1, 4))
    r = np.random.default_rng(draw(st.integers(0, 10**6)))
    hourly = r.integers(-2, 6, (n, HOURS)).astype(float)
    return Cuts(
        np.where(r.random((n, HOURS)) < 0.2, np.inf, hourly),
        np.where(r.random((n, HOURS)) < 0.2, np.inf, r.integers(0, 4, (n, HOURS)).astype(float)),
        r.integers(0, 3) * np.arange(HOURS + 1.0) + np.zeros((n, 1)),
        r.integers(1, HOURS + 2, n),
        r.integers(1, 4, n),
        r.integers(0, 3, n),
        r.integers(0, 3, n).astype(float),
    )


def price(cuts: Cuts, k: int, busy: tuple[bool, ...]) -> float:
    on = np.flatnonzero(busy)
    again = int((np.diff(on) > 1).sum())
    yuan = cuts.hourly[k, on].sum() + cuts.begin[k, on[0]] + cuts.finish[k, on[-1] + 1]
    return float(yuan + again * cuts.resumed_yuan[k])


@settings(max_examples=60, deadline=None)
@given(jobs())
def test_the_cheapest_cut_is_the_cheapest_of_all_sets_of_hours(cuts: Cuts) -> None:
    """If this fails, a bound is above a plan with pieces, or a job is cut as it may not be."""
    yuan, busy = cheapest_cuts(cuts, traced=True)
    assert np.array_equal(yuan, cheapest_cuts(cuts)[0])
    total = 0
    for k in range(len(cuts.need)):
        kind = int(cuts.need[k]), int(cuts.least[k]), int(cuts.restart[k])
        prices = {b: price(cuts, k, b) for b in allowed(*kind)}
        best = min(prices.values(), default=np.inf)
        assert yuan[k] == best, (k, cuts)
        marks = tuple(bool(b) for b in busy[k])
        assert (best == np.inf and not any(marks)) or prices[marks] == best, (k, cuts)
        some = {b: y for b, y in prices.items() if y < np.inf}
        listed, cost = every_cut(cuts, k)
        assert dict(zip(map(tuple, listed.tolist()), cost.tolist(), strict=True)) == some, (k, cuts)
        total += len(some)
    assert count_cuts(cuts, np.inf) == total, cuts


@settings(max_examples=30, deadline=None)
@given(jobs())
def test_the_checker_finds_the_same_cuts_by_whole_pieces(cuts: Cuts) -> None:
    """If this fails, the checker and the planner understand pieces otherwise."""
    n = len(cuts.need)
    delay = cuts.finish[:, 1] - cuts.finish[:, 0]
    problem = SimpleNamespace(
        hours=HOURS,
        jobs=SimpleNamespace(
            least_piece_h=cuts.least,
            restart_h=cuts.restart,
            restart_yuan=cuts.resumed_yuan,
            delay_yuan_per_h=delay,
            release=np.zeros(n, int),
        ),
    )
    stretch = np.full((n, HOURS + 1, HOURS), np.inf)
    for length in range(1, HOURS + 1):
        for t in range(HOURS - length + 1):
            stretch[:, length, t] = cuts.hourly[:, t : t + length].sum(axis=1)
    priced = Priced(np.arange(n), cuts.need, stretch, cuts.begin, cuts.begin)
    # The checker counts delay from the earliest end.
    shift = delay * cuts.need
    fits = cuts.need <= HOURS
    found = np.full(n, np.inf)
    if fits.any():
        found[fits] = cheapest_in_pieces(problem, priced.of(fits))
    assert np.array_equal(found + shift, cheapest_cuts(cuts)[0]), cuts
    for k in np.flatnonzero(fits).tolist():
        listed, cost = every_cut(cuts, k)
        complete = [way for way in ways(problem, priced, k, 10**6) if way is not None]
        own = {tuple(busy.tolist()): yuan for busy, _, yuan in complete}
        wanted = dict(zip(map(tuple, listed.tolist()), (cost - shift[k]).tolist(), strict=True))
        assert own == wanted, (k, cuts)


def test_ways_that_lead_nowhere_count_as_well() -> None:
    """If this fails, the checker looks for ever where each way to cut a job is a dead end.

    Five hours in pieces of three at least: no five open hours follow each other, and after a piece
    of three or four what is left is too short.
    """
    jobs = {"least_piece_h": [3], "restart_h": [0], "restart_yuan": [0.0]}
    jobs |= {"delay_yuan_per_h": [0.0], "release": [0]}
    problem = SimpleNamespace(hours=HOURS, jobs=SimpleNamespace(**jobs))
    stretch, free = np.zeros((1, HOURS + 1, HOURS)), np.zeros((1, HOURS))
    stretch[:, 5] = np.inf
    priced = Priced(np.zeros(1, int), np.array([5]), stretch, free, free)
    assert list(ways(problem, priced, 0, 100)) == []
    assert list(ways(problem, priced, 0, 10)) == [None]


def test_thousands_of_jobs_are_done_side_by_side() -> None:
    """If this fails, the parts that jobs are done in are put together wrongly."""
    r = np.random.default_rng(0)
    n, hours = 9_000, 24
    cuts = Cuts(
        r.random((n, hours)),
        np.zeros((n, hours)),
        np.zeros((n, hours + 1)),
        r.integers(1, 24, n),
        r.integers(1, 4, n),
        r.integers(0, 2, n),
        np.zeros(n),
    )
    yuan, busy = cheapest_cuts(cuts, traced=True)
    some = r.integers(0, n, 20)
    assert np.array_equal(yuan[some], cheapest_cuts(cuts.of(some))[0])
    assert np.allclose(np.where(busy, cuts.hourly, 0.0).sum(axis=1), yuan)
