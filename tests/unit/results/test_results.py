"""Results as values: pickled, copied, sent to a worker, shown in a notebook, read by Arrow."""

import copy
import os
import pickle
from dataclasses import replace

import numpy as np
import pytest

import gridcompute as gc
from gridcompute import InvalidProblemError, _html
from result_cases import CAPACITY, COST, RESULTS, TALL, handled, plan, public_types, returned_types


def same(a, b):
    """Are two results equal, field by field, as deep as they go?"""
    if type(a) is not type(b):
        return False
    if isinstance(a, np.ndarray):
        equal_nan = a.dtype.kind == "f"
        return a.dtype == b.dtype and np.array_equal(a, b, equal_nan=equal_nan)
    if isinstance(a, float):
        return a == b or (a != a and b != b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, (tuple, list)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, gc.Terms):
        return same(a.terms, b.terms)
    if type(a).__eq__ is object.__eq__ and hasattr(a, "__dict__"):
        first, second = fields(a), fields(b)
        return all(same(first[name], second[name]) for name in set(first) & set(second))
    if type(a).__eq__ is object.__eq__:
        return pickle.dumps(a) == pickle.dumps(b)
    return bool(np.all(a == b))


def fields(result):
    """The fields of a result, those of the problem left out."""
    inputs = {"question", "problem", "warm_start", "_problem", "_exact", "_question"}
    kept = vars(result) if hasattr(result, "__dict__") else {"": result}
    return {name: value for name, value in kept.items() if name not in inputs}


def sent(result):
    return pickle.loads(pickle.dumps(result))


def check_equal(again, result):
    """What came back is the result, field by field, and as read-only."""
    assert type(again) is type(result)
    assert str(again) == str(result)
    first, second = fields(result), fields(again)
    for name in set(first) & set(second):  # what is computed on demand may be in one of them
        assert same(first[name], second[name]), (name, first[name], second[name])
        if isinstance(first[name], np.ndarray) and not first[name].flags.writeable:
            assert not second[name].flags.writeable, name


@pytest.mark.parametrize("make", RESULTS.values(), ids=RESULTS)
@pytest.mark.parametrize("way", [sent, copy.copy, copy.deepcopy], ids=["pickle", "copy", "deep"])
def test_results_survive(make, way):
    """If this fails, a worker cannot send back what it found, or a copy differs from it."""
    result = make()
    check_equal(way(result), result)


# Public classes whose objects are no results: why none is sent to a worker.
NOT_SENT = {
    "gridcompute.Certificate": "the base of the others",
    "gridcompute.Matcher": "a live world: `snapshot` and `restore` move it",
    "gridcompute.clusters.Cluster": "a protocol",
    "gridcompute.clusters.Local": "processes of this machine",
    "gridcompute.clusters.Operator": "a live operator: its state is a file",
    "gridcompute.clusters.Order": "what an operator hands to a cluster",
    "gridcompute.clusters.Seen": "what a cluster says of a job",
    "gridcompute.clusters.Slurm": "a connection",
    "gridcompute.grid.Rolling": "a live operator: `snapshot` and `restore` move it",
    "gridcompute.grid.LedgerRepair": "says what happened to a file of this machine",
    "gridcompute.pack.Packer": "a live cluster",
    "gridcompute.shards.GeneratedJobs": "a source, for this process",
    "gridcompute.shards.ParquetJobs": "a source, for this process",
    "gridcompute.shards.ShardSource": "the base of sources",
    "gridcompute.traces.View": "what a policy sees in a round, and no longer",
}


def test_every_public_type_is_sent():
    """If this fails, a new result is public and nobody has tried to send it to a worker."""
    tried = {type(make()) for make in RESULTS.values()}
    missing = {name for name, cls in public_types().items() if cls not in tried}
    assert missing == NOT_SENT.keys()


def test_jobs_in_shards_stay_where_they_are():
    """If this fails, a pickled answer over shards takes its jobs along, or checks nothing."""
    m = RESULTS["ShardedMatching"]()
    again = sent(m)
    assert np.asarray(again.assignment).tolist() == np.asarray(m.assignment).tolist()
    assert m.verify().valid
    with pytest.raises(InvalidProblemError, match="found no source of jobs"):
        again.verify()


# Classes that public calls return, but are no results of their own.
PARTS_OF_OTHERS = {
    "gridcompute.clusters.planning.GridTables": "tables that an operator reads again",
    "gridcompute.costs.kernels.Kernel": "a formula, compiled for this process",
    "gridcompute.green.tables.Checked": "a table of a claim",
    "gridcompute.grid.tables.column.Columns": "the base of tables",
    "gridcompute.grid.tables.column.Table": "the base of tables",
    "gridcompute.grid.tables.mandate.DirectRows": "rows of a program, made from the tables",
    "gridcompute.grid.tables.mandate.MandateRows": "rows of a program, made from the tables",
    "gridcompute.grid.tables.quotas.QuotaRows": "rows of a program, made from the tables",
    "gridcompute.live.gang_rules.Queues": "what `fair.Queues` has",
    "gridcompute.plot.matching.MatchingPlots": "draws the answer that it belongs to",
    "gridcompute.plot.plan.PlanPlots": "draws the answer that it belongs to",
    "gridcompute.plot.replay.ReplayPlots": "draws the answer that it belongs to",
    "gridcompute.plot.rolling.RollingPlots": "draws the answer that it belongs to",
    "gridcompute.results.explanation.TransportProblem": "what a live answer was asked, beside it",
    "gridcompute.shards.cost_specs.PartColumns": "what a source reads, for this process",
    "gridcompute.traces.policies._Shares": "the state of a policy in a replay",
    "gridcompute.traces.policies._Worth": "the state of a policy in a replay",
}


def test_every_type_that_a_call_returns_is_sent():
    """If this fails, a call returns a class that nobody has tried to send to a worker."""
    tried = {type(make()) for make in RESULTS.values()}
    found = returned_types()
    assert len(found) > 40, sorted(found)
    public = set(public_types().values())
    missing = {name for name, cls in found.items() if cls not in tried | public}
    assert missing <= PARTS_OF_OTHERS.keys(), sorted(missing - PARTS_OF_OTHERS.keys())


def test_every_result_goes_through_joblib():
    """If this fails, `joblib.Parallel` cannot take results to its processes and bring them back."""
    joblib = pytest.importorskip("joblib")
    results = {name: make() for name, make in RESULTS.items()}
    with joblib.parallel_config("loky", n_jobs=2):
        back = joblib.Parallel()(joblib.delayed(handled)(r) for r in results.values())
    for result, (kind, text, again) in zip(results.values(), back, strict=True):
        assert (kind, text) == (type(result).__name__, str(result))
        check_equal(again, result)


@pytest.mark.filterwarnings("ignore")  # clusters leave sockets to the garbage collector
def test_every_result_goes_through_a_dask_worker(dask_client):
    """If this fails, a worker of Dask, another process, cannot take a result and send it back."""
    results = {name: make() for name, make in RESULTS.items()}
    sent = [dask_client.submit(handled, r, pure=False) for r in results.values()]
    back = dask_client.gather(sent)
    assert dask_client.submit(os.getpid).result() != os.getpid()
    for result, (kind, text, again) in zip(results.values(), back, strict=True):
        assert (kind, text) == (type(result).__name__, str(result))
        check_equal(again, result)


@pytest.mark.parametrize("name", ["Matching", "Matching of gangs", "Matching that is infeasible"])
def test_a_pickled_matching_asks_for_its_cost(name):
    """If this fails, the cost travels with every answer, or the error says nothing."""
    m = RESULTS[name]()
    again = sent(m)
    with pytest.raises(InvalidProblemError, match=r"needed the cost .* verify\(cost\)"):
        again.verify()
    assert again.verify(COST) == m.verify()
    assert again.verify(cost=COST, threads=1).valid
    assert str(again.explain(0, cost=COST)) == str(m.explain(0))
    with pytest.raises(InvalidProblemError, match="needed the cost"):
        again.explain(0)
    with pytest.raises(InvalidProblemError, match=r"found shape \(3, 3\), needed .*\(4, 3\)"):
        again.verify(COST[:3])
    assert copy.copy(m).verify() == copy.deepcopy(m).verify() == m.verify()
    assert same(sent(again).assignment, m.assignment)


def test_a_matching_is_refuted_by_another_cost():
    m = gc.transport(COST, CAPACITY)
    other = COST.copy()
    other[3] += 1.0
    assert not m.verify(other)
    assert m.verify()
    big = gc.transport(np.random.default_rng(0).random((20_000, 50)), np.full(50, 400))
    assert len(pickle.dumps(big)) < 200_000


def test_a_pickled_assignment_asks_for_its_costs():
    unsigned = np.array([[2**63, 2**63 + 5], [1, 2**63]], np.uint64)
    for costs, maximize in ((COST, False), (COST[:2, :2], True), (TALL, False), (unsigned, False)):
        answer = gc.assignment(costs, maximize=maximize)
        again = sent(answer)
        with pytest.raises(InvalidProblemError, match=r"pass them, as in verify\(cost_matrix\)"):
            again.verify()
        assert again.verify(costs).valid, (costs, again.verify(costs))
        assert again.gap == answer.gap
        with pytest.raises(InvalidProblemError, match="found shape"):
            again.verify(np.zeros((7, 7)))
    dense = TALL.toarray()
    dense[dense == 0] = np.inf
    assert sent(gc.assignment(TALL)).verify(dense).valid
    assert sent(gc.assignment(dense)).verify(TALL).valid


def test_a_pickled_flow_proves_itself_and_starts_a_solve_cold():
    problem = ([0, 0, 1], [1, 2, 2], [3, 2, 9], [1, 4, 1], [4, 0, -4])
    f = gc.min_cost_flow(*problem)
    again = sent(f)
    assert again.verify().valid
    assert again.stats == f.stats
    later = gc.min_cost_flow(*problem, start=again)
    assert later.objective == f.objective
    assert not later.stats["warm"]
    assert gc.min_cost_flow(*problem, start=copy.deepcopy(f)).stats["warm"]
    with pytest.raises(ValueError, match="read-only"):
        again.flow[0] = 1


CERTIFICATES = [
    name for name in RESULTS if "ertificate" in name or name in ("Flow", "Matching", "Replay")
]


@pytest.mark.parametrize("name", [n for n in RESULTS if "ertificate" in n])
def test_certificates_have_one_base(name):
    """If this fails, `if answer.verify():` means another thing of another answer."""
    found = RESULTS[name]()
    assert isinstance(found, gc.Certificate)
    assert found
    assert found.valid is True
    assert found.reasons == ()
    assert found.gap >= 0.0
    assert found.objective is not None
    assert found.bound is not None
    assert "yes" in found._repr_html_()


def test_a_certificate_that_is_not_valid_is_false():
    """A NamedTuple of fields would be true whatever they say."""
    a = gc.assignment(COST)
    m = gc.transport(COST, CAPACITY)
    for wrong in (replace(a, objective=1.0).verify(), replace(m, objective=1.0).verify()):
        assert not wrong
        assert wrong.reasons
        assert "no" in wrong._repr_html_()


def test_one_gap_everywhere():
    """(objective - bound) / max(abs(objective), abs(bound))."""
    for name in ("Matching", "Matching of gangs", "Flow", "Assignment", "Replay"):
        r = RESULTS[name]()
        cost = r.cost if name == "Replay" else r.objective
        most = max(abs(cost), abs(r.bound))
        assert r.gap == pytest.approx((cost - r.bound) / most if most else 0.0), name


@pytest.mark.parametrize("name", ["Matching", "Flow", "Assignment", "Plan"])
def test_results_are_tables(name):
    """If this fails, a result does not become a DataFrame."""
    pa = pytest.importorskip("pyarrow")
    result = RESULTS[name]()
    table = result.to_arrow()
    stream = pa.table(result)  # by the PyCapsule interface
    assert stream.equals(table)
    frame = result.to_pandas()
    assert list(frame.columns) == table.column_names
    assert len(frame) == table.num_rows > 0
    polars = pytest.importorskip("polars")
    assert result.to_polars().columns == polars.DataFrame(result).columns == table.column_names


def test_a_table_has_names_and_nulls():
    pytest.importorskip("pyarrow")
    m = gc.transport(COST, [1, 1, 0], unplaced=3.0)
    table = m.to_arrow(jobs=list("abcd"), slots=["near", "far", "none"])
    assert table["slot"].null_count == table["slot_name"].null_count == (m.assignment < 0).sum() > 0
    assert table["job_name"].to_pylist() == ["a", "b", "c", "d"]
    placed = table.to_pylist()[int(np.flatnonzero(m.assignment == 1)[0])]
    assert placed["slot_name"] == "far"
    assert placed["price"] == m.prices[1]
    with pytest.raises(InvalidProblemError, match="slots: found 2 names, needed 3"):
        m.to_arrow(slots=["a", "b"])
    empty = gc.transport(np.empty((0, 2)), [1, 1]).to_arrow(slots=["a", "b"])
    assert empty.num_rows == 0
    hours = plan().hourly
    frame = hours.to_pandas()
    assert len(frame) == len(hours) == 12 * 24
    assert frame["load_kwh"].sum() == pytest.approx(plan().dispatch.load_kwh.sum())
    carried = frame.filter(regex="^(direct|bundled|grid|gr.*_discharge)_kwh").sum(axis=1)
    np.testing.assert_allclose(carried, frame["load_kwh"], atol=1e-6)
    row = frame[(frame["site_name"] == plan().problem.sites.name[3]) & (frame["hour"] == 5)]
    assert row["price_yuan_per_kwh"].item() == plan().prices.energy[3, 5]
    dated = replace(plan(), problem=plan().problem.replace(start="2026-03-01T00:00+08:00"))
    assert dated.hourly.to_arrow()["time"][25].as_py() == "2026-03-01T01:00:00+08:00"
    plans = plan().to_arrow()
    assert {"site_name", "accelerator", "reason"} <= set(plans.column_names)


class OnlyDLPack:
    def __init__(self, array):
        self.array = array

    def __dlpack__(self, **options):
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


class OnlyArrow:
    def __init__(self, array):
        self.array = array

    def __arrow_c_array__(self, requested_schema=None):
        return self.array.__arrow_c_array__(requested_schema)


def test_arrays_of_other_libraries_are_read():
    """If this fails, a DataFrame, an Arrow table or a tensor must be converted by hand."""
    pa = pytest.importorskip("pyarrow")
    pd = pytest.importorskip("pandas")
    cost = np.where(np.isinf(COST), 99.0, COST)
    expected = gc.transport(cost, CAPACITY)
    frame = pd.DataFrame(cost, columns=["x", "y", "z"])
    for given in (frame, pa.table(frame), OnlyDLPack(cost)):
        m = gc.transport(given, OnlyArrow(pa.array(CAPACITY)), unplaced=pd.Series([50.0] * 4))
        assert m.objective == expected.objective
        assert gc.assignment(given).objective == gc.assignment(cost).objective
    arcs = [pa.array(v) for v in ([0, 0, 1], [1, 2, 2], [3, 2, 9], [1, 4, 1], [4, 0, -4])]
    assert gc.min_cost_flow(*arcs).objective == 10
    with pytest.raises(TypeError, match="integer dtype"):
        gc.transport(cost, pa.array([2, None, 1]))


def test_notebooks_show_results():
    shown = ("Matching", "Flow", "Assignment", "Plan", "Explanation", "Explanation of a plan")
    for name in (*shown, "Matching of gangs", "Replay", "Shares", "PlanCertificate"):
        html = RESULTS[name]()._repr_html_()
        assert html.startswith("<div>")
        assert "<script" not in html
    printed = ("ShareExplanation", "DivisionExplanation", "DominantShare", "Witness")
    for name in (*printed, "Explanation of a pod"):
        html = RESULTS[name]()._repr_html_()
        assert html.count("<p>") == len(str(RESULTS[name]()).splitlines()), (name, html)
    for name, column in (("WhatIf", "before"), ("Comparison", "first")):
        html = RESULTS[name]()._repr_html_()
        assert f">{column}</th>" in html
        assert html.count("<tr>") == len(RESULTS[name]().rows()) + 1, html
        assert html.endswith("</p></div>")
    assert RESULTS["Audit"]()._repr_markdown_().count("|") > 20
    assert "&lt;b&gt;" in _html.facts("<b>", {"a": 1})


def test_stages_are_logged(caplog):
    """If this fails, a service cannot see in its own log what was solved."""
    with caplog.at_level("INFO", logger="gridcompute"):
        gc.transport(COST, CAPACITY)
        gc.assignment(COST)
        gc.min_cost_flow([0], [1], [9], [1], [4, -4])
    first = [record.getMessage().partition(":")[0] for record in caplog.records]
    assert first == ["transport", "assignment", "min_cost_flow"]
    caplog.clear()
    gc.transport(COST, CAPACITY)
    assert not caplog.records
