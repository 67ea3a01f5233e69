"""The packaged scenario: its figures have sources, its jobs and energy are what grid pages say."""

from __future__ import annotations

import time

import numpy as np
import pytest

from gridcompute import InvalidProblemError, grid
from gridcompute.grid.scenarios.world import table

NEW = {"Chongqing", "Guian", "Horinger", "Qingyang", "Zhongwei", "Hami", "Karamay"}


@pytest.fixture(scope="module")
def problem() -> grid.Problem:
    """Twenty thousand jobs of one seed."""
    return grid.east_west(n_jobs=20_000, seed=1)


def test_every_packaged_row_has_a_source() -> None:
    """If this fails, a figure has lost where it comes from."""
    rows = grid.assumptions()
    assert len(rows) > 100
    for name, row, source in rows:
        assert "assumption" in source or "." in source, (name, row)
        assert source.strip(), (name, row)


def test_the_mandate_applies_to_the_seven_new_sites(problem: grid.Problem) -> None:
    """If this fails, the scenario holds other facilities to the mandate than it says."""
    assert set(problem.sites.name[problem.sites.new]) == NEW
    assert (problem.mandate.share, problem.mandate.scope, problem.mandate.rule) == (
        0.8,
        "site",
        "hourly",
    )


def test_the_hami_line_is_grid_supply_about_half_green(problem: grid.Problem) -> None:
    """If this fails, the UHV line is counted as green power, or forgotten."""
    line = table("lines")[0]
    assert 0.4 <= float(line["green_twh"]) / float(line["annual_twh"]) <= 0.6
    packaged = {row["name"]: float(row["grid_green_share"]) for row in table("sites")}
    share = problem.energy.grid_green_share[5]
    assert np.ptp(share) == 0
    assert packaged["Chongqing"] < share[0] < 0.5
    assert (
        problem.energy.direct_kwh[:, 5].sum(axis=0) < 0.5 * problem.sites.connection_kw[5]
    ).all()


def test_the_xinjiang_chongqing_corridor_is_data(problem: grid.Problem) -> None:
    """If this fails, the corridor has the default's figures: its row does nothing."""
    wide = problem.corridors.bandwidth_gb[10, 5, 0]
    usual = problem.corridors.bandwidth_gb[11, 5, 0]
    assert wide == pytest.approx(2 * usual)


def test_capacity_is_contested_to_the_same_degree_at_every_size() -> None:
    """If this fails, small scenarios are empty or large ones overloaded."""
    loads = []
    for n_jobs in (5_000, 50_000):
        problem = grid.east_west(n_jobs=n_jobs, seed=2)
        demand = (problem.jobs.gang * np.ceil(problem.jobs.work_h)).sum()
        loads.append(demand / problem.classes.capacity.sum())
    assert all(load == pytest.approx(0.86, abs=0.01) for load in loads), loads


def test_job_mix_is_as_described(problem: grid.Problem) -> None:
    """If this fails, the mix has drifted from its table."""
    jobs = problem.jobs
    shares = np.bincount(jobs.family) / len(jobs)
    wanted = [float(row["share"]) for row in table("families")]
    np.testing.assert_allclose(shares, wanted, atol=0.01)
    bound = jobs.residency != -1
    assert 0.10 < bound.mean() < 0.14
    assert ((jobs.residency[bound] >> jobs.origin[bound]) & 1).all(), "data may stay where they are"
    assert 0.13 < (jobs.memory_gb >= 80).mean() < 0.17
    assert jobs.data_gb.min() >= 1
    assert jobs.data_gb.max() <= 800
    assert jobs.gang[jobs.family == 6].min() >= 32
    assert np.isfinite(jobs.latency_ms).mean() == pytest.approx(0.14, abs=0.01)
    assert np.isfinite(problem.quotas.upper_accelerator_h).sum() == 4


def test_every_job_has_an_option(problem: grid.Problem) -> None:
    """If this fails, part of the gap is jobs nobody could ever place."""
    assert set(problem.why_not(np.arange(0, 20_000, 7))) == {None}


def test_solar_noon_comes_later_in_the_west(problem: grid.Problem) -> None:
    """If this fails, the scenario has lost the time lag that makes moving west worth while."""
    solar = problem.energy.direct_kwh[0]
    centre = (solar * np.arange(24)).sum(axis=1) / solar.sum(axis=1)
    assert centre[11] - centre[1] > 1.5
    assert (solar[:, 0] == 0).all()


def test_same_arguments_same_bits_and_weather_apart_from_jobs() -> None:
    """If this fails, a result cannot be reproduced, or a larger batch has other weather."""
    a, b = (grid.east_west(n_jobs=500, seed=9) for _ in range(2))
    for name in a.jobs.columns():
        np.testing.assert_array_equal(getattr(a.jobs, name), getattr(b.jobs, name))
    larger = grid.east_west(n_jobs=900, seed=9)
    wind = [p.energy.direct_kwh[1, 0] for p in (a, larger)]
    np.testing.assert_allclose(*(w / w.max() for w in wind))
    other = grid.east_west(n_jobs=500, seed=10)
    assert (a.jobs.work_h != other.jobs.work_h).any()


@pytest.mark.parametrize("hours", [1, 6, 48])
def test_other_horizons(hours: int) -> None:
    """If this fails, only days can be planned."""
    problem = grid.east_west(n_jobs=200, seed=0, hours=hours)
    assert problem.hours == hours
    assert problem.jobs.deadline.max() <= hours


def test_bad_arguments() -> None:
    """If this fails, a negative number of jobs gives an empty answer instead of an error."""
    with pytest.raises(InvalidProblemError, match="n_jobs is 0"):
        grid.east_west(n_jobs=0)
    with pytest.raises(TypeError, match="seed must be an int"):
        grid.east_west(n_jobs=5, seed=1.5)


def test_a_hundred_thousand_jobs_are_made_from_columns() -> None:
    """If this fails, something loops over jobs: 100 times the jobs took 1000 times as long."""
    took = []
    for n_jobs in (1_000, 100_000):
        begin = time.thread_time()
        grid.east_west(n_jobs=n_jobs, seed=0)
        took.append(time.thread_time() - begin)
    assert took[1] < 1000 * max(took[0], 0.005)
