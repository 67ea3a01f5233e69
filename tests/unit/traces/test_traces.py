"""Replays of traces: rules of a round, policies by hand, and Gavel's recorded values.

The recorded values are in examples/data.
"""

import numpy as np
import pytest

from gridcompute import InvalidProblemError, replay, traces
from gridcompute.traces import policies as queue_policies
from trace_records import SPEEDS, rows

ROUND_S = 360.0


def makespan_h(policy, n, seed):
    trace = traces.gavel(SPEEDS, n, seed=seed)
    cluster = traces.gavel_cluster()
    return replay(trace, cluster, policy, round_s=ROUND_S, seed=seed).makespan_s / 3600


@pytest.mark.parametrize("seed", range(3))
def test_gavels_generator_draws_the_recorded_jobs(seed):
    """If this fails, every recorded value would be compared with other jobs."""
    made = traces.gavel(SPEEDS, 700, seed=seed)
    want = [r for r in rows("gavel_jobs_static.csv.gz") if int(r["seed"]) == seed]
    assert made.gang.tolist() == [int(r["gpus"]) for r in want]
    on_v100 = made.work / made.speed[:, 0]
    np.testing.assert_allclose(on_v100, [float(r["v100_duration_s"]) for r in want], rtol=1e-8)


def test_gavels_arrivals_are_the_recorded_ones():
    """If this fails, the gaps between jobs are drawn from another stream."""
    made = traces.gavel(SPEEDS, 2000, jobs_per_h=3600.0, multi_gpu=False)
    want = rows("gavel_jobs_continuous_seed0.csv.gz")[:2000]
    np.testing.assert_allclose(made.arrival_s, [float(r["arrival_unit"]) for r in want], atol=1e-6)
    on_v100 = made.work / made.speed[:, 0]
    np.testing.assert_allclose(on_v100, [float(r["single_v100_duration_s"]) for r in want])


@pytest.mark.parametrize("n", [100])
def test_fifo_as_coded_gives_the_makespans_of_its_rules(n):
    """If this fails, some rule of the rounds, the priorities or the draws is not Gavel's."""
    want = next(r for r in rows("gavel_makespan_check.csv") if int(r["jobs"]) == n)
    for seed in range(3):
        found = makespan_h("fifo_gavel", n, seed)
        assert found == pytest.approx(float(want[f"fifo_by_rules_h_seed{seed}"]), abs=6e-4), seed
    recorded = float(want["fifo_recorded_h"])
    mean = np.mean([makespan_h("fifo_gavel", n, seed) for seed in range(3)])
    assert mean == pytest.approx(recorded, rel=0.02)


def test_two_jobs_on_one_device_by_hand():
    """A round ends when its last job stops: the second job starts then, and not at 100 s."""
    trace = traces.Trace([0.0, 0.0, 250.0], [100.0, 100.0, 30.0], [[1.0], [1.0], [1.0]])
    r = replay(trace, traces.Cluster([1]), "fifo", round_s=60.0)
    # 0-60, 60-100: job 0. 100-160, 160-200: job 1. The clock jumps to 250: job 2.
    assert r.end_s.tolist() == [100.0, 200.0, 280.0]
    assert r.waiting_s.tolist() == [0.0, 100.0, 0.0]
    assert r.rounds["start_s"].tolist() == [0.0, 60.0, 100.0, 160.0, 250.0]
    assert r.rounds["waiting"].tolist() == [1, 1, 0, 0, 0]


def test_money_energy_tenants_and_fairness_by_hand():
    """Two jobs of two tenants, one device each of two types."""
    trace = traces.Trace([0.0, 0.0], [3600.0, 1800.0], [[1.0, 0.5], [0.5, 1.0]], tenant=[7, 3])
    cluster = traces.Cluster([1, 1], price_per_h=[2.0, 1.0], watts=[300.0, 100.0])
    r = replay(trace, cluster, "fifo", round_s=0)
    assert r.cost == pytest.approx(2.0 + 0.5)
    assert r.energy_j == pytest.approx(3600 * 300 + 1800 * 100)
    assert r.utilisation == pytest.approx(0.75)
    found = r.by_tenant()
    assert found["tenant"].tolist() == [3, 7]
    assert found["mean_completion_s"].tolist() == [1800.0, 3600.0]
    double = replay(trace, cluster, lambda view: np.where(view.jobs == 1, 0, 1), round_s=0)
    assert double.fairness(r) == {"mean": 2.0, "worst": 2.0}


def test_whole_steps_lose_the_rest_of_a_round():
    """A step of 25 s: two steps fit into 60 s, and the round is over after 50 s."""
    trace = traces.Trace([0.0], [5.0], [[0.04]], whole_steps=True)
    r = replay(trace, traces.Cluster([1]), "fifo", round_s=60.0)
    assert r.rounds["start_s"].tolist() == [0.0, 50.0, 100.0]
    assert r.end_s.tolist() == [125.0]


def test_a_gang_waits_for_room_of_one_type_and_fifo_does_not_overtake():
    """The gang of 2 holds back the third job under fifo, and is overtaken under best_fit."""
    trace = traces.Trace([0.0, 0.0, 0.0], [50.0, 50.0, 50.0], [[1.0]] * 3, [1, 2, 1])
    cluster = traces.Cluster([2])
    assert replay(trace, cluster, "fifo", round_s=0).end_s.tolist() == [50.0, 100.0, 150.0]
    assert replay(trace, cluster, "best_fit", round_s=0).end_s.tolist() == [50.0, 100.0, 50.0]


def test_las_takes_turns_and_counts_evictions():
    """Two equal jobs on one device change places each round, each change an eviction."""
    trace = traces.Trace([0.0, 0.0], [100.0, 100.0], [[1.0], [1.0]])
    r = replay(trace, traces.Cluster([1]), "las", round_s=50.0)
    assert r.end_s.tolist() == [150.0, 200.0]
    assert (r.moves, r.evictions) == (0, 2)


def test_restarting_costs_time():
    """Job 0 is pre-empted at 10 s and resumed at 20 s, and then loses 5 s."""
    trace = traces.Trace([0.0, 10.0], [30.0, 10.0], [[1.0], [1.0]])
    r = replay(trace, traces.Cluster([1]), "srtf", round_s=0, restart_s=5.0)
    assert r.end_s.tolist() == [45.0, 20.0]


def test_jobs_that_only_restart_are_an_error():
    """Three seconds of restarting in rounds of one, every other round lost: it never ended."""
    two = traces.Trace([0.0, 0.0], [8.0, 8.0], [[1.0], [1.0]])

    def every_other(view):
        """Pause all jobs in each second round, in which nothing runs."""
        return np.where(view.now % 2 == 0, 0, -1) * np.ones(len(view.jobs), int)

    for policy, trace in (("las", two), (every_other, two.take(slice(1)))):
        with pytest.raises(InvalidProblemError, match=r"no work done in \d+ .* restart_s = 3"):
            replay(trace, traces.Cluster([1]), policy, round_s=1.0, restart_s=3.0)
    # One that stays where it is restarts for as many rounds as that takes.
    late = traces.Trace([0.0, 1.0], [2.0, 1.0], [[1.0], [1.0]])
    r = replay(late, traces.Cluster([1]), "srtf", round_s=1.0, restart_s=1200.0)
    assert r.end_s.tolist() == [2.0, 3.0]
    r = replay(late, traces.Cluster([1]), _second_first, round_s=1.0, restart_s=1200.0)
    assert r.end_s.tolist() == [1203.0, 2.0]


def _second_first(view):
    return np.where(view.jobs == view.jobs.max(), 0, -1)


def test_work_lost_to_rounding_is_an_error():
    """A round does less than half of the last bit of the work left: it never ended."""
    trace = traces.Trace([0.0], [1e17], [[1.0]])
    with pytest.raises(InvalidProblemError, match="lost to rounding"):
        replay(trace, traces.Cluster([1]), "fifo", round_s=1.0)


def test_a_restart_that_leaves_no_time_for_a_step_goes_on():
    """The rest of the round after a restart is shorter than a step: the next round does steps."""
    trace = traces.Trace([0.0, 1.0], [3.0, 1.0], [[1.0], [1.0]], whole_steps=True)
    r = replay(trace, traces.Cluster([1]), _second_first, round_s=1.0, restart_s=0.5)
    assert r.end_s.tolist() == [4.5, 2.0]


@pytest.mark.parametrize("seed", range(20))
def test_a_round_that_rounding_makes_too_short_ends_its_job(seed):
    """Work by speed is just above the round, and the round does all of it: the job was lost."""
    draw = np.random.default_rng(seed)
    speed = draw.uniform(0.5, 4.0, 200)
    work = draw.uniform(1.0, 2.0, 200)
    round_s = np.nextafter(work / speed, 0.0)
    cases = np.flatnonzero(round_s * speed >= work)
    assert len(cases), seed
    for k in cases[:3].tolist():
        w, v, length = float(work[k]), float(speed[k]), float(round_s[k])
        trace = traces.Trace([0.0, 0.0], [w, w / 2], [[v], [v]])
        for policy in ("fifo", "las", "srtf", "max_min", "best_fit"):
            r = replay(trace, traces.Cluster([2]), policy, round_s=length)
            assert np.allclose(r.end_s, [w / v, w / v / 2], rtol=1e-15), (policy, w, v, length)
            assert r.verify(), (policy, w, v, length)


@pytest.mark.parametrize("policy", ["fifo", "best_fit", "las", "srtf"])
def test_no_jobs_and_one_job(policy):
    """Empty traces have results, too."""
    empty = traces.Trace(np.zeros(0), np.zeros(0), np.zeros((0, 1)))
    r = replay(empty, traces.Cluster([1]), policy, round_s=10.0)
    assert (len(r.jobs), r.makespan_s) == (0, 0.0)
    one = traces.Trace([5.0], [10.0], [[2.0]])
    r = replay(one, traces.Cluster([1]), policy, round_s=10.0)
    assert (r.makespan_s, r.utilisation) == (5.0, 1.0)


def test_a_policy_that_cheats_is_found_out():
    """If one of these passes, a policy may use more devices than there are."""
    trace = traces.Trace([0.0, 0.0], [1.0, 1.0], [[1.0, 0.0], [1.0, 1.0]])
    cluster = traces.Cluster([1, 1])
    for answer, words in (
        ([0, 0], "devices taken of type 0"),
        ([1, 0], r"policy\[0\]: found type 1 for job 0"),
        ([0, 2], r"policy\[1\]: found type 2"),
        ([0.0, 1.0], "needed integers"),
        ([0], "of shape"),
        ([-1, -1], "nothing running"),
    ):
        with pytest.raises(InvalidProblemError, match=words):
            replay(trace, cluster, lambda view, a=answer: np.array(a), round_s=10.0)


def test_bad_input_says_where():
    """Each message gives the field, what was found, and what was needed."""
    good = {"arrival_s": [0.0], "work": [1.0], "speed": [[1.0]]}
    for change, words in (
        ({"arrival_s": [-1.0]}, r"arrival_s\[0\]: found -1"),
        ({"work": [0.0]}, r"work\[0\]: found 0"),
        ({"work": [np.nan]}, r"work\[0\]: found nan"),
        ({"speed": [1.0]}, "speed: found shape"),
        ({"gang": [0]}, r"gang\[0\]: found 0"),
        ({"work": [1e308], "speed": [[1e-300]]}, r"work\[0\]: found 1e\+308 at speed 1e-300"),
    ):
        with pytest.raises(InvalidProblemError, match=words):
            traces.Trace(**{**good, **change})
    with pytest.raises(InvalidProblemError, match=r"arrival_s\[1\]: found 1 after 2"):
        traces.Trace([2.0, 1.0], [1.0, 1.0], [[1.0], [1.0]])
    trace = traces.Trace(**good, gang=[2])
    with pytest.raises(InvalidProblemError, match=r"gang\[0\]: found 2 devices"):
        replay(trace, traces.Cluster([1]), "fifo", round_s=1.0)
    with pytest.raises(InvalidProblemError, match="policy: found 'best'"):
        replay(traces.Trace(**good), traces.Cluster([1]), "best", round_s=1.0)


@pytest.mark.parametrize("seed", range(6))
def test_fifo_event_by_event_is_fifo_round_by_round(seed):
    """If this fails, the quick loop for plain FIFO follows other rules than the engine."""
    draw = np.random.default_rng(seed)
    n = 60
    speed = draw.choice([0.0, 1.0, 2.0, 4.0], (n, 2))
    speed[speed.sum(axis=1) == 0.0] = 1.0
    trace = traces.Trace(
        np.sort(draw.integers(0, 300, n)).astype(float),
        draw.integers(1, 60, n) * 4.0,
        speed,
        draw.choice([1, 2, 3], n),
    )
    cluster = traces.Cluster([3, 4])
    by_rounds = replay(trace, cluster, lambda view: queue_policies.fifo(view), round_s=0.0)
    quick = replay(trace, cluster, "fifo", round_s=0.0)
    np.testing.assert_allclose(quick.end_s, by_rounds.end_s, rtol=1e-12)
    np.testing.assert_allclose(quick.start_s, by_rounds.start_s, rtol=1e-12)
    np.testing.assert_allclose(quick.busy_s, by_rounds.busy_s, rtol=1e-9)
    part = replay(trace, cluster, "fifo", round_s=0.0, measure=slice(10, 20))
    np.testing.assert_array_equal(part.end_s, quick.end_s[10:20])


@pytest.mark.parametrize(
    ("policy", "load", "recorded"),
    [("fifo_gavel", 4.0, 25.38), ("fifo_gavel_fastest", 4.8, 22.24)],
)
def test_mean_completion_times_are_the_recorded_ones(policy, load, recorded):
    """Jobs 4000 to 4999 of a stream: if this fails, arrivals, recomputations or draws differ."""
    trace = traces.gavel(SPEEDS, 6000, jobs_per_h=load, multi_gpu=False)
    r = replay(trace, traces.gavel_cluster(), policy, round_s=ROUND_S, measure=slice(4000, 5000))
    assert r.mean_completion_s / 3600 == pytest.approx(recorded, abs=0.006)
