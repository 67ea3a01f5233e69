"""Problems and plans are values: no array or dict that is handed out or taken in changes them."""

import copy
import dataclasses
import pickle

import numpy as np
import pyarrow as pa
import pytest

import gridcompute as gc
from grid_oracles import greedy_plan
from gridcompute import grid


@pytest.fixture
def plan():
    """A fresh plan of sixty jobs, some of them left out."""
    problem = grid.east_west(n_jobs=60, seed=4)
    jobs = problem.jobs.replace(memory_gb=np.where(np.arange(60) % 9, 1.0, 1e6))
    ledger = grid.Ledger(window=3)
    return greedy_plan(
        problem.replace(
            jobs=jobs,
            mandate=dataclasses.replace(problem.mandate, ledger=ledger),
            direct_rule=grid.DirectRule(),
        )
    )


def arrays_in(value, where, seen):
    """Every array that can be reached through public names, with its place in words."""
    if id(value) in seen or isinstance(value, (str, bytes, type)):
        return
    seen.add(id(value))
    if isinstance(value, np.ndarray):
        yield where, value
    elif isinstance(value, dict):
        for key, entry in value.items():
            yield from arrays_in(entry, f"{where}[{key!r}]", seen)
    elif isinstance(value, tuple):
        for i, entry in enumerate(value):
            yield from arrays_in(entry, f"{where}[{i}]", seen)
    elif type(value).__module__.startswith("gridcompute"):
        for name in dir(value):
            if name.startswith("_") or callable(getattr(value, name)):
                continue
            yield from arrays_in(getattr(value, name), f"{where}.{name}", seen)


def kept(plan):
    """Every array that a plan keeps and hands out, its table's with them."""
    yield from arrays_in(plan, "plan", set())
    yield from arrays_in(plan.table(), "plan.table()", set())
    yield from arrays_in(plan.problem.sites.pue, "plan.problem.sites.pue", set())


def is_computed_anew(where):
    """Is it computed at each call, so that a write to it reaches nothing?"""
    return where.endswith(("dispatch.green_kwh", "dispatch.load_kwh", "corridors.latency_ms"))


def test_no_array_of_a_plan_can_be_written_to(plan):
    """If this fails, who plots a plan changes what the ledger records of it."""
    found = dict(kept(plan))
    for needed in ("plan.assignment", "plan.green['n2_hourly']", "plan.table()['energy_kwh']"):
        assert needed in found
    for needed in ("plan.problem.pue", "plan.free[0]", "plan.problem.jobs.gang"):
        assert any(where.endswith(needed.partition(".")[2]) for where in found), needed
    assert len(found) > 80
    for where, array in found.items():
        if is_computed_anew(where):
            continue
        assert not array.flags.writeable, f"{where} can be written to"
        with pytest.raises(ValueError, match="WRITEABLE"):
            array.flags.writeable = True


def test_dicts_of_a_plan_are_fresh_ones(plan):
    """If this fails, an entry set in a dict that a plan handed out is there the next time."""
    for hand_out in (lambda: plan.green, lambda: plan.table(), lambda: plan.reasons):
        before = dict(hand_out())
        assert before
        taken = hand_out()
        taken.clear()
        assert set(hand_out()) == set(before)
    with pytest.raises(TypeError, match="read-only"):
        plan.stats["passes"] = 0
    with pytest.raises(TypeError, match="read-only"):
        grid_plan_stats(plan)["seconds"].update(dive=0.0)


def grid_plan_stats(plan):
    """The statistics of the same plan made with nested ones."""
    return dataclasses.replace(plan, stats={"seconds": {"dive": 1.0}}).stats


def test_the_arrays_that_a_plan_was_made_from_can_be_written_to(plan):
    """If this fails, a caller who reuses a buffer changes a plan that was verified before."""
    klass, start, stats = plan.assignment.copy(), plan.start.copy(), {"passes": 1}
    made = dataclasses.replace(plan, assignment=klass, start=start, stats=stats)
    cost = made.verify().objective_yuan
    klass[:], start[:], stats["passes"] = -1, -1, 9
    np.testing.assert_array_equal(made.assignment, plan.assignment)
    np.testing.assert_array_equal(made.start, plan.start)
    assert made.stats["passes"] == 1
    assert made.verify().objective_yuan == cost


# ---------------------------------------------------------------- what a caller still holds


def plain(array):
    own = array.copy()
    return own, own


def read_only_view(array):
    """As pandas hands out a column: a view that is read-only, on memory that is not."""
    own = array.copy()
    view = own[:]
    view.flags.writeable = False
    return view, own


def broadcast(array):
    own = array.copy()
    return np.broadcast_to(own, own.shape), own


def buffer(array):
    """Bytes that can be written to, behind an array that cannot."""
    raw = bytearray(array.tobytes())
    shown = np.frombuffer(raw, array.dtype)
    given = shown.view()
    given.flags.writeable = False
    return given, shown


def arrow(array):
    """An Arrow array over memory of the caller's, as `from_arrow` takes it in."""
    own = array.copy()
    return pa.array(own).to_numpy(), own


@pytest.mark.parametrize("given", [plain, read_only_view, broadcast, buffer, arrow])
def test_a_later_write_to_the_callers_array_changes_no_table(
    given,
):
    """If this fails, a problem that was checked once holds what nobody has checked."""
    handed, own = given(np.array([1.0, 2.0, 3.0]))
    whole, own_whole = given(np.array([1, 2, 3], np.int32))
    jobs = grid.Jobs(gang=whole, work_h=handed, origin=0, deadline=5, value_yuan=handed)
    own[:], own_whole[:] = np.nan, -7
    np.testing.assert_array_equal(jobs.work_h, [1, 2, 3])
    np.testing.assert_array_equal(jobs.value_yuan, [1, 2, 3])
    np.testing.assert_array_equal(jobs.gang, [1, 2, 3])


def test_a_plan_stays_true_when_the_callers_arrays_are_written_to():
    """If this fails, a plan verifies only until its caller uses the memory for the next day."""
    made, own = grid.east_west(n_jobs=80, seed=1), {}
    tables = {}
    for name in ("jobs", "sites", "classes", "energy", "corridors", "quotas"):
        table = getattr(made, name)
        own[name] = {column: getattr(table, column).copy() for column in table.columns()}
        tables[name] = table.replace(**own[name])
    problem = made.replace(**tables)
    found = gc.match(problem, gap=0.9, time_limit=0.2)
    before = found.verify()
    assert before.valid, str(before)
    for columns in own.values():
        for array in columns.values():
            array[...] = np.zeros_like(array)
    again = found.verify()
    assert again.valid, str(again)
    assert (again.objective_yuan, again.bound_yuan) == (before.objective_yuan, before.bound_yuan)


def test_tables_share_the_columns_that_did_not_change(plan):
    """If this fails, each `replace` of a large batch copies all of its columns."""
    jobs = plan.problem.jobs
    other = jobs.replace(value_yuan=jobs.value_yuan + 1)
    assert np.shares_memory(other.gang, jobs.gang)
    assert not np.shares_memory(other.value_yuan, jobs.value_yuan)


def test_masked_arrays_are_refused():
    """If this fails, an entry that a mask hides is taken for a number."""
    hidden = np.ma.masked_array([1.0, 2.0], mask=[False, True])
    with pytest.raises(TypeError, match=r"jobs\.work_h must be a plain array"):
        grid.Jobs(gang=1, work_h=hidden, origin=0, deadline=5, value_yuan=1.0)


@pytest.mark.parametrize("copied", [lambda x: pickle.loads(pickle.dumps(x)), copy.deepcopy])
def test_copies_are_as_read_only(plan, copied):
    """If this fails, a plan that went through a queue can be written to on the other side."""
    assert plan.green
    again = copied(plan)
    assert again.verify().valid
    for where, array in kept(again):
        assert is_computed_anew(where) or not array.flags.writeable, where
    with pytest.raises(TypeError, match="read-only"):
        again.stats["passes"] = 0
    np.testing.assert_array_equal(again.assignment, plan.assignment)


# ---------------------------------------------------------------- what if


@pytest.mark.parametrize("n_jobs", [0, 1, 59, 61, 200])
def test_a_what_if_with_other_jobs_can_be_read(plan, n_jobs):
    """If this fails, adding one job to a batch ends the comparison in numpy's words."""
    more = grid.east_west(n_jobs=max(n_jobs, 1), seed=5).jobs
    more = more.replace(**{name: getattr(more, name)[:n_jobs] for name in more.columns()})
    outcome = grid.whatif(plan, jobs=more, gap=0.9, time_limit=0.2)
    assert outcome.moved is None
    assert f"60 jobs before, {n_jobs} after" in str(outcome)
    assert outcome.after.verify().valid
