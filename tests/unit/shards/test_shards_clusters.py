"""Dask and Ray, real schedulers: the bits of memory, partitions of any size, workers that die."""

import os
import signal
import threading
import time

import numpy as np
import pytest

import gridcompute as gc
from shard_cases import in_memory, make, make_formula

pd = pytest.importorskip("pandas")
pa = pytest.importorskip("pyarrow")

# Clusters leave sockets and processes to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore")

JOBS, SLOTS = 110_000, 40


@pytest.fixture(scope="module")
def jobs():
    columns, terms, capacity = make(JOBS, SLOTS, 21)
    return pd.DataFrame(columns), terms, capacity, in_memory(columns, terms, capacity)


# ---------------------------------------------------------------- Dask


@pytest.fixture
def client(dask_client):
    """The cluster of two processes, also after a test that killed one."""
    dask_client.wait_for_workers(2)
    return dask_client


def partitions(frame, cuts):
    """A Dask DataFrame with partitions that end at these rows."""
    dd = pytest.importorskip("dask.dataframe")
    parts = [frame.iloc[a:b] for a, b in zip([0, *cuts], [*cuts, len(frame)], strict=True)]
    from dask import delayed

    return dd.from_delayed([delayed(part) for part in parts], meta=frame.iloc[:0])


CUTS = {
    "unbalanced, empty ones": [0, 1, 50_000, 50_000, 52_047, 109_000],
    "all rows in one": [JOBS, JOBS],
}


@pytest.mark.parametrize("cut", CUTS)
def test_dask_answers_what_memory_does(client, jobs, cut):
    """Partitions of any size; the Series has the frame's partitions and index."""
    import gridcompute.dask

    frame, terms, capacity, memory = jobs
    named = frame.set_index(np.arange(JOBS)[::-1].copy())
    split = partitions(named, CUTS[cut])
    m = gridcompute.dask.transport(client, split, capacity, terms=terms)
    assert (m.objective, m.bound, m.status) == (memory.objective, memory.bound, "optimal")
    series = m.assignment.compute()
    assert (series.to_numpy() == memory.assignment).all()
    assert (series.index == named.index).all()
    assert (series.name, series.dtype) == ("slot", np.int32)
    assert m.assignment.npartitions == split.npartitions
    certificate = m.verify()
    assert certificate.valid, certificate.reasons


def test_dask_says_what_does_not_fit(client, jobs):
    """A column that is missing, a null, a key beyond its table, and no frame at all."""
    import gridcompute.dask

    frame, terms, capacity, _ = jobs
    solve = gridcompute.dask.transport
    with pytest.raises(TypeError, match="Dask DataFrame"):
        solve(client, frame, capacity, terms=terms)
    with pytest.raises(gc.InvalidProblemError, match="no column 'data'"):
        solve(client, partitions(frame.drop(columns="data"), []), capacity, terms=terms)
    few = frame.iloc[:1000].copy()
    few.loc[3, "data"] = np.nan
    with pytest.raises(gc.InvalidProblemError, match="a null in 'data' of partition 0"):
        solve(client, partitions(few, []), capacity, terms=terms)
    few = frame.iloc[:1000].copy()
    few.loc[700, "family"] = 9
    with pytest.raises(gc.InvalidProblemError, match=r"key\[700\]: found 9"):
        solve(client, partitions(few, [100]), capacity, terms=terms)
    none = solve(client, partitions(frame.iloc[:1000], [100]), capacity // JOBS, terms=terms)
    assert none.status == "infeasible"
    assert none.verify().valid, "the witness is checked where the jobs are"


@pytest.mark.parametrize("stage", ["samples", "scan", "assign", "proof"])
def test_a_dask_worker_is_killed_in_the_middle(client, jobs, stage):
    """SIGKILL to a worker as a stage begins: the other one computes what is lost again."""
    import gridcompute.dask

    frame, terms, capacity, memory = jobs
    split = partitions(frame, [30_000, 60_000, 60_000, 90_000])
    victim = next(iter(client.run(os.getpid).values()))
    killed = []

    def kill():
        killed.append(victim)
        os.kill(victim, signal.SIGKILL)

    def watch(progress):
        if progress.stage == stage and not killed:
            kill()

    m = gridcompute.dask.transport(client, split, capacity, terms=terms, progress=watch)
    if stage == "proof":
        kill()
        certificate = m.verify()
        assert certificate.valid, certificate.reasons
    assert killed, "the stage was never shown"
    assert (m.objective, m.bound) == (memory.objective, memory.bound)
    assert (m.assignment.compute().to_numpy() == memory.assignment).all()


def test_dask_workers_compile_a_formula(client):
    """A kernel goes to the workers as it is, and finds the types of the frame's columns."""
    import gridcompute.dask

    pytest.importorskip("numba")
    columns, cost, capacity = make_formula(JOBS, SLOTS, 8)
    memory = gc.transport(cost.with_jobs(columns), capacity)
    split = partitions(pd.DataFrame(columns), [30_000, 30_000, 70_000])
    m = gridcompute.dask.transport(client, split, capacity, cost=cost)
    assert (m.objective, m.bound, m.status) == (memory.objective, memory.bound, "optimal")
    assert (m.assignment.compute().to_numpy() == memory.assignment).all()
    assert m.verify().valid
    with pytest.raises(TypeError, match="not a column of rows"):
        gridcompute.dask.transport(client, split, capacity, cost="job_work")


# ---------------------------------------------------------------- Ray


@pytest.fixture(scope="module")
def cluster(jobs):
    """A Ray of two CPUs on this machine."""
    ray = pytest.importorskip("ray")
    pytest.importorskip("ray.data")
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    try:
        yield ray
    finally:
        ray.shutdown()


def blocks(ray, frame, cuts):
    """A Dataset with blocks that end at these rows."""
    parts = [frame.iloc[a:b] for a, b in zip([0, *cuts], [*cuts, len(frame)], strict=True)]
    return ray.data.from_pandas(parts)


def test_ray_answers_what_memory_does(cluster, jobs):
    """Blocks of any size; the Dataset is in the same order, and the proof holds."""
    import gridcompute.ray

    frame, terms, capacity, memory = jobs
    dataset = blocks(cluster, frame, [1, 1, 50_000, 52_047])
    m = gridcompute.ray.transport(dataset, capacity, terms=terms, num_actors=2)
    assert (m.objective, m.bound, m.status) == (memory.objective, memory.bound, "optimal")
    assert (m.assignment.to_pandas()["slot"].to_numpy() == memory.assignment).all()
    certificate = m.verify()
    assert certificate.valid, certificate.reasons
    mixed = cluster.data.from_arrow(pa.Table.from_pandas(frame[:9])).union(dataset)
    m = gridcompute.ray.transport(mixed, capacity, terms=terms, num_actors=1)
    assert m.verify().valid, "blocks of Arrow and of pandas in one dataset"
    with pytest.raises(TypeError, match="Ray Dataset"):
        gridcompute.ray.transport(frame, capacity, terms=terms)
    bad = blocks(cluster, frame.drop(columns="data").iloc[:10], [])
    with pytest.raises(gc.InvalidProblemError, match="no column 'data'"):
        gridcompute.ray.transport(bad, capacity, terms=terms)
    few = blocks(cluster, frame.iloc[:1000], [100])
    none = gridcompute.ray.transport(few, capacity // JOBS, terms=terms, num_actors=1)
    assert none.status == "infeasible"
    assert none.verify().valid, "the witness is checked where the jobs are"


def test_ray_actors_compile_a_formula(cluster):
    """A kernel goes to the actors as it is; blocks tell the types of its columns."""
    import gridcompute.ray

    pytest.importorskip("numba")
    columns, cost, capacity = make_formula(JOBS, SLOTS, 8)
    memory = gc.transport(cost.with_jobs(columns), capacity)
    dataset = blocks(cluster, pd.DataFrame(columns), [70_000])
    m = gridcompute.ray.transport(dataset, capacity, cost=cost, num_actors=2)
    assert (m.objective, m.bound, m.status) == (memory.objective, memory.bound, "optimal")
    assert (m.assignment.to_pandas()["slot"].to_numpy() == memory.assignment).all()


@pytest.mark.parametrize("stage", ["samples", "scan", "assign"])
def test_a_ray_actor_is_killed_in_the_middle(cluster, jobs, stage):
    """SIGKILL to an actor as a stage begins: it is started again, to the same bits.

    At first all rows are in one block, of an only actor.
    """
    import gridcompute.ray

    frame, terms, capacity, memory = jobs
    cuts = [] if stage == "samples" else [40_000, 80_000]
    dataset, actors = blocks(cluster, frame, cuts), min(2, len(cuts) + 1)
    killed = []

    def kill_one():
        import psutil

        for process in psutil.process_iter(["cmdline"]):
            line = " ".join(process.info["cmdline"] or [])
            if line.startswith("ray::_ShardActor") and not killed:
                killed.append(process.pid)
                process.kill()

    def watch(progress):
        if progress.stage == stage and not killed:
            thread = threading.Thread(target=kill_one)
            thread.start()
            thread.join()
            time.sleep(0.1)

    m = gridcompute.ray.transport(dataset, capacity, terms=terms, num_actors=actors, progress=watch)
    assert killed, "no actor was found"
    assert (m.objective, m.bound) == (memory.objective, memory.bound)
    assert (m.assignment.to_pandas()["slot"].to_numpy() == memory.assignment).all()
