"""Signals, their correction by the last error, and expected jobs."""

import datetime
import sys
import zoneinfo
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridcompute import InvalidProblemError, forecast

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
import forecast_oracle
from real_data import find, here

#: Zones with recorded forecasts: two are part of the project.
ZONES = [
    z for z in ("AU-SA", "DE", "GB", "FR", "US-CAL-CISO") if here(f"forecasts/carbonx_{z}.npz")
]
MADE_OF = {"start": "2024-01-01T00"}


def recorded(zone):
    """The recorded hourly values and forecasts of a zone."""
    z = np.load(find(f"forecasts/carbonx_{zone}.npz"))
    return forecast.Signal(
        z["direct"] / 100, "2021-01-01T00", z["forecast"] / 100, "2021-02-01T00", every_h=24
    )


def test_a_forecast_is_the_newest_issue_read_from_now_on():
    issued = np.arange(12.0).reshape(3, 4)  # issued at hours 2, 4 and 6
    s = forecast.Signal(np.zeros(9), "2024-01-01T00", issued, "2024-01-01T02", every_h=2)
    for now, first in ((2, 0.0), (3, 1.0), (4, 4.0), (5, 5.0), (6, 8.0), (7, 9.0), (8, 10.0)):
        assert s.forecast(now, 1).tolist() == [first], now
    # Beyond its end: the mean of the last day of the issue, here all of it.
    assert s.forecast(7, 5).tolist() == [9.0, 10.0, 11.0, 9.5, 9.5]
    assert s.forecast(30, 2).tolist() == [9.5, 9.5]
    assert s.forecast("2024-01-01T05", 2).tolist() == [5.0, 6.0]
    with pytest.raises(InvalidProblemError, match="found hour 1, needed 2, the first issue"):
        s.forecast(1, 1)


@pytest.mark.filterwarnings("error")
def test_a_time_with_a_zone_is_counted_in_utc():
    """If this fails, a zone is a warning, or an hour is another one than was meant."""
    berlin = datetime.datetime(2024, 3, 31, 3, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin"))
    s = forecast.Signal(np.arange(9.0), berlin)  # 03:00 is 01:00 in UTC, the night of summer time
    assert s.start == np.datetime64("2024-03-31T01", "h")
    for when in ("2024-03-31T03:00Z", "2024-03-31T05:00+02:00", "2024-03-31T03"):
        assert s.hour(when) == 2, when
    assert s.hour(berlin + datetime.timedelta(hours=4)) == 4
    with pytest.raises(InvalidProblemError, match="needed a whole hour"):
        s.hour("2024-03-31T05:00+05:30")


def test_without_issues_the_forecast_is_yesterday():
    s = forecast.Signal(np.arange(48.0), **MADE_OF)
    assert s.forecast(30, 3).tolist() == [6.0, 7.0, 8.0]
    assert s.forecast(24, 30)[:2].tolist() == [0.0, 1.0]
    assert s.forecast(24, 30)[24:26].tolist() == [0.0, 1.0]
    assert s.forecast(3, 2).tolist() == [2.0, 2.0]  # no day yet: the last value


def test_a_model_reads_the_past_and_cannot_change_it():
    seen = []

    def model(past, hours):
        seen.append(len(past))
        with pytest.raises(ValueError, match="read-only"):
            past[:] = 0
        return np.full(hours, past.max())

    s = forecast.Signal([3.0, 9.0, 1.0], issued=model, **MADE_OF)
    assert s.forecast(1, 2).tolist() == [3.0, 3.0]
    assert s.forecast(3, 1).tolist() == [9.0]
    assert seen == [1, 3]
    with pytest.raises(InvalidProblemError, match="found hour 4, needed at most 3"):
        s.forecast(4, 1)
    short = forecast.Signal([3.0], issued=lambda past, hours: [1.0], **MADE_OF)
    with pytest.raises(InvalidProblemError, match="found 1 values of the model, needed 3"):
        short.forecast(0, 3)


@given(
    seed=st.integers(0, 2**32 - 1),
    hours=st.integers(0, 70),
    leads=st.integers(1, 6),
    shape=st.sampled_from(["issued", "model"]),
)
def test_the_correction_is_the_regression_of_its_definition(seed, hours, leads, shape):
    r = np.random.default_rng(seed)
    actual = r.integers(-5, 30, hours + 1).astype(float)
    ahead = leads + 3
    if shape == "issued":
        issued = r.integers(0, 30, (hours // 5 + 1, ahead + 5)).astype(float)
        s = forecast.Signal(actual, "2024-01-01", issued, every_h=5)
    else:
        s = forecast.Signal(
            actual,
            "2024-01-01",
            lambda past, hours: np.resize(past[-3:], hours) if len(past) else np.ones(hours),
        )
    c = forecast.Corrected(s, window_d=1, leads=leads)
    c.update(actual[:hours])
    said = [s.forecast(t, ahead) for t in range(hours + 1)]
    slope, told = forecast_oracle.corrected(said, actual[:hours], 24, leads, ahead)
    note = f"seed {seed}: {c.slope} {slope}"
    np.testing.assert_allclose(c.slope, slope, rtol=1e-9, atol=1e-9, err_msg=note)
    np.testing.assert_allclose(c.forecast(ahead), told, rtol=1e-9, atol=1e-9, err_msg=note)


def test_a_model_of_ones_own_in_place_of_a_signal_is_corrected_alike():
    r = np.random.default_rng(3)
    actual = 100 + r.normal(0, 10, 300).cumsum()

    def model(past, hours):
        return np.full(hours, past.mean() if len(past) else 100.0)

    a = forecast.Corrected(model, 5, leads=4)
    b = forecast.Corrected(forecast.Signal(actual, "2024-01-01", model), 5, leads=4)
    for value in actual[:200]:
        a.update(value)
    b.update(actual[:200])  # one by one or together
    assert a.forecast(6).tolist() == b.forecast(6).tolist()
    assert a.now == b.now == 200
    assert abs(a.forecast(1)[0] - actual[200]) < abs(model(actual[:200], 1)[0] - actual[200])


def test_quantiles_are_of_what_the_correction_left():
    r = np.random.default_rng(5)
    noise = r.normal(0, 1, 2400)
    c = forecast.Corrected(lambda past, hours: np.zeros(hours), 90, leads=3)
    assert np.isnan(c.quantiles(3)).all()
    c.update(noise)
    low, middle, high = c.quantiles(3)
    assert (low < middle).all()
    assert (middle < high).all()
    np.testing.assert_allclose(high - low, 2 * 1.2816, atol=0.2)
    assert c.quantiles(0).shape == (3, 0)


def test_what_is_said_at_an_hour_does_not_depend_on_what_comes_after():
    r = np.random.default_rng(7)
    actual, issued = r.normal(100, 20, 400), r.normal(100, 20, (16, 48))
    other, reissued = actual.copy(), issued.copy()
    other[200:] = r.normal(5, 1, 200)
    reissued[9:] = 0.0  # issue 8 is that of hour 192
    told = []
    for values, issues in ((actual, issued), (other, reissued)):
        c = forecast.Corrected(forecast.Signal(values, "2024-01-01", issues), 4)
        c.update(values[:200])
        told.append((c.forecast(40).tolist(), c.quantiles(24).tolist()))
    assert told[0] == told[1]


def test_the_last_error_helps_for_half_a_day_in_all_recorded_zones():
    assert {"DE", "FR"} <= set(ZONES)
    for zone in ZONES:
        s = recorded(zone)
        c = forecast.Corrected(s, start="2022-12-01T00")
        errors = []
        while c.now < s.hour("2023-02-15T00"):
            truth = s.actual[c.now : c.now + 24]
            errors.append([truth - s.forecast(c.now, 24), truth - c.forecast(24)])
            c.update(s.actual[c.now])
        base, better = np.abs(np.array(errors[31 * 24 :])).mean(axis=0)
        assert (better[:12] <= base[:12]).all(), (zone, base, better)
        assert better[0] < 0.55 * base[0], (zone, base[0], better[0])


def test_the_errors_of_the_recorded_forecasts_are_those_of_the_source():
    """SOURCE.md: mean absolute errors on the first and second day, in g/kWh."""
    for zone, day1, day2 in (("DE", 43.7, 75.5), ("GB", 25.6, 40.8), ("FR", 6.2, 9.6)):
        if zone not in ZONES:
            continue
        s = recorded(zone)
        assert s.issued is not None
        errors = [
            np.abs(s.forecast(t, 48) - s.actual[t : t + 48])
            for t in range(s.first, s.first + 24 * len(s.issued), 24)
        ]
        found = np.mean(errors, axis=0).reshape(2, 24).mean(axis=1)
        np.testing.assert_allclose(found, [day1, day2], atol=0.051, err_msg=zone)


def test_yesterdays_jobs_are_expected_again():
    jobs = {"arrival_h": np.array([0, 1, 10, 24, 25]), "slots": np.array([1, 2, 3, 4, 5])}
    one = forecast.phantoms(jobs, now=24, hours=24)
    assert one["arrival_h"].tolist() == [25, 34, 48]
    assert one["slots"].tolist() == [2, 3, 4]  # hour 0 is a day and an hour ago, 25 not yet here
    two = forecast.phantoms(jobs, now=24, hours=30)
    assert two["arrival_h"].tolist() == [25, 34, 48, 49]
    assert forecast.phantoms(jobs, now=24, hours=0)["slots"].tolist() == []
    # The first arrival is 11 hours ago: what came since is repeated until there is a day.
    early = forecast.phantoms(jobs, now=10, hours=14)
    assert early["arrival_h"].tolist() == [11, 12, 21, 22, 23]
    assert early["slots"].tolist() == [1, 2, 3, 1, 2]
    assert forecast.phantoms({"arrival_h": []})["arrival_h"].tolist() == []


def test_expected_jobs_of_a_users_own_see_only_what_has_arrived():
    seen = []

    def how(history, now, hours):
        seen.append(history["arrival_h"].tolist())
        return {"arrival_h": [now + 1], "slots": [len(history["slots"])]}

    jobs = {"arrival_h": [4, 0, 9], "slots": [1, 2, 3]}
    assert forecast.phantoms(jobs, how, now=4)["slots"].tolist() == [2]
    assert seen == [[4, 0]]
    with pytest.raises(InvalidProblemError, match=r"arrival_h\[0\]: found 4, needed 5 to 28"):
        forecast.phantoms(jobs, lambda h, now, hours: {"arrival_h": [4], "slots": [1]}, now=4)
    with pytest.raises(InvalidProblemError, match="needed \\['arrival_h', 'slots'\\]"):
        forecast.phantoms(jobs, lambda h, now, hours: {"arrival_h": [5]}, now=4)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: forecast.Signal([1.0, np.nan], "2024-01-01"), r"actual\[1\]: found nan"),
        (lambda: forecast.Signal([[1.0]], "2024-01-01"), r"actual: found shape \(1, 1\)"),
        (lambda: forecast.Signal([1.0], "2024-01-01T00:30"), "needed a whole hour"),
        (lambda: forecast.Signal([1.0], "soon"), "start: found 'soon', needed a date"),
        (lambda: forecast.Signal([1.0], "2024-01-01", [[np.inf]]), r"issued\[0, 0\]: found inf"),
        (lambda: forecast.Signal([1.0], "2024-01-01", np.zeros((0, 4))), "one issue and lead"),
        (lambda: forecast.Signal([1.0], "2024-01-01", every_h=0), "every_h: found 0"),
        (
            lambda: forecast.Signal([1.0], "2024-01-02", lambda p, h: p, "2024-01-01"),
            "first_issue: found 2024-01-01T00, needed 2024-01-02T00 or later",
        ),
        (lambda: forecast.Corrected(lambda p, h: [0.0] * h, 0), "window_d: found 0"),
        (lambda: forecast.Corrected(lambda p, h: [0.0] * h, start=3), "a model begins at hour 0"),
        (lambda: forecast.Corrected(lambda p, h: [0.0] * h).update(np.nan), "found nan"),
        (lambda: forecast.Corrected(lambda p, h: [0.0] * h).update([[1.0]]), "one axis"),
        (lambda: forecast.Corrected(lambda p, h: [0.0] * h).quantiles(25), "hours: found 25"),
        (lambda: forecast.Corrected(lambda p, h: [0.0] * h).quantiles(1, [2.0]), "from 0 to 1"),
        (lambda: forecast.phantoms({"hours": [1]}), "found no column arrival_h"),
        (lambda: forecast.phantoms({"arrival_h": [1], "hours": []}), "one entry a job"),
        (lambda: forecast.phantoms({"arrival_h": [1]}, "tomorrow"), "how: found 'tomorrow'"),
    ],
)
def test_bad_input_is_told_with_its_field(make, match):
    with pytest.raises(InvalidProblemError, match=match):
        make()


@pytest.mark.parametrize(
    "make",
    [
        lambda: forecast.Signal(["a"], "2024-01-01"),
        lambda: forecast.Signal([1.0], 7),
        lambda: forecast.Corrected(7),
        lambda: forecast.Corrected(lambda p, h: [0.0] * h, 1.5),
        lambda: forecast.phantoms({"arrival_h": [1.5]}),
        lambda: forecast.phantoms([1, 2]),
    ],
)
def test_wrong_types_are_type_errors(make):
    with pytest.raises(TypeError):
        make()


def test_an_update_that_fails_changes_nothing():
    c = forecast.Corrected(lambda past, hours: [1.0] * hours)
    c.update([2.0, 3.0])
    before = (c.now, c.error, c.forecast(30).tolist())
    with pytest.raises(InvalidProblemError):
        c.update([4.0, np.inf])
    assert (c.now, c.error, c.forecast(30).tolist()) == before
