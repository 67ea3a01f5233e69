"""Hypothesis strategies: tiny problems of every odd kind; what fails shrinks to the smallest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .._extras import extra
from .random_tables import grid_problem

with extra("testing"):
    from hypothesis import strategies as st


@dataclass(frozen=True)
class TransportCase:
    """The arguments of one call of `transport`, as ``transport(**case.arguments)``."""

    cost: np.ndarray[Any, Any]
    capacity: np.ndarray[Any, Any]
    demand: np.ndarray[Any, Any] | None = None
    unplaced: np.ndarray[Any, Any] | None = None

    @property
    def arguments(self) -> dict[str, Any]:
        """The arguments by name."""
        return vars(self)


INTEGERS = st.one_of(st.integers(-3, 3), st.integers(-1000, 1000), st.integers(-(2**40), 2**40))
WIDE = st.one_of(INTEGERS, st.integers(-(2**56), 2**56))  # prices that no double holds
REALS = st.one_of(
    st.floats(-4, 4, width=16),
    st.floats(-1e6, 1e6),
    st.integers(-3, 3).map(float),
    st.just(np.inf),
)


@st.composite
def transport_problems(
    draw: st.DrawFn,
    *,
    kinds: tuple[str, ...] = ("int", "wide", "real"),
    gangs: bool = False,
    most_jobs: int = 6,
    most_slots: int = 4,
) -> TransportCase:
    """Tiny instances: ties, forbidden pairs, empty classes, too little room, optional jobs.

    Parameters
    ----------
    kinds : tuple of str
        Of costs: "int" up to 2**40, "wide" up to 2**56, "real" floats and inf.
    gangs : bool
        With a demand of 1 to 3 slots for each job.
    most_jobs, most_slots : int
        The largest problem.

    Returns
    -------
    strategy of TransportCase

    Examples
    --------
    >>> from hypothesis import given
    >>> from gridcompute import transport
    >>> from gridcompute.testing import transport_problems
    >>> @given(transport_problems())
    ... def test(case):
    ...     assert transport(**case.arguments).verify()
    >>> test()
    """
    n, s = draw(st.integers(0, most_jobs)), draw(st.integers(0, most_slots))
    kind = draw(st.sampled_from(kinds))
    values: Any = {"int": INTEGERS, "wide": WIDE, "real": REALS}[kind]
    flat = draw(st.lists(values, min_size=n * s, max_size=n * s))
    dtype = np.float64 if kind == "real" else np.int64
    cost = np.array(flat, dtype).reshape(n, s)
    rooms = st.one_of(st.integers(0, 3), st.sampled_from([n, 10**15]))
    capacity = np.array(draw(st.lists(rooms, min_size=s, max_size=s)), np.int64)
    demand = None
    if gangs:
        demand = np.array(draw(st.lists(st.integers(1, 3), min_size=n, max_size=n)), np.int64)
    unplaced = None
    if draw(st.booleans()):
        outs = st.one_of(INTEGERS.map(float), REALS)
        unplaced = np.array(draw(st.lists(outs, min_size=n, max_size=n)), np.float64)
    return TransportCase(cost, capacity, demand, unplaced)


@st.composite
def assignment_costs(
    draw: st.DrawFn, *, most_rows: int = 5, most_columns: int = 5
) -> np.ndarray[Any, Any]:
    """Cost matrices for `linear_sum_assignment`: ints, floats, ties, forbidden pairs, any shape.

    Parameters
    ----------
    most_rows, most_columns : int
        The largest matrix.

    Returns
    -------
    strategy of ndarray, float64 or int64
        Of floats, inf forbids a pair.
    """
    n, m = draw(st.integers(1, most_rows)), draw(st.integers(1, most_columns))
    real = draw(st.booleans())
    values: Any = REALS if real else INTEGERS
    flat = draw(st.lists(values, min_size=n * m, max_size=n * m))
    return np.array(flat, np.float64 if real else np.int64).reshape(n, m)


@st.composite
def networks(
    draw: st.DrawFn, *, lower: bool = True, most_nodes: int = 7, most_arcs: int = 18
) -> tuple[np.ndarray[Any, Any], ...]:
    """Small networks for `min_cost_flow`: parallel arcs, loops, negative costs and cycles, no flow.

    Parameters
    ----------
    lower : bool
        Also with lower bounds of arcs, which may be negative.
    most_nodes, most_arcs : int
        The largest network.

    Returns
    -------
    strategy of tuple of int64 arrays
        ``tail, head, capacity, cost, supply, lower``: ``min_cost_flow(*network)``. Supplies sum
        to 0.
    """
    n, m = draw(st.integers(1, most_nodes)), draw(st.integers(0, most_arcs))
    node = st.integers(0, n - 1)

    def column(low: int, high: int) -> Any:
        return draw(st.lists(st.integers(low, high), min_size=m, max_size=m))

    tail, head = (draw(st.lists(node, min_size=m, max_size=m)) for _ in range(2))
    room, cost = column(0, 6), column(-5, 9)
    least = column(-2, 2) if lower and draw(st.booleans()) else [0] * m
    supply = np.zeros(n, np.int64)
    for a, b, units in draw(st.lists(st.tuples(node, node, st.integers(0, 4)), max_size=4)):
        supply[a] += units
        supply[b] -= units
    ends, low = (np.array(tail, np.int64), np.array(head, np.int64)), np.array(least, np.int64)
    return (*ends, low + np.array(room, np.int64), np.array(cost, np.int64), supply, low)


def grid_problems() -> Any:
    """Small problems of the platform of any shape, by `grid_problem` from a seed that is drawn.

    Returns
    -------
    strategy of gridcompute.grid.Problem
    """
    return st.integers(0, 2**32).map(lambda seed: grid_problem(np.random.default_rng(seed)))
