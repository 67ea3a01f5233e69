"""Real jobs: small files written here in each trace's format, and the real ones where they are."""

import gzip
import os

import numpy as np
import pytest

from gridcompute import InvalidProblemError, grid
from real_data import find

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


def put(folder, name, text):
    path = folder / name
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text)
    return path


def test_philly(tmp_path):
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


def test_gaia_and_folding(tmp_path):
    """If this fails, hours are taken for seconds, or later arrivals are lost when folded."""
    path = put(tmp_path, "pai.csv", GAIA)
    assert grid.from_traces(path, start_h=0).jobs.gang.tolist() == [1, 8]
    folded = grid.from_traces(path, start_h=0, n_jobs=3)
    assert folded.jobs.gang.tolist() == [1, 8, 2]
    assert folded.jobs.release[2] == 6
    assert grid.from_traces(path).jobs.gang.tolist() == [1, 8], "the window with the most work"


def test_gavel(tmp_path):
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


def test_zone_files_shape_carbon_tariff_and_green_share(tmp_path):
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
    own = grid.east_west(n_jobs=10, seed=0)
    assert carbon[5].mean() == pytest.approx(own.sites.carbon_g_per_kwh[5].mean())
    assert problem.energy.grid_green_share[0, :2].tolist() == [0.51, 0.5]
    tariff = problem.energy.tariff_yuan_per_kwh
    assert tariff[10, 0] / tariff[10, 1] == pytest.approx(2.0)
    assert tariff[10].mean() == pytest.approx(own.energy.tariff_yuan_per_kwh[10].mean())
    premium = problem.energy.bundled_yuan_per_kwh - tariff
    of_own = own.energy.bundled_yuan_per_kwh - own.energy.tariff_yuan_per_kwh
    np.testing.assert_allclose(premium, of_own.mean(), rtol=1e-9)
    with pytest.raises(InvalidProblemError, match="needed 24"):
        grid.from_traces(path, start_h=0, zone_row=10, **files)


def test_bad_files_are_named(tmp_path):
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
    ("text", "words"),
    [
        ("", "is empty, needed a header"),
        ("arrival_time,length,cpus,cpus\n0,1,1,2\n", "found 2 columns called 'cpus'"),
        ("arrival_time,length,cpus\n0,1\n", "found 2 cells in row 0 .line 2., needed CSV with 3"),
        ("arrival_time,length,cpus\n0,long,1\n", "row 0: work_h is 'long', needed a number"),
        ("arrival_time,length,cpus\n0,1,1\n0,,1\n", "row 1: work_h is nan"),
        ("arrival_time,length,cpus\n0,1,1\n0,1,1.5\n", "row 1: gang is 1.5, needed a whole number"),
        ("arrival_time,length,cpus\n0,1,4294967297\n", "row 0: gang is 4294967297, needed a whole"),
        ("arrival_time,length,cpus\n0,1,1\n1e15,1,1\n", "row 1: arrival_h is 10{15}"),
        ("arrival_time,length,cpus\n0,inf,1\n", "row 0: work_h is inf"),
        ("arrival_time,length,cpus\n0,true,1\n", "row 0: work_h is True, needed a number"),
        ("timestamp,duration,num_gpus\nnoon,1,1\n", "row 0: timestamp is 'noon', needed a date"),
        (
            "timestamp,duration,num_gpus\n2017-10-09 07:01:55,1,1\n,1,1\n",
            "row 1: timestamp is miss",
        ),
        ("timestamp,duration,num_gpus\n", "nothing, needed a date"),
    ],
)
def test_a_bad_trace_names_file_row_and_column(tmp_path, text, words):
    """Fractions of a GPU were cut off in silence, and a late arrival took all memory."""
    with pytest.raises(InvalidProblemError, match=words) as caught:
        grid.from_traces(put(tmp_path, "a.csv", text), start_h=0)
    assert "a.csv" in str(caught.value)


def test_damaged_and_swollen_files_are_refused(tmp_path):
    """A gzip of a megabyte that holds a gigabyte, half a gzip, a FIFO, another encoding."""
    whole = gzip.compress(GAIA.encode() * 100)
    (tmp_path / "half.csv.gz").write_bytes(whole[:-20])
    with pytest.raises(InvalidProblemError, match=r"half\.csv\.gz: found"):
        grid.from_traces(tmp_path / "half.csv.gz")
    bomb = tmp_path / "bomb.csv.gz"
    with gzip.open(bomb, "wb", compresslevel=1) as file:
        for _ in range(1100):
            file.write(b"0,1,1\n" * 174_763)
    assert bomb.stat().st_size < 10_000_000
    with pytest.raises(InvalidProblemError, match="found more than 1073741824 bytes"):
        grid.from_traces(bomb)
    latin = tmp_path / "latin.csv"
    latin.write_bytes("arrival_time,length,cpus,wer\n0,1,1,M\xfcller\n".encode("latin-1"))
    with pytest.raises(InvalidProblemError, match=r"latin\.csv: .*needed UTF-8"):
        grid.from_traces(latin)
    os.mkfifo(tmp_path / "fifo.csv")
    with pytest.raises(InvalidProblemError, match="found a FIFO"):
        grid.from_traces(tmp_path / "fifo.csv")


def test_gavel_refuses_speeds_that_differ(tmp_path):
    """Of two speeds for the same job and GPU the last one counted."""
    jobs = put(tmp_path, "msr.csv", GAVEL)
    for line, words in (
        ("v100,A,1,3.0\n", "row 8: found v100, A, 1 twice, needed one speed"),
        ("v100,A,x,3.0\n", "row 0: scale_factor is '1', needed a number"),
        ("v100,A,9,fast\n", "throughput_steps_per_s is '2.0', needed a number"),
    ):
        with pytest.raises(InvalidProblemError, match=words):
            grid.from_traces(jobs, throughput=put(tmp_path, "speed.csv", SPEED + line))
    head = put(tmp_path, "none.csv", SPEED.partition("\n")[0] + "\n")
    with pytest.raises(InvalidProblemError, match="no row, needed speeds"):
        grid.from_traces(jobs, throughput=head)


def test_bad_arguments_of_a_trace_are_named(tmp_path):
    """A negative row counted from the end of the file, and no utilisation divided by nothing."""
    path = put(tmp_path, "pai.csv", GAIA)
    for name, value in (
        ("hours", 0),
        ("slack_h", -1),
        ("zone_row", -1),
        ("n_jobs", 0),
        ("utilisation", 0.0),
        ("utilisation", float("inf")),
        ("start_h", float("nan")),
        ("value_yuan_per_accelerator_h", -1.0),
        ("seed", -1),
    ):
        with pytest.raises(InvalidProblemError, match=f"{name}: found") as caught:
            grid.from_traces(path, **{name: value})
        assert caught.value.field == name
    for name, value in (("hours", 24.0), ("n_jobs", True), ("utilisation", "0.9")):
        with pytest.raises(TypeError, match=name):
            grid.from_traces(path, **{name: value})


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("traces/philly/philly.csv.gz", {}),
        ("traces/gaia/pai-100k.csv.gz", {"n_jobs": 5000}),
        ("traces/gavel/msr_seed0.csv.gz", {"throughput": "traces/gavel/isolated_throughputs.csv"}),
    ],
)
def test_real_traces_with_a_real_zone(name, more):
    """If this fails, the published files themselves are no longer understood."""
    more = {k: find(v) if isinstance(v, str) else v for k, v in more.items()}
    problem = grid.from_traces(
        find(name),
        zone=find("energy/electricitymaps_hourly/DE-LU_2022.csv.gz"),
        prices=find("energy/electricity_prices_hourly/DE-LU_2022.csv.gz"),
        zone_row=24 * 200,
        **more,
    )
    assert len(problem.jobs) > 300
    hopeless = sum(reason is not None for reason in problem.why_not())
    assert hopeless < 0.02 * len(problem.jobs)
    assert np.ptp(problem.carbon_g_per_kwh[0]) > 10
