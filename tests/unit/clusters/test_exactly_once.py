"""Whatever dies, every job runs exactly once: the operator, an answer, a node, the disk."""

import contextlib
import dataclasses
import itertools
import json
import sqlite3
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import gridcompute as gc
from effort import examples
from gridcompute.clusters import Local, Order, local, reconcile
from gridcompute.clusters.config import read_config
from gridcompute.clusters.planning import GridTables
from gridcompute.clusters.protocol import ENDED
from gridcompute.errors import ClusterError, InvalidProblemError
from unit.clusters.operator_world import Crash, Trial, World, configured, watch


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("grid")


@pytest.fixture(scope="module")
def config(folder):
    return configured(folder)


@pytest.fixture(scope="module")
def tables(config):
    return GridTables(read_config(config))


@pytest.fixture
def world(config):
    for path in config.parent.glob("operator.sqlite*"):
        path.unlink()
    return World()


def submitted(config, world, tables, n=4, **more):
    with Trial(config, world, tables) as op:
        columns = {"accelerators": 2, "hours": 1.0, "from": "Hami", **more}
        row = {"script": str(config.parent / "job.sh"), **columns}
        ids = op.submit(table=[row] * n)
        op.state.run("UPDATE jobs SET submitted = ?", world.clock)
    return ids


def run(config, world, tables, hours=5, looks=4):
    """Operate until all is over, begun again whenever it dies; return the queue."""
    op = None
    for _ in range(looks * hours):
        try:
            op = op or Trial(config, world, tables)
            op.tick()
        except Crash:
            world.crash_at = (-1, "")
            if op is not None:
                op.state.close()
            op = None
        world.pass_(1 / looks)
    world.crash_at = (-1, "")
    with op or Trial(config, world, tables) as op:
        return op.queue()


def ran(world):
    return Counter(i for cluster in world.clusters.values() for i in cluster.ran)


def assert_all_once(world, ids, queue, where=""):
    assert ran(world) == Counter(ids), f"{where}: {ran(world)}"
    states = {job["id"]: job["state"] for job in queue["jobs"]}
    assert states == dict.fromkeys(ids, "done"), f"{where}: {states}"
    found = queue["totals"]["accelerator_h"]
    assert found == pytest.approx(len(ids) * 2 * 0.8), f"{where}: {found}"


@pytest.mark.parametrize("when", ["before", "after"])
def test_the_operator_may_die_at_any_call(config, world, tables, when, monkeypatch):
    """If this fails, a job is lost or runs twice after `kill -9` at one point of the loop."""
    at, step = FIRST, examples(31, 1)
    while True:
        for path in config.parent.glob("operator.sqlite*"):
            path.unlink()
        world = World()
        ids = submitted(config, world, tables, n=2)
        with monkeypatch.context() as patch:
            watch(world, patch)
            world.crash_at = (at, when)
            queue = run(config, world, tables, hours=3, looks=2)
        assert_all_once(world, ids, queue, f"died {when} call {at}")
        if world.calls < at:
            break
        at += step
    assert at > 150, "needed: calls at which it may die"


#: The first call at which the operator dies; a test of few tries takes every 31st from there on.
FIRST = 23


def lost_after(act):
    act()
    raise ClusterError("the connection broke off in the middle of the answer", maybe=True)


def dead_after(act):
    act()
    raise Crash


def lost_before(_):
    raise ClusterError("connection refused")


def unknown(_):
    raise ClusterError("no whole answer in 1 s", maybe=True)


def broken(_):
    raise KeyError("an adapter's own fault")


FAULT = """KeyError: "an adapter's own fault\""""


@pytest.mark.parametrize("fault", [lost_after, lost_before, unknown])
@pytest.mark.parametrize("name", ["start", "jobs", "capacity"])
def test_answers_may_be_lost(config, world, tables, name, fault):
    """If this fails, a job runs twice, or never, when a connection breaks off."""
    ids = submitted(config, world, tables)
    with Trial(config, world, tables) as op:
        op.tick()
        world.pass_(1.0)
    more = submitted(config, world, tables)
    for cluster in world.clusters.values():
        cluster.faults[name] = [fault] * 3
    queue = run(config, world, tables)
    assert_all_once(world, ids + more, queue, name)
    if name != "start":
        with Trial(config, world, tables) as op:
            told = [e["words"] for e in op.state.rows("SELECT words FROM events ORDER BY rowid")]
        assert any("gives no answer" in words for words in told), told
        assert any("answers again" in words for words in told), told


def test_a_request_that_arrives_late_does_not_make_two(config, world, tables):
    """If this fails, a job that was given up and planned again runs twice."""
    late = []

    def later(act):
        late.append(act)
        raise ClusterError("no answer", maybe=True)

    ids = submitted(config, world, tables, n=1)
    cluster = list(world.clusters.values())[1]
    cluster.faults["start"] = [later] * 8  # all of the first hour
    with Trial(config, world, tables) as op:
        for _ in range(3):
            op.tick()
            world.pass_(0.25)
        late[0]()
        world.pass_(0.25)
        op.tick()
    assert len(cluster.table) == 1
    queue = run(config, world, tables)
    assert_all_once(world, ids, queue)


def test_an_answer_that_comes_twice_ends_the_second(config, world, tables):
    """If this fails, a job that its cluster holds twice goes on twice."""
    ids = submitted(config, world, tables, n=1)
    with Trial(config, world, tables) as op:
        op.tick()
        cluster = next(c for c in world.clusters.values() if c.table)
        cluster.add(ids[0], 1, 2, 100.0)
        op.tick()
        states = sorted(seen.state for seen in cluster.table.values())
        assert states == ["cancelled", "running"]


@pytest.mark.parametrize("name", ["jobs", "start", "cancel"])
def test_an_adapters_own_fault_ends_nothing(config, world, tables, name):
    """If this fails, one adapter's mistake stops the operator for all clusters."""
    ids = submitted(config, world, tables)
    with Trial(config, world, tables) as op:
        op.open()
        for cluster in world.clusters.values():
            cluster.faults[name] = [broken]
        op.tick()
        if name == "jobs":
            assert {c["words"] for c in op.queue()["clusters"]} == {FAULT}
        op.tick()
        world.clusters["Hami"].add(ids[1], 1, 2, 100.0)  # to be ended
        op.tick()
        if name != "jobs":
            told = [e["words"] for e in op.state.rows("SELECT words FROM events")]
            assert any("an adapter's own fault" in words for words in told), told
    world.clusters["Hami"].ran.pop()
    assert_all_once(world, ids, run(config, world, tables))


def test_what_may_have_run_and_was_forgotten_is_not_run_again(config, world, tables, monkeypatch):
    """If this fails, a job runs twice where its cluster forgot it before anybody looked again.

    Once the operator dies with the order on its way, once its answer is lost and nobody answers.
    """
    monkeypatch.setattr(reconcile, "REMEMBERED_S", 25.0)
    for fault in ("crash", "lost"):
        for path in config.parent.glob("operator.sqlite*"):
            path.unlink()
        world = World()
        ids = submitted(config, world, tables, n=2)
        with Trial(config, world, tables) as op:
            op.open()
            for cluster in world.clusters.values():
                cluster.faults["start"] = [lost_after if fault == "lost" else dead_after]
            with contextlib.suppress(Crash):
                op.tick()
            began = sum(ran(world).values())
        world.pass_(3.0)
        for cluster in world.clusters.values():
            cluster.table.clear()
        queue = run(config, world, tables)
        assert max(ran(world).values()) == 1, (fault, ran(world))
        assert began > 0
        states = Counter(job["state"] for job in queue["jobs"])
        assert states == {"failed": 2}, (fault, queue)
        assert "it may have run" in queue["jobs"][0]["why"]
        assert set(ran(world)) <= set(ids)


def test_what_never_left_is_planned_elsewhere(config, world, tables):
    """If this fails, a job waits for a cluster that is away, though it never got there."""
    submitted(config, world, tables, n=1)
    away = list(world.clusters.values())[1]
    away.faults = {"start": [lost_before] * 9}
    with Trial(config, world, tables) as op:
        op.tick()
        away.faults |= {"jobs": [lost_before] * 99}
        op.tick()
        assert op.state.rows("SELECT state, sent FROM runs") == [{"state": "intent", "sent": None}]
        world.pass_(1.0)
        op.tick()
        states = [row["state"] for row in op.state.rows("SELECT state FROM runs ORDER BY attempt")]
        assert states == ["given up", "intent"]


@pytest.mark.parametrize("moved", [3600.0, -3600.0])
def test_a_cluster_whose_clock_is_wrong_leaves_no_load_out(config, world, tables, moved):
    """If this fails, what ran is in the account of another day, or in none."""
    ids = submitted(config, world, tables)
    cluster = world.clusters["Chongqing"]
    real = cluster.jobs

    def jobs():
        return [dataclasses.replace(s, start=s.start + moved, end=s.end + moved) for s in real()]

    cluster.jobs = jobs
    queue = run(config, world, tables)
    assert_all_once(world, ids, queue, moved)
    for job in queue["jobs"]:
        assert 0 <= job["start_h"] <= job["planned_h"] + 1, (moved, job)
        assert job["end_h"] - job["start_h"] == pytest.approx(0.8), (moved, job)
    with Trial(config, world, tables) as op:
        told = [e["words"] for e in op.state.rows("SELECT words FROM events")]
        assert any("the clock there differs by" in words for words in told), told
        load = sum(sum(r) for r in load_of(op))
        assert load > 0


def load_of(op):
    return [json.loads(r["record"])["load_kwh"] for r in op.state.rows("SELECT record FROM hours")]


def test_a_cluster_is_not_left_out_while_its_jobs_run(config, world, tables, tmp_path):
    """If this fails, an operator dies hours after a line of grid.toml was removed."""
    submitted(config, world, tables)
    with Trial(config, world, tables) as op:
        op.tick()
    less = config.with_name("less.toml")
    less.write_text(config.read_text().split("[clusters.Hami]")[0])
    with (
        Trial(less, world) as op,
        pytest.raises(InvalidProblemError, match=r"clusters.Hami: found no 'Ascend 910B', on"),
    ):
        op.tick()
    with Trial(config, world, tables) as op:
        world.pass_(1.0)
        op.tick()
        world.pass_(1.0)
        op.tick()
    problem = tables.world
    names = np.array([f"site {k}" for k in range(len(problem.sites.name))], object)
    names[[tables.site[name] for name in world.clusters]] = list(world.clusters)
    other = dataclasses.replace(read_config(config), folder=tmp_path)
    gc.grid.write_problem(
        problem.replace(sites=problem.sites.replace(name=tuple(names))), tmp_path, format="parquet"
    )
    with Trial(other, world) as op, pytest.raises(InvalidProblemError, match="found sites"):
        op.tick()


def test_processes_start_once_wherever_their_operator_dies(tmp_path, monkeypatch):
    """If this fails, `kill -9` between two lines of the adapter loses a job, or runs it twice."""
    count, left = 0, 10**9

    def counted(act):
        def call(*arguments, **more):
            nonlocal left
            left -= 1
            if left == 0:
                raise Crash
            done = act(*arguments, **more)
            left -= 1
            if left == 0:
                raise Crash
            return done

        return call

    for owner, name in (
        (Path, "mkdir"),
        (Path, "rename"),
        (local.shutil, "rmtree"),
        (local, "_write"),
        (local.subprocess, "run"),
    ):
        monkeypatch.setattr(owner, name, counted(getattr(owner, name)))
    orders = []
    for point in itertools.count(1, examples(4, 1)):
        script = f"#!/bin/sh\necho ran >>{tmp_path}/{point}\n"
        facts = {"user": "", "name": "", "accelerator": "A800", "count": 1}
        order = Order(
            id=f"abcdef-{point}", attempt=1, script=script, limit_s=60.0, memory_gb=1.0, **facts
        )
        here = Local(tmp_path / "jobs", {"A800": 99}, allow_root=True)
        left = point
        try:
            here.start(order)
        except Crash:
            count += 1
        over, left = left > 0, 10**9
        Local(tmp_path / "jobs", {"A800": 99}, allow_root=True).start(order)
        orders.append(point)
        if over:
            break
    end = time.monotonic() + 30
    while any(s.state not in ENDED for s in here.jobs()) and time.monotonic() < end:
        time.sleep(0.02)
    found = {p: (tmp_path / str(p)).read_text().split() for p in orders}
    assert found == {p: ["ran"] for p in orders}
    assert count >= 4


def test_a_script_that_writes_where_it_runs_changes_no_record(tmp_path):
    """If this fails, a file named `end` ends a job, or keeps all of a cluster's from being seen."""
    here = Local(tmp_path / "jobs", {"A800": 2}, allow_root=True)
    names = "order script run began pid end cancelled output"
    careless = f"#!/bin/sh\nfor f in {names}; do echo no >$f; done\nexit 3\n"
    hostile = "#!/bin/sh\ncd ..\necho no no >end\necho 1 2 >pid\nsleep 0.1\n"
    for k, script in enumerate((careless, hostile)):
        facts = {"user": "", "name": "", "accelerator": "A800", "count": 1}
        here.start(
            Order(id=f"abcdef-{k}", attempt=1, script=script, limit_s=9.0, memory_gb=1.0, **facts)
        )
    end = time.monotonic() + 30
    while time.monotonic() < end:
        seen = {s.id: (s.state, s.words) for s in here.jobs()}
        if all(state == "failed" for state, _ in seen.values()):
            break
        time.sleep(0.02)
    assert seen["abcdef-0"] == ("failed", "exit status 3")
    assert seen["abcdef-1"][0] == "failed"


def test_a_full_disk_starts_nothing_that_is_not_written_down(config, world, tables, monkeypatch):
    """If this fails, a job starts that nobody knows of, and starts again later."""
    ids = submitted(config, world, tables)
    real = sqlite3.connect
    full = sqlite3.OperationalError("database or disk is full")
    full.sqlite_errorcode = sqlite3.SQLITE_FULL

    class Full(sqlite3.Connection):
        full = False

        def execute(self, sql, *values):
            if Full.full and sql.startswith(("INSERT", "UPDATE")):
                raise full
            return super().execute(sql, *values)

    import gridcompute.clusters.state as module

    monkeypatch.setattr(module.sqlite3, "connect", lambda *a, **k: real(*a, **k, factory=Full))
    with Trial(config, world, tables) as op:
        op.open()
        Full.full = True
        with pytest.raises(OSError, match="disk is full"):
            op.tick()
        assert not ran(world)
        Full.full = False
    assert_all_once(world, ids, run(config, world, tables))


def test_a_node_that_is_removed_puts_its_job_back_into_the_queue(config, world, tables):
    """If this fails, what a failed node ran is lost, or tried for ever."""
    ids = submitted(config, world, tables, n=1)
    with Trial(config, world, tables) as op:
        for attempt in range(1, 6):
            op.tick()
            found = [(c, s) for c in world.clusters.values() for s in c.table.values()]
            running = [(c, s) for c, s in found if s.state == "running"]
            if attempt > 1 + op.config.retries:
                break
            ((cluster, seen),) = running
            assert seen.attempt == attempt
            cluster.end(seen.cluster_id, "node_failure")
            world.pass_(1.0)
        (job,) = op.queue()["jobs"]
        assert job["state"] == "failed"
        assert "its node failed 4 times" in job["why"]
        assert len(found) == 4
        assert ids == [job["id"]]


@pytest.mark.parametrize("how", ["cancelled", "timeout", "failed"])
def test_what_ends_otherwise_is_not_run_again(config, world, tables, how):
    """If this fails, a job that was cancelled from outside, or failed, comes back."""
    submitted(config, world, tables, n=1)
    with Trial(config, world, tables) as op:
        op.tick()
        cluster = next(c for c in world.clusters.values() if c.table)
        world.pass_(0.5)
        cluster.end("1", how)
        for _ in range(3):
            op.tick()
            world.pass_(1.0)
        (job,) = op.queue()["jobs"]
        assert job["state"] == ("cancelled" if how == "cancelled" else "failed")
        words = {"cancelled": "cancelled on its cluster", "timeout": "past its limit"}
        assert words.get(how, "failed") in job["why"]
        assert job["end_h"] == pytest.approx(0.5)
        assert sum(ran(world).values()) == 1


def test_a_job_is_cancelled_wherever_it_is(config, world, tables):
    """If this fails, a cancelled job runs, or runs on."""
    waits, runs = submitted(config, world, tables, n=2)
    with Trial(config, world, tables) as op:
        assert op.cancel(waits) == "cancelled"
        op.tick()
        assert op.cancel(runs) == "starting"
        op.tick()
        world.pass_(0.1)
        op.tick()
        assert {j["id"]: j["state"] for j in op.queue()["jobs"]} == {
            waits: "cancelled",
            runs: "cancelled",
        }
        assert op.cancel(runs) == "cancelled"
    assert ran(world) == {runs: 1}


def test_a_job_that_its_cluster_forgot_is_not_run_again(config, world, tables):
    """If this fails, a controller that lost its records makes every job run twice."""
    submitted(config, world, tables, n=1)
    with Trial(config, world, tables) as op:
        op.tick()
        op.tick()
        cluster = next(c for c in world.clusters.values() if c.table)
        cluster.table.clear()
        for _ in range(3):
            world.pass_(1.0)
            op.tick()
        (job,) = op.queue()["jobs"]
        assert (job["state"], sum(ran(world).values())) == ("failed", 1)
        assert "no longer knows it" in job["why"]


def test_a_clock_that_is_set_moves_no_hour(config, tables, world, monkeypatch):
    """If this fails, a clock set back plans an hour twice, or one set forward leaves hours out."""
    from gridcompute.clusters import operator as module

    op = module.Operator(config, clusters=world.clusters)
    with op:
        op._tables = tables
        op.open()
        real = module.time.time
        for moved in (3600.0, -86_400.0):
            with monkeypatch.context() as patch:
                patch.setattr(module.time, "time", lambda moved=moved: real() + moved)
                assert op.now_h() < 1.0
        told = [e["words"] for e in op.state.rows("SELECT words FROM events ORDER BY rowid")]
        assert any("clock of this machine was moved by +3600 s" in words for words in told), told
        assert any("by -86400 s" in words for words in told), told


def test_a_second_operator_is_refused(config, world, tables):
    """If this fails, two operators start the same jobs."""
    with Trial(config, world, tables) as op:
        op.tick()
        with (
            Trial(config, world, tables) as other,
            pytest.raises(InvalidProblemError, match="another operator at work"),
        ):
            other.tick()
        op.tick()  # and the first goes on


@pytest.mark.parametrize("hours", [-2.5, 4.5])
def test_a_machine_whose_clock_was_set_over_a_restart_plans_no_hour_twice(
    config, world, tables, hours
):
    """If this fails, the same hour's jobs are decided, and its load recorded, twice."""
    ids = submitted(config, world, tables)
    with Trial(config, world, tables) as op:
        for _ in range(3):
            op.tick()
            world.pass_(1.0)
    world.clock += hours * 10
    queue = run(config, world, tables, hours=6)
    assert ran(world) == Counter(ids)
    assert [j["planned_h"] for j in queue["jobs"]] == [0] * len(ids)
    with Trial(config, world, tables) as op:
        closed = [row["hour"] for row in op.state.rows("SELECT hour FROM hours ORDER BY hour")]
        told = [e["words"] for e in op.state.rows("SELECT words FROM events")]
    assert closed == list(range(len(closed)))
    assert told.count("the operator begins") == 2, told
