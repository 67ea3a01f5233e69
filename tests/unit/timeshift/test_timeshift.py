"""Replays of one resource under one signal: against slow oracles, published figures, the future."""

import pickle
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gridcompute as gc
from gridcompute import InvalidProblemError, forecast, timeshift
from gridcompute.timeshift.trace import best_saving_rate

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
import replay_oracle
from real_data import find, here, with_data

POLICIES = ("fifo", "arrival", "gaia", "threshold", "book", "rolling", "hindsight")
NAMES = ("arrival_h", "hours", "slots", "window_h")


def columns(jobs):
    return dict(zip(NAMES, np.array(jobs, np.int64).reshape(-1, 4).T, strict=True))


def need(*names):
    """Paths of recorded data."""
    return [find(name) for name in names]


def table(path):
    """Columns of a CSV file, gzip or not; numbers where they are numbers."""
    rows = np.genfromtxt(path, delimiter=",", names=True, dtype=None, encoding="utf-8")
    return {name: rows[name] for name in rows.dtype.names}


def world(seed, n=40, hours=400):
    """Random jobs, and a signal with a daily shape, forecast badly."""
    r = np.random.default_rng(seed)
    t = np.arange(hours)
    actual = 100 + 50 * np.sin(t / 24 * 2 * np.pi) + r.normal(0, 5, hours).cumsum()
    issued = [
        np.interp(d * 24 + np.arange(72), t, actual) + r.normal(0, 20, 72)
        for d in range(hours // 24)
    ]
    jobs = {
        "arrival_h": r.integers(0, 60, n),
        "hours": r.integers(1, 9, n),
        "slots": r.integers(1, 4, n),
        "window_h": r.integers(0, 20, n),
    }
    return jobs, forecast.Signal(actual, "2024-01-01", np.array(issued))


@given(seed=st.integers(0, 2**32 - 1), policy=st.sampled_from(POLICIES[:4] + POLICIES[5:6]))
def test_each_job_alone_runs_when_the_slow_rules_say(seed, policy):
    r = np.random.default_rng(seed)
    n = int(r.integers(0, 6))
    jobs = [
        (
            int(r.integers(0, 30)),
            int(r.integers(1, 6)),
            int(r.integers(1, 4)),
            int(r.integers(0, 9)),
        )
        for _ in range(n)
    ]
    # Small integers: many ties, and sums without rounding.
    signal = forecast.Signal(
        r.integers(0, 9, 120).astype(float), "2024-01-01", r.integers(0, 9, (10, 60)), every_h=7
    )
    start = int(r.integers(0, 5))
    moved = [(a + start, h, s, w) for a, h, s, w in jobs]
    for pieces in (False, True):
        for how in ("issued", "actual"):
            said = (
                signal.forecast
                if how == "issued"
                else lambda now, hours: signal.actual[now : now + hours]
            )
            answer = timeshift.replay(
                columns(jobs), signal, policy=policy, interruptible=pieces, starts=start,
                forecast=how,
            )  # fmt: skip
            told = replay_oracle.alone(moved, policy, pieces and policy not in ("gaia",), said)
            found = [[] for _ in jobs]
            for job, hour, length in zip(
                *(answer.runs[name].tolist() for name in ("job", "hour", "length")), strict=True
            ):
                found[job] += range(hour, hour + length)
            note = f"seed {seed}, {policy}, pieces {pieces}, {how}: jobs {moved}"
            assert [sorted(hours) for hours in found] == told, note
            assert answer.cost == replay_oracle.cost_of(told, moved, signal.actual), note
            assert answer.verify(), (note, answer.verify().reasons)
            if policy == "rolling" and how == "actual":
                assert answer.cost == answer.bound, note


@settings(max_examples=60)
@given(seed=st.integers(0, 2**32 - 1))
def test_hindsight_on_shared_slots_is_the_best_of_all_schedules(seed):
    r = np.random.default_rng(seed)
    jobs = [
        (int(r.integers(0, 4)), int(r.integers(1, 3)), int(r.integers(1, 3)), int(r.integers(0, 3)))
        for _ in range(int(r.integers(1, 4)))
    ]
    actual = r.integers(1, 20, 8).astype(float)
    signal = forecast.Signal(actual, "2024-01-01")
    slots, overflow = int(r.integers(0, 4)), float(r.integers(0, 3))
    for pieces in (True, False):
        best = timeshift.replay(
            columns(jobs), signal, slots=slots, overflow=overflow, policy="hindsight",
            interruptible=pieces,
        )  # fmt: skip
        least = replay_oracle.least_cost(jobs, actual, slots, overflow * actual.mean(), pieces)
        note = f"seed {seed}, {jobs}, {actual}, {slots} slots, overflow {overflow}, {pieces}"
        assert best.verify(), (note, best.verify().reasons)
        assert best.bound <= least * (1 + 1e-12), note
        assert ("proved within" in repr(best)) is (best.gap > 1e-9), (note, best, best.gap)
        assert best.cost >= least * (1 - 1e-12), note
        if pieces:
            assert best.cost == pytest.approx(least, rel=1e-12), note
            assert best.bound == pytest.approx(least, rel=1e-9), note


def test_hindsight_without_capacity_is_what_transport_finds():
    jobs, signal = world(3)
    best = timeshift.replay(jobs, signal, policy="hindsight", starts=24)
    latest = int((jobs["arrival_h"] + jobs["window_h"]).max())
    cost = np.full((len(jobs["hours"]), latest + 1), np.inf)
    for k, (arrival, hours, slots, window) in enumerate(zip(*jobs.values(), strict=True)):
        for s in range(arrival, arrival + window + 1):
            cost[k, s] = slots * signal.actual[24 + s : 24 + s + hours].sum()
    m = gc.transport(cost, np.full(latest + 1, len(cost)))
    assert m.status == "optimal"
    assert best.cost == pytest.approx(m.objective, rel=1e-12)
    assert best.bound == best.cost


@pytest.mark.parametrize("pieces", [True, False])
@pytest.mark.parametrize("slots", [None, 9])
def test_all_policies_keep_the_rules_and_none_beats_the_bound(pieces, slots):
    for seed in range(3):
        jobs, signal = world(seed)
        for policy in POLICIES:
            answer = timeshift.replay(
                jobs, signal, slots=slots, policy=policy, interruptible=pieces, starts=[120, 96]
            )
            note = (seed, policy)
            assert answer.verify(), (note, answer.verify().reasons)
            assert answer.load.sum() == 2 * (jobs["hours"] * jobs["slots"]).sum(), note
            assert answer.costs.sum() == pytest.approx(answer.cost), note
            if slots is not None:
                assert answer.overflow_slot_h == np.maximum(0, answer.load - slots).sum(), note
            alone = [
                timeshift.replay(
                    jobs, signal, slots=slots, policy=policy, interruptible=pieces, starts=s
                ).cost
                for s in (120, 96)
            ]
            assert answer.costs.tolist() == pytest.approx(alone, rel=1e-12), note


@pytest.mark.parametrize("pieces", [True, False])
@pytest.mark.parametrize("slots", [None, 9])
@pytest.mark.parametrize("policy", ["fifo", "arrival", "gaia", "threshold", "book", "rolling"])
def test_scrambling_the_future_changes_nothing_that_ran_before(policy, slots, pieces):
    """Values from hour T on, issues and jobs after T are others: what ran up to T is the same."""
    jobs, signal = world(11)
    assert signal.issued is not None
    known = 24 * 6 + 17
    r = np.random.default_rng(12)
    actual, issued = signal.actual.copy(), signal.issued.copy()
    actual[known:] = r.permutation(actual[known:]) * 3 + 1000
    issued[known // 24 + 1 :] = r.normal(100, 90, issued[known // 24 + 1 :].shape)
    start = 24 * 5
    later = jobs["arrival_h"] + start > known
    others = {name: values.copy() for name, values in jobs.items()}
    for name, most in (("hours", 20), ("slots", 5), ("window_h", 30)):
        others[name][later] = r.integers(1, most, later.sum())
    assert 0 < later.sum() < len(later)
    ran = []
    for trace, values, issues in ((jobs, signal.actual, signal.issued), (others, actual, issued)):
        for how in (None, "corrected", lambda past, hours: np.full(hours, past[-20:].mean())):
            answer = timeshift.replay(
                trace, forecast.Signal(values, "2024-01-01", issues), policy=policy, slots=slots,
                interruptible=pieces, starts=start, forecast=how,
            )  # fmt: skip
            runs = answer.runs
            # A booking or plan is decided at arrival, so all of an early job's hours are the same.
            fixed = policy != "rolling" and policy != "fifo"
            now = ~later[runs["job"]] if fixed else runs["hour"] <= known
            ran.append(
                sorted(zip(*(runs[n][now].tolist() for n in ("job", "hour", "slots")), strict=True))
            )
    assert ran[:3] == ran[3:]
    assert all(ran)


def test_a_policy_that_reads_the_future_is_caught_by_scrambling_it():
    """The test above can fail: "actual" forecasts, for regrets, are the future."""
    jobs, signal = world(11)
    actual = signal.actual.copy()
    known = 24 * 6 + 17
    actual[known:] = actual[known:][::-1] * 3 - 500
    for slots in (None, 9):
        ran = []
        for values in (signal.actual, actual):
            runs = timeshift.replay(
                jobs, forecast.Signal(values, "2024-01-01"), slots=slots, interruptible=True,
                starts=24 * 5, forecast="actual",
            ).runs  # fmt: skip
            now = runs["hour"] <= known
            ran.append(
                sorted(zip(*(runs[n][now].tolist() for n in ("job", "hour", "slots")), strict=True))
            )
        assert ran[0] != ran[1], slots


def test_the_parts_of_a_regret_add_up_and_knowing_all_leaves_none():
    jobs, signal = world(5)
    for slots, pieces in ((None, False), (9, True), (9, False)):
        answer = timeshift.replay(jobs, signal, slots=slots, interruptible=pieces, starts=96)
        parts = answer.regret
        assert list(parts) == ["forecast", "arrivals", "pinning", "horizon", "solver", "overlap"]
        total = answer.cost - answer.bound
        assert sum(parts.values()) == pytest.approx(total, abs=1e-9 * abs(answer.cost)), parts
        if slots is None:
            assert parts["forecast"] == pytest.approx(total), parts
            assert parts["arrivals"] == parts["horizon"] == parts["solver"] == 0.0, parts
        if pieces:
            assert parts["pinning"] == 0.0, parts
            assert abs(parts["solver"]) <= 1e-9 * abs(answer.cost), parts


def test_kept_is_one_for_hindsight_and_nought_at_once():
    jobs, signal = world(6)
    for slots in (None, 9):
        ask = {"slots": slots, "starts": 96, "interruptible": True}
        assert timeshift.replay(jobs, signal, policy="hindsight", **ask).kept == 1.0
        assert timeshift.replay(jobs, signal, policy="fifo", **ask).kept == 0.0
    fixed = {**jobs, "window_h": np.zeros(40, int)}
    assert np.isnan(timeshift.replay(fixed, signal, starts=96).kept)


def test_no_jobs_no_slots_one_job():
    signal = forecast.Signal(np.arange(1.0, 31.0), "2024-01-01")
    for policy in POLICIES:
        for slots in (None, 0, 1):
            for pieces in (False, True):
                ask = {"policy": policy, "slots": slots, "interruptible": pieces}
                none = timeshift.replay(columns([]), signal, **ask)
                assert (none.cost, none.bound, none.load.shape) == (0.0, 0.0, (1, 0)), ask
                assert none.verify(), ask
                one = timeshift.replay(columns([(2, 3, 1, 0)]), signal, overflow=1.0, **ask)
                beyond = 3 * signal.actual.mean() if slots == 0 else 0.0
                assert one.cost == pytest.approx(3 + 4 + 5 + beyond), ask
                assert one.verify(), ask
    # The window may end with the last hour of the signal, and no later.
    assert timeshift.replay(columns([(0, 25, 2, 5)]), signal, policy="hindsight").cost == 2 * 325.0
    with pytest.raises(InvalidProblemError, match=r"starts\[0\]: found hour 1, needed 0 to 0"):
        timeshift.replay(columns([(0, 25, 2, 5)]), signal, starts=1)
    with pytest.raises(InvalidProblemError, match="signal: found 30 hours, needed 31 or more"):
        timeshift.replay(columns([(0, 25, 2, 6)]), signal)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("slots", [None, 0, 2])
def test_no_jobs_on_a_signal_without_hours_cost_nothing(slots):
    """If this fails, a mean of nothing is taken: a warning, and nan in the bound."""
    for policy in POLICIES:
        none = timeshift.replay(
            columns([]), forecast.Signal([], "2024-01-01"), slots=slots, policy=policy
        )
        assert (none.cost, none.bound, bool(none.verify())) == (0.0, 0.0, True), policy


def test_a_replay_is_the_same_again_and_can_be_pickled():
    jobs, signal = world(8)
    for slots, pieces in ((None, True), (9, True), (9, False)):
        a, b = (
            timeshift.replay(jobs, signal, slots=slots, interruptible=pieces, starts=96)
            for _ in range(2)
        )
        c = pickle.loads(pickle.dumps(a))
        for other in (b, c):
            assert other.cost == a.cost
            assert other.bound == a.bound
            for name, values in a.runs.items():
                np.testing.assert_array_equal(other.runs[name], values, err_msg=name)


def test_a_damaged_replay_is_refuted():
    jobs, signal = world(9)
    good = timeshift.replay(jobs, signal, slots=9, interruptible=True, starts=96)
    job = good.runs["job"][0]
    first = 96 + int(jobs["arrival_h"][job])
    end = first + int(jobs["hours"][job] + jobs["window_h"][job])
    for name, value in (("hour", first - 1), ("hour", end), ("slots", 99), ("job", job + 1)):
        bad = pickle.loads(pickle.dumps(good))
        bad.runs[name][0] = value
        found = bad.verify()
        assert not found, name
        assert name != "hour" or f"runs at {value}, not in" in str(found.reasons)


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"jobs": {"arrival_h": [0]}}, InvalidProblemError, "found no column 'hours'"),
        ({"jobs": {n: [0.5] for n in NAMES}}, TypeError, "arrival_h must be integer"),
        ({"jobs": {**columns([(0, 1, 1, 1)]), "hours": [0]}}, InvalidProblemError, r"hours\[0\]"),
        ({"jobs": {**columns([(0, 1, 1, 1)]), "slots": []}}, InvalidProblemError, "one entry"),
        ({"jobs": 7}, TypeError, "jobs must be a mapping"),
        ({"signal": [1.0]}, TypeError, "signal must be a forecast.Signal"),
        ({"slots": -1}, InvalidProblemError, "slots: found -1"),
        ({"overflow": -0.5}, InvalidProblemError, "overflow"),
        ({"overflow": np.inf}, InvalidProblemError, "overflow: found inf"),
        ({"policy": "best"}, InvalidProblemError, "policy: found 'best'"),
        ({"interruptible": 1}, TypeError, "interruptible must be bool"),
        ({"starts": []}, InvalidProblemError, "starts: found none"),
        ({"starts": 1.5}, TypeError, "when must be a date"),
        ({"starts": ["2024-03-01"]}, InvalidProblemError, r"starts\[0\]: found hour"),
        ({"seed": -1}, InvalidProblemError, "seed"),
        ({"forecast": "best"}, InvalidProblemError, "forecast: found 'best'"),
        ({"arrivals": "best"}, InvalidProblemError, "arrivals: found 'best'"),
    ],
)
def test_bad_input_is_told_with_its_field(change, error, match):
    signal = forecast.Signal(np.ones(30), "2024-01-01")
    ask = {"jobs": columns([(0, 2, 1, 3)]), "signal": signal, **change}
    with pytest.raises(error, match=match):
        timeshift.replay(ask.pop("jobs"), ask.pop("signal"), **ask)


# ---------------------------------------------------------------- published figures


def test_gaia_published_rules_give_the_recorded_figures():
    """NoWait, Lowest-Slot, Lowest-Window and Carbon-Time of GAIA's figure 8, in steps of 5 s."""
    jobs_file, signal_file, recorded_file = need(
        "carbon/gaia_pai_1k.csv.gz", "carbon/gaia_au_sa_720h.csv", "carbon/gaia_recorded.csv"
    )
    step, hour = 5, 720  # seconds; steps an hour
    jobs = table(jobs_file)
    arrival, length = jobs["arrival_s"] // step, jobs["length_s"] // step
    per_step = np.repeat(table(signal_file)["lifecycle_g_per_kwh"], hour)
    total = np.concatenate([[0.0], per_step.cumsum()])
    short = length < 2 * hour
    window = np.where(short, 6, 24)
    seconds = jobs["length_s"]
    mean_hours = np.where(
        short, seconds[seconds <= 7200].mean() / 3600, seconds[seconds >= 7200].mean() / 3600
    )
    mean = (mean_hours * hour).astype(int)
    waits = {
        "NoWait": [], "Lowest-Slot": [], "Lowest-Window": [], "Carbon-Time": []
    }  # fmt: skip
    for a, w, m in zip(arrival.tolist(), window.tolist(), mean.tolist(), strict=True):
        starts = hour * np.arange(w + 1)
        sums = total[a + starts + m] - total[a + starts]
        waits["NoWait"].append(0)
        waits["Lowest-Slot"].append(int(per_step[a : a + w * hour + 1].argmin()))
        waits["Lowest-Window"].append(int(starts[sums.argmin()]))
        waits["Carbon-Time"].append(int(starts[best_saving_rate(sums, starts, m)]))
    recorded = table(recorded_file)
    for policy, wait in waits.items():
        begin = arrival + np.array(wait)
        kilos = float((jobs["cpus"] * (total[begin + length] - total[begin])).sum()) / 1000 / hour
        (row,) = np.flatnonzero((recorded["policy"] == policy) & (recorded["figure"] == 8))
        assert kilos == pytest.approx(recorded["rerun_carbon_abs"][row], abs=6e-4), policy
        assert kilos == pytest.approx(recorded["carbon_abs"][row], rel=0.004), policy
        mean_wait = np.mean(wait) / hour
        assert mean_wait == pytest.approx(recorded["rerun_mean_wait_h"][row], abs=6e-4), policy
        assert mean_wait == pytest.approx(recorded["mean_wait_h"][row], abs=0.045), policy


@with_data("carbon/lwa_jobs.csv.gz", "carbon/lwa_carbon_30min_2020.csv.gz")
@pytest.mark.parametrize("region", ["GB", "FR"])
@pytest.mark.parametrize("rule", ["next_workday", "semi_weekly"])
@pytest.mark.parametrize("pieces", [False, True])
def test_lets_wait_awhile_saves_what_was_published(region, rule, pieces):
    """Percent saved without forecast error, and with the published error of 5 %."""
    jobs_file, signal_file, recorded_file = need(
        "carbon/lwa_jobs.csv.gz", "carbon/lwa_carbon_30min_2020.csv.gz", "carbon/lwa_recorded.csv"
    )
    raw = table(jobs_file)
    jobs = {
        "arrival_h": raw["arrival_step"],
        "hours": raw["duration_steps"],
        "slots": np.ones(len(raw["job"]), int),
        "window_h": raw[f"slack_{rule}_steps"],
    }
    # Half-hours in the place of hours: replay counts steps.
    actual = table(signal_file)[f"{region.lower()}_g_per_kwh"]
    recorded = table(recorded_file)
    (row,) = np.flatnonzero(
        (recorded["region"] == region)
        & (recorded["rule"] == rule)
        & (recorded["interrupting"] == int(pieces))
    )
    signal = forecast.Signal(actual, "2020-01-01")
    best = timeshift.replay(jobs, signal, policy="hindsight", interruptible=pieces)
    saved = 100 * (1 - best.cost / best.at_once.cost)
    assert saved == pytest.approx(recorded["recomputed_no_error"][row], abs=0.011)
    published = recorded["recorded"][row]
    if np.isnan(published):
        return
    year = actual[: 2 * 8784]
    found = []
    for seed in range(2):
        noisy = actual + np.random.default_rng(seed).normal(0, 0.05 * year.mean(), len(actual))
        wrong = timeshift.replay(
            jobs,
            signal,
            policy="arrival",
            interruptible=pieces,
            forecast=lambda past, hours, noisy=noisy: noisy[len(past) : len(past) + hours],
        )
        found.append(100 * (1 - wrong.cost / wrong.at_once.cost))
    # GB and FR of our file save up to 0.1 and 0.08 points more than the authors' without error.
    assert np.mean(found) == pytest.approx(published, abs=0.2), (region, rule, pieces, found)


ZONES = [z for z in (("GB", 66.0), ("FR", 59.0)) if here(f"forecasts/carbonx_{z[0]}.npz")]


@pytest.mark.parametrize(("zone", "at_arrival"), ZONES)
def test_what_a_forecast_keeps_of_foresight_in_recorded_zones(zone, at_arrival):
    """52 weeks of 2023; planning every hour on corrected forecasts keeps more than at arrival."""
    jobs_file, zone_file = need("carbon/gaia_pai_1k.csv.gz", f"forecasts/carbonx_{zone}.npz")
    raw = table(jobs_file)
    hours = np.maximum(1, np.round(raw["length_s"] / 3600)).astype(int)
    keep = hours <= 72
    jobs = {
        "arrival_h": (raw["arrival_s"] // 3600)[keep],
        "hours": hours[keep],
        "slots": raw["cpus"][keep],
        "window_h": np.where(hours < 2, 6, 24)[keep],
    }
    z = np.load(zone_file)
    signal = forecast.Signal(
        z["direct"] / 100, "2021-01-01T00", z["forecast"] / 100, "2021-02-01T00"
    )
    weeks = np.datetime64("2023-01-01T00") + np.arange(52) * np.timedelta64(168, "h")
    plan = timeshift.replay(jobs, signal, policy="arrival", starts=weeks)
    assert 100 * plan.kept == pytest.approx(at_arrival, abs=0.06)
    hourly = timeshift.replay(jobs, signal, starts=weeks)
    assert hourly.kept > plan.kept + 0.02, (zone, hourly.kept, plan.kept)


@pytest.mark.parametrize("policy", ["rolling", "arrival", "book", "gaia", "threshold"])
@pytest.mark.parametrize("slots", [None, 2])
@pytest.mark.parametrize("how", ["issued", "corrected"])
def test_a_start_before_the_first_issue_is_named(policy, slots, how):
    """If this fails, the error names `now`, or "corrected" reads a forecast not yet issued."""
    signal = forecast.Signal([3.0, 1.0, 2.0, 9.0] * 8, "2024-01-01", [[1.0] * 24], "2024-01-01T06")
    asked = {"slots": slots, "policy": policy, "forecast": how}
    jobs = columns([(1, 1, 1, 2)])
    with pytest.raises(InvalidProblemError, match=r"starts\[1\]: found hour 4, needed 5") as caught:
        timeshift.replay(jobs, signal, starts=[8, 4], **asked)
    assert (caught.value.field, caught.value.index) == ("starts", 1)
    assert timeshift.replay(jobs, signal, starts=[8, 5], **asked).verify()
    with pytest.raises(InvalidProblemError, match=r"starts\[0\]: found hour 0"):
        timeshift.replay(jobs, signal, starts=0, **asked)


def test_an_error_that_stays_is_no_reason_to_wait():
    """A lasting error was added to 24 hours only: jobs waited for the hours beyond them."""
    true = 100.0 + np.arange(24 * 200) / 1000  # ever dearer: to start at once is best
    said = [true[h : h + 96] - 20.0 for h in range(0, len(true) - 96, 24)]
    signal = forecast.Signal(true, "2024-01-01", said)
    jobs = {"arrival_h": [0], "hours": [30], "slots": [1], "window_h": [24]}
    hourly = timeshift.replay(jobs, signal, starts=[24 * 160 + 5])
    assert hourly.cost == hourly.bound, (hourly.cost, hourly.bound)
