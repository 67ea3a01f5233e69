"""Traces from files, and the command `replay`."""

from __future__ import annotations

import json

import numpy as np
import pytest

from gridcompute import InvalidProblemError, replay, traces
from trace_records import DATA, SPEEDS

OWN = "arrival_s,work,gang,tenant,speed_a,speed_b\n5,100,1,x,1,0.5\n0,50,2,y,2,1\n9,10,1,x,0,1\n"


def test_a_table_of_ones_own(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text(OWN)
    trace = traces.read(path, names=("a", "b"))
    assert trace.arrival_s.tolist() == [0.0, 5.0, 9.0]
    assert trace.gang.tolist() == [2, 1, 1]
    assert trace.tenant.tolist() == [1, 0, 0]
    assert trace.speed.tolist() == [[2.0, 1.0], [1.0, 0.5], [0.0, 1.0]]
    with pytest.raises(InvalidProblemError, match="needed also speed_c"):
        traces.read(path, names=("a", "c"))
    path.write_text(OWN.replace("100", "ten"))
    with pytest.raises(InvalidProblemError, match=r"work\[0\]: found 'ten'"):
        traces.read(path, names=("a", "b"))
    path.write_text(OWN.replace("100,1,", "100,1.5,"))
    with pytest.raises(InvalidProblemError, match=r"gang\[0\]: found 1.5"):
        traces.read(path, names=("a", "b"))


def test_columns_of_published_traces(tmp_path):
    path = tmp_path / "p.csv"
    path.write_text(
        "timestamp,duration,num_gpus,gpu_time,cluster\n"
        "2017-10-09 07:01:55,66.0,1,66.0,b\n2017-10-09 06:01:55,20.0,8,160.0,a\n"
    )
    trace = traces.read(path, names=("v100",))
    assert (trace.name, trace.arrival_s.tolist()) == ("philly", [0.0, 3600.0])
    assert (trace.gang.tolist(), trace.work.tolist()) == ([8, 1], [20.0, 66.0])
    path.write_text("arrival_time,length,cpus\n0.0,2.0,1\n0.5,1.0,3\n")
    trace = traces.read(path, names=("v100",))
    assert (trace.name, trace.arrival_s.tolist()) == ("pai", [0.0, 1800.0])
    assert trace.work.tolist() == [7200.0, 3600.0]
    path.write_text("")
    with pytest.raises(InvalidProblemError, match="found columns none"):
        traces.philly(path)


def test_gavels_file_needs_its_throughputs(tmp_path):
    path = tmp_path / "g.csv"
    path.write_text(
        "vc,line,job_type,total_steps,arrival_time_s,scale_factor\n"
        "a,0,ResNet-18 (batch size 16),100,6.0,2\nb,1,A3C,50,0.0,1\na,2,A3C,50,0.0,2\n"
    )
    with pytest.raises(InvalidProblemError, match="throughputs"):
        traces.read(path, names=("v100",))
    with pytest.raises(InvalidProblemError, match=r"no entry \('A3C', 2\)"):
        traces.gavel_file(path, SPEEDS)
    trace = traces.gavel_file(path, SPEEDS, unmeasured="leave_out")
    assert (len(trace), trace.work.tolist(), trace.whole_steps) == (2, [50.0, 100.0], True)


def test_philly_of_the_published_file():
    path = DATA / "traces" / "philly" / "philly.csv.gz"
    trace = traces.philly(path)
    assert (len(trace), int(trace.gang.max())) == (82_247, 128)
    day = trace.take(slice(0, 2000))
    r = replay(day, traces.Cluster([400]), "fifo", round_s=0)
    assert np.isfinite(r.end_s).all()


def test_the_command_prints_a_table_a_page_and_json(command, tmp_path):
    pytest.importorskip("highspy")
    path, out = tmp_path / "mine.csv", tmp_path / "out"
    path.write_text(OWN)
    asked = ["replay", str(path), "--cluster", "a=2,b=2", "--round-s", "10", "--policy", "fifo"]
    status, shown, _ = command(*asked, "--policy", "gridcompute", "--fairness", "--out", str(out))
    assert status == 0
    assert "gridcompute" in shown
    assert "worst" in shown
    page = (out / "replay.html").read_text()
    assert page.count("<svg") == 2
    assert (out / "results.csv").read_text().startswith("policy,jobs,completion_mean_h")
    status, shown, _ = command(*asked, "--json")
    assert status == 0
    assert json.loads(shown)["results"][0]["certificate"]["valid"] is True


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("--cluster", "a"), "needed NAME=DEVICES"),
        (("--cluster", "a=2,c=1"), "needed also speed_c"),
        (("--policy", "best"), "policy: found 'best'"),
        (("--policy", "best_fits"), "did you mean 'best_fit'?"),
        (("--jobs", "3"), "needed FIRST:END"),
        (("--jobs", "50:90"), "--jobs: found 50:90, needed some of the "),
        (("--cluster", "a=1,b=1"), "found 2 devices"),
    ],
)
def test_bad_input_costs_one_line(command, tmp_path, change, words):
    path = tmp_path / "mine.csv"
    path.write_text(OWN)
    status, _, complaint = command("replay", str(path), "--cluster", "a=2,b=2", *change)
    assert status == 2
    assert words in complaint
    assert complaint.count("\n") == 1
