"""Instances for tests: Hypothesis strategies for tiny ones, seeded makers for large ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st


@dataclass(frozen=True)
class Transport:
    """The arguments of one call of `transport`."""

    cost: np.ndarray[Any, Any]
    capacity: np.ndarray[Any, Any]
    demand: np.ndarray[Any, Any] | None = None
    unplaced: np.ndarray[Any, Any] | None = None

    @property
    def arguments(self) -> dict[str, Any]:
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
def transports(
    draw: st.DrawFn,
    *,
    kinds: tuple[str, ...] = ("int", "wide", "real"),
    gangs: bool = False,
    most_jobs: int = 6,
    most_slots: int = 4,
) -> Transport:
    """Tiny instances: ties, forbidden pairs, empty classes, too little room, optional jobs."""
    n, s = draw(st.integers(0, most_jobs)), draw(st.integers(0, most_slots))
    kind = draw(st.sampled_from(kinds))
    values = {"int": INTEGERS, "wide": WIDE, "real": REALS}[kind]
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
    return Transport(cost, capacity, demand, unplaced)


def sites_by_hours(n_jobs: int, n_slots: int, seed: int) -> tuple[Any, Any]:
    """Structured like a day of work: families of jobs, speeds and prices of classes, waiting."""
    r = np.random.default_rng(seed)
    speed, tariff = r.uniform(0.2, 1.0, (8, n_slots)), r.uniform(0.2, 1.0, n_slots)
    hour = r.integers(0, 24, n_slots)
    family, arrival = r.integers(0, 8, n_jobs), r.integers(0, 24, n_jobs)
    work, value = r.lognormal(1, 1.2, n_jobs), r.lognormal(0, 0.7, n_jobs)
    cost = np.empty((n_jobs, n_slots), np.int32)
    for a in range(0, n_jobs, 20_000):
        b = slice(a, a + 20_000)
        run = work[b, None] / speed[family[b]]
        wait = (hour[None] - arrival[b, None]) % 24
        total = run * (10 * tariff + 2 * value[b, None]) + 0.3 * value[b, None] * wait
        cost[b] = np.minimum(100 * total, 1e6)
    capacity = r.multinomial(int(n_jobs / 0.9), r.dirichlet(np.full(n_slots, 2.0)))
    return cost, capacity.astype(np.int64)
