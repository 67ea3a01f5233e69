"""The bounds of a replay and their certificate, and the library's own policy beside others."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridcompute import InvalidProblemError, replay, traces
from gridcompute.traces import bounds, certificate
from gridcompute.traces.policies import POLICIES
from trace_records import SPEEDS

pytest.importorskip("highspy")


def random_trace(seed, n, n_types, gangs):
    draw = np.random.default_rng(seed)
    speed = draw.uniform(0.2, 3.0, (n, n_types)) * (draw.random((n, n_types)) < 0.8)
    speed[np.arange(n), draw.integers(0, n_types, n)] = 1.0
    gang = draw.choice([1, 2, 3], n) if gangs else None
    arrival = np.sort(draw.uniform(0, 300, n)) * draw.integers(0, 2)
    trace = traces.Trace(arrival, draw.uniform(1, 200, n), speed, gang)
    return trace, traces.Cluster(draw.integers(3, 6, n_types))


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 25), st.integers(1, 3), st.booleans())
def test_no_policy_beats_a_bound(seed, n, n_types, gangs):
    """If this fails, a bound is none, or the engine lets jobs run faster than they can."""
    trace, cluster = random_trace(seed, n, n_types, gangs)
    for policy in POLICIES:
        if policy == "allox" and gangs:
            continue
        if policy.startswith("fifo_gavel") and not trace.speed.all():
            continue  # as coded it may leave a job waiting for ever that cannot run everywhere
        r = replay(trace, cluster, policy, round_s=10.0)
        found = r.verify()
        assert found.valid, (policy, found.reasons)
        assert r.mean_completion_bound_s >= trace.shortest_s.mean() * (1 - 1e-9)
        assert r.busy_s.sum() <= cluster.devices.sum() * (r.end_s.max() - trace.arrival_s[0]) + 1e-6


@pytest.mark.parametrize("seed", range(5))
def test_the_bound_of_one_machine_is_the_optimum(seed):
    """On one device shortest rest first is optimal, and the bound is that optimum."""
    draw = np.random.default_rng(seed)
    n = 40
    trace = traces.Trace(np.sort(draw.uniform(0, 900, n)), draw.uniform(1, 60, n), np.ones((n, 1)))
    best = replay(trace, traces.Cluster([1]), "srtf", round_s=0)
    assert best.mean_completion_bound_s == pytest.approx(best.mean_completion_s, rel=1e-9)


def test_the_bound_of_the_makespan_by_hand():
    """Two types, each twice as fast for one of the jobs: done after 50 s, and no sooner."""
    trace = traces.Trace([0.0, 0.0], [100.0, 100.0], [[2.0, 1.0], [1.0, 2.0]])
    r = replay(trace, traces.Cluster([1, 1]), "gridcompute:makespan", round_s=10.0)
    assert r.makespan_s == 50.0
    assert r.makespan_bound_s == pytest.approx(50.0, rel=1e-9)
    # Four equal jobs on one type: the device-time decides.
    four = traces.Trace([0.0] * 4, [100.0] * 4, [[1.0]] * 4)
    assert replay(four, traces.Cluster([2]), "fifo", round_s=0).makespan_bound_s == pytest.approx(
        200.0, rel=1e-9
    )
    # Late arrivals: what comes at 1,000 s takes 100 s more.
    late = traces.Trace([0.0, 1000.0], [10.0, 100.0], [[1.0]] * 2)
    r = replay(late, traces.Cluster([1]), "fifo", round_s=0)
    assert r.makespan_bound_s == pytest.approx(1100.0, rel=1e-9)


def test_false_prices_prove_nothing():
    """If this fails, prices that were tampered with raise a bound above the truth."""
    trace, cluster = random_trace(3, 12, 2, True)
    jobs = np.arange(len(trace))
    best = min(replay(trace, cluster, p, round_s=0.0).makespan_s for p in ("fifo", "best_fit"))
    for entry in bounds.makespan_prices(trace, cluster, jobs):
        for factor in (0.0, 0.5, 7.0, -1.0):
            wrong = dataclasses.replace(entry, device=entry.device * factor)
            assert certificate.makespan_bound(trace, cluster, jobs, (wrong,)) <= best
        other = certificate.makespan_bound(trace, cluster, jobs[1:], (entry,))
        assert other == -np.inf or entry.release_s > trace.arrival_s[0]
    prices = bounds.completion_prices(trace, cluster, jobs)
    mean = replay(trace, cluster, "srtf", round_s=0.0).completion_s.sum()
    draw = np.random.default_rng(0)
    for _ in range(20):
        wrong = prices.price * draw.uniform(0, 3, prices.price.shape)
        entry = dataclasses.replace(prices, price=wrong)
        assert certificate.completion_bound(trace, cluster, jobs, entry) <= mean
    negative = dataclasses.replace(prices, price=prices.price - 1.0)
    assert certificate.completion_bound(trace, cluster, jobs, negative) == -np.inf


def test_tampered_results_are_found():
    """A job that ends before it could, and a completion time that is not the end less arrival."""
    trace, cluster = random_trace(5, 10, 2, False)
    r = replay(trace, cluster, "fifo", round_s=0.0)
    assert r.verify()
    early = dataclasses.replace(r, end_s=trace.arrival_s + trace.shortest_s / 2)
    assert not early.verify().valid
    assert "end_s" in early.verify().reasons[0]
    runs = {**r.runs, "ran_s": r.runs["ran_s"] / 2}
    assert "of its work" in dataclasses.replace(r, runs=runs).verify().reasons[0]
    longer = dataclasses.replace(r, completion_s=r.completion_s + 1.0)
    assert "completion_s" in longer.verify().reasons[0]


@pytest.mark.parametrize("policy", POLICIES)
def test_the_same_results_twice(policy):
    """If this fails, a policy keeps something from one replay to the next, or reads a clock."""
    trace, cluster = random_trace(11, 30, 3, policy != "allox")
    one, two = (replay(trace, cluster, policy, round_s=10.0, seed=4) for _ in range(2))
    assert one.end_s.tobytes() == two.end_s.tobytes()
    assert (one.moves, one.evictions) == (two.moves, two.evictions)


def test_the_own_policy_beats_the_recorded_ones_on_a_loaded_cluster():
    """700 of Gavel's jobs of one device, 12 an hour: below srtf, far below Gavel's FIFO."""
    trace = traces.gavel(SPEEDS, 700, jobs_per_h=12.0, multi_gpu=False)
    cluster = traces.gavel_cluster()
    kinds = ("gridcompute", "srtf", "fifo_gavel_fastest")
    mean = {p: replay(trace, cluster, p, round_s=360.0).mean_completion_s / 3600 for p in kinds}
    assert mean["gridcompute"] < 0.98 * min(mean["srtf"], mean["fifo_gavel_fastest"]), mean


def test_makespan_of_100_jobs_is_that_of_the_longest():
    """The recorded 161.164 h of Gavel's makespan policy are the longest job: within 0.01 %."""
    trace = traces.gavel(SPEEDS, 100, seed=1)
    cluster = traces.gavel_cluster()
    for policy in ("gridcompute:makespan", "max_min_makespan"):
        r = replay(trace, cluster, policy, round_s=360.0)
        assert r.makespan_bound_s / 3600 == pytest.approx(155.8881, abs=1e-4)
        assert r.makespan_s == pytest.approx(r.makespan_bound_s, rel=1e-4), policy


def test_restarts_make_the_own_policy_stay():
    """If this fails, the cost of a move does not reach the transport."""
    trace, cluster = random_trace(21, 40, 3, False)
    free = replay(trace, cluster, "gridcompute", round_s=10.0)
    dear = replay(trace, cluster, "gridcompute", round_s=10.0, restart_s=5.0)
    assert dear.moves + dear.evictions < free.moves + free.evictions


def test_settings_of_the_own_policy():
    """An unknown objective is refused with the allowed ones."""
    with pytest.raises(InvalidProblemError, match="objective: found 'speed'"):
        traces.Priced("speed")
    assert traces.Priced("fairness").name == "gridcompute:fairness"
