"""Real jobs: small files written here in each trace's format, and the real ones where they are."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from gridcompute import InvalidProblemError, grid

DATA = Path(__file__).resolve().parents[2] / ".." / "shared" / "data"

PHILLY = """timestamp,duration,num_gpus,gpu_time,cluster
2017-10-09 07:01:55,66.0,1,66.0,b
2017-10-09 06:13:03,7200.0,2,14400.0,a
2017-10-10 09:00:00,180000.0,4,720000.0,b
"""
GAIA = "arrival_time,length,cpus\n0.0,1.5,1\n3.25,30.0,8\n30.0,2.0,2\n"
GAVEL = """vc,line,job_type,total_steps,arrival_time_s,scale_factor
x,0,A,7200,0.0,1
x,1,A,14400,3600.0,4
y,2,B,3600,7200.0,2
"""
SPEED = """worker_type,job_type,scale_factor,throughput_steps_per_s
v100,A,1,2.0
p100,A,1,1.0
k80,A,1,0.0
v100,A,2,4.0
p100,A,2,1.0
v100,B,1,1.0
p100,B,1,0.5
k80,B,1,0.25
"""


def put(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text)
    return path


def test_philly(tmp_path: Path) -> None:
    """If this fails, seconds are hours, jobs are unsorted, or long jobs vanish."""
    problem = grid.from_traces(put(tmp_path, "philly.csv.gz", PHILLY), start_h=0, hours=48)
    jobs = problem.jobs
    assert jobs.gang.tolist() == [2, 1, 4]
    assert jobs.work_h[0] == pytest.approx(2.0)
    assert jobs.work_h[2] == pytest.approx(0.7 * 48)
    assert jobs.release[:2].tolist() == [0, 0]
    assert jobs.tenant.tolist() == [0, 1, 1]
    assert "1 of 3 jobs cut to a segment" in problem.name
    assert (jobs.deadline <= 48).all()


def test_gaia_and_folding(tmp_path: Path) -> None:
    """If this fails, hours are taken for seconds, or later arrivals are lost when folded."""
    path = put(tmp_path, "pai.csv", GAIA)
    assert grid.from_traces(path, start_h=0).jobs.gang.tolist() == [1, 8]
    folded = grid.from_traces(path, start_h=0, n_jobs=3)
    assert folded.jobs.gang.tolist() == [1, 8, 2]
    assert folded.jobs.release[2] == 6
    assert grid.from_traces(path).jobs.gang.tolist() == [1, 8], "the window with the most work"


def test_gavel(tmp_path: Path) -> None:
    """If this fails, measured speeds are lost or put on the wrong GPU."""
    jobs, speed = put(tmp_path, "msr.csv", GAVEL), put(tmp_path, "speed.csv", SPEED)
    problem = grid.from_traces(jobs, throughput=speed, start_h=0)
    assert problem.classes.accelerator_names == ("v100", "p100", "k80")
    assert problem.jobs.work_h[:3] == pytest.approx([1.0, 14400 / 8 / 3600, 3600 / 2 / 3600])
    first = problem.classes.throughput[problem.jobs.family]
    assert first[0, :3] == pytest.approx([1.0, 0.5, 0.0])
    assert first[1, :3] == pytest.approx([1.0, 0.25, 0.0]), "the largest measured scale below 4"
    assert first[2, :3] == pytest.approx([1.0, 0.5, 0.25])
    with pytest.raises(InvalidProblemError, match="needs throughput="):
        grid.from_traces(jobs)
    unknown = put(tmp_path, "odd.csv", GAVEL.replace(",B,", ",Z,"))
    with pytest.raises(InvalidProblemError, match=r"job_type\[2\] is 'Z'"):
        grid.from_traces(unknown, throughput=speed)


def test_zone_files_shape_carbon_tariff_and_green_share(tmp_path: Path) -> None:
    """If this fails, the zone's hours are shifted, or its level overrides the sites' own."""
    zone = "datetime_utc,ci_direct_g_per_kwh,renewable_pct\n" + "".join(
        f"t,{200 + 100 * (h % 2)},{50 + h % 2}\n" for h in range(30)
    )
    price = "datetime_utc,usd_per_mwh\n" + "".join(f"t,{20 + 20 * (h % 2)}\n" for h in range(30))
    path = put(tmp_path, "pai.csv", GAIA)
    files = {"zone": put(tmp_path, "zone.csv", zone), "prices": put(tmp_path, "price.csv", price)}
    problem = grid.from_traces(path, start_h=0, zone_row=1, **files)
    carbon = problem.sites.carbon_g_per_kwh
    assert carbon[0, 0] / carbon[0, 1] == pytest.approx(1.5)
    assert carbon[5].mean() == pytest.approx(540)
    assert problem.energy.grid_green_share[0, :2].tolist() == [0.51, 0.5]
    tariff = problem.energy.tariff_yuan_per_kwh
    assert tariff[10, 0] / tariff[10, 1] == pytest.approx(2.0)
    assert tariff[10].mean() == pytest.approx(0.33)
    premium = problem.energy.bundled_yuan_per_kwh - tariff
    np.testing.assert_allclose(premium, 0.03)
    with pytest.raises(InvalidProblemError, match="needed 24"):
        grid.from_traces(path, start_h=0, zone_row=10, **files)


def test_bad_files_are_named(tmp_path: Path) -> None:
    """If this fails, an unknown file or a bad row is read as something else."""
    with pytest.raises(InvalidProblemError, match="needed those of a known trace"):
        grid.from_traces(put(tmp_path, "a.csv", "x,y\n1,2\n"))
    with pytest.raises(InvalidProblemError, match="row 1: gang is 0"):
        grid.from_traces(put(tmp_path, "b.csv", "arrival_time,length,cpus\n0,1,1\n0,1,0\n"))
    with pytest.raises(InvalidProblemError, match="n_jobs is 9, needed at most 3"):
        grid.from_traces(put(tmp_path, "c.csv", GAIA), start_h=0, n_jobs=9)
    with pytest.raises(InvalidProblemError, match="no job arrives"):
        grid.from_traces(tmp_path / "c.csv", start_h=1e6)


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("traces/philly/philly.csv.gz", {}),
        ("traces/gaia/pai-100k.csv.gz", {"n_jobs": 5000}),
        ("traces/gavel/msr_seed0.csv.gz", {"throughput": "traces/gavel/isolated_throughputs.csv"}),
    ],
)
def test_real_traces_with_a_real_zone(name: str, more: dict[str, object]) -> None:
    """If this fails, the published files themselves are no longer understood."""
    if not (DATA / name).exists():
        pytest.skip(f"the trace {name} is not here")
    more = {k: DATA / v if isinstance(v, str) else v for k, v in more.items()}
    energy = DATA / "energy"
    problem = grid.from_traces(
        DATA / name,
        zone=energy / "electricitymaps_hourly" / "DE-LU_2021_2023.csv.gz",
        prices=energy / "electricity_prices_hourly" / "DE-LU_2021_2023.csv.gz",
        zone_row=24 * 200,
        **more,
    )
    assert len(problem.jobs) > 300
    hopeless = sum(reason is not None for reason in problem.why_not())
    assert hopeless < 0.02 * len(problem.jobs)
    assert np.ptp(problem.carbon_g_per_kwh[0]) > 10
