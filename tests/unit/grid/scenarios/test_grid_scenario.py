"""The packaged scenario: its figures have sources, its jobs and energy are what grid pages say."""

import csv
import re
import time

import numpy as np
import pytest

from gridcompute import InvalidProblemError, grid
from gridcompute.grid.scenarios import east_west, packaged_tables
from gridcompute.grid.scenarios.packaged_tables import table
from gridcompute.grid.tables.sites import great_circle_km, one_way_ms
from real_data import find, with_data

#: Part of the accelerators of each kind.
SHARES = np.array([float(row["share"]) for row in table("accelerators")])
PINGS = "network/wondernetwork_pings/china_city_pairs.csv"
NEW = {"Chongqing", "Guian", "Horinger", "Qingyang", "Zhongwei", "Hami", "Karamay"}


@pytest.fixture(scope="module")
def problem():
    """Twenty thousand jobs of one seed."""
    return grid.east_west(n_jobs=20_000, seed=1)


def test_every_figure_has_a_kind_and_a_source():
    """If this fails, nobody can tell which figures of the scenario were chosen."""
    found = grid.figures()
    assert len({figure.name for figure in found}) == len(found) > 400
    for figure in found:
        assert figure.kind in ("sourced", "derived", "assumed"), figure
        assert figure.value, figure
        assert figure.source.strip() or figure.kind == "assumed", figure
        assert not re.search(r"unsourced|background", figure.source), figure
        if figure.kind == "sourced":
            assert re.search(r"\w\.\w|notice|Xinhua", figure.source), figure
    parts = {kind: grid.figures(kind) for kind in ("sourced", "derived", "assumed")}
    assert sum(map(len, parts.values())) == len(found)
    assert parts["assumed"] == grid.assumptions()
    with pytest.raises(InvalidProblemError, match="kind is 'guessed', needed one of"):
        grid.figures("guessed")


def test_every_figure_is_read(problem):
    """If this fails, a figure of the table changes nothing: a row that only looks like data."""
    read = set()

    class Watched(dict):
        def __getitem__(self, key):
            read.add(key)
            return str(super().__getitem__(key))

    plain = packaged_tables.table
    with pytest.MonkeyPatch.context() as patched:
        for module in (packaged_tables, east_west):
            patched.setattr(module, "table", lambda name: [Watched(row) for row in plain(name)])
        for stage in ("planned", "today"):
            grid.east_west(n_jobs=5, stage=stage, bill="full")
    columns = {figure.name.split("/")[2] for figure in grid.figures()}
    told = {"capacity_mw", "length_km", "renewable_gw"}  # of the line: what others are derived from
    assert columns - read == told, columns - read


def test_derived_figures_follow_from_what_their_sources_say():
    """If this fails, a derived figure was changed and what it is derived from was not."""
    value = {figure.name: figure.value for figure in grid.figures()}

    def number(name):
        return float(value[name])

    rows = {name.split("/")[1] for name in value if name.startswith("sites/")}
    for row in rows:
        clean = 1 - number(f"sites/{row}/carbon_g_per_kwh") / 832.5
        assert number(f"sites/{row}/grid_green_share") == pytest.approx(clean, abs=0.006), row
    per_rack = 788_000 / 10.85e6
    for stage, racks in (("today", 90_000), ("planned", 350_000)):
        at = number(f"sites/Chongqing/pflops_{stage}")
        assert at == pytest.approx(racks * per_rack, rel=0.01), stage
    assert number("sites/Hami/pflops_planned") == pytest.approx(115_000 * 0.989, rel=0.001)
    ends = [
        [number(f"sites/{s}/{c}") for s in ("Hami", "Chongqing")] for c in ("latitude", "longitude")
    ]
    straight = great_circle_km(*np.array(ends))[0, 1]
    length = number("lines/Hami-Chongqing/length_km")
    assert number("network/corridor/route_factor") == pytest.approx(length / straight, abs=0.01)
    assert number("lines/Hami-Chongqing/share_of_receiving_grid") == pytest.approx(36 / 150)
    wear = number("constants/battery_wear_full/value")
    assert wear == pytest.approx(479 / 5_000 / 2, abs=0.0005), "a cycle is charged and discharged"


@with_data(PINGS)
def test_delays_agree_with_measured_round_trips():
    """If this fails, distances are turned into other delays than those that were measured."""
    pings = find(PINGS)
    trips = {
        (r["src"], r["dst"]): float(r["avg"])
        for r in csv.DictReader(pings.read_text().splitlines())
    }
    places = {
        r["name"]: (float(r["latitude"]), float(r["longitude"]))
        for r in csv.DictReader((pings.parent / "servers.csv").read_text().splitlines())
    }
    row = next(row for row in table("network") if row["name"] == "hubs")
    factor, fixed = float(row["route_factor"]), packaged_tables.constants()["fixed_ms"]
    km, one_way = [], []
    for city in ("Hangzhou", "Zhangjiakou", "Shenzhen"):
        at = np.array([places["Shanghai"], places[city]]).T
        km.append(great_circle_km(*at)[0, 1])
        one_way.append(trips["Shanghai", city] / 2)
        told = one_way_ms(km[-1], route_factor=factor, fixed_ms=fixed)
        assert told == pytest.approx(one_way[-1], rel=0.15), (city, told, one_way[-1])
    light, beyond = np.array(km) / 200, np.array(one_way) - fixed
    assert factor == pytest.approx(float(light @ beyond / (light @ light)), abs=0.01)


def test_tariffs_have_the_hours_of_their_provinces(problem):
    """If this fails, regions share a shape again, or a valley is where the notice has a peak."""
    tariff = dict(zip(problem.sites.name.tolist(), problem.energy.tariff_yuan_per_kwh, strict=True))
    shapes = {name: tuple((t / np.median(t)).round(3)) for name, t in tariff.items()}
    assert len(set(shapes.values())) == 11, "Hami and Karamay are in one province"
    flat = {row["name"]: float(row["tariff_yuan_per_kwh"]) for row in table("sites")}
    for name, hour, factor in (
        ("Chongqing", 12, 1.6),
        ("Chongqing", 3, 0.38),
        ("Chongqing", 18, 1.0),
        ("Shaoguan", 15, 1.7),
        ("Wuhu", 12, 0.382),
        ("Hami", 14, 1 - 0.65 * 0.75),
        ("Hami", 20, 1 + 0.65 * 0.75),
        ("Zhongwei", 23, 1.0),
    ):
        assert tariff[name][hour] == pytest.approx(flat[name] * factor), (name, hour)
    assert tariff["Guian"][24 - 1] == pytest.approx(flat["Guian"])
    two_days = grid.east_west(n_jobs=5, hours=48).energy.tariff_yuan_per_kwh
    np.testing.assert_array_equal(two_days[:, :24], two_days[:, 24:])


def test_quotas_are_in_accelerator_hours_as_jobs_take_them(problem):
    """If this fails, quotas bind by a slip of units: hours of the reference for hours."""
    jobs, classes = problem.jobs, problem.classes
    taken = jobs.gang * np.ceil(jobs.work_h / classes.throughput[jobs.family].mean(axis=1))
    demand = np.bincount(jobs.tenant, taken)
    upper = problem.quotas.upper_accelerator_h
    capped = np.isfinite(upper)
    assert capped.sum() == 4
    assert set(np.flatnonzero(capped)) == set(np.argsort(-demand)[:4])
    assert (upper[capped] / demand[capped] > 0.9).all(), upper[capped] / demand[capped]
    reference = np.bincount(jobs.tenant, jobs.gang * np.ceil(jobs.work_h))
    assert (upper[capped] > reference[capped]).all(), "which is fewer hours than anybody takes"


def test_the_mandate_applies_to_the_seven_new_sites(problem):
    """If this fails, the scenario holds other facilities to the mandate than it says."""
    assert set(problem.sites.name[problem.sites.new]) == NEW
    assert (problem.mandate.share, problem.mandate.scope, problem.mandate.rule) == (
        0.8,
        "site",
        "hourly",
    )


def test_the_hami_line_brings_green_power_to_the_new_site(problem):
    """If this fails, the UHV line is forgotten, or counted as green throughout."""
    line = table("lines")[0]
    assert 0.4 <= float(line["green_twh"]) / float(line["annual_twh"]) <= 0.6
    without = grid.east_west(n_jobs=20_000, seed=1, corridor="data").energy
    more = problem.energy.bundled_kwh - without.bundled_kwh
    assert (more[5] > 0).any()
    assert (np.delete(more, 5, axis=0) == 0).all()
    sun_and_wind = problem.energy.direct_kwh[:2, 10]
    at_hami = np.linalg.lstsq(sun_and_wind.T, more[5], rcond=None)[0] @ sun_and_wind
    np.testing.assert_allclose(more[5], at_hami, err_msg="it blows at Hami, not at Chongqing")
    share, before = problem.energy.grid_green_share[5], without.grid_green_share[5]
    assert np.ptp(share) == 0
    assert before[0] < share[0] < 0.5


def test_the_corridor_carries_data_of_chengdu_and_chongqing():
    """If this fails, the corridor has the figures of other links: it does nothing."""
    with_it, without = (
        grid.east_west(n_jobs=2_000, seed=1, corridor=c).corridors for c in ("data", "none")
    )
    changed = with_it.bandwidth_gb[:, :, 0] != without.bandwidth_gb[:, :, 0]
    ends = {(i, j) for i, j in np.argwhere(changed).tolist()}
    pairs = {(a, b) for a in (4, 5) for b in (10, 11)}
    assert ends == pairs | {(b, a) for a, b in pairs}
    assert with_it.bandwidth_gb[5, 10, 0] > 5 * without.bandwidth_gb[5, 10, 0]
    assert with_it.delay_ms[5, 10] < 20 < without.delay_ms[5, 10], "inside the circle only by it"
    assert with_it.price_yuan_per_gb[5, 10] < without.price_yuan_per_gb[5, 10]


def test_stages_and_corridors_have_the_same_jobs_and_weather():
    """If this fails, what the corridor is worth is mixed with another draw of jobs."""
    first = grid.east_west(n_jobs=700, seed=3)
    for stage in ("planned", "today"):
        for corridor in ("both", "data", "power", "none"):
            other = grid.east_west(n_jobs=700, seed=3, stage=stage, corridor=corridor)
            for name in first.jobs.columns():
                same = getattr(first.jobs, name), getattr(other.jobs, name)
                np.testing.assert_array_equal(*same, err_msg=f"{name}, {stage}, {corridor}")
            sun = (p.energy.direct_kwh[:2].max(axis=2) for p in (first, other))
            np.testing.assert_array_equal(*((s > 0) for s in sun))
    today = grid.east_west(n_jobs=700, seed=3, stage="today")
    assert today.name == "east-west, today"
    there = [p.classes.capacity[p.classes.site >= 10].sum() for p in (first, today)]
    assert there[1] < 0.3 * there[0], "few accelerators stand in Xinjiang today"


def test_the_full_bill_has_what_an_operator_pays_besides_energy(problem):
    """If this fails, a day that is billed in full looks cheaper than an operator's own."""
    full = grid.east_west(n_jobs=20_000, seed=1, bill="full")
    for name in full.jobs.columns():
        same = getattr(full.jobs, name), getattr(problem.jobs, name)
        np.testing.assert_array_equal(*same, err_msg=name)
    plain, energy = problem.energy, full.energy
    assert not plain.demand_yuan_per_kw.any()
    np.testing.assert_allclose(energy.demand_yuan_per_kw, 35 / 30, err_msg="a day of the month")
    two_days = grid.east_west(n_jobs=5, hours=48, bill="full").energy
    np.testing.assert_allclose(two_days.demand_yuan_per_kw, 2 * 35 / 30)
    cycle = energy.wear_yuan_per_kwh * 2
    assert (cycle > 0.09).all(), cycle
    more = (energy.bundled_yuan_per_kwh - plain.bundled_yuan_per_kwh).mean(axis=1)
    assert 0.02 < more[5] < 0.0685, "the line's price, by the part of the contract that it brings"
    np.testing.assert_allclose(np.delete(more, 5), 0.0, atol=1e-12)
    pue = dict(zip(full.sites.name.tolist(), full.pue.mean(axis=1).round(3), strict=True))
    assert (pue["Karamay"], pue["Zhongwei"], pue["Shaoguan"]) == (1.08, 1.15, 1.42)
    assert pue["Guian"] == problem.pue[6].mean().round(3), "new, not measured: as its limit"
    idle_kwh = 0.06 * full.classes.capacity[:, 0] * full.pue[full.classes.site, 0]
    idle_kwh = np.bincount(full.classes.site, idle_kwh)
    peak_kw = full.sites.connection_kw / packaged_tables.constants()["connection"]
    base = packaged_tables.constants()["base_load_share"] / 1.05 * peak_kw
    np.testing.assert_allclose(energy.base_load_kwh[:, 0], base + idle_kwh)
    assert full.name == "east-west, full bill"


@pytest.mark.parametrize("name", ["stage", "corridor", "bill"])
def test_unknown_stage_corridor_or_bill(name):
    """If this fails, a misspelt variant gives the scenario as planned."""
    with pytest.raises(InvalidProblemError, match=f"{name} is 'later', needed one of"):
        grid.east_west(n_jobs=5, **{name: "later"})


def test_capacity_is_contested_to_the_same_degree_at_every_size():
    """If this fails, small scenarios are empty or large ones overloaded."""
    loads = []
    for n_jobs in (5_000, 50_000):
        problem = grid.east_west(n_jobs=n_jobs, seed=2)
        speed = problem.classes.throughput[problem.jobs.family, : len(SHARES)] @ SHARES
        demand = (problem.jobs.gang * np.ceil(problem.jobs.work_h / speed)).sum()
        loads.append(demand / problem.classes.capacity.sum())
    assert all(load == pytest.approx(1.0, abs=0.02) for load in loads), loads


def test_job_mix_is_as_described(problem):
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
    assert jobs.data_gb.max() <= 2000
    large = jobs.gang[jobs.family == 6]
    assert large.min() >= 16, "halved only where a small site must hold them"
    assert (large >= 32).mean() > 0.95
    assert np.isfinite(jobs.latency_ms).mean() == pytest.approx(0.14, abs=0.01)
    assert np.isfinite(problem.quotas.upper_accelerator_h).sum() == 4


def test_every_job_has_an_option(problem):
    """If this fails, part of the gap is jobs nobody could ever place."""
    assert set(problem.why_not(np.arange(0, 20_000, 7))) == {None}


def test_solar_noon_comes_later_in_the_west(problem):
    """If this fails, the scenario has lost the time lag that makes moving west worth while."""
    solar = problem.energy.direct_kwh[0]
    centre = (solar * np.arange(24)).sum(axis=1) / solar.sum(axis=1)
    assert centre[11] - centre[1] > 1.5
    assert (solar[:, 0] == 0).all()


def test_same_arguments_same_bits_and_weather_apart_from_jobs():
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
def test_other_horizons(hours):
    """If this fails, only days can be planned."""
    problem = grid.east_west(n_jobs=200, seed=0, hours=hours)
    assert problem.hours == hours
    assert problem.jobs.deadline.max() <= hours


def test_bad_arguments():
    """If this fails, a negative number of jobs gives an empty answer instead of an error."""
    with pytest.raises(InvalidProblemError, match="n_jobs is 0"):
        grid.east_west(n_jobs=0)
    with pytest.raises(TypeError, match="seed must be an int"):
        grid.east_west(n_jobs=5, seed=1.5)


def test_a_hundred_thousand_jobs_are_made_from_columns():
    """If this fails, something loops over jobs: 100 times the jobs took 1000 times as long."""
    took = []
    for n_jobs in (1_000, 100_000):
        begin = time.thread_time()
        grid.east_west(n_jobs=n_jobs, seed=0)
        took.append(time.thread_time() - begin)
    assert took[1] < 1000 * max(took[0], 0.005)
