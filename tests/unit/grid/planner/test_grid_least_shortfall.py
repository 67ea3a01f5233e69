"""The least shortfall of a mandate that cannot be kept, beside a program of the checker's."""

from __future__ import annotations

import numpy as np
import pytest

import gridcompute as gc
from effort import examples
from grid_oracles import energy_prices
from gridcompute import grid
from gridcompute.grid.checker import bound as search
from gridcompute.grid.checker.bound import windows_of
from gridcompute.grid.checker.placements import fixed
from gridcompute.grid.plan.ledger_entry import Entry


def drawn(seed: int) -> grid.Problem:
    """A problem of few jobs in which green power is scarce and everything else has prices too."""
    rng = np.random.default_rng(seed)
    n_sites, hours, n, n_classes = (int(x) for x in rng.integers((1, 2, 1, 1), (4, 4, 4, 4)))
    shape = n_sites, hours

    def some(low: float, high: float, shape: int | tuple[int, ...]) -> np.ndarray:
        return np.round(rng.uniform(low, high, shape), 1)

    def few(most: float, *shape: int) -> np.ndarray:
        return some(0, most, shape) * (rng.random(shape) < 0.6)

    jobs = grid.Jobs(
        gang=rng.integers(1, 3, n),
        work_h=rng.integers(1, 3, n).astype(float),
        origin=rng.integers(0, n_sites, n),
        release=rng.integers(0, hours - 1, n),
        deadline=np.full(n, hours),
        value_yuan=some(0, 50, n),
        delay_yuan_per_h=some(0, 3, n),
        interruptible=rng.random(n) < 0.3,
        restart_yuan=some(0, 9, n),
    )
    sites = grid.Sites(
        name=[f"s{i}" for i in range(n_sites)],
        new=np.append(True, rng.random(n_sites - 1) < 0.7),
        operator=rng.integers(0, 2, n_sites),
        region=rng.integers(0, 2, n_sites),
        minimum_load_kw=some(0, 2, n_sites) * (rng.random() < 0.3),
        load_limit_yuan_per_kwh=9.0,
        pue=1.0,
    )
    kw = few(3, n_sites)
    energy = grid.Energy(
        direct_kwh=few(3, 1, *shape),
        direct_yuan_per_kwh=0.1,
        curtailment_yuan_per_kwh=few(9, 1, n_sites),
        tariff_yuan_per_kwh=some(-0.2, 1, shape),
        base_load_kwh=some(0, 3, shape),
        bundled_kwh=few(2, *shape),
        bundled_yuan_per_kwh=some(0, 2, shape),
        battery_kw=kw,
        battery_kwh=kw * 2,
        wear_yuan_per_kwh=some(0, 9, n_sites),
        export_yuan_per_kwh=few(1, *shape),
        demand_yuan_per_kw=few(30, n_sites),
    )
    ledger = None
    if seed % 4 == 3:
        none = (0.0,) * n_sites
        owed = {"load_kwh": tuple(some(0, 4, n_sites).tolist()), "green_kwh": none}
        names = tuple(str(name) for name in sites.name)
        line = Entry.after(
            grid.Ledger().head,
            batch="a",
            kind="plan",
            sites=names,
            serials=(),
            intervals=(),
            bundles=(),
            certificate_kwh=none,
            **owed,
        )
        ledger = grid.Ledger(5, float(rng.choice([0.0, 0.3, 2.0])), (line,))
    return grid.Problem(
        jobs=jobs,
        sites=sites,
        classes=grid.Classes(
            site=rng.integers(0, n_sites, n_classes),
            capacity=rng.integers(0, 4, (n_classes, hours)),
            memory_gb=80.0,
            power_kw=1.0,
            throughput=np.ones((1, n_classes)),
        ),
        hours=hours,
        energy=energy,
        corridors=grid.Corridors(
            delay_ms=np.zeros((n_sites, n_sites)),
            bandwidth_gb=np.full((n_sites, *shape), 1e9),
            price_yuan_per_gb=some(0, 9, (n_sites, n_sites)),
        ),
        quotas=grid.Quotas.unlimited(1),
        mandate=grid.Mandate(
            share=float(rng.choice([0.6, 0.9, 1.0])),
            scope=("site", "operator", "cluster")[seed % 3],
            shortfall="forbidden",
            ledger=ledger,
        ),
        direct_rule=grid.DirectRule(
            used=float(rng.choice([0.0, 0.9])),
            of_load=float(rng.choice([0.0, 0.9])),
            shortfall_yuan_per_kwh=float(rng.choice([0.1, 5.0])),
        ),
    )


def least_kwh(problem: grid.Problem) -> float:
    """What every plan misses, by HiGHS over all options and dispatches, kWh.

    The program is the checker's, in which nothing but missing power has a cost.
    """
    prices = energy_prices(problem, 0.0)
    bare = fixed(problem)
    options = search._options(bare, prices, windows_of(bare, prices, None), 1e12)
    assert options is not None
    whole, chosen = search._program(bare, options)
    lp, at = whole.program, 0
    for k, (low, high, cost) in enumerate(lp._variables):
        index = np.arange(at, at + len(cost))
        lp._variables[k] = low, high, np.isin(index, whole.index["missing"]).astype(float)
        at += len(cost)
    found = lp.searched(chosen, 0.0, 60.0) if len(chosen) else lp.solve()[1]
    return found * whole.unit


def test_the_least_shortfall_is_in_kwh_of_the_mandate_alone() -> None:
    """It counted the direct rule's penalty and restarts: 4.2 kWh beside a plan that misses 0.2.

    Where earlier batches carried energy over it was 0.
    """
    refuted: dict[str, int] = {}
    for seed in range(examples(8, 400)):
        problem = drawn(seed)
        needed = least_kwh(problem)
        shown = f"seed {seed}: {problem.mandate}, {problem.direct_rule}, least {needed}"
        try:
            plan = gc.match(problem, threads=1, gap=0.0)
        except gc.InfeasibleError as error:
            found = error.witness
            assert needed > 1e-6, f"{shown}; {found}"
            assert found["least_kwh"] == pytest.approx(needed, rel=1e-5, abs=1e-6), shown
            assert found["found_kwh"] >= needed - 1e-6, f"{shown}; {found}"
            kinds = [problem.mandate.scope]
            kinds += ["direct rule"] * bool(problem.direct_rule.used or problem.direct_rule.of_load)
            kinds += ["ledger"] * (problem.mandate.ledger is not None)
            for kind in kinds:
                refuted[kind] = refuted.get(kind, 0) + 1
        else:
            assert needed == pytest.approx(0.0, abs=1e-5), f"{shown}; {plan.dispatch.missing_kwh}"
    assert set(refuted) == {"site", "operator", "cluster", "direct rule", "ledger"}, refuted
