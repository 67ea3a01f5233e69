"""gc.min_cost_flow: answers, witnesses, warm starts, errors, files."""

import csv
import dataclasses
import signal

import numpy as np
import pytest

from gridcompute import (
    INFINITE,
    CostRangeError,
    InvalidProblemError,
    min_cost_flow,
    read_dimacs,
    write_dimacs,
)
from real_data import find

METHODS = ["auto", "network_simplex", "cost_scaling"]
DIAMOND = ([0, 0, 1, 2], [1, 2, 3, 3], [3, 9, 9, 9], [1, 2, 1, 2], [5, 0, 0, -5])


def time_expanded(n_sites, n_hours, seed):
    """Sites x hours: waiting arcs, lines to neighbours, and a hub that collects and hands out."""
    r = np.random.default_rng(seed)
    node, hub = np.arange(n_sites * n_hours).reshape(n_sites, n_hours), n_sites * n_hours
    wait = (node[:, :-1].ravel(), node[:, 1:].ravel())
    line = (node[:, :-1].ravel(), np.roll(node, 1, axis=0)[:, 1:].ravel())
    ends = [wait, line, (node.ravel(), np.full(hub, hub)), (np.full(hub, hub), node.ravel())]
    tail, head = (np.concatenate([e[k] for e in ends]) for k in (0, 1))
    n = len(wait[0])
    capacity = np.r_[r.integers(50, 500, n), r.integers(10, 99, n), np.full(2 * hub, 10**5)]
    cost = np.r_[
        r.integers(0, 5, n), r.integers(10, 300, n), np.zeros(hub), r.integers(200, 2000, hub)
    ]
    surplus = r.integers(0, 200, hub) - r.integers(0, 100, hub)
    arrays = (tail, head, capacity, cost, np.r_[surplus, -surplus.sum()])
    return tuple(np.ascontiguousarray(a, np.int64) for a in arrays)


@pytest.mark.parametrize("method", METHODS)
def test_a_diamond_takes_the_cheap_way_first(method):
    f = min_cost_flow(*DIAMOND, method=method)
    assert f.status == "optimal"
    assert f.flow.tolist() == [3, 2, 3, 2]
    assert f.objective == 14
    assert isinstance(f.objective, int)
    assert f.verify().valid
    assert f.verify().gap == 0.0
    assert repr(f) == "<Flow: optimal, 4 nodes, 4 arcs, objective 14>"


@pytest.mark.parametrize("method", METHODS)
def test_loops_parallels_and_isolated_nodes_keep_their_own_flow(method):
    """A solver that merges parallel arcs or drops loops loses the caller's arcs."""
    tail, head = [0, 0, 1, 1, 0], [1, 1, 1, 1, 0]
    f = min_cost_flow(tail, head, [2, 9, 4, 4, 0], [5, 3, -2, 2, -1], [6, -6, 0], method=method)
    assert f.flow.tolist() == [0, 6, 4, 0, 0]
    assert f.objective == 10
    assert f.verify().valid


@pytest.mark.parametrize("method", METHODS)
def test_lower_bounds_also_negative(method):
    f = min_cost_flow([0, 1], [1, 2], [5, 5], [1, 1], [1, 0, -1], [2, -3], method=method)
    assert f.status == "infeasible"
    assert f.verify().valid
    f = min_cost_flow(
        [0, 1, 1], [1, 2, 0], [5, 5, 5], [1, 1, 7], [1, 0, -1], [2, -3, -2], method=method
    )
    assert f.flow.tolist() == [2, 1, 1]
    assert f.objective == 10
    assert f.verify().valid


@pytest.mark.parametrize("method", METHODS)
def test_empty_problems(method):
    for n in (0, 1, 3):
        f = min_cost_flow([], [], [], [], np.zeros(n, np.int64), method=method)
        assert (f.status, f.objective, len(f.potentials)) == ("optimal", 0, n)
        assert f.verify().valid


@pytest.mark.parametrize("method", METHODS)
def test_infeasible_names_a_cut(method):
    f = min_cost_flow([0, 1, 2], [1, 2, 3], [9, 4, 9], [1, 1, 1], [5, 0, 0, -5], method=method)
    assert f.status == "infeasible"
    assert f.witness.tolist() == [0, 1]
    assert f.verify().valid
    forged = dataclasses.replace(f, witness=np.array([0], np.int64))
    assert not forged.verify().valid


def test_supplies_that_do_not_sum_to_zero_are_infeasible_with_all_nodes_as_the_cut():
    f = min_cost_flow([0], [1], [9], [1], [3, -2])
    assert f.status == "infeasible"
    assert f.witness.tolist() == [0, 1]
    assert f.verify().valid


@pytest.mark.parametrize("method", METHODS)
def test_unbounded_names_the_cycle(method):
    f = min_cost_flow(
        [0, 1, 2, 0], [1, 2, 0, 1], [INFINITE] * 3 + [1], [1, -3, 1, 0], [2, 0, -2], method=method
    )
    assert f.status == "unbounded"
    assert sorted(f.cycle.tolist()) == [0, 1, 2]
    assert f.verify().valid
    one_less = [INFINITE, INFINITE, 10**6, 1]
    f = min_cost_flow(
        [0, 1, 2, 0], [1, 2, 0, 1], one_less, [1, -3, 1, 0], [2, 0, -2], method=method
    )
    assert f.status == "optimal"
    assert f.flow[2] == 10**6
    assert f.verify().valid


def test_an_infinite_negative_loop_is_unbounded_and_no_way_out_is_infeasible():
    loop = min_cost_flow([0, 0], [0, 1], [INFINITE, 5], [-1, 1], [1, -1])
    assert (loop.status, loop.cycle.tolist(), loop.verify().valid) == ("unbounded", [0], True)
    both = min_cost_flow([0, 0], [0, 1], [INFINITE, 5], [-1, 1], [9, -9])
    assert (both.status, both.verify().valid) == ("infeasible", True)


@pytest.mark.parametrize("change", ["cost", "capacity", "supply", "all", "nothing"])
@pytest.mark.parametrize("method", ["network_simplex", "cost_scaling"])
def test_warm_starts_reach_the_same_optimum_with_fewer_pivots(change, method):
    tail, head, capacity, cost, supply = time_expanded(8, 24, 1)
    first = min_cost_flow(tail, head, capacity, cost, supply, method=method)
    r = np.random.default_rng(2)
    some = r.choice(len(cost), len(cost) // 100, replace=False)
    if change in ("cost", "all"):
        cost = cost.copy()
        cost[some] += r.integers(0, 30, len(some))
    if change in ("capacity", "all"):
        capacity = capacity.copy()
        capacity[some] //= 2
    if change in ("supply", "all"):
        supply = supply.copy()
        supply[3] += 5
        supply[-1] -= 5
    cold = min_cost_flow(tail, head, capacity, cost, supply)
    warm = min_cost_flow(tail, head, capacity, cost, supply, start=first)
    assert warm.status == cold.status == "optimal"
    assert warm.objective == cold.objective
    assert warm.verify().valid
    assert warm.stats["warm"]
    assert warm.stats["start"] == ("basis" if method == "network_simplex" else "flow")
    assert warm.stats["pivots"] < cold.stats["pivots"] / 2
    assert not cold.stats["warm"]


@pytest.mark.parametrize("change", ["cost", "capacity", "supply", "nothing"])
def test_the_counters_say_what_a_warm_start_found_changed(change):
    """Without them nobody can tell a warm start that was used from one that was not."""
    tail, head, capacity, cost, supply = time_expanded(8, 24, 1)
    first = min_cost_flow(tail, head, capacity, cost, supply)
    used = np.flatnonzero((first.flow > 0) & (first.flow < capacity))[:7]
    if change == "cost":
        cost = cost.copy()
        cost[used] += 3
    if change == "capacity":
        capacity = capacity.copy()
        capacity[used] = first.flow[used] - 1
    if change == "supply":
        supply = supply.copy()
        supply[[2, 5, 9]] += [4, -3, -1]
    warm = min_cost_flow(tail, head, capacity, cost, supply, start=first)
    assert warm.verify().valid
    found = {k: warm.stats[f"changed_{k}"] for k in ("costs", "capacities", "supplies")}
    expected = {"cost": (7, 0, 0), "capacity": (0, 7, 0), "supply": (0, 0, 3), "nothing": (0, 0, 0)}
    assert tuple(found.values()) == expected[change]
    assert warm.stats["kept_tree_arcs"] > 0
    assert (warm.stats["dual_pivots"] > 0) >= (change == "capacity")
    if change == "nothing":
        assert warm.stats["pivots"] == warm.stats["priced_blocks"] == 0
        assert (warm.flow == first.flow).all()


def test_arrays_changed_in_place_are_seen():
    """The earlier answer keeps what it was told, not the caller's array, another by now."""
    tail, head, capacity, cost, supply = time_expanded(8, 24, 1)
    first = min_cost_flow(tail, head, capacity, cost, supply)
    cost += 7 * (np.arange(len(cost)) % 3 == 0)
    capacity[:] = capacity // 2 + 20
    warm = min_cost_flow(tail, head, capacity, cost, supply, start=first)
    assert warm.objective == min_cost_flow(tail, head, capacity, cost, supply).objective
    assert warm.verify().valid
    assert warm.stats["changed_costs"] == np.count_nonzero(np.arange(len(cost)) % 3 == 0)


def test_a_line_that_is_cut_and_comes_back_keeps_the_tree():
    """Capacities of 0 make no other graph: the warm start is used, through infeasible and back."""
    tail, head, capacity, cost, supply = time_expanded(8, 24, 1)
    first = min_cost_flow(tail, head, capacity, cost, supply)
    cut = capacity.copy()
    hub = len(supply) - 1
    cut[np.flatnonzero((first.flow > 0) & (tail != hub) & (head != hub))[::5]] = 0
    dark = min_cost_flow(tail, head, cut, cost, supply, start=first)
    none = min_cost_flow(tail, head, 0 * capacity, cost, supply, start=dark)
    assert none.status == "infeasible"
    assert none.verify().valid
    back = min_cost_flow(tail, head, capacity, cost, supply, start=none)
    assert (
        dark.objective == min_cost_flow(tail, head, cut, cost, supply).objective > first.objective
    )
    assert back.objective == first.objective
    assert dark.verify().valid
    assert back.verify().valid
    assert none.stats["method"] == "capacity"
    assert dark.stats["start"] == back.stats["start"] == "basis"


def test_a_start_of_another_shape_is_refused():
    tail, head, capacity, cost, supply = time_expanded(4, 10, 3)
    first = min_cost_flow(tail, head, capacity, cost, supply)
    with pytest.raises(InvalidProblemError, match=r"^start: found a flow of .* needed "):
        min_cost_flow(tail[1:], head[1:], capacity[1:], cost[1:], supply, start=first)
    with pytest.raises(InvalidProblemError, match=r"^start: found a flow of .* needed "):
        min_cost_flow(tail, head, capacity, cost, np.r_[supply, 0], start=first)


def test_a_start_from_another_graph_is_only_a_bad_hint():
    tail, head, *rest, supply = time_expanded(4, 10, 3)
    other = min_cost_flow(head, tail, *(x[::-1] for x in rest), supply[::-1])
    first = min_cost_flow(tail, head, *rest, supply)
    turned = np.where(head < 10, (head + 1) % 10, head)
    assert min_cost_flow(tail, turned, *rest, supply).objective != first.objective
    for heads, start in (head, other), (turned, first):
        f = min_cost_flow(tail, heads, *rest, supply, start=start)
        assert f.objective == min_cost_flow(tail, heads, *rest, supply).objective
        assert f.verify().valid


def test_an_infeasible_start_serves_too():
    tail, head, capacity, cost, supply = time_expanded(4, 10, 3)
    blocked = min_cost_flow(tail, head, capacity // 100, cost, supply)
    f = min_cost_flow(tail, head, capacity, cost, supply, start=blocked)
    assert f.objective == min_cost_flow(tail, head, capacity, cost, supply).objective


def test_the_same_bits_for_any_number_of_threads_and_each_run():
    problem = time_expanded(6, 20, 4)
    runs = [min_cost_flow(*problem, threads=k) for k in (1, 2, 7, 1)]
    for run in runs[1:]:
        assert (run.flow == runs[0].flow).all()
        assert (run.potentials == runs[0].potentials).all()


def test_arcs_of_negative_cost_begin_full_where_they_lie_on_cycles():
    """If this fails, graphs full of paying cycles take ten times as long."""
    r = np.random.default_rng(1)
    n, m = 1500, 15_000
    tail = r.integers(0, n, m)
    head = (tail + r.integers(1, n, m)) % n
    capacity, cost = r.integers(1, 1000, m), r.integers(-10_000, 1_000, m)
    problem = (tail, head, capacity, cost, np.zeros(n, np.int64))
    f = min_cost_flow(*problem)
    assert (f.stats["method"], f.stats["reason"]) == ("network_simplex", "within budget")
    assert f.stats["start"] == "saturated"
    assert f.stats["work"] < 400 * (n + m)
    assert f.verify().valid
    named = min_cost_flow(*problem, method="cost_scaling")
    assert (named.stats["reason"], named.objective) == ("by name", f.objective)
    layered = min_cost_flow(np.minimum(tail, head), np.maximum(tail, head), *problem[2:])
    assert layered.stats["start"] == "artificial"
    assert (layered.flow == 0).all()


@pytest.mark.parametrize("method", METHODS)
def test_time_limit_and_progress_stop(method):
    """A stopped solve says so, and how much has no path yet; it never says optimal."""
    problem = time_expanded(30, 60, 5)
    f = min_cost_flow(*problem, method=method, time_limit=0)
    assert f.status == "time_limit"
    seen = []

    def stop(p):
        seen.append(p.done)
        return True

    f = min_cost_flow(*problem, method=method, progress=stop)
    assert f.status == "stopped"
    assert len(seen) == 1
    with pytest.raises(ZeroDivisionError):
        min_cost_flow(*problem, method=method, progress=lambda p: 1 / 0)


@pytest.mark.parametrize("method", ["network_simplex", "cost_scaling"])
def test_an_interrupt_ends_a_solve(method):
    """If this fails, Ctrl-C waits for the end of a long solve, or is lost in it."""
    r = np.random.default_rng(6)
    n, m = 50_000, 400_000
    tail = np.r_[r.integers(0, n, m), np.arange(n)]
    head = np.r_[(tail[:m] + r.integers(1, n, m)) % n, (np.arange(n) + 1) % n]
    supply = np.zeros(n, np.int64)
    supply[:300], supply[300:600] = 500, -500
    capacity = np.r_[r.integers(1, 1000, m), np.full(n, 10**6)]
    cost = np.r_[r.integers(1, 10_000, m), np.full(n, 40_000)]

    def interrupt(*_):
        raise KeyboardInterrupt

    old = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.08)
        with pytest.raises(KeyboardInterrupt):
            min_cost_flow(tail, head, capacity, cost, supply, method=method)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)


def test_arrays_are_read_only_and_other_integers_are_taken():
    small = [np.array(a, np.int32) for a in DIAMOND]
    f = min_cost_flow(*small)
    assert f.objective == 14
    with pytest.raises(ValueError, match="read-only"):
        f.flow[0] = 1
    frozen = [np.array(a, np.int64) for a in DIAMOND]
    for a in frozen:
        a.flags.writeable = False
    assert min_cost_flow(*frozen).objective == 14


def test_contiguous_int64_is_read_in_place_and_all_else_is_converted():
    plain = [np.array(a, np.int64) for a in DIAMOND]
    f = min_cost_flow(*plain)
    assert all(kept is given for kept, given in zip(f.problem, plain, strict=True))
    with pytest.raises(ValueError, match="read-only"):
        f.potentials[0] = 1

    class Kind(np.ndarray):
        """A subclass may index otherwise."""

    every_other, other_order = np.repeat(plain[3], 2)[::2], plain[3].astype(">i8")
    for cost in (every_other, other_order, plain[3].view(Kind), plain[3].tolist()):
        g = min_cost_flow(*plain[:3], cost, plain[4])
        assert g.objective == f.objective
        assert g.problem.cost.flags.c_contiguous
        assert g.problem.cost.dtype == np.int64


@pytest.mark.parametrize(
    ("field", "values", "index"),
    [
        ("tail", [0, 0, 1, 4], 3),
        ("tail", [0, -1, 1, 2], 1),
        ("head", [1, 2, 9, 3], 2),
        ("capacity", [3, 9, -1, 9], 2),
        ("capacity", [3, 9], None),
        ("head", [[1, 2], [3, 3]], None),
        ("cost", np.array([1, 2, 1, 2**63], np.uint64), 3),
    ],
)
def test_bad_values_name_the_argument_and_the_place(field, values, index):
    arguments = dict(zip(("tail", "head", "capacity", "cost", "supply"), DIAMOND, strict=True))
    with pytest.raises(InvalidProblemError, match=f"^{field}.*: found .*, needed ") as caught:
        min_cost_flow(**(arguments | {field: values}))
    assert (caught.value.field, caught.value.index) == (field, index)


def test_wrong_types_are_type_errors():
    for field in ("tail", "head", "capacity", "cost", "supply"):
        arguments = dict(zip(("tail", "head", "capacity", "cost", "supply"), DIAMOND, strict=True))
        with pytest.raises(TypeError, match=field):
            min_cost_flow(**(arguments | {field: np.array(arguments[field], float)}))
    with pytest.raises(TypeError, match="start"):
        min_cost_flow(*DIAMOND, start=[1, 2])
    with pytest.raises(InvalidProblemError, match="method"):
        min_cost_flow(*DIAMOND, method="simplex")
    with pytest.raises(InvalidProblemError, match="start: found a flow of 2 nodes and 1 arcs"):
        min_cost_flow(*DIAMOND, start=min_cost_flow([0], [1], [1], [1], [1, -1]))
    with pytest.raises(InvalidProblemError, match="lower"):
        min_cost_flow(*DIAMOND, lower=[0])
    with pytest.raises(InvalidProblemError, match=r"capacity\[1\].*lower\[1\] = 10"):
        min_cost_flow(*DIAMOND, lower=[0, 10, 0, 0])


def test_floats_and_scalars_are_refused_with_the_way_out(tmp_path):
    with pytest.raises(TypeError, match="INFINITE"):
        min_cost_flow([0], [1], [float("inf")], [1], [1, -1])
    with pytest.raises(TypeError, match="multiply and round"):
        min_cost_flow([0], [1], [5], [0.5], [1, -1])
    with pytest.raises(TypeError, match="FlowProblem or its arrays, not int"):
        write_dimacs(tmp_path / "x.min", 5)


def test_ranges_at_the_bound_and_one_past():
    """Costs and flows at the proved limits are solved and certified; one past is refused."""
    most_cost, most_flow = 2**60 // 4 - 1, 2**60
    chain = ([0, 1], [1, 2], [INFINITE] * 2)
    f = min_cost_flow(*chain, [most_cost, -most_cost], [most_flow, 0, -most_flow])
    assert f.objective == 0
    f = min_cost_flow(*chain, [most_cost, most_cost], [most_flow // 2, 0, -most_flow // 2])
    assert f.objective == 2 * most_cost * (most_flow // 2)
    assert f.verify().valid
    with pytest.raises(CostRangeError, match=f"needed at most {most_cost}"):
        min_cost_flow(*chain, [most_cost + 1, 0], [1, 0, -1])
    with pytest.raises(CostRangeError, match=f"needed at most {most_flow}"):
        min_cost_flow(*chain, [1, 1], [most_flow + 1, 0, -most_flow - 1])
    with pytest.raises(CostRangeError):
        min_cost_flow(*chain, [-(2**63), 1], [1, 0, -1])
    with pytest.raises(CostRangeError, match="network_simplex takes more"):
        min_cost_flow(*chain, [most_cost, 1], [1, 0, -1], method="cost_scaling")


def published():
    with find("solver/mincost_flow_optima.csv").open() as file:
        return [(row["file"], round(float(row["optimal_cost"]))) for row in csv.DictReader(file)]


@pytest.mark.parametrize("method", METHODS)
def test_published_optima(method):
    for name, optimum in published():
        f = min_cost_flow(*read_dimacs(find(f"solver/{name}")), method=method)
        assert (name, f.status, f.objective) == (name, "optimal", optimum)
        assert f.verify().valid


def test_dimacs_round_trip_plain_and_gzip(tmp_path):
    lower = np.array([1, 0, 0, 0], np.int64)
    for name in ("a.min", "a.min.gz"):
        write_dimacs(tmp_path / name, DIAMOND)
        problem = read_dimacs(tmp_path / name)
        assert problem.lower is None
        assert len(tuple(problem)) == 5
        for ours, theirs in zip(problem, DIAMOND, strict=True):
            assert ours.tolist() == theirs
        write_dimacs(tmp_path / name, (*DIAMOND, lower))
        again = read_dimacs(str(tmp_path / name))
        assert again.lower.tolist() == lower.tolist()
        assert min_cost_flow(*again).objective == min_cost_flow(*DIAMOND, lower=lower).objective
    assert (tmp_path / "a.min.gz").read_bytes().startswith(b"\x1f\x8b")
    with pytest.raises(InvalidProblemError, match="problem: found 3 arrays"):
        write_dimacs(tmp_path / "b.min", DIAMOND[:3])


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("", 0, "found no 'p min NODES ARCS' line"),
        ("c hello\np max 3 2\n", 2, "needed the problem type 'min', found 'max'"),
        ("p min 2 1\n\na 1 3 0 1 1\n", 3, "needed a head in 1..2, found 3"),
        ("p min 2 1\r\na 1 2 0 1\r\n", 2, "needed a cost, the line ends"),
        ("p min 2 1\na 1 2 0 1 x\n", 2, "an integer, found 'x'"),
        ("p min 2 1\na 1 2 0 1 1.5\n", 2, "an integer, found '1.5'"),
        ("p min 2 1\na 1 2 0 1 1 1\n", 2, "needed the end of the line, found '1'"),
        ("p min 2 1\na 1 2 4 3 1\n", 2, "at least the lower bound 4, found 3"),
        ("p min 2 2\na 1 2 0 3 1\n", 2, "found 1 arcs, needed 2"),
        ("p min 2 0\np min 2 0\n", 2, "a second problem line"),
        ("p min 2 0\nn 1 5\nn 1 5\n", 3, "a second supply of node 1"),
        ("n 1 5\n", 1, "needed 'p min NODES ARCS' before"),
        ("p min 2 0\nq\n", 2, "needed a line of kind c, p, n or a, found 'q'"),
        (f"p min 2 1\na 1 2 0 {2**63} 1\n", 2, "of 64 bits"),
    ],
)
def test_dimacs_errors_name_the_line(tmp_path, text, line, says):
    path = tmp_path / "bad.min"
    path.write_bytes(text.encode())
    with pytest.raises(InvalidProblemError, match=f"line {line}: ") as caught:
        read_dimacs(path)
    assert says in str(caught.value)
    assert "bad.min" in str(caught.value)
    assert caught.value.index == line
