"""The examples run as their docstrings say, on the real data where it is."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path

import numpy as np
import pytest

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


def load(name: str):
    """An example as a module; one may import another, as it does when run."""
    if str(EXAMPLES) not in sys.path:
        sys.path.append(str(EXAMPLES))
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def real_day():
    return load("real_day")


@pytest.fixture(scope="module")
def data(real_day):
    files = (real_day.TRACE, real_day.NODES, real_day.TENSOR, real_day.SPECS)
    missing = [f for f in files if not (real_day.DATA / f).exists()]
    if missing:
        pytest.skip(f"no real data here: ../shared/data lacks {', '.join(missing)}")
    return real_day.DATA


@pytest.mark.parametrize("days", [1, pytest.param(3, marks=pytest.mark.slow)])
def test_real_day(real_day, data, tmp_path, capsys, days):
    """If this fails, the main job no longer runs on real input."""
    arguments = ["--days", str(days), "--out", str(tmp_path), "--verify"]
    assert real_day.main(arguments) == 0
    out = capsys.readouterr().out
    assert "certificate: valid" in out
    assert "Scarcest slot classes" in out
    assert re.search(r"jobs placed +│ +[\d,]+", out)
    assert (tmp_path / "real_day.png").read_bytes().startswith(b"\x89PNG")


def test_slices_conserve_the_work(real_day, data):
    """A slice lost or doubled at the edges would change how many GPU-hours a day asks for."""
    trace = real_day.read_trace(data)
    assert len(trace["gpus"]) == 82_247
    whole = int(np.ceil(trace["start_h"] + trace["hours"]).max() - trace["start_h"].min()) + 2
    begin = int(np.floor(trace["start_h"].min()))
    slices = real_day.cut(trace, begin, whole)
    asked = np.bincount(slices.job, slices.gpus * slices.work_h)
    assert np.allclose(asked, trace["gpus"] * trace["hours"])
    assert (slices.work_h > 0).all()
    assert (slices.work_h <= 1).all()
    day = real_day.cut(trace, begin + 600, 24)
    inside = (slices.hour >= 600) & (slices.hour < 624)
    assert len(day.job) == inside.sum()


def test_the_inventory_is_lent_in_whole_nodes(real_day, data):
    kinds = real_day.read_kinds(data)
    assert kinds.gpus.sum() == 10_412
    assert (np.diff(kinds.speed) >= 0).all()
    assert kinds.speed[0] == 1.0
    lent = real_day.lend(kinds, 20_000, 24)
    assert (lent.gpus % lent.node_gpus == 0).all()
    assert 24 * (lent.gpus * np.floor(lent.speed)).sum() >= 20_000
    assert (lent.gpus <= kinds.gpus).all()


@pytest.mark.slow
def test_the_mandates_rules_differ_in_kind(monkeypatch, capsys):
    """If this fails, the rules no longer do what the page on green accounting says of them.

    A gap of 1 ends each solve after its first dive: few jobs in gangs leave a wide gap anyway.
    """
    monkeypatch.setattr("sys.argv", ["mandate_rules.py", "--jobs", "1000", "--gap", "1"])
    load("mandate_rules").main()
    out = capsys.readouterr().out
    assert "90 % hourly, operator" in out
    assert "certificates move nothing" in out


@pytest.fixture(scope="module")
def live_trace():
    return load("live_trace")


def plays(live_trace, tmp_path, capsys, *arguments: str) -> str:
    """What the example says, once it has drawn its picture."""
    assert live_trace.main([*arguments, "--out", str(tmp_path)]) == 0
    assert (tmp_path / "live_trace.png").read_bytes().startswith(b"\x89PNG")
    return capsys.readouterr().out


def test_live_trace(live_trace, data, tmp_path, capsys):
    """If this fails, live matching no longer plays the real trace."""
    out = plays(live_trace, tmp_path, capsys, "--data", str(data), "--days", "1", "--step", "15")
    assert "Philly from 2017" in out
    assert "the last answer is certified" in out


def test_live_trace_says_what_is_invented(live_trace, tmp_path, capsys):
    """Where the data is not, invented jobs are asked for by name, and named so."""
    out = plays(live_trace, tmp_path, capsys, "--synthetic", "--days", "1", "--step", "30")
    assert "SYNTHETIC jobs" in out
    assert live_trace.main(["--data", str(tmp_path)]) == 2
    assert "--synthetic" in capsys.readouterr().out


def test_live_trace_conserves_work_and_room(live_trace):
    """A job lost, run twice, or a slot taken twice would make all its figures wrong."""
    trace, kinds, price = live_trace.synthetic(12)
    pieces = live_trace.pieces_of(trace, 0, 12)
    parts = np.minimum(8, trace["gpus"]) * -(-trace["gpus"] // 8)
    assert pieces.gpus.sum() == trace["gpus"].sum() == parts.sum()
    slots = live_trace.cut(kinds._replace(gpus=kinds.node_gpus * 3), pieces)
    assert (slots.width * slots.room).sum() == (kinds.node_gpus * 3).sum()
    worlds = [live_trace.World(pieces, slots, price) for _ in range(2)]
    moved = 0
    for k in range(48):
        (m, _), (again, _) = [world.round(k * 0.25, 0.25) for world in worlds]
        assert m.objective == again.objective
        world = worlds[0]
        assert np.array_equal(world.home, worlds[1].home)
        running = world.live & (world.home >= 0)
        assert (np.bincount(world.home[running], minlength=len(slots.room)) <= slots.room).all()
        assert (slots.width[world.home[running]] >= pieces.gpus[running]).all()
        over = ~world.live[: world.arrived]
        assert (world.left_h[: world.arrived][over] <= 0).all()
        assert len(world.matcher) == world.live.sum()
        moved += int((m.changes["kind"] == "MOVE").sum())
        assert (m.changes["kind"] != "EVICT").all()
    assert moved
    assert over.any()
    assert (world.live & (world.home < 0)).any()
    assert world.matcher.match().verify().valid
